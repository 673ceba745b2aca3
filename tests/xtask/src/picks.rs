//! What the demo's run picked, by kind of sample: the table that shows what selection does.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What we read of a sample: the demo's data say of each what it was planted as.
#[derive(Deserialize)]
struct Planted {
    kind: String,
}

/// What we read of an epoch's selection.
#[derive(Deserialize)]
struct Selection {
    selected: Vec<usize>,
}

/// Counts the picks of each epoch by kind and lays them out as a table, most frequent kind first.
pub(crate) fn table(data: &Path, run: &Path) -> Result<String> {
    let samples: Vec<Planted> = read(data)?;
    let kinds: Vec<String> = samples.into_iter().map(|it| it.kind).collect();
    let mut epochs = Vec::new();
    while let path = run.join(format!("epochs/{}/selection.json", epochs.len()))
        && path.exists()
    {
        epochs.push(read::<Selection>(&path)?.selected);
    }
    Ok(lay_out(&kinds, &epochs))
}

fn lay_out(kinds: &[String], epochs: &[Vec<usize>]) -> String {
    let mut rows: Vec<(&str, usize)> =
        count(kinds.iter().map(String::as_str)).into_iter().collect();
    rows.sort_by_key(|&(kind, samples)| (std::cmp::Reverse(samples), kind));
    let picked: Vec<BTreeMap<&str, usize>> = epochs
        .iter()
        .map(|ids| count(ids.iter().filter_map(|&id| kinds.get(id)).map(String::as_str)))
        .collect();

    let mut text = format!("{:<18}{:>9}", "kind", "samples");
    for epoch in 0..epochs.len() {
        let _ = write!(text, "{:>16}", format!("picked, epoch {epoch}"));
    }
    for (kind, samples) in rows {
        let _ = write!(text, "\n{kind:<18}{samples:>9}");
        for epoch in &picked {
            let number = epoch.get(kind).copied().unwrap_or(0);
            let percent = 100.0 * number as f64 / samples as f64;
            let _ = write!(text, "{:>16}", format!("{number} ({percent:.1} %)"));
        }
    }
    text
}

fn count<'a>(kinds: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for kind in kinds {
        *counts.entry(kind).or_default() += 1;
    }
    counts
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::Told(format!("`{}`: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_are_counted_by_kind_and_epoch() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data.json");
        let kinds =
            ["task", "task", "noise", "task", "task"].map(|it| format!(r#"{{"kind":"{it}"}}"#));
        fs::write(&data, format!("[{}]", kinds.join(","))).unwrap();
        for (epoch, ids) in ["[3,0]", "[1,2]"].iter().enumerate() {
            let folder = home.path().join(format!("epochs/{epoch}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("selection.json"), format!(r#"{{"selected":{ids}}}"#)).unwrap();
        }
        let text = table(&data, home.path()).unwrap();
        let cells: Vec<Vec<&str>> =
            text.lines().map(|it| it.split_whitespace().collect()).collect();
        assert_eq!(cells[1], ["task", "4", "2", "(50.0", "%)", "1", "(25.0", "%)"]);
        assert_eq!(cells[2], ["noise", "1", "0", "(0.0", "%)", "1", "(100.0", "%)"]);
    }
}
