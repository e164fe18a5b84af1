//! Training again as a model was trained, and on corpora that are encoded already.

use std::fs;

use crate::common::{Place, QUICK};

/// The one encoded corpus in the cache.
fn cached(place: &Place) -> String {
    let mut files: Vec<_> =
        fs::read_dir(place.cache()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.len(), 1);
    files.remove(0).path().display().to_string()
}

#[test]
fn a_model_is_the_recipe_that_it_was_trained_by() {
    let place = Place::with_text(500);
    for (method, name) in [
        ("skip-gram --subwords 3..4", "sub"),
        ("cbow --position-weights --lowercase --min-count 2", "cbow"),
        ("glove --context-weight flat --x-max 7", "glove"),
    ] {
        let settings = if name == "glove" { "--dim 10 --epochs 2 --threads 1" } else { QUICK };
        place.run(&format!("train {method} text.txt -q -o {name}.safetensors {settings}")).good();
        place.run(&format!("train --recipe {name}.safetensors -q -o again.safetensors")).good();
        let first = place.vectors(&format!("{name}.safetensors"));
        assert_eq!(place.vectors("again.safetensors"), first, "{method}");
        let [was, is] = [name, "again"]
            .map(|name| place.run(&format!("info {name}.safetensors --json")).json());
        for part in ["method", "settings", "text"] {
            assert_eq!(was["provenance"][part], is["provenance"][part], "{method}");
        }
        let other = "-q -o other.safetensors --seed 9 --dim 7";
        place.run(&format!("train --recipe {name}.safetensors text.txt {other}")).good();
        assert!(place.vectors("other.safetensors").starts_with("40 7\n"), "{method}");
    }
}

#[test]
fn a_recipe_is_json_from_a_file_or_standard_input() {
    let place = Place::with_text(500);
    let recipe = r#"{ "method": "cbow", "settings": { "dim": 6, "epochs": 1, "threads": 1 } }"#;
    place.write("recipe.json", recipe);
    place.run("train --recipe recipe.json text.txt -q -o a.vec").good();
    place.ask("train --recipe - text.txt -q -o b.vec", recipe).good();
    assert_eq!(place.read("a.vec"), place.read("b.vec"));
    assert!(place.text("a.vec").starts_with("40 6\n"));
    let plan = place.run("train --recipe recipe.json text.txt --dry-run --json").json();
    assert_eq!((&plan["method"], &plan["settings"]["dim"]), (&"cbow".into(), &6.into()));
    place.run("train skip-gram text.txt -q -o m.safetensors --dim 6 --epochs 1").good();
    let info = place.run("info m.safetensors --json").printed();
    place.ask("train --recipe - -q -o c.safetensors", info).good();
}

#[test]
fn what_is_no_recipe_is_refused() {
    let place = Place::with_royals();
    place.write("text.txt", "a b c\n".repeat(9));
    place.write("typo.json", r#"{ "method": "cbow", "settings": { "dims": 6 } }"#);
    place.write("other.json", r#"{ "method": "lda" }"#);
    place.write("wrong.json", r#"{ "method": "cbow", "settings": { "dim": 0 } }"#);
    place.write(
        "gradient.json",
        r#"{ "method": "skip-gram", "settings": { "cbow_gradient": "corrected" } }"#,
    );
    place.write("half.json", r#"{ "method": "#);
    for (recipe, says) in [
        ("typo.json", "unknown field 'dims'"),
        ("other.json", "lda"),
        ("wrong.json", "--dim must be"),
        ("gradient.json", "--cbow-gradient is for CBOW"),
        ("half.json", "half.json: not JSON"),
        ("m.vec", "another program made it"),
        ("missing.json", "missing.json"),
    ] {
        place.fails(&format!("train --recipe {recipe} text.txt -o x.safetensors"), &[says]);
    }
    place.write("plain.json", r#"{ "method": "cbow" }"#);
    place.fails("train --recipe plain.json -o x.safetensors", &["plain.json", "on which text"]);
    place.misuses("train --recipe plain.json text.txt", &["--output"]);
    place.misuses("train cbow text.txt --recipe plain.json -o m", &["--recipe"]);
}

#[test]
fn an_encoded_corpus_is_an_input_of_every_training() {
    let place = Place::with_text(500);
    place.run(&format!("train skip-gram text.txt -q -o text.safetensors {QUICK}")).good();
    let corpus = cached(&place);
    for (method, settings) in
        [("skip-gram", QUICK), ("cbow", QUICK), ("glove", "--dim 10 --epochs 2 --threads 1")]
    {
        place.run(&format!("train {method} text.txt -q -o text.safetensors {settings}")).good();
        place.run(&format!("train {method} {corpus} -q -o corpus.safetensors {settings}")).good();
        assert_eq!(place.vectors("corpus.safetensors"), place.vectors("text.safetensors"));
        let info = place.run("info corpus.safetensors").printed();
        assert!(info.contains(&corpus), "{info}");
        place.run("train --recipe corpus.safetensors -q -o again.safetensors").good();
        assert_eq!(place.vectors("again.safetensors"), place.vectors("text.safetensors"));
    }
    place.run("cooccur text.txt -q -o text.counts").good();
    place.run(&format!("cooccur {corpus} -q -o corpus.counts")).good();
    assert_eq!(cached(&place), corpus, "the corpus is still there, and no other");
    let settled = ["--min-count 2", "--lowercase", "--vocab text.txt"];
    for setting in settled {
        let line = format!("train cbow {corpus} -o x.safetensors {setting}");
        place.fails(&line, &["whose words are settled"]);
    }
    place.fails(&format!("train cbow {corpus} text.txt -o x.safetensors"), &["the only input"]);
    let mut damaged = fs::read(&corpus).unwrap();
    damaged.truncate(damaged.len() - 9);
    place.write("damaged.corpus", damaged);
    place.fails("train cbow damaged.corpus -o x.safetensors", &["damaged.corpus", "cut short"]);
}
