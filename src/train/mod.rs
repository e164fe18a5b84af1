//! Training: from an encoded corpus to input and output vectors.

pub mod config;
pub mod glove;
pub mod hogwild;
pub mod negative;
pub mod objective;
pub mod pairs;
pub mod resident;
pub mod ring;
pub mod schedule;
pub mod store;
pub mod subsample;
pub mod superstep;
pub mod window;

use std::sync::Arc;
use std::time::Instant;

use fearless_simd::{Level, Simd, dispatch};
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

pub use self::config::{Config, Method, NgramLengths};
use self::hogwild::Shared;
use self::negative::Noise;
pub use self::objective::CbowGradient;
use self::objective::{Cbow, Loss, Objective, OneByOne, SkipGram};
pub use self::schedule::Progress;
use self::schedule::{Chunk, Schedule, mix};
use self::store::Store;
use self::subsample::Subsample;
use self::superstep::{OWNERS, Overlay, WORKERS};
use self::window::{Direction, Learner};
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
    let mut schedule = Schedule::new(corpus.tokens().len(), config.epochs, config.rate(method), config.seed);
    if config.reproducible {
        let rows = bags.as_ref().map_or(1, |bags| bags.uses() / words.max(1));
        schedule = schedule.in_lanes(WORKERS, superstep::piece(corpus.tokens().len(), rows));
    }
    let run = Run {
        corpus,
        config,
        level: simd::level(config.simd)?,
        schedule,
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

/// What the threads of one training share.
struct Run<'a> {
    corpus: &'a Corpus,
    config: &'a Config,
    level: Level,
    schedule: Schedule,
    subsample: Subsample,
    noise: Noise,
    progress: &'a Progress,
    direction: Direction,
    shared: (&'a Shared, Option<&'a Rows>, &'a Shared),
}

impl Run<'_> {
    /// Learns all chunks.
    fn learn<'a>(&'a self, method: Method, positions: Option<&'a Shared>) -> Result<()> {
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
                let share = superstep::share(f64::INFINITY);
                let overlay = |shared: &'a Shared| {
                    (Overlay::new(shared, vec![share; shared.rows()].into()), shared.rows())
                };
                self.supersteps(|| Cbow::new(cbow_gradient, dim, positions.map(overlay)))
            }
        }
    }

    fn learner<O: Objective<M>, M: Store>(&self, objective: O, [input, output]: [M; 2]) -> Learner<'_, O, M> {
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

    /// Logical workers learn a chunk each, apart; then what they changed is added up in their order (see [`superstep`]).
    fn supersteps<'a, O: Objective<Overlay<'a>>>(&'a self, objective: impl Fn() -> O) -> Result<()> {
        let (input, _, output) = self.shared;
        let (shares, bag_shares) = self.shares();
        let overlays = || {
            [(input, &bag_shares), (output, &shares)]
                .map(|(shared, shares)| Overlay::new(shared, Arc::clone(shares)))
        };
        let mut learners: Vec<_> = (0..WORKERS).map(|_| self.learner(objective(), overlays())).collect();
        let zeros = vec![0.0; self.config.dim.next_multiple_of(LINE)];
        let scratch = || [zeros.clone(), zeros.clone()];
        let add_up = |learners: &[Learner<O, Overlay<'a>>]| {
            let stores = || learners.iter().flat_map(Learner::stores);
            let owner =
                |scratch: &mut [Vec<f32>; 2], owner| stores().for_each(|store| store.give(owner, scratch));
            (0..OWNERS).into_par_iter().with_max_len(1).for_each_init(scratch, owner);
        };
        for first in (0..).step_by(WORKERS) {
            let chunks: Vec<Chunk> = (first..first + WORKERS).map_while(|i| self.schedule.chunk(i)).collect();
            if chunks.is_empty() || self.progress.stop.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
            let step = |(learner, chunk): (&mut Learner<O, Overlay<'a>>, &Chunk)| {
                self.check(chunk)?;
                Ok(dispatch!(self.level, simd => simd.vectorize(
                    #[inline(always)]
                    || learner.learn(simd, chunk),
                )))
            };
            let losses: Vec<Result<Loss>> =
                learners.par_iter_mut().zip(&chunks).with_max_len(1).map(step).collect();
            add_up(&learners);
            learners.par_iter_mut().for_each(|learner| learner.stores_mut().for_each(Overlay::clear));
            for (chunk, loss) in chunks.iter().zip(losses) {
                self.note(chunk, loss?)?;
            }
        }
        learners.iter_mut().for_each(Learner::finish);
        add_up(&learners);
        Ok(())
    }

    /// The shares of words' rows, and of the rows of bags.
    fn shares(&self) -> (Arc<[f32]>, Arc<[f32]>) {
        let (counts, tokens) = (&self.corpus.vocab.counts, self.corpus.tokens().len());
        let steps = tokens as f64 / (WORKERS * self.schedule.chunk_size()) as f64;
        let visits = |word: usize| counts[word] as f64 * self.subsample.probability(word) / steps.max(1.0);
        let words: Vec<f64> = (0..counts.len()).map(visits).collect();
        let share =
            |visits: &[f64]| visits.iter().map(|&visits| superstep::share(visits)).collect::<Arc<[f32]>>();
        let Some(bags) = self.shared.1 else { return (share(&words), share(&words)) };
        let mut rows = vec![0.0; bags.total()];
        for (word, visits) in words.iter().enumerate() {
            bags.of(word as u32).iter().for_each(|&row| rows[row as usize] += visits);
        }
        (share(&words), share(&rows))
    }

    fn check(&self, chunk: &Chunk) -> Result<()> {
        let words = self.corpus.vocab.len();
        if self.corpus.tokens()[chunk.tokens.clone()].iter().all(|&token| (token as usize) < words) {
            return Ok(());
        }
        self.progress.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        Err(Error::format(
            &self.corpus.path,
            64 + 4 * chunk.tokens.start as u64,
            "a damaged encoded corpus: remove it",
        ))
    }

    fn note(&self, chunk: &Chunk, loss: Loss) -> Result<()> {
        if !loss.sum.is_finite() {
            self.progress.stop.store(true, std::sync::atomic::Ordering::Relaxed);
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
