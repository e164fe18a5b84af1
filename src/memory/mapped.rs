//! Files as slices: mapped, or owned.
//!
//! A mapped file must not be shortened by another program while it is open: the operating system
//! would end the process at the next read beyond its new end. wordloom itself never does that:
//! [`super::replace()`] writes beside the old file and renames.

use std::fs::File;
use std::marker::PhantomData;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use bytemuck::Pod;
use memmap2::{Mmap, MmapMut};

use crate::error::{Error, Result};

/// A read-only slice of `T`: owned, or a part of a mapped file (cheap to clone in both cases).
#[derive(Clone)]
pub struct Mapped<T> {
    bytes: Bytes,
    range: Range<usize>,
    of: PhantomData<T>,
}

/// Where the bytes are.
#[derive(Clone)]
enum Bytes {
    /// A vector of any plain type, which stays as it was made.
    Owned(Arc<dyn Elements>),
    File(Arc<Mmap>),
    /// Memory that was mapped to be written to, and no longer is.
    Memory(Arc<Mmap>),
}

/// A vector whose elements are plain bytes.
trait Elements: Send + Sync {
    fn bytes(&self) -> &[u8];
}

impl<T: Pod + Send + Sync> Elements for Vec<T> {
    fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Owned(elements) => elements.bytes(),
            Self::File(map) | Self::Memory(map) => map,
        }
    }
}

impl Mapped<u8> {
    /// Maps the whole of a file. An empty file is an empty slice.
    ///
    /// # Errors
    /// When the file can't be opened or mapped (a pipe or a directory, for example).
    pub fn open(path: &Path) -> Result<Self> {
        // Looked at first, as opening a pipe may wait.
        let about = std::fs::metadata(path).map_err(Error::io(path))?;
        if about.is_dir() {
            return Err(Error::input(path, "is a directory, not a file"));
        }
        if !about.is_file() {
            let problem = "is a device or a pipe, which can't be mapped: give a file";
            return Err(Error::input(path, problem));
        }
        let file = File::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        if length == 0 {
            return Ok(Self::from(&[][..]));
        }
        let too_large = |_| Error::input(path, "too large for this machine");
        let length = usize::try_from(length).map_err(too_large)?;
        // SAFETY: the map is read-only and lives as long as the `Arc`. What the language cannot
        // rule out, another process changing the file under us, is the documented condition above.
        // Bytes read are only ever data: whoever makes text of them copies them first.
        #[allow(unsafe_code)]
        let map = unsafe { memmap2::MmapOptions::new().len(length).map(&file) };
        let map = Arc::new(map.map_err(Error::io(path))?);
        Ok(Self { bytes: Bytes::File(map), range: 0..length, of: PhantomData })
    }
}

impl<T: Pod + Send + Sync> Mapped<T> {
    /// The elements in `range` (in bytes of this slice) as another type, sharing the memory.
    /// `None` when the range is outside, or not aligned for `U`, or no whole number of `U`.
    pub fn part<U: Pod>(&self, range: Range<usize>) -> Option<Mapped<U>> {
        let start = self.range.start.checked_add(range.start)?;
        let end = self.range.start.checked_add(range.end)?;
        if start > end || end > self.range.end {
            return None;
        }
        bytemuck::try_cast_slice::<u8, U>(&self.bytes.as_slice()[start..end]).ok()?;
        Some(Mapped { bytes: self.bytes.clone(), range: start..end, of: PhantomData })
    }

    /// `length` elements, which are zeros before `fill` sees them. `None` when there is not enough
    /// memory.
    pub(crate) fn filled(length: usize, fill: impl FnOnce(&mut [T])) -> Option<Self> {
        // The system gives zeros for the asking, but only by a way that can't fail. So it is asked
        // first whether there is room.
        Vec::<T>::new().try_reserve_exact(length).ok()?;
        let mut values = vec![T::zeroed(); length];
        fill(&mut values);
        Some(values.into())
    }

    /// Tells the system that the pages of a mapped file in `range` (in elements) are not needed for
    /// now. They are read again when they are.
    pub(crate) fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if let Bytes::File(map) = &self.bytes {
            let start = self.range.start + range.start * size_of::<T>();
            let length = (range.end - range.start) * size_of::<T>();
            // SAFETY: the map is read-only and of a file, so a page that is dropped comes back from
            // the file with the same bytes.
            #[allow(unsafe_code)]
            let advised = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, length)
            };
            // It is advice. Nothing depends on whether it was taken.
            let _ = advised;
        }
    }

    /// The first `length` elements of memory that was mapped to be written to, and no longer is.
    ///
    /// # Errors
    /// When the system refuses to protect it.
    ///
    /// # Panics
    /// When there are fewer.
    pub(crate) fn of_memory(map: MmapMut, length: usize) -> std::io::Result<Self> {
        let range = 0..length * size_of::<T>();
        assert!(range.end <= map.len());
        let map = Arc::new(map.make_read_only()?);
        Ok(Self { bytes: Bytes::Memory(map), range, of: PhantomData })
    }
}

impl<T: Pod + Send + Sync> From<Vec<T>> for Mapped<T> {
    /// Takes the vector over; nothing is copied.
    fn from(values: Vec<T>) -> Self {
        let range = 0..size_of_val(&values[..]);
        Self { bytes: Bytes::Owned(Arc::new(values)), range, of: PhantomData }
    }
}

impl<T: Pod + Send + Sync> From<&[T]> for Mapped<T> {
    fn from(values: &[T]) -> Self {
        Self::from(values.to_vec())
    }
}

impl<T: Pod> Deref for Mapped<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        bytemuck::cast_slice(&self.bytes.as_slice()[self.range.clone()])
    }
}

impl<T: Pod + std::fmt::Debug> std::fmt::Debug for Mapped<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mapped({} x {})", self.len(), std::any::type_name::<T>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::replace;

    #[test]
    fn owned_and_mapped_read_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        let numbers: Vec<u32> = (0..1000).collect();
        replace(&path, |out| out.put(bytemuck::cast_slice(&numbers))).unwrap();
        let file = Mapped::open(&path).unwrap();
        let mapped: Mapped<u32> = file.part(0..4000).unwrap();
        assert_eq!(&mapped[..], &numbers[..]);
        assert_eq!(&Mapped::from(numbers.clone())[..], &numbers[..]);
        assert!(file.part::<u32>(1..5).is_none(), "not aligned");
        assert!(file.part::<u32>(0..4001).is_none(), "beyond the end");
        assert!(file.part::<u32>(0..6).is_none(), "no whole number of elements");
    }

    #[test]
    fn a_vector_is_taken_over_without_a_copy() {
        let numbers: Vec<f32> = vec![1.5; 100];
        let place = numbers.as_ptr();
        let mapped = Mapped::from(numbers);
        assert_eq!(mapped.as_ptr(), place);
        assert_eq!(mapped.part::<u8>(0..400).unwrap().len(), 400, "as bytes too");
        assert!(Mapped::from(vec![0u8; 9]).part::<u8>(1..9).is_some());
    }
}
