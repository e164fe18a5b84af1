//! Threads that race (Hogwild): each takes the next chunk when it is done with one, and all add to
//! the same rows.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use fearless_simd::{Simd, dispatch};

use super::training::Training;
use super::window::objective::Objective;
use super::window::{Learner, Matrices};
use crate::error::Result;
use crate::memory::Shared;
use crate::progress::Progress;

/// What the threads of a race share.
struct Race<'a> {
    training: &'a Training<'a>,
    rows: Matrices<&'a Shared>,
    /// The next chunk that nobody has taken, and the one beyond the last.
    next: AtomicUsize,
    end: usize,
    progress: &'a Progress,
}

/// Learns a range of chunks on the threads of the training. When it returns, all that was learnt is
/// in the matrices.
///
/// # Errors
/// A damaged corpus, or a loss that is not finite.
pub(super) fn learn(
    training: &Training,
    rows: Matrices<&Shared>,
    chunks: Range<usize>,
    objective: &impl Objective,
    progress: &Progress,
) -> Result<()> {
    let race = Race { training, rows, next: chunks.start.into(), end: chunks.end, progress };
    let run = |_: rayon::BroadcastContext| dispatch!(training.level, simd => race.thread(simd, objective.clone()));
    training.pool.broadcast(run).into_iter().collect()
}

impl Race<'_> {
    #[inline(always)]
    fn thread<S: Simd>(&self, simd: S, objective: impl Objective) -> Result<()> {
        let mut learner = Learner::new(&self.training.task, objective, self.rows.clone());
        while !self.progress.stop.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = self.training.schedule.chunk(index).filter(|_| index < self.end)
            else {
                break;
            };
            self.training.check(&chunk, self.progress)?;
            let loss = simd.vectorize(
                #[inline(always)]
                || learner.learn(simd, &chunk),
            );
            learner.finish();
            self.training.note(&chunk, loss, self.progress)?;
        }
        Ok(())
    }
}
