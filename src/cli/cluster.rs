//! `wordloom cluster`: groups of words with near vectors.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use wordloom::cluster::{ClusterOptions, Clustering};
use wordloom::{Embeddings, train};

use super::progress::{self, OnSignal, say};
use super::query::tags_of;
use super::{note, outputs, show};

const EXAMPLES: &str = "Examples:
  wordloom cluster my.safetensors                       100 groups of words
  wordloom cluster my.safetensors -k 500 --top 50000 -o groups.tsv
  wordloom cluster documents.safetensors --tag -k 20 --json

OUT has a line for each word: the word, the number of its group, and its cosine with
the group's centre, apart by tabs. Groups are numbered from 1, the largest first.";

/// Group words whose vectors are near (spherical k-means)
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cluster {
    /// The model
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// How many groups
    #[arg(short, long = "clusters", value_name = "N", default_value_t = 100)]
    k: usize,
    /// Group the N most frequent words [default: all]
    #[arg(long, value_name = "N")]
    top: Option<usize>,
    /// Group tags (documents), not words
    #[arg(long)]
    tag: bool,
    /// Write the group of each word to this file
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// How many typical words of a group to show
    #[arg(long, value_name = "N", default_value_t = 8)]
    words: usize,
    /// The most rounds
    #[arg(long, value_name = "N", default_value_t = 50)]
    rounds: usize,
    /// The seed of the random numbers: the same seed gives the same groups
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Number of threads, which does not change the groups [default: all processors]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Cluster {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let pool = train::pool(self.threads)?;
        if let Some(output) = &self.output {
            outputs::check(&[output], std::slice::from_ref(&self.model))?;
        }
        progress::listen(OnSignal::Stop);
        let mut model = wordloom::format::read(&self.model)?;
        note(&model.provenance.notes);
        if self.tag {
            model = tags_of(&self.model, &model)?;
        }
        let rows = self.top.unwrap_or(usize::MAX);
        let options =
            ClusterOptions { clusters: self.k, rows, rounds: self.rounds, seed: self.seed };
        let found = progress::bar(
            self.quiet || self.json,
            (self.rounds as u64, "of the rounds at most"),
            |progress| &progress.done,
            |progress| pool.install(|| Clustering::of(&model, &options, progress)),
        )?;
        if !found.rounds.1 {
            say(&format!(
                "wordloom: words still moved in round {}: raise --rounds",
                found.rounds.0
            ));
        }
        if let Some(output) = &self.output {
            write(output, &model, &found)?;
            let groups = show::counted(found.groups.len() as u64, "group", "groups");
            let words = show::number(found.of.len() as u64);
            say(&format!("{words} words in {groups} -> {}", output.display()));
        }
        self.print(&model, &found)?;
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, model: &Embeddings, found: &Clustering) -> std::io::Result<()> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let typical = |group: usize| -> Vec<String> {
            found.typical(group, self.words).into_iter().map(|id| model.vocab.text(id)).collect()
        };
        if !self.json {
            writeln!(out, "group   words  cohesion  typical words")?;
        }
        for (group, rows) in found.groups.iter().enumerate() {
            let (number, size, cohesion) = (group + 1, rows.len(), found.cohesion(group));
            if self.json {
                let facts = json!({
                    "group": number, "words": size, "cohesion": show::rounded(cohesion),
                    "typical": typical(group),
                });
                writeln!(out, "{facts}")?;
                continue;
            }
            let words = typical(group).join(" ");
            let size = show::number(size as u64);
            writeln!(out, "{number:>5}  {size:>6}  {cohesion:>8.3}  {}", show::shown(&words))?;
        }
        out.flush()
    }
}

/// Writes the group of each word.
fn write(path: &Path, model: &Embeddings, found: &Clustering) -> wordloom::Result<()> {
    wordloom::replace(path, |out| {
        let io = |source| wordloom::Error::Io { path: path.into(), source };
        for ((id, group), cosine) in (0..).zip(&found.of).zip(&found.cosines) {
            let word = model.vocab.word(id);
            // A word has neither tabs nor line ends, unless another program has put them there.
            let plain: Vec<u8> =
                word.iter().map(|b| if b"\t\n\r".contains(b) { b'_' } else { *b }).collect();
            out.write_all(&plain).map_err(io)?;
            writeln!(out, "\t{}\t{cosine:.4}", group + 1).map_err(io)?;
        }
        Ok(())
    })
}
