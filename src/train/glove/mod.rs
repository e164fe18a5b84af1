//! GloVe: vectors whose products are the logarithms of co-occurrence counts (Pennington, Socher,
//! Manning 2014).
//!
//! The loss of a count `x` of row `i` and column `j` is `f(x)/2 (w_i·c_j + a_i + b_j - ln x)²`,
//! with `f(x) = min(1, (x/x_max)^alpha)`. Each coordinate goes down its gradient `g` by AdaGrad as
//! in the program of 2014: its step is `lr g / √(1 + Σ (lr g')²)` over the earlier gradients `g'`.
//! A coordinate is stored with the factor of its next gradient, `s = lr / √(1 + Σ (lr g')²)`, and
//! not with the sum. After a step `u = s g` the factor becomes `s / √(1 + u²)`. A short series
//! replaces the root where `u` is small, as it nearly always is.
//!
//! The biases `a` and `b` are coordinates like any other, except that they have a learning rate of
//! their own. `w_i` is stored as `(w_i, a_i, 1)` and `c_j` as `(c_j, 1, b_j)`; the product of these
//! two is the whole model. The two ones have `s = 0`, so they never change. The reasons and the
//! results are in `docs/design/0006-glove.md`.
//!
//! An epoch goes through the blocks of [`Pairs`] in rounds. In a round every part of rows meets a
//! different part of columns, so that the blocks of a round share no vector. Threads take blocks in
//! any order, each thread has the vectors of its block to itself, and the result is the same for
//! any number of threads. The order of the rounds, and which parts meet, are drawn anew in each
//! epoch.
//!
//! This file is over 300 lines because of its tests, which take a sixth of it.

mod config;
mod order;
mod step;

use std::ops::Range;
use std::time::Instant;

use fearless_simd::Level;
use rand::Rng;
use rayon::prelude::*;
use safetensors::tensor::Dtype;
use serde_json::{Value, json};

pub use self::config::{GloveConfig, GloveSettings, GloveVectors};
use super::beginning::Beginning;
use super::checkpoint::{Identity, Matrix};
use super::config::too_large;
use super::course::{Course, Stage};
use super::log::Log;
use super::run;
use super::schedule::Borders;
use super::{SPREAD, threads};
use crate::cooccur::{CountsAbout, Pairs, Partition};
use crate::corpus::Vocab;
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::math::{self, Tile, dispatch};
use crate::progress::Progress;
use crate::random::{generator, mix, shuffle};

/// A training between two rounds.
struct State<'a> {
    training: Training<'a>,
    /// The vectors of words as rows and as columns, part by part.
    rows: Vec<Tile>,
    columns: Vec<Tile>,
    /// How far it is, with rounds for chunks.
    log: Log,
}

/// The counts that a training learns from, and its settings.
struct Training<'a> {
    pairs: &'a Pairs,
    vocab: &'a Vocab,
    config: &'a GloveConfig,
    level: Level,
    from: Option<Beginning<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Row,
    Column,
}

/// Trains GloVe on `pairs`, on the threads of the current rayon pool. The words of the pairs are
/// those of `vocab`, and `about` says how they were counted. The `course` says how training goes. It
/// can be watched and stopped by `progress`, which counts pairs.
///
/// # Errors
/// An impossible setting, too little memory, a loss that is not finite, a checkpoint of another
/// training, [`Error::Paused`] or [`Error::Stopped`].
pub fn train_glove<'a>(
    pairs: &'a Pairs,
    vocab: &'a Vocab,
    about: &CountsAbout,
    config: &'a GloveConfig,
    course: &Course<'a>,
    progress: &Progress,
) -> Result<Embeddings> {
    config.check()?;
    let from = course.from;
    if let Some(from) = &from {
        from.check(config.dim)?;
        from.check_words(vocab)?;
    }
    let room = usize::try_from(config.memory(vocab.len())).unwrap_or(usize::MAX);
    let reserved = Vec::<u8>::new().try_reserve_exact(room);
    reserved.map_err(|e| too_large(vocab.len(), config.dim, &e))?;
    let training = Training { pairs, vocab, config, level: math::level(config.simd)?, from };
    let recipe =
        json!({ "method": "glove", "settings": config, "windows": about.windows.as_ref() });
    let text = || (pairs.hash(), pairs.len() as u64);
    let simd = math::level_name(training.level);
    let identity = || Identity::new(recipe, text(), from.map(|from| from.hash()), simd);
    let mut state = State::begin(training);
    run::run(&mut state, course, config.time, identity, progress)?;
    state.finish(about)
}

impl<'a> State<'a> {
    /// The vectors before the first epoch.
    fn begin(training: Training<'a>) -> Self {
        let begun = Instant::now();
        let side = |side| begin(&training, side);
        let (rows, columns) = (side(Side::Row), side(Side::Column));
        let log = Log { seconds: begun.elapsed().as_secs_f64(), ..Log::default() };
        Self { training, rows, columns, log }
    }

    /// Learns some rounds of an epoch.
    fn rounds(&mut self, epoch: usize, rounds: Range<usize>, progress: &Progress) -> Result<()> {
        let Training { pairs, config, level, .. } = self.training;
        let parts = pairs.partition.parts();
        let mut rng = generator(mix(config.seed) ^ epoch as u64);
        let mut rows: Vec<(usize, &mut Tile)> = self.rows.iter_mut().enumerate().collect();
        let mut columns: Vec<(usize, &mut Tile)> = self.columns.iter_mut().enumerate().collect();
        let mut shifts: Vec<usize> = (0..parts).collect();
        shuffle(&mut rows, &mut rng);
        shuffle(&mut columns, &mut rng);
        shuffle(&mut shifts, &mut rng);
        let mut shifted = 0;
        for &shift in &shifts[rounds] {
            columns.rotate_left((shift + parts - shifted) % parts);
            shifted = shift;
            let blocks = rows.par_iter_mut().zip(&mut columns).with_max_len(1);
            let learnt: Vec<(f64, usize)> = blocks
                .map(|((i, rows), (j, columns))| {
                    let block = pairs.block(*i, *j);
                    let loss = dispatch!(level, simd => match config.grad_clip {
                        Some(_) => config.block::<_, true>(simd, block, rows, columns),
                        None => config.block::<_, false>(simd, block, rows, columns),
                    });
                    (loss, block.len())
                })
                .collect();
            let sum = |(x, n): (f64, usize), (loss, count): &(f64, usize)| (x + loss, n + count);
            let (loss, count) = learnt.iter().fold((0.0, 0), sum);
            if !loss.is_finite() {
                return Err(Error::Diverged { epoch: epoch + 1, loss, lr: config.lr });
            }
            progress.learnt(epoch, count as u64, loss, count as u64);
        }
        Ok(())
    }

    /// The vectors of all words, and their output vectors where they are kept.
    fn vectors(&self) -> (Vec<f32>, Option<Vec<f32>>) {
        let Training { pairs, config, .. } = self.training;
        let read = |tiles, other| read_out(config.dim, pairs.partition, tiles, other);
        match config.vectors {
            GloveVectors::Sum => (read(&self.rows, Some(&self.columns[..])), None),
            GloveVectors::Input => (read(&self.rows, None), Some(read(&self.columns, None))),
        }
    }

    /// The model that was learnt.
    ///
    /// # Errors
    /// Vectors that are not finite.
    fn finish(self, about: &CountsAbout) -> Result<Embeddings> {
        let begun = Instant::now();
        let (input, output) = self.vectors();
        let Self { training, mut log, .. } = self;
        let Training { vocab, config, .. } = training;
        if !input.par_iter().chain(output.par_iter().flatten()).all(|x| x.is_finite()) {
            let epoch = log.losses.len();
            return Err(Error::Diverged { epoch, loss: f64::NAN, lr: config.lr });
        }
        log.seconds += begun.elapsed().as_secs_f64();
        let history = history(&training, about, log);
        let output = output.map(Into::into);
        Ok(Embeddings::new(vocab.clone(), config.dim, input.into(), output, history))
    }
}

impl Stage for State<'_> {
    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn borders(&self) -> Borders {
        let Training { pairs, config, .. } = self.training;
        let epochs = if config.time.is_some() { usize::MAX } else { config.epochs };
        Borders { epochs, chunks: pairs.partition.parts(), stretch: 1 }
    }

    fn learn(&mut self, border: usize, _: Option<Instant>, progress: &Progress) -> Result<()> {
        let rounds = self.training.pairs.partition.parts();
        let (epoch, first) = (self.log.next / rounds, self.log.next % rounds);
        self.rounds(epoch, first..border - epoch * rounds, progress)?;
        self.log.next = border;
        Ok(())
    }

    fn matrices(&mut self) -> Vec<Matrix<'_>> {
        [("rows", &mut self.rows), ("columns", &mut self.columns)]
            .into_iter()
            .map(|(name, tiles)| {
                let pieces: Vec<&mut [u8]> = tiles.iter_mut().map(Tile::bytes_mut).collect();
                let floats = pieces.iter().map(|piece| piece.len()).sum::<usize>() / 4;
                Matrix { name, dtype: Dtype::F32, shape: vec![floats], pieces }
            })
            .collect()
    }

    fn snapshot(&mut self) -> Embeddings {
        let Training { vocab, config, .. } = self.training;
        let input = self.vectors().0.into();
        Embeddings::new(vocab.clone(), config.dim, input, None, Provenance::default())
    }

    /// AdaGrad needs no plan.
    fn plan(&mut self, _: f64) {}
}

/// The vectors and biases with which training begins. They are uniform in ±[`SPREAD`]/√dim;
/// measurements are in `docs/design/0006-glove.md`.
fn begin(training: &Training, side: Side) -> Vec<Tile> {
    let Training { pairs, vocab, config, from, .. } = training;
    let sum = config.vectors == GloveVectors::Sum;
    let given = from.as_ref().map(|from| from.glove(vocab, sum));
    let frozen = from.as_ref().is_some_and(|from| from.freeze);
    begin_with(config, pairs.partition, side, |word| {
        let vector = given.as_ref().and_then(|given| given(word, side == Side::Column));
        vector.map(|vector| (vector, frozen))
    })
}

/// The same, where `given` may have the vector of a word, and says whether it is to stay as it is.
pub(super) fn begin_with(
    config: &GloveConfig,
    partition: Partition,
    side: Side,
    given: impl Fn(usize) -> Option<(Vec<f32>, bool)> + Sync,
) -> Vec<Tile> {
    let (dim, width) = (config.dim, config.width());
    let (one, spread) =
        (if side == Side::Row { dim + 1 } else { dim }, 2.0 * SPREAD / (dim as f32).sqrt());
    let part = |part: usize| {
        let mut tile = Tile::new(partition.largest(), 2 * width);
        for (place, word) in partition.words(part).enumerate() {
            let place_of = 2 * word as u64 + u64::from(side == Side::Column);
            let mut rng = generator(mix(config.seed) ^ mix(place_of));
            let (vector, steps) = tile.row_mut(place).split_at_mut(width);
            for x in &mut vector[..dim + 2] {
                *x = ((rng.next_u64() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * spread;
            }
            steps[..width].fill(config.lr);
            if let Some((given, frozen)) = given(word) {
                vector[..dim].copy_from_slice(&given);
                // A factor of 0 is never changed, nor is its coordinate.
                steps[..dim].fill(if frozen { 0.0 } else { config.lr });
            }
            steps[dim..dim + 2].fill(config.bias_lr);
            (vector[one], steps[one]) = (1.0, 0.0);
        }
        tile
    };
    (0..partition.parts()).into_par_iter().map(part).collect()
}

/// The history of a training by GloVe on counts that were taken as `about` says.
fn history(training: &Training, about: &CountsAbout, log: Log) -> Provenance {
    let Training { vocab, config, level, from, .. } = training;
    let mut settings = serde_json::to_value(&about.windows).unwrap_or_default();
    let threads = (!config.reproducible).then(|| threads(config.threads));
    let resolved =
        serde_json::to_value(GloveConfig { threads, ..(*config).clone() }).unwrap_or_default();
    match (settings.as_object_mut(), resolved) {
        (Some(settings), Value::Object(resolved)) => settings.extend(resolved),
        (_, resolved) => settings = resolved,
    }
    Provenance {
        settings,
        text: about.text.clone(),
        corpus: about.corpus.clone(),
        tokens_seen: about.corpus.tokens,
        pairs_seen: log.done(),
        losses: log.mean_losses(),
        seconds: log.seconds,
        simd: math::level_name(*level),
        begun_from: from.as_ref().map(|from| from.describe(vocab)).unwrap_or_default(),
        curve: log.curve,
        ..Provenance::by("glove")
    }
}

/// The vectors of all words, without biases. Those of `other` are added, if given.
fn read_out(dim: usize, partition: Partition, tiles: &[Tile], other: Option<&[Tile]>) -> Vec<f32> {
    let words: usize = (0..partition.parts()).map(|part| partition.words(part).count()).sum();
    let mut all = vec![0.0; words * dim];
    all.par_chunks_mut(dim).enumerate().for_each(|(word, to)| {
        let (part, place) = partition.of(word);
        to.copy_from_slice(&tiles[part].row(place)[..dim]);
        if let Some(other) = other {
            to.iter_mut().zip(other[part].row(place)).for_each(|(x, y)| *x += y);
        }
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cooccur::tests::corpus;
    use crate::cooccur::{Source, Windows};

    /// A text in which words of two topics don't mix.
    fn sentences() -> Vec<Vec<u32>> {
        let mut state = 1u64;
        let mut word = |topic: u32| {
            state = mix(state);
            (state % 20) as u32 * 2 + topic
        };
        (0..600).map(|sentence| (0..10).map(|_| word(sentence % 2)).collect()).collect()
    }

    #[test]
    fn the_same_bytes_for_any_number_of_threads_and_others_for_other_seeds() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = corpus(folder.path(), 40, &sentences());
        let vectors = |threads: usize, seed: u64, memory: u64| {
            let config = GloveConfig {
                dim: 21,
                epochs: 4,
                seed,
                threads: Some(threads),
                vectors: GloveVectors::Input,
                ..GloveConfig::default()
            };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let source = Source::text(&corpus, &Windows::default()).unwrap();
                let progress = Progress::default();
                let pairs =
                    Pairs::new(&source, config.partition(40), memory, folder.path(), &progress)
                        .unwrap();
                assert_eq!(pairs.on_disk(), memory == 0);
                let model = train_glove(
                    &pairs,
                    &corpus.vocab,
                    &CountsAbout::default(),
                    &config,
                    &Course::default(),
                    &Progress::default(),
                )
                .unwrap();
                (model.input().to_vec(), model.output().unwrap().to_vec(), model.provenance.losses)
            })
        };
        let one = vectors(1, 1, 1 << 30);
        assert!(one == vectors(2, 1, 1 << 30));
        assert!(one == vectors(4, 1, 1 << 30));
        assert!(one == vectors(3, 1, 0), "counts on disk are the same counts");
        assert!(one != vectors(1, 2, 1 << 30));
        assert!(one.2[3].unwrap() < 0.7 * one.2[0].unwrap(), "{:?}", one.2);
    }
}
