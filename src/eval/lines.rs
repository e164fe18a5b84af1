//! Reads the lines of a set: cells, comments, and graded pairs.

use std::borrow::Cow;
use std::path::Path;

use crate::error::{Error, Result};

/// The cells of a line. They are separated by tabs, or else by commas, or else by white space. A
/// cell that contains commas is in double quotes.
pub(super) fn cells(line: &str) -> Vec<Cow<'_, str>> {
    if line.contains('\t') {
        return line.split('\t').map(|cell| cell.trim().into()).collect();
    }
    if !line.contains(',') {
        return line.split_whitespace().map(Cow::from).collect();
    }
    let mut cells = Vec::new();
    let (mut cell, mut quoted) = (String::new(), false);
    for c in line.chars() {
        match c {
            // Two double quotes in a quoted cell stand for one: the second one opens the cell
            // again.
            '"' if !quoted && cell.ends_with('\u{0}') => {
                cell.pop();
                cell.push('"');
                quoted = true;
            }
            '"' if quoted => {
                quoted = false;
                cell.push('\u{0}');
            }
            '"' if cell.trim().is_empty() => quoted = true,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells.into_iter().map(|cell| cell.replace('\u{0}', "").trim().to_string().into()).collect()
}

/// The grade in a line, and the two texts that it is about. The grade comes first, or it is the
/// first number behind the texts.
pub(super) fn graded<'c>(cells: &'c [Cow<'_, str>]) -> Option<(f64, [&'c str; 2])> {
    let number = |cell: &Cow<'_, str>| cell.parse::<f64>().ok().filter(|x| x.is_finite());
    let [first, second, rest @ ..] = cells else { return None };
    let texts = |a: &'c str, b: &'c str| (!a.is_empty() && !b.is_empty()).then_some([a, b]);
    if let (Some(grade), [third, ..]) = (number(first), rest)
        && third.contains(char::is_whitespace)
    {
        return Some((grade, texts(second, third)?));
    }
    Some((rest.iter().find_map(number)?, texts(first, second)?))
}

/// The graded lines of a text. The first may be a header.
///
/// # Errors
/// [`Error::Input`] with the line that can't be read, and with `what` was expected.
pub(super) fn graded_lines(file: &Path, text: &str, what: &str) -> Result<Vec<(f64, [String; 2])>> {
    let mut items = Vec::new();
    for (place, (number, line)) in lines(text).enumerate() {
        match graded(&cells(line)) {
            Some((grade, texts)) => items.push((grade, texts.map(Into::into))),
            None if place == 0 => {}
            None => {
                let problem = format!(
                    "line {number}: expected {what} and their similarity, a number, found '{line}'"
                );
                return Err(Error::input(file, problem));
            }
        }
    }
    Ok(items)
}

/// The lines that are neither empty nor comments (`#`, `//`), trimmed, with their numbers from 1.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let said = |line: &str| !line.is_empty() && !line.starts_with('#') && !line.starts_with("//");
    (1..).zip(text.lines().map(str::trim)).filter(move |(_, line)| said(line))
}
