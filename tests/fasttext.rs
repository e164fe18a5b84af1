//! fastText's files: its own answers, files that others write and read, and files that lie.
//!
//! This file is over 300 lines because it writes fastText's layout itself, field by field, and most
//! tests start from such a file.
#![allow(missing_docs)]

#[expect(dead_code, reason = "this file uses a part of it")]
mod common;
mod python;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use wordloom::Mapped;
use wordloom::format::{self, Format};
use wordloom::{Embeddings, Ngrams, Provenance, Subwords, Vocab};

use self::common::Place;
use self::python::{lacks, script, shared};

const NEAR: f32 = 1e-6;

/// Up to 800 words of the vocabulary, and 200 words that are not in it.
fn words(model: &Embeddings) -> Vec<String> {
    let known: Vec<String> =
        model.vocab.words().filter_map(|word| str::from_utf8(word).ok()).map(Into::into).collect();
    let mut words: Vec<String> = known.iter().take(800).cloned().collect();
    let all = words.len() + 200;
    for i in 0.. {
        let [a, b] = [i * 7 % known.len(), (i * 13 + 5) % known.len()].map(|i| &known[i]);
        let [a, b] = [a, b].map(|word| word.chars().take(1 + i % 5).collect::<String>());
        let more = i / known.len();
        let unseen = format!("{a}{}{b}{}", ["ing", "ñ", "言葉", "🐈"][i % 4], "o".repeat(more));
        if model.vocab.id(unseen.as_bytes()).is_none() && !words.contains(&unseen) {
            words.push(unseen);
            if words.len() == all {
                break;
            }
        }
    }
    words
}

fn theirs(program: &str, model: &Path, words: &[String]) -> Vec<Vec<f32>> {
    let answer = script("word_vectors.py", &[Path::new(program), model], &words.join("\n"));
    let row =
        |row: &Value| row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
    answer.as_array().unwrap().iter().map(row).collect()
}

/// Checks that `program` gives the vectors of `ours` for known and unseen words of the file at
/// `path`.
#[track_caller]
fn same_answers(program: &str, path: &Path, ours: &Embeddings) {
    // gensim gives the end of a sentence n-grams, which fastText does not.
    let words: Vec<String> =
        words(ours).into_iter().filter(|word| program != "gensim" || word != "</s>").collect();
    let theirs = theirs(program, path, &words);
    assert_eq!(theirs.len(), words.len());
    let mut furthest = 0.0f32;
    for (word, theirs) in words.iter().zip(theirs) {
        // Where there is no n-gram, others answer with zeros.
        let ours =
            ours.find(word).map_or(vec![0.0; theirs.len()], |found| found.vector.into_owned());
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() <= NEAR, "{}: {word}: {a} is not {b}", path.display());
            furthest = furthest.max((a - b).abs());
        }
        assert_eq!(ours.len(), theirs.len());
    }
    eprintln!("{program}, {}: {} words within {furthest:e}", path.display(), words.len());
}

/// A model as wordloom trains it: only n-grams that the vocabulary reaches have a row.
fn trained() -> Embeddings {
    let texts = ["the", "house", "naïve", "слово", "言葉", "🐈", "a", "housing", "mouse", "</s>"];
    let vocab = Vocab::new(&texts, (1..=10).rev().collect());
    let subwords = Subwords { min_n: 2, max_n: 4, buckets: 5000 };
    let dim = 6;
    let ngrams = |word: &str| {
        let mut all = Vec::new();
        subwords.each(word.as_bytes(), |bucket| all.push(bucket));
        all
    };
    let mut buckets: Vec<u32> = texts.iter().flat_map(|word| ngrams(word)).collect();
    buckets.sort_unstable();
    buckets.dedup();
    let number = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 500.0 - 1.0;
    let row = |row: usize| (0..dim).map(move |i| number(row * dim + i));
    let mut vectors = Vec::new();
    for (word, text) in texts.iter().enumerate() {
        let behind = |bucket: &u32| texts.len() + buckets.binary_search(bucket).unwrap();
        let mut rows = vec![word];
        rows.extend(ngrams(text).iter().map(behind));
        let mean = |i: usize| {
            rows.iter().map(|&row| number(row * dim + i)).sum::<f32>() / rows.len() as f32
        };
        vectors.extend((0..dim).map(mean));
    }
    let rows: Vec<u8> =
        (0..buckets.len()).flat_map(|i| row(texts.len() + i)).flat_map(f32::to_le_bytes).collect();
    let ngrams =
        Ngrams { subwords, buckets: Some(buckets.into()), rows: rows.into(), pruned: false };
    let settings =
        json!({ "window": 4, "epochs": 3, "negative": 7, "subsample": 0.001, "min_n": 2 });
    let provenance = Provenance {
        method: "cbow".into(),
        settings,
        losses: vec![Some(2.0)],
        ..Provenance::default()
    };
    let output: Vec<f32> = vectors.iter().map(|x| -x).collect();
    Embeddings::new(vocab, dim, vectors.into(), Some(output.into()), provenance)
        .with_ngrams(Some(ngrams))
}

// fastText's files are read

#[test]
fn vectors_are_those_that_fasttext_wrote_beside_its_model() {
    let file = |kind: &str| shared(&format!("data/models/fasttext/crime-and-punishment.{kind}"));
    let (Some(bin), Some(vec)) = (file("bin"), file("vec")) else { return };
    let (bin, vec) = (format::read(&bin).unwrap(), format::read(&vec).unwrap());
    assert!(bin.vocab.words().eq(vec.vocab.words()));
    assert_eq!(bin.vocab.len(), 291);
    for (a, b) in bin.input().iter().zip(vec.input()) {
        // The text has five digits.
        assert!((a - b).abs() <= 5.1e-5 * b.abs(), "{a} is not {b}");
    }
    assert_eq!(bin.output().unwrap().len(), 291 * 5);
    assert_eq!(bin.provenance.settings["buckets"], 100);
    assert_eq!(bin.vocab.counts.iter().sum::<u64>(), bin.provenance.corpus.tokens);
}

#[test]
fn vectors_are_those_that_fasttext_answers() {
    if lacks("fasttext") {
        return;
    }
    for name in ["crime-and-punishment", "lee_fasttext_new", "finalfusion_d50"] {
        if let Some(path) = shared(&format!("data/models/fasttext/{name}.bin")) {
            same_answers("fasttext", &path, &format::read(&path).unwrap());
        }
    }
}

#[test]
fn models_of_each_kind_that_fasttext_trains_are_read_and_written_back() {
    if lacks("fasttext") {
        return;
    }
    let gensim = !lacks("gensim.models.fasttext");
    let folder = tempfile::tempdir().unwrap();
    let names = script("train_fasttext.py", &[folder.path()], "");
    for name in names.as_array().unwrap() {
        let name = name.as_str().unwrap();
        let path = folder.path().join(name);
        assert_eq!(
            Format::of_content(&fs::read(&path).unwrap()),
            Some(Format::named("fasttext").unwrap())
        );
        let model = format::read(&path).unwrap();
        assert!(!model.vocab.words().any(|word| word.starts_with(b"__label__")), "{name}");
        assert_eq!(
            model.output().is_some(),
            ["skip-gram.bin", "cbow.bin", "words.bin"].contains(&name),
            "{name}"
        );
        assert_eq!(
            model.ngrams().is_some(),
            !name.starts_with("words") && !name.starts_with("phrases"),
            "{name}"
        );
        let pruned = model.ngrams().is_some_and(|ngrams| ngrams.pruned);
        assert_eq!(pruned, ["pruned.ftz", "norms.ftz"].contains(&name), "{name}");
        same_answers("fasttext", &path, &model);
        // What it becomes in our format and in fastText's again.
        for (copy, to) in [
            ("copy.safetensors", Format::named("safetensors").unwrap()),
            ("copy.bin", Format::named("fasttext").unwrap()),
        ] {
            let copy = folder.path().join(copy);
            format::write(&model, &copy, to).unwrap();
            let again = format::read(&copy).unwrap();
            assert!(again.output() == model.output(), "{name}");
            assert_eq!(again.vocab.counts[..], model.vocab.counts[..], "{name}");
            assert_eq!(
                again.provenance.method == "cbow",
                model.provenance.method == "cbow",
                "{name}"
            );
            for word in words(&model) {
                let [a, b] = [&model, &again].map(|model| model.find(&word).ok());
                let (Some(a), Some(b)) = (&a, &b) else {
                    assert!(a.is_none() && b.is_none(), "{name}: {word}");
                    continue;
                };
                // Pruning is lost: n-grams that were dropped count as zeros.
                let ratio = if pruned && to == Format::named("fasttext").unwrap() && a.id.is_none()
                {
                    let all = |model: &Embeddings| {
                        model.ngrams().unwrap().add(word.as_bytes(), &mut vec![0.0; model.dim()])
                    };
                    all(&model) as f32 / all(&again) as f32
                } else {
                    1.0
                };
                assert!(
                    a.vector.iter().zip(&*b.vector).all(|(a, b)| (a * ratio - b).abs() <= NEAR),
                    "{name}: {word}"
                );
            }
        }
        let copy = folder.path().join("copy.bin");
        let written = format::read(&copy).unwrap();
        same_answers("fasttext", &copy, &written);
        if gensim {
            same_answers("gensim", &copy, &written);
        }
    }
}

// Others read ours

#[test]
fn fasttext_and_gensim_read_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.bin");
    let with = trained();
    let without = with.clone().with_ngrams(None);
    for (program, module) in [("fasttext", "fasttext"), ("gensim", "gensim.models.fasttext")] {
        if lacks(module) {
            continue;
        }
        for model in [&with, &without] {
            format::write(model, &path, Format::named("fasttext").unwrap()).unwrap();
            same_answers(program, &path, model);
        }
    }
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.bin");
    let before = trained();
    format::write(&before, &path, Format::named("fasttext").unwrap()).unwrap();
    let after = format::read(&path).unwrap();
    assert!(after.vocab.words().eq(before.vocab.words()));
    assert_eq!(after.vocab.counts[..], before.vocab.counts[..]);
    assert_eq!(after.output(), before.output());
    assert!(after.input().iter().zip(before.input()).all(|(a, b)| (a - b).abs() < NEAR));
    let unseen = |model: &Embeddings| model.find("housemouse").unwrap().vector.into_owned();
    assert_eq!(unseen(&after), unseen(&before));
    assert_eq!(after.provenance.method, "cbow");
    let settings = &after.provenance.settings;
    for (name, value) in [
        ("window", 4),
        ("epochs", 3),
        ("negative", 7),
        ("min_n", 2),
        ("max_n", 4),
        ("min_count", 1),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    assert_eq!(settings["subsample"], 0.001);
    // Words that can't be told apart there.
    for words in [["a", "a"], ["a", "a\0b"]] {
        let twice = Embeddings::new(
            Vocab::new(&words, vec![]),
            1,
            vec![1.0; 2].into(),
            None,
            Provenance::default(),
        );
        let written = fs::read(&path).unwrap();
        format::write(&twice, &path, Format::named("fasttext").unwrap()).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), written);
    }
}

// Whole commands

/// A place with `m.safetensors`, the model as wordloom trains it.
fn with_trained() -> Place {
    let place = Place::new();
    format::write(&trained(), &place.path("m.safetensors"), Format::named("safetensors").unwrap())
        .unwrap();
    place
}

#[test]
fn commands_say_which_words_are_composed() {
    let place = with_trained();
    let kind = |name: &str| Format::of_content(&place.read(name));
    let ran = place.run("convert m.safetensors m.bin").good();
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("does not hold history\n"), "{}", ran.err);
    assert_eq!(kind("m.bin"), Some(Format::named("fasttext").unwrap()));
    let err = place.run("convert m.safetensors w.bin --to binary").good().err;
    assert!(err.contains("does not hold counts, output vectors, n-grams and history\n"), "{err}");
    assert_eq!(kind("w.bin"), Some(Format::named("binary").unwrap()));
    place.run("convert w.bin w2.bin --to fasttext").good();
    assert!(format::read(&place.path("w2.bin")).unwrap().ngrams().is_none());
    let quantised = place.run("convert m.bin m.ftz").good().err;
    assert!(quantised.contains("a cosine of 0.9"), "{quantised}");
    assert_eq!(kind("m.ftz"), Some(Format::named("fasttext").unwrap()));

    let composed = "wordloom: 'houses' is not in the vocabulary: composed from its n-grams\n";
    for question in [
        "similar m.bin houses",
        "similar m.bin house +houses -mouse",
        "analogy m.bin house houses mouse",
        "similarity m.bin houses house",
        "odd-one-out m.bin houses the mouse",
        "vector m.bin houses",
    ] {
        let ran = place.run(question).good();
        assert!(!ran.out.is_empty());
        assert_eq!(ran.err, composed, "{question}");
        let ran = place.run(&format!("{question} --json")).good();
        assert_eq!(ran.err, "");
        assert_eq!(ran.json()["composed"], json!(["houses"]), "{question}");
    }
    let ran = place.run("similar m.bin house --json").good();
    assert_eq!(ran.err, "");
    assert_eq!(ran.json().get("composed"), None);

    let ran = place.run("vector m.bin zzz");
    ran.fails(&[]);
    assert_eq!(ran.err, "wordloom: unknown word 'zzz', of which no n-gram is known either\n");
    let ran = place.run("vector w.bin zzz");
    ran.fails(&[]);
    assert_eq!(ran.err, "wordloom: unknown word 'zzz'\n");
}

#[test]
fn info_tells_of_ngrams() {
    let place = with_trained();
    let rows = trained().ngrams().unwrap().rows.len() / 4 / 6;
    let out = place.run("info m.safetensors").printed();
    let line = format!("n-grams   2 to 4 characters in 5,000 buckets, {rows} of them kept (");
    assert!(out.contains(&line), "{out}");
    place.run("convert m.safetensors m.bin").good();
    let out = place.run("info m.bin").printed();
    assert!(out.contains("n-grams   2 to 4 characters in 5,000 buckets (120.0 kB)\n"), "{out}");
    assert!(out.contains("made by   fastText (version 12 of its format), cbow\n"), "{out}");
    assert!(out.contains("window 4, epochs 3"), "{out}");
    let info = place.run("info m.bin --json").json();
    assert_eq!(info["format"], "fasttext");
    let ngrams = json!({ "min_n": 2, "max_n": 4, "buckets": 5000, "rows": 5000, "pruned": false, "bytes": 120_000 });
    assert_eq!(info["ngrams"], ngrams);
}

// Files made by hand

/// A file of fastText in its parts.
#[derive(Clone)]
struct Made {
    magic: Vec<i32>,
    /// dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate
    settings: Vec<i32>,
    words: Vec<&'static str>,
    labels: Vec<&'static str>,
    pruned: Option<Vec<(i32, i32)>>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Made {
    /// Three words of two numbers, with two buckets.
    fn dense() -> Self {
        Self {
            magic: vec![793_712_314, 12],
            settings: vec![2, 5, 5, 1, 5, 1, 2, 2, 2, 3, 3, 100],
            words: vec!["ab", "c", "</s>"],
            labels: vec![],
            pruned: None,
            input: dense(&[&[1.0, 2.0], &[3.0, 4.0], &[5.0, 6.0], &[10.0, 20.0], &[30.0, 40.0]]),
            output: dense(&[&[1.0, 1.0], &[2.0, 2.0], &[3.0, 3.0]]),
        }
    }

    /// A classifier with two words of three numbers and two of the rows of eight buckets. Row i has
    /// the codes i and 2i, and the norm 3.
    fn quantised() -> Self {
        let codes = [0u8, 0, 1, 2, 2, 4, 3, 6];
        let first = (0..256i16).flat_map(|c| [f32::from(c), -f32::from(c)]);
        let last = (0..256i16).map(|c| f32::from(c) / 2.0);
        let mut input = vec![1, 1];
        input.extend([4i64, 3].iter().flat_map(|x| x.to_le_bytes()));
        input.extend((codes.len() as i32).to_le_bytes());
        input.extend(codes);
        input.extend([3i32, 2, 2, 1].iter().flat_map(|x| x.to_le_bytes()));
        input.extend(first.chain(last).flat_map(f32::to_le_bytes));
        input.extend([3; 4]);
        input.extend([1i32, 1, 1, 1].iter().flat_map(|x| x.to_le_bytes()));
        input.extend((0..256i16).flat_map(|c| f32::from(c).to_le_bytes()));
        Self {
            settings: vec![3, 5, 5, 1, 5, 1, 3, 3, 8, 3, 3, 100],
            words: vec!["ab", "c"],
            labels: vec!["__label__x"],
            pruned: Some(vec![(5, 0), (2, 1)]),
            input,
            output: dense(&[&[1.0, 1.0, 1.0]]),
            ..Self::dense()
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let int = |x: &i32| x.to_le_bytes();
        let mut file: Vec<u8> = self.magic.iter().chain(&self.settings).flat_map(int).collect();
        file.extend(1e-4f64.to_le_bytes());
        let (words, labels) = (self.words.len() as i32, self.labels.len() as i32);
        file.extend([words + labels, words, labels].iter().flat_map(int));
        file.extend(99i64.to_le_bytes());
        file.extend(self.pruned.as_ref().map_or(-1, |rows| rows.len() as i64).to_le_bytes());
        for (kind, words) in [(0, &self.words), (1, &self.labels)] {
            for word in words {
                file.extend(word.as_bytes());
                file.push(0);
                file.extend(7i64.to_le_bytes());
                file.push(kind);
            }
        }
        file.extend(
            self.pruned.iter().flatten().flat_map(|(bucket, row)| [int(bucket), int(row)].concat()),
        );
        file.extend(&self.input);
        file.extend(&self.output);
        file
    }

    fn parse(&self) -> Result<Embeddings, String> {
        parse(&self.bytes())
    }

    #[track_caller]
    fn fails(&self, with: &str) {
        let error = self.parse().unwrap_err();
        assert!(error.contains(with), "{error}");
    }
}

/// A dense matrix with the flag before it.
fn dense(rows: &[&[f32]]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend([rows.len() as i64, rows[0].len() as i64].iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend(rows.iter().flat_map(|row| row.iter()).flat_map(|x| x.to_le_bytes()));
    bytes
}

fn parse(bytes: &[u8]) -> Result<Embeddings, String> {
    format::parse(Path::new("made"), &Mapped::from(bytes)).map_err(|e| e.to_string())
}

/// The buckets of a word's n-grams of three characters.
fn buckets(word: &str, buckets: u32) -> Vec<u32> {
    let mut all = Vec::new();
    Subwords { min_n: 3, max_n: 3, buckets }.each(word.as_bytes(), |bucket| all.push(bucket));
    all
}

#[test]
fn vectors_are_means_of_rows() {
    let model = Made::dense().parse().unwrap();
    let rows = [[10.0, 20.0], [30.0, 40.0]];
    let [first, second] = buckets("ab", 2)[..] else { panic!() };
    let mean =
        |i: usize| ([1.0, 2.0][i] + rows[first as usize][i] + rows[second as usize][i]) / 3.0;
    assert!((0..2).all(|i| (model.vector(0)[i] - mean(i)).abs() < 1e-5));
    let [only] = buckets("c", 2)[..] else { panic!() };
    assert_eq!(
        *model.vector(1),
        [0, 1].map(|i| f32::midpoint([3.0, 4.0][i], rows[only as usize][i]))
    );
    assert_eq!(*model.vector(2), [5.0, 6.0], "the end of a sentence has no n-grams");
    assert_eq!(model.output().unwrap(), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]);
    assert_eq!(model.vocab.counts[..], [7, 7, 7]);
}

#[test]
fn quantised_rows_are_centroids_times_norms() {
    let model = Made::quantised().parse().unwrap();
    assert_eq!(model.vocab.words().collect::<Vec<_>>(), [b"ab", &b"c"[..]], "labels are no words");
    let row = |i: f32| [3.0 * i, -3.0 * i, 3.0 * i];
    let kept: Vec<_> = [(5, 2.0), (2, 3.0)].into();
    let of = |bucket: &u32| kept.iter().find(|(b, _)| b == bucket).map(|&(_, i)| i);
    for (id, word) in ["ab", "c"].into_iter().enumerate() {
        let rows: Vec<f32> =
            std::iter::once(id as f32).chain(buckets(word, 8).iter().filter_map(of)).collect();
        let mean = row(rows.iter().sum::<f32>() / rows.len() as f32);
        assert!(
            model.vector(id as u32).iter().zip(mean).all(|(a, b)| (a - b).abs() < 1e-5),
            "{word}"
        );
    }
    let ngrams = model.ngrams().unwrap();
    assert!(ngrams.pruned);
    assert_eq!(ngrams.buckets.as_ref().unwrap()[..], [2, 5]);
    let rows: Vec<f32> = ngrams.rows.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
    assert_eq!(rows, [row(3.0), row(2.0)].concat());
    assert!(model.output().is_none());
    // Pruning that left nothing.
    let none = Made { pruned: Some(vec![]), ..Made::quantised() }.parse().unwrap();
    assert_eq!(*none.vector(1), row(1.0));
    assert!(none.find("unseen").is_err());
}

#[test]
fn old_classifiers_have_no_ngrams_of_characters() {
    let (mut made, plain) = (Made::dense(), Made::dense().parse().unwrap());
    made.settings[7] = 3;
    assert_eq!(made.parse().unwrap().input(), plain.input());
    made.magic[1] = 11;
    let model = made.parse().unwrap();
    assert!(model.ngrams().is_none() && model.output().is_none());
    assert_eq!(model.input(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    made.settings[7] = 2;
    assert_eq!(made.parse().unwrap().input(), plain.input());
    // A tree's rows are no words'.
    made.settings[6] = 1;
    assert!(made.parse().unwrap().output().is_none());
}

#[test]
fn look_alikes_are_refused_by_name() {
    let mut made = Made::dense();
    made.settings.splice(11..11, [2, 1]);
    made.fails("a file of floret, not of fastText");
    let mut made = Made::dense();
    made.magic.clear();
    made.fails("from before its format had a version");
    for version in [10, 13, -1] {
        Made { magic: vec![793_712_314, version], ..Made::dense() }
            .fails("11 and 12 are read (at byte 4)");
    }
}

#[test]
fn lies_are_errors() {
    for (i, x, problem) in [
        (0, 0, "dim is 0 (at byte 8)"),
        (0, -2, "dim is -2"),
        (0, 3, "input rows are not of 3 numbers, as dim says (at byte 138)"),
        (8, 3, "5 input rows for 3 words and 3 buckets"),
        (8, i32::MAX, "5 input rows for 3 words and 2147483647 buckets"),
    ] {
        let mut made = Made::dense();
        made.settings[i] = x;
        made.fails(problem);
    }
    // Words whose n-grams have no end.
    let long: &'static str = "x".repeat(5000).leak();
    let mut made = Made { words: vec![long, "a", "b"], ..Made::dense() };
    assert!(made.parse().is_ok());
    made.settings[10] = i32::MAX;
    made.fails("at most 100 are possible");
    let longer: &'static str = "x".repeat(5_000_000).leak();
    made.settings[10] = 100;
    made.words = vec![longer, "a", "b"];
    made.fails("n-grams on average");
    made.words = vec![long, "a", "b"];
    made.settings[10] = -1;
    assert!(made.parse().unwrap().ngrams().is_none());

    let put = |made: &Made, at: usize, bytes: &[u8]| {
        let mut file = made.bytes();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        parse(&file).unwrap_err()
    };
    let (good, classifier) = (Made::dense(), Made::quantised());
    let (most, least) = (i64::MAX.to_le_bytes(), (-1i64).to_le_bytes());
    for (made, at, bytes, problem) in [
        (&good, 64, &[0xff, 0xff, 0xff, 0x7f][..], "entries of 3 words and 0 labels"),
        (&good, 64, &[0xff; 4], "the number of entries is -1 (at byte 64)"),
        (
            &good,
            64,
            &[0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f],
            "for which the file is too short",
        ),
        (&good, 68, &[0xff; 4], "the number of words is -1 (at byte 68)"),
        (&good, 72, &[0xff; 4], "the number of labels is -1"),
        (&good, 76, &least, "the number of tokens is -1 (at byte 76)"),
        (&good, 84, &(-2i64).to_le_bytes(), "-2 pruned n-grams (at byte 84)"),
        (&good, 84, &most, "the number of pruned n-grams is 9223372036854775807"),
        (&good, 95, &least, "a word's count is -1 (at byte 95)"),
        (&good, 103, &[1], "labels are not behind the words (at byte 103)"),
        (&good, 103, &[2], "a word's kind is 2"),
        (&good, 129, &[2], "whether the input is quantised is 2"),
        (&good, 130, &most, "input rows: 18446744073709551615 bytes"),
        (&good, 130, &least, "the number of input rows is -1 (at byte 130)"),
        (&good, 138, &least, "the length of input rows is -1 (at byte 138)"),
        (&good, 186, &[7], "whether the output is quantised is 7, neither 0 nor 1 (at byte 186)"),
    ] {
        let error = put(made, at, bytes);
        assert!(error.contains(problem), "{error} does not say: {problem}");
    }
    let end = good.bytes();
    assert!(parse(&[&end[..], b"x"].concat()).unwrap_err().contains("1 bytes more than expected"));
    Made { words: vec![], ..good }.fails("0 entries of 0 words");

    for pruned in [vec![(5, 0), (5, 1)], vec![(5, 2)], vec![(5, -1)], vec![(-5, 1)]] {
        Made { pruned: Some(pruned), ..classifier.clone() }.parse().unwrap_err();
    }
    Made { pruned: Some(vec![(1, 0)]), ..Made::dense() }.fails("not quantised");
    let from = classifier.bytes().len() - classifier.output.len() - classifier.input.len();
    for (at, problem) in
        [(1, "whether input norms"), (18, "the size of input codes"), (30, "the size of rows")]
    {
        let error = put(&classifier, from + at, &[0xff; 4]);
        assert!(error.contains(problem), "{error} does not say: {problem}");
    }
    for at in [30, 34, 38, 42] {
        let error = put(&classifier, from + at, &0x7fff_ffffi32.to_le_bytes());
        assert!(error.contains("input centroids of"), "{error}");
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_an_error() {
    for made in [Made::dense(), Made::quantised()] {
        let whole = made.bytes();
        parse(&whole).unwrap();
        for length in 0..whole.len() {
            let error = parse(&whole[..length]).unwrap_err();
            let at = error
                .rsplit_once("(at byte ")
                .unwrap()
                .1
                .trim_end_matches(')')
                .parse::<usize>()
                .unwrap();
            assert!(at <= length, "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn a_file_that_is_changed_anywhere_is_an_error_or_harmless(
        quantised: bool,
        changes in prop::collection::vec((0..3300usize, prop::num::u8::ANY), 1..4),
        cut in 0..6600usize,
    ) {
        let mut file = if quantised { Made::quantised() } else { Made::dense() }.bytes();
        // Most of what can go wrong is in front.
        let most = file.len();
        for (at, byte) in changes {
            file[if at % 2 == 0 { at % most } else { at % most.min(190) }] = byte;
        }
        file.truncate(cut.max(8));
        if let Ok(model) = parse(&file) {
            for word in ["ab", "c", "unseen", ""] {
                let _ = model.find(word);
            }
        }
    }
}

/// Where the collection has files, each is cut at many places too.
#[test]
fn real_files_that_are_cut_are_errors() {
    let Some(path) = shared("data/models/fasttext/crime-and-punishment.bin") else { return };
    let whole: Vec<u8> = fs::read(path).unwrap();
    for length in (0..whole.len()).step_by(7) {
        parse(&whole[..length]).unwrap_err();
    }
}
