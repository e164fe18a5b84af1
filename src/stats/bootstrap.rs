//! How sure a score is, and whether two scores differ: the bootstrap (Efron 1979) of sets whose
//! items depend on each other.
//!
//! All scores of a set are taken from the same draws. So one row of [`bootstrap`] less another is
//! the paired bootstrap of their difference. Intervals are those of percentiles. Draw `b` follows
//! from (seed, `b`), so the results do not depend on the number of threads.

use std::ops::Range;

use rand::Rng;
use rayon::prelude::*;

use crate::random::{below, generator, mix};

/// What the items of a set have in common. Sections are drawn first, then clusters in each section.
/// An item may lie in two clusters, as a question that is made of two pairs of words does. It then
/// counts as often as the product of the numbers of times that the two were drawn (the pigeonhole
/// bootstrap, Owen 2007).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clusters {
    sections: Vec<Span>,
    /// The two clusters of each item, in its section. They are equal if the item lies in one.
    items: Vec<[u32; 2]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    items: Range<usize>,
    clusters: usize,
}

impl Clusters {
    /// `n` items that have nothing in common.
    pub(crate) fn independent(n: usize) -> Self {
        let mut clusters = Self::default();
        clusters.push((0..n as u32).map(|i| [i, i]));
        clusters
    }

    /// Adds a section with these items, each given by its clusters in the section. A section
    /// without items is not added.
    pub(crate) fn push(&mut self, items: impl IntoIterator<Item = [u32; 2]>) {
        let start = self.items.len();
        self.items.extend(items);
        let new = &mut self.items[start..];
        let mut used: Vec<u32> = new.as_flattened().to_vec();
        used.sort_unstable();
        used.dedup();
        // The clusters are numbered anew, so that none is without an item.
        new.as_flattened_mut().iter_mut().for_each(|c| *c = used.partition_point(|u| u < c) as u32);
        if !used.is_empty() {
            self.sections.push(Span { items: start..self.items.len(), clusters: used.len() });
        }
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The draw of each item once.
    pub(crate) fn whole(&self) -> Draw {
        Draw { items: vec![1.0; self.items.len()], sections: vec![1.0; self.sections.len()] }
    }

    /// The items of each section.
    pub(crate) fn sections(&self) -> impl Iterator<Item = Range<usize>> {
        self.sections.iter().map(|section| section.items.clone())
    }

    /// Draws as many sections as there are, and in each as many clusters as it has, with
    /// replacement. `times` is scratch space.
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
                *weight +=
                    if a == b { times[a as usize] } else { times[a as usize] * times[b as usize] };
            }
        }
    }
}

/// How often each item, and each section, was drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draw {
    /// A weight for each item.
    pub items: Vec<f32>,
    /// A weight for each section.
    pub sections: Vec<f32>,
}

/// A function that scores a draw.
pub(crate) type Statistic<'a> = Box<dyn Fn(&Draw) -> f64 + Sync + 'a>;

/// The scores of `draws` draws: a row for each of `statistics`, with a score for each draw.
pub(crate) fn bootstrap(
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
                let mut rng = generator(mix(seed ^ mix(number)));
                clusters.draw(&mut rng, draw, times);
                statistics.iter().map(|statistic| statistic(draw)).collect()
            },
        )
        .collect();
    (0..statistics.len()).map(|i| scores.iter().map(|row| row[i]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{deviation, interval, mean};

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

    #[test]
    fn the_interval_of_a_mean_is_the_known_one() {
        let x: Vec<f64> = (0..400).map(|i| f64::from(i * 7 % 400)).collect();
        let clusters = Clusters::independent(x.len());
        let rows = bootstrap(&clusters, 10_000, 1, &[mean_of(&x), mean_of(&x)]);
        assert_eq!(rows[0], rows[1], "one draw for all statistics");
        // The standard error of the mean, for the population of these 400 numbers.
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
        // Ten clusters of ten equal items count as ten items, not as a hundred.
        let x: Vec<f64> = (0..100).map(|i| f64::from(i / 10)).collect();
        let mut clusters = Clusters::default();
        clusters.push((0..100).map(|i| [i / 10, i / 10]));
        let error =
            |clusters: &Clusters| deviation(&bootstrap(clusters, 4000, 2, &[mean_of(&x)])[0]);
        let (together, apart) = (error(&clusters), error(&Clusters::independent(100)));
        assert!((together / apart - 10f64.sqrt()).abs() < 0.2, "{together} {apart}");
        // Each item lies in two clusters, so weights are products.
        let mut crossed = Clusters::default();
        crossed.push((0..9).map(|i| [i / 3, i % 3]));
        let mut draw = crossed.whole();
        crossed.draw(&mut generator(5), &mut draw, &mut Vec::new());
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
            let all =
                [0, 0, 0, 0, 1, 1].iter().zip(&draw.items).all(|(&s, &w)| w == draw.sections[s]);
            f64::from(u8::from(all && draw.sections.iter().sum::<f32>() == 2.0))
        });
        let rows = bootstrap(&clusters, 4000, 3, &[first, fits]);
        assert_eq!(mean(&rows[1]), 1.0);
        let share = |n: f64| rows[0].iter().filter(|&&x| x == n).count() as f64 / 4000.0;
        assert!(
            [(0.0, 0.25), (1.0, 0.5), (2.0, 0.25)]
                .iter()
                .all(|&(n, p)| (share(n) - p).abs() < 0.03)
        );
    }
}
