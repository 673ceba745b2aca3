//! A comparison's figures without a page: Markdown for a note, a table for the terminal, JSON for
//! programs.

use super::appendix::appendix;
use super::escape;
use super::format::{NOTHING, count, decimals, p_value, seconds, signed, signed_percent};
use super::table::Table;
use crate::compare::{Comparison, Estimate, HeldOut, Measure, Pair};
use crate::statistics::Interval;
use std::fmt::Write;

/// A comparison as a Markdown text.
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let mut out = String::from("# Comparison of selection strategies\n\n");
    let HeldOut { samples, tokens, .. } = comparison.held_out;
    let judged = match comparison.design.measure {
        Measure::Accuracy | Measure::ExactMatch => {
            format!("by the share of wrong answers to {} questions", count(samples))
        }
        Measure::Sample | Measure::Token => format!(
            "on {} held-out samples ({} response tokens). Losses are nats a token",
            count(samples),
            count(tokens)
        ),
    };
    let _ =
        writeln!(out, "Judged {judged}; a difference below zero says that the arm is better.\n");
    for pair in &comparison.pairs {
        let verdict = &pair.verdict;
        let (headline, text) =
            (escape::markdown(&verdict.headline), escape::markdown(&verdict.text));
        let _ = writeln!(out, "- **{headline}.** {text}");
    }
    let _ = write!(
        out,
        "\n## Differences\n\n{}\n## Read in other ways\n\n{}\n## Arms\n\n{}\n## Cost of a run\n\n{}",
        differences_table(comparison).markdown(),
        readings_table(comparison).markdown(),
        arms_table(comparison).markdown(),
        cost_table(comparison).markdown()
    );
    if !comparison.notes.is_empty() {
        out.push_str("\n## To read it rightly\n\n");
        comparison.notes.iter().for_each(|note| {
            let _ = writeln!(out, "- {}", escape::markdown(note));
        });
    }
    if let Some(paragraph) = appendix(comparison) {
        let _ = writeln!(out, "\n## For an appendix\n\n{}", escape::markdown(&paragraph));
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
    let figure = comparison.design.measure.figure();
    let mut table = Table::new(&["arm", "seeds", figure, "± between seeds"]);
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

/// What the verdicts rest on.
fn differences_table(comparison: &Comparison) -> Table {
    let of_it = match comparison.design.measure {
        Measure::Sample | Measure::Token => "of the loss",
        Measure::Accuracy | Measure::ExactMatch => "of the share",
    };
    let mut table = Table::new(&[
        "arm",
        "against",
        "difference",
        of_it,
        "over samples and seeds",
        "degrees of freedom",
        "for all pairs at once",
        "over samples alone",
        "p samples",
        "p seeds",
        "p (Holm)",
    ])
    .with_words(1);
    for pair in &comparison.pairs {
        let (primary, across) = (&pair.primary, pair.primary.across_seeds);
        let of_seeds = |text: &dyn Fn(crate::compare::AcrossSeeds) -> String| {
            across.map_or_else(|| "one seed".to_owned(), text)
        };
        table.push(vec![
            pair.arm.clone(),
            pair.baseline.clone(),
            signed(primary.difference, 4),
            share(primary),
            of_seeds(&|it| interval(it.interval)),
            of_seeds(&|it| decimals(it.degrees_of_freedom, 1)),
            of_seeds(&|it| interval(it.simultaneous)),
            interval(primary.interval),
            p_value(primary.p),
            of_seeds(&|it| p_value(it.p)),
            p_value(primary.p_holm),
        ]);
    }
    table
}

/// The same differences otherwise read, none of them a verdict.
fn readings_table(comparison: &Comparison) -> Table {
    let mut table = Table::new(&[
        "arm",
        "against",
        "d_z",
        "win/tie/loss",
        "a sample",
        "a token",
        "at median length",
    ])
    .with_words(1);
    for pair in &comparison.pairs {
        let counts = pair.win_tie_loss;
        table.push(vec![
            pair.arm.clone(),
            pair.baseline.clone(),
            decimals(pair.effect_size.unwrap_or(f64::NAN), 2),
            format!("{}/{}/{}", counts.wins, counts.ties, counts.losses),
            read(&pair.sample_weighted),
            read(&pair.token_weighted),
            pair.length_controlled.as_ref().map_or(NOTHING.into(), |it| read(&it.at_median)),
        ]);
    }
    table
}

fn drawn_table(comparison: &Comparison) -> Table {
    let mut table = Table::new(&[
        "arm",
        "against",
        "difference",
        "interval",
        "over",
        "p (Holm)",
        "better ← 0 → worse",
    ])
    .with_words(1)
    .with_words(4)
    .with_words(6);
    let reach = comparison
        .pairs
        .iter()
        .flat_map(|pair| {
            let interval = widest(&pair.primary);
            [interval.low, interval.high, pair.primary.difference]
        })
        .map(f64::abs)
        .fold(0.0, f64::max);
    for pair in &comparison.pairs {
        table.push(vec![
            pair.arm.clone(),
            pair.baseline.clone(),
            signed(pair.primary.difference, 4),
            interval(widest(&pair.primary)),
            over(&pair.primary).into(),
            p_value(pair.primary.p_holm),
            lane(pair, reach),
        ]);
    }
    table
}

/// The interval drawn over −reach … reach, zero in the middle.
fn lane(pair: &Pair, reach: f64) -> String {
    const HALF: f64 = 15.0;
    let place = |value: f64| (HALF + (value / reach * HALF).round()) as usize;
    let drawn = widest(&pair.primary);
    let mut lane: Vec<char> = vec![' '; 2 * HALF as usize + 1];
    if reach > 0.0 {
        lane[place(drawn.low)..=place(drawn.high)].fill('─');
    }
    lane[HALF as usize] = '│';
    if reach > 0.0 {
        lane[place(pair.primary.difference)] = '●';
    }
    lane.into_iter().collect()
}

fn cost_table(comparison: &Comparison) -> Table {
    let mut table = Table::new(&[
        "arm",
        "tokens forward, to choose",
        "tokens forward and backward",
        "samples scored",
        "samples trained on",
        "of them distinct",
        "scoring (wall-clock)",
        "picking",
        "training",
    ]);
    for arm in &comparison.arms {
        let cost = &arm.cost;
        table.push(vec![
            arm.name.clone(),
            count(cost.tokens_scored.round() as u64),
            count(cost.tokens_trained.round() as u64),
            count(cost.samples_scored.round() as u64),
            count(cost.samples_trained.round() as u64),
            count(arm.distinct_picks.round() as u64),
            seconds(cost.scoring_seconds),
            seconds(cost.picking_seconds),
            seconds(cost.training_seconds),
        ]);
    }
    table
}

/// The interval that counts all luck that is known.
fn widest(estimate: &Estimate) -> Interval {
    estimate.across_seeds.map_or(estimate.interval, |across| across.interval)
}

/// What that interval counts.
fn over(estimate: &Estimate) -> &'static str {
    if estimate.across_seeds.is_some() { "samples and seeds" } else { "samples only" }
}

fn read(estimate: &Estimate) -> String {
    let interval = interval(widest(estimate));
    format!("{}, {} over {}", signed(estimate.difference, 4), interval, over(estimate))
}

fn share(estimate: &Estimate) -> String {
    signed_percent(estimate.relative.unwrap_or(f64::NAN))
}

fn interval(interval: Interval) -> String {
    format!("{} to {}", signed(interval.low, 4), signed(interval.high, 4))
}
