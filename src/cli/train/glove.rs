//! `wordloom train glove`: trains a model on text, or on counts.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use wordloom::Vocab;
use wordloom::cooccur::{self, CountsAbout, Pair, Pairs};
use wordloom::format::{Contents, counts};
use wordloom::train::{self, GloveConfig, GloveSettings, GloveVectors, Recipe, train_glove};

use super::course::{CourseOptions, Prepared};
use super::options::{Files, Input, ModelFile, Request, RunOptions};
use super::plan::checkpoint_line;
use crate::cli::learning::Work;
use crate::cli::progress::{self, OnSignal, say};
use crate::cli::show;

/// The memory for counting, in bytes, if no other is asked for.
pub(super) const MEMORY: u64 = 4 << 30;

const EXAMPLES: &str = "Examples:
  wordloom train glove text.txt -o my.safetensors
  wordloom train glove text.txt -o my.safetensors --x-max 10 --epochs 15 --memory 8GiB
  wordloom train glove --cooccur my.counts -o my.safetensors              counts of `wordloom cooccur`
  wordloom train glove --cooccur cooccurrence.bin --vocab vocab.txt -o my.safetensors      of Stanford's
  wordloom train glove text.txt --dry-run                                 what would it take?";

/// Products of vectors approach the logarithms of co-occurrence counts; the number of threads never
/// changes the vectors
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Glove {
    #[command(flatten)]
    files: Files,
    #[command(flatten, next_help_heading = "Counting")]
    windows: cooccur::Windows,
    #[command(flatten)]
    source: Source,
    #[command(flatten, next_help_heading = "Training")]
    config: GloveConfig,
    #[command(flatten, next_help_heading = "Stopping and going on")]
    course: CourseOptions,
    #[command(flatten, next_help_heading = "Running")]
    running: RunOptions,
}

/// Where the counts come from.
#[derive(clap::Args)]
pub(super) struct Source {
    /// Train on the counts in FILE: those of `wordloom cooccur`, or Stanford's with their words in
    /// --vocab
    #[arg(long, value_name = "FILE", conflicts_with_all = COUNTED)]
    pub(super) cooccur: Option<PathBuf>,
    /// Memory for counting; counts that do not fit go to a temporary file where encoded corpora are
    /// kept
    #[arg(long, value_name = "SIZE", default_value = "4GiB", value_parser = show::parse_size)]
    pub(super) memory: u64,
}

/// The options that a file of counts has settled, so that they conflict with it.
const COUNTED: [&str; 10] = [
    "inputs",
    "window",
    "asymmetric",
    "context_weight",
    "min_count",
    "max_vocab",
    "lowercase",
    "unicode_words",
    "pieces",
    "strict",
];

impl Glove {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { files, windows, source, config, course, running } = self;
        let settings = GloveSettings { windows, config };
        let (input, model) = (Input::Text(&files.text), &files.model);
        let (course, running) = (&course, &running);
        let request = Request { input, model, course, running, more: &[], old: None };
        run(&settings, &source, request)
    }
}

/// A training by GloVe that is to be run.
struct Job<'a> {
    config: &'a GloveConfig,
    memory: u64,
    model: &'a ModelFile,
    course: &'a Prepared<'a>,
    running: &'a RunOptions,
}

/// Trains by GloVe on text or on counts, or prints what that would take.
pub(super) fn run(
    settings: &GloveSettings,
    source: &Source,
    request: Request,
) -> anyhow::Result<ExitCode> {
    Recipe::Glove(settings.clone()).check()?;
    request.check(source.cooccur.as_slice())?;
    let Request { input, model, course, running, old, .. } = request;
    let (config, output) = (&settings.config, model.output.as_deref());
    progress::listen(OnSignal::Stop);
    let course = &course.prepare(config.dim, old)?;
    let threads = train::pool(config.threads)?;
    let job = Job { config, memory: source.memory, model, course, running };
    if let Some(file) = &source.cooccur {
        let words = input.text().and_then(|text| text.vocab_file.as_deref());
        let counts = threads.install(|| counts::read(file, words))?;
        let source = cooccur::Source::file(&counts);
        threads.install(|| job.learn(&source, &counts.vocab, &counts.about))?;
        return Ok(ExitCode::SUCCESS);
    }
    let threads_wanted = train::threads(config.threads);
    let corpus = running.corpus(&input, course.old_vocab(), output, threads_wanted)?;
    let about = CountsAbout::of(&corpus, &settings.windows, input.describe());
    threads.install(|| {
        let source = cooccur::Source::text(&corpus, &settings.windows)?;
        job.learn(&source, &corpus.vocab, &about)
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Job<'_> {
    /// Trains on the rows of `source`, or prints what that would take.
    fn learn(
        &self,
        source: &cooccur::Source,
        vocab: &Vocab,
        about: &CountsAbout,
    ) -> anyhow::Result<()> {
        if let Some(file) = &self.running.save_vocab {
            vocab.save(file)?;
        }
        let disk = room_on_disk(source, self.memory);
        let output = match &self.model.output {
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
            Pairs::new(
                source,
                self.config.partition(vocab.len()),
                self.memory,
                &directory,
                progress,
            )
        })?;
        if !self.running.quiet {
            let place = if pairs.on_disk() { ", on disk" } else { "" };
            say(&format!("counted: {} pairs of words{place}", show::number(pairs.len() as u64)));
        }
        let counting = begin.elapsed();
        let (tokens, epochs) = (pairs.len() as u64, self.config.epochs);
        let work = Work { tokens, epochs, unit: "pairs", time: self.config.time };
        let mut model = self.course.learn(
            (output, vocab),
            (self.running.quiet, work),
            |course, progress| train_glove(&pairs, vocab, about, self.config, course, progress),
        )?;
        drop(pairs);
        model.provenance.counting_seconds = counting.as_secs_f64();
        self.course.write(&mut model, output, self.model.to)?;
        self.running.report(&model, output)
    }

    fn plan(
        &self,
        source: &cooccur::Source,
        vocab: &Vocab,
        about: &CountsAbout,
        disk: Option<u64>,
    ) -> anyhow::Result<()> {
        let (facts, words) = (&about.corpus, vocab.len() as u64);
        let pairs = source.estimate();
        let contents = Contents {
            words,
            bytes: vocab.bytes.len() as u64,
            dim: self.config.dim as u64,
            matrices: 1 + u64::from(self.config.vectors == GloveVectors::Input),
            ..Contents::default()
        };
        let model = self.model.format(false).size(&contents);
        let threads = Some(train::threads(self.config.threads));
        let config = GloveConfig { threads, ..self.config.clone() };
        let counts = if disk.is_some() { 0 } else { pairs * size_of::<Pair>() as u64 };
        // This is the memory of counting or of training, whichever is larger.
        let memory = self.memory.min(3 * pairs * size_of::<Pair>() as u64);
        let memory = memory.max(counts + self.config.memory(vocab.len()));
        let checkpoint = self.course.checkpoint(self.model.output.as_deref());
        let bytes = self.config.checkpoint(vocab.len());
        let mut out = std::io::stdout().lock();
        if self.running.json {
            let plan = json!({
                "method": "glove",
                "settings": config,
                "windows": about.windows,
                "corpus": facts,
                "pairs_per_epoch": pairs,
                "bytes": {
                    "memory": memory, "counts_on_disk": disk.unwrap_or(0), "model": model,
                    "checkpoint": checkpoint.as_ref().map(|_| bytes),
                },
                "checkpoint": checkpoint.as_ref().map(|plan| plan.when.to_string()),
            });
            writeln!(out, "{plan}")?;
            return Ok(());
        }
        let (number, size) = (|n: u64| show::number(n), |bytes: u64| show::size(bytes));
        let list = |of: serde_json::Value| show::settings(&of);
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
        let times = match self.config.time {
            Some(time) => format!("as many as fit into {time}, each"),
            None => format!("{} x", self.config.epochs),
        };
        writeln!(out, "epochs      {times} about {} pairs", number(pairs))?;
        writeln!(out, "memory      about {}", size(memory))?;
        let counts = disk.map(|bytes| format!("about {} counts while training, ", size(bytes)));
        writeln!(out, "disk        {}{} model", counts.unwrap_or_default(), size(model))?;
        write!(out, "{}", checkpoint_line(checkpoint.as_ref(), bytes))?;
        Ok(())
    }
}

/// About how many bytes the counts take on disk; `None` if `memory` bytes are enough for them.
fn room_on_disk(source: &cooccur::Source, memory: u64) -> Option<u64> {
    let bytes = source.estimate() * size_of::<Pair>() as u64;
    (bytes > Pairs::kept(source, memory)).then_some(bytes)
}
