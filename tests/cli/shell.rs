//! What a shell, a manual and the habits of other programs want.

use std::fs;

use crate::common::Place;

#[test]
fn shells_and_manuals_know_all_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = place.run(&format!("completions {shell}")).printed();
        for word in ["similar", "odd-one-out", "min-count", "node2vec"] {
            assert!(script.contains(word), "{shell} {word}");
        }
    }
    place.run("man pages").good();
    let page = String::from_utf8(place.read("pages/wordloom-train-skip-gram.1")).unwrap();
    assert!(page.contains("min\\-count") && page.starts_with(".ie"), "{page}");
    assert!(fs::read_dir(place.path("pages")).unwrap().count() > 25);
}

#[test]
fn the_version_tells_what_was_built() {
    let place = Place::new();
    assert_eq!(place.run("-V").printed().lines().count(), 1);
    let long = place.run("--version").printed();
    assert!(long.contains("features ") && long.contains("SIMD "), "{long}");
}

#[test]
fn options_of_other_programs_are_told() {
    let place = Place::with_text(10);
    place.misuses("train skip-gram text.txt -o m.bin --size 50", &["--size", "here --dim"]);
    place.misuses("train skip-gram text.txt -o m.bin -minCount 2", &["-minCount", "--min-count"]);
    place.misuses("train cbow text.txt -o m.bin --workers=3", &["--workers", "--threads"]);
    place
        .misuses("train cbow text.txt -o m.bin --nonsense", &["unexpected argument", "--nonsense"]);
}

#[test]
fn the_cache_says_which_text_and_keeps_to_a_limit() {
    let place = Place::with_text(50);
    place.write("other.txt", "one two three two one two\n".repeat(20));
    let train = |text: &str| format!("train cbow {text} -o m.safetensors -q --dim 5 --epochs 1");
    place.run(&train("text.txt")).good();
    place.run(&train("other.txt --min-count 1")).good();
    let listed = place.run("cache").printed();
    assert!(listed.contains(", text.txt") && listed.contains(", other.txt"), "{listed}");
    // The one that was not used for the longest time goes first.
    place.run(&train("text.txt")).good();
    let limit = "3kB";
    let mut command = place.wordloom(&train("text.txt --min-count 2"));
    let output = command.env("WORDLOOM_CACHE_LIMIT", limit).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cache: removed ") && said.contains("keep within 3.0 kB"), "{said}");
    let listed = place.run("cache").printed();
    assert!(!listed.contains("other.txt") && listed.contains(", text.txt"), "{listed}");
    let mut command = place.wordloom(&train("text.txt --min-count 3"));
    let output = command.env("WORDLOOM_CACHE_LIMIT", "much").output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("WORDLOOM_CACHE_LIMIT: expected a size")
    );
}

#[test]
fn a_model_is_trained_like_another() {
    let place = Place::with_model();
    let json = place.run("train --like m.safetensors -o n.safetensors -q --json").json();
    assert_eq!(json["provenance"]["settings"]["dim"], 10);
    assert!(json["provenance"]["corpus"]["hash"].is_string());
}
