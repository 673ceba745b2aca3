//! A conversation as its row has it: whole messages, with whatever fields they bring, and the tools
//! that may be called. What a template shows of it is not known here.

mod message;

pub use message::Message;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is asked, and the response to learn as the last message.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Every message up to the response; not empty.
    pub messages: Vec<Message>,
    /// The row's `tools`, a list.
    pub tools: Option<Box<Value>>,
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

impl Conversation {
    /// A prompt and the response to it.
    pub fn new(prompt: impl IntoIterator<Item = Message>, response: Message) -> Self {
        let mut messages: Vec<Message> = prompt.into_iter().collect();
        let has_system = messages.first().is_some_and(|first| first.role() == "system");
        messages.reserve_exact(1);
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
            _ => {
                self.messages.reserve_exact(1);
                self.messages.insert(0, message);
            }
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
    use serde_json::json;

    fn message(fields: Value) -> Message {
        Message::from_fields(fields.as_object().unwrap().clone())
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
}
