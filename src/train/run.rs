//! One process's part of a training: it begins or goes on, and leads from border to border. At
//! borders a checkpoint is kept and the model is scored, and training ends when its time is up, or
//! when the scores no longer rise.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::checkpoint::{self, Checkpoint, Identity};
use super::course::{Course, Patience, Stage, Watch};
use super::keeper::Keeper;
use super::log::Log;
use crate::embeddings::{Curve, CurvePoint};
use crate::error::{Error, Result};
use crate::memory::Staged;
use crate::progress::Progress;
use crate::span::{Span, When};

/// The shortest time, and the share of all time, after which the learning rate of a training with a
/// limit of time is planned anew.
const REPLAN: (Duration, f64) = (Duration::from_millis(500), 0.005);
/// The shortest time for which threads learn.
const SHORTEST: Duration = Duration::from_millis(50);

/// Goes on from a checkpoint, if there is one, and through all borders.
///
/// # Errors
/// A checkpoint of another training, what [`Stage::learn`] says, [`Error::Paused`] when the training
/// was asked to stop and a checkpoint is kept, or else [`Error::Stopped`].
pub(super) fn run(
    stage: &mut impl Stage,
    course: &Course,
    time: Option<Span>,
    identity: impl FnOnce() -> Identity,
    progress: &Progress,
) -> Result<()> {
    let patience = course.watch.as_ref().and_then(|watch| watch.patience.as_ref());
    // Hashes take a while, so they are taken only where a file is to have them.
    let identity = (course.checkpoint.is_some() || patience.is_some()).then(identity);
    let identity = &identity.unwrap_or_default();
    let mut keeper = course.checkpoint.as_ref().map(|plan| Keeper::new(plan, identity));
    if let Some(keeper) = &mut keeper {
        keeper.resume(stage, patience, progress)?;
    }
    if let Some(watch) = &course.watch {
        let curve = &mut stage.log().curve;
        if curve.sets != watch.sets {
            if !curve.is_empty() {
                progress.note("earlier scores, which are of other sets, are left out".into());
            }
            *curve = Curve { sets: watch.sets.clone(), ..Curve::default() };
        }
    }
    let before = stage.log().seconds;
    let mut run = Run { begun: Instant::now(), before, time, keeper, identity, progress };
    while run.at_border(stage, course)? {
        let border = stage.borders().after(stage.log().next).expect("it is not at the end");
        let until = run.next_reason(stage, course);
        stage.learn(border, until, progress)?;
        let seconds = run.seconds();
        let log = stage.log();
        (log.losses, log.seconds) = (progress.epochs(), seconds);
    }
    if let Some(keeper) = run.keeper {
        keeper.end(progress);
    }
    match patience {
        Some(patience) => take_best(stage, patience, identity),
        None => Ok(()),
    }
}

/// One process's part of a training.
struct Run<'a> {
    begun: Instant,
    /// Seconds that training took before.
    before: f64,
    /// The limit of time.
    time: Option<Span>,
    keeper: Option<Keeper<'a>>,
    identity: &'a Identity,
    progress: &'a Progress,
}

impl Run<'_> {
    /// Seconds that training took.
    fn seconds(&self) -> f64 {
        self.before + self.begun.elapsed().as_secs_f64()
    }

    /// Does what is due at a border. Returns whether there is more to learn.
    fn at_border(&mut self, stage: &mut impl Stage, course: &Course) -> Result<bool> {
        if self.progress.stop.load(Ordering::Relaxed) {
            let share = self.share(stage);
            return Err(match &mut self.keeper {
                Some(keeper) => keeper.stop(stage, share, self.progress),
                None => Error::Stopped,
            });
        }
        let over = self.time.is_some_and(|time| self.seconds() >= time.0.as_secs_f64());
        let mut end = over || stage.borders().after(stage.log().next).is_none();
        if let Some(watch) = &course.watch {
            if self.is_score_due(stage, watch, end) {
                self.score(stage, watch);
            }
            let out_of_patience = |patience: &Patience| {
                let curve = &stage.log().curve;
                let since = curve.best.map_or(0, |best| curve.points.len() - 1 - best);
                since >= patience.scores
            };
            end |= watch.patience.as_ref().is_some_and(out_of_patience);
        }
        if end {
            return Ok(false);
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.at_border(stage, self.progress);
        }
        if let Some(time) = self.time {
            let (done, seconds) = (stage.log().done() as f64, stage.log().seconds);
            let left = time.0.as_secs_f64() - self.seconds();
            if done > 0.0 {
                stage.plan(done + left * done / seconds.max(1e-9));
            }
        }
        Ok(true)
    }

    /// How much is done, in percent.
    fn share(&self, stage: &mut impl Stage) -> f64 {
        let (borders, next) = (stage.borders(), stage.log().next as f64);
        let share = match self.time {
            Some(time) => self.seconds() / time.0.as_secs_f64(),
            None => next / (borders.epochs as f64 * borders.chunks as f64),
        };
        100.0 * share.min(1.0)
    }

    /// When the next thing but the end of the epoch is due.
    fn next_reason(&self, stage: &mut impl Stage, course: &Course) -> Option<Instant> {
        let now = Instant::now();
        let checkpoint = self.keeper.as_ref().and_then(Keeper::due);
        let score = course.watch.as_ref().and_then(|watch| {
            let When::Time(span) = watch.when else { return None };
            let last = stage.log().curve.points.last().map_or(0.0, |point| point.seconds);
            Some(now + span.0.saturating_sub(since(self.seconds(), last)))
        });
        let plan = self.time.map(|time| {
            let left = time.0.saturating_sub(since(self.seconds(), 0.0));
            now + left.min(REPLAN.0.max(time.0.mul_f64(REPLAN.1)))
        });
        let next = [checkpoint, score, plan].into_iter().flatten().min();
        // What is overdue, as a file that is still being synced, must not keep threads from work.
        next.map(|next| next.max(now + SHORTEST))
    }

    /// Whether the model is to be scored. At the end it is, unless it was.
    fn is_score_due(&self, stage: &mut impl Stage, watch: &Watch, end: bool) -> bool {
        let (borders, log) = (stage.borders(), stage.log());
        let last = log.curve.points.last();
        if log.next == 0 || last.is_some_and(|point| point.done == log.done()) {
            return false;
        }
        let due = match watch.when {
            When::Time(span) => {
                since(self.seconds(), last.map_or(0.0, |point| point.seconds)) >= span.0
            }
            When::Epochs(n) => {
                let epochs = borders.epochs_before(log.next);
                borders.is_between_epochs(log.next) && epochs.is_multiple_of(n)
            }
        };
        due || end
    }

    /// Scores the model. The best so far is kept in a file; if that can't be written, it is told, and
    /// the last best stays the best.
    fn score(&self, stage: &mut impl Stage, watch: &Watch) {
        let scores = (watch.score)(&stage.snapshot());
        let (borders, seconds) = (stage.borders(), self.seconds());
        let log = stage.log();
        let epochs = log.next as f64 / borders.chunks.max(1) as f64;
        let point = CurvePoint { epochs, done: log.done(), seconds, scores };
        let better = match (point.mean(), log.curve.best) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(new), Some(best)) => log.curve.points[best].mean().is_none_or(|old| new > old),
        };
        log.curve.points.push(point);
        if let (Some(patience), true) = (&watch.patience, better) {
            let last = log.curve.best.replace(log.curve.points.len() - 1);
            let log = log.clone();
            let written = checkpoint::write(&patience.best, self.identity, &log, &stage.matrices());
            if let Err(error) = written.and_then(Staged::finish) {
                stage.log().curve.best = last;
                self.progress.note(format!("a better model can't be kept: {error}"));
            }
        }
    }
}

/// The time between two moments, in seconds since the same beginning.
fn since(now: f64, then: f64) -> Duration {
    Duration::from_secs_f64((now - then).clamp(0.0, 1e12))
}

/// Takes the best state in place of the last one.
fn take_best(stage: &mut impl Stage, patience: &Patience, identity: &Identity) -> Result<()> {
    let curve = stage.log().curve.clone();
    let Some(best) = curve.best else { return Ok(()) };
    if best + 1 < curve.points.len()
        && let Some(state) = Checkpoint::open(&patience.best)?
    {
        state.check(identity)?;
        state.load(stage.matrices())?;
        let seconds = stage.log().seconds;
        *stage.log() = Log { seconds, curve, ..state.log };
    }
    Ok(())
}
