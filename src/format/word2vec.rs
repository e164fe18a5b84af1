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
//! Words are bytes that can't contain white space. Counts aren't stored.

use std::io::Write;
use std::path::Path;

use super::bytes::Cursor;
use super::{Contents, Kind};
use crate::corpus::Vocab;
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::memory::{self, Mapped};

pub(super) const TEXT: Kind = Kind {
    name: "text",
    help: "word2vec text: a line with the sizes, then a word and its vector a line (.txt, .vec)",
    program: "word2vec",
    extensions: &["txt", "vec"],
    holds: &[],
    looks: looks_text,
    read: read_text,
    write: write_text,
    size: text_size,
};

pub(super) const BINARY: Kind = Kind {
    name: "binary",
    help: "word2vec binary (.bin)",
    program: "word2vec",
    extensions: &["bin"],
    holds: &[],
    looks: looks_binary,
    read: read_binary,
    write: write_binary,
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
    let line = std::str::from_utf8(&file[..end]).ok()?;
    let mut sizes = line.split_ascii_whitespace().map(str::parse);
    match (sizes.next()?, sizes.next()?, sizes.next()) {
        (Ok(words), Ok(dim), None) => Some((words, dim, end + 1)),
        _ => None,
    }
}

/// Whether a byte separates fields.
pub(super) fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    line.split(|&b| is_gap(b)).filter(|field| !field.is_empty())
}

pub(super) fn number(field: &[u8]) -> Option<f32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Whether a line of sizes is followed by a word and as many numbers as it says.
fn looks_text(file: &[u8]) -> bool {
    let Some((_, dim, start)) = header(file) else { return false };
    let rest = &file[start..];
    let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
    let numbers = fields(line).skip(1);
    let count = numbers.clone().count();
    dim == count && count > 0 && numbers.clone().all(|field| number(field).is_some())
}

/// Whether the first line has sizes, with a dimension above 0, and is not the end of the file.
fn looks_binary(file: &[u8]) -> bool {
    header(file).is_some_and(|(_, dim, start)| dim > 0 && file.len() > start)
}

fn read_text(path: &Path, file: &Mapped<u8>) -> Result<Embeddings> {
    let (claimed, dim, start) =
        header(file).ok_or_else(|| Error::format(path, 0, "no line with the sizes"))?;
    let (mut words, mut vectors) = (Vec::new(), Vec::new());
    let mut at = start;
    for line in file[start..].split(|&b| b == b'\n') {
        let bad = |problem: String| Error::format(path, at as u64, problem);
        let mut fields = fields(line);
        if let Some(word) = fields.next() {
            let before = vectors.len();
            for field in fields {
                let x = number(field).ok_or_else(|| {
                    bad(format!("'{}' is no number", String::from_utf8_lossy(field)))
                })?;
                vectors.push(x);
            }
            let found = vectors.len() - before;
            if found != dim {
                return Err(bad(format!("{found} numbers in a line where there should be {dim}")));
            }
            words.push(word);
        }
        at += line.len() + 1;
    }
    let one_more = words.len() == claimed.saturating_add(1) && words.last() == Some(&&b"<unk>"[..]);
    if claimed != words.len() && !one_more {
        let problem = format!(
            "{} words where the first line says {claimed}: is the file cut short?",
            words.len()
        );
        return Err(Error::format(path, file.len() as u64, problem));
    }
    let vocab = Vocab::new(&words, vec![]);
    Ok(Embeddings::new(vocab, dim, vectors.into(), None, Provenance::foreign("word2vec text")))
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
    let newlines = |cursor: &mut Cursor| {
        while cursor.peek() == Some(b'\n') {
            cursor.take(1, "a newline")?;
        }
        Ok(())
    };
    let (mut words, mut vectors) = (Vec::with_capacity(count), Vec::with_capacity(count * dim));
    for _ in 0..count {
        newlines(&mut cursor)?;
        words.push(cursor.until(b' ', "a word")?);
        let row = cursor.take(4 * dim, "a vector")?;
        vectors.extend(row.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
    }
    newlines(&mut cursor)?;
    cursor.end()?;
    let vocab = Vocab::new(&words, vec![]);
    Ok(Embeddings::new(vocab, dim, vectors.into(), None, Provenance::foreign("word2vec binary")))
}

fn write_text(embeddings: &Embeddings, path: &Path) -> Result<()> {
    write(embeddings, path, |out, id| {
        use std::fmt::Write;
        let mut line = String::with_capacity(12 * embeddings.dim());
        // Rust writes the shortest digits that read back as the same float.
        for x in embeddings.vector(id) {
            let _ = write!(line, " {x}");
        }
        writeln!(out, "{line}")
    })
}

fn write_binary(embeddings: &Embeddings, path: &Path) -> Result<()> {
    write(embeddings, path, |out, id| {
        out.write_all(b" ")?;
        embeddings.vector(id).iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?;
        out.write_all(b"\n")
    })
}

fn write(
    embeddings: &Embeddings,
    path: &Path,
    row: impl Fn(&mut dyn Write, u32) -> std::io::Result<()>,
) -> Result<()> {
    memory::replace(path, |out| {
        writeln!(out, "{} {}", embeddings.vocab.len(), embeddings.dim())
            .map_err(Error::io(path))?;
        for (id, word) in embeddings.vocab.words().enumerate() {
            if word.is_empty() || word.iter().any(u8::is_ascii_whitespace) {
                let word = String::from_utf8_lossy(word).into_owned();
                let problem = format!(
                    "the word '{word}' is empty or has white space, which word2vec's formats can't hold"
                );
                return Err(Error::input(path, problem));
            }
            out.write_all(word).and_then(|()| row(out, id as u32)).map_err(Error::io(path))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
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
            let format = Format::to_write(&path, None, false);
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
        assert!(fails(b"2 2\nthe 1 2\nof 1\n").contains("1 numbers in a line"));
        assert!(fails(b"2 2\nthe 1 2\nof 1 x\n").contains("'x' is no number"));
        assert!(fails(b"").contains("empty"));
        assert!(fails(b"quite another file\n").contains("neither"));
        let spaced = Embeddings::new(
            Vocab::new(&["a b"], vec![]),
            1,
            vec![1.0].into(),
            None,
            Provenance::foreign(""),
        );
        assert!(format::write(&spaced, &path, named("text")).is_err());
    }
}
