//! Questions to a model, one on the command line or many on standard input.

use serde_json::Value;

use crate::common::Place;

/// The cosine of man and king, to six digits.
const COSINE: f64 = 707_107.0 / 1e6;

#[test]
fn neighbours_of_words_and_of_sums() {
    let place = Place::with_royals();
    let one = place.run("similar m.vec bread -k 1").printed();
    assert_eq!(one, "bread\n  cheese  0.9950\n");
    let several = place.run("similar m.vec bread king -k 2").printed();
    let lists: Vec<&str> = several.split("\n\n").collect();
    assert_eq!(lists.len(), 2, "{several}");
    assert!(lists[0].starts_with("bread\n  cheese") && lists[1].starts_with("king\n  "));
    assert_eq!(lists[1].lines().count(), 3);

    let sum = place.run("similar m.vec king -man +woman -k 1").printed();
    assert!(sum.starts_with("king -man +woman\n  queen  0.9"), "{sum}");
    let answer = place.run("similar m.vec --json king -man +woman -k 3").json();
    assert_eq!(answer["query"], "king -man +woman");
    let near = answer["neighbours"].as_array().unwrap();
    assert_eq!(near.len(), 3);
    assert_eq!(near[0]["word"], "queen");
    let scores: Vec<f64> = near.iter().map(|n| n["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b));
    let words: Vec<&str> = near.iter().map(|n| n["word"].as_str().unwrap()).collect();
    assert!(!words.contains(&"king") && !words.contains(&"man") && !words.contains(&"woman"));
    let product = place.run("similar m.vec king -man +woman --method mul -k 1 --json").json();
    assert_eq!(product["neighbours"][0]["word"], "queen");
    let all = place.run("similar m.vec king").printed();
    assert_eq!(all.lines().count(), 8, "itself is left out, and there are but seven others");
}

#[test]
fn analogies_by_sum_and_by_product() {
    let place = Place::with_royals();
    for method in ["add", "mul"] {
        let text =
            place.run(&format!("analogy m.vec man king woman -k 1 --method {method}")).printed();
        assert!(text.starts_with("man king woman\n  queen  "), "{text}");
        let json =
            place.run(&format!("analogy m.vec man boy woman -k 2 --json --method {method}")).json();
        assert_eq!(json["query"], "man boy woman");
        assert_eq!(json["neighbours"][0]["word"], "girl");
        assert_eq!(json["neighbours"].as_array().unwrap().len(), 2);
    }
    let sum = place.run("similar m.vec king -man +woman -k 3 --json").json();
    let analogy = place.run("analogy m.vec man king woman -k 3 --json").json();
    assert_eq!(sum["neighbours"], analogy["neighbours"]);
}

#[test]
fn similarity_the_odd_one_and_vectors() {
    let place = Place::with_royals();
    assert_eq!(place.run("similarity m.vec man king").printed(), "0.7071\n");
    assert_eq!(place.run("similarity m.vec man woman").printed(), "0.0000\n");
    assert_eq!(place.run("similarity m.vec man king --json").json()["similarity"], COSINE);

    let odd = place.run("odd-one-out m.vec king queen bread man").printed();
    assert_eq!(odd.lines().next(), Some("bread"));
    assert_eq!(odd.lines().count(), 5);
    let json = place.run("odd-one-out m.vec --json king queen bread man").json();
    assert_eq!(json["odd"], "bread");
    let fits = json["words"].as_array().unwrap();
    assert_eq!(fits.len(), 4);
    assert_eq!(fits[3]["word"], "bread", "best first");

    assert_eq!(
        place.run("vector m.vec cheese man").printed(),
        "cheese 0 0.1 0 0 1\nman 1 0 0 0 0\n"
    );
    let json = place.run("vector m.vec cheese --json").printed();
    assert_eq!(json, "{\"query\":\"cheese\",\"vector\":[0.0,0.1,0.0,0.0,1.0]}\n");
}

#[test]
fn many_questions_come_on_standard_input() {
    let place = Place::with_royals();
    let near = place.ask("similar m.vec -k 1", "bread\n\nking -man +woman\r\n").printed();
    let lines: Vec<Vec<&str>> = near.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], ["bread", "cheese", "0.9950"]);
    assert_eq!(lines[1][..2], ["king -man +woman", "queen"]);
    let analogies = place.ask("analogy m.vec -k 1", "man king woman\nman boy woman\n").printed();
    let answers: Vec<&str> =
        analogies.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(answers, ["queen", "girl"]);
    assert_eq!(
        place.ask("similarity m.vec", "man king\nman woman").printed(),
        "man king\t0.7071\nman woman\t0.0000\n"
    );
    let odd = place.ask("odd-one-out m.vec", "king queen bread\n").printed();
    assert!(odd.starts_with("king queen bread\tbread\t"), "{odd}");
    assert_eq!(
        place.ask("vector m.vec", "man\nwoman\n").printed(),
        "man 1 0 0 0 0\nwoman 0 1 0 0 0\n"
    );
    assert_eq!(place.ask("vector m.vec", "").printed(), "");
    let long = "man king\n".repeat(5000);
    assert_eq!(place.ask("similarity m.vec", long).printed(), "man king\t0.7071\n".repeat(5000));
}

#[test]
fn a_question_without_answer_does_not_stop_the_others() {
    let place = Place::with_royals();
    let ran = place.ask("similar m.vec -k 1", "bread\nkingg\nking -man +woman\n");
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.out.lines().count(), 2);
    assert_eq!(ran.err, "wordloom: line 2: unknown word 'kingg'; did you mean 'king'?\n");

    let ran = place.ask("similarity m.vec --json", "man king\nman\nman thing\n");
    assert_eq!(ran.code, Some(1));
    let answers: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0]["similarity"], COSINE);
    assert!(answers[1]["error"].as_str().unwrap().contains("2 words are needed, not 1"));
    assert!(answers[2]["error"].as_str().unwrap().contains("unknown word 'thing'"));
    assert_eq!(ran.err, "");
}

#[test]
fn unknown_words_are_named_with_near_spellings() {
    let place = Place::with_royals();
    place.fails("similar m.vec Queen", &["unknown word 'Queen'", "did you mean 'queen'?"]);
    place.fails("similar m.vec king -mann +woman", &["'mann'", "'man'"]);
    place.fails("analogy m.vec man kin woman", &["'kin'", "'king'"]);
    place.fails("similarity m.vec man chese", &["'chese'", "'cheese'"]);
    place.fails("odd-one-out m.vec man king brea", &["'brea'", "'bread'"]);
    place.fails("vector m.vec gril", &["'gril'", "'girl'"]);
    let none = place.run("vector m.vec Mississippi");
    none.fails(&["unknown word 'Mississippi'"]);
    assert!(!none.err.contains("did you mean"));
}
