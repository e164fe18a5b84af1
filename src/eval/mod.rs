//! How good vectors are, by sets of questions with known answers: graded word pairs and analogies.
//!
//! Both take the text of a set and its name, and tell what they could not use: words that the vocabulary lacks are left
//! out and counted, lines that can't be read are errors. A word is looked up as it stands, then in lower case. The
//! answers to the single pairs and questions are kept, for intervals and paired comparisons.

mod analogy;
mod similarity;

pub use analogy::{Analogy, Section, analogy};
pub use similarity::{Similarity, similarity, spearman};

use crate::vocab::Vocab;

/// The id of `word`, or else of its lower-case spelling.
fn find(vocab: &Vocab, word: &str) -> Option<u32> {
    vocab.id(word.as_bytes()).or_else(|| vocab.id(word.to_lowercase().as_bytes()))
}

/// The lines with something in them, trimmed, with their numbers from 1. A line that begins with one of `comments` is left
/// out.
fn lines<'t>(text: &'t str, comments: &'static [&'static str]) -> impl Iterator<Item = (usize, &'t str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let said =
        move |line: &str| !line.is_empty() && !comments.iter().any(|comment| line.starts_with(comment));
    (1..).zip(text.lines().map(str::trim)).filter(move |(_, line)| said(line))
}
