//! `wordloom inspect`: the tensors of a transformer, and how many of its weights are embeddings.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use wordloom::Error;
use wordloom::tables::{Role, Roles, Weight, Weights, described};

use super::show;

const EXAMPLES: &str = "Examples:
  wordloom inspect all-MiniLM-L6-v2/
  wordloom inspect model.safetensors --tensors
  wordloom inspect --plan --vocab 50257 --dim 12288 --context 2048 --total 175e9
Then:
  wordloom similar all-MiniLM-L6-v2/ king                     the token matrix is a model
  wordloom similar all-MiniLM-L6-v2/ --table position 7       and so are the others

A token with the number i has row i of the token matrix, counted from 0, and a position i has
row i of the position matrix. Both vectors are added, and so are the numbers of weights of the
matrices, which are two different sums.";

/// Show the tensors of a transformer, and how many of its weights are embeddings
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Inspect {
    /// A safetensors file, or a folder with a model
    #[arg(value_name = "FILE|DIR", required_unless_present = "plan")]
    model: Option<PathBuf>,
    /// List all tensors
    #[arg(long, conflicts_with = "plan")]
    tensors: bool,
    /// Compute the sizes of tables without a file
    #[arg(long, conflicts_with = "model", requires_all = ["vocab", "dim"])]
    plan: bool,
    /// Tokens in the vocabulary
    #[arg(long, value_name = "N", requires = "plan", value_parser = whole)]
    vocab: Option<u64>,
    /// Dimension of the vectors
    #[arg(long, value_name = "N", requires = "plan", value_parser = whole)]
    dim: Option<u64>,
    /// Positions in the context; without them, positions are rotated and have no matrix
    #[arg(long, value_name = "N", requires = "plan", value_parser = whole)]
    context: Option<u64>,
    /// Segments
    #[arg(long, value_name = "N", requires = "plan", value_parser = whole)]
    segments: Option<u64>,
    /// The number of all weights, as in 175e9 [default: those of the file, or that its config.json
    /// describes]
    #[arg(long, value_name = "N", value_parser = whole)]
    total: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A whole number, perhaps with an exponent.
fn whole(text: &str) -> Result<u64, String> {
    let number = text.replace([',', '_'], "").parse::<f64>().ok();
    let number = number.filter(|n| n.fract() == 0.0 && (1.0..=1e15).contains(n));
    number.map(|n| n as u64).ok_or_else(|| "give a whole number from 1 on, as in 175e9".into())
}

/// A line of the table.
struct Line {
    what: String,
    name: String,
    shape: Vec<u64>,
    dtype: String,
    count: u64,
}

/// What is told: tables, what they are a part of, and remarks.
struct Report {
    lines: Vec<Line>,
    total: Option<u64>,
    /// Where the total is from.
    of: String,
    remarks: Vec<String>,
    others: Vec<Line>,
}

impl Inspect {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let report = match &self.model {
            Some(model) => self.of_file(model)?,
            None => self.of_plan()?,
        };
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", report.json())?;
        } else {
            report.print(&mut out)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The sizes of tables that are described by numbers alone.
    fn of_plan(&self) -> anyhow::Result<Report> {
        let (vocab, dim) = (self.vocab.unwrap_or(0), self.dim.unwrap_or(0));
        let sides = [
            (Role::Token, Some(vocab)),
            (Role::Position, self.context),
            (Role::Segment, self.segments),
        ];
        let mut lines = Vec::new();
        for (role, rows) in sides {
            let Some(rows) = rows else { continue };
            let count = rows.checked_mul(dim).ok_or_else(|| {
                Error::Refused(format!("{rows} x {dim} weights are more than can be counted"))
            })?;
            let (what, shape) = (role.name().to_string(), vec![rows, dim]);
            lines.push(Line { what, name: String::new(), shape, dtype: String::new(), count });
        }
        let mut remarks = Vec::new();
        if self.context.is_none() {
            remarks.push("no position matrix".into());
        }
        let of = "all weights".into();
        Ok(Report { lines, total: self.total, of, remarks, others: Vec::new() })
    }

    /// What a file or a folder has.
    fn of_file(&self, model: &std::path::Path) -> anyhow::Result<Report> {
        let weights = Weights::open(model)?;
        let roles = Roles::of(&weights);
        let line = |what: &str, weight: &Weight| Line {
            what: what.into(),
            name: weight.name.clone(),
            shape: weight.shape.iter().map(|&side| side as u64).collect(),
            dtype: weight.dtype.clone(),
            count: weight.count(),
        };
        let tables = Role::ALL.into_iter().filter_map(|role| Some((role, roles.get(role)?)));
        let lines: Vec<Line> = tables.map(|(role, weight)| line(role.name(), weight)).collect();
        let is_tied = |weight: &&Weight| roles.tied.is_some_and(|tied| tied.name == weight.name);
        let once = weights.tensors.iter().filter(|weight| !is_tied(weight));
        let counted: u64 = once.map(Weight::count).sum();
        let said = described(&weights.config).filter(|&said| said > counted);
        let (total, of) = match (self.total, said) {
            (Some(total), _) => (total, "all weights".to_string()),
            (None, Some(said)) => (said, "the weights that config.json describes".into()),
            (None, None) => (counted, format!("the weights of {}", show::path(model))),
        };
        let mut remarks = Vec::new();
        if let Some(tied) = roles.tied {
            remarks.push(format!("{} is the token matrix over again, and counted once", tied.name));
        }
        if roles.get(Role::Position).is_none() && !lines.is_empty() {
            let why = if roles.rotary { ": positions are rotated into attention" } else { "" };
            remarks.push(format!("no position matrix{why}"));
        }
        if roles.offset > 0 && roles.get(Role::Position).is_some() {
            remarks.push(format!("position 0 is row {} of the position matrix", roles.offset));
        }
        if lines.is_empty() {
            remarks.push(
                "no table is known by its name: --tensors lists all, and --table NAME of other \
                 commands takes one"
                    .into(),
            );
        }
        let is_table = |weight: &&Weight| roles.role_of(weight).is_some();
        let others = weights.tensors.iter().filter(|weight| !is_table(weight));
        let others = others.map(|weight| line("", weight)).filter(|_| self.tensors).collect();
        Ok(Report { lines, total: Some(total), of, remarks, others })
    }
}

impl Report {
    fn sum(&self) -> u64 {
        self.lines.iter().fold(0, |sum, line| sum.saturating_add(line.count))
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let shape = |line: &Line| {
            line.shape.iter().map(|&side| show::number(side)).collect::<Vec<_>>().join(" x ")
        };
        let all = || self.lines.iter().chain(&self.others);
        let width = |of: &dyn Fn(&Line) -> String| {
            all().map(|line| of(line).chars().count()).max().unwrap_or(0)
        };
        let names = width(&|line| show::shown(&line.name).into_owned());
        let shapes = width(&shape);
        let types = width(&|line| line.dtype.clone());
        let share = |count: u64| {
            self.total.map_or_else(String::new, |total| {
                format!("{:>10.4} %", 100.0 * count as f64 / total as f64)
            })
        };
        let mut row = |what: &str, line: Option<&Line>, count: u64| {
            let empty = String::new;
            let text = format!(
                "{what:<9} {:<names$}  {:<shapes$}  {:<types$}  {:>15} {}",
                line.map_or_else(empty, |line| show::shown(&line.name).into_owned()),
                line.map_or_else(empty, shape),
                line.map_or_else(empty, |line| line.dtype.clone()),
                show::number(count),
                share(count)
            );
            writeln!(out, "{}", text.trim_end())
        };
        for line in &self.lines {
            row(&line.what, Some(line), line.count)?;
        }
        if self.lines.len() > 1 {
            row("together", None, self.sum())?;
        }
        for line in &self.others {
            row("", Some(line), line.count)?;
        }
        if let Some(total) = self.total {
            writeln!(out, "of {}: {}", self.of, show::number(total))?;
        }
        self.remarks.iter().try_for_each(|remark| writeln!(out, "{}", show::shown(remark)))
    }

    fn json(&self) -> Value {
        let share = |count: u64| self.total.map(|total| show::rounded(count as f64 / total as f64));
        let line = |line: &Line| {
            let mut all =
                json!({ "shape": line.shape, "weights": line.count, "share": share(line.count) });
            for (name, text) in
                [("table", &line.what), ("tensor", &line.name), ("type", &line.dtype)]
            {
                if !text.is_empty() {
                    all[name] = json!(text);
                }
            }
            all
        };
        json!({
            "tables": self.lines.iter().map(line).collect::<Vec<_>>(), "weights": self.sum(),
            "share": share(self.sum()), "total": self.total, "of": self.of, "remarks": self.remarks,
            "tensors": self.others.iter().map(line).collect::<Vec<_>>(),
        })
    }
}
