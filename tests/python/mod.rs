//! Asking programs that are written in Python, where there are any.
#![allow(dead_code, unreachable_pub)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

pub fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of another program; the collection is no part of this repository.
pub fn foreign(name: &str) -> Option<PathBuf> {
    let path = in_repository("../shared/data/models").join(name);
    if !path.exists() {
        skip(&format!("{name} of the collection of models is not here"));
        return None;
    }
    Some(path)
}

/// The Python to ask: `$WORDLOOM_PYTHON`, or else `python3`.
fn python() -> Command {
    let named = std::env::var_os("WORDLOOM_PYTHON").filter(|name| !name.is_empty());
    Command::new(named.unwrap_or_else(|| "python3".into()))
}

/// Why there is no Python that can import `modules`, if that is so.
pub fn python_lacks(modules: &str) -> Option<String> {
    match python().args(["-c", &format!("import {modules}")]).output() {
        Ok(ran) if ran.status.success() => None,
        Ok(ran) => Some(String::from_utf8_lossy(&ran.stderr).lines().last().unwrap_or_default().into()),
        Err(error) => Some(format!("no Python: {error}")),
    }
}

#[track_caller]
pub fn printed(ran: &Output) -> String {
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout.clone()).unwrap()
}

/// Runs a script of `tests/python`, which prints JSON, with `input` as its standard input.
#[track_caller]
pub fn script(name: &str, arguments: &[&Path], input: &str) -> Value {
    let script = in_repository("tests/python").join(name);
    let mut ran = python()
        .env("PYTHONUTF8", "1")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    ran.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    serde_json::from_str(&printed(&ran.wait_with_output().unwrap())).unwrap()
}
