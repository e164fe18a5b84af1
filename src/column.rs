//! Tables as columns with names, and such tables as text.

use std::io::Write;

/// The cells of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Texts.
    Text(Vec<String>),
    /// Whole numbers.
    Whole(Vec<i64>),
    /// Numbers.
    Number(Vec<f32>),
}

/// Writes a line of names and a line for each row, with tabs between cells. White space within a cell
/// becomes a space.
///
/// # Errors
/// Fails when writing to `out` fails.
pub fn write_tsv(columns: &[(String, Column)], out: &mut impl Write) -> std::io::Result<()> {
    let plain = |text: &str| text.replace(['\t', '\n', '\r'], " ");
    let heads: Vec<String> = columns.iter().map(|(name, _)| plain(name)).collect();
    writeln!(out, "{}", heads.join("\t"))?;
    let rows = columns.iter().map(|(_, column)| column.len()).max().unwrap_or(0);
    for row in 0..rows {
        for (at, (_, column)) in columns.iter().enumerate() {
            if at > 0 {
                out.write_all(b"\t")?;
            }
            match column {
                Column::Text(cells) => write!(out, "{}", plain(&cells[row])),
                Column::Whole(cells) => write!(out, "{}", cells[row]),
                Column::Number(cells) => write!(out, "{}", cells[row]),
            }?;
        }
        writeln!(out)?;
    }
    Ok(())
}

impl Column {
    /// The number of cells.
    fn len(&self) -> usize {
        match self {
            Self::Text(cells) => cells.len(),
            Self::Whole(cells) => cells.len(),
            Self::Number(cells) => cells.len(),
        }
    }
}
