//! How a thread reads and adds to shared rows on x86-64: a few vector moves in assembly. Why this
//! is sound is said at the head of [`super::shared`]. This file is over 300 lines because it has
//! each move three times, for vectors of three widths.

use std::arch::asm;

use super::shared::Sector;
use crate::math::{self, LINE, Precision, narrow, widen};

/// How rows of a precision are moved: by the widest vectors that this processor has.
#[derive(Clone, Copy)]
pub(super) enum Moves {
    Floats64,
    Floats32,
    Floats16,
    Halves64,
    Halves32,
    Halves16,
}

/// Calls one of six functions, by how rows are moved, for each line of `$row` and the private lines
/// that belong to it. Loops go by number: iterators over three slices are not inlined here.
macro_rules! each_line {
    ($moves:ident, $row:ident, $($private:ident $([$mut:ident])?),+;
     $floats_64:ident $floats_32:ident $floats_16:ident
     $halves_64:ident $halves_32:ident $halves_16:ident) => {
        match $moves {
            Moves::Floats64 => each_line!(@ floats($row) $floats_64, $($private $([$mut])?),+),
            Moves::Floats32 => each_line!(@ floats($row) $floats_32, $($private $([$mut])?),+),
            Moves::Floats16 => each_line!(@ floats($row) $floats_16, $($private $([$mut])?),+),
            Moves::Halves64 => each_line!(@ $row, $halves_64, $($private $([$mut])?),+),
            Moves::Halves32 => each_line!(@ $row, $halves_32, $($private $([$mut])?),+),
            Moves::Halves16 => each_line!(@ $row, $halves_16, $($private $([$mut])?),+),
        }
    };
    (@ floats($row:ident) $move:ident, $($private:tt)+) => {{
        let row = $row.as_chunks::<2>().0;
        each_line!(@ row, $move, $($private)+);
    }};
    (@ $row:ident, $move:ident, $($private:ident $([$mut:ident])?),+) => {{
        let n = $row.len()$(.min($private.len()))+;
        let row = &$row[..n];
        $(let $private = &$($mut)? $private[..n];)+
        for i in 0..n {
            $move(&row[i], $(&$($mut)? $private[i]),+);
        }
    }};
}

impl Moves {
    /// Asks the processor.
    pub(super) fn detect(precision: Precision) -> Self {
        let wide = is_x86_feature_detected!("avx512f");
        match precision {
            Precision::F32 if wide => Self::Floats64,
            Precision::F32 if is_x86_feature_detected!("avx") => Self::Floats32,
            Precision::F32 => Self::Floats16,
            Precision::F16 if wide => Self::Halves64,
            Precision::F16
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") =>
            {
                Self::Halves32
            }
            Precision::F16 => Self::Halves16,
        }
    }

    /// Copies a row to `to` and to `copy`.
    #[inline(always)]
    pub(super) fn copy(self, row: &[Sector], to: &mut [f32], copy: &mut [f32]) {
        let (to, copy) = (to.as_chunks_mut::<LINE>().0, copy.as_chunks_mut::<LINE>().0);
        each_line!(self, row, to [mut], copy [mut];
            load_64 load_32 load_16 load_halves_64 load_halves_32 load_halves_16);
    }

    /// Adds a row to `to`.
    #[inline(always)]
    pub(super) fn accumulate(self, row: &[Sector], to: &mut [f32]) {
        let to = to.as_chunks_mut::<LINE>().0;
        each_line!(self, row, to [mut];
            accumulate_64 accumulate_32 accumulate_16
            accumulate_halves_64 accumulate_halves_32 accumulate_halves_16);
    }

    /// Adds `now - was` to a row.
    #[inline(always)]
    pub(super) fn add(self, row: &[Sector], now: &[f32], was: &[f32]) {
        let (now, was) = (now.as_chunks::<LINE>().0, was.as_chunks::<LINE>().0);
        each_line!(self, row, now, was;
            add_64 add_32 add_16 add_halves_64 add_halves_32 add_halves_16);
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
    prefetch "prefetcht0 [{}]"
    /// Asks for a value in the first-level cache, to be written soon.
    prefetch_to_write "prefetchw [{}]"
}

/// The shared memory of 16 floats.
type Floats = [Sector; 2];

/// A function that moves the line at `{line}`; `$code` may use the registers 0 to 3. What all of
/// them rely on:
///
/// * `line` is shared atomics, of which `$code` reads, and in `add` writes, all or a part, with the
///   effect of relaxed byte-wise atomics;
/// * the other operands are memory private to the caller, by their types, written only where
///   `&mut`;
/// * the processor has the instructions, for [`Moves::detect`] asked it;
/// * a clobbered xmm register stands for the whole ymm or zmm register.
macro_rules! primitive {
    ($name:ident($line:ty $(, $private:ident: $type:ty, $pointer:ident)+) $($code:literal)+
     $(, $constant:ident = $static:ident)?) => {
        #[inline(always)]
        fn $name(line: &$line, $($private: $type),+) {
            // SAFETY: see the list above.
            #[allow(unsafe_code)]
            unsafe {
                asm!(
                    $($code),+,
                    line = in(reg) line,
                    $($private = in(reg) $private.$pointer(),)+
                    $($constant = sym $static,)?
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                    options(nostack, preserves_flags)
                );
            }
        }
    };
}
primitive!(load_64(Floats, to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "vmovups zmm0, [{line}]" "vmovups [{to}], zmm0" "vmovups [{copy}], zmm0");
primitive!(load_32(Floats, to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "vmovups ymm0, [{line}]" "vmovups ymm1, [{line} + 32]"
    "vmovups [{to}], ymm0" "vmovups [{to} + 32], ymm1" "vmovups [{copy}], ymm0" "vmovups [{copy} + 32], ymm1");
primitive!(load_16(Floats, to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "movups xmm0, [{line}]" "movups xmm1, [{line} + 16]"
    "movups xmm2, [{line} + 32]" "movups xmm3, [{line} + 48]"
    "movups [{to}], xmm0" "movups [{to} + 16], xmm1" "movups [{to} + 32], xmm2" "movups [{to} + 48], xmm3"
    "movups [{copy}], xmm0" "movups [{copy} + 16], xmm1" "movups [{copy} + 32], xmm2" "movups [{copy} + 48], xmm3");
primitive!(accumulate_64(Floats, to: &mut [f32; LINE], as_mut_ptr)
    "vmovups zmm0, [{to}]" "vaddps zmm0, zmm0, [{line}]" "vmovups [{to}], zmm0");
primitive!(accumulate_32(Floats, to: &mut [f32; LINE], as_mut_ptr)
    "vmovups ymm0, [{to}]" "vmovups ymm1, [{to} + 32]"
    "vaddps ymm0, ymm0, [{line}]" "vaddps ymm1, ymm1, [{line} + 32]"
    "vmovups [{to}], ymm0" "vmovups [{to} + 32], ymm1");
// A line is aligned, as these operands must be.
primitive!(accumulate_16(Floats, to: &mut [f32; LINE], as_mut_ptr)
    "movups xmm0, [{to}]" "movups xmm1, [{to} + 16]" "movups xmm2, [{to} + 32]" "movups xmm3, [{to} + 48]"
    "addps xmm0, [{line}]" "addps xmm1, [{line} + 16]" "addps xmm2, [{line} + 32]" "addps xmm3, [{line} + 48]"
    "movups [{to}], xmm0" "movups [{to} + 16], xmm1" "movups [{to} + 32], xmm2" "movups [{to} + 48], xmm3");
primitive!(add_64(Floats, now: &[f32; LINE], as_ptr, was: &[f32; LINE], as_ptr)
    "vmovups zmm0, [{now}]" "vsubps zmm0, zmm0, [{was}]" "vaddps zmm0, zmm0, [{line}]"
    "vmovups [{line}], zmm0");
primitive!(add_32(Floats, now: &[f32; LINE], as_ptr, was: &[f32; LINE], as_ptr)
    "vmovups ymm0, [{now}]" "vmovups ymm1, [{now} + 32]"
    "vsubps ymm0, ymm0, [{was}]" "vsubps ymm1, ymm1, [{was} + 32]"
    "vaddps ymm0, ymm0, [{line}]" "vaddps ymm1, ymm1, [{line} + 32]"
    "vmovups [{line}], ymm0" "vmovups [{line} + 32], ymm1");
// Unaligned operands need moves of their own at this level.
primitive!(add_16(Floats, now: &[f32; LINE], as_ptr, was: &[f32; LINE], as_ptr)
    "movups xmm0, [{now}]" "movups xmm1, [{was}]" "subps xmm0, xmm1" "addps xmm0, [{line}]"
    "movups [{line}], xmm0"
    "movups xmm0, [{now} + 16]" "movups xmm1, [{was} + 16]" "subps xmm0, xmm1" "addps xmm0, [{line} + 16]"
    "movups [{line} + 16], xmm0"
    "movups xmm0, [{now} + 32]" "movups xmm1, [{was} + 32]" "subps xmm0, xmm1" "addps xmm0, [{line} + 32]"
    "movups [{line} + 32], xmm0"
    "movups xmm0, [{now} + 48]" "movups xmm1, [{was} + 48]" "subps xmm0, xmm1" "addps xmm0, [{line} + 48]"
    "movups [{line} + 48], xmm0");

// Half precision, as `math::narrow` and `math::widen` define it: the multiplier mixes a sum's bits,
// of which the upper 13 are added, and what is beyond half precision is cut off (3: toward zero).
primitive!(load_halves_64(Sector, to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "vcvtph2ps zmm0, [{line}]" "vmovups [{to}], zmm0" "vmovups [{copy}], zmm0");
primitive!(load_halves_32(Sector, to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "vcvtph2ps ymm0, [{line}]" "vcvtph2ps ymm1, [{line} + 16]"
    "vmovups [{to}], ymm0" "vmovups [{to} + 32], ymm1" "vmovups [{copy}], ymm0" "vmovups [{copy} + 32], ymm1");
primitive!(accumulate_halves_64(Sector, to: &mut [f32; LINE], as_mut_ptr)
    "vcvtph2ps zmm0, [{line}]" "vaddps zmm0, zmm0, [{to}]" "vmovups [{to}], zmm0");
primitive!(accumulate_halves_32(Sector, to: &mut [f32; LINE], as_mut_ptr)
    "vcvtph2ps ymm0, [{line}]" "vcvtph2ps ymm1, [{line} + 16]"
    "vaddps ymm0, ymm0, [{to}]" "vaddps ymm1, ymm1, [{to} + 32]"
    "vmovups [{to}], ymm0" "vmovups [{to} + 32], ymm1");
static MIXER: u32 = math::MIXER;
primitive!(add_halves_64(Sector, now: &[f32; LINE], as_ptr, was: &[f32; LINE], as_ptr)
    "vmovups zmm0, [{now}]" "vsubps zmm0, zmm0, [{was}]"
    "vcvtph2ps zmm1, [{line}]" "vaddps zmm0, zmm0, zmm1"
    "vpmulld zmm1, zmm0, [rip + {mixer}]{{1to16}}" "vpsrld zmm1, zmm1, 19" "vpaddd zmm0, zmm0, zmm1"
    "vcvtps2ph [{line}], zmm0, 3",
    mixer = MIXER);
primitive!(add_halves_32(Sector, now: &[f32; LINE], as_ptr, was: &[f32; LINE], as_ptr)
    "vmovups ymm0, [{now}]" "vmovups ymm1, [{now} + 32]"
    "vsubps ymm0, ymm0, [{was}]" "vsubps ymm1, ymm1, [{was} + 32]"
    "vcvtph2ps ymm2, [{line}]" "vcvtph2ps ymm3, [{line} + 16]"
    "vaddps ymm0, ymm0, ymm2" "vaddps ymm1, ymm1, ymm3"
    "vpbroadcastd ymm2, [rip + {mixer}]"
    "vpmulld ymm3, ymm0, ymm2" "vpsrld ymm3, ymm3, 19" "vpaddd ymm0, ymm0, ymm3"
    "vpmulld ymm3, ymm1, ymm2" "vpsrld ymm3, ymm3, 19" "vpaddd ymm1, ymm1, ymm3"
    "vcvtps2ph [{line}], ymm0, 3" "vcvtps2ph [{line} + 16], ymm1, 3",
    mixer = MIXER);

// Without instructions that convert, halves are moved as they are, and converted in Rust.
primitive!(fetch_halves(Sector, to: &mut [u16; LINE], as_mut_ptr)
    "movups xmm0, [{line}]" "movups xmm1, [{line} + 16]" "movups [{to}], xmm0" "movups [{to} + 16], xmm1");
primitive!(store_halves(Sector, from: &[u16; LINE], as_ptr)
    "movups xmm0, [{from}]" "movups xmm1, [{from} + 16]" "movups [{line}], xmm0" "movups [{line} + 16], xmm1");

fn load_halves_16(line: &Sector, to: &mut [f32; LINE], copy: &mut [f32; LINE]) {
    let mut halves = [0; LINE];
    fetch_halves(line, &mut halves);
    *to = halves.map(widen);
    *copy = *to;
}

fn accumulate_halves_16(line: &Sector, to: &mut [f32; LINE]) {
    let mut halves = [0; LINE];
    fetch_halves(line, &mut halves);
    for (to, half) in to.iter_mut().zip(halves) {
        *to += widen(half);
    }
}

fn add_halves_16(line: &Sector, now: &[f32; LINE], was: &[f32; LINE]) {
    let mut halves = [0; LINE];
    fetch_halves(line, &mut halves);
    for (half, (now, was)) in halves.iter_mut().zip(now.iter().zip(was)) {
        *half = narrow(widen(*half) + (now - was));
    }
    store_halves(line, &halves);
}

#[cfg(test)]
mod tests {
    use super::super::Shared;
    use super::*;

    /// The ways to move rows that this processor has.
    fn ways(precision: Precision) -> Vec<Moves> {
        let has = |way: &(Moves, Precision, bool)| way.1 == precision && way.2;
        let wide = is_x86_feature_detected!("avx512f");
        let f16c = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c");
        let ways = [
            (Moves::Floats64, Precision::F32, wide),
            (Moves::Floats32, Precision::F32, is_x86_feature_detected!("avx")),
            (Moves::Floats16, Precision::F32, true),
            (Moves::Halves64, Precision::F16, wide),
            (Moves::Halves32, Precision::F16, f16c),
            (Moves::Halves16, Precision::F16, true),
        ];
        ways.into_iter().filter(has).map(|(way, ..)| way).collect()
    }

    #[test]
    fn every_way_moves_the_same_floats() {
        for precision in [Precision::F32, Precision::F16] {
            for moves in ways(precision) {
                let shared = Shared::with_moves(3, 20, precision, moves, 0).unwrap();
                let delta: Vec<f32> = (0..32).map(|i| i as f32 * 0.5).collect();
                shared.add(&[1], &delta, &[0.0; 32]);
                shared.add(&[1], &[0.0; 32], &delta.iter().map(|x| -x).collect::<Vec<_>>());
                let mut row = vec![9.0; 32];
                shared.load(&[1], &mut row, &mut [0.0; 32]);
                assert_eq!(row, (0..32).map(|i| i as f32).collect::<Vec<_>>());
                for other in [0, 2] {
                    shared.load(&[other], &mut row, &mut [0.0; 32]);
                    assert_eq!(row, [0.0; 32]);
                }
                shared.add(&[0, 1], &[2.0; 32], &[1.0; 32]);
                let mut was = vec![9.0; 32];
                shared.load(&[0, 1, 1, 2], &mut row, &mut was);
                assert_eq!(row, (0..32).map(|i| 0.75 + i as f32 / 2.0).collect::<Vec<_>>());
                assert_eq!(row, was);
            }
        }
    }

    /// All ways to keep halves agree bit by bit with what the portable build uses.
    #[test]
    fn every_way_rounds_halves_alike() {
        for moves in ways(Precision::F16) {
            super::super::shared::tests::rounds_as_defined(moves);
        }
    }
}
