//! Rows of length 1.

use fearless_simd::{Simd, prelude::*};

use super::Tile;
use super::tile::{LINE, load, store};

/// Sets row `row` of `tile` to `vector`, scaled to length 1. A vector of zeros stays zeros. Returns
/// whether all numbers are finite.
#[inline(always)]
pub(crate) fn set_unit<S: Simd>(simd: S, tile: &mut Tile, row: usize, vector: &[f32]) -> bool {
    let (scale, finite) = set_row(simd, tile, row, vector);
    tile.row_mut(row).iter_mut().for_each(|x| *x *= scale);
    finite
}

/// Sets row `row` of `tile` to a vector of the direction of `vector`, mostly `vector` itself.
/// Returns the inverse of its length, or any number for zeros, and whether all numbers are finite.
///
/// It reads `vector` in order. The general way of copying begins with both ends, which misleads a
/// processor that fetches from memory ahead.
#[inline(always)]
pub(crate) fn set_row<S: Simd>(
    simd: S,
    tile: &mut Tile,
    row: usize,
    vector: &[f32],
) -> (f32, bool) {
    let to = tile.row_mut(row);
    let (mut squares, mut others) = (S::f32s::splat(simd, 0.0), S::f32s::splat(simd, 0.0));
    let mut at = 0;
    while at + S::f32s::LEN <= vector.len() {
        let x: S::f32s = load(simd, vector, at);
        store(x, to, at);
        (squares, others) = (others, x.mul_add(x, squares));
        at += S::f32s::LEN;
    }
    let mut square = sum((squares + others).as_slice());
    for (to, &x) in to[at..].iter_mut().zip(&vector[at..]) {
        *to = x;
        square += x * x;
    }
    if 1e-20 < square && square < 1e30 {
        (1.0 / square.sqrt(), true)
    } else {
        (1.0, set_unusual(to, vector))
    }
}

/// The cosine of a row and a direction of length 1, to within the rounding of `f32`. `None` for a row
/// whose length is too small or too large to tell.
#[inline(always)]
pub(crate) fn cosine<S: Simd>(simd: S, row: &[f32], direction: &[f32]) -> Option<f32> {
    let zeros = S::f32s::splat(simd, 0.0);
    let (mut products, mut squares) = (zeros, zeros);
    let mut at = 0;
    while at + S::f32s::LEN <= row.len() {
        let (x, y): (S::f32s, S::f32s) = (load(simd, row, at), load(simd, direction, at));
        products = x.mul_add(y, products);
        squares = x.mul_add(x, squares);
        at += S::f32s::LEN;
    }
    let (mut product, mut square) = (sum(products.as_slice()), sum(squares.as_slice()));
    for (x, y) in row[at..].iter().zip(&direction[at..]) {
        product += x * y;
        square += x * x;
    }
    (1e-20 < square && square < 1e30).then(|| product / square.sqrt())
}

/// Sets `to` to `vector`, scaled to length 1, and returns whether all numbers are finite. The square
/// of the length is summed in double precision, so that it neither overflows nor vanishes.
#[cold]
#[inline(never)]
fn set_unusual(to: &mut [f32], vector: &[f32]) -> bool {
    let square: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    let scale =
        if square == 0.0 { 0.0 } else { (1.0 / square.sqrt()).min(f64::from(f32::MAX)) as f32 };
    to.iter_mut().zip(vector).for_each(|(to, x)| *to = x * scale);
    square.is_finite()
}

/// The sum of the lanes of a vector. Halves are added to each other, so few additions wait for one
/// another.
#[inline(always)]
fn sum(lanes: &[f32]) -> f32 {
    let mut sums = [0.0; LINE];
    sums[..lanes.len()].copy_from_slice(lanes);
    let mut half = lanes.len() / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::math::dispatch;
    use crate::math::tile::tests::{levels, rows};

    #[test]
    fn lengths_are_1_at_every_level_and_scale() {
        for dim in [1, 2, 7, 16, 33, 100, 300] {
            for scale in [1.0f32, 1e-3, 1e-25, 1e-37, 1e18, 1e37] {
                let vector: Vec<f32> =
                    rows(dim as u64, 1, dim)[0].iter().map(|x| x * scale).collect();
                let wide = |x: &f32| f64::from(*x);
                let length = vector.iter().map(wide).map(|x| x * x).sum::<f64>().sqrt();
                for level in levels() {
                    let mut tile = Tile::new(3, dim);
                    assert!(dispatch!(level, simd => set_unit(simd, &mut tile, 1, &vector)));
                    for (got, x) in tile.row(1).iter().zip(&vector) {
                        let right = wide(x) / length;
                        assert!(
                            (wide(got) - right).abs() < 1e-6,
                            "{got} {right} {scale} {level:?}"
                        );
                    }
                    assert!(tile.row(1)[dim..].iter().all(|&padding| padding == 0.0));
                }
            }
        }
    }

    #[test]
    fn cosines_are_right_at_every_level() {
        for dim in [1, 2, 7, 16, 33, 100, 300] {
            let all = rows(dim as u64, 2, dim);
            for level in levels() {
                let mut tile = Tile::new(1, dim);
                dispatch!(level, simd => set_unit(simd, &mut tile, 0, &all[0]));
                let direction = &tile.row(0)[..dim];
                let got = dispatch!(level, simd => cosine(simd, &all[1], direction));
                let right = crate::cosine(&all[1], direction);
                assert!((f64::from(got.unwrap()) - right).abs() < 1e-6, "{got:?} {right}");
                for strange in [0.0, f32::NAN, f32::INFINITY, 1e25] {
                    let row = vec![strange; dim];
                    assert_eq!(dispatch!(level, simd => cosine(simd, &row, direction)), None);
                }
            }
        }
    }

    #[test]
    fn zeros_stay_and_what_is_not_finite_shows() {
        for level in levels() {
            let mut tile = Tile::new(1, 3);
            assert!(dispatch!(level, simd => set_unit(simd, &mut tile, 0, &[0.0; 3])));
            assert_eq!(tile.row(0)[..3], [0.0; 3]);
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let vector = [1.0, bad, 2.0];
                assert!(!dispatch!(level, simd => set_unit(simd, &mut tile, 0, &vector)));
                assert!(tile.row(0)[1].is_nan());
            }
        }
    }
}
