//! What distinguishes the methods: how inputs, the words of a window, predict targets, the word in
//! its midst.
//!
//! In skip-gram each input predicts by itself; in CBOW their mean predicts. Both learn in two
//! steps, with room for other work between them: `score` finds the errors of all predictions,
//! `apply` corrects inputs and targets by these errors. The head of [`super::negative`] derives the
//! errors from the loss.
//!
//! This file is over 300 lines because all objectives stand side by side.

use fearless_simd::Simd;

use crate::math::{LINE, Tile, kernel, mean, outlined};
/// Targets in one block of the kernel; more are learnt in several blocks, one after the other.
pub(super) const BLOCK: usize = 6;
/// The loss is sampled at every 251st centre. The number is prime: a noise group is drawn anew
/// after 16 uses, in turn with 15 others, and a loss sampled at one age of the noise alone would be
/// biased.
const SAMPLE: u64 = 251;

/// The loss of the pairs of input and target that were sampled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Loss {
    /// Sum over pairs.
    pub(crate) sum: f64,
    /// The number of pairs.
    pub(crate) pairs: u64,
}

/// Scratch space of one thread: the errors of a window's predictions, and the sampled loss.
pub(crate) struct Scratch {
    /// The errors of the first block of targets, then those of the next; in a block, input by
    /// input.
    pub(super) errors: Vec<f32>,
    /// Labels for a first block of each size, whose first target is the true one.
    pub(super) labels: [Vec<f32>; BLOCK],
    /// Labels for a block of nothing but noise.
    pub(super) noise: Vec<f32>,
    centres: u64,
    loss: Loss,
}

/// The rows that predict, as places in a tile.
#[derive(Default)]
pub(crate) struct Inputs {
    /// The rows of the words of a window, from left to right, or of one word.
    pub(crate) places: Vec<usize>,
    /// The position of the first of them, counted from the furthest before a centre.
    pub(crate) first: usize,
}

/// True targets, each followed by its noise words, as places of rows in a tile.
#[derive(Default)]
pub(crate) struct Targets {
    pub(super) places: Vec<usize>,
    pub(super) ends: Vec<usize>,
}

impl Targets {
    /// Empties the list.
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.ends.clear();
    }

    /// Adds a true target and its noise words.
    #[inline(always)]
    pub(crate) fn push(&mut self, target: usize, noise: impl Iterator<Item = usize>) {
        self.places.push(target);
        self.push_noise(noise);
    }

    /// Adds noise words alone.
    #[inline(always)]
    pub(crate) fn push_noise(&mut self, noise: impl Iterator<Item = usize>) {
        self.places.extend(noise);
        self.ends.push(self.places.len());
    }
}

/// What is learnt at once: `inputs`, rows of `x`, predict `targets`, rows of `y`.
pub(crate) struct Block<'a> {
    /// Input rows.
    pub(crate) x: &'a mut Tile,
    /// The rows of `x` that predict.
    pub(crate) inputs: &'a Inputs,
    /// Weights of the positions around a centre, a row for each, where they are learnt.
    pub(crate) weights: Option<&'a mut Tile>,
    /// Output rows.
    pub(crate) y: &'a mut Tile,
    /// The rows of `y` that are predicted, and noise.
    pub(crate) targets: &'a Targets,
}

/// Runs `$body` for each block of targets, `$block`, whose size is a constant in the body. `$at` is
/// where the block begins among all targets, `$first` whether its first target is a true one.
macro_rules! for_blocks {
    ($targets:expr, |$block:ident, $at:ident, $first:ident| $body:expr) => {
        let mut $at = 0;
        for &end in &$targets.ends {
            let mut $first = true;
            while $at < end {
                let places = &$targets.places[$at..end.min($at + $crate::train::window::objective::BLOCK)];
                for_blocks!(@sizes places, $block, $body,
                    [a] [a, b] [a, b, c] [a, b, c, d] [a, b, c, d, e] [a, b, c, d, e, f]);
                $at += places.len();
                $first = false;
            }
            let _ = $first;
        }
    };
    (@sizes $places:ident, $block:ident, $body:expr, $([$($place:ident),+])+) => {
        match *$places {
            $([$($place),+] => {
                let $block = &[$($place),+];
                $body
            })+
            _ => unreachable!("blocks have 1 to 6 targets"),
        }
    };
}
pub(super) use for_blocks;

impl Scratch {
    /// Space for up to `pairs` pairs of input and target at a time.
    pub(crate) fn new(pairs: usize) -> Self {
        // The kernel works on whole lines.
        let pairs = pairs + LINE;
        let labels =
            |targets: usize| (0..pairs).map(|i| f32::from(u8::from(i % targets == 0))).collect();
        Self {
            errors: vec![0.0; pairs],
            labels: std::array::from_fn(|i| labels(i + 1)),
            noise: vec![0.0; pairs],
            centres: 0,
            loss: Loss::default(),
        }
    }

    /// Begins to count centres at `phase`, a random number. So what is sampled of a chunk depends on
    /// nothing before it.
    pub(crate) fn begin(&mut self, phase: u64) {
        self.centres = phase % SAMPLE;
    }

    /// The loss since the last call.
    pub(crate) fn take_loss(&mut self) -> Loss {
        std::mem::take(&mut self.loss)
    }

    /// Finds the errors of all pairs of `inputs` and `targets`.
    #[inline(always)]
    fn score<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        x: &Tile,
        inputs: &[usize],
        y: &Tile,
        targets: &Targets,
    ) {
        let n = inputs.len();
        for_blocks!(targets, |block, at, first| {
            let labels = if first { &self.labels[block.len() - 1] } else { &self.noise };
            let errors = &mut self.errors[at * n..][..block.len() * n + LINE];
            kernel::errors(simd, rate, labels, x, inputs, y, block, errors);
        });
        self.sample(rate, n * targets.places.len());
    }

    /// Takes the loss of the `pairs` errors found last, at every [`SAMPLE`]th centre.
    #[inline(always)]
    pub(super) fn sample(&mut self, rate: f32, pairs: usize) {
        self.centres += 1;
        if self.centres.is_multiple_of(SAMPLE) {
            // An error is the learning rate times 1 - p for the true target, -(1 - p) for noise,
            // where p is the probability of the right answer; the loss is -ln p.
            for error in &self.errors[..pairs] {
                let miss = f64::from((error / rate).abs());
                let miss = if miss < 1.0 - 1e-7 || miss.is_nan() { miss } else { 1.0 - 1e-7 };
                self.loss.sum -= (-miss).ln_1p();
            }
            self.loss.pairs += pairs as u64;
        }
    }
}

/// How inputs predict targets. A thread, or a worker, has a clone of its own.
pub(crate) trait Objective: Clone + Send + Sync {
    /// [`Objective::score`], in the place where it is called.
    fn score_here<S: Simd>(&mut self, simd: S, rate: f32, of: &mut Block, scratch: &mut Scratch);

    /// [`Objective::apply`], in the place where it is called.
    fn apply_here<S: Simd>(&mut self, simd: S, of: &mut Block, scratch: &mut Scratch);

    /// Finds the errors of the predictions.
    #[inline(always)]
    fn score<S: Simd>(&mut self, simd: S, rate: f32, of: &mut Block, scratch: &mut Scratch) {
        outlined(
            simd,
            #[inline(always)]
            || self.score_here(simd, rate, of, scratch),
        );
    }

    /// Corrects inputs and targets by the errors found last.
    #[inline(always)]
    fn apply<S: Simd>(&mut self, simd: S, of: &mut Block, scratch: &mut Scratch) {
        outlined(
            simd,
            #[inline(always)]
            || self.apply_here(simd, of, scratch),
        );
    }
}

/// Each input predicts the targets (Mikolov et al. 2013).
#[derive(Clone)]
pub(crate) struct SkipGram;

impl Objective for SkipGram {
    #[inline(always)]
    fn score_here<S: Simd>(&mut self, simd: S, rate: f32, of: &mut Block, scratch: &mut Scratch) {
        scratch.score(simd, rate, of.x, &of.inputs.places, of.y, of.targets);
    }

    #[inline(always)]
    fn apply_here<S: Simd>(&mut self, simd: S, of: &mut Block, scratch: &mut Scratch) {
        let inputs = &of.inputs.places[..];
        for_blocks!(of.targets, |block, at, first| {
            let errors = &scratch.errors[at * inputs.len()..][..block.len() * inputs.len()];
            kernel::update(simd, of.x, inputs, of.y, block, errors);
        });
    }
}

/// One input predicts several targets, one after the other: each sees what was learnt from those
/// before it, as in fastText. Errors that are found for all targets at once overshoot where the
/// input is a bag of rows (`docs/design/0009-subwords.md`).
#[derive(Clone)]
pub(crate) struct SequentialSkipGram;

impl Objective for SequentialSkipGram {
    #[inline(always)]
    fn score_here<S: Simd>(&mut self, simd: S, rate: f32, of: &mut Block, scratch: &mut Scratch) {
        let (inputs, n) = (&of.inputs.places[..], of.inputs.places.len());
        for_blocks!(of.targets, |block, at, first| {
            let labels = if first { &scratch.labels[block.len() - 1] } else { &scratch.noise };
            let errors = &mut scratch.errors[at * n..][..block.len() * n + LINE];
            kernel::errors(simd, rate, labels, of.x, inputs, of.y, block, errors);
            kernel::update(simd, of.x, inputs, of.y, block, errors);
        });
        scratch.sample(rate, n * of.targets.places.len());
    }

    #[inline(always)]
    fn apply_here<S: Simd>(&mut self, _: S, _: &mut Block, _: &mut Scratch) {}
}

/// The mean of the inputs predicts the targets (Mikolov et al. 2013). Where positions have weights,
/// it is a weighted mean (Mikolov et al. 2018, "Advances in Pre-Training Distributed Word
/// Representations").
#[derive(Clone)]
pub(crate) struct Cbow {
    gradient: CbowGradient,
    mean: Tile,
}

/// Which share of the error each word of a CBOW window takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum CbowGradient {
    /// The whole error, as word2vec.c and gensim do
    #[default]
    Undivided,
    /// The error divided by the number of words, the true gradient of a mean (İrsoy et al. 2021)
    Corrected,
}

impl Cbow {
    /// CBOW for rows of `dim` floats.
    pub(crate) fn new(gradient: CbowGradient, dim: usize) -> Self {
        Self { gradient, mean: Tile::new(1, dim) }
    }
}

impl Objective for Cbow {
    #[inline(always)]
    fn score_here<S: Simd>(&mut self, simd: S, rate: f32, of: &mut Block, scratch: &mut Scratch) {
        let inputs = &of.inputs.places[..];
        match &of.weights {
            None => mean::mean(simd, of.x, inputs, &mut self.mean, 0),
            Some(weights) => {
                mean::weighted_mean(simd, of.x, inputs, weights, of.inputs.first, &mut self.mean);
            }
        }
        scratch.score(simd, rate, &self.mean, &[0], of.y, of.targets);
    }

    #[inline(always)]
    fn apply_here<S: Simd>(&mut self, simd: S, of: &mut Block, scratch: &mut Scratch) {
        let (inputs, mean) = (&of.inputs.places[..], &self.mean);
        let share = match self.gradient {
            CbowGradient::Undivided => 1.0,
            CbowGradient::Corrected => 1.0 / inputs.len() as f32,
        };
        // The match is outside the blocks, so that it is not decided anew in each.
        match &mut of.weights {
            None => {
                for_blocks!(of.targets, |block, at, first| {
                    let errors = scratch.errors[at..].first_chunk().expect("an error a target");
                    mean::update_by_mean(simd, of.x, inputs, mean, share, of.y, block, errors);
                });
            }
            Some(weights) => {
                for_blocks!(of.targets, |block, at, first| {
                    let errors = scratch.errors[at..].first_chunk().expect("an error a target");
                    let weights = (&mut **weights, of.inputs.first);
                    mean::update_by_weighted_mean(
                        simd, of.x, inputs, weights, mean, share, of.y, block, errors,
                    );
                });
            }
        }
    }
}
