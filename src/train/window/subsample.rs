//! Subsampling of frequent words (Mikolov et al. 2013, in the form of word2vec.c): an occurrence of
//! a word with relative frequency `f` is kept with probability `sqrt(t/f) + t/f`. Words are dropped
//! before windows are cut, so windows reach farther.

use rand::Rng;

/// The probability that an occurrence of each word is kept.
pub(crate) struct Subsample {
    /// The probability of each word, in units of 2^-32. `u32::MAX` stands for 1.
    keep: Vec<u32>,
}

impl Subsample {
    /// The probabilities by the counts of words. `threshold` is `t`; 0 keeps everything.
    pub(crate) fn new(counts: &[u64], threshold: f64) -> Self {
        let total: u64 = counts.iter().sum();
        let keep = counts.iter().map(|&count| {
            let f = count as f64 / total.max(1) as f64;
            let p = if threshold > 0.0 && f > 0.0 {
                (threshold / f).sqrt() + threshold / f
            } else {
                1.0
            };
            (p * 4_294_967_296.0) as u32
        });
        Self { keep: keep.collect() }
    }

    /// The probability that an occurrence of `word` is kept.
    pub(crate) fn probability(&self, word: usize) -> f64 {
        (f64::from(self.keep[word]) / f64::from(u32::MAX)).min(1.0)
    }

    /// Adds the words that are kept to `kept`. Every word must be in the vocabulary.
    #[inline(always)]
    pub(crate) fn sift(&self, words: &[u32], rng: &mut impl Rng, kept: &mut Vec<u32>) {
        let begin = kept.len();
        kept.resize(begin + words.len(), 0);
        let out = &mut kept[begin..];
        let mut n = 0;
        // There is no branch: each word is written, and the end moves on when the word is kept.
        for pair in words.chunks(2) {
            let random = rng.next_u64();
            for (&word, random) in pair.iter().zip([random as u32, (random >> 32) as u32]) {
                out[n] = word;
                n += usize::from(random <= self.keep[word as usize]);
            }
        }
        kept.truncate(begin + n);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn keeps_as_often_as_the_formula_says() {
        let counts = [900_000, 90_000, 10_000];
        let subsample = Subsample::new(&counts, 1e-2);
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(3);
        for (word, &count) in counts.iter().enumerate() {
            let f = count as f64 / 1e6;
            let expected = ((1e-2 / f).sqrt() + 1e-2 / f).min(1.0);
            let mut kept = vec![7];
            subsample.sift(&vec![word as u32; 100_001], &mut rng, &mut kept);
            assert_eq!(kept[0], 7);
            let share = (kept.len() - 1) as f64 / 100_001.0;
            assert!((share - expected).abs() < 0.01, "{share} of {expected}");
            assert!((subsample.probability(word) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn zero_keeps_everything() {
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(3);
        let mut kept = Vec::new();
        Subsample::new(&[5, 1], 0.0).sift(&[0, 1, 0], &mut rng, &mut kept);
        assert_eq!(kept, [0, 1, 0]);
    }
}
