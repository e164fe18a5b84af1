//! What a training shows while it runs.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wordloom::eval::{Policy, Set, Unknown};
use wordloom::train::Span;
use wordloom::{Embeddings, EpochLoss, Progress, Result};

use super::metrics::Metrics;
use super::progress::{Display, say, watched};
use super::show;

/// How much there is to learn.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    /// Tokens in an epoch, or pairs of words.
    pub(crate) tokens: u64,
    pub(crate) epochs: usize,
    /// The name of what is learnt: words, or pairs.
    pub(crate) unit: &'static str,
    /// The limit of time, in place of a number of epochs.
    pub(crate) time: Option<Span>,
}

/// Sets that a model is scored on while it is trained, and the scores that nobody has shown yet.
pub(crate) struct Scores {
    sets: Vec<Set>,
    new: Mutex<Vec<Vec<Option<f64>>>>,
}

impl Scores {
    pub(crate) fn new(sets: Vec<Set>) -> Self {
        Self { sets, new: Mutex::default() }
    }

    /// The names of the sets.
    pub(crate) fn names(&self) -> Vec<String> {
        self.sets.iter().map(|set| set.name.clone()).collect()
    }

    /// Scores a model by the first measure of each set, and keeps the scores to be shown. Items with
    /// unknown words are left out.
    pub(crate) fn take(&self, model: &Embeddings) -> Vec<Option<f64>> {
        let policy = Policy { unknown: Unknown::Skip, ..Policy::default() };
        let score = |set: &Set| {
            let outcome = set.score(model, &policy);
            let value = outcome.measures.first().map(|measure| outcome.value(measure));
            value.filter(|value| value.is_finite())
        };
        let scores: Vec<Option<f64>> = self.sets.iter().map(score).collect();
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push(scores.clone());
        scores
    }

    /// The scores that came since the last call.
    fn news(&self) -> Vec<Vec<Option<f64>>> {
        std::mem::take(&mut *self.new.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Scores with their names, in a line.
    fn line(&self, scores: &[Option<f64>]) -> String {
        let one = |(set, score): (&Set, &Option<f64>)| {
            format!("{} {}", set.name, show::score(score.unwrap_or(f64::NAN)))
        };
        self.sets.iter().zip(scores).map(one).collect::<Vec<_>>().join("  ")
    }
}

/// A training that is shown.
pub(crate) struct Live<'a> {
    pub(crate) quiet: bool,
    pub(crate) work: Work,
    pub(crate) scores: Option<&'a Scores>,
    /// The file of metrics.
    pub(crate) metrics: Option<&'a Path>,
}

/// What was shown so far.
struct Shown<'a> {
    live: &'a Live<'a>,
    display: Display,
    begin: Instant,
    /// Epochs that were told.
    told: usize,
    /// Whether it was said that training goes on.
    going_on: bool,
    /// The last scores, in a line.
    last: String,
    metrics: Option<Metrics>,
}

impl Live<'_> {
    /// Runs `train` and shows how far it is.
    pub(crate) fn learning(
        &self,
        train: impl FnOnce(&Progress) -> Result<Embeddings> + Send,
    ) -> Result<Embeddings> {
        let display = Display::new(self.quiet);
        let progress = Progress::default();
        let Work { tokens, epochs, time, .. } = self.work;
        let length = time.map_or(tokens.saturating_mul(epochs as u64), |time| millis(time.0));
        let bar = display.bar(length, "{percent:>3} % {bar:14} {wide_msg}");
        let metrics = self.metrics.map(|path| Metrics::new(path, (tokens, self.work.unit)));
        let mut shown = Shown {
            live: self,
            display,
            begin: Instant::now(),
            told: 0,
            going_on: false,
            last: String::new(),
            metrics,
        };
        let result = watched(
            &progress.stop,
            || train(&progress),
            || {
                let lines = shown.look(&progress);
                if !lines.is_empty() {
                    bar.suspend(|| lines.iter().for_each(|line| say(line)));
                }
                if let Some(message) = shown.message(&progress) {
                    bar.set_message(message);
                }
                bar.set_position(shown.position(&progress));
            },
        );
        bar.finish_and_clear();
        shown.look(&progress).iter().for_each(|line| say(line));
        let now = shown.now(&progress);
        if let Some(metrics) = &mut shown.metrics {
            metrics.line(&progress, now, None);
        }
        result
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

impl Shown<'_> {
    /// Seconds that training took, those of earlier runs included.
    fn seconds(&self, progress: &Progress) -> f64 {
        progress.earlier().1 + self.begin.elapsed().as_secs_f64()
    }

    /// How many words a second are learnt in this run.
    fn speed(&self, progress: &Progress) -> f64 {
        let done = progress.done.load(Ordering::Relaxed).saturating_sub(progress.earlier().0);
        done as f64 / self.begin.elapsed().as_secs_f64().max(1e-9)
    }

    /// Seconds and speed, as metrics tell them.
    fn now(&self, progress: &Progress) -> (f64, f64) {
        (self.seconds(progress), self.speed(progress))
    }

    /// How far the bar is.
    fn position(&self, progress: &Progress) -> u64 {
        match self.live.work.time {
            Some(_) => (self.seconds(progress) * 1000.0) as u64,
            None => progress.done.load(Ordering::Relaxed),
        }
    }

    /// What there is to say of what has happened since the last look, in lines. The metrics of it are
    /// written.
    fn look(&mut self, progress: &Progress) -> Vec<String> {
        let Work { tokens, epochs, unit, time } = self.live.work;
        let notes = progress.take_notes();
        let mut lines: Vec<String> = notes.iter().map(|note| format!("wordloom: {note}")).collect();
        let (done, now) = (progress.epochs(), self.now(progress));
        let (earlier, _) = progress.earlier();
        if earlier > 0 && !std::mem::replace(&mut self.going_on, true) {
            self.told = done.iter().filter(|epoch| epoch.done >= tokens).count();
            if self.display != Display::Quiet {
                let epochs = earlier as f64 / tokens.max(1) as f64;
                lines.push(format!(
                    "training goes on from its checkpoint, after {epochs:.2} epochs"
                ));
            }
        }
        let whole = |epoch: &EpochLoss| epoch.done >= tokens;
        while done.get(self.told).is_some_and(whole) {
            let loss = done[self.told].mean();
            self.told += 1;
            if self.display == Display::Lines {
                let of = if time.is_some() { String::new() } else { format!(" of {epochs}") };
                let (loss, rate) = (show::loss(loss), show::short(self.speed(progress)));
                lines.push(format!("epoch {}{of}: loss {loss}, {rate} {unit}/s", self.told));
            }
            if let Some(metrics) = &mut self.metrics {
                metrics.line(progress, now, None);
            }
        }
        for scores in self.live.scores.map(Scores::news).unwrap_or_default() {
            let set = self.live.scores.expect("it has given scores");
            self.last = set.line(&scores);
            if self.display == Display::Lines {
                lines.push(format!("scores: {}", self.last));
            }
            if let Some(metrics) = &mut self.metrics {
                let named: serde_json::Map<String, Value> =
                    set.names().into_iter().zip(scores.iter().map(|x| json!(x))).collect();
                metrics.line(progress, now, Some(named.into()));
            }
        }
        if let Some(metrics) = self.metrics.as_mut().filter(|metrics| metrics.is_due()) {
            metrics.line(progress, now, None);
        }
        lines
    }

    /// The line that changes.
    fn message(&self, progress: &Progress) -> Option<String> {
        let Work { tokens, epochs, unit, time } = self.live.work;
        let begun = progress.epochs();
        let loss = show::loss(begun.last()?.mean());
        let (done, rate) = (progress.done.load(Ordering::Relaxed), self.speed(progress));
        let left = match time {
            Some(time) => (time.0.as_secs_f64() - self.seconds(progress)).max(0.0),
            None => {
                tokens.saturating_mul(epochs as u64).saturating_sub(done) as f64 / rate.max(1.0)
            }
        };
        let left = show::time(Duration::from_secs_f64(left.min(1e12)));
        let of = if time.is_some() { String::new() } else { format!("/{epochs}") };
        let (epoch, rate) = (begun.len(), show::short(rate));
        // A line of a terminal has no room for both.
        let how_well =
            if self.last.is_empty() { format!("loss {loss}") } else { self.last.clone() };
        Some(format!("epoch {epoch}{of}  {rate} {unit}/s  {left} left  {how_well}"))
    }
}
