//! What distinguishes the methods: how inputs, the words of a window, predict targets, the word in its midst.
//!
//! Skip-gram: each of them apart. CBOW: the mean of them together. Either way in two steps, with room for other work
//! between them: `score` finds the errors of all predictions, `apply` corrects inputs and targets by them.

use fearless_simd::Simd;

use super::resident::Residents;
use super::store::Store;
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

/// What predicts, as places of rows in a tile.
#[derive(Default)]
pub struct Sources {
    /// The rows of the words of a window, from left to right, or of one word.
    pub places: Vec<usize>,
    /// The position of the first of them, counted from the furthest before a centre.
    pub first: usize,
}

/// True targets, each with its noise behind it, as places of rows in a tile.
#[derive(Default)]
pub struct Targets {
    places: Vec<usize>,
    ends: Vec<usize>,
}

impl Targets {
    /// Forgets all.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.places.clear();
        self.ends.clear();
    }

    /// Adds a true target and its noise.
    #[inline(always)]
    pub fn push(&mut self, target: usize, noise: impl Iterator<Item = usize>) {
        self.places.push(target);
        self.places.extend(noise);
        self.ends.push(self.places.len());
    }
}

/// Calls a method on blocks of targets, `$do(targets, at, first, $arguments…)`: the size of a block becomes a constant. `at`
/// is where the block begins among all targets, `first` whether its first target is a true one.
macro_rules! by_blocks {
    ($targets:expr, $work:ident.$do:ident($($argument:expr),*)) => {
        let mut at = 0;
        for &end in &$targets.ends {
            let mut first = true;
            while at < end {
                let block = &$targets.places[at..end.min(at + BLOCK)];
                match *block {
                    [a] => $work.$do(&[a], at, first, $($argument),*),
                    [a, b] => $work.$do(&[a, b], at, first, $($argument),*),
                    [a, b, c] => $work.$do(&[a, b, c], at, first, $($argument),*),
                    [a, b, c, d] => $work.$do(&[a, b, c, d], at, first, $($argument),*),
                    [a, b, c, d, e] => $work.$do(&[a, b, c, d, e], at, first, $($argument),*),
                    [a, b, c, d, e, f] => $work.$do(&[a, b, c, d, e, f], at, first, $($argument),*),
                    _ => unreachable!("blocks have 1 to {BLOCK} targets"),
                }
                at += block.len();
                first = false;
            }
        }
    };
}

impl Work {
    /// For up to `pairs` pairs of input and target at a time.
    pub fn new(pairs: usize) -> Self {
        let labels = |targets: usize| {
            std::array::from_fn(|i| f32::from(u8::from(i % targets == 0 && i < 2 * targets)))
        };
        Self {
            errors: vec![0.0; pairs],
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
        by_blocks!(targets, self.score_block(simd, rate, x, inputs, y));
        self.sample(rate, inputs.len() * targets.places.len());
    }

    /// Takes the loss of the `pairs` errors found last, now and then.
    #[inline(always)]
    fn sample(&mut self, rate: f32, pairs: usize) {
        self.centres += 1;
        if self.centres.is_multiple_of(SAMPLE) {
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
        at: usize,
        first: bool,
        simd: S,
        rate: f32,
        x: &Tile,
        inputs: &[usize],
        y: &Tile,
    ) {
        let labels = if first { &self.labels[T - 1] } else { &self.noise };
        let errors = &mut self.errors[at * inputs.len()..][..T * inputs.len()];
        kernel::errors::<S, T>(simd, rate, labels, x, inputs, y, targets, errors);
    }

    /// Corrects `inputs` and `targets` by the errors found last.
    #[inline(always)]
    fn apply<S: Simd>(&mut self, simd: S, x: &mut Tile, inputs: &[usize], y: &mut Tile, targets: &Targets) {
        by_blocks!(targets, self.apply_block(simd, x, inputs, y));
    }

    /// Finds the errors of a block and corrects by them, so that the next block sees it.
    #[inline(always)]
    fn step_block<S: Simd, const T: usize>(
        &mut self,
        targets: &[usize; T],
        at: usize,
        first: bool,
        simd: S,
        rate: f32,
        x: &mut Tile,
        inputs: &[usize],
        y: &mut Tile,
    ) {
        self.score_block(targets, at, first, simd, rate, x, inputs, y);
        self.apply_block(targets, at, first, simd, x, inputs, y);
    }

    #[inline(always)]
    fn apply_block<S: Simd, const T: usize>(
        &mut self,
        targets: &[usize; T],
        at: usize,
        _: bool,
        simd: S,
        x: &mut Tile,
        inputs: &[usize],
        y: &mut Tile,
    ) {
        let errors = &self.errors[at * inputs.len()..][..T * inputs.len()];
        kernel::update::<S, T>(simd, x, inputs, y, targets, errors);
    }

    /// Corrects `inputs`, which their mean stood for, and `targets` by the errors found last.
    #[inline(always)]
    fn apply_mean<S: Simd, M: Store>(
        &mut self,
        simd: S,
        x: &mut Tile,
        sources: &Sources,
        positions: Option<&mut Residents<M>>,
        mean: &Tile,
        share: f32,
        y: &mut Tile,
        targets: &Targets,
    ) {
        let inputs = &sources.places[..];
        match positions {
            None => {
                by_blocks!(targets, self.apply_mean_block(simd, x, inputs, mean, share, y));
            }
            Some(positions) => {
                let (weights, first) = (&mut positions.now, sources.first);
                by_blocks!(
                    targets,
                    self.apply_weighted_mean_block(simd, x, inputs, (&mut *weights, first), mean, share, y)
                );
            }
        }
    }

    #[inline(always)]
    fn apply_mean_block<S: Simd, const T: usize>(
        &mut self,
        targets: &[usize; T],
        at: usize,
        _: bool,
        simd: S,
        x: &mut Tile,
        inputs: &[usize],
        mean: &Tile,
        share: f32,
        y: &mut Tile,
    ) {
        let errors = self.errors[at..].first_chunk().expect("an error a target");
        kernel::update_by_mean::<S, T>(simd, x, inputs, mean, share, y, targets, errors);
    }

    #[inline(always)]
    fn apply_weighted_mean_block<S: Simd, const T: usize>(
        &mut self,
        targets: &[usize; T],
        at: usize,
        _: bool,
        simd: S,
        x: &mut Tile,
        inputs: &[usize],
        (weights, first): (&mut Tile, usize),
        mean: &Tile,
        share: f32,
        y: &mut Tile,
    ) {
        let errors = self.errors[at..].first_chunk().expect("an error a target");
        let weights = (weights, first);
        kernel::update_by_weighted_mean::<S, T>(simd, x, inputs, weights, mean, share, y, targets, errors);
    }
}

/// How inputs predict targets: `sources` are rows of `x`, `targets` of `y`.
pub trait Objective<M>: Send + Sync {
    /// Finds the errors of the predictions.
    fn score<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        x: &mut Tile,
        sources: &Sources,
        y: &mut Tile,
        targets: &Targets,
        work: &mut Work,
    );

    /// Corrects inputs and targets by the errors found last.
    fn apply<S: Simd>(
        &mut self,
        simd: S,
        x: &mut Tile,
        sources: &Sources,
        y: &mut Tile,
        targets: &Targets,
        work: &mut Work,
    );

    /// Gives back what it learnt itself, at the end of a chunk.
    fn end(&mut self) {}

    /// Where it keeps what it learns itself.
    fn store(&self) -> Option<&M> {
        None
    }

    /// Where it keeps what it learns itself.
    fn store_mut(&mut self) -> Option<&mut M> {
        None
    }
}

/// Each input predicts the targets (Mikolov et al. 2013).
pub struct SkipGram;

impl<M> Objective<M> for SkipGram {
    #[inline(always)]
    fn score<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        x: &mut Tile,
        sources: &Sources,
        y: &mut Tile,
        targets: &Targets,
        work: &mut Work,
    ) {
        work.score(simd, rate, x, &sources.places, y, targets);
    }

    #[inline(always)]
    fn apply<S: Simd>(
        &mut self,
        simd: S,
        x: &mut Tile,
        sources: &Sources,
        y: &mut Tile,
        targets: &Targets,
        work: &mut Work,
    ) {
        work.apply(simd, x, &sources.places, y, targets);
    }
}

/// One input predicts several targets, one after the other: each sees what was learnt of those before it, as in fastText. What
/// is found by all at once overshoots where the input is a bag of rows (`docs/design/0009-subwords.md`).
pub struct OneByOne;

impl<M> Objective<M> for OneByOne {
    #[inline(always)]
    fn score<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        x: &mut Tile,
        sources: &Sources,
        y: &mut Tile,
        targets: &Targets,
        work: &mut Work,
    ) {
        let inputs = &sources.places[..];
        by_blocks!(targets, work.step_block(simd, rate, &mut *x, inputs, &mut *y));
        work.sample(rate, inputs.len() * targets.places.len());
    }

    #[inline(always)]
    fn apply<S: Simd>(&mut self, _: S, _: &mut Tile, _: &Sources, _: &mut Tile, _: &Targets, _: &mut Work) {}
}

/// The mean of the inputs predicts the targets (Mikolov et al. 2013).
pub struct Cbow<M> {
    gradient: CbowGradient,
    mean: Tile,
    /// Weights of the positions around a centre, where they are learnt.
    positions: Option<Residents<'static, M>>,
    steps: usize,
}

/// Threads tell each other what they learnt of the positions after so many centres.
const ROUND: usize = 64;

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

impl<M: Store> Cbow<M> {
    /// For rows of `dim` floats. `positions` has so many rows of weights, one for each position around a centre, from left to
    /// right (Mikolov et al. 2018, "Advances in Pre-Training Distributed Word Representations").
    pub fn new(gradient: CbowGradient, dim: usize, positions: Option<(M, usize)>) -> Self {
        let positions = positions.map(|(store, rows)| Residents::new(store, None, rows));
        Self { gradient, mean: Tile::new(1, dim), positions, steps: 0 }
    }
}

impl<M: Store> Objective<M> for Cbow<M> {
    #[inline(always)]
    fn score<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        x: &mut Tile,
        sources: &Sources,
        y: &mut Tile,
        targets: &Targets,
        work: &mut Work,
    ) {
        match &mut self.positions {
            None => kernel::mean(simd, x, &sources.places, &mut self.mean),
            Some(positions) => {
                if self.steps.is_multiple_of(ROUND) {
                    for slot in 0..positions.len() {
                        if self.steps > 0 {
                            positions.put_back(slot);
                        }
                        positions.fetch(slot, slot as u32);
                    }
                }
                self.steps += 1;
                kernel::weighted_mean(
                    simd,
                    x,
                    &sources.places,
                    &positions.now,
                    sources.first,
                    &mut self.mean,
                );
            }
        }
        work.score(simd, rate, &self.mean, &[0], y, targets);
    }

    #[inline(always)]
    fn apply<S: Simd>(
        &mut self,
        simd: S,
        x: &mut Tile,
        sources: &Sources,
        y: &mut Tile,
        targets: &Targets,
        work: &mut Work,
    ) {
        let share = match self.gradient {
            CbowGradient::Undivided => 1.0,
            CbowGradient::Corrected => 1.0 / sources.places.len() as f32,
        };
        work.apply_mean(simd, x, sources, self.positions.as_mut(), &self.mean, share, y, targets);
    }

    fn end(&mut self) {
        if let (Some(positions), true) = (&mut self.positions, self.steps > 0) {
            (0..positions.len()).for_each(|slot| positions.put_back(slot));
        }
        self.steps = 0;
    }

    fn store(&self) -> Option<&M> {
        self.positions.as_ref().map(Residents::store)
    }

    fn store_mut(&mut self) -> Option<&mut M> {
        self.positions.as_mut().map(Residents::store_mut)
    }
}
