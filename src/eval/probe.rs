//! A linear probe: what a logistic regression on vectors can tell of labels that it has not seen
//! (Alain & Bengio 2017, "Understanding Intermediate Layers Using Linear Classifier Probes").
//!
//! For each label the regression minimises, over weights `w` and an intercept `b`,
//!
//! ```text
//! mean of ln(1 + e^(-s (w·x + b))) + |w|² / (2 C n)        s = 1 with the label, -1 without
//! ```
//!
//! by L-BFGS (Nocedal 1980; Nocedal & Wright 2006, algorithm 7.5). Items are dealt to [`FOLDS`] folds,
//! and those of a fold are scored by what was learnt from all others. `C` is chosen among the others
//! alone, by the loss of [`INNER`] folds of theirs. So no answer is known to what gives it.
//!
//! This file is over 300 lines because two fifths of it are tests.

use fearless_simd::Level;
use rayon::prelude::*;

use super::sparse::SparseRows;
use crate::embeddings::unit;
use crate::math::dispatch;
use crate::random::mix;
use crate::stats::dot;

/// Folds whose items are scored by what was learnt from the others.
pub(super) const FOLDS: usize = 5;
/// Folds of the others, by which `C` is chosen.
const INNER: usize = 3;
/// What `C` may be. A larger one trusts the items more.
const STRENGTHS: [f64; 6] = [1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0];
/// The steps that L-BFGS remembers, and the most that it takes.
const MEMORY: usize = 8;
const MOST_STEPS: usize = 200;
/// It ends where no part of the gradient is greater. With `C` chosen among several, one that trusts
/// the items less makes up for an early end; where it is given, the end is near the least loss.
const TOLERANCE: f64 = 1e-4;
const CLOSE: f64 = 1e-7;
/// Floats that are added up side by side.
const LANES: usize = 16;
/// Rows whose gradients are added up in single precision.
const BLOCK: usize = 256;

/// What is known of each item, a row for each.
#[derive(Clone, Debug)]
pub(crate) enum Features {
    /// As many floats for each item, padded with zeros to a multiple of [`LANES`].
    Dense(Vec<f32>, usize),
    /// Few floats that are not zero.
    Sparse(SparseRows),
}

impl Features {
    /// Rows of `dim` floats, moved and scaled so that each column has the mean 0 and the variance 1.
    pub(crate) fn standardised(rows: impl Iterator<Item: AsRef<[f32]>>, dim: usize) -> Self {
        let width = dim.next_multiple_of(LANES);
        let mut values = Vec::new();
        for row in rows {
            values.extend_from_slice(row.as_ref());
            values.resize(values.len().next_multiple_of(width), 0.0);
        }
        let n = (values.len() / width) as f64;
        let mut moments = vec![[0.0f64; 2]; dim];
        for row in values.chunks_exact(width) {
            for ([sum, squares], &x) in moments.iter_mut().zip(row) {
                *sum += f64::from(x);
                *squares += f64::from(x).powi(2);
            }
        }
        for moment in &mut moments {
            let mean = moment[0] / n;
            let spread = (moment[1] / n - mean * mean).max(0.0).sqrt();
            *moment = [mean, if spread > 1e-12 * mean.abs() { 1.0 / spread } else { 0.0 }];
        }
        for row in values.chunks_exact_mut(width) {
            for (x, [mean, scale]) in row.iter_mut().zip(&moments) {
                *x = ((f64::from(*x) - mean) * scale) as f32;
            }
        }
        Self::Dense(values, width)
    }

    /// Rows of `dim` floats, scaled to length 1.
    pub(crate) fn units(rows: impl Iterator<Item: AsRef<[f32]>>, dim: usize) -> Self {
        let width = dim.next_multiple_of(LANES);
        let mut values = Vec::new();
        for row in rows {
            values.extend(unit(row.as_ref()));
            values.resize(values.len().next_multiple_of(width), 0.0);
        }
        Self::Dense(values, width)
    }

    /// The number of columns.
    fn dim(&self) -> usize {
        match self {
            Self::Dense(_, width) => *width,
            Self::Sparse(rows) => rows.columns(),
        }
    }

    #[inline(always)]
    fn dot(&self, row: usize, weights: &[f32]) -> f32 {
        match self {
            Self::Dense(values, width) => {
                let mut sums = [0.0; LANES];
                let row = values[row * width..][..*width].as_chunks::<LANES>().0;
                for (row, weights) in row.iter().zip(weights.as_chunks::<LANES>().0) {
                    for i in 0..LANES {
                        sums[i] += row[i] * weights[i];
                    }
                }
                sums.iter().sum()
            }
            Self::Sparse(rows) => rows.row(row).iter().map(|&(i, x)| x * weights[i as usize]).sum(),
        }
    }

    #[inline(always)]
    fn add(&self, row: usize, by: f32, to: &mut [f32]) {
        match self {
            Self::Dense(values, width) => {
                let row = values[row * width..][..*width].as_chunks::<LANES>().0;
                for (row, to) in row.iter().zip(to.as_chunks_mut::<LANES>().0) {
                    for i in 0..LANES {
                        to[i] += by * row[i];
                    }
                }
            }
            Self::Sparse(rows) => {
                rows.row(row).iter().for_each(|&(i, x)| to[i as usize] += by * x);
            }
        }
    }
}

/// For each of `labels` labels the log odds that an item has it, by what was learnt from items of
/// other folds. `given` are the labels of each item, at least one.
pub(crate) fn held_out(
    x: &Features,
    given: &[Vec<u32>],
    labels: usize,
    (seed, level): (u64, Level),
) -> Vec<Vec<f32>> {
    // Items of one label are dealt in turn, so that each fold has its share of them.
    let mut order: Vec<u32> = (0..given.len() as u32).collect();
    order.sort_unstable_by_key(|&item| (given[item as usize][0], mix(seed ^ mix(item.into()))));
    let tasks: Vec<(u32, usize)> =
        (0..labels as u32).flat_map(|label| (0..FOLDS).map(move |fold| (label, fold))).collect();
    let of = |&(label, fold): &(u32, usize)| {
        let dealt = |item: &(usize, &u32)| item.0 % FOLDS == fold;
        let (asked, others): (Vec<_>, Vec<_>) = order.iter().enumerate().partition(dealt);
        let others: Vec<u32> = others.into_iter().map(|(_, &item)| item).collect();
        let signs = signs(given, label);
        let probe = Probe { x, signs: &signs, level };
        let weights = narrow(&probe.chosen(&others));
        let score = |(_, &item): (usize, &u32)| (item, probe.score(item, &weights));
        asked.into_iter().map(score).collect::<Vec<(u32, f32)>>()
    };
    let scored: Vec<Vec<(u32, f32)>> = tasks.par_iter().map(of).collect();
    let mut all = vec![vec![0.0; given.len()]; labels];
    for ((label, _), scores) in tasks.iter().zip(scored) {
        for (item, score) in scores {
            all[*label as usize][item as usize] = score;
        }
    }
    all
}

/// For each of `labels` labels the log odds that each of the `asked` items has it, by what was learnt
/// from the `learnt` items with a strength `c`.
pub(crate) fn taught(
    x: &Features,
    given: &[Vec<u32>],
    labels: usize,
    (learnt, asked): (&[u32], &[u32]),
    (c, level): (f64, Level),
) -> Vec<Vec<f32>> {
    let of = |label: u32| {
        let signs = signs(given, label);
        let probe = Probe { x, signs: &signs, level };
        let mut weights = probe.beginning(learnt);
        probe.fit(learnt, (c, CLOSE), &mut weights);
        let weights = narrow(&weights);
        asked.iter().map(|&item| probe.score(item, &weights)).collect()
    };
    (0..labels as u32).into_par_iter().map(of).collect()
}

/// 1 for items with a label, -1 for those without.
fn signs(given: &[Vec<u32>], label: u32) -> Vec<f32> {
    given.iter().map(|labels| if labels.contains(&label) { 1.0 } else { -1.0 }).collect()
}

/// The regression of one label.
struct Probe<'a> {
    x: &'a Features,
    /// 1 for items with the label, -1 for those without.
    signs: &'a [f32],
    level: Level,
}

impl Probe<'_> {
    /// The weights of `items`, and the intercept behind them, with the `C` that is best for parts of
    /// them.
    fn chosen(&self, items: &[u32]) -> Vec<f64> {
        let mut losses = [0.0; STRENGTHS.len()];
        for fold in 0..INNER {
            let dealt = |item: &(usize, &u32)| item.0 % INNER == fold;
            let (asked, others): (Vec<_>, Vec<_>) = items.iter().enumerate().partition(dealt);
            let others: Vec<u32> = others.into_iter().map(|(_, &item)| item).collect();
            let asked: Vec<u32> = asked.into_iter().map(|(_, &item)| item).collect();
            // Each begins where the one before it ended.
            let mut weights = self.beginning(&others);
            for (loss, c) in losses.iter_mut().zip(STRENGTHS) {
                self.fit(&others, (c, TOLERANCE), &mut weights);
                *loss += self.loss(&asked, &weights).0 * asked.len() as f64;
            }
        }
        let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b]));
        let mut weights = self.beginning(items);
        self.fit(items, (STRENGTHS[best.unwrap_or(0)], TOLERANCE), &mut weights);
        weights
    }

    /// No weights, and the log odds of the label among `items`, as if one more had it and one more
    /// had not.
    fn beginning(&self, items: &[u32]) -> Vec<f64> {
        let with = items.iter().filter(|&&item| self.signs[item as usize] > 0.0).count();
        let mut weights = vec![0.0; self.x.dim() + 1];
        let odds = (with + 1) as f64 / (items.len() - with + 1) as f64;
        weights[self.x.dim()] = odds.ln();
        weights
    }

    /// The log odds of an item.
    #[inline(always)]
    fn score(&self, item: u32, weights: &[f32]) -> f32 {
        self.x.dot(item as usize, weights) + weights[self.x.dim()]
    }

    /// The mean loss of `items`, and its gradient.
    fn loss(&self, items: &[u32], weights: &[f64]) -> (f64, Vec<f64>) {
        let weights = narrow(weights);
        dispatch!(self.level, simd => self.loss_by(items, &weights))
    }

    #[inline(always)]
    fn loss_by(&self, items: &[u32], weights: &[f32]) -> (f64, Vec<f64>) {
        let dim = self.x.dim();
        let (mut loss, mut gradient) = (0.0, vec![0.0; dim + 1]);
        let mut sums = vec![0.0; dim];
        for block in items.chunks(BLOCK.max(dim / LANES)) {
            sums.fill(0.0);
            for &item in block {
                let sign = self.signs[item as usize];
                let margin = f64::from(sign * self.score(item, weights));
                let odds = (-margin.abs()).exp();
                // ln(1 + e^-m), and e^-m / (1 + e^-m), without large exponents.
                loss += (-margin).max(0.0) + odds.ln_1p();
                let miss = if margin > 0.0 { odds } else { 1.0 } / (1.0 + odds);
                let slope = -sign * miss as f32;
                gradient[dim] += f64::from(slope);
                self.x.add(item as usize, slope, &mut sums);
            }
            gradient.iter_mut().zip(&sums).for_each(|(all, &sum)| *all += f64::from(sum));
        }
        let n = items.len().max(1) as f64;
        for g in &mut gradient {
            *g /= n;
        }
        (loss / n, gradient)
    }

    /// Minimises the loss of `items` with `c`, beginning at `weights`, down to a gradient.
    fn fit(&self, items: &[u32], (c, tolerance): (f64, f64), weights: &mut Vec<f64>) {
        let decay = 1.0 / (c * items.len().max(1) as f64);
        minimise(weights, tolerance, |w| {
            let (mut loss, mut gradient) = self.loss(items, w);
            // The intercept is free.
            for (g, &w) in gradient[..w.len() - 1].iter_mut().zip(w) {
                loss += 0.5 * decay * w * w;
                *g += decay * w;
            }
            (loss, gradient)
        });
    }
}

fn narrow(weights: &[f64]) -> Vec<f32> {
    weights.iter().map(|&w| w as f32).collect()
}

/// Moves `at` to the least value of a convex function that returns its value and its gradient, where
/// no part of the gradient is greater than `tolerance`.
fn minimise(at: &mut Vec<f64>, tolerance: f64, mut of: impl FnMut(&[f64]) -> (f64, Vec<f64>)) {
    let (mut value, mut gradient) = of(at);
    // The last steps, what they changed of the gradient, and the inverse of the product of both.
    let mut steps: Vec<(Vec<f64>, Vec<f64>, f64)> = Vec::new();
    for _ in 0..MOST_STEPS {
        if gradient.iter().all(|g| g.abs() <= tolerance) {
            return;
        }
        let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut shares = Vec::new();
        for (step, change, inverse) in steps.iter().rev() {
            let share = inverse * dot(step, &direction);
            direction.iter_mut().zip(change).for_each(|(d, c)| *d -= share * c);
            shares.push(share);
        }
        if let Some((_, change, inverse)) = steps.last() {
            let scale = 1.0 / (inverse * dot(change, change));
            for d in &mut direction {
                *d *= scale;
            }
        }
        for ((step, change, inverse), share) in steps.iter().zip(shares.iter().rev()) {
            let more = share - inverse * dot(change, &direction);
            direction.iter_mut().zip(step).for_each(|(d, s)| *d += more * s);
        }
        let slope = dot(&direction, &gradient);
        let mut length =
            if steps.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt() } else { 1.0 };
        length = length.min(1e6);
        let moved = loop {
            let next: Vec<f64> = at.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            let (next_value, next_gradient) = of(&next);
            // Armijo's condition; the curvature needs no condition of its own where all is convex.
            if next_value <= value + 1e-4 * length * slope {
                break Some((next, next_value, next_gradient));
            }
            length *= 0.5;
            if length < 1e-10 {
                break None;
            }
        };
        // What is left is below what single precision tells.
        let Some((next, next_value, next_gradient)) = moved else { return };
        let step: Vec<f64> = next.iter().zip(&*at).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let product = dot(&step, &change);
        if product > 1e-12 * dot(&change, &change) {
            if steps.len() == MEMORY {
                steps.remove(0);
            }
            steps.push((step, change, 1.0 / product));
        }
        (*at, value, gradient) = (next, next_value, next_gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{generator, normal};

    /// Items around two centres, and their labels.
    fn items(n: usize, dim: usize, apart: f64) -> (Vec<f32>, Vec<Vec<u32>>) {
        let mut rng = generator(3);
        let mut values = Vec::new();
        let given: Vec<Vec<u32>> = (0..n as u32).map(|i| vec![i % 2]).collect();
        for labels in &given {
            let centre = if labels[0] == 0 { apart } else { -apart };
            values.extend(
                (0..dim).map(|i| (normal(&mut rng) + if i == 0 { centre } else { 0.0 }) as f32),
            );
        }
        (values, given)
    }

    fn dense(values: &[f32], dim: usize) -> Features {
        Features::standardised(values.chunks_exact(dim), dim)
    }

    /// The same rows, as if few floats were not zero.
    fn sparse(x: &Features) -> Features {
        let Features::Dense(values, width) = x else { panic!("dense rows are asked for") };
        let mut rows = SparseRows::new(*width);
        for row in values.chunks_exact(*width) {
            rows.push(&(0..).zip(row.iter().copied()).collect::<Vec<_>>());
        }
        Features::Sparse(rows)
    }

    #[test]
    fn columns_have_mean_zero_and_variance_one() {
        let Features::Dense(x, width) = dense(&[1.0, 7.0, 3.0, 7.0, 8.0, 7.0], 2) else { panic!() };
        let column = |i: usize| x.chunks_exact(width).map(move |row| f64::from(row[i]));
        assert!(column(0).sum::<f64>().abs() < 1e-6);
        assert!((column(0).map(|x| x * x).sum::<f64>() / 3.0 - 1.0).abs() < 1e-6);
        assert!(column(1).all(|x| x == 0.0), "a column of one value tells nothing");
    }

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        let (values, given) = items(40, 5, 0.5);
        let signs: Vec<f32> = given.iter().map(|l| if l[0] == 0 { 1.0 } else { -1.0 }).collect();
        let dense = dense(&values, 5);
        for x in [&sparse(&dense), &dense] {
            let probe = Probe { x, signs: &signs, level: Level::new() };
            let items: Vec<u32> = (0..40).collect();
            let mut weights: Vec<f64> = (0..=x.dim()).map(|i| 0.1 * i as f64 - 0.3).collect();
            let (_, gradient) = probe.loss(&items, &weights);
            for i in [0, 3, 4, x.dim()] {
                let before = weights[i];
                let mut at = |w: f64| {
                    weights[i] = w;
                    probe.loss(&items, &weights).0
                };
                let slope = (at(before + 1e-2) - at(before - 1e-2)) / 2e-2;
                weights[i] = before;
                assert!((slope - gradient[i]).abs() < 1e-3, "{i}: {slope} {}", gradient[i]);
            }
        }
    }

    /// Newton's method with a whole Hessian finds the same weights.
    #[test]
    fn the_weights_are_those_of_newtons_method() {
        let (n, dim, c) = (60, 3, 0.7);
        let (values, given) = items(n, dim, 0.4);
        let signs: Vec<f32> = given.iter().map(|l| if l[0] == 0 { 1.0 } else { -1.0 }).collect();
        let x = dense(&values, dim);
        let Features::Dense(rows, width) = &x else { panic!() };
        let all: Vec<u32> = (0..n as u32).collect();
        let probe = Probe { x: &x, signs: &signs, level: Level::new() };
        let mut found = probe.beginning(&all);
        probe.fit(&all, (c, TOLERANCE), &mut found);
        let mut w = vec![0.0f64; dim + 1];
        for _ in 0..30 {
            let (mut g, mut h) = (vec![0.0; dim + 1], vec![vec![0.0; dim + 1]; dim + 1]);
            for i in 0..n {
                let mut row: Vec<f64> =
                    rows[i * width..][..dim].iter().map(|&x| f64::from(x)).collect();
                row.push(1.0);
                let z: f64 = row.iter().zip(&w).map(|(a, b)| a * b).sum();
                let p = 1.0 / (1.0 + (-z).exp());
                let truth = if signs[i] > 0.0 { 1.0 } else { 0.0 };
                for a in 0..=dim {
                    g[a] += (p - truth) * row[a];
                    (0..=dim).for_each(|b| h[a][b] += p * (1.0 - p) * row[a] * row[b]);
                }
            }
            for a in 0..dim {
                g[a] += w[a] / c;
                h[a][a] += 1.0 / c;
            }
            // Gauss and Jordan.
            for a in 0..=dim {
                let pivot = h[a][a];
                h[a].iter_mut().for_each(|x| *x /= pivot);
                g[a] /= pivot;
                for b in (0..=dim).filter(|&b| b != a) {
                    let by = h[b][a];
                    let (from, g_from) = (h[a].clone(), g[a]);
                    h[b].iter_mut().zip(from).for_each(|(x, y)| *x -= by * y);
                    g[b] -= by * g_from;
                }
            }
            w.iter_mut().zip(&g).for_each(|(w, step)| *w -= step);
        }
        for a in 0..dim {
            assert!((found[a] - w[a]).abs() < 0.02, "{found:?} {w:?}");
        }
        assert!((found[*width] - w[dim]).abs() < 0.02);
    }

    #[test]
    fn what_can_be_told_is_told_and_no_more() {
        let right = |apart: f64| {
            let (values, given) = items(400, 6, apart);
            let x = dense(&values, 6);
            let scores = held_out(&x, &given, 2, (1, Level::new()));
            let told = |i: &usize| (scores[0][*i] > scores[1][*i]) == (given[*i][0] == 0);
            (0..400).filter(told).count()
        };
        assert!(right(4.0) == 400, "{}", right(4.0));
        // Around two centres that are one, a probe that saw the answers would do better than chance.
        assert!((150..250).contains(&right(0.0)), "{}", right(0.0));
    }
}
