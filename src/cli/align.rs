//! `wordloom align`: brings a model into the space of another, and tells which words have moved.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;
use wordloom::align::{Moved, align, common, moved};
use wordloom::format::{self, Format};
use wordloom::{Embeddings, Error, Result};

use super::progress::{self, OnSignal, say};
use super::{format_parser, note, outputs, show, warn_of_loss};

const EXAMPLES: &str = "Examples:
  wordloom align 1990s.safetensors 2010s.safetensors            words whose use has changed
  wordloom align 1990s.safetensors 2010s.safetensors -o 2010s-in-1990s.safetensors
  wordloom align en.vec de.vec --words en-de.txt -o de-in-en.safetensors

The vectors of MODEL are rotated (orthogonal Procrustes), so that its distances stay. A
line of --words is a word of REFERENCE and one of MODEL, apart by a tab or a space.";

/// Rotate a model into the space of another, and find the words that moved most
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Align {
    /// The model whose space stays
    #[arg(value_name = "REFERENCE")]
    reference: PathBuf,
    /// The model that is rotated
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Where to write the rotated model
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// The format to write [default: by OUT's extension, or else safetensors]
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), requires = "output")]
    to: Option<Format>,
    /// Pairs of words that mean the same, for models of two languages [default: all words that both
    /// models have]
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
    /// How many of the words that moved most to show; 0 for none
    #[arg(short, value_name = "N", default_value_t = 20)]
    k: usize,
    /// Neighbours of a word that are compared
    #[arg(long, value_name = "N", default_value_t = 50)]
    near: usize,
    /// Words that are looked at for moves: the most frequent ones
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    among: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Align {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let mut inputs = vec![self.reference.clone(), self.model.clone()];
        inputs.extend(self.words.clone());
        if let Some(output) = &self.output {
            outputs::check(&[output], &inputs)?;
        }
        progress::listen(OnSignal::End);
        let reference = format::read(&self.reference)?;
        let model = format::read(&self.model)?;
        note(&[reference.provenance.notes.clone(), model.provenance.notes.clone()].concat());
        let pairs = match &self.words {
            None => common(&reference.vocab, &model.vocab),
            Some(file) => pairs_in(file, &reference, &model)?,
        };
        let mut aligned =
            align(&reference, &model, &pairs).with_context(|| show::path(&self.model))?;
        if model.positions().is_some() {
            note(&["weights of positions can't follow the rotation, and are left out".into()]);
        }
        let by = match &self.words {
            None => format!(
                "aligned to {} by {} common words",
                show::path(&self.reference),
                pairs.len()
            ),
            Some(file) => {
                let (to, words) = (show::path(&self.reference), show::path(file));
                format!("aligned to {to} by {} pairs of {words}", pairs.len())
            }
        };
        aligned.model.provenance.post.push(by);
        if let Some(output) = &self.output {
            let to = Format::to_write(output, self.to, aligned.model.ngrams().is_some())?;
            warn_of_loss(&aligned.model, to);
            note(&format::write(&aligned.model, output, to)?);
        }
        let moves = if self.k == 0 || self.words.is_some() {
            Vec::new()
        } else {
            // A word is as frequent as where it is rarer.
            let mut asked = pairs.clone();
            asked.sort_by_key(|ids| ids[0].max(ids[1]));
            asked.truncate(self.among);
            let models = [&reference, &aligned.model];
            progress::bar(
                self.json,
                (2 * asked.len() as u64, "looking for neighbours"),
                |progress| &progress.done,
                |progress| moved(models, &pairs, &asked, self.near, progress),
            )?
        };
        self.print((&reference, &aligned.model), (pairs.len(), aligned.cosines), &moves)?;
        Ok(ExitCode::SUCCESS)
    }

    fn print(
        &self,
        (reference, model): (&Embeddings, &Embeddings),
        (pairs, [before, after]): (usize, [f64; 2]),
        moves: &[Moved],
    ) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        let names = |model: &Embeddings, ids: &[u32], most: usize| -> Vec<String> {
            ids.iter().take(most).map(|&id| model.vocab.text(id)).collect()
        };
        let most_moved = moves.iter().take(self.k);
        if self.json {
            let moved = most_moved.map(|word| {
                json!({
                    "word": reference.vocab.text(word.ids[0]), "shared": show::rounded(word.shared),
                    "cosine": show::rounded(word.cosine),
                    "reference": names(reference, &word.near[0], 10),
                    "model": names(model, &word.near[1], 10),
                })
            });
            let facts = json!({
                "pairs": pairs, "cosine_before": show::rounded(before),
                "cosine": show::rounded(after), "near": self.near, "moved": moved.collect::<Vec<_>>(),
            });
            return writeln!(out, "{facts}");
        }
        let words = show::number(pairs as u64);
        writeln!(out, "{words} pairs of words, mean cosine {after:.3} ({before:.3} before)")?;
        if let Some(output) = &self.output {
            say(&format!(
                "{} words x {} -> {}",
                show::number(model.vocab.len() as u64),
                model.dim(),
                output.display()
            ));
        }
        if moves.is_empty() {
            return Ok(());
        }
        let mean = moves.iter().map(|word| word.shared).sum::<f64>() / moves.len() as f64;
        writeln!(
            out,
            "\nmoved most, of {}: the share of {} neighbours that both have ({:.0} % on average)",
            show::counted(moves.len() as u64, "word", "words"),
            self.near,
            100.0 * mean
        )?;
        for word in most_moved {
            let name = reference.vocab.text(word.ids[0]);
            let name = show::padded(&show::shown(&name), 16);
            let shown =
                |model, ids: &[u32]| show::shown(&names(model, ids, 5).join(", ")).into_owned();
            let (first, second) = (shown(reference, &word.near[0]), shown(model, &word.near[1]));
            writeln!(out, "  {name} {:>3.0} %  {first}", 100.0 * word.shared)?;
            writeln!(out, "  {:16}        {second}", "")?;
        }
        Ok(())
    }
}

/// The pairs of words in a file, by their ids. What a model lacks is counted.
fn pairs_in(file: &Path, reference: &Embeddings, model: &Embeddings) -> Result<Vec<[u32; 2]>> {
    let text = std::fs::read(file).map_err(|source| Error::Io { path: file.into(), source })?;
    let text = String::from_utf8_lossy(&text);
    let (mut pairs, mut unknown) = (Vec::new(), 0);
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let words: Vec<&str> = match line.split_once('\t') {
            Some((a, b)) => vec![a.trim(), b.trim()],
            None => line.split_whitespace().collect(),
        };
        let &[a, b] = &words[..] else {
            let problem = format!("line {number}: two words are needed, apart by a tab or a space");
            return Err(Error::Input { path: file.into(), problem });
        };
        match (reference.vocab.id(a.as_bytes()), model.vocab.id(b.as_bytes())) {
            (Some(a), Some(b)) => pairs.push([a, b]),
            _ => unknown += 1,
        }
    }
    if unknown > 0 {
        let lines = show::counted(unknown, "pair has a word", "pairs have words");
        say(&format!("wordloom: {}: {lines} that a model lacks, left out", file.display()));
    }
    Ok(pairs)
}
