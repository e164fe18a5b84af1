//! The loop that all window methods share: sift the tokens of a chunk, slide a window over each sentence, and let the
//! words around each centre predict it among noise.

use fearless_simd::Simd;
use rand::Rng;

use super::hogwild::Shared;
use super::negative::{Noise, Pool};
use super::objective::{Loss, Objective, Work};
use super::ring::Ring;
use super::schedule::Chunk;
use super::subsample::Subsample;
use crate::corpus::Corpus;

/// A whole sentence as a window is cut at so many words.
pub const LONGEST_WINDOW: usize = 1000;
/// Rows are asked for in the second-level cache so many centres before they are needed, and in the first-level cache
/// one centre before. The processor follows few misses of the first level at a time, and a far row occupies it long.
const FAR: usize = 8;

/// The half-width of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Drawn for each centre from 1 to the given number, all equally likely, as word2vec.c does.
    Dynamic(usize),
    /// Always the given number.
    Fixed(usize),
    /// The whole sentence, in pieces of at most [`LONGEST_WINDOW`] words.
    WholeSequence,
}

impl Window {
    /// The largest half-width.
    pub fn largest(self) -> usize {
        match self {
            Self::Dynamic(width) | Self::Fixed(width) => width,
            Self::WholeSequence => LONGEST_WINDOW - 1,
        }
    }

    #[inline(always)]
    fn draw(self, rng: &mut impl Rng) -> usize {
        match self {
            Self::Dynamic(width) => 1 + (((rng.next_u64() >> 32) * width as u64) >> 32) as usize,
            Self::Fixed(width) => width,
            Self::WholeSequence => LONGEST_WINDOW,
        }
    }
}

/// One thread's state: resident rows and scratch space.
pub struct Learner<'a, O> {
    corpus: &'a Corpus,
    subsample: &'a Subsample,
    window: Window,
    objective: O,
    input: &'a Shared,
    output: &'a Shared,
    ring: Ring<'a>,
    pool: Pool<'a>,
    work: Work,
    /// The words of a chunk that subsampling keeps, and where its sentences end among them.
    kept: Vec<u32>,
    ends: Vec<usize>,
    /// The rows of a window, and of its centre and noise.
    inputs: Vec<usize>,
    targets: Vec<usize>,
}

impl<'a, O: Objective> Learner<'a, O> {
    /// A learner whose `input` and `output` rows may be shared with others.
    pub fn new(
        corpus: &'a Corpus,
        subsample: &'a Subsample,
        noise: &'a Noise,
        (window, negative, objective): (Window, usize, O),
        (input, output): (&'a Shared, &'a Shared),
    ) -> Self {
        Self {
            corpus,
            subsample,
            window,
            objective,
            input,
            output,
            ring: Ring::new(input, window.largest()),
            pool: Pool::new(output, noise, negative),
            work: Work::new(2 * window.largest(), negative + 1),
            kept: Vec::new(),
            ends: Vec::new(),
            inputs: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// Learns the sentences of a chunk; returns the sampled loss. All its token ids must be in the vocabulary.
    #[inline(always)]
    pub fn learn<S: Simd>(&mut self, simd: S, chunk: &Chunk) -> Loss {
        let (mut reading, mut noise) = chunk.generators();
        let (mut kept, mut ends) = (std::mem::take(&mut self.kept), std::mem::take(&mut self.ends));
        kept.clear();
        ends.clear();
        for sentence in self.corpus.sentences(chunk.tokens.clone()) {
            let begin = kept.len();
            self.subsample.sift(&self.corpus.tokens()[sentence], &mut reading, &mut kept);
            if self.window == Window::WholeSequence {
                ends.extend((begin..kept.len()).step_by(LONGEST_WINDOW).skip(1));
            }
            ends.push(kept.len());
        }
        self.pool.begin(&mut noise);
        let slope = (chunk.rate.end - chunk.rate.start) / kept.len().max(1) as f32;
        let mut begin = 0;
        for &end in &ends {
            let rate = |position: usize| chunk.rate.start + slope * (begin + position) as f32;
            self.sentence(simd, &kept[begin..end], rate, &mut reading, &mut noise);
            begin = end;
        }
        self.pool.end();
        (self.kept, self.ends) = (kept, ends);
        self.work.take_loss()
    }

    #[inline(always)]
    fn sentence<S: Simd>(
        &mut self,
        simd: S,
        words: &[u32],
        rate: impl Fn(usize) -> f32,
        reading: &mut impl Rng,
        noise: &mut impl Rng,
    ) {
        if words.len() < 2 {
            return;
        }
        let (mut inputs, mut targets) = (std::mem::take(&mut self.inputs), std::mem::take(&mut self.targets));
        for (position, &word) in words.iter().enumerate().take(self.window.largest()) {
            self.ring.enter(position, word);
        }
        let mut group = self.prepare(words, 0, noise);
        for (centre, &word) in words.iter().enumerate() {
            if let Some(&later) = words.get(centre + FAR) {
                self.output.prefetch_far(later);
            }
            if let Some(&soon) = words.get(centre + 2) {
                self.output.prefetch(soon);
            }
            let half = self.window.draw(reading);
            let around = centre.saturating_sub(half)..words.len().min(centre + half + 1);
            inputs.clear();
            inputs.extend((around.start..centre).map(|position| self.ring.at(position)));
            inputs.extend((centre + 1..around.end).map(|position| self.ring.at(position)));
            targets.clear();
            targets.push(self.pool.rows.now.at(centre % 2));
            // Noise that hits the true target is left out, as in word2vec.c.
            let noise_rows = group.filter(|&slot| self.pool.rows.row(slot) != word);
            targets.extend(noise_rows.map(|slot| self.pool.rows.now.at(slot)));
            let work = &mut self.work;
            self.objective.score(simd, rate(centre), &self.ring, &inputs, &self.pool, &targets, work);
            // The next centre's rows are moved here, while the processor waits for the last errors.
            group = self.prepare(words, centre + 1, noise);
            let work = &mut self.work;
            self.objective.apply(simd, &mut self.ring, &inputs, &mut self.pool, &targets, work);
        }
        for centre in words.len() - 1..=words.len() {
            self.pool.rows.put_back(centre % 2);
        }
        for position in words.len().saturating_sub(self.window.largest() + 1)..words.len() {
            self.ring.leave(position);
        }
        (self.inputs, self.targets) = (inputs, targets);
    }

    /// Makes the rows around `centre` resident, while the centre before it is still being learnt; returns the slots of
    /// its noise words. One beyond the last centre, only what is over is put back.
    #[inline(always)]
    fn prepare(&mut self, words: &[u32], centre: usize, noise: &mut impl Rng) -> std::ops::Range<usize> {
        let widest = self.window.largest();
        if let Some(left) = centre.checked_sub(widest + 2) {
            self.ring.leave(left);
        }
        let Some(&word) = words.get(centre) else { return 0..0 };
        if let Some(&entering) = words.get(centre + widest) {
            self.ring.enter(centre + widest, entering);
        }
        if let Some(&later) = words.get(centre + widest + FAR) {
            self.input.prefetch_far(later);
        }
        if let Some(&soon) = words.get(centre + widest + 1) {
            self.input.prefetch(soon);
        }
        if centre >= 2 {
            self.pool.rows.put_back(centre % 2);
        }
        self.pool.rows.fetch(centre % 2, word);
        self.pool.next_group(noise)
    }
}
