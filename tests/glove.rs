//! Counting and GloVe as a whole: the commands, their files, what damaged files do, and what is left behind.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use wordloom::embeddings::{Embeddings, cosine};
use wordloom::format::counts::{self, Rows};
use wordloom::format::{self, Format};

/// Settings with which a small text is learnt quickly.
const QUICK: &str = "--dim 10 --epochs 8 --x-max 10 --lr 0.2";

/// A folder to run the command in, with a cache of its own and `text.txt`: sentences of ten words, all but two from one of
/// two topics of twenty words each. (Zeros aren't trained on: words that never meet would tell nothing.)
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.0.path().join("cache")).unwrap();
        let mut state = 1u64;
        let mut word = |topic: &str| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{topic}{}", (state >> 33) % 20)
        };
        let mut sentence = |i: usize| {
            (0..10).map(|k| word(["sea", "hill"][(i + k / 8) % 2])).collect::<Vec<_>>().join(" ") + "\n"
        };
        place.write("text.txt", (0..1000).map(&mut sentence).collect::<String>());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wordloom"));
        command.current_dir(self.0.path()).env("WORDLOOM_CACHE", self.path("cache"));
        command.args(line.split_whitespace());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a good run printed, and what it said on stderr.
    #[track_caller]
    fn run(&self, line: &str) -> (String, String) {
        let ran = self.command(line).output().unwrap();
        let (out, err) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
        assert_eq!(ran.status.code(), Some(0), "{line}: {out}{err}");
        (out, err)
    }

    /// A run that has to fail with a line that has all of `says`, and to leave everything as it was.
    #[track_caller]
    fn fails(&self, line: &str, says: &[&str]) {
        let before = self.everything();
        let ran = self.command(line).output().unwrap();
        let err = String::from_utf8(ran.stderr).unwrap();
        assert_ne!(ran.status.code(), Some(0), "{line}");
        assert!(ran.stdout.is_empty(), "{line}");
        assert!(says.iter().all(|part| err.contains(part)), "{line}: {err}");
        if ran.status.code() == Some(1) {
            assert!(err.lines().last().unwrap().starts_with("wordloom: "), "{line}: {err}");
        }
        assert_eq!(self.everything(), before, "{line}: something changed");
    }

    /// All files but encoded corpora, with their lengths.
    fn everything(&self) -> BTreeMap<PathBuf, u64> {
        let list = |folder: PathBuf| fs::read_dir(folder).unwrap().map(Result::unwrap);
        let all = list(self.path("")).chain(list(self.path("cache")));
        let file = |entry: fs::DirEntry| (entry.path(), entry.metadata().unwrap());
        let kept = |path: &Path| path.extension().is_none_or(|extension| extension != "corpus");
        all.map(file)
            .filter(|(p, about)| about.is_file() && kept(p))
            .map(|(p, about)| (p, about.len()))
            .collect()
    }

    fn model(&self, name: &str) -> Embeddings {
        format::read(&self.path(name)).unwrap()
    }

    /// The vectors that training with `options` gives.
    fn vectors(&self, options: &str) -> Vec<f32> {
        self.run(&format!("train glove -o vectors.of {QUICK} -q {options}"));
        self.model("vectors.of").input().to_vec()
    }
}

#[test]
fn a_text_becomes_a_model_that_tells_its_topics_apart() {
    let place = Place::new();
    let (out, err) = place.run(&format!("train glove text.txt -o m.safetensors --json {QUICK}"));
    for said in
        ["read: 10,000 words", "counted: 1,600 pairs of words", "epoch 8 of 8: loss", "pairs/s", "next: "]
    {
        assert!(err.contains(said), "'{said}' is not in {err}");
    }
    let facts: Value = serde_json::from_str(&out).unwrap();
    assert!(facts["pairs_per_second"].as_f64().unwrap() > 0.0);
    let history = &facts["provenance"];
    assert_eq!((&history["method"], &history["pairs_seen"]), (&"glove".into(), &12_800.into()));
    assert_eq!((&history["settings"]["window"], &history["settings"]["dim"]), (&15.into(), &10.into()));
    assert_eq!(history["text"]["inputs"][0], "text.txt");
    let losses: Vec<f64> = serde_json::from_value(history["losses"].clone()).unwrap();
    assert!(losses.len() == 8 && losses[7] < 0.8 * losses[0], "{losses:?}");

    let model = place.model("m.safetensors");
    let topic = |id: u32| model.vocab.text(id).starts_with("sea");
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for (a, b) in (0..40).flat_map(|a| (0..a).map(move |b| (a, b))) {
        let list = if topic(a) == topic(b) { &mut same } else { &mut other };
        list.push(cosine(model.vector(a), model.vector(b)));
    }
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    assert!(mean(&same) > mean(&other) + 0.2, "{} within topics, {} across", mean(&same), mean(&other));
    let (out, _) = place.run("info m.safetensors");
    assert!(out.contains("glove") && out.contains("x max 10"), "{out}");
    let (out, _) = place.run("similar m.safetensors sea1 -k 3");
    assert_eq!(out.matches("sea").count(), 4, "{out}");
}

#[test]
fn counts_of_any_kind_in_any_order_within_any_memory_give_the_same_model() {
    let place = Place::new();
    let direct = place.vectors("text.txt");
    for options in
        ["--threads 1", "--threads 4", "--memory 1", "--no-cache --memory 0", "--memory 20kB --threads 3"]
    {
        assert!(direct == place.vectors(&format!("text.txt {options}")), "{options}");
    }
    assert!(direct != place.vectors("text.txt --seed 2"));
    let (_, err) = place.run(&format!("train glove text.txt -o m {QUICK} --memory 0"));
    assert!(
        err.contains("take about 12.8 kB on disk in ") && err.contains("1,600 pairs of words, on disk"),
        "{err}"
    );
    fs::remove_file(place.path("m")).unwrap();

    place.run("cooccur text.txt -o my.counts --memory 1");
    place.run("cooccur text.txt -o my.bin --to glove --save-vocab my.words --threads 1");
    assert_eq!(place.read("my.bin").len(), 1600 * 16);
    let mut records: Vec<&[u8]> = Vec::new();
    let bytes = place.read("my.bin");
    records.extend(bytes.chunks(16));
    records.sort_by_key(|record| {
        record.iter().fold(7u64, |x, &b| (x ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    });
    place.write("shuffled.bin", records.concat());
    assert!(direct == place.vectors("--cooccur my.counts"));
    assert!(direct == place.vectors("--cooccur my.counts --memory 0"));
    assert!(direct == place.vectors("--cooccur my.bin --vocab my.words"));
    assert!(direct == place.vectors("--cooccur shuffled.bin --vocab my.words --memory 0"));

    let (history, from_file) = (place.model("vectors.of").provenance, "--cooccur my.counts");
    assert_eq!(history.settings["window"], Value::Null, "Stanford's records don't say");
    place.vectors(from_file);
    let history = place.model("vectors.of").provenance;
    assert_eq!((&history.settings["window"], &history.text["inputs"][0]), (&15.into(), &"text.txt".into()));
    let left: Vec<PathBuf> =
        place.everything().into_keys().filter(|path| path.starts_with(place.path("cache"))).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn counts_follow_the_settings() {
    let place = Place::new();
    place.write("t.txt", "a b c\nc a\n");
    let rows = |options: &str| {
        place.run(&format!("cooccur t.txt -q -o t.counts --min-count 1 {options}"));
        let counts = counts::read(&place.path("t.counts"), None).unwrap();
        assert!(matches!(counts.rows, Rows::Sorted { .. }));
        let name = |id: u32| counts.vocab.text(id).into_owned();
        let row = |word: u32| {
            counts
                .rows
                .of(word)
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
    let (out, _) = place.run("cooccur t.txt -q --min-count 1 --dry-run");
    assert_eq!(out, "about 6 pairs of words, 48 bytes on disk\n");
}

#[test]
fn the_sum_is_that_of_both_sides() {
    let place = Place::new();
    let sum = place.vectors("text.txt");
    assert!(place.model("vectors.of").output().is_none());
    let input = place.vectors("text.txt --vectors input");
    let output = place.model("vectors.of").output().unwrap().to_vec();
    let added: Vec<f32> = input.iter().zip(&output).map(|(x, y)| x + y).collect();
    assert_eq!(sum, added);
    assert!(input != output);
}

#[test]
fn a_dry_run_says_what_it_would_take_and_does_nothing() {
    let place = Place::new();
    let before = place.everything();
    let (out, _) = place.run("train glove text.txt --dry-run --epochs 3");
    for line in [
        "vocabulary  40 words",
        "counting    window 15",
        "3 x about 1,600 pairs",
        "memory      about",
        "disk        ",
    ] {
        assert!(out.contains(line), "'{line}' is not in {out}");
    }
    let (out, _) = place.run("train glove text.txt -o m --dry-run --json --memory 0");
    let plan: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&plan["pairs_per_epoch"], &plan["bytes"]["counts_on_disk"]), (&1600.into(), &12_800.into()));
    assert_eq!(place.everything(), before);
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let place = Place::new();
    place.run("cooccur text.txt -q -o c.bin --to glove --save-vocab c.words");
    place.run("cooccur text.txt -q -o my.counts");
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
    place.fails("train glove text.txt -o m --memory lots", &["--memory", "500MB"]);
    place.fails("cooccur text.txt -o m --window 1024", &["--window"]);
    place.fails("train glove -o m", &["INPUT"]);
    place.fails("train glove text.txt --cooccur my.counts -o m", &["cannot be used with"]);
    place.fails("train glove --cooccur my.counts -o m --window 5", &["cannot be used with"]);
    place.fails("train glove --cooccur my.counts -o m --vocab c.words", &["leave out --vocab"]);
    place.fails("train glove --cooccur my.counts -o my.counts", &["is an input too"]);
    place.fails("train glove --cooccur c.bin -o m", &["--vocab"]);
    place.fails("train glove text.txt -o m --lr 1e30", &["diverged", "lower --lr"]);
    place.write("lonely.txt", "a\nb\na\nb\n");
    place.fails("train glove lonely.txt -o m --min-count 1", &["no two words"]);
}

#[test]
fn damaged_counts_are_errors_that_name_the_file() {
    let place = Place::new();
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
    // The same pair twice is added up; a single one is enough.
    place.write("c.bin", [&good[..], &good, &record(2, 1, 3.0)].concat());
    place.run(line);
    place.write("w", "a 3\nb two\n");
    place.fails(line, &["w: ", "not a `word count` line"]);
    place.fails("train glove --cooccur missing -o m", &["missing: "]);
}

#[test]
fn a_file_of_counts_cut_or_changed_anywhere_is_an_error_or_harmless() {
    let place = Place::new();
    place.write("t.txt", "a b c\nc a\n");
    place.run("cooccur t.txt -q -o t.counts --min-count 1");
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
                            .rows
                            .of(word)
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
    let place = Place::new();
    place.run(&format!("train glove text.txt -q -o m.safetensors {QUICK}"));
    let (_, err) = place.run("convert m.safetensors glove.txt --to glove");
    assert!(err.contains("does not hold counts"), "{err}");
    let text = String::from_utf8(place.read("glove.txt")).unwrap();
    assert_eq!(text.lines().count(), 40, "no line of sizes");
    place.run("convert glove.txt back.safetensors");
    assert_eq!(place.model("back.safetensors").input(), place.model("m.safetensors").input());
    // A file with the traps of the published ones.
    place.write(
        "trap.txt",
        text.clone() + &text.lines().next().unwrap().replacen(' ', " . . ", 1) + "\n" + &text,
    );
    let (_, err) = place.run("convert trap.txt trap.safetensors");
    assert!(err.contains("40 lines repeat a word and were left out") && err.contains("41 words"), "{err}");
    let (out, _) = place.run("info trap.txt");
    assert!(out.contains("(glove, ") && out.contains("40 lines repeat"), "{out}");
    assert_eq!(Format::of_name(Path::new("a.txt")), Some(Format::Text), "GloVe's form has to be named");
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_leaves_nothing() {
    let place = Place::new();
    let before = place.everything();
    let line = "train glove text.txt -o m --dim 300 --epochs 999999 --memory 0";
    let mut child = place.command(line).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("epoch 1 of 999999") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    assert_eq!(place.everything().len(), before.len() + 1, "the counts are on disk meanwhile");
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.ends_with("wordloom: stopped; nothing was written\n"), "{said}");
    assert_eq!(place.everything(), before);
}

/// Counts are read without wordloom, as the head of their module says.
#[test]
fn python_reads_the_counts() {
    let named = std::env::var_os("WORDLOOM_PYTHON").filter(|name| !name.is_empty());
    let python = || Command::new(named.clone().unwrap_or_else(|| "python3".into()));
    if !python().args(["-c", "import numpy, safetensors"]).output().is_ok_and(|ran| ran.status.success()) {
        eprintln!("skipped: no Python with numpy and safetensors");
        return;
    }
    let place = Place::new();
    place.write("t.txt", "a b c\nc a\n");
    place.run("cooccur t.txt -q -o t.counts --min-count 1");
    let script = "
import numpy, safetensors.numpy
file = safetensors.numpy.load_file('t.counts')
counts, ends = file['counts'], file['row.ends']
rows = numpy.repeat(numpy.arange(len(ends)), numpy.diff(ends, prepend=ends.dtype.type(0)).astype(int))
print(rows.tolist(), counts[:, 0].tolist(), counts[:, 1].view(numpy.float32).tolist())";
    let ran = python().current_dir(place.path("")).args(["-c", script]).output().unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(printed, "[0, 0, 1, 1, 2, 2] [1, 2, 0, 2, 0, 1] [1.5, 1.0, 1.5, 1.0, 1.0, 1.0]\n");
}
