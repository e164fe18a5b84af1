//! The exponential and the logistic function of whole vectors.

use fearless_simd::{Simd, prelude::*};

/// `2^x` as two factors: `2^r` by its Taylor series and `2^k`, where `x = k + r`, `k` is whole and
/// `|r| <= 1/2`. `x` must be within ±126.
#[inline(always)]
fn exp2_factors<S: Simd, V: SimdFloat<S, Element = f32>>(simd: S, x: V) -> (V, V) {
    // Adding 1.5 * 2^23 rounds x to k and leaves k in the lowest bits, from where it is shifted
    // into the exponent; 127 is the exponent's bias.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x + V::splat(simd, ROUND + 127.0);
    let r = x - (shifted - V::splat(simd, ROUND + 127.0));
    let mut power = V::splat(simd, 1.540_353e-4);
    for c in [1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, std::f32::consts::LN_2, 1.0]
    {
        power = power.mul_add(r, V::splat(simd, c));
    }
    (power, V::from_bits(shifted.to_bits() << 23))
}

/// `2^x` for `x` up to 0, to about 2 units in the last place. For `x` below -126 the result is
/// 2^-126.
#[inline(always)]
pub(crate) fn exp2<S: Simd, V: SimdFloat<S, Element = f32>>(simd: S, x: V) -> V {
    let (power, two_to_k) = exp2_factors(simd, V::splat(simd, -126.0).max(x));
    power * two_to_k
}

/// `1 / (1 + e^-x)`, to about 3 units in the last place of 1. NaN stays NaN.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd, V: SimdFloat<S, Element = f32>>(simd: S, x: V) -> V {
    let t = x * V::splat(simd, -std::f32::consts::LOG2_E);
    let t = V::splat(simd, -126.0).max(V::splat(simd, 126.0).min(t));
    let (power, two_to_k) = exp2_factors(simd, t);
    V::splat(simd, 1.0) / power.mul_add(two_to_k, V::splat(simd, 1.0))
}
