//! The settings of the window methods, and the checks that all methods share.
//!
//! This file is over 300 lines because each setting stands with its help, default and check.

use super::window::objective::CbowGradient;
use super::window::subsample::Subsample;
use super::window::{LONGEST_WINDOW, Window};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::math::{self, LINE, Precision, SimdLevel};
use crate::span::Span;
use crate::subword::Subwords;
/// The largest dimension of vectors.
const MAX_DIM: usize = 65_536;
/// The largest number of threads.
const MAX_THREADS: usize = 1024;
/// The default number of buckets for n-grams, as in fastText.
const BUCKETS: u32 = 2_000_000;

/// The lengths of n-grams, written `3..6`. Both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct NgramLengths {
    /// Characters in the shortest n-grams.
    pub min_n: usize,
    /// Characters in the longest n-grams. With 0, no n-grams are learnt.
    pub max_n: usize,
}

impl From<NgramLengths> for String {
    fn from(NgramLengths { min_n, max_n }: NgramLengths) -> Self {
        format!("{min_n}..{max_n}")
    }
}

impl TryFrom<String> for NgramLengths {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for NgramLengths {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let ends = text.split_once("..").map_or((text, text), |(min_n, max_n)| (min_n, max_n));
        let number = |text: &str| text.trim_start_matches('=').parse();
        match (number(ends.0), number(ends.1)) {
            (Ok(min_n), Ok(max_n)) => Ok(Self { min_n, max_n }),
            _ => Err("give two numbers, as in 3..6".into()),
        }
    }
}

/// The share of a large text above which words are thinned out.
const DEFAULT_SUBSAMPLE: f64 = 1e-4;

/// A word that occurs at most this many times is kept by default.
const ALWAYS_KEPT: f64 = 100.0;

/// Settings of the window methods. The defaults are word2vec.c's, except for `subsample`, which is
/// fastText's.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct WindowConfig {
    /// Dimension of the vectors
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 100))]
    pub dim: usize,
    /// Words to each side of the centre; the width is drawn from 1..=N for each centre
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 5))]
    pub window: usize,
    /// Always use the whole window
    #[cfg_attr(feature = "cli", arg(long, conflicts_with = "whole_sequence"))]
    pub fixed_window: bool,
    /// Use the whole sentence as the window (for sets without order; sentences are cut at 1000
    /// words)
    #[cfg_attr(feature = "cli", arg(long))]
    pub whole_sequence: bool,
    /// Noise words for each centre
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 5))]
    pub negative: usize,
    /// Noise words are drawn in proportion to their counts to this power
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "X", default_value_t = 0.75, allow_negative_numbers = true)
    )]
    pub noise_exponent: f64,
    /// Thin out words that make up more than about this share of the text; 0 keeps all [default:
    /// 0.0001, and 100 divided by the number of words in texts below a million words]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", allow_negative_numbers = true))]
    pub subsample: Option<f64>,
    /// Also learn character n-grams of MIN to MAX characters, as fastText does: words share the
    /// vectors of their n-grams, and unseen words get vectors (3..6 is usual; 0 learns none)
    #[cfg_attr(feature = "cli", arg(long, value_name = "MIN..MAX"))]
    pub subwords: Option<NgramLengths>,
    /// Characters in the shortest n-grams, as fastText names it [default: 3 with --max-n]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", conflicts_with = "subwords"))]
    pub min_n: Option<usize>,
    /// Characters in the longest n-grams [default: 6 with --min-n]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", conflicts_with = "subwords"))]
    pub max_n: Option<usize>,
    /// Hash buckets for n-grams; only buckets in use take memory [default: 2000000]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub buckets: Option<u32>,
    /// Passes over the corpus
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 5))]
    pub epochs: usize,
    /// Train as long as TIME (90s, 30m, 1.5h, 2d), in place of a number of epochs
    #[cfg_attr(feature = "cli", arg(long, value_name = "TIME", conflicts_with = "epochs"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Span>,
    /// Learning rate at the beginning; it falls linearly to near 0 [default: 0.025, PV-DBOW 0.0275,
    /// CBOW 0.05, PV-DM 0.075]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", allow_negative_numbers = true))]
    pub lr: Option<f32>,
    /// How the words of a CBOW window share the error
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "WHICH", default_value_t))]
    pub cbow_gradient: CbowGradient,
    /// Learn weights for the positions around a centre, as the published cc.* vectors of fastText
    /// did
    #[cfg_attr(feature = "cli", arg(long, conflicts_with = "whole_sequence"))]
    pub position_weights: bool,
    /// Also learn vectors of words beside those of documents, in one space: words and documents can
    /// then be compared
    #[cfg_attr(feature = "cli", arg(long))]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub words: bool,
    /// How numbers are kept while they are trained; models are written with 4 bytes a number
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "TYPE", default_value_t))]
    pub rows: Precision,
    /// The same seed gives the same model, byte for byte, for any number of threads; slower
    #[cfg_attr(feature = "cli", arg(long))]
    pub reproducible: bool,
    /// SIMD level; results differ between levels by rounding [default: the processor's best]
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "LEVEL"))]
    pub simd: Option<SimdLevel>,
    /// Threads [default: all processors]. With several, runs differ unless --reproducible
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub threads: Option<usize>,
    /// Seed of all random numbers; with one thread, or --reproducible, the same seed gives the same
    /// model
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 1))]
    pub seed: u64,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            dim: 100,
            window: 5,
            fixed_window: false,
            whole_sequence: false,
            negative: 5,
            noise_exponent: 0.75,
            subsample: None,
            subwords: None,
            min_n: None,
            max_n: None,
            buckets: None,
            epochs: 5,
            time: None,
            lr: None,
            cbow_gradient: CbowGradient::default(),
            position_weights: false,
            words: false,
            rows: Precision::default(),
            reproducible: false,
            simd: None,
            threads: None,
            seed: 1,
        }
    }
}

impl WindowConfig {
    /// The share of the text above which words are thinned out, in a text of `tokens` tokens. By
    /// default a word that occurs up to 100 times is never left out, however small the text is.
    pub fn subsample_for(&self, tokens: u64) -> f64 {
        let default = || DEFAULT_SUBSAMPLE.max(ALWAYS_KEPT / tokens.max(1) as f64).min(1.0);
        self.subsample.unwrap_or_else(default)
    }

    /// The number of tokens that subsampling is expected to keep in an epoch.
    pub fn kept(&self, corpus: &Corpus) -> f64 {
        let (counts, tokens) = (&corpus.vocab.counts[..], corpus.facts.tokens);
        let subsample = Subsample::new(counts, self.subsample_for(tokens));
        let kept = |(word, &count): (usize, &u64)| count as f64 * subsample.probability(word);
        // The counts may be those of more text than is learnt now.
        let share = tokens as f64 / counts.iter().sum::<u64>().max(1) as f64;
        share * counts.iter().enumerate().map(kept).sum::<f64>()
    }

    /// The n-grams to learn, if any.
    pub(crate) fn subwords(&self) -> Option<Subwords> {
        if (self.subwords, self.min_n, self.max_n) == (None, None, None) {
            return None;
        }
        let lengths = self.subwords.unwrap_or(NgramLengths { min_n: 3, max_n: 6 });
        let (min_n, max_n) =
            (self.min_n.unwrap_or(lengths.min_n), self.max_n.unwrap_or(lengths.max_n));
        let buckets = self.buckets.unwrap_or(BUCKETS);
        (max_n > 0).then_some(Subwords { min_n, max_n, buckets })
    }

    /// The width of windows.
    pub(crate) fn window(&self) -> Window {
        match (self.whole_sequence, self.fixed_window) {
            (true, _) => Window::WholeSequence,
            (false, true) => Window::Fixed(self.window),
            (false, false) => Window::Dynamic(self.window),
        }
    }

    /// The memory that a row takes in the precision `rows`, in bytes.
    pub(crate) fn row_memory(&self, rows: Precision) -> u64 {
        (self.dim as u64).next_multiple_of(LINE as u64) * rows.bytes() as u64
    }

    /// Whether training with these settings is possible.
    ///
    /// # Errors
    /// [`Error::Setting`], with the name of the setting.
    pub(crate) fn check(&self) -> Result<()> {
        check_shared(self.dim, self.epochs, self.threads)?;
        let lengths = |s: Subwords| s.min_n == 0 || s.min_n > s.max_n || s.check().is_err();
        let wrong = Error::setting;
        Err(match () {
            () if self.window == 0 => wrong("window", "must be at least 1"),
            () if self.window >= LONGEST_WINDOW => {
                wrong("window", "must be below 1000; `whole_sequence` takes whole sentences")
            }
            () if self.negative > 1000 => wrong("negative", "must be at most 1000"),
            () if self.negative == 0 => wrong(
                "negative",
                "must be at least 1: without noise there is nothing to tell apart",
            ),
            () if !(-10.0..=10.0).contains(&self.noise_exponent) => {
                wrong("noise_exponent", "must be a number between -10 and 10")
            }
            () if self.subsample.is_some_and(|share| !(0.0..=1.0).contains(&share)) => {
                wrong("subsample", "must be between 0 and 1")
            }
            () if self.subwords().is_some_and(lengths) => {
                wrong("subwords", "must be MIN..MAX with MIN from 1 to MAX, as in 3..6")
            }
            () if self.buckets == Some(0) => wrong("buckets", "must be at least 1"),
            () if self.buckets.is_some() && self.subwords().is_none() => {
                wrong("buckets", "is for n-grams: say which by `subwords`, as in 3..6")
            }
            () if self.lr.is_some_and(|lr| !positive(lr)) => {
                wrong("lr", "must be a number above 0")
            }
            () if self.time.is_some() && self.reproducible => wrong(
                "time",
                "gives other vectors on a faster machine, which `reproducible` rules out: give `epochs`",
            ),
            () if self.position_weights && self.whole_sequence => {
                wrong("position_weights", "can't be learnt with `whole_sequence`")
            }
            () => return math::level(self.simd).map(drop),
        })
    }
}

/// The number of threads: the number that is `wanted`, or that of all processors.
pub fn threads(wanted: Option<usize>) -> usize {
    wanted.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
}

/// A pool of as many threads as [`threads`] says.
///
/// # Errors
/// [`Error::Setting`] when the number is 0 or above 1024, or when threads can't be started.
pub fn pool(wanted: Option<usize>) -> Result<rayon::ThreadPool> {
    check_threads(wanted)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads(wanted)).build();
    pool.map_err(|e| Error::setting("threads", format!("can't be started: {e}")))
}

fn check_threads(wanted: Option<usize>) -> Result<()> {
    match threads(wanted) {
        1..=MAX_THREADS => Ok(()),
        _ => Err(Error::setting("threads", format!("must be between 1 and {MAX_THREADS}"))),
    }
}

/// Checks the settings that all methods have.
pub(super) fn check_shared(dim: usize, epochs: usize, threads: Option<usize>) -> Result<()> {
    if !(1..=MAX_DIM).contains(&dim) {
        return Err(Error::setting("dim", format!("must be between 1 and {MAX_DIM}")));
    }
    if epochs == 0 {
        return Err(Error::setting("epochs", "must be at least 1"));
    }
    check_threads(threads)
}

pub(super) fn positive(x: f32) -> bool {
    x > 0.0 && x.is_normal()
}

/// The error for matrices of `words` rows of dimension `dim` that do not fit into memory.
pub(super) fn too_large(words: usize, dim: usize, cause: &dyn std::fmt::Display) -> Error {
    let what = format!("{words} words x {dim} need more memory than there is ({cause})");
    Error::Refused(format!("{what}: lower `dim` or raise `min_count`"))
}
