//! Byte pair encoding over bytes, as GPT-2 introduced it (Radford et al. 2019; Sennrich, Haddow &
//! Birch 2016): a text is cut into parts by a pattern, and the bytes of each part are joined, the
//! pair that was learnt first before all others, until no pair of the list is left.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// No token is here.
const NONE: u32 = u32::MAX;

/// How a text is cut into parts, in which pairs are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// GPT-2's: letters, digits or marks, with a space before them.
    Gpt2,
    /// GPT-4's, Llama 3's and Qwen's: letters with any sign before them, up to this many digits,
    /// marks with the line ends behind them.
    Gpt4(usize),
}

/// The endings of English words that are parts by themselves.
const ENDINGS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

impl Pattern {
    /// The pattern of a regular expression, where it is known.
    pub(super) fn of_regex(regex: &str) -> Option<Self> {
        const BEGIN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}";
        const END: &str = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        const OLD: &str =
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
        if regex == OLD {
            return Some(Self::Gpt2);
        }
        match regex.strip_prefix(BEGIN)?.strip_suffix(END)? {
            "" => Some(Self::Gpt4(1)),
            "{1,3}" => Some(Self::Gpt4(3)),
            _ => None,
        }
    }

    /// Calls `each` with the parts of a text, which together are the text.
    pub(super) fn parts<'a>(self, mut text: &'a str, each: &mut dyn FnMut(&'a str)) {
        while !text.is_empty() {
            let (part, rest) = text.split_at(self.first(text));
            each(part);
            text = rest;
        }
    }

    /// The length of the first part of a text that is not empty.
    fn first(self, text: &str) -> usize {
        if let Some(ending) = ENDINGS.iter().find(|ending| self.begins_with(text, ending)) {
            return ending.len();
        }
        let first = text.chars().next().map_or(0, char::len_utf8);
        let behind = |skip: usize, of: fn(char) -> bool| skip + run(&text[skip..], of);
        let space = usize::from(text.starts_with(' '));
        match self {
            Self::Gpt2 => {
                for of in [is_letter, is_digit, is_mark] {
                    let end = behind(space, of);
                    if end > space {
                        return end;
                    }
                }
            }
            Self::Gpt4(digits) => {
                let sign = |c: char| !matches!(c, '\r' | '\n') && !is_letter(c) && !is_digit(c);
                let skip = if text.starts_with(sign) { first } else { 0 };
                let end = behind(skip, is_letter);
                if end > skip {
                    return end;
                }
                let number = run(text, is_digit);
                if number > 0 {
                    let most = text.char_indices().nth(digits).map_or(text.len(), |(at, _)| at);
                    return number.min(most);
                }
                let end = behind(space, is_mark);
                if end > space {
                    return behind(end, is_line_end);
                }
                let white = &text[..run(text, char::is_whitespace)];
                if let Some(last) = white.rfind(is_line_end) {
                    return last + 1;
                }
            }
        }
        // White space leaves its last character to what follows.
        let white = run(text, char::is_whitespace);
        let last = text[..white].chars().next_back().map_or(0, char::len_utf8);
        if white < text.len() && white > last { white - last } else { white.max(first) }
    }

    fn begins_with(self, text: &str, ending: &str) -> bool {
        let begin = text.get(..ending.len());
        begin.is_some_and(|begin| match self {
            Self::Gpt2 => begin == ending,
            Self::Gpt4(_) => begin.eq_ignore_ascii_case(ending),
        })
    }
}

/// The length of what a text begins with that consists of such characters.
fn run(text: &str, of: fn(char) -> bool) -> usize {
    text.find(|c| !of(c)).unwrap_or(text.len())
}

fn is_letter(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Letter
}

fn is_digit(c: char) -> bool {
    c.general_category_group() == GeneralCategoryGroup::Number
}

fn is_mark(c: char) -> bool {
    !c.is_whitespace() && !is_letter(c) && !is_digit(c)
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\r' | '\n')
}

/// The pairs of a vocabulary that are joined, and its single bytes.
#[derive(Clone, Debug)]
pub(super) struct BytePairs {
    /// The names of the tokens by their numbers, as bytes.
    names: Vec<Vec<u8>>,
    /// The token of each byte.
    bytes: Vec<u32>,
    /// Two tokens, and the place of their pair in the list with the token that they become.
    pairs: HashMap<(u32, u32), (u32, u32)>,
}

impl BytePairs {
    /// A vocabulary, given by its names, and a list of pairs of names. `None` if a byte or a pair is
    /// no token.
    pub(super) fn new(names: Vec<Vec<u8>>, list: &[(Vec<u8>, Vec<u8>)]) -> Option<Self> {
        let ids: HashMap<&[u8], u32> = names.iter().map(Vec::as_slice).zip(0..).collect();
        let bytes = (0..=255u8).map(|byte| ids.get(&[byte][..]).copied());
        let bytes = bytes.collect::<Option<Vec<u32>>>()?;
        let mut pairs = HashMap::with_capacity(list.len());
        for ((a, b), rank) in list.iter().zip(0..) {
            let id = |name: &[u8]| ids.get(name).copied();
            let joined = [&a[..], b].concat();
            let pair = (id(a)?, id(b)?);
            pairs.entry(pair).or_insert((rank, id(&joined)?));
        }
        drop(ids);
        Some(Self { names, bytes, pairs })
    }

    /// The name of a token.
    pub(super) fn name(&self, token: u32) -> &[u8] {
        &self.names[token as usize]
    }

    /// The tokens of a part of a text. Of pairs of one rank the first is joined first.
    pub(super) fn join(&self, part: &[u8]) -> Vec<u32> {
        let mut tokens: Vec<u32> = part.iter().map(|&byte| self.bytes[usize::from(byte)]).collect();
        // The neighbours of each place that is left; a place that was joined to another has no token.
        let mut after: Vec<usize> = (1..=tokens.len()).collect();
        let mut before: Vec<usize> = (0..tokens.len()).map(|at| at.wrapping_sub(1)).collect();
        let pair = |a: u32, b: u32| self.pairs.get(&(a, b)).copied();
        let mut waiting = BinaryHeap::new();
        for (at, two) in tokens.windows(2).enumerate() {
            waiting
                .extend(pair(two[0], two[1]).map(|(rank, _)| Reverse((rank, at, two[0], two[1]))));
        }
        while let Some(Reverse((_, at, a, b))) = waiting.pop() {
            let next = after[at];
            // One of the two may have become another since.
            if tokens[at] != a || tokens.get(next) != Some(&b) {
                continue;
            }
            let Some((_, joined)) = pair(a, b) else { continue };
            (tokens[at], tokens[next]) = (joined, NONE);
            after[at] = after[next];
            if let Some(back) = before.get_mut(after[at]) {
                *back = at;
            }
            let around = [(before[at], at), (at, after[at])];
            for (one, two) in around {
                if let (Some(&a), Some(&b)) = (tokens.get(one), tokens.get(two)) {
                    waiting.extend(pair(a, b).map(|(rank, _)| Reverse((rank, one, a, b))));
                }
            }
        }
        tokens.retain(|&token| token != NONE);
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(pattern: Pattern, text: &str) -> Vec<&str> {
        let mut parts = Vec::new();
        pattern.parts(text, &mut |part| parts.push(part));
        parts
    }

    #[test]
    fn patterns_cut_as_their_expressions_say() {
        let text = "It's  12345 cats,\n\n they'LL \u{e9}t\u{e9}!!\n ...x\t y  ";
        assert_eq!(
            parts(Pattern::Gpt2, text),
            [
                "It", "'s", " ", " 12345", " cats", ",", "\n\n", " they", "'", "LL", " été", "!!",
                "\n", " ...", "x", "\t", " y", "  "
            ]
        );
        assert_eq!(
            parts(Pattern::Gpt4(3), text),
            [
                "It", "'s", " ", " ", "123", "45", " cats", ",\n\n", " they", "'LL", " été",
                "!!\n", " ...", "x", "\t", " y", "  "
            ]
        );
        assert_eq!(parts(Pattern::Gpt4(1), "a12\r\n  \n b"), ["a", "1", "2", "\r\n  \n", " b"]);
        assert_eq!(parts(Pattern::Gpt2, ""), [""; 0]);
        assert_eq!(Pattern::of_regex(r"\s+"), None);
    }

    #[test]
    fn pairs_are_joined_in_the_order_of_the_list() {
        let mut names: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        let pair = |a: &str, b: &str| (a.as_bytes().to_vec(), b.as_bytes().to_vec());
        let list = [pair("b", "c"), pair("a", "b"), pair("a", "bc"), pair("c", "c")];
        names.extend(list.iter().map(|(a, b)| [&a[..], b].concat()));
        let pairs = BytePairs::new(names.clone(), &list).unwrap();
        let join = |text: &str| {
            let tokens = pairs.join(text.as_bytes()).into_iter();
            tokens.map(|t| String::from_utf8_lossy(pairs.name(t)).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(join("abc"), ["abc"]);
        assert_eq!(join("abab"), ["ab", "ab"]);
        assert_eq!(join("cccabx"), ["cc", "c", "ab", "x"]);
        assert_eq!(join(""), [""; 0]);
        assert_eq!(join("aabcbc"), ["a", "abc", "bc"]);
        // A part without an end takes time by its length, not by its square.
        assert_eq!(join(&"abc".repeat(100_000)).len(), 100_000);
        assert!(BytePairs::new(names[1..].to_vec(), &list).is_none(), "a byte is missing");
        assert!(BytePairs::new(names, &[pair("x", "y")]).is_none(), "xy is no token");
    }
}
