//! What users bring: names, links, words and texts that a program may stumble over.

use std::fs;

use crate::common::{Place, QUICK};

#[test]
fn no_output_may_be_an_input_or_another_output() {
    let place = Place::with_model();
    place.write("set.txt", "sea1 sea2 5\nsea1 hill1 1\n");
    place.write("words", "sea1\nsea2\n");
    place.run("cooccur text.txt -o c -q").good();
    let cases = [
        "train skip-gram text.txt -q -o text.txt",
        "train skip-gram text.txt -q -o m --save-vocab text.txt",
        "train skip-gram text.txt -q --vocab words -o words",
        "train glove --cooccur c -q -o c",
        "train glove text.txt -q -o m --save-vocab ./m",
        "train --recipe m.safetensors text.txt -q -o m.safetensors",
        "cooccur text.txt -q -o text.txt",
        "cooccur text.txt -q -o c --save-vocab c",
        "compare m.safetensors m.safetensors --sets set.txt --report set.txt",
        "compare m.safetensors m.safetensors --sets set.txt --report ./m.safetensors",
        "compare text.txt --methods cbow --sets set.txt --report text.txt",
        "compare text.txt --methods cbow --sets set.txt --vocab words --report words",
    ];
    for line in cases {
        place.fails(line, &["give"]);
    }
    fs::create_dir(place.path("sets")).unwrap();
    fs::copy(place.path("set.txt"), place.path("sets/set.txt")).unwrap();
    place.fails(
        "compare m.safetensors m.safetensors --sets sets --report sets/set.txt",
        &["is an input too"],
    );
}

#[test]
fn what_is_written_has_a_name_that_says_what_it_is() {
    let place = Place::with_model();
    place.fails("train skip-gram text.txt -q -o m.model", &[".model stands for no format", "--to"]);
    place.fails("convert m.safetensors m.pkl", &[".pkl stands for no format", ".bin, "]);
    place.fails("convert m.safetensors -", &["standard output"]);
    place.run("convert m.safetensors m.vec.gz").good();
    place.run("convert m.vec.gz n.vec").good();
    place.run("convert m.safetensors o.vec").good();
    assert_eq!(place.read("n.vec"), place.read("o.vec"));
    place.write("set.txt", "sea1 sea2 5\nsea1 hill1 1\nsea3 sea4 4\n");
    assert!(place.run("eval m.vec.gz set.txt --draws 100").printed().contains("Spearman"));
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_work() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::with_text(500);
    let name = |bytes: &[u8]| place.path("").join(std::ffi::OsStr::from_bytes(bytes));
    fs::rename(place.path("text.txt"), name(b"caf\xe9.txt")).unwrap();
    let mut train = place.wordloom("train skip-gram --json -q");
    train.args(QUICK.split(' ')).arg(name(b"caf\xe9.txt")).arg("-o").arg(name(b"out\xff.st"));
    let ran = train.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert!(told["model"].as_str().unwrap().ends_with("out\u{fffd}.st"));
    // The recipe in the model finds the text again.
    let mut again = place.wordloom("train -q -o again.st --recipe");
    assert!(again.arg(name(b"out\xff.st")).status().unwrap().success());
    let info = place.run("info again.st").printed();
    assert!(info.contains("caf\u{fffd}.txt"), "{info}");
    place.write("set.txt", "sea1 sea2 5\nsea1 hill1 1\nsea3 sea4 4\n");
    let mut compare = place.wordloom(&format!(
        "compare --methods cbow,skip-gram --runs 1 --no-curves --sets set.txt --draws 100 {}",
        "--dim 4 --epochs 1 --threads 1"
    ));
    let ran = compare.arg(name(b"caf\xe9.txt")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[cfg(unix)]
#[test]
fn links_stay_links() {
    let place = Place::with_model();
    place.write("far/target.vec", "old");
    std::os::unix::fs::symlink("far/target.vec", place.path("link.vec")).unwrap();
    place.run("convert m.safetensors link.vec").good();
    assert!(place.path("link.vec").is_symlink());
    assert!(place.text("far/target.vec").starts_with("40 10\n"));
    let before = place.everything();
    let out = fs::File::create(place.path("out")).unwrap();
    let ran = place.wordloom("convert m.safetensors /dev/stdout --to text").stdout(out).status();
    assert_eq!(ran.unwrap().code(), Some(1));
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());
    assert_eq!(place.everything().len(), before.len() + 1);
}

#[test]
fn a_text_that_changed_is_read_again_whatever_its_time() {
    let place = Place::new();
    place.write("t.txt", "one two one two three\n".repeat(50));
    let time = fs::metadata(place.path("t.txt")).unwrap().modified().unwrap();
    let first = place.vocabulary("t.txt").0;
    place.write("t.txt", "six two six two eight\n".repeat(50));
    let file = fs::File::options().write(true).open(place.path("t.txt")).unwrap();
    file.set_modified(time).unwrap();
    drop(file);
    let second = place.vocabulary("t.txt").0;
    assert!(first.contains("one") && second.contains("six") && !second.contains("one"), "{second}");
}

#[test]
fn a_damaged_corpus_in_the_cache_is_made_anew() {
    let place = Place::with_text(500);
    let train = format!("train skip-gram text.txt -o m.vec {QUICK}");
    place.run(&train).good();
    let first = place.text("m.vec");
    let corpus = fs::read_dir(place.cache()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&corpus).unwrap();
    bytes[1000..1064].fill(0);
    fs::write(&corpus, bytes).unwrap();
    let again = place.run(&train).good();
    assert!(again.err.contains("read: ") && !again.err.contains("known from"), "{}", again.err);
    assert_eq!(place.text("m.vec"), first);
}

#[test]
fn marks_and_wide_spaces_are_no_part_of_words() {
    let place = Place::new();
    place.write(
        "t.txt",
        "\u{feff}the cat\u{a0}sat\u{3000}the\u{2028}cat\u{85}sat\u{200b}the\r\n".repeat(3),
    );
    let (words, _) = place.vocabulary("t.txt --min-count 1");
    assert_eq!(words, "the 9\ncat 6\nsat 6\n");
    place.write("v.txt", "\u{feff}cat 1\nsat 1\n");
    let (words, _) = place.vocabulary("t.txt --vocab v.txt");
    assert_eq!(words, "cat 6\nsat 6\n");
    place.write("m.vec", "\u{feff}2 2\ncat 1 0\nsat 0 1\n");
    let answers = place.ask("similar m.vec -k 1", "\u{feff}cat\u{a0}\nsat\n").printed();
    assert_eq!(answers, "cat\tsat\t0.0000\nsat\tcat\t0.0000\n");
}

#[test]
fn words_that_look_like_options_are_words() {
    let place = Place::new();
    place.write("m.vec", "4 2\n-17 1 0\n-18 1 1\n--json 0 1\n-k 1 0.5\n");
    assert_eq!(place.run("similarity m.vec -17 -18").printed(), "0.7071\n");
    assert!(place.run("vector m.vec -17").printed().starts_with("-17 1 0"));
    assert!(place.run("vector m.vec -- --json").printed().starts_with("--json 0 1"));
    assert_eq!(place.run("odd-one-out m.vec -17 -18 -- -k").printed().lines().count(), 4);
    place.write("n.vec", "3 2\nnew york 1 0\nyork 0 1\nnew 1 1\n");
    let answers = place.ask("vector n.vec", "new york\nnew\tyork\nnew york\tyork\n");
    assert_eq!(answers.out, "new york 1 0\n", "{}", answers.err);
    let similar = place.ask("similar n.vec -k 1", "new york\n").printed();
    assert_eq!(similar, "new york\tnew\t0.7071\n");
    assert_eq!(
        place.ask("similarity n.vec", "new york\tnew\n").printed(),
        "new york new\t0.7071\n"
    );
}

#[test]
fn nothing_that_a_file_holds_controls_the_terminal() {
    let place = Place::new();
    place.write("m.vec", "3 2\na\u{1b}]0;x\u{7} 1 0\nb\u{202e} 0.9 0.1\nc 0.8 0.3\n");
    for line in ["similar m.vec c -k 2", "similar m.vec c -k 2 --ensemble m.vec", "info m.vec"] {
        let ran = place.run(line);
        let shown = format!("{}{}", ran.out, ran.err);
        assert!(
            !shown.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'),
            "{shown:?}"
        );
    }
    let json = place.run("similar m.vec c -k 2 --json").json();
    assert_eq!(json["neighbours"][0]["word"], "b\u{202e}");
    place.write("\u{1b}[2J.txt", "a b\n");
    let ran = place.run("similar missing\u{1b}[2J c");
    assert!(!ran.err.contains('\u{1b}'), "{:?}", ran.err);
    let long = "x".repeat(100_000);
    let ran = place.ask("similar m.vec", format!("{long}\n"));
    assert!(ran.err.len() < 2000, "{}", ran.err.len());
}

#[test]
fn small_texts_are_learnt_or_it_is_said_that_they_are_not() {
    let place = Place::with_text(150);
    let ran =
        place.run("train skip-gram text.txt -o m.vec --dim 10 --threads 1 --epochs 40").good();
    assert!(ran.err.contains("a small text") && !ran.err.contains("not sampled"), "{}", ran.err);
    let near = place.run("similar m.vec sea1 -k 5").printed();
    assert!(near.matches("  sea").count() >= 4, "{near}");
    let ran =
        place.run("train cbow text.txt -o m.vec --dim 10 --threads 1 --subsample 1e-6").good();
    assert!(
        ran.err.contains("times on average") && ran.err.contains("--subsample 0"),
        "{}",
        ran.err
    );
    place.write("lonely.txt", "one\ntwo\n".repeat(20));
    let ran = place.run("train skip-gram lonely.txt -q -o l.vec");
    ran.breaks_off(&["no two words occur near each other"]);
    assert!(!place.has("l.vec"));
    for option in ["--noise-exponent 1000", "--lr 1e-45"] {
        let name = option.split(' ').next().unwrap();
        place.fails(&format!("train skip-gram text.txt -q -o l.vec {option}"), &[name]);
    }
}

#[test]
fn intervals_are_possible_scores() {
    let place = Place::with_text(60);
    place.write("set.tsv", "sea1\tsea2\t9\nsea3\thill1\t2\nhill2\thill3\t8\nsea4\thill4\t1\n");
    place.write("unknown.tsv", "dog\tcat\t9\nsun\tmoon\t2\n");
    let line =
        "compare text.txt --methods skip-gram,cbow --runs 2 --no-curves --json --dim 4 --epochs 1";
    let all = place.run(&format!("{line} --sets set.tsv")).json();
    for method in all["sets"][0]["measures"][0]["methods"].as_array().unwrap() {
        for end in method["interval"].as_array().unwrap() {
            assert!(end.as_f64().unwrap().abs() <= 1.0, "{method}");
        }
    }
    let ran = place.run(&format!("{line} --sets unknown.tsv"));
    ran.breaks_off(&["unknown", "no item can be used"]);
}

#[test]
fn what_is_no_text_in_a_folder_is_left_out_and_named() {
    let place = Place::new();
    place.write("folder/a.txt", "one two one two\n".repeat(20));
    place.write("folder/b.bin", b"\x89PNG\0\0\0\rIHDR");
    place.write("folder/sub/c.txt", "two three two three\n".repeat(20));
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", place.path("folder/sub/up")).unwrap();
    for _ in 0..2 {
        let ran = place.run("train skip-gram folder -q --dry-run --json").good();
        assert!(ran.err.contains("left out: folder/b.bin: binary data"), "{}", ran.err);
        assert_eq!(ran.json()["corpus"]["words_read"], 160, "each text once");
    }
    place.fails("train skip-gram folder -o m.vec -q --strict", &["folder/b.bin"]);
    place.fails("train skip-gram folder/a.txt folder/b.bin -o m.vec -q", &["folder/b.bin"]);
    let mut tar = vec![b'x'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    place.write("t.tar.gz", crate::common::gzip(tar));
    place.fails("train skip-gram t.tar.gz -o m.vec -q", &["t.tar.gz", "tar -xOf"]);
}

#[test]
fn words_in_another_case_and_scripts_without_spaces_are_told() {
    let place = Place::new();
    place.write("m.vec", "3 2\nHaus 1 0\nBaum 0 1\nHund 1 1\n");
    place.write("set.txt", "haus baum 3\nhund haus 2\nbaum hund 1\n");
    let ran = place.run("eval m.vec set.txt --draws 100");
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("'Haus' where the set has 'haus'"), "{}", ran.err);
    place.write("zh.txt", "我喜欢猫 and 我喜欢狗\n".repeat(20));
    let ran = place.run("train cbow zh.txt --unicode-words -q --dry-run").good();
    assert!(ran.err.contains("segment such text first"), "{}", ran.err);
    let ran = place.run("train cbow zh.txt -q --dry-run").good();
    assert!(!ran.err.contains("segment"), "{}", ran.err);
}
