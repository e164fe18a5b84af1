//! Places in the plane: the two principal components, or t-SNE (van der Maaten & Hinton 2008).

use rayon::prelude::*;

use super::{Place, STEPS, count, tsne};
use crate::embeddings::{Embeddings, unit};
use crate::error::Result;
use crate::progress::Progress;
use crate::query::Neighbour;
use crate::stats::components;

/// How words get their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Method {
    /// Words that are near stay near: groups are seen, and distances between them mean little
    #[cfg_attr(feature = "cli", value(name = "tsne"))]
    Tsne,
    /// The two directions along which the vectors differ most
    Pca,
}

impl Method {
    /// The name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tsne => "t-SNE",
            Self::Pca => "PCA",
        }
    }

    /// The name for programs.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tsne => "tsne",
            Self::Pca => "pca",
        }
    }

    /// How many neighbours of each word are wanted, among `words`.
    pub(super) fn neighbours(self, words: usize) -> usize {
        match self {
            Self::Tsne => tsne::neighbours(words),
            Self::Pca => 0,
        }
    }

    /// The places of all words within ±1, and the settings in words. `begin` are places of the same
    /// words by another model.
    pub(super) fn lay_out(
        self,
        model: &Embeddings,
        near: &[Vec<Neighbour>],
        begin: Option<&[Place]>,
        progress: &Progress,
    ) -> Result<(Vec<Place>, String)> {
        progress.check()?;
        let words = model.vocab.len();
        let (places, about) = match self {
            Self::Pca => {
                let (places, share) = principal(model);
                count(progress, 0, 1, STEPS / 2);
                (places, format!("they hold {:.0} % of the squared distances", 100.0 * share))
            }
            Self::Tsne => {
                let begun = begin.is_some();
                let begin = begin.map_or_else(|| principal(model).0, <[Place]>::to_vec);
                let about = format!(
                    "perplexity {}, {} rounds, begun with {}",
                    tsne::perplexity(words),
                    tsne::rounds(),
                    if begun { "the first map" } else { "PCA" }
                );
                (fitted(tsne::places(near, &begin, progress)?), about)
            }
        };
        Ok(match begin {
            Some(other) => (turn_towards(&places, other), about),
            None => (places, about),
        })
    }
}

/// The places of all words along their two principal components, within ±1, and the share of the
/// squared distances from the middle that they hold. Vectors are scaled to length 1 first.
fn principal(e: &Embeddings) -> (Vec<Place>, f64) {
    let (words, dim) = (e.vocab.len(), e.dim());
    let mut rows: Vec<f64> =
        (0..words as u32).flat_map(|id| unit(&e.vector(id))).map(f64::from).collect();
    let mut middle = vec![0.0; dim];
    for row in rows.chunks_exact(dim) {
        middle.iter_mut().zip(row).for_each(|(m, x)| *m += x / words as f64);
    }
    rows.par_chunks_exact_mut(dim).for_each(|row| {
        row.iter_mut().zip(&middle).for_each(|(x, m)| *x -= m);
    });
    let axes = components(&rows, dim, 2);
    let along = |row: &[f64], axis: usize| {
        axes.get(axis).map_or(0.0, |(axis, _)| row.iter().zip(axis).map(|(x, y)| x * y).sum())
    };
    let places: Vec<Place> =
        rows.chunks_exact(dim).map(|row| [along(row, 0), along(row, 1)]).collect();
    (fitted(places), axes.iter().map(|(_, share)| share).sum())
}

/// Moves and scales the places so that they fill the square from -1 to 1 one way.
fn fitted(mut places: Vec<Place>) -> Vec<Place> {
    let ends = |axis: usize| {
        let all = places.iter().map(|place| place[axis]);
        (all.clone().fold(f64::INFINITY, f64::min), all.fold(f64::NEG_INFINITY, f64::max))
    };
    let [across, along] = [ends(0), ends(1)];
    let middle = [across, along].map(|(from, to)| f64::midpoint(from, to));
    let half = (across.1 - across.0).max(along.1 - along.0) / 2.0;
    for place in &mut places {
        for (x, middle) in place.iter_mut().zip(middle) {
            *x = if half > 0.0 { (*x - middle) / half } else { 0.0 };
        }
    }
    places
}

/// Turns and mirrors a map about its middle so that its words lie as near as possible to those of
/// `other` (orthogonal Procrustes in the plane). This makes the two maps easy to compare.
fn turn_towards(places: &[Place], other: &[Place]) -> Vec<Place> {
    let (places, other) = (centred(places), centred(other));
    let sum =
        |f: fn(Place, Place) -> f64| places.iter().zip(&other).map(|(&a, &b)| f(a, b)).sum::<f64>();
    // The best turn without a mirror, and the best with one, each as a vector of its cosine and
    // sine. The longer vector fits better.
    let plain = [sum(|a, b| a[0] * b[0] + a[1] * b[1]), sum(|a, b| a[0] * b[1] - a[1] * b[0])];
    let mirrored = [sum(|a, b| a[0] * b[0] - a[1] * b[1]), sum(|a, b| a[0] * b[1] + a[1] * b[0])];
    let length = |v: Place| v[0].hypot(v[1]);
    let (turn, mirror) =
        if length(mirrored) > length(plain) { (mirrored, -1.0) } else { (plain, 1.0) };
    if length(turn) == 0.0 {
        return fitted(places);
    }
    let (cos, sin) = (turn[0] / length(turn), turn[1] / length(turn));
    let turned = |[x, y]: Place| [cos * x - sin * mirror * y, sin * x + cos * mirror * y];
    fitted(places.into_iter().map(turned).collect())
}

/// The places about their mean.
fn centred(places: &[Place]) -> Vec<Place> {
    let mean = [0, 1].map(|axis| {
        places.iter().map(|place| place[axis]).sum::<f64>() / places.len().max(1) as f64
    });
    places.iter().map(|[x, y]| [x - mean[0], y - mean[1]]).collect()
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
        let (places, share) = principal(&e);
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
            let away: Vec<Place> = map
                .iter()
                .map(|&[x, y]| [cos * x - sin * y, mirror * (sin * x + cos * y)])
                .collect();
            for (got, want) in turn_towards(&away, &map).iter().zip(fitted(map.clone())) {
                assert!((got[0] - want[0]).abs() < 1e-9 && (got[1] - want[1]).abs() < 1e-9);
            }
        }
    }
}
