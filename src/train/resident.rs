//! Private copies of shared rows, for as long as they are worked on.

use super::store::Store;
use crate::kernel::Tile;
use crate::subword::Rows;

/// Slots that each hold a private copy of a shared row, or the mean of a bag of rows. What is learnt goes to the copy, `now`;
/// [`Residents::put_back`] adds what changed since [`Residents::fetch`] to the shared rows, so that other threads' work on them
/// is kept.
///
/// For a bag of different rows this is what fastText does at each pair, once in a visit: it adds each step undivided to all rows
/// of the bag, by which their mean makes the same step.
pub struct Residents<'a, M> {
    store: M,
    /// The bag of each word; without, a word has its own row.
    bags: Option<&'a Rows>,
    /// The copies, to be worked on.
    pub now: Tile,
    was: Tile,
    words: Vec<u32>,
}

impl<'a, M: Store> Residents<'a, M> {
    /// `slots` empty slots for rows of `store`, where the rows of each word are given by `bags`.
    pub fn new(store: M, bags: Option<&'a Rows>, slots: usize) -> Self {
        let tile = Tile::new(slots, store.dim());
        Self { store, bags, now: tile.clone(), was: tile, words: vec![u32::MAX; slots] }
    }

    /// Where the rows come from.
    pub fn store(&self) -> &M {
        &self.store
    }

    /// Where the rows come from.
    pub fn store_mut(&mut self) -> &mut M {
        &mut self.store
    }

    /// The number of slots.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The word whose copy is in `slot`.
    #[inline(always)]
    pub fn word(&self, slot: usize) -> u32 {
        self.words[slot]
    }

    /// Copies the rows of a word to `slot`.
    #[inline(always)]
    pub fn fetch(&mut self, slot: usize, word: u32) {
        self.words[slot] = word;
        self.store.load(rows(self.bags, &word), self.now.row_mut(slot), self.was.row_mut(slot));
    }

    /// Adds what changed in `slot` to its rows. The copy stays as it is, and is of no further use.
    #[inline(always)]
    pub fn put_back(&mut self, slot: usize) {
        self.store.add(rows(self.bags, &self.words[slot]), self.now.row(slot), self.was.row(slot));
    }

    /// Asks for the rows of a word that will be fetched next in the nearest cache.
    #[inline(always)]
    pub fn prefetch(&self, word: u32) {
        self.store.prefetch(rows(self.bags, &word));
    }

    /// Asks for the rows of a word that will be fetched later in a cache that is near.
    #[inline(always)]
    pub fn prefetch_far(&self, word: u32) {
        self.store.prefetch_far(rows(self.bags, &word));
    }
}

/// The rows of a word.
#[inline(always)]
fn rows<'a>(bags: Option<&'a Rows>, word: &'a u32) -> &'a [u32] {
    match bags {
        None => std::slice::from_ref(word),
        Some(bags) => bags.of(*word),
    }
}
