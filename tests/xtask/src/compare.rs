//! Whether two folders of goldens say the same: JSON and tensors by value, with room for the last digits,
//! in which no two processors agree; everything else to the byte.

use crate::error::{Error, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// How far two numbers that are no integers may lie apart.
#[derive(Clone, Copy, PartialEq)]
struct Room {
    /// Of the larger one.
    relative: f64,
    absolute: f64,
}

impl Room {
    /// Logits and gradients near zero are sums of larger numbers, and rotations are float32 in every model.
    const LAST_DIGITS: Self = Self { relative: 1e-6, absolute: 3e-6 };
    /// Training makes more of them, step by step, and most where a weight hardly moved.
    const TRAINED: Self = Self { relative: 1e-3, absolute: 1e-4 };

    fn of(golden: &Path) -> Self {
        let is_trained = golden.ends_with("loop.json")
            || golden.components().any(|part| part.as_os_str() == "lora");
        if is_trained { Self::TRAINED } else { Self::LAST_DIGITS }
    }
}

/// Where `fresh` differs from `committed`; files that are only in `fresh` differ too.
pub(crate) fn folders(committed: &Path, fresh: &Path) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    let mut names = Vec::new();
    for folder in [committed, fresh] {
        for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
            names.push(entry.map_err(Error::io("read", folder))?.file_name());
        }
    }
    names.sort();
    names.dedup();
    for name in names.iter().filter(|it| *it != "__pycache__") {
        let (one, two) = (committed.join(name), fresh.join(name));
        if !one.exists() || !two.exists() {
            differences.push(format!("`{}` is only in one of both", one.display()));
        } else if one.is_dir() {
            differences.extend(folders(&one, &two)?);
        } else if let Some(difference) = files(&one, &two)? {
            differences.push(format!("`{}`{difference}", one.display()));
        }
    }
    Ok(differences)
}

fn files(committed: &Path, fresh: &Path) -> Result<Option<String>> {
    let read = |path: &Path| fs::read(path).map_err(Error::io("read", path));
    let (one, two) = (read(committed)?, read(fresh)?);
    if one == two {
        return Ok(None);
    }
    let room = Room::of(committed);
    match committed.extension().and_then(|it| it.to_str()) {
        Some("json") => {
            let parse = |bytes: &[u8], path: &Path| {
                serde_json::from_slice::<Value>(bytes)
                    .map_err(|error| Error::Told(format!("`{}`: {error}", path.display())))
            };
            Ok(values(&parse(&one, committed)?, &parse(&two, fresh)?, room))
        }
        // Weights that were drawn are the same everywhere; those that were trained are float32.
        Some("safetensors") if room == Room::TRAINED => match (tensors(&one), tensors(&two)) {
            (Some(one), Some(two)) => Ok(values(&one, &two, room)),
            _ => Ok(Some(" has other bytes, and is not of float32".into())),
        },
        _ => Ok(Some(" has other bytes".into())),
    }
}

/// What a safetensors file says of its tensors, and their numbers; none where these are not float32.
fn tensors(bytes: &[u8]) -> Option<Value> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (header, numbers) = rest.split_at_checked(u64::from_le_bytes(*length) as usize)?;
    let header: Value = serde_json::from_slice(header).ok()?;
    let is_float32 = |it: &Value| it.get("dtype").is_none_or(|dtype| dtype == "F32");
    if !header.as_object()?.values().all(is_float32) {
        return None;
    }
    let (numbers, []) = numbers.as_chunks::<4>() else { return None };
    let numbers: Vec<f32> = numbers.iter().map(|it| f32::from_le_bytes(*it)).collect();
    Some(serde_json::json!({"header": header, "numbers": numbers}))
}

/// The first place at which two values differ, as in `.rows[3].ifd: 0.9, fresh 0.8`.
fn values(committed: &Value, fresh: &Value, room: Room) -> Option<String> {
    match (committed, fresh) {
        (Value::Number(one), Value::Number(two)) if one.is_i64() && two.is_i64() => {
            (one != two).then(|| format!(": {one}, fresh {two}"))
        }
        (Value::Number(one), Value::Number(two)) => {
            let (one, two) = (one.as_f64()?, two.as_f64()?);
            let most = room.relative * one.abs().max(two.abs()) + room.absolute;
            let close = (one - two).abs() <= most;
            (!close).then(|| format!(": {one}, fresh {two}"))
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            let mut pairs = one.iter().zip(two).enumerate();
            pairs.find_map(|(at, (one, two))| Some(format!("[{at}]{}", values(one, two, room)?)))
        }
        // In whatever order: that is nothing JSON says.
        (Value::Object(one), Value::Object(two)) if one.len() == two.len() => {
            one.iter().find_map(|(key, one)| match two.get(key) {
                Some(two) => Some(format!(".{key}{}", values(one, two, room)?)),
                None => Some(format!(" has `{key}`, which the fresh one lacks")),
            })
        }
        _ => {
            (committed != fresh).then(|| format!(": {}, fresh {}", short(committed), short(fresh)))
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    let mut start: String = text.chars().take(60).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_differ_where_they_do() {
        let same = json!({"a": [1.0, "x"], "b": null});
        assert_eq!(values(&same, &same, Room::LAST_DIGITS), None);
        let check = |fresh: Value, said: &str| {
            let found = values(&same, &fresh, Room::LAST_DIGITS).unwrap_or_default();
            assert!(found.starts_with(said), "{found}");
        };
        let close = json!({"a": [1.000_000_5, "x"], "b": null});
        assert_eq!(values(&same, &close, Room::LAST_DIGITS), None);
        check(json!({"a": [1.00001, "x"], "b": null}), ".a[0]: 1, fresh 1.00001");
        check(json!({"a": [1.0, "y"], "b": null}), r#".a[1]: "x", fresh "y""#);
        check(json!({"a": [1.0], "b": null}), r#".a: [1.0,"x"], fresh [1.0]"#);
        check(json!({"a": [1.0, "x"]}), ": {");
        check(json!({"a": [1.0, "x"], "c": null}), " has `b`, which the fresh one lacks");
        let turned = json!({"b": null, "a": [1.0, "x"]});
        assert_eq!(values(&same, &turned, Room::LAST_DIGITS), None);
    }

    #[test]
    fn what_was_trained_has_more_room_and_an_integer_none() {
        let found = |one, two| values(&one, &two, Room::TRAINED);
        assert_eq!(found(json!([2.0, 1e-5]), json!([2.001, 9e-5])), None);
        assert_eq!(found(json!(2.0), json!(2.1)), Some(": 2, fresh 2.1".into()));
        assert_eq!(found(json!(5000), json!(5001)), Some(": 5000, fresh 5001".into()));
    }

    #[test]
    fn trained_tensors_are_compared_by_value() {
        let file = |numbers: [f32; 2], dtype: &str| {
            let header = format!(r#"{{"w":{{"dtype":"{dtype}","shape":[2]}}}}"#);
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.extend(numbers.iter().flat_map(|it| it.to_le_bytes()));
            bytes
        };
        let home = tempfile::tempdir().unwrap();
        let check = |place: &str, fresh: Vec<u8>, said: Option<&str>| {
            let [one, two] = ["one", "two"].map(|it| home.path().join(place).join(it));
            let [one, two] = [one, two].map(|it| it.with_extension("safetensors"));
            fs::create_dir_all(one.parent().unwrap()).unwrap();
            fs::write(&one, file([1.0, 2.0], "F32")).unwrap();
            fs::write(&two, fresh).unwrap();
            assert_eq!(files(&one, &two).unwrap().as_deref(), said);
        };
        check("lora", file([1.0001, 2.0], "F32"), None);
        check("lora", file([1.0, 2.5], "F32"), Some(".numbers[1]: 2, fresh 2.5"));
        check("lora", file([1.0, 2.0], "I32"), Some(" has other bytes, and is not of float32"));
        check("models", file([1.0001, 2.0], "F32"), Some(" has other bytes"));
    }

    #[test]
    fn folders_are_compared_to_the_last_file() {
        let home = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|it| home.path().join(it));
        for folder in [&one, &two] {
            fs::create_dir_all(folder.join("deep")).unwrap();
            fs::write(folder.join("deep/numbers.json"), "[1.0]").unwrap();
            fs::write(folder.join("bytes"), "abc").unwrap();
        }
        assert_eq!(folders(&one, &two).unwrap().len(), 0);
        fs::write(two.join("deep/numbers.json"), "[1.5]").unwrap();
        fs::write(two.join("bytes"), "abd").unwrap();
        fs::write(two.join("new"), "").unwrap();
        let differences = folders(&one, &two).unwrap();
        let said = ["bytes` has other bytes", "numbers.json`[0]: 1, fresh 1.5", "new` is only"];
        assert_eq!(differences.len(), said.len(), "{differences:?}");
        for (difference, said) in differences.iter().zip(said) {
            assert!(difference.contains(said), "{difference}");
        }
    }
}
