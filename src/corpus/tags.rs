//! The tags of sequences: names of documents, authors, topics.

use crate::corpus::Vocab;
use crate::memory::Mapped;

/// The tags of the sequences of a corpus. A sequence has any number of them, and a tag any number of
/// sequences. They are no words, and have a vocabulary of their own.
#[derive(Clone, Debug)]
pub struct Tags {
    /// The names of the tags, in the order in which they first occur. Their counts are the numbers
    /// of sequences that have them.
    pub names: Vocab,
    /// Where the tags of each sequence end in `ids`.
    pub(super) ends: Mapped<u64>,
    /// The tags of all sequences, one sequence after the other.
    pub(super) ids: Mapped<u32>,
}

impl Tags {
    /// The tags of a sequence. There are none for a sequence that is out of range, or where the file
    /// is damaged.
    pub fn of(&self, sequence: usize) -> &[u32] {
        let start = if sequence == 0 { Some(0) } else { self.ends.get(sequence - 1).copied() };
        let end = self.ends.get(sequence).copied();
        let range = start.zip(end).map(|(start, end)| start as usize..end as usize);
        range.and_then(|range| self.ids.get(range)).unwrap_or_default()
    }

    /// The most tags that a sequence has.
    pub(crate) fn most(&self) -> usize {
        (0..self.ends.len()).map(|sequence| self.of(sequence).len()).max().unwrap_or(0)
    }

    /// Whether all ids are those of names.
    pub(super) fn are_named(&self) -> bool {
        self.ids.iter().all(|&id| (id as usize) < self.names.len())
    }
}
