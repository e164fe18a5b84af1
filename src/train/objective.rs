//! What distinguishes the methods: how the words of a window predict the word in its midst.
//!
//! Skip-gram: each of them apart. CBOW: the mean of them together.

use fearless_simd::Simd;

use super::negative::Pool;
use super::ring::Ring;
use crate::kernel::{self, Tile};

/// Targets that are learnt in one block; more are learnt in several, one after the other.
const BLOCK: usize = 6;
/// The loss is taken at one centre in so many.
const SAMPLE: u64 = 64;

/// The loss of pairs of input and target, sampled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss {
    /// Sum over pairs.
    pub sum: f64,
    /// The number of pairs.
    pub pairs: u64,
}

/// Scratch space of one thread: scores, labels, and the sampled loss.
pub struct Work {
    scores: Vec<f32>,
    /// 1 for the first target of each input, else 0, for each number of targets.
    labels: Vec<Vec<f32>>,
    none: Vec<f32>,
    centres: u64,
    loss: Loss,
}

impl Work {
    /// For blocks of up to `inputs` inputs.
    pub fn new(inputs: usize) -> Self {
        // Whole vectors of the widest level.
        let length = (inputs * BLOCK).next_multiple_of(kernel::LINE);
        let labels = |targets: usize| (0..length).map(|i| f32::from(u8::from(i % targets == 0))).collect();
        Self {
            scores: vec![0.0; length],
            labels: (1..=BLOCK).map(labels).collect(),
            none: vec![0.0; length],
            centres: 0,
            loss: Loss::default(),
        }
    }

    /// The loss since the last call.
    pub fn take_loss(&mut self) -> Loss {
        std::mem::take(&mut self.loss)
    }

    /// Learns all pairs of `inputs` and `targets`, of which the first is the true one.
    #[inline(always)]
    fn predict<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        x: &mut Tile,
        inputs: &[usize],
        y: &mut Tile,
        targets: &[usize],
    ) {
        let sampled = self.centres.is_multiple_of(SAMPLE);
        self.centres += 1;
        for (i, targets) in targets.chunks(BLOCK).enumerate() {
            let first = i == 0;
            match *targets {
                [a] => self.block(simd, rate, x, inputs, y, &[a], first, sampled),
                [a, b] => self.block(simd, rate, x, inputs, y, &[a, b], first, sampled),
                [a, b, c] => self.block(simd, rate, x, inputs, y, &[a, b, c], first, sampled),
                [a, b, c, d] => self.block(simd, rate, x, inputs, y, &[a, b, c, d], first, sampled),
                [a, b, c, d, e] => self.block(simd, rate, x, inputs, y, &[a, b, c, d, e], first, sampled),
                [a, b, c, d, e, f] => self.block(simd, rate, x, inputs, y, &[a, b, c, d, e, f], first, sampled),
                _ => {}
            }
        }
    }

    #[inline(always)]
    fn block<S: Simd, const T: usize>(
        &mut self,
        simd: S,
        rate: f32,
        x: &mut Tile,
        inputs: &[usize],
        y: &mut Tile,
        targets: &[usize; T],
        first: bool,
        sampled: bool,
    ) {
        let labels = if first { &self.labels[T - 1] } else { &self.none };
        let pairs = inputs.len() * T;
        let padded = pairs.next_multiple_of(kernel::LINE);
        kernel::dots::<S, T>(simd, x, inputs, y, targets, &mut self.scores);
        if sampled {
            for (&score, &label) in self.scores[..pairs].iter().zip(labels) {
                // -ln s(t) = ln(1 + e^-t), with t the score, or its negative for noise.
                let against = f64::from(if label > 0.0 { -score } else { score });
                self.loss.sum += against.max(0.0) + (-against.abs()).exp().ln_1p();
            }
            self.loss.pairs += pairs as u64;
        }
        kernel::gradient(simd, rate, &labels[..padded], &mut self.scores[..padded]);
        kernel::update::<S, T>(simd, x, inputs, y, targets, &self.scores[..pairs]);
    }
}

/// How the words of a window predict their centre.
pub trait Objective: Send {
    /// Learns from one window: `inputs` are the offsets of its words' rows in the ring, `targets` the offsets of the
    /// centre's row and the noise words' rows in the pool.
    fn learn<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        ring: &mut Ring,
        inputs: &[usize],
        pool: &mut Pool,
        targets: &[usize],
        work: &mut Work,
    );
}

/// Each word of the window predicts the centre (Mikolov et al. 2013).
pub struct SkipGram;

impl Objective for SkipGram {
    #[inline(always)]
    fn learn<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        ring: &mut Ring,
        inputs: &[usize],
        pool: &mut Pool,
        targets: &[usize],
        work: &mut Work,
    ) {
        work.predict(simd, rate, ring.tile(), inputs, &mut pool.rows.now, targets);
    }
}

/// The mean of the window predicts the centre (Mikolov et al. 2013).
pub struct Cbow {
    gradient: CbowGradient,
    was: Tile,
    now: Tile,
}

/// Which share of the error each word of a CBOW window takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CbowGradient {
    /// The whole error, as word2vec.c and gensim do
    #[default]
    Undivided,
    /// The error divided by the number of words, the true gradient of a mean (İrsoy et al. 2021)
    Corrected,
}

impl Cbow {
    /// For rows of `dim` floats.
    pub fn new(gradient: CbowGradient, dim: usize) -> Self {
        Self { gradient, was: Tile::new(1, dim), now: Tile::new(1, dim) }
    }
}

impl Objective for Cbow {
    #[inline(always)]
    fn learn<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        ring: &mut Ring,
        inputs: &[usize],
        pool: &mut Pool,
        targets: &[usize],
        work: &mut Work,
    ) {
        kernel::mean(simd, ring.tile(), inputs, &mut self.was);
        self.now.row_mut(0).copy_from_slice(self.was.row(0));
        work.predict(simd, rate, &mut self.now, &[0], &mut pool.rows.now, targets);
        let share = match self.gradient {
            CbowGradient::Undivided => 1.0,
            CbowGradient::Corrected => 1.0 / inputs.len() as f32,
        };
        kernel::spread(simd, ring.tile(), inputs, &self.now, &self.was, share);
    }
}
