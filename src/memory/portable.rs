//! How a thread reads and adds to shared rows anywhere: safe relaxed atomics, at about half the
//! speed.
#![expect(clippy::unused_self, reason = "the other build's moves look at what the processor has")]

use std::sync::atomic::Ordering::Relaxed;

use super::shared::SharedLine;
use crate::math::LINE;

/// There is one way to move lines here.
#[derive(Clone, Copy)]
pub(super) struct Moves;

impl Moves {
    /// There is nothing to ask.
    pub(super) fn detect() -> Self {
        Self
    }

    /// Copies `lines` to `to` and to `copy`.
    #[inline(always)]
    pub(super) fn copy(self, lines: &[SharedLine], to: &mut [f32], copy: &mut [f32]) {
        let private = to.as_chunks_mut::<LINE>().0.iter_mut().zip(copy.as_chunks_mut::<LINE>().0);
        for (line, (to, copy)) in lines.iter().zip(private) {
            for (from, (to, copy)) in line.0.iter().zip(to.iter_mut().zip(copy)) {
                *to = f32::from_bits(from.load(Relaxed));
                *copy = *to;
            }
        }
    }

    /// Adds `lines` to `to`.
    #[inline(always)]
    pub(super) fn accumulate(self, lines: &[SharedLine], to: &mut [f32]) {
        for (line, to) in lines.iter().zip(to.as_chunks_mut::<LINE>().0) {
            for (from, to) in line.0.iter().zip(to) {
                *to += f32::from_bits(from.load(Relaxed));
            }
        }
    }

    /// Adds `now - was` to `lines`.
    #[inline(always)]
    pub(super) fn add(self, lines: &[SharedLine], now: &[f32], was: &[f32]) {
        let private = now.as_chunks::<LINE>().0.iter().zip(was.as_chunks::<LINE>().0);
        for (line, (now, was)) in lines.iter().zip(private) {
            for (to, (now, was)) in line.0.iter().zip(now.iter().zip(was)) {
                to.store((f32::from_bits(to.load(Relaxed)) + (now - was)).to_bits(), Relaxed);
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

/// A hint that this build does not give.
#[inline(always)]
pub(crate) fn prefetch_far<T>(_: &T) {}
