//! How the vectors of a model lie: their lengths by the rank of their words, how much all of them
//! point one way (anisotropy), how few directions hold how much (Mu & Viswanath 2018; Ethayarajh
//! 2019), and whether some are near to too many others (hubness, Radovanović et al. 2010).

use rayon::prelude::*;

use crate::corpus::Vocab;
use crate::embeddings::{Embeddings, Provenance, cosine, is_finite, unit};
use crate::query::{Combine, Index, Query};
use crate::stats::{Ranked, components};

/// Rows that are looked at one after another in a thread.
const PIECE: usize = 1024;
/// The most rows, and the most numbers, of the sample for hubs and directions.
const SAMPLE: usize = 10_000;
const SAMPLE_NUMBERS: usize = 4_000_000;
/// The neighbours of a row among which hubs are looked for.
const NEAR: usize = 10;
/// The numbers of directions whose shares are told.
const DIRECTIONS: [usize; 2] = [1, 10];
/// The distances at which positions are compared.
const DISTANCES: [usize; 4] = [1, 10, 100, 1000];

/// How the vectors of a model lie.
#[derive(Clone, Debug)]
pub struct Geometry {
    /// The mean lengths of the rows in ranges of ranks, the first of which is 1.
    pub lengths: Vec<Lengths>,
    /// Spearman's correlation of length and rank; not a number where it is not defined.
    pub length_by_rank: f64,
    /// The mean cosine of two different rows; not a number for fewer than two.
    pub mean_cosine: f64,
    /// The rows that were drawn for what follows: evenly over all.
    pub sample: usize,
    /// The skewness of the number of times that a row of the sample is among the ten nearest of
    /// another: 0 where all are as often near to others, and above 1 where there are hubs.
    pub skewness: f64,
    /// The row that is most often among the ten nearest, by its id, and how often it is.
    pub hub: Option<(u32, usize)>,
    /// Numbers of directions, and their share of the variance of the sample.
    pub directions: Vec<(usize, f64)>,
}

/// The mean length of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Lengths {
    /// The first rank, from 1 on.
    pub first: usize,
    /// The last rank.
    pub last: usize,
    /// The mean length.
    pub mean: f64,
}

impl Geometry {
    /// Looks at all rows, and at a sample of them for what takes longer. Rows with numbers that are
    /// not finite are left out.
    pub fn of(e: &Embeddings) -> Self {
        let (rows, dim) = (e.vocab.len(), e.dim());
        let pieces: Vec<(Vec<f64>, Vec<f64>)> = (0..rows.div_ceil(PIECE))
            .into_par_iter()
            .map(|piece| {
                let ids = piece * PIECE..rows.min((piece + 1) * PIECE);
                let (mut lengths, mut sum) = (Vec::with_capacity(ids.len()), vec![0.0f64; dim]);
                for id in ids {
                    let row = e.vector(id as u32);
                    let square: f64 = row.iter().map(|&x| f64::from(x).powi(2)).sum();
                    lengths.push(square.sqrt());
                    if square.is_finite() {
                        let unit = unit(&row);
                        sum.iter_mut().zip(unit).for_each(|(sum, x)| *sum += f64::from(x));
                    }
                }
                (lengths, sum)
            })
            .collect();
        let lengths: Vec<f64> = pieces.iter().flat_map(|(lengths, _)| lengths).copied().collect();
        let mut sum = vec![0.0; dim];
        for (_, more) in &pieces {
            sum.iter_mut().zip(more).for_each(|(sum, x)| *sum += x);
        }
        let of_rank: Vec<(f64, f64)> = (0u32..)
            .map(f64::from)
            .zip(lengths.iter().copied())
            .filter(|(_, length)| length.is_finite())
            .collect();
        // Each row has the cosine 1 with itself, but for one of zeros.
        let all: f64 = sum.iter().map(|x| x * x).sum();
        let (n, own) =
            (of_rank.len() as f64, of_rank.iter().filter(|(_, x)| *x > 0.0).count() as f64);
        let (sample, ids) = sample(e);
        let (skewness, hub) = hubs(&sample);
        Self {
            lengths: bands(&lengths),
            length_by_rank: Ranked::new(&of_rank).spearman(&vec![1.0; of_rank.len()]),
            mean_cosine: (all - own) / (n * (n - 1.0)),
            sample: ids.len(),
            skewness,
            hub: hub.map(|(row, times)| (ids[row], times)),
            directions: shares(&sample),
        }
    }
}

/// The mean cosine of positions by their distance, for the distances 1, 10, 100 and 1,000 that there
/// are. The positions begin at row `first`.
pub fn cosines_by_distance(positions: &Embeddings, first: usize) -> Vec<(usize, f64)> {
    let rows = positions.vocab.len();
    let mean = |distance: usize| {
        let pairs = first..rows.checked_sub(distance)?.max(first);
        let vector = |row: usize| positions.vector(row as u32);
        let count = pairs.len() as f64;
        let sum: f64 = pairs.map(|row| cosine(&vector(row), &vector(row + distance))).sum();
        (count > 0.0).then_some((distance, sum / count))
    };
    DISTANCES.into_iter().filter_map(mean).collect()
}

/// The mean lengths of the first 100 rows, of those up to 1,000, and so on.
fn bands(lengths: &[f64]) -> Vec<Lengths> {
    let (mut bands, mut begin, mut end) = (Vec::new(), 0, 100);
    while begin < lengths.len() {
        let last = end.min(lengths.len());
        let finite: Vec<f64> =
            lengths[begin..last].iter().copied().filter(|x| x.is_finite()).collect();
        let mean = finite.iter().sum::<f64>() / finite.len() as f64;
        bands.push(Lengths { first: begin + 1, last, mean });
        (begin, end) = (last, end * 10);
    }
    bands
}

/// Rows drawn evenly over all, and their ids.
fn sample(e: &Embeddings) -> (Embeddings, Vec<u32>) {
    let (rows, dim) = (e.vocab.len(), e.dim());
    let most = (SAMPLE_NUMBERS / dim.max(1)).clamp(1, SAMPLE).min(rows);
    let drawn = (0..most).map(|i| (i as u64 * rows as u64 / most as u64) as u32);
    let ids: Vec<u32> = drawn.filter(|&id| is_finite(&e.vector(id))).collect();
    let numbers: Vec<f32> = ids.iter().flat_map(|&id| e.vector(id).into_owned()).collect();
    let names: Vec<&[u8]> = ids.iter().map(|&id| e.vocab.word(id)).collect();
    let vocab = Vocab::new(&names, Vec::new());
    (Embeddings::new(vocab, dim, numbers.into(), None, Provenance::default()), ids)
}

/// The skewness of how often rows are among the nearest of others, and the row that is most often,
/// with its number of times.
fn hubs(e: &Embeddings) -> (f64, Option<(usize, usize)>) {
    let rows = e.vocab.len();
    let query = |id: u32| Query::new(&[e.vector(id)], &[], vec![id], Combine::Add);
    let queries: Vec<Query> = (0..rows as u32).map(query).collect();
    let mut times = vec![0usize; rows];
    for near in Index::new(e).nearest(&queries, NEAR).into_iter().flatten() {
        times[near.id as usize] += 1;
    }
    let mean = times.iter().sum::<usize>() as f64 / rows as f64;
    let moment = |power: i32| {
        times.iter().map(|&n| (n as f64 - mean).powi(power)).sum::<f64>() / rows as f64
    };
    let most = times.iter().enumerate().max_by_key(|&(row, &n)| (n, std::cmp::Reverse(row)));
    (moment(3) / moment(2).powf(1.5), most.map(|(row, &n)| (row, n)))
}

/// The shares of the variance that the first directions hold.
fn shares(e: &Embeddings) -> Vec<(usize, f64)> {
    let (rows, dim) = (e.vocab.len(), e.dim());
    let mut mean = vec![0.0f64; dim];
    for row in e.input().chunks_exact(dim.max(1)) {
        mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x) / rows as f64);
    }
    let centred = |row: usize, i: usize| f64::from(e.input()[row * dim + i]) - mean[i];
    // Rows and columns have the same shares: the fewer of them are multiplied with each other.
    let (numbers, sides): (Vec<f64>, usize) = if dim <= rows {
        (
            (0..rows)
                .flat_map(|row| (0..dim).map(move |i| (row, i)))
                .map(|(row, i)| centred(row, i))
                .collect(),
            dim,
        )
    } else {
        (
            (0..dim)
                .flat_map(|i| (0..rows).map(move |row| (row, i)))
                .map(|(row, i)| centred(row, i))
                .collect(),
            rows,
        )
    };
    let most = DIRECTIONS[DIRECTIONS.len() - 1];
    let found = components(&numbers, sides, most.min(sides));
    let share = |n: usize| (n, found.iter().take(n).map(|(_, share)| share).sum());
    DIRECTIONS.into_iter().filter(|&n| n <= found.len()).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(dim: usize, numbers: Vec<f32>) -> Embeddings {
        let names: Vec<String> = (0..numbers.len() / dim).map(|row| format!("w{row}")).collect();
        let vocab = Vocab::new(&names, Vec::new());
        Embeddings::new(vocab, dim, numbers.into(), None, Provenance::default())
    }

    #[test]
    fn what_is_told_is_true_of_small_models() {
        let e = model(2, vec![3.0, 4.0, 6.0, 8.0, 0.0, 2.0, 5.0, 0.0]);
        let g = Geometry::of(&e);
        assert_eq!(g.lengths, [Lengths { first: 1, last: 4, mean: 5.5 }]);
        // Of the six pairs of directions (.6, .8) twice, (0, 1), (1, 0).
        let pairs = [1.0, 0.8, 0.8, 0.6, 0.6, 0.0];
        assert!((g.mean_cosine - pairs.iter().sum::<f64>() / 6.0).abs() < 1e-6);
        assert_eq!(g.sample, 4);
        // Lengths 5, 10, 2, 5 at ranks 0 to 3.
        assert!((g.length_by_rank - -0.316).abs() < 1e-3, "{}", g.length_by_rank);
        let g = Geometry::of(&model(2, vec![1.0, 0.0, f32::NAN, 0.0, 0.0, 0.0]));
        assert_eq!((g.sample, g.lengths[0].mean, g.mean_cosine), (2, 0.5, 0.0));
        let g = Geometry::of(&model(1, vec![1.0]));
        assert!(g.mean_cosine.is_nan() && g.skewness.is_nan());
    }

    #[test]
    fn variance_lies_in_as_many_directions_as_rows_have_spread() {
        // A row of each pair is the other with a minus, so that the mean is zero.
        let spread = [3.0f32, 2.0, 1.0];
        let rows = |i: usize| {
            [1.0, -1.0].map(|sign| {
                let mut row = vec![0.0f32; 12];
                row[i] = sign * spread[i];
                row
            })
        };
        let wide = model(12, (0..3).flat_map(rows).flatten().collect());
        assert!((shares(&wide)[0].1 - 9.0 / 14.0).abs() < 1e-9, "fewer rows than numbers in each");
        let tall: Vec<f32> = (0..4).flat_map(|_| (0..3).flat_map(rows)).flatten().collect();
        assert!((shares(&model(12, tall))[0].1 - 9.0 / 14.0).abs() < 1e-9);
    }

    #[test]
    fn a_row_that_is_near_to_all_is_a_hub() {
        // A star: the first row is the middle of directions that are at right angles.
        let n = 40;
        let mut numbers = vec![1.0f32; n];
        for i in 0..n {
            numbers.extend((0..n).map(|j| f32::from(u8::from(i == j))));
        }
        let g = Geometry::of(&model(n, numbers));
        assert_eq!(g.hub, Some((0, n)));
        assert!(g.skewness > 1.0);
    }

    #[test]
    fn positions_are_compared_by_their_distance() {
        let row = |angle: f32| [angle.cos(), angle.sin()];
        let rows: Vec<f32> = [[9.0, -9.0]]
            .into_iter()
            .chain((0..20).map(|i| row(0.1 * i as f32)))
            .flatten()
            .collect();
        let by = cosines_by_distance(&model(2, rows), 1);
        assert_eq!(by.len(), 2);
        assert!((by[0].1 - 0.1f64.cos()).abs() < 1e-6 && (by[1].1 - 1f64.cos()).abs() < 1e-6);
    }
}
