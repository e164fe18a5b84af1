//! Files of word vectors: recognising the format of a file, reading it, and writing it. Each format
//! is one source file and one entry of `ALL`.
//!
//! This file is over 300 lines because a third of it is tests.

pub mod contexts;
pub mod counts;
mod fasttext;
mod finalfusion;
mod floret;
mod glove;
mod lines;
mod model;
mod numpy;
#[cfg(feature = "parquet")]
mod parquet;
mod pieces;
mod projector;
mod rows;
mod static_embedding;
mod vendor;
mod word2vec;
mod written;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use self::floret::write_floret;
pub use self::numpy::write_npy;
#[cfg(feature = "parquet")]
pub use self::parquet::write_parquet;
pub use self::vendor::{ImportOptions, import};
pub use self::written::put_line;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged, Width, replace};
use crate::tables::{Role, Weights, is_model};
use crate::text::{Packing, unpack_beside};
/// All formats, in the order in which a file's content is tried. The last ones are only written.
const ALL: &[Format] = &[
    Format(&model::FORMAT),
    Format(&fasttext::FORMAT),
    Format(&fasttext::quantise::FORMAT),
    Format(&finalfusion::FORMAT),
    Format(&floret::FORMAT),
    Format(&word2vec::TEXT),
    Format(&word2vec::BINARY),
    Format(&glove::FORMAT),
    Format(&numpy::FORMAT),
    #[cfg(feature = "parquet")]
    Format(&parquet::FORMAT),
    Format(&projector::FORMAT),
    Format(&static_embedding::FORMAT),
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
    /// How files are read. Formats without this are written for other programs, and `import` may read
    /// them.
    reads: Option<Reads>,
    writes: Writes,
    /// The widths that numbers can have besides 32 bits.
    widths: &'static [Width],
    /// About how many bytes a model takes.
    size: fn(&Contents) -> u64,
}

/// How a format is read.
struct Reads {
    /// Whether a file's content is in this format.
    looks: fn(&[u8]) -> bool,
    read: fn(&Path, &Mapped<u8>) -> Result<Embeddings>,
}

/// How a model is written. The function returns what a user should know about how it was done.
enum Writes {
    /// To one file.
    File(fn(&Embeddings, &mut Staged) -> Result<Vec<String>>),
    /// To several files beside the path, which are all replaced once they are written.
    Files(fn(&Embeddings, &Path, &mut Vec<Staged>) -> Result<Vec<String>>),
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
    Tags,
    /// How text is divided into pieces.
    Pieces,
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
    /// The number of tags.
    pub tags: u64,
    /// The bytes of the names of all tags together.
    pub tag_bytes: u64,
}

impl Part {
    const ALL: [Self; 9] = [
        Self::Counts,
        Self::Output,
        Self::Ngrams,
        Self::Pruning,
        Self::Positions,
        Self::Tags,
        Self::Pieces,
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
            Self::Tags => "vectors of tags",
            Self::Pieces => "rules for pieces of words",
            Self::Settings | Self::Losses => "history",
        }
    }

    fn is_in(self, model: &Embeddings) -> bool {
        match self {
            Self::Counts => !model.vocab.counts.is_empty(),
            Self::Output => model.has_output(),
            Self::Ngrams => model.ngrams().is_some(),
            Self::Pruning => model.ngrams().is_some_and(|ngrams| ngrams.pruned),
            Self::Positions => model.positions().is_some(),
            Self::Tags => model.tags().is_some(),
            Self::Pieces => model.pieces().is_some(),
            Self::Settings => !model.provenance.method.is_empty(),
            Self::Losses => !model.provenance.losses.is_empty(),
        }
    }
}

impl Format {
    /// wordloom's own format.
    pub fn own() -> Self {
        Self(&model::FORMAT)
    }

    /// All formats.
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().copied()
    }

    /// Whether files in this format are read as models.
    pub fn is_read(self) -> bool {
        self.0.reads.is_some()
    }

    /// Whether numbers can have this width.
    pub fn has_width(self, width: Width) -> bool {
        width == Width::F32 || self.0.widths.contains(&width)
    }

    /// Whether a model in this format is a folder of files.
    pub fn is_folder(self) -> bool {
        self == Self(&static_embedding::FORMAT)
    }

    /// Whether a table is fitted to the vectors, which takes a while.
    pub fn is_fitted(self) -> bool {
        self == Self(&floret::FORMAT)
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
    /// stands for, or else wordloom's own if there is no extension. If two formats have the same
    /// extension, a model with n-grams (`ngrams`) takes the one that holds them, and any other
    /// model takes the other one. An extension `.gz` or `.zst` stands behind that of the format.
    ///
    /// # Errors
    /// [`Error::Input`] for an extension that stands for no format.
    pub fn to_write(path: &Path, named: Option<Self>, ngrams: bool) -> Result<Self> {
        let unpacked = path.with_extension("");
        let path_of_format = if Packing::named(path).is_some() { &unpacked } else { path };
        let extension = path_of_format.extension().map(|e| e.to_string_lossy().to_lowercase());
        let stands = |format: &Self| {
            extension.as_ref().is_some_and(|e| format.0.extensions.contains(&e.as_str()))
        };
        let fits = |format: &Self| format.0.holds.contains(&Part::Ngrams) == ngrams;
        let by_name = Self::all().filter(stands).find(fits).or_else(|| Self::all().find(stands));
        if let Some(format) = named.or(by_name) {
            return Ok(format);
        }
        let Some(extension) = extension else { return Ok(Self::own()) };
        if extension == "parquet" {
            return Err(Error::input(path, NO_PARQUET));
        }
        let mut known: Vec<String> =
            Self::all().flat_map(|f| f.0.extensions).map(|e| format!(".{e}")).collect();
        known.sort();
        known.dedup();
        let known = known.join(", ");
        let problem = format!(
            ".{extension} stands for no format: end the name in one of {known}, or name a format by `to`"
        );
        Err(Error::input(path, problem))
    }

    /// The format of a file, recognised by its content.
    pub fn of_content(file: &[u8]) -> Option<Self> {
        let file = file.strip_prefix(MARK).unwrap_or(file);
        Self::all().find(|format| format.0.reads.as_ref().is_some_and(|reads| (reads.looks)(file)))
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

/// What is said where Parquet is not built in.
pub(crate) const NO_PARQUET: &str = "is Parquet, which a build with the feature `parquet` knows: \
                                     cargo install --path . --features parquet";

/// The bytes by which the format of a packed file is recognised.
const HEAD: u64 = 4 << 20;

/// Opens a file of word vectors. One that is packed with gzip or zstd is unpacked into a temporary
/// file, which disappears with the value that is returned.
///
/// # Errors
/// A missing file, a damaged packed one, or a full disk.
pub fn open(path: &Path) -> Result<Mapped<u8>> {
    let file = Mapped::open(path)?;
    match Packing::of(&file) {
        None => Ok(file),
        Some(packing) => {
            let place = std::env::temp_dir().join("wordloom-unpacked");
            let unpacked = unpack_beside(path, packing, &place)?;
            Mapped::open(unpacked.temporary())
        }
    }
}

/// Whether a file has word vectors, by its beginning, or a folder a transformer. A file that can't be
/// read has none.
pub fn is_vectors(path: &Path) -> bool {
    if is_model(path) {
        return true;
    }
    let looks = || {
        let file = Mapped::open(path)?;
        let Some(packing) = Packing::of(&file) else { return Ok(Format::of_content(&file)) };
        let mut head = Vec::new();
        let unpacked = packing.unpack(path, File::open(path).map_err(Error::io(path))?);
        unpacked.take(HEAD).read_to_end(&mut head).map_err(Error::io(path))?;
        Ok::<_, Error>(Format::of_content(&head))
    };
    looks().is_ok_and(|format| format.is_some())
}

/// Opens a file of word vectors in any format that can be read. The format is recognised by the
/// content. The numbers of a file that is mapped are not looked at: see
/// [`Embeddings::check_finite`].
///
/// # Errors
/// A missing file, one of no known format, or a damaged one. A file of another program is damaged,
/// too, if one of its numbers is not finite.
pub fn read(path: &Path) -> Result<Embeddings> {
    read_table(path, None)
}

/// [`read`] for one of the tables of a transformer: `token`, `position` or `segment`, or the name of
/// a tensor. Without a name it is the token matrix, or whatever a file of vectors has.
///
/// # Errors
/// As [`read`], and as [`Weights::table`].
pub fn read_table(path: &Path, table: Option<&str>) -> Result<Embeddings> {
    if let Some(table) = of_transformer(path, table) {
        return Weights::open(path)?.table(table);
    }
    let file = open(path)?;
    let model = parse(path, &file)?;
    if Format::of_content(&file) != Some(Format::own()) {
        model.check_finite().map_err(|e| Error::input(path, e.to_string()))?;
    }
    Ok(model)
}

/// [`read_table`] without a look at the numbers: see [`Embeddings::check_finite`].
///
/// # Errors
/// As [`read_table`].
pub fn load(path: &Path, table: Option<&str>) -> Result<Embeddings> {
    match of_transformer(path, table) {
        Some(table) => Weights::open(path)?.table(table),
        None => parse(path, &open(path)?),
    }
}

/// The table of a transformer that is asked for: the one that is named, or the token matrix where the
/// path can be of nothing else.
fn of_transformer<'a>(path: &Path, table: Option<&'a str>) -> Option<&'a str> {
    table.or_else(|| (path.is_dir() || is_model(path)).then_some(Role::Token.name()))
}

/// Reads word vectors from a file that is in memory. Errors name it by `path`. The numbers are not
/// looked at: see [`Embeddings::check_finite`].
///
/// # Errors
/// A file of no known format, or a damaged one.
pub fn parse(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    if let Some(text) = without_mark(file) {
        return parse(path, &text);
    }
    if let Some(reads) = Format::of_content(file).and_then(|format| format.0.reads.as_ref()) {
        return (reads.read)(path, file);
    }
    if file.is_empty() {
        return Err(Error::format(path, 0, "an empty file, not a model"));
    }
    let read = Format::all().filter(|format| format.is_read());
    let mut programs: Vec<_> = read.map(|format| format.0.program).collect();
    programs.dedup();
    let programs = programs.join(" nor of ");
    let problem =
        format!("neither a file of vectors of {programs}: train one with `wordloom train`");
    Err(Error::format(path, 0, problem))
}

/// What follows the byte order mark, if there is one.
fn without_mark(file: &Mapped<u8>) -> Option<Mapped<u8>> {
    if file.starts_with(MARK) { file.part(MARK.len()..file.len()) } else { None }
}

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Writes word vectors to `path`, in one step: an existing file is replaced whole or not at all. If
/// the name of the file ends in `.gz` or `.zst`, it is packed. Returns what a user should know
/// about how words were written, one line for each.
///
/// # Errors
/// When the file can't be written, the format can't hold the model, or a number is not finite.
pub fn write(embeddings: &Embeddings, path: &Path, format: Format) -> Result<Vec<String>> {
    embeddings.check_finite().map_err(|e| Error::input(path, e.to_string()))?;
    let write = match format.0.writes {
        Writes::File(write) => write,
        Writes::Files(_) if Packing::named(path).is_some() => {
            let problem = "several files are not packed: leave out the last part of the name";
            return Err(Error::input(path, problem));
        }
        Writes::Files(write) => {
            let mut files = Vec::new();
            let notes = write(embeddings, path, &mut files)?;
            files.into_iter().try_for_each(Staged::finish)?;
            return Ok(notes);
        }
    };
    let Some(packing) = Packing::named(path) else {
        return replace(path, |out| write(embeddings, out));
    };
    let mut plain = Staged::new(path)?;
    let notes = write(embeddings, &mut plain)?;
    std::io::Write::flush(&mut plain).map_err(Error::io(path))?;
    let plain_file = File::open(plain.temporary()).map_err(Error::io(path))?;
    replace(path, |out| packing.pack(plain_file, out).map_err(Error::io(path)))?;
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_follow_names_unless_told() {
        let to_write = |name: &str, named: Option<&str>, ngrams| {
            let named = named.and_then(Format::named);
            Format::to_write(Path::new(name), named, ngrams).map_or("none", Format::name)
        };
        assert_eq!(to_write("a.vec", None, false), "text");
        assert_eq!(to_write("a", None, true), "safetensors");
        assert_eq!(to_write("a.model", None, true), "none");
        assert_eq!(to_write("a.model", Some("text"), true), "text");
        assert_eq!(to_write("a.ftz", None, true), "ftz");
        assert_eq!(to_write("a.vec.gz", None, false), "text");
        assert_eq!(to_write("a.bin.ZST", None, true), "fasttext");
        assert_eq!(to_write("a.gz", None, false), "safetensors");
        assert_eq!(to_write("a.vec", Some("binary"), true), "binary");
        assert_eq!(to_write("a.BIN", None, false), "binary");
        assert_eq!(to_write("a.bin", None, true), "fasttext");
        assert_eq!(to_write("a.vec", None, true), "text", "no other format has this extension");
    }

    #[test]
    fn packed_files_are_read_and_written_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let text = "2 2\nthe 1 2\nof 3 -4.5\n";
        let plain = folder.path().join("m.vec");
        std::fs::write(&plain, text).unwrap();
        let model = read(&plain).unwrap();
        for name in ["m.vec.gz", "m.vec.zst", "m.bin.gz"] {
            let path = folder.path().join(name);
            write(&model, &path, Format::to_write(&path, None, false).unwrap()).unwrap();
            assert!(is_vectors(&path), "{name}");
            assert_eq!(Packing::of(&std::fs::read(&path).unwrap()), Packing::named(&path));
            let again = read(&path).unwrap();
            assert_eq!(again.input(), model.input(), "{name}");
            assert_eq!(again.vocab.text(1), "of");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing else is left");
        std::fs::write(&plain, format!("\u{feff}{text}")).unwrap();
        assert_eq!(read(&plain).unwrap().input(), model.input(), "a byte order mark");
    }

    #[test]
    fn numbers_that_are_not_finite_are_neither_read_nor_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.vec");
        for number in ["nan", "-nan", "inf", "1e39"] {
            std::fs::write(&path, format!("2 2\nthe 1 2\nof 3 {number}\n")).unwrap();
            let error = read(&path).err().map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains("'of'"), "{number}: {error}");
            let model = parse(&path, &open(&path).unwrap()).unwrap();
            assert_eq!(model.count_not_finite(), 1);
            assert!(model.find("the").is_ok() && model.find("of").is_err());
            assert!(write(&model, &path, Format::named("text").unwrap()).is_err());
            let rest = model.without_not_finite();
            assert_eq!(rest.vocab.words().collect::<Vec<_>>(), [b"the"]);
            write(&rest, &path, Format::named("text").unwrap()).unwrap();
        }
    }

    #[test]
    fn names_are_unique() {
        for format in Format::all() {
            assert_eq!(Format::named(format.name()), Some(format));
        }
    }
}
