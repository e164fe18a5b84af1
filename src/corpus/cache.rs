//! The cache of encoded corpora, by which training again on the same text begins at once.
//!
//! The name of a file is the key of its producer ([`Produce::key`]). Nothing depends on the cache:
//! its directory may be removed at any time.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Corpus, Produce, encode, encode_once};
use crate::error::{Error, Result};
use crate::memory::remove_if_abandoned;
use crate::progress::Progress;
/// The extension of an encoded corpus.
const EXTENSION: &str = "corpus";
/// The extension of a file that is being written.
const TEMPORARY: &str = "tmp";
/// The names of files that are not kept begin with this.
const ONCE: &str = "once";

/// An encoded corpus in a cache directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedCorpus {
    /// The file.
    pub path: PathBuf,
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// When it was written, or last used.
    pub written: SystemTime,
}

/// The directory that is used when none is named. It is `$WORDLOOM_CACHE`, or else `wordloom` in
/// the system's directory for caches, or else a directory of this user in the system's directory
/// for temporary files.
pub fn directory() -> PathBuf {
    let named =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(directory) = named("WORDLOOM_CACHE") {
        return directory;
    }
    let system = if cfg!(windows) {
        named("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        named("HOME").map(|home| home.join("Library/Caches"))
    } else {
        named("HOME").map(|home| home.join(".cache"))
    };
    // The XDG specification says that a relative path in this variable is to be ignored.
    let caches = named("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or(system);
    caches.map_or_else(shared, |caches| caches.join("wordloom"))
}

/// This user's directory in that for the temporary files of all users.
fn shared() -> PathBuf {
    let name = user().map_or_else(|| "wordloom".into(), |user| format!("wordloom-{user}"));
    std::env::temp_dir().join(name)
}

/// The number of the user, where the system tells it.
fn user() -> Option<u32> {
    #[cfg(unix)]
    return std::fs::metadata("/proc/self").ok().map(|me| std::os::unix::fs::MetadataExt::uid(&me));
    #[cfg(not(unix))]
    None
}

/// Makes a directory for corpora, which nobody else can read, and removes what killed processes
/// left in it.
///
/// # Errors
/// When it can't be made, or belongs to another user.
pub fn prepare(directory: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(Error::io(directory))?;
    #[cfg(unix)]
    if directory == shared() {
        let about = std::fs::metadata(directory).map_err(Error::io(directory))?;
        if user().is_some_and(|user| user != std::os::unix::fs::MetadataExt::uid(&about)) {
            let problem = "belongs to another user: name a cache directory of your own";
            return Err(Error::input(directory, problem));
        }
    }
    for path in files(directory)?.iter().filter(|path| is_temporary(path)) {
        remove_if_abandoned(path);
    }
    Ok(())
}

/// The corpus of `producer` from `directory`, and whether it was there already. A corpus that was
/// not there is made, on the threads of the current rayon pool, and kept. A corpus that can't be
/// made twice, such as one from standard input, is not kept (see [`once`]). A damaged one is made
/// anew.
///
/// # Errors
/// As [`encode()`], or when the directory can't be made.
pub fn corpus(
    producer: &impl Produce,
    directory: &Path,
    progress: &Progress,
) -> Result<(Corpus, bool)> {
    let Some(key) = producer.key()? else {
        return Ok((once(producer, directory, progress)?, false));
    };
    let path = directory.join(format!("{key:016x}.{EXTENSION}"));
    if let Ok(corpus) = Corpus::open(&path) {
        // What is used stays longest in a cache with a limit. Where that can't be told, it does not.
        if let Ok(file) = std::fs::File::options().write(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        return Ok((corpus, true));
    }
    prepare(directory)?;
    Ok((encode(producer, &path, progress)?, false))
}

/// Makes the corpus of `producer` in a file in `directory` that is not kept.
///
/// # Errors
/// As [`encode()`], or when the directory can't be made.
pub fn once(producer: &impl Produce, directory: &Path, progress: &Progress) -> Result<Corpus> {
    prepare(directory)?;
    encode_once(producer, &directory.join(format!("{ONCE}.{EXTENSION}")), progress)
}

/// The encoded corpora in `directory`, the newest first. A missing directory counts as empty.
///
/// # Errors
/// When the directory can't be read.
pub fn entries(directory: &Path) -> Result<Vec<CachedCorpus>> {
    let mut found = Vec::new();
    for path in files(directory)?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == EXTENSION))
    {
        // A file that was removed meanwhile is left out.
        if let Ok(about) = std::fs::metadata(&path) {
            let written = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(CachedCorpus { path, bytes: about.len(), written });
        }
    }
    found.sort_by(|a, b| b.written.cmp(&a.written).then_with(|| a.path.cmp(&b.path)));
    Ok(found)
}

/// Removes the encoded corpora in `directory` that were not used for the longest time, until all take
/// `limit` bytes at most; but `kept` stays. Returns those that were removed.
///
/// # Errors
/// When the directory can't be read.
pub fn keep_within(directory: &Path, limit: u64, kept: &Path) -> Result<Vec<CachedCorpus>> {
    let entries = entries(directory)?;
    let mut all: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut removed = Vec::new();
    for entry in entries.into_iter().rev().filter(|entry| entry.path != kept) {
        if all <= limit {
            break;
        }
        // One that another process has removed is gone as well.
        let _ = std::fs::remove_file(&entry.path);
        all -= entry.bytes;
        removed.push(entry);
    }
    Ok(removed)
}

/// Removes all encoded corpora in `directory`, and the unfinished ones that interrupted runs left.
/// What another process is writing stays, and nothing else is removed. Returns the number of files
/// removed, and their bytes.
///
/// # Errors
/// When a file can't be removed.
pub fn clear(directory: &Path) -> Result<(usize, u64)> {
    let (mut removed, mut bytes) = (0, 0);
    for path in files(directory)? {
        let length = std::fs::metadata(&path).map_or(0, |about| about.len());
        if is_temporary(&path) {
            if !remove_if_abandoned(&path) {
                continue;
            }
        } else {
            std::fs::remove_file(&path).map_err(Error::io(&path))?;
        }
        removed += 1;
        bytes += length;
    }
    Ok((removed, bytes))
}

/// All files in `directory` that have the name of an encoded corpus or of an unfinished one.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let ours = |path: &Path| {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
        let stem = name.trim_start_matches('.').split('.').next().unwrap_or_default();
        let hash = stem.len() == 16 && stem.bytes().all(|b| b.is_ascii_hexdigit());
        let unfinished = name.starts_with('.') && is_temporary(path);
        (hash || stem.starts_with(ONCE)) && (unfinished || has_extension(path, EXTENSION))
    };
    let listed = match std::fs::read_dir(directory) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .map_err(Error::io(directory))?,
    };
    Ok(listed.iter().map(std::fs::DirEntry::path).filter(|path| ours(path)).collect())
}

fn is_temporary(path: &Path) -> bool {
    has_extension(path, TEMPORARY)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e == extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::encode::tests::options;
    use crate::memory::Staged;

    #[test]
    fn a_corpus_is_encoded_once_and_a_damaged_one_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (text, cache) = (folder.path().join("text"), folder.path().join("cache"));
        std::fs::write(&text, "one two one\n").unwrap();
        let options = options(&[&text]);
        let (first, reused) = corpus(&options, &cache, &Progress::default()).unwrap();
        assert!(!reused);
        let (second, reused) = corpus(&options, &cache, &Progress::default()).unwrap();
        assert!(reused);
        assert_eq!(first.facts, second.facts);
        std::fs::remove_file(&first.path).unwrap();
        std::fs::write(&first.path, "damaged").unwrap();
        let (third, reused) = corpus(&options, &cache, &Progress::default()).unwrap();
        assert!(!reused);
        assert_eq!(first.facts, third.facts);
    }

    #[test]
    fn clearing_takes_only_what_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path();
        let ours =
            ["0123456789abcdef.corpus", "once-1-0.corpus", ".0123456789abcdef.spool.7-0.tmp"];
        let others = ["notes.txt", "my.corpus", ".mine.tmp", "0123456789abcdef.txt"];
        for name in ours.iter().chain(&others) {
            std::fs::write(cache.join(name), "12").unwrap();
        }
        let living = Staged::new(&cache.join("fedcba9876543210.spool")).unwrap();
        assert_eq!(entries(cache).unwrap().len(), 2);
        assert_eq!(clear(cache).unwrap(), (3, 6));
        assert_eq!(std::fs::read_dir(cache).unwrap().count(), others.len() + 1);
        assert!(living.temporary().exists(), "what another process writes stays");
        assert_eq!(entries(&cache.join("missing")).unwrap(), []);
    }

    #[test]
    fn a_corpus_that_is_not_kept_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (text, cache) = (folder.path().join("text"), folder.path().join("cache"));
        std::fs::write(&text, "one two one\n").unwrap();
        let corpus = once(&options(&[&text]), &cache, &Progress::default()).unwrap();
        assert_eq!(corpus.tokens(), [0, 1, 0]);
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 0);
        std::fs::write(cache.join(".once-pairs.0123456789abcdef.tmp"), "left").unwrap();
        once(&options(&[&text]), &cache, &Progress::default()).unwrap();
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 0, "what a killed run left");
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_a_cache_that_was_made_here() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("a/cache");
        prepare(&cache).unwrap();
        assert_eq!(std::fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
