//! PV-DM: the mean of a document's tags and of the words around a word predicts this word (Le &
//! Mikolov 2014, "Distributed Representations of Sentences and Documents").
//!
//! A tag meets all windows of its document, and so wants fresh noise in each of them, as in PV-DBOW.
//! Several documents are learnt side by side for that ([`super::beside`]), each with a window of its
//! own. The rows of a window stay as long as in the window of a sentence ([`Ring`]), and those of
//! frequent words are common to all windows.

use fearless_simd::Simd;
use rand::Rng;

use super::beside::{SIDE_BY_SIDE, SideBySide};
use super::frequent::{FREQUENT, Frequent};
use super::objective::{CbowGradient, Loss};
use super::reading::Kept;
use super::ring::Ring;
use super::rows::RowCache;
use super::{Generators, Learn, Matrices, WindowTask};
use crate::math::{Tile, mean};
use crate::memory::Store;
use crate::train::schedule::Chunk;

/// Slots for the rows of all windows, above which fewer documents are learnt side by side.
const SLOTS: usize = 2048;

/// A piece of a document that is being learnt: a range of the words that subsampling keeps.
struct Place {
    /// Its ring.
    ring: usize,
    begin: usize,
    next: usize,
    end: usize,
    /// The slots of its tags.
    tags: Vec<usize>,
}

/// One thread's state: resident rows and scratch space.
pub(crate) struct ParagraphLearner<'a, M> {
    task: &'a WindowTask<'a>,
    gradient: CbowGradient,
    /// The rows of the words of all windows, of tags, and of frequent words.
    inputs: RowCache<'a, M>,
    frequent: Frequent,
    rings: Vec<Ring>,
    /// The tag in each slot that is for one, and how many places use it.
    tags: Vec<(u32, u32)>,
    first_tag: usize,
    beside: SideBySide<'a, M>,
    /// The mean of each window, and what it was before it was learnt.
    means: [Tile; 2],
    kept: Kept,
    places: Vec<Place>,
    free: Vec<usize>,
    /// The inputs of all windows, and where those of each end.
    around: Vec<usize>,
    ends: Vec<usize>,
}

impl<'a, M: Store> ParagraphLearner<'a, M> {
    /// A learner of rows that may be shared with others.
    pub(crate) fn new(task: &'a WindowTask<'a>, gradient: CbowGradient, rows: Matrices<M>) -> Self {
        let widest = task.window.largest();
        let slots = Ring::slots(widest);
        let beside = (SLOTS / slots).clamp(1, SIDE_BY_SIDE);
        let (first_tag, tags) = (beside * slots, beside * task.tags.map_or(0, |tags| tags.most));
        let inputs = RowCache::new(rows.input, None, first_tag + tags + FREQUENT);
        let mean = Tile::new(beside, inputs.store.dim());
        Self {
            task,
            gradient,
            inputs,
            frequent: Frequent::new(first_tag + tags),
            rings: (0..beside).map(|ring| Ring::new(widest, ring * slots)).collect(),
            tags: vec![(0, 0); tags],
            first_tag,
            beside: SideBySide::new(task, rows.output),
            means: [mean.clone(), mean],
            kept: Kept::default(),
            places: Vec::new(),
            free: (0..beside).collect(),
            around: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Gives the words from `begin` to `end` of a sequence a place.
    #[inline(never)]
    fn enter(&mut self, kept: &[u32], (begin, end): (usize, usize), sequence: usize) {
        let Some(rows) = self.task.tags else { return };
        let ring = self.free.pop().unwrap_or_default();
        let mut place = Place { ring, begin, next: begin, end, tags: Vec::new() };
        for &tag in rows.of.of(sequence) {
            // Documents of one tag share its row.
            let same = self.tags.iter().position(|&(other, uses)| uses > 0 && other == tag);
            let at = same.or_else(|| self.tags.iter().position(|&(_, uses)| uses == 0));
            let at = at.unwrap_or_default();
            let slot = self.first_tag + at;
            if same.is_none() {
                self.inputs.fetch(slot, rows.first + tag);
            }
            self.tags[at] = (tag, self.tags[at].1 + 1);
            place.tags.push(slot);
        }
        let window = begin..end.min(begin + self.task.window.largest());
        for (position, &word) in window.clone().zip(&kept[window]) {
            self.fetch(ring, position, word);
        }
        self.places.push(place);
    }

    /// Takes the documents that are at their end from their places.
    #[inline(never)]
    fn leave(&mut self) {
        let widest = self.task.window.largest();
        let mut at = 0;
        while at < self.places.len() {
            if self.places[at].next < self.places[at].end {
                at += 1;
                continue;
            }
            let Place { ring, begin, end, tags, .. } = self.places.swap_remove(at);
            for position in end.saturating_sub(widest).max(begin)..end {
                self.rings[ring].leave(&mut self.inputs, position);
            }
            for slot in tags {
                let (_, uses) = &mut self.tags[slot - self.first_tag];
                *uses -= 1;
                if *uses == 0 {
                    self.inputs.put_back(slot);
                }
            }
            self.free.push(ring);
        }
    }

    /// The word at `position` enters a window.
    #[inline(always)]
    fn fetch(&mut self, ring: usize, position: usize, word: u32) {
        let Self { rings, frequent, inputs, .. } = self;
        match frequent.enter(inputs, word) {
            Some(slot) => rings[ring].share(position, slot),
            None => rings[ring].enter(inputs, position, word),
        }
    }

    /// In every place the window around the next word, with the tags, predicts this word.
    #[inline(always)]
    fn step<S: Simd>(
        &mut self,
        simd: S,
        rate: f32,
        kept: &[u32],
        reading: &mut impl Rng,
        noise: &mut impl Rng,
    ) {
        let (window, widest) = (self.task.window, self.task.window.largest());
        let (mut words, mut rows) = ([0; SIDE_BY_SIDE], [0; SIDE_BY_SIDE]);
        self.around.clear();
        self.ends.clear();
        for at in 0..self.places.len() {
            let Place { ring, begin, next, end, .. } = self.places[at];
            if let Some(&entering) = kept.get(next + widest).filter(|_| next + widest < end) {
                self.fetch(ring, next + widest, entering);
            }
            if let Some(&soon) = kept.get(next + widest + 2).filter(|word| !Frequent::has(**word)) {
                self.inputs.prefetch(soon);
            }
            if let Some(&soon) = kept.get(next + 2) {
                self.beside.prefetch(soon);
            }
            let half = window.draw(reading);
            let range = next.saturating_sub(half).max(begin)..end.min(next + half + 1);
            let Self { rings, inputs, around, means: [means, before], .. } = self;
            let start = around.len();
            let beside = (range.start..next).chain(next + 1..range.end);
            around.extend(beside.map(|position| inputs.now.at(rings[ring].slot(position))));
            around.extend(self.places[at].tags.iter().map(|&slot| inputs.now.at(slot)));
            mean::mean(simd, &inputs.now, &around[start..], means, at);
            before.row_mut(at).copy_from_slice(means.row(at));
            self.ends.push(around.len());
            (words[at], rows[at]) = (kept[next], means.at(at));
        }
        let n = self.places.len();
        let [means, before] = &mut self.means;
        self.beside.learn(simd, rate, means, &rows[..n], &words[..n], noise);
        let mut start = 0;
        for at in 0..n {
            let inputs = &self.around[start..self.ends[at]];
            let share = match self.gradient {
                CbowGradient::Undivided => 1.0,
                CbowGradient::Corrected => 1.0 / inputs.len() as f32,
            };
            mean::add_change(simd, &mut self.inputs.now, inputs, share, (before, means), at);
            start = self.ends[at];
            let place = &mut self.places[at];
            if let Some(left) = place.next.checked_sub(widest).filter(|left| *left >= place.begin) {
                self.rings[place.ring].leave(&mut self.inputs, left);
            }
            place.next += 1;
        }
    }
}

impl<M: Store> Learn<M> for ParagraphLearner<'_, M> {
    #[inline(always)]
    fn learn_by<S: Simd>(
        &mut self,
        simd: S,
        kept: &Kept,
        chunk: &Chunk,
        (reading, noise): &mut Generators,
    ) -> Loss {
        let Some(tags) = self.task.tags else { return Loss::default() };
        let Kept { words: kept, ends } = kept;
        self.beside.begin(chunk.phase(), noise);
        let slope = (chunk.rate.end - chunk.rate.start) / kept.len().max(1) as f32;
        let (mut ends, mut begin, mut done) = (ends.iter(), 0, 0);
        loop {
            while !self.free.is_empty()
                && let Some(&(end, sequence)) = ends.next()
            {
                // A word alone is predicted by tags only.
                if end - begin > usize::from(tags.of.of(sequence).is_empty()) {
                    self.enter(kept, (begin, end), sequence);
                }
                begin = end;
            }
            if self.places.is_empty() {
                return self.beside.take_loss();
            }
            let rate = chunk.rate.start + slope * done as f32;
            done += self.places.len();
            self.step(simd, rate, kept, reading, noise);
            if self.places.iter().any(|place| place.next >= place.end) {
                self.leave();
            }
        }
    }

    fn task(&mut self) -> (&WindowTask<'_>, &mut Kept) {
        (self.task, &mut self.kept)
    }

    fn finish(&mut self) {
        self.beside.finish();
        self.frequent.clear(&mut self.inputs);
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
