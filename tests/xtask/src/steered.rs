//! Short runs on the demo's model and data, and whether they picked what scores demand.

use crate::error::{Error, Result};
use crate::{process, workspace};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Samples an epoch trains on.
const BUDGET: usize = 40;

/// Makes runs in one folder.
pub(crate) struct Steered {
    host: PathBuf,
    home: PathBuf,
}

/// A sample's score; none where it cannot be picked.
pub(crate) type Scores = Vec<Option<f64>>;

/// The choice of a run's first epoch.
pub(crate) struct Choice {
    /// By sample.
    pub(crate) scores: Scores,
    /// In pick order.
    pub(crate) selected: Vec<usize>,
}

impl Steered {
    /// Runs of a host in a folder.
    pub(crate) fn new(host: &Path, home: &Path) -> Self {
        Self { host: host.to_owned(), home: home.to_owned() }
    }

    /// Trains for one epoch with these plugins, and reads what was chosen.
    pub(crate) fn run(&self, name: &str, plugins: &str, setting: Option<&str>) -> Result<Choice> {
        let (demo, out) = (workspace::root().join("tests/data/demo"), self.home.join(name));
        let mut host = Command::new(&self.host);
        host.args(["--plugins", plugins, "--ratio", &BUDGET.to_string(), "--device", "cpu"])
            .args(["--set", "train.epochs=1"])
            .args(setting.into_iter().flat_map(|setting| ["--set", setting]))
            .arg("--model")
            .arg(demo.join("model"))
            .arg("--data")
            .arg(demo.join("instructions.json"))
            .arg("--out")
            .arg(&out)
            .stdout(Stdio::null());
        process::run(&mut host)?;
        let scores = text(&out.join("epochs/0/scores.jsonl"))?;
        let selection = json(&text(&out.join("epochs/0/selection.json"))?)?;
        let selected = selection["selected"].as_array().into_iter().flatten();
        Ok(Choice { scores: scores_of(&scores)?, selected: selected.filter_map(id_of).collect() })
    }
}

impl Choice {
    /// How many samples were picked.
    pub(crate) fn len(&self) -> usize {
        self.selected.len()
    }

    /// How many of them another run did not pick.
    pub(crate) fn apart(&self, other: &Self) -> usize {
        let others: BTreeSet<_> = other.selected.iter().collect();
        self.selected.iter().filter(|id| !others.contains(id)).count()
    }

    /// Fails unless these were picked, in this order.
    pub(crate) fn expect(&self, who: &str, expected: &[usize]) -> Result<()> {
        if self.len() == BUDGET && self.selected == expected {
            return Ok(());
        }
        let found = &self.selected;
        Err(Error::Told(format!("{who} picked {found:?}, its scores demand {expected:?}")))
    }
}

/// The largest scores; of equal ones the earlier sample.
pub(crate) fn by_scores(scores: &[Option<f64>], budget: usize) -> Vec<usize> {
    let mut scored: Vec<(usize, f64)> =
        scores.iter().enumerate().filter_map(|(id, score)| Some((id, (*score)?))).collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored.iter().take(budget).map(|(id, _)| *id).collect()
}

/// What `plugins/exec/examples/length.py` counts, counted once more.
pub(crate) fn words_in_responses(data: &Path) -> Result<Scores> {
    let rows = json(&text(data)?)?;
    let words = |row: &Value| Some(row["output"].as_str()?.split_whitespace().count() as f64);
    Ok(rows.as_array().into_iter().flatten().map(words).collect())
}

/// From the lines of a `scores.jsonl`, in any order.
fn scores_of(lines: &str) -> Result<Scores> {
    let mut scores = Vec::new();
    for line in lines.lines() {
        let row = json(line)?;
        let id = id_of(&row["id"]).ok_or_else(|| format!("a score without an id: {line}"))?;
        scores.resize(scores.len().max(id + 1), None);
        scores[id] = row["score"].as_f64().filter(|_| row["eligible"] == true);
    }
    Ok(scores)
}

fn id_of(value: &Value) -> Option<usize> {
    value.as_u64().and_then(|id| usize::try_from(id).ok())
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io("read", path))
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::Told(format!("not JSON: {error}: {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_demand_the_largest_and_of_equal_ones_the_earlier() {
        let lines = "{\"id\": 2, \"score\": 5.0, \"eligible\": true}\n\
                     {\"id\": 0, \"score\": 5.0, \"eligible\": true}\n\
                     {\"id\": 1, \"score\": 9.0, \"eligible\": false}\n\
                     {\"id\": 4, \"score\": 7.0, \"eligible\": true}\n";
        let scores = scores_of(lines).unwrap();
        assert_eq!(scores, [Some(5.0), None, Some(5.0), None, Some(7.0)]);
        assert_eq!(by_scores(&scores, 2), [4, 0]);
        let choice = Choice { scores, selected: vec![4, 0] };
        assert!(choice.expect("it", &[4, 0]).is_err(), "too few");
        assert_eq!(choice.apart(&Choice { scores: Vec::new(), selected: vec![0, 1] }), 1);
    }
}
