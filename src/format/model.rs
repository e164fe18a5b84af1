//! wordloom's own format for models: a safetensors file ([`crate::tensors`]), which any reader
//! of that format can open.
//!
//! | tensor | type, shape | what |
//! | --- | --- | --- |
//! | `input` | F32, F16 or I8 `[words, dim]` | input vectors, usually called "the word vectors"; left out where words have none of their own (PV-DBOW), and `output` stands for them |
//! | `output` | the same, optional | output (context) vectors |
//! | `input.scales`, `output.scales` | F32 `[words]`, with I8 | what the numbers of a row are multiplied with |
//! | `tags` | F32 `[tags, dim]`, optional | vectors of tags, such as documents |
//! | `positions` | F32 `[positions, dim]`, optional | weights of the positions around a centre, from left to right |
//! | `ngrams` | F32 `[buckets, dim]`, optional | vectors of n-grams; an input vector is the mean of them and of the word's own |
//! | `ngrams.buckets` | U32 `[buckets]`, with `ngrams` | the buckets of these rows, in ascending order |
//! | `vocab.counts` | U64 `[words]`, optional | how often each word occurs |
//! | `vocab.ends` | U64 `[words]` | where each word ends in `vocab.bytes` |
//! | `vocab.order` | U32 `[words]` | word ids sorted by the bytes of their words |
//! | `vocab.bytes` | U8 `[bytes]` | the words one after the other, most frequent first |
//! | `tags.counts`, `.ends`, `.order`, `.bytes` | with `tags` | the names of the tags, in the same way, in the order of the text; counts are of documents |
//!
//! The metadata entry `wordloom` is JSON: every setting, the seed, threads, the corpus and its
//! hash, losses, version (`Provenance`). A model with n-grams also has the entry `subwords`,
//! which is JSON and says which n-grams a word has (`Subwords`), and one whose words are pieces of
//! words the entry `pieces` (`WordPiece`). All numbers are little-endian.
//! The file is mapped: opening it reads the header alone.
//!
//! This file is over 300 lines because a third of it is tests.

use std::path::Path;

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Contents, Kind, Part, Reads, Writes};
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::memory::{Mapped, Narrow, Numbers, Scaled, Staged, Width};
use crate::subword::{Ngrams, Subwords};
use crate::tables::{Role, Weights};
use crate::tensors::{Tensor, Tensors, header, looks_safetensors};
use crate::text::{Pieces, WordPiece};

pub(super) const FORMAT: Kind = Kind {
    name: "safetensors",
    help: "wordloom's model: a safetensors file with everything in it (.safetensors, .st)",
    program: "wordloom",
    extensions: &["safetensors", "st"],
    holds: &Part::ALL,
    reads: Some(Reads { looks: looks_safetensors, read }),
    writes: Writes::File(write),
    widths: &[Width::F16, Width::I8],
    size: |of: &Contents| {
        let words = of.words * (of.matrices * of.dim * 4 + 20) + of.bytes;
        words + of.buckets * (of.dim * 4 + 4) + of.tags * (of.dim * 4 + 20) + of.tag_bytes
    },
};

fn read(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let bad = |problem: String| Error::format(path, 0, problem);
    let all = Tensors::open(path, file)?;
    if all.entry("checkpoint").is_some() {
        let problem = "a checkpoint, not a model: the command that trained goes on from it";
        return Err(bad(problem.into()));
    }
    let ours = all.entry("wordloom").is_some();
    let tied = all.shape("output").filter(|_| ours && all.shape("input").is_none());
    let Some(&[words, dim]) = all.shape("input").or(tied) else {
        // It may be a transformer's.
        return Weights::open(path)?.table(Role::Token.name());
    };
    let vocab = all.vocab("vocab", words)?;
    let matrix = |name: &str, rows: usize| -> Result<Option<Numbers>> {
        let shape = Some(&[rows, dim][..]);
        Ok(Some(match all.dtype(name) {
            None => return Ok(None),
            Some(Dtype::F16) => Narrow::Halves(all.get(name, Dtype::F16, shape)?).into(),
            Some(Dtype::I8) => {
                let bytes = all.get(name, Dtype::I8, shape)?;
                let scales = all.get(&format!("{name}.scales"), Dtype::F32, Some(&[rows]))?;
                Narrow::Scaled(Scaled { bytes, scales, dim }).into()
            }
            Some(_) => all.get::<f32>(name, Dtype::F32, shape)?.into(),
        }))
    };
    let output = matrix("output", words)?;
    let input = matrix("input", words)?.or_else(|| output.clone());
    let input = input.ok_or_else(|| bad("no tensor 'input'".into()))?;
    if words == 0 || dim == 0 {
        return Err(bad("a model without a word".into()));
    }
    let positions = match all.shape("positions") {
        Some(&[rows, _]) => Some(all.get::<f32>("positions", Dtype::F32, Some(&[rows, dim]))?),
        _ => None,
    };
    let provenance =
        all.entry("wordloom").and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let ngrams = match all.shape("ngrams") {
        Some(&[rows, _]) => Some(ngrams(&all, rows, dim)?),
        _ => None,
    };
    let tags = match all.shape("tags") {
        Some(&[tags, _]) => {
            let rows = matrix("tags", tags)?.unwrap_or_else(|| Vec::new().into());
            let names = all.vocab("tags", tags)?;
            Some(Embeddings::new(names, dim, rows, None, Provenance::default()))
        }
        _ => None,
    };
    let rules = |json: &str| serde_json::from_str::<WordPiece>(json).ok();
    let pieces = all.entry("pieces").and_then(|json| rules(json)).map(Pieces::from);
    let width = match all.dtype("input").or(all.dtype("output")) {
        Some(Dtype::F16) => Width::F16,
        Some(Dtype::I8) => Width::I8,
        _ => Width::F32,
    };
    Ok(Embeddings::new(vocab, dim, input, output, provenance)
        .written_in(width)
        .with_pieces(pieces)
        .with_ngrams(ngrams)
        .with_positions(positions.map(Into::into))
        .with_tags(tags))
}

/// The vectors of n-grams, a row for each of `rows` buckets.
fn ngrams(all: &Tensors, rows: usize, dim: usize) -> Result<Ngrams> {
    all.get::<f32>("ngrams", Dtype::F32, Some(&[rows, dim]))?;
    let rule = all.entry("subwords").and_then(|json| serde_json::from_str(json).ok());
    let (Some(bytes), Some(NgramRule { subwords, pruned })) = (all.bytes_of("ngrams"), rule) else {
        return Err(all.bad("n-grams without the metadata 'subwords': not a wordloom model"));
    };
    subwords.check().map_err(|problem| all.bad(problem))?;
    let buckets = Some(all.get("ngrams.buckets", Dtype::U32, Some(&[rows]))?);
    Ok(Ngrams { subwords, buckets, rows: bytes, pruned })
}

fn write(embeddings: &Embeddings, out: &mut Staged) -> Result<Vec<String>> {
    let (vocab, dim) = (&embeddings.vocab, embeddings.dim() as u64);
    let words = vocab.len() as u64;
    // Matrices of floats come first, the first of them at a multiple of 64. The other tensors follow
    // by falling size of their elements, so that each is aligned.
    let (input, output, positions) = embeddings.matrices();
    let (bytes, floats) = (Content::Bytes, Content::Floats);
    let shape = [words, dim];
    let mut narrow = Narrower { width: embeddings.width(), ..Narrower::default() };
    let mut tensors: Vec<Entry> = Vec::new();
    if !output.is_some_and(|output| output.is(input)) {
        tensors.extend(narrow.matrix(["input", "input.scales"], shape, input));
    }
    if let Some(tags) = embeddings.tags() {
        tensors.push((
            "tags",
            "F32",
            vec![tags.vocab.len() as u64, dim],
            floats(tags.matrices().0),
        ));
    }
    if let Some(output) = output {
        tensors.extend(narrow.matrix(["output", "output.scales"], shape, output));
    }
    if let Some(positions) = positions {
        let shape = vec![positions.len() as u64 / dim, dim];
        tensors.push(("positions", "F32", shape, floats(positions)));
    }
    let mut notes = json!({ "format": "pt" });
    // Tensors of 4-byte elements. One of them goes before the 8-byte elements if those would
    // otherwise not be aligned; one of the two then has an odd length.
    let mut small = Vec::new();
    let all_buckets: Vec<u32>;
    if let Some(Ngrams { subwords, buckets, rows, pruned }) = embeddings.ngrams() {
        let rule = NgramRule { subwords: *subwords, pruned: *pruned };
        notes["subwords"] = serde_json::to_string(&rule).unwrap_or_default().into();
        tensors.push(("ngrams", "F32", vec![rows.len() as u64 / 4 / dim, dim], bytes(rows)));
        let buckets = if let Some(some) = buckets {
            &some[..]
        } else {
            all_buckets = (0..subwords.buckets).collect();
            &all_buckets
        };
        let shape = vec![buckets.len() as u64];
        small.push(("ngrams.buckets", "U32", shape, bytes(bytemuck::cast_slice(buckets))));
    }
    small.push(("vocab.order", "U32", vec![words], bytes(bytemuck::cast_slice(&vocab.order))));
    let tags = embeddings.tags().map(|tags| &tags.vocab);
    if let Some(tags) = tags {
        let order = bytes(bytemuck::cast_slice(&tags.order));
        small.push(("tags.order", "U32", vec![tags.len() as u64], order));
    }
    if tensors.iter().map(|(.., content)| content.len()).sum::<usize>() % 8 != 0
        && let Some(odd) = small.iter().position(|(.., content)| content.len() % 8 != 0)
    {
        tensors.push(small.remove(odd));
    }
    let all = [("vocab.counts", "vocab.ends", Some(vocab)), ("tags.counts", "tags.ends", tags)];
    for (counts, ends, vocab) in all {
        let Some(vocab) = vocab else { continue };
        let each = vec![vocab.len() as u64];
        if !vocab.counts.is_empty() {
            let counted = bytes(bytemuck::cast_slice(&vocab.counts));
            tensors.push((counts, "U64", each.clone(), counted));
        }
        tensors.push((ends, "U64", each, bytes(bytemuck::cast_slice(&vocab.ends))));
    }
    tensors.append(&mut small);
    tensors.append(&mut narrow.halves);
    tensors.append(&mut narrow.whole);
    for (name, vocab) in [("vocab.bytes", Some(vocab)), ("tags.bytes", tags)] {
        if let Some(vocab) = vocab {
            tensors.push((name, "U8", vec![vocab.bytes.len() as u64], bytes(&vocab.bytes)));
        }
    }

    if let Some(rules) = embeddings.pieces().and_then(Pieces::word_piece) {
        notes["pieces"] = serde_json::to_string(rules).unwrap_or_default().into();
    }
    notes["wordloom"] = serde_json::to_string(&embeddings.provenance).unwrap_or_default().into();
    let described = tensors
        .iter()
        .map(|(name, dtype, shape, content)| (*name, *dtype, shape.clone(), content.len() as u64));
    out.put(&header(notes, &described.collect::<Vec<Tensor>>(), 0))?;
    for (.., content) in &tensors {
        match content {
            Content::Bytes(bytes) => out.put(bytes)?,
            Content::Floats(floats) => floats.each(|piece| out.put(bytemuck::cast_slice(piece)))?,
        }
    }
    let lost = embeddings.pieces().filter(|pieces| pieces.word_piece().is_none());
    let note = "left out: the byte pairs by which words are divided into pieces";
    Ok(lost.map(|_| note.to_string()).into_iter().collect())
}

/// A tensor to be written: its name, type, shape and content.
type Entry<'a> = (&'static str, &'static str, Vec<u64>, Content<'a>);

/// Tensors of numbers that take fewer than four bytes, which stand behind the others.
#[derive(Default)]
struct Narrower<'a> {
    width: Width,
    halves: Vec<Entry<'a>>,
    whole: Vec<Entry<'a>>,
}

impl<'a> Narrower<'a> {
    /// The tensor of a matrix among those of four bytes; `None` where it is none of them. The names
    /// are those of the matrix and of its scales.
    fn matrix(
        &mut self,
        [name, scales]: [&'static str; 2],
        shape: [u64; 2],
        numbers: &'a Numbers,
    ) -> Option<Entry<'a>> {
        let entry = |kind, content| (name, kind, shape.to_vec(), content);
        match numbers.narrow(self.width) {
            Some(Narrow::Halves(bits)) => {
                self.halves.push(entry("F16", Content::Bytes(bytemuck::cast_slice(bits))));
                None
            }
            Some(Narrow::Scaled(rows)) => {
                self.whole.push(entry("I8", Content::Bytes(&rows.bytes)));
                let each = Content::Bytes(bytemuck::cast_slice(&rows.scales));
                Some((scales, "F32", vec![shape[0]], each))
            }
            _ => Some(entry("F32", Content::Floats(numbers))),
        }
    }
}

/// What is in a tensor.
enum Content<'a> {
    Bytes(&'a [u8]),
    Floats(&'a Numbers),
}

impl Content<'_> {
    /// Bytes in the file.
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Floats(floats) => 4 * floats.len(),
        }
    }
}

/// The metadata entry `subwords`.
#[derive(Serialize, Deserialize)]
struct NgramRule {
    #[serde(flatten)]
    subwords: Subwords,
    #[serde(default)]
    pruned: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;
    use crate::format::Format;

    fn model(words: &[&str], dim: usize, output: bool, counts: bool) -> Embeddings {
        let counts = if counts { (1..=words.len() as u64).rev().collect() } else { vec![] };
        let vectors: Vec<f32> = (0..words.len() * dim).map(|i| i as f32 - 3.5).collect();
        let output = output.then(|| vectors.iter().map(|x| -x).collect::<Vec<f32>>().into());
        Embeddings::new(
            Vocab::new(words, counts),
            dim,
            vectors.into(),
            output,
            Provenance::foreign("test"),
        )
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let settings = [(3, true, true), (3, false, true), (4, false, false), (1, true, false)];
        for ((dim, output, counts), buckets) in settings.into_iter().zip([0u32, 3, 2, 5]) {
            let before = model(&["the", "of", "naïve"], dim, output, counts).with_ngrams(
                (buckets > 0).then(|| {
                    let rows: Vec<u8> =
                        (0..buckets * dim as u32).flat_map(|i| (i as f32).to_le_bytes()).collect();
                    let subwords = Subwords { min_n: 2, max_n: 3, buckets: buckets + 1 };
                    let buckets: Vec<u32> = (0..buckets).map(|i| i + i / 2).collect();
                    Ngrams {
                        subwords,
                        buckets: Some(buckets.into()),
                        rows: rows.into(),
                        pruned: false,
                    }
                }),
            );
            let before = before.with_positions(output.then(|| vec![1.0; 4 * dim].into()));
            crate::format::write(&before, &path, Format::own()).unwrap();
            let after = crate::format::read(&path).unwrap();
            assert_eq!(before.input(), after.input());
            assert_eq!(before.output(), after.output());
            assert_eq!(before.provenance, after.provenance);
            assert_eq!(&before.vocab.counts[..], &after.vocab.counts[..]);
            assert_eq!(after.vocab.id("naïve".as_bytes()), Some(2));
            assert_eq!(before.positions(), after.positions());
            let unseen = |model: &Embeddings| {
                model.find("thenaïve").ok().map(|found| found.vector.into_owned())
            };
            assert_eq!(unseen(&before), unseen(&after));
            assert_eq!(unseen(&after).is_some(), buckets > 0);
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(
                (u64::from_le_bytes(bytes[..8].try_into().unwrap()) + 8) % 64,
                0,
                "data are aligned"
            );
            safetensors::SafeTensors::deserialize(&bytes).unwrap();
        }
    }

    #[test]
    fn narrow_numbers_are_written_and_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        for (dim, output) in [(3, true), (2, false), (5, true)] {
            let before = model(&["the", "of", "a"], dim, output, true);
            for (width, most) in [(Width::F16, 0.0), (Width::I8, 0.06)] {
                let narrow = before.in_width(width);
                crate::format::write(&narrow, &path, Format::own()).unwrap();
                let after = crate::format::read(&path).unwrap();
                let same = |a: &[f32], b: &[f32]| {
                    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= most) && a.len() == b.len()
                };
                assert!(same(before.input(), after.input()), "{:?}", after.input());
                assert!(same(&before.vector(1), &after.vector(1)));
                assert_eq!(after.output().is_some(), output);
                assert!(after.output().is_none_or(|rows| same(before.output().unwrap(), rows)));
                let first = after.first(2);
                assert!(same(&before.input()[..2 * dim], first.input()));
                assert_eq!((first.vocab.len(), first.vocab.count(1)), (2, Some(2)));
                let bytes = std::fs::read(&path).unwrap();
                safetensors::SafeTensors::deserialize(&bytes).unwrap();
            }
        }
    }

    #[test]
    fn a_file_cut_or_changed_anywhere_is_an_error_or_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        crate::format::write(&model(&["a", "bc"], 2, true, true), &path, Format::own()).unwrap();
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
