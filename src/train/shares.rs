//! How much of what workers learn apart, in one superstep, a row takes.

use hashbrown::HashMap;

use super::superstep::WORKERS;

/// Rows that are met more often than this in a step, by all workers together, are hot: the sum of what workers learn of
/// them, each without knowing of the others, overshoots, and training diverges.
const HOT: f64 = 16.0;

/// Which share of the sum of all workers' changes each row takes: all of it for a row that is met up to `HOT` times in a step,
/// less above, and their mean at the least. Few rows are hot, and all are asked for: a bit each stays in the cache.
pub struct Shares {
    hot: Vec<u64>,
    shares: HashMap<u32, f32>,
}

impl Shares {
    /// The shares of rows that are met so many times in a step.
    pub fn new(visits: &[f64]) -> Self {
        let mut hot = vec![0; visits.len().div_ceil(64)];
        let mut shares = HashMap::new();
        for (row, &visits) in visits.iter().enumerate().filter(|(_, visits)| **visits > HOT) {
            hot[row / 64] |= 1 << (row % 64);
            shares.insert(row as u32, (HOT / visits).max(1.0 / WORKERS as f64) as f32);
        }
        Self { hot, shares }
    }

    /// The share of a row that takes less than all.
    #[inline(always)]
    pub fn less(&self, row: u32) -> Option<f32> {
        let hot = self.hot.get(row as usize / 64).is_some_and(|bits| bits >> (row % 64) & 1 == 1);
        if hot { self.shares.get(&row).copied() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_less_the_hotter_it_is() {
        let shares = Shares::new(&[0.0, 10.0, 16.0, 32.0, 1e9, f64::INFINITY]);
        assert_eq!([0, 1, 2, 6, 64].map(|row| shares.less(row)), [None; 5]);
        assert_eq!([3, 4, 5].map(|row| shares.less(row)), [0.5, 0.125, 0.125].map(Some));
    }
}
