//! `wordloom train --recipe`: trains again as a model was trained, or as a file of settings says.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};
use wordloom::corpus::{DocumentOptions, TextOptions};
use wordloom::format::Format;
use wordloom::graph::GraphWalks;
use wordloom::sessions::SessionOptions;
use wordloom::train::{Recipe, RecipeChange};
use wordloom::{Embeddings, Error, format};

use super::course::CourseOptions;
use super::glove;
use super::options::{Input, ModelFile, Request, RunOptions};
use super::window;
use crate::cli::progress::{self, say};

#[derive(clap::Args)]
pub(super) struct ByRecipe {
    /// Train as FILE says: a model, whose history is its recipe, or a JSON object with `method`,
    /// `settings` and perhaps `text`; - reads standard input
    #[arg(long, alias = "like", value_name = "FILE", required_unless_present = "update")]
    recipe: Option<PathBuf>,
    /// Teach MODEL more text: its words stay, new frequent words join them, and training goes on
    /// from its vectors by its own recipe
    #[arg(long, value_name = "MODEL", conflicts_with = "recipe", requires = "inputs")]
    update: Option<PathBuf>,
    /// Text to train on [default: the text of the recipe]
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelFile,
    #[command(flatten, next_help_heading = "Changes of the recipe")]
    change: RecipeChange,
    /// Read the recipe from the first line of standard input, and stop when standard input ends
    #[arg(long, hide = true)]
    attended: bool,
    #[command(flatten, next_help_heading = "Stopping and going on")]
    course: CourseOptions,
    #[command(flatten, next_help_heading = "Running")]
    running: RunOptions,
}

impl ByRecipe {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let file = self.update.as_ref().or(self.recipe.as_ref());
        let file = file.context("no method and no --recipe: see `wordloom train --help`")?;
        let mut old = None;
        let (recipe, text) = if self.attended {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            progress::stop_with_standard_input();
            of_json(&line)?
        } else if self.update.is_some() {
            let model = format::read(file)?;
            let recipe = Recipe::of(&model.provenance).with_context(|| {
                format!("{} can't be updated: --init begins with any vectors", file.display())
            })?;
            let text = model.provenance.text.clone();
            old = Some((file.clone(), model));
            (recipe, text)
        } else {
            read(file)?
        };
        let mut change = self.change.clone();
        if let Some((_, model)) = &old
            && change.lr.is_none()
        {
            change.lr = update_rate(&recipe, model);
            if let (Some(lr), false) = (change.lr, self.running.quiet) {
                say(&format!("the model is updated at a lower learning rate (--lr {lr})"));
            }
        }
        let recipe = recipe.with(&change);
        let source =
            Source::of(text, &recipe, &self.inputs).with_context(|| file.display().to_string())?;
        let Some(source) = source else {
            let problem = "does not say on which text: name files or directories after it";
            return Err(Error::Input { path: file.clone(), problem: problem.into() }.into());
        };
        let (more, input) = ([file.clone()], source.input());
        let (model, course, running) = (&self.model, &self.course, &self.running);
        let request = Request { input, model, course, running, more: &more, old };
        match recipe {
            Recipe::Glove(settings) => {
                let source = glove::Source { cooccur: None, memory: glove::MEMORY };
                glove::run(&settings, &source, request)
            }
            recipe => window::run(&recipe, request),
        }
    }
}

/// What a recipe was used on.
enum Source {
    Text(TextOptions, Option<DocumentOptions>),
    Graph(GraphWalks),
    Sessions(SessionOptions),
}

impl Source {
    /// That of a model's history, with other `inputs` in its place where there are some. `None` where
    /// neither says what it is.
    fn of(text: Value, recipe: &Recipe, inputs: &[PathBuf]) -> anyhow::Result<Option<Self>> {
        if text.get("graph").is_some() {
            let mut walks: GraphWalks =
                serde_json::from_value(text).context("its `graph` is not understood")?;
            match inputs {
                [] => {}
                [graph] => walks.graph.graph.clone_from(graph),
                _ => anyhow::bail!("a graph is one file"),
            }
            return Ok(Some(Self::Graph(walks)));
        }
        if let Some(sessions) = text.get("sessions") {
            let mut sessions: SessionOptions = serde_json::from_value(sessions.clone())
                .context("its `sessions` are not understood")?;
            if !inputs.is_empty() {
                sessions.inputs = inputs.to_vec();
            }
            return Ok((!sessions.inputs.is_empty()).then_some(Self::Sessions(sessions)));
        }
        // Words can be learnt from the texts of documents too.
        let said = text.get("documents");
        let documents = (recipe.learns_tags() || said.is_some()).then(|| {
            let documents = said.cloned().unwrap_or_else(|| json!({}));
            serde_json::from_value::<DocumentOptions>(documents)
        });
        let documents = documents.transpose().context("its `documents` are not understood")?;
        let mut text: TextOptions = match text {
            Value::Null => TextOptions::default(),
            text => serde_json::from_value(text).context("its `text` is not understood")?,
        };
        if !inputs.is_empty() {
            text.inputs = inputs.to_vec();
        }
        Ok((!text.inputs.is_empty()).then_some(Self::Text(text, documents)))
    }

    fn input(&self) -> Input<'_> {
        match self {
            Self::Text(text, None) => Input::Text(text),
            Self::Text(text, Some(documents)) => Input::Documents(text, documents),
            Self::Graph(walks) => Input::Graph(walks),
            Self::Sessions(sessions) => Input::Sessions(sessions),
        }
    }
}

/// The learning rate by which a model is updated: half of that by which it was trained, so that old
/// words keep more of what they learnt (`docs/design/0016-going-on.md`). A model that was updated
/// before is updated in the same way again. GloVe has rates of its own for each number.
fn update_rate(recipe: &Recipe, model: &Embeddings) -> Option<f32> {
    let lr = recipe.window_config()?.lr?;
    let updated = model.provenance.begun_from["updated"] == true;
    Some(if updated { lr } else { lr / 2.0 })
}

/// The recipe in a file, and the text that it was used on; null if the file does not say.
fn read(path: &Path) -> anyhow::Result<(Recipe, Value)> {
    let named = || path.display().to_string();
    if path.as_os_str() == "-" {
        let mut json = String::new();
        std::io::stdin().read_to_string(&mut json).with_context(named)?;
        return of_json(&json).with_context(named);
    }
    let file = format::open(path)?;
    if Format::of_content(&file).is_some() {
        let history = format::parse(path, &file)?.provenance;
        return Ok((Recipe::of(&history).with_context(named)?, history.text));
    }
    let json =
        String::from_utf8(file.to_vec()).context("neither a model nor JSON").with_context(named)?;
    of_json(&json).with_context(named)
}

fn of_json(json: &str) -> anyhow::Result<(Recipe, Value)> {
    let value: Value = serde_json::from_str(json).context("not JSON")?;
    // The output of `wordloom info --json` has the history under `provenance`.
    let value = value.get("provenance").unwrap_or(&value);
    Ok((Recipe::from_json(value)?, value.get("text").cloned().unwrap_or(Value::Null)))
}
