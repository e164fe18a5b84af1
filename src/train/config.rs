//! The settings of the window methods.

use super::objective::CbowGradient;
use super::overlay;
use super::superstep;
use super::window::{Direction, LONGEST_WINDOW, Window};
use crate::error::{Error, Result};
use crate::kernel::LINE;
use crate::simd::{self, SimdLevel};
use crate::subword::{Rows, Subwords};

/// Which words predict which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Each word of a window predicts its centre.
    SkipGram,
    /// The mean of a window predicts its centre.
    Cbow,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SkipGram => "skip-gram",
            Self::Cbow => "cbow",
        })
    }
}

/// The lengths of n-grams, written `3..6`; both ends count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct NgramLengths {
    /// Characters in the shortest.
    pub min_n: usize,
    /// Characters in the longest; 0 for no n-grams.
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

/// Settings of the window methods. The defaults are word2vec.c's, but for `subsample`, which is fastText's.
#[derive(Clone, Debug, PartialEq, clap::Args, serde::Serialize, serde::Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct Config {
    /// Numbers in a vector
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub dim: usize,
    /// Words to each side of the centre; the width is drawn from 1..=N for each centre
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub window: usize,
    /// Always use the whole window
    #[arg(long, conflicts_with = "whole_sequence")]
    pub fixed_window: bool,
    /// Use the whole sentence as the window (for sets without order; sentences are cut at 1000 words)
    #[arg(long)]
    pub whole_sequence: bool,
    /// Noise words for each centre
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub negative: usize,
    /// Noise words are drawn from the counts to this power
    #[arg(long, value_name = "X", default_value_t = 0.75, allow_negative_numbers = true)]
    pub noise_exponent: f64,
    /// Thin out words that make up more than about this share of the text; 0 keeps all
    #[arg(long, value_name = "X", default_value_t = 1e-4, allow_negative_numbers = true)]
    pub subsample: f64,
    /// Also learn character n-grams of MIN to MAX characters, as fastText does: words share what they are made of, and
    /// unseen words get vectors (3..6 is usual; 0 learns none)
    #[arg(long, value_name = "MIN..MAX")]
    pub subwords: Option<NgramLengths>,
    /// Characters in the shortest n-grams, as fastText names it [default: 3 with --max-n]
    #[arg(long, value_name = "N", conflicts_with = "subwords")]
    pub min_n: Option<usize>,
    /// Characters in the longest n-grams [default: 6 with --min-n]
    #[arg(long, value_name = "N", conflicts_with = "subwords")]
    pub max_n: Option<usize>,
    /// Numbers that n-grams are hashed to; only those that occur take memory
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    pub buckets: u32,
    /// Passes over the corpus
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub epochs: usize,
    /// Learning rate at the beginning; it falls in a line to near 0 [default: 0.025, CBOW 0.05]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub lr: Option<f32>,
    /// How the words of a CBOW window share the error
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    pub cbow_gradient: CbowGradient,
    /// Learn weights for the positions around a centre, as the published cc.* vectors of fastText did
    #[arg(long, conflicts_with = "whole_sequence")]
    pub position_weights: bool,
    /// The same seed gives the same model, byte for byte, for any number of threads; slower
    #[arg(long)]
    pub reproducible: bool,
    /// Vector instructions to compute with, of which results depend by rounding [default: the processor's best]
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub simd: Option<SimdLevel>,
    /// Threads [default: all processors]. Several make no two runs alike, but with --reproducible
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Seed of all random numbers; with one thread, or --reproducible, the same seed gives the same model
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dim: 100,
            window: 5,
            fixed_window: false,
            whole_sequence: false,
            negative: 5,
            noise_exponent: 0.75,
            subsample: 1e-4,
            subwords: None,
            min_n: None,
            max_n: None,
            buckets: 2_000_000,
            epochs: 5,
            lr: None,
            cbow_gradient: CbowGradient::default(),
            position_weights: false,
            reproducible: false,
            simd: None,
            threads: None,
            seed: 1,
        }
    }
}

impl Config {
    /// The learning rate that training begins with.
    pub fn rate(&self, method: Method) -> f32 {
        self.lr.unwrap_or(match method {
            Method::SkipGram => 0.025,
            Method::Cbow => 0.05,
        })
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
    }

    /// The n-grams to learn, if any.
    pub fn subwords(&self) -> Option<Subwords> {
        if (self.subwords, self.min_n, self.max_n) == (None, None, None) {
            return None;
        }
        let lengths = self.subwords.unwrap_or(NgramLengths { min_n: 3, max_n: 6 });
        let (min_n, max_n) = (self.min_n.unwrap_or(lengths.min_n), self.max_n.unwrap_or(lengths.max_n));
        (max_n > 0).then_some(Subwords { min_n, max_n, buckets: self.buckets })
    }

    /// The width of windows.
    pub fn window(&self) -> Window {
        match (self.whole_sequence, self.fixed_window) {
            (true, _) => Window::WholeSequence,
            (false, true) => Window::Fixed(self.window),
            (false, false) => Window::Dynamic(self.window),
        }
    }

    /// Whether training with these settings is possible.
    ///
    /// # Errors
    /// [`Error::Setting`], naming the option.
    pub fn check(&self) -> Result<()> {
        let wrong = |problem: &str| Err(Error::Setting(problem.into()));
        match () {
            () if self.dim == 0 || self.dim > 65_536 => wrong("--dim must be between 1 and 65536"),
            () if self.window == 0 => wrong("--window must be at least 1"),
            () if self.window >= LONGEST_WINDOW => {
                wrong("--window must be below 1000; --whole-sequence takes whole sentences")
            }
            () if self.negative > 1000 => wrong("--negative must be at most 1000"),
            () if self.negative == 0 => {
                wrong("--negative must be at least 1: without noise there is nothing to tell apart")
            }
            () if !self.noise_exponent.is_finite() => wrong("--noise-exponent must be a number"),
            () if !(0.0..=1.0).contains(&self.subsample) => wrong("--subsample must be between 0 and 1"),
            () if self.subwords().is_some_and(|s| s.min_n == 0 || s.min_n > s.max_n || s.max_n > 100) => {
                wrong("--subwords must be MIN..MAX with MIN from 1 to MAX, as in 3..6")
            }
            () if self.buckets == 0 => wrong("--buckets must be at least 1"),
            () if self.epochs == 0 => wrong("--epochs must be at least 1"),
            () if self.lr.is_some_and(|lr| !(lr > 0.0 && lr.is_finite())) => {
                wrong("--lr must be a number above 0")
            }
            () if self.threads == Some(0) => wrong("--threads must be at least 1"),
            () if self.threads() > 1024 => wrong("--threads must be at most 1024"),
            () => simd::level(self.simd).map(|_| ()),
        }
    }

    /// Bytes of memory that training on a vocabulary of `words` words takes, the mapped corpus left out; `bags` are their
    /// rows where n-grams are learnt.
    pub fn memory(&self, words: usize, bags: Option<&Rows>) -> u64 {
        let (words, dim, row) = (words as u64, self.dim as u64, self.row_memory());
        let direction = if bags.is_some() { Direction::Outward } else { Direction::Inward };
        let residents = 2 * (2 * self.window().largest() + 2 + direction.sharing().slots(self.negative));
        // Threads' copies, or those of logical workers with what they changed.
        let private = if self.reproducible {
            superstep::WORKERS * (residents + 2 * overlay::SLOTS)
        } else {
            self.threads() * residents
        } as u64;
        // Input and output rows; tables of noise and subsampling; copies; for n-grams their rows' numbers and the words'
        // composed vectors.
        let ngrams = bags.map_or(0, |bags| {
            bags.buckets.len() as u64 * (row + 4) + bags.uses() as u64 * 4 + words * (dim * 4 + 8)
        });
        2 * words * row + words * 12 + private * row + ngrams
    }

    /// Bytes of memory that a row takes.
    pub fn row_memory(&self) -> u64 {
        (self.dim as u64).next_multiple_of(LINE as u64) * 4
    }
}
