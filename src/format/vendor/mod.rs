//! Vectors that a service or a program computed for texts, as they are kept: JSON lines, a column of
//! lists in CSV or Parquet, or NumPy's arrays.
//!
//! This file is over 300 lines because half of it is tests.

mod numpy;
#[cfg(feature = "parquet")]
mod parquet;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::corpus::Vocab;
use crate::embeddings::{Embeddings, Provenance, is_finite, unit};
use crate::error::{Error, Result};
use crate::memory::Mapped;

/// By these names a field or column is recognised as the name of a row, or as its vector.
const NAMES: [&str; 9] =
    ["text", "word", "name", "input", "combined", "title", "content", "id", "key"];
const VECTORS: [&str; 5] = ["embedding", "vector", "embeddings", "values", "emb"];
/// The longest vector.
const MAX_DIM: usize = 65_536;

/// How vectors are found in a file.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct ImportOptions {
    /// The field or column with the text that a vector stands for [default: text, name, input,
    /// title, id... whichever is there]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FIELD"))]
    pub text: Option<String>,
    /// The field or column with the vector, a list of numbers [default: embedding, vector...]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FIELD"))]
    pub vector: Option<String>,
    /// The names of the rows of a NumPy file, one a line
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub names: Option<PathBuf>,
    /// Keep the first N numbers of each vector, and scale it to length 1 again, as is possible where
    /// a model was trained for that (Matryoshka)
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub dims: Option<usize>,
}

/// Rows as they are read.
#[derive(Default)]
struct Rows {
    names: Vec<String>,
    numbers: Vec<f32>,
    dim: usize,
}

impl Rows {
    /// Adds a row.
    fn push(&mut self, name: String, vector: &[f32]) -> std::result::Result<(), String> {
        if self.names.is_empty() {
            self.dim = vector.len();
        }
        if vector.is_empty() || vector.len() > MAX_DIM {
            return Err(format!("a vector of {} numbers", vector.len()));
        }
        if vector.len() != self.dim {
            return Err(format!(
                "{} numbers, where the first vector has {}",
                vector.len(),
                self.dim
            ));
        }
        if !is_finite(vector) {
            return Err("a number that is not finite".into());
        }
        self.names.push(name);
        self.numbers.extend_from_slice(vector);
        Ok(())
    }
}

/// Reads the vectors of a file.
///
/// # Errors
/// A file of another kind, a record without a text or a vector, vectors of several lengths, or a
/// number that is not finite. [`Error::Input`] names the line.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Embeddings> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    if options.names.is_some() && !matches!(extension.as_deref(), Some("npy" | "npz")) {
        return Err(Error::setting("names", "are for NumPy files: here each record has its name"));
    }
    let rows = match extension.as_deref() {
        Some("jsonl" | "ndjson") => of_lines(path, options)?,
        Some("csv") => of_csv(path, options)?,
        Some("npy") => numpy::of_array(path, options)?,
        Some("npz") => numpy::of_archive(path, options)?,
        #[cfg(feature = "parquet")]
        Some("parquet") => parquet::of_columns(path, options)?,
        #[cfg(not(feature = "parquet"))]
        Some("parquet") => {
            return Err(Error::input(path, super::NO_PARQUET));
        }
        _ => {
            let problem = "is of none of these kinds: .jsonl, .csv, .npy, .npz, .parquet";
            return Err(Error::input(path, problem));
        }
    };
    let Rows { names, numbers, dim } = rows;
    if names.is_empty() {
        return Err(Error::input(path, "no vector in this file"));
    }
    let (numbers, dim) = match options.dims {
        None => (numbers, dim),
        Some(kept) if (1..=dim).contains(&kept) => {
            (numbers.chunks_exact(dim).flat_map(|row| unit(&row[..kept])).collect(), kept)
        }
        Some(_) => {
            return Err(Error::setting(
                "dims",
                format!("must be from 1 to {dim}, as vectors have"),
            ));
        }
    };
    let program = format!("imported from {}", path.display());
    let post = options.dims.map(|dims| format!("first {dims} numbers, scaled to length 1"));
    let provenance =
        Provenance { program, post: post.into_iter().collect(), ..Provenance::default() };
    Ok(Embeddings::new(Vocab::new(&names, Vec::new()), dim, numbers.into(), None, provenance))
}

/// The first of some names that a record has.
fn choose<'n>(
    wanted: Option<&'n String>,
    usual: &'n [&'n str],
    has: impl Fn(&str) -> bool,
    what: &str,
) -> std::result::Result<&'n str, String> {
    match wanted {
        Some(name) if has(name) => Ok(name),
        Some(name) => Err(format!("no {what} '{name}'")),
        None => usual.iter().find(|name| has(name)).copied().ok_or_else(|| {
            format!("no {what} of a usual name ({}): say which it is", usual.join(", "))
        }),
    }
}

/// The numbers of a list.
fn numbers(list: &Value) -> std::result::Result<Vec<f32>, String> {
    let list = list.as_array().ok_or("a vector that is no list of numbers")?;
    let number = |value: &Value| value.as_f64().map(|x| x as f32);
    let all: Option<Vec<f32>> = list.iter().map(number).collect();
    all.ok_or_else(|| "a vector that is no list of numbers".into())
}

/// Reads JSON objects, one a line: a text and its vector, or the answer of a batch.
fn of_lines(path: &Path, options: &ImportOptions) -> Result<Rows> {
    let file = Mapped::open(path)?;
    let mut rows = Rows::default();
    let lines = file.split(|&byte| byte == b'\n');
    for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.trim_ascii().is_empty()) {
        let read = serde_json::from_slice::<Value>(line)
            .map_err(|e| format!("no JSON ({e})"))
            .and_then(|record| of_record(&record, options, &mut rows));
        read.map_err(|problem| Error::input(path, format!("line {number}: {problem}")))?;
    }
    Ok(rows)
}

fn of_record(
    record: &Value,
    options: &ImportOptions,
    rows: &mut Rows,
) -> std::result::Result<(), String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
    // The answer of a batch has its own name, and a vector for each text that was asked.
    if let (Some(name), Some(data)) =
        (record.get("custom_id"), record["response"]["body"]["data"].as_array())
    {
        for (place, answer) in data.iter().enumerate() {
            let name = if data.len() == 1 { text(name) } else { format!("{}:{place}", text(name)) };
            rows.push(name, &numbers(&answer["embedding"])?)?;
        }
        return Ok(());
    }
    if !record.is_object() {
        return Err("no JSON object".into());
    }
    let has = |name: &str| record.get(name).is_some_and(|value| !value.is_null());
    let name = choose(options.text.as_ref(), &NAMES, has, "text")?;
    let vector = choose(options.vector.as_ref(), &VECTORS, has, "vector")?;
    rows.push(text(&record[name]), &numbers(&record[vector])?)
}

/// Reads CSV whose first line has the names of columns, of which one has lists of numbers.
fn of_csv(path: &Path, options: &ImportOptions) -> Result<Rows> {
    let file = Mapped::open(path)?;
    let bad = |e: csv::Error| Error::input(path, format!("can't be read as CSV: {e}"));
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&file[..]);
    let head = reader.headers().map_err(bad)?.clone();
    let find = |name: &str| head.iter().position(|cell| cell.trim() == name);
    let column = |wanted: Option<&String>, usual: &[&str], what: &str| {
        let name = choose(wanted, usual, |name| find(name).is_some(), what);
        let place = name.map(|name| find(name).unwrap_or(0));
        place.map_err(|problem| Error::input(path, format!("its columns have {problem}")))
    };
    let text = column(options.text.as_ref(), &NAMES, "text")?;
    let vector = column(options.vector.as_ref(), &VECTORS, "vector")?;
    let mut rows = Rows::default();
    for record in reader.records() {
        let record = record.map_err(bad)?;
        let line = record.position().map_or(0, csv::Position::line);
        let list = serde_json::from_str::<Value>(record.get(vector).unwrap_or_default());
        let read = list
            .map_err(|e| format!("a vector that is no list ({e})"))
            .and_then(|list| numbers(&list))
            .and_then(|list| rows.push(record.get(text).unwrap_or_default().into(), &list));
        read.map_err(|problem| Error::input(path, format!("line {line}: {problem}")))?;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        name: &str,
        content: &[u8],
        options: &ImportOptions,
    ) -> Result<(Vec<String>, Vec<f32>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let names = folder.path().join("names");
        std::fs::write(&names, "a\nb c\n").unwrap();
        let names = options.names.as_ref().map(|_| names);
        let model = import(&path, &ImportOptions { names, ..options.clone() })?;
        let words = (0..model.vocab.len() as u32).map(|id| model.vocab.text(id)).collect();
        Ok((words, model.input().to_vec()))
    }

    fn numpy(kind: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let header =
            format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn records_and_matrices_are_read() {
        let plain = ImportOptions::default();
        let two = (vec!["a".to_string(), "b c".to_string()], vec![1.0f32, -2.0, 0.5, 3.0]);
        let lines = b"{\"text\": \"a\", \"embedding\": [1, -2.0]}\n\n{\"text\": \"b c\", \"embedding\": [5e-1, 3]}\n";
        assert_eq!(read("v.jsonl", lines, &plain).unwrap(), two);
        let other = b"{\"t\": \"a\", \"v\": [1, -2], \"id\": 1}\n{\"t\": \"b c\", \"v\": [0.5, 3], \"id\": 2}";
        let named =
            ImportOptions { text: Some("t".into()), vector: Some("v".into()), ..plain.clone() };
        assert_eq!(read("v.jsonl", other, &named).unwrap(), two);
        let batch = b"{\"custom_id\": \"a\", \"response\": {\"body\": {\"data\": [{\"embedding\": [1, -2]}]}}}\n\
                      {\"custom_id\": \"x\", \"response\": {\"body\": {\"data\": [{\"embedding\": [1, 1]}, {\"embedding\": [0, 1]}]}}}";
        assert_eq!(read("v.jsonl", batch, &plain).unwrap().0, ["a", "x:0", "x:1"]);
        let csv = b"id,title,embedding\n1,a,\"[1, -2]\"\n2,\"b c\",\"[0.5, 3]\"\n";
        assert_eq!(read("v.csv", csv, &plain).unwrap(), two);
        let rows = ImportOptions { names: Some("names".into()), ..plain.clone() };
        let bytes: Vec<u8> = two.1.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(read("v.npy", &numpy("<f4", "False", "(2, 2)", &bytes), &rows).unwrap(), two);
        let bytes: Vec<u8> = two.1.iter().flat_map(|&x| f64::from(x).to_le_bytes()).collect();
        assert_eq!(read("v.npy", &numpy("<f8", "False", "(2, 2)", &bytes), &rows).unwrap(), two);
        // The first numbers, scaled again.
        let short = ImportOptions { dims: Some(1), ..plain };
        assert_eq!(read("v.jsonl", lines, &short).unwrap().1, [1.0, 1.0]);
    }

    /// An archive of arrays, as `numpy.savez_compressed` writes it.
    fn archive(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, content) in arrays {
            zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default())
                .unwrap();
            std::io::Write::write_all(&mut zip, content).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn archives_have_their_names() {
        let plain = ImportOptions::default();
        let two = (vec!["a".to_string(), "b c".to_string()], vec![1.0f32, -2.0, 0.5, 3.0]);
        let bytes: Vec<u8> = two.1.iter().flat_map(|x| x.to_le_bytes()).collect();
        let matrix = numpy("<f4", "False", "(2, 2)", &bytes);
        let letters = |text: &str| {
            let mut all: Vec<u8> = text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
            all.resize(12, 0);
            all
        };
        let wide = [letters("a"), letters("b c")].concat();
        let unicode = numpy("<U3", "False", "(2,)", &wide);
        let ascii = numpy("|S3", "False", "(2,)", b"a\0\0b c");
        for texts in [&unicode, &ascii] {
            let all = [("m", matrix.clone()), ("w", texts.clone()), ("x", matrix[..].into())];
            assert_eq!(read("v.npz", &archive(&all[..2]), &plain).unwrap(), two);
            let error = read("v.npz", &archive(&all), &plain).unwrap_err().to_string();
            assert!(error.contains("name one of m, w, x"), "{error}");
            let named = ImportOptions { vector: Some("x".into()), ..plain.clone() };
            assert_eq!(read("v.npz", &archive(&all), &named).unwrap(), two);
            let lost = ImportOptions { vector: Some("y".into()), ..plain.clone() };
            let error = read("v.npz", &archive(&all), &lost).unwrap_err().to_string();
            assert!(error.contains("has no array 'y'"), "{error}");
        }
        let file = ImportOptions { names: Some("names".into()), ..plain.clone() };
        assert_eq!(read("v.npz", &archive(&[("arr_0", matrix.clone())]), &file).unwrap(), two);
        let pickled = numpy("|O", "False", "(2,)", &[0; 16]);
        let error = read("v.npz", &archive(&[("m", matrix), ("w", pickled)]), &plain);
        assert!(error.unwrap_err().to_string().contains("no array of names"));
        let whole = archive(&[("m", numpy("<f4", "False", "(2, 2)", &bytes)), ("w", ascii)]);
        for at in 0..whole.len() {
            let mut bad = whole.clone();
            bad[at] ^= 0x5a;
            let _ =
                (read("v.npz", &bad, &plain).is_ok(), read("v.npz", &whole[..at], &plain).is_ok());
        }
    }

    #[test]
    fn what_is_no_vector_is_refused_by_its_line() {
        let plain = ImportOptions::default();
        let rows = ImportOptions { names: Some("names".into()), ..plain.clone() };
        let eight = [0; 8];
        for (name, content, options, problem) in [
            (
                "v.jsonl",
                &b"{\"text\": \"a\", \"embedding\": [1]}\n{\"text\": \"b\", \"embedding\": [1, 2]}"
                    [..],
                &plain,
                "line 2: 2 numbers, where the first vector has 1",
            ),
            (
                "v.jsonl",
                b"{\"text\": \"a\", \"embedding\": [1e99]}",
                &plain,
                "line 1: a number that is not finite",
            ),
            (
                "v.jsonl",
                b"{\"text\": \"a\", \"embedding\": \"x\"}",
                &plain,
                "line 1: a vector that is no list",
            ),
            (
                "v.jsonl",
                b"{\"words\": \"a\", \"embedding\": [1]}",
                &plain,
                "line 1: no text of a usual name",
            ),
            ("v.jsonl", b"\n[1]", &plain, "line 2: no JSON object"),
            ("v.jsonl", b"\n\n", &plain, "no vector in this file"),
            ("v.csv", b"a,b\n1,2\n", &plain, "its columns have no text"),
            ("v.csv", b"text,vector\na,[1\n", &plain, "line 2: a vector that is no list"),
            ("v.npy", &numpy("<f4", "False", "(2, 1)", &eight), &plain, "has no names"),
            ("v.npy", &numpy("<f4", "False", "(3, 1)", &eight), &rows, "damaged or truncated"),
            ("v.npy", &numpy("<f4", "True", "(2, 1)", &eight), &rows, "keeps its columns together"),
            ("v.npy", &numpy("<i4", "False", "(2, 1)", &eight), &rows, "the type '<i4'"),
            ("v.npy", &numpy("<f4", "False", "(2,)", &eight), &rows, "is no matrix of two"),
            (
                "v.npy",
                &numpy("<f4", "False", "(1, 2)", &eight),
                &rows,
                "has 1 rows, and there are 2 names",
            ),
            ("v.npy", b"\x93NUMPY\x01\x00\xff\xff{", &rows, "damaged or truncated"),
            (
                "v.npy",
                &numpy("<f4", "False", "(9999999999999, 9999999999999)", &eight),
                &rows,
                "damaged",
            ),
            ("v.txt", b"a 1", &plain, "is of none of these kinds"),
        ] {
            let error = read(name, content, options).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
