//! Training: from an encoded corpus to input and output vectors.

pub mod glove;
pub mod hogwild;
pub mod negative;
pub mod objective;
pub mod pairs;
pub mod resident;
pub mod ring;
pub mod schedule;
pub mod subsample;
pub mod window;

use std::time::Instant;

use fearless_simd::{Level, Simd, dispatch};
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

use self::hogwild::Shared;
use self::negative::Noise;
pub use self::objective::CbowGradient;
use self::objective::{Cbow, Loss, Objective, SkipGram};
pub use self::schedule::Progress;
use self::schedule::{Chunk, Schedule, mix};
use self::subsample::Subsample;
use self::window::{Direction, Learner, Window};
use crate::corpus::Corpus;
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::kernel::LINE;
use crate::mapped::Mapped;
use crate::subword::{Ngrams, Rows, Subwords};

/// How far from 0 input vectors begin: their length is about 0.46 for any `dim`. word2vec.c begins with ±1/(2 dim), 16 times
/// less at dim 100, and learns less from the same text (`docs/design/0008-beginning.md`).
const SPREAD: f32 = 0.8;

/// Which words predict which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Each word of a window predicts its centre.
    SkipGram,
    /// The mean of a window predicts its centre.
    Cbow,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::SkipGram => "skip-gram",
            Self::Cbow => "cbow",
        })
    }
}

/// The lengths of n-grams, written `3..6`; both ends count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct NgramLengths {
    /// Characters in the shortest.
    pub min_n: usize,
    /// Characters in the longest; 0 for no n-grams.
    pub max_n: usize,
}

impl From<NgramLengths> for String {
    fn from(NgramLengths { min_n, max_n }: NgramLengths) -> Self {
        format!("{min_n}..{max_n}")
    }
}

impl TryFrom<String> for NgramLengths {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for NgramLengths {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let ends = text.split_once("..").map_or((text, text), |(min_n, max_n)| (min_n, max_n));
        let number = |text: &str| text.trim_start_matches('=').parse();
        match (number(ends.0), number(ends.1)) {
            (Ok(min_n), Ok(max_n)) => Ok(Self { min_n, max_n }),
            _ => Err("give two numbers, as in 3..6".into()),
        }
    }
}

/// Settings of the window methods. The defaults are word2vec.c's, but for `subsample`, which is fastText's.
#[derive(Clone, Debug, PartialEq, clap::Args, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// Numbers in a vector
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub dim: usize,
    /// Words to each side of the centre; the width is drawn from 1..=N for each centre
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub window: usize,
    /// Always use the whole window
    #[arg(long, conflicts_with = "whole_sequence")]
    pub fixed_window: bool,
    /// Use the whole sentence as the window (for sets without order; sentences are cut at 1000 words)
    #[arg(long)]
    pub whole_sequence: bool,
    /// Noise words for each centre
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub negative: usize,
    /// Noise words are drawn from the counts to this power
    #[arg(long, value_name = "X", default_value_t = 0.75, allow_negative_numbers = true)]
    pub noise_exponent: f64,
    /// Thin out words that make up more than about this share of the text; 0 keeps all
    #[arg(long, value_name = "X", default_value_t = 1e-4, allow_negative_numbers = true)]
    pub subsample: f64,
    /// Also learn character n-grams of MIN to MAX characters, as fastText does: words share what they are made of, and
    /// unseen words get vectors (3..6 is usual; 0 learns none)
    #[arg(long, value_name = "MIN..MAX")]
    pub subwords: Option<NgramLengths>,
    /// Characters in the shortest n-grams, as fastText names it [default: 3 with --max-n]
    #[arg(long, value_name = "N", conflicts_with = "subwords")]
    pub min_n: Option<usize>,
    /// Characters in the longest n-grams [default: 6 with --min-n]
    #[arg(long, value_name = "N", conflicts_with = "subwords")]
    pub max_n: Option<usize>,
    /// Numbers that n-grams are hashed to; only those that occur take memory
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    pub buckets: u32,
    /// Passes over the corpus
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub epochs: usize,
    /// Learning rate at the beginning; it falls in a line to near 0 [default: 0.025, CBOW 0.05]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub lr: Option<f32>,
    /// How the words of a CBOW window share the error
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    pub cbow_gradient: CbowGradient,
    /// Learn weights for the positions around a centre, as the published cc.* vectors of fastText did
    #[arg(long, conflicts_with = "whole_sequence")]
    pub position_weights: bool,
    /// Threads [default: all processors]. Several threads make no two runs alike
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Seed of all random numbers; with one thread the same seed gives the same model
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dim: 100,
            window: 5,
            fixed_window: false,
            whole_sequence: false,
            negative: 5,
            noise_exponent: 0.75,
            subsample: 1e-4,
            subwords: None,
            min_n: None,
            max_n: None,
            buckets: 2_000_000,
            epochs: 5,
            lr: None,
            cbow_gradient: CbowGradient::default(),
            position_weights: false,
            threads: None,
            seed: 1,
        }
    }
}

impl Config {
    /// The learning rate that training begins with.
    pub fn rate(&self, method: Method) -> f32 {
        self.lr.unwrap_or(match method {
            Method::SkipGram => 0.025,
            Method::Cbow => 0.05,
        })
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into))
    }

    /// The n-grams to learn, if any.
    pub fn subwords(&self) -> Option<Subwords> {
        if (self.subwords, self.min_n, self.max_n) == (None, None, None) {
            return None;
        }
        let lengths = self.subwords.unwrap_or(NgramLengths { min_n: 3, max_n: 6 });
        let (min_n, max_n) = (self.min_n.unwrap_or(lengths.min_n), self.max_n.unwrap_or(lengths.max_n));
        (max_n > 0).then_some(Subwords { min_n, max_n, buckets: self.buckets })
    }

    fn window(&self) -> Window {
        match (self.whole_sequence, self.fixed_window) {
            (true, _) => Window::WholeSequence,
            (false, true) => Window::Fixed(self.window),
            (false, false) => Window::Dynamic(self.window),
        }
    }

    /// Whether training with these settings is possible.
    ///
    /// # Errors
    /// [`Error::Setting`], naming the option.
    pub fn check(&self) -> Result<()> {
        let wrong = |problem: &str| Err(Error::Setting(problem.into()));
        match () {
            () if self.dim == 0 || self.dim > 65_536 => wrong("--dim must be between 1 and 65536"),
            () if self.window == 0 => wrong("--window must be at least 1"),
            () if self.window >= window::LONGEST_WINDOW => {
                wrong("--window must be below 1000; --whole-sequence takes whole sentences")
            }
            () if self.negative > 1000 => wrong("--negative must be at most 1000"),
            () if self.negative == 0 => {
                wrong("--negative must be at least 1: without noise there is nothing to tell apart")
            }
            () if !self.noise_exponent.is_finite() => wrong("--noise-exponent must be a number"),
            () if !(0.0..=1.0).contains(&self.subsample) => wrong("--subsample must be between 0 and 1"),
            () if self.subwords().is_some_and(|s| s.min_n == 0 || s.min_n > s.max_n || s.max_n > 100) => {
                wrong("--subwords must be MIN..MAX with MIN from 1 to MAX, as in 3..6")
            }
            () if self.buckets == 0 => wrong("--buckets must be at least 1"),
            () if self.epochs == 0 => wrong("--epochs must be at least 1"),
            () if self.lr.is_some_and(|lr| !(lr > 0.0 && lr.is_finite())) => {
                wrong("--lr must be a number above 0")
            }
            () if self.threads == Some(0) => wrong("--threads must be at least 1"),
            () if self.threads() > 1024 => wrong("--threads must be at most 1024"),
            () => Ok(()),
        }
    }

    /// Bytes of memory that training on a vocabulary of `words` words takes, the mapped corpus left out; `bags` are their
    /// rows where n-grams are learnt.
    pub fn memory(&self, words: usize, bags: Option<&Rows>) -> u64 {
        let (words, dim, threads) = (words as u64, self.dim as u64, self.threads() as u64);
        let row = self.row_memory();
        let residents = 2 * (2 * self.window().largest() + 2 + negative::Pool::GROUPS * self.negative) as u64;
        // Input and output rows; tables of noise and subsampling; threads' copies; for n-grams their rows' numbers and
        // the words' composed vectors.
        let ngrams = bags.map_or(0, |bags| {
            bags.buckets.len() as u64 * (row + 4) + bags.uses() as u64 * 4 + words * (dim * 4 + 8)
        });
        2 * words * row + words * 12 + threads * residents * row + ngrams
    }

    /// Bytes of memory that a row takes.
    pub fn row_memory(&self) -> u64 {
        (self.dim as u64).next_multiple_of(LINE as u64) * 4
    }
}

/// Trains `method` on `corpus`. Watch and stop it by `progress`.
///
/// # Errors
/// An impossible setting, too little memory, a damaged corpus, a loss that is not finite, or [`Error::Stopped`].
pub fn train(corpus: &Corpus, method: Method, config: &Config, progress: &Progress) -> Result<Embeddings> {
    config.check()?;
    let begin = Instant::now();
    let memory = |e: std::io::Error| {
        Error::Setting(format!(
            "{} words x {} need more memory than there is ({e}): lower --dim or raise --min-count",
            corpus.vocab.len(),
            config.dim
        ))
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(config.threads()).build();
    let pool = pool.map_err(|e| Error::Setting(format!("--threads {}: {e}", config.threads())))?;
    let words = corpus.vocab.len();
    let bags = config.subwords().map(|subwords| Rows::new(&corpus.vocab, &subwords));
    let (input, output) = (
        Shared::new(bags.as_ref().map_or(words, Rows::total), config.dim).map_err(memory)?,
        Shared::new(words, config.dim).map_err(memory)?,
    );
    let positions = config.position_weights.then(|| Shared::new(2 * config.window, config.dim));
    let positions = positions.transpose().map_err(memory)?;
    let run = Run {
        corpus,
        config,
        schedule: Schedule::new(corpus.tokens().len(), config.epochs, config.rate(method), config.seed),
        subsample: Subsample::new(&corpus.vocab.counts, config.subsample),
        noise: Noise::new(&corpus.vocab.counts, config.noise_exponent),
        progress,
        direction: match (method, &bags) {
            (Method::SkipGram, Some(_)) => Direction::Outward,
            _ => Direction::Inward,
        },
        shared: (&input, bags.as_ref(), &output),
    };
    pool.install(|| {
        // N-grams begin as zeros: an unseen word is then made of what was learnt alone.
        initialise(&input, words, config.seed);
        if let Some(positions) = &positions {
            begin_with(positions, positions.rows(), |_| || 1.0);
        }
        match method {
            Method::SkipGram => run.threads(|| SkipGram),
            Method::Cbow => run.threads(|| Cbow::new(config.cbow_gradient, config.dim, positions.as_ref())),
        }
    })?;
    if progress.stop.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(Error::Stopped);
    }
    drop(run);
    let losses: Vec<f64> = progress.epochs().into_iter().map(|(loss, _)| loss).collect();
    let rows = |shared: Shared| -> Result<Mapped<f32>> {
        let length = shared.rows() * config.dim;
        let rows = Mapped::of_memory(shared.into_rows(), length).map_err(memory)?;
        let finite = pool.install(|| rows.par_iter().all(|x: &f32| x.is_finite()));
        let diverged = Error::Diverged { epoch: config.epochs, loss: f64::NAN, lr: config.rate(method) };
        if finite { Ok(rows) } else { Err(diverged) }
    };
    let (input, output) = (rows(input)?, rows(output)?);
    let positions = positions.map(rows).transpose()?;
    let (input, ngrams) = match (bags, config.subwords()) {
        (Some(bags), Some(subwords)) => {
            let composed = pool.install(|| compose(&input, &bags, words, config.dim));
            let rows = input.part(4 * words * config.dim..4 * input.len()).unwrap_or_else(|| [][..].into());
            let buckets = Some(bags.buckets.into());
            (composed.into(), Some(Ngrams { subwords, buckets, rows, pruned: false }))
        }
        _ => (input, None),
    };
    let provenance = Provenance::of(corpus, method, config, &losses, begin.elapsed());
    let model = Embeddings::new(corpus.vocab.clone(), config.dim, input, Some(output), provenance);
    Ok(model.with_ngrams(ngrams).with_positions(positions))
}

/// The vectors of `words` words: means of the rows of their bags.
fn compose(rows: &[f32], bags: &Rows, words: usize, dim: usize) -> Vec<f32> {
    let mut all = vec![0.0; words * dim];
    all.par_chunks_mut(dim).enumerate().for_each(|(word, to)| {
        let bag = bags.of(word as u32);
        for &row in bag {
            to.iter_mut().zip(&rows[row as usize * dim..][..dim]).for_each(|(to, x)| *to += x);
        }
        for x in to {
            *x /= bag.len() as f32;
        }
    });
    all
}

/// What the threads of one training share.
struct Run<'a> {
    corpus: &'a Corpus,
    config: &'a Config,
    schedule: Schedule,
    subsample: Subsample,
    noise: Noise,
    progress: &'a Progress,
    direction: Direction,
    shared: (&'a Shared, Option<&'a Rows>, &'a Shared),
}

impl Run<'_> {
    /// Works through all chunks on all threads of the current pool.
    fn threads<O: Objective>(&self, objective: impl Fn() -> O + Sync) -> Result<()> {
        let level = Level::new();
        let results = rayon::broadcast(|_| dispatch!(level, simd => self.thread(simd, objective())));
        results.into_iter().collect()
    }

    #[inline(always)]
    fn thread<S: Simd, O: Objective>(&self, simd: S, objective: O) -> Result<()> {
        let settings = (self.config.window(), self.direction, self.config.negative, objective);
        let mut learner = Learner::new(self.corpus, &self.subsample, &self.noise, settings, self.shared);
        while let Some(chunk) = self.progress.next(&self.schedule) {
            self.check(&chunk)?;
            let loss = simd.vectorize(
                #[inline(always)]
                || learner.learn(simd, &chunk),
            );
            self.note(&chunk, loss)?;
        }
        Ok(())
    }

    fn check(&self, chunk: &Chunk) -> Result<()> {
        let words = self.corpus.vocab.len();
        if self.corpus.tokens()[chunk.tokens.clone()].iter().all(|&token| (token as usize) < words) {
            return Ok(());
        }
        self.progress.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        Err(Error::format(
            &self.corpus.path,
            64 + 4 * chunk.tokens.start as u64,
            "a damaged encoded corpus: remove it",
        ))
    }

    fn note(&self, chunk: &Chunk, loss: Loss) -> Result<()> {
        if !loss.sum.is_finite() {
            self.progress.stop.store(true, std::sync::atomic::Ordering::Relaxed);
            return Err(Error::Diverged {
                epoch: chunk.epoch + 1,
                loss: loss.sum,
                lr: self.schedule.first_rate(),
            });
        }
        self.progress.done(chunk, loss.sum, loss.pairs);
        Ok(())
    }
}

/// The first `words` rows begin uniform in ±[`SPREAD`]/√dim; all others stay zeros.
fn initialise(input: &Shared, words: usize, seed: u64) {
    let spread = SPREAD / (input.dim() as f32).sqrt();
    begin_with(input, words, |word| {
        let mut rng = rand::rngs::Xoshiro256PlusPlus::seed_from_u64(mix(seed) ^ u64::from(word));
        move || spread * ((rng.next_u64() >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
    });
}

/// Sets each number of the first `rows` rows, which are zeros, to what the function of its row gives next.
fn begin_with<F: FnMut() -> f32>(shared: &Shared, rows: usize, number: impl Fn(u32) -> F + Sync) {
    let dim = shared.dim();
    (0..rows as u32).into_par_iter().for_each_init(
        || (vec![0.0; dim.next_multiple_of(LINE)], vec![0.0; dim.next_multiple_of(LINE)]),
        |(values, zeros), row| {
            values[..dim].fill_with(number(row));
            shared.add(&[row], values, zeros);
        },
    );
}
