//! A sketch of all rows, of four bits for each number. It tells the cosine of a row with a query to
//! within a bound that is known for each row. Almost all rows are too far from the query by that,
//! and only the others are looked at: the answers are those of the whole search, from an eighth of
//! the memory.
//!
//! A row of length 1 is about `step * (n - 7.5)`, with whole numbers `n` from 0 to 15. What is left has
//! the length `error`, so by Cauchy and Schwarz the cosine is off by at most that.
//!
//! This file is over 300 lines because all that knows the form of a sketch is here.

use std::cmp::Ordering;

use fearless_simd::{Level, Simd};
use rayon::prelude::*;

use super::search::search;
use super::{Combine, Neighbour, Query};
use crate::embeddings::{Embeddings, is_finite};
use crate::math::unit::{cosine, set_unit};
use crate::math::{Tile, dispatch};
use crate::memory::{Numbers, prefetch};

/// Rows that lie side by side, so that a vector instruction works on the same number of many rows.
const ROWS: usize = 64;
/// Four numbers of each row of a group: the first is in the lowest bits.
type Quad = [u16; ROWS];
const QUAD: usize = 4;
/// The number of a row that stands for 0.
const MIDDLE: f32 = 7.5;
/// Numbers of a query are at most this, and products of so many quads are added up in 16 bits:
/// `4 * 4 * 15 * 127` is below `2^15`.
const LARGEST: f32 = 127.0;
const TOGETHER: usize = 4;
/// Quads that are asked for ahead of those that are multiplied, beyond what a processor does by
/// itself: a sixth less time.
const LATER: usize = 64;
/// Groups that a thread takes at a time.
const PIECE: usize = 64;
/// Rows whose cosines are found first, beyond those that are asked for.
const FIRST: usize = 32;
/// Rows that are looked at at a time.
const AT_ONCE: usize = 256;
/// Rows that are asked for ahead of that which is looked at.
const AHEAD: usize = 4;
/// Sums that are added up side by side.
const LANES: usize = 16;
/// Steps that are tried, in parts of the mean size of a number. The first is best for numbers that
/// are spread as by a bell curve.
const STEPS: [f32; 3] = [0.335, 0.5, 0.8];
/// An error that no other step makes much smaller.
const GOOD: f32 = 0.115;
/// More than the rounding of a cosine.
const ROUNDING: f32 = 1e-5;
/// A sketch is of no use where more than one row of so many has to be looked at.
const WORTH: usize = 8;

/// A sketch of all rows of a model.
#[derive(Clone, Debug)]
pub struct Sketch {
    rows: usize,
    /// The quads of each group, one after the other.
    numbers: Vec<Quad>,
    /// The quads of a row.
    quads: usize,
    /// The step of each row of each group.
    steps: Vec<[f32; ROWS]>,
    /// The error of each row of each group: less than 0 for a row that is never near.
    errors: Vec<[f32; ROWS]>,
}

/// A query in whole numbers.
struct Asked {
    numbers: Vec<[i16; QUAD]>,
    /// What is taken off a product, since numbers of rows stand for 7.5 less.
    offset: f32,
    /// What makes products cosines.
    scale: f32,
    /// The length of what was rounded off.
    error: f32,
}

/// What a sketch tells of a group: about the cosine of each row with a query, the largest of
/// these, and the largest that a cosine can be.
struct About {
    cosines: [f32; ROWS],
    largest: f32,
    bound: f32,
}

impl Sketch {
    /// Makes a sketch, for which each row is read once.
    pub fn new(e: &Embeddings) -> Self {
        let (rows, quads) = (e.vocab.len(), e.dim().div_ceil(QUAD));
        let groups = rows.div_ceil(ROWS);
        let mut numbers = vec![[0; ROWS]; groups * quads];
        let mut steps = vec![[0.0; ROWS]; groups];
        let mut errors = vec![[f32::NEG_INFINITY; ROWS]; groups];
        let level = Level::new();
        let all = numbers.par_chunks_mut(quads.max(1)).zip(&mut steps).zip(&mut errors);
        all.enumerate().with_min_len(PIECE).for_each(|(group, ((numbers, steps), errors))| {
            dispatch!(level, simd => {
                draw_group(simd, e, group * ROWS, numbers, (steps, errors));
            });
        });
        Self { rows, numbers, quads, steps, errors }
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
        let rows = candidates.min(self.rows);
        if query.combine != Combine::Add || k == 0 || k > rows / WORTH {
            return None;
        }
        let direction = query.direction(e.dim());
        let asked = Asked::new(&direction)?;
        let about = self.about(&asked, rows);
        let first = self.first(&about, query, k);
        // As near as this are `k` rows at least.
        let near = of_rows(e, &first, query, k);
        let limit = near.get(k - 1)?.score - ROUNDING.max(e.dim() as f32 * 1e-8);
        let ids = self.may_be_near(&about, &asked, query, limit);
        if ids.len() * WORTH > rows {
            return None;
        }
        // Of these few are near indeed, which their cosines tell to within rounding.
        let level = Level::new();
        let near: Vec<u32> = ids
            .par_chunks(AT_ONCE)
            .flat_map_iter(|ids| dispatch!(level, simd => as_near(simd, e, ids, &direction, limit)))
            .collect();
        Some(of_rows(e, &near, query, k))
    }

    /// What the sketch tells of the first `rows` rows.
    fn about(&self, asked: &Asked, rows: usize) -> Vec<About> {
        let level = Level::new();
        (0..rows.div_ceil(ROWS))
            .into_par_iter()
            .with_min_len(PIECE)
            .map(|group| {
                dispatch!(level, simd => {
                    let _ = simd;
                    self.about_group(asked, group, rows)
                })
            })
            .collect()
    }

    #[inline(always)]
    fn about_group(&self, asked: &Asked, group: usize, rows: usize) -> About {
        let sums = products(&self.numbers[group * self.quads..], &asked.numbers);
        let (steps, errors) = (&self.steps[group], &self.errors[group]);
        let mut cosines = [0.0; ROWS];
        for i in 0..ROWS {
            cosines[i] = steps[i] * asked.scale * (sums[i] as f32 - asked.offset);
        }
        // Rows beyond those that are asked for are not near.
        cosines[(rows - group * ROWS).min(ROWS)..].fill(f32::NEG_INFINITY);
        let largest = most(&cosines);
        About { cosines, largest, bound: largest + asked.off(most(errors)) }
    }

    /// Some rows that are about as near as any: `k` at least, if there are as many.
    fn first(&self, about: &[About], query: &Query, k: usize) -> Vec<u32> {
        let wanted = k + FIRST;
        // The rows that are wanted are in as many groups, beside those that are no answers.
        let groups = (wanted + query.exclude.len()).min(about.len());
        let mut order: Vec<usize> = (0..about.len()).collect();
        let by_largest = |&a: &usize, &b: &usize| about[b].largest.total_cmp(&about[a].largest);
        if groups < order.len() {
            order.select_nth_unstable_by(groups, by_largest);
        }
        let mut first = Vec::with_capacity(groups * ROWS);
        for &group in &order[..groups] {
            let finite = |&i: &usize| self.errors[group][i] >= 0.0;
            let rows = (0..ROWS).filter(finite).map(|i| (about[group].cosines[i], id(group, i)));
            first.extend(rows.filter(|(_, id)| !query.exclude.contains(id)));
        }
        let best_first = |a: &(f32, u32), b: &(f32, u32)| -> Ordering { b.0.total_cmp(&a.0) };
        if wanted < first.len() {
            first.select_nth_unstable_by(wanted, best_first);
            first.truncate(wanted);
        }
        first.into_iter().map(|(_, id)| id).collect()
    }

    /// The rows whose cosines with the query may be as large as the limit.
    fn may_be_near(&self, about: &[About], asked: &Asked, query: &Query, limit: f32) -> Vec<u32> {
        let (least, level) = (limit - asked.error, Level::new());
        // Mostly none of a group is as near.
        let groups = about.par_iter().enumerate().with_min_len(PIECE);
        let groups = groups.filter(|(_, about)| about.bound >= least);
        let near = groups.flat_map_iter(|(group, about)| {
            let near = dispatch!(level, simd => {
                let _ = simd;
                let mut near = [0u8; ROWS];
                let rows = about.cosines.iter().zip(&self.errors[group]);
                for (near, (cosine, &error)) in near.iter_mut().zip(rows) {
                    *near = u8::from(cosine + asked.off(error) >= least);
                }
                near
            });
            memchr::memchr_iter(1, &near).map(|i| id(group, i)).collect::<Vec<u32>>()
        });
        near.filter(|id| !query.exclude.contains(id)).collect()
    }
}

/// The id of a row of a group.
fn id(group: usize, row: usize) -> u32 {
    (group * ROWS + row) as u32
}

/// The largest number that is one.
#[inline(always)]
fn most(numbers: &[f32; ROWS]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    for numbers in numbers.as_chunks::<LANES>().0 {
        for (most, &x) in most.iter_mut().zip(numbers) {
            *most = if x > *most { x } else { *most };
        }
    }
    most.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// The sums of the products of the numbers of each row of a group, as they are stored, and of a
/// query. The quads of the group are the first, and those of other groups follow.
#[inline(always)]
fn products(quads: &[Quad], query: &[[i16; QUAD]]) -> [i32; ROWS] {
    let mut all = [0; ROWS];
    let later = quads.get(LATER..).unwrap_or_default();
    for (at, query) in query.chunks(TOGETHER).enumerate() {
        for quad in later.iter().skip(at * TOGETHER).take(TOGETHER) {
            prefetch(&quad[0]);
            prefetch(&quad[ROWS / 2]);
        }
        let quads = &quads[at * TOGETHER..][..query.len()];
        let mut sums = [0i16; ROWS];
        for (quad, &[a, b, c, d]) in quads.iter().zip(query) {
            for (sum, &x) in sums.iter_mut().zip(quad) {
                *sum += (x & 15) as i16 * a;
                *sum += (x >> 4 & 15) as i16 * b;
                *sum += (x >> 8 & 15) as i16 * c;
                *sum += (x >> 12) as i16 * d;
            }
        }
        for (all, &sum) in all.iter_mut().zip(&sums) {
            *all += i32::from(sum);
        }
    }
    all
}

/// Draws the rows of a group from `first` on, with their steps and errors. A row with numbers that are
/// not finite keeps an error that makes it as far from everything as can be.
#[inline(always)]
fn draw_group<S: Simd>(
    simd: S,
    e: &Embeddings,
    first: usize,
    numbers: &mut [Quad],
    (steps, errors): (&mut [f32; ROWS], &mut [f32; ROWS]),
) {
    let (dim, rows) = (e.dim(), ROWS.min(e.vocab.len() - first));
    let (mut room, mut row) = (vec![0.0; dim], Tile::new(1, dim));
    for i in 0..rows {
        let begin = (first + i) * dim;
        let vector = e.matrices().0.part_in(begin..begin + dim, &mut room);
        if set_unit(simd, &mut row, 0, vector) {
            [steps[i], errors[i]] = draw(&row.row(0)[..dim], |at, quad| numbers[at][i] = quad);
        }
    }
}

/// Draws a row of length 1, or of zeros, quad by quad. Returns its step and its error.
#[inline(always)]
fn draw(row: &[f32], mut put: impl FnMut(usize, u16)) -> [f32; 2] {
    let size = 1.0 / (row.len() as f32).sqrt();
    let whole = |x: f32, each: f32| (x * each + MIDDLE + 0.5).clamp(0.0, 15.5) as i32;
    let mut best = [0.0, f32::INFINITY];
    for part in STEPS {
        let (step, each) = (part * size, 1.0 / (part * size));
        let mut sums = [0.0f32; LANES];
        for row in row.chunks(LANES) {
            for (sum, &x) in sums.iter_mut().zip(row) {
                let off = x - step * (whole(x, each) as f32 - MIDDLE);
                *sum += off * off;
            }
        }
        let error = sums.iter().map(|&x| f64::from(x)).sum::<f64>().sqrt() as f32;
        if error < best[1] {
            best = [step, error];
        }
        if error < GOOD {
            break;
        }
    }
    let each = 1.0 / best[0];
    for (at, row) in row.chunks(QUAD).enumerate() {
        let packed = |quad: u16, &x: &f32| quad << 4 | whole(x, each) as u16;
        put(at, row.iter().rev().fold(0, packed));
    }
    [best[0], best[1] * (1.0 + 1e-4)]
}

impl Asked {
    /// A query of length 1; `None` for zeros, or what is not finite.
    fn new(query: &[f32]) -> Option<Self> {
        let largest = query.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        if !(largest > 0.0 && is_finite(query)) {
            return None;
        }
        let scale = LARGEST / largest;
        let mut whole: Vec<i16> = query.iter().map(|x| (x * scale).round() as i16).collect();
        let off = |(x, &n): (&f32, &i16)| f64::from(x - f32::from(n) / scale).powi(2);
        let error = query.iter().zip(&whole).map(off).sum::<f64>().sqrt() as f32;
        whole.resize(whole.len().next_multiple_of(QUAD), 0);
        let offset = MIDDLE * whole.iter().map(|&n| i32::from(n)).sum::<i32>() as f32;
        let numbers = whole.as_chunks().0.to_vec();
        Some(Self { numbers, offset, scale: 1.0 / scale, error: error * (1.0 + 1e-6) })
    }

    /// How far a cosine can be off for a row with an error.
    #[inline(always)]
    fn off(&self, error: f32) -> f32 {
        error * (1.0 + self.error)
    }
}

/// Those rows whose cosine with a direction is as large as the limit, or can't be told.
#[inline(always)]
fn as_near<S: Simd>(
    simd: S,
    e: &Embeddings,
    ids: &[u32],
    direction: &[f32],
    limit: f32,
) -> Vec<u32> {
    let (rows, dim) = (e.matrices().0, e.dim());
    let numbers = |id: u32| id as usize * dim..(id as usize + 1) * dim;
    let (mut near, mut room) = (Vec::new(), vec![0.0; dim]);
    for (at, &id) in ids.iter().enumerate() {
        if let Some(&soon) = ids.get(at + AHEAD) {
            rows.prefetch(numbers(soon));
        }
        let cosine = cosine(simd, rows.part_in(numbers(id), &mut room), direction);
        if cosine.is_none_or(|cosine| cosine >= limit) {
            near.push(id);
        }
    }
    near
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
    use crate::embeddings::unit;
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
            let Some(asked) = Asked::new(&query) else { return Ok(()) };
            let about = &sketch.about(&asked, 50)[0];
            for id in 0..50 {
                let exact = crate::cosine(&query, &e.vector(id));
                let off = (exact - f64::from(about.cosines[id as usize])).abs();
                let bound = asked.off(sketch.errors[0][id as usize]) + asked.error + ROUNDING;
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
