//! Graphs: nodes with names and edges between them, perhaps with weights, in compressed sparse rows.
//! A walk over a graph is a sequence of nodes, as a sentence is one of words, so that whatever trains
//! on sentences learns vectors of nodes from walks (DeepWalk, Perozzi et al. 2014).

mod file;
pub(crate) mod read;
mod split;
mod walk;

use std::ops::Range;

use rayon::prelude::*;

pub use self::read::GraphOptions;
pub use self::split::Split;
pub use self::walk::{GraphWalks, WalkOptions};
use crate::corpus::{Counter, Vocab};
use crate::error::{Error, Result};
use crate::memory::Mapped;

/// A graph. Its nodes are in the order of how much weight their edges have together, the heaviest
/// first (ties by name).
#[derive(Clone, Debug)]
pub struct Graph {
    /// The names of the nodes, and how many neighbours each has.
    pub nodes: Vocab,
    /// What the user should know about how the graph was read, one line for each.
    pub notes: Vec<String>,
    /// Where the neighbours of each node end in `neighbours`.
    ends: Mapped<u64>,
    /// The neighbours of each node, sorted.
    neighbours: Mapped<u32>,
    /// The weights of the edges to them; without weights all are equal.
    weights: Option<Mapped<f32>>,
    directed: bool,
    bytes: u64,
}

/// The edges of a graph, borrowed: compressed sparse rows.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    ends: &'a [u64],
    neighbours: &'a [u32],
    weights: Option<&'a [f32]>,
}

impl<'a> Rows<'a> {
    /// Where the neighbours of a node are.
    #[inline(always)]
    fn row(&self, node: u32) -> Range<usize> {
        let begin = if node == 0 { 0 } else { self.ends[node as usize - 1] };
        begin as usize..self.ends[node as usize] as usize
    }

    /// The neighbours of a node, which rise. In a directed graph they are those that edges lead to.
    pub(crate) fn of(&self, node: u32) -> &'a [u32] {
        &self.neighbours[self.row(node)]
    }

    /// The weights of the edges of a node; `None` where all edges are equal.
    fn weights_of(&self, node: u32) -> Option<&'a [f32]> {
        self.weights.map(|weights| &weights[self.row(node)])
    }

    /// The weight of the edge at a place of `neighbours`.
    #[inline(always)]
    fn weight_at(&self, at: usize) -> f32 {
        self.weights.map_or(1.0, |weights| weights[at])
    }

    /// The weight of the edge from one node to another, or 0 without one.
    #[inline(always)]
    fn weight(&self, from: u32, to: u32) -> f32 {
        let row = self.row(from);
        let at = self.neighbours[row.clone()].partition_point(|&node| node < to) + row.start;
        if at == row.end || self.neighbours[at] != to {
            return 0.0;
        }
        self.weight_at(at)
    }
}

/// Edges as they are read: pairs of provisional ids, in chunks, so that a long list is never copied.
#[derive(Default)]
struct EdgeList {
    names: Counter,
    edges: Vec<Vec<(u32, u32)>>,
    /// The weights of the edges, where they have some.
    weights: Vec<Vec<f32>>,
}

impl EdgeList {
    /// Edges in a chunk. A chunk is so large that the system has its memory back as soon as it is
    /// freed; what is not used of it takes none.
    const CHUNK: usize = 1 << 23;

    /// Adds an edge between two nodes.
    fn push(&mut self, from: u32, to: u32, weight: Option<f32>) {
        add(&mut self.edges, (from, to));
        if let Some(weight) = weight {
            add(&mut self.weights, weight);
        }
    }

    /// The edges with their weights. An edge has the weight 1 where none was given.
    fn iter(&self) -> impl Iterator<Item = ((u32, u32), f32)> {
        let weights = self.weights.iter().flatten().copied().chain(std::iter::repeat(1.0));
        self.edges.iter().flatten().copied().zip(weights)
    }
}

fn add<T>(chunks: &mut Vec<Vec<T>>, item: T) {
    match chunks.last_mut() {
        Some(chunk) if chunk.len() < EdgeList::CHUNK => chunk.push(item),
        _ => {
            let mut chunk = Vec::with_capacity(EdgeList::CHUNK);
            chunk.push(item);
            chunks.push(chunk);
        }
    }
}

impl Graph {
    /// The graph of a list of edges, of which none leads from a node to itself. Nodes without an edge
    /// are left out; the name of the first is returned. So is how many edges are given again: their
    /// weights are added up, and without weights each counts once.
    fn new(list: EdgeList, directed: bool, bytes: u64) -> Result<(Self, u64, Option<Vec<u8>>)> {
        let names = list.names.len();
        let mut strength = vec![0.0; names];
        for ((from, to), weight) in list.iter() {
            strength[from as usize] += f64::from(weight);
            strength[to as usize] += f64::from(weight);
        }
        let lonely = (0..names as u32).find(|&n| strength[n as usize] <= 0.0);
        let lonely = lonely.map(|node| list.names.word(node).to_vec());
        let mut order: Vec<u32> =
            (0..names as u32).filter(|&n| strength[n as usize] > 0.0).collect();
        order.par_sort_unstable_by(|&a, &b| {
            let (heavy, name) = (|n: u32| strength[n as usize], |n: u32| list.names.word(n));
            heavy(b).total_cmp(&heavy(a)).then_with(|| name(a).cmp(name(b)))
        });
        drop(strength);
        let mut ids = vec![u32::MAX; names];
        for (id, &provisional) in order.iter().enumerate() {
            ids[provisional as usize] = id as u32;
        }
        let mut ends = vec![0u64; order.len() + 1];
        let arcs = |((from, to), weight): ((u32, u32), f32)| {
            let (from, to) = (ids[from as usize], ids[to as usize]);
            [Some((from, to, weight)), (!directed).then_some((to, from, weight))]
                .into_iter()
                .flatten()
        };
        // The neighbours of node `n` begin where those of the node before it end: `ends[n + 1]` goes
        // from there to where they end.
        for (from, ..) in list.iter().flat_map(arcs) {
            ends[from as usize + 1] += 1;
        }
        let mut begin = 0;
        for end in &mut ends[1..] {
            begin += std::mem::replace(end, begin);
        }
        let weighted = !list.weights.is_empty();
        let mut neighbours = vec![0u32; begin as usize];
        let mut weights = vec![0f32; if weighted { begin as usize } else { 0 }];
        for (from, to, weight) in list.iter().flat_map(arcs) {
            let at = &mut ends[from as usize + 1];
            neighbours[*at as usize] = to;
            if weighted {
                weights[*at as usize] = weight;
            }
            *at += 1;
        }
        let EdgeList { names, edges, weights: read } = list;
        drop((edges, read));
        sort(&ends, &mut neighbours, &mut weights);
        let given = neighbours.len();
        merge(&mut ends, &mut neighbours, &mut weights);
        let again = (given - neighbours.len()) as u64 / if directed { 1 } else { 2 };
        if neighbours.is_empty() {
            return Err(Error::Refused("no edge between two nodes".into()));
        }
        let degrees = ends.windows(2).map(|ends| ends[1] - ends[0]).collect();
        let words: Vec<&[u8]> = order.iter().map(|&node| names.word(node)).collect();
        let nodes = Vocab::new(&words, degrees);
        ends.remove(0);
        let weights = weighted
            .then_some(weights)
            .filter(|all| all.iter().any(|w| w.to_bits() != all[0].to_bits()))
            .map(Into::into);
        let (ends, neighbours) = (ends.into(), neighbours.into());
        let notes = Vec::new();
        Ok((Self { nodes, notes, ends, neighbours, weights, directed, bytes }, again, lonely))
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of edges. In a directed graph an edge each way is two.
    pub fn edges(&self) -> u64 {
        self.neighbours.len() as u64 / if self.directed { 1 } else { 2 }
    }

    /// Whether edges have weights that differ.
    pub fn is_weighted(&self) -> bool {
        self.weights.is_some()
    }

    /// Whether edges lead one way.
    pub fn is_directed(&self) -> bool {
        self.directed
    }

    /// The edges.
    pub(crate) fn rows(&self) -> Rows<'_> {
        let Self { ends, neighbours, weights, .. } = self;
        Rows { ends, neighbours, weights: weights.as_ref().map(|weights| &weights[..]) }
    }
}

/// Sorts the neighbours of each node, with their weights.
fn sort(ends: &[u64], mut neighbours: &mut [u32], mut weights: &mut [f32]) {
    let mut rows = Vec::with_capacity(ends.len());
    for ends in ends.windows(2) {
        let length = (ends[1] - ends[0]) as usize;
        let (row, rest) = neighbours.split_at_mut(length);
        let (row_weights, rest_weights) = weights.split_at_mut(length.min(weights.len()));
        (neighbours, weights) = (rest, rest_weights);
        rows.push((row, row_weights));
    }
    rows.into_par_iter().for_each_init(Vec::new, |pairs: &mut Vec<(u32, f32)>, (row, weights)| {
        if weights.is_empty() {
            return row.sort_unstable();
        }
        pairs.clear();
        pairs.extend(row.iter().copied().zip(weights.iter().copied()));
        // Equal neighbours stay in the order of the file, so that their sum is always the same.
        pairs.sort_by_key(|&(node, _)| node);
        for ((node, weight), &pair) in row.iter_mut().zip(weights).zip(&*pairs) {
            (*node, *weight) = pair;
        }
    });
}

/// Makes one of neighbours that are named several times.
fn merge(ends: &mut [u64], neighbours: &mut Vec<u32>, weights: &mut Vec<f32>) {
    let (mut kept, mut begin) = (0, 0);
    for end in &mut ends[1..] {
        let first = kept;
        for at in begin..*end as usize {
            if kept > first && neighbours[kept - 1] == neighbours[at] {
                if let Some(&weight) = weights.get(at) {
                    weights[kept - 1] += weight;
                }
                continue;
            }
            neighbours[kept] = neighbours[at];
            if let Some(&weight) = weights.get(at) {
                weights[kept] = weight;
            }
            kept += 1;
        }
        begin = *end as usize;
        *end = kept as u64;
    }
    neighbours.truncate(kept);
    neighbours.shrink_to_fit();
    weights.truncate(kept);
    weights.shrink_to_fit();
}
