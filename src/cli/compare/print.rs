//! Prints a comparison for a reader at a terminal.

use std::fmt::Display;
use std::io::{Result, Write};
use std::time::Duration;

use wordloom::compare::{Comparison, Cost, Curve, Difference, MethodSummary};

use crate::cli::show::{self, range, score};

/// How many of the words that differ most are shown, and how many neighbours of each.
const SHOWN_WORDS: usize = 8;

const SHOWN_NEAR: usize = 6;

/// Writes the whole comparison.
pub(crate) fn print(out: &mut impl Write, all: &Comparison) -> Result<()> {
    let names: Vec<&str> = all.methods.iter().map(|method| &method.name[..]).collect();
    let words = show::number(all.words as u64);
    let of = all.of;
    if all.cut {
        let own: Vec<String> = all.methods.iter().map(|m| show::number(m.words as u64)).collect();
        let own = own.join(", ");
        writeln!(
            out,
            "The vocabularies differ ({own} words): compared on the {words} {of} that all have."
        )?;
    } else {
        writeln!(out, "{words} {of}, the same for all.")?;
    }
    if !all.advice.sentence.is_empty() {
        writeln!(out, "{}", show::shown(&all.advice.sentence))?;
    }
    scores(out, all, &names)?;
    if names.len() > 1 {
        differences(out, all, &names)?;
    }
    composed(out, all, &names)?;
    writeln!(out, "\nCost of a run (median)")?;
    table(
        out,
        5,
        ["method", "runs", "time", "words/s", "peak memory"],
        all.methods.iter().map(cost),
    )?;
    for curve in &all.curves {
        learning(out, all, curve, names[curve.method])?;
    }
    overlap(out, all, &names)?;
    if names.len() > 1 {
        differing(out, all, &names)?;
        confounds(out, all, &names)?;
    }
    if all.methods.iter().any(|method| method.runs.len() < 2 && !method.exact) {
        writeln!(
            out,
            "\nWith one run of a method, what another seed would change can't be told and is in no interval of it."
        )?;
    }
    Ok(())
}

fn scores(out: &mut impl Write, all: &Comparison, names: &[&str]) -> Result<()> {
    writeln!(out, "\nScores: mean of runs, ± standard deviation of runs, [95 % interval]")?;
    let rows = all.sets.iter().map(|set| {
        let scores = &set.measures[0];
        let mut row = vec![set.name.clone(), scores.measure.into(), show::number(set.used as u64)];
        row.extend(scores.methods.iter().map(|of| {
            let spread = of.spread.map_or_else(String::new, |s| format!(" ±{}", score(s)));
            format!("{}{spread} {}", score(of.mean), range(of.interval))
        }));
        row
    });
    table(out, 3, ["set", "measure", "items"].iter().chain(names), rows)
}

fn differences(out: &mut impl Write, all: &Comparison, names: &[&str]) -> Result<()> {
    writeln!(out, "\nDifferences (p and intervals corrected for all of them together)")?;
    let rows = all.sets.iter().flat_map(|set| {
        set.differences.iter().map(|d| {
            let [a, b] = d.methods.map(|m| names[m]);
            let p =
                if d.corrected < 0.001 { "< 0.001".into() } else { format!("{:.3}", d.corrected) };
            let points = format!("{:+.1}", 100.0 * d.difference);
            vec![
                set.name.clone(),
                format!("{a} - {b}"),
                points,
                range(d.interval),
                p,
                verdict(d, names),
            ]
        })
    });
    table(out, 6, ["set", "of", "points", "95 %", "p", ""], rows)
}

/// Writes the scores of methods that have vectors for unseen words.
fn composed(out: &mut impl Write, all: &Comparison, names: &[&str]) -> Result<()> {
    let rows: Vec<Vec<String>> = all
        .sets
        .iter()
        .flat_map(|set| set.composed.iter().map(move |own| (set, own)))
        .map(|(set, own)| {
            let (used, composed) =
                (show::number(own.used as u64), show::number(own.composed as u64));
            let name = names[own.method].into();
            vec![set.name.clone(), name, used, composed, score(own.mean)]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\nWith vectors for unseen words: other items than above, so not to be compared with the others"
    )?;
    table(out, 5, ["set", "method", "items", "by n-grams", "score"], rows.into_iter())
}

/// The verdict on a difference, in words.
fn verdict(of: &Difference, names: &[&str]) -> String {
    let [a, b] = of.methods.map(|m| names[m]);
    match (of.detected, of.difference > 0.0) {
        (true, true) => format!("{a} is better"),
        (true, false) => format!("{b} is better"),
        _ if of.difference.is_nan() => "no score".into(),
        _ => match of.detectable {
            Some(least) => format!("no difference detected (could find {})", score(least)),
            None => "no difference detected (more items or runs are needed)".into(),
        },
    }
}

fn cost(method: &MethodSummary) -> Vec<String> {
    let median = |of: fn(&Cost) -> Option<f64>, text: fn(f64) -> String| {
        let mut known: Vec<f64> = method.runs.iter().filter_map(of).collect();
        known.sort_by(f64::total_cmp);
        known.get(known.len() / 2).map_or_else(|| "unknown".into(), |&x| text(x))
    };
    vec![
        method.name.clone(),
        method.runs.len().to_string(),
        median(|cost| cost.seconds, time),
        median(|cost| cost.words_per_second, show::short),
        median(|cost| cost.peak_memory.map(|bytes| bytes as f64), |bytes| show::size(bytes as u64)),
    ]
}

fn time(seconds: f64) -> String {
    show::time(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
}

fn learning(out: &mut impl Write, all: &Comparison, curve: &Curve, name: &str) -> Result<()> {
    let name = show::shown(name);
    writeln!(out, "\nLearning of {name} (a whole training for each number of epochs)")?;
    let rows = curve.points.iter().enumerate().map(|(i, (epochs, seconds))| {
        let mut row = vec![epochs.to_string(), time(*seconds)];
        row.extend(curve.sets.iter().map(|scores| score(scores[i])));
        row
    });
    let sets = all.sets.iter().map(|set| &set.name[..]);
    table(out, 2, ["epochs", "time"].into_iter().chain(sets), rows)
}

fn overlap(out: &mut impl Write, all: &Comparison, names: &[&str]) -> Result<()> {
    let near = all.neighbours.near;
    writeln!(
        out,
        "\nNeighbours in common, of {near} (a method with itself: runs that differ in their seed)"
    )?;
    let n = all.neighbours.bands.first().map_or(0, |band| band.overlap.len());
    let pairs = || (0..n).flat_map(|a| (a..n).map(move |b| (a, b)));
    let rows = all.neighbours.bands.iter().map(|band| {
        let [first, last] = band.ranks.map(|rank| show::number(rank as u64));
        let share = |(a, b): (usize, usize)| {
            band.overlap[a][b].map_or("-".into(), |x| show::percent(x, 1.0))
        };
        std::iter::once(format!("{first} to {last}")).chain(pairs().map(share)).collect()
    });
    let heads = pairs().map(|(a, b)| format!("{} | {}", names[a], names[b]));
    table(out, 1, std::iter::once(all.of.to_string()).chain(heads), rows)
}

fn differing(out: &mut impl Write, all: &Comparison, names: &[&str]) -> Result<()> {
    let of = if all.of == "words" { "Words" } else { "Documents" };
    writeln!(out, "\n{of} whose neighbours differ most")?;
    for differing in all.neighbours.differing.iter().take(SHOWN_WORDS) {
        writeln!(out, "  {}", show::shown(&differing.word))?;
        for (name, near) in names.iter().zip(&differing.near) {
            let near: Vec<&str> = near.iter().take(SHOWN_NEAR).map(String::as_str).collect();
            writeln!(out, "    {}: {}", show::shown(name), show::shown(&near.join(" ")))?;
        }
    }
    Ok(())
}

fn confounds(out: &mut impl Write, all: &Comparison, names: &[&str]) -> Result<()> {
    if all.confounds.is_empty() {
        return writeln!(out, "\nWhat else differs: nothing that is known");
    }
    writeln!(out, "\nWhat else differs")?;
    let rows = all.confounds.iter().map(|confound| {
        let value = |value: &String| if value.is_empty() { "-".into() } else { value.clone() };
        std::iter::once(confound.setting.clone()).chain(confound.values.iter().map(value)).collect()
    });
    table(out, 1, ["setting"].iter().chain(names), rows)
}

/// Writes columns that are as wide as they have to be. Numbers are aligned to the right. Where all
/// are wider than the terminal, the columns behind the first `keys` are written in several tables, each
/// with these before them.
fn table(
    out: &mut impl Write,
    keys: usize,
    head: impl IntoIterator<Item = impl Display>,
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<()> {
    let head: Vec<String> = head.into_iter().map(|cell| cell.to_string()).collect();
    let shown = |row: Vec<String>| row.iter().map(|cell| show::shown(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).map(shown).collect();
    let number = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c));
    let columns: Vec<(usize, bool)> = (0..rows[0].len())
        .map(|i| {
            let width = rows.iter().map(|row| show::width(&row[i])).max().unwrap_or(0);
            (width, i > 0 && rows.iter().skip(1).all(|row| number(&row[i])))
        })
        .collect();
    let keys: Vec<usize> = (0..keys.min(columns.len())).collect();
    for (place, some) in tables(&columns, &keys, show::terminal_width()).into_iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        for row in &rows {
            let cell = |&i: &usize| match columns[i] {
                (width, true) => format!("  {:>width$}", row[i]),
                (width, false) => format!("  {}", show::padded(&row[i], width)),
            };
            let line: Vec<String> = some.iter().map(cell).collect();
            writeln!(out, "{}", line.concat().trim_end())?;
        }
    }
    Ok(())
}

/// The columns of each table: all of them in one, if they fit.
fn tables(columns: &[(usize, bool)], keys: &[usize], room: usize) -> Vec<Vec<usize>> {
    let width = |of: &[usize]| of.iter().map(|&i| columns[i].0 + 2).sum::<usize>();
    let mut tables = vec![keys.to_vec()];
    for (i, column) in columns.iter().enumerate().skip(keys.len()) {
        let last = tables.last_mut().expect("there is one");
        if last.len() > keys.len() && width(last) + column.0 + 2 > room {
            tables.push([keys, &[i]].concat());
        } else {
            last.push(i);
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::tables;

    #[test]
    fn columns_are_divided_where_they_do_not_fit() {
        let columns = [(3, false), (8, true), (8, true), (8, true)];
        assert_eq!(tables(&columns, &[0], 100), [vec![0, 1, 2, 3]]);
        assert_eq!(tables(&columns, &[0], 25), [vec![0, 1, 2], vec![0, 3]]);
        assert_eq!(tables(&columns, &[0], 5), [vec![0, 1], vec![0, 2], vec![0, 3]]);
        assert_eq!(tables(&columns, &[0, 1, 2, 3], 5), [vec![0, 1, 2, 3]]);
    }
}
