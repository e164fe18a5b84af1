//! Models of two corpora in one space. The vectors of one are rotated, so that the words that both have
//! are as near to each other as can be (Hamilton, Leskovec & Jurafsky 2016; for two languages Smith et
//! al. 2017). Distances within the model stay. Words whose neighbours differ most are those whose
//! use has changed (Gonen et al. 2020).

use std::sync::atomic::Ordering;

use rayon::prelude::*;

use crate::corpus::Vocab;
use crate::embeddings::{Embeddings, cosine, unit};
use crate::error::{Error, Result};
use crate::memory::Numbers;
use crate::progress::Progress;
use crate::query::{Combine, Index, Query};
use crate::stats::rotation;
use crate::subword::Ngrams;

/// Pairs whose products are added up together.
const BLOCK: usize = 512;
/// Words that are asked for at a time.
const ASKED: usize = 2048;

/// A model that was rotated.
pub struct Aligned {
    /// The model, in the space of the other.
    pub model: Embeddings,
    /// The mean cosine of the pairs before and after.
    pub cosines: [f64; 2],
}

/// A word in two models.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The word's ids in both models.
    pub ids: [u32; 2],
    /// The share of its neighbours that are the same, from 0 to 1.
    pub shared: f64,
    /// The cosine of its two vectors.
    pub cosine: f64,
    /// Its neighbours in both models, as ids of each, the nearest first.
    pub near: [Vec<u32>; 2],
}

/// The ids of all words that two models have, in the order of the first.
pub fn common(a: &Vocab, b: &Vocab) -> Vec<[u32; 2]> {
    (0..a.len() as u32).filter_map(|id| Some([id, b.id(a.word(id))?])).collect()
}

/// Rotates `model` into the space of `reference`: `pairs` are ids of words in `reference` and `model`
/// that mean the same. Vectors of output, n-grams and tags are rotated too; weights of positions can't
/// be, and are left out.
///
/// # Errors
/// [`Error::Refused`] for models of different dimensions, or without a pair.
pub fn align(reference: &Embeddings, model: &Embeddings, pairs: &[[u32; 2]]) -> Result<Aligned> {
    let dim = reference.dim();
    if model.dim() != dim {
        let other = model.dim();
        let problem = format!("vectors of {dim} and of {other} numbers can't lie in one space");
        return Err(Error::Refused(problem));
    }
    if pairs.is_empty() {
        return Err(Error::Refused("the models have no word in common to be aligned by".into()));
    }
    let blocks: Vec<Vec<f64>> =
        pairs.par_chunks(BLOCK).map(|pairs| moments(reference, model, pairs)).collect();
    let mut sums = vec![0.0; dim * dim];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += x);
    }
    let turn = rotation(&sums, dim);
    let turned = turned(model, &turn);
    let mean = |other: &Embeddings| {
        let cosines: Vec<f64> = pairs
            .par_iter()
            .map(|&[a, b]| cosine(&reference.vector(a), &other.vector(b)))
            .collect();
        cosines.iter().sum::<f64>() / pairs.len() as f64
    };
    let cosines = [mean(model), mean(&turned)];
    Ok(Aligned { model: turned, cosines })
}

/// The sum over pairs of the products of their numbers, where all vectors have length 1.
fn moments(reference: &Embeddings, model: &Embeddings, pairs: &[[u32; 2]]) -> Vec<f64> {
    let dim = reference.dim();
    let mut sums = vec![0.0f64; dim * dim];
    for &[a, b] in pairs {
        let (a, b) = (unit(&reference.vector(a)), unit(&model.vector(b)));
        for (sums, &x) in sums.chunks_exact_mut(dim).zip(&b) {
            let x = f64::from(x);
            sums.iter_mut().zip(&a).for_each(|(sum, &y)| *sum += x * f64::from(y));
        }
    }
    sums
}

/// A model whose vectors are all rotated.
fn turned(model: &Embeddings, turn: &[f64]) -> Embeddings {
    let dim = model.dim();
    let rows = |numbers: &[f32]| -> Vec<f32> {
        let mut all = vec![0.0; numbers.len()];
        all.par_chunks_mut(dim).zip(numbers.par_chunks(dim)).for_each_init(
            || vec![0.0f64; dim],
            |sums, (to, row)| {
                sums.fill(0.0);
                for (turn, &x) in turn.chunks_exact(dim).zip(row) {
                    let x = f64::from(x);
                    sums.iter_mut().zip(turn).for_each(|(sum, y)| *sum += x * y);
                }
                to.iter_mut().zip(&*sums).for_each(|(to, x)| *to = *x as f32);
            },
        );
        all
    };
    let (input, output, _) = model.matrices();
    let matrix = |numbers: &Numbers| Numbers::from(rows(numbers.floats()));
    let new_input = matrix(input);
    let new_output =
        output.map(|output| if output.is(input) { new_input.clone() } else { matrix(output) });
    let ngrams = model.ngrams().map(|ngrams| {
        let floats: Vec<f32> =
            ngrams.rows.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let bytes: Vec<u8> = rows(&floats).into_iter().flat_map(f32::to_le_bytes).collect();
        Ngrams { rows: bytes.into(), ..ngrams.clone() }
    });
    let tags = model.tags().map(|tags| self::turned(tags, turn));
    let provenance = model.provenance.clone();
    Embeddings::new(model.vocab.clone(), dim, new_input, new_output, provenance)
        .with_pieces(model.pieces().cloned())
        .with_ngrams(ngrams)
        .with_tags(tags)
}

/// How far words have moved between two models: the words of `asked`, by their ids in both, and the
/// shares of their `k` nearest words that are the same. Neighbours are looked for among `all`, the
/// words that both models have. The words that moved most come first. The progress counts the
/// words of both models that have been asked for.
///
/// # Errors
/// [`Error::Stopped`].
pub fn moved(
    models: [&Embeddings; 2],
    all: &[[u32; 2]],
    asked: &[[u32; 2]],
    k: usize,
    progress: &Progress,
) -> Result<Vec<Moved>> {
    // In both of these, row `i` is word `i` of `all`.
    let some: [Embeddings; 2] = std::array::from_fn(|side| {
        models[side].only(&all.iter().map(|ids| ids[side]).collect::<Vec<u32>>())
    });
    let place = |ids: &[u32; 2]| all.binary_search_by_key(&ids[0], |other| other[0]).ok();
    let rows: Vec<u32> = asked.iter().filter_map(place).map(|row| row as u32).collect();
    let near = |side: usize| -> Result<Vec<Vec<u32>>> {
        let index = Index::new(&some[side]);
        let query =
            |&row: &u32| Query::new(&[some[side].vector(row)], &[], vec![row], Combine::Add);
        let mut all = Vec::with_capacity(rows.len());
        for rows in rows.chunks(ASKED) {
            progress.check()?;
            let found = index.nearest(&rows.iter().map(query).collect::<Vec<_>>(), k);
            all.extend(found.iter().map(|near| near.iter().map(|near| near.id).collect()));
            progress.done.fetch_add(rows.len() as u64, Ordering::Relaxed);
        }
        Ok(all)
    };
    let (first, second) = (near(0)?, near(1)?);
    let of_row = |(&row, (a, b)): (&u32, (&Vec<u32>, &Vec<u32>))| {
        let same = a.iter().filter(|id| b.contains(id)).count();
        let ids =
            |side: usize, near: &[u32]| near.iter().map(|&id| all[id as usize][side]).collect();
        Moved {
            ids: all[row as usize],
            shared: same as f64 / k.min(all.len().saturating_sub(1)).max(1) as f64,
            cosine: cosine(&some[0].vector(row), &some[1].vector(row)),
            near: [ids(0, a), ids(1, b)],
        }
    };
    let mut moved: Vec<Moved> =
        rows.par_iter().zip(first.par_iter().zip(&second)).map(of_row).collect();
    moved.sort_by(|a, b| a.shared.total_cmp(&b.shared).then(a.cosine.total_cmp(&b.cosine)));
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embeddings::Provenance;
    use crate::random::{generator, normal};

    #[test]
    fn a_model_that_was_turned_is_turned_back_and_a_moved_word_is_found() {
        let (words, dim) = (300, 8);
        let mut random = generator(1);
        let rows: Vec<f32> = (0..words * dim).map(|_| normal(&mut random) as f32).collect();
        let names: Vec<String> = (0..words).map(|i| format!("w{i}")).collect();
        let first = Embeddings::new(
            Vocab::new(&names, vec![]),
            dim,
            rows.clone().into(),
            None,
            Provenance::default(),
        );
        // Turning is exchanging numbers and signs; the words are in another order, and word 7 is
        // where word 9 is.
        let order: Vec<usize> = (0..words).rev().collect();
        let turn = |row: &[f32]| row.iter().rev().map(|x| -x).collect::<Vec<f32>>();
        let row = |i: usize| turn(&rows[(if i == 7 { 9 } else { i }) * dim..][..dim]);
        let other: Vec<f32> = order.iter().flat_map(|&i| row(i)).collect();
        let names: Vec<&String> = order.iter().map(|&i| &names[i]).collect();
        let second = Embeddings::new(
            Vocab::new(&names, vec![]),
            dim,
            other.clone().into(),
            Some(other.into()),
            Provenance::default(),
        );
        let pairs = common(&first.vocab, &second.vocab);
        assert_eq!((pairs.len(), pairs[3]), (words, [3, words as u32 - 4]));
        let Aligned { model, cosines } = align(&first, &second, &pairs).unwrap();
        assert!(cosines[0] < 0.3 && cosines[1] > 0.98, "{cosines:?}");
        for [a, b] in [pairs[0], pairs[100]] {
            for (x, y) in first.vector(a).iter().zip(model.vector(b).iter()) {
                assert!((x - y).abs() < 0.1, "{x} {y}");
            }
        }
        assert_eq!(model.output().unwrap(), model.input());
        let all = moved([&first, &model], &pairs, &pairs, 10, &Progress::default()).unwrap();
        assert_eq!(all[0].ids[0], 7);
        assert!(all[0].shared < 0.4 && all[150].shared > 0.9, "{:?} {:?}", all[0], all[150]);
        assert_eq!(first.vocab.text(all[299].near[0][0]), model.vocab.text(all[299].near[1][0]));
        assert!(align(&first, &second, &[]).is_err());
    }
}
