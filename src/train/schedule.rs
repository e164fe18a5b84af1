//! What is learnt when: epochs, chunks of tokens, borders, the learning rate, seeds. It knows no
//! words.
//!
//! At a border all threads have joined and all that was learnt is in the matrices, so that training
//! can stop there, and go on in another process.
//!
//! Chunks are a property of the corpus, not of the machine, and rates and random numbers follow
//! from (seed, epoch, chunk). The same examples are drawn whatever the number of threads, and one
//! thread repeats itself bit by bit.

use std::ops::Range;

use crate::random::{Generator, generator, mix};
/// The learning rate falls in a line to this share of its beginning.
const LAST_RATE: f64 = 1e-4;
/// Lanes of a corpus that is learnt in supersteps, a logical worker for each. More threads than
/// these are of no use.
pub(crate) const LANES: usize = 8;
/// Tokens in a chunk of a lane. A step is worth its barriers and cuts few windows, and yet what
/// workers do not know of each other stays small, and what they change stays in the cache.
const LANE_CHUNK: usize = 512;
/// The same where words are bags of n-grams, which share rows and change more of them.
const LANE_CHUNK_OF_BAGS: usize = 128;
/// Supersteps from one border to the next. Noise words go back to the matrices at a border, so
/// borders belong to the plan: a training that was stopped and one that was not give the same bytes.
const STEPS: usize = 128;

/// The plan of a training.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    tokens: usize,
    chunk: usize,
    lanes: usize,
    epochs: usize,
    /// Tokens over all epochs, by which the learning rate falls.
    whole: f64,
    rate: f32,
    seed: u64,
}

/// Where a training can stop and go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Borders {
    /// Passes; `usize::MAX` where time is the limit.
    pub(crate) epochs: usize,
    /// Chunks in an epoch.
    pub(crate) chunks: usize,
    /// Chunks from one border to the next. The end of an epoch is a border too.
    pub(crate) stretch: usize,
}

impl Borders {
    /// The border that follows when the chunks before `next` are learnt; `None` at the end.
    pub(crate) fn after(&self, next: usize) -> Option<usize> {
        let Self { epochs, chunks, stretch } = *self;
        let (epoch, chunk) = (next.checked_div(chunks)?, next % chunks);
        (epoch < epochs).then(|| epoch * chunks + ((chunk / stretch + 1) * stretch).min(chunks))
    }

    /// The number of whole epochs before chunk `next`.
    pub(crate) fn epochs_before(&self, next: usize) -> usize {
        next / self.chunks.max(1)
    }

    /// Whether `next` is the first chunk of an epoch.
    pub(crate) fn is_between_epochs(&self, next: usize) -> bool {
        next.is_multiple_of(self.chunks.max(1))
    }
}

/// A piece of work: some tokens in one epoch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chunk {
    /// The epoch, from 0.
    pub(crate) epoch: usize,
    /// Positions in the corpus.
    pub(crate) tokens: Range<usize>,
    /// The learning rate at the first token, and just beyond the last.
    pub(crate) rate: Range<f32>,
    seed: u64,
}

impl Schedule {
    /// A plan for `epochs` passes over `tokens` tokens with a learning rate that begins at `rate`.
    pub(crate) fn new(tokens: usize, epochs: usize, rate: f32, seed: u64) -> Self {
        let (chunk, whole) = ((tokens / 64).clamp(2048, 32_768), tokens as f64 * epochs as f64);
        Self { tokens, chunk, lanes: 1, epochs, whole, rate, seed }
    }

    /// The same without a last epoch: time is the limit. [`Schedule::plan`] is to say, again and
    /// again, how much there is time for.
    #[must_use]
    pub(crate) fn endless(self) -> Self {
        Self { epochs: usize::MAX, whole: f64::INFINITY, ..self }
    }

    /// Plans to learn `whole` tokens, those that were learnt included.
    pub(crate) fn plan(&mut self, whole: f64) {
        self.whole = whole;
    }

    /// The same for supersteps: in short chunks, taken in turn from each of [`LANES`] equal
    /// stretches of the corpus. A text keeps to its topic, and its words, for a while: chunks that
    /// are learnt at the same time then have little in common. `bags` says whether words are bags
    /// of n-grams.
    #[must_use]
    pub(crate) fn in_lanes(self, bags: bool) -> Self {
        let chunk = if bags { LANE_CHUNK_OF_BAGS } else { LANE_CHUNK };
        Self { chunk, lanes: LANES, ..self }
    }

    /// The learning rate at the beginning.
    pub(crate) fn first_rate(&self) -> f32 {
        self.rate
    }

    /// Tokens in a chunk; the last of a lane may have fewer.
    pub(crate) fn chunk_size(&self) -> usize {
        self.chunk
    }

    /// The learning rate after so many tokens, over all epochs.
    pub(crate) fn rate_after(&self, tokens: f64) -> f32 {
        (f64::from(self.rate) * (1.0 - tokens / self.whole).max(LAST_RATE)) as f32
    }

    /// Chunks in an epoch.
    pub(crate) fn chunks(&self) -> usize {
        self.stretch().div_ceil(self.chunk) * self.lanes
    }

    /// Tokens in a lane; the last may have fewer.
    fn stretch(&self) -> usize {
        self.tokens.div_ceil(self.lanes)
    }

    /// Where training can stop and go on. Threads that race can do so after any chunk, and are asked
    /// to when there is a reason.
    pub(crate) fn borders(&self) -> Borders {
        let chunks = self.chunks();
        let stretch = if self.lanes > 1 { STEPS * self.lanes } else { chunks.max(1) };
        Borders { epochs: self.epochs, chunks, stretch }
    }

    /// Chunk `index` of the work, counted over all epochs, or `None` beyond the end.
    pub(crate) fn chunk(&self, index: usize) -> Option<Chunk> {
        let (epoch, chunk) = (index / self.chunks().max(1), index % self.chunks().max(1));
        if epoch >= self.epochs || self.tokens == 0 {
            return None;
        }
        let (lane, turn) = (chunk % self.lanes, chunk / self.lanes);
        let place = |turn: usize| (turn * self.chunk).min(self.stretch());
        let token = |turn: usize| (lane * self.stretch() + place(turn)).min(self.tokens);
        let tokens = token(turn)..token(turn + 1);
        let rate = |turn: usize| {
            let before = (place(turn) * self.lanes).min(self.tokens);
            self.rate_after(epoch as f64 * self.tokens as f64 + before as f64)
        };
        let seed = mix(self.seed ^ mix(epoch as u64 ^ mix(chunk as u64)));
        Some(Chunk { epoch, rate: rate(turn)..rate(turn + 1), tokens, seed })
    }
}

impl Chunk {
    /// A random number that does not depend on those of the generators.
    pub(crate) fn phase(&self) -> u64 {
        mix(self.seed.rotate_left(32))
    }

    /// One generator for reading (windows, subsampling) and one for noise, so that they are not
    /// correlated.
    pub(crate) fn generators(&self) -> (Generator, Generator) {
        (generator(self.seed), generator(mix(!self.seed)))
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
            assert_eq!(ends(&schedule), (1..=3).map(|n| n * chunks.len() / 3).collect::<Vec<_>>());
        }
        let empty = Schedule::new(0, 3, 0.5, 1);
        assert_eq!((empty.chunk(0), empty.borders().after(0)), (None, None));
    }

    /// All borders.
    fn ends(schedule: &Schedule) -> Vec<usize> {
        std::iter::successors(schedule.borders().after(0), |&end| schedule.borders().after(end))
            .collect()
    }

    #[test]
    fn borders_of_lanes_are_whole_steps_and_the_ends_of_epochs() {
        let schedule = Schedule::new(2_000_000, 2, 0.5, 1).in_lanes(false);
        let (ends, chunks) = (ends(&schedule), schedule.chunks());
        assert!(ends.len() > 6 && ends.is_sorted());
        assert!(ends.contains(&chunks) && ends.last() == Some(&(2 * chunks)));
        assert!(ends.iter().all(|end| end.is_multiple_of(LANES)));
        // Whoever stops between two borders goes on to the next.
        assert_eq!(schedule.borders().after(ends[0] + LANES), Some(ends[1]));
        let borders = schedule.borders();
        assert_eq!(borders.epochs_before(chunks - 1), 0);
        assert!(borders.is_between_epochs(chunks) && !borders.is_between_epochs(chunks + 1));
    }

    #[test]
    fn without_an_end_the_rate_follows_the_plan() {
        let mut schedule = Schedule::new(100_000, 3, 0.5, 1).endless();
        assert_eq!(schedule.chunk(0).unwrap().rate, 0.5..0.5);
        schedule.plan(1_000_000.0);
        let ninth = schedule.chunk(9 * schedule.chunks()).unwrap();
        assert!((ninth.rate.start - 0.05).abs() < 1e-6 && ninth.epoch == 9);
        assert!(schedule.borders().after(1000 * schedule.chunks()).is_some());
    }

    #[test]
    fn lanes_cover_each_epoch_once_and_rates_fall() {
        for tokens in [1, 7, 64, 5000, 100_001] {
            for chunk in [16, 100, 512] {
                let schedule =
                    Schedule { chunk, ..Schedule::new(tokens, 2, 0.5, 1).in_lanes(false) };
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
