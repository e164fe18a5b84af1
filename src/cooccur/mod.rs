//! Co-occurrence counts: how often, and how near, each word occurs beside each other word. GloVe
//! trains on them.
//!
//! A row holds the words that one word occurs with, and their counts. `source` counts rows,
//! `counts` is the data of a file of counts, and `pairs` puts counts into the order of
//! training.
//!
//! Windows, weights and the orientation of rows are those of Stanford's `cooccur` (Pennington,
//! Socher, Manning 2014). Words that the vocabulary lacks take no place in a window. A window never
//! crosses the end of a sentence.

mod association;
mod counts;
mod pairs;
mod source;

pub use self::association::{Association, Margins, Measure};
pub use self::counts::{Count, Counts, CountsAbout};
pub(crate) use self::counts::{CountRows, MAX_COUNT, Record};
pub use self::pairs::{Pair, Pairs, Partition};
pub(crate) use self::source::RowsOf;
pub use self::source::Source;
#[cfg(test)]
pub(crate) use self::source::tests;
use crate::error::{Error, Result};
/// A position is packed together with its reach to the left and to the right, which have this many
/// bits each.
const REACH: u32 = 10;
/// Windows are narrower than this.
const MAX_WINDOW: usize = 1 << REACH;

/// How much a word counts by its distance from the centre.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// 1/d at distance d, as GloVe does
    #[default]
    Harmonic,
    /// (N + 1 - d)/N, the mean of word2vec's windows of random width
    Linear,
    /// 1 at any distance
    Flat,
}

/// Which words count as occurring together.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default)]
pub struct Windows {
    /// Words to each side of the centre that count as occurring with it
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 15))]
    pub window: usize,
    /// Count only words that follow: row = word, column = a word after it
    #[cfg_attr(feature = "cli", arg(long))]
    pub asymmetric: bool,
    /// How much a word counts by its distance
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "HOW", default_value_t))]
    pub context_weight: Weight,
}

impl Default for Windows {
    fn default() -> Self {
        Self { window: 15, asymmetric: false, context_weight: Weight::Harmonic }
    }
}

impl Windows {
    /// Whether counting with these settings is possible.
    ///
    /// # Errors
    /// [`Error::Setting`], with the name of the setting.
    pub fn check(&self) -> Result<()> {
        match self.window {
            0 => Err(Error::setting("window", "must be at least 1")),
            MAX_WINDOW.. => Err(Error::setting("window", format!("must be below {MAX_WINDOW}"))),
            _ => Ok(()),
        }
    }

    /// The weight at distance 1, 2, … up to the window.
    fn weights(&self) -> Vec<f64> {
        let n = self.window as f64;
        let at = |d: f64| match self.context_weight {
            Weight::Harmonic => 1.0 / d,
            Weight::Linear => (n + 1.0 - d) / n,
            Weight::Flat => 1.0,
        };
        (1..=self.window).map(|d| at(d as f64)).collect()
    }
}
