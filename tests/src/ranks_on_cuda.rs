//! Ranks with a pretended GPU each, which speak by a pretended NCCL: what they find is what one finds and what they find
//! through main memory, nothing of a step goes through main memory, and one that is lost in a collective is named.

use crate::phantom::{self, Report};
use crate::ranks::{losses, outcome, selection, weights};
use crate::support::{Outcome, Project, data};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Two epochs of 16 picks, 8 a step.
const STEPS: u64 = 4;

/// A folder with some of the demo's data.
fn project() -> Project {
    let project = Project::new();
    let text = std::fs::read(data("demo/instructions.json")).expect("the demo's data");
    let rows: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    project.write("data.json", Value::from(rows[..48].to_vec()).to_string());
    project
}

/// A command of the host on so many ranks, where there are 3 devices.
fn ranks(project: &Project, command: &[&str], count: usize, device: &str) -> Command {
    let mut host = project.host();
    phantom::lend(&mut host).env("PHANTOM_DEVICES", "3").env("ITERIT_RANK_PATIENCE", "5");
    host.args(command).args([
        "--ranks",
        &count.to_string(),
        "--device",
        device,
        "--data",
        "data.json",
    ]);
    host.arg("--model").arg(data("demo/model")).args(["--set", "model.dtype=float32"]);
    host
}

fn train(project: &Project, count: usize, device: &str, out: &str) -> Command {
    let mut host = ranks(project, &[], count, device);
    host.env("PHANTOM_REPORT", project.path(&format!("{out}.report")));
    host.args(["--ratio", "16", "--set", "train.epochs=2", "--set", "train.batch=8"]);
    host.args(["--set", "train.learning_rate=1e-3", "--set", "output.save_every=1", "--out", out]);
    host
}

fn score(project: &Project, count: usize) -> Command {
    let mut host = ranks(project, &["score"], count, "cuda");
    host.args(["--plugins", "ifd", "--limit", "24"]);
    host
}

fn check_close(project: &Project, run: &str, expected: &str) {
    let [found, expected] = [run, expected].map(|it| losses(project, it));
    assert_eq!((found.len() as u64, expected.len() as u64), (STEPS, STEPS), "{run}");
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() / expected < 1e-5, "{run}: {found}, {expected}");
    }
}

#[test]
fn scores_are_those_of_one_rank_to_the_byte() {
    let project = project();
    let alone = Outcome::of(&mut score(&project, 1)).succeeded();
    assert_eq!(alone.stdout.lines().count(), 24);
    assert!(!alone.stderr.contains("NCCL"), "{alone}");
    for count in 2..=3 {
        let found = Outcome::of(&mut score(&project, count)).succeeded();
        assert!(found.stderr.contains("between the GPUs by NCCL 2.28.9"), "{found}");
        assert_eq!(found.stdout, alone.stdout, "{count} ranks");
    }
}

/// The same picks and losses as on a CPU; and to the bit the same again, and the same as through main memory where the
/// order of sums is the same, which it is for two.
#[test]
fn a_run_by_nccl_is_the_run_through_main_memory() {
    let project = project();
    Outcome::of(&mut train(&project, 1, "cpu", "cpu")).succeeded();
    for count in 2..=3 {
        let [found, again, by_gloo] = ["by", "again", "gloo"].map(|name| format!("{name}-{count}"));
        let said = Outcome::of(&mut train(&project, count, "cuda", &found)).succeeded().stderr;
        assert_eq!(said.matches("by NCCL 2.28.9").count(), 1, "{said}");
        check_close(&project, &found, "cpu");
        for epoch in 0..2 {
            assert_eq!(selection(&project, &found, epoch), selection(&project, "cpu", epoch));
        }
        Outcome::of(&mut train(&project, count, "cuda", &again)).succeeded();
        assert!(weights(&project, &found) == weights(&project, &again), "not the same bytes");
        let mut gloo = train(&project, count, "cuda", &by_gloo);
        let said = Outcome::of(gloo.env("ITERIT_COLLECTIVES", "gloo")).succeeded().stderr;
        assert!(said.contains("through main memory: ITERIT_COLLECTIVES is gloo"), "{said}");
        check_close(&project, &by_gloo, &found);
        if count == 2 {
            assert!(weights(&project, &found) == weights(&project, &by_gloo), "other bytes");
        }
        check_traffic(&project, count, &found, &by_gloo);
    }
    // A fourth has no device.
    let lost = Outcome::of(&mut train(&project, 4, "cuda", "fourth"));
    lost.failed(1, &["rank 3 of 4", "there are 3 CUDA devices, cuda:0 to cuda:2"]);
}

/// Each rank brought every gradient and took every weight once a step, by NCCL and not through main memory.
fn check_traffic(project: &Project, count: usize, by_nccl: &str, by_gloo: &str) {
    let manifest = project.read(&format!("{by_nccl}/manifest.json"));
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let whole = 4 * manifest["model"]["parameters"].as_u64().expect("a count");
    for rank in 0..count {
        let report = |run: &str| Report::of_rank(project, &format!("{run}.report"), rank);
        let [nccl, gloo] = [by_nccl, by_gloo].map(report);
        for collective in ["reduce", "broadcast"] {
            // A message for every owner.
            let expected = [STEPS * count as u64, STEPS * whole];
            assert_eq!(nccl.collective(collective), expected, "rank {rank} of {count}");
            assert_eq!(gloo.collective(collective), [0, 0], "rank {rank} of {count}");
        }
        let out = |report: &Report| report.number("/copies_out/bytes");
        assert!(out(&gloo) - out(&nccl) >= STEPS * whole, "rank {rank} of {count}");
    }
}

/// Stage 2 of ZeRO on cards: the same picks and losses, by NCCL as through main memory, whatever memory there is.
#[test]
fn ranks_that_keep_a_part_of_the_gradient_run_as_others() {
    let project = project();
    Outcome::of(&mut train(&project, 1, "cpu", "cpu")).succeeded();
    let sharded = |count: usize, out: &str| {
        let mut host = train(&project, count, "cuda", out);
        host.args(["--set", "train.shard=gradients"]);
        host
    };
    for count in 2..=3 {
        let [found, by_gloo] = ["by", "gloo"].map(|name| format!("{name}-{count}"));
        Outcome::of(&mut sharded(count, &found)).succeeded();
        check_close(&project, &found, "cpu");
        Outcome::of(sharded(count, &by_gloo).env("ITERIT_COLLECTIVES", "gloo")).succeeded();
        check_close(&project, &by_gloo, &found);
        if count == 2 {
            assert!(weights(&project, &found) == weights(&project, &by_gloo), "other bytes");
        }
    }
    let peak = Report::of_rank(&project, "by-2.report", 0).number("/peak_bytes/cuda:0");
    let mut ends = Vec::new();
    for tenths in [5, 6, 7, 8, 9, 10, 12] {
        let out = format!("limit-{tenths}");
        let mut limited = sharded(2, &out);
        let limit = (peak * tenths / 10).to_string();
        let ended = Outcome::of(limited.env("PHANTOM_MEMORY", limit));
        let is_enough = ended.code == Some(0);
        match is_enough {
            true => check_close(&project, &out, "cpu"),
            false => drop(ended.failed(1, &["memory", "hint: "])),
        }
        ends.push(is_enough);
    }
    eprintln!("{peak} bytes without a limit; which limits were enough: {ends:?}");
    assert!(!ends[0] && ends[6], "{ends:?}");
    assert!(ends.is_sorted(), "{ends:?}");
}

/// By what it was to do when it went: each step of two ranks has two sums and two broadcasts.
#[test]
fn a_rank_that_is_lost_in_a_collective_is_named_and_the_run_resumes_to_the_same_bytes() {
    let project = project();
    Outcome::of(&mut train(&project, 2, "cuda", "whole")).succeeded();
    for (name, last, fate, doing) in [
        ("killed", "1:10:9", "is gone: signal: 9 (SIGKILL)", "it was to add up gradients"),
        ("later", "1:12:9", "is gone: signal: 9 (SIGKILL)", "it was to pass on what was updated"),
        ("stopped", "1:9:19", "shows no sign of life: waited 5 s", "it was to add up gradients"),
    ] {
        let start = Instant::now();
        let mut cut = train(&project, 2, "cuda", name);
        let lost = Outcome::of(cut.env("PHANTOM_NCCL_LAST", last));
        lost.failed(1, &["rank 1 of 2 (process ", fate, doing, "with --resume"]);
        assert!(start.elapsed() < Duration::from_secs(60), "{name}: {:?}", start.elapsed());
        assert_eq!(losses(&project, name).len(), 2, "{name}");
        Outcome::of(train(&project, 2, "cuda", name).arg("--resume")).succeeded();
        assert!(weights(&project, name) == weights(&project, "whole"), "{name}: other bytes");
        assert_eq!(losses(&project, name), losses(&project, "whole"), "{name}");
    }
}

#[test]
fn without_the_library_or_a_card_for_each_ranks_speak_through_main_memory_and_say_why() {
    let project = project();
    let bare = project.path("bare");
    std::fs::create_dir(&bare).expect("a folder");
    let library = Path::new("libtorch_cuda.so");
    std::os::unix::fs::symlink(phantom::folder().join(library), bare.join(library))
        .expect("a link");
    let score = |wish: &str| {
        let mut host = score(&project, 2);
        host.env("ITERIT_LIBTORCH_CUDA", &bare).env("ITERIT_COLLECTIVES", wish);
        Outcome::of(&mut host)
    };
    let said = score("").succeeded().stderr;
    assert!(said.contains("through main memory: rank 0 found no NCCL: libnccl.so.2"), "{said}");
    let refused = score("nccl");
    let words = "ITERIT_COLLECTIVES is nccl, and rank 0 found no NCCL: libnccl.so.2";
    let refused = refused.failed(1, &[words, "hint: NCCL takes a card of its own for every rank"]);
    assert_eq!(refused.stderr.matches(words).count(), 1, "{refused}");
    score("mpi").failed(1, &["ITERIT_COLLECTIVES is `mpi` on rank 0: expected gloo or nccl"]);
    let [first, second] = on_one_card(&project);
    assert!(first.stderr.contains("main memory: ranks 0 and 1 share a card"), "{first}");
    assert_eq!(second.stdout, "", "{second}");
}

/// Two ranks that a launcher has put on the same device.
fn on_one_card(project: &Project) -> [Outcome; 2] {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let port = port.expect("a free port").port().to_string();
    let launched = |rank: usize| {
        let mut host = project.host();
        phantom::lend(&mut host).args(["score", "--plugins", "ppl", "--limit", "8"]);
        host.args(["--device", "cuda", "--data", "data.json", "--model"]).arg(data("demo/model"));
        host.envs([("RANK", rank.to_string()), ("WORLD_SIZE", "2".into())]);
        host.envs([("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1"), ("MASTER_ADDR", "127.0.0.1")]);
        host.env("MASTER_PORT", &port).stdout(Stdio::piped()).stderr(Stdio::piped());
        host.spawn().expect("it starts")
    };
    [0, 1].map(launched).map(|child| outcome(child).succeeded())
}

/// Two cards of one machine may have other kernels: then the ranks would cut questions into other batches.
#[test]
fn ranks_whose_batches_lie_otherwise_are_refused() {
    let project = project();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let port = port.expect("a free port").port().to_string();
    let spawn = |rank: usize, layout: &str| {
        let mut host = project.host();
        phantom::lend(&mut host).env("PHANTOM_DEVICES", "2").env("ITERIT_RANK_PATIENCE", "5");
        host.args(["score", "--plugins", "ifd", "--limit", "8", "--data", "data.json"]);
        host.args(["--device", "cuda", "--set", "model.dtype=bfloat16", "--model"]);
        host.arg(data("demo/model")).env("ITERIT_LAYOUT", layout);
        let rank = rank.to_string();
        host.env("RANK", &rank).env("LOCAL_RANK", &rank).env("WORLD_SIZE", "2");
        host.env("LOCAL_WORLD_SIZE", "2").env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", &port);
        host.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let [first, second] = [spawn(0, "flattened"), spawn(1, "padded")];
    let said = "rank 1 has for the model batches (as ITERIT_LAYOUT may set them) padded, rank 0 one behind the other";
    let (first, second) = (outcome(first), outcome(second));
    first.failed(1, &[said]);
    assert_ne!(second.code, Some(0), "{second}");
}
