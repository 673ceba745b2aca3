//! `data.fields`: what a file calls the fields that layouts know under other names.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The names that turns of a conversation have for these are mapped too.
const OF_TURNS: [&str; 2] = ["role", "content"];

/// A layout's field, and the file's name for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldNames(BTreeMap<String, String>);

impl FieldNames {
    /// From the name a layout has to the one the file has.
    pub fn new(names: BTreeMap<String, String>) -> Self {
        Self(names)
    }

    /// The row with each field under the layout's name; one that had this name already gives way.
    ///
    /// # Errors
    /// A field that is mapped and not there.
    pub(super) fn apply(
        &self,
        mut fields: Map<String, Value>,
    ) -> Result<Map<String, Value>, String> {
        for (ours, theirs) in self.0.iter().filter(|(ours, _)| !OF_TURNS.contains(&ours.as_str())) {
            match fields.shift_remove(theirs) {
                Some(value) => {
                    fields.insert(ours.clone(), value);
                }
                // Rows of merged files may have one name or the other.
                None if fields.contains_key(ours) => {}
                None => {
                    return Err(format!(
                        "`{theirs}`, which `data.fields.{ours}` names, is missing"
                    ));
                }
            }
        }
        let of_turns = OF_TURNS.iter().filter_map(|ours| Some((*ours, self.0.get(*ours)?)));
        for (ours, theirs) in of_turns {
            for turn in fields.values_mut().filter_map(Value::as_array_mut).flatten() {
                if let Value::Object(turn) = turn
                    && let Some(value) = turn.shift_remove(theirs)
                {
                    turn.insert(ours.to_owned(), value);
                }
            }
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[(&str, &str)], row: &str, expected: Result<&str, &str>) {
        let names = names.iter().map(|&(ours, theirs)| (ours.to_owned(), theirs.to_owned()));
        let names = FieldNames::new(names.collect());
        let parse = |text: &str| -> Map<String, Value> { serde_json::from_str(text).unwrap() };
        let expected = expected.map(parse).map_err(str::to_owned);
        assert_eq!(names.apply(parse(row)), expected, "{row}");
    }

    #[test]
    fn fields_take_the_layouts_names() {
        let names = [("instruction", "question"), ("output", "answer")];
        check(
            &names,
            r#"{"question": "a", "answer": "b", "id": 1}"#,
            Ok(r#"{"instruction": "a", "output": "b", "id": 1}"#),
        );
        check(
            &names,
            r#"{"question": "a", "output": "b"}"#,
            Ok(r#"{"instruction": "a", "output": "b"}"#),
        );
        check(
            &names,
            r#"{"question": "a"}"#,
            Err("`answer`, which `data.fields.output` names, is missing"),
        );
        check(
            &[("messages", "dialog"), ("role", "speaker"), ("content", "text")],
            r#"{"dialog": [{"speaker": "user", "text": "a"}], "tags": ["x"]}"#,
            Ok(r#"{"messages": [{"role": "user", "content": "a"}], "tags": ["x"]}"#),
        );
    }
}
