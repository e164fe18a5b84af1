//! The ends of sequences while a corpus is written: of hundreds of millions of sequences, half the
//! room that 64-bit numbers would take.

/// Numbers that never fall, in 4 bytes each.
#[derive(Default)]
pub(super) struct Ends {
    /// The lower halves.
    low: Vec<u32>,
    /// At which of them the upper half is one more than before; several times the same place where
    /// it is several more.
    carries: Vec<usize>,
    /// The last number.
    last: u64,
}

impl Ends {
    /// Adds a number that is not less than the last one.
    pub(super) fn push(&mut self, end: u64) {
        let steps = (end >> 32).saturating_sub(self.last >> 32);
        self.carries.extend((0..steps).map(|_| self.low.len()));
        self.low.push(end as u32);
        self.last = end;
    }

    /// The last number, or 0.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn len(&self) -> usize {
        self.low.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        let (mut high, mut carries) = (0, self.carries.iter().peekable());
        self.low.iter().enumerate().map(move |(place, &low)| {
            while carries.next_if_eq(&&place).is_some() {
                high += 1 << 32;
            }
            high + u64::from(low)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_added_is_there(mut all in prop::collection::vec(0..1u64 << 36, 0..50), near in 0..1u64 << 33) {
            all.push(near);
            all.sort_unstable();
            let mut ends = Ends::default();
            for &end in &all {
                ends.push(end);
            }
            prop_assert_eq!((ends.len(), ends.last()), (all.len(), all[all.len() - 1]));
            prop_assert_eq!(ends.iter().collect::<Vec<_>>(), all);
        }
    }
}
