//! Where rows of counts come from: windows of a text, or a file of counts.
//!
//! Rows are counted one at a time (Gustavson's sparse accumulator). The positions of all words are
//! sorted by word once; then for each word the windows around its positions are added up in a dense
//! array of `f64`, which is emptied into the row. Nothing is hashed, sorted or merged, and rows
//! come out with their columns in order. Each sum is taken in the order of the text, so the counts
//! do not depend on the number of threads.
//!
//! This file is over 300 lines because almost a third of it is its test against the definition of
//! the counts.

use std::ops::Range;
use std::sync::atomic::Ordering;

use rayon::prelude::*;

use super::{Count, CountRows, Counts, REACH, Windows};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::memory::prefetch;
use crate::progress::Progress;
/// The number of columns whose sums share a cache line. One mark tells whether any of these sums
/// was touched.
const GROUP: usize = 8;
/// The text around a position is prefetched this many positions ahead.
const AHEAD: usize = 12;
/// The number of pairs is estimated from about this many rows.
const SAMPLE: usize = 1024;

/// Where rows come from: windows of a text, or a file of counts.
pub struct Source<'a> {
    from: From<'a>,
    /// For each word, the number of items that its row is made from: occurrences in the text, or
    /// counts in the file.
    sizes: Vec<u64>,
}

enum From<'a> {
    Text { corpus: &'a Corpus, left: usize, right: usize, weights: Vec<f64> },
    File(&'a Counts),
}

impl<'a> Source<'a> {
    /// Rows to be counted in `corpus`.
    ///
    /// # Errors
    /// A damaged corpus, or impossible windows.
    pub fn text(corpus: &'a Corpus, windows: &Windows) -> Result<Self> {
        windows.check()?;
        let (tokens, words) = (corpus.tokens(), corpus.vocab.len());
        let share = tokens.len().div_ceil(rayon::current_num_threads()).max(1);
        let occurrences = |tokens: &[u32]| {
            let mut sizes = vec![0u64; words];
            let known = tokens
                .iter()
                .all(|&token| sizes.get_mut(token as usize).map(|n| *n += 1).is_some());
            known.then_some(sizes)
        };
        let sum = |a: Option<Vec<u64>>, b: Option<Vec<u64>>| {
            Some(a?.iter().zip(b?).map(|(a, b)| a + b).collect::<Vec<_>>())
        };
        let sizes = tokens.par_chunks(share).map(occurrences).reduce(|| Some(vec![0; words]), sum);
        let damaged = || corpus.damaged(0);
        let left = if windows.asymmetric { 0 } else { windows.window };
        let from = From::Text { corpus, left, right: windows.window, weights: windows.weights() };
        Ok(Self { from, sizes: sizes.ok_or_else(damaged)? })
    }

    /// Rows that are read from a file.
    pub fn file(counts: &'a Counts) -> Self {
        let mut sizes = vec![0; counts.vocab.len()];
        match &counts.rows {
            CountRows::Sorted { .. } => {
                (0..)
                    .zip(&mut sizes)
                    .for_each(|(word, size)| *size = counts.rows.of(word).len() as u64);
            }
            CountRows::Records(records) => {
                records.iter().for_each(|record| sizes[record.row() as usize] += 1);
            }
        }
        Self { from: From::File(counts), sizes }
    }

    /// The number of words, which is also the number of rows and of columns.
    pub(crate) fn words(&self) -> usize {
        self.sizes.len()
    }

    /// The value that [`Progress::done`] reaches.
    pub fn size(&self) -> u64 {
        self.sizes.iter().sum()
    }

    /// How many of `memory` bytes the threads' scratch space leaves.
    pub(crate) fn room(&self, memory: u64) -> u64 {
        let scratch =
            self.words() * (size_of::<f64>() + size_of::<Count>() + size_of::<usize>() + 1);
        memory.saturating_sub((scratch * rayon::current_num_threads()) as u64)
    }

    /// An upper bound for the number of counts in the rows of `words`.
    fn bound(&self, words: &[u32]) -> u64 {
        let reach = match self.from {
            From::Text { left, right, .. } => left + right,
            From::File(_) => 1,
        };
        words
            .iter()
            .map(|&word| (self.sizes[word as usize] * reach as u64).min(self.words() as u64))
            .sum()
    }

    /// An estimate of the number of counts: that of a sample of rows, scaled up.
    pub fn estimate(&self) -> u64 {
        let step = (self.words() / SAMPLE).max(1);
        let sample: Vec<u32> =
            (step / 2..self.words()).step_by(step).map(|word| word as u32).collect();
        let gathered = self.gather(&sample);
        let count = |accumulator: &mut Accumulator, at: usize| {
            RowsOf { gathered: &gathered, first: 0, accumulator }.row(at).len() as u64
        };
        let counts: u64 =
            (0..sample.len()).into_par_iter().map_init(|| Accumulator::new(self), count).sum();
        (counts as f64 * self.words() as f64 / sample.len().max(1) as f64) as u64
    }

    /// Counts the rows of all words of `pieces` on the threads of the current rayon pool. `make`
    /// turns the rows of a piece into a result, on several threads. `take` is given these results
    /// one by one, in the order of the pieces. Positions take up to `memory` bytes, and so do rows
    /// that wait for their turn; a single piece may take more.
    ///
    /// # Errors
    /// What `take` returns, or [`Error::Stopped`].
    pub(crate) fn each<T: Send>(
        &self,
        pieces: &[Vec<u32>],
        memory: u64,
        progress: &Progress,
        make: impl Fn(&mut RowsOf<'_>, &[u32]) -> T + Sync,
        mut take: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let size =
            |piece: &Vec<u32>| piece.iter().map(|&word| self.sizes[word as usize]).sum::<u64>();
        for pieces in runs(pieces, memory / size_of::<u64>() as u64, size) {
            let gathered = self.gather(&pieces.concat());
            let mut first = 0;
            for pieces in
                runs(pieces, memory / size_of::<Count>() as u64, |piece| self.bound(piece))
            {
                let mut begun = Vec::with_capacity(pieces.len());
                for piece in pieces {
                    begun.push((first, piece));
                    first += piece.len();
                }
                let made = begun.into_par_iter().map_init(
                    || Accumulator::new(self),
                    |accumulator, (first, piece)| {
                        if progress.stop.load(Ordering::Relaxed) {
                            return None;
                        }
                        let mut rows = RowsOf { gathered: &gathered, first, accumulator };
                        let made = make(&mut rows, piece);
                        progress.done.fetch_add(size(piece), Ordering::Relaxed);
                        Some(made)
                    },
                );
                for made in made.collect::<Vec<_>>() {
                    take(made.ok_or(Error::Stopped)?)?;
                }
            }
        }
        Ok(())
    }

    /// Gathers the items that the rows of `words` are made from, word by word.
    fn gather(&self, words: &[u32]) -> Gathered<'_> {
        let mut ends = Vec::with_capacity(words.len());
        let mut end = 0;
        for &word in words {
            end += self.sizes[word as usize] as usize;
            ends.push(end);
        }
        if let From::File(Counts { rows: CountRows::Sorted { .. }, .. }) = self.from {
            return Gathered { source: self, words: words.to_vec(), ends, items: Vec::new() };
        }
        let mut items = vec![0; end];
        // Each thread goes through everything and picks the items of its words. Words are shared
        // out so that every thread picks about as many items.
        let threads = rayon::current_num_threads();
        let (mut shares, mut rest, mut begun, mut done) = (Vec::new(), &mut items[..], 0, 0);
        for thread in 1..=threads {
            let until = ends.partition_point(|&e| e < end * thread / threads).max(begun);
            let until = if thread == threads { words.len() } else { until };
            let upto = if until == 0 { 0 } else { ends[until - 1] };
            let (share, after) = std::mem::take(&mut rest).split_at_mut(upto - done);
            shares.push((&words[begun..until], share));
            (rest, begun, done) = (after, until, upto);
        }
        shares.into_par_iter().for_each(|(words, items)| self.pick(words, items));
        Gathered { source: self, words: words.to_vec(), ends, items }
    }

    /// Fills `items` with the items of the rows of `words`: packed positions, or columns and
    /// counts.
    fn pick(&self, words: &[u32], items: &mut [u64]) {
        let mut next = vec![usize::MAX; self.words()];
        let mut at = 0;
        for &word in words {
            next[word as usize] = at;
            at += self.sizes[word as usize] as usize;
        }
        let mut put = |word: u32, item: u64| {
            let next = &mut next[word as usize];
            if *next != usize::MAX {
                items[*next] = item;
                *next += 1;
            }
        };
        match &self.from {
            From::Text { corpus, left, right, .. } => {
                let tokens = corpus.tokens();
                for sentence in corpus.sentences(0..tokens.len()) {
                    for at in sentence.clone() {
                        let reach = (at - sentence.start).min(*left) << REACH
                            | (sentence.end - 1 - at).min(*right);
                        put(tokens[at], (at as u64) << (2 * REACH) | reach as u64);
                    }
                }
            }
            From::File(Counts { rows: CountRows::Records(records), .. }) => {
                for record in records.iter() {
                    put(
                        record.row(),
                        u64::from(record.column()) << 32 | u64::from(record.count().to_bits()),
                    );
                }
            }
            From::File(_) => {}
        }
    }
}

/// The longest runs of `pieces` whose sizes add up to at most `limit`, each of at least one piece.
fn runs<P>(pieces: &[P], limit: u64, size: impl Fn(&P) -> u64) -> impl Iterator<Item = &[P]> {
    let mut rest = pieces;
    std::iter::from_fn(move || {
        let mut sum = 0;
        let fits = rest.iter().take_while(|piece| {
            sum += size(piece);
            sum <= limit
        });
        let (run, after) = rest.split_at(fits.count().max(1).min(rest.len()));
        rest = after;
        (!run.is_empty()).then_some(run)
    })
}

/// The items that the rows of some words are made from.
struct Gathered<'a> {
    source: &'a Source<'a>,
    words: Vec<u32>,
    ends: Vec<usize>,
    items: Vec<u64>,
}

/// The rows of a piece.
pub(crate) struct RowsOf<'a> {
    gathered: &'a Gathered<'a>,
    /// Where the piece begins among the gathered words.
    first: usize,
    accumulator: &'a mut Accumulator,
}

impl RowsOf<'_> {
    /// Row `at` of the piece, by ascending columns.
    pub(crate) fn row(&mut self, at: usize) -> &[Count] {
        let Gathered { source, words, ends, items } = self.gathered;
        let at = self.first + at;
        let range = if at == 0 { 0 } else { ends[at - 1] }..ends[at];
        let items = |range: Range<usize>| &items[range];
        match &source.from {
            From::Text { corpus, weights, .. } => {
                self.accumulator.windows(corpus.tokens(), weights, items(range));
            }
            From::File(Counts { rows: rows @ CountRows::Sorted { .. }, .. }) => {
                return rows.of(words[at]);
            }
            From::File(_) => self.accumulator.counts(items(range)),
        }
        self.accumulator.take()
    }
}

/// One thread's dense row.
struct Accumulator {
    sums: Vec<f64>,
    /// Whether any of the sums of a group was touched.
    touched: Vec<u8>,
    row: Vec<Count>,
}

impl Accumulator {
    fn new(source: &Source) -> Self {
        let groups = source.words().div_ceil(GROUP);
        let sums = vec![0.0; groups * GROUP];
        Self {
            row: vec![Count { word: 0, count: 0.0 }; sums.len()],
            sums,
            touched: vec![0; groups],
        }
    }

    #[inline(always)]
    fn add(&mut self, word: u32, weight: f64) {
        self.sums[word as usize] += weight;
        self.touched[word as usize / GROUP] = 1;
    }

    /// Adds up windows: `items` are positions in `tokens`, with their reach.
    fn windows(&mut self, tokens: &[u32], weights: &[f64], items: &[u64]) {
        let mask = (1 << REACH) - 1;
        for (i, item) in items.iter().enumerate() {
            if let Some(ahead) = items.get(i + AHEAD) {
                let at = (ahead >> (2 * REACH)) as usize;
                prefetch(&tokens[at.saturating_sub(weights.len())]);
                prefetch(&tokens[at]);
                prefetch(&tokens[(at + weights.len()).min(tokens.len() - 1)]);
            }
            let (at, reach) = ((item >> (2 * REACH)) as usize, *item as usize);
            let (left, right) = (reach >> REACH & mask, reach & mask);
            for (&word, &weight) in tokens[at - left..at].iter().rev().zip(weights) {
                self.add(word, weight);
            }
            for (&word, &weight) in tokens[at + 1..][..right].iter().zip(weights) {
                self.add(word, weight);
            }
        }
    }

    /// Adds up counts: `items` are columns and counts.
    fn counts(&mut self, items: &[u64]) {
        for item in items {
            self.add((item >> 32) as u32, f64::from(f32::from_bits(*item as u32)));
        }
    }

    /// The sums other than zero, by ascending columns. Afterwards all sums are zero again.
    fn take(&mut self) -> &[Count] {
        let mut length = 0;
        for (eight, marks) in self.touched.chunks_mut(8).enumerate() {
            if marks.iter().all(|&mark| mark == 0) {
                continue;
            }
            for (group, mark) in marks.iter_mut().enumerate() {
                if *mark == 0 {
                    continue;
                }
                *mark = 0;
                let first = (eight * 8 + group) * GROUP;
                for (i, sum) in self.sums[first..first + GROUP].iter_mut().enumerate() {
                    // The count is written in any case, and kept if it is not zero. This is cheaper
                    // than a branch that can't be predicted.
                    self.row[length] = Count { word: (first + i) as u32, count: *sum as f32 };
                    length += usize::from(*sum != 0.0);
                    *sum = 0.0;
                }
            }
        }
        &self.row[..length]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::cooccur::{MAX_WINDOW, Weight};
    use crate::corpus::{CorpusWriter, Facts, Vocab};

    /// A corpus of words `w0`, `w1`, … in these sentences.
    pub(crate) fn corpus(folder: &Path, words: u32, sentences: &[Vec<u32>]) -> Corpus {
        let mut writer = CorpusWriter::new(&folder.join("corpus")).unwrap();
        for sentence in sentences {
            writer.tokens(sentence).unwrap();
            writer.end_sentence();
        }
        let names: Vec<String> = (0..words).map(|id| format!("w{id}")).collect();
        writer.finish(&Vocab::new(&names, vec![1; words as usize]), Facts::default()).unwrap()
    }

    /// Counts by definition: every pair of positions of every sentence.
    pub(crate) fn naive(windows: &Windows, sentences: &[Vec<u32>]) -> BTreeMap<(u32, u32), f64> {
        let mut counts = BTreeMap::new();
        let n = windows.window as f64;
        for sentence in sentences {
            for (i, &row) in sentence.iter().enumerate() {
                for (j, &column) in sentence.iter().enumerate() {
                    let d = i.abs_diff(j) as f64;
                    if i == j || d > n || windows.asymmetric && j < i {
                        continue;
                    }
                    *counts.entry((row, column)).or_default() += match windows.context_weight {
                        Weight::Harmonic => 1.0 / d,
                        Weight::Linear => (n - d + 1.0) / n,
                        Weight::Flat => 1.0,
                    };
                }
            }
        }
        counts
    }

    /// All rows of `source`, counted by `threads` threads in pieces of `piece` words.
    fn rows(source: &Source, threads: usize, piece: usize, memory: u64) -> Vec<(u32, u32, f32)> {
        let words: Vec<u32> = (0..source.words() as u32).collect();
        let pieces: Vec<Vec<u32>> = words.chunks(piece).map(<[u32]>::to_vec).collect();
        let make = |rows: &mut RowsOf, piece: &[u32]| {
            let row = |(at, &word): (usize, &u32)| {
                rows.row(at).iter().map(|entry| (word, entry.word, entry.count)).collect::<Vec<_>>()
            };
            piece.iter().enumerate().flat_map(row).collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let progress = Progress::default();
        pool.install(|| {
            source.each(&pieces, memory, &progress, make, |piece| {
                all.extend(piece);
                Ok(())
            })
        })
        .unwrap();
        assert_eq!(progress.done.into_inner(), source.size());
        all
    }

    pub(crate) fn sentences() -> impl Strategy<Value = Vec<Vec<u32>>> {
        prop::collection::vec(prop::collection::vec(0..20u32, 0..30), 1..8)
    }

    pub(crate) fn windows() -> impl Strategy<Value = Windows> {
        let weight = prop::sample::select(vec![Weight::Harmonic, Weight::Linear, Weight::Flat]);
        (1..12usize, any::<bool>(), weight).prop_map(|(window, asymmetric, context_weight)| {
            Windows { window, asymmetric, context_weight }
        })
    }

    proptest! {
        #[test]
        fn counts_are_those_of_the_definition(sentences in sentences(), windows in windows(), piece in 1..25usize) {
            let folder = tempfile::tempdir().unwrap();
            let corpus = corpus(folder.path(), 20, &sentences);
            let source = Source::text(&corpus, &windows).unwrap();
            let expected = naive(&windows, &sentences);
            let found = rows(&source, 2, piece, 1 << 20);
            prop_assert_eq!(
                found.iter().map(|&(row, column, _)| (row, column)).collect::<Vec<_>>(),
                expected.keys().copied().collect::<Vec<_>>(),
            );
            for (&(_, _, count), &exact) in found.iter().zip(expected.values()) {
                prop_assert!((f64::from(count) - exact).abs() <= exact * 2f64.powi(-23));
            }
            prop_assert_eq!(source.estimate(), expected.len() as u64, "few words are all looked at");
            for (threads, memory) in [(1, 0), (2, 100), (3, 1000), (4, u64::MAX)] {
                prop_assert_eq!(&rows(&source, threads, piece, memory), &found);
            }
        }
    }

    #[test]
    fn windows_end_with_sentences() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = corpus(folder.path(), 3, &[vec![0, 1], vec![2], vec![2, 0]]);
        let source = Source::text(&corpus, &Windows::default()).unwrap();
        assert_eq!(rows(&source, 1, 3, 1000), [(0, 1, 1.0), (0, 2, 1.0), (1, 0, 1.0), (2, 0, 1.0)]);
    }

    #[test]
    fn a_million_harmonic_weights_are_added_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let sentence: Vec<u32> = (0..300_001).map(|i| i % 3).collect();
        let corpus = corpus(folder.path(), 3, std::slice::from_ref(&sentence));
        let windows = Windows::default();
        let found = rows(&Source::text(&corpus, &windows).unwrap(), 2, 1, 1 << 30);
        let mut expected = BTreeMap::new();
        for i in 0..sentence.len() {
            for d in 1..=15.min(i) {
                *expected.entry((sentence[i], sentence[i - d])).or_insert(0.0) += 1.0 / d as f64;
                *expected.entry((sentence[i - d], sentence[i])).or_insert(0.0) += 1.0 / d as f64;
            }
        }
        for ((row, column, count), (key, exact)) in found.into_iter().zip(expected) {
            assert_eq!((row, column), key);
            assert!(
                (f64::from(count) - exact).abs() <= exact * 2f64.powi(-24) * 1.000_001,
                "{count} {exact}"
            );
        }
    }

    #[test]
    fn impossible_windows_and_damaged_corpora_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = corpus(folder.path(), 2, &[vec![0, 1, 7]]);
        assert!(Source::text(&corpus, &Windows::default()).is_err(), "word 7 of 2");
        for window in [0, MAX_WINDOW] {
            let windows = Windows { window, ..Windows::default() };
            assert!(windows.check().unwrap_err().to_string().contains("window"));
        }
    }

    #[test]
    fn a_stop_is_obeyed() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = corpus(folder.path(), 2, &[vec![0, 1]]);
        let source = Source::text(&corpus, &Windows::default()).unwrap();
        let progress = Progress::stopped();
        let stopped = source.each(&[vec![0, 1]], 1000, &progress, |_, _| (), |()| Ok(()));
        assert!(matches!(stopped, Err(Error::Stopped)));
    }
}
