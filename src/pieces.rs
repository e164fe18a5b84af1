//! Words as pieces of a vocabulary: `WordPiece`, as BERT's models have it (Devlin et al. 2019). A
//! text is cleaned, put in lower case where the model says so, and divided at white space and
//! punctuation. Each word is then the longest piece that the vocabulary has, the longest that
//! continues it, and so on.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::corpus::Vocab;

/// How a model divides text into pieces of its vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the steps of a tokenizer")]
pub struct Pieces {
    clean: bool,
    chinese: bool,
    accents: bool,
    lowercase: bool,
    /// What a piece begins with that continues a word.
    prefix: String,
    /// The most characters of a word that is divided.
    longest: usize,
}

impl Pieces {
    /// What a `tokenizer.json` says of its model and its steps, if it is `WordPiece` with BERT's steps
    /// before it.
    pub(crate) fn of_tokenizer(model: &Value, steps: &Value) -> Option<Self> {
        let normalizer = &steps["normalizer"];
        let known = model["type"] == "WordPiece"
            && normalizer["type"] == "BertNormalizer"
            && steps["pre_tokenizer"]["type"] == "BertPreTokenizer";
        if !known {
            return None;
        }
        let flag = |name: &str| normalizer[name].as_bool();
        let lowercase = flag("lowercase").unwrap_or(true);
        Some(Self {
            clean: flag("clean_text").unwrap_or(true),
            chinese: flag("handle_chinese_chars").unwrap_or(true),
            // Where nothing is said of accents, they go with the capital letters.
            accents: flag("strip_accents").unwrap_or(lowercase),
            lowercase,
            prefix: model["continuing_subword_prefix"].as_str().unwrap_or("##").into(),
            longest: model["max_input_chars_per_word"].as_u64().unwrap_or(100) as usize,
        })
    }

    /// What BERT's programs do where there is a `vocab.txt` alone, with or without capital letters.
    pub(crate) fn of_bert(lowercase: bool) -> Self {
        Self {
            clean: true,
            chinese: true,
            accents: lowercase,
            lowercase,
            prefix: "##".into(),
            longest: 100,
        }
    }

    /// The pieces of a text, by their numbers in a vocabulary. `None` stands for a word that can't be
    /// divided.
    pub fn split(&self, vocab: &Vocab, text: &str) -> Vec<Option<u32>> {
        let text = self.normalised(text);
        let mut pieces = Vec::new();
        let (mut begin, mut at) = (0, 0);
        for letter in text.chars() {
            let end = at + letter.len_utf8();
            let (white, mark) = (letter.is_whitespace(), is_punctuation(letter));
            if white || mark {
                self.word(vocab, &text[begin..at], &mut pieces);
                if mark {
                    self.word(vocab, &text[at..end], &mut pieces);
                }
                begin = end;
            }
            at = end;
        }
        self.word(vocab, &text[begin..], &mut pieces);
        pieces
    }

    /// The text as it is divided.
    fn normalised(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        for letter in text.chars() {
            let control = is_control(letter) || matches!(letter, '\0' | '\u{fffd}');
            if self.clean && control {
                continue;
            }
            if self.clean && letter.is_whitespace() {
                clean.push(' ');
            } else if self.chinese && is_chinese(letter) {
                clean.extend([' ', letter, ' ']);
            } else {
                clean.push(letter);
            }
        }
        if self.accents {
            let mark = |letter: &char| letter.general_category() == GeneralCategory::NonspacingMark;
            clean = clean.nfd().filter(|letter| !mark(letter)).collect();
        }
        if self.lowercase {
            clean = clean.chars().flat_map(char::to_lowercase).collect();
        }
        clean
    }

    /// Adds the pieces of a word.
    fn word(&self, vocab: &Vocab, word: &str, pieces: &mut Vec<Option<u32>>) {
        if word.is_empty() {
            return;
        }
        if word.chars().nth(self.longest).is_some() {
            pieces.push(None);
            return;
        }
        let (begin, mut at) = (pieces.len(), 0);
        while at < word.len() {
            let rest = &word[at..];
            let ends = rest.char_indices().map(|(at, letter)| at + letter.len_utf8());
            let longest = ends.rev().find_map(|end| {
                let piece = &rest[..end];
                let id = if at == 0 {
                    vocab.id(piece.as_bytes())
                } else {
                    vocab.id((self.prefix.clone() + piece).as_bytes())
                };
                id.map(|id| (id, end))
            });
            let Some((id, end)) = longest else {
                pieces.truncate(begin);
                pieces.push(None);
                return;
            };
            pieces.push(Some(id));
            at += end;
        }
    }
}

/// Whether a character is one of control, or has no meaning, but for tabs and line ends.
fn is_control(letter: char) -> bool {
    !matches!(letter, '\t' | '\n' | '\r')
        && letter.general_category_group() == GeneralCategoryGroup::Other
}

fn is_punctuation(letter: char) -> bool {
    letter.is_ascii_punctuation()
        || letter.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// Whether a character is one of Chinese, which is a word by itself. Hangul and Kana are none.
fn is_chinese(letter: char) -> bool {
    matches!(u32::from(letter),
        0x4e00..=0x9fff | 0x3400..=0x4dbf | 0x20000..=0x2a6df | 0x2a700..=0x2b73f
        | 0x2b740..=0x2b81f | 0x2b920..=0x2ceaf | 0xf900..=0xfaff | 0x2f800..=0x2fa1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &Pieces, text: &str) -> String {
        let words =
            ["[UNK]", "un", "##believ", "##able", "cafe", "Cafe", ",", "!", "中", "a", "##a"];
        let vocab = Vocab::new(&words, Vec::new());
        let name = |id: &Option<u32>| id.map_or("?".into(), |id| vocab.text(id));
        pieces.split(&vocab, text).iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_longest_pieces_are_taken() {
        let bert = Pieces::of_bert(true);
        for (text, expected) in [
            ("Unbelievable, café!", "un ##believ ##able , cafe !"),
            ("unbelievabl", "?"),
            ("un\u{200b}believable\u{a0}CAFE\u{301}", "un ##believ ##able cafe"),
            ("中中a", "中 中 a"),
            ("cafe—cafe", "cafe ? cafe"),
            (" \t\n", ""),
        ] {
            assert_eq!(split(&bert, text), expected, "{text:?}");
        }
        assert_eq!(split(&Pieces::of_bert(false), "Cafe cafe Un"), "Cafe cafe ?");
        let long = "a".repeat(100);
        assert_eq!(split(&bert, &long).matches("##a").count(), 99);
        assert_eq!(split(&bert, &(long + "a")), "?");
    }
}
