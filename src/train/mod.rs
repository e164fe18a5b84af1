//! Training: from an encoded corpus to input and output vectors.
//!
//! A window method's training (`training`) has a `state` that begins, learns ranges of chunks
//! up to borders, and finishes as a model. Between two borders threads race (`race`) or go by
//! supersteps (`superstep`); both run the loop of `window`. GloVe (`glove`) learns from
//! counts, round by round. Both are stages of a `course`: `run` leads them from border to border,
//! has a `keeper` keep checkpoints, and scores.

mod beginning;
mod checkpoint;
mod config;
mod course;
mod glove;
mod history;
mod inference;
mod keeper;
mod log;
mod methods;
mod plan;
mod race;
mod recipe;
mod run;
mod schedule;
mod state;
mod superstep;
mod training;
mod window;

use std::sync::atomic::Ordering;

use serde_json::json;

pub use self::beginning::Beginning;
use self::checkpoint::Identity;
pub use self::config::{NgramLengths, WindowConfig, pool, threads};
pub use self::course::{CheckpointPlan, Course, Patience, Watch};
pub use self::glove::{GloveConfig, GloveSettings, GloveVectors, train_glove};
pub use self::inference::{InferOptions, Inference, document_words};
pub use self::methods::{Learns, METHODS, Method, settle_walks};
pub use self::plan::Plan;
pub use self::recipe::{Recipe, RecipeChange};
use self::state::State;
use self::training::Training;
pub use self::window::objective::CbowGradient;
use crate::cooccur::{CountsAbout, Pairs, Source};
use crate::corpus::Corpus;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::math;
pub use crate::math::{Precision, SimdLevel};
use crate::progress::Progress;
pub use crate::span::{Span, When};

/// How far from 0 input vectors begin: their length is about 0.46 for any dimension. word2vec.c
/// begins with ±1/(2 dim), 16 times less at dimension 100, and learns less from the same text
/// (`docs/design/0008-beginning.md`).
const SPREAD: f32 = 0.8;
/// How far from 0 the vectors of tags begin, in the same way (`docs/design/0017-documents.md`).
const TAG_SPREAD: f32 = 0.08;
/// Memory for GloVe's counts, in bytes; more go to a temporary file.
const COUNTS_MEMORY: u64 = 4 << 30;

/// Trains vectors on `corpus`, from random ones to the last epoch. Watch and stop it by `progress`.
///
/// # Errors
/// An impossible setting, too little memory, a damaged corpus, a loss that is not finite, or
/// [`crate::Error::Stopped`].
pub fn train(corpus: &Corpus, recipe: &Recipe, progress: &Progress) -> Result<Embeddings> {
    train_by(corpus, recipe, &Course::default(), progress)
}

/// Trains vectors on `corpus` by a `course`: with checkpoints, from another model, or with scores on
/// the way.
///
/// # Errors
/// As [`train`]; also a checkpoint of another training, a model that training can't begin with, or
/// [`crate::Error::Paused`].
pub fn train_by(
    corpus: &Corpus,
    recipe: &Recipe,
    course: &Course,
    progress: &Progress,
) -> Result<Embeddings> {
    recipe.check()?;
    if let Recipe::Glove(settings) = recipe {
        return pool(settings.config.threads)?
            .install(|| count_and_train(corpus, settings, course, progress));
    }
    let window = recipe.window().expect("all other methods learn from windows");
    if !recipe.learns_tags() && !has_pair(corpus) {
        let problem = "no two words occur near each other: give more text, or lines of more than \
                       one word";
        return Err(Error::Refused(problem.into()));
    }
    let training = Training::new(corpus, recipe, &window)?;
    let (facts, simd) = (&corpus.facts, math::level_name(training.level));
    let begun_from = || course.from.map(|from| from.hash());
    let identity = || Identity::new(json!(recipe), (facts.hash, facts.tokens), begun_from(), simd);
    let mut state = State::begin(training, course, progress)?;
    run::run(&mut state, course, window.config.time, identity, progress)?;
    state.finish()
}

/// Whether some sentence has two words.
fn has_pair(corpus: &Corpus) -> bool {
    corpus.sentences(0..corpus.tokens().len()).any(|sentence| sentence.len() > 1)
}

/// Trains GloVe on the counts of a corpus, which are taken first.
fn count_and_train(
    corpus: &Corpus,
    settings: &GloveSettings,
    course: &Course,
    progress: &Progress,
) -> Result<Embeddings> {
    let about = CountsAbout::of(corpus, &settings.windows, serde_json::Value::Null);
    let source = Source::text(corpus, &settings.windows)?;
    let partition = settings.config.partition(corpus.vocab.len());
    let folder = std::env::temp_dir();
    let pairs = Pairs::new(&source, partition, COUNTS_MEMORY, &folder, progress)?;
    progress.done.store(0, Ordering::Relaxed);
    train_glove(&pairs, &corpus.vocab, &about, &settings.config, course, progress)
}

/// The name of the best vector instructions of this processor that training knows.
pub fn simd_of_processor() -> String {
    math::level(None).map(math::level_name).unwrap_or_default()
}
