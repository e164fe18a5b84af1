//! `wordloom info`: what a file of word vectors holds, and where it comes from.
//!
//! This file is over 300 lines because it shows whatever a model may hold.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use wordloom::format::{self, Format};
use wordloom::tables::{Role, Roles, Weights};
use wordloom::{Curve, Embeddings, Geometry, Ngrams, Provenance, cosines_by_distance};

use super::show::{self, settings, training};

const EXAMPLES: &str = "Examples:
  wordloom info my.safetensors
  wordloom info my.safetensors --geometry
  wordloom info all-MiniLM-L6-v2/ --json";

/// Show what a model holds and how it was made
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Info {
    /// The model, in any format that wordloom reads
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Which table of a transformer: token, position, segment, or the name of a tensor
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Describe how the vectors lie: lengths by rank, mean cosine, hubs, share of variance by
    /// direction; the tables of transformers are always described
    #[arg(long)]
    geometry: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Info {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let model = format::load(&self.model, self.table.as_deref())?;
        let (format, bytes) = if self.model.is_dir() {
            ("a transformer", 0)
        } else {
            let file = format::open(&self.model)?;
            (Format::of_content(&file).map_or("", Format::name), file.len() as u64)
        };
        let bad = model.count_not_finite();
        let foreign = self.geometry || wordloom::tables::is_model(&self.model);
        let lie = foreign.then(|| Lie::of(&self.model, &model)).transpose()?;
        let mut out = std::io::stdout().lock();
        if self.json {
            let facts = json!({
                "model": show::path(&self.model),
                "format": format,
                "bytes": bytes,
                "words": model.vocab.len(),
                "tags": model.tags().map(|tags| tags.vocab.len()),
                "dim": model.dim(),
                "not_finite": bad,
                "tensors": tensors(&model),
                "ngrams": model.ngrams().map(|ngrams| json!({
                    "min_n": ngrams.subwords.min_n,
                    "max_n": ngrams.subwords.max_n,
                    "buckets": ngrams.subwords.buckets,
                    "rows": ngrams.rows.len() / 4 / model.dim(),
                    "pruned": ngrams.pruned,
                    "bytes": ngrams.rows.len(),
                })),
                "geometry": lie.as_ref().map(Lie::json),
                "provenance": model.provenance,
            });
            writeln!(out, "{}", show::plain(facts))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut lines = vec![
            (
                "model",
                if bytes > 0 {
                    format!("{} ({format}, {})", self.model.display(), show::size(bytes))
                } else {
                    format!("{} ({format})", self.model.display())
                },
            ),
            ("words", show::number(model.vocab.len() as u64)),
            ("tags", model.tags().map_or_else(String::new, tags)),
            ("dimension", model.dim().to_string()),
            ("holds", show::list(&tensors(&model))),
            ("n-grams", model.ngrams().map_or_else(String::new, |all| ngrams(all, model.dim()))),
        ];
        if bad > 0 {
            let words = show::counted(bad as u64, "word has", "words have");
            lines.push(("damage", format!("{words} a vector with numbers that are not finite")));
        }
        lines.extend(lie.iter().flat_map(|lie| lie.lines(&model)));
        lines.extend(history(&model.provenance));
        for (name, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
            writeln!(out, "{name:<9} {}", show::shown(text))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How the vectors of a model lie, and its positions, where it has some.
struct Lie {
    vectors: Geometry,
    /// The mean cosine of two positions, by their distance.
    positions: Vec<(usize, f64)>,
}

impl Lie {
    fn of(path: &Path, model: &Embeddings) -> anyhow::Result<Self> {
        let mut positions = Vec::new();
        if wordloom::tables::is_model(path) {
            let weights = Weights::open(path)?;
            let roles = Roles::of(&weights);
            if roles.get(Role::Position).is_some() {
                let table = weights.table(Role::Position.name())?;
                positions = cosines_by_distance(&table, roles.offset);
            }
        }
        Ok(Self { vectors: Geometry::of(model), positions })
    }

    fn lines(&self, model: &Embeddings) -> Vec<(&'static str, String)> {
        let of = &self.vectors;
        let number = |n: usize| show::number(n as u64);
        let lengths = of.lengths.iter().map(|band| {
            format!("{:.3} (rows {} to {})", band.mean, number(band.first), number(band.last))
        });
        let lengths = lengths.collect::<Vec<_>>().join(", ");
        let sample = if of.sample < model.vocab.len() {
            format!(" (of {} rows, drawn evenly)", number(of.sample))
        } else {
            String::new()
        };
        let shares = of.directions.iter().map(|(n, share)| {
            let which = if *n == 1 { "the first".into() } else { format!("the first {n}") };
            format!("{which} {:.1} %", 100.0 * share)
        });
        let shares = shares.collect::<Vec<_>>().join(", ");
        let hub = of.hub.map_or_else(String::new, |(id, times)| {
            let name = model.vocab.text(id);
            format!("; most often: '{name}', {}", show::counted(times as u64, "time", "times"))
        });
        let positions = self.positions.iter().map(|(n, cosine)| format!("{cosine:.3} ({n} apart)"));
        vec![
            ("lengths", format!("{lengths}; correlation with rank {:.2}", of.length_by_rank)),
            ("cosine", format!("{:.4} of two rows on average", of.mean_cosine)),
            ("variance", format!("directions: {shares}{sample}")),
            (
                "hubs",
                format!(
                    "how often a row is among the 10 nearest of others has a skewness of {:.2}{sample}{hub}",
                    of.skewness
                ),
            ),
            ("positions", positions.collect::<Vec<_>>().join(", ")),
        ]
    }

    fn json(&self) -> Value {
        let of = &self.vectors;
        let known = |x: f64| x.is_finite().then(|| show::rounded(x));
        let lengths = of.lengths.iter().map(
            |band| json!({ "first": band.first, "last": band.last, "mean": known(band.mean) }),
        );
        let pairs = |all: &[(usize, f64)], name: &str, value: &str| {
            let pair = |(n, x): &(usize, f64)| json!({ name: n, value: known(*x) });
            all.iter().map(pair).collect::<Vec<Value>>()
        };
        json!({
            "lengths": lengths.collect::<Vec<_>>(),
            "length_by_rank": known(of.length_by_rank),
            "mean_cosine": known(of.mean_cosine),
            "sample": of.sample,
            "hubness_skewness": known(of.skewness),
            "hub": of.hub.map(|(row, times)| json!({ "row": row, "times": times })),
            "variance": pairs(&of.directions, "directions", "share"),
            "positions": pairs(&self.positions, "distance", "cosine"),
        })
    }
}

/// The names of what a model holds besides its words.
fn tensors(model: &Embeddings) -> Vec<&'static str> {
    let there = [
        ("input", true),
        ("output", model.has_output()),
        ("n-grams", model.ngrams().is_some()),
        ("positions", model.positions().is_some()),
        ("tags", model.tags().is_some()),
        ("counts", !model.vocab.counts.is_empty()),
    ];
    there.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

/// Describes the tags: how many there are, and the first.
fn tags(all: &Embeddings) -> String {
    format!("{}, the first is {}", show::number(all.vocab.len() as u64), all.vocab.text(0))
}

/// Describes the n-grams that have vectors: their lengths, their buckets and their size.
fn ngrams(all: &Ngrams, dim: usize) -> String {
    let Ngrams { subwords, rows, pruned, .. } = all;
    let kept = match (rows.len() / 4 / dim.max(1), subwords.buckets as usize) {
        (rows, buckets) if rows == buckets => String::new(),
        (rows, _) => format!(", {} of them kept", show::number(rows as u64)),
    };
    format!(
        "{} to {} characters in {} buckets{kept}{} ({})",
        subwords.min_n,
        subwords.max_n,
        show::number(subwords.buckets),
        if *pruned { " by pruning" } else { "" },
        show::size(rows.len() as u64)
    )
}

/// The lines that tell how a model was made, as far as that is known.
fn history(of: &Provenance) -> Vec<(&'static str, String)> {
    if of.method.is_empty() {
        return vec![
            ("made by", of.program.clone()),
            ("table", settings(&of.settings)),
            ("changed", of.post.join(", ")),
            ("note", of.notes.join("; ")),
        ];
    }
    let time = show::time(Duration::from_secs_f64(of.seconds.clamp(0.0, 1e15)));
    let time = if of.seconds > 0.0 { format!(", in {time} ({})", of.simd) } else { String::new() };
    let corpus = &of.corpus;
    let mut lines = vec![
        ("made by", format!("{}, {}{time}", of.program, of.method)),
        ("settings", training(&of.method, &of.settings)),
        ("begun", begun(&of.begun_from)),
        ("changed", of.post.join(", ")),
        ("loss", show::losses(&of.losses)),
    ];
    lines.extend(curve(&of.curve));
    lines.push(("text", text(&of.text)));
    let words = format!("{} words", show::number(corpus.words_read));
    if corpus.bytes_read == 0 {
        // The file was written by another program, and it says no more.
        lines.push(("text", words));
        return lines;
    }
    lines.push((
        "",
        format!(
            "{words}, {} different, {}",
            show::number(corpus.types_read),
            show::size(corpus.bytes_read)
        ),
    ));
    lines.push((
        "corpus",
        format!(
            "{} tokens in {}, hash {:016x}",
            show::number(corpus.tokens),
            show::counted(corpus.sentences, "sentence", "sentences"),
            corpus.hash
        ),
    ));
    if corpus.invalid_utf8 > 0 {
        lines.push((
            "",
            show::counted(corpus.invalid_utf8, "word is not UTF-8", "words are not UTF-8"),
        ));
    }
    lines
}

/// The model that training began with.
fn begun(of: &Value) -> String {
    let (Some(words), Some(common)) = (of["words"].as_u64(), of["words_in_common"].as_u64()) else {
        return String::new();
    };
    let frozen = if of["frozen"] == true { ", which stayed as they were" } else { "" };
    let (name, words) = (of["model"].as_str().unwrap_or("a model"), show::number(words));
    format!("with {name} ({words} words): {} in common{frozen}", show::number(common))
}

/// The scores that were taken while a model was trained: a chart for each set.
fn curve(of: &Curve) -> Vec<(&'static str, String)> {
    let Some(last) = of.points.last() else { return Vec::new() };
    let times = show::counted(of.points.len() as u64, "time", "times");
    let kept = of.best.map_or_else(String::new, |best| {
        let epochs = of.points.get(best).map_or(0.0, |point| point.epochs);
        format!("; the best is kept, after {} epochs", show::rounded(epochs))
    });
    let epochs = show::rounded(last.epochs);
    let mut lines = vec![("scores", format!("{times} in {epochs} epochs{kept}"))];
    let width = of.sets.iter().map(|name| show::width(name)).max().unwrap_or(0);
    lines.extend((0..of.sets.len()).map(|set| {
        let scores: Vec<f64> = of
            .points
            .iter()
            .map(|point| point.scores.get(set).copied().flatten().unwrap_or(f64::NAN))
            .collect();
        ("", format!("{}  {}", show::padded(&of.sets[set], width), show::chart(&scores)))
    }));
    lines
}

/// The text that a model was trained on, and how it was read.
fn text(of: &Value) -> String {
    let Some(all) = of.as_object() else { return String::new() };
    if let Some(graph) = all.get("graph") {
        let (mut how, mut all) = (graph.clone(), all.clone());
        let file = how.as_object_mut().and_then(|how| how.shift_remove("graph"));
        all.shift_remove("graph");
        let walks = all.shift_remove("walks").unwrap_or_default();
        let how = [settings(&how), settings(&walks), settings(&Value::Object(all))];
        let how: Vec<String> = how.into_iter().filter(|text| !text.is_empty()).collect();
        return format!("{} ({})", input(&file.unwrap_or_default()), how.join(", "));
    }
    let all = all.get("sessions").and_then(Value::as_object).unwrap_or(all);
    let inputs = all.get("inputs").and_then(Value::as_array).into_iter().flatten();
    let inputs: Vec<String> = inputs.map(input).collect();
    let mut rest = all.clone();
    rest.shift_remove("inputs");
    let tokenizer = rest.shift_remove("tokenizer").map(|how| settings(&how)).unwrap_or_default();
    let how =
        [settings(&Value::Object(rest)), tokenizer].into_iter().filter(|text| !text.is_empty());
    let how = how.collect::<Vec<_>>().join(", ");
    inputs.join(" ") + &if how.is_empty() { String::new() } else { format!(" ({how})") }
}

/// The name of an input. One that is not UTF-8 is stored as its bytes.
fn input(of: &Value) -> String {
    let bytes = || of.as_array().into_iter().flatten().filter_map(Value::as_u64).map(|b| b as u8);
    of.as_str().map_or_else(
        || String::from_utf8_lossy(&bytes().collect::<Vec<_>>()).into_owned(),
        Into::into,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_told_in_a_line() {
        let counting = json!({
            "inputs": ["a.txt", "b"], "tokenizer": { "lowercase": true, "unicode_words": false }, "min_count": 5,
            "max_vocab": null, "vocab_file": null, "strict": false,
        });
        assert_eq!(text(&counting), "a.txt b (min count 5, lowercase)");
        let walks = json!({ "graph": { "graph": "g.tsv", "directed": true }, "walks": { "p": 0.5 }, "seed": 3 });
        assert_eq!(text(&walks), "g.tsv (directed, p 0.5, seed 3)");
        let sessions = json!({ "sessions": { "inputs": ["e.csv"], "item": "sku", "hold_out": 1 } });
        assert_eq!(text(&sessions), "e.csv (item sku, hold out 1)");
        assert_eq!(text(&json!({ "inputs": [[99, 255]] })), "c\u{fffd}");
        assert_eq!(text(&Value::Null), "");
    }
}
