//! The settings of GloVe.

use crate::cooccur::{Partition, Windows};
use crate::error::{Error, Result};
use crate::math::{self, LINE, SimdLevel};
use crate::train::Span;
use crate::train::config::{check_shared, positive};

/// Which vectors a model has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum GloveVectors {
    /// The sum of each word's vector as a row and as a column, as GloVe does; neither is kept
    #[default]
    Sum,
    /// The vector as a row; the vector as a column is kept as the output vector
    Input,
}

/// Settings of GloVe's training. The defaults are those of Stanford's program, except for `dim`,
/// which is 50 there, and for the clipping of gradients, which it has done at 100 since 2020.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default)]
pub struct GloveConfig {
    /// Dimension of the vectors
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 100))]
    pub dim: usize,
    /// Counts of X and above have full weight; smaller counts weigh less
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "X", default_value_t = 100.0, allow_negative_numbers = true)
    )]
    pub x_max: f32,
    /// A count below --x-max has the weight (count / x-max) to this power
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "X", default_value_t = 0.75, allow_negative_numbers = true)
    )]
    pub alpha: f32,
    /// Passes over the counts
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 25))]
    pub epochs: usize,
    /// Train as long as TIME (90s, 30m, 1.5h, 2d), in place of a number of epochs
    #[cfg_attr(feature = "cli", arg(long, value_name = "TIME", conflicts_with = "epochs"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Span>,
    /// Learning rate of AdaGrad
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "X", default_value_t = 0.05, allow_negative_numbers = true)
    )]
    pub lr: f32,
    /// Learning rate of the biases: 1 in GloVe's program since 2020; before, and in the paper, that
    /// of --lr
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)
    )]
    pub bias_lr: f32,
    /// No coordinate of a gradient counts as more than X [default: off]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", allow_negative_numbers = true))]
    pub grad_clip: Option<f32>,
    /// The vectors of the model
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "WHICH", default_value_t))]
    pub vectors: GloveVectors,
    /// The same seed gives the same file, byte for byte: it then leaves out times and the number of
    /// threads. The vectors never depend on them
    #[cfg_attr(feature = "cli", arg(long))]
    pub reproducible: bool,
    /// SIMD level; results differ between levels by rounding [default: the processor's best]
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "LEVEL"))]
    pub simd: Option<SimdLevel>,
    /// Threads [default: all processors]. The vectors do not depend on it
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub threads: Option<usize>,
    /// Seed of all random numbers; the same seed gives the same model
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 1))]
    pub seed: u64,
}

impl Default for GloveConfig {
    fn default() -> Self {
        Self {
            dim: 100,
            x_max: 100.0,
            alpha: 0.75,
            epochs: 25,
            time: None,
            lr: 0.05,
            bias_lr: 1.0,
            grad_clip: None,
            vectors: GloveVectors::Sum,
            reproducible: false,
            simd: None,
            threads: None,
            seed: 1,
        }
    }
}

/// All settings of GloVe: how co-occurrences are counted, and how vectors are trained on the
/// counts.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GloveSettings {
    /// Which words count as occurring together.
    #[serde(flatten)]
    pub windows: Windows,
    /// How vectors are trained.
    #[serde(flatten)]
    pub config: GloveConfig,
}

impl GloveConfig {
    /// Whether training with these settings is possible.
    ///
    /// # Errors
    /// [`Error::Setting`], with the name of the setting.
    pub(crate) fn check(&self) -> Result<()> {
        check_shared(self.dim, self.epochs, self.threads)?;
        let wrong = Error::setting;
        Err(match () {
            () if !positive(self.x_max) => wrong("x_max", "must be a number above 0"),
            () if !(0.0..=1000.0).contains(&self.alpha) => {
                wrong("alpha", "must be between 0 and 1000")
            }
            () if !positive(self.lr) => wrong("lr", "must be a number above 0"),
            () if !positive(self.bias_lr) => wrong("bias_lr", "must be a number above 0"),
            () if self.grad_clip.is_some_and(|x| !positive(x)) => {
                wrong("grad_clip", "must be a number above 0")
            }
            () if self.time.is_some() && self.reproducible => wrong(
                "time",
                "gives other vectors on a faster machine, which `reproducible` rules out: give `epochs`",
            ),
            () => return math::level(self.simd).map(drop),
        })
    }

    /// The number of floats in a vector with its biases, padded. In a row, as many factors of
    /// gradients follow.
    pub(super) fn width(&self) -> usize {
        (self.dim + 2).next_multiple_of(LINE)
    }

    /// How `words` words are dealt into parts for vectors of this dimension.
    pub fn partition(&self, words: usize) -> Partition {
        Partition::new(words, 2 * self.width() * size_of::<f32>())
    }

    /// The bytes of a checkpoint of a training with `words` words, without padding.
    pub fn checkpoint(&self, words: usize) -> u64 {
        2 * words as u64 * 2 * self.width() as u64 * 4
    }

    /// The memory that vectors of `words` words take, in bytes, without the counts.
    pub fn memory(&self, words: usize) -> u64 {
        let matrices = self.checkpoint(words);
        let (words, dim) = (words as u64, self.dim as u64);
        let kept = 1 + u64::from(self.vectors == GloveVectors::Input);
        // Two matrices with their factors and, at the end, the vectors that the model keeps.
        matrices + words * dim * 4 * kept
    }
}
