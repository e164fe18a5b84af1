//! PV-DBOW: the tags of a document predict each of its words, whatever its place (Le & Mikolov 2014,
//! "Distributed Representations of Sentences and Documents").
//!
//! A tag is one input row and predicts as a centre of skip-gram does. A row for each word would be
//! little work for many moves of rows, so several documents are learnt side by side: in each step
//! every tag among them predicts the next word of its document, and all of them meet the same noise
//! words. A tag so has fresh noise for each word, and few noise rows are moved.
//!
//! This file is over 300 lines because it keeps the whole loop and all state of a thread in one
//! place, as the window's does.

use fearless_simd::Simd;
use rand::Rng;

use super::negative::NoiseGroup;
use super::objective::{Loss, Scratch, Targets, for_blocks};
use super::reading::Kept;
use super::rows::RowCache;
use super::{Generators, Learn, Matrices, WindowTask};
use crate::math::{LINE, kernel};
use crate::memory::Store;
use crate::train::schedule::Chunk;

/// Tags that are learnt side by side.
const SIDE_BY_SIDE: usize = 16;
/// How often noise words are used: once where many tags share them, and more often where the tag of a
/// new document is alone.
const NOISE_USES: [usize; 2] = [1, 3];

/// The number of words that count as frequent. Half of a text consists of so few.
const FREQUENT: usize = 128;
/// A frequent word's row goes back after this many uses.
const USES: u8 = 6;

/// A tag and the words that it predicts, as a range of those that subsampling keeps.
struct Stream {
    row: u32,
    next: usize,
    end: usize,
}

/// A place for a stream.
struct Place {
    stream: Stream,
    /// The slot of the tag's row. Streams of one tag share it.
    slot: usize,
}

/// One thread's state: resident rows and scratch space.
pub(crate) struct DocumentLearner<'a, M> {
    task: &'a WindowTask<'a>,
    /// The rows of tags.
    inputs: RowCache<'a, M>,
    /// The rows of the words that are predicted, one for each place, and of noise words.
    outputs: RowCache<'a, M>,
    noise: NoiseGroup<'a>,
    frequent: Frequent,
    /// Whether there is noise.
    begun: bool,
    scratch: Scratch,
    /// The noise words of a step.
    targets: Targets,
    kept: Kept,
    streams: Vec<Stream>,
    places: Vec<Place>,
    /// Slots of `inputs` that hold no tag.
    free: Vec<usize>,
}

/// The most frequent words, whose output rows stay for several uses.
struct Frequent {
    /// The slot of the first of them.
    base: usize,
    /// How often each was used since its row was fetched; 0 where it is not there.
    uses: [u8; FREQUENT],
}

impl Frequent {
    /// The slot of `word`, which is `slot` for a word that is not so frequent, and whether its row
    /// is there.
    #[inline(always)]
    fn slot(&mut self, word: u32, slot: usize) -> (usize, bool) {
        let Some(uses) = self.uses.get_mut(word as usize) else { return (slot, false) };
        *uses += 1;
        (self.base + word as usize, *uses > 1)
    }

    /// Whether the row in `slot` is to go back now. It then counts as gone.
    #[inline(always)]
    fn is_due(&mut self, slot: usize) -> bool {
        let Some(at) = slot.checked_sub(self.base) else { return true };
        let due = self.uses[at] >= USES;
        if due {
            self.uses[at] = 0;
        }
        due
    }

    /// Gives all rows back.
    #[inline(never)]
    fn clear(&mut self, rows: &mut RowCache<impl Store>) {
        for (at, uses) in self.uses.iter_mut().enumerate() {
            if std::mem::take(uses) > 0 {
                rows.put_back(self.base + at);
            }
        }
    }
}

impl<'a, M: Store> DocumentLearner<'a, M> {
    /// A learner of rows that may be shared with others.
    pub(crate) fn new(task: &'a WindowTask<'a>, rows: Matrices<M>) -> Self {
        let negative = task.negative;
        let slots = SIDE_BY_SIDE + negative;
        let uses = NOISE_USES[usize::from(task.tags.is_some_and(|tags| tags.still))];
        Self {
            task,
            inputs: RowCache::new(rows.input, None, SIDE_BY_SIDE),
            outputs: RowCache::new(rows.output, None, slots + FREQUENT),
            noise: NoiseGroup::new(&task.noise, SIDE_BY_SIDE..slots, uses),
            frequent: Frequent { base: slots, uses: [0; FREQUENT] },
            begun: false,
            scratch: Scratch::new(SIDE_BY_SIDE * (negative + 1)),
            targets: Targets::default(),
            kept: Kept::default(),
            streams: Vec::new(),
            places: Vec::new(),
            free: (0..SIDE_BY_SIDE).collect(),
        }
    }

    /// Gives a stream a place.
    #[inline(never)]
    fn enter(&mut self, stream: Stream) {
        let row = stream.row;
        let same = self.places.iter().find(|place| place.stream.row == row).map(|place| place.slot);
        let slot = same.unwrap_or_else(|| {
            let slot = self.free.pop().unwrap_or_default();
            self.inputs.fetch(slot, row);
            slot
        });
        self.places.push(Place { stream, slot });
    }

    /// Takes the streams that are at their end from their places.
    #[inline(never)]
    fn leave(&mut self) {
        let mut at = 0;
        while at < self.places.len() {
            let Stream { next, end, .. } = self.places[at].stream;
            if next < end {
                at += 1;
                continue;
            }
            let slot = self.places.swap_remove(at).slot;
            if self.places.iter().all(|place| place.slot != slot) {
                self.inputs.put_back(slot);
                self.free.push(slot);
            }
        }
    }

    /// Every tag that has a place predicts the next word of its document.
    #[inline(always)]
    fn step<S: Simd>(&mut self, simd: S, rate: f32, kept: &[u32], noise: &mut impl Rng) {
        let Self { inputs, outputs, noise: group, frequent, scratch, targets, places, .. } = self;
        let n = places.len();
        let (mut tags, mut words) = ([0; SIDE_BY_SIDE], [0; SIDE_BY_SIDE]);
        let (mut own, mut slots) = ([0; SIDE_BY_SIDE], [0; SIDE_BY_SIDE]);
        for (at, Place { stream, slot }) in places.iter_mut().enumerate() {
            tags[at] = inputs.now.at(*slot);
            words[at] = kept[stream.next];
            let (place, there) = frequent.slot(words[at], at);
            if !there {
                outputs.fetch(place, words[at]);
            }
            slots[at] = place;
            own[at] = outputs.now.at(slots[at]);
            stream.next += 1;
            if let Some(&soon) = kept.get(stream.next + 1).filter(|_| stream.next + 1 < stream.end)
            {
                outputs.prefetch(soon);
            }
        }
        let (tags, own) = (&tags[..n], &own[..n]);
        let group = group.next(outputs, noise);
        targets.clear();
        targets.push_noise(group.clone().map(|slot| outputs.now.at(slot)));
        let k = group.len();
        for_blocks!(targets, |block, at, first| {
            let errors = &mut scratch.errors[at * n..][..block.len() * n + LINE];
            kernel::errors(
                simd,
                rate,
                &scratch.noise,
                &inputs.now,
                tags,
                &outputs.now,
                block,
                errors,
            );
            // Noise that hits the true target is left out, as in word2vec.c.
            for j in 0..block.len() {
                let word = outputs.word(group.start + at + j);
                for i in 0..n {
                    if words[i] == word {
                        errors[i * block.len() + j] = 0.0;
                    }
                }
            }
        });
        let errors = &mut scratch.errors[k * n..][..n + LINE];
        kernel::own_errors(simd, rate, &inputs.now, tags, &outputs.now, own, errors);
        scratch.sample(rate, n * (k + 1));
        let (noise, own_errors) = scratch.errors.split_at(k * n);
        let (x, y) = (&mut inputs.now, &mut outputs.now);
        for_blocks!(targets, |block, at, first| {
            let errors = &noise[at * n..][..block.len() * n];
            kernel::update(simd, x, tags, y, block, errors);
        });
        kernel::update_own(simd, x, tags, y, own, own_errors);
        for &slot in &slots[..n] {
            if frequent.is_due(slot) {
                outputs.put_back(slot);
            }
        }
    }

    /// The only tag predicts the next word of its document, while words stand still.
    #[inline(always)]
    fn step_alone<S: Simd>(&mut self, simd: S, rate: f32, kept: &[u32], noise: &mut impl Rng) {
        let Self { inputs, outputs, noise: group, scratch, targets, places, .. } = self;
        let Place { stream, slot } = &mut places[0];
        let word = kept[stream.next];
        outputs.fetch(0, word);
        stream.next += 1;
        if let Some(&soon) = kept.get(stream.next) {
            outputs.prefetch(soon);
        }
        let slots = group.next(outputs, noise).filter(|&slot| outputs.word(slot) != word);
        targets.clear();
        targets.push(outputs.now.at(0), slots.map(|slot| outputs.now.at(slot)));
        let tag = &[inputs.now.at(*slot)];
        let (x, y) = (&mut inputs.now, &mut outputs.now);
        for_blocks!(targets, |block, at, first| {
            let labels = if first { &scratch.labels[block.len() - 1] } else { &scratch.noise };
            let errors = &mut scratch.errors[at..][..block.len() + LINE];
            kernel::errors(simd, rate, labels, x, tag, y, block, errors);
            kernel::update_inputs(simd, x, tag, y, block, errors);
        });
    }
}

impl<M: Store> Learn<M> for DocumentLearner<'_, M> {
    #[inline(always)]
    fn learn_by<S: Simd>(
        &mut self,
        simd: S,
        kept: &Kept,
        chunk: &Chunk,
        (_, noise): &mut Generators,
    ) -> Loss {
        let Some(tags) = self.task.tags else { return Loss::default() };
        self.scratch.begin(chunk.phase());
        self.streams.clear();
        let mut next = 0;
        for &(end, sequence) in &kept.ends {
            if next < end {
                let stream = |&tag: &u32| Stream { row: tags.first + tag, next, end };
                self.streams.extend(tags.of.of(sequence).iter().map(stream));
            }
            next = end;
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.noise.begin(&mut self.outputs, noise);
        }
        let words: usize = self.streams.iter().map(|stream| stream.end - stream.next).sum();
        let slope = (chunk.rate.end - chunk.rate.start) / words.max(1) as f32;
        self.streams.reverse();
        let mut done = 0;
        loop {
            while self.places.len() < SIDE_BY_SIDE
                && let Some(stream) = self.streams.pop()
            {
                self.enter(stream);
                if let Some(next) = self.streams.last() {
                    self.inputs.prefetch(next.row);
                }
            }
            if self.places.is_empty() {
                return self.scratch.take_loss();
            }
            let rate = chunk.rate.start + slope * done as f32;
            done += self.places.len();
            if tags.still {
                self.step_alone(simd, rate, &kept.words, noise);
            } else {
                self.step(simd, rate, &kept.words, noise);
            }
            if self.places.iter().any(|place| place.stream.next >= place.stream.end) {
                self.leave();
            }
        }
    }

    fn task(&mut self) -> (&WindowTask<'_>, &mut Kept) {
        (self.task, &mut self.kept)
    }

    fn finish(&mut self) {
        if std::mem::take(&mut self.begun) {
            self.noise.end(&mut self.outputs);
            self.frequent.clear(&mut self.outputs);
        }
    }

    fn stores<'s>(&'s self) -> impl Iterator<Item = &'s M>
    where
        M: 's,
    {
        [&self.inputs.store, &self.outputs.store].into_iter()
    }

    fn stores_mut<'s>(&'s mut self) -> impl Iterator<Item = &'s mut M>
    where
        M: 's,
    {
        [&mut self.inputs.store, &mut self.outputs.store].into_iter()
    }
}
