//! A list of turns becomes messages. Names that other layouts use for the same thing become the ones
//! chat templates read; every other field stays as it is.

use super::fault::fault;
use crate::conversation::Message;
use serde_json::{Map, Value};

/// What keeps a turn from being trained on where it is false, or 0.
const MARKS: [&str; 3] = ["weight", "train", "loss"];

/// The messages of a list of turns in the field `name`, without those that are faulty.
pub(crate) fn read(name: &str, turns: Vec<Value>, faults: &mut Vec<String>) -> Vec<Message> {
    if turns.is_empty() {
        faults.push(format!("`{name}` is an empty list, expected turns"));
    }
    let turn = |(index, turn)| message(&format!("{name}[{index}]"), turn, faults);
    turns.into_iter().enumerate().filter_map(turn).collect()
}

fn message(place: &str, turn: Value, faults: &mut Vec<String>) -> Option<Message> {
    let Value::Object(turn) = turn else {
        faults.push(fault(place, Some(&turn), "an object with `role` and `content`"));
        return None;
    };
    let fields = renamed(turn);
    let before = faults.len();
    if fields.get("role").and_then(Value::as_str).is_none_or(str::is_empty) {
        let expected = "\"system\", \"user\" or \"human\", \"assistant\" or \"gpt\", or another \
                        role that the template knows";
        faults.push(fault(&format!("{place}.role"), fields.get("role"), expected));
    }
    check_content(place, &fields, faults);
    for mark in MARKS {
        match fields.get(mark) {
            None | Some(Value::Bool(_)) => {}
            Some(Value::Number(number)) if [Some(0.0), Some(1.0)].contains(&number.as_f64()) => {}
            other => faults.push(fault(&format!("{place}.{mark}"), other, "0, 1, true or false")),
        }
    }
    (faults.len() == before).then(|| Message::from_fields(fields))
}

/// `role` and `content` as templates call them. A null is no field, but for the content: whoever
/// calls a tool says `null`.
fn renamed(turn: Map<String, Value>) -> Map<String, Value> {
    let has = |name: &str| turn.get(name).is_some_and(|value| !value.is_null());
    let (has_role, has_content) = (has("role"), has("content"));
    let is_content = |name: &str| match name {
        "content" => has_content || !has("value"),
        "value" => !has_content && !has("value"),
        _ => false,
    };
    let kept: Vec<bool> =
        turn.iter().map(|(field, value)| !value.is_null() || is_content(field)).collect();
    let name = |name: String| match name.as_str() {
        "from" if !has_role => "role".into(),
        "value" if !has_content => "content".into(),
        _ => name,
    };
    turn.into_iter()
        .zip(kept)
        .filter(|(_, is_kept)| *is_kept)
        .map(|((field, value), _)| (name(field), value))
        .map(|(field, value)| match (field.as_str(), value.as_str()) {
            ("role", Some("human" | "prompter")) => (field, "user".into()),
            ("role", Some("gpt" | "chatgpt" | "bing" | "bard" | "bot")) => {
                (field, "assistant".into())
            }
            _ => (field, value),
        })
        .collect()
}

fn check_content(place: &str, fields: &Map<String, Value>, faults: &mut Vec<String>) {
    let has_calls =
        ["tool_calls", "function_call"].into_iter().any(|name| fields.contains_key(name));
    let content = fields.get("content");
    match content {
        Some(Value::String(_)) => {}
        None | Some(Value::Null) if has_calls => {}
        Some(Value::Array(parts)) if !parts.is_empty() => {
            for (index, part) in parts.iter().enumerate() {
                let place = format!("{place}.content[{index}]");
                if part["type"] != "text" {
                    let expected = "\"text\": other parts than text cannot be trained on";
                    faults.push(fault(&format!("{place}.type"), part.get("type"), expected));
                } else if !part["text"].is_string() {
                    faults.push(fault(&format!("{place}.text"), part.get("text"), "a string"));
                }
            }
        }
        _ => faults.push(fault(&format!("{place}.content"), content, "a string")),
    }
}
