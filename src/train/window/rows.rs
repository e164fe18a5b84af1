//! Private copies of shared rows, for as long as they are worked on.

use crate::math::Tile;
use crate::memory::Store;
use crate::subword::Bags;

/// Slots that each hold a private copy of a shared row, or the mean of a bag of rows. What is
/// learnt goes to the copy, `now`; [`RowCache::put_back`] adds what changed since
/// [`RowCache::fetch`] to the shared rows, so that other threads' work on them is kept.
///
/// For a bag of different rows this is what fastText does at each pair, once in a visit: it adds
/// each step undivided to all rows of the bag, by which their mean makes the same step.
pub(crate) struct RowCache<'a, M> {
    /// Where the rows come from.
    pub(crate) store: M,
    /// The bag of each word; without bags, a word has its own row.
    bags: Option<&'a Bags>,
    /// The copies, to be worked on.
    pub(crate) now: Tile,
    was: Tile,
    words: Vec<u32>,
}

impl<'a, M: Store> RowCache<'a, M> {
    /// `slots` empty slots for rows of `store`, where the rows of each word are given by `bags`.
    pub(crate) fn new(store: M, bags: Option<&'a Bags>, slots: usize) -> Self {
        let tile = Tile::new(slots, store.dim());
        Self { store, bags, now: tile.clone(), was: tile, words: vec![u32::MAX; slots] }
    }

    /// The number of slots.
    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// The word whose copy is in `slot`.
    #[inline(always)]
    pub(crate) fn word(&self, slot: usize) -> u32 {
        self.words[slot]
    }

    /// Copies the rows of a word to `slot`.
    #[inline(always)]
    pub(crate) fn fetch(&mut self, slot: usize, word: u32) {
        self.words[slot] = word;
        let (now, was) = (self.now.row_mut(slot), self.was.row_mut(slot));
        self.store.load(rows(self.bags, &word), now, was);
    }

    /// Adds what changed in `slot` to its rows. The copy stays as it is, and is of no further use.
    #[inline(always)]
    pub(crate) fn put_back(&mut self, slot: usize) {
        let (now, was) = (self.now.row(slot), self.was.row(slot));
        self.store.add(rows(self.bags, &self.words[slot]), now, was);
    }

    /// Asks for the rows of a word that will be fetched soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, word: u32) {
        self.store.prefetch(rows(self.bags, &word));
    }
}

/// The rows of a word.
#[inline(always)]
fn rows<'a>(bags: Option<&'a Bags>, word: &'a u32) -> &'a [u32] {
    match bags {
        None => std::slice::from_ref(word),
        Some(bags) => bags.of(*word),
    }
}
