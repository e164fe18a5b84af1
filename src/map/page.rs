//! The maps as one HTML file: `map.html` with the data in it.

use std::io::Write;

use serde_json::{Value, json};

use super::{Groups, Layout, Map, NEAR, Panel, Place};
use crate::page::{self, base64};
use crate::query::Neighbour;

const TEMPLATE: &str = include_str!("map.html");

impl Map {
    /// Writes the page.
    ///
    /// # Errors
    /// Fails when writing to `out` fails.
    pub fn write_page(&self, out: &mut impl Write) -> std::io::Result<()> {
        page::write(TEMPLATE, &self.data(), out)
    }

    fn data(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "words": self.words,
            "counts": self.counts,
            "near": NEAR,
            "seed": self.seed,
            "panels": self.panels.iter().map(panel).collect::<Vec<_>>(),
            "labels": self.labels.as_ref().map(groups),
        })
    }
}

fn panel(of: &Panel) -> Value {
    json!({
        "name": of.name,
        "near": base64(&of.near.iter().flat_map(|near| ids(near)).collect::<Vec<u8>>()),
        "cosines": base64(&of.near.iter().flat_map(|near| scores(near)).collect::<Vec<u8>>()),
        "layouts": of.layouts.iter().map(layout).collect::<Vec<_>>(),
        "groups": of.groups.as_ref().map(groups),
    })
}

fn layout(of: &Layout) -> Value {
    json!({
        "name": of.method.name(),
        "about": of.about,
        "places": base64(&of.places.iter().flat_map(place).collect::<Vec<u8>>()),
        "kept": base64(&of.kept.of),
        "recall": of.kept.recall,
        "trustworthiness": of.kept.trustworthiness,
        "continuity": of.kept.continuity,
        "sample": of.kept.sample,
    })
}

fn groups(of: &Groups) -> Value {
    let bytes: Vec<u8> = of.of.iter().flat_map(|group| group.to_le_bytes()).collect();
    json!({ "names": of.names, "of": base64(&bytes) })
}

/// The ids of neighbours, two bytes each; 0xffff where there are fewer.
fn ids(near: &[Neighbour]) -> impl Iterator<Item = u8> {
    (0..NEAR).flat_map(|at| near.get(at).map_or(u16::MAX, |near| near.id as u16).to_le_bytes())
}

/// Cosines in 255ths, a byte each.
fn scores(near: &[Neighbour]) -> impl Iterator<Item = u8> {
    (0..NEAR)
        .map(|at| near.get(at).map_or(0, |near| (near.score.clamp(0.0, 1.0) * 255.0).round() as u8))
}

/// A place as two whole numbers from 0 to 65,535, of two bytes each.
fn place(place: &Place) -> impl Iterator<Item = u8> {
    place.iter().flat_map(|x| (((x + 1.0) / 2.0 * 65535.0).round() as u16).to_le_bytes())
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
