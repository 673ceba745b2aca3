//! Rows that hold more than texts: thoughts, calls of tools, earlier rounds, marks. Nothing of them is
//! lost on the way from the file to the template, and what nobody reads is named.

use iterit_core::conversation::SystemTurn;
use iterit_core::dataset::{self, DataFormat, Dataset};
use iterit_core::template::{ChatTemplate, Ending};
use iterit_core::tokenizer::SpecialTokens;
use serde_json::{Value, json};
use std::fs;

/// Shows tools, thoughts and calls, as templates of models that use tools do.
const TOOLS: &str = "{% if tools %}Tools: {{ tools | tojson }};{% endif %}{% for m in messages %}\
                     [{{ m.role }}]{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>\
                     {% endif %}{{ m.content }}{% for call in m.tool_calls %}\
                     <call>{{ call.function | tojson }}</call>{% endfor %};{% endfor %}";

fn load(rows: &Value) -> Result<Dataset, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("data.json");
    fs::write(&path, rows.to_string()).expect("a file");
    let at = format!("{}/", folder.path().display());
    dataset::load(&[path], DataFormat::Auto)
        .map(|mut dataset| {
            for note in &mut dataset.notes {
                note.message = note.message.replace(&at, "");
            }
            dataset
        })
        .map_err(|error| error.to_string().replace(&at, ""))
}

/// The one row given, as the template shows it.
fn shown(row: Value) -> String {
    let dataset = load(&json!([row])).expect("a row");
    let template = ChatTemplate::new("tools", TOOLS).expect("a template");
    let conversation = &dataset.rows[0].conversation;
    let (messages, tools) = (&conversation.messages, conversation.tools.as_deref());
    template
        .render_messages(messages, tools, Ending::Closed, &SpecialTokens::default())
        .expect("a text")
}

#[test]
fn whole_messages_reach_the_template() {
    let call = json!({"type": "function", "function": {"name": "f", "arguments": {"x": 1}}});
    let user = json!({"role": "user", "content": "q"});
    for (row, text) in [
        (
            json!({"messages": [user, {"role": "assistant", "content": "", "tool_calls": [call]}],
                   "tools": [{"name": "f"}]}),
            "Tools: [{\"name\": \"f\"}];[user]q;\
             [assistant]<call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</call>;",
        ),
        (
            json!({"messages": [user, {"role": "assistant", "content": "a", "reasoning_content": "t"}]}),
            "[user]q;[assistant]<think>t</think>a;",
        ),
        (
            json!({"messages": [user, {"role": "assistant", "tool_calls": [call]},
                                {"role": "tool", "content": "r", "tool_call_id": "1"},
                                {"role": "assistant", "content": "a", "reasoning_content": null}]}),
            "[user]q;[assistant]<call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</call>;\
             [tool]r;[assistant]a;",
        ),
        (
            json!({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
                   "tools": "[{\"name\": \"f\"}]", "system": "s"}),
            "Tools: [{\"name\": \"f\"}];[system]s;[user]q;[assistant]a;",
        ),
    ] {
        assert_eq!(shown(row.clone()), text, "{row}");
    }
}

#[test]
fn earlier_rounds_and_contexts_of_alpaca_rows() {
    let messages = |row: Value| {
        let dataset = load(&json!([row])).expect("a row");
        let conversation = dataset.rows[0].conversation.clone();
        (serde_json::to_value(conversation.messages).expect("JSON"), conversation.system)
    };
    let say = |role: &str, content: &str| json!({"role": role, "content": content});
    let ours = say("system", "You are a helpful assistant.");
    let (found, system) = messages(json!({
        "instruction": "c", "input": "", "output": "d", "history": [["a", "b"]],
    }));
    let rounds = json!([
        ours,
        say("user", "a"),
        say("assistant", "b"),
        say("user", "c"),
        say("assistant", "d")
    ]);
    assert_eq!((found, system), (rounds, SystemTurn::Ours));
    let (found, _) = messages(json!({"instruction": "a", "context": "c", "output": "d"}));
    assert_eq!(found, json!([ours, say("user", "a\nInput: c"), say("assistant", "d")]));
    let (found, system) =
        messages(json!({"instruction": "a", "output": "d", "system_prompt": "s"}));
    let own = json!([say("system", "s"), say("user", "a"), say("assistant", "d")]);
    assert_eq!((found, system), (own, SystemTurn::Given));

    let fault = |row: Value| load(&json!([row])).expect_err("a fault");
    let both = fault(json!({"instruction": "a", "input": "b", "context": "c", "output": "d"}));
    assert!(
        both.ends_with("row 0: `input` and `context` both hold text, expected one of them"),
        "{both}"
    );
    let odd = fault(json!({"instruction": "a", "output": "d", "history": [["a"]]}));
    let expected = "`history[0]` is a list, expected a question and an answer, both strings";
    assert!(odd.ends_with(expected), "{odd}");
}

#[test]
fn marked_turns_are_not_the_response() {
    let row = |mark: Value| {
        let marked = json!({"role": "assistant", "content": "b", "weight": mark});
        json!({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"},
                            {"role": "user", "content": "p"}, marked]})
    };
    let response = |row: Value| load(&json!([row])).expect("a row").samples()[0].response.clone();
    assert_eq!((response(row(json!(0))), response(row(json!(1)))), ("a".into(), "b".into()));
    let half = load(&json!([row(json!(0.5))])).expect_err("half a weight");
    assert!(half.contains("`messages[3].weight` is the number 0.5, expected 0, 1"), "{half}");
    let all = json!([{"messages": [{"role": "assistant", "content": "a", "train": false}]}]);
    let all = load(&all).expect_err("nothing to learn");
    assert!(all.contains("every turn of the assistant in `messages` is marked"), "{all}");
}

#[test]
fn fields_nobody_reads_are_named_once_a_file() {
    let turn = json!({"role": "assistant", "content": "a", "mask": 1, "mood": "good"});
    let row = json!({"messages": [turn], "images": ["x"], "topic": "t", "source": null});
    let notes = load(&json!([row, row])).expect("rows").notes;
    let messages: Vec<&str> = notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`data.json`: fields of rows that mean something to other trainers are metadata here, and \
             no text shows them: `images` (2)",
            "`data.json`: fields of turns that mean something to other trainers are not heeded here: \
             `mask` (2)",
            "`data.json`: fields of rows that become metadata: `topic` (2)",
            "`data.json`: fields of turns that only the template may read: `mood` (2)",
        ]
    );
}

#[test]
fn parts_that_are_no_text_are_refused() {
    let content = json!([{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text"}]);
    let row = json!([{"messages": [{"role": "user", "content": content}, {"role": "assistant"}]}]);
    let error = load(&row).expect_err("an image");
    for fault in [
        "`messages[0].content[1].type` is \"image\", expected \"text\"",
        "`messages[0].content[2].text` is missing, expected a string",
        "`messages[1].content` is missing, expected a string",
    ] {
        assert!(error.contains(fault), "{error}");
    }
}
