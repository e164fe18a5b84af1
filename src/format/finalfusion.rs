//! finalfusion's format (`.fifu`), version 0, as its Rust and Python libraries have it.
//!
//! Little-endian:
//!
//! ```text
//! "FiFu" · version u32 · chunks u32 · the kind of each chunk u32
//!     for each chunk: kind u32 · length in bytes u64 · content
//! vocabulary:      words u64 · [min_n u32 · max_n u32 · buckets u32] · length u32 and bytes of each
//! matrix:          rows u64 · dim u32 · type u32, 10 for f32 · zeros up to a multiple of 4 · rows
//! lengths:         rows u64 · type u32 · zeros up to a multiple of 4 · a length for each word
//! ```
//!
//! The zeros are four where the numbers would begin at a multiple of 4 without them. The vectors of
//! words have the length 1, and their lengths are in a chunk of their own. Behind them are rows of
//! buckets of n-grams, where the vocabulary says which n-grams a word has: those of fastText are
//! read, and of other kinds the words alone. A quantised matrix is not read.
//!
//! This file is over 300 lines because reader and writer of the layout stand together, with tests.

use std::path::Path;

use super::rows::too_large;
use super::written::Words;
use super::{Contents, Kind, Part, Reads, Writes};
use crate::bytes::Cursor;
use crate::corpus::Vocab;
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};
use crate::subword::{Ngrams, Subwords};

pub(super) const FORMAT: Kind = Kind {
    name: "fifu",
    help: "finalfusion, with fastText's n-grams (.fifu)",
    program: "finalfusion",
    extensions: &["fifu"],
    holds: &[Part::Ngrams],
    reads: Some(Reads { looks, read }),
    writes: Writes::File(write),
    widths: &[],
    size: |of: &Contents| of.words * (of.dim * 4 + 8) + of.bytes,
};

const MAGIC: &[u8] = b"FiFu";
/// The kinds of chunks.
const SIMPLE: u32 = 1;
const MATRIX: u32 = 2;
const BUCKETS: u32 = 3;
const QUANTISED: u32 = 4;
const METADATA: u32 = 5;
const LENGTHS: u32 = 6;
const FASTTEXT: u32 = 7;
const EXPLICIT: u32 = 8;
/// The type of the numbers of a matrix.
const FLOATS: u32 = 10;
/// More chunks than files have.
const MOST_CHUNKS: u32 = 64;

fn looks(file: &[u8]) -> bool {
    file.starts_with(MAGIC)
}

/// What the chunks of a file have.
#[derive(Default)]
struct Chunks<'a> {
    words: Vec<&'a [u8]>,
    subwords: Option<Subwords>,
    rows: Option<(usize, usize, Mapped<u8>)>,
    lengths: Option<Mapped<u8>>,
    notes: Vec<String>,
}

fn read(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let mut cursor = Cursor::new(path, file);
    cursor.take(MAGIC.len(), "the magic number")?;
    let version = cursor.u32("the version")?;
    let count = cursor.u32("the number of chunks")?;
    if version != 0 || count > MOST_CHUNKS {
        return Err(cursor.bad(format!("version {version} with {count} chunks; 0 is read")));
    }
    for _ in 0..count {
        cursor.u32("the kind of a chunk")?;
    }
    let mut chunks = Chunks::default();
    for _ in 0..count {
        let kind = cursor.u32("the kind of a chunk")?;
        let length = cursor.size64("the length of a chunk")?;
        let end = cursor.at().checked_add(length);
        chunks.read(kind, length, &mut cursor)?;
        if end != Some(cursor.at()) {
            return Err(cursor.bad(format!("a chunk of {length} bytes ends elsewhere")));
        }
    }
    cursor.end()?;
    chunks.finish(path)
}

impl<'a> Chunks<'a> {
    /// Reads the content of a chunk.
    fn read(&mut self, kind: u32, length: usize, cursor: &mut Cursor<'a>) -> Result<()> {
        match kind {
            SIMPLE | BUCKETS | FASTTEXT => {
                let words = cursor.size64("the number of words")?;
                if kind != SIMPLE {
                    let mut number = |field| cursor.u32(field);
                    let [min_n, max_n] = [number("min_n")? as usize, number("max_n")? as usize];
                    let buckets = number("the number of buckets")?;
                    let subwords = Subwords { min_n, max_n, buckets };
                    subwords.check().map_err(|problem| cursor.bad(problem))?;
                    if kind == FASTTEXT {
                        self.subwords = Some(subwords);
                    } else {
                        self.notes.push("its n-grams are not of fastText's kind: left out".into());
                    }
                }
                self.read_words(words, cursor)
            }
            EXPLICIT => {
                let begin = cursor.at();
                let words = cursor.size64("the number of words")?;
                cursor.take(16, "the n-grams' sizes")?;
                self.read_words(words, cursor)?;
                self.notes.push("its list of n-grams is left out".into());
                cursor.take(length.saturating_sub(cursor.at() - begin), "n-grams").map(drop)
            }
            MATRIX => {
                let rows = cursor.size64("the number of rows")?;
                let dim = cursor.u32("the dimension")? as usize;
                floats(cursor)?;
                let all = rows.checked_mul(dim);
                if dim == 0 || dim > 1 << 16 || all.is_none() {
                    return Err(cursor.bad(format!("a matrix of {rows} x {dim}")));
                }
                self.rows = Some((rows, dim, cursor.part(rows, 4 * dim, "the matrix")?));
                Ok(())
            }
            LENGTHS => {
                let rows = cursor.size64("the number of lengths")?;
                floats(cursor)?;
                self.lengths = Some(cursor.part(rows, 4, "the lengths")?);
                Ok(())
            }
            QUANTISED => Err(cursor.bad(
                "a quantised matrix, which is not read: finalfusion-utils makes a whole one by \
                 `reconstruct`",
            )),
            METADATA => cursor.take(length, "metadata").map(drop),
            other => {
                self.notes.push(format!("a chunk of the unknown kind {other} is left out"));
                cursor.take(length, "a chunk").map(drop)
            }
        }
    }

    fn read_words(&mut self, count: usize, cursor: &mut Cursor<'a>) -> Result<()> {
        cursor.has_room(count, 4, "the number of words")?;
        for _ in 0..count {
            let length = cursor.u32("the length of a word")? as usize;
            self.words.push(cursor.take(length, "a word")?);
        }
        Ok(())
    }

    /// The model of all chunks.
    fn finish(self, path: &Path) -> Result<Embeddings> {
        let bad = |problem: String| Error::format(path, 0, problem);
        let (rows, dim, numbers) = self.rows.ok_or_else(|| bad("no matrix in this file".into()))?;
        let words = self.words.len();
        let buckets = self.subwords.map_or(0, |subwords| subwords.buckets as usize);
        let behind = rows.checked_sub(words);
        if words == 0 || behind.is_none() || self.subwords.is_some() && behind != Some(buckets) {
            return Err(bad(format!("{rows} rows for {words} words and {buckets} buckets")));
        }
        let lengths = self.lengths.as_ref().map(|lengths| lengths.as_chunks::<4>().0);
        if let Some(lengths) = lengths.filter(|lengths| lengths.len() != words) {
            return Err(bad(format!("{} lengths for {words} words", lengths.len())));
        }
        let vectors = Mapped::filled(words * dim, |all: &mut [f32]| {
            let rows = numbers.chunks_exact(4 * dim);
            for (word, (vector, row)) in all.chunks_exact_mut(dim).zip(rows).enumerate() {
                let length = lengths.map_or(1.0, |lengths| f32::from_le_bytes(lengths[word]));
                for (x, bytes) in vector.iter_mut().zip(row.as_chunks::<4>().0) {
                    *x = length * f32::from_le_bytes(*bytes);
                }
            }
        });
        let vectors = vectors.ok_or_else(|| too_large(path, words, dim))?;
        let ngrams = self.subwords.map(|subwords| {
            let rows = numbers.part(4 * dim * words..numbers.len()).expect("part of a slice");
            Ngrams { subwords, buckets: None, rows, pruned: false }
        });
        let provenance = Provenance {
            program: "finalfusion (version 0 of its format)".into(),
            notes: self.notes,
            ..Provenance::default()
        };
        let vocab = Vocab::new(&self.words, Vec::new());
        Ok(Embeddings::new(vocab, dim, vectors.into(), None, provenance).with_ngrams(ngrams))
    }
}

/// Reads the type of numbers, and the zeros before them.
fn floats(cursor: &mut Cursor) -> Result<()> {
    let kind = cursor.u32("the type of numbers")?;
    if kind != FLOATS {
        return Err(cursor.bad(format!("numbers of the type {kind}; {FLOATS} (f32) is read")));
    }
    cursor.take(gap(cursor.at()), "zeros before numbers").map(drop)
}

/// The zeros before numbers that would otherwise begin at `at`.
fn gap(at: usize) -> usize {
    4 - at % 4
}

fn write(embeddings: &Embeddings, out: &mut Staged) -> Result<Vec<String>> {
    let words = Words::new(embeddings, |word| std::str::from_utf8(word).is_ok());
    let (dim, count) = (embeddings.dim(), words.len());
    let ngrams = embeddings.ngrams();
    let buckets = ngrams.map_or(0, |ngrams| ngrams.subwords.buckets as usize);
    let mut head = Head(Vec::new());
    head.0.extend(MAGIC);
    let vocabulary = if ngrams.is_some() { FASTTEXT } else { SIMPLE };
    for number in [0, 3, vocabulary, MATRIX, LENGTHS, vocabulary] {
        head.u32(number);
    }
    let bytes: usize = words.each().map(|(_, word)| 4 + word.len()).sum();
    head.u64(bytes + if ngrams.is_some() { 20 } else { 8 });
    head.u64(count);
    if let Some(Subwords { min_n, max_n, buckets }) = ngrams.map(|ngrams| ngrams.subwords) {
        for number in [min_n as u32, max_n as u32, buckets] {
            head.u32(number);
        }
    }
    for (_, word) in words.each() {
        head.u32(word.len() as u32);
        head.0.extend_from_slice(&word);
    }
    head.numbers(MATRIX, count + buckets, Some(dim), 4 * dim * (count + buckets));
    out.put(&head.0)?;
    let mut at = head.0.len() + 4 * dim * (count + buckets);
    let mut lengths = Vec::with_capacity(count);
    for (id, _) in words.each() {
        let vector = embeddings.vector(id);
        let length = length(&vector);
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        let unit: Vec<f32> = vector.iter().map(|x| x * scale).collect();
        out.put(bytemuck::cast_slice(&unit))?;
        lengths.push(length);
    }
    let zeros = vec![0; 4 * dim];
    for bucket in 0..buckets as u32 {
        out.put(ngrams.and_then(|ngrams| ngrams.row(bucket, dim)).unwrap_or(&zeros))?;
    }
    let mut tail = Head(vec![0; at % 4]);
    at %= 4;
    tail.numbers(LENGTHS, count, None, 4 * count);
    out.put(&tail.0[at..])?;
    out.put(bytemuck::cast_slice(&lengths))?;
    Ok(words.notes())
}

/// The length of a vector.
fn length(vector: &[f32]) -> f32 {
    vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt() as f32
}

/// The bytes before numbers.
struct Head(Vec<u8>);

impl Head {
    fn u32(&mut self, number: u32) {
        self.0.extend(number.to_le_bytes());
    }

    fn u64(&mut self, number: usize) {
        self.0.extend((number as u64).to_le_bytes());
    }

    /// Begins a chunk of numbers, whose bytes follow.
    fn numbers(&mut self, kind: u32, rows: usize, dim: Option<usize>, bytes: usize) {
        self.u32(kind);
        let sizes = if dim.is_some() { 16 } else { 12 };
        let gap = gap(self.0.len() + 8 + sizes);
        self.u64(sizes + gap + bytes);
        self.u64(rows);
        if let Some(dim) = dim {
            self.u32(dim as u32);
        }
        self.u32(FLOATS);
        self.0.extend(std::iter::repeat_n(0, gap));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(ngrams: bool) -> Embeddings {
        let rows = vec![3.0, 4.0, 0.0, 0.0, 0.5, -0.25];
        let vocab = Vocab::new(&["the", "naïve", "of"], vec![3, 2, 1]);
        let subwords = Subwords { min_n: 2, max_n: 3, buckets: 5 };
        let numbers: Vec<u8> = (0..10).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let ngrams =
            ngrams.then(|| Ngrams { subwords, buckets: None, rows: numbers.into(), pruned: false });
        Embeddings::new(vocab, 2, rows.into(), None, Provenance::default()).with_ngrams(ngrams)
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.fifu");
        for ngrams in [false, true] {
            let before = model(ngrams);
            let format = super::super::Format::named("fifu").unwrap();
            super::super::write(&before, &path, format).unwrap();
            let after = super::super::read(&path).unwrap();
            for (a, b) in before.input().iter().zip(after.input()) {
                assert!((a - b).abs() < 1e-6, "{a} {b}");
            }
            let unseen = |model: &Embeddings| model.find("thenaïve").map(|f| f.vector.into_owned());
            assert_eq!(unseen(&before).ok(), unseen(&after).ok());
            assert_eq!(unseen(&after).is_ok(), ngrams);
        }
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_is_an_error_or_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.fifu");
        let format = super::super::Format::named("fifu").unwrap();
        super::super::write(&model(true), &path, format).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(super::super::read(&path).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            for wrong in [0, b'9', 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = wrong;
                std::fs::write(&path, &bytes).unwrap();
                if let Ok(model) = super::super::read(&path) {
                    let _ = (model.vocab.words().count(), model.find("new").is_ok());
                }
            }
        }
    }
}
