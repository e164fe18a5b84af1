//! Splitting text into words.

use unicode_segmentation::UnicodeSegmentation;

/// How text becomes words. A newline always ends a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default)]
pub struct Tokenizer {
    /// Put words in lower case (Unicode)
    #[cfg_attr(feature = "cli", arg(long))]
    pub lowercase: bool,
    /// Split at Unicode word boundaries and drop punctuation, instead of splitting at white space
    #[cfg_attr(feature = "cli", arg(long))]
    pub unicode_words: bool,
}

/// A piece of a text: a word, or the end of a sentence.
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
                    chunk
                        .valid()
                        .unicode_words()
                        .for_each(|word| self.word(word.as_bytes(), &mut each));
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
pub(crate) fn split_whitespace(text: &[u8], mut each: impl FnMut(Token)) {
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

pub(super) fn is_space(byte: u8) -> bool {
    byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}
