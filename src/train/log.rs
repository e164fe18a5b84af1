//! How far a training is, and what it has met on the way: what a checkpoint keeps besides matrices.

use serde::{Deserialize, Serialize};

use crate::embeddings::Curve;
use crate::progress::EpochLoss;

/// The log of a training, up to a border.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Log {
    /// The next chunk to learn, counted over all epochs.
    pub(crate) next: usize,
    /// What each epoch has learnt.
    pub(crate) losses: Vec<EpochLoss>,
    /// Seconds that training took, in all processes that worked on it.
    pub(crate) seconds: f64,
    /// The scores that were taken.
    pub(crate) curve: Curve,
}

impl Log {
    /// Tokens learnt over all epochs; with GloVe, pairs of words.
    pub(crate) fn done(&self) -> u64 {
        self.losses.iter().map(|epoch| epoch.done).sum()
    }

    /// The mean loss of each epoch.
    pub(crate) fn mean_losses(&self) -> Vec<Option<f64>> {
        self.losses.iter().map(EpochLoss::mean).collect()
    }
}
