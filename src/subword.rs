//! Words as bags of character n-grams (Bojanowski, Grave, Joulin & Mikolov 2017, "Enriching Word
//! Vectors with Subword Information"), numbered as fastText numbers them. The vector of a word is
//! the mean of its own row and the rows of its n-grams. A word that was never seen still has
//! n-grams.
//!
//! This file is over 300 lines because a quarter of it is tests.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::corpus::Vocab;
use crate::memory::{Mapped, prefetch};

/// Which n-grams a word has, and how they are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subwords {
    /// Characters in the shortest n-grams.
    pub min_n: usize,
    /// Characters in the longest n-grams.
    pub max_n: usize,
    /// N-grams are hashed to this many buckets; n-grams in the same bucket share a vector.
    pub buckets: u32,
}

/// The most characters of an n-gram. The time for a word grows with it.
const MAX_LENGTH: usize = 100;

/// The bytes of a line of the caches.
const BYTES_OF_LINE: usize = 64;

/// fastText's mark for the end of a sentence, which has no n-grams.
const END_OF_SENTENCE: &[u8] = b"</s>";

impl Subwords {
    /// Checks that the longest n-grams are not so long that composing a word would take forever.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        if self.max_n > MAX_LENGTH {
            let most = self.max_n;
            return Err(format!("n-grams of {most} characters: at most {MAX_LENGTH} are possible"));
        }
        Ok(())
    }

    /// Calls `each` with the bucket of every n-gram of `<word>`, in the order of their first bytes,
    /// short ones first.
    ///
    /// The hash is 32-bit FNV-1a over sign-extended bytes, as in fastText, whose models depend on
    /// it. A character is a UTF-8 code point. A boundary mark alone is not an n-gram.
    pub fn each(&self, word: &[u8], mut each: impl FnMut(u32)) {
        if self.buckets == 0 || word == END_OF_SENTENCE {
            return;
        }
        let byte = |at: usize| match at {
            0 => b'<',
            at if at <= word.len() => word[at - 1],
            _ => b'>',
        };
        let (end, inside) = (word.len() + 2, |at: usize| byte(at) & 0xC0 == 0x80);
        for start in (0..end).filter(|&at| !inside(at)) {
            let (mut hash, mut at) = (2_166_136_261u32, start);
            for n in 1..=self.max_n {
                if at == end {
                    break;
                }
                loop {
                    hash = (hash ^ byte(at) as i8 as u32).wrapping_mul(16_777_619);
                    at += 1;
                    if at == end || !inside(at) {
                        break;
                    }
                }
                if n >= self.min_n && !(n == 1 && (start == 0 || at == end)) {
                    each(hash % self.buckets);
                }
            }
        }
    }
}

/// The bag of rows that stands for each word of a vocabulary during training. Its first row is the
/// word's own, whose index is the word's id. The rows of the word's n-grams follow. Only buckets
/// that some word reaches have a row.
pub(crate) struct Bags {
    /// The bags, one after the other.
    rows: Vec<u32>,
    /// Where each bag ends in `bags`.
    ends: Vec<u64>,
    /// The buckets that have a row, in ascending order. Their rows follow the words' own rows.
    pub buckets: Vec<u32>,
}

impl Bags {
    /// The bags of all words of `vocab`.
    pub(crate) fn new(vocab: &Vocab, subwords: &Subwords) -> Self {
        let words: Vec<Vec<u32>> = (0..vocab.len() as u32)
            .into_par_iter()
            .map(|word| {
                let mut buckets = Vec::new();
                subwords.each(vocab.word(word), |bucket| buckets.push(bucket));
                buckets
            })
            .collect();
        let mut buckets: Vec<u32> = words.iter().flatten().copied().collect();
        buckets.par_sort_unstable();
        buckets.dedup();
        let mut rows = Vec::with_capacity(words.iter().map(|word| word.len() + 1).sum());
        let mut ends = Vec::with_capacity(words.len());
        for (word, ngrams) in words.iter().enumerate() {
            rows.push(word as u32);
            let row = |bucket| (vocab.len() + buckets.partition_point(|b| b < bucket)) as u32;
            rows.extend(ngrams.iter().map(row));
            ends.push(rows.len() as u64);
        }
        Self { rows, ends, buckets }
    }

    /// The rows of `word`, at least one.
    #[inline(always)]
    pub(crate) fn of(&self, word: u32) -> &[u32] {
        let word = word as usize;
        let start = if word == 0 { 0 } else { self.ends[word - 1] };
        &self.rows[start as usize..self.ends[word] as usize]
    }

    /// The number of rows.
    pub(crate) fn total(&self) -> usize {
        self.ends.len() + self.buckets.len()
    }

    /// The sizes of all bags added up.
    pub(crate) fn uses(&self) -> usize {
        self.rows.len()
    }
}

/// Vectors of n-grams, from which a vector for any word can be composed.
#[derive(Clone, Debug)]
pub struct Ngrams {
    /// Which n-grams a word has.
    pub subwords: Subwords,
    /// The buckets that have a vector, in ascending order; `None` when all of them have one.
    pub buckets: Option<Mapped<u32>>,
    /// The vectors of these buckets, row by row, each `dim` floats: 32 bits, little-endian, at any
    /// alignment.
    pub rows: Mapped<u8>,
    /// Whether n-grams without a vector were pruned on purpose. They then don't count in a mean;
    /// otherwise they count as zeros.
    pub pruned: bool,
}

impl Ngrams {
    /// The bytes of the vector of `bucket`, where it has one.
    pub(crate) fn row(&self, bucket: u32, dim: usize) -> Option<&[u8]> {
        let row = match &self.buckets {
            None => bucket as usize,
            Some(buckets) => buckets.binary_search(&bucket).ok()?,
        };
        self.rows.get(row.checked_mul(4 * dim)?..)?.get(..4 * dim)
    }

    /// Only the buckets that the n-grams of some words fall into.
    pub(crate) fn of_words<'w>(&self, words: impl Iterator<Item = &'w [u8]>, dim: usize) -> Self {
        let mut reached = vec![false; self.subwords.buckets as usize];
        for word in words {
            self.subwords.each(word, |bucket| reached[bucket as usize] = true);
        }
        let kept: Vec<u32> = (0..self.subwords.buckets)
            .filter(|&bucket| reached[bucket as usize] && self.row(bucket, dim).is_some())
            .collect();
        let rows: Vec<u8> =
            kept.iter().filter_map(|&bucket| self.row(bucket, dim)).flatten().copied().collect();
        Self { buckets: Some(kept.into()), rows: rows.into(), ..self.clone() }
    }

    /// The same n-grams in fewer buckets, whose number divides that of the buckets that there are. The
    /// vector of a bucket is the mean of those that fall into it, weighted by the n-grams that the words
    /// have there.
    ///
    /// # Errors
    /// What is wrong with the number.
    pub(crate) fn folded<'w>(
        &self,
        buckets: u32,
        words: impl Iterator<Item = &'w [u8]>,
        dim: usize,
    ) -> std::result::Result<Self, String> {
        let all = self.subwords.buckets;
        if buckets == 0 || !all.is_multiple_of(buckets) {
            return Err(format!("{buckets} does not divide the {all} buckets that there are"));
        }
        let mut uses = vec![0u32; all as usize];
        for word in words {
            self.subwords.each(word, |bucket| uses[bucket as usize] += 1);
        }
        let mut sums = vec![0.0f32; buckets as usize * dim];
        let mut weights = vec![0.0f32; buckets as usize];
        let mut own = vec![0.0f32; dim];
        for (bucket, &uses) in (0..all).zip(&uses) {
            let Some(row) = self.row(bucket, dim) else { continue };
            // A bucket that no word reaches has a say where all are such.
            let (to, weight) = ((bucket % buckets) as usize, uses as f32 + 1e-3);
            own.fill(0.0);
            add_row(row, &mut own);
            for (sum, x) in sums[to * dim..][..dim].iter_mut().zip(&own) {
                *sum += weight * x;
            }
            weights[to] += weight;
        }
        let there: Vec<u32> =
            (0..buckets).filter(|&bucket| weights[bucket as usize] > 0.0).collect();
        let rows: Vec<u8> = there
            .iter()
            .flat_map(|&bucket| {
                let weight = weights[bucket as usize];
                sums[bucket as usize * dim..][..dim].iter().map(move |x| x / weight)
            })
            .flat_map(f32::to_le_bytes)
            .collect();
        let subwords = Subwords { buckets, ..self.subwords };
        Ok(Self { subwords, buckets: Some(there.into()), rows: rows.into(), pruned: self.pruned })
    }

    /// Adds the vectors of `word`'s n-grams to `sum`, whose length is the dimension. Returns how
    /// many n-grams count in a mean.
    pub fn add(&self, word: &[u8], sum: &mut [f32]) -> usize {
        let (mut counted, mut rows) = (0, Vec::with_capacity(32));
        self.subwords.each(word, |bucket| {
            let row = self.row(bucket, sum.len());
            counted += usize::from(row.is_some() || !self.pruned);
            // Rows lie anywhere in a large file, so all are asked for before the first is waited for.
            if let Some(row) = row {
                row.chunks(BYTES_OF_LINE).for_each(|line| prefetch(&line[0]));
                rows.push(row);
            }
        });
        for row in rows {
            add_row(row, sum);
        }
        counted
    }

    /// A vector of length `dim` for `word`, whether it was ever seen or not: the mean of the
    /// vectors of its n-grams. `None` when no n-gram has a vector other than zeros. fastText's
    /// files hold zeros for buckets that no word reached.
    pub fn compose(&self, word: &[u8], dim: usize) -> Option<Vec<f32>> {
        let mut sum = vec![0.0f32; dim];
        let counted = self.add(word, &mut sum);
        if sum.iter().all(|x| *x == 0.0) {
            return None;
        }
        scale(&mut sum, counted);
        Some(sum)
    }
}

/// Adds a row to `sum`. The row is given as the bytes of little-endian floats.
pub(crate) fn add_row(row: &[u8], sum: &mut [f32]) {
    for (sum, x) in sum.iter_mut().zip(row.as_chunks::<4>().0) {
        *sum += f32::from_le_bytes(*x);
    }
}

/// Turns a sum of `n` rows into their mean, rounded exactly as fastText rounds it.
pub(crate) fn scale(sum: &mut [f32], n: usize) {
    let share = 1.0 / n as f32;
    for x in sum {
        *x *= share;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn buckets(subwords: &Subwords, word: &str) -> Vec<u32> {
        let mut all = Vec::new();
        subwords.each(word.as_bytes(), |bucket| all.push(bucket));
        all
    }

    /// FNV-1a by its definition, with fastText's signed bytes.
    fn hash(text: &str) -> u32 {
        text.bytes().fold(2_166_136_261, |h, b| (h ^ (b as i8) as u32).wrapping_mul(16_777_619))
    }

    proptest! {
        #[test]
        fn ngrams_are_those_of_the_definition(word in "[a-zäßж語🦀<>]{0,9}", min_n in 1..5usize, more in 0..4usize) {
            let subwords = Subwords { min_n, max_n: min_n + more, buckets: 1009 };
            let marked: Vec<char> = format!("<{word}>").chars().collect();
            let mut expected = Vec::new();
            for start in 0..marked.len() {
                for n in min_n..=min_n + more {
                    let Some(ngram) = marked.get(start..start + n) else { continue };
                    if n > 1 || start > 0 && start + 1 < marked.len() {
                        expected.push(hash(&ngram.iter().collect::<String>()) % 1009);
                    }
                }
            }
            prop_assert_eq!(buckets(&subwords, &word), expected);
        }
    }

    #[test]
    fn the_end_of_a_sentence_has_no_ngrams_and_broken_text_does_no_harm() {
        let subwords = Subwords { min_n: 3, max_n: 6, buckets: 100 };
        assert!(buckets(&subwords, "</s>").is_empty());
        assert!(buckets(&Subwords { buckets: 0, ..subwords }, "word").is_empty());
        for broken in [&b"\x80\x80"[..], b"\xff", b"a\xc3", b""] {
            subwords.each(broken, |bucket| assert!(bucket < 100));
        }
    }

    #[test]
    fn words_share_the_rows_of_their_ngrams() {
        let vocab = Vocab::new(&["king", "kings", "a"], vec![3, 2, 1]);
        let subwords = Subwords { min_n: 3, max_n: 3, buckets: 1_000_000 };
        let rows = Bags::new(&vocab, &subwords);
        // <ki kin ing ng> - <ki kin ing ngs gs> - <a>
        assert_eq!(rows.buckets.len(), 4 + 2 + 1);
        assert_eq!(rows.total(), 3 + 7);
        assert_eq!((rows.of(0)[0], rows.of(1)[0], rows.of(2)[0]), (0, 1, 2));
        assert_eq!(rows.of(0)[1..4], rows.of(1)[1..4]);
        assert_eq!((rows.of(0).len(), rows.of(1).len(), rows.of(2).len()), (5, 6, 2));
        assert_eq!(rows.uses(), 13);
    }

    #[test]
    fn vectors_of_unseen_words_are_means_of_known_ngrams() {
        let subwords = Subwords { min_n: 3, max_n: 3, buckets: 1_000_000 };
        let (ki, kin) = (hash("<ki") % 1_000_000, hash("kin") % 1_000_000);
        let known = if ki < kin { [ki, kin] } else { [kin, ki] };
        let rows: Vec<u8> = [1.0f32, 2.0, 3.0, 6.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut ngrams =
            Ngrams { subwords, buckets: Some(known[..].into()), rows: rows.into(), pruned: false };
        // <ki kin in>: the last one is not known.
        let third = 1.0f32 / 3.0;
        let close = |a: Vec<f32>, b: [f32; 2]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(close(ngrams.compose(b"kin", 2).unwrap(), [4.0 * third, 8.0 * third]));
        assert_eq!(ngrams.compose(b"zebra", 2), None);
        ngrams.pruned = true;
        assert!(close(ngrams.compose(b"kin", 2).unwrap(), [2.0, 4.0]));
    }

    #[test]
    fn folded_buckets_are_weighted_means() {
        let subwords = Subwords { min_n: 3, max_n: 3, buckets: 6 };
        let rows: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let ngrams = Ngrams { subwords, buckets: None, rows: rows.into(), pruned: false };
        let words = ["king", "kings", "queen"];
        let mut uses = [0.0f32; 6];
        for word in words {
            subwords.each(word.as_bytes(), |bucket| uses[bucket as usize] += 1.0);
        }
        let folded = ngrams.folded(2, words.iter().map(|word| word.as_bytes()), 1).unwrap();
        for to in 0..2usize {
            let from = [to, to + 2, to + 4];
            let weight: f32 = from.iter().map(|&b| uses[b]).sum();
            let mean = from.iter().map(|&b| uses[b] * b as f32).sum::<f32>() / weight;
            let mut row = [0.0];
            add_row(folded.row(to as u32, 1).unwrap(), &mut row);
            assert!((row[0] - mean).abs() < 0.01, "{row:?} {mean}");
        }
        assert_eq!(folded.subwords.buckets, 2);
        assert!(ngrams.folded(4, std::iter::empty(), 1).unwrap_err().contains("does not divide"));
    }
}
