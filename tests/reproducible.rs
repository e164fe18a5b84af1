//! The same seed gives the same model file, whatever the number of threads.
#![allow(missing_docs)]

#[expect(dead_code, reason = "this file uses a part of it")]
mod common;

use self::common::Place;

/// The model file that a training writes.
fn model(place: &Place, line: &str) -> Vec<u8> {
    place.run(&format!("{line} -o m.safetensors --dim 20 --epochs 2")).printed();
    place.read("m.safetensors")
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let place = Place::with_text(4000);
    for method in [
        "skip-gram",
        "cbow",
        "skip-gram --subwords 3..5",
        "cbow --subwords 3..5",
        "cbow --position-weights",
        "pv-dbow",
        "pv-dbow --words",
        "pv-dm",
        "glove",
    ] {
        let train = |options: &str| {
            model(&place, &format!("train {method} text.txt --reproducible {options}"))
        };
        let one = train("--threads 1");
        for threads in [2, 5, 8] {
            assert!(train(&format!("--threads {threads}")) == one, "{method}, {threads} threads");
        }
        assert!(train("--threads 2 --seed 2") != one, "{method}");
    }
}

#[test]
fn the_level_of_instructions_is_chosen_and_recorded() {
    let place = Place::with_text(600);
    let level = if cfg!(target_arch = "x86_64") { "sse2" } else { "neon" };
    let line = format!("train cbow text.txt --reproducible --simd {level}");
    assert_eq!(model(&place, &line), model(&place, &line));
    let info = place.run("info m.safetensors --json").json();
    assert_eq!(info["provenance"]["simd"], level);
    let other = if cfg!(target_arch = "x86_64") { "neon" } else { "sse2" };
    place.fails(
        &format!("train cbow text.txt -o n.vec --simd {other}"),
        &["--simd", "this processor has"],
    );
}
