//! Encodes text as a corpus, reading the text once. Workers count words and write provisional ids
//! to a spool file. When the vocabulary is known, the ids are translated in the order of the text.
//! What a sequence is, and which tags it has, is told by a [`Layout`].
//!
//! This file is over 300 lines because a third of it is its tests.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use rayon::prelude::*;
use xxhash_rust::xxh3::Xxh3;

use super::columns::{Records, place};
use super::{Corpus, CorpusWriter, Counter, Facts, Produce, Vocab, vocab};
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};
use crate::progress::Progress;
use crate::text::{self, Block, Blocks, Cut, Divided, Pieces, Splitter, Token, Tokenizer};
/// A part of every key. It is raised with every change by which the same text gives another corpus.
const VERSION: u32 = 3;
/// In the spool, this value ends a sequence; the number of its tags and their provisional ids
/// follow. In a translation, it means that the vocabulary lacks the word.
const NONE: u32 = u32::MAX;
/// This many problems, or documents, are named; more are counted.
const MAX_NAMED: usize = 3;
/// This many blocks are translated at a time.
const BATCH: usize = 64;

/// What to read and which words to keep.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default)]
pub struct TextOptions {
    /// Text: files (plain, gzip, zstd, bzip2, xz), directories, or - for standard input
    #[cfg_attr(feature = "cli", arg(value_name = "INPUT", required = true))]
    #[serde(with = "super::paths")]
    pub inputs: Vec<PathBuf>,
    /// Read of directories only the files that match a pattern: '*.txt', or 'en/**' for the files of
    /// a folder. May be given several times
    #[cfg_attr(feature = "cli", arg(long, value_name = "GLOB"))]
    pub include: Vec<String>,
    /// Leave out the files of directories that match a pattern
    #[cfg_attr(feature = "cli", arg(long, value_name = "GLOB"))]
    pub exclude: Vec<String>,
    /// The text is in this column of TSV or CSV, by number or by the name in the first line, or in
    /// this field of JSON lines. Which of these a file is, its name says, or its first byte for JSON.
    /// Several are read one after the other (title,body)
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN", value_delimiter = ','))]
    pub column: Vec<String>,
    /// How text is split into words.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub tokenizer: Tokenizer,
    /// Split into the pieces of a model's vocabulary, by its own rules: its tokenizer.json,
    /// vocab.txt or vocab.json, or the folder with it. The pieces are the words that are learnt
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE|DIR"))]
    #[serde(with = "super::paths::optional")]
    pub pieces: Option<PathBuf>,
    /// Drop words that occur fewer times
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 5))]
    pub min_count: u64,
    /// Keep only the N most frequent words
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub max_vocab: Option<usize>,
    /// Keep exactly the words of this file that occur (`word count` lines), whatever their counts
    /// in the text
    #[cfg_attr(feature = "cli", arg(long = "vocab", value_name = "FILE"))]
    #[serde(with = "super::paths::optional")]
    pub vocab_file: Option<PathBuf>,
    /// Stop at bytes that are not UTF-8 (otherwise they are kept, counted and reported)
    #[cfg_attr(feature = "cli", arg(long))]
    pub strict: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            column: Vec::new(),
            tokenizer: Tokenizer::default(),
            pieces: None,
            min_count: 5,
            max_vocab: None,
            vocab_file: None,
            strict: false,
        }
    }
}

/// Which words become the vocabulary.
#[derive(Clone, Copy)]
pub(super) enum Choice<'a> {
    /// Those of the text that are frequent enough.
    Frequent,
    /// All of a vocabulary, whether they occur or not, and new frequent ones.
    Grown(&'a Vocab),
    /// All of a vocabulary, and no others.
    Only(&'a Vocab),
}

/// How blocks of text become sequences of words.
pub(super) trait Layout: Sync {
    /// Where a file may be cut into blocks.
    fn cut(&self, file: &Path) -> Cut;

    /// Gives the sequences of a block to `to`, word by word.
    ///
    /// # Errors
    /// A block that can't be read at all.
    fn read(&self, block: &Block, to: &mut Sequences) -> Result<()>;
}

/// The sequences of the blocks that one worker reads.
pub(super) struct Sequences<'a> {
    splitter: &'a Splitter,
    divided: Divided,
    words: Counter,
    tags: Counter,
    /// The provisional tags of the sequence that is being read.
    own: Vec<u32>,
    /// The words of this block as they go to the spool.
    ids: Vec<u32>,
    /// The number of words in this block.
    read: u64,
    /// What could not be used: the block, and a message.
    problems: Vec<(u64, String)>,
}

impl<'a> Sequences<'a> {
    fn new(splitter: &'a Splitter) -> Self {
        Self {
            splitter,
            divided: Divided::default(),
            words: Counter::default(),
            tags: Counter::default(),
            own: Vec::new(),
            ids: Vec::new(),
            read: 0,
            problems: Vec::new(),
        }
    }

    /// Adds the words of a text to the sequence. Line ends in it end nothing.
    pub(super) fn words(&mut self, text: &[u8]) {
        self.text(text, false);
    }

    /// Adds the words of a text, whose line ends may end sequences.
    fn text(&mut self, text: &[u8], lines: bool) {
        let mut divided = std::mem::take(&mut self.divided);
        self.splitter.split(text, &mut divided, |token| match token {
            Token::Word(word) => {
                self.read += 1;
                let id = self.words.add(word, 1);
                self.ids.push(id);
            }
            Token::End if lines => self.end_sentence(),
            Token::End => {}
        });
        self.divided = divided;
    }

    /// Adds a tag to the sequence, unless it has it already.
    pub(super) fn tag(&mut self, tag: &[u8]) {
        let id = self.tags.add(tag, 0);
        if !self.own.contains(&id) {
            self.own.push(id);
        }
    }

    /// The number of tags that the sequence has.
    pub(super) fn tags(&self) -> usize {
        self.own.len()
    }

    /// Ends the sequence.
    pub(super) fn end(&mut self) {
        self.ids.push(NONE);
        self.ids.push(self.own.len() as u32);
        self.ids.append(&mut self.own);
    }

    /// Ends the sequence if it has a word. A block may end before its sequence does.
    fn end_sentence(&mut self) {
        if self.ids.last_chunk() != Some(&[NONE, 0]) {
            self.end();
        }
    }

    /// Tells of something in `block` that could not be used.
    pub(super) fn problem(&mut self, block: &Block, problem: String) {
        self.problems.push((block.index, problem));
    }
}

/// Lines as sentences, without tags; or the lines of a column.
impl Layout for TextOptions {
    fn cut(&self, file: &Path) -> Cut {
        if self.column.is_empty() { Cut::Words } else { Records::of(file, b"").cut() }
    }

    fn read(&self, block: &Block, to: &mut Sequences) -> Result<()> {
        if self.column.is_empty() {
            to.text(block.text(), true);
            if block.last {
                to.end_sentence();
            }
            return Ok(());
        }
        let columns: Vec<&String> = self.column.iter().collect();
        Records::of(&block.path, &block.head).each(block, &columns, |line, texts| {
            match texts {
                Ok(texts) => {
                    for text in texts {
                        to.text(&text, true);
                        to.end_sentence();
                    }
                }
                Err(problem) => to.problem(block, format!("{}: {problem}", place(block, line))),
            }
            Ok(())
        })
    }
}

/// Where the provisional ids of a block are in the spool.
struct Piece {
    block: u64,
    worker: usize,
    /// The offset from the beginning of the spool, in ids.
    at: usize,
    length: usize,
}

struct Spool {
    out: Staged,
    at: usize,
    pieces: Vec<Piece>,
}

impl TextOptions {
    /// Opens the input if it is an encoded corpus. `None` means that the inputs are text.
    ///
    /// # Errors
    /// A damaged corpus, other inputs beside it, or settings for reading text, which an encoded
    /// corpus can't follow.
    pub fn encoded(&self) -> Result<Option<Corpus>> {
        let Some(path) = self.inputs.iter().find(|path| Corpus::is_corpus(path)) else {
            return Ok(None);
        };
        if self.inputs.len() > 1 {
            return Err(Error::input(path, "is an encoded corpus: give it as the only input"));
        }
        if (Self { inputs: Vec::new(), ..self.clone() }) != Self::default() {
            let problem =
                "is an encoded corpus, whose words are settled: leave out the settings for text";
            return Err(Error::input(path, problem));
        }
        Corpus::open(path).map(Some)
    }

    /// The files that the inputs stand for.
    ///
    /// # Errors
    /// A missing input, no file, or a pattern that is none.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let files = text::expand(&self.inputs)?;
        if self.include.is_empty() && self.exclude.is_empty() {
            return Ok(files);
        }
        let (include, exclude) =
            (globs(&self.include, "include")?, globs(&self.exclude, "exclude")?);
        let wanted = |file: &PathBuf| {
            let folder = self.inputs.iter().find_map(|input| file.strip_prefix(input).ok());
            // A file that was named is wanted.
            let Some(inside) = folder.filter(|_| !self.inputs.contains(file)) else { return true };
            (self.include.is_empty() || include.is_match(inside)) && !exclude.is_match(inside)
        };
        let wanted: Vec<PathBuf> = files.into_iter().filter(wanted).collect();
        if wanted.is_empty() {
            let problem = "no file in it is left by `include` and `exclude`";
            return Err(Error::input(&self.inputs[0], problem));
        }
        Ok(wanted)
    }

    /// Whether a file may be left out if it is no text or can't be read: one that was found in a
    /// directory. A file that was named must be text.
    fn may_skip(&self, file: &PathBuf) -> bool {
        !self.strict && !self.inputs.contains(file)
    }

    /// The words of texts, split as these options say.
    ///
    /// # Errors
    /// A file of pieces that can't be read.
    pub fn words_of(&self, texts: &[String]) -> Result<Vec<Vec<Vec<u8>>>> {
        let splitter = Splitter::new(self.tokenizer, self.pieces.as_deref())?;
        let mut divided = Divided::default();
        let mut words = |text: &String| {
            let mut all = Vec::new();
            splitter.split(text.as_bytes(), &mut divided, |token| {
                if let Token::Word(word) = token {
                    all.push(word.to_vec());
                }
            });
            all
        };
        Ok(texts.iter().map(&mut words).collect())
    }

    /// How the text is divided into pieces of a vocabulary, where it is.
    ///
    /// # Errors
    /// A file of another kind, or a tokenizer whose rules are not known.
    pub fn rules(&self) -> Result<Option<Pieces>> {
        let open = |path: &PathBuf| text::open_pieces(path).map(|(pieces, _)| pieces);
        self.pieces.as_ref().map(open).transpose()
    }

    /// A description of the text and these options as JSON, which models store.
    pub fn describe(&self) -> serde_json::Value {
        let mut all = serde_json::to_value(self).unwrap_or_default();
        if let (Some(all), true) =
            (all.as_object_mut(), self.inputs.iter().any(|path| Corpus::is_corpus(path)))
        {
            // Nothing is known about how the corpus was made.
            all.retain(|name, _| name == "inputs");
        }
        all
    }
}

impl Produce for TextOptions {
    fn sources(&self) -> Vec<PathBuf> {
        self.inputs.clone()
    }

    /// A hash of every setting, and of what the system knows about each input: its path, length,
    /// place on the disk, and when it was changed.
    fn key(&self) -> Result<Option<u64>> {
        let mut hash = Xxh3::new();
        let mut part = |bytes: &[u8]| add_part(&mut hash, bytes);
        part(&VERSION.to_le_bytes());
        let words = self.vocab_file.as_deref().map(Mapped::open).transpose()?;
        let given = words.is_some();
        let settings =
            (&self.tokenizer, &self.column, self.min_count, self.max_vocab, self.strict, given);
        part(&serde_json::to_vec(&settings).map_err(|e| Error::Refused(e.to_string()))?);
        part(words.as_deref().unwrap_or_default());
        if let Some(path) = &self.pieces {
            let (_, tokens) = text::open_pieces(path)?;
            for file in tokens.files() {
                part(&Mapped::open(&file)?);
            }
        }
        for file in self.files()? {
            if self.may_skip(&file) && std::fs::metadata(&file).is_err() {
                // It will be left out.
                add_part(&mut hash, file.as_os_str().as_encoded_bytes());
            } else if !add_identity(&mut hash, &file)? {
                return Ok(None);
            }
        }
        Ok(Some(hash.digest()))
    }

    fn write(&self, writer: &mut CorpusWriter, progress: &Progress) -> Result<(Vocab, Facts)> {
        self.encode(self, Choice::Frequent, writer, progress)
    }
}

/// What matches one of some patterns. A pattern without a slash is one of names, in whatever folder.
fn globs(patterns: &[String], name: &'static str) -> Result<GlobSet> {
    let bad = |e: globset::Error| Error::setting(name, format!("is no pattern: {e}"));
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let anywhere =
            if pattern.contains('/') { pattern.clone() } else { format!("**/{pattern}") };
        set.add(GlobBuilder::new(&anywhere).literal_separator(true).build().map_err(bad)?);
    }
    set.build().map_err(bad)
}

/// Adds a part to a key, with its length, so that no two lists of parts look alike.
fn add_part(hash: &mut Xxh3, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

/// Adds to a key what the system knows about a file: its path, length, place on the disk, and when it
/// was changed. `false` for what can't be read twice, such as standard input.
///
/// # Errors
/// When the file can't be examined.
pub(crate) fn add_identity(hash: &mut Xxh3, file: &Path) -> Result<bool> {
    if file.as_os_str() == "-" {
        return Ok(false);
    }
    let about = std::fs::metadata(file).map_err(Error::io(file))?;
    if !about.is_file() {
        return Ok(false);
    }
    let canonical = file.canonicalize().map_err(Error::io(file))?;
    let changed = about.modified().map_err(Error::io(file))?;
    let since = changed.duration_since(SystemTime::UNIX_EPOCH);
    let (before, since) = since.map_or_else(|e| (1, e.duration()), |since| (0, since));
    add_part(hash, canonical.as_os_str().as_encoded_bytes());
    add_part(hash, &about.len().to_le_bytes());
    add_part(hash, &[&[before][..], &since.as_nanos().to_le_bytes()].concat());
    #[cfg(unix)]
    {
        // A program can set the time of the last change to its content back, but not that of the
        // last change to anything.
        use std::os::unix::fs::MetadataExt;
        let about = [about.dev(), about.ino(), about.ctime() as u64, about.ctime_nsec() as u64];
        add_part(hash, bytemuck::cast_slice(&about));
    }
    Ok(true)
}

/// More text for the vocabulary of a model. Its words stay, whether they occur or not, and their
/// counts are added up. New words that are frequent enough join them.
pub struct MoreText<'a> {
    /// The text.
    pub text: &'a TextOptions,
    /// The vocabulary.
    pub vocab: &'a Vocab,
}

impl Produce for MoreText<'_> {
    fn sources(&self) -> Vec<PathBuf> {
        self.text.sources()
    }

    /// That of the text, and of the vocabulary.
    fn key(&self) -> Result<Option<u64>> {
        let Some(text) = self.text.key()? else { return Ok(None) };
        let mut hash = Xxh3::new();
        hash.update(&text.to_le_bytes());
        hash.update(&self.vocab.bytes);
        hash.update(bytemuck::cast_slice(&self.vocab.ends));
        hash.update(bytemuck::cast_slice(&self.vocab.counts));
        Ok(Some(hash.digest()))
    }

    fn write(&self, writer: &mut CorpusWriter, progress: &Progress) -> Result<(Vocab, Facts)> {
        self.text.encode(self.text, Choice::Grown(self.vocab), writer, progress)
    }
}

impl TextOptions {
    /// Counts and encodes the inputs by a layout, with the words that are chosen.
    ///
    /// # Errors
    /// Unreadable or binary input, an empty vocabulary, a full disk, or [`Error::Stopped`].
    pub(super) fn encode(
        &self,
        layout: &impl Layout,
        choice: Choice,
        writer: &mut CorpusWriter,
        progress: &Progress,
    ) -> Result<(Vocab, Facts)> {
        let splitter = Splitter::new(self.tokenizer, self.pieces.as_deref())?;
        let files = self.files()?;
        let out = Staged::new(&writer.path().with_extension("spool"))?;
        let spool = Mutex::new(Spool { out, at: 0, pieces: Vec::new() });
        let cut = |file: &PathBuf| match layout.cut(file) {
            Cut::Words if splitter.spaces_matter() => Cut::Lines,
            cut => cut,
        };
        let file = |file: &PathBuf| (file.clone(), self.may_skip(file), cut(file));
        let blocks = Mutex::new(Blocks::new(files.iter().map(file)));
        let invalid = AtomicU64::new(0);
        let workers = rayon::broadcast(|context| {
            let to = (context.index(), &spool, &invalid);
            let counted = count((self, &splitter), layout, &blocks, to, progress);
            if counted.is_err() {
                progress.stop.store(true, Ordering::Relaxed);
            }
            counted
        });
        let mut workers = all_or_first_cause(workers)?;
        let blocks = blocks.into_inner().unwrap_or_else(PoisonError::into_inner);
        for why in blocks.left_out {
            writer.note(&format!("left out: {why}"));
        }
        let problems = workers.iter_mut().flat_map(|worker| std::mem::take(&mut worker.problems));
        self.tell(problems.collect(), writer)?;
        let spool = spool.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Spool { mut out, mut pieces, .. } = spool;
        out.flush().map_err(Error::io(writer.path()))?;
        pieces.sort_unstable_by_key(|piece| piece.block);

        let mut total = Counter::default();
        let mut tags = Numbering::default();
        let provisional: Vec<Vec<u32>> = workers
            .iter()
            .map(|worker| worker.words.iter().map(|(word, n)| total.add(word, n)).collect())
            .collect();
        let provisional_tags: Vec<Vec<u32>> =
            workers.iter().map(|worker| tags.join(&worker.tags)).collect();
        drop(workers);
        let facts = Facts {
            words_read: total.tokens(),
            types_read: total.len() as u64,
            bytes_read: progress.done.load(Ordering::Relaxed),
            invalid_utf8: invalid.into_inner(),
            ..Facts::default()
        };
        if facts.words_read == 0 {
            return Err(Error::input(&files[0], "no word in this input: is it empty?"));
        }
        let vocab = match choice {
            Choice::Frequent => choose(self, &total)?,
            Choice::Grown(old) => grow(old, self, &total)?,
            Choice::Only(known) => known.clone(),
        };
        let ids = translation(&total, &vocab);
        let final_ids = |of: Vec<u32>| of.into_iter().map(|p| ids[p as usize]).collect();
        let translations: Vec<Vec<u32>> = provisional.into_iter().map(final_ids).collect();

        let spooled = Mapped::open(out.temporary())?;
        let spooled: &[u32] = bytemuck::cast_slice(&spooled);
        for batch in pieces.chunks(BATCH) {
            let translated: Vec<Translated> = batch
                .par_iter()
                .map(|piece| {
                    let ids = &spooled[piece.at..piece.at + piece.length];
                    let tags = &provisional_tags[piece.worker];
                    Translated::new(ids, &translations[piece.worker], tags)
                })
                .collect();
            for Translated { ids, ends, tags: tags_of } in translated {
                let (mut start, mut first_tag) = (0, 0);
                for (end, end_of_tags) in ends {
                    writer.tokens(&ids[start..end])?;
                    tags.end(&tags_of[first_tag..end_of_tags], writer);
                    (start, first_tag) = (end, end_of_tags);
                }
                writer.tokens(&ids[start..])?;
            }
            progress.check()?;
        }
        tags.finish(writer);
        Ok((vocab, facts))
    }

    /// Notes what could not be used, or fails where the settings are strict.
    fn tell(&self, mut problems: Vec<(u64, String)>, writer: &mut CorpusWriter) -> Result<()> {
        problems.sort_by_key(|(block, _)| *block);
        if let (true, Some((_, problem))) = (self.strict, problems.first()) {
            return Err(Error::Refused(problem.clone()));
        }
        for (_, problem) in problems.iter().take(MAX_NAMED) {
            writer.note(&format!("left out: {problem}"));
        }
        if problems.len() > MAX_NAMED {
            let more = problems.len() - MAX_NAMED;
            writer.note(&format!("left out: {more} more lines like these"));
        }
        Ok(())
    }
}

/// Numbers the tags in the order in which they occur, and counts what is to be told of them.
#[derive(Default)]
struct Numbering {
    /// All tags, by provisional ids.
    all: Counter,
    /// The number of each, or [`NONE`] if it did not occur yet.
    numbers: Vec<u32>,
    /// The provisional ids in the order of their numbers, and how many sequences have each.
    order: Vec<u32>,
    counts: Vec<u64>,
    /// Sequences, those without a tag, and those without a known word, of which some are named.
    sequences: u64,
    untagged: u64,
    empty: u64,
    empty_names: Vec<String>,
    own: Vec<u32>,
}

impl Numbering {
    /// Takes the tags of a worker. Returns their provisional ids among all.
    fn join(&mut self, tags: &Counter) -> Vec<u32> {
        let ids = tags.iter().map(|(tag, _)| self.all.add(tag, 0)).collect();
        self.numbers.resize(self.all.len(), NONE);
        ids
    }

    fn name(&self, tag: u32) -> String {
        String::from_utf8_lossy(self.all.word(tag)).into_owned()
    }

    /// Ends a sequence, whose tags are given by their provisional ids.
    fn end(&mut self, tags: &[u32], writer: &mut CorpusWriter) {
        if !writer.has_tokens() {
            self.empty += u64::from(!tags.is_empty());
            if let (Some(&tag), true) = (tags.first(), self.empty_names.len() < MAX_NAMED) {
                self.empty_names.push(self.name(tag));
            }
            return;
        }
        self.own.clear();
        for &tag in tags {
            let number = &mut self.numbers[tag as usize];
            if *number == NONE {
                *number = self.order.len() as u32;
                self.order.push(tag);
                self.counts.push(0);
            }
            self.counts[*number as usize] += 1;
            self.own.push(*number);
        }
        self.sequences += 1;
        self.untagged += u64::from(tags.is_empty());
        writer.end_tagged(&self.own);
    }

    /// Gives the corpus its tags, if there are some, and notes what a user should know of them.
    fn finish(self, writer: &mut CorpusWriter) {
        if self.all.is_empty() {
            return;
        }
        let Self { sequences, untagged, empty, .. } = self;
        if empty > 0 {
            let names = self.empty_names.join(", ");
            let more = if empty > MAX_NAMED as u64 { ", …" } else { "" };
            let what = if empty == 1 { "document has" } else { "documents have" };
            writer.note(&format!(
                "left out: {empty} {what} no word of the vocabulary, and no vector: {names}{more}"
            ));
        }
        if untagged > 0 {
            writer.note(&format!("{untagged} of {sequences} documents have no tag"));
        }
        let names: Vec<&[u8]> = self.order.iter().map(|&tag| self.all.word(tag)).collect();
        let repeated: Vec<usize> = (0..names.len()).filter(|&tag| self.counts[tag] > 1).collect();
        // Where most tags are of several documents they are authors, or topics, and no names.
        if !repeated.is_empty() && 2 * repeated.len() < names.len() {
            let first = repeated.iter().take(MAX_NAMED);
            let first: Vec<_> = first.map(|&tag| String::from_utf8_lossy(names[tag])).collect();
            let (n, all, more) = (repeated.len(), names.len(), repeated.len() > MAX_NAMED);
            writer.note(&format!(
                "{n} of {all} tags are of several documents, from all of which their vector is \
                 learnt: {}{}",
                first.join(", "),
                if more { ", …" } else { "" }
            ));
        }
        writer.name_tags(Vocab::new(&names, self.counts));
    }
}

/// The work of one worker. It takes blocks while there are any, counts their words, and spools
/// their provisional ids.
fn count<'a>(
    (options, splitter): (&TextOptions, &'a Splitter),
    layout: &impl Layout,
    blocks: &Mutex<Blocks>,
    (worker, spool, invalid): (usize, &Mutex<Spool>, &AtomicU64),
    progress: &Progress,
) -> Result<Sequences<'a>> {
    let mut sequences = Sequences::new(splitter);
    loop {
        progress.check()?;
        let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).next_block()?;
        let Some(block) = next else { return Ok(sequences) };
        if let Some((words, first)) = block.invalid_utf8() {
            if options.strict {
                let problem = format!(
                    "not UTF-8 at byte {first}: convert it with iconv, or leave out `strict`"
                );
                return Err(Error::input(&block.path, problem));
            }
            invalid.fetch_add(words, Ordering::Relaxed);
        }
        sequences.ids.clear();
        sequences.read = 0;
        layout.read(&block, &mut sequences)?;
        let ids = &sequences.ids;
        let mut spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
        spool.out.put(bytemuck::cast_slice(ids))?;
        let piece = Piece { block: block.index, worker, at: spool.at, length: ids.len() };
        spool.at += ids.len();
        spool.pieces.push(piece);
        drop(spool);
        progress.done.fetch_add(block.text().len() as u64, Ordering::Relaxed);
        progress.words.fetch_add(sequences.read, Ordering::Relaxed);
    }
}

/// All results, or the error that made the other workers stop.
fn all_or_first_cause<T>(results: Vec<Result<T>>) -> Result<Vec<T>> {
    let (good, mut bad): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    bad.sort_by_key(|result| matches!(result, Err(Error::Stopped)));
    match bad.into_iter().next() {
        Some(Err(cause)) => Err(cause),
        _ => Ok(good.into_iter().flatten().collect()),
    }
}

/// The ids in a vocabulary of provisional ids; [`NONE`] where the vocabulary lacks the word.
pub(super) fn translation(total: &Counter, vocab: &Vocab) -> Vec<u32> {
    let mut ids = vec![NONE; total.len()];
    for id in 0..vocab.len() as u32 {
        if let Some(known) = total.id(vocab.word(id)) {
            ids[known as usize] = id;
        }
    }
    ids
}

/// The vocabulary of counted words that the options choose.
pub(super) fn choose(options: &TextOptions, total: &Counter) -> Result<Vocab> {
    let Some(file) = &options.vocab_file else {
        return total.cut(options.min_count, options.max_vocab);
    };
    let counts: Vec<u64> = total.iter().map(|(_, count)| count).collect();
    let mut chosen = Counter::default();
    for word in vocab::read_words(file)? {
        if let Some(id) = total.id(&word)
            && chosen.id(&word).is_none()
        {
            chosen.add(&word, counts[id as usize]);
        }
    }
    if chosen.is_empty() {
        return Err(Error::input(file, "none of these words occurs in the input"));
    }
    chosen.cut(1, options.max_vocab)
}

/// All words of `old`, with the counts of both, and the new words that `options` keep.
fn grow(old: &Vocab, options: &TextOptions, total: &Counter) -> Result<Vocab> {
    if old.counts.len() != old.len() {
        let problem = "the vocabulary that is to grow has no counts: train anew on all text";
        return Err(Error::Refused(problem.into()));
    }
    if !old.words().any(|word| total.id(word).is_some()) {
        let problem = "no word of this text is one of the model: is it of another language, or \
                       split in another way?";
        return Err(Error::Refused(problem.into()));
    }
    let mut grown = Counter::default();
    for (word, &count) in old.words().zip(&old.counts[..]) {
        // A count of 0 would be taken for a word that is not there.
        grown.add(word, count.max(1));
    }
    let old_words = grown.len();
    let mut new: Vec<(&[u8], u64)> = Vec::new();
    for (word, count) in total.iter() {
        if grown.id(word).is_some() {
            grown.add(word, count);
        } else if count >= options.min_count.max(1) {
            new.push((word, count));
        }
    }
    new.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let room = options.max_vocab.map_or(usize::MAX, |max| max.saturating_sub(old_words));
    for (word, count) in new.into_iter().take(room) {
        grown.add(word, count);
    }
    grown.cut(1, None)
}

/// A block whose provisional ids are translated to tokens, without the words that the vocabulary
/// lacks.
struct Translated {
    ids: Vec<u32>,
    /// Where each sequence ends in `ids`, and where its tags end in `tags`.
    ends: Vec<(usize, usize)>,
    /// The tags, by their provisional ids among those of all workers.
    tags: Vec<u32>,
}

impl Translated {
    fn new(spooled: &[u32], to: &[u32], tags_to: &[u32]) -> Self {
        let mut all =
            Self { ids: Vec::with_capacity(spooled.len()), ends: Vec::new(), tags: Vec::new() };
        let mut spooled = spooled.iter();
        while let Some(&provisional) = spooled.next() {
            if provisional == NONE {
                let tags = spooled.next().map_or(0, |&tags| tags as usize);
                let tags = spooled.by_ref().take(tags).map(|&tag| tags_to[tag as usize]);
                all.tags.extend(tags);
                all.ends.push((all.ids.len(), all.tags.len()));
            } else if to[provisional as usize] != NONE {
                all.ids.push(to[provisional as usize]);
            }
        }
        all
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::corpus::{Corpus, encode};

    /// Text from `inputs`, of which every word is kept.
    pub(in crate::corpus) fn options(inputs: &[&Path]) -> TextOptions {
        TextOptions {
            inputs: inputs.iter().map(|p| p.to_path_buf()).collect(),
            min_count: 1,
            ..TextOptions::default()
        }
    }

    fn decoded(corpus: &Corpus) -> String {
        let tokens = corpus.tokens();
        let sentence = |s: std::ops::Range<usize>| {
            tokens[s].iter().map(|&id| corpus.vocab.text(id)).collect::<Vec<_>>().join(" ")
        };
        corpus.sentences(0..tokens.len()).map(sentence).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn encoding_keeps_every_known_word_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, out) =
            (folder.path().join("a"), folder.path().join("b"), folder.path().join("out"));
        std::fs::write(&a, "one two\n\nthree one\ttwo two").unwrap();
        std::fs::write(&b, "two four\n").unwrap();
        let corpus = encode(&options(&[&a, &b]), &out, &Progress::default()).unwrap();
        assert_eq!(decoded(&corpus), "one two\nthree one two two\ntwo four");
        assert_eq!(
            corpus.vocab.words().collect::<Vec<_>>(),
            [&b"two"[..], b"one", b"four", b"three"]
        );
        let rare = TextOptions { min_count: 2, ..options(&[&a, &b]) };
        let corpus = encode(&rare, &out, &Progress::default()).unwrap();
        assert_eq!(decoded(&corpus), "one two\none two two\ntwo");
        assert_eq!(corpus.facts.words_read, 8);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no spool is left");
    }

    #[test]
    fn a_given_vocabulary_is_kept_where_it_occurs() {
        let folder = tempfile::tempdir().unwrap();
        let (a, v, out) =
            (folder.path().join("a"), folder.path().join("v"), folder.path().join("out"));
        std::fs::write(&a, "one two two three\n").unwrap();
        std::fs::write(&v, "three 7\nten 3\n\none\nthree\n").unwrap();
        let given = TextOptions { vocab_file: Some(v), min_count: 5, ..options(&[&a]) };
        let corpus = encode(&given, &out, &Progress::default()).unwrap();
        assert_eq!(decoded(&corpus), "one three");
    }

    #[test]
    fn a_vocabulary_grows_by_more_text() {
        let folder = tempfile::tempdir().unwrap();
        let (a, out) = (folder.path().join("a"), folder.path().join("out"));
        std::fs::write(&a, "one two two new new\nrare three\n").unwrap();
        let text = TextOptions { min_count: 2, ..options(&[&a]) };
        let old = Vocab::new(&["gone", "one", "two"], vec![9, 5, 1]);
        let more = MoreText { text: &text, vocab: &old };
        let corpus = encode(&more, &out, &Progress::default()).unwrap();
        assert_eq!(decoded(&corpus), "one two two new new");
        let words: Vec<_> = corpus.vocab.words().zip(corpus.vocab.counts.iter().copied()).collect();
        assert_eq!(words, [(&b"gone"[..], 9), (b"one", 6), (b"two", 3), (b"new", 2)]);
        assert_eq!(corpus.facts.tokens, 5);
        let other = MoreText { text: &text, vocab: &corpus.vocab };
        assert_ne!(more.key().unwrap(), other.key().unwrap());
        assert_ne!(more.key().unwrap(), text.key().unwrap());
        let few = TextOptions { max_vocab: Some(3), ..text.clone() };
        let none = encode(&MoreText { text: &few, vocab: &old }, &out, &Progress::default());
        assert_eq!(none.unwrap().vocab.len(), 3, "no room for new words");
        for bad in [Vocab::new(&["one"], vec![]), Vocab::new(&["un"], vec![3])] {
            let more = MoreText { text: &text, vocab: &bad };
            assert!(encode(&more, &out, &Progress::default()).is_err());
        }
    }

    #[test]
    fn the_same_corpus_whatever_the_number_of_threads() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("text");
        let text: String = (0..700_000u64)
            .map(|i| {
                format!("w{}{}", i.wrapping_mul(i) % 9973, if i % 31 == 0 { '\n' } else { ' ' })
            })
            .collect();
        std::fs::write(&input, &text).unwrap();
        let encoded = |threads: usize| {
            let out = folder.path().join(format!("out{threads}"));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let corpus =
                pool.install(|| encode(&options(&[&input]), &out, &Progress::default())).unwrap();
            assert_eq!(corpus.facts.words_read, 700_000);
            std::fs::read(out).unwrap()
        };
        let one = encoded(1);
        assert!(one == encoded(2) && one == encoded(5));
        let first: Vec<&str> = text.lines().take(3).map(str::trim).collect();
        let corpus = Corpus::open(&folder.path().join("out5")).unwrap();
        assert!(decoded(&corpus).starts_with(&first.join("\n")));
    }

    #[test]
    fn unusable_input_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (a, out) = (folder.path().join("a"), folder.path().join("out"));
        let fails = |options: &TextOptions| {
            encode(options, &out, &Progress::default()).unwrap_err().to_string()
        };
        assert!(fails(&options(&[&a])).contains("a: "), "missing");
        std::fs::write(&a, " \n ").unwrap();
        assert!(fails(&options(&[&a])).contains("no word"));
        std::fs::write(&a, "one two").unwrap();
        assert!(fails(&TextOptions { min_count: 2, ..options(&[&a]) }).contains("min_count"));
        std::fs::write(&a, b"one tw\xffo").unwrap();
        assert!(
            fails(&TextOptions { strict: true, ..options(&[&a]) }).contains("not UTF-8 at byte 6")
        );
        assert_eq!(
            encode(&options(&[&a]), &out, &Progress::default()).unwrap().facts.invalid_utf8,
            1
        );
        let stopped = Progress::stopped();
        assert!(matches!(encode(&options(&[&a]), &out, &stopped), Err(Error::Stopped)));
    }

    #[test]
    fn the_key_changes_with_text_and_settings() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, v) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("v"));
        std::fs::write(&a, "one two").unwrap();
        std::fs::write(&b, "one two").unwrap();
        std::fs::write(&v, "one 1\n").unwrap();
        let plain = options(&[&a]);
        let key = |options: &TextOptions| options.key().unwrap().unwrap();
        let mut keys = vec![
            key(&plain),
            key(&options(&[&b])),
            key(&options(&[&a, &b])),
            key(&options(&[&b, &a])),
            key(&TextOptions { min_count: 2, ..plain.clone() }),
            key(&TextOptions { max_vocab: Some(2), ..plain.clone() }),
            key(&TextOptions { strict: true, ..plain.clone() }),
            key(&TextOptions { vocab_file: Some(v.clone()), ..plain.clone() }),
            key(&TextOptions {
                tokenizer: Tokenizer { lowercase: true, ..Tokenizer::default() },
                ..plain.clone()
            }),
        ];
        std::fs::write(&v, "two 1\n").unwrap();
        keys.push(key(&TextOptions { vocab_file: Some(v), ..plain.clone() }));
        assert_eq!(key(&plain), keys[0]);
        assert_eq!(
            key(&options(&[&folder.path().join(".").join("a")])),
            keys[0],
            "the same file by another name"
        );
        let file = std::fs::File::options().write(true).open(&a).unwrap();
        file.set_modified(
            file.metadata().unwrap().modified().unwrap() + std::time::Duration::from_micros(1),
        )
        .unwrap();
        keys.push(key(&plain));
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
        assert_eq!(options(&[&a, Path::new("-")]).key().unwrap(), None);
    }
}
