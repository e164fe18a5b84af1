//! Parquet, with a column of texts and a column of lists of numbers.

use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, List};

use super::{ImportOptions, NAMES, Rows, VECTORS, choose};
use crate::error::{Error, Result};

/// Reads the two columns.
pub(super) fn of_columns(path: &Path, options: &ImportOptions) -> Result<Rows> {
    let bad = |problem: &dyn std::fmt::Display| {
        Error::input(path, format!("can't be read as Parquet: {problem}"))
    };
    let file = std::fs::File::open(path).map_err(Error::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(|e| bad(&e))?;
    let schema = reader.metadata().file_metadata().schema_descr().root_schema_ptr();
    let has = |name: &str| schema.get_fields().iter().any(|field| field.name() == name);
    let column = |wanted: Option<&String>, usual: &[&str], what: &str| {
        let name = choose(wanted, usual, has, what).map(String::from);
        name.map_err(|problem| Error::input(path, format!("its columns have {problem}")))
    };
    let text = column(options.text.as_ref(), &NAMES, "text")?;
    let vector = column(options.vector.as_ref(), &VECTORS, "vector")?;
    let mut rows = Rows::default();
    for (place, row) in reader.get_row_iter(None).map_err(|e| bad(&e))?.enumerate() {
        let row = row.map_err(|e| bad(&e))?;
        let (mut name, mut list) = (None, None);
        for (column, field) in row.get_column_iter() {
            if *column == text {
                name = text_of(field);
            } else if *column == vector {
                list = numbers(field);
            }
        }
        let pushed = match (name, list) {
            (Some(name), Some(list)) => rows.push(name, &list),
            (None, _) => Err("no text".into()),
            (_, None) => Err("a vector that is no list of numbers".into()),
        };
        pushed.map_err(|problem| Error::input(path, format!("row {place}: {problem}")))?;
    }
    Ok(rows)
}

/// A text, or a number as one.
fn text_of(field: &Field) -> Option<String> {
    match field {
        Field::Null | Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => None,
        Field::Str(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The numbers of a list.
fn numbers(field: &Field) -> Option<Vec<f32>> {
    let list: &List = match field {
        Field::ListInternal(list) => list,
        // Older writers have the list within a group.
        Field::Group(row) => match row.get_column_iter().next() {
            Some((_, Field::ListInternal(list))) => list,
            _ => return None,
        },
        _ => return None,
    };
    let number = |field: &Field| match field {
        Field::Float16(x) => Some(x.to_f32()),
        Field::Float(x) => Some(*x),
        Field::Double(x) => Some(*x as f32),
        _ => None,
    };
    list.elements().iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;
    use crate::format::vendor::import;

    #[test]
    fn a_column_of_lists_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.parquet");
        let schema = "message m {
            optional binary text (UTF8);
            optional group embedding (LIST) { repeated group list { optional float element; } }
        }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let file = std::fs::File::create(&path).unwrap();
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let names = [ByteArray::from("a"), ByteArray::from("b c")];
        column.typed::<ByteArrayType>().write_batch(&names, Some(&[1, 1]), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let lists = column.typed::<FloatType>();
        lists.write_batch(&[1.0, -2.0, 0.5, 3.0], Some(&[3; 4]), Some(&[0, 1, 0, 1])).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
        let read = |options: &ImportOptions| import(&path, options);
        let model = read(&ImportOptions::default()).unwrap();
        assert_eq!(model.input(), [1.0, -2.0, 0.5, 3.0]);
        assert_eq!(model.vocab.text(1), "b c");
        let other = ImportOptions { vector: Some("text".into()), ..ImportOptions::default() };
        let error = read(&other).unwrap_err().to_string();
        assert!(error.contains("row 0: a vector that is no list"), "{error}");
        let other = ImportOptions { text: Some("title".into()), ..ImportOptions::default() };
        assert!(read(&other).unwrap_err().to_string().contains("no text 'title'"));
        std::fs::write(&path, b"PAR1").unwrap();
        let error = read(&ImportOptions::default()).unwrap_err().to_string();
        assert!(error.contains("can't be read as Parquet"), "{error}");
    }
}
