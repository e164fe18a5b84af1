//! How far a map keeps what is near: the share of nearest words that are nearest on the map
//! (recall), and trustworthiness and continuity (Venna & Kaski 2001).

use rayon::prelude::*;

use super::{NEAR, Place, STEPS, count};
use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::progress::Progress;
use crate::query::{Neighbour, cosines};

/// How far a map keeps what is near.
#[derive(Clone, Debug)]
pub struct Kept {
    /// How many of the [`NEAR`] nearest words of each word are among its nearest on the map.
    pub of: Vec<u8>,
    /// The mean share of them.
    pub recall: f64,
    /// 1 where all that is near on the map is near by the vectors, about 0.5 for places by chance.
    pub trustworthiness: f64,
    /// 1 where all that is near by the vectors is near on the map.
    pub continuity: f64,
    /// The words that the last two were measured with, drawn evenly.
    pub sample: usize,
}

/// The most words of the sample.
const SAMPLE: usize = 5000;
/// Words that are looked at together.
const TOGETHER: usize = 64;

impl Kept {
    /// Looks at all words. `near` are the nearest words of each, by the vectors.
    pub(super) fn of(
        model: &Embeddings,
        near: &[Vec<Neighbour>],
        places: &[Place],
        progress: &Progress,
    ) -> Result<Self> {
        let words = places.len();
        let k = NEAR.min(words - 1);
        let on_map = nearest(places, k);
        let true_ones = |word: usize| near[word].iter().take(k).map(|near| near.id);
        let kept = |word: usize| true_ones(word).filter(|id| on_map[word].contains(id)).count();
        let of: Vec<u8> = (0..words).map(|word| kept(word) as u8).collect();
        let step = words.div_ceil(SAMPLE);
        let sample: Vec<usize> = (0..words).step_by(step).collect();
        let (mut false_ones, mut missed) = (0.0, 0.0);
        let pieces = sample.len().div_ceil(TOGETHER);
        for (piece, some) in sample.chunks(TOGETHER).enumerate() {
            progress.check()?;
            let vectors: Vec<Vec<f32>> =
                some.iter().map(|&word| model.vector(word as u32).into_owned()).collect();
            let cosines = cosines(model, &vectors);
            let beyond: Vec<[usize; 2]> = some
                .par_iter()
                .zip(cosines.par_chunks(words))
                .map(|(&word, cosines)| {
                    // By how much the rank of a word exceeds the last one that would be near. The
                    // word itself is before all others, but for those at the same place.
                    let excess = |before: usize| before.saturating_sub(k);
                    let near_on_map = on_map[word]
                        .iter()
                        .filter(|&&id| !true_ones(word).any(|other| other == id));
                    let false_ones = near_on_map.map(|&id| {
                        let cosine = cosines[id as usize];
                        let before = cosines.iter().filter(|&&other| other > cosine).count();
                        excess(before + usize::from(cosines[word] <= cosine))
                    });
                    let missed =
                        true_ones(word).filter(|id| !on_map[word].contains(id)).map(|id| {
                            let far = apart(places[word], places[id as usize]);
                            let nearer = |&&other: &&Place| apart(places[word], other) < far;
                            let before = places.iter().filter(nearer).count();
                            excess(before + usize::from(far == 0.0))
                        });
                    [false_ones.sum(), missed.sum()]
                })
                .collect();
            false_ones += beyond.iter().map(|[of, _]| *of as f64).sum::<f64>();
            missed += beyond.iter().map(|[_, of]| *of as f64).sum::<f64>();
            count(progress, piece, pieces, STEPS / 2);
        }
        let (n, sampled, k) = (words as f64, sample.len() as f64, k as f64);
        // The sum for the worst map.
        let worst = sampled * k * (2.0 * n - 3.0 * k - 1.0) / 2.0;
        let share = |beyond: f64| if worst > 0.0 { 1.0 - beyond / worst } else { 1.0 };
        Ok(Self {
            recall: of.iter().map(|&of| f64::from(of)).sum::<f64>() / (n * k),
            of,
            trustworthiness: share(false_ones),
            continuity: share(missed),
            sample: sample.len(),
        })
    }
}

/// The squared distance of two places.
fn apart([x, y]: Place, [z, w]: Place) -> f64 {
    (x - z) * (x - z) + (y - w) * (y - w)
}

/// The `k` nearest places of each place, the nearest first; of equal ones those that come first.
/// Places are looked at by their distance from left to right, until even that exceeds the k-th best.
fn nearest(places: &[Place], k: usize) -> Vec<Vec<u32>> {
    let mut order: Vec<u32> = (0..places.len() as u32).collect();
    order.sort_by(|&a, &b| places[a as usize][0].total_cmp(&places[b as usize][0]));
    let mut found = vec![Vec::new(); places.len()];
    let near: Vec<(u32, Vec<u32>)> = (0..order.len())
        .into_par_iter()
        .map(|at| (order[at], beside(places, &order, at, k)))
        .collect();
    for (word, near) in near {
        found[word as usize] = near;
    }
    found
}

/// The `k` nearest places of `order[at]`, where `order` is from left to right.
fn beside(places: &[Place], order: &[u32], at: usize, k: usize) -> Vec<u32> {
    let word = order[at] as usize;
    let mut best: Vec<(f64, u32)> = Vec::with_capacity(k + 1);
    let (mut left, mut right) =
        (order[..at].iter().rev().peekable(), order[at + 1..].iter().peekable());
    let across = |other: &u32| (places[*other as usize][0] - places[word][0]).powi(2);
    loop {
        let (to_left, to_right) = (
            left.peek().map_or(f64::INFINITY, |other| across(other)),
            right.peek().map_or(f64::INFINITY, |other| across(other)),
        );
        let enough = best.len() == k && to_left.min(to_right) > best[k - 1].0;
        let next =
            if to_left < to_right { left.next() } else { right.next().or_else(|| left.next()) };
        let Some(&other) = next.filter(|_| !enough) else { break };
        let found = (apart(places[word], places[other as usize]), other);
        let before =
            |near: &(f64, u32)| near.0.total_cmp(&found.0).then(near.1.cmp(&found.1)).is_lt();
        let place = best.partition_point(before);
        best.insert(place, found);
        best.truncate(k);
    }
    best.into_iter().map(|(_, id)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::{Provenance, cosine};
    use crate::map::nearest as nearest_words;

    /// Each measure by its definition.
    fn naive(model: &Embeddings, places: &[Place]) -> [f64; 3] {
        let n = places.len();
        let order = |word: usize, near: &dyn Fn(usize) -> f64| {
            let mut others: Vec<usize> = (0..n).filter(|&other| other != word).collect();
            others.sort_by(|&a, &b| near(a).total_cmp(&near(b)).then(a.cmp(&b)));
            others
        };
        let [mut kept, mut trust, mut continuity] = [0.0; 3];
        for word in 0..n {
            let vector = |word: usize| model.vector(word as u32);
            let by_vector = order(word, &|other| -cosine(&vector(word), &vector(other)));
            let by_place = order(word, &|other| apart(places[word], places[other]));
            for rank in 0..n - 1 {
                let on_map = by_place.iter().position(|&other| other == by_vector[rank]).unwrap();
                match (rank < NEAR, on_map < NEAR) {
                    (true, true) => kept += 1.0,
                    (true, false) => continuity += (on_map + 1 - NEAR) as f64,
                    (false, true) => trust += (rank + 1 - NEAR) as f64,
                    (false, false) => {}
                }
            }
        }
        let (n, k) = (n as f64, NEAR as f64);
        let share = |sum: f64| 1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * sum;
        [kept / (n * k), share(trust), share(continuity)]
    }

    #[test]
    fn measures_are_those_of_their_definitions() {
        let names: Vec<String> = (0..60).map(|i| format!("w{i}")).collect();
        let rows: Vec<f32> = (0..60 * 4).map(|i| ((i * i) as f32 * 0.73).sin()).collect();
        let model = Embeddings::new(
            Vocab::new(&names, vec![]),
            4,
            rows.into(),
            None,
            Provenance::default(),
        );
        let near = nearest_words(&model, NEAR, &Progress::default()).unwrap();
        let maps: [Vec<Place>; 2] = [
            (0..60).map(|word| [0, 1].map(|at| f64::from(model.vector(word)[at]))).collect(),
            (0..60)
                .map(|word| {
                    [f64::from(word % 8) + 0.013 * f64::from(word), f64::from(word * word % 61)]
                })
                .collect(),
        ];
        for places in maps {
            let kept = Kept::of(&model, &near, &places, &Progress::default()).unwrap();
            let naive = naive(&model, &places);
            for (got, want) in
                [kept.recall, kept.trustworthiness, kept.continuity].iter().zip(naive)
            {
                assert!((got - want).abs() < 1e-9, "{kept:?} {naive:?}");
            }
        }
    }
}
