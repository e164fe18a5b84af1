//! `wordloom cooccur`: counts how often words occur together, and how near to each other.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use wordloom::cooccur::{CountsAbout, Source, Windows};
use wordloom::corpus::TextOptions;
use wordloom::format::counts::{self, CountFormat};
use wordloom::{Corpus, train};

use super::progress::{self, OnSignal, say};
use super::show;
use super::train::options::{Input, RunOptions};

const EXAMPLES: &str = "Examples:
  wordloom cooccur text.txt -o my.counts
  wordloom cooccur text.txt -o cooccurrence.bin --to glove --save-vocab vocab.txt
  wordloom train glove --cooccur my.counts -o my.safetensors";

/// Count which words occur together
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cooccur {
    #[command(flatten)]
    text: TextOptions,
    /// Where to write the counts
    #[arg(short, long, value_name = "FILE", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// The format to write
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "safetensors")]
    to: CountFormat,
    #[command(flatten, next_help_heading = "Counting")]
    windows: Windows,
    /// Memory to use for counting
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = show::parse_size)]
    memory: u64,
    /// Number of threads, which does not change the counts [default: all processors]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten, next_help_heading = "Running")]
    running: RunOptions,
}

/// Adapts the help of shared options to `cooccur`.
pub(super) fn adapt_help(command: clap::Command) -> clap::Command {
    let helps = [
        ("dry_run", "Say what counting would take, and write nothing"),
        ("no_cache", "Keep no encoded corpus; while counting it takes its room beside FILE"),
        ("json", "Print facts about the counts, or the plan of a dry run, as JSON"),
    ];
    command.mut_subcommand("cooccur", |cooccur| {
        let adapt = |cooccur: clap::Command, (name, help): (&str, &'static str)| {
            cooccur.mut_arg(name, |argument| argument.help(help))
        };
        helps.into_iter().fold(cooccur, adapt)
    })
}

impl Cooccur {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        self.windows.check()?;
        let pool = train::pool(self.threads)?;
        let input = Input::Text(&self.text);
        self.running.check(&input, self.output.as_deref(), (None, &[]))?;
        progress::listen(OnSignal::Stop);
        let corpus = self.running.corpus(
            &input,
            None,
            self.output.as_deref(),
            train::threads(self.threads),
        )?;
        pool.install(|| self.count(&corpus))?;
        Ok(ExitCode::SUCCESS)
    }

    fn count(&self, corpus: &Corpus) -> anyhow::Result<()> {
        if let Some(file) = &self.running.save_vocab {
            corpus.vocab.save(file)?;
        }
        let source = Source::text(corpus, &self.windows)?;
        let about = CountsAbout::of(corpus, &self.windows, self.text.describe());
        let (counts, facts) = match &self.output {
            Some(output) if !self.running.dry_run => {
                let counts =
                    progress::cooccurrences(self.running.quiet, source.size(), |progress| {
                        counts::write(
                            &source,
                            output,
                            self.to,
                            (&corpus.vocab, &about),
                            self.memory,
                            progress,
                        )
                    })?;
                (counts, json!({ "file": show::path(output), "counts": counts, "about": about }))
            }
            _ => {
                let counts = source.estimate();
                (
                    counts,
                    json!({ "counts": counts, "bytes": counts * self.to.bytes(), "about": about }),
                )
            }
        };
        if self.running.json {
            writeln!(std::io::stdout(), "{}", show::plain(facts))?;
        }
        let (number, size) = (show::number(counts), show::size(counts * self.to.bytes()));
        match &self.output {
            Some(output) if !self.running.dry_run && !self.running.quiet => {
                say(&format!("{number} pairs of words -> {} ({size})", output.display()));
            }
            _ if self.running.dry_run && !self.running.json => {
                writeln!(std::io::stdout(), "about {number} pairs of words, {size} on disk")?;
            }
            _ => {}
        }
        Ok(())
    }
}
