//! Graphs: walks over them, and vectors of their nodes.

use std::fmt::Write;

use crate::common::{Place, gzip};

/// Settings that learn a small graph quickly, and give the same model each time.
const SMALL: &str = "--dim 16 --epochs 3 --threads 1 --lr 0.05";

/// A place with `g.tsv`: two groups of eight nodes, `sea0` and `hill0` and so on, in which everyone
/// knows everyone, and an edge between the groups.
fn place() -> Place {
    let mut edges = String::from("sea0\thill0\n");
    for group in ["sea", "hill"] {
        for from in 0..8 {
            for to in 0..from {
                writeln!(edges, "{group}{from}\t{group}{to}").unwrap();
            }
        }
    }
    let place = Place::new();
    place.write("g.tsv", edges);
    place
}

#[test]
fn nodes_of_one_group_are_near_each_other() {
    let place = place();
    for method in ["deepwalk", "node2vec", "node2vec -p 4 -q 0.5 --plus", "deepwalk --rewalk"] {
        place
            .run(&format!("train {method} g.tsv --walks 10 --quiet -o m.safetensors {SMALL}"))
            .good();
        for group in ["sea", "hill"] {
            let answer = place.run(&format!("similar m.safetensors {group}3 -k 7 --json")).json();
            let near = answer["neighbours"].as_array().unwrap();
            let names: Vec<&str> = near.iter().map(|near| near["word"].as_str().unwrap()).collect();
            assert!(names.iter().all(|name| name.starts_with(group)), "{method}: {names:?}");
        }
    }
    // The last of them walked anew for each of three epochs.
    let info = place.run("info m.safetensors --json").json();
    assert_eq!(info["provenance"]["corpus"]["sentences"], 3 * 10 * 16);
    assert_eq!(info["provenance"]["settings"]["epochs"], 1);
}

#[test]
fn walks_are_the_same_for_any_number_of_threads_and_in_both_forms() {
    let place = place();
    place.write("g.tsv.gz", gzip(place.read("g.tsv")));
    place.run("walk g.tsv -o one.corpus --threads 1 -p 0.5 -q 2 --quiet").good();
    for line in ["g.tsv --threads 2", "g.tsv --threads 4", "g.tsv.gz"] {
        place.run(&format!("walk {line} -o more.corpus -p 0.5 -q 2 --quiet")).good();
        assert_eq!(place.read("more.corpus"), place.read("one.corpus"), "{line}");
    }
    place.run("walk g.tsv -o other.corpus -p 0.5 -q 2 --quiet --seed 2").good();
    assert_ne!(place.read("other.corpus"), place.read("one.corpus"));

    let facts = place.run("walk g.tsv -o w.txt --walks 3 --length 20 -p 0.5 -q 2 --json").json();
    let expected = [("nodes", 16), ("edges", 57), ("walks", 48), ("steps", 960)];
    for (name, number) in expected {
        assert_eq!(facts[name], number, "{name}");
    }
    let text = place.text("w.txt");
    assert!(text.lines().count() == 48);
    assert!(text.lines().all(|walk| walk.split(' ').count() == 20));
    let graph = place.text("g.tsv");
    for walk in text.lines().map(|walk| walk.split(' ').collect::<Vec<_>>()) {
        for step in walk.windows(2) {
            let edge = |from: &str, to: &str| graph.contains(&format!("{from}\t{to}\n"));
            assert!(edge(step[0], step[1]) || edge(step[1], step[0]), "{step:?}");
        }
    }
}

#[test]
fn training_on_a_graph_is_training_on_its_walks() {
    let place = place();
    place
        .run(&format!("train node2vec g.tsv --walks 10 --quiet -o m.safetensors {SMALL} --seed 3"))
        .good();
    place.run("walk g.tsv -o w.corpus -p 0.25 -q 0.25 --seed 3 --quiet").good();
    let settings = format!("{SMALL} --seed 3 --window 10 --subsample 0");
    place.run(&format!("train skip-gram w.corpus -q -o w.safetensors {settings}")).good();
    assert_eq!(place.vectors("m.safetensors"), place.vectors("w.safetensors"));
    // A model knows the graph and the walks.
    place.run("train --recipe m.safetensors -q -o again.safetensors").good();
    assert_eq!(place.vectors("m.safetensors"), place.vectors("again.safetensors"));
    let update = "train --update m.safetensors g.tsv -q -o u.safetensors";
    place.run(update).breaks_off(&["g.tsv: is a graph: no model is updated by one"]);
    place.write("h.csv", "x,y\ny,z\nz,x\n");
    place.run("train --recipe m.safetensors h.csv -q -o h.safetensors").good();
    assert!(place.vectors("h.safetensors").starts_with("3 16\n"));
}

#[test]
fn what_is_wrong_with_a_graph_is_said_in_a_line() {
    let place = place();
    place.write("bad.tsv", "a\tb\t1\nb\tc\t-2\n");
    place.write("loops.txt", "a a\n");
    place.fails("walk bad.tsv -o w.corpus", &["bad.tsv: line 2: -2 is a negative weight"]);
    place.fails("train deepwalk loops.txt -o m.safetensors", &["loops.txt: no edge between"]);
    place.fails("walk missing.tsv -o w.corpus", &["missing.tsv"]);
    place.fails("walk g.tsv -o g.tsv", &["g.tsv: is an input too"]);
    place.fails("walk g.tsv -o w.corpus -p 0", &["--p must be from"]);
    place.fails("walk g.tsv -o w.corpus --length 0", &["--length must be at least 1"]);
    let ran = place.run("walk bad.tsv -o w.txt --unweighted --walks 1 --length 2").good();
    assert!(ran.err.contains("3 nodes, 2 edges"), "{}", ran.err);
}

#[test]
fn a_graph_that_was_kept_is_the_same_graph() {
    let place = place();
    let facts = place.run("walk g.tsv -o kept.graph --json").json();
    assert_eq!((&facts["nodes"], &facts["edges"]), (&16.into(), &57.into()));
    for options in ["", "-p 0.5 -q 2", "--hold-out 0.1"] {
        place.run(&format!("walk g.tsv -o one.corpus --quiet {options}")).good();
        place.run(&format!("walk kept.graph -o other.corpus --quiet {options}")).good();
        assert_eq!(place.read("one.corpus"), place.read("other.corpus"), "{options}");
    }
    place.fails("walk kept.graph -o x.corpus --directed", &["leave --directed out"]);
    place.run(&format!("train deepwalk g.tsv --quiet -o m.safetensors {SMALL}")).good();
    place.fails(
        "walk m.safetensors -o x.corpus",
        &["m.safetensors: is a safetensors file, but no graph"],
    );
}

#[test]
fn edges_that_were_held_out_are_asked_for() {
    let place = place();
    place
        .run(&format!("train deepwalk g.tsv -o m.safetensors --hold-out 0.1 --quiet {SMALL}"))
        .good();
    let facts = place.run("walk g.tsv -o w.txt --hold-out 0.1 --json").json();
    assert_eq!((&facts["edges"], &facts["nodes"]), (&52.into(), &16.into()));
    let report = place.run("eval m.safetensors --links g.tsv --json --draws 500").json();
    assert_eq!((&report["edges"], &report["hold_out"]), (&5.into(), &0.1.into()));
    let names: Vec<&str> = report["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["method"].as_str().unwrap())
        .collect();
    let expected = [
        "Hadamard",
        "mean",
        "L1",
        "L2",
        "dot",
        "cosine",
        "common neighbours",
        "Adamic-Adar",
        "preferential attachment",
    ];
    assert_eq!(names, expected);
    // Groups in which everyone knows everyone: edges are within them, and other pairs are not.
    for at in [5, 6, 7] {
        assert!(report["methods"][at]["auc"]["score"].as_f64().unwrap() > 0.9, "{report}");
    }
    assert_eq!(report["methods"][0]["better"].as_array().unwrap().len(), 3);
    let run = place.run("eval m.safetensors --links g.tsv --draws 500").good();
    assert!(run.out.contains("counting neighbours") && run.out.contains("(by AUC)"), "{}", run.out);

    place.run(&format!("train deepwalk g.tsv -o all.safetensors --quiet {SMALL}")).good();
    let run = place.run("eval all.safetensors --links g.tsv");
    run.breaks_off(&["nothing was held out of the graph: train with --hold-out 0.1"]);
    assert!(run.err.contains("all.safetensors may have learnt the edges"), "{}", run.err);
    place.run("eval all.safetensors --links g.tsv --share 0.1 --draws 500").good();
    let both = "eval m.safetensors all.safetensors --links g.tsv";
    place.fails(both, &["the models were trained on different edges"]);
    place.fails(
        "train deepwalk g.tsv -o x.safetensors --hold-out 1",
        &["--hold-out must be from 0"],
    );
    place.fails("train deepwalk g.tsv -o x.safetensors --hold-out 0.9", &["can't be had: only"]);
    place.write("labels.tsv", "sea0\twet\n");
    place.fails("eval m.safetensors labels.tsv --links g.tsv", &["labels.tsv: is no model"]);
}

#[test]
fn labels_are_told_by_shares_of_the_nodes() {
    let place = place();
    place.run(&format!("train deepwalk g.tsv -o m.safetensors --quiet {SMALL}")).good();
    let mut labels = String::new();
    for at in 0..8 {
        let far = if at < 4 { ",low" } else { "" };
        writeln!(labels, "sea{at}\twet{far}\nhill{at}\tdry").unwrap();
    }
    place.write("labels.tsv", labels);
    let line = "eval m.safetensors labels.tsv --shares 0.5,0.8 --shuffles 4 --draws 200";
    let report = place.run(&format!("{line} --json")).json();
    let scores = &report["models"][0]["shares"][0]["scores"];
    assert_eq!((&scores[0]["learnt"], &scores[1]["asked"]), (&8.into(), &4.into()));
    for at in [0, 1] {
        let number = &scores[at]["number_known"];
        assert!(number["micro"][0].as_f64().unwrap() > 0.8, "{scores}");
        assert!(scores[at]["threshold"]["micro"][0].as_f64().unwrap() > 0.6, "{scores}");
    }
    let run = place.run(line).good();
    assert!(run.out.contains("labels: labels by shares of the items, 4 shuffles"), "{}", run.out);
    place.misuses("eval m.safetensors labels.tsv --shares 1.5", &["give a share between 0 and 1"]);
}
