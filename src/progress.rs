//! How far a long operation is. The library counts; whoever waits polls, and may ask it to stop.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
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
    /// What earlier runs of the same training did: `done` and seconds.
    earlier: Mutex<(u64, f64)>,
    /// The bits of the learning rate.
    rate: AtomicU32,
    notes: Mutex<Vec<String>>,
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
        let mut epochs = lock(&self.epochs);
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
        lock(&self.epochs).clone()
    }

    /// Goes on where an earlier run of the same training stopped, after `seconds`.
    pub(crate) fn go_on(&self, epochs: &[EpochLoss], seconds: f64) {
        let done = epochs.iter().map(|epoch| epoch.done).sum();
        *lock(&self.epochs) = epochs.to_vec();
        *lock(&self.earlier) = (done, seconds);
        self.done.store(done, Ordering::Relaxed);
    }

    /// What earlier runs of the same training did: how much, in the unit of `done`, and in how many
    /// seconds. Both are 0 where training began in this run.
    pub fn earlier(&self) -> (u64, f64) {
        *lock(&self.earlier)
    }

    /// Notes the learning rate that training has reached.
    pub(crate) fn set_rate(&self, rate: f32) {
        self.rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// The learning rate that training has reached; 0 before it has learnt anything.
    pub fn rate(&self) -> f32 {
        f32::from_bits(self.rate.load(Ordering::Relaxed))
    }

    /// Leaves a line for the user.
    pub(crate) fn note(&self, line: String) {
        lock(&self.notes).push(line);
    }

    /// Takes the lines for the user that came since the last time.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.notes))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
