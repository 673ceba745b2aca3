//! Parquet and Arrow as rows: a batch at a time, every cell the JSON value that `datasets` would write.

use super::bytes::Whole;
use super::{Failure, Visit};
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

/// Visits the rows of a Parquet file; what is to be said of it.
pub(super) fn parquet(file: Whole, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    match file {
        Whole::File(file) => parquet_in(file, visit),
        Whole::Memory(bytes) => parquet_in(bytes::Bytes::from(bytes), visit),
    }
}

fn parquet_in(file: impl ChunkReader + 'static, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(of_parquet)?;
    batches(reader.with_batch_size(BATCH).build().map_err(of_parquet)?, visit)
}

/// Visits the rows of an Arrow file; what is to be said of it.
pub(super) fn arrow_file(file: Whole, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    match file {
        Whole::File(file) => arrow_in(BufReader::new(file), visit),
        Whole::Memory(bytes) => arrow_in(Cursor::new(bytes), visit),
    }
}

fn arrow_in(file: impl Read + Seek, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    batches(FileReader::try_new(file, None).map_err(of_arrow)?, visit)
}

/// Visits the rows of a stream of Arrow; what is to be said of it.
pub(super) fn arrow_stream(source: impl Read, visit: Visit<'_>) -> Result<Vec<String>, Failure> {
    batches(StreamReader::try_new(BufReader::new(source), None).map_err(of_arrow)?, visit)
}

fn batches(
    batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
    visit: Visit<'_>,
) -> Result<Vec<String>, Failure> {
    let mut left_out = BTreeSet::new();
    let mut num_rows = 0;
    for batch in batches {
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
        for place in 0..batch.num_rows() {
            let row: Map<String, Value> = columns
                .iter()
                .map(|(name, column)| ((*name).clone(), cell(column.as_ref(), place)))
                .collect();
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

/// One value of an array of such a type.
fn cell(array: &dyn Array, at: usize) -> Value {
    if array.is_null(at) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => Value::Bool(array.as_boolean().value(at)),
        DataType::Utf8 => text(array.as_string::<i32>().value(at)),
        DataType::LargeUtf8 => text(array.as_string::<i64>().value(at)),
        DataType::Utf8View => text(array.as_string_view().value(at)),
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
        DataType::List(_) => list(array.as_list::<i32>().value(at).as_ref()),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(at).as_ref()),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(at).as_ref()),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let object: Map<String, Value> = columns
                .map(|(it, column)| (it.name().clone(), cell(column.as_ref(), at)))
                .collect();
            Value::Object(object)
        }
        DataType::Dictionary(..) => word(array, at),
        kind => unreachable!("columns of {kind} are left out"),
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn number<T: ArrowPrimitiveType<Native: Into<Value>>>(array: &dyn Array, at: usize) -> Value {
    array.as_primitive::<T>().value(at).into()
}

fn list(items: &dyn Array) -> Value {
    Value::Array((0..items.len()).map(|at| cell(items, at)).collect())
}

/// A value of a column that keeps each distinct value once.
fn word(array: &dyn Array, at: usize) -> Value {
    fn of<K: ArrowDictionaryKeyType>(array: &dyn Array, at: usize) -> Option<Value> {
        let words = array.as_any().downcast_ref::<DictionaryArray<K>>()?;
        Some(words.key(at).map_or(Value::Null, |key| cell(words.values().as_ref(), key)))
    }
    of::<Int8Type>(array, at)
        .or_else(|| of::<Int16Type>(array, at))
        .or_else(|| of::<Int32Type>(array, at))
        .or_else(|| of::<Int64Type>(array, at))
        .or_else(|| of::<UInt8Type>(array, at))
        .or_else(|| of::<UInt16Type>(array, at))
        .or_else(|| of::<UInt32Type>(array, at))
        .or_else(|| of::<UInt64Type>(array, at))
        .expect("keys of words are whole numbers")
}

fn of_parquet(error: ParquetError) -> Failure {
    Failure::Content(format!("not Parquet as expected: {error}"))
}

fn of_arrow(error: ArrowError) -> Failure {
    match error {
        ArrowError::IoError(_, error) => super::json::of_io(error),
        ArrowError::ParquetError(message) => {
            Failure::Content(format!("not Parquet as expected: {message}"))
        }
        error => Failure::Content(format!("not Arrow as expected: {error}")),
    }
}
