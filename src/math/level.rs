//! The choice of vector instructions. Sums are rounded differently at each level, so models differ
//! by rounding.

use fearless_simd::Level;

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
    /// 16-byte vectors, x86-64-v2
    #[serde(rename = "sse4_2")]
    #[cfg_attr(feature = "cli", value(name = "sse4_2"))]
    Sse4_2,
    /// 16-byte vectors, any x86-64
    Sse2,
    /// 16-byte vectors, 64-bit ARM
    Neon,
}

impl SimdLevel {
    #[cfg(test)]
    const ALL: [Self; 5] = [Self::Avx512, Self::Avx2, Self::Sse4_2, Self::Sse2, Self::Neon];

    fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Sse4_2 => "sse4_2",
            Self::Sse2 => "sse2",
            Self::Neon => "neon",
        }
    }

    /// This level, if the processor has it.
    fn level(self) -> Option<Level> {
        let best = Level::new();
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => best.as_avx512().map(Level::Avx512),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => best.as_avx2().map(Level::Avx2),
            #[cfg(target_arch = "x86_64")]
            Self::Sse4_2 => best.as_sse4_2().map(Level::Sse4_2),
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

/// The level that was asked for, or the best of this processor.
///
/// # Errors
/// [`Error::Setting`] when the processor does not have it.
pub(crate) fn level(wanted: Option<SimdLevel>) -> Result<Level> {
    let Some(wanted) = wanted else { return Ok(Level::new()) };
    let missing = || {
        Error::setting(
            "simd",
            format!("{}: this processor has {}", wanted.name(), level_name(Level::new())),
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
        assert_eq!(level_name(level(None).unwrap()), level_name(Level::new()));
    }
}
