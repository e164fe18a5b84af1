//! The comparison as one HTML file that needs no other file: `report.html` with the numbers in it.

use std::io::Write;

use serde_json::{Value, json};

use super::neighbours::LISTED;
use super::{Compared, Contender};
use crate::map::{Map, MapOptions, Method};
use crate::page::{self, base64};
use crate::progress::Progress;

const TEMPLATE: &str = include_str!("report.html");
/// The number of words on a map.
const MAPPED: u32 = 2000;
/// The most numbers of vectors that a page has, some 8 MB. Beyond that it has none.
const MOST_NUMBERS: usize = 6_000_000;

/// The data that the page shows.
pub struct Report(Value);

/// Where a comparison comes from. What is not known is empty.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct About {
    /// The command that made it.
    pub command: String,
    /// The day on which it was made.
    pub date: String,
    /// The processor and the number of threads.
    pub machine: String,
}

impl Report {
    /// The comparison with the lists of neighbours and a map of each method, and vectors for sums.
    pub fn new(of: &Compared, about: &About) -> Self {
        let Compared { comparison, lists, contenders } = of;
        let vocab = &contenders[0].runs[0].model.vocab;
        let listed: Vec<usize> =
            (0..lists.words.len()).filter(|&i| (lists.words[i] as usize) < LISTED).collect();
        // The page has its own ids: first the listed words, then every other word that is a
        // neighbour.
        let mut ids: Vec<u32> = listed.iter().map(|&i| lists.words[i]).collect();
        let mut place: Vec<Option<u32>> = vec![None; vocab.len()];
        for (at, &id) in (0..).zip(&ids) {
            place[id as usize] = Some(at);
        }
        let mut near: Vec<String> = Vec::new();
        for runs in &lists.near {
            // Each neighbour is three bytes of id and one of cosine (in 255ths, from 0). The id is
            // 0xffffff where a word has fewer neighbours.
            let mut bytes: Vec<u8> = Vec::new();
            for &i in &listed {
                for n in 0..super::neighbours::NEAR {
                    let Some(near) = runs[0][i].get(n) else {
                        bytes.extend([0xff; 4]);
                        continue;
                    };
                    let at = *place[near.id as usize].get_or_insert_with(|| {
                        ids.push(near.id);
                        ids.len() as u32 - 1
                    });
                    bytes.extend(&at.to_le_bytes()[..3]);
                    bytes.push((near.score.clamp(0.0, 1.0) * 255.0).round() as u8);
                }
            }
            near.push(base64(&bytes));
        }
        let words: Vec<_> = ids.iter().map(|&id| vocab.text(id)).collect();
        let numbers: usize = contenders.iter().map(|c| c.runs[0].model.dim() * listed.len()).sum();
        let vectors: Vec<String> = if numbers > MOST_NUMBERS {
            Vec::new()
        } else {
            let of = |contender: &Contender| {
                let model = &contender.runs[0].model;
                let ids = &ids[..listed.len()];
                base64(&ids.iter().flat_map(|&id| whole(&model.vector(id))).collect::<Vec<u8>>())
            };
            contenders.iter().map(of).collect()
        };
        Self(json!({
            "comparison": comparison,
            "version": env!("CARGO_PKG_VERSION"),
            "words": words,
            "listed": listed.len(),
            "near": near,
            "vectors": vectors,
            "about": about,
            "map": map(contenders),
        }))
    }

    /// Writes the page.
    ///
    /// # Errors
    /// Fails when writing to `out` fails.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        page::write(TEMPLATE, &self.0, out)
    }
}

/// The page of the maps of the most frequent words by the first run of each method, if there are words
/// enough.
fn map(contenders: &[Contender]) -> Option<String> {
    let models: Vec<_> = contenders
        .iter()
        .map(|contender| {
            let model = &contender.runs[0].model;
            let ids: Vec<u32> = (0..MAPPED.min(model.vocab.len() as u32)).collect();
            (contender.name.clone(), model.only(&ids))
        })
        .collect();
    let options = MapOptions { methods: vec![Method::Tsne, Method::Pca], clusters: 12, seed: 1 };
    let map = Map::of(&models, &options, &Progress::default()).ok()?;
    let mut page = Vec::new();
    map.write_page(&mut page).ok()?;
    String::from_utf8(page).ok()
}

/// A vector in whole numbers from -127 to 127, as bytes. Its length is not kept.
fn whole(vector: &[f32]) -> Vec<u8> {
    let largest = vector.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let scale = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    vector.iter().map(|x| (x * scale).round() as i8 as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::TEMPLATE;
    use crate::page::fault;

    #[test]
    fn the_template_has_its_places_and_needs_no_network() {
        assert_eq!(fault(TEMPLATE), None);
    }
}
