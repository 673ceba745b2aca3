//! One row becomes one sample.

use super::DataFormat;
use iterit_sdk::{Role, Sample, SampleId, Turn};
use serde_json::{Map, Value};

/// What Alpaca's rows are asked under, as IterIT does.
const ALPACA_SYSTEM: &str = "You are a helpful assistant.";

/// A row is an object.
pub(super) fn object(row: Value) -> Result<Map<String, Value>, String> {
    match row {
        Value::Object(fields) => Ok(fields),
        other => Err(format!("{}, expected an object", kind(&other))),
    }
}

/// A row in a given layout, which is not `Auto`; every fault of it in one message.
pub(super) fn sample(
    id: SampleId,
    fields: Map<String, Value>,
    format: DataFormat,
) -> Result<Sample, String> {
    let mut row = Row { fields, faults: Vec::new() };
    let (mut prompt, response) = match format {
        DataFormat::Alpaca | DataFormat::Auto => row.alpaca(),
        DataFormat::Messages => row.conversation("messages"),
        DataFormat::ShareGpt => row.conversation("conversations"),
        DataFormat::PromptCompletion => row.prompt_completion(),
    };
    if let Some(system) = row.system() {
        put_system(&mut prompt, system);
    }
    if !row.faults.is_empty() {
        return Err(row.faults.join("; "));
    }
    Ok(Sample { id, prompt, response, metadata: row.fields })
}

/// A row in the making: fields are taken out of it, and what is left is metadata.
struct Row {
    fields: Map<String, Value>,
    faults: Vec<String>,
}

impl Row {
    fn alpaca(&mut self) -> (Vec<Turn>, String) {
        let mut prompt = match self.fields.shift_remove("instruction") {
            Some(Value::Array(turns)) => self.turns("instruction", turns),
            Some(Value::String(text)) => vec![Turn::new(Role::User, text)],
            other => {
                self.fault("instruction", other.as_ref(), "a string or a list of turns");
                Vec::new()
            }
        };
        let input = match self.fields.shift_remove("input") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            other => {
                self.fault("input", other.as_ref(), "a string, or no such field");
                String::new()
            }
        };
        match prompt.last_mut() {
            Some(turn) if turn.role != Role::User => self.faults.push(
                "the last turn of `instruction` is not the user's, expected what is asked".into(),
            ),
            Some(turn) if !input.is_empty() => turn.content += &format!("\nInput: {input}"),
            _ => {}
        }
        if prompt.first().is_none_or(|turn| turn.role != Role::System) {
            prompt.insert(0, Turn::new(Role::System, ALPACA_SYSTEM));
        }
        (prompt, self.text("output"))
    }

    /// The last turn of the assistant is the response; what follows it is left out.
    fn conversation(&mut self, name: &str) -> (Vec<Turn>, String) {
        let mut turns = match self.fields.shift_remove(name) {
            Some(Value::Array(turns)) => self.turns(name, turns),
            other => {
                self.fault(name, other.as_ref(), "a list of turns");
                return Default::default();
            }
        };
        match turns.iter().rposition(|turn| turn.role == Role::Assistant) {
            Some(last) => {
                let response = turns.swap_remove(last).content;
                turns.truncate(last);
                (turns, response)
            }
            None => {
                if self.faults.is_empty() {
                    self.faults.push(format!("`{name}` has no turn of the assistant to learn"));
                }
                Default::default()
            }
        }
    }

    fn prompt_completion(&mut self) -> (Vec<Turn>, String) {
        let prompt = self.text("prompt");
        let has_completion = self.fields.contains_key("completion");
        let response = self.text(if has_completion { "completion" } else { "response" });
        (vec![Turn::new(Role::User, prompt)], response)
    }

    /// A system text that stands in a field of its own.
    fn system(&mut self) -> Option<String> {
        match self.fields.get("system")? {
            Value::String(text) if !text.is_empty() => {
                let text = text.clone();
                self.fields.shift_remove("system");
                Some(text)
            }
            _ => None,
        }
    }

    fn turns(&mut self, name: &str, turns: Vec<Value>) -> Vec<Turn> {
        if turns.is_empty() {
            self.faults.push(format!("`{name}` is an empty list, expected turns"));
        }
        let turn = |(index, turn): (usize, Value)| {
            let speaker = turn.get("role").or_else(|| turn.get("from"));
            let content = turn.get("content").or_else(|| turn.get("value"));
            let role = match speaker.and_then(Value::as_str) {
                Some("system") => Some(Role::System),
                Some("user" | "human") => Some(Role::User),
                Some("assistant" | "gpt") => Some(Role::Assistant),
                _ => None,
            };
            let expected = "\"system\", \"user\" or \"human\", \"assistant\" or \"gpt\"";
            if role.is_none() {
                self.fault(&format!("{name}[{index}].role"), speaker, expected);
            }
            if content.and_then(Value::as_str).is_none() {
                self.fault(&format!("{name}[{index}].content"), content, "a string");
            }
            Some(Turn::new(role?, content?.as_str()?))
        };
        turns.into_iter().enumerate().filter_map(turn).collect()
    }

    fn text(&mut self, name: &str) -> String {
        match self.fields.shift_remove(name) {
            Some(Value::String(text)) => text,
            other => {
                self.fault(name, other.as_ref(), "a string");
                String::new()
            }
        }
    }

    fn fault(&mut self, field: &str, found: Option<&Value>, expected: &str) {
        let found = found.map_or_else(|| "missing".to_owned(), kind);
        self.faults.push(format!("`{field}` is {found}, expected {expected}"));
    }
}

/// The row's own system text goes before any other.
fn put_system(prompt: &mut Vec<Turn>, system: String) {
    match prompt.first_mut() {
        Some(turn) if turn.role == Role::System => turn.content = system,
        _ => prompt.insert(0, Turn::new(Role::System, system)),
    }
}

/// What a value is, for messages; long ones by their type alone.
fn kind(value: &Value) -> String {
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
