//! The comparison as one HTML file that needs no other file: `report.html` with the numbers in it.

use std::io::Write;

use serde_json::{Value, json};

use super::neighbours::LISTED;
use super::{Compared, Contender, map};

const TEMPLATE: &str = include_str!("report.html");
/// The text in the template that the numbers replace.
const PLACE: &str = "/*comparison*/null";
/// The number of words on a map.
const MAPPED: usize = 600;
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
        let mut maps: Vec<(Vec<[f64; 2]>, f64)> = Vec::new();
        for contender in contenders {
            let (places, share) = map::map(&contender.runs[0].model, MAPPED);
            let places = match maps.first() {
                Some((first, _)) => map::turn_towards(places, first),
                None => places,
            };
            maps.push((places, share));
        }
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
        let rounded = |x: &f64| (x * 1000.0).round() / 1000.0;
        let map = |(places, share): &(Vec<[f64; 2]>, f64)| json!({ "share": share, "places": places.as_flattened().iter().map(rounded).collect::<Vec<_>>() });
        Self(json!({
            "comparison": comparison,
            "version": env!("CARGO_PKG_VERSION"),
            "words": words,
            "listed": listed.len(),
            "near": near,
            "vectors": vectors,
            "about": about,
            "maps": maps.iter().map(map).collect::<Vec<_>>(),
        }))
    }

    /// Writes the page.
    ///
    /// # Errors
    /// Fails when writing to `out` fails.
    pub fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        // With these escapes no word can end the script that contains it.
        let data = self
            .0
            .to_string()
            .replace('<', "\\u003c")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029");
        let (before, after) = TEMPLATE.split_once(PLACE).unwrap_or((TEMPLATE, ""));
        [before, &data, after].iter().try_for_each(|part| out.write_all(part.as_bytes()))
    }
}

/// A vector in whole numbers from -127 to 127, as bytes. Its length is not kept.
fn whole(vector: &[f32]) -> Vec<u8> {
    let largest = vector.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let scale = if largest > 0.0 { 127.0 / largest } else { 0.0 };
    vector.iter().map(|x| (x * scale).round() as i8 as u8).collect()
}

/// Bytes as base64 text (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(three.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63] as char;
            text.push(if i <= three.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_the_standard() {
        let words =
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|word| base64(word.as_bytes()));
        assert_eq!(words, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn the_template_has_one_place_for_the_numbers_and_needs_no_network() {
        assert_eq!(TEMPLATE.matches(PLACE).count(), 1);
        for foreign in ["http:", "https:", "src=", "@import", "url("] {
            let found = TEMPLATE.replace("http://www.w3.org/2000/svg", "");
            assert!(!found.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn words_cannot_end_the_script() {
        let mut page = Vec::new();
        Report(json!({ "words": ["</script><script>alert(1)"] })).write(&mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("</script><script>alert"));
        assert!(page.contains("\\u003c/script>"));
    }
}
