//! PV-DBOW: the tags of a document predict each of its words, whatever its place (Le & Mikolov 2014,
//! "Distributed Representations of Sentences and Documents").
//!
//! A tag is one input row and predicts as a centre of skip-gram does. A row for each word would be
//! little work for many moves of rows, so several documents are learnt side by side
//! ([`super::beside`]): in each step every tag among them predicts the next word of its document.

use fearless_simd::Simd;
use rand::Rng;

use super::beside::{SIDE_BY_SIDE, SideBySide};
use super::objective::Loss;
use super::reading::Kept;
use super::rows::RowCache;
use super::{Generators, Learn, Matrices, WindowTask};
use crate::memory::Store;
use crate::train::schedule::Chunk;

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
    beside: SideBySide<'a, M>,
    kept: Kept,
    streams: Vec<Stream>,
    places: Vec<Place>,
    /// Slots of `inputs` that hold no tag.
    free: Vec<usize>,
}

impl<'a, M: Store> DocumentLearner<'a, M> {
    /// A learner of rows that may be shared with others.
    pub(crate) fn new(task: &'a WindowTask<'a>, rows: Matrices<M>) -> Self {
        Self {
            task,
            inputs: RowCache::new(rows.input, None, SIDE_BY_SIDE),
            beside: SideBySide::new(task, rows.output),
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
        let Self { inputs, beside, places, .. } = self;
        let n = places.len();
        let (mut tags, mut words) = ([0; SIDE_BY_SIDE], [0; SIDE_BY_SIDE]);
        for (at, Place { stream, slot }) in places.iter_mut().enumerate() {
            tags[at] = inputs.now.at(*slot);
            words[at] = kept[stream.next];
            stream.next += 1;
            if let Some(&soon) = kept.get(stream.next + 1).filter(|_| stream.next + 1 < stream.end)
            {
                beside.prefetch(soon);
            }
        }
        beside.learn(simd, rate, &mut inputs.now, &tags[..n], &words[..n], noise);
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
        self.streams.clear();
        let mut next = 0;
        for &(end, sequence) in &kept.ends {
            if next < end {
                let stream = |&tag: &u32| Stream { row: tags.first + tag, next, end };
                self.streams.extend(tags.of.of(sequence).iter().map(stream));
            }
            next = end;
        }
        self.beside.begin(chunk.phase(), noise);
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
                return self.beside.take_loss();
            }
            let rate = chunk.rate.start + slope * done as f32;
            done += self.places.len();
            self.step(simd, rate, &kept.words, noise);
            if self.places.iter().any(|place| place.stream.next >= place.stream.end) {
                self.leave();
            }
        }
    }

    fn task(&mut self) -> (&WindowTask<'_>, &mut Kept) {
        (self.task, &mut self.kept)
    }

    fn finish(&mut self) {
        self.beside.finish();
    }

    fn stores<'s>(&'s self) -> impl Iterator<Item = &'s M>
    where
        M: 's,
    {
        [&self.inputs.store, &self.beside.outputs.store].into_iter()
    }

    fn stores_mut<'s>(&'s mut self) -> impl Iterator<Item = &'s mut M>
    where
        M: 's,
    {
        [&mut self.inputs.store, &mut self.beside.outputs.store].into_iter()
    }
}
