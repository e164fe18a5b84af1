//! Correlations of weighted items.

/// Pearson's correlation of the first and the second numbers of `items`, each as often as its
/// weight says. It is not a number where it is not defined.
pub(crate) fn pearson(items: &[(f64, f64)], weights: &[f32]) -> f64 {
    let weighted = || items.iter().zip(weights).map(|(&(x, y), &w)| (x, y, f64::from(w)));
    let (mut sum, mut x_sum, mut y_sum) = (0.0, 0.0, 0.0);
    for (x, y, w) in weighted() {
        sum += w;
        x_sum += w * x;
        y_sum += w * y;
    }
    let (x_mean, y_mean) = (x_sum / sum, y_sum / sum);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y, w) in weighted() {
        let (x, y) = (x - x_mean, y - y_mean);
        xy += w * x * y;
        xx += w * x * x;
        yy += w * y * y;
    }
    xy / f64::sqrt(xx * yy)
}

/// Spearman's rank correlation of the first and the second numbers of `items`. It is Pearson's
/// correlation of their ranks, where equal numbers share the mean of their ranks. It is not a
/// number for fewer than two items, if all numbers of a side are equal, or if one is not a number.
#[cfg(test)]
pub(crate) fn spearman(items: &[(f64, f64)]) -> f64 {
    Ranked::new(items).spearman(&vec![1.0; items.len()])
}

/// Pairs of numbers, which are sorted once so that ranks in a draw of them take no sorting.
#[derive(Clone, Debug)]
pub(crate) struct Ranked {
    sides: [Order; 2],
    defined: bool,
}

/// The indices of items, lowest number first, each with whether its number equals the one before.
#[derive(Clone, Debug)]
struct Order(Vec<(u32, bool)>);

impl Ranked {
    /// Sorts `items`.
    pub(crate) fn new(items: &[(f64, f64)]) -> Self {
        let (x, y): (Vec<f64>, Vec<f64>) = items.iter().copied().unzip();
        let defined = x.iter().chain(&y).all(|x| !x.is_nan());
        Self { sides: [Order::new(&x), Order::new(&y)], defined }
    }

    /// Spearman's rank correlation of the items, each as often as its weight says.
    pub(crate) fn spearman(&self, weights: &[f32]) -> f64 {
        if !self.defined {
            return f64::NAN;
        }
        let [x, y] = self.sides.each_ref().map(|side| side.ranks(weights));
        let ranks: Vec<(f64, f64)> = x.into_iter().zip(y).collect();
        pearson(&ranks, weights)
    }
}

impl Order {
    fn new(numbers: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..numbers.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| numbers[a as usize].total_cmp(&numbers[b as usize]));
        let mut last = f64::NAN;
        #[expect(clippy::float_cmp, reason = "a tie is equality")]
        let tied = |at: u32| {
            let number = numbers[at as usize];
            number == std::mem::replace(&mut last, number)
        };
        let ties: Vec<bool> = order.iter().copied().map(tied).collect();
        Self(order.into_iter().zip(ties).collect())
    }

    /// The rank of each item. Ranks begin at 1/2 for an item of weight 1.
    fn ranks(&self, weights: &[f32]) -> Vec<f64> {
        let mut ranks = vec![0.0; self.0.len()];
        let mut below = 0.0;
        let mut rest = &self.0[..];
        while let Some((_, later)) = rest.split_first() {
            let equal = 1 + later.iter().take_while(|&&(_, tied)| tied).count();
            let weight: f64 =
                rest[..equal].iter().map(|&(at, _)| f64::from(weights[at as usize])).sum();
            for &(at, _) in &rest[..equal] {
                ranks[at as usize] = below + weight / 2.0;
            }
            below += weight;
            rest = &rest[equal..];
        }
        ranks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::mean;

    proptest! {
        #[test]
        fn spearman_agrees_with_the_definition(items in prop::collection::vec((-4..4i32, -4..4i32, 0..4u8), 0..40)) {
            // The definition: each item is copied as often as its weight says.
            let weights: Vec<f32> = items.iter().map(|item| f32::from(item.2)).collect();
            let pairs: Vec<(f64, f64)> = items.iter().map(|&(x, y, _)| (f64::from(x), f64::from(y) / 3.0)).collect();
            let copies: Vec<(f64, f64)> =
                pairs.iter().zip(&items).flat_map(|(&pair, item)| vec![pair; item.2.into()]).collect();
            let rank = |of: &dyn Fn(&(f64, f64)) -> f64, i: usize| {
                let count = |test: &dyn Fn(f64) -> bool| copies.iter().filter(|c| test(of(c))).count() as f64;
                let x = of(&copies[i]);
                count(&|y| y < x) + count(&|y| y == x).midpoint(1.0)
            };
            let x: Vec<f64> = (0..copies.len()).map(|i| rank(&|item| item.0, i)).collect();
            let y: Vec<f64> = (0..copies.len()).map(|i| rank(&|item| item.1, i)).collect();
            let covariance = |x: &[f64], y: &[f64]| {
                x.iter().zip(y).map(|(a, b)| (a - mean(x)) * (b - mean(y))).sum::<f64>() / x.len() as f64
            };
            let expected = covariance(&x, &y) / (covariance(&x, &x).sqrt() * covariance(&y, &y).sqrt());
            let got = Ranked::new(&pairs).spearman(&weights);
            prop_assert!(got.is_nan() && expected.is_nan() || (got - expected).abs() < 1e-9, "{got} {expected}");
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "ties and whole numbers are exact")]
    fn known_correlations() {
        assert_eq!(spearman(&[(1.0, 10.0), (2.0, 20.0), (9.0, 21.0)]), 1.0);
        assert_eq!(spearman(&[(1.0, 0.3), (2.0, 0.2), (9.0, -0.1)]), -1.0);
        let tied = spearman(&[(0.0, 1.0), (-0.0, 1.5), (1.0, 2.0), (1.0, 3.0)]);
        assert!((tied - 2.0 / 5f64.sqrt()).abs() < 1e-12);
        assert!(spearman(&[]).is_nan() && spearman(&[(1.0, 1.0)]).is_nan());
        assert!(spearman(&[(1.0, f64::NAN), (2.0, 1.0), (3.0, 4.0)]).is_nan());
        assert!(
            (pearson(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)], &[1.0, 2.0, 1.0]) - 1.0).abs() < 1e-12
        );
    }
}
