//! Checkpoints: files that hold a training between two borders, from which another process goes on.
//!
//! A checkpoint is a safetensors file ([`crate::tensors`]) with the matrices as they are in memory,
//! their padding included. The metadata entry `checkpoint` is JSON: the training that it belongs to
//! ([`Identity`]) and how far that is ([`Log`]). It is written beside the last one and renamed, so
//! that there is always a whole one.

use std::path::{Path, PathBuf};

use safetensors::tensor::Dtype;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::log::Log;
use crate::error::{Error, Result};
use crate::memory::{Mapped, Staged};
use crate::tensors::{Tensors, header, looks_safetensors};

/// The version of the layout. It is raised when a checkpoint of an earlier version would be misread.
const VERSION: u64 = 1;

/// A matrix of a training.
pub(crate) struct Matrix<'a> {
    pub(crate) name: &'static str,
    pub(crate) dtype: Dtype,
    /// Its shape, padding included.
    pub(crate) shape: Vec<usize>,
    /// Its bytes, in pieces that follow one another.
    pub(crate) pieces: Vec<&'a mut [u8]>,
}

/// What a training is, so that it is not mistaken for another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The method with its settings. The number of threads is no part of it.
    recipe: Value,
    /// The text: the hash of the encoded corpus, or of the co-occurrence counts.
    text: u64,
    /// Tokens of the corpus, or counts.
    size: u64,
    /// The hash of the model that training began with; `None` where it began at random.
    begun_from: Option<u64>,
    /// The SIMD level.
    simd: String,
}

/// The metadata entry of a checkpoint.
#[derive(Serialize, Deserialize)]
struct About {
    version: u64,
    program: String,
    identity: Identity,
    log: Log,
}

/// A checkpoint that was read.
pub(crate) struct Checkpoint {
    path: PathBuf,
    file: Mapped<u8>,
    /// The training.
    pub(crate) identity: Identity,
    /// How far the training is.
    pub(crate) log: Log,
}

impl Identity {
    /// The identity of a training by `recipe`, as JSON, on a text with this hash and size.
    pub(crate) fn new(
        mut recipe: Value,
        (text, size): (u64, u64),
        begun_from: Option<u64>,
        simd: String,
    ) -> Self {
        if let Some(settings) = recipe.get_mut("settings").and_then(Value::as_object_mut) {
            settings.shift_remove("threads");
        }
        Self { recipe, text, size, begun_from, simd }
    }

    /// In what another training differs; `None` if it is the same training.
    fn difference(&self, other: &Self) -> Option<String> {
        let setting = |of: &Self, name: &str| of.recipe["settings"].get(name).cloned();
        let told = |value: Option<Value>| match value {
            None | Some(Value::Null) => "the default".to_string(),
            Some(Value::String(text)) => text,
            Some(value) => value.to_string(),
        };
        if self.recipe["method"] != other.recipe["method"] {
            let [a, b] = [self, other].map(|of| told(of.recipe.get("method").cloned()));
            return Some(format!("its method is {a}, not {b}"));
        }
        let names = [self, other].map(|of| of.recipe["settings"].as_object());
        for name in names.into_iter().flatten().flat_map(|settings| settings.keys()) {
            let (a, b) = (setting(self, name), setting(other, name));
            if a != b {
                return Some(format!("its `{name}` is {}, not {}", told(a), told(b)));
            }
        }
        if self.begun_from != other.begun_from {
            return Some("it began from another model".into());
        }
        if (self.text, self.size) != (other.text, other.size) {
            let (a, b) = (self.size, other.size);
            let sizes = if a == b { String::new() } else { format!(" ({a} tokens, not {b})") };
            return Some(format!("it learns from another text{sizes}"));
        }
        let same = self.recipe["settings"]["reproducible"] == true;
        (same && self.simd != other.simd)
            .then(|| format!("its `simd` is {}, not {}", self.simd, other.simd))
    }

    /// Whether another process of the same training rounds in the same way.
    pub(crate) fn rounds_as(&self, other: &Self) -> bool {
        self.simd == other.simd
    }
}

/// Writes a checkpoint that is to stand at `path`. [`Staged::finish`] syncs it and puts it there.
///
/// # Errors
/// When the disk is full, for example.
pub(crate) fn write(
    path: &Path,
    identity: &Identity,
    log: &Log,
    matrices: &[Matrix],
) -> Result<Staged> {
    let program = concat!("wordloom ", env!("CARGO_PKG_VERSION")).into();
    let about = About { version: VERSION, program, identity: identity.clone(), log: log.clone() };
    let about = serde_json::to_string(&about).map_err(|e| Error::input(path, e.to_string()))?;
    let described: Vec<_> = matrices
        .iter()
        .map(|matrix| {
            let dtype = if matrix.dtype == Dtype::F16 { "F16" } else { "F32" };
            let shape: Vec<u64> = matrix.shape.iter().map(|&n| n as u64).collect();
            let bytes = matrix.pieces.iter().map(|piece| piece.len() as u64).sum();
            (matrix.name, dtype, shape, bytes)
        })
        .collect();
    let mut out = Staged::new(path)?;
    out.put(&header(json!({ "checkpoint": about }), &described, 0))?;
    for piece in matrices.iter().flat_map(|matrix| &matrix.pieces) {
        out.put(piece)?;
    }
    std::io::Write::flush(&mut out).map_err(Error::io(path))?;
    Ok(out)
}

impl Checkpoint {
    /// Opens the checkpoint at `path`; `None` if there is none.
    ///
    /// # Errors
    /// A file that is no checkpoint of this version, or a damaged one.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let file = Mapped::open(path)?;
        let bad = |problem: &str| {
            Error::input(path, format!("{problem}: remove it, or give `restart` to begin anew"))
        };
        if !looks_safetensors(&file) {
            return Err(bad("is no checkpoint"));
        }
        let tensors = Tensors::open(path, &file).map_err(|_| bad("is a damaged checkpoint"))?;
        let entry = tensors.entry("checkpoint").ok_or_else(|| bad("is no checkpoint"))?;
        let version: Value = serde_json::from_str(entry).unwrap_or_default();
        if version["version"] != VERSION {
            return Err(bad("is a checkpoint of another version of wordloom"));
        }
        let about: About =
            serde_json::from_str(entry).map_err(|_| bad("is a damaged checkpoint"))?;
        let About { identity, log, .. } = about;
        if log.curve.best.is_some_and(|best| best >= log.curve.points.len()) {
            return Err(bad("is a damaged checkpoint"));
        }
        Ok(Some(Self { path: path.into(), file, identity, log }))
    }

    /// Fails unless it is a checkpoint of this training.
    ///
    /// # Errors
    /// [`Error::Input`], which names the first difference.
    pub(crate) fn check(&self, identity: &Identity) -> Result<()> {
        let Some(difference) = self.identity.difference(identity) else { return Ok(()) };
        let problem = format!(
            "is the checkpoint of another training: {difference}; repeat that command, or give \
             `restart` to begin anew"
        );
        Err(Error::input(&self.path, problem))
    }

    /// Copies its matrices to those of a training.
    ///
    /// # Errors
    /// A file whose matrices have other shapes.
    pub(crate) fn load(&self, matrices: Vec<Matrix>) -> Result<()> {
        let tensors = Tensors::open(&self.path, &self.file)?;
        for matrix in matrices {
            let Matrix { name, dtype, shape, pieces } = matrix;
            let all: Mapped<u8> = tensors.get(name, dtype, Some(&shape))?;
            let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
            if bytes != all.len() {
                return Err(tensors.bad(format!("tensor '{name}' has a wrong size")));
            }
            let mut at = 0;
            for piece in pieces {
                piece.copy_from_slice(&all[at..at + piece.len()]);
                at += piece.len();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(dim: u64, threads: u64) -> Identity {
        let recipe =
            json!({ "method": "cbow", "settings": { "dim": dim, "threads": threads, "lr": null } });
        Identity::new(recipe, (5, 100), None, "avx2".into())
    }

    fn matrix<'a>(a: &'a mut [u8], b: &'a mut [u8]) -> [Matrix<'a>; 1] {
        [Matrix { name: "input", dtype: Dtype::F16, shape: vec![3, 2], pieces: vec![a, b] }]
    }

    #[test]
    fn a_checkpoint_comes_back_and_a_file_cut_anywhere_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        assert!(Checkpoint::open(&path).unwrap().is_none());
        let (mut a, mut b) = ([1u8, 2, 3, 4, 5, 6, 7, 8], [9u8, 10, 11, 12]);
        let log = Log { next: 7, seconds: 1.5, ..Log::default() };
        let staged = write(&path, &identity(3, 1), &log, &matrix(&mut a, &mut b)).unwrap();
        staged.finish().unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap().unwrap();
        checkpoint.check(&identity(3, 2)).unwrap();
        assert_eq!(checkpoint.log, log);
        let (mut c, mut d) = ([0u8; 8], [0u8; 4]);
        checkpoint.load(matrix(&mut c, &mut d).into()).unwrap();
        assert_eq!((a, b), (c, d));
        let [mut other] = matrix(&mut c, &mut d);
        other.shape = vec![2, 3];
        assert!(checkpoint.load(vec![other]).is_err());
        let error = checkpoint.check(&identity(4, 1)).unwrap_err().to_string();
        assert!(error.contains("its `dim` is 3, not 4"), "{error}");
        let whole = std::fs::read(&path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(Checkpoint::open(&path).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() - 12 {
            let mut wrong = whole.clone();
            wrong[at] ^= 0x15;
            std::fs::write(&path, &wrong).unwrap();
            if let Ok(Some(checkpoint)) = Checkpoint::open(&path) {
                let _ = checkpoint.load(matrix(&mut c, &mut d).into());
            }
        }
    }

    #[test]
    fn differences_are_named() {
        let this = identity(3, 1);
        assert_eq!(this.difference(&identity(3, 8)), None);
        let differs = |other: Identity| this.difference(&other).unwrap();
        assert!(differs(Identity { text: 6, ..this.clone() }).contains("another text"));
        assert!(differs(Identity { size: 6, ..this.clone() }).contains("100 tokens, not 6"));
        assert!(differs(Identity { begun_from: Some(1), ..this.clone() }).contains("model"));
        let elsewhere = Identity { simd: "none".into(), ..this.clone() };
        assert!(this.difference(&elsewhere).is_none() && !this.rounds_as(&elsewhere));
        let [mut this_exactly, mut elsewhere_exactly] = [this.clone(), elsewhere];
        this_exactly.recipe["settings"]["reproducible"] = true.into();
        elsewhere_exactly.recipe = this_exactly.recipe.clone();
        assert!(this_exactly.difference(&elsewhere_exactly).unwrap().contains("`simd` is avx2"));
        let mut glove = this.clone();
        glove.recipe["method"] = "glove".into();
        assert!(differs(glove).contains("cbow, not glove"));
        let mut rate = this.clone();
        rate.recipe["settings"]["lr"] = 0.5.into();
        assert!(differs(rate).contains("`lr` is the default, not 0.5"));
    }
}
