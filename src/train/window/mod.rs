//! The loop that all window methods share: sift the tokens of a chunk, slide a window over each
//! sentence, and let the words around each centre predict it among noise.
//!
//! The idea alone, in plain f64 arithmetic and without any of the means that make it fast, is the
//! sixty lines of `train` in `tests/reference/plain.rs`. This loop is checked against it. What is
//! added here: rows stay in private copies while their words are in the window ([`ring`],
//! [`rows`]), noise words are used for several centres ([`negative`]), and memory is asked for
//! before it is needed.
//!
//! This file is over 300 lines because it keeps the whole loop and all state of a thread in one
//! place.

mod beside;
mod document;
mod frequent;
pub(crate) mod negative;
pub(crate) mod newcomer;
pub(crate) mod objective;
mod paragraph;
pub(crate) mod reading;
mod ring;
pub(crate) mod rows;
pub(crate) mod subsample;

use std::ops::Range;

use fearless_simd::{Level, Simd};
use rand::Rng;

use self::document::DocumentLearner;
use self::negative::{Noise, NoisePool, PoolShape};
use self::objective::{Block, CbowGradient, Inputs, Loss, Objective, Scratch, Targets};
use self::paragraph::ParagraphLearner;
use self::reading::{Kept, Reading};
use self::ring::Ring;
use self::rows::RowCache;
use self::subsample::Subsample;
use super::schedule::Chunk;
use crate::corpus::Tags;
use crate::math::dispatch;
use crate::memory::Store;
use crate::random::Generator;
use crate::subword::Bags;
/// Where a window that is a whole sentence is cut, in words.
pub(crate) const LONGEST_WINDOW: usize = 1000;
/// Position weights are exchanged with other threads after this many centres.
const ROUND: usize = 64;

/// The half-width of windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// Drawn for each centre from 1 to the given number, all equally likely, as word2vec.c does.
    Dynamic(usize),
    /// Always the given number.
    Fixed(usize),
    /// The whole sentence, in pieces of at most [`LONGEST_WINDOW`] words.
    WholeSequence,
}

impl Window {
    /// The largest half-width.
    pub(crate) fn largest(self) -> usize {
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

/// Who predicts whom. Learnt over a whole corpus both directions are the same pairs; they differ in
/// which rows are resident for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The words around a centre, whose input rows are resident, predict the centre.
    Inward,
    /// The centre predicts the words around it, whose output rows are resident. Bags of rows are
    /// learnt this way: each is moved once, and held for one centre only. Words share n-grams; when
    /// all words of a window hold copies of shared rows, each corrects them without knowing of the
    /// others (`docs/design/0009-subwords.md`).
    Outward,
}

impl Direction {
    /// How many centres after one its row, or bag, is put back. A bag has to be put back before the
    /// next is fetched, which may share rows with it; a row may wait for the last errors.
    fn lag(self) -> usize {
        match self {
            Self::Inward => 2,
            Self::Outward => 1,
        }
    }

    /// How many centres before a row is needed it is asked for. Bags are so many rows that those of
    /// one centre are as much as can be on their way.
    fn early(self) -> usize {
        match self {
            Self::Inward => 2,
            Self::Outward => 1,
        }
    }

    /// How noise is shared. A centre that predicts its window has a true target for each word of
    /// it, so that groups come round sooner; and bags learn better from noise that is new
    /// (`docs/design/0009-subwords.md`).
    pub(crate) fn pool(self) -> PoolShape {
        match self {
            Self::Inward => PoolShape { groups: 16, uses: 16 },
            Self::Outward => PoolShape { groups: 64, uses: 8 },
        }
    }
}

/// The matrices that are trained: as shared memory, as references to it, or as overlays.
#[derive(Clone, Debug)]
pub(crate) struct Matrices<M> {
    /// Input rows: those of words, then those of n-grams, or of tags.
    pub(crate) input: M,
    /// Output rows.
    pub(crate) output: M,
    /// Weights of the positions around a centre, where they are learnt.
    pub(crate) positions: Option<M>,
}

/// What all learners of a training have in common.
pub(crate) struct WindowTask<'a> {
    /// What is learnt from, in the order in which it is learnt.
    pub(crate) reading: Reading<'a>,
    /// The tags that predict beside words, or alone; `None` where only words do.
    pub(crate) tags: Option<TagRows<'a>>,
    /// The input rows of each word; without bags, a word has its own row.
    pub(crate) bags: Option<Bags>,
    /// Which tokens are kept.
    pub(crate) subsample: Subsample,
    /// Where noise words come from.
    pub(crate) noise: Noise,
    /// Noise words for each true target.
    pub(crate) negative: usize,
    /// The width of windows.
    pub(crate) window: Window,
    /// Who predicts whom.
    pub(crate) direction: Direction,
}

/// The tags of documents, which predict the words of their documents (Le & Mikolov 2014,
/// "Distributed Representations of Sentences and Documents").
#[derive(Clone, Copy)]
pub(crate) struct TagRows<'a> {
    /// The tags of each sequence.
    pub(crate) of: &'a Tags,
    /// The input row of the first tag.
    pub(crate) first: u32,
    /// The most tags that a sequence has.
    pub(crate) most: usize,
}

/// One thread's state: resident rows and scratch space.
pub(crate) struct Learner<'a, O, M> {
    task: &'a WindowTask<'a>,
    window: Window,
    direction: Direction,
    objective: O,
    inputs: RowCache<'a, M>,
    outputs: RowCache<'a, M>,
    positions: Option<RowCache<'a, M>>,
    /// Centres since the chunk began, where positions have weights.
    centres: usize,
    ring: Ring,
    pool: NoisePool<'a>,
    /// Whether the pool has its first noise.
    begun: bool,
    scratch: Scratch,
    /// The words of a chunk that subsampling keeps.
    kept: Kept,
    /// The slots of the tags of the sequence that is learnt.
    tags: Range<usize>,
    /// The places of the rows that predict, and of those that are predicted among noise.
    sources: Inputs,
    targets: Targets,
}

/// What a thread, or a worker, learns with.
pub(crate) trait Learn<M>: Send + Sync {
    /// Learns words in the place of `chunk`, which gives the learning rate and the random numbers;
    /// returns the sampled loss. All words must be in the vocabulary.
    fn learn_by<S: Simd>(
        &mut self,
        simd: S,
        kept: &Kept,
        chunk: &Chunk,
        generators: &mut Generators,
    ) -> Loss;

    /// Gives back the noise words: after a long chunk, or at a border.
    fn finish(&mut self);

    /// The task, and room for the words of a chunk.
    fn task(&mut self) -> (&WindowTask<'_>, &mut Kept);

    /// The matrices that it learns: input, output, and positions where they have weights.
    fn stores<'s>(&'s self) -> impl Iterator<Item = &'s M>
    where
        M: 's;

    /// Mutable access to [`Learn::stores`].
    fn stores_mut<'s>(&'s mut self) -> impl Iterator<Item = &'s mut M>
    where
        M: 's;

    /// [`Learn::learn_by`] with these vector instructions. All that learns goes through this one
    /// function, so that its loops are compiled once for each level.
    #[inline(never)]
    fn learn_kept(
        &mut self,
        level: Level,
        kept: &Kept,
        chunk: &Chunk,
        generators: &mut Generators,
    ) -> Loss {
        dispatch!(level, simd => self.learn_by(simd, kept, chunk, generators))
    }

    /// Learns the sequences of a chunk; returns the sampled loss. All its token ids must be in the
    /// vocabulary.
    fn learn(&mut self, level: Level, chunk: &Chunk) -> Loss {
        let mut generators = chunk.generators();
        let (task, kept) = self.task();
        let mut kept = std::mem::take(kept);
        kept.clear();
        let longest = (task.window == Window::WholeSequence).then_some(LONGEST_WINDOW);
        for (sequence, piece) in task.reading.pieces(chunk.tokens.clone()) {
            let words = &task.reading.corpus.tokens()[piece];
            kept.add(sequence, words, (&task.subsample, longest), &mut generators.0);
        }
        let loss = self.learn_kept(level, &kept, chunk, &mut generators);
        *self.task().1 = kept;
        loss
    }
}

/// The generators of a chunk: one for reading, and one for noise.
type Generators = (Generator, Generator);

/// How a method learns: it makes a learner for each thread, or worker.
pub(crate) trait Way: Send + Sync {
    /// What it makes.
    type Learner<'a, M: Store + 'a>: Learn<M>;

    /// A learner of rows that may be shared with others.
    fn learner<'a, M: Store>(
        &self,
        task: &'a WindowTask<'a>,
        rows: Matrices<M>,
    ) -> Self::Learner<'a, M>;
}

/// Words predict each other in windows, by this objective.
pub(crate) struct Windows<O>(pub(crate) O);

impl<O: Objective + 'static> Way for Windows<O> {
    type Learner<'a, M: Store + 'a> = Learner<'a, O, M>;

    fn learner<'a, M: Store>(
        &self,
        task: &'a WindowTask<'a>,
        rows: Matrices<M>,
    ) -> Learner<'a, O, M> {
        Learner::new(task, self.0.clone(), rows)
    }
}

/// Tags alone predict words.
pub(crate) struct TagsAlone;

impl Way for TagsAlone {
    type Learner<'a, M: Store + 'a> = DocumentLearner<'a, M>;

    fn learner<'a, M: Store>(
        &self,
        task: &'a WindowTask<'a>,
        rows: Matrices<M>,
    ) -> DocumentLearner<'a, M> {
        DocumentLearner::new(task, rows)
    }
}

/// Tags and the words around a word predict it together.
pub(crate) struct TagsInWindows(pub(crate) CbowGradient);

impl Way for TagsInWindows {
    type Learner<'a, M: Store + 'a> = ParagraphLearner<'a, M>;

    fn learner<'a, M: Store>(
        &self,
        task: &'a WindowTask<'a>,
        rows: Matrices<M>,
    ) -> ParagraphLearner<'a, M> {
        ParagraphLearner::new(task, self.0, rows)
    }
}

impl<'a, O: Objective, M: Store> Learner<'a, O, M> {
    /// A learner of rows that may be shared with others.
    pub(crate) fn new(task: &'a WindowTask<'a>, objective: O, rows: Matrices<M>) -> Self {
        let WindowTask { window, direction, negative, .. } = *task;
        let (ring, pool) = (Ring::slots(window.largest()), direction.pool());
        let (words, outputs) = match direction {
            Direction::Inward => (ring, 2),
            Direction::Outward => (2, ring),
        };
        let tags = task.tags.map_or(0, |tags| tags.most);
        let positions =
            rows.positions.map(|store| RowCache::new(store, None, 2 * window.largest()));
        Self {
            task,
            window,
            direction,
            objective,
            inputs: RowCache::new(rows.input, task.bags.as_ref(), words + tags),
            outputs: RowCache::new(rows.output, None, outputs + pool.slots(negative)),
            positions,
            centres: 0,
            ring: Ring::new(window.largest(), 0),
            pool: NoisePool::new(&task.noise, negative, pool, outputs),
            begun: false,
            scratch: Scratch::new((2 * window.largest() + tags) * (negative + 1)),
            kept: Kept::default(),
            tags: words..words,
            sources: Inputs::default(),
            targets: Targets::default(),
        }
    }

    /// Learns a sentence: the first `length` of the `ahead` words, which are the rest of the chunk.
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
        // A word alone is predicted by tags only.
        if length < if self.tags.is_empty() { 2 } else { 1 } {
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
            self.fetch_positions();
            let (objective, mut block, scratch) = self.block();
            objective.score(simd, rate(centre), &mut block, scratch);
            // The next centre's rows are moved here, while the processor waits for the last errors.
            self.prepare(words, ahead, centre + 1);
            let (objective, mut block, scratch) = self.block();
            objective.apply(simd, &mut block, scratch);
        }
        let lag = self.direction.lag();
        let (ring, around, middle) = self.sides();
        for centre in words.len().saturating_sub(lag)..words.len() {
            middle.put_back(centre % 2);
        }
        for position in words.len().saturating_sub(widest + 1)..words.len() {
            ring.leave(around, position);
        }
    }

    /// What is learnt at the centre that was posed last.
    #[inline(always)]
    fn block(&mut self) -> (&mut O, Block<'_>, &mut Scratch) {
        let block = Block {
            x: &mut self.inputs.now,
            inputs: &self.sources,
            weights: self.positions.as_mut().map(|positions| &mut positions.now),
            y: &mut self.outputs.now,
            targets: &self.targets,
        };
        (&mut self.objective, block, &mut self.scratch)
    }

    /// The ring, the cache in which it has the rows of the words around a centre, and the cache in
    /// which the first two slots are for this centre and the next.
    #[inline(always)]
    fn sides(&mut self) -> (&mut Ring, &mut RowCache<'a, M>, &mut RowCache<'a, M>) {
        match self.direction {
            Direction::Inward => (&mut self.ring, &mut self.inputs, &mut self.outputs),
            Direction::Outward => (&mut self.ring, &mut self.outputs, &mut self.inputs),
        }
    }

    /// Puts together who predicts whom at `centre`.
    #[inline(always)]
    fn pose(
        &mut self,
        words: &[u32],
        centre: usize,
        word: u32,
        around: Range<usize>,
        noise: &mut impl Rng,
    ) {
        let Self { window, ring, inputs, outputs, pool, sources, targets, tags, .. } = self;
        sources.places.clear();
        targets.clear();
        // Noise that hits the true target is left out, as in word2vec.c.
        match self.direction {
            Direction::Inward => {
                sources.first = window.largest() + around.start - centre;
                let place = |position: usize| inputs.now.at(ring.slot(position));
                sources.places.extend((around.start..centre).map(place));
                sources.places.extend((centre + 1..around.end).map(place));
                sources.places.extend(tags.clone().map(|slot| inputs.now.at(slot)));
                let group =
                    pool.next_group(outputs, noise).filter(|&slot| outputs.word(slot) != word);
                targets.push(outputs.now.at(centre % 2), group.map(|slot| outputs.now.at(slot)));
            }
            Direction::Outward => {
                sources.places.push(inputs.now.at(centre % 2));
                for position in (around.start..centre).chain(centre + 1..around.end) {
                    let group = pool.next_group(outputs, noise);
                    let group = group.filter(|&slot| outputs.word(slot) != words[position]);
                    let target = outputs.now.at(ring.slot(position));
                    targets.push(target, group.map(|slot| outputs.now.at(slot)));
                }
            }
        }
    }

    /// Makes the rows around `centre` resident, while the centre before it is still being learnt.
    /// Called once past the last centre, it only writes back what has left the window. Rows are
    /// asked for beyond the sentence, in the words `ahead`: sentences are short.
    #[inline(always)]
    fn prepare(&mut self, words: &[u32], ahead: &[u32], centre: usize) {
        let (widest, lag, early) =
            (self.window.largest(), self.direction.lag(), self.direction.early());
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
            if let Some(&soon) = ahead.get(next + early - 1) {
                rows.prefetch(soon);
            }
        }
    }

    /// Makes the tags of a sequence resident, as long as it is learnt.
    #[inline(always)]
    fn fetch_tags(&mut self, sequence: usize) {
        let Some(rows) = &self.task.tags else { return };
        let (tags, first) = (rows.of.of(sequence), rows.first);
        self.tags.end = self.tags.start + tags.len();
        for (slot, &tag) in self.tags.clone().zip(tags) {
            self.inputs.fetch(slot, first + tag);
        }
    }

    /// Asks for the tags of the next sequence.
    #[inline(always)]
    fn prefetch_tags(&mut self, sequence: usize) {
        let Some(rows) = &self.task.tags else { return };
        rows.of.of(sequence).iter().for_each(|&tag| self.inputs.prefetch(rows.first + tag));
    }

    /// Gives back what was learnt of the tags.
    #[inline(always)]
    fn put_back_tags(&mut self) {
        self.tags.clone().for_each(|slot| self.inputs.put_back(slot));
    }

    /// Exchanges position weights with other threads, at every [`ROUND`]th centre.
    #[inline(always)]
    fn fetch_positions(&mut self) {
        let Some(positions) = &mut self.positions else { return };
        if self.centres.is_multiple_of(ROUND) {
            exchange(positions, self.centres > 0);
        }
        self.centres += 1;
    }

    /// Gives back what was learnt about positions, at the end of a chunk.
    fn put_back_positions(&mut self) {
        if let (Some(positions), true) = (&mut self.positions, self.centres > 0) {
            (0..positions.len()).for_each(|slot| positions.put_back(slot));
        }
        self.centres = 0;
    }
}

impl<O: Objective, M: Store> Learn<M> for Learner<'_, O, M> {
    #[inline(always)]
    fn learn_by<S: Simd>(
        &mut self,
        simd: S,
        kept: &Kept,
        chunk: &Chunk,
        (reading, noise): &mut Generators,
    ) -> Loss {
        self.scratch.begin(chunk.phase());
        let Kept { words: kept, ends } = kept;
        if !std::mem::replace(&mut self.begun, true) {
            self.pool.begin(&mut self.outputs, noise);
        }
        let slope = (chunk.rate.end - chunk.rate.start) / kept.len().max(1) as f32;
        // Ask for the first rows; nothing has yet.
        let (widest, early) = (self.window.largest(), self.direction.early());
        let (_, around, middle) = self.sides();
        kept.iter().take(widest + early).for_each(|&word| around.prefetch(word));
        kept.iter().take(early).for_each(|&word| middle.prefetch(word));
        let mut begin = 0;
        for (i, &(end, sequence)) in ends.iter().enumerate() {
            let rate = |position: usize| chunk.rate.start + slope * (begin + position) as f32;
            self.fetch_tags(sequence);
            if let Some(&(_, next)) = ends.get(i + 1) {
                self.prefetch_tags(next);
            }
            self.sentence(simd, &kept[begin..], end - begin, rate, reading, noise);
            self.put_back_tags();
            begin = end;
        }
        self.put_back_positions();
        self.scratch.take_loss()
    }

    fn task(&mut self) -> (&WindowTask<'_>, &mut Kept) {
        (self.task, &mut self.kept)
    }

    fn finish(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.pool.end(&mut self.outputs);
        }
    }

    fn stores<'s>(&'s self) -> impl Iterator<Item = &'s M>
    where
        M: 's,
    {
        let positions = self.positions.as_ref().map(|rows| &rows.store);
        [&self.inputs.store, &self.outputs.store].into_iter().chain(positions)
    }

    fn stores_mut<'s>(&'s mut self) -> impl Iterator<Item = &'s mut M>
    where
        M: 's,
    {
        let positions = self.positions.as_mut().map(|rows| &mut rows.store);
        [&mut self.inputs.store, &mut self.outputs.store].into_iter().chain(positions)
    }
}

/// Fetches all of `rows`, after what was learnt is given back. This rare work is kept out of the
/// loop over centres, which is slower with it even where there are no position weights.
#[inline(never)]
fn exchange(rows: &mut RowCache<impl Store>, learnt: bool) {
    for slot in 0..rows.len() {
        if learnt {
            rows.put_back(slot);
        }
        rows.fetch(slot, slot as u32);
    }
}
