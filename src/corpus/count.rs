//! Counting words.

use std::hash::BuildHasher;

use hashbrown::hash_table::{Entry, HashTable};

use super::Vocab;
use crate::error::{Error, Result};

/// Counts words and gives each a provisional id, in the order in which words first occur.
#[derive(Default)]
pub(crate) struct Counter {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    counts: Vec<u64>,
    /// The upper half of each word's hash, and the word's id. The hash tells most other words apart
    /// without a look at their bytes.
    table: HashTable<(u32, u32)>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl Counter {
    /// Counts `word` `times` more times and returns its provisional id.
    #[inline]
    pub(crate) fn add(&mut self, word: &[u8], times: u64) -> u32 {
        let hash = self.hasher.hash_one(word);
        let tag = (hash >> 32) as u32;
        let Self { bytes, ends, counts, table, hasher } = self;
        let entry = table.entry(
            hash,
            |&(t, id)| t == tag && of(bytes, ends, id) == word,
            |&(_, id)| hasher.hash_one(of(bytes, ends, id)),
        );
        match entry {
            Entry::Occupied(known) => {
                let id = known.get().1;
                counts[id as usize] += times;
                id
            }
            Entry::Vacant(new) => {
                let id = counts.len() as u32;
                new.insert((tag, id));
                bytes.extend_from_slice(word);
                ends.push(bytes.len());
                counts.push(times);
                id
            }
        }
    }

    /// The provisional id of `word`.
    pub(crate) fn id(&self, word: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(word);
        self.table.find(hash, |&(_, id)| of(&self.bytes, &self.ends, id) == word).map(|&(_, id)| id)
    }

    /// The word with a provisional id.
    pub(crate) fn word(&self, id: u32) -> &[u8] {
        of(&self.bytes, &self.ends, id)
    }

    /// The words and their counts, by provisional id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        (0..self.counts.len() as u32)
            .map(|id| (of(&self.bytes, &self.ends, id), self.counts[id as usize]))
    }

    /// The number of different words seen.
    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Whether no word was seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The number of words seen.
    pub(crate) fn tokens(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Makes a vocabulary. Words that occur fewer than `min_count` times are dropped, then all but
    /// the `max_vocab` most frequent.
    ///
    /// # Errors
    /// [`Error::EmptyVocabulary`] when no word is left.
    pub(crate) fn cut(&self, min_count: u64, max_vocab: Option<usize>) -> Result<Vocab> {
        let mut kept: Vec<(&[u8], u64)> =
            self.iter().filter(|&(_, count)| count >= min_count.max(1)).collect();
        if kept.is_empty() {
            return Err(Error::EmptyVocabulary { min_count, tokens: self.tokens() });
        }
        kept.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        kept.truncate(max_vocab.unwrap_or(usize::MAX).max(1));
        let (words, counts): (Vec<_>, Vec<_>) = kept.into_iter().unzip();
        Ok(Vocab::new(&words, counts))
    }
}

fn of<'a>(bytes: &'a [u8], ends: &[usize], id: u32) -> &'a [u8] {
    let id = id as usize;
    &bytes[if id == 0 { 0 } else { ends[id - 1] }..ends[id]]
}
