//! The two formats of word2vec.c.
//!
//! A text file has a line `words dim`, then a line `word x1 … xdim` for each word; word2vec.c ends
//! each of these lines with a space. A file without the first line is in the format of
//! [`super::glove`]. Where `GloVe`'s program writes the first line, it writes one row more than
//! this line says: `<unk>`.
//!
//! A binary file has the same first line. For each word, its bytes, a space and `dim` f32 follow,
//! and then a newline (word2vec.c) or none (gensim, the published `GoogleNews` file). Newlines
//! before a word are skipped, so that both are read.
//!
//! Other programs write words that contain spaces or nothing, and both formats are read with care:
//! in a text line the last `dim` fields are the vector, and in a binary file a word ends where the
//! rest of the file makes sense. Of words that occur twice the first is kept. Written words have no
//! white space: `_` takes its place. Counts aren't stored.
//!
//! This file is over 300 lines because two fifths of it are tests.

use std::collections::HashSet;
use std::path::Path;

use super::lines::{
    Release, fields, is_gap, last_field, lines, number, open_end, read_lines, shown, without_gaps,
};
use super::rows::Rows;
use super::written::{Words, put_numbers};
use super::{Contents, Kind, Reads, Writes};
use crate::bytes::Cursor;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};

pub(super) const TEXT: Kind = Kind {
    name: "text",
    help: "word2vec text: a line with the sizes, then a word and its vector a line (.txt, .vec)",
    program: "word2vec",
    extensions: &["txt", "vec"],
    holds: &[],
    reads: Some(Reads { looks: looks_text, read: read_text }),
    writes: Writes::File(write_text),
    widths: &[],
    size: text_size,
};

pub(super) const BINARY: Kind = Kind {
    name: "binary",
    help: "word2vec binary (.bin)",
    program: "word2vec",
    extensions: &["bin"],
    holds: &[],
    reads: Some(Reads { looks: looks_binary, read: read_binary }),
    writes: Writes::File(write_binary),
    widths: &[],
    size: |of: &Contents| of.words * (of.dim * 4 + 2) + of.bytes,
};

/// About how many bytes vectors take as text: a coordinate has a sign every other time, a leading
/// zero, a point, eight or nine digits and a space.
pub(super) fn text_size(of: &Contents) -> u64 {
    of.words * (of.dim * 12 + 2) + of.bytes
}

/// A first line of more bytes than this is not a line of sizes.
const HEADER: usize = 64;

/// The number of words and the dimension in the first line, and the length of this line in bytes.
pub(super) fn header(file: &[u8]) -> Option<(usize, usize, usize)> {
    let end = memchr::memchr(b'\n', &file[..file.len().min(HEADER)])?;
    let line = String::from_utf8(file[..end].to_vec()).ok()?;
    let mut sizes = line.split_ascii_whitespace().map(str::parse);
    match (sizes.next()?, sizes.next()?, sizes.next()) {
        (Ok(words), Ok(dim), None) => Some((words, dim, end + 1)),
        _ => None,
    }
}

/// Whether a line of sizes is followed by a line that ends with as many numbers as it says, or that
/// is text with as many fields: its error then names the field.
fn looks_text(file: &[u8]) -> bool {
    let Some((_, dim, start)) = header(file) else { return false };
    let Some((_, line)) = lines(&file[start..]).next() else { return false };
    if fields(line) == dim.saturating_add(1) && line.iter().all(|&b| b >= b' ' || is_gap(b)) {
        return true;
    }
    let mut rest = line;
    for _ in 0..dim {
        let (before, field) = last_field(rest);
        if before.is_empty() || number(field).is_none() {
            return false;
        }
        rest = without_gaps(before);
        if rest.is_empty() {
            // A word that is missing leaves the gap before the numbers.
            rest = &before[..1];
        }
    }
    dim > 0
}

/// Whether the first line has sizes, with a dimension above 0, and is not the end of the file.
fn looks_binary(file: &[u8]) -> bool {
    header(file).is_some_and(|(_, dim, start)| dim > 0 && file.len() > start)
}

fn read_text(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let (claimed, dim, start) =
        header(file).ok_or_else(|| Error::format(path, 0, "no line with the sizes"))?;
    let rows = read_lines(path, file, start, claimed, dim)?;
    let found = rows.len();
    let one_more = found == claimed.saturating_add(1) && rows.last_word() == b"<unk>";
    if claimed != found && !one_more {
        let why = if found < claimed {
            "is the file cut short? If it is whole, correct its first line"
        } else {
            "correct its first line"
        };
        let problem = format!("{found} words where the first line says {claimed}: {why}");
        return Err(Error::format(path, file.len() as u64, problem));
    }
    Ok(rows.finish("word2vec text", open_end(file).into_iter().collect()))
}

/// Words of more bytes than this are not looked for among words with spaces.
const LONGEST_WORD: usize = 512;
/// A number of a greater size is taken for other bytes that are read as a number.
const LARGEST: f32 = 1e6;

/// Where the parts of a binary file are.
#[derive(Clone, Copy)]
struct Layout<'a> {
    file: &'a [u8],
    /// The number of words.
    count: usize,
    dim: usize,
    /// Where the first word begins.
    start: usize,
}

impl<'a> Layout<'a> {
    /// Where the word begins that is next from `at` on: behind newlines.
    fn word_start(&self, at: usize) -> usize {
        at + self.file[at..].iter().take_while(|&&b| b == b'\n').count()
    }

    /// The numbers of a row that begins at `at`, if the file has them.
    fn row(&self, at: usize) -> Option<impl Iterator<Item = f32> + 'a> {
        let bytes = self.file.get(at..at.checked_add(4 * self.dim)?)?;
        Some(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)))
    }

    /// Whether a row at `at` has numbers as vectors have them.
    fn is_row(&self, at: usize) -> bool {
        // No early end: all numbers are compared, many at once.
        let fits = |all: bool, x: f32| all & (x.abs() <= LARGEST);
        self.row(at).is_some_and(|row| row.fold(true, fits))
    }

    /// Whether a row at `at` begins with text and a space, and has numbers such as letters make: it
    /// begins within a word.
    fn is_text(&self, at: usize) -> bool {
        let Some(mut row) = self.row(at) else { return false };
        row.any(|x| x.abs() > LARGEST && x.is_finite())
            && self.spaces(at, at).next().is_some_and(|end| end < at + 4 * self.dim)
    }

    /// Where the words end, so that all words are text, all rows have numbers as vectors have them,
    /// and the last row ends where the file does. Words may contain spaces. Of several ways the
    /// first is taken: that with the shortest words, beginning with the first word. `None` if there
    /// is no way.
    fn word_ends(&self) -> Option<Vec<usize>> {
        let mut ends: Vec<usize> = Vec::with_capacity(self.count);
        let mut dead: HashSet<(usize, usize)> = HashSet::new();
        let mut steps = self.count.saturating_mul(4).saturating_add(10_000);
        // Where the word begins whose end is looked for, and from where on.
        let (mut begin, mut from) = (self.word_start(self.start), self.word_start(self.start));
        loop {
            steps = steps.checked_sub(1)?;
            let row = ends.len();
            let end = if row == self.count || dead.contains(&(row, begin)) {
                None
            } else {
                self.spaces(begin, from).find(|&end| self.is_row(end + 1))
            };
            if let Some(end) = end {
                ends.push(end);
                let next = self.word_start(end + 1 + 4 * self.dim);
                if ends.len() == self.count && next == self.file.len() {
                    return Some(ends);
                }
                (begin, from) = (next, next);
            } else {
                dead.insert((row, begin));
                let last = ends.pop()?;
                let before = ends.last().map_or(self.start, |end| end + 1 + 4 * self.dim);
                (begin, from) = (self.word_start(before), last + 1);
            }
        }
    }

    /// The places of spaces from `from` on before which all from `begin` on is text.
    fn spaces(&self, begin: usize, from: usize) -> impl Iterator<Item = usize> {
        let rest = &self.file[begin..self.file.len().min(begin + LONGEST_WORD)];
        let plain = rest.iter().take_while(|&&b| b >= b' ' && b != 0x7f).count();
        let text = std::str::from_utf8(&rest[..plain]).map_or_else(|e| e.valid_up_to(), str::len);
        let is_end = move |&at: &usize| rest[at] == b' ' && at > 0;
        ((from - begin).min(text)..text).filter(is_end).map(move |at| begin + at)
    }
}

/// Whether a word could be one: it is not empty, and it has no control characters.
fn is_plain(word: &[u8]) -> bool {
    !word.is_empty()
        && word.iter().all(|&b| b >= b' ' && b != 0x7f)
        && std::str::from_utf8(word).is_ok()
}

fn read_binary(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let mut cursor = Cursor::new(path, file);
    let (count, dim, start) = header(file).ok_or_else(|| cursor.bad("no line with the sizes"))?;
    cursor.take(start, "the sizes")?;
    // A word takes at least its vector and a space. This bounds the memory that a false first line
    // can make us allocate.
    cursor.has_room(count, dim.saturating_mul(4).saturating_add(1), "the number of words")?;
    if count == 0 || dim == 0 {
        return Err(cursor.bad(format!("the first line says {count} words x {dim}")));
    }
    let layout = Layout { file, count, dim, start };
    let mut rows = Rows::new(path, count, dim)?;
    let (mut release, mut odd) = (Release::new(file), None);
    for _ in 0..count {
        let next = layout.word_start(cursor.at());
        cursor.take(next - cursor.at(), "newlines")?;
        let word = cursor.until(b' ', "a word")?;
        let at = cursor.at();
        let row_is_plain = layout.is_row(at);
        let plain = is_plain(word) && (row_is_plain || layout.row(at).is_none());
        if odd.is_none() && !plain {
            // Perhaps words contain spaces. If the file makes sense with them, it is read so.
            if let Some(ends) = layout.word_ends() {
                return spaced(path, &layout, &ends);
            }
            odd = Some(word);
        }
        if !row_is_plain && layout.is_text(at) {
            let problem = format!(
                "the vector of '{}' has numbers as if they were letters: does a word contain a \
                 space? Save the vectors as word2vec text",
                shown(word)
            );
            return Err(cursor.bad(problem));
        }
        rows.push_bytes(word, cursor.take(4 * dim, "a vector")?);
        release.before(at);
    }
    let end = layout.word_start(cursor.at());
    cursor.take(end - cursor.at(), "newlines")?;
    if let Err(longer) = cursor.end() {
        let spaced_words = layout.word_ends();
        return spaced_words.map_or(Err(longer), |ends| spaced(path, &layout, &ends));
    }
    Ok(rows.finish("word2vec binary", Vec::new()))
}

/// The vectors of a file in which words contain spaces, where the ends of the words are known.
fn spaced(path: &Path, layout: &Layout, ends: &[usize]) -> Result<Embeddings> {
    let mut rows = Rows::new(path, layout.count, layout.dim)?;
    let mut at = layout.start;
    for &end in ends {
        let begin = layout.word_start(at);
        rows.push(&layout.file[begin..end], layout.row(end + 1).into_iter().flatten());
        at = end + 1 + 4 * layout.dim;
    }
    Ok(rows.finish("word2vec binary", Vec::new()))
}

fn write_text(embeddings: &Embeddings, out: &mut Staged) -> Result<Vec<String>> {
    write(embeddings, out, put_numbers)
}

fn write_binary(embeddings: &Embeddings, out: &mut Staged) -> Result<Vec<String>> {
    write(embeddings, out, |vector, row| {
        row.push(b' ');
        row.extend_from_slice(bytemuck::cast_slice(vector));
        row.push(b'\n');
    })
}

fn write(
    embeddings: &Embeddings,
    out: &mut Staged,
    row: impl Fn(&[f32], &mut Vec<u8>) + Sync,
) -> Result<Vec<String>> {
    let words = Words::new(embeddings, |word| word.split(u8::is_ascii_whitespace).count() == 1);
    out.put(format!("{} {}\n", words.len(), embeddings.dim()).as_bytes())?;
    words.write(out, row)?;
    Ok(words.notes())
}

#[cfg(test)]
mod tests {
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;
    use crate::format::word2vec::*;
    use crate::format::{self, Format};

    fn named(name: &str) -> Format {
        Format::named(name).unwrap()
    }

    fn model() -> Embeddings {
        let vectors = vec![0.1, -2.5e-8, f32::MIN_POSITIVE, 3.0e30, 1.0 / 3.0, 0.0];
        let words: [&[u8]; 3] = [b"the", "naïve".as_bytes(), b"cut\xc3"];
        Embeddings::new(
            Vocab::new(&words, vec![]),
            2,
            vectors.into(),
            None,
            Provenance::foreign(""),
        )
    }

    fn same(a: &Embeddings, b: &Embeddings) {
        assert_eq!(a.input(), b.input());
        assert_eq!(a.vocab.words().collect::<Vec<_>>(), b.vocab.words().collect::<Vec<_>>());
    }

    #[test]
    fn round_trips_are_exact() {
        let folder = tempfile::tempdir().unwrap();
        let before = model();
        for (name, form) in [("m.txt", "text"), ("m.bin", "binary"), ("m.vec", "text")] {
            let path = folder.path().join(name);
            let format = Format::to_write(&path, None, false).unwrap();
            assert_eq!(format.name(), form);
            format::write(&before, &path, format).unwrap();
            same(&before, &format::read(&path).unwrap());
        }
    }

    #[test]
    fn both_newline_conventions_and_a_missing_first_line_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        format::write(&model(), &path, named("binary")).unwrap();
        let mut without = Vec::new();
        let with = std::fs::read(&path).unwrap();
        let (head, mut rest) = with.split_at(4);
        without.extend_from_slice(head);
        for word in model().vocab.words() {
            let (row, after) = rest.split_at(word.len() + 1 + 8);
            without.extend_from_slice(row);
            rest = &after[1..];
        }
        std::fs::write(&path, without).unwrap();
        same(&model(), &format::read(&path).unwrap());
        std::fs::write(&path, "the 1 2 \nof 3\t-4e-1\r\n\nto 5 6").unwrap();
        let read = format::read(&path).unwrap();
        assert_eq!(read.input(), [1.0, 2.0, 3.0, -0.4, 5.0, 6.0]);
        assert_eq!(read.vocab.id(b"to"), Some(2));
    }

    #[test]
    fn lies_and_cuts_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        let fails = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            format::read(&path).unwrap_err().to_string()
        };
        format::write(&model(), &path, named("binary")).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() - 1 {
            fails(&whole[..length]);
        }
        fails(b"18446744073709551615 4611686018427387904\nthe \0\0\0\0");
        fails(b"99999999 100\nthe \0\0\0\0");
        assert!(fails(b"2 2\nthe 1 2\n").contains("cut short"));
        let more = fails(b"1 2\nthe 1 2\nof 1 2\n");
        assert!(more.contains("2 words") && !more.contains("cut short"), "{more}");
        assert!(fails(b"2 2\nthe 1 2\nof 1\n").contains("1 numbers in a line"));
        assert!(fails(b"2 2\nthe 1 2\nof 1 x\n").contains("'x' is no number"));
        assert!(fails(b"2 2\nthe 1,5 2\nof 1 3\n").contains("'1,5' is no number"));
        assert!(fails(b"").contains("empty"));
        assert!(fails(b"quite another file\n").contains("neither"));
    }

    fn words(of: &Embeddings) -> Vec<String> {
        of.vocab.words().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// A binary file of `words` with vectors as training makes them.
    fn binary(words: &[&str], dim: usize, newlines: bool) -> (Vec<u8>, Vec<f32>) {
        let numbers: Vec<f32> = (0..words.len() * dim)
            .map(|i| ((i * 7919 % 1009) as f32 / 1009.0 - 0.5) * 3.0)
            .collect();
        let mut file = format!("{} {dim}\n", words.len()).into_bytes();
        for (word, row) in words.iter().zip(numbers.chunks(dim)) {
            file.extend_from_slice(word.as_bytes());
            file.push(b' ');
            file.extend(row.iter().flat_map(|x| x.to_le_bytes()));
            if newlines {
                file.push(b'\n');
            }
        }
        (file, numbers)
    }

    #[test]
    fn words_with_spaces_in_binary_files_are_read_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.bin");
        let names =
            ["the", "New York", "of", "cat", "São Paulo do Sul", "a b", "Los Angeles", "7 8"];
        for dim in [2, 3, 4, 8, 100] {
            for newlines in [false, true] {
                let (file, numbers) = binary(&names, dim, newlines);
                std::fs::write(&path, file).unwrap();
                let read = format::read(&path).unwrap();
                assert_eq!(words(&read), names, "{dim} {newlines}");
                assert_eq!(read.input(), numbers);
            }
        }
        // Where the file can't be read with spaces, it is refused.
        let (mut file, _) = binary(&["the", "New York", "cut\u{e9}"], 4, false);
        let at = file.windows(2).position(|two| two == [0xc3, 0xa9]).unwrap();
        file[at] = 0xff;
        std::fs::write(&path, file).unwrap();
        let error = format::read(&path).unwrap_err().to_string();
        assert!(error.contains("'New'") && error.contains("space"), "{error}");
    }

    #[test]
    fn the_first_of_words_that_occur_twice_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        let (file, numbers) = binary(&["the", "of", "the"], 2, false);
        for file in [&file[..], b"3 2\nthe 1 2\nof 3 4\nthe 5 6\n"] {
            std::fs::write(&path, file).unwrap();
            let read = format::read(&path).unwrap();
            assert_eq!(words(&read), ["the", "of"]);
            assert!(read.input() == &numbers[..4] || read.input() == [1.0, 2.0, 3.0, 4.0]);
            assert_eq!(read.provenance.notes.len(), 1);
        }
    }

    #[test]
    fn words_that_hold_white_space_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.vec");
        for text in ["2 2\nnew york 1 2\nof 3 4\n", "2 2\nof 1 2\n. . 3 4\n", "2 2\n 1 2\n\t 3 4\n"]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(format::read(&path).unwrap().input(), [1.0, 2.0, 3.0, 4.0], "{text}");
        }
        let names = ["new york", "of", "", "a b", "a_b"];
        let model = Embeddings::new(
            Vocab::new(&names, vec![]),
            1,
            vec![1.0, 2.0, 3.0, 4.0, 5.0].into(),
            None,
            Provenance::foreign(""),
        );
        for name in ["text", "binary"] {
            let notes = format::write(&model, &path, named(name)).unwrap();
            assert_eq!(notes.len(), 2, "{notes:?}");
            assert!(
                notes[0].contains("words: 1") && notes[1].contains(": 2, first ''"),
                "{notes:?}"
            );
            let read = format::read(&path).unwrap();
            assert_eq!(words(&read), ["new_york", "of", "a_b"]);
            assert_eq!(read.input(), [1.0, 2.0, 5.0]);
        }
    }
}
