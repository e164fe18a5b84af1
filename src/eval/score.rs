//! Scores with their intervals, and differences between methods.

use serde::Serialize;

use crate::stats::{holm, interval_among, p_value};

/// The score of a method, and its 95 % interval.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Score {
    /// The score, from 0 to 1.
    pub score: f64,
    /// The ends of the interval.
    pub interval: [f64; 2],
}

/// Whether two methods differ.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The score of the first less that of the second.
    pub difference: Score,
    /// The p-value, corrected for the number of comparisons (Holm 1979).
    pub p: f64,
}

/// How much greater one method's score is than those of others, from their scores and the same
/// bootstrap draws of them.
pub(super) fn differences<'d>(
    (score, drawn): (f64, &[f64]),
    others: impl Iterator<Item = (f64, &'d [f64])>,
) -> Vec<Difference> {
    let all: Vec<(f64, Vec<f64>)> = others
        .map(|(other, of_other)| {
            let less = drawn.iter().zip(of_other).map(|(a, b)| a - b);
            (score - other, less.collect())
        })
        .collect();
    let corrected = holm(&all.iter().map(|(_, drawn)| p_value(drawn)).collect::<Vec<_>>());
    let difference = |((score, drawn), (p, among)): (&(f64, Vec<f64>), (f64, usize))| {
        let interval = interval_among(drawn, among);
        Difference { difference: Score { score: *score, interval }, p }
    };
    all.iter().zip(corrected).map(difference).collect()
}
