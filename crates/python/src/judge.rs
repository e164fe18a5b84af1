//! Models on sets of questions, and beside each other.

use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::json;
use wordloom::compare::{CompareOptions, Contender, Grouping, TrainedRun, group};
use wordloom::eval::{Policy, Set, SetOptions, Sets, Unknown};

use crate::model::Model;
use crate::pool::pooled;

/// Which words count as known.
fn policy(restrict: Option<usize>, unknown: &str) -> PyResult<Policy> {
    let unknown = match unknown {
        "compose" => Unknown::Compose,
        "skip" => Unknown::Skip,
        "zero" => Unknown::Zero,
        _ => return Err(PyValueError::new_err("unknown is one of compose, skip, zero")),
    };
    Ok(Policy { restrict, unknown })
}

fn read(paths: &[PathBuf], strict: bool) -> wordloom::Result<Sets> {
    Set::read(paths, &SetOptions { strict, ..SetOptions::default() })
}

/// The scores of a model on sets, as JSON.
#[pyfunction]
#[pyo3(signature = (model, sets, restrict, unknown, draws, seed, strict))]
pub(crate) fn evaluate(
    py: Python<'_>,
    model: &Model,
    sets: Vec<PathBuf>,
    restrict: Option<usize>,
    unknown: &str,
    draws: usize,
    seed: u64,
    strict: bool,
) -> PyResult<String> {
    let policy = policy(restrict, unknown)?;
    py.detach(|| {
        pooled(|| {
            let Sets { sets, left_out } = read(&sets, strict)?;
            let score = |set: &Set| {
                let outcome = set.score(&model.e, &policy);
                let intervals = outcome.intervals(draws, seed);
                let measures = outcome.measures.iter().zip(intervals).map(|(measure, interval)| {
                    let known = |x: f64| x.is_finite().then_some(x);
                    json!({
                        "measure": measure.name, "score": known(outcome.value(measure)),
                        "interval": interval.map(known),
                    })
                });
                json!({
                    "name": set.name, "kind": set.kind(), "items": outcome.total,
                    "used": outcome.used(), "composed": outcome.composed, "read_as": set.how,
                    "left_out": set.left_out, "scores": measures.collect::<Vec<_>>(),
                })
            };
            let all: Vec<_> = sets.iter().map(score).collect();
            Ok(json!({ "sets": all, "left_out": left_out }).to_string())
        })
    })
}

/// A comparison of models on sets, as JSON. Models of one method and settings, which differ in their
/// seed, are runs of it, unless each is to stand apart.
#[pyfunction]
#[pyo3(signature = (models, names, sets, restrict, unknown, draws, seed, apart))]
pub(crate) fn compare(
    py: Python<'_>,
    models: Vec<PyRef<'_, Model>>,
    names: Vec<String>,
    sets: Vec<PathBuf>,
    restrict: Option<usize>,
    unknown: &str,
    draws: usize,
    seed: u64,
    apart: bool,
) -> PyResult<String> {
    let options = CompareOptions { policy: policy(restrict, unknown)?, draws, seed };
    let run = |(model, name): (&PyRef<'_, Model>, String)| TrainedRun {
        name,
        model: model.e.clone(),
        sparse: None,
    };
    let by = if apart { Grouping::Apart } else { Grouping::Histories };
    let contenders: Vec<Contender> = group(models.iter().zip(names).map(run).collect(), by);
    py.detach(|| {
        pooled(|| {
            let sets = read(&sets, false)?.sets;
            let compared = wordloom::compare::compare(contenders, &sets, &options)?;
            Ok(json!(compared.comparison).to_string())
        })
    })
}
