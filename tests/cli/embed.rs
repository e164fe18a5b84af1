//! Vectors of texts.

use crate::common::{Place, QUICK, gzip};

/// The numbers of a line.
fn numbers(line: &str) -> Vec<f64> {
    line.split(' ').map(|number| number.parse().unwrap()).collect()
}

#[test]
fn texts_come_as_arguments_lines_columns_and_files() {
    let place = Place::with_royals();
    let given = place.run("embed m.vec man bread").printed();
    assert_eq!(given, "1 0 0 0 0\n0 0 0 0 1\n");
    let ran = place.ask("embed m.vec", "man woman\nman\tnobody\r\n\nking king\n");
    assert_eq!(ran.out, "0.5 0.5 0 0 0\n1 0 0 0 0\n0 0 0 0 0\n1 0 1 0 0\n");
    let told = "wordloom: 1 word has no vector (16.7 %)\n\
                wordloom: 1 text has no known word: zeros stand for them\n";
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), told));
    let lines = "man woman\nking king\n";
    place.write("a.txt", lines);
    place.write("a.gz", gzip(lines));
    place.write("a.csv", "id,text\n1,\"man\nwoman\"\n2,king king\n");
    place.write("a.jsonl", "{\"text\": \"man woman\"}\n{\"text\": \"king king\"}\n");
    for input in ["a.txt", "a.gz", "a.csv --column text", "a.jsonl --column text"] {
        let printed = place.run(&format!("embed m.vec -i {input}")).printed();
        assert_eq!(printed, "0.5 0.5 0 0 0\n1 0 1 0 0\n", "{input}");
    }
    let whole = place.run("embed m.vec -i a.txt --whole-files").printed();
    assert_eq!(numbers(whole.trim()), [0.75, 0.25, 0.5, 0.0, 0.0]);
    let json = place.run("embed m.vec --json man").json();
    assert_eq!(json["text"], "man");
    assert_eq!((&json["known"], &json["unknown"]), (&1.into(), &0.into()));
    assert_eq!(json["vector"].as_array().unwrap().len(), 5);
    let raw = place.run("embed m.vec --text raw Man,woman!").printed();
    assert_eq!(raw, "0.5 0.5 0 0 0\n");
    place.write("bad.jsonl", "{\"text\": \"man\"}\n{}\n");
    place.fails("embed m.vec -i bad.jsonl --column text -o b.npy", &["bad.jsonl:2", "'text'"]);
    place.fails("embed m.vec -i none.txt", &["none.txt"]);
    place.fails("embed m.vec -i a.txt -o a.txt", &["a.txt"]);
}

#[test]
fn means_are_weighed_as_asked() {
    let place = Place::with_royals();
    let unit = place.ask("embed m.vec --pooling unit", "king bread\n").printed();
    let half = 0.5 / 2f64.sqrt();
    let expected = [half, 0.0, half, 0.0, 0.5];
    assert!(numbers(unit.trim()).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{unit}");
    // What all have in common is the whole of texts that are alike.
    let sif = place.ask("embed m.vec --pooling sif", "man\nman\nman\n").printed();
    assert!(numbers(sif.lines().next().unwrap()).iter().all(|x| x.abs() < 1e-6), "{sif}");
    let kept = place.ask("embed m.vec --pooling sif --common keep", "man\nman\n").printed();
    assert!(numbers(kept.lines().next().unwrap())[0] > 0.0);
    let off = place.ask("embed m.vec --common off", "man\nman\nman woman\n").printed();
    assert!(numbers(off.lines().next().unwrap())[0] < 0.3, "{off}");
}

#[test]
fn files_of_vectors_of_texts() {
    let place = Place::with_royals();
    place.write("a.txt", "man woman\nking king\nbread\n");
    let ran = place.run("embed m.vec -i a.txt -o t.npy");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), "3 texts x 5 -> t.npy\n"));
    let bytes = place.read("t.npy");
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    assert!((bytes.len() - 60).is_multiple_of(64) && bytes.len() == 128 + 60);
    let header = String::from_utf8_lossy(&bytes[10..128]).into_owned();
    assert!(header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), }"));
    // Our own reader takes it back.
    place.write("names.txt", "one\ntwo\nthree\n");
    place.run("import t.npy --names names.txt -o t.safetensors").good();
    assert_eq!(place.run("vector t.safetensors two").printed(), "two 1 0 1 0 0\n");
    place.run("embed m.vec -i a.txt -o t.vec -q").good();
    assert!(place.run("similar t.vec 3 -k 1").printed().starts_with("3\n  "));
    place.fails("embed m.vec -i a.txt -o t.npy --to glove", &["NumPy"]);
}

#[test]
fn unseen_words_are_composed_and_text_is_split_as_it_was() {
    let place = Place::with_text(300);
    let options = "--text raw --buckets 1000 -q";
    place.run(&format!("train fasttext text.txt -o m.safetensors {options} {QUICK}")).good();
    let text = String::from_utf8(place.read("text.txt")).unwrap();
    let word = text.split_whitespace().next().unwrap();
    let vector = place.run(&format!("vector m.safetensors {word}")).printed();
    let same = place.run(&format!("embed m.safetensors {}!", word.to_uppercase())).printed();
    assert_eq!(vector.split_once(' ').unwrap().1, same);
    let unseen = format!("{word}{word}");
    let composed = place.run(&format!("embed m.safetensors {unseen}")).printed();
    let vector = place.run(&format!("vector m.safetensors {unseen}"));
    assert_eq!(vector.out.split_once(' ').unwrap().1, composed);
}
