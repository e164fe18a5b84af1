//! The input rows of a sliding window, resident from the step in which a word enters to that in which it leaves.
//!
//! A row is read once and written once while its word is in the window, in place of once for each pair; a word that
//! occurs twice in the window has one slot. With one thread the result is the same as without the ring. (The idea is the
//! "lifetime reuse" of FULL-W2V, Randall et al. 2021.)

use fearless_simd::Simd;

use super::hogwild::Shared;
use super::resident::Residents;

/// Resident input rows by position in the sentence.
pub struct Ring<'a> {
    rows: Residents<'a>,
    /// The word of each slot; `u32::MAX` when free.
    words: Vec<u32>,
    /// Positions that share the slot.
    uses: Vec<u32>,
    /// The slot of position `p`, at `p` modulo the number of slots.
    slot_at: Vec<u32>,
}

impl<'a> Ring<'a> {
    /// For windows of `window` words to each side.
    pub fn new(input: &'a Shared, window: usize) -> Self {
        // One more than a window holds, since a word enters before another leaves.
        let slots = 2 * window + 2;
        Self {
            rows: Residents::new(input, slots),
            words: vec![u32::MAX; slots],
            uses: vec![0; slots],
            slot_at: vec![0; slots],
        }
    }

    /// The word at `position` enters the window.
    #[inline(always)]
    pub fn enter(&mut self, position: usize, word: u32) {
        let find = |words: &[u32], word| words.iter().position(|&w| w == word);
        let slot = match find(&self.words, word) {
            Some(slot) => slot,
            None => {
                let slot = find(&self.words, u32::MAX).unwrap_or_default();
                self.words[slot] = word;
                self.rows.fetch(slot, word);
                slot
            }
        };
        self.uses[slot] += 1;
        let at = position % self.slot_at.len();
        self.slot_at[at] = slot as u32;
    }

    /// The word at `position` leaves the window.
    #[inline(always)]
    pub fn leave<S: Simd>(&mut self, simd: S, position: usize) {
        let slot = self.slot_at[position % self.slot_at.len()] as usize;
        self.uses[slot] -= 1;
        if self.uses[slot] == 0 {
            self.rows.put_back(simd, slot);
            self.words[slot] = u32::MAX;
        }
    }

    /// The offset in [`Ring::tile`] of the row of the word at `position`.
    #[inline(always)]
    pub fn at(&self, position: usize) -> usize {
        self.rows.now.at(self.slot_at[position % self.slot_at.len()] as usize)
    }

    /// The rows.
    #[inline(always)]
    pub fn tile(&mut self) -> &mut crate::kernel::Tile {
        &mut self.rows.now
    }

    /// Asks for the row of a word that will enter soon.
    #[inline(always)]
    pub fn prefetch(&self, word: u32) {
        self.rows.prefetch(word);
    }
}
