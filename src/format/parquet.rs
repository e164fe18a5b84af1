//! Parquet: a row for each word, with the columns `word`, `count` where counts are known, and
//! `vector`, a list of floats. pandas, polars, `DuckDB` and embedding-atlas open it.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;

use super::written::Words;
use super::{Contents, Kind, Part, Writes};
use crate::column::Column;
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::memory::{Staged, replace};

pub(super) const FORMAT: Kind = Kind {
    name: "parquet",
    help: "Parquet with the columns word, count and vector (.parquet; `import` reads it)",
    program: "Parquet",
    extensions: &["parquet"],
    holds: &[Part::Counts],
    reads: None,
    writes: Writes::File(write),
    widths: &[],
    size: |of: &Contents| of.words * (of.dim * 4 + 12) + of.bytes,
};

/// About how many numbers a group of rows has, which is kept in memory until it is written.
const GROUP: usize = 1 << 22;

fn write(embeddings: &Embeddings, out: &mut Staged) -> Result<Vec<String>> {
    let path = out.path().to_path_buf();
    let words = Words::new(embeddings, |word| std::str::from_utf8(word).is_ok());
    let written = write_rows(embeddings, &words, out);
    written.map_err(|e| Error::input(&path, format!("can't be written ({e})")))?;
    Ok(words.notes())
}

fn write_rows(
    embeddings: &Embeddings,
    words: &Words,
    out: &mut Staged,
) -> std::result::Result<(), ParquetError> {
    let dim = embeddings.dim();
    let counted = !embeddings.vocab.counts.is_empty();
    // Numbers of vectors don't become smaller by packing, nor are there two alike.
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .build();
    let mut file = SerializedFileWriter::new(out, schema(counted)?, Arc::new(properties))?;
    let rows = (GROUP / dim.max(1)).max(1);
    // Each vector is a list, whose first number begins it.
    let begins: Vec<i16> = (0..rows * dim).map(|i| i16::from(i % dim > 0)).collect();
    let there = vec![1i16; rows * dim];
    let mut all = words.each();
    loop {
        let some: Vec<_> = all.by_ref().take(rows).collect();
        if some.is_empty() {
            break;
        }
        let mut group = file.next_row_group()?;
        let names: Vec<ByteArray> =
            some.iter().map(|(_, word)| ByteArray::from(word.to_vec())).collect();
        if let Some(mut column) = group.next_column()? {
            column.typed::<ByteArrayType>().write_batch(&names, None, None)?;
            column.close()?;
        }
        if counted && let Some(mut column) = group.next_column()? {
            let count = |id: u32| embeddings.vocab.count(id).unwrap_or(0);
            let counts = some.iter().map(|&(id, _)| i64::try_from(count(id)).unwrap_or(i64::MAX));
            column.typed::<Int64Type>().write_batch(&counts.collect::<Vec<_>>(), None, None)?;
            column.close()?;
        }
        if let Some(mut column) = group.next_column()? {
            let mut numbers = Vec::with_capacity(some.len() * dim);
            for &(id, _) in &some {
                numbers.extend_from_slice(&embeddings.vector(id));
            }
            let levels = (&there[..numbers.len()], &begins[..numbers.len()]);
            column.typed::<FloatType>().write_batch(&numbers, Some(levels.0), Some(levels.1))?;
            column.close()?;
        }
        group.close()?;
    }
    file.close().map(drop)
}

/// Writes a table with columns of any names.
///
/// # Errors
/// When the file can't be written.
pub fn write_parquet(path: &Path, columns: &[(String, Column)]) -> Result<()> {
    replace(path, |out| {
        let written = write_columns(columns, out);
        written.map_err(|e| Error::input(path, format!("can't be written ({e})")))
    })
}

fn write_columns(
    columns: &[(String, Column)],
    out: &mut Staged,
) -> std::result::Result<(), ParquetError> {
    let field = |(name, column): &(String, Column)| {
        let (of, logical) = match column {
            Column::Text(_) => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            Column::Whole(_) => (PhysicalType::INT64, None),
            Column::Number(_) => (PhysicalType::FLOAT, None),
        };
        Type::primitive_type_builder(name, of)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<std::result::Result<Vec<_>, _>>()?;
    let schema = Type::group_type_builder("words").with_fields(fields).build()?;
    let mut file = SerializedFileWriter::new(out, Arc::new(schema), Arc::default())?;
    let mut group = file.next_row_group()?;
    for (_, cells) in columns {
        let Some(mut column) = group.next_column()? else { break };
        match cells {
            Column::Text(cells) => {
                let texts: Vec<ByteArray> =
                    cells.iter().map(|text| ByteArray::from(text.as_str())).collect();
                column.typed::<ByteArrayType>().write_batch(&texts, None, None)?
            }
            Column::Whole(cells) => column.typed::<Int64Type>().write_batch(cells, None, None)?,
            Column::Number(cells) => column.typed::<FloatType>().write_batch(cells, None, None)?,
        };
        column.close()?;
    }
    group.close()?;
    file.close().map(drop)
}

/// The columns.
fn schema(counted: bool) -> std::result::Result<Arc<Type>, ParquetError> {
    let count = if counted { "required int64 count;" } else { "" };
    let vector = "required group vector (LIST) { repeated group list { required float element; } }";
    parse_message_type(&format!(
        "message words {{ required binary word (UTF8); {count} {vector} }}"
    ))
    .map(Arc::new)
}

#[cfg(test)]
mod tests {
    use crate::corpus::Vocab;
    use crate::embeddings::{Embeddings, Provenance};
    use crate::format::{self, Format, ImportOptions};

    #[test]
    fn what_is_written_is_imported() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.parquet");
        let vocab = Vocab::new(&["the", "naïve", "new york"], vec![3, 2, 1]);
        let rows = vec![3.0, 4.0, 0.0, 0.0, 0.5, -0.25];
        let before = Embeddings::new(vocab, 2, rows.into(), None, Provenance::default());
        format::write(&before, &path, Format::named("parquet").unwrap()).unwrap();
        let options = ImportOptions { text: Some("word".into()), ..ImportOptions::default() };
        let after = format::import(&path, &options).unwrap();
        assert_eq!(before.input(), after.input());
        assert_eq!(after.vocab.text(2), "new york");
    }
}
