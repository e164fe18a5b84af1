//! The command line: what can be asked for, and the match that does it. One command, one file.

mod analogy;
mod batch;
mod cache;
mod compare;
mod comparison;
mod convert;
mod cooccur;
mod demo;
mod eval;
mod glove;
mod info;
mod odd_one_out;
mod plan;
pub(crate) mod progress;
mod runs;
mod show;
mod similar;
mod similarity;
mod train;
mod vector;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use wordloom::embeddings::Embeddings;
use wordloom::format::Format;

/// Word vectors from your own text.
#[derive(Parser)]
#[command(version, about, max_term_width = 100, after_help = EXAMPLES)]
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
    Train(train::Train),
    Cooccur(cooccur::Cooccur),
    Similar(similar::Similar),
    Analogy(analogy::Analogy),
    Similarity(similarity::Similarity),
    OddOneOut(odd_one_out::OddOneOut),
    Vector(vector::Vector),
    Eval(eval::Eval),
    Compare(compare::Compare),
    Info(info::Info),
    Convert(convert::Convert),
    Cache(cache::Cache),
}

/// Reads the command line.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let arguments = similar::options_first(arguments.collect());
    let matches = compare::tidy(train::tidy(Cli::command())).try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Demo(demo) => demo.run(),
            Command::Train(train) => train.run(),
            Command::Cooccur(cooccur) => cooccur.run(),
            Command::Similar(similar) => similar.run(),
            Command::Analogy(analogy) => analogy.run(),
            Command::Similarity(similarity) => similarity.run(),
            Command::OddOneOut(odd) => odd.run(),
            Command::Vector(vector) => vector.run(),
            Command::Eval(eval) => eval.run(),
            Command::Compare(compare) => compare.run(),
            Command::Info(info) => info.run(),
            Command::Convert(convert) => convert.run(),
            Command::Cache(cache) => cache.run(),
        }
    }
}

/// The format to write: the one that was named, or else the one that the file's name stands for.
fn format_for(path: &Path, named: Option<Format>) -> Format {
    named.or_else(|| Format::of_name(path)).unwrap_or(Format::Safetensors)
}

/// The same for `model`: with n-grams a `.bin` is fastText's.
fn format_of(model: &Embeddings, path: &Path, named: Option<Format>) -> Format {
    match format_for(path, named) {
        Format::Binary if named.is_none() && model.ngrams().is_some() => Format::FastText,
        format => format,
    }
}

/// Says on stderr what writing `model` in `format` leaves out.
fn warn_of_loss(model: &Embeddings, format: Format) {
    let (ngrams, history) = (model.ngrams(), &model.provenance);
    let (all, fasttext) = (format == Format::Safetensors, format == Format::FastText);
    let lost: Vec<&str> = [
        ("counts", !fasttext && !model.vocab.counts.is_empty()),
        ("output vectors", !fasttext && model.output().is_some()),
        ("n-grams", !fasttext && ngrams.is_some()),
        ("lengths of unseen words' vectors", fasttext && ngrams.is_some_and(|ngrams| ngrams.pruned)),
        ("weights of positions", model.positions().is_some()),
        ("history", if fasttext { !history.losses.is_empty() } else { !history.method.is_empty() }),
    ]
    .into_iter()
    .filter_map(|(what, there)| there.then_some(what))
    .collect();
    if !all && !lost.is_empty() {
        progress::say(&format!("wordloom: this format does not hold {}", show::list(&lost)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        compare::tidy(train::tidy(Cli::command())).debug_assert();
    }

    #[test]
    fn formats_follow_names_unless_told() {
        assert_eq!(format_for(Path::new("a.vec"), None), Format::Text);
        assert_eq!(format_for(Path::new("a.model"), None), Format::Safetensors);
        assert_eq!(format_for(Path::new("a.vec"), Some(Format::Binary)), Format::Binary);
    }
}
