//! Where expected values come from: small ones committed beside their scripts in `tests/golden`,
//! large ones in the folder that `ITERIT_TEST_DATA` names.

use serde_json::Value;
use std::path::{Path, PathBuf};

/// A golden committed in `tests/golden`.
pub(crate) fn committed(name: &str) -> Value {
    read_json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name))
}

/// A file below `ITERIT_TEST_DATA`, unpacked if it ends in `.zst`; `None`, with the reason printed,
/// where the variable is not set.
pub(crate) fn shared(name: &str) -> Option<Value> {
    shared_path(name).map(|path| read_json(&path))
}

/// Where a file or folder below `ITERIT_TEST_DATA` lies; `None`, with the reason printed, where the
/// variable is not set.
pub(crate) fn shared_path(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("ITERIT_TEST_DATA") else {
        eprintln!("skipped: ITERIT_TEST_DATA is not set, so there is no `{name}`");
        return None;
    };
    Some(PathBuf::from(root).join(name))
}

fn read_json(path: &Path) -> Value {
    let read = || -> Result<Value, Box<dyn std::error::Error>> {
        let bytes = std::fs::read(path)?;
        let packed = path.extension().is_some_and(|extension| extension == "zst");
        let bytes = if packed { zstd::decode_all(bytes.as_slice())? } else { bytes };
        Ok(serde_json::from_slice(&bytes)?)
    };
    read().unwrap_or_else(|error| panic!("cannot read golden `{}`: {error}", path.display()))
}

/// The array at `key`.
pub(crate) fn array<'a>(golden: &'a Value, key: &str) -> &'a [Value] {
    golden[key].as_array().unwrap_or_else(|| panic!("golden has no array `{key}`"))
}

/// The numbers at `key`; `null` and `"nan"` are NaN, `"inf"` is infinite.
pub(crate) fn numbers(golden: &Value, key: &str) -> Vec<f64> {
    array(golden, key).iter().map(number).collect()
}

/// One number, in any of those spellings.
pub(crate) fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some(_) => f64::NAN,
        None => value.as_f64().unwrap_or(f64::NAN),
    }
}

/// The positions at `key`.
pub(crate) fn positions(golden: &Value, key: &str) -> Vec<usize> {
    let position = |value: &Value| value.as_u64().expect("a position") as usize;
    array(golden, key).iter().map(position).collect()
}

/// The texts at `key`.
pub(crate) fn texts(golden: &Value, key: &str) -> Vec<String> {
    array(golden, key).iter().map(|value| value.as_str().expect("a text").to_owned()).collect()
}
