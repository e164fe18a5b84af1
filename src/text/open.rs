//! Opens an input, recognises its format, and cuts it into blocks.
//!
//! Text is read into memory that is ours. A file that another program shortens or changes
//! meanwhile, as a log file, is read as far as it goes.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::BLOCK;
use super::tokenizer::space_at;
use super::unpack::Packing;
use crate::error::{Error, Result};
/// A word of more bytes than this is taken for binary data.
const LONGEST_WORD: usize = 1 << 20;
/// Bytes examined to detect the input's format.
const HEAD: usize = 1 << 16;

/// An input that is being read.
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Where the next block begins in the (unpacked) input, in bytes.
    pub(super) offset: u64,
    from: Box<dyn Read + Send>,
    /// The bytes that were read beyond the last block.
    carry: Vec<u8>,
}

impl Input {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let mut head = Vec::new();
        let mut from: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(std::io::stdin())
        } else {
            Box::new(File::open(&path).map_err(Error::io(&path))?)
        };
        from.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(Error::io(&path))?;
        let packing = Packing::of(&head);
        if packing.is_none() {
            check_text(&path, &head)?;
        }
        let mut from: Box<dyn Read + Send> = Box::new(Cursor::new(head).chain(from));
        let mut carry = Vec::new();
        if let Some(packing) = packing {
            from = packing.unpack(&path, from);
            let ahead = from.by_ref().take(HEAD as u64).read_to_end(&mut carry);
            ahead.map_err(Error::io(&path))?;
            check_text(&path, &carry)?;
        }
        Ok(Self { path, offset: 0, from, carry })
    }

    /// Reads up to `want` bytes more, fewer only at the end. Returns how many were read.
    fn read(&mut self, text: &mut Vec<u8>, want: usize) -> Result<usize> {
        let start = text.len();
        text.resize(start + want, 0);
        let mut end = start;
        while end < text.len() {
            match self.from.read(&mut text[end..]) {
                Ok(0) => break,
                Ok(read) => end += read,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io(&self.path)(e)),
            }
        }
        text.truncate(end);
        Ok(end - start)
    }

    /// Cuts off the next block. The flag says whether it is the last one.
    pub(super) fn cut(&mut self) -> Result<(Vec<u8>, bool)> {
        let mut text = Vec::with_capacity(BLOCK + HEAD);
        text.append(&mut self.carry);
        loop {
            let want = (BLOCK.saturating_sub(text.len())).max(HEAD);
            if self.read(&mut text, want)? == 0 {
                return Ok((text, true));
            }
            if text.len() >= BLOCK {
                let space = (0..text.len()).rev().find_map(|at| Some(at + space_at(&text, at)?));
                if let Some(end) = space {
                    self.carry.extend_from_slice(&text[end..]);
                    text.truncate(end);
                    return Ok((text, false));
                }
                if text.len() >= LONGEST_WORD {
                    return Err(Error::input(
                        &self.path,
                        "a megabyte without white space: is this text? give text with words apart",
                    ));
                }
            }
        }
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
        _ if head.get(257..262) == Some(b"ustar") => packed("tar", "tar -xOf"),
        _ => match memchr::memchr(0, head) {
            Some(at) => Err(Error::input(
                path,
                format!("binary data (a zero byte at {at}): give plain text"),
            )),
            None => Ok(()),
        },
    }
}
