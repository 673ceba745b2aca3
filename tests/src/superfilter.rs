//! `superfilter` on texts without a template is the published Superfiltering definition, filter, texts,
//! windows and all. Expected values: `tests/golden/superfilter.py`.

use crate::golden::{self, array, number};
use crate::support::{Outcome, Project, checkpoint, data, scores_of};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Relative; transformers answered in float64, the host in float32.
const TOLERANCE: f64 = 1e-5;

#[test]
fn scores_are_those_of_the_published_definition() {
    let golden = golden::committed("superfilter.json");
    for case in array(&golden, "cases") {
        let project = Project::new();
        filter(&project, case);
        let rows = number(&golden["rows"]).to_string();
        let window = format!("model.max_length={}", case["window"]);
        let mut host = project.host();
        host.args(["score", "--plugins", "superfilter", "--device", "cpu", "--limit", &rows])
            .args(["--out", "scores.jsonl", "--set", "model.proxy=filter"])
            .args(["--set", "model.proxy_texts=raw", "--set", "model.dtype=float32"])
            .args(["--model".as_ref(), data("demo/model").as_os_str()])
            .args(["--data".as_ref(), data("demo/instructions.json").as_os_str()]);
        if case["window"] != 256 {
            host.args(["--set", &window]);
        }
        Outcome::of(&mut host).succeeded();
        let lines = scores_of(&project.read("scores.jsonl"));
        let samples = array(case, "samples");
        assert_eq!(lines.len(), samples.len());
        assert_eq!(lines[0]["texts"]["proxy_texts"], "raw");
        for (line, expected) in lines.iter().zip(samples) {
            check(line, expected, case);
        }
    }
}

#[test]
fn scores_made_under_other_rules_for_the_proxy_are_not_mixed() {
    let project = Project::new();
    let golden = golden::committed("superfilter.json");
    filter(&project, &array(&golden, "cases")[0]);
    let rows = json!([{"instruction": "Say red.", "output": "Red."}, {"instruction": "Say blue.", "output": "Blue."}]);
    project.write("rows.json", rows.to_string());
    let mut score = project.host();
    score
        .args(["score", "--plugins", "superfilter", "--device", "cpu", "--out", "scores.jsonl"])
        .args(["--data", "rows.json", "--set", "model.proxy=filter"])
        .args(["--set", "model.proxy_texts=raw", "--model"])
        .arg(data("demo/model"));
    Outcome::of(&mut score).succeeded();
    let select = |setting: &[&str]| {
        let mut host = project.host();
        host.args([
            "select",
            "--scores",
            "scores.jsonl",
            "--plugins",
            "diversity",
            "--budget",
            "1",
        ])
        .args(["--data", "rows.json", "--set", "data.eos_text=</s>"])
        .args(setting);
        Outcome::of(&mut host)
    };
    select(&[]).succeeded();
    select(&["--set", "model.proxy_texts=raw"]).succeeded();
    let said = ["model.proxy_texts=raw, but", "model.proxy_texts=published"];
    select(&["--set", "model.proxy_texts=published"]).failed(1, &said);
}

#[test]
fn raw_texts_take_no_template() {
    let project = Project::new();
    let mut host = project.host();
    host.args(["check", "--set", "data.texts=raw", "--dump", "rows.jsonl"])
        .args(["--model".as_ref(), data("demo/model").as_os_str()])
        .args(["--data".as_ref(), data("demo/instructions.json").as_os_str()]);
    Outcome::of(&mut host).succeeded();
    let rows = scores_of(&project.read("rows.jsonl"));
    let rendered = rows[0]["rendered"].as_str().expect("a text");
    let all: Value =
        serde_json::from_slice(&fs::read(data("demo/instructions.json")).expect("the demo"))
            .expect("JSON");
    let text = |name: &str| all[0][name].as_str().expect("a text");
    let expected = format!("{}\n{}\n{}", text("instruction"), text("input"), text("output"));
    assert_eq!(rendered, expected);
    host.args(["--set", "data.template=chatml"]);
    Outcome::of(&mut host).failed(1, &["`data.template` is set, but data.texts = \"raw\""]);
}

fn check(line: &Value, expected: &Value, case: &Value) {
    let parts = &line["parts"]["superfilter"];
    let about = format!("{} {}: {line}", case["architecture"], case["window"]);
    if expected["ifd"].is_null() {
        assert!(line["score"].is_null() && line["eligible"] == false, "{about}");
        return;
    }
    for (found, name) in [
        (&line["score"], "ifd"),
        (&parts["conditional_nll"], "conditional_nll"),
        (&parts["unconditional_nll"], "unconditional_nll"),
    ] {
        let (found, expected) = (number(found), number(&expected[name]));
        assert!((found - expected).abs() <= TOLERANCE * expected, "{expected}, {about}");
    }
    assert_eq!(number(&parts["tokens"]), number(&expected["tokens"]), "{about}");
}

/// A checkpoint of `golden/architectures` with a tokenizer that may put a bos before each text.
fn filter(project: &Project, case: &Value) {
    let architecture = case["architecture"].as_str().expect("a name");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/architectures");
    let read = |path: &Path| fs::read(path).expect("a file");
    for file in ["config.json", "model.safetensors"] {
        project.write(&format!("filter/{file}"), read(&folder.join(architecture).join(file)));
    }
    let tokenizer = |file: &str| read(&checkpoint("llama-tied").join(file));
    project.write("filter/tokenizer_config.json", tokenizer("tokenizer_config.json"));
    let mut tokenizer: Value = serde_json::from_slice(&tokenizer("tokenizer.json")).expect("JSON");
    if case["bos"] == true {
        let bos = tokenizer["added_tokens"][1]["content"].clone();
        let bos = bos.as_str().expect("a text").to_owned();
        let special = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
        let text = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [special(&bos), text("A")],
            "pair": [special(&bos), text("A"), text("B")],
            "special_tokens": {bos.clone(): {"id": bos, "ids": [1], "tokens": [bos]}},
        });
    }
    project.write("filter/tokenizer.json", tokenizer.to_string());
}
