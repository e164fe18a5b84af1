//! Graded word pairs: does the cosine of two words rise with the similarity that people see in them?

use std::path::Path;

use super::{Answers, Known, Measure, Outcome, Ranked, graded_lines};
use crate::embeddings::cosine;
use crate::error::Result;

/// Pairs of words with their grades.
#[derive(Clone, Debug)]
pub(super) struct Pairs(Vec<(f64, [String; 2])>);

impl Pairs {
    /// Lines of two words and a number, the first behind them.
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self> {
        graded_lines(file, text, "two words").map(Self)
    }

    /// All words.
    pub(super) fn words(&self) -> impl Iterator<Item = &String> {
        self.0.iter().flat_map(|(_, words)| words)
    }

    /// The words of each pair, where both are known.
    pub(super) fn ids(&self, known: &Known) -> impl Iterator<Item = Option<[u32; 2]>> {
        self.0.iter().map(move |(_, [a, b])| Some([known.find(a)?, known.find(b)?]))
    }

    /// Spearman's correlation of grades and cosines.
    pub(super) fn score(&self, known: &Known, zero: bool) -> Outcome {
        let ids: Vec<Option<[u32; 2]>> = self.ids(known).collect();
        let composed =
            ids.iter().flatten().filter(|pair| pair.iter().any(|&id| known.is_composed(id))).count();
        let cosines = ids.iter().map(|pair| pair.map(|[a, b]| cosine(known.vector(a), known.vector(b))));
        let items = cosines.zip(&self.0).map(|(cosine, (grade, _))| Some((*grade, cosine?))).collect();
        let measures = |items: Vec<(f64, f64)>| {
            vec![Measure { name: "Spearman", answers: Answers::Ranked(Ranked::new(&items)) }]
        };
        let unknown = |i: usize| (self.0[i].0, 0.0);
        Outcome::graded(items, composed, measures, zero.then_some(&unknown))
    }
}
