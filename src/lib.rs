//! Word vectors from your own text: skip-gram and CBOW with negative sampling, and GloVe, over a memory-mapped corpus, on
//! all processors, fast, without undefined behaviour.
//!
//! ```text
//!  files ──text──▶ words ──encode──▶ Corpus (vocabulary, token ids, sentence ends) ──train──▶ Embeddings
//!                                                                                              │      ▲
//!                                                                    query · eval · compare ◀──┘   format
//! ```
//!
//! Each arrow is a function of what stands to its left. [`corpus::Corpus`] is all that training sees,
//! [`embeddings::Embeddings`] all that queries and file formats see. GloVe ([`train::glove`]) trains on counts, which
//! [`cooccur`] takes of the corpus.
//!
//! ```
//! use wordloom::encode::{Counting, Reading, encode};
//! use wordloom::query::{Index, Query};
//! use wordloom::train::{Config, Method, Progress, train};
//!
//! # let folder = tempfile::tempdir()?;
//! # let text = folder.path().join("text");
//! std::fs::write(&text, "the cat saw the dog\nthe dog saw the cat\n".repeat(50))?;
//! let counting = Counting { inputs: vec![text], ..Counting::default() };
//! let corpus = encode(&counting, &folder.path().join("corpus"), &Reading::default())?;
//! let config = Config { dim: 16, threads: Some(1), ..Config::default() };
//! let model = train(&corpus, Method::SkipGram, &config, &Progress::default())?;
//! let nearest = Index::new(&model).nearest(&[Query::word(&model, "cat")?], 2);
//! assert_eq!(nearest[0].len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![cfg_attr(test, allow(clippy::float_cmp, clippy::needless_range_loop, clippy::format_collect))]

pub mod cache;
pub mod compare;
pub mod cooccur;
pub mod corpus;
pub mod embeddings;
pub mod encode;
pub mod error;
pub mod eval;
pub mod format;
pub mod kernel;
pub mod mapped;
pub mod query;
pub mod sample;
pub mod simd;
pub mod subword;
pub mod text;
pub mod train;
pub mod vocab;
