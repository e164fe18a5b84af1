//! The file of metrics that a training leaves: lines of JSON.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use wordloom::{EpochLoss, Error, Progress, Result, replace};

use super::progress::say;
use super::show;

/// The time between two lines, where nothing else is a reason for one.
const EVERY: Duration = Duration::from_secs(10);

/// A file of metrics.
pub(super) struct Metrics {
    path: PathBuf,
    /// What is learnt in an epoch, and the name of that.
    tokens: u64,
    unit: &'static str,
    file: Option<File>,
    /// When the last line was written.
    last: Instant,
    /// Whether it can't be written.
    failed: bool,
}

impl Metrics {
    pub(super) fn new(path: &Path, (tokens, unit): (u64, &'static str)) -> Self {
        Self { path: path.into(), tokens, unit, file: None, last: Instant::now(), failed: false }
    }

    /// Whether the last line was written a while ago.
    pub(super) fn is_due(&self) -> bool {
        self.last.elapsed() >= EVERY
    }

    /// Writes a line: the `seconds` that training took, how much it learns in a second, and scores
    /// where there are new ones. A file that can't be written is told once, and training goes on.
    pub(super) fn line(
        &mut self,
        progress: &Progress,
        (seconds, speed): (f64, f64),
        scores: Option<Value>,
    ) {
        let epochs = progress.epochs();
        let Some(loss) = epochs.last().map(EpochLoss::mean) else { return };
        self.last = Instant::now();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let done = progress.done.load(Ordering::Relaxed);
        let mut line = json!({
            "time": now.as_secs_f64(),
            "seconds": show::rounded(seconds),
            "epoch": show::rounded(done as f64 / self.tokens.max(1) as f64),
            "loss": loss,
        });
        line[self.unit] = done.into();
        line[format!("{}_per_second", self.unit)] = speed.round().into();
        if progress.rate() > 0.0 {
            line["lr"] = show::json(progress.rate()).into();
        }
        if let Some(scores) = scores {
            line["scores"] = scores;
        }
        if !self.failed
            && let Err(error) = self.put(&format!("{line}\n"), progress.earlier().0)
        {
            self.failed = true;
            say(&format!("wordloom: no more metrics: {error}"));
        }
    }

    /// Writes `line` whole. The file is opened with the first line. A training that goes on after
    /// `before` words goes on with its file, from which later lines are removed.
    fn put(&mut self, line: &str, before: u64) -> Result<()> {
        if self.file.is_none() {
            let old = if before > 0 { std::fs::read_to_string(&self.path).ok() } else { None };
            let kept = |line: &&str| {
                let line: Value = serde_json::from_str(line).unwrap_or_default();
                line[self.unit].as_u64().is_some_and(|done| done <= before)
            };
            let old: String = old
                .iter()
                .flat_map(|old| old.lines())
                .filter(kept)
                .flat_map(|l| [l, "\n"])
                .collect();
            replace(&self.path, |out| {
                out.write_all(old.as_bytes()).map_err(Error::io(&self.path))
            })?;
            let file = File::options().append(true).open(&self.path);
            self.file = Some(file.map_err(Error::io(&self.path))?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(line.as_bytes()).map_err(Error::io(&self.path))
    }
}
