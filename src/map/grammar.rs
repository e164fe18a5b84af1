//! Function words, told by their vectors.
//!
//! A word that stands in many kinds of contexts is drawn in many directions, so its vector stays short
//! for its frequency (Schakel & Wilson 2015). This holds for word2vec and fastText. GloVe gives
//! frequent words long vectors.

use crate::embeddings::Embeddings;
use crate::error::{Error, Result};

/// How many frequent words are looked at for each one that is wanted.
const AMONG: usize = 10;
/// Lengths that differ by a smaller share are equal.
const EQUAL: f32 = 1e-2;

/// The ids of `wanted` function words, in order: of the ten times as many most frequent words, those
/// with the shortest vectors.
///
/// # Errors
/// [`Error::Refused`] where lengths say nothing: for GloVe, and for vectors of the same length.
pub fn function_words(model: &Embeddings, wanted: usize) -> Result<Vec<u32>> {
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let refused = |why: &str| {
        Err(Error::Refused(format!(
            "{why}, so `skip-function` finds no function words: `skip` leaves out the most frequent words"
        )))
    };
    if model.provenance.method == "glove" {
        return refused("GloVe gives frequent words long vectors");
    }
    let length = |id: u32| model.vector(id).iter().map(|x| x * x).sum::<f32>().sqrt();
    let among = model.vocab.len().min(wanted.saturating_mul(AMONG)) as u32;
    let mut words: Vec<(f32, u32)> = (0..among).map(|id| (length(id), id)).collect();
    words.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    if let (Some(shortest), Some(longest)) = (words.first(), words.last())
        && longest.0 - shortest.0 <= EQUAL * longest.0
    {
        return refused("all vectors have the same length");
    }
    let mut ids: Vec<u32> = words.into_iter().take(wanted).map(|(_, id)| id).collect();
    ids.sort_unstable();
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Vocab;
    use crate::embeddings::Provenance;

    fn model(lengths: &[f32], method: &str) -> Embeddings {
        let names: Vec<String> = (0..lengths.len()).map(|i| format!("w{i}")).collect();
        let rows: Vec<f32> =
            lengths.iter().flat_map(|length| [0.6 * length, -0.8 * length]).collect();
        let about = Provenance { method: method.into(), ..Provenance::default() };
        Embeddings::new(Vocab::new(&names, vec![]), 2, rows.into(), None, about)
    }

    #[test]
    fn are_the_shortest_of_the_most_frequent() {
        let mut lengths: Vec<f32> = (0..40).map(|i| 2.0 + 0.01 * i as f32).collect();
        (lengths[3], lengths[17], lengths[25]) = (1.0, 0.5, 0.1);
        let model = model(&lengths, "skip-gram");
        assert_eq!(function_words(&model, 2).unwrap(), [3, 17]);
        assert_eq!(function_words(&model, 3).unwrap(), [3, 17, 25]);
        assert_eq!(function_words(&model, 0).unwrap(), [] as [u32; 0]);
    }

    #[test]
    fn are_not_guessed_where_lengths_say_nothing() {
        let same = function_words(&model(&[1.0, 1.001, 1.0, 0.999], ""), 1).unwrap_err();
        assert!(same.to_string().contains("the same length"), "{same}");
        let glove = function_words(&model(&[3.0, 2.0, 1.0], "glove"), 1).unwrap_err();
        assert!(glove.to_string().contains("GloVe"), "{glove}");
    }
}
