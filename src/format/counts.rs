//! Files of co-occurrence counts: wordloom's own, and those of Stanford's programs.
//!
//! wordloom's own file is a safetensors file, which holds the rows of a sparse matrix one after the
//! other:
//!
//! | tensor | type, shape | what |
//! | --- | --- | --- |
//! | `counts` | U32 `[counts, 2]` | the id of the column's word, and the bits of the count as F32; row by row |
//! | `row.ends` | U64 `[words]` | where each word's row ends in `counts` |
//! | `vocab.counts`, `vocab.ends`, `vocab.order`, `vocab.bytes` | | the vocabulary, as in a model (`super::model`) |
//!
//! The metadata entry `wordloom` is JSON: the windows, the text and the corpus that was counted
//! ([`CountsAbout`]).
//!
//! Stanford's `cooccurrence.bin` has no header. It consists of records of 16 bytes: `i32` row,
//! `i32` column, `f64` count. Rows and columns are lines of a vocabulary file, counted from 1.
//! wordloom writes the records sorted by row and column, as `cooccur` does, and reads them in any
//! order, as `shuffle` leaves them. Counts of the same row and column are added up.

use std::io::{Seek, SeekFrom};
use std::path::Path;

use rayon::prelude::*;
use safetensors::tensor::Dtype;
use serde_json::json;

use crate::cooccur::{Count, CountRows, Counts, CountsAbout, MAX_COUNT, Record, RowsOf, Source};
use crate::corpus::{Facts, Vocab};
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};
use crate::progress::Progress;
use crate::tensors::{Tensors, header, looks_safetensors};
/// This many rows are counted at a time.
const PIECE: usize = 32;

/// The files that hold counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum CountFormat {
    /// wordloom's own: a safetensors file with the vocabulary in it
    Safetensors,
    /// Stanford's cooccurrence.bin; write the words too, with --save-vocab
    Glove,
}

impl CountFormat {
    /// The size of a count, in bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Safetensors => size_of::<Count>() as u64,
            Self::Glove => size_of::<Record>() as u64,
        }
    }
}

/// Opens a file of counts of either kind by mapping it, and checks every count. `vocab` is the
/// vocabulary file, which Stanford's format needs.
///
/// # Errors
/// A missing or damaged file, or one whose vocabulary is missing or too short.
pub fn read(path: &Path, vocab: Option<&Path>) -> Result<Counts> {
    let file = Mapped::open(path)?;
    if looks_safetensors(&file) {
        if vocab.is_some() {
            return Err(Error::input(path, "has its vocabulary in it: leave out `vocab_file`"));
        }
        return read_own(path, &file);
    }
    if file.is_empty() || file.len() % size_of::<Record>() != 0 {
        let problem =
            "neither a wordloom file of counts nor records of 16 bytes as Stanford's: cut short?";
        return Err(Error::format(path, file.len() as u64, problem));
    }
    let Some(vocab) = vocab else {
        return Err(Error::input(path, "has no words in it: name their file by `vocab_file`"));
    };
    let vocab = Vocab::read(vocab)?;
    let records: Mapped<Record> =
        file.part(0..file.len()).ok_or_else(|| Error::format(path, 0, "is not aligned"))?;
    let words = vocab.len() as u32;
    let bad = records
        .par_iter()
        .position_first(|r| r.row() >= words || r.column() >= words || !good(r.count()));
    if let Some(at) = bad {
        let Record { row, column, count } = records[at];
        let problem = format!(
            "no count of a vocabulary of {words} words: row {row}, column {column}, {count}"
        );
        return Err(Error::format(path, (at * size_of::<Record>()) as u64, problem));
    }
    let corpus = Facts {
        vocabulary: vocab.len() as u64,
        tokens: vocab.counts.iter().fold(0, |sum, &n| sum.saturating_add(n)),
        ..Facts::default()
    };
    let about =
        CountsAbout { program: "Stanford's counts".into(), corpus, ..CountsAbout::default() };
    Ok(Counts { vocab, about, rows: CountRows::Records(records) })
}

fn good(count: f32) -> bool {
    count > 0.0 && count <= MAX_COUNT
}

fn read_own(path: &Path, file: &Mapped<u8>) -> Result<Counts> {
    let bad = |problem: &str| Error::format(path, 0, problem);
    let all = Tensors::open(path, file)?;
    let shape = |name: &str| all.shape(name);
    let (Some([counts, 2]), Some([words])) = (shape("counts"), shape("row.ends")) else {
        return Err(bad("a safetensors file without counts: make them with `wordloom cooccur`"));
    };
    let vocab = all.vocab("vocab", *words)?;
    let entries: Mapped<Count> = all.get("counts", Dtype::U32, Some(&[*counts, 2]))?;
    let ends: Mapped<u64> = all.get("row.ends", Dtype::U64, Some(&[*words]))?;
    if vocab.is_empty() || !ends.is_sorted() || ends.last() != Some(&(entries.len() as u64)) {
        return Err(bad("damaged: rows that don't fit the counts"));
    }
    let words = vocab.len() as u32;
    if let Some(at) = entries.par_iter().position_first(|e| e.word >= words || !good(e.count)) {
        let Count { word, count } = entries[at];
        return Err(bad(&format!("damaged: count {at} is {count} in column {word} of {words}")));
    }
    let about =
        all.entry("wordloom").and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    Ok(Counts { vocab, about, rows: CountRows::Sorted { ends, entries } })
}

/// Counts `source` and writes all rows to a file at `path`, on the threads of the current rayon
/// pool and in about `memory` bytes. `vocab` has its words, and `about` describes the counts.
/// Returns the number of counts.
///
/// # Errors
/// When the file can't be written, or its format can't hold this many words, or [`Error::Stopped`].
pub fn write(
    source: &Source,
    path: &Path,
    format: CountFormat,
    (vocab, about): (&Vocab, &CountsAbout),
    memory: u64,
    progress: &Progress,
) -> Result<u64> {
    let words: Vec<u32> = (0..vocab.len() as u32).collect();
    let pieces: Vec<Vec<u32>> = words.chunks(PIECE).map(<[u32]>::to_vec).collect();
    let mut writer = Writer::new(path, format, vocab, about)?;
    let make = |rows: &mut RowsOf, piece: &[u32]| {
        let (mut ends, mut entries) = (Vec::with_capacity(piece.len()), Vec::new());
        for row in 0..piece.len() {
            entries.extend_from_slice(rows.row(row));
            ends.push(entries.len());
        }
        (ends, entries)
    };
    source.each(&pieces, source.room(memory) / 2, progress, make, |(ends, entries)| {
        let mut start = 0;
        ends.into_iter().try_for_each(|end| {
            let row = &entries[start..end];
            start = end;
            writer.row(row)
        })
    })?;
    writer.finish()
}

/// Writes a file of counts: first all rows in the order of the vocabulary, then the other tensors.
struct Writer<'a> {
    out: Staged,
    format: CountFormat,
    vocab: &'a Vocab,
    about: &'a CountsAbout,
    ends: Vec<u64>,
    counts: u64,
    /// The size of the header, in bytes.
    room: usize,
}

impl<'a> Writer<'a> {
    /// Begins the file that will be at `path`.
    fn new(
        path: &Path,
        format: CountFormat,
        vocab: &'a Vocab,
        about: &'a CountsAbout,
    ) -> Result<Self> {
        if format == CountFormat::Glove && i32::try_from(vocab.len()).is_err() {
            let problem = "Stanford's format can't hold this many words: lower `max_vocab`";
            return Err(Error::input(path, problem));
        }
        let (out, ends) = (Staged::new(path)?, Vec::with_capacity(vocab.len()));
        let mut writer = Self { out, format, vocab, about, ends, counts: 0, room: 0 };
        if format == CountFormat::Safetensors {
            // The number of counts is not known yet. The header is written last, and its room is
            // enough for any number.
            writer.counts = u64::MAX >> 4;
            writer.room = writer.header().len();
            writer.counts = 0;
            writer.out.put(&vec![b' '; writer.room])?;
        }
        Ok(writer)
    }

    /// Adds the next row.
    fn row(&mut self, row: &[Count]) -> Result<()> {
        let word = self.ends.len() as i32 + 1;
        self.counts += row.len() as u64;
        self.ends.push(self.counts);
        if self.format == CountFormat::Safetensors {
            return self.out.put(bytemuck::cast_slice(row));
        }
        row.iter().try_for_each(|entry| {
            let (column, count) = (entry.word as i32 + 1, f64::from(entry.count));
            self.out.put(bytemuck::bytes_of(&Record { row: word, column, count }))
        })
    }

    /// Writes the other tensors, and puts the file in its place. Returns the number of counts.
    fn finish(mut self) -> Result<u64> {
        if self.format == CountFormat::Safetensors {
            let vocab = self.vocab;
            let ends = std::mem::take(&mut self.ends);
            for bytes in [
                bytemuck::cast_slice(&ends),
                bytemuck::cast_slice(&vocab.counts),
                bytemuck::cast_slice(&vocab.ends),
                bytemuck::cast_slice(&vocab.order),
                &vocab.bytes[..],
            ] {
                self.out.put(bytes)?;
            }
            let begin = self.out.seek(SeekFrom::Start(0));
            begin.map_err(Error::io(self.out.temporary()))?;
            self.out.put(&self.header())?;
        }
        self.out.finish()?;
        Ok(self.counts)
    }

    /// The header for the counts written so far.
    fn header(&self) -> Vec<u8> {
        let (words, vocab) = (self.vocab.len() as u64, self.vocab);
        let bytes = vocab.bytes.len() as u64;
        let tensors = [
            ("counts", "U32", vec![self.counts, 2], self.counts * size_of::<Count>() as u64),
            ("row.ends", "U64", vec![words], words * 8),
            ("vocab.counts", "U64", vec![words], words * 8),
            ("vocab.ends", "U64", vec![words], words * 8),
            ("vocab.order", "U32", vec![words], words * 4),
            ("vocab.bytes", "U8", vec![bytes], bytes),
        ];
        let note = serde_json::to_string(self.about).unwrap_or_default();
        header(json!({ "format": "pt", "wordloom": note }), &tensors, self.room)
    }
}
