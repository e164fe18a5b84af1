//! Text as pieces of a vocabulary, by the rules of a model: `WordPiece`, as BERT's models have it
//! (Devlin et al. 2019), and byte pairs, as GPT-2's and later ones. A text is first cleaned as the
//! rules say and cut into words; each word is then divided into pieces.
//!
//! This file is over 300 lines because the rules of two kinds of tokenizers have so many steps.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::byte_pairs::{BytePairs, Pattern};

/// How a model divides text into pieces of its vocabulary.
#[derive(Clone, Debug)]
pub struct Pieces {
    kind: Kind,
    /// The tokens that the tokenizer puts before a text and behind it.
    around: [Vec<String>; 2],
}

#[derive(Clone, Debug)]
enum Kind {
    Words(WordPiece),
    Pairs(PairRules),
}

/// The steps of BERT's tokenizer. The text is cleaned, put in lower case where the model says so,
/// and divided at white space and punctuation. Each word is then the longest piece that the
/// vocabulary has, the longest that continues it, and so on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the steps of a tokenizer")]
pub(crate) struct WordPiece {
    clean: bool,
    chinese: bool,
    accents: bool,
    lowercase: bool,
    /// What a piece begins with that continues a word.
    prefix: String,
    /// The most characters of a word that is divided.
    longest: usize,
    /// The piece that stands for a word that can't be divided.
    #[serde(default = "unknown")]
    unknown: String,
}

fn unknown() -> String {
    "[UNK]".into()
}

/// The steps of a tokenizer of byte pairs.
#[derive(Clone, Debug)]
struct PairRules {
    /// Whether letters and their accents are composed (NFC).
    compose: bool,
    /// Whether a text begins with a space even if it does not.
    space: bool,
    /// Whether a part that is a token by itself is not divided.
    whole: bool,
    pattern: Pattern,
    pairs: Arc<BytePairs>,
}

impl Pieces {
    fn new(kind: Kind) -> Self {
        Self { kind, around: [Vec::new(), Vec::new()] }
    }

    /// The same, with the tokens around a text that the last step of a `tokenizer.json` names.
    pub(super) fn framed_by(self, steps: &Value) -> Self {
        Self { around: around(&steps["post_processor"]), ..self }
    }

    /// What a `tokenizer.json` says of its model and its steps, if it is `WordPiece` with BERT's steps
    /// before it.
    pub(super) fn of_word_piece(model: &Value, steps: &Value) -> Option<Self> {
        let normalizer = &steps["normalizer"];
        let known = model["type"] == "WordPiece"
            && normalizer["type"] == "BertNormalizer"
            && steps["pre_tokenizer"]["type"] == "BertPreTokenizer";
        if !known {
            return None;
        }
        let flag = |name: &str| normalizer[name].as_bool();
        let lowercase = flag("lowercase").unwrap_or(true);
        Some(Self::new(Kind::Words(WordPiece {
            clean: flag("clean_text").unwrap_or(true),
            chinese: flag("handle_chinese_chars").unwrap_or(true),
            // Where nothing is said of accents, they go with the capital letters.
            accents: flag("strip_accents").unwrap_or(lowercase),
            lowercase,
            prefix: model["continuing_subword_prefix"].as_str().unwrap_or("##").into(),
            longest: model["max_input_chars_per_word"].as_u64().unwrap_or(100) as usize,
            unknown: model["unk_token"].as_str().unwrap_or("[UNK]").into(),
        })))
    }

    /// What BERT's programs do where there is a `vocab.txt` alone, with or without capital letters.
    pub(crate) fn of_bert(lowercase: bool) -> Self {
        let around = [vec!["[CLS]".to_string()], vec!["[SEP]".to_string()]];
        Self {
            around,
            ..Self::from(WordPiece {
                clean: true,
                chinese: true,
                accents: lowercase,
                lowercase,
                prefix: "##".into(),
                longest: 100,
                unknown: unknown(),
            })
        }
    }

    /// What a `tokenizer.json` says of its model and its steps, if it is byte pairs over bytes, cut by
    /// a pattern that is known. The names are those of the tokens as bytes, by their numbers; the
    /// list has the pairs in their order.
    pub(super) fn of_pairs(
        model: &Value,
        steps: &Value,
        names: &[Vec<u8>],
        list: &[(Vec<u8>, Vec<u8>)],
    ) -> Option<Self> {
        let set = |name: &str| model[name].as_str().is_some_and(|text| !text.is_empty());
        if model["type"] != "BPE" || set("continuing_subword_prefix") || set("end_of_word_suffix") {
            return None;
        }
        let compose = match &steps["normalizer"] {
            Value::Null => false,
            normalizer if normalizer["type"] == "NFC" => true,
            _ => return None,
        };
        let one = std::slice::from_ref(&steps["pre_tokenizer"]);
        let all = one[0]["pretokenizers"].as_array().map_or(one, Vec::as_slice);
        let cuts = |step: &Value| {
            let plain = step["behavior"] == "Isolated" && step["invert"] != true;
            let regex = step["pattern"]["Regex"].as_str().filter(|_| plain)?;
            Pattern::of_regex(regex).filter(|_| step["type"] == "Split")
        };
        let own = |step: &Value| step["use_regex"].as_bool().unwrap_or(true);
        let (pattern, bytes) = match all {
            [bytes] if own(bytes) => (Pattern::Gpt2, bytes),
            [split, bytes] if !own(bytes) => (cuts(split)?, bytes),
            _ => return None,
        };
        if bytes["type"] != "ByteLevel" {
            return None;
        }
        Some(Self::new(Kind::Pairs(PairRules {
            compose,
            space: bytes["add_prefix_space"].as_bool().unwrap_or(true),
            whole: model["ignore_merges"] == true,
            pattern,
            pairs: Arc::new(BytePairs::new(names.to_vec(), list)?),
        })))
    }

    /// The rules of a model whose vocabulary is kept elsewhere, if they are so.
    pub(crate) fn word_piece(&self) -> Option<&WordPiece> {
        match &self.kind {
            Kind::Words(rules) => Some(rules),
            Kind::Pairs(_) => None,
        }
    }

    /// The tokens that the tokenizer puts before a text, and behind it.
    pub fn around(&self) -> [&[String]; 2] {
        self.around.each_ref().map(Vec::as_slice)
    }

    /// The piece that stands for a word that can't be divided, where there is one.
    pub fn unknown(&self) -> Option<&str> {
        self.word_piece().map(|rules| rules.unknown.as_str())
    }

    /// Calls `each` with the words of a text, which are cleaned as the rules say.
    pub(crate) fn words(&self, text: &str, each: &mut dyn FnMut(&str)) {
        match &self.kind {
            Kind::Words(rules) => rules.words(text, each),
            Kind::Pairs(rules) => {
                let composed: String =
                    if rules.compose { text.nfc().collect() } else { text.into() };
                let spaced = rules.space && !composed.is_empty() && !composed.starts_with(' ');
                let text = if spaced { format!(" {composed}") } else { composed };
                rules.pattern.parts(&text, &mut |part| each(part));
            }
        }
    }

    /// Calls `each` with the pieces of a word. `None` stands for a word that can't be divided. A
    /// vocabulary tells whether it knows a piece.
    pub(crate) fn divide(
        &self,
        word: &str,
        known: impl Fn(&[u8]) -> bool,
        each: &mut dyn FnMut(Option<&[u8]>),
    ) {
        match &self.kind {
            Kind::Words(rules) => rules.divide(word, known, each),
            Kind::Pairs(rules) if rules.whole && known(word.as_bytes()) => {
                each(Some(word.as_bytes()));
            }
            Kind::Pairs(rules) => {
                for token in rules.pairs.join(word.as_bytes()) {
                    each(Some(rules.pairs.name(token)));
                }
            }
        }
    }

    /// The pieces of a text, by the numbers that a vocabulary has for them. `None` stands for a word
    /// that can't be divided, or a piece that the vocabulary lacks.
    pub fn split(&self, id: impl Fn(&[u8]) -> Option<u32>, text: &str) -> Vec<Option<u32>> {
        let mut pieces = Vec::new();
        let known = |piece: &[u8]| id(piece).is_some();
        self.words(text, &mut |word| {
            self.divide(word, known, &mut |piece| pieces.push(piece.and_then(&id)));
        });
        pieces
    }
}

/// The tokens that a step puts before a text, and behind it.
fn around(step: &Value) -> [Vec<String>; 2] {
    let mut sides = [Vec::new(), Vec::new()];
    let steps = step["processors"].as_array().map_or(std::slice::from_ref(step), Vec::as_slice);
    for step in steps {
        for (side, name) in ["cls", "sep"].into_iter().enumerate() {
            sides[side].extend(step[name][0].as_str().map(String::from));
        }
        let mut side = 0;
        for part in step["single"].as_array().into_iter().flatten() {
            if part["Sequence"].is_object() {
                side = 1;
            }
            sides[side].extend(part["SpecialToken"]["id"].as_str().map(String::from));
        }
    }
    sides
}

impl From<WordPiece> for Pieces {
    fn from(rules: WordPiece) -> Self {
        Self::new(Kind::Words(rules))
    }
}

impl WordPiece {
    /// The piece that stands for a word that can't be divided.
    pub(crate) fn unknown(&self) -> &str {
        &self.unknown
    }

    /// These rules as a `tokenizer.json`, with the numbers of the pieces.
    pub(crate) fn as_tokenizer(&self, vocab: &Map<String, Value>) -> Value {
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": {
                "type": "BertNormalizer", "clean_text": self.clean,
                "handle_chinese_chars": self.chinese, "strip_accents": self.accents,
                "lowercase": self.lowercase,
            },
            "pre_tokenizer": { "type": "BertPreTokenizer" },
            "post_processor": null,
            "decoder": { "type": "WordPiece", "prefix": self.prefix, "cleanup": true },
            "model": {
                "type": "WordPiece", "unk_token": self.unknown,
                "continuing_subword_prefix": self.prefix,
                "max_input_chars_per_word": self.longest, "vocab": vocab,
            },
        })
    }

    /// Calls `each` with the words of a text.
    fn words(&self, text: &str, each: &mut dyn FnMut(&str)) {
        let text = self.normalised(text);
        let mut each = |word: &str| {
            if !word.is_empty() {
                each(word);
            }
        };
        let (mut begin, mut at) = (0, 0);
        for letter in text.chars() {
            let end = at + letter.len_utf8();
            let (white, mark) = (letter.is_whitespace(), is_punctuation(letter));
            if white || mark {
                each(&text[begin..at]);
                if mark {
                    each(&text[at..end]);
                }
                begin = end;
            }
            at = end;
        }
        each(&text[begin..]);
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
        if self.accents && !clean.is_ascii() {
            let mark = |letter: &char| letter.general_category() == GeneralCategory::NonspacingMark;
            clean = clean.nfd().filter(|letter| !mark(letter)).collect();
        }
        if self.lowercase {
            // Letter by letter, as the tokenizers do it: a final sigma is none by its place.
            clean = clean.chars().flat_map(char::to_lowercase).collect();
        }
        clean
    }

    /// Calls `each` with the pieces of a word, or with `None`.
    fn divide(
        &self,
        word: &str,
        known: impl Fn(&[u8]) -> bool,
        each: &mut dyn FnMut(Option<&[u8]>),
    ) {
        if word.chars().nth(self.longest).is_some() {
            return each(None);
        }
        let (mut at, mut pieces) = (0, Vec::new());
        while at < word.len() {
            let rest = &word[at..];
            let before = if at == 0 { "" } else { &self.prefix };
            let mut piece = [before.as_bytes(), rest.as_bytes()].concat();
            let ends = rest.char_indices().map(|(at, letter)| at + letter.len_utf8());
            let longest = ends.rev().find(|end| {
                piece.truncate(before.len() + end);
                known(&piece)
            });
            let Some(end) = longest else { return each(None) };
            pieces.push(piece);
            at += end;
        }
        for piece in &pieces {
            each(Some(piece));
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
        let id = |piece: &[u8]| {
            words.iter().zip(0..).find(|(w, _)| w.as_bytes() == piece).map(|(_, id)| id)
        };
        let name = |id: &Option<u32>| id.map_or("?", |id| words[id as usize]);
        pieces.split(id, text).iter().map(name).collect::<Vec<_>>().join(" ")
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
