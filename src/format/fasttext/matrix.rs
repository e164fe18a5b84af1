//! Matrices of fastText's files, dense and quantised.

use rayon::prelude::*;

use crate::bytes::Cursor;
use crate::error::Result;
use crate::memory::Mapped;
use crate::subword::{Ngrams, Subwords, add_row};
/// The number of centroids for each part of a row.
pub(super) const CENTROIDS: usize = 256;
/// The most coordinates that one byte of code may stand for, more than real files have. It bounds
/// the memory that decoding allocates.
const LONGEST_PART: usize = 16;

/// Rows of a file: `dense`, or else `quantised`.
pub(super) struct Matrix<'a> {
    pub(super) rows: usize,
    dim: usize,
    /// The bytes, at any alignment.
    pub(super) dense: Option<Mapped<u8>>,
    quantised: Option<Quantised<'a>>,
}

/// Rows of which each part is one of 256 centroids (Jégou, Douze & Schmid 2011, "Product
/// Quantization for Nearest Neighbor Search"), multiplied by a norm that is quantised, too. Without
/// norms, each norm is 1.
struct Quantised<'a> {
    codes: &'a [u8],
    centroids: Centroids<'a>,
    norms: Option<(&'a [u8], Centroids<'a>)>,
}

pub(super) struct Centroids<'a> {
    /// The number of parts of a row.
    pub(super) parts: usize,
    /// The number of coordinates in each part but the last, which has the rest.
    pub(super) part: usize,
    pub(super) bytes: &'a [u8],
}

impl<'a> Matrix<'a> {
    pub(super) fn read(
        cursor: &mut Cursor<'a>,
        quantised: bool,
        dim: usize,
        name: &str,
    ) -> Result<Self> {
        let norms = quantised && cursor.flag(&format!("whether {name} norms are quantised"))?;
        let rows = cursor.size64(&format!("the number of {name} rows"))?;
        if cursor.size64(&format!("the length of {name} rows"))? != dim {
            return Err(cursor.bad(format!("{name} rows are not of {dim} numbers, as dim says")));
        }
        if !quantised {
            let dense = cursor.part(rows, 4 * dim, &format!("{name} rows"))?;
            return Ok(Self { rows, dim, dense: Some(dense), quantised: None });
        }
        let size = cursor.size32(&format!("the size of {name} codes"))?;
        let codes = cursor.take(size, &format!("{name} codes"))?;
        let centroids = Centroids::read(cursor, dim, &format!("{name} centroids"))?;
        if centroids.parts.checked_mul(rows) != Some(size) {
            return Err(
                cursor.bad(format!("{size} codes for {rows} rows of {} parts", centroids.parts))
            );
        }
        let norms = if norms {
            let codes = cursor.take(rows, &format!("codes of {name} norms"))?;
            Some((codes, Centroids::read(cursor, 1, &format!("{name} norms"))?))
        } else {
            None
        };
        Ok(Self { rows, dim, dense: None, quantised: Some(Quantised { codes, centroids, norms }) })
    }

    /// Adds row `row` to `sum`.
    pub(super) fn add(&self, row: usize, sum: &mut [f32]) {
        if let Some(rows) = &self.dense {
            add_row(&rows[4 * self.dim * row..][..4 * self.dim], sum);
        }
        if let Some(Quantised { codes, centroids, norms }) = &self.quantised {
            let norm = norms.as_ref().map_or(1.0, |(codes, norms)| {
                let mut norm = [0.0];
                norms.add(&codes[row..=row], 1.0, &mut norm);
                norm[0]
            });
            centroids.add(&codes[centroids.parts * row..][..centroids.parts], norm, sum);
        }
    }

    /// The rows after those of `words` words, which are the vectors of n-grams.
    pub(super) fn ngrams(
        &self,
        cursor: &Cursor,
        subwords: Subwords,
        words: usize,
        pruned: Option<&[(u32, usize)]>,
    ) -> Result<Ngrams> {
        let behind = self.rows.checked_sub(words);
        let rows = match (behind, pruned) {
            (Some(behind), Some(kept)) if kept.iter().all(|&(_, row)| row < behind) => kept.len(),
            (Some(behind), None) if behind == subwords.buckets as usize => behind,
            _ => {
                let problem = format!(
                    "{} input rows for {words} words and {} buckets",
                    self.rows, subwords.buckets
                );
                return Err(cursor.bad(problem));
            }
        };
        let mapped =
            self.dense.as_ref().and_then(|dense| dense.part(4 * self.dim * words..dense.len()));
        let decode = || {
            let decoded = Mapped::filled(rows * self.dim * 4, |bytes: &mut [u8]| {
                bytes.par_chunks_mut(4 * self.dim).enumerate().for_each_init(
                    || vec![0.0f32; self.dim],
                    |decoded, (i, row)| {
                        decoded.fill(0.0);
                        self.add(words + pruned.map_or(i, |kept| kept[i].1), decoded);
                        row.copy_from_slice(bytemuck::cast_slice(decoded));
                    },
                );
            });
            decoded.ok_or_else(|| cursor.bad(format!("not enough memory for {rows} rows")))
        };
        let rows = mapped.map_or_else(decode, Ok)?;
        let buckets =
            pruned.map(|kept| kept.iter().map(|&(bucket, _)| bucket).collect::<Vec<_>>().into());
        Ok(Ngrams { subwords, buckets, rows, pruned: pruned.is_some() })
    }
}

impl<'a> Centroids<'a> {
    fn read(cursor: &mut Cursor<'a>, dim: usize, name: &str) -> Result<Self> {
        let mut sizes = [0; 4];
        for (size, of) in sizes.iter_mut().zip(["rows", "parts", "a part", "the last part"]) {
            *size = cursor.size32(&format!("the size of {of} of {name}"))?;
        }
        let [length, parts, part, last] = sizes;
        let fits = (1..=LONGEST_PART).contains(&part) && parts == dim.div_ceil(part);
        if length != dim || !fits || last != dim - (parts - 1) * part {
            let problem = format!(
                "{name} of {parts} parts of {part} numbers, the last of {last}, for rows of {dim}"
            );
            return Err(cursor.bad(problem));
        }
        Ok(Self { parts, part, bytes: cursor.take(4 * CENTROIDS * dim, name)? })
    }

    /// Adds the row with the given codes to `sum`, multiplied by `norm`.
    pub(super) fn add(&self, codes: &[u8], norm: f32, sum: &mut [f32]) {
        for (i, (code, sum)) in codes.iter().zip(sum.chunks_mut(self.part)).enumerate() {
            let first = CENTROIDS * self.part * i + usize::from(*code) * sum.len();
            let numbers = self.bytes[4 * first..].as_chunks::<4>().0;
            for (sum, x) in sum.iter_mut().zip(numbers) {
                *sum += norm * f32::from_le_bytes(*x);
            }
        }
    }
}
