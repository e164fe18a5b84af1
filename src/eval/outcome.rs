//! What a model makes of a set: the answer to each item, and the scores that they make.

use serde::Serialize;

use crate::stats::{Clusters, Draw, Ranked, Statistic, bootstrap, interval, pearson};

/// What a model makes of a set.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Items in the set.
    pub total: usize,
    /// Items whose words the model knows or composes.
    pub known: usize,
    /// Those of them with a word that was composed from n-grams.
    pub composed: usize,
    /// What the items that were used have in common.
    pub(crate) clusters: Clusters,
    /// The scores; the first is the one to compare models by.
    pub measures: Vec<Measure>,
    /// The sections of a set of analogies.
    pub sections: Vec<Section>,
}

/// A way to score a set, with the answers to its items.
#[derive(Clone, Debug)]
pub struct Measure {
    /// What is measured: `Spearman`, `3CosAdd`...
    pub name: &'static str,
    pub(super) answers: Answers,
}

#[derive(Clone, Debug)]
pub(super) enum Answers {
    Ranked(Ranked),
    Graded(Vec<(f64, f64)>),
    /// Whether each was right: the share of all.
    Micro(Vec<f32>),
    /// The mean of the sections' shares.
    Macro(Vec<f32>),
}

/// The answers to a section of analogies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Questions in it.
    pub total: usize,
    /// Questions whose words are known.
    pub known: usize,
    /// Right answers by 3CosAdd.
    pub add: usize,
    /// Right answers by 3CosMul.
    pub mul: usize,
    /// Right answers by taking the nearest neighbour of the third word.
    pub nearest: usize,
}

impl Outcome {
    /// Of items that are two numbers each, the given and the found one.
    pub(super) fn graded(
        items: Vec<Option<(f64, f64)>>,
        composed: usize,
        measures: impl Fn(Vec<(f64, f64)>) -> Vec<Measure>,
        unknown: Option<&dyn Fn(usize) -> (f64, f64)>,
    ) -> Self {
        let (total, known) = (items.len(), items.iter().flatten().count());
        let used: Vec<(f64, f64)> = (0..)
            .zip(items)
            .filter_map(|(i, item)| item.or_else(|| unknown.map(|unknown| unknown(i))))
            .collect();
        let clusters = Clusters::independent(used.len());
        Self { total, known, composed, clusters, measures: measures(used), sections: Vec::new() }
    }

    /// Items that the scores are made of.
    pub fn used(&self) -> usize {
        self.clusters.len()
    }

    /// The interval of each measure's score, by `draws` bootstrap draws of the items.
    pub fn intervals(&self, draws: usize, seed: u64) -> Vec<[f64; 2]> {
        let clusters = &self.clusters;
        let statistic =
            |m| -> Statistic { Box::new(move |draw| Measure::score(m, clusters, draw)) };
        let statistics: Vec<Statistic> = self.measures.iter().map(statistic).collect();
        let rows = bootstrap(clusters, draws, seed, &statistics);
        rows.iter().map(|row| interval(row)).collect()
    }

    /// The score of a measure over all items that were used.
    pub fn value(&self, measure: &Measure) -> f64 {
        measure.score(&self.clusters, &self.clusters.whole())
    }
}

impl Measure {
    /// The score of a draw of the items; not a number where it is not defined.
    pub(crate) fn score(&self, clusters: &Clusters, draw: &Draw) -> f64 {
        match &self.answers {
            Answers::Ranked(ranked) => ranked.spearman(&draw.items),
            Answers::Graded(items) => pearson(items, &draw.items),
            Answers::Micro(right) => share(right, &draw.items),
            Answers::Macro(right) => {
                let (mut sum, mut weights) = (0.0, 0.0);
                for (items, &weight) in clusters.sections().zip(&draw.sections) {
                    let share = share(&right[items.clone()], &draw.items[items]);
                    // A section that was not drawn has none.
                    if !share.is_nan() {
                        sum += f64::from(weight) * share;
                        weights += f64::from(weight);
                    }
                }
                sum / weights
            }
        }
    }
}

/// The mean of `x`, each as often as its weight says. Summed by sixteens, which vectorises; sums of counts are exact.
fn share(x: &[f32], weights: &[f32]) -> f64 {
    let (mut right, mut all) = ([0.0f32; 16], [0.0f32; 16]);
    let (x_lines, x_rest) = x.as_chunks::<16>();
    let (lines, rest) = weights.as_chunks::<16>();
    for (x, weights) in x_lines.iter().zip(lines) {
        for i in 0..16 {
            right[i] += x[i] * weights[i];
            all[i] += weights[i];
        }
    }
    for (i, (x, weight)) in x_rest.iter().zip(rest).enumerate() {
        right[i] += x * weight;
        all[i] += weight;
    }
    f64::from(right.iter().sum::<f32>()) / f64::from(all.iter().sum::<f32>())
}
