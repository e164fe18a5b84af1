//! Analogy questions: `athens greece oslo` asks for `norway` (Mikolov et al. 2013, "Efficient Estimation of Word
//! Representations in Vector Space").

use rayon::prelude::*;

use super::{find, lines};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::query::{Combine, Index, Query};

/// Questions that are answered together, which bounds the memory for their vectors.
const BATCH: usize = 4096;

/// How many questions of a set were answered rightly.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Analogy {
    /// The name of the set.
    pub name: String,
    /// Each section of the set, also those of which no question could be asked.
    pub sections: Vec<Section>,
    /// Right answers in all sections.
    pub right: usize,
    /// Questions asked in all sections.
    pub total: usize,
    /// Questions that were not asked because a word is unknown.
    pub skipped: usize,
    /// Right answers to a question, from 0 to 1; not a number when none was asked.
    pub micro: f64,
    /// The mean over the sections in which a question was asked of the right answers to a question.
    #[serde(rename = "macro")]
    pub macro_average: f64,
    /// Whether each question that was asked was answered rightly: in the order of the set, section by section.
    #[serde(skip)]
    pub answers: Vec<bool>,
}

/// The answers to a section of questions.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Right answers.
    pub right: usize,
    /// Questions asked.
    pub total: usize,
}

/// Asks the questions of the set `name`: lines of four words, of which the last is the answer, in sections that begin
/// with `: section`. Blank lines and comments (`#`, `//`) are skipped. All words of the vocabulary but the three of the
/// question can be answers; a question is asked when its four words are known.
///
/// # Errors
/// [`Error::Input`], with the line, when a line has not four words, or when there is no question at all.
pub fn analogy(e: &Embeddings, name: &str, text: &str, combine: Combine) -> Result<Analogy> {
    let mut sections: Vec<Section> = Vec::new();
    // With the place of their section.
    let mut questions: Vec<(usize, [u32; 4])> = Vec::new();
    let mut skipped = 0;
    let section = |name: &str| Section { name: name.trim().into(), right: 0, total: 0 };
    for (number, line) in lines(text, &["#", "//"]) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // A line of four words is a question even if the first is a colon with something attached.
        if let (Some(title), true) = (line.strip_prefix(':'), words.len() != 4 || words[0] == ":") {
            sections.push(section(title));
            continue;
        }
        let &[a, b, c, d] = &words[..] else {
            let problem = format!("line {number}: expected `: section` or four words, found '{line}'");
            return Err(Error::input(name, problem));
        };
        if sections.is_empty() {
            sections.push(section(name));
        }
        match [a, b, c, d].map(|word| find(&e.vocab, word)) {
            [Some(a), Some(b), Some(c), Some(d)] => questions.push((sections.len() - 1, [a, b, c, d])),
            _ => skipped += 1,
        }
    }
    if questions.is_empty() && skipped == 0 {
        return Err(Error::input(name, "no analogy question: expected lines of four words"));
    }
    let answers = ask(e, &questions, combine);
    for (&(section, _), &right) in questions.iter().zip(&answers) {
        sections[section].right += usize::from(right);
        sections[section].total += 1;
    }
    let (right, total) = (sections.iter().map(|s| s.right).sum(), questions.len());
    let shares: Vec<f64> = sections.iter().filter(|s| s.total > 0).map(|s| share(s.right, s.total)).collect();
    Ok(Analogy {
        name: name.into(),
        right,
        total,
        skipped,
        micro: share(right, total),
        macro_average: shares.iter().sum::<f64>() / shares.len() as f64,
        answers,
        sections,
    })
}

fn share(right: usize, total: usize) -> f64 {
    right as f64 / total as f64
}

/// Whether the word nearest to each question is its answer.
fn ask(e: &Embeddings, questions: &[(usize, [u32; 4])], combine: Combine) -> Vec<bool> {
    let index = Index::new(e);
    let mut answers = Vec::with_capacity(questions.len());
    for batch in questions.chunks(BATCH) {
        let query = |&(_, [a, b, c, _]): &(usize, [u32; 4])| Query::analogy_ids(e, [a, b, c], combine);
        let queries: Vec<Query> = batch.par_iter().map(query).collect();
        for (&(_, [.., d]), nearest) in batch.iter().zip(index.nearest(&queries, 1)) {
            answers.push(nearest.first().is_some_and(|word| word.id == d));
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embeddings::Provenance;
    use crate::vocab::Vocab;

    /// Countries lie one above their capitals, each pair in a direction of its own; `wrong` lies where `italy` should.
    fn embeddings() -> Embeddings {
        let words = ["athens", "greece", "oslo", "norway", "rome", "italy", "wrong"];
        #[rustfmt::skip]
        let rows = vec![
            3.0, 0.0, 0.0, 0.0,   3.0, 0.0, 0.0, 1.0,
            0.0, 3.0, 0.0, 0.0,   0.0, 3.0, 0.0, 1.0,
            0.0, 0.0, 3.0, 0.0,   0.0, 0.0, -3.0, 1.0,
            0.0, 0.0, 3.0, 1.0,
        ];
        Embeddings::new(Vocab::new(&words, vec![]), 4, rows.into(), None, Provenance::default())
    }

    const SET: &str = "// a comment\n: capitals of the north\nathens greece oslo norway\n\nOslo Norway Athens GREECE\n\
        athens greece bern switzerland\n: empty\n# another\n: south\nathens greece rome italy\n";

    #[test]
    fn counts_right_answers_by_section() {
        for combine in [Combine::Add, Combine::Mul] {
            let report = analogy(&embeddings(), "set", SET, combine).unwrap();
            let sections: Vec<_> = report.sections.iter().map(|s| (&s.name[..], s.right, s.total)).collect();
            assert_eq!(sections, [("capitals of the north", 2, 2), ("empty", 0, 0), ("south", 0, 1)]);
            assert_eq!((report.right, report.total, report.skipped), (2, 3, 1));
            assert!((report.micro - 2.0 / 3.0).abs() < 1e-12);
            assert!((report.macro_average - 0.5).abs() < 1e-12);
            assert_eq!(report.answers, [true, true, false]);
        }
    }

    #[test]
    fn the_words_of_a_question_are_no_answer() {
        let report = analogy(&embeddings(), "set", "athens greece oslo oslo\n", Combine::Add).unwrap();
        assert_eq!(report.sections, [Section { name: "set".into(), right: 0, total: 1 }]);
    }

    #[test]
    fn says_which_line_is_wrong() {
        let problem = |text| analogy(&embeddings(), "q.txt", text, Combine::Add).unwrap_err().to_string();
        assert_eq!(
            problem(": a\nathens greece oslo\n"),
            "q.txt: line 2: expected `: section` or four words, found 'athens greece oslo'"
        );
        assert!(problem("\n: a\n").contains("no analogy question"));
        let unknown = analogy(&embeddings(), "q.txt", "a b c d", Combine::Add).unwrap();
        assert!(unknown.skipped == 1 && unknown.micro.is_nan() && unknown.macro_average.is_nan());
    }
}
