//! The precision in which shared rows are kept: whole floats, or half as many bits.
//!
//! A number of half precision (IEEE 754 binary16) has 11 significant bits. What is learnt at once
//! is often smaller than a step between two of them, so a sum is rounded up or down by chance, in
//! proportion to how near it is to either (stochastic rounding; for neural networks Gupta et al.
//! 2015). The sum's own bits, mixed, are the random number: equal sums are rounded alike, and
//! training with one thread is repeatable. All arithmetic is in `f32`.

/// How shared rows are kept while they are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 4 bytes a number
    F32,
    /// 2 bytes a number, with 11 significant bits, rounded up or down by chance
    #[default]
    F16,
}

impl Precision {
    /// Bytes of a number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// The bits of a sum times this number are mixed: the upper ones depend on all.
pub(crate) const MIXER: u32 = 0x9e37_79b1;

/// The number that has the bits `half` in half precision.
#[inline(always)]
pub(crate) fn widen(half: u16) -> f32 {
    // 2^112: the difference between the biases of the two kinds of exponents.
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let magnitude = u32::from(half & 0x7fff) << 13;
    let sign = u32::from(half & 0x8000) << 16;
    let number = (f32::from_bits(magnitude) * SCALE).to_bits();
    // What is infinite, or no number, stays so.
    let special = if magnitude >= 0x0f80_0000 { 0x7f80_0000 } else { 0 };
    f32::from_bits(number | special | sign)
}

/// A sum in half precision, rounded up or down by chance.
#[inline(always)]
pub(crate) fn narrow(sum: f32) -> u16 {
    let bits = sum.to_bits();
    // Adding 13 random bits and cutting off as many rounds up with the right probability.
    let bits = bits.wrapping_add(bits.wrapping_mul(MIXER) >> 19);
    let (sign, magnitude) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    let half = if magnitude > 0x7f80_0000 {
        0x7e00 | (magnitude >> 13 & 0x3ff)
    } else if magnitude == 0x7f80_0000 {
        0x7c00
    } else if magnitude >= 0x4780_0000 {
        // The largest number.
        0x7bff
    } else if magnitude >= 0x3880_0000 {
        (magnitude - 0x3800_0000) >> 13
    } else {
        // Below 2^-14, numbers are whole multiples of 2^-24.
        (f32::from_bits(magnitude) * 16_777_216.0) as u32
    };
    (sign | half) as u16
}

/// The nearest number of half precision, and of two as near the even one: its bits. Numbers beyond the
/// largest become infinite.
pub(crate) fn nearest_half(x: f32) -> u16 {
    let (sign, magnitude) = (x.to_bits() >> 16 & 0x8000, x.to_bits() & 0x7fff_ffff);
    let half = if magnitude > 0x7f80_0000 {
        0x7e00
    } else if magnitude >= 0x477f_f000 {
        0x7c00
    } else if magnitude >= 0x3880_0000 {
        // Rounds at the 13 bits that are cut off; what is carried ends in the exponent.
        (magnitude - 0x3800_0000 + 0xfff + (magnitude >> 13 & 1)) >> 13
    } else {
        // Whole multiples of 2^-24: adding 2^23 rounds to the even one of two as near.
        let scaled = f32::from_bits(magnitude) * 16_777_216.0;
        (scaled + 8_388_608.0).to_bits() - 8_388_608f32.to_bits()
    };
    (sign | half) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_half_is_the_nearest_of_all() {
        let finite = || (0..0x7c00u16).map(widen);
        for (low, high) in finite().zip(finite().skip(1)) {
            let bits = nearest_half(low);
            let middle = low.midpoint(high);
            let even = bits + bits % 2;
            let near = |x: f32| nearest_half(x);
            assert_eq!((widen(bits), near(high), near(-low)), (low, bits + 1, bits | 0x8000));
            assert_eq!(near(middle), even, "{middle}");
            assert_eq!((near(middle.next_down()), near(middle.next_up())), (bits, bits + 1));
        }
        for (x, bits) in [(65_519.0, 0x7bff), (65_520.0, 0x7c00), (f32::INFINITY, 0x7c00)] {
            assert_eq!(nearest_half(x), bits);
        }
        assert!(widen(nearest_half(f32::NAN)).is_nan());
        assert_eq!(nearest_half(f32::from_bits(1)), 0);
    }

    #[test]
    fn every_half_is_widened_right_and_stays_itself() {
        for half in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(half >> 10 & 31), f64::from(half & 0x3ff));
            let size = match exponent {
                0 => fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
            };
            let expected = if half & 0x8000 == 0 { size } else { -size };
            let wide = widen(half);
            if expected.is_nan() {
                assert!(wide.is_nan() && widen(narrow(wide)).is_nan(), "{half:x}");
            } else {
                assert_eq!(f64::from(wide), expected, "{half:x}");
                assert_eq!(wide.is_sign_negative(), half & 0x8000 != 0);
                if wide.is_finite() {
                    assert_eq!(narrow(wide), half, "{half:x}");
                }
            }
        }
        assert!(!widen(narrow(f32::INFINITY)).is_finite(), "divergence must show");
    }

    #[test]
    fn rounding_is_right_on_average() {
        // Between two neighbours the mean of what numbers are rounded to is the numbers' mean.
        for begin in [0.3f32, -0.011, 1.7, 900.0] {
            let low = begin.to_bits() & !0x1fff;
            let (mut got, mut exact) = (0.0, 0.0);
            for bits in low..low + 0x2000 {
                let sum = f32::from_bits(bits);
                let rounded = widen(narrow(sum));
                assert!((rounded - sum).abs() <= sum.abs() / 1024.0, "{sum} to {rounded}");
                got += f64::from(rounded);
                exact += f64::from(sum);
            }
            let step = f64::from(begin.abs()) / 1024.0;
            assert!(((got - exact) / 8192.0).abs() < step / 50.0, "{got} {exact}");
        }
    }
}
