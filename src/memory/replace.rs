//! Files that are replaced whole or not at all. A file is written under a temporary name beside the
//! old one, synced to disk, and then renamed. A program that is killed, a full disk or a power cut
//! leaves the old file as it was.
//!
//! A temporary file is locked as long as its process lives. The kernel frees the locks of the dead,
//! so the next run that writes to the same place finds what a killed one left, and removes it.
//!
//! This file is over 300 lines because a third of it is tests.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;

/// The longest name of a file that is part of its temporary name as it is.
const LONGEST_NAME: usize = 200;
/// More links than this, one to the next, are taken for a circle.
const MAX_LINKS: usize = 40;

/// A file that is being written under a temporary name beside its place. [`Staged::finish`] puts it
/// there; dropping it removes it.
pub struct Staged {
    out: BufWriter<File>,
    path: PathBuf,
    temporary: PathBuf,
    finished: bool,
}

impl Staged {
    /// Begins the file that will stand at `path`. If that is a link, the file that it points to is
    /// replaced, and the link stays. Temporary files for the same place whose process has died are
    /// removed.
    ///
    /// # Errors
    /// When `path` can't be the name of a file, or its directory is missing or can't be written to.
    pub fn new(path: &Path) -> Result<Self> {
        let target = resolve(path)?;
        let about = std::fs::metadata(&target);
        if about.as_ref().is_ok_and(std::fs::Metadata::is_dir) {
            return Err(Error::input(path, "is a directory: give the name of a file"));
        }
        if about.is_ok_and(|about| !about.is_file()) {
            // Renaming would put a file in the place of a device.
            return Err(Error::input(path, "is a device or a pipe: give the name of a file"));
        }
        let prefix = prefix(path, &target)?;
        remove_abandoned(&target, &prefix);
        loop {
            let mut name = OsString::from(&prefix);
            name.push(format!("{:016x}{SUFFIX}", RandomState::new().hash_one(std::process::id())));
            let temporary = target.with_file_name(name);
            let file =
                match File::options().read(true).write(true).create_new(true).open(&temporary) {
                    Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
                    file => file.map_err(Error::io(path))?,
                };
            unfinished().insert(temporary.clone());
            let staged = Self {
                out: BufWriter::with_capacity(BUFFER, file),
                path: target.clone(),
                temporary,
                finished: false,
            };
            // Another process may have taken the file for abandoned before it was locked. Where
            // files can't be locked, nothing is ever removed.
            let locked = !matches!(staged.out.get_ref().try_lock(), Err(TryLockError::WouldBlock));
            if locked && staged.temporary.exists() {
                return Ok(staged);
            }
        }
    }

    /// Whether a file can be written at `path`. Nothing is left there.
    ///
    /// # Errors
    /// As [`Staged::new`].
    pub fn check(path: &Path) -> Result<()> {
        Self::new(path).map(drop)
    }

    /// The place at which the file will stand.
    pub(crate) fn path(&self) -> &Path {
        &self.path
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
        if let Ok(old) = std::fs::metadata(&self.path) {
            // Who could read the old file can read the new one, and nobody else.
            let kept = self.out.get_ref().set_permissions(old.permissions());
            kept.map_err(Error::io(&self.path))?;
        }
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

/// The file that `path` stands for: where its links lead, which need not exist.
fn resolve(path: &Path) -> Result<PathBuf> {
    if path.as_os_str() == "-" {
        let problem = "can't be written to standard output: give the name of a file";
        return Err(Error::input(path, problem));
    }
    let mut place = path.to_path_buf();
    for _ in 0..MAX_LINKS {
        let name = place.file_name().ok_or_else(|| Error::input(path, "not the name of a file"))?;
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let folder = parent.canonicalize().map_err(Error::io(path))?;
        if folder.starts_with("/proc") {
            // Such a link, as /dev/stdout, is a file that is open already.
            let problem = "stands for an open file or pipe: give the name of a file";
            return Err(Error::input(path, problem));
        }
        let target = folder.join(name);
        match std::fs::read_link(&target) {
            Ok(next) => place = folder.join(next),
            // Messages are to name a file as the user did.
            Err(_) if place == path => return Ok(place),
            Err(_) => return Ok(target),
        }
    }
    Err(Error::input(path, "is a link that leads in a circle: give the name of a file"))
}

/// How the names of temporary files for `target` begin.
fn prefix(path: &Path, target: &Path) -> Result<OsString> {
    let name = target.file_name().ok_or_else(|| Error::input(path, "not the name of a file"))?;
    let mut prefix = OsString::from(".");
    if name.len() <= LONGEST_NAME {
        prefix.push(name);
    } else {
        prefix.push(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(name.as_encoded_bytes())));
    }
    prefix.push(".");
    Ok(prefix)
}

/// How the names of temporary files end.
const SUFFIX: &str = ".tmp";

/// Whether `name` is that of a temporary file that begins with `prefix`. Earlier versions wrote the
/// number of the process and another number where now 16 random digits are.
fn is_temporary(name: &[u8], prefix: &[u8]) -> bool {
    let middle = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    middle.is_some_and(|middle| {
        let numbers = || {
            let mut parts = middle.split(|&b| b == b'-');
            let number = |part: Option<&[u8]>| {
                part.is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit))
            };
            number(parts.next()) && number(parts.next()) && parts.next().is_none()
        };
        middle.len() == 16 && middle.iter().all(u8::is_ascii_hexdigit) || numbers()
    })
}

/// Removes the temporary files for `target` that no living process holds. What can't be removed
/// stays: it harms nobody.
fn remove_abandoned(target: &Path, prefix: &std::ffi::OsStr) {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Ok(listed) = std::fs::read_dir(parent.unwrap_or(Path::new("."))) else { return };
    for entry in listed.flatten() {
        if is_temporary(entry.file_name().as_encoded_bytes(), prefix.as_encoded_bytes()) {
            remove_if_abandoned(&entry.path());
        }
    }
}

/// Removes a temporary file unless a living process holds it. Returns whether it was removed.
pub(crate) fn remove_if_abandoned(path: &Path) -> bool {
    let plain = std::fs::symlink_metadata(path).is_ok_and(|about| about.is_file());
    let Ok(file) = File::options().read(true).write(true).open(path) else { return false };
    plain && file.try_lock().is_ok() && std::fs::remove_file(path).is_ok()
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
        assert!(Staged::check(Path::new("-")).is_err(), "standard output");
    }

    fn names(folder: &Path) -> Vec<String> {
        let listed = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            listed.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_dead_processes_left_is_removed_and_what_the_living_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        let living = Staged::new(&path).unwrap();
        for name in [".m.0123456789abcdef.tmp", ".m.77-0.tmp", ".m.notes.tmp", ".m.x.77-0.tmp"] {
            std::fs::write(folder.path().join(name), "left").unwrap();
        }
        let second = Staged::new(&path).unwrap();
        let mut expected = [
            living.temporary().file_name().unwrap().to_str().unwrap(),
            second.temporary().file_name().unwrap().to_str().unwrap(),
            ".m.notes.tmp",
            ".m.x.77-0.tmp",
        ];
        expected.sort_unstable();
        assert_eq!(names(folder.path()), expected);
        living.finish().unwrap();
        drop(second);
        assert_eq!(names(folder.path()), [".m.notes.tmp", ".m.x.77-0.tmp", "m"]);
        let long = folder.path().join("long".repeat(60));
        replace(&long, |out| out.put(b"whole")).unwrap();
        assert_eq!(std::fs::read(&long).unwrap(), b"whole");
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_point_to_is_replaced_with_its_mode() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("far")).unwrap();
        std::fs::write(at("far/target"), "old").unwrap();
        std::fs::set_permissions(at("far/target"), PermissionsExt::from_mode(0o600)).unwrap();
        symlink("far/target", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        symlink("far/none", at("dangling")).unwrap();
        symlink("circle", at("circle")).unwrap();
        replace(&at("second"), |out| out.put(b"new")).unwrap();
        replace(&at("dangling"), |out| out.put(b"made")).unwrap();
        assert_eq!(std::fs::read(at("far/target")).unwrap(), b"new");
        assert_eq!(
            std::fs::metadata(at("far/target")).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(std::fs::read(at("far/none")).unwrap(), b"made");
        assert!(["link", "second", "dangling"].iter().all(|name| at(name).is_symlink()));
        assert!(Staged::check(&at("circle")).is_err());
        assert_eq!(names(&at("far")), ["none", "target"]);
        assert!(Staged::check(Path::new("/dev/fd/1")).is_err(), "an open file");
    }
}
