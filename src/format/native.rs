//! wordloom's own model: a safetensors file, so that any reader of that format opens it.
//!
//! ```text
//! header length u64 · JSON header, padded with spaces so that the data begins at a multiple of 64 · data
//! ```
//!
//! | tensor | type, shape | what |
//! | --- | --- | --- |
//! | `input` | F32 `[words, dim]` | input vectors: what is meant by "the word vectors" |
//! | `output` | F32 `[words, dim]`, optional | output (context) vectors |
//! | `vocab.counts` | U64 `[words]`, optional | how often each word occurs |
//! | `vocab.ends` | U64 `[words]` | where each word ends in `vocab.bytes` |
//! | `vocab.order` | U32 `[words]` | word ids sorted by the bytes of their words |
//! | `vocab.bytes` | U8 `[bytes]` | the words one after the other, most frequent first |
//!
//! The metadata entry `wordloom` is JSON: every setting, the seed, threads, the corpus and its hash, losses, version
//! ([`Provenance`]). All numbers are little-endian. The file is mapped, not read: opening looks at the header alone.

use std::io::Write;
use std::path::Path;

use bytemuck::Pod;
use safetensors::tensor::{Dtype, Metadata, SafeTensors};
use serde_json::{Map, Value, json};

use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::mapped::{self, Mapped};
use crate::vocab::Vocab;

/// Whether this could be a safetensors file: a length, then the brace of a JSON object.
pub(super) fn looks_native(file: &[u8]) -> bool {
    let length = file.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    length.is_some_and(|length| length > 1 && length < 100_000_000) && file.get(8) == Some(&b'{')
}

pub(super) fn read(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let bad = |problem: String| Error::format(path, 0, problem);
    let (header, metadata) = SafeTensors::read_metadata(file)
        .map_err(|e| bad(format!("a damaged or truncated safetensors file ({e}): train or copy it again")))?;
    let begin = header + 8;
    if file.len() - begin != metadata.data_len() {
        let problem =
            format!("{} bytes of data where the header says {}", file.len() - begin, metadata.data_len());
        return Err(Error::format(path, begin as u64, problem));
    }
    let shape = |name: &str| metadata.info(name).map(|info| info.shape.clone());
    let Some([words, dim]) = shape("input").as_deref().and_then(|s| <[usize; 2]>::try_from(s).ok()) else {
        return Err(bad(
            "a safetensors file without wordloom's tensor 'input': convert it from word2vec text".into(),
        ));
    };
    let all = Tensors { path, file, metadata: &metadata, begin };
    let each = &[words][..];
    let vocab = Vocab {
        bytes: all.get("vocab.bytes", Dtype::U8, None)?,
        ends: all.get("vocab.ends", Dtype::U64, Some(each))?,
        counts: if shape("vocab.counts").is_some() {
            all.get("vocab.counts", Dtype::U64, Some(each))?
        } else {
            Vec::new().into()
        },
        order: all.get("vocab.order", Dtype::U32, Some(each))?,
    };
    let input = all.get("input", Dtype::F32, Some(&[words, dim]))?;
    let output = match shape("output") {
        Some(_) => Some(all.get("output", Dtype::F32, Some(&[words, dim]))?),
        None => None,
    };
    if words == 0 || dim == 0 {
        return Err(bad("a model without a word".into()));
    }
    let note = metadata.metadata().as_ref().and_then(|all| all.get("wordloom"));
    let provenance = note.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    Ok(Embeddings::new(vocab, dim, input, output, provenance))
}

struct Tensors<'a> {
    path: &'a Path,
    file: &'a Mapped<u8>,
    metadata: &'a Metadata,
    begin: usize,
}

impl Tensors<'_> {
    fn get<T: Pod>(&self, name: &str, dtype: Dtype, shape: Option<&[usize]>) -> Result<Mapped<T>> {
        let bad =
            |problem: &str| Error::format(self.path, self.begin as u64, format!("tensor '{name}' {problem}"));
        let info = self.metadata.info(name).ok_or_else(|| bad("is missing: not a wordloom model"))?;
        if info.dtype != dtype || shape.is_some_and(|shape| shape != info.shape) {
            return Err(bad(&format!("is {:?} {:?}, not {dtype:?} {shape:?}", info.dtype, info.shape)));
        }
        let (start, end) = info.data_offsets;
        self.file.part(self.begin + start..self.begin + end).ok_or_else(|| bad("is not aligned"))
    }
}

pub(super) fn write(embeddings: &Embeddings, path: &Path) -> Result<()> {
    let (vocab, dim) = (&embeddings.vocab, embeddings.dim());
    let words = vocab.len();
    // Matrices first: the first begins at a multiple of 64. Then the types by falling size, so that each is aligned.
    let mut tensors: Vec<(&str, &str, Vec<usize>, &[u8])> =
        vec![("input", "F32", vec![words, dim], bytemuck::cast_slice(embeddings.input()))];
    if let Some(output) = embeddings.output() {
        tensors.push(("output", "F32", vec![words, dim], bytemuck::cast_slice(output)));
    }
    if tensors.len() == 1 && words * dim % 2 == 1 {
        // An odd number of 4-byte elements before 8-byte ones: the order of ids goes between.
        tensors.push(("vocab.order", "U32", vec![words], bytemuck::cast_slice(&vocab.order)));
    }
    if !vocab.counts.is_empty() {
        tensors.push(("vocab.counts", "U64", vec![words], bytemuck::cast_slice(&vocab.counts)));
    }
    tensors.push(("vocab.ends", "U64", vec![words], bytemuck::cast_slice(&vocab.ends)));
    if !tensors.iter().any(|(name, ..)| *name == "vocab.order") {
        tensors.push(("vocab.order", "U32", vec![words], bytemuck::cast_slice(&vocab.order)));
    }
    tensors.push(("vocab.bytes", "U8", vec![vocab.bytes.len()], &vocab.bytes));

    let mut header = Map::new();
    let note = serde_json::to_string(&embeddings.provenance).unwrap_or_default();
    header.insert("__metadata__".into(), json!({ "format": "pt", "wordloom": note }));
    let mut end = 0;
    for (name, dtype, shape, bytes) in &tensors {
        let start = end;
        end += bytes.len();
        header
            .insert((*name).into(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] }));
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize((header.len() + 8).next_multiple_of(64) - 8, b' ');
    mapped::replace(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes()).map_err(Error::io(path))?;
        out.write_all(&header).map_err(Error::io(path))?;
        tensors.iter().try_for_each(|(.., bytes)| out.write_all(bytes).map_err(Error::io(path)))
    })
}

/// A history for vectors that were read from a file of another program.
pub(super) fn foreign(format: &str) -> Provenance {
    Provenance { program: format.into(), ..Provenance::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(words: &[&str], dim: usize, output: bool, counts: bool) -> Embeddings {
        let counts = if counts { (1..=words.len() as u64).rev().collect() } else { vec![] };
        let vectors: Vec<f32> = (0..words.len() * dim).map(|i| i as f32 - 3.5).collect();
        let output = output.then(|| vectors.iter().map(|x| -x).collect::<Vec<f32>>().into());
        Embeddings::new(Vocab::new(words, counts), dim, vectors.into(), output, foreign("test"))
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        for (dim, output, counts) in [(3, true, true), (3, false, true), (4, false, false), (1, true, false)]
        {
            let before = model(&["the", "of", "naïve"], dim, output, counts);
            write(&before, &path).unwrap();
            let after = crate::format::read(&path).unwrap();
            assert_eq!(before.input(), after.input());
            assert_eq!(before.output(), after.output());
            assert_eq!(before.provenance, after.provenance);
            assert_eq!(&before.vocab.counts[..], &after.vocab.counts[..]);
            assert_eq!(after.vocab.id("naïve".as_bytes()), Some(2));
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!((u64::from_le_bytes(bytes[..8].try_into().unwrap()) + 8) % 64, 0, "data are aligned");
            SafeTensors::deserialize(&bytes).unwrap();
        }
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_is_an_error_or_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        write(&model(&["a", "bc"], 2, true, true), &path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(crate::format::read(&path).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            for wrong in [0, b'9', 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = wrong;
                std::fs::write(&path, &bytes).unwrap();
                if let Ok(model) = crate::format::read(&path) {
                    let _ = (model.vocab.words().count(), model.vocab.id(b"bc"), model.vector(0));
                }
            }
        }
    }
}
