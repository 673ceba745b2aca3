//! The tokens of many samples are kept beside the run: another run on the same data takes them and is the same; other
//! data, rules or a broken file are as if nothing was kept.

use crate::support::{Outcome, Project, data};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// As many as are kept from.
const ROWS: usize = 10_000;

fn project() -> Project {
    let project = Project::new();
    let row = |id: usize| json!({"instruction": "say", "input": "", "output": format!("it {id}")});
    project.write("data.json", Value::from_iter((0..ROWS).map(row)).to_string());
    project
}

/// A run of one step; what it trained on and the losses of that, which go by the bits of its texts.
fn train(project: &Project, out: &str, settings: &[&str]) -> String {
    let mut host = project.host();
    host.args(["--plugins", "random", "--ratio", "4", "--device", "cpu", "--data", "data.json"]);
    host.args(["--out", out, "--set", "train.epochs=1", "--model"]).arg(data("demo/model"));
    for setting in settings {
        host.args(["--set", setting]);
    }
    Outcome::of(&mut host).succeeded();
    project.read(&format!("{out}/epochs/0/losses.jsonl"))
}

/// What is kept, the oldest first.
fn kept(project: &Project) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(project.path("runs/.texts")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort_by_key(|path| fs::metadata(path).and_then(|it| it.modified()).expect("a time"));
    files
}

#[test]
fn another_run_on_the_same_data_takes_what_one_has_kept() {
    let project = project();
    let first = train(&project, "runs/first", &[]);
    let [file] = &kept(&project)[..] else { panic!("{:?}", kept(&project)) };
    let whole = fs::read(file).expect("tokens");

    assert_eq!(train(&project, "runs/second", &["output.keep_texts=false"]), first);
    assert_eq!(train(&project, "runs/third", &[]), first);
    assert_eq!(kept(&project).len(), 1, "the same texts have the same name");

    // One that is broken is made anew.
    fs::write(file, &whole[..whole.len() / 2]).expect("half of them");
    assert_eq!(train(&project, "runs/fourth", &[]), first);
    assert_eq!(fs::read(file).expect("tokens"), whole);

    // Other rules are other texts.
    train(&project, "runs/fifth", &["model.max_length=64"]);
    assert_eq!(kept(&project).len(), 2);
}

/// What is kept is read and not made again: put in the place of other texts it is what is trained on.
#[test]
fn what_is_kept_is_what_is_trained_on() {
    let project = project();
    let row = |id: usize| json!({"instruction": "say", "input": "", "output": format!("on {id}")});
    let these = train(&project, "runs/these", &[]);
    project.write("data.json", Value::from_iter((0..ROWS).map(row)).to_string());
    let others = train(&project, "runs/others", &[]);
    assert_ne!(these, others);
    let [of_these, of_others] = &kept(&project)[..] else { panic!("{:?}", kept(&project)) };
    fs::copy(of_these, of_others).expect("put in their place");
    assert_eq!(train(&project, "runs/misled", &[]), these);
}
