//! The arithmetic of one block of training, the outer product of `n` input rows and `T` target
//! rows. [`errors`] and [`update`] together take `6 n T dim` floating-point operations. Queries
//! need [`dots`] alone.
//!
//! [`update`] walks the columns in panels one vector wide. In a panel the targets stay in registers
//! while the inputs stream by; each input takes two multiply-adds for each target.
//! `docs/design/0003-kernel.md` has the measurements. This file is over 300 lines because almost a
//! third of it is its tests, which run at every SIMD level.

use fearless_simd::{Simd, f32x8, f32x16, prelude::*};

use super::functions::sigmoid;
use super::tile::{LINE, Tile, load, store};

/// A mask for 16 lanes.
type Mask16<S> = <f32x16<S> as SimdBase<S>>::Mask;

/// `scores[i * T + j] = x[inputs[i]] · y[targets[j]]`. A score is the same, bit by bit, whichever
/// others are taken with it.
#[inline(always)]
pub(crate) fn dots<S: Simd, const T: usize>(
    simd: S,
    x: &Tile,
    inputs: &[usize],
    y: &Tile,
    targets: &[usize; T],
    scores: &mut [f32],
) {
    if S::f32s::LEN == LINE {
        wide_dots(simd, x, inputs, y, targets, scores);
    } else {
        dots_by::<S, S::f32s, T>(simd, x, inputs, y, targets, scores, as_it_is);
    }
}

/// `errors[i * T + j] = rate * (label - sigmoid(x[inputs[i]] · y[targets[j]]))`. This is the
/// negative gradient of the logistic loss with respect to the score, times the learning rate.
/// `labels` holds a label, 1 or 0, for every target of every input. Both slices are [`LINE`] floats
/// longer than that; these floats of `errors` are overwritten, and of no use.
#[inline(always)]
pub(crate) fn errors<S: Simd, const T: usize>(
    simd: S,
    rate: f32,
    labels: &[f32],
    x: &Tile,
    inputs: &[usize],
    y: &Tile,
    targets: &[usize; T],
    errors: &mut [f32],
) {
    if inputs.len() == 1 {
        // The errors of one input are needed at once, and are found without leaving the registers.
        if S::f32s::LEN == LINE {
            dots_by::<S, f32x8<S>, T>(
                simd,
                x,
                inputs,
                y,
                targets,
                errors,
                #[inline(always)]
                |at, score| error::<S, f32x8<S>>(simd, rate, labels, at, score),
            );
        } else {
            dots_by::<S, S::f32s, T>(
                simd,
                x,
                inputs,
                y,
                targets,
                errors,
                #[inline(always)]
                |at, score| error::<S, S::f32s>(simd, rate, labels, at, score),
            );
        }
        return;
    }
    dots(simd, x, inputs, y, targets, errors);
    let mut at = 0;
    while at < inputs.len() * T {
        let score: S::f32s = load(simd, errors, at);
        store(error(simd, rate, labels, at, score), errors, at);
        at += S::f32s::LEN;
    }
}

#[inline(always)]
fn as_it_is<V>(_: usize, score: V) -> V {
    score
}

#[inline(always)]
fn error<S: Simd, V: SimdFloat<S, Element = f32>>(
    simd: S,
    rate: f32,
    labels: &[f32],
    at: usize,
    score: V,
) -> V {
    V::splat(simd, rate) * (load::<S, V>(simd, labels, at) - sigmoid(simd, score))
}

/// [`dots`] by vectors of 16 lanes, of which there are 32. Four inputs are taken at a time. On cores
/// that add up 16 lanes in two halves this is as fast as by 8 lanes, and on others faster.
#[inline(always)]
fn wide_dots<S: Simd, const T: usize>(
    simd: S,
    x: &Tile,
    inputs: &[usize],
    y: &Tile,
    targets: &[usize; T],
    out: &mut [f32],
) {
    let mut rows: [&[f32]; T] = [&[]; T];
    for j in 0..T {
        rows[j] = y.row_at(targets[j]);
    }
    let (mut at, mut rest) = (0, inputs);
    // Four times more than six sums would not fit.
    if T <= 6 {
        while let Some((four, more)) = rest.split_first_chunk::<4>() {
            wide_dots_of::<S, 4, T>(simd, x, four, rows, &mut out[at..]);
            (at, rest) = (at + 4 * T, more);
        }
    }
    let mut pairs = rest.chunks_exact(2);
    for pair in &mut pairs {
        wide_dots_of::<S, 2, T>(simd, x, pair, rows, &mut out[at..]);
        at += 2 * T;
    }
    if !pairs.remainder().is_empty() {
        wide_dots_of::<S, 1, T>(simd, x, pairs.remainder(), rows, &mut out[at..]);
    }
}

/// [`wide_dots`] of `N` inputs, with all sums in registers.
#[inline(always)]
fn wide_dots_of<S: Simd, const N: usize, const T: usize>(
    simd: S,
    x: &Tile,
    inputs: &[usize],
    y: [&[f32]; T],
    out: &mut [f32],
) {
    let mut rows: [&[f32]; N] = [&[]; N];
    for i in 0..N {
        rows[i] = x.row_at(inputs[i]);
    }
    let mut sums = [[f32x16::<S>::splat(simd, 0.0); T]; N];
    let (whole, rest) = (x.dim - x.dim % LINE, x.dim % LINE);
    // A short rest takes half a vector. It comes first: a product of halves begins the sums.
    let end = if 0 < rest && rest <= 8 { whole } else { x.width * LINE };
    if end == whole && rest > 0 {
        let zero = f32x8::splat(simd, 0.0);
        let mut xs = [zero; N];
        for i in 0..N {
            xs[i] = load(simd, rows[i], whole);
        }
        for j in 0..T {
            let yj: f32x8<S> = load(simd, y[j], whole);
            for i in 0..N {
                sums[i][j] = (xs[i] * yj).combine(zero);
            }
        }
    }
    let mut column = 0;
    while column < end {
        let mut xs = [f32x16::splat(simd, 0.0); N];
        for i in 0..N {
            xs[i] = load(simd, rows[i], column);
        }
        for j in 0..T {
            let yj: f32x16<S> = load(simd, y[j], column);
            for i in 0..N {
                sums[i][j] = xs[i].mul_add(yj, sums[i][j]);
            }
        }
        column += LINE;
    }
    let mut at = 0;
    while at < N * T {
        let sixteen = wide_horizontal_sums(simd, &sums, at);
        let left = LINE.min(N * T - at);
        if at + LINE <= out.len() {
            store(sixteen, out, at);
        } else {
            out[at..at + left].copy_from_slice(&sixteen.as_slice()[..left]);
        }
        at += LINE;
    }
}

/// Sums the lanes of each of the 16 vectors from the `at`th on. Beyond the last vector the lanes of
/// the result are of no use.
#[inline(always)]
fn wide_horizontal_sums<S: Simd, const N: usize, const T: usize>(
    simd: S,
    vectors: &[[f32x16<S>; T]; N],
    at: usize,
) -> f32x16<S> {
    let lower = Mask16::<S>::from_bitmask(simd, 0x00ff);
    let zero = f32x16::splat(simd, 0.0);
    // Two vectors become one, by their halves; then neighbouring lanes are added three times.
    let mut eight = [zero; 8];
    let mut i = 0;
    while i < 8 && at + 2 * i < N * T {
        let (first, second) = (at + 2 * i, (at + 2 * i + 1).min(N * T - 1));
        let (a, b) = (vectors[first / T][first % T], vectors[second / T][second % T]);
        eight[i] = lower.select(a, b) + a.slide::<8>(b);
        i += 1;
    }
    let used = i;
    let mut four = [zero; 4];
    let mut i = 0;
    while 2 * i < used {
        four[i] = neighbours(eight[2 * i], eight[2 * i + 1]);
        i += 1;
    }
    let two = neighbours(four[0], four[1]);
    neighbours(two, if used > 4 { neighbours(four[2], four[3]) } else { two })
}

/// The sums of neighbouring lanes of `a`, then those of `b`.
#[inline(always)]
fn neighbours<S: Simd>(a: f32x16<S>, b: f32x16<S>) -> f32x16<S> {
    a.unzip_low(b) + a.unzip_high(b)
}

/// Takes the dot products of two inputs at a time with all targets. `finish` gets vectors of these
/// products, with their place among the `2 T` products of the two inputs. The vectors that it
/// returns are stored.
#[inline(always)]
fn dots_by<S: Simd, V: SimdFloat<S, Element = f32>, const T: usize>(
    simd: S,
    x: &Tile,
    inputs: &[usize],
    y: &Tile,
    targets: &[usize; T],
    out: &mut [f32],
    finish: impl Fn(usize, V) -> V,
) {
    let length = x.dim.next_multiple_of(V::LEN);
    let mut rows: [&[f32]; T] = [&[]; T];
    for j in 0..T {
        rows[j] = &y.row_at(targets[j])[..length];
    }
    let mut pairs = inputs.chunks_exact(2);
    for (pair, out) in (&mut pairs).zip(out.chunks_exact_mut(2 * T)) {
        dots_of::<S, V, 2, T>(
            simd,
            length,
            [&x.row_at(pair[0])[..length], &x.row_at(pair[1])[..length]],
            rows,
            out,
            &finish,
        );
    }
    if let [last] = *pairs.remainder() {
        let out = &mut out[(inputs.len() - 1) * T..][..T];
        dots_of::<S, V, 1, T>(simd, length, [&x.row_at(last)[..length]], rows, out, &finish);
    }
}

/// [`dots_by`] for `N` inputs with all sums in registers. All rows are `length` floats long.
#[inline(always)]
fn dots_of<S: Simd, V: SimdFloat<S, Element = f32>, const N: usize, const T: usize>(
    simd: S,
    length: usize,
    x: [&[f32]; N],
    y: [&[f32]; T],
    out: &mut [f32],
    finish: &impl Fn(usize, V) -> V,
) {
    let mut sums = [[V::splat(simd, 0.0); T]; N];
    let mut column = 0;
    while column + V::LEN <= length {
        let mut xs = [V::splat(simd, 0.0); N];
        for i in 0..N {
            xs[i] = load(simd, x[i], column);
        }
        for j in 0..T {
            let yj: V = load(simd, y[j], column);
            for i in 0..N {
                sums[i][j] = xs[i].mul_add(yj, sums[i][j]);
            }
        }
        column += V::LEN;
    }
    let sums = horizontal_sums(simd, sums);
    let mut at = 0;
    while at < N * T {
        let part = V::LEN.min(N * T - at);
        out[at..at + part].copy_from_slice(
            &finish(at, sums[at / V::LEN / T][at / V::LEN % T]).as_slice()[..part],
        );
        at += V::LEN;
    }
}

/// Sums the lanes of each vector. The sums are returned in the order of the vectors, in the lanes
/// of the first ones. Vectors are passed by value, so that they stay in registers.
///
/// Blends and shifts within blocks of four lanes fold four vectors into one, at a fraction of the
/// cost of the instructions for horizontal addition. Then the blocks of two vectors are folded into
/// one.
#[inline(always)]
fn horizontal_sums<S: Simd, V: SimdFloat<S, Element = f32>, const N: usize, const T: usize>(
    simd: S,
    mut vectors: [[V; T]; N],
) -> [[V; T]; N] {
    debug_assert!(V::LEN == 4 || V::LEN == 8, "dots are taken by vectors of 4 or 8 lanes");
    let first_two = V::Mask::from_bitmask(simd, 0b0011_0011);
    let even = V::Mask::from_bitmask(simd, 0b0101_0101);
    let first_block = V::Mask::from_bitmask(simd, 0b0000_1111);
    let count = N * T;
    let mut group = 0;
    while group * 4 < count {
        // Beyond the end, the last vector takes the place of the missing ones.
        let mut four = [vectors[0][0]; 4];
        for (i, vector) in four.iter_mut().enumerate() {
            let at = if group * 4 + i < count { group * 4 + i } else { count - 1 };
            *vector = vectors[at / T][at % T];
        }
        let [a, b, c, d] = four;
        // [a0+a2 a1+a3 c0+c2 c1+c3], then [a b c d]; the same in each block.
        let ac = first_two.select(a, c) + a.slide_within_blocks::<2>(c);
        let bd = first_two.select(b, d) + b.slide_within_blocks::<2>(d);
        let sums =
            even.select(ac + ac.slide_within_blocks::<1>(ac), bd + bd.slide_within_blocks::<3>(bd));
        vectors[group / T][group % T] = sums;
        group += 1;
    }
    if V::LEN == 8 {
        let mut i = 0;
        while i < group {
            let a = vectors[i / T][i % T];
            let b = if i + 1 < group { vectors[(i + 1) / T][(i + 1) % T] } else { a };
            vectors[i / 2 / T][i / 2 % T] = first_block.select(a, b) + a.slide::<4>(b);
            i += 2;
        }
    }
    vectors
}

/// `x_i += sum_j g_ij y_j` and `y_j += sum_i g_ij x_i`, with the old values on the right.
/// `gradient[i * T + j]` is `g_ij`. An input that is named twice is updated twice.
#[inline(always)]
pub(crate) fn update<S: Simd, const T: usize>(
    simd: S,
    x: &mut Tile,
    inputs: &[usize],
    y: &mut Tile,
    targets: &[usize; T],
    gradient: &[f32],
) {
    update_by(simd, x, (inputs, gradient), y, targets);
}

/// `x_i += h_i y_i` and `y_i += h_i x_i`, with the old values on the right, for inputs and targets
/// that each belong together. A target that several inputs have is updated by one after the other.
#[inline(always)]
pub(crate) fn update_own<S: Simd>(
    simd: S,
    x: &mut Tile,
    inputs: &[usize],
    y: &mut Tile,
    own: &[usize],
    gradient: &[f32],
) {
    for (i, (&input, &target)) in inputs.iter().zip(own).enumerate() {
        update::<S, 1>(simd, x, &[input], y, &[target], &gradient[i..=i]);
    }
}

/// [`update`] of row `row` of `x` alone: targets stand still.
#[inline(always)]
pub(crate) fn update_input<S: Simd, const T: usize>(
    simd: S,
    x: &mut Tile,
    row: usize,
    y: &Tile,
    targets: &[usize; T],
    gradient: &[f32; T],
) {
    let at = x.at(row);
    let (row, rows) = (&mut x.lines[at..][..y.width], &y.lines[..]);
    for (line, to) in row.iter_mut().enumerate() {
        let mut lane = 0;
        while lane < LINE {
            let mut sum: S::f32s = load(simd, &to.0, lane);
            for j in 0..T {
                let g = S::f32s::splat(simd, gradient[j]);
                let y: S::f32s = load(simd, &rows[targets[j] + line].0, lane);
                sum = g.mul_add(y, sum);
            }
            store(sum, &mut to.0, lane);
            lane += S::f32s::LEN;
        }
    }
}

/// `errors[i] = rate * (1 - sigmoid(x[inputs[i]] · y[own[i]]))`: those of inputs that each predict a
/// target of their own. `errors` is [`LINE`] floats longer than there are inputs; these floats are
/// overwritten, and of no use.
#[inline(always)]
pub(crate) fn own_errors<S: Simd>(
    simd: S,
    rate: f32,
    x: &Tile,
    inputs: &[usize],
    y: &Tile,
    own: &[usize],
    errors: &mut [f32],
) {
    if S::f32s::LEN == LINE {
        own_errors_by::<S, f32x8<S>>(simd, rate, x, inputs, y, own, errors);
    } else {
        own_errors_by::<S, S::f32s>(simd, rate, x, inputs, y, own, errors);
    }
}

#[inline(always)]
fn own_errors_by<S: Simd, V: SimdFloat<S, Element = f32>>(
    simd: S,
    rate: f32,
    x: &Tile,
    inputs: &[usize],
    y: &Tile,
    own: &[usize],
    errors: &mut [f32],
) {
    let (n, mut at) = (inputs.len(), 0);
    // Four sums are on their way at a time, so that none is waited for.
    while at + 4 <= n {
        own_dots::<S, V, 4>(simd, x, &inputs[at..], y, &own[at..], &mut errors[at..]);
        at += 4;
    }
    while at < n {
        own_dots::<S, V, 1>(simd, x, &inputs[at..], y, &own[at..], &mut errors[at..]);
        at += 1;
    }
    let (rate, one) = (V::splat(simd, rate), V::splat(simd, 1.0));
    let mut at = 0;
    while at < n {
        let score: V = load(simd, errors, at);
        store(rate * (one - sigmoid(simd, score)), errors, at);
        at += V::LEN;
    }
}

/// The products of the first `N` inputs with their own targets.
#[inline(always)]
fn own_dots<S: Simd, V: SimdFloat<S, Element = f32>, const N: usize>(
    simd: S,
    x: &Tile,
    inputs: &[usize],
    y: &Tile,
    own: &[usize],
    out: &mut [f32],
) {
    let length = x.dim.next_multiple_of(V::LEN);
    let mut rows: [[&[f32]; 2]; N] = [[&[]; 2]; N];
    for i in 0..N {
        rows[i] = [&x.row_at(inputs[i])[..length], &y.row_at(own[i])[..length]];
    }
    let mut sums = [[V::splat(simd, 0.0); N]];
    let mut column = 0;
    while column + V::LEN <= length {
        for i in 0..N {
            let xi: V = load(simd, rows[i][0], column);
            let yi: V = load(simd, rows[i][1], column);
            sums[0][i] = xi.mul_add(yi, sums[0][i]);
        }
        column += V::LEN;
    }
    out[..N].copy_from_slice(&horizontal_sums(simd, sums)[0][0].as_slice()[..N]);
}

#[inline(always)]
fn update_by<S: Simd, const T: usize>(
    simd: S,
    x: &mut Tile,
    of: (&[usize], &[f32]),
    y: &mut Tile,
    targets: &[usize; T],
) {
    let (whole, rest) = (x.dim / LINE, x.dim % LINE);
    // Half a vector is enough for a short rest of a row: at dimension 100 with 16 lanes it saves a
    // fourteenth.
    let half = S::f32s::LEN > 8 && 0 < rest && rest <= 8;
    let end = if half { whole } else { x.width };
    let mut line = 0;
    if S::f32s::LEN == LINE {
        // With 32 registers, two panels are done at a time: an error is then broadcast to a vector
        // once for both.
        while line + 2 <= end {
            panel::<S, S::f32s, 2, T>(simd, (line, 0), x, of, y, targets);
            line += 2;
        }
    }
    while line < end {
        let mut lane = 0;
        while lane < LINE {
            panel::<S, S::f32s, 1, T>(simd, (line, lane), x, of, y, targets);
            lane += S::f32s::LEN;
        }
        line += 1;
    }
    if half {
        panel::<S, f32x8<S>, 1, T>(simd, (line, 0), x, of, y, targets);
    }
}

/// [`update`] of the columns of one vector, which begins at `lane` of the line `line` of each row,
/// and of the columns at the same lane of the `P - 1` lines after it.
#[inline(always)]
fn panel<S: Simd, V: SimdFloat<S, Element = f32>, const P: usize, const T: usize>(
    simd: S,
    (line, lane): (usize, usize),
    x: &mut Tile,
    (inputs, gradient): (&[usize], &[f32]),
    y: &mut Tile,
    targets: &[usize; T],
) {
    // Here and above, loops are used instead of closures: a closure that is not inlined into the
    // vectorized caller costs dearly.
    let mut old = [[V::splat(simd, 0.0); P]; T];
    for j in 0..T {
        let y = &y.lines[targets[j] + line..][..P];
        for p in 0..P {
            old[j][p] = load(simd, &y[p].0, lane);
        }
    }
    let mut new = old;
    // A slice of its own: the compiler reads the pointer in `x` anew after each write to a row.
    let rows = &mut x.lines[line..];
    for (&input, g) in inputs.iter().zip(gradient.as_chunks::<T>().0) {
        let x = &mut rows[input..][..P];
        let mut before = [V::splat(simd, 0.0); P];
        for p in 0..P {
            before[p] = load(simd, &x[p].0, lane);
        }
        let mut after = before;
        for j in 0..T {
            let gj = V::splat(simd, g[j]);
            for p in 0..P {
                after[p] = gj.mul_add(old[j][p], after[p]);
                new[j][p] = gj.mul_add(before[p], new[j][p]);
            }
        }
        for p in 0..P {
            store(after[p], &mut x[p].0, lane);
        }
    }
    for j in 0..T {
        let y = &mut y.lines[targets[j] + line..][..P];
        for p in 0..P {
            store(new[j][p], &mut y[p].0, lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use fearless_simd::Level;
    use proptest::prelude::*;

    use super::super::dispatch;
    use super::super::tile::tests::{close, levels, rows, tile};
    use super::*;

    #[inline(always)]
    fn block<S: Simd>(
        simd: S,
        x: &mut Tile,
        inputs: &[usize],
        y: &mut Tile,
        scores: &mut [f32],
        rate: f32,
    ) {
        let targets: [usize; 3] = std::array::from_fn(|j| y.at(j));
        let labels: Vec<f32> = (0..scores.len()).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
        errors::<S, 3>(simd, rate, &labels, x, inputs, y, &targets, scores);
        update::<S, 3>(simd, x, inputs, y, &targets, scores);
    }

    #[inline(always)]
    fn all_dots<S: Simd, const T: usize>(simd: S, x: &Tile, n: usize, y: &Tile) -> Vec<f32> {
        let inputs: Vec<usize> = (0..n).map(|i| x.at(i)).collect();
        let mut scores = vec![0.0; n * T];
        dots::<S, T>(simd, x, &inputs, y, &std::array::from_fn(|j| y.at(j)), &mut scores);
        scores
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_dot_product_is_right_and_does_not_depend_on_others(seed: u64, dim in 1..130usize, n in 1..12usize) {
            let (xs, ys) = (rows(seed, n, dim), rows(!seed, 8, dim));
            let (x, y) = (tile(dim, &xs), tile(dim, &ys));
            for level in levels() {
                let six = dispatch!(level, simd => all_dots::<_, 6>(simd, &x, n, &y));
                let eight = dispatch!(level, simd => all_dots::<_, 8>(simd, &x, n, &y));
                for i in 0..n {
                    let alone = dispatch!(level, simd => all_dots::<_, 6>(simd, &tile(dim, &xs[i..=i]), 1, &y));
                    for j in 0..6 {
                        let right: f64 = xs[i].iter().zip(&ys[j]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                        prop_assert!(close(six[i * 6 + j], right), "{i} {j} {level:?}");
                        prop_assert_eq!(six[i * 6 + j].to_bits(), alone[j].to_bits());
                        prop_assert_eq!(six[i * 6 + j].to_bits(), eight[i * 8 + j].to_bits());
                    }
                }
            }
        }

        #[test]
        fn a_block_agrees_with_the_definition(seed: u64, dim in 1..70usize, n in 1..7usize) {
            let (xs, ys, rate) = (rows(seed, n, dim), rows(!seed, 3, dim), 0.3);
            for level in levels() {
                let (mut x, mut y) = (tile(dim, &xs), tile(dim, &ys));
                let inputs: Vec<usize> = (0..n).map(|i| x.at(i)).collect();
                let mut g = vec![0.0; n * 3 + LINE];
                dispatch!(level, simd => block(simd, &mut x, &inputs, &mut y, &mut g, rate));
                let gold = |i: usize, j: usize| {
                    let dot: f64 = xs[i].iter().zip(&ys[j]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    f64::from(rate) * (f64::from(u8::from(j == 0)) - 1.0 / (1.0 + (-dot).exp()))
                };
                for i in 0..n {
                    for c in 0..dim {
                        let step: f64 = (0..3).map(|j| gold(i, j) * f64::from(ys[j][c])).sum();
                        prop_assert!(close(x.row(i)[c], f64::from(xs[i][c]) + step), "x {i} {c} {level:?}");
                    }
                    prop_assert!(x.row(i)[dim..].iter().all(|&p| p == 0.0));
                }
                for j in 0..3 {
                    for c in 0..dim {
                        let step: f64 = (0..n).map(|i| gold(i, j) * f64::from(xs[i][c])).sum();
                        prop_assert!(close(y.row(j)[c], f64::from(ys[j][c]) + step), "y {j} {c} {level:?}");
                    }
                }
            }
        }
    }

    /// A block of noise, and for each input a target of its own.
    #[inline(always)]
    fn block_with_own<S: Simd>(
        simd: S,
        x: &mut Tile,
        inputs: &[usize],
        y: &mut Tile,
        own: &[usize],
        scores: &mut [f32],
        rate: f32,
    ) {
        let targets: [usize; 3] = std::array::from_fn(|j| y.at(j));
        let labels = vec![0.0; scores.len()];
        errors::<S, 3>(simd, rate, &labels, x, inputs, y, &targets, scores);
        let mut own_scores = vec![0.0; inputs.len() + LINE];
        own_errors(simd, rate, x, inputs, y, own, &mut own_scores);
        update::<S, 3>(simd, x, inputs, y, &targets, scores);
        update_own(simd, x, inputs, y, own, &own_scores);
    }

    /// Compares with the slope of the loss, in f64. Each input has a target of its own, which no
    /// other has.
    #[test]
    fn a_step_with_own_targets_follows_the_slope_of_the_loss() {
        // Own targets are corrected last, by inputs that have already moved a little.
        let (rate, near) = (1e-3, |got: f32, was: f32, slope: f64| {
            (f64::from(got - was) / 1e-3 - slope).abs() < 0.02 * (1.0 + slope.abs())
        });
        for (dim, n) in [(1, 1), (5, 2), (19, 7), (100, 8), (33, 9)] {
            let (xs, ys) = (rows(7, n, dim), rows(8, 3 + n, dim));
            for level in levels() {
                let (mut x, mut y) = (tile(dim, &xs), tile(dim, &ys));
                let inputs: Vec<usize> = (0..n).map(|i| x.at(i)).collect();
                let own: Vec<usize> = (0..n).map(|i| y.at(3 + i)).collect();
                let mut g = vec![0.0; 3 * n + LINE];
                dispatch!(level, simd => block_with_own(simd, &mut x, &inputs, &mut y, &own, &mut g, rate));
                let dot = |a: &[f32], b: &[f32]| -> f64 {
                    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
                };
                let slope = |i: usize, j: usize| {
                    let label = f64::from(u8::from(j == 3 + i));
                    label - 1.0 / (1.0 + (-dot(&xs[i], &ys[j])).exp())
                };
                let met = |i: usize, j: usize| j < 3 || j == 3 + i;
                for c in 0..dim {
                    for i in 0..n {
                        let down: f64 = (0..3 + n)
                            .filter(|&j| met(i, j))
                            .map(|j| slope(i, j) * f64::from(ys[j][c]))
                            .sum();
                        let right = near(x.row(i)[c], xs[i][c], down);
                        assert!(right, "x {i} {c} of {n} x {dim}, {level:?}");
                    }
                    for j in 0..3 + n {
                        let down: f64 = (0..n)
                            .filter(|&i| met(i, j))
                            .map(|i| slope(i, j) * f64::from(xs[i][c]))
                            .sum();
                        let right = near(y.row(j)[c], ys[j][c], down);
                        assert!(right, "y {j} {c} of {n} x {dim}, {level:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn sigmoid_is_right_everywhere() {
        let x: Vec<f32> =
            (-16_000..=16_000).map(|i| i as f32 / 160.0).chain([1e30, -1e30, 0.0]).collect();
        for level in levels() {
            for &x in &x {
                let (row, one) = (tile(1, &[vec![x]]), tile(1, &[vec![1.0]]));
                let mut got = [0.0; LINE + 1];
                dispatch!(level, simd => errors(simd, -1.0, &[0.0; LINE + 1], &row, &[0], &one, &[0], &mut got));
                let expected = 1.0 / (1.0 + (-f64::from(x)).exp());
                assert!(
                    (f64::from(got[0]) - expected).abs() < 4e-7,
                    "sigmoid({x}) = {}, not {expected}",
                    got[0]
                );
            }
            let (row, one) = (tile(1, &[vec![f32::NAN]]), tile(1, &[vec![1.0]]));
            let mut got = [0.0; LINE + 1];
            dispatch!(level, simd => errors(simd, -1.0, &[0.0; LINE + 1], &row, &[0], &one, &[0], &mut got));
            assert!(got[0].is_nan(), "divergence must show");
        }
    }

    /// Compares with finite differences of the loss, in f64: `update` adds the learning rate times
    /// the downhill slope.
    #[test]
    fn a_step_follows_the_slope_of_the_loss() {
        let (dim, rate) = (5, 1e-2);
        let (xs, ys) = (rows(7, 2, dim), rows(8, 3, dim));
        let loss = |xs: &[Vec<f64>], ys: &[Vec<f64>]| -> f64 {
            let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
            let one = |x: &Vec<f64>, (j, y): (usize, &Vec<f64>)| {
                let signed = if j == 0 { -dot(x, y) } else { dot(x, y) };
                signed.exp().ln_1p()
            };
            xs.iter().flat_map(|x| ys.iter().enumerate().map(move |y| one(x, y))).sum()
        };
        let wide = |rows: &[Vec<f32>]| -> Vec<Vec<f64>> {
            rows.iter().map(|row| row.iter().copied().map(f64::from).collect()).collect()
        };
        let (mut x, mut y) = (tile(dim, &xs), tile(dim, &ys));
        let inputs = [x.at(0), x.at(1)];
        let mut g = [0.0; 6 + LINE];
        dispatch!(Level::new(), simd => block(simd, &mut x, &inputs, &mut y, &mut g, rate));
        for c in 0..dim {
            for i in 0..2 {
                let (mut up, mut down) = (wide(&xs), wide(&xs));
                up[i][c] += 1e-4;
                down[i][c] -= 1e-4;
                let slope = (loss(&up, &wide(&ys)) - loss(&down, &wide(&ys))) / 2e-4;
                let step = f64::from(x.row(i)[c] - xs[i][c]) / f64::from(rate);
                assert!(
                    (step + slope).abs() < 1e-4,
                    "input {i}, column {c}: step {step}, slope {slope}"
                );
            }
            for j in 0..3 {
                let (mut up, mut down) = (wide(&ys), wide(&ys));
                up[j][c] += 1e-4;
                down[j][c] -= 1e-4;
                let slope = (loss(&wide(&xs), &up) - loss(&wide(&xs), &down)) / 2e-4;
                let step = f64::from(y.row(j)[c] - ys[j][c]) / f64::from(rate);
                assert!(
                    (step + slope).abs() < 1e-4,
                    "target {j}, column {c}: step {step}, slope {slope}"
                );
            }
        }
    }
}
