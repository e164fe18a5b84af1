//! How strongly words are associated with those that they occur with: measures of a count beside
//! what chance would give (Church & Hanks 1990; Dunning 1993; Bouma 2009; Evert 2005).
//!
//! With `c` for the count of a word and a context, `r` and `k` for all counts of the word and of
//! the context, and `n` for all counts, chance gives `e = r k / n`.

use std::borrow::Cow;

use rayon::prelude::*;

use super::{Count, CountRows, Counts};

/// A measure by which contexts are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Measure {
    /// How often they occur together
    Count,
    /// log2(c / e): largest for what occurs together alone, also by chance
    Pmi,
    /// PMI from -1 to 1, where 1 is for what never occurs apart
    Npmi,
    /// The log-likelihood ratio G2: how sure it is that they attract each other
    #[default]
    LogLikelihood,
    /// (c - e) / sqrt(c): how sure it is, for frequent ones
    T,
}

/// A context of a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Association {
    /// The id of the context.
    pub context: u32,
    /// How often they occur together, weighted by distance.
    pub count: f64,
    /// Pointwise mutual information, in bits.
    pub pmi: f64,
    /// The same, divided by `-log2(c / n)`.
    pub npmi: f64,
    /// The log-likelihood ratio; below 0 where they occur together less often than by chance.
    pub log_likelihood: f64,
    /// The t score.
    pub t: f64,
}

impl Association {
    /// A measure of it.
    pub fn by(&self, measure: Measure) -> f64 {
        match measure {
            Measure::Count => self.count,
            Measure::Pmi => self.pmi,
            Measure::Npmi => self.npmi,
            Measure::LogLikelihood => self.log_likelihood,
            Measure::T => self.t,
        }
    }
}

/// All counts of each word and of each context.
pub struct Margins {
    rows: Vec<f64>,
    columns: Vec<f64>,
    total: f64,
}

/// Rows whose sums are added up together.
const ROWS: u32 = 1 << 10;

impl Margins {
    /// Adds up all counts.
    pub fn of(counts: &Counts) -> Self {
        let words = counts.vocab.len();
        let empty = || (vec![0.0; words], vec![0.0; words]);
        let add =
            |(rows, columns): &mut (Vec<f64>, Vec<f64>), row: u32, column: u32, count: f64| {
                rows[row as usize] += count;
                columns[column as usize] += count;
            };
        // One part for each thread keeps the memory small; floats are added in a fixed order.
        let parts = rayon::current_num_threads().max(1);
        let sums: Vec<(Vec<f64>, Vec<f64>)> = (0..parts)
            .into_par_iter()
            .map(|part| {
                let mut sums = empty();
                match &counts.rows {
                    CountRows::Records(records) => {
                        let size = records.len().div_ceil(parts);
                        for record in records.iter().skip(part * size).take(size) {
                            add(&mut sums, record.row(), record.column(), record.count);
                        }
                    }
                    sorted @ CountRows::Sorted { .. } => {
                        let blocks = (0..words as u32).step_by(ROWS as usize);
                        for first in blocks.skip(part).step_by(parts) {
                            for row in first..(first + ROWS).min(words as u32) {
                                for count in sorted.of(row) {
                                    add(&mut sums, row, count.word, count.count.into());
                                }
                            }
                        }
                    }
                }
                sums
            })
            .collect();
        let (mut rows, mut columns) = empty();
        for (some_rows, some_columns) in sums {
            rows.iter_mut().zip(some_rows).for_each(|(all, some)| *all += some);
            columns.iter_mut().zip(some_columns).for_each(|(all, some)| *all += some);
        }
        let total = rows.iter().sum();
        Self { rows, columns, total }
    }

    /// The association of a word with a context.
    pub fn association(&self, word: u32, Count { word: context, count }: Count) -> Association {
        let (c, n) = (f64::from(count), self.total);
        let (r, k) = (self.rows[word as usize], self.columns[context as usize]);
        let expected = r * k / n;
        let pmi = (c / expected).log2();
        let certain = -(c / n).log2();
        // G2 is twice the sum of c ln(c / e) over the four cells of with and without.
        let cell = |observed: f64, expected: f64| {
            if observed > 0.0 && expected > 0.0 {
                observed * (observed / expected).ln()
            } else {
                0.0
            }
        };
        let cells = cell(c, expected)
            + cell(r - c, r - expected)
            + cell(k - c, k - expected)
            + cell(n - r - k + c, n - r - k + expected);
        let sign = if c < expected { -2.0 } else { 2.0 };
        Association {
            context,
            count: c,
            pmi,
            npmi: if certain > 0.0 { pmi / certain } else { 0.0 },
            log_likelihood: sign * cells.max(0.0),
            t: (c - expected) / c.sqrt(),
        }
    }

    /// The contexts of a word that occur with it `least` times at least, by a measure, the strongest
    /// first. Equal ones are in the order of their ids.
    pub fn contexts(
        &self,
        counts: &Counts,
        word: u32,
        least: f64,
        measure: Measure,
    ) -> Vec<Association> {
        let row = counts.contexts(word);
        let enough = row.iter().filter(|count| f64::from(count.count) >= least);
        let mut all: Vec<_> = enough.map(|&count| self.association(word, count)).collect();
        let by = |association: &Association| association.by(measure);
        let order = |a: &Association, b: &Association| by(b).total_cmp(&by(a));
        all.sort_by(|a, b| order(a, b).then(a.context.cmp(&b.context)));
        all
    }
}

impl Counts {
    /// The counts of a word, in the order of the contexts, whatever the order of the file.
    pub fn contexts(&self, word: u32) -> Cow<'_, [Count]> {
        let CountRows::Records(records) = &self.rows else { return self.row(word).into() };
        let mut row: Vec<Count> = records
            .par_iter()
            .filter(|record| record.row() == word)
            .map(|record| Count { word: record.column(), count: record.count() })
            .collect();
        row.sort_by_key(|count| count.word);
        row.dedup_by(|later, first| {
            let same = later.word == first.word;
            if same {
                first.count += later.count;
            }
            same
        });
        row.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cooccur::{CountsAbout, Record};
    use crate::corpus::Vocab;

    fn counts(sorted: bool) -> Counts {
        let table = [
            (0u32, 1u32, 10.0f32),
            (0, 2, 2.0),
            (1, 0, 10.0),
            (1, 2, 30.0),
            (2, 0, 2.0),
            (2, 1, 30.0),
        ];
        let vocab = Vocab::new(&["a", "b", "c"], vec![40, 30, 20]);
        let rows = if sorted {
            let entries = table.map(|(_, word, count)| Count { word, count }).to_vec();
            CountRows::Sorted { ends: vec![2, 4, 6].into(), entries: entries.into() }
        } else {
            let record = |(row, column, count): (u32, u32, f32)| Record {
                row: row as i32 + 1,
                column: column as i32 + 1,
                count: count.into(),
            };
            let mut records = table.map(record).to_vec();
            records.reverse();
            CountRows::Records(records.into())
        };
        Counts { vocab, about: CountsAbout::default(), rows }
    }

    #[test]
    fn measures_are_those_of_their_definitions() {
        for sorted in [true, false] {
            let counts = counts(sorted);
            let margins = Margins::of(&counts);
            assert_eq!(margins.rows, [12.0, 40.0, 32.0]);
            assert_eq!((&margins.columns, margins.total), (&margins.rows, 84.0));
            let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
            let all = margins.contexts(&counts, 0, 0.0, Measure::LogLikelihood);
            let (b, c) = (all[0], all[1]);
            assert_eq!((b.context, b.count, c.context, c.count), (1, 10.0, 2, 2.0));
            let expected = 12.0 * 40.0 / 84.0;
            near(b.pmi, (10.0f64 / expected).log2());
            near(b.npmi, b.pmi / -(10.0f64 / 84.0).log2());
            near(b.t, (10.0 - expected) / 10.0f64.sqrt());
            // The cells: 10, 2, 30, 42.
            let g = |o: f64, r: f64, k: f64| o * (o / (r * k / 84.0)).ln();
            let all_cells = g(10.0, 12.0, 40.0)
                + g(2.0, 12.0, 44.0)
                + g(30.0, 72.0, 40.0)
                + g(42.0, 72.0, 44.0);
            near(b.log_likelihood, 2.0 * all_cells);
            assert!(c.log_likelihood < 0.0 && c.pmi < 0.0 && c.t < 0.0);
            assert_eq!(margins.contexts(&counts, 0, 5.0, Measure::Pmi).len(), 1);
        }
    }
}
