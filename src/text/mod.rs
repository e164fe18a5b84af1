//! From files to words. This module lists inputs, opens plain, gzip, zstd, bzip2 and xz files (recognised
//! by their content) and standard input, hands the text out in blocks that never cut a word, and
//! splits blocks into words.
//!
//! This file is over 300 lines because half of it is tests.

mod byte_pairs;
mod open;
mod pieces;
mod split;
mod tokenizer;
mod tokens;
mod unpack;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::open::Input;
pub use self::pieces::Pieces;
pub(crate) use self::pieces::WordPiece;
pub(crate) use self::split::{Divided, Splitter, open_pieces};
pub(crate) use self::tokenizer::{Token, lower, split_whitespace, words_of};
pub use self::tokenizer::{Tokenizer, trim, words};
pub(crate) use self::tokens::{Tokens, json_of, of_bytes, spaced};
pub(crate) use self::unpack::{Packing, unpack_beside};
use crate::error::{Error, Result};
/// About this many bytes of text make a block.
const BLOCK: usize = 1 << 20;

/// Where an input may be cut into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Between words.
    Words,
    /// Behind lines.
    Lines,
    /// Behind records of CSV: lines, but for newlines within quotes.
    Records,
}

/// A part of one input that neither begins nor ends inside a word, or inside a line where lines are
/// to stay whole.
#[derive(Debug)]
pub(crate) struct Block {
    /// Blocks are numbered from 0 in the order of the text, through all inputs.
    pub index: u64,
    /// The input.
    pub path: PathBuf,
    /// Where the block begins in the (unpacked) input, in bytes.
    pub offset: u64,
    /// Whether this is the input's last block: a sentence ends with it.
    pub last: bool,
    /// The number of lines before it in the input, where lines are to stay whole; otherwise 0.
    pub lines: u64,
    /// The first line (or record) of the input, where lines are to stay whole; otherwise empty.
    pub head: Arc<[u8]>,
    text: Vec<u8>,
}

impl Block {
    /// The text.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The number of words that are not UTF-8, and the offset in the input of the first invalid
    /// byte. `None` when the block is valid.
    pub(crate) fn invalid_utf8(&self) -> Option<(u64, u64)> {
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

/// Lists the files that `inputs` stand for. A directory stands for all files in it and in its
/// folders, sorted by name; hidden ones are left out. `-` stands for standard input. What can't be
/// examined in a directory, such as a link to nothing, is listed: whoever reads it tells of it.
///
/// # Errors
/// When an input is missing, or no file is found.
pub fn expand(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.as_os_str() == "-" {
            files.push(input.clone());
        } else if std::fs::metadata(input).map_err(Error::io(input))?.is_dir() {
            walk(input, &mut Vec::new(), &mut files);
        } else {
            files.push(input.clone());
        }
    }
    match (files.is_empty(), inputs.first()) {
        (true, Some(first)) => Err(Error::input(first, "no file in this directory")),
        (true, None) => Err(Error::Refused(
            "no input: name files or directories, or - for standard input".into(),
        )),
        _ => Ok(files),
    }
}

/// Adds the files at `path`. `above` are the directories that it is in, which a link in one of them
/// may lead back to.
fn walk(path: &Path, above: &mut Vec<PathBuf>, files: &mut Vec<PathBuf>) {
    let entries = |path: &Path| -> std::io::Result<(PathBuf, Vec<PathBuf>)> {
        let place = path.canonicalize()?;
        let entries = std::fs::read_dir(path)?.collect::<std::io::Result<Vec<_>>>()?;
        Ok((place, entries.iter().map(std::fs::DirEntry::path).collect()))
    };
    match entries(path) {
        Ok((place, _)) if above.contains(&place) => {}
        Ok((place, mut entries)) => {
            above.push(place);
            entries.sort();
            let hidden =
                |p: &PathBuf| p.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
            entries.iter().filter(|p| !hidden(p)).for_each(|p| walk(p, above, files));
            above.pop();
        }
        // A file, or what can't be examined.
        Err(_) => files.push(path.to_path_buf()),
    }
}

/// The blocks of several inputs, in order.
pub(crate) struct Blocks {
    /// The inputs that were not begun, and whether one that is no text or can't be read may be left
    /// out.
    waiting: VecDeque<(PathBuf, bool, Cut)>,
    /// Why inputs were left out, one message for each.
    pub(crate) left_out: Vec<String>,
    current: Option<Input>,
    next: u64,
}

impl Blocks {
    /// The blocks of `files`, as listed by [`expand`]. The flag of each says whether it may be left
    /// out if it is no text, and behind it is where it may be cut.
    pub(crate) fn new(files: impl IntoIterator<Item = (PathBuf, bool, Cut)>) -> Self {
        let waiting = files.into_iter().collect();
        Self { waiting, left_out: Vec::new(), current: None, next: 0 }
    }

    /// The next block, or `None` after the last.
    ///
    /// # Errors
    /// When an input can't be read or unpacked, or looks binary.
    pub(crate) fn next_block(&mut self) -> Result<Option<Block>> {
        loop {
            if self.current.is_none() {
                match self.waiting.pop_front() {
                    Some((path, may_skip, cut)) => match Input::open(path, cut) {
                        Err(error @ (Error::Input { .. } | Error::Io { .. })) if may_skip => {
                            self.left_out.push(error.to_string());
                        }
                        input => self.current = Some(input?),
                    },
                    None => return Ok(None),
                }
            }
            let Some(input) = &mut self.current else { continue };
            let (text, last) = input.cut()?;
            let block = Block {
                index: self.next,
                path: input.path.clone(),
                offset: input.offset,
                last,
                lines: input.lines,
                head: Arc::clone(&input.head),
                text,
            };
            input.pass(block.text());
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
        let shown =
            all.iter().map(|t| t.as_ref().map_or("/".into(), |w| String::from_utf8_lossy(w)));
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
        let wide = "日本\u{3000}東京\u{a0}a\u{2028}b\u{85}c \u{200b} \u{feff}d";
        assert_eq!(words(plain, wide), "日本 東京 a b c d");
        assert_eq!(words(lower, wide), "日本 東京 a b c d");
        assert_eq!(words(unicode, "so 👩‍👩‍👧 — ☕, 🇩🇪!"), "so 👩‍👩‍👧 ☕ 🇩🇪");
    }

    #[test]
    fn lower_case_keeps_bytes_that_are_no_utf8() {
        let lower = Tokenizer { lowercase: true, unicode_words: false };
        assert_eq!(tokens(lower, b"AB\xffC d"), [Some(b"ab\xffc".to_vec()), Some(b"d".to_vec())]);
    }

    /// All words and sentence ends of files read block by block.
    fn through_blocks(files: &[PathBuf]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut blocks = Blocks::new(files.iter().map(|file| (file.clone(), false, Cut::Words)));
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
            ruzstd::encoding::compress_to_vec(
                part.as_bytes(),
                ruzstd::encoding::CompressionLevel::Fastest,
            )
        };
        let (a, b) = text.split_at(1_000_000);
        std::fs::write(&zst, [packed(a), packed(b)].concat()).unwrap();
        let mut expected = tokens(Tokenizer::default(), text.as_bytes());
        expected.push(None);
        for file in [plain, gz, zst] {
            assert!(
                through_blocks(std::slice::from_ref(&file)).unwrap() == expected,
                "{}",
                file.display()
            );
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
        assert!(says(b"\xfd7zXZ\0rest").contains("not a whole xz file"));
        assert!(says(b"text\0more").contains("zero byte at 4"));
        assert!(says(b"\xff\xfea\0").contains("UTF-16"));
        assert!(says(&vec![b'x'; 3 * BLOCK]).contains("without white space"));
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&[b'a'; 1000]).unwrap();
        let gz = gz.finish().unwrap();
        assert!(!says(&gz[..gz.len() - 6]).is_empty(), "a truncated gzip file is an error");
        assert!(says(b"\x28\xb5\x2f\xfd\x04").contains("zstd"));
    }

    /// The blocks of a text that is cut behind lines or records.
    fn cut(text: &[u8], cut: Cut) -> Vec<Block> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        std::fs::write(&path, text).unwrap();
        let mut blocks = Blocks::new([(path, false, cut)]);
        std::iter::from_fn(|| blocks.next_block().unwrap()).collect()
    }

    #[test]
    fn lines_and_records_stay_whole() {
        let line = |i: usize| format!("{i}\t\"some \n text {}\"\n", "é ".repeat(i % 900));
        let text = "head\n".to_string() + &(0..6000).map(line).collect::<String>();
        for (how, ending) in [(Cut::Lines, "\n"), (Cut::Records, "\"\n")] {
            let blocks = cut(text.as_bytes(), how);
            assert!(blocks.len() > 3);
            let mut lines = 0;
            for block in &blocks {
                assert_eq!(block.lines, lines);
                assert!(block.text().ends_with(ending.as_bytes()));
                assert_eq!(&block.head[..], b"head\n");
                lines += memchr::memchr_iter(b'\n', block.text()).count() as u64;
            }
            let all: Vec<u8> = blocks.iter().flat_map(Block::text).copied().collect();
            assert!(all == text.as_bytes());
        }
        // A line without an end is the rest of the input.
        assert_eq!(cut(b"a\nb", Cut::Lines)[0].text(), b"a\nb");
    }

    proptest! {
        #[test]
        fn whitespace_splitting_agrees_with_the_standard_library(text in "[ -~\t\n\u{a0}\u{3000}é語]{0,200}") {
            let expected: Vec<Vec<u8>> = text.split_whitespace().map(|w| w.as_bytes().to_vec()).collect();
            let got = tokens(Tokenizer::default(), text.as_bytes());
            prop_assert_eq!(got.iter().filter(|t| t.is_none()).count(), text.matches('\n').count());
            prop_assert_eq!(got.into_iter().flatten().collect::<Vec<_>>(), expected);
        }
    }
}
