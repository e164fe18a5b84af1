//! `wordloom input-embed`: the vectors that a transformer begins with.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use wordloom::tables::{InputTables, InputVector, Weights};
use wordloom::{Embeddings, Error};

use super::{note, show};

const EXAMPLES: &str = "Examples:
  wordloom input-embed all-MiniLM-L6-v2/ --ids 101,2332,102
  wordloom input-embed all-MiniLM-L6-v2/ --tokens '[CLS],king,[SEP]' --json
  wordloom input-embed all-MiniLM-L6-v2/ --text 'The unbelievable king'

Each token has a row of the token matrix, its place a row of the position matrix, and BERT's
models have a row for its segment. Their sum is what the first layer gets.";

/// Numbers of a vector that are shown.
const SHOWN: usize = 4;

/// Show the vectors that a transformer begins with: token, position, segment, and their sum
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InputEmbed {
    /// A safetensors file, or a folder with a model
    #[arg(value_name = "FILE|DIR")]
    model: PathBuf,
    /// The numbers of tokens, from 0
    #[arg(long, value_name = "N,...", value_delimiter = ',', required_unless_present_any = ["tokens", "text"])]
    ids: Vec<u32>,
    /// The tokens, as the model's vocabulary names them
    #[arg(long, value_name = "TOKEN,...", value_delimiter = ',', conflicts_with = "ids")]
    tokens: Vec<String>,
    /// A text, which is divided by the model's tokenizer
    #[arg(long, conflicts_with_all = ["ids", "tokens"])]
    text: Option<String>,
    /// Leave out the tokens that the tokenizer puts around a text, as in [CLS] ... [SEP]
    #[arg(long, conflicts_with_all = ["ids", "tokens"])]
    bare: bool,
    /// The segment of all tokens, where the model has segments
    #[arg(long, value_name = "N", default_value_t = 0)]
    segment: u32,
    /// Print JSON, with all numbers
    #[arg(long)]
    json: bool,
}

impl InputEmbed {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let weights = Weights::open(&self.model)?;
        let tables = InputTables::of(&weights)?;
        note(&tables.token.provenance.notes);
        let known = |tokens: &[String]| -> wordloom::Result<Vec<u32>> {
            tokens.iter().map(|token| tables.token.vocab.known(token)).collect()
        };
        let ids = match &self.text {
            Some(text) => {
                let pieces = self.pieces(&tables.token, text)?;
                let [before, after] = match tables.token.pieces() {
                    Some(pieces) if !self.bare => pieces.around(),
                    _ => [&[][..], &[]],
                };
                [known(before)?, pieces, known(after)?].concat()
            }
            None if self.ids.is_empty() => known(&self.tokens)?,
            None => self.ids.clone(),
        };
        let inside = |e: Error| Error::Input { path: self.model.clone(), problem: e.to_string() };
        let vectors = tables.vectors(&ids, self.segment).map_err(inside)?;
        let mut out = std::io::stdout().lock();
        for (place, (&id, vector)) in ids.iter().zip(&vectors).enumerate() {
            let name = tables.token.vocab.text(id);
            if self.json {
                writeln!(out, "{}", json_of(place, (id, &name), vector))?;
                continue;
            }
            writeln!(out, "{place}  {} (token {id})", show::shown(&name))?;
            for (what, vector) in parts(vector) {
                let first = vector.iter().take(SHOWN).map(|x| format!("{x:>9.5}"));
                let first = first.collect::<String>();
                writeln!(out, "  {what:<9} length {:>8.5}  {first} ...", length(vector))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl InputEmbed {
    /// The pieces of a text.
    fn pieces(&self, token: &Embeddings, text: &str) -> wordloom::Result<Vec<u32>> {
        let vocab = &token.vocab;
        let problem = "no tokenizer beside it whose rules are known: give --ids or --tokens";
        let unread = || Error::Input { path: self.model.clone(), problem: problem.into() };
        let pieces = token.pieces().ok_or_else(unread)?;
        let unknown = pieces.unknown().and_then(|unknown| vocab.id(unknown.as_bytes()));
        let found = pieces.split(|piece| vocab.id(piece), text).into_iter();
        let divided = || Error::Refused("a word of the text can't be divided".into());
        let ids = found.map(|piece| piece.or(unknown).ok_or_else(divided));
        let ids = ids.collect::<wordloom::Result<Vec<u32>>>()?;
        if ids.is_empty() { Err(Error::Refused("no word in the text".into())) } else { Ok(ids) }
    }
}

/// The vectors that there are, by their names.
fn parts(of: &InputVector) -> Vec<(&'static str, &Vec<f32>)> {
    let all = [
        ("token", Some(&of.token)),
        ("position", of.position.as_ref()),
        ("segment", of.segment.as_ref()),
        ("sum", Some(&of.sum)),
    ];
    all.into_iter().filter_map(|(what, vector)| Some((what, vector?))).collect()
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

fn json_of(place: usize, (id, name): (u32, &str), vector: &InputVector) -> Value {
    let mut all = json!({ "position": place, "id": id, "token": name });
    for (what, vector) in parts(vector) {
        let numbers: Vec<f64> = vector.iter().map(|&x| show::json(x)).collect();
        all[format!("{what}_vector")] = json!(numbers);
        all[format!("{what}_length")] = json!(show::rounded(length(vector)));
    }
    all
}
