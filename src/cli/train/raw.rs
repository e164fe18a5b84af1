//! Hints at text that is not yet words: with punctuation and capital letters, in columns, or without
//! spaces.

use std::collections::HashMap;
use std::path::PathBuf;

use wordloom::corpus::{Corpus, TextOptions};

use crate::cli::progress::say;
use crate::cli::show;

/// A hint is given where so many of a hundred words are others with punctuation or capital letters.
const MANY: usize = 12;
/// Of large vocabularies so many words are looked at, the most frequent.
const LOOKED_AT: usize = 200_000;
/// The most spellings of a word that are shown.
const SHOWN: usize = 4;

/// Says what would be learnt better if it were read in another way. Of `documents` the columns are
/// known.
pub(super) fn hint(corpus: &Corpus, text: &TextOptions, documents: bool) {
    if text.column.is_empty() && !documents {
        columns(text);
    }
    if let Some(hint) = spellings(corpus, text).or_else(|| unspaced(corpus)) {
        say(&format!("wordloom: {hint}"));
    }
}

/// Says that a table is read as it is.
fn columns(text: &TextOptions) {
    let named = |input: &PathBuf| {
        let name = input.file_name()?.to_string_lossy().into_owned();
        let lower = name.to_lowercase();
        let table = [".csv", ".tsv", ".jsonl", ".ndjson"].iter().any(|end| lower.contains(end));
        table.then_some(name)
    };
    if let Some(name) = text.inputs.iter().find_map(named) {
        say(&format!(
            "wordloom: {} is read as plain text, its marks and names too: --column reads one column \
             or field",
            show::shown(&name)
        ));
    }
}

/// A hint where many words are others with punctuation or capital letters.
fn spellings(corpus: &Corpus, text: &TextOptions) -> Option<String> {
    let vocab = &corpus.vocab;
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_string();
    // The spellings that become one without punctuation, in lower case, or both; the most frequent
    // first.
    let (mut unmarked, mut lower) = (HashMap::<String, usize>::new(), HashMap::new());
    let mut both = HashMap::<String, Vec<u32>>::new();
    for id in 0..vocab.len().min(LOOKED_AT) as u32 {
        let word = vocab.text(id);
        let stripped = bare(&word);
        if stripped.is_empty() {
            continue;
        }
        *lower.entry(word.to_lowercase()).or_insert(0usize) += 1;
        both.entry(stripped.to_lowercase()).or_default().push(id);
        *unmarked.entry(stripped).or_default() += 1;
    }
    let words: usize = both.values().map(Vec::len).sum();
    let many = |of: usize, left: usize| 100 * (of - left) > MANY * of;
    let marks = !text.tokenizer.unicode_words && many(words, unmarked.len());
    let (of, left) = if marks { (unmarked.len(), both.len()) } else { (words, lower.len()) };
    let cases = !text.tokenizer.lowercase && many(of, left);
    let (option, left) = match (marks, cases) {
        (true, true) => ("--text raw", both.len()),
        (true, false) => ("--unicode-words", unmarked.len()),
        (false, true) => ("--lowercase", lower.len()),
        (false, false) => return None,
    };
    // Of words with most spellings, the most frequent.
    let most = |a: &&Vec<u32>, b: &&Vec<u32>| {
        let rank = |of: &Vec<u32>| (of.len().min(SHOWN), std::cmp::Reverse(of[0]));
        rank(a).cmp(&rank(b))
    };
    let example = both.values().max_by(most)?;
    let shown: Vec<String> = example.iter().take(SHOWN).map(|&id| vocab.text(id)).collect();
    let (words, left) = (show::number(words as u64), show::number(left as u64));
    Some(format!(
        "many words are others with punctuation or capital letters ({}): {option} would make {left} \
         words of {words}",
        show::shown(&shown.join(" "))
    ))
}

/// A hint where whole phrases of a script without spaces are words.
fn unspaced(corpus: &Corpus) -> Option<String> {
    let facts = &corpus.facts;
    let script = |c: char| {
        matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
            | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
    };
    let vocab = &corpus.vocab;
    let of =
        |id: u32| if vocab.text(id).contains(script) { vocab.count(id).unwrap_or(0) } else { 0 };
    let tokens: u64 = (0..vocab.len() as u32).map(of).sum();
    // Phrases are rarely repeated, so most of them are no words of the vocabulary.
    if 10 * tokens < 3 * facts.tokens || 10 * facts.tokens > 6 * facts.words_read {
        return None;
    }
    Some(
        "the text looks as if it had no spaces between words: segment it first, as with jieba for \
         Chinese, MeCab or Sudachi for Japanese, PyThaiNLP for Thai"
            .into(),
    )
}
