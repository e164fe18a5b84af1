//! A folder to run the command in, for tests of it as a whole.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) struct Place(TempDir);

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and the folders that it is in.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wordloom"));
        command.current_dir(self.0.path()).env("WORDLOOM_CACHE", self.path("cache"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.args(line.split_whitespace());
        command
    }

    /// Runs `wordloom` with the arguments of `line`.
    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::of(self.command(line).output().unwrap())
    }

    /// Sentences of ten words, each from one of two topics of twenty words, and a set of similarities about them.
    pub(crate) fn write_topics(&self, sentences: usize) {
        let mut state = 1u64;
        let mut word = |topic: &str| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{topic}{}", (state >> 33) % 20)
        };
        let mut sentence = |i: usize| {
            let topic = ["sea", "hill"][i % 2];
            (0..10).map(|_| word(topic)).collect::<Vec<_>>().join(" ") + "\n"
        };
        self.write("text.txt", (0..sentences).map(&mut sentence).collect::<String>());
        let pair = |i: usize| {
            let topic = |n: usize| ["sea", "hill"][n % 2];
            let (a, b) = (topic(i), topic(i / 2));
            format!("{a}{}\t{b}{}\t{}\n", i % 20, (i * 7 + 3) % 20, if a == b { 9 } else { 1 })
        };
        self.write("sets/topics.tsv", (0..60).map(pair).collect::<String>());
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What a good run printed.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// The one JSON value that a good run printed.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.printed()).unwrap()
    }

    /// The run failed with one line on stderr that has all of `says`.
    #[track_caller]
    pub(crate) fn fails(&self, says: &[&str]) {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.err);
        assert_eq!(self.out, "");
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        for part in says {
            assert!(self.err.contains(part), "'{part}' is not in {}", self.err);
        }
    }
}

pub(crate) fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
