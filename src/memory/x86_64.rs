//! How a thread reads and adds to shared rows on x86-64: a few vector moves in assembly. Why this
//! is sound is said at the head of [`super::shared`].

use std::arch::asm;

use super::shared::SharedLine;
use crate::math::LINE;

/// The widest vectors that this processor moves.
#[derive(Clone, Copy)]
pub(super) enum Moves {
    Bytes64,
    Bytes32,
    Bytes16,
}

impl Moves {
    /// Asks the processor.
    pub(super) fn detect() -> Self {
        if is_x86_feature_detected!("avx512f") {
            Self::Bytes64
        } else if is_x86_feature_detected!("avx") {
            Self::Bytes32
        } else {
            Self::Bytes16
        }
    }

    /// Copies `lines` to `to` and to `copy`.
    #[inline(always)]
    pub(super) fn copy(self, lines: &[SharedLine], to: &mut [f32], copy: &mut [f32]) {
        let (to, copy) = (to.as_chunks_mut::<LINE>().0, copy.as_chunks_mut::<LINE>().0);
        let n = lines.len().min(to.len()).min(copy.len());
        let (lines, to, copy) = (&lines[..n], &mut to[..n], &mut copy[..n]);
        // Loops by number: iterators over three slices are not inlined here.
        match self {
            Self::Bytes64 => {
                for i in 0..n {
                    load_64(&lines[i], &mut to[i], &mut copy[i]);
                }
            }
            Self::Bytes32 => {
                for i in 0..n {
                    load_32(&lines[i], &mut to[i], &mut copy[i]);
                }
            }
            Self::Bytes16 => {
                for i in 0..n {
                    load_16(&lines[i], &mut to[i], &mut copy[i]);
                }
            }
        }
    }

    /// Adds `lines` to `to`.
    #[inline(always)]
    pub(super) fn accumulate(self, lines: &[SharedLine], to: &mut [f32]) {
        let to = to.as_chunks_mut::<LINE>().0;
        let n = lines.len().min(to.len());
        let (lines, to) = (&lines[..n], &mut to[..n]);
        match self {
            Self::Bytes64 => {
                for i in 0..n {
                    accumulate_64(&lines[i], &mut to[i]);
                }
            }
            Self::Bytes32 => {
                for i in 0..n {
                    accumulate_32(&lines[i], &mut to[i]);
                }
            }
            Self::Bytes16 => {
                for i in 0..n {
                    accumulate_16(&lines[i], &mut to[i]);
                }
            }
        }
    }

    /// Adds `now - was` to `lines`.
    #[inline(always)]
    pub(super) fn add(self, lines: &[SharedLine], now: &[f32], was: &[f32]) {
        let (now, was) = (now.as_chunks::<LINE>().0, was.as_chunks::<LINE>().0);
        let n = lines.len().min(now.len()).min(was.len());
        let (lines, now, was) = (&lines[..n], &now[..n], &was[..n]);
        match self {
            Self::Bytes64 => {
                for i in 0..n {
                    add_64(&lines[i], &now[i], &was[i]);
                }
            }
            Self::Bytes32 => {
                for i in 0..n {
                    add_32(&lines[i], &now[i], &was[i]);
                }
            }
            Self::Bytes16 => {
                for i in 0..n {
                    add_16(&lines[i], &now[i], &was[i]);
                }
            }
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
    prefetch "prefetcht0 [{}]"
    /// Asks for a value in the first-level cache, to be written soon.
    prefetch_to_write "prefetchw [{}]"
    /// Asks for a value in the second-level cache, to be used later.
    prefetch_far "prefetcht1 [{}]"
}

/// A function that moves the line at `{line}`; `$code` may use the registers 0 to 3. What all of
/// them rely on:
///
/// * `line` is 64 bytes of shared atomics, read, and in `add` written, with the effect of relaxed
///   byte-wise atomics;
/// * the other operands are 64 bytes of memory private to the caller, by their types, written only
///   where `&mut`;
/// * the processor has the instructions, for [`Moves::detect`] asked it;
/// * a clobbered xmm register stands for the whole ymm or zmm register.
macro_rules! primitive {
    ($name:ident($($private:ident: $floats:ty, $pointer:ident),+) $($code:literal)+) => {
        #[inline(always)]
        fn $name(line: &SharedLine, $($private: $floats),+) {
            // SAFETY: see the list above.
            #[allow(unsafe_code)]
            unsafe {
                asm!(
                    $($code),+,
                    line = in(reg) line,
                    $($private = in(reg) $private.$pointer(),)+
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                    options(nostack, preserves_flags)
                );
            }
        }
    };
}
primitive!(load_64(to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "vmovups zmm0, [{line}]" "vmovups [{to}], zmm0" "vmovups [{copy}], zmm0");
primitive!(load_32(to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "vmovups ymm0, [{line}]" "vmovups ymm1, [{line} + 32]"
    "vmovups [{to}], ymm0" "vmovups [{to} + 32], ymm1" "vmovups [{copy}], ymm0" "vmovups [{copy} + 32], ymm1");
primitive!(load_16(to: &mut [f32; LINE], as_mut_ptr, copy: &mut [f32; LINE], as_mut_ptr)
    "movups xmm0, [{line}]" "movups xmm1, [{line} + 16]"
    "movups xmm2, [{line} + 32]" "movups xmm3, [{line} + 48]"
    "movups [{to}], xmm0" "movups [{to} + 16], xmm1" "movups [{to} + 32], xmm2" "movups [{to} + 48], xmm3"
    "movups [{copy}], xmm0" "movups [{copy} + 16], xmm1" "movups [{copy} + 32], xmm2" "movups [{copy} + 48], xmm3");
primitive!(accumulate_64(to: &mut [f32; LINE], as_mut_ptr)
    "vmovups zmm0, [{to}]" "vaddps zmm0, zmm0, [{line}]" "vmovups [{to}], zmm0");
primitive!(accumulate_32(to: &mut [f32; LINE], as_mut_ptr)
    "vmovups ymm0, [{to}]" "vmovups ymm1, [{to} + 32]"
    "vaddps ymm0, ymm0, [{line}]" "vaddps ymm1, ymm1, [{line} + 32]"
    "vmovups [{to}], ymm0" "vmovups [{to} + 32], ymm1");
// A line is aligned, as these operands must be.
primitive!(accumulate_16(to: &mut [f32; LINE], as_mut_ptr)
    "movups xmm0, [{to}]" "movups xmm1, [{to} + 16]" "movups xmm2, [{to} + 32]" "movups xmm3, [{to} + 48]"
    "addps xmm0, [{line}]" "addps xmm1, [{line} + 16]" "addps xmm2, [{line} + 32]" "addps xmm3, [{line} + 48]"
    "movups [{to}], xmm0" "movups [{to} + 16], xmm1" "movups [{to} + 32], xmm2" "movups [{to} + 48], xmm3");
primitive!(add_64(now: &[f32; LINE], as_ptr, was: &[f32; LINE], as_ptr)
    "vmovups zmm0, [{now}]" "vsubps zmm0, zmm0, [{was}]" "vaddps zmm0, zmm0, [{line}]"
    "vmovups [{line}], zmm0");
primitive!(add_32(now: &[f32; LINE], as_ptr, was: &[f32; LINE], as_ptr)
    "vmovups ymm0, [{now}]" "vmovups ymm1, [{now} + 32]"
    "vsubps ymm0, ymm0, [{was}]" "vsubps ymm1, ymm1, [{was} + 32]"
    "vaddps ymm0, ymm0, [{line}]" "vaddps ymm1, ymm1, [{line} + 32]"
    "vmovups [{line}], ymm0" "vmovups [{line} + 32], ymm1");
// Unaligned operands need moves of their own at this level.
primitive!(add_16(now: &[f32; LINE], as_ptr, was: &[f32; LINE], as_ptr)
    "movups xmm0, [{now}]" "movups xmm1, [{was}]" "subps xmm0, xmm1" "addps xmm0, [{line}]"
    "movups [{line}], xmm0"
    "movups xmm0, [{now} + 16]" "movups xmm1, [{was} + 16]" "subps xmm0, xmm1" "addps xmm0, [{line} + 16]"
    "movups [{line} + 16], xmm0"
    "movups xmm0, [{now} + 32]" "movups xmm1, [{was} + 32]" "subps xmm0, xmm1" "addps xmm0, [{line} + 32]"
    "movups [{line} + 32], xmm0"
    "movups xmm0, [{now} + 48]" "movups xmm1, [{was} + 48]" "subps xmm0, xmm1" "addps xmm0, [{line} + 48]"
    "movups [{line} + 48], xmm0");

#[cfg(test)]
mod tests {
    use super::super::Shared;
    use super::*;

    #[test]
    fn every_width_moves_the_same_floats() {
        let mut widths = vec![Moves::Bytes16];
        if is_x86_feature_detected!("avx") {
            widths.push(Moves::Bytes32);
        }
        if is_x86_feature_detected!("avx512f") {
            widths.push(Moves::Bytes64);
        }
        for moves in widths {
            let shared = Shared::with_moves(3, 20, moves).unwrap();
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
