//! The encoded corpus, which every trainer reads: token ids, sentence ends and the vocabulary, in
//! one mapped file.
//!
//! ```text
//! magic (16 bytes) · zeros to byte 64 · tokens u32… · sentence ends u64… · word bytes
//! · word ends u64… · counts u64… · order u32… · header (bincode) · header length u64 · magic
//! ```
//!
//! All numbers are little-endian; sections begin at multiples of 64 bytes and are named in the
//! header, so that a later version can add sections. Where sequences have tags, six sections follow
//! `order`: `tag ends` u64 (a sequence each) and `tags` u32, then the vocabulary of tags, `tag words`
//! to `tag order`. Any source of sequences of tokens can implement [`Produce`]; [`TextOptions`] does
//! so for text, and [`Documents`] for documents with tags.
//!
//! This file is over 300 lines because the reader and the writer of the layout stand together, with
//! their tests.

pub mod cache;
pub(crate) mod columns;
mod count;
mod documents;
mod encode;
mod ends;
mod given;
pub(crate) mod paths;
mod tags;
mod texts;
mod vocab;

use std::io::Seek;
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytemuck::Pod;
use xxhash_rust::xxh3::Xxh3;

pub(crate) use self::count::Counter;
pub use self::documents::{DocumentOptions, Documents};
pub(crate) use self::encode::add_identity;
pub use self::encode::{MoreText, TextOptions};
use self::ends::Ends;
pub use self::given::Given;
pub use self::tags::Tags;
pub use self::texts::Texts;
pub use self::vocab::Vocab;
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};
use crate::progress::Progress;
pub use crate::text::{Tokenizer, expand, trim, words};

const MAGIC: &[u8; 16] = b"wordloom corpus2";

/// The most notes that a corpus keeps.
const MAX_NOTES: usize = 20;

/// Facts about a corpus and the text that it was made from.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    bincode::Encode,
    bincode::Decode,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Facts {
    /// Words in the text.
    pub words_read: u64,
    /// Different words in the text.
    pub types_read: u64,
    /// Bytes of text, after unpacking.
    pub bytes_read: u64,
    /// Words that are not UTF-8.
    pub invalid_utf8: u64,
    /// Words that the vocabulary knows: the tokens of the corpus.
    pub tokens: u64,
    /// Sentences with a known word.
    pub sentences: u64,
    /// Size of the vocabulary.
    pub vocabulary: u64,
    /// xxh3 of tokens, sentence ends and vocabulary.
    pub hash: u64,
}

#[derive(bincode::Encode, bincode::Decode)]
struct Header {
    facts: Facts,
    /// The name of each section, and its offset and length in bytes.
    sections: Vec<(String, u64, u64)>,
    notes: Vec<String>,
}

/// An encoded corpus, mapped.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The path of the file.
    pub path: PathBuf,
    /// The words behind the ids.
    pub vocab: Vocab,
    /// Facts about the corpus and its text.
    pub facts: Facts,
    /// What the user should know about how the text was read, one line for each.
    pub notes: Vec<String>,
    /// The files that it was made from, as they were named; empty where that is not known.
    pub sources: Vec<String>,
    tokens: Mapped<u32>,
    ends: Mapped<u64>,
    tags: Option<Tags>,
}

/// A source of a corpus: text, or anything else that consists of sequences of tokens.
pub trait Produce: Sync {
    /// The key of the corpus in a cache: a hash of everything that determines it. `None` when the
    /// corpus can't be made twice, such as one from standard input.
    ///
    /// # Errors
    /// When an input can't be examined.
    fn key(&self) -> Result<Option<u64>>;

    /// The files that the corpus is made from, as they were named: by default none.
    fn sources(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Writes the sequences. Returns the vocabulary, and the facts that are known about the source.
    ///
    /// # Errors
    /// A faulty source, a full disk, or [`Error::Stopped`].
    fn write(&self, writer: &mut CorpusWriter, progress: &Progress) -> Result<(Vocab, Facts)>;
}

/// Makes a corpus file at `path`, on the threads of the current rayon pool. The result does not
/// depend on their number.
///
/// # Errors
/// As [`Produce::write`].
pub fn encode(producer: &impl Produce, path: &Path, progress: &Progress) -> Result<Corpus> {
    let mut writer = CorpusWriter::new(path)?;
    let (vocab, facts) = producer.write(&mut writer, progress)?;
    writer.sources = producer.sources().iter().map(|path| path.display().to_string()).collect();
    writer.finish(&vocab, facts)
}

/// Makes a corpus in a temporary file beside `path`, whose name is removed at once: the file
/// disappears with its last mapping. (Where the system does not allow that, the next corpus made
/// there removes it.)
fn encode_once(producer: &impl Produce, path: &Path, progress: &Progress) -> Result<Corpus> {
    let mut writer = CorpusWriter::new(path)?;
    let (vocab, facts) = producer.write(&mut writer, progress)?;
    let mut staged = writer.seal(&vocab, facts)?;
    std::io::Write::flush(&mut staged).map_err(Error::io(path))?;
    Corpus::open(staged.temporary())
}

impl Corpus {
    /// Opens an encoded corpus by mapping it.
    ///
    /// # Errors
    /// When the file is missing, cut short, damaged, or of another version.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Mapped::open(path)?;
        let bad = |problem: &str| Error::format(path, file.len() as u64, problem);
        let tail = MAGIC.len() + 8;
        if file.len() < 64 + tail || &file[..16] != MAGIC || &file[file.len() - 16..] != MAGIC {
            return Err(bad("not an encoded corpus of this version, or cut short"));
        }
        let length =
            u64::from_le_bytes(file[file.len() - tail..][..8].try_into().unwrap_or_default());
        let end = file.len() - tail;
        let start = usize::try_from(length)
            .ok()
            .and_then(|l| end.checked_sub(l))
            .ok_or_else(|| bad("bad header length"))?;
        let limited = bincode::config::standard().with_limit::<{ 1 << 16 }>();
        let (header, _): (Header, usize) = bincode::decode_from_slice(&file[start..end], limited)
            .map_err(|e| bad(&format!("unreadable header: {e}")))?;
        let sections = Sections { file: &file, header: &header, path };
        let tagged = header.sections.iter().any(|(name, ..)| name == "tags");
        let tags = || -> Result<Tags> {
            let names = sections.vocab(TAG_SECTIONS)?;
            Ok(Tags { names, ends: sections.get("tag ends")?, ids: sections.get("tags")? })
        };
        let tags = tagged.then(tags).transpose()?;
        let corpus = Self {
            path: path.to_path_buf(),
            vocab: sections.vocab(WORD_SECTIONS)?,
            tokens: sections.get("tokens")?,
            ends: sections.get("ends")?,
            tags,
            facts: header.facts.clone(),
            notes: header.notes.clone(),
            sources: if header.sections.iter().any(|(name, ..)| name == SOURCES) {
                lines_of(&sections.get::<u8>(SOURCES)?)
            } else {
                Vec::new()
            },
        };
        let last = corpus.ends.last().copied().unwrap_or(0);
        if corpus.tokens.len() as u64 != corpus.facts.tokens
            || last != corpus.facts.tokens
            || !corpus.ends.is_sorted()
        {
            return Err(sections.unequal());
        }
        if let Some(tags) = &corpus.tags
            && (tags.ends.len() != corpus.ends.len() || !tags.are_named())
        {
            return Err(sections.unequal());
        }
        if corpus.hash() != corpus.facts.hash {
            return Err(bad(
                "a damaged encoded corpus, which has another hash than it should: remove it",
            ));
        }
        Ok(corpus)
    }

    /// The hash of what the file holds, which is to be `facts.hash`.
    fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(bytemuck::cast_slice(&self.tokens));
        hash.update(bytemuck::cast_slice(&self.ends));
        for part in parts_of(&self.vocab) {
            hash.update(part);
        }
        if let Some(tags) = &self.tags {
            hash.update(bytemuck::cast_slice(&tags.ends));
            hash.update(bytemuck::cast_slice(&tags.ids));
            for part in parts_of(&tags.names) {
                hash.update(part);
            }
        }
        hash.digest()
    }

    /// Whether a file is an encoded corpus, by its first bytes.
    pub fn is_corpus(path: &Path) -> bool {
        let mut head = [0; MAGIC.len()];
        let read = |mut file: std::fs::File| std::io::Read::read_exact(&mut file, &mut head);
        // A pipe must not be read from: bytes that are read from it are lost to the next reader.
        let regular = std::fs::metadata(path).is_ok_and(|about| about.is_file());
        regular && std::fs::File::open(path).and_then(read).is_ok() && head == *MAGIC
    }

    /// The error for a corpus whose token number `at` is not in the vocabulary.
    pub(crate) fn damaged(&self, at: usize) -> Error {
        let problem = "a damaged encoded corpus: remove it";
        Error::format(&self.path, 64 + 4 * at as u64, problem)
    }

    /// All token ids, in the order of the text. Ids may be wrong in a damaged file: check before
    /// use.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// Where each sequence (a sentence, a document) ends among the tokens.
    pub fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// The tags of the sequences; `None` where they have none.
    pub fn tags(&self) -> Option<&Tags> {
        self.tags.as_ref()
    }

    /// The pieces of sentences in a range of tokens, as ranges of tokens.
    pub fn sentences(&self, tokens: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let first = self.ends.partition_point(|&end| end as usize <= tokens.start);
        let mut start = tokens.start;
        let ends = self.ends[first..].iter().map(|&end| end as usize).chain([usize::MAX]);
        ends.map_while(move |end| {
            let piece = start..end.min(tokens.end);
            start = piece.end;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// The section with the names of the files that a corpus was made from, a line each.
const SOURCES: &str = "sources";

/// The lines of a text.
fn lines_of(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).lines().map(String::from).collect()
}

/// The names of the sections of a vocabulary: bytes, ends, counts and order.
const WORD_SECTIONS: [&str; 4] = ["words", "word ends", "counts", "order"];

/// The same of the vocabulary of tags.
const TAG_SECTIONS: [&str; 4] = ["tag words", "tag word ends", "tag counts", "tag order"];

/// The sections of a vocabulary as bytes.
fn parts_of(vocab: &Vocab) -> [&[u8]; 4] {
    let numbers = bytemuck::cast_slice::<u64, u8>;
    let order = bytemuck::cast_slice(&vocab.order);
    [&vocab.bytes, numbers(&vocab.ends), numbers(&vocab.counts), order]
}

/// The sections of a file whose header has been read.
struct Sections<'a> {
    file: &'a Mapped<u8>,
    header: &'a Header,
    path: &'a Path,
}

impl Sections<'_> {
    fn get<T: Pod>(&self, name: &str) -> Result<Mapped<T>> {
        let find = || {
            let (_, at, length) = self.header.sections.iter().find(|(n, _, _)| n == name)?;
            let at = usize::try_from(*at).ok()?;
            self.file.part(at..at.checked_add(usize::try_from(*length).ok()?)?)
        };
        let bad =
            || Error::format(self.path, self.file.len() as u64, format!("bad section '{name}'"));
        find().ok_or_else(bad)
    }

    fn vocab(&self, [bytes, ends, counts, order]: [&str; 4]) -> Result<Vocab> {
        let vocab = Vocab {
            bytes: self.get(bytes)?,
            ends: self.get(ends)?,
            counts: self.get(counts)?,
            order: self.get(order)?,
        };
        let same = [vocab.counts.len(), vocab.order.len()] == [vocab.len(); 2];
        if same { Ok(vocab) } else { Err(self.unequal()) }
    }

    fn unequal(&self) -> Error {
        Error::format(self.path, self.file.len() as u64, "sections of unequal lengths")
    }
}

/// Writes a corpus file: first all sequences, then the vocabulary.
pub struct CorpusWriter {
    path: PathBuf,
    out: Staged,
    ends: Ends,
    /// Where the tags of each sequence end in `tags`, up to the last sequence that has some.
    tag_ends: Vec<u64>,
    tags: Vec<u32>,
    /// The names of the tags, where sequences have some.
    names: Option<Vocab>,
    tokens: u64,
    hash: Xxh3,
    notes: Vec<String>,
    sources: Vec<String>,
}

impl CorpusWriter {
    /// Begins the file that will be at `path`.
    ///
    /// # Errors
    /// When the directory can't be written to.
    pub fn new(path: &Path) -> Result<Self> {
        let mut out = Staged::new(path)?;
        out.put(MAGIC)?;
        out.put(&[0; 48])?;
        Ok(Self {
            path: path.to_path_buf(),
            out,
            ends: Ends::default(),
            tag_ends: Vec::new(),
            tags: Vec::new(),
            names: None,
            tokens: 0,
            hash: Xxh3::new(),
            notes: Vec::new(),
            sources: Vec::new(),
        })
    }

    /// The path at which the file will be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a note on how the source was read. Of more than twenty only the first ones are kept.
    pub fn note(&mut self, note: &str) {
        self.notes.push(note.chars().take(500).collect());
    }

    /// Adds tokens to the sentence that is being written.
    ///
    /// # Errors
    /// When writing fails.
    pub fn tokens(&mut self, ids: &[u32]) -> Result<()> {
        self.tokens += ids.len() as u64;
        self.write(bytemuck::cast_slice(ids))
    }

    /// Ends the sentence. A sentence without a token does not count.
    pub fn end_sentence(&mut self) {
        self.end_tagged(&[]);
    }

    /// Ends the sequence, which has these tags. A sequence without a token does not count.
    pub fn end_tagged(&mut self, tags: &[u32]) {
        if self.has_tokens() {
            // Sequences without tags, which may be many millions, take no room for them.
            if !tags.is_empty() {
                self.tag_ends.resize(self.ends.len(), self.tags.len() as u64);
                self.tags.extend_from_slice(tags);
                self.tag_ends.push(self.tags.len() as u64);
            }
            self.ends.push(self.tokens);
        }
    }

    /// Whether the sequence that is being written has a token.
    pub(crate) fn has_tokens(&self) -> bool {
        self.tokens > self.ends.last()
    }

    /// Gives the tags their names. Without names a corpus has no tags.
    pub fn name_tags(&mut self, names: Vocab) {
        self.names = Some(names);
    }

    /// Writes the vocabulary and the header, and puts the file in its place. The writer fills in
    /// those of `facts` that it knows: the counts of the corpus, and its hash.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self, vocab: &Vocab, facts: Facts) -> Result<Corpus> {
        let path = self.path.clone();
        self.close(vocab, facts)?;
        Corpus::open(&path)
    }

    /// [`CorpusWriter::finish`] without opening the corpus.
    ///
    /// # Errors
    /// When writing fails.
    pub fn close(self, vocab: &Vocab, facts: Facts) -> Result<()> {
        self.seal(vocab, facts)?.finish()
    }

    /// Writes all that is left to write.
    fn seal(mut self, vocab: &Vocab, mut facts: Facts) -> Result<Staged> {
        self.end_sentence();
        self.tag_ends
            .resize(if self.names.is_some() { self.ends.len() } else { 0 }, self.tags.len() as u64);
        let mut sections = vec![("tokens".to_string(), 64, self.tokens * 4)];
        let at = self.pad()?;
        let ends = std::mem::take(&mut self.ends);
        sections.push(("ends".to_string(), at, ends.len() as u64 * 8));
        let mut some = Vec::with_capacity(1 << 12);
        let mut rest = ends.iter();
        while let Some(end) = rest.next() {
            some.clear();
            some.push(end);
            some.extend(rest.by_ref().take((1 << 12) - 1));
            self.write(bytemuck::cast_slice(&some))?;
        }
        let (tag_ends, tags) = (std::mem::take(&mut self.tag_ends), std::mem::take(&mut self.tags));
        let names = self.names.take();
        let mut parts: Vec<(&str, &[u8])> =
            WORD_SECTIONS.into_iter().zip(parts_of(vocab)).collect();
        if let Some(names) = &names {
            parts.push(("tag ends", bytemuck::cast_slice(&tag_ends)));
            parts.push(("tags", bytemuck::cast_slice(&tags)));
            parts.extend(TAG_SECTIONS.into_iter().zip(parts_of(names)));
        }
        for (name, bytes) in parts {
            let at = self.pad()?;
            sections.push((name.to_string(), at, bytes.len() as u64));
            self.write(bytes)?;
        }
        facts.tokens = self.tokens;
        facts.sentences = ends.len() as u64;
        facts.vocabulary = vocab.len() as u64;
        facts.hash = self.hash.digest();
        // Where the text was is no part of what it was.
        let sources = self.sources.join("\n");
        if !sources.is_empty() {
            let at = self.pad()?;
            sections.push((SOURCES.to_string(), at, sources.len() as u64));
            self.out.put(sources.as_bytes())?;
        }
        let mut notes = std::mem::take(&mut self.notes);
        if notes.len() > MAX_NOTES {
            let more = notes.len() - MAX_NOTES;
            notes.truncate(MAX_NOTES);
            notes.push(format!("and {more} more"));
        }
        let header = Header { facts, sections, notes };
        let header = bincode::encode_to_vec(header, bincode::config::standard())
            .map_err(|e| Error::input(&self.path, e.to_string()))?;
        for part in [&header[..], &(header.len() as u64).to_le_bytes(), MAGIC] {
            self.write(part)?;
        }
        Ok(self.out)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.out.put(bytes)
    }

    /// Writes zeros up to the next multiple of 64. Returns that offset.
    fn pad(&mut self) -> Result<u64> {
        let at = self.out.stream_position().map_err(Error::io(&self.path))?;
        let next = at.next_multiple_of(64);
        self.out.put(&[0; 64][..(next - at) as usize])?;
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path) -> Corpus {
        let mut writer = CorpusWriter::new(path).unwrap();
        writer.tokens(&[0, 1]).unwrap();
        writer.tokens(&[2]).unwrap();
        writer.end_sentence();
        writer.end_sentence();
        writer.tokens(&[1, 1, 0, 2]).unwrap();
        let vocab = Vocab::new(&["a", "b", "c"], vec![3, 2, 2]);
        writer.finish(&vocab, Facts { words_read: 9, ..Facts::default() }).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = written(&folder.path().join("corpus"));
        assert_eq!(corpus.tokens(), [0, 1, 2, 1, 1, 0, 2]);
        assert_eq!(corpus.sentences(0..7).collect::<Vec<_>>(), [0..3, 3..7]);
        assert_eq!(corpus.sentences(1..5).collect::<Vec<_>>(), [1..3, 3..5]);
        assert_eq!(corpus.sentences(3..3).count(), 0);
        assert_eq!(corpus.facts.tokens, 7);
        assert_eq!(corpus.facts.sentences, 2);
        assert_eq!(corpus.facts.words_read, 9);
        assert_eq!(corpus.vocab.id(b"c"), Some(2));
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus");
        written(&path);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(Corpus::open(&path).is_err(), "cut at {length}");
        }
        for at in (0..whole.len()).filter(|&at| at < 16 || at > whole.len() - 250) {
            let mut wrong = whole.clone();
            wrong[at] ^= 0xff;
            std::fs::write(&path, &wrong).unwrap();
            if let Ok(corpus) = Corpus::open(&path) {
                corpus.sentences(0..corpus.tokens().len()).for_each(drop);
            }
        }
        for at in [64, 64 + 7 * 4 - 1, 128, 192, whole.len() / 2 / 64 * 64] {
            let mut wrong = whole.clone();
            wrong[at] ^= 1;
            std::fs::write(&path, &wrong).unwrap();
            assert!(Corpus::open(&path).is_err(), "one bit at {at}");
        }
    }
}
