//! GloVe's text format: a line `word x1 … xdim` for each word, with no line of sizes before them.
//!
//! The published files have their traps, and all of these files can be read. In the file of 840
//! billion tokens some words contain spaces (`. . .`). A line is therefore read from its end: the
//! last `dim` fields are the vector, and everything before them is the word. The dimension `dim` is
//! the one that most lines have. Some words occur twice: the first occurrence is kept, and
//! a note says so. A last row `<unk>`, the mean of rare words, is a word like any
//! other. A file that has a line of sizes, which doesn't count this row, is read by
//! [`super::word2vec`].

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::lines::{
    fields, in_pieces, is_gap, last_field, lines, number, open_end, read_lines, without_gaps,
};
use super::word2vec::{header, text_size};
use super::written::{Words, put_numbers};
use super::{Kind, Reads, Writes};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};

pub(super) const FORMAT: Kind = Kind {
    name: "glove",
    help: "GloVe's text: as word2vec's, without the line of the sizes",
    program: "GloVe",
    extensions: &[],
    holds: &[],
    reads: Some(Reads { looks: looks_glove, read }),
    writes: Writes::File(write),
    widths: &[],
    size: text_size,
};

/// The lines by which the format is recognised.
const LOOKED_AT: usize = 64;

/// Whether most of the first lines are a word and at least two numbers. A line of two words and a
/// number, as in sets of questions, is none.
fn looks_glove(file: &[u8]) -> bool {
    if header(file).is_some() {
        return false;
    }
    let numbers = |line: &[u8]| {
        let (mut rest, mut numbers) = (line, 0);
        loop {
            let (before, field) = last_field(rest);
            if before.is_empty() || number(field).is_none() {
                return numbers;
            }
            numbers += 1;
            rest = without_gaps(before);
        }
    };
    let (mut looked, mut fit) = (0, 0);
    for (_, line) in lines(file).take(LOOKED_AT) {
        let (numbers, fields) = (numbers(line), fields(line));
        looked += 1;
        fit += usize::from(numbers > 1 && numbers + 1 >= fields);
        if looked == 1 && 2 * numbers < fields {
            return false;
        }
    }
    2 * fit > looked
}

fn read(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    let count = |piece: Range<usize>| {
        let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, line) in lines(&file[piece]) {
            *sizes.entry(fields(line)).or_default() += 1;
        }
        sizes
    };
    in_pieces(file, 0, count, |piece| {
        for (fields, lines) in piece {
            *sizes.entry(fields).or_default() += lines;
        }
        Ok(())
    })?;
    let dim = sizes.iter().max_by_key(|(_, lines)| **lines).map_or(0, |(fields, _)| fields - 1);
    if dim == 0 {
        return Err(Error::format(path, 0, "most lines have no number: not vectors"));
    }
    let rows = read_lines(path, file, 0, sizes.values().sum(), dim)?;
    Ok(rows.finish("GloVe text", open_end(file).into_iter().collect()))
}

fn write(embeddings: &Embeddings, out: &mut Staged) -> Result<Vec<String>> {
    let inner_spaces = |word: &[u8]| {
        let edge = |byte: Option<&u8>| byte.is_none_or(|&b| is_gap(b));
        !word.contains(&b'\n') && !edge(word.first()) && !edge(word.last())
    };
    let words = Words::new(embeddings, inner_spaces);
    words.write(out, put_numbers)?;
    Ok(words.notes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;
    use crate::format::{self, Format};

    fn read_bytes(bytes: impl AsRef<[u8]>) -> Result<Embeddings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors.txt");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(Format::of_content(&Mapped::open(&path).unwrap()), Format::named("glove"));
        format::read(&path)
    }

    fn vector(of: &Embeddings, word: &str) -> Vec<f32> {
        of.vector(of.vocab.known(word).unwrap()).into_owned()
    }

    fn words(of: &Embeddings) -> Vec<String> {
        (0..of.vocab.len() as u32).map(|id| of.vocab.text(id)).collect()
    }

    #[test]
    fn words_with_spaces_repeated_words_and_the_unknown_word_are_read() {
        let read = read_bytes(
            "the 1 2 3\n. . . 4 5 6\nat name@domain.com 7 8 9\nthe 0 0 0\n2008 1e-3 -.5 +2\n3 1 4 1\n<unk> 3 2 1\n",
        );
        let read = read.unwrap();
        assert_eq!(words(&read), ["the", ". . .", "at name@domain.com", "2008", "3", "<unk>"]);
        assert_eq!(vector(&read, "the"), [1.0, 2.0, 3.0]);
        assert_eq!(vector(&read, ". . ."), [4.0, 5.0, 6.0]);
        assert_eq!(vector(&read, "2008"), [0.001, -0.5, 2.0]);
        assert_eq!(vector(&read, "<unk>"), [3.0, 2.0, 1.0]);
        assert_eq!(read.provenance.notes, ["one line repeats a word and was left out"]);
        let sets = ["dog cat 7.5 8 9 7\nsun moon 3 4 2 3\n", "1 dog cat 7.5 8\n2 sun moon 3 4\n"];
        assert!(sets.iter().all(|set| !looks_glove(set.as_bytes())), "questions are no vectors");
        let first = read_bytes(". . . 4 5 6\nthe 1 2 3\nof 1 2 3\n").unwrap();
        assert_eq!(words(&first), [". . .", "the", "of"], "a first word with spaces");
        let missing = read_bytes("the 1 2 3\n 4 5 6\nof 7 8 9").unwrap();
        assert_eq!(words(&missing), ["the", "", "of"], "a word that is missing");
    }

    #[test]
    fn a_line_of_sizes_may_leave_out_the_unknown_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors.txt");
        std::fs::write(&path, "2 2\nthe 1 2\nof 3 4\n<unk> 2 3\n").unwrap();
        assert_eq!(words(&format::read(&path).unwrap()), ["the", "of", "<unk>"]);
        std::fs::write(&path, "2 2\nthe 1 2\nof 3 4\nand 2 3\n").unwrap();
        assert!(format::read(&path).is_err(), "any other word too many is an error");
    }

    #[test]
    fn lines_that_are_too_short_and_words_for_numbers_are_errors() {
        let fails = |text: &str| read_bytes(text).unwrap_err().to_string();
        assert!(
            fails("the 1 2 3\nof 1 2 3\nto 1 2")
                .contains("2 numbers in a line where there should be 3")
        );
        assert!(fails("the 1 2 3\nof 1 x 3\nto 1 2 3").contains("'x' is no number"));
        assert!(fails("the 1 2 3\nof 1 2 3\n\0\n").contains("0 numbers"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            words in prop::collection::btree_set("[a-z0-9.é]{1,4}( [a-z.]{1,3})?", 1..20),
            dim in 2..6usize,
            seed in prop::collection::vec(-1e30f32..1e30, 120),
        ) {
            let words: Vec<String> = words.into_iter().collect();
            // The dimension must be plain from most lines.
            prop_assume!(words.iter().filter(|word| word.contains(' ')).count() * 2 < words.len());
            let vectors = seed[..words.len() * dim].to_vec();
            let before = Embeddings::new(Vocab::new(&words, vec![]), dim, vectors.into(), None, Provenance::default());
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("vectors");
            format::write(&before, &path, Format::named("glove").unwrap()).unwrap();
            let after = format::read(&path).unwrap();
            prop_assert_eq!(super::tests::words(&after), words);
            prop_assert_eq!(after.input(), before.input());
        }

        #[test]
        fn anything_at_all_is_an_error_or_harmless(bytes in "[ab 1.\n\t\r-]{0,60}") {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("vectors");
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(read) = format::read(&path) {
                prop_assert_eq!(read.input().len(), read.vocab.len() * read.dim());
            }
        }
    }
}
