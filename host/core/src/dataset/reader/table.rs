//! Parquet and Arrow as rows: a batch at a time, every cell the JSON value that `datasets` would write.

use super::bytes::{Count, Whole};
use super::json::of_io;
use super::swell::Swell;
use super::{Failure, Visit, arrow};
use crate::guard::guarded;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType, DictionaryArray, RecordBatch};
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::{BufReader, Cursor, Read, Seek};

/// Rows in memory at a time.
const BATCH: usize = 1024;

/// Bytes that a row takes besides its cells, generously: a batch may say that it has as many rows of nothing as
/// there are numbers.
const ROW: usize = 1024;

/// Visits the rows of a Parquet file; what is to be said of it.
pub(super) fn parquet(file: Whole, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    let swell = Swell::of(Count::of(file.len().map_err(of_io)?));
    match file {
        Whole::File(mut file) => {
            check_parquet(&mut file)?;
            parquet_in(file, swell, visit)
        }
        Whole::Memory(bytes) => {
            let bytes = bytes::Bytes::from(bytes);
            check_parquet(&mut Cursor::new(&bytes))?;
            parquet_in(bytes, swell, visit)
        }
    }
}

fn check_parquet(file: &mut (impl Read + Seek)) -> Result<(), Failure> {
    let checked = super::parquet::check(file).map_err(of_io)?;
    checked.map_err(|fault| Failure::Content(format!("not Parquet as expected: {fault}")))
}

fn parquet_in(
    file: impl ChunkReader + 'static,
    swell: Swell,
    visit: Visit<'_>,
) -> Result<Vec<String>, Failure> {
    let reader =
        guarded(|| ParquetRecordBatchReaderBuilder::try_new(file)?.with_batch_size(BATCH).build());
    batches(reader.map_err(of_panic)?.map_err(of_parquet)?, swell, visit)
}

/// Visits the rows of an Arrow file; what is to be said of it.
pub(super) fn arrow_file(file: Whole, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    let swell = Swell::of(Count::of(file.len().map_err(of_io)?));
    match file {
        Whole::File(file) => arrow_in(BufReader::new(file), swell, visit),
        Whole::Memory(bytes) => arrow_in(Cursor::new(bytes), swell, visit),
    }
}

fn arrow_in(
    mut file: impl Read + Seek,
    swell: Swell,
    visit: Visit<'_>,
) -> Result<Vec<String>, Failure> {
    arrow::check_file(&mut file).map_err(|fault| match fault {
        arrow::Fault::Io(error) => of_io(error),
        arrow::Fault::Content(message) => Failure::Content(message),
    })?;
    let reader = guarded(|| FileReader::try_new(file, None));
    batches(reader.map_err(of_panic)?.map_err(of_arrow)?, swell, visit)
}

/// Visits the rows of a stream of Arrow; what is to be said of it.
pub(super) fn arrow_stream(source: impl Read, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    let source = arrow::Checked::new(BufReader::new(source));
    let swell = Swell::of(source.count());
    let reader = guarded(|| StreamReader::try_new(source, None));
    batches(reader.map_err(of_panic)?.map_err(of_arrow)?, swell, visit)
}

fn batches(
    mut batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    swell: Swell,
    visit: Visit<'_>,
) -> Result<Vec<String>, Failure> {
    let mut left_out = BTreeSet::new();
    let mut cells = Cells { swell };
    let mut num_rows = 0;
    while let Some(batch) = guarded(|| batches.next()).map_err(of_panic)? {
        let batch = batch.map_err(of_arrow)?;
        let schema = batch.schema();
        let mut columns = Vec::new();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            match is_json(field.data_type()) {
                true => columns.push((field.name(), column)),
                false => {
                    left_out.insert(format!(
                        "its column `{}` is left out: JSON has no word for {}",
                        field.name(),
                        field.data_type()
                    ));
                }
            }
        }
        cells.pay(batch.num_rows().saturating_mul(ROW))?;
        for place in 0..batch.num_rows() {
            let mut row = Map::new();
            for (name, column) in &columns {
                let value = cells.cell(column.as_ref(), place)?;
                cells.pay(name.len())?;
                row.insert((*name).clone(), value);
            }
            visit(&format!("row {num_rows}"), Ok(Value::Object(row)));
            num_rows += 1;
        }
    }
    Ok(left_out.into_iter().collect())
}

/// Whether every value of a type has a counterpart in JSON.
fn is_json(kind: &DataType) -> bool {
    match kind {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_json(item.data_type())
        }
        DataType::Struct(fields) => fields.iter().all(|field| is_json(field.data_type())),
        DataType::Dictionary(_, values) => is_json(values),
        DataType::Null | DataType::Boolean => true,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        kind => kind.is_integer() || kind.is_floating(),
    }
}

/// What makes values of cells, as long as there are not too many for their file.
struct Cells {
    swell: Swell,
}

impl Cells {
    fn pay(&mut self, bytes: usize) -> Result<(), Failure> {
        self.swell.holds(bytes as u64).map_err(Failure::Content)
    }

    /// One value of an array of a type that JSON has words for.
    fn cell(&mut self, array: &dyn Array, at: usize) -> Result<Value, Failure> {
        self.pay(size_of::<Value>())?;
        if array.is_null(at) {
            return Ok(Value::Null);
        }
        Ok(match array.data_type() {
            DataType::Null => Value::Null,
            DataType::Boolean => Value::Bool(array.as_boolean().value(at)),
            DataType::Utf8 => self.text(array.as_string::<i32>().value(at))?,
            DataType::LargeUtf8 => self.text(array.as_string::<i64>().value(at))?,
            DataType::Utf8View => self.text(array.as_string_view().value(at))?,
            DataType::Int8 => number::<Int8Type>(array, at),
            DataType::Int16 => number::<Int16Type>(array, at),
            DataType::Int32 => number::<Int32Type>(array, at),
            DataType::Int64 => number::<Int64Type>(array, at),
            DataType::UInt8 => number::<UInt8Type>(array, at),
            DataType::UInt16 => number::<UInt16Type>(array, at),
            DataType::UInt32 => number::<UInt32Type>(array, at),
            DataType::UInt64 => number::<UInt64Type>(array, at),
            // What is no number becomes null, as `NaN` does in JSON.
            DataType::Float16 => json!(array.as_primitive::<Float16Type>().value(at).to_f64()),
            DataType::Float32 => json!(array.as_primitive::<Float32Type>().value(at)),
            DataType::Float64 => number::<Float64Type>(array, at),
            DataType::List(_) => self.list(array.as_list::<i32>().value(at).as_ref())?,
            DataType::LargeList(_) => self.list(array.as_list::<i64>().value(at).as_ref())?,
            DataType::FixedSizeList(..) => {
                self.list(array.as_fixed_size_list().value(at).as_ref())?
            }
            DataType::Struct(fields) => {
                let mut object = Map::new();
                for (field, column) in fields.iter().zip(array.as_struct().columns()) {
                    let value = self.cell(column.as_ref(), at)?;
                    self.pay(field.name().len())?;
                    object.insert(field.name().clone(), value);
                }
                Value::Object(object)
            }
            DataType::Dictionary(..) => self.word(array, at)?,
            kind => unreachable!("columns of {kind} are left out"),
        })
    }

    fn text(&mut self, text: &str) -> Result<Value, Failure> {
        self.pay(text.len())?;
        Ok(Value::String(text.to_owned()))
    }

    fn list(&mut self, items: &dyn Array) -> Result<Value, Failure> {
        (0..items.len()).map(|at| self.cell(items, at)).collect::<Result<_, _>>().map(Value::Array)
    }

    /// A value of a column that keeps each distinct value once.
    fn word(&mut self, array: &dyn Array, at: usize) -> Result<Value, Failure> {
        fn key_of<K: ArrowDictionaryKeyType>(
            array: &dyn Array,
            at: usize,
        ) -> Option<(&dyn Array, Option<usize>)> {
            let words = array.as_any().downcast_ref::<DictionaryArray<K>>()?;
            Some((words.values().as_ref(), words.key(at)))
        }
        let (words, key) = key_of::<Int8Type>(array, at)
            .or_else(|| key_of::<Int16Type>(array, at))
            .or_else(|| key_of::<Int32Type>(array, at))
            .or_else(|| key_of::<Int64Type>(array, at))
            .or_else(|| key_of::<UInt8Type>(array, at))
            .or_else(|| key_of::<UInt16Type>(array, at))
            .or_else(|| key_of::<UInt32Type>(array, at))
            .or_else(|| key_of::<UInt64Type>(array, at))
            .expect("keys of words are whole numbers");
        key.map_or(Ok(Value::Null), |key| self.cell(words, key))
    }
}

fn number<T: ArrowPrimitiveType<Native: Into<Value>>>(array: &dyn Array, at: usize) -> Value {
    array.as_primitive::<T>().value(at).into()
}

/// The decoder's panic: it met what it was not made for.
fn of_panic(said: String) -> Failure {
    Failure::Content(format!("its content contradicts itself, so the file is damaged: {said}"))
}

fn of_parquet(error: ParquetError) -> Failure {
    Failure::Content(format!("not Parquet as expected: {error}"))
}

fn of_arrow(error: ArrowError) -> Failure {
    match error {
        ArrowError::IoError(_, error) => of_io(error),
        ArrowError::ParquetError(message) => {
            Failure::Content(format!("not Parquet as expected: {message}"))
        }
        error => Failure::Content(format!("not Arrow as expected: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{ArrayRef, NullArray};
    use std::sync::Arc;

    /// How many rows there are, or what is said, of so many nulls in a file of so many bytes.
    fn rows_of_nothing(number: usize, bytes: u64) -> Result<usize, String> {
        let column: ArrayRef = Arc::new(NullArray::new(number));
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let (mut found, swell) = (0, Swell::of(Count::of(bytes)));
        let read = batches([Ok(batch)].into_iter(), swell, &mut |_, row| {
            assert_eq!(row.unwrap(), json!({"a": null}));
            found += 1;
        });
        match read {
            Ok(_) => Ok(found),
            Err(Failure::Content(message)) => Err(message),
            Err(Failure::Io(error)) => Err(error.to_string()),
        }
    }

    #[test]
    fn rows_of_nothing_are_counted_before_they_are_made() {
        assert_eq!(rows_of_nothing(10, 1), Ok(10));
        for number in [2_000_000, usize::MAX >> 1] {
            let told = rows_of_nothing(number, 1000).unwrap_err();
            assert!(told.starts_with("it would unpack to more than 1000 times its size"), "{told}");
        }
    }
}
