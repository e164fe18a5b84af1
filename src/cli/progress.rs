//! Progress display and Ctrl-C. The library counts; this module polls its counters and draws them
//! on stderr.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use wordloom::{Embeddings, Error, Progress, Result, remove_unfinished};

use super::show;

/// The time between two looks at the counters.
const POLL: Duration = Duration::from_millis(100);

/// How long a blocked read gets to notice Ctrl-C.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether Ctrl-C was pressed.
static ASKED_TO_STOP: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C stop the running operation in good order. A second Ctrl-C ends the process at once.
pub(crate) fn listen() {
    // Without a handler the system ends the process, which is right too.
    let _ = ctrlc::set_handler(|| {
        if ASKED_TO_STOP.swap(true, Ordering::Relaxed) {
            end();
        }
    });
}

/// Removes unfinished files and ends the process at once.
fn end() -> ! {
    remove_unfinished();
    std::process::exit(130)
}

/// Fails with [`Error::Stopped`] if Ctrl-C was pressed.
pub(crate) fn stop_if_asked() -> Result<()> {
    if ASKED_TO_STOP.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
}

/// Writes a line to stderr, whether or not anyone reads it.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs `work` on another thread. Meanwhile it calls `look` every [`POLL`] and passes Ctrl-C on to
/// `stop`.
fn watched<T: Send>(
    stop: &AtomicBool,
    work: impl FnOnce() -> T + Send,
    mut look: impl FnMut(),
) -> T {
    std::thread::scope(|scope| {
        let (done, waiting) = channel();
        let worker = scope.spawn(move || {
            let result = work();
            let _ = done.send(());
            result
        });
        while waiting.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
            if ASKED_TO_STOP.load(Ordering::Relaxed) {
                stop.store(true, Ordering::Relaxed);
            }
            look();
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How progress is shown: in a line that changes, in a line for each epoch, or not at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Display {
    Live,
    Lines,
    Quiet,
}

impl Display {
    fn new(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Live,
            (false, false) => Self::Lines,
        }
    }

    /// A progress line that changes in place. It is hidden unless the display is live.
    fn bar(self, length: u64, template: &str) -> ProgressBar {
        let bar = if self == Self::Live { ProgressBar::new(length) } else { ProgressBar::hidden() };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.with_style(style.progress_chars("━╸─"))
    }
}

/// Runs `encode`, which counts in `reading`, and shows its progress.
pub(crate) fn counting<T: Send>(
    quiet: bool,
    reading: &Progress,
    encode: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let bar = Display::new(quiet).bar(0, "{spinner} reading  {wide_msg}");
    let (begin, mut asked) = (Instant::now(), None);
    let result = watched(&reading.stop, encode, || {
        if let Err(stopped) = stop_if_asked()
            && asked.get_or_insert_with(Instant::now).elapsed() > PATIENCE
        {
            say(&format!("wordloom: {stopped}"));
            end();
        }
        let (bytes, words) =
            (reading.done.load(Ordering::Relaxed), reading.words.load(Ordering::Relaxed));
        let rate = bytes as f64 / 1e6 / begin.elapsed().as_secs_f64();
        bar.set_message(format!(
            "{}, {} words, {rate:.0} MB/s",
            show::size(bytes),
            show::short(words as f64)
        ));
        bar.tick();
    });
    bar.finish_and_clear();
    result
}

/// Runs `count`, which counts co-occurrences, and shows its progress. The progress counter ends at
/// `size`.
pub(crate) fn cooccurrences<T: Send>(
    quiet: bool,
    size: u64,
    count: impl FnOnce(&Progress) -> Result<T> + Send,
) -> Result<T> {
    let bar =
        Display::new(quiet).bar(size, "{percent:>3} % {bar:14} counting what occurs together");
    let progress = Progress::default();
    let look = || bar.set_position(progress.done.load(Ordering::Relaxed));
    let result = watched(&progress.stop, || count(&progress), look);
    bar.finish_and_clear();
    result
}

/// Runs `train` and shows its progress. The work is `epochs` passes over `tokens` tokens, or over
/// other things, whose name is `unit`.
pub(crate) fn learning(
    quiet: bool,
    (tokens, epochs, unit): (u64, usize, &str),
    train: impl FnOnce(&Progress) -> Result<Embeddings> + Send,
) -> Result<Embeddings> {
    let display = Display::new(quiet);
    let progress = Progress::default();
    let total = tokens * epochs as u64;
    let bar = display.bar(total, "{percent:>3} % {bar:14} {wide_msg}");
    let (begin, mut told) = (Instant::now(), 0);
    let mut epochs_done = |progress: &Progress| {
        let done = progress.epochs();
        while display == Display::Lines && done.get(told).is_some_and(|epoch| epoch.done == tokens)
        {
            let rate = progress.done.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64();
            let (loss, rate) = (show::loss(done[told].mean()), show::short(rate));
            told += 1;
            say(&format!("epoch {told} of {epochs}: loss {loss}, {rate} {unit}/s"));
        }
        done
    };
    let result = watched(
        &progress.stop,
        || train(&progress),
        || {
            let epochs_begun = epochs_done(&progress);
            let done = progress.done.load(Ordering::Relaxed);
            if let Some(epoch) = epochs_begun.last() {
                let loss = show::loss(epoch.mean());
                let rate = done as f64 / begin.elapsed().as_secs_f64();
                let left = show::time(Duration::from_secs_f64(
                    (total - done.min(total)) as f64 / rate.max(1.0),
                ));
                let (epoch, rate) = (epochs_begun.len(), show::short(rate));
                bar.set_message(format!(
                    "epoch {epoch}/{epochs}  {rate} {unit}/s  loss {loss}  {left} left"
                ));
            }
            bar.set_position(done);
        },
    );
    bar.finish_and_clear();
    if result.is_ok() {
        epochs_done(&progress);
    }
    result
}
