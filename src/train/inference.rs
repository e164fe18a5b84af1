//! Vectors for documents that were not there when a model was trained: a new input row learns to
//! predict the words of its document, while all rows of the model stand still.
//!
//! All random numbers follow from the words of the document. The same text has the same vector,
//! whatever its place, its neighbours, and the number of threads.

use std::sync::atomic::Ordering;

use fearless_simd::Level;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::beginning::{begin_tag, fill};
use super::config::{self, positive};
use super::recipe::Recipe;
use super::schedule::Schedule;
use super::training::window_task;
use super::window::objective::Cbow;
use super::window::reading::Kept;
use super::window::{Learn, Matrices, TagsAlone, Way, WindowTask, Windows};
use crate::corpus::Corpus;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::math::{self, LINE, Precision};
use crate::memory::Shared;
use crate::progress::Progress;
use crate::random::mix;

/// How vectors of new documents are learnt.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct InferOptions {
    /// Passes over a document [default: as many as the model was trained with]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub epochs: Option<usize>,
    /// Learning rate at the beginning [default: that of the model]
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", allow_negative_numbers = true))]
    pub lr: Option<f32>,
    /// Threads [default: all processors]; the vectors are the same for any number
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub threads: Option<usize>,
    /// Seed of the random numbers, which also follow from the words of a document
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 1))]
    pub seed: u64,
}

impl Default for InferOptions {
    fn default() -> Self {
        Self { epochs: None, lr: None, threads: None, seed: 1 }
    }
}

/// A model that gives vectors for new documents. It holds a copy of the model's matrices.
pub struct Inference {
    recipe: Recipe,
    corpus: Corpus,
    /// The rows of the model, which stand still, and behind the input rows one for each thread.
    rows: Matrices<Shared>,
    dim: usize,
    epochs: usize,
    lr: f32,
    seed: u64,
    level: Level,
    pool: rayon::ThreadPool,
}

impl Inference {
    /// Vectors by the recipe of `model`, which must be one of documents.
    ///
    /// # Errors
    /// [`Error::Refused`] for a model of words, or one that lacks output vectors or counts;
    /// [`Error::Setting`] for an impossible setting; too little memory.
    pub fn new(model: &Embeddings, options: &InferOptions) -> Result<Self> {
        let refused = |problem: &str| Err(Error::Refused(problem.into()));
        let recipe = Recipe::of(&model.provenance).ok().filter(Recipe::learns_tags);
        let Some((recipe, output)) = recipe.zip(model.output()) else {
            return refused(
                "the model gives no vectors for new documents: train one by `wordloom train \
                 pv-dbow`, or pv-dm, and keep it as .safetensors",
            );
        };
        if model.vocab.counts.len() != model.vocab.len() {
            return refused("the model has no counts of words: keep it as .safetensors");
        }
        let window = recipe.window().expect("documents are learnt by window methods");
        let epochs = options.epochs.unwrap_or(recipe.epochs());
        let lr = options.lr.unwrap_or(window.rate());
        let level = math::level(window.config.simd)?;
        if epochs == 0 {
            return Err(Error::setting("epochs", "must be at least 1"));
        }
        if !positive(lr) {
            return Err(Error::setting("lr", "must be a number above 0"));
        }
        let (words, dim) = (model.vocab.len(), model.dim());
        let pool = config::pool(options.threads)?;
        let threads = pool.current_num_threads();
        let mut corpus = Corpus::of_tags(&model.vocab, threads as u32);
        // By default subsampling follows the size of the text that was trained on.
        corpus.facts.tokens = model.provenance.corpus.tokens;
        let input = if matches!(recipe, Recipe::PvDm(_)) { model.input() } else { &[] };
        let too_large = |e: std::io::Error| config::too_large(words, dim, &e);
        let still = |rows: &[f32], more: usize| -> Result<Shared> {
            let count = rows.len() / dim;
            let shared = Shared::new(count + more, dim, Precision::F32).map_err(too_large);
            let mut shared = shared?;
            pool.install(|| {
                fill(&shared, 0..count, |row, to| {
                    to.copy_from_slice(&rows[row as usize * dim..][..dim]);
                });
            });
            shared.freeze(0..count as u32);
            Ok(shared)
        };
        let rows =
            Matrices { input: still(input, threads)?, output: still(output, 0)?, positions: None };
        Ok(Self { recipe, corpus, rows, dim, epochs, lr, seed: options.seed, level, pool })
    }

    /// The vector of each document, which is given by the ids of its words; `None` for a document
    /// without a word. `progress` counts documents.
    ///
    /// # Errors
    /// [`Error::Stopped`].
    ///
    /// # Panics
    /// When an id is not below the number of words.
    pub fn vectors<D: AsRef<[u32]> + Sync>(
        &self,
        documents: &[D],
        progress: &Progress,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        match &self.recipe {
            Recipe::PvDm(config) => {
                let objective = Cbow::new(config.cbow_gradient, config.dim).with_still_words();
                self.learn(&Windows(objective), documents, progress)
            }
            // Words that were learnt beside stand still, and so teach a document nothing.
            _ => self.learn(&TagsAlone, documents, progress),
        }
    }

    fn learn<D: AsRef<[u32]> + Sync>(
        &self,
        way: &impl Way,
        documents: &[D],
        progress: &Progress,
    ) -> Result<Vec<Option<Vec<f32>>>> {
        let window = self.recipe.window().expect("documents are learnt by window methods");
        let mut task = window_task(&self.corpus, &self.recipe, window.config, None)?;
        let first = self.rows.input.rows() - self.pool.current_num_threads();
        task.tags = task.tags.map(|tags| tags.of_new(first as u32));
        let rows = Matrices { input: &self.rows.input, output: &self.rows.output, positions: None };
        let learner = || (way.learner(&task, rows.clone()), Kept::default());
        let vector = |(learner, kept): &mut (_, Kept), document: &D| {
            progress.check()?;
            let words = document.as_ref();
            let vector = (!words.is_empty())
                .then(|| self.document(&task, first as u32, learner, kept, words));
            progress.done.fetch_add(1, Ordering::Relaxed);
            Ok(vector)
        };
        self.pool.install(|| documents.par_iter().map_init(learner, vector).collect())
    }

    /// The vector of a document that has a word.
    fn document<'m>(
        &self,
        task: &WindowTask,
        first: u32,
        learner: &mut impl Learn<&'m Shared>,
        kept: &mut Kept,
        words: &[u32],
    ) -> Vec<f32> {
        let thread = rayon::current_thread_index().unwrap_or(0);
        let row = &[first + thread as u32];
        let padded = || vec![0.0; self.dim.next_multiple_of(LINE)];
        let (mut now, mut copy, zeros) = (padded(), padded(), padded());
        let seed = xxh3_64(bytemuck::cast_slice(words)) ^ mix(self.seed);
        begin_tag(seed, &mut now[..self.dim]);
        self.rows.input.add(row, &now, &zeros);
        let schedule = Schedule::new(words.len(), self.epochs, self.lr, seed);
        let mut learnt = false;
        for epoch in 0..self.epochs {
            let chunk = schedule.whole(epoch);
            let mut generators = chunk.generators();
            kept.clear();
            kept.add(thread, words, (&task.subsample, None), &mut generators.0);
            // A document of nothing but frequent words is learnt all the same.
            if kept.words.is_empty() && epoch + 1 == self.epochs && !learnt {
                kept.words.extend_from_slice(words);
                kept.ends = vec![(words.len(), thread)];
            }
            learnt |= !kept.words.is_empty();
            learner.learn_kept(self.level, kept, &chunk, &mut generators);
        }
        learner.finish();
        self.rows.input.load(row, &mut now, &mut copy);
        // The row is zeros again, to the last bit, for the thread's next document.
        self.rows.input.add(row, &zeros, &copy);
        now.truncate(self.dim);
        now
    }
}
