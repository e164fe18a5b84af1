//! How fast training is, beside what the processor could do in the same minutes.
//!
//! `cargo bench --bench training -- CORPUS [skip-gram|cbow] [DIM] [ROUNDS] [THREADS]`
//!
//! Each round measures the peak of the multiply-add units, trains one epoch, and measures the peak
//! again. A kept token of skip-gram costs 6 pairs of words on average (window 5) x 6 targets x 6
//! dim floating-point operations.
#![allow(missing_docs)]

use std::path::Path;
use std::time::Instant;

use fearless_simd::{Level, Simd, dispatch, prelude::*};
use wordloom::Progress;
use wordloom::corpus::{TextOptions, encode};
use wordloom::train::{Recipe, WindowConfig, train};

/// Multiply-adds on registers alone, in 10^9 floating-point operations a second.
#[inline(always)]
fn peak<S: Simd>(simd: S) -> f64 {
    const CHAINS: usize = 12;
    const STEPS: usize = 10_000_000;
    let begin = Instant::now();
    let sum = simd.vectorize(
        #[inline(always)]
        || {
            let (a, b) = std::hint::black_box((0.999, 0.001));
            let (a, b) = (S::f32s::splat(simd, a), S::f32s::splat(simd, b));
            let mut chains = [S::f32s::splat(simd, std::hint::black_box(1.0)); CHAINS];
            for _ in 0..STEPS {
                for chain in &mut chains {
                    *chain = chain.mul_add(a, b);
                }
            }
            let mut sum = S::f32s::splat(simd, 0.0);
            for chain in chains {
                sum += chain;
            }
            sum.as_slice().iter().sum::<f32>()
        },
    );
    std::hint::black_box(sum);
    (2 * CHAINS * STEPS * S::f32s::LEN) as f64 / begin.elapsed().as_secs_f64() / 1e9
}

fn peak_of(threads: usize) -> f64 {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| dispatch!(Level::new(), simd => peak(simd))))
            .collect();
        all.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let Some(path) = arguments.first() else {
        println!(
            "name a corpus: cargo bench --bench training -- CORPUS [skip-gram|cbow] [DIM] [ROUNDS] [THREADS]"
        );
        return;
    };
    let cbow = arguments.get(1).is_some_and(|method| method == "cbow");
    let number = |at: usize, default: usize| {
        arguments.get(at).map_or(default, |n| n.parse().expect("a number"))
    };
    let (dim, rounds, threads) = (number(2, 100), number(3, 5), number(4, 2));
    let options = TextOptions { inputs: vec![path.into()], ..TextOptions::default() };
    let encoded =
        std::env::temp_dir().join(format!("wordloom-bench-{}.corpus", std::process::id()));
    let begin = Instant::now();
    let corpus =
        encode(&options, Path::new(&encoded), &Progress::default()).expect("a readable corpus");
    println!(
        "counted and encoded {} words in {:.2} s",
        corpus.facts.words_read,
        begin.elapsed().as_secs_f64()
    );
    let config = WindowConfig { dim, epochs: 1, threads: Some(threads), ..WindowConfig::default() };
    let subsample = config.subsample_for(corpus.facts.tokens);
    let recipe = if cbow { Recipe::Cbow(config) } else { Recipe::SkipGram(config) };
    let words = corpus.facts.words_read as f64;
    let keep = |count: u64| {
        let f = count as f64 / corpus.facts.tokens as f64;
        count as f64 * ((subsample / f).sqrt() + subsample / f).min(1.0)
    };
    let kept: f64 = corpus.vocab.counts.iter().map(|&count| keep(count)).sum();
    let flop = kept * if cbow { 36.0 } else { 216.0 } * dim as f64;
    println!(
        "{}, dim {dim}, {threads} threads: M raw words/s, GFLOP/s, peak GFLOP/s, share",
        recipe.method()
    );
    let mut speeds = Vec::new();
    let mut shares = Vec::new();
    for _ in 0..rounds {
        let before = peak_of(threads);
        let model = train(&corpus, &recipe, &Progress::default()).expect("training");
        let peak = before.midpoint(peak_of(threads));
        let speed = words / model.provenance.seconds / 1e6;
        let rate = flop / model.provenance.seconds / 1e9;
        println!("{speed:8.2} {rate:8.1} {peak:8.1} {:7.1} %", 100.0 * rate / peak);
        speeds.push(speed);
        shares.push(100.0 * rate / peak);
    }
    let median = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "median {:.2} M raw words/s, {:.1} % of the peak",
        median(&mut speeds),
        median(&mut shares)
    );
    let _ = std::fs::remove_file(encoded);
}
