//! The names of the rows of a token matrix.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::numbered;
use crate::corpus::Vocab;
use crate::error::{Error, Result};
use crate::text::{Pieces, Tokens, of_bytes, spaced};

/// The names of `rows` tokens, by the tokenizer in a folder, and how it divides text, where that is
/// known. Rows without a name have their number in brackets; without a tokenizer all names are
/// numbers. What does not fit is noted.
pub(super) fn tokens(
    from: &Names,
    config: &Value,
    rows: usize,
    notes: &mut Vec<String>,
) -> Result<(Vocab, Option<Pieces>)> {
    let Some(Tokens { source, path, named, pieces }) = from.read()? else {
        notes.push("no tokenizer beside it: rows are named by their numbers".into());
        return Ok((numbered(rows), None));
    };
    let beyond = named.iter().filter(|(id, _)| *id >= rows as u64).count();
    let mut names: Vec<Option<Vec<u8>>> = vec![None; rows];
    for (id, name) in named {
        if let Some(place) = usize::try_from(id).ok().and_then(|id| names.get_mut(id)) {
            *place = Some(name);
        }
    }
    let without = names.iter().filter(|name| name.is_none()).count();
    if without == rows {
        let problem = format!("names none of the {rows} rows: is it of another model?");
        return Err(Error::input(path, problem));
    }
    let many =
        |n: usize, what: &str| if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") };
    if without > 0 {
        notes
            .push(format!("{} without a name in {source}, named by numbers", many(without, "row")));
    }
    if beyond > 0 {
        notes.push(format!("{} of {source} without a row, left out", many(beyond, "name")));
    }
    if let Some(size) = config["vocab_size"].as_u64().filter(|&size| size != rows as u64) {
        notes.push(format!(
            "the configuration speaks of {size} tokens, and the matrix has {rows} rows"
        ));
    }
    let name = |(row, name): (usize, Option<Vec<u8>>)| {
        name.unwrap_or_else(|| format!("[row {row}]").into_bytes())
    };
    let names: Vec<Vec<u8>> = names.into_iter().enumerate().map(name).collect();
    Ok((Vocab::new(&names, Vec::new()), pieces))
}

/// Where the names of tokens are.
pub(super) enum Names {
    /// In the files of a folder.
    In(PathBuf),
    /// In a GGUF file, in the order of their rows, spelled as this kind of tokenizer does.
    Listed(PathBuf, String, Vec<Vec<u8>>),
}

impl Names {
    /// The names in a GGUF file with these facts; none if it has no list of tokens.
    pub(super) fn listed(
        path: &Path,
        tokens: Option<Vec<Vec<u8>>>,
        facts: &Map<String, Value>,
    ) -> Self {
        let kind = facts.get("tokenizer.ggml.model").and_then(Value::as_str).unwrap_or_default();
        Self::Listed(path.into(), kind.into(), tokens.unwrap_or_default())
    }

    fn read(&self) -> Result<Option<Tokens>> {
        match self {
            Self::In(folder) => Tokens::of_folder(folder),
            Self::Listed(_, _, tokens) if tokens.is_empty() => Ok(None),
            Self::Listed(path, kind, tokens) => {
                let name = |token: &Vec<u8>| unspelled(kind, token);
                let named = (0..).zip(tokens.iter().map(name)).collect();
                // llama.cpp's own `WordPiece` puts every text in lower case.
                let pieces = (kind == "bert").then(|| Pieces::of_bert(true));
                Ok(Some(Tokens { source: "the file", path: path.clone(), named, pieces }))
            }
        }
    }
}

/// The name of a token that a GGUF file spells as a kind of tokenizer does.
fn unspelled(kind: &str, token: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(token) else { return token.to_vec() };
    match kind {
        "gpt2" => of_bytes(text).unwrap_or_else(|| token.to_vec()),
        // Here a piece that begins a word has the mark, in place of those that continue one.
        "bert" if text.starts_with('[') && text.ends_with(']') => token.to_vec(),
        "bert" => match text.strip_prefix('\u{2581}') {
            Some(begins) => begins.as_bytes().to_vec(),
            None => format!("##{text}").into_bytes(),
        },
        _ => spaced(text).into_bytes(),
    }
}
