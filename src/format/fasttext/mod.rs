//! fastText's own files: `.bin` of versions 11 and 12, and `.ftz`, which is the same with quantised
//! matrices.
//!
//! Little-endian, without padding:
//!
//! ```text
//! magic i32 · version i32
//! settings: 12 x i32 (see ARGS) · subsampling threshold f64
//! entries i32 · words i32 · labels i32 · tokens i64 · pruned n-grams i64, -1 where all are there
//!     for each entry, words first: its bytes · 0 · count i64 · kind u8, 0 a word and 1 a label
//!     for each pruned n-gram that was kept: bucket i32 · row i32
//! quantised u8 · input rows: words, then buckets
//! quantised u8 · output rows: words, or labels
//! dense:     rows i64 · dim i64 · dim x f32 for each row
//! quantised: with norms u8 · rows i64 · dim i64 · bytes of codes i32 · codes · centroids
//!                          [· a norm's code for each row · centroids of norms]
//! centroids: dim i32 · parts i32 · dim of a part i32 · dim of the last i32 · 256 for each part
//! ```
//!
//! A word's vector is the mean of its own row and those of its n-grams ([`crate::subword`]), as in
//! fastText itself.
//!
//! This file is over 300 lines because it checks every field of the layout, whose errors name the
//! field and the way out.

mod matrix;
pub(super) mod quantise;
mod write;

use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value, json};

use self::matrix::Matrix;
use super::rows::too_large;
use super::{Contents, Kind, Part, Reads, Writes};
use crate::bytes::Cursor;
use crate::corpus::{Facts, Vocab};
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::memory::Mapped;
use crate::subword::{Subwords, add_row, scale};

pub(super) const FORMAT: Kind = Kind {
    name: "fasttext",
    help: "fastText's model, with n-grams (.bin)",
    program: "fastText",
    extensions: &["bin"],
    holds: &HELD,
    reads: Some(Reads { looks: looks_fasttext, read }),
    writes: Writes::File(write::write),
    widths: &[],
    size,
};

const HELD: [Part; 4] = [Part::Counts, Part::Output, Part::Ngrams, Part::Settings];

fn size(of: &Contents) -> u64 {
    of.words * (2 * of.dim * 4 + 10) + of.bytes
}

const MAGIC: i32 = 793_712_314;

const VERSION: i32 = 12;
/// The offset of the settings, in bytes.
const SETTINGS: usize = 8;

/// The offset of the dictionary, in bytes.
const DICTIONARY: usize = SETTINGS + 4 * ARGS.len() + 8;
/// The names of the settings, and the values that are written where they are not known.
const ARGS: [(&str, i32); 12] = [
    ("dim", 100),
    ("window", 5),
    ("epochs", 5),
    ("min_count", 1),
    ("negative", 5),
    ("word_ngrams", 1),
    ("loss", NEGATIVE_SAMPLING),
    ("model", 2),
    ("buckets", 0),
    ("min_n", 0),
    ("max_n", 0),
    ("lr_update_rate", 100),
];

const LOSSES: [&str; 4] = ["hierarchical-softmax", "negative-sampling", "softmax", "one-vs-all"];

const METHODS: [&str; 3] = ["cbow", "skip-gram", "supervised"];

const HIERARCHICAL_SOFTMAX: i32 = 1;

const NEGATIVE_SAMPLING: i32 = 2;

const SUPERVISED: i32 = 3;
/// Files are rejected as hostile when their words have more n-grams than this on average, or more
/// bytes that are hashed for n-grams.
const MAX_NGRAMS: usize = 10_000;

/// Whether this is a file of fastText. It has the magic number, or else it is an older one with
/// plausible settings.
fn looks_fasttext(file: &[u8]) -> bool {
    int(file, 0) == Some(MAGIC) || looks_old(file)
}

fn int(file: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

/// Whether the file begins with the settings, as files did before there was a magic number.
fn looks_old(file: &[u8]) -> bool {
    let within =
        |i: usize, least, most| int(file, 4 * i).is_some_and(|x| (least..=most).contains(&x));
    let threshold = file.get(4 * ARGS.len()..).and_then(|rest| rest.first_chunk());
    let threshold = threshold.map_or(f64::NAN, |bytes| f64::from_le_bytes(*bytes));
    within(0, 1, 1 << 16)
        && within(1, 1, 1 << 16)
        && within(2, 0, 1 << 16)
        && within(6, 1, 4)
        && within(7, 1, 3)
        && within(9, 0, 100)
        && within(10, 0, 100)
        && (0.0..=1.0).contains(&threshold)
}

/// Whether there is a dictionary at `at` whose sizes agree.
fn looks_dictionary(file: &[u8], at: usize) -> bool {
    match [at, at + 4, at + 8].map(|at| int(file, at)) {
        [Some(all), Some(words), Some(labels)] => {
            words > 0 && labels >= 0 && i64::from(words) + i64::from(labels) == i64::from(all)
        }
        _ => false,
    }
}

fn read(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let mut cursor = Cursor::new(path, file);
    if cursor.i32("the magic number")? != MAGIC {
        return Err(cursor.bad(
            "a fastText file from before its format had a version, which is not read: load it with gensim's \
             load_facebook_vectors, and convert what save_word2vec_format makes of it",
        ));
    }
    let version = cursor.i32("the version")?;
    if version != VERSION && version != VERSION - 1 {
        return Err(
            cursor.bad(format!("version {version} of fastText's format; 11 and 12 are read"))
        );
    }
    // floret keeps magic number and version, but has two more settings.
    if looks_dictionary(file, DICTIONARY + 8) && !looks_dictionary(file, DICTIONARY) {
        return Err(cursor.bad(
            "a file of floret, not of fastText: save its vectors as word2vec text (by its save_vectors) and give that",
        ));
    }
    let mut args = [0; ARGS.len()];
    for (arg, (name, _)) in args.iter_mut().zip(ARGS) {
        *arg = cursor.i32(name)?;
    }
    let [dim, .., loss, method, buckets, min_n, mut max_n, _] = args;
    let subsample = cursor.f64("the subsampling threshold")?;
    let Some(dim) = usize::try_from(dim).ok().filter(|dim| (1..=1 << 16).contains(dim)) else {
        return Err(Error::format(path, SETTINGS as u64, format!("dim is {dim}")));
    };
    if version < VERSION && method == SUPERVISED {
        // In version 11, classifiers had no character n-grams, whatever the setting.
        max_n = 0;
    }
    let dictionary = Dictionary::read(&mut cursor)?;
    let words = dictionary.words.len();

    let quantised = cursor.flag("whether the input is quantised")?;
    if !quantised && dictionary.pruned.is_some() {
        return Err(cursor.bad("a pruned dictionary for a matrix that is not quantised"));
    }
    let input = Matrix::read(&mut cursor, quantised, dim, "input")?;
    let count = |x: i32| u32::try_from(x).unwrap_or(0);
    let subwords = Subwords {
        min_n: count(min_n) as usize,
        max_n: count(max_n) as usize,
        buckets: count(buckets),
    };
    let ngrams = if subwords.max_n == 0 || subwords.buckets == 0 {
        None
    } else {
        subwords.check().map_err(|problem| Error::format(path, SETTINGS as u64, problem))?;
        Some(input.ngrams(&cursor, subwords, words, dictionary.pruned.as_deref())?)
    };
    if input.rows < words {
        return Err(cursor.bad(format!("{} input rows for {words} words", input.rows)));
    }
    if ngrams.is_some() {
        dictionary.check_lengths(&cursor, subwords.max_n)?;
    }
    let quantised_output = cursor.flag("whether the output is quantised")?;
    let output = Matrix::read(&mut cursor, quantised && quantised_output, dim, "output")?;
    cursor.end()?;
    // The output rows of a classifier belong to its labels, and those of hierarchical softmax to
    // the nodes of a tree. Rows of nothing but zeros were not known to the program that wrote the
    // file.
    let of_words = method != SUPERVISED && loss != HIERARCHICAL_SOFTMAX && output.rows == words;
    let output = match &output.dense {
        _ if !of_words => None,
        Some(rows) if rows.iter().all(|byte| *byte == 0) => None,
        Some(rows) => {
            let copy = || Mapped::filled(rows.len() / 4, |all| add_row(rows, all));
            Some(
                rows.part(0..rows.len())
                    .or_else(copy)
                    .ok_or_else(|| too_large(path, words, dim))?,
            )
        }
        None => {
            let decoded = Mapped::filled(words * dim, |all: &mut [f32]| {
                let rows = all.par_chunks_mut(dim).enumerate();
                rows.for_each(|(row, vector)| output.add(row, vector));
            });
            let decoded = decoded.ok_or_else(|| too_large(path, words, dim))?;
            Some(decoded).filter(|rows| rows.iter().any(|x| *x != 0.0))
        }
    };

    let vectors = Mapped::filled(words * dim, |all: &mut [f32]| {
        all.par_chunks_mut(dim).enumerate().for_each(|(row, vector)| {
            input.add(row, vector);
            let counted =
                ngrams.as_ref().map_or(0, |ngrams| ngrams.add(dictionary.words[row], vector));
            scale(vector, 1 + counted);
        });
    });
    let vectors = vectors.ok_or_else(|| too_large(path, words, dim))?;
    let provenance = provenance(version, &args, subsample, &dictionary);
    let vocab = Vocab::new(&dictionary.words, dictionary.counts);
    Ok(Embeddings::new(vocab, dim, vectors.into(), output.map(Into::into), provenance)
        .with_ngrams(ngrams))
}

/// The history of the training, as far as the settings tell it.
fn provenance(
    version: i32,
    args: &[i32; ARGS.len()],
    subsample: f64,
    dictionary: &Dictionary,
) -> Provenance {
    let named = |names: &[&'static str], x: i32| {
        names.get(x.wrapping_sub(1) as usize).copied().unwrap_or_default()
    };
    let mut settings: Map<String, Value> =
        ARGS.iter().zip(args).map(|((name, _), x)| ((*name).into(), json!(x))).collect();
    let method = settings.shift_remove("model");
    settings["loss"] = named(&LOSSES, args[6]).into();
    settings.insert("subsample".into(), json!(subsample));
    let corpus = Facts {
        words_read: dictionary.tokens,
        tokens: dictionary.counts.iter().fold(0, |sum: u64, n| sum.saturating_add(*n)),
        vocabulary: dictionary.words.len() as u64,
        ..Facts::default()
    };
    let method = method.and_then(|x| x.as_i64()).map_or("", |x| named(&METHODS, x as i32));
    let program = format!("fastText (version {version} of its format)");
    Provenance {
        program,
        method: method.into(),
        settings: settings.into(),
        corpus,
        ..Provenance::default()
    }
}

/// The words of a file. Its labels are skipped.
struct Dictionary<'a> {
    words: Vec<&'a [u8]>,
    counts: Vec<u64>,
    tokens: u64,
    /// The buckets that pruning has kept, in ascending order, and the places of their rows after
    /// the words' rows.
    pruned: Option<Vec<(u32, usize)>>,
}

impl<'a> Dictionary<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        let entries = cursor.size32("the number of entries")?;
        let words = cursor.size32("the number of words")?;
        let labels = cursor.size32("the number of labels")?;
        if words == 0 || words.checked_add(labels) != Some(entries) {
            return Err(
                cursor.bad(format!("{entries} entries of {words} words and {labels} labels"))
            );
        }
        cursor.has_room(entries, 10, "the number of entries")?;
        let tokens = cursor.size64("the number of tokens")? as u64;
        let kept = match cursor.i64("the number of pruned n-grams")? {
            -1 => None,
            kept => Some(
                usize::try_from(kept).map_err(|_| cursor.bad(format!("{kept} pruned n-grams")))?,
            ),
        };
        cursor.has_room(kept.unwrap_or(0), 8, "the number of pruned n-grams")?;
        let mut all = Self {
            words: Vec::with_capacity(words),
            counts: Vec::with_capacity(words),
            tokens,
            pruned: None,
        };
        for entry in 0..entries {
            let word = cursor.until(0, "a word")?;
            let count = cursor.size64("a word's count")? as u64;
            if cursor.flag("a word's kind")? != (entry >= words) {
                return Err(cursor.bad("labels are not behind the words"));
            }
            if entry < words {
                all.words.push(word);
                all.counts.push(count);
            }
        }
        if let Some(kept) = kept {
            let mut rows = Vec::with_capacity(kept);
            for _ in 0..kept {
                let bucket = cursor.size32("a pruned n-gram's bucket")? as u32;
                rows.push((bucket, cursor.size32("a pruned n-gram's row")?));
            }
            rows.sort_unstable();
            if rows.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(cursor.bad("a bucket is there twice among the pruned n-grams"));
            }
            all.pruned = Some(rows);
        }
        Ok(all)
    }

    /// Refuses files whose words are so long that composing their vectors would take forever.
    fn check_lengths(&self, cursor: &Cursor, max_n: usize) -> Result<()> {
        let ngrams = |word: &&[u8]| word.len().saturating_mul(max_n.min(word.len() + 2));
        let all = self.words.iter().fold(0, |sum: usize, word| sum.saturating_add(ngrams(word)));
        if all / self.words.len() > MAX_NGRAMS {
            let problem = format!("words have {} n-grams on average", all / self.words.len());
            return Err(cursor.bad(problem));
        }
        Ok(())
    }
}
