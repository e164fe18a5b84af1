//! wordloom
pub mod corpus;
pub mod embeddings;
pub mod encode;
pub mod error;
pub mod format;
pub mod kernel;
pub mod mapped;
pub mod text;
pub mod train;
pub mod vocab;
