//! Unpacks gzip, zstd, bzip2 and xz files, which are recognised by their first bytes.
//!
//! This file is over 300 lines because a third of it is tests.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::error::{Error, Result};
use crate::memory::Staged;
/// Bytes of packed text that are read at a time.
const AHEAD: usize = 1 << 16;
/// The most memory that a file of xz may ask for, in KiB: eight times what `xz -9` makes.
const XZ_MEMORY: u32 = 512 << 10;
/// Bytes that are unpacked at a time.
const STEP: usize = 1 << 20;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Packing {
    /// How a file is packed that begins with `head`. `None` when it isn't packed in a known way.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            // A file may begin with a frame that is to be skipped, as those of pzstd do.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }

    /// How a file of this name is packed.
    pub(crate) fn named(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_string_lossy().to_lowercase();
        match &*extension {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            "bz2" => Some(Self::Bzip2),
            "xz" => Some(Self::Xz),
            _ => None,
        }
    }

    /// Packs all of `from`.
    pub(crate) fn pack(self, mut from: impl Read, to: &mut impl io::Write) -> io::Result<()> {
        match self {
            Self::Gzip => {
                let mut packer = flate2::write::GzEncoder::new(to, flate2::Compression::default());
                io::copy(&mut from, &mut packer)?;
                packer.finish().map(drop)
            }
            Self::Zstd => {
                ruzstd::encoding::compress(from, to, ruzstd::encoding::CompressionLevel::Fastest);
                Ok(())
            }
            Self::Bzip2 => {
                let mut packer = bzip2::write::BzEncoder::new(to, bzip2::Compression::default());
                io::copy(&mut from, &mut packer)?;
                packer.finish().map(drop)
            }
            Self::Xz => {
                let mut packer = lzma_rust2::XzWriter::new(to, lzma_rust2::XzOptions::default())?;
                io::copy(&mut from, &mut packer)?;
                packer.finish().map(drop)
            }
        }
    }

    /// What `from` holds, unpacked. Errors name `path`.
    pub(crate) fn unpack(
        self,
        path: &Path,
        from: impl Read + Send + 'static,
    ) -> Box<dyn Read + Send> {
        let packed = BufReader::with_capacity(AHEAD, from);
        match self {
            Self::Gzip => Box::new(Gzip::Between(packed)),
            Self::Zstd => Box::new(Zstd::new(path, packed)),
            Self::Bzip2 => {
                Box::new(Told { name: "bzip2", from: bzip2::bufread::MultiBzDecoder::new(packed) })
            }
            Self::Xz => {
                let from = lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_MEMORY);
                Box::new(Told { name: "xz", from })
            }
        }
    }
}

/// Unpacks the file at `path` into a temporary file for `place`, which is never put there.
///
/// # Errors
/// A damaged file, or a full disk.
pub(crate) fn unpack_beside(path: &Path, packing: Packing, place: &Path) -> Result<Staged> {
    let mut staged = Staged::new(place)?;
    let mut from = packing.unpack(path, File::open(path).map_err(Error::io(path))?);
    let mut buffer = vec![0; STEP];
    loop {
        match from.read(&mut buffer).map_err(Error::io(path))? {
            0 => break,
            read => staged.put(&buffer[..read])?,
        }
    }
    io::Write::flush(&mut staged).map_err(Error::io(place))?;
    Ok(staged)
}

fn bad(problem: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.to_string())
}

/// What is unpacked by a program that does not say what it unpacks.
struct Told<R> {
    name: &'static str,
    from: R,
}

impl<R: Read> Read for Told<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let name = self.name;
        self.from.read(buffer).map_err(|e| match e.kind() {
            io::ErrorKind::Interrupted => e,
            io::ErrorKind::OutOfMemory => bad(format!(
                "packed with a dictionary of {name} that takes more than 512 MiB: pipe it \
                             in, unpacked"
            )),
            _ => bad(format!("not a whole {name} file: {e}")),
        })
    }
}

/// Unpacks all members of a gzip file, one after the other. Zeros behind a member are padding, as
/// the program gzip has it.
enum Gzip<R> {
    /// Inside a member.
    In(GzDecoder<R>),
    /// Before the first member, or behind one.
    Between(R),
    Done,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(self, Self::Done) {
                Self::In(mut member) => {
                    let read = member.read(buffer)?;
                    let ended = read == 0 && !buffer.is_empty();
                    *self =
                        if ended { Self::Between(member.into_inner()) } else { Self::In(member) };
                    if !ended {
                        return Ok(read);
                    }
                }
                Self::Between(mut packed) => {
                    let ahead = packed.fill_buf()?;
                    let zeros = ahead.iter().take_while(|&&b| b == 0).count();
                    match ahead.get(zeros) {
                        None if ahead.is_empty() => return Ok(0),
                        None => {
                            packed.consume(zeros);
                            *self = Self::Between(packed);
                        }
                        Some(0x1f) => {
                            packed.consume(zeros);
                            *self = Self::In(GzDecoder::new(packed));
                        }
                        Some(_) => {
                            return Err(bad("other bytes follow the gzip data: is it damaged?"));
                        }
                    }
                }
                Self::Done => return Ok(0),
            }
        }
    }
}

/// A frame of zstd that holds nothing.
const EMPTY_FRAME: [u8; 6] = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0];

/// Unpacks all frames of a zstd file, one after the other.
struct Zstd<R> {
    path: PathBuf,
    packed: R,
    decoder: Box<FrameDecoder>,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(path: &Path, packed: R) -> Self {
        let mut decoder = Box::new(FrameDecoder::new());
        // The decoder bounds the memory for a frame from its second one on.
        let _ = decoder.init(Cursor::new(EMPTY_FRAME));
        Self { path: path.into(), packed, decoder, in_frame: false }
    }

    /// Begins the next frame, or returns that there is none.
    fn begin_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.packed.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.init(&mut self.packed) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped =
                        io::copy(&mut self.packed.by_ref().take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(bad("not a whole zstd file: a skipped frame is cut short"));
                    }
                }
                Err(FrameDecoderError::WindowSizeTooBig { .. }) => {
                    let name = self.path.display();
                    return Err(bad(format!(
                        "packed with a zstd window of more than 100 MiB: pipe it in with \
                         `zstd -dc --long=31 {name} | wordloom … -`"
                    )));
                }
                Err(e) => return Err(bad(format!("not a whole zstd file: {e}"))),
            }
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame {
                self.in_frame = self.begin_frame()?;
                if !self.in_frame {
                    return Ok(0);
                }
            }
            let decoder = &mut self.decoder;
            while decoder.can_collect() < buffer.len() && !decoder.is_finished() {
                let upto = BlockDecodingStrategy::UptoBytes(buffer.len());
                decoder
                    .decode_blocks(&mut self.packed, upto)
                    .map_err(|e| bad(format!("not a whole zstd file: {e}")))?;
            }
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let (stored, found) =
                (decoder.get_checksum_from_data(), decoder.get_calculated_checksum());
            if stored.is_some() && stored != found {
                return Err(bad("a damaged zstd file: its checksum is wrong"));
            }
            self.in_frame = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text).unwrap();
        packer.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn unpacked(packed: Vec<u8>) -> io::Result<Vec<u8>> {
        let packing = Packing::of(&packed).expect("packed");
        let mut all = Vec::new();
        packing.unpack(Path::new("f"), Cursor::new(packed)).read_to_end(&mut all)?;
        Ok(all)
    }

    #[test]
    fn members_padding_and_frames_to_skip() {
        let members = [gzip(b"one "), gzip(b"two"), vec![0; 1000]].concat();
        assert_eq!(unpacked(members).unwrap(), b"one two");
        let garbage = [gzip(b"one "), b"and more".to_vec()].concat();
        assert!(unpacked(garbage).unwrap_err().to_string().contains("other bytes"));
        let skipped = [&[0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..]].concat();
        let frames = [&skipped[..], &zstd(b"one "), &skipped, &zstd(b"two")].concat();
        assert_eq!(unpacked(frames).unwrap(), b"one two");
        assert!(unpacked(skipped[..9].to_vec()).is_err(), "a skipped frame that is cut");
    }

    #[test]
    fn a_window_that_would_take_much_memory_is_refused() {
        // A frame header that asks for 2 GiB, and one whole frame that says it has 200 MB.
        let window = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 1, 0, 0];
        assert!(unpacked(window).unwrap_err().to_string().contains("--long=31"));
        let whole =
            [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &200_000_000u32.to_le_bytes(), &[1, 0, 0]];
        assert!(unpacked(whole.concat()).unwrap_err().to_string().contains("--long=31"));
    }

    #[test]
    fn every_way_of_packing_goes_back() {
        let text: Vec<u8> =
            (0..200_000u32).flat_map(|i| format!("w{} ", i % 977).into_bytes()).collect();
        for packing in [Packing::Gzip, Packing::Zstd, Packing::Bzip2, Packing::Xz] {
            let mut packed = Vec::new();
            packing.pack(&text[..], &mut packed).unwrap();
            assert_eq!(Packing::of(&packed), Some(packing));
            assert!(packed.len() < text.len() / 2);
            assert!(unpacked(packed.clone()).unwrap() == text, "{packing:?}");
            let twice = [&packed[..], &packed].concat();
            assert!(unpacked(twice).unwrap() == [&text[..], &text].concat(), "{packing:?}");
            let short = packed[..packed.len() - 5].to_vec();
            assert!(unpacked(short).is_err(), "{packing:?} that is cut short");
        }
    }

    proptest! {
        #[test]
        fn damage_is_an_error_or_leaves_the_text_as_it_was(
            text in prop::collection::vec(any::<u8>(), 1..300), at in any::<prop::sample::Index>(), bit in 0..8u8,
        ) {
            let mut packed = gzip(&text);
            let at = at.index(packed.len());
            packed[at] ^= 1 << bit;
            if Packing::of(&packed).is_some() && let Ok(read) = unpacked(packed) {
                prop_assert_eq!(read, text);
            }
        }
    }
}
