//! Statistics of comparison: means, intervals, p-values, and their correction.

mod bootstrap;
mod eigen;
mod principal;
mod procrustes;
mod rank;

pub(crate) use self::bootstrap::{Clusters, Draw, Statistic, bootstrap};
pub(crate) use self::eigen::eigenvectors;
pub(crate) use self::principal::{components, dot};
pub(crate) use self::procrustes::rotation;
pub(crate) use self::rank::{Ranked, pearson};
use crate::random::{generator, mix, normal};
/// The share of draws that an interval holds.
const LEVEL: f64 = 0.95;

/// The interval that holds [`LEVEL`] of the draws, and leaves out as many below it as above it.
/// Draws without a score (not a number) are left out. If there is no other draw, the interval is
/// not a number.
pub(crate) fn interval(draws: &[f64]) -> [f64; 2] {
    interval_among(draws, 1)
}

/// The same for one of so many intervals, of which all together are to hold (Bonferroni).
pub(crate) fn interval_among(draws: &[f64], intervals: usize) -> [f64; 2] {
    let mut sorted: Vec<f64> = draws.iter().copied().filter(|x| !x.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let outside = (1.0 - LEVEL) / 2.0 / intervals.max(1) as f64;
    [outside, 1.0 - outside].map(|share| quantile(&sorted, share))
}

/// The number below which `share` of the sorted numbers lie, interpolated linearly between the two
/// nearest numbers.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let below = (at.floor() as usize).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
}

/// The p-value of a difference: how often one as far from zero would be drawn if there were none.
/// By the bootstrap, it is twice the share of draws on the rarer side of zero. It is never below
/// `2 / (draws + 1)`, since this many draws can tell no more.
pub(crate) fn p_value(differences: &[f64]) -> f64 {
    let known = differences.iter().filter(|x| !x.is_nan()).count();
    let side = |beyond: fn(f64) -> bool| differences.iter().filter(|&&x| beyond(x)).count();
    let rarer = side(|x| x <= 0.0).min(side(|x| x >= 0.0));
    if known == 0 { 1.0 } else { (2.0 * (rarer + 1) as f64 / (known + 1) as f64).min(1.0) }
}

/// The p-values `p`, corrected for their number (Holm 1979), in the same order, each with the number of
/// intervals for [`interval_among`] that agrees with it: below `1 - LEVEL` the interval leaves out 0.
pub(crate) fn holm(p: &[f64]) -> Vec<(f64, usize)> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let (mut corrected, mut largest, mut among) = (vec![(0.0, 1); p.len()], 0.0f64, p.len());
    for (rank, &i) in order.iter().enumerate() {
        // After the first that is not detected, none is.
        if largest < 1.0 - LEVEL {
            among = p.len() - rank;
        }
        largest = largest.max((p[i] * (p.len() - rank) as f64).min(1.0));
        corrected[i] = (largest, among);
    }
    corrected
}

/// The mean of `x`.
pub(crate) fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The standard deviation of the population that `x` is a sample of; not a number for fewer than
/// two numbers.
pub(crate) fn deviation(x: &[f64]) -> f64 {
    if x.len() < 2 {
        return f64::NAN;
    }
    let mean = mean(x);
    (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (x.len() - 1) as f64).sqrt()
}

/// Adds to each draw the effect of other seeds: Student's t with `freedom` degrees of freedom,
/// times `error`, the standard error of a mean over seeds. Resampling a handful of runs would show
/// too little of this effect.
pub(crate) fn widen(draws: &mut [f64], error: f64, freedom: usize, seed: u64) {
    if freedom == 0 || error.is_nan() {
        return;
    }
    for (number, draw) in (0..).zip(draws) {
        let mut rng = generator(mix(!seed ^ mix(number)));
        let squares: f64 = (0..freedom).map(|_| normal(&mut rng).powi(2)).sum();
        *draw += error * normal(&mut rng) / (squares / freedom as f64).sqrt();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holm_agrees_with_its_definition(p in prop::collection::vec(0.0..1.0f64, 0..12)) {
            // The definition: the largest product, over the hypotheses that are at least as clear,
            // of p and the number of hypotheses that are not clearer.
            let corrected = holm(&p);
            for (i, &mine) in p.iter().enumerate() {
                let not_clearer = |q: f64| p.iter().filter(|&&r| r >= q).count() as f64;
                let most = p.iter().filter(|&&q| q <= mine).map(|&q| q * not_clearer(q)).fold(0.0, f64::max);
                prop_assert!((corrected[i].0 - most.min(1.0)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn closed_cases() {
        let tens: Vec<f64> = (0..=100).map(f64::from).collect();
        let [low, high] = interval(&tens);
        assert!((low - 2.5).abs() < 1e-9 && (high - 97.5).abs() < 1e-9);
        assert_eq!(interval(&[f64::NAN, 3.0])[1], 3.0);
        assert!(interval(&[]).iter().all(|x| x.is_nan()));
        assert_eq!(p_value(&[1.0; 99]), 0.02);
        assert_eq!(p_value(&[0.0; 9]), 1.0);
        assert_eq!(p_value(&[f64::NAN]), 1.0);
        assert_eq!(
            holm(&[0.01, 0.04, 0.03, 0.005]),
            [(0.03, 3), (0.06, 2), (0.06, 2), (0.02, 4)],
            "what is not detected has the interval of the first that is not"
        );
        assert_eq!(deviation(&[1.0, 3.0]), 2f64.sqrt());
    }

    #[test]
    fn seeds_widen_by_student() {
        // These are the quantiles of Student's t with 4 degrees of freedom.
        let mut draws = vec![0.0; 40_000];
        widen(&mut draws, 1.0, 4, 7);
        let [low, high] = interval(&draws);
        assert!((high - 2.776).abs() < 0.12 && (low + 2.776).abs() < 0.12, "{low} {high}");
        let mut draws = vec![1.0; 3];
        widen(&mut draws, f64::NAN, 0, 7);
        assert_eq!(draws, [1.0; 3]);
    }
}
