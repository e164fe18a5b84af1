//! How a thread reads and adds to shared rows anywhere: safe relaxed atomics, at about half the
//! speed.

use std::sync::atomic::Ordering::Relaxed;

use super::shared::Sector;
use crate::math::{Precision, narrow, widen};

/// Rows are moved number by number.
#[derive(Clone, Copy)]
pub(super) struct Moves(Precision);

impl Moves {
    /// There is nothing to ask.
    pub(super) fn detect(precision: Precision) -> Self {
        Self(precision)
    }

    /// Copies a row to `to` and to `copy`.
    #[inline(always)]
    pub(super) fn copy(self, row: &[Sector], to: &mut [f32], copy: &mut [f32]) {
        let mut private = to.iter_mut().zip(copy);
        self.each(row, |number| {
            if let Some((to, copy)) = private.next() {
                (*to, *copy) = (number, number);
            }
        });
    }

    /// Adds a row to `to`.
    #[inline(always)]
    pub(super) fn accumulate(self, row: &[Sector], to: &mut [f32]) {
        let mut private = to.iter_mut();
        self.each(row, |number| {
            if let Some(to) = private.next() {
                *to += number;
            }
        });
    }

    /// Adds `now - was` to a row.
    #[inline(always)]
    pub(super) fn add(self, row: &[Sector], now: &[f32], was: &[f32]) {
        let mut changes = now.iter().zip(was).map(|(now, was)| now - was);
        let mut plus = |number: f32| number + changes.next().unwrap_or(0.0);
        for word in row.iter().flat_map(|sector| &sector.0) {
            let bits = word.load(Relaxed);
            let sum = match self.0 {
                Precision::F32 => plus(f32::from_bits(bits)).to_bits(),
                Precision::F16 => {
                    let first = narrow(plus(widen(bits as u16)));
                    let second = narrow(plus(widen((bits >> 16) as u16)));
                    u32::from(second) << 16 | u32::from(first)
                }
            };
            word.store(sum, Relaxed);
        }
    }

    /// Reads the numbers of a row.
    #[inline(always)]
    fn each(self, row: &[Sector], mut take: impl FnMut(f32)) {
        for word in row.iter().flat_map(|sector| &sector.0) {
            let bits = word.load(Relaxed);
            match self.0 {
                Precision::F32 => take(f32::from_bits(bits)),
                Precision::F16 => {
                    take(widen(bits as u16));
                    take(widen((bits >> 16) as u16));
                }
            }
        }
    }
}

/// A hint that this build does not give.
#[inline(always)]
pub(crate) fn prefetch<T>(_: &T) {}

/// A hint that this build does not give.
#[inline(always)]
pub(crate) fn prefetch_to_write<T>(_: &T) {}
