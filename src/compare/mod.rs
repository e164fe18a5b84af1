//! Several trainings side by side: which method is better on which set, is the difference more than
//! chance, and which words do the methods see differently?
//!
//! Everything is computed over the words that all models have, or over the documents where sets are
//! about them. Models of one method that differ
//! only in their seed are its runs. The spread of these runs is the yardstick for any difference
//! between methods, in scores (`scores`) as in neighbours (`neighbours`).
//!
//! This file is longer than 300 lines because a third of it defines and documents the public data
//! of a comparison.

mod advice;
mod baselines;
mod neighbours;
mod presets;
mod report;
mod scores;

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

pub use self::advice::Advice;
pub use self::baselines::{sif, tfidf};
use self::neighbours::Lists;
pub use self::neighbours::{Agreement, Band, Differing};
pub use self::presets::{PRESETS, Preset, PresetOf, PresetSettings};
pub use self::report::{About, Report};
use self::scores::FullVocabulary;
pub use self::scores::{Composed, Curve, Difference, Score, Scores, SetScores};
use crate::corpus::Vocab;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::eval::{Outcome, Policy, Set, SparseRows};

/// A trained model.
#[derive(Clone, Debug)]
pub struct TrainedRun {
    /// The name of its file.
    pub name: String,
    /// The vectors.
    pub model: Embeddings,
    /// Rows of counts that stand for the vectors of documents; the model then has their names alone.
    pub sparse: Option<Arc<SparseRows>>,
}

/// A method to be compared, with its runs.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Its name.
    pub name: String,
    /// Its trainings, which differ only in their seed.
    pub runs: Vec<TrainedRun>,
    /// Trainings of fewer epochs for the learning curve, the shortest first. There may be none.
    pub shorter: Vec<TrainedRun>,
}

/// The settings of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct CompareOptions {
    /// Which words count as known.
    pub policy: Policy,
    /// The number of bootstrap draws for each interval.
    pub draws: usize,
    /// The seed of the draws.
    pub seed: u64,
}

/// The result of a comparison.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// What was compared: `words` or `documents`.
    pub of: &'static str,
    /// The number of them that all models have.
    pub words: usize,
    /// Whether some model has other words too.
    pub cut: bool,
    /// Which words counted as known.
    pub policy: Policy,
    /// The number of bootstrap draws for each interval.
    pub draws: usize,
    /// The methods that were compared.
    pub methods: Vec<MethodSummary>,
    /// Everything known in which the methods differ besides their names.
    pub confounds: Vec<Confound>,
    /// The scores, set by set.
    pub sets: Vec<SetScores>,
    /// The scores of shorter trainings; empty if there are none.
    pub curves: Vec<Curve>,
    /// Which methods lead, and what to use.
    pub advice: Advice,
    /// How far the methods agree on which words are near.
    pub neighbours: Agreement,
}

/// A method and what its runs cost.
#[derive(Clone, Debug, Serialize)]
pub struct MethodSummary {
    /// Its name.
    pub name: String,
    /// Its settings without the seed, as far as they are known.
    pub settings: Value,
    /// Whether no seed plays a part, so that one run is all there is.
    pub exact: bool,
    /// The number of words in its own vocabulary.
    pub words: usize,
    /// The dimension of its vectors.
    pub dim: usize,
    /// The cost of each of its runs.
    pub runs: Vec<Cost>,
}

/// The cost of a run. A cost that is not known is `None`.
#[derive(Clone, Debug, Serialize)]
pub struct Cost {
    /// The name of its file.
    pub name: String,
    /// Its seed.
    pub seed: Option<u64>,
    /// Seconds that training took, with the counting of co-occurrences.
    pub seconds: Option<f64>,
    /// Tokens learnt in a second, over all epochs.
    pub words_per_second: Option<f64>,
    /// The most memory that it used, in bytes.
    pub peak_memory: Option<u64>,
}

/// A setting in which methods differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confound {
    /// Its name.
    pub setting: String,
    /// Its value for each method, in the order of the methods. It is empty if a method has no such
    /// setting, or if the value is not known.
    pub values: Vec<String>,
}

/// Which models are runs of one method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grouping {
    /// Those whose histories differ only in seed and time. Models without a history are methods of
    /// their own.
    #[default]
    Histories,
    /// None.
    Apart,
    /// Those of the same name.
    Names,
}

/// Groups models. A method of several runs has the name of the training method, if that tells it
/// apart, or else that of its first run.
pub fn group(runs: Vec<TrainedRun>, by: Grouping) -> Vec<Contender> {
    let mut groups: Vec<(Option<Value>, Contender)> = Vec::new();
    for run in runs {
        let history = &run.model.provenance;
        let of_history = || {
            let mut settings = history.settings.clone();
            settings.as_object_mut().map(|all| all.shift_remove("seed"));
            serde_json::json!([history.method, settings, history.corpus.hash, run.model.dim()])
        };
        let kind = match by {
            Grouping::Names => Some(Value::from(run.name.clone())),
            Grouping::Histories if !history.method.is_empty() => Some(of_history()),
            _ => None,
        };
        match groups.iter_mut().find(|(known, _)| kind.is_some() && *known == kind) {
            Some((_, contender)) => contender.runs.push(run),
            None => {
                groups.push((
                    kind,
                    Contender { name: run.name.clone(), runs: vec![run], shorter: vec![] },
                ));
            }
        }
    }
    let mut contenders: Vec<Contender> =
        groups.into_iter().map(|(_, contender)| contender).collect();
    let method = |contender: &Contender| contender.runs[0].model.provenance.method.clone();
    let methods: Vec<String> = contenders.iter().map(method).collect();
    let by_method = by == Grouping::Histories;
    for (contender, method) in contenders.iter_mut().zip(&methods).filter(|_| by_method) {
        if !method.is_empty() && methods.iter().filter(|other| *other == method).count() == 1 {
            contender.name.clone_from(method);
        }
    }
    contenders
}

/// A comparison with what it was made of: the neighbours of many words, and the models, cut to the
/// words that all of them have. A [`Report`] shows these too.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The result.
    pub comparison: Comparison,
    lists: Lists,
    contenders: Vec<Contender>,
}

/// Compares `contenders` on `sets`.
///
/// # Errors
/// [`Error::Refused`] if there are fewer than two models, or if they have no word in common.
pub fn compare(
    mut contenders: Vec<Contender>,
    sets: &[Set],
    options: &CompareOptions,
) -> Result<Compared> {
    if contenders.iter().map(|contender| contender.runs.len()).sum::<usize>() < 2 {
        return Err(Error::Refused("one model alone can't be compared: name two or more".into()));
    }
    // Methods without vectors of their own come last.
    contenders.sort_by_key(Contender::is_sparse);
    if contenders[0].is_sparse() {
        return Err(Error::Refused("counts alone: compare them with vectors of documents".into()));
    }
    let methods: Vec<MethodSummary> = contenders.iter().map(method).collect();
    let confounds = confounds(&contenders);
    let own =
        sets.iter().map(|set| FullVocabulary::new(&contenders, set, &options.policy)).collect();
    let of_tags = take_tags(&mut contenders, sets);
    if let (false, Some(counts)) = (of_tags, contenders.last().filter(|c| c.is_sparse())) {
        let name = counts.runs[0].model.vocab.text(0);
        let wanted = format!("labels or graded pairs of documents, whose names are as '{name}'");
        return Err(Error::Refused(format!("no set is about the documents: name {wanted}")));
    }
    let cut = cut_to_common(&mut contenders)?;
    let outcomes = scores::outcomes(&contenders, sets, &options.policy);
    let unused = sets.iter().zip(&outcomes).find(|(_, outcomes)| !scores::has_items(outcomes));
    if let Some((set, _)) = unused {
        let problem = "no item can be used, since all models or some lack its words";
        let (name, how) = (&set.name, &set.how);
        return Err(Error::Refused(format!("the set '{name}': {problem}; it was read as {how}")));
    }
    let sets = scores::scores(&contenders, sets, &outcomes, own, options);
    let curves = scores::curves(&contenders, &outcomes);
    contenders.retain(|contender| !contender.is_sparse());
    let lists = Lists::new(&contenders);
    let neighbours = neighbours::neighbours(&contenders, &lists);
    let words = contenders[0].runs[0].model.vocab.len();
    let CompareOptions { policy, draws, .. } = *options;
    let of = if of_tags { "documents" } else { "words" };
    let advice = advice::advice(&methods, &sets);
    let comparison = Comparison {
        of,
        words,
        cut,
        policy,
        draws,
        methods,
        confounds,
        sets,
        curves,
        advice,
        neighbours,
    };
    Ok(Compared { comparison, lists, contenders })
}

fn method(contender: &Contender) -> MethodSummary {
    let cost = |run: &TrainedRun| {
        let history = &run.model.provenance;
        let seconds = (history.seconds > 0.0).then(|| history.all_seconds());
        Cost {
            name: run.name.clone(),
            seed: history.settings.get("seed").and_then(Value::as_u64),
            seconds,
            words_per_second: seconds.map(|seconds| history.tokens_seen as f64 / seconds),
            peak_memory: run.model.provenance.peak_memory,
        }
    };
    let first = &contender.runs[0].model;
    let mut settings = first.provenance.settings.clone();
    settings.as_object_mut().map(|all| all.shift_remove("seed"));
    MethodSummary {
        name: contender.name.clone(),
        settings,
        exact: contender.is_sparse(),
        words: contender.runs[0].words(),
        dim: first.dim(),
        runs: contender.runs.iter().map(cost).collect(),
    }
}

/// The facts that are known of a model, by name: its settings, except the seed, and its origin.
fn facts(run: &TrainedRun) -> Vec<(String, String)> {
    let history = &run.model.provenance;
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        // This drops the extra digits that an `f32` gets when it becomes an `f64`.
        Value::Number(n) if n.is_f64() => (n.as_f64().unwrap_or(f64::NAN) as f32).to_string(),
        value => value.to_string(),
    };
    let mut facts: Vec<(String, String)> = Vec::new();
    if !history.method.is_empty() {
        facts.push(("corpus".into(), format!("{:016x}", history.corpus.hash)));
        facts.push(("words of training".into(), history.tokens_seen.to_string()));
        facts.push(("SIMD level".into(), history.simd.clone()));
    }
    facts.push(("made by".into(), history.program.clone()));
    facts.push(("vocabulary".into(), run.words().to_string()));
    if run.sparse.is_none() {
        facts.push(("dim".into(), run.model.dim().to_string()));
    }
    for (name, value) in history.settings.as_object().into_iter().flatten() {
        if name != "seed" && name != "dim" {
            facts.push((name.replace('_', " "), text(value)));
        }
    }
    facts
}

fn confounds(contenders: &[Contender]) -> Vec<Confound> {
    let facts: Vec<_> = contenders.iter().map(|contender| facts(&contender.runs[0])).collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in facts.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let confound = |name: &String| {
        let value = |facts: &Vec<(String, String)>| {
            facts
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, value)| value.clone())
                .unwrap_or_default()
        };
        Confound { setting: name.clone(), values: facts.iter().map(value).collect() }
    };
    let differs =
        |confound: &Confound| confound.values.iter().any(|value| *value != confound.values[0]);
    names.into_iter().map(confound).filter(differs).collect()
}

impl Contender {
    /// Whether it has counts in place of vectors.
    fn is_sparse(&self) -> bool {
        self.runs.iter().any(|run| run.sparse.is_some())
    }
}

impl TrainedRun {
    /// The number of words in its vocabulary.
    fn words(&self) -> usize {
        self.sparse.as_ref().map_or(self.model.vocab.len(), |rows| rows.columns())
    }

    /// Puts a set to it.
    fn score(&self, set: &Set, policy: &Policy) -> Outcome {
        match &self.sparse {
            Some(rows) => set.score_rows((&self.model, rows), policy),
            None => set.score(&self.model, policy),
        }
    }
}

/// Takes the tags of all models for what is compared, if all have some and a set is about them.
fn take_tags(contenders: &mut [Contender], sets: &[Set]) -> bool {
    let mut runs: Vec<&mut TrainedRun> = contenders
        .iter_mut()
        .flat_map(|c| c.runs.iter_mut().chain(&mut c.shorter))
        .filter(|run| run.sparse.is_none())
        .collect();
    let all = runs.iter().all(|run| run.model.tags().is_some());
    if !all || !sets.iter().any(|set| runs.iter().any(|run| set.is_of_tags(&run.model))) {
        return false;
    }
    for run in &mut runs {
        if let Some(mut tags) = run.model.tags().cloned() {
            tags.provenance = run.model.provenance.clone();
            run.model = tags;
        }
    }
    true
}

/// Cuts every model to the common vocabulary, in the order of the first model. Returns false if all
/// vocabularies were the same already.
fn cut_to_common(contenders: &mut [Contender]) -> Result<bool> {
    let models =
        || contenders.iter().flat_map(|c| c.runs.iter().chain(&c.shorter)).map(|run| &run.model);
    let Some(first) = models().next() else { return Ok(false) };
    let same = |other: &Vocab| {
        other.bytes[..] == first.vocab.bytes[..] && other.ends[..] == first.vocab.ends[..]
    };
    if models().all(|model| same(&model.vocab)) {
        return Ok(false);
    }
    let everywhere = |word: &&[u8]| models().all(|model| model.vocab.id(word).is_some());
    let words: Vec<Vec<u8>> = first.vocab.words().filter(everywhere).map(<[u8]>::to_vec).collect();
    if words.is_empty() {
        return Err(Error::Refused(
            "the models have no word in common: there is nothing to compare".into(),
        ));
    }
    for run in contenders.iter_mut().flat_map(|c| c.runs.iter_mut().chain(&mut c.shorter)) {
        let model = &run.model;
        let ids: Vec<u32> = words.iter().filter_map(|word| model.vocab.id(word)).collect();
        let counts = if model.vocab.counts.is_empty() {
            vec![]
        } else {
            ids.iter().map(|&id| model.vocab.counts[id as usize]).collect()
        };
        if let Some(sparse) = &mut run.sparse {
            *sparse = Arc::new(sparse.select(ids.iter().map(|&id| id as usize)));
        }
        let rows: Vec<f32> = ids.iter().flat_map(|&id| model.vector(id).into_owned()).collect();
        run.model = Embeddings::new(
            Vocab::new(&words, counts),
            model.dim(),
            rows.into(),
            None,
            model.provenance.clone(),
        );
    }
    Ok(true)
}
