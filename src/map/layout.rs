//! Places in the plane: the two principal components, or t-SNE (van der Maaten & Hinton 2008).

use rayon::prelude::*;

use super::{Place, STEPS, count};
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

/// About how many words count as near in t-SNE.
const PERPLEXITY: f32 = 30.0;
/// Rounds of t-SNE, in the first quarter of a thousand of which attraction is exaggerated.
const ROUNDS: usize = 750;
/// Fewer words than that are laid out with a tree of this exactness: their places spread far, so that a
/// grid would have many empty cells.
const FEW: usize = 2000;
const TREE: f32 = 0.5;
/// How many times attraction is exaggerated in the first rounds.
const EXAGGERATION: f32 = 12.0;
/// The spread of the places that t-SNE begins with (Kobak & Berens 2019).
const BEGIN: f64 = 1e-4;

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
            Self::Tsne => (3.0 * perplexity(words)) as usize,
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
                let (places, share) = principal(model, words);
                count(progress, 0, 1, STEPS / 2);
                (places, format!("they hold {:.0} % of the squared distances", 100.0 * share))
            }
            Self::Tsne => {
                let begun = begin.is_some();
                let begin = begin.map_or_else(|| principal(model, words).0, <[Place]>::to_vec);
                let about = format!(
                    "perplexity {}, {ROUNDS} rounds, begun with {}",
                    perplexity(words),
                    if begun { "the first map" } else { "PCA" }
                );
                (neighbourly(near, &begin, self.neighbours(words), progress), about)
            }
        };
        Ok(match begin {
            Some(other) => (turn_towards(&places, other), about),
            None => (places, about),
        })
    }
}

/// The perplexity for so many words: each has three times as many neighbours that count.
fn perplexity(words: usize) -> f32 {
    PERPLEXITY.min((words - 1) as f32 / 3.0)
}

/// t-SNE by the interpolation of Linderman et al. (2019), or for few words by a tree (van der Maaten
/// 2014). Sums depend on how they are divided among threads, so it runs on one.
fn neighbourly(
    near: &[Vec<Neighbour>],
    begin: &[Place],
    k: usize,
    progress: &Progress,
) -> Vec<Place> {
    let words = near.len();
    let spread = (begin.iter().map(|place| place[0] * place[0]).sum::<f64>() / words as f64).sqrt();
    let scale = if spread > 0.0 { BEGIN / spread } else { 0.0 };
    let begin: Vec<f32> = begin.as_flattened().iter().map(|x| (x * scale) as f32).collect();
    // The distance of unit vectors. Where a word has fewer neighbours than others, the last one counts
    // several times: all must have as many.
    let row = |near: &Vec<Neighbour>| -> Vec<bhtsne::Neighbor<f32>> {
        (0..k)
            .filter_map(|at| near.get(at).or(near.last()))
            .map(|near| bhtsne::Neighbor {
                index: near.id as usize,
                distance: (2.0 - 2.0 * near.score).max(0.0).sqrt(),
            })
            .collect()
    };
    let rows: Vec<Vec<bhtsne::Neighbor<f32>>> = near.iter().map(row).collect();
    let ids: Vec<u32> = (0..words as u32).collect();
    let run = || {
        let mut tsne: bhtsne::tSNE<f32, u32, 2> = bhtsne::tSNE::new(&ids);
        tsne.perplexity(perplexity(words))
            .epochs(ROUNDS)
            .early_exaggeration(EXAGGERATION)
            .learning_rate(learning_rate(words))
            .initial_embedding(begin)
            .epoch_callback(|round, _| count(progress, round, ROUNDS, STEPS / 2));
        if words < FEW {
            tsne.barnes_hut_with_neighbors(TREE, &rows);
        } else {
            tsne.fit_sne_with_neighbors(&rows);
        }
        tsne.embedding()
    };
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let places = match alone {
        Ok(pool) => pool.install(run),
        Err(_) => run(),
    };
    fitted(places.as_chunks::<2>().0.iter().map(|place| place.map(f64::from)).collect())
}

/// The learning rate of t-SNE (after Belkina et al. 2019).
fn learning_rate(words: usize) -> f32 {
    (0.3 * words as f32).max(5.0)
}

/// The places of the first `words` words along their two principal components, within ±1, and the
/// share of the squared distances from the middle that they hold. Vectors are scaled to length 1
/// first.
fn principal(e: &Embeddings, words: usize) -> (Vec<Place>, f64) {
    let (words, dim) = (words.min(e.vocab.len()), e.dim());
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
        let (places, share) = principal(&e, 100);
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
