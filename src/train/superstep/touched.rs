//! The rows that a thread's workers changed in a superstep, kept in little memory. The other
//! threads have to know them.

/// A set of rows, which may appear to hold some more: rows share bits (Bloom 1970, with one hash
/// function).
#[derive(Clone)]
pub(crate) struct TouchedRows(Vec<u64>);

impl TouchedRows {
    /// The number of 64-bit words. It is small enough for the set to stay in the nearest cache.
    const WORDS: usize = 512;

    #[inline(always)]
    fn place(row: u32) -> (usize, u64) {
        ((row / 64) as usize % Self::WORDS, 1 << (row % 64))
    }

    /// Adds a row.
    #[inline(always)]
    pub(crate) fn add(&mut self, row: u32) {
        let (word, bit) = Self::place(row);
        self.0[word] |= bit;
    }

    /// Whether `row` may be in the set.
    #[inline(always)]
    pub(crate) fn has(&self, row: u32) -> bool {
        let (word, bit) = Self::place(row);
        self.0[word] & bit != 0
    }

    /// Adds the rows of `other`.
    pub(crate) fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(to, from)| *to |= from);
    }

    /// Empties the set.
    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }
}

impl Default for TouchedRows {
    fn default() -> Self {
        Self(vec![0; Self::WORDS])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn notes_hold_what_was_added(first in prop::collection::vec(any::<u32>(), 0..99), second in prop::collection::vec(any::<u32>(), 1..99)) {
            let (mut all, mut notes) = (TouchedRows::default(), TouchedRows::default());
            for &row in &first {
                all.add(row);
            }
            for &row in &second {
                notes.add(row);
            }
            all.join(&notes);
            prop_assert!(first.iter().chain(&second).all(|&row| all.has(row)));
            let bits = |notes: &TouchedRows| notes.0.iter().map(|word| word.count_ones() as usize).sum::<usize>();
            prop_assert!(bits(&all) <= first.len() + second.len());
            all.clear();
            prop_assert_eq!(bits(&all), 0);
        }
    }
}
