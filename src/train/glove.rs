//! GloVe: vectors whose products are the logarithms of co-occurrence counts (Pennington, Socher, Manning 2014).
//!
//! The loss of a count `x` of row `i` and column `j` is `f(x)/2 (w_i·c_j + a_i + b_j - ln x)²`, with
//! `f(x) = min(1, (x/x_max)^alpha)`. Each coordinate goes down its gradient `g` by AdaGrad as in the program of 2014: its
//! step is `lr g / √(1 + Σ (lr g')²)` over the earlier gradients `g'`. What is stored with a coordinate is not the sum but
//! the factor of the next gradient, `s = lr / √(1 + Σ (lr g')²)`: after a step `u = s g` it becomes `s / √(1 + u²)`, for
//! which a short series does where `u` is small, as it nearly always is.
//!
//! The biases `a` and `b` are coordinates like any other, but for a learning rate of their own: `w_i` is stored as
//! `(w_i, a_i, 1)` and `c_j` as `(c_j, 1, b_j)`, whose product is the whole model, and the two ones have `s = 0`, so they
//! stay. Why it is all as it is, and what it gives, is in `docs/design/0006-glove.md`.
//!
//! An epoch goes through the blocks of [`Pairs`] in rounds. In a round every part of rows meets another part of columns, so
//! that the blocks of a round share no vector: threads take them as they like, each has its vectors to itself, and the
//! result is the same for any number of them. The order of rounds, and which parts meet, are drawn anew in each epoch.

use std::sync::atomic::Ordering;
use std::time::Instant;

use fearless_simd::{Level, Simd, dispatch, f32x8, prelude::*};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use serde_json::Value;

use super::SPREAD;
use super::hogwild::prefetch;
use super::pairs::{Deal, Pair, Pairs};
use super::schedule::{Progress, mix};
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::format::counts::About;
use crate::kernel::{LINE, Tile};
use crate::vocab::Vocab;

/// Vectors are asked for so many pairs ahead.
const AHEAD: usize = 4;
/// Up to here, a series stands for a division and a root: its error is that of the last bit.
const SMALL: f32 = 0.004;
/// The weights of so many pairs are found at a time.
const BATCH: usize = 64;

/// Which vectors a model has.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Vectors {
    /// The sum of each word's vector as a row and as a column, as GloVe does; neither is kept
    #[default]
    Sum,
    /// The vector as a row; the vector as a column is kept as the output vector
    Input,
}

/// Settings of GloVe. The defaults are those of Stanford's program, but for `dim`, which is 50 there, and for the
/// clipping of gradients, which it has done at 100 since 2020.
#[derive(Clone, Debug, PartialEq, clap::Args, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// Numbers in a vector
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub dim: usize,
    /// Counts weigh fully from X on, and less below
    #[arg(long, value_name = "X", default_value_t = 100.0, allow_negative_numbers = true)]
    pub x_max: f32,
    /// A count below --x-max weighs its share of it to this power
    #[arg(long, value_name = "X", default_value_t = 0.75, allow_negative_numbers = true)]
    pub alpha: f32,
    /// Passes over the counts
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub epochs: usize,
    /// Learning rate of AdaGrad
    #[arg(long, value_name = "X", default_value_t = 0.05, allow_negative_numbers = true)]
    pub lr: f32,
    /// Learning rate of the biases: 1 in GloVe's program since 2020; before, and in the paper, that of --lr
    #[arg(long, value_name = "X", default_value_t = 1.0, allow_negative_numbers = true)]
    pub bias_lr: f32,
    /// No coordinate of a gradient counts as more than X [default: off]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub grad_clip: Option<f32>,
    /// The vectors of the model
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    pub vectors: Vectors,
    /// Threads [default: all processors]. The model does not depend on it
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Seed of all random numbers; the same seed gives the same model
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dim: 100,
            x_max: 100.0,
            alpha: 0.75,
            epochs: 25,
            lr: 0.05,
            bias_lr: 1.0,
            grad_clip: None,
            vectors: Vectors::Sum,
            threads: None,
            seed: 1,
        }
    }
}

impl Config {
    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
    }

    /// Whether training with these settings is possible.
    ///
    /// # Errors
    /// [`Error::Setting`], naming the option.
    pub fn check(&self) -> Result<()> {
        let wrong = |problem: &str| Err(Error::Setting(problem.into()));
        let positive = |x: f32| x > 0.0 && x.is_finite();
        match () {
            () if self.dim == 0 || self.dim > 65_536 => wrong("--dim must be between 1 and 65536"),
            () if !positive(self.x_max) => wrong("--x-max must be a number above 0"),
            () if !(0.0..=1000.0).contains(&self.alpha) => wrong("--alpha must be between 0 and 1000"),
            () if self.epochs == 0 => wrong("--epochs must be at least 1"),
            () if !positive(self.lr) => wrong("--lr must be a number above 0"),
            () if !positive(self.bias_lr) => wrong("--bias-lr must be a number above 0"),
            () if self.grad_clip.is_some_and(|x| !positive(x)) => {
                wrong("--grad-clip must be a number above 0")
            }
            () if self.threads == Some(0) => wrong("--threads must be at least 1"),
            () if self.threads() > 1024 => wrong("--threads must be at most 1024"),
            () => Ok(()),
        }
    }

    /// Floats of a vector with its biases, padded; as many factors of gradients follow.
    fn width(&self) -> usize {
        (self.dim + 2).next_multiple_of(LINE)
    }

    /// How `words` words are dealt into parts for vectors of this size.
    pub fn deal(&self, words: usize) -> Deal {
        Deal::new(words, 2 * self.width() * size_of::<f32>())
    }

    /// Bytes of memory that vectors of `words` words take, counts left out.
    pub fn memory(&self, words: usize) -> u64 {
        let (words, dim, width) = (words as u64, self.dim as u64, self.width() as u64);
        // Two matrices with their factors; at the end, what the model keeps of them.
        2 * words * 2 * width * 4 + words * dim * 4 * (1 + u64::from(self.vectors == Vectors::Input))
    }
}

/// Trains on `pairs`, whose words are `vocab` and which were counted as `about` says. Watch and stop it by `progress`,
/// which counts pairs.
///
/// # Errors
/// An impossible setting, a loss that is not finite, or [`Error::Stopped`].
pub fn train(
    pairs: &Pairs,
    vocab: &Vocab,
    about: &About,
    config: &Config,
    progress: &Progress,
) -> Result<Embeddings> {
    config.check()?;
    let begin = Instant::now();
    let diverged = |epoch: usize, loss: f64| Error::Diverged { epoch: epoch + 1, loss, lr: config.lr };
    let room = usize::try_from(config.memory(vocab.len())).unwrap_or(usize::MAX);
    Vec::<u8>::new().try_reserve_exact(room).map_err(|e| {
        let (words, dim) = (vocab.len(), config.dim);
        let what = format!("{words} words x {dim} need more memory than there is ({e})");
        Error::Setting(format!("{what}: lower --dim or raise --min-count"))
    })?;
    let (parts, level) = (pairs.deal.parts(), Level::new());
    let (mut rows, mut columns) =
        (config.begin(pairs.deal, Side::Row), config.begin(pairs.deal, Side::Column));
    for epoch in 0..config.epochs {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(mix(config.seed) ^ epoch as u64);
        let mut rows: Vec<(usize, &mut Tile)> = rows.iter_mut().enumerate().collect();
        let mut columns: Vec<(usize, &mut Tile)> = columns.iter_mut().enumerate().collect();
        let mut shifts: Vec<usize> = (0..parts).collect();
        shuffle(&mut rows, &mut rng);
        shuffle(&mut columns, &mut rng);
        shuffle(&mut shifts, &mut rng);
        let mut shifted = 0;
        for shift in shifts {
            columns.rotate_left((shift + parts - shifted) % parts);
            shifted = shift;
            let blocks = rows.par_iter_mut().zip(&mut columns).with_max_len(1);
            let learnt: Vec<(f64, usize)> = blocks
                .map(|((i, rows), (j, columns))| {
                    if progress.stop.load(Ordering::Relaxed) {
                        return (0.0, 0);
                    }
                    let block = pairs.block(*i, *j);
                    let stride = stride(block.len());
                    let loss = dispatch!(level, simd => match config.grad_clip {
                        Some(_) => config.block::<_, true>(simd, block, stride, rows, columns),
                        None => config.block::<_, false>(simd, block, stride, rows, columns),
                    });
                    (loss, block.len())
                })
                .collect();
            if progress.stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            let (loss, count) = learnt.iter().fold((0.0, 0), |(x, n), (loss, count)| (x + loss, n + count));
            if !loss.is_finite() {
                return Err(diverged(epoch, loss));
            }
            progress.learnt(epoch, count as u64, loss, count as u64);
        }
    }
    let (input, output) = match config.vectors {
        Vectors::Sum => (config.read_out(pairs.deal, &rows, Some(&columns)), None),
        Vectors::Input => {
            (config.read_out(pairs.deal, &rows, None), Some(config.read_out(pairs.deal, &columns, None)))
        }
    };
    if !input.par_iter().chain(output.par_iter().flatten()).all(|x| x.is_finite()) {
        return Err(diverged(config.epochs - 1, f64::NAN));
    }
    let mut settings = serde_json::to_value(&about.windows).unwrap_or_default();
    let resolved = serde_json::to_value(Config { threads: Some(config.threads()), ..config.clone() });
    match (settings.as_object_mut(), resolved.unwrap_or_default()) {
        (Some(settings), Value::Object(resolved)) => settings.extend(resolved),
        (_, resolved) => settings = resolved,
    }
    let provenance = Provenance {
        settings,
        text: about.text.clone(),
        corpus: about.corpus.clone(),
        tokens_seen: about.corpus.tokens,
        pairs_seen: (pairs.len() * config.epochs) as u64,
        losses: progress.epochs().into_iter().map(|(loss, _)| loss).collect(),
        seconds: begin.elapsed().as_secs_f64(),
        ..Provenance::by("glove")
    };
    Ok(Embeddings::new(vocab.clone(), config.dim, input.into(), output.map(Into::into), provenance))
}

/// A number without a divisor in common with `length`, near the golden section of it: steps of so much, taken around a
/// circle of that length, come by every place once, and neighbours in time are far apart.
fn stride(length: usize) -> usize {
    let common = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let first = (length as f64 * 0.618_034) as usize;
    (first.max(1)..length).find(|&stride| common(stride, length) == 1).unwrap_or(1)
}

/// Asks for a row in the nearest cache.
#[inline(always)]
fn ask(row: &[f32]) {
    for line in row.chunks(LINE) {
        prefetch(&line[0]);
    }
}

fn shuffle<T>(list: &mut [T], rng: &mut impl Rng) {
    for i in (1..list.len()).rev() {
        list.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Row,
    Column,
}

impl Config {
    /// Vectors and biases begin uniform in ±[`SPREAD`]/√dim; what was measured is in `docs/design/0006-glove.md`.
    fn begin(&self, deal: Deal, side: Side) -> Vec<Tile> {
        let (dim, width) = (self.dim, self.width());
        let (one, spread) =
            (if side == Side::Row { dim + 1 } else { dim }, 2.0 * SPREAD / (dim as f32).sqrt());
        let part = |part: usize| {
            let mut tile = Tile::new(deal.largest(), 2 * width);
            for (place, word) in deal.words(part).enumerate() {
                let word = 2 * word as u64 + u64::from(side == Side::Column);
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(mix(self.seed) ^ mix(word));
                let (vector, steps) = tile.row_mut(place).split_at_mut(width);
                for x in &mut vector[..dim + 2] {
                    *x = ((rng.next_u64() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * spread;
                }
                steps[..width].fill(self.lr);
                steps[dim..dim + 2].fill(self.bias_lr);
                (vector[one], steps[one]) = (1.0, 0.0);
            }
            tile
        };
        (0..deal.parts()).into_par_iter().map(part).collect()
    }

    /// The vectors of all words, without biases; with those of `other` added, if given.
    fn read_out(&self, deal: Deal, tiles: &[Tile], other: Option<&[Tile]>) -> Vec<f32> {
        let words: usize = (0..deal.parts()).map(|part| deal.words(part).count()).sum();
        let mut all = vec![0.0; words * self.dim];
        all.par_chunks_mut(self.dim).enumerate().for_each(|(word, to)| {
            let (part, place) = deal.of(word);
            to.copy_from_slice(&tiles[part].row(place)[..self.dim]);
            if let Some(other) = other {
                to.iter_mut().zip(other[part].row(place)).for_each(|(x, y)| *x += y);
            }
        });
        all
    }

    /// Learns the pairs of a block, each `stride` places after the one before; returns their loss.
    #[inline(always)]
    fn block<S: Simd, const CLIP: bool>(
        &self,
        simd: S,
        pairs: &[Pair],
        stride: usize,
        rows: &mut Tile,
        columns: &mut Tile,
    ) -> f64 {
        simd.vectorize(
            #[inline(always)]
            || {
                let (width, mut loss, mut at) = (self.width(), 0.0, 0);
                let (mut batch, mut weights) = ([Pair::default(); BATCH], [0.0; BATCH]);
                for begun in (0..pairs.len()).step_by(BATCH) {
                    let size = BATCH.min(pairs.len() - begun);
                    for pair in &mut batch[..size] {
                        *pair = pairs[at];
                        at = if at + stride < pairs.len() { at + stride } else { at + stride - pairs.len() };
                    }
                    self.weigh(simd, &batch, &mut weights);
                    for k in 0..size {
                        let pair = batch[k];
                        if let Some(next) = batch[..size].get(k + AHEAD) {
                            ask(rows.row(usize::from(next.row)));
                            ask(columns.row(usize::from(next.column)));
                        }
                        let row = &mut rows.row_mut(usize::from(pair.row))[..2 * width];
                        let column = &mut columns.row_mut(usize::from(pair.column))[..2 * width];
                        loss +=
                            f64::from(self.learn::<S, CLIP>(simd, width, pair.log, weights[k], row, column));
                    }
                }
                loss
            },
        )
    }

    /// `f(x)` of a batch of pairs.
    #[inline(always)]
    fn weigh<S: Simd>(&self, simd: S, pairs: &[Pair; BATCH], weights: &mut [f32; BATCH]) {
        // (x/x_max)^alpha = 2^(alpha log2(e) (ln x - ln x_max)).
        let (most, power) = (self.x_max.ln(), self.alpha * std::f32::consts::LOG2_E);
        for k in 0..BATCH {
            weights[k] = (pairs[k].log - most) * power;
        }
        let mut k = 0;
        while k < BATCH {
            let exponent = f32x8::from_slice(simd, &weights[k..k + 8]);
            exp2(simd, f32x8::splat(simd, 0.0).min(exponent)).store_slice(&mut weights[k..k + 8]);
            k += 8;
        }
    }

    /// Learns a pair; returns its loss. A row is a vector of `width` floats with its biases, then as many factors.
    #[inline(always)]
    fn learn<S: Simd, const CLIP: bool>(
        &self,
        simd: S,
        width: usize,
        log: f32,
        weight: f32,
        row: &mut [f32],
        column: &mut [f32],
    ) -> f32 {
        let (w, w_steps) = row.split_at_mut(width);
        let (c, c_steps) = column.split_at_mut(width);
        let (w_steps, c, c_steps) = (&mut w_steps[..width], &mut c[..width], &mut c_steps[..width]);
        let lanes = S::f32s::LEN;
        let load = |from: &[f32], at: usize| S::f32s::from_slice(simd, &from[at..at + lanes]);
        let zero = S::f32s::splat(simd, 0.0);
        let (mut even, mut odd, mut k) = (zero, zero, 0);
        while k + 2 * lanes <= width {
            even = load(w, k).mul_add(load(c, k), even);
            odd = load(w, k + lanes).mul_add(load(c, k + lanes), odd);
            k += 2 * lanes;
        }
        if k < width {
            even = load(w, k).mul_add(load(c, k), even);
        }
        let difference = (even + odd).reduce_sum() - log;
        let error = S::f32s::splat(simd, weight * difference);
        let clip = self.grad_clip.unwrap_or(f32::MAX);
        let (most, least) = (S::f32s::splat(simd, clip), S::f32s::splat(simd, -clip));
        let (one, small) = (S::f32s::splat(simd, 1.0), S::f32s::splat(simd, SMALL));
        let mut k = 0;
        while k + lanes <= width {
            let (old_w, old_c, sw, sc) = (load(w, k), load(c, k), load(w_steps, k), load(c_steps, k));
            let (mut gw, mut gc) = (error * old_c, error * old_w);
            if CLIP {
                (gw, gc) = (least.max(most.min(gw)), least.max(most.min(gc)));
            }
            let (uw, uc) = (gw * sw, gc * sc);
            (old_w - uw).store_slice(&mut w[k..k + lanes]);
            (old_c - uc).store_slice(&mut c[k..k + lanes]);
            let (tw, tc) = (uw * uw, uc * uc);
            let (sw, sc) = if tw.max(tc).simd_gt(small).any_true() {
                (sw / (one + tw).sqrt(), sc / (one + tc).sqrt())
            } else {
                (sw * series::<S>(simd, tw), sc * series::<S>(simd, tc))
            };
            sw.store_slice(&mut w_steps[k..k + lanes]);
            sc.store_slice(&mut c_steps[k..k + lanes]);
            k += lanes;
        }
        0.5 * weight * difference * difference
    }
}

/// `1 / √(1 + t)`, for `t` from 0 to [`SMALL`].
#[inline(always)]
fn series<S: Simd>(simd: S, t: S::f32s) -> S::f32s {
    // The binomial series, whose first term left out is 5/16 t^3.
    let sum = S::f32s::splat(simd, 0.375).mul_add(t, S::f32s::splat(simd, -0.5));
    sum.mul_add(t, S::f32s::splat(simd, 1.0))
}

/// `2^x` for `x` up to 0, to about 2 units in the last place; 2^-126 below that.
#[inline(always)]
fn exp2<S: Simd>(simd: S, x: f32x8<S>) -> f32x8<S> {
    // x = k + r, k whole and |r| <= 1/2; 2^r by its Taylor series. Adding 1.5 * 2^23 rounds x to k and leaves k in the
    // lowest bits, from where it is shifted into the exponent; 127 is the exponent's bias.
    const ROUND: f32 = 12_582_912.0;
    let x = f32x8::splat(simd, -126.0).max(x);
    let shifted = x + f32x8::splat(simd, ROUND + 127.0);
    let r = x - (shifted - f32x8::splat(simd, ROUND + 127.0));
    let mut power = f32x8::splat(simd, 1.540_353e-4);
    for c in [1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, std::f32::consts::LN_2, 1.0] {
        power = power.mul_add(r, f32x8::splat(simd, c));
    }
    power * f32x8::from_bits(shifted.to_bits() << 23)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cooccur::{self, Source, Windows, tests::corpus};

    /// The loss of a pair by definition, for vectors that end in their biases.
    fn loss(config: &Config, log: f64, w: &[f64], c: &[f64]) -> f64 {
        let dim = config.dim;
        let f = ((log - f64::from(config.x_max).ln()) * f64::from(config.alpha)).exp().min(1.0);
        let product: f64 = (0..dim).map(|k| w[k] * c[k]).sum();
        0.5 * f * (product + w[dim] + c[dim] - log).powi(2)
    }

    /// A pair learnt by the code under test; vectors with their biases go in and come out, as does the loss.
    fn learnt(config: &Config, log: f32, w: &[f64], c: &[f64], times: usize) -> (Vec<f64>, Vec<f64>, f64) {
        let (dim, width) = (config.dim, config.width());
        let deal = Deal::new(1, 1);
        let mut tiles = [config.begin(deal, Side::Row), config.begin(deal, Side::Column)];
        let places = [[dim, dim + 1], [dim + 1, dim]];
        for ((tile, from), [bias, _]) in tiles.iter_mut().zip([w, c]).zip(places) {
            let row = tile[0].row_mut(0);
            (0..dim).for_each(|k| row[k] = from[k] as f32);
            row[bias] = from[dim] as f32;
        }
        let pairs = vec![Pair { row: 0, column: 0, log }; times];
        let [rows, columns] = &mut tiles;
        let (rows, columns) = (&mut rows[0], &mut columns[0]);
        let loss = dispatch!(Level::new(), simd => match config.grad_clip {
            Some(_) => config.block::<_, true>(simd, &pairs, 1, rows, columns),
            None => config.block::<_, false>(simd, &pairs, 1, rows, columns),
        });
        let out = |tile: &Tile, [bias, one]: [usize; 2]| {
            let row = tile.row(0);
            assert_eq!(row[one], 1.0, "what stands for the other side's bias is fixed");
            assert!(row[dim + 2..width].iter().all(|&x| x == 0.0), "padding stays zero");
            row[..dim].iter().chain([&row[bias]]).map(|&x| f64::from(x)).collect::<Vec<_>>()
        };
        (out(rows, places[0]), out(columns, places[1]), loss)
    }

    /// AdaGrad by definition, in f64, with the gradient by finite differences of the loss.
    fn naive(config: &Config, log: f64, w: &[f64], c: &[f64], times: usize) -> (Vec<f64>, Vec<f64>, f64) {
        let n = w.len();
        let mut all = [w, c].concat();
        let mut squares = vec![1.0; 2 * n];
        let mut total = 0.0;
        for _ in 0..times {
            total += loss(config, log, &all[..n], &all[n..]);
            let gradient = |k: usize| {
                let step = 1e-5;
                let at = |by: f64| {
                    let mut moved = all.clone();
                    moved[k] += by;
                    loss(config, log, &moved[..n], &moved[n..])
                };
                (at(step) - at(-step)) / (2.0 * step)
            };
            let gradients: Vec<f64> = (0..2 * n).map(gradient).collect();
            for (k, g) in gradients.into_iter().enumerate() {
                let clip = config.grad_clip.map_or(f64::INFINITY, f64::from);
                let rate = if k % n == n - 1 { config.bias_lr } else { config.lr };
                let d = g.clamp(-clip, clip) * f64::from(rate);
                all[k] -= d / f64::sqrt(squares[k]);
                squares[k] += d * d;
            }
        }
        (all[..n].to_vec(), all[n..].to_vec(), total)
    }

    proptest! {
        #[test]
        fn steps_follow_the_gradient_of_the_loss(
            dim in 1..40usize,
            log in -4f32..9.0,
            numbers in prop::collection::vec(-0.9f64..0.9, 82),
            lr in 0.01f32..0.5,
            clip in prop::option::of(0.01f32..1.0),
            x_max in 1f32..200.0,
            alpha in 0f32..2.0,
            bias_lr in 0.01f32..1.0,
        ) {
            let config = Config { dim, lr, bias_lr, grad_clip: clip, x_max, alpha, ..Config::default() };
            let (w, c) = (&numbers[..=dim], &numbers[41..=41 + dim]);
            // One step shows the gradient; three, the sum of squares.
            for times in [1, 3] {
                let (w1, c1, loss1) = learnt(&config, log, w, c, times);
                let (w2, c2, loss2) = naive(&config, f64::from(log), w, c, times);
                prop_assert!((loss1 - loss2).abs() <= 1e-3 * (1.0 + loss2), "{} {}", loss1, loss2);
                for (x, y) in w1.iter().chain(&c1).zip(w2.iter().chain(&c2)) {
                    prop_assert!((x - y).abs() < 3e-4 * (1.0 + y.abs()), "{} {}", x, y);
                }
            }
        }

        #[test]
        fn weights_are_those_of_the_paper(logs in prop::collection::vec(-6f32..15.0, 1..BATCH), alpha in 0f32..2.0) {
            let config = Config { alpha, ..Config::default() };
            let mut pairs = [Pair::default(); BATCH];
            pairs.iter_mut().zip(&logs).for_each(|(pair, &log)| pair.log = log);
            let mut weights = [0.0; BATCH];
            dispatch!(Level::new(), simd => config.weigh(simd, &pairs, &mut weights));
            for (pair, weight) in pairs.iter().zip(weights) {
                let exact = (f64::from(pair.log).exp() / 100.0).powf(f64::from(alpha)).min(1.0);
                prop_assert!((f64::from(weight) - exact).abs() < 1e-5 * exact, "{} {}", weight, exact);
            }
        }
    }

    #[inline(always)]
    fn first_of_series<S: Simd>(simd: S, t: f32) -> f32 {
        series::<S>(simd, S::f32s::splat(simd, t)).as_slice()[0]
    }

    #[test]
    fn the_series_is_as_good_as_the_root() {
        let exact = |t: f32| 1.0 / (1.0 + f64::from(t)).sqrt();
        for i in 0..=1000 {
            let t = SMALL * i as f32 / 1000.0;
            let found = dispatch!(Level::new(), simd => first_of_series(simd, t));
            assert!((f64::from(found) - exact(t)).abs() < 1e-7, "{t}: {found}");
        }
    }

    #[test]
    fn strides_come_by_every_place_once() {
        for length in (1..500).chain([1 << 20, 720_720, 1_000_003]) {
            let stride = stride(length);
            let mut places: Vec<usize> = (0..length).map(|k| k * stride % length).collect();
            places.sort_unstable();
            assert!(places.into_iter().eq(0..length), "{length} by {stride}");
        }
        assert_eq!(stride(0), 1);
    }

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
            let config = Config {
                dim: 21,
                epochs: 4,
                seed,
                threads: Some(threads),
                vectors: Vectors::Input,
                ..Config::default()
            };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let source = Source::text(&corpus, &Windows::default()).unwrap();
                let progress = cooccur::Progress::default();
                let pairs = Pairs::new(&source, config.deal(40), memory, folder.path(), &progress).unwrap();
                assert_eq!(pairs.on_disk(), memory == 0);
                let model =
                    train(&pairs, &corpus.vocab, &About::default(), &config, &Progress::default()).unwrap();
                (model.input().to_vec(), model.output().unwrap().to_vec(), model.provenance.losses)
            })
        };
        let one = vectors(1, 1, 1 << 30);
        assert!(one == vectors(2, 1, 1 << 30));
        assert!(one == vectors(4, 1, 1 << 30));
        assert!(one == vectors(3, 1, 0), "counts on disk are the same counts");
        assert!(one != vectors(1, 2, 1 << 30));
        assert!(one.2[3] < 0.7 * one.2[0], "{:?}", one.2);
    }
}
