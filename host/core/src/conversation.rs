//! A conversation as its row has it: whole messages, with whatever fields they bring, and the tools
//! that may be called. What a template shows of it is not known here.

use iterit_sdk::{Role, Turn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One message: a map with `role`, mostly `content`, and whatever else the row gives it, in the
/// row's order, as a chat template reads it.
///
/// ```
/// use iterit_core::conversation::Message;
/// let message = Message::new("assistant", "Hello.");
/// assert_eq!((message.role(), message.text().as_str()), ("assistant", "Hello."));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Message(Map<String, Value>);

/// What is asked, and the response to learn as the last message.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Every message up to the response; not empty.
    pub messages: Vec<Message>,
    /// The row's `tools`, a list.
    pub tools: Option<Value>,
    /// Whose the system turn is.
    pub system: SystemTurn,
    /// What the instruction is about, where the row keeps it apart; the last prompt ends with it.
    pub about: Option<String>,
}

/// What stands between an instruction and what it is about, where both are one message.
const ABOUT: &str = "\nInput: ";

/// Whose the system turn of a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemTurn {
    /// There is none.
    Absent,
    /// The program's own, put before a row that has none.
    Ours,
    /// The row's, or the configuration's.
    Given,
}

/// Which turns of the assistant carry loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turns {
    /// The last one.
    #[default]
    Last,
    /// Every one but those marked otherwise.
    All,
}

impl Message {
    /// A message of a role that says a text.
    pub fn new(role: &str, content: impl Into<String>) -> Self {
        let fields = [("role", role.to_owned()), ("content", content.into())];
        Self(fields.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect())
    }

    /// From fields among which `role` is a text; content, where there is some, a text, a list of
    /// text parts, or null.
    pub(crate) fn from_fields(fields: Map<String, Value>) -> Self {
        debug_assert!(fields.get("role").is_some_and(Value::is_string), "{fields:?}");
        Self(fields)
    }

    /// Who speaks.
    pub fn role(&self) -> &str {
        self.0.get("role").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the model speaks.
    pub fn is_assistant(&self) -> bool {
        self.role() == "assistant"
    }

    /// The text of the content; that of several parts is joined, and of none it is empty.
    pub fn text(&self) -> String {
        match self.0.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                parts.iter().filter_map(|part| part["text"].as_str()).collect()
            }
            _ => String::new(),
        }
    }

    /// Whether the content is a list of parts.
    pub fn has_parts(&self) -> bool {
        self.0.get("content").is_some_and(Value::is_array)
    }

    /// Whether the content is null, as that of a message which calls tools may be.
    pub fn says_null(&self) -> bool {
        self.0.get("content").is_some_and(Value::is_null)
    }

    /// The same message, saying nothing where it says null.
    #[must_use]
    pub fn silent(&self) -> Self {
        if self.says_null() { self.saying("") } else { self.clone() }
    }

    /// A field.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The names of its fields.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether the row lets it be trained on: none of `weight: 0`, `train: false`, `loss: false`.
    pub fn is_trained(&self) -> bool {
        let is_off = |name: &str| match self.0.get(name) {
            Some(Value::Bool(mark)) => !mark,
            Some(Value::Number(mark)) => mark.as_f64() == Some(0.0),
            _ => false,
        };
        !["weight", "train", "loss"].into_iter().any(is_off)
    }

    /// What there is to learn, as the row has it: the thought, the text, the calls of tools as JSON.
    pub fn target(&self) -> String {
        let thought = self.0.get("reasoning_content").and_then(Value::as_str).unwrap_or_default();
        let calls = self
            .0
            .get("tool_calls")
            .filter(|calls| calls.as_array().is_some_and(|it| !it.is_empty()));
        let calls = calls.map(Value::to_string).unwrap_or_default();
        [thought, &self.text(), &calls].concat()
    }

    /// The same message with another content.
    #[must_use]
    pub fn saying(&self, content: impl Into<String>) -> Self {
        let mut fields = self.0.clone();
        fields.insert("content".into(), Value::String(content.into()));
        Self(fields)
    }

    /// Sets a field.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// Takes a field away.
    pub fn remove(&mut self, name: &str) {
        self.0.shift_remove(name);
    }

    /// Adds text behind the content.
    pub fn append(&mut self, more: &str) {
        match self.0.get_mut("content") {
            Some(Value::Array(parts)) => parts.push(json!({"type": "text", "text": more})),
            Some(Value::String(text)) => text.push_str(more),
            _ => {
                self.0.insert("content".into(), more.into());
            }
        }
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
}

impl From<&Turn> for Message {
    fn from(turn: &Turn) -> Self {
        Self::new(turn.role.name(), turn.content.clone())
    }
}

impl Conversation {
    /// A prompt and the response to it.
    pub fn new(prompt: impl IntoIterator<Item = Message>, response: Message) -> Self {
        let mut messages: Vec<Message> = prompt.into_iter().collect();
        let has_system = messages.first().is_some_and(|first| first.role() == "system");
        messages.push(response);
        let system = if has_system { SystemTurn::Given } else { SystemTurn::Absent };
        Self { messages, tools: None, system, about: None }
    }

    /// Adds what the instruction is about to the last prompt.
    pub fn put_about(&mut self, about: String) {
        if let [.., last, _] = &mut self.messages[..] {
            last.append(&format!("{ABOUT}{about}"));
            self.about = Some(about);
        }
    }

    /// The texts of the prompt, one a message, and what the instruction is about as the last.
    pub fn plain_prompt(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.prompt().iter().map(Message::text).collect();
        if let (Some(about), Some(last)) = (&self.about, texts.last_mut())
            && let Some(instruction) = last.strip_suffix(&format!("{ABOUT}{about}"))
        {
            *last = instruction.to_owned();
            texts.push(about.clone());
        }
        texts
    }

    /// What precedes the response.
    pub fn prompt(&self) -> &[Message] {
        &self.messages[..self.messages.len() - 1]
    }

    /// The last message, which is learnt.
    pub fn response(&self) -> &Message {
        self.messages.last().expect("a conversation has a response")
    }

    /// Where the turns stand that carry loss, ascending; the response's is the last of them.
    pub fn trained(&self, turns: Turns) -> Vec<usize> {
        let last = self.messages.len() - 1;
        let is_trained = |&index: &usize| {
            let message = &self.messages[index];
            index == last || message.is_assistant() && message.is_trained()
        };
        match turns {
            Turns::Last => vec![last],
            Turns::All => (0..=last).filter(is_trained).collect(),
        }
    }

    /// The same conversation up to and with the message at `index`.
    #[must_use]
    pub fn up_to(&self, index: usize) -> Self {
        Self {
            messages: self.messages[..=index].to_vec(),
            tools: self.tools.clone(),
            system: self.system,
            about: None,
        }
    }

    /// The system text, where there is a system turn in front.
    pub fn system_text(&self) -> Option<String> {
        let first = self.messages.first().filter(|first| first.role() == "system");
        first.map(Message::text)
    }

    /// Puts a system text in front, in place of the one that stands there.
    pub fn put_system(&mut self, text: impl Into<String>, whose: SystemTurn) {
        let message = Message::new("system", text);
        match self.messages.first_mut() {
            Some(first) if first.role() == "system" => *first = message,
            _ => self.messages.insert(0, message),
        }
        self.system = whose;
    }

    /// Puts the user's system text where the row has none; nothing where it is empty.
    pub fn put_own_system(&mut self, text: &str) {
        self.leave_out_our_system();
        if self.system == SystemTurn::Absent && !text.is_empty() {
            self.put_system(text, SystemTurn::Given);
        }
    }

    /// Takes the program's own system turn away, where there is one.
    pub fn leave_out_our_system(&mut self) {
        if self.system == SystemTurn::Ours {
            self.messages.remove(0);
            self.system = SystemTurn::Absent;
        }
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
    fn marks_keep_a_turn_from_being_trained_on() {
        let with = |name: &str, mark: Value| {
            message(json!({"role": "assistant", "content": "a", name: mark})).is_trained()
        };
        assert!(!with("weight", json!(0)) && !with("weight", json!(0.0)));
        assert!(!with("train", json!(false)) && !with("loss", json!(false)));
        assert!(with("weight", json!(1)) && with("train", json!(true)) && with("name", json!("x")));

        let say = |content: &str| Message::new("assistant", content);
        let marked = message(json!({"role": "assistant", "content": "b", "weight": 0}));
        let conversation =
            Conversation::new([say("a"), marked, Message::new("user", "c")], say("d"));
        assert_eq!(conversation.trained(Turns::All), [0, 3]);
        assert_eq!(conversation.trained(Turns::Last), [3]);
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
}
