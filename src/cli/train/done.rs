//! What is done after a training: the model is written, and a report.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use wordloom::Embeddings;
use wordloom::format::{self, Format};

use crate::cli::progress::say;
use crate::cli::{note, show, warn_of_loss};

/// The number of tokens, or of pairs of words, learnt in a second.
pub(crate) fn speed(model: &Embeddings) -> f64 {
    let history = &model.provenance;
    let seen = if history.pairs_seen > 0 { history.pairs_seen } else { history.tokens_seen };
    seen as f64 / history.seconds.max(1e-9)
}

/// The name of what is learnt of a text, or of what it stands for, as a history describes it.
pub(super) fn unit(text: &Value) -> &'static str {
    match text {
        text if text.get("graph").is_some() => "nodes",
        text if text.get("sessions").is_some() => "items",
        _ => "words",
    }
}

/// The name of what [`speed`] counts.
pub(super) fn learnt(model: &Embeddings) -> &'static str {
    if model.provenance.pairs_seen > 0 { "pairs" } else { unit(&model.provenance.text) }
}

/// Writes a trained model. Whoever asks to stop now gets the model, as it is done.
pub(super) fn write(
    model: &mut Embeddings,
    output: &Path,
    to: Option<Format>,
) -> wordloom::Result<()> {
    let format = Format::to_write(output, to, model.ngrams().is_some())?;
    warn_of_loss(model, format);
    model.provenance.peak_memory = peak_memory();
    let notes = if model.provenance.settings["reproducible"] == true {
        let mut same = model.clone();
        same.provenance = model.provenance.reproducible();
        format::write(&same, output, format)?
    } else {
        format::write(model, output, format)?
    };
    note(&notes);
    Ok(())
}

/// A longer word is not suggested.
const LONGEST_SHOWN: usize = 40;

/// Says on stderr how the training went and which command to try next.
pub(super) fn summarise(model: &Embeddings, output: &Path) {
    let history = &model.provenance;
    let time = show::time(Duration::from_secs_f64(history.seconds));
    let size = show::size(std::fs::metadata(output).map_or(0, |about| about.len()));
    let (words, file) = (show::number(model.vocab.len() as u64), show::argument(output));
    say(&format!("trained in {time}: {} {}/s", show::short(speed(model)), learnt(model)));
    say(&format!("loss per epoch: {}", show::losses(&history.losses)));
    let unit = unit(&history.text);
    say(&format!("model: {} ({words} {unit} x {}, {size})", output.display(), model.dim()));
    let word = if unit == "words" { typical(model) } else { model.vocab.text(0) };
    if word.chars().nth(LONGEST_SHOWN).is_some() {
        return;
    }
    let word = show::argument(Path::new(&word));
    say(&match unit {
        "items" => format!("next: wordloom recommend {file} --session {word}"),
        _ => format!("next: wordloom similar {file} {word}"),
    });
}

/// A word to try: the most frequent one of at least five letters, since most shorter words are
/// particles.
fn typical(model: &Embeddings) -> String {
    let word = |id: u32| model.vocab.text(id);
    let good =
        |id: &u32| word(*id).chars().count() >= 5 && word(*id).chars().all(char::is_alphabetic);
    word((0..model.vocab.len() as u32).find(good).unwrap_or(0))
}

/// The most memory that this process has used so far, in bytes. It includes the parts of mapped
/// files that were touched. It is known on Linux only.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
