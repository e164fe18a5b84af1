//! What the tests share: a folder to run the command in, how a run went, and texts to train on.
//!
//! `tests/cli` uses all of it, so the compiler finds a helper that nobody uses. Each of the other
//! test files uses a part, and says so where it names this module.
//!
//! This file is over 300 lines because every command under test is run through it.

pub(crate) mod topics;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Settings that learn a small text quickly, and give the same model each time.
pub(crate) const QUICK: &str = "--dim 10 --epochs 2 --threads 1 --subsample 0";

/// A model whose answers are known. Its columns are: male, female, royal, young, food.
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

/// A folder to run the command in, with its own cache and its own folder of temporary files.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["work", "cache", "tmp"] {
            fs::create_dir(place.folder.path().join(folder)).unwrap();
        }
        place
    }

    /// A place with `text.txt`, the text of two topics.
    pub(crate) fn with_text(sentences: usize) -> Self {
        let place = Self::new();
        place.write("text.txt", topics::text(sentences, 10));
        place
    }

    /// A place with `m.safetensors`, trained on the text of two topics.
    pub(crate) fn with_model() -> Self {
        let place = Self::with_text(2000);
        place.run(&format!("train skip-gram text.txt -q -o m.safetensors {QUICK}")).good();
        place
    }

    /// A place with `m.vec`, a model made by hand.
    pub(crate) fn with_royals() -> Self {
        let place = Self::new();
        place.write("m.vec", ROYALS);
        place
    }

    /// The path of a file in the folder that the command runs in.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("work").join(name)
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Writes a file, and makes the folders that it is in.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The content of a file that has to be UTF-8.
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Any program, to be run in this place with nothing on standard input.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path("")).env("WORDLOOM_CACHE", self.cache());
        command.env("TMPDIR", self.folder.path().join("tmp"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `wordloom` with the arguments of `line`, to be run in this place.
    pub(crate) fn wordloom(&self, line: &str) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_wordloom"));
        command.args(line.split_whitespace());
        command
    }

    /// Runs `wordloom` with the arguments of `line`.
    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::of(line, self.wordloom(line).output().unwrap())
    }

    /// Runs `wordloom` with the arguments of `line` and with `input` on standard input.
    pub(crate) fn ask(&self, line: &str, input: impl AsRef<[u8]>) -> Ran {
        let mut child = self.wordloom(line).stdin(Stdio::piped()).spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.as_ref());
        std::thread::scope(|scope| {
            // The command may stop before it has read everything, so a failed write is no error.
            scope.spawn(move || stdin.write_all(input));
            Ran::of(line, child.wait_with_output().unwrap())
        })
    }

    /// Runs `line`, which has to fail with one line that has all of `says`, and to change nothing.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, says: &[&str]) {
        let before = self.everything();
        self.run(line).fails(says);
        assert_eq!(self.everything(), before, "{line}: something changed");
    }

    /// Runs `line`, which has to be refused as no proper use of the command, with a text that has
    /// all of `says`, and to change nothing.
    #[track_caller]
    pub(crate) fn misuses(&self, line: &str, says: &[&str]) {
        let before = self.everything();
        self.run(line).misused(says);
        assert_eq!(self.everything(), before, "{line}: something changed");
    }

    /// All files in all folders of this place, with their lengths.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, u64> {
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

    /// All files but encoded corpora, which stay in the cache for the next training.
    pub(crate) fn all_but_corpora(&self) -> BTreeMap<PathBuf, u64> {
        let mut files = self.everything();
        files.retain(|path, _| path.extension().is_none_or(|extension| extension != "corpus"));
        files
    }

    /// The vocabulary that training with `options` would have, as `word count` lines, and facts
    /// about the text.
    pub(crate) fn vocabulary(&self, options: &str) -> (String, Value) {
        let plan =
            self.run(&format!("train skip-gram {options} --dry-run --json --save-vocab v.words"));
        let facts = plan.json()["corpus"].clone();
        (self.text("v.words"), facts)
    }

    /// The vectors of a model, as text.
    pub(crate) fn vectors(&self, model: &str) -> String {
        self.run(&format!("convert {model} vectors.of.vec")).good();
        self.text("vectors.of.vec")
    }

    /// Runs `line` until it says `when` on stderr, calls `meanwhile`, and interrupts the run, which
    /// has to end soon and whose last line has to have `says`.
    #[cfg(unix)]
    #[track_caller]
    pub(crate) fn interrupted(&self, line: &str, when: &str, says: &str, meanwhile: impl FnOnce()) {
        use std::io::{BufRead, BufReader, Read};
        use std::time::{Duration, Instant};

        let mut child = self.wordloom(line).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains(when) {
            assert!(stderr.read_line(&mut said).unwrap() > 0, "{line}: {said}");
        }
        meanwhile();
        let begin = Instant::now();
        interrupt(&child);
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{line}: {said}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{line}: {:?}", begin.elapsed());
        let last = said.lines().last().unwrap_or_default();
        assert!(last.starts_with("wordloom: stopped") && last.contains(says), "{line}: {said}");
    }
}

/// How a run went.
pub(crate) struct Ran {
    /// The arguments, for messages.
    line: String,
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(line: &str, output: Output) -> Self {
        Self {
            line: line.into(),
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Nothing went wrong.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{}: {}{}", self.line, self.out, self.err);
        self
    }

    /// What a good run printed.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        self.good().out
    }

    /// The one JSON value that a good run printed.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.printed()).unwrap()
    }

    /// The run failed with one line on stderr, which has all of `says`.
    #[track_caller]
    pub(crate) fn fails(&self, says: &[&str]) {
        assert_eq!(self.err.lines().count(), 1, "{}: {}", self.line, self.err);
        self.breaks_off(says);
    }

    /// The run failed, maybe after it had told how far it was. The last line on stderr begins with
    /// the program's name and has all of `says`.
    #[track_caller]
    pub(crate) fn breaks_off(&self, says: &[&str]) {
        let (line, err) = (&self.line, &self.err);
        assert_eq!(self.code, Some(1), "{line}: {}{err}", self.out);
        assert_eq!(self.out, "", "{line}");
        let last = err.lines().last().unwrap_or_default();
        assert!(last.starts_with("wordloom: "), "{line}: {err}");
        for part in says {
            assert!(last.contains(part), "{line}: '{part}' is not at the end of {err}");
        }
    }

    /// The arguments were refused, with a text that shows their proper use and has all of `says`.
    #[track_caller]
    pub(crate) fn misused(&self, says: &[&str]) {
        let (line, err) = (&self.line, &self.err);
        assert_eq!(self.code, Some(2), "{line}: {}{err}", self.out);
        assert_eq!(self.out, "", "{line}");
        assert!(err.contains("Usage:") || err.contains("error:"), "{line}: {err}");
        for part in says {
            assert!(err.contains(part), "{line}: '{part}' is not in {err}");
        }
    }
}

/// Interrupts a process as Ctrl-C does.
#[cfg(unix)]
pub(crate) fn interrupt(child: &std::process::Child) {
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// Bytes packed by bzip2.
pub(crate) fn bzip2(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    packer.write_all(bytes.as_ref()).unwrap();
    packer.finish().unwrap()
}

/// Bytes packed by xz.
pub(crate) fn xz(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::default();
    let mut packer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    packer.write_all(bytes.as_ref()).unwrap();
    packer.finish().unwrap()
}

pub(crate) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_ref()).unwrap();
    packer.finish().unwrap()
}

pub(crate) fn zstd(text: impl AsRef<[u8]>) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text.as_ref(), ruzstd::encoding::CompressionLevel::Fastest)
}

/// Tells that the test that calls this is skipped, wholly or in part, as `skipped: TEST: WHY`.
///
/// The line is written to stderr itself, since the test harness shows what `eprintln!` prints only
/// for tests that fail. If `WORDLOOM_SKIPPED` names a file, the line is added to it as well.
pub(crate) fn skip(why: &str) {
    // The test harness names each thread after its test.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("an unnamed test");
    let line = format!("skipped: {}::{test}: {why}\n", env!("CARGO_CRATE_NAME"));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    if let Some(list) = std::env::var_os("WORDLOOM_SKIPPED").filter(|name| !name.is_empty()) {
        let mut list = fs::File::options().create(true).append(true).open(list).unwrap();
        list.write_all(line.as_bytes()).unwrap();
    }
}
