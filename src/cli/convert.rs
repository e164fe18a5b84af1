//! `wordloom convert`: writes word vectors in another format.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use wordloom::Post;
use wordloom::format::{self, Format};

use super::progress::{self, OnSignal, say};
use super::query::tags_of;
use super::{format_parser, note, outputs, show, warn_of_loss};

const EXAMPLES: &str = "Examples:
  wordloom convert my.safetensors my.vec                  to word2vec text
  wordloom convert GoogleNews.bin news.safetensors        opens at once from then on
  wordloom convert cc.en.300.bin en.safetensors           fastText's, n-grams included
  wordloom convert my.safetensors my.bin                  to fastText's format where there are n-grams
  wordloom convert cc.en.300.vec.gz en.vec.zst            packed, as the names say
  wordloom convert my.safetensors vectors --to binary
  wordloom convert my.safetensors glove.txt --to glove    for programs that read GloVe's files
  wordloom convert bert/ small.safetensors --post pca:256,zipf:1e-4
  wordloom convert my.safetensors documents.vec --tags    the vectors of documents alone";

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
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
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
    /// Leave out words whose vectors have numbers that are not finite, and say how many
    #[arg(long)]
    skip_bad: bool,
}

impl Convert {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // A model may be its own output, so it is no input that is in the way.
        outputs::check(&[&self.out], &[])?;
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
        if !self.post.is_empty() {
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
        for post in &self.post {
            model = post.apply(&model).with_context(|| show::path(&self.model))?;
        }
        let to = Format::to_write(&self.out, self.to, model.ngrams().is_some())?;
        warn_of_loss(&model, to);
        note(&format::write(&model, &self.out, to)?);
        let (words, dim) = (show::number(model.vocab.len() as u64), model.dim());
        let size = std::fs::metadata(&self.out).map_or(0, |about| about.len());
        let what = if self.tags { "tags" } else { "words" };
        say(&format!("{words} {what} x {dim} -> {} ({})", self.out.display(), show::size(size)));
        Ok(ExitCode::SUCCESS)
    }
}
