//! A folder that model2vec and sentence-transformers load: a `StaticEmbedding`. The vector of a text
//! is the mean of the vectors of its tokens.
//!
//! | file | what |
//! | --- | --- |
//! | `model.safetensors` | the tensor `embeddings`, a row for each token |
//! | `tokenizer.json` | the tokens, and how a text is divided into them |
//! | `config.json` | what model2vec wants to know |
//! | `modules.json` | what sentence-transformers wants to know |

use std::path::Path;

use serde_json::{Map, Value, json};

use super::written::Words;
use super::{Contents, Kind, Part, Writes};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::memory::{Narrow, Staged, Width};
use crate::tensors::header;
use crate::text::{Pieces, Tokenizer};

pub(super) const FORMAT: Kind = Kind {
    name: "static",
    help: "a folder that model2vec and sentence-transformers load",
    program: "model2vec",
    extensions: &[],
    holds: &[Part::Pieces],
    reads: None,
    writes: Writes::Files(write),
    widths: &[Width::F16, Width::I8],
    size: |of: &Contents| of.words * (of.dim * 4 + 12) + of.bytes,
};

/// The token that stands for all words that are not known. Its vector is zeros.
const UNKNOWN: &str = "[UNK]";

/// Words as the Unicode standard divides them, as far as an expression can tell: letters and digits,
/// with single marks between them.
const UNICODE_WORDS: &str = r"[\p{L}\p{M}\p{N}_]+(?:(?:(?<=[\p{L}\p{M}])['’.:·](?=\p{L})|(?<=\p{N})['’.,;](?=\p{N}))[\p{L}\p{M}\p{N}_]+)*";

fn write(embeddings: &Embeddings, path: &Path, files: &mut Vec<Staged>) -> Result<Vec<String>> {
    std::fs::create_dir_all(path).map_err(Error::io(path))?;
    let rules = embeddings.pieces().and_then(Pieces::word_piece);
    let words = Words::new(embeddings, |word| match std::str::from_utf8(word) {
        Ok(text) => !text.contains(char::is_whitespace),
        Err(_) => false,
    });
    let mut vocab = Map::new();
    for (row, (_, word)) in words.each().enumerate() {
        vocab.insert(String::from_utf8_lossy(&word).into_owned(), row.into());
    }
    let unknown = rules.map_or(UNKNOWN, |rules| rules.unknown());
    // Unknown words are left out of a text by model2vec, and are zeros for sentence-transformers.
    let added = !vocab.contains_key(unknown);
    if added {
        vocab.insert(unknown.into(), words.len().into());
    }
    let rows = (words.len() + usize::from(added)) as u64;
    let tokenizer = match rules {
        Some(rules) => rules.as_tokenizer(&vocab),
        None => of_words(embeddings.tokenizer(), &vocab),
    };
    let config = json!({
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "hidden_dim": embeddings.dim(),
        "normalize": false,
    });
    let module = "sentence_transformers.models.StaticEmbedding";
    let modules = json!([{ "idx": 0, "name": "0", "path": "", "type": module }]);
    let named = [("tokenizer.json", tokenizer), ("config.json", config), ("modules.json", modules)];
    for (name, content) in named {
        let mut file = Staged::new(&path.join(name))?;
        file.put(content.to_string().as_bytes())?;
        files.push(file);
    }
    let mut tensors = Staged::new(&path.join("model.safetensors"))?;
    write_rows(embeddings, &words, rows, &mut tensors)?;
    files.push(tensors);
    let mut notes = words.notes();
    if embeddings.tokenizer().unicode_words && rules.is_none() {
        notes.push(
            "the tokenizer divides text much as the training did, but leaves out emoji".into(),
        );
    }
    Ok(notes)
}

/// The tensor, whose last rows beyond those of the words are zeros.
fn write_rows(embeddings: &Embeddings, words: &Words, rows: u64, out: &mut Staged) -> Result<()> {
    let (numbers, dim) = (embeddings.matrices().0, embeddings.dim());
    let (kind, size) = match numbers.narrow(embeddings.width()) {
        Some(Narrow::Halves(_)) => ("F16", 2),
        Some(Narrow::Scaled(_)) => ("I8", 1),
        _ => ("F32", 4),
    };
    let bytes = rows * dim as u64 * size;
    let tensor = ("embeddings", kind, vec![rows, dim as u64], bytes);
    out.put(&header(json!({ "format": "pt" }), &[tensor], 0))?;
    // Numbers of one byte have one scale here, which is not written: it is the same for all rows.
    let largest = match numbers.narrow(embeddings.width()) {
        Some(Narrow::Scaled(rows)) => rows.scales.iter().fold(0.0f32, |most, x| most.max(*x)),
        _ => 0.0,
    };
    for (id, _) in words.each() {
        let row = id as usize * dim..(id as usize + 1) * dim;
        match numbers.narrow(embeddings.width()) {
            Some(Narrow::Halves(bits)) => out.put(bytemuck::cast_slice(&bits[row]))?,
            Some(Narrow::Scaled(rows)) => {
                let share = if largest > 0.0 { rows.scales[id as usize] / largest } else { 0.0 };
                let whole = |&byte: &u8| (f32::from(byte as i8) * share).round() as i8 as u8;
                out.put(&rows.bytes[row].iter().map(whole).collect::<Vec<u8>>())?;
            }
            _ => out.put(bytemuck::cast_slice(&embeddings.vector(id)))?,
        }
    }
    let zeros = (rows as usize - words.len()) * dim * size as usize;
    out.put(&vec![0; zeros])
}

/// A tokenizer whose tokens are words.
fn of_words(tokenizer: Tokenizer, vocab: &Map<String, Value>) -> Value {
    let divides = if tokenizer.unicode_words {
        let pattern = json!({ "Regex": UNICODE_WORDS });
        json!({ "type": "Split", "pattern": pattern, "behavior": "Removed", "invert": true })
    } else {
        json!({ "type": "WhitespaceSplit" })
    };
    let lowers = if tokenizer.lowercase { json!({ "type": "Lowercase" }) } else { Value::Null };
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": lowers, "pre_tokenizer": divides, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": UNKNOWN },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;
    use crate::format::{self, Format};
    use crate::memory::Width;

    fn written(model: &Embeddings, folder: &Path) -> (Embeddings, Value) {
        format::write(model, folder, Format::named("static").unwrap()).unwrap();
        let tokenizer = std::fs::read(folder.join("tokenizer.json")).unwrap();
        (format::read(folder).unwrap(), serde_json::from_slice(&tokenizer).unwrap())
    }

    #[test]
    fn a_folder_is_read_with_a_row_for_unknown_words() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("static");
        let vocab = Vocab::new(&["the", "new york", "naïve", "new_york"], vec![]);
        let rows = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.5, 7.0, 8.0];
        let text = json!({ "tokenizer": { "lowercase": true, "unicode_words": true } });
        let about = Provenance { text, ..Provenance::default() };
        let model = Embeddings::new(vocab, 2, rows.into(), None, about);
        let (read, tokenizer) = written(&model, &folder);
        let words: Vec<String> =
            (0..read.vocab.len() as u32).map(|id| read.vocab.text(id)).collect();
        assert_eq!(words, ["the", "naïve", "new_york", "[UNK]"]);
        assert_eq!(read.input(), [1.0, 2.0, 5.0, 6.5, 7.0, 8.0, 0.0, 0.0]);
        assert_eq!(tokenizer["normalizer"]["type"], "Lowercase");
        assert_eq!(tokenizer["pre_tokenizer"]["invert"], true);
        // What is there is replaced.
        let (read, _) = written(&model.in_width(Width::F16), &folder);
        assert_eq!(read.input()[2..4], [5.0, 6.5]);
    }
}
