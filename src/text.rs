//! From files to words: opens plain, gzip and zstd input (told by content), directories and standard input, hands the
//! text out in blocks that never cut a word, and splits blocks into words.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use unicode_segmentation::UnicodeSegmentation;

use crate::error::{Error, Result};
use crate::mapped::Mapped;

/// About this many bytes of text make a block.
const BLOCK: usize = 1 << 20;
/// A longer word is taken for binary data.
const LONGEST_WORD: usize = 1 << 20;
/// This much of each input is looked at to tell what it is.
const HEAD: usize = 1 << 16;

/// How text becomes words. A newline always ends a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Tokenizer {
    /// Put words in lower case (Unicode)
    #[arg(long)]
    pub lowercase: bool,
    /// Split at Unicode word boundaries and drop punctuation, in place of splitting at white space
    #[arg(long)]
    pub unicode_words: bool,
}

/// What a text is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A word, as bytes.
    Word(&'a [u8]),
    /// The end of a sentence.
    End,
}

impl Tokenizer {
    /// Calls `each` with the words and sentence ends of `text`.
    pub fn split(self, text: &[u8], mut each: impl FnMut(Token)) {
        if self == Self::default() {
            return split_whitespace(text, each);
        }
        for (i, line) in text.split(|&b| b == b'\n').enumerate() {
            if i > 0 {
                each(Token::End);
            }
            for chunk in line.utf8_chunks() {
                if self.unicode_words {
                    chunk.valid().unicode_words().for_each(|word| self.word(word.as_bytes(), &mut each));
                }
            }
            if !self.unicode_words {
                split_whitespace(line, |token| {
                    if let Token::Word(word) = token {
                        self.word(word, &mut each);
                    }
                });
            }
        }
    }

    fn word(self, word: &[u8], each: &mut impl FnMut(Token)) {
        if !self.lowercase || word.iter().all(u8::is_ascii_lowercase) {
            return each(Token::Word(word));
        }
        let mut lower = Vec::with_capacity(word.len());
        for chunk in word.utf8_chunks() {
            lower.extend_from_slice(chunk.valid().to_lowercase().as_bytes());
            lower.extend_from_slice(chunk.invalid());
        }
        each(Token::Word(&lower));
    }
}

/// Splits at ASCII white space.
fn split_whitespace(text: &[u8], mut each: impl FnMut(Token)) {
    let mut start = 0;
    for (i, &byte) in text.iter().enumerate() {
        if is_space(byte) {
            if start < i {
                each(Token::Word(&text[start..i]));
            }
            if byte == b'\n' {
                each(Token::End);
            }
            start = i + 1;
        }
    }
    if start < text.len() {
        each(Token::Word(&text[start..]));
    }
}

fn is_space(byte: u8) -> bool {
    byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// A part of one input that neither begins nor ends inside a word.
#[derive(Debug)]
pub struct Block {
    /// Blocks are numbered from 0 in the order of the text, through all inputs.
    pub index: u64,
    /// The input.
    pub path: PathBuf,
    /// Where the block begins in the (unpacked) input, in bytes.
    pub offset: u64,
    /// Whether this is the input's last block: a sentence ends with it.
    pub last: bool,
    text: Text,
}

#[derive(Debug)]
enum Text {
    Mapped(Mapped<u8>),
    Read(Vec<u8>),
}

impl Block {
    /// The text.
    pub fn text(&self) -> &[u8] {
        match &self.text {
            Text::Mapped(text) => text,
            Text::Read(text) => text,
        }
    }

    /// Words that are not UTF-8: how many, and the offset of the first in its input.
    pub fn invalid_utf8(&self) -> Option<(u64, u64)> {
        let first = std::str::from_utf8(self.text()).err()?.valid_up_to();
        let mut count = 0;
        split_whitespace(self.text(), |token| {
            if let Token::Word(word) = token {
                count += u64::from(std::str::from_utf8(word).is_err());
            }
        });
        Some((count, self.offset + first as u64))
    }
}

/// Lists the files that `inputs` stand for: a directory stands for all files in it (by name, folders too, hidden ones
/// not), `-` for standard input.
///
/// # Errors
/// When an input is missing, or nothing is left.
pub fn expand(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.as_os_str() == "-" {
            files.push(input.clone());
        } else {
            walk(input, &mut files)?;
        }
    }
    match (files.is_empty(), inputs.first()) {
        (true, Some(first)) => Err(Error::input(first, "no file in this directory")),
        (true, None) => {
            Err(Error::Setting("no input: name files or directories, or - for standard input".into()))
        }
        _ => Ok(files),
    }
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !std::fs::metadata(path).map_err(Error::io(path))?.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut entries: Vec<PathBuf> =
        entries.map_err(Error::io(path))?.iter().map(std::fs::DirEntry::path).collect();
    entries.sort();
    let hidden = |p: &Path| p.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
    entries.iter().filter(|p| !hidden(p)).try_for_each(|p| walk(p, files))
}

/// The blocks of several inputs, in order.
pub struct Blocks {
    waiting: VecDeque<PathBuf>,
    current: Option<Input>,
    next: u64,
}

struct Input {
    path: PathBuf,
    offset: u64,
    text: Opened,
}

enum Opened {
    Mapped(Mapped<u8>),
    Stream { from: Box<dyn Read + Send>, carry: Vec<u8> },
}

impl Blocks {
    /// The blocks of `files`, as listed by [`expand`].
    pub fn new(files: &[PathBuf]) -> Self {
        Self { waiting: files.iter().cloned().collect(), current: None, next: 0 }
    }

    /// The next block, or `None` after the last.
    ///
    /// # Errors
    /// When an input can't be read or unpacked, or looks binary.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        loop {
            if self.current.is_none() {
                match self.waiting.pop_front() {
                    Some(path) => self.current = Some(Input::open(path)?),
                    None => return Ok(None),
                }
            }
            let Some(input) = &mut self.current else { continue };
            let (text, last) = input.cut()?;
            let block =
                Block { index: self.next, path: input.path.clone(), offset: input.offset, last, text };
            input.offset += block.text().len() as u64;
            if last {
                self.current = None;
            }
            if last || !block.text().is_empty() {
                self.next += 1;
                return Ok(Some(block));
            }
        }
    }
}

impl Input {
    fn open(path: PathBuf) -> Result<Self> {
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

    /// Cuts off the next block; the flag says that it is the last.
    fn cut(&mut self) -> Result<(Text, bool)> {
        let offset = self.offset;
        match &mut self.text {
            Opened::Mapped(all) => {
                let start = offset as usize;
                let rest = &all[start..];
                let end = match rest.get(BLOCK..) {
                    None => rest.len(),
                    Some(beyond) => BLOCK + word_end(&self.path, beyond)?,
                };
                let text = all.part(start..start + end).unwrap_or_else(|| Mapped::from(&rest[..end]));
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

/// The length of the word that `text` begins in the midst of.
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
        Err(Error::input(path, format!("packed with {kind}: pipe it in with `{tool} {name} | wordloom … -`")))
    };
    match head {
        [0xfd, b'7', b'z', b'X', b'Z', ..] => packed("xz", "xzcat"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => packed("bzip2", "bzcat"),
        [b'P', b'K', 3, 4, ..] => packed("zip", "unzip -p"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Err(Error::input(path, "UTF-16 text: convert it first with `iconv -f UTF-16 -t UTF-8`"))
        }
        _ => match memchr::memchr(0, head) {
            Some(at) => {
                Err(Error::input(path, format!("binary data (a zero byte at {at}): give plain text")))
            }
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
            std::io::Error::new(std::io::ErrorKind::InvalidData, format!("not a whole zstd file: {e}"))
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn tokens(tokenizer: Tokenizer, text: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut all = Vec::new();
        tokenizer.split(text, |token| {
            all.push(match token {
                Token::Word(word) => Some(word.to_vec()),
                Token::End => None,
            });
        });
        all
    }

    fn words(tokenizer: Tokenizer, text: &str) -> String {
        let all = tokens(tokenizer, text.as_bytes());
        let shown = all.iter().map(|t| t.as_ref().map_or("/".into(), |w| String::from_utf8_lossy(w)));
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn splits_as_asked() {
        let text = "The cat's\ttail,\r\n  Ünder ΔΑΣ  \n\nend";
        let plain = Tokenizer::default();
        assert_eq!(words(plain, text), "The cat's tail, / Ünder ΔΑΣ / / end");
        let lower = Tokenizer { lowercase: true, ..plain };
        assert_eq!(words(lower, text), "the cat's tail, / ünder δας / / end");
        let unicode = Tokenizer { unicode_words: true, lowercase: true };
        assert_eq!(words(unicode, text), "the cat's tail / ünder δας / / end");
    }

    #[test]
    fn lower_case_keeps_bytes_that_are_no_utf8() {
        let lower = Tokenizer { lowercase: true, unicode_words: false };
        assert_eq!(tokens(lower, b"AB\xffC d"), [Some(b"ab\xffc".to_vec()), Some(b"d".to_vec())]);
    }

    /// All words and sentence ends of files read block by block.
    fn through_blocks(files: &[PathBuf]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut blocks = Blocks::new(files);
        let mut all = Vec::new();
        while let Some(block) = blocks.next_block()? {
            all.extend(tokens(Tokenizer::default(), block.text()));
            if block.last {
                all.push(None);
            }
        }
        Ok(all)
    }

    #[test]
    fn packed_and_plain_give_the_same_words_whatever_the_block() {
        let folder = tempfile::tempdir().unwrap();
        let text: String = (0..600_000u64)
            .map(|i| format!("w{}{}", i * 7919 % 5003, if i % 17 == 0 { "\n" } else { " " }))
            .collect();
        let plain = folder.path().join("plain");
        std::fs::write(&plain, &text).unwrap();
        let gz = folder.path().join("gz");
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        std::fs::write(&gz, packer.finish().unwrap()).unwrap();
        let zst = folder.path().join("zst");
        let packed = |part: &str| {
            ruzstd::encoding::compress_to_vec(part.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
        };
        let (a, b) = text.split_at(1_000_000);
        std::fs::write(&zst, [packed(a), packed(b)].concat()).unwrap();
        let mut expected = tokens(Tokenizer::default(), text.as_bytes());
        expected.push(None);
        for file in [plain, gz, zst] {
            assert!(through_blocks(std::slice::from_ref(&file)).unwrap() == expected, "{}", file.display());
        }
    }

    #[test]
    fn says_what_an_unusable_input_is() {
        let folder = tempfile::tempdir().unwrap();
        let says = |bytes: &[u8]| {
            let path = folder.path().join("input");
            std::fs::write(&path, bytes).unwrap();
            through_blocks(&[path]).unwrap_err().to_string()
        };
        assert!(says(b"\xfd7zXZ\0rest").contains("xzcat"));
        assert!(says(b"text\0more").contains("zero byte at 4"));
        assert!(says(b"\xff\xfea\0").contains("UTF-16"));
        assert!(says(&vec![b'x'; 3 * BLOCK]).contains("without white space"));
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&[b'a'; 1000]).unwrap();
        let gz = gz.finish().unwrap();
        assert!(!says(&gz[..gz.len() - 6]).is_empty(), "a truncated gzip file is an error");
        assert!(says(b"\x28\xb5\x2f\xfd\x04").contains("zstd"));
    }

    proptest! {
        #[test]
        fn whitespace_splitting_agrees_with_the_standard_library(text in "[ -~\t\n]{0,200}") {
            let expected: Vec<Vec<u8>> = text.split_ascii_whitespace().map(|w| w.as_bytes().to_vec()).collect();
            let got = tokens(Tokenizer::default(), text.as_bytes());
            prop_assert_eq!(got.iter().filter(|t| t.is_none()).count(), text.matches('\n').count());
            prop_assert_eq!(got.into_iter().flatten().collect::<Vec<_>>(), expected);
        }
    }
}
