//! One row becomes one conversation.

use super::DataFormat;
use super::fault::{fault, kind};
use super::turns;
use crate::conversation::{Conversation, Message, SystemTurn};
use iterit_sdk::{Sample, SampleId};
use serde_json::{Map, Value};

/// What Alpaca's rows are asked under, as IterIT does.
const ALPACA_SYSTEM: &str = "You are a helpful assistant.";

/// One row of instruction data.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What is asked and what is learnt.
    pub conversation: Conversation,
    /// The row's other fields, as they stood in the data.
    pub metadata: Map<String, Value>,
}

impl Row {
    /// The row as plugins see it: texts alone.
    pub fn sample(&self, id: SampleId) -> Sample {
        Sample {
            id,
            prompt: self.conversation.prompt().iter().map(Message::turn).collect(),
            response: self.conversation.response().text(),
            metadata: self.metadata.clone(),
        }
    }
}

impl From<Sample> for Row {
    fn from(sample: Sample) -> Self {
        let prompt = sample.prompt.iter().map(Message::from);
        let response = Message::new("assistant", sample.response);
        Self { conversation: Conversation::new(prompt, response), metadata: sample.metadata }
    }
}

/// A row is an object.
pub(super) fn object(row: Value) -> Result<Map<String, Value>, String> {
    match row {
        Value::Object(fields) => Ok(fields),
        other => Err(format!("{}, expected an object", kind(&other))),
    }
}

/// A row in a given layout, which is not `Auto`; every fault of it in one message.
pub(super) fn row(fields: Map<String, Value>, format: DataFormat) -> Result<Row, String> {
    let mut parts = Parts { fields, faults: Vec::new(), about: String::new() };
    let messages = match format {
        DataFormat::Alpaca | DataFormat::Auto => parts.alpaca(),
        DataFormat::Messages => parts.conversation(parts.first_of(["messages", "conversation"])),
        DataFormat::ShareGpt => parts.conversation("conversations"),
        DataFormat::PromptCompletion => parts.prompt_completion(),
        DataFormat::Preference => parts.preference(),
    };
    let (tools, system) = (parts.tools(), parts.system());
    let Parts { fields: metadata, faults, about } = parts;
    let Some((response, prompt)) = messages.split_last().filter(|_| faults.is_empty()) else {
        return Err(faults.join("; "));
    };
    let mut conversation = Conversation::new(prompt.to_vec(), response.clone());
    conversation.tools = tools.map(Box::new);
    if !about.is_empty() {
        conversation.put_about(about);
    }
    if let Some(system) = system {
        conversation.put_system(system, SystemTurn::Given);
    } else if format == DataFormat::Alpaca && conversation.system == SystemTurn::Absent {
        conversation.put_system(ALPACA_SYSTEM, SystemTurn::Ours);
    }
    Ok(Row { conversation, metadata })
}

/// A row in the making: fields are taken out of it, and what is left is metadata.
struct Parts {
    fields: Map<String, Value>,
    faults: Vec<String>,
    /// What the instruction is about, where it is told apart.
    about: String,
}

impl Parts {
    /// Earlier rounds, the instruction, the output.
    fn alpaca(&mut self) -> Vec<Message> {
        let mut messages = self.history();
        let num_earlier = messages.len();
        match self.fields.shift_remove("instruction") {
            Some(Value::Array(list)) => {
                messages.extend(turns::read("instruction", list, &mut self.faults));
            }
            Some(Value::String(text)) => messages.push(Message::new("user", text)),
            other => self.fault("instruction", other.as_ref(), "a string or a list of turns"),
        }
        self.about = self.input();
        match messages[num_earlier..].last_mut() {
            Some(last) if last.role() != "user" => self.faults.push(
                "the last turn of `instruction` is not the user's, expected what is asked".into(),
            ),
            _ => {}
        }
        let output = self.text(self.first_of(["output", "response"]));
        messages.push(Message::new("assistant", output));
        messages
    }

    /// What the instruction is about: `input`, or `context` as Dolly calls it.
    fn input(&mut self) -> String {
        let input = self.optional_text("input");
        let context = self.optional_text("context");
        if !input.is_empty() && !context.is_empty() {
            self.faults.push("`input` and `context` both hold text, expected one of them".into());
        }
        input + &context
    }

    /// Rounds before the instruction, as `[question, answer]` each.
    fn history(&mut self) -> Vec<Message> {
        let rounds = match self.fields.shift_remove("history") {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(rounds)) => rounds,
            other => {
                self.fault("history", other.as_ref(), "a list of [question, answer]");
                return Vec::new();
            }
        };
        let mut messages = Vec::new();
        for (index, round) in rounds.iter().enumerate() {
            match round.as_array().map(Vec::as_slice) {
                Some([Value::String(question), Value::String(answer)]) => {
                    messages.push(Message::new("user", question));
                    messages.push(Message::new("assistant", answer));
                }
                _ => self.fault(
                    &format!("history[{index}]"),
                    Some(round),
                    "a question and an answer, both strings",
                ),
            }
        }
        messages
    }

    /// The last turn of the assistant that may be learnt is the response; what follows it is left
    /// out.
    fn conversation(&mut self, name: &str) -> Vec<Message> {
        let messages = match self.fields.shift_remove(name) {
            Some(Value::Array(list)) => turns::read(name, list, &mut self.faults),
            other => {
                self.fault(name, other.as_ref(), "a list of turns");
                return Vec::new();
            }
        };
        self.up_to_response(name, messages)
    }

    fn up_to_response(&mut self, name: &str, mut messages: Vec<Message>) -> Vec<Message> {
        let is_learnt = |it: &Message| it.is_assistant() && it.is_trained();
        match messages.iter().rposition(is_learnt) {
            Some(last) => messages.truncate(last + 1),
            None if !self.faults.is_empty() => {}
            None if messages.iter().any(Message::is_assistant) => self.faults.push(format!(
                "every turn of the assistant in `{name}` is marked as not to be trained on"
            )),
            None => self.faults.push(format!("`{name}` has no turn of the assistant to learn")),
        }
        messages
    }

    fn prompt_completion(&mut self) -> Vec<Message> {
        if self.fields.get("label") == Some(&Value::Bool(false)) {
            self.faults.push(
                "`label` is false, so the completion is one that is not wanted, expected true or no \
                 such field"
                    .into(),
            );
        }
        let mut messages = self.said("prompt", "user");
        let name = self.first_of(["completion", "response"]);
        let completion = self.said(name, "assistant");
        messages.extend(self.up_to_response(name, completion));
        messages
    }

    /// The chosen side behind its prompt, which it may hold itself.
    fn preference(&mut self) -> Vec<Message> {
        let chosen = self.said("chosen", "assistant");
        let chosen = self.up_to_response("chosen", chosen);
        if chosen.iter().any(|message| message.role() == "user") {
            self.fields.shift_remove("prompt");
            return chosen;
        }
        let names = ["prompt", "conversations", "messages", "instruction", "question"];
        let name = self.first_of(names);
        let mut messages = self.said(name, "user");
        let input = if name == "instruction" { self.input() } else { String::new() };
        if let Some(last) = messages.last_mut().filter(|_| !input.is_empty()) {
            last.append(&format!("\nInput: {input}"));
        }
        messages.extend(chosen);
        messages
    }

    /// The first of these fields that is there, or else the first.
    fn first_of<const N: usize>(&self, names: [&'static str; N]) -> &'static str {
        let is_there = |name: &&str| self.fields.get(*name).is_some_and(|value| !value.is_null());
        names.into_iter().find(is_there).unwrap_or(names[0])
    }

    /// A text that somebody says, one turn, or a list of turns.
    fn said(&mut self, name: &str, role: &str) -> Vec<Message> {
        match self.fields.shift_remove(name) {
            Some(Value::String(text)) => vec![Message::new(role, text)],
            Some(turn @ Value::Object(_)) => turns::read(name, vec![turn], &mut self.faults),
            Some(Value::Array(list)) => turns::read(name, list, &mut self.faults),
            other => {
                self.fault(name, other.as_ref(), "a string or a list of turns");
                Vec::new()
            }
        }
    }

    /// A system text that stands in a field of its own.
    fn system(&mut self) -> Option<String> {
        ["system", "system_prompt"].into_iter().find_map(|name| match self.fields.get(name)? {
            Value::String(text) if !text.is_empty() => {
                let text = text.clone();
                self.fields.shift_remove(name);
                Some(text)
            }
            _ => None,
        })
    }

    /// The tools that may be called: a list, or one written as JSON.
    fn tools(&mut self) -> Option<Value> {
        let tools = match self.fields.shift_remove("tools")? {
            Value::Null => return None,
            Value::String(text) if text.trim().is_empty() => return None,
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            other => other,
        };
        match &tools {
            // `null` as JSON, which is what Python's `json.dumps` makes of no tools.
            Value::Null => None,
            Value::Array(list) if list.is_empty() => None,
            Value::Array(_) => Some(tools),
            other => {
                self.fault("tools", Some(other), "a list of tools, or one written as JSON");
                None
            }
        }
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

    fn optional_text(&mut self, name: &str) -> String {
        match self.fields.shift_remove(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            other => {
                self.fault(name, other.as_ref(), "a string, or no such field");
                String::new()
            }
        }
    }

    fn fault(&mut self, field: &str, found: Option<&Value>, expected: &str) {
        self.faults.push(fault(field, found, expected));
    }
}
