//! `wordloom train`: checkpoints, going on, scores on the way, metrics, more text.

use std::fs;

use serde_json::Value;

#[cfg(unix)]
use crate::common::Ran;
use crate::common::{Place, QUICK, topics};

/// Settings by which a training takes long enough to be interrupted.
#[cfg(unix)]
const LONG: &str = "--dim 50 --epochs 60 --subsample 0 --negative 20 --threads 2";

/// Interrupts a training after its first epoch.
#[cfg(unix)]
fn interrupt(place: &Place, line: &str) {
    place.interrupted(line, "epoch 1 of", "the same command again goes on from", || ());
}

#[cfg(unix)]
#[test]
fn the_same_command_goes_on_after_an_interruption() {
    let place = Place::with_text(6000);
    for method in ["skip-gram", "glove"] {
        let epochs = if method == "glove" { "--epochs 4000 --dim 20" } else { LONG };
        let train = |name: &str| {
            format!("train {method} text.txt -o {name}.safetensors --reproducible {epochs}")
        };
        place.run(&train("whole")).good();
        if place.has("m.safetensors") {
            fs::remove_file(place.path("m.safetensors")).unwrap();
        }
        interrupt(&place, &train("m"));
        assert!(place.has("m.safetensors.checkpoint") && !place.has("m.safetensors"));
        place.fails("info m.safetensors.checkpoint", &["a checkpoint, not a model"]);
        let ran = place.run(&train("m")).good();
        assert!(ran.err.contains("training goes on from its checkpoint"), "{}", ran.err);
        assert!(!ran.err.contains("epoch 1 of"), "{}", ran.err);
        assert!(place.read("m.safetensors") == place.read("whole.safetensors"), "{method}");
        assert!(!place.has("m.safetensors.checkpoint"));
    }
}

#[cfg(unix)]
#[test]
fn another_command_is_refused_and_restart_begins_anew() {
    let place = Place::with_text(6000);
    let line = format!("train skip-gram text.txt -o m.safetensors {LONG}");
    interrupt(&place, &line);
    let kept = place.read("m.safetensors.checkpoint");
    let refused = |line: &str, says: &str| {
        place.run(line).breaks_off(&[says, "m.safetensors.checkpoint", "--restart"]);
        assert!(place.read("m.safetensors.checkpoint") == kept && !place.has("m.safetensors"));
    };
    refused(&format!("{line} --seed 2"), "its --seed is 1, not 2");
    refused(&line.replace("skip-gram", "cbow"), "its method is skip-gram, not cbow");
    place.write("text.txt", topics::text(5000, 10));
    refused(&line, "another text");
    let quick = line.replace("--epochs 60", "--epochs 1");
    let ran = place.run(&format!("{quick} --restart")).good();
    assert!(!ran.err.contains("goes on") && place.has("m.safetensors"));
    assert!(!place.has("m.safetensors.checkpoint"));
}

/// A limit on the size of files, which the model keeps and checkpoints do not, stands in for a full
/// disk.
#[cfg(unix)]
#[test]
fn a_disk_without_room_for_a_checkpoint_does_not_end_a_training() {
    let place = Place::with_text(2000);
    place.run("train cbow text.txt -q -o m.bin --epochs 1").good();
    let line = "train cbow text.txt -o m.bin --epochs 4 --rows f32 --checkpoint 1-epoch";
    let script =
        format!("trap '' XFSZ; ulimit -f 48; exec {} {line}", env!("CARGO_BIN_EXE_wordloom"));
    let output = place.command("sh").args(["-c", &script]).output().unwrap();
    let ran = Ran::of(line, output).good();
    assert_eq!(ran.err.matches("no new checkpoint").count(), 1, "{}", ran.err);
    assert!(ran.err.contains("there is none, and training goes on"), "{}", ran.err);
    assert!(ran.err.contains("epoch 4 of 4") && place.has("m.bin"));
    assert!(!place.has("m.bin.checkpoint"));
}

#[test]
fn checkpoints_are_in_the_plan() {
    let place = Place::with_text(500);
    let plan =
        |options: &str| place.run(&format!("train cbow text.txt --dry-run {options}")).printed();
    assert!(plan("").contains("every 10m, 17.9 kB in MODEL.checkpoint\n"), "{}", plan(""));
    let named = plan("-o m.bin --checkpoint 2-epochs --rows f32");
    assert!(named.contains("every 2-epochs, 35.8 kB in m.bin.checkpoint"), "{named}");
    assert!(plan("--checkpoint none").contains("none is kept"));
    let json = place.run("train glove text.txt --dry-run --json").json();
    assert_eq!((&json["checkpoint"], &json["bytes"]["checkpoint"]), (&"10m".into(), &71680.into()));
    place.misuses(
        "train cbow text.txt -o m --checkpoint 10",
        &["such as 90s, 30m, 1.5h or 2d, or none"],
    );
    place.misuses("train cbow text.txt -o m --time 5m --epochs 2", &["--epochs"]);
    place.misuses("train cbow text.txt -o m --patience 2", &["--watch"]);
    let timed = plan("--time 30m");
    assert!(timed.contains("as many as fit into 30m") && timed.contains("time 30m"), "{timed}");
}

#[test]
fn scores_and_metrics_are_taken_while_it_trains() {
    let place = Place::with_text(2000);
    place.write("set.txt", topics::graded());
    let line = "train skip-gram text.txt -o m.safetensors --watch set.txt --metrics m.jsonl";
    let quick = QUICK.replace("--epochs 2", "--epochs 3");
    let ran = place.run(&format!("{line} {quick}")).good();
    assert_eq!(ran.err.matches("scores: set ").count(), 3, "{}", ran.err);
    let lines: Vec<Value> =
        place.text("m.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() >= 6, "{lines:?}");
    let scores: Vec<f64> = lines.iter().filter_map(|l| l["scores"]["set"].as_f64()).collect();
    assert_eq!(scores.len(), 3);
    let rising = |name: &str| {
        let all: Vec<f64> = lines.iter().map(|line| line[name].as_f64().unwrap()).collect();
        assert!(all.is_sorted(), "{name} of {all:?}");
    };
    for name in ["time", "seconds", "epoch", "words"] {
        rising(name);
    }
    let last = &lines[lines.len() - 1];
    assert_eq!((&last["words"], &last["epoch"]), (&60_000.into(), &3.0.into()));
    assert!(last["lr"].as_f64().unwrap() < 0.001 && last["loss"].as_f64().unwrap() > 0.0);
    let info = place.run("info m.safetensors").printed();
    assert!(info.contains("scores    3 times in 3 epochs") && info.contains("highest"), "{info}");
    let curve = place.run("info m.safetensors --json").json()["provenance"]["curve"].clone();
    assert_eq!(curve["points"][2]["scores"][0].as_f64(), Some(scores[2]));
    // The score is the one that `eval` gives.
    let eval = place.run("eval m.safetensors set.txt --json").json();
    let end = eval["models"][0]["sets"][0]["scores"][0]["score"].as_f64().unwrap();
    assert!((end - scores[2]).abs() < 1e-5, "{end} {scores:?}");
    place.fails("train cbow text.txt -o x --watch text.txt", &["text.txt", "no set"]);
    place.fails("train cbow text.txt -o x --metrics none/m.jsonl", &["none/m.jsonl"]);
    assert!(!place.has("x"));
}

#[test]
fn patience_ends_a_training_that_no_longer_improves() {
    let place = Place::with_text(2000);
    place.write("set.txt", topics::graded());
    let line = "train cbow text.txt -o m.safetensors --watch set.txt --patience 2 --epochs 400";
    place.run(&format!("{line} --dim 10 --threads 1 --lr 0.2")).good();
    let curve = place.run("info m.safetensors --json").json()["provenance"]["curve"].clone();
    let points = curve["points"].as_array().unwrap();
    assert!(points.len() < 400);
    let best = curve["best"].as_u64().unwrap() as usize;
    assert_eq!(best, points.len() - 3, "two scores after the best");
    let eval = place.run("eval m.safetensors set.txt --json").json();
    let kept = eval["models"][0]["sets"][0]["scores"][0]["score"].as_f64().unwrap();
    assert!((kept - points[best]["scores"][0].as_f64().unwrap()).abs() < 1e-5);
    let left: Vec<_> = place.all_but_corpora().into_keys().collect();
    assert!(!left.iter().any(|path| path.display().to_string().contains("checkpoint")), "{left:?}");
}

/// A text whose words end in `mark`, except for the first word of each sentence.
fn marked(mark: &str) -> String {
    let line = |line: &str| line.replace(' ', &format!("{mark} ")) + mark + "\n";
    topics::text(1500, 10).lines().map(line).collect()
}

#[test]
fn a_model_learns_more_text() {
    let place = Place::with_text(1500);
    place.write("new.txt", marked("x") + &topics::text(300, 10));
    for method in ["skip-gram", "cbow --reproducible", "fasttext --buckets 1000", "glove"] {
        let settings = if method == "glove" { "--dim 10 --epochs 3" } else { QUICK };
        place.run(&format!("train {method} text.txt -q -o old.safetensors {settings}")).good();
        let line = "train --update old.safetensors new.txt -o new.safetensors";
        place.run(line).good();
        let info = place.run("info new.safetensors --json").json();
        assert_eq!(info["words"], 80, "{method}: forty old words and as many new ones");
        let history = &info["provenance"];
        assert_eq!(history["begun_from"]["words_in_common"], 40);
        assert_eq!(history["begun_from"]["model"], "old.safetensors");
        assert_eq!(history["text"]["inputs"], serde_json::json!(["new.txt"]));
        if method != "glove" {
            let [was, is] = ["old", "new"].map(|name| {
                let info = place.run(&format!("info {name}.safetensors --json")).json();
                info["provenance"]["settings"]["lr"].as_f64().unwrap()
            });
            assert!((was / 2.0 - is).abs() < 1e-6, "{was} {is}");
        }
        let said = place.run("info new.safetensors").printed();
        assert!(said.contains("begun     with old.safetensors (40 words): 40 in common"), "{said}");
        if method.contains("fasttext") {
            continue;
        }
        // Old words can be left as they are.
        place.run(&format!("{line} --freeze")).good();
        let vectors = |model: &str| {
            let mut lines: Vec<String> =
                place.vectors(model).lines().skip(1).map(String::from).collect();
            lines.retain(|line| !line.split(' ').next().unwrap().ends_with('x'));
            lines.sort();
            lines
        };
        assert_eq!(vectors("new.safetensors"), vectors("old.safetensors"), "{method}");
    }
    place.run("train --update new.safetensors new.txt -q -o third.safetensors").good();
    place.run("convert old.safetensors old.vec").good();
    place.fails("train --update old.vec new.txt -o x", &["old.vec can't be updated", "--init"]);
    place.misuses("train --update old.safetensors -o x", &["INPUT"]);
    place.write("other.txt", "un deux trois ".repeat(100));
    place.run("train --update old.safetensors other.txt -o x").breaks_off(&["another language"]);
    // Vectors of any format are a beginning.
    let quick = "--dim 10 --epochs 2 --threads 1";
    let ran =
        place.run(&format!("train cbow new.txt -o c.safetensors --init old.vec {quick}")).good();
    assert!(ran.err.contains("begins with old.vec, which has 40 of the 80 words"), "{}", ran.err);
    place
        .run(&format!("train cbow other.txt -o x --init old.vec {quick}"))
        .breaks_off(&["no word"]);
    let info = place.run("info c.safetensors --json").json();
    assert_eq!(info["provenance"]["begun_from"]["words_in_common"], 40);
    place.fails("train cbow new.txt -o x --init old.vec", &["give --dim 10"]);
    place.fails("train cbow new.txt -o x --freeze", &["--freeze", "--init"]);
    assert!(!fs::exists(place.path("x")).unwrap());
}
