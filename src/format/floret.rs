//! floret's table of hashed n-grams, as spaCy loads it: a line of settings, and a line of a number and
//! a vector for each row. It names no words, so that it is no model of ours to read.

use std::path::Path;

use super::pieces::in_turn;
use super::written::put_numbers;
use super::{Contents, Kind, Writes};
use crate::embeddings::Embeddings;
use crate::error::Result;
use crate::floret::{Fitted, Hashing, SEED};
use crate::memory::{Staged, replace};
use crate::progress::Progress;

pub(super) const FORMAT: Kind = Kind {
    name: "floret",
    help: "floret's table for spaCy, fitted to the vectors: any word has one by its n-grams (.floret)",
    program: "floret",
    extensions: &["floret"],
    holds: &[],
    reads: None,
    writes: Writes::File(write),
    widths: &[],
    size,
};

/// Rows that a thread makes into text at a time.
const TOGETHER: usize = 1024;

fn size(of: &Contents) -> u64 {
    u64::from(Hashing::default().rows) * (6 + 12 * of.dim)
}

fn write(embeddings: &Embeddings, out: &mut Staged) -> Result<Vec<String>> {
    let fitted = Fitted::to(embeddings, Hashing::default(), &Progress::default())?;
    put(&fitted, out)?;
    Ok(vec![fitted.told()])
}

/// Writes a table that is fitted.
///
/// # Errors
/// When the file can't be written.
pub fn write_floret(path: &Path, fitted: &Fitted) -> Result<()> {
    replace(path, |out| put(fitted, out))
}

fn put(fitted: &Fitted, out: &mut Staged) -> Result<()> {
    let Hashing { rows, hashes, min_n, max_n } = fitted.hashing;
    let dim = fitted.dim;
    out.put(format!("{rows} {dim} {min_n} {max_n} {hashes} {SEED} < >\n").as_bytes())?;
    let lines = |first: usize| {
        let mut text = Vec::new();
        for row in first..(rows as usize).min(first + TOGETHER) {
            text.extend_from_slice(row.to_string().as_bytes());
            put_numbers(&fitted.rows[row * dim..][..dim], &mut text);
        }
        text
    };
    in_turn((0..rows as usize).step_by(TOGETHER), lines, |text| out.put(&text))
}
