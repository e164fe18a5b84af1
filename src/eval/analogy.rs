//! Analogy questions. `athens greece oslo` asks for `norway` (Mikolov et al. 2013, "Efficient
//! Estimation of Word Representations in Vector Space"). Other files list a word and all answers
//! that are right (Gladkova, Drozd & Matsuoka 2016, "Analogy-based Detection of Morphological and
//! Semantic Relations with Word Embeddings").
//!
//! A question is made of two pairs of words, and both are in many questions. So the pairs are kept,
//! and the bootstrap takes pairs for what was sampled ([`Clusters`]).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::known::Known;
use super::outcome::{Answers, Measure, Outcome, Section};
use super::sheet::{Row, Sheet};
use super::{Parsed, Source, Task, TaskKind};
use crate::error::{Error, Result};
use crate::query;
use crate::stats::Clusters;
/// Lines of four words, the last of which is the answer, in sections that begin with `: section`.
pub(super) const QUESTIONS: TaskKind = TaskKind {
    fits: |sheet| rows_of(sheet, |row| row.section().is_some() || row.cells.len() == 4),
    line: "four words that are an analogy",
    folder_is_set: false,
    parse: |sources| {
        let how = "analogies: four words in a line, of which the fourth is the answer";
        parse(sources, how, Questions::parse)
    },
};
/// Lines of a word and its answers, `word<TAB>answer/another`. Each pair asks for the answers of
/// every other pair.
pub(super) const WORD_PAIRS: TaskKind = TaskKind {
    fits: |sheet| rows_of(sheet, |row| row.cells.len() == 2 && row.section().is_none()),
    line: "a word and its answers",
    folder_is_set: true,
    parse: |sources| {
        let how = "analogies: pairs of words without a grade, of which each asks for the answers of \
                   the others";
        parse(sources, how, Questions::of_pairs)
    },
};

/// Reads the files of a set with `read`, which also returns why it left lines out.
fn parse(sources: &[Source], how: &str, read: fn(&Source) -> Result<Relations>) -> Result<Parsed> {
    let (mut sections, mut left_out) = (Vec::new(), Vec::new());
    for source in sources {
        let (mut read, mut out) = read(source)?;
        sections.append(&mut read);
        left_out.append(&mut out);
    }
    Ok(Parsed { task: Arc::new(Questions { sections }), how: how.into(), left_out })
}

/// Sections, and why lines were left out.
type Relations = (Vec<Relation>, Vec<String>);

/// The number of rows that fit, if the rows are not graded pairs.
fn rows_of(sheet: &Sheet, fits: fn(&&Row) -> bool) -> usize {
    if sheet.columns.is_some() { 0 } else { sheet.rows.iter().filter(fits).count() }
}

/// Whether a word is the name of a relation, as `JJ_JJR` is.
fn is_relation(word: &str) -> bool {
    let capital =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase() || b == b'$');
    word.split_once('_').is_some_and(|(a, b)| capital(a) && capital(b))
}

/// The most pairs in a file of pairs, of which each asks for every other.
const MAX_PAIRS: usize = 1000;

/// Questions in sections.
#[derive(Debug, Default)]
struct Questions {
    sections: Vec<Relation>,
}

/// A section: pairs of words of one relation, and questions, each made of two of these pairs.
#[derive(Clone, Debug, Default)]
struct Relation {
    name: String,
    pairs: Vec<WordPair>,
    questions: Vec<[u32; 2]>,
}

/// A word and its right answers. Questions show the first answer that is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct WordPair {
    word: String,
    answers: Vec<String>,
}

/// Questions as ids of words.
#[derive(Default)]
struct Asked {
    /// The three words of each question that can be asked.
    words: Vec<[u32; 3]>,
    /// The right answers to each of these questions.
    accepted: Vec<Vec<u32>>,
    /// For each item that is scored, the index of its question; `None` if it can't be asked.
    used: Vec<Option<usize>>,
    clusters: Clusters,
    /// The questions of each section.
    sections: Vec<Range<usize>>,
}

impl Questions {
    /// Reads lines of four words, the last of which is the answer, in sections that begin with
    /// `: section`.
    fn parse(&Source { file, name, sheet }: &Source) -> Result<Relations> {
        let (mut all, mut left_out) = (Self::default(), Vec::new());
        let mut seen: HashMap<WordPair, u32> = HashMap::new();
        let labelled = sheet.rows.iter().filter(|row| is_relation(&row.cells[0])).count();
        if labelled == sheet.rows.len() {
            let problem = "the first word of each line is the name of a relation, so that the answers \
                           must be elsewhere: give lines of four words, the last of which is the answer";
            return Err(Error::input(file, problem));
        }
        for row in &sheet.rows {
            if let Some(title) = row.section() {
                all.sections.push(Relation { name: title.into(), ..Relation::default() });
                seen.clear();
                continue;
            }
            let [a, b, c, d] = &row.cells[..] else {
                left_out.push(row.problem("expected `: section` or four words"));
                continue;
            };
            if all.sections.is_empty() {
                all.sections.push(Relation { name: name.into(), ..Relation::default() });
            }
            let Some(section) = all.sections.last_mut() else { continue };
            let question = [[a, b], [c, d]].map(|[word, answer]| {
                let pair = WordPair { word: word.clone(), answers: vec![answer.clone()] };
                *seen.entry(pair).or_insert_with_key(|pair| {
                    section.pairs.push(pair.clone());
                    section.pairs.len() as u32 - 1
                })
            });
            section.questions.push(question);
        }
        if all.sections.iter().all(|section| section.questions.is_empty()) {
            return Err(Error::input(file, "no analogy question: expected lines of four words"));
        }
        Ok((all.sections, left_out))
    }

    /// Reads lines of a word and its answers, `word<TAB>answer/another`. Each pair asks for the
    /// answers of every other pair.
    fn of_pairs(&Source { file, name, sheet }: &Source) -> Result<Relations> {
        let (mut pairs, mut left_out) = (Vec::new(), Vec::new());
        for row in &sheet.rows {
            let [word, answers] = &row.cells[..] else {
                left_out.push(row.problem("expected a word and its answers"));
                continue;
            };
            let answers = answers
                .split('/')
                .map(str::trim)
                .filter(|a| !a.is_empty())
                .map(Into::into)
                .collect();
            pairs.push(WordPair { word: word.clone(), answers });
        }
        if !(2..=MAX_PAIRS).contains(&pairs.len()) {
            let problem = format!(
                "{} pairs of words without a grade: between 2 and {MAX_PAIRS} make analogies, in which \
                 each asks for the answers of the others",
                pairs.len()
            );
            return Err(Error::input(file, problem));
        }
        let n = pairs.len() as u32;
        let questions =
            (0..n).flat_map(|i| (0..n).filter(move |&j| j != i).map(move |j| [i, j])).collect();
        Ok((vec![Relation { name: name.into(), pairs, questions }], left_out))
    }

    /// The questions that can be asked with the words that are known. Their answers must be in the
    /// vocabulary. With `zero`, an item is scored even if it can't be asked.
    fn ask(&self, known: &Known, zero: bool) -> Asked {
        let mut asked = Asked::default();
        for section in &self.sections {
            // The word of a pair, the answer that it is shown with, and the answers that are right.
            let pairs: Vec<(Option<u32>, Option<u32>, Vec<u32>)> = section
                .pairs
                .iter()
                .map(|pair| {
                    let shown = pair.answers.iter().find_map(|answer| known.find(answer));
                    let answers =
                        pair.answers.iter().filter_map(|answer| known.in_vocabulary(answer));
                    (known.find(&pair.word), shown, answers.collect())
                })
                .collect();
            let (mut items, before) = (Vec::new(), asked.words.len());
            for &[i, j] in &section.questions {
                let (shown, sought) = (&pairs[i as usize], &pairs[j as usize]);
                let question = match (shown.0, shown.1, sought.0, sought.2.is_empty()) {
                    (Some(a), Some(b), Some(c), false) => Some([a, b, c]),
                    _ => None,
                };
                if question.is_some() || zero {
                    items.push([i, j]);
                    asked.used.push(question.map(|_| asked.words.len()));
                }
                if let Some(question) = question {
                    asked.words.push(question);
                    asked.accepted.push(sought.2.clone());
                }
            }
            asked.clusters.push(items);
            asked.sections.push(before..asked.words.len());
        }
        asked
    }
}

impl Task for Questions {
    fn kind(&self) -> &'static str {
        "analogies"
    }

    fn words(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        let pairs = self.sections.iter().flat_map(|section| &section.pairs);
        let words = pairs.flat_map(|pair| std::iter::once(&pair.word).chain(&pair.answers));
        Box::new(words.map(String::as_str))
    }

    fn known(&self, known: &Known) -> usize {
        self.ask(known, false).words.len()
    }

    /// The share of right answers. Every word of the vocabulary that counts as known can be an
    /// answer, except the three words of the question.
    fn score(&self, known: &Known, zero: bool) -> Outcome {
        let Asked { words, accepted, used, clusters, sections } = self.ask(known, zero);
        let composed =
            words.iter().filter(|words| words.iter().any(|&id| known.is_composed(id))).count();
        let found = query::analogies(known.e, known.limit, &known.rows, &words);
        let right: Vec<[bool; 3]> = found
            .iter()
            .zip(&accepted)
            .map(|(found, accepted)| {
                [found.add, found.mul, found.nearest]
                    .map(|word| word.is_some_and(|w| accepted.contains(&w)))
            })
            .collect();
        let measures =
            ["3CosAdd", "3CosMul", "nearest to C"].into_iter().enumerate().flat_map(|(i, name)| {
                let answer = |&place: &Option<usize>| {
                    f32::from(u8::from(place.is_some_and(|at| right[at][i])))
                };
                let answers: Vec<f32> = used.iter().map(answer).collect();
                let average = ["3CosAdd macro", "3CosMul macro", "nearest to C macro"][i];
                [
                    Measure { name, answers: Answers::Micro(answers.clone()) },
                    Measure { name: average, answers: Answers::Macro(answers) },
                ]
            });
        let measures = measures.collect();
        let sections = sections.into_iter().zip(&self.sections).map(|(asked, section)| {
            let count = |i: usize| right[asked.clone()].iter().filter(|right| right[i]).count();
            Section {
                name: section.name.clone(),
                total: section.questions.len(),
                known: asked.len(),
                add: count(0),
                mul: count(1),
                nearest: count(2),
            }
        });
        let total = self.sections.iter().map(|section| section.questions.len()).sum();
        Outcome {
            total,
            known: words.len(),
            composed,
            clusters,
            measures,
            sections: sections.collect(),
        }
    }
}
