//! Runs that are cut off: by a signal, by a reader that goes away, by a disk that is full.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{Place, Ran, interrupt, skip};

#[cfg(unix)]
#[test]
fn an_interrupted_training_leaves_nothing() {
    for how in ["", "--no-cache"] {
        let nothing = "nothing was written";
        let place = Place::with_text(2000);
        let slow = "--dim 100 --epochs 9999 --threads 2 --subsample 0 --negative 50";
        let line =
            format!("train skip-gram text.txt -o m.safetensors {slow} {how} --checkpoint none");
        place.interrupted(&line, "epoch 1 of 9999", nothing, || ());
        // With a cache, the corpus that was encoded whole is kept for the next time.
        let left = if how.is_empty() { place.all_but_corpora() } else { place.everything() };
        assert_eq!(left.into_keys().collect::<Vec<PathBuf>>(), [place.path("text.txt")]);
    }
}

/// A command that waits for input can still be interrupted.
#[cfg(unix)]
#[test]
fn an_interrupted_wait_for_input_leaves_nothing() {
    let place = Place::new();
    let mut child = place.wordloom("train cbow - -o m").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"some words, and more to come").unwrap();
    // The file that the words are spooled to shows that reading has begun.
    let begin = Instant::now();
    while fs::read_dir(place.cache()).unwrap().count() == 0 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    interrupt(&child);
    let ran = Ran::of("train cbow -", child.wait_with_output().unwrap());
    drop(stdin);
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    assert_eq!(ran.err, "wordloom: stopped; nothing was written\n");
    assert_eq!(place.everything(), BTreeMap::new());
}

#[test]
fn whoever_reads_may_stop_early() {
    let place = Place::with_royals();
    let mut child = place.wordloom("vector m.vec").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let asking = std::thread::spawn(move || stdin.write_all("king\n".repeat(200_000).as_bytes()));
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ran = Ran::of("vector m.vec", child.wait_with_output().unwrap());
    let _ = asking.join().unwrap();
    assert_eq!(first, "king 1 0 1 0 0\n");
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
}

/// A limit on the size of files stands in for a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let place = Place::with_model();
    place.write("kept.vec", "what was there\n");
    let program = env!("CARGO_BIN_EXE_wordloom");
    let limited = |line: &str, names: &str| {
        let before = place.everything();
        let script = format!("trap '' XFSZ; ulimit -f 4; exec {program} {line}");
        let output = place.command("sh").args(["-c", &script]).output().unwrap();
        Ran::of(line, output).breaks_off(&[names]);
        assert_eq!(place.everything(), before, "{line}");
    };
    limited("convert m.safetensors kept.vec", "kept.vec: ");
    limited(
        "train skip-gram text.txt -q -o big.safetensors --dim 300 --epochs 1",
        "big.safetensors: ",
    );
    // In this case there is no room for the encoded corpus.
    limited("train skip-gram text.txt -q --no-cache -o m.safetensors", "corpus: ");
    if Path::new("/dev/full").exists() {
        for line in
            ["vector m.safetensors sea1", "info m.safetensors", "train cbow text.txt -q --dry-run"]
        {
            let full = fs::File::options().write(true).open("/dev/full").unwrap();
            Ran::of(line, place.wordloom(line).stdout(full).output().unwrap()).fails(&[]);
        }
    } else {
        skip("there is no /dev/full");
    }
}

/// Sends a signal to a process alone.
#[cfg(unix)]
fn signal(child: &std::process::Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// The trainings that run in the folder of `place`.
#[cfg(target_os = "linux")]
fn trainings(place: &Place) -> usize {
    let here = |entry: &fs::DirEntry| {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let folder = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        folder == place.path("").canonicalize().unwrap()
            && command.windows(10).any(|part| part == b"--attended")
    };
    fs::read_dir("/proc").unwrap().flatten().filter(here).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_comparison_takes_its_trainings_with_it() {
    for name in ["TERM", "INT", "KILL"] {
        let place = Place::with_text(3000);
        place.write("set.txt", "sea1 sea2 5\nsea1 hill1 1\n");
        let line = "compare text.txt --methods cbow,skip-gram --runs 1 --no-curves --sets set.txt \
                    --epochs 9999";
        let mut child = place.wordloom(line).spawn().unwrap();
        let begin = Instant::now();
        while trainings(&place) == 0 && begin.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(trainings(&place), 1, "{name}");
        signal(&child, name);
        let code = child.wait().unwrap().code();
        assert_eq!(
            code,
            [("TERM", 143), ("INT", 130)].into_iter().find(|n| n.0 == name).map(|n| n.1)
        );
        let begin = Instant::now();
        while trainings(&place) > 0 && begin.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(trainings(&place), 0, "{name}: an orphan");
        let left = fs::read_dir(place.path("compared")).unwrap().count();
        assert_eq!(left, 0, "{name}: nothing half done");
    }
}

/// A run that was started to ignore a signal goes on when the signal comes.
#[cfg(target_os = "linux")]
#[test]
fn signals_that_are_ignored_from_the_start_stay_ignored() {
    let place = Place::with_text(2000);
    let line = format!(
        "trap '' HUP; exec {} train skip-gram text.txt -o m.vec --epochs 40 --dim 50",
        env!("CARGO_BIN_EXE_wordloom")
    );
    let mut child = place.command("sh").args(["-c", &line]).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("epoch 1 of") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    signal(&child, "HUP");
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(place.has("m.vec"));
}

#[cfg(unix)]
#[test]
fn what_a_killed_run_left_is_gone_after_the_next() {
    let place = Place::with_text(3000);
    let line = "train skip-gram text.txt -o m.vec --dim 10 --threads 1 --epochs 2 -q";
    place.write(".m.vec.0123456789abcdef.tmp", "left");
    place.write(".m.vec.4711-0.tmp", "left by an earlier version");
    place.write(".m.vec.checkpoint.0123456789abcdef.tmp", "left of a checkpoint");
    fs::write(place.cache().join(".0123456789abcdef.spool.0123456789abcdef.tmp"), "left").unwrap();
    place.run(line).good();
    let left: Vec<PathBuf> = place.everything().into_keys().collect();
    assert!(!left.iter().any(|path| path.extension().is_some_and(|e| e == "tmp")), "{left:?}");
}
