//! The page of a comparison.

use super::appendix::appendix;
use super::arm_change::{ArmChange, arm_change};
use super::chart::{Axis, Chart, Mark, Series};
use super::embed::sample_data;
use super::format::{count, percent};
use super::lane::{Lane, Scale};
use super::mix_table::{MixTable, mix_table};
use super::page::{self, Fact, LegendItem, MatrixTable, Section};
use super::{Browser, RunView};
use crate::compare::{ArmResult, ArmSummary, Band, Comparison, Evidence, Measure, Pair};
use crate::observe::mix::mixes;
use crate::statistics::summary::{quantile, sorted_finite};
use crate::{Sample, SampleId};
use serde::Serialize;

/// The style sheet has this many colours.
const COLOURS: usize = 8;

#[derive(Serialize)]
struct Page<'a> {
    version: &'static str,
    style: &'static str,
    title: String,
    eyebrow: &'static str,
    sections: Vec<Section>,
    lead: String,
    facts: Vec<Fact>,
    comparison: &'a Comparison,
    figure: &'static str,
    noun: &'static str,
    unit: &'static str,
    unit_of_difference: &'static str,
    judges: &'static str,
    appendix: Option<String>,
    verdicts: Vec<VerdictModel<'a>>,
    forest: Vec<Lane>,
    forest_scale: Scale,
    seeds: Vec<Lane>,
    seeds_scale: Scale,
    legend: Vec<LegendItem>,
    held_out_chart: Option<String>,
    training_chart: Option<String>,
    overlap: MatrixTable,
    score_agreement: Option<MatrixTable>,
    mix: Option<MixTable>,
    changes: Vec<ArmChange<'a>>,
    histogram_legend: Vec<LegendItem>,
    browser: Option<Browser>,
}

#[derive(Serialize)]
struct VerdictModel<'a> {
    class: &'static str,
    headline: &'a str,
    text: &'a str,
}

/// The page as HTML.
pub(crate) fn render(
    comparison: &Comparison,
    results: &[ArmResult],
    samples: Option<&[Sample]>,
) -> String {
    let names: Vec<String> = comparison.arms.iter().map(|arm| arm.name.clone()).collect();
    let firsts = first_runs(comparison, results);
    let samples = samples.filter(|samples| !samples.is_empty());
    let forest_scale = forest_scale(&comparison.pairs);
    let seeds_scale = seeds_scale(&comparison.arms);
    let held_out = |arm: &'_ ArmSummary| arm.curves.held_out.clone();
    let training = |arm: &'_ ArmSummary| arm.curves.training.clone();
    let scored = comparison.score_agreement.iter().flatten().any(Option::is_some);
    let mix = samples.map(|samples| mix(samples, &firsts, &names));
    let browser = samples.map(|samples| browser(samples, &firsts));
    let changes: Vec<ArmChange<'_>> =
        firsts.iter().filter_map(|run| arm_change(&run.arm, &run.record)).collect();
    let measure = comparison.design.measure;
    let page = Page {
        version: page::VERSION,
        style: page::STYLE,
        title: "Does selection help?".into(),
        eyebrow: "iterit comparison",
        sections: sections(comparison, &changes, browser.as_ref()),
        lead: lead(comparison),
        facts: facts(comparison),
        comparison,
        figure: measure.figure(),
        noun: measure.noun(),
        unit: measure.unit(),
        unit_of_difference: measure.unit_of_difference(),
        judges: measure.judges(),
        appendix: appendix(comparison),
        verdicts: comparison.pairs.iter().map(verdict).collect(),
        forest: comparison.pairs.iter().map(|pair| forest_lane(pair, &forest_scale)).collect(),
        forest_scale,
        seeds: comparison.arms.iter().map(|arm| seeds_lane(arm, &seeds_scale)).collect(),
        seeds_scale,
        legend: names
            .iter()
            .enumerate()
            .map(|(at, name)| LegendItem::new(format!("line c{}", at % COLOURS), name.as_str()))
            .collect(),
        held_out_chart: chart(&comparison.arms, held_out, "Held-out loss after each epoch"),
        training_chart: chart(&comparison.arms, training, "Training loss by epoch"),
        overlap: MatrixTable {
            caption:
                "Jaccard’s index of two arms’ picks, averaged over epochs and equal seeds; on the \
                 diagonal, an arm with itself under another seed. Below each, what picks at random \
                 of as many samples would give"
                    .into(),
            names: names.clone(),
            rows: comparison.overlap.clone(),
            by_chance: Some(comparison.overlap_by_chance.clone()),
        },
        score_agreement: scored.then(|| MatrixTable {
            caption: "Spearman’s ρ of two arms’ scores before any training".into(),
            names: names.clone(),
            rows: comparison.score_agreement.clone(),
            by_chance: None,
        }),
        mix,
        changes,
        histogram_legend: vec![
            LegendItem::new("block c7", "scored"),
            LegendItem::new("block c0", "picked"),
        ],
        browser,
    };
    page::render("comparison.html", &page)
}

/// The page's contents; epochs and samples are left out where there is nothing to show of them.
fn sections(
    comparison: &Comparison,
    changes: &[ArmChange<'_>],
    browser: Option<&Browser>,
) -> Vec<Section> {
    let mut sections = vec![
        Section::new("verdicts", "Verdicts"),
        Section::new("differences", "Differences"),
        Section::new("seeds", "Seeds"),
        Section::new("losses", "Losses"),
        Section::new("picks", "What was picked"),
    ];
    sections.extend(comparison.circumstances.as_ref().map(|_| Section::new("made", "Made under")));
    sections.extend((!changes.is_empty()).then(|| Section::new("change", "From epoch to epoch")));
    sections.extend([Section::new("cost", "Cost"), Section::new("method", "Method")]);
    let appendix = comparison.circumstances.as_ref();
    sections.extend(appendix.map(|_| Section::new("appendix", "For an appendix")));
    sections.extend(browser.map(|_| Section::new("samples", "Samples")));
    sections
}

/// The answer in a sentence or two.
fn lead(comparison: &Comparison) -> String {
    let number =
        |evidence| comparison.pairs.iter().filter(|pair| pair.verdict.evidence == evidence).count();
    let (better, worse) = (number(Evidence::Better), number(Evidence::Worse));
    let unsettled = number(Evidence::OneSeed);
    let open = comparison.pairs.len() - better - worse - unsettled;
    let mut parts = Vec::new();
    let mut part = |count: usize, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    part(better, "found better");
    part(worse, "found worse");
    part(open, "without evidence of a difference");
    part(unsettled, "that one seed cannot settle");
    let total = comparison.pairs.len();
    let plural = if total == 1 { "" } else { "s" };
    let unfinished = comparison.circumstances.as_ref().filter(|made| made.finished < made.planned);
    let unfinished = unfinished.map_or_else(String::new, |made| {
        format!("Unfinished, {} of {} runs are in. ", made.finished, made.planned)
    });
    format!("{unfinished}{total} comparison{plural}: {}.", parts.join(", "))
}

fn judges(comparison: &Comparison) -> Fact {
    let held_out = &comparison.held_out;
    match comparison.design.measure {
        Measure::Accuracy => Fact::new("Questions", count(held_out.samples), "with choices"),
        Measure::ExactMatch => Fact::new("Questions", count(held_out.samples), "answered in words"),
        Measure::Sample | Measure::Token => Fact::new(
            "Held-out samples",
            count(held_out.samples),
            format!("{} response tokens", count(held_out.tokens)),
        ),
    }
}

fn facts(comparison: &Comparison) -> Vec<Fact> {
    let runs: usize = comparison.arms.iter().map(|arm| arm.seeds.len()).sum();
    let seeds: Vec<usize> = comparison.arms.iter().map(|arm| arm.seeds.len()).collect();
    let (least, most) =
        (seeds.iter().min().copied().unwrap_or(0), seeds.iter().max().copied().unwrap_or(0));
    let seeds = if least == most { most.to_string() } else { format!("{least} to {most}") };
    vec![
        Fact::new("Arms", comparison.arms.len().to_string(), format!("{runs} runs")),
        Fact::new("Seeds an arm", seeds, ""),
        judges(comparison),
        Fact::new(
            "Confidence",
            percent(comparison.design.confidence),
            "of all verdicts together, after Holm’s correction",
        ),
    ]
}

fn verdict(pair: &Pair) -> VerdictModel<'_> {
    let class = match pair.verdict.evidence {
        Evidence::Better => "better",
        Evidence::Worse => "worse",
        Evidence::SeedsDiffer | Evidence::OneSeed | Evidence::None => "open",
    };
    VerdictModel { class, headline: &pair.verdict.headline, text: &pair.verdict.text }
}

fn forest_scale(pairs: &[Pair]) -> Scale {
    let rows = pairs.iter().map(|pair| {
        let across = pair.primary.across_seeds;
        let across = across.into_iter().flat_map(|it| [it.interval, it.simultaneous]);
        let intervals = across.chain([pair.primary.interval]);
        let ends = intervals.flat_map(|interval| [interval.low, interval.high]);
        ends.chain([pair.primary.difference]).collect()
    });
    Scale::around(0.0, rows.collect())
}

fn forest_lane(pair: &Pair, scale: &Scale) -> Lane {
    let lane = Lane::new(scale).with_zero().with_mark(pair.primary.difference);
    match pair.primary.across_seeds {
        Some(across) => lane.with_wide(Some(across.simultaneous)).with_sure(across.interval),
        None => lane.with_wide(Some(pair.primary.interval)),
    }
}

fn seeds_scale(arms: &[ArmSummary]) -> Scale {
    let means = sorted_finite(arms.iter().map(|arm| arm.held_out_loss));
    let rows = arms.iter().map(|arm| arm.seeds.iter().map(|seed| seed.held_out_loss).collect());
    Scale::around(quantile(&means, 0.5), rows.collect())
}

fn seeds_lane(arm: &ArmSummary, scale: &Scale) -> Lane {
    let dots = arm.seeds.iter().map(|seed| seed.held_out_loss);
    Lane::new(scale).with_mark(arm.held_out_loss).with_dots(dots)
}

/// Means as lines, seeds as bands; none where no arm has a point.
fn chart(
    arms: &[ArmSummary],
    curve: impl Fn(&ArmSummary) -> Vec<Band>,
    description: &str,
) -> Option<String> {
    let curves: Vec<Vec<Band>> = arms.iter().map(curve).collect();
    let all = || curves.iter().flatten();
    let last = all().map(|band| band.epochs).fold(0.0, f64::max);
    if last == 0.0 {
        return None;
    }
    let numbered = || curves.iter().enumerate().map(|(at, bands)| (at % COLOURS, bands));
    let mut series: Vec<Series> = numbered().map(|(colour, bands)| band(colour, bands)).collect();
    for (colour, bands) in numbered() {
        let points: Vec<(f64, f64)> = bands.iter().map(|band| (band.epochs, band.mean)).collect();
        if points.len() <= 12 {
            series.push(Series { mark: Mark::Dots { colour }, points: points.clone() });
        }
        series.push(Series { mark: Mark::Line { colour }, points });
    }
    let chart = Chart {
        description: format!(
            "{description}: {} arms, means over seeds with their range",
            arms.len()
        ),
        x: Axis::over([0.0, last.ceil()], "epochs").with_whole_ticks(),
        y: Axis::over(all().flat_map(|band| [band.low, band.high]), "nats a token").padded(0.06),
        series,
        dividers: Vec::new(),
        height: 18.0,
    };
    Some(chart.render())
}

/// Forth along the upper edge, back along the lower.
fn band(colour: usize, bands: &[Band]) -> Series {
    let upper = bands.iter().map(|band| (band.epochs, band.high));
    let lower = bands.iter().rev().map(|band| (band.epochs, band.low));
    Series { mark: Mark::Band { colour }, points: upper.chain(lower).collect() }
}

/// The first run of every arm.
fn first_runs<'a>(comparison: &Comparison, results: &'a [ArmResult]) -> Vec<&'a ArmResult> {
    let first = |arm: &ArmSummary| results.iter().find(|result| result.arm == arm.name);
    comparison.arms.iter().filter_map(first).collect()
}

fn mix(samples: &[Sample], firsts: &[&ArmResult], names: &[String]) -> MixTable {
    let picks: Vec<Vec<SampleId>> = firsts
        .iter()
        .map(|result| result.record.selections.iter().flat_map(|s| s.selected.clone()).collect())
        .map(|mut ids: Vec<SampleId>| {
            ids.sort_unstable();
            ids.dedup();
            ids
        })
        .collect();
    let picks: Vec<&[SampleId]> = picks.iter().map(Vec::as_slice).collect();
    mix_table(&mixes(samples, &picks), names)
}

fn browser(samples: &[Sample], firsts: &[&ArmResult]) -> Browser {
    let views = firsts.iter().map(|result| RunView {
        name: &result.arm,
        record: &result.record,
        samples: Some(samples),
    });
    let same = |view: &RunView<'_>| view.record.manifest.num_samples == samples.len() as u64;
    let runs: Vec<_> = views.filter(same).map(|view| (view.name, view.record)).collect();
    Browser::new(sample_data(samples, &runs))
}
