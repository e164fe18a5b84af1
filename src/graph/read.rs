//! Reads graphs: lists of edges, and Matrix Market files.
//!
//! This file is over 300 lines because a third of it is tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::split::{Split, check_share};
use super::{EdgeList, Graph};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::{Blocks, Cut, words_of};

/// By these names a first line of two columns is recognised as their names.
const HEADER: [&str; 14] = [
    "source", "target", "src", "dst", "from", "to", "head", "tail", "node1", "node2", "node_1",
    "node_2", "id_1", "id_2",
];
/// The first words of a Matrix Market file.
const MATRIX: &[u8] = b"%%MatrixMarket";

/// Which graph to read.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct GraphOptions {
    /// A list of edges (two nodes and perhaps a weight a line, with tabs, commas or spaces between
    /// them), or a Matrix Market file; plain, gzip or zstd, or - for standard input
    #[cfg_attr(feature = "cli", arg(value_name = "GRAPH"))]
    #[serde(with = "crate::corpus::paths::one")]
    pub graph: PathBuf,
    /// Edges lead from the first node to the second, and not back
    #[cfg_attr(feature = "cli", arg(long))]
    #[serde(default)]
    pub directed: bool,
    /// Take all edges as equal, whatever weights they have
    #[cfg_attr(feature = "cli", arg(long))]
    #[serde(default)]
    pub unweighted: bool,
    /// Leave out this share of the edges, drawn at random, so that `eval --links` can ask for them;
    /// every node keeps an edge. They are the same each time
    #[cfg_attr(feature = "cli", arg(long, value_name = "SHARE", default_value_t = 0.0))]
    #[serde(default)]
    pub hold_out: f64,
}

impl GraphOptions {
    /// Reads the graph, without what is held out. Of `progress` the bytes and the edges count.
    ///
    /// # Errors
    /// A line that is no edge, a graph without an edge, an impossible share to hold out, or
    /// [`Error::Stopped`].
    pub fn read(&self, progress: &Progress) -> Result<Graph> {
        check_share(self.hold_out)?;
        if self.hold_out > 0.0 { Ok(self.split(progress)?.graph) } else { self.read_all(progress) }
    }

    /// Reads the graph, and holds edges out.
    ///
    /// # Errors
    /// As [`GraphOptions::read`].
    pub fn split(&self, progress: &Progress) -> Result<Split> {
        self.read_all(progress)?.hold_out(self.hold_out)
    }

    fn read_all(&self, progress: &Progress) -> Result<Graph> {
        if let Some(graph) = Graph::open(&self.graph)? {
            return self.adapt(graph);
        }
        let mut reader = Reader::new(self);
        let mut blocks = Blocks::new([(self.graph.clone(), false, Cut::Lines)]);
        let mut bytes = 0;
        while let Some(block) = blocks.next_block()? {
            let lines = block.text().split_inclusive(|&byte| byte == b'\n');
            for (number, line) in (block.lines + 1..).zip(lines) {
                reader.line(line).map_err(|problem| {
                    Error::input(&self.graph, format!("line {number}: {problem}"))
                })?;
            }
            bytes += block.text().len() as u64;
            progress.done.fetch_add(block.text().len() as u64, Ordering::Relaxed);
            progress.words.store(reader.read, Ordering::Relaxed);
            progress.check()?;
        }
        reader.finish(&self.graph, bytes)
    }

    /// A graph that was read before, as these options want it.
    fn adapt(&self, graph: Graph) -> Result<Graph> {
        if self.directed && !graph.is_directed() {
            let problem = "has edges without directions: leave `directed` out, or read the list of \
                           its edges";
            return Err(Error::input(&self.graph, problem));
        }
        Ok(if self.unweighted { Graph { weights: None, ..graph } } else { graph })
    }
}

/// What stands between the columns of a line.
#[derive(Clone, Copy)]
enum Between {
    Tab,
    Comma,
    Space,
}

/// What a Matrix Market file says of itself.
struct Matrix {
    weighted: bool,
    /// Rows, or columns, and entries, behind the line that has them.
    size: Option<(u64, u64)>,
}

/// What is read, and what is to be told of it.
struct Reader<'a> {
    options: &'a GraphOptions,
    list: EdgeList,
    /// Nothing was read yet, not even a comment.
    first: bool,
    matrix: Option<Matrix>,
    /// How lines are divided, and into how many columns, by the first of them.
    shape: Option<(Between, usize)>,
    header: Option<String>,
    /// The number of edges read.
    read: u64,
    loops: Left,
    weightless: Left,
}

/// Edges that are left out.
#[derive(Default)]
struct Left {
    count: u64,
    first: String,
}

impl Left {
    fn add(&mut self, name: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = name();
        }
        self.count += 1;
    }
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(40).collect()
}

fn number(name: &[u8]) -> Option<f64> {
    std::str::from_utf8(name).ok()?.parse().ok()
}

impl<'a> Reader<'a> {
    fn new(options: &'a GraphOptions) -> Self {
        Self {
            options,
            list: EdgeList::default(),
            first: true,
            matrix: None,
            shape: None,
            header: None,
            read: 0,
            loops: Left::default(),
            weightless: Left::default(),
        }
    }

    /// Reads a line.
    fn line(&mut self, line: &[u8]) -> std::result::Result<(), String> {
        let line =
            if self.first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let line = line.trim_ascii_end();
        if std::mem::replace(&mut self.first, false) && line.starts_with(MATRIX) {
            self.matrix = Some(matrix(line)?);
            return Ok(());
        }
        if line.is_empty() || matches!(line[0], b'#' | b'%') {
            return Ok(());
        }
        let between = self.shape.map_or_else(|| between(line), |(between, _)| between);
        let mut columns = [&line[..0]; 4];
        let n = split(line, between, &mut columns);
        let columns = &columns[..n.min(4)];
        if let Some(matrix) = &mut self.matrix
            && matrix.size.is_none()
        {
            matrix.size = Some(size(columns)?);
            return Ok(());
        }
        let expected = match (&self.matrix, self.shape) {
            (Some(matrix), _) => 2 + usize::from(matrix.weighted),
            (None, Some((_, expected))) => expected,
            (None, None) if (2..=3).contains(&n) => {
                if self.header.is_none() && is_header(columns) {
                    self.header = Some(shown(line));
                    return Ok(());
                }
                n
            }
            (None, None) => {
                let what = if n == 1 { "one column".into() } else { format!("{n} columns") };
                return Err(format!("{what}, where an edge has two nodes and perhaps a weight"));
            }
        };
        if n != expected {
            return Err(format!("{n} columns, where {expected} are expected"));
        }
        self.shape = Some((between, n));
        if let Some(Matrix { size: Some((side, _)), .. }) = self.matrix {
            let inside = |name: &[u8]| {
                number(name).is_some_and(|n| n.fract() == 0.0 && n >= 1.0 && n <= side as f64)
            };
            if !columns[..2].iter().all(|name| inside(name)) {
                return Err(format!("{} is no pair of numbers from 1 to {side}", shown(line)));
            }
        }
        self.edge(columns)
    }

    /// Adds an edge.
    fn edge(&mut self, columns: &[&[u8]]) -> std::result::Result<(), String> {
        self.read += 1;
        let weighed = columns.get(2).filter(|_| !self.options.unweighted);
        let weight = weighed.map(|text| {
            let weight = number(text).map(|weight| weight as f32);
            weight.filter(|weight| weight.is_finite() && *weight >= 0.0).ok_or_else(|| {
                let what = if text.starts_with(b"-") { "a negative weight" } else { "no weight" };
                format!("{} is {what}: two columns are nodes, and a third is a number", shown(text))
            })
        });
        let weight = weight.transpose()?;
        if columns[..2].iter().any(|name| name.is_empty()) {
            return Err("a node without a name".into());
        }
        // Every name counts as a node, so that one without an edge can be told.
        let [from, to] = [0, 1].map(|at| self.list.names.add(columns[at], 1));
        if from == to {
            self.loops.add(|| shown(columns[0]));
        } else if weight == Some(0.0) {
            self.weightless.add(|| format!("{} {}", shown(columns[0]), shown(columns[1])));
        } else {
            self.list.push(from, to, weight);
        }
        Ok(())
    }

    /// The graph, with notes.
    fn finish(mut self, path: &Path, bytes: u64) -> Result<Graph> {
        if let Some(matrix) = &self.matrix {
            let Some((_, entries)) = matrix.size else {
                return Err(Error::input(path, "a Matrix Market file without a line of sizes"));
            };
            if self.read != entries {
                let problem = format!("{} entries, where {entries} are promised", self.read);
                return Err(Error::input(path, problem));
            }
        }
        let mut notes = Vec::new();
        if let Some(header) = &self.header {
            notes.push(format!("the first line has the names of columns: {header}"));
        }
        let many = |n: u64, what: &str| {
            if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
        };
        if self.loops.count > 0 {
            let what = many(self.loops.count, "edge");
            notes.push(format!(
                "{what} from a node to itself left out, the first of {}",
                self.loops.first
            ));
        }
        if self.weightless.count > 0 {
            let what = many(self.weightless.count, "edge");
            notes.push(format!("{what} of weight 0 left out, the first {}", self.weightless.first));
        }
        let weighted = !self.list.weights.is_empty();
        let side = self.matrix.as_ref().and_then(|matrix| matrix.size).map_or(0, |(side, _)| side);
        let all = side.max(self.list.names.len() as u64);
        let list = std::mem::take(&mut self.list);
        let (mut graph, again, lonely) = Graph::new(list, self.options.directed, bytes)
            .map_err(|e| Error::input(path, e.to_string()))?;
        if again > 0 {
            let how = if weighted { "their weights add up" } else { "each counts once" };
            notes.push(format!("{} given again: {how}", many(again, "edge")));
        }
        let without = all - graph.len() as u64;
        if without > 0 {
            let first =
                lonely.map_or_else(String::new, |name| format!(", the first is {}", shown(&name)));
            notes.push(format!(
                "{} without an edge, which have no vector{first}",
                many(without, "node")
            ));
        }
        graph.notes = notes;
        Ok(graph)
    }
}

/// What the first line of a Matrix Market file says.
fn matrix(line: &[u8]) -> std::result::Result<Matrix, String> {
    let line = String::from_utf8_lossy(line).to_lowercase();
    let words: Vec<&str> = line.split_ascii_whitespace().skip(1).collect();
    let weighted = match words[..] {
        ["matrix", "coordinate", "pattern", "general" | "symmetric"] => false,
        ["matrix", "coordinate", "real" | "integer", "general" | "symmetric"] => true,
        _ => {
            return Err(
                "a graph is a matrix of coordinates, real, integer or pattern, general or \
                        symmetric"
                    .into(),
            );
        }
    };
    Ok(Matrix { weighted, size: None })
}

/// The sizes of a matrix: its rows, which are as many as its columns, and its entries.
fn size(columns: &[&[u8]]) -> std::result::Result<(u64, u64), String> {
    let number = |name: &&[u8]| std::str::from_utf8(name).ok()?.parse::<u64>().ok();
    match columns.iter().map(number).collect::<Option<Vec<u64>>>().as_deref() {
        Some([rows, columns, entries]) if rows == columns => Ok((*rows, *entries)),
        Some([rows, columns, _]) => {
            Err(format!("{rows} rows and {columns} columns: a graph has as many of both"))
        }
        _ => Err("three numbers are expected: rows, columns and entries".into()),
    }
}

/// What stands between the columns of a line: tabs if it has one, or else commas.
fn between(line: &[u8]) -> Between {
    if line.contains(&b'\t') {
        Between::Tab
    } else if line.contains(&b',') {
        Between::Comma
    } else {
        Between::Space
    }
}

/// Splits a line into columns, and returns how many they are.
fn split<'l>(line: &'l [u8], between: Between, columns: &mut [&'l [u8]; 4]) -> usize {
    let mut n = 0;
    let mut put = |column: &'l [u8]| {
        if let Some(place) = columns.get_mut(n) {
            *place = column;
        }
        n += 1;
    };
    let by = match between {
        Between::Tab => b'\t',
        Between::Comma => b',',
        Between::Space => {
            words_of(line).into_iter().for_each(put);
            return n;
        }
    };
    for column in line.split(|&byte| byte == by) {
        let column = column.trim_ascii();
        let inner = column.strip_prefix(b"\"").and_then(|column| column.strip_suffix(b"\""));
        put(inner.unwrap_or(column));
    }
    n
}

/// Whether a first line has names of columns.
fn is_header(columns: &[&[u8]]) -> bool {
    match columns {
        [_, _, weight] => number(weight).is_none(),
        columns => columns
            .iter()
            .all(|name| HEADER.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The graph of a text.
    pub(crate) fn graph(text: &str, directed: bool) -> Result<Graph> {
        let folder = tempfile::tempdir().unwrap();
        let graph = folder.path().join("g");
        std::fs::write(&graph, text).unwrap();
        GraphOptions { graph, directed, ..GraphOptions::default() }.read(&Progress::default())
    }

    /// The neighbours of each node with their weights, by name.
    fn listed(graph: &Graph) -> String {
        let mut lines: Vec<String> = (0..graph.len() as u32)
            .map(|node| {
                let neighbours = graph
                    .rows()
                    .row(node)
                    .map(|at| (graph.nodes.text(graph.neighbours[at]), graph.rows().weight_at(at)));
                let mut all: Vec<String> = neighbours.map(|(n, w)| format!("{n}{w}")).collect();
                all.sort();
                format!("{}: {}", graph.nodes.text(node), all.join(" "))
            })
            .collect();
        lines.sort();
        lines.join("; ")
    }

    #[test]
    fn lists_of_edges_are_read_whatever_stands_between_their_columns() {
        let same = "a: b1; b: a1 c1; c: b1";
        for text in [
            "a b\nb c\n",
            "# a comment\na\tb\r\n\r\nb\tc",
            "\u{feff}source,target\na,b\n\"b\", c\n",
            "% a comment\na  b\n b\tc\n",
        ] {
            // A tab divides columns where the first line has one.
            let text = text.replace(" b\tc", "b  c");
            assert_eq!(listed(&graph(&text, false).unwrap()), same, "{text:?}");
        }
        assert_eq!(listed(&graph("a b\nb c\n", true).unwrap()), "a: b1; b: c1; c: ");
        let names = graph("New York\tLos Angeles\n", false).unwrap();
        assert_eq!(listed(&names), "Los Angeles: New York1; New York: Los Angeles1");
    }

    #[test]
    fn weights_add_up_and_what_is_left_out_is_named() {
        let weighted = graph("u,v,weight\na,b,2\nb,a,0.5\nb,c,1\nd,d,1\nc,e,0\n", false).unwrap();
        assert_eq!(listed(&weighted), "a: b2.5; b: a2.5 c1; c: b1");
        assert_eq!(
            weighted.notes,
            [
                "the first line has the names of columns: u,v,weight",
                "1 edge from a node to itself left out, the first of d",
                "1 edge of weight 0 left out, the first c e",
                "1 edge given again: their weights add up",
                "2 nodes without an edge, which have no vector, the first is d",
            ]
        );
        let plain = graph("a b\nb a\na b\n", false).unwrap();
        assert_eq!((listed(&plain), plain.edges()), ("a: b1; b: a1".into(), 1));
        assert_eq!(plain.notes, ["2 edges given again: each counts once"]);
        // The heaviest node is the first.
        assert_eq!(weighted.nodes.text(0), "b");
    }

    #[test]
    fn matrices_are_read() {
        let head = "%%MatrixMarket matrix coordinate real symmetric\n% comment\n";
        let matrix = graph(&format!("{head}4 4 2\n2 1 1.5\n3 2 2\n"), false).unwrap();
        assert_eq!(listed(&matrix), "1: 21.5; 2: 11.5 32; 3: 22");
        assert_eq!(matrix.notes, ["1 node without an edge, which have no vector"]);
        let pattern = "%%MatrixMarket matrix coordinate pattern general\n2 2 1\n1 2\n";
        assert_eq!(listed(&graph(pattern, true).unwrap()), "1: 21; 2: ");
        for (text, problem) in [
            (format!("{head}4 4 3\n2 1 1.5\n3 2 2\n"), "2 entries, where 3 are promised"),
            (format!("{head}4 5 1\n2 1 1.5\n"), "line 3: 4 rows and 5 columns"),
            (
                format!("{head}4 4 1\n5 1 1.5\n"),
                "line 4: 5 1 1.5 is no pair of numbers from 1 to 4",
            ),
            (format!("{head}4 4 1\n2 1\n"), "line 4: 2 columns, where 3 are expected"),
            ("%%MatrixMarket matrix array real general\n".into(), "line 1: a graph is a matrix of"),
        ] {
            let error = graph(&text, false).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn what_is_no_edge_is_refused_by_its_line() {
        for (text, problem) in [
            ("a b\nb\n", "line 2: 1 columns, where 2 are expected"),
            ("a\n", "line 1: one column, where an edge has two nodes"),
            ("1 2 3 4\n", "line 1: 4 columns, where an edge has two nodes"),
            ("a b 1\nb c -1\n", "line 2: -1 is a negative weight"),
            ("a b 1\nb c inf\n", "line 2: inf is no weight"),
            ("a b 1\nb c likes\n", "line 2: likes is no weight"),
            ("a\tb\n\tc\n", "line 2: a node without a name"),
            ("a a\n", "no edge between two nodes"),
            ("# nothing\n", "no edge between two nodes"),
        ] {
            let error = graph(text, false).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
    }
}
