//! The charts of one run: loss, learning rate, scores.

use super::chart::{Axis, Chart, Mark, Series, smoothed, thinned};
use super::format;
use super::page::LegendItem;
use crate::observe::History;
use crate::observe::histogram::Bins;
use crate::record::{RunRecord, StepRecord};
use crate::statistics::summary::{quantile, sorted_finite};
use serde::Serialize;
use std::collections::HashSet;

/// More points than a screen has columns tell nothing.
const MOST_POINTS: usize = 800;
/// Bars in a histogram.
const BARS: usize = 32;

/// An axis of optimizer steps, of which the first is 1.
pub(crate) fn step_axis(steps: u64) -> Axis {
    Axis::over([0.0, steps.max(1) as f64], "optimizer step").with_whole_ticks()
}

/// One figure of every step, thinned to what can be seen.
pub(crate) fn curve(record: &RunRecord, figure: impl Fn(&StepRecord) -> f64) -> Vec<(f64, f64)> {
    let all: Vec<(f64, f64)> = record
        .steps
        .iter()
        .map(|step| (step.step as f64 + 1.0, figure(step)))
        .filter(|(_, value)| value.is_finite())
        .collect();
    thinned(&all, MOST_POINTS)
}

/// A curve's course without its noise.
pub(crate) fn trend(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    smoothed(points, points.len() / 24)
}

/// Steps after which an epoch ended and another began.
pub(crate) fn epoch_ends(record: &RunRecord) -> Vec<f64> {
    let last = record.steps.len() as u64;
    record.epochs.iter().map(|e| e.steps).filter(|&s| s > 0 && s < last).map(|s| s as f64).collect()
}

/// Training loss, its trend, and held-out loss where there is any.
pub(crate) fn loss_chart(record: &RunRecord) -> (String, Vec<LegendItem>) {
    let loss = curve(record, |step| step.loss);
    let held_out: Vec<(f64, f64)> =
        record.evaluations.iter().map(|it| (it.step as f64, it.loss)).collect();
    let noisy = loss.len() >= 48;
    let mut series = Vec::new();
    let mut legend = Vec::new();
    if noisy {
        series.push(Series { mark: Mark::FaintLine { colour: 0 }, points: loss.clone() });
        legend.push(LegendItem::new("line faint c0", "loss of each step"));
    }
    let name = if noisy { "moving mean" } else { "training loss" };
    let trend = if noisy { trend(&loss) } else { loss.clone() };
    series.push(Series { mark: Mark::Line { colour: 0 }, points: trend.clone() });
    legend.push(LegendItem::new("line c0", name));
    if !held_out.is_empty() {
        series.push(Series { mark: Mark::Line { colour: 1 }, points: held_out.clone() });
        series.push(Series { mark: Mark::Dots { colour: 1 }, points: held_out.clone() });
        legend.push(LegendItem::new("line c1", "held-out loss"));
    }
    let ends = (trend.first(), trend.last());
    let description = match ends {
        (Some(first), Some(last)) => format!(
            "Training loss over {} optimizer steps, from {} to {}",
            format::count(record.steps.len() as u64),
            format::decimals(first.1, 3),
            format::decimals(last.1, 3)
        ),
        _ => "No training loss".into(),
    };
    let values = loss.iter().chain(&held_out).map(|point| point.1);
    let chart = Chart {
        description,
        x: step_axis(record.steps.len() as u64),
        y: Axis::over(values, "nats a token").padded(0.06),
        series,
        dividers: epoch_ends(record),
        height: 16.0,
    };
    (chart.render(), legend)
}

/// The learning rate.
pub(crate) fn learning_rate_chart(record: &RunRecord) -> String {
    let points = curve(record, |step| step.lr);
    let most = points.iter().map(|point| point.1).fold(0.0, f64::max);
    Chart {
        description: format!("Learning rate, at most {}", format::significant(most, 3)),
        x: step_axis(record.steps.len() as u64),
        y: Axis::over(points.iter().map(|p| p.1), "learning rate").with_zero().with_ticks(2),
        series: vec![Series { mark: Mark::Line { colour: 7 }, points }],
        dividers: epoch_ends(record),
        height: 5.5,
    }
    .render()
}

/// The scores made for one epoch.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ScoreHistogram {
    epoch: usize,
    scored: u64,
    picked: u64,
    chart: String,
    quantiles: Vec<Quantiles>,
}

#[derive(Debug, Clone, Serialize)]
struct Quantiles {
    name: &'static str,
    count: u64,
    values: Vec<f64>,
}

/// A histogram for every epoch that scored anything, all over the same bins.
pub(crate) fn score_histograms(record: &RunRecord, history: &History) -> Vec<ScoreHistogram> {
    let all = (0..history.epochs()).flat_map(|epoch| history.fresh(epoch));
    let Some(bins) = Bins::over(all.map(|(_, cell)| cell.score), BARS) else { return Vec::new() };
    (0..history.epochs())
        .filter(|&epoch| history.fresh(epoch).next().is_some())
        .map(|epoch| score_histogram(record, history, epoch, bins))
        .collect()
}

fn score_histogram(
    record: &RunRecord,
    history: &History,
    epoch: usize,
    bins: Bins,
) -> ScoreHistogram {
    let selection: HashSet<_> =
        record.selections.get(epoch).into_iter().flat_map(|s| s.selected.iter().copied()).collect();
    let scores: Vec<f64> = history.fresh(epoch).map(|(_, cell)| cell.score).collect();
    let picks: Vec<f64> = history
        .fresh(epoch)
        .filter(|(id, _)| selection.contains(id))
        .map(|(_, cell)| cell.score)
        .collect();
    let bars = |values: &[f64], colour: usize| Series {
        mark: Mark::Bars { colour, width: (bins.high - bins.low) / bins.count as f64 },
        points: bins
            .counts(values.iter().copied())
            .into_iter()
            .enumerate()
            .map(|(at, count)| (bins.edge(at), count as f64))
            .collect(),
    };
    let series = vec![bars(&scores, 7), bars(&picks, 0)];
    let tallest = series[0].points.iter().map(|point| point.1).fold(1.0, f64::max);
    let sorted = sorted_finite(scores.iter().copied());
    let chart = Chart {
        description: format!(
            "Histogram of {} scores of epoch {epoch}, median {}; {} of them picked",
            format::count(scores.len() as u64),
            format::significant(quantile(&sorted, 0.5), 3),
            format::count(picks.len() as u64)
        ),
        x: Axis::over([bins.low, bins.high], "score"),
        y: Axis::over([0.0, tallest], "samples").with_whole_ticks(),
        series,
        dividers: Vec::new(),
        height: 9.0,
    };
    ScoreHistogram {
        epoch,
        scored: scores.len() as u64,
        picked: picks.len() as u64,
        chart: chart.render(),
        quantiles: vec![quantiles("scored", &scores), quantiles("picked", &picks)],
    }
}

fn quantiles(name: &'static str, values: &[f64]) -> Quantiles {
    let sorted = sorted_finite(values.iter().copied());
    let values = [0.1, 0.25, 0.5, 0.75, 0.9].map(|q| quantile(&sorted, q)).to_vec();
    Quantiles { name, count: sorted.len() as u64, values }
}
