//! Several processes that work on one model: the same answers, the same runs, and a clear end where one is lost.

use crate::support::{Outcome, Project, data, scores_of};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE_S: &str = "5";

/// The host, on so many ranks.
fn ranks(project: &Project, count: usize) -> Command {
    let mut host = project.host();
    host.env("ITERIT_RANK_PATIENCE", PATIENCE_S).args(["--ranks", &count.to_string()]);
    host
}

/// The demo's model and data.
fn inputs() -> [String; 8] {
    let path = |name: &str| data(name).display().to_string();
    [
        "--model".into(),
        path("demo/model"),
        "--data".into(),
        path("demo/instructions.json"),
        "--set".into(),
        "train.learning_rate=1e-3".into(),
        "--set".into(),
        "train.batch=8".into(),
    ]
}

fn train(project: &Project, count: usize, out: &str) -> Command {
    let mut host = ranks(project, count);
    host.args(inputs()).args(["--plugins", "ifd,diversity", "--ratio", "40", "--out", out]);
    host.args(["--set", "train.epochs=2", "--set", "output.save_every=3"]);
    host
}

fn lines(project: &Project, name: &str) -> Vec<Value> {
    scores_of(&project.read(name))
}

pub(crate) fn losses(project: &Project, run: &str) -> Vec<f64> {
    let steps = lines(project, &format!("{run}/metrics.jsonl"));
    steps.iter().filter_map(|it| it["loss"].as_f64()).collect()
}

pub(crate) fn selection(project: &Project, run: &str, epoch: u32) -> Value {
    let text = project.read(&format!("{run}/epochs/{epoch}/selection.json"));
    let selection: Value = serde_json::from_str(&text).expect("JSON");
    selection["selected"].clone()
}

pub(crate) fn weights(project: &Project, run: &str) -> Vec<u8> {
    std::fs::read(project.path(&format!("{run}/model/model.safetensors"))).expect("weights")
}

#[test]
fn scores_are_those_of_one_rank_to_the_byte() {
    let project = Project::new();
    let score = |count: usize, plugin: &str| {
        let mut host = project.host();
        host.arg("score").args(["--ranks", &count.to_string()]).args(inputs());
        host.args(["--plugins", plugin, "--limit", "60"]);
        Outcome::of(&mut host).succeeded().stdout
    };
    for plugin in ["ifd", "ppl"] {
        let alone = score(1, plugin);
        assert_eq!(alone.lines().count(), 60);
        for count in 2..=4 {
            assert_eq!(score(count, plugin), alone, "{plugin} by {count} ranks");
        }
    }
}

#[test]
fn a_run_is_that_of_one_rank_and_the_same_twice() {
    let project = Project::new();
    Outcome::of(&mut train(&project, 1, "one")).succeeded();
    let alone = losses(&project, "one");
    assert_eq!(alone.len(), 10);
    for count in 2..=4 {
        let out = format!("by-{count}");
        Outcome::of(&mut train(&project, count, &out)).succeeded();
        for epoch in 0..2 {
            let [found, expected] = [&out, "one"].map(|run| selection(&project, run, epoch));
            assert_eq!(found, expected, "{count} ranks, epoch {epoch}");
        }
        let found = losses(&project, &out);
        for (step, (found, expected)) in found.iter().zip(&alone).enumerate() {
            let off = (found - expected).abs() / expected;
            assert!(off < 1e-5, "{count} ranks, step {step}: {found}, {expected}");
        }
    }
    Outcome::of(&mut train(&project, 4, "again")).succeeded();
    assert_eq!(losses(&project, "again"), losses(&project, "by-4"));
    assert!(weights(&project, "again") == weights(&project, "by-4"), "not the same bytes");
    let manifest: Value = serde_json::from_str(&project.read("again/manifest.json")).expect("JSON");
    assert_eq!(manifest["environment"]["ranks"], 4);
}

/// Stage 2 of ZeRO: the run of one rank but for the order of sums, the same twice, and cut and resumed to the same bytes
/// by as many ranks.
#[test]
fn ranks_that_keep_a_part_of_the_gradient_run_as_others() {
    let project = Project::new();
    let sharded = |count: usize, out: &str| {
        let mut host = train(&project, count, out);
        host.args(["--set", "train.shard=gradients", "--set", "train.micro_batch=1"]);
        host
    };
    Outcome::of(&mut train(&project, 1, "one")).succeeded();
    Outcome::of(&mut sharded(3, "whole")).succeeded();
    for epoch in 0..2 {
        let [found, expected] = ["whole", "one"].map(|run| selection(&project, run, epoch));
        assert_eq!(found, expected, "epoch {epoch}");
    }
    for (found, expected) in losses(&project, "whole").iter().zip(losses(&project, "one")) {
        assert!((found - expected).abs() / expected < 1e-5, "{found}, {expected}");
    }
    let run = begun_by(&project, sharded(3, "cut"), "cut");
    signal(children(run.id())[0], "-KILL");
    outcome(run).failed(1, &["rank 1 of 3"]);
    Outcome::of(sharded(3, "cut").arg("--resume")).succeeded();
    assert!(weights(&project, "cut") == weights(&project, "whole"), "not the same bytes");
}

/// Waits until something is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(120), "{what} does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Processes that a process has started and that still run.
fn children(parent: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let listed = listed.unwrap_or_default();
    listed.split_whitespace().filter_map(|it| it.parse().ok()).collect()
}

fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([name, &process.to_string()]).status();
    assert!(sent.expect("kill is there").success());
}

/// A run that has taken a few steps.
fn begun(project: &Project, count: usize, out: &str) -> Child {
    begun_by(project, train(project, count, out), out)
}

fn begun_by(project: &Project, mut host: Command, out: &str) -> Child {
    let child = host.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let checkpoints = project.path(&format!("{out}/checkpoints"));
    until("a checkpoint", || checkpoints.read_dir().is_ok_and(|mut it| it.any(|it| is_whole(&it))));
    child
}

fn is_whole(entry: &std::io::Result<std::fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|it| !it.file_name().to_string_lossy().starts_with('.'))
}

pub(crate) fn outcome(child: Child) -> Outcome {
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Outcome {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

fn alive(process: u32) -> bool {
    Path::new(&format!("/proc/{process}/exe")).read_link().is_ok()
}

#[test]
fn a_rank_that_is_killed_is_named_and_the_run_resumes_to_the_same_bytes() {
    let project = Project::new();
    Outcome::of(&mut train(&project, 3, "whole")).succeeded();
    let run = begun(&project, 3, "cut");
    let others = children(run.id());
    assert_eq!(others.len(), 2);
    signal(others[1], "-KILL");
    let lost = outcome(run);
    assert_eq!(lost.code, Some(1), "{lost}");
    assert!(lost.stderr.contains("rank "), "{lost}");
    assert!(!alive(others[0]), "the other rank stayed");
    Outcome::of(train(&project, 3, "cut").arg("--resume")).succeeded();
    assert!(weights(&project, "cut") == weights(&project, "whole"), "not the same bytes");
    assert_eq!(losses(&project, "cut"), losses(&project, "whole"));
}

/// Before it has taken a step, and while a checkpoint is being written.
#[test]
fn a_rank_that_is_killed_in_scoring_or_in_a_checkpoint_is_named_and_the_run_resumes() {
    let project = Project::new();
    Outcome::of(&mut train(&project, 3, "whole")).succeeded();
    let scored = |out: &str| project.path(&format!("{out}/manifest.json")).exists();
    let writes = |out: &str| {
        let folder = project.path(&format!("{out}/checkpoints"));
        folder.read_dir().is_ok_and(|mut it| it.any(|it| it.is_ok() && !is_whole(&it)))
    };
    let moments = [("scoring", &scored as &dyn Fn(&str) -> bool), ("writing", &writes)];
    for (out, is_there) in moments {
        let mut host = train(&project, 3, out);
        let run = host.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        // Closer than `until`, since a checkpoint is soon written.
        while !is_there(out) {
            thread::sleep(Duration::from_micros(200));
        }
        signal(children(run.id())[1], "-KILL");
        outcome(run)
            .failed(1, &["rank 2 of 3 (process ", "is gone: signal: 9 (SIGKILL); it was to "]);
        let mut again = train(&project, 3, out);
        // What has recorded nothing has left nothing.
        if scored(out) {
            again.arg("--resume");
        }
        Outcome::of(&mut again).succeeded();
        assert!(weights(&project, out) == weights(&project, "whole"), "{out}: not the same bytes");
    }
}

#[test]
fn a_checkpoint_with_half_of_a_ranks_moments_is_refused_once_by_the_file() {
    let project = Project::new();
    let mut run = begun(&project, 2, "cut");
    run.kill().expect("a kill");
    run.wait().expect("it is gone");
    let files = project.files();
    let name = files.iter().rfind(|it| it.ends_with("optimizer-00001.safetensors"));
    let name = name.expect("the second rank's moments");
    let bytes = std::fs::read(project.path(name)).expect("moments");
    project.write(name, &bytes[..bytes.len() / 2]);
    for count in [1, 2, 3] {
        let resumed = Outcome::of(train(&project, count, "cut").arg("--resume"));
        let said = format!("{name}`: truncated: the file has {} bytes", bytes.len() / 2);
        let resumed = resumed.failed(1, &[&said]);
        assert_eq!(resumed.stderr.matches("error").count(), 1, "{resumed}");
    }
}

#[test]
fn a_rank_that_is_stopped_is_named_within_the_limit() {
    let project = Project::new();
    let run = begun(&project, 2, "cut");
    let others = children(run.id());
    signal(others[0], "-STOP");
    let start = Instant::now();
    let lost = outcome(run);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    assert_eq!(lost.code, Some(1), "{lost}");
    assert!(lost.stderr.contains("rank 1 of 2"), "{lost}");
    assert!(!alive(others[0]), "the rank that was stopped stayed");
}

#[test]
fn the_others_end_with_rank_0() {
    let project = Project::new();
    let mut run = begun(&project, 3, "cut");
    let others = children(run.id());
    run.kill().expect("a kill");
    run.wait().expect("it is gone");
    until("the end of the others", || others.iter().all(|it| !alive(*it)));
    // Another number of them goes on: the same but for the order of sums.
    let resumed = Outcome::of(train(&project, 2, "cut").arg("--resume")).succeeded();
    assert!(resumed.stderr.contains("ranks 3, now it is 2"), "{resumed}");
    Outcome::of(&mut train(&project, 1, "one")).succeeded();
    for (found, expected) in losses(&project, "cut").iter().zip(losses(&project, "one")) {
        assert!((found - expected).abs() / expected < 1e-5, "{found}, {expected}");
    }
}

#[test]
fn ctrl_c_leaves_a_run_that_resumes_to_the_same_bytes() {
    let project = Project::new();
    Outcome::of(&mut train(&project, 2, "whole")).succeeded();
    let run = begun(&project, 2, "cut");
    let others = children(run.id());
    // A terminal sends it to all.
    for process in [others[0], run.id()] {
        signal(process, "-INT");
    }
    let stopped = outcome(run);
    assert!(stopped.code == Some(130) || stopped.code == Some(0), "{stopped}");
    Outcome::of(train(&project, 2, "cut").arg("--resume")).succeeded();
    assert!(weights(&project, "cut") == weights(&project, "whole"), "not the same bytes");
}

/// Variables as a launcher sets them.
#[test]
fn ranks_that_a_launcher_starts_find_each_other() {
    let project = Project::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let port = port.expect("a free port").port().to_string();
    let torchrun = |rank: usize| {
        let mut host = project.host();
        host.env("ITERIT_RANK_PATIENCE", PATIENCE_S)
            .args(["score", "--limit", "20"])
            .args(inputs());
        host.args(["--plugins", "ppl"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let variables = [
            ("RANK", rank.to_string()),
            ("WORLD_SIZE", "2".into()),
            ("LOCAL_RANK", rank.to_string()),
            ("LOCAL_WORLD_SIZE", "2".into()),
            ("MASTER_ADDR", "127.0.0.1".into()),
            ("MASTER_PORT", port.clone()),
        ];
        host.envs(variables);
        host
    };
    let [first, second] = [0, 1].map(|rank| torchrun(rank).spawn().expect("it starts"));
    let (first, second) = (outcome(first).succeeded(), outcome(second).succeeded());
    assert_eq!((first.stdout.lines().count(), second.stdout.as_str()), (20, ""));
    let alone = outcome(torchrun(0).spawn().expect("it starts"));
    alone.failed(1, &["rank 1 of 2 has not come: waited 5 s; it was to load the model"]);
    let mut other = torchrun(1);
    other.args(["--set", "seed=3", "--set", "model.max_length=64"]);
    let children = [torchrun(0).spawn(), other.spawn()];
    let [first, second] = children.map(|it| outcome(it.expect("it starts")));
    for refused in [first, second] {
        refused.failed(
            1,
            &["rank 1 has model.max_length 64, rank 0 unset", "rank 1 has seed 3, rank 0 "],
        );
    }
    Outcome::of(torchrun(0).args(["--ranks", "2"])).failed(1, &["--ranks starts the other ranks"]);
}
