//! The answers to many analogy questions at once.
//!
//! A set of questions is made of few words: the 19,544 questions of Google's set are made of 905.
//! The cosines of all these words with eight rows of the vocabulary are one small product of
//! matrices, which stays in the first-level cache. The score of a question for these rows is made
//! of three lines of this product. So a question costs a handful of instructions for eight
//! candidates, whatever the dimension of the vectors.

use std::ops::Range;

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, f32x8};
use rayon::prelude::*;

use crate::embeddings::Embeddings;
use crate::math::kernel;
use crate::math::unit::set_unit;
use crate::math::{Tile, dispatch};
use crate::query::EPSILON;
/// The number of rows that are scored at a time.
const ROWS: usize = 8;
/// The fewest rows for which starting a thread is worth while.
const PIECE_ROWS: usize = 2048;

/// The best answers to a question. An answer is `None` if every candidate is excluded or has no
/// score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnalogyAnswers {
    /// The answer by 3CosAdd.
    pub add: Option<u32>,
    /// The answer by 3CosMul.
    pub mul: Option<u32>,
    /// The nearest neighbour of the third word, whatever the first two are. The worth of the other
    /// answers shows only beside it (Linzen 2016, "Issues in evaluating semantic spaces using word
    /// analogies").
    pub nearest: Option<u32>,
}

/// Completes each of `questions`: `a` is to `b` as `c` is to what? An answer is one of the first
/// `candidates` words, except `a`, `b` and `c`. Of words with equal scores the first is taken. The
/// answers are the same for any number of threads. `more` holds the vectors, row by row, of words
/// in questions that the vocabulary does not have. Their ids follow its last.
///
/// # Panics
/// When an id is beyond the words and `more`.
pub fn analogies(
    e: &Embeddings,
    candidates: usize,
    more: &[f32],
    questions: &[[u32; 3]],
) -> Vec<AnalogyAnswers> {
    let rows = candidates.min(e.vocab.len());
    let mut words: Vec<u32> = questions.as_flattened().to_vec();
    words.sort_unstable();
    words.dedup();
    let level = Level::new();
    let mut units = Tile::new(words.len(), e.dim());
    for (i, &word) in words.iter().enumerate() {
        let vector = match (word as usize).checked_sub(e.vocab.len()) {
            Some(place) => more[place * e.dim()..][..e.dim()].into(),
            None => e.vector(word),
        };
        dispatch!(level, simd => set_unit(simd, &mut units, i, &vector));
    }
    let place = |word: u32| words.partition_point(|&w| w < word);
    let places: Vec<[u32; 3]> =
        questions.iter().map(|q| q.map(|word| place(word) as u32)).collect();

    let piece = rows.div_ceil(rayon::current_num_threads()).max(PIECE_ROWS).next_multiple_of(ROWS);
    let pieces: Vec<usize> = (0..rows).step_by(piece).collect();
    let found: Vec<Vec<Best>> = pieces
        .into_par_iter()
        .map(|row| {
            let rows = row..rows.min(row + piece);
            dispatch!(level, simd => scan(simd, e, rows, &units, questions, &places))
        })
        .collect();
    let best = |question: usize| {
        // Pieces come in the order of their rows, so a later one has to be better.
        found.iter().fold(Best::NONE, |best, piece| best.or(piece[question])).answers()
    };
    (0..questions.len()).into_par_iter().map(best).collect()
}

/// The best scores so far and their words, by 3CosAdd, by 3CosMul and by nearness to the third
/// word.
#[derive(Clone, Copy)]
struct Best {
    scores: [f32; 3],
    words: [u32; 3],
}

impl Best {
    const NONE: Self = Self { scores: [f32::NEG_INFINITY; 3], words: [u32::MAX; 3] };

    fn or(mut self, later: Self) -> Self {
        for i in 0..3 {
            if later.scores[i] > self.scores[i] {
                (self.scores[i], self.words[i]) = (later.scores[i], later.words[i]);
            }
        }
        self
    }

    fn answers(self) -> AnalogyAnswers {
        let [add, mul, nearest] = self.words.map(|word| (word != u32::MAX).then_some(word));
        AnalogyAnswers { add, mul, nearest }
    }

    /// Looks at the scores of [`ROWS`] words from `first` on. There may be fewer: the words end
    /// before `end`.
    #[cold]
    #[inline(never)]
    fn offer(&mut self, first: u32, end: u32, exclude: &[u32; 3], scores: [&[f32]; 3]) {
        for ((scores, best), best_word) in scores.iter().zip(&mut self.scores).zip(&mut self.words)
        {
            for (word, &score) in (first..end).zip(*scores) {
                // This comparison is false for a score that is not a number.
                if score > *best && !exclude.contains(&word) {
                    (*best, *best_word) = (score, word);
                }
            }
        }
    }
}

/// The best of `rows` for each question. `places` are the rows of `units` that hold the words of
/// the questions.
#[inline(always)]
fn scan<S: Simd>(
    simd: S,
    e: &Embeddings,
    rows: Range<usize>,
    units: &Tile,
    questions: &[[u32; 3]],
    places: &[[u32; 3]],
) -> Vec<Best> {
    let words: Vec<usize> = (0..units.rows()).map(|word| units.at(word)).collect();
    let mut block = Tile::new(ROWS, e.dim());
    let mut targets = [0; ROWS];
    for (i, target) in targets.iter_mut().enumerate() {
        *target = block.at(i);
    }
    let mut cosines = vec![0.0; words.len() * ROWS];
    let mut best = vec![Best::NONE; questions.len()];
    let (numbers, mut widened) = (e.matrices().0, vec![0.0; e.dim()]);
    let (one, more) = (f32x8::splat(simd, 1.0), f32x8::splat(simd, 1.0 + 2.0 * EPSILON));
    for first in rows.clone().step_by(ROWS) {
        let end = rows.end.min(first + ROWS);
        for row in first..end {
            let vector = numbers.part_in(row * e.dim()..(row + 1) * e.dim(), &mut widened);
            set_unit(simd, &mut block, row - first, vector);
        }
        kernel::dots::<S, ROWS>(simd, units, &words, &block, &targets, &mut cosines);
        let lines = cosines.as_chunks::<ROWS>().0;
        for ((best, &[a, b, c]), question) in best.iter_mut().zip(places).zip(questions) {
            let a: f32x8<S> = f32x8::from_slice(simd, &lines[a as usize]);
            let b: f32x8<S> = f32x8::from_slice(simd, &lines[b as usize]);
            let c: f32x8<S> = f32x8::from_slice(simd, &lines[c as usize]);
            let add = b - a + c;
            // This is twice the score by 3CosMul, whose cosines are moved to 0..1.
            let mul = (one + b) * (one + c) / (more + a);
            let better = add.simd_gt(f32x8::splat(simd, best.scores[0]))
                | mul.simd_gt(f32x8::splat(simd, best.scores[1]))
                | c.simd_gt(f32x8::splat(simd, best.scores[2]));
            if better.any_true() {
                let scores = [add.as_slice(), mul.as_slice(), c.as_slice()];
                best.offer(first as u32, end as u32, question, scores);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::search::tests::random;
    use crate::query::{Combine, Index, Query};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_searching_for_each(
            seed: u64, words in 3..200usize, dim in 1..40usize, among in 1..250usize,
            questions in prop::collection::vec(any::<[u32; 3]>(), 1..40),
        ) {
            let e = random(seed, words, dim);
            let questions: Vec<[u32; 3]> = questions.into_iter().map(|q| q.map(|id| id % words as u32)).collect();
            let answers = analogies(&e, among, &[], &questions);
            prop_assert_eq!(answers.len(), questions.len());
            for (&[a, b, c], found) in questions.iter().zip(answers) {
                let asked = [
                    (found.add, Query::analogy_ids(&e, [a, b, c], Combine::Add)),
                    (found.mul, Query::analogy_ids(&e, [a, b, c], Combine::Mul)),
                    (found.nearest, Query::new(&[e.vector(c)], &[], vec![a, b, c], Combine::Add)),
                ];
                for (found, query) in asked {
                    let all = &Index::new(&e).nearest_among(among, &[query], words)[0];
                    let Some(found) = found else { prop_assert!(all.is_empty()); continue };
                    let near = all.iter().find(|near| near.id == found).expect("a candidate");
                    // The score equals the best, but for rounding, and but for sums of which next
                    // to nothing is left.
                    let (best, score) = (all[0].score, near.score);
                    prop_assert!(score >= best - 1e-3 * best.abs().max(1e-2), "{score} {best}");
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let e = random(5, 3 * PIECE_ROWS + 13, 20);
        let questions: Vec<[u32; 3]> = (0..100).map(|i| [i, 7 * i, 31 * i]).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| analogies(&e, usize::MAX, &[], &questions))
        };
        assert_eq!(with(1), with(3));
        assert!(analogies(&e, usize::MAX, &[], &[]).is_empty());
        assert_eq!(analogies(&e, 0, &[], &questions)[0], AnalogyAnswers::default());
    }
}
