//! Vectors of words and documents from your own text, and of the nodes of graphs: skip-gram and CBOW
//! with negative sampling, character n-grams, GloVe, PV-DBOW and PV-DM, over a memory-mapped corpus,
//! on all processors, fast, without undefined behaviour.
//!
//! ```text
//! files ──text──▶ words ──corpus──▶ Corpus (vocabulary, ids, sentence ends) ──train──▶ Embeddings
//!                                                                                       │      ▲
//!                                                             query · eval · compare ◀──┘   format
//! ```
//!
//! Each arrow is a function of the things to its left. [`Corpus`] is all that training sees, and
//! [`Embeddings`] is all that queries and file formats see. GloVe trains on co-occurrence counts,
//! which [`cooccur`] takes from the corpus. A [`graph`] becomes a corpus of random walks,
//! and [`sessions`] of users one of items.
//!
//! ```
//! use wordloom::corpus::{TextOptions, encode};
//! use wordloom::query::{Index, Query};
//! use wordloom::train::{Recipe, WindowConfig, train};
//! use wordloom::Progress;
//!
//! # let folder = tempfile::tempdir()?;
//! # let text = folder.path().join("text");
//! std::fs::write(&text, "the cat saw the dog\nthe dog saw the cat\n".repeat(50))?;
//! let options = TextOptions { inputs: vec![text], ..TextOptions::default() };
//! let corpus = encode(&options, &folder.path().join("corpus"), &Progress::default())?;
//! let recipe = Recipe::SkipGram(WindowConfig { dim: 16, ..WindowConfig::default() });
//! let model = train(&corpus, &recipe, &Progress::default())?;
//! let nearest = Index::new(&model).nearest(&[Query::word(&model, "cat")?], 2);
//! assert_eq!(nearest[0].len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::float_cmp, clippy::needless_range_loop, clippy::format_collect))]

pub mod align;
mod bytes;
pub mod cluster;
mod column;
pub mod compare;
pub mod cooccur;
pub mod corpus;
mod embed;
mod embeddings;
mod error;
pub mod eval;
mod floret;
pub mod format;
mod geometry;
pub mod graph;
pub mod map;
mod math;
mod memory;
mod page;
mod post;
mod progress;
pub mod query;
mod random;
pub mod sessions;
mod span;
mod stats;
mod subword;
pub mod tables;
mod tensors;
mod text;
pub mod train;
pub mod tune;

pub use self::column::{Column, write_tsv};
pub use self::corpus::{Corpus, Vocab};
pub use self::embed::{Embedder, Pooled, Pooling};
pub use self::embeddings::{Curve, CurvePoint, Embeddings, Found, Provenance, cosine};
pub use self::error::{Error, Result};
pub use self::floret::{Fitted, Hashing};
pub use self::geometry::{Geometry, Lengths, cosines_by_distance};
pub use self::memory::{Mapped, Numbers, Staged, Width, remove_unfinished, replace};
pub use self::post::Post;
pub use self::progress::{EpochLoss, Progress};
pub use self::subword::{Ngrams, Subwords};
pub use self::text::Pieces;
