//! The course of a training: what it begins with, and what happens at its borders besides learning.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::beginning::Beginning;
use super::checkpoint::Matrix;
use super::log::Log;
use super::schedule::Borders;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::memory::Staged;
use crate::progress::Progress;
use crate::span::When;

/// How a training goes. By default it begins at random, keeps no checkpoint, and is not scored.
#[derive(Default)]
pub struct Course<'a> {
    /// The checkpoint that is kept, and gone on from where there is one.
    pub checkpoint: Option<CheckpointPlan>,
    /// The model to begin with.
    pub from: Option<Beginning<'a>>,
    /// How the model is scored while it is trained.
    pub watch: Option<Watch<'a>>,
}

/// Where a checkpoint is kept, and how often it is written.
#[derive(Clone, Debug)]
pub struct CheckpointPlan {
    /// The file.
    pub path: PathBuf,
    /// How often it is written. It is also written when training is asked to stop.
    pub when: When,
    /// Begin anew, although there is a checkpoint.
    pub restart: bool,
}

/// How a model is scored while it is trained.
pub struct Watch<'a> {
    /// How often.
    pub when: When,
    /// The names of the sets that it is scored on.
    pub sets: Vec<String>,
    /// The score of each set; `None` where it is not defined.
    pub score: &'a (dyn Fn(&Embeddings) -> Vec<Option<f64>> + Sync),
    /// Keeps the model with the best mean score, and ends a training that brings no better one.
    pub patience: Option<Patience>,
}

/// When a training whose scores no longer rise ends.
#[derive(Clone, Debug)]
pub struct Patience {
    /// The number of scores in turn that may be no better than the best.
    pub scores: usize,
    /// The file in which the best state is kept meanwhile.
    pub best: PathBuf,
}

impl CheckpointPlan {
    /// Removes the checkpoint, when the model is written. None need be there.
    ///
    /// # Errors
    /// A file that can't be removed.
    pub fn remove(&self) -> Result<()> {
        remove(&self.path)
    }
}

impl Patience {
    /// Removes the best state, when the model is written. None need be there.
    ///
    /// # Errors
    /// A file that can't be removed.
    pub fn remove(&self) -> Result<()> {
        remove(&self.best)
    }
}

/// A training that goes from border to border.
pub(super) trait Stage {
    /// How far it is.
    fn log(&mut self) -> &mut Log;

    /// Where it can stop.
    fn borders(&self) -> Borders;

    /// Learns the chunks up to `border`. It may stop before, at any border, when it is asked to or
    /// when the time `until` has come. The log then says where it is.
    ///
    /// # Errors
    /// A damaged corpus, or a loss that is not finite.
    fn learn(&mut self, border: usize, until: Option<Instant>, progress: &Progress) -> Result<()>;

    /// Its matrices.
    fn matrices(&mut self) -> Vec<Matrix<'_>>;

    /// The model as it is now, to be scored.
    fn snapshot(&mut self) -> Embeddings;

    /// Plans to learn `whole` tokens over all.
    fn plan(&mut self, whole: f64);
}

/// Removes a file that need not be there.
fn remove(path: &Path) -> Result<()> {
    // This removes what a killed process left of it. Where nothing can be written, nothing was left.
    let _ = Staged::check(path);
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}
