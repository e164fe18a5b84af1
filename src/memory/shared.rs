//! The one place where threads race: a matrix that all of them read and add to without locks
//! (Hogwild, Niu et al. 2011). All racy memory is behind two primitives, [`Shared::load`] and
//! [`Shared::add`]. Both take a bag of rows, which is one row for a plain word: the private copy is
//! the mean of the bag, and what is added goes to each of its rows.
//!
//! Why this is sound. Rust has no plain racy reads or writes, and its atomic floats do not
//! vectorise. On x86-64 both primitives are therefore inline assembly ([`super::primitives`]). It
//! may do to memory what a foreign function could do, provided that some Rust code would have the
//! same effect. That code is: 64 relaxed atomic loads, or stores, of one byte each, for every cache
//! line moved. A float that is torn between two writers is still a float. Relaxed atomics must not
//! overlap other kinds of access, so in this build *every* access to the memory of a matrix goes
//! through these two. The exception is [`Shared::into_rows`], which has the matrix to itself. Two
//! threads that add to a row at the same time may lose one of the two additions; that is the
//! algorithm, not undefined behaviour.
//!
//! With the feature `portable`, on other processors and under Miri, the same two primitives are
//! safe relaxed atomics on 32-bit words, at about half the speed. Both builds add the same floats
//! in the same order: with one thread the models are identical.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use memmap2::MmapMut;

use super::primitives::{Moves, prefetch, prefetch_far, prefetch_to_write};
use crate::math::LINE;

/// A cache line of floats, as bits.
#[repr(C, align(64))]
pub(super) struct SharedLine(pub(super) [AtomicU32; LINE]);

/// A matrix of `rows` x `dim` floats that any number of threads load and add to; it begins as
/// zeros.
pub(crate) struct Shared {
    lines: NonNull<SharedLine>,
    rows: usize,
    dim: usize,
    /// Cache lines in a row.
    stride: usize,
    moves: Moves,
    /// Owns the memory.
    map: MmapMut,
}

// SAFETY: the memory belongs to `map`, which moves with the value; the pointer is to atomics.
#[allow(unsafe_code)]
unsafe impl Send for Shared {}
// SAFETY: through `&Shared`, memory is only touched by relaxed atomic accesses; see the head of
// this module.
#[allow(unsafe_code)]
unsafe impl Sync for Shared {}

impl Shared {
    /// A matrix of zeros, in huge pages where the system grants them.
    ///
    /// # Errors
    /// When there is not that much memory.
    pub(crate) fn new(rows: usize, dim: usize) -> std::io::Result<Self> {
        Self::with_moves(rows, dim, Moves::detect())
    }

    /// A matrix of zeros whose lines are moved by `moves`, which the processor must have.
    pub(super) fn with_moves(rows: usize, dim: usize, moves: Moves) -> std::io::Result<Self> {
        let stride = dim.div_ceil(LINE);
        let bytes = rows.checked_mul(stride).and_then(|n| n.checked_mul(size_of::<SharedLine>()));
        let bytes = bytes.ok_or(std::io::ErrorKind::OutOfMemory)?;
        let mut map = MmapMut::map_anon(bytes.max(1))?;
        #[cfg(all(target_os = "linux", not(miri)))]
        let _ = map.advise(memmap2::Advice::HugePage);
        // The map begins at a page, so lines are aligned.
        #[allow(clippy::cast_ptr_alignment)]
        let lines = NonNull::new(map.as_mut_ptr().cast::<SharedLine>());
        let lines = lines.ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Self { lines, rows, dim, stride, moves, map })
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Floats in a row. [`Shared::load`] and [`Shared::add`] move whole cache lines: `dim` rounded
    /// up to a multiple of 16.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    #[inline(always)]
    fn row(&self, row: u32) -> &[SharedLine] {
        let row = row as usize;
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: `row < rows`, and the mapping holds `rows * stride` lines, page-aligned and
        // zeroed, for as long as `self` lives. `SharedLine` is made of atomics, for which zeros are
        // valid and shared references allow writes.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.lines.as_ptr().add(row * self.stride), self.stride)
        }
    }

    /// Asks for `rows` in the second-level cache, some time before they are needed.
    #[inline(always)]
    pub(crate) fn prefetch_far(&self, rows: &[u32]) {
        for line in rows.iter().flat_map(|&row| self.row(row)) {
            prefetch_far(line);
        }
    }

    /// Asks for `rows` in the first-level cache, to be written to soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, rows: &[u32]) {
        for line in rows.iter().flat_map(|&row| self.row(row)) {
            prefetch_to_write(line);
        }
    }

    /// Asks for `rows` in the first-level cache, to be read soon.
    #[inline(always)]
    pub(crate) fn prefetch_to_read(&self, rows: &[u32]) {
        for line in rows.iter().flat_map(|&row| self.row(row)) {
            prefetch(line);
        }
    }

    /// Copies the mean of `rows` to `to` and to `copy`: one to work on, and one to tell later what
    /// changed.
    #[inline(always)]
    pub(crate) fn load(&self, rows: &[u32], to: &mut [f32], copy: &mut [f32]) {
        let Some((&first, more)) = rows.split_first() else { return };
        self.moves.copy(self.row(first), to, copy);
        if !more.is_empty() {
            for &row in more {
                self.moves.accumulate(self.row(row), to);
            }
            let (share, n) = (1.0 / rows.len() as f32, to.len().min(copy.len()));
            let (to, copy) = (&mut to[..n], &mut copy[..n]);
            for x in &mut *to {
                *x *= share;
            }
            copy.copy_from_slice(to);
        }
    }

    /// Adds `now - was` to each of `rows`.
    #[inline(always)]
    pub(crate) fn add(&self, rows: &[u32], now: &[f32], was: &[f32]) {
        for &row in rows {
            self.moves.add(self.row(row), now, was);
        }
    }

    /// All rows, one after the other without padding, in the memory that they have.
    pub(crate) fn into_rows(self) -> MmapMut {
        let Self { rows, dim, stride, mut map, .. } = self;
        let (from, to) = (stride * size_of::<SharedLine>(), dim * size_of::<f32>());
        // Nobody else has the memory any more: these are plain accesses.
        for row in 1..rows {
            map.copy_within(row * from..row * from + to, row * to);
        }
        map
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
                scope.spawn(move || {
                    (0..100).for_each(|_| shared.add(&[thread], &[3.0; 16], &[2.0; 16]));
                });
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
