//! The most frequent words, whose rows stay with a thread for several uses. Half of a text without
//! subsampling consists of some hundred words.

use super::rows::RowCache;
use crate::memory::Store;

/// The number of words that count as frequent: the first of a vocabulary.
pub(super) const FREQUENT: usize = 128;

/// Slots of a [`RowCache`] for the rows of frequent words, one for each.
pub(super) struct Frequent {
    /// The slot of the first of them.
    base: usize,
    /// How often each was used since its row was fetched; 0 where it is not there.
    uses: [u8; FREQUENT],
}

impl Frequent {
    /// A row goes back after this many uses.
    const USES: u8 = 6;

    /// Slots from `base` on.
    pub(super) fn new(base: usize) -> Self {
        Self { base, uses: [0; FREQUENT] }
    }

    /// Whether a word is frequent.
    #[inline(always)]
    pub(super) fn has(word: u32) -> bool {
        (word as usize) < FREQUENT
    }

    /// The slot of a frequent word, whose row is there from now on. What was learnt of it is
    /// exchanged with others from time to time. `None` for other words.
    #[inline(always)]
    pub(super) fn enter(&mut self, rows: &mut RowCache<impl Store>, word: u32) -> Option<usize> {
        let uses = self.uses.get_mut(word as usize)?;
        let slot = self.base + word as usize;
        match *uses {
            0 => rows.fetch(slot, word),
            Self::USES.. => {
                rows.put_back(slot);
                rows.fetch(slot, word);
                *uses = 0;
            }
            _ => {}
        }
        *uses += 1;
        Some(slot)
    }

    /// Whether a word is frequent. Its row then goes back if it was used often, and counts as gone.
    #[inline(always)]
    pub(super) fn leave(&mut self, rows: &mut RowCache<impl Store>, word: u32) -> bool {
        let Some(uses) = self.uses.get_mut(word as usize) else { return false };
        if *uses >= Self::USES {
            rows.put_back(self.base + word as usize);
            *uses = 0;
        }
        true
    }

    /// Gives all rows back.
    #[inline(never)]
    pub(super) fn clear(&mut self, rows: &mut RowCache<impl Store>) {
        for (at, uses) in self.uses.iter_mut().enumerate() {
            if std::mem::take(uses) > 0 {
                rows.put_back(self.base + at);
            }
        }
    }
}
