//! The words of a model as a format for text can hold them.

use std::borrow::Cow;
use std::ops::Range;

use super::pieces::in_turn;
use crate::embeddings::{Embeddings, is_finite};
use crate::error::Result;
use crate::memory::Staged;

/// About how many numbers are made into text by one thread at a time.
const PIECE: usize = 1 << 17;

/// Which words are written, and how. White space within a word becomes `_` where the format can't
/// hold it. An empty word is left out, and so is one that would be the same as another.
pub(super) struct Words<'a> {
    model: &'a Embeddings,
    /// Whether the format can hold a word.
    fits: fn(&[u8]) -> bool,
    changed: usize,
    left_out: Vec<u32>,
}

impl<'a> Words<'a> {
    pub(super) fn new(model: &'a Embeddings, fits: fn(&[u8]) -> bool) -> Self {
        let mut words = Self { model, fits, changed: 0, left_out: Vec::new() };
        for (id, word) in (0..).zip(model.vocab.words()) {
            match words.spelling(word) {
                Cow::Borrowed([]) => words.left_out.push(id),
                Cow::Borrowed(_) => {}
                Cow::Owned(new) if !fits(&new) || model.vocab.id(&new).is_some() => {
                    words.left_out.push(id);
                }
                Cow::Owned(_) => words.changed += 1,
            }
        }
        words
    }

    /// A word as it is written.
    fn spelling<'w>(&self, word: &'w [u8]) -> Cow<'w, [u8]> {
        if word.is_empty() || (self.fits)(word) {
            return word.into();
        }
        word.iter().map(|&b| if b.is_ascii_whitespace() { b'_' } else { b }).collect()
    }

    /// The number of words that are written.
    pub(super) fn len(&self) -> usize {
        self.model.vocab.len() - self.left_out.len()
    }

    /// The words that are written, with their ids.
    pub(super) fn each(&self) -> impl Iterator<Item = (u32, Cow<'_, [u8]>)> {
        let ids = 0..self.model.vocab.len() as u32;
        let kept = ids.filter(|id| self.left_out.binary_search(id).is_err());
        kept.map(|id| (id, self.spelling(self.model.vocab.word(id))))
    }

    /// Writes every word that can be written, and behind each what `row` makes of its vector. Rows
    /// are made on all threads.
    ///
    /// # Errors
    /// A full disk, for example.
    pub(super) fn write(
        &self,
        out: &mut Staged,
        row: impl Fn(&[f32], &mut Vec<u8>) + Sync,
    ) -> Result<()> {
        self.write_all(out, true, row)
    }

    /// The same without the words.
    ///
    /// # Errors
    /// As [`Words::write`].
    pub(super) fn write_rows(
        &self,
        out: &mut Staged,
        row: impl Fn(&[f32], &mut Vec<u8>) + Sync,
    ) -> Result<()> {
        self.write_all(out, false, row)
    }

    fn write_all(
        &self,
        out: &mut Staged,
        named: bool,
        row: impl Fn(&[f32], &mut Vec<u8>) + Sync,
    ) -> Result<()> {
        let (words, dim) = (self.model.vocab.len(), self.model.dim());
        let rows = (PIECE / dim.max(1)).max(1);
        let all = |ids: Range<usize>| {
            let mut text = Vec::new();
            for id in ids.start as u32..ids.end as u32 {
                if self.left_out.binary_search(&id).is_err() {
                    if named {
                        text.extend_from_slice(&self.spelling(self.model.vocab.word(id)));
                    }
                    row(&self.model.vector(id), &mut text);
                }
            }
            text
        };
        let pieces = (0..words).step_by(rows).map(|first| first..words.min(first + rows));
        in_turn(pieces, all, |text| out.put(&text))
    }

    /// What a user should know about words that are not written as they are.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.changed > 0 {
            let n = self.changed;
            notes.push(format!("white space in words was written as _ (words: {n})"));
        }
        if let Some(&first) = self.left_out.first() {
            let (n, first) = (self.left_out.len(), self.model.vocab.text(first));
            notes.push(format!(
                "words that this format can't hold were left out: {n}, first '{first}'"
            ));
        }
        notes
    }
}

/// Adds a line of numbers alone, with spaces between them.
pub fn put_line(vector: &[f32], line: &mut Vec<u8>) {
    put_fields(vector, b' ', line);
}

/// Adds the numbers of a line of text, each behind a space, and the line's end.
pub(super) fn put_numbers(vector: &[f32], line: &mut Vec<u8>) {
    line.push(b' ');
    put_fields(vector, b' ', line);
}

/// The most bytes of a number and of what is behind it.
const NUMBER: usize = 25;

/// Adds a line of numbers alone, with something between them. They are the shortest digits that read
/// back as the same float.
pub(super) fn put_fields(vector: &[f32], between: u8, line: &mut Vec<u8>) {
    let (finite, mut at) = (is_finite(vector), line.len());
    line.resize(at + vector.len() * NUMBER + 1, between);
    let mut digits = zmij::Buffer::new();
    for (place, &x) in vector.iter().enumerate() {
        at += usize::from(place > 0);
        let text = if finite { digits.format_finite(x) } else { digits.format(x) };
        let text = text.strip_suffix(".0").unwrap_or(text).as_bytes();
        copy(text, &mut line[at..at + text.len()]);
        at += text.len();
    }
    line[at] = b'\n';
    line.truncate(at + 1);
}

/// Copies a few bytes. Two moves of eight take less time than a call.
#[inline(always)]
fn copy(from: &[u8], to: &mut [u8]) {
    if (8..=16).contains(&from.len()) {
        let last = from.len() - 8;
        to[..8].copy_from_slice(&from[..8]);
        to[last..last + 8].copy_from_slice(&from[last..]);
    } else {
        to.copy_from_slice(from);
    }
}
