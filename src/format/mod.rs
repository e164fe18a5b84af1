//! Files of word vectors: which format a file is in, reading it, writing it. One format, one file.

mod bytes;
pub mod counts;
pub mod fasttext;
pub mod glove;
pub mod native;
pub mod word2vec;

use std::path::Path;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::mapped::Mapped;

/// The formats that are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// wordloom's model: a safetensors file with everything in it (.safetensors)
    Safetensors,
    /// word2vec text: a line with the sizes, then a word and its numbers a line (.txt, .vec)
    Text,
    /// word2vec binary (.bin)
    Binary,
    /// fastText's model, with n-grams (.bin; .ftz is read)
    #[value(name = "fasttext")]
    FastText,
    /// GloVe's text: as word2vec's, without the line of the sizes
    Glove,
}

impl Format {
    /// The format that a name's extension stands for.
    pub fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_lowercase().as_str() {
            "safetensors" => Some(Self::Safetensors),
            "txt" | "vec" => Some(Self::Text),
            "bin" => Some(Self::Binary),
            _ => None,
        }
    }

    /// The format that a file's content shows.
    pub fn of_content(file: &[u8]) -> Option<Self> {
        if fasttext::looks_fasttext(file) {
            Some(Self::FastText)
        } else if native::looks_native(file) {
            Some(Self::Safetensors)
        } else if word2vec::looks_text(file) {
            Some(Self::Text)
        } else if word2vec::looks_binary(file) {
            Some(Self::Binary)
        } else if glove::looks_glove(file) {
            Some(Self::Glove)
        } else {
            None
        }
    }
}

/// Opens a file of word vectors in any format that is read, told by its content.
///
/// # Errors
/// A missing file, one of no known format, or a damaged one.
pub fn read(path: &Path) -> Result<Embeddings> {
    parse(path, &Mapped::open(path)?)
}

/// The same for a file that is in memory; `path` is what errors call it.
///
/// # Errors
/// A file of no known format, or a damaged one.
pub fn parse(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    match Format::of_content(file) {
        Some(Format::Safetensors) => native::read(path, file),
        Some(Format::Text) => word2vec::read_text(path, file),
        Some(Format::Binary) => word2vec::read_binary(path, file),
        Some(Format::FastText) => fasttext::read(path, file),
        Some(Format::Glove) => glove::read(path, file),
        None if file.is_empty() => Err(Error::format(path, 0, "an empty file, not a model")),
        None => Err(Error::format(
            path,
            0,
            "neither a wordloom model nor vectors of fastText, word2vec or GloVe: train one with `wordloom train`",
        )),
    }
}

/// Writes word vectors to `path`, in one step: a file that stood there is replaced whole or not at all.
///
/// # Errors
/// When the file can't be written, or the format can't hold a word.
pub fn write(embeddings: &Embeddings, path: &Path, format: Format) -> Result<()> {
    match format {
        Format::Safetensors => native::write(embeddings, path),
        Format::Text => word2vec::write_text(embeddings, path),
        Format::Binary => word2vec::write_binary(embeddings, path),
        Format::FastText => fasttext::write(embeddings, path),
        Format::Glove => glove::write(embeddings, path),
    }
}
