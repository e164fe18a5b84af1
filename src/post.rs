//! What is done to the vectors of a model after it was trained: what all have in common is taken
//! off, frequent words are weighed less, or the dimension is lowered.

use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;

use crate::embeddings::{Embeddings, Provenance, is_finite, unit};
use crate::error::{Error, Result};
use crate::stats::eigenvectors;

/// The fewest rows whose products are added up together, and so many such sums are made at a time.
const BLOCK: usize = 256;
const TOGETHER: usize = 8;

/// The `a` in the weight `a / (a + p)` of a word whose share of the text is `p`.
const SMOOTHING: f64 = 1e-3;

/// A change of all vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Post {
    /// Takes off the mean of all vectors.
    Center,
    /// Takes off the mean and the first directions (all-but-the-top, Mu & Viswanath 2018).
    AllButTheTop(usize),
    /// Keeps as many of the first directions, about the mean (principal components).
    Pca(usize),
    /// Multiplies each vector with `a / (a + p)`, where `p` is the share of its word in the text, by
    /// rank where counts are unknown (the weights of Arora, Liang & Ma 2017).
    Zipf(f64),
    /// Scales each vector to length 1.
    Unit,
}

impl FromStr for Post {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, number) = text.split_once(':').map_or((text, None), |(a, b)| (a, Some(b)));
        let whole = || number.and_then(|n| n.parse::<usize>().ok()).filter(|&n| n > 0);
        let smoothing = number.map_or(Some(SMOOTHING), |number| number.parse::<f64>().ok());
        let known = match name {
            "center" if number.is_none() => Some(Self::Center),
            "abtt" => whole().map(Self::AllButTheTop),
            "pca" => whole().map(Self::Pca),
            "zipf" => smoothing.filter(|a| (1e-12..=1e3).contains(a)).map(Self::Zipf),
            _ => None,
        };
        known.ok_or_else(|| {
            "give center, abtt:N, pca:N, zipf or zipf:A, as in pca:256,zipf:1e-4".into()
        })
    }
}

impl fmt::Display for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Center => write!(f, "center"),
            Self::AllButTheTop(n) => write!(f, "abtt:{n}"),
            Self::Pca(n) => write!(f, "pca:{n}"),
            Self::Zipf(a) => write!(f, "zipf:{a:e}"),
            Self::Unit => write!(f, "scaled to length 1"),
        }
    }
}

impl Post {
    /// The model with changed input vectors, and its history with what was done. Output vectors,
    /// n-grams, weights of positions and tags do not follow the change, and are left out.
    ///
    /// # Errors
    /// [`Error::Refused`] for more directions than there are, or a vector that is not finite.
    pub fn apply(self, model: &Embeddings) -> Result<Embeddings> {
        model.check_finite()?;
        let dim = model.dim();
        if let Self::AllButTheTop(n) | Self::Pca(n) = self
            && n > dim
        {
            let problem = format!("{self}: the vectors have {dim} directions");
            return Err(Error::Refused(problem));
        }
        let (rows, dim) = match self {
            Self::Zipf(a) => (weighed(model, a), dim),
            Self::Unit => (model.input().chunks_exact(dim).flat_map(unit).collect(), dim),
            Self::Center => (centred(model.input(), dim), dim),
            Self::AllButTheTop(n) => {
                let rows = centred(model.input(), dim);
                (without(&rows, &directions(&rows, dim, n)), dim)
            }
            Self::Pca(n) => {
                let rows = centred(model.input(), dim);
                (onto(&rows, dim, &directions(&rows, dim, n)), n)
            }
        };
        if !is_finite(&rows) {
            return Err(Error::Refused(format!("{self}: numbers become too large")));
        }
        let mut post = model.provenance.post.clone();
        post.push(self.to_string());
        let provenance = Provenance { post, ..model.provenance.clone() };
        let changed = Embeddings::new(model.vocab.clone(), dim, rows.into(), None, provenance);
        Ok(changed.with_pieces(model.pieces().cloned()))
    }
}

/// The share of each word of the text that `a` is compared with: by counts, or else by rank as 1/2,
/// 1/3, 1/4... of their sum, as model2vec has it.
fn weights(e: &Embeddings, a: f64) -> Vec<f64> {
    let count = |id: u32| e.vocab.count(id).map_or(1.0 / (f64::from(id) + 2.0), |n| n as f64);
    let counts: Vec<f64> = (0..e.vocab.len() as u32).map(count).collect();
    let total: f64 = counts.iter().sum();
    counts.into_iter().map(|n| a / (a + n / total)).collect()
}

/// The weight of each word of the vocabulary in a text, `a / (a + p)` with the `a` of SIF (Arora, Liang &
/// Ma 2017).
pub(crate) fn rarity(e: &Embeddings) -> Vec<f64> {
    weights(e, SMOOTHING)
}

fn weighed(model: &Embeddings, a: f64) -> Vec<f32> {
    let mut rows = model.input().to_vec();
    for (row, weight) in rows.chunks_exact_mut(model.dim()).zip(weights(model, a)) {
        for x in row {
            *x = (f64::from(*x) * weight) as f32;
        }
    }
    rows
}

fn centred(rows: &[f32], dim: usize) -> Vec<f32> {
    let mut mean = vec![0.0f64; dim];
    for row in rows.chunks_exact(dim) {
        mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x));
    }
    let count = (rows.len() / dim) as f64;
    let less = |row: &[f32]| -> Vec<f32> {
        row.iter().zip(&mean).map(|(&x, mean)| (f64::from(x) - mean / count) as f32).collect()
    };
    rows.chunks_exact(dim).flat_map(less).collect()
}

/// The first directions of rows.
pub(crate) fn directions(rows: &[f32], dim: usize, n: usize) -> Vec<Vec<f64>> {
    let add = |mut sums: Vec<f64>, block: &[f32]| {
        for row in block.chunks_exact(dim) {
            for (i, &x) in row.iter().enumerate() {
                let sums = &mut sums[i * dim..=i * dim + i];
                sums.iter_mut().zip(row).for_each(|(sum, &y)| *sum += f64::from(x) * f64::from(y));
            }
        }
        sums
    };
    // The blocks are the same for any number of threads, and added up in their order.
    let large = BLOCK.max(rows.len() / dim / 64 + 1) * dim;
    let mut moments = vec![0.0; dim * dim];
    for some in rows.chunks(large * TOGETHER) {
        let parts: Vec<Vec<f64>> =
            some.par_chunks(large).map(|block| add(vec![0.0; dim * dim], block)).collect();
        for part in parts {
            moments.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
        }
    }
    eigenvectors(&moments, dim).into_iter().take(n).map(|(_, direction)| direction).collect()
}

/// Where rows are along directions.
fn onto(rows: &[f32], dim: usize, directions: &[Vec<f64>]) -> Vec<f32> {
    let along = |row: &[f32]| -> Vec<f32> {
        let dot = |direction: &Vec<f64>| -> f64 {
            row.iter().zip(direction).map(|(&x, y)| f64::from(x) * y).sum()
        };
        directions.iter().map(|direction| dot(direction) as f32).collect()
    };
    rows.par_chunks_exact(dim).flat_map_iter(along).collect()
}

/// Rows without what they have along directions.
pub(crate) fn without(rows: &[f32], directions: &[Vec<f64>]) -> Vec<f32> {
    let dim = directions.first().map_or(1, Vec::len);
    let rest = |row: &[f32]| -> Vec<f32> {
        let mut rest: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
        for direction in directions {
            let along: f64 = rest.iter().zip(direction).map(|(x, y)| x * y).sum();
            rest.iter_mut().zip(direction).for_each(|(x, y)| *x -= along * y);
        }
        rest.into_iter().map(|x| x as f32).collect()
    };
    rows.par_chunks_exact(dim).flat_map_iter(rest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::random::{generator, normal};

    fn model() -> Embeddings {
        // Far along the first axis, less along the second, and little along the third.
        let mut rng = generator(9);
        let rows: Vec<f32> = (0..300)
            .flat_map(|_| {
                let mut x = |scale: f64| (scale * normal(&mut rng)) as f32;
                [x(10.0) + 5.0, x(3.0), x(0.1) - 2.0]
            })
            .collect();
        let names: Vec<String> = (0..300).map(|word| format!("w{word}")).collect();
        let vocab = Vocab::new(&names, Vec::new());
        Embeddings::new(vocab, 3, rows.into(), None, Provenance::default())
    }

    #[test]
    fn vectors_are_changed_as_asked() {
        let model = model();
        let columns = |model: &Embeddings| -> Vec<[f64; 2]> {
            (0..model.dim())
                .map(|i| {
                    let of = model.input().chunks(model.dim()).map(|row| f64::from(row[i]));
                    let all: Vec<f64> = of.collect();
                    [crate::stats::mean(&all), crate::stats::deviation(&all)]
                })
                .collect()
        };
        let apply = |text: &str, to: &Embeddings| text.parse::<Post>().unwrap().apply(to).unwrap();
        assert!(columns(&apply("center", &model)).iter().all(|[mean, _]| mean.abs() < 1e-5));
        let pca = apply("pca:2", &model);
        let [first, second] = columns(&pca)[..] else { panic!() };
        assert!(
            (first[1] - 10.0).abs() < 1.0 && (second[1] - 3.0).abs() < 0.5 && first[0].abs() < 1e-5
        );
        let rest = apply("abtt:2", &model);
        assert!(rest.dim() == 3 && columns(&rest)[0][1] < 0.1 && columns(&rest)[2][1] > 0.05);
        let zipf = apply("zipf:1e-2", &pca);
        let shares: f64 = (2..=301).map(|rank| 1.0 / f64::from(rank)).sum();
        let weight = 1e-2 / (1e-2 + 0.5 / shares);
        assert!((f64::from(zipf.input()[0]) / f64::from(pca.input()[0]) - weight).abs() < 1e-5);
        assert_eq!(zipf.provenance.post, ["pca:2", "zipf:1e-2"]);
        let error = "pca:4".parse::<Post>().unwrap().apply(&model).unwrap_err().to_string();
        assert!(error.contains("the vectors have 3 directions"), "{error}");
        for text in ["pca", "pca:0", "zipf:0", "zipf:x", "center:1", "top"] {
            assert!(text.parse::<Post>().is_err(), "{text}");
        }
    }
}
