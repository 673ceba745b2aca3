//! Families of arms drawn from many real runs of one and the same strategy: how often a page says of them
//! that one is better or worse. What [`families`](crate::families) simulates, real seeds either do or do not.
//!
//! It knows nothing of what the runs did; only how their held-out samples were judged. The runs are made
//! once, by a comparison with many seeds:
//!
//!     ITERIT_REAL_RUNS=runs/again/runs/random ITERIT_DESIGNS=2000 cargo test --test iterit real_families:: -- --nocapture

use crate::statistics::result;
use iterit_core::compare::{ArmResult, Design, Judged, Measure, Pairs, compare};
use iterit_core::statistics::random::SplitMix64;
use std::fs;
use std::path::Path;

/// Pages of so many arms, each of so many seeds, all pairs judged.
const PAGES: [(usize, usize); 6] = [(3, 3), (3, 5), (3, 10), (6, 3), (6, 5), (6, 10)];

#[test]
fn real_seeds_give_no_more_false_verdicts_than_promised() {
    let Some(folder) = std::env::var_os("ITERIT_REAL_RUNS") else {
        eprintln!(
            "skipped: ITERIT_REAL_RUNS names no folder with a run a seed, so nothing is drawn from them"
        );
        return;
    };
    let runs = runs(Path::new(&folder));
    let designs = std::env::var("ITERIT_DESIGNS").map_or(200, |it| it.parse().expect("a number"));
    eprintln!("{} runs, {designs} pages a row", runs.len());
    eprintln!(
        "| arms | seeds | measure | pages with a false verdict, % |\n| ---: | ---: | --- | ---: |"
    );
    for (arms, seeds) in PAGES.into_iter().filter(|(arms, seeds)| arms * seeds <= runs.len()) {
        for measure in [Measure::Sample, Measure::Token] {
            let any_false = (0..designs).filter(|&page| speaks(&runs, arms, seeds, measure, page));
            let any_false = any_false.count();
            let share = any_false as f64 / f64::from(designs);
            eprintln!("| {arms} | {seeds} | {measure:?} | {:.1} |", 100.0 * share);
            // 99.9 % of binomial counts with p = 0.06 lie below this.
            let most = 0.06 + 3.1 * (0.06 * 0.94 / f64::from(designs)).sqrt();
            assert!(share <= most, "{arms} arms of {seeds} seeds: {any_false} of {designs}");
        }
    }
}

/// Whether a page of arms that were dealt these runs says "better" or "worse" of any two.
fn speaks(runs: &[Judged], arms: usize, seeds: usize, measure: Measure, page: u32) -> bool {
    let mut random = SplitMix64::new(u64::from(page));
    let mut left: Vec<usize> = (0..runs.len()).collect();
    let mut results = Vec::new();
    for run in 0..arms * seeds {
        let drawn = left.swap_remove(random.below(left.len() as u32) as usize);
        let (arm, seed) = (run / seeds, drawn as u64);
        let name = if arm == 0 { "random".to_owned() } else { format!("arm {arm}") };
        let judged = runs[drawn].clone();
        results.push(ArmResult { judged, ..result(&name, seed, Vec::new()) });
    }
    let design = Design {
        pairs: Pairs::All,
        resamples: 300,
        resampling_seed: u64::from(page),
        measure,
        ..Design::default()
    };
    let comparison = compare(&design, &results).expect("figures");
    comparison.pairs.iter().any(|pair| pair.verdict.evidence.is_found())
}

/// How the finished runs in a folder were judged.
fn runs(folder: &Path) -> Vec<Judged> {
    let seeds = fs::read_dir(folder).expect("a folder of runs").map(|it| it.expect("a run").path());
    let mut files: Vec<_> =
        seeds.map(|it| it.join("result.json")).filter(|it| it.exists()).collect();
    files.sort();
    let read =
        |file| serde_json::from_slice(&fs::read(file).expect("a file")).expect("a judgement");
    files.into_iter().map(read).collect()
}
