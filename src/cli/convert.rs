//! `wordloom convert`: writes word vectors in another format.

use std::path::PathBuf;
use std::process::ExitCode;

use wordloom::Error;
use wordloom::format::{self, Format};

use super::progress::say;
use super::{format_parser, show, warn_of_loss};

const EXAMPLES: &str = "Examples:
  wordloom convert my.safetensors my.vec                  to word2vec text
  wordloom convert GoogleNews.bin news.safetensors        opens at once from then on
  wordloom convert cc.en.300.bin en.safetensors           fastText's, n-grams included
  wordloom convert my.safetensors my.bin                  to fastText's format where there are n-grams
  wordloom convert my.safetensors vectors --to binary
  wordloom convert my.safetensors glove.txt --to glove    for programs that read GloVe's files";

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
}

impl Convert {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if self.to.is_none() && self.out.extension().is_some_and(|end| end == "ftz") {
            let problem = "quantised files are not written: name it .bin".into();
            return Err(Error::Input { path: self.out, problem }.into());
        }
        let model = format::read(&self.model)?;
        model.provenance.notes.iter().for_each(|note| say(&format!("wordloom: {note}")));
        let to = Format::to_write(&self.out, self.to, model.ngrams().is_some());
        warn_of_loss(&model, to);
        format::write(&model, &self.out, to)?;
        let (words, dim) = (show::number(model.vocab.len() as u64), model.dim());
        let size = std::fs::metadata(&self.out).map_or(0, |about| about.len());
        say(&format!("{words} words x {dim} -> {} ({})", self.out.display(), show::size(size)));
        Ok(ExitCode::SUCCESS)
    }
}
