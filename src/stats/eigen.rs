//! All directions of a symmetric matrix: its eigenvectors, by Householder's reduction to three
//! diagonals and the QL method with implicit shifts (Bowdler, Martin, Reinsch & Wilkinson 1968).

/// The most rounds for one eigenvalue; few are needed.
const ROUNDS: usize = 60;

/// The eigenvectors of a symmetric matrix, the one of the largest eigenvalue first, each with its
/// eigenvalue. `matrix` has `n` rows of `n` numbers, of which those up to the diagonal are read.
pub(crate) fn eigenvectors(matrix: &[f64], n: usize) -> Vec<(f64, Vec<f64>)> {
    let mut vectors: Vec<Vec<f64>> = matrix.chunks_exact(n).map(<[f64]>::to_vec).collect();
    let (mut diagonal, mut beside) = reduce(&mut vectors, n);
    solve(&mut vectors, &mut diagonal, &mut beside, n);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    let column = |k: usize| vectors.iter().map(|row| row[k]).collect();
    order.into_iter().map(|k| (diagonal[k], column(k))).collect()
}

/// Reduces a symmetric matrix to its diagonal and what is beside it; `z` becomes the rotation.
fn reduce(z: &mut [Vec<f64>], n: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
    for i in (1..n).rev() {
        let scale: f64 = z[i][..i].iter().map(|x| x.abs()).sum();
        let mut h = 0.0;
        if i == 1 || scale == 0.0 {
            beside[i] = z[i][i - 1];
        } else {
            for x in &mut z[i][..i] {
                *x /= scale;
                h += *x * *x;
            }
            let f = z[i][i - 1];
            let g = if f >= 0.0 { -h.sqrt() } else { h.sqrt() };
            beside[i] = scale * g;
            h -= f * g;
            z[i][i - 1] = f - g;
            let u = z[i][..i].to_vec();
            let mut along = 0.0;
            for j in 0..i {
                z[j][i] = u[j] / h;
                let above: f64 = z[j][..=j].iter().zip(&u).map(|(x, u)| x * u).sum();
                let below: f64 = (j + 1..i).map(|k| z[k][j] * u[k]).sum();
                beside[j] = (above + below) / h;
                along += beside[j] * u[j];
            }
            let half = along / (h + h);
            for j in 0..i {
                let f = u[j];
                beside[j] -= half * f;
                let g = beside[j];
                for k in 0..=j {
                    z[j][k] -= f * beside[k] + g * u[k];
                }
            }
        }
        diagonal[i] = h;
    }
    for i in 0..n {
        if diagonal[i] != 0.0 {
            for j in 0..i {
                let along: f64 = (0..i).map(|k| z[i][k] * z[k][j]).sum();
                for row in &mut z[..i] {
                    row[j] -= along * row[i];
                }
            }
        }
        diagonal[i] = z[i][i];
        z[i][i] = 1.0;
        z[i][..i].fill(0.0);
        for row in &mut z[..i] {
            row[i] = 0.0;
        }
    }
    (diagonal, beside)
}

/// Rotates until nothing is left beside the diagonal, and `z` along with it.
fn solve(z: &mut [Vec<f64>], diagonal: &mut [f64], beside: &mut [f64], n: usize) {
    beside.rotate_left(1);
    beside[n - 1] = 0.0;
    for l in 0..n {
        for _ in 0..ROUNDS {
            let small = |m: &usize| {
                let around = diagonal[*m].abs() + diagonal[*m + 1].abs();
                beside[*m].abs() <= f64::EPSILON * around
            };
            let m = (l..n - 1).find(small).unwrap_or(n - 1);
            if m == l {
                break;
            }
            let mut g = (diagonal[l + 1] - diagonal[l]) / (2.0 * beside[l]);
            let mut r = g.hypot(1.0);
            g = diagonal[m] - diagonal[l] + beside[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut i = m;
            while i > l {
                i -= 1;
                let (f, b) = (s * beside[i], c * beside[i]);
                r = f.hypot(g);
                beside[i + 1] = r;
                if r == 0.0 {
                    diagonal[i + 1] -= p;
                    beside[m] = 0.0;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = diagonal[i + 1] - p;
                r = (diagonal[i] - g) * s + 2.0 * c * b;
                p = s * r;
                diagonal[i + 1] = g + p;
                g = c * r - b;
                for row in &mut *z {
                    let (low, high) = (row[i], row[i + 1]);
                    row[i + 1] = s * low + c * high;
                    row[i] = c * low - s * high;
                }
            }
            if r == 0.0 && i > l {
                continue;
            }
            diagonal[l] -= p;
            beside[l] = g;
            beside[m] = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{generator, normal};

    #[test]
    fn eigenvectors_rebuild_the_matrix_and_are_at_right_angles() {
        let mut rng = generator(4);
        for n in [1, 2, 3, 8, 40] {
            // A matrix with equal and with vanishing eigenvalues among others.
            let mut factor: Vec<Vec<f64>> =
                (0..n).map(|_| (0..n).map(|_| normal(&mut rng)).collect()).collect();
            if n > 3 {
                factor[1] = factor[0].clone();
                factor[2] = vec![0.0; n];
            }
            let entry =
                |i: usize, j: usize| -> f64 { factor.iter().map(|row| row[i] * row[j]).sum() };
            let matrix: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
            let found = eigenvectors(&matrix, n);
            assert!(found.windows(2).all(|pair| pair[0].0 >= pair[1].0));
            let size = matrix.iter().map(|x| x.abs()).fold(0.0, f64::max);
            for i in 0..n {
                for j in 0..n {
                    let sum: f64 = found.iter().map(|(value, v)| value * v[i] * v[j]).sum();
                    assert!((sum - matrix[i * n + j]).abs() < 1e-10 * size, "{n}");
                    let angle: f64 = found[i].1.iter().zip(&found[j].1).map(|(a, b)| a * b).sum();
                    assert!((angle - f64::from(u8::from(i == j))).abs() < 1e-10, "{n}");
                }
            }
        }
        let plain = eigenvectors(&[2.0, 0.0, 0.0, 5.0], 2);
        assert_eq!((plain[0].0, plain[1].0), (5.0, 2.0));
    }
}
