//! Whether methods agree on which words are near. The measure is the share of neighbours that two
//! models have in common. It stands beside that of two runs of one method, which differ by chance
//! alone (Hellrich & Hahn 2016, "Bad Company"; Wendlandt et al. 2018, "Factors Influencing the
//! Surprising Instability of Word Embeddings").

use rayon::prelude::*;
use serde::Serialize;

use super::{Contender, TrainedRun};
use crate::query::{Combine, Index, Neighbour, Query};
use crate::stats::mean;
/// The number of neighbours of a word that are compared.
pub(super) const NEAR: usize = 10;
/// The number of words whose neighbours the report holds: the most frequent ones.
pub(super) const LISTED: usize = 5000;
/// The most words of a band that are compared.
const SAMPLED: usize = 1000;
/// The ranks at which bands of frequency end.
const BANDS: [usize; 3] = [1000, 10_000, usize::MAX];
/// The number of words that are shown as differing most.
const SHOWN: usize = 25;

/// The neighbours of some words in all runs.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    /// The ids of the words: the most frequent ones, then samples of the others.
    pub(super) words: Vec<u32>,
    /// The neighbours of each of `words`: `near[method][run][word]`.
    pub(super) near: Vec<Vec<Vec<Vec<Neighbour>>>>,
}

/// How far methods agree on which words are near.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    /// The number of neighbours of a word that were compared.
    pub near: usize,
    /// The agreement in each band of frequency.
    pub bands: Vec<Band>,
    /// The words on which methods differ most although the runs of a method agree.
    pub differing: Vec<Differing>,
}

/// A band of words of similar frequency.
#[derive(Clone, Debug, Serialize)]
pub struct Band {
    /// The ranks of its first and its last word, from 1.
    pub ranks: [usize; 2],
    /// The counts of its first and its last word, if they are known.
    pub counts: Option<[u64; 2]>,
    /// The number of its words that were compared.
    pub words: usize,
    /// The mean share of neighbours in common, from 0 to 1, for each pair of methods. For a method
    /// with itself it is that of its runs two by two, or `None` if it has one run.
    pub overlap: Vec<Vec<Option<f64>>>,
}

/// A word that methods see differently.
#[derive(Clone, Debug, Serialize)]
pub struct Differing {
    /// The word.
    pub word: String,
    /// The mean share of neighbours that two methods have in common, from 0 to 1.
    pub between: f64,
    /// The mean share of neighbours that two runs of a method have in common; `None` if no method
    /// has several runs.
    pub within: Option<f64>,
    /// For each method, the neighbours in its first run.
    pub near: Vec<Vec<String>>,
}

impl Lists {
    /// Finds the neighbours of the most frequent words, and of some others, in all models.
    pub(super) fn new(contenders: &[Contender]) -> Self {
        let words = contenders[0].runs[0].model.vocab.len();
        let mut asked: Vec<u32> = (0..words.min(LISTED) as u32).collect();
        asked.extend(bands(words).flat_map(|[start, end]| sample(start, end)));
        asked.sort_unstable();
        asked.dedup();
        let near = |run: &TrainedRun| {
            let model = &run.model;
            let query = |&id: &u32| Query::new(&[model.vector(id)], &[], vec![id], Combine::Add);
            Index::new(model).nearest(&asked.iter().map(query).collect::<Vec<_>>(), NEAR)
        };
        let near =
            contenders.iter().map(|contender| contender.runs.iter().map(near).collect()).collect();
        Self { words: asked, near }
    }

    /// For each pair of methods, the mean share of neighbours of word `i` that their runs have in
    /// common.
    fn overlap(&self, i: usize) -> Vec<Vec<Option<f64>>> {
        let pair = |a: usize, b: usize| {
            let (first, second) = (&self.near[a], &self.near[b]);
            let runs = (0..first.len()).flat_map(|r| (0..second.len()).map(move |s| (r, s)));
            let different = runs.filter(|&(r, s)| a != b || r < s);
            let shares: Vec<f64> =
                different.map(|(r, s)| share(&first[r][i], &second[s][i])).collect();
            (!shares.is_empty()).then(|| mean(&shares))
        };
        let methods = self.near.len();
        (0..methods).map(|a| (0..methods).map(|b| pair(a, b)).collect()).collect()
    }
}

/// The share of neighbours in common, from 0 to 1.
fn share(a: &[Neighbour], b: &[Neighbour]) -> f64 {
    let common = a.iter().filter(|x| b.iter().any(|y| x.id == y.id)).count();
    common as f64 / a.len().max(b.len()).max(1) as f64
}

/// The beginning and the end of each band of a vocabulary of `words` words.
fn bands(words: usize) -> impl Iterator<Item = [usize; 2]> {
    let starts = std::iter::once(0).chain(BANDS);
    starts
        .zip(BANDS)
        .map(move |(start, end)| [start, end.min(words)])
        .filter(|[start, end]| start < end)
}

/// Evenly spaced words of a band, at most [`SAMPLED`].
fn sample(start: usize, end: usize) -> impl Iterator<Item = u32> {
    let n = (end - start).min(SAMPLED);
    (0..n).map(move |i| (start + i * (end - start) / n) as u32)
}

/// How far the methods agree.
pub(super) fn neighbours(contenders: &[Contender], lists: &Lists) -> Agreement {
    let vocab = &contenders[0].runs[0].model.vocab;
    let overlaps: Vec<Vec<Vec<Option<f64>>>> =
        (0..lists.words.len()).into_par_iter().map(|i| lists.overlap(i)).collect();
    let methods = contenders.len();
    let band = |[start, end]: [usize; 2]| {
        let places: Vec<usize> =
            sample(start, end).filter_map(|word| lists.words.binary_search(&word).ok()).collect();
        let overlap = |a: usize, b: usize| {
            let shares: Option<Vec<f64>> = places.iter().map(|&i| overlaps[i][a][b]).collect();
            shares.map(|shares| mean(&shares))
        };
        Band {
            ranks: [start + 1, end],
            counts: vocab
                .count(start as u32)
                .zip(vocab.count(end as u32 - 1))
                .map(|(first, last)| [first, last]),
            words: places.len(),
            overlap: (0..methods).map(|a| (0..methods).map(|b| overlap(a, b)).collect()).collect(),
        }
    };
    let mut differing: Vec<(f64, Differing)> = Vec::new();
    if methods > 1 {
        for (i, overlap) in overlaps.iter().enumerate() {
            let over = |test: fn(usize, usize) -> bool| {
                let shares: Vec<f64> = (0..methods)
                    .flat_map(|a| (0..methods).map(move |b| (a, b)))
                    .filter(|&(a, b)| test(a, b))
                    .filter_map(|(a, b)| overlap[a][b])
                    .collect();
                (!shares.is_empty()).then(|| mean(&shares))
            };
            let (within, between) = (over(|a, b| a == b), over(|a, b| a < b).unwrap_or(0.0));
            let name = |near: &Neighbour| vocab.text(near.id);
            let near = |method: &Vec<Vec<Vec<Neighbour>>>| method[0][i].iter().map(name).collect();
            let word = vocab.text(lists.words[i]);
            let near = lists.near.iter().map(near).collect();
            differing
                .push((within.unwrap_or(1.0) - between, Differing { word, between, within, near }));
        }
    }
    // The sort is stable, so of equal words the more frequent ones come first.
    differing.sort_by(|a, b| b.0.total_cmp(&a.0));
    Agreement {
        near: NEAR,
        bands: bands(vocab.len()).map(band).collect(),
        differing: differing.into_iter().take(SHOWN).map(|(_, differing)| differing).collect(),
    }
}
