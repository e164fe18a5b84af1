//! How fast co-occurrences are counted and trained on.
//!
//! `cargo bench --bench glove -- CORPUS [DIM] [ROUNDS] [THREADS] [EPOCHS]`
//!
//! Each round counts, which ends with the counts in the order of training, then trains.
#![allow(missing_docs)]

use std::path::Path;
use std::time::Instant;

use wordloom::Progress;
use wordloom::cooccur::{CountsAbout, Pairs, Source, Windows};
use wordloom::corpus::{TextOptions, encode};
use wordloom::train::{Course, GloveConfig, train_glove};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(path) = arguments.first() else {
        println!(
            "name a corpus: cargo bench --bench glove -- CORPUS [DIM] [ROUNDS] [THREADS] [EPOCHS]"
        );
        return;
    };
    let number = |at: usize, default: usize| {
        arguments.get(at).map_or(default, |n| n.parse().expect("a number"))
    };
    let (dim, rounds, threads, epochs) = (number(1, 100), number(2, 5), number(3, 2), number(4, 1));
    let options = TextOptions { inputs: vec![path.into()], ..TextOptions::default() };
    let folder = std::env::temp_dir();
    let encoded = folder.join(format!("wordloom-bench-{}.corpus", std::process::id()));
    let corpus =
        encode(&options, Path::new(&encoded), &Progress::default()).expect("a readable corpus");
    let config = GloveConfig { dim, epochs, threads: Some(threads), ..GloveConfig::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    println!("dim {dim}, {threads} threads: s to count, s an epoch, M pairs/s");
    let (mut counted, mut trained) = (Vec::new(), Vec::new());
    pool.install(|| {
        for _ in 0..rounds {
            let begin = Instant::now();
            let source = Source::text(&corpus, &Windows::default()).expect("a sound corpus");
            let partition = config.partition(corpus.vocab.len());
            let pairs = Pairs::new(&source, partition, 4 << 30, &folder, &Progress::default())
                .expect("pairs");
            counted.push(begin.elapsed().as_secs_f64());
            let about = CountsAbout::of(&corpus, &Windows::default(), options.describe());
            let progress = Progress::default();
            let model =
                train_glove(&pairs, &corpus.vocab, &about, &config, &Course::default(), &progress)
                    .expect("training");
            trained.push(model.provenance.seconds / epochs as f64);
            let (count, epoch) = (counted[counted.len() - 1], trained[trained.len() - 1]);
            println!(
                "{count:8.2} {epoch:8.2} {:8.1} of {}",
                pairs.len() as f64 / epoch / 1e6,
                pairs.len()
            );
        }
    });
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "median {:.2} s to count, {:.2} s an epoch",
        median(&mut counted),
        median(&mut trained)
    );
    let _ = std::fs::remove_file(encoded);
}
