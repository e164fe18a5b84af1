//! The words of a model as a format for text can hold them.

use std::borrow::Cow;

use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::memory::Staged;

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
                Cow::Owned(new) if model.vocab.id(&new).is_some() => words.left_out.push(id),
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

    /// Calls `each` with the id of every word that is written, and its spelling.
    ///
    /// # Errors
    /// Those of `each`.
    pub(super) fn each(&self, mut each: impl FnMut(u32, &[u8]) -> Result<()>) -> Result<()> {
        let mut left_out = self.left_out.iter().peekable();
        for (id, word) in (0..).zip(self.model.vocab.words()) {
            if left_out.next_if_eq(&&id).is_none() {
                each(id, &self.spelling(word))?;
            }
        }
        Ok(())
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

/// Writes the numbers of a line of text, each behind a space, and the line's end. `line` is room for
/// them.
pub(super) fn put_numbers(out: &mut Staged, vector: &[f32], line: &mut String) -> Result<()> {
    use std::fmt::Write;
    line.clear();
    // Rust writes the shortest digits that read back as the same float.
    for x in vector {
        let _ = write!(line, " {x}");
    }
    line.push('\n');
    out.put(line.as_bytes())
}
