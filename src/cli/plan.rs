//! What a training would take: the answer of `train --dry-run`.

use std::fmt;

use serde_json::{Value, json};
use wordloom::corpus::{Corpus, Facts};
use wordloom::format::Format;
use wordloom::subword::Rows;
use wordloom::train::subsample::Subsample;
use wordloom::train::{self, Config, Method};

use super::show;

/// A training that could be run.
pub(crate) struct Plan {
    facts: Facts,
    method: Method,
    /// Nothing is left to a default.
    config: Config,
    /// In bytes, the mapped corpus left out.
    memory: u64,
    /// Buckets that n-grams of the vocabulary reach.
    buckets: Option<u64>,
    /// Bytes on disk.
    corpus: u64,
    model: u64,
    /// Expected in an epoch, after subsampling.
    kept: f64,
    /// Pieces of work in an epoch.
    chunks: usize,
}

impl Plan {
    pub(crate) fn new(corpus: &Corpus, method: Method, config: &Config, format: Format) -> Self {
        let (facts, vocab) = (corpus.facts.clone(), &corpus.vocab);
        let (words, bytes) = (vocab.len() as u64, vocab.bytes.len() as u64);
        let subsample = Subsample::new(&vocab.counts, config.subsample);
        let kept =
            vocab.counts.iter().enumerate().map(|(word, &n)| n as f64 * subsample.probability(word)).sum();
        let bags = config.subwords().map(|subwords| Rows::new(vocab, &subwords));
        let buckets = bags.as_ref().map(|bags| bags.buckets.len() as u64);
        Self {
            // Besides ids and sentence ends, a word has its bytes, their end, its count and its place in the order.
            corpus: 4 * facts.tokens + 8 * facts.sentences + bytes + 20 * words,
            model: model_size(format, words, (2, buckets.unwrap_or(0)), config.dim as u64, bytes),
            memory: config.memory(vocab.len(), bags.as_ref()),
            buckets,
            chunks: train::schedule(corpus, method, config).chunks(),
            config: Config {
                lr: Some(config.rate(method)),
                threads: Some(config.threads()),
                ..config.clone()
            },
            facts,
            method,
            kept,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "method": self.method,
            "settings": self.config,
            "corpus": self.facts,
            "coverage": show::rounded(self.facts.tokens as f64 / self.facts.words_read.max(1) as f64),
            "kept_per_epoch": self.kept.round(),
            "chunks_per_epoch": self.chunks,
            "buckets_reached": self.buckets,
            "bytes": { "memory": self.memory, "corpus": self.corpus, "model": self.model },
        })
    }
}

/// About how many bytes a model takes on disk, of so many matrices and rows of n-grams.
pub(super) fn model_size(
    format: Format,
    words: u64,
    (matrices, buckets): (u64, u64),
    dim: u64,
    bytes: u64,
) -> u64 {
    match format {
        Format::Safetensors => words * (matrices * dim * 4 + 20) + buckets * (dim * 4 + 4) + bytes,
        Format::Binary => words * (dim * 4 + 2) + bytes,
        Format::FastText => words * (2 * dim * 4 + 10) + bytes,
        // A number has a sign every other time, a leading zero, a point, eight or nine digits and a space.
        Format::Text | Format::Glove => words * (dim * 12 + 2) + bytes,
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (facts, number) = (&self.facts, |n: u64| show::number(n));
        writeln!(
            f,
            "text        {} words, {} different",
            number(facts.words_read),
            number(facts.types_read)
        )?;
        writeln!(f, "vocabulary  {} words", number(facts.vocabulary))?;
        let coverage = show::percent(facts.tokens as f64, facts.words_read as f64);
        let (tokens, sentences) =
            (number(facts.tokens), show::counted(facts.sentences, "sentence", "sentences"));
        writeln!(f, "corpus      {tokens} tokens ({coverage} of the text) in {sentences}")?;
        writeln!(f, "method      {}", self.method)?;
        writeln!(f, "settings    {}", training(&self.method.to_string(), &self.config))?;
        let (kept, share) = (show::number(self.kept as u64), show::percent(self.kept, facts.tokens as f64));
        let epochs = self.config.epochs;
        writeln!(f, "epochs      {epochs} x {kept} tokens kept ({share}), in {} chunks", self.chunks)?;
        let size = show::size;
        if let Some(reached) = self.buckets {
            let (all, saved) =
                (u64::from(self.config.buckets), u64::from(self.config.buckets).saturating_sub(reached));
            writeln!(
                f,
                "n-grams     in {} of {} buckets: the others take no memory, which saves {}",
                number(reached),
                number(all),
                size(saved * self.config.row_memory())
            )?;
        }
        writeln!(f, "memory      {} and the corpus, which is mapped", size(self.memory))?;
        writeln!(f, "disk        {} encoded corpus, {} model", size(self.corpus), size(self.model))
    }
}

/// The settings of a training in one line.
pub(crate) fn training(method: &str, all: impl serde::Serialize) -> String {
    let mut all = serde_json::to_value(all).unwrap_or_default();
    if let (Some(all), "skip-gram") = (all.as_object_mut(), method) {
        all.shift_remove("cbow_gradient");
    }
    if let Some(all) = all.as_object_mut()
        && ["subwords", "min_n", "max_n"].iter().all(|name| all.get(*name).is_none_or(Value::is_null))
    {
        all.shift_remove("buckets");
    }
    settings(&all)
}

/// Settings from JSON in one line: `dim 100, window 5, fixed window`. What is off or unset is left out.
pub(crate) fn settings(all: &Value) -> String {
    let Some(all) = all.as_object() else { return String::new() };
    let one = |(name, value): (&String, &Value)| {
        let name = name.replace('_', " ");
        match value {
            Value::Null | Value::Bool(false) => None,
            Value::Bool(true) => Some(name),
            Value::Number(n) => Some(format!("{name} {}", decimal(n))),
            Value::String(text) => Some(format!("{name} {text}")),
            value => Some(format!("{name} {value}")),
        }
    };
    all.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

/// A number without the digits that an `f32` gets when it becomes an `f64`.
fn decimal(n: &serde_json::Number) -> String {
    match n.as_f64() {
        Some(x) if !n.is_u64() && !n.is_i64() => (x as f32).to_string(),
        _ => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_one_line() {
        let value = json!({ "dim": 100, "lr": f64::from(0.025f32), "fixed_window": true, "whole": false, "max": null });
        assert_eq!(settings(&value), "dim 100, lr 0.025, fixed window");
    }
}
