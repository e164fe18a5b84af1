//! New documents: the row of each learns to predict the words of the document as the rows of tags
//! did in training, while all rows of words stand still (Le & Mikolov 2014, "Distributed
//! Representations of Sentences and Documents").
//!
//! Rows that stand still are read where they are. Nothing is fetched or given back, which is most of
//! the work of a training. Documents are learnt side by side. They meet the same noise words, which
//! follow from the number of the step alone, so that a vector does not depend on what is beside it.
//!
//! This file is over 300 lines because a third of it is tests.

use std::ops::Range;

use fearless_simd::{Level, Simd};
use rand::Rng;

use super::negative::Noise;
use super::objective::{BLOCK, CbowGradient, Targets, for_blocks};
use super::reading::Kept;
use super::subsample::Subsample;
use super::{LONGEST_WINDOW, Window};
use crate::math::{LINE, Tile, dispatch, kernel, mean};
use crate::memory::prefetch;
use crate::random::{Generator, generator, mix};
use crate::train::schedule::Schedule;

/// Documents that are learnt side by side.
pub(crate) const SIDE_BY_SIDE: usize = 16;

/// What stands still, and how it is learnt from.
pub(crate) struct Still {
    /// The input rows of words, where the words around a word help to predict it (PV-DM).
    pub(crate) input: Option<Tile>,
    /// The output rows of words.
    pub(crate) output: Tile,
    /// Which words of a document are kept.
    pub(crate) subsample: Subsample,
    /// Where noise words come from.
    pub(crate) noise: Noise,
    /// Noise words for each word of a document.
    pub(crate) negative: usize,
    /// The width of windows.
    pub(crate) window: Window,
    /// Which share of an error a document's row takes where words help to predict.
    pub(crate) gradient: CbowGradient,
    /// Passes over a document.
    pub(crate) epochs: usize,
    /// The learning rate at the beginning.
    pub(crate) lr: f32,
    /// The seed of the noise.
    pub(crate) seed: u64,
    /// Vector instructions.
    pub(crate) level: Level,
}

/// A document, and the seed from which its random numbers follow.
#[derive(Clone, Copy)]
pub(crate) struct Newcomer<'d> {
    /// The ids of its words, at least one.
    pub(crate) words: &'d [u32],
    /// Its seed.
    pub(crate) seed: u64,
}

/// A document that is being learnt.
struct Place<'d> {
    words: &'d [u32],
    schedule: Schedule,
    reading: Generator,
    epoch: usize,
    /// The words of this epoch that are kept.
    kept: Kept,
    /// Which of them is next, and in which piece of the document.
    next: usize,
    piece: usize,
    /// Whether a word was kept in some epoch.
    learnt: bool,
    /// The learning rate at the first kept word, and what it changes by from word to word.
    rate: [f32; 2],
}

/// One thread's room for new documents.
pub(crate) struct Newcomers<'a> {
    still: &'a Still,
    /// The documents' rows.
    rows: Tile,
    /// What predicts, where words help: the means of their rows and of the documents'.
    means: Tile,
    noise: StillNoise,
    /// The places of the words around a word.
    around: Vec<usize>,
    noise_at: Targets,
    targets: Targets,
    labels: Vec<f32>,
    errors: Vec<f32>,
    /// The errors of one document.
    of_one: Vec<f32>,
}

/// The noise words of each step, prepared ahead so that nothing waits for memory.
#[derive(Default)]
struct StillNoise {
    now: Vec<u32>,
    next: Vec<u32>,
    /// The random numbers by which the words after the next will be drawn.
    random: Vec<u64>,
}

impl Place<'_> {
    /// Goes to the next word, if need be of the next epoch. Returns false at the end.
    #[inline(always)]
    fn is_ready(&mut self, still: &Still) -> bool {
        self.next < self.kept.words.len() || self.next_epoch(still)
    }

    #[inline(never)]
    fn next_epoch(&mut self, still: &Still) -> bool {
        let longest = (still.window == Window::WholeSequence).then_some(LONGEST_WINDOW);
        while self.epoch < still.epochs {
            let words = self.words;
            self.kept.clear();
            self.kept.add(0, words, (&still.subsample, longest), &mut self.reading);
            // A document of nothing but frequent words is learnt all the same.
            if self.kept.words.is_empty() && self.epoch + 1 == still.epochs && !self.learnt {
                self.kept.words.extend_from_slice(words);
                self.kept.ends = vec![(words.len(), 0)];
            }
            let rate = |epoch: usize| self.schedule.rate_after((epoch * words.len()) as f64);
            let (first, last) = (rate(self.epoch), rate(self.epoch + 1));
            self.rate = [first, (last - first) / self.kept.words.len().max(1) as f32];
            (self.epoch, self.next, self.piece) = (self.epoch + 1, 0, 0);
            if !self.kept.words.is_empty() {
                self.learnt = true;
                return true;
            }
        }
        false
    }

    /// The piece of the document that the next word is in.
    #[inline(always)]
    fn bounds(&mut self) -> Range<usize> {
        while self.kept.ends[self.piece].0 <= self.next {
            self.piece += 1;
        }
        let begin = self.piece.checked_sub(1).map_or(0, |before| self.kept.ends[before].0);
        begin..self.kept.ends[self.piece].0
    }
}

impl<'a> Newcomers<'a> {
    /// Room for documents among words that stand still.
    pub(crate) fn new(still: &'a Still) -> Self {
        let rows = Tile::new(SIDE_BY_SIDE, still.output.dim());
        let room = SIDE_BY_SIDE * (still.negative + 1) + LINE;
        Self {
            still,
            means: rows.clone(),
            rows,
            noise: StillNoise::default(),
            around: Vec::new(),
            noise_at: Targets::default(),
            targets: Targets::default(),
            labels: vec![0.0; room],
            errors: vec![0.0; room],
            of_one: vec![0.0; still.negative + 1],
        }
    }

    /// The rows of up to [`SIDE_BY_SIDE`] documents. `begin` gives what a row begins with, by the
    /// seed of its document.
    pub(crate) fn learn<'d>(
        &mut self,
        documents: &[Newcomer<'d>],
        begin: impl Fn(u64, &mut [f32]),
    ) -> Vec<Vec<f32>> {
        let (still, dim) = (self.still, self.rows.dim());
        let place = |&document: &Newcomer<'d>| Place {
            words: document.words,
            schedule: Schedule::new(document.words.len(), still.epochs, still.lr, document.seed),
            reading: generator(document.seed),
            epoch: 0,
            kept: Kept::default(),
            next: 0,
            piece: 0,
            learnt: false,
            rate: [0.0; 2],
        };
        let mut places: Vec<Place> = documents.iter().map(place).collect();
        for (slot, document) in documents.iter().enumerate() {
            begin(document.seed, &mut self.rows.row_mut(slot)[..dim]);
        }
        dispatch!(still.level, simd => self.learn_by(simd, &mut places));
        (0..documents.len()).map(|slot| self.rows.row(slot)[..dim].to_vec()).collect()
    }

    #[inline(always)]
    fn learn_by<S: Simd>(&mut self, simd: S, places: &mut [Place]) {
        let mut random = generator(mix(self.still.seed));
        self.noise.begin(self.still, &mut random);
        let mut slots: Vec<usize> = (0..places.len()).collect();
        loop {
            slots.retain(|&slot| places[slot].is_ready(self.still));
            if slots.is_empty() {
                return;
            }
            self.step(simd, places, &slots);
            self.noise.prepare(self.still, &mut random);
        }
    }

    /// Each document's row, alone or with the words around, predicts its next word among noise.
    #[inline(always)]
    fn step<S: Simd>(&mut self, simd: S, places: &mut [Place], slots: &[usize]) {
        let Self { still, rows, means, noise, around, noise_at, targets, labels, errors, of_one } =
            self;
        let (output, n, k) = (&still.output, slots.len(), noise.now.len());
        let (mut inputs, mut own) = ([0; SIDE_BY_SIDE], [0; SIDE_BY_SIDE]);
        let (mut words, mut rates) = ([0; SIDE_BY_SIDE], [0.0; SIDE_BY_SIDE]);
        for (i, &slot) in slots.iter().enumerate() {
            let place = &mut places[slot];
            let (kept, next) = (&place.kept.words, place.next);
            (words[i], inputs[i]) = (kept[next], rows.at(slot));
            own[i] = output.at(words[i] as usize);
            rates[i] = place.rate[0] + place.rate[1] * next as f32;
            if let Some(&soon) = kept.get(next + 2) {
                ask(output, soon);
            }
            if let Some(input) = &still.input {
                if let Some(&soon) = kept.get(next + still.window.largest() + 1) {
                    ask(input, soon);
                }
                let (half, piece) = (still.window.draw(&mut place.reading), place.bounds());
                let window =
                    next.saturating_sub(half).max(piece.start)..piece.end.min(next + half + 1);
                around.clear();
                let beside = (window.start..next).chain(next + 1..window.end);
                around.extend(beside.map(|at| input.at(place.kept.words[at] as usize)));
                mean::mean_with(simd, input, around, (&*rows, slot), means);
                if still.gradient == CbowGradient::Corrected {
                    rates[i] /= (around.len() + 1) as f32;
                }
            }
            place.next += 1;
        }
        let x = if still.input.is_some() { &*means } else { &*rows };
        // Two at least: the errors of one are found in another way, which differs in the last bits.
        let (own, inputs) = (&own[..n.max(2)], if n == 1 { &[inputs[0]; 2] } else { &inputs[..n] });
        let n = inputs.len();
        noise_at.clear();
        noise_at.push_noise(noise.now.iter().map(|&word| output.at(word as usize)));
        for_blocks!(noise_at, |block, at, first| {
            let errors = &mut errors[at * n..][..block.len() * n + LINE];
            kernel::errors(simd, 1.0, labels, x, inputs, output, block, errors);
        });
        kernel::own_errors(simd, 1.0, x, inputs, output, own, &mut errors[k * n..][..n + LINE]);
        for (i, &slot) in slots.iter().enumerate() {
            targets.clear();
            targets.push(own[i], noise_at.places.iter().copied());
            // The errors of this document, in the order of its targets.
            of_one[0] = rates[i] * errors[k * n + i];
            for begin in (0..k).step_by(BLOCK) {
                let block = begin..(begin + BLOCK).min(k);
                let errors = &errors[begin * n + i * block.len()..];
                for (&error, j) in errors.iter().zip(block) {
                    // Noise that hits the true target is left out, as in word2vec.c.
                    of_one[1 + j] = if noise.now[j] == words[i] { 0.0 } else { rates[i] * error };
                }
            }
            for_blocks!(targets, |block, at, first| {
                let errors = of_one[at..].first_chunk().expect("an error a target");
                kernel::update_input(simd, rows, slot, output, block, errors);
            });
        }
    }
}

impl StillNoise {
    /// Draws the noise of the first steps.
    fn begin(&mut self, still: &Still, rng: &mut impl Rng) {
        for words in [&mut self.now, &mut self.next] {
            words.clear();
            words.extend((0..still.negative).map(|_| still.noise.word(rng.next_u64())));
        }
        self.random.clear();
        self.random.extend((0..still.negative).map(|_| rng.next_u64()));
    }

    /// Puts the words of the next step in `now`.
    #[inline(always)]
    fn prepare(&mut self, still: &Still, rng: &mut impl Rng) {
        std::mem::swap(&mut self.now, &mut self.next);
        for (next, random) in self.next.iter_mut().zip(&mut self.random) {
            *next = still.noise.word(*random);
            ask(&still.output, *next);
            *random = rng.next_u64();
            still.noise.prefetch(*random);
        }
    }
}

/// Asks for the row of a word that will be read soon.
#[inline(always)]
fn ask(rows: &Tile, word: u32) {
    rows.row(word as usize).as_chunks::<LINE>().0.iter().for_each(prefetch);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::level;

    const DIM: usize = 3;

    fn rows(n: usize, by: f32) -> Vec<f32> {
        (0..n * DIM).map(|i| by * ((i * 7 % 11) as f32 - 5.0)).collect()
    }

    /// A model of two words, of which the first is all noise.
    fn still(input: bool, gradient: CbowGradient) -> Still {
        let tile = |by| Tile::copy_of(&rows(2, by), DIM).unwrap();
        Still {
            input: input.then(|| tile(0.08)),
            output: tile(0.1),
            subsample: Subsample::new(&[1, 1], 0.0),
            noise: Noise::new(&[1, 0], 1.0),
            negative: 2,
            window: Window::Fixed(1),
            gradient,
            epochs: 4,
            lr: 0.5,
            seed: 1,
            level: level(None).unwrap(),
        }
    }

    fn learn(still: &Still, documents: &[&[u32]]) -> Vec<Vec<f32>> {
        let begin = |_, row: &mut [f32]| row.copy_from_slice(&[0.3, -0.2, 0.1]);
        let newcomer = |words| Newcomer { words, seed: 1 };
        let documents: Vec<Newcomer> = documents.iter().copied().map(newcomer).collect();
        Newcomers::new(still).learn(&documents, begin)
    }

    /// The same by the formulas, in plain f64 arithmetic.
    fn plain(words: &[u32], input: bool, corrected: bool, epochs: usize) -> Vec<f64> {
        let row = |word: u32, by: f32| -> Vec<f64> {
            rows(2, by)[word as usize * DIM..][..DIM].iter().map(|&x| f64::from(x)).collect()
        };
        let mut tag = vec![0.3, -0.2, 0.1];
        let all = (words.len() * epochs) as f64;
        for step in 0..words.len() * epochs {
            let at = step % words.len();
            // The rate falls in a line over each epoch, and not quite to 0 at the end.
            let after = |epoch: usize| 0.5 * (1.0 - (epoch * words.len()) as f64 / all).max(1e-4);
            let (first, last) = (after(step / words.len()), after(step / words.len() + 1));
            let rate = first + (last - first) * at as f64 / words.len() as f64;
            let beside = [at.checked_sub(1), Some(at + 1).filter(|&next| next < words.len())];
            let beside: Vec<usize> = beside.into_iter().flatten().filter(|_| input).collect();
            let mut mean = tag.clone();
            for &other in &beside {
                mean.iter_mut().zip(row(words[other], 0.08)).for_each(|(m, x)| *m += x);
            }
            let n = (beside.len() + 1) as f64;
            for m in &mut mean {
                *m /= n;
            }
            let share = if corrected { 1.0 / n } else { 1.0 };
            let noise = if words[at] == 0 { 0 } else { 2 };
            let mut change = vec![0.0; DIM];
            for (target, label) in
                std::iter::once((words[at], 1.0)).chain((0..noise).map(|_| (0, 0.0)))
            {
                let y = row(target, 0.1);
                let score: f64 = mean.iter().zip(&y).map(|(a, b)| a * b).sum();
                let error = label - 1.0 / (1.0 + (-score).exp());
                change.iter_mut().zip(&y).for_each(|(c, y)| *c += rate * share * error * y);
            }
            tag.iter_mut().zip(change).for_each(|(t, c)| *t += c);
        }
        tag
    }

    #[test]
    fn a_new_document_follows_the_formulas() {
        let words = [0, 1, 1, 0, 1];
        for (input, gradient) in [
            (false, CbowGradient::Undivided),
            (true, CbowGradient::Undivided),
            (true, CbowGradient::Corrected),
        ] {
            let still = still(input, gradient);
            let expected = plain(&words, input, gradient == CbowGradient::Corrected, still.epochs);
            let found = &learn(&still, &[&words])[0];
            for (a, b) in found.iter().zip(&expected) {
                assert!((f64::from(*a) - b).abs() < 1e-5, "{found:?} {expected:?}");
            }
        }
    }

    #[test]
    fn a_vector_does_not_depend_on_what_is_beside_it() {
        for input in [false, true] {
            let still = still(input, CbowGradient::Undivided);
            let documents: Vec<Vec<u32>> = (0..SIDE_BY_SIDE)
                .map(|n| (0..=n as u32 * 3).map(|at| at / 2 % 2).collect())
                .collect();
            let documents: Vec<&[u32]> = documents.iter().map(Vec::as_slice).collect();
            let alone: Vec<Vec<f32>> =
                documents.iter().map(|document| learn(&still, &[document]).remove(0)).collect();
            for n in 1..=SIDE_BY_SIDE {
                assert_eq!(learn(&still, &documents[..n]), alone[..n]);
                let last = SIDE_BY_SIDE - n;
                assert_eq!(learn(&still, &documents[last..]), alone[last..]);
            }
        }
    }
}
