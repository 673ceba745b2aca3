//! Reports: one self-contained HTML page, JSON, Markdown and a table for the terminal. Pure: a
//! record goes in, text comes out; nothing here reads a file, a clock or a model.
//!
//! People look before they read, so a page leads with what happened, then charts, then tables. It
//! works from disk without a network, in light and dark, on paper and with a screen reader.

pub mod format;

mod escape;
mod page;

mod chart;
mod lane;
mod table;

mod embed;
mod mix_table;
mod run_charts;

mod run_page;
mod arm_change;
mod appendix;
mod comparison_page;
mod run_text;
mod comparison_text;

pub use appendix::appendix;
pub use comparison_text::{comparison_json, comparison_markdown, comparison_table};
pub use run_text::{run_json, run_markdown, run_table};

use crate::Sample;
use crate::compare::{ArmResult, Comparison};
use crate::record::RunRecord;
use serde::Serialize;

/// One run to be shown.
#[derive(Debug, Clone, Copy)]
pub struct RunView<'a> {
    /// What to call it.
    pub name: &'a str,
    /// What it left behind.
    pub record: &'a RunRecord,
    /// The data it trained on, where it can be shown.
    pub samples: Option<&'a [Sample]>,
}

/// The page of one run, called by its plugins.
pub fn run_html(record: &RunRecord, samples: &[Sample]) -> String {
    let plugins: Vec<&str> = record.manifest.plugins.iter().map(|p| p.name.as_str()).collect();
    let name = if plugins.is_empty() { "A run".to_owned() } else { plugins.join(", ") };
    html(&[RunView { name: &name, record, samples: Some(samples) }])
}

/// The page of one run or of several side by side.
pub fn html(views: &[RunView<'_>]) -> String {
    run_page::render(views)
}

/// The page of a comparison. `results` are what it was computed from; `samples` the pool, where it
/// can be shown.
pub fn comparison_html(
    comparison: &Comparison,
    results: &[ArmResult],
    samples: Option<&[Sample]>,
) -> String {
    comparison_page::render(comparison, results, samples)
}

/// The sample browser: its data once, and the script that reads it.
#[derive(Serialize)]
struct Browser {
    system: Option<String>,
    cut: Option<embed::Cut>,
    json: String,
    script: &'static str,
}

impl Browser {
    fn new(data: embed::SampleData) -> Self {
        Self {
            json: escape::json_in_script(&data),
            script: page::SAMPLES_SCRIPT,
            cut: data.cut,
            system: data.system,
        }
    }
}
