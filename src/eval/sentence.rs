//! Graded pairs of sentences: how far do vectors carry beyond words? The vector of a sentence is
//! the mean of its words' vectors, or their weighted mean less what all sentences have in common
//! (SIF: Arora, Liang & Ma 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings").

use std::sync::Arc;

use super::known::Known;
use super::outcome::{Answers, Measure, Outcome};
use super::similarity::graded_rows;
use super::{Parsed, Task, TaskKind};
use crate::error::Error;
use crate::post::rarity;
use crate::stats::{Ranked, components, dot};
use crate::text::{self, Token, Tokenizer};
/// Lines of two sentences and a number.
pub(super) const PAIRS: TaskKind = TaskKind {
    fits: |sheet| graded_rows(sheet, true),
    line: "a score and two sentences",
    folder_is_set: false,
    parse: |sources| {
        let source = &sources[0];
        let (pairs, left_out) = source.sheet.graded();
        if pairs.is_empty() {
            return Err(Error::input(source.file, "no pair of sentences with a grade"));
        }
        let how = source.sheet.how(&pairs);
        let split = |(grade, texts): (f64, [String; 2])| (grade, texts.map(Sentence::new));
        let pairs = pairs.into_iter().map(split).collect();
        Ok(Parsed { how, left_out, task: Arc::new(Sentences(pairs)) })
    },
};
/// What is between white space in a sentence, and the words that Unicode's rules find in it,
/// without punctuation.
#[derive(Debug)]
struct Piece {
    whole: String,
    words: Vec<String>,
}

/// A sentence as it is written, and what is between white space in it.
#[derive(Debug)]
struct Sentence {
    text: String,
    pieces: Vec<Piece>,
}

impl Sentence {
    fn new(text: String) -> Self {
        let pieces = pieces(&text);
        Self { text, pieces }
    }
}

/// Pairs of sentences, with their grades.
#[derive(Debug)]
struct Sentences(Vec<(f64, [Sentence; 2])>);

impl Sentences {
    /// The known words of each pair of sentences. A piece that the vocabulary has is a word,
    /// whatever it contains (`U.S.`, `e-mail`, a segmented word of Chinese). Others are split
    /// further. A model whose words are pieces divides sentences by its own rules.
    fn ids(&self, known: &Known) -> Vec<[Vec<u32>; 2]> {
        let ids = |sentence: &Sentence| {
            let mut ids = Vec::new();
            if let Some(pieces) = known.e.pieces() {
                let found = pieces
                    .split(|piece| known.e.vocab.id(piece), &sentence.text)
                    .into_iter()
                    .flatten();
                ids.extend(found.filter(|&id| (id as usize) < known.limit));
                return ids;
            }
            for piece in &sentence.pieces {
                match known.in_vocabulary(&piece.whole) {
                    Some(id) => ids.push(id),
                    None => ids.extend(piece.words.iter().filter_map(|word| known.find(word))),
                }
            }
            ids
        };
        self.0.iter().map(|(_, texts)| texts.each_ref().map(ids)).collect()
    }
}

impl Task for Sentences {
    fn kind(&self) -> &'static str {
        "sentences"
    }

    fn words(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        let pieces = self.0.iter().flat_map(|(_, texts)| texts).flat_map(|text| &text.pieces);
        Box::new(pieces.flat_map(|piece| &piece.words).map(String::as_str))
    }

    fn known(&self, known: &Known) -> usize {
        self.ids(known).iter().filter(|pair| is_known(pair)).count()
    }

    /// The correlations of the grades with the cosines of the sentences. A pair is known if both
    /// sentences have a known word. Unknown words are left out of their sentences.
    fn score(&self, known: &Known, zero: bool) -> Outcome {
        let pairs = self.ids(known);
        let composed = |pair: &&[Vec<u32>; 2]| {
            is_known(pair) && pair.iter().flatten().any(|&id| known.is_composed(id))
        };
        let composed = pairs.iter().filter(composed).count();
        let scored = |cosines: Vec<Option<f64>>, names: [&'static str; 2]| {
            let items = cosines
                .into_iter()
                .zip(&self.0)
                .map(|(c, (grade, _))| Some((*grade, c?)))
                .collect();
            let measures = |items: Vec<(f64, f64)>| {
                let ranked = Answers::Ranked(Ranked::new(&items));
                vec![
                    Measure { name: names[0], answers: Answers::Graded(items) },
                    Measure { name: names[1], answers: ranked },
                ]
            };
            let unknown = |i: usize| (self.0[i].0, 0.0);
            Outcome::graded(items, composed, measures, zero.then_some(&unknown))
        };
        // A composed word is taken to be so rare that it has the weight 1.
        let weights = rarity(known.e);
        let mut outcome = scored(
            cosines(known, &pairs, |word| weights.get(word as usize).copied().unwrap_or(1.0), true),
            ["SIF, Pearson", "SIF, Spearman"],
        );
        let mean =
            scored(cosines(known, &pairs, |_| 1.0, false), ["mean, Pearson", "mean, Spearman"]);
        outcome.measures.extend(mean.measures);
        outcome
    }
}

/// Whether both sentences have a known word.
fn is_known(pair: &[Vec<u32>; 2]) -> bool {
    pair.iter().all(|words| !words.is_empty())
}

/// The pieces of a sentence.
fn pieces(sentence: &str) -> Vec<Piece> {
    let unicode = Tokenizer { unicode_words: true, ..Tokenizer::default() };
    let piece = |whole: &str| {
        let mut words = Vec::new();
        unicode.split(whole.as_bytes(), |token| {
            if let Token::Word(word) = token {
                words.push(String::from_utf8_lossy(word).into_owned());
            }
        });
        Piece { whole: whole.into(), words }
    };
    text::words(sentence).map(piece).collect()
}

/// The cosine of the two sentences of each pair, if both have a known word. With `centre`, the
/// first component of all sentences is taken off first.
fn cosines(
    known: &Known,
    pairs: &[[Vec<u32>; 2]],
    weight: impl Fn(u32) -> f64,
    centre: bool,
) -> Vec<Option<f64>> {
    let dim = known.e.dim();
    let mut rows: Vec<f64> = Vec::new();
    for words in pairs.iter().filter(|pair| is_known(pair)).flatten() {
        let start = rows.len();
        rows.resize(start + dim, 0.0);
        for &word in words {
            let weight = weight(word) / words.len() as f64;
            let vector = known.vector(word);
            rows[start..]
                .iter_mut()
                .zip(vector.iter())
                .for_each(|(sum, &x)| *sum += weight * f64::from(x));
        }
    }
    if let (true, Some((common, _))) = (centre, components(&rows, dim, 1).first()) {
        for row in rows.chunks_exact_mut(dim) {
            let along = dot(row, common);
            row.iter_mut().zip(common).for_each(|(x, c)| *x -= along * c);
        }
    }
    let mut two = rows.chunks_exact(2 * dim).map(|two| two.split_at(dim));
    let cosine = |(a, b): (&[f64], &[f64])| {
        let lengths = (dot(a, a) * dot(b, b)).sqrt();
        if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
    };
    pairs.iter().map(|pair| is_known(pair).then(|| two.next().map_or(0.0, cosine))).collect()
}
