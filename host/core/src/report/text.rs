//! The same figures without a page: Markdown for a note, a table for the terminal, JSON for
//! programs.

use super::escape;
use super::format::{count, decimals, p_value, percent, seconds, signed};
use super::table::Table;
use crate::compare::{Comparison, Pair};
use crate::record::RunRecord;
use crate::statistics::Interval;
use std::fmt::Write;

/// A run as a Markdown text.
pub fn run_markdown(record: &RunRecord) -> String {
    let plugins: Vec<String> =
        record.manifest.plugins.iter().map(|plugin| escape::markdown(&plugin.name)).collect();
    format!(
        "# Run: {}\n\n{} of {} samples an epoch ({}), seed {}.\n\n{}",
        plugins.join(", "),
        count(record.manifest.budget),
        count(record.manifest.num_samples),
        percent(record.manifest.budget as f64 / record.manifest.num_samples as f64),
        record.manifest.seed,
        epochs_table(record).markdown()
    )
}

/// A run's epochs as a table for the terminal.
pub fn run_table(record: &RunRecord) -> String {
    epochs_table(record).terminal()
}

/// A run as JSON: what made it, and its epochs.
pub fn run_json(record: &RunRecord) -> String {
    let value = serde_json::json!({ "manifest": record.manifest, "epochs": record.epochs });
    serde_json::to_string_pretty(&value).expect("records serialize to JSON") + "\n"
}

fn epochs_table(record: &RunRecord) -> Table {
    let mut table = Table::new(&[
        "epoch", "rescored", "eligible", "picked", "score", "loss", "held-out", "tokens",
        "scoring", "picking", "training",
    ]);
    let optional = |value: Option<f64>| decimals(value.unwrap_or(f64::NAN), 4);
    for epoch in &record.epochs {
        table.push(vec![
            epoch.epoch.to_string(),
            count(epoch.rescored),
            count(epoch.eligible),
            count(epoch.picked),
            optional(epoch.mean_score),
            decimals(epoch.loss, 4),
            optional(epoch.eval_loss),
            count(epoch.tokens),
            seconds(epoch.seconds.scoring),
            seconds(epoch.seconds.picking),
            seconds(epoch.seconds.training),
        ]);
    }
    table
}

/// A comparison as a Markdown text.
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let mut out = String::from("# Comparison of selection strategies\n\n");
    let _ = writeln!(
        out,
        "Judged on {} held-out samples ({} response tokens). Losses are nats a token; a difference \
         below zero says that the arm is better.\n",
        count(comparison.held_out.samples),
        count(comparison.held_out.tokens)
    );
    for pair in &comparison.pairs {
        let verdict = &pair.verdict;
        let (headline, text) =
            (escape::markdown(&verdict.headline), escape::markdown(&verdict.text));
        let _ = writeln!(out, "- **{headline}.** {text}");
    }
    let _ = write!(
        out,
        "\n## Differences\n\n{}\n## Arms\n\n{}\n## Cost of a run\n\n{}",
        differences_table(comparison).markdown(),
        arms_table(comparison).markdown(),
        cost_table(comparison).markdown()
    );
    if !comparison.notes.is_empty() {
        out.push_str("\n## To read it rightly\n\n");
        comparison.notes.iter().for_each(|note| {
            let _ = writeln!(out, "- {}", escape::markdown(note));
        });
    }
    out
}

/// A comparison for the terminal: arms, differences with their intervals drawn, and verdicts.
pub fn comparison_table(comparison: &Comparison) -> String {
    let mut out = arms_table(comparison).terminal();
    out.push('\n');
    out.push_str(&drawn_table(comparison).terminal());
    out.push('\n');
    for pair in &comparison.pairs {
        let _ = writeln!(out, "{}.", escape::terminal(&pair.verdict.headline));
    }
    for note in &comparison.notes {
        let _ = writeln!(out, "note: {}", escape::terminal(note));
    }
    out
}

/// A comparison as JSON, whole.
pub fn comparison_json(comparison: &Comparison) -> String {
    serde_json::to_string_pretty(comparison).expect("comparisons serialize to JSON") + "\n"
}

fn arms_table(comparison: &Comparison) -> Table {
    let mut table = Table::new(&["arm", "seeds", "held-out loss", "± between seeds"]);
    for arm in &comparison.arms {
        table.push(vec![
            arm.name.clone(),
            arm.seeds.len().to_string(),
            decimals(arm.held_out_loss, 4),
            decimals(arm.seed_deviation.unwrap_or(f64::NAN), 4),
        ]);
    }
    table
}

fn differences_table(comparison: &Comparison) -> Table {
    let mut table = Table::new(&[
        "arm",
        "against",
        "difference",
        "over samples",
        "over seeds too",
        "p (Holm)",
        "d_z",
        "win/tie/loss",
        "at median length",
        "by tokens",
        "could see",
    ])
    .with_words(1);
    for pair in &comparison.pairs {
        let counts = pair.win_tie_loss;
        table.push(vec![
            pair.arm.clone(),
            pair.baseline.clone(),
            signed(pair.difference, 4),
            interval(pair.interval),
            across(pair),
            p_value(pair.p_holm),
            decimals(pair.effect_size.unwrap_or(f64::NAN), 2),
            format!("{}/{}/{}", counts.wins, counts.ties, counts.losses),
            signed(pair.length_controlled.difference, 4),
            signed(pair.token_weighted.difference, 4),
            decimals(pair.minimum_detectable, 4),
        ]);
    }
    table
}

fn drawn_table(comparison: &Comparison) -> Table {
    let mut table =
        Table::new(&["arm", "against", "difference", "interval", "p (Holm)", "better ← 0 → worse"])
            .with_words(1)
            .with_words(5);
    let reach = comparison
        .pairs
        .iter()
        .flat_map(|pair| [pair.interval.low, pair.interval.high, pair.difference])
        .map(f64::abs)
        .fold(0.0, f64::max);
    for pair in &comparison.pairs {
        table.push(vec![
            pair.arm.clone(),
            pair.baseline.clone(),
            signed(pair.difference, 4),
            interval(pair.interval),
            p_value(pair.p_holm),
            lane(pair, reach),
        ]);
    }
    table
}

/// The interval drawn over −reach … reach, zero in the middle.
fn lane(pair: &Pair, reach: f64) -> String {
    const HALF: f64 = 15.0;
    let place = |value: f64| (HALF + (value / reach * HALF).round()) as usize;
    let mut lane: Vec<char> = vec![' '; 2 * HALF as usize + 1];
    if reach > 0.0 {
        lane[place(pair.interval.low)..=place(pair.interval.high)].fill('─');
    }
    lane[HALF as usize] = '│';
    if reach > 0.0 {
        lane[place(pair.difference)] = '●';
    }
    lane.into_iter().collect()
}

fn cost_table(comparison: &Comparison) -> Table {
    let mut table = Table::new(&[
        "arm",
        "scoring",
        "picking",
        "training",
        "samples scored",
        "samples trained on",
        "tokens trained on",
    ]);
    for arm in &comparison.arms {
        let cost = &arm.cost;
        table.push(vec![
            arm.name.clone(),
            seconds(cost.scoring_seconds),
            seconds(cost.picking_seconds),
            seconds(cost.training_seconds),
            count(cost.samples_scored.round() as u64),
            count(cost.samples_trained.round() as u64),
            count(cost.tokens_trained.round() as u64),
        ]);
    }
    table
}

fn interval(interval: Interval) -> String {
    format!("{} to {}", signed(interval.low, 4), signed(interval.high, 4))
}

fn across(pair: &Pair) -> String {
    pair.across_seeds.map_or(super::format::NOTHING.into(), |across| interval(across.interval))
}
