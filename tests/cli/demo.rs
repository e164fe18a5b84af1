//! Help and the demonstration.

use std::path::PathBuf;

use crate::common::Place;

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
        let examples =
            help.split_once("Examples:\n").unwrap_or_else(|| panic!("{command} has none")).1;
        let name = command.split(' ').next().unwrap();
        assert!(examples.contains(&format!("wordloom {name}")), "{command}: {examples}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{command}: a line is too long"
        );
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
    let text = place.text("here/text.txt");
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
    let next: Vec<&str> =
        shown.lines().filter_map(|line| line.strip_prefix("  wordloom ")).collect();
    assert!(next.len() >= 3, "{shown}");
    for line in next.iter().filter(|line| !line.starts_with("train")) {
        assert_ne!(place.run(line).printed(), "", "{line}");
    }
}
