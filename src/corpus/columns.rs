//! Records of columns: lines with tabs between them, CSV, and lines that are JSON objects. A reader
//! of documents or of sessions says which columns it wants, by number or by name.

use std::path::Path;

use csv::ByteRecord;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::text::{Block, Cut, Packing};

/// Tables of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// Tabs are between columns.
    Tsv,
    /// Commas or semicolons are between columns, which may be in quotes.
    Csv,
}

/// Files of which each record has some texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Records {
    Table(Table),
    /// Lines that are JSON objects.
    Objects,
}

impl Records {
    /// What a file is by its name, or else by the first record, which `head` is.
    pub(super) fn of(file: &Path, head: &[u8]) -> Self {
        match extension(file).as_deref() {
            Some("jsonl" | "ndjson") => Self::Objects,
            Some("csv") => Self::Table(Table::Csv),
            Some("tsv" | "tab") => Self::Table(Table::Tsv),
            _ if without_mark(head).trim_ascii_start().starts_with(b"{") => Self::Objects,
            _ => Self::Table(Table::Tsv),
        }
    }

    /// Where such a file may be cut.
    pub(super) fn cut(self) -> Cut {
        if self == Self::Table(Table::Csv) { Cut::Records } else { Cut::Lines }
    }

    /// Gives the texts of the wanted columns of each record of a block to `to`, with the number of its
    /// line, or the problem that a record is. Where a column has a name, the first line is no record.
    ///
    /// # Errors
    /// A block that can't be read at all, or an error of `to`.
    pub(super) fn each(
        self,
        block: &Block,
        wanted: &[&String],
        mut to: impl FnMut(u64, std::result::Result<Vec<Vec<u8>>, String>) -> Result<()>,
    ) -> Result<()> {
        let Self::Table(table) = self else {
            return each_object(block, wanted, |line, object| {
                let all = |object: &Value| {
                    let texts = wanted.iter().flat_map(|name| texts(&object[name.as_str()]));
                    texts.map(String::into_bytes).collect()
                };
                to(line, object.map(all))
            });
        };
        let head = Head::of(block, table)?;
        let places = wanted.iter().map(|name| head.find(&block.path, name));
        let places = places.collect::<Result<Vec<usize>>>()?;
        let named = wanted.iter().any(|name| !is_number(name));
        head.each_record(block, named, &places, |line, record| {
            to(line, record.map(|record| places.iter().map(|&at| record[at].to_vec()).collect()))
        })
    }
}

/// The first record of a table, and how its columns are told apart.
pub(crate) struct Head {
    pub(crate) cells: ByteRecord,
    delimiter: u8,
    quoted: bool,
}

impl Head {
    /// That of the file of a block.
    ///
    /// # Errors
    /// [`Error::Input`] if it is no record.
    pub(crate) fn of(block: &Block, table: Table) -> Result<Self> {
        let quoted = table == Table::Csv;
        let delimiter = if quoted { delimiter(&block.head) } else { b'\t' };
        let mut head = Self { cells: ByteRecord::new(), delimiter, quoted };
        let read = head.reader(&block.head).read_byte_record(&mut head.cells);
        read.map_err(|e| no_csv(&block.path, &e))?;
        Ok(head)
    }

    fn reader<'b>(&self, text: &'b [u8]) -> csv::Reader<&'b [u8]> {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.delimiter(self.delimiter).quoting(self.quoted);
        reader.has_headers(false).flexible(true).from_reader(without_mark(text))
    }

    /// What the record says, cut short.
    pub(crate) fn shown(&self) -> String {
        let name = |cell| String::from_utf8_lossy(cell).chars().take(20).collect();
        self.cells.iter().take(12).map(name).collect::<Vec<String>>().join(", ")
    }

    /// The column of a name or a number, from 0.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no such column.
    pub(crate) fn find(&self, path: &Path, name: &str) -> Result<usize> {
        if is_number(name) {
            let number: usize = name.parse().unwrap_or(0);
            return number.checked_sub(1).ok_or_else(|| {
                Error::input(path, format!("no column '{name}': columns are counted from 1"))
            });
        }
        let found = self.cells.iter().position(|cell| cell.trim_ascii() == name.as_bytes());
        let problem = || format!("no column '{name}' among: {}", self.shown());
        found.ok_or_else(|| Error::input(path, problem()))
    }

    /// Gives each record of a block, with the number of its line, to `to`. The first record of the
    /// file is left out if it is a `header`. A record that has not all the `wanted` columns is given
    /// as the problem that it is.
    ///
    /// # Errors
    /// A block that is no CSV, or an error of `to`.
    pub(crate) fn each_record(
        &self,
        block: &Block,
        header: bool,
        wanted: &[usize],
        mut to: impl FnMut(u64, std::result::Result<&ByteRecord, String>) -> Result<()>,
    ) -> Result<()> {
        let mut reader = self.reader(block.text());
        let mut record = ByteRecord::new();
        let mut first = block.lines == 0;
        loop {
            let line = block.lines + reader.position().line();
            if !reader.read_byte_record(&mut record).map_err(|e| no_csv(&block.path, &e))? {
                return Ok(());
            }
            let line = record.position().map_or(line, |at| block.lines + at.line());
            if std::mem::take(&mut first) && header {
                continue;
            }
            match wanted.iter().find(|at| **at >= record.len()) {
                Some(at) => {
                    let has = record.len();
                    let missing = format!("it has {has} columns, and so no column {}", at + 1);
                    to(line, Err(missing))?;
                }
                None => to(line, Ok(&record))?,
            }
        }
    }
}

/// Gives each line of a block to `to`, with its number, as a JSON object that has all the `wanted`
/// fields, or as the problem that it is.
///
/// # Errors
/// An error of `to`.
pub(crate) fn each_object(
    block: &Block,
    wanted: &[&String],
    mut to: impl FnMut(u64, std::result::Result<&Value, String>) -> Result<()>,
) -> Result<()> {
    for (line, text) in lines(block) {
        let object = match serde_json::from_slice::<Value>(text) {
            Ok(object @ Value::Object(_)) => object,
            Ok(_) => {
                to(line, Err("no JSON object".into()))?;
                continue;
            }
            Err(e) => {
                to(line, Err(format!("no JSON ({e})")))?;
                continue;
            }
        };
        let has = |name: &&&String| {
            let value = object.get(**name);
            matches!(value, Some(Value::String(_) | Value::Number(_) | Value::Array(_)))
        };
        match wanted.iter().find(|name| !has(name)) {
            Some(name) => to(line, Err(format!("no text, number or list '{name}'")))?,
            None => to(line, Ok(&object))?,
        }
    }
    Ok(())
}

/// The lines of a block with their numbers, from 1. What follows the last line end is a line only
/// if there is something.
pub(crate) fn lines(block: &Block) -> impl Iterator<Item = (u64, &[u8])> {
    let text = block.text();
    let whole = text.strip_suffix(b"\n").unwrap_or(text);
    let lines = whole.split(|&b| b == b'\n').filter(|_| !text.is_empty());
    (block.lines + 1..).zip(lines)
}

/// The extension of a file's name in lower case, without that of a packing behind it.
pub(crate) fn extension(file: &Path) -> Option<String> {
    let extension = |path: &Path| path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match Packing::named(file) {
        Some(_) => extension(&file.with_extension("")),
        None => extension(file),
    }
}

/// A place in an input, for messages and names.
pub(crate) fn place(block: &Block, line: u64) -> String {
    format!("{}:{line}", block.path.display())
}

/// The texts of a JSON value: its own, or those of a list.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Null => Vec::new(),
        other => vec![other.to_string()],
    }
}

/// Whether a column is asked for by its number.
pub(crate) fn is_number(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit())
}

/// A text without the byte order mark that it may begin with.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

fn no_csv(path: &Path, error: &csv::Error) -> Error {
    Error::input(path, format!("can't be read as CSV: {error}"))
}

/// What is between columns of CSV: whatever the first record has more of, commas or semicolons.
fn delimiter(head: &[u8]) -> u8 {
    let count = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.delimiter(delimiter).has_headers(false).flexible(true);
        let mut record = ByteRecord::new();
        let read = reader.from_reader(head).read_byte_record(&mut record);
        read.map_or(0, |_| record.len())
    };
    if count(b';') > count(b',') { b';' } else { b',' }
}
