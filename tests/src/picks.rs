//! The greedy pick by complexity × decayed TF-IDF is the published program's and scikit-learn's,
//! order included; where we differ from the former, [`DELIBERATE`] says so and why.

use crate::golden;
use iterit_core::greedy::{self, Budget, Candidate, Picks, Ties};
use iterit_plugin_diversity::decay::DecayedRows;
use iterit_plugin_diversity::texts::NumberedTexts;
use iterit_plugin_diversity::tfidf::Tfidf;
use iterit_sdk::{DiversityScorer, Host, Result, SampleId};
use serde_json::Value;

#[test]
fn picks_of_a_plain_scikit_learn_greedy() {
    let golden = golden::committed("picks.json");
    let (texts, scores) = (golden::texts(&golden, "texts"), golden::numbers(&golden, "scores"));
    for case in golden::array(&golden, "cases") {
        let expected = golden::positions(case, "picks");
        let decay = golden::number(&case["decay"]);
        let picks = pick(&texts, &scores, decay, expected.len());
        assert_eq!(picks.candidates, expected, "decay {decay}");
        check_values(&picks.values, &golden::numbers(case, "values"), 1e-12);
    }
}

/// What the published program picked, by the name of the golden.
pub(crate) const PUBLISHED: [&str; 8] = [
    "alpaca1000_k100_d0.0",
    "alpaca1000_k100_d0.1",
    "alpaca1000_k100_d0.1_eos_s",
    "alpaca1000_k100_d0.5",
    "alpaca5000_k250_d0.0",
    "alpaca5000_k250_d0.1",
    "alpaca5000_k250_d0.5",
    "alpaca20000_k1000_d0.1",
];

#[test]
fn picks_of_the_published_program() {
    for name in PUBLISHED {
        let Some(golden) = golden::shared(&format!("golden/diversity/{name}.json")) else { return };
        let Some(texts) = alpaca_targets(&golden) else { return };
        let scores =
            golden::numbers(&golden, "score_bf16").into_iter().map(bfloat16).collect::<Vec<_>>();
        let (candidates, picks) = pick_eligible(&golden, &texts, &scores);
        assert_eq!(candidates.len() as u64, golden["n_candidates_score_lt_1"], "{name}");
        assert_eq!(
            picked_ids(&candidates, &picks),
            golden::positions(&golden, "selected"),
            "{name}"
        );
        check_values(&picks.values, &golden::numbers(&golden, "pick_value"), 1e-6);
    }
}

/// Where our picks differ from the published program's on purpose: the case, what we pick, why.
const DELIBERATE: [(&str, &[usize], &str); 4] = [
    (
        "k_gt_candidates",
        &[10, 9, 11, 8],
        "fewer candidates than the budget: we pick each once and stop, it repeats the first for ever",
    ),
    ("one_candidate", &[11], "a lone candidate is picked, where it stops with a TypeError"),
    (
        "no_candidate",
        &[],
        "nothing to pick is for the run to refuse, where it stops in scikit-learn",
    ),
    ("zero_scores", &[0, 1, 2], "all values are 0: we pick each once, it picks the first thrice"),
];

#[test]
fn edge_cases_of_the_published_program() {
    let Some(golden) = golden::shared("golden/diversity/edge_cases.json") else { return };
    let cases = golden.as_array().expect("cases");
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let eos_text = case["eos_text"].as_str().expect("a text");
        let texts: Vec<String> =
            golden::texts(case, "texts").iter().map(|text| format!("{text}{eos_text}")).collect();
        let count = case["count"].as_u64().expect("a count") as usize;
        let scores = &golden::numbers(case, "scores_bf16")[..count];
        let (candidates, picks) = pick_eligible(case, &texts[..count], scores);
        let picked = picked_ids(&candidates, &picks);
        if let Some((_, ours, _)) = DELIBERATE.iter().find(|known| known.0 == name) {
            assert_eq!(picked, *ours, "{name}");
        } else {
            let order = golden::positions(case, "final_order");
            assert_eq!(picked, order[..picked.len()], "{name}");
            assert_eq!(picked.len() as u64, case["k"], "{name}");
            if case["score_type"] == "BOTH" {
                check_values(&picks.values, &golden::numbers(case, "pick_values"), 1e-6);
            }
        }
    }
    for (known, ..) in DELIBERATE {
        assert!(cases.iter().any(|case| case["name"] == known), "no case `{known}`");
    }
}

/// Responses with the eos text behind them: what the published program measures diversity on.
pub(crate) fn alpaca_targets(golden: &Value) -> Option<Vec<String>> {
    let data = golden::shared(&format!("alpaca/{}", golden["input"].as_str().expect("a name")))?;
    let (first_n, eos_text) = (golden["first_n"].as_u64(), golden["eos_text"].as_str());
    let rows = data.as_array()?.iter().take(first_n.expect("a count") as usize);
    let output = |row: &Value| row["output"].as_str().expect("a response").to_owned();
    Some(rows.map(|row| output(row) + eos_text.expect("a text")).collect())
}

/// The golden's `k` picks with its `decay` among samples that score below 1, and who those are.
fn pick_eligible(golden: &Value, texts: &[String], scores: &[f64]) -> (Vec<usize>, Picks) {
    let candidates: Vec<usize> = (0..scores.len()).filter(|&id| scores[id] < 1.0).collect();
    let texts: Vec<String> = candidates.iter().map(|&id| texts[id].clone()).collect();
    let scores: Vec<f64> = candidates.iter().map(|&id| scores[id]).collect();
    let budget = golden["k"].as_u64().expect("a count") as usize;
    let picks = if golden["score_type"] == "IFD" {
        greedy::pick_by_complexity(Budget::Samples(budget), &as_candidates(&scores))
    } else {
        pick(&texts, &scores, golden::number(&golden["decay"]), budget)
    };
    (candidates, picks)
}

/// The greedy pick of texts with these scores, by complexity × diversity.
pub(crate) fn pick(texts: &[String], scores: &[f64], decay: f64, budget: usize) -> Picks {
    let mut words = NumberedTexts::default();
    words.push(texts, 2);
    let mut rows = Rows(DecayedRows::new(Tfidf::fit(words, 2), decay));
    greedy::pick(
        Budget::Samples(budget),
        Ties::Input,
        &as_candidates(scores),
        &mut rows,
        &mut |_| Ok(()),
    )
    .expect("a pick")
}

fn as_candidates(scores: &[f64]) -> Vec<Candidate> {
    (0..).zip(scores).map(|(id, &complexity)| Candidate { id, complexity }).collect()
}

fn picked_ids(candidates: &[usize], picks: &Picks) -> Vec<usize> {
    picks.candidates.iter().map(|&pick| candidates[pick]).collect()
}

fn check_values(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (pick, (found, expected)) in found.iter().zip(expected).enumerate() {
        let close = (found - expected).abs() <= tolerance * expected;
        assert!(close, "value of pick {pick}: {found}, expected {expected}");
    }
}

/// The nearest bfloat16; the goldens print seven digits of numbers that are one.
fn bfloat16(value: f64) -> f64 {
    let bits = (value as f32).to_bits();
    f64::from(f32::from_bits((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000))
}

/// The plugin's maths as a scorer, without a host to fetch texts from.
struct Rows(DecayedRows);

impl DiversityScorer for Rows {
    fn begin(&mut self, _: &Host<'_>, _: &[SampleId]) -> Result<()> {
        Ok(())
    }
    fn gain(&self, candidate: usize) -> Result<f64> {
        Ok(self.0.gain(candidate))
    }
    fn pick(&mut self, candidate: usize) -> Result<()> {
        self.0.pick(candidate);
        Ok(())
    }
    fn gains_never_rise(&self) -> bool {
        true
    }
}
