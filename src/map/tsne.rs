//! t-SNE (van der Maaten & Hinton 2008): near words attract each other, all others push away.

use super::{Place, STEPS, count};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::query::Neighbour;

/// About how many words count as near in t-SNE.
const PERPLEXITY: f32 = 30.0;
/// The spread of the places that t-SNE begins with (Kobak & Berens 2019).
const BEGIN: f32 = 1e-4;
/// Fewer words than that are laid out with a tree throughout: some go far from the others, so that a
/// grid would have many empty cells.
const FEW: usize = 2000;
/// How exact the tree is.
const TREE: f32 = 0.5;

/// Rounds of t-SNE with the same settings.
struct Phase {
    rounds: usize,
    /// How many times attraction is exaggerated.
    exaggeration: f32,
    momentum: f32,
}

/// First groups are formed while all is close, then they unfold.
const PHASES: [Phase; 2] = [
    Phase { rounds: 250, exaggeration: 3.0, momentum: 0.5 },
    Phase { rounds: 500, exaggeration: 1.0, momentum: 0.8 },
];

/// The rounds of all phases.
pub(super) fn rounds() -> usize {
    PHASES.iter().map(|phase| phase.rounds).sum()
}

/// The perplexity for so many words: each has three times as many neighbours that count.
pub(super) fn perplexity(words: usize) -> f32 {
    PERPLEXITY.min((words - 1) as f32 / 3.0)
}

/// How many neighbours of each word are wanted.
pub(super) fn neighbours(words: usize) -> usize {
    (3.0 * perplexity(words)) as usize
}

/// The places of words, from the nearest words of each and the places to begin with:
/// by interpolation on a grid (Linderman et al. 2019) while places are close, then by a tree (van
/// der Maaten 2014). Sums depend on how they are divided among threads, so it runs on one.
pub(super) fn places(
    near: &[Vec<Neighbour>],
    begin: &[Place],
    progress: &Progress,
) -> Result<Vec<Place>> {
    let (words, k) = (near.len(), neighbours(near.len()));
    // How much farther than the nearest word another is, by squared distances of unit vectors. What is
    // the same for a whole row changes no affinity, but all would vanish in single precision where a
    // word has its neighbours at nearly the same distance. Where a word has fewer neighbours than
    // others, the last one counts several times: all must have as many.
    let row = |near: &Vec<Neighbour>| -> Vec<bhtsne::Neighbor<f32>> {
        let best = near.first().map_or(0.0, |near| near.score);
        (0..k)
            .filter_map(|at| near.get(at).or(near.last()))
            .map(|near| bhtsne::Neighbor {
                index: near.id as usize,
                distance: (2.0 * (best - near.score)).max(0.0).sqrt(),
            })
            .collect()
    };
    let rows: Vec<Vec<bhtsne::Neighbor<f32>>> = near.iter().map(row).collect();
    let ids: Vec<u32> = (0..words as u32).collect();
    let run = || {
        let mut places: Vec<f32> = begin.as_flattened().iter().map(|&x| x as f32).collect();
        let (mut affinities, mut done) = (None, 0);
        for phase in &PHASES {
            // Attraction can draw all places together until the squares of distances vanish.
            if done == 0 || spread(&places) < BEGIN {
                spread_to(&mut places, BEGIN);
            }
            let mut tsne: bhtsne::tSNE<f32, u32, 2> = bhtsne::tSNE::new(&ids);
            tsne.perplexity(perplexity(words))
                .epochs(phase.rounds)
                .early_exaggeration(phase.exaggeration)
                .stop_lying_epoch(usize::MAX)
                .momentum(phase.momentum)
                .momentum_switch_epoch(usize::MAX)
                .learning_rate(phase.learning_rate(words))
                .initial_embedding(places)
                .epoch_callback(move |round, _| {
                    count(progress, done + round, rounds(), STEPS / 2);
                });
            // No distance is asked for where affinities are known.
            if let Some(affinities) = affinities.take() {
                tsne.with_affinities(affinities).barnes_hut(TREE, |_, _| 0.0);
            } else if words < FEW {
                tsne.barnes_hut_with_neighbors(TREE, &rows);
            } else {
                tsne.fit_sne_with_neighbors(&rows);
            }
            (places, affinities) = (tsne.embedding(), tsne.affinities());
            done += phase.rounds;
        }
        places
    };
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let places = match alone {
        Ok(pool) => pool.install(run),
        Err(_) => run(),
    };
    if !places.iter().all(|x| x.is_finite()) {
        let problem = "t-SNE finds no places for these vectors: choose other `layouts`";
        return Err(Error::Refused(problem.into()));
    }
    Ok(places.as_chunks::<2>().0.iter().map(|place| place.map(f64::from)).collect())
}

impl Phase {
    /// The learning rate for so many words. That it is divided by the exaggeration follows Belkina et
    /// al. (2019). The way of each word grows with the extent of the map and its force falls with the
    /// number of words, so once they unfold the rate grows with the power 1.5.
    fn learning_rate(&self, words: usize) -> f32 {
        let words = words as f32;
        let rate = if self.exaggeration > 1.0 { words } else { words.powf(1.5) / 60.0 };
        rate.max(200.0) / self.exaggeration
    }
}

/// The root of the mean square of the first coordinates.
fn spread(places: &[f32]) -> f32 {
    let squares = places.iter().step_by(2).map(|&x| f64::from(x) * f64::from(x));
    (squares.sum::<f64>() / (places.len() / 2).max(1) as f64).sqrt() as f32
}

/// Scales places to a spread. Those that are all the same go to places on a circle.
fn spread_to(places: &mut [f32], to: f32) {
    if spread(places) == 0.0 {
        for (at, place) in places.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let (sin, cos) = (at as f32).sin_cos();
            *place = [cos, sin];
        }
    }
    let scale = to / spread(places);
    for x in places {
        *x *= scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nearest words of each, where the score of two words is given.
    fn near(words: u32, score: impl Fn(u32, u32) -> f32) -> Vec<Vec<Neighbour>> {
        let of = |word: u32| {
            let others = (0..words).filter(|&other| other != word);
            let mut near: Vec<Neighbour> =
                others.map(|id| Neighbour { id, score: score(word, id) }).collect();
            near.sort_by(|a, b| b.score.total_cmp(&a.score));
            near.truncate(neighbours(words as usize));
            near
        };
        (0..words).map(of).collect()
    }

    /// Places without order to begin with.
    fn anywhere(words: u32) -> Vec<Place> {
        (0..words).map(f64::from).map(|at| [(at * 1.7).sin(), (at * 2.3).cos()]).collect()
    }

    #[test]
    fn words_of_a_group_come_to_lie_together() {
        // Words of the same group have cosines of about .8, others of about 0.
        let score = |a: u32, b: u32| {
            let noise = ((a * b + a + b) as f32).sin() * 0.1;
            if a % 3 == b % 3 { 0.8 + noise } else { noise }
        };
        // A tree, and a grid.
        for words in [150, 2100] {
            let near = near(words, score);
            let found = places(&near, &anywhere(words), &Progress::default()).unwrap();
            let far =
                |a: usize, b: usize| (found[a][0] - found[b][0]).hypot(found[a][1] - found[b][1]);
            for word in 0..words as usize {
                let others = (0..words as usize).filter(|&other| other != word);
                let nearest = others.min_by(|&a, &b| far(word, a).total_cmp(&far(word, b)));
                assert_eq!(nearest.map(|near| near % 3), Some(word % 3), "{words} words, {word}");
            }
        }
    }

    #[test]
    fn words_that_are_all_equally_near_find_places() {
        for (words, score) in [(5, 1.0), (40, 0.5), (90, 0.99), (2000, 0.9)] {
            let near = near(words, |_, _| score);
            for begin in [anywhere(words), vec![[0.0; 2]; words as usize]] {
                let found = places(&near, &begin, &Progress::default()).unwrap();
                assert_eq!(found.len(), words as usize);
                assert!(found.as_flattened().iter().all(|x| x.is_finite()));
            }
        }
    }
}
