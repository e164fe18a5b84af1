//! Other programs: those in Python, which are asked where they are installed, and files of others.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::{Ran, skip};

/// A path relative to the folder of this repository.
fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file or program of others. The collection is no part of this repository, so the test that
/// calls this has to skip what needs the file where there is none.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let path = in_repository("../shared").join(name);
    if !path.exists() {
        skip(&format!("../shared/{name} is not here"));
        return None;
    }
    Some(path)
}

/// The Python to ask: `$WORDLOOM_PYTHON`, or else `python3`.
fn python() -> Command {
    let named = std::env::var_os("WORDLOOM_PYTHON").filter(|name| !name.is_empty());
    let mut command = Command::new(named.unwrap_or_else(|| "python3".into()));
    command.env("PYTHONUTF8", "1");
    command
}

/// Whether there is no Python that can import `modules`. The test that calls this has to skip what
/// needs them then. `.ci/run` knows such skips by their first words.
pub(crate) fn lacks(modules: &str) -> bool {
    let why = match python().args(["-c", &format!("import {modules}")]).output() {
        Ok(ran) if ran.status.success() => return false,
        Ok(ran) => {
            String::from_utf8_lossy(&ran.stderr).lines().last().unwrap_or_default().to_string()
        }
        Err(error) => error.to_string(),
    };
    skip(&format!("wants Python with {modules}: {why}"));
    true
}

/// What a program in Python prints, with `input` as its standard input.
#[track_caller]
pub(crate) fn run(program: &Path, arguments: &[&Path], input: &str) -> String {
    let mut ran = python()
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    ran.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::of(&program.to_string_lossy(), ran.wait_with_output().unwrap()).printed()
}

/// The JSON that a script of `tests/python` prints, with `input` as its standard input.
#[track_caller]
pub(crate) fn script(name: &str, arguments: &[&Path], input: &str) -> Value {
    let program = in_repository("tests/python").join(name);
    serde_json::from_str(&run(&program, arguments, input)).unwrap()
}
