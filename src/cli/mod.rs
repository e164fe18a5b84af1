//! The command line: the commands that exist, and the match that runs them. A command is a file, or
//! a folder if it needs several files.

mod align;
mod cache;
mod cluster;
mod compare;
mod completions;
mod context;
mod convert;
mod cooccur;
mod demo;
mod embed;
mod eval;
mod import;
mod infer;
mod info;
mod input_embed;
mod inspect;
mod learning;
mod map;
mod metrics;
mod names;
mod outputs;
pub(crate) mod progress;
mod prune;
mod query;
pub(crate) mod show;
mod train;
mod tune;
mod walk;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use wordloom::format::Format;
use wordloom::sessions::SessionOptions;
use wordloom::{Embeddings, Error};

/// Vectors of words and documents from your own text
#[derive(Parser)]
#[command(version, long_version = LONG_VERSION.as_str(), about, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  wordloom demo                                    see it work, in seconds
  wordloom train skip-gram text/ -o my.safetensors
  wordloom similar my.safetensors king
  wordloom COMMAND --help                          options and examples of a command";

#[derive(Subcommand)]
enum Command {
    Demo(demo::Demo),
    Train(Box<train::Train>),
    Cooccur(cooccur::Cooccur),
    Context(context::Context),
    Walk(walk::Walk),
    Ask(query::ask::Ask),
    Similar(query::similar::Similar),
    Analogy(query::analogy::Analogy),
    Similarity(query::similarity::Similarity),
    Rank(query::rank::Rank),
    OddOneOut(query::odd_one_out::OddOneOut),
    Vector(query::vector::Vector),
    Recommend(Box<query::recommend::Recommend>),
    Eval(Box<eval::Eval>),
    Compare(Box<compare::Compare>),
    Tune(tune::Tune),
    Infer(Box<infer::Infer>),
    Embed(Box<embed::Embed>),
    Info(info::Info),
    Inspect(inspect::Inspect),
    InputEmbed(input_embed::InputEmbed),
    Align(align::Align),
    Cluster(cluster::Cluster),
    Map(Box<map::Draw>),
    Convert(convert::Convert),
    Prune(prune::Prune),
    Import(import::Import),
    Cache(cache::Cache),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// The command line, in which the help of shared options is adapted to each command.
fn command() -> clap::Command {
    let command = train::adapt_help(tune::adapt_help(Cli::command()));
    compare::adapt_help(cooccur::adapt_help(command))
}

/// The version with what was built in, and the vector instructions of this processor.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let built = [("parquet", cfg!(feature = "parquet")), ("portable", cfg!(feature = "portable"))];
    let built: Vec<&str> = built.iter().filter(|of| of.1).map(|of| of.0).collect();
    let with = if built.is_empty() { "none".into() } else { built.join(", ") };
    let commit = option_env!("WORDLOOM_COMMIT").map(|of| format!("\ncommit    {of}"));
    format!(
        "{}{}\nfeatures  {with}\nSIMD      {}",
        env!("CARGO_PKG_VERSION"),
        commit.unwrap_or_default(),
        wordloom::train::simd_of_processor()
    )
});

/// Reads the command line.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let (command, mut arguments) = (command(), arguments.collect::<Vec<_>>());
    let name = arguments.get(1).and_then(|name| name.to_str());
    let asks = ["similar", "analogy", "similarity", "rank", "odd-one-out", "vector"];
    if let Some(asked) = name.filter(|name| asks.contains(name))
        && let Some(subcommand) = command.find_subcommand(asked)
    {
        arguments = query::options_first(subcommand, arguments);
    }
    let known = names::known_elsewhere(&arguments);
    let matches = command.try_get_matches_from(arguments).map_err(|error| {
        let known = known.filter(|_| error.kind() == ErrorKind::UnknownArgument);
        match known {
            None => error,
            Some(known) => clap::Error::raw(ErrorKind::UnknownArgument, known + "\n"),
        }
    })?;
    Cli::from_arg_matches(&matches)
}

impl Cli {
    /// Runs the command that was asked for.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Demo(demo) => demo.run(),
            Command::Train(train) => train.run(),
            Command::Cooccur(cooccur) => cooccur.run(),
            Command::Context(context) => context.run(),
            Command::Walk(walk) => walk.run(),
            Command::Ask(ask) => ask.run(),
            Command::Similar(similar) => similar.run(),
            Command::Analogy(analogy) => analogy.run(),
            Command::Similarity(similarity) => similarity.run(),
            Command::Rank(rank) => rank.run(),
            Command::OddOneOut(odd) => odd.run(),
            Command::Vector(vector) => vector.run(),
            Command::Recommend(recommend) => recommend.run(),
            Command::Eval(eval) => eval.run(),
            Command::Compare(compare) => compare.run(),
            Command::Tune(tune) => tune.run(),
            Command::Infer(infer) => infer.run(),
            Command::Embed(embed) => embed.run(),
            Command::Info(info) => info.run(),
            Command::Inspect(inspect) => inspect.run(),
            Command::InputEmbed(input) => input.run(),
            Command::Align(align) => align.run(),
            Command::Cluster(cluster) => cluster.run(),
            Command::Map(map) => map.run(),
            Command::Convert(convert) => convert.run(),
            Command::Prune(prune) => prune.run(),
            Command::Import(import) => import.run(),
            Command::Cache(cache) => cache.run(),
            Command::Completions(completions) => Ok(completions.run()),
            Command::Man(man) => man.run(),
        }
    }
}

/// A parser for the name of a format of models.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    parser_of(|format| format.is_read())
}

/// A parser for the name of a format, of other programs too.
fn any_format_parser() -> impl TypedValueParser<Value = Format> {
    parser_of(|_| true)
}

fn parser_of(wanted: fn(&Format) -> bool) -> impl TypedValueParser<Value = Format> {
    let value = |format: Format| PossibleValue::new(format.name()).help(format.help());
    PossibleValuesParser::new(Format::all().filter(wanted).map(value))
        .map(|name| Format::named(&name).expect("a possible value is the name of a format"))
}

/// Says notes on how a file was read or written.
fn note(notes: &[String]) {
    for note in notes {
        progress::say(&format!("wordloom: {note}"));
    }
}

/// The names of models: those that are given, one for each, or else those of their files.
///
/// # Errors
/// [`Error::Refused`] for another number of names.
fn names_of(models: &[PathBuf], given: &[String]) -> wordloom::Result<Vec<String>> {
    if given.len() == models.len() {
        return Ok(given.to_vec());
    }
    if !given.is_empty() {
        let (names, models) = (given.len(), models.len());
        let problem = format!("{names} names for {models} models: give one for each by `names`");
        return Err(Error::Refused(problem));
    }
    let name = |path: &PathBuf| {
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        name.unwrap_or_default().to_string_lossy().into_owned()
    };
    Ok(models.iter().map(name).collect())
}

/// The sessions that a model of items was trained on, if its history says so.
fn sessions_of(model: &Embeddings) -> Option<SessionOptions> {
    let said = model.provenance.text.get("sessions")?;
    serde_json::from_value(said.clone()).ok()
}

/// Warns on stderr of what a file of `model` in `format` leaves out.
fn warn_of_loss(model: &Embeddings, format: Format) {
    let lost = format.leaves_out(model);
    if !lost.is_empty() {
        progress::say(&format!("wordloom: this format does not hold {}", show::list(&lost)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }
}
