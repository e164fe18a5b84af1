//! How good vectors are, by sets of questions with known answers: graded pairs of words, analogies, graded pairs of
//! sentences.
//!
//! A set is read once ([`Set::read`]) and put to any number of models ([`Set::score`]). Which kind it is shows in its
//! lines. A word is looked up as it stands, then in lower case; what a model doesn't know is composed from n-grams, left
//! out and counted, or counts as zero ([`Policy`]). The answer to each single item is kept in the [`Outcome`], for intervals and paired
//! comparisons ([`stats`]).

mod analogy;
mod principal;
mod sentence;
mod similarity;
pub mod stats;

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::analogy::Questions;
pub use self::principal::components;
use self::sentence::{Sentences, is_known};
use self::similarity::Pairs;
use self::stats::{Clusters, Draw, Ranked, Statistic, bootstrap, pearson};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::mapped::Mapped;
use crate::text;

/// A set of items with known answers.
#[derive(Clone, Debug)]
pub struct Set {
    /// The name of its file or folder.
    pub name: String,
    items: Items,
}

#[derive(Clone, Debug)]
enum Items {
    Pairs(Pairs),
    Questions(Questions),
    Sentences(Sentences),
}

/// Which words count as known, and what becomes of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args, Serialize)]
pub struct Policy {
    /// Only the N first words of a model, which are its most frequent ones, are known and can be answers
    #[arg(long, value_name = "N")]
    pub restrict: Option<usize>,
    /// What becomes of an item with an unknown word
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub unknown: Unknown,
}

/// What becomes of an item with an unknown word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// The word is composed from its n-grams where the model has them; else the item is left out
    #[default]
    Compose,
    /// It is left out
    Skip,
    /// It counts as a cosine of 0, or as a wrong answer
    Zero,
}

/// What a model makes of a set.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Items in the set.
    pub total: usize,
    /// Items whose words the model knows or composes.
    pub known: usize,
    /// Those of them with a word that was composed from n-grams.
    pub composed: usize,
    /// What the items that were used have in common.
    pub clusters: Clusters,
    /// The scores; the first is the one to compare models by.
    pub measures: Vec<Measure>,
    /// The sections of a set of analogies.
    pub sections: Vec<Section>,
}

/// A way to score a set, with the answers to its items.
#[derive(Clone, Debug)]
pub struct Measure {
    /// What is measured: `Spearman`, `3CosAdd`...
    pub name: &'static str,
    answers: Answers,
}

#[derive(Clone, Debug)]
enum Answers {
    Ranked(Ranked),
    Graded(Vec<(f64, f64)>),
    /// Whether each was right: the share of all.
    Micro(Vec<f32>),
    /// The mean of the sections' shares.
    Macro(Vec<f32>),
}

/// The answers to a section of analogies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Questions in it.
    pub total: usize,
    /// Questions whose words are known.
    pub known: usize,
    /// Right answers by 3CosAdd.
    pub add: usize,
    /// Right answers by 3CosMul.
    pub mul: usize,
    /// Right answers by taking the nearest neighbour of the third word.
    pub nearest: usize,
}

impl Set {
    /// Reads the sets that `paths` stand for: a file for one; a folder for all `.txt`, `.tsv`, `.csv` and `.tab` files
    /// in it, folders too. Files of pairs (BATS, Gladkova et al. 2016) that lie in one folder are the sections of one
    /// set.
    ///
    /// # Errors
    /// A missing or unreadable file, no file at all, or [`Error::Input`] with the line that can't be read.
    pub fn read(paths: &[PathBuf]) -> Result<Vec<Self>> {
        let mut sets: Vec<Self> = Vec::new();
        // The folder of the files of pairs that the last set is made of.
        let mut folder: Option<&Path> = None;
        let mut files = Vec::new();
        for path in paths {
            let found = text::expand(std::slice::from_ref(path))?;
            let named = |file: &PathBuf| file == path || has_extension(file, &["txt", "tsv", "csv", "tab"]);
            files.extend(found.into_iter().filter(named));
        }
        for file in &files {
            let bytes = Mapped::open(file)?;
            let text = std::str::from_utf8(&bytes).map_err(|e| {
                Error::input(file, format!("no UTF-8 at byte {}: not a set", e.valid_up_to()))
            })?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let set = Self::parse(file, &name, text)?;
            let pairs = matches!(&set.items, Items::Questions(questions) if questions.made_of_pairs);
            let here = file.parent().filter(|_| pairs);
            match (sets.last_mut(), set.items) {
                (Some(Self { name, items: Items::Questions(last) }), Items::Questions(more))
                    if here.is_some() && here == folder =>
                {
                    let parent = here.and_then(Path::file_name).map(|name| name.to_string_lossy());
                    *name = parent.map_or_else(|| name.clone(), Cow::into_owned);
                    last.sections.extend(more.sections);
                }
                (_, items) => sets.push(Self { items, ..set }),
            }
            folder = here;
        }
        if sets.is_empty() {
            let first = paths.first().map_or(Path::new("sets"), PathBuf::as_path);
            return Err(Error::input(first, "no .txt, .tsv or .csv file here: name files with questions"));
        }
        Ok(sets)
    }

    /// The set in `text`, of the kind that most of its lines are of. `file` is named by errors.
    ///
    /// # Errors
    /// [`Error::Input`], with the line, when one can't be read, or when there is none.
    pub fn parse(file: &Path, name: &str, text: &str) -> Result<Self> {
        let kinds: Vec<Kind> = lines(text).filter_map(|(_, line)| Kind::of(line)).collect();
        let most = [Kind::Question, Kind::WordPair, Kind::Sentences, Kind::Pair]
            .into_iter()
            .rev()
            .max_by_key(|kind| kinds.iter().filter(|k| *k == kind).count());
        let Some(kind) = most.filter(|_| !kinds.is_empty()) else {
            let expected = "lines of two words and their similarity, of four words that are an analogy, \
                of a word and its answers, or of a score and two sentences";
            return Err(Error::input(file, format!("no line of a set of questions: expected {expected}")));
        };
        let items = match kind {
            Kind::WordPair => Items::Pairs(Pairs::parse(file, text)?),
            Kind::Question => Items::Questions(Questions::parse(file, name, text)?),
            Kind::Pair => Items::Questions(Questions::of_pairs(file, name, text)?),
            Kind::Sentences => Items::Sentences(Sentences::parse(file, text)?),
        };
        Ok(Self { name: name.into(), items })
    }

    /// What its items are, in one word.
    pub fn kind(&self) -> &'static str {
        match self.items {
            Items::Pairs(_) => "similarity",
            Items::Questions(_) => "analogies",
            Items::Sentences(_) => "sentences",
        }
    }

    /// How many items a model's vocabulary has all words of.
    pub fn known(&self, e: &Embeddings, policy: &Policy) -> usize {
        let known = Known::new(e, policy);
        let known = &known;
        match &self.items {
            Items::Pairs(pairs) => pairs.ids(known).flatten().count(),
            Items::Questions(questions) => questions.ask(known, false).words.len(),
            Items::Sentences(sentences) => sentences.ids(known).iter().filter(|pair| is_known(pair)).count(),
        }
    }

    /// Puts the set to a model.
    pub fn score(&self, e: &Embeddings, policy: &Policy) -> Outcome {
        let mut known = Known::new(e, policy);
        if policy.unknown == Unknown::Compose {
            match &self.items {
                Items::Pairs(pairs) => pairs.words().for_each(|word| known.compose(word)),
                Items::Questions(questions) => questions.words().for_each(|word| known.compose(word)),
                Items::Sentences(sentences) => sentences.words().for_each(|word| known.compose(word)),
            }
        }
        let (known, zero) = (&known, policy.unknown == Unknown::Zero);
        match &self.items {
            Items::Pairs(pairs) => pairs.score(known, zero),
            Items::Questions(questions) => questions.score(known, zero),
            Items::Sentences(sentences) => sentences.score(known, zero),
        }
    }
}

impl Outcome {
    /// Of items that are two numbers each, the given and the found one.
    fn graded(
        items: Vec<Option<(f64, f64)>>,
        composed: usize,
        measures: impl Fn(Vec<(f64, f64)>) -> Vec<Measure>,
        unknown: Option<&dyn Fn(usize) -> (f64, f64)>,
    ) -> Self {
        let (total, known) = (items.len(), items.iter().flatten().count());
        let used: Vec<(f64, f64)> = (0..)
            .zip(items)
            .filter_map(|(i, item)| item.or_else(|| unknown.map(|unknown| unknown(i))))
            .collect();
        let clusters = Clusters::independent(used.len());
        Self { total, known, composed, clusters, measures: measures(used), sections: Vec::new() }
    }

    /// Items that the scores are made of.
    pub fn used(&self) -> usize {
        self.clusters.len()
    }

    /// The scores of `draws` draws of the items: a row for each measure.
    pub fn draws(&self, draws: usize, seed: u64) -> Vec<Vec<f64>> {
        let clusters = &self.clusters;
        let statistic = |m| -> Statistic { Box::new(move |draw| Measure::score(m, clusters, draw)) };
        bootstrap(&self.clusters, draws, seed, &self.measures.iter().map(statistic).collect::<Vec<_>>())
    }

    /// The score of a measure over all items that were used.
    pub fn value(&self, measure: &Measure) -> f64 {
        measure.score(&self.clusters, &self.clusters.whole())
    }
}

impl Measure {
    /// The score of a draw of the items; not a number where it is not defined.
    pub fn score(&self, clusters: &Clusters, draw: &Draw) -> f64 {
        match &self.answers {
            Answers::Ranked(ranked) => ranked.spearman(&draw.items),
            Answers::Graded(items) => pearson(items, &draw.items),
            Answers::Micro(right) => share(right, &draw.items),
            Answers::Macro(right) => {
                let (mut sum, mut weights) = (0.0, 0.0);
                for (items, &weight) in clusters.sections().zip(&draw.sections) {
                    let share = share(&right[items.clone()], &draw.items[items]);
                    // A section that was not drawn has none.
                    if !share.is_nan() {
                        sum += f64::from(weight) * share;
                        weights += f64::from(weight);
                    }
                }
                sum / weights
            }
        }
    }
}

/// The mean of `x`, each as often as its weight says. Summed by sixteens, which vectorises; sums of counts are exact.
fn share(x: &[f32], weights: &[f32]) -> f64 {
    let (mut right, mut all) = ([0.0f32; 16], [0.0f32; 16]);
    let (x_lines, x_rest) = x.as_chunks::<16>();
    let (lines, rest) = weights.as_chunks::<16>();
    for (x, weights) in x_lines.iter().zip(lines) {
        for i in 0..16 {
            right[i] += x[i] * weights[i];
            all[i] += weights[i];
        }
    }
    for (i, (x, weight)) in x_rest.iter().zip(rest).enumerate() {
        right[i] += x * weight;
        all[i] += weight;
    }
    f64::from(right.iter().sum::<f32>()) / f64::from(all.iter().sum::<f32>())
}

/// The words that count as known: those of the vocabulary, up to `limit`, and some that were composed.
struct Known<'a> {
    e: &'a Embeddings,
    limit: usize,
    /// Whether the vocabulary has capital letters: else unknown words are composed in lower case.
    cased: bool,
    /// Words composed from n-grams, with ids from the number of words on.
    composed: HashMap<String, u32>,
    /// Their vectors, row by row.
    rows: Vec<f32>,
}

impl<'a> Known<'a> {
    fn new(e: &'a Embeddings, policy: &Policy) -> Self {
        let limit = policy.restrict.unwrap_or(usize::MAX);
        let cased = e.ngrams().is_some() && e.vocab.words().any(|w| w.iter().any(u8::is_ascii_uppercase));
        Self { e, limit, cased, composed: HashMap::new(), rows: Vec::new() }
    }

    /// Makes `word` known by its n-grams, if it isn't known and the model has some of them.
    fn compose(&mut self, word: &str) {
        let Some(ngrams) = self.e.ngrams().filter(|_| self.find(word).is_none()) else { return };
        let spelling = if self.cased { word.into() } else { word.to_lowercase() };
        let Some(vector) = ngrams.compose(spelling.as_bytes(), self.e.dim()) else { return };
        let id = self.e.vocab.len() + self.composed.len();
        self.composed.insert(word.into(), id as u32);
        self.rows.extend(vector);
    }

    /// The id of `word`, or else of its lower-case spelling, or that of the word as composed.
    fn find(&self, word: &str) -> Option<u32> {
        self.in_vocabulary(word).or_else(|| self.composed.get(word).copied())
    }

    /// The id of `word`, or else of its lower-case spelling.
    fn in_vocabulary(&self, word: &str) -> Option<u32> {
        let id = |word: &str| self.e.vocab.id(word.as_bytes()).filter(|&id| (id as usize) < self.limit);
        id(word).or_else(|| id(&word.to_lowercase()))
    }

    /// Whether a word was composed.
    fn is_composed(&self, id: u32) -> bool {
        id as usize >= self.e.vocab.len()
    }

    /// The vector of a word that was found.
    fn vector(&self, id: u32) -> &[f32] {
        match (id as usize).checked_sub(self.e.vocab.len()) {
            Some(place) => &self.rows[place * self.e.dim()..][..self.e.dim()],
            None => self.e.vector(id),
        }
    }
}

/// What a line could be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Two words and their similarity.
    WordPair,
    /// Four words, or the head of a section of such.
    Question,
    /// A word and its answers.
    Pair,
    /// Two sentences and their similarity.
    Sentences,
}

impl Kind {
    fn of(line: &str) -> Option<Self> {
        if line.starts_with(':') {
            return Some(Self::Question);
        }
        let cells = cells(line);
        match &cells[..] {
            [_, _] => Some(Self::Pair),
            [_, _, _, ..] => match graded(&cells) {
                Some((_, [a, b])) if [a, b].iter().any(|text| text.contains(char::is_whitespace)) => {
                    Some(Self::Sentences)
                }
                Some(_) => Some(Self::WordPair),
                None => (line.split_whitespace().count() == 4).then_some(Self::Question),
            },
            _ => None,
        }
    }
}

/// The cells of a line: apart by tabs, or else by commas (a cell with commas stands in double quotes), or else by
/// white space.
fn cells(line: &str) -> Vec<Cow<'_, str>> {
    if line.contains('\t') {
        return line.split('\t').map(|cell| cell.trim().into()).collect();
    }
    if !line.contains(',') {
        return line.split_whitespace().map(Cow::from).collect();
    }
    let mut cells = Vec::new();
    let (mut cell, mut quoted) = (String::new(), false);
    for c in line.chars() {
        match c {
            // Doubled quotes in a quoted cell are one: the second opens it again.
            '"' if !quoted && cell.ends_with('\u{0}') => {
                cell.pop();
                cell.push('"');
                quoted = true;
            }
            '"' if quoted => {
                quoted = false;
                cell.push('\u{0}');
            }
            '"' if cell.trim().is_empty() => quoted = true,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells.into_iter().map(|cell| cell.replace('\u{0}', "").trim().to_string().into()).collect()
}

/// The grade in a line, and the two texts that it is about: grade first, or the first number behind the texts.
fn graded<'c>(cells: &'c [Cow<'_, str>]) -> Option<(f64, [&'c str; 2])> {
    let number = |cell: &Cow<'_, str>| cell.parse::<f64>().ok().filter(|x| x.is_finite());
    let [first, second, rest @ ..] = cells else { return None };
    let texts = |a: &'c str, b: &'c str| (!a.is_empty() && !b.is_empty()).then_some([a, b]);
    if let (Some(grade), [third, ..]) = (number(first), rest)
        && third.contains(char::is_whitespace)
    {
        return Some((grade, texts(second, third)?));
    }
    Some((rest.iter().find_map(number)?, texts(first, second)?))
}

/// The graded lines of a text. The first may be a header.
///
/// # Errors
/// [`Error::Input`], with the line and `what` was expected.
fn graded_lines(file: &Path, text: &str, what: &str) -> Result<Vec<(f64, [String; 2])>> {
    let mut items = Vec::new();
    for (place, (number, line)) in lines(text).enumerate() {
        match graded(&cells(line)) {
            Some((grade, texts)) => items.push((grade, texts.map(Into::into))),
            None if place == 0 => {}
            None => {
                let problem =
                    format!("line {number}: expected {what} and their similarity, a number, found '{line}'");
                return Err(Error::input(file, problem));
            }
        }
    }
    Ok(items)
}

/// The lines with something in them, trimmed, with their numbers from 1, without comments (`#`, `//`).
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let said = |line: &str| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//");
    (1..).zip(text.lines().map(str::trim)).filter(move |(_, line)| said(line))
}

fn has_extension(file: &Path, among: &[&str]) -> bool {
    let extension = file.extension().map(|e| e.to_string_lossy().to_lowercase());
    extension.is_some_and(|e| among.contains(&&*e))
}
