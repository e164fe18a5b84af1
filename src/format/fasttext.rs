//! fastText's own files: `.bin` of versions 11 and 12, and `.ftz`, which is the same with quantised matrices.
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
//! dense:     rows i64 · numbers in a row i64 · f32 for each
//! quantised: with norms u8 · rows i64 · numbers in a row i64 · bytes of codes i32 · codes · centroids
//!                          [· a norm's code for each row · centroids of norms]
//! centroids: numbers in a row i32 · parts i32 · numbers in a part i32 · in the last one i32 · 256 for each part
//! ```
//!
//! A word's vector is the mean of its own row and those of its n-grams ([`crate::subword`]), as fastText itself answers.

use std::io::Write;
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value, json};

use super::bytes::Cursor;
use crate::corpus::Facts;
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::mapped::{self, Mapped};
use crate::subword::{Ngrams, Subwords, add_row, scale};
use crate::vocab::Vocab;

const MAGIC: i32 = 793_712_314;
const VERSION: i32 = 12;
/// Where the settings and the dictionary begin.
const SETTINGS: usize = 8;
const DICTIONARY: usize = SETTINGS + 4 * ARGS.len() + 8;

/// The names of the settings, and what is written where they are not known.
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

/// Centroids for each part of a row.
const CENTROIDS: usize = 256;
/// More numbers for a byte of code than anyone stores; what decoding allocates is bounded by it.
const LONGEST_PART: usize = 64;
/// So many n-grams for each word, or bytes hashed for them, are taken for honest on average.
const MOST_NGRAMS: usize = 10_000;

/// Whether this is a file of fastText: by its magic number, or, of one that is older, by settings that make sense.
pub(super) fn looks_fasttext(file: &[u8]) -> bool {
    int(file, 0) == Some(MAGIC) || looks_old(file)
}

fn int(file: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*file.get(at..)?.first_chunk()?))
}

/// Whether the settings stand at the very beginning, as they did before there was a magic number.
fn looks_old(file: &[u8]) -> bool {
    let within = |i: usize, least, most| int(file, 4 * i).is_some_and(|x| (least..=most).contains(&x));
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

/// Whether there is a dictionary at `at` whose numbers agree.
fn looks_dictionary(file: &[u8], at: usize) -> bool {
    match [at, at + 4, at + 8].map(|at| int(file, at)) {
        [Some(all), Some(words), Some(labels)] => {
            words > 0 && labels >= 0 && i64::from(words) + i64::from(labels) == i64::from(all)
        }
        _ => false,
    }
}

pub(super) fn read(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let mut cursor = Cursor::new(path, file);
    if cursor.i32("the magic number")? != MAGIC {
        return Err(cursor.bad(
            "a fastText file from before its format had a version, which is not read: load it with gensim's \
             load_facebook_vectors, and convert what save_word2vec_format makes of it",
        ));
    }
    let version = cursor.i32("the version")?;
    if version != VERSION && version != VERSION - 1 {
        return Err(cursor.bad(format!("version {version} of fastText's format; 11 and 12 are read")));
    }
    // floret keeps magic number and version, but has two more settings.
    if looks_dictionary(file, DICTIONARY + 8) && !looks_dictionary(file, DICTIONARY) {
        return Err(cursor.bad(
            "a file of floret, not of fastText: save its vectors as word2vec text (`save_vectors`) and give that",
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
        // Classifiers had no n-grams of characters then, whatever the setting.
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
    let subwords =
        Subwords { min_n: count(min_n) as usize, max_n: count(max_n) as usize, buckets: count(buckets) };
    let ngrams = if subwords.max_n == 0 || subwords.buckets == 0 {
        None
    } else {
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
    // A classifier's rows are those of its labels, and hierarchical softmax has rows for the nodes of a tree.
    // Zeros stand for rows that were not known to whoever wrote the file.
    let of_words = method != SUPERVISED && loss != HIERARCHICAL_SOFTMAX && output.rows == words;
    let output = output.dense.filter(|rows| of_words && rows.iter().any(|byte| *byte != 0)).map(|rows| {
        let aligned = rows.part(0..rows.len());
        aligned.unwrap_or_else(|| Mapped::filled(rows.len() / 4, |all| add_row(&rows, all)))
    });

    let vectors = Mapped::filled(words * dim, |all: &mut [f32]| {
        all.par_chunks_mut(dim).enumerate().for_each(|(row, vector)| {
            input.add(row, vector);
            let counted = ngrams.as_ref().map_or(0, |ngrams| ngrams.add(dictionary.words[row], vector));
            scale(vector, 1 + counted);
        });
    });
    let provenance = provenance(version, &args, subsample, &dictionary);
    let vocab = Vocab::new(&dictionary.words, dictionary.counts);
    Ok(Embeddings::new(vocab, dim, vectors, output, provenance).with_ngrams(ngrams))
}

/// What the settings tell of the training.
fn provenance(version: i32, args: &[i32; ARGS.len()], subsample: f64, dictionary: &Dictionary) -> Provenance {
    let named =
        |names: &[&'static str], x: i32| names.get(x.wrapping_sub(1) as usize).copied().unwrap_or_default();
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
    Provenance { program, method: method.into(), settings: settings.into(), corpus, ..Provenance::default() }
}

/// The words of a file; its labels are passed over.
struct Dictionary<'a> {
    words: Vec<&'a [u8]>,
    counts: Vec<u64>,
    tokens: u64,
    /// The buckets that pruning has kept, ascending, and their rows behind the words' rows.
    pruned: Option<Vec<(u32, usize)>>,
}

impl<'a> Dictionary<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Result<Self> {
        let entries = cursor.size32("the number of entries")?;
        let words = cursor.size32("the number of words")?;
        let labels = cursor.size32("the number of labels")?;
        if words == 0 || words.checked_add(labels) != Some(entries) {
            return Err(cursor.bad(format!("{entries} entries of {words} words and {labels} labels")));
        }
        cursor.has_room(entries, 10, "the number of entries")?;
        let tokens = cursor.size64("the number of tokens")? as u64;
        let kept = match cursor.i64("the number of pruned n-grams")? {
            -1 => None,
            kept => Some(usize::try_from(kept).map_err(|_| cursor.bad(format!("{kept} pruned n-grams")))?),
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

    /// Refuses words so long that composing them would take for ever.
    fn check_lengths(&self, cursor: &Cursor, max_n: usize) -> Result<()> {
        let ngrams = |word: &&[u8]| word.len().saturating_mul(max_n.min(word.len() + 2));
        let all = self.words.iter().fold(0, |sum: usize, word| sum.saturating_add(ngrams(word)));
        if all / self.words.len() > MOST_NGRAMS {
            let problem = format!("words have {} n-grams on average", all / self.words.len());
            return Err(cursor.bad(problem));
        }
        Ok(())
    }
}

/// Rows of a file: `dense`, or else `quantised`.
struct Matrix<'a> {
    rows: usize,
    dim: usize,
    dense: Option<Mapped<u8>>,
    quantised: Option<Quantised<'a>>,
}

/// Rows of which each part is one of 256 centroids (Jégou, Douze & Schmid 2011, "Product Quantization for Nearest
/// Neighbor Search"), multiplied by a norm that is quantised too.
struct Quantised<'a> {
    codes: &'a [u8],
    centroids: Centroids<'a>,
    norms: Option<(&'a [u8], Centroids<'a>)>,
}

struct Centroids<'a> {
    /// Parts of a row, and numbers in each but the last, which has what is left.
    parts: usize,
    part: usize,
    bytes: &'a [u8],
}

impl<'a> Matrix<'a> {
    fn read(cursor: &mut Cursor<'a>, quantised: bool, dim: usize, name: &str) -> Result<Self> {
        let norms = quantised && cursor.flag(&format!("whether {name} norms are quantised"))?;
        let rows = cursor.size64(&format!("the number of {name} rows"))?;
        if cursor.size64(&format!("the length of {name} rows"))? != dim {
            return Err(cursor.bad(format!("{name} rows are not of {dim} numbers, as dim says")));
        }
        if !quantised {
            let dense = cursor.part(rows, 4 * dim, &format!("{name} rows"))?;
            return Ok(Self { rows, dim, dense: Some(dense), quantised: None });
        }
        let size = cursor.size32(&format!("the size of {name} codes"))?;
        let codes = cursor.take(size, &format!("{name} codes"))?;
        let centroids = Centroids::read(cursor, dim, &format!("{name} centroids"))?;
        if centroids.parts.checked_mul(rows) != Some(size) {
            return Err(cursor.bad(format!("{size} codes for {rows} rows of {} parts", centroids.parts)));
        }
        let norms = if norms {
            let codes = cursor.take(rows, &format!("codes of {name} norms"))?;
            Some((codes, Centroids::read(cursor, 1, &format!("{name} norms"))?))
        } else {
            None
        };
        Ok(Self { rows, dim, dense: None, quantised: Some(Quantised { codes, centroids, norms }) })
    }

    /// Adds row `row` to `sum`.
    fn add(&self, row: usize, sum: &mut [f32]) {
        if let Some(rows) = &self.dense {
            add_row(&rows[4 * self.dim * row..][..4 * self.dim], sum);
        }
        if let Some(Quantised { codes, centroids, norms }) = &self.quantised {
            let norm = norms.as_ref().map_or(1.0, |(codes, norms)| {
                let mut norm = [0.0];
                norms.add(&codes[row..=row], 1.0, &mut norm);
                norm[0]
            });
            centroids.add(&codes[centroids.parts * row..][..centroids.parts], norm, sum);
        }
    }

    /// The rows behind those of `words` words, for n-grams.
    fn ngrams(
        &self,
        cursor: &Cursor,
        subwords: Subwords,
        words: usize,
        pruned: Option<&[(u32, usize)]>,
    ) -> Result<Ngrams> {
        let behind = self.rows.checked_sub(words);
        let rows = match (behind, pruned) {
            (Some(behind), Some(kept)) if kept.iter().all(|&(_, row)| row < behind) => kept.len(),
            (Some(behind), None) if behind == subwords.buckets as usize => behind,
            _ => {
                let problem =
                    format!("{} input rows for {words} words and {} buckets", self.rows, subwords.buckets);
                return Err(cursor.bad(problem));
            }
        };
        let mapped = self.dense.as_ref().and_then(|dense| dense.part(4 * self.dim * words..dense.len()));
        let rows = mapped.unwrap_or_else(|| {
            Mapped::filled(rows * self.dim * 4, |bytes: &mut [u8]| {
                bytes.par_chunks_mut(4 * self.dim).enumerate().for_each_init(
                    || vec![0.0f32; self.dim],
                    |decoded, (i, row)| {
                        decoded.fill(0.0);
                        self.add(words + pruned.map_or(i, |kept| kept[i].1), decoded);
                        row.copy_from_slice(bytemuck::cast_slice(decoded));
                    },
                );
            })
        });
        let buckets = pruned.map(|kept| kept.iter().map(|&(bucket, _)| bucket).collect::<Vec<_>>().into());
        Ok(Ngrams { subwords, buckets, rows, pruned: pruned.is_some() })
    }
}

impl<'a> Centroids<'a> {
    fn read(cursor: &mut Cursor<'a>, dim: usize, name: &str) -> Result<Self> {
        let mut sizes = [0; 4];
        for (size, of) in sizes.iter_mut().zip(["rows", "parts", "a part", "the last part"]) {
            *size = cursor.size32(&format!("the size of {of} of {name}"))?;
        }
        let [length, parts, part, last] = sizes;
        let fits = (1..=LONGEST_PART).contains(&part) && parts == dim.div_ceil(part);
        if length != dim || !fits || last != dim - (parts - 1) * part {
            let problem =
                format!("{name} of {parts} parts of {part} numbers, the last of {last}, for rows of {dim}");
            return Err(cursor.bad(problem));
        }
        Ok(Self { parts, part, bytes: cursor.take(4 * CENTROIDS * dim, name)? })
    }

    /// Adds the row with the given codes to `sum`, multiplied by `norm`.
    fn add(&self, codes: &[u8], norm: f32, sum: &mut [f32]) {
        for (i, (code, sum)) in codes.iter().zip(sum.chunks_mut(self.part)).enumerate() {
            let first = CENTROIDS * self.part * i + usize::from(*code) * sum.len();
            let numbers = self.bytes[4 * first..].as_chunks::<4>().0;
            for (sum, x) in sum.iter_mut().zip(numbers) {
                *sum += norm * f32::from_le_bytes(*x);
            }
        }
    }
}

/// Writes version 12, not quantised.
pub(super) fn write(embeddings: &Embeddings, path: &Path) -> Result<()> {
    check(embeddings, path)?;
    let (words, dim, ngrams) = (embeddings.vocab.len(), embeddings.dim(), embeddings.ngrams());
    let buckets = ngrams.map_or(0, |ngrams| ngrams.subwords.buckets);
    mapped::replace(path, |out| {
        let mut put = |bytes: &[u8]| out.write_all(bytes).map_err(Error::io(path));
        put(&head(embeddings))?;
        put(&rows_follow(words + buckets as usize, dim))?;
        let mut block = vec![0.0f32; BLOCK * dim];
        for first in (0..words).step_by(BLOCK) {
            let rows = &mut block[..BLOCK.min(words - first) * dim];
            rows.par_chunks_mut(dim).enumerate().for_each_init(
                || vec![0.0; dim],
                |mean, (i, row)| own_row(embeddings, (first + i) as u32, row, mean),
            );
            put(bytemuck::cast_slice(rows))?;
        }
        let zeros = vec![0; 4 * dim];
        for bucket in 0..buckets {
            put(ngrams.and_then(|ngrams| ngrams.row(bucket, dim)).unwrap_or(&zeros))?;
        }
        put(&rows_follow(words, dim))?;
        match embeddings.output() {
            Some(output) => put(bytemuck::cast_slice(output)),
            None => (0..words).try_for_each(|_| put(&zeros)),
        }
    })
}

/// Words whose rows are computed at a time.
const BLOCK: usize = 4096;

/// Refuses what the format can't hold.
fn check(embeddings: &Embeddings, path: &Path) -> Result<()> {
    let vocab = &embeddings.vocab;
    let buckets = embeddings.ngrams().map_or(0, |ngrams| ngrams.subwords.buckets);
    if i32::try_from(vocab.len()).is_err() || i32::try_from(buckets).is_err() {
        return Err(Error::input(path, "more words or buckets than fastText's format can number"));
    }
    let shown = |word| String::from_utf8_lossy(word).into_owned();
    if let Some(word) = vocab.words().find(|word| word.contains(&0)) {
        let problem = format!("the word '{}' has a byte 0, which fastText's format can't hold", shown(word));
        return Err(Error::input(path, problem));
    }
    let mut pairs = vocab.order.windows(2).map(|pair| (vocab.word(pair[0]), vocab.word(pair[1])));
    if let Some((word, _)) = pairs.find(|(a, b)| a == b) {
        let problem = format!("the word '{}' is there twice, which fastText can't load", shown(word));
        return Err(Error::input(path, problem));
    }
    Ok(())
}

/// All that comes before the rows.
fn head(embeddings: &Embeddings) -> Vec<u8> {
    let Embeddings { vocab, provenance, .. } = embeddings;
    let known = |name: &str| provenance.settings.get(name).or_else(|| provenance.text.get(name));
    let rule = embeddings.ngrams().map(|ngrams| ngrams.subwords);
    // Words that occur nowhere are not loaded by all programs.
    let counts = || (0..vocab.len() as u32).map(|id| vocab.count(id).unwrap_or(1).max(1) as i64);
    let words = vocab.len() as i32;
    let tokens = match provenance.corpus.words_read {
        0 => counts().fold(0, i64::saturating_add),
        read => read as i64,
    };

    let mut head = Vec::new();
    let mut put = |bytes: &[u8]| head.extend_from_slice(bytes);
    put(&MAGIC.to_le_bytes());
    put(&VERSION.to_le_bytes());
    for (name, default) in ARGS {
        let x = match name {
            "dim" => embeddings.dim() as i32,
            "loss" => NEGATIVE_SAMPLING,
            "model" => 1 + i32::from(provenance.method != METHODS[0]),
            "buckets" => rule.map_or(0, |rule| rule.buckets as i32),
            "min_n" => rule.map_or(0, |rule| rule.min_n as i32),
            "max_n" => rule.map_or(0, |rule| rule.max_n as i32),
            name => known(name).and_then(Value::as_i64).and_then(|x| x.try_into().ok()).unwrap_or(default),
        };
        put(&x.to_le_bytes());
    }
    put(&known("subsample").and_then(Value::as_f64).unwrap_or(1e-4).to_le_bytes());
    for x in [words, words, 0] {
        put(&x.to_le_bytes());
    }
    put(&tokens.to_le_bytes());
    put(&(-1i64).to_le_bytes());
    for (word, count) in vocab.words().zip(counts()) {
        put(word);
        put(&[0]);
        put(&count.to_le_bytes());
        put(&[0]);
    }
    head
}

/// What stands before a dense matrix.
fn rows_follow(rows: usize, dim: usize) -> Vec<u8> {
    [&[0][..], &(rows as i64).to_le_bytes(), &(dim as i64).to_le_bytes()].concat()
}

/// Makes `row` what has to be summed with the rows of a word's n-grams for its vector to be their mean.
fn own_row(embeddings: &Embeddings, word: u32, row: &mut [f32], mean: &mut [f32]) {
    let (vector, bytes) = (embeddings.vector(word), embeddings.vocab.word(word));
    let mut n = 1;
    if let Some(ngrams) = embeddings.ngrams() {
        ngrams.subwords.each(bytes, |_| n += 1);
    }
    row.fill(0.0);
    // Once for the row, and once more for what rounding makes of the mean when it is read.
    for _ in 0..2 {
        mean.copy_from_slice(row);
        if let Some(ngrams) = embeddings.ngrams() {
            ngrams.add(bytes, mean);
        }
        scale(mean, n);
        for ((row, x), mean) in row.iter_mut().zip(vector).zip(mean.iter()) {
            *row += n as f32 * (x - mean);
        }
    }
}
