//! The numbers of a matrix that no longer changes.
//!
//! This file is over 300 lines because all that knows how narrow numbers are kept is here.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::{Mapped, prefetch};
use crate::math::{LINE, nearest_half, widen};

/// Narrow numbers are widened this many at a time: a multiple of the numbers in any block.
const PIECE: usize = 1 << 16;

/// The exponents of numbers of half precision, and of bfloat16, that are not finite.
const INFINITE: [u16; 2] = [0x7c00, 0x7f80];

/// Floats; or narrower numbers, which are widened as they are read. Only who wants all of them at
/// once has them widened for good, so that a large table that is asked a question takes no memory
/// beside its file.
#[derive(Clone, Debug)]
pub struct Numbers(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Floats(Mapped<f32>),
    Narrow { narrow: Narrow, widened: Arc<OnceLock<Mapped<f32>>> },
}

/// Numbers that take fewer bytes than floats.
#[derive(Clone, Debug)]
pub(crate) enum Narrow {
    /// Numbers of half precision, by their bits.
    Halves(Mapped<u16>),
    /// Numbers of bfloat16, by their bits: the upper halves of floats.
    Uppers(Mapped<u16>),
    /// Numbers that share their scales with others.
    Blocks(Blocks),
    /// Rows of whole numbers, each row with a scale.
    Scaled(Scaled),
}

/// Rows of whole numbers from -127 to 127. A row has a scale, with which its numbers are multiplied.
#[derive(Clone, Debug)]
pub(crate) struct Scaled {
    /// The numbers, as signed bytes.
    pub(crate) bytes: Mapped<u8>,
    /// The scale of each row.
    pub(crate) scales: Mapped<f32>,
    /// The numbers of a row.
    pub(crate) dim: usize,
}

/// How many bits a number of a file has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Width {
    /// 32: as they were learnt
    #[default]
    F32,
    /// 16: half precision, with three digits
    F16,
    /// 8: whole numbers from -127 to 127, with a scale for each vector
    I8,
}

/// Blocks of numbers.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    /// Whole blocks.
    pub(crate) bytes: Mapped<u8>,
    /// The numbers of a block, which divide [`PIECE`].
    pub(crate) numbers: usize,
    /// The bytes of a block.
    pub(crate) size: usize,
    /// The kind of block, which [`Blocks::widen`] gets.
    pub(crate) kind: u32,
    /// Widens whole blocks.
    pub(crate) widen: fn(u32, &[u8], &mut [f32]),
}

impl Blocks {
    /// The bytes of a range of numbers, of whole blocks.
    fn place(&self, numbers: Range<usize>) -> Range<usize> {
        let at = |number: usize| number / self.numbers * self.size;
        at(numbers.start)..at(numbers.end)
    }
}

impl Narrow {
    fn len(&self) -> usize {
        match self {
            Self::Halves(bits) | Self::Uppers(bits) => bits.len(),
            Self::Blocks(blocks) => blocks.bytes.len() / blocks.size * blocks.numbers,
            Self::Scaled(rows) => rows.bytes.len(),
        }
    }

    /// Widens a range of numbers, of whole blocks.
    fn widen(&self, range: Range<usize>, to: &mut [f32]) {
        match self {
            Self::Halves(bits) => {
                to.iter_mut().zip(&bits[range]).for_each(|(to, &half)| *to = widen(half));
            }
            Self::Uppers(bits) => {
                let upper = |&half: &u16| f32::from_bits(u32::from(half) << 16);
                to.iter_mut().zip(&bits[range]).for_each(|(to, half)| *to = upper(half));
            }
            Self::Blocks(blocks) => {
                (blocks.widen)(blocks.kind, &blocks.bytes[blocks.place(range)], to);
            }
            Self::Scaled(Scaled { bytes, scales, dim }) => {
                let (mut at, mut to) = (range.start, to);
                while !to.is_empty() {
                    let row = at / dim;
                    let length = to.len().min((row + 1) * dim - at);
                    let (now, later) = to.split_at_mut(length);
                    for (to, &byte) in now.iter_mut().zip(&bytes[at..]) {
                        *to = scales[row] * f32::from(byte as i8);
                    }
                    (at, to) = (at + length, later);
                }
            }
        }
    }

    /// A range of these numbers, of whole blocks.
    fn part(&self, range: Range<usize>) -> Option<Self> {
        Some(match self {
            Self::Halves(bits) => Self::Halves(bits.part(bytes::<u16>(range))?),
            Self::Uppers(bits) => Self::Uppers(bits.part(bytes::<u16>(range))?),
            Self::Blocks(blocks) => {
                let bytes = blocks.bytes.part(blocks.place(range))?;
                Self::Blocks(Blocks { bytes, ..blocks.clone() })
            }
            Self::Scaled(Scaled { bytes, scales, dim }) => {
                let rows = range.start / dim..range.end / dim;
                let scales = scales.part(self::bytes::<f32>(rows))?;
                Self::Scaled(Scaled { bytes: bytes.part(range)?, scales, dim: *dim })
            }
        })
    }

    /// Where the numbers are.
    fn place(&self) -> Range<*const u8> {
        let of_bits = |bits: &Mapped<u16>| bytemuck::cast_slice::<u16, u8>(bits).as_ptr_range();
        match self {
            Self::Halves(bits) | Self::Uppers(bits) => of_bits(bits),
            Self::Blocks(blocks) => blocks.bytes.as_ptr_range(),
            Self::Scaled(rows) => rows.bytes.as_ptr_range(),
        }
    }

    /// The pieces in which numbers are widened.
    fn pieces(&self) -> impl IndexedParallelIterator<Item = Range<usize>> {
        let length = self.len();
        let piece = move |i: usize| i * PIECE..length.min((i + 1) * PIECE);
        (0..length.div_ceil(PIECE)).into_par_iter().map(piece)
    }
}

impl From<Mapped<f32>> for Numbers {
    fn from(floats: Mapped<f32>) -> Self {
        Self(Kept::Floats(floats))
    }
}

impl From<Vec<f32>> for Numbers {
    fn from(floats: Vec<f32>) -> Self {
        Mapped::from(floats).into()
    }
}

impl From<Narrow> for Numbers {
    fn from(narrow: Narrow) -> Self {
        Self(Kept::Narrow { narrow, widened: Arc::default() })
    }
}

impl Numbers {
    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Floats(floats) => floats.len(),
            Kept::Narrow { narrow, .. } => narrow.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first `length` numbers and the others, which share the memory.
    ///
    /// # Panics
    /// When there are fewer.
    pub(crate) fn split(&self, length: usize) -> (Self, Self) {
        let part = |range: Range<usize>| match &self.0 {
            Kept::Floats(floats) => floats.part::<f32>(bytes::<f32>(range)).map(Self::from),
            Kept::Narrow { narrow, .. } => narrow.part(range).map(Self::from),
        };
        part(0..length).zip(part(length..self.len())).expect("part of a slice")
    }

    /// Whether these are the same numbers as the others, in the same memory.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kept::Floats(a), Kept::Floats(b)) => a.as_ptr_range() == b.as_ptr_range(),
            (Kept::Narrow { narrow: a, .. }, Kept::Narrow { narrow: b, .. }) => {
                a.place() == b.place()
            }
            _ => false,
        }
    }

    /// The same numbers in another width: rows of `dim`. Those that are in it already stay as they are.
    pub(crate) fn in_width(&self, width: Width, dim: usize) -> Self {
        let piece = dim.max(1) * (PIECE / dim.max(1)).max(1);
        let count = self.len().div_ceil(piece);
        let range = |i: usize| i * piece..self.len().min((i + 1) * piece);
        match (width, &self.0) {
            (Width::F32, _) => self.floats().clone().into(),
            (Width::F16, Kept::Narrow { narrow: Narrow::Halves(_), .. })
            | (Width::I8, Kept::Narrow { narrow: Narrow::Scaled(_), .. }) => self.clone(),
            (Width::F16, _) => {
                let mut halves = vec![0; self.len()];
                halves.par_chunks_mut(piece).enumerate().for_each(|(i, halves)| {
                    let floats = self.part(range(i));
                    halves.iter_mut().zip(&floats[..]).for_each(|(h, x)| *h = nearest_half(*x));
                });
                Narrow::Halves(halves.into()).into()
            }
            (Width::I8, _) => {
                let rows = |i: usize| {
                    let (mut bytes, mut scales) = (Vec::new(), Vec::new());
                    for row in self.part(range(i)).chunks_exact(dim.max(1)) {
                        let scale = row.iter().fold(0.0f32, |most, x| most.max(x.abs())) / 127.0;
                        let whole = |x: &f32| if scale > 0.0 { (x / scale).round() } else { 0.0 };
                        bytes.extend(row.iter().map(|x| whole(x) as i8 as u8));
                        scales.push(scale);
                    }
                    (bytes, scales)
                };
                let all: Vec<_> = (0..count).into_par_iter().map(rows).collect();
                let bytes: Vec<u8> = all.iter().flat_map(|(bytes, _)| bytes).copied().collect();
                let scales: Vec<f32> = all.iter().flat_map(|(_, scales)| scales).copied().collect();
                Narrow::Scaled(Scaled { bytes: bytes.into(), scales: scales.into(), dim }).into()
            }
        }
    }

    /// The numbers as they are kept, if that is this width, of fewer bytes than floats.
    pub(crate) fn narrow(&self, width: Width) -> Option<&Narrow> {
        match (&self.0, width) {
            (Kept::Narrow { narrow: kept @ Narrow::Halves(_), .. }, Width::F16)
            | (Kept::Narrow { narrow: kept @ Narrow::Scaled(_), .. }, Width::I8) => Some(kept),
            _ => None,
        }
    }

    /// All numbers.
    pub fn floats(&self) -> &Mapped<f32> {
        match &self.0 {
            Kept::Floats(floats) => floats,
            Kept::Narrow { narrow, widened } => widened.get_or_init(|| {
                let mut floats = vec![0.0; narrow.len()];
                let pieces = floats.par_chunks_mut(PIECE).zip(narrow.pieces());
                pieces.for_each(|(floats, range)| narrow.widen(range, floats));
                floats.into()
            }),
        }
    }

    /// The floats, or else the numbers that have to be widened.
    fn ready(&self) -> Result<&Mapped<f32>, &Narrow> {
        match &self.0 {
            Kept::Floats(floats) => Ok(floats),
            Kept::Narrow { narrow, widened } => widened.get().ok_or(narrow),
        }
    }

    /// A range of numbers: whole blocks, if they are in blocks. They are widened where they have to
    /// be.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn part(&self, range: Range<usize>) -> Cow<'_, [f32]> {
        match self.ready() {
            Ok(floats) => Cow::Borrowed(&floats[range]),
            Err(narrow) => {
                let mut floats = vec![0.0; range.len()];
                narrow.widen(range, &mut floats);
                Cow::Owned(floats)
            }
        }
    }

    /// The same, in `room`, which is as long as the range, where they have to be widened.
    ///
    /// # Panics
    /// When there are fewer.
    pub(crate) fn part_in<'a>(&'a self, range: Range<usize>, room: &'a mut [f32]) -> &'a [f32] {
        match self.ready() {
            Ok(floats) => &floats[range],
            Err(narrow) => {
                narrow.widen(range, room);
                room
            }
        }
    }

    /// Asks for a range in the nearest cache, to be read soon, if it is of floats.
    #[inline(always)]
    pub(crate) fn prefetch(&self, range: Range<usize>) {
        if let Ok(floats) = self.ready() {
            floats[range].chunks(LINE).for_each(|line| prefetch(&line[0]));
        }
    }

    /// Calls a function with all numbers in turn, in pieces of any length. Nothing is kept.
    ///
    /// # Errors
    /// What the function returns.
    pub fn each<E>(&self, mut piece: impl FnMut(&[f32]) -> Result<(), E>) -> Result<(), E> {
        match &self.0 {
            Kept::Floats(floats) => piece(floats),
            Kept::Narrow { narrow, .. } => {
                let mut floats = vec![0.0; PIECE.min(narrow.len())];
                (0..narrow.len()).step_by(PIECE).try_for_each(|from| {
                    let range = from..narrow.len().min(from + PIECE);
                    let floats = &mut floats[..range.len()];
                    narrow.widen(range, floats);
                    piece(floats)
                })
            }
        }
    }

    /// Whether all numbers are finite.
    pub(crate) fn all_finite(&self) -> bool {
        // In a piece there is no early end, so that many numbers are looked at at once.
        let floats = |piece: &[f32]| piece.iter().fold(true, |all, x| all & x.is_finite());
        let bits = |bits: &[u16], infinite: u16| {
            bits.par_chunks(PIECE)
                .all(|piece| piece.iter().fold(0, |most, x| (x & infinite).max(most)) < infinite)
        };
        match &self.0 {
            Kept::Floats(all) => all.par_chunks(PIECE).all(floats),
            Kept::Narrow { narrow: Narrow::Halves(all), .. } => bits(all, INFINITE[0]),
            Kept::Narrow { narrow: Narrow::Uppers(all), .. } => bits(all, INFINITE[1]),
            Kept::Narrow { narrow: Narrow::Scaled(rows), .. } => floats(&rows.scales),
            Kept::Narrow { narrow, .. } => narrow.pieces().all(|range| {
                let mut piece = vec![0.0; range.len()];
                narrow.widen(range, &mut piece);
                floats(&piece)
            }),
        }
    }
}

/// A range of elements, in bytes.
fn bytes<T>(range: Range<usize>) -> Range<usize> {
    size_of::<T>() * range.start..size_of::<T>() * range.end
}
