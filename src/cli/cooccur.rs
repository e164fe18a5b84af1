//! `wordloom cooccur`: how often, and how near, words stand by each other.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;
use wordloom::cache;
use wordloom::cooccur::{Source, Windows};
use wordloom::corpus::Corpus;
use wordloom::encode::Counting;
use wordloom::error::Error;
use wordloom::format::counts::{self, About, CountFormat};

use super::progress::{self, say};
use super::show;
use super::train::Running;

const EXAMPLES: &str = "Examples:
  wordloom cooccur text.txt -o my.counts
  wordloom cooccur text.txt -o cooccurrence.bin --to glove --save-vocab vocab.txt
  wordloom train glove --cooccur my.counts -o my.safetensors";

/// Count which words occur together
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cooccur {
    #[command(flatten)]
    counting: Counting,
    /// Where to write the counts
    #[arg(short, long, value_name = "FILE", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// The format to write
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "safetensors")]
    to: CountFormat,
    #[command(flatten, next_help_heading = "Counting")]
    windows: Windows,
    /// Count within so much memory
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = show::parse_size)]
    memory: u64,
    /// Threads [default: all processors]. The counts do not depend on it
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten, next_help_heading = "Running")]
    running: Running,
}

impl Cooccur {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        self.windows.check()?;
        let threads =
            self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        if !(1..=1024).contains(&threads) {
            return Err(Error::Setting("--threads must be between 1 and 1024".into()).into());
        }
        self.running.check(&self.counting, self.output.as_deref())?;
        progress::listen();
        let corpus = self.running.corpus(&self.counting, self.output.as_deref(), threads)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let done = pool.install(|| self.count(&corpus));
        cache::discard(corpus);
        done.map(|()| ExitCode::SUCCESS)
    }

    fn count(&self, corpus: &Corpus) -> anyhow::Result<()> {
        if let Some(file) = &self.running.save_vocab {
            corpus.vocab.save(file)?;
        }
        let source = Source::text(corpus, &self.windows)?;
        let about = About::text(corpus, &self.windows, &self.counting);
        let (counts, facts) = match &self.output {
            Some(output) if !self.running.dry_run => {
                let counts = progress::cooccurrences(self.running.quiet, source.size(), |progress| {
                    counts::write(&source, output, self.to, (&corpus.vocab, &about), self.memory, progress)
                })?;
                (counts, json!({ "file": output, "counts": counts, "about": about }))
            }
            _ => {
                let counts = source.estimate();
                (counts, json!({ "counts": counts, "bytes": counts * self.to.bytes(), "about": about }))
            }
        };
        if self.running.json {
            writeln!(std::io::stdout(), "{facts}")?;
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
