//! A comparison whose runs have a device each, pretended ones: what it finds does not depend on how many there are.

use crate::compare::{comparison, project};
use crate::phantom;
use crate::support::{Outcome, Project, data};
use serde_json::Value;
use std::collections::BTreeSet;

/// Two arms and what they are held against, on so many devices, as many runs side by side.
fn compare(project: &Project, devices: usize, more: &[&str]) -> Outcome {
    let mut host = project.host();
    phantom::lend(&mut host).env("PHANTOM_DEVICES", devices.to_string());
    host.args(["compare", "--arm", "ifd,diversity", "--arm", "length,static", "--seeds", "1,2"])
        .args(["--data", "data.json", "--device", "cuda", "--jobs", &devices.to_string()])
        .args(["--ratio", "12", "--set", "data.eval_fraction=0.25", "--set", "train.epochs=2"])
        .args(["--set", "train.batch=4", "--set", "train.learning_rate=1e-3"])
        .args(["--out", &format!("by-{devices}"), "--model"])
        .arg(data("demo/model"))
        .args(more);
    Outcome::of(&mut host).succeeded()
}

/// Files of a comparison's runs that hold no times and no device, by their names below it.
fn files(project: &Project, out: &str) -> Vec<(String, Vec<u8>)> {
    let is_timeless = |name: &String| {
        let ends = [
            "scores.jsonl",
            "selection.json",
            "losses.jsonl",
            "held-out.jsonl",
            "drawn.json",
            ".safetensors",
        ];
        ends.iter().any(|end| name.ends_with(end))
    };
    let names = project.files().into_iter().filter(is_timeless);
    let below = |name: String| name.strip_prefix(&format!("{out}/runs/")).map(str::to_owned);
    let file = |name: String| {
        let bytes = std::fs::read(project.path(&format!("{out}/runs/{name}"))).expect("a file");
        (name, bytes)
    };
    names.filter_map(below).map(file).collect()
}

/// Where each run was carried out.
fn devices(project: &Project, out: &str) -> BTreeSet<String> {
    let manifests = project.files().into_iter();
    let manifests = manifests.filter(|name| {
        name.starts_with(&format!("{out}/runs/")) && name.ends_with("manifest.json")
    });
    let device = |name: String| {
        let manifest: Value = serde_json::from_str(&project.read(&name)).expect("JSON");
        assert_eq!(manifest["environment"]["device"], manifest["model"]["device"]);
        manifest["environment"]["device"].as_str().expect("a device").to_owned()
    };
    manifests.map(device).collect()
}

#[track_caller]
fn check_same(more: &[&str]) {
    let project = project();
    compare(&project, 1, more);
    let said = compare(&project, 2, more).stderr;
    assert!(said.contains("2 at a time on 1 threads each, cuda:0 to cuda:1: about"), "{said}");
    let [one, two] = ["by-1", "by-2"].map(|out| files(&project, out));
    assert!(one.len() > 60, "{} files", one.len());
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&one), names(&two));
    for ((name, one), (_, two)) in one.iter().zip(&two) {
        assert!(one == two, "`{name}` is another");
    }
    let [one, two] = ["by-1", "by-2"].map(|out| comparison(&project, out));
    assert_eq!(format!("{:?}", one.pairs), format!("{:?}", two.pairs));
    assert_eq!(Vec::from_iter(devices(&project, "by-1")), ["cuda:0"]);
    assert_eq!(Vec::from_iter(devices(&project, "by-2")), ["cuda:0", "cuda:1"]);
}

#[test]
fn runs_on_two_devices_are_those_on_one() {
    check_same(&[]);
}

/// Frozen weights lie once on each device.
#[test]
fn adapters_on_two_devices_are_those_on_one() {
    check_same(&["--set", "train.lora.rank=4", "--set", "train.lora.dropout=0.1"]);
}
