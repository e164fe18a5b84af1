//! The names of tokens, where programs keep them: `tokenizer.json`, `vocab.txt`, `vocab.json`.

use std::path::Path;

use serde_json::Value;

use super::{json_of, numbered};
use crate::corpus::Vocab;
use crate::error::{Error, Result};
use crate::pieces::Pieces;

/// The names of `rows` tokens, by the tokenizer in a folder, and how it divides text, where that is
/// known. Rows without a name have their number in brackets; without a tokenizer all names are
/// numbers. What does not fit is noted.
pub(super) fn tokens(
    folder: &Path,
    config: &Value,
    rows: usize,
    notes: &mut Vec<String>,
) -> Result<(Vocab, Option<Pieces>)> {
    let Some(Tokenizer { source, named, pieces }) = read(folder)? else {
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
        return Err(Error::input(folder.join(source), problem));
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
        notes.push(format!("config.json speaks of {size} tokens, and the matrix has {rows} rows"));
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
    /// The file with the names.
    source: &'static str,
    named: Named,
    /// How it divides text, where that is known.
    pieces: Option<Pieces>,
}

/// Reads the tokenizer of a folder.
fn read(folder: &Path) -> Result<Option<Tokenizer>> {
    let path = folder.join("tokenizer.json");
    if let Some(json) = json_of(&path)? {
        let problem = "has no list of tokens that is known: a map, or a list with scores";
        let named = of_tokenizer(&json).ok_or_else(|| Error::input(path, problem))?;
        let pieces = Pieces::of_tokenizer(&json);
        return Ok(Some(Tokenizer { source: "tokenizer.json", named, pieces }));
    }
    let path = folder.join("vocab.json");
    if let Some(json) = json_of(&path)? {
        let problem = "is no map of tokens to numbers";
        let named = of_map(&json, true).ok_or_else(|| Error::input(path, problem))?;
        return Ok(Some(Tokenizer { source: "vocab.json", named, pieces: None }));
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
        let config = json_of(&folder.join("tokenizer_config.json"))?.unwrap_or(Value::Null);
        Ok(config["do_lower_case"].as_bool().unwrap_or(true))
    };
    let of_bert = named.iter().any(|(_, name)| name == b"[UNK]");
    let pieces = of_bert.then(lowercase).transpose()?.map(Pieces::of_bert);
    Ok(Some(Tokenizer { source: "vocab.txt", named, pieces }))
}

/// The names in a `tokenizer.json`: those of its model, and those that were added.
fn of_tokenizer(json: &Value) -> Option<Named> {
    let model = &json["model"];
    let bytes = ["pre_tokenizer", "decoder"].iter().any(|part| is_of_bytes(&json[*part]));
    let mut names = match &model["vocab"] {
        map @ Value::Object(_) => of_map(map, bytes)?,
        Value::Array(list) => {
            let name = |entry: &Value| Some(spaced(entry.get(0)?.as_str()?).into_bytes());
            (0..)
                .zip(list)
                .map(|(id, entry)| Some((id, name(entry)?)))
                .collect::<Option<Vec<_>>>()?
        }
        _ => return None,
    };
    for added in json["added_tokens"].as_array().into_iter().flatten() {
        names.push((added["id"].as_u64()?, added["content"].as_str()?.as_bytes().to_vec()));
    }
    Some(names)
}

/// The names in a map to numbers. Where they are written in GPT-2's alphabet of bytes, they are read
/// as these bytes.
fn of_map(map: &Value, bytes: bool) -> Option<Named> {
    let map = map.as_object()?;
    let name = |name: &String| {
        let of_bytes = of_bytes(name).filter(|_| bytes);
        of_bytes.unwrap_or_else(|| if bytes { name.clone() } else { spaced(name) }.into_bytes())
    };
    map.iter().map(|(text, id)| Some((id.as_u64()?, name(text)))).collect()
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
