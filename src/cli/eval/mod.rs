//! `wordloom eval`: scores models on sets of questions.
//!
//! This file is over 300 lines because it has what its tables share.

mod links;
mod next;
mod shares;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use wordloom::eval::{
    ColumnNames, Difference, Outcome, Policy, Score, Section, Set, SetOptions, Sets, Unknown,
};
use wordloom::format;
use wordloom::{Embeddings, Error};

use self::links::LinkSet;
use self::next::NextItem;
use self::shares::Shares;
use super::note;
use super::progress::say;
use super::show::{self, range, score};

const EXAMPLES: &str = "Examples:
  wordloom eval my.safetensors questions-words.txt
  wordloom eval a.safetensors b.bin sets/               all sets of a folder, in one table
  wordloom eval my.safetensors sets/ --restrict 30000 --json
  wordloom eval nodes.safetensors labels.tsv --shares 0.1,0.5,0.9
  wordloom eval nodes.safetensors --links graph.tsv     which edges does the graph lack?
  wordloom eval items.safetensors --next sessions.tsv   what comes next in a session?

Sets, told apart by their lines (cells apart by tabs, semicolons, commas or spaces):
  king queen 8.6                      similarity; a header, ids and ratings may be there
  athens greece oslo norway           analogies, in sections that begin with `: name`
  album<TAB>albums/record             pairs (BATS): each asks for each other's
  4.2<TAB>A man runs.<TAB>He runs.    sentences
  d17<TAB>sport,football              labels of words or documents: can a linear probe,
                                      which learnt the labels of others, tell them?
Pairs and labels may be of a model's documents (its tags) too.
The baseline `nearest to C` answers an analogy with the nearest neighbour of the
third word, whatever the first two are.";

/// Score models on similarity, analogies, sentences, labels, edges of graphs, and next items
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, override_usage = "wordloom eval [OPTIONS] <MODEL>... <SETS>...")]
pub(crate) struct Eval {
    /// Models, and sets of questions: files, or folders with .txt, .tsv and .csv files. The content
    /// of a file shows whether it is a model or a set
    #[arg(value_name = "MODEL|SETS", required = true)]
    paths: Vec<PathBuf>,
    /// Which table of transformers: token, position, segment, or the name of a tensor; all models are
    /// then such
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["links", "next"])]
    table: Option<String>,
    #[command(flatten)]
    policy: Policy,
    #[command(flatten)]
    drawing: Drawing,
    /// The columns of graded pairs: two texts and their grade, by number or by name, as in 2,3,5 or
    /// word1,word2,score [default: found in each file]
    #[arg(long, value_name = "A,B,GRADE")]
    columns: Option<ColumnNames>,
    /// Stop at lines and files that can't be used (otherwise they are left out, and reported)
    #[arg(long)]
    strict: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten, next_help_heading = "Labels")]
    shares: Shares,
    #[command(flatten, next_help_heading = "Edges of graphs")]
    links: LinkSet,
    #[command(flatten, next_help_heading = "Next items of sessions")]
    next: NextItem,
}

/// Differences with a smaller p-value are said to be real.
const REAL: f64 = 0.05;

/// How the intervals of scores are computed.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Drawing {
    /// Number of bootstrap draws for each interval
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub(crate) draws: u32,
    /// Seed of the bootstrap draws
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) draw_seed: u64,
}

impl Eval {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (models, sets): (Vec<PathBuf>, Vec<PathBuf>) =
            self.paths.iter().cloned().partition(|path| is_model(path));
        let (links, next) = (self.links.links.as_deref(), self.next.next.as_deref());
        if let Some(asked) = links.or(next) {
            if let Some(set) = sets.first() {
                let problem = format!("is no model, and {} is to be asked for", asked.display());
                return Err(Error::Input { path: set.clone(), problem }.into());
            }
            match (links, next) {
                (Some(graph), _) => self.links.run(graph, &models, self.drawing, self.json)?,
                (None, _) => self.next.run(asked, &models, self.drawing, self.json)?,
            }
            return Ok(ExitCode::SUCCESS);
        }
        match (models.is_empty(), sets.is_empty()) {
            (true, _) => {
                let problem = "is no model: name one before the sets (see `wordloom train`)";
                return Err(
                    Error::Input { path: self.paths[0].clone(), problem: problem.into() }.into()
                );
            }
            (_, true) => {
                let problem =
                    "no set of questions: name files or folders with some after the models";
                return Err(Error::Refused(problem.into()).into());
            }
            _ => {}
        }
        let options = SetOptions { columns: self.columns.clone(), strict: self.strict };
        let Sets { sets, left_out } = Set::read(&sets, &options)?;
        note(&left_out);
        let mut out = std::io::stdout().lock();
        let (mut reports, mut all, mut all_used) = (Vec::new(), Vec::new(), true);
        for path in &models {
            let model = format::read_table(path, self.table.as_deref())?;
            note(&model.provenance.notes);
            let scored: Vec<Scored> = sets
                .iter()
                .map(|set| Scored::new(set, set.score(&model, &self.policy), self.drawing))
                .collect();
            for Scored { set, .. } in scored.iter().filter(|scored| scored.outcome.used() == 0) {
                all_used = false;
                say(&format!("wordloom: {}", unused(set, path, &model)));
            }
            let shares = self.shares.of(&sets, &model, &self.policy);
            if self.json {
                reports.push(json!({
                    "model": show::path(path), "words": model.vocab.len(), "dim": model.dim(),
                    "sets": scored.iter().map(Scored::json).collect::<Vec<_>>(),
                    "shares": shares,
                }));
                continue;
            }
            let (words, dim) = (show::number(model.vocab.len() as u64), model.dim());
            writeln!(out, "{}: {words} words x {dim}", show::shown(&show::path(path)))?;
            if models.len() == 1 {
                let of_model = [(String::new(), scored)];
                table(&mut out, &of_model)?;
                sections(&mut out, &of_model)?;
                writeln!(out)?;
            } else {
                all.push((show::path(path), scored));
            }
            self.shares.print(&mut out, &shares)?;
        }
        if !all.is_empty() {
            writeln!(out)?;
            let all = shortened(all);
            table(&mut out, &all)?;
            sections(&mut out, &all)?;
            writeln!(out)?;
        }
        if self.json {
            let all = json!({ "policy": self.policy, "draws": self.drawing.draws, "left_out": left_out, "models": reports });
            writeln!(out, "{all}")?;
        } else {
            sets.iter().try_for_each(|set| how(&mut out, set))?;
            writeln!(out, "{}", notes(&self.policy, self.drawing))?;
        }
        Ok(if all_used { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Whether a path is a file of word vectors. A file that can't be opened is taken for a set, and
/// the reader of sets reports the error.
pub(crate) fn is_model(path: &Path) -> bool {
    format::is_vectors(path)
}

/// Opens models, and says the notes on how they were read.
fn open_all(paths: &[PathBuf]) -> wordloom::Result<Vec<(&Path, Embeddings)>> {
    let mut models = Vec::new();
    for path in paths {
        let model = format::read(path)?;
        note(&model.provenance.notes);
        models.push((path.as_path(), model));
    }
    Ok(models)
}

/// A number as JSON; one that is not finite is null.
fn number(x: f64) -> Value {
    if x.is_finite() { json!(show::rounded(x)) } else { Value::Null }
}

/// A score with its interval as JSON.
fn value(score: &Score) -> Value {
    json!({ "score": number(score.score), "interval": score.interval.map(number) })
}

/// How a method differs from others, as JSON.
fn better_json(others: &[&str], differences: &[Difference], measure: &str) -> Value {
    let than = others.iter().zip(differences).map(
        |(other, d)| json!({ "than": other, measure: value(&d.difference), "p": number(d.p) }),
    );
    than.collect()
}

/// Than which others a method is better or worse: the rest of a sentence.
fn standing(others: &[&str], differences: &[Difference]) -> String {
    let those = |is: &dyn Fn(&Difference) -> bool| {
        let found = others.iter().zip(differences).filter(|(_, difference)| is(difference));
        found.map(|(other, _)| *other).collect::<Vec<&str>>()
    };
    let groups = [
        ("better than", those(&|d| d.p < REAL && d.difference.score > 0.0)),
        ("worse than", those(&|d| d.p < REAL && d.difference.score < 0.0)),
        ("perhaps as good as", those(&|d| d.p >= REAL)),
    ];
    let told = groups.iter().filter(|(_, names)| !names.is_empty());
    told.map(|(how, names)| format!("{how} {}", show::list(names))).collect::<Vec<_>>().join(", ")
}

/// A set with its scores and their intervals.
struct Scored<'a> {
    set: &'a Set,
    outcome: Outcome,
    /// The name, the score and the interval of each measure.
    scores: Vec<(&'static str, f64, [f64; 2])>,
}

impl<'a> Scored<'a> {
    fn new(set: &'a Set, outcome: Outcome, drawing: Drawing) -> Self {
        let intervals = outcome.intervals(drawing.draws as usize, drawing.draw_seed);
        let scores = outcome.measures.iter().zip(intervals);
        let scores = scores.map(|(m, interval)| (m.name, outcome.value(m), interval)).collect();
        Self { set, outcome, scores }
    }

    fn json(&self) -> Value {
        let score = |&(name, score, interval): &(&str, f64, [f64; 2])| json!({ "measure": name, "score": number(score), "interval": interval.map(number) });
        let Outcome { total, known, composed, sections, .. } = &self.outcome;
        let mut report = json!({
            "name": self.set.name, "kind": self.set.kind(), "items": total, "known": known,
            "composed": composed, "read_as": self.set.how, "left_out": self.set.left_out, "used": self.outcome.used(),
            "scores": self.scores.iter().map(score).collect::<Vec<_>>(),
        });
        if !sections.is_empty() {
            report["sections"] = json!(sections);
        }
        report
    }
}

/// The names of models without the folders that all of them are in.
fn shortened<T>(mut all: Vec<(String, T)>) -> Vec<(String, T)> {
    let folder = |name: &str| name.rfind(['/', '\\']).map_or(0, |at| at + 1);
    let first = all.first().map(|(name, _)| name[..folder(name)].to_string()).unwrap_or_default();
    if all.iter().all(|(name, _)| name[..folder(name)] == first) {
        for (name, _) in &mut all {
            name.drain(..first.len());
        }
    }
    all
}

/// Writes the scores of models, set by set, one score a line. A single model has no name.
fn table(out: &mut impl Write, models: &[(String, Vec<Scored>)]) -> std::io::Result<()> {
    let sets = || models[0].1.iter().map(|scored| scored.set);
    let set_width = sets().map(|set| show::width(&set.name)).max().unwrap_or(0).max(12);
    let several = models.len() > 1;
    let name_width = models.iter().map(|(name, _)| show::width(name)).max().unwrap_or(0);
    let model_column = |name: &str| {
        let name = show::padded(&show::shown(name), name_width.max(5));
        if several { name + "  " } else { String::new() }
    };
    writeln!(
        out,
        "{}  {:<19} {}{:>6}  {:<14} {:>7}  coverage",
        show::padded("set", set_width),
        "measure",
        model_column("model"),
        "score",
        "95 %",
        "used"
    )?;
    for (place, set) in sets().enumerate() {
        let measures = models.iter().map(|(_, scored)| scored[place].scores.len()).max();
        for at in 0..measures.unwrap_or(0) {
            for (nth, (name, scored)) in models.iter().enumerate() {
                let Scored { outcome, scores, .. } = &scored[place];
                let Some((measure, value, interval)) = scores.get(at) else { continue };
                let set_name = if at == 0 && nth == 0 { show::shown(&set.name) } else { "".into() };
                let measure = if nth == 0 { measure } else { "" };
                let line = format!(
                    "{}  {measure:<19} {}{:>6}  {:<14}",
                    show::padded(&set_name, set_width),
                    model_column(name),
                    score(*value),
                    range(*interval)
                );
                if at > 0 {
                    writeln!(out, "{}", line.trim_end())?;
                    continue;
                }
                let composed = match outcome.composed {
                    0 => String::new(),
                    n => format!(", {} by n-grams", show::number(n as u64)),
                };
                let coverage = show::percent(outcome.known as f64, outcome.total as f64);
                let used = show::number(outcome.used() as u64);
                writeln!(out, "{line} {used:>7}  {coverage}{composed}")?;
            }
        }
    }
    Ok(())
}

/// Writes the scores of the sections of sets. Of several models, they are those of 3CosAdd.
fn sections(out: &mut impl Write, models: &[(String, Vec<Scored>)]) -> std::io::Result<()> {
    let several = models.len() > 1;
    for (place, Scored { set, outcome, .. }) in models[0].1.iter().enumerate() {
        if outcome.sections.len() < 2 {
            continue;
        }
        let names = outcome.sections.iter().map(|section| show::width(&section.name));
        let width = names.max().unwrap_or(0).max(show::width(&set.name));
        let head = show::padded(&show::shown(&set.name), width);
        if several {
            let names: Vec<String> = models.iter().map(|(name, _)| format!("{name:>9}")).collect();
            writeln!(out, "\n{head}  {:>7} {}", "of", names.join("  "))?;
        } else {
            let heads = ["known", "of", "3CosAdd", "3CosMul", "nearest to C"];
            let [known, of, add, mul, nearest] = heads;
            writeln!(out, "\n{head}  {known:>7} {of:>7} {add:>9} {mul:>9} {nearest:>14}")?;
        }
        for (at, Section { name, total, known, add, mul, nearest }) in
            outcome.sections.iter().enumerate()
        {
            let name = show::padded(&show::shown(name), width);
            let share = |right: usize, known: usize| score(right as f64 / known as f64);
            if several {
                let of = |(model, scored): &(String, Vec<Scored>)| {
                    let section = &scored[place].outcome.sections[at];
                    let width = show::width(model).max(9);
                    format!("{:>width$}", share(section.add, section.known))
                };
                let all: Vec<String> = models.iter().map(of).collect();
                writeln!(out, "{name}  {total:>7} {}", all.join("  "))?;
            } else {
                let [add, mul, nearest] = [add, mul, nearest].map(|right| share(*right, *known));
                writeln!(out, "{name}  {known:>7} {total:>7} {add:>9} {mul:>9} {nearest:>14}")?;
            }
        }
    }
    Ok(())
}

/// The message for a set of which a model knows nothing.
fn unused(set: &Set, path: &Path, model: &Embeddings) -> String {
    let why = set.other_case(model).map_or_else(
        || "is the set of another language or spelling?".into(),
        |(word, known)| format!("it has '{known}' where the set has '{word}'."),
    );
    let (name, path, how) = (&set.name, path.display(), &set.how);
    format!("{name}: no item can be used, since {path} lacks its words: {why} It was read as {how}")
}

/// Writes how a set was read, and what was left out.
pub(crate) fn how(out: &mut impl Write, set: &Set) -> std::io::Result<()> {
    writeln!(out, "{}: {}", show::shown(&set.name), show::shown(&set.how))?;
    if let Some(first) = set.left_out.first() {
        let lines = show::counted(set.left_out.len() as u64, "line", "lines");
        writeln!(out, "  left out: {lines}; {}", show::shown(first))?;
    }
    Ok(())
}

/// A note on how to read the scores.
fn notes(policy: &Policy, drawing: Drawing) -> String {
    let unknown = match policy.unknown {
        Unknown::Compose => "are scored by n-grams where the model has them, else left out",
        Unknown::Skip => "are left out",
        Unknown::Zero => "count as a cosine of 0 or a wrong answer",
    };
    let known = match policy.restrict {
        Some(n) => {
            format!("Only the {} first words of a model are known. ", show::number(n as u64))
        }
        None => String::new(),
    };
    format!(
        "Scores times 100, with the interval of 95 % of {} bootstrap draws of items (analogies: of sections, then of\n\
         pairs of words). {known}Items with an unknown word {unknown}.",
        show::number(drawing.draws)
    )
}
