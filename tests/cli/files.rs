//! Model files: formats, conversion, `info`, damaged files, and places that cannot be written to.

use std::fs;

use crate::common::{Place, QUICK};

#[test]
fn formats_are_written_by_name_or_as_told() {
    let place = Place::with_text(2000);
    let cases = [
        ("a.safetensors", "", "safetensors"),
        ("a.vec", "", "text"),
        ("a.txt", "", "text"),
        ("a.bin", "", "binary"),
        ("a", "", "safetensors"),
        ("b.vec", "--to binary", "binary"),
        ("b.bin", "--to safetensors", "safetensors"),
        ("b", "--to text", "text"),
    ];
    let mut vectors = Vec::new();
    for (name, how, format) in cases {
        place.run(&format!("train skip-gram text.txt -q -o {name} {how} {QUICK}")).good();
        assert_eq!(
            place.run(&format!("info {name} --json")).json()["format"],
            format,
            "{name} {how}"
        );
        vectors.push(place.vectors(name));
    }
    assert!(vectors.iter().all(|other| *other == vectors[0]));
}

#[test]
fn info_tells_what_a_model_holds() {
    let place = Place::with_model();
    let text = place.run("info m.safetensors").printed();
    for part in [
        "safetensors",
        "40",
        "dimension 10",
        "input, output and counts",
        "skip-gram",
        "dim 10",
        "text.txt",
    ] {
        assert!(text.contains(part), "'{part}' is not in {text}");
    }
    let json = place.run("info m.safetensors --json").json();
    assert_eq!((&json["words"], &json["dim"]), (&40.into(), &10.into()));
    assert_eq!(json["format"], "safetensors");
    assert_eq!(json["bytes"], place.read("m.safetensors").len());
    assert_eq!(json["tensors"], serde_json::json!(["input", "output", "counts"]));
    let history = &json["provenance"];
    assert_eq!(history["settings"]["epochs"], 2);
    assert_eq!(history["text"]["min_count"], 5);
    assert_eq!(history["corpus"]["words_read"], 20_000);
}

#[test]
fn conversions_there_and_back_are_exact() {
    let place = Place::with_model();
    let ran = place.run("convert m.safetensors a.vec").good();
    assert!(ran.err.contains("does not hold counts, output vectors"), "{}", ran.err);
    assert!(ran.err.contains("40 words x 10 -> a.vec"), "{}", ran.err);
    assert_eq!(ran.out, "");
    for line in
        ["a.vec b.safetensors", "b.safetensors c.bin", "c.bin d.safetensors", "d.safetensors e.txt"]
    {
        let ran = place.run(&format!("convert {line}")).good();
        assert!(!ran.err.contains("does not hold"), "there is nothing left to lose: {}", ran.err);
    }
    assert_eq!(place.read("e.txt"), place.read("a.vec"));
    assert_eq!(place.text("a.vec").lines().count(), 41);
    place.run("convert m.safetensors f --to binary").good();
    assert_eq!(place.read("f"), place.read("c.bin"));
    place.run("convert f g.bin --to text").good();
    assert_eq!(place.read("g.bin"), place.read("a.vec"));
    place.run("convert f h").good();
    assert_eq!(place.run("info h --json").json()["format"], "safetensors");
    // Between formats that hold everything no byte changes, and a file may be its own output.
    place.run("convert m.safetensors n.safetensors").good();
    assert_eq!(place.read("n.safetensors"), place.read("m.safetensors"));
    place.run("convert n.safetensors n.safetensors").good();
    assert_eq!(place.read("n.safetensors"), place.read("m.safetensors"));
}

#[test]
fn models_that_are_cut_or_are_none() {
    let place = Place::with_model();
    place.run("convert m.safetensors m.bin").good();
    place.run("convert m.safetensors m.vec").good();
    for model in ["m.safetensors", "m.bin", "m.vec"] {
        let whole = place.read(model);
        // A cut within the last few bytes is no case: word2vec's formats do not show that the last
        // newline is missing, and text does not show that its last number is cut.
        for length in [0, 1, 7, 8, 9, 64, whole.len() / 2, whole.len() - 30] {
            place.write("cut", &whole[..length]);
            place.fails("similar cut sea1", &["cut: "]);
        }
        place.write("longer", [&whole[..], b"more\n"].concat());
        place.fails("info longer", &["longer: "]);
    }
    let random: Vec<u8> =
        (0..3000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    place.write("random", random);
    place.write("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10");
    place.write("prose", "Call me Ishmael. Some years ago, never mind how long precisely\n");
    let header = br#"{"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
    let foreign = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 16]].concat();
    place.write("foreign.safetensors", foreign);
    fs::create_dir(place.path("folder")).unwrap();
    place.fails("info folder", &["folder: no .safetensors file in this folder"]);
    for name in ["random", "picture.png", "prose", "foreign.safetensors", "missing", "folder"] {
        let names = &[&format!("{name}: ")[..]];
        place.fails(&format!("similar {name} king"), names);
        place.fails(&format!("vector {name} king"), names);
        place.fails(&format!("info {name}"), names);
        place.fails(&format!("convert {name} out.vec"), names);
    }
    place.fails("info foreign.safetensors", &["no table is known by its name"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let place = Place::with_model();
    fs::create_dir(place.path("folder")).unwrap();
    for to in ["train skip-gram text.txt -q -o", "convert m.safetensors"] {
        place.fails(&format!("{to} nowhere/m.safetensors"), &["nowhere/m.safetensors: "]);
        place.fails(&format!("{to} folder"), &["folder: ", "directory"]);
    }
    place.fails("train skip-gram text.txt -q -o text.txt", &["text.txt: ", "input"]);
    place.fails("train skip-gram text.txt -q -o m --save-vocab text.txt", &["text.txt: ", "input"]);
    place.fails("train skip-gram text.txt -q -o m --save-vocab nowhere/v", &["nowhere/v: "]);
    place.fails("train skip-gram text.txt -q -o m --save-vocab ./m", &["./m: ", "two names"]);
    place.write("words", "sea1\nsea2\n");
    place.fails("train skip-gram text.txt -q --vocab words -o words", &["words: ", "input"]);
    place.fails("demo -o nowhere/m", &["nowhere/m: "]);
}

/// A file replaces another one by renaming, which would remove a device.
#[cfg(unix)]
#[test]
fn devices_are_neither_replaced_nor_read_as_models() {
    let place = Place::with_model();
    // The test uses a link, so that a run that fails as root does not remove the device itself.
    std::os::unix::fs::symlink("/dev/null", place.path("null")).unwrap();
    place.fails("convert m.safetensors null", &["null: ", "device"]);
    place.fails("train skip-gram text.txt -q -o null", &["null: ", "device"]);
    place.fails("info null", &["null: ", "device"]);
    assert!(fs::symlink_metadata(place.path("null")).unwrap().is_symlink());
}

#[test]
fn vectors_go_to_other_programs() {
    let place = Place::with_royals();
    place.run("convert m.vec m.npy").good();
    assert_eq!(place.text("m.words.txt").lines().next(), Some("man"));
    place.run("import m.npy --names m.words.txt -o again.vec").good();
    assert_eq!(place.text("again.vec"), place.text("m.vec"));
    place.run("convert m.vec m.tsv --top 2").good();
    assert_eq!(place.text("m.metadata.tsv"), "man\nwoman\n");
    assert_eq!(place.text("m.tsv").lines().next(), Some("1\t0\t0\t0\t0"));
    place.run("convert m.vec m.fifu").good();
    assert_eq!(place.run("vector m.fifu man").printed(), place.run("vector m.vec man").printed());
    place.run("convert m.vec folder --to static").good();
    place.run("convert m.vec folder --to static").good();
    assert_eq!(
        place.run("similar folder man -k 1").printed(),
        place.run("similar m.vec man -k 1").printed()
    );
    place.run("convert m.vec m.safetensors --dtype i8 --normalize").good();
    let cosine = place.run("similarity m.safetensors man king").printed();
    assert!(cosine.starts_with("0.70") || cosine.starts_with("0.71"), "{cosine}");
    place.fails("convert m.vec n.vec --dtype f16", &["n.vec: ", "--dtype"]);
    place.fails("convert m.vec n.npy.gz", &["n.npy.gz: ", "not packed"]);
    let said = place.run("convert m.vec m.floret --buckets 999").good().err.clone();
    assert!(said.contains("999 rows have a cosine of 0.9") || said.contains("of 1.000"), "{said}");
    let table = place.text("m.floret");
    assert_eq!(table.lines().next(), Some("999 5 3 5 2 2166136261 < >"));
    assert_eq!(table.lines().count(), 1000);
    assert!(table.lines().skip(1).enumerate().all(|(row, line)| {
        line.split(' ').count() == 6 && line.starts_with(&format!("{row} "))
    }));
    place.fails("convert m.vec n.floret --buckets 4000000000", &["m.vec", "--buckets", "10000000"]);
    place.fails("convert m.vec n.ftz --buckets 3", &["m.vec", "no n-grams"]);
    place.misuses("train cbow m.vec -o n.npy --to npy", &["--to"]);
    assert!(!place.has("n.npy") && !place.has("n.words.txt"));
}

#[test]
fn models_are_floats_unless_they_are_asked_for_in_another_width() {
    let place = Place::with_model();
    let width = |name: &str| {
        let file = place.read(name);
        let header = String::from_utf8_lossy(&file[8..2000.min(file.len())]).into_owned();
        let input = header.split_once("\"input\":{\"dtype\":\"").unwrap().1;
        input.split('"').next().unwrap().to_string()
    };
    assert_eq!(width("m.safetensors"), "F32");
    for (dtype, written) in [("f16", "F16"), ("i8", "I8"), ("f32", "F32")] {
        place.run(&format!("convert m.safetensors n.safetensors --dtype {dtype}")).good();
        assert_eq!(width("n.safetensors"), written);
        // It stays as it is until something else is asked for.
        place.run("convert n.safetensors o.safetensors").good();
        assert_eq!(
            (width("o.safetensors"), place.read("o.safetensors")),
            (written.into(), place.read("n.safetensors"))
        );
    }
}
