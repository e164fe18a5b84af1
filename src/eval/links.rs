//! Which edges does a graph lack? Edges that were held out are told from pairs that are no edges, by
//! the vectors of their nodes, and beside them by what is counted of their neighbours (Liben-Nowell
//! & Kleinberg 2007; operators of Grover & Leskovec 2016).
//!
//! This file is over 300 lines because a third of it is tests.

use rayon::prelude::*;

use super::probe::{Features, held_out};
use super::score::{Difference, Score, differences};
use crate::embeddings::{Embeddings, unit};
use crate::error::{Error, Result};
use crate::graph::{Graph, Split};
use crate::math::level;
use crate::stats::{Clusters, Draw, Statistic, bootstrap, interval};

/// The seed of the folds.
const SEED: u64 = 1;

/// Pairs of nodes that are to be told apart: edges, and others.
pub struct Links {
    /// The graph without the edges.
    graph: Graph,
    pairs: Vec<(u32, u32)>,
    /// Whether each pair is an edge.
    edges: Vec<bool>,
    clusters: Clusters,
}

/// How a method scores the pairs: edges should have the higher scores.
#[derive(Clone, Debug)]
pub struct LinkScores {
    /// The name of the method.
    pub name: String,
    scores: Vec<f32>,
}

/// How well a method tells edges from other pairs.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct LinkQuality {
    /// The chance that an edge has a higher score than another pair (the area under the ROC curve).
    pub auc: Score,
    /// The average precision: of the pairs down to each edge the share that are edges.
    pub ap: Score,
}

/// The methods by which vectors of two nodes are combined.
pub const OPERATORS: [&str; 6] = ["Hadamard", "mean", "L1", "L2", "dot", "cosine"];

impl Links {
    /// Asks for the edges that were held out, and for as many other pairs; for the first `most` of
    /// both where there are more.
    pub fn new(split: Split, most: usize) -> Self {
        let Split { graph, edges, others } = split;
        let (edges, others) = (&edges[..edges.len().min(most)], &others[..others.len().min(most)]);
        // Pairs of a node depend on each other.
        let mut clusters = Clusters::default();
        clusters.push(edges.iter().chain(others).map(|&(a, b)| [a, b]));
        Self {
            pairs: [edges, others].concat(),
            edges: (0..edges.len() + others.len()).map(|at| at < edges.len()).collect(),
            graph,
            clusters,
        }
    }

    /// The number of edges that are asked for; there are as many other pairs.
    pub fn len(&self) -> usize {
        self.pairs.len() / 2
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The scores of a model, by each of [`OPERATORS`]. For the first four a logistic regression
    /// learns from four fifths of the pairs what it tells of the last; the others learn nothing.
    ///
    /// # Errors
    /// [`Error::Refused`] when the model has no vector for some node.
    pub fn scores(&self, model: &Embeddings) -> Result<Vec<LinkScores>> {
        let nodes = &self.graph.nodes;
        let id = |node: u32| {
            model.vocab.id(nodes.word(node)).ok_or_else(|| {
                let name = nodes.text(node);
                Error::Refused(format!("has no vector for the node {name}: is it of this graph?"))
            })
        };
        let ids = self
            .pairs
            .iter()
            .map(|&(a, b)| Ok((id(a)?, id(b)?)))
            .collect::<Result<Vec<(u32, u32)>>>()?;
        let raw = |node: u32| model.vector(node).into_owned();
        let scaled = |node: u32| unit(&model.vector(node));
        let with = |of: &(dyn Fn(u32) -> Vec<f32> + Sync), by: fn(f32, f32) -> f32| {
            let pair = |&(a, b): &(u32, u32)| {
                of(a).into_iter().zip(of(b)).map(|(a, b)| by(a, b)).collect::<Vec<f32>>()
            };
            ids.par_iter().map(pair).collect::<Vec<Vec<f32>>>()
        };
        let sum = |rows: Vec<Vec<f32>>| rows.iter().map(|row| row.iter().sum()).collect();
        let learnt: [fn(f32, f32) -> f32; 4] =
            [|a, b| a * b, f32::midpoint, |a, b| (a - b).abs(), |a, b| (a - b) * (a - b)];
        let mut scores: Vec<Vec<f32>> =
            learnt.into_iter().map(|by| self.learn(&with(&scaled, by), model.dim())).collect();
        scores.push(sum(with(&raw, |a, b| a * b)));
        scores.push(sum(with(&scaled, |a, b| a * b)));
        let named = |(name, scores): (&str, Vec<f32>)| LinkScores { name: name.into(), scores };
        Ok(OPERATORS.into_iter().zip(scores).map(named).collect())
    }

    /// What a logistic regression tells of each pair, by those of other folds.
    fn learn(&self, rows: &[Vec<f32>], dim: usize) -> Vec<f32> {
        let features = Features::standardised(rows.iter().map(Vec::as_slice), dim);
        let level = level(None).unwrap_or(fearless_simd::Level::baseline());
        let given: Vec<Vec<u32>> = self.edges.iter().map(|&edge| vec![u32::from(!edge)]).collect();
        let mut odds = held_out(&features, &given, 1, (SEED, level));
        odds.swap_remove(0)
    }

    /// The scores of methods that count: common neighbours, such neighbours with fewer neighbours of
    /// their own counting more (Adamic & Adar 2003), and the product of the numbers of neighbours.
    /// In a directed graph these are the nodes that edges lead to.
    pub fn baselines(&self) -> Vec<LinkScores> {
        let graph = self.graph.rows();
        let common = |&(a, b): &(u32, u32)| {
            let (a, b) = (graph.of(a), graph.of(b));
            let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
            few.iter().copied().filter(|node| many.binary_search(node).is_ok())
        };
        let rare = |node: u32| 1.0 / (graph.of(node).len().max(2) as f32).ln();
        let degree = |node: u32| graph.of(node).len() as f32;
        let of = |name: &str, score: &(dyn Fn(&(u32, u32)) -> f32 + Sync)| LinkScores {
            name: name.into(),
            scores: self.pairs.par_iter().map(score).collect(),
        };
        vec![
            of("common neighbours", &|pair| common(pair).count() as f32),
            of("Adamic-Adar", &|pair| common(pair).map(rare).sum()),
            of("preferential attachment", &|&(a, b)| degree(a) * degree(b)),
        ]
    }

    /// The quality of each list of scores with its intervals, and how much greater the AUC of each
    /// of the first `models` is than that of each of the others, by `draws` bootstrap draws of
    /// nodes, which follow from `seed`.
    pub fn quality(
        &self,
        methods: &[LinkScores],
        models: usize,
        (draws, seed): (usize, u64),
    ) -> (Vec<LinkQuality>, Vec<Vec<Difference>>) {
        let sorted: Vec<Sorted> =
            methods.iter().map(|method| Sorted::new(&method.scores, &self.edges)).collect();
        let statistics: Vec<Statistic> = sorted
            .iter()
            .flat_map(|sorted| -> [Statistic; 2] {
                [
                    Box::new(|draw: &Draw| sorted.measure(&draw.items).0),
                    Box::new(|draw: &Draw| sorted.measure(&draw.items).1),
                ]
            })
            .collect();
        let drawn = bootstrap(&self.clusters, draws, seed, &statistics);
        let whole = self.clusters.whole();
        let score =
            |at: usize| Score { score: statistics[at](&whole), interval: interval(&drawn[at]) };
        let quality = |at| LinkQuality { auc: score(2 * at), ap: score(2 * at + 1) };
        let quality: Vec<LinkQuality> = (0..methods.len()).map(quality).collect();
        let auc = |at: usize| (quality[at].auc.score, &drawn[2 * at][..]);
        let of = |model| differences(auc(model), (models..methods.len()).map(auc));
        let better = (0..models).map(of).collect();
        (quality, better)
    }
}

/// Pairs from the highest score to the lowest.
struct Sorted {
    /// The pair, and whether it is an edge.
    order: Vec<(u32, bool)>,
    /// Where each group of equal scores ends.
    ends: Vec<usize>,
}

impl Sorted {
    fn new(scores: &[f32], edges: &[bool]) -> Self {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
        let equal = |a: &u32, b: &u32| scores[*a as usize].total_cmp(&scores[*b as usize]).is_eq();
        let ends = order.chunk_by(equal).scan(0, |end, group| {
            *end += group.len();
            Some(*end)
        });
        let ends = ends.collect();
        Self { order: order.into_iter().map(|pair| (pair, edges[pair as usize])).collect(), ends }
    }

    /// The AUC and the average precision where pairs have weights.
    fn measure(&self, weights: &[f32]) -> (f64, f64) {
        let (mut edges, mut others) = (0.0, 0.0);
        let (mut wins, mut precision) = (0.0, 0.0);
        let mut begin = 0;
        for &end in &self.ends {
            let (mut edges_here, mut others_here) = (0.0, 0.0);
            for &(pair, edge) in &self.order[begin..end] {
                let weight = f64::from(weights[pair as usize]);
                *if edge { &mut edges_here } else { &mut others_here } += weight;
            }
            begin = end;
            // Each of the other pairs is below all edges so far, and level with those here.
            wins += others_here * (edges + edges_here / 2.0);
            edges += edges_here;
            others += others_here;
            if edges_here > 0.0 {
                precision += edges_here * edges / (edges + others);
            }
        }
        (wins / (edges * others), precision / edges)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;
    use crate::graph::read::tests::graph;

    proptest! {
        #[test]
        fn measures_are_those_of_their_definitions(
            scores in prop::collection::vec((0u8..5, prop::bool::ANY, 0u8..3), 2..20),
        ) {
            let weights: Vec<f32> = scores.iter().map(|s| f32::from(s.2)).collect();
            let edges: Vec<bool> = scores.iter().map(|s| s.1).collect();
            let values: Vec<f32> = scores.iter().map(|s| f32::from(s.0)).collect();
            // Each pair as often as its weight says.
            let listed: Vec<(f32, bool)> = (0..scores.len())
                .flat_map(|at| vec![(values[at], edges[at]); weights[at] as usize])
                .collect();
            let of = |edge| listed.iter().filter(move |s| s.1 == edge).map(|s| s.0);
            prop_assume!(of(true).count() > 0 && of(false).count() > 0);
            let wins: f64 = of(true)
                .flat_map(|a| of(false).map(move |b| if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 }))
                .sum();
            let auc = wins / (of(true).count() * of(false).count()) as f64;
            let precision = of(true).map(|a| {
                let above = |edge| of(edge).filter(|&b| b >= a).count() as f64;
                above(true) / (above(true) + above(false))
            });
            let ap = precision.sum::<f64>() / of(true).count() as f64;
            let (found, found_ap) = Sorted::new(&values, &edges).measure(&weights);
            prop_assert!((found - auc).abs() < 1e-9 && (found_ap - ap).abs() < 1e-9);
        }
    }

    #[test]
    fn counting_and_vectors_tell_edges_within_groups() {
        let mut text = String::new();
        for from in 0..60u32 {
            for to in 0..from {
                if from % 3 == to % 3 && (from * 7 + to * 3) % 5 < 3 {
                    writeln!(text, "n{from} n{to}").unwrap();
                }
            }
        }
        let graph = graph(&text, false).unwrap();
        let names: Vec<String> = (0..graph.len() as u32).map(|n| graph.nodes.text(n)).collect();
        // A vector tells the group of its node, but for a little.
        let number = |name: &String| name[1..].parse::<u32>().unwrap();
        let row = |name: &String| {
            let mut row = vec![0.1 * (number(name) as f32).sin(); 3];
            row[number(name) as usize % 3] += 1.0;
            row
        };
        let rows: Vec<f32> = names.iter().flat_map(row).collect();
        let vocab = Vocab::new(&names, vec![]);
        let model = Embeddings::new(vocab, 3, rows.into(), None, Provenance::default());
        let links = Links::new(graph.hold_out(0.1).unwrap(), 1000);
        let mut methods = links.scores(&model).unwrap();
        let count = methods.len();
        methods.extend(links.baselines());
        let (quality, better) = links.quality(&methods, count, (200, 1));
        let auc = |name: &str| {
            let at = methods.iter().position(|method| method.name == name).unwrap();
            quality[at].auc.score
        };
        for name in ["Hadamard", "L1", "L2", "dot", "cosine", "common neighbours", "Adamic-Adar"] {
            assert!(auc(name) > 0.8, "{name}: {}", auc(name));
        }
        assert!(auc("mean") < 0.7 && auc("preferential attachment") < 0.7);
        assert_eq!((better.len(), better[0].len()), (6, 3));
        assert!(better[0][2].p < 0.05 && better[0][2].difference.score > 0.1);
        let few = Vocab::new(&names[1..], vec![]);
        let rows = vec![1.0; 59];
        let model = Embeddings::new(few, 1, rows.into(), None, Provenance::default());
        assert!(links.scores(&model).unwrap_err().to_string().contains("no vector for the node"));
    }
}
