//! Nearest words, sums and differences of words, and analogies, by exact search over all rows.
//!
//! Analogies are answered by 3CosAdd (Mikolov, Yih & Zweig 2013, "Linguistic Regularities in
//! Continuous Space Word Representations") or 3CosMul (Levy & Goldberg 2014, "Linguistic
//! Regularities in Sparse and Explicit Word Representations").

mod analogies;
mod ensemble;
mod recommend;
mod search;
mod sketch;

use serde::{Deserialize, Serialize};

pub use self::analogies::{AnalogyAnswers, analogies};
pub use self::ensemble::{Agreed, ensemble};
pub(crate) use self::recommend::best;
pub use self::recommend::{Asked, Recommender, Scoring};
pub use self::search::Index;
pub use self::sketch::Sketch;
use rayon::prelude::*;

use crate::embeddings::{Embeddings, Found, cosine, unit};
use crate::error::{Error, Result};

/// A word and how near it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// The id of the word.
    pub id: u32,
    /// Its cosine with the query, from -1 to 1, or the score that [`Combine::Mul`] makes of several
    /// cosines.
    pub score: f32,
}

/// How the vectors of a query are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Combine {
    /// The cosine with the sum of the vectors (3CosAdd)
    #[default]
    Add,
    /// The product of the cosines, moved to 0..1, divided by those of the words to avoid (3CosMul)
    Mul,
}

/// A small number that is added to each divisor of [`Combine::Mul`].
const EPSILON: f32 = 0.001;

/// What to look for: vectors to be near to, vectors to be far from, and words that are no answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    plus: Vec<Vec<f32>>,
    minus: Vec<Vec<f32>>,
    exclude: Vec<u32>,
    combine: Combine,
}

impl Query {
    /// Asks for words near to all of `plus` and far from all of `minus`, except those in `exclude`.
    /// The vectors have the dimension of the model, and they are scaled to length 1 first.
    pub fn new<V: AsRef<[f32]>>(
        plus: &[V],
        minus: &[V],
        exclude: Vec<u32>,
        combine: Combine,
    ) -> Self {
        let units = |vectors: &[V]| vectors.iter().map(|vector| unit(vector.as_ref())).collect();
        Self { plus: units(plus), minus: units(minus), exclude, combine }
    }

    /// Asks for the neighbours of `word`, except itself. Here and below, a word that the vocabulary
    /// lacks is composed from its n-grams if the model has them.
    ///
    /// # Errors
    /// [`Error::UnknownWord`] for a word without a vector.
    pub fn word(e: &Embeddings, word: &str) -> Result<Self> {
        Ok(Self::found(&[e.find(word)?], &[], Combine::Add))
    }

    /// Asks for words near to all of `plus` and far from all of `minus`, except these words.
    fn found(plus: &[Found], minus: &[Found], combine: Combine) -> Self {
        let exclude = plus.iter().chain(minus).filter_map(|found| found.id).collect();
        let units = |words: &[Found]| words.iter().map(|found| unit(&found.vector)).collect();
        Self { plus: units(plus), minus: units(minus), exclude, combine }
    }

    /// Asks for sums and differences of words, as in `king -man +woman`, except these words. A term
    /// that begins with `+` or `-` is a signed word, unless the vocabulary has the term with its
    /// sign.
    ///
    /// # Errors
    /// [`Error::UnknownWord`] for a word without a vector, or [`Error::Refused`] if there is no
    /// term.
    pub fn expression(e: &Embeddings, terms: &[String], combine: Combine) -> Result<Self> {
        if terms.is_empty() {
            return Err(Error::Refused(
                "an expression needs a word, as in: king -man +woman".into(),
            ));
        }
        let (mut plus, mut minus) = (Vec::new(), Vec::new());
        for term in terms {
            let (word, side) = match (e.vocab.id(term.as_bytes()), term.split_at_checked(1)) {
                (None, Some(("+", word))) if !word.is_empty() => (word, &mut plus),
                (None, Some(("-", word))) if !word.is_empty() => (word, &mut minus),
                _ => (term.as_str(), &mut plus),
            };
            side.push(e.find(word)?);
        }
        Ok(Self::found(&plus, &minus, combine))
    }

    /// Asks what is to `c` as `b` is to `a`: `b - a + c`, except these three words.
    ///
    /// # Errors
    /// [`Error::UnknownWord`] for a word without a vector.
    pub fn analogy(e: &Embeddings, a: &str, b: &str, c: &str, combine: Combine) -> Result<Self> {
        let (a, b, c) = (e.find(a)?, e.find(b)?, e.find(c)?);
        Ok(Self::found(&[b, c], &[a], combine))
    }

    /// [`Query::analogy`] for known words.
    ///
    /// # Panics
    /// When an id is not below the number of words.
    #[cfg(test)]
    pub(crate) fn analogy_ids(e: &Embeddings, [a, b, c]: [u32; 3], combine: Combine) -> Self {
        Self::new(&[e.vector(b), e.vector(c)], &[e.vector(a)], vec![a, b, c], combine)
    }

    /// The same question to vectors of another kind, of which none is asked for and none is left
    /// out: words near a document, or documents near a word.
    #[must_use]
    pub fn among_others(self) -> Self {
        Self { exclude: Vec::new(), ..self }
    }

    /// The score of a row by its definition. [`Index`] finds the scores of all rows.
    pub(crate) fn score(&self, row: &[f32]) -> f64 {
        if self.combine == Combine::Add {
            return cosine(&self.sum(row.len()), row);
        }
        let near = |v: &Vec<f32>| cosine(v, row).midpoint(1.0);
        let plus: f64 = self.plus.iter().map(near).product();
        plus / self.minus.iter().map(|v| near(v) + f64::from(EPSILON)).product::<f64>()
    }

    /// The sum of `plus` less that of `minus`; zeros if all that is left is rounding.
    fn sum(&self, dim: usize) -> Vec<f32> {
        let mut sum = vec![0.0f64; dim];
        for (vectors, sign) in [(&self.plus, 1.0), (&self.minus, -1.0)] {
            for vector in vectors {
                assert_eq!(vector.len(), dim);
                sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += sign * f64::from(*x));
            }
        }
        let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
        if length < 1e-5 { vec![0.0; dim] } else { sum.into_iter().map(|x| x as f32).collect() }
    }
}

/// The cosine of the vectors of two words, from -1 to 1.
///
/// # Errors
/// [`Error::UnknownWord`] for a word without a vector.
pub fn similarity(e: &Embeddings, a: &str, b: &str) -> Result<f64> {
    Ok(cosine(&e.find(a)?.vector, &e.find(b)?.vector))
}

/// The cosines of all rows with each of some vectors, vector by vector: shape `[vectors, words]`.
/// The cosine with zeros is 0.
pub fn cosines(e: &Embeddings, vectors: &[Vec<f32>]) -> Vec<f32> {
    let units: Vec<Vec<f32>> = vectors.iter().map(|vector| unit(vector)).collect();
    let words = e.vocab.len();
    let of_row = |id: usize| {
        let row = e.vector(id as u32);
        let square: f32 = row.iter().map(|x| x * x).sum();
        let length = if square > 0.0 { square.sqrt() } else { 1.0 };
        let cosine =
            |unit: &Vec<f32>| row.iter().zip(unit).map(|(a, b)| a * b).sum::<f32>() / length;
        units.iter().map(cosine).collect::<Vec<f32>>()
    };
    let rows: Vec<Vec<f32>> = (0..words).into_par_iter().map(of_row).collect();
    (0..units.len()).flat_map(|at| rows.iter().map(move |row| row[at])).collect()
}

/// The position of the word that fits the others least, and the cosine of each word with the mean
/// of the others. All vectors are scaled to length 1 first. Of several words that fit equally
/// badly, the position is that of the first.
///
/// # Errors
/// [`Error::UnknownWord`] for a word without a vector, or [`Error::Refused`] if there are fewer
/// than three words.
pub fn odd_one_out(e: &Embeddings, words: &[String]) -> Result<(usize, Vec<f64>)> {
    if words.len() < 3 {
        return Err(Error::Refused("the odd one out is found among three or more words".into()));
    }
    let units =
        words.iter().map(|word| Ok(unit(&e.find(word)?.vector))).collect::<Result<Vec<_>>>()?;
    let fit = |i: usize| {
        let mut sum = vec![0.0; e.dim()];
        for (_, other) in units.iter().enumerate().filter(|&(j, _)| j != i) {
            sum.iter_mut().zip(other).for_each(|(sum, x)| *sum += x);
        }
        cosine(&units[i], &sum)
    };
    let fits: Vec<f64> = (0..words.len()).map(fit).collect();
    let odd = (0..fits.len()).min_by(|&a, &b| fits[a].total_cmp(&fits[b])).unwrap_or(0);
    Ok((odd, fits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;

    pub(super) fn embeddings(words: &[&str], dim: usize, rows: Vec<f32>) -> Embeddings {
        Embeddings::new(Vocab::new(words, vec![]), dim, rows.into(), None, Provenance::default())
    }

    #[test]
    fn expressions_have_signs_unless_a_word_is_known_with_them() {
        let rows = vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0, -1.0, 1.0];
        let e = embeddings(&["x", "y", "-y", "both"], 2, rows);
        let parse = |terms: &[&str]| {
            Query::expression(
                &e,
                &terms.iter().map(ToString::to_string).collect::<Vec<_>>(),
                Combine::Mul,
            )
        };
        let query = parse(&["x", "-y", "-x", "+both"]).unwrap();
        assert_eq!((query.plus.len(), query.minus.len()), (3, 1));
        assert_eq!(query.exclude, [0, 2, 3, 0]);
        for (terms, word) in [(["é"], "é"), (["-"], "-"), (["+z"], "z")] {
            match parse(&terms).unwrap_err() {
                Error::UnknownWord { word: unknown, .. } => assert_eq!(unknown, word),
                other => panic!("{other}"),
            }
        }
        assert!(matches!(parse(&[]), Err(Error::Refused(_))));
    }

    #[test]
    fn cosines_of_all_rows() {
        let e = embeddings(&["x", "zero", "far"], 2, vec![2.0, 0.0, 0.0, 0.0, -3.0, 4.0]);
        let all = cosines(&e, &[vec![1.0, 0.0], vec![0.0, 5.0]]);
        for (cosine, expected) in all.iter().zip([1.0, 0.0, -0.6, 0.0, 0.0, 0.8]) {
            assert!((cosine - expected).abs() < 1e-6);
        }
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn similar_words_and_the_odd_one_out() {
        let e = embeddings(&["x", "near", "far"], 2, vec![2.0, 0.0, 3.0, 0.3, -0.1, 1.0]);
        assert!(similarity(&e, "x", "near").unwrap() > 0.99);
        let words = ["near", "far", "x"].map(String::from);
        let (odd, fits) = odd_one_out(&e, &words).unwrap();
        assert_eq!((odd, fits.len()), (1, 3));
        assert!(odd_one_out(&e, &words[..2]).is_err());
    }
}
