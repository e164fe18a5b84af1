//! How sure a score is, and whether two differ: the bootstrap (Efron 1979), of sets whose items hang together.
//!
//! All scores of a set are taken from the same draws, so that a column of [`bootstrap`] less another is the paired
//! bootstrap of their difference. Intervals are those of percentiles. Draw `b` follows from (seed, `b`): results don't
//! depend on the number of threads.

use std::ops::Range;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::train::schedule::mix;

/// The share of draws that an interval holds.
pub const LEVEL: f64 = 0.95;

/// What the items of a set have in common. Sections are drawn first, then clusters in each section; an item that lies
/// in two clusters, as a question does that is made of two pairs of words, counts as often as the product of their
/// numbers (the pigeonhole bootstrap, Owen 2007).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters {
    sections: Vec<Section>,
    /// The clusters of each item, in its section; twice the same where it lies in one.
    items: Vec<[u32; 2]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    items: Range<usize>,
    clusters: usize,
}

impl Clusters {
    /// `n` items that have nothing in common.
    pub fn independent(n: usize) -> Self {
        let mut clusters = Self::default();
        clusters.push((0..n as u32).map(|i| [i, i]));
        clusters
    }

    /// Adds a section with these items, each by its clusters in the section. A section without items is none.
    pub fn push(&mut self, items: impl IntoIterator<Item = [u32; 2]>) {
        let start = self.items.len();
        self.items.extend(items);
        let new = &mut self.items[start..];
        let mut used: Vec<u32> = new.as_flattened().to_vec();
        used.sort_unstable();
        used.dedup();
        // Numbered anew: a cluster without an item is none either.
        new.as_flattened_mut().iter_mut().for_each(|c| *c = used.partition_point(|u| u < c) as u32);
        if !used.is_empty() {
            self.sections.push(Section { items: start..self.items.len(), clusters: used.len() });
        }
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Each item once.
    pub fn whole(&self) -> Draw {
        Draw { items: vec![1.0; self.items.len()], sections: vec![1.0; self.sections.len()] }
    }

    /// The items of each section.
    pub fn sections(&self) -> impl Iterator<Item = Range<usize>> {
        self.sections.iter().map(|section| section.items.clone())
    }

    /// As many sections as there are, and in each as many clusters, with replacement.
    fn draw(&self, rng: &mut impl Rng, draw: &mut Draw, times: &mut Vec<f32>) {
        draw.items.fill(0.0);
        draw.sections.fill(0.0);
        for _ in 0..self.sections.len() {
            let drawn = below(rng, self.sections.len());
            let section = &self.sections[drawn];
            draw.sections[drawn] += 1.0;
            times.clear();
            times.resize(section.clusters, 0.0);
            for _ in 0..section.clusters {
                times[below(rng, section.clusters)] += 1.0;
            }
            let items = section.items.clone();
            for (&[a, b], weight) in self.items[items.clone()].iter().zip(&mut draw.items[items]) {
                *weight += if a == b { times[a as usize] } else { times[a as usize] * times[b as usize] };
            }
        }
    }
}

/// How often each item, and each section, was drawn.
#[derive(Clone, Debug, Default)]
pub struct Draw {
    /// A weight for each item.
    pub items: Vec<f32>,
    /// A weight for each section.
    pub sections: Vec<f32>,
}

/// A number from 0 to `n` - 1; the bias of the plain product is of no account for numbers of items.
fn below(rng: &mut impl Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// A score of a draw.
pub type Statistic<'a> = Box<dyn Fn(&Draw) -> f64 + Sync + 'a>;

/// The scores of `draws` draws: a row for each of `statistics`.
pub fn bootstrap(
    clusters: &Clusters,
    draws: usize,
    seed: u64,
    statistics: &[Statistic<'_>],
) -> Vec<Vec<f64>> {
    let scores: Vec<Vec<f64>> = (0..draws as u64)
        .into_par_iter()
        .map_init(
            || (clusters.whole(), Vec::new()),
            |(draw, times), number| {
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(mix(seed ^ mix(number)));
                clusters.draw(&mut rng, draw, times);
                statistics.iter().map(|statistic| statistic(draw)).collect()
            },
        )
        .collect();
    (0..statistics.len()).map(|i| scores.iter().map(|row| row[i]).collect()).collect()
}

/// The interval that holds [`LEVEL`] of the draws, and leaves out as many below as above. Draws without a score (not a
/// number) are left out; without any the interval is not a number.
pub fn interval(draws: &[f64]) -> [f64; 2] {
    let mut sorted: Vec<f64> = draws.iter().copied().filter(|x| !x.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    [(1.0 - LEVEL) / 2.0, f64::midpoint(1.0, LEVEL)].map(|share| quantile(&sorted, share))
}

/// The number below which `share` of the sorted numbers lie, in a line between the two that are nearest.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let below = (at.floor() as usize).min(last);
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
}

/// How often a difference as far from zero would be drawn if there were none, by its bootstrap: twice the share of
/// draws on the rarer side of zero. Never below 2 / (draws + 1), which is all that so many draws can tell.
pub fn p_value(differences: &[f64]) -> f64 {
    let known = differences.iter().filter(|x| !x.is_nan()).count();
    let side = |beyond: fn(f64) -> bool| differences.iter().filter(|&&x| beyond(x)).count();
    let rarer = side(|x| x <= 0.0).min(side(|x| x >= 0.0));
    if known == 0 { 1.0 } else { (2.0 * (rarer + 1) as f64 / (known + 1) as f64).min(1.0) }
}

/// `p` values corrected for their number (Holm 1979), in the same order.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let (mut corrected, mut largest) = (vec![0.0; p.len()], 0.0f64);
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max((p[i] * (p.len() - rank) as f64).min(1.0));
        corrected[i] = largest;
    }
    corrected
}

/// The mean.
pub fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The standard deviation of the population that `x` is a sample of; not a number for fewer than two.
pub fn deviation(x: &[f64]) -> f64 {
    if x.len() < 2 {
        return f64::NAN;
    }
    let mean = mean(x);
    (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (x.len() - 1) as f64).sqrt()
}

/// Adds to each draw what other seeds would have changed: Student's t with `freedom` degrees of freedom, times
/// `error`, the standard error of a mean over seeds. A handful of runs resampled would show too little of it.
pub fn widen(draws: &mut [f64], error: f64, freedom: usize, seed: u64) {
    if freedom == 0 || error.is_nan() {
        return;
    }
    for (number, draw) in (0..).zip(draws) {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(mix(!seed ^ mix(number)));
        let squares: f64 = (0..freedom).map(|_| normal(&mut rng).powi(2)).sum();
        *draw += error * normal(&mut rng) / (squares / freedom as f64).sqrt();
    }
}

/// A number of mean 0 and variance 1 (Box & Muller 1958).
fn normal(rng: &mut impl Rng) -> f64 {
    let uniform = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let (u, v) = (uniform(rng.next_u64()), uniform(rng.next_u64()));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Pearson's correlation of the first and second numbers of `items`, each as often as its weight says. Not a number
/// where it is not defined.
pub fn pearson(items: &[(f64, f64)], weights: &[f32]) -> f64 {
    let weighted = || items.iter().zip(weights).map(|(&(x, y), &w)| (x, y, f64::from(w)));
    let (mut sum, mut x_sum, mut y_sum) = (0.0, 0.0, 0.0);
    for (x, y, w) in weighted() {
        sum += w;
        x_sum += w * x;
        y_sum += w * y;
    }
    let (x_mean, y_mean) = (x_sum / sum, y_sum / sum);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y, w) in weighted() {
        let (x, y) = (x - x_mean, y - y_mean);
        xy += w * x * y;
        xx += w * x * x;
        yy += w * y * y;
    }
    xy / f64::sqrt(xx * yy)
}

/// Spearman's rank correlation of the first and second numbers of `items`: Pearson's correlation of their ranks, where
/// equal numbers share the mean of their ranks. Not a number for fewer than two items, when all numbers of a side are
/// equal, or when one is not a number.
pub fn spearman(items: &[(f64, f64)]) -> f64 {
    Ranked::new(items).spearman(&vec![1.0; items.len()])
}

/// Pairs of numbers, sorted once so that ranks in a draw of them take no sorting.
#[derive(Clone, Debug)]
pub struct Ranked {
    sides: [Side; 2],
    defined: bool,
}

/// The places of items, lowest number first, each with whether its number is the one before.
#[derive(Clone, Debug)]
struct Side(Vec<(u32, bool)>);

impl Ranked {
    /// Sorts `items`.
    pub fn new(items: &[(f64, f64)]) -> Self {
        let (x, y): (Vec<f64>, Vec<f64>) = items.iter().copied().unzip();
        let defined = x.iter().chain(&y).all(|x| !x.is_nan());
        Self { sides: [Side::new(&x), Side::new(&y)], defined }
    }

    /// [`spearman`] of the items, each as often as its weight says.
    pub fn spearman(&self, weights: &[f32]) -> f64 {
        if !self.defined {
            return f64::NAN;
        }
        let [x, y] = self.sides.each_ref().map(|side| side.ranks(weights));
        let ranks: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
        pearson(&ranks, weights)
    }
}

impl Side {
    fn new(numbers: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..numbers.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| numbers[a as usize].total_cmp(&numbers[b as usize]));
        let mut last = f64::NAN;
        #[expect(clippy::float_cmp, reason = "a tie is equality")]
        let tied = |at: u32| {
            let number = numbers[at as usize];
            number == std::mem::replace(&mut last, number)
        };
        let ties: Vec<bool> = order.iter().copied().map(tied).collect();
        Self(order.into_iter().zip(ties).collect())
    }

    /// The rank of each item, from 1/2.
    fn ranks(&self, weights: &[f32]) -> Vec<f64> {
        let mut ranks = vec![0.0; self.0.len()];
        let mut below = 0.0;
        let mut rest = &self.0[..];
        while let Some((_, later)) = rest.split_first() {
            let equal = 1 + later.iter().take_while(|&&(_, tied)| tied).count();
            let weight: f64 = rest[..equal].iter().map(|&(at, _)| f64::from(weights[at as usize])).sum();
            for &(at, _) in &rest[..equal] {
                ranks[at as usize] = below + weight / 2.0;
            }
            below += weight;
            rest = &rest[equal..];
        }
        ranks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed<'a>(statistic: impl Fn(&Draw) -> f64 + Sync + 'a) -> Statistic<'a> {
        Box::new(statistic)
    }

    /// The mean of `x` in a draw.
    fn mean_of(x: &[f64]) -> Statistic<'_> {
        boxed(move |draw| {
            let sum: f64 = x.iter().zip(&draw.items).map(|(x, &w)| x * f64::from(w)).sum();
            sum / draw.items.iter().map(|&w| f64::from(w)).sum::<f64>()
        })
    }

    proptest! {
        #[test]
        fn spearman_agrees_with_the_definition(items in prop::collection::vec((-4..4i32, -4..4i32, 0..4u8), 0..40)) {
            // By copying each item as often as its weight says.
            let weights: Vec<f32> = items.iter().map(|item| f32::from(item.2)).collect();
            let pairs: Vec<(f64, f64)> = items.iter().map(|&(x, y, _)| (f64::from(x), f64::from(y) / 3.0)).collect();
            let copies: Vec<(f64, f64)> =
                pairs.iter().zip(&items).flat_map(|(&pair, item)| vec![pair; item.2.into()]).collect();
            let rank = |of: &dyn Fn(&(f64, f64)) -> f64, i: usize| {
                let count = |test: &dyn Fn(f64) -> bool| copies.iter().filter(|c| test(of(c))).count() as f64;
                let x = of(&copies[i]);
                count(&|y| y < x) + count(&|y| y == x).midpoint(1.0)
            };
            let x: Vec<f64> = (0..copies.len()).map(|i| rank(&|item| item.0, i)).collect();
            let y: Vec<f64> = (0..copies.len()).map(|i| rank(&|item| item.1, i)).collect();
            let covariance = |x: &[f64], y: &[f64]| {
                x.iter().zip(y).map(|(a, b)| (a - mean(x)) * (b - mean(y))).sum::<f64>() / x.len() as f64
            };
            let expected = covariance(&x, &y) / (covariance(&x, &x).sqrt() * covariance(&y, &y).sqrt());
            let got = Ranked::new(&pairs).spearman(&weights);
            prop_assert!(got.is_nan() && expected.is_nan() || (got - expected).abs() < 1e-9, "{got} {expected}");
        }

        #[test]
        fn holm_agrees_with_its_definition(p in prop::collection::vec(0.0..1.0f64, 0..12)) {
            // The largest, over the hypotheses that are at least as clear, of p times how many are not clearer.
            let corrected = holm(&p);
            for (i, &mine) in p.iter().enumerate() {
                let not_clearer = |q: f64| p.iter().filter(|&&r| r >= q).count() as f64;
                let most = p.iter().filter(|&&q| q <= mine).map(|&q| q * not_clearer(q)).fold(0.0, f64::max);
                prop_assert!((corrected[i] - most.min(1.0)).abs() < 1e-12);
            }
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "ties and whole numbers are exact")]
    fn known_correlations() {
        assert_eq!(spearman(&[(1.0, 10.0), (2.0, 20.0), (9.0, 21.0)]), 1.0);
        assert_eq!(spearman(&[(1.0, 0.3), (2.0, 0.2), (9.0, -0.1)]), -1.0);
        let tied = spearman(&[(0.0, 1.0), (-0.0, 1.5), (1.0, 2.0), (1.0, 3.0)]);
        assert!((tied - 2.0 / 5f64.sqrt()).abs() < 1e-12);
        assert!(spearman(&[]).is_nan() && spearman(&[(1.0, 1.0)]).is_nan());
        assert!(spearman(&[(1.0, f64::NAN), (2.0, 1.0), (3.0, 4.0)]).is_nan());
        assert!((pearson(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)], &[1.0, 2.0, 1.0]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_interval_of_a_mean_is_the_known_one() {
        let x: Vec<f64> = (0..400).map(|i| f64::from(i * 7 % 400)).collect();
        let clusters = Clusters::independent(x.len());
        let rows = bootstrap(&clusters, 10_000, 1, &[mean_of(&x), mean_of(&x)]);
        assert_eq!(rows[0], rows[1], "one draw for all statistics");
        // The standard error of the mean, of the population of these 400.
        let error = deviation(&x) * (399f64 / 400.0).sqrt() / 20.0;
        let [low, high] = interval(&rows[0]);
        assert!((low - (199.5 - 1.96 * error)).abs() < 0.1 * error, "{low}");
        assert!((high - (199.5 + 1.96 * error)).abs() < 0.1 * error, "{high}");
        assert_eq!(interval(&bootstrap(&clusters, 100, 1, &[mean_of(&x)])[0]), {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            pool.install(|| interval(&bootstrap(&clusters, 100, 1, &[mean_of(&x)])[0]))
        });
    }

    #[test]
    fn items_that_share_a_cluster_are_drawn_together() {
        // Ten clusters of ten equal items are ten items, not a hundred.
        let x: Vec<f64> = (0..100).map(|i| f64::from(i / 10)).collect();
        let mut clusters = Clusters::default();
        clusters.push((0..100).map(|i| [i / 10, i / 10]));
        let error = |clusters: &Clusters| deviation(&bootstrap(clusters, 4000, 2, &[mean_of(&x)])[0]);
        let (together, apart) = (error(&clusters), error(&Clusters::independent(100)));
        assert!((together / apart - 10f64.sqrt()).abs() < 0.2, "{together} {apart}");
        // In two clusters each: weights are products.
        let mut crossed = Clusters::default();
        crossed.push((0..9).map(|i| [i / 3, i % 3]));
        let mut draw = crossed.whole();
        crossed.draw(&mut Xoshiro256PlusPlus::seed_from_u64(5), &mut draw, &mut Vec::new());
        let weight = |a: usize, b: usize| draw.items[3 * a + b];
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            assert_eq!(weight(a, b), weight(b, a));
            assert_eq!(weight(a, b), weight(a, a) * weight(b, b));
        }
        assert_eq!((0..3).map(|a| weight(a, a)).sum::<f32>(), 3.0);
    }

    #[test]
    fn sections_are_drawn_whole() {
        let mut clusters = Clusters::default();
        clusters.push([[0, 0]; 4]);
        clusters.push([]);
        clusters.push([[0, 0]; 2]);
        assert_eq!(clusters.sections().collect::<Vec<_>>(), [0..4, 4..6]);
        let first = boxed(|draw| f64::from(draw.items[0]));
        let fits = boxed(|draw| {
            let all = [0, 0, 0, 0, 1, 1].iter().zip(&draw.items).all(|(&s, &w)| w == draw.sections[s]);
            f64::from(u8::from(all && draw.sections.iter().sum::<f32>() == 2.0))
        });
        let rows = bootstrap(&clusters, 4000, 3, &[first, fits]);
        assert_eq!(mean(&rows[1]), 1.0);
        let share = |n: f64| rows[0].iter().filter(|&&x| x == n).count() as f64 / 4000.0;
        assert!([(0.0, 0.25), (1.0, 0.5), (2.0, 0.25)].iter().all(|&(n, p)| (share(n) - p).abs() < 0.03));
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
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]);
        assert_eq!(deviation(&[1.0, 3.0]), 2f64.sqrt());
    }

    #[test]
    fn seeds_widen_by_student() {
        // The quantiles of Student's t with 4 degrees of freedom.
        let mut draws = vec![0.0; 40_000];
        widen(&mut draws, 1.0, 4, 7);
        let [low, high] = interval(&draws);
        assert!((high - 2.776).abs() < 0.12 && (low + 2.776).abs() < 0.12, "{low} {high}");
        let mut draws = vec![1.0; 3];
        widen(&mut draws, f64::NAN, 0, 7);
        assert_eq!(draws, [1.0; 3]);
    }
}
