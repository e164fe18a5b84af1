//! Reads binary files field by field. Nothing in a file is believed before it is checked, least of
//! all a size.

use std::path::Path;

use crate::error::{Error, Result};
use crate::memory::Mapped;

/// A place in a file. Numbers are little-endian; errors name the field that was read last and where
/// it begins.
pub(crate) struct Cursor<'a> {
    path: &'a Path,
    file: &'a Mapped<u8>,
    bytes: &'a [u8],
    at: usize,
    field: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte of `file`, which was opened from `path`.
    pub(crate) fn new(path: &'a Path, file: &'a Mapped<u8>) -> Self {
        Self { path, file, bytes: file, at: 0, field: 0 }
    }

    /// The number of bytes from here to the end.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// An error about the field that was read last.
    pub(crate) fn bad(&self, problem: impl Into<String>) -> Error {
        Error::format(self.path, self.field as u64, problem)
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, length: usize, field: &str) -> Result<&'a [u8]> {
        self.field = self.at;
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or_else(|| {
            self.bad(format!(
                "{field}: {length} bytes, and {} are left: is the file cut short?",
                rest.len()
            ))
        })?;
        self.at += length;
        Ok(taken)
    }

    /// The next `rows` times `length` bytes, as a part of the file that can be kept.
    pub(crate) fn part(&mut self, rows: usize, length: usize, field: &str) -> Result<Mapped<u8>> {
        let (start, all) = (self.at, rows.saturating_mul(length));
        self.take(all, field)?;
        self.file.part(start..start + all).ok_or_else(|| self.bad(field))
    }

    /// The bytes before the next `end`, which is skipped.
    pub(crate) fn until(&mut self, end: u8, field: &str) -> Result<&'a [u8]> {
        self.field = self.at;
        let length = memchr::memchr(end, &self.bytes[self.at..]);
        let length = length
            .ok_or_else(|| self.bad(format!("{field} has no end: is the file cut short?")))?;
        let taken = self.take(length, field)?;
        self.at += 1;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, field)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self, field: &str) -> Result<u8> {
        self.array(field).map(u8::from_le_bytes)
    }

    pub(crate) fn i32(&mut self, field: &str) -> Result<i32> {
        self.array(field).map(i32::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &str) -> Result<u32> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn i64(&mut self, field: &str) -> Result<i64> {
        self.array(field).map(i64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self, field: &str) -> Result<f64> {
        self.array(field).map(f64::from_le_bytes)
    }

    /// A byte that is 0 or 1.
    pub(crate) fn flag(&mut self, field: &str) -> Result<bool> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            x => Err(self.bad(format!("{field} is {x}, neither 0 nor 1"))),
        }
    }

    /// A size that is stored as an `i32`. It must not be negative.
    pub(crate) fn size32(&mut self, field: &str) -> Result<usize> {
        let x = self.i32(field)?;
        usize::try_from(x).map_err(|_| self.bad(format!("{field} is {x}")))
    }

    /// A size that is stored as an `i64`. It must not be negative.
    pub(crate) fn size64(&mut self, field: &str) -> Result<usize> {
        let x = self.i64(field)?;
        usize::try_from(x).map_err(|_| self.bad(format!("{field} is {x}")))
    }

    /// Checks that the rest of the file has room for `things` things of at least `least` bytes
    /// each. Their number is the field that was read last.
    pub(crate) fn has_room(&self, things: usize, least: usize, field: &str) -> Result<()> {
        if things.checked_mul(least).is_none_or(|bytes| bytes > self.left()) {
            let problem = format!("{field} is {things}, for which the file is too short");
            return Err(self.bad(problem));
        }
        Ok(())
    }

    /// An error unless the file ends here.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.field = self.at;
        let left = self.left();
        if left == 0 { Ok(()) } else { Err(self.bad(format!("{left} bytes more than expected"))) }
    }
}
