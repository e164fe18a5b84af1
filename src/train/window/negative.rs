//! Negative sampling (Mikolov et al. 2013): each true pair of input `x` and target `y` is learnt
//! beside `k` pairs of the same input with noise words `z`, by logistic regression.
//!
//! The loss of one input and its targets is
//!
//! ```text
//! L = -ln s(x·y) - sum_z ln s(-x·z)        s(t) = 1 / (1 + e^-t)
//! ```
//!
//! The label `l` is 1 for `y` and 0 for noise. Since `s' = s (1 - s)`,
//!
//! ```text
//! -dL/d(x·t) = l - s(x·t) = g_t,   so   x += rate * sum_t g_t t   and   t += rate * g_t x.
//! ```
//!
//! Noise words are drawn from the counts to the power of 0.75 (any exponent will do), in constant
//! time from an alias table (Walker 1977, Vose 1991).
//!
//! This file is over 300 lines because a third of it is tests.

use std::ops::Range;

use rand::Rng;

use super::rows::RowCache;
use crate::memory::{Store, prefetch};
use crate::random::alias;

/// Draws noise words.
pub(crate) struct Noise {
    /// An alias table: a column for each word.
    columns: Vec<(u32, u32)>,
}

impl Noise {
    /// Noise in proportion to the counts to the power of `exponent`.
    pub(crate) fn new(counts: &[u64], exponent: f64) -> Self {
        let weights: Vec<f64> =
            counts.iter().map(|&c| if c == 0 { 0.0 } else { (c as f64).powf(exponent) }).collect();
        Self { columns: alias(&weights) }
    }

    /// The word that a random number stands for.
    #[inline(always)]
    pub(crate) fn word(&self, random: u64) -> u32 {
        let column = self.column(random);
        let (threshold, alias) = self.columns[column];
        if random as u32 <= threshold { column as u32 } else { alias }
    }

    /// Asks for what [`Noise::word`] will read.
    #[inline(always)]
    pub(crate) fn prefetch(&self, random: u64) {
        prefetch(&self.columns[self.column(random)]);
    }

    #[inline(always)]
    fn column(&self, random: u64) -> usize {
        (((random >> 32) * self.columns.len() as u64) >> 32) as usize
    }
}

/// Groups of noise words whose output rows stay resident for a while.
///
/// True target `p` meets group `p` modulo the number of groups, and each group is drawn anew after
/// `uses` targets, one group at a time in turn. So each target has `k` noise words from the right
/// distribution, but only `k / uses` rows are moved for it. Neighbouring centres share context
/// words and must not share noise words as well: that would repeat the same pair of input and noise
/// word. (`docs/design/0003-kernel.md` has measurements.)
pub(crate) struct NoisePool<'a> {
    noise: &'a Noise,
    negative: usize,
    /// The first slot of the first group.
    base: usize,
    groups: Vec<Group>,
    /// The number of true targets that meet a group before it is drawn anew.
    uses: usize,
    turn: usize,
}

/// The shape of a [`NoisePool`]: the number of groups, which take turns, and the number of true
/// targets that meet a group before it is drawn anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolShape {
    /// The number of groups.
    pub groups: usize,
    /// The number of true targets for each group. It is at least 3, as new words are prepared in as
    /// many steps.
    pub uses: usize,
}

impl PoolShape {
    /// The number of slots that groups of `negative` noise words take.
    pub(crate) fn slots(self, negative: usize) -> usize {
        self.groups * negative
    }
}

struct Group {
    /// The number of true targets that will still meet this group.
    left: usize,
    /// The random numbers by which its next words will be drawn.
    random: Vec<u64>,
    /// Its next words.
    next: Vec<u32>,
}

impl<'a> NoisePool<'a> {
    /// An empty pool for groups of `negative` noise words, whose slots begin at `base`.
    pub(crate) fn new(noise: &'a Noise, negative: usize, sharing: PoolShape, base: usize) -> Self {
        let group = || Group { left: 0, random: vec![0; negative], next: vec![0; negative] };
        let groups = (0..sharing.groups).map(|_| group()).collect();
        Self { noise, negative, base, groups, uses: sharing.uses, turn: 0 }
    }

    /// Draws all groups, before the first target.
    pub(crate) fn begin(&mut self, rows: &mut RowCache<impl Store>, rng: &mut impl Rng) {
        self.turn = 0;
        for turn in 0..self.groups.len() {
            for slot in self.group(turn) {
                rows.fetch(slot, self.noise.word(rng.next_u64()));
            }
            // The groups are staggered, so that they are renewed one at a time.
            self.groups[turn].left = 3 + turn * (self.uses - 2) / self.groups.len();
        }
    }

    /// Adds the changes to the shared rows, at the end.
    pub(crate) fn end(&mut self, rows: &mut RowCache<impl Store>) {
        let slots = self.groups.len() * self.negative;
        (self.base..self.base + slots).for_each(|slot| rows.put_back(slot));
    }

    fn group(&self, turn: usize) -> Range<usize> {
        self.base + turn * self.negative..self.base + (turn + 1) * self.negative
    }

    /// The slots of the next true target's noise words.
    #[inline(always)]
    pub(crate) fn next_group(
        &mut self,
        rows: &mut RowCache<impl Store>,
        rng: &mut impl Rng,
    ) -> Range<usize> {
        let (turn, slots) = (self.turn, self.group(self.turn));
        self.turn = if turn + 1 < self.groups.len() { turn + 1 } else { 0 };
        let group = &mut self.groups[turn];
        // New words are prepared in one step per turn, so that nothing waits for memory: draw
        // numbers, look words up, fetch rows.
        match group.left {
            0 => {
                for (slot, &word) in slots.clone().zip(&group.next) {
                    rows.put_back(slot);
                    rows.fetch(slot, word);
                }
                group.left = self.uses;
            }
            1 => {
                for (random, next) in group.random.iter().zip(&mut group.next) {
                    *next = self.noise.word(*random);
                    rows.prefetch(*next);
                }
            }
            2 => {
                for random in &mut group.random {
                    *random = rng.next_u64();
                    self.noise.prefetch(*random);
                }
            }
            _ => {}
        }
        group.left -= 1;
        slots
    }
}

/// One group of noise words, for inputs that are many and meet it all at once. It is drawn anew
/// after a few uses, and prepared meanwhile, so that nothing waits for memory.
pub(crate) struct NoiseGroup<'a> {
    noise: &'a Noise,
    /// Where its words are.
    slots: Range<usize>,
    /// Uses until it is drawn anew.
    uses: usize,
    left: usize,
    /// The random numbers by which the words after the next will be drawn.
    random: Vec<u64>,
    /// The next words.
    next: Vec<u32>,
}

impl<'a> NoiseGroup<'a> {
    /// A group without words, which will be in `slots`.
    pub(crate) fn new(noise: &'a Noise, slots: Range<usize>, uses: usize) -> Self {
        let (random, next) = (vec![0; slots.len()], vec![0; slots.len()]);
        Self { noise, slots, uses, left: 0, random, next }
    }

    /// Draws the first words, before the first use.
    #[inline(never)]
    pub(crate) fn begin(&mut self, rows: &mut RowCache<impl Store>, rng: &mut impl Rng) {
        for (slot, next) in self.slots.clone().zip(&mut self.next) {
            rows.fetch(slot, self.noise.word(rng.next_u64()));
            *next = self.noise.word(rng.next_u64());
        }
        self.random.fill_with(|| rng.next_u64());
        self.left = self.uses;
    }

    /// Adds the changes to the shared rows, at the end.
    #[inline(never)]
    pub(crate) fn end(&mut self, rows: &mut RowCache<impl Store>) {
        self.slots.clone().for_each(|slot| rows.put_back(slot));
    }

    /// The slots of the words for the next use.
    #[inline(always)]
    pub(crate) fn next(
        &mut self,
        rows: &mut RowCache<impl Store>,
        rng: &mut impl Rng,
    ) -> Range<usize> {
        if self.left == 0 {
            self.left = self.uses;
            let words = self.next.iter_mut().zip(&mut self.random);
            for (slot, (next, random)) in self.slots.clone().zip(words) {
                rows.put_back(slot);
                rows.fetch(slot, *next);
                *next = self.noise.word(*random);
                rows.prefetch(*next);
                *random = rng.next_u64();
                self.noise.prefetch(*random);
            }
        }
        self.left -= 1;
        self.slots.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;
    use crate::math::Precision;
    use crate::memory::Shared;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn noise_is_drawn_in_proportion(counts in prop::collection::vec(0..1000u64, 1..12), exponent in 0.0..1.2) {
            prop_assume!(counts.iter().any(|&c| c > 0));
            let noise = Noise::new(&counts, exponent);
            let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
            let mut drawn = vec![0u32; counts.len()];
            for _ in 0..40_000 {
                drawn[noise.word(rng.next_u64()) as usize] += 1;
            }
            let weight = |c: u64| if c == 0 { 0.0 } else { (c as f64).powf(exponent) };
            let total: f64 = counts.iter().map(|&c| weight(c)).sum();
            for (&count, &drawn) in counts.iter().zip(&drawn) {
                let share = f64::from(drawn) / 40_000.0;
                prop_assert!((share - weight(count) / total).abs() < 0.015, "{share} for {count} of {counts:?}");
            }
        }
    }

    #[test]
    fn a_single_group_is_drawn_anew_after_its_uses_in_the_right_proportion() {
        let shared = Shared::new(3, 4, Precision::F32).unwrap();
        let noise = Noise::new(&[6, 3, 1], 1.0);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut rows = RowCache::new(&shared, None, 7);
        let mut group = NoiseGroup::new(&noise, 2..7, 3);
        group.begin(&mut rows, &mut rng);
        let (mut drawn, mut last) = ([0; 3], Vec::new());
        for step in 0..6000 {
            let slots = group.next(&mut rows, &mut rng);
            assert_eq!(slots, 2..7);
            let words: Vec<u32> = slots.map(|slot| rows.word(slot)).collect();
            assert!(step % 3 == 0 || words == last);
            for &word in &words {
                drawn[word as usize] += 1;
            }
            last = words;
        }
        for (drawn, share) in drawn.into_iter().zip([0.6, 0.3, 0.1]) {
            assert!((f64::from(drawn) / 30_000.0 - share).abs() < 0.02, "{drawn} for {share}");
        }
    }

    #[test]
    fn each_group_serves_its_uses_and_is_then_drawn_anew() {
        let (shared, noise) =
            (Shared::new(1000, 4, Precision::F32).unwrap(), Noise::new(&[1; 1000], 1.0));
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let sharing = PoolShape { groups: 7, uses: 5 };
        let (mut pool, mut rows) = (
            NoisePool::new(&noise, 2, sharing, 3),
            RowCache::new(&shared, None, 3 + sharing.slots(2)),
        );
        pool.begin(&mut rows, &mut rng);
        let mut seen: Vec<Vec<Vec<u32>>> = vec![Vec::new(); 7];
        for centre in 0..7 * 5 * 4 {
            let slots = pool.next_group(&mut rows, &mut rng);
            assert!(slots.start >= 3);
            seen[centre % 7].push(slots.map(|slot| rows.word(slot)).collect());
        }
        for group in seen {
            let runs: Vec<usize> = group.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
            assert!(runs[1..runs.len() - 1].iter().all(|&run| run == 5), "{runs:?}");
        }
    }
}
