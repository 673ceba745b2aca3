//! What the program does on CUDA, on a pretended GPU: the same as on the CPU, to the bit where the kernels are the same.

use crate::phantom::{self, Report};
use crate::support::{Outcome, Project, data};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Samples of the demo: few enough that a batch of each device's size holds all that belong together.
const SAMPLES: usize = 48;

/// A folder with some of the demo's data.
fn project() -> Project {
    let project = Project::new();
    let text = fs::read(data("demo/instructions.json")).expect("the demo's data");
    let rows: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    project.write("data.json", Value::from(rows[..SAMPLES].to_vec()).to_string());
    project
}

/// Training on a device, named like the folder that it writes: two epochs of two steps. Padded, for that is what has the
/// CPU's kernels; `on_cuda_flattened.rs` holds the other layout to it.
fn train(project: &Project, device: &str, out: &str, more: &[&str]) -> Command {
    let mut host = project.host();
    host.args(["--ratio", "8", "--device", device, "--out", out, "--data", "data.json"])
        .args(["--set", "train.epochs=2", "--set", "train.batch=4", "--set", "train.micro_batch=2"])
        .args(["--set", "train.learning_rate=1e-3"])
        .args(more)
        .arg("--model")
        .arg(data("demo/model"));
    phantom::lend(&mut host).env("ITERIT_LAYOUT", "padded");
    host
}

/// A folder with runs of both devices, in folders of their names.
fn on_both(more: &[&str]) -> Project {
    let project = project();
    for device in ["cpu", "cuda"] {
        Outcome::of(&mut train(&project, device, device, more)).succeeded();
    }
    project
}

fn selected(project: &Project, run: &str, epoch: usize) -> Value {
    let text = project.read(&format!("{run}/epochs/{epoch}/selection.json"));
    serde_json::from_str::<Value>(&text).expect("a selection")["selected"].clone()
}

/// Equal picks and losses, and weights that are equal to the bit.
#[track_caller]
fn check_same(project: &Project, one: &str, other: &str, of: &[&str]) {
    for epoch in 0..2 {
        let [of_one, of_other] = [one, other].map(|run| selected(project, run, epoch));
        assert_eq!(of_one, of_other, "{of:?}: picks of epoch {epoch}");
        let losses = |run: &str| project.read(&format!("{run}/epochs/{epoch}/losses.jsonl"));
        assert_eq!(losses(one), losses(other), "{of:?}: losses of epoch {epoch}");
    }
    assert!(weights(project, one) == weights(project, other), "{of:?}: the weights differ");
}

fn weights(project: &Project, run: &str) -> Vec<u8> {
    fs::read(project.path(&format!("{run}/model/model.safetensors"))).expect("weights")
}

#[test]
fn training_in_float32_and_all_that_a_model_is_asked() {
    let proxy = format!("model.proxy={}", data("demo/model").display());
    let project = on_both(&[
        "--plugins",
        "ifd,superfilter,k-center",
        "--set",
        "model.dtype=float32",
        "--set",
        "data.eval_fraction=0.2",
        "--set",
        "train.activation_checkpointing=true",
        "--set",
        &proxy,
    ]);
    // CUDA's kernel takes no grouped queries in float32, so keys are repeated and sums run in another order.
    for epoch in 0..2 {
        let [cpu, cuda] = ["cpu", "cuda"].map(|run| selected(&project, run, epoch));
        assert_eq!(cpu, cuda, "picks of epoch {epoch}");
        let [cpu, cuda] = ["cpu", "cuda"].map(|run| {
            let text = project.read(&format!("{run}/epochs/{epoch}/losses.jsonl"));
            text.lines()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .collect::<Vec<Value>>()
        });
        assert_eq!(cpu.len(), cuda.len());
        for (cpu, cuda) in cpu.iter().zip(&cuda) {
            assert_eq!(cpu["id"], cuda["id"]);
            close(cpu["loss"].as_f64().expect("a loss"), cuda["loss"].as_f64().expect("a loss"));
        }
    }
}

#[test]
fn training_in_both_bfloat16s() {
    for dtype in ["model.dtype=bfloat16", "model.dtype=bfloat16-pure"] {
        let more = ["--plugins", "ppl,facility-location", "--set", dtype];
        check_same(&on_both(&more), "cpu", "cuda", &more);
    }
}

/// The device is not part of what a run is: begun on the CPU, it goes on on a GPU.
#[test]
fn a_run_goes_on_on_another_device() {
    let project = project();
    let more = [
        "--plugins",
        "ifd,diversity",
        "--set",
        "output.save_every=1",
        "--set",
        "output.keep=9",
        "--set",
        "model.dtype=bfloat16",
    ];
    for out in ["whole", "moved"] {
        Outcome::of(&mut train(&project, "cpu", out, &more)).succeeded();
    }
    // As if it had been killed after its second step.
    for left in ["checkpoints/step-3", "checkpoints/step-4", "model"] {
        fs::remove_dir_all(project.path(&format!("moved/{left}"))).expect(left);
    }
    let resumed = Outcome::of(train(&project, "cuda", "moved", &more).arg("--resume")).succeeded();
    assert!(resumed.stderr.contains("cuda"), "{resumed}");
    check_same(&project, "whole", "moved", &more);
}

/// What is asked of a model that is not trained, a comparison, and an export of a run that was on a GPU.
#[test]
fn every_other_command() {
    let project = project();
    let on = |device: &str, arguments: &[&str]| {
        let mut host = project.host();
        host.args(arguments).args(["--data", "data.json", "--device", device]);
        phantom::lend(host.arg("--model").arg(data("demo/model")));
        Outcome::of(&mut host).succeeded()
    };
    for device in ["cpu", "cuda"] {
        let out = format!("{device}.jsonl");
        on(device, &["score", "--plugins", "ifd", "--out", &out]);
        let out = format!("compared-{device}");
        let small =
            ["--arm", "ifd,static", "--arm", "length,static", "--seeds", "1,2", "--ratio", "4"];
        let short = [
            "--set",
            "train.epochs=1",
            "--set",
            "train.batch=4",
            "--set",
            "data.eval_fraction=0.25",
        ];
        on(device, &[&["compare", "--out", &out][..], &small, &short].concat());
    }
    let evaluated = ["cpu", "cuda"].map(|device| {
        let outcome = on(device, &["eval"]);
        serde_json::from_str::<Value>(&outcome.stdout).expect("JSON")["loss"]
            .as_f64()
            .expect("a loss")
    });
    close(evaluated[0], evaluated[1]);
    let scores = ["cpu", "cuda"].map(|device| scores(&project.read(&format!("{device}.jsonl"))));
    assert_eq!(scores[0].len(), scores[1].len());
    scores[0].iter().zip(&scores[1]).for_each(|(&cpu, &cuda)| close(cpu, cuda));
    let differences = ["cpu", "cuda"].map(|device| {
        let text = project.read(&format!("compared-{device}/comparison.json"));
        let comparison: Value = serde_json::from_str(&text).expect("a comparison");
        numbers(&comparison["pairs"])
    });
    assert!(!differences[0].is_empty() && differences[0].len() == differences[1].len());
    differences[0].iter().zip(&differences[1]).for_each(|(&cpu, &cuda)| close(cpu, cuda));

    Outcome::of(&mut train(&project, "cuda", "run", &["--plugins", "random"])).succeeded();
    project.run(["export", "run", "--out", "exported"]).succeeded();
    let exported = fs::read(project.path("exported/model.safetensors")).expect("weights");
    assert!(exported == weights(&project, "run"), "the export differs");
}

/// Batches are larger on a GPU, so that the last bits of a loss may differ.
#[track_caller]
fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-5 * (1.0 + a.abs()), "{a} on the CPU, {b} on the GPU");
}

fn scores(text: &str) -> Vec<f64> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    lines.filter_map(|line| line["score"].as_f64()).collect()
}

/// All numbers below a value, in order.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Number(number) => number.as_f64().into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Object(fields) => fields.values().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

/// Everything that a model does happens on the device that was named, also on a second one.
#[test]
fn a_device_that_is_named_is_the_one_that_works() {
    let project = project();
    let short = ["--plugins", "random", "--set", "train.epochs=1"];
    for (device, works) in [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1")] {
        let mut host = train(&project, device, &device.replace(':', "-"), &short);
        phantom::lend_counted(&mut host, &project.path("report.json")).env("PHANTOM_DEVICES", "2");
        Outcome::of(&mut host).succeeded();
        assert_eq!(Report::read(&project, "report.json").devices(), [works], "{device}");
    }
}

/// What is missing is said in a line with what to do, and nothing else is printed.
#[test]
fn devices_that_are_not_there() {
    let project = project();
    let other = other_torch(&project, "2.12.0+cu132");
    project.write("broken/libtorch_cuda.so", "no library");
    let eval = |device: &str| {
        let mut host = project.host();
        host.args(["eval", "--data", "data.json", "--device", device]);
        phantom::lend(host.arg("--model").arg(data("demo/model")));
        host
    };
    let check = |host: &mut Command, said: &[&str]| {
        let outcome = Outcome::of(host).failed(1, said);
        let is_other =
            |line: &&str| !line.starts_with("hint: ") && !line.starts_with("`data.json`: ");
        assert_eq!(outcome.stderr.lines().filter(is_other).count(), 1, "{outcome}");
    };
    check(&mut eval("cuda:1"), &["error: device `cuda:1`: there is one CUDA device, cuda:0"]);
    check(
        eval("cuda:2").env("PHANTOM_DEVICES", "2"),
        &["device `cuda:2`: there are 2 CUDA devices, cuda:0 to cuda:1"],
    );
    check(
        eval("cuda").env("PHANTOM_DEVICES", "0"),
        &["device `cuda:0`: no NVIDIA driver or no GPU that it can use\nhint: `nvidia-smi` should"],
    );
    check(
        eval("cuda").env("ITERIT_LIBTORCH_CUDA", &other),
        &[
            "device `cuda:0`: torch 2.12.0+cu132 in `",
            "named by ITERIT_LIBTORCH_CUDA is not torch 2.11\nhint: set",
        ],
    );
    check(
        eval("cuda").env("ITERIT_LIBTORCH_CUDA", project.path("broken")),
        &["device `cuda:0`: ", "broken/libtorch_cuda.so"],
    );
    check(
        eval("cuda").env("ITERIT_LIBTORCH_CUDA", project.path("none")),
        &[
            "found no libtorch_cuda.so in `",
            "none`\nhint: set ITERIT_LIBTORCH_CUDA to the `torch/lib`",
        ],
    );
}

/// The `torch/lib` of a PyTorch of this version, with the pretended GPU for its CUDA half.
fn other_torch(project: &Project, version: &str) -> std::path::PathBuf {
    let script = format!("__version__ = '{version}'\ncuda: Optional[str] = '13.2'\n");
    project.write(&format!("torch-{version}/version.py"), script);
    let library = fs::read(phantom::folder().join("libtorch_cuda.so")).expect("the pretended GPU");
    let path = project.write(&format!("torch-{version}/lib/libtorch_cuda.so"), library);
    path.parent().expect("a folder").to_owned()
}

/// An installed PyTorch is found by way of the active Python environment, and taken where it fits.
#[test]
fn doctor_tells_of_every_cuda_half() {
    let project = project();
    let ours = other_torch(&project, "2.11.0+cu130");
    let theirs = other_torch(&project, "2.12.0+cu132");
    let doctor = |lib: &Path| {
        // A Python that has this torch.
        let package = lib.parent().expect("a package").display();
        let python = project.write("env/bin/python3", format!("#!/bin/sh\necho '{package}'\n"));
        fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("a script");
        let mut host = project.host();
        host.arg("doctor")
            .env("VIRTUAL_ENV", project.path("env"))
            .env_remove("ITERIT_LIBTORCH_CUDA");
        host.env("PHANTOM_MEMORY", (3u64 << 30).to_string());
        Outcome::of(&mut host).succeeded().stdout
    };
    let said = doctor(&ours);
    for words in [
        "cuda half   torch 2.11.0+cu130 in `",
        "env/bin/python3`; for CUDA 13.2",
        "cuda:0, 3.0 of 3.0 GiB free",
        "nccl        ",
    ] {
        assert!(said.contains(words), "no `{words}` in\n{said}");
    }
    let said = doctor(&theirs);
    for words in [
        "torch 2.12.0+cu132 in `",
        "is not torch 2.11",
        "cuda        found no libtorch_cuda.so in ",
    ] {
        assert!(said.contains(words), "no `{words}` in\n{said}");
    }
}
