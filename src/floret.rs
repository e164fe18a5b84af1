//! Words as bags of hashed n-grams, as floret and spaCy have them (Boyd & Warmerdam 2022, "floret:
//! lightweight, robust word vectors"): a table of few rows and no list of words. The vector of a word
//! is the mean of the rows of the whole word and of its n-grams, each of which has several rows.
//!
//! A model of any method gets such a table by least squares (Zhao, Mudgal & Liang 2018, "Generalizing
//! word embeddings using bag of subwords"): the rows are sought whose means are closest to the vectors
//! of its words. Each column is a system of its own with the same matrix, solved by conjugate
//! gradients, preconditioned by the diagonal.
//!
//! This file is over 300 lines because a third of it is tests.

use std::sync::atomic::Ordering;

use murmur3::murmur3_x64_128;
use rayon::prelude::*;

use crate::corpus::Vocab;
use crate::embeddings::{Embeddings, cosine};
use crate::error::{Error, Result};
use crate::progress::Progress;

/// How words are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// The rows of the table.
    pub rows: u32,
    /// The rows of an n-gram, from 1 to 4.
    pub hashes: usize,
    /// Characters in the shortest n-grams, at least 2.
    pub min_n: usize,
    /// Characters in the longest n-grams.
    pub max_n: usize,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { rows: 50_000, hashes: 2, min_n: 3, max_n: 5 }
    }
}

/// A table of rows, and what it is worth.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// How words are hashed.
    pub hashing: Hashing,
    /// The rows, of shape `[hashing.rows, dim]`.
    pub rows: Vec<f32>,
    /// The length of the vectors.
    pub dim: usize,
    /// The mean cosine between vectors by the table and those of the model, for all words.
    pub cosine: f64,
    /// The same for the 10,000 words that come first.
    pub frequent: f64,
}

/// The most rows of a table: there are some hundred thousand in use.
const MOST_ROWS: u32 = 10_000_000;
/// How many words are the frequent ones.
const FREQUENT: usize = 10_000;

/// Passes of conjugate gradients. More make words of the vocabulary a little closer, and unseen ones
/// worse.
const PASSES: usize = 20;
/// What rows of length 1 cost, where a word of mean weight with a vector off by 1 costs 1.
const RIDGE: f32 = 3e-3;
/// The weight of a word grows with this power of its count.
const POWER: f64 = 0.5;
/// Columns that are solved together.
const LANES: usize = 16;
/// Words, or rows, that a thread takes at a time.
const TOGETHER: usize = 1024;

/// A number for each of the columns that are solved together.
type Lanes = [f32; LANES];

/// The seed that floret's files name.
pub(crate) const SEED: u32 = 2_166_136_261;

impl Hashing {
    /// Calls `each` with every row of a word, in floret's order.
    pub fn each(&self, word: &[u8], mut each: impl FnMut(u32)) {
        let marked = [b"<", word, b">"].concat();
        let mut row = |text: &[u8]| {
            // To read from memory does not fail.
            let hash = murmur3_x64_128(&mut { text }, SEED).unwrap_or_default();
            let parts = (0..self.hashes).map(|part| (hash >> (32 * part)) as u32);
            parts.for_each(|part| each(part % self.rows));
        };
        row(&marked);
        let mut starts: Vec<usize> =
            (0..marked.len()).filter(|&at| marked[at] & 0xC0 != 0x80).collect();
        starts.push(marked.len());
        for n in self.min_n..=self.max_n {
            starts.windows(n + 1).for_each(|ngram| row(&marked[ngram[0]..ngram[n]]));
        }
    }
}

impl Fitted {
    /// Fits a table to the vectors of words. `progress.done` counts passes, of which there are
    /// [`Fitted::passes`].
    ///
    /// # Errors
    /// [`Error::Setting`] for a table without rows or with too many, and [`Error::Stopped`] when
    /// `progress` asks to stop.
    pub fn to(model: &Embeddings, hashing: Hashing, progress: &Progress) -> Result<Self> {
        if !(1..=MOST_ROWS).contains(&hashing.rows) {
            return Err(Error::setting("buckets", format!("must be from 1 to {MOST_ROWS}")));
        }
        let (words, dim) = (model.vocab.len(), model.dim());
        let system = System::new(&model.vocab, hashing);
        let mut rows = vec![0.0; hashing.rows as usize * dim];
        for first in (0..dim).step_by(LANES) {
            let width = LANES.min(dim - first);
            let mut targets = vec![[0.0; LANES]; words];
            targets.par_iter_mut().enumerate().for_each(|(word, target)| {
                let vector = model.vector(word as u32);
                target[..width].copy_from_slice(&vector[first..first + width]);
            });
            let solved = system.solve(&targets, progress)?;
            for (row, solved) in rows.chunks_exact_mut(dim).zip(&solved) {
                row[first..first + width].copy_from_slice(&solved[..width]);
            }
        }
        let mut fitted = Self { hashing, rows, dim, cosine: 0.0, frequent: 0.0 };
        let cosines: Vec<f64> = (0..words as u32)
            .into_par_iter()
            .map(|word| cosine(&fitted.vector(model.vocab.word(word)), &model.vector(word)))
            .collect();
        let mean = |cosines: &[f64]| cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
        fitted.cosine = mean(&cosines);
        fitted.frequent = mean(&cosines[..words.min(FREQUENT)]);
        Ok(fitted)
    }

    /// How many passes fitting takes.
    pub fn passes(dim: usize) -> u64 {
        (dim.div_ceil(LANES) * PASSES) as u64
    }

    /// What a user should know about it.
    pub fn told(&self) -> String {
        format!(
            "vectors of {} rows have a cosine of {:.3} with those of words, on average, and of {:.3} for \
             the {FREQUENT} most frequent ones",
            self.hashing.rows, self.cosine, self.frequent
        )
    }

    /// The vector of any word.
    pub fn vector(&self, word: &[u8]) -> Vec<f32> {
        let (mut sum, mut count) = (vec![0.0; self.dim], 0);
        self.hashing.each(word, |row| {
            let row = &self.rows[row as usize * self.dim..][..self.dim];
            for (sum, x) in sum.iter_mut().zip(row) {
                *sum += x;
            }
            count += 1;
        });
        for x in &mut sum {
            *x /= count as f32;
        }
        sum
    }
}

/// The equations of all words: a sparse matrix, of which each row has the same number for each row of
/// the table that its word has.
struct System {
    words: Lists,
    /// The words that have a row of the table.
    rows: Lists,
    /// What a word counts, divided by the number of its rows once.
    shares: Vec<f32>,
    /// The diagonal of the normal equations.
    diagonal: Vec<f32>,
}

/// Lists, one after the other.
struct Lists {
    items: Vec<u32>,
    ends: Vec<usize>,
}

impl Lists {
    fn of(&self, list: usize) -> &[u32] {
        let begin = if list == 0 { 0 } else { self.ends[list - 1] };
        &self.items[begin..self.ends[list]]
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// For each of `count` items, the lists that it is in.
    fn turned(&self, count: usize) -> Self {
        let mut ends = vec![0; count];
        for &item in &self.items {
            ends[item as usize] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            begin += std::mem::replace(end, begin);
        }
        let mut items = vec![0; self.items.len()];
        for list in 0..self.len() {
            for &item in self.of(list) {
                let at = &mut ends[item as usize];
                items[*at] = list as u32;
                *at += 1;
            }
        }
        Self { items, ends }
    }
}

impl System {
    fn new(vocab: &Vocab, hashing: Hashing) -> Self {
        let lists: Vec<Vec<u32>> = (0..vocab.len() as u32)
            .into_par_iter()
            .map(|word| {
                let mut rows = Vec::new();
                hashing.each(vocab.word(word), |row| rows.push(row));
                rows
            })
            .collect();
        let mut end = 0;
        let ends = lists.iter().map(|list| {
            end += list.len();
            end
        });
        let words = Lists { ends: ends.collect(), items: lists.concat() };
        let rows = words.turned(hashing.rows as usize);
        // Words without counts are taken to come by frequency, which falls as their ranks grow.
        let weight = |word: u32| match vocab.count(word) {
            Some(count) => (count.max(1) as f64).powf(POWER),
            None => f64::from(word + 1).powf(-POWER),
        };
        let all: f64 = (0..vocab.len() as u32).map(weight).sum();
        let mean = all / vocab.len().max(1) as f64;
        let shares: Vec<f32> = (0..vocab.len())
            .map(|word| (weight(word as u32) / mean) as f32 / words.of(word).len() as f32)
            .collect();
        // A word that has a row twice has twice the part in it, whose square counts.
        let square = |row: usize| {
            rows.of(row).chunk_by(|a, b| a == b).map(|same| {
                let times = same.len() as f32;
                times * times * shares[same[0] as usize] / words.of(same[0] as usize).len() as f32
            })
        };
        let diagonal = (0..rows.len()).map(|row| square(row).sum::<f32>() + RIDGE).collect();
        Self { words, rows, shares, diagonal }
    }

    /// The table for some columns of vectors, whose means are as close to the vectors as can be.
    fn solve(&self, targets: &[Lanes], progress: &Progress) -> Result<Vec<Lanes>> {
        let weighted = scaled(targets, &self.shares);
        let mut left = self.spread(&weighted);
        drop(weighted);
        let mut table = vec![[0.0; LANES]; self.rows.len()];
        let next = self.preconditioned(&left);
        let mut length = products(&left, &next);
        let mut direction = next;
        for _ in 0..PASSES {
            progress.check()?;
            let image = self.image(&direction);
            let along = products(&direction, &image);
            let step = quotients(&length, &along);
            add(&mut table, &step, &direction);
            add(&mut left, &step.map(|x| -x), &image);
            let next = self.preconditioned(&left);
            let shorter = products(&left, &next);
            let keep = quotients(&shorter, &length);
            direction.par_iter_mut().zip(&next).for_each(|(to, next)| {
                for lane in 0..LANES {
                    to[lane] = next[lane] + keep[lane] * to[lane];
                }
            });
            length = shorter;
            progress.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(table)
    }

    /// The normal equations' matrix times a table.
    fn image(&self, table: &[Lanes]) -> Vec<Lanes> {
        let mut means = sums(&self.words, table);
        means.par_iter_mut().enumerate().for_each(|(word, mean)| {
            let share = self.shares[word] / self.words.of(word).len() as f32;
            for x in mean {
                *x *= share;
            }
        });
        let mut image = self.spread(&means);
        image.par_iter_mut().zip(table).for_each(|(to, row)| {
            for lane in 0..LANES {
                to[lane] += RIDGE * row[lane];
            }
        });
        image
    }

    /// What words have, added up for each row.
    fn spread(&self, words: &[Lanes]) -> Vec<Lanes> {
        sums(&self.rows, words)
    }

    fn preconditioned(&self, left: &[Lanes]) -> Vec<Lanes> {
        let inverse: Vec<f32> = self.diagonal.par_iter().map(|x| 1.0 / x).collect();
        scaled(left, &inverse)
    }
}

/// For each list, the sum of the rows in it.
fn sums(lists: &Lists, rows: &[Lanes]) -> Vec<Lanes> {
    let sum = |list: usize| {
        let mut sum = [0.0; LANES];
        for &item in lists.of(list) {
            let row = &rows[item as usize];
            for lane in 0..LANES {
                sum[lane] += row[lane];
            }
        }
        sum
    };
    (0..lists.len()).into_par_iter().with_min_len(TOGETHER).map(sum).collect()
}

/// Rows, each multiplied with its own number.
fn scaled(rows: &[Lanes], by: &[f32]) -> Vec<Lanes> {
    let rows = rows.par_iter().zip(by).with_min_len(TOGETHER);
    rows.map(|(row, by)| row.map(|x| by * x)).collect()
}

/// Adds rows times a number for each column.
fn add(to: &mut [Lanes], step: &Lanes, rows: &[Lanes]) {
    to.par_iter_mut().zip(rows).with_min_len(TOGETHER).for_each(|(to, row)| {
        for lane in 0..LANES {
            to[lane] += step[lane] * row[lane];
        }
    });
}

/// The inner product of each column of two tables, the same with any number of threads.
fn products(a: &[Lanes], b: &[Lanes]) -> Lanes {
    let part = |(a, b): (&[Lanes], &[Lanes])| {
        let mut sum = [0.0f64; LANES];
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                sum[lane] += f64::from(a[lane] * b[lane]);
            }
        }
        sum
    };
    let parts: Vec<[f64; LANES]> =
        a.par_chunks(TOGETHER).zip(b.par_chunks(TOGETHER)).map(part).collect();
    std::array::from_fn(|lane| parts.iter().map(|part| part[lane]).sum::<f64>() as f32)
}

/// The quotients of two numbers of each column; 0 for a column that is solved.
fn quotients(a: &Lanes, b: &Lanes) -> Lanes {
    std::array::from_fn(|lane| if b[lane] > 0.0 { a[lane] / b[lane] } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embeddings::Provenance;

    #[test]
    fn rows_are_those_of_spacy() {
        // By `Vectors` of spaCy 3.8.
        let hashing = Hashing { rows: 1000, hashes: 2, min_n: 2, max_n: 5 };
        for (word, expected) in [
            (
                "hello",
                vec![
                    124, 558, 596, 117, 347, 999, 907, 91, 745, 786, 9, 110, 277, 168, 776, 176,
                    994, 517, 475, 478, 584, 750, 541, 94, 295, 226, 689, 81, 244, 730, 857, 174,
                    914, 999, 777, 999, 264, 308,
                ],
            ),
            (
                "naïve",
                vec![
                    629, 648, 792, 177, 146, 686, 346, 678, 132, 520, 867, 906, 194, 154, 228, 624,
                    954, 780, 343, 266, 162, 529, 844, 941, 991, 328, 829, 11, 787, 529, 50, 305,
                    767, 549, 316, 711, 396, 536,
                ],
            ),
            ("a", vec![305, 722, 105, 384, 281, 878, 305, 722]),
        ] {
            let mut rows = Vec::new();
            hashing.each(word.as_bytes(), |row| rows.push(row));
            assert_eq!(rows, expected, "{word}");
        }
    }

    fn model(words: usize, dim: usize) -> Embeddings {
        let names: Vec<String> = (0..words).map(|n| format!("w{}x{}", n % 7, n / 7)).collect();
        let counts = (0..words as u64).map(|n| 1000 / (n + 1) + 1).collect();
        let rows: Vec<f32> = (0..words * dim).map(|n| ((n * n) as f32 * 0.37).sin()).collect();
        let vocab = Vocab::new(&names, counts);
        Embeddings::new(vocab, dim, rows.into(), None, Provenance::default())
    }

    #[test]
    fn where_rows_suffice_vectors_are_kept() {
        let model = model(50, 20);
        let hashing = Hashing { rows: 5000, ..Hashing::default() };
        let fitted = Fitted::to(&model, hashing, &Progress::default()).unwrap();
        assert!(fitted.cosine > 0.99, "{fitted:?}");
    }

    #[test]
    fn the_table_solves_the_normal_equations() {
        // Few rows for many words: the gradient of the loss vanishes at the solution, which is
        // checked with dense matrices in double precision.
        let (model, dim) = (model(60, 3), 3);
        let hashing = Hashing { rows: 12, hashes: 2, min_n: 2, max_n: 3 };
        let fitted = Fitted::to(&model, hashing, &Progress::default()).unwrap();
        let counts: Vec<f64> =
            (0..60).map(|word| (model.vocab.count(word).unwrap() as f64).sqrt()).collect();
        let mean = counts.iter().sum::<f64>() / 60.0;
        for column in 0..dim {
            let mut gradient = [0.0f64; 12];
            for row in 0..12 {
                gradient[row] = f64::from(RIDGE * fitted.rows[row * dim + column]);
            }
            for word in 0..60u32 {
                let mut part = [0.0f64; 12];
                let mut count = 0.0;
                hashing.each(model.vocab.word(word), |row| {
                    part[row as usize] += 1.0;
                    count += 1.0;
                });
                let got: f64 = (0..12)
                    .map(|r| part[r] / count * f64::from(fitted.rows[r * dim + column]))
                    .sum();
                let off = got - f64::from(model.vector(word)[column]);
                for row in 0..12 {
                    gradient[row] += counts[word as usize] / mean * off * part[row] / count;
                }
            }
            assert!(gradient.iter().all(|x| x.abs() < 1e-3), "{gradient:?}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing_and_fitting_stops() {
        let model = model(3000, 17);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let hashing = Hashing { rows: 500, ..Hashing::default() };
            pool.install(|| Fitted::to(&model, hashing, &Progress::default()).unwrap().rows)
        };
        assert_eq!(with(1), with(3));
        assert!(Fitted::to(&model, Hashing::default(), &Progress::stopped()).is_err());
    }
}
