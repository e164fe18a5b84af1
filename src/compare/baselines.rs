//! What vectors of documents stand beside: TF-IDF, and means of word vectors. They are simple, and
//! on many sets they win.

use std::sync::Arc;

use serde_json::json;

use super::TrainedRun;
use crate::corpus::{Corpus, Tags};
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::eval::SparseRows;
use crate::post::rarity;
use crate::stats::{components, dot};

/// The words of each tag of a corpus.
struct TagWords<'a> {
    corpus: &'a Corpus,
    tags: &'a Tags,
    /// The sequences of each tag.
    sequences: Vec<Vec<usize>>,
}

impl<'a> TagWords<'a> {
    fn new(corpus: &'a Corpus) -> Result<Self> {
        let none = || Error::input(&corpus.path, "has no documents with tags");
        let tags = corpus.tags().ok_or_else(none)?;
        let mut sequences = vec![Vec::new(); tags.names.len()];
        for sequence in 0..corpus.ends().len() {
            tags.of(sequence).iter().for_each(|&tag| sequences[tag as usize].push(sequence));
        }
        Ok(Self { corpus, tags, sequences })
    }

    /// The words of each tag, in their order.
    fn words(&self) -> impl Iterator<Item = Vec<u32>> {
        let (tokens, ends) = (self.corpus.tokens(), self.corpus.ends());
        let of = move |&sequence: &usize| {
            let begin = sequence.checked_sub(1).map_or(0, |before| ends[before]);
            &tokens[begin as usize..ends[sequence] as usize]
        };
        self.sequences.iter().map(move |sequences| sequences.iter().flat_map(of).copied().collect())
    }
}

/// TF-IDF of the tags of a corpus: the count of each word, times `ln((1 + n) / (1 + df)) + 1` for a
/// word that `df` of `n` tags have, in rows of length 1. (Spärck Jones 1972, in the form of
/// scikit-learn.)
///
/// # Errors
/// A corpus without tags.
pub fn tfidf(corpus: &Corpus) -> Result<TrainedRun> {
    let of = TagWords::new(corpus)?;
    let counted = |mut words: Vec<u32>| {
        words.sort_unstable();
        let counts = words.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f32));
        counts.collect::<Vec<(u32, f32)>>()
    };
    let mut with = vec![0u32; corpus.vocab.len()];
    let rows: Vec<Vec<(u32, f32)>> = of.words().map(counted).collect();
    rows.iter().flatten().for_each(|&(word, _)| with[word as usize] += 1);
    let n = f64::from(rows.len() as u32);
    let rarity: Vec<f32> =
        with.iter().map(|&df| (((1.0 + n) / (1.0 + f64::from(df))).ln() + 1.0) as f32).collect();
    let mut sparse = SparseRows::new(corpus.vocab.len());
    for mut row in rows {
        for (word, count) in &mut row {
            *count *= rarity[*word as usize];
        }
        let length = row.iter().map(|cell| cell.1 * cell.1).sum::<f32>().sqrt();
        for (_, count) in &mut row {
            *count /= length;
        }
        sparse.push(&row);
    }
    let provenance = Provenance {
        program: concat!("wordloom ", env!("CARGO_PKG_VERSION")).into(),
        settings: json!({ "words": "counts times ln((1 + n) / (1 + df)) + 1" }),
        ..Provenance::default()
    };
    // Names without numbers; the rows stand beside.
    let names = Embeddings::new(of.tags.names.clone(), 0, Vec::new().into(), None, provenance);
    Ok(TrainedRun { name: "tfidf".into(), model: names, sparse: Some(Arc::new(sparse)) })
}

/// The model of words with tags whose vectors are weighted means of word vectors, less what all of
/// them have in common (SIF: Arora, Liang & Ma 2017, "A Simple but Tough-to-Beat Baseline for
/// Sentence Embeddings"). The words are those of the corpus.
///
/// # Errors
/// A corpus without tags, or with other words.
pub fn sif(corpus: &Corpus, words: Embeddings) -> Result<Embeddings> {
    let of = TagWords::new(corpus)?;
    if words.vocab.bytes[..] != corpus.vocab.bytes[..] {
        return Err(Error::input(&corpus.path, "has other words than the model"));
    }
    let (dim, weights) = (words.dim(), rarity(&words));
    let mut rows: Vec<f64> = Vec::with_capacity(of.sequences.len() * dim);
    for of_tag in of.words() {
        let start = rows.len();
        rows.resize(start + dim, 0.0);
        for &word in &of_tag {
            let weight = weights[word as usize] / of_tag.len() as f64;
            let vector = words.vector(word);
            let sums = rows[start..].iter_mut().zip(vector.iter());
            sums.for_each(|(sum, &x)| *sum += weight * f64::from(x));
        }
    }
    if let Some((common, _)) = components(&rows, dim, 1).first() {
        for row in rows.chunks_exact_mut(dim) {
            let along = dot(row, common);
            row.iter_mut().zip(common).for_each(|(x, c)| *x -= along * c);
        }
    }
    let rows: Vec<f32> = rows.into_iter().map(|x| x as f32).collect();
    let names = of.tags.names.clone();
    let tags = Embeddings::new(names, dim, rows.into(), None, Provenance::default());
    Ok(words.with_tags(Some(tags)))
}
