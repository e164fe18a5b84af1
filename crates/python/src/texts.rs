//! Vectors of texts and of new documents, and items that may come next.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde_json::json;
use wordloom::query::{Asked, Recommender, Scoring};
use wordloom::train::{InferOptions, Inference, document_words};
use wordloom::{Embedder, Error, Pooling, Progress};

use crate::errors::guarded;
use crate::model::Model;
use crate::pool::pooled;
use crate::train::{read, watch};

/// The vectors of texts as bytes of float32, row by row; zeros for a text without a known word.
/// `common` takes off what all have in common.
#[pyfunction]
pub(crate) fn embed<'py>(
    py: Python<'py>,
    model: &Bound<'py, Model>,
    texts: Vec<String>,
    pooling: &str,
    common: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let model = model.get();
    let pooled = py.detach(|| {
        pooled(|| {
            let embedder = Embedder::new(&model.e, read::<Pooling>(json!(pooling))?, None)?;
            let mut pooled = embedder.texts(&texts);
            if common {
                pooled.take_off_common(model.e.dim());
            }
            Ok(pooled)
        })
    })?;
    Ok(PyBytes::new(py, bytemuck::cast_slice(&pooled.rows)))
}

/// The vectors of new documents as bytes of float32, row by row; numbers that are none for a document
/// without a known word. `progress` is called with `learning`, how many are done, and of how many.
#[pyfunction]
#[pyo3(signature = (model, texts, epochs, lr, seed, progress))]
pub(crate) fn infer<'py>(
    py: Python<'py>,
    model: &Bound<'py, Model>,
    texts: Vec<String>,
    epochs: Option<usize>,
    lr: Option<f32>,
    seed: u64,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (model, done) = (&model.get().e, Progress::default());
    let options = InferOptions { epochs, lr, threads: None, seed };
    let learn = || {
        let documents = document_words(&texts, model)?;
        Inference::new(model, &options)?.vectors(&documents, &done)
    };
    let total = Some(texts.len() as u64);
    let vectors = watch(py, progress.as_ref(), ("learning", total), &done, learn)?;
    let none = vec![f32::NAN; model.dim()];
    let rows: Vec<f32> = vectors.into_iter().flat_map(|of| of.unwrap_or(none.clone())).collect();
    Ok(PyBytes::new(py, bytemuck::cast_slice(&rows)))
}

/// The ids of a session's items, oldest first, the vector of a user or nothing, and the ids that are no
/// answer.
type Session = (Vec<u32>, Option<Vec<f32>>, Vec<u32>);

/// The `k` items that may come next in each session, with their scores, best first. Answers are among the ids `among`, where there are some.
#[pyfunction]
pub(crate) fn recommend(
    py: Python<'_>,
    model: &Bound<'_, Model>,
    sessions: Vec<Session>,
    k: usize,
    among: Option<Vec<u32>>,
    score: &str,
) -> PyResult<Vec<Vec<(String, f32)>>> {
    let model = &model.get().e;
    let beyond = |ids: &[u32]| ids.iter().any(|&id| id as usize >= model.vocab.len());
    guarded(|| {
        if sessions.iter().any(|(items, user, exclude)| {
            let other = user.as_ref().is_some_and(|user| user.len() != model.dim());
            beyond(items) || beyond(exclude) || other
        }) || among.as_deref().is_some_and(beyond)
        {
            return Err(Error::Refused("an item or a user beyond the model".into()));
        }
        Ok(())
    })?;
    py.detach(|| {
        pooled(|| {
            let recommender = Recommender::new(model, read::<Scoring>(json!(score))?)?;
            let recommender = match &among {
                Some(items) => recommender.among(items),
                None => recommender,
            };
            let asked: Vec<Asked> = sessions
                .iter()
                .map(|(items, user, exclude)| Asked { items, user: user.as_deref(), exclude })
                .collect();
            let name = |near: wordloom::query::Neighbour| (model.vocab.text(near.id), near.score);
            let found = recommender.best(&asked, k).into_iter();
            Ok(found.map(|near| near.into_iter().map(name).collect()).collect())
        })
    })
}
