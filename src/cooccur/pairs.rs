//! Co-occurrence counts in the order of training: in blocks, each of which has few rows and few
//! columns.
//!
//! This file is over 300 lines because a third of it is its tests.

use std::path::Path;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::{RowsOf, Source};
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};
use crate::progress::Progress;
/// There are at least this many parts, so that as many threads have work. There are fewer only when
/// there are fewer words.
const MIN_PARTS: usize = 16;
/// There are at most this many parts, since the counts of a part are scattered to one block for
/// every part at the same time.
const MAX_PARTS: usize = 1024;
/// The vectors of a part take about this many bytes. They and a few vectors of the other part stay
/// in the second-level cache.
const CACHED: usize = 640 << 10;

/// A count as training reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub struct Pair {
    /// The place of the row's word in its part.
    pub row: u16,
    /// The place of the column's word in its part.
    pub column: u16,
    /// The natural logarithm of the count.
    pub log: f32,
}

/// How words are dealt into parts. Word `id` is in part `id % parts`, at place `id / parts`. Ids
/// are ordered by frequency, so that every part has its share of frequent words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    words: usize,
    parts: usize,
}

impl Partition {
    /// Deals `words` words whose vectors take `bytes` bytes each.
    pub(crate) fn new(words: usize, bytes: usize) -> Self {
        let parts = (words * bytes).div_ceil(CACHED).clamp(MIN_PARTS, MAX_PARTS);
        let places = usize::from(u16::MAX) + 1;
        Self { words, parts: parts.max(words.div_ceil(places)).min(words).max(1) }
    }

    /// The number of parts.
    pub(crate) fn parts(self) -> usize {
        self.parts
    }

    /// The largest number of words in a part.
    pub(crate) fn largest(self) -> usize {
        self.words.div_ceil(self.parts)
    }

    /// The part of a word and its place there.
    pub(crate) fn of(self, word: usize) -> (usize, usize) {
        (word % self.parts, word / self.parts)
    }

    /// The words of a part, by place.
    pub(crate) fn words(self, part: usize) -> impl Iterator<Item = usize> {
        (part..self.words).step_by(self.parts)
    }
}

/// All counts, in blocks. A block holds the counts whose rows are in one part and whose columns are
/// in one part, sorted by row and then by column.
pub struct Pairs {
    /// How words are dealt into parts.
    pub partition: Partition,
    /// Where each block ends in `store`. Blocks with the same rows follow one another.
    ends: Vec<usize>,
    store: Storage,
}

enum Storage {
    /// The blocks of each part of rows.
    Memory(Vec<Vec<Pair>>),
    /// A temporary file, mapped. The mapping is dropped before the file is removed.
    Disk(Mapped<Pair>, #[expect(dead_code, reason = "removes the file")] Staged),
}

/// A counted part: its pairs and the size of each block.
struct CountedPart {
    pairs: Vec<Pair>,
    sizes: Vec<usize>,
}

impl Pairs {
    /// Brings the rows of `source` into the order of `partition`, on the threads of the current
    /// rayon pool and in about `memory` bytes. Counts that need more than [`Pairs::kept`] bytes are
    /// written to a temporary file in `directory`; others stay in memory.
    ///
    /// # Errors
    /// No pair at all, a full disk, or [`Error::Stopped`].
    pub fn new(
        source: &Source,
        partition: Partition,
        memory: u64,
        directory: &Path,
        progress: &Progress,
    ) -> Result<Self> {
        let parts: Vec<Vec<u32>> = (0..partition.parts)
            .map(|part| partition.words(part).map(|word| word as u32).collect())
            .collect();
        let place = |word: usize| {
            let (part, place) = partition.of(word);
            (part as u16, place as u16)
        };
        let places: Vec<(u16, u16)> = (0..partition.words).map(place).collect();
        let make = |rows: &mut RowsOf, part: &[u32]| {
            let mut blocks = vec![Vec::new(); partition.parts];
            for row in 0..part.len() {
                for entry in rows.row(row) {
                    let (block, column) = places[entry.word as usize];
                    blocks[usize::from(block)].push(Pair {
                        row: row as u16,
                        column,
                        log: entry.count.ln(),
                    });
                }
            }
            CountedPart { sizes: blocks.iter().map(Vec::len).collect(), pairs: blocks.concat() }
        };
        let mut sink =
            Sink { directory, limit: Self::kept(source, memory), memory: Vec::new(), disk: None };
        let (mut ends, mut end) = (Vec::with_capacity(partition.parts * partition.parts), 0);
        source.each(&parts, source.room(memory) / 4, progress, make, |made| {
            for size in made.sizes {
                end += size;
                ends.push(end);
            }
            sink.take(made.pairs)
        })?;
        if end == 0 {
            let problem = "no two words occur near each other: give more text, or lines of more than one word";
            return Err(Error::Refused(problem.into()));
        }
        Ok(Self { partition, ends, store: sink.finish(end)? })
    }

    /// How many bytes of counts stay in memory when there are `memory` bytes for everything. More
    /// counts go to a file.
    pub fn kept(source: &Source, memory: u64) -> u64 {
        source.room(memory) / 2
    }

    /// The number of counts.
    #[expect(clippy::len_without_is_empty, reason = "there is always a count")]
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// A hash of all counts and of their order, taken on the threads of the current rayon pool.
    pub(crate) fn hash(&self) -> u64 {
        let parts = self.partition.parts;
        let block = |at: usize| xxh3_64(bytemuck::cast_slice(self.block(at / parts, at % parts)));
        let blocks: Vec<u64> = (0..self.ends.len()).into_par_iter().map(block).collect();
        xxh3_64(bytemuck::cast_slice(&blocks))
    }

    /// Whether the counts are in a temporary file.
    pub fn on_disk(&self) -> bool {
        matches!(self.store, Storage::Disk(..))
    }

    /// The counts of rows in one part and columns in another.
    pub(crate) fn block(&self, rows: usize, columns: usize) -> &[Pair] {
        let before = |block: usize| if block == 0 { 0 } else { self.ends[block - 1] };
        let block = rows * self.partition.parts + columns;
        let (start, end) = (before(block), self.ends[block]);
        match &self.store {
            Storage::Disk(pairs, _) => &pairs[start..end],
            Storage::Memory(parts) => {
                let first = before(rows * self.partition.parts);
                &parts[rows][start - first..end - first]
            }
        }
    }
}

/// Where finished parts go: to memory while there is room, then to a file.
struct Sink<'a> {
    directory: &'a Path,
    /// The limit of `memory`, in bytes.
    limit: u64,
    memory: Vec<Vec<Pair>>,
    disk: Option<Staged>,
}

impl Sink<'_> {
    fn take(&mut self, pairs: Vec<Pair>) -> Result<()> {
        self.memory.push(pairs);
        let bytes: usize = self.memory.iter().map(|part| size_of_val(&part[..])).sum();
        if self.disk.is_none() && bytes as u64 > self.limit {
            std::fs::create_dir_all(self.directory).map_err(Error::io(self.directory))?;
            // A killed process leaves this file, and the next one to use the cache removes it.
            self.disk = Some(Staged::new(&self.directory.join("once-pairs"))?);
        }
        if let Some(disk) = &mut self.disk {
            for part in self.memory.drain(..) {
                disk.put(bytemuck::cast_slice(&part))?;
            }
        }
        Ok(())
    }

    fn finish(self, pairs: usize) -> Result<Storage> {
        let Some(mut disk) = self.disk else { return Ok(Storage::Memory(self.memory)) };
        std::io::Write::flush(&mut disk).map_err(Error::io(disk.temporary()))?;
        let file = Mapped::open(disk.temporary())?;
        let mapped = file.part(0..pairs * size_of::<Pair>());
        let shortened =
            || Error::format(disk.temporary(), file.len() as u64, "was changed by another program");
        Ok(Storage::Disk(mapped.ok_or_else(shortened)?, disk))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::cooccur::tests::{corpus, naive, sentences, windows};
    use crate::cooccur::{Windows, tests};

    /// All blocks, the files in the directory while the blocks exist, and whether the blocks are on
    /// disk.
    fn blocks(
        source: &Source,
        partition: Partition,
        memory: u64,
        directory: &Path,
    ) -> (Vec<Vec<Pair>>, Vec<PathBuf>, bool) {
        let pairs = Pairs::new(source, partition, memory, directory, &Progress::default()).unwrap();
        let block = |i: usize| pairs.block(i / partition.parts, i % partition.parts).to_vec();
        let listed =
            std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        ((0..partition.parts * partition.parts).map(block).collect(), listed, pairs.on_disk())
    }

    proptest! {
        #[test]
        fn every_count_is_in_its_block_in_memory_and_on_disk(
            sentences in sentences(),
            windows in windows(),
            parts in 1..21usize,
        ) {
            let expected = naive(&windows, &sentences);
            prop_assume!(!expected.is_empty());
            let folder = tempfile::tempdir().unwrap();
            let spill = folder.path().join("spill");
            std::fs::create_dir(&spill).unwrap();
            let corpus = corpus(folder.path(), 20, &sentences);
            let source = Source::text(&corpus, &windows).unwrap();
            let partition = Partition { words: 20, parts };
            let (inside, files, on_disk) = blocks(&source, partition, 1 << 30, &spill);
            prop_assert!(files.is_empty() && !on_disk);
            // The counts turn out not to fit at once, after some parts, or after the last part.
            for memory in [0, 4000, 12_000] {
                let (outside, files, on_disk) = blocks(&source, partition, memory, &spill);
                prop_assert_eq!(&outside, &inside);
                prop_assert_eq!(files.len(), usize::from(on_disk));
                prop_assert!(on_disk || memory > 0);
                prop_assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 0, "the file is gone");
            }
            let mut found = BTreeMap::new();
            for (block, pairs) in inside.iter().enumerate() {
                let word = |part: usize, place: u16| (part + parts * usize::from(place)) as u32;
                for pair in pairs {
                    let key = (word(block / parts, pair.row), word(block % parts, pair.column));
                    prop_assert!(found.insert(key, pair.log).is_none(), "twice");
                }
            }
            prop_assert_eq!(found.len(), expected.len());
            for ((key, log), (expected, count)) in found.into_iter().zip(expected) {
                prop_assert_eq!(key, expected);
                prop_assert!((f64::from(log) - count.ln()).abs() < 1e-5);
            }
        }

        #[test]
        fn each_word_has_a_place_of_its_own(words in 1..5000usize, bytes in 1..4000usize) {
            let partition = Partition::new(words, bytes);
            let mut seen = 0;
            for part in 0..partition.parts() {
                for (place, word) in partition.words(part).enumerate() {
                    prop_assert_eq!(partition.of(word), (part, place));
                    prop_assert!(place < partition.largest());
                    seen += 1;
                }
            }
            prop_assert_eq!(seen, words);
        }
    }

    #[test]
    fn places_fit_in_16_bits_for_any_vocabulary() {
        for words in [1, 65_536, 20_000_000, 1 << 30] {
            assert!(Partition::new(words, 8).largest() <= 65_536);
            assert!(Partition::new(words, 8).parts() <= 65_536);
        }
    }

    #[test]
    fn errors_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let spill = folder.path().join("spill");
        let corpus = tests::corpus(folder.path(), 2, &[vec![0], vec![1]]);
        let source = Source::text(&corpus, &Windows::default()).unwrap();
        let none = Pairs::new(&source, Partition::new(2, 8), 0, &spill, &Progress::default());
        assert!(none.err().unwrap().to_string().contains("no two words"));
        let stopped = Progress::stopped();
        assert!(matches!(
            Pairs::new(&source, Partition::new(2, 8), 0, &spill, &stopped),
            Err(Error::Stopped)
        ));
        assert!(std::fs::read_dir(&spill).is_ok_and(|files| files.count() == 0) || !spill.exists());
    }
}
