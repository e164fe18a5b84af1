//! Texts one by one, from lines, columns or whole files.

use std::path::{Path, PathBuf};

use super::columns::{Records, lines, place};
use super::expand;
use crate::error::{Error, Result};
use crate::text::{Blocks, Cut};

/// Texts to be read one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct Texts {
    /// Files (plain, gzip, zstd, bzip2, xz) or directories, or - for standard input; may be given
    /// several times
    #[cfg_attr(feature = "cli", arg(short, long = "input", value_name = "INPUT"))]
    pub inputs: Vec<PathBuf>,
    /// The text is in this column of TSV or CSV, by number or by the name in the first line, or in
    /// this field of JSON lines; several are read one after the other (title,body)
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN", value_delimiter = ','))]
    pub column: Vec<String>,
    /// A text is a whole file, not a line
    #[cfg_attr(feature = "cli", arg(long, conflicts_with = "column"))]
    pub whole_files: bool,
}

impl Texts {
    /// Gives the texts to `to`, many at a time, in their order.
    ///
    /// # Errors
    /// An input that can't be read, a record without the column, or an error of `to`.
    pub fn each(&self, mut to: impl FnMut(Vec<Vec<u8>>) -> Result<()>) -> Result<()> {
        let cut = |file: &Path| match (self.whole_files, self.column.is_empty()) {
            (true, _) => Cut::Words,
            (false, true) => Cut::Lines,
            (false, false) => Records::of(file, b"").cut(),
        };
        let files = expand(&self.inputs)?.into_iter();
        let mut blocks = Blocks::new(files.map(|file| (file.clone(), false, cut(&file))));
        let columns: Vec<&String> = self.column.iter().collect();
        let mut whole = Vec::new();
        while let Some(block) = blocks.next_block()? {
            if self.whole_files {
                whole.extend_from_slice(block.text());
                if block.last {
                    to(vec![std::mem::take(&mut whole)])?;
                }
                continue;
            }
            if columns.is_empty() {
                to(lines(&block).map(|(_, line)| line.to_vec()).collect())?;
                continue;
            }
            let mut texts = Vec::new();
            Records::of(&block.path, &block.head).each(&block, &columns, |line, found| {
                let found = found.map_err(|problem| {
                    Error::Refused(format!("{}: {problem}", place(&block, line)))
                })?;
                texts.push(found.join(&b' '));
                Ok(())
            })?;
            to(texts)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_columns_and_files_are_texts() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let read = |texts: Texts| {
            let mut all = Vec::new();
            texts.each(|some| {
                all.extend(some.into_iter().map(|text| String::from_utf8(text).unwrap()));
                Ok(())
            })?;
            Ok::<_, Error>(all)
        };
        let lines = place("a.txt", "one\n\ntwo two\nlast");
        let of = |path: &PathBuf, column: &[&str]| Texts {
            inputs: vec![path.clone()],
            column: column.iter().map(ToString::to_string).collect(),
            whole_files: false,
        };
        assert_eq!(read(of(&lines, &[])).unwrap(), ["one", "", "two two", "last"]);
        let csv = place("b.csv", "id,t,u\n1,\"x\ny\",z\n2,,w\n");
        assert_eq!(read(of(&csv, &["t", "u"])).unwrap(), ["x\ny z", " w"]);
        let json = place("c.jsonl", "{\"t\": \"x\"}\n{\"u\": 1}\n");
        assert!(read(of(&json, &["t"])).unwrap_err().to_string().contains("c.jsonl:2"));
        let whole = Texts { inputs: vec![lines, csv], whole_files: true, ..Texts::default() };
        assert_eq!(read(whole).unwrap().len(), 2);
    }
}
