//! The fast trainer against two references in f64: a plain trainer, which learns from other random
//! numbers and so must reach the same loss, and the formulas step by step, for a vocabulary of one
//! word. One word leaves no noise, so that every coordinate can be followed.
#![allow(missing_docs)]

#[path = "../common/corpus.rs"]
mod corpus;
mod plain;
#[expect(dead_code, reason = "this file uses a part of it")]
#[path = "../common/topics.rs"]
mod topics;

use wordloom::corpus::{CorpusWriter, Facts};
use wordloom::train::{CbowGradient, Precision, Recipe, WindowConfig, train};
use wordloom::{Progress, Vocab};

const DIM: usize = 6;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Trains on sentences of the only word of a vocabulary. All noise hits the target and is left out,
/// so only true pairs are learnt. The trainer differs from word2vec in the moment at which the
/// target's row moves: the next centre's copy is fetched just before this centre's is corrected,
/// and a copy goes back, as a difference, two centres later.
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
            let n =
                (centre.saturating_sub(window)..sentence.len().min(centre + window + 1)).len() - 1;
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
                // A row that is named n times is updated n times, and the target by the row as it
                // then is.
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
    let corpus = corpus::write(&folder.path().join("c.corpus"), &["w0"], sentences);
    let tokens = 14;
    // Half precision rounds each of some ten changes to 11 bits.
    let (f32, f16) = ((Precision::F32, 1e-5), (Precision::F16, 2e-3));
    for (method, cbow, gradient, (rows, error)) in [
        (Recipe::SkipGram as fn(WindowConfig) -> Recipe, None, CbowGradient::Undivided, f32),
        (Recipe::Cbow, Some(false), CbowGradient::Undivided, f32),
        (Recipe::Cbow, Some(true), CbowGradient::Corrected, f32),
        (Recipe::SkipGram, None, CbowGradient::Undivided, f16),
        (Recipe::Cbow, Some(false), CbowGradient::Undivided, f16),
    ] {
        let config = WindowConfig {
            dim: DIM,
            window: 2,
            fixed_window: true,
            subsample: Some(0.0),
            epochs: 1,
            lr: Some(0.5),
            threads: Some(1),
            cbow_gradient: gradient,
            rows,
            ..WindowConfig::default()
        };
        let name = method(config.clone()).method();
        let model = train(&corpus, &method(config.clone()), &Progress::default()).unwrap();
        // The rows that training began with are those of a training at a rate of nought, nearly.
        let still = WindowConfig { lr: Some(1e-30), ..config.clone() };
        let begin = train(&corpus, &method(still), &Progress::default()).unwrap();
        let begin: Vec<f64> = begin.input().iter().map(|&x| f64::from(x)).collect();
        let last = 0.5e-4;
        let rates: Vec<f64> =
            (0..tokens).map(|t| 0.5 + (last - 0.5) * f64::from(t) / f64::from(tokens)).collect();
        let (input, output) = reference(begin, &sentences, 2, &rates, cbow);
        for c in 0..DIM {
            let (got_in, got_out) =
                (f64::from(model.input()[c]), f64::from(model.output().unwrap()[c]));
            assert!(
                (got_in - input[c]).abs() < error,
                "{name} input {c}: {got_in}, not {}",
                input[c]
            );
            assert!(
                (got_out - output[c]).abs() < error,
                "{name} output {c}: {got_out}, not {}",
                output[c]
            );
        }
    }
}

const TAGS: usize = 2;

/// PV-DBOW of a document of the only word: the rows of its tags, and the word's output row.
fn bag(mut tags: Vec<Vec<f64>>, length: usize, rates: &[f64]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut output = vec![0.0; DIM];
    // All tags predict the word at once, and then correct its row in turn. The rate falls with each
    // tag's word.
    for step in 0..length {
        let rate = rates[step * tags.len()];
        let errors: Vec<f64> =
            tags.iter().map(|tag| rate * (1.0 - sigmoid(dot(tag, &output)))).collect();
        for (tag, g) in tags.iter_mut().zip(errors) {
            for c in 0..DIM {
                (tag[c], output[c]) = (tag[c] + g * output[c], output[c] + g * tag[c]);
            }
        }
    }
    (tags, output)
}

/// PV-DM of a document whose noise is always the last word: the input rows of words and of tags are
/// changed, and the output rows returned.
fn windows(
    (input, tags): (&mut [Vec<f64>], &mut [Vec<f64>]),
    words: &[u32],
    window: usize,
    rates: &[f64],
) -> Vec<Vec<f64>> {
    let mut output = vec![vec![0.0; DIM]; input.len()];
    let noise = output.len() - 1;
    for (centre, (&word, rate)) in words.iter().zip(rates).enumerate() {
        let around = centre.saturating_sub(window)..words.len().min(centre + window + 1);
        let around: Vec<usize> = around.filter(|&at| at != centre).collect();
        let n = (around.len() + tags.len()) as f64;
        let mut mean = vec![0.0; DIM];
        let rows = around.iter().map(|&at| &input[words[at] as usize]).chain(tags.iter());
        rows.for_each(|row| mean.iter_mut().zip(row).for_each(|(m, x)| *m += x / n));
        let before = mean.clone();
        let errors = [(noise, 0.0), (word as usize, 1.0)]
            .map(|(of, label)| (of, rate * (label - sigmoid(dot(&before, &output[of])))));
        for (of, g) in errors {
            for c in 0..DIM {
                (mean[c], output[of][c]) =
                    (mean[c] + g * output[of][c], output[of][c] + g * mean[c]);
            }
        }
        for at in around {
            for c in 0..DIM {
                input[words[at] as usize][c] += mean[c] - before[c];
            }
        }
        for tag in tags.iter_mut() {
            for c in 0..DIM {
                tag[c] += mean[c] - before[c];
            }
        }
    }
    output
}

/// Settings of a document: one epoch, and a rate that is as good as none with `still`.
fn document_config(window: usize, negative: usize, still: bool) -> WindowConfig {
    WindowConfig {
        dim: DIM,
        window,
        negative,
        fixed_window: true,
        subsample: Some(0.0),
        epochs: 1,
        lr: Some(if still { 1e-30 } else { 0.5 }),
        threads: Some(1),
        rows: Precision::F32,
        ..WindowConfig::default()
    }
}

/// Rates that fall in a line.
fn falling(steps: usize) -> Vec<f64> {
    (0..steps).map(|t| 0.5 + (0.5e-4 - 0.5) * t as f64 / steps as f64).collect()
}

fn wide(rows: &[f32]) -> Vec<Vec<f64>> {
    rows.chunks(DIM).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
}

fn close(name: &str, found: &[f32], right: &[Vec<f64>]) {
    for (row, (found, right)) in wide(found).iter().zip(right).enumerate() {
        let same = found.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(same, "{name} {row}: {found:?}, not {right:?}");
    }
}

#[test]
fn tags_that_predict_alone_follow_the_formulas_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let length = 9;
    let documents = [((0..TAGS as u32).collect(), vec![0; length])];
    let corpus =
        corpus::of_documents(&folder.path().join("c.corpus"), &["w0"], &["a", "b"], &documents);
    let [begin, model] = [true, false].map(|still| {
        let recipe = Recipe::PvDbow(document_config(2, 5, still));
        train(&corpus, &recipe, &Progress::default()).unwrap()
    });
    let tags = wide(begin.tags().unwrap().input());
    let (tags, output) = bag(tags, length, &falling(TAGS * length));
    close("tag", model.tags().unwrap().input(), &tags);
    close("output", model.output().unwrap(), std::slice::from_ref(&output));
    // A word has no input vector, and its output vector stands for it.
    close("word", model.input(), &[output]);
}

#[test]
fn tags_in_windows_follow_the_formulas_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    // Some words are among the most frequent, whose rows are handled apart; some are there again.
    let words = [200, 5, 201, 5, 200, 202, 203, 5, 5, 204, 200, 205, 5, 206, 6, 5, 207];
    let names: Vec<String> = (0..300).map(|word| format!("w{word}")).collect();
    let mut writer = CorpusWriter::new(&folder.path().join("c.corpus")).unwrap();
    writer.tokens(&words).unwrap();
    writer.end_tagged(&[0, 1]);
    writer.name_tags(Vocab::new(&["a", "b"], vec![1, 1]));
    // The last word is so frequent, as far as noise knows, that it alone is drawn.
    let counts = (0..300).map(|word| if word == 299 { 1_000_000 } else { 1 }).collect();
    let corpus = writer.finish(&Vocab::new(&names, counts), Facts::default()).unwrap();
    let [begin, model] = [true, false].map(|still| {
        let config = WindowConfig { noise_exponent: 4.0, ..document_config(2, 1, still) };
        train(&corpus, &Recipe::PvDm(config), &Progress::default()).unwrap()
    });
    let (mut input, mut tags) = (wide(begin.input()), wide(begin.tags().unwrap().input()));
    let output = windows((&mut input, &mut tags), &words, 2, &falling(words.len()));
    close("tag", model.tags().unwrap().input(), &tags);
    close("output", model.output().unwrap(), &output);
    close("input", model.input(), &input);
}

/// The mean loss of a pair of input and target over a whole text, windows drawn in every width and
/// noise drawn from all words: what both trainers minimise, without chance.
fn expected_loss(
    sentences: &[Vec<usize>],
    (input, output): &(plain::Vectors, plain::Vectors),
    of: &plain::Settings,
) -> f64 {
    let (mut sum, mut weights) = (0.0, 0.0);
    let words = output.len() as f64;
    for sentence in sentences {
        for (centre, &word) in sentence.iter().enumerate() {
            for width in 1..=of.window {
                let around = centre.saturating_sub(width)..sentence.len().min(centre + width + 1);
                let context: Vec<usize> =
                    around.filter(|&i| i != centre).map(|i| sentence[i]).collect();
                let groups: Vec<&[usize]> =
                    if of.cbow { vec![&context[..]] } else { context.chunks(1).collect() };
                for group in groups {
                    let mean = |c: usize| {
                        group.iter().map(|&w| input[w][c]).sum::<f64>() / group.len() as f64
                    };
                    let x: Vec<f64> = (0..of.dim).map(mean).collect();
                    let noise: f64 = (0..output.len())
                        .filter(|&other| other != word)
                        .map(|other| -sigmoid(-dot(&x, &output[other])).ln())
                        .sum();
                    sum +=
                        -sigmoid(dot(&x, &output[word])).ln() + of.negative as f64 * noise / words;
                    weights += 1.0 + of.negative as f64 * (words - 1.0) / words;
                }
            }
        }
    }
    sum / weights
}

#[test]
fn the_fast_trainer_reaches_the_loss_of_the_plain_one() {
    let folder = tempfile::tempdir().unwrap();
    let id = |(topic, number): (usize, u32)| topic + 2 * number as usize;
    let sentences: Vec<Vec<usize>> =
        topics::sentences(400, 10).map(|sentence| sentence.map(id).to_vec()).collect();
    let words = topics::words();
    let narrow = |sentence: &Vec<usize>| sentence.iter().map(|&id| id as u32).collect::<Vec<_>>();
    let corpus =
        corpus::write(&folder.path().join("c.corpus"), &words, sentences.iter().map(narrow));
    for (cbow, corrected, negative) in
        [(false, false, 5), (false, false, 1), (true, false, 5), (true, true, 5)]
    {
        let lr = if cbow { 0.1 } else { 0.05 };
        let of = plain::Settings { dim: 16, window: 3, negative, epochs: 4, lr, cbow, corrected };
        let config = WindowConfig {
            dim: of.dim,
            window: of.window,
            negative,
            epochs: of.epochs,
            lr: Some(lr as f32),
            // Words occur about alike often, as the plain trainer assumes.
            noise_exponent: 0.0,
            subsample: Some(0.0),
            threads: Some(1),
            cbow_gradient: if corrected {
                CbowGradient::Corrected
            } else {
                CbowGradient::Undivided
            },
            ..WindowConfig::default()
        };
        let recipe = if cbow { Recipe::Cbow(config) } else { Recipe::SkipGram(config) };
        let model = train(&corpus, &recipe, &Progress::default()).unwrap();
        // The corpus numbers words as they are given.
        let rows = |all: &[f32]| -> plain::Vectors {
            all.chunks(of.dim).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect()
        };
        let fast = (rows(model.input()), rows(model.output().unwrap()));
        let begin = (fast.0.clone(), vec![vec![0.0; of.dim]; 40]);
        let [first, fast, plain] = [begin, fast, plain::train(40, &sentences, &of)]
            .map(|vectors| expected_loss(&sentences, &vectors, &of));
        // What was learnt, as the fall of the loss, is the same but for chance.
        let (fallen, by_plain) = (first - fast, first - plain);
        println!("{cbow} {corrected} {negative}: {first:.4} {fast:.4} {plain:.4}");
        assert!(by_plain > 0.02, "the plain trainer learns: {first} to {plain}");
        assert!((fallen / by_plain - 1.0).abs() < 0.1, "{recipe:?}: {first} to {fast}, {plain}");
    }
}
