//! `wordloom train`: from text to a model.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;
use wordloom::cache;
use wordloom::corpus::Corpus;
use wordloom::embeddings::Embeddings;
use wordloom::encode::{Counting, Reading};
use wordloom::error::Error;
use wordloom::format::{self, Format};
use wordloom::mapped::Beside;
use wordloom::train::{CbowGradient, Config, Method};

use super::plan::Plan;
use super::progress::{self, say};
use super::{format_for, show, warn_of_loss};

const EXAMPLES: &str = "Examples:
  wordloom train skip-gram text.txt -o my.safetensors
  wordloom train cbow texts/ more.txt.gz -o my.safetensors --lowercase --dim 200 --epochs 10
  zcat *.gz | wordloom train skip-gram - -o my.vec
  wordloom train skip-gram text.txt --subwords 3..6 -o my.safetensors
  wordloom train skip-gram text.txt --dry-run          what would it take?";

/// Train word vectors on text
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Train {
    #[command(subcommand)]
    method: Which,
}

#[derive(clap::Subcommand)]
enum Which {
    /// Each word of a window predicts its centre: the better choice for rare words and small corpora
    #[command(after_help = EXAMPLES)]
    SkipGram(Options),
    /// The mean of a window predicts its centre: several times faster
    #[command(after_help = EXAMPLES)]
    Cbow(Options),
    /// Skip-gram with character n-grams and fastText's defaults: vectors for unseen words, better ones for rare words
    #[command(after_help = EXAMPLES)]
    Fasttext(Options),
}

#[derive(clap::Args)]
struct Options {
    #[command(flatten)]
    counting: Counting,
    /// Where to write the model
    #[arg(short, long, value_name = "MODEL", required_unless_present = "dry_run")]
    output: Option<PathBuf>,
    /// The format to write [default: by MODEL's extension, or else safetensors]
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Option<Format>,
    #[command(flatten, next_help_heading = "Training")]
    config: Config,
    #[command(flatten, next_help_heading = "Running")]
    running: Running,
}

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
struct Running {
    /// Also write the vocabulary, as `word count` lines
    #[arg(long, value_name = "FILE")]
    save_vocab: Option<PathBuf>,
    /// Count, say what training would take, and train nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep the encoded corpus in DIR [default: see `wordloom cache`]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Keep no encoded corpus; while training it takes its room beside MODEL
    #[arg(long)]
    no_cache: bool,
    /// Print facts about the model, or the plan of a dry run, in JSON
    #[arg(long)]
    json: bool,
    /// Show neither progress nor summary
    #[arg(short, long)]
    quiet: bool,
}

/// Hides what skip-gram has no use for, and gives `train fasttext` fastText's defaults.
pub(crate) fn tidy(command: clap::Command) -> clap::Command {
    let hide = |method: clap::Command| {
        ["cbow_gradient", "position_weights"]
            .into_iter()
            .fold(method, |m, name| m.mut_arg(name, |a| a.hide(true)))
    };
    command.mut_subcommand("train", |train| {
        train.mut_subcommand("skip-gram", hide).mut_subcommand("fasttext", |method| {
            let defaults = [("lr", "0.05"), ("noise_exponent", "0.5"), ("subwords", "3..6")];
            defaults
                .into_iter()
                .fold(hide(method), |method, (name, value)| method.mut_arg(name, |a| a.default_value(value)))
        })
    })
}

impl Train {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.method {
            Which::SkipGram(options) | Which::Fasttext(options)
                if options.config.cbow_gradient != CbowGradient::default()
                    || options.config.position_weights =>
            {
                Err(Error::Setting("--cbow-gradient and --position-weights are for `train cbow`".into())
                    .into())
            }
            Which::SkipGram(options) | Which::Fasttext(options) => options.run(Method::SkipGram),
            Which::Cbow(options) => options.run(Method::Cbow),
        }
    }
}

impl Options {
    fn run(self, method: Method) -> anyhow::Result<ExitCode> {
        self.config.check()?;
        if self.counting.max_vocab == Some(0) {
            return Err(Error::Setting("--max-vocab must be at least 1".into()).into());
        }
        if let (Some(output), Some(words)) = (&self.output, &self.running.save_vocab)
            && same_place(output, words)
        {
            return Err(Error::input(words, "is to be the model and the vocabulary: give two names").into());
        }
        [&self.output, &self.running.save_vocab]
            .into_iter()
            .flatten()
            .try_for_each(|file| self.check_file(file))?;
        progress::listen();
        let corpus = self.corpus()?;
        self.warn(&corpus);
        if let Some(file) = &self.running.save_vocab {
            corpus.vocab.save(file)?;
        }
        let done = match &self.output {
            Some(output) if !self.running.dry_run => self.train(&corpus, method, output),
            _ => self.plan(&corpus, method),
        };
        cache::discard(corpus);
        done.map(|()| ExitCode::SUCCESS)
    }

    /// Whether a file can be written, before hours are spent: its directory takes files, and it is not an input.
    fn check_file(&self, file: &Path) -> anyhow::Result<()> {
        drop(Beside::new(file)?);
        let canonical = file.canonicalize().ok();
        let mut inputs = wordloom::text::expand(&self.counting.inputs)?;
        inputs.extend(self.counting.vocab_file.clone());
        if canonical.is_some() && inputs.iter().any(|input| input.canonicalize().ok() == canonical) {
            return Err(Error::input(file, "is an input too: give another name to write to").into());
        }
        Ok(())
    }

    fn corpus(&self) -> anyhow::Result<Corpus> {
        let Running { cache, no_cache, quiet, .. } = &self.running;
        let reading = Reading::default();
        let threads = rayon::ThreadPoolBuilder::new().num_threads(self.config.threads()).build()?;
        if *no_cache {
            let beside = self.output.as_deref().and_then(Path::parent).filter(|p| !p.as_os_str().is_empty());
            let directory = beside.unwrap_or(Path::new("."));
            let once = || threads.install(|| cache::once(&self.counting, directory, &reading));
            return Ok(progress::counting(*quiet, &reading, once)?);
        }
        let directory = cache.clone().unwrap_or_else(cache::directory);
        std::fs::create_dir_all(&directory).with_context(|| {
            format!("can't make the cache directory {}: use --cache DIR or --no-cache", directory.display())
        })?;
        let (corpus, reused) = progress::counting(*quiet, &reading, || {
            threads.install(|| cache::corpus(&self.counting, &directory, &reading))
        })?;
        if !quiet {
            let facts = &corpus.facts;
            let how = if reused { "known from the cache" } else { "read" };
            let (words, types) = (show::number(facts.words_read), show::number(facts.types_read));
            let (tokens, kept) = (show::number(facts.tokens), show::number(facts.vocabulary));
            say(&format!("{how}: {words} words, {types} different; kept {kept} of these, {tokens} tokens"));
        }
        Ok(corpus)
    }

    fn warn(&self, corpus: &Corpus) {
        let facts = &corpus.facts;
        if facts.invalid_utf8 > 0 {
            let words = show::counted(facts.invalid_utf8, "word is not UTF-8", "words are not UTF-8");
            let what =
                if self.counting.tokenizer.unicode_words { "split at those bytes" } else { "kept as found" };
            say(&format!("wordloom: {words}, {what}; --strict stops there"));
        }
        if self.config.whole_sequence && facts.tokens / facts.sentences.max(1) >= 1000 {
            say(
                "wordloom: sentences end at newlines, and here they are so long that --whole-sequence cuts them",
            );
        }
    }

    fn plan(&self, corpus: &Corpus, method: Method) -> anyhow::Result<()> {
        let format = self.output.as_deref().map_or(Format::Safetensors, |path| format_for(path, self.to));
        let plan = Plan::new(corpus, method, &self.config, format);
        let mut out = std::io::stdout().lock();
        if self.running.json {
            writeln!(out, "{}", plan.json())?;
        } else {
            write!(out, "{plan}")?;
        }
        Ok(())
    }

    fn train(&self, corpus: &Corpus, method: Method, output: &Path) -> anyhow::Result<()> {
        let mut model = progress::training(self.running.quiet, corpus, method, &self.config)?;
        progress::stop_if_asked()?;
        model.provenance.text = serde_json::to_value(&self.counting)?;
        let format = format_for(output, self.to);
        warn_of_loss(&model, format);
        format::write(&model, output, format)?;
        if !self.running.quiet {
            summarise(&model, output);
        }
        if self.running.json {
            let facts = json!({
                "model": output,
                "words": model.vocab.len(),
                "dim": model.dim(),
                "words_per_second": speed(&model).round(),
                "peak_memory": super::runs::peak_memory(),
                "provenance": &model.provenance,
            });
            writeln!(std::io::stdout(), "{facts}")?;
        }
        Ok(())
    }
}

/// Whether two names of files that need not exist stand for the same.
fn same_place(a: &Path, b: &Path) -> bool {
    let folder = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).canonicalize().ok()
    };
    a == b || a.file_name() == b.file_name() && folder(a).is_some() && folder(a) == folder(b)
}

/// Tokens learnt in a second.
pub(crate) fn speed(model: &Embeddings) -> f64 {
    model.provenance.tokens_seen as f64 / model.provenance.seconds.max(1e-9)
}

/// Says on stderr how it went and what can be done now.
fn summarise(model: &Embeddings, output: &Path) {
    let history = &model.provenance;
    let time = show::time(std::time::Duration::from_secs_f64(history.seconds));
    let losses: Vec<String> = history.losses.iter().map(|loss| format!("{loss:.4}")).collect();
    let size = show::size(std::fs::metadata(output).map_or(0, |about| about.len()));
    let (words, file) = (show::number(model.vocab.len() as u64), show::argument(output));
    say(&format!("trained in {time}: {} words/s", show::short(speed(model))));
    say(&format!("loss per epoch: {}", losses.join(" ")));
    say(&format!("model: {} ({words} words x {}, {size})", output.display(), model.dim()));
    say(&format!("next: wordloom similar {file} {}", show::argument(Path::new(&typical(model)))));
}

/// A word to try: the most frequent of some letters, as most shorter ones are particles.
pub(crate) fn typical(model: &Embeddings) -> String {
    let word = |id: u32| model.vocab.text(id);
    let good = |id: &u32| word(*id).chars().count() >= 5 && word(*id).chars().all(char::is_alphabetic);
    word((0..model.vocab.len() as u32).find(good).unwrap_or(0)).into_owned()
}
