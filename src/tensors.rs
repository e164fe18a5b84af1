//! The safetensors container: a header that says where tensors are, then the tensors. Models,
//! counts and checkpoints are such files; the vocabulary has tensors of its own in them.
//!
//! ```text
//! header length u64
//! · JSON header, padded with spaces so that the data begins at a multiple of 64 · data
//! ```

use std::path::Path;

use bytemuck::Pod;
use safetensors::tensor::{Dtype, Metadata, SafeTensors};
use serde_json::{Map, Value, json};

use crate::corpus::Vocab;
use crate::error::{Error, Result};
use crate::memory::Mapped;

/// Whether this could be a safetensors file: a length, then the brace of a JSON object.
pub(crate) fn looks_safetensors(file: &[u8]) -> bool {
    let length = file.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    length.is_some_and(|length| length > 1 && length < 100_000_000) && file.get(8) == Some(&b'{')
}

/// A safetensors file whose header has been read.
pub(crate) struct Tensors<'a> {
    path: &'a Path,
    file: &'a Mapped<u8>,
    metadata: Metadata,
    begin: usize,
}

impl<'a> Tensors<'a> {
    /// Reads the header.
    pub(crate) fn open(path: &'a Path, file: &'a Mapped<u8>) -> Result<Self> {
        let (header, metadata) = SafeTensors::read_metadata(file).map_err(|e| {
            let problem =
                format!("a damaged or truncated safetensors file ({e}): make or copy it again");
            Error::format(path, 0, problem)
        })?;
        let begin = header + 8;
        if file.len() - begin != metadata.data_len() {
            let problem = format!(
                "{} bytes of data where the header says {}",
                file.len() - begin,
                metadata.data_len()
            );
            return Err(Error::format(path, begin as u64, problem));
        }
        Ok(Self { path, file, metadata, begin })
    }

    /// The vocabulary, of `words` words, whose tensors have names that begin with `prefix`.
    pub(crate) fn vocab(&self, prefix: &str, words: usize) -> Result<Vocab> {
        let each = &[words][..];
        let name = |what: &str| format!("{prefix}.{what}");
        Ok(Vocab {
            bytes: self.get(&name("bytes"), Dtype::U8, None)?,
            ends: self.get(&name("ends"), Dtype::U64, Some(each))?,
            counts: if self.metadata.info(&name("counts")).is_some() {
                self.get(&name("counts"), Dtype::U64, Some(each))?
            } else {
                Vec::new().into()
            },
            order: self.get(&name("order"), Dtype::U32, Some(each))?,
        })
    }

    /// The shape of a tensor, if it is there.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| &info.shape[..])
    }

    /// The type of a tensor, if it is there.
    pub(crate) fn dtype(&self, name: &str) -> Option<Dtype> {
        self.metadata.info(name).map(|info| info.dtype)
    }

    /// An entry of the metadata.
    pub(crate) fn entry(&self, name: &str) -> Option<&String> {
        self.metadata.metadata().as_ref().and_then(|all| all.get(name))
    }

    /// An error about the tensors.
    pub(crate) fn bad(&self, problem: impl Into<String>) -> Error {
        Error::format(self.path, self.begin as u64, problem)
    }

    /// The tensor `name`. It must have this type and, if one is given, this shape.
    pub(crate) fn get<T: Pod>(
        &self,
        name: &str,
        dtype: Dtype,
        shape: Option<&[usize]>,
    ) -> Result<Mapped<T>> {
        let bad = |problem: &str| self.bad(format!("tensor '{name}' {problem}"));
        let info =
            self.metadata.info(name).ok_or_else(|| bad("is missing: not a wordloom model"))?;
        if info.dtype != dtype || shape.is_some_and(|shape| shape != info.shape) {
            return Err(bad(&format!(
                "is {:?} {:?}, not {dtype:?} {shape:?}",
                info.dtype, info.shape
            )));
        }
        self.bytes_of(name).ok_or_else(|| bad("is not aligned"))
    }

    /// The bytes of a tensor as elements of any type, where they are aligned for it.
    pub(crate) fn bytes_of<T: Pod>(&self, name: &str) -> Option<Mapped<T>> {
        let (start, end) = self.metadata.info(name)?.data_offsets;
        self.file.part(self.begin + start..self.begin + end)
    }
}

/// A tensor to be written: its name, type, shape, and size in bytes.
pub(crate) type Tensor<'a> = (&'a str, &'a str, Vec<u64>, u64);

/// The header for `tensors`, which follow it one after the other. The length of the header comes
/// before it. Together they take at least `room` bytes.
pub(crate) fn header(metadata: Value, tensors: &[Tensor], room: usize) -> Vec<u8> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), metadata);
    let mut end = 0;
    for (name, dtype, shape, bytes) in tensors {
        let offsets = [end, end + bytes];
        end += bytes;
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
        header.insert((*name).into(), entry);
    }
    let mut bytes = [&[0; 8], Value::Object(header).to_string().as_bytes()].concat();
    bytes.resize(bytes.len().max(room).next_multiple_of(64), b' ');
    let length = bytes.len() as u64 - 8;
    bytes[..8].copy_from_slice(&length.to_le_bytes());
    bytes
}
