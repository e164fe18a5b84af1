//! The tokens of a model, where programs keep them: `tokenizer.json`, `vocab.json` with `merges.txt`,
//! `vocab.txt`; and how they divide text, where that is known.
//!
//! This file is over 300 lines because what it reads has so many forms.

use std::path::{Path, PathBuf};

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, json};

use super::Pieces;
use crate::error::{Error, Result};
use crate::memory::Mapped;

/// A JSON file of a model that is larger is refused: a tokenizer has some 10 MB.
const MOST_JSON: u64 = 1 << 28;

/// The tokens of a model.
pub(crate) struct Tokens {
    /// What they are from, by its usual name.
    pub(crate) source: &'static str,
    /// The file.
    pub(crate) path: PathBuf,
    /// Numbers and names, as bytes.
    pub(crate) named: Vec<(u64, Vec<u8>)>,
    /// How text is divided into them, where that is known.
    pub(crate) pieces: Option<Pieces>,
}

impl Tokens {
    /// The tokens in a folder; `None` if none of its files has them.
    ///
    /// # Errors
    /// An unreadable file, or one of a form that is not known.
    pub(crate) fn of_folder(folder: &Path) -> Result<Option<Self>> {
        let names = ["tokenizer.json", "vocab.json", "vocab.txt"];
        let there = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        there.map(|path| Self::of_file(&path)).transpose()
    }

    /// The files that they are from, and that say how text is divided.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let beside = match self.source {
            "vocab.json" => Some("merges.txt"),
            "vocab.txt" => Some("tokenizer_config.json"),
            _ => None,
        };
        let beside = beside.map(|name| self.path.with_file_name(name));
        let all = [Some(self.path.clone()), beside.filter(|path| path.is_file())];
        all.into_iter().flatten().collect()
    }

    /// The tokens in a file: a `vocab.json`, with the pairs of the `merges.txt` beside it; a
    /// `tokenizer.json`, or JSON under any other name; or a token in each line.
    ///
    /// # Errors
    /// An unreadable file, or one of a form that is not known.
    pub(crate) fn of_file(path: &Path) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let path = path.to_path_buf();
        if path.extension().is_none_or(|extension| extension != "json") {
            return of_lines(folder, path);
        }
        let missing = || Error::input(&path, "no such file");
        if !path.ends_with("vocab.json") {
            let file = json_of::<TokenizerFile>(&path)?.ok_or_else(missing)?;
            let (named, pieces) = file.tokens();
            return Ok(Self { source: "tokenizer.json", path, named, pieces });
        }
        let named = json_of::<VocabJson>(&path)?.ok_or_else(missing)?.names(true);
        let merges = std::fs::read_to_string(folder.join("merges.txt")).ok();
        let config = json_of::<Value>(&folder.join("tokenizer_config.json"))?;
        let class = config.unwrap_or(Value::Null)["tokenizer_class"].as_str().map(String::from);
        // Other models have two such files too, and other rules.
        let of_gpt2 =
            class.is_none_or(|class| ["GPT2", "Roberta"].iter().any(|of| class.starts_with(of)));
        let suffixed = named.iter().any(|(_, name)| name.ends_with(b"</w>"));
        let pieces = merges.filter(|_| of_gpt2 && !suffixed).and_then(|merges| {
            let steps =
                json!({ "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false } });
            let pairs = unspelled(pairs_of(&merges))?;
            Pieces::of_pairs(&json!({ "type": "BPE" }), &steps, &by_number(&named)?, &pairs)
        });
        Ok(Self { source: "vocab.json", path, named, pieces })
    }
}

/// A token in each line, as BERT's programs have it.
fn of_lines(folder: &Path, path: PathBuf) -> Result<Tokens> {
    let text = Mapped::<u8>::open(&path)?;
    let lines = text.strip_suffix(b"\n").unwrap_or(&text).split(|&byte| byte == b'\n');
    let name = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    let named: Vec<_> = (0..).zip(lines.map(name)).collect();
    // A list with this piece is one of BERT's.
    let lowercase = || -> Result<bool> {
        let config = json_of::<Value>(&folder.join("tokenizer_config.json"))?;
        Ok(config.unwrap_or(Value::Null)["do_lower_case"].as_bool().unwrap_or(true))
    };
    let of_bert = named.iter().any(|(_, name)| name == b"[UNK]");
    let pieces = of_bert.then(lowercase).transpose()?.map(Pieces::of_bert);
    Ok(Tokens { source: "vocab.txt", path, named, pieces })
}

/// What a file of JSON says; `None` without a file.
///
/// # Errors
/// A file that is too large, or says something else.
pub(crate) fn json_of<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let Ok(about) = std::fs::metadata(path) else { return Ok(None) };
    if about.len() > MOST_JSON {
        return Err(Error::input(path, "too large for a file of this name"));
    }
    let json = serde_json::from_slice(&Mapped::open(path)?);
    json.map(Some).map_err(|e| Error::input(path, format!("not the JSON of such a file ({e})")))
}

/// The pairs in a `merges.txt`, a line each.
fn pairs_of(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter(|line| !line.starts_with("#version"));
    lines.filter_map(|line| line.split_once(' ')).map(|(a, b)| (a.into(), b.into())).collect()
}

/// Pairs as bytes, which are written in GPT-2's alphabet.
fn unspelled(pairs: Vec<(String, String)>) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    pairs.into_iter().map(|(a, b)| Some((of_bytes(&a)?, of_bytes(&b)?))).collect()
}

/// Names in the order of their numbers; empty ones where there are gaps. `None` if the numbers go far
/// beyond them.
fn by_number(named: &[(u64, Vec<u8>)]) -> Option<Vec<Vec<u8>>> {
    let most = named.iter().map(|(id, _)| id.saturating_add(1)).max().unwrap_or(0);
    let most = usize::try_from(most).ok().filter(|&most| most <= 2 * named.len() + 1024)?;
    let mut names = vec![Vec::new(); most];
    for (id, name) in named {
        names[*id as usize].clone_from(name);
    }
    Some(names)
}

/// What is read of a `tokenizer.json`.
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
    merges: Option<Vec<Merge>>,
    #[serde(flatten)]
    rest: Value,
}

/// A token that was added to the vocabulary.
#[derive(serde::Deserialize)]
struct Added {
    id: u64,
    content: String,
    #[serde(default)]
    special: bool,
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
    /// The names of the model and those that were added, and how text is divided.
    fn tokens(self) -> (Named, Option<Pieces>) {
        let bytes = ["pre_tokenizer", "decoder"].iter().any(|part| is_of_bytes(&self.rest[*part]));
        let mut names = self.model.vocab.names(bytes);
        let added = self.added_tokens.unwrap_or_default();
        // Runs of spaces, for example, are cut out of a text before all other rules.
        let cut = added.iter().any(|one| !one.special && one.content.trim().is_empty());
        names.extend(added.into_iter().map(|added| (added.id, added.content.into_bytes())));
        let (model, steps) = (&self.model.rest, &self.rest);
        let pieces = Pieces::of_word_piece(model, steps).or_else(|| {
            let pairs = self.model.merges.filter(|_| bytes && !cut)?.into_iter().map(Merge::pair);
            let pairs = unspelled(pairs.collect::<Option<_>>()?)?;
            Pieces::of_pairs(model, steps, &by_number(&names)?, &pairs)
        });
        (names, pieces.map(|pieces| pieces.framed_by(steps)))
    }
}

/// A pair that is joined: two names with a space between them, or a list of two.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Merge {
    Line(String),
    Pair(String, String),
}

impl Merge {
    fn pair(self) -> Option<(String, String)> {
        match self {
            Self::Line(line) => line.split_once(' ').map(|(a, b)| (a.into(), b.into())),
            Self::Pair(a, b) => Some((a, b)),
        }
    }
}

/// Numbers and names.
type Named = Vec<(u64, Vec<u8>)>;

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
pub(crate) fn spaced(name: &str) -> String {
    name.replace('\u{2581}', " ")
}

/// The bytes of a name in GPT-2's alphabet, which has a visible letter for each byte: `Ġ` is a space.
/// `None` if a letter is none of them.
pub(crate) fn of_bytes(name: &str) -> Option<Vec<u8>> {
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

    /// The letters of GPT-2's alphabet, by their bytes.
    fn alphabet() -> Vec<char> {
        let hidden = |byte: u8| !matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let mut next = 256;
        let letter = |byte: u8| {
            let code = if hidden(byte) { next } else { u32::from(byte) };
            next += u32::from(hidden(byte));
            char::from_u32(code).unwrap()
        };
        (0..=255).map(letter).collect()
    }

    /// A tokenizer of byte pairs, whose list of pairs is written as lines or as lists of two.
    fn byte_pairs(lines: bool) -> Value {
        let mut names: Vec<String> = alphabet().iter().map(char::to_string).collect();
        let pairs = [("Ġ", "k"), ("i", "n"), ("in", "g"), ("Ġk", "ing")];
        names.extend(pairs.iter().map(|(a, b)| format!("{a}{b}")));
        let vocab: serde_json::Map<String, Value> =
            names.iter().zip(0..).map(|(name, id)| (name.clone(), id.into())).collect();
        let merge = |(a, b): &(&str, &str)| {
            if lines { json!(format!("{a} {b}")) } else { json!([a, b]) }
        };
        json!({
            "added_tokens": [{ "id": 260, "content": "<s>" }],
            "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false },
            "post_processor": { "type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 260] },
            "model": { "type": "BPE", "vocab": vocab, "merges": pairs.iter().map(merge).collect::<Vec<_>>() },
        })
    }

    #[test]
    fn pairs_are_read_however_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let split = |path: &Path| {
            let tokens = Tokens::of_file(path).unwrap();
            let pieces = tokens.pieces.unwrap();
            let mut found = Vec::new();
            pieces.words("a king's kin", &mut |word| {
                pieces.divide(word, |_| false, &mut |piece| {
                    found.push(String::from_utf8_lossy(piece.unwrap()).into_owned());
                });
            });
            (found, pieces.around().map(<[String]>::to_vec))
        };
        let expected = ["a", " king", "'", "s", " k", "in"].map(String::from).to_vec();
        for lines in [true, false] {
            std::fs::write(&path, byte_pairs(lines).to_string()).unwrap();
            assert_eq!(split(&path), (expected.clone(), [vec!["<s>".into()], vec!["</s>".into()]]));
        }
        // The same in the two files of before.
        let vocab = byte_pairs(true)["model"]["vocab"].to_string();
        let path = folder.path().join("vocab.json");
        std::fs::write(&path, vocab).unwrap();
        assert!(Tokens::of_file(&path).unwrap().pieces.is_none());
        let merges = "#version: 0.2\nĠ k\ni n\nin g\nĠk ing\n";
        std::fs::write(folder.path().join("merges.txt"), merges).unwrap();
        assert_eq!(split(&path).0, expected);
        assert_eq!(Tokens::of_file(&path).unwrap().files().len(), 2);
    }

    #[test]
    fn rules_that_are_not_known_are_not_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let changes: [(&str, Value); 8] = [
            ("/normalizer", json!({ "type": "Lowercase" })),
            ("/model/end_of_word_suffix", json!("</w>")),
            ("/model/merges", json!(["nix da"])),
            ("/pre_tokenizer", json!({ "type": "Whitespace" })),
            ("/pre_tokenizer/use_regex", json!(false)),
            (
                "/pre_tokenizer",
                json!({ "type": "Sequence", "pretokenizers": [
                { "type": "Split", "pattern": { "Regex": "\\d" }, "behavior": "Isolated" },
                { "type": "ByteLevel", "use_regex": false },
            ] }),
            ),
            ("/model/type", json!("Unigram")),
            ("/model/vocab", json!({ "a": 1 })),
        ];
        for (place, value) in changes {
            let mut json = byte_pairs(true);
            let (parent, name) = place.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap()[name] = value;
            std::fs::write(&path, json.to_string()).unwrap();
            assert!(Tokens::of_file(&path).unwrap().pieces.is_none(), "{place}");
        }
        for broken in
            ["{", "3", "{}", r#"{"model": {"vocab": 3}}"#, r#"{"model": {"vocab": {"a": -1}}}"#]
        {
            std::fs::write(&path, broken).unwrap();
            assert!(Tokens::of_file(&path).is_err(), "{broken}");
        }
        // Numbers far beyond the names make no list of that length.
        let far = json!({ "model": { "vocab": { "a": 1u64 << 60 }, "merges": [] } });
        std::fs::write(&path, far.to_string()).unwrap();
        assert!(Tokens::of_file(&path).is_ok_and(|tokens| tokens.pieces.is_none()));
    }
}
