//! How far a long operation is. The library counts; whoever waits polls, and may ask it to stop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};

/// Polled from outside while a text is read, co-occurrences are counted, or a model is trained.
#[derive(Debug, Default)]
pub struct Progress {
    /// What is done, in the operation's unit: bytes of text read (unpacked), occurrences of words
    /// counted, tokens learnt over all epochs, or with GloVe pairs of words.
    pub done: AtomicU64,
    /// Words read so far, while a text is read.
    pub words: AtomicU64,
    /// Set it to stop.
    pub stop: AtomicBool,
    epochs: Mutex<Vec<EpochLoss>>,
}

/// What an epoch has learnt so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct EpochLoss {
    /// Sum of the losses that were sampled.
    pub sum: f64,
    /// Pairs of input and target in that sum.
    pub pairs: u64,
    /// Tokens learnt; with GloVe, pairs of words.
    pub done: u64,
}

impl EpochLoss {
    /// The mean loss of a pair; `None` where no pair was sampled, as in a text of a few words.
    pub fn mean(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.sum / self.pairs as f64)
    }
}

impl Progress {
    /// One of an operation that was asked to stop.
    #[cfg(test)]
    pub(crate) fn stopped() -> Self {
        Self { stop: true.into(), ..Self::default() }
    }

    /// [`Error::Stopped`] when somebody asked to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Notes `done` tokens (or pairs) learnt in an epoch, with the loss of some pairs among them.
    pub(crate) fn learnt(&self, epoch: usize, done: u64, loss: f64, pairs: u64) {
        let mut epochs = self.lock();
        if epochs.len() <= epoch {
            epochs.resize(epoch + 1, EpochLoss::default());
        }
        let epoch = &mut epochs[epoch];
        epoch.sum += loss;
        epoch.pairs += pairs;
        epoch.done += done;
        self.done.fetch_add(done, Ordering::Relaxed);
    }

    /// What each epoch has learnt, for the epochs begun.
    pub fn epochs(&self) -> Vec<EpochLoss> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<EpochLoss>> {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
