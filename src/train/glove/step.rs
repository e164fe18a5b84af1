//! One step of GloVe: a pair of words, its weight, and AdaGrad. This file is over 300 lines because
//! almost half of it is its test against the definition, by finite differences.

use fearless_simd::{Simd, f32x8, prelude::*};

use super::config::GloveConfig;
use super::order::{BATCH, GROUP, Order};
use crate::cooccur::Pair;
use crate::math::functions::exp2;
use crate::math::{LINE, Tile};
use crate::memory::prefetch;

/// Up to this value a series replaces a division and a root. Its error is in the last bit.
const SMALL: f32 = 0.004;

/// Prefetches a row into the nearest cache.
#[inline(always)]
fn ask(row: &[f32]) {
    for line in row.chunks(LINE) {
        prefetch(&line[0]);
    }
}

impl GloveConfig {
    /// Learns the pairs of a block, in their [`Order`], and returns their loss.
    #[inline(always)]
    pub(super) fn block<S: Simd, const CLIP: bool>(
        &self,
        simd: S,
        pairs: &[Pair],
        rows: &mut Tile,
        columns: &mut Tile,
    ) -> f64 {
        let (mut loss, mut order) = (0.0, Order::of(pairs));
        let (mut batch, mut weights) = ([Pair::default(); BATCH], [0.0; BATCH]);
        loop {
            let size = order.take(&mut batch);
            if size == 0 {
                return loss;
            }
            self.weigh(simd, &batch, &mut weights);
            let groups = batch[..size].chunks(GROUP).zip(weights.chunks(GROUP));
            let mut k = 0;
            for (pairs, weights) in groups {
                k += GROUP;
                for (next, before) in batch[k.min(size)..size].iter().zip(pairs) {
                    if next.row != before.row {
                        ask(rows.row(usize::from(next.row)));
                    }
                    ask(columns.row(usize::from(next.column)));
                }
                loss += match (pairs.first_chunk(), weights.first_chunk()) {
                    (Some(pairs), Some(weights)) if apart(pairs) => {
                        self.learn::<S, GROUP, CLIP>(simd, pairs, weights, rows, columns)
                    }
                    _ => pairs.iter().zip(weights).fold(0.0, |loss, (&pair, &weight)| {
                        loss + self.learn::<S, 1, CLIP>(simd, &[pair], &[weight], rows, columns)
                    }),
                };
            }
        }
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

    /// Learns pairs and returns their loss. No two of them share a row or a column, so their
    /// products can be taken first: the processor then has work while it waits for any one of them.
    /// A row is a vector of `width` floats with its biases, then as many factors of gradients.
    #[inline(always)]
    fn learn<S: Simd, const N: usize, const CLIP: bool>(
        &self,
        simd: S,
        pairs: &[Pair; N],
        weights: &[f32; N],
        rows: &mut Tile,
        columns: &mut Tile,
    ) -> f64 {
        let (width, mut loss, mut errors) = (self.width(), 0.0, [0.0; N]);
        for i in 0..N {
            let w = &rows.row(usize::from(pairs[i].row))[..width];
            let c = &columns.row(usize::from(pairs[i].column))[..width];
            let difference = product(simd, w, c) - pairs[i].log;
            errors[i] = weights[i] * difference;
            loss += f64::from(0.5 * errors[i] * difference);
        }
        for i in 0..N {
            let row = &mut rows.row_mut(usize::from(pairs[i].row))[..2 * width];
            let column = &mut columns.row_mut(usize::from(pairs[i].column))[..2 * width];
            self.step::<S, CLIP>(simd, errors[i], row, column);
        }
        loss
    }

    /// Moves a row and a column down the gradient of a pair, whose weighted error is `error`.
    #[inline(always)]
    fn step<S: Simd, const CLIP: bool>(
        &self,
        simd: S,
        error: f32,
        row: &mut [f32],
        column: &mut [f32],
    ) {
        let width = row.len() / 2;
        let (w, w_steps) = row.split_at_mut(width);
        let (c, c_steps) = column.split_at_mut(width);
        let (w_steps, c, c_steps) = (&mut w_steps[..width], &mut c[..width], &mut c_steps[..width]);
        let lanes = S::f32s::LEN;
        let load = |from: &[f32], at: usize| S::f32s::from_slice(simd, &from[at..at + lanes]);
        let error = S::f32s::splat(simd, error);
        let clip = self.grad_clip.unwrap_or(f32::MAX);
        let (most, least) = (S::f32s::splat(simd, clip), S::f32s::splat(simd, -clip));
        let (one, small) = (S::f32s::splat(simd, 1.0), S::f32s::splat(simd, SMALL));
        let mut k = 0;
        while k + lanes <= width {
            let (old_w, old_c, sw, sc) =
                (load(w, k), load(c, k), load(w_steps, k), load(c_steps, k));
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
    }
}

/// Whether no two of the pairs share a row or a column.
#[inline(always)]
fn apart(pairs: &[Pair; GROUP]) -> bool {
    let mut shared = false;
    for i in 1..GROUP {
        for j in 0..i {
            shared |= pairs[i].row == pairs[j].row;
            shared |= pairs[i].column == pairs[j].column;
        }
    }
    !shared
}

/// The product of two vectors with their biases.
#[inline(always)]
fn product<S: Simd>(simd: S, w: &[f32], c: &[f32]) -> f32 {
    let lanes = S::f32s::LEN;
    let load = |from: &[f32], at: usize| S::f32s::from_slice(simd, &from[at..at + lanes]);
    let zero = S::f32s::splat(simd, 0.0);
    let (mut even, mut odd, mut k) = (zero, zero, 0);
    while k + 2 * lanes <= w.len() {
        even = load(w, k).mul_add(load(c, k), even);
        odd = load(w, k + lanes).mul_add(load(c, k + lanes), odd);
        k += 2 * lanes;
    }
    if k < w.len() {
        even = load(w, k).mul_add(load(c, k), even);
    }
    (even + odd).reduce_sum()
}

/// `1 / √(1 + t)`, for `t` from 0 to [`SMALL`].
#[inline(always)]
fn series<S: Simd>(simd: S, t: S::f32s) -> S::f32s {
    // The binomial series, whose first term left out is 5/16 t^3.
    let sum = S::f32s::splat(simd, 0.375).mul_add(t, S::f32s::splat(simd, -0.5));
    sum.mul_add(t, S::f32s::splat(simd, 1.0))
}

#[cfg(test)]
mod tests {
    use fearless_simd::Level;
    use proptest::prelude::*;

    use super::super::{Side, begin_with};
    use super::*;
    use crate::cooccur::Partition;
    use crate::math::dispatch;

    /// The loss of a pair by definition, for vectors that end in their biases.
    fn loss(config: &GloveConfig, log: f64, w: &[f64], c: &[f64]) -> f64 {
        let dim = config.dim;
        let f = ((log - f64::from(config.x_max).ln()) * f64::from(config.alpha)).exp().min(1.0);
        let product: f64 = (0..dim).map(|k| w[k] * c[k]).sum();
        0.5 * f * (product + w[dim] + c[dim] - log).powi(2)
    }

    /// Learns a pair by the code under test. Vectors with their biases go in and come out, and so
    /// does the loss.
    fn learnt(
        config: &GloveConfig,
        log: f32,
        w: &[f64],
        c: &[f64],
        times: usize,
    ) -> (Vec<f64>, Vec<f64>, f64) {
        let (dim, width) = (config.dim, config.width());
        let partition = Partition::new(1, 1);
        let mut tiles =
            [Side::Row, Side::Column].map(|side| begin_with(config, partition, side, |_| None));
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
            Some(_) => config.block::<_, true>(simd, &pairs, rows, columns),
            None => config.block::<_, false>(simd, &pairs, rows, columns),
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
    fn naive(
        config: &GloveConfig,
        log: f64,
        w: &[f64],
        c: &[f64],
        times: usize,
    ) -> (Vec<f64>, Vec<f64>, f64) {
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
            let config = GloveConfig { dim, lr, bias_lr, grad_clip: clip, x_max, alpha, ..GloveConfig::default() };
            let (w, c) = (&numbers[..=dim], &numbers[41..=41 + dim]);
            // One step shows the gradient; three steps show the sum of squares.
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
            let config = GloveConfig { alpha, ..GloveConfig::default() };
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
}
