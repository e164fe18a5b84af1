//! Memory: files as slices, files that are replaced whole, and the matrices that threads share.
//!
//! This room holds all `unsafe` code of the library. Every block says why it is sound.

mod mapped;
mod numbers;
mod replace;
mod shared;
mod store;

// Vector moves in assembly on x86-64 and 64-bit ARM; safe relaxed atomics elsewhere, and with the
// feature `portable`. All offer the same few functions.
#[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
#[path = "x86_64.rs"]
mod primitives;
#[cfg(all(target_arch = "aarch64", not(feature = "portable"), not(miri)))]
#[path = "aarch64.rs"]
mod primitives;
#[cfg(any(not(any(target_arch = "x86_64", target_arch = "aarch64")), feature = "portable", miri))]
#[path = "portable.rs"]
mod primitives;

pub use self::mapped::Mapped;
pub(crate) use self::numbers::{Blocks, Narrow, Scaled};
pub use self::numbers::{Numbers, Width};
pub(crate) use self::primitives::prefetch;
pub(crate) use self::replace::remove_if_abandoned;
pub use self::replace::{Staged, remove_unfinished, replace};
pub(crate) use self::shared::Shared;
pub(crate) use self::store::Store;
