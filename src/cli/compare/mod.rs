//! `wordloom compare`: which method is better, and is the difference real?

mod print;
mod trainings;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use wordloom::compare::{About, CompareOptions, Grouping, Report, TrainedRun, compare, group};
use wordloom::corpus::{DocumentOptions, TextOptions, expand};
use wordloom::eval::{ColumnNames, Policy, Set, SetOptions, Sets};
use wordloom::tables::is_model;
use wordloom::{Error, format, replace, train};

use self::trainings::TrainingOptions;
use super::eval::{Drawing, how};
use super::progress::{self, OnSignal};
use super::{names_of, note, outputs, show};

const EXAMPLES: &str = "Examples:
  wordloom compare text.txt --methods skip-gram,cbow,glove,fasttext --sets sets/ --report out.html
  wordloom compare texts/ --methods skip-gram,cbow --settings native --runs 5 --sets sets/
  wordloom compare text.txt --methods skip-gram,cbow --seconds 60 --sets sets/
  wordloom compare a.safetensors b.vec c.bin --sets sets/       trained already
  wordloom compare a.vec b.vec c.vec --names old,new,new --sets sets/
  wordloom compare reviews.tsv --methods pv-dbow,pv-dm --sets labels.tsv    documents

Trained models are kept in --keep DIR: a comparison that was stopped goes on where
it was. Models that differ in nothing but their seed are runs of one method.";

/// Compare methods on your text, or trained models: which is better, and is the difference real?
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "wordloom compare [OPTIONS] --sets <SETS> <TEXT>... --methods <NAMES>\n       wordloom compare [OPTIONS] --sets <SETS> <MODEL>...")]
pub(crate) struct Compare {
    #[command(flatten)]
    text: TextOptions,
    /// Sets of questions to score by: files or folders, as for `wordloom eval`; may be given
    /// several times
    #[arg(long, value_name = "SETS", required = true)]
    sets: Vec<PathBuf>,
    /// Write a page with tables, plots, neighbours and maps, to open in a browser
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The columns of graded pairs in sets: two texts and their grade, by number or by name
    /// [default: found in each file]
    #[arg(long, value_name = "A,B,GRADE")]
    columns: Option<ColumnNames>,
    /// Which table of transformers: token, position, segment, or the name of a tensor; all models are
    /// then such
    #[arg(long, value_name = "TABLE", conflicts_with = "methods")]
    table: Option<String>,
    /// Treat each model as a method of its own, even if only the seed differs
    #[arg(long, conflicts_with = "methods")]
    apart: bool,
    /// Names for the models, in their order [default: by their methods, or else their files]. Models of
    /// the same name are runs of one method
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', conflicts_with_all = ["methods", "apart"])]
    names: Vec<String>,
    #[command(flatten)]
    policy: Policy,
    #[command(flatten)]
    drawing: Drawing,
    #[command(flatten, next_help_heading = "Training")]
    training: TrainingOptions,
    #[command(flatten, next_help_heading = "Documents")]
    documents: DocumentOptions,
}

/// Adapts the help of INPUT to `compare`.
pub(super) fn adapt_help(command: clap::Command) -> clap::Command {
    command.mut_subcommand("compare", |compare| {
        compare.mut_arg("inputs", |inputs| {
            inputs.value_name("TEXT|MODEL").help(
                "With --methods text to train on: files (plain, gzip, zstd) or directories. Else models",
            )
        })
    })
}

/// The command, the day and the machine.
fn about() -> About {
    let command = std::env::args_os().skip(1).map(|argument| show::argument(argument.as_ref()));
    let command = std::iter::once("wordloom".to_string()).chain(command);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or_else(|| std::env::consts::ARCH.into(), |(_, name)| name.to_string());
    let threads = show::counted(train::threads(None) as u64, "thread", "threads");
    About {
        command: command.collect::<Vec<_>>().join(" "),
        date: jiff::Timestamp::now().to_string()[..10].to_string(),
        machine: format!("{model}, {threads}, {}", train::simd_of_processor()),
    }
}

impl Compare {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        // Whatever can fail at once is checked before hours are spent.
        let options = SetOptions { columns: self.columns.clone(), strict: self.text.strict };
        let Sets { sets, left_out } = Set::read(&self.sets, &options)?;
        note(&left_out);
        if let Some(report) = &self.report {
            let mut inputs = [&self.sets[..], self.text.vocab_file.as_slice()].concat();
            inputs.extend(self.text.files()?);
            outputs::check(&[report], &expand(&inputs)?)?;
        }
        progress::listen(OnSignal::Stop);
        let contenders = if self.training.methods.is_empty() {
            group(self.models()?, self.grouping())
        } else {
            self.training.contenders(&self.text, &self.documents)?
        };
        let options = CompareOptions {
            policy: self.policy,
            draws: self.drawing.draws as usize,
            seed: self.drawing.draw_seed,
        };
        let compared = compare(contenders, &sets, &options)?;
        progress::stop_if_asked()?;
        if let Some(file) = &self.report {
            let page = Report::new(&compared, &about());
            replace(file, |out| page.write(out).map_err(Error::io(file)))?;
            let size = show::size(std::fs::metadata(file).map_or(0, |about| about.len()));
            progress::say(&format!("report: {} ({size})", file.display()));
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", show::plain(serde_json::to_value(&compared.comparison)?))?;
        } else {
            print::print(&mut out, &compared.comparison)?;
            writeln!(out)?;
            sets.iter().try_for_each(|set| how(&mut out, set))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn grouping(&self) -> Grouping {
        match (self.apart, self.names.is_empty()) {
            (true, _) => Grouping::Apart,
            (_, false) => Grouping::Names,
            _ => Grouping::Histories,
        }
    }

    /// The models that are named in place of text.
    fn models(&self) -> anyhow::Result<Vec<TrainedRun>> {
        let plain = TextOptions { inputs: self.text.inputs.clone(), ..TextOptions::default() };
        if plain != self.text || self.documents != DocumentOptions::default() {
            let problem =
                "options for reading text are for training: name what to train by --methods";
            return Err(Error::Refused(problem.into()).into());
        }
        let names = names_of(&self.text.inputs, &self.names)?;
        let run = |(path, name): (&PathBuf, String)| {
            if path.is_dir() && !is_model(path) {
                let problem = "is a directory, not a model: name what to train on it by --methods";
                return Err(Error::Input { path: path.clone(), problem: problem.into() });
            }
            let model = format::read_table(path, self.table.as_deref())?;
            note(&model.provenance.notes);
            Ok(TrainedRun { name, model, sparse: None })
        };
        Ok(self.text.inputs.iter().zip(names).map(run).collect::<Result<_, _>>()?)
    }
}
