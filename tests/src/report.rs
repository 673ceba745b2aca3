//! Reports say what the records say, whatever the data holds, and stand on their own.

use iterit_core::compare::{ArmResult, Design, Judged, compare};
use iterit_core::learner::{Learner, ModelFacts, NoModel};
use iterit_core::observe::History;
use iterit_core::observe::drift::drifts;
use iterit_core::observe::why::{Fate, why};
use iterit_core::record::{
    EpochRecord, Evaluation, PluginRecord, RunManifest, RunRecord, ScoreLine, Seconds, Selection,
    StepRecord,
};
use iterit_core::report::{self, RunView};
use iterit_core::{Role, Sample, SampleId, Turn};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use std::process::Command;

const HOSTILE: &str = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \
                       \u{2028}\u{202e}\u{5e9}\u{5dc}\u{5d5}\u{5dd} \u{645}\u{631}\u{62d}\u{628}\u{627} 🦀 {{ 7 * 7 }} \"'&amp;|`";

fn samples(count: usize, characters: usize) -> Vec<Sample> {
    let words = |id: usize| format!("word{id} ").repeat(characters / 8 + 1);
    (0..count)
        .map(|id| Sample {
            id: id as SampleId,
            prompt: vec![Turn::new(Role::User, format!("Question {id}: {}", words(id)))],
            response: words(id + 1),
            metadata: Map::from_iter([("source".into(), Value::from(HOSTILE))]),
        })
        .collect()
}

/// Two epochs: all samples scored, then the ten best; three picked each time. Sample 4 has no score.
fn record(num_samples: usize) -> RunRecord {
    let score = |epoch: u32, id: usize| {
        let value = 0.5 + (id * 7 % 10) as f64 / 20.0 - 0.01 * f64::from(epoch);
        let score = (id != 4).then_some(value);
        let (eligible, parts) = (id != 4 && value < 0.95, BTreeMap::new());
        ScoreLine { id: id as SampleId, score, eligible, scored_at: epoch, texts: None, parts }
    };
    let scores = vec![
        (0..num_samples).map(|id| score(0, id)).collect(),
        (0..10).map(|id| score(1, id)).collect(),
    ];
    let selection = |epoch, ids: [SampleId; 3]| Selection {
        epoch,
        budget: 3,
        selected: ids.to_vec(),
        values: vec![1.9, 1.8, 1.7],
        gains: vec![2.0, 2.1, 2.2],
    };
    let step = |step: u64| StepRecord {
        step,
        epoch: (step / 3) as u32,
        loss: 3.0 - 0.2 * step as f64,
        lr: 1e-5 * step as f64,
        grad_norm: 1.0,
        tokens: 100,
        tokens_per_second: 50.0,
    };
    let evaluation = |step, loss| Evaluation { step, epoch: (step / 4) as u32, loss };
    let epoch = |epoch: u32| EpochRecord {
        epoch,
        picked: 3,
        rescored: if epoch == 0 { num_samples as u64 } else { 10 },
        eligible: 9,
        mean_score: Some(0.72),
        loss: 2.5,
        steps: 3 * u64::from(epoch + 1),
        tokens: 300,
        forward_tokens: 900,
        eval_loss: Some(2.0 - 0.1 * f64::from(epoch)),
        seconds: Seconds { scoring: 1.0, picking: 0.1, training: 3.0 },
    };
    RunRecord {
        manifest: manifest(num_samples),
        epochs: vec![epoch(0), epoch(1)],
        steps: (0..6).map(step).collect(),
        evaluations: vec![evaluation(2, 2.2), evaluation(3, 2.0), evaluation(6, 1.9)],
        scores,
        selections: vec![selection(0, [5, 2, 9]), selection(1, [5, 7, 2])],
    }
}

fn manifest(num_samples: usize) -> RunManifest {
    RunManifest {
        iterit: "0.1.0".into(),
        seed: 42,
        num_samples: num_samples as u64,
        budget: 3,
        epochs: 2,
        total_steps: 6,
        model: ModelFacts { architecture: "llama".into(), ..NoModel.facts() },
        plugins: vec![PluginRecord {
            name: HOSTILE.into(),
            kind: "complexity".into(),
            version: "0.1.0".into(),
            path: "libifd.so".into(),
        }],
        sha256: BTreeMap::from([(HOSTILE.into(), "00ff".into())]),
        texts: None,
        identity: Default::default(),
        environment: Default::default(),
        resumed: Vec::new(),
    }
}

fn empty_record() -> RunRecord {
    let manifest = RunManifest { plugins: vec![], num_samples: 0, ..manifest(0) };
    RunRecord {
        manifest,
        epochs: vec![],
        steps: vec![],
        evaluations: vec![],
        scores: vec![],
        selections: vec![],
    }
}

fn arm_results() -> Vec<ArmResult> {
    let runs = [("ifd <b>|", 1), ("ifd <b>|", 2), ("random", 1), ("random", 2)];
    let result = |(number, (arm, seed)): (usize, (&str, u64))| ArmResult {
        arm: arm.into(),
        seed,
        costs_as: None,
        judged: Judged {
            held_out: (0..30).map(|at| 2.0 + f64::from(at) / 50.0 + number as f64 / 9.0).collect(),
            response_tokens: (1..=30).collect(),
            spared_seconds: 0.0,
            spared_tokens: 0,
        },
        held_out_by_epoch: vec![2.4, 2.2],
        pool: 12,
        record: record(12),
    };
    runs.into_iter().enumerate().map(result).collect()
}

/// The part of a page between two marks.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let from = page.find(start).unwrap_or_else(|| panic!("no `{start}`")) + start.len();
    &page[from..from + page[from..].find(end).unwrap_or_else(|| panic!("no `{end}`"))]
}

fn embedded(page: &str) -> Value {
    let json = between(page, "<script type=\"application/json\" id=\"sample-data\">", "</script>");
    serde_json::from_str(json).expect("the page's data is JSON")
}

/// The values of an attribute, in order.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    page.split(start.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// What every page must be: whole on its own, unharmed by data, and usable without eyes or mouse.
#[track_caller]
fn check_page(page: &str) {
    let markup = match page.find("<script type=\"application/json\"") {
        Some(data) => &page[..data],
        None => page,
    };
    assert!(page.starts_with("<!doctype html>") && page.contains("<html lang=\"en\">"));
    assert!(markup.contains("default-src 'none'") && markup.contains("prefers-color-scheme: dark"));
    for outside in ["http://", "https://", "<link", "<img", "@import", "url("] {
        assert!(!markup.contains(outside), "the page refers to `{outside}`");
    }
    for spelled_out in ["alert(1)</script>", "NaN", "inf<", "undefined", ">none<"] {
        assert!(!markup.contains(spelled_out), "the page shows `{spelled_out}`");
    }
    let ids = attributes(page, "id");
    let unique: HashSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id is there twice");
    for label in attributes(markup, "aria-labelledby") {
        assert!(unique.contains(label), "nothing has the id `{label}`");
    }
    for link in attributes(markup, "href") {
        // The page's script opens the sample that the link names.
        let known = link.starts_with("#sample-");
        assert!(known || unique.contains(link.trim_start_matches('#')), "`{link}` leads nowhere");
    }
    for landmark in ["<header>", "<nav aria-label=", "<main id=\"main\">", "<footer>"] {
        assert!(page.contains(landmark), "no `{landmark}`");
    }
    let named = |tag: &str| page.matches(tag).count();
    assert_eq!(named("<table"), named("<caption>"), "a table has no caption");
    assert_eq!(named("role=\"img\""), named("role=\"img\" aria-label=\""), "an image has no name");
    assert_eq!(named("<h1"), 1);
}

#[test]
fn a_run_is_shown_whole() {
    let page = report::run_html(&record(12), &samples(12, 40));
    check_page(&page);
    let data = embedded(&page);
    assert_eq!(data["prompt"][3].as_str(), Some(samples(12, 40)[3].prompt[0].content.as_str()));
    let epoch = &data["runs"][0]["epochs"][1];
    assert_eq!(epoch["picked"], serde_json::json!([5, 7, 2]));
    assert_eq!(epoch["gains"], serde_json::json!([2.0, 2.1, 2.2]));
    assert_eq!(data["runs"][0]["epochs"][0]["scored"], Value::Null);
    assert_eq!(data["runs"][0]["epochs"][0]["scores"][4], Value::Null);
    assert!(page.contains("Trained for 2 epochs on 4 of 12 samples."));
}

#[test]
fn user_data_is_kept_and_kept_out_of_the_markup() {
    let mut data = samples(12, 40);
    data[2].response = HOSTILE.into();
    data[3].prompt = vec![Turn::new(Role::System, HOSTILE), Turn::new(Role::User, "")];
    let page = report::run_html(&record(12), &data);
    check_page(&page);
    let embedded = embedded(&page);
    assert_eq!(embedded["response"][2], HOSTILE);
    assert!(embedded["prompt"][3].as_str().unwrap().contains(HOSTILE));
    assert!(!page.contains("<img") && !page.contains(">49<"));
}

#[test]
fn a_run_that_did_little_still_has_a_page() {
    check_page(&report::run_html(&empty_record(), &[]));
    let mut begun = record(12);
    begun.epochs.truncate(1);
    begun.steps.clear();
    begun.selections.truncate(1);
    begun.scores = vec![vec![]];
    let page = report::run_html(&begun, &samples(12, 40));
    check_page(&page);
    assert!(page.contains("Nothing was scored") && page.contains("ended early"));
    check_page(&report::html(&[]));
}

#[test]
fn several_runs_stand_side_by_side() {
    let (record, data) = (record(12), samples(12, 40));
    let view = |name| RunView { name, record: &record, samples: Some(&data) };
    let page = report::html(&[view("first"), view(HOSTILE)]);
    check_page(&page);
    assert_eq!(embedded(&page)["runs"][1]["name"], HOSTILE);
    // What cannot be shown in one browser is still compared in figures.
    let other = RunView { name: "other", record: &empty_record(), samples: None };
    check_page(&report::html(&[view("first"), other]));
}

#[test]
fn fifty_thousand_samples_stay_below_ten_megabytes() {
    let page = report::run_html(&record(50_000), &samples(50_000, 600));
    assert!((5_000_000..10_000_000).contains(&page.len()), "{} bytes", page.len());
    assert!(page.contains("texts are cut at 4,000 characters where a sample was picked"));
    let data = embedded(&page);
    let picked = samples(6, 600)[5].response.clone();
    assert_eq!(data["response"][5].as_str(), Some(picked.as_str()));
}

#[test]
fn a_comparison_is_shown_whole() {
    let results = arm_results();
    let comparison = compare(&Design::default(), &results).unwrap();
    let page = report::comparison_html(&comparison, &results, Some(&samples(12, 40)));
    check_page(&page);
    assert!(page.contains("ifd &lt;b&gt;|"));
    let verdict = &comparison.pairs[0].verdict;
    assert!(
        page.contains(&verdict.headline.replace('<', "&lt;").replace('>', "&gt;")),
        "{verdict:?}"
    );
    check_page(&report::comparison_html(&comparison, &results, None));

    let back = serde_json::from_str(&report::comparison_json(&comparison)).unwrap();
    assert_eq!(comparison, back);
    let markdown = report::comparison_markdown(&comparison);
    assert!(markdown.contains("| ifd &lt;b&gt;\\| | random |"), "{markdown}");
    assert!(report::appendix(&comparison).is_none());
    let table = report::comparison_table(&comparison);
    assert!(table.contains("●") && table.contains("No evidence of a difference"), "{table}");
}

#[test]
fn a_run_reads_in_text_too() {
    let record = record(12);
    assert!(
        report::run_markdown(&record).contains("| 1 | 10 | 9 | 3 | 0.7200 | 2.5000 | 1.9000 |")
    );
    assert!(report::run_table(&record).lines().count() == 3);
    let json: Value = serde_json::from_str(&report::run_json(&record)).unwrap();
    assert_eq!(json["epochs"][1]["picked"], 3);
}

#[test]
fn every_fate_has_its_reason() {
    let mut record = record(12);
    record.scores[0].pop();
    let history = History::new(&record);
    #[track_caller]
    fn check_fate(record: &RunRecord, history: &History, id: SampleId, sentence: &str) {
        let found = &why(record, history, id)[1];
        assert_eq!(found.to_string(), sentence, "{found:?}");
    }
    let check = |id, sentence| check_fate(&record, &history, id, sentence);
    check(
        5,
        "epoch 1: picked, number 1: score 0.7400 × gain 2.0000 = 1.9000; 4 of 10 by score alone",
    );
    check(
        0,
        "epoch 1: not picked: others had a higher value, down to 1.7000; 10 of 10 by score alone",
    );
    check(4, "epoch 1: not picked: no score could be computed for it");
    check(11, "epoch 1: not picked: it has no score");
    check(
        10,
        "epoch 1: not picked: it was outside the pool scored for this epoch; 9 of 10 by score alone \
         (score of epoch 0)",
    );
    assert_eq!(why(&record, &history, 7)[0].fate, Fate::NotEligible);
    let drift = &drifts(&history, 3)[0];
    assert_eq!((drift.rescored, drift.left), (9, 0));
    assert!((drift.mean_before.unwrap() - drift.mean_now.unwrap() - 0.01).abs() < 1e-12);
    assert_eq!(drift.spearman, Some(1.0));
    assert_eq!(drift.newly_hard, [7]);
}

/// `ITERIT_BROWSER` names a Chromium: the page is opened and its script must fill it.
#[test]
fn a_browser_shows_the_samples() {
    let Some(browser) = std::env::var_os("ITERIT_BROWSER") else {
        eprintln!("skipped: ITERIT_BROWSER is not set, so no browser opens the pages");
        return;
    };
    let mut data = samples(60, 40);
    data[5].response = HOSTILE.into();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, report::run_html(&record(60), &data)).unwrap();
    let open = |fragment: &str| {
        let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"];
        let mut command = Command::new(&browser);
        command.args(flags).arg("--virtual-time-budget=4000");
        let output = command.arg(format!("file://{}{fragment}", path.display())).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let page = open("");
    assert!(page.contains("60 of 60 samples, page 1 of 3"));
    assert_eq!(page.matches("<li><details>").count(), 25);
    let linked = open("#sample-5");
    assert!(linked.contains("1 of 60 samples") && linked.contains("Sample 5, epoch by epoch"));
    assert!(linked.contains("picked, number 1 of 3: value 1.900, gain 2.000"));
    assert!(linked.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
}
