//! Training by a window method: skip-gram, CBOW, skip-gram with n-grams, and the two methods for
//! documents.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use wordloom::corpus::DocumentOptions;
use wordloom::train::{Recipe, WindowConfig, train_by};
use wordloom::{Corpus, Error};

use super::course::{CourseOptions, Prepared};
use super::options::{Files, Request, RunOptions};
use super::plan::PlanText;
use crate::cli::learning::Work;
use crate::cli::progress::{self, OnSignal, say};
use crate::cli::show;

#[derive(clap::Args)]
pub(super) struct WindowOptions {
    #[command(flatten)]
    files: Files,
    #[command(flatten, next_help_heading = "Training")]
    config: WindowConfig,
    #[command(flatten, next_help_heading = "Stopping and going on")]
    course: CourseOptions,
    #[command(flatten, next_help_heading = "Running")]
    running: RunOptions,
}

impl WindowOptions {
    pub(super) fn run(self, recipe: fn(WindowConfig) -> Recipe) -> anyhow::Result<ExitCode> {
        let Self { files, config, course, running } = &self;
        let request = Request { files, documents: None, course, running, more: &[], old: None };
        run(&recipe(config.clone()), request)
    }
}

#[derive(clap::Args)]
pub(super) struct DocumentTraining {
    #[command(flatten)]
    window: WindowOptions,
    #[command(flatten, next_help_heading = "Documents")]
    documents: DocumentOptions,
}

impl DocumentTraining {
    pub(super) fn run(self, recipe: fn(WindowConfig) -> Recipe) -> anyhow::Result<ExitCode> {
        let Self { window: WindowOptions { files, config, course, running }, documents } = &self;
        let documents = Some(documents);
        let request = Request { files, documents, course, running, more: &[], old: None };
        run(&recipe(config.clone()), request)
    }
}

/// Trains by the recipe of a window method, or prints what that would take.
pub(super) fn run(recipe: &Recipe, request: Request) -> anyhow::Result<ExitCode> {
    recipe.check()?;
    request.check(&[])?;
    let Request { files, documents, course, running, old, .. } = request;
    if let (Some((path, _)), true) = (&old, recipe.learns_tags()) {
        let problem = "has vectors of documents, which can't be updated: `wordloom infer` gives \
                       vectors for new documents";
        return Err(Error::Input { path: path.clone(), problem: problem.into() }.into());
    }
    progress::listen(OnSignal::Stop);
    let course = course.prepare(recipe.dim(), old)?;
    let corpus = running.corpus(
        &files.text,
        (documents, course.old_vocab()),
        files.output.as_deref(),
        recipe.threads(),
    )?;
    warn(recipe, &corpus, running.quiet);
    if let Some(file) = &running.save_vocab {
        corpus.vocab.save(file)?;
    }
    match &files.output {
        Some(output) if !running.dry_run => {
            learn(recipe, (files, documents, running), &course, &corpus, output)?;
        }
        _ => plan(recipe, files, running, &course, &corpus)?,
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
    let kept = config.kept(corpus);
    let met = kept * config.epochs as f64 / corpus.vocab.len() as f64;
    if met < OFTEN && config.time.is_none() {
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
    course: &Prepared,
    corpus: &Corpus,
) -> anyhow::Result<()> {
    let checkpoint = course.checkpoint(files.output.as_deref());
    let Some(plan) = PlanText::new(corpus, recipe, checkpoint, |ngrams| files.format(ngrams))?
    else {
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
    (files, documents, running): (&Files, Option<&DocumentOptions>, &RunOptions),
    course: &Prepared,
    corpus: &Corpus,
    output: &Path,
) -> anyhow::Result<()> {
    let (tokens, epochs) = (corpus.facts.tokens, recipe.epochs());
    let work = Work { tokens, epochs, unit: "words", time: recipe.time() };
    let place = (output, &corpus.vocab);
    let mut model = course.learn(place, (running.quiet, work), |course, progress| {
        train_by(corpus, recipe, course, progress)
    })?;
    model.provenance.text = files.text.describe();
    if let Some(documents) = documents {
        model.provenance.text["documents"] = documents.describe();
    }
    course.write(&mut model, output, files.to)?;
    running.report(&model, output)
}
