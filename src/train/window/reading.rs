//! What is learnt: sequences in the order of the corpus, or in a random one.
//!
//! Documents are learnt in a random order. Where those of one kind stand together, as in a file that
//! is sorted by author or by label, what is learnt last would otherwise bend the output vectors its
//! own way. (Sentences of a text are learnt in its order: a chunk then has one topic, and chunks that
//! are learnt at the same time have little in common.)

use std::borrow::Cow;
use std::ops::Range;

use rand::Rng;

use super::subsample::Subsample;
use crate::corpus::Corpus;
use crate::random::{generator, mix, shuffle};

/// Keeps the order apart from all other random numbers of the same seed.
const ORDER: u64 = 0x6f72_6465_7200_0001;

/// The sequences of a corpus in the order in which they are learnt.
pub(crate) struct Reading<'a> {
    /// The corpus.
    pub(crate) corpus: &'a Corpus,
    /// The sequences in their order; empty where this is the order of the corpus.
    order: Vec<u32>,
    /// Where each ends, in tokens.
    ends: Cow<'a, [u64]>,
}

impl<'a> Reading<'a> {
    /// The order of the corpus.
    pub(crate) fn in_order(corpus: &'a Corpus) -> Self {
        Self { corpus, order: Vec::new(), ends: corpus.ends().into() }
    }

    /// A random order, which follows from `seed`.
    pub(crate) fn shuffled(corpus: &'a Corpus, seed: u64) -> Self {
        let mut order: Vec<u32> = (0..corpus.ends().len() as u32).collect();
        shuffle(&mut order, &mut generator(mix(seed ^ ORDER)));
        let mut end = 0;
        let end_of = |&sequence: &u32| {
            end += sequence_of(corpus, sequence as usize).len() as u64;
            end
        };
        let ends = order.iter().map(end_of).collect::<Vec<u64>>().into();
        Self { corpus, order, ends }
    }

    /// The pieces of sequences in a range of tokens, counted in this order: the number of each
    /// sequence, and the range of its piece in the corpus.
    pub(crate) fn pieces(
        &self,
        tokens: Range<usize>,
    ) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
        let first = self.ends.partition_point(|&end| end as usize <= tokens.start);
        let mut start = tokens.start;
        (first..self.ends.len()).map_while(move |at| {
            let end = (self.ends[at] as usize).min(tokens.end);
            let length = end.checked_sub(start).filter(|length| *length > 0)?;
            let sequence = self.order.get(at).map_or(at, |&sequence| sequence as usize);
            let begin = if at == 0 { 0 } else { self.ends[at - 1] as usize };
            let from = sequence_of(self.corpus, sequence).start + start.saturating_sub(begin);
            start = end;
            Some((sequence, from..from + length))
        })
    }
}

/// The words of a chunk that subsampling keeps.
#[derive(Default)]
pub(crate) struct Kept {
    /// The words.
    pub(crate) words: Vec<u32>,
    /// Where each sequence ends among them, and its number in the corpus.
    pub(crate) ends: Vec<(usize, usize)>,
}

impl Kept {
    /// Empties the list.
    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.ends.clear();
    }

    /// Adds the words of a sequence that are kept. With `longest`, it is cut into pieces of so many.
    #[inline(always)]
    pub(crate) fn add(
        &mut self,
        sequence: usize,
        words: &[u32],
        (subsample, longest): (&Subsample, Option<usize>),
        rng: &mut impl Rng,
    ) {
        let begin = self.words.len();
        subsample.sift(words, rng, &mut self.words);
        let end = self.words.len();
        if let Some(longest) = longest {
            let cuts = (begin..end).step_by(longest).skip(1);
            self.ends.extend(cuts.map(|end| (end, sequence)));
        }
        self.ends.push((end, sequence));
    }
}

/// The tokens of a sequence.
fn sequence_of(corpus: &Corpus, sequence: usize) -> Range<usize> {
    let ends = corpus.ends();
    let start = if sequence == 0 { 0 } else { ends[sequence - 1] };
    start as usize..(ends[sequence] as usize).max(start as usize)
}
