//! The mix of the picks as a table with strips: the same for one run's epochs and for arms.

use super::format;
use crate::observe::mix::{Mix, Mixes};
use serde::Serialize;

/// The pool and the picks, ready to be shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MixTable {
    summary: String,
    rows: Vec<Row>,
    scale: u64,
    source_field: String,
    sources: Vec<Source>,
}

#[derive(Debug, Clone, Serialize)]
struct Row {
    name: String,
    samples: u64,
    median: Option<f64>,
    mean: Option<f64>,
    strip: Option<Strip>,
    duplicates: u64,
    duplicate_share: f64,
}

/// Quantiles, and where they stand in per cent of the scale.
#[derive(Debug, Clone, Serialize)]
struct Strip {
    p10: f64,
    p25: f64,
    p75: f64,
    p90: f64,
    left: String,
    width: String,
    box_left: String,
    box_width: String,
    mid: String,
}

#[derive(Debug, Clone, Serialize)]
struct Source {
    name: String,
    shares: Vec<Share>,
}

#[derive(Debug, Clone, Serialize)]
struct Share {
    value: f64,
    more: bool,
}

/// Puts names to the picks of a mix.
pub(crate) fn mix_table(mixes: &Mixes, names: &[String]) -> MixTable {
    let named = || {
        std::iter::once(("All samples", &mixes.pool))
            .chain(names.iter().map(String::as_str).zip(&mixes.picks))
    };
    let longest = named().filter_map(|(_, mix)| mix.length).map(|length| length.p90);
    let scale = longest.fold(1.0, f64::max);
    let share = |mix: &Mix, number: usize| mix.by_source[number] as f64 / mix.samples as f64;
    let sources = mixes.sources.iter().enumerate().map(|(number, name)| Source {
        name: name.clone(),
        shares: named()
            .map(|(_, mix)| Share {
                value: share(mix, number),
                more: share(mix, number) > 1.1 * share(&mixes.pool, number),
            })
            .collect(),
    });
    MixTable {
        summary: summary(mixes, names),
        rows: named().map(|(name, mix)| row(name, mix, scale)).collect(),
        scale: scale.round() as u64,
        source_field: mixes.source_field.clone().unwrap_or_default(),
        sources: sources.collect(),
    }
}

/// What strikes the eye: the set whose length differs most from the pool's.
fn summary(mixes: &Mixes, names: &[String]) -> String {
    let Some(pool) = mixes.pool.length.map(|length| length.median.max(1.0)) else {
        return String::new();
    };
    let far = |median: &f64| (median.max(1.0) / pool).ln().abs();
    let medians = names
        .iter()
        .zip(&mixes.picks)
        .filter_map(|(name, mix)| mix.length.map(|length| (name, length.median)));
    let furthest = medians.max_by(|(_, a), (_, b)| far(a).total_cmp(&far(b)));
    match furthest {
        Some((name, median)) if far(&median) > 1.25_f64.ln() => format!(
            "Length matters here: the median response of “{name}” has {} characters, that of all \
             samples {}. A difference between strategies may be one of length.",
            format::decimals(median, 0),
            format::decimals(pool, 0)
        ),
        _ => "The picks are about as long as the samples they were taken from.".into(),
    }
}

fn row(name: &str, mix: &Mix, scale: f64) -> Row {
    let place = |value: f64| format!("{:.2}", 100.0 * value / scale);
    Row {
        name: name.to_owned(),
        samples: mix.samples,
        median: mix.length.map(|length| length.median),
        mean: mix.length.map(|length| length.mean),
        strip: mix.length.map(|length| Strip {
            p10: length.p10,
            p25: length.p25,
            p75: length.p75,
            p90: length.p90,
            left: place(length.p10),
            width: place(length.p90 - length.p10),
            box_left: place(length.p25),
            box_width: place(length.p75 - length.p25),
            mid: place(length.median),
        }),
        duplicates: mix.duplicates,
        duplicate_share: mix.duplicates as f64 / mix.samples as f64,
    }
}
