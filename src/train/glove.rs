//! `GloVe`: vectors whose products are the logarithms of co-occurrence counts (Pennington, Socher, Manning 2014).
//!
//! The loss of a count `x` of row `i` and column `j` is `f(x)/2 (w_i·c_j + a_i + b_j - ln x)²`, with
//! `f(x) = min(1, (x/x_max)^alpha)`. Each coordinate goes down its gradient `g` by `AdaGrad` as in the program of 2014: with
//! `d = lr g`, it takes a step `-d/√s`, where `s` is 1 plus the sum of the earlier `d²`. The biases `a` and `b` are
//! coordinates like any other: `w_i` is stored as `(w_i, a_i, 1)` and `c_j` as `(c_j, 1, b_j)`, whose product is the whole
//! model, and the two ones have `s = ∞`, so they stay.
//!
//! An epoch goes through the blocks of [`Pairs`] in rounds. In a round every part of rows meets another part of columns, so
//! that the blocks of a round share no vector: threads take them as they like, each has its vectors to itself, and the
//! result is the same for any number of them. The order of rounds, and which parts meet, are drawn anew in each epoch.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fearless_simd::{Level, Simd, dispatch, f32x8, prelude::*};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

use super::pairs::{Deal, Pair, Pairs};
use super::schedule::{Progress, mix};
use crate::error::{Error, Result};
use crate::kernel::Tile;

/// Floats in a vector register; rows are padded to whole ones.
const LANES: usize = 8;
/// Up to here, a series stands for a division and a root: its error is that of the last bit.
const SMALL: f32 = 0.02;
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

/// Settings of `GloVe`. The defaults are those of Stanford's program, but for `dim`, which is 50 there.
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
    /// No coordinate of a gradient counts as more than X
    #[arg(long, value_name = "X", default_value_t = 100.0, allow_negative_numbers = true)]
    pub grad_clip: f32,
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
            grad_clip: 100.0,
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
            () if !positive(self.grad_clip) => wrong("--grad-clip must be a number above 0"),
            () if self.threads == Some(0) => wrong("--threads must be at least 1"),
            () if self.threads() > 1024 => wrong("--threads must be at most 1024"),
            () => Ok(()),
        }
    }

    /// A vector with its biases, padded; as many sums of squares follow.
    fn width(&self) -> usize {
        (self.dim + 2).next_multiple_of(LANES)
    }

    /// How `words` words are dealt into parts for vectors of this size.
    pub fn deal(&self, words: usize) -> Deal {
        Deal::new(words, 2 * self.width() * size_of::<f32>())
    }

    /// Bytes of memory that vectors of `words` words take, counts left out.
    pub fn memory(&self, words: usize) -> u64 {
        let (words, dim, width) = (words as u64, self.dim as u64, self.width() as u64);
        // Two matrices with their sums of squares; at the end, what the model keeps of them.
        2 * words * 2 * width * 4 + words * dim * 4 * (1 + u64::from(self.vectors == Vectors::Input))
    }
}

/// What a training made.
pub struct Trained {
    /// Input vectors, row by row.
    pub input: Vec<f32>,
    /// Output vectors, where they are kept.
    pub output: Option<Vec<f32>>,
    /// Time that it took.
    pub time: Duration,
}

/// Trains on `pairs`. Watch and stop it by `progress`, which counts pairs.
///
/// # Errors
/// An impossible setting, a loss that is not finite, or [`Error::Stopped`].
pub fn train(pairs: &Pairs, config: &Config, progress: &Progress) -> Result<Trained> {
    config.check()?;
    let begin = Instant::now();
    let diverged = |epoch: usize, loss: f64| Error::Diverged { epoch: epoch + 1, loss, lr: config.lr };
    let (parts, level) = (pairs.deal.parts(), Level::new());
    let (mut rows, mut columns) = (config.begin(pairs.deal, Side::Row), config.begin(pairs.deal, Side::Column));
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
                    let loss = dispatch!(level, simd => config.block(simd, block, rows, columns));
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
    Ok(Trained { input, output, time: begin.elapsed() })
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
    /// Vectors and biases begin uniform in ±1/(2 dim), as in Stanford's program.
    fn begin(&self, deal: Deal, side: Side) -> Vec<Tile> {
        let (dim, width) = (self.dim, self.width());
        let one = if side == Side::Row { dim + 1 } else { dim };
        let part = |part: usize| {
            let mut tile = Tile::new(deal.largest(), 2 * width);
            for (place, word) in deal.words(part).enumerate() {
                let word = 2 * word as u64 + u64::from(side == Side::Column);
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(mix(self.seed) ^ mix(word));
                let (vector, steps) = tile.row_mut(place).split_at_mut(width);
                for x in &mut vector[..dim + 2] {
                    *x = ((rng.next_u64() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) / dim as f32;
                }
                steps[..width].fill(self.lr);
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

    /// Learns a block; returns its loss.
    #[inline(always)]
    fn block<S: Simd>(&self, simd: S, pairs: &[Pair], rows: &mut Tile, columns: &mut Tile) -> f64 {
        simd.vectorize(
            #[inline(always)]
            || {
                let (width, mut loss) = (self.width(), 0.0);
                let mut weights = [0.0; BATCH];
                for batch in pairs.chunks(BATCH) {
                    self.weigh(simd, batch, &mut weights);
                    for k in 0..batch.len() {
                        let pair = batch[k];
                        let row = &mut rows.row_mut(usize::from(pair.row))[..2 * width];
                        let column = &mut columns.row_mut(usize::from(pair.column))[..2 * width];
                        loss += f64::from(self.learn(simd, width, pair.log, weights[k], row, column));
                    }
                }
                loss
            },
        )
    }

    /// `f(x)` of a batch of pairs.
    #[inline(always)]
    fn weigh<S: Simd>(&self, simd: S, pairs: &[Pair], weights: &mut [f32; BATCH]) {
        // (x/x_max)^alpha = 2^(alpha log2(e) (ln x - ln x_max)).
        let (most, power) = (self.x_max.ln(), self.alpha * std::f32::consts::LOG2_E);
        for k in 0..pairs.len() {
            weights[k] = (pairs[k].log - most) * power;
        }
        let mut k = 0;
        while k < BATCH {
            let exponent = f32x8::from_slice(simd, &weights[k..k + LANES]);
            exp2(simd, f32x8::splat(simd, 0.0).min(exponent)).store_slice(&mut weights[k..k + LANES]);
            k += LANES;
        }
    }

    /// Learns a pair; returns its loss. A row is a vector of `width` floats with its biases, then the sums of squares.
    #[inline(always)]
    fn learn<S: Simd>(
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
        let (w, w_steps) = (w.as_chunks_mut::<LANES>().0, w_steps.as_chunks_mut::<LANES>().0);
        let (c, c_steps) = (c.as_chunks_mut::<LANES>().0, c_steps.as_chunks_mut::<LANES>().0);
        let n = w.len().min(c.len()).min(w_steps.len()).min(c_steps.len());
        let (mut even, mut odd) = (f32x8::splat(simd, 0.0), f32x8::splat(simd, 0.0));
        let mut k = 0;
        while k + 2 <= n {
            even = f32x8::from_slice(simd, &w[k]).mul_add(f32x8::from_slice(simd, &c[k]), even);
            odd = f32x8::from_slice(simd, &w[k + 1]).mul_add(f32x8::from_slice(simd, &c[k + 1]), odd);
            k += 2;
        }
        if k < n {
            even = f32x8::from_slice(simd, &w[k]).mul_add(f32x8::from_slice(simd, &c[k]), even);
        }
        let difference = (even + odd).reduce_sum() - log;
        let error = f32x8::splat(simd, weight * difference);
        let most = f32x8::splat(simd, self.grad_clip);
        for k in 0..n {
            let (old_w, old_c) = (f32x8::from_slice(simd, &w[k]), f32x8::from_slice(simd, &c[k]));
            let (sw, sc) = (f32x8::from_slice(simd, &w_steps[k]), f32x8::from_slice(simd, &c_steps[k]));
            let uw = (-most).max(most.min(error * old_c)) * sw;
            let uc = (-most).max(most.min(error * old_w)) * sc;
            (old_w - uw).store_slice(&mut w[k]);
            (old_c - uc).store_slice(&mut c[k]);
            shorter(simd, sw, uw * uw).store_slice(&mut w_steps[k]);
            shorter(simd, sc, uc * uc).store_slice(&mut c_steps[k]);
        }
        0.5 * weight * difference * difference
    }
}

/// `s / √(1 + t)`, for `t` not below 0.
#[inline(always)]
fn shorter<S: Simd>(simd: S, s: f32x8<S>, t: f32x8<S>) -> f32x8<S> {
    let one = f32x8::splat(simd, 1.0);
    if t.simd_gt(f32x8::splat(simd, SMALL)).any_true() {
        return s / (one + t).sqrt();
    }
    // The binomial series, whose first term left out is 35/128 t^4.
    let series = f32x8::splat(simd, -0.3125).mul_add(t, f32x8::splat(simd, 0.375));
    let series = series.mul_add(t, f32x8::splat(simd, -0.5));
    s * series.mul_add(t, one)
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
