//! Encodes text as a corpus, reading the text once. Workers count words and write provisional ids
//! to a spool file. When the vocabulary is known, the ids are translated in the order of the text.
//!
//! This file is over 300 lines because a third of it is its tests.

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rayon::prelude::*;
use xxhash_rust::xxh3::Xxh3;

use super::{Corpus, CorpusWriter, Counter, Facts, Produce, Vocab, vocab};
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};
use crate::progress::Progress;
use crate::text::{self, Blocks, Token, Tokenizer};
/// A part of every key. It is raised with every change by which the same text gives another corpus.
const VERSION: u32 = 3;
/// In the spool, this value ends a sentence. In a translation, it means that the vocabulary lacks
/// the word.
const NONE: u32 = u32::MAX;
/// This many blocks are translated at a time.
const BATCH: usize = 64;

/// What to read and which words to keep.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default)]
pub struct TextOptions {
    /// Text: files (plain, gzip, zstd), directories, or - for standard input
    #[cfg_attr(feature = "cli", arg(value_name = "INPUT", required = true))]
    #[serde(with = "super::paths")]
    pub inputs: Vec<PathBuf>,
    /// How text is split into words.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub tokenizer: Tokenizer,
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
            tokenizer: Tokenizer::default(),
            min_count: 5,
            max_vocab: None,
            vocab_file: None,
            strict: false,
        }
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
    /// A hash of every setting, and of what the system knows about each input: its path, length,
    /// place on the disk, and when it was changed.
    fn key(&self) -> Result<Option<u64>> {
        let mut hash = Xxh3::new();
        // Every part comes with its length, so that no two lists of parts look alike.
        let mut part = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(&VERSION.to_le_bytes());
        let words = self.vocab_file.as_deref().map(Mapped::open).transpose()?;
        let given = words.is_some();
        let settings = (&self.tokenizer, self.min_count, self.max_vocab, self.strict, given);
        part(&serde_json::to_vec(&settings).map_err(|e| Error::Refused(e.to_string()))?);
        part(words.as_deref().unwrap_or_default());
        for file in text::expand(&self.inputs)? {
            if file.as_os_str() == "-" {
                return Ok(None);
            }
            let about = std::fs::metadata(&file).map_err(Error::io(&file))?;
            if !about.is_file() {
                return Ok(None);
            }
            let canonical = file.canonicalize().map_err(Error::io(&file))?;
            let changed = about.modified().map_err(Error::io(&file))?;
            let since = changed.duration_since(SystemTime::UNIX_EPOCH);
            let (before, since) = since.map_or_else(|e| (1, e.duration()), |since| (0, since));
            part(canonical.as_os_str().as_encoded_bytes());
            part(&about.len().to_le_bytes());
            part(&[&[before][..], &since.as_nanos().to_le_bytes()].concat());
            #[cfg(unix)]
            {
                // A program can set the time of the last change to its content back, but not that
                // of the last change to anything.
                use std::os::unix::fs::MetadataExt;
                let about =
                    [about.dev(), about.ino(), about.ctime() as u64, about.ctime_nsec() as u64];
                part(bytemuck::cast_slice(&about));
            }
        }
        Ok(Some(hash.digest()))
    }

    fn write(&self, writer: &mut CorpusWriter, progress: &Progress) -> Result<(Vocab, Facts)> {
        self.encode(None, writer, progress)
    }
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
        self.text.encode(Some(self.vocab), writer, progress)
    }
}

impl TextOptions {
    /// Counts and encodes the inputs, whose words may join those of an `old` vocabulary.
    ///
    /// # Errors
    /// Unreadable or binary input, an empty vocabulary, a full disk, or [`Error::Stopped`].
    fn encode(
        &self,
        old: Option<&Vocab>,
        writer: &mut CorpusWriter,
        progress: &Progress,
    ) -> Result<(Vocab, Facts)> {
        let files = text::expand(&self.inputs)?;
        let out = Staged::new(&writer.path().with_extension("spool"))?;
        let spool = Mutex::new(Spool { out, at: 0, pieces: Vec::new() });
        // A file that was found in a directory may be no text. A file that was named must be.
        let may_skip = |file: &PathBuf| !self.strict && !self.inputs.contains(file);
        let blocks =
            Mutex::new(Blocks::new(files.iter().map(|file| (file.clone(), may_skip(file)))));
        let invalid = AtomicU64::new(0);
        let workers = rayon::broadcast(|context| {
            let counted = count(context.index(), self, &blocks, &spool, &invalid, progress);
            if counted.is_err() {
                progress.stop.store(true, Ordering::Relaxed);
            }
            counted
        });
        let workers = all_or_first_cause(workers)?;
        let blocks = blocks.into_inner().unwrap_or_else(PoisonError::into_inner);
        for why in blocks.left_out {
            writer.note(&format!("left out: {why}"));
        }
        let spool = spool.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Spool { mut out, mut pieces, .. } = spool;
        out.flush().map_err(Error::io(writer.path()))?;
        pieces.sort_unstable_by_key(|piece| piece.block);

        let mut total = Counter::default();
        let provisional: Vec<Vec<u32>> = workers
            .iter()
            .map(|worker| worker.iter().map(|(word, count)| total.add(word, count)).collect())
            .collect();
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
        let vocab = match old {
            Some(old) => grow(old, self, &total)?,
            None => choose(self, &total)?,
        };
        let mut ids = vec![NONE; total.len()];
        for id in 0..vocab.len() as u32 {
            if let Some(known) = total.id(vocab.word(id)) {
                ids[known as usize] = id;
            }
        }
        let final_ids = |of: Vec<u32>| of.into_iter().map(|p| ids[p as usize]).collect();
        let translations: Vec<Vec<u32>> = provisional.into_iter().map(final_ids).collect();

        let spooled = Mapped::open(out.temporary())?;
        let spooled: &[u32] = bytemuck::cast_slice(&spooled);
        for batch in pieces.chunks(BATCH) {
            let translated: Vec<(Vec<u32>, Vec<usize>)> = batch
                .par_iter()
                .map(|piece| {
                    let ids = &spooled[piece.at..piece.at + piece.length];
                    translate(ids, &translations[piece.worker])
                })
                .collect();
            for (ids, ends) in translated {
                let mut start = 0;
                for end in ends {
                    writer.tokens(&ids[start..end])?;
                    writer.end_sentence();
                    start = end;
                }
                writer.tokens(&ids[start..])?;
            }
            progress.check()?;
        }
        Ok((vocab, facts))
    }
}

/// The work of one worker. It takes blocks while there are any, counts their words, and spools
/// their provisional ids.
fn count(
    worker: usize,
    options: &TextOptions,
    blocks: &Mutex<Blocks>,
    spool: &Mutex<Spool>,
    invalid: &AtomicU64,
    progress: &Progress,
) -> Result<Counter> {
    let mut counter = Counter::default();
    let mut ids: Vec<u32> = Vec::new();
    loop {
        progress.check()?;
        let next = blocks.lock().unwrap_or_else(PoisonError::into_inner).next_block()?;
        let Some(block) = next else { return Ok(counter) };
        if let Some((words, first)) = block.invalid_utf8() {
            if options.strict {
                let problem = format!(
                    "not UTF-8 at byte {first}: convert it with iconv, or leave out `strict`"
                );
                return Err(Error::input(&block.path, problem));
            }
            invalid.fetch_add(words, Ordering::Relaxed);
        }
        ids.clear();
        let mut words = 0;
        options.tokenizer.split(block.text(), |token| match token {
            Token::Word(word) => {
                words += 1;
                ids.push(counter.add(word, 1));
            }
            // One end is as good as several.
            Token::End if ids.last() != Some(&NONE) => ids.push(NONE),
            Token::End => {}
        });
        if block.last && ids.last() != Some(&NONE) {
            ids.push(NONE);
        }
        let mut spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
        spool.out.put(bytemuck::cast_slice(&ids))?;
        let piece = Piece { block: block.index, worker, at: spool.at, length: ids.len() };
        spool.at += ids.len();
        spool.pieces.push(piece);
        drop(spool);
        progress.done.fetch_add(block.text().len() as u64, Ordering::Relaxed);
        progress.words.fetch_add(words, Ordering::Relaxed);
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

fn choose(options: &TextOptions, total: &Counter) -> Result<Vocab> {
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

/// Translates provisional ids to tokens and drops the words that the vocabulary lacks. Returns the
/// tokens, and where sentences end among them.
fn translate(spooled: &[u32], to: &[u32]) -> (Vec<u32>, Vec<usize>) {
    let mut ids = Vec::with_capacity(spooled.len());
    let mut ends = Vec::new();
    for &provisional in spooled {
        if provisional == NONE {
            ends.push(ids.len());
        } else if to[provisional as usize] != NONE {
            ids.push(to[provisional as usize]);
        }
    }
    (ids, ends)
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

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
