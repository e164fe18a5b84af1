//! Random walks over a graph, of first order (DeepWalk, Perozzi et al. 2014), and of second order
//! (node2vec, Grover & Leskovec 2016; for weighted graphs node2vec+, Liu et al. 2023).
//!
//! In a walk of second order that came from `t` to `v`, the probability of the next node `x` is in
//! proportion to the weight of the edge from `v` to `x` times
//!
//! ```text
//! 1/p   where x is t,      1   where x is a neighbour of t,      1/q   elsewhere.
//! ```
//!
//! Nodes are proposed by their weights alone, and accepted in proportion to this factor, which is
//! exact and needs no table for each pair of nodes. Where 1/p is the largest factor, what it is more
//! than the others is set apart, so that it does not make all others rare (both as in KnightKing,
//! Yang et al. 2019). Where nothing is accepted for long, all neighbours are weighed.
//!
//! Each walk has random numbers of its own, so that walks are the same for any number of threads.
//! Several walks go on in turn, so that one does not wait while memory is read for another.
//!
//! This file is over 300 lines because it has its tests, which weigh walks against the formula.

use std::sync::atomic::Ordering;

use rand::Rng;
use rayon::prelude::*;
use xxhash_rust::xxh3::Xxh3;

use super::{Graph, GraphOptions, Rows};
use crate::corpus::{CorpusWriter, Facts, Produce, Vocab, add_identity};
use crate::error::{Error, Result};
use crate::memory::prefetch;
use crate::progress::Progress;
use crate::random::{Generator, alias, generator, mix, shuffle};

/// Walks that a thread makes in turn.
const LANES: usize = 16;
/// So many walks are made before they are given, and fewer if they have more nodes together than
/// this.
const BATCH: usize = 1 << 12;
const BATCH_NODES: usize = 1 << 19;
/// All neighbours are weighed when so many proposals were not accepted.
const PROPOSALS: u32 = 32;
/// The longest walk.
const LONGEST: u32 = 1 << 20;
/// A part of every key. It is raised with every change by which the same graph gives other walks.
const VERSION: u32 = 1;

/// Which walks are made.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default)]
pub struct WalkOptions {
    /// Walks that begin at each node
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 10))]
    pub walks: u32,
    /// Nodes in a walk
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 80))]
    pub length: u32,
    /// Return parameter: the larger, the rarer a walk goes back to where it came from
    #[cfg_attr(feature = "cli", arg(short, long, value_name = "P", default_value_t = 1.0))]
    pub p: f64,
    /// In-out parameter: the larger, the rarer a walk leaves the neighbourhood of where it came from
    #[cfg_attr(feature = "cli", arg(short, long, value_name = "Q", default_value_t = 1.0))]
    pub q: f64,
    /// An edge as heavy as G standard deviations above the mean of its node's edges makes nodes
    /// neighbours, and a lighter one does so in part (node2vec+); without it any edge does
    #[cfg_attr(feature = "cli", arg(long, value_name = "G", num_args = 0..=1, require_equals = true, default_missing_value = "0"))]
    pub plus: Option<f64>,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self { walks: 10, length: 80, p: 1.0, q: 1.0, plus: None }
    }
}

impl WalkOptions {
    /// Whether such walks are possible.
    ///
    /// # Errors
    /// [`Error::Setting`], with the name of the setting.
    pub fn check(&self) -> Result<()> {
        for (name, value) in [("walks", self.walks), ("length", self.length)] {
            if value == 0 {
                return Err(Error::setting(name, "must be at least 1"));
            }
        }
        if self.length > LONGEST {
            return Err(Error::setting("length", format!("must be at most {LONGEST}")));
        }
        for (name, value) in [("p", self.p), ("q", self.q)] {
            if !(1e-6..=1e6).contains(&value) {
                return Err(Error::setting(name, "must be from 0.000001 to 1000000"));
            }
        }
        if self.plus.is_some_and(|gamma| !gamma.is_finite()) {
            return Err(Error::setting("plus", "must be a number"));
        }
        Ok(())
    }

    /// Whether the next node depends on the one before.
    fn second_order(&self) -> bool {
        [self.p, self.q].iter().any(|factor| factor.to_bits() != 1f64.to_bits())
    }
}

/// Walks over the graph in a file, as a corpus: a walk is a sentence, and a node a word.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct GraphWalks {
    /// The graph.
    pub graph: GraphOptions,
    /// Which walks are made.
    pub walks: WalkOptions,
    /// The walks depend on it.
    pub seed: u64,
}

impl Produce for GraphWalks {
    fn sources(&self) -> Vec<std::path::PathBuf> {
        vec![self.graph.graph.clone()]
    }

    /// A hash of the settings, and of what the system knows about the file.
    fn key(&self) -> Result<Option<u64>> {
        let mut hash = Xxh3::new();
        let settings =
            serde_json::to_vec(&(VERSION, self)).map_err(|e| Error::Refused(e.to_string()))?;
        hash.update(&settings);
        Ok(add_identity(&mut hash, &self.graph.graph)?.then(|| hash.digest()))
    }

    fn write(&self, writer: &mut CorpusWriter, progress: &Progress) -> Result<(Vocab, Facts)> {
        let graph = self.graph.read(progress)?;
        graph.write_walks(&self.walks, self.seed, writer, progress)
    }
}

impl Graph {
    /// Writes walks as a corpus. Returns its vocabulary, the nodes with the number of visits, and
    /// facts. Of `progress` the nodes of walks count, as words.
    ///
    /// # Errors
    /// An impossible setting, a full disk, or [`Error::Stopped`].
    pub fn write_walks(
        &self,
        options: &WalkOptions,
        seed: u64,
        writer: &mut CorpusWriter,
        progress: &Progress,
    ) -> Result<(Vocab, Facts)> {
        self.notes.iter().for_each(|note| writer.note(note));
        let mut visits = vec![0; self.len()];
        self.walk(options, seed, progress, |walk| {
            for &node in walk {
                visits[node as usize] += 1;
            }
            writer.tokens(walk)?;
            writer.end_sentence();
            Ok(())
        })?;
        let facts = Facts {
            words_read: visits.iter().sum(),
            types_read: self.len() as u64,
            bytes_read: self.bytes,
            ..Facts::default()
        };
        Ok((Vocab { counts: visits.into(), ..self.nodes.clone() }, facts))
    }

    /// Gives walks to `each`: from every node in a random order, and again as often as asked for. The
    /// walks depend on the seed, and not on the number of threads. Of `progress` the nodes of walks
    /// count, as words.
    ///
    /// # Errors
    /// An impossible setting, an error of `each`, or [`Error::Stopped`].
    pub fn walk(
        &self,
        options: &WalkOptions,
        seed: u64,
        progress: &Progress,
        mut each: impl FnMut(&[u32]) -> Result<()> + Send,
    ) -> Result<()> {
        options.check()?;
        let walker = Walker::new(self, options);
        let mut starts: Vec<u32> = (0..self.len() as u32).collect();
        progress.words.store(0, Ordering::Relaxed);
        let length = options.length as usize;
        let batch = BATCH.min(BATCH_NODES / length).max(LANES).min(self.len());
        // While walks are given, the next ones are made.
        let (mut ready, mut made) = (Made::new(batch, length), Made::new(batch, length));
        for round in 0..u64::from(options.walks) {
            let seed = mix(mix(seed).wrapping_add(round));
            shuffle(&mut starts, &mut generator(seed));
            for starts in starts.chunks(batch) {
                progress.check()?;
                let give = || ready.give(progress, &mut each);
                rayon::join(give, || made.make(&walker, starts, seed)).0?;
                std::mem::swap(&mut ready, &mut made);
            }
        }
        ready.give(progress, &mut each)
    }
}

/// Walks that were made, with room for the same number of nodes each.
struct Made {
    room: usize,
    nodes: Vec<u32>,
    lengths: Vec<u32>,
    /// The number of walks that are there.
    count: usize,
}

impl Made {
    /// Room for walks.
    fn new(walks: usize, room: usize) -> Self {
        Self { room, nodes: vec![0; walks * room], lengths: vec![0; walks], count: 0 }
    }

    /// Makes the walks that begin at these nodes.
    fn make(&mut self, walker: &Walker, starts: &[u32], seed: u64) {
        self.count = starts.len();
        let places = self.nodes.par_chunks_mut(LANES * self.room);
        let places = places.zip(self.lengths.par_chunks_mut(LANES));
        starts
            .par_chunks(LANES)
            .zip(places)
            .for_each(|(starts, (nodes, lengths))| walker.walks(starts, seed, nodes, lengths));
    }

    /// Gives the walks to `each`.
    fn give(&self, progress: &Progress, each: &mut impl FnMut(&[u32]) -> Result<()>) -> Result<()> {
        for (walk, &length) in self.nodes.chunks(self.room).zip(&self.lengths[..self.count]) {
            progress.words.fetch_add(u64::from(length), Ordering::Relaxed);
            each(&walk[..length as usize])?;
        }
        Ok(())
    }
}

/// A walk that is being made.
struct Lane {
    rng: Generator,
    before: u32,
    at: u32,
    /// The weight of the edge by which it came.
    weight: f32,
    /// The random bits of the proposal, the edge that they stand for, and the node that it leads to.
    bits: u64,
    proposal: usize,
    proposed: u32,
    /// Proposals since the last step.
    proposals: u32,
    length: u32,
}

/// What walks over a graph need besides the graph.
struct Walker<'a> {
    edges: Rows<'a>,
    directed: bool,
    length: u32,
    /// The columns of an alias table for each node, where edges have weights.
    columns: Vec<(u32, u32)>,
    second: Option<Second>,
}

/// Walks of second order.
struct Second {
    /// The factors 1/p and 1/q.
    back: f64,
    away: f64,
    /// The largest and the smallest factor besides 1/p.
    most: f64,
    least: f64,
    /// The sum of the weights of each node's edges, where edges have weights.
    strengths: Vec<f32>,
    /// node2vec+: which weight makes neighbours, for each node.
    thresholds: Option<Vec<f32>>,
}

impl<'a> Walker<'a> {
    fn new(graph: &'a Graph, options: &WalkOptions) -> Self {
        let nodes = 0..graph.len() as u32;
        let edges = graph.rows();
        let weights = |node| edges.weights_of(node);
        let columns = |weights: &[f32]| {
            alias(&weights.iter().map(|&weight| f64::from(weight)).collect::<Vec<_>>())
        };
        let columns = nodes.clone().into_par_iter().filter_map(weights).flat_map_iter(columns);
        let second = options.second_order().then(|| {
            let (back, away) = (1.0 / options.p, 1.0 / options.q);
            let sum = |weights: &[f32]| weights.iter().sum::<f32>();
            let threshold = |gamma: f64, node| {
                let weights = weights(node).unwrap_or(&[1.0]);
                let n = weights.len().max(1) as f64;
                let mean = weights.iter().map(|&w| f64::from(w)).sum::<f64>() / n;
                let square = weights.iter().map(|&w| (f64::from(w) - mean).powi(2)).sum::<f64>();
                (mean + gamma * (square / n).sqrt()).max(0.0) as f32
            };
            Second {
                back,
                away,
                most: away.max(1.0),
                least: away.min(1.0),
                strengths: nodes.clone().filter_map(weights).map(sum).collect(),
                thresholds: options
                    .plus
                    .map(|gamma| nodes.clone().map(|node| threshold(gamma, node)).collect()),
            }
        });
        let columns = columns.collect();
        Self { edges, directed: graph.directed, length: options.length, columns, second }
    }

    /// Makes the walks that begin at these nodes, with the same room in `nodes` for each.
    fn walks(&self, starts: &[u32], seed: u64, nodes: &mut [u32], lengths: &mut [u32]) {
        let lanes = match (&self.second, self.columns.is_empty()) {
            (None, true) => self.walks_by::<false, false>(starts, seed, nodes),
            (None, false) => self.walks_by::<false, true>(starts, seed, nodes),
            (Some(_), true) => self.walks_by::<true, false>(starts, seed, nodes),
            (Some(_), false) => self.walks_by::<true, true>(starts, seed, nodes),
        };
        lanes.iter().zip(lengths).for_each(|(lane, length)| *length = lane.length);
    }

    fn walks_by<const SECOND: bool, const WEIGHTED: bool>(
        &self,
        starts: &[u32],
        seed: u64,
        nodes: &mut [u32],
    ) -> Vec<Lane> {
        let room = self.length as usize;
        let lane = |&start: &u32| Lane {
            rng: generator(mix(seed ^ mix(u64::from(start)))),
            before: start,
            at: start,
            weight: 0.0,
            bits: 0,
            proposal: 0,
            proposed: 0,
            proposals: 0,
            length: 1,
        };
        let mut lanes: Vec<Lane> = starts.iter().map(lane).collect();
        for (lane, start) in starts.iter().enumerate() {
            nodes[lane * room] = *start;
        }
        let mut going: Vec<usize> = (0..lanes.len()).filter(|_| room > 1).collect();
        while !going.is_empty() {
            // Between what is asked of memory and its use, all other walks have their turn.
            going.retain(|&lane| self.propose::<WEIGHTED>(&mut lanes[lane]));
            for &lane in &going {
                self.look::<WEIGHTED>(&mut lanes[lane]);
            }
            going.retain(|&number| {
                let lane = &mut lanes[number];
                let Some((next, weight)) = self.decide::<SECOND>(lane) else {
                    return true;
                };
                nodes[number * room + lane.length as usize] = next;
                (lane.before, lane.at, lane.weight) = (lane.at, next, weight);
                (lane.proposals, lane.length) = (0, lane.length + 1);
                lane.length < self.length
            });
        }
        lanes
    }

    /// Proposes an edge by its weight alone. The walk ends where there is none.
    #[inline(always)]
    fn propose<const WEIGHTED: bool>(&self, lane: &mut Lane) -> bool {
        let row = self.edges.row(lane.at);
        lane.bits = lane.rng.next_u64();
        lane.proposal = row.start + (((lane.bits >> 32) * row.len() as u64) >> 32) as usize;
        if let Some(node) = self.edges.neighbours.get(lane.proposal) {
            prefetch(node);
        }
        if WEIGHTED && let Some(column) = self.columns.get(lane.proposal) {
            prefetch(column);
        }
        !row.is_empty()
    }

    /// Looks where the proposed edge leads.
    #[inline(always)]
    fn look<const WEIGHTED: bool>(&self, lane: &mut Lane) {
        if WEIGHTED {
            let (threshold, other) = self.columns[lane.proposal];
            if lane.bits as u32 > threshold {
                lane.proposal = self.edges.row(lane.at).start + other as usize;
            }
        }
        lane.proposed = self.edges.neighbours[lane.proposal];
        prefetch(&self.edges.ends[(lane.proposed as usize).saturating_sub(1)]);
    }

    /// The next node and the weight of the edge to it, unless the proposal is not accepted.
    #[inline(always)]
    fn decide<const SECOND: bool>(&self, lane: &mut Lane) -> Option<(u32, f32)> {
        let edges = self.edges;
        let proposed = (lane.proposed, edges.weight_at(lane.proposal));
        let Some(second) = self.second.as_ref().filter(|_| SECOND && lane.length > 1) else {
            return Some(proposed);
        };
        if second.back > second.most {
            let back = self.weight_back(lane);
            let row = edges.row(lane.at);
            let all =
                second.strengths.get(lane.at as usize).map_or(row.len() as f64, |&s| s.into());
            let extra = (second.back - second.most) * f64::from(back);
            if unit(lane.rng.next_u64()) * (second.most * all + extra) < extra {
                return Some((lane.before, back));
            }
        }
        lane.proposals += 1;
        let draw = unit(lane.rng.next_u64()) * second.most;
        let accepted = if proposed.0 == lane.before {
            draw < second.back
        } else {
            draw < second.least || draw < self.factor(second, lane, proposed)
        };
        if accepted {
            return Some(proposed);
        }
        (lane.proposals == PROPOSALS).then(|| self.weigh(second, lane))
    }

    /// The weight of the edge back to where a walk came from; 0 without one.
    fn weight_back(&self, lane: &Lane) -> f32 {
        if self.directed { self.edges.weight(lane.at, lane.before) } else { lane.weight }
    }

    /// By what the weight of the edge to a node is multiplied, which is not where the walk came from.
    #[inline(always)]
    fn factor(&self, second: &Second, lane: &Lane, (next, weight): (u32, f32)) -> f64 {
        let Some(thresholds) = &second.thresholds else {
            return if self.tie(lane.before, next) > 0.0 { 1.0 } else { second.away };
        };
        let (tie, enough) = (self.tie(lane.before, next), thresholds[next as usize]);
        if tie > 0.0 && tie >= enough {
            1.0
        } else if weight < thresholds[lane.at as usize] {
            second.least
        } else {
            second.away + (1.0 - second.away) * f64::from(tie / enough)
        }
    }

    /// The weight of the edge from one node to another, or 0 without one. Where edges have no
    /// direction, it is looked for on the side that has fewer.
    #[inline(always)]
    fn tie(&self, from: u32, to: u32) -> f32 {
        let edges = &self.edges;
        if !self.directed && edges.row(to).len() < edges.row(from).len() {
            return edges.weight(to, from);
        }
        edges.weight(from, to)
    }

    /// Draws the next node among all neighbours, each with its factor.
    #[inline(never)]
    fn weigh(&self, second: &Second, lane: &mut Lane) -> (u32, f32) {
        let edges = self.edges;
        let share = |at: usize| {
            let weight = edges.weight_at(at);
            let next = edges.neighbours[at];
            let factor = if next == lane.before {
                second.back
            } else {
                self.factor(second, lane, (next, weight))
            };
            (factor * f64::from(weight), (next, weight))
        };
        let row = edges.row(lane.at);
        let shares: Vec<(f64, (u32, f32))> = row.map(share).collect();
        let all: f64 = shares.iter().map(|(share, _)| share).sum();
        let mut left = unit(lane.rng.next_u64()) * all;
        let mut drawn = shares[0].1;
        for (share, next) in shares {
            if share > 0.0 {
                drawn = next;
                if left < share {
                    break;
                }
            }
            left -= share;
        }
        drawn
    }
}

/// A number from 0 to less than 1.
#[inline(always)]
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write;

    use super::*;
    use crate::graph::read::tests::graph;

    /// Edges between 12 nodes; the weights go from 1 to 7.
    fn edges(weighted: bool) -> String {
        let mut rng = generator(5);
        let mut lines = String::new();
        for from in 0..12 {
            for to in from + 1..12 {
                let draw = rng.next_u64();
                // A ring, so that no node is alone, and a third of all other pairs.
                if to == from + 1 || draw.is_multiple_of(3) {
                    let weight = if weighted { 1 + (draw >> 8) % 7 } else { 1 };
                    writeln!(lines, "n{from}\tn{to}\t{weight}").unwrap();
                }
            }
        }
        lines
    }

    /// The weights of edges, by the numbers of nodes.
    fn weights(graph: &Graph) -> BTreeMap<(u32, u32), f64> {
        let mut all = BTreeMap::new();
        for from in 0..graph.len() as u32 {
            for at in graph.rows().row(from) {
                let weight = f64::from(graph.rows().weight_at(at));
                all.insert((from, graph.neighbours[at]), weight);
            }
        }
        all
    }

    /// The chance of each next node for a walk that came from `t` to `v`, by definition.
    fn chances(
        edges: &BTreeMap<(u32, u32), f64>,
        options: &WalkOptions,
        (t, v): (u32, u32),
    ) -> BTreeMap<u32, f64> {
        let of = |node: u32| -> Vec<f64> {
            edges.iter().filter(|((from, _), _)| *from == node).map(|(_, &w)| w).collect()
        };
        let threshold = |node: u32| {
            let (weights, gamma) = (of(node), options.plus.unwrap_or(0.0));
            let n = weights.len().max(1) as f64;
            let mean = weights.iter().sum::<f64>() / n;
            let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / n;
            (mean + gamma * variance.sqrt()).max(0.0)
        };
        let mut chances = BTreeMap::new();
        for (&(_, x), &weight) in edges.iter().filter(|((from, _), _)| *from == v) {
            let tie = edges.get(&(t, x)).copied();
            let factor = if x == t {
                1.0 / options.p
            } else if options.plus.is_none() {
                if tie.is_some() { 1.0 } else { 1.0 / options.q }
            } else if tie.is_some_and(|tie| tie >= threshold(x)) {
                1.0
            } else if weight < threshold(v) {
                (1.0 / options.q).min(1.0)
            } else {
                1.0 / options.q + (1.0 - 1.0 / options.q) * tie.unwrap_or(0.0) / threshold(x)
            };
            chances.insert(x, factor * weight);
        }
        let all: f64 = chances.values().sum();
        for chance in chances.values_mut() {
            *chance /= all;
        }
        chances
    }

    /// Chi-squared of the steps of walks against the chances, in standard deviations from its mean.
    fn excess(graph: &Graph, options: &WalkOptions, seed: u64) -> f64 {
        let mut steps: BTreeMap<(u32, u32), BTreeMap<u32, u64>> = BTreeMap::new();
        graph
            .walk(options, seed, &Progress::default(), |walk| {
                for step in walk.windows(3) {
                    *steps.entry((step[0], step[1])).or_default().entry(step[2]).or_default() += 1;
                }
                Ok(())
            })
            .unwrap();
        let edges = weights(graph);
        let (mut sum, mut freedom) = (0.0, 0.0);
        for (&place, seen) in &steps {
            let n = seen.values().sum::<u64>() as f64;
            let chances = chances(&edges, options, place);
            assert!(seen.keys().all(|next| chances.contains_key(next)));
            let expected = chances.iter().map(|(next, chance)| (next, n * chance));
            let often: Vec<_> = expected.filter(|(_, expected)| *expected >= 5.0).collect();
            for (next, expected) in &often {
                let seen = seen.get(next).copied().unwrap_or(0) as f64;
                sum += (seen - expected).powi(2) / expected;
            }
            freedom += (often.len() as f64 - 1.0).max(0.0);
        }
        assert!(freedom >= 5.0, "{freedom}");
        (sum - freedom) / (2.0f64 * freedom).sqrt()
    }

    #[test]
    fn steps_have_the_chances_of_the_formula() {
        for (weighted, directed) in [(false, false), (true, false), (true, true)] {
            let graph = graph(&edges(weighted), directed).unwrap();
            assert_eq!(graph.is_weighted(), weighted);
            for (p, q) in
                [(1.0, 1.0), (0.25, 0.25), (4.0, 1.0), (0.01, 100.0), (1.0, 100.0), (0.5, 2.0)]
            {
                for plus in [None, Some(0.0), Some(0.5)] {
                    let (walks, length) = if directed { (6000, 12) } else { (60, 1000) };
                    let options = WalkOptions { walks, length, p, q, plus };
                    let excess = excess(&graph, &options, 3);
                    assert!(excess < 4.0, "{excess} for {weighted} {directed} {options:?}");
                }
            }
        }
    }

    #[test]
    fn walks_are_the_same_for_any_number_of_threads() {
        let graph = graph(&edges(true), false).unwrap();
        let options = WalkOptions { walks: 9, p: 0.5, q: 3.0, ..WalkOptions::default() };
        let walks = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut all: Vec<Vec<u32>> = Vec::new();
            let take = |walk: &[u32]| {
                all.push(walk.to_vec());
                Ok(())
            };
            pool.install(|| graph.walk(&options, 1, &Progress::default(), take)).unwrap();
            all
        };
        let one = walks(1);
        assert_eq!(one.len(), 9 * graph.len());
        assert!(one.iter().all(|walk| walk.len() == 80));
        assert!([2, 4].into_iter().all(|threads| walks(threads) == one));
        for round in one.chunks(graph.len()) {
            let mut starts: Vec<u32> = round.iter().map(|walk| walk[0]).collect();
            starts.sort_unstable();
            assert_eq!(starts, (0..graph.len() as u32).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_walk_ends_where_no_edge_leads_on() {
        let graph = graph("a b\nb c\n", true).unwrap();
        let options = WalkOptions { walks: 1, p: 2.0, ..WalkOptions::default() };
        let mut all = Vec::new();
        graph
            .walk(&options, 1, &Progress::default(), |walk| {
                all.push(walk.iter().map(|&node| graph.nodes.text(node)).collect::<String>());
                Ok(())
            })
            .unwrap();
        all.sort();
        assert_eq!(all, ["abc", "bc", "c"]);
    }
}
