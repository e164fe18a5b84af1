//! What a training would take, written for a reader: the answer of `train --dry-run`.

use std::fmt;

use serde_json::{Value, json};
use wordloom::corpus::{Corpus, Facts};
use wordloom::format::{Contents, Format};
use wordloom::train::{Plan, Recipe};

use crate::cli::show;

/// A training that could be run, and the room that it would take.
pub(super) struct PlanText {
    facts: Facts,
    plan: Plan,
    /// Bytes of the encoded corpus on disk.
    corpus: u64,
    /// Bytes of the model on disk.
    model: u64,
}

impl PlanText {
    /// The plan of a window method; `None` if the recipe has no plan. `format` tells which format a
    /// model with n-grams, or without, would be written in.
    pub(super) fn new(
        corpus: &Corpus,
        recipe: &Recipe,
        format: impl Fn(bool) -> Format,
    ) -> anyhow::Result<Option<Self>> {
        let Some(plan) = Plan::new(corpus, recipe)? else { return Ok(None) };
        let facts = corpus.facts.clone();
        let contents = Contents {
            words: corpus.vocab.len() as u64,
            bytes: corpus.vocab.bytes.len() as u64,
            dim: recipe.dim() as u64,
            matrices: 2,
            buckets: plan.buckets.unwrap_or(0),
        };
        // Besides the ids and sentence ends, a word takes its bytes, their end, its count and its
        // place in the order.
        let disk = 4 * facts.tokens + 8 * facts.sentences + contents.bytes + 20 * contents.words;
        let model = format(plan.buckets.is_some()).size(&contents);
        Ok(Some(Self { facts, plan, corpus: disk, model }))
    }

    pub(super) fn json(&self) -> Value {
        let (facts, plan) = (&self.facts, &self.plan);
        let mut all = serde_json::to_value(&plan.recipe).unwrap_or_default();
        all["corpus"] = json!(facts);
        all["coverage"] =
            show::rounded(facts.tokens as f64 / facts.words_read.max(1) as f64).into();
        all["kept_per_epoch"] = plan.kept.round().into();
        all["chunks_per_epoch"] = plan.chunks.into();
        all["buckets_reached"] = plan.buckets.into();
        all["bytes"] = json!({ "memory": plan.memory, "corpus": self.corpus, "model": self.model });
        all
    }
}

impl fmt::Display for PlanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (facts, plan, number) = (&self.facts, &self.plan, |n: u64| show::number(n));
        let (words, types) = (number(facts.words_read), number(facts.types_read));
        writeln!(f, "text        {words} words, {types} different")?;
        writeln!(f, "vocabulary  {} words", number(facts.vocabulary))?;
        let coverage = show::percent(facts.tokens as f64, facts.words_read as f64);
        let tokens = number(facts.tokens);
        let sentences = show::counted(facts.sentences, "sentence", "sentences");
        writeln!(f, "corpus      {tokens} tokens ({coverage} of the text) in {sentences}")?;
        let recipe = serde_json::to_value(&plan.recipe).unwrap_or_default();
        writeln!(f, "method      {}", plan.recipe.method())?;
        let settings = show::training(plan.recipe.method(), &recipe["settings"]);
        writeln!(f, "settings    {settings}")?;
        let (kept, share) =
            (number(plan.kept as u64), show::percent(plan.kept, facts.tokens as f64));
        let (epochs, chunks) = (plan.recipe.epochs(), plan.chunks);
        writeln!(f, "epochs      {epochs} x {kept} tokens kept ({share}), in {chunks} chunks")?;
        if let Some(reached) = plan.buckets {
            let (reached, saved) = (number(reached), show::size(plan.saved));
            let all = number(recipe["settings"]["buckets"].as_u64().unwrap_or(0));
            let others = format!("the others take no memory, which saves {saved}");
            writeln!(f, "n-grams     in {reached} of {all} buckets: {others}")?;
        }
        writeln!(f, "memory      {} and the corpus, which is mapped", show::size(plan.memory))?;
        let (corpus, model) = (show::size(self.corpus), show::size(self.model));
        writeln!(f, "disk        {corpus} encoded corpus, {model} model")
    }
}
