//! Rows of a file of questions.
//!
//! ```text
//! {"question": "What is the capital of France?", "choices": ["Rome", "Paris"], "answer": 1}
//! {"question": "What is the capital of France?", "answers": ["Paris", "The city of Paris"]}
//! ```
//!
//! `prompt` and `query` are other names for `question`; a list of turns in `messages` stands for it.
//! `answer` counts from 0, or is a letter, or a choice's own text. ARC's layout, `choices` as
//! `{"text": […], "label": […]}` with `answerKey`, is read too.

use crate::Result;
use crate::conversation::Message;
use crate::dataset::{fault, kind, objects, read_turns};
use serde_json::{Map, Value};
use std::path::Path;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// A text.
    Text(String),
    /// The turns of a conversation that the assistant is to go on with.
    Messages(Vec<Message>),
}

/// A question with choices, one of which is right.
#[derive(Debug, Clone, PartialEq)]
pub struct ChoiceQuestion {
    /// What is asked.
    pub prompt: Prompt,
    /// What may be answered, two or more.
    pub choices: Vec<String>,
    /// Which of them is right.
    pub answer: usize,
}

/// A question to be answered in words.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenQuestion {
    /// What is asked.
    pub prompt: Prompt,
    /// Answers any of which is right; none where nobody judges.
    pub answers: Vec<String>,
}

type Fields = Map<String, Value>;

impl ChoiceQuestion {
    /// The questions of a file.
    ///
    /// # Errors
    /// A file that cannot be read; every row that is no such question.
    pub fn load(path: &Path) -> Result<Vec<Self>> {
        objects(path, Self::parse)
    }

    fn parse(row: Fields) -> Result<Self, String> {
        let mut faults = Vec::new();
        let prompt = prompt(&row, &mut faults);
        let (choices, labels) = choices(&row, &mut faults);
        let answer = answer(&row, &choices, &labels, &mut faults);
        match (prompt, answer) {
            (Some(prompt), Some(answer)) if faults.is_empty() => {
                Ok(Self { prompt, choices, answer })
            }
            _ => Err(faults.join("; ")),
        }
    }
}

impl OpenQuestion {
    /// The questions of a file.
    ///
    /// # Errors
    /// A file that cannot be read; every row that is no such question.
    pub fn load(path: &Path) -> Result<Vec<Self>> {
        objects(path, Self::parse)
    }

    fn parse(row: Fields) -> Result<Self, String> {
        let mut faults = Vec::new();
        let prompt = prompt(&row, &mut faults);
        let found = ["answers", "answer"].into_iter().find(|name| row.contains_key(*name));
        let answers = match found.map(|name| (name, &row[name])) {
            None | Some((_, Value::Null)) => Vec::new(),
            Some((name, found)) => texts(name, found, &mut faults),
        };
        match prompt {
            Some(prompt) if faults.is_empty() => Ok(Self { prompt, answers }),
            _ => Err(faults.join("; ")),
        }
    }
}

fn prompt(row: &Fields, faults: &mut Vec<String>) -> Option<Prompt> {
    if let Some(Value::Array(turns)) = row.get("messages") {
        return Some(Prompt::Messages(read_turns("messages", turns.clone(), faults)));
    }
    let names = ["question", "prompt", "query"];
    let found = names.into_iter().find_map(|name| Some((name, row.get(name)?)));
    match found {
        Some((_, Value::String(text))) => Some(Prompt::Text(text.clone())),
        Some((name, Value::Array(turns))) => {
            Some(Prompt::Messages(read_turns(name, turns.clone(), faults)))
        }
        Some((name, other)) => {
            faults.push(fault(name, Some(other), "a text, or a list of turns"));
            None
        }
        None => {
            faults.push(fault("question", None, "a text; `messages` may stand for it"));
            None
        }
    }
}

/// The choices and their labels, where they have some.
fn choices(row: &Fields, faults: &mut Vec<String>) -> (Vec<String>, Vec<String>) {
    let (found, before) = (row.get("choices"), faults.len());
    let (choices, labels) = match found {
        Some(Value::Object(arc)) => {
            let texts_of = |name: &str, faults: &mut Vec<String>| match arc.get(name) {
                Some(found) => texts(&format!("choices.{name}"), found, faults),
                None => Vec::new(),
            };
            (texts_of("text", faults), texts_of("label", faults))
        }
        Some(found) => (texts("choices", found, faults), Vec::new()),
        None => (Vec::new(), Vec::new()),
    };
    if faults.len() == before && choices.len() < 2 {
        let found = if choices.is_empty() { None } else { found };
        faults.push(fault("choices", found, "a list of two or more texts"));
    }
    if choices.iter().any(String::is_empty) {
        faults.push("`choices` holds an empty text, which has no likelihood".into());
    }
    (choices, labels)
}

fn texts(name: &str, found: &Value, faults: &mut Vec<String>) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let texts = match found {
        Value::Array(values) => values.iter().map(text).collect(),
        one => text(one).map(|text| vec![text]),
    };
    texts.unwrap_or_else(|| {
        faults.push(fault(name, Some(found), "a text, or a list of texts"));
        Vec::new()
    })
}

/// A position, a label, a letter or a choice's own text.
fn answer(
    row: &Fields,
    choices: &[String],
    labels: &[String],
    faults: &mut Vec<String>,
) -> Option<usize> {
    let names = ["answer", "answerKey", "label", "gold"];
    let found = names.into_iter().find_map(|name| Some((name, row.get(name)?)));
    let expected =
        || format!("a position from 0 to {}, a letter, or a choice", choices.len().max(1) - 1);
    let Some((name, value)) = found else {
        faults.push(fault("answer", None, &expected()));
        return None;
    };
    let place = match value {
        Value::Number(number) => number.as_u64().and_then(|place| usize::try_from(place).ok()),
        Value::String(text) => {
            let is_said = |said: &String| said == text;
            let labelled = labels.iter().position(is_said);
            labelled.or_else(|| choices.iter().position(is_said)).or_else(|| letter(text))
        }
        _ => None,
    };
    let place = place.filter(|place| *place < choices.len());
    if place.is_none() && !choices.is_empty() {
        faults.push(format!("`{name}` is {}, expected {}", kind(value), expected()));
    }
    place
}

fn letter(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: Value) -> Fields {
        value.as_object().expect("a row").clone()
    }

    #[test]
    fn an_answer_may_be_said_in_several_ways() {
        let choices = json!(["Rome", "Paris", "B"]);
        for (answer, expected) in
            [(json!(1), 1), (json!("Paris"), 1), (json!("A"), 0), (json!("B"), 2)]
        {
            let question = json!({"question": "?", "choices": choices, "answer": answer});
            assert_eq!(ChoiceQuestion::parse(row(question)).unwrap().answer, expected, "{answer}");
        }
        let arc = json!({
            "id": "x", "question": "?", "answerKey": "3",
            "choices": {"text": ["a", "b", "c"], "label": ["1", "2", "3"]},
        });
        let question = ChoiceQuestion::parse(row(arc)).unwrap();
        assert_eq!((question.answer, question.choices.len()), (2, 3));
    }

    #[test]
    fn every_fault_of_a_row_is_named() {
        let check = |value: Value, expected: &[&str]| {
            let fault = ChoiceQuestion::parse(row(value)).unwrap_err();
            assert!(expected.iter().all(|it| fault.contains(it)), "{fault}");
        };
        check(json!({"answer": 0}), &["`question` is missing", "`choices` is missing"]);
        check(
            json!({"prompt": 3, "choices": ["a", "b"], "answer": 2}),
            &[
                "`prompt` is the number 3",
                "`answer` is the number 2, expected a position from 0 to 1",
            ],
        );
        check(json!({"question": "?", "choices": ["a", ""], "answer": 0}), &["an empty text"]);
        check(json!({"question": "?", "choices": ["a"], "answer": 0}), &["two or more"]);
        check(json!({"question": "?", "choices": ["a", "b"]}), &["`answer` is missing"]);
        let fault = OpenQuestion::parse(row(json!({"question": "?", "answers": {}}))).unwrap_err();
        assert!(fault.contains("`answers` is an object"), "{fault}");
    }

    #[test]
    fn open_questions_have_any_number_of_answers() {
        for (value, expected) in [
            (json!({"question": "?"}), vec![]),
            (json!({"question": "?", "answer": "4"}), vec!["4"]),
            (json!({"question": "?", "answer": 4}), vec!["4"]),
            (
                json!({"messages": [{"role": "user", "content": "?"}], "answers": ["a", "b"]}),
                vec!["a", "b"],
            ),
        ] {
            assert_eq!(OpenQuestion::parse(row(value)).unwrap().answers, expected);
        }
    }
}
