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

#[test]
fn sums_are_written_as_one_thinks_of_them() {
    let place = Place::with_royals();
    let short = place.run("similar m.vec king -man +woman -k 3 --json").json();
    for question in ["king - man + woman", "- man + king + woman", "1*king -1*man +1*woman"] {
        let answer = place.run(&format!("similar m.vec {question} -k 3 --json")).json();
        assert_eq!(answer["neighbours"], short["neighbours"], "{question}");
        assert_eq!(answer["query"], question);
    }
    let weighted = place.run("similar m.vec king 3*bread -k 1").printed();
    assert!(weighted.starts_with("king 3*bread\n  cheese  0.9"), "{weighted}");
    place.fails("similar m.vec king 3*bread --method mul", &["3*bread", "no weights"]);
    place.fails("similar m.vec king - mann + woman", &["'mann'", "'man'"]);
    let asked = place.ask("similar m.vec -k 1", "king - man + woman\n2*bread king\n").printed();
    let answers: Vec<&str> = asked.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(answers, ["queen", "cheese"]);
    let mean = place.run("similar m.vec --mean man king -k 9").printed();
    let sum = place.ask("similar m.vec -k 9", "man king\n").printed();
    assert_eq!(mean.lines().next(), Some("man king"));
    assert_eq!(mean.lines().count(), 1 + (sum.split('\t').count() - 1) / 2);
    assert_eq!(place.run("similar m.vec man king -k 1").printed().matches("\n\n").count(), 1);
}

#[test]
fn vectors_are_asked_for_in_place_of_words() {
    let place = Place::with_royals();
    let near = place.ask("similar m.vec -k 2", "[0, 0, 0, 0, 7.5]\n").printed();
    assert!(near.starts_with("[0, 0, 0, 0, 7.5]\tbread\t1.0000\tcheese\t"), "{near}");
    assert_eq!(place.ask("similarity m.vec", "king\t[1 0 1 0 0]\n").printed().lines().count(), 1);
    let argument = place.run("similar m.vec [0,0,0,0,1] -k 1").printed();
    assert!(argument.starts_with("[0,0,0,0,1]\n  bread  1.0000"), "{argument}");
    place.fails("similar m.vec [1,2]", &["has 2 numbers", "have 5"]);
    place.fails("similar m.vec [1,2,x,4,5]", &["'x'", "no number"]);
}

#[test]
fn answers_are_among_some_words() {
    let place = Place::with_royals();
    let words = |options: &str| -> Vec<String> {
        let answer = place.run(&format!("similar m.vec king --json {options}")).json();
        let near = answer["neighbours"].as_array().unwrap().clone();
        near.iter().map(|near| near["word"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(words("--restrict 2"), ["man", "woman"]);
    assert_eq!(words("--restrict /^[bg]/").len(), 3);
    place.write("some.txt", "king\nqueen 17\n\nnothing\ncheese\n");
    assert_eq!(words("--restrict some.txt").len(), 2, "itself is no answer");
    let ran = place.run("similar m.vec king --restrict some.txt");
    assert_eq!(ran.err, "wordloom: some.txt: 1 word that the model lacks\n");
    assert!(!words("--restrict /./").contains(&"king".to_string()));
    let found = place.run("analogy m.vec man king woman --restrict /q|b/ -k 1").printed();
    assert!(found.contains("  queen  "), "{found}");
    place.fails("similar m.vec king --restrict /zzz/", &["--restrict leaves no word"]);
    place.misuses("similar m.vec king --restrict /(/", &["unclosed group"]);
    place.fails("similar m.vec king --restrict none.txt", &["none.txt"]);
}

#[test]
fn ranks_go_both_ways() {
    let place = Place::with_royals();
    let text = place.run("rank m.vec man king").printed();
    let expected = "king is number 1 of the words near man\nman is number 1 of the words near king\n\
                    cosine 0.7071, distance 0.2929\n";
    assert_eq!(text, expected);
    let json = place.run("rank m.vec bread queen --json").json();
    let near = place.run("similar m.vec bread -k 8 --json").json();
    let near = near["neighbours"].as_array().unwrap();
    let own = near.iter().find(|near| near["word"] == "queen").unwrap()["score"].as_f64().unwrap();
    let above = near.iter().filter(|near| near["score"].as_f64().unwrap() > own).count();
    assert_eq!(json["rank"], above + 1);
    assert_eq!(place.ask("rank m.vec", "bread cheese\n").printed(), "bread cheese\t1\t1\t0.9950\n");
    place.fails("rank m.vec bread bread", &["'bread'", "itself"]);
}

#[test]
fn questions_are_read_as_the_text_was() {
    let place = Place::with_text(500);
    let text = std::fs::read_to_string(place.path("text.txt")).unwrap();
    let first = text.split_whitespace().next().unwrap().to_string();
    place.write("raw.txt", text.replace(' ', ", "));
    let options = "--unicode-words --lowercase --dim 8 --epochs 1 --threads 1 -q";
    place.run(&format!("train skip-gram raw.txt -o low.safetensors {options}")).good();
    let shouted = format!("{}!", first.to_uppercase());
    let near = |word: &str| place.run(&format!("similar low.safetensors {word} --json")).json();
    let (answer, plain) = (near(&shouted), near(&first));
    assert_eq!(answer["neighbours"], plain["neighbours"]);
    assert_eq!(answer["respelled"][0], shouted.as_str());
    let said = place.run(&format!("similar low.safetensors {shouted} -k 1"));
    let expected = format!("wordloom: '{shouted}' is not in the vocabulary: taken as '{first}'\n");
    assert_eq!(said.err, expected);
    let vector = place.run(&format!("vector low.safetensors {shouted}")).printed();
    let same = place.run(&format!("vector low.safetensors {first}")).printed();
    assert_eq!(vector.split_once(' ').unwrap().1, same.split_once(' ').unwrap().1);
}

#[test]
fn all_kinds_of_questions_are_asked_in_one_place() {
    let place = Place::with_royals();
    let input = "bread\nk 1\nking - man + woman\nanalogy man king woman\nsimilarity man king\n\
                 rank man king\nodd king queen bread man\nvector man\nrestrict /^q/\nman\n\
                 restrict all\nmethod mul\nsimilar rank\nrank\nquit\nman\n";
    let ran = place.ask("ask m.vec", input);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("bread\tcheese\t0.9950\t"), "{lines:?}");
    assert_eq!(lines[2], "man king woman\tqueen\t0.9586");
    assert_eq!(lines[3], "man king\t0.7071");
    assert!(lines[5].starts_with("king queen bread man\tbread\t"));
    assert_eq!(lines[6], "man 1 0 0 0 0");
    assert_eq!(lines[7], "man\tqueen\t0.0000");
    assert_eq!(lines.len(), 8, "rank is no word here, and nothing is asked after the end");
    assert!(ran.code == Some(1) && ran.err.contains("unknown word 'rank'"), "{}", ran.err);
    let help = place.ask("ask m.vec", "help\n").printed();
    assert!(help.contains("similarity cat dog"));
    let json = place.ask("ask m.vec --json -k 1", "similarity man king\n").json();
    assert_eq!(json["query"], "man king");
}
