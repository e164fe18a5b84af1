//! A search among some of a model's words.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use regex::Regex;
use wordloom::corpus::{trim, words};
use wordloom::query::Query;
use wordloom::{Embeddings, Error, Result};

use crate::cli::progress::say;
use crate::cli::show;

/// Which words answers are among.
#[derive(Clone, Debug)]
pub(crate) enum Restrict {
    /// The first words, which are the most frequent.
    First(usize),
    /// The words of a file, one a line.
    File(PathBuf),
    /// The words that an expression finds.
    Found(Regex),
}

impl FromStr for Restrict {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if let Ok(first) = text.parse() {
            return if first > 0 { Ok(Self::First(first)) } else { Err("no word is left".into()) };
        }
        match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(expression) if !expression.is_empty() => {
                // The last line of the message says what is wrong; the others show where.
                let said = |e: regex::Error| e.to_string().lines().last().unwrap_or("").to_string();
                Regex::new(expression).map(Self::Found).map_err(said)
            }
            _ => Ok(Self::File(text.into())),
        }
    }
}

/// The vectors that answers are among.
pub(crate) struct Among<'a> {
    all: &'a Embeddings,
    first: usize,
    some: Option<Embeddings>,
}

impl<'a> Among<'a> {
    /// All vectors of a model, or some.
    ///
    /// # Errors
    /// When none is left, or a file can't be read.
    pub(crate) fn new(all: &'a Embeddings, restrict: Option<&Restrict>) -> Result<Self> {
        match restrict {
            None => return Ok(Self { all, first: usize::MAX, some: None }),
            Some(&Restrict::First(first)) => return Ok(Self { all, first, some: None }),
            Some(_) => {}
        }
        let rows = Self::rows(all, restrict)?;
        if rows.is_empty() {
            return Err(Error::Refused("`restrict` leaves no word of the model".into()));
        }
        Ok(Self { all, first: usize::MAX, some: Some(all.only(&rows)) })
    }

    /// The rows of a model that are chosen, in their order.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) fn rows(all: &Embeddings, restrict: Option<&Restrict>) -> Result<Vec<u32>> {
        let words = all.vocab.len() as u32;
        Ok(match restrict {
            None => (0..words).collect(),
            Some(&Restrict::First(first)) => {
                (0..words.min(u32::try_from(first).unwrap_or(u32::MAX))).collect()
            }
            Some(Restrict::File(path)) => words_of(path, all)?,
            Some(Restrict::Found(expression)) => {
                let found = |id: &u32| expression.is_match(&all.vocab.text(*id));
                (0..words).filter(found).collect()
            }
        })
    }

    /// The vectors.
    pub(crate) fn vectors(&self) -> &Embeddings {
        self.some.as_ref().unwrap_or(self.all)
    }

    /// Whether these are all vectors, although no more than the first may be searched.
    pub(crate) fn is_all(&self) -> bool {
        self.some.is_none()
    }

    /// How many of the vectors are searched.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// The same question to these vectors.
    pub(crate) fn moved(&self, query: Query) -> Query {
        match &self.some {
            Some(some) => query.moved(|id| some.vocab.id(self.all.vocab.word(id))),
            None => query,
        }
    }
}

/// The rows of the words of a file, in the order of the model. A line is a word as a whole, or else
/// its first word is.
fn words_of(path: &Path, model: &Embeddings) -> Result<Vec<u32>> {
    let text = std::fs::read(path).map_err(Error::io(path))?;
    let text = String::from_utf8_lossy(&text);
    let id = |word: &str| model.vocab.id(word.as_bytes());
    let (mut rows, mut unknown) = (Vec::new(), 0);
    for line in text.lines().map(trim).filter(|line| !line.is_empty()) {
        match id(line).or_else(|| words(line).next().and_then(id)) {
            Some(row) => rows.push(row),
            None => unknown += 1,
        }
    }
    if unknown > 0 {
        let lines = show::counted(unknown, "word", "words");
        say(&format!("wordloom: {}: {lines} that the model lacks", path.display()));
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_expressions_and_files_are_told_apart() {
        let told = |text: &str| text.parse::<Restrict>();
        assert!(matches!(told("100"), Ok(Restrict::First(100))));
        assert!(matches!(told("/ing$/"), Ok(Restrict::Found(_))));
        assert!(matches!(told("words.txt"), Ok(Restrict::File(_))));
        assert!(matches!(told("/home/me/words"), Ok(Restrict::File(_))));
        assert!(told("/(/").unwrap_err().contains("unclosed"));
        assert!(told("0").is_err());
    }
}
