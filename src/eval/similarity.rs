//! Graded word pairs: does the cosine of two words rise with the similarity that people see in them?

use std::path::Path;

use super::{Answers, Known, Measure, Outcome, Ranked, graded_lines};
use crate::embeddings::{Embeddings, cosine};
use crate::error::Result;

/// Pairs of words with their grades.
#[derive(Clone, Debug)]
pub(super) struct Pairs(Vec<(f64, [String; 2])>);

impl Pairs {
    /// Lines of two words and a number, the first behind them.
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self> {
        graded_lines(file, text, "two words").map(Self)
    }

    /// The words of each pair, where both are known.
    pub(super) fn ids(&self, known: Known) -> impl Iterator<Item = Option<[u32; 2]>> {
        self.0.iter().map(move |(_, [a, b])| Some([known.find(a)?, known.find(b)?]))
    }

    /// Spearman's correlation of grades and cosines.
    pub(super) fn score(&self, e: &Embeddings, known: Known, zero: bool) -> Outcome {
        let cosines = self.ids(known).map(|pair| pair.map(|[a, b]| cosine(e.vector(a), e.vector(b))));
        let items = cosines.zip(&self.0).map(|(cosine, (grade, _))| Some((*grade, cosine?))).collect();
        let measures = |items: Vec<(f64, f64)>| {
            vec![Measure { name: "Spearman", answers: Answers::Ranked(Ranked::new(&items)) }]
        };
        let unknown = |i: usize| (self.0[i].0, 0.0);
        Outcome::graded(items, measures, zero.then_some(&unknown))
    }
}
