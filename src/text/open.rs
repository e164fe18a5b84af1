//! Opens an input, recognises its format, and cuts it into blocks.
//!
//! Text is read into memory that is ours. A file that another program shortens or changes
//! meanwhile, as a log file, is read as far as it goes.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::tokenizer::space_at;
use super::unpack::Packing;
use super::{BLOCK, Cut};
use crate::error::{Error, Result};
/// A word of more bytes than this is taken for binary data.
const LONGEST_WORD: usize = 1 << 20;
/// A line of more bytes than this is refused, where lines are to stay whole.
const LONGEST_LINE: usize = 1 << 30;
/// Bytes examined to detect the input's format.
const HEAD: usize = 1 << 16;

/// An input that is being read.
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Where the next block begins in the (unpacked) input, in bytes.
    pub(super) offset: u64,
    /// The number of lines before that, where lines are to stay whole.
    pub(super) lines: u64,
    /// The first line, where lines are to stay whole.
    pub(super) head: Arc<[u8]>,
    cut: Cut,
    from: Box<dyn Read + Send>,
    /// The bytes that were read beyond the last block.
    carry: Vec<u8>,
}

impl Input {
    pub(super) fn open(path: PathBuf, cut: Cut) -> Result<Self> {
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
        Ok(Self { path, offset: 0, lines: 0, head: Arc::default(), cut, from, carry })
    }

    /// Notes that a block was cut off.
    pub(super) fn pass(&mut self, text: &[u8]) {
        self.offset += text.len() as u64;
        if self.cut != Cut::Words {
            self.lines += memchr::memchr_iter(b'\n', text).count() as u64;
        }
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
        let last = loop {
            let want = (BLOCK.saturating_sub(text.len())).max(HEAD.max(text.len() / 4));
            if self.read(&mut text, want)? == 0 {
                break true;
            }
            if text.len() >= BLOCK {
                if let Some(end) = end_of_block(&text, self.cut) {
                    self.carry.extend_from_slice(&text[end..]);
                    text.truncate(end);
                    break false;
                }
                self.check_length(text.len())?;
            }
        };
        if self.offset == 0 && self.cut != Cut::Words {
            let end = first_line(&text, self.cut).unwrap_or(text.len());
            self.head = text[..end].into();
        }
        Ok((text, last))
    }

    /// Fails where so many bytes have no place to be cut at.
    fn check_length(&self, length: usize) -> Result<()> {
        let problem = match self.cut {
            Cut::Words if length >= LONGEST_WORD => {
                "a megabyte without white space: is this text? give text with words apart"
            }
            Cut::Lines if length >= LONGEST_LINE => {
                "a line of more than a gigabyte: are documents one a line?"
            }
            Cut::Records if length >= LONGEST_LINE => {
                "a record of more than a gigabyte: is there a quotation mark without its other?"
            }
            _ => return Ok(()),
        };
        Err(Error::input(&self.path, problem))
    }
}

/// The last place where a text may be cut, if there is one.
fn end_of_block(text: &[u8], cut: Cut) -> Option<usize> {
    match cut {
        Cut::Words => (0..text.len()).rev().find_map(|at| Some(at + space_at(text, at)?)),
        Cut::Lines => memchr::memrchr(b'\n', text).map(|at| at + 1),
        Cut::Records => records(text).last(),
    }
}

/// Where the first line, or record, ends.
fn first_line(text: &[u8], cut: Cut) -> Option<usize> {
    match cut {
        Cut::Records => records(text).next(),
        _ => memchr::memchr(b'\n', text).map(|at| at + 1),
    }
}

/// The ends of the records of CSV in a text that begins with one. A newline within quotes ends
/// none. A quotation mark begins quotes at the beginning of a field only, and within quotes it is
/// written twice.
fn records(text: &[u8]) -> impl Iterator<Item = usize> {
    let (mut quoted, mut closed) = (false, usize::MAX);
    memchr::memchr2_iter(b'\n', b'"', text).filter_map(move |at| {
        if text[at] == b'\n' {
            return (!quoted).then_some(at + 1);
        }
        let before = at.checked_sub(1).map_or(b'\n', |before| text[before]);
        if quoted {
            (quoted, closed) = (false, at);
        } else if matches!(before, b',' | b';' | b'\t' | b'\n') || at == closed.wrapping_add(1) {
            quoted = true;
        }
        None
    })
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
