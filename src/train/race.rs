//! Threads that race (Hogwild): each takes the next chunk when it is done with one, and all add to
//! the same rows.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::training::Training;
use super::window::{Learn, Matrices, Way};
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
    until: Option<Instant>,
    progress: &'a Progress,
}

/// Learns a range of chunks on the threads of the training, or the first of them when training is
/// asked to stop or the time has come. When it returns, all that was learnt is in the matrices.
/// Returns the next chunk to learn.
///
/// # Errors
/// A damaged corpus, or a loss that is not finite.
pub(super) fn learn(
    training: &Training,
    rows: Matrices<&Shared>,
    (chunks, until): (Range<usize>, Option<Instant>),
    way: &impl Way,
    progress: &Progress,
) -> Result<usize> {
    let (next, end) = (chunks.start.into(), chunks.end);
    let race = Race { training, rows, next, end, until, progress };
    let threads = training.pool.broadcast(|_| race.thread(way));
    threads.into_iter().collect::<Result<()>>()?;
    // Chunks are taken in their order, and whoever takes one learns all of it.
    Ok(race.next.into_inner().min(end))
}

impl Race<'_> {
    fn thread(&self, way: &impl Way) -> Result<()> {
        let mut learner = way.learner(&self.training.task, self.rows.clone());
        while !self.progress.stop.load(Ordering::Relaxed)
            && self.until.is_none_or(|until| Instant::now() < until)
        {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = self.training.schedule.chunk(index).filter(|_| index < self.end)
            else {
                break;
            };
            self.training.check(&chunk, self.progress)?;
            let loss = learner.learn(self.training.level, &chunk);
            learner.finish();
            self.training.note(&chunk, loss, self.progress)?;
        }
        Ok(())
    }
}
