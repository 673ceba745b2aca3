//! The page of one run, or of several side by side.

use super::embed::sample_data;
use super::format::{count, decimals, percent, seconds, significant};
use super::mix_table::{MixTable, mix_table};
use super::page::{self, Fact, LegendItem, MatrixTable, Section};
use super::run_charts::{self, ScoreHistogram};
use super::{Browser, RunView};
use crate::SampleId;
use crate::observe::drift::{Drift, drifts};
use crate::observe::mix::mixes;
use crate::observe::overlap::{jaccard_by_chance, jaccard_matrix};
use crate::observe::{History, overlap::Matrix};
use crate::record::{EpochRecord, RunManifest, RunRecord, Seconds};
use crate::statistics::summary::mean;
use serde::Serialize;

#[derive(Serialize)]
struct Page<'a> {
    version: &'static str,
    style: &'static str,
    title: String,
    eyebrow: String,
    sections: Vec<Section>,
    runs: Vec<RunModel<'a>>,
    overview: Option<Overview>,
    browser: Option<Browser>,
}

#[derive(Serialize)]
struct RunModel<'a> {
    name: &'a str,
    lead: String,
    facts: Vec<Fact>,
    budget: u64,
    loss_chart: String,
    loss_legend: Vec<LegendItem>,
    lr_chart: String,
    dividers: bool,
    epochs: &'a [EpochRecord],
    has_eval: bool,
    time: Option<Time>,
    histograms: Vec<ScoreHistogram>,
    histogram_legend: Vec<LegendItem>,
    change: String,
    overlap: Option<MatrixTable>,
    drifts: Vec<Drift>,
    mix: Option<MixTable>,
    manifest: &'a RunManifest,
}

/// Where the time went.
#[derive(Serialize)]
pub(crate) struct Time {
    total: f64,
    parts: Vec<TimePart>,
}

#[derive(Serialize)]
struct TimePart {
    name: &'static str,
    seconds: f64,
    share: f64,
}

/// The pages of several runs begin with them side by side.
#[derive(Serialize)]
struct Overview {
    rows: Vec<OverviewRow>,
    legend: Vec<LegendItem>,
    chart: String,
    matrix: Option<MatrixTable>,
}

#[derive(Serialize)]
struct OverviewRow {
    name: String,
    plugins: String,
    seed: u64,
    epochs: usize,
    steps: u64,
    picked: u64,
    loss: Option<f64>,
    eval_loss: Option<f64>,
    tokens: u64,
    seconds: f64,
}

/// The page as HTML.
pub(crate) fn render(views: &[RunView<'_>]) -> String {
    let browser = browser(views);
    let runs: Vec<RunModel<'_>> = views.iter().map(run_model).collect();
    let overview = (views.len() != 1).then(|| overview(views));
    let title = match views {
        [only] => only.name.to_owned(),
        views => format!("{} runs", views.len()),
    };
    let page = Page {
        version: page::VERSION,
        style: page::STYLE,
        title,
        eyebrow: match views {
            [only] => format!("iterit run report · seed {}", only.record.manifest.seed),
            _ => "iterit run report".into(),
        },
        sections: sections(views, runs.first(), browser.is_some()),
        runs,
        overview,
        browser,
    };
    page::render("run.html", &page)
}

fn sections(views: &[RunView<'_>], first: Option<&RunModel<'_>>, samples: bool) -> Vec<Section> {
    let mut sections = Vec::new();
    match first {
        Some(run) if views.len() == 1 => {
            sections.push(Section::new("training", "Training"));
            sections.push(Section::new("epochs", "Epochs"));
            sections.push(Section::new("scores", "Scores"));
            sections.extend(
                run.overlap.as_ref().map(|_| Section::new("change", "From epoch to epoch")),
            );
            sections.extend(run.mix.as_ref().map(|_| Section::new("mix", "What was picked")));
        }
        _ => {
            sections.push(Section::new("overview", "Overview"));
            let numbered = views.iter().enumerate();
            sections.extend(
                numbered.map(|(at, view)| Section::new(format!("run-{}", at + 1), view.name)),
            );
        }
    }
    sections.extend(samples.then(|| Section::new("samples", "Samples")));
    sections
}

fn run_model<'a>(view: &RunView<'a>) -> RunModel<'a> {
    let record = view.record;
    let history = History::new(record);
    let picks = picks(record);
    let epoch_names: Vec<String> = (0..picks.len()).map(|epoch| format!("Epoch {epoch}")).collect();
    let overlap = (picks.len() > 1).then(|| jaccard_matrix(&picks));
    let (loss_chart, loss_legend) = run_charts::loss_chart(record);
    let trained = !record.steps.is_empty();
    RunModel {
        name: view.name,
        lead: lead(record, overlap.as_ref()),
        facts: facts(record),
        budget: record.manifest.budget,
        loss_chart: if trained { loss_chart } else { String::new() },
        loss_legend,
        lr_chart: run_charts::learning_rate_chart(record),
        dividers: !run_charts::epoch_ends(record).is_empty(),
        epochs: &record.epochs,
        has_eval: record.epochs.iter().any(|epoch| epoch.eval_loss.is_some()),
        time: time(record),
        histograms: run_charts::score_histograms(record, &history),
        histogram_legend: vec![
            LegendItem::new("block c7", "scored"),
            LegendItem::new("block c0", "picked"),
        ],
        change: overlap.as_ref().map_or_else(String::new, |matrix| change(record, matrix)),
        overlap: overlap.map(|rows| MatrixTable {
            by_chance: None,
            caption: "Jaccard’s index of the picks: shared over all in either".into(),
            names: epoch_names.clone(),
            rows,
        }),
        drifts: drifts(&history, record.manifest.budget),
        mix: view
            .samples
            .filter(|samples| !samples.is_empty())
            .map(|samples| mix_table(&mixes(samples, &picks), &epoch_names)),
        manifest: &record.manifest,
    }
}

fn picks(record: &RunRecord) -> Vec<&[SampleId]> {
    record.selections.iter().map(|selection| selection.selected.as_slice()).collect()
}

/// What happened, in two or three sentences.
fn lead(record: &RunRecord, overlap: Option<&Matrix>) -> String {
    let mut ever: Vec<SampleId> = picks(record).concat();
    ever.sort_unstable();
    ever.dedup();
    let epochs = record.epochs.len();
    let mut lead = format!(
        "Trained for {epochs} epoch{} on {} of {} samples.",
        if epochs == 1 { "" } else { "s" },
        count(ever.len() as u64),
        count(record.manifest.num_samples)
    );
    if epochs < record.manifest.epochs as usize {
        lead += &format!(" The run was to have {} epochs and ended early.", record.manifest.epochs);
    }
    if let (Some(first), Some(last)) = (record.epochs.first(), record.epochs.last())
        && epochs > 1
    {
        let (a, b) = (decimals(first.loss, 3), decimals(last.loss, 3));
        lead +=
            &format!(" The mean training loss went from {a} in the first epoch to {b} in the last");
        lead += if overlap.is_some_and(|m| follows(m).iter().all(|&j| j > 0.999)) {
            ", on the same samples."
        } else {
            ", on different samples."
        };
        if let (Some(a), Some(b)) = (first.eval_loss, last.eval_loss) {
            lead +=
                &format!(" The held-out loss went from {} to {}.", decimals(a, 3), decimals(b, 3));
        }
    }
    lead
}

/// Jaccard's index of every epoch with the one before.
fn follows(matrix: &Matrix) -> Vec<f64> {
    (1..matrix.len()).filter_map(|epoch| matrix[epoch][epoch - 1]).collect()
}

fn change(record: &RunRecord, matrix: &Matrix) -> String {
    let largest = record.selections.iter().map(|s| s.selected.len() as u64).max().unwrap_or(0);
    let mut text = format!(
        "From one epoch to the next the picks have a Jaccard index of {}.",
        decimals(mean(&follows(matrix)), 2)
    );
    if let Some(chance) = jaccard_by_chance(largest, record.manifest.num_samples) {
        text += &format!(" Two random picks of this size would have {}.", decimals(chance, 2));
    }
    text
}

fn facts(record: &RunRecord) -> Vec<Fact> {
    let manifest = &record.manifest;
    let plugins: Vec<&str> = manifest.plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    let share = manifest.budget as f64 / manifest.num_samples as f64;
    let tokens: u64 = record.epochs.iter().map(|epoch| epoch.tokens).sum();
    let total = total_seconds(record);
    vec![
        Fact::new("Plugins", plugins.join(", "), ""),
        Fact::new(
            "Picked an epoch",
            count(manifest.budget),
            format!("{} of {}", percent(share), count(manifest.num_samples)),
        ),
        Fact::new(
            "Optimizer steps",
            count(record.steps.len() as u64),
            format!("of {} planned", count(manifest.total_steps)),
        ),
        Fact::new("Tokens trained on", count(tokens), ""),
        Fact::new("Time", seconds(sum(&total)), "scoring, picking, training"),
        Fact::new(
            "Model",
            manifest.model.architecture.as_str(),
            format!(
                "{} parameters, {}, {}",
                significant_count(manifest.model.parameters),
                manifest.model.dtype,
                manifest.model.device
            ),
        ),
    ]
}

/// 656512 → `657 thousand`.
fn significant_count(value: u64) -> String {
    let scaled = |unit: f64| significant(value as f64 / unit, 3);
    match value {
        0..10_000 => count(value),
        10_000..1_000_000 => format!("{} thousand", scaled(1e3)),
        1_000_000..1_000_000_000 => format!("{} million", scaled(1e6)),
        _ => format!("{} billion", scaled(1e9)),
    }
}

fn total_seconds(record: &RunRecord) -> Seconds {
    record.epochs.iter().fold(Seconds::default(), |sum, epoch| Seconds {
        scoring: sum.scoring + epoch.seconds.scoring,
        picking: sum.picking + epoch.seconds.picking,
        training: sum.training + epoch.seconds.training,
    })
}

fn sum(seconds: &Seconds) -> f64 {
    seconds.scoring + seconds.picking + seconds.training
}

fn time(record: &RunRecord) -> Option<Time> {
    let seconds = total_seconds(record);
    let total = sum(&seconds);
    let part = |name, seconds: f64| TimePart { name, seconds, share: seconds / total };
    (total > 0.0).then(|| Time {
        total,
        parts: vec![
            part("scoring", seconds.scoring),
            part("picking", seconds.picking),
            part("training", seconds.training),
        ],
    })
}

/// The sample browser over the first view's samples and all runs on the same number of them.
fn browser(views: &[RunView<'_>]) -> Option<Browser> {
    let samples = views.iter().find_map(|view| view.samples).filter(|s| !s.is_empty())?;
    let same = |view: &&RunView<'_>| view.record.manifest.num_samples == samples.len() as u64;
    let runs: Vec<(&str, &RunRecord)> =
        views.iter().filter(same).map(|view| (view.name, view.record)).collect();
    Some(Browser::new(sample_data(samples, &runs)))
}

fn overview(views: &[RunView<'_>]) -> Overview {
    use super::chart::{Axis, Chart, Mark, Series};
    let curves: Vec<Vec<(f64, f64)>> = views.iter().map(|view| by_epoch(view.record)).collect();
    let epochs = views.iter().map(|view| view.record.epochs.len()).max().unwrap_or(0);
    let values = curves.iter().flatten().map(|point| point.1);
    let chart = Chart {
        description: format!("Training loss of {} runs by epoch", views.len()),
        x: Axis::over([0.0, epochs.max(1) as f64], "epochs").with_whole_ticks(),
        y: Axis::over(values, "nats a token").padded(0.06),
        series: curves
            .iter()
            .enumerate()
            .map(|(at, points)| Series {
                mark: Mark::Line { colour: at % 8 },
                points: points.clone(),
            })
            .collect(),
        dividers: Vec::new(),
        height: 18.0,
    };
    let ever: Vec<Vec<SampleId>> = views.iter().map(|view| picks(view.record).concat()).collect();
    let sets: Vec<&[SampleId]> = ever.iter().map(Vec::as_slice).collect();
    let same_data = views
        .iter()
        .all(|view| view.record.manifest.num_samples == views[0].record.manifest.num_samples);
    Overview {
        rows: views.iter().map(overview_row).collect(),
        legend: views
            .iter()
            .enumerate()
            .map(|(at, view)| LegendItem::new(format!("line c{}", at % 8), view.name))
            .collect(),
        chart: chart.render(),
        matrix: same_data.then(|| MatrixTable {
            by_chance: None,
            caption: "Jaccard’s index of what two runs picked in any epoch".into(),
            names: views.iter().map(|view| view.name.to_owned()).collect(),
            rows: jaccard_matrix(&sets),
        }),
    }
}

/// A run's trend over epochs: runs of few steps and of many fit into one chart.
fn by_epoch(record: &RunRecord) -> Vec<(f64, f64)> {
    let epochs_a_step = record.epochs.len() as f64 / record.steps.len() as f64;
    let trend = run_charts::trend(&run_charts::curve(record, |step| step.loss));
    trend.into_iter().map(|(step, loss)| (step * epochs_a_step, loss)).collect()
}

fn overview_row(view: &RunView<'_>) -> OverviewRow {
    let record = view.record;
    let plugins: Vec<&str> = record.manifest.plugins.iter().map(|p| p.name.as_str()).collect();
    OverviewRow {
        name: view.name.to_owned(),
        plugins: plugins.join(", "),
        seed: record.manifest.seed,
        epochs: record.epochs.len(),
        steps: record.steps.len() as u64,
        picked: record.selections.iter().map(|s| s.selected.len() as u64).sum(),
        loss: record.epochs.last().map(|epoch| epoch.loss),
        eval_loss: record.epochs.last().and_then(|epoch| epoch.eval_loss),
        tokens: record.epochs.iter().map(|epoch| epoch.tokens).sum(),
        seconds: sum(&total_seconds(record)),
    }
}
