//! The command as a whole: what it reads, prints and writes, what it says when something is wrong,
//! and what it leaves.

#[path = "../common/mod.rs"]
mod common;

mod course;
mod demo;
mod documents;
mod embed;
mod field;
mod files;
mod graph;
mod map;
mod query;
mod recipe;
mod relations;
mod sessions;
mod shell;
mod stop;
mod tables;
mod text;
mod train;
