//! The names of tokens, where programs keep them: `tokenizer.json`, `vocab.txt`, `vocab.json`.

use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{json_of, numbered};
use crate::corpus::Vocab;
use crate::error::{Error, Result};
use crate::pieces::Pieces;

/// The names of `rows` tokens, by the tokenizer in a folder, and how it divides text, where that is
/// known. Rows without a name have their number in brackets; without a tokenizer all names are
/// numbers. What does not fit is noted.
pub(super) fn tokens(
    from: &Names,
    config: &Value,
    rows: usize,
    notes: &mut Vec<String>,
) -> Result<(Vocab, Option<Pieces>)> {
    let Some(Tokenizer { source, path, named, pieces }) = from.read()? else {
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

/// Names with their numbers.
type Named = Vec<(u64, Vec<u8>)>;

/// What a folder has of a tokenizer.
struct Tokenizer {
    /// What the names are from.
    source: &'static str,
    /// The file.
    path: PathBuf,
    named: Named,
    /// How it divides text, where that is known.
    pieces: Option<Pieces>,
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

    fn read(&self) -> Result<Option<Tokenizer>> {
        match self {
            Self::In(folder) => read(folder),
            Self::Listed(_, _, tokens) if tokens.is_empty() => Ok(None),
            Self::Listed(path, kind, tokens) => {
                let name = |token: &Vec<u8>| unspelled(kind, token);
                let named = (0..).zip(tokens.iter().map(name)).collect();
                // llama.cpp's own `WordPiece` puts every text in lower case.
                let pieces = (kind == "bert").then(|| Pieces::of_bert(true));
                Ok(Some(Tokenizer { source: "the file", path: path.clone(), named, pieces }))
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

/// Reads the tokenizer of a folder.
fn read(folder: &Path) -> Result<Option<Tokenizer>> {
    let path = folder.join("tokenizer.json");
    if let Some(file) = json_of::<TokenizerFile>(&path)? {
        let pieces = Pieces::of_tokenizer(&file.model.rest, &file.rest);
        let named = file.names();
        return Ok(Some(Tokenizer { source: "tokenizer.json", path, named, pieces }));
    }
    let path = folder.join("vocab.json");
    if let Some(vocab) = json_of::<VocabJson>(&path)? {
        let named = vocab.names(true);
        return Ok(Some(Tokenizer { source: "vocab.json", path, named, pieces: None }));
    }
    let path = folder.join("vocab.txt");
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read(&path).map_err(Error::io(&path))?;
    let lines = text.strip_suffix(b"\n").unwrap_or(&text).split(|&byte| byte == b'\n');
    let name = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    let named: Named = (0..).zip(lines.map(name)).collect();
    // A list with this piece is one of BERT's.
    let lowercase = || -> Result<bool> {
        let config =
            json_of::<Value>(&folder.join("tokenizer_config.json"))?.unwrap_or(Value::Null);
        Ok(config["do_lower_case"].as_bool().unwrap_or(true))
    };
    let of_bert = named.iter().any(|(_, name)| name == b"[UNK]");
    let pieces = of_bert.then(lowercase).transpose()?.map(Pieces::of_bert);
    Ok(Some(Tokenizer { source: "vocab.txt", path, named, pieces }))
}

/// What is read of a `tokenizer.json`. The list of merges, most of the file, is skipped.
#[derive(serde::Deserialize)]
struct TokenizerFile {
    model: ModelJson,
    added_tokens: Option<Vec<Added>>,
    /// The steps before and after the model.
    #[serde(flatten)]
    rest: Value,
}

#[derive(serde::Deserialize)]
struct ModelJson {
    vocab: VocabJson,
    #[serde(rename = "merges")]
    _merges: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Value,
}

/// A token that was added to the vocabulary.
#[derive(serde::Deserialize)]
struct Added {
    id: u64,
    content: String,
}

/// A list of tokens, as they are spelled there.
enum VocabJson {
    /// A map to their numbers.
    Map(Vec<(String, u64)>),
    /// A list with scores, in the order of their numbers.
    List(Vec<(String, f64)>),
}

impl<'de> Deserialize<'de> for VocabJson {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = VocabJson;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a map of tokens to numbers, or a list of tokens with scores")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<VocabJson, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(VocabJson::Map(all))
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> std::result::Result<VocabJson, A::Error> {
                let mut all = Vec::new();
                while let Some(entry) = list.next_element()? {
                    all.push(entry);
                }
                Ok(VocabJson::List(all))
            }
        }
        from.deserialize_any(Either)
    }
}

impl TokenizerFile {
    /// The names of the model and those that were added.
    fn names(self) -> Named {
        let bytes = ["pre_tokenizer", "decoder"].iter().any(|part| is_of_bytes(&self.rest[*part]));
        let mut names = self.model.vocab.names(bytes);
        let added = self.added_tokens.into_iter().flatten();
        names.extend(added.map(|added| (added.id, added.content.into_bytes())));
        names
    }
}

impl VocabJson {
    /// The names. Where they are written in GPT-2's alphabet of bytes, they are read as these bytes.
    fn names(self, bytes: bool) -> Named {
        match self {
            Self::Map(all) => {
                let name = |name: String| {
                    let of_bytes = of_bytes(&name).filter(|_| bytes);
                    of_bytes.unwrap_or_else(|| {
                        if bytes { name.into_bytes() } else { spaced(&name).into_bytes() }
                    })
                };
                all.into_iter().map(|(text, id)| (id, name(text))).collect()
            }
            Self::List(all) => {
                (0..).zip(all).map(|(id, (text, _))| (id, spaced(&text).into_bytes())).collect()
            }
        }
    }
}

/// Whether a step of a tokenizer, or one in it, is of bytes.
fn is_of_bytes(step: &Value) -> bool {
    let inner = |list: &str| step[list].as_array().is_some_and(|all| all.iter().any(is_of_bytes));
    step["type"] == "ByteLevel" || inner("pretokenizers") || inner("decoders")
}

/// A name of `SentencePiece`, which writes `▁` for a space.
fn spaced(name: &str) -> String {
    name.replace('\u{2581}', " ")
}

/// The bytes of a name in GPT-2's alphabet, which has a visible letter for each byte: `Ġ` is a space.
/// `None` if a letter is none of them.
fn of_bytes(name: &str) -> Option<Vec<u8>> {
    let visible = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let hidden: Vec<u8> = (0u8..=255).filter(|&byte| !visible(byte.into())).collect();
    let byte = |letter: char| match u32::from(letter) {
        code if visible(code) => Some(code as u8),
        code => hidden.get((code as usize).checked_sub(256)?).copied(),
    };
    name.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_of_bytes_is_undone() {
        let text =
            |name: &str| of_bytes(name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert_eq!(text("Ġthe").unwrap(), " the");
        assert_eq!(text("ĊĠcafÃ©").unwrap(), "\n café");
        assert_eq!(text("Ń").unwrap().as_bytes(), "\u{fffd}".as_bytes(), "0xad alone is no UTF-8");
        assert_eq!(of_bytes("日"), None);
        // Every byte has one letter.
        let all: String = (0..256u32)
            .filter_map(char::from_u32)
            .chain((256..324).filter_map(char::from_u32))
            .collect();
        let mut bytes: Vec<u8> =
            all.chars().filter_map(|c| of_bytes(&c.to_string())).flatten().collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
    }
}
