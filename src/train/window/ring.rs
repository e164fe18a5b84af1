//! The rows of a sliding window, which are resident from the step in which a word enters to the
//! step in which it leaves.
//!
//! While its word is in the window, a row is read once and written once, and not once for each
//! pair. A word that occurs twice in the window has one slot. With one thread the result is the
//! same as without the ring. (The idea is the "lifetime reuse" of FULL-W2V, Randall et al. 2021.)

use crate::memory::Store;
use crate::train::window::rows::RowCache;

/// The slot of [`RowCache`] that each position in the sentence has. The ring has [`Ring::slots`]
/// slots.
pub(super) struct Ring {
    /// The first of its slots.
    base: usize,
    /// The word of each slot; `u32::MAX` when free.
    words: Vec<u32>,
    /// Free slots.
    free: Vec<u32>,
    /// Positions that share the slot.
    uses: Vec<u32>,
    /// The slot of position `p`, at `p` modulo the length, a power of two.
    slot_at: Vec<u32>,
}

impl Ring {
    /// The number of slots for windows of `window` words to each side. It is two more than a window
    /// holds, since words enter one step before they are needed and leave one step after.
    pub(super) fn slots(window: usize) -> usize {
        2 * window + 3
    }

    /// A ring for windows of `window` words to each side, whose slots begin at `base`.
    pub(super) fn new(window: usize, base: usize) -> Self {
        let slots = Self::slots(window);
        Self {
            base,
            words: vec![u32::MAX; slots],
            free: (0..slots as u32).collect(),
            uses: vec![0; slots],
            slot_at: vec![0; slots.next_power_of_two()],
        }
    }

    /// The word at `position` enters the window.
    #[inline(always)]
    pub(super) fn enter(&mut self, rows: &mut RowCache<impl Store>, position: usize, word: u32) {
        // The loop has no early exit, so that the compiler compares many words at once.
        let mut found = u32::MAX;
        for (slot, &resident) in self.words.iter().enumerate() {
            found = if resident == word { slot as u32 } else { found };
        }
        if found == u32::MAX {
            found = self.free.pop().unwrap_or_default();
            self.words[found as usize] = word;
            rows.fetch(self.base + found as usize, word);
        }
        self.uses[found as usize] += 1;
        self.share(position, self.base + found as usize);
    }

    /// The word at `position` enters the window, and its row is in `slot`, which may be none of the
    /// ring's.
    #[inline(always)]
    pub(super) fn share(&mut self, position: usize, slot: usize) {
        let at = position & (self.slot_at.len() - 1);
        self.slot_at[at] = slot as u32;
    }

    /// The word at `position` leaves the window.
    #[inline(always)]
    pub(super) fn leave(&mut self, rows: &mut RowCache<impl Store>, position: usize) {
        let slot = self.slot(position).wrapping_sub(self.base);
        let Some(uses) = self.uses.get_mut(slot) else { return };
        *uses -= 1;
        if *uses == 0 {
            rows.put_back(self.base + slot);
            self.words[slot] = u32::MAX;
            self.free.push(slot as u32);
        }
    }

    /// The slot of the word at `position`.
    #[inline(always)]
    pub(super) fn slot(&self, position: usize) -> usize {
        self.slot_at[position & (self.slot_at.len() - 1)] as usize
    }
}
