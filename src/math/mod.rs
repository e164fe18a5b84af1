//! The arithmetic of training and querying on private rows: safe code, generic over the SIMD level.
//!
//! Rows are slices of one flat buffer, [`Tile`], named by their offsets in it (in cache lines).
//! They are padded with zeros to whole vectors, and no function here makes the padding anything but
//! zero. All functions are inlined into a caller that runs inside `simd.vectorize`, so the level is
//! chosen once around a chunk of work and never in it. Callers of which there are many kinds share
//! them by [`outlined`].

pub(crate) mod functions;
pub(crate) mod kernel;
mod level;
pub(crate) mod mean;
mod precision;
mod tile;
pub(crate) mod unit;

pub use self::level::SimdLevel;
pub(crate) use self::level::{dispatch, level, level_name, outlined};
#[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
pub(crate) use self::precision::MIXER;
pub use self::precision::Precision;
pub(crate) use self::precision::{narrow, nearest_half, widen};
pub(crate) use self::tile::{LINE, Tile};
