//! `wordloom cache`: shows or removes the encoded corpora that are kept.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use wordloom::Corpus;
use wordloom::corpus::cache;

use super::progress::say;
use super::show;

const EXAMPLES: &str = "Examples:
  wordloom cache                 show what is kept
  wordloom cache --clear         remove it

The directory is $WORDLOOM_CACHE, or else `wordloom` where the system keeps caches.
Where its corpora take more than $WORDLOOM_CACHE_LIMIT (50GB), those that were not
used for the longest time are removed when a new one is made.";

/// The bytes that encoded corpora may take, unless the environment says otherwise.
const LIMIT: u64 = 50_000_000_000;

/// Removes the corpora that were not used for the longest time where there are too many with a new one,
/// and says so.
pub(super) fn keep_within_limit(directory: &Path, new: &Corpus) -> wordloom::Result<()> {
    let limit = match std::env::var("WORDLOOM_CACHE_LIMIT") {
        Ok(limit) if !limit.is_empty() => show::parse_size(&limit).map_err(|problem| {
            wordloom::Error::Refused(format!("WORDLOOM_CACHE_LIMIT: {problem}"))
        })?,
        _ => LIMIT,
    };
    let removed = cache::keep_within(directory, limit, &new.path)?;
    if !removed.is_empty() {
        let bytes = show::size(removed.iter().map(|entry| entry.bytes).sum());
        let corpora = show::counted(removed.len() as u64, "encoded corpus", "encoded corpora");
        let limit = show::size(limit);
        say(&format!("wordloom: cache: removed {corpora} ({bytes}) to keep within {limit}"));
    }
    Ok(())
}

/// Show or remove the encoded corpora that let another training on the same text begin at once
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cache {
    /// Remove all encoded corpora
    #[arg(long)]
    clear: bool,
    /// The directory [default: the one that training uses]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

impl Cache {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let directory = self.cache.unwrap_or_else(cache::directory);
        let mut out = std::io::stdout().lock();
        if self.clear {
            let (files, bytes) = cache::clear(&directory)?;
            let files = show::counted(files as u64, "file", "files");
            writeln!(out, "{}: removed {files}, {}", directory.display(), show::size(bytes))?;
            return Ok(ExitCode::SUCCESS);
        }
        let entries = cache::entries(&directory)?;
        let total = show::size(entries.iter().map(|entry| entry.bytes).sum());
        let corpora = show::counted(entries.len() as u64, "encoded corpus", "encoded corpora");
        writeln!(out, "{}: {corpora}, {total}", directory.display())?;
        for entry in entries {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let size = show::size(entry.bytes);
            let about = match Corpus::open(&entry.path) {
                Ok(corpus) => {
                    let (tokens, words) =
                        (show::number(corpus.facts.tokens), show::number(corpus.facts.vocabulary));
                    let from = match &corpus.sources[..] {
                        [] => String::new(),
                        [one] => format!(", {}", show::shown(one)),
                        [first, rest @ ..] => {
                            format!(", {} and {} more", show::shown(first), rest.len())
                        }
                    };
                    format!("{tokens} tokens of {words} words{from}")
                }
                Err(_) => "unreadable".into(),
            };
            let age = ago(SystemTime::now().duration_since(entry.written).unwrap_or_default());
            writeln!(out, "  {name}  {size:>9}  {about}, {age}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// An age in words.
fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    let (n, unit) = match seconds {
        0..60 => return "just now".into(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{n} {unit}{} ago", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_words() {
        let ages = [5, 60, 7300, 86_400].map(|s| ago(Duration::from_secs(s)));
        assert_eq!(ages, ["just now", "1 minute ago", "2 hours ago", "1 day ago"]);
    }
}
