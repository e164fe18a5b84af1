//! The error type of the library. Each variant carries the data needed to say what went wrong,
//! where it went wrong, and what to do about it.
//!
//! Messages name a setting as the library does, by the name of its field between backquotes: ``
//! `min_count` ``. The command turns these names into its options, such as `--min-count`.

use std::path::{Path, PathBuf};

/// What a library function returns.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong. Every message is one line that names the file and says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing a file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The content of a model or vector file is not valid.
    #[error("{}: {problem} (at byte {at})", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Offset in bytes at which reading stopped.
        at: u64,
        /// What was found and what was expected.
        problem: String,
    },
    /// An input exists but can't be trained on.
    #[error("{}: {problem}", path.display())]
    Input {
        /// The input.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// No word is frequent enough.
    #[error(
        "no word occurs {min_count} times in {tokens} words of input: lower `min_count` or give more text"
    )]
    EmptyVocabulary {
        /// The smallest count that was asked for.
        min_count: u64,
        /// Words in the input.
        tokens: u64,
    },
    /// A setting has an impossible value.
    #[error("`{name}` {problem}")]
    Setting {
        /// The name of the setting, which is the name of its field: `dim`, `min_count`.
        name: &'static str,
        /// What is wrong with its value: the rest of a sentence that begins with the name.
        problem: String,
    },
    /// The request can't be carried out, and no single setting is to blame.
    #[error("{0}")]
    Refused(String),
    /// A word is not in the vocabulary.
    #[error("unknown word {}{}{}", quoted(word), unless(*ngrams), suggestion(near))]
    UnknownWord {
        /// The word, as it was asked for.
        word: String,
        /// Whether its n-grams were looked up, too.
        ngrams: bool,
        /// The closest known spellings, best first.
        near: Vec<String>,
    },
    /// The loss became infinite or not a number.
    #[error(
        "training diverged in epoch {epoch} (loss {loss}): lower `lr` (it was {lr}); nothing was written"
    )]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The loss that was observed.
        loss: f64,
        /// The learning rate that training began with.
        lr: f32,
    },
    /// The caller asked to stop before the end.
    #[error("stopped; nothing was written")]
    Stopped,
    /// The caller asked to stop a training before the end, and a checkpoint is kept.
    #[error(
        "stopped at {share:.0} %: the same command again goes on from {}",
        checkpoint.display()
    )]
    Paused {
        /// The checkpoint.
        checkpoint: PathBuf,
        /// How much was learnt, in percent.
        share: f64,
    },
}

impl Error {
    /// An [`Error::Io`] about `path`, for `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// An [`Error::Format`] about `path`.
    pub(crate) fn format(path: impl AsRef<Path>, at: u64, problem: impl Into<String>) -> Self {
        Self::Format { path: path.as_ref().to_path_buf(), at, problem: problem.into() }
    }

    /// An [`Error::Setting`] about the setting `name`.
    pub(crate) fn setting(name: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { name, problem: problem.into() }
    }

    /// An [`Error::UnknownWord`] without near spellings. `ngrams` says whether the word's n-grams
    /// were looked up, too.
    pub(crate) fn unknown(word: &str, ngrams: bool) -> Self {
        Self::UnknownWord { word: word.into(), ngrams, near: Vec::new() }
    }

    /// An [`Error::Refused`] about a word whose vector is not finite.
    pub(crate) fn not_finite(word: &str) -> Self {
        let problem =
            "has a number that is not finite: `wordloom convert --skip-bad` leaves such words out";
        Self::Refused(format!("the vector of {} {problem}", quoted(word)))
    }

    /// An [`Error::Input`] about `path`.
    pub(crate) fn input(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Input { path: path.as_ref().to_path_buf(), problem: problem.into() }
    }
}

fn quoted(word: &str) -> String {
    format!("'{word}'")
}

fn unless(ngrams: bool) -> &'static str {
    if ngrams { ", of which no n-gram is known either" } else { "" }
}

fn suggestion(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!(
            "; did you mean {}?",
            near.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(", ")
        ),
    }
}
