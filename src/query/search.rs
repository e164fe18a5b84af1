//! The nearest rows for many queries.
//!
//! Rows are copied as they are read, in blocks that stay in the first-level cache. A block is
//! multiplied with the vectors of six queries at a time ([`kernel::dots`]), or of one that is alone.
//! Of each block of scores, only those above a query's k-th best so far are looked at. Nothing is
//! kept between calls, and memory does not grow with the number of scores.
//!
//! This file is longer than 300 lines because it holds the whole of one search, and a quarter of it
//! is tests.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::OnceLock;

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd};
use rayon::prelude::*;

use crate::embeddings::{Embeddings, unit};
use crate::math::kernel;
use crate::math::unit::set_row;
use crate::math::{LINE, Tile, dispatch};
use crate::memory::Numbers;
use crate::query::{Combine, EPSILON, Neighbour, Query, Sketch};
/// The number of queries that are multiplied with a block of rows at a time.
const PACK: usize = 6;
/// The number of scores that are compared at a time. A group is a whole number of SIMD vectors at
/// every level, and the queries are the same in every group.
const GROUP: usize = 8 * PACK;
/// Bytes of rows in a block, for one query and for many. Each pack of queries reads the block from
/// the first-level cache. One query is a fifth slower with the larger block, many are a twentieth
/// slower with the smaller one.
const BLOCK_BYTES: [usize; 2] = [10 << 10, 24 << 10];
/// Bytes of query vectors that go through the rows together. They stay in the second-level cache.
const BATCH_BYTES: usize = 256 << 10;
/// The number of pieces of work for each thread, and the fewest rows in a piece.
const PIECES: usize = 8;

const PIECE_ROWS: usize = 1024;

/// The rows to search.
#[derive(Clone, Debug)]
pub struct Index<'a> {
    embeddings: &'a Embeddings,
    sketch: Option<&'a Sketch>,
    not_finite: OnceLock<usize>,
}

impl<'a> Index<'a> {
    /// A search over all rows of `embeddings`. The rows may have any length.
    pub fn new(embeddings: &'a Embeddings) -> Self {
        Self { embeddings, sketch: None, not_finite: OnceLock::new() }
    }

    /// The same search, by a sketch of these rows where that is of use: for a single question. The
    /// answers are the same.
    #[must_use]
    pub fn with_sketch(self, sketch: &'a Sketch) -> Self {
        Self { sketch: Some(sketch), ..self }
    }

    /// The number of words that searches leave out, because their vectors have a number that is not
    /// finite. It is known once all rows have been searched.
    pub fn not_finite(&self) -> Option<usize> {
        self.not_finite.get().copied()
    }

    /// The `k` words with the highest scores for each query, best first. Words with equal scores
    /// are in the order of their ids. There are fewer than `k` if the model has too few words, and
    /// words whose score is not a number are left out. A word or a query of zeros has cosine 0 with
    /// everything. The result is the same for any number of threads, and whichever queries are
    /// asked together.
    ///
    /// # Panics
    /// When a query has vectors of another dimension.
    pub fn nearest(&self, queries: &[Query], k: usize) -> Vec<Vec<Neighbour>> {
        self.nearest_among(usize::MAX, queries, k)
    }

    /// [`Index::nearest`] among the first `candidates` words.
    ///
    /// # Panics
    /// When a query has vectors of another dimension.
    pub fn nearest_among(
        &self,
        candidates: usize,
        queries: &[Query],
        k: usize,
    ) -> Vec<Vec<Neighbour>> {
        let (e, words) = (self.embeddings, self.embeddings.vocab.len());
        if let (Some(sketch), [query]) = (self.sketch, queries)
            && let Some(near) = sketch.nearest(e, candidates, query, k)
        {
            return vec![near];
        }
        let rows = candidates.min(words);
        let (found, bad) = search(e.matrices().0, e.dim(), rows, queries, k);
        if let (Some(bad), true) = (bad, rows == words) {
            self.not_finite.get_or_init(|| bad);
        }
        found
    }
}

/// The `k` best of the first `rows` rows for each query, and the number of rows with numbers that are
/// not finite, where there was something to look at.
pub(super) fn search(
    numbers: &Numbers,
    dim: usize,
    rows: usize,
    queries: &[Query],
    k: usize,
) -> (Vec<Vec<Neighbour>>, Option<usize>) {
    let mut found = vec![Vec::new(); queries.len()];
    if k == 0 || rows == 0 || queries.is_empty() {
        return (found, None);
    }
    let mut order: Vec<usize> = (0..queries.len()).collect();
    order.sort_by_key(|&query| queries[query].shape());
    let same = order.chunk_by(|&a, &b| queries[a].shape() == queries[b].shape());
    let packs: Vec<&[usize]> = same.flat_map(|queries| queries.chunks(PACK)).collect();
    let largest =
        queries.iter().map(|query| query.shape().1 + query.shape().2).max().unwrap_or(0).max(1);
    let batch = (BATCH_BYTES / (largest * PACK * 4 * dim.next_multiple_of(LINE).max(1))).max(1);

    let pieces = (PIECES * rayon::current_num_threads()).div_ceil(packs.len().div_ceil(batch));
    let piece = rows.div_ceil(pieces).max(PIECE_ROWS);
    let work: Vec<(&[&[usize]], Range<usize>)> = packs
        .chunks(batch)
        .flat_map(|packs| {
            (0..rows).step_by(piece).map(move |row| (packs, row..rows.min(row + piece)))
        })
        .collect();
    let level = Level::new();
    let kept: Vec<(Vec<Pack>, usize)> = work
        .into_par_iter()
        .map(|(packs, rows)| {
            dispatch!(level, simd => scan(simd, (numbers, dim), queries, packs, rows, k))
        })
        .collect();
    // The first batch of packs has seen each row once.
    let each_once = rows.div_ceil(piece);
    let bad = kept.iter().take(each_once).map(|(_, bad)| bad).sum();
    for pack in kept.into_iter().flat_map(|(packs, _)| packs) {
        for (&query, kept) in pack.members.iter().zip(pack.kept) {
            found[query].extend(kept.into_iter().map(|kept| kept.0));
        }
    }
    found.par_iter_mut().for_each(|found| {
        found.sort_unstable_by(|a, b| best_first(*a, *b));
        found.truncate(k);
    });
    (found, Some(bad))
}

fn best_first(a: Neighbour, b: Neighbour) -> Ordering {
    b.score.total_cmp(&a.score).then(a.id.cmp(&b.id))
}

/// A neighbour in a heap that has the worst one at its top.
struct Kept(Neighbour);

impl Ord for Kept {
    fn cmp(&self, other: &Self) -> Ordering {
        best_first(self.0, other.0)
    }
}

impl PartialOrd for Kept {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Kept {}

/// Up to six queries of one shape, with their best rows so far.
struct Pack<'a> {
    members: &'a [usize],
    /// The shape of its queries: see [`Query::shape`].
    shape: (bool, usize, usize),
    /// The first of its rows in the tile of query vectors. The first vectors of all its queries
    /// come first, then the second ones.
    first: usize,
    kept: [BinaryHeap<Kept>; PACK],
    /// The score that has to be exceeded for each query, repeated for each row of a group.
    thresholds: [f32; GROUP],
}

/// The number of scores for a row and a pack of `members`: one for a query that is alone, or else
/// [`PACK`].
fn width(members: &[usize]) -> usize {
    if members.len() == 1 { 1 } else { PACK }
}

/// The best `k` of `rows` for each query of each pack, and the number of rows with numbers that are
/// not finite.
#[inline(always)]
fn scan<'a, S: Simd>(
    simd: S,
    (numbers, dim): (&Numbers, usize),
    queries: &[Query],
    packs: &[&'a [usize]],
    rows: Range<usize>,
    k: usize,
) -> (Vec<Pack<'a>>, usize) {
    let mut bad = 0;
    let (mut packs, vectors) = packed(queries, packs, dim);
    // A block holds whole groups, so no group is shared by two blocks.
    let bytes = BLOCK_BYTES[usize::from(packs.iter().any(|pack| width(pack.members) > 1))];
    let most = (bytes / (4 * dim.max(1))).clamp(8, 64) / 8 * 8;
    let mut block = Block::new(most, dim);
    let (mut scores, mut cosines) = (vec![0.0; most * PACK], vec![0.0; most * PACK]);
    let mut row = rows.start;
    while row < rows.end {
        let n = most.min(rows.end - row);
        bad += block.fill(simd, (numbers, dim), row..row + n);
        for pack in &mut packs {
            let width = width(pack.members);
            if width == 1 {
                pack.score::<S, 1>(simd, &block, &vectors, &mut scores, &mut cosines);
            } else {
                pack.score::<S, PACK>(simd, &block, &vectors, &mut scores, &mut cosines);
            }
            let used = (n * width).next_multiple_of(GROUP);
            scores[n * width..used].fill(f32::NEG_INFINITY);
            for (group, scores) in scores[..used].as_chunks::<GROUP>().0.iter().enumerate() {
                if any_above(simd, scores, &pack.thresholds) {
                    pack.offer(queries, (row + group * (GROUP / width)) as u32, scores, k);
                }
            }
        }
        row += n;
    }
    (packs, bad)
}

/// Rows that stay in the first-level cache.
struct Block {
    rows: Tile,
    /// The offsets of the rows in use.
    inputs: Vec<usize>,
    /// What makes products with a row cosines, for each row.
    alone: Vec<f32>,
    /// The same, [`PACK`] times for each row.
    packed: Vec<f32>,
    /// Room for a row of narrow numbers.
    widened: Vec<f32>,
}

impl Block {
    fn new(most: usize, dim: usize) -> Self {
        let (rows, inputs) = (Tile::new(most, dim), Vec::with_capacity(most));
        let (alone, packed) = (vec![0.0; most], vec![0.0; most * PACK]);
        Self { rows, inputs, alone, packed, widened: vec![0.0; dim] }
    }

    /// Takes the rows `rows` in. Returns how many have numbers that are not finite.
    #[inline(always)]
    fn fill<S: Simd>(
        &mut self,
        simd: S,
        (numbers, dim): (&Numbers, usize),
        rows: Range<usize>,
    ) -> usize {
        let mut bad = 0;
        self.inputs.clear();
        for (i, row) in rows.enumerate() {
            let vector = numbers.part_in(row * dim..(row + 1) * dim, &mut self.widened);
            let (scale, finite) = set_row(simd, &mut self.rows, i, vector);
            self.alone[i] = scale;
            self.packed[i * PACK..][..PACK].fill(scale);
            self.inputs.push(self.rows.at(i));
            bad += usize::from(!finite);
        }
        bad
    }

    /// Sets `cosines[i * T + j]` to the cosine of row `i` and the row `targets[j]` of `vectors`,
    /// which has length 1.
    #[inline(always)]
    fn cosines<S: Simd, const T: usize>(
        &self,
        simd: S,
        vectors: &Tile,
        targets: &[usize; T],
        cosines: &mut [f32],
    ) {
        kernel::dots::<S, T>(simd, &self.rows, &self.inputs, vectors, targets, cosines);
        let scales = if T == 1 { &self.alone } else { &self.packed };
        for (cosine, scale) in cosines[..self.inputs.len() * T].iter_mut().zip(scales) {
            *cosine *= scale;
        }
    }
}

/// The packs, and the vectors of their queries. Where a pack is not full, the vectors are zeros and
/// the thresholds are infinite.
fn packed<'a>(queries: &[Query], packs: &[&'a [usize]], dim: usize) -> (Vec<Pack<'a>>, Tile) {
    let mut rows = 0;
    let pack = |&members: &&'a [usize]| {
        let (shape, first) = (queries[members[0]].shape(), rows);
        rows += PACK * (shape.1 + shape.2);
        let width = width(members);
        let threshold =
            |i| if i % width < members.len() { f32::NEG_INFINITY } else { f32::INFINITY };
        let thresholds = std::array::from_fn(threshold);
        Pack { members, shape, first, kept: Default::default(), thresholds }
    };
    let packs: Vec<Pack> = packs.iter().map(pack).collect();
    let mut vectors = Tile::new(rows, dim);
    for pack in &packs {
        for (i, &query) in pack.members.iter().enumerate() {
            queries[query].put(&mut vectors, pack.first + i, dim);
        }
    }
    (packs, vectors)
}

#[inline(always)]
fn any_above<S: Simd>(simd: S, scores: &[f32; GROUP], thresholds: &[f32; GROUP]) -> bool {
    let mut any = false;
    for at in (0..GROUP).step_by(S::f32s::LEN) {
        let score = S::f32s::from_slice(simd, &scores[at..at + S::f32s::LEN]);
        any |=
            score.simd_gt(S::f32s::from_slice(simd, &thresholds[at..at + S::f32s::LEN])).any_true();
    }
    any
}

impl Pack<'_> {
    /// Sets `scores[i * T + j]` to the score of row `i` of the block for query `j`.
    #[inline(always)]
    fn score<S: Simd, const T: usize>(
        &self,
        simd: S,
        block: &Block,
        vectors: &Tile,
        scores: &mut [f32],
        cosines: &mut [f32],
    ) {
        let (product, plus, minus) = self.shape;
        if !product {
            block.cosines::<S, T>(simd, vectors, &self.targets(vectors, 0), scores);
            return;
        }
        scores.fill(1.0);
        for factor in 0..plus + minus {
            block.cosines::<S, T>(simd, vectors, &self.targets(vectors, factor), cosines);
            for (score, &cosine) in scores.iter_mut().zip(&*cosines) {
                let near = f32::midpoint(cosine, 1.0);
                *score = if factor < plus { *score * near } else { *score / (near + EPSILON) };
            }
        }
    }

    /// The rows of `vectors` that hold vector `factor` of each query.
    #[inline(always)]
    fn targets<const T: usize>(&self, vectors: &Tile, factor: usize) -> [usize; T] {
        let mut targets = [0; T];
        for (j, target) in targets.iter_mut().enumerate() {
            *target = vectors.at(self.first + factor * PACK + j);
        }
        targets
    }

    /// Keeps the scores of a group that belong to the best `k`. The rows of the group begin at
    /// `row`. Rows come in the order of their ids, so of equal scores the first stays.
    #[cold]
    #[inline(never)]
    fn offer(&mut self, queries: &[Query], row: u32, scores: &[f32; GROUP], k: usize) {
        let width = width(self.members);
        for (i, &score) in scores.iter().enumerate() {
            let (id, query) = (row + (i / width) as u32, i % width);
            // This comparison is false for a score that is not a number.
            if score > self.thresholds[query] && !queries[self.members[query]].exclude.contains(&id)
            {
                let kept = &mut self.kept[query];
                if kept.len() == k {
                    kept.pop();
                }
                // Adding zero turns -0 into 0, which is equal to it.
                kept.push(Kept(Neighbour { id, score: score + 0.0 }));
                if let (true, Some(worst)) = (kept.len() == k, kept.peek()) {
                    self.thresholds
                        .iter_mut()
                        .skip(query)
                        .step_by(width)
                        .for_each(|t| *t = worst.0.score);
                }
            }
        }
    }
}

impl Query {
    /// Whether a score is a product, and of how many cosines for and against the query it is made.
    fn shape(&self) -> (bool, usize, usize) {
        match self.combine {
            Combine::Add => (false, 1, 0),
            Combine::Mul => (true, self.plus.len(), self.minus.len()),
        }
    }

    /// Copies the vectors whose cosines with a row are needed to the rows `at`, `at + PACK`, ... of
    /// `tile`.
    fn put(&self, tile: &mut Tile, at: usize, dim: usize) {
        if self.combine == Combine::Mul {
            for (i, vector) in self.plus.iter().chain(&self.minus).enumerate() {
                tile.row_mut(at + i * PACK)[..dim].copy_from_slice(vector);
            }
            return;
        }
        tile.row_mut(at)[..dim].copy_from_slice(&self.direction(dim));
    }

    /// The direction whose cosines with rows are the scores, of length 1, or zeros.
    pub(super) fn direction(&self, dim: usize) -> Vec<f32> {
        unit(&self.sum(dim))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::query::tests::embeddings;

    /// Random rows, some of which are zeros or equal to other rows.
    pub(crate) fn random(seed: u64, words: usize, dim: usize) -> Embeddings {
        let mut state = seed;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 40
        };
        let mut rows: Vec<f32> = Vec::new();
        for word in 0..words {
            match next() % 8 {
                0 => rows.extend(vec![0.0; dim]),
                1 if word > 0 => {
                    let from = (next() as usize % word) * dim;
                    rows.extend_from_within(from..from + dim);
                }
                _ => rows.extend((0..dim).map(|_| next() as f32 / (1u64 << 23) as f32 - 1.0)),
            }
        }
        let names: Vec<String> = (0..words).map(|word| format!("w{word}")).collect();
        embeddings(&names.iter().map(String::as_str).collect::<Vec<_>>(), dim, rows)
    }

    fn queries(e: &Embeddings, picks: &[(Vec<u32>, Vec<u32>, bool)]) -> Vec<Query> {
        let id = |x: &u32| x % e.vocab.len() as u32;
        let query = |(plus, minus, mul): &(Vec<u32>, Vec<u32>, bool)| {
            let vectors = |ids: &[u32]| ids.iter().map(|x| e.vector(id(x))).collect::<Vec<_>>();
            let exclude = plus.iter().chain(minus).map(id).collect();
            let combine = if *mul { Combine::Mul } else { Combine::Add };
            Query::new(&vectors(plus), &vectors(minus), exclude, combine)
        };
        picks.iter().map(query).collect()
    }

    fn picks() -> impl Strategy<Value = Vec<(Vec<u32>, Vec<u32>, bool)>> {
        let ids = |least| prop::collection::vec(any::<u32>(), least..3);
        prop::collection::vec((ids(1), ids(0), any::<bool>()), 1..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn agrees_with_sorting_all_scores(
            seed: u64, words in 1..200usize, dim in 1..40usize, k in 0..250usize, among in 1..250usize, picks in picks(),
        ) {
            let e = random(seed, words, dim);
            let queries = queries(&e, &picks);
            let found = Index::new(&e).nearest_among(among, &queries, k);
            prop_assert_eq!(found.len(), queries.len());
            for (query, found) in queries.iter().zip(&found) {
                // Scores are in single precision, and each division can be by little more than
                // EPSILON.
                let rounding = (1e-6 * 1000f64.powi(query.minus.len() as i32)).max(1e-3);
                let off = |score: f64| if query.combine == Combine::Add { 1e-5 } else { rounding * (1.0 + score) };
                let mut left: Vec<u32> =
                    (0..among.min(words) as u32).filter(|id| !query.exclude.contains(id)).collect();
                prop_assert_eq!(found.len(), k.min(left.len()));
                prop_assert!(found.is_sorted_by(|a, b| best_first(*a, *b) == Ordering::Less));
                for near in found {
                    let score = query.score(&e.vector(near.id));
                    prop_assert!((f64::from(near.score) - score).abs() < off(score), "{} {}", near.score, score);
                    let at = left.iter().position(|&id| id == near.id);
                    left.remove(at.expect("a candidate, once"));
                }
                if let Some(last) = found.last() {
                    for (id, score) in left.into_iter().map(|id| (id, query.score(&e.vector(id)))) {
                        prop_assert!(score <= f64::from(last.score) + off(score));
                        prop_assert!(e.vector(id) != e.vector(last.id) || id > last.id, "the first of equals");
                    }
                }
            }
        }

        #[test]
        fn queries_together_and_alone_are_answered_alike(seed: u64, picks in picks(), k in 1..20usize) {
            let e = random(seed, 100, 12);
            let (index, queries) = (Index::new(&e), queries(&e, &picks));
            let alone: Vec<_> = queries.iter().flat_map(|q| index.nearest(std::slice::from_ref(q), k)).collect();
            prop_assert_eq!(index.nearest(&queries, k), alone);
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let e = random(5, 5 * PIECE_ROWS + 13, 20);
        let queries: Vec<Query> = (0..40)
            .map(|i| (i, if i % 3 == 0 { Combine::Mul } else { Combine::Add }))
            .map(|(i, combine)| Query::analogy_ids(&e, [i, 7 * i, 31 * i], combine))
            .collect();
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Index::new(&e).nearest(&queries, 10))
        };
        assert_eq!(with(1), with(3));
    }

    #[test]
    fn lengths_do_not_matter_and_what_is_no_number_is_left_out() {
        let words = ["a", "large", "small", "infinite", "none", "away"];
        let rows =
            vec![1.0, 0.0, 3e38, 3e38, 1e-37, 0.0, f32::INFINITY, 1.0, f32::NAN, 1.0, -1e30, 0.0];
        let e = embeddings(&words, 2, rows);
        let index = Index::new(&e);
        let found = &index.nearest(&[Query::word(&e, "a").unwrap()], 9)[0];
        let got: Vec<(u32, i32)> =
            found.iter().map(|n| (n.id, (n.score * 1000.0).round() as i32)).collect();
        assert_eq!(got, [(2, 1000), (1, 707), (5, -1000)]);
        assert_eq!(index.not_finite(), Some(2));
    }
}
