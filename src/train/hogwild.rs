//! The one place where threads race: a matrix that all of them read and add to without locks (Hogwild, Niu et al.
//! 2011). All racy memory is behind two primitives, [`Shared::load`] and [`Shared::add`]. Both take a bag of rows, which is
//! one row for a plain word: the private copy is the mean of the bag, and what is added goes to each of its rows.
//!
//! Why this is sound. Rust has no plain racy reads or writes, and its atomic floats don't vectorise. On x86-64 both
//! primitives are therefore inline assembly, which may do to memory what a foreign function could, provided that some
//! Rust code would have the same effect. That code is: 64 relaxed atomic loads, or stores, of one byte each, for every
//! cache line moved. A float that is torn between two writers is still a float. Relaxed atomics must not overlap other
//! kinds of access, so in this build *every* access to the memory of a matrix goes through these two, but for
//! [`Shared::into_rows`], which has the matrix to itself. Two threads that add to a row at the same time may lose one of the two additions;
//! that is the algorithm, not undefined behaviour.
//!
//! With the feature `portable`, on other processors and under Miri, the same two are safe relaxed atomics on 32-bit
//! words, at about half the speed. Both builds add the same floats in the same order: with one thread the models are
//! identical.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use memmap2::MmapMut;

use crate::kernel::LINE;

/// A cache line of floats, as bits.
#[repr(C, align(64))]
struct Line([AtomicU32; LINE]);

/// A matrix of `rows` x `dim` floats that any number of threads load and add to; it begins as zeros.
pub struct Shared {
    lines: NonNull<Line>,
    rows: usize,
    dim: usize,
    /// Cache lines a row.
    stride: usize,
    #[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
    vector: Vector,
    /// Owns the memory.
    map: MmapMut,
}

// SAFETY: the memory belongs to `map`, which moves with the value; the pointer is to interior-mutable atomics.
#[allow(unsafe_code)]
unsafe impl Send for Shared {}
// SAFETY: through `&Shared`, memory is only touched by relaxed atomic accesses; see the head of this module.
#[allow(unsafe_code)]
unsafe impl Sync for Shared {}

impl Shared {
    /// A matrix of zeros, in huge pages where the system grants them.
    ///
    /// # Errors
    /// When there isn't that much memory.
    pub fn new(rows: usize, dim: usize) -> std::io::Result<Self> {
        let stride = dim.div_ceil(LINE);
        let bytes = rows.checked_mul(stride).and_then(|lines| lines.checked_mul(size_of::<Line>()));
        let bytes = bytes.ok_or(std::io::ErrorKind::OutOfMemory)?;
        let mut map = MmapMut::map_anon(bytes.max(1))?;
        #[cfg(all(target_os = "linux", not(miri)))]
        let _ = map.advise(memmap2::Advice::HugePage);
        // The map begins at a page, so lines are aligned.
        #[allow(clippy::cast_ptr_alignment)]
        let lines = NonNull::new(map.as_mut_ptr().cast::<Line>()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            lines,
            rows,
            dim,
            stride,
            #[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
            vector: Vector::detect(),
            map,
        })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Floats in a row. [`Shared::load`] and [`Shared::add`] move whole cache lines: `dim` rounded up to 16.
    pub fn dim(&self) -> usize {
        self.dim
    }

    #[inline(always)]
    fn row(&self, row: u32) -> &[Line] {
        let row = row as usize;
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: `row < rows`, and the mapping holds `rows * stride` lines, page-aligned and zeroed, for as long as
        // `self` lives. `Line` is made of atomics, for which zeros are valid and shared references allow writes.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.lines.as_ptr().add(row * self.stride), self.stride)
        }
    }

    /// Asks for `rows` in the second-level cache, some time before they are needed. Changes nothing but time.
    #[inline(always)]
    pub fn prefetch_far(&self, rows: &[u32]) {
        #[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
        for line in rows.iter().flat_map(|&row| self.row(row)) {
            // SAFETY: a prefetch has no effect that a program can see.
            #[allow(unsafe_code)]
            unsafe {
                std::arch::asm!("prefetcht1 [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
            }
        }
        let _ = rows;
    }

    /// Asks for `rows` in the first-level cache, to be written to soon. Changes nothing but time.
    #[inline(always)]
    pub fn prefetch(&self, rows: &[u32]) {
        #[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
        for line in rows.iter().flat_map(|&row| self.row(row)) {
            // SAFETY: a prefetch has no effect that a program can see.
            #[allow(unsafe_code)]
            unsafe {
                std::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
            }
        }
        let _ = rows;
    }

    /// Asks for `rows` in the first-level cache, to be read soon. Changes nothing but time.
    #[inline(always)]
    pub fn prefetch_to_read(&self, rows: &[u32]) {
        #[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
        for line in rows.iter().flat_map(|&row| self.row(row)) {
            // SAFETY: a prefetch has no effect that a program can see.
            #[allow(unsafe_code)]
            unsafe {
                std::arch::asm!("prefetcht0 [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
            }
        }
        let _ = rows;
    }

    /// Copies the mean of `rows` to `to` and to `too`: a copy to work on, and one to tell later what changed.
    #[inline(always)]
    pub fn load(&self, rows: &[u32], to: &mut [f32], too: &mut [f32]) {
        let Some((&first, more)) = rows.split_first() else { return };
        self.copy(first, to, too);
        if !more.is_empty() {
            for &row in more {
                self.accumulate(row, to);
            }
            let (share, n) = (1.0 / rows.len() as f32, to.len().min(too.len()));
            let (to, too) = (&mut to[..n], &mut too[..n]);
            for x in &mut *to {
                *x *= share;
            }
            too.copy_from_slice(to);
        }
    }

    /// Adds `now - was` to each of `rows`.
    #[inline(always)]
    pub fn add(&self, rows: &[u32], now: &[f32], was: &[f32]) {
        for &row in rows {
            self.add_to(row, now, was);
        }
    }

    /// All rows, one after the other without padding, in the memory that they have.
    pub fn into_rows(self) -> MmapMut {
        let Self { rows, dim, stride, mut map, .. } = self;
        let (from, to) = (stride * size_of::<Line>(), dim * size_of::<f32>());
        // Nobody else has the memory any more: these are plain accesses.
        for row in 1..rows {
            map.copy_within(row * from..row * from + to, row * to);
        }
        map
    }
}

/// Asks for the first line of a private value in the nearest cache. Changes nothing but time.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    #[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
    // SAFETY: a prefetch has no effect that a program can see.
    #[allow(unsafe_code)]
    unsafe {
        std::arch::asm!("prefetcht0 [{}]", in(reg) value, options(nostack, preserves_flags, readonly));
    }
    let _ = value;
}

#[cfg(any(not(target_arch = "x86_64"), feature = "portable", miri))]
mod primitives {
    use std::sync::atomic::Ordering::Relaxed;

    use super::{LINE, Shared};

    impl Shared {
        /// Copies row `row` to `to` and to `too`.
        #[inline(always)]
        pub(super) fn copy(&self, row: u32, to: &mut [f32], too: &mut [f32]) {
            let private = to.as_chunks_mut::<LINE>().0.iter_mut().zip(too.as_chunks_mut::<LINE>().0);
            for (line, (to, too)) in self.row(row).iter().zip(private) {
                for (from, (to, too)) in line.0.iter().zip(to.iter_mut().zip(too)) {
                    *to = f32::from_bits(from.load(Relaxed));
                    *too = *to;
                }
            }
        }

        /// Adds row `row` to `to`.
        #[inline(always)]
        pub(super) fn accumulate(&self, row: u32, to: &mut [f32]) {
            for (line, to) in self.row(row).iter().zip(to.as_chunks_mut::<LINE>().0) {
                for (from, to) in line.0.iter().zip(to) {
                    *to += f32::from_bits(from.load(Relaxed));
                }
            }
        }

        /// Adds `now - was` to row `row`.
        #[inline(always)]
        pub(super) fn add_to(&self, row: u32, now: &[f32], was: &[f32]) {
            let private = now.as_chunks::<LINE>().0.iter().zip(was.as_chunks::<LINE>().0);
            for (line, (now, was)) in self.row(row).iter().zip(private) {
                for (to, (now, was)) in line.0.iter().zip(now.iter().zip(was)) {
                    to.store((f32::from_bits(to.load(Relaxed)) + (now - was)).to_bits(), Relaxed);
                }
            }
        }
    }
}

/// The widest vectors that this processor moves.
#[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
#[derive(Clone, Copy)]
enum Vector {
    Bytes64,
    Bytes32,
    Bytes16,
}

#[cfg(all(target_arch = "x86_64", not(feature = "portable"), not(miri)))]
mod primitives {
    use std::arch::asm;

    use super::{LINE, Line, Shared, Vector};

    impl Vector {
        pub(super) fn detect() -> Self {
            if is_x86_feature_detected!("avx512f") {
                Self::Bytes64
            } else if is_x86_feature_detected!("avx") {
                Self::Bytes32
            } else {
                Self::Bytes16
            }
        }
    }

    impl Shared {
        /// Copies row `row` to `to` and to `too`.
        #[inline(always)]
        pub(super) fn copy(&self, row: u32, to: &mut [f32], too: &mut [f32]) {
            let (lines, to, too) =
                (self.row(row), to.as_chunks_mut::<LINE>().0, too.as_chunks_mut::<LINE>().0);
            let n = lines.len().min(to.len()).min(too.len());
            let (lines, to, too) = (&lines[..n], &mut to[..n], &mut too[..n]);
            // Loops by number: iterators over three slices are not inlined here.
            match self.vector {
                Vector::Bytes64 => {
                    for i in 0..n {
                        load_64(&lines[i], &mut to[i], &mut too[i]);
                    }
                }
                Vector::Bytes32 => {
                    for i in 0..n {
                        load_32(&lines[i], &mut to[i], &mut too[i]);
                    }
                }
                Vector::Bytes16 => {
                    for i in 0..n {
                        load_16(&lines[i], &mut to[i], &mut too[i]);
                    }
                }
            }
        }

        /// Adds row `row` to `to`.
        #[inline(always)]
        pub(super) fn accumulate(&self, row: u32, to: &mut [f32]) {
            let (lines, to) = (self.row(row), to.as_chunks_mut::<LINE>().0);
            let n = lines.len().min(to.len());
            let (lines, to) = (&lines[..n], &mut to[..n]);
            match self.vector {
                Vector::Bytes64 => {
                    for i in 0..n {
                        accumulate_64(&lines[i], &mut to[i]);
                    }
                }
                Vector::Bytes32 => {
                    for i in 0..n {
                        accumulate_32(&lines[i], &mut to[i]);
                    }
                }
                Vector::Bytes16 => {
                    for i in 0..n {
                        accumulate_16(&lines[i], &mut to[i]);
                    }
                }
            }
        }

        /// Adds `now - was` to row `row`.
        #[inline(always)]
        pub(super) fn add_to(&self, row: u32, now: &[f32], was: &[f32]) {
            let (lines, now, was) = (self.row(row), now.as_chunks::<LINE>().0, was.as_chunks::<LINE>().0);
            let n = lines.len().min(now.len()).min(was.len());
            let (lines, now, was) = (&lines[..n], &now[..n], &was[..n]);
            match self.vector {
                Vector::Bytes64 => {
                    for i in 0..n {
                        add_64(&lines[i], &now[i], &was[i]);
                    }
                }
                Vector::Bytes32 => {
                    for i in 0..n {
                        add_32(&lines[i], &now[i], &was[i]);
                    }
                }
                Vector::Bytes16 => {
                    for i in 0..n {
                        add_16(&lines[i], &now[i], &was[i]);
                    }
                }
            }
        }
    }

    /// A function that moves the line at `{line}`; `$code` may use the registers 0 to 3. What all of them rely on:
    ///
    /// * `line` is 64 bytes of shared atomics, read, and in `add` written, with the effect of relaxed byte-wise atomics;
    /// * the other operands are 64 bytes of memory private to the caller, by their types, written only where `&mut`;
    /// * the processor has the instructions, for [`Vector::detect`] asked it;
    /// * a clobbered xmm register stands for the whole ymm or zmm register.
    macro_rules! primitive {
        ($name:ident($($private:ident: $floats:ty, $pointer:ident),+) $($code:literal)+) => {
            #[inline(always)]
            fn $name(line: &Line, $($private: $floats),+) {
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
    primitive!(load_64(to: &mut [f32; LINE], as_mut_ptr, too: &mut [f32; LINE], as_mut_ptr)
        "vmovups zmm0, [{line}]" "vmovups [{to}], zmm0" "vmovups [{too}], zmm0");
    primitive!(load_32(to: &mut [f32; LINE], as_mut_ptr, too: &mut [f32; LINE], as_mut_ptr)
        "vmovups ymm0, [{line}]" "vmovups ymm1, [{line} + 32]"
        "vmovups [{to}], ymm0" "vmovups [{to} + 32], ymm1" "vmovups [{too}], ymm0" "vmovups [{too} + 32], ymm1");
    primitive!(load_16(to: &mut [f32; LINE], as_mut_ptr, too: &mut [f32; LINE], as_mut_ptr)
        "movups xmm0, [{line}]" "movups xmm1, [{line} + 16]"
        "movups xmm2, [{line} + 32]" "movups xmm3, [{line} + 48]"
        "movups [{to}], xmm0" "movups [{to} + 16], xmm1" "movups [{to} + 32], xmm2" "movups [{to} + 48], xmm3"
        "movups [{too}], xmm0" "movups [{too} + 16], xmm1" "movups [{too} + 32], xmm2" "movups [{too} + 48], xmm3");
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
        use super::*;

        #[test]
        fn every_width_moves_the_same_floats() {
            let mut widths = vec![Vector::Bytes16];
            if is_x86_feature_detected!("avx") {
                widths.push(Vector::Bytes32);
            }
            if is_x86_feature_detected!("avx512f") {
                widths.push(Vector::Bytes64);
            }
            for vector in widths {
                let mut shared = Shared::new(3, 20).unwrap();
                shared.vector = vector;
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_without_a_tear_between_rows() {
        let shared = Shared::new(5, 16).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4u32 {
                let shared = &shared;
                scope.spawn(move || (0..100).for_each(|_| shared.add(&[thread], &[3.0; 16], &[2.0; 16])));
            }
        });
        let mut row = [0.0; 16];
        for thread in 0..4 {
            shared.load(&[thread], &mut row, &mut [0.0; 16]);
            assert_eq!(row, [100.0; 16]);
        }
        shared.load(&[4], &mut row, &mut [0.0; 16]);
        assert_eq!(row, [0.0; 16]);
    }

    #[test]
    #[should_panic(expected = "row 2 of 2")]
    fn a_row_beyond_the_end_is_a_panic() {
        Shared::new(2, 16).unwrap().load(&[2], &mut [0.0; 16], &mut [0.0; 16]);
    }
}
