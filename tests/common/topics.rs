//! Text of two topics, sea and hill, with twenty words each: words of one topic stand together.

use std::array;

/// Words of each topic.
const WORDS: u32 = 20;

/// A word of a topic, which is 0 or 1.
pub(crate) fn word(topic: usize, number: u32) -> String {
    format!("{}{number}", ["sea", "hill"][topic])
}

/// All words, where `topic = id % 2`.
#[allow(dead_code, reason = "only tests that write a corpus ask for ids")]
pub(crate) fn words() -> Vec<String> {
    (0..2 * WORDS).map(|id| word(id as usize % 2, id / 2)).collect()
}

/// Sentences of ten words, each word as its topic and its number. The topics take turns: the first
/// `own` words of each sentence are of its topic, and the others are of the other topic.
pub(crate) fn sentences(count: usize, own: usize) -> impl Iterator<Item = [(usize, u32); 10]> {
    let mut state = 1u64;
    (0..count).map(move |sentence| {
        array::from_fn(|place| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((sentence + place / own) % 2, (state >> 33) as u32 % WORDS)
        })
    })
}

/// The same sentences, as lines.
pub(crate) fn text(count: usize, own: usize) -> String {
    let line = |words: [(usize, u32); 10]| {
        words.map(|(topic, number)| word(topic, number)).join(" ") + "\n"
    };
    sentences(count, own).map(line).collect()
}

/// A set of pairs of words that are graded as similar where their topic is the same.
#[allow(dead_code, reason = "only tests of evaluation ask for grades")]
pub(crate) fn graded() -> String {
    let pair = |i: usize| {
        let (a, b) = (i % 2, i / 2 % 2);
        let words = [word(a, i as u32 % WORDS), word(b, (i as u32 * 7 + 3) % WORDS)];
        format!("{}\t{}\t{}\n", words[0], words[1], if a == b { 9 } else { 1 })
    };
    (0..60).map(pair).collect()
}
