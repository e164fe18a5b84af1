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
