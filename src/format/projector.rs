//! What the Embedding Projector of `TensorBoard` loads: a table of vectors, and one of their words.

use std::path::Path;

use super::numpy::beside;
use super::word2vec::text_size;
use super::written::{Words, put_fields};
use super::{Kind, Part, Writes};
use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::memory::Staged;

pub(super) const FORMAT: Kind = Kind {
    name: "tsv",
    help: "Embedding Projector's tables: vectors, and OUT.metadata.tsv with the words (.tsv)",
    program: "the Embedding Projector",
    extensions: &["tsv"],
    holds: &[Part::Counts],
    reads: None,
    writes: Writes::Files(write),
    widths: &[],
    size: text_size,
};

/// A table of one column has no line of titles there, and one of several columns has one.
fn write(embeddings: &Embeddings, path: &Path, files: &mut Vec<Staged>) -> Result<Vec<String>> {
    let (mut vectors, mut about) =
        (Staged::new(path)?, Staged::new(&beside(path, ".metadata.tsv"))?);
    let words = Words::new(embeddings, |word| !word.iter().any(|b| b"\n\r\t".contains(b)));
    let counted = !embeddings.vocab.counts.is_empty();
    if counted {
        about.put(b"word\tcount\n")?;
    }
    for (id, word) in words.each() {
        about.put(&word)?;
        if let Some(count) = embeddings.vocab.count(id) {
            about.put(format!("\t{count}").as_bytes())?;
        }
        about.put(b"\n")?;
    }
    words.write_rows(&mut vectors, |vector, line| put_fields(vector, b'\t', line))?;
    let mut notes = words.notes();
    notes.push(format!("the words are in {}", about.path().display()));
    files.extend([vectors, about]);
    Ok(notes)
}
