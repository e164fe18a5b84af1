//! The scores of several methods on the same sets, and which differences are more than chance.
//!
//! Two things vary: the items that a set happens to have, and the seed that a training happened to
//! have. The bootstrap draws the items anew, the same for all models, so that differences are
//! paired. The effect of seeds is estimated from the runs of a method and added to each draw
//! ([`stats::widen`]). With one run of a method there is no estimate; the intervals then leave
//! seeds out, and the output says so.
//!
//! This file is over 300 lines because a third of it describes what a comparison gives.

use serde::Serialize;

use super::{CompareOptions, Contender, TrainedRun};
use crate::eval::{Measure, Outcome, Policy, Section, Set, Unknown};
use crate::stats::{self, Statistic, deviation, interval, interval_among, mean};
/// A difference is called detected if its corrected p-value is below this.
const SIGNIFICANCE: f64 = 0.05;
/// A difference of this many standard errors is detected four times in five: 1.96 + 0.84.
const FOUR_OF_FIVE: f64 = 2.8;

/// The scores of all methods on one set.
#[derive(Clone, Debug, Serialize)]
pub struct SetScores {
    /// The name of the set.
    pub name: String,
    /// The kind of its items, in one word.
    pub kind: &'static str,
    /// The number of items in the set.
    pub total: usize,
    /// The number of items that were scored, which is the same for all methods.
    pub used: usize,
    /// For each method, the number of items that its own vocabulary knows.
    pub known: Vec<usize>,
    /// The scores by each measure. The differences are those of the first measure.
    pub measures: Vec<Scores>,
    /// The differences between methods, two by two.
    pub differences: Vec<Difference>,
    /// For analogies, the answers of the first run of each method, section by section.
    pub sections: Vec<Vec<Section>>,
    /// The scores of methods with n-grams when the words that they compose are scored too. They are
    /// not to be compared with the scores of other methods, which have fewer items.
    pub composed: Vec<Composed>,
}

/// A method's score with words that it composes from n-grams.
#[derive(Clone, Debug, Serialize)]
pub struct Composed {
    /// The index of the method.
    pub method: usize,
    /// The number of items that were scored.
    pub used: usize,
    /// The number of these items with a composed word.
    pub composed: usize,
    /// The score of each run, by the first measure.
    pub runs: Vec<f64>,
    /// The mean of the runs.
    pub mean: f64,
}

/// The scores of all methods by one measure.
#[derive(Clone, Debug, Serialize)]
pub struct Scores {
    /// The name of the measure.
    pub measure: &'static str,
    /// The score of each method.
    pub methods: Vec<Score>,
}

/// The score of a method.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    /// The score of each run.
    pub runs: Vec<f64>,
    /// The mean of the runs.
    pub mean: f64,
    /// The standard deviation of the runs; `None` for one run.
    pub spread: Option<f64>,
    /// The 95 % interval of the mean, low and high.
    pub interval: [f64; 2],
}

/// A difference between two methods.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The indices of the two methods.
    pub methods: [usize; 2],
    /// The score of the first method less that of the second.
    pub difference: f64,
    /// The interval of the difference, low and high. As `corrected`, it is of all differences
    /// together: where these are 95 % intervals, all of them hold at once 95 times of 100.
    pub interval: [f64; 2],
    /// The p-value: how often chance alone would make a difference this large.
    pub p: f64,
    /// The p-value, corrected by Holm for the number of sets and pairs of methods.
    pub corrected: f64,
    /// The smallest difference that this set and this many runs would detect four times in five.
    /// `None` if there is no such difference.
    pub detectable: Option<f64>,
    /// Whether `corrected` is below `SIGNIFICANCE`.
    pub detected: bool,
}

/// The scores of trainings of one method with one seed, with more and more epochs.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// The index of the method.
    pub method: usize,
    /// The epochs and the seconds of each training, the shortest first.
    pub points: Vec<(u64, f64)>,
    /// For each set, the score of each training.
    pub sets: Vec<Vec<f64>>,
}

/// The outcomes of a contender's models on a set: those of its runs, and of its shorter trainings.
pub(super) struct Outcomes {
    runs: Vec<Outcome>,
    shorter: Vec<Outcome>,
}

/// What each contender knows of a set with its whole vocabulary, before it is cut to common words.
pub(super) struct FullVocabulary {
    known: Vec<usize>,
    composed: Vec<Composed>,
}

impl FullVocabulary {
    pub(super) fn new(contenders: &[Contender], set: &Set, policy: &Policy) -> Self {
        let known = contenders.iter().map(|c| set.known(&c.runs[0].model, policy)).collect();
        Self { known, composed: composed(contenders, set, policy) }
    }
}

/// For each set, the outcomes of each contender. All are asked the same items, so no word is
/// composed.
pub(super) fn outcomes(
    contenders: &[Contender],
    sets: &[Set],
    policy: &Policy,
) -> Vec<Vec<Outcomes>> {
    let skip = Policy { unknown: Unknown::Skip, ..*policy };
    let policy = if policy.unknown == Unknown::Compose { &skip } else { policy };
    let of = |contender: &Contender, set: &Set| {
        let outcomes =
            |runs: &[TrainedRun]| runs.iter().map(|run| run.score(set, policy)).collect::<Vec<_>>();
        Outcomes { runs: outcomes(&contender.runs), shorter: outcomes(&contender.shorter) }
    };
    sets.iter().map(|set| contenders.iter().map(|contender| of(contender, set)).collect()).collect()
}

/// Whether a set has an item that was scored.
pub(super) fn has_items(outcomes: &[Outcomes]) -> bool {
    outcomes.iter().all(|of| of.runs.iter().all(|outcome| outcome.used() > 0))
}

/// The scores of methods with n-grams on a set whose unknown words they compose. The models must be
/// whole, not cut to common words.
fn composed(contenders: &[Contender], set: &Set, policy: &Policy) -> Vec<Composed> {
    let of = |(method, contender): (usize, &Contender)| {
        let model = |run: &TrainedRun| run.model.ngrams().is_some();
        let ngrams = policy.unknown == Unknown::Compose && contender.runs.iter().all(model);
        if !ngrams {
            return None;
        }
        let outcomes: Vec<Outcome> =
            contender.runs.iter().map(|run| set.score(&run.model, policy)).collect();
        let first = outcomes.first().filter(|outcome| outcome.composed > 0)?;
        let runs: Vec<f64> =
            outcomes.iter().map(|outcome| outcome.value(&outcome.measures[0])).collect();
        let mean = mean(&runs);
        Some(Composed { method, used: first.used(), composed: first.composed, runs, mean })
    };
    contenders.iter().enumerate().filter_map(of).collect()
}

/// The scores with their intervals, and the differences.
pub(super) fn scores(
    contenders: &[Contender],
    sets: &[Set],
    outcomes: &[Vec<Outcomes>],
    own: Vec<FullVocabulary>,
    options: &CompareOptions,
) -> Vec<SetScores> {
    let (mut all, drawn): (Vec<SetScores>, Vec<Vec<Drawn>>) = sets
        .iter()
        .zip(outcomes)
        .zip(own)
        .map(|((set, outcomes), own)| of_set(contenders, set, outcomes, own, options))
        .unzip();
    let p: Vec<f64> = all.iter().flat_map(|set| &set.differences).map(|d| d.p).collect();
    let differences = all.iter_mut().flat_map(|set| &mut set.differences);
    let all_drawn = drawn.iter().flatten();
    for ((difference, drawn), (corrected, among)) in differences.zip(all_drawn).zip(stats::holm(&p))
    {
        difference.corrected = corrected;
        difference.detected = corrected < SIGNIFICANCE;
        difference.interval =
            interval_among(&drawn.draws, among).map(|x| x.clamp(-drawn.most, drawn.most));
    }
    all
}

fn of_set(
    contenders: &[Contender],
    set: &Set,
    outcomes: &[Outcomes],
    own: FullVocabulary,
    options: &CompareOptions,
) -> (SetScores, Vec<Drawn>) {
    // All methods have the same vocabulary here, and so the same items.
    let first = &outcomes[0].runs[0];
    let clusters = &first.clusters;
    let answers = (0..first.measures.len()).flat_map(|place| {
        outcomes.iter().flat_map(|o| &o.runs).map(move |outcome| &outcome.measures[place])
    });
    let statistic = |m| -> Statistic { Box::new(move |draw| Measure::score(m, clusters, draw)) };
    let statistics: Vec<Statistic> = answers.map(statistic).collect();
    let mut rows = stats::bootstrap(clusters, options.draws, options.seed, &statistics).into_iter();

    let (mut measures, mut differences, mut all_drawn) = (Vec::new(), Vec::new(), Vec::new());
    for (place, measure) in first.measures.iter().enumerate() {
        let of = |outcome: &Outcome| outcome.value(&outcome.measures[place]);
        let runs: Vec<Vec<f64>> =
            outcomes.iter().map(|o| o.runs.iter().map(of).collect()).collect();
        // The mean over the runs of a method, draw by draw.
        let mut drawn: Vec<Vec<f64>> = Vec::new();
        for contender in contenders {
            let n = contender.runs.len();
            let mut sums = vec![0.0; options.draws];
            for row in rows.by_ref().take(n) {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x / n as f64);
            }
            drawn.push(sums);
        }
        let score = |(runs, drawn): (&Vec<f64>, &Vec<f64>)| {
            let (spread, mut drawn) = (deviation(runs), drawn.clone());
            let error = spread / (runs.len() as f64).sqrt();
            stats::widen(&mut drawn, error, runs.len() - 1, options.seed);
            let spread = (!spread.is_nan()).then_some(spread);
            let [low, high] = measure.range();
            let interval = interval(&drawn).map(|x| x.clamp(low, high));
            Score { runs: runs.clone(), mean: mean(runs), spread, interval }
        };
        let methods = runs.iter().zip(&drawn).map(score).collect();
        measures.push(Scores { measure: measure.name, methods });
        if place == 0 {
            let pairs = (0..runs.len()).flat_map(|a| (a + 1..runs.len()).map(move |b| [a, b]));
            let [low, high] = measure.range();
            let exact = |method: usize| contenders[method].is_sparse();
            let of = |pair| difference((pair, exact), &runs, &drawn, high - low, options.seed);
            (differences, all_drawn) = pairs.map(of).unzip();
        }
    }
    let scores = SetScores {
        name: set.name.clone(),
        kind: set.kind(),
        total: first.total,
        used: first.used(),
        known: own.known,
        composed: own.composed,
        measures,
        differences,
        sections: outcomes.iter().map(|o| o.runs[0].sections.clone()).collect(),
    };
    (scores, all_drawn)
}

/// What was drawn of a difference, and the most that it can be.
struct Drawn {
    draws: Vec<f64>,
    most: f64,
}

/// The difference of two methods, from the scores of their runs and the draws of their means. No
/// difference is greater than `most`.
fn difference(
    ([a, b], exact): ([usize; 2], impl Fn(usize) -> bool),
    runs: &[Vec<f64>],
    drawn: &[Vec<f64>],
    most: f64,
    seed: u64,
) -> (Difference, Drawn) {
    let mut differences: Vec<f64> = drawn[a].iter().zip(&drawn[b]).map(|(x, y)| x - y).collect();
    // Both methods are taken to have the same variance over seeds, estimated from the runs of both;
    // but a method without seeds has none.
    let seeded = || [a, b].into_iter().filter(|&method| !exact(method));
    let freedom: usize = seeded().map(|method| runs[method].len() - 1).sum();
    let squares: f64 =
        seeded().flat_map(|m| runs[m].iter().map(move |x| (x - mean(&runs[m])).powi(2))).sum();
    let share: f64 = seeded().map(|method| 1.0 / runs[method].len() as f64).sum();
    let error = (squares / freedom as f64 * share).sqrt();
    stats::widen(&mut differences, error, freedom, seed);
    let finite: Vec<f64> = differences.iter().copied().filter(|x| x.is_finite()).collect();
    let difference = Difference {
        methods: [a, b],
        difference: mean(&runs[a]) - mean(&runs[b]),
        interval: [f64::NAN; 2],
        p: stats::p_value(&differences),
        corrected: 1.0,
        detectable: Some(FOUR_OF_FIVE * deviation(&finite)).filter(|least| *least <= most),
        detected: false,
    };
    (difference, Drawn { draws: differences, most })
}

/// The learning curves of the methods that have shorter trainings.
pub(super) fn curves(contenders: &[Contender], outcomes: &[Vec<Outcomes>]) -> Vec<Curve> {
    let with = |(_, contender): &(usize, &Contender)| !contender.shorter.is_empty();
    let curve = |(method, contender): (usize, &Contender)| {
        let point = |run: &TrainedRun| {
            let history = &run.model.provenance;
            let epochs = history.settings.get("epochs").and_then(serde_json::Value::as_u64);
            (epochs.unwrap_or(0), history.all_seconds())
        };
        let first = |outcome: &Outcome| outcome.value(&outcome.measures[0]);
        let all = |o: &Outcomes| o.shorter.iter().chain(o.runs.first()).map(first).collect();
        Curve {
            method,
            points: contender.shorter.iter().chain(contender.runs.first()).map(point).collect(),
            sets: outcomes.iter().map(|outcomes| all(&outcomes[method])).collect(),
        }
    };
    contenders.iter().enumerate().filter(with).map(curve).collect()
}
