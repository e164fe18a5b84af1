//! The neighbours that several models agree on. It is partly chance which words a single training
//! calls near. The mean over trainings that differ in their seed is more reliable, and their spread
//! tells how reliable (Antoniak & Mimno 2018, "Evaluating the Stability of Embedding-based Word
//! Similarities").

use std::collections::BTreeSet;

use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::query::{Index, Query};
use crate::stats::{deviation, mean};

/// A word that is among the nearest in some model.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreed {
    /// The id of the word in the first model.
    pub id: u32,
    /// Its mean score over all models.
    pub mean: f64,
    /// The standard deviation of its scores; not a number for one model.
    pub spread: f64,
    /// The number of models in which it is among the nearest.
    pub models: usize,
}

/// The `k` words with the highest mean scores, best first. The candidates are the words that are
/// among the `k` nearest in some model and that all models know. `query` makes the question to a
/// model. Words with equal means are in the order of the first model.
///
/// # Errors
/// Returns the first error of `query`.
pub fn ensemble(
    models: &[Embeddings],
    query: impl Fn(&Embeddings) -> Result<Query>,
    k: usize,
) -> Result<Vec<Agreed>> {
    let Some(first) = models.first() else { return Ok(Vec::new()) };
    let queries = models.iter().map(query).collect::<Result<Vec<_>>>()?;
    let near: Vec<BTreeSet<&[u8]>> = models
        .iter()
        .zip(&queries)
        .map(|(model, query)| {
            let near = Index::new(model).nearest(std::slice::from_ref(query), k);
            near.into_iter().flatten().map(|near| model.vocab.word(near.id)).collect()
        })
        .collect();
    let candidates: BTreeSet<u32> =
        near.iter().flatten().filter_map(|word| first.vocab.id(word)).collect();
    let agreed = |id: u32| {
        let word = first.vocab.word(id);
        let score = |(model, query): (&Embeddings, &Query)| {
            let id = model.vocab.id(word)?;
            (!query.exclude.contains(&id)).then(|| query.score(&model.vector(id)))
        };
        let scores = models.iter().zip(&queries).map(score).collect::<Option<Vec<f64>>>()?;
        let models = near.iter().filter(|near| near.contains(word)).count();
        Some(Agreed { id, mean: mean(&scores), spread: deviation(&scores), models })
    };
    let mut found: Vec<Agreed> = candidates.into_iter().filter_map(agreed).collect();
    found.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    found.truncate(k);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::tests::embeddings;

    #[test]
    fn neighbours_are_averaged_over_the_models_that_know_them() {
        let models = [
            embeddings(
                &["king", "queen", "car", "alone"],
                2,
                vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0, 1.0, 0.0],
            ),
            embeddings(&["car", "queen", "king"], 2, vec![0.8, 0.6, 1.0, 0.0, 1.0, 0.0]),
        ];
        let found = ensemble(&models, |model| Query::word(model, "king"), 2).unwrap();
        let words: Vec<_> =
            found.iter().map(|near| (models[0].vocab.text(near.id), near.models)).collect();
        assert_eq!(words, [("queen".into(), 2), ("car".into(), 1)]);
        assert!(
            (found[0].mean - 0.8).abs() < 1e-6 && (found[0].spread - 0.08f64.sqrt()).abs() < 1e-6
        );
        assert!(ensemble(&models, |model| Query::word(model, "alone"), 2).is_err());
        assert!(ensemble(&[], |model| Query::word(model, "king"), 2).unwrap().is_empty());
    }
}
