//! The order in which the pairs of a block are learnt.

use crate::cooccur::Pair;
use crate::math::LINE;
use crate::memory::prefetch;

/// So many runs take turns, and so many pairs are learnt together if they share no row and no
/// column.
pub(super) const GROUP: usize = 4;
/// Pairs that come one after the other, most of them of one row.
const RUN: usize = 32;
/// Pairs that are taken at a time.
pub(super) const BATCH: usize = GROUP * RUN;
/// Pairs in a cache line.
const PAIRS_IN_LINE: usize = LINE * size_of::<f32>() / size_of::<Pair>();

/// Pairs of a block that are still to be learnt. They lie by row, and are taken in runs that are far
/// apart: see [`stride`]. The pairs of four runs take turns. So a pair and the one before it have
/// little to do with each other, while the rows of four runs stay in the first-level cache.
pub(super) struct Order<'a> {
    pairs: &'a [Pair],
    runs: usize,
    /// Runs from one that is taken to the next.
    stride: usize,
    /// The next run.
    at: usize,
    /// Runs that are not taken yet.
    left: usize,
}

impl<'a> Order<'a> {
    /// All pairs of a block.
    pub(super) fn of(pairs: &'a [Pair]) -> Self {
        let runs = pairs.len().div_ceil(RUN);
        Self { pairs, runs, stride: stride(runs), at: 0, left: runs }
    }

    /// Copies the next pairs to `batch`, and returns how many: none at the end.
    #[inline(always)]
    pub(super) fn take(&mut self, batch: &mut [Pair; BATCH]) -> usize {
        let mut taken = [&self.pairs[..0]; GROUP];
        for taken in taken.iter_mut().take(self.left) {
            *taken = self.run(0);
            self.at = (self.at + self.stride) % self.runs;
            self.left -= 1;
        }
        for times in 0..GROUP.min(self.left) {
            self.run(times).chunks(PAIRS_IN_LINE).for_each(|line| prefetch(&line[0]));
        }
        let mut size = 0;
        for i in 0..RUN {
            for pair in taken.iter().filter_map(|run| run.get(i)) {
                batch[size] = *pair;
                size += 1;
            }
        }
        size
    }

    /// The run that is taken `times` runs after the next.
    fn run(&self, times: usize) -> &'a [Pair] {
        let begin = (self.at + times * self.stride) % self.runs * RUN;
        &self.pairs[begin..self.pairs.len().min(begin + RUN)]
    }
}

/// A number near the golden section of `length` that has no divisor in common with it. Steps of
/// this size around a circle of `length` places visit every place once, and places that are visited
/// one after the other are far apart.
fn stride(length: usize) -> usize {
    let common = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let first = (length as f64 * 0.618_034) as usize;
    (first.max(1)..length).find(|&stride| common(stride, length) == 1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_taken_once() {
        for length in (0..500).chain([32 * 32, 65_535]) {
            let pair = |row: usize| Pair { row: row as u16, ..Pair::default() };
            let pairs: Vec<Pair> = (0..length).map(pair).collect();
            let (mut order, mut batch) = (Order::of(&pairs), [Pair::default(); BATCH]);
            let mut taken = Vec::new();
            loop {
                let size = order.take(&mut batch);
                if size == 0 {
                    break;
                }
                taken.extend(batch[..size].iter().map(|pair| usize::from(pair.row)));
            }
            taken.sort_unstable();
            assert!(taken.into_iter().eq(0..length), "{length}");
        }
    }

    #[test]
    fn strides_come_by_every_place_once() {
        for length in (1..500).chain([1 << 20, 720_720, 1_000_003]) {
            let stride = stride(length);
            let mut places: Vec<usize> = (0..length).map(|k| k * stride % length).collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..length), "{length} by {stride}");
        }
        assert_eq!(stride(0), 1);
    }
}
