//! Encoded corpora, kept so that training again on the same text begins at once.
//!
//! A file's name is a hash of what went into it: the inputs' paths, lengths and times of change, and every setting of
//! [`Counting`]. Nothing here is needed: the directory may be removed at any time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use xxhash_rust::xxh3::Xxh3;

use crate::corpus::Corpus;
use crate::encode::{Counting, Reading, encode};
use crate::error::{Error, Result};
use crate::mapped::Mapped;
use crate::text;

/// Part of every key: raised when reading the same text gives another corpus.
const VERSION: u32 = 1;
/// The extension of an encoded corpus.
const EXTENSION: &str = "corpus";
/// The name of a corpus that is not kept begins with this.
const ONCE: &str = "once-";

/// An encoded corpus in a cache directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was written.
    pub written: SystemTime,
}

/// The directory that is used when none is named: `$WORDLOOM_CACHE`, or else `wordloom` in the place where the system
/// keeps caches, or else in the one for temporary files.
pub fn directory() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
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
    // A relative path there is to be ignored, says the XDG specification.
    let caches = named("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or(system);
    caches.unwrap_or_else(std::env::temp_dir).join("wordloom")
}

/// The encoded corpus of `counting` from `directory`, and whether it was there already. Otherwise the text is read
/// and encoded, on the threads of the current rayon pool, and kept there; what can't be read twice, like standard
/// input, is not kept (see [`once`]).
///
/// # Errors
/// As [`encode`], or when the directory can't be made.
pub fn corpus(counting: &Counting, directory: &Path, reading: &Reading) -> Result<(Corpus, bool)> {
    let Some(key) = key(counting)? else { return Ok((once(counting, directory, reading)?, false)) };
    let path = directory.join(format!("{key:016x}.{EXTENSION}"));
    if let Ok(corpus) = Corpus::open(&path) {
        return Ok((corpus, true));
    }
    std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
    Ok((encode(counting, &path, reading)?, false))
}

/// Encodes `counting` into a file in `directory` that is not kept. Where the system can, its name is removed at once
/// and the file goes with the last map of it; elsewhere [`discard`] removes it.
///
/// # Errors
/// As [`encode`], or when the directory can't be made.
pub fn once(counting: &Counting, directory: &Path, reading: &Reading) -> Result<Corpus> {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    std::fs::create_dir_all(directory).map_err(Error::io(directory))?;
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let path = directory.join(format!("{ONCE}{}-{serial}.{EXTENSION}", std::process::id()));
    let corpus = encode(counting, &path, reading)?;
    if cfg!(unix) {
        std::fs::remove_file(&path).map_err(Error::io(&path))?;
    }
    Ok(corpus)
}

/// Closes a corpus and, if it came from [`once`], removes its file.
pub fn discard(corpus: Corpus) {
    let path = corpus.path.clone();
    drop(corpus);
    if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(ONCE.as_bytes())) {
        let _ = std::fs::remove_file(path);
    }
}

/// The encoded corpora in `directory`, the newest first. A directory that is missing is empty.
///
/// # Errors
/// When the directory can't be read.
pub fn entries(directory: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for path in files(directory)?.into_iter().filter(|path| path.extension().is_some_and(|e| e == EXTENSION))
    {
        // A file that went away meanwhile is none.
        if let Ok(about) = std::fs::metadata(&path) {
            let written = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(Entry { path, bytes: about.len(), written });
        }
    }
    found.sort_by(|a, b| b.written.cmp(&a.written).then_with(|| a.path.cmp(&b.path)));
    Ok(found)
}

/// Removes all encoded corpora in `directory` and what interrupted runs left of them, nothing else; returns how many
/// files and bytes that were.
///
/// # Errors
/// When a file can't be removed.
pub fn clear(directory: &Path) -> Result<(usize, u64)> {
    let (mut removed, mut bytes) = (0, 0);
    for path in files(directory)? {
        let length = std::fs::metadata(&path).map_or(0, |about| about.len());
        std::fs::remove_file(&path).map_err(Error::io(&path))?;
        removed += 1;
        bytes += length;
    }
    Ok((removed, bytes))
}

/// Everything in `directory` that has the name of an encoded corpus or of an unfinished one.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let ours = |path: &Path| {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
        let stem = name.trim_start_matches('.').split('.').next().unwrap_or_default();
        let hash = stem.len() == 16 && stem.bytes().all(|b| b.is_ascii_hexdigit());
        let unfinished = name.starts_with('.') && has_extension(name, "tmp");
        (hash || stem.starts_with(ONCE)) && (unfinished || has_extension(name, EXTENSION))
    };
    let listed = match std::fs::read_dir(directory) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => {
            listed.and_then(Iterator::collect::<std::io::Result<Vec<_>>>).map_err(Error::io(directory))?
        }
    };
    Ok(listed.iter().map(std::fs::DirEntry::path).filter(|path| ours(path)).collect())
}

fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| e == extension)
}

/// What the corpus of `counting` goes by; `None` when an input can't be read twice.
fn key(counting: &Counting) -> Result<Option<u64>> {
    let mut hash = Xxh3::new();
    // Every part comes with its length, so that no two lists of parts look alike.
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    part(&VERSION.to_le_bytes());
    let words = counting.vocab_file.as_deref().map(Mapped::open).transpose()?;
    let settings =
        (&counting.tokenizer, counting.min_count, counting.max_vocab, counting.strict, words.is_some());
    part(&serde_json::to_vec(&settings).map_err(|e| Error::Setting(e.to_string()))?);
    part(words.as_deref().unwrap_or_default());
    for file in text::expand(&counting.inputs)? {
        if file.as_os_str() == "-" {
            return Ok(None);
        }
        let about = std::fs::metadata(&file).map_err(Error::io(&file))?;
        if !about.is_file() {
            return Ok(None);
        }
        let canonical = file.canonicalize().map_err(Error::io(&file))?;
        let changed = about.modified().map_err(Error::io(&file))?;
        let since = changed.duration_since(SystemTime::UNIX_EPOCH);
        let (before, since) = since.map_or_else(|e| (1, e.duration()), |since| (0, since));
        part(canonical.as_os_str().as_encoded_bytes());
        part(&about.len().to_le_bytes());
        part(&[&[before][..], &since.as_nanos().to_le_bytes()].concat());
    }
    Ok(Some(hash.digest()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::text::Tokenizer;

    fn counting(inputs: &[&Path]) -> Counting {
        Counting {
            inputs: inputs.iter().map(|p| p.to_path_buf()).collect(),
            min_count: 1,
            ..Counting::default()
        }
    }

    #[test]
    fn the_key_changes_with_text_and_settings() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b, v) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("v"));
        std::fs::write(&a, "one two").unwrap();
        std::fs::write(&b, "one two").unwrap();
        std::fs::write(&v, "one 1\n").unwrap();
        let plain = counting(&[&a]);
        let key = |counting: &Counting| key(counting).unwrap().unwrap();
        let mut keys = vec![
            key(&plain),
            key(&counting(&[&b])),
            key(&counting(&[&a, &b])),
            key(&counting(&[&b, &a])),
            key(&Counting { min_count: 2, ..plain.clone() }),
            key(&Counting { max_vocab: Some(2), ..plain.clone() }),
            key(&Counting { strict: true, ..plain.clone() }),
            key(&Counting { vocab_file: Some(v.clone()), ..plain.clone() }),
            key(&Counting {
                tokenizer: Tokenizer { lowercase: true, ..Tokenizer::default() },
                ..plain.clone()
            }),
        ];
        std::fs::write(&v, "two 1\n").unwrap();
        keys.push(key(&Counting { vocab_file: Some(v), ..plain.clone() }));
        assert_eq!(key(&plain), keys[0]);
        assert_eq!(
            key(&counting(&[&folder.path().join(".").join("a")])),
            keys[0],
            "the same file by another name"
        );
        let file = std::fs::File::options().write(true).open(&a).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap() + Duration::from_micros(1)).unwrap();
        keys.push(key(&plain));
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
        assert_eq!(super::key(&counting(&[&a, Path::new("-")])).unwrap(), None);
    }

    #[test]
    fn a_corpus_is_encoded_once_and_a_damaged_one_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (text, cache) = (folder.path().join("text"), folder.path().join("cache"));
        std::fs::write(&text, "one two one\n").unwrap();
        let counting = counting(&[&text]);
        let (first, reused) = corpus(&counting, &cache, &Reading::default()).unwrap();
        assert!(!reused);
        let (second, reused) = corpus(&counting, &cache, &Reading::default()).unwrap();
        assert!(reused);
        assert_eq!(first.facts, second.facts);
        std::fs::remove_file(&first.path).unwrap();
        std::fs::write(&first.path, "damaged").unwrap();
        let (third, reused) = corpus(&counting, &cache, &Reading::default()).unwrap();
        assert!(!reused);
        assert_eq!(first.facts, third.facts);
    }

    #[test]
    fn clearing_takes_only_what_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path();
        let ours = ["0123456789abcdef.corpus", "once-1-0.corpus", ".0123456789abcdef.spool.7-0.tmp"];
        let others = ["notes.txt", "my.corpus", ".mine.tmp", "0123456789abcdef.txt"];
        for name in ours.iter().chain(&others) {
            std::fs::write(cache.join(name), "12").unwrap();
        }
        assert_eq!(entries(cache).unwrap().len(), 2);
        assert_eq!(clear(cache).unwrap(), (3, 6));
        assert_eq!(std::fs::read_dir(cache).unwrap().count(), others.len());
        assert_eq!(entries(&cache.join("missing")).unwrap(), []);
    }

    #[test]
    fn a_corpus_that_is_not_kept_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (text, cache) = (folder.path().join("text"), folder.path().join("cache"));
        std::fs::write(&text, "one two one\n").unwrap();
        let corpus = once(&counting(&[&text]), &cache, &Reading::default()).unwrap();
        assert_eq!(corpus.tokens(), [0, 1, 0]);
        discard(corpus);
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 0);
    }
}
