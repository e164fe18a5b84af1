//! A map as a figure for a paper, SVG with a label at each word where there is room, and as a table.

use std::io::Write;

use super::{Groups, Layout, Map, Place};
use crate::column::Column;

/// The size of a figure, and of its letters, in pixels.
const SIZE: [f64; 2] = [900.0, 700.0];
const LETTERS: f64 = 12.0;
/// The width of a letter, as a part of its size: most fonts without serifs have less.
const WIDTH: f64 = 0.6;
/// The space between a point and its label, and around the whole.
const GAP: f64 = 4.0;
const MARGIN: f64 = 12.0;

/// A box: left, top, right, bottom.
type Area = [f64; 4];

impl Map {
    /// Writes the first model's first layout as SVG. Returns how many words have no label, for want of
    /// room: the most frequent words have theirs first.
    ///
    /// # Errors
    /// Fails when writing to `out` fails.
    pub fn write_figure(&self, out: &mut impl Write) -> std::io::Result<usize> {
        let layout = &self.panels[0].layouts[0];
        let places = spread(&layout.places, self.longest());
        let [width, height] = SIZE;
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"{LETTERS}\">"
        )?;
        writeln!(
            out,
            "<title>{} words, {}: {}</title>",
            self.words.len(),
            layout.method.name(),
            layout.about
        )?;
        writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")?;
        let radius = if self.words.len() > 500 { 1.5 } else { 2.5 };
        let points: Vec<Area> =
            places.iter().map(|&[x, y]| [x - radius, y - radius, x + radius, y + radius]).collect();
        let (mut taken, mut without) = (points, 0);
        for (&[x, y], group) in places.iter().zip(self.groups_of_first()) {
            writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\"/>",
                colour(group)
            )?;
        }
        for (word, &place) in self.words.iter().zip(&places) {
            let long = letters(word) * LETTERS * WIDTH;
            let free = around(place, long, radius).into_iter().find(|area| {
                let inside =
                    area[0] >= 0.0 && area[1] >= 0.0 && area[2] <= width && area[3] <= height;
                inside && !taken.iter().any(|other| overlap(area, other))
            });
            let Some(area) = free else {
                without += 1;
                continue;
            };
            taken.push(area);
            // Letters stand on a line that lies a fifth above the bottom of their box.
            let (x, y) = (area[0], area[3] - 0.2 * LETTERS);
            writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(word))?;
        }
        writeln!(out, "</svg>")?;
        Ok(without)
    }

    /// The maps as a table with a row for each word: its count, its places by all models and layouts, how
    /// many of its nearest words are kept, its group and its label.
    pub fn columns(&self) -> Vec<(String, Column)> {
        let mut columns = vec![("word".to_string(), Column::Text(self.words.clone()))];
        if !self.counts.is_empty() {
            let counts = self.counts.iter().map(|&n| i64::try_from(n).unwrap_or(i64::MAX));
            columns.push(("count".into(), Column::Whole(counts.collect())));
        }
        let names = |groups: &Groups| {
            Column::Text((0..self.words.len()).map(|word| groups.name(word).to_string()).collect())
        };
        for panel in &self.panels {
            let of = if self.panels.len() > 1 { format!("{}_", panel.name) } else { String::new() };
            for Layout { method, places, kept, .. } in &panel.layouts {
                let name = format!("{of}{}", method.key());
                for (axis, letter) in ["x", "y"].iter().enumerate() {
                    let numbers = places.iter().map(|place| place[axis] as f32).collect();
                    columns.push((format!("{name}_{letter}"), Column::Number(numbers)));
                }
                let kept = kept.of.iter().map(|&of| i64::from(of)).collect();
                columns.push((format!("{name}_kept"), Column::Whole(kept)));
            }
            columns.extend(
                panel.groups.as_ref().map(|of_words| (format!("{of}group"), names(of_words))),
            );
        }
        columns.extend(self.labels.as_ref().map(|labels| ("label".into(), names(labels))));
        columns
    }

    fn longest(&self) -> f64 {
        self.words.iter().map(|word| letters(word)).fold(0.0, f64::max)
    }

    /// The label of each word, or else its group by the first model.
    fn groups_of_first(&self) -> impl Iterator<Item = Option<usize>> {
        let groups = self.labels.as_ref().or(self.panels[0].groups.as_ref());
        (0..self.words.len()).map(move |word| {
            groups.map(|groups| groups.of[word]).filter(|&group| group != u16::MAX).map(usize::from)
        })
    }
}

/// Places in pixels, so that all are inside, and a long label beside the last one is, too.
fn spread(places: &[Place], longest: f64) -> Vec<Place> {
    let ends = |axis: usize| {
        let all = places.iter().map(|place| place[axis]);
        (all.clone().fold(f64::INFINITY, f64::min), all.fold(f64::NEG_INFINITY, f64::max))
    };
    let room = (longest * LETTERS * WIDTH).min(SIZE[0] / 5.0);
    let (left, right) = ends(0);
    let (low, high) = ends(1);
    let scale = |x: f64, from: f64, to: f64, size: f64| {
        if to > from { (x - from) / (to - from) * size } else { size / 2.0 }
    };
    let at = |&[x, y]: &Place| {
        [
            MARGIN + scale(x, left, right, SIZE[0] - 2.0 * MARGIN - room),
            SIZE[1] - MARGIN - scale(y, low, high, SIZE[1] - 2.0 * MARGIN),
        ]
    };
    places.iter().map(at).collect()
}

/// Where a label can be: right of its point, left, above, below, and in the corners.
fn around([x, y]: Place, long: f64, radius: f64) -> [Area; 8] {
    let (far, half) = (radius + GAP, LETTERS / 2.0);
    let at = |left: f64, top: f64| [left, top, left + long, top + LETTERS];
    let (right, left, middle) = (x + far, x - far - long, x - long / 2.0);
    let (above, below) = (y - far - LETTERS, y + far);
    [
        at(right, y - half),
        at(left, y - half),
        at(middle, above),
        at(middle, below),
        at(right, above),
        at(right, below),
        at(left, above),
        at(left, below),
    ]
}

fn overlap(a: &Area, b: &Area) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// The width of a word in letters; those of East Asia are wide.
fn letters(word: &str) -> f64 {
    word.chars().map(|c| if c >= '\u{1100}' { 1.7 } else { 1.0 }).sum()
}

/// Colours that are told apart in print, too (Okabe & Ito 2008), used in turn.
fn colour(group: Option<usize>) -> &'static str {
    const COLOURS: [&str; 7] =
        ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
    group.map_or("#555555", |group| COLOURS[group % COLOURS.len()])
}

fn escaped(word: &str) -> String {
    word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
