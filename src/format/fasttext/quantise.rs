//! Writes fastText's `.ftz`: the rows of `.bin`, with one byte for each pair of numbers, and one for
//! the length of a row (product quantisation, Jégou, Douze & Schmid 2011; Joulin et al. 2016,
//! "FastText.zip"). fastText itself makes such files of classifiers alone, and loads them of any
//! model. Where few buckets of n-grams have a row, these alone are written, as pruned n-grams.
//!
//! This file is over 300 lines because a third of it is its test and the search for centroids.

use rayon::prelude::*;

use super::matrix::{CENTROIDS, Centroids};
use super::write::{check, head, own_row};
use super::{HELD, size};
use crate::embeddings::{Embeddings, cosine};
use crate::error::{Error, Result};
use crate::format::{Kind, Writes};
use crate::memory::Staged;
use crate::random::{below, generator};
use crate::subword::{add_row, scale};

pub(in crate::format) const FORMAT: Kind = Kind {
    name: "ftz",
    help: "fastText's model, quantised to an eighth; the answer says how exact it is (.ftz)",
    program: "fastText",
    extensions: &["ftz"],
    holds: &HELD,
    reads: None,
    writes: Writes::File(write),
    widths: &[],
    size: |of| size(of) / 7,
};

/// Numbers that share a byte.
const PART: usize = 2;
/// The most rows of which centroids are learnt, for each centroid.
const SAMPLED: usize = 256;
/// How often centroids move.
const ROUNDS: usize = 12;
/// Distances that are compared side by side.
const LANES: usize = 16;
/// Rows that are computed at a time.
const BLOCK: usize = 4096;
/// Words whose vectors are compared with those before.
const COMPARED: usize = 10_000;

/// Rows that are computed as they are needed.
type Row<'a> = dyn Fn(usize, &mut [f32]) + Sync + 'a;

fn write(embeddings: &Embeddings, out: &mut Staged) -> Result<Vec<String>> {
    check(embeddings, out.path())?;
    let (words, dim) = (embeddings.vocab.len(), embeddings.dim());
    let ngrams = embeddings.ngrams();
    let kept = ngrams.and_then(|ngrams| ngrams.buckets.as_deref());
    let buckets = ngrams.map_or(0, |ngrams| match kept {
        Some(kept) => kept.len(),
        None => ngrams.subwords.buckets as usize,
    });
    if i32::try_from((words + buckets).saturating_mul(dim.div_ceil(PART))).is_err() {
        let problem = "more rows than a quantised file of fastText can have: use fewer `buckets`";
        return Err(Error::input(out.path(), problem));
    }
    out.put(&head(embeddings, kept))?;
    let input = |row: usize, to: &mut [f32]| {
        if row < words {
            own_row(embeddings, row as u32, to, &mut vec![0.0; dim]);
            return;
        }
        to.fill(0.0);
        let at = row - words;
        let bucket = kept.map_or(at as u32, |kept| kept[at]);
        if let Some(row) = ngrams.and_then(|ngrams| ngrams.row(bucket, dim)) {
            add_row(row, to);
        }
    };
    let rows = Quantised::new(words + buckets, dim, &input);
    rows.write(out)?;
    let (_, output, _) = embeddings.matrices();
    let output = |row: usize, to: &mut [f32]| match output {
        Some(output) => to.copy_from_slice(&output.part(row * dim..(row + 1) * dim)),
        None => to.fill(0.0),
    };
    Quantised::new(words, dim, &output).write(out)?;

    let compared = words.min(COMPARED);
    let close = |word: u32| {
        let mut sum = vec![0.0; dim];
        rows.add(word as usize, &mut sum);
        let mut n = 1;
        if let Some(ngrams) = ngrams {
            ngrams.subwords.each(embeddings.vocab.word(word), |bucket| {
                let at = kept.map_or(Ok(bucket as usize), |kept| kept.binary_search(&bucket));
                if let Ok(at) = at {
                    rows.add(words + at, &mut sum);
                    n += 1;
                }
            });
        }
        scale(&mut sum, n);
        cosine(&sum, &embeddings.vector(word))
    };
    let all: Vec<f64> = (0..compared as u32).into_par_iter().map(close).collect();
    let mean = all.iter().sum::<f64>() / compared.max(1) as f64;
    Ok(vec![format!(
        "quantised: the {compared} most frequent words have a cosine of {mean:.3} with before, on \
         average"
    )])
}

/// Quantised rows.
struct Quantised {
    dim: usize,
    codes: Vec<u8>,
    centroids: Vec<u8>,
    lengths: Vec<u8>,
    /// The lengths that codes stand for.
    of_lengths: Vec<u8>,
}

impl Quantised {
    /// Learns centroids of some rows, and gives codes to all. Rows are scaled to length 1 first.
    fn new(rows: usize, dim: usize, row: &Row) -> Self {
        let parts = dim.div_ceil(PART);
        let sampled = rows.min(SAMPLED * CENTROIDS);
        let sample: Vec<f32> = (0..sampled)
            .into_par_iter()
            .flat_map_iter(|i| {
                let mut to = vec![0.0; dim];
                row(i * rows / sampled, &mut to);
                let length = unit(&mut to);
                to.push(length);
                to
            })
            .collect();
        let of_part = |part: usize| {
            let place = PART * part..dim.min(PART * (part + 1));
            let rows = sample.chunks_exact(dim + 1);
            let points: Vec<Centroid> = rows.map(|row| point(&row[place.clone()])).collect();
            Centers::of(&points, part as u64)
        };
        let all: Vec<Centers> = (0..parts).into_par_iter().map(of_part).collect();
        let lengths: Vec<Centroid> =
            sample.chunks_exact(dim + 1).map(|row| [row[dim], 0.0]).collect();
        let of_lengths = Centers::of(&lengths, parts as u64);
        let mut codes = vec![0; rows * parts];
        let mut own = vec![0; rows];
        let blocks = codes.par_chunks_mut(BLOCK * parts).zip(own.par_chunks_mut(BLOCK));
        blocks.enumerate().for_each(|(block, (codes, lengths))| {
            let mut to = vec![0.0; dim];
            for (i, (codes, length)) in codes.chunks_exact_mut(parts).zip(lengths).enumerate() {
                row(block * BLOCK + i, &mut to);
                *length = of_lengths.nearest([unit(&mut to), 0.0]);
                for (code, (part, centroids)) in codes.iter_mut().zip(to.chunks(PART).zip(&all)) {
                    *code = centroids.nearest(point(part));
                }
            }
        });
        // The last part may have one number.
        let width = |part: usize| PART.min(dim - PART * part);
        let flat = all.iter().enumerate().flat_map(|(part, centroids)| {
            (0..CENTROIDS).flat_map(move |i| centroids.get(i)[..width(part)].to_vec())
        });
        Self {
            dim,
            codes,
            centroids: flat.flat_map(f32::to_le_bytes).collect(),
            lengths: own,
            of_lengths: of_lengths.numbers[0].iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    /// Adds a row to a sum, as who reads the file does.
    fn add(&self, row: usize, sum: &mut [f32]) {
        let mut length = [0.0];
        let lengths = Centroids { parts: 1, part: 1, bytes: &self.of_lengths };
        lengths.add(&self.lengths[row..=row], 1.0, &mut length);
        let parts = self.dim.div_ceil(PART);
        let centroids = Centroids { parts, part: PART, bytes: &self.centroids };
        centroids.add(&self.codes[row * parts..][..parts], length[0], sum);
    }

    /// Writes that the rows are quantised, and the rows.
    fn write(&self, out: &mut Staged) -> Result<()> {
        let (rows, dim) = (self.lengths.len(), self.dim);
        let parts = dim.div_ceil(PART);
        out.put(&[1, 1])?;
        out.put(&(rows as i64).to_le_bytes())?;
        out.put(&(dim as i64).to_le_bytes())?;
        out.put(&(self.codes.len() as i32).to_le_bytes())?;
        out.put(&self.codes)?;
        let sizes = |sizes: [usize; 4]| sizes.map(|size| (size as i32).to_le_bytes()).concat();
        out.put(&sizes([dim, parts, PART.min(dim), dim - PART.min(dim) * (parts - 1)]))?;
        out.put(&self.centroids)?;
        out.put(&self.lengths)?;
        out.put(&sizes([1, 1, 1, 1]))?;
        out.put(&self.of_lengths)
    }
}

/// Scales a row to length 1, and returns what its length was.
fn unit(row: &mut [f32]) -> f32 {
    let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in row {
            *x /= length;
        }
    }
    length
}

/// A part of a row as a point. A number that it lacks is 0.
fn point(part: &[f32]) -> Centroid {
    std::array::from_fn(|i| part.get(i).copied().unwrap_or(0.0))
}

/// Centroids, number by number, so that distances to many are found at once.
type Centroid = [f32; PART];

#[derive(Clone)]
struct Centers {
    numbers: [[f32; CENTROIDS]; PART],
}

impl Centers {
    /// The nearest centroid.
    fn nearest(&self, point: Centroid) -> u8 {
        let mut distances = [0.0f32; CENTROIDS];
        for (numbers, x) in self.numbers.iter().zip(point) {
            for (distance, number) in distances.iter_mut().zip(numbers) {
                *distance += (number - x) * (number - x);
            }
        }
        // The least of each of many lanes comes first, which is fast.
        let mut least = [f32::INFINITY; LANES];
        for some in distances.as_chunks::<LANES>().0 {
            for (least, distance) in least.iter_mut().zip(some) {
                *least = if *distance < *least { *distance } else { *least };
            }
        }
        let least = least.into_iter().fold(f32::INFINITY, f32::min);
        distances.iter().position(|distance| *distance <= least).unwrap_or(0) as u8
    }

    fn get(&self, centroid: usize) -> Centroid {
        std::array::from_fn(|i| self.numbers[i][centroid])
    }

    fn set(&mut self, centroid: usize, to: Centroid) {
        for (numbers, x) in self.numbers.iter_mut().zip(to) {
            numbers[centroid] = x;
        }
    }

    /// Centroids of points by Lloyd's rounds. One that no point is nearest to begins again at a point
    /// of the largest group.
    fn of(points: &[Centroid], seed: u64) -> Self {
        let mut random = generator(seed);
        let mut all = Self { numbers: [[0.0; CENTROIDS]; PART] };
        for centroid in 0..CENTROIDS {
            all.set(centroid, points[below(&mut random, points.len())]);
        }
        for _ in 0..ROUNDS {
            let mut sums = vec![[0.0f64; PART]; CENTROIDS];
            let mut counts = vec![0u32; CENTROIDS];
            let mut last = vec![0; CENTROIDS];
            for (place, &point) in points.iter().enumerate() {
                let group = usize::from(all.nearest(point));
                for (sum, x) in sums[group].iter_mut().zip(point) {
                    *sum += f64::from(x);
                }
                counts[group] += 1;
                last[group] = place;
            }
            let largest = (0..CENTROIDS).max_by_key(|&group| counts[group]).unwrap_or(0);
            for (centroid, (sum, &count)) in sums.iter().zip(&counts).enumerate() {
                if count > 0 {
                    all.set(centroid, sum.map(|sum| (sum / f64::from(count)) as f32));
                } else if counts[largest] > 1 {
                    all.set(centroid, points[last[largest]]);
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;
    use crate::format::{self, Format};
    use crate::subword::{Bags, Ngrams, Subwords};

    #[test]
    fn quantised_files_are_read_and_near_to_what_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.ftz");
        let mut random = generator(1);
        for dim in [1, 7, 8] {
            let words: Vec<String> = (0..600).map(|i| format!("word{i}")).collect();
            let vocab = Vocab::new(&words, (0..600).map(|i| 1000 - i).collect());
            let mut rows = |n: usize| -> Vec<f32> {
                (0..n * dim).map(|_| crate::random::normal(&mut random) as f32).collect()
            };
            let subwords = Subwords { min_n: 3, max_n: 4, buckets: 5000 };
            let buckets = Bags::new(&vocab, &subwords).buckets;
            let ngrams = Ngrams {
                subwords,
                rows: rows(buckets.len())
                    .into_iter()
                    .flat_map(f32::to_le_bytes)
                    .collect::<Vec<_>>()
                    .into(),
                buckets: Some(buckets.into()),
                pruned: false,
            };
            let (input, output) = (rows(600), rows(600));
            let before = Embeddings::new(
                vocab,
                dim,
                input.into(),
                Some(output.into()),
                Provenance::default(),
            )
            .with_ngrams(Some(ngrams));
            let notes = format::write(&before, &path, Format::named("ftz").unwrap()).unwrap();
            assert!(
                notes[0].contains("the 600 most frequent words have a cosine of 0.9") || dim == 1
            );
            let after = format::read(&path).unwrap();
            let mean = |of: &dyn Fn(u32) -> f64| (0..600).map(of).sum::<f64>() / 600.0;
            let known = mean(&|id| cosine(&before.vector(id), &after.vector(id)));
            let unseen = before.find("worded").unwrap().vector.into_owned();
            let again = after.find("worded").unwrap().vector.into_owned();
            let (out, dim) = (after.output().unwrap(), dim);
            let outputs = mean(&|id| {
                let row = id as usize * dim..(id as usize + 1) * dim;
                cosine(&before.output().unwrap()[row.clone()], &out[row])
            });
            assert!(known > 0.97 && outputs > 0.97, "{dim}: {known} {outputs}");
            assert!(cosine(&unseen, &again) > 0.97);
            assert_eq!(after.vocab.count(1), Some(999));
        }
    }
}
