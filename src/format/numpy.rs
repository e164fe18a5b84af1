//! NumPy's `.npy`: the matrix, with the words in a file of lines beside it.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::written::Words;
use super::{Contents, Kind, Writes};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::memory::{self, Narrow, Staged, Width};

pub(super) const FORMAT: Kind = Kind {
    name: "npy",
    help: "NumPy's matrix, and OUT.words.txt with a word a line (.npy; `import` reads both)",
    program: "NumPy",
    extensions: &["npy"],
    holds: &[],
    reads: None,
    writes: Writes::Files(write),
    widths: &[Width::F16],
    size: |of: &Contents| of.words * (of.dim * 4 + 1) + of.bytes,
};

/// The path of a file that lies beside another: its name without its ending, and this one.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(ending);
    path.with_file_name(name)
}

/// The bytes before the numbers of an array.
fn header(kind: &str, shape: (usize, usize)) -> Vec<u8> {
    let about = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape:?}, }}");
    // The numbers begin at a multiple of 64 bytes.
    let length = (10 + about.len() + 1).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((length as u16).to_le_bytes());
    header.extend(format!("{about:<0$}\n", length - 1).into_bytes());
    header
}

/// Writes a matrix of float32 with rows of `dim` numbers as `.npy`.
///
/// # Errors
/// When the file can't be written.
pub fn write_npy(path: &Path, rows: &[f32], dim: usize) -> Result<()> {
    memory::replace(path, |out| {
        out.put(&header("<f4", (rows.len() / dim.max(1), dim)))?;
        rows.chunks(1 << 16).try_for_each(|rows| put(rows, out))
    })
}

fn put(numbers: &[f32], out: &mut Staged) -> Result<()> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    out.put(&bytes)
}

fn write(embeddings: &Embeddings, path: &Path, files: &mut Vec<Staged>) -> Result<Vec<String>> {
    let (mut array, mut list) = (Staged::new(path)?, Staged::new(&beside(path, ".words.txt"))?);
    let words = Words::new(embeddings, |word| !word.contains(&b'\n') && !word.contains(&b'\r'));
    let dim = embeddings.dim();
    let halves = match embeddings.matrices().0.narrow(embeddings.width()) {
        Some(Narrow::Halves(bits)) => Some(bits),
        _ => None,
    };
    array.put(&header(if halves.is_some() { "<f2" } else { "<f4" }, (words.len(), dim)))?;
    for (id, word) in words.each() {
        list.put(&word)?;
        list.put(b"\n")?;
        if let Some(bits) = halves {
            array.put(bytemuck::cast_slice(&bits[id as usize * dim..][..dim]))?;
        } else {
            array.put(bytemuck::cast_slice(&embeddings.vector(id)))?;
        }
    }
    for file in [&mut array, &mut list] {
        file.flush().map_err(Error::io(path))?;
    }
    let mut notes = words.notes();
    notes.push(format!("the words are in {}", list.path().display()));
    files.extend([array, list]);
    Ok(notes)
}
