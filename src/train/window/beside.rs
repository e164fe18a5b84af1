//! Inputs that are learnt side by side: each predicts a word of its own, and all of them meet the
//! same noise words. An input so has fresh noise in each step, and few noise rows are moved.

use std::ops::Range;

use fearless_simd::Simd;
use rand::Rng;

use super::WindowTask;
use super::frequent::{FREQUENT, Frequent};
use super::negative::NoiseGroup;
use super::objective::{Loss, Scratch, Targets, for_blocks};
use super::rows::RowCache;
use crate::math::{LINE, Tile, kernel, outlined};
use crate::memory::Store;

/// Inputs that are learnt side by side, at most.
pub(super) const SIDE_BY_SIDE: usize = 16;
/// How often noise words are used: many inputs share them.
const NOISE_USES: usize = 1;

/// The output rows, and scratch space, of inputs that are learnt side by side.
pub(super) struct SideBySide<'a, M> {
    /// The rows of the words that are predicted, one for each input, of noise words, and of frequent
    /// words.
    pub(super) outputs: RowCache<'a, M>,
    noise: NoiseGroup<'a>,
    frequent: Frequent,
    /// Whether there is noise.
    begun: bool,
    scratch: Scratch,
    targets: NoiseTargets,
}

/// The noise words of a step.
#[derive(Default)]
struct NoiseTargets {
    words: Vec<u32>,
    /// Where their rows are.
    at: Targets,
}

impl<'a, M: Store> SideBySide<'a, M> {
    /// Output rows that may be shared with others.
    pub(super) fn new(task: &'a WindowTask<'a>, output: M) -> Self {
        let slots = SIDE_BY_SIDE + task.negative;
        Self {
            outputs: RowCache::new(output, None, slots + FREQUENT),
            noise: NoiseGroup::new(&task.noise, SIDE_BY_SIDE..slots, NOISE_USES),
            frequent: Frequent::new(slots),
            begun: false,
            scratch: Scratch::new(SIDE_BY_SIDE * (task.negative + 1)),
            targets: NoiseTargets::default(),
        }
    }

    /// Begins a chunk. `phase` says which steps' losses are sampled.
    pub(super) fn begin(&mut self, phase: u64, noise: &mut impl Rng) {
        self.scratch.begin(phase);
        if !std::mem::replace(&mut self.begun, true) {
            self.noise.begin(&mut self.outputs, noise);
        }
    }

    /// Gives all rows back.
    pub(super) fn finish(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.noise.end(&mut self.outputs);
            self.frequent.clear(&mut self.outputs);
        }
    }

    /// The loss since the last call.
    pub(super) fn take_loss(&mut self) -> Loss {
        self.scratch.take_loss()
    }

    /// Asks for the row of a word that will be predicted soon.
    #[inline(always)]
    pub(super) fn prefetch(&self, word: u32) {
        if !Frequent::has(word) {
            self.outputs.prefetch(word);
        }
    }

    /// Each of the rows `inputs` of `x` predicts the word at its place in `words`. Inputs and outputs
    /// are corrected.
    #[inline(always)]
    pub(super) fn learn<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        x: &mut Tile,
        inputs: &[usize],
        words: &[u32],
        random: &mut impl Rng,
    ) {
        let Self { outputs, noise, frequent, scratch, targets, .. } = self;
        let n = inputs.len();
        let mut own = [0; SIDE_BY_SIDE];
        for (at, &word) in words.iter().enumerate() {
            let slot = frequent.enter(outputs, word).unwrap_or_else(|| {
                outputs.fetch(at, word);
                at
            });
            own[at] = outputs.now.at(slot);
        }
        let own = &own[..n];
        let group: Range<usize> = noise.next(outputs, random);
        targets.words.clear();
        targets.words.extend(group.clone().map(|slot| outputs.word(slot)));
        targets.at.clear();
        targets.at.push_noise(group.map(|slot| outputs.now.at(slot)));
        correct(simd, rate, (x, inputs), (&mut outputs.now, own), words, targets, scratch);
        for (at, &word) in words.iter().enumerate() {
            if !frequent.leave(outputs, word) {
                outputs.put_back(at);
            }
        }
    }
}

/// Each of the rows `inputs` of `x` predicts the row of `y` at its place in `own`, that of the word at
/// its place in `words`, among noise. All these rows are corrected.
#[inline(always)]
fn correct<S: Simd>(
    simd: S,
    rate: f32,
    (x, inputs): (&mut Tile, &[usize]),
    (y, own): (&mut Tile, &[usize]),
    words: &[u32],
    noise: &NoiseTargets,
    scratch: &mut Scratch,
) {
    outlined(
        simd,
        #[inline(always)]
        || {
            let (n, k) = (inputs.len(), noise.words.len());
            for_blocks!(noise.at, |block, at, first| {
                let errors = &mut scratch.errors[at * n..][..block.len() * n + LINE];
                kernel::errors(simd, rate, &scratch.noise, x, inputs, y, block, errors);
                // Noise that hits the true target is left out, as in word2vec.c.
                for (j, &word) in noise.words[at..][..block.len()].iter().enumerate() {
                    for i in 0..n {
                        if words[i] == word {
                            errors[i * block.len() + j] = 0.0;
                        }
                    }
                }
            });
            let errors = &mut scratch.errors[k * n..][..n + LINE];
            kernel::own_errors(simd, rate, x, inputs, y, own, errors);
            scratch.sample(rate, n * (k + 1));
            let (noise_errors, own_errors) = scratch.errors.split_at(k * n);
            for_blocks!(noise.at, |block, at, first| {
                let errors = &noise_errors[at * n..][..block.len() * n];
                kernel::update(simd, x, inputs, y, block, errors);
            });
            kernel::update_own(simd, x, inputs, y, own, own_errors);
        },
    );
}
