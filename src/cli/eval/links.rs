//! `wordloom eval --links`: how well vectors of nodes tell which edges a graph lacks.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wordloom::eval::{Difference, LinkQuality, LinkScores, Links, OPERATORS};
use wordloom::graph::{GraphOptions, GraphWalks};
use wordloom::{Embeddings, Error, Progress};

use super::{Drawing, better_json, open_all, standing, value};
use crate::cli::note;
use crate::cli::progress::{self, say};
use crate::cli::show::{self, range, score};

/// Which edges are asked for.
#[derive(clap::Args)]
pub(super) struct LinkSet {
    /// Tell the edges of this graph that were held out from pairs of nodes that are no edges, beside
    /// methods that count neighbours
    #[arg(long, value_name = "GRAPH")]
    pub(super) links: Option<PathBuf>,
    /// The share of the edges that was held out [default: as the model says]
    #[arg(long, value_name = "SHARE", requires = "links")]
    share: Option<f64>,
    /// Ask for at most N of the edges, and for as many other pairs
    #[arg(long, value_name = "N", default_value_t = 5000, requires = "links", value_parser = clap::value_parser!(u64).range(10..))]
    pairs: u64,
}

impl LinkSet {
    /// Scores models, and prints a table or JSON.
    pub(super) fn run(
        &self,
        graph: &Path,
        models: &[PathBuf],
        drawing: Drawing,
        json: bool,
    ) -> anyhow::Result<()> {
        let models = open_all(models)?;
        let options = self.options(graph, &models)?;
        let reading = Progress::default();
        let split = progress::counting(json, &reading, || options.split(&reading))?;
        note(&split.graph.notes);
        let edges = split.edges.len();
        let links = Links::new(split, self.pairs as usize);
        let mut methods = Vec::new();
        for (path, model) in &models {
            let scores = links
                .scores(model)
                .map_err(|e| Error::Input { path: path.to_path_buf(), problem: e.to_string() })?;
            methods.extend(scores);
        }
        methods.extend(links.baselines());
        let drawing = (drawing.draws as usize, drawing.draw_seed);
        let count = models.len() * OPERATORS.len();
        let (quality, better) = links.quality(&methods, count, drawing);
        let models: Vec<String> = models.iter().map(|(path, _)| show::path(path)).collect();
        let report =
            Report { links, options, edges, models, methods, quality, better, draws: drawing.0 };
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", report.json())?;
        } else {
            report.print(&mut out)?;
        }
        Ok(())
    }

    /// How the graph is to be read: as the models say.
    fn options(
        &self,
        graph: &Path,
        models: &[(&Path, Embeddings)],
    ) -> anyhow::Result<GraphOptions> {
        let said: Vec<Option<GraphOptions>> =
            models.iter().map(|(_, model)| graph_of(model)).collect();
        let first = said.iter().flatten().next().cloned();
        let mut options = first.unwrap_or_default();
        if said.iter().flatten().any(|other| {
            (other.directed, other.unweighted, other.hold_out.to_bits())
                != (options.directed, options.unweighted, options.hold_out.to_bits())
        }) {
            let problem = "the models were trained on different edges, so that no one set is new \
                           to all: train them with the same --hold-out";
            return Err(Error::Refused(problem.into()).into());
        }
        options.graph = graph.to_path_buf();
        options.hold_out = self.share.unwrap_or(options.hold_out);
        for ((path, _), said) in models.iter().zip(&said) {
            let held = said.as_ref().map_or(0.0, |said| said.hold_out);
            if held < options.hold_out || held == 0.0 {
                say(&format!(
                    "wordloom: {} may have learnt the edges that are asked for: train it with \
                     --hold-out 0.1",
                    path.display()
                ));
            }
        }
        if options.hold_out == 0.0 {
            let problem = "nothing was held out of the graph: train with --hold-out 0.1, or say \
                           by --share how much was";
            return Err(Error::Refused(problem.into()).into());
        }
        Ok(options)
    }
}

/// The graph that a model was trained on, if its history says so.
fn graph_of(model: &Embeddings) -> Option<GraphOptions> {
    let text = &model.provenance.text;
    text.get("graph")?;
    serde_json::from_value::<GraphWalks>(text.clone()).ok().map(|walks| walks.graph)
}

/// All that is told.
struct Report {
    links: Links,
    options: GraphOptions,
    /// The number of edges that were held out.
    edges: usize,
    models: Vec<String>,
    methods: Vec<LinkScores>,
    quality: Vec<LinkQuality>,
    better: Vec<Vec<Difference>>,
    draws: usize,
}

impl Report {
    /// The names of the methods that count.
    fn others(&self) -> Vec<&str> {
        self.methods[self.better.len()..].iter().map(|method| &method.name[..]).collect()
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let (asked, edges) = (self.links.len() as u64, show::number(self.edges as u64));
        writeln!(
            out,
            "{} of {edges} that were held out, and as many pairs that are no edges",
            show::counted(asked, "edge", "edges")
        )?;
        let width = self.methods.iter().map(|method| method.name.len()).max().unwrap_or(0);
        let row = |out: &mut dyn Write, at: usize, indent: &str| {
            let LinkQuality { auc, ap } = &self.quality[at];
            writeln!(
                out,
                "{:width$}  {:>5}  {:<12}  {:>5}  {:<12}",
                format!("{indent}{}", self.methods[at].name),
                score(auc.score),
                range(auc.interval),
                score(ap.score),
                range(ap.interval),
                width = width + 2
            )
        };
        writeln!(
            out,
            "{:width$}  {:>5}  {:<12}  {:>5}  95 %",
            "",
            "AUC",
            "95 %",
            "AP",
            width = width + 2
        )?;
        for (at, model) in self.models.iter().enumerate() {
            writeln!(out, "{}", show::shown(model))?;
            for method in 0..OPERATORS.len() {
                row(out, at * OPERATORS.len() + method, "  ")?;
            }
        }
        writeln!(out, "counting neighbours")?;
        for at in self.better.len()..self.methods.len() {
            row(out, at, "  ")?;
        }
        for (at, model) in self.models.iter().enumerate() {
            let first = at * OPERATORS.len();
            let best = (first..first + OPERATORS.len())
                .max_by(|&a, &b| self.quality[a].auc.score.total_cmp(&self.quality[b].auc.score));
            let best = best.unwrap_or(first);
            let told = standing(&self.others(), &self.better[best]);
            let (model, operator) = (show::shown(model), &self.methods[best].name);
            writeln!(out, "{model} by {operator} is {told} (by AUC)")?;
        }
        writeln!(
            out,
            "Scores times 100, with the interval of 95 % of {} bootstrap draws of nodes. The first \
             four\noperators are told apart by a logistic regression that learnt other pairs.",
            show::number(self.draws as u64)
        )
    }

    fn json(&self) -> Value {
        let row = |at: usize| {
            let LinkQuality { auc, ap } = &self.quality[at];
            let mut row = json!({
                "method": self.methods[at].name, "auc": value(auc), "ap": value(ap),
            });
            if let Some(better) = self.better.get(at) {
                row["model"] = json!(self.models[at / OPERATORS.len()]);
                row["better"] = better_json(&self.others(), better, "auc");
            }
            row
        };
        json!({
            "edges": self.links.len(), "edges_held_out": self.edges,
            "hold_out": self.options.hold_out, "draws": self.draws,
            "methods": (0..self.methods.len()).map(row).collect::<Vec<_>>(),
        })
    }
}
