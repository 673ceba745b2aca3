//! What goes wrong at a user's hands: one clear error, exit code 1, nothing written.

use crate::support::{Outcome, Project, data};
use serde_json::json;
use std::path::Path;

/// A command that would train, but for what a case changes.
struct Attempt {
    project: Project,
    model: String,
    data: String,
    plugins: String,
    more: Vec<String>,
}

impl Attempt {
    fn new() -> Self {
        Self {
            project: Project::new(),
            model: text(&data("demo/model")),
            data: text(&data("demo/instructions.json")),
            plugins: "ifd,diversity".into(),
            more: Vec::new(),
        }
    }

    /// Data of its own.
    fn data(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.data = text(&self.project.write(name, content));
        self
    }

    fn more(mut self, arguments: &[&str]) -> Self {
        self.more.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// A copy of the demo's model with one file changed.
    fn model_with(mut self, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        let origin = data("demo/model");
        for entry in std::fs::read_dir(&origin).expect("the demo's model") {
            let path = entry.expect("an entry").path();
            let file = path.file_name().expect("a name").to_string_lossy().into_owned();
            self.project.write(&format!("model/{file}"), std::fs::read(&path).expect("a file"));
        }
        let changed = change(std::fs::read(origin.join(name)).expect("a file"));
        self.project.write(&format!("model/{name}"), changed);
        self.model = text(&self.project.path("model"));
        self
    }

    /// Runs into exit code 1 with each of these words, and leaves no run behind.
    fn fails(self, said: &[&str]) {
        let mut arguments = vec!["--model", &self.model, "--data", &self.data, "--out", "run"];
        arguments.extend(["--plugins", &self.plugins, "--device", "cpu"]);
        arguments.extend(self.more.iter().map(String::as_str));
        let outcome = self.project.run(arguments).failed(1, said);
        assert_eq!(outcome.stdout, "", "stdout is for data");
        assert!(!outcome.stderr.contains("panicked"), "{outcome}");
        assert!(!self.project.path("run").exists(), "a failed start left a run behind");
    }
}

fn text(path: &Path) -> String {
    path.to_str().expect("a path of UTF-8").to_owned()
}

fn alpaca(rows: &[(&str, &str)]) -> String {
    let row = |&(instruction, output): &(&str, &str)| json!({"instruction": instruction, "input": "", "output": output});
    serde_json::Value::from_iter(rows.iter().map(row)).to_string()
}

#[test]
fn data_that_is_none() {
    let mut missing = Attempt::new();
    missing.data = "nowhere.json".into();
    missing.fails(&["nowhere.json", "No such file"]);
    Attempt::new()
        .data("cut.json", r#"[{"instruction": "a", "output": "b"}, {"instr"#)
        .fails(&["cut.json"]);
    Attempt::new().data("empty.json", "").fails(&["empty.json", "no sample"]);
    Attempt::new().data("none.json", "[]").fails(&["none.json", "no sample"]);
    Attempt::new().data("text.json", "hello").fails(&["text.json"]);
    Attempt::new()
        .data(
            "types.json",
            r#"[{"instruction": "a", "output": "b"}, {"instruction": 7, "output": "b"}]"#,
        )
        .fails(&["types.json", "row 1", "`instruction`"]);
    Attempt::new()
        .data(
            "rows.jsonl",
            "{\"instruction\": \"a\", \"output\": \"b\"}\n{\"instruction\": \"a\"}\n",
        )
        .fails(&["rows.jsonl", "`output`"]);
}

#[test]
fn independent_faults_are_named_at_once() {
    let mut attempt = Attempt::new().data("none.json", "[]");
    attempt.model = "no-model".into();
    attempt.plugins = "idf,diversity".into();
    attempt.fails(&["did you mean `ifd`?", "none.json`: no sample", "no-model`: no such folder"]);
}

#[test]
fn data_that_is_too_much_for_the_model() {
    let long = "word ".repeat(5000);
    Attempt::new()
        .data("long.json", alpaca(&[(&long, "yes"), (&long, "no")]))
        .more(&["--ratio", "1"])
        .fails(&["no sample carries loss, so training would change nothing"]);
}

#[test]
fn budgets_that_pick_nothing_or_more_than_there_is() {
    Attempt::new().more(&["--ratio", "0"]).fails(&[
        "--ratio",
        "selection.ratio",
        "expected a share",
    ]);
    Attempt::new().more(&["--ratio", "0.0001"]).fails(&["0 of 2000 samples an epoch"]);
    Attempt::new().more(&["--ratio", "5000"]).fails(&["5000 of 2000 samples an epoch"]);
    Attempt::new().more(&["--ratio", "-1"]).fails(&["selection.ratio"]);
}

#[test]
fn keys_that_are_unknown() {
    let attempt = Attempt::new();
    let config = attempt.project.write("compare.toml", "[compare]\narms = [\"ifd\"]\n");
    attempt
        .more(&["--config", &text(&config)])
        .fails(&["[compare] belongs to a comparison", "hint: iterit-host compare FILE"]);
    Attempt::new()
        .more(&[
            "--set",
            "train.epoch=3",
            "--set",
            "selection.ration=0.1",
            "--set",
            "train.epochs=many",
        ])
        .fails(&[
            "--set train.epoch: unknown key `train.epoch`, the nearest is `train.epochs`",
            "`selection.ration`, the nearest is `selection.ratio`",
            "`train.epochs` is \"many\", expected a whole number, 1 or more",
        ]);
    Attempt::new()
        .more(&["--set", "plugins.ifd.defnition=ppl_ratio", "--set", "plugins.diversity.decay=x"])
        .fails(&["[plugins.ifd]", "defnition", "[plugins.diversity]", "decay"]);
    Attempt::new()
        .more(&["--set", "plugins.divresity.decay=0.5", "--set", "plugins.random.x=1"])
        .fails(&["`plugins.divresity`: there is no plugin", "did you mean `plugins.diversity`?"]);
    let attempt = Attempt::new();
    let config = attempt.project.write("iterit.toml", "seed = 1\n\n[train]\nlearning_rte = 1e-3\n");
    attempt.more(&["--config", &text(&config)]).fails(&["iterit.toml", "4", "train.learning_rate"]);
}

#[test]
fn plugins_that_are_none() {
    let with = |plugins: &str| Attempt { plugins: plugins.into(), ..Attempt::new() };
    with("idf,diversity").fails(&["unknown plugin `idf`", "did you mean `ifd`?"]);
    with("ifd,ifd").fails(&["plugin `ifd` is listed twice"]);
    with("ifd,random,static").fails(&["2 strategy plugins", "`random` and `static`"]);
    with("./nowhere.so").fails(&["./nowhere.so"]);

    let attempt = Attempt::new();
    attempt.project.write("text.so", "not a library");
    let ours = std::fs::read(crate::support::built().plugins.join("libiterit_plugin_ifd.so"));
    let ours = ours.expect("the plugin");
    attempt.project.write("truncated.so", &ours[..ours.len() / 2]);
    let mut foreign = ours.clone();
    foreign[18] = 183; // e_machine: AArch64
    attempt.project.write("foreign.so", foreign);
    Attempt { plugins: "./text.so,./truncated.so,./foreign.so".into(), ..attempt }.fails(&[
        "text.so",
        "truncated.so",
        "foreign.so",
        "aarch64",
    ]);

    let libm = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib64/libm.so.6"];
    if let Some(libm) = libm.iter().find(|path| Path::new(path).exists()) {
        with(libm).fails(&[libm, "no iterit plugin"]);
    }
}

#[test]
fn models_that_are_none() {
    let mut missing = Attempt::new();
    missing.model = "nowhere".into();
    missing.fails(&["nowhere"]);
    Attempt::new()
        .model_with("config.json", |bytes| {
            let mut config: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            config["architectures"] = json!(["MambaForCausalLM"]);
            config["model_type"] = json!("mamba");
            config.to_string().into_bytes()
        })
        .fails(&["MambaForCausalLM", "LlamaForCausalLM"]);
    Attempt::new()
        .model_with("model.safetensors", |bytes| bytes[..bytes.len() / 2].to_vec())
        .fails(&["model.safetensors"]);
    let edit = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| {
            // The header is text; both names are equally long, so no offset moves.
            let place = bytes.windows(from.len()).position(|window| window == from.as_bytes());
            let place = place.expect("the tensor is there");
            let mut changed = bytes.clone();
            changed[place..place + from.len()].copy_from_slice(to.as_bytes());
            changed
        }
    };
    Attempt::new()
        .model_with("model.safetensors", edit("model.norm.weight", "model.morn.weight"))
        .fails(&["model.norm.weight", "model.morn.weight"]);
    Attempt::new()
        .model_with("config.json", |bytes| {
            let mut config: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            config["intermediate_size"] = json!(77);
            config.to_string().into_bytes()
        })
        .fails(&["mlp", "77"]);
}

#[test]
fn folders_that_are_in_use() {
    let attempt = Attempt::new();
    attempt.project.write("run/thesis.tex", "precious");
    let arguments = ["--model", &attempt.model, "--data", &attempt.data, "--out", "run"];
    attempt.project.run(arguments).failed(1, &["`run` is not empty", "--resume"]);
    assert_eq!(attempt.project.files(), ["run/thesis.tex"]);
    let resume = arguments.into_iter().chain(["--resume"]);
    attempt.project.run(resume).failed(1, &["holds no run"]);
}

#[test]
fn scores_that_do_not_fit_the_data() {
    let project = Project::new();
    project.write("data.json", alpaca(&[("a", "alpha beta"), ("b", "gamma delta")]));
    let select = |scores: &str, budget: &str| -> Outcome {
        project.write("scores.jsonl", scores);
        project.run([
            "select",
            "--data",
            "data.json",
            "--scores",
            "scores.jsonl",
            "--plugins",
            "diversity",
            "--budget",
            budget,
            "--out",
            "selection.json",
            "--set",
            "data.eos_text=</s>",
        ])
    };
    let row = |id: u32| format!("{{\"id\": {id}, \"score\": 0.5, \"eligible\": true}}\n");
    select(&row(0), "1").failed(1, &["no score of sample 1"]);
    select(&(row(0) + &row(0)), "1").failed(1, &["line 2", "`id` 0 occurs twice"]);
    select(&(row(0) + &row(7)), "1").failed(1, &["line 2", "`id` is 7"]);
    select("{\"score\": 0.5, \"eligible\": true}\n", "1").failed(1, &["line 1", "`id`"]);
    let both = row(0) + &row(1);
    let negative = row(0) + "{\"id\": 1, \"score\": -1.0, \"eligible\": true}\n";
    select(&negative, "1").failed(1, &["line 2: `score` is -1.0, expected 0 or more"]);
    select(&both, "0").failed(1, &["--budget is 0, expected 1 to 2"]);
    select(&both, "3").failed(1, &["--budget is 3, expected 1 to 2"]);
    assert!(!project.path("selection.json").exists());
    let selected = select(&both, "2").succeeded();
    assert_eq!(selected.stderr, "", "a pick by scores has nothing to say of a strategy");
}

/// A command that asks the demo's model about a few rows.
fn ask(project: &Project, arguments: &[&str]) -> std::process::Command {
    project.write("rows.json", alpaca(&[("a", "alpha beta"), ("b", "gamma delta")]));
    let mut host = project.host();
    host.args(arguments).args(["--data", "rows.json", "--model", &text(&data("demo/model"))]);
    host
}

#[test]
fn scores_of_no_sample() {
    let project = Project::new();
    let mut none = ask(&project, &["score", "--plugins", "ifd", "--limit", "0"]);
    Outcome::of(&mut none).failed(2, &["'0'", "--limit <N>"]);
    let mut one = ask(&project, &["score", "--plugins", "ifd", "--limit", "1", "--device", "cpu"]);
    let scored = Outcome::of(&mut one).succeeded();
    assert!(!scored.stderr.contains("strategy"), "scoring has no use for one\n{scored}");
    let mut none = ask(&project, &["score", "--plugins", "diversity", "--device", "cpu"]);
    Outcome::of(&mut none).failed(1, &["--plugins diversity names no complexity scorer"]);
}

/// What a program said on its stderr is quoted, not told as faults of its own.
#[test]
fn a_fault_is_one_error() {
    let project = Project::new();
    let command =
        r#"plugins.exec.command=["sh", "-c", "for i in 1 2 3; do echo line $i >&2; done; exit 3"]"#;
    let mut fails =
        ask(&project, &["score", "--plugins", "exec", "--set", command, "--device", "cpu"]);
    let said = Outcome::of(&mut fails).failed(1, &["plugin `exec`", "line 3"]);
    assert_eq!(said.stderr.matches("error:").count(), 1, "{said}");
}

#[test]
fn pages_that_have_no_place() {
    let project = Project::new();
    std::fs::create_dir(project.path("folder")).expect("a folder");
    for (out, said) in [
        (
            "folder",
            "--out `folder` is a folder, expected a file for the page\nhint: --out folder/report.html",
        ),
        ("nowhere/", "--out `nowhere/` is a folder"),
        ("nowhere/page.html", "there is no folder `nowhere`\nhint: make it, or name another file"),
    ] {
        project.run(["report", "run", "--out", out]).failed(1, &[said]);
        assert!(!project.path("nowhere").exists());
    }
}

/// Something of a GPU is there, and the CPU is used: said once, with the reason.
#[test]
fn a_gpu_that_auto_does_not_use() {
    let project = Project::new();
    project.write("lib/libtorch_cuda.so", "no library");
    let auto = |libraries: Option<&str>| {
        let proxy = format!("model.proxy={}", text(&data("demo/model")));
        let mut host = ask(&project, &["eval", "--device", "auto", "--set", &proxy]);
        match libraries {
            Some(folder) => host.env("ITERIT_LIBTORCH_CUDA", project.path(folder)),
            None => host.env_remove("ITERIT_LIBTORCH_CUDA"),
        };
        Outcome::of(&mut host).succeeded()
    };
    let said = auto(Some("lib"));
    assert_eq!(said.stderr.matches("--device auto takes the CPU").count(), 1, "{said}");
    assert!(said.stderr.contains("lib/libtorch_cuda.so"), "{said}");
    let said = auto(Some("none"));
    assert!(said.stderr.contains("found no libtorch_cuda.so in "), "{said}");
    let has_gpu = Path::new("/dev/nvidiactl").exists() || Path::new("/proc/driver/nvidia").exists();
    let said = auto(None);
    assert!(has_gpu || !said.stderr.contains("takes the CPU"), "{said}");
}

#[test]
fn a_proxy_that_is_none() {
    let with = |proxy: &str| {
        let set = format!("model.proxy={proxy}");
        Attempt { plugins: "superfilter".into(), ..Attempt::new() }.more(&["--set", &set])
    };
    with("nowhere").fails(&["the proxy: `nowhere`: no such folder"]);
    let attempt = with("proxy");
    attempt.project.write("proxy/tokenizer.json", "{}");
    attempt.fails(&["the proxy: `proxy`"]);
}

/// A disk of 256 KiB: the model is larger, so the first write that does not fit fails.
#[test]
fn a_disk_that_is_full() {
    let project = Project::new();
    std::fs::create_dir(project.path("disk")).expect("a folder");
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(project.path("disk"))
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: a small disk cannot be mounted without root");
        return;
    }
    let outcome = project.run([
        "--model",
        &text(&data("demo/model")),
        "--data",
        &text(&data("demo/instructions.json")),
        "--plugins",
        "random",
        "--ratio",
        "8",
        "--out",
        "disk/run",
        "--device",
        "cpu",
        "--set",
        "train.epochs=1",
    ]);
    let left = project.files();
    let unmounted = std::process::Command::new("umount").arg(project.path("disk")).status();
    assert!(unmounted.is_ok_and(|status| status.success()));
    outcome.failed(1, &["No space left on device"]);
    assert!(left.iter().all(|file| !file.contains(".partial")), "half-written: {left:?}");
}
