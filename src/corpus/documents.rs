//! Documents with tags: one a line, one a file, or one a record of TSV, CSV or JSON lines.
//!
//! A document is one sequence of the corpus, whatever line ends it has. Its tags are names: its own,
//! or its author's, or its topics'. They are no words.
//!
//! This file is over 300 lines because all ways of finding documents stand together.

use std::path::{Path, PathBuf};

use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use super::columns::{Head, Table, each_object, extension, is_number, lines, place, texts};
use super::encode::{Choice, Layout, Sequences};
use super::{CorpusWriter, Facts, Produce, TextOptions, Vocab};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::{Block, Cut, trim, words_of};

/// A document with more tags than this is refused: another column may be meant.
const MAX_TAGS: usize = 1000;
/// By this fastText recognises labels.
const LABEL: &[u8] = b"__label__";

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum DocumentLayout {
    /// A line; its tag is its number
    Lines,
    /// A file; its tag is its path
    Files,
    /// A line with fastText's labels, which are its tags
    Labels,
    /// A line of columns with tabs between them
    Tsv,
    /// A record of columns with commas or semicolons between them, in quotes where needed
    Csv,
    /// A line that is a JSON object
    Jsonl,
}

/// How documents and their tags are found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default)]
pub struct DocumentOptions {
    /// What a document is [default: by the name .tsv, .csv or .jsonl, otherwise a line of a file
    /// that is named, and a file of a directory]
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "WHAT"))]
    pub documents: Option<DocumentLayout>,
    /// The columns with the tags of a document, by number or by name (id,author) [default: 1 of two
    /// columns; otherwise the number of the line is the tag]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN", value_delimiter = ','))]
    pub tag_column: Vec<String>,
    /// The columns with its text, by number or by name (title,body) [default: 2 of two columns]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN", value_delimiter = ','))]
    pub text_column: Vec<String>,
    /// The first line has the names of columns, although columns are given by number
    #[cfg_attr(feature = "cli", arg(long))]
    pub header: bool,
}

/// Documents to be read: the text, and how documents are found in it.
#[derive(Clone, Debug)]
pub struct Documents<'a> {
    /// The files, how their text is split, and which words are kept.
    pub text: &'a TextOptions,
    /// How documents and their tags are found.
    pub options: &'a DocumentOptions,
    /// The vocabulary of a model, where its words alone are to be kept.
    pub known: Option<&'a Vocab>,
}

impl Produce for Documents<'_> {
    fn sources(&self) -> Vec<PathBuf> {
        self.text.sources()
    }

    /// That of the text, and of the options.
    fn key(&self) -> Result<Option<u64>> {
        let Some(text) = self.text.key()? else { return Ok(None) };
        let mut hash = Xxh3::new();
        if let Some(known) = self.known {
            hash.update(&known.bytes);
            hash.update(bytemuck::cast_slice(&known.ends));
        }
        hash.update(&text.to_le_bytes());
        let options =
            serde_json::to_vec(self.options).map_err(|e| Error::Refused(e.to_string()))?;
        hash.update(&options);
        // The same file is a document, or has one a line, by whether it or its folder is named.
        let files = self.text.files()?;
        hash.update(&files.iter().map(|file| self.layout(file) as u8).collect::<Vec<_>>());
        for file in files.iter().filter(|_| files.len() > 1) {
            hash.update(file.as_os_str().as_encoded_bytes());
        }
        Ok(Some(hash.digest()))
    }

    fn write(&self, writer: &mut CorpusWriter, progress: &Progress) -> Result<(Vocab, Facts)> {
        if !self.text.column.is_empty() {
            let problem = "is for sentences: documents have `text_column`";
            return Err(Error::setting("column", problem));
        }
        let choice = self.known.map_or(Choice::Frequent, Choice::Only);
        self.text.encode(self, choice, writer, progress)
    }
}

impl Documents<'_> {
    /// A description of the text and of how documents are found, which models store.
    pub fn describe(&self) -> serde_json::Value {
        let mut all = self.text.describe();
        all["documents"] = self.options.describe();
        all
    }

    /// What a document is in a file.
    fn layout(&self, file: &Path) -> DocumentLayout {
        if let Some(layout) = self.options.documents {
            return layout;
        }
        let extension = extension(file);
        match extension.as_deref() {
            Some("tsv" | "tab") => DocumentLayout::Tsv,
            Some("csv") => DocumentLayout::Csv,
            Some("jsonl" | "ndjson") => DocumentLayout::Jsonl,
            _ if !self.text.inputs.iter().any(|input| input == file) => DocumentLayout::Files,
            _ if self.options.has_columns() => DocumentLayout::Tsv,
            _ => DocumentLayout::Lines,
        }
    }

    /// Ends a document, which is of this line of a block.
    fn end((block, line): (&Block, u64), to: &mut Sequences) -> Result<()> {
        if to.tags() > MAX_TAGS {
            let problem = format!(
                "{}: a document with {} tags, more than {MAX_TAGS}: which column has the tags?",
                place(block, line),
                to.tags()
            );
            return Err(Error::Refused(problem));
        }
        to.end();
        Ok(())
    }

    /// The tag of a line without one of its own: its number, and where there are several files the
    /// name of its file.
    fn number(&self, block: &Block, line: u64) -> Vec<u8> {
        let one = matches!(&self.text.inputs[..], [input] if *input == block.path);
        if one { line.to_string().into() } else { place(block, line).into_bytes() }
    }

    fn lines(&self, block: &Block, to: &mut Sequences) -> Result<()> {
        for (line, text) in lines(block) {
            to.tag(&self.number(block, line));
            to.words(text);
            Self::end((block, line), to)?;
        }
        Ok(())
    }

    fn labels(block: &Block, to: &mut Sequences) -> Result<()> {
        for (line, text) in lines(block) {
            // Words are taken together, since a tokenizer may want the spaces between them.
            let mut words: Vec<&[u8]> = Vec::new();
            for word in words_of(text) {
                match word.strip_prefix(LABEL) {
                    Some(label) => to.tag(label),
                    None => words.push(word),
                }
            }
            to.words(&words.join(&b' '));
            Self::end((block, line), to)?;
        }
        Ok(())
    }

    fn columns(&self, block: &Block, table: Table, to: &mut Sequences) -> Result<()> {
        let head = Head::of(block, table)?;
        let columns = Columns::new(&block.path, &head, self.options)?;
        let wanted = [&columns.tags[..], &columns.text].concat();
        head.each_record(block, columns.header, &wanted, |line, record| {
            let record = match record {
                Ok(record) => record,
                Err(problem) => {
                    to.problem(block, format!("{}: {problem}", place(block, line)));
                    return Ok(());
                }
            };
            if columns.tags.is_empty() {
                to.tag(&self.number(block, line));
            }
            for &at in &columns.tags {
                tag(&record[at], to);
            }
            for &at in &columns.text {
                to.words(&record[at]);
            }
            Self::end((block, line), to)
        })
    }

    fn objects(&self, block: &Block, to: &mut Sequences) -> Result<()> {
        let DocumentOptions { tag_column, text_column, .. } = self.options;
        if text_column.is_empty() {
            let problem = "say which field has the text, by `text_column`, and which the tags, by \
                           `tag_column`";
            return Err(Error::input(&block.path, problem));
        }
        let wanted: Vec<&String> = tag_column.iter().chain(text_column).collect();
        each_object(block, &wanted, |line, object| {
            let object = match object {
                Ok(object) => object,
                Err(problem) => {
                    to.problem(block, format!("{}: {problem}", place(block, line)));
                    return Ok(());
                }
            };
            if tag_column.is_empty() {
                to.tag(&self.number(block, line));
            }
            for text in tag_column.iter().flat_map(|name| texts(&object[name])) {
                tag(text.as_bytes(), to);
            }
            for text in text_column.iter().flat_map(|name| texts(&object[name])) {
                to.words(text.as_bytes());
            }
            Self::end((block, line), to)
        })
    }
}

impl Layout for Documents<'_> {
    fn cut(&self, file: &Path) -> Cut {
        match self.layout(file) {
            DocumentLayout::Files => Cut::Words,
            DocumentLayout::Csv => Cut::Records,
            _ => Cut::Lines,
        }
    }

    fn read(&self, block: &Block, to: &mut Sequences) -> Result<()> {
        let layout = self.layout(&block.path);
        let columns =
            matches!(layout, DocumentLayout::Tsv | DocumentLayout::Csv | DocumentLayout::Jsonl);
        if self.options.has_columns() && !columns {
            let problem = "has no columns: leave out `tag_column`, `text_column` and `header`, or \
                           say `documents` tsv, csv or jsonl";
            return Err(Error::input(&block.path, problem));
        }
        match layout {
            DocumentLayout::Files => {
                to.words(block.text());
                if block.last {
                    to.tag(block.path.as_os_str().as_encoded_bytes());
                    to.end();
                }
                Ok(())
            }
            DocumentLayout::Lines => self.lines(block, to),
            DocumentLayout::Labels => Self::labels(block, to),
            DocumentLayout::Jsonl => self.objects(block, to),
            DocumentLayout::Tsv => self.columns(block, Table::Tsv, to),
            DocumentLayout::Csv => self.columns(block, Table::Csv, to),
        }
    }
}

impl DocumentOptions {
    /// Whether columns are asked for.
    fn has_columns(&self) -> bool {
        self.header || !(self.tag_column.is_empty() && self.text_column.is_empty())
    }

    /// A description as JSON, without what is left to defaults; null where all is.
    pub fn describe(&self) -> Value {
        let mut all = serde_json::to_value(self).unwrap_or_default();
        let set = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Array(list) => !list.is_empty(),
            _ => true,
        };
        if let Some(all) = all.as_object_mut() {
            all.retain(|_, value| set(value));
        }
        all
    }
}

/// Adds a cell as a tag, unless it is empty.
fn tag(cell: &[u8], to: &mut Sequences) {
    let text = std::str::from_utf8(cell).map_or(cell, |text| trim(text).as_bytes());
    if !text.is_empty() {
        to.tag(text);
    }
}

/// The columns of a file.
struct Columns {
    tags: Vec<usize>,
    text: Vec<usize>,
    /// Whether the first record has their names.
    header: bool,
}

impl Columns {
    /// The columns that `options` ask for, in a file that begins with `head`.
    fn new(path: &Path, head: &Head, options: &DocumentOptions) -> Result<Self> {
        let DocumentOptions { tag_column, text_column, header, .. } = options;
        let named = tag_column.iter().chain(text_column).any(|name| !is_number(name));
        let all = |names: &[String]| {
            names.iter().map(|name| head.find(path, name)).collect::<Result<Vec<usize>>>()
        };
        let (mut tags, mut text) = (all(tag_column)?, all(text_column)?);
        if text.is_empty() {
            let columns = head.cells.len();
            let free: Vec<usize> = (0..columns).filter(|at| !tags.contains(at)).collect();
            match (columns, &free[..]) {
                (2, [tag, text_at]) => (tags, text) = (vec![*tag], vec![*text_at]),
                (_, [text_at]) if columns == tags.len() + 1 => text = vec![*text_at],
                _ => {
                    let problem = format!(
                        "which of its {columns} columns has the text? Say so by `text_column`, and \
                         by `tag_column` which has the name; it begins: {}",
                        head.shown()
                    );
                    return Err(Error::input(path, problem));
                }
            }
        }
        Ok(Self { tags, text, header: *header || named })
    }
}
