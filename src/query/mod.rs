//! Nearest words, sums and differences of words, and analogies, by exact search over all rows.
//!
//! Analogies are answered by 3CosAdd (Mikolov, Yih & Zweig 2013, "Linguistic Regularities in
//! Continuous Space Word Representations") or 3CosMul (Levy & Goldberg 2014, "Linguistic
//! Regularities in Sparse and Explicit Word Representations").
//!
//! This file is over 300 lines because a quarter of it is tests.

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
    /// lacks is found as [`Embeddings::find`] finds it, and a vector may stand in place of a word: its
    /// numbers in brackets.
    ///
    /// # Errors
    /// [`Error::UnknownWord`] for a word without a vector.
    pub fn word(e: &Embeddings, word: &str) -> Result<Self> {
        Self::weighted(e, &[(1.0, word)], Combine::Add)
    }

    /// Asks for words near to all terms with a weight above 0 and far from the others, except these
    /// words.
    fn weighted(e: &Embeddings, terms: &[(f32, &str)], combine: Combine) -> Result<Self> {
        let (mut plus, mut minus, mut exclude) = (Vec::new(), Vec::new(), Vec::new());
        for &(weight, word) in terms {
            if combine == Combine::Mul && is_weighted(weight) {
                let problem = format!("{weight}*{word}: a product has no weights, but a sum has");
                return Err(Error::Refused(problem));
            }
            let found = asked_for(e, word)?;
            exclude.extend(found.id);
            let side = if weight > 0.0 { &mut plus } else { &mut minus };
            side.push(unit(&found.vector).into_iter().map(|x| x * weight.abs()).collect());
        }
        Ok(Self { plus, minus, exclude, combine })
    }

    /// Asks for sums and differences of words, as in `king - man + 0.5*woman`, except these words.
    /// [`terms`] tells how they are written.
    ///
    /// # Errors
    /// [`Error::UnknownWord`] for a word without a vector, or [`Error::Refused`] if there is no
    /// term, or for weights in a product.
    pub fn expression(e: &Embeddings, all: &[String], combine: Combine) -> Result<Self> {
        if all.is_empty() {
            return Err(Error::Refused(
                "an expression needs a word, as in: king - man + woman".into(),
            ));
        }
        let known = |term: &str| e.vocab.id(term.as_bytes()).is_some();
        Self::weighted(e, &terms(all, known), combine)
    }

    /// Asks what is to `c` as `b` is to `a`: `b - a + c`, except these three words.
    ///
    /// # Errors
    /// [`Error::UnknownWord`] for a word without a vector.
    pub fn analogy(e: &Embeddings, a: &str, b: &str, c: &str, combine: Combine) -> Result<Self> {
        Self::weighted(e, &[(1.0, b), (1.0, c), (-1.0, a)], combine)
    }

    /// [`Query::analogy`] for known words.
    ///
    /// # Panics
    /// When an id is not below the number of words.
    #[cfg(test)]
    pub(crate) fn analogy_ids(e: &Embeddings, [a, b, c]: [u32; 3], combine: Combine) -> Self {
        Self::new(&[e.vector(b), e.vector(c)], &[e.vector(a)], vec![a, b, c], combine)
    }

    /// The same question to other vectors. `place` tells where a row is among these that is no answer.
    #[must_use]
    pub fn moved(mut self, place: impl Fn(u32) -> Option<u32>) -> Self {
        self.exclude = self.exclude.into_iter().filter_map(place).collect();
        self
    }

    /// The same question to vectors of another kind, of which none is asked for and none is left
    /// out: words near a document, or documents near a word.
    #[must_use]
    pub fn among_others(self) -> Self {
        self.moved(|_| None)
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

/// The terms of a sum, each with its weight. Before a term is `+` or `-`, which may stand apart, and
/// a number with `*` behind it. A term that is `known` as it is written is a word.
pub fn terms(all: &[String], known: impl Fn(&str) -> bool) -> Vec<(f32, &str)> {
    let (mut found, mut sign) = (Vec::new(), 1.0);
    for (at, term) in all.iter().enumerate() {
        let mut word = term.as_str();
        let more = at + 1 < all.len();
        if let (true, "+" | "-") = (more, word) {
            sign *= if word == "-" { -1.0 } else { 1.0 };
            continue;
        }
        if !known(word) {
            match word.split_at_checked(1) {
                Some(("+", rest)) if !rest.is_empty() => word = rest,
                Some(("-", rest)) if !rest.is_empty() => (sign, word) = (-sign, rest),
                _ => {}
            }
        }
        let mut weight = 1.0;
        if let (false, Some((number, rest))) = (known(word), word.split_once('*'))
            && let (Ok(number), false) = (number.parse::<f32>(), rest.is_empty())
            && number.is_finite()
            && number != 0.0
        {
            (weight, word) = (number, rest);
        }
        found.push((std::mem::replace(&mut sign, 1.0) * weight, word));
    }
    found
}

/// Whether terms are a sum: one behind the first has a sign, or one has a weight.
pub fn is_sum(all: &[String]) -> bool {
    let signed = all.iter().skip(1).any(|term| term.len() > 1 && term.starts_with(['+', '-']));
    let apart =
        all.len() > 2 && all[1..all.len() - 1].iter().any(|term| term == "+" || term == "-");
    signed || apart || terms(all, |_| false).iter().any(|(weight, _)| is_weighted(*weight))
}

/// Whether a term has more than a sign.
fn is_weighted(weight: f32) -> bool {
    !(1.0..=1.0).contains(&weight.abs())
}

/// Whether a term is a vector, which may be asked for in place of a word.
pub fn is_vector(term: &str) -> bool {
    term.len() > 2 && term.starts_with('[') && term.ends_with(']')
}

/// What a term stands for: a word, or a vector of numbers in brackets.
///
/// # Errors
/// A word without a vector, or a vector of another dimension.
pub fn asked_for<'e>(e: &'e Embeddings, term: &str) -> Result<Found<'e>> {
    if !is_vector(term) || e.vocab.id(term.as_bytes()).is_some() {
        return e.find(term);
    }
    let numbers = term[1..term.len() - 1].split([',', ' ', '\t']).filter(|part| !part.is_empty());
    let read = |part: &str| part.parse::<f32>().ok().filter(|x| x.is_finite());
    let problem = |problem: String| Error::Refused(format!("a vector in brackets {problem}"));
    let mut vector = Vec::new();
    for part in numbers {
        vector
            .push(read(part).ok_or_else(|| problem(format!("has '{part}', which is no number")))?);
    }
    if vector.len() != e.dim() {
        let (has, dim) = (vector.len(), e.dim());
        return Err(problem(format!("has {has} numbers: those of the model have {dim}")));
    }
    Ok(Found { id: None, vector: vector.into() })
}

/// The cosine of the vectors of two words, from -1 to 1.
///
/// # Errors
/// [`Error::UnknownWord`] for a word without a vector.
pub fn similarity(e: &Embeddings, a: &str, b: &str) -> Result<f64> {
    Ok(cosine(&asked_for(e, a)?.vector, &asked_for(e, b)?.vector))
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
    let units = words
        .iter()
        .map(|word| Ok(unit(&asked_for(e, word)?.vector)))
        .collect::<Result<Vec<_>>>()?;
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
        assert_eq!(query.exclude, [0, 2, 0, 3]);
        let query = Query::expression(
            &e,
            &["x", "-", "0.5*y", "+", "+both"].map(String::from),
            Combine::Add,
        );
        let query = query.unwrap();
        assert_eq!((query.plus.len(), &query.minus[..]), (2, &[vec![0.0, 0.5]][..]));
        assert_eq!(query.exclude, [0, 1, 3]);
        assert!(parse(&["x", "2*y"]).unwrap_err().to_string().contains("no weights"));
        for (terms, word) in [(["é"], "é"), (["-"], "-"), (["+z"], "z")] {
            match parse(&terms).unwrap_err() {
                Error::UnknownWord { word: unknown, .. } => assert_eq!(unknown, word),
                other => panic!("{other}"),
            }
        }
        assert!(matches!(parse(&[]), Err(Error::Refused(_))));
    }

    #[test]
    fn terms_have_signs_and_weights() {
        let told = |line: &str| {
            let all: Vec<String> = line.split(' ').map(Into::into).collect();
            let known = |word: &str| ["-", "3*x", "-17"].contains(&word);
            let found = terms(&all, known);
            (
                found.iter().map(|(w, t)| format!("{w} {t}")).collect::<Vec<_>>().join(", "),
                is_sum(&all),
            )
        };
        let cases = [
            ("king - man + woman", "1 king, -1 man, 1 woman", true),
            ("king -man +woman", "1 king, -1 man, 1 woman", true),
            ("- man + king", "-1 man, 1 king", true),
            ("2*king -0.5*man", "2 king, -0.5 man", true),
            ("king - 2*man", "1 king, -2 man", true),
            ("king - -man", "1 king, 1 man", true),
            ("a b", "1 a, 1 b", false),
            ("a -", "1 a, 1 -", false),
            ("-17 3*x", "1 -17, 1 3*x", true),
            ("x*y *z 2* inf*w 0*w", "1 x*y, 1 *z, 1 2*, 1 inf*w, 1 0*w", false),
        ];
        for (line, expected, sum) in cases {
            assert_eq!(told(line), (expected.into(), sum), "{line}");
        }
    }

    #[test]
    fn vectors_stand_in_place_of_words() {
        let e = embeddings(&["x", "y"], 2, vec![1.0, 0.0, 0.0, 1.0]);
        assert_eq!(asked_for(&e, "[1, -2e0]").unwrap().vector[..], [1.0, -2.0]);
        let query = Query::word(&e, "[0.1,3]").unwrap();
        assert_eq!(Index::new(&e).nearest(&[query], 1)[0][0].id, 1);
        for (bad, why) in [("[1]", "has 1 numbers"), ("[1 b]", "'b'"), ("[1 nan]", "'nan'")] {
            assert!(asked_for(&e, bad).unwrap_err().to_string().contains(why), "{bad}");
        }
        assert!(matches!(asked_for(&e, "[]"), Err(Error::UnknownWord { .. })));
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
