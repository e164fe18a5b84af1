//! A map of words: the two directions along which their vectors differ most (principal components).

use crate::embeddings::{Embeddings, unit};
use crate::stats::components;

/// The places of the first `words` words, within ±1, and the share of the squared distances from
/// the middle that the map holds. Vectors are scaled to length 1 first.
pub(super) fn map(e: &Embeddings, words: usize) -> (Vec<[f64; 2]>, f64) {
    let (words, dim) = (words.min(e.vocab.len()), e.dim());
    let mut rows: Vec<f64> =
        (0..words as u32).flat_map(|id| unit(&e.vector(id))).map(f64::from).collect();
    let mut middle = vec![0.0; dim];
    for row in rows.chunks_exact(dim) {
        middle.iter_mut().zip(row).for_each(|(m, x)| *m += x / words as f64);
    }
    rows.chunks_exact_mut(dim).flatten().zip(middle.iter().cycle()).for_each(|(x, m)| *x -= m);
    let axes = components(&rows, dim, 2);
    let along = |row: &[f64], axis: usize| {
        axes.get(axis).map_or(0.0, |(axis, _)| row.iter().zip(axis).map(|(x, y)| x * y).sum())
    };
    let places: Vec<[f64; 2]> =
        rows.chunks_exact(dim).map(|row| [along(row, 0), along(row, 1)]).collect();
    (fitted(places), axes.iter().map(|(_, share)| share).sum())
}

/// Scales the places so that the largest coordinate is ±1.
fn fitted(mut places: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let farthest = places.iter().flatten().fold(0.0f64, |most, x| most.max(x.abs()));
    if farthest > 0.0 {
        places.as_flattened_mut().iter_mut().for_each(|x| *x /= farthest);
    }
    places
}

/// Turns and mirrors a map so that its words lie as near as possible to those of `other`
/// (orthogonal Procrustes in the plane). This makes the two maps easy to compare.
pub(super) fn turn_towards(places: Vec<[f64; 2]>, other: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let sum = |f: fn([f64; 2], [f64; 2]) -> f64| {
        places.iter().zip(other).map(|(&a, &b)| f(a, b)).sum::<f64>()
    };
    // The best turn without a mirror, and the best with one, each as a vector of its cosine and
    // sine. The longer vector fits better.
    let plain = [sum(|a, b| a[0] * b[0] + a[1] * b[1]), sum(|a, b| a[0] * b[1] - a[1] * b[0])];
    let mirrored = [sum(|a, b| a[0] * b[0] - a[1] * b[1]), sum(|a, b| a[0] * b[1] + a[1] * b[0])];
    let length = |v: [f64; 2]| v[0].hypot(v[1]);
    let (turn, mirror) =
        if length(mirrored) > length(plain) { (mirrored, -1.0) } else { (plain, 1.0) };
    if length(turn) == 0.0 {
        return places;
    }
    let (cos, sin) = (turn[0] / length(turn), turn[1] / length(turn));
    let turned = |[x, y]: [f64; 2]| [cos * x - sin * mirror * y, sin * x + cos * mirror * y];
    fitted(places.into_iter().map(turned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;

    #[test]
    fn shows_the_plane_that_words_lie_in() {
        // The words lie on an ellipse in a plane of three dimensions. It is more than twice as wide
        // as high, so its axes are the directions.
        let angles: Vec<f32> = (0..40).map(|i| i as f32 * std::f32::consts::TAU / 40.0).collect();
        let rows: Vec<f32> =
            angles.iter().flat_map(|a| [0.8, 0.2 * a.sin(), 0.5 * a.cos()]).collect();
        let names: Vec<String> = (0..40).map(|i| format!("w{i}")).collect();
        let e = Embeddings::new(
            Vocab::new(&names, vec![]),
            3,
            rows.into(),
            None,
            Provenance::default(),
        );
        let (places, share) = map(&e, 100);
        assert!(share > 0.95, "{share}");
        assert!(
            (places[0][0].abs() - 1.0).abs() < 0.05 && places[0][1].abs() < 0.05,
            "{:?}",
            places[0]
        );
        assert!((places[20][0] + places[0][0]).abs() < 1e-6);
    }

    #[test]
    fn turned_and_mirrored_maps_come_back() {
        let map = vec![[1.0, 0.2], [-0.5, 0.3], [0.1, -0.9]];
        for (cos, sin, mirror) in [(0.6, 0.8, 1.0), (0.6, 0.8, -1.0), (-1.0, 0.0, 1.0)] {
            let away = map
                .iter()
                .map(|&[x, y]| [cos * x - sin * y, mirror * (sin * x + cos * y)])
                .collect();
            for (got, want) in turn_towards(away, &map).iter().zip(&map) {
                assert!((got[0] - want[0]).abs() < 1e-9 && (got[1] - want[1]).abs() < 1e-9);
            }
        }
    }
}
