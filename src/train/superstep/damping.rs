//! Damping: the share of the workers' separate changes in one superstep that is added to a row.

use hashbrown::HashMap;
/// Rows updated more often than this per step, by all workers together, are hot: summing the
/// workers' independent updates would overshoot, and training would diverge.
const HOT: f64 = 16.0;

/// The share of the sum of all workers' changes that each row takes. A row that is met up to
/// [`HOT`] times in a step takes all of it. A hotter row takes less, but at least the mean of the
/// workers' changes. Few rows are hot, but every row is looked up, so each row has one bit, which
/// stays in the cache.
pub(crate) struct Damping {
    hot: Vec<u64>,
    shares: HashMap<u32, f32>,
}

impl Damping {
    /// The shares of rows that are met as often as `visits` says in a step of `workers` workers.
    pub(crate) fn new(visits: &[f64], workers: usize) -> Self {
        let mut hot = vec![0; visits.len().div_ceil(64)];
        let mut shares = HashMap::new();
        for (row, &visits) in visits.iter().enumerate().filter(|(_, visits)| **visits > HOT) {
            hot[row / 64] |= 1 << (row % 64);
            shares.insert(row as u32, (HOT / visits).max(1.0 / workers as f64) as f32);
        }
        Self { hot, shares }
    }

    /// The share of a hot row; `None` for a row that takes the whole sum.
    #[inline(always)]
    pub(crate) fn share(&self, row: u32) -> Option<f32> {
        let hot = self.hot.get(row as usize / 64).is_some_and(|bits| bits >> (row % 64) & 1 == 1);
        if hot { self.shares.get(&row).copied() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_less_the_hotter_it_is() {
        let shares = Damping::new(&[0.0, 10.0, 16.0, 32.0, 1e9, f64::INFINITY], 8);
        assert_eq!([0, 1, 2, 6, 64].map(|row| shares.share(row)), [None; 5]);
        assert_eq!([3, 4, 5].map(|row| shares.share(row)), [0.5, 0.125, 0.125].map(Some));
    }
}
