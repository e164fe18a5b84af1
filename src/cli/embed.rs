//! `wordloom embed`: vectors of texts, from the vectors of their words.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use rayon::prelude::*;
use serde_json::{Value, json};
use wordloom::corpus::{Texts, Tokenizer, Vocab};
use wordloom::format::{self, Format};
use wordloom::train::pool;
use wordloom::{Embedder, Embeddings, Error, Pooled, Pooling, Provenance, Result};

use super::progress::{self, OnSignal, say};
use super::{format_parser, note, outputs, show};

const EXAMPLES: &str = "Examples:
  wordloom embed my.safetensors 'A first text.' 'And a second.'
  wordloom embed my.safetensors < lines.txt > vectors.txt
  wordloom embed my.safetensors -i reviews.csv --column text -o reviews.npy
  wordloom embed crawl.bin -i lines.txt --pooling unit     as fastText's print-sentence-vectors
  wordloom embed my.safetensors -i docs/ --whole-files --pooling sif -o docs.safetensors
  wordloom embed glove.txt --text raw < lines.txt          words in lower case, no punctuation

An answer is a line of numbers for each text. Text is split as that was which the model learnt, unless
an option says otherwise. Words without a vector are left out, and counted at the end. A file for
vectors of words (-o, all formats but .npy) names texts by their numbers, from 1.";

/// Give vectors to texts: means of the vectors of their words
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Embed {
    /// The model, in any format that `wordloom convert` reads
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Texts: each argument is one; without any and without --input, each line of standard input is
    #[arg(value_name = "TEXT", conflicts_with = "inputs")]
    given: Vec<String>,
    #[command(flatten)]
    texts: Texts,
    /// What becomes of the vectors of words
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pooling: Pooling,
    /// What becomes of the direction that all texts have in common
    #[arg(long, value_enum, value_name = "WHAT")]
    common: Option<Common>,
    #[command(flatten, next_help_heading = "Splitting")]
    tokenizer: Tokenizer,
    /// Write a file: NumPy's .npy, .parquet, or any other file of vectors [default: print them]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The format to write [default: by OUT's extension, or else safetensors]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), requires = "output")]
    to: Option<Format>,
    /// Print JSON, one object a line
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Threads [default: all processors]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// What becomes of the direction that holds most of what texts have in common.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Common {
    /// It stays [default, but for sif]
    Keep,
    /// It is taken off, which needs all texts at once [default for sif]
    Off,
}

/// Texts that were read, and what was counted of them.
#[derive(Default)]
struct Counts {
    texts: u64,
    empty: u64,
    known: u64,
    unknown: u64,
}

impl Counts {
    fn add(&mut self, pooled: &Pooled) {
        self.texts += pooled.known.len() as u64;
        self.empty += pooled.known.iter().filter(|&&known| known == 0).count() as u64;
        self.known += pooled.known.iter().map(|&n| u64::from(n)).sum::<u64>();
        self.unknown += pooled.unknown.iter().map(|&n| u64::from(n)).sum::<u64>();
    }

    /// Says what has no vector.
    fn tell(&self) {
        if self.unknown > 0 {
            let words = show::counted(self.unknown, "word has", "words have");
            let share = show::percent(self.unknown as f64, (self.known + self.unknown) as f64);
            say(&format!("wordloom: {words} no vector ({share})"));
        }
        if self.empty > 0 {
            let texts = show::counted(self.empty, "text has", "texts have");
            say(&format!("wordloom: {texts} no known word: zeros stand for them"));
        }
    }
}

impl Embed {
    pub(crate) fn run(mut self) -> anyhow::Result<ExitCode> {
        let array = self.output.as_deref().is_some_and(is_array);
        if let Some(output) = &self.output {
            if let (true, Some(to)) = (array, self.to) {
                let problem =
                    format!("a name that ends in .npy is of NumPy's format, not {}", to.name());
                return Err(Error::Refused(problem).into());
            }
            if !array {
                Format::to_write(output, self.to, false)?;
            }
            let inputs = [&self.texts.inputs[..], std::slice::from_ref(&self.model)].concat();
            outputs::check(&[output], &inputs)?;
        }
        if self.given.is_empty() && self.texts.inputs.is_empty() {
            self.texts.inputs.push("-".into());
        }
        progress::listen(OnSignal::End);
        let model = format::read(&self.model)?;
        note(&model.provenance.notes);
        let given = (self.tokenizer != Tokenizer::default()).then_some(self.tokenizer);
        let embedder = Embedder::new(&model, self.pooling, given)?;
        let off = match self.common {
            None => self.pooling == Pooling::Sif,
            Some(common) => common == Common::Off,
        };
        let mut counts = Counts::default();
        let threads = pool(self.threads)?;
        if off || self.output.is_some() {
            let all = self.all(&embedder, &threads, off, model.dim())?;
            counts.add(&all.1);
            match &self.output {
                Some(output) if array => format::write_npy(output, &all.1.rows, model.dim())?,
                Some(output) => self.write(output, &all.1, model.dim())?,
                None => self.print(&all.0, &all.1, model.dim())?,
            }
            if let (Some(output), false) = (&self.output, self.quiet) {
                let texts = show::counted(counts.texts, "text", "texts");
                say(&format!("{texts} x {} -> {}", model.dim(), output.display()));
            }
        } else {
            self.each(|texts| {
                let pooled = threads.install(|| embedder.texts(&texts));
                counts.add(&pooled);
                threads.install(|| self.print(&texts, &pooled, model.dim()))
            })?;
        }
        counts.tell();
        Ok(ExitCode::SUCCESS)
    }

    /// Gives the texts to `to`, many at a time.
    fn each(&self, mut to: impl FnMut(Vec<Vec<u8>>) -> Result<()>) -> Result<()> {
        if !self.given.is_empty() {
            return to(self.given.iter().map(|text| text.clone().into_bytes()).collect());
        }
        self.texts.each(to)
    }

    /// All texts, if they are to be printed as JSON, and their vectors.
    fn all(
        &self,
        embedder: &Embedder,
        threads: &rayon::ThreadPool,
        off: bool,
        dim: usize,
    ) -> Result<(Vec<Vec<u8>>, Pooled)> {
        let (mut kept, mut all) = (Vec::new(), Pooled::default());
        progress::tally(self.quiet, "texts", |reading| {
            self.each(|texts| {
                all.append(threads.install(|| embedder.texts(&texts)));
                reading.words.store(all.known.len() as u64, Ordering::Relaxed);
                if self.json {
                    kept.extend(texts);
                }
                Ok(())
            })
        })?;
        if off {
            threads.install(|| all.take_off_common(dim));
        }
        Ok((kept, all))
    }

    /// Prints the vectors of texts, a line each.
    fn print(&self, texts: &[Vec<u8>], pooled: &Pooled, dim: usize) -> Result<()> {
        let put = |at: usize, lines: &mut Vec<u8>| {
            let row = &pooled.rows[at * dim..][..dim];
            if !self.json {
                return format::put_line(row, lines);
            }
            let vector: Value = row.iter().map(|&x| show::json(x)).collect();
            let (known, unknown) = (pooled.known[at], pooled.unknown[at]);
            let text = String::from_utf8_lossy(&texts[at]);
            let object =
                json!({ "text": text, "vector": vector, "known": known, "unknown": unknown });
            lines.extend_from_slice(format!("{object}\n").as_bytes());
        };
        let texts = pooled.known.len();
        let lines = |first: &usize| {
            let mut lines = Vec::with_capacity(TOGETHER * dim * 12);
            (*first..texts.min(first + TOGETHER)).for_each(|at| put(at, &mut lines));
            lines
        };
        let stdout = Path::new("standard output");
        let mut out = std::io::stdout().lock();
        let firsts: Vec<usize> = (0..texts).step_by(TOGETHER).collect();
        for firsts in firsts.chunks(WRITTEN) {
            let parts: Vec<Vec<u8>> = firsts.par_iter().map(lines).collect();
            parts.iter().try_for_each(|lines| out.write_all(lines)).map_err(Error::io(stdout))?;
        }
        out.flush().map_err(Error::io(stdout))
    }

    /// Writes a file of vectors that are named by numbers.
    fn write(&self, output: &Path, pooled: &Pooled, dim: usize) -> Result<()> {
        let names: Vec<String> = (1..=pooled.known.len()).map(|n| n.to_string()).collect();
        let program = concat!("wordloom ", env!("CARGO_PKG_VERSION"), " embed");
        let provenance = Provenance { program: program.into(), ..Provenance::default() };
        let names = Vocab::new(&names, Vec::new());
        let vectors = Embeddings::new(names, dim, pooled.rows.clone().into(), None, provenance);
        note(&format::write(&vectors, output, Format::to_write(output, self.to, false)?)?);
        Ok(())
    }
}

/// Texts that a thread prints at a time, and so many times that before they are written.
const TOGETHER: usize = 256;
const WRITTEN: usize = 64;

/// Whether a file is one of NumPy's by its name.
fn is_array(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npy"))
}
