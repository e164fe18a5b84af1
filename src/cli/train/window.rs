//! Training by a window method: skip-gram, CBOW, skip-gram with n-grams, and the methods for
//! documents, graphs and sessions.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use wordloom::corpus::DocumentOptions;
use wordloom::graph::{GraphOptions, GraphWalks, WalkOptions};
use wordloom::sessions::SessionOptions;
use wordloom::train::{Recipe, WindowConfig, settle_walks, train_by};
use wordloom::{Corpus, Error};

use super::course::{CourseOptions, Prepared};
use super::options::{Files, Input, ModelFile, Request, RunOptions};
use super::plan::PlanText;
use crate::cli::learning::Work;
use crate::cli::progress::{self, OnSignal, say};
use crate::cli::show;

/// What all window methods ask for besides what they learn from.
#[derive(clap::Args)]
struct Training {
    #[command(flatten, next_help_heading = "Training")]
    config: WindowConfig,
    #[command(flatten, next_help_heading = "Stopping and going on")]
    course: CourseOptions,
    #[command(flatten, next_help_heading = "Running")]
    running: RunOptions,
}

impl Training {
    /// Trains on an input by a recipe with these settings.
    fn run(
        self,
        recipe: impl Fn(WindowConfig) -> Recipe,
        (input, model): (Input, &ModelFile),
    ) -> anyhow::Result<ExitCode> {
        let Self { config, course, running } = &self;
        let request = Request { input, model, course, running, more: &[], old: None };
        run(&recipe(config.clone()), request)
    }
}

#[derive(clap::Args)]
pub(super) struct WindowOptions {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    training: Training,
}

impl WindowOptions {
    pub(super) fn run(self, recipe: fn(WindowConfig) -> Recipe) -> anyhow::Result<ExitCode> {
        let Files { text, model } = &self.files;
        self.training.run(recipe, (Input::Text(text), model))
    }
}

#[derive(clap::Args)]
pub(super) struct DocumentTraining {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    training: Training,
    #[command(flatten, next_help_heading = "Documents")]
    documents: DocumentOptions,
}

impl DocumentTraining {
    pub(super) fn run(self, recipe: fn(WindowConfig) -> Recipe) -> anyhow::Result<ExitCode> {
        let Files { text, model } = &self.files;
        self.training.run(recipe, (Input::Documents(text, &self.documents), model))
    }
}

#[derive(clap::Args)]
pub(super) struct GraphTraining {
    #[command(flatten)]
    graph: GraphOptions,
    #[command(flatten)]
    model: ModelFile,
    #[command(flatten, next_help_heading = "Walks")]
    walks: WalkOptions,
    /// Walk anew for each epoch, in place of learning the same walks again (they take room on the
    /// disk for all epochs)
    #[arg(long)]
    rewalk: bool,
    #[command(flatten)]
    training: Training,
}

impl GraphTraining {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { graph, model, mut walks, rewalk, mut training } = self;
        walks.check()?;
        let config = &mut training.config;
        settle_walks(config, &mut walks, rewalk)?;
        let walks = GraphWalks { graph, walks, seed: config.seed };
        training.run(Recipe::SkipGram, (Input::Graph(&walks), &model))
    }
}

#[derive(clap::Args)]
pub(super) struct SessionTraining {
    #[command(flatten, next_help_heading = "Sessions")]
    sessions: SessionOptions,
    /// Also learn vectors of users, in the space of the items: of the column of users, or of the
    /// names before the items of a line
    #[arg(long, help_heading = "Sessions")]
    users: bool,
    #[command(flatten, next_help_heading = "Output")]
    model: ModelFile,
    #[command(flatten)]
    training: Training,
}

impl SessionTraining {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.sessions.check()?;
        let users = self.users;
        let recipe = |config| {
            if users {
                Recipe::PvDbow(WindowConfig { words: true, ..config })
            } else {
                Recipe::SkipGram(config)
            }
        };
        self.training.run(recipe, (Input::Sessions(&self.sessions), &self.model))
    }
}

/// Trains by the recipe of a window method, or prints what that would take.
pub(super) fn run(recipe: &Recipe, request: Request) -> anyhow::Result<ExitCode> {
    recipe.check()?;
    request.check(&[])?;
    let Request { input, model, course, running, old, .. } = request;
    if let (Some((path, _)), true) = (&old, recipe.learns_tags()) {
        let problem = "has vectors of documents, which can't be updated: `wordloom infer` gives \
                       vectors for new documents";
        return Err(Error::Input { path: path.clone(), problem: problem.into() }.into());
    }
    progress::listen(OnSignal::Stop);
    let course = course.prepare(recipe.dim(), old)?;
    let output = model.output.as_deref();
    let corpus = running.corpus(&input, course.old_vocab(), output, recipe.threads())?;
    if input.text().is_some() {
        warn(recipe, &corpus, running.quiet);
    }
    if let Some(file) = &running.save_vocab {
        corpus.vocab.save(file)?;
    }
    match output {
        Some(output) if !running.dry_run => {
            learn(recipe, (&input, model, running), &course, &corpus, output)?;
        }
        _ => plan(recipe, model, running, &course, &corpus)?,
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
    model: &ModelFile,
    running: &RunOptions,
    course: &Prepared,
    corpus: &Corpus,
) -> anyhow::Result<()> {
    let checkpoint = course.checkpoint(model.output.as_deref());
    let Some(plan) = PlanText::new(corpus, recipe, checkpoint, |ngrams| model.format(ngrams))?
    else {
        return Ok(());
    };
    let mut out = std::io::stdout().lock();
    if running.json {
        writeln!(out, "{}", show::plain(plan.json()))?;
    } else {
        write!(out, "{plan}")?;
    }
    Ok(())
}

fn learn(
    recipe: &Recipe,
    (input, file, running): (&Input, &ModelFile, &RunOptions),
    course: &Prepared,
    corpus: &Corpus,
    output: &Path,
) -> anyhow::Result<()> {
    let (tokens, epochs) = (corpus.facts.tokens, recipe.epochs());
    let work = Work { tokens, epochs, unit: input.unit(), time: recipe.time() };
    let place = (output, &corpus.vocab);
    let mut model = course.learn(place, (running.quiet, work), |course, progress| {
        train_by(corpus, recipe, course, progress)
    })?;
    model.provenance.text = input.describe();
    course.write(&mut model, output, file.to)?;
    running.report(&model, output)
}
