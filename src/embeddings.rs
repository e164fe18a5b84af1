//! Word vectors with their vocabulary and their history. Training makes them, files hold them, and
//! queries search them.
//!
//! This file is over 300 lines because all parts of a model are documented here.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::corpus::{Facts, Vocab};
use crate::error::{Error, Result};
use crate::memory::{Mapped, Numbers, Width};
use crate::subword::Ngrams;
use crate::text::{Pieces, Tokenizer};

/// A vector for each word of a vocabulary.
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// The words.
    pub vocab: Vocab,
    /// Where the vectors come from.
    pub provenance: Provenance,
    dim: usize,
    input: Numbers,
    output: Option<Numbers>,
    ngrams: Option<Ngrams>,
    positions: Option<Numbers>,
    tags: Option<Arc<Embeddings>>,
    pieces: Option<Pieces>,
    width: Width,
}

/// The vector of a word that was asked for.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// The word's id. It is `None` when the vocabulary lacks the word; the vector is then composed
    /// from the word's n-grams or pieces.
    pub id: Option<u32>,
    /// The vector.
    pub vector: Cow<'a, [f32]>,
}

/// How vectors were made. Fields that are not known are empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// The version of wordloom that trained them, or the format that they were read from.
    pub program: String,
    /// The training method.
    pub method: String,
    /// Every setting of the training, defaults included.
    pub settings: serde_json::Value,
    /// Which text was read, and how it was split and cut.
    pub text: serde_json::Value,
    /// Facts about the encoded corpus.
    pub corpus: Facts,
    /// Tokens that training went through, all epochs together, before subsampling.
    pub tokens_seen: u64,
    /// Pairs of words that GloVe went through, all epochs together; 0 for other methods.
    pub pairs_seen: u64,
    /// Mean loss per pair of input and target, one value for each epoch. The loss is sampled;
    /// `None` stands for an epoch in which no pair was sampled.
    pub losses: Vec<Option<f64>>,
    /// Time that training took, in seconds.
    pub seconds: f64,
    /// Time that counting co-occurrences took before training, in seconds; 0 where none were
    /// counted.
    pub counting_seconds: f64,
    /// The most memory that the process which trained them had used when it wrote them, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// Things that the user should know about how the file was read, one line for each.
    pub notes: Vec<String>,
    /// The SIMD level; results differ between levels by rounding.
    pub simd: String,
    /// What was done to the vectors afterwards, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post: Vec<String>,
    /// The model that training began with; null where it began at random.
    #[serde(skip_serializing_if = "serde_json::Value::is_null")]
    pub begun_from: serde_json::Value,
    /// The scores that were taken while it was trained.
    #[serde(skip_serializing_if = "Curve::is_empty")]
    pub curve: Curve,
}

/// Scores of a model while it was trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Curve {
    /// The names of the sets that it was scored on.
    pub sets: Vec<String>,
    /// The scores, in the order of time.
    pub points: Vec<CurvePoint>,
    /// The point of the model that was kept, where the best was; otherwise the last was kept.
    pub best: Option<usize>,
}

/// Scores at one moment of a training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CurvePoint {
    /// Epochs learnt, with their parts.
    pub epochs: f64,
    /// Tokens learnt, or with GloVe pairs of words.
    pub done: u64,
    /// Seconds since training began.
    pub seconds: f64,
    /// The score of each set; `None` where it is not defined.
    pub scores: Vec<Option<f64>>,
}

impl Curve {
    /// Whether nothing was scored.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

impl CurvePoint {
    /// The mean of the scores that are defined; `None` if none is.
    pub fn mean(&self) -> Option<f64> {
        let defined: Vec<f64> = self.scores.iter().flatten().copied().collect();
        (!defined.is_empty()).then(|| defined.iter().sum::<f64>() / defined.len() as f64)
    }
}

impl Provenance {
    /// Time that training took, with the counting of co-occurrences before it, in seconds.
    pub fn all_seconds(&self) -> f64 {
        self.counting_seconds + self.seconds
    }

    /// A copy that is the same for all runs that give the same vectors: its times are 0, and it
    /// does not say how much memory was used.
    #[must_use]
    pub fn reproducible(&self) -> Self {
        let mut curve = self.curve.clone();
        curve.points.iter_mut().for_each(|point| point.seconds = 0.0);
        Self { seconds: 0.0, counting_seconds: 0.0, peak_memory: None, curve, ..self.clone() }
    }

    /// A history that begins with this program.
    pub(crate) fn by(method: &str) -> Self {
        let program = concat!("wordloom ", env!("CARGO_PKG_VERSION")).into();
        Self { program, method: method.into(), ..Self::default() }
    }

    /// A history for vectors that were read from a file of another program.
    #[cfg(test)]
    pub(crate) fn foreign(format: &str) -> Self {
        Self { program: format.into(), ..Self::default() }
    }
}

impl Embeddings {
    /// Vectors of dimension `dim` for the words of `vocab`. `input` and `output` are matrices of
    /// shape `[vocab.len(), dim]`, row by row in the order of `vocab`.
    ///
    /// # Panics
    /// When the lengths don't fit together; readers of files check them first.
    pub fn new(
        vocab: Vocab,
        dim: usize,
        input: Numbers,
        output: Option<Numbers>,
        provenance: Provenance,
    ) -> Self {
        assert_eq!(input.len(), vocab.len() * dim);
        assert!(output.as_ref().is_none_or(|output| output.len() == input.len()));
        Self {
            vocab,
            provenance,
            dim,
            input,
            output,
            ngrams: None,
            positions: None,
            tags: None,
            pieces: None,
            width: Width::F32,
        }
    }

    /// The same model with vectors of n-grams, from which vectors for unseen words can be composed.
    /// Each input vector must be the mean of the word's own row and those of its n-grams.
    #[must_use]
    pub fn with_ngrams(self, ngrams: Option<Ngrams>) -> Self {
        Self { ngrams, ..self }
    }

    /// The same model with the weights that were learnt for the positions around a centre. Each
    /// position has a row of `dim` weights, from the furthest position before the centre to the
    /// furthest after it.
    #[must_use]
    pub fn with_positions(self, positions: Option<Numbers>) -> Self {
        Self { positions, ..self }
    }

    /// The same model with vectors of tags, such as documents, of the same dimension.
    ///
    /// # Panics
    /// When the dimensions differ; readers of files check them first.
    #[must_use]
    pub fn with_tags(self, tags: Option<Embeddings>) -> Self {
        assert!(tags.as_ref().is_none_or(|tags| tags.dim == self.dim));
        Self { tags: tags.map(Arc::new), ..self }
    }

    /// The same model, whose words are pieces of words. The vector of a word that it lacks is the mean
    /// of those of its pieces.
    #[must_use]
    pub fn with_pieces(self, pieces: Option<Pieces>) -> Self {
        Self { pieces, ..self }
    }

    /// How text is divided into pieces, where the words of the model are pieces.
    pub fn pieces(&self) -> Option<&Pieces> {
        self.pieces.as_ref()
    }

    /// The vectors of tags, such as documents, with a vocabulary of their own; `None` where the
    /// model has none. They are in the space of the input vectors of words.
    pub fn tags(&self) -> Option<&Embeddings> {
        self.tags.as_deref()
    }

    /// Dimension of the vectors.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All input vectors, row by row: shape `[words, dim]`.
    pub fn input(&self) -> &[f32] {
        self.input.floats()
    }

    /// Whether the model has output vectors.
    pub fn has_output(&self) -> bool {
        self.output.is_some()
    }

    /// The matrices of the model: input vectors, output vectors and weights of positions.
    pub(crate) fn matrices(&self) -> (&Numbers, Option<&Numbers>, Option<&Numbers>) {
        (&self.input, self.output.as_ref(), self.positions.as_ref())
    }

    /// The input vectors, or the output vectors, in memory that can be kept: shape `[words, dim]`.
    /// `None` where the model does not keep the output vectors.
    pub fn matrix(&self, output: bool) -> Option<Mapped<f32>> {
        let numbers = if output { self.output.as_ref()? } else { &self.input };
        Some(numbers.floats().clone())
    }

    /// All output vectors, row by row: shape `[words, dim]`. `None` where the model does not keep
    /// them.
    pub fn output(&self) -> Option<&[f32]> {
        self.output.as_ref().map(|output| &output.floats()[..])
    }

    /// The input vector of word `id`, of length `dim`.
    ///
    /// # Panics
    /// When there is no word `id`.
    pub fn vector(&self, id: u32) -> Cow<'_, [f32]> {
        let begin = id as usize * self.dim;
        self.input.part(begin..begin + self.dim)
    }

    /// The vectors of n-grams, if the model has them.
    pub fn ngrams(&self) -> Option<&Ngrams> {
        self.ngrams.as_ref()
    }

    /// The weights of the positions in a window, row by row: shape `[positions, dim]`. `None` where
    /// they were not learnt.
    pub fn positions(&self) -> Option<&[f32]> {
        self.positions.as_ref().map(|positions| &positions.floats()[..])
    }

    /// Fails if a word's input vector, or a tag's, has a number that is not finite.
    ///
    /// # Errors
    /// [`crate::Error::Refused`], which names the first of these words.
    pub fn check_finite(&self) -> Result<()> {
        if let Some(tags) = &self.tags {
            tags.check_finite()?;
        }
        if self.input.all_finite() {
            return Ok(());
        }
        let bad = |id: &u32| !is_finite(&self.vector(*id));
        match (0..self.vocab.len() as u32).find(bad) {
            Some(id) => Err(Error::not_finite(&self.vocab.text(id))),
            None => Ok(()),
        }
    }

    /// The number of words and tags whose input vectors have a number that is not finite.
    pub fn count_not_finite(&self) -> usize {
        let tags = self.tags.as_ref().map_or(0, |tags| tags.count_not_finite());
        if self.input.all_finite() {
            return tags;
        }
        tags + self.input().chunks_exact(self.dim.max(1)).filter(|row| !is_finite(row)).count()
    }

    /// The same model without the words whose input vectors have a number that is not finite.
    #[must_use]
    pub fn without_not_finite(&self) -> Self {
        let kept: Vec<u32> =
            (0..self.vocab.len() as u32).filter(|&id| is_finite(&self.vector(id))).collect();
        let tags = self.tags().map(|tags| Arc::new(tags.without_not_finite()));
        Self { tags, ..self.of_rows(&kept) }
    }

    /// The model of some rows, in this order, with their output vectors. All else stays.
    fn of_rows(&self, kept: &[u32]) -> Self {
        let words: Vec<&[u8]> = kept.iter().map(|&id| self.vocab.word(id)).collect();
        let counts = kept.iter().filter_map(|&id| self.vocab.count(id)).collect();
        let rows = |all: &Numbers| -> Numbers {
            let row = |&id: &u32| {
                let begin = id as usize * self.dim;
                all.part(begin..begin + self.dim).into_owned()
            };
            kept.iter().flat_map(row).collect::<Vec<f32>>().into()
        };
        Self {
            vocab: Vocab::new(&words, counts),
            input: rows(&self.input),
            output: self.output.as_ref().map(rows),
            ..self.clone()
        }
    }

    /// The model of the first rows alone, which are those of the most frequent words. All else stays.
    #[must_use]
    pub fn first(&self, rows: usize) -> Self {
        let rows = rows.min(self.vocab.len());
        let words: Vec<&[u8]> = self.vocab.words().take(rows).collect();
        let counts = self.vocab.counts.iter().take(rows).copied().collect();
        let part = |numbers: &Numbers| numbers.split(rows * self.dim).0;
        Self {
            vocab: Vocab::new(&words, counts),
            input: part(&self.input),
            output: self.output.as_ref().map(part),
            ..self.clone()
        }
    }

    /// The model of some rows alone, in this order, with their output vectors and all else. Of the
    /// n-grams either all stay, from which words that are gone are composed, or only those that the
    /// words of these rows have.
    #[must_use]
    pub fn pruned(&self, rows: &[u32], all_ngrams: bool) -> Self {
        let mut small = self.of_rows(rows);
        if !all_ngrams {
            let of_words = |ngrams: Ngrams| ngrams.of_words(small.vocab.words(), self.dim);
            small.ngrams = small.ngrams.clone().map(of_words);
        }
        small
    }

    /// The width in which files hold the vectors, where they can.
    pub(crate) fn width(&self) -> Width {
        self.width
    }

    /// The same model, whose vectors are written in this width if they are kept so.
    pub(crate) fn written_in(self, width: Width) -> Self {
        Self { width, ..self }
    }

    /// The model whose input and output vectors are kept and written in another width. Vectors of
    /// n-grams and of tags stay as they are.
    #[must_use]
    pub fn in_width(&self, width: Width) -> Self {
        let narrowed = |numbers: &Numbers| numbers.in_width(width, self.dim);
        let input = narrowed(&self.input);
        // A model may have one matrix for both.
        let output = self
            .output
            .as_ref()
            .map(|output| if output.is(&self.input) { input.clone() } else { narrowed(output) });
        Self { input, output, width, ..self.clone() }
    }

    /// The model with its n-grams in fewer buckets. The vectors of known words stay.
    ///
    /// # Errors
    /// [`Error::Refused`] without n-grams, or for a number that does not divide that of the buckets.
    pub fn with_buckets(&self, buckets: u32) -> Result<Self> {
        let none = || Error::Refused("the model has no n-grams, and so no buckets".into());
        let ngrams = self.ngrams.as_ref().ok_or_else(none)?;
        let folded =
            ngrams.folded(buckets, self.vocab.words(), self.dim).map_err(Error::Refused)?;
        Ok(self.clone().with_ngrams(Some(folded)))
    }

    /// How the text was split that the model was trained on, if its history says so.
    pub(crate) fn tokenizer(&self) -> Tokenizer {
        let said = self.provenance.text.get("tokenizer");
        said.and_then(|said| Tokenizer::deserialize(said).ok()).unwrap_or_default()
    }

    /// The spelling that stands for a word which the vocabulary lacks, if another one does. It is the
    /// same word in another normal form of Unicode, or as the text was split and put in lower case
    /// that the model was trained on.
    pub fn spelling(&self, word: &str) -> Option<String> {
        if self.vocab.id(word.as_bytes()).is_some() { None } else { self.other_spelling(word) }
    }

    /// The same for a word that the vocabulary is known to lack.
    fn other_spelling(&self, word: &str) -> Option<String> {
        let knows = |word: &str| self.vocab.id(word.as_bytes()).is_some();
        let mut told = Vec::new();
        self.tokenizer().each_word(word.as_bytes(), |word| {
            told.push(String::from_utf8_lossy(word).into_owned());
        });
        // What the text would have as several words is none of them.
        let told = if let [told] = &mut told[..] { std::mem::take(told) } else { word.into() };
        let other = told != word;
        // Forms of ASCII are all the same.
        let same = if word.is_ascii() { Vec::new() } else { [forms(word), forms(&told)].concat() };
        let known = std::iter::once(&told).filter(|_| other).chain(&same).find(|form| knows(form));
        known.cloned().or_else(|| other.then_some(told))
    }

    /// The model of some rows alone, in this order, without n-grams, pieces and tags.
    #[must_use]
    pub fn only(&self, rows: &[u32]) -> Self {
        let words: Vec<&[u8]> = rows.iter().map(|&id| self.vocab.word(id)).collect();
        let counts = rows.iter().filter_map(|&id| self.vocab.count(id)).collect();
        let numbers: Vec<f32> = rows.iter().flat_map(|&id| self.vector(id).into_owned()).collect();
        let vocab = Vocab::new(&words, counts);
        Self::new(vocab, self.dim, numbers.into(), None, self.provenance.clone())
    }

    /// The pieces that a word consists of, if the model has pieces and they are all known.
    pub fn pieces_of(&self, word: &str) -> Option<Vec<u32>> {
        let ids = self.pieces.as_ref()?.split(|piece| self.vocab.id(piece), word);
        ids.into_iter().collect::<Option<Vec<u32>>>().filter(|ids| !ids.is_empty())
    }

    /// The vector that a word has by its n-grams, or else as the mean of its pieces.
    pub(crate) fn compose(&self, word: &str) -> Option<Vec<f32>> {
        if let Some(ngrams) = &self.ngrams {
            return ngrams.compose(word.as_bytes(), self.dim);
        }
        let ids = self.pieces_of(word)?;
        let mut sum = vec![0.0; self.dim];
        for &id in &ids {
            sum.iter_mut().zip(self.vector(id).iter()).for_each(|(sum, x)| *sum += x);
        }
        let count = ids.len() as f32;
        Some(sum.into_iter().map(|x| x / count).collect())
    }

    /// The vector of `word`. Where the vocabulary lacks the word, another spelling stands for it (see
    /// [`Embeddings::spelling`]). Where that is not in the vocabulary either, the vector is composed
    /// from n-grams, or from pieces.
    ///
    /// # Errors
    /// [`crate::Error::UnknownWord`] when there are no n-grams or pieces, or none is known.
    /// [`crate::Error::Refused`] when the vector has a number that is not finite.
    pub fn find(&self, word: &str) -> Result<Found<'_>> {
        let (mut id, mut other) = (self.vocab.id(word.as_bytes()), None);
        if id.is_none() {
            other = self.other_spelling(word);
            id = other.as_ref().and_then(|other| self.vocab.id(other.as_bytes()));
        }
        let spelling = other.as_deref().unwrap_or(word);
        let found = if let Some(id) = id {
            Found { id: Some(id), vector: self.vector(id) }
        } else {
            match self.compose(spelling) {
                Some(vector) => Found { id: None, vector: vector.into() },
                None => return Err(Error::unknown(word, self.ngrams.is_some())),
            }
        };
        if is_finite(&found.vector) { Ok(found) } else { Err(Error::not_finite(word)) }
    }
}

/// The other forms of a word by Unicode: composed and decomposed.
fn forms(word: &str) -> [String; 2] {
    [word.nfc().collect(), word.nfd().collect()]
}

/// Whether all numbers of a vector are finite.
pub(crate) fn is_finite(vector: &[f32]) -> bool {
    vector.iter().all(|x| x.is_finite())
}

/// `a` scaled to length 1; a vector of zeros stays as it is.
pub(crate) fn unit(a: &[f32]) -> Vec<f32> {
    let length = dot(a, a).sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    a.iter().map(|x| (f64::from(*x) * scale) as f32).collect()
}

/// The cosine of the angle between two vectors; 0 when either is all zeros, and not a number when a
/// number of them is not finite.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { dot(a, b) / lengths }
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(words: &[&str], tokenizer: Tokenizer) -> Embeddings {
        let provenance = Provenance {
            text: serde_json::json!({ "tokenizer": tokenizer }),
            ..Provenance::default()
        };
        let rows: Vec<f32> = (0..words.len()).map(|row| row as f32 + 1.0).collect();
        Embeddings::new(Vocab::new(words, vec![]), 1, rows.into(), None, provenance)
    }

    #[test]
    fn words_are_found_as_the_text_was_read() {
        let plain = model(&["café", "cafe\u{301}s", "king"], Tokenizer::default());
        assert_eq!(plain.spelling("cafe\u{301}").as_deref(), Some("café"));
        assert_eq!(plain.spelling("cafés").as_deref(), Some("cafe\u{301}s"));
        assert_eq!(plain.spelling("café"), None);
        assert_eq!(plain.spelling("King"), None);
        assert!(plain.find("King").is_err());
        let lower = Tokenizer { lowercase: true, unicode_words: true };
        let lower = model(&["café", "king", "new", "york"], lower);
        assert_eq!(lower.spelling("CAFE\u{301}").as_deref(), Some("café"));
        assert_eq!(lower.spelling("King!").as_deref(), Some("king"));
        assert_eq!(lower.find("«King»").unwrap().id, Some(1));
        assert_eq!(lower.spelling("Queen").as_deref(), Some("queen"), "to be composed");
        assert!(lower.find("New York").is_err(), "two words are no word");
        let unknown = lower.find("Queen").unwrap_err().to_string();
        assert!(unknown.contains("'Queen'"), "{unknown}");
    }

    #[test]
    fn some_rows_are_a_model() {
        let all = model(&["a", "b", "c"], Tokenizer::default());
        let some = all.only(&[2, 0]);
        let words: Vec<String> = (0..2).map(|id| some.vocab.text(id)).collect();
        assert_eq!((words, some.input()), (vec!["c".into(), "a".into()], &[3.0, 1.0][..]));
    }

    #[test]
    fn cosines_and_units() {
        assert!((cosine(&[1.0, 1.0], &[2.0, 0.0]) - 0.5f64.sqrt()).abs() < 1e-9);
        assert_eq!(cosine(&[0.0, 0.0], &[2.0, 0.0]), 0.0);
        assert_eq!(unit(&[0.0, 3.0, 4.0]), [0.0, 0.6, 0.8]);
        assert_eq!(unit(&[0.0]), [0.0]);
    }
}
