//! What is learnt when: epochs, chunks of tokens, the learning rate, seeds, progress. Knows no words.
//!
//! Chunks are a property of the corpus, not of the machine, and rates and random numbers follow from (seed, epoch,
//! chunk): the same examples are drawn whatever the number of threads, and one thread repeats itself bit by bit.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// The learning rate falls in a line to this share of its beginning.
const LAST_RATE: f64 = 1e-4;

/// The plan of a training.
#[derive(Clone, Debug)]
pub struct Schedule {
    tokens: usize,
    chunk: usize,
    lanes: usize,
    epochs: usize,
    rate: f32,
    seed: u64,
}

/// A piece of work: some tokens in one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// From 0.
    pub epoch: usize,
    /// Positions in the corpus.
    pub tokens: Range<usize>,
    /// The learning rate at the first token, and just beyond the last.
    pub rate: Range<f32>,
    seed: u64,
}

impl Schedule {
    /// A plan for `epochs` passes over `tokens` tokens with a learning rate that begins at `rate`.
    pub fn new(tokens: usize, epochs: usize, rate: f32, seed: u64) -> Self {
        Self { tokens, chunk: (tokens / 64).clamp(2048, 32_768), lanes: 1, epochs, rate, seed }
    }

    /// The same in chunks of `chunk` tokens, taken in turn from each of `lanes` equal stretches of the corpus. A text keeps to
    /// its topic, and its words, for a while: chunks that are learnt at the same time then have little in common.
    #[must_use]
    pub fn in_lanes(self, lanes: usize, chunk: usize) -> Self {
        Self { chunk, lanes, ..self }
    }

    /// The learning rate at the beginning.
    pub fn first_rate(&self) -> f32 {
        self.rate
    }

    /// Tokens in a chunk; the last of a lane may have fewer.
    pub fn chunk_size(&self) -> usize {
        self.chunk
    }

    /// Chunks in an epoch.
    pub fn chunks(&self) -> usize {
        self.stretch().div_ceil(self.chunk) * self.lanes
    }

    /// Tokens in a lane; the last may have fewer.
    fn stretch(&self) -> usize {
        self.tokens.div_ceil(self.lanes)
    }

    /// Piece `index` of the work, or `None` beyond the end.
    pub fn chunk(&self, index: usize) -> Option<Chunk> {
        let (epoch, chunk) = (index / self.chunks().max(1), index % self.chunks().max(1));
        if epoch >= self.epochs || self.tokens == 0 {
            return None;
        }
        let (lane, turn) = (chunk % self.lanes, chunk / self.lanes);
        let place = |turn: usize| (turn * self.chunk).min(self.stretch());
        let token = |turn: usize| (lane * self.stretch() + place(turn)).min(self.tokens);
        let tokens = token(turn)..token(turn + 1);
        let whole = self.tokens as f64 * self.epochs as f64;
        let rate = |turn: usize| {
            let before = (place(turn) * self.lanes).min(self.tokens);
            let done = (epoch as f64 * self.tokens as f64 + before as f64) / whole;
            (f64::from(self.rate) * (1.0 - done).max(LAST_RATE)) as f32
        };
        let seed = mix(self.seed ^ mix(epoch as u64 ^ mix(chunk as u64)));
        Some(Chunk { epoch, rate: rate(turn)..rate(turn + 1), tokens, seed })
    }
}

impl Chunk {
    /// One generator for reading (windows, subsampling) and one for noise, so that they are not correlated.
    pub fn generators(&self) -> (Xoshiro256PlusPlus, Xoshiro256PlusPlus) {
        (Xoshiro256PlusPlus::seed_from_u64(self.seed), Xoshiro256PlusPlus::seed_from_u64(mix(!self.seed)))
    }
}

/// Spreads what differs in a few bits of `x` over all bits (the finaliser of `SplitMix64`, Steele et al. 2014).
pub fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// How far training is; polled from outside.
#[derive(Debug, Default)]
pub struct Progress {
    /// Tokens learnt, over all epochs; with GloVe, pairs of words.
    pub tokens: AtomicU64,
    /// Set it to stop.
    pub stop: AtomicBool,
    begun: AtomicUsize,
    /// Sum of losses, pairs that it was taken over, and tokens learnt, for each epoch.
    epochs: Mutex<Vec<(f64, u64, u64)>>,
}

impl Progress {
    /// The next piece of work; `None` when there is none, or when asked to stop.
    pub fn next(&self, schedule: &Schedule) -> Option<Chunk> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        schedule.chunk(self.begun.fetch_add(1, Ordering::Relaxed))
    }

    /// Notes a finished piece of work.
    pub fn done(&self, chunk: &Chunk, loss: f64, pairs: u64) {
        self.learnt(chunk.epoch, chunk.tokens.len() as u64, loss, pairs);
    }

    /// Notes `tokens` tokens learnt in an epoch, or what a method goes through in place of tokens.
    pub fn learnt(&self, epoch: usize, tokens: u64, loss: f64, pairs: u64) {
        let mut epochs = self.epochs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if epochs.len() <= epoch {
            epochs.resize(epoch + 1, (0.0, 0, 0));
        }
        let epoch = &mut epochs[epoch];
        epoch.0 += loss;
        epoch.1 += pairs;
        epoch.2 += tokens;
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
    }

    /// Mean loss of a pair of input and target (sampled), and tokens learnt, for each epoch begun.
    pub fn epochs(&self) -> Vec<(f64, u64)> {
        let epochs = self.epochs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        epochs.iter().map(|&(loss, pairs, tokens)| (loss / pairs.max(1) as f64, tokens)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_each_epoch_once_and_rates_fall_in_a_line() {
        for tokens in [1, 2047, 2048, 5000, 1_000_000] {
            let schedule = Schedule::new(tokens, 3, 0.5, 1);
            let chunks: Vec<Chunk> = (0..).map_while(|i| schedule.chunk(i)).collect();
            for epoch in 0..3 {
                let mut next = 0;
                for chunk in chunks.iter().filter(|c| c.epoch == epoch) {
                    assert_eq!(chunk.tokens.start, next);
                    next = chunk.tokens.end;
                }
                assert_eq!(next, tokens);
            }
            assert!((chunks[0].rate.start - 0.5).abs() < 1e-6);
            assert!(chunks.windows(2).all(|w| (w[0].rate.end - w[1].rate.start).abs() < 1e-6));
            let middle = chunks.iter().find(|c| c.epoch == 1).unwrap();
            assert!((middle.rate.start - 0.5 * 2.0 / 3.0).abs() < 1e-6);
            assert!((chunks.last().unwrap().rate.end - 0.5e-4).abs() < 1e-6);
        }
        assert_eq!(Schedule::new(0, 3, 0.5, 1).chunk(0), None);
    }

    #[test]
    fn lanes_cover_each_epoch_once_and_rates_fall() {
        for tokens in [1, 7, 64, 5000, 100_001] {
            for chunk in [16, 100, 512] {
                let schedule = Schedule::new(tokens, 2, 0.5, 1).in_lanes(8, chunk);
                let chunks: Vec<Chunk> = (0..).map_while(|i| schedule.chunk(i)).collect();
                assert_eq!(chunks.len(), 2 * schedule.chunks());
                assert_eq!(chunks.len() % 8, 0);
                for epoch in 0..2 {
                    let mut met = vec![0; tokens];
                    for chunk in chunks.iter().filter(|c| c.epoch == epoch) {
                        chunk.tokens.clone().for_each(|token| met[token] += 1);
                    }
                    assert!(met.iter().all(|n| *n == 1), "{tokens} tokens by {chunk}");
                }
                // All lanes are at the same place of the plan.
                assert!(chunks.chunks(8).all(|step| step.iter().all(|c| c.rate == step[0].rate)));
                assert!(chunks.windows(2).all(|w| w[1].rate.start <= w[0].rate.start));
                assert!(chunks.iter().all(|c| c.rate.end <= c.rate.start && c.rate.end > 0.0));
            }
        }
    }

    #[test]
    fn seeds_differ_between_chunks_epochs_and_seeds() {
        let draws = |seed: u64| {
            let schedule = Schedule::new(100_000, 2, 0.5, seed);
            (0..).map_while(|i| schedule.chunk(i)).map(|c| c.seed).collect::<Vec<_>>()
        };
        let mut all = [draws(1), draws(2)].concat();
        let n = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
