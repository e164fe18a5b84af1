//! Lines of a word and its numbers, read in pieces on all threads.

use std::ops::Range;
use std::path::Path;

use super::pieces::in_turn;
use super::rows::Rows;
use crate::error::{Error, Result};
use crate::memory::Mapped;

/// Whether a byte separates the fields of a line.
pub(super) fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// A number in a line.
pub(super) fn number(field: &[u8]) -> Option<f32> {
    fast_float2::parse(field).ok()
}

/// The number of fields of a line.
pub(super) fn fields(line: &[u8]) -> usize {
    line.split(|&b| is_gap(b)).filter(|field| !field.is_empty()).count()
}

/// The lines of a text that are not empty, with their offsets in bytes. Gaps at the end of a line
/// are no part of it.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
    ends.filter_map(move |end| {
        let begin = std::mem::replace(&mut start, end + 1);
        let line = &text[begin..end];
        let end = line.iter().rposition(|&b| !is_gap(b))? + 1;
        Some((begin, &line[..end]))
    })
}

/// Splits the last field off a line that doesn't end in a gap. The gap before the field stays.
pub(super) fn last_field(line: &[u8]) -> (&[u8], &[u8]) {
    line.split_at(line.iter().rposition(|&b| is_gap(b)).map_or(0, |gap| gap + 1))
}

/// A line without the gaps at its end.
pub(super) fn without_gaps(line: &[u8]) -> &[u8] {
    &line[..line.iter().rposition(|&b| !is_gap(b)).map_or(0, |last| last + 1)]
}

/// Splits a line into its word and `dim` numbers, which are added to `numbers`. The last `dim`
/// fields are the numbers, and all before them is the word: it may hold gaps, and it may be empty.
///
/// # Errors
/// What is wrong with the line.
fn split<'a>(
    line: &'a [u8],
    dim: usize,
    numbers: &mut Vec<f32>,
) -> std::result::Result<&'a [u8], String> {
    let begin = numbers.len();
    if let Some(word) = split_plain(line, dim, numbers) {
        return Ok(word);
    }
    numbers.truncate(begin);
    let mut rest = line;
    for found in 0..dim {
        let (before, field) = last_field(rest);
        if field.is_empty() || before.is_empty() {
            let found = if field.is_empty() { found } else { fields(line) - 1 };
            return Err(format!("{found} numbers in a line where there should be {dim}"));
        }
        let x = number(field).ok_or_else(|| {
            format!("'{}' is no number: expected a word and {dim} numbers", shown(field))
        })?;
        numbers.push(x);
        // The last gap before the numbers ends the word.
        rest = if found + 1 < dim { without_gaps(before) } else { &before[..before.len() - 1] };
    }
    numbers[begin..].reverse();
    let word = without_gaps(rest);
    Ok(if word.is_empty() { rest } else { word })
}

/// [`split`] of a line that is a word without gaps and `dim` numbers, each behind one gap. `None`
/// for any other line.
fn split_plain<'a>(line: &'a [u8], dim: usize, numbers: &mut Vec<f32>) -> Option<&'a [u8]> {
    let end = line.iter().position(|&b| is_gap(b)).filter(|&end| end > 0)?;
    let mut rest = &line[end..];
    for _ in 0..dim {
        let (&gap, field) = rest.split_first()?;
        let (x, length) = fast_float2::parse_partial(field).ok().filter(|_| is_gap(gap))?;
        numbers.push(x);
        rest = &field[length..];
    }
    rest.is_empty().then_some(&line[..end])
}

/// A part of a file as it can be quoted in a message.
pub(super) fn shown(bytes: &[u8]) -> String {
    let copy = bytes[..bytes.len().min(256)].to_vec();
    let text = String::from_utf8_lossy(&copy);
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < bytes.len() {
        shown.push('…');
    }
    shown
}

/// Reads the lines of `file` from byte `start` on, each a word and `dim` numbers. `expected` is the
/// number of lines, as far as it is known.
///
/// # Errors
/// [`Error::Format`] with the line that can't be read.
pub(super) fn read_lines(
    path: &Path,
    file: &Mapped<u8>,
    start: usize,
    expected: usize,
    dim: usize,
) -> Result<Rows> {
    // A number takes at least two bytes. This bounds what a false first line can make us allocate.
    let room = |lines: usize, bytes: usize| lines.min(bytes / dim.saturating_mul(2).max(1));
    let mut rows = Rows::new(path, room(expected, file.len()), dim)?;
    let read = |piece: Range<usize>| {
        let mut rows = Rows::new(path, room(usize::MAX, piece.len()), dim)?;
        for (at, line) in lines(&file[piece.clone()]) {
            rows.push_line(|numbers| split(line, dim, numbers))
                .map_err(|problem| Error::format(path, (piece.start + at) as u64, problem))?;
        }
        Ok(rows)
    };
    in_pieces(file, start, read, |piece: Result<Rows>| {
        rows.append(&piece?);
        Ok(())
    })?;
    Ok(rows)
}

/// About how many bytes of lines are read by one thread at a time.
const PIECE: usize = 2 << 20;

/// Reads the lines of a file from byte `begin` on, in pieces on all threads, and takes what was read
/// in the order of the file.
///
/// # Errors
/// What `take` returns; no more is read then.
pub(super) fn in_pieces<T: Send>(
    file: &Mapped<u8>,
    begin: usize,
    read: impl Fn(Range<usize>) -> T + Sync,
    mut take: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    let mut release = Release::new(file);
    let read = |piece: Range<usize>| (piece.end, read(piece));
    in_turn(pieces(file, begin), read, |(end, piece)| {
        take(piece)?;
        release.before(end);
        Ok(())
    })
}

/// The parts of a text from `begin` on, which end where lines end.
fn pieces(text: &[u8], mut begin: usize) -> impl Iterator<Item = Range<usize>> {
    std::iter::from_fn(move || {
        let rest = text.get(begin..).filter(|rest| !rest.is_empty())?;
        let line_end = rest.get(PIECE..).and_then(|rest| memchr::memchr(b'\n', rest));
        let length = line_end.map_or(rest.len(), |end| PIECE + end + 1);
        begin += length;
        Some(begin - length..begin)
    })
}

/// Gives the pages of a file back that have been read, so that the file doesn't take memory a
/// second time.
pub(super) struct Release<'a> {
    file: &'a Mapped<u8>,
    done: usize,
}

/// This many bytes are given back at a time.
const RELEASE: usize = 32 << 20;

impl<'a> Release<'a> {
    pub(super) fn new(file: &'a Mapped<u8>) -> Self {
        Self { file, done: 0 }
    }

    /// Says that all before byte `at` has been read.
    pub(super) fn before(&mut self, at: usize) {
        if at - self.done >= RELEASE {
            self.file.release(self.done..at);
            self.done = at;
        }
    }
}

/// A note for a text whose last line has no end: it may be cut within its last number.
pub(super) fn open_end(file: &[u8]) -> Option<String> {
    let note = "the last line has no line end: if the file was cut short, the last number is wrong";
    (file.last() != Some(&b'\n')).then(|| note.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word_of(line: &str, dim: usize) -> std::result::Result<String, String> {
        let word = split(line.as_bytes(), dim, &mut Vec::new())?;
        Ok(String::from_utf8_lossy(word).into_owned())
    }

    #[test]
    fn a_word_is_all_before_the_numbers() {
        for (line, word) in [
            ("the 1 2", "the"),
            ("the\t1\t 2", "the"),
            (". . 1 2", ". ."),
            ("new  york  1  2", "new  york"),
            (" 1 2", ""),
            ("\t 1 2", "\t"),
            ("  1 2", " "),
            (" a 1 2", " a"),
        ] {
            assert_eq!(word_of(line, 2).as_deref(), Ok(word), "{line:?}");
        }
        assert!(word_of("1 2", 2).unwrap_err().contains("1 numbers"));
        assert!(word_of("the x 2", 2).unwrap_err().contains("'x' is no number"));
        assert!(word_of("the", 2).unwrap_err().contains("0 numbers"));
    }

    #[test]
    fn numbers_are_read_as_rust_reads_them() {
        let fields =
            ["1", "+1", "-1.5", ".5", "5.", "1e5", "-1E-5", "0.1", "1e400", "1e-400", "-0"];
        let more =
            ["nan", "inf", "-infinity", "", ".", "e5", "1e", "1x", "0x1", "1,5", "1_0", "--1"];
        let long = format!("0.{}1", "0".repeat(300));
        for field in fields.into_iter().chain(more).chain([&long[..]]) {
            let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            match (number(field.as_bytes()), field.parse::<f32>()) {
                (Some(a), Ok(b)) => assert!(same(a, b), "{field}: {a}"),
                (a, b) => assert!(a.is_none() && b.is_err(), "{field}: {a:?} {b:?}"),
            }
        }
    }

    #[test]
    fn a_file_is_read_in_pieces_as_at_once() {
        // Some pieces, of lines of many lengths, and one with a line that is longer than a piece.
        let line = |i: usize| format!("w{i}{} {i} -{i}e-3\n", "x".repeat(i % 97));
        let mut text: String = (0..90_000).map(line).collect();
        text.extend(["y".repeat(3 * PIECE).as_str(), " 1 2\nlast 3 4"]);
        let file = Mapped::from(text.clone().into_bytes());
        let rows = read_lines(Path::new("f"), &file, 0, 1, 2).unwrap();
        assert_eq!((rows.len(), rows.last_word()), (90_002, &b"last"[..]));
        let vectors = rows.finish("test", vec![]);
        let last = &vectors.input()[2 * 89_999..];
        assert_eq!(last, [89_999.0, -89.999, 1.0, 2.0, 3.0, 4.0]);
        let bad = text.replace("w70000x", "w70000x z").replace("w80000x", "w80000x z");
        let bad = bad.replace(" 70000 ", " q ").replace(" 80000 ", " q ");
        let at = bad.find("w70000x").unwrap();
        let e = read_lines(Path::new("f"), &Mapped::from(bad.into_bytes()), 0, 1, 2).err().unwrap();
        assert!(e.to_string().contains(&at.to_string()), "{e}, not {at}");
    }
}
