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
//! | `positions` | F32 `[positions, dim]`, optional | weights of the positions around a centre, from left to right |
//! | `ngrams` | F32 `[buckets, dim]`, optional | vectors of n-grams; an input vector is the mean of them and of the word's own |
//! | `ngrams.buckets` | U32 `[buckets]`, with `ngrams` | which buckets they are, ascending |
//! | `vocab.counts` | U64 `[words]`, optional | how often each word occurs |
//! | `vocab.ends` | U64 `[words]` | where each word ends in `vocab.bytes` |
//! | `vocab.order` | U32 `[words]` | word ids sorted by the bytes of their words |
//! | `vocab.bytes` | U8 `[bytes]` | the words one after the other, most frequent first |
//!
//! The metadata entry `wordloom` is JSON: every setting, the seed, threads, the corpus and its hash, losses, version
//! ([`Provenance`]); the entry `subwords`, where there are n-grams, is JSON that says which ([`Subwords`]). All numbers are little-endian. The file is mapped, not read: opening looks at the header alone.

use std::io::Write;
use std::path::Path;

use bytemuck::Pod;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::mapped::{self, Mapped};
use crate::subword::{Ngrams, Subwords};
use crate::vocab::Vocab;

/// Whether this could be a safetensors file: a length, then the brace of a JSON object.
pub(super) fn looks_native(file: &[u8]) -> bool {
    let length = file.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    length.is_some_and(|length| length > 1 && length < 100_000_000) && file.get(8) == Some(&b'{')
}

pub(super) fn read(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let bad = |problem: String| Error::format(path, 0, problem);
    let all = Tensors::open(path, file)?;
    let Some(&[words, dim]) = all.shape("input") else {
        return Err(bad(
            "a safetensors file without wordloom's tensor 'input': convert it from word2vec text".into(),
        ));
    };
    let vocab = all.vocab(words)?;
    let input = all.get("input", Dtype::F32, Some(&[words, dim]))?;
    let output = match all.shape("output") {
        Some(_) => Some(all.get("output", Dtype::F32, Some(&[words, dim]))?),
        None => None,
    };
    if words == 0 || dim == 0 {
        return Err(bad("a model without a word".into()));
    }
    let positions = match all.shape("positions") {
        Some(&[rows, _]) => Some(all.get("positions", Dtype::F32, Some(&[rows, dim]))?),
        _ => None,
    };
    let provenance = all.note().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let ngrams = match all.shape("ngrams") {
        Some(&[rows, _]) => Some(all.ngrams(rows, dim)?),
        _ => None,
    };
    Ok(Embeddings::new(vocab, dim, input, output, provenance).with_ngrams(ngrams).with_positions(positions))
}

/// A safetensors file whose header has been looked at.
pub(super) struct Tensors<'a> {
    path: &'a Path,
    file: &'a Mapped<u8>,
    metadata: Metadata,
    begin: usize,
}

impl<'a> Tensors<'a> {
    pub(super) fn open(path: &'a Path, file: &'a Mapped<u8>) -> Result<Self> {
        let (header, metadata) = SafeTensors::read_metadata(file).map_err(|e| {
            let problem = format!("a damaged or truncated safetensors file ({e}): make or copy it again");
            Error::format(path, 0, problem)
        })?;
        let begin = header + 8;
        if file.len() - begin != metadata.data_len() {
            let problem =
                format!("{} bytes of data where the header says {}", file.len() - begin, metadata.data_len());
            return Err(Error::format(path, begin as u64, problem));
        }
        Ok(Self { path, file, metadata, begin })
    }

    /// The vocabulary, of `words` words.
    pub(super) fn vocab(&self, words: usize) -> Result<Vocab> {
        let each = &[words][..];
        Ok(Vocab {
            bytes: self.get("vocab.bytes", Dtype::U8, None)?,
            ends: self.get("vocab.ends", Dtype::U64, Some(each))?,
            counts: if self.metadata.info("vocab.counts").is_some() {
                self.get("vocab.counts", Dtype::U64, Some(each))?
            } else {
                Vec::new().into()
            },
            order: self.get("vocab.order", Dtype::U32, Some(each))?,
        })
    }

    /// The shape of a tensor, if it is there.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| &info.shape[..])
    }

    /// The metadata entry `wordloom`.
    pub(super) fn note(&self) -> Option<&String> {
        self.metadata.metadata().as_ref().and_then(|all| all.get("wordloom"))
    }

    pub(super) fn get<T: Pod>(&self, name: &str, dtype: Dtype, shape: Option<&[usize]>) -> Result<Mapped<T>> {
        let bad =
            |problem: &str| Error::format(self.path, self.begin as u64, format!("tensor '{name}' {problem}"));
        let info = self.metadata.info(name).ok_or_else(|| bad("is missing: not a wordloom model"))?;
        if info.dtype != dtype || shape.is_some_and(|shape| shape != info.shape) {
            return Err(bad(&format!("is {:?} {:?}, not {dtype:?} {shape:?}", info.dtype, info.shape)));
        }
        self.part(info).ok_or_else(|| bad("is not aligned"))
    }

    fn part<T: Pod>(&self, info: &TensorInfo) -> Option<Mapped<T>> {
        let (start, end) = info.data_offsets;
        self.file.part(self.begin + start..self.begin + end)
    }

    fn ngrams(&self, rows: usize, dim: usize) -> Result<Ngrams> {
        let bad = |problem: &str| Error::format(self.path, self.begin as u64, problem);
        self.get::<f32>("ngrams", Dtype::F32, Some(&[rows, dim]))?;
        let bytes = self.metadata.info("ngrams").and_then(|info| self.part(info));
        let rule = self.metadata.metadata().as_ref().and_then(|all| all.get("subwords"));
        let rule: Option<Rule> = rule.and_then(|json| serde_json::from_str(json).ok());
        let (Some(bytes), Some(Rule { subwords, pruned })) = (bytes, rule) else {
            return Err(bad("n-grams without the metadata 'subwords': not a wordloom model"));
        };
        let buckets = Some(self.get("ngrams.buckets", Dtype::U32, Some(&[rows]))?);
        Ok(Ngrams { subwords, buckets, rows: bytes, pruned })
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
    if let Some(positions) = embeddings.positions() {
        tensors.push(("positions", "F32", vec![positions.len() / dim, dim], bytemuck::cast_slice(positions)));
    }
    let mut notes = json!({ "format": "pt" });
    // What goes before the 8-byte elements if they would else not be aligned: one of the two then has an odd length.
    let mut small: Vec<(&str, &str, Vec<usize>, &[u8])> = Vec::new();
    let all_buckets: Vec<u32>;
    if let Some(Ngrams { subwords, buckets, rows, pruned }) = embeddings.ngrams() {
        let (subwords, pruned) = (*subwords, *pruned);
        notes["subwords"] = serde_json::to_string(&Rule { subwords, pruned }).unwrap_or_default().into();
        tensors.push(("ngrams", "F32", vec![rows.len() / 4 / dim, dim], rows));
        let buckets = if let Some(some) = buckets {
            &some[..]
        } else {
            all_buckets = (0..subwords.buckets).collect();
            &all_buckets
        };
        small.push(("ngrams.buckets", "U32", vec![buckets.len()], bytemuck::cast_slice(buckets)));
    }
    small.push(("vocab.order", "U32", vec![words], bytemuck::cast_slice(&vocab.order)));
    if tensors.iter().map(|(.., bytes)| bytes.len()).sum::<usize>() % 8 != 0
        && let Some(odd) = small.iter().position(|(.., bytes)| bytes.len() % 8 != 0)
    {
        tensors.push(small.remove(odd));
    }
    if !vocab.counts.is_empty() {
        tensors.push(("vocab.counts", "U64", vec![words], bytemuck::cast_slice(&vocab.counts)));
    }
    tensors.push(("vocab.ends", "U64", vec![words], bytemuck::cast_slice(&vocab.ends)));
    tensors.append(&mut small);
    tensors.push(("vocab.bytes", "U8", vec![vocab.bytes.len()], &vocab.bytes));

    let mut header = Map::new();
    let note = serde_json::to_string(&embeddings.provenance).unwrap_or_default();
    notes["wordloom"] = note.into();
    header.insert("__metadata__".into(), notes);
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

/// The metadata entry `subwords`.
#[derive(Serialize, Deserialize)]
struct Rule {
    #[serde(flatten)]
    subwords: Subwords,
    #[serde(default)]
    pruned: bool,
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
        let settings = [(3, true, true), (3, false, true), (4, false, false), (1, true, false)];
        for ((dim, output, counts), buckets) in settings.into_iter().zip([0u32, 3, 2, 5]) {
            let before =
                model(&["the", "of", "naïve"], dim, output, counts).with_ngrams((buckets > 0).then(|| {
                    let rows: Vec<u8> =
                        (0..buckets * dim as u32).flat_map(|i| (i as f32).to_le_bytes()).collect();
                    let subwords = Subwords { min_n: 2, max_n: 3, buckets: buckets + 1 };
                    let buckets: Vec<u32> = (0..buckets).map(|i| i + i / 2).collect();
                    Ngrams { subwords, buckets: Some(buckets.into()), rows: rows.into(), pruned: false }
                }));
            let before = before.with_positions(output.then(|| vec![1.0; 4 * dim].into()));
            write(&before, &path).unwrap();
            let after = crate::format::read(&path).unwrap();
            assert_eq!(before.input(), after.input());
            assert_eq!(before.output(), after.output());
            assert_eq!(before.provenance, after.provenance);
            assert_eq!(&before.vocab.counts[..], &after.vocab.counts[..]);
            assert_eq!(after.vocab.id("naïve".as_bytes()), Some(2));
            assert_eq!(before.positions(), after.positions());
            let unseen =
                |model: &Embeddings| model.find("thenaïve").ok().map(|found| found.vector.into_owned());
            assert_eq!(unseen(&before), unseen(&after));
            assert_eq!(unseen(&after).is_some(), buckets > 0);
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
