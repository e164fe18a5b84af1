//! `wordloom infer`: vectors for documents that a model was not trained on.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::{Value, json};
use wordloom::corpus::{Corpus, DocumentOptions, Documents, TextOptions, Vocab, cache};
use wordloom::format::{self, Format};
use wordloom::query::{Combine, Index, Query};
use wordloom::train::{InferOptions, Inference, document_words, pool};
use wordloom::{Embeddings, Error, Progress, Provenance};

use super::progress::{self, Display, OnSignal, say, watched};
use super::query::tags_of;
use super::{format_parser, note, outputs, show};

const EXAMPLES: &str = "Examples:
  wordloom infer my.safetensors 'A first document.' 'And a second.'
  wordloom infer my.safetensors --similar 5 'What is near this?'
  wordloom infer my.safetensors < lines.txt
  wordloom infer my.safetensors --input new.tsv --tag-column id --text-column text -o new.vec
  wordloom infer my.safetensors --input folder/ -o new.safetensors

Text is split into words as it was in training. The same text has the same vector, whatever comes
with it. Without TEXT and --input, each line of standard input is a document.";

/// Give vectors to new documents, by a model of documents
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Infer {
    /// The model, which pv-dbow or pv-dm trained
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Documents: each argument is one
    #[arg(value_name = "TEXT", conflicts_with = "inputs")]
    texts: Vec<String>,
    /// Files or directories with documents, or - for standard input (repeat it for several)
    #[arg(short, long = "input", value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// Write the vectors to a file [default: print them, as lines of word2vec's text format]
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The format to write [default: by OUT's extension, or else safetensors]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), requires = "output")]
    to: Option<Format>,
    /// Print the N documents of the model that are nearest, in place of the vector
    #[arg(long, value_name = "N", conflicts_with = "output")]
    similar: Option<usize>,
    /// Print JSON, one object a line
    #[arg(long, conflicts_with = "output")]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten, next_help_heading = "Documents")]
    documents: DocumentOptions,
    #[command(flatten, next_help_heading = "Learning")]
    options: InferOptions,
}

/// Documents that are given a vector: their names, and their words.
struct New {
    names: Vec<Vec<u8>>,
    words: Words,
}

enum Words {
    Given(Vec<Vec<u32>>),
    /// The sequences of a corpus.
    Read(Box<Corpus>),
}

impl Infer {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(output) = &self.output {
            Format::to_write(output, self.to, false)?;
            outputs::check(
                &[output],
                &[&self.inputs[..], std::slice::from_ref(&self.model)].concat(),
            )?;
        }
        progress::listen(OnSignal::Stop);
        let model = format::read(&self.model)?;
        let named = || show::path(&self.model);
        let inference = Inference::new(&model, &self.options).with_context(named)?;
        let tags = self.similar.map(|_| tags_of(&self.model, &model)).transpose()?;
        let new = self.read(&model)?;
        let documents: Vec<&[u32]> = match &new.words {
            Words::Given(documents) => documents.iter().map(Vec::as_slice).collect(),
            Words::Read(corpus) => {
                let starts = std::iter::once(&0).chain(corpus.ends());
                let ranges = starts.zip(corpus.ends());
                ranges.map(|(a, b)| &corpus.tokens()[*a as usize..*b as usize]).collect()
            }
        };
        let vectors = self.learn(&inference, &documents)?;
        let mut all = true;
        let mut known: Vec<(&[u8], Vec<f32>)> = Vec::new();
        for (name, vector) in new.names.iter().zip(vectors) {
            if let Some(vector) = vector {
                known.push((name, vector));
                continue;
            }
            all = false;
            let name = String::from_utf8_lossy(name);
            say(&format!("wordloom: document {name}: no word of it is in the vocabulary"));
        }
        match (&self.output, &tags) {
            (Some(output), _) => self.write(output, known, model.dim())?,
            (None, Some(tags)) => self.print_near(&known, tags)?,
            (None, None) => self.print(&known)?,
        }
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The documents that are given, in words of the model.
    fn read(&self, model: &Embeddings) -> anyhow::Result<New> {
        if !self.texts.is_empty() {
            let names = (1..=self.texts.len()).map(|n| n.to_string().into_bytes()).collect();
            let words = Words::Given(document_words(&self.texts, model)?);
            return Ok(New { names, words });
        }
        let mut text: TextOptions =
            serde_json::from_value(model.provenance.text.clone()).unwrap_or_default();
        text.inputs.clone_from(&self.inputs);
        // Which files of a folder were learnt says nothing about new ones.
        (text.include, text.exclude) = (Vec::new(), Vec::new());
        if text.inputs.is_empty() {
            text.inputs.push("-".into());
        }
        let documents =
            Documents { text: &text, options: &self.documents, known: Some(&model.vocab) };
        let (reading, threads) = (Progress::default(), pool(self.options.threads)?);
        let folder = std::env::temp_dir();
        let once = || threads.install(|| cache::once(&documents, &folder, &reading));
        let corpus = progress::counting(self.quiet, &reading, once)?;
        note(&corpus.notes);
        let tags = corpus.tags().context("no document has a tag, by which it is named")?;
        let name = |document: usize| {
            let first = tags.of(document).first();
            first.map_or_else(
                || (document + 1).to_string().into(),
                |&tag| tags.names.word(tag).to_vec(),
            )
        };
        let names = (0..corpus.ends().len()).map(name).collect();
        Ok(New { names, words: Words::Read(Box::new(corpus)) })
    }

    /// Learns the vectors, and shows how far it is.
    fn learn(
        &self,
        inference: &Inference,
        documents: &[&[u32]],
    ) -> anyhow::Result<Vec<Option<Vec<f32>>>> {
        let progress = Progress::default();
        let bar = Display::new(self.quiet)
            .bar(documents.len() as u64, "{percent:>3} % {bar:14} {pos} documents, {eta} left");
        let look = || bar.set_position(progress.done.load(std::sync::atomic::Ordering::Relaxed));
        let vectors = watched(&progress.stop, || inference.vectors(documents, &progress), look);
        bar.finish_and_clear();
        Ok(vectors?)
    }

    fn write(
        &self,
        output: &Path,
        known: Vec<(&[u8], Vec<f32>)>,
        dim: usize,
    ) -> anyhow::Result<()> {
        if known.is_empty() {
            return Err(Error::Refused("no document has a word of the vocabulary".into()).into());
        }
        let (names, rows): (Vec<&[u8]>, Vec<Vec<f32>>) = known.into_iter().unzip();
        let program = concat!("wordloom ", env!("CARGO_PKG_VERSION"), " infer");
        let provenance = Provenance { program: program.into(), ..Provenance::default() };
        let names = Vocab::new(&names, Vec::new());
        let count = names.len();
        let vectors = Embeddings::new(names, dim, rows.concat().into(), None, provenance);
        note(&format::write(&vectors, output, Format::to_write(output, self.to, false)?)?);
        if !self.quiet {
            let documents = show::counted(count as u64, "document", "documents");
            say(&format!("{documents} x {dim} -> {}", output.display()));
        }
        Ok(())
    }

    fn print(&self, known: &[(&[u8], Vec<f32>)]) -> anyhow::Result<()> {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for (name, vector) in known {
            let name = String::from_utf8_lossy(name);
            if self.json {
                let vector: Value = vector.iter().map(|&x| show::json(x)).collect();
                writeln!(out, "{}", json!({ "document": name, "vector": vector }))?;
                continue;
            }
            write!(out, "{}", show::shown(&name))?;
            vector.iter().try_for_each(|x| write!(out, " {x}"))?;
            writeln!(out)?;
        }
        Ok(out.flush()?)
    }

    fn print_near(&self, known: &[(&[u8], Vec<f32>)], tags: &Embeddings) -> anyhow::Result<()> {
        let query =
            |(_, vector): &(&[u8], Vec<f32>)| Query::new(&[vector], &[], Vec::new(), Combine::Add);
        let queries: Vec<Query> = known.iter().map(query).collect();
        let found = Index::new(tags).nearest(&queries, self.similar.unwrap_or(0));
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        for ((name, _), near) in known.iter().zip(found) {
            let name = String::from_utf8_lossy(name);
            if self.json {
                let near = near.iter().map(|near| {
                    let score = show::rounded(near.score.into());
                    json!({ "tag": tags.vocab.text(near.id), "score": score })
                });
                let near: Value = near.collect();
                writeln!(out, "{}", json!({ "document": name, "neighbours": near }))?;
                continue;
            }
            write!(out, "{}", show::shown(&name))?;
            for near in near {
                let tag = tags.vocab.text(near.id);
                write!(out, "\t{}\t{:.4}", show::shown(&tag), near.score)?;
            }
            writeln!(out)?;
        }
        Ok(out.flush()?)
    }
}
