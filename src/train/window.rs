//! The loop that all window methods share: sift the tokens of a chunk, slide a window over each sentence, and let the
//! words around each centre predict it among noise.

use std::ops::Range;

use fearless_simd::Simd;
use rand::Rng;

use super::negative::{Noise, Pool, Sharing};
use super::objective::{Loss, Objective, Sources, Targets, Work};
use super::resident::Residents;
use super::ring::Ring;
use super::schedule::Chunk;
use super::store::Store;
use super::subsample::Subsample;
use crate::corpus::Corpus;
use crate::subword::Rows;

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

/// Who predicts whom. Learnt over a whole corpus both are the same pairs; what differs is which rows are resident for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The words around a centre, whose input rows are resident, predict the centre.
    Inward,
    /// The centre predicts the words around it, whose output rows are resident. Bags of rows are learnt this way: each is moved
    /// once, and held for one centre only. Words share n-grams; when all words of a window hold copies of shared rows,
    /// each corrects them without knowing of the others (`docs/design/0009-subwords.md`).
    Outward,
}

impl Direction {
    /// How many centres after one its row, or bag, is put back. A bag has to be before the next is fetched, which may share rows
    /// with it; for a row, it may wait for the last errors.
    fn lag(self) -> usize {
        match self {
            Self::Inward => 2,
            Self::Outward => 1,
        }
    }

    /// How noise is shared. A centre that predicts its window has a true target for each word of it, so that groups come round
    /// sooner; and bags learn better from noise that is new (`docs/design/0009-subwords.md`).
    pub fn sharing(self) -> Sharing {
        match self {
            Self::Inward => Sharing { groups: 16, uses: 16 },
            Self::Outward => Sharing { groups: 64, uses: 4 },
        }
    }
}

/// One thread's state: resident rows and scratch space.
pub struct Learner<'a, O, M> {
    corpus: &'a Corpus,
    subsample: &'a Subsample,
    window: Window,
    direction: Direction,
    objective: O,
    inputs: Residents<'a, M>,
    outputs: Residents<'a, M>,
    ring: Ring,
    pool: Pool<'a>,
    /// Whether the pool has its first noise.
    begun: bool,
    work: Work,
    /// The words of a chunk that subsampling keeps, and where its sentences end among them.
    kept: Vec<u32>,
    ends: Vec<usize>,
    /// The places of the rows that predict, and of those that are predicted among noise.
    sources: Sources,
    targets: Targets,
}

impl<'a, O: Objective<M>, M: Store> Learner<'a, O, M> {
    /// A learner whose `input` and `output` rows may be shared with others; `bags` are the input rows of each word.
    pub fn new(
        corpus: &'a Corpus,
        subsample: &'a Subsample,
        noise: &'a Noise,
        (window, direction, negative, objective): (Window, Direction, usize, O),
        (input, bags, output): (M, Option<&'a Rows>, M),
    ) -> Self {
        let (ring, sharing) = (Ring::slots(window.largest()), direction.sharing());
        let (inputs, outputs) = match direction {
            Direction::Inward => (ring, 2),
            Direction::Outward => (2, ring),
        };
        Self {
            corpus,
            subsample,
            window,
            direction,
            objective,
            inputs: Residents::new(input, bags, inputs),
            outputs: Residents::new(output, None, outputs + sharing.slots(negative)),
            ring: Ring::new(window.largest()),
            pool: Pool::new(noise, negative, sharing, outputs),
            begun: false,
            work: Work::new(2 * window.largest() * (negative + 1)),
            kept: Vec::new(),
            ends: Vec::new(),
            sources: Sources::default(),
            targets: Targets::default(),
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
        if !std::mem::replace(&mut self.begun, true) {
            self.pool.begin(&mut self.outputs, &mut noise);
        }
        let slope = (chunk.rate.end - chunk.rate.start) / kept.len().max(1) as f32;
        // Nobody asked for the first rows yet.
        let widest = self.window.largest();
        let (_, around, middle) = self.sides();
        kept.iter().take(widest + FAR).for_each(|&word| around.prefetch_far(word));
        kept.iter().take(FAR).for_each(|&word| middle.prefetch_far(word));
        let mut begin = 0;
        for &end in &ends {
            let rate = |position: usize| chunk.rate.start + slope * (begin + position) as f32;
            self.sentence(simd, &kept[begin..], end - begin, rate, &mut reading, &mut noise);
            begin = end;
        }
        self.objective.end();
        (self.kept, self.ends) = (kept, ends);
        self.work.take_loss()
    }

    /// Gives back the noise words: after a long chunk, or when there is no more to learn.
    pub fn finish(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.pool.end(&mut self.outputs);
        }
    }

    /// Where it learns.
    pub fn stores(&self) -> impl Iterator<Item = &M> {
        [self.inputs.store(), self.outputs.store()].into_iter().chain(self.objective.store())
    }

    /// Where it learns.
    pub fn stores_mut(&mut self) -> impl Iterator<Item = &mut M> {
        [self.inputs.store_mut(), self.outputs.store_mut()].into_iter().chain(self.objective.store_mut())
    }

    /// Learns a sentence: the first `length` of the `ahead` words, which are those of the chunk from it on.
    #[inline(always)]
    fn sentence<S: Simd>(
        &mut self,
        simd: S,
        ahead: &[u32],
        length: usize,
        rate: impl Fn(usize) -> f32,
        reading: &mut impl Rng,
        noise: &mut impl Rng,
    ) {
        if length < 2 {
            return;
        }
        let (words, widest) = (&ahead[..length], self.window.largest());
        for (position, &word) in words.iter().enumerate().take(widest) {
            let (ring, around, _) = self.sides();
            ring.enter(around, position, word);
        }
        self.prepare(words, ahead, 0);
        for (centre, &word) in words.iter().enumerate() {
            let half = self.window.draw(reading);
            let around = centre.saturating_sub(half)..words.len().min(centre + half + 1);
            self.pose(words, centre, word, around, noise);
            let Self { objective, inputs, outputs, work, sources, targets, .. } = self;
            objective.score(simd, rate(centre), &mut inputs.now, sources, &mut outputs.now, targets, work);
            // The next centre's rows are moved here, while the processor waits for the last errors.
            self.prepare(words, ahead, centre + 1);
            let Self { objective, inputs, outputs, work, sources, targets, .. } = self;
            objective.apply(simd, &mut inputs.now, sources, &mut outputs.now, targets, work);
        }
        let lag = self.direction.lag();
        let (ring, around, middle) = self.sides();
        for centre in words.len() - lag..words.len() {
            middle.put_back(centre % 2);
        }
        for position in words.len().saturating_sub(widest + 1)..words.len() {
            ring.leave(around, position);
        }
    }

    /// The ring, the residents in which it has the rows of the words around a centre, and those in which the first two
    /// slots are for this centre and the next.
    #[inline(always)]
    fn sides(&mut self) -> (&mut Ring, &mut Residents<'a, M>, &mut Residents<'a, M>) {
        match self.direction {
            Direction::Inward => (&mut self.ring, &mut self.inputs, &mut self.outputs),
            Direction::Outward => (&mut self.ring, &mut self.outputs, &mut self.inputs),
        }
    }

    /// Puts together who predicts whom at `centre`.
    #[inline(always)]
    fn pose(&mut self, words: &[u32], centre: usize, word: u32, around: Range<usize>, noise: &mut impl Rng) {
        let Self { window, ring, inputs, outputs, pool, sources, targets, .. } = self;
        sources.places.clear();
        targets.clear();
        // Noise that hits the true target is left out, as in word2vec.c.
        match self.direction {
            Direction::Inward => {
                sources.first = window.largest() + around.start - centre;
                let places = &mut sources.places;
                places.extend((around.start..centre).map(|position| inputs.now.at(ring.slot(position))));
                places.extend((centre + 1..around.end).map(|position| inputs.now.at(ring.slot(position))));
                let group = pool.next_group(outputs, noise).filter(|&slot| outputs.word(slot) != word);
                targets.push(outputs.now.at(centre % 2), group.map(|slot| outputs.now.at(slot)));
            }
            Direction::Outward => {
                sources.places.push(inputs.now.at(centre % 2));
                for position in (around.start..centre).chain(centre + 1..around.end) {
                    let group = pool.next_group(outputs, noise);
                    let group = group.filter(|&slot| outputs.word(slot) != words[position]);
                    targets.push(outputs.now.at(ring.slot(position)), group.map(|slot| outputs.now.at(slot)));
                }
            }
        }
    }

    /// Makes the rows around `centre` resident, while the centre before it is still being learnt. One beyond the last centre,
    /// only what is over is put back. Rows are asked for beyond the sentence, in the words `ahead`: sentences are short.
    #[inline(always)]
    fn prepare(&mut self, words: &[u32], ahead: &[u32], centre: usize) {
        let (widest, lag) = (self.window.largest(), self.direction.lag());
        let (ring, around, middle) = self.sides();
        if let Some(left) = centre.checked_sub(widest + 2) {
            ring.leave(around, left);
        }
        let Some(&word) = words.get(centre) else { return };
        if let Some(&entering) = words.get(centre + widest) {
            ring.enter(around, centre + widest, entering);
        }
        if let Some(over) = centre.checked_sub(lag) {
            middle.put_back(over % 2);
        }
        middle.fetch(centre % 2, word);
        for (rows, next) in [(around, centre + widest + 1), (middle, centre + 1)] {
            if let Some(&later) = ahead.get(next + FAR - 1) {
                rows.prefetch_far(later);
            }
            if let Some(&soon) = ahead.get(next) {
                rows.prefetch(soon);
            }
        }
    }
}
