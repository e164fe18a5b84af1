//! Vectors for documents that were not there when a model was trained: a new input row learns to
//! predict the words of its document, while all rows of the model stand still.
//!
//! All random numbers of a document follow from its words, and noise from the number of the step. The
//! same text has the same vector, whatever its place, its neighbours, and the number of threads.

use std::sync::atomic::Ordering;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::beginning::begin_tag;
use super::config::{self, positive};
use super::recipe::Recipe;
use super::window::negative::Noise;
use super::window::newcomer::{Newcomer, Newcomers, SIDE_BY_SIDE, Still};
use super::window::subsample::Subsample;
use crate::corpus::TextOptions;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::math::{self, Tile};
use crate::progress::Progress;
use crate::random::mix;

/// The learning rate at the beginning, as a share of the model's. Words that stand still want smaller
/// steps (`docs/design/0017-documents.md`).
const RATE: f32 = 0.6;

/// How vectors of new documents are learnt.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct InferOptions {
    /// Passes over a document [default: as many as the model was trained with]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub epochs: Option<usize>,
    /// Learning rate at the beginning [default: six tenths of the model's]
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

/// The words of new documents that a model has, by their ids. Texts are split as they were in training;
/// where the model learnt pieces of words, these are its words.
///
/// # Errors
/// Those of a tokenizer that the model needs and that is no longer where it was.
pub fn document_words(texts: &[String], model: &Embeddings) -> Result<Vec<Vec<u32>>> {
    let how: TextOptions =
        serde_json::from_value(model.provenance.text.clone()).unwrap_or_default();
    let vocab = &model.vocab;
    match (how.words_of(texts), model.pieces()) {
        (Ok(words), _) => {
            let ids =
                |words: &Vec<Vec<u8>>| words.iter().filter_map(|word| vocab.id(word)).collect();
            Ok(words.iter().map(ids).collect())
        }
        // The tokenizer is no longer where it was, but the model has its rules.
        (Err(_), Some(pieces)) => {
            let ids = |text: &String| {
                pieces.split(|piece| vocab.id(piece), text).into_iter().flatten().collect()
            };
            Ok(texts.iter().map(ids).collect())
        }
        (Err(error), None) => Err(error),
    }
}

/// A model that gives vectors for new documents. It holds a copy of the model's matrices.
pub struct Inference {
    still: Still,
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
        let lr = options.lr.unwrap_or(RATE * window.rate());
        let level = math::level(window.config.simd)?;
        if epochs == 0 {
            return Err(Error::setting("epochs", "must be at least 1"));
        }
        if !positive(lr) {
            return Err(Error::setting("lr", "must be a number above 0"));
        }
        let (words, dim) = (model.vocab.len(), model.dim());
        let copy =
            |rows| Tile::copy_of(rows, dim).map_err(|cause| config::too_large(words, dim, &cause));
        // Without the words around, a document alone predicts: input rows of words teach it nothing.
        let input = matches!(recipe, Recipe::PvDm(_)).then(|| copy(model.input())).transpose()?;
        let (counts, config) = (&model.vocab.counts, window.config);
        let still = Still {
            input,
            output: copy(output)?,
            // By default subsampling follows the size of the text that was trained on.
            subsample: Subsample::new(counts, config.subsample_for(model.provenance.corpus.tokens)),
            noise: Noise::new(counts, config.noise_exponent),
            negative: config.negative,
            window: config.window(),
            gradient: config.cbow_gradient,
            epochs,
            lr,
            seed: options.seed,
            level,
        };
        Ok(Self { still, pool: config::pool(options.threads)? })
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
        let newcomer = |&at: &usize| {
            let words = documents[at].as_ref();
            Newcomer { words, seed: xxh3_64(bytemuck::cast_slice(words)) ^ mix(self.still.seed) }
        };
        // Documents of about the same length are learnt side by side, so that none waits for others.
        let mut order: Vec<usize> =
            (0..documents.len()).filter(|&at| !documents[at].as_ref().is_empty()).collect();
        let without_words = documents.len() - order.len();
        progress.done.fetch_add(without_words as u64, Ordering::Relaxed);
        order.sort_by_key(|&at| documents[at].as_ref().len());
        let learn = |newcomers: &mut Newcomers, group: &[usize]| {
            progress.check()?;
            let group: Vec<Newcomer> = group.iter().map(newcomer).collect();
            let vectors = newcomers.learn(&group, begin_tag);
            progress.done.fetch_add(vectors.len() as u64, Ordering::Relaxed);
            Ok(vectors)
        };
        // The longest come first: at the end no thread has much to do alone.
        let learnt: Vec<Vec<Vec<f32>>> = self.pool.install(|| {
            let groups = order.par_rchunks(SIDE_BY_SIDE);
            groups.map_init(|| Newcomers::new(&self.still), learn).collect::<Result<_>>()
        })?;
        let mut vectors = vec![None; documents.len()];
        for (group, learnt) in order.rchunks(SIDE_BY_SIDE).zip(learnt) {
            for (&at, vector) in group.iter().zip(learnt) {
                vectors[at] = Some(vector);
            }
        }
        Ok(vectors)
    }
}
