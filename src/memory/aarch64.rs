//! How a thread reads and adds to shared rows on 64-bit ARM: a few vector moves in assembly. Why
//! this is sound is said at the head of [`super::shared`].

use std::arch::asm;

use super::shared::Sector;
use crate::math::{LINE, Precision, narrow};

/// How rows of a precision are moved. Every processor has these vectors.
#[derive(Clone, Copy)]
pub(super) enum Moves {
    Floats,
    Halves,
}

/// Calls a function for each line of `$row` and the private lines that belong to it.
macro_rules! each_line {
    ($row:expr, $move:ident, $($private:ident $([$mut:ident])?),+) => {{
        let row = $row;
        let n = row.len()$(.min($private.len()))+;
        for i in 0..n {
            $move(&row[i], $(&$($mut)? $private[i]),+);
        }
    }};
}

impl Moves {
    /// There is one way for each precision.
    pub(super) fn detect(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Floats,
            Precision::F16 => Self::Halves,
        }
    }

    /// Copies a row to `to` and to `copy`.
    #[inline(always)]
    pub(super) fn copy(self, row: &[Sector], to: &mut [f32], copy: &mut [f32]) {
        let (to, copy) = (to.as_chunks_mut::<LINE>().0, copy.as_chunks_mut::<LINE>().0);
        match self {
            Self::Floats => each_line!(row.as_chunks::<2>().0, load, to [mut], copy [mut]),
            Self::Halves => each_line!(row, load_halves, to [mut], copy [mut]),
        }
    }

    /// Adds a row to `to`.
    #[inline(always)]
    pub(super) fn accumulate(self, row: &[Sector], to: &mut [f32]) {
        let to = to.as_chunks_mut::<LINE>().0;
        match self {
            Self::Floats => each_line!(row.as_chunks::<2>().0, accumulate, to [mut]),
            Self::Halves => each_line!(row, accumulate_halves, to [mut]),
        }
    }

    /// Adds `now - was` to a row.
    #[inline(always)]
    pub(super) fn add(self, row: &[Sector], now: &[f32], was: &[f32]) {
        let (now, was) = (now.as_chunks::<LINE>().0, was.as_chunks::<LINE>().0);
        match self {
            Self::Floats => each_line!(row.as_chunks::<2>().0, add, now, was),
            Self::Halves => each_line!(row, add_halves, now, was),
        }
    }
}

/// Prefetches: each asks for the cache line in which a value begins, and changes nothing but time.
macro_rules! prefetches {
    ($($(#[$doc:meta])* $name:ident $code:literal)+) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub(crate) fn $name<T>(value: &T) {
                // SAFETY: a prefetch has no effect that a program can see.
                #[allow(unsafe_code)]
                unsafe {
                    asm!($code, in(reg) value, options(nostack, preserves_flags, readonly));
                }
            }
        )+
    };
}
prefetches! {
    /// Asks for a value in the first-level cache, to be read soon.
    prefetch "prfm pldl1keep, [{}]"
    /// Asks for a value in the first-level cache, to be written soon.
    prefetch_to_write "prfm pstl1keep, [{}]"
}

/// The shared memory of 16 floats.
type Floats = [Sector; 2];

/// A function that moves the line at `{line}`; `$code` may use the registers 0 to 7. What all of
/// them rely on:
///
/// * `line` is shared atomics, of which `$code` reads or writes all, with the effect of relaxed
///   byte-wise atomics;
/// * the other operands are memory private to the caller, by their types, written only where
///   `&mut`.
macro_rules! primitive {
    ($name:ident($line:ty $(, $private:ident: $type:ty, $pointer:ident)+) $($code:literal)+) => {
        #[inline(always)]
        fn $name(line: &$line, $($private: $type),+) {
            // SAFETY: see the list above.
            #[allow(unsafe_code)]
            unsafe {
                asm!(
                    $($code),+,
                    line = in(reg) line,
                    $($private = in(reg) $private.$pointer(),)+
                    out("v0") _, out("v1") _, out("v2") _, out("v3") _,
                    out("v4") _, out("v5") _, out("v6") _, out("v7") _,
                    options(nostack, preserves_flags)
                );
            }
        }
    };
}
primitive!(load(Floats, to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "ldp q0, q1, [{line}]" "ldp q2, q3, [{line}, #32]"
    "stp q0, q1, [{to}]" "stp q2, q3, [{to}, #32]" "stp q0, q1, [{copy}]" "stp q2, q3, [{copy}, #32]");
primitive!(accumulate(Floats, to: &mut [f32; LINE], as_mut_ptr)
    "ldp q0, q1, [{line}]" "ldp q2, q3, [{line}, #32]" "ldp q4, q5, [{to}]" "ldp q6, q7, [{to}, #32]"
    "fadd v0.4s, v4.4s, v0.4s" "fadd v1.4s, v5.4s, v1.4s" "fadd v2.4s, v6.4s, v2.4s" "fadd v3.4s, v7.4s, v3.4s"
    "stp q0, q1, [{to}]" "stp q2, q3, [{to}, #32]");
primitive!(add(Floats, now: &[f32; LINE], as_ptr, was: &[f32; LINE], as_ptr)
    "ldp q0, q1, [{now}]" "ldp q2, q3, [{now}, #32]" "ldp q4, q5, [{was}]" "ldp q6, q7, [{was}, #32]"
    "fsub v0.4s, v0.4s, v4.4s" "fsub v1.4s, v1.4s, v5.4s" "fsub v2.4s, v2.4s, v6.4s" "fsub v3.4s, v3.4s, v7.4s"
    "ldp q4, q5, [{line}]" "ldp q6, q7, [{line}, #32]"
    "fadd v0.4s, v4.4s, v0.4s" "fadd v1.4s, v5.4s, v1.4s" "fadd v2.4s, v6.4s, v2.4s" "fadd v3.4s, v7.4s, v3.4s"
    "stp q0, q1, [{line}]" "stp q2, q3, [{line}, #32]");
primitive!(load_halves(Sector, to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "ldp q4, q5, [{line}]"
    "fcvtl v0.4s, v4.4h" "fcvtl2 v1.4s, v4.8h" "fcvtl v2.4s, v5.4h" "fcvtl2 v3.4s, v5.8h"
    "stp q0, q1, [{to}]" "stp q2, q3, [{to}, #32]" "stp q0, q1, [{copy}]" "stp q2, q3, [{copy}, #32]");
primitive!(store_halves(Sector, from: &[u16; LINE], as_ptr)
    "ldp q0, q1, [{from}]" "stp q0, q1, [{line}]");

#[inline(always)]
fn accumulate_halves(line: &Sector, to: &mut [f32; LINE]) {
    let (mut floats, mut copy) = ([0.0; LINE], [0.0; LINE]);
    load_halves(line, &mut floats, &mut copy);
    for (to, float) in to.iter_mut().zip(floats) {
        *to += float;
    }
}

/// The instruction that converts to half precision rounds to the nearest, and can't do otherwise
/// without a change to the whole processor's state. So [`narrow`] rounds, many numbers at once.
#[inline(always)]
fn add_halves(line: &Sector, now: &[f32; LINE], was: &[f32; LINE]) {
    let (mut floats, mut copy, mut halves) = ([0.0; LINE], [0.0; LINE], [0; LINE]);
    load_halves(line, &mut floats, &mut copy);
    for i in 0..LINE {
        halves[i] = narrow(floats[i] + (now[i] - was[i]));
    }
    store_halves(line, &halves);
}
