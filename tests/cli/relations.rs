//! How words lie to each other: contexts, groups, and models in one space.

use crate::common::Place;

#[test]
fn contexts_by_association() {
    let place = Place::new();
    place.write("text.txt", "a b\n".repeat(6) + &"a c\nb d\n".repeat(3) + &"c d\n".repeat(9));
    place
        .run("cooccur text.txt -o m.counts --min-count 1 --window 1 --context-weight flat -q")
        .good();
    let json = place.run("context m.counts a --json --by count").json();
    let first = &json["contexts"][0];
    assert_eq!((&first["word"], &first["count"]), (&"b".into(), &6.0.into()));
    // All counts of a are 9, of b 9, and of all words 42; 6 * 42 / (9 * 9) is 28 / 9.
    let pmi = (28.0f64 / 9.0).log2();
    assert!((first["pmi"].as_f64().unwrap() - pmi).abs() < 1e-5, "{first}");
    let table = place.run("context m.counts a").printed();
    assert!(table.lines().nth(2).unwrap().trim_start().starts_with("b   "), "{table}");
    assert_eq!(place.ask("context m.counts --by count -k 1", "d\n").printed(), "d\tc\t9.0000\n");
    assert!(place.run("context m.counts a --min-count 7").printed().contains("nothing occurs"));
    place.run("context m.counts -o all.csv --by pmi").good();
    let all = place.text("all.csv");
    assert_eq!(all.lines().count(), 9, "{all}");
    assert!(all.starts_with("word,context,count,pmi,"));
    place.run("context m.counts -o all.mtx").good();
    let matrix = place.text("all.mtx");
    assert_eq!(matrix.lines().nth(2), Some("4 4 8"));
    assert_eq!(place.text("all.words.txt").lines().count(), 4);
    // Stanford's records, in any order, have the same contexts.
    place.run("cooccur text.txt -o m.bin --to glove --save-vocab v.txt --min-count 1 --window 1 --context-weight flat -q").good();
    let same = place.run("context m.bin a --json --by count --vocab-file v.txt").json();
    assert_eq!(same, json);
    place.fails("context m.counts nothing", &["unknown word 'nothing'"]);
    place.fails("context m.counts -o all.txt", &["all.txt: ", ".csv or .mtx"]);
    place.fails("context text.txt a", &["text.txt: ", "counts"]);
}

#[test]
fn groups_of_words() {
    let place = Place::with_model();
    let printed = place.run("cluster m.safetensors -k 2 -o groups.tsv").printed();
    assert_eq!(printed.lines().count(), 3, "{printed}");
    let groups = place.text("groups.tsv");
    let group = |word: &str| {
        let line = groups.lines().find(|line| line.split('\t').next() == Some(word)).unwrap();
        line.split('\t').nth(1).unwrap().to_string()
    };
    let words: Vec<&str> = groups.lines().map(|line| line.split('\t').next().unwrap()).collect();
    let (first, second): (Vec<&str>, Vec<&str>) =
        words.iter().partition(|word| group(word) == group(words[0]));
    assert!(!second.is_empty());
    assert_eq!(first.len() + second.len(), 40);
    let again = place.run("cluster m.safetensors -k 2 --threads 1").printed();
    assert_eq!(again, printed);
    let json = place.run("cluster m.safetensors -k 1 --top 10 --json").json();
    assert_eq!(json["words"], 10);
    place.fails("cluster m.safetensors -k 41", &["--clusters", "40"]);
}

#[test]
fn models_in_one_space() {
    let place = Place::with_royals();
    // The same space, turned; but a boy is where bread was.
    place.write(
        "turned.vec",
        "8 5\nking 0 0 1 0 1\nman 0 0 0 0 1\nwoman 0 0 0 -1 0\nqueen 0 0 1 -1 0\n\
        boy 0 -1 0 0 0\ngirl 1 0 0 -1 0\nbread 0 -1 0 0 0\ncheese 0 -1 0 -0.1 0\n",
    );
    let json = place.run("align m.vec turned.vec -o back.vec --near 2 --json").json();
    assert_eq!(json["pairs"], 8);
    assert_eq!(json["moved"][0]["word"], "boy");
    let back = place.run("similarity back.vec man king").printed();
    assert_eq!(back, "0.7071\n");
    let mean = json["cosine"].as_f64().unwrap();
    assert!(mean > 0.8 && json["cosine_before"].as_f64().unwrap() < 0.3, "{json}");
    place.write(
        "pairs.txt",
        "man man\nwoman\twoman\nqueen queen\nbread bread\ngirl girl\nzebra zebra\n",
    );
    let ran = place.run("align m.vec turned.vec --words pairs.txt");
    assert!(ran.err.contains("1 pair has a word") && ran.out.starts_with("5 pairs"), "{}", ran.err);
    place.write("bad.txt", "man\n");
    place.fails("align m.vec turned.vec --words bad.txt", &["bad.txt: line 1: "]);
    place.write("short.vec", "1 2\nman 1 2\n");
    place.fails("align m.vec short.vec", &["short.vec", "of 5 and of 2 numbers"]);
}

#[test]
fn fewer_words() {
    let place = Place::with_model();
    place.run("prune m.safetensors -o few.safetensors --keep 10 --map near.tsv").good();
    assert_eq!(place.run("info few.safetensors --json").json()["words"], 10);
    assert_eq!(place.text("near.tsv").lines().count(), 30);
    place.fails("prune m.safetensors -o none.vec --keep /zebra/", &["no word would be left"]);
    place.misuses("prune m.safetensors -o none.vec", &["--keep"]);
    assert!(!place.has("none.vec"));
}
