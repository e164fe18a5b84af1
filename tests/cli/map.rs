//! `map`.

use crate::common::Place;

#[test]
fn a_table_has_the_places_of_all_words_and_is_the_same_for_any_number_of_threads() {
    let place = Place::with_model();
    let said =
        place.run("map m.safetensors -o places.tsv --clusters 2 --threads 1").good().err.clone();
    assert!(said.contains("t-SNE: ") && said.contains("40 words -> places.tsv"), "{said}");
    let table = place.text("places.tsv");
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(
        lines[0],
        ["word", "count", "tsne_x", "tsne_y", "tsne_kept", "pca_x", "pca_y", "pca_kept", "group"]
    );
    assert_eq!(lines.len(), 41);
    // The topics are apart on the map: the nearest word there is of the same topic.
    let at = |line: &[&str]| [2, 3].map(|column| line[column].parse::<f64>().unwrap());
    let same = lines[1..].iter().filter(|line| {
        let [x, y] = at(line);
        let far = |other: &Vec<&str>| (at(other)[0] - x).hypot(at(other)[1] - y);
        let others = lines[1..].iter().filter(|other| other[0] != line[0]);
        let near = others.min_by(|a, b| far(a).total_cmp(&far(b))).unwrap();
        near[0][..3] == line[0][..3]
    });
    assert!(same.count() >= 38, "{table}");
    let parquet = if cfg!(feature = "parquet") { &["parquet"][..] } else { &[] };
    for kind in ["tsv", "html", "svg"].iter().chain(parquet) {
        for threads in [1, 2, 4] {
            let out = format!("{threads}.{kind}");
            place.run(&format!("map m.safetensors -q -o {out} --threads {threads}")).good();
            assert_eq!(place.read(&out), place.read(&format!("1.{kind}")), "{out}");
        }
    }
}

#[test]
fn a_figure_labels_words_of_a_file() {
    let place = Place::with_royals();
    place.write("words.txt", "queen\nking\nman\r\nwoman\n\nunicorn\nboy\n");
    let said = place.run("map m.vec --words words.txt -o f.svg --clusters 0").good().err.clone();
    assert!(
        said.contains("words.txt: 1 word is unknown to the model and left out, first 'unicorn'"),
        "{said}"
    );
    let figure = place.text("f.svg");
    assert_eq!(figure.matches("<circle").count(), 5);
    for word in ["man", "woman", "king", "queen", "boy"] {
        assert!(figure.contains(&format!(">{word}</text>")), "{figure}");
    }
}

#[test]
fn function_words_are_left_out() {
    let place = Place::new();
    let words = ["the", "king", "of", "queen", "man", "woman", "boy", "girl"];
    let rows = |the: f64| {
        let row = |(at, word): (usize, &&str)| {
            let (length, angle) = (if at % 2 == 0 && at < 3 { the } else { 1.0 }, at as f64);
            format!("{word} {:.4} {:.4}\n", length * angle.cos(), length * angle.sin())
        };
        format!("8 2\n{}", words.iter().enumerate().map(row).collect::<String>())
    };
    place.write("m.vec", rows(0.3));
    place.run("map m.vec -o m.tsv -q --skip-function 2 --layouts pca").good();
    let table = place.text("m.tsv");
    let left: Vec<&str> =
        table.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(left, ["king", "queen", "man", "woman", "boy", "girl"]);
    place.write("same.vec", rows(1.0));
    place.fails(
        "map same.vec -o same.tsv --skip-function 2",
        &[
            "same.vec: all vectors have the same length",
            "--skip leaves out the most frequent words",
        ],
    );
}

#[test]
fn several_models_show_the_words_that_all_have() {
    let place = Place::with_royals();
    let fewer: Vec<String> = place
        .text("m.vec")
        .lines()
        .filter(|line| !line.starts_with("bread"))
        .map(String::from)
        .collect();
    place.write("n.vec", fewer.join("\n").replacen('8', "7", 1) + "\n");
    place.write("labels.tsv", "king\troyal\nqueen\troyal\nboy\tyoung\nunicorn\tnone\n");
    place.run("map m.vec n.vec -q --labels labels.tsv --names a,b -o t.tsv --clusters 0").good();
    let table = place.text("t.tsv");
    let heads: Vec<&str> = table.lines().next().unwrap().split('\t').collect();
    assert_eq!(heads.len(), 1 + 2 * 6 + 1, "{heads:?}");
    assert!(heads.contains(&"b_tsne_x"), "{heads:?}");
    assert_eq!(table.lines().count(), 8, "{table}");
    assert!(!table.contains("bread") && table.contains("\troyal\n"), "{table}");
}

#[test]
fn what_can_not_be_drawn_is_refused_in_one_line() {
    let place = Place::with_royals();
    place.write("few.txt", "man\nking\n");
    place.write("bad.tsv", "man royal\n");
    place.write("none.tsv", "unicorn\troyal\n");
    place.fails("map m.vec -o m.png", &["m.png", ".svg", "--to"]);
    place.fails("map m.vec -o m.html --words few.txt", &["few.txt: 2 words", "from 5 to 50000"]);
    place.fails("map m.vec -o m.html --names a,b", &["--names", "2 names for 1 models"]);
    place.fails("map m.vec -o m.html --labels bad.tsv", &["bad.tsv", "line 1", "a tab"]);
    place.fails("map m.vec -o m.html --labels none.tsv", &["none.tsv", "none of the words"]);
    place.fails("map m.vec -o m.vec", &["m.vec"]);
    place.misuses("map m.vec -o m.html --top 50001", &["--top"]);
    place.write("nan.vec", place.text("m.vec").replacen("king 1", "king nan", 1));
    place.fails("map nan.vec -o m.html", &["king"]);
    assert!(!place.has("m.html"));
}
