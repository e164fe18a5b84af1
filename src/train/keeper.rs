//! Keeps the checkpoint of a training: goes on from it, writes it when it is due, and when training
//! is asked to stop.

use std::thread::JoinHandle;
use std::time::Instant;

use super::checkpoint::{self, Checkpoint, Identity};
use super::course::{CheckpointPlan, Patience, Stage};
use crate::error::{Error, Result};
use crate::memory::Staged;
use crate::progress::Progress;
use crate::span::When;

/// Keeps the checkpoint of a training.
pub(super) struct Keeper<'a> {
    plan: &'a CheckpointPlan,
    identity: &'a Identity,
    /// When the last one was written, and what epoch it was.
    last: (Instant, usize),
    /// The file that is being synced to disk while training goes on.
    syncing: Option<JoinHandle<Result<()>>>,
    /// Whether there is a checkpoint of this training.
    kept: bool,
    /// Whether the last one could not be written.
    failed: bool,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(plan: &'a CheckpointPlan, identity: &'a Identity) -> Self {
        let last = (Instant::now(), 0);
        Self { plan, identity, last, syncing: None, kept: false, failed: false }
    }

    /// Goes on from the checkpoint, if there is one, or from the best state if that is newer.
    pub(super) fn resume(
        &mut self,
        stage: &mut impl Stage,
        patience: Option<&Patience>,
        progress: &Progress,
    ) -> Result<()> {
        if self.plan.restart {
            self.plan.remove()?;
            return patience.map_or(Ok(()), Patience::remove);
        }
        let files = [Some(&self.plan.path), patience.map(|patience| &patience.best)];
        let mut newest: Option<Checkpoint> = None;
        for path in files.into_iter().flatten() {
            if let Some(found) = Checkpoint::open(path)? {
                found.check(self.identity)?;
                if newest.as_ref().is_none_or(|newest| newest.log.next < found.log.next) {
                    newest = Some(found);
                }
            }
        }
        let Some(found) = newest else { return Ok(()) };
        found.load(stage.matrices())?;
        if !found.identity.rounds_as(self.identity) {
            progress.note(
                "the checkpoint was made with other vector instructions, which round differently"
                    .into(),
            );
        }
        let log = stage.log();
        log.clone_from(&found.log);
        progress.go_on(&log.losses, log.seconds);
        let next = log.next;
        self.last.1 = stage.borders().epochs_before(next);
        self.kept = true;
        Ok(())
    }

    /// When the next one is due, if that is a matter of time.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.plan.when {
            When::Time(span) => Some(self.last.0 + span.0),
            When::Epochs(_) => None,
        }
    }

    /// Writes a checkpoint if one is due. A failure is told, and training goes on.
    pub(super) fn at_border(&mut self, stage: &mut impl Stage, progress: &Progress) {
        self.collect(progress, false);
        let next = stage.log().next;
        let epochs = stage.borders().epochs_before(next);
        let due = match self.plan.when {
            When::Time(span) => self.last.0.elapsed() >= span.0,
            When::Epochs(n) => epochs >= self.last.1 + n,
        };
        if next == 0 || !due || self.syncing.is_some() {
            return;
        }
        self.last = (Instant::now(), epochs);
        match self.write(stage) {
            // The copy is in the hands of the system. It is synced while training goes on.
            Ok(staged) => self.syncing = Some(std::thread::spawn(|| staged.finish())),
            Err(error) => self.tell(&error, progress),
        }
    }

    fn write(&self, stage: &mut impl Stage) -> Result<Staged> {
        let log = stage.log().clone();
        checkpoint::write(&self.plan.path, self.identity, &log, &stage.matrices())
    }

    /// Learns how the last file fared, if it is at its place by now. With `wait` it is waited for.
    fn collect(&mut self, progress: &Progress, wait: bool) {
        if let Some(syncing) = self.syncing.take_if(|syncing| wait || syncing.is_finished()) {
            match syncing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                Ok(()) => (self.kept, self.failed) = (true, false),
                Err(error) => self.tell(&error, progress),
            }
        }
    }

    /// Says that there is no new checkpoint, once in a row of failures.
    fn tell(&mut self, error: &Error, progress: &Progress) {
        if !std::mem::replace(&mut self.failed, true) {
            let last = if self.kept { "the last one is kept" } else { "there is none" };
            let when = self.plan.when;
            progress.note(format!(
                "no new checkpoint ({error}): {last}, and training goes on and tries again ({when})"
            ));
        }
    }

    /// Writes a checkpoint before training stops. Returns the error that says so.
    pub(super) fn stop(
        &mut self,
        stage: &mut impl Stage,
        share: f64,
        progress: &Progress,
    ) -> Error {
        self.collect(progress, true);
        if stage.log().next > 0 {
            match self.write(stage).and_then(Staged::finish) {
                Ok(()) => self.kept = true,
                Err(error) => self.tell(&error, progress),
            }
        }
        if self.kept {
            Error::Paused { checkpoint: self.plan.path.clone(), share }
        } else {
            Error::Stopped
        }
    }

    /// Waits for the last file.
    pub(super) fn end(mut self, progress: &Progress) {
        self.collect(progress, true);
    }
}
