//! NumPy's files: one array (`.npy`), or several by their names in a zip archive (`.npz`).

use std::io::Read;
use std::path::Path;

use zip::ZipArchive;

use super::{ImportOptions, NAMES, Rows, VECTORS};
use crate::error::{Error, Result};
use crate::math::widen;
use crate::memory::Mapped;

/// The longest header, which describes an array.
const MAX_HEADER: usize = 1 << 20;

/// What the header of an array says.
struct Header {
    /// The type of its elements, as in `<f4`.
    kind: String,
    shape: Vec<usize>,
    /// Where the elements begin.
    begin: usize,
}

impl Header {
    /// Reads the header at the beginning of a file.
    fn of(file: &[u8]) -> std::result::Result<Self, String> {
        let version = file.strip_prefix(b"\x93NUMPY").and_then(|rest| rest.first().copied());
        let (begin, length) = match version {
            Some(1) => (10, file.get(8..10).map(|b| usize::from(u16::from_le_bytes([b[0], b[1]])))),
            Some(2 | 3) => {
                let four = file.get(8..12).and_then(|bytes| bytes.try_into().ok());
                (12, four.map(|bytes| u32::from_le_bytes(bytes) as usize))
            }
            _ => return Err("is no NumPy file".into()),
        };
        let damaged = || "is a damaged or truncated NumPy file".to_string();
        let length = length.filter(|&length| length <= MAX_HEADER).ok_or_else(damaged)?;
        let end = begin + length;
        let header = file.get(begin..end).and_then(|header| std::str::from_utf8(header).ok());
        let header = header.ok_or_else(damaged)?;
        // The header is a dictionary of Python's, always written in one way.
        let after =
            |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
        let kind = after("descr").and_then(|rest| rest.split('\'').nth(1)).unwrap_or_default();
        let shape = after("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
        let sides = shape.map_or("", |(sides, _)| sides).split(',').map(str::trim);
        let shape: Vec<usize> = sides.filter_map(|side| side.parse().ok()).collect();
        let columns = after("fortran_order").is_none_or(|rest| !rest.starts_with("False"));
        if columns && shape.len() > 1 {
            return Err("keeps its columns together: save `np.ascontiguousarray` of it".into());
        }
        Ok(Self { kind: kind.into(), shape, begin: end })
    }

    /// Whether the elements are texts.
    fn is_text(&self) -> bool {
        self.kind.starts_with("<U") || self.kind.starts_with("|S")
    }

    /// The bytes of a text, or of a number that is read.
    fn width(&self) -> std::result::Result<usize, String> {
        let letters = |digits: &str, wide: usize| digits.parse::<usize>().ok()?.checked_mul(wide);
        let width = match &self.kind[..] {
            "<f2" => Some(2),
            "<f4" => Some(4),
            "<f8" => Some(8),
            kind => kind
                .strip_prefix("<U")
                .and_then(|digits| letters(digits, 4))
                .or_else(|| kind.strip_prefix("|S").and_then(|digits| letters(digits, 1))),
        };
        width.ok_or_else(|| {
            let kind = &self.kind;
            format!("has elements of the type '{kind}': <f2, <f4 and <f8, and texts are read")
        })
    }

    /// Checks that there are as many bytes of elements as the shape says.
    fn check(&self, data: &[u8]) -> std::result::Result<(), String> {
        let width = self.width()?;
        let all = self.shape.iter().try_fold(width, |all, &side| all.checked_mul(side));
        if all == Some(data.len()) {
            Ok(())
        } else {
            Err("is a damaged or truncated NumPy file".into())
        }
    }
}

/// The texts of an array, without the zeros that fill them up.
fn texts(header: &Header, data: &[u8]) -> std::result::Result<Vec<String>, String> {
    header.check(data)?;
    let width = header.width()?;
    if width == 0 || header.shape.len() != 1 {
        return Err("is no list of texts".into());
    }
    let text = |bytes: &[u8]| {
        let text = if header.kind.starts_with("<U") {
            let letter = |four: &[u8; 4]| char::from_u32(u32::from_le_bytes(*four));
            bytes.as_chunks::<4>().0.iter().map(letter).collect::<Option<String>>()
        } else {
            String::from_utf8(bytes.to_vec()).ok()
        };
        text.map(|text| text.trim_end_matches('\0').to_string())
            .ok_or_else(|| "has a text that is no Unicode".to_string())
    };
    data.chunks_exact(width).map(text).collect()
}

/// The rows of a matrix, with their names.
fn rows(header: &Header, data: &[u8], names: Vec<String>) -> std::result::Result<Rows, String> {
    let &[count, dim] = &header.shape[..] else {
        return Err("is no matrix of two dimensions".into());
    };
    header.check(data)?;
    let width = header.width()?;
    if header.is_text() {
        return Err("is no matrix of numbers".into());
    }
    if names.len() != count {
        return Err(format!("has {count} rows, and there are {} names", names.len()));
    }
    if count == 0 {
        return Ok(Rows::default());
    }
    let number = |bytes: &[u8]| match *bytes {
        [a, b] => widen(u16::from_le_bytes([a, b])),
        [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
        _ => f64::from_le_bytes(bytes.try_into().unwrap_or_default()) as f32,
    };
    let mut rows = Rows::default();
    for (row, name) in data.chunks_exact((dim * width).max(1)).zip(names) {
        let vector: Vec<f32> = row.chunks_exact(width).map(number).collect();
        let place = rows.names.len();
        rows.push(name, &vector).map_err(|problem| format!("row {place}: {problem}"))?;
    }
    Ok(rows)
}

/// The names in the file that the options name.
fn names_of(options: &ImportOptions) -> Result<Option<Vec<String>>> {
    let Some(file) = &options.names else { return Ok(None) };
    let text = std::fs::read_to_string(file).map_err(Error::io(file))?;
    Ok(Some(text.lines().map(String::from).collect()))
}

/// Reads a matrix, with the names of its rows in another file.
pub(super) fn of_array(path: &Path, options: &ImportOptions) -> Result<Rows> {
    let Some(names) = names_of(options)? else {
        return Err(Error::input(path, "has no names: say where they are by `names`, one a line"));
    };
    let file = Mapped::open(path)?;
    let bad = |problem: String| Error::input(path, problem);
    let header = Header::of(&file).map_err(bad)?;
    rows(&header, &file[header.begin..], names).map_err(bad)
}

/// Reads a matrix of an archive, with the names of its rows in another array of it, or in a file.
pub(super) fn of_archive(path: &Path, options: &ImportOptions) -> Result<Rows> {
    let file = Mapped::open(path)?;
    let bad = |problem: String| Error::input(path, problem);
    let damaged = |e: &dyn std::fmt::Display| bad(format!("is a damaged archive ({e})"));
    let mut archive = ZipArchive::new(std::io::Cursor::new(&file[..])).map_err(|e| damaged(&e))?;
    let mut arrays: Vec<(String, Header, usize)> = Vec::new();
    for place in 0..archive.len() {
        let entry = archive.by_index(place).map_err(|e| damaged(&e))?;
        let name = entry.name().map_err(|e| damaged(&e))?;
        let Some(name) = name.strip_suffix(".npy").map(String::from) else { continue };
        // Of arrays that are not asked for, whatever they are, no more than this is unpacked.
        let mut head = Vec::new();
        entry.take(MAX_HEADER as u64 + 12).read_to_end(&mut head).map_err(|e| damaged(&e))?;
        if let Ok(header) = Header::of(&head) {
            arrays.push((name, header, place));
        }
    }
    // The elements of an array: as many as its header says, or else it is damaged.
    let mut content = |header: &Header, place: usize| -> Result<Vec<u8>> {
        let all = header
            .shape
            .iter()
            .try_fold(header.width().map_err(bad)?, |all, &side| all.checked_mul(side));
        let entry = archive.by_index(place).map_err(|e| damaged(&e))?;
        let stated = entry.size().checked_sub(header.begin as u64);
        let all = all.filter(|&all| Some(all as u64) == stated);
        let all = all.ok_or_else(|| bad("is a damaged or truncated NumPy file".into()))?;
        let mut content = Vec::new();
        entry
            .take((header.begin + all) as u64)
            .read_to_end(&mut content)
            .map_err(|e| damaged(&e))?;
        Ok(content.split_off(header.begin.min(content.len())))
    };
    let find = |wanted: Option<&String>, usual: &[&str], what: &str, fits: fn(&Header) -> bool| {
        let by_name = |name: &str| arrays.iter().find(|(own, ..)| own == name);
        let fitting = || arrays.iter().filter(|(_, header, _)| fits(header));
        if let Some(name) = wanted {
            return by_name(name).ok_or_else(|| bad(format!("has no array '{name}'")));
        }
        let one = || fitting().next().filter(|_| fitting().count() == 1);
        let known = usual.iter().find_map(|name| by_name(name).filter(|(_, h, _)| fits(h)));
        known.or_else(one).ok_or_else(|| {
            let all: Vec<&str> = arrays.iter().map(|(name, ..)| name.as_str()).collect();
            bad(format!(
                "has no array of {what} that can be told from others: name one of {}",
                all.join(", ")
            ))
        })
    };
    let (vectors, header, place) =
        find(options.vector.as_ref(), &VECTORS, "vectors, by `vector`,", |header| {
            header.shape.len() == 2 && !header.is_text()
        })?;
    let names = if let Some(names) = names_of(options)? {
        names
    } else {
        let (name, header, place) = find(
            options.text.as_ref(),
            &NAMES,
            "names, by `text` or a file by `names`,",
            |header| header.shape.len() == 1 && header.is_text(),
        )?;
        texts(header, &content(header, *place)?).map_err(|e| bad(format!("{name} {e}")))?
    };
    let data = content(header, *place)?;
    rows(header, &data, names).map_err(|e| bad(format!("{vectors} {e}")))
}
