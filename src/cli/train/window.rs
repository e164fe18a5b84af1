//! Training by a window method: skip-gram, CBOW, and skip-gram with n-grams.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wordloom::Corpus;
use wordloom::train::{Recipe, WindowConfig, train};

use super::options::{Files, RunOptions};
use super::plan::PlanText;
use crate::cli::progress::{self, OnSignal, say};
use crate::cli::show;

#[derive(clap::Args)]
pub(super) struct WindowOptions {
    #[command(flatten)]
    files: Files,
    #[command(flatten, next_help_heading = "Training")]
    config: WindowConfig,
    #[command(flatten, next_help_heading = "Running")]
    running: RunOptions,
}

impl WindowOptions {
    pub(super) fn run(self, recipe: fn(WindowConfig) -> Recipe) -> anyhow::Result<ExitCode> {
        run(&recipe(self.config), &self.files, &[], &self.running)
    }
}

/// Trains by the recipe of a window method, or prints what that would take. `more` are inputs
/// besides the text.
pub(super) fn run(
    recipe: &Recipe,
    files: &Files,
    more: &[PathBuf],
    running: &RunOptions,
) -> anyhow::Result<ExitCode> {
    recipe.check()?;
    running.check(&files.text, files.output.as_deref(), more)?;
    files.check_format()?;
    progress::listen(OnSignal::Stop);
    let corpus = running.corpus(&files.text, files.output.as_deref(), recipe.threads())?;
    warn(recipe, &corpus, running.quiet);
    if let Some(file) = &running.save_vocab {
        corpus.vocab.save(file)?;
    }
    match &files.output {
        Some(output) if !running.dry_run => learn(recipe, files, running, &corpus, output)?,
        _ => plan(recipe, files, running, &corpus)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A word is learnt well if training meets it more often than this.
const OFTEN: f64 = 50.0;

/// Tells which settings follow the size of the text, and whether there is little to learn.
fn warn(recipe: &Recipe, corpus: &Corpus, quiet: bool) {
    let Some(config) = recipe.window_config() else { return };
    let facts = &corpus.facts;
    let subsample = config.subsample_for(facts.tokens);
    if config.subsample.is_none() && subsample > config.subsample_for(u64::MAX) && !quiet {
        let share = show::rounded(subsample);
        say(&format!(
            "a small text: words that occur up to 100 times are never thinned out (--subsample {share})"
        ));
    }
    let kept = config.kept(&corpus.vocab.counts);
    let met = kept * config.epochs as f64 / corpus.vocab.len() as f64;
    if met < OFTEN {
        let rarely = "which teaches little: give more text or more --epochs";
        let thinned = if kept < 0.9 * facts.tokens as f64 { ", or --subsample 0" } else { "" };
        say(&format!(
            "wordloom: training meets each word {met:.1} times on average, {rarely}{thinned}"
        ));
    }
    if config.whole_sequence && facts.tokens / facts.sentences.max(1) >= 1000 {
        let long =
            "sentences end at newlines, and here they are so long that --whole-sequence cuts them";
        say(&format!("wordloom: {long}"));
    }
}

fn plan(
    recipe: &Recipe,
    files: &Files,
    running: &RunOptions,
    corpus: &Corpus,
) -> anyhow::Result<()> {
    let Some(plan) = PlanText::new(corpus, recipe, |ngrams| files.format(ngrams))? else {
        return Ok(());
    };
    let mut out = std::io::stdout().lock();
    if running.json {
        writeln!(out, "{}", plan.json())?;
    } else {
        write!(out, "{plan}")?;
    }
    Ok(())
}

fn learn(
    recipe: &Recipe,
    files: &Files,
    running: &RunOptions,
    corpus: &Corpus,
    output: &Path,
) -> anyhow::Result<()> {
    let work = (corpus.facts.tokens, recipe.epochs(), "words");
    let mut model =
        progress::learning(running.quiet, work, |progress| train(corpus, recipe, progress))?;
    model.provenance.text = files.text.describe();
    running.write(model, output, files.to)
}
