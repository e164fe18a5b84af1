//! Evaluation and comparison, as commands and against other programs.
//!
//! This file is over 300 lines because each figure has a test of its own against another program.
#![allow(missing_docs, clippy::float_cmp)]

#[expect(dead_code, reason = "this file uses a part of it")]
mod common;
mod python;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use wordloom::eval::{Policy, Set, SetOptions, Unknown};
use wordloom::{Embeddings, Provenance, Vocab, format};

use self::common::{Place, Ran, topics};

/// A training that takes no time.
const QUICK: &str = "--dim 10 --epochs 4 --threads 1 --draws 200";

/// A place with the text of two topics, and with a set of similarities about them.
fn with_topics(sentences: usize) -> Place {
    let place = Place::with_text(sentences);
    place.write("sets/topics.tsv", topics::graded());
    place
}

/// A place with the embedded text, and with analogies and similarities about it.
fn with_sample(analogies: &str, similarities: &str) -> Place {
    let place = Place::new();
    place.run("demo --text .").good();
    let texts = ["sets/analogies.txt", "sets/similarity.tsv"].map(|name| place.read(name));
    fs::remove_dir_all(place.path("sets")).unwrap();
    for (name, text) in [analogies, similarities].into_iter().zip(texts) {
        place.write(name, text);
    }
    place
}

/// Pearson's correlation by its definition.
fn pearson(items: &[(f64, f64)]) -> f64 {
    let n = items.len() as f64;
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| items.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(&|item| item.0), mean(&|item| item.1));
    let moment = |of: &dyn Fn(f64, f64) -> f64| mean(&|item| of(item.0 - x, item.1 - y));
    moment(&|x, y| x * y) / (moment(&|x, _| x * x) * moment(&|_, y| y * y)).sqrt()
}

/// The first set of the first model.
fn set(ran: Ran) -> Value {
    ran.json()["models"][0]["sets"][0].clone()
}

fn score(set: &Value, measure: &str) -> f64 {
    let scores = set["scores"].as_array().unwrap();
    scores.iter().find(|score| score["measure"] == measure).unwrap()["score"].as_f64().unwrap()
}

// Sets

#[test]
fn similarity_is_read_whatever_stands_between_words() {
    let place = Place::with_royals();
    let sets = [
        "bread\tcheese\t9\nman\tking\t5.5\nMAN\tqueen\t1\n",
        "\u{feff}word1,word2,score\n\n\"bread\", cheese, 9\nMan,king,5.5,12\nman,queen,1\n",
        "# a comment\nWord1  Word2  Grade\r\nbread cheese 9\r\nman  King 5.5 x\r\nman queen 1e0\r\n",
        "bread\tcheese\tN\t9\nman\tking\tN\t5.5\nman\tqueen\tN\t1\n",
    ];
    for text in sets {
        place.write("set.txt", text);
        let set = set(place.run("eval m.vec set.txt --json --draws 100"));
        assert_eq!(
            (set["kind"].as_str(), set["used"].as_u64()),
            (Some("similarity"), Some(3)),
            "{text}"
        );
        assert_eq!(score(&set, "Spearman"), 1.0, "{text}");
    }
}

#[test]
fn unknown_words_are_left_out_or_count_as_zero() {
    let place = Place::with_royals();
    place.write("set.txt", "man king 9\nbread cheese 8\nbread queen 1\nking unicorn 10\n");
    let skipped = set(place.run("eval m.vec set.txt --json --draws 100"));
    assert_eq!([&skipped["items"], &skipped["known"], &skipped["used"]], [4, 3, 3]);
    assert_eq!(score(&skipped, "Spearman"), 0.5);
    let zero = set(place.run("eval m.vec set.txt --json --draws 100 --unknown zero"));
    assert_eq!([&zero["items"], &zero["known"], &zero["used"]], [4, 3, 4]);
    assert!(score(&zero, "Spearman") < 0.0);
    let restricted = set(place.run("eval m.vec set.txt --json --draws 100 --restrict 3"));
    assert_eq!(restricted["known"], 1, "man and king are among the first three");
    let text = place.run("eval m.vec set.txt --draws 100 --unknown zero --restrict 3").printed();
    assert!(text.contains("count as a cosine of 0 or a wrong answer"), "{text}");
    assert!(text.contains("Only the 3 first words"), "{text}");
}

#[test]
fn words_are_composed_from_ngrams_where_the_model_has_them() {
    let place = with_topics(600);
    place
        .run("train fasttext text.txt -o m.safetensors --dim 10 --threads 1 --buckets 1000")
        .printed();
    let text = place.text("text.txt");
    let word = text.split_whitespace().next().unwrap();
    place.write("set.txt", format!("{word} {word}s 9\n{word}s {word}ed 5\n{word} \u{4e00} 1\n"));
    let report = set(place.run("eval m.safetensors set.txt --json --draws 100"));
    let counts = |set: &Value| {
        ["items", "known", "composed", "used"].map(|name| set[name].as_u64().unwrap())
    };
    let all = counts(&report);
    assert!(all[0] == 3 && all[1] >= 2 && all[2] == all[1] && all[3] == all[1], "{report}");
    let told = place.run("eval m.safetensors set.txt --draws 100").printed();
    assert!(told.contains("by n-grams"), "{told}");
    let skip = place.run("eval m.safetensors set.txt --draws 100 --unknown skip");
    assert_eq!(skip.code, Some(1), "no item is used");
    assert!(skip.err.contains("set: no item can be used"), "{}", skip.err);
    // A comparison asks all for the same, and tells what is composed apart.
    place.run("train skip-gram text.txt -o n.safetensors --dim 10 --threads 1").printed();
    place.write("sets/s.txt", format!("{word} {word}s 9\n{word} {word} 5\n"));
    let compared = compared(&place, "m.safetensors n.safetensors");
    assert_eq!(
        (&compared["sets"][0]["used"], &compared["sets"][0]["known"]),
        (&json!(1), &json!([1, 1]))
    );
    let composed = &compared["sets"][0]["composed"];
    assert_eq!(
        (&composed[0]["method"], &composed[0]["composed"], composed[1].is_null()),
        (&json!(0), &json!(1), true)
    );
    let told = place.run("compare m.safetensors n.safetensors --sets sets --draws 100").printed();
    assert!(told.contains("With vectors for unseen words"), "{told}");
}

#[test]
fn analogies_have_sections_averages_and_a_baseline() {
    let place = Place::with_royals();
    let text = "// a comment\n: royal\nman king woman queen\nMan King Woman QUEEN\n\n: young\nman boy woman girl\n\
        man boy woman queen\nman boy woman unicorn\n: food\nbread cheese king cheese\n: none\nx y z w\n";
    place.write("q.txt", text);
    let set = set(place.run("eval m.vec q.txt --json --draws 100"));
    assert_eq!([&set["items"], &set["known"]], [7, 5]);
    assert_eq!(score(&set, "3CosAdd"), 3.0 / 5.0);
    assert_eq!(score(&set, "3CosMul"), 3.0 / 5.0);
    // Sections without a question that can be asked are none.
    assert!((score(&set, "3CosAdd macro") - (1.0 + 0.5 + 0.0) / 3.0).abs() < 1e-6);
    // The nearest of woman but man, king or boy is queen, before girl, which is as near.
    assert_eq!(score(&set, "nearest to C"), 3.0 / 5.0);
    let royal =
        json!({ "name": "royal", "total": 2, "known": 2, "add": 2, "mul": 2, "nearest": 2 });
    assert_eq!(set["sections"][0], royal);
    assert_eq!(set["sections"].as_array().unwrap().len(), 4);
    // With an unknown word a question is wrong.
    let zero = self::set(place.run("eval m.vec q.txt --json --draws 100 --unknown zero"));
    assert!((score(&zero, "3CosAdd") - 3.0 / 7.0).abs() < 1e-6);
}

#[test]
fn a_folder_of_pairs_is_a_set_with_a_section_for_each_file() {
    let place = Place::with_royals();
    place.write(
        "bats/D/D01 [male - female].txt",
        "man\twoman\nking\tunicorn/queen\nboy\tgirl/lass\n",
    );
    place.write("bats/D/D02 [plain - royal].txt", "man king\nwoman queen\n");
    place.write("bats/readme.md", "no set");
    let set = set(place.run("eval m.vec bats --json --draws 100"));
    assert_eq!((&set["name"], &set["items"], &set["known"]), (&json!("D"), &json!(8), &json!(8)));
    assert_eq!(set["sections"][0]["name"], "D01 [male - female]");
    assert_eq!(set["sections"][0]["add"], 6);
    assert_eq!(score(&set, "3CosAdd"), 1.0);
    // A name with spaces cannot be part of a line of arguments.
    let mut alone = place.wordloom("eval m.vec --json --draws 100");
    let alone = Ran::of("eval", alone.arg("bats/D/D02 [plain - royal].txt").output().unwrap());
    assert_eq!(self::set(alone)["name"], "D02 [plain - royal]");
}

#[test]
fn sentences_are_means_of_words() {
    let place = Place::with_royals();
    let graded = [
        (5.0, "A man, a king.", "The king"),
        (3.0, "the boy", "man and bread"),
        (0.0, "cheese!", "boy boy"),
    ];
    let lines = |line: &dyn Fn(f64, &str, &str) -> String| -> String {
        graded.iter().map(|(grade, a, b)| line(*grade, a, b)).collect()
    };
    let mut found = Vec::new();
    for text in [
        lines(&|grade, a, b| format!("{grade}\t{a}\t{b}\n")),
        lines(&|grade, a, b| format!("{a}\t{b}\t{grade}\n")),
        "sentence1,sentence2,score\n".to_string()
            + &lines(&|grade, a, b| format!("\"{a}\",\"{b}\",{grade}\n")),
    ] {
        place.write("sts.csv", &text);
        let set = set(place.run("eval m.vec sts.csv --json --draws 100"));
        assert_eq!(
            (set["kind"].as_str(), set["used"].as_u64()),
            (Some("sentences"), Some(3)),
            "{text}"
        );
        found.push(set["scores"].clone());
        // The means: man + king, king; boy, man + bread; cheese, boy.
        let cosines = [3.0 / 10f64.sqrt(), 0.5, 0.0];
        let expected = pearson(&[(5.0, cosines[0]), (3.0, cosines[1]), (0.0, cosines[2])]);
        assert!((score(&set, "mean, Pearson") - expected).abs() < 1e-5, "{expected} {set}");
        assert_eq!(score(&set, "mean, Spearman"), 1.0);
    }
    assert!(found.iter().all(|scores| *scores == found[0]));
    place.write("sts.csv", "5\tno word\tof these\n4\ta man\ta king\n1\tthe boy\tsome bread\n");
    let set = set(place.run("eval m.vec sts.csv --json --draws 100"));
    assert_eq!([&set["items"], &set["known"]], [3, 2]);
}

#[test]
fn weighted_sentences_leave_out_what_all_have_in_common() {
    // Every word shares a large first number, which alone makes all sentences alike.
    let place = Place::new();
    place.write("m.vec", "5 3\nthe 9 0 0\nsun 9 1 0\nstar 9 1 0.1\nrain 9 0 1\nsnow 9 0.1 1\n");
    place.write(
        "sts.txt",
        "5\tthe sun\tthe star\n4\train the\tthe snow\n1\tthe sun\tthe rain\n0\tstar the\tsnow the\n",
    );
    let set = set(place.run("eval m.vec sts.txt --json --draws 100"));
    assert!(score(&set, "SIF, Pearson") > 0.95, "{set}");
}

#[test]
fn bad_sets_and_models_are_told_in_a_line() {
    let place = Place::with_royals();
    place.write("good.txt", "man king 5\nman queen 1\n");
    place.write("empty.txt", "# nothing\n\n");
    place.write("word.txt", "man king 5\nman queen high\n");
    place.write("three.txt", ": a\nman king woman queen\nman king woman\n");
    place.write("prose.txt", "This is a text, and it is not a set of questions at all.\n");
    place.write("bytes.txt", b"man king 5\n\xff\xfe 3\n");
    place.write("lonely.txt", "man woman\n");
    fs::create_dir(place.path("nothing")).unwrap();
    place.write("nosets/a.md", "no");
    let cases = [
        ("m.vec empty.txt", vec!["empty.txt", "no set of questions"]),
        (
            "m.vec word.txt --strict",
            vec!["word.txt", "line 2: no number in column 3: 'man queen high'"],
        ),
        ("m.vec three.txt --strict", vec!["three.txt", "line 3", "four words"]),
        ("m.vec prose.txt", vec!["prose.txt"]),
        ("m.vec bytes.txt", vec!["bytes.txt", "UTF-8", "byte 11"]),
        ("m.vec lonely.txt", vec!["lonely.txt", "1 pairs of words"]),
        ("m.vec nothing", vec!["nothing", "no file"]),
        ("m.vec nosets", vec!["nosets", "no .txt"]),
        ("m.vec missing.txt", vec!["missing.txt"]),
        ("missing.vec good.txt", vec!["missing.vec", "no model"]),
        ("good.txt", vec!["good.txt", "no model"]),
        ("m.vec", vec!["no set of questions"]),
    ];
    for (arguments, says) in cases {
        place.fails(&format!("eval {arguments}"), &says);
    }
}

// Comparison of models

/// A comparison of `models` on the set `sets`, in JSON.
fn compared(place: &Place, models: &str) -> Value {
    place.run(&format!("compare {models} --sets sets --json --draws 500")).json()
}

#[test]
fn models_are_compared_on_the_words_that_all_have() {
    let place = Place::with_royals();
    place.write("n.vec", "4 2\nking 1 0\nqueen 0.9 0.1\nunicorn 0.1 1\nbread 0 1\n");
    place.write(
        "sets/s.txt",
        "king queen 9\nking bread 1\nqueen bread 2\nman king 5\nbread cheese 8\n",
    );
    let all = compared(&place, "m.vec n.vec");
    assert_eq!((&all["words"], &all["cut"]), (&json!(3), &json!(true)));
    assert_eq!((&all["sets"][0]["used"], &all["sets"][0]["known"]), (&json!(3), &json!([5, 3])));
    assert_eq!(all["methods"][1]["name"], "n");
    let text = place.run("compare m.vec n.vec --sets sets --draws 500").printed();
    assert!(text.contains("compared on the 3 words that all have"), "{text}");
    assert!(text.contains("no difference detected"), "{text}");
    assert!(text.contains("what another seed would change can't be told"), "{text}");
}

#[test]
fn a_clear_difference_is_detected_and_its_reasons_are_listed() {
    let place = with_topics(600);
    for seed in [1, 2, 3] {
        place.run(&format!("train skip-gram text.txt -q -o a{seed}.safetensors --dim 10 --epochs 5 --lr 0.1 --threads 1 --subsample 0 --seed {seed}")).printed();
        place.run(&format!("train cbow text.txt -q -o b{seed}.safetensors --dim 9 --epochs 1 --lr 0.0001 --threads 1 --subsample 0 --seed {seed}")).printed();
    }
    let models =
        "a1.safetensors a2.safetensors a3.safetensors b1.safetensors b2.safetensors b3.safetensors";
    let all = compared(&place, models);
    let names: Vec<_> =
        all["methods"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["skip-gram", "cbow"]);
    assert_eq!(all["methods"][0]["runs"].as_array().unwrap().len(), 3);
    let difference = &all["sets"][0]["differences"][0];
    assert_eq!(difference["detected"], true, "{difference}");
    assert!(difference["difference"].as_f64().unwrap() > 0.3, "{difference}");
    let settings: Vec<_> = all["confounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["setting"].as_str().unwrap())
        .collect();
    for setting in ["dim", "lr", "epochs", "words of training"] {
        assert!(settings.contains(&setting), "{settings:?}");
    }
    assert!(!settings.contains(&"seed") && !settings.contains(&"window"), "{settings:?}");
    let overlap = &all["neighbours"]["bands"][0]["overlap"];
    assert!(overlap[0][0].as_f64().unwrap() > overlap[0][1].as_f64().unwrap(), "{overlap}");
    // The same models, each for itself.
    let apart = compared(&place, &format!("{models} --apart"));
    assert_eq!(apart["methods"].as_array().unwrap().len(), 6);
    assert_eq!(apart["sets"][0]["differences"].as_array().unwrap().len(), 15);
}

#[test]
fn what_cannot_be_compared_is_told_in_a_line() {
    let place = Place::with_royals();
    place.write("other.vec", "2 2\nfoo 1 0\nbar 0 1\n");
    place.write("sets/s.txt", "king queen 9\nking bread 1\nqueen bread 2\n");
    place.write("text.txt", "a b c\n");
    let cases = [
        ("compare m.vec --sets sets", vec!["one model alone"]),
        ("compare m.vec other.vec --sets sets", vec!["no word in common"]),
        ("compare m.vec missing.vec --sets sets", vec!["missing.vec"]),
        ("compare m.vec sets --sets sets", vec!["sets", "is a directory, not a model"]),
        ("compare m.vec other.vec --sets none", vec!["none"]),
        ("compare m.vec other.vec --sets sets --min-count 3", vec!["--methods"]),
        ("compare m.vec m.vec --sets sets --report no/where/out.html", vec!["no/where"]),
        (
            "compare text.txt --methods skipgram --sets sets",
            vec!["no method 'skipgram'", "skip-gram, cbow, glove, fasttext, pv-dbow"],
        ),
        ("compare text.txt --methods cbow,cbow --sets sets", vec!["cbow twice", "--runs"]),
        ("compare - --methods cbow --sets sets", vec!["standard input"]),
        ("compare text.txt --methods cbow --seconds 0 --sets sets", vec!["--seconds"]),
    ];
    for (line, says) in cases {
        place.fails(line, &says);
    }
    // What training says is handed on.
    let failed = place.run("compare text.txt --methods cbow --sets sets --min-count 7");
    failed.fails(&["no word occurs 7 times"]);
    assert!(
        !place.path("compared").exists()
            || fs::read_dir(place.path("compared")).unwrap().next().is_none()
    );
}

// Comparison of methods

/// When each kept model was written.
fn kept(place: &Place) -> BTreeMap<String, SystemTime> {
    let files = fs::read_dir(place.path("compared")).unwrap().map(Result::unwrap);
    let models = files.filter(|file| file.path().extension().is_some_and(|e| e == "safetensors"));
    models
        .map(|f| (f.file_name().into_string().unwrap(), f.metadata().unwrap().modified().unwrap()))
        .collect()
}

#[test]
fn methods_are_trained_and_finished_runs_are_kept() {
    let place = with_topics(600);
    let methods = "skip-gram,cbow,glove,fasttext";
    let line = format!("compare text.txt --methods {methods} --runs 2 --sets sets --json {QUICK}");
    let first = place.run(&line).json();
    let files = kept(&place);
    // Two seeds and, for the curve, one and two epochs.
    assert_eq!(files.len(), 4 * (2 + 2), "{files:?}");
    let cost = &first["methods"][1]["runs"][1];
    assert_eq!(cost["seed"], 2);
    assert!(
        cost["seconds"].as_f64().unwrap() > 0.0 && cost["words_per_second"].as_f64().unwrap() > 0.0
    );
    assert!(!cfg!(target_os = "linux") || cost["peak_memory"].as_u64().unwrap() > 1 << 20);
    assert_eq!(first["curves"][0]["points"].as_array().unwrap().len(), 3);
    assert_eq!(
        first["curves"][0]["sets"][0][2],
        first["sets"][0]["measures"][0]["methods"][0]["runs"][0]
    );
    let lr = first["confounds"].as_array().unwrap().iter().find(|c| c["setting"] == "lr").unwrap();
    assert_eq!(lr["values"], json!(["0.025", "0.05", "0.05", "0.025"]));

    // Again: nothing is trained, and the answer is the same.
    assert_eq!(place.run(&line).json(), first);
    assert_eq!(kept(&place), files);
    // Another setting is another training.
    place.run(&line.replace("--dim 10", "--dim 12")).json();
    assert_eq!(kept(&place).len(), 2 * files.len());
}

#[test]
fn a_comparison_that_was_killed_goes_on_where_it_was() {
    let place = with_topics(3000);
    let line =
        format!("compare text.txt --methods skip-gram --runs 4 --sets sets --no-curves {QUICK}");
    let mut child = place.wordloom(&line).spawn().unwrap();
    let finished = || {
        let files = fs::read_dir(place.path("compared")).into_iter().flatten().map(Result::unwrap);
        files.filter(|file| file.path().extension().is_some_and(|e| e == "safetensors")).count()
    };
    let begin = Instant::now();
    while finished() == 0 && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = finished();
    assert!(done > 0);
    let again = place.run(&line);
    assert!(again.err.matches("kept from before").count() >= done, "{}", again.err);
    assert_eq!(again.err.matches("seed").count(), 4, "{}", again.err);
    again.printed();
    // A kept model that was damaged meanwhile is trained again.
    let model = kept(&place).into_keys().next().unwrap();
    let name = format!("compared/{model}");
    let mut bytes = place.read(&name);
    let middle = bytes.len() / 3;
    bytes[middle..middle + 64].fill(0xff);
    place.write(&name, bytes);
    let again = place.run(&line);
    assert_eq!(again.err.matches("kept from before").count(), 3, "{}", again.err);
    assert_eq!(again.err.matches(": trained").count(), 1, "{}", again.err);
}

#[test]
fn a_time_becomes_whole_passes() {
    let place = with_topics(3000);
    let line = "compare text.txt --methods cbow,skip-gram --runs 1 --seconds 0.3 --sets sets --json --no-curves \
        --dim 10 --threads 1 --draws 200";
    let all = place.run(line).json();
    for method in all["methods"].as_array().unwrap() {
        assert!(method["settings"]["epochs"].as_u64().unwrap() >= 1);
    }
    let too_short = place.run(&line.replace("0.3", "0.000001"));
    assert!(too_short.err.contains("more than --seconds"), "{}", too_short.err);
    assert!(too_short.json()["methods"][0]["settings"]["epochs"] == 1);
}

#[test]
fn several_models_are_asked_together() {
    let place = Place::with_royals();
    place.write("n.vec", "3 2\nqueen 0.8 0.6\nking 1 0\nman 1 0\n");
    let answer = place.run("similar king -k 2 --json --ensemble m.vec n.vec").json();
    assert_eq!(answer["models"], 2);
    let man = json!({ "word": "man", "score": 0.853_553, "deviation": 0.207_107, "models": 2 });
    assert_eq!(answer["neighbours"][0], man, "{answer}");
    assert_eq!(
        answer["neighbours"].as_array().unwrap().len(),
        2,
        "no word that a model lacks: {answer}"
    );
    let text = place.run("similar king --ensemble m.vec n.vec").printed();
    assert!(text.contains("0.8536 ±0.2071  in 2 of 2"), "{text}");
    place.fails("similar boy --ensemble m.vec n.vec", &["unknown word 'boy'"]);
}

// Other programs

/// Two rows of numbers with ties, correlated.
fn sample(n: usize) -> Vec<(f64, f64)> {
    let mut state = 9u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 24) as f64
    };
    (0..n)
        .map(|_| {
            let x = (next() * 8.0).floor();
            (x, (x + 6.0 * next() * 2.0).floor() / 3.0)
        })
        .collect()
}

#[test]
fn statistics_agree_with_scipy() {
    if python::lacks("numpy, scipy.stats") {
        return;
    }
    // Pairs of words whose cosines are the second numbers, times a constant: the scores are those
    // of the numbers.
    let items = sample(120);
    let cosines: Vec<f64> = items.iter().map(|(_, y)| y / 10.0).collect();
    let words: Vec<String> = (0..items.len()).map(|i| format!("w{i}")).collect();
    let mut names = vec!["axis".to_string()];
    names.extend(words.iter().cloned());
    let mut rows = vec![1.0, 0.0];
    rows.extend(cosines.iter().flat_map(|c| [*c as f32, (1.0 - c * c).sqrt() as f32]));
    let vocab = Vocab::new(&names, vec![]);
    let model = Embeddings::new(vocab, 2, rows.into(), None, Provenance::default());
    let lines = |line: &dyn Fn(&str, f64) -> String| -> String {
        words.iter().zip(&items).map(|(word, (x, _))| line(word, *x)).collect()
    };
    let pairs = lines(&|word, x| format!("axis\t{word}\t{x}\n"));
    let sentences = lines(&|word, x| format!("{x}\taxis axis\t{word} {word}\n"));
    let outcome = |text: &str| {
        Set::parse(Path::new("set"), "set", text, &SetOptions::default())
            .unwrap()
            .score(&model, &Policy::default())
    };
    let value = |text: &str, name: &str| {
        let outcome = outcome(text);
        outcome.value(outcome.measures.iter().find(|measure| measure.name == name).unwrap())
    };

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("items.json");
    fs::write(&file, serde_json::to_string(&items).unwrap()).unwrap();
    let theirs = python::script("statistics.py", &[&file], "");
    let number = |name: &str| theirs[name].as_f64().unwrap();
    // Vectors are rounded to single precision, which parts no ties of cosines here.
    assert!((value(&pairs, "Spearman") - number("spearman")).abs() < 1e-6);
    assert!((value(&sentences, "mean, Pearson") - number("pearson")).abs() < 1e-6);
    let [low, high] = outcome(&pairs).intervals(10_000, 1)[0];
    // Both intervals are drawn; each end is known to about a fortieth of the width.
    let (width, error) =
        (high - low, |ours: f64, theirs: &Value| (ours - theirs.as_f64().unwrap()).abs());
    let [their_low, their_high] = [&theirs["interval"][0], &theirs["interval"][1]];
    assert!(
        error(low, their_low) < width / 20.0 && error(high, their_high) < width / 20.0,
        "{theirs} {low} {high}"
    );
}

#[test]
fn scores_agree_with_another_evaluator() {
    let Some(evaluator) = python::shared("tools/evaluate.py") else { return };
    if python::lacks("numpy, scipy.stats") {
        return;
    }
    let place = with_sample("sets/questions-words.txt", "sets/similarity/graded.txt");
    place.run("train skip-gram text.txt -q -o m.bin --epochs 3 --dim 50 --threads 1").printed();
    let [model, sets, file] = ["m.bin", "sets", "theirs.json"].map(|name| place.path(name));
    python::run(&evaluator, &[&model, Path::new("--sets"), &sets, Path::new("--json"), &file], "");
    let theirs: Value = serde_json::from_slice(&place.read("theirs.json")).unwrap();
    let ours = place.run("eval m.bin sets --json --draws 100").json();
    let sets = ours["models"][0]["sets"].as_array().unwrap();
    let add = 100.0 * score(&sets[0], "3CosAdd");
    assert!((add - theirs["google"]["total"].as_f64().unwrap()).abs() < 0.1, "{add} {theirs}");
    for section in sets[0]["sections"].as_array().unwrap() {
        let [right, asked] = [0, 1]
            .map(|i| theirs["google"]["sections"][section["name"].as_str().unwrap()][i].clone());
        assert!(
            (section["add"].as_i64().unwrap() - right.as_i64().unwrap()).abs() <= 1,
            "{section} {right}"
        );
        assert_eq!(section["known"], asked);
    }
    let graded = 100.0 * score(&sets[1], "Spearman");
    assert!(
        (graded - theirs["graded"]["spearman"].as_f64().unwrap()).abs() < 0.1,
        "{graded} {theirs}"
    );
}

/// Two models of one method that differ in their seeds alone should seldom be called different. At
/// a level of 5 %, few of 20 such pairs may be.
#[test]
#[ignore = "trains 40 models, which takes some minutes: cargo test --release --test eval -- --ignored"]
fn two_seeds_of_one_method_are_seldom_called_different() {
    let place = with_sample("sets/analogies.txt", "sets/similarity.tsv");
    for method in ["skip-gram", "cbow"] {
        let mut different = 0;
        for pair in 0..20 {
            for (name, seed) in [("a", 2 * pair + 1), ("b", 2 * pair + 2)] {
                let settings = format!("--epochs 5 --seed {seed} -q -o {name}.safetensors");
                place.run(&format!("train {method} text.txt {settings}")).printed();
            }
            let all =
                place.run("compare a.safetensors b.safetensors --apart --sets sets --json").json();
            let found = |set: &Value| set["differences"][0]["detected"] == true;
            different += usize::from(all["sets"].as_array().unwrap().iter().any(found));
        }
        assert!(different <= 2, "{method}: {different} of 20");
    }
}

// The library

#[test]
fn a_set_is_put_to_any_number_of_models() {
    let place = Place::with_royals();
    let model = format::read(&place.path("m.vec")).unwrap();
    let questions = "man king woman queen\nman boy woman unicorn\n";
    let set = Set::parse(Path::new("q.txt"), "q", questions, &SetOptions::default()).unwrap();
    let policy = Policy { restrict: Some(4), unknown: Unknown::Zero };
    let outcome = set.score(&model, &policy);
    assert_eq!((outcome.total, outcome.known, outcome.used()), (2, 1, 2));
    assert_eq!(set.known(&model, &policy), 1);
    assert_eq!(outcome.value(&outcome.measures[0]), 0.5);
    let intervals = outcome.intervals(500, 1);
    assert_eq!(intervals.len(), outcome.measures.len());
    assert!(intervals[0].iter().all(|x| (0.0..=1.0).contains(x)), "{intervals:?}");
}
