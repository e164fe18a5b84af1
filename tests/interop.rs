//! Files of other programs are read, and other programs read ours.
#![allow(missing_docs)]

#[expect(dead_code, reason = "this file uses a part of it")]
mod common;
mod python;

use std::fs;
use std::path::Path;

use wordloom::Embeddings;
use wordloom::format::{self, Format};

use self::common::Place;
use self::python::{lacks, script, shared};

/// A place with a small model that has words of several scripts.
fn trained(name: &str) -> Place {
    let place = Place::new();
    let words = ["the", "naïve", "слово", "言葉", "cat", "🐈", "a"];
    let text: Vec<&str> = (0..7000).map(|i: usize| words[(i * i + i / 7) % words.len()]).collect();
    place.write("text.txt", text.join(" "));
    let settings = "-q --dim 13 --epochs 2 --threads 1 --subsample 0";
    place.run(&format!("train skip-gram text.txt -o {name} {settings}")).good();
    place
}

// Other programs read ours

#[test]
fn safetensors_for_python_opens_a_model() {
    if lacks("safetensors, numpy") {
        return;
    }
    let place = trained("m.safetensors");
    let model = place.path("m.safetensors");
    let found = script("open_model.py", &[&model], "cat\n言葉\n🐈\n");

    let ours = format::read(&model).unwrap();
    let (words, bytes) = (ours.vocab.len(), ours.vocab.bytes.len());
    assert!(words >= 3);
    let expected = serde_json::json!({
        "input": ["float32", [words, 13]],
        "output": ["float32", [words, 13]],
        "vocab.counts": ["uint64", [words]],
        "vocab.ends": ["uint64", [words]],
        "vocab.order": ["uint32", [words]],
        "vocab.bytes": ["uint8", [bytes]],
    });
    assert_eq!(found["tensors"], expected);
    assert_eq!(found["words"], serde_json::json!(texts(&ours)));
    assert_eq!(found["counts"], serde_json::json!(&ours.vocab.counts[..]));
    assert_eq!((&found["order_sorts_words"], &found["finite"]), (&true.into(), &true.into()));
    assert_eq!(found["history"]["settings"]["dim"], 13);
    assert_eq!(found["history"]["corpus"]["words_read"], 7000);
    for line in place.run("vector m.safetensors cat 言葉 🐈").printed().lines() {
        let (word, numbers) = line.split_once(' ').unwrap();
        let theirs =
            found["vectors"][word].as_array().unwrap().iter().map(|x| number(x.as_str().unwrap()));
        assert!(theirs.eq(numbers.split(' ').map(number)), "{word}");
    }
}

#[test]
fn word2vec_binary_is_what_its_description_says() {
    if lacks("json, struct") {
        return;
    }
    let place = trained("m.bin");
    let model = place.path("m.bin");
    let found = script("read_word2vec.py", &[&model], "");
    let ours = format::read(&model).unwrap();
    assert_eq!((&found["count"], &found["dim"]), (&ours.vocab.len().into(), &13.into()));
    assert_eq!(found["rest"], "\n");
    for (id, row) in found["rows"].as_array().unwrap().iter().enumerate() {
        assert_eq!(row[0], *ours.vocab.text(id as u32));
        let numbers = row[1].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32);
        assert!(numbers.eq(ours.vector(id as u32).iter().copied()));
    }
}

// Files of other programs are read

fn texts(model: &Embeddings) -> Vec<String> {
    (0..model.vocab.len() as u32).map(|id| model.vocab.text(id)).collect()
}

fn number(text: &str) -> f32 {
    text.parse().unwrap()
}

fn format_of(path: &Path) -> Option<Format> {
    Format::of_content(&fs::read(path).unwrap())
}

/// Reads a file, and checks that the vectors come through each of our formats as they are.
fn read(path: &Path) -> Embeddings {
    let model = format::read(path).unwrap();
    assert_eq!(model.input().len(), model.vocab.len() * model.dim());
    let folder = tempfile::tempdir().unwrap();
    for to in [
        Format::named("safetensors").unwrap(),
        Format::named("text").unwrap(),
        Format::named("binary").unwrap(),
    ] {
        let copy = folder.path().join("copy");
        format::write(&model, &copy, to).unwrap();
        let copy = format::read(&copy).unwrap();
        assert_eq!(copy.input(), model.input(), "{to:?}");
        assert!(copy.vocab.words().eq(model.vocab.words()), "{to:?}");
    }
    model
}

#[test]
fn word2vec_files_with_and_without_sizes_hold_the_same() {
    let names = [
        ("similarity.bin", Format::named("binary").unwrap()),
        ("similarity.txt", Format::named("text").unwrap()),
        ("similarity.nodims", Format::named("glove").unwrap()),
    ];
    let mut first: Option<Embeddings> = None;
    for (name, form) in names {
        let Some(path) = shared(&format!("data/models/word2vec/{name}")) else { return };
        assert_eq!(format_of(&path), Some(form));
        let model = read(&path);
        assert_eq!((model.vocab.len(), model.dim()), (41, 100));
        let first = first.get_or_insert_with(|| model.clone());
        assert_eq!(texts(&model), texts(first), "{name}");
        assert_eq!(model.input(), first.input(), "{name}");
    }
}

#[test]
fn words_that_are_cut_within_a_character_are_read() {
    for name in ["utf8-incomplete.bin", "utf8-incomplete.txt", "utf8-incomplete.dims"] {
        let Some(path) = shared(&format!("data/models/word2vec/{name}")) else { return };
        let model = read(&path);
        assert_eq!((model.vocab.len(), model.dim()), (3, 3));
        let words: Vec<&[u8]> = model.vocab.words().collect();
        assert_eq!([words[0], words[2]], [&b"meren"[..], b"rivieren"], "{name}");
        assert!(std::str::from_utf8(words[1]).is_err(), "{name}: {:?}", words[1]);
        assert!(words[1].starts_with(b"zee") && words[1].ends_with(b"n"), "{name}");
        assert_eq!(model.vocab.id(words[1]), Some(1));
    }
}

#[test]
fn word2vec_binary_and_glove_of_others_answer_questions() {
    let place = Place::new();
    let cases = [
        ("word2vec/euclidean_vectors.bin", Format::named("binary").unwrap(), 2747, 10),
        ("glove/test_glove.txt", Format::named("glove").unwrap(), 76, 50),
    ];
    for (name, form, words, dim) in cases {
        let Some(path) = shared(&format!("data/models/{name}")) else { continue };
        assert_eq!(format_of(&path), Some(form), "{name}");
        let model = read(&path);
        assert_eq!((model.vocab.len(), model.dim()), (words, dim), "{name}");
        assert!(
            model.vocab.id(b"the").is_some() && model.input().iter().all(|x| x.is_finite()),
            "{name}"
        );
        fs::copy(&path, place.path("theirs")).unwrap();
        let answer = place.run("similar theirs the -k 3 --json").json();
        assert_eq!(answer["neighbours"].as_array().unwrap().len(), 3, "{name}");
        let info = place.run("info theirs --json").json();
        assert_eq!((&info["words"], &info["dim"]), (&words.into(), &dim.into()));
    }
}
