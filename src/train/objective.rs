//! What distinguishes the methods: how the words of a window predict the word in its midst.
//!
//! Skip-gram: each of them apart. CBOW: the mean of them together. Either way in two steps, with room for other work
//! between them: `score` finds the errors of all predictions, `apply` corrects inputs and targets by them.

use fearless_simd::Simd;

use super::negative::Pool;
use super::ring::Ring;
use crate::kernel::{self, LABELS, Tile};

/// Targets in one block of the kernel; more are learnt in several blocks, one after the other.
const BLOCK: usize = 6;
/// The loss is taken at one centre in so many.
const SAMPLE: u64 = 256;

/// The loss of pairs of input and target, sampled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss {
    /// Sum over pairs.
    pub sum: f64,
    /// The number of pairs.
    pub pairs: u64,
}

/// Scratch space of one thread: the errors of a window's predictions, and the sampled loss.
pub struct Work {
    /// Those of the first block of targets, then those of the next; in a block, input by input.
    errors: Vec<f32>,
    /// For a first block of each size, whose first target is the true one; and for blocks of nothing but noise.
    labels: [[f32; LABELS]; BLOCK],
    noise: [f32; LABELS],
    centres: u64,
    loss: Loss,
}

/// Calls a method on blocks of targets, `$do(targets, place, $arguments…)`: the size of a block becomes a constant.
macro_rules! by_blocks {
    ($targets:expr, $work:ident.$do:ident($($argument:expr),*)) => {
        for (i, block) in $targets.chunks(BLOCK).enumerate() {
            match *block {
                [a] => $work.$do(&[a], i, $($argument),*),
                [a, b] => $work.$do(&[a, b], i, $($argument),*),
                [a, b, c] => $work.$do(&[a, b, c], i, $($argument),*),
                [a, b, c, d] => $work.$do(&[a, b, c, d], i, $($argument),*),
                [a, b, c, d, e] => $work.$do(&[a, b, c, d, e], i, $($argument),*),
                [a, b, c, d, e, f] => $work.$do(&[a, b, c, d, e, f], i, $($argument),*),
                _ => unreachable!("blocks have 1 to {BLOCK} targets"),
            }
        }
    };
}

impl Work {
    /// For windows of up to `inputs` words and up to `targets` targets.
    pub fn new(inputs: usize, targets: usize) -> Self {
        let labels = |targets: usize| {
            std::array::from_fn(|i| f32::from(u8::from(i % targets == 0 && i < 2 * targets)))
        };
        Self {
            errors: vec![0.0; inputs * targets],
            labels: std::array::from_fn(|i| labels(i + 1)),
            noise: [0.0; LABELS],
            centres: 0,
            loss: Loss::default(),
        }
    }

    /// The loss since the last call.
    pub fn take_loss(&mut self) -> Loss {
        std::mem::take(&mut self.loss)
    }

    /// Finds the errors of all pairs of `inputs` and `targets`, of which the first is the true one.
    #[inline(always)]
    fn score<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        x: &Tile,
        inputs: &[usize],
        y: &Tile,
        targets: &[usize],
    ) {
        by_blocks!(targets, self.score_block(simd, rate, x, inputs, y));
        self.centres += 1;
        if self.centres.is_multiple_of(SAMPLE) {
            let pairs = inputs.len() * targets.len();
            // An error is the learning rate times 1 - p for the true target, -(1 - p) for noise, where p is the
            // probability of the right answer; the loss is -ln p.
            for error in &self.errors[..pairs] {
                let miss = f64::from((error / rate).abs());
                let miss = if miss < 1.0 - 1e-7 || miss.is_nan() { miss } else { 1.0 - 1e-7 };
                self.loss.sum -= (-miss).ln_1p();
            }
            self.loss.pairs += pairs as u64;
        }
    }

    #[inline(always)]
    fn score_block<S: Simd, const T: usize>(
        &mut self,
        targets: &[usize; T],
        block: usize,
        simd: S,
        rate: f32,
        x: &Tile,
        inputs: &[usize],
        y: &Tile,
    ) {
        let labels = if block == 0 { &self.labels[T - 1] } else { &self.noise };
        let errors = &mut self.errors[block * BLOCK * inputs.len()..][..T * inputs.len()];
        kernel::errors::<S, T>(simd, rate, labels, x, inputs, y, targets, errors);
    }

    /// Corrects `inputs` and `targets` by the errors found last.
    #[inline(always)]
    fn apply<S: Simd>(&mut self, simd: S, x: &mut Tile, inputs: &[usize], y: &mut Tile, targets: &[usize]) {
        by_blocks!(targets, self.apply_block(simd, x, inputs, y));
    }

    #[inline(always)]
    fn apply_block<S: Simd, const T: usize>(
        &mut self,
        targets: &[usize; T],
        block: usize,
        simd: S,
        x: &mut Tile,
        inputs: &[usize],
        y: &mut Tile,
    ) {
        let errors = &self.errors[block * BLOCK * inputs.len()..][..T * inputs.len()];
        kernel::update::<S, T>(simd, x, inputs, y, targets, errors);
    }

    /// Corrects `inputs`, which their mean stood for, and `targets` by the errors found last.
    #[inline(always)]
    fn apply_mean<S: Simd>(
        &mut self,
        simd: S,
        x: &mut Tile,
        inputs: &[usize],
        mean: &Tile,
        share: f32,
        y: &mut Tile,
        targets: &[usize],
    ) {
        by_blocks!(targets, self.apply_mean_block(simd, x, inputs, mean, share, y));
    }

    #[inline(always)]
    fn apply_mean_block<S: Simd, const T: usize>(
        &mut self,
        targets: &[usize; T],
        block: usize,
        simd: S,
        x: &mut Tile,
        inputs: &[usize],
        mean: &Tile,
        share: f32,
        y: &mut Tile,
    ) {
        let errors = self.errors[block * BLOCK..].first_chunk().expect("an error a target");
        kernel::update_by_mean::<S, T>(simd, x, inputs, mean, share, y, targets, errors);
    }
}

/// How the words of a window predict their centre. `inputs` are the places of the words' rows in the ring, `targets`
/// those of the centre's row and of the noise words' rows in the pool.
pub trait Objective: Send {
    /// Finds the errors of a window's predictions.
    fn score<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        ring: &Ring,
        inputs: &[usize],
        pool: &Pool,
        targets: &[usize],
        work: &mut Work,
    );

    /// Corrects the rows of the same window.
    fn apply<S: Simd>(
        &mut self,
        simd: S,
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
    fn score<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        ring: &Ring,
        inputs: &[usize],
        pool: &Pool,
        targets: &[usize],
        work: &mut Work,
    ) {
        work.score(simd, rate, &ring.rows.now, inputs, &pool.rows.now, targets);
    }

    #[inline(always)]
    fn apply<S: Simd>(
        &mut self,
        simd: S,
        ring: &mut Ring,
        inputs: &[usize],
        pool: &mut Pool,
        targets: &[usize],
        work: &mut Work,
    ) {
        work.apply(simd, &mut ring.rows.now, inputs, &mut pool.rows.now, targets);
    }
}

/// The mean of the window predicts the centre (Mikolov et al. 2013).
pub struct Cbow {
    gradient: CbowGradient,
    mean: Tile,
}

/// Which share of the error each word of a CBOW window takes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
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
        Self { gradient, mean: Tile::new(1, dim) }
    }
}

impl Objective for Cbow {
    #[inline(always)]
    fn score<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        ring: &Ring,
        inputs: &[usize],
        pool: &Pool,
        targets: &[usize],
        work: &mut Work,
    ) {
        kernel::mean(simd, &ring.rows.now, inputs, &mut self.mean);
        work.score(simd, rate, &self.mean, &[0], &pool.rows.now, targets);
    }

    #[inline(always)]
    fn apply<S: Simd>(
        &mut self,
        simd: S,
        ring: &mut Ring,
        inputs: &[usize],
        pool: &mut Pool,
        targets: &[usize],
        work: &mut Work,
    ) {
        let share = match self.gradient {
            CbowGradient::Undivided => 1.0,
            CbowGradient::Corrected => 1.0 / inputs.len() as f32,
        };
        work.apply_mean(simd, &mut ring.rows.now, inputs, &self.mean, share, &mut pool.rows.now, targets);
    }
}
