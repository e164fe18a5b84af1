//! Which item comes next: items scored by those that a session had last, or by a user.
//!
//! This file is over 300 lines because a third of it is tests.

use std::cmp::Ordering;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Neighbour;
use crate::embeddings::{Embeddings, is_finite, unit};
use crate::error::{Error, Result};
use crate::math::{dispatch, level};

/// Of a session so many items count, the last ones.
const LAST: usize = 5;
/// What an item counts in proportion to the one after it. With this, the last item and those before
/// it together foretell the next one best (`docs/design/0020-sessions.md`).
const DECAY: f32 = 0.4;
/// Floats that are added up side by side.
const LANES: usize = 16;
/// Questions are answered in turn: so many scores are kept, but those of one at least.
const SCORES: usize = 1 << 24;
/// Items that are scored in turn for all sessions of a batch: their rows stay in the cache.
const BLOCK: usize = 64;

/// By which vectors items are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Scoring {
    /// The product of the input vector of what was taken and the output vector of an item, which
    /// training made large where the item is near; and the same the other way round
    #[default]
    Symmetric,
    /// The product of the input vector of what was taken and the output vector of an item
    Output,
    /// The cosine of input vectors: what is alike, more than what comes next
    Input,
    /// The sum of both cosines: of input with output vectors, and of input vectors
    Both,
}

/// Whose next item is looked for.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    /// The items so far, by their ids, oldest first.
    pub items: &'a [u32],
    /// The vector of the user, where there is one.
    pub user: Option<&'a [f32]>,
    /// Items that are no answer.
    pub exclude: &'a [u32],
}

/// A model that is asked for next items.
#[derive(Debug)]
pub struct Recommender<'a> {
    model: &'a Embeddings,
    scoring: Scoring,
    input: Vec<f32>,
    output: Vec<f32>,
    width: usize,
    /// Whether the vectors of an item are finite.
    usable: Vec<bool>,
    /// Whether an item may be an answer.
    allowed: Option<Vec<bool>>,
}

impl<'a> Recommender<'a> {
    /// Looks among the items of a model.
    ///
    /// # Errors
    /// [`Error::Refused`] when the scores need output vectors, which the model has not kept.
    pub fn new(model: &'a Embeddings, scoring: Scoring) -> Result<Self> {
        let output = if scoring == Scoring::Input {
            &[][..]
        } else {
            model.output().ok_or_else(|| {
                Error::Refused(
                    "the model has no output vectors, as only .safetensors and .bin beside them \
                     keep them: `score` input does without"
                        .into(),
                )
            })?
        };
        let cosines = matches!(scoring, Scoring::Input | Scoring::Both);
        let dim = model.dim();
        let width = dim.next_multiple_of(LANES);
        let rows = |all: &[f32]| {
            let mut rows = vec![0.0; all.len() / dim.max(1) * width];
            let of = all.par_chunks_exact(dim.max(1)).zip(rows.par_chunks_exact_mut(width.max(1)));
            of.for_each(|(from, to)| {
                if cosines {
                    to[..dim].copy_from_slice(&unit(from));
                } else {
                    to[..dim].copy_from_slice(from);
                }
            });
            rows
        };
        let (input, output) = (rows(model.input()), rows(output));
        let finite = |all: &[f32], item: usize| {
            all.get(item * width..(item + 1) * width).is_none_or(is_finite)
        };
        let usable = |item| finite(&input, item) && finite(&output, item);
        let usable = (0..model.vocab.len()).map(usable).collect();
        Ok(Self { model, scoring, input, output, width, usable, allowed: None })
    }

    /// The same with answers among these items only.
    #[must_use]
    pub fn among(self, items: &[u32]) -> Self {
        let mut allowed = vec![false; self.model.vocab.len()];
        for &item in items {
            allowed[item as usize] = true;
        }
        Self { allowed: Some(allowed), ..self }
    }

    /// The scores of all items for each question. An item that is no answer has the score -∞.
    ///
    /// # Panics
    /// When an id is not below the number of items, or the vector of a user has another dimension.
    pub fn scores(&self, asked: &[Asked]) -> Vec<Vec<f32>> {
        let level = level(None).unwrap_or(fearless_simd::Level::baseline());
        asked
            .par_chunks(asked.len().div_ceil(4 * rayon::current_num_threads()).clamp(1, BLOCK))
            .flat_map_iter(|asked| dispatch!(level, _simd => self.score(asked)))
            .collect()
    }

    /// The `k` items with the highest scores for each question, best first; of equal ones the more
    /// frequent is first.
    ///
    /// # Panics
    /// As [`Recommender::scores`].
    pub fn best(&self, asked: &[Asked], k: usize) -> Vec<Vec<Neighbour>> {
        let batch = (SCORES / self.model.vocab.len().max(1)).max(1);
        let lists = asked.chunks(batch).flat_map(|asked| {
            self.scores(asked).into_par_iter().map(|scores| best(&scores, k)).collect::<Vec<_>>()
        });
        lists.collect()
    }

    #[inline(always)]
    fn score(&self, asked: &[Asked]) -> Vec<Vec<f32>> {
        let items = self.model.vocab.len();
        let weighed: Vec<[Vec<f32>; 2]> = asked.iter().map(|asked| self.weigh(asked)).collect();
        let mut scores = vec![vec![0.0; items]; asked.len()];
        for begin in (0..items).step_by(BLOCK) {
            let end = items.min(begin + BLOCK);
            for ([input, output], scores) in weighed.iter().zip(&mut scores) {
                for (item, score) in (begin..end).zip(&mut scores[begin..end]) {
                    let rows = item * self.width..(item + 1) * self.width;
                    let by_output = || dot(input, &self.output[rows.clone()]);
                    *score = match self.scoring {
                        Scoring::Output => by_output(),
                        Scoring::Input => dot(input, &self.input[rows]),
                        Scoring::Both => by_output() + dot(input, &self.input[rows]),
                        Scoring::Symmetric => by_output() + dot(output, &self.input[rows]),
                    };
                }
            }
        }
        for (asked, scores) in asked.iter().zip(&mut scores) {
            let allowed = |item: usize| self.allowed.as_ref().is_none_or(|allowed| allowed[item]);
            for (item, score) in scores.iter_mut().enumerate() {
                if !self.usable[item] || !allowed(item) {
                    *score = f32::NEG_INFINITY;
                }
            }
            asked.exclude.iter().for_each(|&item| scores[item as usize] = f32::NEG_INFINITY);
        }
        scores
    }

    /// What a question is multiplied with: the sum of the input vectors of its last items, and of
    /// their output vectors, each less than that of the item after it. A user counts as much as all
    /// items together.
    fn weigh(&self, asked: &Asked) -> [Vec<f32>; 2] {
        let (mut input, mut output) = (vec![0.0; self.width], vec![0.0; self.width]);
        let usable = asked.items.iter().rev().filter(|item| self.usable[**item as usize]);
        let last: Vec<u32> = usable.take(LAST).copied().collect();
        let weights: Vec<f32> = (0..last.len()).map(|age| DECAY.powi(age as i32)).collect();
        let all: f32 = weights.iter().sum();
        for (&item, weight) in last.iter().zip(weights) {
            let rows = item as usize * self.width..(item as usize + 1) * self.width;
            add(&mut input, weight / all, &self.input[rows.clone()]);
            if self.scoring == Scoring::Symmetric {
                add(&mut output, weight / all, &self.output[rows]);
            }
        }
        if let Some(user) = asked.user {
            assert_eq!(user.len(), self.model.dim());
            match self.scoring {
                Scoring::Input | Scoring::Both => add(&mut input, 1.0, &unit(user)),
                Scoring::Symmetric | Scoring::Output => add(&mut input, 1.0, user),
            }
        }
        [input, output]
    }
}

/// The `k` items with the highest scores, best first. Those that are no answer are left out.
pub(crate) fn best(scores: &[f32], k: usize) -> Vec<Neighbour> {
    let order = |&a: &u32, &b: &u32| -> Ordering {
        scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b))
    };
    let mut items: Vec<u32> = (0..scores.len() as u32)
        .filter(|&item| scores[item as usize] > f32::NEG_INFINITY)
        .collect();
    if k < items.len() {
        if k == 0 {
            return Vec::new();
        }
        items.select_nth_unstable_by(k - 1, order);
        items.truncate(k);
    }
    items.sort_unstable_by(order);
    items.into_iter().map(|id| Neighbour { id, score: scores[id as usize] }).collect()
}

fn add(to: &mut [f32], by: f32, row: &[f32]) {
    to.iter_mut().zip(row).for_each(|(to, x)| *to += by * x);
}

/// The product of two rows of whole lanes. It is the same at every level of vector instructions.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::{Provenance, cosine};
    use crate::random::{generator, normal};

    fn model(items: usize, dim: usize) -> Embeddings {
        let mut rng = generator(3);
        let mut rows = || (0..items * dim).map(|_| normal(&mut rng) as f32).collect::<Vec<_>>();
        let (input, output) = (rows(), rows());
        let names: Vec<String> = (0..items).map(|item| format!("i{item}")).collect();
        let vocab = Vocab::new(&names, vec![1; items]);
        Embeddings::new(vocab, dim, input.into(), Some(output.into()), Provenance::default())
    }

    #[test]
    fn scores_are_those_of_their_definitions() {
        let (items, dim) = (150, 21);
        let model = model(items, dim);
        let output = |item: usize| &model.output().unwrap()[item * dim..][..dim];
        let input = |item: usize| &model.input()[item * dim..][..dim];
        let product =
            |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum() };
        let history = [9, 4, 7, 3, 100, 20, 5];
        let taken = &history[2..];
        let weights: Vec<f64> = (0..5).map(|age| 0.4f64.powi(4 - age)).collect();
        let all: f64 = weights.iter().sum();
        let mean = |of: &dyn Fn(usize) -> f64| -> f64 {
            taken.iter().zip(&weights).map(|(&item, w)| w / all * of(item as usize)).sum()
        };
        let user: Vec<f32> = (0..dim).map(|i| (i as f32).sin()).collect();
        for scoring in [Scoring::Symmetric, Scoring::Output, Scoring::Input, Scoring::Both] {
            let by = Recommender::new(&model, scoring).unwrap();
            for user in [None, Some(&user[..])] {
                let asked = Asked { items: &history, user, exclude: &[5, 9] };
                let scores = &by.scores(&[Asked::default(), asked.clone()])[1];
                for item in 0..items {
                    if [5, 9].contains(&item) {
                        assert_eq!(scores[item], f32::NEG_INFINITY);
                        continue;
                    }
                    let near = |row: &[f32]| match scoring {
                        Scoring::Symmetric | Scoring::Output => product(row, output(item)),
                        Scoring::Input => cosine(row, input(item)),
                        Scoring::Both => cosine(row, input(item)) + cosine(row, output(item)),
                    };
                    let mut expected = mean(&|taken| near(input(taken)));
                    if scoring == Scoring::Symmetric {
                        expected += mean(&|taken| product(output(taken), input(item)));
                    }
                    expected += user.map_or(0.0, near);
                    assert!((expected - f64::from(scores[item])).abs() < 1e-4, "{scoring:?}");
                }
                let best = &by.best(&[asked], 7)[0];
                let mut order: Vec<f32> = scores.clone();
                order.sort_unstable_by(|a, b| b.total_cmp(a));
                assert_eq!(best.iter().map(|near| near.score).collect::<Vec<_>>(), order[..7]);
            }
        }
    }

    #[test]
    fn answers_are_among_what_is_allowed_and_finite() {
        let mut rows = vec![1.0; 8];
        rows[5] = f32::NAN;
        let vocab = Vocab::new(&["a", "b", "c", "d"], vec![]);
        let output = Some(vec![1.0; 8].into());
        let model = Embeddings::new(vocab, 2, rows.into(), output, Provenance::default());
        let by = Recommender::new(&model, Scoring::Output).unwrap().among(&[0, 2, 3]);
        let asked = Asked { items: &[2, 1], user: None, exclude: &[3] };
        let best = by.best(&[asked], 9);
        assert_eq!(best, [[Neighbour { id: 0, score: 2.0 }]]);
        let model = crate::query::tests::embeddings(&["a"], 1, vec![1.0]);
        assert!(Recommender::new(&model, Scoring::Both).is_err());
        assert!(Recommender::new(&model, Scoring::Input).is_ok());
    }
}
