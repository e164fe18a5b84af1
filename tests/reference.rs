//! The trainer against a reference: word2vec's updates written out in the plainest way, in f64, on the same windows.
//!
//! A vocabulary of one word leaves no noise, so that every number can be followed.
#![allow(missing_docs)]

use std::path::Path;

use wordloom::corpus::{Corpus, CorpusWriter, Facts};
use wordloom::train::{CbowGradient, Config, Method, Progress, train};
use wordloom::vocab::Vocab;

const DIM: usize = 6;

fn corpus(folder: &Path, sentences: &[&[u32]], words: usize) -> Corpus {
    let mut counts = vec![0u64; words];
    let mut writer = CorpusWriter::new(&folder.join("c.corpus")).unwrap();
    for sentence in sentences {
        sentence.iter().for_each(|&word| counts[word as usize] += 1);
        writer.tokens(sentence).unwrap();
        writer.end_sentence();
    }
    let names: Vec<String> = (0..words).map(|word| format!("w{word}")).collect();
    writer.finish(&Vocab::new(&names, counts), Facts::default()).unwrap()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Trains on sentences of the only word of a vocabulary. All noise hits the target and is left out, so only true pairs
/// are learnt. What is not word2vec's is when the target's row moves: the next centre's copy is fetched just before this
/// centre's is corrected, and a copy goes back, as a difference, two centres later.
fn reference(
    mut input: Vec<f64>,
    sentences: &[&[u32]],
    window: usize,
    rates: &[f64],
    corrected: Option<bool>,
) -> (Vec<f64>, Vec<f64>) {
    let mut shared = vec![0.0; DIM];
    let mut rates = rates.iter();
    for sentence in sentences {
        let mut copies = [shared.clone(), shared.clone()];
        let mut fetched = copies.clone();
        for centre in 0..sentence.len() {
            let rate = *rates.next().unwrap();
            let n = (centre.saturating_sub(window)..sentence.len().min(centre + window + 1)).len() - 1;
            let (this, next) = (centre % 2, (centre + 1) % 2);
            let g = rate * (1.0 - sigmoid(dot(&input, &copies[this])));
            if centre + 1 < sentence.len() {
                for c in 0..DIM {
                    // The first time there is nothing to put back: the difference is nought.
                    shared[c] += copies[next][c] - fetched[next][c];
                }
                copies[next].clone_from(&shared);
                fetched[next].clone_from(&shared);
            }
            let before_out = copies[this].clone();
            match corrected {
                // A row that is named n times is updated n times, and the target by the row as it then is.
                None => {
                    for _ in 0..n {
                        for c in 0..DIM {
                            copies[this][c] += g * input[c];
                            input[c] += g * before_out[c];
                        }
                    }
                }
                // The mean of n times the same row is the row.
                Some(corrected) => {
                    let share = if corrected { 1.0 } else { n as f64 };
                    for c in 0..DIM {
                        copies[this][c] += g * input[c];
                        input[c] += share * g * before_out[c];
                    }
                }
            }
        }
        for (copy, fetched) in copies.iter().zip(&fetched) {
            for c in 0..DIM {
                shared[c] += copy[c] - fetched[c];
            }
        }
    }
    (input, shared)
}

#[test]
fn a_training_follows_the_formulas_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let sentences: [&[u32]; 3] = [&[0; 7], &[0; 2], &[0; 5]];
    let corpus = corpus(folder.path(), &sentences, 1);
    let tokens = 14;
    for (method, cbow, gradient) in [
        (Method::SkipGram, None, CbowGradient::Undivided),
        (Method::Cbow, Some(false), CbowGradient::Undivided),
        (Method::Cbow, Some(true), CbowGradient::Corrected),
    ] {
        let config = Config {
            dim: DIM,
            window: 2,
            fixed_window: true,
            subsample: 0.0,
            epochs: 1,
            lr: Some(0.5),
            threads: Some(1),
            cbow_gradient: gradient,
            ..Config::default()
        };
        let model = train(&corpus, method, &config, &Progress::default()).unwrap();
        // The rows that training began with are those of a training at a rate of nought, nearly.
        let still = Config { lr: Some(1e-30), ..config.clone() };
        let begin = train(&corpus, method, &still, &Progress::default()).unwrap();
        let begin: Vec<f64> = begin.input().iter().map(|&x| f64::from(x)).collect();
        let last = 0.5e-4;
        let rates: Vec<f64> =
            (0..tokens).map(|t| 0.5 + (last - 0.5) * f64::from(t) / f64::from(tokens)).collect();
        let (input, output) = reference(begin, &sentences, 2, &rates, cbow);
        for c in 0..DIM {
            let (got_in, got_out) = (f64::from(model.input()[c]), f64::from(model.output().unwrap()[c]));
            assert!((got_in - input[c]).abs() < 1e-5, "{method} input {c}: {got_in}, not {}", input[c]);
            assert!((got_out - output[c]).abs() < 1e-5, "{method} output {c}: {got_out}, not {}", output[c]);
        }
    }
}
