//! The `scores` plugin: complexity scores made elsewhere, by a judge model or an earlier run, read
//! from a file.
//!
//! Here are the options; the file is read in [`table`].

pub mod table;

use iterit_sdk::{ComplexityScorer, Error, Host, Plugin, Result, SampleId, Score};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use table::Table;

/// The plugin's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The JSONL file; it must be set.
    pub path: PathBuf,
    /// The field of a row that holds the score.
    pub field: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { path: PathBuf::new(), field: "score".into() }
    }
}

/// Gives each sample the score in its row.
#[derive(Debug)]
pub struct Scores(Table);

impl Plugin for Scores {
    type Options = Options;

    fn new(options: Options) -> Result<Self> {
        if options.path.as_os_str().is_empty() {
            return Err(Error::options(
                "`path` is not set, expected a JSONL file with a row a sample\nhint: --set \
                 plugins.scores.path=FILE",
            ));
        }
        Ok(Self(Table::read(&options.path, &options.field)?))
    }
}

impl ComplexityScorer for Scores {
    fn score(&self, _: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        ids.iter().map(|&id| self.0.get(id)).collect()
    }
}

iterit_sdk::export_plugin! {
    complexity: { "scores" => Scores },
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::testkit::Subject;
    use std::io::Write;

    #[test]
    fn scores_conform() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        for id in 0..64 {
            writeln!(file, "{{\"id\": {id}, \"judge\": {}}}", id % 5).unwrap();
        }
        let options = Options { path: file.path().into(), field: "judge".into() };
        let options = serde_json::to_string(&options).unwrap();
        Subject::complexity::<Scores>().with_options(&options).assert_conforms();
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        let unset = Scores::new(Options::default()).unwrap_err();
        assert!(unset.message().starts_with("`path` is not set, expected a JSONL file"));
        let missing = Options { path: "no/such/file.jsonl".into(), ..Options::default() };
        let missing = Scores::new(missing).unwrap_err();
        assert!(missing.message().starts_with("cannot read `no/such/file.jsonl`: "), "{missing}");
    }
}
