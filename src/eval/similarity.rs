//! Graded pairs of words: does the cosine of two words rise with the similarity that people see in
//! them?

use std::sync::Arc;

use super::known::Known;
use super::outcome::{Answers, Measure, Outcome};
use super::sheet::{Graded, Sheet};
use super::{Parsed, Task, TaskKind};
use crate::error::Error;
use crate::stats::Ranked;
/// Lines of two words and a number.
pub(super) const PAIRS: TaskKind = TaskKind {
    fits: |sheet| graded_rows(sheet, false),
    line: "two words and their similarity",
    folder_is_set: false,
    parse: |sources| {
        let source = &sources[0];
        let (pairs, left_out) = source.sheet.graded();
        if pairs.is_empty() {
            return Err(Error::input(source.file, "no pair of words with a grade"));
        }
        Ok(Parsed { how: source.sheet.how(&pairs), left_out, task: Arc::new(GradedPairs(pairs)) })
    },
};

/// The number of graded rows, of sentences or of words.
pub(super) fn graded_rows(sheet: &Sheet, sentences: bool) -> usize {
    let columns = sheet.columns.as_ref().filter(|columns| columns.sentences == sentences);
    columns.map_or(0, |_| sheet.graded().0.len())
}

/// Pairs of words, with their grades.
#[derive(Debug)]
struct GradedPairs(Vec<Graded>);

impl GradedPairs {
    /// The ids of the words of each pair, if both are known.
    fn ids(&self, known: &Known) -> impl Iterator<Item = Option<[u32; 2]>> {
        self.0.iter().map(move |(_, [a, b])| Some([known.find(a)?, known.find(b)?]))
    }
}

impl Task for GradedPairs {
    fn kind(&self) -> &'static str {
        "similarity"
    }

    fn words(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.0.iter().flat_map(|(_, words)| words).map(String::as_str))
    }

    fn of_names(&self) -> bool {
        true
    }

    fn known(&self, known: &Known) -> usize {
        self.ids(known).flatten().count()
    }

    /// Spearman's correlation of the grades with the cosines.
    fn score(&self, known: &Known, zero: bool) -> Outcome {
        let ids: Vec<Option<[u32; 2]>> = self.ids(known).collect();
        let composed = ids
            .iter()
            .flatten()
            .filter(|pair| pair.iter().any(|&id| known.is_composed(id)))
            .count();
        let cosines = ids.iter().map(|pair| pair.map(|[a, b]| known.cosine(a, b)));
        let items =
            cosines.zip(&self.0).map(|(cosine, (grade, _))| Some((*grade, cosine?))).collect();
        let measures = |items: Vec<(f64, f64)>| {
            vec![Measure { name: "Spearman", answers: Answers::Ranked(Ranked::new(&items)) }]
        };
        let unknown = |i: usize| (self.0[i].0, 0.0);
        Outcome::graded(items, composed, measures, zero.then_some(&unknown))
    }
}
