//! A start that is refused leaves nothing behind: every kind of refusal, by every command that writes.

use crate::support::{Project, checkpoint};
use serde_json::json;

/// The commands that leave something where all goes well, and `check`.
const TRAIN: &str = "train";
const CHECK: &str = "check";
const SCORE: &str = "score";
const SELECT: &str = "select";
const COMPARE: &str = "compare";

/// All of them, those that read a model, those that encode texts and mean to train.
const ALL: &[&str] = &[TRAIN, CHECK, SCORE, SELECT, COMPARE];
const WITH_MODEL: &[&str] = &[TRAIN, CHECK, SCORE, COMPARE];
const TRAINING: &[&str] = &[TRAIN, CHECK, COMPARE];

/// What each command is told where all is well.
const RIGHT: [(&str, &str); 5] = [
    ("--data", "data.json"),
    ("--model", "model"),
    ("--template", "chatml"),
    ("--plugins", "ifd,diversity"),
    ("--device", "cpu"),
];

/// The words of a command, with some options otherwise.
fn words<'a>(command: &'a str, otherwise: &[(&'a str, &'a str)]) -> Vec<&'a str> {
    let mut options = RIGHT.to_vec();
    match command {
        TRAIN => options.extend([("--ratio", "2"), ("--out", "made")]),
        CHECK => options.push(("--ratio", "2")),
        SCORE => options.push(("--out", "made/scores.jsonl")),
        SELECT => {
            options.retain(|(option, _)| !matches!(*option, "--model" | "--template" | "--device"));
            options.extend([("--scores", "scores.jsonl"), ("--budget", "2")]);
            options.extend([("--out", "made/picks.json"), ("--set", "data.eos_text=</s>")]);
        }
        _ => {
            options.retain(|(option, _)| *option != "--plugins");
            options.extend([("--arm", "ifd,diversity"), ("--seeds", "1,2"), ("--ratio", "2")]);
            options.extend([("--set", "data.eval_fraction=0.25"), ("--out", "made")]);
        }
    }
    for &(option, value) in otherwise {
        let option = if command == COMPARE && option == "--plugins" { "--arm" } else { option };
        match options.iter_mut().find(|it| it.0 == option && option != "--set") {
            Some(known) => known.1 = value,
            None => options.push((option, value)),
        }
    }
    let command = (command != TRAIN).then_some(command);
    command
        .into_iter()
        .chain(options.into_iter().flat_map(|(option, value)| [option, value]))
        .collect()
}

/// A folder with everything that the commands read, as it is right.
fn project() -> Project {
    let project = Project::new();
    let rows =
        (0..8).map(|place| json!({"instruction": format!("ask {place}"), "output": "a b c"}));
    project.write("data.json", serde_json::Value::from_iter(rows).to_string());
    let score = |id| format!("{{\"id\": {id}, \"score\": 0.5, \"eligible\": true}}\n");
    project.write("scores.jsonl", (0..8).map(score).collect::<String>());
    copy(&project, "model", "", |bytes| bytes);
    project
}

/// A model of ours, with one of its files otherwise.
fn copy(project: &Project, name: &str, file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    for entry in std::fs::read_dir(checkpoint("llama-tied")).expect("a model") {
        let path = entry.expect("a file").path();
        let its = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).expect("a file");
        let bytes = if its == file { change(bytes) } else { bytes };
        project.write(&format!("{name}/{its}"), bytes);
    }
}

/// Each of these commands fails with these words, and leaves files and folders as they were.
#[track_caller]
fn check(project: &Project, commands: &[&str], otherwise: &[(&str, &str)], said: &[&str]) {
    for command in commands {
        let before = project.entries();
        let outcome = project.run(words(command, otherwise)).failed(1, said);
        assert_eq!(outcome.stdout.matches("verdict").count(), 0, "{command}: {outcome}");
        assert_eq!(project.entries(), before, "{command} leaves something behind\n{outcome}");
    }
}

#[test]
fn all_goes_well_where_nothing_is_wrong() {
    for command in ALL.iter().filter(|&&command| command != COMPARE) {
        let project = project();
        project.run(words(command, &[("--set", "train.epochs=1")])).succeeded();
        assert_eq!(project.path("made").exists(), *command != CHECK, "{command}");
    }
}

#[test]
fn configurations() {
    let project = project();
    check(&project, ALL, &[("--set", "train.epoch=3")], &["unknown key `train.epoch`"]);
    check(&project, ALL, &[("--set", "seed=many")], &["`seed` is \"many\""]);
    check(&project, ALL, &[("--config", "none.toml")], &["none.toml"]);
    project.write("half.toml", "[train\nepochs = 1\n");
    check(&project, ALL, &[("--config", "half.toml")], &["half.toml"]);
    let held_out = [("--set", "train.patience=2")];
    check(&project, &[TRAIN], &held_out, &["no samples are held out"]);
}

#[test]
fn data_files() {
    let project = project();
    project.write("cut.json", r#"[{"instruction": "a", "output": "b"}, {"instr"#);
    project.write("other.json", r#"[{"question": "a", "reply": "b"}]"#);
    project.write("none.json", "[]");
    std::fs::create_dir(project.path("folder")).expect("a folder");
    for (data, said) in [
        ("nowhere.json", "nowhere.json"),
        ("cut.json", "cut.json"),
        ("other.json", "other.json"),
        ("none.json", "no sample"),
        ("folder", "folder"),
    ] {
        check(&project, ALL, &[("--data", data)], &[said]);
    }
}

#[test]
fn templates() {
    let project = project();
    project.write("broken.jinja", "{% for m in messages %}{{ m.content }}");
    project.write("never.jinja", "{{ raise_exception('not today') }}");
    check(&project, WITH_MODEL, &[("--template", "broken.jinja")], &["broken.jinja"]);
    check(&project, WITH_MODEL, &[("--template", "never.jinja")], &["not today"]);
    check(&project, WITH_MODEL, &[("--template", "chatlm")], &["chatlm"]);
    check(&project, WITH_MODEL, &[("--template", "name:tool_use")], &["tool_use"]);
}

#[test]
fn tokenizers() {
    let project = project();
    copy(&project, "half", "tokenizer.json", |bytes| bytes[..bytes.len() / 2].to_vec());
    copy(&project, "odd", "tokenizer_config.json", |_| b"[]".to_vec());
    copy(&project, "more", "tokenizer.json", |bytes| {
        let mut tokenizer: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        let known = tokenizer["model"]["vocab"].as_object().map_or(0, serde_json::Map::len);
        let added = json!({
            "id": known, "content": "ask", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        });
        tokenizer["added_tokens"].as_array_mut().expect("a list").push(added);
        tokenizer.to_string().into_bytes()
    });
    check(&project, WITH_MODEL, &[("--model", "half")], &["tokenizer.json"]);
    check(&project, WITH_MODEL, &[("--model", "odd")], &["tokenizer_config.json"]);
    check(&project, WITH_MODEL, &[("--model", "more")], &["(`ask`)", "hint:"]);
}

#[test]
fn models() {
    let project = project();
    let config = |key: &'static str, value: serde_json::Value| {
        move |bytes: Vec<u8>| {
            let mut config: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            config[key] = value.clone();
            config.to_string().into_bytes()
        }
    };
    copy(&project, "mamba", "config.json", config("model_type", json!("mamba")));
    copy(&project, "wide", "config.json", config("intermediate_size", json!(77)));
    copy(&project, "dropping", "config.json", config("attention_dropout", json!(0.5)));
    copy(&project, "half", "model.safetensors", |bytes| bytes[..bytes.len() / 2].to_vec());
    project.write("empty/config.json", "{}");
    for (model, said) in [
        ("nowhere", "nowhere"),
        ("empty", "empty"),
        ("mamba", "mamba"),
        ("wide", "77"),
        ("dropping", "attention_dropout"),
        ("half", "model.safetensors"),
    ] {
        check(&project, WITH_MODEL, &[("--model", model)], &[said]);
    }
    let proxy = [("--set", "model.proxy=nowhere"), ("--plugins", "superfilter")];
    check(&project, WITH_MODEL, &proxy, &["the proxy: `nowhere`"]);
    let device = [("--device", "cuda:7")];
    check(&project, WITH_MODEL, &device, &["cuda"]);
}

#[test]
fn plugins() {
    let project = project();
    project.write("text.so", "not a library");
    for (plugins, said) in [
        ("idf,diversity", "did you mean `ifd`?"),
        ("ifd,ifd", "plugin `ifd` is listed twice"),
        ("ifd,random,static", "2 strategy plugins"),
        ("ifd,./text.so", "text.so"),
    ] {
        check(&project, ALL, &[("--plugins", plugins)], &[said]);
    }
    // `score` opens no diversity scorer, so it does not ask one for its options.
    let option = [("--set", "plugins.diversity.decay=2")];
    check(&project, &[TRAIN, CHECK, SELECT, COMPARE], &option, &["`decay` is 2"]);
    let option = [("--set", "plugins.ifd.defnition=ppl")];
    check(&project, WITH_MODEL, &option, &["defnition"]);
    // What it needs, the run does not have.
    let needs = [("--plugins", "superfilter")];
    check(&project, WITH_MODEL, &needs, &["superfilter", "proxy"]);
    let fails = [("--plugins", "exec"), ("--set", "plugins.exec.command=false")];
    check(&project, &[TRAIN, SCORE], &fails, &["exec"]);
}

#[test]
fn trainings_that_would_change_nothing() {
    let project = project();
    let nothing = [("--set", "model.max_length=2")];
    check(&project, TRAINING, &nothing, &["no sample carries loss", "hint:"]);
    check(&project, TRAINING, &[("--ratio", "0.001")], &["0 of "]);
    check(&project, TRAINING, &[("--ratio", "5000")], &["5000 of "]);
    check(&project, &[SELECT], &[("--budget", "0")], &["--budget is 0"]);
    check(&project, &[SELECT], &[("--budget", "9")], &["--budget is 9"]);
    project.write("few.jsonl", "{\"id\": 0, \"score\": 0.5, \"eligible\": true}\n");
    check(&project, &[SELECT], &[("--scores", "few.jsonl")], &["no score of sample 1"]);
    // The end carries loss and nothing can be picked, which is known only when all are scored.
    project.write("empty.json", json!([{"instruction": "ask", "output": ""}]).to_string());
    let empty = [("--data", "empty.json"), ("--ratio", "1")];
    check(&project, &[TRAIN], &empty, &["none of 1 candidates is eligible"]);
}

#[test]
fn folders_that_are_someone_elses() {
    let project = project();
    project.write("made/thesis.tex", "precious");
    check(&project, &[TRAIN, COMPARE], &[], &["`made`"]);
}
