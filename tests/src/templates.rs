//! Chat templates give the text that transformers gives, to the character.

use crate::golden;
use iterit_core::template::{ChatTemplate, Ending};
use iterit_core::tokenizer::{SpecialToken, SpecialTokens};
use iterit_core::{Role, Turn};
use serde_json::Value;
use std::fs;
use std::path::Path;

#[test]
fn the_published_programs_templates() {
    let Some(golden) = golden::shared("golden/templates/rendered.json") else { return };
    let special = special(
        golden["bos_token"].as_str().expect("a token"),
        golden["eos_token"].as_str().expect("a token"),
    );
    let cases = golden::array(&golden, "cases");
    assert_eq!(cases.len(), 45);
    for case in cases {
        let name = case["template"].as_str().expect("a name");
        let template = ChatTemplate::builtin(name).expect("a built-in template");
        let ending = match case["add_generation_prompt"] == true {
            true => Ending::GenerationPrompt,
            false => Ending::Closed,
        };
        let found = template.render(&turns(&case["messages"]), ending, &special);
        let place = format!("{name}, {}", case["name"]);
        match case["text"].as_str() {
            Some(text) => assert_eq!(found.expect(&place), text, "{place}"),
            None => {
                let error = found.expect_err(&place).to_string();
                assert!(error.starts_with("template `llama-2`, line "), "{error}");
                assert!(error.ends_with("turn 1 is of role assistant, expected user"), "{error}");
            }
        }
    }
}

#[test]
fn our_own_templates() {
    let cases = [
        (
            "chatml",
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
             <|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nA fruit?<|im_end|>\n",
            "<|im_start|>assistant\n",
            "An apple.<|im_end|>\n",
        ),
        (
            "alpaca",
            "<s>Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello!</s>\n\n\
             ### Instruction:\nA fruit?\n\n",
            "### Response:\n",
            "An apple.</s>",
        ),
    ];
    for (name, prompt, opening, answer) in cases {
        let conversation = [
            Turn::new(Role::System, "Be brief."),
            Turn::new(Role::User, "Hi"),
            Turn::new(Role::Assistant, "Hello!"),
            Turn::new(Role::User, "A fruit?"),
            Turn::new(Role::Assistant, "An apple."),
        ];
        let template = ChatTemplate::builtin(name).expect("a built-in template");
        let render = |turns: &[Turn], ending| {
            template.render(turns, ending, &special("<s>", "</s>")).expect("a text")
        };
        let asked = render(&conversation[..4], Ending::GenerationPrompt);
        assert_eq!(asked, format!("{prompt}{opening}"), "{name}");
        let whole = render(&conversation, Ending::Closed);
        assert_eq!(whole, format!("{prompt}{opening}{answer}"), "{name}");
    }
}

/// What templates in the wild use, as transformers' Jinja environment has it.
#[test]
fn the_environment_of_transformers() {
    for (source, expected) in [
        ("{{ bos_token }}|{{ unk_token }}|{{ messages[0]['content'].upper() }}", "<s>||HI"),
        ("{% if tools is none %}no tools{% endif %}", "no tools"),
        ("{{ {'a': [1, '<é>'], 'b': true} | tojson }}", "{\"a\": [1, \"<é>\"], \"b\": true}"),
        ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
        ("{{ strftime_now('%d %b %Y, %-m') }}", "26 Jul 2024, 7"),
        (
            "{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
            "13",
        ),
        ("{%- generation -%} kept {%- endgeneration %}{% if messages %}.{% endif %}", "kept."),
        (
            "  {% if true %}\nblocks leave no lines\n  {% endif %}\nend\n",
            "blocks leave no lines\nend",
        ),
        (
            "{% set ns = namespace(x=0) %}{% set ns.x = 1 %}{{ ns.x }}{{ 'a b'.split(' ')[1] }}",
            "1b",
        ),
        ("{{ '<b>' }}{{ messages[0].nothing }}", "<b>"),
    ] {
        let template = ChatTemplate::new("test", source).expect(source);
        let turns = [Turn::new(Role::User, "hi")];
        let text = template.render(&turns, Ending::Closed, &special("<s>", "</s>"));
        assert_eq!(text.expect(source), expected, "{source}");
    }
}

#[test]
fn where_a_template_comes_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path();
    let choose = |choice: Option<&str>| {
        let template = ChatTemplate::choose(choice, model).map_err(|error| error.to_string())?;
        let turns = [Turn::new(Role::User, "hi")];
        template
            .render(&turns, Ending::Closed, &SpecialTokens::default())
            .map_err(|e| e.to_string())
    };
    let write = |name: &str, text: &str| fs::write(model.join(name), text).expect("a file");

    let none = choose(None).expect_err("no template");
    assert!(none.contains("has no chat template\nhint: ") && none.contains("qwen-2.5"), "{none}");
    write("tokenizer_config.json", r#"{"chat_template": "one {{ messages[0].content }}"}"#);
    assert_eq!(choose(None).as_deref(), Ok("one hi"));
    let list = r#"{"chat_template": [{"name": "tool_use", "template": "no"},
                                     {"name": "default", "template": "two"}]}"#;
    write("tokenizer_config.json", list);
    assert_eq!(choose(None).as_deref(), Ok("two"));
    assert_eq!(choose(Some("name:tool_use")).as_deref(), Ok("no"));
    let unknown = choose(Some("name:tool-use")).expect_err("unknown");
    assert!(unknown.contains("the nearest is `tool_use`\nhint: its names are default, tool_use"));
    write("chat_template.jinja", "three");
    assert_eq!(choose(None).as_deref(), Ok("three"));

    // Files go before the configuration, all of them.
    fs::create_dir(model.join("additional_chat_templates")).expect("a folder");
    write("additional_chat_templates/rag.jinja", "rag {{ messages | length }}");
    assert_eq!(choose(Some("name:rag")).as_deref(), Ok("rag 1"));
    assert!(choose(Some("name:tool_use")).is_err());

    write("mine.jinja", "four");
    assert_eq!(choose(model.join("mine.jinja").to_str()).as_deref(), Ok("four"));
    assert_eq!(choose(Some("chatml")).as_deref(), Ok("<|im_start|>user\nhi<|im_end|>\n"));
    let unknown = choose(Some("lama-3.1")).expect_err("unknown");
    assert!(unknown.contains("the nearest is `llama-3.1`"), "{unknown}");
    write("mine.jinja", "{% if %}");
    let path = model.join("mine.jinja");
    let syntax = choose(path.to_str()).expect_err("no Jinja");
    assert!(syntax.contains("mine.jinja`, line 1: not a Jinja template: "), "{syntax}");
    assert!(ChatTemplate::choose(None, Path::new("nowhere")).is_err());
}

fn special(bos: &str, eos: &str) -> SpecialTokens {
    let token = |text: &str| Some(SpecialToken { text: text.into(), id: None });
    SpecialTokens { bos: token(bos), eos: token(eos), ..Default::default() }
}

fn turns(messages: &Value) -> Vec<Turn> {
    serde_json::from_value(messages.clone()).expect("turns")
}
