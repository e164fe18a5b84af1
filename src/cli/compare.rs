//! `wordloom compare`: which method, and is the difference real?

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use wordloom::compare::report::Report;
use wordloom::compare::scores::{Difference, SetScores};
use wordloom::compare::{Asking, Comparison, Run, compare, group};
use wordloom::encode::Counting;
use wordloom::error::Error;
use wordloom::eval::{Policy, Set};
use wordloom::format;
use wordloom::mapped::{self, Beside};

use super::eval::{Drawing, percent, range};
use super::runs::Training;
use super::{progress, show};

const EXAMPLES: &str = "Examples:
  wordloom compare text.txt --methods skip-gram,cbow --sets sets/ --report out.html
  wordloom compare texts/ --methods skip-gram,cbow --settings native --runs 5 --sets sets/
  wordloom compare text.txt --methods skip-gram,cbow --seconds 60 --sets sets/
  wordloom compare a.safetensors b.vec c.bin --sets sets/       trained already

Trained models are kept in --keep DIR: a comparison that was stopped goes on where
it was. Models that differ in nothing but their seed are runs of one method.";

/// Compare methods on your text, or trained models: which is better, and is the difference real?
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "wordloom compare [OPTIONS] --sets <SETS> <TEXT>... --methods <NAMES>\n       wordloom compare [OPTIONS] --sets <SETS> <MODEL>...")]
pub(crate) struct Compare {
    #[command(flatten)]
    counting: Counting,
    /// Questions to score by: files or folders, as for `wordloom eval`. May be given several times
    #[arg(long, value_name = "SETS", required = true)]
    sets: Vec<PathBuf>,
    /// Write a page with tables, plots, neighbours and maps, to be opened in a browser
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// In JSON
    #[arg(long)]
    json: bool,
    /// Take each model for a method of its own, also where only the seed differs
    #[arg(long, conflicts_with = "methods")]
    apart: bool,
    #[command(flatten)]
    policy: Policy,
    #[command(flatten)]
    drawing: Drawing,
    #[command(flatten, next_help_heading = "Training")]
    training: Training,
}

/// Says what the inputs are here.
pub(crate) fn tidy(command: clap::Command) -> clap::Command {
    command.mut_subcommand("compare", |compare| {
        compare.mut_arg("inputs", |inputs| {
            inputs.value_name("TEXT|MODEL").help(
                "With --methods text to train on: files (plain, gzip, zstd) or directories. Else models",
            )
        })
    })
}

impl Compare {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // What can go wrong at once, before hours are spent.
        let sets = Set::read(&self.sets)?;
        if let Some(report) = &self.report {
            drop(Beside::new(report)?);
        }
        progress::listen();
        let contenders = if self.training.methods.is_empty() {
            group(self.models()?, self.apart)
        } else {
            self.training.contenders(&self.counting)?
        };
        let asking =
            Asking { policy: self.policy, draws: self.drawing.draws as usize, seed: self.drawing.draw_seed };
        let (comparison, lists, contenders) = compare(contenders, &sets, &asking)?;
        progress::stop_if_asked()?;
        if let Some(file) = &self.report {
            let page = Report::new(&comparison, &lists, &contenders);
            mapped::replace(file, |out| page.write(out).map_err(Error::io(file)))?;
            let size = show::size(std::fs::metadata(file).map_or(0, |about| about.len()));
            progress::say(&format!("report: {} ({size})", file.display()));
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_value(&comparison)?)?;
        } else {
            print(&mut out, &comparison)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The models that are named, in place of text.
    fn models(&self) -> anyhow::Result<Vec<Run>> {
        let plain = Counting { inputs: self.counting.inputs.clone(), ..Counting::default() };
        if serde_json::to_value(&plain)? != serde_json::to_value(&self.counting)? {
            let problem = "options for reading text are for training: name what to train by --methods";
            return Err(Error::Setting(problem.into()).into());
        }
        let run = |path: &PathBuf| {
            if path.is_dir() {
                let problem = "is a directory, not a model: name what to train on it by --methods";
                return Err(Error::input(path, problem));
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Ok(Run { name, model: format::read(path)?, peak_memory: None })
        };
        Ok(self.counting.inputs.iter().map(run).collect::<Result<_, _>>()?)
    }
}

/// The answer for a terminal.
fn print(out: &mut impl Write, all: &Comparison) -> std::io::Result<()> {
    let names: Vec<&str> = all.methods.iter().map(|method| &method.name[..]).collect();
    let words = show::number(all.words as u64);
    if all.cut {
        let own: Vec<String> = all.methods.iter().map(|m| show::number(m.words as u64)).collect();
        writeln!(
            out,
            "The vocabularies differ ({} words): compared on the {words} words that all have.",
            own.join(", ")
        )?;
    } else {
        writeln!(out, "{words} words, the same for all.")?;
    }
    let rows = all.sets.iter().map(|set| {
        let scores = &set.measures[0];
        let mut row = vec![set.name.clone(), scores.measure.into(), show::number(set.used as u64)];
        row.extend(scores.methods.iter().map(|score| {
            let spread = score.spread.map_or_else(String::new, |s| format!(" ±{}", percent(s)));
            format!("{}{spread} {}", percent(score.mean), range(score.interval))
        }));
        row
    });
    let head = [&["set", "measure", "items"][..], &names].concat();
    writeln!(out, "\nScores: mean of runs, ± standard deviation of runs, [95 % interval]")?;
    table(out, &head, rows)?;

    if all.methods.len() > 1 {
        writeln!(out, "\nDifferences (p corrected by Holm for all of them)")?;
        let rows = all.sets.iter().flat_map(|set| {
            set.differences.iter().map(|d| {
                let [a, b] = d.methods.map(|m| names[m]);
                let p = if d.corrected < 0.001 { "< 0.001".into() } else { format!("{:.3}", d.corrected) };
                let signed = format!("{:+.1}", 100.0 * d.difference);
                vec![
                    set.name.clone(),
                    format!("{a} - {b}"),
                    signed,
                    range(d.interval),
                    p,
                    verdict(set, d, &names),
                ]
            })
        });
        table(out, &["set", "of", "points", "95 %", "p", ""], rows)?;
    }

    writeln!(out, "\nCost of a run (median)")?;
    let rows = all.methods.iter().map(|method| {
        let median = |of: &dyn Fn(&wordloom::compare::Cost) -> Option<f64>| {
            let mut known: Vec<f64> = method.runs.iter().filter_map(of).collect();
            known.sort_by(f64::total_cmp);
            known.get(known.len() / 2).copied()
        };
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".into());
        vec![
            method.name.clone(),
            method.runs.len().to_string(),
            or_unknown(
                median(&|c| c.seconds).map(|s| show::time(Duration::from_secs_f64(s.clamp(0.0, 1e9)))),
            ),
            or_unknown(median(&|c| c.words_per_second).map(show::short)),
            or_unknown(
                median(&|c| c.peak_memory.map(|bytes| bytes as f64)).map(|bytes| show::size(bytes as u64)),
            ),
        ]
    });
    table(out, &["method", "runs", "time", "words/s", "peak memory"], rows)?;

    for curve in &all.curves {
        writeln!(out, "\nLearning of {} (whole trainings of so many epochs)", names[curve.method])?;
        let rows = curve.points.iter().enumerate().map(|(i, (epochs, seconds))| {
            let mut row =
                vec![epochs.to_string(), show::time(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))];
            row.extend(curve.sets.iter().map(|scores| percent(scores[i])));
            row
        });
        let sets: Vec<&str> = all.sets.iter().map(|set| &set.name[..]).collect();
        table(out, &[&["epochs", "time"][..], &sets].concat(), rows)?;
    }

    writeln!(
        out,
        "\nNeighbours in common, of {} (a method with itself: runs that differ in their seed)",
        all.neighbours.near
    )?;
    let methods = all.methods.len();
    let pairs: Vec<(usize, usize)> = (0..methods).flat_map(|a| (a..methods).map(move |b| (a, b))).collect();
    let rows = all.neighbours.bands.iter().map(|band| {
        let [first, last] = band.ranks.map(|rank| show::number(rank as u64));
        let mut row = vec![format!("{first} to {last}")];
        row.extend(
            pairs.iter().map(|&(a, b)| band.overlap[a][b].map_or("-".into(), |x| show::percent(x, 1.0))),
        );
        row
    });
    let heads: Vec<String> = pairs.iter().map(|&(a, b)| format!("{} | {}", names[a], names[b])).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    table(out, &[&["words"][..], &heads].concat(), rows)?;

    if methods > 1 {
        writeln!(out, "\nWords whose neighbours differ most")?;
        for differing in all.neighbours.differing.iter().take(8) {
            writeln!(out, "  {}", differing.word)?;
            for (name, near) in names.iter().zip(&differing.near) {
                let near: Vec<&str> = near.iter().take(6).map(String::as_str).collect();
                writeln!(out, "    {name}: {}", near.join(" "))?;
            }
        }
        writeln!(
            out,
            "\nWhat else differs{}",
            if all.confounds.is_empty() { ": nothing that is known" } else { "" }
        )?;
        let rows = all.confounds.iter().map(|confound| {
            let value = |value: &String| if value.is_empty() { "-".into() } else { value.clone() };
            std::iter::once(confound.setting.clone()).chain(confound.values.iter().map(value)).collect()
        });
        if !all.confounds.is_empty() {
            table(out, &[&["setting"][..], &names].concat(), rows)?;
        }
    }
    if all.methods.iter().any(|method| method.runs.len() < 2) {
        writeln!(
            out,
            "\nWith one run of a method, what another seed would change can't be told and is in no interval of it."
        )?;
    }
    Ok(())
}

/// What a difference says.
fn verdict(set: &SetScores, of: &Difference, names: &[&str]) -> String {
    let [a, b] = of.methods.map(|m| names[m]);
    match (of.detected, of.difference > 0.0) {
        (true, true) => format!("{a} is better"),
        (true, false) => format!("{b} is better"),
        _ if of.difference.is_nan() => format!("no score on {}", set.name),
        _ => format!("no difference detected (could find {})", percent(of.detectable)),
    }
}

/// Columns, as wide as they have to be; numbers stand to the right.
fn table(
    out: &mut impl Write,
    head: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> std::io::Result<()> {
    let rows: Vec<Vec<String>> =
        std::iter::once(head.iter().map(ToString::to_string).collect()).chain(rows).collect();
    let number = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c));
    for row in &rows {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            let width = rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
            let right = rows.iter().skip(1).all(|row| number(&row[i])) && i > 0;
            line += &if right { format!("  {cell:>width$}") } else { format!("  {cell:width$}") };
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
