//! Opens an input, recognises its format, and unpacks it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::BLOCK;
use super::tokenizer::is_space;
use crate::error::{Error, Result};
use crate::memory::Mapped;
/// A word of more bytes than this is taken for binary data.
const LONGEST_WORD: usize = 1 << 20;
/// Bytes examined to detect the input's format.
const HEAD: usize = 1 << 16;

#[derive(Debug)]
pub(super) enum Text {
    Mapped(Mapped<u8>),
    Read(Vec<u8>),
}

pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    text: Opened,
}

enum Opened {
    Mapped(Mapped<u8>),
    Stream { from: Box<dyn Read + Send>, carry: Vec<u8> },
}

impl Input {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let stdin = path.as_os_str() == "-";
        let regular = !stdin && std::fs::metadata(&path).map_err(Error::io(&path))?.is_file();
        let mut head = Vec::new();
        let mut from: Box<dyn Read + Send> = if stdin {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(&path).map_err(Error::io(&path))?)
        };
        from.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(Error::io(&path))?;
        let text = match head[..] {
            [0x1f, 0x8b, ..] => {
                let packed = BufReader::with_capacity(HEAD, std::io::Cursor::new(head).chain(from));
                Opened::stream(flate2::bufread::MultiGzDecoder::new(packed))
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let packed = BufReader::with_capacity(HEAD, std::io::Cursor::new(head).chain(from));
                Opened::stream(Zstd { path: path.clone(), packed, frame: None })
            }
            _ => {
                check_text(&path, &head)?;
                if regular {
                    Opened::Mapped(Mapped::open(&path)?)
                } else {
                    Opened::stream(std::io::Cursor::new(head).chain(from))
                }
            }
        };
        Ok(Self { path, offset: 0, text })
    }

    /// Cuts off the next block. The flag says whether it is the last one.
    pub(super) fn cut(&mut self) -> Result<(Text, bool)> {
        let offset = self.offset;
        match &mut self.text {
            Opened::Mapped(all) => {
                let start = offset as usize;
                let rest = &all[start..];
                let end = match rest.get(BLOCK..) {
                    None => rest.len(),
                    Some(beyond) => BLOCK + word_end(&self.path, beyond)?,
                };
                let text =
                    all.part(start..start + end).unwrap_or_else(|| Mapped::from(&rest[..end]));
                Ok((Text::Mapped(text), end == rest.len()))
            }
            Opened::Stream { from, carry } => {
                let mut text = std::mem::take(carry);
                loop {
                    let want = (BLOCK.saturating_sub(text.len())).max(HEAD) as u64;
                    let got = from.by_ref().take(want).read_to_end(&mut text);
                    let got = got.map_err(Error::io(&self.path))?;
                    if offset == 0 {
                        check_text(&self.path, &text[..text.len().min(HEAD)])?;
                    }
                    if got == 0 {
                        return Ok((Text::Read(text), true));
                    }
                    if text.len() >= BLOCK {
                        if let Some(space) = text.iter().rposition(|&b| is_space(b)) {
                            carry.extend_from_slice(&text[space + 1..]);
                            text.truncate(space + 1);
                            return Ok((Text::Read(text), false));
                        }
                        word_end(&self.path, &text)?;
                    }
                }
            }
        }
    }
}

impl Opened {
    fn stream(from: impl Read + Send + 'static) -> Self {
        Self::Stream { from: Box::new(from), carry: Vec::new() }
    }
}

/// The number of bytes before the first white space of `text`, which begins inside a word.
fn word_end(path: &Path, text: &[u8]) -> Result<usize> {
    match text.iter().take(LONGEST_WORD).position(|&b| is_space(b)) {
        Some(end) => Ok(end),
        None if text.len() < LONGEST_WORD => Ok(text.len()),
        None => Err(Error::input(
            path,
            "a megabyte without white space: is this text? give text with words apart",
        )),
    }
}

fn check_text(path: &Path, head: &[u8]) -> Result<()> {
    let packed = |kind: &str, tool: &str| {
        let name = path.display();
        Err(Error::input(
            path,
            format!("packed with {kind}: pipe it in with `{tool} {name} | wordloom … -`"),
        ))
    };
    match head {
        [0xfd, b'7', b'z', b'X', b'Z', ..] => packed("xz", "xzcat"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => packed("bzip2", "bzcat"),
        [b'P', b'K', 3, 4, ..] => packed("zip", "unzip -p"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Err(Error::input(path, "UTF-16 text: convert it first with `iconv -f UTF-16 -t UTF-8`"))
        }
        _ => match memchr::memchr(0, head) {
            Some(at) => Err(Error::input(
                path,
                format!("binary data (a zero byte at {at}): give plain text"),
            )),
            None => Ok(()),
        },
    }
}

/// Unpacks all frames of a zstd stream, one after the other.
struct Zstd<R> {
    path: PathBuf,
    packed: R,
    frame: Option<Box<ruzstd::decoding::FrameDecoder>>,
}

impl<R: std::io::BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
        let bad = |e: &dyn std::fmt::Display| {
            std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("not a whole zstd file: {e}"),
            )
        };
        loop {
            let Some(frame) = &mut self.frame else {
                if self.packed.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                let mut frame = Box::new(FrameDecoder::new());
                frame.init(&mut self.packed).map_err(|e| bad(&e))?;
                self.frame = Some(frame);
                continue;
            };
            while frame.can_collect() < buffer.len() && !frame.is_finished() {
                let upto = BlockDecodingStrategy::UptoBytes(buffer.len());
                frame.decode_blocks(&mut self.packed, upto).map_err(|e| bad(&e))?;
            }
            let read = frame.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.frame = None;
        }
    }
}

impl<R> std::fmt::Debug for Zstd<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Zstd({})", self.path.display())
    }
}
