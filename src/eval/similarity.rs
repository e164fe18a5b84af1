//! Graded pairs of words: does the cosine of two words rise with the similarity that people see in
//! them?

use std::sync::Arc;

use super::known::Known;
use super::lines::{cells, graded, graded_lines};
use super::outcome::{Answers, Measure, Outcome};
use super::{Source, Task, TaskKind};
use crate::embeddings::cosine;
use crate::stats::Ranked;
/// Lines of two words and a number, which is the first number behind them.
pub(super) const PAIRS: TaskKind = TaskKind {
    recognises: |line| {
        let cells = cells(line);
        let texts = graded(&cells).map(|(_, texts)| texts);
        !line.starts_with(':') && cells.len() > 2 && texts.is_some_and(|texts| !is_text(texts))
    },
    line: "two words and their similarity",
    folder_is_set: false,
    parse: |sources| {
        let lines = |source: &Source| graded_lines(source.file, source.text, "two words");
        let pairs = sources.iter().map(lines).collect::<Result<Vec<_>, _>>()?;
        Ok(Arc::new(GradedPairs(pairs.concat())))
    },
};

/// Whether one of two graded texts has several words, so that they are sentences.
pub(super) fn is_text(texts: [&str; 2]) -> bool {
    texts.iter().any(|text| text.contains(char::is_whitespace))
}

/// Pairs of words, with their grades.
#[derive(Debug)]
struct GradedPairs(Vec<(f64, [String; 2])>);

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
        let cosines =
            ids.iter().map(|pair| pair.map(|[a, b]| cosine(known.vector(a), known.vector(b))));
        let items =
            cosines.zip(&self.0).map(|(cosine, (grade, _))| Some((*grade, cosine?))).collect();
        let measures = |items: Vec<(f64, f64)>| {
            vec![Measure { name: "Spearman", answers: Answers::Ranked(Ranked::new(&items)) }]
        };
        let unknown = |i: usize| (self.0[i].0, 0.0);
        Outcome::graded(items, composed, measures, zero.then_some(&unknown))
    }
}
