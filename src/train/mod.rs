//! Training: from an encoded corpus to input and output vectors.

pub mod barrier;
pub mod config;
pub mod glove;
pub mod hogwild;
pub mod negative;
pub mod notes;
pub mod objective;
pub mod overlay;
pub mod pairs;
pub mod resident;
pub mod ring;
pub mod run;
pub mod schedule;
pub mod shares;
pub mod store;
pub mod subsample;
pub mod superstep;
pub mod window;

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rayon::prelude::*;

pub use self::config::{Config, Method, NgramLengths};
use self::hogwild::Shared;
use self::negative::Noise;
pub use self::objective::CbowGradient;
use self::run::Run;
pub use self::schedule::Progress;
use self::schedule::{Schedule, mix};
use self::subsample::Subsample;
use self::superstep::WORKERS;
use self::window::Direction;
use crate::corpus::Corpus;
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::kernel::LINE;
use crate::mapped::Mapped;
use crate::simd;
use crate::subword::{Ngrams, Rows};

/// How far from 0 input vectors begin: their length is about 0.46 for any `dim`. word2vec.c begins with ±1/(2 dim), 16 times
/// less at dim 100, and learns less from the same text (`docs/design/0008-beginning.md`).
const SPREAD: f32 = 0.8;

/// Trains `method` on `corpus`. Watch and stop it by `progress`.
///
/// # Errors
/// An impossible setting, too little memory, a damaged corpus, a loss that is not finite, or [`Error::Stopped`].
pub fn train(corpus: &Corpus, method: Method, config: &Config, progress: &Progress) -> Result<Embeddings> {
    config.check()?;
    let begin = Instant::now();
    let memory = |e: std::io::Error| {
        Error::Setting(format!(
            "{} words x {} need more memory than there is ({e}): lower --dim or raise --min-count",
            corpus.vocab.len(),
            config.dim
        ))
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.threads()).build();
    let pool = pool.map_err(|e| Error::Setting(format!("--threads {}: {e}", config.threads())))?;
    let words = corpus.vocab.len();
    let bags = config.subwords().map(|subwords| Rows::new(&corpus.vocab, &subwords));
    let (input, output) = (
        Shared::new(bags.as_ref().map_or(words, Rows::total), config.dim).map_err(memory)?,
        Shared::new(words, config.dim).map_err(memory)?,
    );
    let positions = config.position_weights.then(|| Shared::new(2 * config.window, config.dim));
    let positions = positions.transpose().map_err(memory)?;
    let run = Run {
        corpus,
        config,
        level: simd::level(config.simd)?,
        schedule: schedule(corpus, method, config),
        subsample: Subsample::new(&corpus.vocab.counts, config.subsample),
        noise: Noise::new(&corpus.vocab.counts, config.noise_exponent),
        progress,
        direction: match (method, &bags) {
            (Method::SkipGram, Some(_)) => Direction::Outward,
            _ => Direction::Inward,
        },
        shared: (&input, bags.as_ref(), &output),
    };
    pool.install(|| {
        // N-grams begin as zeros: an unseen word is then made of what was learnt alone.
        initialise(&input, words, config.seed);
        if let Some(positions) = &positions {
            begin_with(positions, positions.rows(), |_| || 1.0);
        }
        run.learn(method, positions.as_ref())
    })?;
    if progress.stop.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(Error::Stopped);
    }
    drop(run);
    let losses: Vec<f64> = progress.epochs().into_iter().map(|(loss, _)| loss).collect();
    let rows = |shared: Shared| -> Result<Mapped<f32>> {
        let length = shared.rows() * config.dim;
        let rows = Mapped::of_memory(shared.into_rows(), length).map_err(memory)?;
        let finite = pool.install(|| rows.par_iter().all(|x: &f32| x.is_finite()));
        let diverged = Error::Diverged { epoch: config.epochs, loss: f64::NAN, lr: config.rate(method) };
        if finite { Ok(rows) } else { Err(diverged) }
    };
    let (input, output) = (rows(input)?, rows(output)?);
    let positions = positions.map(rows).transpose()?;
    let (input, ngrams) = match (bags, config.subwords()) {
        (Some(bags), Some(subwords)) => {
            let composed = pool.install(|| compose(&input, &bags, words, config.dim));
            let rows = input.part(4 * words * config.dim..4 * input.len()).unwrap_or_else(|| [][..].into());
            let buckets = Some(bags.buckets.into());
            (composed.into(), Some(Ngrams { subwords, buckets, rows, pruned: false }))
        }
        _ => (input, None),
    };
    let provenance = Provenance::of(corpus, method, config, &losses, begin.elapsed());
    let model = Embeddings::new(corpus.vocab.clone(), config.dim, input, Some(output), provenance);
    Ok(model.with_ngrams(ngrams).with_positions(positions))
}

/// What is learnt when.
pub fn schedule(corpus: &Corpus, method: Method, config: &Config) -> Schedule {
    let tokens = corpus.tokens().len();
    let schedule = Schedule::new(tokens, config.epochs, config.rate(method), config.seed);
    if config.reproducible {
        schedule.in_lanes(WORKERS, superstep::piece(config.subwords().is_some()))
    } else {
        schedule
    }
}

/// The vectors of `words` words: means of the rows of their bags.
fn compose(rows: &[f32], bags: &Rows, words: usize, dim: usize) -> Vec<f32> {
    let mut all = vec![0.0; words * dim];
    all.par_chunks_mut(dim).enumerate().for_each(|(word, to)| {
        let bag = bags.of(word as u32);
        for &row in bag {
            to.iter_mut().zip(&rows[row as usize * dim..][..dim]).for_each(|(to, x)| *to += x);
        }
        for x in to {
            *x /= bag.len() as f32;
        }
    });
    all
}

/// The first `words` rows begin uniform in ±[`SPREAD`]/√dim; all others stay zeros.
fn initialise(input: &Shared, words: usize, seed: u64) {
    let spread = SPREAD / (input.dim() as f32).sqrt();
    begin_with(input, words, |word| {
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(mix(seed) ^ u64::from(word));
        move || spread * ((rng.next_u64() >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    });
}

/// Sets each number of the first `rows` rows, which are zeros, to what the function of its row gives next.
fn begin_with<F: FnMut() -> f32>(shared: &Shared, rows: usize, number: impl Fn(u32) -> F + Sync) {
    let dim = shared.dim();
    (0..rows as u32).into_par_iter().for_each_init(
        || (vec![0.0; dim.next_multiple_of(LINE)], vec![0.0; dim.next_multiple_of(LINE)]),
        |(values, zeros), row| {
            values[..dim].fill_with(number(row));
            shared.add(&[row], values, zeros);
        },
    );
}
