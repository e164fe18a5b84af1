//! The sessions in README and in the pages of the guide: the `console` blocks of a page are run, one after
//! the other, in a folder of their own.
#![allow(missing_docs)]

#[expect(dead_code, reason = "this file uses a part of it")]
mod common;

use std::fs;
use std::path::Path;

use self::common::Place;

/// `text` with `[..]` in place of each number with a decimal point in a `console` block. Scores,
/// sizes and times differ a little with threads and processors, and trycmd accepts anything there.
fn without_decimals(text: &str) -> String {
    let mut console = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            console = line == "```console";
        }
        let output = console && !line.starts_with("$ ");
        lines.push(if output { elide(line) } else { line.to_string() });
    }
    lines.join("\n") + "\n"
}

/// A line with `[..]` in place of `digits.digits`.
fn elide(line: &str) -> String {
    let digits =
        |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (mut out, mut rest) = (String::new(), line);
    while let Some(first) = rest.chars().next() {
        let whole = digits(rest);
        let part = rest[whole..].strip_prefix('.').map_or(0, digits);
        let taken = if whole > 0 { whole } else { first.len_utf8() };
        if whole > 0 && part > 0 {
            out.push_str("[..]");
            rest = &rest[whole + 1 + part..];
        } else {
            out.push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
    }
    out
}

/// Runs the sessions of a page, which make a file.
fn run(page: &str, makes: &str) {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let place = Place::new();
    // trycmd runs the commands of `page.md` in `page.in`, if there is such a folder, so nothing is
    // written to the repository.
    fs::create_dir(place.path("page.in")).unwrap();
    place.write("page.md", without_decimals(&text));
    let cases = trycmd::TestCases::new();
    // The command is registered, since trycmd skips a command that it does not find.
    cases.register_bin("wordloom", Path::new(env!("CARGO_BIN_EXE_wordloom")));
    cases.env("WORDLOOM_CACHE", place.cache().display().to_string());
    cases.case(place.path("page.md")).run();
    assert!(place.has(&format!("page.in/{makes}")), "the sessions of {page} were not run");
}

#[test]
fn sessions_of_readme_run_as_shown() {
    run("README.md", "demo.safetensors");
}

#[test]
fn sessions_of_the_guide_run_as_shown() {
    run("docs/guide/start.md", "static/modules.json");
    run("docs/guide/asking.md", "my.counts");
    run("docs/guide/evaluating.md", "b.safetensors");
    run("docs/guide/maps.md", "both.html");
}

#[test]
fn numbers_with_a_decimal_point_are_elided() {
    assert_eq!(elide("  queen  0.9724 é"), "  queen  [..] é");
    assert_eq!(
        elide("4,166 words x 100 -> demo.bin (1.7 MB)."),
        "4,166 words x 100 -> demo.bin ([..] MB)."
    );
    assert_eq!(elide("in 12. v1.x"), "in 12. v1.x");
}
