//! Private rows, in one flat buffer.

use std::collections::TryReserveError;

use fearless_simd::{Simd, prelude::*};
/// Floats in a cache line; rows begin at multiples of it.
pub(crate) const LINE: usize = 16;

/// Sixteen floats on one cache line.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [f32; LINE]);

/// Private rows of `dim` floats, each on lines of its own.
#[derive(Clone, Debug)]
pub(crate) struct Tile {
    pub(super) lines: Vec<Line>,
    pub(super) dim: usize,
    /// Lines that a row fills.
    pub(super) width: usize,
    /// Lines from one row to the next.
    stride: usize,
}

impl Tile {
    /// `rows` rows of `dim` zeros.
    pub(crate) fn new(rows: usize, dim: usize) -> Self {
        // A row takes an odd number of lines, so that the same column of many rows doesn't compete
        // for one cache set.
        let width = dim.div_ceil(LINE);
        let stride = width | 1;
        Self { lines: vec![Line::default(); rows * stride], dim, width, stride }
    }

    /// A copy of rows that lie one after the other without padding.
    ///
    /// # Errors
    /// Too little memory.
    pub(crate) fn copy_of(rows: &[f32], dim: usize) -> Result<Self, TryReserveError> {
        let mut tile = Self::new(0, dim);
        let lines = rows.len() / dim * tile.stride;
        tile.lines.try_reserve_exact(lines)?;
        tile.lines.resize(lines, Line::default());
        for (row, values) in rows.chunks_exact(dim).enumerate() {
            tile.row_mut(row)[..dim].copy_from_slice(values);
        }
        Ok(tile)
    }

    /// The number of floats in a row.
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// Doubles the number of rows.
    pub(crate) fn grow(&mut self) {
        self.lines.resize(2 * self.lines.len(), Line::default());
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.lines.len() / self.stride
    }

    /// The offset of row `row`, in lines. The kernels name rows by this offset.
    #[inline(always)]
    pub(crate) fn at(&self, row: usize) -> usize {
        row * self.stride
    }

    /// Row `row` with its padding, up to a whole line.
    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &[f32] {
        self.row_at(self.at(row))
    }

    /// Row `row` with its padding, up to a whole line.
    #[inline(always)]
    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let at = self.at(row);
        bytemuck::cast_slice_mut(&mut self.lines[at..at + self.width])
    }

    /// All rows as bytes, with their padding.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }

    #[inline(always)]
    pub(super) fn row_at(&self, at: usize) -> &[f32] {
        bytemuck::cast_slice(&self.lines[at..at + self.width])
    }
}

#[inline(always)]
pub(super) fn load<S: Simd, V: SimdFloat<S, Element = f32>>(simd: S, from: &[f32], at: usize) -> V {
    V::from_slice(simd, &from[at..at + V::LEN])
}

#[inline(always)]
pub(super) fn store<S: Simd, V: SimdFloat<S, Element = f32>>(vector: V, to: &mut [f32], at: usize) {
    vector.store_slice(&mut to[at..at + V::LEN]);
}

#[cfg(test)]
pub(super) mod tests {
    use fearless_simd::Level;

    use super::*;

    /// The levels that this machine has.
    pub(in crate::math) fn levels() -> Vec<Level> {
        let best = Level::new();
        #[cfg(target_arch = "x86_64")]
        let all = [best.as_sse2().map(Level::Sse2), best.as_avx2().map(Level::Avx2), Some(best)];
        #[cfg(not(target_arch = "x86_64"))]
        let all = [Some(best)];
        all.into_iter().flatten().collect()
    }

    pub(in crate::math) fn tile(dim: usize, rows: &[Vec<f32>]) -> Tile {
        let mut tile = Tile::new(rows.len(), dim);
        for (i, row) in rows.iter().enumerate() {
            tile.row_mut(i)[..dim].copy_from_slice(row);
        }
        tile
    }

    pub(in crate::math) fn rows(seed: u64, n: usize, dim: usize) -> Vec<Vec<f32>> {
        let mut state = seed;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        (0..n).map(|_| (0..dim).map(|_| next()).collect()).collect()
    }

    pub(in crate::math) fn close(a: f32, b: f64) -> bool {
        (f64::from(a) - b).abs() < 1e-5 * (1.0 + b.abs())
    }
}
