//! The embedding tables of transformers: a matrix with a row for each token, often one for each
//! position, and one for each segment, which are looked up and added. They are read where programs
//! keep them: in a safetensors file, or in a folder with such files and a tokenizer.
//!
//! This file is over 300 lines because half of it is tests.

mod gguf;
mod input;
mod names;
mod roles;

use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorInfo};
use serde_json::{Map, Value};

pub use self::input::{InputTables, InputVector};
use self::names::Names;
pub use self::roles::{Role, Roles, described};
use crate::corpus::Vocab;
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::memory::{Mapped, Narrow, Numbers};
use crate::text::json_of;

/// The index of a model in several files.
const INDEX: &str = "model.safetensors.index.json";

/// The tensors of a model, mapped.
pub struct Weights {
    /// The file or the folder.
    pub path: PathBuf,
    /// The tensors, in the order of their files, and there in the order of their names.
    pub tensors: Vec<Weight>,
    /// What `config.json` says, or the facts of a GGUF file; null without any.
    pub config: Value,
    files: Vec<(PathBuf, Mapped<u8>)>,
    /// Where the names of tokens are.
    names: Names,
}

/// A tensor.
#[derive(Clone, Debug)]
pub struct Weight {
    /// Its name.
    pub name: String,
    /// The type of its numbers, by the name that the file has for it.
    pub dtype: String,
    /// Its shape.
    pub shape: Vec<usize>,
    encoding: Encoding,
    /// Where its bytes are: the file, and the range in it.
    place: (usize, std::ops::Range<usize>),
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    F32,
    F16,
    BF16,
    /// Blocks of a kind of GGUF.
    Blocks(u32),
    /// Numbers that are not read.
    Unknown,
}

impl Weight {
    /// The number of its weights.
    pub fn count(&self) -> u64 {
        self.shape.iter().fold(1, |all, &side| all.saturating_mul(side as u64))
    }
}

/// Whether this is a model of transformers that can be told without looking at its tensors: a folder
/// with files of safetensors under their usual names, or a GGUF file.
pub fn is_model(path: &Path) -> bool {
    if path.is_dir() {
        return ["model.safetensors", INDEX].iter().any(|name| path.join(name).is_file());
    }
    path.is_file() && Mapped::open(path).is_ok_and(|file| gguf::looks(&file))
}

impl Weights {
    /// Opens the tensors of a file or a folder.
    ///
    /// # Errors
    /// A missing or damaged file, a folder without safetensors files, or a pickle, which is not
    /// read since that would run whatever program is in it.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
        let paths = if path.is_dir() { files_of(path)? } else { vec![path.to_path_buf()] };
        let config = json_of::<Value>(&folder.join("config.json"))?.unwrap_or(Value::Null);
        let names = Names::In(folder.to_path_buf());
        let path = path.to_path_buf();
        let mut all = Self { path, tensors: Vec::new(), config, files: Vec::new(), names };
        for path in paths {
            all.add(path)?;
        }
        Ok(all)
    }

    /// Adds the tensors of a file.
    fn add(&mut self, path: PathBuf) -> Result<()> {
        let file = Mapped::open(&path)?;
        if is_pickle(&path, &file) {
            return Err(Error::input(&path, PICKLE));
        }
        let number = self.files.len();
        if gguf::looks(&file) {
            let header = gguf::header(&path, &file, number)?;
            self.tensors.extend(header.tensors);
            if number == 0 {
                self.names = Names::listed(&path, header.tokens, &header.facts);
                self.config = config_of(&header.facts);
            }
        } else {
            self.tensors.extend(safetensors(&path, &file, number)?);
        }
        self.files.push((path, file));
        Ok(())
    }

    /// Whether two tensors are the same numbers.
    pub(crate) fn same(&self, a: &Weight, b: &Weight) -> bool {
        let bytes = |of: &Weight| &self.files[of.place.0].1[of.place.1.clone()];
        a.encoding != Encoding::Unknown
            && (a.encoding, &a.shape) == (b.encoding, &b.shape)
            && bytes(a) == bytes(b)
    }

    /// A table as a model, whose rows have names. The `table` is a role, or else the name of a
    /// tensor.
    ///
    /// # Errors
    /// A table that is not there, or is no matrix of floats.
    pub fn table(&self, table: &str) -> Result<Embeddings> {
        let roles = Roles::of(self);
        let role = Role::named(table);
        let by_name = || self.tensors.iter().find(|tensor| tensor.name == table);
        let weight = role.and_then(|role| roles.get(role)).or_else(by_name).ok_or_else(|| {
            let known: Vec<&str> = Role::ALL
                .iter()
                .filter(|role| roles.get(**role).is_some())
                .map(|r| r.name())
                .collect();
            let why = match role {
                Some(Role::Position) if roles.rotary => {
                    "its positions are rotated into attention, so that it has no position matrix"
                }
                _ => "no such table",
            };
            let there = if known.is_empty() {
                "no table is known by its name: `wordloom inspect` lists the tensors".to_string()
            } else {
                format!("there are: {}", known.join(", "))
            };
            Error::input(&self.path, format!("{table}: {why}; {there}"))
        })?;
        let &[rows, dim] = &weight.shape[..] else {
            let problem = format!("{} is no matrix, but {:?}", weight.name, weight.shape);
            return Err(Error::input(&self.path, problem));
        };
        if rows == 0 || dim == 0 || rows > u32::MAX as usize {
            return Err(Error::input(&self.path, format!("{} has no rows", weight.name)));
        }
        let numbers = self.numbers(weight)?;
        let mut notes = Vec::new();
        let (vocab, pieces) = match roles.role_of(weight) {
            Some(Role::Token) | None => names::tokens(&self.names, &self.config, rows, &mut notes)?,
            Some(Role::Position) => (positions(rows, roles.offset), None),
            Some(Role::Segment) => (numbered(rows), None),
        };
        let provenance = Provenance {
            program: "a transformer".into(),
            notes,
            settings: serde_json::json!({ "tensor": weight.name, "type": weight.dtype }),
            ..Provenance::default()
        };
        Ok(Embeddings::new(vocab, dim, numbers, None, provenance).with_pieces(pieces))
    }

    /// The numbers of a tensor.
    fn numbers(&self, weight: &Weight) -> Result<Numbers> {
        let (file, range) = (&self.files[weight.place.0], weight.place.1.clone());
        let odd = || {
            let problem = format!("{} does not begin where its numbers could", weight.name);
            Error::input(&file.0, problem)
        };
        let unread = || {
            let problem = format!(
                "{} has numbers of the type {}, which are not read: F32, F16, BF16 and GGUF's blocks are",
                weight.name, weight.dtype
            );
            Error::input(&file.0, problem)
        };
        Ok(match weight.encoding {
            Encoding::F32 => file.1.part::<f32>(range).ok_or_else(odd)?.into(),
            Encoding::F16 => Narrow::Halves(file.1.part(range).ok_or_else(odd)?).into(),
            Encoding::BF16 => Narrow::Uppers(file.1.part(range).ok_or_else(odd)?).into(),
            Encoding::Blocks(kind) => {
                let dim = weight.shape.last().copied().unwrap_or(0);
                let bytes = file.1.part::<u8>(range).ok_or_else(odd)?;
                gguf::blocks(kind, bytes, dim).ok_or_else(unread)?.into()
            }
            Encoding::Unknown => return Err(unread()),
        })
    }
}

/// The tensors of the safetensors file `number` of a model.
fn safetensors(path: &Path, file: &Mapped<u8>, number: usize) -> Result<Vec<Weight>> {
    let damaged = |e: &dyn std::fmt::Display| {
        Error::input(path, format!("a damaged or truncated safetensors file ({e})"))
    };
    let (header, metadata) = SafeTensors::read_metadata(file).map_err(|e| damaged(&e))?;
    let begin = header + 8;
    if file.len() - begin != metadata.data_len() {
        return Err(damaged(&"its length is not what it says"));
    }
    let weight = |(name, info): (String, &TensorInfo)| {
        let encoding = match info.dtype {
            Dtype::F32 => Encoding::F32,
            Dtype::F16 => Encoding::F16,
            Dtype::BF16 => Encoding::BF16,
            _ => Encoding::Unknown,
        };
        let (from, to) = info.data_offsets;
        Weight {
            name,
            dtype: format!("{:?}", info.dtype),
            encoding,
            shape: info.shape.clone(),
            place: (number, begin + from..begin + to),
        }
    };
    let mut tensors: Vec<Weight> = metadata.tensors().into_iter().map(weight).collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(tensors)
}

/// The facts of a GGUF file, under the names that `config.json` has for those that matter.
fn config_of(facts: &Map<String, Value>) -> Value {
    let kind = facts.get("general.architecture").cloned().unwrap_or(Value::Null);
    let of =
        |name: &str| facts.get(&format!("{}.{name}", kind.as_str().unwrap_or_default())).cloned();
    let rope = of("rope.freq_base").or_else(|| of("rope.dimension_count"));
    let mut config = Map::new();
    let known = [
        ("model_type", Some(kind.clone())),
        ("rope_theta", rope),
        ("vocab_size", of("vocab_size")),
    ];
    config.extend(known.into_iter().filter_map(|(name, value)| Some((name.into(), value?))));
    Value::Object(config)
}

/// What is said of a pickle.
const PICKLE: &str = "is a pickle, a program that rebuilds tensors and could do anything else: \
                      convert it where you trust it, by `from safetensors.torch import save_file`";

/// Whether a file is one of torch's, by its name and beginning: a zip archive, or a pickle.
fn is_pickle(name: &Path, file: &[u8]) -> bool {
    let extension = name.extension().map(|e| e.to_string_lossy().to_lowercase());
    let named = matches!(extension.as_deref(), Some("bin" | "pt" | "pth" | "ckpt"));
    named && (file.starts_with(b"PK") || file.starts_with(b"\x80"))
}

/// The files of a model in a folder.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    if let Some(index) = json_of::<Value>(&folder.join(INDEX))? {
        let map = index.get("weight_map").and_then(Value::as_object);
        let mut names: Vec<&str> =
            map.into_iter().flat_map(|map| map.values()).filter_map(Value::as_str).collect();
        names.sort_unstable();
        names.dedup();
        // A part is a file of this folder, and not one elsewhere.
        if names.is_empty() || names.iter().any(|name| Path::new(name).components().count() != 1) {
            return Err(Error::input(folder.join(INDEX), "does not say which files there are"));
        }
        return Ok(names.into_iter().map(|name| folder.join(name)).collect());
    }
    let whole = folder.join("model.safetensors");
    if whole.is_file() {
        return Ok(vec![whole]);
    }
    let list = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    let mut all: Vec<PathBuf> = list.filter_map(|entry| Some(entry.ok()?.path())).collect();
    all.sort();
    let with = |ending: &str| {
        let ends = |path: &&PathBuf| path.extension().is_some_and(|e| e == ending);
        all.iter().filter(ends).cloned().collect::<Vec<PathBuf>>()
    };
    if let (true, [one]) = (with("safetensors").is_empty(), &with("gguf")[..]) {
        return Ok(vec![one.clone()]);
    }
    match (&with("safetensors")[..], with("bin").first().or(with("pt").first())) {
        ([one], _) => Ok(vec![one.clone()]),
        ([], Some(pickle)) => Err(Error::input(pickle, PICKLE)),
        ([], None) => Err(Error::input(folder, "no .safetensors file in this folder")),
        (several, _) => {
            let problem = format!("{} .safetensors files: name one of them", several.len());
            Err(Error::input(folder, problem))
        }
    }
}

/// Names for rows that have none: their numbers.
fn numbered(rows: usize) -> Vocab {
    let names: Vec<String> = (0..rows).map(|row| row.to_string()).collect();
    Vocab::new(&names, Vec::new())
}

/// Names of positions, where the first `offset` rows stand for none.
fn positions(rows: usize, offset: usize) -> Vocab {
    let name = |row: usize| match row.checked_sub(offset) {
        Some(position) => position.to_string(),
        None => format!("[row {row}]"),
    };
    let names: Vec<String> = (0..rows).map(name).collect();
    Vocab::new(&names, Vec::new())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tensors::header;

    /// A tensor to be written: its name, type, shape and bytes.
    type Tensor = (&'static str, &'static str, Vec<u64>, Vec<u8>);

    fn floats(name: &'static str, shape: [u64; 2], numbers: &[f32]) -> Tensor {
        (name, "F32", shape.to_vec(), bytemuck::cast_slice(numbers).to_vec())
    }

    fn write(path: &Path, tensors: &[Tensor]) {
        let described = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| (*name, *dtype, shape.clone(), bytes.len() as u64));
        let mut file = header(json!({}), &described.collect::<Vec<_>>(), 0);
        for (.., bytes) in tensors {
            file.extend(bytes);
        }
        std::fs::write(path, file).unwrap();
    }

    fn words(model: &Embeddings) -> Vec<String> {
        (0..model.vocab.len() as u32).map(|id| model.vocab.text(id)).collect()
    }

    #[test]
    fn tables_are_known_by_the_names_of_many_programs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        for (token, position) in [
            ("embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"),
            (
                "bert.embeddings.word_embeddings.weight",
                "bert.embeddings.position_embeddings.weight",
            ),
            ("transformer.wte.weight", "transformer.wpe.weight"),
            ("wte.weight", "wpe.weight"),
            ("model.embed_tokens.weight", ""),
            ("shared.weight", ""),
            ("token_embedding.weight", "positional_embedding"),
            (
                "text_model.embeddings.token_embedding.weight",
                "text_model.embeddings.position_embedding.weight",
            ),
            ("embeddings", ""),
            ("embedding.weight", ""),
        ] {
            let mut tensors = vec![
                floats("vision_model.embeddings.position_embedding.weight", [1, 2], &[0.0; 2]),
                floats("layer.weight", [3, 2], &[0.0; 6]),
                floats(token, [2, 2], &[1.0, 2.0, 3.0, 4.0]),
            ];
            if !position.is_empty() {
                tensors.push(floats(position, [3, 2], &[5.0; 6]));
            }
            write(&path, &tensors);
            let weights = Weights::open(folder.path()).unwrap();
            let roles = Roles::of(&weights);
            assert_eq!(roles.get(Role::Token).unwrap().name, token);
            assert_eq!(roles.get(Role::Position).map_or("", |weight| &weight.name), position);
            let table = weights.table("token").unwrap();
            assert_eq!(
                (words(&table), table.input()),
                (vec!["0".into(), "1".into()], &[1.0, 2.0, 3.0, 4.0][..])
            );
            assert_eq!(
                table.provenance.notes,
                ["no tokenizer beside it: rows are named by their numbers"]
            );
        }
        let weights = Weights::open(&path).unwrap();
        let error = weights.table("position").unwrap_err().to_string();
        assert!(error.contains("position: no such table; there are: token"), "{error}");
        assert_eq!(weights.table("layer.weight").unwrap().vocab.len(), 3);
    }

    #[test]
    fn names_come_from_tokenizers_and_what_does_not_fit_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        write(&file("model.safetensors"), &[floats("wte.weight", [4, 1], &[1.0, 2.0, 3.0, 4.0])]);
        let names = || {
            let table = Weights::open(folder.path()).unwrap().table("token").unwrap();
            (words(&table), table.provenance.notes)
        };
        std::fs::write(file("vocab.txt"), "[PAD]\r\nking\n##s\nqueen\nextra\n").unwrap();
        assert_eq!(
            names(),
            (
                ["[PAD]", "king", "##s", "queen"].map(String::from).to_vec(),
                vec!["1 name of vocab.txt without a row, left out".into()]
            )
        );
        std::fs::write(file("vocab.json"), json!({ "Ġthe": 0, "cafÃ©": 2, "!": 3 }).to_string())
            .unwrap();
        assert_eq!(
            names(),
            (
                [" the", "[row 1]", "café", "!"].map(String::from).to_vec(),
                vec!["1 row without a name in vocab.json, named by numbers".into()]
            )
        );
        let unigram = json!({
            "model": { "type": "Unigram", "vocab": [["<pad>", 0.0], ["▁king", -1.0], ["s", -2.0]] },
            "added_tokens": [{ "id": 3, "content": "<extra>" }],
        });
        std::fs::write(file("tokenizer.json"), unigram.to_string()).unwrap();
        assert_eq!(names().0, ["<pad>", " king", "s", "<extra>"]);
        let bpe = json!({
            "model": { "type": "BPE", "vocab": { "Ġa": 0, "▁b": 1, "c": 2, "d": 3 } },
            "pre_tokenizer": { "type": "Sequence", "pretokenizers": [{ "type": "ByteLevel" }] },
        });
        std::fs::write(file("tokenizer.json"), bpe.to_string()).unwrap();
        assert_eq!(names().0, [" a", "▁b", "c", "d"]);
        let other = json!({ "model": { "vocab": { "a": 99 } } });
        std::fs::write(file("tokenizer.json"), other.to_string()).unwrap();
        let error = Weights::open(folder.path()).unwrap().table("token").unwrap_err().to_string();
        assert!(error.contains("tokenizer.json: names none of the 4 rows"), "{error}");
    }

    #[test]
    fn types_parts_and_peculiarities_of_models() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        // A model in two files, whose head is the token matrix over again, in BF16.
        let brain: Vec<u8> = [1.0f32, -2.5, 0.0, 3e30]
            .iter()
            .flat_map(|x| (x.to_bits() >> 16).to_le_bytes()[..2].to_vec())
            .collect();
        let half = |name: &'static str| (name, "BF16", vec![2, 2], brain.clone());
        write(&file("a.safetensors"), &[half("model.embed_tokens.weight")]);
        write(&file("b.safetensors"), &[half("lm_head.weight"), floats("norm", [1, 1], &[1.0])]);
        let map = json!({ "weight_map": { "x": "b.safetensors", "y": "a.safetensors" } });
        std::fs::write(file(INDEX), map.to_string()).unwrap();
        std::fs::write(file("config.json"), "{\"rope_theta\": 10000.0}").unwrap();
        let weights = Weights::open(folder.path()).unwrap();
        let roles = Roles::of(&weights);
        assert_eq!(roles.tied.unwrap().name, "lm_head.weight");
        assert!(roles.rotary && weights.tensors.len() == 3);
        let near = |a: f32, b: f32| (a - b).abs() <= b.abs() / 100.0;
        let table = weights.table("token").unwrap();
        assert!(table.input().iter().zip([1.0, -2.5, 0.0, 3e30]).all(|(&a, b)| near(a, b)));
        let error = weights.table("position").unwrap_err().to_string();
        assert!(error.contains("rotated into attention"), "{error}");
        for map in [json!({ "weight_map": { "x": "../a.safetensors" } }), json!({}), json!(3)] {
            std::fs::write(file(INDEX), map.to_string()).unwrap();
            let error = Weights::open(folder.path()).err().unwrap().to_string();
            assert!(error.contains("does not say which files"), "{error}");
        }
        std::fs::remove_file(file(INDEX)).unwrap();
        let error = Weights::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("2 .safetensors files: name one of them"), "{error}");
        // RoBERTa's positions begin behind the number of the padding token.
        write(
            &file("model.safetensors"),
            &[
                floats("roberta.embeddings.word_embeddings.weight", [2, 1], &[1.0, 2.0]),
                floats(
                    "roberta.embeddings.position_embeddings.weight",
                    [4, 1],
                    &[9.0, 9.0, 10.0, 20.0],
                ),
                floats("roberta.embeddings.token_type_embeddings.weight", [1, 1], &[100.0]),
            ],
        );
        std::fs::write(file("config.json"), "{\"model_type\": \"roberta\", \"pad_token_id\": 1}")
            .unwrap();
        let weights = Weights::open(folder.path()).unwrap();
        assert_eq!(words(&weights.table("position").unwrap()), ["[row 0]", "[row 1]", "0", "1"]);
        let tables = InputTables::of(&weights).unwrap();
        let sums: Vec<f32> = tables.vectors(&[1, 0], 0).unwrap().iter().map(|v| v.sum[0]).collect();
        assert_eq!(sums, [112.0, 121.0]);
        let error = |ids: &[u32], segment| tables.vectors(ids, segment).unwrap_err().to_string();
        assert_eq!(error(&[2], 0), "no token 2: the last is 1");
        assert_eq!(error(&[0, 0, 0], 0), "no position 2: the last is 1");
        assert_eq!(error(&[0], 1), "no segment 1: the last is 0");
    }

    #[test]
    fn what_is_no_table_is_refused_in_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let error = |path: &Path| Weights::open(path).err().unwrap().to_string();
        assert!(error(folder.path()).contains("no .safetensors file in this folder"));
        std::fs::write(file("pytorch_model.bin"), b"PK\x03\x04rest").unwrap();
        assert!(error(folder.path()).contains("is a pickle"));
        assert!(error(&file("pytorch_model.bin")).contains("is a pickle"));
        let table = |tensor: Tensor| {
            write(&file("model.safetensors"), &[tensor]);
            Weights::open(folder.path()).unwrap().table("token").err().unwrap().to_string()
        };
        let wrong = table(("wte.weight", "I64", vec![1, 1], vec![0; 8]));
        assert!(wrong.contains("numbers of the type I64"), "{wrong}");
        let empty = table(("wte.weight", "F32", vec![0, 4], Vec::new()));
        assert!(empty.contains("has no rows"), "{empty}");
        let flat = table(("wte.weight", "F32", vec![4], vec![0; 16]));
        assert!(flat.contains("no such table; no table is known by its name"), "{flat}");
        // Whatever byte of the header is damaged, it is an error or harmless.
        write(&file("model.safetensors"), &[floats("wte.weight", [2, 2], &[1.0; 4])]);
        let good = std::fs::read(file("model.safetensors")).unwrap();
        for at in 0..good.len() - 16 {
            for wrong in [0, b'9', b'"', 0xff] {
                let mut bad = good.clone();
                bad[at] = wrong;
                std::fs::write(file("model.safetensors"), &bad).unwrap();
                if let Ok(weights) = Weights::open(folder.path()) {
                    let _ = (Roles::of(&weights).tied.is_some(), weights.table("token").is_ok());
                }
            }
        }
    }
}
