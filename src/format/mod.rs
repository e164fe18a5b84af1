//! Files of word vectors: recognising the format of a file, reading it, and writing it. Each format
//! is one source file and one entry of `ALL`.

mod bytes;
pub mod counts;
mod fasttext;
mod glove;
mod model;
mod safetensors;
mod word2vec;

use std::path::Path;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::memory::Mapped;
/// All formats, in the order in which a file's content is tried.
const ALL: [Format; 5] = [
    Format(&model::FORMAT),
    Format(&fasttext::FORMAT),
    Format(&word2vec::TEXT),
    Format(&word2vec::BINARY),
    Format(&glove::FORMAT),
];

/// A file format for word vectors.
#[derive(Clone, Copy)]
pub struct Format(&'static Kind);

/// The properties of a format.
struct Kind {
    /// Its name on the command line.
    name: &'static str,
    /// Its line in the help.
    help: &'static str,
    /// The program that it comes from.
    program: &'static str,
    /// The extensions of file names that stand for it.
    extensions: &'static [&'static str],
    /// The parts of a model that it holds besides words and input vectors.
    holds: &'static [Part],
    /// Whether a file's content is in this format.
    looks: fn(&[u8]) -> bool,
    read: fn(&Path, &Mapped<u8>) -> Result<Embeddings>,
    write: fn(&Embeddings, &Path) -> Result<()>,
    /// About how many bytes a model takes.
    size: fn(&Contents) -> u64,
}

/// A part of a model besides words and input vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Counts,
    Output,
    Ngrams,
    /// Which n-grams pruning has left. The lengths of the vectors of unseen words depend on it.
    Pruning,
    Positions,
    Settings,
    Losses,
}

/// The sizes of a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Contents {
    /// The number of words in the vocabulary.
    pub words: u64,
    /// The bytes of all words together.
    pub bytes: u64,
    /// The dimension of the vectors.
    pub dim: u64,
    /// The number of matrices with a row for each word.
    pub matrices: u64,
    /// The number of buckets of n-grams that have a row.
    pub buckets: u64,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::Counts,
        Self::Output,
        Self::Ngrams,
        Self::Pruning,
        Self::Positions,
        Self::Settings,
        Self::Losses,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Counts => "counts",
            Self::Output => "output vectors",
            Self::Ngrams => "n-grams",
            Self::Pruning => "lengths of unseen words' vectors",
            Self::Positions => "weights of positions",
            Self::Settings | Self::Losses => "history",
        }
    }

    fn is_in(self, model: &Embeddings) -> bool {
        match self {
            Self::Counts => !model.vocab.counts.is_empty(),
            Self::Output => model.output().is_some(),
            Self::Ngrams => model.ngrams().is_some(),
            Self::Pruning => model.ngrams().is_some_and(|ngrams| ngrams.pruned),
            Self::Positions => model.positions().is_some(),
            Self::Settings => !model.provenance.method.is_empty(),
            Self::Losses => !model.provenance.losses.is_empty(),
        }
    }
}

impl Format {
    /// All formats.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter()
    }

    /// The name of the format.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// A description of the format, in a line.
    pub fn help(self) -> &'static str {
        self.0.help
    }

    /// The format called `name`, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|format| format.0.name == name)
    }

    /// The format in which to write to `path`: the `named` one, or else the one that the extension
    /// stands for, or else wordloom's own. If two formats have the same extension, a model with
    /// n-grams (`ngrams`) takes the one that holds them, and any other model takes the other one.
    pub fn to_write(path: &Path, named: Option<Self>, ngrams: bool) -> Self {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let stands = |format: &Self| {
            extension.as_ref().is_some_and(|e| format.0.extensions.contains(&e.as_str()))
        };
        let fits = |format: &Self| format.0.holds.contains(&Part::Ngrams) == ngrams;
        let by_name = Self::all().filter(stands).find(fits).or_else(|| Self::all().find(stands));
        named.or(by_name).unwrap_or(Self(&model::FORMAT))
    }

    /// The format of a file, recognised by its content.
    pub fn of_content(file: &[u8]) -> Option<Self> {
        Self::all().find(|format| (format.0.looks)(file))
    }

    /// The names of those parts of `model` that a file in this format would leave out.
    pub fn leaves_out(self, model: &Embeddings) -> Vec<&'static str> {
        let lost = |part: &Part| part.is_in(model) && !self.0.holds.contains(part);
        let mut names: Vec<_> = Part::ALL.into_iter().filter(lost).map(Part::name).collect();
        names.dedup();
        names
    }

    /// About how many bytes a model takes.
    pub fn size(self, of: &Contents) -> u64 {
        (self.0.size)(of)
    }
}

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}

/// Opens a file of word vectors in any format that can be read. The format is recognised by the
/// content.
///
/// # Errors
/// A missing file, one of no known format, or a damaged one.
pub fn read(path: &Path) -> Result<Embeddings> {
    parse(path, &Mapped::open(path)?)
}

/// Reads word vectors as [`read`] does, from a file that is in memory. Errors name it by `path`.
///
/// # Errors
/// A file of no known format, or a damaged one.
pub fn parse(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    if let Some(format) = Format::of_content(file) {
        return (format.0.read)(path, file);
    }
    if file.is_empty() {
        return Err(Error::format(path, 0, "an empty file, not a model"));
    }
    let mut programs: Vec<_> = Format::all().map(|format| format.0.program).collect();
    programs.dedup();
    let programs = programs.join(" nor of ");
    let problem =
        format!("neither a file of vectors of {programs}: train one with `wordloom train`");
    Err(Error::format(path, 0, problem))
}

/// Writes word vectors to `path`, in one step: an existing file is replaced whole or not at all.
///
/// # Errors
/// When the file can't be written, or the format can't hold a word.
pub fn write(embeddings: &Embeddings, path: &Path, format: Format) -> Result<()> {
    (format.0.write)(embeddings, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_follow_names_unless_told() {
        let to_write = |name: &str, named: Option<&str>, ngrams| {
            let named = named.and_then(Format::named);
            Format::to_write(Path::new(name), named, ngrams).name()
        };
        assert_eq!(to_write("a.vec", None, false), "text");
        assert_eq!(to_write("a.model", None, true), "safetensors");
        assert_eq!(to_write("a.vec", Some("binary"), true), "binary");
        assert_eq!(to_write("a.BIN", None, false), "binary");
        assert_eq!(to_write("a.bin", None, true), "fasttext");
        assert_eq!(to_write("a.vec", None, true), "text", "no other format has this extension");
    }

    #[test]
    fn names_are_unique() {
        for format in Format::all() {
            assert_eq!(Format::named(format.name()), Some(format));
        }
    }
}
