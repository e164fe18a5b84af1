//! A graph as a file: a safetensors file of its compressed sparse rows, which is mapped when it is
//! read, so that it is there at once and may be larger than memory.

use std::path::Path;

use rayon::prelude::*;
use safetensors::tensor::Dtype;
use serde_json::json;

use super::Graph;
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};
use crate::tensors::{Tensors, header, looks_safetensors};

/// The entry of the header by which a graph is recognised.
const ENTRY: &str = "wordloom graph";

/// What the header says of a graph.
#[derive(serde::Serialize, serde::Deserialize)]
struct About {
    directed: bool,
    /// Bytes of the text that it was read from.
    bytes: u64,
    notes: Vec<String>,
}

impl Graph {
    /// Writes the graph to a file, which [`super::GraphOptions::read`] maps.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let about = About { directed: self.directed, bytes: self.bytes, notes: self.notes.clone() };
        let about = serde_json::to_string(&about).map_err(|e| Error::Refused(e.to_string()))?;
        let (nodes, rows) = (self.len() as u64, self.rows());
        let weights = rows.weights.unwrap_or_default();
        let edges = |all: usize| vec![all as u64];
        let parts: [(&str, &str, Vec<u64>, &[u8]); 7] = [
            ("ends", "U64", vec![nodes], bytemuck::cast_slice(rows.ends)),
            ("node.ends", "U64", vec![nodes], bytemuck::cast_slice(&self.nodes.ends)),
            ("node.counts", "U64", vec![nodes], bytemuck::cast_slice(&self.nodes.counts)),
            ("node.order", "U32", vec![nodes], bytemuck::cast_slice(&self.nodes.order)),
            (
                "neighbours",
                "U32",
                edges(rows.neighbours.len()),
                bytemuck::cast_slice(rows.neighbours),
            ),
            ("weights", "F32", edges(weights.len()), bytemuck::cast_slice(weights)),
            ("node.bytes", "U8", edges(self.nodes.bytes.len()), &self.nodes.bytes),
        ];
        let tensors: Vec<_> = parts
            .iter()
            .map(|(name, dtype, shape, bytes)| (*name, *dtype, shape.clone(), bytes.len() as u64))
            .collect();
        let mut out = Staged::new(path)?;
        out.put(&header(json!({ "format": "pt", ENTRY: about }), &tensors, 0))?;
        for (.., bytes) in &parts {
            out.put(bytes)?;
        }
        out.finish()
    }

    /// Maps the graph in a file; `None` if it is something else.
    ///
    /// # Errors
    /// A file that can't be opened, or a damaged one.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let regular = std::fs::metadata(path).is_ok_and(|about| about.is_file());
        if path.as_os_str() == "-" || !regular {
            return Ok(None);
        }
        let file = Mapped::open(path)?;
        if !looks_safetensors(&file) {
            return Ok(None);
        }
        let all = Tensors::open(path, &file)?;
        let about = all.entry(ENTRY).and_then(|about| serde_json::from_str::<About>(about).ok());
        let (Some(about), Some(&[nodes])) = (about, all.shape("ends")) else {
            let problem = "is a safetensors file, but no graph: give a list of edges";
            return Err(Error::input(path, problem));
        };
        let ends: Mapped<u64> = all.get("ends", Dtype::U64, Some(&[nodes]))?;
        let neighbours: Mapped<u32> = all.get("neighbours", Dtype::U32, None)?;
        let weights: Mapped<f32> = all.get("weights", Dtype::F32, None)?;
        let names = all.vocab("node", nodes)?;
        let damaged = || Error::input(path, "is a damaged graph: make it again");
        let fits = ends.is_sorted()
            && ends.last() == Some(&(neighbours.len() as u64))
            && (weights.is_empty() || weights.len() == neighbours.len())
            && names.counts.len() == nodes
            && names.order.iter().all(|&id| (id as usize) < nodes)
            && names.ends.is_sorted()
            && names.ends.last() == Some(&(names.bytes.len() as u64));
        if !fits || nodes > u32::MAX as usize {
            return Err(damaged());
        }
        let weights = (!weights.is_empty()).then_some(weights);
        let (directed, bytes) = (about.directed, about.bytes);
        let notes = about.notes;
        let graph = Self { nodes: names, notes, ends, neighbours, weights, directed, bytes };
        let rows = graph.rows();
        let good = |node: u32| {
            let row = rows.of(node);
            let weights = rows.weights_of(node).unwrap_or_default();
            row.windows(2).all(|pair| pair[0] < pair[1])
                && row.last().is_none_or(|&last| (last as usize) < nodes)
                && weights.iter().all(|&weight| weight > 0.0 && weight.is_finite())
        };
        if !(0..nodes as u32).into_par_iter().all(good) {
            return Err(damaged());
        }
        Ok(Some(graph))
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::GraphOptions;
    use crate::graph::read::tests::graph;
    use crate::progress::Progress;

    #[test]
    fn a_graph_comes_back_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.graph");
        let read = |directed, unweighted| {
            let options = GraphOptions { graph: path.clone(), directed, unweighted, hold_out: 0.0 };
            options.read(&Progress::default())
        };
        for (text, directed) in [("a b 2\nb c 0.5\nc c 1\n", false), ("a b\nb c\nb a\n", true)] {
            let whole = graph(text, directed).unwrap();
            whole.save(&path).unwrap();
            let back = read(directed, false).unwrap();
            assert_eq!(
                back.nodes.words().collect::<Vec<_>>(),
                whole.nodes.words().collect::<Vec<_>>()
            );
            assert_eq!(
                (&back.ends[..], &back.neighbours[..]),
                (&whole.ends[..], &whole.neighbours[..])
            );
            assert_eq!(back.weights.as_deref(), whole.weights.as_deref());
            assert_eq!((back.directed, &back.notes), (directed, &whole.notes));
            assert!(!read(false, true).unwrap().is_weighted());
        }
        let whole = graph("a b 2\nb c 0.5\n", false).unwrap();
        whole.save(&path).unwrap();
        assert!(read(true, false).unwrap_err().to_string().contains("edges without directions"));
        // Whatever byte of the rows is damaged, nothing is read beyond them.
        let good = std::fs::read(&path).unwrap();
        let begin = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
        let mut refused = 0;
        for at in begin..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x80;
            std::fs::write(&path, &bad).unwrap();
            match read(false, false) {
                Ok(graph) => assert!(graph.rows().neighbours.iter().all(|&node| node < 3)),
                Err(error) => {
                    assert!(error.to_string().contains("damaged"), "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > (good.len() - begin) / 3, "{refused}");
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(read(false, false).is_err());
    }
}
