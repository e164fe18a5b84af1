//! Splitting text into words.

use unicode_segmentation::UnicodeSegmentation;

/// How text becomes words. A newline always ends a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Tokenizer {
    /// Words are put in lower case (Unicode).
    pub lowercase: bool,
    /// Text is split at Unicode word boundaries, and punctuation and symbols but emoji are dropped. If
    /// not, text is split at white space.
    pub unicode_words: bool,
}

/// The options of a command.
#[cfg(feature = "cli")]
#[derive(clap::Args)]
struct Arguments {
    /// Put words in lower case (Unicode)
    #[arg(long)]
    lowercase: bool,
    /// Split at Unicode word boundaries and drop punctuation and symbols but emoji, instead of
    /// splitting at white space. Scripts without spaces (Thai, Khmer, Chinese...) fall apart into
    /// single characters: segment such text first
    #[arg(long)]
    unicode_words: bool,
    /// What the text is
    #[arg(long, value_enum, value_name = "KIND", default_value = "plain")]
    text: Kind,
}

/// What a text is.
#[cfg(feature = "cli")]
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Kind {
    /// Words with white space between them, each as it is to be learnt
    Plain,
    /// Running text with punctuation and capital letters: --unicode-words --lowercase
    Raw,
}

#[cfg(feature = "cli")]
impl clap::FromArgMatches for Tokenizer {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let Arguments { lowercase, unicode_words, text } = Arguments::from_arg_matches(matches)?;
        let raw = text == Kind::Raw;
        Ok(Self { lowercase: lowercase || raw, unicode_words: unicode_words || raw })
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(feature = "cli")]
impl clap::Args for Tokenizer {
    fn augment_args(command: clap::Command) -> clap::Command {
        Arguments::augment_args(command)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Arguments::augment_args_for_update(command)
    }
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
                    let pieces = chunk.valid().split_word_bounds().filter(|piece| is_word(piece));
                    pieces.for_each(|word| self.word(word.as_bytes(), &mut each));
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

    /// Calls `each` with the words of `text`, whatever line ends are between them.
    pub fn each_word(self, text: &[u8], mut each: impl FnMut(&[u8])) {
        self.split(text, |token| {
            if let Token::Word(word) = token {
                each(word);
            }
        });
    }

    fn word(self, word: &[u8], each: &mut impl FnMut(Token)) {
        if !self.lowercase || word.iter().all(u8::is_ascii_lowercase) {
            return each(Token::Word(word));
        }
        let mut lowered = Vec::with_capacity(word.len());
        for chunk in word.utf8_chunks() {
            lowered.extend_from_slice(lower(chunk.valid()).as_bytes());
            lowered.extend_from_slice(chunk.invalid());
        }
        each(Token::Word(&lowered));
    }
}

/// Whether a piece between Unicode word boundaries is a word: it has a letter or a digit, or it is
/// an emoji.
fn is_word(piece: &str) -> bool {
    piece.chars().any(|c| c.is_alphanumeric() || is_emoji(c))
}

/// Whether a character is from one of the blocks that emoji are in.
fn is_emoji(c: char) -> bool {
    matches!(c, '\u{2300}'..='\u{23ff}' | '\u{2600}'..='\u{27bf}' | '\u{2b00}'..='\u{2bff}'
        | '\u{1f000}'..='\u{1faff}')
}

/// A text in lower case (Unicode). The Turkish `İ` becomes `i`, so that a word and its spelling in
/// capital letters become the same: Unicode would have it followed by a dot.
pub(crate) fn lower(text: &str) -> String {
    let mut lower = text.to_lowercase();
    if lower.contains("i\u{307}") {
        lower = lower.replace("i\u{307}", "i");
    }
    lower
}

/// Splits at white space, and ends sentences at newlines.
///
/// White space is what Unicode calls so (ASCII's, the no-break and the ideographic space, the line
/// separators), and two characters that are as good as nothing: the zero width space, and the byte
/// order mark.
pub(crate) fn split_whitespace(text: &[u8], mut each: impl FnMut(Token)) {
    let (mut start, mut at) = (0, 0);
    while let Some(&byte) = text.get(at) {
        // Most bytes are letters, and this line is run for each of them.
        let length = if is_letter(byte) { None } else { space_at(text, at) };
        let Some(length) = length else {
            at += 1;
            continue;
        };
        if start < at {
            each(Token::Word(&text[start..at]));
        }
        if text[at] == b'\n' {
            each(Token::End);
        }
        at += length;
        start = at;
    }
    if start < text.len() {
        each(Token::Word(&text[start..]));
    }
}

/// The words of a line of bytes, which [`split_whitespace`] finds.
pub(crate) fn words_of(line: &[u8]) -> Vec<&[u8]> {
    let (mut words, mut start) = (Vec::new(), 0);
    while start < line.len() {
        let space = (start..line.len()).find_map(|at| Some((at, space_at(line, at)?)));
        let (end, length) = space.unwrap_or((line.len(), 0));
        if start < end {
            words.push(&line[start..end]);
        }
        start = end + length;
    }
    words
}

/// The words of a line: what is between white space, as in the text of a corpus.
pub fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(is_white).filter(|word| !word.is_empty())
}

/// A line without the white space at its ends.
pub fn trim(line: &str) -> &str {
    line.trim_matches(is_white)
}

/// Whether a character is white space, as [`split_whitespace`] has it.
fn is_white(c: char) -> bool {
    c.is_whitespace() || c == '\u{200b}' || c == '\u{feff}'
}

/// Whether no character of white space begins with a byte.
#[inline(always)]
fn is_letter(byte: u8) -> bool {
    byte > b' ' && byte < 0xc2
}

/// The length in bytes of the character of white space that begins at `at`, if one does.
#[inline]
pub(super) fn space_at(text: &[u8], at: usize) -> Option<usize> {
    match text[at] {
        byte if is_letter(byte) => None,
        b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r' => Some(1),
        0xc2 | 0xe1 | 0xe2 | 0xe3 | 0xef => wide_space(&text[at..]),
        _ => None,
    }
}

/// The length of the white space that a text begins with, if it is not of ASCII.
#[cold]
fn wide_space(text: &[u8]) -> Option<usize> {
    match text {
        [0xc2, 0x85 | 0xa0, ..] => Some(2),
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8b | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..]
        | [0xef, 0xbb, 0xbf, ..] => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_unicodes_and_two_characters_more() {
        for c in (0..=0x0010_ffff).filter_map(char::from_u32) {
            let text = format!("a{c}b");
            let split = words_of(text.as_bytes()).len() == 2;
            assert_eq!(split, is_white(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn a_word_is_the_same_in_capital_letters() {
        assert_eq!(lower("İSTANBUL"), "istanbul");
        assert_eq!(lower("ΔΑΣ"), "δας");
    }
}
