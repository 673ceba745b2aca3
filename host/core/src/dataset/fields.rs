//! Fields of rows and turns that nothing here reads, counted file by file: none becomes metadata
//! without a word where other trainers give it a meaning.

use super::{Note, Row};
use iterit_sdk::LogLevel;
use std::collections::BTreeMap;
use std::path::Path;

/// Fields of a row that other trainers give a meaning.
const MEANT_IN_ROWS: [&str; 22] = [
    "audio",
    "audios",
    "chat_template_kwargs",
    "chosen",
    "context",
    "documents",
    "functions",
    "history",
    "image",
    "images",
    "kl",
    "label",
    "loss_mask",
    "margin",
    "rejected",
    "response_format",
    "reward",
    "system",
    "system_prompt",
    "train",
    "videos",
    "weight",
];

/// Fields of a turn that other trainers give a meaning.
const MEANT_IN_TURNS: [&str; 9] = [
    "audio",
    "images",
    "loss_mask",
    "loss_weight",
    "mask",
    "prefix",
    "train_detail",
    "train_on_turn",
    "videos",
];

/// Fields of a turn that the program or chat templates read.
const READ_IN_TURNS: [&str; 12] = [
    "content",
    "function_call",
    "loss",
    "name",
    "reasoning_content",
    "role",
    "tool_call_id",
    "tool_calls",
    "thinking",
    "tools",
    "train",
    "weight",
];

/// How many rows have which other fields.
#[derive(Default)]
pub(super) struct Fields {
    rows: BTreeMap<String, usize>,
    turns: BTreeMap<String, usize>,
}

impl Fields {
    /// Counts one row.
    pub(super) fn see(&mut self, row: &Row) {
        for (name, value) in &row.metadata {
            let says_something = !value.is_null() && value.as_str() != Some("");
            if says_something {
                count(&mut self.rows, name);
            }
        }
        for message in &row.conversation.messages {
            for name in message.fields().filter(|name| !READ_IN_TURNS.contains(name)) {
                count(&mut self.turns, name);
            }
        }
    }

    /// What is to be said of the file.
    pub(super) fn notes(self, path: &Path) -> Vec<Note> {
        let file = path.display();
        let (meant, other) = part(self.rows, &MEANT_IN_ROWS);
        let (meant_turns, other_turns) = part(self.turns, &MEANT_IN_TURNS);
        let note = |level, what: &str, fields: Vec<String>| {
            (!fields.is_empty()).then(|| Note {
                level,
                message: format!("`{file}`: {what}: {}", fields.join(", ")),
            })
        };
        [
            note(
                LogLevel::Warn,
                "fields of rows that mean something to other trainers are metadata here, and no text \
                 shows them",
                meant,
            ),
            note(
                LogLevel::Warn,
                "fields of turns that mean something to other trainers are not heeded here",
                meant_turns,
            ),
            note(LogLevel::Info, "fields of rows that become metadata", other),
            note(LogLevel::Info, "fields of turns that only the template may read", other_turns),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn count(counts: &mut BTreeMap<String, usize>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

/// Those with a meaning elsewhere, and the others, each with how often it is there.
fn part(counts: BTreeMap<String, usize>, meant: &[&str]) -> (Vec<String>, Vec<String>) {
    let (is_meant, other): (Vec<_>, Vec<_>) =
        counts.into_iter().partition(|(name, _)| meant.contains(&name.as_str()));
    let show = |fields: Vec<(String, usize)>| {
        fields.into_iter().map(|(name, count)| format!("`{name}` ({count})")).collect()
    };
    (show(is_meant), show(other))
}
