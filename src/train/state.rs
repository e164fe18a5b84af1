//! A training of a window method between two borders: its matrices and how far it is. It begins,
//! learns ranges of chunks, and finishes as a model.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use rand::Rng;
use rayon::prelude::*;

use super::recipe::Recipe;
use super::superstep::Damping;
use super::training::Training;
use super::window::Direction;
use super::window::Matrices;
use super::window::objective::{Cbow, Objective, SequentialSkipGram, SkipGram};
use super::{SPREAD, config, history, race, superstep};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::math::{LINE, Precision};
use crate::memory::{Numbers, Shared};
use crate::progress::{EpochLoss, Progress};
use crate::random::{generator, mix};
use crate::subword::{Bags, Ngrams};

/// All that a training knows at a border, where its threads have joined and all that was learnt is
/// in the matrices.
pub(crate) struct State {
    rows: Matrices<Shared>,
    /// The damping of rows, where training goes by supersteps.
    damping: Option<Matrices<Arc<Damping>>>,
    /// The next chunk to learn.
    next: usize,
    /// What each epoch has learnt.
    losses: Vec<EpochLoss>,
    begun: Instant,
}

impl State {
    /// The matrices as training begins with them: input vectors of words are random, all else is
    /// zeros, and position weights are 1.
    ///
    /// # Errors
    /// Too little memory.
    pub(crate) fn begin(training: &Training) -> Result<Self> {
        let (config, task) = (training.config, &training.task);
        let (begun, words) = (Instant::now(), task.corpus.vocab.len());
        let too_large = |e: std::io::Error| config::too_large(words, config.dim, &e);
        let matrix = |rows, precision| Shared::new(rows, config.dim, precision).map_err(too_large);
        // Position weights are few, and move little.
        let positions = || matrix(2 * task.window.largest(), Precision::F32);
        let positions = config.position_weights.then(positions);
        let rows = Matrices {
            // The rows of n-grams will be needed as floats, to compose words of them.
            input: match &task.bags {
                Some(bags) => {
                    Shared::with_room(bags.total(), config.dim, config.rows).map_err(too_large)?
                }
                None => matrix(words, config.rows)?,
            },
            output: matrix(words, config.rows)?,
            positions: positions.transpose()?,
        };
        training.pool.install(|| {
            // N-grams begin as zeros: an unseen word is then made of what was learnt alone.
            initialise(&rows.input, words, config.seed);
            if let Some(positions) = &rows.positions {
                begin_with(positions, positions.rows(), |_| || 1.0);
            }
        });
        let damping =
            config.reproducible.then(|| superstep::damping(training, rows.positions.as_ref()));
        Ok(Self { rows, damping, next: 0, losses: Vec::new(), begun })
    }

    /// Learns the next chunks, up to a border.
    ///
    /// # Errors
    /// A damaged corpus, a loss that is not finite, or [`Error::Stopped`].
    ///
    /// # Panics
    /// When `chunks` does not begin where the last range ended.
    pub(crate) fn learn(
        &mut self,
        training: &Training,
        chunks: Range<usize>,
        progress: &Progress,
    ) -> Result<()> {
        assert_eq!(chunks.start, self.next, "no chunk is learnt twice or left out");
        let config = training.config;
        match (training.recipe, training.task.direction) {
            (Recipe::SkipGram(_), Direction::Inward) => {
                self.go(training, &chunks, &SkipGram, progress)?;
            }
            (Recipe::SkipGram(_), Direction::Outward) => {
                self.go(training, &chunks, &SequentialSkipGram, progress)?;
            }
            (Recipe::Cbow(_), _) => {
                let objective = Cbow::new(config.cbow_gradient, config.dim);
                self.go(training, &chunks, &objective, progress)?;
            }
            (Recipe::Glove(_), _) => unreachable!("GloVe is no window method"),
        }
        progress.check()?;
        self.next = chunks.end;
        self.losses = progress.epochs();
        Ok(())
    }

    fn go(
        &self,
        training: &Training,
        chunks: &Range<usize>,
        objective: &impl Objective,
        progress: &Progress,
    ) -> Result<()> {
        let Matrices { input, output, positions } = &self.rows;
        let rows = Matrices { input, output, positions: positions.as_ref() };
        match &self.damping {
            Some(damping) => {
                superstep::learn(training, &rows, damping, chunks.clone(), objective, progress)
            }
            None => race::learn(training, rows, chunks.clone(), objective, progress),
        }
    }

    /// The model that was learnt.
    ///
    /// # Errors
    /// Vectors that are not finite.
    pub(crate) fn finish(self, training: &Training) -> Result<Embeddings> {
        let (config, task) = (training.config, &training.task);
        let (corpus, words, dim) = (task.corpus, task.corpus.vocab.len(), config.dim);
        let too_large = |e: std::io::Error| config::too_large(words, dim, &e);
        let finite = |rows: Numbers| -> Result<Numbers> {
            let lr = training.schedule.first_rate();
            let diverged = Error::Diverged { epoch: config.epochs, loss: f64::NAN, lr };
            if training.pool.install(|| rows.all_finite()) { Ok(rows) } else { Err(diverged) }
        };
        let rows = |shared: Shared| finite(shared.into_rows().map_err(too_large)?);
        let (input, ngrams) = match (&task.bags, config.subwords()) {
            (Some(bags), Some(subwords)) => {
                let all = self.rows.input.into_floats().map_err(too_large)?;
                let all = finite(all.into())?.floats().clone();
                let composed = training.pool.install(|| compose(&all, bags, words, dim));
                let rows = all.part(4 * words * dim..4 * all.len());
                let rows = rows.unwrap_or_else(|| [][..].into());
                let buckets = Some(bags.buckets[..].into());
                (composed.into(), Some(Ngrams { subwords, buckets, rows, pruned: false }))
            }
            _ => (rows(self.rows.input)?, None),
        };
        let output = rows(self.rows.output)?;
        let positions = self.rows.positions.map(rows).transpose()?;
        let history = history::of_windows(training, &self.losses, self.begun.elapsed());
        let model = Embeddings::new(corpus.vocab.clone(), dim, input, Some(output), history);
        Ok(model.with_ngrams(ngrams).with_positions(positions))
    }
}

/// The vectors of `words` words: means of the rows of their bags.
fn compose(rows: &[f32], bags: &Bags, words: usize, dim: usize) -> Vec<f32> {
    let mut all = vec![0.0; words * dim];
    all.par_chunks_mut(dim).enumerate().for_each(|(word, to)| {
        let bag = bags.of(word as u32);
        for &row in bag {
            let row = &rows[row as usize * dim..][..dim];
            to.iter_mut().zip(row).for_each(|(to, x)| *to += x);
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
        let mut rng = generator(mix(seed) ^ u64::from(word));
        move || spread * ((rng.next_u64() >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    });
}

/// Sets the coordinates of the first `rows` rows, which are zeros, to what the function of each row
/// gives.
fn begin_with<F: FnMut() -> f32>(shared: &Shared, rows: usize, next: impl Fn(u32) -> F + Sync) {
    let dim = shared.dim();
    let padded = || vec![0.0; dim.next_multiple_of(LINE)];
    (0..rows as u32).into_par_iter().for_each_init(
        || (padded(), padded()),
        |(values, zeros), row| {
            values[..dim].fill_with(next(row));
            shared.add(&[row], values, zeros);
        },
    );
}
