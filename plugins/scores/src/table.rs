//! Scores made elsewhere, as they stand in a JSONL file: a row a sample, in any order.

use iterit_sdk::{Error, Result, SampleId, Score};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// One score a sample.
#[derive(Debug, Clone, Default)]
pub struct Table(HashMap<SampleId, Score>);

impl Table {
    /// Reads a file; `field` holds the score.
    pub fn read(path: &Path, field: &str) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::options(format!("cannot read `{}`: {error}", path.display()))
        })?;
        Self::parse(&text, field)
            .map_err(|error| Error::options(format!("`{}`: {error}", path.display())))
    }

    /// Reads rows such as `{"id": 0, "score": 0.93, "eligible": true}`. A score that is `null`, and
    /// one of a row whose `eligible` is false, cannot be picked.
    ///
    /// ```
    /// use iterit_plugin_scores::table::Table;
    /// let table = Table::parse("{\"id\": 7, \"judge\": 4.5}\n", "judge")?;
    /// assert_eq!(table.get(7)?.value, 4.5);
    /// # Ok::<(), iterit_sdk::Error>(())
    /// ```
    pub fn parse(text: &str, field: &str) -> Result<Self> {
        let mut scores = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() {
                continue;
            }
            let (id, score) = parse_row(line, field)
                .map_err(|error| Error::options(format!("line {number}: {error}")))?;
            if scores.insert(id, score).is_some() {
                return Err(Error::options(format!("line {number}: a second row of sample {id}")));
            }
        }
        Ok(Self(scores))
    }

    /// The score of a sample; one without a row is an error.
    pub fn get(&self, id: SampleId) -> Result<Score> {
        self.0.get(&id).cloned().ok_or_else(|| {
            Error::msg(format!(
                "no row of sample {id} among {}\nhint: give every sample a row, with `null` where \
                 it has no score",
                self.0.len()
            ))
        })
    }
}

fn parse_row(line: &str, field: &str) -> Result<(SampleId, Score)> {
    let row: Value = serde_json::from_str(line)?;
    let id = row["id"].as_u64().ok_or_else(|| expected("id", "a position in the data", &row))?;
    let may_be_picked = match &row["eligible"] {
        Value::Null => true,
        eligible => {
            eligible.as_bool().ok_or_else(|| expected("eligible", "true or false", &row))?
        }
    };
    match (row.get(field), may_be_picked) {
        (Some(Value::Null), _) => Ok((id, Score::ineligible(f64::NAN))),
        (Some(Value::Number(value)), may_be_picked) => {
            let value = value.as_f64().unwrap_or(f64::NAN);
            if may_be_picked && value < 0.0 {
                return Err(expected(field, "a number of 0 or more, or null", &row));
            }
            let score = if may_be_picked { Score::eligible } else { Score::ineligible };
            Ok((id, score(value)))
        }
        _ => Err(expected(field, "a number of 0 or more, or null", &row)),
    }
}

fn expected(field: &str, what: &str, row: &Value) -> Error {
    let found = row.get(field).map_or("nothing".to_owned(), |value| format!("`{value}`"));
    Error::options(format!("`{field}` is {found}, expected {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_may_stand_in_any_order() {
        let text = r#"
            {"id": 2, "score": 0.5, "eligible": true, "scored_at": 0}
            {"id": 0, "score": 1.5, "eligible": false}
            {"id": 1, "score": null, "parts": {}}
        "#;
        let table = Table::parse(text, "score").unwrap();
        assert_eq!(table.get(2).unwrap(), Score::eligible(0.5));
        assert_eq!(table.get(0).unwrap(), Score::ineligible(1.5));
        let none = table.get(1).unwrap();
        assert!(none.value.is_nan() && !none.eligible);
        assert!(table.get(3).unwrap_err().message().starts_with("no row of sample 3 among 3"));
    }

    #[test]
    fn faults_name_their_line_and_field() {
        for (text, message) in [
            (r#"{"score": 1}"#, "line 1: `id` is nothing, expected a position in the data"),
            (
                "\n{\"id\": -1, \"score\": 1}",
                "line 2: `id` is `-1`, expected a position in the data",
            ),
            (r#"{"id": 0}"#, "line 1: `score` is nothing, expected a number of 0 or more, or null"),
            (
                r#"{"id": 0, "score": "high"}"#,
                "line 1: `score` is `\"high\"`, expected a number of 0 or more, or null",
            ),
            (
                r#"{"id": 0, "score": -0.5}"#,
                "line 1: `score` is `-0.5`, expected a number of 0 or more, or null",
            ),
            (
                r#"{"id": 0, "score": 1, "eligible": "no"}"#,
                "line 1: `eligible` is `\"no\"`, expected true or false",
            ),
            (
                "{\"id\": 3, \"score\": 1}\n{\"id\": 3, \"score\": 2}",
                "line 2: a second row of sample 3",
            ),
            ("{\"id\": 0, ", "line 1: EOF while parsing a value at line 1 column 10"),
        ] {
            let error = Table::parse(text, "score").unwrap_err();
            assert_eq!(error.message(), message, "{text}");
        }
    }
}
