//! What the threads of one training share, and never change.

use std::sync::atomic::Ordering;

use fearless_simd::Level;

use super::config::WindowConfig;
use super::recipe::{Recipe, Windowed};
use super::schedule::{Chunk, Schedule};
use super::window::negative::Noise;
use super::window::objective::Loss;
use super::window::subsample::Subsample;
use super::window::{Direction, WindowTask};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::math;
use crate::progress::Progress;
use crate::subword::Bags;

/// A training that can begin, or go on.
pub(crate) struct Training<'a> {
    /// The method with its settings.
    pub(crate) recipe: &'a Recipe,
    /// Settings.
    pub(crate) config: &'a WindowConfig,
    /// Vector instructions.
    pub(crate) level: Level,
    /// What is learnt when.
    pub(crate) schedule: Schedule,
    /// What all learners have in common.
    pub(crate) task: WindowTask<'a>,
    /// The threads.
    pub(crate) pool: rayon::ThreadPool,
}

impl<'a> Training<'a> {
    /// A training on `corpus` by `recipe`, whose method is the window method `window`.
    ///
    /// # Errors
    /// An impossible SIMD level, or threads that can't be started.
    pub(crate) fn new(
        corpus: &'a Corpus,
        recipe: &'a Recipe,
        window: &Windowed<'a>,
    ) -> Result<Self> {
        let config = window.config;
        let pool = super::config::pool(config.threads)?;
        let subwords = config.subwords();
        let bags = pool.install(|| subwords.map(|subwords| Bags::new(&corpus.vocab, &subwords)));
        let counts = &corpus.vocab.counts;
        let task = WindowTask {
            corpus,
            direction: match (recipe, &bags) {
                (Recipe::SkipGram(_), Some(_)) => Direction::Outward,
                _ => Direction::Inward,
            },
            bags,
            subsample: Subsample::new(counts, config.subsample_for(corpus.facts.tokens)),
            noise: Noise::new(counts, config.noise_exponent),
            negative: config.negative,
            window: config.window(),
        };
        let (level, schedule) = (math::level(config.simd)?, schedule(corpus, window));
        Ok(Self { recipe, config, level, schedule, task, pool })
    }

    /// Checks that every token of a chunk is in the vocabulary.
    ///
    /// # Errors
    /// A damaged corpus; training is told to stop.
    pub(crate) fn check(&self, chunk: &Chunk, progress: &Progress) -> Result<()> {
        let (corpus, words) = (self.task.corpus, self.task.corpus.vocab.len());
        let mut tokens = corpus.tokens()[chunk.tokens.clone()].iter();
        if tokens.all(|&token| (token as usize) < words) {
            return Ok(());
        }
        progress.stop.store(true, Ordering::Relaxed);
        Err(corpus.damaged(chunk.tokens.start))
    }

    /// Notes the loss of a chunk that was learnt.
    ///
    /// # Errors
    /// A loss that is not finite; training is told to stop.
    pub(crate) fn note(&self, chunk: &Chunk, loss: Loss, progress: &Progress) -> Result<()> {
        if !loss.sum.is_finite() {
            progress.stop.store(true, Ordering::Relaxed);
            let (epoch, lr) = (chunk.epoch + 1, self.schedule.first_rate());
            return Err(Error::Diverged { epoch, loss: loss.sum, lr });
        }
        progress.set_rate(chunk.rate.end);
        progress.learnt(chunk.epoch, chunk.tokens.len() as u64, loss.sum, loss.pairs);
        Ok(())
    }
}

/// What is learnt when, by a window method.
pub(super) fn schedule(corpus: &Corpus, window: &Windowed) -> Schedule {
    let (tokens, config) = (corpus.tokens().len(), window.config);
    let schedule = Schedule::new(tokens, config.epochs, window.rate(), config.seed);
    let schedule = if config.time.is_some() { schedule.endless() } else { schedule };
    if config.reproducible { schedule.in_lanes(config.subwords().is_some()) } else { schedule }
}
