//! Words and vectors, gathered row by row from a file of another program.

use std::path::Path;

use crate::corpus::Vocab;
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};

/// The rows that have been read so far. The words are copied, so that the pages of the file that
/// were read can be given back.
pub(super) struct Rows {
    dim: usize,
    /// The words, one after the other.
    bytes: Vec<u8>,
    /// Where each word ends in `bytes`.
    ends: Vec<u64>,
    vectors: Vec<f32>,
}

impl Rows {
    /// Room for `rows` rows of `dim` numbers. More can follow.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub(super) fn new(path: &Path, rows: usize, dim: usize) -> Result<Self> {
        let mut vectors = Vec::new();
        let room = rows.checked_mul(dim).and_then(|all| vectors.try_reserve_exact(all).ok());
        room.ok_or_else(|| too_large(path, rows, dim))?;
        Ok(Self { dim, bytes: Vec::new(), ends: Vec::with_capacity(rows), vectors })
    }

    /// Adds a row.
    pub(super) fn push(&mut self, word: &[u8], vector: impl IntoIterator<Item = f32>) {
        self.vectors.extend(vector);
        debug_assert_eq!(self.vectors.len(), (self.ends.len() + 1) * self.dim);
        self.bytes.extend_from_slice(word);
        self.ends.push(self.bytes.len() as u64);
    }

    /// Adds the row of a line, whose numbers a function adds to those that are there. It returns the
    /// word.
    ///
    /// # Errors
    /// Those of the function.
    pub(super) fn push_line<'a, E>(
        &mut self,
        parse: impl FnOnce(&mut Vec<f32>) -> std::result::Result<&'a [u8], E>,
    ) -> std::result::Result<(), E> {
        let word = parse(&mut self.vectors)?;
        self.push(word, []);
        Ok(())
    }

    /// Adds a row whose numbers are little-endian bytes.
    pub(super) fn push_bytes(&mut self, word: &[u8], numbers: &[u8]) {
        let numbers = numbers.as_chunks().0;
        self.push(word, numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    }

    /// Adds the rows of `more`.
    pub(super) fn append(&mut self, more: &Self) {
        let begin = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&more.bytes);
        self.ends.extend(more.ends.iter().map(|end| begin + end));
        self.vectors.extend_from_slice(&more.vectors);
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The last word.
    pub(super) fn last_word(&self) -> &[u8] {
        let begin = self.ends.iter().rev().nth(1).map_or(0, |&end| end as usize);
        &self.bytes[begin..]
    }

    /// The vectors of these words. Of rows with the same word, the first one counts; the others are
    /// left out, and a note says how many.
    pub(super) fn finish(mut self, program: &str, mut notes: Vec<String>) -> Embeddings {
        let mut order: Vec<u32> = (0..self.ends.len() as u32).collect();
        let word = |id: u32| {
            let begin = if id == 0 { 0 } else { self.ends[id as usize - 1] };
            &self.bytes[begin as usize..self.ends[id as usize] as usize]
        };
        // The sort is stable, so rows of the same word stay in their order.
        order.sort_by(|&a, &b| word(a).cmp(word(b)));
        let mut repeated = vec![false; self.ends.len()];
        for pair in order.windows(2).filter(|pair| word(pair[0]) == word(pair[1])) {
            repeated[pair[1] as usize] = true;
        }
        match repeated.iter().filter(|&&again| again).count() {
            0 => {}
            1 => notes.push("one line repeats a word and was left out".into()),
            n => notes.push(format!("{n} lines repeat a word and were left out")),
        }
        if repeated.contains(&true) {
            order = self.leave_out(&repeated, &order);
        }
        let Self { dim, bytes, ends, vectors } = self;
        let vocab = Vocab {
            bytes: bytes.into(),
            ends: ends.into(),
            counts: Vec::new().into(),
            order: order.into(),
        };
        let provenance = Provenance { program: program.into(), notes, ..Provenance::default() };
        Embeddings::new(vocab, dim, vectors.into(), None, provenance)
    }

    /// Moves the rows that are kept together, and returns `order` without the others.
    fn leave_out(&mut self, out: &[bool], order: &[u32]) -> Vec<u32> {
        let mut new = vec![0; out.len()];
        let (mut kept, mut begin, mut end) = (0, 0, 0);
        for old in 0..out.len() {
            let word = begin..self.ends[old] as usize;
            begin = word.end;
            if out[old] {
                continue;
            }
            new[old] = kept as u32;
            self.vectors.copy_within(old * self.dim..(old + 1) * self.dim, kept * self.dim);
            let length = word.len();
            self.bytes.copy_within(word, end);
            end += length;
            self.ends[kept] = end as u64;
            kept += 1;
        }
        self.vectors.truncate(kept * self.dim);
        self.bytes.truncate(end);
        self.ends.truncate(kept);
        order.iter().filter(|&&id| !out[id as usize]).map(|&id| new[id as usize]).collect()
    }
}

/// The error for more rows than there is memory for.
pub(super) fn too_large(path: &Path, rows: usize, dim: usize) -> Error {
    Error::input(path, format!("there is not enough memory for {rows} rows of {dim} numbers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_rows_counts() {
        let mut rows = Rows::new(Path::new("f"), 5, 1).unwrap();
        for (i, word) in ["b", "aa", "b", "", "aa", "c"].into_iter().enumerate() {
            rows.push(word.as_bytes(), [i as f32]);
        }
        assert_eq!((rows.len(), rows.last_word()), (6, &b"c"[..]));
        let read = rows.finish("test", vec![]);
        assert_eq!(read.vocab.words().collect::<Vec<_>>(), [&b"b"[..], b"aa", b"", b"c"]);
        assert_eq!(read.input(), [0.0, 1.0, 3.0, 5.0]);
        for (id, word) in ["b", "aa", "", "c"].into_iter().enumerate() {
            assert_eq!(read.vocab.id(word.as_bytes()), Some(id as u32));
        }
        assert_eq!(read.provenance.notes, ["2 lines repeat a word and were left out"]);
    }
}
