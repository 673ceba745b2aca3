//! A run's figures without a page: Markdown for a note, a table for the terminal, JSON for programs.

use super::escape;
use super::format::{count, decimals, percent, seconds};
use super::table::Table;
use crate::record::RunRecord;

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
