//! What all commands that read text share: which files they read, how they run, and what they say
//! and write.
//!
//! This file is over 300 lines because all methods share its options.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};
use wordloom::corpus::{
    Corpus, DocumentOptions, Documents, MoreText, Produce, TextOptions, Vocab, cache, expand,
};
use wordloom::format::Format;
use wordloom::graph::GraphWalks;
use wordloom::sessions::SessionOptions;
use wordloom::{Embeddings, Error, Progress, train};

use super::course::CourseOptions;
use super::done::{learnt, speed, summarise, unit};
use super::raw;
use crate::cli::cache::keep_within_limit;
use crate::cli::progress::{self, say};
use crate::cli::{format_parser, note, outputs, show};

/// The text that is read, and the model that is written.
#[derive(clap::Args)]
pub(super) struct Files {
    #[command(flatten)]
    pub(super) text: TextOptions,
    #[command(flatten)]
    pub(super) model: ModelFile,
}

/// The model that is written.
#[derive(clap::Args)]
pub(super) struct ModelFile {
    /// Where to write the model
    #[arg(short, long, value_name = "MODEL", required_unless_present = "dry_run")]
    pub(super) output: Option<PathBuf>,
    /// The format to write [default: by MODEL's extension, or else safetensors]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    pub(super) to: Option<Format>,
}

impl ModelFile {
    /// Fails if the name of the model stands for no format.
    pub(super) fn check_format(&self) -> wordloom::Result<()> {
        self.output.as_ref().map_or(Ok(()), |out| Format::to_write(out, self.to, false).map(drop))
    }

    /// The format to write a model in, with n-grams or without.
    pub(super) fn format(&self, ngrams: bool) -> Format {
        let output = self.output.as_deref().unwrap_or(Path::new(""));
        Format::to_write(output, self.to, ngrams).unwrap_or(Format::own())
    }
}

/// What a corpus is made of.
#[derive(Clone, Copy)]
pub(crate) enum Input<'a> {
    /// Sentences.
    Text(&'a TextOptions),
    /// Documents with tags.
    Documents(&'a TextOptions, &'a DocumentOptions),
    /// Walks over a graph.
    Graph(&'a GraphWalks),
    /// Sessions of items.
    Sessions(&'a SessionOptions),
}

impl Input<'_> {
    /// The text, if it is made of text.
    pub(super) fn text(&self) -> Option<&TextOptions> {
        match self {
            Self::Text(text) | Self::Documents(text, _) => Some(text),
            Self::Graph(_) | Self::Sessions(_) => None,
        }
    }

    /// The name of what is learnt.
    pub(super) fn unit(&self) -> &'static str {
        unit(&self.describe())
    }

    /// A description as JSON, which models store.
    pub(super) fn describe(&self) -> Value {
        match self {
            Self::Text(text) => text.describe(),
            Self::Documents(text, options) => Documents { text, options, known: None }.describe(),
            Self::Graph(walks) => json!(walks),
            Self::Sessions(sessions) => json!({ "sessions": sessions.describe() }),
        }
    }

    /// The files that are read, or the error that they can't be.
    fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let text = match self {
            Self::Text(text) | Self::Documents(text, _) => text,
            Self::Graph(walks) => return Ok(vec![walks.graph.graph.clone()]),
            Self::Sessions(sessions) => return Ok(expand(&sessions.inputs)?),
        };
        if text.max_vocab == Some(0) {
            let problem = "must be at least 1".into();
            return Err(Error::Setting { name: "max_vocab", problem }.into());
        }
        let mut files = text.vocab_file.as_slice().to_vec();
        if !text.inputs.is_empty() {
            files.extend(text.files()?);
        }
        Ok(files)
    }

    /// The corpus, if it is given as it is.
    fn encoded(&self, grows: bool) -> anyhow::Result<Option<Corpus>> {
        let (text, settled) = match self {
            Self::Text(text) => (text, false),
            Self::Documents(text, options) => (text, **options != DocumentOptions::default()),
            Self::Graph(_) | Self::Sessions(_) => return Ok(None),
        };
        let Some(corpus) = text.encoded()? else { return Ok(None) };
        if grows || settled {
            let problem = "is an encoded corpus, whose words and tags are settled: give its text";
            return Err(Error::Input { path: corpus.path, problem: problem.into() }.into());
        }
        Ok(Some(corpus))
    }
}

/// All that a training is asked for besides its method and settings.
pub(super) struct Request<'a> {
    pub(super) input: Input<'a>,
    pub(super) model: &'a ModelFile,
    pub(super) course: &'a CourseOptions,
    pub(super) running: &'a RunOptions,
    /// Files that are read besides.
    pub(super) more: &'a [PathBuf],
    /// The model that is to be updated, and its file.
    pub(super) old: Option<(PathBuf, Embeddings)>,
}

impl Request<'_> {
    /// Checks the names of all files, before hours are spent. `more` are inputs besides.
    pub(super) fn check(&self, more: &[PathBuf]) -> anyhow::Result<()> {
        let inputs = [more, self.more, &self.course.inputs()].concat();
        let output = self.model.output.as_deref();
        self.running.check(&self.input, output, (self.course.metrics(), &inputs))?;
        Ok(self.model.check_format()?)
    }
}

/// How a command that reads text runs.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct RunOptions {
    /// Also write the vocabulary, as `word count` lines
    #[arg(long, value_name = "FILE")]
    pub(crate) save_vocab: Option<PathBuf>,
    /// Count the words and say what training would take, but train nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Keep the encoded corpus in DIR [default: see `wordloom cache`]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache: Option<PathBuf>,
    /// Keep no encoded corpus; during training it is a temporary file beside MODEL
    #[arg(long)]
    no_cache: bool,
    /// Print facts about the model, or the plan of a dry run, as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Show neither progress nor a summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

impl RunOptions {
    /// Checks, before hours are spent, that `output` and the vocabulary can be written, and that
    /// they are none of the inputs. `more` are outputs and inputs besides.
    pub(crate) fn check(
        &self,
        input: &Input,
        output: Option<&Path>,
        more: (Option<&Path>, &[PathBuf]),
    ) -> anyhow::Result<()> {
        let inputs = [&input.files()?, more.1].concat();
        let outputs = output.into_iter().chain(self.save_vocab.as_deref()).chain(more.0);
        let outputs: Vec<&Path> = outputs.collect();
        Ok(outputs::check(&outputs, &inputs)?)
    }

    /// The directory for the encoded corpus and for temporary files: that of the cache, or with
    /// `--no-cache` that of `output`.
    pub(crate) fn directory(&self, output: Option<&Path>) -> PathBuf {
        if self.no_cache {
            let beside = output.and_then(Path::parent).filter(|p| !p.as_os_str().is_empty());
            return beside.unwrap_or(Path::new(".")).to_path_buf();
        }
        self.cache.clone().unwrap_or_else(cache::directory)
    }

    /// The encoded corpus: the input if it is one already, or that in the cache, or a new one. Its
    /// words join those of an `old` vocabulary, where one is to grow.
    pub(crate) fn corpus(
        &self,
        input: &Input,
        old: Option<&Vocab>,
        output: Option<&Path>,
        threads: usize,
    ) -> anyhow::Result<Corpus> {
        if let Some(corpus) = input.encoded(old.is_some())? {
            if !self.quiet {
                tell(&corpus, "an encoded corpus");
            }
            return Ok(corpus);
        }
        let (threads, directory) = (train::pool(Some(threads))?, self.directory(output));
        let (directory, pool) = (&directory, &threads);
        let (corpus, text) = match (*input, old) {
            (Input::Documents(text, options), _) => {
                let documents = Documents { text, options, known: None };
                (self.make(&documents, directory, pool, tell)?, text)
            }
            (Input::Text(text), Some(vocab)) => {
                (self.make(&MoreText { text, vocab }, directory, pool, tell)?, text)
            }
            (Input::Text(text), None) => (self.make(text, directory, pool, tell)?, text),
            (Input::Graph(walks), Some(_)) => {
                let problem = "is a graph: no model is updated by one, but --init begins with its \
                               vectors";
                let path = walks.graph.graph.clone();
                return Err(Error::Input { path, problem: problem.into() }.into());
            }
            (Input::Graph(walks), None) => {
                let corpus = self.make(walks, directory, pool, tell_of_walks)?;
                note(&corpus.notes);
                return Ok(corpus);
            }
            (Input::Sessions(sessions), old) => {
                if let (Some(_), Some(path)) = (old, sessions.inputs.first()) {
                    let problem = "has sessions: no model is updated by them, but --init begins \
                                   with its vectors";
                    let path = path.clone();
                    return Err(Error::Input { path, problem: problem.into() }.into());
                }
                let corpus = self.make(sessions, directory, pool, tell_of_sessions)?;
                note(&corpus.notes);
                return Ok(corpus);
            }
        };
        note(&corpus.notes);
        let facts = &corpus.facts;
        if facts.invalid_utf8 > 0 {
            let words =
                show::counted(facts.invalid_utf8, "word is not UTF-8", "words are not UTF-8");
            let what =
                if text.tokenizer.unicode_words { "split at those bytes" } else { "kept as found" };
            say(&format!("wordloom: {words}, {what}; --strict stops there"));
        }
        if text.tokenizer.unicode_words {
            warn_of_letters(&corpus);
        }
        if !self.quiet && text.pieces.is_none() {
            raw::hint(&corpus, text, matches!(input, Input::Documents(..)));
        }
        Ok(corpus)
    }

    /// The corpus of `producer`: in the cache, or with `--no-cache` in a file that is not kept.
    fn make(
        &self,
        producer: &impl Produce,
        directory: &Path,
        threads: &rayon::ThreadPool,
        tell: fn(&Corpus, &str),
    ) -> anyhow::Result<Corpus> {
        let reading = Progress::default();
        if self.no_cache {
            let once = || threads.install(|| cache::once(producer, directory, &reading));
            return Ok(progress::counting(self.quiet, &reading, once)?);
        }
        std::fs::create_dir_all(directory).with_context(|| {
            format!(
                "can't make the cache directory {}: use --cache DIR or --no-cache",
                directory.display()
            )
        })?;
        let cached = || threads.install(|| cache::corpus(producer, directory, &reading));
        let (corpus, reused) = progress::counting(self.quiet, &reading, cached)?;
        if !reused {
            keep_within_limit(directory, &corpus)?;
        }
        if !self.quiet {
            tell(&corpus, if reused { "known from the cache" } else { "read" });
        }
        Ok(corpus)
    }

    /// Says how a training went whose model was written to `output`.
    pub(super) fn report(&self, model: &Embeddings, output: &Path) -> anyhow::Result<()> {
        if !self.quiet {
            summarise(model, output);
        }
        if self.json {
            let mut facts = json!({ "model": show::path(output), "words": model.vocab.len(), "dim": model.dim() });
            facts[format!("{}_per_second", learnt(model))] = speed(model).round().into();
            facts["peak_memory"] = model.provenance.peak_memory.into();
            facts["provenance"] = serde_json::to_value(&model.provenance)?;
            writeln!(std::io::stdout(), "{}", show::plain(facts))?;
        }
        Ok(())
    }
}

/// Warns where Unicode's rules cut a script without spaces into single characters.
fn warn_of_letters(corpus: &Corpus) {
    let unspaced = |c: char| {
        matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{309f}' | '\u{3400}'..='\u{9fff}')
    };
    // A character of these scripts may have marks behind it.
    let letter = |word: &str| word.chars().all(unspaced) && word.chars().nth(2).is_none();
    let vocab = &corpus.vocab;
    let of = |id: u32| if letter(&vocab.text(id)) { vocab.count(id).unwrap_or(0) } else { 0 };
    let letters: u64 = (0..vocab.len() as u32).map(of).sum();
    if letters > 0 && 100 * letters >= corpus.facts.tokens {
        let words = show::counted(letters, "word is", "words are");
        say(&format!(
            "wordloom: {words} a single character of a script without spaces (Thai, Chinese...): \
             segment such text first, and leave out --unicode-words"
        ));
    }
}

/// Says on stderr which walks there are.
fn tell_of_walks(corpus: &Corpus, how: &str) {
    let facts = &corpus.facts;
    let nodes = show::counted(facts.vocabulary, "node", "nodes");
    let (walks, steps) = (show::number(facts.sentences), show::number(facts.tokens));
    say(&format!("{how}: {nodes}, {walks} walks of {steps} nodes together"));
}

/// Says on stderr which sessions there are.
fn tell_of_sessions(corpus: &Corpus, how: &str) {
    let facts = &corpus.facts;
    let (items, sessions) = (
        show::counted(facts.vocabulary, "item", "items"),
        show::counted(facts.sentences, "session", "sessions"),
    );
    let taken = show::number(facts.tokens);
    say(&format!("{how}: {items} in {sessions}, which took {taken}"));
    if let Some(tags) = corpus.tags() {
        let first = show::shortened(&show::shown(&tags.names.text(0))).into_owned();
        let users = show::counted(tags.names.len() as u64, "user", "users");
        say(&format!("{users}, of which the first is {first}"));
    }
}

/// Says on stderr what was read.
fn tell(corpus: &Corpus, how: &str) {
    let facts = &corpus.facts;
    let (words, types) = (show::number(facts.words_read), show::number(facts.types_read));
    let (tokens, kept) = (show::number(facts.tokens), show::number(facts.vocabulary));
    say(&format!("{how}: {words} words, {types} different; kept {kept} of these, {tokens} tokens"));
    if let Some(tags) = corpus.tags() {
        let documents = show::counted(facts.sentences, "document", "documents");
        let first = show::shortened(&show::shown(&tags.names.text(0))).into_owned();
        let tags = show::counted(tags.names.len() as u64, "tag", "tags");
        say(&format!("{documents} with {tags}, of which the first is {first}"));
    }
}
