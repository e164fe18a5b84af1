//! The arithmetic of CBOW: the mean of input rows, plain or weighted by position, and the
//! correction of these rows.
//!
//! This file is over 300 lines because a fifth of it is tests.

use fearless_simd::{Simd, prelude::*};

use super::tile::{LINE, Tile, load, store};

/// Row `row` of `mean` becomes the mean of the rows `inputs` of `x`.
#[inline(always)]
pub(crate) fn mean<S: Simd>(simd: S, x: &Tile, inputs: &[usize], mean: &mut Tile, row: usize) {
    let (mut line, end, to) = (0, x.width, mean.at(row));
    while line + 4 <= end {
        mean_of::<S, 4>(simd, line, x, inputs, mean, to);
        line += 4;
    }
    if line + 2 <= end {
        mean_of::<S, 2>(simd, line, x, inputs, mean, to);
        line += 2;
    }
    if line < end {
        mean_of::<S, 1>(simd, line, x, inputs, mean, to);
    }
}

/// Row `row` of `mean` becomes the mean of the rows `inputs` of `x` and of row `row` of `one`.
#[inline(always)]
pub(crate) fn mean_with<S: Simd>(
    simd: S,
    x: &Tile,
    inputs: &[usize],
    (one, row): (&Tile, usize),
    mean: &mut Tile,
) {
    let share = S::f32s::splat(simd, 1.0 / (inputs.len() + 1) as f32);
    let (rows, at) = (&x.lines[..], one.at(row));
    let one = &one.lines[at..][..mean.width];
    for (line, (to, one)) in mean.lines[at..].iter_mut().zip(one).enumerate() {
        let mut lane = 0;
        while lane < LINE {
            let mut sum: S::f32s = load(simd, &one.0, lane);
            for &input in inputs {
                sum += load::<S, S::f32s>(simd, &rows[input + line].0, lane);
            }
            store(sum * share, &mut to.0, lane);
            lane += S::f32s::LEN;
        }
    }
}

/// Each of the rows `inputs` of `x` takes `share` of what row `row` of `after` is more than that of
/// `before`. A row that is named twice takes it twice.
#[inline(always)]
pub(crate) fn add_change<S: Simd>(
    simd: S,
    x: &mut Tile,
    inputs: &[usize],
    share: f32,
    (before, after): (&Tile, &Tile),
    row: usize,
) {
    let (at, share) = (after.at(row), S::f32s::splat(simd, share));
    let rows = before.lines[at..][..after.width].iter().zip(&after.lines[at..]);
    let x = &mut x.lines[..];
    for (line, (before, after)) in rows.enumerate() {
        let mut lane = 0;
        while lane < LINE {
            let before: S::f32s = load(simd, &before.0, lane);
            let after: S::f32s = load(simd, &after.0, lane);
            let change = (after - before) * share;
            for &input in inputs {
                let to = &mut x[input + line].0;
                let old: S::f32s = load(simd, to, lane);
                store(old + change, to, lane);
            }
            lane += S::f32s::LEN;
        }
    }
}

/// [`mean`] of `P` lines.
#[inline(always)]
fn mean_of<S: Simd, const P: usize>(
    simd: S,
    line: usize,
    x: &Tile,
    inputs: &[usize],
    mean: &mut Tile,
    to: usize,
) {
    let share = S::f32s::splat(simd, 1.0 / inputs.len() as f32);
    // Here and below, rows are slices of their own: the compiler reads the pointer in a tile anew
    // after each write.
    let rows = &x.lines[line..];
    let mut lane = 0;
    while lane < LINE {
        let mut sums = [S::f32s::splat(simd, 0.0); P];
        for &input in inputs {
            let x = &rows[input..][..P];
            for p in 0..P {
                sums[p] += load::<S, S::f32s>(simd, &x[p].0, lane);
            }
        }
        for (p, sum) in sums.iter().enumerate() {
            store(*sum * share, &mut mean.lines[to + line + p].0, lane);
        }
        lane += S::f32s::LEN;
    }
}

/// [`super::kernel::update`] where row 0 of `mean` stands for all `inputs` together.
/// `y_j += g_j mean`, and each of the rows `inputs` of `x` takes `share` of `sum_j g_j y_j`, with
/// the old values on the right.
#[inline(always)]
pub(crate) fn update_by_mean<S: Simd, const T: usize>(
    simd: S,
    x: &mut Tile,
    inputs: &[usize],
    mean: &Tile,
    share: f32,
    y: &mut Tile,
    targets: &[usize; T],
    gradient: &[f32; T],
) {
    let (mut line, end) = (0, x.width);
    while line + 4 <= end {
        update_by_mean_of::<S, 4, T>(simd, line, x, inputs, mean, share, y, targets, gradient);
        line += 4;
    }
    if line + 2 <= end {
        update_by_mean_of::<S, 2, T>(simd, line, x, inputs, mean, share, y, targets, gradient);
        line += 2;
    }
    if line < end {
        update_by_mean_of::<S, 1, T>(simd, line, x, inputs, mean, share, y, targets, gradient);
    }
}

/// [`update_by_mean`] of `P` lines.
#[inline(always)]
fn update_by_mean_of<S: Simd, const P: usize, const T: usize>(
    simd: S,
    line: usize,
    x: &mut Tile,
    inputs: &[usize],
    mean: &Tile,
    share: f32,
    y: &mut Tile,
    targets: &[usize; T],
    gradient: &[f32; T],
) {
    let (xs, ys) = (&mut x.lines[line..], &mut y.lines[line..]);
    let mean_lines = &mean.lines[line..][..P];
    let mut lane = 0;
    while lane < LINE {
        let mut error = [S::f32s::splat(simd, 0.0); P];
        let mut mean = error;
        for p in 0..P {
            mean[p] = load(simd, &mean_lines[p].0, lane);
        }
        for j in 0..T {
            let gj = S::f32s::splat(simd, gradient[j]);
            let y = &mut ys[targets[j]..][..P];
            for p in 0..P {
                let yj: S::f32s = load(simd, &y[p].0, lane);
                error[p] = gj.mul_add(yj, error[p]);
                store(gj.mul_add(mean[p], yj), &mut y[p].0, lane);
            }
        }
        for error in &mut error {
            *error *= S::f32s::splat(simd, share);
        }
        for &input in inputs {
            let x = &mut xs[input..][..P];
            for p in 0..P {
                store(load::<S, S::f32s>(simd, &x[p].0, lane) + error[p], &mut x[p].0, lane);
            }
        }
        lane += S::f32s::LEN;
    }
}

/// [`mean`] of rows that are first multiplied, coordinate by coordinate, by rows of `weights`. The
/// first of `inputs` is multiplied by row `first` of `weights`, the next one by the next row.
#[inline(always)]
pub(crate) fn weighted_mean<S: Simd>(
    simd: S,
    x: &Tile,
    inputs: &[usize],
    weights: &Tile,
    first: usize,
    mean: &mut Tile,
) {
    let share = S::f32s::splat(simd, 1.0 / inputs.len() as f32);
    for line in 0..x.width {
        let mut lane = 0;
        while lane < LINE {
            let mut sum = S::f32s::splat(simd, 0.0);
            for (i, &input) in inputs.iter().enumerate() {
                let weight: S::f32s =
                    load(simd, &weights.lines[weights.at(first + i) + line].0, lane);
                sum = load::<S, S::f32s>(simd, &x.lines[input + line].0, lane).mul_add(weight, sum);
            }
            store(sum * share, &mut mean.lines[line].0, lane);
            lane += S::f32s::LEN;
        }
    }
}

/// [`update_by_mean`] of a [`weighted_mean`]. With `e = share sum_j g_j y_j`, an input takes `e`
/// times its weight, and the weight takes `e` times the input, coordinate by coordinate, with the
/// old values on the right.
#[inline(always)]
pub(crate) fn update_by_weighted_mean<S: Simd, const T: usize>(
    simd: S,
    x: &mut Tile,
    inputs: &[usize],
    (weights, first): (&mut Tile, usize),
    mean: &Tile,
    share: f32,
    y: &mut Tile,
    targets: &[usize; T],
    gradient: &[f32; T],
) {
    for line in 0..x.width {
        let mut lane = 0;
        while lane < LINE {
            let mut error = S::f32s::splat(simd, 0.0);
            let mean: S::f32s = load(simd, &mean.lines[line].0, lane);
            for j in 0..T {
                let gj = S::f32s::splat(simd, gradient[j]);
                let y = &mut y.lines[targets[j] + line].0;
                let yj: S::f32s = load(simd, y, lane);
                error = gj.mul_add(yj, error);
                store(gj.mul_add(mean, yj), y, lane);
            }
            error *= S::f32s::splat(simd, share);
            for (i, &input) in inputs.iter().enumerate() {
                let place = weights.at(first + i);
                let (x, weight) =
                    (&mut x.lines[input + line].0, &mut weights.lines[place + line].0);
                let (old, by): (S::f32s, S::f32s) = (load(simd, x, lane), load(simd, weight, lane));
                store(error.mul_add(by, old), x, lane);
                store(error.mul_add(old, by), weight, lane);
            }
            lane += S::f32s::LEN;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dispatch;
    use super::super::tile::tests::{close, levels, rows, tile};
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_block_by_the_mean_agrees_with_the_definition(seed: u64, dim in 1..70usize, n in 1..5usize) {
            let (xs, ys, g, share) = (rows(seed, n, dim), rows(!seed, 3, dim), [0.3, -0.2, 0.1], 0.5);
            for level in levels() {
                let (mut x, mut y) = (tile(dim, &xs), tile(dim, &ys));
                let inputs: Vec<usize> = (0..n).map(|i| x.at(i)).collect();
                let targets: [usize; 3] = std::array::from_fn(|j| y.at(j));
                let mut h = Tile::new(1, dim);
                dispatch!(level, simd => mean(simd, &x, &inputs, &mut h, 0));
                dispatch!(level, simd => update_by_mean(simd, &mut x, &inputs, &h, share, &mut y, &targets, &g));
                for c in 0..dim {
                    let m = xs.iter().map(|row| f64::from(row[c])).sum::<f64>() / n as f64;
                    prop_assert!(close(h.row(0)[c], m));
                    let error: f64 = (0..3).map(|j| f64::from(g[j]) * f64::from(ys[j][c])).sum();
                    for i in 0..n {
                        prop_assert!(close(x.row(i)[c], f64::from(xs[i][c]) + f64::from(share) * error));
                    }
                    for j in 0..3 {
                        prop_assert!(close(y.row(j)[c], f64::from(ys[j][c]) + f64::from(g[j]) * m));
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_block_by_the_weighted_mean_agrees_with_the_definition(seed: u64, dim in 1..40usize, n in 1..5usize) {
            let (xs, ys, ws, g) = (rows(seed, n, dim), rows(!seed, 2, dim), rows(seed ^ 5, n + 1, dim), [0.3, -0.2]);
            let share = 0.5;
            for level in levels() {
                let (mut x, mut y, mut w) = (tile(dim, &xs), tile(dim, &ys), tile(dim, &ws));
                let inputs: Vec<usize> = (0..n).map(|i| x.at(i)).collect();
                let targets: [usize; 2] = [y.at(0), y.at(1)];
                let mut h = Tile::new(1, dim);
                dispatch!(level, simd => weighted_mean(simd, &x, &inputs, &w, 1, &mut h));
                dispatch!(level, simd => update_by_weighted_mean(
                    simd, &mut x, &inputs, (&mut w, 1), &h, share, &mut y, &targets, &g));
                for c in 0..dim {
                    let product = |i: usize| f64::from(xs[i][c]) * f64::from(ws[i + 1][c]);
                    let m = (0..n).map(product).sum::<f64>() / n as f64;
                    prop_assert!(close(h.row(0)[c], m));
                    let error: f64 = (0..2).map(|j| f64::from(g[j]) * f64::from(ys[j][c])).sum::<f64>() * f64::from(share);
                    prop_assert!(close(w.row(0)[c], f64::from(ws[0][c])));
                    for i in 0..n {
                        let (x0, w0) = (f64::from(xs[i][c]), f64::from(ws[i + 1][c]));
                        prop_assert!(close(x.row(i)[c], x0 + error * w0));
                        prop_assert!(close(w.row(i + 1)[c], w0 + error * x0));
                    }
                    for j in 0..2 {
                        prop_assert!(close(y.row(j)[c], f64::from(ys[j][c]) + f64::from(g[j]) * m));
                    }
                }
            }
        }
    }
}
