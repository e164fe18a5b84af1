//! Random numbers. Every one follows from a seed and from numbers that name its place (an epoch, a
//! chunk, a word, a draw), so that results do not depend on who was faster.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// The generator of all random numbers.
pub(crate) type Generator = Xoshiro256PlusPlus;

/// A generator that begins at `seed`.
pub(crate) fn generator(seed: u64) -> Generator {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Spreads what differs in a few bits of `x` over all bits (the finaliser of `SplitMix64`, Steele
/// et al. 2014).
pub(crate) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number from 0 to `n` - 1; the bias of the plain product is of no account for numbers of items.
pub(crate) fn below(rng: &mut impl Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// A number of mean 0 and variance 1 (Box & Muller 1958).
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    let uniform = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let (u, v) = (uniform(rng.next_u64()), uniform(rng.next_u64()));
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Puts a list into a random order (Fisher & Yates).
pub(crate) fn shuffle<T>(list: &mut [T], rng: &mut impl Rng) {
    for i in (1..list.len()).rev() {
        list.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
    }
}

/// A table by which numbers are drawn in proportion to weights, in constant time (Walker 1977, Vose
/// 1991). It has a column for each number: a threshold, in units of 2^-32, up to which the column
/// stands for its own number, and the number for which it stands above the threshold.
pub(crate) fn alias(weights: &[f64]) -> Vec<(u32, u32)> {
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    let mut scaled: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
    let mut columns: Vec<(u32, u32)> =
        (0..weights.len() as u32).map(|number| (u32::MAX, number)).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..scaled.len()).partition(|&i| scaled[i] < 1.0);
    while let (Some(&s), Some(&l)) = (small.last(), large.last()) {
        small.pop();
        columns[s] = ((scaled[s] * 4_294_967_296.0) as u32, l as u32);
        scaled[l] -= 1.0 - scaled[s];
        if scaled[l] < 1.0 {
            large.pop();
            small.push(l);
        }
    }
    columns
}
