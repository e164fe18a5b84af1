//! The command as a whole: what it reads, prints and writes, what it says when something is wrong, and what it leaves.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Settings with which a small text is learnt quickly, and twice alike.
const QUICK: &str = "--dim 10 --epochs 2 --threads 1 --subsample 0";

/// A folder to run the command in, with a cache of its own.
struct Place {
    folder: TempDir,
}

/// How a run went.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["work", "cache", "tmp"] {
            fs::create_dir(place.folder.path().join(folder)).unwrap();
        }
        place
    }

    /// A place with `text.txt`, in which words of two topics don't mix.
    fn with_text() -> Self {
        let place = Self::new();
        place.write("text.txt", two_topics(2000));
        place
    }

    /// A place with `m.safetensors`, trained on the text of two topics.
    fn with_model() -> Self {
        let place = Self::with_text();
        place.run(&format!("train skip-gram text.txt -q -o m.safetensors {QUICK}")).good();
        place
    }

    /// A place with `m.vec`, whose vectors are made by hand so that answers are known.
    fn with_royals() -> Self {
        let place = Self::new();
        place.write("m.vec", ROYALS);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("")).env("WORDLOOM_CACHE", self.cache());
        command.env("TMPDIR", self.folder.path().join("tmp"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn wordloom(&self, line: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_wordloom"));
        command.args(line.split_whitespace());
        command
    }

    /// Runs `wordloom` with the arguments of `line`.
    fn run(&self, line: &str) -> Ran {
        Ran::of(self.wordloom(line).output().unwrap())
    }

    /// Runs `wordloom` with the arguments of `line` and `input` on standard input.
    fn ask(&self, line: &str, input: impl AsRef<[u8]>) -> Ran {
        let mut child = self.wordloom(line).stdin(Stdio::piped()).spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.as_ref());
        std::thread::scope(|scope| {
            // Whether all is read is for the command to decide.
            scope.spawn(move || stdin.write_all(input));
            Ran::of(child.wait_with_output().unwrap())
        })
    }

    /// Runs `line`, which has to fail with a line that has all of `says`, and to leave everything as it was.
    fn fails(&self, line: &str, says: &[&str]) {
        let before = self.everything();
        self.run(line).fails(line, says);
        assert_eq!(self.everything(), before, "{line}: something changed");
    }

    /// All files in all folders, with their lengths.
    fn everything(&self) -> BTreeMap<PathBuf, u64> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.folder.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    found.insert(entry.path(), entry.metadata().unwrap().len());
                }
            }
        }
        found
    }

    /// The vocabulary that training on `inputs` would have, as `word count` lines, and facts about the text.
    fn vocabulary(&self, options: &str) -> (String, Value) {
        let plan = self.run(&format!("train skip-gram {options} --dry-run --json --save-vocab v.words"));
        let words = String::from_utf8(self.read("v.words")).unwrap();
        (words, plan.json()["corpus"].clone())
    }

    /// The vectors of a model, as text.
    fn vectors(&self, model: &str) -> String {
        self.run(&format!("convert {model} vectors.of.vec")).good();
        String::from_utf8(self.read("vectors.of.vec")).unwrap()
    }
}

impl Ran {
    fn of(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Nothing went wrong.
    #[track_caller]
    fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }

    /// What a good run printed.
    #[track_caller]
    fn printed(self) -> String {
        self.good().out
    }

    /// The one JSON value that a good run printed.
    #[track_caller]
    fn json(self) -> Value {
        serde_json::from_str(&self.good().out).unwrap()
    }

    /// The run failed with one line on stderr, which begins with the program's name and has all of `says`.
    #[track_caller]
    fn fails(&self, line: &str, says: &[&str]) {
        assert_eq!(self.code, Some(1), "{line}: {}{}", self.out, self.err);
        assert_eq!(self.out, "", "{line}");
        assert_eq!(self.err.lines().count(), 1, "{line}: {}", self.err);
        assert!(self.err.starts_with("wordloom: "), "{line}: {}", self.err);
        for part in says {
            assert!(self.err.contains(part), "{line}: '{part}' is not in {}", self.err);
        }
    }
}

/// Columns: male, female, royal, young, food.
const ROYALS: &str = "8 5
man 1 0 0 0 0
woman 0 1 0 0 0
king 1 0 1 0 0
queen 0 1 1 0 0
boy 1 0 0 1 0
girl 0 1 0 1 0
bread 0 0 0 0 1
cheese 0 0.1 0 0 1
";

/// Of man and king, to six digits.
const COSINE: f64 = 707_107.0 / 1e6;

/// Sentences of ten words, all from one of two topics of twenty words each.
fn two_topics(sentences: usize) -> String {
    let mut state = 1u64;
    let mut word = |topic: &str| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{topic}{}", (state >> 33) % 20)
    };
    let sentence = |i: usize| {
        let topic = ["sea", "hill"][i % 2];
        (0..10).map(|_| word(topic)).collect::<Vec<_>>().join(" ") + "\n"
    };
    (0..sentences).map(sentence).collect()
}

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_ref()).unwrap();
    packer.finish().unwrap()
}

fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text.as_ref(), ruzstd::encoding::CompressionLevel::Fastest)
}

fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

// Training: inputs

#[test]
fn both_methods_learn_which_words_belong_together() {
    let place = Place::with_text();
    for method in ["skip-gram", "cbow"] {
        let settings = "--dim 20 --epochs 3 --threads 2 --subsample 0 --lr 0.1";
        place.run(&format!("train {method} text.txt -o {method}.safetensors {settings}")).good();
        for (word, topic) in [("sea3", "sea"), ("hill11", "hill")] {
            let answer = place.run(&format!("similar {method}.safetensors {word} -k 5 --json")).json();
            let near = answer["neighbours"].as_array().unwrap();
            assert_eq!(near.len(), 5);
            for neighbour in near {
                assert!(neighbour["word"].as_str().unwrap().starts_with(topic), "{method}: {answer}");
            }
        }
        let info = place.run(&format!("info {method}.safetensors --json")).json();
        assert_eq!(info["provenance"]["method"], method);
        assert_eq!(info["provenance"]["losses"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn a_text_is_the_same_however_it_comes() {
    let place = Place::with_text();
    let text = place.read("text.txt");
    let half = text.len() / 2;
    let cut = half + text[half..].iter().position(|&b| b == b'\n').unwrap() + 1;
    let (first, second) = text.split_at(cut);
    place.write("first.txt", first);
    place.write("second.txt", second);
    fs::create_dir_all(place.path("folder/inner")).unwrap();
    place.write("folder/a", first);
    place.write("folder/inner/b", second);
    place.write("folder/.hidden", "left out, as its name begins with a point");
    place.write("text.gz", gzip(&text));
    place.write("two.gz", [gzip(first), gzip(second)].concat());
    place.write("text.zst", zstd(&text));
    place.write("two.zst", [zstd(first), zstd(second)].concat());
    place.write("misnamed.txt", gzip(&text));

    let (words, facts) = place.vocabulary("text.txt");
    assert_eq!(words.lines().count(), 40);
    let inputs =
        "first.txt second.txt|folder|text.gz|two.gz|text.zst|two.zst|misnamed.txt|folder/a second.txt";
    for inputs in inputs.split('|') {
        assert_eq!(place.vocabulary(inputs), (words.clone(), facts.clone()), "{inputs}");
    }
    for (how, bytes) in [("plain", text.clone()), ("gzip", gzip(&text)), ("zstd", zstd(&text))] {
        let plan = place.ask("train skip-gram - --dry-run --json", bytes).json();
        assert_eq!(plan["corpus"], facts, "{how} on standard input");
    }
    let model = format!("-o m.safetensors -q {QUICK}");
    place.run(&format!("train cbow text.txt {model}")).good();
    let vectors = place.vectors("m.safetensors");
    place.ask(&format!("train cbow - {model}"), &text).good();
    assert_eq!(place.vectors("m.safetensors"), vectors);
}

#[test]
fn a_text_without_lines_keeps_all_its_words() {
    let place = Place::new();
    let words: Vec<String> = (0..400_000).map(|i| format!("word{}", i % 997)).collect();
    let text = words.join(" ");
    assert!(text.len() > 3_000_000);
    for (name, bytes) in [("one-line", text.clone().into_bytes()), ("one-line.gz", gzip(&text))] {
        place.write(name, bytes);
        place.run(&format!("train cbow {name} -q -o m.safetensors --dim 10 --epochs 1 --threads 2")).good();
        let corpus = place.run("info m.safetensors --json").json()["provenance"]["corpus"].clone();
        assert_eq!(corpus["words_read"], words.len());
        assert_eq!(corpus["tokens"], words.len());
        assert_eq!(corpus["types_read"], 997);
        assert_eq!(corpus["sentences"], 1);
        assert_eq!(corpus["bytes_read"], text.len());
    }
}

#[test]
fn blank_lines_and_carriage_returns_are_no_words() {
    let place = Place::new();
    place.write("unix", "a b c\na b\nc\n");
    place.write("dos", "a b c\r\na b\r\nc\r\n");
    place.write("blank", "\n\na  b\tc \n\n \na b\n\r\nc");
    let expected = "a 2\nb 2\nc 2\n";
    for name in ["unix", "dos", "blank"] {
        let (words, facts) = place.vocabulary(&format!("{name} --min-count 1"));
        assert_eq!(words, expected, "{name}");
        assert_eq!(facts["sentences"], 3, "{name}");
    }
}

// Training: options

#[test]
fn words_are_split_folded_and_cut_as_asked() {
    let place = Place::new();
    place.write("t", "The cat, the Cat; THE end.\nÜber über the dog's cat\n");
    let words = |options: &str| {
        place.vocabulary(&format!("t {options}")).0.lines().map(str::to_string).collect::<Vec<_>>()
    };
    let sorted = |options: &str| {
        let mut all = words(options);
        all.sort();
        all.join(", ")
    };
    let plain = "Cat; 1, THE 1, The 1, cat 1, cat, 1, dog's 1, end. 1, the 2, Über 1, über 1";
    assert_eq!(sorted("--min-count 1"), plain);
    let lower = "cat 1, cat, 1, cat; 1, dog's 1, end. 1, the 4, über 2";
    assert_eq!(sorted("--min-count 1 --lowercase"), lower);
    let unicode = "Cat 1, THE 1, The 1, cat 2, dog's 1, end 1, the 2, Über 1, über 1";
    assert_eq!(sorted("--min-count 1 --unicode-words"), unicode);
    let both = "cat 3, dog's 1, end 1, the 4, über 2";
    assert_eq!(sorted("--min-count 1 --unicode-words --lowercase"), both);
    assert_eq!(words("--min-count 2 --unicode-words --lowercase"), ["the 4", "cat 3", "über 2"]);
    assert_eq!(words("--min-count 1 --max-vocab 2 --unicode-words --lowercase"), ["the 4", "cat 3"]);
}

#[test]
fn a_vocabulary_is_saved_and_given_back() {
    let place = Place::with_text();
    place.write("mine", "hill7 1\nsea3\n\nmissing 99\n");
    place.run(&format!("train skip-gram text.txt --vocab mine --save-vocab kept -o m.vec {QUICK}")).good();
    let kept = String::from_utf8(place.read("kept")).unwrap();
    let mut words: Vec<&str> = kept.lines().filter_map(|line| line.split(' ').next()).collect();
    words.sort_unstable();
    assert_eq!(words, ["hill7", "sea3"], "words of the text alone");
    let counts: Vec<u64> =
        kept.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(counts.iter().all(|&count| count > 100), "counts are those of the text: {kept}");
    assert!(place.vectors("m.vec").starts_with("2 10\n"));
    place.run(&format!("train skip-gram text.txt --vocab kept --save-vocab again -o m.vec {QUICK}")).good();
    assert_eq!(place.read("again"), place.read("kept"));
    place.write("none", "other\nwords\n");
    place.write("blank", "\n \n");
    place.fails("train skip-gram text.txt --vocab none -o x", &["none", "occurs"]);
    place.fails("train skip-gram text.txt --vocab blank -o x", &["blank", "no word"]);
    place.fails("train skip-gram text.txt --vocab missing -o x", &["missing"]);
}

#[test]
fn a_dry_run_says_what_training_would_take() {
    let place = Place::with_text();
    let plan = place.run("train cbow text.txt --dry-run --dim 16 --epochs 3 -o m.safetensors").printed();
    for part in ["20,000 words", "40 words", "memory", "disk", "dim 16", "3 x", "cbow"] {
        assert!(plan.contains(part), "'{part}' is not in {plan}");
    }
    assert!(!place.has("m.safetensors"));
    let facts = place.run("train cbow text.txt --dry-run --json --dim 16 --threads 1").json();
    assert_eq!(facts["method"], "cbow");
    assert_eq!(facts["settings"]["dim"], 16);
    assert_eq!(facts["corpus"]["vocabulary"], 40);
    assert_eq!(facts["corpus"]["tokens"], 20_000);
    assert_eq!(facts["coverage"], 1.0);
    for of in ["memory", "corpus", "model"] {
        assert!(facts["bytes"][of].as_u64().unwrap() > 1000, "{of}");
    }
    let files: Vec<PathBuf> = fs::read_dir(place.path("")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files, [place.path("text.txt")]);
    let estimate = facts["bytes"]["model"].as_f64().unwrap();
    place.run("train cbow text.txt -q -o m.safetensors --dim 16 --threads 1 --epochs 1").good();
    let model = place.read("m.safetensors").len() as f64;
    assert!((0.5..2.0).contains(&(estimate / model)), "{estimate} bytes foreseen, {model} written");
}

#[test]
fn what_is_not_utf8_is_kept_and_told_or_refused() {
    let place = Place::new();
    place.write("t", b"good b\xffd good b\xffd good cut\xc3\n".repeat(10));
    let ran = place.run(&format!("train skip-gram t -o m.safetensors {QUICK}")).good();
    assert!(ran.err.contains("30 words are not UTF-8"), "{}", ran.err);
    let info = place.run("info m.safetensors --json").json();
    assert_eq!(info["provenance"]["corpus"]["invalid_utf8"], 30);
    place.run("convert m.safetensors m.vec").good();
    let text = place.read("m.vec");
    let lines: Vec<&[u8]> = text.split(|&b| b == b'\n').skip(1).collect();
    for word in [&b"good "[..], b"b\xffd ", b"cut\xc3 "] {
        assert!(lines.iter().any(|line| line.starts_with(word)), "{word:?}");
    }
    let split = place.run("train skip-gram t --unicode-words --dry-run").good();
    assert!(split.err.contains("30 words are not UTF-8, split at those bytes"), "{}", split.err);
    place.fails("train skip-gram t --strict -o x", &["t: not UTF-8 at byte 6", "iconv"]);
    place.write("fine", "naïve café\n".repeat(9));
    let fine = place.run(&format!("train skip-gram fine --strict -o x.vec {QUICK}")).good();
    assert!(!fine.err.contains("UTF-8"));
}

#[test]
fn one_thread_and_one_seed_give_one_model() {
    let place = Place::with_text();
    for method in ["skip-gram", "cbow"] {
        let model = |seed: u64| {
            place.run(&format!("train {method} text.txt -q -o m.safetensors {QUICK} --seed {seed}")).good();
            place.vectors("m.safetensors")
        };
        let first = model(7);
        assert_eq!(model(7), first, "{method}");
        assert_ne!(model(8), first, "{method}");
    }
}

#[test]
fn formats_are_written_by_name_or_as_told() {
    let place = Place::with_text();
    let cases = [
        ("a.safetensors", "", "safetensors"),
        ("a.vec", "", "text"),
        ("a.txt", "", "text"),
        ("a.bin", "", "binary"),
        ("a", "", "safetensors"),
        ("b.vec", "--to binary", "binary"),
        ("b.bin", "--to safetensors", "safetensors"),
        ("b", "--to text", "text"),
    ];
    let mut vectors = Vec::new();
    for (name, how, format) in cases {
        place.run(&format!("train skip-gram text.txt -q -o {name} {how} {QUICK}")).good();
        assert_eq!(place.run(&format!("info {name} --json")).json()["format"], format, "{name} {how}");
        vectors.push(place.vectors(name));
    }
    assert!(vectors.iter().all(|other| *other == vectors[0]));
}

// Training: the cache and what is printed

#[test]
fn a_text_is_encoded_once_until_it_changes() {
    let place = Place::with_text();
    let train = || place.run(&format!("train skip-gram text.txt -o m.vec {QUICK}")).good().err;
    assert!(train().contains("read: 20,000 words"));
    assert!(train().contains("known from the cache: 20,000 words"));
    place.write("text.txt", two_topics(3000));
    assert!(train().contains("read: 30,000 words"));
    let other = place.run(&format!("train skip-gram text.txt --min-count 9 -o m.vec {QUICK}")).good();
    assert!(other.err.contains("read: 30,000 words"), "other settings make another corpus");

    let listed = place.run("cache").printed();
    assert!(listed.contains("3 encoded corpora"), "{listed}");
    assert_eq!(listed.lines().count(), 4);
    assert!(listed.contains("30,000 tokens of 40 words, just now"));
    let cleared = place.run("cache --clear").printed();
    assert!(cleared.contains("removed 3 files"), "{cleared}");
    assert_eq!(fs::read_dir(place.cache()).unwrap().count(), 0);
    assert!(place.run("cache").printed().contains("0 encoded corpora"));
    assert!(train().contains("read: 30,000 words"));

    place.run(&format!("train skip-gram text.txt -q --cache here -o m.vec {QUICK}")).good();
    assert_eq!(fs::read_dir(place.path("here")).unwrap().count(), 1);
    assert!(place.run("cache --cache here").printed().contains("1 encoded corpus"));
}

#[test]
fn without_a_cache_the_model_alone_is_left() {
    let place = Place::with_text();
    let text = place.read("text.txt");
    place.run(&format!("train skip-gram text.txt --no-cache -o m.safetensors {QUICK}")).good();
    place.ask(&format!("train skip-gram - -o from-input.safetensors {QUICK}"), text).good();
    let names: Vec<PathBuf> = place.everything().into_keys().collect();
    assert_eq!(names, ["from-input.safetensors", "m.safetensors", "text.txt"].map(|name| place.path(name)));
}

#[test]
fn results_go_to_stdout_and_all_else_to_stderr() {
    let place = Place::with_text();
    let line = "train skip-gram text.txt -o m.safetensors --dim 10 --epochs 3 --threads 2";
    let ran = place.run(line).good();
    assert_eq!(ran.out, "");
    let epochs: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("epoch ")).collect();
    assert_eq!(epochs.len(), 3, "{}", ran.err);
    for (i, line) in epochs.iter().enumerate() {
        assert!(line.starts_with(&format!("epoch {} of 3: loss 0.", i + 1)), "{line}");
        assert!(line.ends_with(" words/s"), "{line}");
    }
    assert!(!ran.err.contains(['\r', '\x1b']), "no control characters where there is no terminal");
    assert!(ran.err.contains("next: wordloom similar m.safetensors"));

    let quiet = place.run(&format!("{line} --quiet")).good();
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));

    let facts = place.run(&format!("{line} --quiet --json")).json();
    assert_eq!((&facts["words"], &facts["dim"]), (&40.into(), &10.into()));
    assert_eq!(facts["model"], "m.safetensors");
    let history = &facts["provenance"];
    assert_eq!(history["losses"].as_array().unwrap().len(), 3);
    assert_eq!(history["tokens_seen"], 60_000);
    assert_eq!(history["settings"]["seed"], 1);
    assert_eq!(history["text"]["inputs"][0], "text.txt");
    assert_eq!(*history, place.run("info m.safetensors --json").json()["provenance"]);
}

// Questions

#[test]
fn neighbours_of_words_and_of_sums() {
    let place = Place::with_royals();
    let one = place.run("similar m.vec bread -k 1").printed();
    assert_eq!(one, "bread\n  cheese  0.9950\n");
    let several = place.run("similar m.vec bread king -k 2").printed();
    let lists: Vec<&str> = several.split("\n\n").collect();
    assert_eq!(lists.len(), 2, "{several}");
    assert!(lists[0].starts_with("bread\n  cheese") && lists[1].starts_with("king\n  "));
    assert_eq!(lists[1].lines().count(), 3);

    let sum = place.run("similar m.vec king -man +woman -k 1").printed();
    assert!(sum.starts_with("king -man +woman\n  queen  0.9"), "{sum}");
    let answer = place.run("similar m.vec --json king -man +woman -k 3").json();
    assert_eq!(answer["query"], "king -man +woman");
    let near = answer["neighbours"].as_array().unwrap();
    assert_eq!(near.len(), 3);
    assert_eq!(near[0]["word"], "queen");
    let scores: Vec<f64> = near.iter().map(|n| n["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b));
    let words: Vec<&str> = near.iter().map(|n| n["word"].as_str().unwrap()).collect();
    assert!(!words.contains(&"king") && !words.contains(&"man") && !words.contains(&"woman"));
    let product = place.run("similar m.vec king -man +woman --method mul -k 1 --json").json();
    assert_eq!(product["neighbours"][0]["word"], "queen");
    let all = place.run("similar m.vec king").printed();
    assert_eq!(all.lines().count(), 8, "itself is left out, and there are but seven others");
}

#[test]
fn analogies_by_sum_and_by_product() {
    let place = Place::with_royals();
    for method in ["add", "mul"] {
        let text = place.run(&format!("analogy m.vec man king woman -k 1 --method {method}")).printed();
        assert!(text.starts_with("man king woman\n  queen  "), "{text}");
        let json = place.run(&format!("analogy m.vec man boy woman -k 2 --json --method {method}")).json();
        assert_eq!(json["query"], "man boy woman");
        assert_eq!(json["neighbours"][0]["word"], "girl");
        assert_eq!(json["neighbours"].as_array().unwrap().len(), 2);
    }
    let sum = place.run("similar m.vec king -man +woman -k 3 --json").json();
    let analogy = place.run("analogy m.vec man king woman -k 3 --json").json();
    assert_eq!(sum["neighbours"], analogy["neighbours"]);
}

#[test]
fn similarity_the_odd_one_and_vectors() {
    let place = Place::with_royals();
    assert_eq!(place.run("similarity m.vec man king").printed(), "0.7071\n");
    assert_eq!(place.run("similarity m.vec man woman").printed(), "0.0000\n");
    assert_eq!(place.run("similarity m.vec man king --json").json()["similarity"], COSINE);

    let odd = place.run("odd-one-out m.vec king queen bread man").printed();
    assert_eq!(odd.lines().next(), Some("bread"));
    assert_eq!(odd.lines().count(), 5);
    let json = place.run("odd-one-out m.vec --json king queen bread man").json();
    assert_eq!(json["odd"], "bread");
    let fits = json["words"].as_array().unwrap();
    assert_eq!(fits.len(), 4);
    assert_eq!(fits[3]["word"], "bread", "best first");

    assert_eq!(place.run("vector m.vec cheese man").printed(), "cheese 0 0.1 0 0 1\nman 1 0 0 0 0\n");
    let json = place.run("vector m.vec cheese --json").printed();
    assert_eq!(json, "{\"query\":\"cheese\",\"vector\":[0.0,0.1,0.0,0.0,1.0]}\n");
}

#[test]
fn info_tells_what_a_model_holds() {
    let place = Place::with_model();
    let text = place.run("info m.safetensors").printed();
    for part in
        ["safetensors", "40", "10 a word", "input, output and counts", "skip-gram", "dim 10", "text.txt"]
    {
        assert!(text.contains(part), "'{part}' is not in {text}");
    }
    let json = place.run("info m.safetensors --json").json();
    assert_eq!((&json["words"], &json["dim"]), (&40.into(), &10.into()));
    assert_eq!(json["format"], "safetensors");
    assert_eq!(json["bytes"], place.read("m.safetensors").len());
    assert_eq!(json["tensors"], serde_json::json!(["input", "output", "counts"]));
    let history = &json["provenance"];
    assert_eq!(history["settings"]["epochs"], 2);
    assert_eq!(history["text"]["min_count"], 5);
    assert_eq!(history["corpus"]["words_read"], 20_000);
}

#[test]
fn many_questions_come_on_standard_input() {
    let place = Place::with_royals();
    let near = place.ask("similar m.vec -k 1", "bread\n\nking -man +woman\r\n").printed();
    let lines: Vec<Vec<&str>> = near.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], ["bread", "cheese", "0.9950"]);
    assert_eq!(lines[1][..2], ["king -man +woman", "queen"]);
    let analogies = place.ask("analogy m.vec -k 1", "man king woman\nman boy woman\n").printed();
    let answers: Vec<&str> = analogies.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(answers, ["queen", "girl"]);
    assert_eq!(
        place.ask("similarity m.vec", "man king\nman woman").printed(),
        "man king\t0.7071\nman woman\t0.0000\n"
    );
    let odd = place.ask("odd-one-out m.vec", "king queen bread\n").printed();
    assert!(odd.starts_with("king queen bread\tbread\t"), "{odd}");
    assert_eq!(place.ask("vector m.vec", "man\nwoman\n").printed(), "man 1 0 0 0 0\nwoman 0 1 0 0 0\n");
    assert_eq!(place.ask("vector m.vec", "").printed(), "");
    let long = "man king\n".repeat(5000);
    assert_eq!(place.ask("similarity m.vec", long).printed(), "man king\t0.7071\n".repeat(5000));
}

#[test]
fn a_question_without_answer_does_not_stop_the_others() {
    let place = Place::with_royals();
    let ran = place.ask("similar m.vec -k 1", "bread\nkingg\nking -man +woman\n");
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.out.lines().count(), 2);
    assert_eq!(ran.err, "wordloom: line 2: unknown word 'kingg'; did you mean 'king'?\n");

    let ran = place.ask("similarity m.vec --json", "man king\nman\nman thing\n");
    assert_eq!(ran.code, Some(1));
    let answers: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["similarity"], COSINE);
    assert!(answers[1]["error"].as_str().unwrap().contains("2 words are needed, not 1"));
    assert!(answers[2]["error"].as_str().unwrap().contains("unknown word 'thing'"));
    assert_eq!(ran.err, "");
}

#[test]
fn unknown_words_are_named_with_near_spellings() {
    let place = Place::with_royals();
    place.fails("similar m.vec Queen", &["unknown word 'Queen'", "did you mean 'queen'?"]);
    place.fails("similar m.vec king -mann +woman", &["'mann'", "'man'"]);
    place.fails("analogy m.vec man kin woman", &["'kin'", "'king'"]);
    place.fails("similarity m.vec man chese", &["'chese'", "'cheese'"]);
    place.fails("odd-one-out m.vec man king brea", &["'brea'", "'bread'"]);
    place.fails("vector m.vec gril", &["'gril'", "'girl'"]);
    let none = place.run("vector m.vec Mississippi");
    none.fails("vector", &["unknown word 'Mississippi'"]);
    assert!(!none.err.contains("did you mean"));
}

// Conversion

#[test]
fn conversions_there_and_back_are_exact() {
    let place = Place::with_model();
    let ran = place.run("convert m.safetensors a.vec").good();
    assert!(ran.err.contains("does not hold counts, output vectors"), "{}", ran.err);
    assert!(ran.err.contains("40 words x 10 -> a.vec"), "{}", ran.err);
    assert_eq!(ran.out, "");
    for line in ["a.vec b.safetensors", "b.safetensors c.bin", "c.bin d.safetensors", "d.safetensors e.txt"] {
        let ran = place.run(&format!("convert {line}")).good();
        assert!(!ran.err.contains("does not hold"), "there is nothing left to lose: {}", ran.err);
    }
    assert_eq!(place.read("e.txt"), place.read("a.vec"));
    assert_eq!(String::from_utf8(place.read("a.vec")).unwrap().lines().count(), 41);
    place.run("convert m.safetensors f --to binary").good();
    assert_eq!(place.read("f"), place.read("c.bin"));
    place.run("convert f g.bin --to text").good();
    assert_eq!(place.read("g.bin"), place.read("a.vec"));
    place.run("convert f h").good();
    assert_eq!(place.run("info h --json").json()["format"], "safetensors");
    // A model that keeps all is the same to the byte, and may take its own place.
    place.run("convert m.safetensors n.safetensors").good();
    assert_eq!(place.read("n.safetensors"), place.read("m.safetensors"));
    place.run("convert n.safetensors n.safetensors").good();
    assert_eq!(place.read("n.safetensors"), place.read("m.safetensors"));
}

// Errors

#[test]
fn inputs_that_cannot_be_trained_on() {
    let place = Place::new();
    fs::create_dir_all(place.path("folder/inner")).unwrap();
    place.write("empty", "");
    place.write("blank", "\n  \n\t\r\n");
    place.write("zeros", "text and \0\0\0");
    place.write("packed.xz", b"\xfd7zXZ\0\0\x04");
    place.write("packed.bz2", b"BZh91AY&SY1234");
    place.write("packed.zip", b"PK\x03\x04....");
    place.write("utf16", b"\xff\xfea\0b\0");
    place.write("packed-zeros.gz", gzip("text and \0\0\0"));
    place.write("cut.gz", &gzip(two_topics(100))[..200]);
    place.write("cut.zst", &zstd(two_topics(100))[..200]);
    place.write("long", "x".repeat(2_500_000));
    place.write("rare", "each word here is but once\n");
    let cases: [(&str, &[&str]); 15] = [
        ("missing", &["missing: "]),
        ("empty", &["empty: ", "no word"]),
        ("blank", &["blank: ", "no word"]),
        ("folder", &["folder: ", "no file"]),
        ("zeros", &["zeros: ", "zero byte at 9"]),
        ("packed.xz", &["packed.xz", "xzcat packed.xz | wordloom"]),
        ("packed.bz2", &["packed.bz2", "bzcat"]),
        ("packed.zip", &["packed.zip", "unzip -p"]),
        ("utf16", &["utf16: ", "iconv"]),
        ("packed-zeros.gz", &["packed-zeros.gz: ", "zero byte"]),
        ("cut.gz", &["cut.gz: "]),
        ("cut.zst", &["cut.zst: "]),
        ("long", &["long: ", "without white space"]),
        ("rare", &["5 times in 6 words", "--min-count"]),
        ("rare missing", &["missing: "]),
    ];
    for (input, says) in cases {
        place.fails(&format!("train skip-gram {input} -q -o m.safetensors"), says);
        place.fails(&format!("train cbow {input} -q --no-cache -o m.safetensors"), says);
    }
    place.ask("train cbow - -q -o m.safetensors", "").fails("no input", &["no word"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_text();
    let path = place.path("text.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::File::open(&path).is_ok() {
        return skip("this user may read everything");
    }
    place.fails("train skip-gram text.txt -q -o m", &["text.txt: ", "ermission"]);
}

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_read() {
    let place = Place::with_text();
    let cases = [
        ("--dim 0", "--dim"),
        ("--dim 70000", "--dim"),
        ("--window 0", "--window"),
        ("--window 5000", "--window"),
        ("--negative 0", "--negative"),
        ("--epochs 0", "--epochs"),
        ("--lr 0", "--lr"),
        ("--lr -1", "--lr"),
        ("--subsample -1", "--subsample"),
        ("--max-vocab 0", "--max-vocab"),
        ("--lr nan", "--lr"),
        ("--subsample 2", "--subsample"),
        ("--noise-exponent inf", "--noise-exponent"),
        ("--threads 0", "--threads"),
        ("--cbow-gradient corrected", "--cbow-gradient"),
    ];
    for (setting, names) in cases {
        place.fails(&format!("train skip-gram missing -o m.safetensors {setting}"), &[names]);
    }
    let usage = [
        "train skip-gram text.txt",
        "train skip-gram -o m",
        "train lda text.txt -o m",
        "train cbow text.txt -o m --dim ten",
        "train cbow text.txt -o m --fixed-window --whole-sequence",
        "train cbow text.txt -o m --cache c --no-cache",
        "analogy m.vec man king",
        "odd-one-out m.vec man king",
        "convert m.vec",
        "convert m.vec out --to word",
        "unknown",
        "",
    ];
    let before = place.everything();
    for line in usage {
        let ran = place.run(line);
        assert_eq!(ran.code, Some(2), "{line}");
        assert_eq!(ran.out, "", "{line}");
        assert!(ran.err.contains("Usage:") || ran.err.contains("error:"), "{line}: {}", ran.err);
    }
    assert_eq!(place.everything(), before);
}

#[test]
fn outputs_that_cannot_be_written() {
    let place = Place::with_model();
    fs::create_dir(place.path("folder")).unwrap();
    for to in ["train skip-gram text.txt -q -o", "convert m.safetensors"] {
        place.fails(&format!("{to} nowhere/m.safetensors"), &["nowhere/m.safetensors: "]);
        place.fails(&format!("{to} folder"), &["folder: ", "directory"]);
    }
    place.fails("train skip-gram text.txt -q -o text.txt", &["text.txt: ", "input"]);
    place.fails("train skip-gram text.txt -q -o m --save-vocab text.txt", &["text.txt: ", "input"]);
    place.fails("train skip-gram text.txt -q -o m --save-vocab nowhere/v", &["nowhere/v: "]);
    place.fails("train skip-gram text.txt -q -o m --save-vocab ./m", &["./m: ", "two names"]);
    place.write("words", "sea1\nsea2\n");
    place.fails("train skip-gram text.txt -q --vocab words -o words", &["words: ", "input"]);
    place.fails("demo -o nowhere/m", &["nowhere/m: "]);
}

/// A file is put in the place of another by renaming, which would take a device away.
#[cfg(unix)]
#[test]
fn devices_are_neither_replaced_nor_read_as_models() {
    let place = Place::with_model();
    // A link: whoever may rename in the folder of devices shall not lose one to a failing test.
    std::os::unix::fs::symlink("/dev/null", place.path("null")).unwrap();
    place.fails("convert m.safetensors null", &["null: ", "device"]);
    place.fails("train skip-gram text.txt -q -o null", &["null: ", "device"]);
    place.fails("info null", &["null: ", "device"]);
    assert!(fs::symlink_metadata(place.path("null")).unwrap().is_symlink());
}

/// A limit on the size of files stands in for a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let place = Place::with_model();
    place.write("kept.vec", "what was there\n");
    let program = env!("CARGO_BIN_EXE_wordloom");
    let limited = |line: &str, names: &str| {
        let before = place.everything();
        let script = format!("trap '' XFSZ; ulimit -f 4; exec {program} {line}");
        let ran = Ran::of(place.command("sh").args(["-c", &script]).output().unwrap());
        let last = ran.err.lines().last().unwrap_or_default();
        assert_eq!(ran.code, Some(1), "{line}: {}", ran.err);
        assert!(last.starts_with("wordloom: ") && last.contains(names), "{line}: {}", ran.err);
        assert_eq!(place.everything(), before, "{line}");
    };
    limited("convert m.safetensors kept.vec", "kept.vec: ");
    limited("train skip-gram text.txt -q -o big.safetensors --dim 300 --epochs 1", "big.safetensors: ");
    // Here there's no room for the encoded corpus.
    limited("train skip-gram text.txt -q --no-cache -o m.safetensors", "corpus: ");
    if Path::new("/dev/full").exists() {
        for line in ["vector m.safetensors sea1", "info m.safetensors", "train cbow text.txt -q --dry-run"] {
            let full = fs::File::options().write(true).open("/dev/full").unwrap();
            Ran::of(place.wordloom(line).stdout(full).output().unwrap()).fails(line, &["wordloom: "]);
        }
    } else {
        skip("there is no /dev/full");
    }
}

#[test]
fn models_that_are_cut_or_are_none() {
    let place = Place::with_model();
    place.run("convert m.safetensors m.bin").good();
    place.run("convert m.safetensors m.vec").good();
    for model in ["m.safetensors", "m.bin", "m.vec"] {
        let whole = place.read(model);
        // word2vec's formats don't show that the last newline is missing, nor text that its last number is cut.
        for length in [0, 1, 7, 8, 9, 64, whole.len() / 2, whole.len() - 30] {
            place.write("cut", &whole[..length]);
            place.fails("similar cut sea1", &["cut: "]);
        }
        place.write("longer", [&whole[..], b"more\n"].concat());
        place.fails("info longer", &["longer: "]);
    }
    let random: Vec<u8> = (0..3000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    place.write("random", random);
    place.write("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10");
    place.write("prose", "Call me Ishmael. Some years ago, never mind how long precisely\n");
    let header = br#"{"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
    let foreign = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 16]].concat();
    place.write("foreign.safetensors", foreign);
    fs::create_dir(place.path("folder")).unwrap();
    place.fails("info folder", &["folder: is a directory"]);
    for name in ["random", "picture.png", "prose", "foreign.safetensors", "missing", "folder"] {
        let names = &[&format!("{name}: ")[..]];
        place.fails(&format!("similar {name} king"), names);
        place.fails(&format!("vector {name} king"), names);
        place.fails(&format!("info {name}"), names);
        place.fails(&format!("convert {name} out.vec"), names);
    }
    place.fails("info foreign.safetensors", &["'input'"]);
}

#[test]
fn whoever_reads_may_stop_early() {
    let place = Place::with_royals();
    let mut child = place.wordloom("vector m.vec").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let asking = std::thread::spawn(move || stdin.write_all("king\n".repeat(200_000).as_bytes()));
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    let _ = asking.join().unwrap();
    assert_eq!(first, "king 1 0 1 0 0\n");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

#[cfg(unix)]
#[test]
fn an_interrupted_training_leaves_nothing() {
    for how in ["", "--no-cache"] {
        let place = Place::with_text();
        let slow = "--dim 100 --epochs 9999 --threads 2 --subsample 0 --negative 50";
        let line = format!("train skip-gram text.txt -o m.safetensors {slow} {how}");
        let mut child = place.wordloom(&line).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("epoch 1 of 9999") {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
        }
        let begin = Instant::now();
        let kill = format!("kill -INT {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
        assert!(said.ends_with("wordloom: stopped; nothing was written\n"), "{said}");
        let mut left: Vec<PathBuf> = place.everything().into_keys().collect();
        // The corpus that was encoded whole is kept for the next time.
        left.retain(|path| path.extension().is_none_or(|e| e != "corpus") || !how.is_empty());
        assert_eq!(left, [place.path("text.txt")]);
    }
}

/// Input that doesn't come keeps no one waiting who wants to leave.
#[cfg(unix)]
#[test]
fn an_interrupted_wait_for_input_leaves_nothing() {
    let place = Place::new();
    let mut child = place.wordloom("train cbow - -o m").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"some words, and more to come").unwrap();
    // The file that words are spooled to shows that reading has begun.
    let begin = Instant::now();
    while fs::read_dir(place.cache()).unwrap().count() == 0 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let ran = Ran::of(child.wait_with_output().unwrap());
    drop(stdin);
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    assert_eq!(ran.err, "wordloom: stopped; nothing was written\n");
    assert_eq!(place.everything(), BTreeMap::new());
}

// Help and the demonstration

#[test]
fn every_command_has_an_example() {
    let place = Place::new();
    let commands = [
        "",
        "demo",
        "train",
        "train skip-gram",
        "train cbow",
        "similar",
        "analogy",
        "similarity",
        "odd-one-out",
        "vector",
        "info",
        "convert",
        "cache",
    ];
    for command in commands {
        let help = place.run(&format!("{command} --help")).printed();
        let examples = help.split_once("Examples:\n").unwrap_or_else(|| panic!("{command} has none")).1;
        let name = command.split(' ').next().unwrap();
        assert!(examples.contains(&format!("wordloom {name}")), "{command}: {examples}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command}: a line is too long");
    }
    let listed = place.run("--help").printed();
    for command in commands.iter().filter(|command| !command.contains(' ')) {
        assert!(listed.contains(command), "{command}");
    }
    assert!(place.run("--version").printed().starts_with("wordloom "));
}

#[test]
fn the_embedded_text_and_its_questions_become_files() {
    let place = Place::new();
    let ran = place.run("demo --text here");
    assert!(ran.err.contains("wordloom compare here/text.txt"), "{}", ran.err);
    let text = fs::read_to_string(place.path("here/text.txt")).unwrap();
    assert!(text.split_whitespace().count() > 1_000_000);
    place.run("train cbow here/text.txt -o m.vec --dim 10 --epochs 1").printed();
    let scores = place.run("eval m.vec here/sets --json --draws 100").json();
    assert_eq!(scores["models"][0]["sets"].as_array().unwrap().len(), 2);
}

#[test]
fn the_demonstration_shows_that_it_learnt() {
    let place = Place::new();
    let shown = place.run("demo -o my.safetensors").printed();
    let total = shown.lines().find(|line| line.trim_start().starts_with("all ")).unwrap();
    let percent: f64 = total.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(percent >= 70.0, "{shown}");
    let correlation = shown.lines().find(|line| line.contains("Spearman")).unwrap();
    let correlation: f64 = correlation.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(correlation > 0.5, "{shown}");
    let files: Vec<PathBuf> = place.everything().into_keys().collect();
    assert_eq!(files, [place.path("my.safetensors")], "the model, and nothing else");
    let next: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("  wordloom ")).collect();
    assert!(next.len() >= 3, "{shown}");
    for line in next.iter().filter(|line| !line.starts_with("train")) {
        assert_ne!(place.run(line).printed(), "", "{line}");
    }
}
