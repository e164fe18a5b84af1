//! `wordloom convert`: writes word vectors in another format.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use wordloom::format::{self, Format};
use wordloom::{Embeddings, Error, Fitted, Hashing, Post, Width, cosine};

use super::progress::{self, OnSignal, say};
use super::query::tags_of;
use super::{any_format_parser, note, outputs, show, warn_of_loss};

const EXAMPLES: &str = "Examples:
  wordloom convert my.safetensors my.vec                  to word2vec text
  wordloom convert GoogleNews.bin news.safetensors        opens at once from then on
  wordloom convert cc.en.300.bin en.safetensors           fastText's, n-grams included
  wordloom convert my.safetensors my.bin                  to fastText's format where there are n-grams
  wordloom convert cc.en.300.vec.gz en.vec.zst            packed, as the names say
  wordloom convert my.safetensors vectors --to binary
  wordloom convert my.safetensors glove.txt --to glove    for programs that read GloVe's files
  wordloom convert bert/ small.safetensors --post pca:256,zipf:1e-4
  wordloom convert my.safetensors documents.vec --tags    the vectors of documents alone
  wordloom convert my.safetensors small.safetensors --dtype i8 --top 100000
  wordloom convert my.safetensors my.npy                  a matrix, and my.words.txt
  wordloom convert my.safetensors my.tsv                  for the Embedding Projector
  wordloom convert my.safetensors folder --to static      for sentence-transformers and model2vec
  wordloom convert my.safetensors my.floret --buckets 100000  for spacy init vectors --mode floret";

/// Words whose composed vectors are compared, where n-grams are put into fewer buckets.
const COMPARED: usize = 10_000;

/// Write word vectors in another format
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Convert {
    /// The model to read, in any format that wordloom reads
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// The format to write [default: by OUT's extension, or else safetensors]
    #[arg(long, value_name = "FORMAT", value_parser = any_format_parser())]
    to: Option<Format>,
    /// Which table of a transformer: token, position, segment, or the name of a tensor
    #[arg(long, value_name = "TABLE", conflicts_with = "tags")]
    table: Option<String>,
    /// Write the vectors of tags (documents), in place of those of words
    #[arg(long)]
    tags: bool,
    /// What to do to the vectors first, in this order: center (take off their mean), abtt:N (and the
    /// first N directions), pca:N (keep N directions), zipf or zipf:A (weigh frequent words less)
    #[arg(long, value_name = "WHAT,...", value_delimiter = ',', conflicts_with = "tags")]
    post: Vec<Post>,
    /// Scale each vector to length 1, after all other changes
    #[arg(long, conflicts_with = "tags")]
    normalize: bool,
    /// Keep the N most frequent words
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    top: Option<u64>,
    /// How many bits a number of a vector takes [default: as in MODEL]; safetensors and static hold
    /// all widths, npy f16, others f32
    #[arg(long, value_enum, value_name = "WIDTH")]
    dtype: Option<Width>,
    /// Put n-grams into so many buckets in place of those that there are, which must be a multiple of
    /// that: vectors composed of them are less exact, and the answer says by how much. floret's table
    /// has so many rows [default: 50,000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    buckets: Option<u32>,
    /// Leave out words whose vectors have numbers that are not finite, and say how many
    #[arg(long)]
    skip_bad: bool,
}

impl Convert {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // A model may be its own output, so it is no input that is in the way.
        if !(self.to.is_some_and(Format::is_folder) && self.out.is_dir()) {
            outputs::check(&[&self.out], &[])?;
        }
        progress::listen(OnSignal::End);
        let mut model = format::load(&self.model, self.table.as_deref())?;
        note(&model.provenance.notes);
        if self.tags {
            model = tags_of(&self.model, &model)?;
        }
        let bad = model.count_not_finite();
        if bad > 0 {
            if !self.skip_bad {
                model.check_finite().with_context(|| show::path(&self.model))?;
            }
            model = model.without_not_finite();
            let left = show::counted(bad as u64, "word was", "words were");
            note(&[format!("{left} left out: a number in the vector is not finite")]);
        }
        if let Some(top) = self.top {
            model = model.first(usize::try_from(top).unwrap_or(usize::MAX));
        }
        let mut changes = self.post.clone();
        if self.normalize {
            changes.push(Post::Unit);
        }
        if !changes.is_empty() {
            let lost = [
                ("output vectors", model.has_output()),
                ("n-grams", model.ngrams().is_some()),
                ("vectors of tags", model.tags().is_some()),
            ];
            let lost: Vec<&str> =
                lost.into_iter().filter_map(|(name, there)| there.then_some(name)).collect();
            if !lost.is_empty() {
                note(&[format!("{} can't follow the change, and are left out", show::list(&lost))]);
            }
        }
        for post in changes {
            model = post.apply(&model).with_context(|| show::path(&self.model))?;
        }
        let to = Format::to_write(&self.out, self.to, model.ngrams().is_some())?;
        if let (Some(buckets), false) = (self.buckets, to.is_fitted()) {
            model = folded(&model, buckets).with_context(|| show::path(&self.model))?;
        }
        if let Some(width) = self.dtype {
            if !to.has_width(width) {
                let problem =
                    format!("{} files have numbers of 32 bits: leave out `dtype`", to.name());
                return Err(Error::Input { path: self.out.clone(), problem }.into());
            }
            model = model.in_width(width);
        }
        warn_of_loss(&model, to);
        if to.is_fitted() {
            self.fit(&model).with_context(|| show::path(&self.model))?;
        } else {
            note(&format::write(&model, &self.out, to)?);
        }
        let (words, dim) = (show::number(model.vocab.len() as u64), model.dim());
        let size = size_of(&self.out);
        let what = if self.tags { "tags" } else { "words" };
        say(&format!("{words} {what} x {dim} -> {} ({})", self.out.display(), show::size(size)));
        Ok(ExitCode::SUCCESS)
    }

    /// Writes a table that is fitted to the vectors.
    fn fit(&self, model: &Embeddings) -> anyhow::Result<()> {
        let mut hashing = Hashing::default();
        hashing.rows = self.buckets.unwrap_or(hashing.rows);
        let fitted = progress::bar(
            false,
            (Fitted::passes(model.dim()), "fitting n-grams"),
            |progress| &progress.done,
            |progress| Fitted::to(model, hashing, progress),
        )?;
        note(&[fitted.told()]);
        Ok(format::write_floret(&self.out, &fitted)?)
    }
}

/// The bytes of a file, or of all files of a folder.
fn size_of(path: &Path) -> u64 {
    match std::fs::read_dir(path) {
        Ok(files) => files.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum(),
        Err(_) => std::fs::metadata(path).map_or(0, |about| about.len()),
    }
}

/// The model with fewer buckets, of which it is said what they cost.
fn folded(model: &Embeddings, buckets: u32) -> anyhow::Result<Embeddings> {
    let folded = model.with_buckets(buckets)?;
    let ids = 0..model.vocab.len().min(COMPARED) as u32;
    let composed = |model: &Embeddings, id: u32| {
        let word = model.vocab.word(id);
        model.ngrams().and_then(|ngrams| ngrams.compose(word, model.dim()))
    };
    let cosines: Vec<f64> =
        ids.filter_map(|id| Some(cosine(&composed(model, id)?, &composed(&folded, id)?))).collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len().max(1) as f64;
    let (from, words) = (model.ngrams().map_or(0, |n| n.subwords.buckets), cosines.len() as u64);
    note(&[format!(
        "{} buckets in place of {}: composed of n-grams, the {} most frequent words have a cosine of \
         {mean:.3} with before, on average",
        show::number(buckets),
        show::number(from),
        show::number(words)
    )]);
    Ok(folded)
}
