//! What a training would take, written for a reader: the answer of `train --dry-run`.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use wordloom::corpus::{Corpus, Facts};
use wordloom::format::{Contents, Format};
use wordloom::train::{CheckpointPlan, Plan, Recipe};

use crate::cli::show;

/// A training that could be run, and the room that it would take.
pub(super) struct PlanText {
    facts: Facts,
    plan: Plan,
    /// Bytes of the encoded corpus on disk.
    corpus: u64,
    /// Bytes of the model on disk.
    model: u64,
    checkpoint: Option<CheckpointPlan>,
}

impl PlanText {
    /// The plan of a window method; `None` if the recipe has no plan. `format` tells which format a
    /// model with n-grams, or without, would be written in.
    pub(super) fn new(
        corpus: &Corpus,
        recipe: &Recipe,
        checkpoint: Option<CheckpointPlan>,
        format: impl Fn(bool) -> Format,
    ) -> anyhow::Result<Option<Self>> {
        let Some(plan) = Plan::new(corpus, recipe)? else { return Ok(None) };
        let facts = corpus.facts.clone();
        let contents = Contents {
            words: corpus.vocab.len() as u64,
            bytes: corpus.vocab.bytes.len() as u64,
            dim: recipe.dim() as u64,
            matrices: if plan.word_matrices_are_one() { 1 } else { 2 },
            tags: plan.tags.unwrap_or(0),
            tag_bytes: corpus.tags().map_or(0, |tags| tags.names.bytes.len() as u64),
            buckets: plan.buckets.unwrap_or(0),
        };
        // Besides the ids and sentence ends, a word takes its bytes, their end, its count and its
        // place in the order.
        let disk = 4 * facts.tokens + 8 * facts.sentences + contents.bytes + 20 * contents.words;
        let model = format(plan.buckets.is_some()).size(&contents);
        Ok(Some(Self { facts, plan, corpus: disk, model, checkpoint }))
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
        all["tags"] = plan.tags.into();
        let checkpoint = self.checkpoint.as_ref().map(|_| plan.checkpoint);
        all["bytes"] = json!({
            "memory": plan.memory, "corpus": self.corpus, "model": self.model,
            "checkpoint": checkpoint,
        });
        all["checkpoint"] = self.checkpoint.as_ref().map(|plan| plan.when.to_string()).into();
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
        let sentences = match plan.tags {
            Some(_) => show::counted(facts.sentences, "document", "documents"),
            None => show::counted(facts.sentences, "sentence", "sentences"),
        };
        writeln!(f, "corpus      {tokens} tokens ({coverage} of the text) in {sentences}")?;
        if let Some(tags) = plan.tags {
            writeln!(f, "tags        {}", number(tags))?;
        }
        let recipe = serde_json::to_value(&plan.recipe).unwrap_or_default();
        writeln!(f, "method      {}", plan.recipe.method())?;
        let settings = show::training(plan.recipe.method(), &recipe["settings"]);
        writeln!(f, "settings    {settings}")?;
        let (kept, share) =
            (number(plan.kept as u64), show::percent(plan.kept, facts.tokens as f64));
        let (epochs, chunks) = (plan.recipe.epochs(), plan.chunks);
        let times = match plan.recipe.time() {
            Some(time) => format!("as many as fit into {time}, each"),
            None => format!("{epochs} x"),
        };
        writeln!(f, "epochs      {times} {kept} tokens kept ({share}), in {chunks} chunks")?;
        if let Some(reached) = plan.buckets {
            let (reached, saved) = (number(reached), show::size(plan.saved));
            let all = number(recipe["settings"]["buckets"].as_u64().unwrap_or(0));
            let others = format!("the others take no memory, which saves {saved}");
            writeln!(f, "n-grams     in {reached} of {all} buckets: {others}")?;
        }
        writeln!(f, "memory      {} and the corpus, which is mapped", show::size(plan.memory))?;
        let (corpus, model) = (show::size(self.corpus), show::size(self.model));
        writeln!(f, "disk        {corpus} encoded corpus, {model} model")?;
        write!(f, "{}", checkpoint_line(self.checkpoint.as_ref(), plan.checkpoint))
    }
}

/// The bytes of a checkpoint that are handed to the system in a second, as measured. It then writes
/// them to disk while training goes on.
const COPIED: f64 = 1e9;

/// The line of a plan that tells when checkpoints of `bytes` bytes are written.
pub(super) fn checkpoint_line(plan: Option<&CheckpointPlan>, bytes: u64) -> String {
    let Some(CheckpointPlan { when, path, .. }) = plan else {
        return "checkpoint  none is kept\n".into();
    };
    let (size, seconds) = (show::size(bytes), bytes as f64 / COPIED);
    let wait = match seconds {
        0.05.. => {
            let time = show::time(Duration::from_secs_f64(seconds));
            format!(", for which training waits about {time}")
        }
        _ => String::new(),
    };
    format!("checkpoint  every {when}, {size} in {}{wait}\n", path.display())
}
