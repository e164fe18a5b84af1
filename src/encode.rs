//! From text to an encoded corpus, reading the text once: workers count and write provisional ids to a spool file;
//! when the vocabulary is known the ids are translated, in the order of the text.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;

use crate::corpus::{Corpus, CorpusWriter, Facts};
use crate::error::{Error, Result};
use crate::mapped::{Beside, Mapped};
use crate::text::{self, Blocks, Token, Tokenizer};
use crate::vocab::{self, Counter, Vocab};

/// In the spool: a sentence ends here. In the translation: the vocabulary lacks this word.
const NONE: u32 = u32::MAX;
/// This many blocks are translated at a time.
const BATCH: usize = 64;

/// What to read and which words to keep.
#[derive(Clone, Debug, clap::Args, serde::Serialize, serde::Deserialize)]
pub struct Counting {
    /// Text: files (plain, gzip, zstd), directories, or - for standard input
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Splitting into words.
    #[command(flatten)]
    pub tokenizer: Tokenizer,
    /// Drop words that occur fewer times
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub min_count: u64,
    /// Keep only the N most frequent words
    #[arg(long, value_name = "N")]
    pub max_vocab: Option<usize>,
    /// Keep exactly the words of this file that occur (`word count` lines), whatever their number here
    #[arg(long = "vocab", value_name = "FILE")]
    pub vocab_file: Option<PathBuf>,
    /// Stop at bytes that are not UTF-8 (otherwise they are kept, counted and reported)
    #[arg(long)]
    pub strict: bool,
}

impl Default for Counting {
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

/// Polled from outside while [`encode`] runs.
#[derive(Debug, Default)]
pub struct Reading {
    /// Bytes of text read so far, unpacked.
    pub bytes: AtomicU64,
    /// Words read so far.
    pub words: AtomicU64,
    /// Set it to stop.
    pub stop: AtomicBool,
}

/// Where the provisional ids of a block are in the spool.
struct Piece {
    block: u64,
    worker: usize,
    /// In ids, from the beginning of the spool.
    at: usize,
    length: usize,
}

struct Spool {
    out: File,
    at: usize,
    pieces: Vec<Piece>,
}

/// Counts and encodes `counting.inputs` into a corpus file at `path`, on the threads of the current rayon pool.
/// The result does not depend on their number.
///
/// # Errors
/// Unreadable or binary input, an empty vocabulary, a full disk, or [`Error::Stopped`].
pub fn encode(counting: &Counting, path: &Path, reading: &Reading) -> Result<Corpus> {
    let files = text::expand(&counting.inputs)?;
    let beside = Beside::new(&path.with_extension("spool"))?;
    let out = beside.file.try_clone().map_err(Error::io(path))?;
    let spool = Mutex::new(Spool { out, at: 0, pieces: Vec::new() });
    let blocks = Mutex::new(Blocks::new(&files));
    let invalid = AtomicU64::new(0);
    let workers = rayon::broadcast(|context| {
        let counted = count(context.index(), counting, &blocks, &spool, &invalid, reading, path);
        if counted.is_err() {
            reading.stop.store(true, Ordering::Relaxed);
        }
        counted
    });
    let workers = all_or_first_cause(workers)?;
    let Spool { mut pieces, .. } = spool.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
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
        bytes_read: reading.bytes.load(Ordering::Relaxed),
        invalid_utf8: invalid.into_inner(),
        ..Facts::default()
    };
    if facts.words_read == 0 {
        return Err(Error::input(&files[0], "no word in this input: is it empty?"));
    }
    let vocab = choose(counting, &total)?;
    let mut ids = vec![NONE; total.len()];
    for id in 0..vocab.len() as u32 {
        if let Some(known) = total.id(vocab.word(id)) {
            ids[known as usize] = id;
        }
    }
    let translations: Vec<Vec<u32>> =
        provisional.into_iter().map(|of| of.into_iter().map(|p| ids[p as usize]).collect()).collect();

    let spooled = Mapped::open(beside.path())?;
    let spooled: &[u32] = bytemuck::cast_slice(&spooled);
    let mut writer = CorpusWriter::new(path)?;
    for batch in pieces.chunks(BATCH) {
        let translated: Vec<(Vec<u32>, Vec<usize>)> = batch
            .par_iter()
            .map(|piece| translate(&spooled[piece.at..piece.at + piece.length], &translations[piece.worker]))
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
        if reading.stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
    }
    writer.finish(&vocab, facts)
}

/// What one worker does: takes blocks while there are any, counts their words, spools their provisional ids.
fn count(
    worker: usize,
    counting: &Counting,
    blocks: &Mutex<Blocks>,
    spool: &Mutex<Spool>,
    invalid: &AtomicU64,
    reading: &Reading,
    path: &Path,
) -> Result<Counter> {
    let mut counter = Counter::default();
    let mut ids: Vec<u32> = Vec::new();
    loop {
        if reading.stop.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let next = blocks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next_block()?;
        let Some(block) = next else { return Ok(counter) };
        if let Some((words, first)) = block.invalid_utf8() {
            if counting.strict {
                let problem =
                    format!("not UTF-8 at byte {first}: convert it with iconv, or leave out --strict");
                return Err(Error::input(&block.path, problem));
            }
            invalid.fetch_add(words, Ordering::Relaxed);
        }
        ids.clear();
        let mut words = 0;
        counting.tokenizer.split(block.text(), |token| match token {
            Token::Word(word) => {
                words += 1;
                ids.push(counter.add(word, 1));
            }
            Token::End => ids.push(NONE),
        });
        if block.last {
            ids.push(NONE);
        }
        let mut spool = spool.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        spool.out.write_all(bytemuck::cast_slice(&ids)).map_err(Error::io(path))?;
        let piece = Piece { block: block.index, worker, at: spool.at, length: ids.len() };
        spool.at += ids.len();
        spool.pieces.push(piece);
        drop(spool);
        reading.bytes.fetch_add(block.text().len() as u64, Ordering::Relaxed);
        reading.words.fetch_add(words, Ordering::Relaxed);
    }
}

/// The error that made the others stop, if any.
fn all_or_first_cause<T>(results: Vec<Result<T>>) -> Result<Vec<T>> {
    let (good, mut bad): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    bad.sort_by_key(|result| matches!(result, Err(Error::Stopped)));
    match bad.into_iter().next() {
        Some(Err(cause)) => Err(cause),
        _ => Ok(good.into_iter().flatten().collect()),
    }
}

fn choose(counting: &Counting, total: &Counter) -> Result<Vocab> {
    let Some(file) = &counting.vocab_file else { return total.cut(counting.min_count, counting.max_vocab) };
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
    chosen.cut(1, counting.max_vocab)
}

/// Provisional ids to the tokens that the vocabulary knows, and where among them sentences end.
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
mod tests {
    use super::*;

    fn counting(inputs: &[&Path]) -> Counting {
        Counting {
            inputs: inputs.iter().map(|p| p.to_path_buf()).collect(),
            min_count: 1,
            ..Counting::default()
        }
    }

    fn decoded(corpus: &Corpus) -> String {
        let tokens = corpus.tokens();
        let sentence = |s: std::ops::Range<usize>| {
            tokens[s].iter().map(|&id| corpus.vocab.text(id).into_owned()).collect::<Vec<_>>().join(" ")
        };
        corpus.sentences(0..tokens.len()).map(sentence).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn encoding_keeps_every_known_word_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, out) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("out"));
        std::fs::write(&a, "one two\n\nthree one\ttwo two").unwrap();
        std::fs::write(&b, "two four\n").unwrap();
        let corpus = encode(&counting(&[&a, &b]), &out, &Reading::default()).unwrap();
        assert_eq!(decoded(&corpus), "one two\nthree one two two\ntwo four");
        assert_eq!(corpus.vocab.words().collect::<Vec<_>>(), [&b"two"[..], b"one", b"four", b"three"]);
        let rare = Counting { min_count: 2, ..counting(&[&a, &b]) };
        let corpus = encode(&rare, &out, &Reading::default()).unwrap();
        assert_eq!(decoded(&corpus), "one two\none two two\ntwo");
        assert_eq!(corpus.facts.words_read, 8);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no spool is left");
    }

    #[test]
    fn a_given_vocabulary_is_kept_where_it_occurs() {
        let folder = tempfile::tempdir().unwrap();
        let (a, v, out) = (folder.path().join("a"), folder.path().join("v"), folder.path().join("out"));
        std::fs::write(&a, "one two two three\n").unwrap();
        std::fs::write(&v, "three 7\nten 3\n\none\nthree\n").unwrap();
        let given = Counting { vocab_file: Some(v), min_count: 5, ..counting(&[&a]) };
        let corpus = encode(&given, &out, &Reading::default()).unwrap();
        assert_eq!(decoded(&corpus), "one three");
    }

    #[test]
    fn the_same_corpus_whatever_the_number_of_threads() {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join("text");
        let text: String = (0..700_000u64)
            .map(|i| format!("w{}{}", i.wrapping_mul(i) % 9973, if i % 31 == 0 { '\n' } else { ' ' }))
            .collect();
        std::fs::write(&input, &text).unwrap();
        let encoded = |threads: usize| {
            let out = folder.path().join(format!("out{threads}"));
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let corpus = pool.install(|| encode(&counting(&[&input]), &out, &Reading::default())).unwrap();
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
        let fails =
            |counting: &Counting| encode(counting, &out, &Reading::default()).unwrap_err().to_string();
        assert!(fails(&counting(&[&a])).contains("a: "), "missing");
        std::fs::write(&a, " \n ").unwrap();
        assert!(fails(&counting(&[&a])).contains("no word"));
        std::fs::write(&a, "one two").unwrap();
        assert!(fails(&Counting { min_count: 2, ..counting(&[&a]) }).contains("--min-count"));
        std::fs::write(&a, b"one tw\xffo").unwrap();
        assert!(fails(&Counting { strict: true, ..counting(&[&a]) }).contains("not UTF-8 at byte 6"));
        assert_eq!(encode(&counting(&[&a]), &out, &Reading::default()).unwrap().facts.invalid_utf8, 1);
        let stopped = Reading { stop: true.into(), ..Reading::default() };
        assert!(matches!(encode(&counting(&[&a]), &out, &stopped), Err(Error::Stopped)));
    }
}
