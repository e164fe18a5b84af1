//! What the threads of one training share, and never change.

use std::sync::atomic::Ordering;

use fearless_simd::Level;

use super::config::WindowConfig;
use super::recipe::{Recipe, Windowed};
use super::schedule::{Chunk, Schedule};
use super::window::negative::Noise;
use super::window::objective::Loss;
use super::window::reading::Reading;
use super::window::subsample::Subsample;
use super::window::{Direction, TagRows, WindowTask};
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
        let task = window_task(corpus, recipe, config, bags)?;
        let (level, schedule) = (math::level(config.simd)?, schedule(corpus, window));
        Ok(Self { recipe, config, level, schedule, task, pool })
    }

    /// Checks that every token of a chunk is in the vocabulary.
    ///
    /// # Errors
    /// A damaged corpus; training is told to stop.
    pub(crate) fn check(&self, chunk: &Chunk, progress: &Progress) -> Result<()> {
        let (corpus, words) = (self.corpus(), self.corpus().vocab.len());
        for (_, piece) in self.task.reading.pieces(chunk.tokens.clone()) {
            let at = piece.start;
            if !corpus.tokens()[piece].iter().all(|&token| (token as usize) < words) {
                progress.stop.store(true, Ordering::Relaxed);
                return Err(corpus.damaged(at));
            }
        }
        Ok(())
    }

    /// What is learnt from.
    pub(crate) fn corpus(&self) -> &'a Corpus {
        self.task.reading.corpus
    }

    /// The input rows: those of words and of n-grams, and behind them those of tags.
    pub(crate) fn input_rows(&self) -> usize {
        let words = self.word_rows();
        words + self.task.tags.map_or(0, |tags| tags.of.names.len())
    }

    /// The input rows of words and of n-grams.
    pub(crate) fn word_rows(&self) -> usize {
        let words = || self.task.bags.as_ref().map_or(self.corpus().vocab.len(), Bags::total);
        self.task.tags.map_or_else(words, |tags| tags.first as usize)
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

/// What all learners of a training by `recipe` have in common.
///
/// # Errors
/// A corpus without tags, where they are to be learnt.
pub(super) fn window_task<'a>(
    corpus: &'a Corpus,
    recipe: &Recipe,
    config: &WindowConfig,
    bags: Option<Bags>,
) -> Result<WindowTask<'a>> {
    let counts = &corpus.vocab.counts;
    let tags = tag_rows(corpus, recipe)?;
    let reading = match &tags {
        Some(_) => Reading::shuffled(corpus, config.seed),
        None => Reading::in_order(corpus),
    };
    Ok(WindowTask {
        reading,
        tags,
        direction: match (recipe, &bags) {
            (Recipe::SkipGram(_), Some(_)) => Direction::Outward,
            _ => Direction::Inward,
        },
        bags,
        subsample: Subsample::new(counts, config.subsample_for(corpus.facts.tokens)),
        noise: Noise::new(counts, config.noise_exponent),
        negative: config.negative,
        window: config.window(),
    })
}

/// The tags that a method learns, and their rows.
fn tag_rows<'a>(corpus: &'a Corpus, recipe: &Recipe) -> Result<Option<TagRows<'a>>> {
    if !recipe.learns_tags() {
        return Ok(None);
    }
    let Some(of) = corpus.tags() else {
        let problem = "has no documents with tags: make it of documents, as `wordloom train pv-dbow` \
                       does";
        return Err(Error::input(&corpus.path, problem));
    };
    let first = if recipe.tags_alone() { 0 } else { corpus.vocab.len() };
    if u32::try_from(first + of.names.len()).is_err() {
        return Err(Error::Refused("more words and tags than 4 billion: leave some out".into()));
    }
    Ok(Some(TagRows { of, first: first as u32, most: of.most() }))
}

/// What is learnt when, by a window method.
pub(super) fn schedule(corpus: &Corpus, window: &Windowed) -> Schedule {
    let (tokens, config) = (corpus.tokens().len(), window.config);
    let schedule = Schedule::new(tokens, config.epochs, window.rate(), config.seed);
    let schedule = if config.time.is_some() { schedule.endless() } else { schedule };
    if config.reproducible { schedule.in_lanes(config.subwords().is_some()) } else { schedule }
}
