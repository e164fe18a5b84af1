//! `wordloom tune`: looks for settings that suit some sessions.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use wordloom::corpus::cache;
use wordloom::eval::{NextItems, NextOptions};
use wordloom::query::Scoring;
use wordloom::sessions::SessionOptions;
use wordloom::train::{Recipe, Span, WindowConfig};
use wordloom::tune::{Trial, TuneOptions, tune};
use wordloom::{Error, Progress, replace, train};

use super::progress::{self, OnSignal, say};
use super::show::{self, range, score};
use super::{note, outputs};

const EXAMPLES: &str = "Examples:
  wordloom tune item2vec sessions.txt
  wordloom tune item2vec sessions.txt --budget 1h -o best.json
  wordloom train --recipe best.json -o items.safetensors       with the best settings

The last items of sessions (--hold-out) are not looked at, so that they can tell afterwards how
good the settings are. The item before them is what each trial is asked for.";

/// The most trials that are listed.
const LISTED: usize = 10;
/// Bootstrap draws of sessions.
const DRAWS: usize = 10_000;

/// Look for settings that suit your sessions
#[derive(clap::Args)]
#[command(subcommand_value_name = "METHOD", subcommand_help_heading = "Methods")]
pub(crate) struct Tune {
    #[command(subcommand)]
    method: Method,
}

#[derive(clap::Subcommand)]
enum Method {
    /// Settings of `train item2vec`: the window, epochs, the exponent of noise, subsampling and the
    /// number of noise items
    #[command(after_help = EXAMPLES)]
    Item2vec(Box<TuneItems>),
}

#[derive(clap::Args)]
struct TuneItems {
    #[command(flatten, next_help_heading = "Sessions")]
    sessions: SessionOptions,
    /// Where to write the best settings, for `train --recipe`
    #[arg(short, long, value_name = "RECIPE", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Print all that was tried as JSON
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Show neither progress nor trials as they are done
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
    /// The time for everything
    #[arg(long, value_name = "TIME", default_value = "10m", help_heading = "Trials")]
    budget: Span,
    /// The most settings that are tried
    #[arg(long, value_name = "N", default_value_t = 1000, help_heading = "Trials", value_parser = clap::value_parser!(u64).range(1..))]
    trials: u64,
    /// The length of the lists whose gain (NDCG) is to be great
    #[arg(short, value_name = "N", default_value_t = 10, help_heading = "Trials")]
    k: usize,
    /// By which vectors items are scored
    #[arg(long, value_enum, value_name = "HOW", default_value_t, help_heading = "Trials")]
    score: Scoring,
    #[command(flatten, next_help_heading = "Settings to begin with")]
    config: WindowConfig,
}

impl Tune {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let Method::Item2vec(items) = self.method;
        items.run()
    }
}

impl TuneItems {
    fn run(mut self: Box<Self>) -> anyhow::Result<ExitCode> {
        self.sessions.check()?;
        Recipe::SkipGram(self.config.clone()).check()?;
        if self.config.time.is_some() {
            let problem = "has no place here: the number of epochs is looked for, within `budget`";
            return Err(Error::Setting { name: "time", problem: problem.into() }.into());
        }
        if self.k == 0 {
            return Err(Error::Setting { name: "k", problem: "must be at least 1".into() }.into());
        }
        let outputs: Vec<&Path> = self.output.as_deref().into_iter().collect();
        outputs::check(&outputs, &self.sessions.inputs)?;
        progress::listen(OnSignal::Stop);
        // What is held out for the test is not looked at, and one item more is asked for.
        let kept = self.sessions.hold_out;
        self.sessions.hold_out = kept + 1;
        let reading = Progress::default();
        let read = || self.sessions.layout.read(&self.sessions.inputs, &reading);
        let sessions = progress::counting(self.quiet, &reading, read)?;
        let options = NextOptions {
            hold_out: kept + 1,
            skip: kept,
            after: None,
            k: self.k,
            exclude_seen: false,
            scoring: self.score,
        };
        let asked = NextItems::new(&sessions, options)?;
        let pool = train::pool(self.config.threads)?;
        let make = || pool.install(|| cache::once(&self.sessions, &cache::directory(), &reading));
        let corpus = progress::counting(self.quiet, &reading, make)?;
        note(&corpus.notes);
        if !self.quiet {
            let (sessions, items) =
                (show::number(asked.len() as u64), show::number(asked.items() as u64));
            say(&format!("{sessions} sessions are asked for one item among {items}"));
        }
        let budget = self.budget.0;
        let options = TuneOptions { budget, trials: self.trials as usize, k: self.k };
        let (mut done, mut best) = (0, 0.0f64);
        let tell = |trial: &Trial| {
            done += 1;
            let better = trial.gain() > best;
            best = trial.gain().max(best);
            if !self.quiet {
                let mark = if better { " (best)" } else { "" };
                say(&format!(
                    "{done:>4}  NDCG@{} {}{mark}  {}",
                    self.k,
                    score(trial.gain()),
                    settings(&trial.config)
                ));
            }
        };
        let trials = progress::until_asked(|progress| {
            tune(&corpus, &asked, &self.config, &options, progress, tell)
        })?;
        self.sessions.hold_out = kept;
        self.report(&asked, &trials)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Says which settings are the best, and writes them.
    fn report(&self, asked: &NextItems, trials: &[Trial]) -> anyhow::Result<()> {
        let recipe = json!({
            "method": "skip-gram", "settings": trials[0].config,
            "text": { "sessions": self.sessions.describe() },
        });
        if let Some(path) = &self.output {
            let json = serde_json::to_vec_pretty(&recipe)?;
            replace(path, |out| out.write_all(&json).map_err(Error::io(path)))?;
        }
        let begin = trials.iter().find(|trial| trial.config == self.config);
        let rankings: Vec<_> =
            trials[..1].iter().chain(begin).map(|trial| trial.ranking.clone()).collect();
        let (scores, better) = asked.scores(&rankings, 1, (DRAWS, 1));
        let better = better.first().and_then(|row| row.first());
        let mut out = std::io::stdout().lock();
        if self.json {
            let trial = |trial: &Trial| {
                json!({
                    "settings": trial.config, "ndcg": show::rounded(trial.gain()),
                    "seeds": trial.gains.len(), "hit_rate": show::rounded(trial.ranking.hit_rate(self.k)),
                    "seconds": show::rounded(trial.seconds),
                })
            };
            let all = json!({
                "sessions": asked.len(), "items": asked.items(), "k": self.k, "recipe": recipe,
                "better_than_first": better, "trials": trials.iter().map(trial).collect::<Vec<_>>(),
            });
            writeln!(out, "{all}")?;
            return Ok(());
        }
        let k = self.k;
        writeln!(out, "NDCG@{k:<4} HR@{k:<4} seeds  seconds  settings")?;
        for trial in trials.iter().take(LISTED) {
            writeln!(
                out,
                "{:>8} {:>7} {:>6} {:>8.1}  {}",
                score(trial.gain()),
                score(trial.ranking.hit_rate(k)),
                trial.gains.len(),
                trial.seconds,
                settings(&trial.config)
            )?;
        }
        let tried = show::counted(trials.len() as u64, "setting was", "settings were");
        writeln!(
            out,
            "{tried} tried. The hit rate of the best is {} {}",
            score(scores[0].hit_rate.score),
            range(scores[0].hit_rate.interval)
        )?;
        match better.filter(|_| trials[0].config != self.config) {
            Some(better) => {
                let (by, p) = (&better.difference, better.p);
                let signed = |x: f64| format!("{:+.1}", 100.0 * x);
                let real = if p < 0.05 { "" } else { ", which may be chance" };
                writeln!(
                    out,
                    "Its hit rate is {} [{}, {}] from that of the first settings (p = {p:.3}{real}).",
                    signed(by.score),
                    signed(by.interval[0]),
                    signed(by.interval[1])
                )?;
            }
            None => writeln!(out, "Nothing was better than the first settings.")?,
        }
        match &self.output {
            Some(path) => {
                let path = show::argument(path);
                writeln!(out, "next: wordloom train --recipe {path} -o items.safetensors")?;
            }
            None => {
                writeln!(out, "next: wordloom train item2vec{}", self.command(&trials[0].config))?;
            }
        }
        Ok(())
    }

    /// The options of the best settings.
    fn command(&self, config: &WindowConfig) -> String {
        let inputs: Vec<String> =
            self.sessions.inputs.iter().map(|input| show::argument(input)).collect();
        format!(
            " {} -o items.safetensors --window {} --epochs {} --noise-exponent {} --subsample {} --negative {}",
            inputs.join(" "),
            config.window,
            config.epochs,
            config.noise_exponent,
            config.subsample.unwrap_or(0.0),
            config.negative
        )
    }
}

/// The settings that are looked for.
fn settings(config: &WindowConfig) -> String {
    let WindowConfig { window, epochs, noise_exponent, subsample, negative, .. } = config;
    let subsample = subsample.unwrap_or(0.0);
    format!(
        "window {window}, epochs {epochs}, noise exponent {noise_exponent}, subsample {subsample}, \
         negative {negative}"
    )
}

/// Gives the settings to begin with the defaults of `train item2vec`.
pub(crate) fn adapt_help(command: clap::Command) -> clap::Command {
    command.mut_subcommand("tune", |tune| {
        tune.mut_subcommand("item2vec", |method| {
            super::train::for_items(method).mut_arg("time", |time| time.hide(true))
        })
    })
}
