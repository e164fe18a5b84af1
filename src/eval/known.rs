//! The words of a model that count as known.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Policy;
use super::probe::Features;
use super::sparse::SparseRows;
use crate::embeddings::{Embeddings, cosine, is_finite};
use crate::text;

/// The words that count as known: those of the vocabulary, up to `limit`, and some that were
/// composed.
pub(super) struct Known<'a> {
    pub(super) e: &'a Embeddings,
    /// Rows that stand for the vectors, which then have no numbers.
    sparse: Option<&'a SparseRows>,
    pub(super) limit: usize,
    /// Whether the vocabulary has capital letters. If not, unknown words are composed in lower
    /// case.
    cased: bool,
    /// The words composed from n-grams or pieces, with ids that begin at the number of words of the
    /// vocabulary.
    composed: HashMap<String, u32>,
    /// The vectors of the composed words, row by row.
    pub(super) rows: Vec<f32>,
}

impl<'a> Known<'a> {
    pub(super) fn new(e: &'a Embeddings, sparse: Option<&'a SparseRows>, policy: &Policy) -> Self {
        let limit = policy.restrict.unwrap_or(usize::MAX);
        let cased = (e.ngrams().is_some() || e.pieces().is_some())
            && e.vocab.words().any(|w| w.iter().any(u8::is_ascii_uppercase));
        Self { e, sparse, limit, cased, composed: HashMap::new(), rows: Vec::new() }
    }

    /// Makes `word` known by its n-grams or pieces, if it is not known and the model has some.
    pub(super) fn compose(&mut self, word: &str) {
        let composes = self.e.ngrams().is_some() || self.e.pieces().is_some();
        if !composes || self.find(word).is_some() {
            return;
        }
        let spelling = if self.cased { word.into() } else { text::lower(word) };
        let Some(vector) = self.e.compose(&spelling) else { return };
        let id = self.e.vocab.len() + self.composed.len();
        self.composed.insert(word.into(), id as u32);
        self.rows.extend(vector);
    }

    /// The id of `word`, or else of its lower-case spelling, or else of the word as composed.
    pub(super) fn find(&self, word: &str) -> Option<u32> {
        self.in_vocabulary(word).or_else(|| self.composed.get(word).copied())
    }

    /// The id of `word`, or else of its lower-case spelling. A word whose vector has a number that
    /// is not finite counts as unknown.
    pub(super) fn in_vocabulary(&self, word: &str) -> Option<u32> {
        let known = |&id: &u32| (id as usize) < self.limit && is_finite(&self.e.vector(id));
        let id = |word: &str| self.e.vocab.id(word.as_bytes()).filter(known);
        id(word).or_else(|| id(&text::lower(word)))
    }

    /// Whether a word was composed.
    pub(super) fn is_composed(&self, id: u32) -> bool {
        id as usize >= self.e.vocab.len()
    }

    /// The vectors of words that were found, as features.
    pub(super) fn features(&self, ids: impl Iterator<Item = u32>) -> Features {
        match self.sparse {
            Some(rows) => Features::Sparse(rows.select(ids.map(|id| id as usize))),
            None => Features::standardised(ids.map(|id| self.vector(id)), self.e.dim()),
        }
    }

    /// The vectors of words that were found, scaled to length 1, as features.
    pub(super) fn units(&self, ids: impl Iterator<Item = u32>) -> Features {
        match self.sparse {
            Some(rows) => Features::Sparse(rows.select(ids.map(|id| id as usize))),
            None => Features::units(ids.map(|id| self.vector(id)), self.e.dim()),
        }
    }

    /// The cosine of two words that were found.
    pub(super) fn cosine(&self, a: u32, b: u32) -> f64 {
        match self.sparse {
            Some(rows) => rows.cosine(a as usize, b as usize),
            None => cosine(&self.vector(a), &self.vector(b)),
        }
    }

    /// The vector of a word that was found.
    pub(super) fn vector(&self, id: u32) -> Cow<'_, [f32]> {
        match (id as usize).checked_sub(self.e.vocab.len()) {
            Some(place) => self.rows[place * self.e.dim()..][..self.e.dim()].into(),
            None => self.e.vector(id),
        }
    }
}
