//! Groups of words with near vectors: spherical k-means (Dhillon & Modha 2001), begun as k-means++
//! begins (Arthur & Vassilvitskii 2007).

use fearless_simd::Level;
use rand::RngExt;
use rayon::prelude::*;

use crate::embeddings::{Embeddings, unit};
use crate::error::{Error, Result};
use crate::math::dispatch;
use crate::progress::Progress;
use crate::random::generator;

/// Rows that a thread looks at together.
const ROWS: usize = 256;
/// Centres whose products are added up in registers.
const CENTRES: usize = 32;
/// Words among which centres begin: more would not begin better.
const BEGUN_AMONG: usize = 20_000;

/// Settings of a clustering.
#[derive(Clone, Copy, Debug)]
pub struct ClusterOptions {
    /// The number of groups.
    pub clusters: usize,
    /// The first rows alone are grouped.
    pub rows: usize,
    /// The most rounds.
    pub rounds: usize,
    /// The seed of the random numbers.
    pub seed: u64,
}

/// Rows in groups.
#[derive(Clone, Debug)]
pub struct Clustering {
    /// The group of each row, from 0: the largest group is the first.
    pub of: Vec<u32>,
    /// The cosine of each row with the centre of its group.
    pub cosines: Vec<f32>,
    /// The rows of each group, the nearest to its centre first.
    pub groups: Vec<Vec<u32>>,
    /// The rounds that it took, and whether nothing moved in the last.
    pub rounds: (usize, bool),
}

impl Clustering {
    /// Groups the rows of a model. The result is the same for any number of threads.
    ///
    /// # Errors
    /// [`Error::Setting`] for fewer rows than groups, or [`Error::Stopped`].
    pub fn of(e: &Embeddings, options: &ClusterOptions, progress: &Progress) -> Result<Self> {
        let (dim, k) = (e.dim(), options.clusters);
        let rows = options.rows.min(e.vocab.len());
        if k == 0 || k > rows {
            let problem = format!("must be from 1 to the number of words, which is {rows}");
            return Err(Error::setting("clusters", problem));
        }
        e.check_finite()?;
        let mut units = vec![0.0f32; rows * dim];
        units.par_chunks_mut(dim).enumerate().for_each(|(row, to)| {
            to.copy_from_slice(&unit(&e.vector(row as u32)));
        });
        let mut centres = Centres::begin(&units, dim, k, options.seed, progress)?;
        let mut of = vec![u32::MAX; rows];
        let mut cosines = vec![0.0f32; rows];
        let mut rounds = (0, false);
        while rounds.0 < options.rounds && !rounds.1 {
            progress.check()?;
            let moved = centres.assign(&units, &mut of, &mut cosines);
            rounds = (rounds.0 + 1, moved == 0);
            centres.move_to(&units, &mut of, &mut cosines);
            progress.done.store(rounds.0 as u64, std::sync::atomic::Ordering::Relaxed);
        }
        centres.assign(&units, &mut of, &mut cosines);
        Ok(Self::sorted(of, cosines, k, rounds))
    }

    /// The largest groups first.
    fn sorted(mut of: Vec<u32>, cosines: Vec<f32>, k: usize, rounds: (usize, bool)) -> Self {
        let mut groups: Vec<Vec<u32>> = vec![Vec::new(); k];
        for (row, &group) in (0..).zip(&of) {
            groups[group as usize].push(row);
        }
        groups.retain(|group| !group.is_empty());
        groups.sort_by(|a, b| b.len().cmp(&a.len()).then(a[0].cmp(&b[0])));
        for (number, group) in (0..).zip(&mut groups) {
            for &row in &*group {
                of[row as usize] = number;
            }
            let cosine = |row: u32| cosines[row as usize];
            group.sort_by(|&a, &b| cosine(b).total_cmp(&cosine(a)).then(a.cmp(&b)));
        }
        Self { of, cosines, groups, rounds }
    }

    /// The mean cosine of the rows of a group with its centre.
    pub fn cohesion(&self, group: usize) -> f64 {
        let rows = &self.groups[group];
        let sum: f64 = rows.iter().map(|&row| f64::from(self.cosines[row as usize])).sum();
        sum / rows.len().max(1) as f64
    }

    /// The rows that stand for a group: of its most frequent ones, those nearest to its centre.
    pub fn typical(&self, group: usize, count: usize) -> Vec<u32> {
        let rows = &self.groups[group];
        let mut frequent = rows.clone();
        frequent.sort_unstable();
        frequent.truncate((rows.len() / 10).max(4 * count));
        let last = frequent.last().copied().unwrap_or(0);
        rows.iter().copied().filter(|&row| row <= last).take(count).collect()
    }
}

/// The centres of groups, each of length 1: number by number, in blocks of [`CENTRES`].
struct Centres {
    dim: usize,
    count: usize,
    numbers: Vec<[f32; CENTRES]>,
}

impl Centres {
    fn new(dim: usize, count: usize) -> Self {
        Self { dim, count, numbers: vec![[0.0; CENTRES]; dim * count.div_ceil(CENTRES)] }
    }

    fn set(&mut self, centre: usize, vector: &[f32]) {
        let block = centre / CENTRES * self.dim;
        for (numbers, &x) in self.numbers[block..].iter_mut().zip(vector) {
            numbers[centre % CENTRES] = x;
        }
    }

    /// Draws rows as centres, each with the greater chance the further it is from those before it.
    fn begin(
        units: &[f32],
        dim: usize,
        count: usize,
        seed: u64,
        progress: &Progress,
    ) -> Result<Self> {
        let (mut random, rows) = (generator(seed), units.len() / dim);
        let drawn = rows.min(BEGUN_AMONG.max(2 * count));
        let row = |i: usize| &units[i * rows / drawn * dim..][..dim];
        let mut centres = Self::new(dim, count);
        let mut far = vec![1.0f64; drawn];
        for centre in 0..count {
            progress.check()?;
            let total: f64 = far.iter().sum();
            let mut left = random.random::<f64>() * total;
            let passed = far.iter().position(|x| {
                left -= x;
                left < 0.0
            });
            let last = || far.iter().rposition(|x| *x > 0.0).unwrap_or(centre % drawn);
            let chosen = row(passed.unwrap_or_else(last)).to_vec();
            centres.set(centre, &chosen);
            far.par_iter_mut().enumerate().with_min_len(ROWS).for_each(|(i, far)| {
                let product: f32 = row(i).iter().zip(&chosen).map(|(a, b)| a * b).sum();
                *far = far.min(f64::from(1.0 - product).max(0.0));
            });
        }
        Ok(centres)
    }

    /// Assigns each row to the nearest centre, and returns how many rows have moved.
    fn assign(&self, units: &[f32], of: &mut [u32], cosines: &mut [f32]) -> usize {
        let level = Level::new();
        let pieces = units.par_chunks(ROWS * self.dim).zip(of.par_chunks_mut(ROWS));
        pieces
            .zip(cosines.par_chunks_mut(ROWS))
            .map(|((units, of), cosines)| {
                dispatch!(level, simd => {
                    let _ = simd;
                    self.assign_some(units, of, cosines)
                })
            })
            .sum()
    }

    #[inline(always)]
    fn assign_some(&self, units: &[f32], of: &mut [u32], cosines: &mut [f32]) -> usize {
        let mut moved = 0;
        for ((row, of), cosine) in units.chunks_exact(self.dim).zip(of).zip(cosines) {
            let (mut best, mut nearest) = (f32::NEG_INFINITY, 0);
            for (block, centres) in self.numbers.chunks_exact(self.dim).enumerate() {
                let mut sums = [0.0f32; CENTRES];
                for (centres, &x) in centres.iter().zip(row) {
                    for (sum, y) in sums.iter_mut().zip(centres) {
                        *sum += x * y;
                    }
                }
                let there = (self.count - block * CENTRES).min(CENTRES);
                for (i, &sum) in sums[..there].iter().enumerate() {
                    if sum > best {
                        (best, nearest) = (sum, block * CENTRES + i);
                    }
                }
            }
            moved += usize::from(*of != nearest as u32);
            (*of, *cosine) = (nearest as u32, best);
        }
        moved
    }

    /// Moves each centre to the mean of its rows. One without a row takes the row that is furthest
    /// from its own centre.
    fn move_to(&mut self, units: &[f32], of: &mut [u32], cosines: &mut [f32]) {
        let (dim, count) = (self.dim, self.count);
        // Each thread adds up the rows of some groups, in the order of the rows.
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (row, &group) in (0..).zip(&*of) {
            rows[group as usize].push(row);
        }
        let means: Vec<Vec<f32>> = rows
            .par_iter()
            .map(|rows| {
                let mut sum = vec![0.0f64; dim];
                for &row in rows {
                    let unit = &units[row as usize * dim..][..dim];
                    sum.iter_mut().zip(unit).for_each(|(sum, x)| *sum += f64::from(*x));
                }
                unit(&sum.iter().map(|x| *x as f32).collect::<Vec<f32>>())
            })
            .collect();
        for (centre, mean) in means.iter().enumerate() {
            if !rows[centre].is_empty() {
                self.set(centre, mean);
                continue;
            }
            let furthest = (0..cosines.len()).min_by(|&a, &b| cosines[a].total_cmp(&cosines[b]));
            if let Some(row) = furthest {
                self.set(centre, &units[row * dim..][..dim]);
                (of[row], cosines[row]) = (centre as u32, 1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;
    use crate::random::normal;

    fn planted(groups: usize, each: usize, dim: usize) -> Embeddings {
        let mut random = generator(3);
        let centres: Vec<f64> = (0..groups * dim).map(|_| 4.0 * normal(&mut random)).collect();
        let rows: Vec<f32> = (0..groups * each)
            .flat_map(|row| {
                let centre = &centres[row % groups * dim..][..dim];
                centre.iter().map(|x| (x + 0.5 * normal(&mut random)) as f32).collect::<Vec<_>>()
            })
            .collect();
        let names: Vec<String> = (0..groups * each).map(|i| i.to_string()).collect();
        Embeddings::new(Vocab::new(&names, vec![]), dim, rows.into(), None, Provenance::default())
    }

    #[test]
    fn planted_groups_are_found() {
        let model = planted(40, 30, 12);
        let options = ClusterOptions { clusters: 40, rows: usize::MAX, rounds: 50, seed: 1 };
        let found = Clustering::of(&model, &options, &Progress::default()).unwrap();
        assert!(found.rounds.1, "{:?}", found.rounds);
        // Nearly all pairs of one planted group are together.
        let pairs = (0..1200).filter(|&row| found.of[row] == found.of[row % 40]).count();
        assert!(pairs > 1150, "{pairs}");
        assert_eq!(found.groups.iter().map(Vec::len).sum::<usize>(), 1200);
        let near = (0..found.groups.len()).filter(|&group| found.cohesion(group) > 0.9).count();
        assert!(near > 35, "{near}");
        for (group, rows) in found.groups.iter().enumerate() {
            assert!(rows.iter().all(|&row| found.of[row as usize] as usize == group));
            assert_eq!(found.typical(group, 3).len(), 3.min(rows.len()));
        }
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let again = one.install(|| Clustering::of(&model, &options, &Progress::default())).unwrap();
        assert_eq!((found.of, found.cosines), (again.of, again.cosines));
    }

    #[test]
    fn equal_rows_and_too_many_groups() {
        let vocab = Vocab::new(&["a", "b", "c", "d"], vec![]);
        let rows = vec![1.0, 0.0, 2.0, 0.0, 1.0, 0.0, 0.0, 3.0];
        let model = Embeddings::new(vocab, 2, rows.into(), None, Provenance::default());
        let options = ClusterOptions { clusters: 3, rows: 4, rounds: 5, seed: 1 };
        let found = Clustering::of(&model, &options, &Progress::default()).unwrap();
        assert_eq!(found.of.len(), 4);
        assert_eq!(found.groups.iter().map(Vec::len).sum::<usize>(), 4);
        let many = ClusterOptions { clusters: 5, ..options };
        assert!(Clustering::of(&model, &many, &Progress::default()).is_err());
    }
}
