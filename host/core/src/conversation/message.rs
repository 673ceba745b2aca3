//! One message of a conversation. Which of its fields a template shows is not known here.

use iterit_sdk::{Role, Turn};
use serde::Serialize;
use serde::ser::SerializeMap as _;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// One message: a map with `role`, mostly `content`, and whatever else the row gives it, in the
/// row's order, as a chat template reads it.
///
/// ```
/// use iterit_core::conversation::Message;
/// let message = Message::new("assistant", "Hello.");
/// assert_eq!((message.role(), message.text().as_str()), ("assistant", "Hello."));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Message(Fields);

/// Of equal messages the fields are kept in the same way: see [`Fields::of`].
#[derive(Debug, Clone, PartialEq)]
enum Fields {
    /// `role` and a text as `content`, in this order and nothing else. So are nearly all messages there are,
    /// and a map takes ten times the room beside the text.
    Plain { role: Cow<'static, str>, content: Box<str> },
    /// All others.
    Map(Box<Map<String, Value>>),
}

/// The roles that nearly all messages have; they take no memory of their own.
const ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];

impl Message {
    /// A message of a role that says a text.
    pub fn new(role: &str, content: impl Into<String>) -> Self {
        Self(Fields::Plain { role: known(role), content: content.into().into() })
    }

    /// From fields among which `role` is a text; content, where there is some, a text, a list of
    /// text parts, or null.
    pub(crate) fn from_fields(fields: Map<String, Value>) -> Self {
        debug_assert!(fields.get("role").is_some_and(Value::is_string), "{fields:?}");
        Self(Fields::of(fields))
    }

    /// Who speaks.
    pub fn role(&self) -> &str {
        match &self.0 {
            Fields::Plain { role, .. } => role,
            Fields::Map(map) => map.get("role").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    /// Whether the model speaks.
    pub fn is_assistant(&self) -> bool {
        self.role() == "assistant"
    }

    /// The text of the content; that of several parts is joined, and of none it is empty.
    pub fn text(&self) -> String {
        match &self.0 {
            Fields::Plain { content, .. } => content.as_ref().to_owned(),
            Fields::Map(map) => match map.get("content") {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Array(parts)) => {
                    parts.iter().filter_map(|part| part["text"].as_str()).collect()
                }
                _ => String::new(),
            },
        }
    }

    /// Whether the content is a list of parts.
    pub fn has_parts(&self) -> bool {
        self.of_map("content").is_some_and(Value::is_array)
    }

    /// Whether the content is null, as that of a message which calls tools may be.
    pub fn says_null(&self) -> bool {
        self.of_map("content").is_some_and(Value::is_null)
    }

    /// The same message, saying nothing where it says null.
    #[must_use]
    pub fn silent(&self) -> Self {
        if self.says_null() { self.saying("") } else { self.clone() }
    }

    /// The names of its fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let (plain, map) = match &self.0 {
            Fields::Plain { .. } => (&["role", "content"][..], None),
            Fields::Map(map) => (&[][..], Some(map)),
        };
        plain.iter().copied().chain(map.into_iter().flat_map(|map| map.keys().map(String::as_str)))
    }

    /// Whether the row lets it be trained on: none of `weight: 0`, `train: false`, `loss: false`.
    pub fn is_trained(&self) -> bool {
        let is_off = |name: &str| match self.of_map(name) {
            Some(Value::Bool(mark)) => !mark,
            Some(Value::Number(mark)) => mark.as_f64() == Some(0.0),
            _ => false,
        };
        !["weight", "train", "loss"].into_iter().any(is_off)
    }

    /// What there is to learn, as the row has it: the thought, the text, the calls of tools as JSON.
    pub fn target(&self) -> String {
        let thought = self.of_map("reasoning_content").and_then(Value::as_str).unwrap_or_default();
        let calls = self.of_map("tool_calls");
        let calls = calls.filter(|calls| calls.as_array().is_some_and(|it| !it.is_empty()));
        let calls = calls.map(Value::to_string).unwrap_or_default();
        [thought, &self.text(), &calls].concat()
    }

    /// The same message with another content.
    #[must_use]
    pub fn saying(&self, content: impl Into<String>) -> Self {
        let mut other = self.clone();
        other.set("content", Value::String(content.into()));
        other
    }

    /// Sets a field.
    pub fn set(&mut self, name: &str, value: Value) {
        self.change(|map| {
            map.insert(name.to_owned(), value);
        });
    }

    /// Takes a field away.
    pub fn remove(&mut self, name: &str) {
        self.change(|map| {
            map.shift_remove(name);
        });
    }

    /// Adds text behind the content.
    pub fn append(&mut self, more: &str) {
        self.change(|map| match map.get_mut("content") {
            Some(Value::Array(parts)) => parts.push(json!({"type": "text", "text": more})),
            Some(Value::String(text)) => text.push_str(more),
            _ => {
                map.insert("content".into(), more.into());
            }
        });
    }

    /// Role and text alone, as plugins know a turn.
    pub fn turn(&self) -> Turn {
        let role = match self.role() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => Role::Other(other.to_owned()),
        };
        Turn::new(role, self.text())
    }

    /// A field of a message that has others than a plain one, or other content.
    fn of_map(&self, name: &str) -> Option<&Value> {
        match &self.0 {
            Fields::Plain { .. } => None,
            Fields::Map(map) => map.get(name),
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Map<String, Value>)) {
        let mut map = std::mem::replace(&mut self.0, Fields::nothing()).into_map();
        change(&mut map);
        self.0 = Fields::of(map);
    }
}

impl Fields {
    /// Plain wherever it can be.
    fn of(map: Map<String, Value>) -> Self {
        let is_plain = map.keys().eq(["role", "content"]) && map.values().all(Value::is_string);
        if !is_plain {
            return Self::Map(Box::new(map));
        }
        let mut texts = map.into_iter().filter_map(|(_, value)| match value {
            Value::String(text) => Some(text),
            _ => None,
        });
        let (role, content) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
        Self::Plain { role: known(&role), content: content.into() }
    }

    fn nothing() -> Self {
        Self::Plain { role: Cow::Borrowed(""), content: Box::default() }
    }

    fn into_map(self) -> Map<String, Value> {
        match self {
            Self::Plain { role, content } => {
                let fields = [("role", role.into_owned()), ("content", content.into())];
                fields.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect()
            }
            Self::Map(map) => *map,
        }
    }
}

fn known(role: &str) -> Cow<'static, str> {
    let known = ROLES.into_iter().find(|&it| it == role);
    known.map_or_else(|| Cow::Owned(role.to_owned()), Cow::Borrowed)
}

impl Serialize for Message {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Fields::Plain { role, content } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("role", role)?;
                map.serialize_entry("content", content)?;
                map.end()
            }
            Fields::Map(map) => map.serialize(serializer),
        }
    }
}

impl From<&Turn> for Message {
    fn from(turn: &Turn) -> Self {
        Self::new(turn.role.name(), turn.content.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: Value) -> Message {
        Message::from_fields(fields.as_object().unwrap().clone())
    }

    #[test]
    fn text_of_every_kind_of_content() {
        for (content, text) in [
            (json!("a"), "a"),
            (json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "ab"),
            (Value::Null, ""),
        ] {
            assert_eq!(message(json!({"role": "user", "content": content})).text(), text);
        }
    }

    #[test]
    fn a_target_is_all_there_is_to_learn() {
        let calls = json!([{"function": {"name": "f", "arguments": {}}}]);
        let target = message(json!({
            "role": "assistant", "content": "b", "reasoning_content": "a", "tool_calls": calls,
        }))
        .target();
        assert_eq!(target, format!("ab{calls}"));
        assert_eq!(Message::new("assistant", "b").target(), "b");
    }

    /// How fields are kept shows in nothing but memory.
    #[test]
    fn every_message_is_the_map_it_was_made_of() {
        for fields in [
            json!({"role": "user", "content": "a"}),
            json!({"content": "a", "role": "user"}),
            json!({"role": "user", "content": null}),
            json!({"role": "critic", "content": "a"}),
            json!({"role": "user"}),
            json!({"role": "user", "content": "a", "name": "b"}),
        ] {
            let mut one = message(fields.clone());
            assert_eq!(serde_json::to_string(&one).unwrap(), fields.to_string());
            let names: Vec<&String> = fields.as_object().unwrap().keys().collect();
            assert_eq!(one.fields().collect::<Vec<_>>(), names);
            let before = one.clone();
            one.set("weight", json!(0));
            assert!(one != before && !one.is_trained() && one.role() == before.role());
            one.remove("weight");
            assert_eq!(one, before, "{fields}");
            one.append("c");
            assert_eq!(one.text(), before.text() + "c");
        }
        assert_eq!(message(json!({"role": "user", "content": "a"})), Message::new("user", "a"));
    }
}
