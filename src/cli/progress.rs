//! Progress display, and being asked to stop. The library counts; this module polls its counters
//! and draws them on stderr.

use std::io::{IsTerminal, Write};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use wordloom::{Error, Progress, Result, remove_unfinished};

use super::show;

/// The time between two looks at the counters.
const POLL: Duration = Duration::from_millis(100);

/// How long a blocked read gets to notice that it is to stop.
const PATIENCE: Duration = Duration::from_secs(2);

/// The signal that asked to stop, or 0.
static STOPPED_BY: AtomicI32 = AtomicI32::new(0);

/// What a signal to stop does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSignal {
    /// The running operation stops in good order. A second signal ends the process at once.
    Stop,
    /// The process ends at once.
    End,
}

/// Makes Ctrl-C and the signals that ask to terminate or to hang up stop the running operation. A
/// signal that the process was started to ignore, as by `nohup`, stays ignored.
pub(crate) fn listen(on: OnSignal) {
    let caught = Arc::new(AtomicUsize::new(0));
    for signal in SIGNALS.into_iter().filter(|signal| !is_ignored(*signal)) {
        // Without a handler the system ends the process, which is right too.
        let _ = flag::register_usize(signal, Arc::clone(&caught), signal as usize);
    }
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(POLL / 2);
            let signal = caught.swap(0, Ordering::Relaxed) as i32;
            if signal != 0 && (stop(signal) || on == OnSignal::End) {
                end();
            }
        }
    });
}

#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// Whether the process ignores a signal. It is known on Linux only.
fn is_ignored(signal: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

/// Asks the running operation to stop, and returns whether it was asked before.
fn stop(signal: i32) -> bool {
    STOPPED_BY.swap(signal, Ordering::Relaxed) != 0
}

/// Stops the running operation when standard input ends, which it does when the process that holds
/// its other end dies.
pub(crate) fn stop_with_standard_input() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        stop(SIGTERM);
    });
}

/// The exit status that a shell expects of a process that a signal stopped.
pub(crate) fn exit_status() -> u8 {
    128 + STOPPED_BY.load(Ordering::Relaxed) as u8
}

/// Removes unfinished files and ends the process at once.
fn end() -> ! {
    remove_unfinished();
    std::process::exit(exit_status().into())
}

/// Whether the running operation was asked to stop.
fn asked_to_stop() -> bool {
    STOPPED_BY.load(Ordering::Relaxed) != 0
}

/// Fails with [`Error::Stopped`] if the running operation was asked to stop.
pub(crate) fn stop_if_asked() -> Result<()> {
    if asked_to_stop() { Err(Error::Stopped) } else { Ok(()) }
}

/// Writes a line to stderr, whether or not anyone reads it.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", show::shown(&show::shortened(line)));
}

/// Runs a child process to its end. `line` is written to its standard input, which is closed when
/// this process is asked to stop, or dies.
pub(crate) fn attended(command: &mut Command, line: &str) -> std::io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut input = child.stdin.take();
    if let Some(input) = &mut input {
        // A child that ends before it has read the line says itself why.
        let _ = writeln!(input, "{line}");
    }
    let unused = AtomicBool::new(false);
    watched(
        &unused,
        || child.wait_with_output(),
        || {
            if asked_to_stop() {
                input = None;
            }
        },
    )
}

/// Runs `work` on another thread. Meanwhile it calls `look` every [`POLL`] and sets `stop`
/// when the process was asked to stop.
pub(super) fn watched<T: Send>(
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
            if asked_to_stop() {
                stop.store(true, Ordering::Relaxed);
            }
            look();
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How progress is shown: in a line that changes, in a line for each epoch, or not at all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Display {
    Live,
    Lines,
    Quiet,
}

impl Display {
    pub(super) fn new(quiet: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Live,
            (false, false) => Self::Lines,
        }
    }

    /// A progress line that changes in place. It is hidden unless the display is live.
    pub(super) fn bar(self, length: u64, template: &str) -> ProgressBar {
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

/// Runs `work`, which counts `what` in the words of its progress, and shows how many there are.
pub(crate) fn tally<T: Send>(
    quiet: bool,
    what: &str,
    work: impl FnOnce(&Progress) -> Result<T> + Send,
) -> Result<T> {
    let bar = Display::new(quiet).bar(0, "{spinner} {wide_msg}");
    let progress = Progress::default();
    let look = || {
        let count = progress.words.load(Ordering::Relaxed);
        bar.set_message(format!("{} {what}", show::number(count)));
        bar.tick();
    };
    let result = watched(&progress.stop, || work(&progress), look);
    bar.finish_and_clear();
    result
}

/// Runs `work`, which shows itself what it does, until it ends or is asked to stop.
pub(crate) fn until_asked<T: Send>(work: impl FnOnce(&Progress) -> Result<T> + Send) -> Result<T> {
    let progress = Progress::default();
    watched(&progress.stop, || work(&progress), || {})
}

/// Runs `work`, which does `what`, and shows its progress. The counter `of` its progress ends at
/// `size`.
pub(crate) fn bar<T: Send>(
    quiet: bool,
    (size, what): (u64, &str),
    of: fn(&Progress) -> &AtomicU64,
    work: impl FnOnce(&Progress) -> Result<T> + Send,
) -> Result<T> {
    let bar = Display::new(quiet).bar(size, &format!("{{percent:>3}} % {{bar:14}} {what}"));
    let progress = Progress::default();
    let look = || bar.set_position(of(&progress).load(Ordering::Relaxed));
    let result = watched(&progress.stop, || work(&progress), look);
    bar.finish_and_clear();
    result
}

/// [`bar`] for the counting of `size` occurrences of words together.
pub(crate) fn cooccurrences<T: Send>(
    quiet: bool,
    size: u64,
    count: impl FnOnce(&Progress) -> Result<T> + Send,
) -> Result<T> {
    bar(quiet, (size, "counting what occurs together"), |progress| &progress.done, count)
}
