//! What a training begins with: random vectors, or those of another model.
//!
//! This file is over 300 lines because a third of it is tests.

use std::ops::Range;

use rand::Rng;
use rayon::prelude::*;
use serde_json::{Value, json};
use xxhash_rust::xxh3::Xxh3;

use super::window::{Matrices, TagRows};
use super::{SPREAD, TAG_SPREAD, WindowConfig};
use crate::corpus::Vocab;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::math::LINE;
use crate::memory::Shared;
use crate::progress::Progress;
use crate::random::{generator, mix};
use crate::subword::{Bags, Ngrams, Subwords, add_row};

/// A model to begin with. Words that it has in common with the new vocabulary begin with its vectors
/// (input and output vectors, and n-grams, where it has them), and all others at random.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// The model.
    pub model: &'a Embeddings,
    /// Leave the words in common as they are.
    pub freeze: bool,
}

impl Beginning<'_> {
    /// Fails unless vectors of dimension `dim` can begin with the model's.
    ///
    /// # Errors
    /// [`Error::Refused`], which says why, or a vector with a number that is not finite.
    pub fn check(&self, dim: usize) -> Result<()> {
        if self.model.dim() != dim {
            let theirs = self.model.dim();
            return Err(Error::Refused(format!(
                "the model to begin with has dimension {theirs}, not {dim}: give `dim` {theirs}"
            )));
        }
        self.model.check_finite()
    }

    /// How many words of `vocab` the model has.
    pub fn common(&self, vocab: &Vocab) -> usize {
        self.ids(vocab).iter().flatten().count()
    }

    /// Fails if the model has no word of `vocab`.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(super) fn check_words(&self, vocab: &Vocab) -> Result<()> {
        if self.common(vocab) > 0 {
            return Ok(());
        }
        let problem = "the model to begin with has no word of the text: is it of another language, \
                       or in other letters?";
        Err(Error::Refused(problem.into()))
    }

    /// The id that each word of `vocab` has in the model.
    fn ids(&self, vocab: &Vocab) -> Vec<Option<u32>> {
        let id = |word: u32| self.model.vocab.id(vocab.word(word));
        (0..vocab.len() as u32).into_par_iter().map(id).collect()
    }

    /// A hash of the model's vectors and of what is done with them.
    pub(super) fn hash(&self) -> u64 {
        let mut hash = Xxh3::new();
        let Embeddings { vocab, .. } = self.model;
        hash.update(&[u8::from(self.freeze)]);
        hash.update(bytemuck::cast_slice(&vocab.ends));
        hash.update(&vocab.bytes);
        hash.update(bytemuck::cast_slice(self.model.input()));
        hash.update(bytemuck::cast_slice(self.model.output().unwrap_or_default()));
        if let Some(tags) = self.model.tags() {
            hash.update(&tags.vocab.bytes);
            hash.update(bytemuck::cast_slice(tags.input()));
        }
        hash.digest()
    }

    /// What a history says of it, for a model with the words of `vocab`.
    pub(super) fn describe(&self, vocab: &Vocab) -> Value {
        let history = &self.model.provenance;
        json!({
            "words": self.model.vocab.len(),
            "words_in_common": self.common(vocab),
            "frozen": self.freeze,
            "program": history.program,
            "method": history.method,
            "text": history.text,
            "corpus": history.corpus,
            "hash": format!("{:016x}", self.hash()),
        })
    }

    /// Puts the model's vectors, input or output, in the place of those of words in common that are
    /// to stay as they are, which are then the same to the last bit.
    pub(super) fn restore(&self, vocab: &Vocab, theirs: &[f32], ours: &mut [f32]) {
        let dim = self.model.dim();
        if self.freeze {
            for (row, id) in ours.chunks_exact_mut(dim).zip(self.ids(vocab)) {
                if let Some(id) = id {
                    row.copy_from_slice(&theirs[id as usize * dim..][..dim]);
                }
            }
        }
    }

    /// The vectors with which words begin as rows and as columns of GloVe. Where the model is to be
    /// the `sum` of the two, each begins with half of a word's vector.
    pub(super) fn glove(
        &self,
        vocab: &Vocab,
        sum: bool,
    ) -> impl Fn(usize, bool) -> Option<Vec<f32>> + Sync {
        let (ids, model) = (self.ids(vocab), self.model);
        let dim = model.dim();
        move |word, column| {
            let id = ids[word]?;
            match (sum, column) {
                (true, _) => Some(model.vector(id).iter().map(|x| x / 2.0).collect()),
                (false, false) => Some(model.vector(id).into_owned()),
                (false, true) => Some(model.output()?[id as usize * dim..][..dim].to_vec()),
            }
        }
    }
}

/// Sets the matrices of a window method, which are zeros, to what training begins with: input
/// vectors of words are random, all else is zeros, and position weights are 1, except for what
/// `from` has.
///
/// # Errors
/// Words that can't be left as they are.
pub(super) fn begin(
    rows: &mut Matrices<Shared>,
    (vocab, bags, tags): (&Vocab, Option<&Bags>, Option<TagRows>),
    config: &WindowConfig,
    from: Option<&Beginning>,
    progress: &Progress,
) -> Result<()> {
    let (words, dim) = (vocab.len(), config.dim);
    let ids = from.map(|from| from.ids(vocab)).unwrap_or_default();
    let known = |word: u32| ids.get(word as usize).copied().flatten();
    let model = from.map(|from| from.model);
    let ngrams = model.and_then(|model| same_ngrams(model, config.subwords().as_ref()));
    if let (Some(from), Some(_)) = (from, bags) {
        let theirs = from.model.ngrams().is_some();
        if ngrams.is_none() && from.freeze {
            return Err(Error::Refused(
                "words whose n-grams are learnt move with them, and the model to begin with has no \
                 n-grams of the same lengths and buckets: train without `subwords`, or let them move"
                    .into(),
            ));
        }
        if ngrams.is_none() && theirs {
            progress.note(
                "the model to begin with has n-grams of other lengths or buckets: they begin anew"
                    .into(),
            );
        }
    }
    let spread = SPREAD / (dim as f32).sqrt();
    let random =
        |row: u32, values: &mut [f32]| random(mix(config.seed) ^ u64::from(row), spread, values);
    // Words have no input rows where tags alone predict.
    let input_words = tags.map_or(words, |tags| tags.first as usize);
    if let Some(TagRows { of, first, .. }) = tags {
        let theirs = model.and_then(Embeddings::tags);
        fill(&rows.input, first as usize..first as usize + of.names.len(), |row, values| {
            let known = |theirs: &Embeddings| theirs.vocab.id(of.names.word(row - first));
            match theirs.and_then(|theirs| Some(theirs.vector(known(theirs)?))) {
                Some(vector) => values.copy_from_slice(&vector),
                None => begin_tag(mix(config.seed) ^ u64::from(row), values),
            }
        });
    }
    fill(&rows.input, 0..input_words, |word, values| {
        let Some(vector) = known(word).zip(model).map(|(id, model)| model.vector(id)) else {
            random(word, values);
            return;
        };
        // With n-grams the vector is the mean of a bag, of which this is the word's own row.
        let bag = bags.map_or(&[][..], |bags| bags.of(word));
        let mut others = vec![0.0; dim];
        if let Some((ngrams, bags)) = ngrams.zip(bags) {
            for bucket in bag[1..].iter().map(|&row| bags.buckets[row as usize - words]) {
                ngrams.row(bucket, dim).inspect(|row| add_row(row, &mut others));
            }
        }
        for ((value, x), other) in values.iter_mut().zip(vector.iter()).zip(others) {
            *value = x * bag.len().max(1) as f32 - other;
        }
    });
    if let Some((ngrams, bags)) = ngrams.zip(bags) {
        let bucket = |row: u32| (row as usize).checked_sub(words).map(|at| bags.buckets[at]);
        fill(&rows.input, 0..bags.total(), |row, values| {
            if let Some(theirs) = bucket(row).and_then(|bucket| ngrams.row(bucket, dim)) {
                add_row(theirs, values);
            }
        });
    }
    if let Some(output) = model.and_then(Embeddings::output) {
        fill(&rows.output, 0..words, |word, values| {
            if let Some(id) = known(word) {
                values.copy_from_slice(&output[id as usize * dim..][..dim]);
            }
        });
    }
    if let Some(positions) = &rows.positions {
        let theirs = model.and_then(Embeddings::positions);
        let theirs = theirs.filter(|theirs| theirs.len() == positions.rows() * dim);
        fill(positions, 0..positions.rows(), |row, values| match theirs {
            Some(theirs) => values.copy_from_slice(&theirs[row as usize * dim..][..dim]),
            None => values.fill(1.0),
        });
    }
    if from.is_some_and(|from| from.freeze) {
        let frozen = || (0..words as u32).filter(|&word| known(word).is_some());
        let theirs = |row: &u32| {
            let bucket = bags.map(|bags| bags.buckets[*row as usize - words]);
            ngrams.zip(bucket).is_some_and(|(ngrams, bucket)| ngrams.row(bucket, dim).is_some())
        };
        let ngrams = words as u32..bags.map_or(words, Bags::total) as u32;
        let inputs = frozen().take_while(|&word| (word as usize) < input_words);
        rows.input.freeze(inputs.chain(ngrams.filter(theirs)));
        if model.is_some_and(Embeddings::has_output) {
            rows.output.freeze(frozen());
        }
    }
    Ok(())
}

/// Fills a row with random numbers between `-spread` and `spread`.
fn random(seed: u64, spread: f32, values: &mut [f32]) {
    let mut rng = generator(seed);
    values.fill_with(|| spread * ((rng.next_u64() >> 40) as f32 / (1u64 << 23) as f32 - 1.0));
}

/// Fills the row of a tag with what training begins with. A tag is learnt from one document, so what
/// it begins with has to be small beside that (`docs/design/0017-documents.md`).
pub(super) fn begin_tag(seed: u64, values: &mut [f32]) {
    random(seed, TAG_SPREAD / (values.len() as f32).sqrt(), values);
}

/// The model's n-grams, if they are those that will be learnt.
fn same_ngrams<'a>(model: &'a Embeddings, subwords: Option<&Subwords>) -> Option<&'a Ngrams> {
    model.ngrams().filter(|ngrams| Some(&ngrams.subwords) == subwords && !ngrams.pruned)
}

/// Adds to a range of rows what the function makes of zeros.
pub(super) fn fill(shared: &Shared, rows: Range<usize>, make: impl Fn(u32, &mut [f32]) + Sync) {
    let dim = shared.dim();
    let padded = || vec![0.0; dim.next_multiple_of(LINE)];
    (rows.start as u32..rows.end as u32).into_par_iter().for_each_init(
        || (padded(), padded()),
        |(values, zeros), row| {
            values.fill(0.0);
            make(row, &mut values[..dim]);
            shared.add(&[row], values, zeros);
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embeddings::Provenance;
    use crate::math::Precision;

    fn model(words: &[&str], ngrams: Option<Ngrams>) -> Embeddings {
        let numbers = |by: f32| (0..words.len() * 2).map(|i| by * i as f32).collect::<Vec<f32>>();
        let (input, output) = (numbers(0.5).into(), Some(numbers(-1.0).into()));
        let vocab = Vocab::new(words, vec![]);
        Embeddings::new(vocab, 2, input, output, Provenance::default()).with_ngrams(ngrams)
    }

    fn row(shared: &Shared, rows: &[u32]) -> [f32; 2] {
        let mut row = [0.0; LINE];
        shared.load(rows, &mut row, &mut [0.0; LINE]);
        [row[0], row[1]]
    }

    #[test]
    fn words_in_common_begin_with_their_vectors_and_frozen_ones_stay() {
        let vocab = Vocab::new(&["c", "new", "a"], vec![3, 2, 1]);
        let model = model(&["a", "b", "c"], None);
        let config = WindowConfig { dim: 2, ..WindowConfig::default() };
        for freeze in [false, true] {
            let matrix = || Shared::new(3, 2, Precision::F32).unwrap();
            let mut rows =
                Matrices { input: matrix(), output: matrix(), positions: Some(matrix()) };
            let from = Beginning { model: &model, freeze };
            begin(&mut rows, (&vocab, None, None), &config, Some(&from), &Progress::default())
                .unwrap();
            assert_eq!(row(&rows.input, &[0]), [2.0, 2.5]);
            assert_eq!(row(&rows.input, &[2]), [0.0, 0.5]);
            assert_eq!(row(&rows.output, &[0]), [-4.0, -5.0]);
            assert_eq!(row(&rows.output, &[1]), [0.0, 0.0]);
            assert_eq!(row(rows.positions.as_ref().unwrap(), &[1]), [1.0, 1.0]);
            assert_ne!(row(&rows.input, &[1]), [0.0, 0.0], "a new word begins at random");
            for word in 0..3 {
                rows.input.add(&[word], &[1.0; LINE], &[0.0; LINE]);
            }
            assert_eq!(row(&rows.input, &[0]) == [2.0, 2.5], freeze);
            let mut input = vec![7.0; 6];
            from.restore(&vocab, model.input(), &mut input);
            assert_eq!(input, if freeze { [2.0, 2.5, 7.0, 7.0, 0.0, 0.5] } else { [7.0; 6] });
        }
        let from = Beginning { model: &model, freeze: false };
        assert!(from.check(3).is_err() && from.check(2).is_ok());
        assert_eq!(from.describe(&vocab)["words_in_common"], 2);
        let glove = from.glove(&vocab, false);
        assert_eq!((glove(0, true), glove(1, false)), (Some(vec![-4.0, -5.0]), None));
        assert_eq!(from.glove(&vocab, true)(0, true), Some(vec![1.0, 1.25]));
    }

    #[test]
    fn bags_begin_with_the_vectors_of_their_words() {
        let subwords = Subwords { min_n: 3, max_n: 3, buckets: 1000 };
        let words = ["king", "kings"];
        let bags = Bags::new(&Vocab::new(&words, vec![1, 1]), &subwords);
        let buckets = bags.buckets.clone();
        let numbers: Vec<u8> =
            (0..2 * buckets.len()).flat_map(|i| (i as f32 / 8.0).to_le_bytes()).collect();
        let ngrams =
            Ngrams { subwords, buckets: Some(buckets.into()), rows: numbers.into(), pruned: false };
        let vocab = Vocab::new(&["kings", "kinks"], vec![2, 1]);
        let bags = Bags::new(&vocab, &subwords);
        for ngrams in [None, Some(ngrams)] {
            let same = ngrams.is_some();
            let model = model(&words, ngrams);
            let lengths = "3..3".parse().unwrap();
            let config = WindowConfig {
                dim: 2,
                subwords: Some(lengths),
                buckets: Some(1000),
                ..WindowConfig::default()
            };
            let input = Shared::new(bags.total(), 2, Precision::F32).unwrap();
            let output = Shared::new(2, 2, Precision::F32).unwrap();
            let mut rows = Matrices { input, output, positions: None };
            let from = Beginning { model: &model, freeze: same };
            let of = (&vocab, Some(&bags), None);
            begin(&mut rows, of, &config, Some(&from), &Progress::default()).unwrap();
            let [x, y] = row(&rows.input, bags.of(0));
            assert!((x - 1.0).abs() < 1e-5 && (y - 1.5).abs() < 1e-5, "{x} {y}");
            // All rows of the known word stay; some of the new one move.
            for row in 0..bags.total() as u32 {
                rows.input.add(&[row], &[1.0; LINE], &[0.0; LINE]);
            }
            let [moved, _] = row(&rows.input, bags.of(0));
            assert_eq!((moved - x).abs() < 1e-6, same, "{moved} {x}");
            let from = Beginning { model: &model, freeze: true };
            let other = WindowConfig { buckets: Some(999), ..config };
            let fails = begin(&mut rows, of, &other, Some(&from), &Progress::default());
            assert!(fails.is_err());
        }
    }
}
