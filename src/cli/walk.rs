//! `wordloom walk`: random walks over a graph, as a corpus or as text.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::json;
use wordloom::corpus::CorpusWriter;
use wordloom::graph::{Graph, GraphOptions, WalkOptions};
use wordloom::{Error, Progress, replace, train};

use super::progress::{self, OnSignal, say};
use super::{note, outputs, show};

const EXAMPLES: &str = "Examples:
  wordloom walk graph.tsv -o walks.corpus                 as DeepWalk does
  wordloom walk graph.tsv -o walks.corpus -p 0.25 -q 0.25 as node2vec does
  wordloom walk graph.mtx.gz -o walks.txt --directed      for other programs
  wordloom walk graph.tsv -o web.graph                    a graph that is read at once
  wordloom train skip-gram walks.corpus -o my.safetensors --window 10 --subsample 0
  wordloom train deepwalk graph.tsv -o my.safetensors     walks and trains

A line of the graph is an edge: two names of nodes, and perhaps a weight.";

/// What walks are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum WalkFormat {
    /// An encoded corpus, which `train` takes as its input
    Corpus,
    /// Names of nodes with spaces between them, a walk a line
    Text,
    /// No walks, but the graph in compressed sparse rows: in place of GRAPH it is there at once
    Graph,
}

/// Walk over a graph at random, to train vectors of its nodes
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Walk {
    #[command(flatten)]
    graph: GraphOptions,
    /// Where to write the walks
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// What to write [default: text where FILE ends in .txt, a graph where it ends in .graph,
    /// otherwise a corpus]
    #[arg(long, value_enum, value_name = "FORMAT")]
    to: Option<WalkFormat>,
    #[command(flatten, next_help_heading = "Walks")]
    walks: WalkOptions,
    /// Seed of the walks: the same seed gives the same walks, for any number of threads
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Number of threads [default: all processors]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print facts about the walks as JSON
    #[arg(long)]
    json: bool,
    /// Show neither progress nor a summary
    #[arg(long)]
    quiet: bool,
}

impl Walk {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        self.walks.check()?;
        let pool = train::pool(self.threads)?;
        outputs::check(&[&self.output], std::slice::from_ref(&self.graph.graph))?;
        progress::listen(OnSignal::Stop);
        let reading = Progress::default();
        let read = || pool.install(|| self.graph.read(&reading));
        let graph = progress::counting(self.quiet, &reading, read)?;
        note(&graph.notes);
        let (nodes, edges) = (graph.len() as u64, graph.edges());
        if !self.quiet {
            let weighted = if graph.is_weighted() { " with weights" } else { "" };
            let (nodes, edges) =
                (show::counted(nodes, "node", "nodes"), show::counted(edges, "edge", "edges"));
            say(&format!("{nodes}, {edges}{weighted}"));
        }
        if self.to() == WalkFormat::Graph {
            return self.keep(&graph);
        }
        let begin = Instant::now();
        let most = nodes * u64::from(self.walks.walks) * u64::from(self.walks.length);
        let steps = progress::bar(
            self.quiet,
            (most, "walking"),
            |progress| &progress.words,
            |progress| pool.install(|| self.write(&graph, progress)),
        )?;
        let seconds = begin.elapsed().as_secs_f64();
        let walks = nodes * u64::from(self.walks.walks);
        let size = std::fs::metadata(&self.output).map_or(0, |about| about.len());
        if !self.quiet {
            let (walks, steps_shown) = (show::number(walks), show::number(steps));
            let rate = show::short(steps as f64 / seconds);
            say(&format!(
                "{walks} walks of {steps_shown} nodes ({rate} a second) -> {} ({})",
                self.output.display(),
                show::size(size)
            ));
        }
        if self.json {
            let facts = json!({
                "file": show::path(&self.output), "bytes": size, "nodes": nodes, "edges": edges,
                "weighted": graph.is_weighted(), "directed": graph.is_directed(), "walks": walks,
                "steps": steps, "steps_per_second": (steps as f64 / seconds).round(),
                "notes": graph.notes,
            });
            writeln!(std::io::stdout(), "{}", show::plain(facts))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What is to be written.
    fn to(&self) -> WalkFormat {
        let default = match self.output.extension() {
            Some(extension) if extension == "txt" => WalkFormat::Text,
            Some(extension) if extension == "graph" => WalkFormat::Graph,
            _ => WalkFormat::Corpus,
        };
        self.to.unwrap_or(default)
    }

    /// Writes the graph itself.
    fn keep(&self, graph: &Graph) -> anyhow::Result<ExitCode> {
        graph.save(&self.output)?;
        let size = std::fs::metadata(&self.output).map_or(0, |about| about.len());
        if !self.quiet {
            say(&format!("graph -> {} ({})", self.output.display(), show::size(size)));
        }
        if self.json {
            let facts = json!({
                "file": show::path(&self.output), "bytes": size, "nodes": graph.len(),
                "edges": graph.edges(), "weighted": graph.is_weighted(),
                "directed": graph.is_directed(), "notes": graph.notes,
            });
            writeln!(std::io::stdout(), "{}", show::plain(facts))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the walks, and returns how many nodes they have.
    fn write(&self, graph: &Graph, progress: &Progress) -> wordloom::Result<u64> {
        if self.to() == WalkFormat::Corpus {
            let mut writer = CorpusWriter::new(&self.output)?;
            let (vocab, facts) =
                graph.write_walks(&self.walks, self.seed, &mut writer, progress)?;
            let steps = facts.words_read;
            writer.close(&vocab, facts)?;
            return Ok(steps);
        }
        replace(&self.output, |out| {
            let (mut line, mut steps) = (Vec::new(), 0);
            graph.walk(&self.walks, self.seed, progress, |walk| {
                line.clear();
                for &node in walk {
                    line.extend_from_slice(graph.nodes.word(node));
                    line.push(b' ');
                }
                line.pop();
                line.push(b'\n');
                steps += walk.len() as u64;
                out.write_all(&line).map_err(Error::io(&self.output))
            })?;
            Ok(steps)
        })
    }
}
