//! Vectors of texts: means of the vectors of their words.

use std::sync::{Mutex, PoisonError};

use fearless_simd::Level;
use hashbrown::HashMap;
use rayon::prelude::*;

use crate::corpus::Counter;
use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::math::dispatch;
use crate::post::{directions, rarity, without};
use crate::text::Tokenizer;

/// Texts that a thread takes at a time.
const TOGETHER: usize = 512;
/// Words without a row that a thread remembers; when there are more, all are forgotten.
const REMEMBERED: usize = 1 << 16;

/// What becomes of the vectors of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Their mean
    #[default]
    Mean,
    /// The mean of the vectors scaled to length 1, as fastText's print-sentence-vectors has it
    Unit,
    /// The mean of the vectors times a / (a + p), for words whose share of the text is p and a =
    /// 0.001: the weights of SIF (Arora, Liang & Ma 2017)
    Sif,
}

/// Gives vectors to texts.
pub struct Embedder<'a> {
    model: &'a Embeddings,
    tokenizer: Tokenizer,
    /// The words by their hashes, and the row of each.
    words: Counter,
    rows: Vec<u32>,
    /// What the vector of each row is multiplied with.
    scales: Vec<f32>,
    pooling: Pooling,
    /// What threads keep from text to text, while none has it.
    idle: Mutex<Vec<Words>>,
}

/// What a thread keeps while it goes from text to text.
#[derive(Default)]
struct Words {
    /// The rows of a text.
    rows: Vec<u32>,
    /// Room for a row of narrow numbers.
    room: Vec<f32>,
    /// Words without a row that were looked for, and what they add.
    unseen: HashMap<Vec<u8>, Option<Vec<f32>>>,
}

/// The vectors of texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pooled {
    /// The vectors, of shape `[texts, dim]`; zeros for a text without a known word.
    pub rows: Vec<f32>,
    /// How many words of each text are known.
    pub known: Vec<u32>,
    /// How many words of each text have no vector.
    pub unknown: Vec<u32>,
}

impl Pooled {
    /// Adds the vectors of more texts.
    pub fn append(&mut self, more: Self) {
        self.rows.extend(more.rows);
        self.known.extend(more.known);
        self.unknown.extend(more.unknown);
    }

    /// Takes off each vector what all have in common: the part along the direction that holds most of
    /// their squared length, about the origin (SIF).
    pub fn take_off_common(&mut self, dim: usize) {
        let common = directions(&self.rows, dim, 1);
        self.rows = without(&self.rows, &common);
    }
}

impl<'a> Embedder<'a> {
    /// By the words of a model. Texts are split by `tokenizer`, or else as the text was that the model
    /// learnt. A model of pieces divides them by its own rules.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] for a vector with a number that is not finite.
    pub fn new(
        model: &'a Embeddings,
        pooling: Pooling,
        tokenizer: Option<Tokenizer>,
    ) -> Result<Self> {
        model.check_finite()?;
        let (mut words, mut rows) = (Counter::default(), Vec::new());
        for (id, word) in (0..).zip(model.vocab.words()) {
            // Of a word that is there twice, the first row counts.
            if words.add(word, 1) as usize == rows.len() {
                rows.push(id);
            }
        }
        let ids = 0..model.vocab.len() as u32;
        let scales = match pooling {
            Pooling::Mean => vec![1.0; model.vocab.len()],
            Pooling::Unit => ids.map(|id| inverse_length(&model.vector(id))).collect(),
            Pooling::Sif => rarity(model).into_iter().map(|x| x as f32).collect(),
        };
        let tokenizer = tokenizer.unwrap_or_else(|| model.tokenizer());
        Ok(Self { model, tokenizer, words, rows, scales, pooling, idle: Mutex::default() })
    }

    /// The vectors of texts, in their order. The vector of a text does not depend on the others.
    pub fn texts<T: AsRef<[u8]> + Sync>(&self, texts: &[T]) -> Pooled {
        let (level, dim) = (Level::new(), self.model.dim());
        let mut rows = vec![0.0; texts.len() * dim];
        let counts: Vec<[u32; 2]> = texts
            .par_chunks(TOGETHER)
            .zip(rows.par_chunks_mut(TOGETHER * dim))
            .flat_map_iter(|(texts, rows)| {
                let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let mut words = idle.unwrap_or_default();
                let mut counts = Vec::with_capacity(texts.len());
                for (text, row) in texts.iter().zip(rows.chunks_exact_mut(dim)) {
                    let [known, unknown] = self.look_up(text.as_ref(), row, &mut words);
                    dispatch!(level, simd => {
                        let _ = simd;
                        self.add_rows(&words.rows, 1.0 / known.max(1) as f32, row, &mut words.room);
                    });
                    counts.push([known, unknown]);
                }
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(words);
                counts
            })
            .collect();
        let (known, unknown) = counts.into_iter().map(|[known, unknown]| (known, unknown)).unzip();
        Pooled { rows, known, unknown }
    }

    /// Finds the words of a text: rows are told in `words`, and the vectors of words without one are
    /// added to `sum`. Returns how many are known, and how many are not.
    fn look_up(&self, text: &[u8], sum: &mut [f32], words: &mut Words) -> [u32; 2] {
        let Words { rows, unseen, .. } = words;
        let (matrix, dim) = (self.model.matrices().0, self.model.dim());
        rows.clear();
        let [mut others, mut unknown] = [0; 2];
        if let Some(pieces) = self.model.pieces() {
            let found = pieces.split(|p| self.model.vocab.id(p), &String::from_utf8_lossy(text));
            unknown = found.iter().filter(|row| row.is_none()).count() as u32;
            rows.extend(found.into_iter().flatten());
        } else {
            self.tokenizer.each_word(text, |word| {
                if let Some(place) = self.words.id(word) {
                    let row = self.rows[place as usize];
                    // Most rows lie beyond the caches, and are added once all are found.
                    matrix.prefetch(row as usize * dim..(row as usize + 1) * dim);
                    rows.push(row);
                    return;
                }
                if unseen.len() >= REMEMBERED {
                    unseen.clear();
                }
                match unseen.entry_ref(word).or_insert_with(|| self.unseen(word)) {
                    Some(vector) => {
                        others += 1;
                        sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += *x);
                    }
                    None => unknown += 1,
                }
            });
        }
        [others + rows.len() as u32, unknown]
    }

    /// Adds rows to a sum, which is then multiplied with `share`.
    #[inline(always)]
    fn add_rows(&self, rows: &[u32], share: f32, sum: &mut [f32], room: &mut Vec<f32>) {
        let dim = self.model.dim();
        room.resize(dim, 0.0);
        for &row in rows {
            let begin = row as usize * dim;
            let vector = self.model.matrices().0.part_in(begin..begin + dim, room);
            let scale = self.scales[row as usize];
            for (sum, x) in sum.iter_mut().zip(vector) {
                *sum += scale * x;
            }
        }
        for x in sum {
            *x *= share;
        }
    }

    /// What a word without a row adds: the vector of another spelling, or of its n-grams. A composed
    /// word is taken to be so rare that it has the weight 1.
    fn unseen(&self, word: &[u8]) -> Option<Vec<f32>> {
        let found = self.model.find(std::str::from_utf8(word).ok()?).ok()?;
        let scale = match (found.id, self.pooling) {
            (Some(row), _) => self.scales[row as usize],
            (None, Pooling::Unit) => inverse_length(&found.vector),
            (None, _) => 1.0,
        };
        Some(found.vector.iter().map(|x| scale * x).collect())
    }
}

/// 1 divided by the length of a vector; 0 for zeros.
fn inverse_length(vector: &[f32]) -> f32 {
    let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
    if square > 0.0 { (1.0 / square.sqrt()) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;

    fn model(tokenizer: Tokenizer) -> Embeddings {
        let text = serde_json::json!({ "tokenizer": tokenizer });
        let provenance = Provenance { text, ..Provenance::default() };
        let vocab = Vocab::new(&["a", "b", "café", "a"], vec![6, 3, 1, 1]);
        let rows = vec![3.0, 4.0, 0.0, 2.0, -1.0, 0.0, 9.0, 9.0];
        Embeddings::new(vocab, 2, rows.into(), None, provenance)
    }

    #[test]
    fn vectors_are_those_of_their_definition() {
        let model = model(Tokenizer::default());
        let texts = ["a b b", "b x cafe\u{301} y", "", "x"];
        let of = |pooling| Embedder::new(&model, pooling, None).unwrap().texts(&texts);
        let mean = of(Pooling::Mean);
        assert_eq!(mean.rows, [1.0, 8.0 / 3.0, -0.5, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!((&mean.known[..], &mean.unknown[..]), (&[3, 2, 0, 0][..], &[0, 2, 0, 1][..]));
        let unit = of(Pooling::Unit).rows;
        let expected = [0.2, 2.8 / 3.0, -0.5, 0.5];
        assert!(
            unit.iter().zip(expected).all(|(x, y): (&f32, f32)| (x - y).abs() < 1e-6),
            "{unit:?}"
        );
        let sif = of(Pooling::Sif).rows;
        let weight = |count: f64| 1e-3 / (1e-3 + count / 11.0);
        let expected = (3.0 * weight(6.0) / 3.0) as f32;
        assert!((sif[0] - expected).abs() < 1e-6, "{sif:?}");
    }

    #[test]
    fn texts_are_split_as_the_model_learnt() {
        let raw = Tokenizer { lowercase: true, unicode_words: true };
        let (plain, lower) = (model(Tokenizer::default()), model(raw));
        let known = |model, given| {
            let embedder = Embedder::new(model, Pooling::Mean, given).unwrap();
            embedder.texts(&["A, b!"]).known[0]
        };
        assert_eq!((known(&plain, None), known(&lower, None), known(&plain, Some(raw))), (0, 2, 2));
    }

    #[test]
    fn what_all_have_in_common_is_taken_off() {
        let mut pooled = Pooled { rows: vec![5.0, 1.0, 5.0, -1.0, 5.0, 0.0], ..Pooled::default() };
        pooled.take_off_common(2);
        let expected = [0.0, 1.0, 0.0, -1.0, 0.0, 0.0];
        assert!(pooled.rows.iter().zip(expected).all(|(x, y): (&f32, f32)| (x - y).abs() < 1e-5));
    }

    #[test]
    fn the_number_of_threads_and_the_other_texts_change_nothing() {
        let model = model(Tokenizer::default());
        let embedder = Embedder::new(&model, Pooling::Unit, None).unwrap();
        let texts: Vec<String> = (0..3000).map(|n| "a b x café ".repeat(n % 7)).collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| embedder.texts(&texts))
        };
        assert_eq!(with(1), with(3));
        assert_eq!(embedder.texts(&texts[5..6]).rows, with(2).rows[10..12]);
    }
}
