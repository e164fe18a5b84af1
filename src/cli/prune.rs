//! `wordloom prune`: a model of some of the words of another.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wordloom::format::{self, Format};
use wordloom::query::{Combine, Index, Query};
use wordloom::{Embeddings, Result};

use super::progress::{self, OnSignal, say};
use super::query::restrict::{Among, Restrict};
use super::{format_parser, note, outputs, show, warn_of_loss};

const EXAMPLES: &str = "Examples:
  wordloom prune my.safetensors -o small.safetensors --keep 20000
  wordloom prune my.safetensors -o small.safetensors --keep words.txt
  wordloom prune my.safetensors -o small.safetensors --keep '/^[a-z]+$/' --min-count 20
  wordloom prune my.safetensors -o small.safetensors --keep 20000 --map nearest.tsv

Where a model has n-grams, words that are dropped are still composed of them. A line of
--map is a word that was dropped, the nearest word that is kept, and their cosine.";

/// Words that are asked for at a time.
const ASKED: usize = 2048;

/// Drop words from a model
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Prune {
    /// The model
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Where to write the smaller model
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// The words to keep: the first N, which are the most frequent; those of a file, one a line; or
    /// those that a regular expression between slashes finds
    #[arg(long, value_name = "N|FILE|/REGEX/", required_unless_present = "min_count")]
    keep: Option<Restrict>,
    /// Keep only words that occur at least so often
    #[arg(long, value_name = "N")]
    min_count: Option<u64>,
    /// Drop vectors of n-grams too that no word is left for
    #[arg(long)]
    drop_ngrams: bool,
    /// Write to this file which word that is kept is nearest to each that is dropped
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// The format to write [default: by OUT's extension, or else safetensors]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    to: Option<Format>,
}

impl Prune {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let files: Vec<&Path> =
            std::iter::once(&self.output).chain(&self.map).map(PathBuf::as_path).collect();
        let mut inputs = vec![self.model.clone()];
        if let Some(Restrict::File(file)) = &self.keep {
            inputs.push(file.clone());
        }
        outputs::check(&files, &inputs)?;
        progress::listen(OnSignal::End);
        let model = format::read(&self.model)?;
        note(&model.provenance.notes);
        let mut rows = Among::rows(&model, self.keep.as_ref())?;
        if let Some(least) = self.min_count {
            if model.vocab.counts.is_empty() {
                let problem = "has no counts: choose words by `keep`".into();
                return Err(wordloom::Error::Input { path: self.model, problem }.into());
            }
            rows.retain(|&id| model.vocab.count(id).is_some_and(|count| count >= least));
        }
        if rows.is_empty() {
            let problem = "no word would be left".into();
            return Err(wordloom::Error::Input { path: self.model, problem }.into());
        }
        let small = model.pruned(&rows, !self.drop_ngrams);
        let to = Format::to_write(&self.output, self.to, small.ngrams().is_some())?;
        warn_of_loss(&small, to);
        if let Some(file) = &self.map {
            map(file, &model, &small)?;
        }
        note(&format::write(&small, &self.output, to)?);
        let [kept, all] = [&small, &model].map(|model| show::number(model.vocab.len() as u64));
        let size = std::fs::metadata(&self.output).map_or(0, |about| about.len());
        let (out, size) = (self.output.display(), show::size(size));
        say(&format!("{kept} of {all} words -> {out} ({size})"));
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the nearest kept word of each dropped one.
fn map(path: &Path, model: &Embeddings, small: &Embeddings) -> Result<()> {
    let dropped: Vec<u32> = (0..model.vocab.len() as u32)
        .filter(|&id| small.vocab.id(model.vocab.word(id)).is_none())
        .collect();
    let index = Index::new(small);
    wordloom::replace(path, |out| {
        for some in dropped.chunks(ASKED) {
            let query = |&id: &u32| Query::new(&[model.vector(id)], &[], vec![], Combine::Add);
            let queries: Vec<Query> = some.iter().map(query).collect();
            for (&id, near) in some.iter().zip(index.nearest(&queries, 1)) {
                let Some(near) = near.first() else { continue };
                let (word, kept) = (model.vocab.text(id), small.vocab.text(near.id));
                let (word, kept) = (show::shown(&word), show::shown(&kept));
                writeln!(out, "{word}\t{kept}\t{:.4}", near.score)
                    .map_err(|source| wordloom::Error::Io { path: path.into(), source })?;
            }
        }
        Ok(())
    })
}
