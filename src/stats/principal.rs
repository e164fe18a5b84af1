//! The directions along which vectors lie: principal components by subspace iteration.

/// The most rounds of the iteration, which ends earlier if the directions stand still.
const ROUNDS: usize = 1000;

/// The `k` directions that hold most of the squared length of `rows`, each with its share of it,
/// the largest share first. The directions are unit vectors at right angles, and `rows` are vectors
/// of dimension `dim`, one after another. The directions are taken about the origin: for components
/// in the usual sense, take the mean off first. There are fewer than `k` if the rows lie in fewer
/// directions.
pub(crate) fn components(rows: &[f64], dim: usize, k: usize) -> Vec<(Vec<f64>, f64)> {
    let mut moments = vec![0.0; dim * dim];
    for row in rows.chunks_exact(dim) {
        for (i, &x) in row.iter().enumerate().filter(|(_, x)| **x != 0.0) {
            moments[i * dim..][..dim].iter_mut().zip(row).for_each(|(m, y)| *m += x * y);
        }
    }
    let total: f64 = (0..dim).map(|i| moments[i * dim + i]).sum();
    // One direction more than asked for makes the others converge sooner.
    let mut basis: Vec<Vec<f64>> = (0..(k + 1).min(dim))
        .map(|j| {
            (0..dim)
                .map(|i| ((1 + i * (j + 1) + j) as f64).sin() + f64::from(u8::from(i == j)))
                .collect()
        })
        .collect();
    let mut lengths = orthonormal(&mut basis);
    for _ in 0..ROUNDS {
        let mut next: Vec<Vec<f64>> = basis
            .iter()
            .map(|b| (0..dim).map(|i| dot(&moments[i * dim..][..dim], b)).collect())
            .collect();
        lengths = orthonormal(&mut next);
        let moved =
            basis.iter().zip(&next).take(k).map(|(a, b)| 1.0 - dot(a, b).abs()).fold(0.0, f64::max);
        basis = next;
        if moved < 1e-14 {
            break;
        }
    }
    let kept = basis.into_iter().zip(lengths).take(k).filter(|(_, length)| *length > 1e-12 * total);
    kept.map(|(direction, length)| (direction, length / total)).collect()
}

/// Makes `vectors` unit vectors at right angles, in their order. Returns the length that each had
/// before it was scaled. A vector that is a sum of those before it becomes zeros.
pub(super) fn orthonormal(vectors: &mut [Vec<f64>]) -> Vec<f64> {
    let mut lengths = Vec::new();
    for i in 0..vectors.len() {
        let (done, rest) = vectors.split_at_mut(i);
        let vector = &mut rest[0];
        let before = dot(vector, vector).sqrt();
        // Two rounds are enough (Kahan).
        for other in [&*done, &*done].concat() {
            let along = dot(vector, &other);
            vector.iter_mut().zip(&other).for_each(|(x, y)| *x -= along * y);
        }
        let length = dot(vector, vector).sqrt();
        let scale = if length > 1e-12 * before { 1.0 / length } else { 0.0 };
        for x in vector.iter_mut() {
            *x *= scale;
        }
        lengths.push(length * f64::from(u8::from(scale > 0.0)));
    }
    lengths
}

/// The dot product of two vectors.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_axes_of_an_ellipse() {
        // The points lie on the axes (3, 4, 0)/5 and (4, -3, 0)/5, at lengths 10 and 2.
        let rows = [6.0, 8.0, 0.0, -6.0, -8.0, 0.0, 1.6, -1.2, 0.0, -1.6, 1.2, 0.0];
        let found = components(&rows, 3, 3);
        assert_eq!(found.len(), 2, "the third axis has no length");
        for ((direction, share), (axis, length)) in
            found.iter().zip([([0.6, 0.8, 0.0], 100.0), ([0.8, -0.6, 0.0], 4.0)])
        {
            assert!((dot(direction, &axis).abs() - 1.0).abs() < 1e-9, "{direction:?}");
            assert!((share - length / 104.0).abs() < 1e-9);
        }
        assert!(components(&[0.0; 6], 3, 2).is_empty());
        assert!(components(&[], 3, 1).is_empty());
    }
}
