//! Graded word pairs: does the cosine of two words rise with the similarity that people see in them?

use super::{find, lines};
use crate::embeddings::{Embeddings, cosine};
use crate::error::{Error, Result};

/// How well cosines agree with the grades of a set of word pairs.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Similarity {
    /// The name of the set.
    pub name: String,
    /// Spearman's rank correlation of grades and cosines, from -1 to 1; not a number when it is not defined.
    pub spearman: f64,
    /// Pairs whose words are both known.
    pub pairs: usize,
    /// Pairs that were left out because a word is unknown.
    pub unknown: usize,
    /// The grade and the cosine of each known pair, in the order of the set.
    #[serde(skip)]
    pub items: Vec<(f64, f64)>,
}

/// Grades the pairs of the set `name`: lines of two words and a number, separated by tabs, by commas or by spaces; what
/// follows on a line is not looked at. The first line may be a header. Blank lines and `#` comments are skipped.
///
/// # Errors
/// [`Error::Input`], with the line, when a line has no two words and a number, or when there is no pair at all.
pub fn similarity(e: &Embeddings, name: &str, text: &str) -> Result<Similarity> {
    let (mut items, mut unknown) = (Vec::new(), 0);
    for (place, (number, line)) in lines(text, &["#"]).enumerate() {
        let wrong = |problem: String| Error::input(name, format!("line {number}: {problem}"));
        let [first, second, score] = cells(line)
            .ok_or_else(|| wrong(format!("expected two words and their similarity, found '{line}'")))?;
        match score.parse::<f64>() {
            Ok(score) if score.is_finite() => match (find(&e.vocab, first), find(&e.vocab, second)) {
                (Some(a), Some(b)) => items.push((score, cosine(e.vector(a), e.vector(b)))),
                _ => unknown += 1,
            },
            _ if place == 0 => {}
            _ => {
                return Err(wrong(format!(
                    "'{score}', the similarity of {first} and {second}, is no number"
                )));
            }
        }
    }
    if items.is_empty() && unknown == 0 {
        return Err(Error::input(name, "no word pair: expected lines of two words and their similarity"));
    }
    Ok(Similarity { name: name.into(), spearman: spearman(&items), pairs: items.len(), unknown, items })
}

/// The first three cells of a line.
fn cells(line: &str) -> Option<[&str; 3]> {
    fn three<'l>(mut cells: impl Iterator<Item = &'l str>) -> Option<[&'l str; 3]> {
        let three = [cells.next()?.trim(), cells.next()?.trim(), cells.next()?.trim()];
        three.iter().all(|cell| !cell.is_empty()).then_some(three)
    }
    match line {
        line if line.contains('\t') => three(line.split('\t')),
        line if line.contains(',') => three(line.split(',')),
        line => three(line.split_whitespace()),
    }
}

/// Spearman's rank correlation of the first and the second numbers of `items`: Pearson's correlation of their ranks,
/// where equal numbers share the mean of their ranks. Not a number for fewer than two items, when all numbers of a side
/// are equal, or when one is not a number.
pub fn spearman(items: &[(f64, f64)]) -> f64 {
    if items.iter().any(|(x, y)| x.is_nan() || y.is_nan()) {
        return f64::NAN;
    }
    let (x, y): (Vec<f64>, Vec<f64>) = items.iter().copied().unzip();
    let mean = f64::midpoint(items.len() as f64, 1.0);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in ranks(&x).into_iter().zip(ranks(&y)) {
        xy += (x - mean) * (y - mean);
        xx += (x - mean) * (x - mean);
        yy += (y - mean) * (y - mean);
    }
    xy / f64::sqrt(xx * yy)
}

/// The rank of each number, from 1.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_unstable_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut below = 0;
    #[expect(clippy::float_cmp, reason = "a tie is equality")]
    for equal in order.chunk_by(|&a, &b| numbers[a] == numbers[b]) {
        for &i in equal {
            ranks[i] = below as f64 + f64::midpoint(equal.len() as f64, 1.0);
        }
        below += equal.len();
    }
    ranks
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "ties and whole numbers are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::embeddings::Provenance;
    use crate::vocab::Vocab;

    fn embeddings() -> Embeddings {
        let rows = vec![1.0, 0.0, 1.0, 0.1, 1.0, 1.0, -1.0, 0.0, 0.0, -1.0];
        let vocab = Vocab::new(&["sun", "sunlight", "moon", "Night", "night"], vec![]);
        Embeddings::new(vocab, 2, rows.into(), None, Provenance::default())
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(items in prop::collection::vec((-4..4i32, -4..4i32), 0..40)) {
            let items: Vec<(f64, f64)> = items.into_iter().map(|(x, y)| (f64::from(x), f64::from(y) / 3.0)).collect();
            let rank = |of: &dyn Fn(&(f64, f64)) -> f64, i: usize| {
                let count = |test: &dyn Fn(f64) -> bool| items.iter().filter(|item| test(of(item))).count() as f64;
                let x = of(&items[i]);
                count(&|y| y < x) + count(&|y| y == x).midpoint(1.0)
            };
            let x: Vec<f64> = (0..items.len()).map(|i| rank(&|item| item.0, i)).collect();
            let y: Vec<f64> = (0..items.len()).map(|i| rank(&|item| item.1, i)).collect();
            let n = items.len() as f64;
            let mean = |x: &[f64]| x.iter().sum::<f64>() / n;
            let covariance = |x: &[f64], y: &[f64]| {
                x.iter().zip(y).map(|(a, b)| (a - mean(x)) * (b - mean(y))).sum::<f64>() / n
            };
            let expected = covariance(&x, &y) / (covariance(&x, &x).sqrt() * covariance(&y, &y).sqrt());
            let got = spearman(&items);
            prop_assert!(got.is_nan() && expected.is_nan() || (got - expected).abs() < 1e-9, "{got} {expected}");
        }
    }

    #[test]
    fn known_correlations() {
        assert_eq!(spearman(&[(1.0, 10.0), (2.0, 20.0), (9.0, 21.0)]), 1.0);
        assert_eq!(spearman(&[(1.0, 0.3), (2.0, 0.2), (9.0, -0.1)]), -1.0);
        assert_eq!(spearman(&[(0.0, 1.0), (-0.0, 1.5), (1.0, 2.0), (1.0, 3.0)]), 2.0 / 5f64.sqrt());
        assert!(spearman(&[]).is_nan() && spearman(&[(1.0, 1.0)]).is_nan());
        assert!(spearman(&[(1.0, f64::NAN), (2.0, 1.0), (3.0, 4.0)]).is_nan());
    }

    #[test]
    fn reads_tabs_commas_spaces_headers_and_comments() {
        let e = embeddings();
        let sets = [
            "sun\tsunlight\t9\nsun\tmoon\t5.5\nsun\tNIGHT\t1",
            "word1,word2,score\n\nsun, sunlight, 9\nSun,moon,5.5,12\nsun,NIGHT,1\n",
            "\u{feff}# a comment\nWord1  Word2  Grade\r\nsun sunlight 9\r\nsun  Moon 5.5 x\r\nsun night 1e0\r\n#",
        ];
        for set in sets {
            let report = similarity(&e, "set", set).unwrap();
            assert_eq!((report.spearman, report.pairs, report.unknown), (1.0, 3, 0), "{set}");
            assert_eq!(report.items[2], (1.0, 0.0), "NIGHT in lower case");
        }
        let report = similarity(&e, "set", "sun Night 3\nsun star 4").unwrap();
        assert_eq!((report.items, report.unknown), (vec![(3.0, -1.0)], 1));
        assert!(report.spearman.is_nan());
    }

    #[test]
    fn says_which_line_is_wrong() {
        let problem = |text| similarity(&embeddings(), "set.txt", text).unwrap_err().to_string();
        assert_eq!(
            problem("a b score\n# x\nsun moon high"),
            "set.txt: line 3: 'high', the similarity of sun and moon, is no number"
        );
        assert!(problem("sun moon 3\nsun moon nan").contains("line 2"));
        assert!(problem("sun moon 3\nsun moon").contains("line 2: expected two words and their similarity"));
        assert!(problem("sun\t\t3").contains("line 1"));
        for empty in ["", "# nothing\n\n", "word1 word2 score\n"] {
            assert!(problem(empty).contains("no word pair"));
        }
    }
}
