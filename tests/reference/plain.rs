//! Word2vec in the plainest way, for readers: no SIMD, no threads, no tricks with memory, f64.
//!
//! Each word has an input vector and an output vector. At each centre, the words around it predict
//! the centre among noise words, by logistic regression on the products of input and output vectors
//! (Mikolov et al. 2013). The head of `src/train/window/negative.rs` derives the gradient.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// The settings that matter for the idea.
pub(crate) struct Settings {
    pub(crate) dim: usize,
    pub(crate) window: usize,
    pub(crate) negative: usize,
    pub(crate) epochs: usize,
    pub(crate) lr: f64,
    pub(crate) cbow: bool,
    /// In CBOW, whether the error is divided by the number of words in the window.
    pub(crate) corrected: bool,
}

pub(crate) type Vectors = Vec<Vec<f64>>;

/// Input and output vectors of `words` words that occur in `sentences` alike often.
pub(crate) fn train(words: usize, sentences: &[Vec<usize>], of: &Settings) -> (Vectors, Vectors) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
    let mut below = |n: usize| (rng.next_u64() % n as u64) as usize;
    let spread = 0.8 / (of.dim as f64).sqrt();
    let mut number = || spread * (below(1 << 20) as f64 / f64::from(1 << 19) - 1.0);
    let mut input: Vectors = (0..words).map(|_| (0..of.dim).map(|_| number()).collect()).collect();
    let mut output = vec![vec![0.0; of.dim]; words];
    let tokens: usize = sentences.iter().map(Vec::len).sum();
    let mut done = 0.0;
    for sentence in (0..of.epochs).flat_map(|_| sentences) {
        for (centre, &word) in sentence.iter().enumerate() {
            // The learning rate falls in a line to near 0.
            let rate = of.lr * (1.0 - done / (tokens * of.epochs) as f64).max(1e-4);
            done += 1.0;
            // The width of the window is drawn for each centre.
            let width = 1 + below(of.window);
            let around = centre.saturating_sub(width)..sentence.len().min(centre + width + 1);
            let context: Vec<usize> =
                around.filter(|&i| i != centre).map(|i| sentence[i]).collect();
            // The true target, and noise words that are not the target.
            let noise: Vec<usize> = (0..of.negative).map(|_| below(words)).collect();
            let mut targets = vec![(word, 1.0)];
            targets
                .extend(noise.into_iter().filter(|&other| other != word).map(|other| (other, 0.0)));
            // Skip-gram: each word of the context predicts by itself. CBOW: their mean predicts.
            let groups: Vec<&[usize]> =
                if of.cbow { vec![&context[..]] } else { context.chunks(1).collect() };
            for group in groups.into_iter().filter(|group| !group.is_empty()) {
                let mean =
                    |c: usize| group.iter().map(|&w| input[w][c]).sum::<f64>() / group.len() as f64;
                let x: Vec<f64> = (0..of.dim).map(mean).collect();
                let mut error = vec![0.0; of.dim];
                for &(target, label) in &targets {
                    let y = &mut output[target];
                    let score: f64 = x.iter().zip(y.iter()).map(|(x, y)| x * y).sum();
                    let gradient = rate * (label - 1.0 / (1.0 + (-score).exp()));
                    for c in 0..of.dim {
                        error[c] += gradient * y[c];
                        y[c] += gradient * x[c];
                    }
                }
                let share = if of.corrected { 1.0 / group.len() as f64 } else { 1.0 };
                for &word in group {
                    input[word].iter_mut().zip(&error).for_each(|(x, e)| *x += share * e);
                }
            }
        }
    }
    (input, output)
}
