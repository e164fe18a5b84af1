//! Documents: how they and their tags are found, what is learnt of them, and vectors for new ones.

use std::fmt::Write;

use serde_json::Value;

use crate::common::{Place, gzip, topics};

/// Settings that learn a few hundred short documents.
const SMALL: &str = "--dim 16 --min-count 1 --subsample 0 --threads 1 --lr 0.05";

/// The documents of two topics, twenty words each, and their names, `sea0`, `hill1`...
fn documents(count: usize) -> Vec<(String, String)> {
    let text = topics::text(2 * count, 10);
    let lines: Vec<&str> = text.lines().collect();
    let document = |i: usize| {
        // Sentences of the two topics take turns.
        let (topic, at) = (i % 2, i / 2 * 4 + i % 2);
        (format!("{}-{i}", ["sea", "hill"][topic]), format!("{} {}", lines[at], lines[at + 2]))
    };
    (0..count).map(document).collect()
}

/// A place with `d.tsv`: the documents of the first topic, then those of the second.
fn place() -> Place {
    let place = Place::new();
    let mut all = documents(300);
    all.sort_by_key(|(name, _)| name.starts_with("hill"));
    let line = |(name, text): &(String, String)| format!("{name}\t{text}\n");
    let tsv: String = all.iter().map(line).collect();
    place.write("d.tsv", tsv);
    place
}

/// The numbers of a line with a vector.
fn numbers(line: &str) -> Vec<f32> {
    line.split_whitespace().skip(1).map(|x| x.parse().unwrap()).collect()
}

/// The names of the neighbours in an answer.
fn near<'a>(answer: &'a Value, field: &str) -> Vec<&'a str> {
    let all = answer["neighbours"].as_array().unwrap();
    all.iter().map(|near| near[field].as_str().unwrap()).collect()
}

#[test]
fn documents_of_one_topic_are_near_each_other_and_their_words() {
    let place = place();
    // In PV-DM, words of one topic side by side tell the topic, and leave documents little to learn.
    let between = |(i, word): (usize, &str)| format!("{word} and{} ", i * 7 % 10);
    let apart = |line: &str| {
        let (name, text) = line.split_once('\t').unwrap();
        format!("{name}\t{}\n", text.split(' ').enumerate().map(between).collect::<String>())
    };
    place.write("apart.tsv", place.text("d.tsv").lines().map(apart).collect::<String>());
    for (method, file) in
        [("pv-dbow", "d.tsv"), ("pv-dbow --words", "d.tsv"), ("pv-dm", "apart.tsv")]
    {
        place.run(&format!("train {method} {file} -q -o m.safetensors {SMALL} --epochs 20")).good();
        for topic in ["sea", "hill"] {
            let names: Vec<String> = documents(300)
                .into_iter()
                .map(|(name, _)| name)
                .filter(|n| n.starts_with(topic))
                .collect();
            let right = |line: String| {
                let answer = place.run(&line).json();
                let near = near(&answer, "word");
                assert_eq!(near.len(), 10, "{line}");
                let right = near.iter().all(|name| name.starts_with(topic));
                assert!(right, "{method} {line}: {answer}");
            };
            right(format!("similar m.safetensors {topic}7 --tags --json"));
            right(format!("similar m.safetensors --tag {} --json", names[3]));
            right(format!("similar m.safetensors --tag {} --words --json", names[3]));
        }
        let info = place.run("info m.safetensors --json").json();
        assert_eq!(info["tags"], 300);
        place.run("convert m.safetensors tags.vec --tags").good();
        assert!(
            place.text("tags.vec").starts_with("300 16\nsea-0 "),
            "{method}: order of the file"
        );
        let vector = place.run("vector m.safetensors --tag sea-0").printed();
        let written = place.text("tags.vec");
        assert_eq!(numbers(&vector), numbers(written.lines().nth(1).unwrap()));
    }
    place.fails("similar m.safetensors --tag see-0", &["'see-0'", "sea-0"]);
    place.run("train skip-gram d.tsv -q -o w.safetensors --dim 4 --epochs 1").good();
    place.fails("similar w.safetensors --tag sea-0", &["w.safetensors", "no vectors of tags"]);
    place.fails("infer w.safetensors sea1", &["w.safetensors", "pv-dbow"]);
}

/// The names and vectors of the documents that `input` and `options` stand for.
fn tags(place: &Place, options: &str) -> Vec<String> {
    let line = format!("train pv-dbow {options} -q -o t.safetensors {SMALL} --epochs 1");
    let said = place.run(&line).good().err;
    place.run("convert t.safetensors t.vec --tags").good();
    let names =
        place.text("t.vec").lines().skip(1).map(|l| l.split(' ').next().unwrap().into()).collect();
    place.write("said", said);
    names
}

#[test]
fn documents_are_lines_files_or_records() {
    let place = Place::new();
    place.write("l.txt", "one two\nthree one\n\ntwo two");
    assert_eq!(tags(&place, "l.txt"), ["1", "2", "4"]);
    assert!(place.text("said").contains("1 document has no word"), "{}", place.text("said"));
    place.write("l.txt.gz", gzip("one two\nthree one\n"));
    assert_eq!(tags(&place, "l.txt.gz"), ["1", "2"]);
    assert_eq!(
        tags(&place, "l.txt l.txt.gz"),
        ["l.txt:1", "l.txt:2", "l.txt:4", "l.txt.gz:1", "l.txt.gz:2"]
    );
    place.write("f/a.txt", "one two\nthree");
    place.write("f/b.txt", "two\n\n");
    assert_eq!(tags(&place, "f"), ["f/a.txt", "f/b.txt"]);
    assert_eq!(tags(&place, "f/a.txt f/b.txt --documents files"), ["f/a.txt", "f/b.txt"]);
    place.write("labels", "__label__x one __label__y two\n__label__x three\none\n");
    assert_eq!(tags(&place, "labels --documents labels"), ["x", "y"]);
    assert!(place.text("said").contains("1 of 3 documents have no tag"));
    place.write("a.csv", "id,\"the text\",author\n7,\"one, \"\"two\"\"\nthree\",Ann\n8,two,Bob\n");
    let all = "a.csv --text-column 2 --header";
    assert_eq!(tags(&place, all), ["2", "4"]);
    assert_eq!(
        tags(&place, "a.csv --text-column 2 --header --tag-column id,author"),
        ["7", "Ann", "8", "Bob"]
    );
    place.write("s.csv", "id;text\n7;one\n8;two\n");
    assert_eq!(tags(&place, "s.csv --tag-column id --text-column text"), ["7", "8"]);
    place.write("j.jsonl", "{\"id\": 7, \"t\": \"one\", \"by\": [\"Ann\", \"Bob\"]}\n{\"id\": \"8\", \"t\": \"two\", \"by\": []}\n");
    assert_eq!(
        tags(&place, "j.jsonl --text-column t --tag-column id,by"),
        ["7", "Ann", "Bob", "8"]
    );
    // A tag is no word, and a word no tag.
    let info = place.run("info t.safetensors --json").json();
    assert_eq!(info["words"], 2);
    assert!(place.run("similar t.safetensors Ann").err.contains("unknown word"));
}

#[test]
fn what_cannot_be_used_is_named_and_counted() {
    let place = Place::new();
    place.write("d.tsv", "a\tone two\nb\nc\tthree one\na\ttwo\n");
    assert_eq!(tags(&place, "d.tsv"), ["a", "c"]);
    let said = place.text("said");
    assert!(said.contains("d.tsv:2: it has 1 columns, and so no column 2"), "{said}");
    assert!(
        said.contains("1 of 2 tags are of several documents") || !said.contains("several"),
        "{said}"
    );
    place.fails("train pv-dbow d.tsv -q -o x.vec --strict", &["d.tsv:2"]);
    place.write("w.tsv", "id\tkind\ttext\n1\tx\tone two\n");
    place.fails(
        "train pv-dbow w.tsv -q -o x.vec",
        &["w.tsv", "3 columns", "--text-column", "id, kind, text"],
    );
    place.fails(
        "train pv-dbow w.tsv -q -o x.vec --text-column body",
        &["no column 'body'", "id, kind, text"],
    );
    place.fails("train pv-dbow w.tsv -q -o x.vec --text-column 0", &["counted from 1"]);
    place.write("l.txt", "one two\n");
    place.fails(
        "train pv-dbow l.txt -q -o x.vec --documents lines --tag-column 1",
        &["has no columns"],
    );
    place.write("j.jsonl", "{\"t\": \"one two\"}\n[1]\n{\"u\": 1}\nnothing\n");
    place.fails("train pv-dbow j.jsonl -q -o x.vec", &["j.jsonl", "--text-column"]);
    assert_eq!(tags(&place, "j.jsonl --text-column t"), ["1"]);
    let said = place.text("said");
    for part in [
        "j.jsonl:2: no JSON object",
        "j.jsonl:3: no text, number or list 't'",
        "j.jsonl:4: no JSON",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let mut labels = String::new();
    (0..1001).for_each(|i| write!(labels, "__label__{i} ").unwrap());
    place.write("labels", labels + "one two\n");
    place.fails(
        "train pv-dbow labels --documents labels -q -o x.vec --min-count 1",
        &["labels:1", "1001 tags"],
    );
    place.fails("train pv-dm l.txt -q -o x.vec --words", &["--words", "PV-DBOW"]);
    place.fails("train pv-dbow l.txt -q -o x.vec --subwords 3..5", &["--subwords"]);
}

#[test]
fn a_thousand_tags_and_documents_of_one_word_are_learnt() {
    let place = Place::new();
    let line = |i: u32| format!("t{i}\tw{}\n", i % 7);
    let lines: String = (0..20_000).map(line).collect();
    place.write("d.tsv", lines);
    for method in ["pv-dbow", "pv-dm"] {
        place.run(&format!("train {method} d.tsv -q -o m.safetensors {SMALL} --epochs 2")).good();
        assert_eq!(place.run("info m.safetensors --json").json()["tags"], 20_000);
    }
    let label = |i: u32| format!("__label__{i} ");
    let labels: String = (0..1000).map(label).collect();
    place.write("labels", labels + "one two three\n");
    for method in ["pv-dbow", "pv-dm"] {
        let line = format!("train {method} labels --documents labels -q -o m.safetensors {SMALL}");
        place.run(&line).good();
        assert_eq!(place.run("info m.safetensors --json").json()["tags"], 1000);
    }
}

#[test]
fn the_same_text_has_the_same_vector_wherever_it_stands() {
    let place = place();
    for method in ["pv-dbow", "pv-dm"] {
        place.run(&format!("train {method} d.tsv -q -o m.safetensors {SMALL} --epochs 20")).good();
        let new =
            "sea1 sea2 sea3 sea4 sea5 unheard sea1 sea9 sea11 sea12 sea13 sea14 sea15 sea16 sea17";
        let alone = {
            let mut command = place.wordloom("infer m.safetensors --json");
            let ran = command.arg(new).output().unwrap();
            String::from_utf8(ran.stdout).unwrap()
        };
        let one: Value = serde_json::from_str(&alone).unwrap();
        let other = |i: u32| format!("hill{} sea{}\n", i % 20, i % 7);
        let others: String = (0..50).map(other).collect();
        for threads in [1, 2, 4] {
            let line = format!("infer m.safetensors -q --json --threads {threads}");
            let all = place.ask(&line, format!("{others}{new}\n{others}")).printed();
            assert_eq!(all.lines().count(), 101);
            let here: Value = serde_json::from_str(all.lines().nth(50).unwrap()).unwrap();
            assert_eq!(here["document"], "51");
            assert_eq!(here["vector"], one["vector"], "{method}, {threads} threads");
        }
        let near =
            place.ask("infer m.safetensors -q --similar 5 --json", format!("{new}\n")).json();
        let near = self::near(&near, "tag");
        let right = near.iter().filter(|tag| tag.starts_with("sea")).count();
        assert!(right >= if method == "pv-dm" { 3 } else { 5 }, "{method}: {near:?}");
        // A file of vectors, by name.
        place.write("new.tsv", format!("x\t{new}\ny\tnothing known\nz\thill1 hill2\n"));
        let ran = place.run("infer m.safetensors --input new.tsv -q -o new.vec").good();
        assert!(
            ran.err.contains("no word of the vocabulary") && ran.err.contains(": y"),
            "{}",
            ran.err
        );
        let written = place.text("new.vec");
        let numbers: Vec<f64> =
            one["vector"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let line = written.lines().nth(1).unwrap();
        let read: Vec<f64> = line.split(' ').skip(1).map(|x| x.parse().unwrap()).collect();
        assert!(line.starts_with("x ") && read == numbers, "{written}");
        let ran = place.run("infer m.safetensors nothing");
        assert!(ran.code == Some(1) && ran.err.contains("document 1: no word"), "{}", ran.err);
    }
}

#[test]
fn a_training_of_documents_is_told_planned_repeated_and_resumed() {
    let place = place();
    let plan = place.run("train pv-dbow d.tsv --dry-run").printed();
    assert!(plan.contains("tags        300") && plan.contains("300 documents"), "{plan}");
    place.run(&format!("train pv-dm d.tsv --tag-column 1 -q -o m.safetensors {SMALL}")).good();
    place.run("train --recipe m.safetensors -q -o again.safetensors").good();
    assert_eq!(place.vectors("m.safetensors"), place.vectors("again.safetensors"));
    let update = "train --update m.safetensors d.tsv -q -o u.safetensors";
    place.fails(update, &["m.safetensors", "wordloom infer"]);
    // Vectors to begin with, of words and of tags.
    let init = "train pv-dm d.tsv -q -o i.safetensors --init m.safetensors --lr 1e-9";
    place.run(&format!("{init} --dim 16 --epochs 1 --min-count 1 --rows f32")).good();
    for tags in ["", "--tags"] {
        let vectors = |model: &str| {
            place.run(&format!("convert {model} v.vec {tags}")).good();
            let text = place.text("v.vec");
            let numbers = text.split_whitespace().filter_map(|x| x.parse::<f64>().ok());
            numbers.collect::<Vec<f64>>()
        };
        let (a, b) = (vectors("m.safetensors"), vectors("i.safetensors"));
        assert!(
            a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4),
            "{tags}"
        );
    }
}

/// Labels by the topics of documents, and graded pairs: alike within a topic.
fn questions(place: &Place) {
    let documents = documents(300);
    let topic = |name: &str| name.split('-').next().unwrap().to_string();
    let mut labels = String::new();
    for (name, _) in &documents {
        writeln!(labels, "{name}\t{}", topic(name)).unwrap();
    }
    place.write("topics.tsv", labels);
    let mut pairs = String::new();
    for i in 0..120 {
        let [a, b] = [i, (i * 7 + i / 2 + 1) % 300].map(|at| &documents[at].0);
        let grade = if topic(a) == topic(b) { 8 + i % 3 } else { i % 3 };
        writeln!(pairs, "{a}\t{b}\t{grade}").unwrap();
    }
    place.write("pairs.tsv", pairs);
}

#[test]
fn documents_are_scored_by_labels_and_by_graded_pairs() {
    let place = place();
    questions(&place);
    place.run(&format!("train pv-dbow d.tsv -q -o m.safetensors {SMALL} --epochs 20")).good();
    let line = "eval m.safetensors topics.tsv pairs.tsv --draws 200 --json";
    let report = place.run(line).json();
    let sets = report["models"][0]["sets"].as_array().unwrap().clone();
    assert_eq!(sets[0]["kind"], "labels");
    assert_eq!(sets[0]["read_as"], "2 labels, one for each name");
    assert_eq!(sets[0]["known"], 300);
    let score = |set: &Value, measure: &str| {
        let scores = set["scores"].as_array().unwrap();
        let found = scores.iter().find(|score| score["measure"] == measure).unwrap();
        found["score"].as_f64().unwrap()
    };
    assert!(score(&sets[0], "micro F1") > 0.97, "{report}");
    assert!((score(&sets[0], "micro F1") + score(&sets[0], "error") - 1.0).abs() < 1e-6);
    assert_eq!(sets[1]["kind"], "similarity");
    assert!(score(&sets[1], "Spearman") > 0.6, "{report}");
    // Names that the model lacks are counted, and by wish they are wrong answers.
    let labels = place.text("topics.tsv").replace("sea-0\t", "see-0\t");
    place.write("topics.tsv", labels);
    let known = place.run("eval m.safetensors topics.tsv --draws 200 --json").json();
    assert_eq!(known["models"][0]["sets"][0]["used"], 299);
    let zero = place.run("eval m.safetensors topics.tsv --unknown zero --draws 200 --json").json();
    let zero = &zero["models"][0]["sets"][0];
    assert_eq!((zero["used"].as_u64(), zero["known"].as_u64()), (Some(300), Some(299)));
    assert!(score(zero, "error") > 0.003, "{zero}");
    // Words have labels too, and several.
    let mut words = String::new();
    for i in 0..20 {
        writeln!(words, "sea{i}\twater,noun\nhill{i}\tland,noun").unwrap();
    }
    place.write("words.tsv", words);
    let words = place.run("eval m.safetensors words.tsv --draws 200 --json").json();
    let words = &words["models"][0]["sets"][0];
    assert!(words["read_as"].as_str().unwrap().contains("3 labels, apart by commas"), "{words}");
    assert!(score(words, "micro F1") > 0.9, "{words}");
}

#[test]
fn methods_for_documents_are_compared_beside_counts_and_means() {
    let place = place();
    questions(&place);
    let line = "compare d.tsv --methods pv-dbow --sets topics.tsv --sets pairs.tsv --runs 2 --epochs 5 \
                --dim 8 --threads 1 --no-curves --draws 200 --min-count 1 --cache cache";
    let report = place.run(&format!("{line} --json --report page.html")).json();
    assert_eq!((report["of"].as_str(), report["words"].as_u64()), (Some("documents"), Some(300)));
    let methods: Vec<&str> =
        report["methods"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(methods, ["pv-dbow", "sif", "tfidf"]);
    for set in report["sets"].as_array().unwrap() {
        assert_eq!(set["differences"].as_array().unwrap().len(), 3, "{set}");
        let scores = set["measures"][0]["methods"].as_array().unwrap();
        // Documents of two topics share most words of their topic.
        assert!(scores[2]["mean"].as_f64().unwrap() > 0.6, "{set}");
        assert_eq!(scores[2]["runs"].as_array().unwrap().len(), 1);
    }
    assert_eq!(report["neighbours"]["bands"][0]["overlap"].as_array().unwrap().len(), 2);
    let page = place.text("page.html");
    assert!(page.contains("\"tfidf\"") && page.contains("sea-0"), "the page has all");
    let said = place.run(line).printed();
    assert!(said.contains("300 documents, the same for all"), "{said}");
    assert!(said.contains("pv-dbow - tfidf"), "{said}");
    place.fails(
        "compare d.tsv --methods pv-dbow,cbow --sets topics.tsv",
        &["cbow gives vectors of words"],
    );
    place.fails(
        "compare d.tsv --methods cbow --tag-column 1 --sets topics.tsv",
        &["options for documents"],
    );
    place.write("words.tsv", "sea1\tsea2\t9\nsea3\thill4\t1\nhill5\tsea6\t0\n");
    let of_words = line.replace("topics.tsv", "words.tsv").replace("--sets pairs.tsv", "");
    place.run(&of_words).breaks_off(&["no set is about the documents", "'sea-0'"]);
}
