//! Where rows live while they are trained. All that training knows of memory is `load` and `add`;
//! what happens between threads is a matter of the store: [`Shared`] lets them race, and an
//! `Overlay` (`train/superstep/overlay.rs`) keeps them apart.

use crate::memory::Shared;

/// A matrix whose rows are read and added to in bags; a plain word is a bag of one row. Rows are
/// whole lines of 16 floats.
pub(crate) trait Store: Send + Sync {
    /// Floats in a row.
    fn dim(&self) -> usize;

    /// Copies the mean of `rows` to `to` and to `copy`: a copy to work on, and one to tell later
    /// what changed.
    fn load(&self, rows: &[u32], to: &mut [f32], copy: &mut [f32]);

    /// Adds `now - was` to each of `rows`.
    fn add(&mut self, rows: &[u32], now: &[f32], was: &[f32]);

    /// Asks for `rows` in the nearest cache, to be used soon. Changes nothing but time.
    fn prefetch(&self, rows: &[u32]);
}

impl Store for &Shared {
    fn dim(&self) -> usize {
        Shared::dim(self)
    }

    #[inline(always)]
    fn load(&self, rows: &[u32], to: &mut [f32], copy: &mut [f32]) {
        Shared::load(self, rows, to, copy);
    }

    #[inline(always)]
    fn add(&mut self, rows: &[u32], now: &[f32], was: &[f32]) {
        Shared::add(self, rows, now, was);
    }

    #[inline(always)]
    fn prefetch(&self, rows: &[u32]) {
        Shared::prefetch(self, rows);
    }
}
