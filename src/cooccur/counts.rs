//! Co-occurrence counts as data, wherever they come from.

use serde::{Deserialize, Serialize};

use super::Windows;
use crate::corpus::{Corpus, Facts, Vocab};
use crate::memory::Mapped;
/// No count of a file is above this, so that an `f32` holds the sum of any number of them.
pub(crate) const MAX_COUNT: f32 = 1e28;

/// A count in the row of some word.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Count {
    /// The column: the id of the other word.
    pub word: u32,
    /// How often the two words occur together, each time weighted by their distance; above 0.
    pub count: f32,
}

/// The counts of a file.
pub struct Counts {
    /// The words of rows and columns.
    pub vocab: Vocab,
    /// How they were counted, as far as is known.
    pub about: CountsAbout,
    /// The counts.
    pub(crate) rows: CountRows,
}

impl Counts {
    /// The counts in the row of `word`, by ascending columns. The row is empty for a file of
    /// Stanford's, which need not be sorted by rows.
    pub fn row(&self, word: u32) -> &[Count] {
        self.rows.of(word)
    }
}

/// Where counts come from. Fields that are not known are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CountsAbout {
    /// The version of wordloom that counted, or the format that the counts were read from.
    pub program: String,
    /// Which words counted as occurring together.
    pub windows: Option<Windows>,
    /// Which text was read, and how it was split and cut.
    pub text: serde_json::Value,
    /// Facts about the encoded corpus.
    pub corpus: Facts,
}

/// The counts of a file. All have been checked: their words are in the vocabulary, and they are
/// above 0 and at most [`MAX_COUNT`].
pub(crate) enum CountRows {
    /// Row by row.
    Sorted {
        /// Where each row ends in `entries`.
        ends: Mapped<u64>,
        /// All rows.
        entries: Mapped<Count>,
    },
    /// In any order.
    Records(Mapped<Record>),
}

impl CountsAbout {
    /// A description of counts that are taken from `corpus`, which was made from `text`.
    pub fn of(corpus: &Corpus, windows: &Windows, text: serde_json::Value) -> Self {
        Self {
            program: concat!("wordloom ", env!("CARGO_PKG_VERSION")).into(),
            windows: Some(windows.clone()),
            text,
            corpus: corpus.facts.clone(),
        }
    }
}

impl CountRows {
    /// The row of `word`, where rows are sorted.
    pub(crate) fn of(&self, word: u32) -> &[Count] {
        let Self::Sorted { ends, entries } = self else { return &[] };
        let word = word as usize;
        &entries[if word == 0 { 0 } else { ends[word - 1] as usize }..ends[word] as usize]
    }
}

/// A count in one of Stanford's files.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Record {
    pub(crate) row: i32,
    pub(crate) column: i32,
    pub(crate) count: f64,
}

impl Record {
    /// The id of the row's word.
    pub(crate) fn row(&self) -> u32 {
        self.row.wrapping_sub(1) as u32
    }

    /// The id of the column's word.
    pub(crate) fn column(&self) -> u32 {
        self.column.wrapping_sub(1) as u32
    }

    /// The count.
    pub(crate) fn count(&self) -> f32 {
        self.count as f32
    }
}
