//! A model, as Python sees it.
//!
//! This file is over 300 lines because a class of Python has all its methods in one place.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use wordloom::format::{self, Format};
use wordloom::query::{Combine, Index, Neighbour, Query, Sketch, analogies, cosines};
use wordloom::{Embeddings, Error, Mapped, Provenance, Vocab};

use crate::errors::{guarded, raise};
use crate::pool::pooled;
use crate::train::Once;

/// No word has this id.
const NONE: u32 = u32::MAX;

/// A model with as many numbers gets a sketch when it is asked for the second time.
const LARGE: usize = 1 << 20;

/// Vectors with their vocabulary. It never changes.
#[pyclass(frozen, module = "wordloom._wordloom")]
pub(crate) struct Model {
    pub(crate) e: Embeddings,
    /// What makes single questions faster, made when it is worth while.
    sketch: OnceLock<Sketch>,
    asked: AtomicU32,
}

impl From<Embeddings> for Model {
    fn from(e: Embeddings) -> Self {
        Self { e, sketch: OnceLock::new(), asked: AtomicU32::new(0) }
    }
}

/// A matrix of float32, which NumPy shows without a copy: it is kept as long as its views.
#[pyclass(frozen, module = "wordloom._wordloom")]
pub(crate) struct Rows {
    numbers: Mapped<f32>,
    dim: usize,
}

#[pymethods]
impl Rows {
    /// NumPy's description of the memory, which it must not write to.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        let rows = self.numbers.len() / self.dim.max(1);
        all.set_item("version", 3)?;
        all.set_item("shape", (rows, self.dim))?;
        all.set_item("typestr", "<f4")?;
        all.set_item("data", (self.numbers.as_ptr() as usize, true))?;
        Ok(all)
    }
}

#[pymethods]
impl Model {
    /// Opens a file of vectors, or a table of a transformer.
    #[staticmethod]
    #[pyo3(signature = (path, table=None))]
    fn open(py: Python<'_>, path: PathBuf, table: Option<String>) -> PyResult<Self> {
        py.detach(|| guarded(|| format::read_table(&path, table.as_deref()))).map(Self::from)
    }

    /// A model that [`Model::to_bytes`] wrote.
    #[staticmethod]
    fn from_bytes(bytes: &[u8]) -> PyResult<Self> {
        guarded(|| format::parse(Path::new("a pickle"), &Mapped::from(bytes))).map(Self::from)
    }

    /// A model of words and their rows, which are bytes of float32.
    #[staticmethod]
    fn of_rows(words: Vec<String>, rows: &[u8], dim: usize, counts: Vec<u64>) -> PyResult<Self> {
        let rows = floats(rows)?;
        let all = words.len().checked_mul(dim);
        if dim == 0
            || all != Some(rows.len())
            || !(counts.is_empty() || counts.len() == words.len())
        {
            return Err(PyValueError::new_err("as many rows as words, please"));
        }
        let provenance = Provenance { program: "Python".into(), ..Provenance::default() };
        let vocab = Vocab::new(&words, counts);
        Ok(Embeddings::new(vocab, dim, rows.into(), None, provenance).into())
    }

    /// Writes a file. Returns what a user should know about it.
    #[pyo3(signature = (path, format=None))]
    fn save(&self, py: Python<'_>, path: PathBuf, format: Option<&str>) -> PyResult<Vec<String>> {
        let named = match format {
            None => None,
            Some(name) => Some(Format::named(name).ok_or_else(|| {
                let names: Vec<_> = Format::all().map(Format::name).collect();
                let problem = format!("no format '{name}': there are {}", names.join(", "));
                PyValueError::new_err(problem)
            })?),
        };
        py.detach(|| {
            guarded(|| {
                let to = Format::to_write(&path, named, self.e.ngrams().is_some())?;
                let lost = to.leaves_out(&self.e).into_iter();
                let lost = lost.map(|part| format!("{} does not hold {part}", to.name()));
                let notes = format::write(&self.e, &path, to)?;
                Ok(lost.chain(notes).collect())
            })
        })
    }

    /// The model as bytes, in wordloom's own format.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| {
            guarded(|| {
                let once = Once::new()?;
                let path = once.0.join("model.safetensors");
                format::write(&self.e, &path, Format::own())?;
                let bytes = std::fs::read(&path);
                bytes.map_err(|source| Error::Io { path, source })
            })
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    fn __len__(&self) -> usize {
        self.e.vocab.len()
    }

    /// The dimension of the vectors.
    #[getter]
    fn dim(&self) -> usize {
        self.e.dim()
    }

    /// The words with the ids from `start` to before `end`.
    fn words(&self, start: u32, end: u32) -> Vec<String> {
        let end = end.min(self.e.vocab.len() as u32);
        (start..end).map(|id| self.e.vocab.text(id)).collect()
    }

    /// The id of a word.
    fn id(&self, word: &str) -> Option<u32> {
        self.e.vocab.id(word.as_bytes())
    }

    /// How often words occurred in the text, if that is known.
    fn counts(&self) -> Option<Vec<u64>> {
        let counts = &self.e.vocab.counts;
        (!counts.is_empty()).then(|| counts.to_vec())
    }

    /// A matrix: `input` or `output`.
    fn rows(&self, py: Python<'_>, which: &str) -> Option<Rows> {
        let dim = self.e.dim();
        let numbers = py.detach(|| self.e.matrix(which == "output"))?;
        Some(Rows { numbers, dim })
    }

    /// The vectors of tags, such as documents, as a model of their own.
    fn tags(&self) -> Option<Self> {
        self.e.tags().cloned().map(Self::from)
    }

    /// The id of a word, or none; its vector as bytes; and how it was found: `vocabulary`, `spelling`,
    /// `n-grams` or `pieces`. Nothing for a word that has no vector.
    #[expect(clippy::type_complexity, reason = "a tuple of Python")]
    fn find<'py>(
        &self,
        py: Python<'py>,
        word: &str,
    ) -> PyResult<Option<(Option<u32>, Bound<'py, PyBytes>, &'static str)>> {
        let found = match self.e.find(word) {
            Err(Error::UnknownWord { .. }) => return Ok(None),
            found => found.map_err(|error| raise(&error))?,
        };
        let how = match (found.id, self.e.ngrams()) {
            (Some(_), _) if self.e.spelling(word).is_some() => "spelling",
            (Some(_), _) => "vocabulary",
            (None, Some(_)) => "n-grams",
            (None, None) => "pieces",
        };
        Ok(Some((found.id, PyBytes::new(py, bytemuck::cast_slice(&found.vector)), how)))
    }

    /// The words with the nearest spellings, best first.
    fn near(&self, py: Python<'_>, word: &str, k: usize) -> Vec<String> {
        py.detach(|| self.e.vocab.near(word, k))
    }

    /// The ids and the cosines of the `k` nearest rows of each query, as bytes of uint32 and of
    /// float32: `k` for each, filled up with the largest id where there are fewer. Rows whose ids
    /// a query excludes are left out. Only the first `restrict` rows are searched.
    fn nearest<'py>(
        &self,
        py: Python<'py>,
        queries: &[u8],
        k: usize,
        exclude: Vec<Vec<u32>>,
        restrict: Option<usize>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let queries = self.vectors(queries)?;
        let (ids, scores) = py.detach(|| {
            pooled(|| {
                let query = |(at, vector): (usize, &Vec<f32>)| {
                    let exclude = exclude.get(at).cloned().unwrap_or_default();
                    Query::new(&[vector], &[], exclude, Combine::Add)
                };
                let queries: Vec<Query> = queries.iter().enumerate().map(query).collect();
                let (mut ids, mut scores) = (Vec::new(), Vec::new());
                let (found, k) = self.answers(&queries, k, restrict);
                for near in found {
                    let end = ids.len() + k;
                    ids.extend(near.iter().map(|near| near.id));
                    scores.extend(near.iter().map(|near| near.score));
                    ids.resize(end, NONE);
                    scores.resize(end, f32::NAN);
                }
                Ok((ids, scores))
            })
        })?;
        let ids = PyBytes::new(py, bytemuck::cast_slice(&ids));
        Ok((ids, PyBytes::new(py, bytemuck::cast_slice(&scores))))
    }

    /// The words nearest to one query, with their cosines, best first: as [`Model::nearest`].
    fn similar(
        &self,
        py: Python<'_>,
        query: &[u8],
        k: usize,
        exclude: Vec<u32>,
        restrict: Option<usize>,
    ) -> PyResult<Vec<(String, f32)>> {
        let vectors = self.vectors(query)?;
        py.detach(|| {
            pooled(|| {
                let query = Query::new(&vectors, &[], exclude, Combine::Add);
                let found = self.answers(&[query], k, restrict).0.into_iter().flatten();
                Ok(found.map(|near| (self.e.vocab.text(near.id), near.score)).collect())
            })
        })
    }

    /// The cosines of all rows with each query, as bytes of float32, query by query.
    fn cosines<'py>(&self, py: Python<'py>, queries: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let queries = self.vectors(queries)?;
        let all = py.detach(|| pooled(|| Ok(cosines(&self.e, &queries))))?;
        Ok(PyBytes::new(py, bytemuck::cast_slice(&all)))
    }

    /// The answers to analogies by 3CosAdd, as bytes of uint32. The questions are bytes of uint32,
    /// three ids each; answers are among the first `restrict` rows. The largest id stands for no
    /// answer.
    fn analogies<'py>(
        &self,
        py: Python<'py>,
        questions: &[u8],
        restrict: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let questions: Vec<u32> = bytemuck::pod_collect_to_vec(questions);
        let questions: Vec<[u32; 3]> = questions.as_chunks::<3>().0.to_vec();
        if questions.as_flattened().iter().any(|&id| id as usize >= self.e.vocab.len()) {
            return Err(PyValueError::new_err("an id beyond the words"));
        }
        let answers: Vec<u32> = py.detach(|| {
            pooled(|| {
                let found = analogies(&self.e, restrict, &[], &questions);
                Ok(found.into_iter().map(|of| of.add.unwrap_or(NONE)).collect())
            })
        })?;
        Ok(PyBytes::new(py, bytemuck::cast_slice(&answers)))
    }

    /// Where the vectors come from, as JSON.
    fn provenance(&self) -> String {
        serde_json::to_string(&self.e.provenance).unwrap_or_default()
    }

    /// Whether vectors of unseen words can be composed.
    fn composes(&self) -> bool {
        self.e.ngrams().is_some() || self.e.pieces().is_some()
    }
}

impl Model {
    /// The nearest rows of each query, and how many there can be.
    fn answers(
        &self,
        queries: &[Query],
        k: usize,
        restrict: Option<usize>,
    ) -> (Vec<Vec<Neighbour>>, usize) {
        let among = restrict.unwrap_or(usize::MAX);
        let k = k.min(among).min(self.e.vocab.len());
        (self.index(queries.len()).nearest_among(among, queries, k), k)
    }

    /// The search for so many questions.
    fn index(&self, questions: usize) -> Index<'_> {
        let index = Index::new(&self.e);
        let large = self.e.vocab.len().saturating_mul(self.e.dim()) >= LARGE;
        if questions != 1 || !large || self.asked.fetch_add(1, Ordering::Relaxed) == 0 {
            return index;
        }
        index.with_sketch(self.sketch.get_or_init(|| Sketch::new(&self.e)))
    }

    /// Vectors of the model's dimension, from bytes of float32.
    fn vectors(&self, bytes: &[u8]) -> PyResult<Vec<Vec<f32>>> {
        let (all, dim) = (floats(bytes)?, self.e.dim());
        if !all.len().is_multiple_of(dim) {
            let problem = format!("vectors of another dimension: the model's have {dim} numbers");
            return Err(PyValueError::new_err(problem));
        }
        Ok(all.chunks_exact(dim).map(<[f32]>::to_vec).collect())
    }
}

/// Floats from bytes of float32, which may lie anywhere.
fn floats(bytes: &[u8]) -> PyResult<Vec<f32>> {
    if !bytes.len().is_multiple_of(4) {
        return Err(PyValueError::new_err("not float32"));
    }
    Ok(bytemuck::pod_collect_to_vec(bytes))
}
