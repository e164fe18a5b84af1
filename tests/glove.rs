//! Counting and GloVe as a whole: the commands, their files, what damaged files do, and what is
//! left behind.
//!
//! This file is over 300 lines because both commands share its texts and its ways to damage a file.
#![allow(missing_docs)]

#[expect(dead_code, reason = "this file uses a part of it")]
mod common;
mod python;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wordloom::format::counts;
use wordloom::format::{self, Format};
use wordloom::{Embeddings, cosine};

use self::common::{Place, topics};

/// Settings that learn a small text quickly.
const QUICK: &str = "--dim 10 --epochs 8 --x-max 10 --lr 0.2";

/// A place with `text.txt`: sentences of two topics, with two words of the other topic in each.
/// (GloVe does not train on zeros, so words that never meet would tell it nothing.)
fn with_text() -> Place {
    let place = Place::new();
    place.write("text.txt", topics::text(1000, 8));
    place
}

fn model(place: &Place, name: &str) -> Embeddings {
    format::read(&place.path(name)).unwrap()
}

/// The vectors that training with `options` gives. The model stays, as `vectors_of`.
fn vectors(place: &Place, options: &str) -> Vec<f32> {
    place.run(&format!("train glove -o vectors_of {QUICK} -q {options}")).good();
    model(place, "vectors_of").input().to_vec()
}

/// Runs `line`, which has to fail while it reads or trains, and to leave nothing but corpora.
#[track_caller]
fn breaks_off(place: &Place, line: &str, says: &[&str]) {
    let before = place.all_but_corpora();
    place.run(line).breaks_off(says);
    assert_eq!(place.all_but_corpora(), before, "{line}: something changed");
}

#[test]
fn a_text_becomes_a_model_that_tells_its_topics_apart() {
    let place = with_text();
    let ran = place.run(&format!("train glove text.txt -o m.safetensors --json {QUICK}")).good();
    let err = &ran.err;
    for said in [
        "read: 10,000 words",
        "counted: 1,600 pairs of words",
        "epoch 8 of 8: loss",
        "pairs/s",
        "next: ",
    ] {
        assert!(err.contains(said), "'{said}' is not in {err}");
    }
    let facts = ran.json();
    assert!(facts["pairs_per_second"].as_f64().unwrap() > 0.0);
    let history = &facts["provenance"];
    assert_eq!((&history["method"], &history["pairs_seen"]), (&"glove".into(), &12_800.into()));
    assert_eq!(
        (&history["settings"]["window"], &history["settings"]["dim"]),
        (&15.into(), &10.into())
    );
    assert_eq!(history["text"]["inputs"][0], "text.txt");
    let losses: Vec<f64> = serde_json::from_value(history["losses"].clone()).unwrap();
    assert!(losses.len() == 8 && losses[7] < 0.8 * losses[0], "{losses:?}");

    let model = model(&place, "m.safetensors");
    let topic = |id: u32| model.vocab.text(id).starts_with("sea");
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for (a, b) in (0..40).flat_map(|a| (0..a).map(move |b| (a, b))) {
        let list = if topic(a) == topic(b) { &mut same } else { &mut other };
        list.push(cosine(&model.vector(a), &model.vector(b)));
    }
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    assert!(
        mean(&same) > mean(&other) + 0.2,
        "{} within topics, {} across",
        mean(&same),
        mean(&other)
    );
    let out = place.run("info m.safetensors").printed();
    assert!(out.contains("glove") && out.contains("x max 10"), "{out}");
    let out = place.run("similar m.safetensors sea1 -k 3").printed();
    assert_eq!(out.matches("sea").count(), 4, "{out}");
}

#[test]
fn counts_of_any_kind_in_any_order_within_any_memory_give_the_same_model() {
    let place = with_text();
    let direct = vectors(&place, "text.txt");
    for options in [
        "--threads 1",
        "--threads 4",
        "--memory 1",
        "--no-cache --memory 0",
        "--memory 20kB --threads 3",
    ] {
        assert!(direct == vectors(&place, &format!("text.txt {options}")), "{options}");
    }
    assert!(direct != vectors(&place, "text.txt --seed 2"));
    let err = place.run(&format!("train glove text.txt -o m {QUICK} --memory 0")).good().err;
    assert!(
        err.contains("take about 12.8 kB on disk in ")
            && err.contains("1,600 pairs of words, on disk"),
        "{err}"
    );
    fs::remove_file(place.path("m")).unwrap();

    place.run("cooccur text.txt -o my.counts --memory 1").good();
    place.run("cooccur text.txt -o my.bin --to glove --save-vocab my.words --threads 1").good();
    assert_eq!(place.read("my.bin").len(), 1600 * 16);
    let mut records: Vec<&[u8]> = Vec::new();
    let bytes = place.read("my.bin");
    records.extend(bytes.chunks(16));
    records.sort_by_key(|record| {
        record.iter().fold(7u64, |x, &b| (x ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    });
    place.write("shuffled.bin", records.concat());
    assert!(direct == vectors(&place, "--cooccur my.counts"));
    assert!(direct == vectors(&place, "--cooccur my.counts --memory 0"));
    assert!(direct == vectors(&place, "--cooccur my.bin --vocab my.words"));
    assert!(direct == vectors(&place, "--cooccur shuffled.bin --vocab my.words --memory 0"));

    let (history, from_file) = (model(&place, "vectors_of").provenance, "--cooccur my.counts");
    assert_eq!(history.settings["window"], Value::Null, "Stanford's records don't say");
    vectors(&place, from_file);
    let history = model(&place, "vectors_of").provenance;
    assert_eq!(
        (&history.settings["window"], &history.text["inputs"][0]),
        (&15.into(), &"text.txt".into())
    );
    let left: Vec<PathBuf> = place
        .all_but_corpora()
        .into_keys()
        .filter(|path| path.starts_with(place.cache()))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn counts_follow_the_settings() {
    let place = with_text();
    place.write("t.txt", "a b c\nc a\n");
    let rows = |options: &str| {
        place.run(&format!("cooccur t.txt -q -o t.counts --min-count 1 {options}")).good();
        let counts = counts::read(&place.path("t.counts"), None).unwrap();
        let name = |id: u32| counts.vocab.text(id);
        let row = |word: u32| {
            counts
                .row(word)
                .iter()
                .map(|e| format!("{}{} {}", name(word), name(e.word), e.count))
                .collect::<Vec<_>>()
        };
        (0..counts.vocab.len() as u32).flat_map(row).collect::<Vec<_>>()
    };
    assert_eq!(rows(""), ["ac 1.5", "ab 1", "ca 1.5", "cb 1", "ba 1", "bc 1"]);
    assert_eq!(rows("--window 1"), ["ac 1", "ab 1", "ca 1", "cb 1", "ba 1", "bc 1"]);
    assert_eq!(rows("--context-weight flat"), ["ac 2", "ab 1", "ca 2", "cb 1", "ba 1", "bc 1"]);
    assert_eq!(rows("--context-weight linear --window 4")[0], "ac 1.75");
    assert_eq!(rows("--asymmetric"), ["ac 0.5", "ab 1", "ca 1", "bc 1"]);
    let out = place.run("cooccur t.txt -q --min-count 1 --dry-run").printed();
    assert_eq!(out, "about 6 pairs of words, 48 bytes on disk\n");
}

#[test]
fn the_sum_is_that_of_both_sides() {
    let place = with_text();
    let sum = vectors(&place, "text.txt");
    assert!(model(&place, "vectors_of").output().is_none());
    let input = vectors(&place, "text.txt --vectors input");
    let output = model(&place, "vectors_of").output().unwrap().to_vec();
    let added: Vec<f32> = input.iter().zip(&output).map(|(x, y)| x + y).collect();
    assert_eq!(sum, added);
    assert!(input != output);
}

#[test]
fn a_dry_run_says_what_it_would_take_and_does_nothing() {
    let place = with_text();
    let before = place.all_but_corpora();
    let out = place.run("train glove text.txt --dry-run --epochs 3").printed();
    for line in [
        "vocabulary  40 words",
        "counting    window 15",
        "3 x about 1,600 pairs",
        "memory      about",
        "disk        ",
    ] {
        assert!(out.contains(line), "'{line}' is not in {out}");
    }
    let plan = place.run("train glove text.txt -o m --dry-run --json --memory 0").json();
    assert_eq!(
        (&plan["pairs_per_epoch"], &plan["bytes"]["counts_on_disk"]),
        (&1600.into(), &12_800.into())
    );
    assert_eq!(place.all_but_corpora(), before);
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let place = with_text();
    place.run("cooccur text.txt -q -o c.bin --to glove --save-vocab c.words").good();
    place.run("cooccur text.txt -q -o my.counts").good();
    for option in [
        "--dim 0",
        "--window 0",
        "--epochs 0",
        "--lr 0",
        "--bias-lr 0",
        "--x-max -1",
        "--alpha -1",
        "--grad-clip 0",
        "--threads 0",
    ] {
        let name = option.split(' ').next().unwrap();
        place.fails(&format!("train glove text.txt -o m {option}"), &[name]);
    }
    place.misuses("train glove text.txt -o m --memory lots", &["--memory", "500MB"]);
    place.fails("cooccur text.txt -o m --window 1024", &["--window"]);
    place.misuses("train glove -o m", &["INPUT"]);
    place.misuses("train glove text.txt --cooccur my.counts -o m", &["cannot be used with"]);
    place.misuses("train glove --cooccur my.counts -o m --window 5", &["cannot be used with"]);
    place.fails("train glove --cooccur my.counts -o m --vocab c.words", &["leave out --vocab"]);
    place.fails("train glove --cooccur my.counts -o my.counts", &["is an input too"]);
    place.fails("train glove --cooccur c.bin -o m", &["--vocab"]);
    breaks_off(&place, "train glove text.txt -o m --lr 1e30", &["diverged", "lower --lr"]);
    place.write("lonely.txt", "a\nb\na\nb\n");
    breaks_off(&place, "train glove lonely.txt -o m --min-count 1", &["no two words"]);
}

#[test]
fn damaged_counts_are_errors_that_name_the_file() {
    let place = with_text();
    place.write("w", "a 3\nb 2\n");
    let record = |row: i32, column: i32, count: f64| {
        [&row.to_le_bytes()[..], &column.to_le_bytes(), &count.to_le_bytes()].concat()
    };
    let good = record(1, 2, 1.5);
    let line = "train glove --cooccur c.bin --vocab w -o m -q --epochs 1 --dim 2";
    for bad in [
        record(0, 1, 1.0),
        record(1, 3, 1.0),
        record(-1, 1, 1.0),
        record(i32::MIN, i32::MAX, 1.0),
        record(1, 1, 0.0),
        record(1, 1, -1.0),
        record(1, 1, f64::NAN),
        record(1, 1, f64::INFINITY),
        record(1, 1, 1e300),
        record(1, 1, 1e-300),
    ] {
        place.write("c.bin", [&good[..], &bad].concat());
        place.fails(line, &["c.bin", "no count of a vocabulary of 2 words", "at byte 16"]);
    }
    place.write("c.bin", &good[..15]);
    place.fails(line, &["c.bin", "cut short"]);
    place.write("c.bin", "");
    place.fails(line, &["c.bin"]);
    // Counts of the same pair are added up, and a single pair is enough.
    place.write("c.bin", [&good[..], &good, &record(2, 1, 3.0)].concat());
    place.run(line).good();
    place.write("w", "a 3\nb two\n");
    place.fails(line, &["w: ", "not a `word count` line"]);
    place.fails("train glove --cooccur missing -o m", &["missing: "]);
}

#[test]
fn a_file_of_counts_cut_or_changed_anywhere_is_an_error_or_harmless() {
    let place = with_text();
    place.write("t.txt", "a b c\nc a\n");
    place.run("cooccur t.txt -q -o t.counts --min-count 1").good();
    let (path, whole) = (place.path("x.counts"), place.read("t.counts"));
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(counts::read(&path, None).is_err(), "cut at {length}");
    }
    for at in 0..whole.len() {
        for wrong in [0, b'9', 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = wrong;
            fs::write(&path, &bytes).unwrap();
            if let Ok(counts) = counts::read(&path, None) {
                for word in 0..counts.vocab.len() as u32 {
                    let fits = |id: u32| (id as usize) < counts.vocab.len();
                    assert!(
                        counts
                            .row(word)
                            .iter()
                            .all(|e| fits(e.word) && e.count > 0.0 && e.count.is_finite())
                    );
                }
            }
        }
    }
}

#[test]
fn gloves_text_goes_there_and_back() {
    let place = with_text();
    place.run(&format!("train glove text.txt -q -o m.safetensors {QUICK}")).good();
    let err = place.run("convert m.safetensors glove.txt --to glove").good().err;
    assert!(err.contains("does not hold counts"), "{err}");
    let text = place.text("glove.txt");
    assert_eq!(text.lines().count(), 40, "no line of sizes");
    place.run("convert glove.txt back.safetensors").good();
    assert_eq!(model(&place, "back.safetensors").input(), model(&place, "m.safetensors").input());
    // This file has the traps of the published ones: a word with spaces, and repeated words.
    place.write(
        "trap.txt",
        text.clone() + &text.lines().next().unwrap().replacen(' ', " . . ", 1) + "\n" + &text,
    );
    let err = place.run("convert trap.txt trap.safetensors").good().err;
    assert!(
        err.contains("40 lines repeat a word and were left out") && err.contains("41 words"),
        "{err}"
    );
    let out = place.run("info trap.txt").printed();
    assert!(out.contains("(glove, ") && out.contains("40 lines repeat"), "{out}");
    assert_eq!(
        Format::to_write(Path::new("a.txt"), None, false).unwrap().name(),
        "text",
        "GloVe's form has to be named"
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_leaves_nothing() {
    let place = with_text();
    let before = place.all_but_corpora();
    let line = "train glove text.txt -o m --dim 300 --epochs 999999 --memory 0 --checkpoint none";
    place.interrupted(line, "epoch 1 of 999999", "nothing was written", || {
        let now = place.all_but_corpora();
        assert_eq!(now.len(), before.len() + 1, "the counts are on disk meanwhile");
    });
    assert_eq!(place.all_but_corpora(), before);
}

// Other programs

#[test]
fn a_published_file_is_read() {
    let Some(path) = python::shared("data/models/glove/test_glove.txt") else { return };
    let (read, text) = (format::read(&path).unwrap(), fs::read_to_string(&path).unwrap());
    assert_eq!((read.vocab.len(), read.dim()), (text.lines().count(), 50));
    let first: Vec<f32> =
        text.lines().next().unwrap().split(' ').skip(1).map(|x| x.parse().unwrap()).collect();
    assert_eq!(read.vector(0), first);
}

/// Counts can be read without wordloom, as the head of their module says.
#[test]
fn python_reads_the_counts() {
    if python::lacks("numpy, safetensors") {
        return;
    }
    let place = Place::new();
    place.write("t.txt", "a b c\nc a\n");
    place.run("cooccur t.txt -q -o t.counts --min-count 1").good();
    let found = python::script("read_counts.py", &[&place.path("t.counts")], "");
    let expected = json!([[0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1], [1.5, 1.0, 1.5, 1.0, 1.0, 1.0]]);
    assert_eq!(found, expected);
}
