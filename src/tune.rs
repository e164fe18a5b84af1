//! Looks for settings by which vectors of items foretell best what comes next. What is neglected in
//! recipes matters most: the exponent of noise, epochs, subsampling and the window (Caselles-Dupré,
//! Lesaint & Royo-Letelier 2018, "Word2vec Applied to Recommendation: Hyperparameters Matter").
//!
//! Settings are drawn at random in turn with changes of the best so far. The best few are then
//! trained again with other seeds, and their mean decides, since the best of many scores is partly
//! luck.

use std::time::{Duration, Instant};

use rand::Rng;

use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::eval::{NextItems, Ranking};
use crate::progress::Progress;
use crate::random::{Generator, below, generator, mix};
use crate::train::{Recipe, WindowConfig, train};

/// The values of settings that are tried.
const WINDOWS: [usize; 5] = [1, 2, 3, 5, 10];
const EPOCHS: [usize; 6] = [3, 5, 10, 20, 40, 80];
const EXPONENTS: [f64; 8] = [-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0, 1.25];
const SUBSAMPLES: [f64; 4] = [0.0, 1e-3, 1e-4, 1e-5];
const NEGATIVES: [usize; 4] = [5, 10, 20, 40];
/// So many of the best are trained again, each with so many seeds in all.
const AGAIN: usize = 3;
const SEEDS: u64 = 3;
/// The share of the time in which settings are looked for.
const SEARCH: f64 = 0.7;
/// Settings that would take too long are drawn again, at most so many times.
const DRAWS: usize = 200;

/// How long settings are looked for.
#[derive(Clone, Copy, Debug)]
pub struct TuneOptions {
    /// The time for everything. The first settings are always tried to the end.
    pub budget: Duration,
    /// The most settings that are tried.
    pub trials: usize,
    /// The length of the lists whose gain is to be great.
    pub k: usize,
}

/// Settings that were tried.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The settings.
    pub config: WindowConfig,
    /// The mean gain (NDCG) of the answers in lists of `k`, for each seed.
    pub gains: Vec<f64>,
    /// The lists of the first seed.
    pub ranking: Ranking,
    /// Time that a training took, in seconds.
    pub seconds: f64,
}

impl Trial {
    /// The mean gain over seeds.
    pub fn gain(&self) -> f64 {
        self.gains.iter().sum::<f64>() / self.gains.len() as f64
    }
}

/// Looks for better settings than those of `begin`. Returns what was tried, the best first; what was
/// tried with more seeds is before all others. `tell` is given each trial as it is done.
///
/// # Errors
/// A wrong setting, too little text, a training that diverges from the first, or
/// [`Error::Stopped`].
pub fn tune(
    corpus: &Corpus,
    asked: &NextItems,
    begin: &WindowConfig,
    options: &TuneOptions,
    progress: &Progress,
    mut tell: impl FnMut(&Trial),
) -> Result<Vec<Trial>> {
    let start = Instant::now();
    let left =
        |share: f64| options.budget.mul_f64(share).saturating_sub(start.elapsed()).as_secs_f64();
    let mut rng = generator(mix(begin.seed));
    let mut trials: Vec<Trial> = Vec::new();
    let mut config = begin.clone();
    while trials.len() < options.trials {
        match attempt(corpus, asked, &config, options.k, progress) {
            Ok(trial) => {
                tell(&trial);
                trials.push(trial);
            }
            // Some settings are too bold.
            Err(Error::Diverged { .. }) if !trials.is_empty() => {}
            Err(error) => return Err(error),
        }
        let Some(next) = propose(&trials, begin, left(SEARCH), &mut rng) else { break };
        config = next;
    }
    trials.sort_by(|a, b| b.gain().total_cmp(&a.gain()));
    let mut again = 0;
    for at in 0..trials.len().min(AGAIN) {
        for seed in 1..SEEDS {
            if left(1.0) < trials[at].seconds {
                break;
            }
            let config = trials[at].config.clone();
            let config = WindowConfig { seed: config.seed.wrapping_add(seed), ..config };
            let trial = attempt(corpus, asked, &config, options.k, progress)?;
            trials[at].gains.extend(trial.gains);
        }
        again += usize::from(trials[at].gains.len() == SEEDS as usize);
    }
    trials[..again].sort_by(|a, b| b.gain().total_cmp(&a.gain()));
    Ok(trials)
}

/// Trains with some settings, and asks.
fn attempt(
    corpus: &Corpus,
    asked: &NextItems,
    config: &WindowConfig,
    k: usize,
    progress: &Progress,
) -> Result<Trial> {
    progress.check()?;
    let begin = Instant::now();
    let model = train(corpus, &Recipe::SkipGram(config.clone()), progress)?;
    let seconds = begin.elapsed().as_secs_f64();
    let ranking = asked.rank("item2vec".into(), &model)?;
    Ok(Trial { config: config.clone(), gains: vec![ranking.ndcg(k)], ranking, seconds })
}

/// The next settings to try: new ones, or the best with one or two settings changed. `None` when all
/// that is drawn was tried, or would take longer than what is `left` of the time.
fn propose(
    trials: &[Trial],
    begin: &WindowConfig,
    left: f64,
    rng: &mut Generator,
) -> Option<WindowConfig> {
    let best = trials.iter().max_by(|a, b| a.gain().total_cmp(&b.gain()))?;
    let rate = trials.iter().map(|trial| trial.seconds / work(&trial.config)).fold(0.0, f64::max);
    for _ in 0..DRAWS {
        let mut next = begin.clone();
        if trials.len() % 2 == 1 {
            (0..SETTINGS).for_each(|setting| change(&mut next, setting, None, rng));
        } else {
            next.clone_from(&best.config);
            for _ in 0..=below(rng, 2) {
                let (setting, up) = (below(rng, SETTINGS), rng.next_u64() & 1 == 1);
                change(&mut next, setting, Some(up), rng);
            }
        }
        let known = trials.iter().any(|trial| trial.config == next);
        if !known && rate * work(&next) <= left {
            return Some(next);
        }
    }
    None
}

/// What the time of a training is about in proportion to.
fn work(config: &WindowConfig) -> f64 {
    config.epochs as f64 * (config.window as f64 + 3.0) * (config.negative as f64 + 8.0)
}

/// The number of settings that are looked for.
const SETTINGS: usize = 5;

/// Sets one of the settings to any of its values, or to the next value up or down.
fn change(config: &mut WindowConfig, setting: usize, up: Option<bool>, rng: &mut Generator) {
    match setting {
        0 if config.whole_sequence => {}
        0 => config.window = pick(&WINDOWS, config.window, up, rng),
        1 => config.epochs = pick(&EPOCHS, config.epochs, up, rng),
        2 => config.noise_exponent = pick(&EXPONENTS, config.noise_exponent, up, rng),
        3 => {
            let now = config.subsample.unwrap_or(0.0);
            config.subsample = Some(pick(&SUBSAMPLES, now, up, rng));
        }
        _ => config.negative = pick(&NEGATIVES, config.negative, up, rng),
    }
}

/// Any of some values, or the one next to `now`.
fn pick<T: Copy + PartialOrd>(values: &[T], now: T, up: Option<bool>, rng: &mut Generator) -> T {
    let position = values.iter().position(|value| *value == now);
    let near = match up {
        None => return values[below(rng, values.len())],
        Some(true) => position.map(|at| (at + 1).min(values.len() - 1)),
        Some(false) => position.map(|at| at.saturating_sub(1)),
    };
    values[near.unwrap_or_else(|| below(rng, values.len()))]
}
