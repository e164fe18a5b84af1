//! The choice of vector instructions. Sums are rounded differently at each level, so models differ
//! by rounding.

use fearless_simd::{Level, Simd};

use crate::error::{Error, Result};

/// A level of vector instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", value(rename_all = "lowercase"))]
pub enum SimdLevel {
    /// 64-byte vectors, x86-64-v4 with the additions of Ice Lake
    Avx512,
    /// 32-byte vectors and fused multiply-add, x86-64-v3
    Avx2,
    /// 16-byte vectors, any x86-64
    #[serde(alias = "sse4_2")]
    #[cfg_attr(feature = "cli", value(alias = "sse4_2"))]
    Sse2,
    /// 16-byte vectors, 64-bit ARM
    Neon,
}

impl SimdLevel {
    #[cfg(test)]
    const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Sse2, Self::Neon];

    fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Sse2 => "sse2",
            Self::Neon => "neon",
        }
    }

    /// This level, if the processor has it.
    fn level(self) -> Option<Level> {
        let best = best();
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => best.as_avx512().map(Level::Avx512),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => best.as_avx2().map(Level::Avx2),
            #[cfg(target_arch = "x86_64")]
            Self::Sse2 => best.as_sse2().map(Level::Sse2),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => best.as_neon().map(Level::Neon),
            _ => {
                let _ = best;
                None
            }
        }
    }
}

/// Runs `$body` with the vector instructions of `$level`, which `$simd` stands for. All that it calls
/// has to be inlined into it. What SSE4.2 adds to SSE2 does not make it faster, and each level is
/// built apart, so SSE2 stands for both.
macro_rules! dispatch {
    ($level:expr, $simd:ident => $body:expr) => {
        match $level {
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            fearless_simd::Level::Avx512($simd) => dispatch!(@run $simd, $body),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            fearless_simd::Level::Avx2($simd) => dispatch!(@run $simd, $body),
            #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
            level => {
                let $simd = level.as_sse2().expect("the processor is one for which this was built");
                dispatch!(@run $simd, $body)
            }
            #[cfg(target_arch = "aarch64")]
            fearless_simd::Level::Neon($simd) => dispatch!(@run $simd, $body),
            #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
            fearless_simd::Level::Fallback($simd) => dispatch!(@run $simd, $body),
            #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
            _ => unreachable!("no other level is built for this processor"),
        }
    };
    (@run $simd:ident, $body:expr) => {
        fearless_simd::Simd::vectorize(
            $simd,
            #[inline(always)]
            || $body,
        )
    };
}
pub(crate) use dispatch;

/// Runs `work` as a function of its own, with the vector instructions of `simd`. So it is compiled
/// once for each level, and not once more in each function that calls it.
#[inline(never)]
pub(crate) fn outlined<S: Simd, R>(simd: S, work: impl FnOnce() -> R) -> R {
    simd.vectorize(work)
}

/// The best level of this processor among those that [`dispatch`] knows.
fn best() -> Level {
    let best = Level::new();
    #[cfg(target_arch = "x86_64")]
    if best.as_avx2().is_none() {
        return best.as_sse2().map_or(best, Level::Sse2);
    }
    best
}

/// The level that was asked for, or the best of this processor.
///
/// # Errors
/// [`Error::Setting`] when the processor does not have it.
pub(crate) fn level(wanted: Option<SimdLevel>) -> Result<Level> {
    let Some(wanted) = wanted else { return Ok(best()) };
    let missing = || {
        Error::setting(
            "simd",
            format!("{}: this processor has {}", wanted.name(), level_name(best())),
        )
    };
    wanted.level().ok_or_else(missing)
}

/// The name of a level.
pub(crate) fn level_name(level: Level) -> String {
    format!("{level:?}").split('(').next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_known_by_their_names() {
        let mut some = 0;
        for wanted in SimdLevel::ALL {
            match level(Some(wanted)) {
                Ok(level) => {
                    assert_eq!(level_name(level), wanted.name());
                    some += 1;
                }
                Err(error) => assert!(error.to_string().contains(wanted.name()), "{error}"),
            }
        }
        assert!(some > 0);
        assert_eq!(level_name(level(None).unwrap()), level_name(best()));
    }
}
