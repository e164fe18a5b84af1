//! How threads go through the work: racing (Hogwild), or in supersteps.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fearless_simd::{Level, Simd, dispatch};

use super::config::{Config, Method};
use super::hogwild::Shared;
use super::negative::Noise;
use super::objective::{Cbow, Loss, Objective, OneByOne, SkipGram};
use super::overlay::Overlay;
use super::schedule::{Chunk, Progress, Schedule};
use super::shares::Shares;
use super::store::Store;
use super::subsample::Subsample;
use super::window::{Direction, Learner};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::subword::Rows;

/// What the threads of one training share.
pub struct Run<'a> {
    /// What is learnt from.
    pub corpus: &'a Corpus,
    /// Settings.
    pub config: &'a Config,
    /// Vector instructions.
    pub level: Level,
    /// What is learnt when.
    pub schedule: Schedule,
    /// Which tokens are kept.
    pub subsample: Subsample,
    /// Where noise words come from.
    pub noise: Noise,
    /// How far it is, and whether to stop.
    pub progress: &'a Progress,
    /// Who predicts whom.
    pub direction: Direction,
    /// Input rows, the bags that they are in, and output rows.
    pub shared: (&'a Shared, Option<&'a Rows>, &'a Shared),
}

impl Run<'_> {
    /// Learns all chunks.
    ///
    /// # Errors
    /// A damaged corpus, or a loss that is not finite.
    pub fn learn<'a>(&'a self, method: Method, positions: Option<&'a Shared>) -> Result<()> {
        let Config { cbow_gradient, dim, reproducible, .. } = *self.config;
        match (method, self.direction, reproducible) {
            (Method::SkipGram, Direction::Inward, false) => self.threads(|| SkipGram),
            (Method::SkipGram, Direction::Outward, false) => self.threads(|| OneByOne),
            (Method::Cbow, _, false) => {
                self.threads(|| Cbow::new(cbow_gradient, dim, positions.map(|p| (p, p.rows()))))
            }
            (Method::SkipGram, Direction::Inward, true) => self.supersteps(|| SkipGram),
            (Method::SkipGram, Direction::Outward, true) => self.supersteps(|| OneByOne),
            (Method::Cbow, _, true) => {
                // Met at every centre.
                let shares = |rows| Arc::new(Shares::new(&vec![f64::INFINITY; rows]));
                let overlay =
                    |shared: &'a Shared| (Overlay::new(shared, shares(shared.rows())), shared.rows());
                self.supersteps(|| Cbow::new(cbow_gradient, dim, positions.map(overlay)))
            }
        }
    }

    /// What learns: a thread's, or a worker's.
    pub fn learner<O: Objective<M>, M: Store>(
        &self,
        objective: O,
        [input, output]: [M; 2],
    ) -> Learner<'_, O, M> {
        let settings = (self.config.window(), self.direction, self.config.negative, objective);
        Learner::new(self.corpus, &self.subsample, &self.noise, settings, (input, self.shared.1, output))
    }

    /// All threads of the current pool race: each takes the next chunk when it is done with one (Hogwild).
    fn threads<'a, O: Objective<&'a Shared>>(&'a self, objective: impl Fn() -> O + Sync) -> Result<()> {
        let results = rayon::broadcast(|_| dispatch!(self.level, simd => self.thread(simd, objective())));
        results.into_iter().collect()
    }

    #[inline(always)]
    fn thread<'a, S: Simd, O: Objective<&'a Shared>>(&'a self, simd: S, objective: O) -> Result<()> {
        let mut learner = self.learner(objective, [self.shared.0, self.shared.2]);
        while let Some(chunk) = self.progress.next(&self.schedule) {
            self.check(&chunk)?;
            let loss = simd.vectorize(
                #[inline(always)]
                || learner.learn(simd, &chunk),
            );
            learner.finish();
            self.note(&chunk, loss)?;
        }
        Ok(())
    }

    /// That a chunk's tokens are words.
    ///
    /// # Errors
    /// A damaged corpus; training is told to stop.
    pub fn check(&self, chunk: &Chunk) -> Result<()> {
        let words = self.corpus.vocab.len();
        if self.corpus.tokens()[chunk.tokens.clone()].iter().all(|&token| (token as usize) < words) {
            return Ok(());
        }
        self.progress.stop.store(true, Ordering::Relaxed);
        Err(Error::format(
            &self.corpus.path,
            64 + 4 * chunk.tokens.start as u64,
            "a damaged encoded corpus: remove it",
        ))
    }

    /// Notes the loss of a chunk that was learnt.
    ///
    /// # Errors
    /// A loss that is not finite; training is told to stop.
    pub fn note(&self, chunk: &Chunk, loss: Loss) -> Result<()> {
        if !loss.sum.is_finite() {
            self.progress.stop.store(true, Ordering::Relaxed);
            return Err(Error::Diverged {
                epoch: chunk.epoch + 1,
                loss: loss.sum,
                lr: self.schedule.first_rate(),
            });
        }
        self.progress.done(chunk, loss.sum, loss.pairs);
        Ok(())
    }
}
