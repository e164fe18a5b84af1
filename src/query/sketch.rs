//! A sketch of all rows, of four bits for each number. It tells the cosine of a row with a query to
//! within a bound that is known for each row. Almost all rows are too far from the query by that,
//! and only the others are looked at: the answers are those of the whole search, from an eighth of
//! the memory.
//!
//! A row of length 1 is about `step * n`, with whole numbers `n` from -8 to 7. What is left has the
//! length `error`, so by Cauchy and Schwarz the cosine is off by at most that.

use std::collections::BinaryHeap;

use fearless_simd::Level;
use rayon::prelude::*;

use super::search::{Kept, best_first, search};
use super::{Combine, Neighbour, Query};
use crate::embeddings::{Embeddings, is_finite, unit};
use crate::math::dispatch;
use crate::memory::Numbers;

/// The numbers of a block, and its bytes. A byte has a number of the first half of its block in its
/// lower bits, and one of the second half above.
const BLOCK: usize = 64;
const BYTES: usize = BLOCK / 2;
/// Numbers of a query are at most this, and products of so many blocks are added up in 16 bits:
/// `2 * 15 * 127 * 8` is below `2^15`.
const LARGEST: f32 = 127.0;
const TOGETHER: usize = 8;
/// Rows that a thread takes at a time.
const PIECE: usize = 4096;
/// Scores that are compared at a time, and rows that are looked at at a time.
const GROUP: usize = 64;
const AT_ONCE: usize = 256;
/// Rows that are asked for ahead of that which is looked at.
const AHEAD: usize = 4;
/// Sums that are added up side by side.
const LANES: usize = 16;
/// Steps that are tried, in parts of the mean size of a number. The first is best for numbers that
/// are spread as by a bell curve.
const STEPS: [f32; 3] = [0.335, 0.5, 0.8];
/// More than the rounding of a cosine.
const ROUNDING: f32 = 1e-5;
/// A sketch is of no use where more than one row of so many has to be looked at.
const WORTH: usize = 8;

/// A sketch of all rows of a model.
#[derive(Clone, Debug)]
pub struct Sketch {
    numbers: Vec<u8>,
    /// The bytes of a row.
    width: usize,
    /// The step of each row.
    steps: Vec<f32>,
    /// The error of each row, and the largest of each piece.
    errors: Vec<f32>,
    largest: Vec<f32>,
}

/// A query in whole numbers.
struct Asked {
    numbers: Vec<i16>,
    /// What is taken off a product, since numbers of rows are stored with 8 added.
    offset: i32,
    /// What makes products cosines.
    scale: f32,
    /// The length of what was rounded off.
    error: f32,
}

impl Sketch {
    /// Makes a sketch, for which each row is read once.
    pub fn new(e: &Embeddings) -> Self {
        let (rows, width) = (e.vocab.len(), e.dim().div_ceil(BLOCK) * BYTES);
        let mut numbers = vec![0; rows * width];
        let (mut steps, mut errors) = (vec![0.0; rows], vec![0.0; rows]);
        let level = Level::new();
        let pieces = numbers.par_chunks_mut((PIECE * width).max(1));
        let pieces = pieces.zip(steps.par_chunks_mut(PIECE)).zip(errors.par_chunks_mut(PIECE));
        pieces.enumerate().for_each(|(piece, ((numbers, steps), errors))| {
            dispatch!(level, simd => {
                let _ = simd;
                draw_piece(e, piece * PIECE, numbers, (steps, errors));
            });
        });
        let most = |errors: &[f32]| errors.iter().fold(0.0, |most: f32, &error| most.max(error));
        let largest = errors.chunks(PIECE).map(most).collect();
        Self { numbers, width, steps, errors, largest }
    }

    /// The `k` nearest of the first `candidates` rows, as [`super::Index::nearest_among`] finds
    /// them. `None` where the sketch is of no use: for other questions than sums, for a query
    /// without a direction, and where too many rows are about as near as the nearest.
    pub(super) fn nearest(
        &self,
        e: &Embeddings,
        candidates: usize,
        query: &Query,
        k: usize,
    ) -> Option<Vec<Neighbour>> {
        let rows = candidates.min(self.steps.len());
        if query.combine != Combine::Add || k == 0 || k > rows / WORTH {
            return None;
        }
        let direction = query.direction(e.dim());
        let asked = Asked::new(&direction, self.width)?;
        let mut about = vec![0.0f32; rows];
        let level = Level::new();
        let best: Vec<BinaryHeap<Kept>> = about
            .par_chunks_mut(PIECE)
            .enumerate()
            .map(|(piece, about)| {
                dispatch!(level, simd => {
                    let _ = simd;
                    self.cosines(&asked, piece * PIECE, about);
                });
                let mut best = BinaryHeap::with_capacity(k + 1);
                let mut least = f32::NEG_INFINITY;
                for (i, &score) in about.iter().enumerate() {
                    let id = (piece * PIECE + i) as u32;
                    if score > least && !query.exclude.contains(&id) {
                        best.push(Kept(Neighbour { id, score }));
                        if best.len() > k {
                            best.pop();
                            least = best.peek().map_or(least, |kept: &Kept| kept.0.score);
                        }
                    }
                }
                best
            })
            .collect();
        let mut first: Vec<Neighbour> = best.into_iter().flatten().map(|kept| kept.0).collect();
        first.sort_unstable_by(|a, b| best_first(*a, *b));
        let ids: Vec<u32> = first.iter().take(k).map(|near| near.id).collect();
        let near = of_rows(e, &ids, query, k);
        // As near as this are `k` rows at least.
        let limit = near.get(k - 1)?.score - ROUNDING.max(e.dim() as f32 * 1e-8);
        let least = limit - asked.error;
        let pieces: Vec<Vec<u32>> = about
            .par_chunks(PIECE)
            .zip(self.errors.par_chunks(PIECE))
            .zip(&self.largest)
            .enumerate()
            .map(|(piece, ((about, errors), largest))| {
                let off = |error: f32| error * (1.0 + asked.error);
                let (lowest, mut ids) = (least - off(*largest), Vec::new());
                for (group, scores) in about.chunks(GROUP).enumerate() {
                    // Mostly none is as near, which is seen of many at a time.
                    if scores.iter().copied().fold(f32::MIN, f32::max) < lowest {
                        continue;
                    }
                    for (i, &score) in (group * GROUP..).zip(scores) {
                        let id = (piece * PIECE + i) as u32;
                        if score + off(errors[i]) >= least && !query.exclude.contains(&id) {
                            ids.push(id);
                        }
                    }
                }
                ids
            })
            .collect();
        let ids = pieces.concat();
        if ids.len() * WORTH > rows {
            return None;
        }
        // Of these few are near indeed, which their cosines tell to within rounding.
        let near: Vec<u32> = ids
            .par_chunks(AT_ONCE)
            .flat_map_iter(|ids| {
                dispatch!(level, simd => {
                    let _ = simd;
                    as_near(e, ids, &direction, limit)
                })
            })
            .collect();
        Some(of_rows(e, &near, query, k))
    }

    /// Sets `about` to the cosines of the rows from `first` on.
    #[inline(always)]
    fn cosines(&self, asked: &Asked, first: usize, about: &mut [f32]) {
        let numbers = self.numbers[first * self.width..].chunks_exact(self.width);
        for ((about, numbers), step) in about.iter_mut().zip(numbers).zip(&self.steps[first..]) {
            let sum = product(numbers, &asked.numbers) - asked.offset;
            *about = step * asked.scale * sum as f32;
        }
    }
}

/// The sum of the products of a row's numbers, as they are stored, and a query's.
#[inline(always)]
fn product(row: &[u8], query: &[i16]) -> i32 {
    let mut sum = 0;
    let blocks = row.as_chunks::<BYTES>().0.chunks(TOGETHER);
    for (row, query) in blocks.zip(query.as_chunks::<BLOCK>().0.chunks(TOGETHER)) {
        let mut lanes = [0i16; BYTES];
        for (bytes, query) in row.iter().zip(query) {
            let (low, high) = query.split_at(BYTES);
            for i in 0..BYTES {
                lanes[i] += i16::from(bytes[i] & 15) * low[i] + i16::from(bytes[i] >> 4) * high[i];
            }
        }
        sum += lanes.iter().map(|&lane| i32::from(lane)).sum::<i32>();
    }
    sum
}

/// Draws the rows from `first` on, with their steps and errors. A row with numbers that are not finite
/// is as far from everything as can be.
#[inline(always)]
fn draw_piece(
    e: &Embeddings,
    first: usize,
    numbers: &mut [u8],
    (steps, errors): (&mut [f32], &mut [f32]),
) {
    let (dim, width) = (e.dim(), numbers.len() / steps.len());
    let mut room = vec![0.0; dim];
    for (i, (step, error)) in steps.iter_mut().zip(errors).enumerate() {
        let begin = (first + i) * dim;
        let row = unit(e.matrices().0.part_in(begin..begin + dim, &mut room));
        [*step, *error] = if is_finite(&row) {
            draw(&row, &mut numbers[i * width..][..width])
        } else {
            [0.0, f32::NEG_INFINITY]
        };
    }
}

/// Draws a row of length 1, or of zeros. Returns its step and its error.
#[inline(always)]
fn draw(row: &[f32], to: &mut [u8]) -> [f32; 2] {
    let size = 1.0 / (row.len() as f32).sqrt();
    // The whole number of a number of the row, with 8 added.
    let stored = |x: f32, each: f32| (x * each + 8.5).clamp(0.0, 15.5) as i32;
    let mut best = [0.0, f32::INFINITY];
    for part in STEPS {
        let (step, each) = (part * size, 1.0 / (part * size));
        let mut sums = [0.0f32; 16];
        for row in row.chunks(16) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                let off = x - step * (stored(x, each) - 8) as f32;
                *sum += off * off;
            }
        }
        let error = sums.iter().map(|&x| f64::from(x)).sum::<f64>().sqrt() as f32;
        if error < best[1] {
            best = [step, error];
        }
    }
    let each = 1.0 / best[0];
    // Zeros are stored as 8.
    to.fill(0x88);
    for (bytes, row) in to.as_chunks_mut::<BYTES>().0.iter_mut().zip(row.chunks(BLOCK)) {
        for (i, &x) in row.iter().enumerate() {
            let (number, byte) = (stored(x, each) as u8, &mut bytes[i % BYTES]);
            *byte = if i < BYTES { *byte & 0xf0 | number } else { *byte & 0x0f | number << 4 };
        }
    }
    [best[0], best[1] * (1.0 + 1e-4)]
}

impl Asked {
    /// A query of length 1, for rows of `width` bytes; `None` for zeros, or what is not finite.
    fn new(query: &[f32], width: usize) -> Option<Self> {
        let largest = query.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        if !(largest > 0.0 && is_finite(query)) {
            return None;
        }
        let scale = LARGEST / largest;
        let mut numbers: Vec<i16> = query.iter().map(|x| (x * scale).round() as i16).collect();
        let off = |(x, &n): (&f32, &i16)| f64::from(x - f32::from(n) / scale).powi(2);
        let error = query.iter().zip(&numbers).map(off).sum::<f64>().sqrt() as f32;
        numbers.resize(2 * width, 0);
        let offset = 8 * numbers.iter().map(|&n| i32::from(n)).sum::<i32>();
        Some(Self { numbers, offset, scale: 1.0 / scale, error: error * (1.0 + 1e-6) })
    }
}

/// Those rows whose cosine with a direction is as large as the limit.
#[inline(always)]
fn as_near(e: &Embeddings, ids: &[u32], direction: &[f32], limit: f32) -> Vec<u32> {
    let (mut near, mut room) = (Vec::new(), vec![0.0; e.dim()]);
    for (at, &id) in ids.iter().enumerate() {
        if let Some(&soon) = ids.get(at + AHEAD) {
            let begin = soon as usize * e.dim();
            e.matrices().0.prefetch(begin..begin + e.dim());
        }
        if cosine(e, id, direction, &mut room) >= limit {
            near.push(id);
        }
    }
    near
}

/// The cosine of a row and a direction of length 1, to within [`ROUNDING`]; infinity for a row whose
/// length is too small or too large to tell.
#[inline(always)]
fn cosine(e: &Embeddings, id: u32, direction: &[f32], room: &mut [f32]) -> f32 {
    let (begin, dim) = (id as usize * e.dim(), e.dim());
    let row = e.matrices().0.part_in(begin..begin + dim, room);
    let (mut products, mut squares) = ([0.0f32; LANES], [0.0f32; LANES]);
    let (lanes, rest) = row.as_chunks::<LANES>();
    let (along, beyond) = direction.as_chunks::<LANES>();
    for (row, direction) in lanes.iter().zip(along) {
        for i in 0..LANES {
            products[i] += row[i] * direction[i];
            squares[i] += row[i] * row[i];
        }
    }
    let (mut product, mut square): (f32, f32) = (products.iter().sum(), squares.iter().sum());
    for (&x, &d) in rest.iter().zip(beyond) {
        product += x * d;
        square += x * x;
    }
    if 1e-20 < square && square < 1e30 { product / square.sqrt() } else { f32::INFINITY }
}

/// The `k` nearest of some rows, best first.
fn of_rows(e: &Embeddings, ids: &[u32], query: &Query, k: usize) -> Vec<Neighbour> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    let mut numbers = Vec::with_capacity(ids.len() * e.dim());
    for &id in &ids {
        numbers.extend_from_slice(&e.vector(id));
    }
    let asked = [query.clone().among_others()];
    let (mut found, _) = search(&Numbers::from(numbers), e.dim(), ids.len(), &asked, k);
    let near = found.pop().unwrap_or_default().into_iter();
    near.map(|near| Neighbour { id: ids[near.id as usize], ..near }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::Index;
    use crate::query::search::tests::random;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn answers_are_those_of_the_whole_search(
            seed: u64, words in 8..3000usize, dim in 1..80usize, k in 1..30usize, asked: u32, among in 1..3000usize,
        ) {
            let e = random(seed, words, dim);
            let sketch = Sketch::new(&e);
            let [a, b, c] = [asked, asked / 7, asked / 31].map(|id| id % words as u32);
            let query = Query::new(&[e.vector(a), e.vector(b)], &[e.vector(c)], vec![a, c], Combine::Add);
            let expected = &Index::new(&e).nearest_among(among, std::slice::from_ref(&query), k)[0];
            if let Some(found) = sketch.nearest(&e, among, &query, k) {
                prop_assert_eq!(&found, expected);
            }
            let sketched = Index::new(&e).with_sketch(&sketch);
            prop_assert_eq!(&sketched.nearest_among(among, &[query], k)[0], expected);
        }

        #[test]
        fn cosines_are_within_their_bounds(seed: u64, dim in 1..200usize) {
            let e = random(seed, 50, dim);
            let sketch = Sketch::new(&e);
            let query = unit(&e.vector(7));
            let Some(asked) = Asked::new(&query, sketch.width) else { return Ok(()) };
            let mut about = vec![0.0; 50];
            sketch.cosines(&asked, 0, &mut about);
            for id in 0..50 {
                let exact = crate::cosine(&query, &e.vector(id));
                let off = (exact - f64::from(about[id as usize])).abs();
                let bound = sketch.errors[id as usize] * (1.0 + asked.error) + asked.error + ROUNDING;
                prop_assert!(off <= f64::from(bound), "{} {}", off, bound);
            }
        }
    }

    #[test]
    fn most_rows_are_left_out_of_a_large_model() {
        let e = random(3, 50_000, 64);
        let sketch = Sketch::new(&e);
        let drawn = (0..9).map(|id| e.vector(id)).find(|row| row[0] != 0.0).unwrap();
        let query = Query::new(&[drawn], &[], vec![], Combine::Add);
        assert!(sketch.nearest(&e, usize::MAX, &query, 10).is_some());
        let zero = Query::new(&[vec![0.0; 64]], &[], vec![], Combine::Add);
        assert!(sketch.nearest(&e, usize::MAX, &zero, 10).is_none());
        let product = Query::new(&[e.vector(1)], &[e.vector(2)], vec![], Combine::Mul);
        assert!(sketch.nearest(&e, usize::MAX, &product, 10).is_none());
    }
}
