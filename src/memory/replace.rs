//! Files that are replaced whole or not at all. A file is written under a temporary name beside the
//! old one, synced to disk, and then renamed. A program that is killed, a full disk or a power cut
//! leaves the old file as it was.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;

/// A file that is being written under a temporary name beside its place. [`Staged::finish`] puts it
/// there; dropping it removes it.
pub struct Staged {
    out: BufWriter<File>,
    path: PathBuf,
    temporary: PathBuf,
    finished: bool,
}

impl Staged {
    /// Begins the file that will stand at `path`.
    ///
    /// # Errors
    /// When `path` can't be the name of a file, or its directory is missing or can't be written to.
    pub fn new(path: &Path) -> Result<Self> {
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
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{serial}.tmp", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = File::options().read(true).write(true).create_new(true).open(&temporary);
        let out = BufWriter::with_capacity(BUFFER, file.map_err(Error::io(path))?);
        unfinished().insert(temporary.clone());
        Ok(Self { out, path: path.to_path_buf(), temporary, finished: false })
    }

    /// Whether a file can be written at `path`. Nothing is left there.
    ///
    /// # Errors
    /// As [`Staged::new`].
    pub fn check(path: &Path) -> Result<()> {
        Self::new(path).map(drop)
    }

    /// The temporary name.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Writes `bytes`.
    ///
    /// # Errors
    /// When the disk is full, for example; the error names the file's place.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(Error::io(&self.path))
    }

    /// Syncs the file to disk and renames it, replacing what is at its place.
    ///
    /// # Errors
    /// When the disk is full, or the operating system refuses.
    pub fn finish(mut self) -> Result<()> {
        let synced = self.out.flush().and_then(|()| self.out.get_ref().sync_all());
        let renamed = synced.and_then(|()| std::fs::rename(&self.temporary, &self.path));
        renamed.map_err(Error::io(&self.path))?;
        self.finished = true;
        Ok(())
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.out.write_all(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl Seek for Staged {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.out.seek(to)
    }

    fn stream_position(&mut self) -> std::io::Result<u64> {
        self.out.stream_position()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.temporary);
        }
        unfinished().remove(&self.temporary);
    }
}

/// Writes a file with `write` and puts it in the place of `path` in one step. When anything fails,
/// what was at `path` is still there and nothing is left beside it.
///
/// # Errors
/// When `write` fails, or the disk is full, or the directory can't be written to.
pub fn replace<R>(path: &Path, write: impl FnOnce(&mut Staged) -> Result<R>) -> Result<R> {
    let mut staged = Staged::new(path)?;
    let result = write(&mut staged)?;
    staged.finish()?;
    Ok(result)
}

/// The files that have a temporary name now.
fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    static ALL: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all files that have a temporary name, for a process that ends without dropping its
/// values.
pub fn remove_unfinished() {
    for path in unfinished().iter() {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "the temporary file is gone"
        );
    }

    #[test]
    fn a_finished_file_stands_in_its_place_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        replace(&path, |out| out.put(b"whole")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Staged::check(folder.path()).is_err(), "a directory is no file");
        assert!(Staged::check(&folder.path().join("none/file")).is_err(), "no such directory");
    }
}
