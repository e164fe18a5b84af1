//! Writes fastText's `.bin`.

use std::path::Path;

use rayon::prelude::*;
use serde_json::Value;

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::format::fasttext::{ARGS, MAGIC, METHODS, NEGATIVE_SAMPLING, VERSION};
use crate::memory::Staged;
use crate::subword::scale;

/// Writes version 12, not quantised.
pub(super) fn write(embeddings: &Embeddings, out: &mut Staged) -> Result<Vec<String>> {
    check(embeddings, out.path())?;
    let (words, dim, ngrams) = (embeddings.vocab.len(), embeddings.dim(), embeddings.ngrams());
    let buckets = ngrams.map_or(0, |ngrams| ngrams.subwords.buckets);
    out.put(&head(embeddings, None))?;
    out.put(&rows_follow(words + buckets as usize, dim))?;
    let mut block = vec![0.0f32; BLOCK * dim];
    for first in (0..words).step_by(BLOCK) {
        let rows = &mut block[..BLOCK.min(words - first) * dim];
        rows.par_chunks_mut(dim).enumerate().for_each_init(
            || vec![0.0; dim],
            |mean, (i, row)| own_row(embeddings, (first + i) as u32, row, mean),
        );
        out.put(bytemuck::cast_slice(rows))?;
    }
    let zeros = vec![0; 4 * dim];
    for bucket in 0..buckets {
        out.put(ngrams.and_then(|ngrams| ngrams.row(bucket, dim)).unwrap_or(&zeros))?;
    }
    out.put(&rows_follow(words, dim))?;
    let (_, output, _) = embeddings.matrices();
    match output {
        Some(output) => output.each(|piece| out.put(bytemuck::cast_slice(piece)))?,
        None => (0..words).try_for_each(|_| out.put(&zeros))?,
    }
    Ok(Vec::new())
}

/// The rows of this many words are computed at a time.
const BLOCK: usize = 4096;

/// Refuses models that the format can't hold.
pub(super) fn check(embeddings: &Embeddings, path: &Path) -> Result<()> {
    let vocab = &embeddings.vocab;
    let buckets = embeddings.ngrams().map_or(0, |ngrams| ngrams.subwords.buckets);
    if i32::try_from(vocab.len()).is_err() || i32::try_from(buckets).is_err() {
        return Err(Error::input(path, "more words or buckets than fastText's format can number"));
    }
    let shown = |word| String::from_utf8_lossy(word).into_owned();
    if let Some(word) = vocab.words().find(|word| word.contains(&0)) {
        let problem =
            format!("the word '{}' has a byte 0, which fastText's format can't hold", shown(word));
        return Err(Error::input(path, problem));
    }
    if let Some(count) = vocab.counts.iter().find(|&&count| i64::try_from(count).is_err()) {
        let problem = format!("a word has the count {count}, which fastText's format can't hold");
        return Err(Error::input(path, problem));
    }
    let mut pairs = vocab.order.windows(2).map(|pair| (vocab.word(pair[0]), vocab.word(pair[1])));
    if let Some((word, _)) = pairs.find(|(a, b)| a == b) {
        let problem =
            format!("the word '{}' is there twice, which fastText can't load", shown(word));
        return Err(Error::input(path, problem));
    }
    Ok(())
}

/// Everything that comes before the rows. The `kept` buckets have rows, if not all have.
pub(super) fn head(embeddings: &Embeddings, kept: Option<&[u32]>) -> Vec<u8> {
    let Embeddings { vocab, provenance, .. } = embeddings;
    let known = |name: &str| provenance.settings.get(name).or_else(|| provenance.text.get(name));
    let rule = embeddings.ngrams().map(|ngrams| ngrams.subwords);
    // Some programs don't load words with a count of 0.
    let counts = || (0..vocab.len() as u32).map(|id| vocab.count(id).unwrap_or(1).max(1) as i64);
    let words = vocab.len() as i32;
    let tokens = match provenance.corpus.words_read {
        0 => counts().fold(0, i64::saturating_add),
        read => i64::try_from(read).unwrap_or(i64::MAX),
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
            name => known(name)
                .and_then(Value::as_i64)
                .and_then(|x| x.try_into().ok())
                .unwrap_or(default),
        };
        put(&x.to_le_bytes());
    }
    put(&known("subsample").and_then(Value::as_f64).unwrap_or(1e-4).to_le_bytes());
    for x in [words, words, 0] {
        put(&x.to_le_bytes());
    }
    put(&tokens.to_le_bytes());
    put(&kept.map_or(-1, |kept| kept.len() as i64).to_le_bytes());
    for (word, count) in vocab.words().zip(counts()) {
        put(word);
        put(&[0]);
        put(&count.to_le_bytes());
        put(&[0]);
    }
    for (row, bucket) in (0i32..).zip(kept.unwrap_or_default()) {
        put(&bucket.to_le_bytes());
        put(&row.to_le_bytes());
    }
    head
}

/// The bytes before the rows of a dense matrix.
fn rows_follow(rows: usize, dim: usize) -> Vec<u8> {
    [&[0][..], &(rows as i64).to_le_bytes(), &(dim as i64).to_le_bytes()].concat()
}

/// Sets `row` to the own row of a word: the row whose mean with the rows of the word's n-grams is
/// the word's vector.
pub(super) fn own_row(embeddings: &Embeddings, word: u32, row: &mut [f32], mean: &mut [f32]) {
    let (vector, bytes) = (embeddings.vector(word), embeddings.vocab.word(word));
    let mut n = 1;
    if let Some(ngrams) = embeddings.ngrams() {
        ngrams.subwords.each(bytes, |_| n += 1);
    }
    row.fill(0.0);
    // The first pass finds the row. The second one corrects for the rounding of the mean when the
    // file is read.
    for _ in 0..2 {
        mean.copy_from_slice(row);
        if let Some(ngrams) = embeddings.ngrams() {
            ngrams.add(bytes, mean);
        }
        scale(mean, n);
        for ((row, x), mean) in row.iter_mut().zip(vector.iter()).zip(mean.iter()) {
            *row += n as f32 * (x - mean);
        }
    }
}
