//! A comparison on the demo's model and data: every run is what it would be alone, a kill at any
//! point changes nothing, and what differs from the beginning is refused.

use crate::support::{Outcome, Project, data};
use iterit_core::compare::Comparison;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Samples of the demo: 120 to choose from, 40 held out.
const SAMPLES: usize = 160;

const ARMS: [&str; 4] = ["--arm", "ifd,diversity", "--arm", "ifd,static"];

/// The demo's data, row by row.
pub fn demo_rows() -> Vec<Value> {
    let text = std::fs::read(data("demo/instructions.json")).expect("the demo's data");
    serde_json::from_slice(&text).expect("JSON")
}

/// A folder with a few samples of the demo.
pub fn project() -> Project {
    let project = Project::new();
    project.write("data.json", Value::from(demo_rows()[..SAMPLES].to_vec()).to_string());
    project
}

/// What every run here shares.
fn shared(host: &mut Command) -> &mut Command {
    host.args(["--data", "data.json", "--device", "cpu", "--ratio", "12"])
        .args(["--set", "data.eval_fraction=0.25", "--set", "train.epochs=2"])
        .args(["--set", "train.gradient_accumulation=4", "--set", "train.learning_rate=1e-3"])
        .arg("--model")
        .arg(data("demo/model"))
}

/// `compare` on that folder, with two seeds.
pub fn compare(project: &Project, out: &str, more: &[&str]) -> Command {
    let mut host = project.host();
    shared(host.arg("compare")).args(["--out", out, "--seeds", "1,2"]).args(more);
    host
}

/// The comparison that was never interrupted; several tests look at it.
fn whole() -> &'static Project {
    static WHOLE: OnceLock<Project> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let project = project();
        let outcome = Outcome::of(&mut compare(&project, "out", &ARMS)).succeeded();
        project.write("stdout", &outcome.stdout);
        project.write("stderr", &outcome.stderr);
        project
    })
}

/// A comparison's figures without what the clock puts into them.
fn figures(project: &Project, out: &str) -> Value {
    let text = project.read(&format!("{out}/comparison.json"));
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    for arm in value["arms"].as_array_mut().expect("arms") {
        let cost = arm["cost"].as_object_mut().expect("a cost");
        cost.retain(|key, _| !key.ends_with("_seconds"));
    }
    value
}

/// What a comparison came to.
pub fn comparison(project: &Project, out: &str) -> Comparison {
    serde_json::from_str(&project.read(&format!("{out}/comparison.json"))).expect("a comparison")
}

/// What a page knows of the samples.
fn embedded(project: &Project, out: &str) -> Value {
    let page = project.read(&format!("{out}/report.html"));
    let start = page.find("id=\"sample-data\">").expect("the page's data") + 17;
    let end = start + page[start..].find("</script>").expect("an end");
    serde_json::from_str(&page[start..end]).expect("JSON")
}

#[track_caller]
fn assert_same(project: &Project, out: &str) {
    assert_eq!(figures(project, out), figures(whole(), "out"));
    assert_eq!(embedded(project, out), embedded(whole(), "out"));
}

#[test]
fn a_comparison_leaves_what_it_says() {
    let project = whole();
    let (stdout, stderr) = (project.read("stdout"), project.read("stderr"));
    assert!(stdout.contains("ifd,diversity") && stdout.ends_with("report  out/report.html\n"));
    for said in [
        "5 arms, 9 runs, 1 at a time",
        "run 9 of 9",
        "--arm length,static adds it",
        "96 samples to choose from (each seed draws its own of 120)",
        "2 seeds an arm: where seeds dominate",
    ] {
        assert!(stderr.contains(said), "{stderr}");
    }
    let files = project.files();
    for name in [
        "plan.json",
        "comparison.json",
        "comparison.md",
        "report.html",
        "runs/ifd,diversity/seed-2/result.json",
        "runs/ifd,diversity/seed-2/epochs/1/held-out.jsonl",
        "runs/ifd,diversity/seed-2/model/model.safetensors",
        "runs/full/seed-1/manifest.json",
        "runs/full/seed-1/drawn.json",
        "before.json",
    ] {
        assert!(files.contains(&format!("out/{name}")), "no {name} in {files:?}");
    }
    assert!(!files.iter().any(|name| name.contains("checkpoints") || name.contains("full/seed-2")));

    let comparison = comparison(project, "out");
    // What picks once is held against what draws once, too.
    assert_eq!((comparison.held_out.samples, comparison.pairs.len()), (40, 5));
    let last = &comparison.pairs[4];
    assert_eq!((last.arm.as_str(), last.baseline.as_str()), ("ifd,static", "static-random"));
    let names: Vec<&str> = comparison.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names, ["ifd,diversity", "ifd,static", "random", "static-random", "full"]);
    let trained: Vec<f64> = comparison.arms.iter().map(|arm| arm.cost.samples_trained).collect();
    assert_eq!(trained, [24.0, 24.0, 24.0, 24.0, 192.0]);
    // The same scores before training, of which one run a pool paid for all.
    assert_eq!(comparison.score_agreement[0][1], Some(1.0));
    assert_eq!(files.iter().filter(|name| name.starts_with("out/scores/")).count(), 2);
    let circumstances = comparison.circumstances.as_ref().expect("what it was made under");
    assert_eq!((circumstances.pool, circumstances.looks.len()), (0.8, 0));
    assert!(circumstances.before.is_some_and(|loss| loss > comparison.arms[0].held_out_loss));
    for arm in &comparison.arms {
        let scores = arm.name.starts_with("ifd");
        assert_eq!(arm.cost.tokens_scored > 0.0, scores, "{}: {:?}", arm.name, arm.cost);
    }
    assert_eq!(comparison.arms[0].seeds.len(), 2);
    let page = project.read("out/report.html");
    for said in ["Made under", "For an appendix", "before any training", "not looked at before"] {
        assert!(page.contains(said), "no `{said}`");
    }
    // Picks are told by their places in the input, so arms overlap as far as their pools do.
    assert!(comparison.overlap[0][1] > comparison.overlap_by_chance[0][1]);
    for arm in &comparison.arms[..2] {
        assert!(arm.cost.scoring_seconds > 0.0, "{arm:?}");
    }
}

/// What chooses is held against a random draw that may spend on training what it spent on scoring.
#[test]
fn a_random_arm_costs_what_choosing_costs() {
    let project = project();
    project.write(
        "exp.toml",
        "[compare]\nrefuse = ['static-random', 'full']\narms = ['ifd,static', { name = 'as dear', \
         plugins = 'random', costs_as = 'ifd,static' }]\n",
    );
    let mut host = project.host();
    shared(host.args(["compare", "exp.toml", "--out", "out", "--seeds", "1,2"]));
    let outcome = Outcome::of(host.args(["--jobs", "2"])).succeeded();
    assert!(!outcome.stderr.contains("hint: scoring the pool once"), "{outcome}");
    let found = comparison(&project, "out");
    let pairs: Vec<(&str, &str)> =
        found.pairs.iter().map(|pair| (pair.arm.as_str(), pair.baseline.as_str())).collect();
    let expected = [("ifd,static", "random"), ("as dear", "random"), ("ifd,static", "as dear")];
    assert_eq!(pairs, expected);
    let [dear, equal, random] = [0, 1, 2].map(|at| found.arms[at].cost);
    assert!(dear.tokens_scored > 0.0 && equal.tokens_scored == 0.0, "{dear:?} {equal:?}");
    // A draw of whole samples, in two epochs by two seeds, has their mean length only about.
    let times = equal.training_tokens() / dear.training_tokens();
    assert!(
        (times - 1.0).abs() < 0.1
            && times > 1.5 * random.training_tokens() / dear.training_tokens(),
        "{times}"
    );
    audited(&project);
}

/// Every figure of the comparison, made anew from the raw files by another program.
#[test]
fn another_program_finds_the_same_figures() {
    let count = audited(whole());
    assert!(count > 400, "{count}");
}

/// How many figures the other program made anew, all of them the same.
fn audited(project: &Project) -> u32 {
    let audit = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/statistics/audit.py");
    let mut python = Command::new("python3");
    python.args(["-B", audit]).arg(project.path("out"));
    let outcome = Outcome::of(&mut python).succeeded();
    assert!(outcome.stdout.ends_with(" figures, 0 of them differ\n"), "{outcome}");
    let count = outcome.stdout.split(' ').next().and_then(|count| count.parse().ok());
    count.unwrap_or_else(|| panic!("{outcome}"))
}

#[test]
fn a_plan_says_how_many_seeds_would_show_something() {
    let project = whole();
    let outcome = project.run(["compare", "--plan", "--out", "out"]).succeeded();
    for said in ["4 arms with 4 degrees of freedom between seeds", "40 held out", "160 held out"] {
        assert!(outcome.stdout.contains(said), "{outcome}");
    }
    let stated = ["compare", "--plan", "--spread", "0.3,0.1", "--arm", "ifd", "--arm", "length"];
    let outcome = project.run(stated).succeeded();
    assert!(outcome.stdout.contains("varies by 0.30 % between seeds"), "{outcome}");
    project.run(["compare", "--plan", "--spread", "much"]).failed(1, &["expected one or two"]);
    project.run(["compare", "--plan"]).failed(1, &["--plan has nothing to plan from"]);
}

#[test]
fn a_run_of_a_comparison_is_what_it_is_alone() {
    let project = whole();
    let alone = project_like(project);
    for (arm, seed) in [("ifd,diversity", 2), ("ifd,static", 1)] {
        let mut host = alone.host();
        let (out, seed_set) = (format!("{arm}-{seed}"), format!("seed={seed}"));
        shared(&mut host).args(["--plugins", arm, "--out", &out, "--set", &seed_set]);
        host.args(["--set", "data.pool=0.8"]);
        Outcome::of(&mut host).succeeded();
        for name in ["epochs/0/scores.jsonl", "epochs/1/scores.jsonl", "epochs/1/selection.json"] {
            let shared = project.read(&format!("out/runs/{arm}/seed-{seed}/{name}"));
            assert_eq!(shared, alone.read(&format!("{out}/{name}")), "{arm}, {name}");
        }
        let held_out =
            |project: &Project, run: &str| project.read(&format!("{run}/epochs/1/held-out.jsonl"));
        assert_eq!(
            held_out(project, &format!("out/runs/{arm}/seed-{seed}")),
            held_out(&alone, &out)
        );
    }
}

/// A new folder with the same data.
fn project_like(other: &Project) -> Project {
    let project = Project::new();
    project.write("data.json", other.read("data.json"));
    project
}

#[test]
fn side_by_side_gives_the_same() {
    let project = project();
    let jobs = [&ARMS[..], &["--jobs", "2"]].concat();
    Outcome::of(&mut compare(&project, "out", &jobs)).succeeded();
    assert_same(&project, "out");
}

#[test]
fn killed_at_three_points_it_ends_the_same() {
    let project = project();
    let resume = [&ARMS[..], &["--resume"]].concat();
    let points: [&dyn Fn() -> bool; 3] = [
        // Before the first run has chosen anything.
        &|| project.path("out/runs/ifd,diversity/seed-1/manifest.json").exists(),
        // In the midst of a run, between its epochs.
        &|| project.path("out/runs/ifd,static/seed-1/epochs/1/selection.json").exists(),
        // With three runs finished.
        &|| project.path("out/runs/random/seed-1/result.json").exists(),
    ];
    let mut finished = Vec::new();
    for (at, point) in points.iter().enumerate() {
        let arguments = if at == 0 { &ARMS[..] } else { &resume[..] };
        let mut begun = begin(compare(&project, "out", arguments));
        wait_until(&mut begun, point);
        begun.kill().expect("a kill");
        begun.wait().expect("an end");
        assert!(!project.path("out/comparison.json").exists());
        finished.push(results(&project, "out"));
    }
    assert!(finished[2].len() >= 3 && finished[2].len() < 9, "{finished:?}");
    Outcome::of(&mut compare(&project, "out", &resume)).succeeded();
    assert_same(&project, "out");
    // What was finished was not run again.
    let now = results(&project, "out");
    for (name, written) in &finished[2] {
        assert_eq!(now[name], *written, "{name}");
    }
}

#[test]
fn interrupted_it_says_how_to_go_on() {
    let project = project();
    let mut begun = begin(compare(&project, "out", &ARMS));
    wait_until(&mut begun, &|| project.path("out/runs/random/seed-1/epochs/0").exists());
    let kill = Command::new("kill").args(["-INT", &begun.id().to_string()]).status();
    assert!(kill.expect("kill").success());
    assert_eq!(begun.wait().expect("an end").code(), Some(130));

    let refused = |more: &[&str], said: &[&str]| {
        Outcome::of(&mut compare(&project, "out", more)).failed(1, said);
    };
    refused(&ARMS, &["`out` holds a comparison already", "--resume"]);
    let resumed = |more: &[&'static str]| [&ARMS[..], &["--resume"], more].concat();
    refused(
        &resumed(&[
            "--set",
            "train.epochs=3",
            "--set",
            "selection.ratio=13",
            "--set",
            "compare.tie=0.5",
        ]),
        &[
            "begun with train.epochs 2, now it is 3",
            "begun with selection.ratio 12.0, now it is 13.0",
            "begun with compare.tie 0.01, now it is 0.5",
        ],
    );
    refused(&["--arm", "ifd,diversity", "--resume"], &["arm `ifd,static` in it, now it is gone"]);
    let rows = project.read("data.json");
    project.write("data.json", rows.replacen('a', "e", 1));
    refused(
        &resumed(&[]),
        &["data.path[0] `data.json` of sha256", "hint: go on with what it was begun with"],
    );
    project.write("data.json", rows);
    Outcome::of(&mut compare(&project, "out", &resumed(&[]))).succeeded();
    assert_same(&project, "out");
}

#[test]
fn a_comparison_grows_by_an_arm_and_scores_anew_what_is_new() {
    let project = project();
    let refuse = "compare.refuse=[\"full\",\"static-random\"]";
    let small = ["--arm", "ifd,static", "--set", refuse];
    Outcome::of(&mut compare(&project, "out", &small)).succeeded();
    let scored = |project: &Project| {
        project.files().iter().filter(|name| name.starts_with("out/scores/")).count()
    };
    assert_eq!(scored(&project), 2);
    let text = "[compare]\narms = ['ifd,static', { name = 'ratio of losses', plugins = ['ifd', \
                'static'], set = ['plugins.ifd.definition=loss_ratio'] }]\nrefuse = ['full', 'static-random']\n";
    project.write("more.toml", text);
    let outcome = Outcome::of(&mut compare(&project, "out", &["more.toml", "--resume"]));
    let outcome = outcome.succeeded();
    assert!(outcome.stderr.contains("run 2 of 2: ratio of losses, seed 2"), "{outcome}");
    assert_eq!(scored(&project), 4);
    // What it said with one arm fewer stands beside what it says now.
    let page = project.read("out/comparison.md");
    assert!(page.contains("Looked at before and gone on with: after 4 runs"), "{page}");
    let plan: Value = serde_json::from_str(&project.read("out/plan.json")).expect("JSON");
    assert_eq!(plan["looks"].as_array().map(Vec::len), Some(2));
    let score = |run: &str| project.read(&format!("out/runs/{run}/seed-1/epochs/0/scores.jsonl"));
    let runs = std::fs::read_dir(project.path("out/runs")).expect("runs");
    let names = runs.map(|run| run.expect("an entry").file_name().into_string().expect("UTF-8"));
    let other = names.into_iter().find(|name| name.starts_with("ratio_of")).expect("the new arm");
    assert_ne!(score("ifd,static"), score(&other));

    // The page of a comparison can be written again, and runs can be shown side by side.
    std::fs::remove_file(project.path("out/report.html")).expect("the page");
    project.run(["report", "out"]).succeeded();
    assert!(project.read("out/report.html").contains("ratio of losses"));
    let runs = ["out/runs/ifd,static/seed-1", "out/runs/random/seed-1"];
    project.run(["report", runs[0], runs[1]]).failed(1, &["--out FILE"]);
    project.run(["report", runs[0], runs[1], "--out", "page.html"]).succeeded();
    assert!(project.read("page.html").contains("2 runs side by side"));
}

#[test]
fn faults_are_told_at_once_and_nothing_is_written() {
    let project = project();
    let refused = |arguments: &[&str], said: &[&str]| {
        let mut host = project.host();
        host.args(["compare", "--out", "out", "--data", "data.json", "--device", "cpu"]);
        let outcome = Outcome::of(host.args(arguments)).failed(1, said);
        assert_eq!(outcome.stdout, "");
        assert!(!project.path("out").exists(), "{outcome}");
    };
    refused(
        &["--arm", "idf,diversity", "--arm", "ifd,random,static", "--set", "train.epoch=3"],
        &["unknown key `train.epoch`, the nearest is `train.epochs`"],
    );
    refused(
        &["--arm", "idf,diversity", "--arm", "ifd,random,static"],
        &[
            "`model.path` is not set",
            "arm `idf,diversity`: unknown plugin `idf`",
            "did you mean `ifd`?",
            "arm `ifd,random,static`: --plugins names 2 strategy plugins",
        ],
    );
    refused(&[], &["compare.arms: expected a list", "--arm \"ifd,diversity\""]);
    refused(
        &["--arm", "ifd", "--set", "data.eval_fraction=0"],
        &["samples that none is trained on", "a tenth of the data is held out"],
    );
    refused(
        &["--arm", "random", "--set", "compare.refuse=[\"full\"]", "--seeds", "1,x"],
        &["expected two arms or more, found 1", "compare.seeds: expected a list of whole numbers"],
    );
    refused(&["--arm", "ifd", "--plugins", "ifd"], &["--plugins is for one run"]);
    refused(
        &["--arm", "idf", "--model", "nowhere", "--set", "data.eval_path=none.json"],
        &["unknown plugin `idf`", "cannot read `none.json`", "`nowhere`: no such folder"],
    );
    refused(&["--arm", "ifd", "--resume"], &["`out` holds no comparison: it has no plan.json"]);
    let model = data("demo/model").display().to_string();
    refused(
        &[
            "--arm",
            "ifd",
            "--arm",
            "diversity",
            "--model",
            &model,
            "--ratio",
            "500",
            "--set",
            "data.eval_fraction=0.25",
            "--set",
            "plugins.ifd.definitoin=x",
        ],
        &["`selection.ratio` is 500", "of 96 samples an epoch"],
    );
    project.write("thesis/thesis.tex", "precious");
    let mut host = project.host();
    host.args(["compare", "--arm", "ifd", "--out", "thesis"]);
    Outcome::of(&mut host).failed(1, &["`thesis` is not empty"]);
}

fn begin(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process")
}

#[track_caller]
fn wait_until(child: &mut Child, reached: &dyn Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !reached() {
        let ended = child.try_wait().expect("a process");
        assert!(ended.is_none(), "the comparison ended before it was stopped: {ended:?}");
        assert!(Instant::now() < deadline, "the comparison does not come so far");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// By finished run, when its result was written.
fn results(project: &Project, out: &str) -> BTreeMap<String, std::time::SystemTime> {
    let written = |name: &str| {
        let metadata = std::fs::metadata(project.path(name)).expect("a file");
        metadata.modified().expect("a time")
    };
    let names = project.files().into_iter();
    let names = names.filter(|name| name.starts_with(out) && name.ends_with("/result.json"));
    names.map(|name| (name.clone(), written(&name))).collect()
}
