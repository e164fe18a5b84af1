//! Training: what it learns, writes and prints, its cache, and settings that are refused.

use std::fs;
use std::path::PathBuf;

use crate::common::{Place, QUICK, topics};

#[test]
fn both_methods_learn_which_words_belong_together() {
    let place = Place::with_text(2000);
    for method in ["skip-gram", "cbow"] {
        let settings = "--dim 20 --epochs 3 --threads 2 --subsample 0 --lr 0.1";
        place.run(&format!("train {method} text.txt -o {method}.safetensors {settings}")).good();
        for (word, topic) in [("sea3", "sea"), ("hill11", "hill")] {
            let answer =
                place.run(&format!("similar {method}.safetensors {word} -k 5 --json")).json();
            let near = answer["neighbours"].as_array().unwrap();
            assert_eq!(near.len(), 5);
            for neighbour in near {
                assert!(
                    neighbour["word"].as_str().unwrap().starts_with(topic),
                    "{method}: {answer}"
                );
            }
        }
        let info = place.run(&format!("info {method}.safetensors --json")).json();
        assert_eq!(info["provenance"]["method"], method);
        assert_eq!(info["provenance"]["losses"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn one_thread_and_one_seed_give_one_model() {
    let place = Place::with_text(2000);
    for method in ["skip-gram", "cbow"] {
        let model = |seed: u64| {
            place
                .run(&format!("train {method} text.txt -q -o m.safetensors {QUICK} --seed {seed}"))
                .good();
            place.vectors("m.safetensors")
        };
        let first = model(7);
        assert_eq!(model(7), first, "{method}");
        assert_ne!(model(8), first, "{method}");
    }
}

#[test]
fn a_vocabulary_is_saved_and_given_back() {
    let place = Place::with_text(2000);
    place.write("mine", "hill7 1\nsea3\n\nmissing 99\n");
    place
        .run(&format!("train skip-gram text.txt --vocab mine --save-vocab kept -o m.vec {QUICK}"))
        .good();
    let kept = place.text("kept");
    let mut words: Vec<&str> = kept.lines().filter_map(|line| line.split(' ').next()).collect();
    words.sort_unstable();
    assert_eq!(words, ["hill7", "sea3"], "words of the text alone");
    let counts: Vec<u64> =
        kept.lines().map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert!(counts.iter().all(|&count| count > 100), "counts are those of the text: {kept}");
    assert!(place.vectors("m.vec").starts_with("2 10\n"));
    place
        .run(&format!("train skip-gram text.txt --vocab kept --save-vocab again -o m.vec {QUICK}"))
        .good();
    assert_eq!(place.read("again"), place.read("kept"));
    place.write("none", "other\nwords\n");
    place.write("blank", "\n \n");
    place.fails("train skip-gram text.txt --vocab none -o x", &["none", "occurs"]);
    place.fails("train skip-gram text.txt --vocab blank -o x", &["blank", "no word"]);
    place.fails("train skip-gram text.txt --vocab missing -o x", &["missing"]);
}

#[test]
fn a_dry_run_says_what_training_would_take() {
    let place = Place::with_text(2000);
    let plan =
        place.run("train cbow text.txt --dry-run --dim 16 --epochs 3 -o m.safetensors").printed();
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
    let files: Vec<PathBuf> =
        fs::read_dir(place.path("")).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(files, [place.path("text.txt")]);
    let estimate = facts["bytes"]["model"].as_f64().unwrap();
    place.run("train cbow text.txt -q -o m.safetensors --dim 16 --threads 1 --epochs 1").good();
    let model = place.read("m.safetensors").len() as f64;
    assert!((0.5..2.0).contains(&(estimate / model)), "{estimate} bytes foreseen, {model} written");
}

#[test]
fn a_text_is_encoded_once_until_it_changes() {
    let place = Place::with_text(2000);
    let train = || place.run(&format!("train skip-gram text.txt -o m.vec {QUICK}")).good().err;
    assert!(train().contains("read: 20,000 words"));
    assert!(train().contains("known from the cache: 20,000 words"));
    place.write("text.txt", topics::text(3000, 10));
    assert!(train().contains("read: 30,000 words"));
    let other =
        place.run(&format!("train skip-gram text.txt --min-count 9 -o m.vec {QUICK}")).good();
    assert!(other.err.contains("read: 30,000 words"), "other settings make another corpus");

    let listed = place.run("cache").printed();
    assert!(listed.contains("3 encoded corpora"), "{listed}");
    assert_eq!(listed.lines().count(), 4);
    assert!(listed.contains("30,000 tokens of 40 words, text.txt, just now"));
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
    let place = Place::with_text(2000);
    let text = place.read("text.txt");
    place.run(&format!("train skip-gram text.txt --no-cache -o m.safetensors {QUICK}")).good();
    place.ask(&format!("train skip-gram - -o from-input.safetensors {QUICK}"), text).good();
    let names: Vec<PathBuf> = place.everything().into_keys().collect();
    assert_eq!(
        names,
        ["from-input.safetensors", "m.safetensors", "text.txt"].map(|name| place.path(name))
    );
}

#[test]
fn results_go_to_stdout_and_all_else_to_stderr() {
    let place = Place::with_text(2000);
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

#[test]
fn settings_that_cannot_be_are_refused_before_anything_is_read() {
    let place = Place::with_text(2000);
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
        ("--buckets 1000", "--buckets"),
        ("--subwords 3..6 --buckets 0", "--buckets"),
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
    for line in usage {
        place.misuses(line, &[]);
    }
}
