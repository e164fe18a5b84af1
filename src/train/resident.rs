//! Private copies of shared rows, for as long as they are worked on.

use super::hogwild::Shared;
use crate::kernel::Tile;

/// Slots that each hold a private copy of a shared row. What is learnt goes to the copy, `now`; [`Residents::put_back`]
/// adds what changed since [`Residents::fetch`] to the shared row, so that other threads' work on it is kept.
pub struct Residents<'a> {
    shared: &'a Shared,
    /// The copies, to be worked on.
    pub now: Tile,
    was: Tile,
    rows: Vec<u32>,
}

impl<'a> Residents<'a> {
    /// `slots` empty slots for rows of `shared`.
    pub fn new(shared: &'a Shared, slots: usize) -> Self {
        let tile = Tile::new(slots, shared.dim());
        Self { shared, now: tile.clone(), was: tile, rows: vec![u32::MAX; slots] }
    }

    /// The row whose copy is in `slot`.
    #[inline(always)]
    pub fn row(&self, slot: usize) -> u32 {
        self.rows[slot]
    }

    /// Copies a row to `slot`.
    #[inline(always)]
    pub fn fetch(&mut self, slot: usize, row: u32) {
        self.rows[slot] = row;
        self.shared.load(row, self.now.row_mut(slot), self.was.row_mut(slot));
    }

    /// Adds what changed in `slot` to its row. The copy stays as it is, and is of no further use.
    #[inline(always)]
    pub fn put_back(&mut self, slot: usize) {
        self.shared.add(self.rows[slot], self.now.row(slot), self.was.row(slot));
    }

    /// Asks for a row that will be fetched in the cache.
    #[inline(always)]
    pub fn prefetch(&self, row: u32) {
        self.shared.prefetch(row);
    }
}
