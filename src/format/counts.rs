//! Files of co-occurrence counts: wordloom's own, and those of Stanford's programs.
//!
//! Ours is a safetensors file, rows of a sparse matrix one after the other:
//!
//! | tensor | type, shape | what |
//! | --- | --- | --- |
//! | `counts` | U32 `[counts, 2]` | the id of the column's word, and the bits of the count as F32; row by row |
//! | `row.ends` | U64 `[words]` | where each word's row ends in `counts` |
//! | `vocab.counts`, `vocab.ends`, `vocab.order`, `vocab.bytes` | | the vocabulary, as in a model ([`super::native`]) |
//!
//! The metadata entry `wordloom` is JSON: the windows, the text and the corpus that was counted ([`About`]).
//!
//! Stanford's `cooccurrence.bin` has no header: records of 16 bytes, `i32` row, `i32` column, `f64` count, where rows and
//! columns are lines of a vocabulary file, from 1. Ours are written by row and column, as `cooccur` does, and read in any
//! order, as `shuffle` leaves them; what stands twice is added up.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::native::{Tensors, looks_native};
use crate::cooccur::{Entry, LARGEST, Progress, RowsOf, Source, Windows};
use crate::corpus::{Corpus, Facts};
use crate::encode::Counting;
use crate::error::{Error, Result};
use crate::mapped::{Beside, Mapped};
use crate::vocab::Vocab;

/// So many rows are counted at a time.
const PIECE: usize = 32;

/// The files that hold counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CountFormat {
    /// wordloom's own: a safetensors file with the vocabulary in it
    Safetensors,
    /// Stanford's cooccurrence.bin; write the words too, with --save-vocab
    Glove,
}

impl CountFormat {
    /// Bytes of a count.
    pub fn bytes(self) -> u64 {
        match self {
            Self::Safetensors => size_of::<Entry>() as u64,
            Self::Glove => size_of::<Record>() as u64,
        }
    }
}

/// Counts of a file.
pub struct Counts {
    /// The words of rows and columns.
    pub vocab: Vocab,
    /// How they were counted, as far as is known.
    pub about: About,
    /// The counts.
    pub rows: Rows,
}

/// What counts were taken of. Fields that are not known are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The version of wordloom that counted, or the format that the counts were read from.
    pub program: String,
    /// What counted as occurring together.
    pub windows: Option<Windows>,
    /// Which text was read, and how it was split and cut.
    pub text: serde_json::Value,
    /// Facts about the encoded corpus.
    pub corpus: Facts,
}

/// Where the counts of a file are. All have been checked: words are known, counts above 0 and at most [`LARGEST`].
pub enum Rows {
    /// Row by row.
    Sorted {
        /// Where each row ends in `entries`.
        ends: Mapped<u64>,
        /// All rows.
        entries: Mapped<Entry>,
    },
    /// In any order.
    Records(Mapped<Record>),
}

impl About {
    /// What is counted in `corpus`, made of `text`.
    pub fn text(corpus: &Corpus, windows: &Windows, text: &Counting) -> Self {
        Self {
            program: concat!("wordloom ", env!("CARGO_PKG_VERSION")).into(),
            windows: Some(windows.clone()),
            text: serde_json::to_value(text).unwrap_or_default(),
            corpus: corpus.facts.clone(),
        }
    }
}

impl Rows {
    /// The row of `word`, where rows are sorted.
    pub fn of(&self, word: u32) -> &[Entry] {
        let Self::Sorted { ends, entries } = self else { return &[] };
        let word = word as usize;
        &entries[if word == 0 { 0 } else { ends[word - 1] as usize }..ends[word] as usize]
    }
}

/// A count in a file of Stanford's.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Record {
    row: i32,
    column: i32,
    count: f64,
}

impl Record {
    /// The id of the row's word.
    pub fn row(&self) -> u32 {
        self.row.wrapping_sub(1) as u32
    }

    /// The id of the column's word.
    pub fn column(&self) -> u32 {
        self.column.wrapping_sub(1) as u32
    }

    /// The count.
    pub fn count(&self) -> f32 {
        self.count as f32
    }
}

/// Opens a file of counts of either kind by mapping it, and looks at every count. `vocab` is the vocabulary file that
/// Stanford's format needs beside it.
///
/// # Errors
/// A missing or damaged file, or one whose vocabulary is missing or too short.
pub fn read(path: &Path, vocab: Option<&Path>) -> Result<Counts> {
    let file = Mapped::open(path)?;
    if looks_native(&file) {
        if vocab.is_some() {
            return Err(Error::input(path, "has its vocabulary in it: leave out --vocab"));
        }
        return read_native(path, &file);
    }
    if file.is_empty() || file.len() % size_of::<Record>() != 0 {
        let problem = "neither a wordloom file of counts nor records of 16 bytes as Stanford's: cut short?";
        return Err(Error::format(path, file.len() as u64, problem));
    }
    let Some(vocab) = vocab else {
        return Err(Error::input(path, "has no words in it: name their file with --vocab FILE"));
    };
    let vocab = Vocab::read(vocab)?;
    let records: Mapped<Record> =
        file.part(0..file.len()).ok_or_else(|| Error::format(path, 0, "is not aligned"))?;
    let words = vocab.len() as u32;
    let bad =
        records.par_iter().position_first(|r| r.row() >= words || r.column() >= words || !good(r.count()));
    if let Some(at) = bad {
        let Record { row, column, count } = records[at];
        let problem =
            format!("no count of a vocabulary of {words} words: row {row}, column {column}, {count}");
        return Err(Error::format(path, (at * size_of::<Record>()) as u64, problem));
    }
    let corpus = Facts {
        vocabulary: vocab.len() as u64,
        tokens: vocab.counts.iter().fold(0, |sum, &n| sum.saturating_add(n)),
        ..Facts::default()
    };
    let about = About { program: "Stanford's counts".into(), corpus, ..About::default() };
    Ok(Counts { vocab, about, rows: Rows::Records(records) })
}

fn good(count: f32) -> bool {
    count > 0.0 && count <= LARGEST
}

fn read_native(path: &Path, file: &Mapped<u8>) -> Result<Counts> {
    let bad = |problem: &str| Error::format(path, 0, problem);
    let all = Tensors::open(path, file)?;
    let shape = |name: &str| all.shape(name);
    let (Some([counts, 2]), Some([words])) = (shape("counts"), shape("row.ends")) else {
        return Err(bad("a safetensors file without counts: make them with `wordloom cooccur`"));
    };
    let vocab = all.vocab(*words)?;
    let entries: Mapped<Entry> = all.get("counts", Dtype::U32, Some(&[*counts, 2]))?;
    let ends: Mapped<u64> = all.get("row.ends", Dtype::U64, Some(&[*words]))?;
    if vocab.is_empty() || !ends.is_sorted() || ends.last() != Some(&(entries.len() as u64)) {
        return Err(bad("damaged: rows that don't fit the counts"));
    }
    let words = vocab.len() as u32;
    if let Some(at) = entries.par_iter().position_first(|e| e.word >= words || !good(e.count)) {
        let Entry { word, count } = entries[at];
        return Err(bad(&format!("damaged: count {at} is {count} in column {word} of {words}")));
    }
    let about = all.note().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    Ok(Counts { vocab, about, rows: Rows::Sorted { ends, entries } })
}

/// Counts `source` and writes all rows to a file at `path`, on the threads of the current rayon pool and in about
/// `memory` bytes; `vocab` are its words. Returns the number of counts.
///
/// # Errors
/// When the file can't be written, or its format can't hold so many words, or [`Error::Stopped`].
pub fn write(
    source: &Source,
    path: &Path,
    format: CountFormat,
    (vocab, about): (&Vocab, &About),
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

/// Writes a file of counts: all rows in the order of the vocabulary, then [`Writer::finish`].
struct Writer<'a> {
    path: PathBuf,
    out: BufWriter<std::fs::File>,
    beside: Beside,
    format: CountFormat,
    vocab: &'a Vocab,
    about: &'a About,
    ends: Vec<u64>,
    counts: u64,
    /// Bytes of the header.
    room: usize,
}

impl<'a> Writer<'a> {
    /// Begins the file that will stand at `path`.
    fn new(path: &Path, format: CountFormat, vocab: &'a Vocab, about: &'a About) -> Result<Self> {
        if format == CountFormat::Glove && i32::try_from(vocab.len()).is_err() {
            return Err(Error::input(path, "Stanford's format can't hold so many words: lower --max-vocab"));
        }
        let beside = Beside::new(path)?;
        let file = beside.file.try_clone().map_err(Error::io(path))?;
        let out = BufWriter::with_capacity(1 << 20, file);
        let ends = Vec::with_capacity(vocab.len());
        let mut writer =
            Self { path: path.to_path_buf(), out, beside, format, vocab, about, ends, counts: 0, room: 0 };
        if format == CountFormat::Safetensors {
            // How many counts there will be is not known yet: the header is written last, in room for any number.
            writer.counts = u64::MAX >> 4;
            writer.room = writer.header().len().next_multiple_of(64);
            writer.counts = 0;
            writer.write(&vec![b' '; writer.room])?;
        }
        Ok(writer)
    }

    /// Adds the next row.
    fn row(&mut self, row: &[Entry]) -> Result<()> {
        let word = self.ends.len() as i32 + 1;
        self.counts += row.len() as u64;
        self.ends.push(self.counts);
        if self.format == CountFormat::Safetensors {
            return self.write(bytemuck::cast_slice(row));
        }
        row.iter().try_for_each(|entry| {
            let record = Record { row: word, column: entry.word as i32 + 1, count: f64::from(entry.count) };
            self.write(bytemuck::bytes_of(&record))
        })
    }

    /// Writes what follows the counts, and puts the file in its place. Returns the number of counts.
    fn finish(mut self) -> Result<u64> {
        if self.format == CountFormat::Safetensors {
            let (vocab, ends) = (self.vocab, std::mem::take(&mut self.ends));
            self.write(bytemuck::cast_slice(&ends))?;
            self.write(bytemuck::cast_slice(&vocab.counts))?;
            self.write(bytemuck::cast_slice(&vocab.ends))?;
            self.write(bytemuck::cast_slice(&vocab.order))?;
            self.write(&vocab.bytes)?;
            let mut header = self.header();
            header.resize(self.room, b' ');
            header[..8].copy_from_slice(&(self.room as u64 - 8).to_le_bytes());
            self.out.seek(SeekFrom::Start(0)).map_err(Error::io(&self.path))?;
            self.write(&header)?;
        }
        self.out.flush().map_err(Error::io(&self.path))?;
        self.beside.file.sync_all().map_err(Error::io(&self.path))?;
        self.beside.into_place(&self.path)?;
        Ok(self.counts)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::io(&self.path))
    }

    /// The header for the counts written so far, with eight bytes for its length before it.
    fn header(&self) -> Vec<u8> {
        let (words, vocab) = (self.vocab.len() as u64, self.vocab);
        let tensors = [
            ("counts", "U32", vec![self.counts, 2], self.counts * size_of::<Entry>() as u64),
            ("row.ends", "U64", vec![words], words * 8),
            ("vocab.counts", "U64", vec![words], words * 8),
            ("vocab.ends", "U64", vec![words], words * 8),
            ("vocab.order", "U32", vec![words], words * 4),
            ("vocab.bytes", "U8", vec![vocab.bytes.len() as u64], vocab.bytes.len() as u64),
        ];
        let note = serde_json::to_string(self.about).unwrap_or_default();
        let mut header = json!({ "__metadata__": { "format": "pt", "wordloom": note } });
        let mut end = 0;
        for (name, dtype, shape, bytes) in tensors {
            header[name] = json!({ "dtype": dtype, "shape": shape, "data_offsets": [end, end + bytes] });
            end += bytes;
        }
        [&[0; 8], header.to_string().as_bytes()].concat()
    }
}
