//! The rotation that brings one set of vectors nearest to another (Schönemann 1966, "A generalized
//! solution of the orthogonal Procrustes problem").

use super::eigen::eigenvectors;
use super::principal::{dot, orthonormal};

/// The rotation or reflection `r` for which the rows `x r` are nearest to the rows `y`, of `n` numbers
/// each: `moments` is the product of the transposed `x` with `y`. It is the product `u v` of the two
/// rotations in the singular value decomposition of `moments`, and row by row `n` times `n` numbers.
pub(crate) fn rotation(moments: &[f64], n: usize) -> Vec<f64> {
    // The right singular vectors are eigenvectors of the square, and each left one is what `moments`
    // makes of its right one.
    let columns: Vec<Vec<f64>> =
        (0..n).map(|j| (0..n).map(|i| moments[i * n + j]).collect()).collect();
    let square: Vec<f64> = columns
        .iter()
        .flat_map(|a| columns.iter().map(|b| dot(a, b)).collect::<Vec<_>>())
        .collect();
    let right: Vec<Vec<f64>> = eigenvectors(&square, n).into_iter().map(|(_, v)| v).collect();
    let mut left: Vec<Vec<f64>> =
        right.iter().map(|v| moments.chunks_exact(n).map(|row| dot(row, v)).collect()).collect();
    // Small singular values leave their left vectors to rounding. They come last, and any directions
    // that are left over do for them.
    let lengths = orthonormal(&mut left);
    let largest = lengths.iter().copied().fold(0.0, f64::max);
    let known: Vec<bool> = lengths.iter().map(|&length| length > 1e-9 * largest).collect();
    for (i, &known) in known.iter().enumerate() {
        if !known {
            left[i] = free_direction(&left, i, n);
        }
    }
    let mut rotation = vec![0.0; n * n];
    for (u, v) in left.iter().zip(&right) {
        for (row, &x) in rotation.chunks_exact_mut(n).zip(u) {
            row.iter_mut().zip(v).for_each(|(sum, y)| *sum += x * y);
        }
    }
    rotation
}

/// A unit vector at right angles to all of `vectors` but number `free`.
fn free_direction(vectors: &[Vec<f64>], free: usize, n: usize) -> Vec<f64> {
    let others = || vectors.iter().enumerate().filter(|(i, _)| *i != free).map(|(_, v)| v);
    // Of all axes at least one is far enough from the others.
    let best = (0..n).max_by(|&a, &b| {
        let left = |axis: usize| 1.0 - others().map(|v| v[axis] * v[axis]).sum::<f64>();
        left(a).total_cmp(&left(b))
    });
    let mut direction = vec![0.0; n];
    direction[best.unwrap_or(0)] = 1.0;
    for _ in 0..2 {
        for other in others() {
            let along = dot(&direction, other);
            direction.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
        }
    }
    let length = dot(&direction, &direction).sqrt();
    direction.iter().map(|x| x / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{generator, normal};

    fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
        let cell = |i: usize, j: usize| (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum();
        (0..n * n).map(|at| cell(at / n, at % n)).collect()
    }

    fn transposed(a: &[f64], n: usize) -> Vec<f64> {
        (0..n * n).map(|at| a[at % n * n + at / n]).collect()
    }

    fn moments(x: &[f64], y: &[f64], n: usize) -> Vec<f64> {
        let mut moments = vec![0.0; n * n];
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact(n)) {
            for at in 0..n * n {
                moments[at] += x[at / n] * y[at % n];
            }
        }
        moments
    }

    #[test]
    fn a_rotation_is_found_again() {
        let mut random = generator(7);
        for (n, rows) in [(1, 3), (2, 5), (6, 40), (6, 2), (17, 60)] {
            let mut draw =
                |count: usize| -> Vec<f64> { (0..count).map(|_| normal(&mut random)).collect() };
            let mut axes: Vec<Vec<f64>> =
                draw(n * n).chunks_exact(n).map(<[f64]>::to_vec).collect();
            orthonormal(&mut axes);
            let turn = axes.concat();
            let x = draw(rows * n);
            let y: Vec<f64> = x
                .chunks_exact(n)
                .flat_map(|row| {
                    (0..n)
                        .map(|j| (0..n).map(|i| row[i] * turn[i * n + j]).sum())
                        .collect::<Vec<f64>>()
                })
                .collect();
            let found = rotation(&moments(&x, &y, n), n);
            // It is a rotation even where the rows say little.
            let unit = product(&found, &transposed(&found, n), n);
            for (at, one) in unit.iter().enumerate() {
                assert!(
                    (one - f64::from(u8::from(at % n == at / n))).abs() < 1e-9,
                    "{n} {rows} {unit:?}"
                );
            }
            if rows >= n {
                for (a, b) in found.iter().zip(&turn) {
                    assert!((a - b).abs() < 1e-8, "{n}: {a} {b}");
                }
            }
        }
    }
}
