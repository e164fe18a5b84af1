//! The outcome of a set: the answer to each item, and the scores that the answers make.

use std::sync::Arc;

use serde::Serialize;

use crate::stats::{Clusters, Draw, Ranked, Statistic, bootstrap, interval, pearson};

/// A model's answers to a set, and its scores.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The number of items in the set.
    pub total: usize,
    /// The number of items whose words the model knows or composes.
    pub known: usize,
    /// The number of these items with a word that was composed from n-grams.
    pub composed: usize,
    /// What the scored items have in common.
    pub(crate) clusters: Clusters,
    /// The measures, with their scores. The first is the one to compare models by.
    pub measures: Vec<Measure>,
    /// The sections of a set of analogies; empty for other sets.
    pub sections: Vec<Section>,
}

/// A way to score a set, with the answers to its items.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Its name: `Spearman`, `3CosAdd`...
    pub name: &'static str,
    pub(super) answers: Answers,
}

#[derive(Clone, Debug)]
pub(super) enum Answers {
    Ranked(Ranked),
    Graded(Vec<(f64, f64)>),
    /// Whether each answer is right. The score is the share of right answers.
    Micro(Vec<f32>),
    /// Whether each answer is right. The score is the mean of the sections' shares.
    Macro(Vec<f32>),
    /// The labels that each item has, and those that it was given.
    Guesses(Arc<Guesses>, Average),
}

/// How the answers to many labels make one score.
#[derive(Clone, Copy, Debug)]
pub(super) enum Average {
    /// F1 over the labels of all items together.
    Micro,
    /// The mean over labels of F1.
    Macro,
    /// The share of items for which not all labels are right.
    Error,
}

/// The labels of items, and those that a probe gives them.
#[derive(Clone, Debug)]
pub(super) struct Guesses {
    /// The number of labels.
    labels: usize,
    /// For each item, how many labels it has and was given, how many of these are right, and whether
    /// some are not.
    counts: Vec<[f32; 3]>,
    /// Where the pairs of each item end.
    ends: Vec<usize>,
    /// A label that an item has, or was given, or both; and how often: given and had, right.
    pairs: Vec<(u32, [f32; 2])>,
}

/// The numbers of right answers in a section of analogies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// The number of questions in it.
    pub total: usize,
    /// The number of questions whose words are known.
    pub known: usize,
    /// The number of right answers by 3CosAdd.
    pub add: usize,
    /// The number of right answers by 3CosMul.
    pub mul: usize,
    /// The number of right answers if the nearest neighbour of the third word is taken.
    pub nearest: usize,
}

impl Outcome {
    /// The outcome of items that are two numbers each, the given one and the found one. `None` is
    /// an item that is not known. It has the numbers that `unknown` gives, or it is left out.
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

    /// The number of items that were scored.
    pub fn used(&self) -> usize {
        self.clusters.len()
    }

    /// The 95 % interval of each measure's score, low and high, by `draws` bootstrap draws of the
    /// items. The draws follow from `seed`.
    pub fn intervals(&self, draws: usize, seed: u64) -> Vec<[f64; 2]> {
        let clusters = &self.clusters;
        let statistic =
            |m| -> Statistic { Box::new(move |draw| Measure::score(m, clusters, draw)) };
        let statistics: Vec<Statistic> = self.measures.iter().map(statistic).collect();
        let rows = bootstrap(clusters, draws, seed, &statistics);
        rows.iter().map(|row| interval(row)).collect()
    }

    /// The score of a measure over all scored items; not a number where it is not defined.
    pub fn value(&self, measure: &Measure) -> f64 {
        measure.score(&self.clusters, &self.clusters.whole())
    }
}

impl Measure {
    /// The least and the greatest score that is possible.
    pub(crate) fn range(&self) -> [f64; 2] {
        match self.answers {
            Answers::Ranked(_) | Answers::Graded(_) => [-1.0, 1.0],
            Answers::Micro(_) | Answers::Macro(_) | Answers::Guesses(..) => [0.0, 1.0],
        }
    }

    /// The score on a draw of the items; not a number where it is not defined.
    pub(crate) fn score(&self, clusters: &Clusters, draw: &Draw) -> f64 {
        match &self.answers {
            Answers::Ranked(ranked) => ranked.spearman(&draw.items),
            Answers::Graded(items) => pearson(items, &draw.items),
            Answers::Micro(right) => share(right, &draw.items),
            Answers::Guesses(guesses, average) => guesses.score(*average, &draw.items),
            Answers::Macro(right) => {
                let (mut sum, mut weights) = (0.0, 0.0);
                for (items, &weight) in clusters.sections().zip(&draw.sections) {
                    let share = share(&right[items.clone()], &draw.items[items]);
                    // A section that was not drawn has no share.
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

impl Guesses {
    /// No items.
    pub(super) fn new(labels: usize) -> Self {
        Self { labels, counts: Vec::new(), ends: Vec::new(), pairs: Vec::new() }
    }

    /// The number of items.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Adds an item by the labels that it has and those that it was given. Both rise.
    pub(super) fn push(&mut self, has: &[u32], given: &[u32]) {
        let right = |label: &u32| has.binary_search(label).is_ok();
        let hits = given.iter().filter(|label| right(label)).count();
        let wrong = hits < has.len().max(given.len());
        let all = (has.len() + given.len()) as f32;
        self.counts.push([all, hits as f32, f32::from(u8::from(wrong))]);
        self.pairs.extend(has.iter().map(|&label| (label, [1.0, 0.0])));
        let given = given.iter().map(|label| (*label, [1.0, f32::from(u8::from(right(label)))]));
        self.pairs.extend(given);
        self.ends.push(self.pairs.len());
    }

    /// The score with these weights of items.
    pub(super) fn score(&self, average: Average, weights: &[f32]) -> f64 {
        let sum = |of: fn(&[f32; 3]) -> f32| -> f64 {
            let items = self.counts.iter().zip(weights);
            items.map(|(counts, &weight)| f64::from(weight * of(counts))).sum()
        };
        match average {
            Average::Micro => 2.0 * sum(|counts| counts[1]) / sum(|counts| counts[0]),
            Average::Error => sum(|counts| counts[2]) / sum(|_| 1.0),
            Average::Macro => {
                let mut sums = vec![[0.0f64; 2]; self.labels];
                let mut begin = 0;
                for (&end, &weight) in self.ends.iter().zip(weights) {
                    for (label, [all, right]) in &self.pairs[begin..end] {
                        let [all_of, right_of] = &mut sums[*label as usize];
                        *all_of += f64::from(weight * all);
                        *right_of += f64::from(weight * right);
                    }
                    begin = end;
                }
                // A label that no item has in this draw, and none was given, has no F1.
                let drawn = || sums.iter().filter(|[all, _]| *all > 0.0);
                drawn().map(|[all, right]| 2.0 * right / all).sum::<f64>() / drawn().count() as f64
            }
        }
    }
}

/// The mean of `x` with these weights. It is summed by sixteens, which vectorises; sums of counts
/// are exact.
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
