//! Files as slices, mapped or owned, and writing that never leaves half a file.
//!
//! A mapped file must not be shortened by another program while it is open: the operating system would end the
//! process at the next read beyond its new end. wordloom itself never does: [`replace`] writes beside and renames.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytemuck::Pod;
use memmap2::{Mmap, MmapMut};

use crate::error::{Error, Result};

/// A read-only slice of `T`: owned, or a part of a mapped file (cheap to clone in both cases).
#[derive(Clone)]
pub struct Mapped<T> {
    bytes: Bytes,
    range: Range<usize>,
    of: PhantomData<T>,
}

#[derive(Clone)]
enum Bytes {
    /// 8-byte units, so that any of our element types is aligned.
    Owned(Arc<Vec<u64>>),
    File(Arc<Mmap>),
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Owned(units) => bytemuck::cast_slice(units),
            Self::File(map) => map,
        }
    }
}

impl Mapped<u8> {
    /// Maps the whole of a file. An empty file is an empty slice.
    ///
    /// # Errors
    /// When the file can't be opened or mapped (a pipe or a directory, for example).
    pub fn open(path: &Path) -> Result<Self> {
        // Looked at first, as opening a pipe may wait.
        let about = std::fs::metadata(path).map_err(Error::io(path))?;
        if about.is_dir() {
            return Err(Error::input(path, "is a directory, not a file"));
        }
        if !about.is_file() {
            return Err(Error::input(path, "is a device or a pipe, which can't be mapped: give a file"));
        }
        let file = File::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        if length == 0 {
            return Ok(Self::from(&[][..]));
        }
        let length = usize::try_from(length).map_err(|_| Error::input(path, "too large for this machine"))?;
        // SAFETY: the map is read-only and lives as long as the `Arc`. What the language cannot rule out, another
        // process changing the file under us, is the documented condition above; bytes read are only ever data.
        #[allow(unsafe_code)]
        let map = unsafe { memmap2::MmapOptions::new().len(length).map(&file) }.map_err(Error::io(path))?;
        Ok(Self { bytes: Bytes::File(Arc::new(map)), range: 0..length, of: PhantomData })
    }
}

impl<T: Pod> Mapped<T> {
    /// The elements in `range` (in bytes of this slice) as another type, sharing the memory.
    /// `None` when the range is outside, or not aligned for `U`, or no whole number of `U`.
    pub fn part<U: Pod>(&self, range: Range<usize>) -> Option<Mapped<U>> {
        let start = self.range.start.checked_add(range.start)?;
        let end = self.range.start.checked_add(range.end)?;
        if start > end || end > self.range.end {
            return None;
        }
        bytemuck::try_cast_slice::<u8, U>(&self.bytes.as_slice()[start..end]).ok()?;
        Some(Mapped { bytes: self.bytes.clone(), range: start..end, of: PhantomData })
    }
}

impl<T: Pod> Mapped<T> {
    /// The first `length` elements of memory that was mapped to be written to, and no longer is.
    ///
    /// # Errors
    /// When the system refuses to protect it.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn of_memory(map: MmapMut, length: usize) -> std::io::Result<Self> {
        let range = 0..length * size_of::<T>();
        assert!(range.end <= map.len());
        Ok(Self { bytes: Bytes::File(Arc::new(map.make_read_only()?)), range, of: PhantomData })
    }
}

impl<T: Pod> From<&[T]> for Mapped<T> {
    fn from(values: &[T]) -> Self {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let mut units = vec![0u64; bytes.len().div_ceil(8)];
        bytemuck::cast_slice_mut(&mut units)[..bytes.len()].copy_from_slice(bytes);
        Self { bytes: Bytes::Owned(Arc::new(units)), range: 0..bytes.len(), of: PhantomData }
    }
}

impl<T: Pod> From<Vec<T>> for Mapped<T> {
    fn from(values: Vec<T>) -> Self {
        Self::from(&values[..])
    }
}

impl<T: Pod> Deref for Mapped<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.bytes.as_slice()[self.range.clone()])
    }
}

impl<T: Pod + std::fmt::Debug> std::fmt::Debug for Mapped<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mapped({} x {})", self.len(), std::any::type_name::<T>())
    }
}

/// Writes a file beside `path` with `write`, then puts it in the place of `path` in one step. When anything fails,
/// what stood at `path` stands there still and nothing is left beside it.
///
/// # Errors
/// When `write` fails, or the disk is full, or the directory can't be written to.
pub fn replace<R>(path: &Path, write: impl FnOnce(&mut BufWriter<&File>) -> Result<R>) -> Result<R> {
    let beside = Beside::new(path)?;
    let mut out = BufWriter::with_capacity(1 << 20, &beside.file);
    let result = write(&mut out)?;
    out.flush().map_err(Error::io(path))?;
    drop(out);
    beside.file.sync_all().map_err(Error::io(path))?;
    beside.into_place(path)?;
    Ok(result)
}

/// The files that have a temporary name now.
fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    static ALL: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all files that have a temporary name, for a process that ends without dropping what it has.
pub fn remove_unfinished() {
    for path in unfinished().iter() {
        let _ = std::fs::remove_file(path);
    }
}

/// A file under a temporary name; dropping it removes it.
pub struct Beside {
    /// Open for reading and writing.
    pub file: File,
    path: PathBuf,
    kept: bool,
}

impl Beside {
    /// Creates a new file next to `path`, in the same directory.
    ///
    /// # Errors
    /// When the directory is missing or can't be written to.
    pub fn new(path: &Path) -> Result<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let name = path.file_name().ok_or_else(|| Error::input(path, "not the name of a file"))?;
        if path.is_dir() {
            return Err(Error::input(path, "is a directory: give the name of a file"));
        }
        if std::fs::metadata(path).is_ok_and(|about| !about.is_file()) {
            // Renaming would put a file in the place of a device.
            return Err(Error::input(path, "is a device or a pipe: give the name of a file"));
        }
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{serial}.tmp", std::process::id()));
        let beside = path.with_file_name(temporary);
        let file = File::options().read(true).write(true).create_new(true).open(&beside);
        let file = file.map_err(Error::io(path))?;
        unfinished().insert(beside.clone());
        Ok(Self { file, path: beside, kept: false })
    }

    /// The temporary name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the file to `path`, replacing what is there.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn into_place(mut self, path: &Path) -> Result<()> {
        std::fs::rename(&self.path, path).map_err(Error::io(path))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
        unfinished().remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_and_mapped_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let numbers: Vec<u32> = (0..1000).collect();
        replace(&path, |out| out.write_all(bytemuck::cast_slice(&numbers)).map_err(Error::io(&path)))
            .unwrap();
        let file = Mapped::open(&path).unwrap();
        let mapped: Mapped<u32> = file.part(0..4000).unwrap();
        assert_eq!(&mapped[..], &numbers[..]);
        assert_eq!(&Mapped::from(numbers.clone())[..], &numbers[..]);
        assert!(file.part::<u32>(1..5).is_none(), "not aligned");
        assert!(file.part::<u32>(0..4001).is_none(), "beyond the end");
        assert!(file.part::<u32>(0..6).is_none(), "no whole number of elements");
    }

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        std::fs::write(&path, "before").unwrap();
        let failed: Result<()> = replace(&path, |out| {
            out.write_all(b"half").unwrap();
            Err(Error::Stopped)
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the temporary file is gone");
    }
}
