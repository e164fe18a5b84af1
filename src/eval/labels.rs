//! Labels: can a linear probe tell from their vectors what words, documents or other things are?
//!
//! An item that has `k` labels is given the `k` that are most probable for it (Perozzi, Al-Rfou &
//! Skiena 2014, "`DeepWalk`: Online Learning of Social Representations"), so that scores do not
//! depend on a threshold. At shares of the items, what a threshold gives is scored beside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::known::Known;
use super::outcome::{Answers, Average, Guesses, Measure, Outcome};
use super::probe::{FOLDS, held_out, taught};
use super::sheet::Sheet;
use super::{Parsed, Task, TaskKind};
use crate::error::Error;
use crate::math::level;
use crate::random::{generator, mix, shuffle};
use crate::stats::{Clusters, deviation, mean};
use crate::text::words;

/// Lines of a name and its labels.
pub(super) const LABELS: TaskKind = TaskKind {
    fits: |sheet| label_separator(sheet).map_or(0, |_| rows(sheet).count()),
    line: "a name and its labels",
    folder_is_set: false,
    parse: |sources| {
        let source = &sources[0];
        let Some(separator) = label_separator(source.sheet) else {
            return Err(Error::input(source.file, "no labels that several names share"));
        };
        let mut items: Vec<(String, BTreeSet<String>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut left_out = Vec::new();
        for row in &source.sheet.rows {
            let [name, labels] = &row.cells[..] else {
                left_out.push(row.problem("no name and labels"));
                continue;
            };
            let place = *places.entry(name).or_insert_with(|| {
                items.push((name.clone(), BTreeSet::new()));
                items.len() - 1
            });
            items[place].1.extend(separator.split(labels).map(Into::into));
        }
        items.retain(|(_, labels)| !labels.is_empty());
        if items.len() < LEAST {
            let problem = format!("{} names with labels: a probe wants {LEAST}", items.len());
            return Err(Error::input(source.file, problem));
        }
        let mut ids: BTreeMap<&String, u32> = BTreeMap::new();
        for label in items.iter().flat_map(|(_, labels)| labels) {
            ids.insert(label, 0);
        }
        ids.values_mut().zip(0..).for_each(|(id, next)| *id = next);
        let several = items.iter().filter(|(_, labels)| labels.len() > 1).count();
        let how = match (separator, several) {
            (_, 0) => format!("{} labels, one for each name", ids.len()),
            (LabelSeparator::Comma, n) => {
                format!("{} labels, apart by commas; {n} names have several", ids.len())
            }
            (LabelSeparator::White, n) => {
                format!("{} labels, apart by spaces; {n} names have several", ids.len())
            }
        };
        let task = Labels {
            given: items.iter().map(|(_, all)| all.iter().map(|one| ids[one]).collect()).collect(),
            different: ids.len(),
            names: items.into_iter().map(|(name, _)| name).collect(),
        };
        Ok(Parsed { how, left_out, task: Arc::new(task) })
    },
};

/// The fewest names that can be scored.
const LEAST: usize = 2 * FOLDS;
/// How many names a label has at least, on average. Lines of a word and its answer are no labels.
const NAMES_OF_A_LABEL: usize = 4;
/// The seed of the folds.
const SEED: u64 = 1;

/// What separates the labels of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LabelSeparator {
    Comma,
    White,
}

impl LabelSeparator {
    fn split(self, cell: &str) -> impl Iterator<Item = &str> {
        let (by_comma, by_white) = match self {
            Self::Comma => (Some(cell.split(',').map(str::trim)), None),
            Self::White => (None, Some(words(cell))),
        };
        by_comma
            .into_iter()
            .flatten()
            .chain(by_white.into_iter().flatten())
            .filter(|label| !label.is_empty())
    }
}

/// The rows of two cells.
fn rows(sheet: &Sheet) -> impl Iterator<Item = (&str, &str)> {
    let two = |row: &'_ super::sheet::Row| row.section().is_none() && row.cells.len() == 2;
    let rows = sheet.rows.iter().filter(move |row| two(row) && !row.cells[1].is_empty());
    rows.map(|row| (&row.cells[0][..], &row.cells[1][..]))
}

/// What separates labels, if the rows are names and labels: commas if there are any, else spaces if
/// there are fewer different labels by them than without. `None` if few names share a label, or if
/// there are other answers after a `/`.
fn label_separator(sheet: &Sheet) -> Option<LabelSeparator> {
    if sheet.columns.is_some() || rows(sheet).any(|(_, labels)| labels.contains('/')) {
        return None;
    }
    let count = |separator: LabelSeparator| {
        rows(sheet).flat_map(|(_, cell)| separator.split(cell)).collect::<BTreeSet<&str>>().len()
    };
    let (comma, white) = (count(LabelSeparator::Comma), count(LabelSeparator::White));
    let commas = rows(sheet).any(|(_, labels)| labels.contains(','));
    let (separator, labels) = if commas || comma <= white {
        (LabelSeparator::Comma, comma)
    } else {
        (LabelSeparator::White, white)
    };
    let names = rows(sheet).map(|(name, _)| name).collect::<BTreeSet<&str>>().len();
    (labels > 1 && NAMES_OF_A_LABEL * labels <= names).then_some(separator)
}

/// From which shares of the items labels are learnt.
#[derive(Clone, Debug)]
pub struct ShareOptions {
    /// The shares, between 0 and 1.
    pub shares: Vec<f64>,
    /// How often the items are divided anew.
    pub shuffles: u32,
    /// The divisions follow from it.
    pub seed: u64,
}

/// How well labels are told by what was learnt from a share of the items, by a logistic regression
/// with `C` = 1 on vectors of length 1, as in most papers on graphs.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ShareScores {
    /// The share.
    pub share: f64,
    /// The number of items that labels are learnt from.
    pub learnt: usize,
    /// The number of items that are asked.
    pub asked: usize,
    /// The scores where an item is given as many labels as it has (Perozzi et al. 2014).
    pub number_known: F1,
    /// The scores where it is given all labels that are more probable than not.
    pub threshold: F1,
}

/// F1 over all labels together, and as the mean over labels: its mean over the shuffles, and the
/// standard deviation.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct F1 {
    /// Over all labels together.
    pub micro: [f64; 2],
    /// The mean over labels.
    pub r#macro: [f64; 2],
}

impl F1 {
    fn of(guesses: &[Guesses]) -> Self {
        let over = |average| {
            let score = |guesses: &Guesses| guesses.score(average, &vec![1.0; guesses.len()]);
            let scores: Vec<f64> = guesses.iter().map(score).collect();
            [mean(&scores), deviation(&scores)]
        };
        Self { micro: over(Average::Micro), r#macro: over(Average::Macro) }
    }
}

/// Names with their labels.
#[derive(Debug)]
struct Labels {
    names: Vec<String>,
    /// The labels of each name, which rise.
    given: Vec<Vec<u32>>,
    /// The number of different labels.
    different: usize,
}

impl Task for Labels {
    fn kind(&self) -> &'static str {
        "labels"
    }

    fn words(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.names.iter().map(String::as_str))
    }

    fn of_names(&self) -> bool {
        true
    }

    fn known(&self, known: &Known) -> usize {
        self.names.iter().filter(|name| known.find(name).is_some()).count()
    }

    fn at_shares(&self, known: &Known, options: &ShareOptions) -> Option<Vec<ShareScores>> {
        let found = self.names.iter().zip(&self.given);
        let found: Vec<(u32, &Vec<u32>)> =
            found.filter_map(|(name, given)| Some((known.find(name)?, given))).collect();
        if found.len() < LEAST {
            return None;
        }
        let given: Vec<Vec<u32>> = found.iter().map(|(_, given)| (*given).clone()).collect();
        let features = known.units(found.iter().map(|(id, _)| *id));
        let level = level(None).unwrap_or(fearless_simd::Level::baseline());
        let at = |&share: &f64| {
            let cut = ((share * found.len() as f64) as usize).clamp(1, found.len() - 1);
            let (mut by_number, mut by_threshold) = (Vec::new(), Vec::new());
            for shuffled in 0..options.shuffles {
                let mut order: Vec<u32> = (0..found.len() as u32).collect();
                shuffle(&mut order, &mut generator(mix(options.seed ^ mix(shuffled.into()))));
                let (learnt, asked) = order.split_at(cut);
                let odds = taught(&features, &given, self.different, (learnt, asked), (1.0, level));
                let (mut number, mut threshold) =
                    (Guesses::new(self.different), Guesses::new(self.different));
                for (item, &name) in asked.iter().enumerate() {
                    let given = &given[name as usize];
                    number.push(given, &most_probable(&odds, item, given.len()));
                    let probable = |&label: &u32| odds[label as usize][item] > 0.0;
                    let guessed = (0..self.different as u32).filter(probable);
                    threshold.push(given, &guessed.collect::<Vec<u32>>());
                }
                by_number.push(number);
                by_threshold.push(threshold);
            }
            ShareScores {
                share,
                learnt: cut,
                asked: found.len() - cut,
                number_known: F1::of(&by_number),
                threshold: F1::of(&by_threshold),
            }
        };
        Some(options.shares.iter().map(at).collect())
    }

    /// F1 over all labels together (micro), F1 as the mean of the labels' (macro), and the share of
    /// items for which not all labels are right.
    fn score(&self, known: &Known, zero: bool) -> Outcome {
        let ids: Vec<Option<u32>> = self.names.iter().map(|name| known.find(name)).collect();
        let asked: Vec<usize> = (0..ids.len()).filter(|&i| ids[i].is_some()).collect();
        let composed = ids.iter().flatten().filter(|&&id| known.is_composed(id)).count();
        // Fewer can't be dealt to folds.
        let scored = asked.len() >= LEAST;
        let mut guesses = Guesses::new(self.different);
        if scored {
            let given: Vec<Vec<u32>> = asked.iter().map(|&i| self.given[i].clone()).collect();
            let features = known.features(asked.iter().filter_map(|&i| ids[i]));
            let level = level(None).unwrap_or(fearless_simd::Level::baseline());
            let odds = held_out(&features, &given, self.different, (SEED, level));
            let mut next = 0..;
            for (given, id) in self.given.iter().zip(&ids) {
                match (id, zero) {
                    (Some(_), _) => {
                        let item = next.next().unwrap_or_default();
                        guesses.push(given, &most_probable(&odds, item, given.len()));
                    }
                    (None, true) => guesses.push(given, &[]),
                    (None, false) => {}
                }
            }
        }
        let used = guesses.len();
        let guesses = Arc::new(guesses);
        let measure = |name, average| {
            let answers = Answers::Guesses(Arc::clone(&guesses), average);
            Measure { name, answers }
        };
        Outcome {
            total: ids.len(),
            known: asked.len(),
            composed,
            clusters: Clusters::independent(used),
            measures: vec![
                measure("micro F1", Average::Micro),
                measure("macro F1", Average::Macro),
                measure("error", Average::Error),
            ],
            sections: Vec::new(),
        }
    }
}

/// The `k` labels that are most probable for an item, from the least to the greatest.
fn most_probable(odds: &[Vec<f32>], item: usize, k: usize) -> Vec<u32> {
    let mut labels: Vec<u32> = (0..odds.len() as u32).collect();
    labels.sort_by(|&a, &b| odds[b as usize][item].total_cmp(&odds[a as usize][item]));
    labels.truncate(k);
    labels.sort_unstable();
    labels
}
