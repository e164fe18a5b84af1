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

use super::glove::Glove;
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
    Glove(Glove),
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

/// How a command that reads text runs.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Running {
    /// Also write the vocabulary, as `word count` lines
    #[arg(long, value_name = "FILE")]
    pub(super) save_vocab: Option<PathBuf>,
    /// Count, say what training would take, and train nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Keep the encoded corpus in DIR [default: see `wordloom cache`]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Keep no encoded corpus; while training it takes its room beside MODEL
    #[arg(long)]
    no_cache: bool,
    /// Print facts about the model, or the plan of a dry run, in JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Show neither progress nor summary
    #[arg(short, long)]
    pub(super) quiet: bool,
}

/// Hides what skip-gram has no use for, and gives `train fasttext` fastText's defaults; GloVe does without inputs when it
/// is given counts.
pub(crate) fn tidy(command: clap::Command) -> clap::Command {
    let hide = |method: clap::Command| {
        ["cbow_gradient", "position_weights"]
            .into_iter()
            .fold(method, |m, name| m.mut_arg(name, |a| a.hide(true)))
    };
    command.mut_subcommand("train", |train| {
        let train = train.mut_subcommand("skip-gram", hide).mut_subcommand("fasttext", |method| {
            let defaults = [("lr", "0.05"), ("noise_exponent", "0.5"), ("subwords", "3..6")];
            defaults
                .into_iter()
                .fold(hide(method), |method, (name, value)| method.mut_arg(name, |a| a.default_value(value)))
        });
        train.mut_subcommand("glove", |method| {
            method.mut_arg("inputs", |inputs| inputs.required(false).required_unless_present("cooccur"))
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
            Which::Glove(glove) => glove.run(),
        }
    }
}

impl Options {
    fn run(self, method: Method) -> anyhow::Result<ExitCode> {
        self.config.check()?;
        self.running.check(&self.counting, self.output.as_deref())?;
        progress::listen();
        let corpus = self.running.corpus(&self.counting, self.output.as_deref(), self.config.threads())?;
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

    fn warn(&self, corpus: &Corpus) {
        let facts = &corpus.facts;
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
        model.provenance.text = serde_json::to_value(&self.counting)?;
        self.running.write(&model, output, self.to)
    }
}

impl Running {
    /// Whether `output` and the vocabulary can be written, before hours are spent: their directories take files, and
    /// they are two files, none of them an input.
    pub(super) fn check(&self, counting: &Counting, output: Option<&Path>) -> anyhow::Result<()> {
        if counting.max_vocab == Some(0) {
            return Err(Error::Setting("--max-vocab must be at least 1".into()).into());
        }
        if let (Some(output), Some(words)) = (output, &self.save_vocab)
            && same_place(output, words)
        {
            return Err(Error::input(words, "is to be the model and the vocabulary: give two names").into());
        }
        let mut inputs = counting.vocab_file.clone().into_iter().collect::<Vec<_>>();
        if !counting.inputs.is_empty() {
            inputs.extend(wordloom::text::expand(&counting.inputs)?);
        }
        output.into_iter().chain(self.save_vocab.as_deref()).try_for_each(|file| writable(file, &inputs))
    }

    /// Where a file that is not kept goes.
    pub(super) fn directory(&self, output: Option<&Path>) -> PathBuf {
        if self.no_cache {
            let beside = output.and_then(Path::parent).filter(|p| !p.as_os_str().is_empty());
            return beside.unwrap_or(Path::new(".")).to_path_buf();
        }
        self.cache.clone().unwrap_or_else(cache::directory)
    }

    /// The encoded corpus, read or known.
    pub(super) fn corpus(
        &self,
        counting: &Counting,
        output: Option<&Path>,
        threads: usize,
    ) -> anyhow::Result<Corpus> {
        let (reading, directory) = (Reading::default(), self.directory(output));
        let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let corpus = if self.no_cache {
            let once = || threads.install(|| cache::once(counting, &directory, &reading));
            progress::counting(self.quiet, &reading, once)?
        } else {
            std::fs::create_dir_all(&directory).with_context(|| {
                format!(
                    "can't make the cache directory {}: use --cache DIR or --no-cache",
                    directory.display()
                )
            })?;
            let (corpus, reused) = progress::counting(self.quiet, &reading, || {
                threads.install(|| cache::corpus(counting, &directory, &reading))
            })?;
            if !self.quiet {
                tell(&corpus, reused);
            }
            corpus
        };
        let facts = &corpus.facts;
        if facts.invalid_utf8 > 0 {
            let words = show::counted(facts.invalid_utf8, "word is not UTF-8", "words are not UTF-8");
            let what =
                if counting.tokenizer.unicode_words { "split at those bytes" } else { "kept as found" };
            say(&format!("wordloom: {words}, {what}; --strict stops there"));
        }
        Ok(corpus)
    }

    /// Writes a model that was trained, and says so.
    pub(super) fn write(&self, model: &Embeddings, output: &Path, to: Option<Format>) -> anyhow::Result<()> {
        progress::stop_if_asked()?;
        let format = format_for(output, to);
        warn_of_loss(model, format);
        let history = &model.provenance;
        if history.settings["reproducible"] == true {
            let mut same = model.clone();
            same.provenance = history.reproducible();
            format::write(&same, output, format)?;
        } else {
            format::write(model, output, format)?;
        }
        if !self.quiet {
            summarise(model, output);
        }
        if self.json {
            let mut facts = json!({ "model": output, "words": model.vocab.len(), "dim": model.dim() });
            facts[format!("{}_per_second", unit(model))] = speed(model).round().into();
            facts["peak_memory"] = super::runs::peak_memory().into();
            facts["provenance"] = serde_json::to_value(&model.provenance)?;
            writeln!(std::io::stdout(), "{facts}")?;
        }
        Ok(())
    }
}

/// Says on stderr what was read.
fn tell(corpus: &Corpus, reused: bool) {
    let facts = &corpus.facts;
    let how = if reused { "known from the cache" } else { "read" };
    let (words, types) = (show::number(facts.words_read), show::number(facts.types_read));
    let (tokens, kept) = (show::number(facts.tokens), show::number(facts.vocabulary));
    say(&format!("{how}: {words} words, {types} different; kept {kept} of these, {tokens} tokens"));
}

/// Whether a file can be written and is not one of `inputs`.
pub(super) fn writable(file: &Path, inputs: &[PathBuf]) -> anyhow::Result<()> {
    drop(Beside::new(file)?);
    let canonical = file.canonicalize().ok();
    if canonical.is_some() && inputs.iter().any(|input| input.canonicalize().ok() == canonical) {
        return Err(Error::input(file, "is an input too: give another name to write to").into());
    }
    Ok(())
}

/// Whether two names of files that need not exist stand for the same.
fn same_place(a: &Path, b: &Path) -> bool {
    let folder = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).canonicalize().ok()
    };
    a == b || a.file_name() == b.file_name() && folder(a).is_some() && folder(a) == folder(b)
}

/// Tokens, or pairs of words, learnt in a second.
pub(crate) fn speed(model: &Embeddings) -> f64 {
    let history = &model.provenance;
    let seen = if history.pairs_seen > 0 { history.pairs_seen } else { history.tokens_seen };
    seen as f64 / history.seconds.max(1e-9)
}

/// What [`speed`] counts.
fn unit(model: &Embeddings) -> &'static str {
    if model.provenance.pairs_seen > 0 { "pairs" } else { "words" }
}

/// Says on stderr how it went and what can be done now.
fn summarise(model: &Embeddings, output: &Path) {
    let history = &model.provenance;
    let time = show::time(std::time::Duration::from_secs_f64(history.seconds));
    let losses: Vec<String> = history.losses.iter().map(|loss| format!("{loss:.4}")).collect();
    let size = show::size(std::fs::metadata(output).map_or(0, |about| about.len()));
    let (words, file) = (show::number(model.vocab.len() as u64), show::argument(output));
    say(&format!("trained in {time}: {} {}/s", show::short(speed(model)), unit(model)));
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
