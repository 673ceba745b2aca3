//! The template engine writes what Jinja2 writes in transformers' environment, refuses what that
//! refuses, and keeps a stranger's template within bounds.

use crate::golden;
use iterit_core::template::{ChatTemplate, Ending};
use iterit_core::tokenizer::{SpecialToken, SpecialTokens};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fs;

#[test]
fn our_own_constructs() {
    let golden = golden::committed("jinja.json");
    let variables = &golden["variables"];
    let messages = golden::array(variables, "messages");
    let kinds = golden["kinds"].as_object().expect("kinds of constructs");
    let mut faults = Vec::new();
    let mut count = 0;
    for (kind, rows) in kinds {
        for row in rows.as_array().expect("constructs") {
            let source = row["source"].as_str().expect("a source");
            let found = ChatTemplate::new("test", source).and_then(|template| {
                let ending = Ending::GenerationPrompt;
                template.render_messages(messages, Some(&variables["tools"]), ending, &special())
            });
            faults.extend(fault(kind, source, &row["text"], found));
            count += 1;
        }
    }
    assert_eq!(count, 815);
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn constructs_from_public_reports() {
    let Some(folder) = golden::shared_path("../cases/19-jinja-parity") else { return };
    if !folder.is_dir() {
        eprintln!("skipped: there is no `{}`", folder.display());
        return;
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a file of the case");
    let looped = read("LOOP.jinja");
    let messages = [json!({"role": "user", "content": "Hi"})];
    let end = "|END|<|user|>Hi<|end_story|>";
    let mut faults = Vec::new();
    for line in read("snippets.jsonl").lines() {
        let row: Value = serde_json::from_str(line).expect("a row");
        let source = row["source"].as_str().expect("a source");
        let expected = row["jinja2"].as_str().expect("a text");
        let expected = match expected.starts_with("!! ") {
            true => Value::Null,
            false => format!("{expected}{end}").into(),
        };
        let found = ChatTemplate::new("test", format!("{source}{looped}")).and_then(|template| {
            template.render_messages(&messages, None, Ending::Closed, &special())
        });
        faults.extend(fault(&row["name"].to_string(), source, &expected, found));
    }
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn real_templates() {
    let Some(folder) = golden::shared_path("templates") else { return };
    let packed = fs::read(folder.join("rendered.jsonl.zst")).expect("the renderings");
    let rows = zstd::decode_all(packed.as_slice()).expect("zstd");
    let rows = String::from_utf8(rows).expect("UTF-8");
    let mut templates = HashMap::new();
    let mut faults = Vec::new();
    for line in rows.lines() {
        let row: Value = serde_json::from_str(line).expect("a row");
        let name = row["template"].as_str().expect("a name").to_owned();
        let template = templates.entry(name.clone()).or_insert_with(|| {
            let path = folder.join(format!("{name}.jinja"));
            ChatTemplate::from_file(&path).unwrap_or_else(|error| panic!("{error}"))
        });
        let messages: Vec<Value> = golden::array(&row, "turns")
            .iter()
            .map(|turn| json!({"role": turn[0], "content": turn[1]}))
            .collect();
        let ending = match row["add_generation_prompt"] == true {
            true => Ending::GenerationPrompt,
            false => Ending::Closed,
        };
        let special = if row["special"] == "full" { special() } else { SpecialTokens::default() };
        let found = template.render_messages(&messages, None, ending, &special);
        let shape = row["shape"].to_string();
        faults.extend(fault(&name, &shape, &row["text"], found));
    }
    assert_eq!(templates.len(), 177);
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
}

const NONE: [Value; 0] = [];

/// Each of these would run for hours, fill the memory, or overflow the stack.
#[test]
fn a_strangers_template_is_stopped_and_named() {
    let deep =
        |open: &str, close: &str| format!("{{{{ {}1{} }}}}", open.repeat(9999), close.repeat(9999));
    let long = |link: &str| format!("{{{{ 1{} }}}}", link.repeat(99_999));
    let tags = "{% if true %}".repeat(9999) + &"{% endif %}".repeat(9999);
    let nest = "{% for i in range(9999) %}".repeat(5) + "x" + &"{% endfor %}".repeat(5);
    let grow = |step: &str| {
        format!(
            "{{% set ns = namespace(x=['a'], s='a') %}}{{% for i in range(99999) %}}\
             {{% set ns.x = {step} %}}{{% endfor %}}"
        )
    };
    let sources = [
        nest,
        deep("(", ")"),
        deep("[", "]"),
        deep("-", ""),
        deep("not ", ""),
        long("+1"),
        long(" or 0"),
        long("|abs"),
        long(".x"),
        long(" if 1"),
        tags,
        "{{ 'a' | indent(10**15) }}".into(),
        "{{ 'a' * 10**15 }}".into(),
        "{{ [1] * 10**15 }}".into(),
        "{{ 'a' | center(10**15) }}".into(),
        "{{ 'a'.ljust(10**15) }}".into(),
        "{{ '%1000000000000d' % 1 }}".into(),
        "{{ '%.100000f' % 1 }}".into(),
        "{{ '%*d' % (10**15, 1) }}".into(),
        "{{ '{:1000000000000}'.format(1) }}".into(),
        "{{ 'a\\tb'.expandtabs(10**15) }}".into(),
        "{{ [1] | tojson(indent=10**15) }}".into(),
        "{{ [1] | batch(10**15, 0) | list }}".into(),
        "{{ range(10**15) }}".into(),
        "{{ 10 ** 10 ** 10 }}".into(),
        "{{ ('a' * 9999).replace('a', 'a' * 99999) }}".into(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".into(),
        "{% macro m() %}{% if true %}{% for i in [1] %}{% set x %}{{ 'a' ~ (m() | upper) }}{% endset %}{% endfor %}{% endif %}{% endmacro %}{{ m() }}".into(),
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}".into(),
        "{% block b %}{{ self.b() }}{% endblock %}".into(),
        grow("[ns.x, ns.x]") + "{{ ns.x }}",
        grow("[ns.x]"),
        grow("{'a': ns.x}"),
        grow("cycler(ns.x)"),
        grow("namespace(x=ns.x)"),
        grow("ns.x + ns.x"),
        grow("ns.x ~ ns.x"),
        grow("(ns.x | string) * 2"),
        "{% set ns = namespace(x=1) %}{% for i in range(99999) %}{% for j in [ns.x] %}{% set ns.x = loop %}{% endfor %}{% endfor %}".into(),
        "{% set ns = namespace() %}{% set ns.x = [1] %}{% for i in range(90) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x == ns.x | list }}{{ ns.x | tojson }}".into(),
        // Values that hold the same one many times over, as keys.
        grow("(ns.x, ns.x)"),
        twice("(ns.x, ns.x)") + "{{ ns.x in {1: 2} }}",
        twice("(ns.x, ns.x)") + "{{ [ns.x] | unique | list }}",
        // Numbers at the end of what the engine has.
        format!("{{% set ns = namespace(x=range(0, {LARGEST} // 2**28, 2**98)) %}}")
            + "{% for i in range(60) %}{% set ns.x = ns.x[::2] %}{% endfor %}",
        format!("{{{{ range(-{LARGEST} - 1) }}}}"),
        format!("{{{{ '%*d' % (-{LARGEST} - 1, 1) }}}}"),
        format!("{{{{ {LARGEST} | round(-38) }}}}"),
        // Work that a step does not show.
        "{% set a = 'x' * 20000000 %}{% set b = 'x' * 19999999 ~ 'x' %}\
         {% for i in range(99999) %}{% if a == b %}{% endif %}{% endfor %}"
            .into(),
        "{% set a = 'x' * 20000000 %}{% set b = ('x' * 19999999,) * 10000 %}\
         {% for i in range(99999) %}{% if a.endswith(b) %}{% endif %}{% endfor %}"
            .into(),
        "{% set a = {'x' * 20000000: 1} %}{% set b = 'x' * 19999999 ~ 'x' %}\
         {% for i in range(99999) %}{% set c = a.get(b) %}{% endfor %}"
            .into(),
        // Many small parts of a text that cost more than it does.
        "{{ ('\\n' * 20000000).splitlines() | length }}".into(),
        "{{ ('a ' * 10000000).split() | length }}".into(),
        "{{ ('a ' * 10000000).rsplit() | length }}".into(),
        "{{ ('ab' * 10000000).split('b') | length }}".into(),
        "{{ ('<' * 110000000) | escape }}".into(),
        "{{ strftime_now('%c' * 50000000) }}".into(),
        "{{ ('\\n' * 10000000) | wordwrap(9, true, 'x' * 100000) }}".into(),
        format!("{{{{ dict({}) }}}}", arguments(5000)),
        format!("{{% macro m({}) %}}{{% endmacro %}}", arguments(5000)),
    ];
    for source in sources {
        let start = &source[..source.len().min(120)];
        let result = ChatTemplate::new("strange", source.as_str()).and_then(|template| {
            template.render_messages(&NONE, None, Ending::Closed, &SpecialTokens::default())
        });
        let error = result.expect_err(start).to_string();
        assert!(error.starts_with("template `strange`, line 1: "), "{start}: {error}");
    }
}

/// The largest integer there is.
const LARGEST: i128 = i128::MAX;

/// A step that is done ninety times over to one value.
fn twice(step: &str) -> String {
    format!(
        "{{% set ns = namespace(x=('a',)) %}}{{% for i in range(90) %}}\
         {{% set ns.x = {step} %}}{{% endfor %}}"
    )
}

/// As many named arguments.
fn arguments(count: usize) -> String {
    (0..count).map(|place| format!("a{place}=1")).collect::<Vec<_>>().join(", ")
}

/// What looks as if it took for ever, or beyond all numbers, and need not.
#[test]
fn much_work_that_is_little_is_done() {
    let names: String = (0..60_000).map(|place| format!("{{{{ a{place} }}}}")).collect();
    let sources = [
        (format!("{{{{ 'x' | truncate({LARGEST}) }}}}"), "x"),
        (format!("{{{{ -{LARGEST} // 7 }}}}"), "-24305883351495604533098186245126300819"),
        (format!("{{{{ (-{LARGEST} - 1) // 3 }}}}"), "-56713727820156410577229101238628035243"),
        (format!("{{{{ {LARGEST} | round(-37) }}}}"), "170000000000000000000000000000000000000"),
        ("{{ '{:02000000,}'.format(1) | length }}".into(), "2000001"),
        ("{{ '{:010,}|{:{}}|'.format(-1, 'a', 3) }}".into(), "-0,000,001|a  |"),
        ("{{ ('x' * 3000000) | wordwrap(1) | length }}".into(), "5999999"),
        ("{{ ('-' * 3000000) | wordwrap(1000000) | length }}".into(), "3000002"),
        ("{{ ('a' * 1000000).strip('b' * 1000000 ~ 'a') | length }}".into(), "0"),
        (
            "{{ (range(50) | list + ['nan' | float] * 30 + range(50) | list) | sort | length }}"
                .into(),
            "130",
        ),
        (format!("{names}done"), "done"),
        // Cycles of cycles, whose depth is asked again and again.
        (twice("cycler(ns.x, ns.x)") + "done", "done"),
    ];
    for (source, expected) in sources {
        let start = &source[..source.len().min(120)];
        let template = ChatTemplate::new("much", source.as_str()).expect(start);
        let found = template.render_messages(&NONE, None, Ending::Closed, &special());
        assert_eq!(found.expect(start), expected, "{start}");
    }
    let mixed = "{{ (range(50) | list + ['a'] * 30) | sort }}";
    let template = ChatTemplate::new("mixed", mixed).expect(mixed);
    let found = template.render_messages(&NONE, None, Ending::Closed, &special());
    let error = found.expect_err(mixed).to_string();
    assert!(error.contains("'<' not supported between"), "{error}");
}

/// What makes endless chains of values without being refused is let go of without harm.
#[test]
fn chains_of_values_end_well() {
    let sources = [
        "{% set ns = namespace() %}{% set ns.cur = namespace() %}{% for i in range(50000) %}\
         {% set c = ns.cur %}{% set n = namespace() %}{% set c.child = n %}{% set ns.cur = n %}\
         {% endfor %}done",
        "{% set ns = namespace(m=1) %}{% for i in range(50000) %}{% set prev = ns.m %}\
         {% macro m() %}{{ prev }}{% endmacro %}{% set ns.m = m %}{% endfor %}done",
        "{% set ns = namespace() %}{% set ns.self = ns %}done",
    ];
    for source in sources {
        let template = ChatTemplate::new("chain", source).expect(source);
        let found = template.render_messages(&NONE, None, Ending::Closed, &special());
        assert_eq!(found.expect(source), "done");
    }
}

#[test]
fn generation_marks_are_told() {
    let source = "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}\
                  {% generation %}{{ m.content }}</s>{% endgeneration %}{% endif %}{% endfor %}";
    let template = ChatTemplate::new("marks", source).expect("a template");
    let messages = ["user", "assistant", "user", "assistant"]
        .map(|role| json!({"role": role, "content": "é"}));
    let found =
        template.render_marked(&messages, None, Ending::Closed, &special()).expect("a rendering");
    let marked: Vec<&str> =
        found.generated().iter().map(|range| &found.text()[range.clone()]).collect();
    assert_eq!(marked, ["é</s>", "é</s>"]);
}

/// What is not as expected, in words; `Null` stands for a refusal.
fn fault(
    kind: &str,
    source: &str,
    expected: &Value,
    found: iterit_core::Result<String>,
) -> Option<String> {
    match (expected.as_str(), found) {
        (Some(expected), Ok(found)) if expected == found => None,
        (None, Err(_)) => None,
        (expected, found) => {
            Some(format!("{kind}: {source}\n    expected {expected:?}\n    found    {found:?}"))
        }
    }
}

fn special() -> SpecialTokens {
    let token = |text: &str| Some(SpecialToken { text: text.into(), id: None });
    SpecialTokens {
        bos: token("<s>"),
        eos: token("</s>"),
        pad: token("<pad>"),
        unk: token("<unk>"),
        others: Vec::new(),
    }
}
