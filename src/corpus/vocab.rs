//! Vocabularies: words with their ids and counts, and a table for looking words up that needs no
//! building.

use std::path::Path;

use crate::error::{Error, Result};
use crate::memory::{self, Mapped};
use crate::text;

/// Near spellings are looked for only for words of at most this many characters.
const LONGEST_NEAR: usize = 64;

/// Words with their ids and counts, most frequent first (ties by bytes). Ids are positions, from 0.
///
/// Look-ups search `order` by bisection, so that a mapped vocabulary of any size is ready at once.
/// Words are bytes: they need not be UTF-8.
#[derive(Clone, Debug)]
pub struct Vocab {
    /// The words, one after the other.
    pub bytes: Mapped<u8>,
    /// Where each word ends in `bytes`.
    pub ends: Mapped<u64>,
    /// How often each word occurs; empty when unknown.
    pub counts: Mapped<u64>,
    /// Ids sorted by the bytes of their words, then by id.
    pub order: Mapped<u32>,
}

impl Vocab {
    /// A vocabulary of `words` in the given order. `counts` has one count for each word, or is
    /// empty.
    pub fn new<W: AsRef<[u8]>>(words: &[W], counts: Vec<u64>) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.as_ref().iter().copied()).collect();
        let mut end = 0;
        let ends: Vec<u64> = words
            .iter()
            .map(|w| {
                end += w.as_ref().len() as u64;
                end
            })
            .collect();
        let mut order: Vec<u32> = (0..words.len() as u32).collect();
        order.sort_by_key(|&id| words[id as usize].as_ref());
        Self { bytes: bytes.into(), ends: ends.into(), counts: counts.into(), order: order.into() }
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no word.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of word `id`. They are empty when `id` is out of range, or when the file that the
    /// vocabulary was mapped from is damaged.
    pub fn word(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends.get(id - 1).copied().unwrap_or(u64::MAX) };
        let end = self.ends.get(id).copied().unwrap_or(0);
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Word `id` as text. Bytes that are not UTF-8 show as �.
    pub fn text(&self, id: u32) -> String {
        // The word may be in a mapped file, so it is copied before it is text.
        let copy = self.word(id).to_vec();
        String::from_utf8_lossy(&copy).into_owned()
    }

    /// How often word `id` occurs, when known.
    pub fn count(&self, id: u32) -> Option<u64> {
        self.counts.get(id as usize).copied()
    }

    /// All words, by id.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len() as u32).map(|id| self.word(id))
    }

    /// The id of `word`, if the vocabulary has it. It is the lowest one where the word occurs
    /// twice.
    pub fn id(&self, word: &[u8]) -> Option<u32> {
        let at = self.order.partition_point(|&id| self.word(id) < word);
        self.order
            .get(at)
            .copied()
            .filter(|&id| (id as usize) < self.len() && self.word(id) == word)
    }

    /// The ids of the words that begin with `prefix`, in the order of their bytes.
    pub fn beginning_with(&self, prefix: &[u8]) -> &[u32] {
        let begins = |id: &u32| self.word(*id).starts_with(prefix);
        let from = self.order.partition_point(|&id| self.word(id) < prefix);
        let count = self.order[from..].partition_point(begins);
        &self.order[from..from + count]
    }

    /// The id of `word`, or an error. [`Vocab::near`] finds the closest spellings.
    ///
    /// # Errors
    /// [`Error::UnknownWord`] when the vocabulary lacks the word.
    pub fn known(&self, word: &str) -> Result<u32> {
        self.id(word.as_bytes()).ok_or_else(|| Error::unknown(word, false))
    }

    /// Up to `k` known spellings close to `word`, best first: the same letters in another case,
    /// then the fewest edits (at most two, fewer in short words), then the most frequent. A word of
    /// more than 64 characters has none. All words are looked at.
    pub fn near(&self, word: &str, k: usize) -> Vec<String> {
        if word.chars().nth(LONGEST_NEAR).is_some() {
            return Vec::new();
        }
        let lower = word.to_lowercase();
        let length = lower.chars().count();
        let allowed = if length < 5 { 1 } else { 2 };
        let mut found: Vec<(usize, u32)> = Vec::new();
        for (id, known) in self.words().enumerate() {
            if known.len() > word.len() + 8 || known.len() + 8 < word.len() {
                continue;
            }
            let Ok(known) = String::from_utf8(known.to_vec()) else { continue };
            let known = known.to_lowercase();
            let edits = if known == lower {
                0
            } else if known.chars().count().abs_diff(length) <= allowed {
                strsim::osa_distance(&known, &lower)
            } else {
                continue;
            };
            if edits <= allowed {
                found.push((edits, id as u32));
            }
        }
        found.sort_unstable();
        found.truncate(k);
        found.into_iter().map(|(_, id)| self.text(id)).collect()
    }

    /// Writes `word count` lines.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        memory::replace(path, |out| {
            for id in 0..self.len() as u32 {
                out.put(self.word(id))?;
                out.put(format!(" {}\n", self.count(id).unwrap_or(0)).as_bytes())?;
            }
            Ok(())
        })
    }

    /// Reads a vocabulary file as it is: `word count` lines, in their order. A word that occurs
    /// twice stays twice.
    ///
    /// # Errors
    /// When the file can't be read, has no word, or has a line that is not a word and a count.
    pub fn read(path: &Path) -> Result<Self> {
        let file = Mapped::open(path)?.to_vec();
        let (mut words, mut counts, mut at) = (Vec::new(), Vec::new(), 0);
        for line in file.split(|&b| b == b'\n') {
            let mut fields = text::words_of(line).into_iter();
            if let Some(word) = fields.next() {
                let count =
                    fields.next().and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
                let bad = || Error::format(path, at as u64, "not a `word count` line");
                counts.push(count.filter(|_| fields.next().is_none()).ok_or_else(bad)?);
                words.push(word);
            }
            at += line.len() + 1;
        }
        if words.is_empty() {
            return Err(Error::input(
                path,
                "no word in this vocabulary: expected `word count` lines",
            ));
        }
        Ok(Self::new(&words, counts))
    }
}

/// Reads the words of a vocabulary file. Each line has a word; a count after it is ignored.
///
/// # Errors
/// When the file can't be read or has no word.
pub(crate) fn read_words(path: &Path) -> Result<Vec<Vec<u8>>> {
    let file = Mapped::open(path)?.to_vec();
    let lines = file.split(|&b| b == b'\n');
    let words: Vec<Vec<u8>> =
        lines.filter_map(|line| text::words_of(line).first().map(|word| word.to_vec())).collect();
    if words.is_empty() {
        return Err(Error::input(path, "no word in this vocabulary: expected `word count` lines"));
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::corpus::Counter;

    fn vocab() -> Vocab {
        Vocab::new(&["the", "house", "mouse", "House", "mouses"], vec![9, 5, 4, 3, 1])
    }

    #[test]
    fn finds_words_and_near_spellings() {
        let vocab = vocab();
        assert_eq!(vocab.id(b"mouse"), Some(2));
        assert_eq!(vocab.id(b"louse"), None);
        assert_eq!(vocab.near("HOUSE", 2), ["house", "House"]);
        assert_eq!(vocab.near("muose", 1), ["mouse"]);
        assert!(vocab.near("quite else", 3).is_empty());
        assert_eq!(vocab.near("hose", 2), ["house", "House"]);
        assert_eq!(vocab.known("hose").unwrap_err().to_string(), "unknown word 'hose'");
        let long = "x".repeat(100_000);
        assert!(Vocab::new(&[&long], vec![]).near(&long, 3).is_empty());
    }

    #[test]
    fn a_word_given_twice_is_the_first() {
        assert_eq!(Vocab::new(&["b", "a", "b"], vec![]).id(b"b"), Some(0));
    }

    #[test]
    fn wrong_ends_are_empty_words_not_crashes() {
        let mut vocab = vocab();
        vocab.ends = vec![3, u64::MAX, 2, 7, 9].into();
        vocab.order = vec![9, 9, 9, 9, 9].into();
        for id in 0..9 {
            let _ = (vocab.word(id), vocab.id(b"the"));
        }
    }

    proptest! {
        #[test]
        fn counting_agrees_with_a_map(words in prop::collection::vec("[a-c]{0,3}", 1..300), min in 1..5u64) {
            let mut naive: BTreeMap<String, u64> = BTreeMap::new();
            let mut counter = Counter::default();
            for word in &words {
                *naive.entry(word.clone()).or_default() += 1;
                counter.add(word.as_bytes(), 1);
            }
            let mut expected: Vec<_> = naive.into_iter().filter(|&(_, n)| n >= min).collect();
            expected.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            match counter.cut(min, None) {
                Err(_) => prop_assert!(expected.is_empty()),
                Ok(vocab) => {
                    let got: Vec<_> = (0..vocab.len() as u32)
                        .map(|id| (vocab.text(id), vocab.count(id).unwrap()))
                        .collect();
                    prop_assert_eq!(&got, &expected);
                    for (id, (word, _)) in expected.iter().enumerate() {
                        prop_assert_eq!(vocab.id(word.as_bytes()), Some(id as u32));
                    }
                }
            }
        }
    }
}
