//! The numbers of a matrix that no longer changes.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::Mapped;
use crate::math::widen;

/// Halves are widened this many at a time.
const PIECE: usize = 1 << 16;

/// The exponent of a number of half precision that is not finite.
const INFINITE: u16 = 0x7c00;

/// Floats; or numbers of half precision, which are widened when they are first wanted all at once.
/// A model that is written to a file and never asked anything takes half the memory.
#[derive(Clone, Debug)]
pub struct Numbers(Kept);

#[derive(Clone, Debug)]
enum Kept {
    Floats(Mapped<f32>),
    Halves { halves: Mapped<u16>, widened: Arc<OnceLock<Mapped<f32>>> },
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

impl Numbers {
    /// Numbers of half precision, by their bits.
    pub(crate) fn of_halves(halves: Mapped<u16>) -> Self {
        Self(Kept::Halves { halves, widened: Arc::default() })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kept::Floats(floats) => floats.len(),
            Kept::Halves { halves, .. } => halves.len(),
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
        match &self.0 {
            Kept::Floats(floats) => {
                let part = |range: Range<usize>| floats.part::<f32>(bytes::<f32>(range));
                let both = (part(0..length), part(length..floats.len()));
                both.0.zip(both.1).map(|(a, b)| (a.into(), b.into())).expect("part of a slice")
            }
            Kept::Halves { halves, .. } => {
                let part = |range: Range<usize>| halves.part::<u16>(bytes::<u16>(range));
                let both = (part(0..length), part(length..halves.len()));
                let parts = both.0.zip(both.1).expect("part of a slice");
                (Self::of_halves(parts.0), Self::of_halves(parts.1))
            }
        }
    }

    /// Whether these are the same numbers as the others, in the same memory.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kept::Floats(a), Kept::Floats(b)) => a.as_ptr_range() == b.as_ptr_range(),
            (Kept::Halves { halves: a, .. }, Kept::Halves { halves: b, .. }) => {
                a.as_ptr_range() == b.as_ptr_range()
            }
            _ => false,
        }
    }

    /// All numbers.
    pub fn floats(&self) -> &Mapped<f32> {
        match &self.0 {
            Kept::Floats(floats) => floats,
            Kept::Halves { halves, widened } => widened.get_or_init(|| {
                let mut floats = vec![0.0; halves.len()];
                let pieces = floats.par_chunks_mut(PIECE).zip(halves.par_chunks(PIECE));
                pieces.for_each(|(floats, halves)| widen_all(halves, floats));
                floats.into()
            }),
        }
    }

    /// Calls a function with all numbers in turn, in pieces of any length. Nothing is kept.
    ///
    /// # Errors
    /// What the function returns.
    pub fn each<E>(&self, mut piece: impl FnMut(&[f32]) -> Result<(), E>) -> Result<(), E> {
        match &self.0 {
            Kept::Floats(floats) => piece(floats),
            Kept::Halves { halves, .. } => {
                let mut floats = vec![0.0; PIECE.min(halves.len())];
                halves.chunks(PIECE).try_for_each(|halves| {
                    widen_all(halves, &mut floats);
                    piece(&floats[..halves.len()])
                })
            }
        }
    }

    /// Whether all numbers are finite.
    pub(crate) fn all_finite(&self) -> bool {
        // In a piece there is no early end, so that many numbers are looked at at once.
        match &self.0 {
            Kept::Floats(floats) => floats
                .par_chunks(PIECE)
                .all(|piece| piece.iter().fold(true, |all, x| all & x.is_finite())),
            Kept::Halves { halves, .. } => halves.par_chunks(PIECE).all(|piece| {
                piece.iter().fold(0, |most, half| (half & INFINITE).max(most)) < INFINITE
            }),
        }
    }
}

/// A range of elements, in bytes.
fn bytes<T>(range: Range<usize>) -> Range<usize> {
    size_of::<T>() * range.start..size_of::<T>() * range.end
}

fn widen_all(halves: &[u16], floats: &mut [f32]) {
    floats.iter_mut().zip(halves).for_each(|(to, &half)| *to = widen(half));
}
