//! How good vectors are, judged by sets of questions with known answers: graded pairs of words or
//! documents, analogies, graded pairs of sentences, and labels.
//!
//! A set is read once ([`Set::read`]) and put to any number of models ([`Set::score`]). Its lines
//! show its kind: each kind is a `Task` and an entry of `TASKS`. A word is looked up as it is
//! written, then in lower case. The [`Policy`] decides whether a word that a model does not know is
//! composed from n-grams, is left out and counted, or counts as zero. The [`Outcome`] keeps the
//! answer to every single item, for intervals and paired comparisons.
//!
//! This file is over 300 lines because it has all that the kinds of sets share.

mod analogy;
mod known;
mod labels;
mod links;
mod next;
mod outcome;
mod probe;
mod score;
mod sentence;
mod sheet;
mod similarity;
mod sparse;
mod transitions;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use self::known::Known;
pub use self::labels::{F1, ShareOptions, ShareScores};
pub use self::links::{LinkQuality, LinkScores, Links, OPERATORS};
pub use self::next::{NextItems, NextOptions, NextScores, Ranking};
pub use self::outcome::{Measure, Outcome, Section};
pub use self::score::{Difference, Score};
pub use self::sheet::ColumnNames;
use self::sheet::Sheet;
pub use self::sparse::SparseRows;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::memory::Mapped;
use crate::text;
/// All kinds of sets. If two kinds fit equally many lines of a file, the first is taken.
const TASKS: [&TaskKind; 5] = [
    &analogy::QUESTIONS,
    &similarity::PAIRS,
    &sentence::PAIRS,
    &labels::LABELS,
    &analogy::WORD_PAIRS,
];

/// A kind of set.
struct TaskKind {
    /// The number of rows that could be of this kind.
    fits: fn(&Sheet) -> usize,
    /// What a line is, for error messages.
    line: &'static str,
    /// Whether files of this kind in one folder are the sections of one set.
    folder_is_set: bool,
    /// Reads the rows of all files of a set. There are several only for `folder_is_set`.
    ///
    /// # Errors
    /// Why there is nothing to read.
    parse: fn(&[Source]) -> Result<Parsed>,
}

/// A file of a set.
struct Source<'a> {
    /// Its path, for error messages.
    file: &'a Path,
    /// Its name.
    name: &'a str,
    sheet: &'a Sheet,
}

/// What was read of a file.
struct Parsed {
    task: Arc<dyn Task>,
    /// How it was read, in words.
    how: String,
    /// Why lines were left out, one message for each.
    left_out: Vec<String>,
}

/// Items with known answers.
trait Task: std::fmt::Debug + Send + Sync {
    /// The kind of the items, in one word.
    fn kind(&self) -> &'static str;

    /// All words of the items.
    fn words(&self) -> Box<dyn Iterator<Item = &str> + '_>;

    /// Whether the items are names, as those of documents are. They are then looked for among the
    /// tags of a model too.
    fn of_names(&self) -> bool {
        false
    }

    /// The number of items without an unknown word.
    fn known(&self, known: &Known) -> usize;

    /// The scores of labels by what is learnt from shares of the items; `None` for other items.
    fn at_shares(&self, _: &Known, _: &ShareOptions) -> Option<Vec<ShareScores>> {
        None
    }

    /// The outcome of the items for a model. With `zero`, an item with an unknown word counts as a
    /// cosine of 0, or as a wrong answer. Otherwise it is left out.
    fn score(&self, known: &Known, zero: bool) -> Outcome;
}

/// A set of items with known answers.
#[derive(Clone, Debug)]
pub struct Set {
    /// The name of its file or folder.
    pub name: String,
    /// How it was read, in words: what a line is, and which columns were taken.
    pub how: String,
    /// What was left out, and why: one message for each line.
    pub left_out: Vec<String>,
    task: Arc<dyn Task>,
}

/// How sets are read.
#[derive(Clone, Debug, Default)]
pub struct SetOptions {
    /// The columns of graded pairs, where they can't be told from the files.
    pub columns: Option<ColumnNames>,
    /// Whether a line or a file that can't be used is an error. Otherwise it is left out.
    pub strict: bool,
}

/// Sets that were read.
#[derive(Clone, Debug)]
pub struct Sets {
    /// The sets.
    pub sets: Vec<Set>,
    /// The files of folders that hold no set, and why: one message for each.
    pub left_out: Vec<String>,
}

/// Which words count as known, and what becomes of items with other words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct Policy {
    /// Take only the first N words of a model, its most frequent ones, as known and as possible
    /// answers
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub restrict: Option<usize>,
    /// What to do with an item that has an unknown word
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "HOW", default_value_t))]
    pub unknown: Unknown,
}

/// What to do with an item that has an unknown word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// Compose the word from its n-grams if the model has them; else leave the item out
    #[default]
    Compose,
    /// Leave the item out
    Skip,
    /// Count it as a cosine of 0, or as a wrong answer
    Zero,
}

impl Set {
    /// Reads the sets that `paths` name. A file is one set. A folder stands for all `.txt`, `.tsv`,
    /// `.csv` and `.tab` files in it and in its folders; those that hold no set are left out. If
    /// files of pairs lie in one folder (as in BATS, Gladkova et al. 2016), they are the sections
    /// of one set.
    ///
    /// # Errors
    /// Fails if a file is missing or unreadable, or if there is no set at all. [`Error::Input`]
    /// names the file, and the line where one can't be read.
    pub fn read(paths: &[PathBuf], options: &SetOptions) -> Result<Sets> {
        let mut files = Vec::new();
        for path in paths {
            let found = text::expand(std::slice::from_ref(path))?;
            let named =
                |file: &PathBuf| file == path || has_extension(file, &["txt", "tsv", "csv", "tab"]);
            files.extend(found.into_iter().filter(named).map(|file| (file == *path, file)));
        }
        if files.is_empty() {
            let first = paths.first().map_or(Path::new("sets"), PathBuf::as_path);
            return Err(Error::input(
                first,
                "no .txt, .tsv or .csv file here: name files with questions",
            ));
        }
        let (mut opened, mut left_out) = (Vec::new(), Vec::new());
        for (named, file) in &files {
            match open(file, options) {
                Ok((kind, name, sheet)) => opened.push((file, name, kind, sheet)),
                Err(error) if *named || options.strict => return Err(error),
                Err(error) => left_out.push(format!("left out: {error}")),
            }
        }
        if let (true, Some(first)) = (opened.is_empty(), left_out.first()) {
            return Err(Error::Refused(format!("no set of questions in this folder: {first}")));
        }
        let together = opened.chunk_by(|a, b| {
            a.2.folder_is_set && std::ptr::eq(a.2, b.2) && a.0.parent() == b.0.parent()
        });
        let set = |files: &[(&PathBuf, String, &TaskKind, Sheet)]| {
            let folder = files[0].0.parent().and_then(Path::file_name).filter(|_| files.len() > 1);
            let name = folder
                .map_or_else(|| files[0].1.clone(), |name| name.to_string_lossy().into_owned());
            let sources: Vec<Source> =
                files.iter().map(|(file, name, _, sheet)| Source { file, name, sheet }).collect();
            Ok(Self::of(name, (files[0].2.parse)(&sources)?))
        };
        Ok(Sets { sets: together.map(set).collect::<Result<_>>()?, left_out })
    }

    /// The set in `text`, of the kind that most of its lines are of. Errors name `file`.
    ///
    /// # Errors
    /// [`Error::Input`] if there is no line of any kind, or if a line can't be read and `options`
    /// are strict.
    pub fn parse(file: &Path, name: &str, text: &str, options: &SetOptions) -> Result<Self> {
        let (kind, sheet) = parse(file, name, text, options)?;
        Ok(Self::of(name.into(), (kind.parse)(&[Source { file, name, sheet: &sheet }])?))
    }

    fn of(name: String, Parsed { task, how, left_out }: Parsed) -> Self {
        Self { name, how, left_out, task }
    }

    /// The kind of its items, in one word: `similarity`, `analogies`, `sentences` or `labels`.
    pub fn kind(&self) -> &'static str {
        self.task.kind()
    }

    /// The number of items that a model's vocabulary knows, without composed words.
    pub fn known(&self, e: &Embeddings, policy: &Policy) -> usize {
        self.task.known(&Known::new(self.rows(e), None, policy))
    }

    /// What the items are looked for among: the words of a model, or its tags if it has more of them.
    fn rows<'a>(&self, e: &'a Embeddings) -> &'a Embeddings {
        let Some(tags) = e.tags().filter(|_| self.task.of_names()) else { return e };
        let among = |of: &Embeddings| {
            self.task.words().filter(|name| of.vocab.id(name.as_bytes()).is_some()).count()
        };
        if among(tags) > among(e) { tags } else { e }
    }

    /// A word of the set that the model lacks, and its spelling in capital letters that the model
    /// has, if there is such a word.
    pub fn other_case(&self, e: &Embeddings) -> Option<(String, String)> {
        let capital = |word: &str| {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_uppercase().to_string());
            first.unwrap_or_default() + letters.as_str()
        };
        let known = |word: &str| e.vocab.id(word.as_bytes()).is_some();
        let other = |word: &str| {
            let spellings = [capital(word), word.to_uppercase()];
            let found = spellings.into_iter().find(|spelling| known(spelling));
            found.filter(|_| !known(word)).map(|found| (word.to_string(), found))
        };
        self.task.words().find_map(other)
    }

    /// What is told of labels by what is learnt from shares of the items. `None` for a set of other
    /// items, or where the model knows too few of them.
    pub fn at_shares(
        &self,
        e: &Embeddings,
        policy: &Policy,
        options: &ShareOptions,
    ) -> Option<Vec<ShareScores>> {
        self.task.at_shares(&Known::new(self.rows(e), None, policy), options)
    }

    /// Puts the set to a model, and returns the answers and scores.
    pub fn score(&self, e: &Embeddings, policy: &Policy) -> Outcome {
        self.score_known(Known::new(self.rows(e), None, policy), policy)
    }

    /// Puts a set of names to rows that stand for the vectors of `names`, which have no numbers.
    pub(crate) fn score_rows(
        &self,
        (names, rows): (&Embeddings, &SparseRows),
        policy: &Policy,
    ) -> Outcome {
        self.score_known(Known::new(names, Some(rows), policy), policy)
    }

    /// Whether its items are names, such as those of documents, that a model has more of among its
    /// tags than among its words.
    pub(crate) fn is_of_tags(&self, e: &Embeddings) -> bool {
        !std::ptr::eq(self.rows(e), e)
    }

    fn score_known(&self, mut known: Known, policy: &Policy) -> Outcome {
        if policy.unknown == Unknown::Compose {
            self.task.words().for_each(|word| known.compose(word));
        }
        self.task.score(&known, policy.unknown == Unknown::Zero)
    }
}

/// Reads a file of a set: its kind, its name, and its rows.
fn open(file: &Path, options: &SetOptions) -> Result<(&'static TaskKind, String, Sheet)> {
    let bytes = Mapped::open(file)?.to_vec();
    let text = std::str::from_utf8(&bytes).map_err(|e| {
        Error::input(file, format!("no UTF-8 at byte {}: not a set", e.valid_up_to()))
    })?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (kind, sheet) = parse(file, &name, text, options)?;
    Ok((kind, name, sheet))
}

/// The kind and the rows of a text, of which at least some can be read.
fn parse(
    file: &Path,
    name: &str,
    text: &str,
    options: &SetOptions,
) -> Result<(&'static TaskKind, Sheet)> {
    let sheet = Sheet::new(file, text, options.columns.as_ref())?;
    let kind = kind_of(file, &sheet)?;
    let parsed = (kind.parse)(&[Source { file, name, sheet: &sheet }])?;
    match parsed.left_out.first() {
        Some(problem) if options.strict => Err(Error::input(file, problem)),
        _ => Ok((kind, sheet)),
    }
}

/// The kind that most lines of a file are of.
fn kind_of(file: &Path, sheet: &Sheet) -> Result<&'static TaskKind> {
    let counted = TASKS.map(|kind| ((kind.fits)(sheet), kind));
    // Of equals the last is taken, which is the first of the list as it is reversed.
    let (most, kind) =
        counted.into_iter().rev().max_by_key(|(count, _)| *count).unwrap_or((0, TASKS[0]));
    if 2 * most < sheet.rows.len().max(1) {
        let expected = TASKS.map(|kind| kind.line).join(", or of ");
        let first = sheet.rows.first().map_or_else(String::new, |row| row.problem("found"));
        let problem = format!("no set of questions: expected lines of {expected}; {first}");
        return Err(Error::input(file, problem.trim_end_matches("; ")));
    }
    Ok(kind)
}

fn has_extension(file: &Path, among: &[&str]) -> bool {
    let extension = file.extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|e| among.contains(&&*e))
}
