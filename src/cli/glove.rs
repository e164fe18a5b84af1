//! `wordloom train glove`: from text, or from counts, to a model.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};
use wordloom::cache;
use wordloom::cooccur::{Source, Windows};
use wordloom::encode::Counting;
use wordloom::format::Format;
use wordloom::format::counts::{self, About};
use wordloom::train::glove::{self, Config, Vectors};
use wordloom::train::pairs::{Pair, Pairs};
use wordloom::vocab::Vocab;

use super::plan::{model_size, settings};
use super::progress::{self, say};
use super::train::{Running, writable};
use super::{format_for, show};

const EXAMPLES: &str = "Examples:
  wordloom train glove text.txt -o my.safetensors
  wordloom train glove text.txt -o my.safetensors --x-max 10 --epochs 15 --memory 8GiB
  wordloom train glove --cooccur my.counts -o my.safetensors              counts of `wordloom cooccur`
  wordloom train glove --cooccur cooccurrence.bin --vocab vocab.txt -o my.safetensors      of Stanford's
  wordloom train glove text.txt --dry-run                                 what would it take?";

/// Products of vectors approach the logarithms of co-occurrence counts; the same model for any number of threads
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Glove {
    #[command(flatten)]
    counting: Counting,
    /// Where to write the model
    #[arg(short, long, value_name = "MODEL", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// The format to write [default: by MODEL's extension, or else safetensors]
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Option<Format>,
    #[command(flatten, next_help_heading = "Counting")]
    windows: Windows,
    /// Train on the counts of FILE: of `wordloom cooccur`, or Stanford's with its words in --vocab
    #[arg(long, value_name = "FILE", conflicts_with_all = COUNTED)]
    cooccur: Option<PathBuf>,
    /// Count within so much memory; what does not fit goes to a temporary file where encoded corpora are kept
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = show::parse_size)]
    memory: u64,
    #[command(flatten, next_help_heading = "Training")]
    config: Config,
    #[command(flatten, next_help_heading = "Running")]
    running: Running,
}

/// What a file of counts has settled.
const COUNTED: [&str; 9] = [
    "inputs",
    "window",
    "asymmetric",
    "context_weight",
    "min_count",
    "max_vocab",
    "lowercase",
    "unicode_words",
    "strict",
];

impl Glove {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.config.check()?;
        self.windows.check()?;
        self.running.check(&self.counting, self.output.as_deref())?;
        if let (Some(file), Some(output)) = (&self.cooccur, &self.output) {
            writable(output, std::slice::from_ref(file))?;
        }
        progress::listen();
        let threads = rayon::ThreadPoolBuilder::new().num_threads(self.config.threads()).build()?;
        if let Some(file) = &self.cooccur {
            let counts = threads.install(|| counts::read(file, self.counting.vocab_file.as_deref()))?;
            let source = Source::file(&counts);
            threads.install(|| self.learn(&source, &counts.vocab, &counts.about))?;
            return Ok(ExitCode::SUCCESS);
        }
        let corpus = self.running.corpus(&self.counting, self.output.as_deref(), self.config.threads())?;
        let about = About::text(&corpus, &self.windows, &self.counting);
        let done = threads.install(|| {
            let source = Source::text(&corpus, &self.windows)?;
            self.learn(&source, &corpus.vocab, &about)
        });
        cache::discard(corpus);
        done.map(|()| ExitCode::SUCCESS)
    }

    /// Trains on the rows of `source`, or says what that would take.
    fn learn(&self, source: &Source, vocab: &Vocab, about: &About) -> anyhow::Result<()> {
        if let Some(file) = &self.running.save_vocab {
            vocab.save(file)?;
        }
        let disk = room_on_disk(source, self.memory);
        let output = match &self.output {
            Some(output) if !self.running.dry_run => output,
            _ => return self.plan(source, vocab, about, disk),
        };
        let directory = self.running.directory(Some(output));
        if let Some(bytes) = disk.filter(|_| !self.running.quiet) {
            let (size, place) = (show::size(bytes), directory.display());
            say(&format!(
                "the counts take about {size} on disk in {place} while training; --memory avoids it"
            ));
        }
        let begin = Instant::now();
        let pairs = progress::cooccurrences(self.running.quiet, source.size(), |progress| {
            Pairs::new(source, self.config.deal(vocab.len()), self.memory, &directory, progress)
        })?;
        if !self.running.quiet {
            let place = if pairs.on_disk() { ", on disk" } else { "" };
            say(&format!("counted: {} pairs of words{place}", show::number(pairs.len() as u64)));
        }
        let counting = begin.elapsed();
        let work = (pairs.len() as u64, self.config.epochs, "pairs");
        let mut model = progress::learning(self.running.quiet, work, |progress| {
            glove::train(&pairs, vocab, about, &self.config, progress)
        })?;
        drop(pairs);
        model.provenance.counting_seconds = counting.as_secs_f64();
        self.running.write(&model, output, self.to)
    }

    fn plan(&self, source: &Source, vocab: &Vocab, about: &About, disk: Option<u64>) -> anyhow::Result<()> {
        let (facts, words) = (&about.corpus, vocab.len() as u64);
        let pairs = source.estimate();
        let format = self.output.as_deref().map_or(Format::Safetensors, |path| format_for(path, self.to));
        let (matrices, dim) = (1 + u64::from(self.config.vectors == Vectors::Input), self.config.dim as u64);
        let model = model_size(format, words, (matrices, 0), dim, vocab.bytes.len() as u64);
        let config = Config { threads: Some(self.config.threads()), ..self.config.clone() };
        let counts = if disk.is_some() { 0 } else { pairs * size_of::<Pair>() as u64 };
        // While counting, or while training: what takes more.
        let memory = self.memory.min(3 * pairs * size_of::<Pair>() as u64);
        let memory = memory.max(counts + self.config.memory(vocab.len()));
        let mut out = std::io::stdout().lock();
        if self.running.json {
            let plan = json!({
                "method": "glove",
                "settings": config,
                "windows": about.windows,
                "corpus": facts,
                "pairs_per_epoch": pairs,
                "bytes": { "memory": memory, "counts_on_disk": disk.unwrap_or(0), "model": model },
            });
            writeln!(out, "{plan}")?;
            return Ok(());
        }
        let (number, size) = (|n: u64| show::number(n), |bytes: u64| show::size(bytes));
        let list = |of: Value| settings(&of);
        writeln!(
            out,
            "text        {} words, {} different",
            number(facts.words_read),
            number(facts.types_read)
        )?;
        writeln!(out, "vocabulary  {} words", number(words))?;
        writeln!(out, "counting    {}", list(serde_json::to_value(&about.windows)?))?;
        writeln!(out, "method      glove")?;
        writeln!(out, "settings    {}", list(serde_json::to_value(config)?))?;
        writeln!(out, "epochs      {} x about {} pairs", self.config.epochs, number(pairs))?;
        writeln!(out, "memory      about {}", size(memory))?;
        let counts = disk.map(|bytes| format!("about {} counts while training, ", size(bytes)));
        writeln!(out, "disk        {}{} model", counts.unwrap_or_default(), size(model))?;
        Ok(())
    }
}

/// About how many bytes the counts take on disk, if `memory` bytes are too few for them.
fn room_on_disk(source: &Source, memory: u64) -> Option<u64> {
    let bytes = source.estimate() * size_of::<Pair>() as u64;
    (bytes > Pairs::kept(source, memory)).then_some(bytes)
}
