//! Some edges of a graph are held out, so that vectors of its nodes can be asked for them.

use rand::Rng;

use super::Graph;
use crate::error::{Error, Result};
use crate::random::{below, generator, shuffle};

/// The same edges are held out of a graph whatever the seed of its walks is.
const SEED: u64 = 0x5eed;
/// So many pairs are drawn for each that is to be no edge; a graph without as many is too dense.
const DRAWS: usize = 100;

/// A graph without some of its edges.
pub struct Split {
    /// The graph, with all nodes.
    pub graph: Graph,
    /// The edges that it lacks, in a random order.
    pub edges: Vec<(u32, u32)>,
    /// As many pairs of nodes that are no edges, drawn at random.
    pub others: Vec<(u32, u32)>,
}

impl Graph {
    /// Holds out a `share` of the edges, drawn at random. Every node keeps an edge.
    ///
    /// # Errors
    /// [`Error::Setting`] for an impossible share, or one that leaves some node without an edge;
    /// [`Error::Refused`] for a graph of which nearly all pairs are edges.
    pub fn hold_out(self, share: f64) -> Result<Split> {
        check_share(share)?;
        let once = |from: u32, to: u32| self.directed || from < to;
        let (nodes, rows) = (0..self.len() as u32, self.rows());
        let of = |from: u32| rows.of(from).iter().map(move |&to| (from, to));
        let mut order: Vec<(u32, u32)> =
            nodes.flat_map(of).filter(|&(from, to)| once(from, to)).collect();
        let wanted = (share * order.len() as f64) as usize;
        let mut rng = generator(SEED);
        shuffle(&mut order, &mut rng);
        let mut degrees = vec![0u32; self.len()];
        for &(from, to) in &order {
            degrees[from as usize] += 1;
            degrees[to as usize] += 1;
        }
        let mut edges = Vec::with_capacity(wanted);
        for (from, to) in order {
            if edges.len() < wanted && degrees[from as usize] > 1 && degrees[to as usize] > 1 {
                degrees[from as usize] -= 1;
                degrees[to as usize] -= 1;
                edges.push((from, to));
            }
        }
        if edges.len() < wanted || edges.is_empty() {
            let problem = format!(
                "{share} can't be had: only {} edges can go such that every node keeps one",
                edges.len()
            );
            return Err(Error::setting("hold_out", problem));
        }
        let others = self.no_edges(edges.len(), &mut rng)?;
        Ok(Split { graph: self.without(&edges), edges, others })
    }

    /// Pairs of nodes without an edge between them.
    fn no_edges(&self, count: usize, rng: &mut impl Rng) -> Result<Vec<(u32, u32)>> {
        let (rows, mut pairs) = (self.rows(), Vec::with_capacity(count));
        let mut known = hashbrown::HashSet::new();
        for _ in 0..count.saturating_mul(DRAWS) {
            if pairs.len() == count {
                break;
            }
            let [a, b] = [0; 2].map(|_| below(rng, self.len()) as u32);
            let pair = if self.directed { (a, b) } else { (a.min(b), a.max(b)) };
            if a != b && rows.weight(pair.0, pair.1) == 0.0 && known.insert(pair) {
                pairs.push(pair);
            }
        }
        if pairs.len() < count {
            let problem = "nearly all pairs of nodes are edges, so that there is nothing to tell";
            return Err(Error::Refused(problem.into()));
        }
        Ok(pairs)
    }

    /// The graph without some edges.
    fn without(self, edges: &[(u32, u32)]) -> Self {
        let back = edges.iter().map(|&(from, to)| (to, from)).filter(|_| !self.directed);
        let mut gone: Vec<(u32, u32)> = edges.iter().copied().chain(back).collect();
        gone.sort_unstable();
        let mut gone = gone.into_iter().peekable();
        let mut ends = Vec::with_capacity(self.len());
        let (mut neighbours, mut weights) = (Vec::new(), Vec::new());
        for (from, rows) in (0..self.len() as u32).map(|node| (node, self.rows())) {
            for at in rows.row(from) {
                if gone.next_if_eq(&(from, rows.neighbours[at])).is_none() {
                    neighbours.push(rows.neighbours[at]);
                    weights.extend(rows.weights.map(|weights| weights[at]));
                }
            }
            ends.push(neighbours.len() as u64);
        }
        let weights = self.weights.as_ref().map(|_| weights.into());
        Self { ends: ends.into(), neighbours: neighbours.into(), weights, ..self }
    }
}

/// Checks a share of edges that is to be held out.
pub(super) fn check_share(share: f64) -> Result<()> {
    if (0.0..1.0).contains(&share) {
        return Ok(());
    }
    Err(Error::setting("hold_out", "must be from 0 to less than 1"))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::graph::read::tests::graph;

    #[test]
    fn edges_are_held_out_and_every_node_keeps_one() {
        for (directed, weighted) in [(false, false), (false, true), (true, true)] {
            let mut text = String::new();
            for from in 0..40u32 {
                for step in [1, 2, 7] {
                    let weight = if weighted { from + step } else { 1 };
                    writeln!(text, "n{from}\tn{}\t{weight}", (from + step) % 40).unwrap();
                }
            }
            let whole = graph(&text, directed).unwrap();
            let Split { graph: rest, edges, others } = whole.clone().hold_out(0.25).unwrap();
            assert_eq!((edges.len(), others.len(), rest.edges()), (30, 30, 90));
            for &(from, to) in &edges {
                assert!(whole.rows().weight(from, to) > 0.0 && rest.rows().weight(from, to) == 0.0);
                assert!(directed || rest.rows().weight(to, from) == 0.0);
            }
            assert!(others.iter().all(|&(a, b)| a != b && whole.rows().weight(a, b) == 0.0));
            let mut degrees = vec![0; whole.len()];
            for from in 0..whole.len() as u32 {
                for &to in rest.rows().of(from) {
                    assert_eq!(rest.rows().weight(from, to), whole.rows().weight(from, to));
                    degrees[from as usize] += 1;
                    degrees[to as usize] += 1;
                }
            }
            assert!(degrees.iter().all(|&degree| degree > 0));
            // The same edges each time.
            assert_eq!(whole.clone().hold_out(0.25).unwrap().edges, edges);
            let error = |share| whole.clone().hold_out(share).err().unwrap().to_string();
            assert!(error(0.95).contains("`hold_out` 0.95 can't be had"), "{}", error(0.95));
            assert!(error(1.0).contains("must be from 0 to less than 1"));
        }
        let all = graph("a b\na c\nb c\n", false).unwrap();
        assert!(all.hold_out(0.4).err().unwrap().to_string().contains("nearly all pairs"));
    }
}
