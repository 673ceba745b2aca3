//! The statistics of a comparison are SciPy's, and verdicts say what their figures say.

use crate::golden::{self, array, number, numbers, positions};
use iterit_core::compare::{ArmResult, Design, Evidence, Judged, compare};
use iterit_core::learner::ModelFacts;
use iterit_core::record::{RunManifest, RunRecord};
use iterit_core::statistics::bootstrap::{
    Bootstrap, bca_interval, jackknife_mean, mean_distribution, percentile_interval,
};
use iterit_core::statistics::correlation::{average_ranks, jaccard, kendall_tau_b, spearman};
use iterit_core::statistics::distribution::{
    normal_cdf, normal_quantile, student_t_cdf, student_t_quantile,
};
use iterit_core::statistics::effect::cohens_d_z;
use iterit_core::statistics::multiplicity::holm;
use iterit_core::statistics::permutation::{drawn_p_value, exact_p_value};
use iterit_core::statistics::power::power;
use iterit_core::statistics::reading::{Reading, doublings_from_median, least_squares};
use iterit_core::statistics::seeds::{across_seeds, average, seed_spread, source};
use iterit_core::statistics::student::Student;
use iterit_core::statistics::summary::mean;
use serde_json::Value;
use std::collections::BTreeMap;

fn values() -> Value {
    golden::committed("statistics/values.json")
}

/// Equal to a relative difference, and to the same absolute one below 1.
#[track_caller]
fn check(what: &str, found: f64, expected: f64, tolerance: f64) {
    let difference = (found - expected).abs() / expected.abs().max(1.0);
    assert!(difference <= tolerance, "{what}: found {found:?}, expected {expected:?}");
}

#[test]
fn distributions_are_scipys() {
    let golden = &values()["distributions"];
    let rows = |key: &str| -> Vec<Vec<f64>> {
        let row = |row: &Value| row.as_array().expect("a row").iter().map(number).collect();
        array(golden, key).iter().map(row).collect()
    };
    for row in rows("normal_cdf") {
        // Far tails keep their relative precision.
        check("Φ", normal_cdf(row[0]) / row[1], 1.0, 1e-12);
    }
    for row in rows("normal_quantile") {
        check("Φ⁻¹", normal_quantile(row[0]), row[1], 1e-12);
    }
    for row in rows("student_t_cdf") {
        check("F", student_t_cdf(row[0], row[1]), row[2], 1e-12);
    }
    for row in rows("student_t_quantile") {
        check("F⁻¹", student_t_quantile(row[0], row[1]), row[2], 1e-10);
    }
}

#[test]
fn correlations_are_scipys() {
    let golden = values();
    for case in array(&golden, "correlations") {
        let (x, y) = (numbers(case, "x"), numbers(case, "y"));
        check("ρ", spearman(&x, &y).unwrap(), number(&case["spearman"]), 1e-12);
        check("τ", kendall_tau_b(&x, &y).unwrap(), number(&case["kendall_tau_b"]), 1e-12);
        assert_eq!(average_ranks(&x), numbers(case, "ranks_of_x"));
    }
    for case in array(&golden, "jaccard") {
        let (a, b) = (positions(case, "a"), positions(case, "b"));
        check("Jaccard", jaccard(&a, &b).unwrap(), number(&case["jaccard"]), 1e-12);
    }
}

#[test]
fn sign_flips_are_scipys() {
    for case in array(&values(), "sign_flip") {
        let differences = numbers(case, "differences");
        let expected = number(&case["p"]);
        check("exact p", exact_p_value(&differences), expected, 1e-12);
        check("drawn p", drawn_p_value(&differences, 100_000, 1), expected, 0.006);
    }
}

#[test]
fn bootstrap_intervals_are_scipys() {
    for case in array(&values(), "bootstrap") {
        let (sample, drawn) = (numbers(case, "values"), numbers(case, "distribution"));
        let jackknife = jackknife_mean(&sample);
        for (found, expected) in jackknife.iter().zip(numbers(case, "jackknife")) {
            check("jackknife", *found, expected, 1e-12);
        }
        for confidence in [0.9, 0.95] {
            let expected = |method: &str| numbers(case, &format!("{method} {confidence}"));
            let found = percentile_interval(&drawn, confidence);
            check("low", found.low, expected("percentile")[0], 1e-12);
            check("high", found.high, expected("percentile")[1], 1e-12);
            let found = bca_interval(mean(&sample), &drawn, &jackknife, confidence);
            check("BCa low", found.low, expected("BCa")[0], 1e-11);
            check("BCa high", found.high, expected("BCa")[1], 1e-11);
        }
        // Our own draws are others than SciPy's; the intervals differ by the noise of resampling.
        let own = Bootstrap { resamples: 100_000, seed: 5, confidence: 0.95 };
        let found = bca_interval(mean(&sample), &mean_distribution(&sample, own), &jackknife, 0.95);
        let noise = 0.06 * number(&case["standard error"]);
        let expected = numbers(case, "BCa, 100,000 resamples");
        assert!((found.low - expected[0]).abs() < noise, "{found:?} {expected:?}");
        assert!((found.high - expected[1]).abs() < noise, "{found:?} {expected:?}");
    }
}

#[test]
fn lines_effects_and_corrections_are_scipys() {
    let golden = values();
    for case in array(&golden, "lines") {
        let tokens: Vec<u32> = positions(case, "tokens").iter().map(|&t| t as u32).collect();
        let (x, _) = doublings_from_median(&tokens);
        let line = least_squares(&x, &numbers(case, "differences"));
        check("intercept", line.intercept, number(&case["intercept"]), 1e-12);
        check("slope", line.slope, number(&case["slope"]), 1e-12);
    }
    for case in array(&golden, "effects") {
        let differences = numbers(case, "differences");
        check("d_z", cohens_d_z(&differences).unwrap(), number(&case["cohens_d_z"]), 1e-12);
    }
    for case in array(&golden, "welch") {
        let (x, y) = (numbers(case, "x"), numbers(case, "y"));
        let sources = [source(&x).unwrap(), source(&y).unwrap()];
        let found = Student::new(mean(&x) - mean(&y), &sources);
        check("degrees of freedom", found.degrees_of_freedom, number(&case["df"]), 1e-12);
        let (found, expected) = (found.interval(0.95), numbers(case, "interval"));
        check("low", found.low, expected[0], 1e-10);
        check("high", found.high, expected[1], 1e-10);
    }
    for case in array(&golden, "holm") {
        for (found, expected) in holm(&numbers(case, "p")).iter().zip(numbers(case, "adjusted")) {
            check("Holm", *found, expected, 1e-12);
        }
    }
}

#[test]
fn power_is_that_of_the_noncentral_t() {
    for row in array(&values(), "power") {
        let row: Vec<f64> = row.as_array().expect("a row").iter().map(number).collect();
        check("power", power(row[0], row[1], row[2]), row[3], 1e-4);
    }
}

#[test]
fn readings_are_weighted_least_squares() {
    for case in array(&values(), "readings") {
        let tokens: Vec<u32> = positions(case, "tokens").iter().map(|&t| t as u32).collect();
        let differences = numbers(case, "differences");
        for (name, reading) in [
            ("sample", Reading::by_sample(tokens.len())),
            ("token", Reading::by_token(&tokens)),
            ("median", Reading::at_median_length(&tokens).expect("a line")),
            ("doubling", Reading::per_doubling(&tokens).expect("a line")),
        ] {
            let expected = numbers(case, name);
            check(name, reading.of(&differences), expected[0], 1e-12);
            check(name, reading.variance(&differences) / expected[1], 1.0, 1e-10);
        }
    }
}

fn runs(table: &[Vec<f64>]) -> Vec<&[f64]> {
    table.iter().map(Vec::as_slice).collect()
}

#[test]
fn crossed_sources_are_those_of_the_analysis_of_variance() {
    for case in array(&values(), "crossed") {
        let table = |key: &str| -> Vec<Vec<f64>> {
            let run = |run: &Value| run.as_array().expect("a run").iter().map(number).collect();
            array(case, key).iter().map(run).collect()
        };
        let (a, b) = (table("a"), table("b"));
        let reading = Reading::by_sample(a[0].len());
        let both = average(&runs(&a)).into_iter().zip(average(&runs(&b)));
        let differences: Vec<f64> = both.map(|(a, b)| a - b).collect();
        let spread = |table| seed_spread(&reading, &runs(table)).expect("two seeds or more");
        let over_samples = reading.source(&differences);
        let found = across_seeds(mean(&differences), over_samples, spread(&a), spread(&b));
        check("standard error", found.standard_error, number(&case["standard_error"]), 1e-12);
        check("degrees of freedom", found.degrees_of_freedom, number(&case["df"]), 1e-9);
        check("low", found.interval(0.95).low, numbers(case, "interval")[0], 1e-10);
        check("p", found.p_value(), number(&case["p"]), 1e-10);
    }
}

/// A run that was judged so and did nothing else.
pub fn result(arm: &str, seed: u64, held_out: Vec<f64>) -> ArmResult {
    let response_tokens = (0..held_out.len() as u32).map(|at| 5 + at % 50).collect();
    let judged = Judged { held_out, response_tokens, spared_seconds: 0.0, spared_tokens: 0 };
    let (arm, held_out_by_epoch) = (arm.into(), Vec::new());
    ArmResult {
        arm,
        seed,
        costs_as: None,
        judged,
        held_out_by_epoch,
        pool: 0,
        record: empty_record(),
    }
}

fn empty_record() -> RunRecord {
    let model = ModelFacts {
        architecture: "none".into(),
        parameters: 0,
        trained: 0,
        dtype: "none".into(),
        device: "none".into(),
        vocab_size: 0,
        max_position_embeddings: 0,
        resident_bytes: 0,
    };
    let manifest = RunManifest {
        iterit: "0.1.0".into(),
        seed: 0,
        num_samples: 0,
        budget: 0,
        epochs: 0,
        total_steps: 0,
        model,
        plugins: Vec::new(),
        sha256: BTreeMap::new(),
        texts: None,
        identity: Default::default(),
        environment: Default::default(),
        resumed: Vec::new(),
    };
    RunRecord {
        manifest,
        epochs: vec![],
        steps: vec![],
        evaluations: vec![],
        scores: vec![],
        selections: vec![],
    }
}

#[test]
fn verdicts_say_which_way_and_why_not() {
    let losses = |shift: f64, wobble: f64| -> Vec<f64> {
        (0..100).map(|at| 2.0 + shift + wobble * f64::from(at % 7) - 3.0 * wobble).collect()
    };
    #[track_caller]
    fn check_verdict(results: &[ArmResult], evidence: Evidence, words: &str) {
        let comparison = compare(&Design::default(), results).unwrap();
        let verdict = &comparison.pairs[0].verdict;
        assert_eq!(verdict.evidence, evidence, "{verdict:?}");
        assert!(format!("{}. {}", verdict.headline, verdict.text).contains(words), "{verdict:?}");
    }
    let random = |seed| result("random", seed, losses(0.0, 0.01));
    let arm = |seed, shift| result("a", seed, losses(shift, 0.012));
    let with = |arms: [ArmResult; 2]| [arms.to_vec(), vec![random(1), random(2)]].concat();
    check_verdict(
        &with([arm(1, -0.1), arm(2, -0.11)]),
        Evidence::Better,
        "“a” is better than “random”",
    );
    check_verdict(
        &with([arm(1, 0.1), arm(2, 0.11)]),
        Evidence::Worse,
        "“a” is worse than “random”",
    );
    check_verdict(&with([arm(1, -0.2), arm(2, 0.15)]), Evidence::SeedsDiffer, "seeds of one arm");
    check_verdict(&with([arm(1, 0.0), arm(2, 0.0)]), Evidence::None, "No evidence of a difference");
    check_verdict(
        &with([arm(1, 0.004), arm(2, -0.005)]),
        Evidence::None,
        "excludes that it is better",
    );
    check_verdict(&[arm(1, -0.1), random(1), random(2)], Evidence::OneSeed, "with one seed");
}

#[test]
fn results_that_cannot_be_compared_are_refused() {
    let good = || vec![result("a", 1, vec![1.0; 4]), result("random", 1, vec![1.0; 4])];
    #[track_caller]
    fn check_refusal(results: Vec<ArmResult>, expected: &str) {
        let error = compare(&Design::default(), &results).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(compare(&Design::default(), &good()).is_ok());
    check_refusal(good()[..1].to_vec(), "a comparison needs two");
    check_refusal([good(), good()].concat(), "two results of seed 1");
    let mut results = good();
    results[1].arm = "b".into();
    check_refusal(results, "the baseline `random` has no result");
    let mut results = good();
    results[1].judged.held_out[2] = f64::NAN;
    check_refusal(results, "held-out sample 2 is not a number");
    let mut results = good();
    results[0].judged.response_tokens[0] = 9;
    check_refusal(results, "other held-out samples");
}
