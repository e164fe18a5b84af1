//! Words with their contexts for other programs: a table in CSV, or a sparse matrix in the format of
//! Matrix Market.

use std::fmt::Write;
use std::path::Path;

use super::numpy::beside;
use super::pieces::in_turn;
use crate::cooccur::{Counts, Margins, Measure};
use crate::error::{Error, Result};
use crate::memory::Staged;

/// Words whose lines are made by one thread at a time.
const PIECE: usize = 64;

/// Writes a line for each context of each of some words, with all measures: words in the order that
/// is given, contexts by a measure. At most `most` contexts of a word are written, which occur with
/// it `least` times at least. Returns the number of lines.
///
/// # Errors
/// When the file can't be written.
pub fn write_table(
    path: &Path,
    (counts, margins): (&Counts, &Margins),
    words: &[u32],
    (least, most): (f64, usize),
    measure: Measure,
) -> Result<u64> {
    let mut out = Staged::new(path)?;
    out.put(b"word,context,count,pmi,npmi,log_likelihood,t\n")?;
    let lines = |words: &[u32]| {
        let mut lines = csv::WriterBuilder::new().from_writer(Vec::new());
        let mut number = 0u64;
        for &word in words {
            let all = margins.contexts(counts, word, least, measure);
            for a in all.iter().take(most) {
                let measures = [a.count, a.pmi, a.npmi, a.log_likelihood, a.t];
                let numbers = measures.map(|x| format!("{}", x as f32));
                let names = [counts.vocab.word(word), counts.vocab.word(a.context)];
                let fields = names.into_iter().chain(numbers.iter().map(String::as_bytes));
                // Writing to memory can't fail, and all records have the same length.
                let _ = lines.write_record(fields);
                number += 1;
            }
        }
        (lines.into_inner().unwrap_or_default(), number)
    };
    let mut all = 0;
    in_turn(words.chunks(PIECE), lines, |(lines, number)| {
        all += number;
        out.put(&lines)
    })?;
    out.finish()?;
    Ok(all)
}

/// Writes all counts as a sparse matrix, whose rows and columns are the words of a file beside it, one
/// a line. Returns the number of counts.
///
/// # Errors
/// When a file can't be written.
pub fn write_matrix(path: &Path, counts: &Counts) -> Result<u64> {
    let words = beside(path, ".words.txt");
    let (mut out, mut list) = (Staged::new(path)?, Staged::new(&words)?);
    let vocab = &counts.vocab;
    if let Some(word) = vocab.words().find(|word| word.contains(&b'\n')) {
        let word = String::from_utf8_lossy(word);
        return Err(Error::input(&words, format!("the word '{word}' has a line end in it")));
    }
    for word in vocab.words() {
        list.put(word)?;
        list.put(b"\n")?;
    }
    let size = vocab.len();
    let all: u64 = (0..size as u32).map(|word| counts.contexts(word).len() as u64).sum();
    let head = format!(
        "%%MatrixMarket matrix coordinate real general\n% rows and columns: {}\n{size} {size} {all}\n",
        words.file_name().unwrap_or_default().to_string_lossy()
    );
    out.put(head.as_bytes())?;
    let ids: Vec<u32> = (0..size as u32).collect();
    let lines = |words: &[u32]| {
        let mut lines = String::new();
        for &word in words {
            for count in &counts.contexts(word)[..] {
                let (row, column, count) = (word + 1, count.word + 1, count.count);
                // Writing to a string can't fail.
                let _ = writeln!(lines, "{row} {column} {count}");
            }
        }
        lines
    };
    in_turn(ids.chunks(PIECE), lines, |lines| out.put(lines.as_bytes()))?;
    list.finish()?;
    out.finish()?;
    Ok(all)
}
