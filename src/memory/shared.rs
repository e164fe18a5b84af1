//! The one place where threads race: a matrix that all of them read and add to without locks
//! (Hogwild, Niu et al. 2011). All racy memory is behind two primitives, [`Shared::load`] and
//! [`Shared::add`]. Both take a bag of rows, which is one row for a plain word: the private copy is
//! the mean of the bag, and what is added goes to each of its rows.
//!
//! Why this is sound. Rust has no plain racy reads or writes, and its atomic floats do not
//! vectorise. On x86-64 both primitives are therefore inline assembly ([`super::primitives`]). It
//! may do to memory what a foreign function could do, provided that some Rust code would have the
//! same effect. That code is: relaxed atomic loads, or stores, of one byte each, for every byte
//! moved. A float that is torn between two writers is still a float. Relaxed atomics must not
//! overlap other kinds of access, so in this build *every* access to the memory of a matrix goes
//! through these two. The exceptions have the matrix to themselves: [`Shared::into_rows`] and
//! [`Shared::bytes_mut`]. Two threads that add to a row at the same time may lose one of the two additions; that is the
//! algorithm, not undefined behaviour.
//!
//! With the feature `portable`, on other processors and under Miri, the same two primitives are
//! safe relaxed atomics on 32-bit words, at about half the speed. Both builds add the same floats
//! in the same order: with one thread the models are identical.
//!
//! Rows are kept in one of two precisions ([`Precision`]). Whatever the precision, `load` gives
//! floats, and `add` takes floats. This file is over 300 lines because a third of it is tests.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use memmap2::MmapMut;

use super::numbers::Narrow;
use super::primitives::{Moves, prefetch, prefetch_to_write};
use super::{Mapped, Numbers};
use crate::math::{LINE, Precision, widen};

/// The numbers of 8 floats, or of 16 of half precision, as bits: half a cache line.
#[repr(C, align(32))]
pub(super) struct Sector(pub(super) [AtomicU32; 8]);

/// A matrix of `rows` x `dim` numbers that any number of threads load and add to; it begins as
/// zeros.
pub(crate) struct Shared {
    sectors: NonNull<Sector>,
    rows: usize,
    dim: usize,
    precision: Precision,
    /// Sectors in a row.
    stride: usize,
    moves: Moves,
    /// A bit for each row up to the last that nothing is added to; empty where there is none.
    frozen: Vec<u64>,
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
    pub(crate) fn new(rows: usize, dim: usize, precision: Precision) -> std::io::Result<Self> {
        Self::with_moves(rows, dim, precision, Moves::detect(precision), 0)
    }

    /// The same with room for [`Shared::into_floats`]. Room that is not used takes no memory.
    ///
    /// # Errors
    /// When there is not that much memory.
    pub(crate) fn with_room(
        rows: usize,
        dim: usize,
        precision: Precision,
    ) -> std::io::Result<Self> {
        let floats = rows.checked_mul(dim).and_then(|n| n.checked_mul(size_of::<f32>()));
        let floats = floats.ok_or(std::io::ErrorKind::OutOfMemory)?;
        Self::with_moves(rows, dim, precision, Moves::detect(precision), floats)
    }

    /// A matrix of zeros whose rows are moved by `moves`, which the processor must have. It has at
    /// least `room` bytes.
    pub(super) fn with_moves(
        rows: usize,
        dim: usize,
        precision: Precision,
        moves: Moves,
        room: usize,
    ) -> std::io::Result<Self> {
        let stride = dim.div_ceil(LINE) * LINE * precision.bytes() / size_of::<Sector>();
        let bytes = rows.checked_mul(stride).and_then(|n| n.checked_mul(size_of::<Sector>()));
        let bytes = bytes.ok_or(std::io::ErrorKind::OutOfMemory)?;
        let mut map = MmapMut::map_anon(bytes.max(room).max(1))?;
        #[cfg(all(target_os = "linux", not(miri)))]
        let _ = map.advise(memmap2::Advice::HugePage);
        // The map begins at a page, so sectors are aligned.
        #[allow(clippy::cast_ptr_alignment)]
        let sectors = NonNull::new(map.as_mut_ptr().cast::<Sector>());
        let sectors = sectors.ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Self { sectors, rows, dim, precision, stride, moves, frozen: Vec::new(), map })
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers in a row. [`Shared::load`] and [`Shared::add`] move whole lines of 16 floats: `dim`
    /// rounded up to a multiple of 16.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    #[inline(always)]
    fn row(&self, row: u32) -> &[Sector] {
        let row = row as usize;
        assert!(row < self.rows, "row {row} of {}", self.rows);
        // SAFETY: `row < rows`, and the mapping holds `rows * stride` sectors, page-aligned and
        // zeroed, for as long as `self` lives. `Sector` is made of atomics, for which zeros are
        // valid and shared references allow writes.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts(self.sectors.as_ptr().add(row * self.stride), self.stride)
        }
    }

    /// Calls a prefetch for each cache line of `rows`. (Rows of an even number of sectors begin at a
    /// line.)
    #[inline(always)]
    fn each_line(&self, rows: &[u32], ask: impl Fn(&Sector)) {
        for &row in rows {
            let row = self.row(row);
            let mut at = 0;
            while at < row.len() {
                ask(&row[at]);
                at += 2;
            }
        }
    }

    /// Asks for `rows` in the nearest cache, to be written to soon.
    #[inline(always)]
    pub(crate) fn prefetch(&self, rows: &[u32]) {
        self.each_line(rows, prefetch_to_write);
    }

    /// Asks for `rows` in the nearest cache, to be read soon.
    #[inline(always)]
    pub(crate) fn prefetch_to_read(&self, rows: &[u32]) {
        self.each_line(rows, prefetch);
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

    /// Adds `now - was` to each of `rows` that is not frozen.
    #[inline(always)]
    pub(crate) fn add(&self, rows: &[u32], now: &[f32], was: &[f32]) {
        for &row in rows {
            let bits = self.frozen.get(row as usize / 64);
            if bits.is_none_or(|bits| bits >> (row % 64) & 1 == 0) {
                self.moves.add(self.row(row), now, was);
            }
        }
    }

    /// Makes some rows stay as they are, whatever is added to them.
    pub(crate) fn freeze(&mut self, rows: impl IntoIterator<Item = u32>) {
        for row in rows {
            let word = row as usize / 64;
            self.frozen.resize(self.frozen.len().max(word + 1), 0);
            self.frozen[word] |= 1 << (row % 64);
        }
    }

    /// The type of the numbers.
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// All rows as bytes, each padded to whole lines.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let bytes = self.rows * self.stride * size_of::<Sector>();
        // SAFETY: the mapping holds this many bytes, and any of them are valid numbers. `&mut self`
        // says that no other thread has the matrix, so plain accesses are the only ones as long as
        // the slice lives. It is made from the pointer by which all others are made.
        #[allow(unsafe_code)]
        unsafe {
            std::slice::from_raw_parts_mut(self.sectors.as_ptr().cast::<u8>(), bytes)
        }
    }

    /// All rows, one after the other without padding, in the memory that they have.
    pub(crate) fn into_rows(self) -> std::io::Result<Numbers> {
        let Self { rows, dim, precision, stride, mut map, .. } = self;
        let (from, to) = (stride * size_of::<Sector>(), dim * precision.bytes());
        // Nobody else has the memory any more: these are plain accesses.
        for row in 1..rows {
            map.copy_within(row * from..row * from + to, row * to);
        }
        match precision {
            Precision::F32 => Ok(Mapped::of_memory(map, rows * dim)?.into()),
            Precision::F16 => Ok(Narrow::Halves(Mapped::of_memory(map, rows * dim)?).into()),
        }
    }

    /// All rows as floats, one after the other without padding, in the memory that they have. The
    /// matrix must have been made by [`Shared::with_room`].
    pub(crate) fn into_floats(self) -> std::io::Result<Mapped<f32>> {
        if self.precision == Precision::F32 {
            return Ok(self.into_rows()?.floats().clone());
        }
        let Self { rows, dim, stride, mut map, .. } = self;
        let (from, to) = (stride * size_of::<Sector>(), dim * size_of::<f32>());
        assert!(rows * to <= map.len(), "no room to widen in");
        let mut halves = vec![0; dim * size_of::<u16>()];
        let mut widen_row = |row: usize| {
            halves.copy_from_slice(&map[row * from..][..dim * size_of::<u16>()]);
            let floats = map[row * to..][..to].as_chunks_mut::<4>().0;
            for (float, half) in floats.iter_mut().zip(halves.as_chunks().0) {
                *float = widen(u16::from_ne_bytes(*half)).to_ne_bytes();
            }
        };
        // Nobody else has the memory any more: these are plain accesses. A row is written where
        // rows are that have been read already.
        if to < from {
            (0..rows).for_each(&mut widen_row);
        } else {
            (0..rows).rev().for_each(&mut widen_row);
        }
        Mapped::of_memory(map, rows * dim)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::math::narrow;

    #[test]
    fn threads_add_without_a_tear_between_rows() {
        let shared = Shared::new(5, 16, Precision::F32).unwrap();
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

    /// Whatever moves rows here rounds as [`narrow`] and [`widen`] do, bit by bit.
    #[test]
    fn halves_are_rounded_as_defined() {
        rounds_as_defined(Moves::detect(Precision::F16));
    }

    pub(in super::super) fn rounds_as_defined(moves: Moves) {
        let mut bits = 0u32;
        // A step that is odd goes through all exponents and kinds of fractions.
        while let Some(next) = bits.checked_add(16 * 4099) {
            let numbers: [f32; LINE] =
                std::array::from_fn(|i| f32::from_bits(bits + 4099 * i as u32));
            bits = next;
            let shared = Shared::with_moves(1, LINE, Precision::F16, moves, 0).unwrap();
            let mut got = [0.0; LINE];
            for times in 1..3 {
                shared.add(&[0], &numbers, &[0.0; LINE]);
                shared.load(&[0], &mut got, &mut [0.0; LINE]);
                for (got, number) in got.iter().zip(numbers) {
                    let sums = (0..times).fold(0.0, |sum, _| widen(narrow(sum + number)));
                    let same = got.to_bits() == sums.to_bits() || got.is_nan() && sums.is_nan();
                    assert!(same, "{times} x {number:e}: {got:e}, not {sums:e}");
                }
            }
        }
    }

    #[test]
    fn rows_become_floats_where_they_are() {
        for precision in [Precision::F32, Precision::F16] {
            for dim in [1, 2, 7, 8, 9, 16, 20, 33] {
                let matrix = || {
                    let shared = Shared::with_room(9, dim, precision).unwrap();
                    for row in 0..9 {
                        let number =
                            |i: usize| if i < dim { (row * 40) as f32 + i as f32 } else { 0.0 };
                        let numbers: Vec<f32> =
                            (0..dim.next_multiple_of(LINE)).map(number).collect();
                        shared.add(&[row], &numbers, &vec![0.0; numbers.len()]);
                    }
                    shared
                };
                let right: Vec<f32> =
                    (0..9 * dim).map(|i| (i / dim * 40) as f32 + (i % dim) as f32).collect();
                assert_eq!(&matrix().into_floats().unwrap()[..], right, "{precision:?} {dim}");
                assert_eq!(
                    &matrix().into_rows().unwrap().floats()[..],
                    right,
                    "{precision:?} {dim}"
                );
            }
        }
    }

    #[test]
    fn frozen_rows_stay_and_bytes_are_those_of_the_rows() {
        for precision in [Precision::F32, Precision::F16] {
            let matrix = || Shared::new(70, 20, precision).unwrap();
            let mut shared = matrix();
            let numbers: Vec<f32> = (0..32).map(|i| if i < 20 { i as f32 } else { 0.0 }).collect();
            let add = |shared: &Shared, row| shared.add(&[row], &numbers, &[0.0; 32]);
            (0..70).for_each(|row| add(&shared, row));
            shared.freeze([3, 65]);
            (0..70).for_each(|row| add(&shared, row));
            let mut copy = matrix();
            copy.bytes_mut().copy_from_slice(shared.bytes_mut());
            for row in 0..70 {
                let mut got = [0.0; 32];
                copy.load(&[row], &mut got, &mut [0.0; 32]);
                let times = if [3, 65].contains(&row) { 1.0 } else { 2.0 };
                assert!(got.iter().zip(&numbers).all(|(got, x)| *got == times * x), "{row}");
            }
            add(&copy, 3);
            assert_eq!(shared.bytes_mut().len(), 70 * 32 * precision.bytes());
        }
    }

    #[test]
    #[should_panic(expected = "row 2 of 2")]
    fn a_row_beyond_the_end_is_a_panic() {
        Shared::new(2, 16, Precision::F32).unwrap().load(&[2], &mut [0.0; 16], &mut [0.0; 16]);
    }
}
