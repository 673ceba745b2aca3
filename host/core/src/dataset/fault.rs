//! What is said of a field that is not what it should be.

use serde_json::Value;

/// What is wrong with a field.
pub(crate) fn fault(field: &str, found: Option<&Value>, expected: &str) -> String {
    let found = found.map_or_else(|| "missing".to_owned(), kind);
    format!("`{field}` is {found}, expected {expected}")
}

/// What a value is, for messages; long ones by their type alone.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.len() <= 20 => format!("\"{text}\""),
        Value::String(_) => "a string".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}
