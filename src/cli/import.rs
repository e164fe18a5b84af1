//! `wordloom import`: vectors that a service or a program computed, as a model.

use std::path::PathBuf;
use std::process::ExitCode;

use wordloom::format::{self, Format, ImportOptions};

use super::progress::{self, OnSignal, say};
use super::{format_parser, note, outputs, show};

const EXAMPLES: &str = "Examples:
  wordloom import answers.jsonl -o texts.safetensors             {\"text\": ..., \"embedding\": [...]}
  wordloom import reviews.csv -o reviews.safetensors --text combined --vector ada
  wordloom import vectors.npy -o mine.safetensors --names names.txt
  wordloom import arrays.npz -o mine.safetensors --vector emb --text words
  wordloom import answers.jsonl -o short.safetensors --dims 256   the first 256 numbers
Then:
  wordloom similar texts.safetensors 'a text that is in it'";

/// Make a model of vectors that a service or another program computed
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// JSON lines (.jsonl; also the answers of a batch), CSV with a column of lists (.csv), NumPy's
    /// arrays (.npy, .npz), or Parquet with a column of lists (.parquet, in builds that have it)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write the model
    #[arg(short, long, value_name = "MODEL")]
    output: PathBuf,
    #[command(flatten)]
    options: ImportOptions,
    /// The format to write [default: by MODEL's extension, or else safetensors]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    to: Option<Format>,
}

impl Import {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let inputs = [&[self.file.clone()][..], self.options.names.as_slice()].concat();
        outputs::check(&[&self.output], &inputs)?;
        progress::listen(OnSignal::End);
        let to = Format::to_write(&self.output, self.to, false)?;
        let model = format::import(&self.file, &self.options)?;
        note(&format::write(&model, &self.output, to)?);
        let (rows, dim) = (show::number(model.vocab.len() as u64), model.dim());
        let size = std::fs::metadata(&self.output).map_or(0, |about| about.len());
        say(&format!("{rows} vectors x {dim} -> {} ({})", self.output.display(), show::size(size)));
        Ok(ExitCode::SUCCESS)
    }
}
