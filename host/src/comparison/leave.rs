//! What a comparison leaves: figures for programs, a text for a note, a page to look at.

use iterit_core::compare::{ArmResult, Circumstances, Comparison, Judged, Ledger, compare};
use iterit_core::{Result, Sample, report, whole_file};
use std::path::PathBuf;

/// What finished runs say, and what they were made under.
pub(crate) fn conclude(ledger: &Ledger, results: &[ArmResult]) -> Result<Comparison> {
    let begun = ledger.begun()?;
    let loss = |judged: Judged| begun.design.reading(&judged.response_tokens).of(&judged.held_out);
    let before = ledger.before()?.map(loss);
    let circumstances = Circumstances::of(&begun, results, before);
    Ok(compare(&begun.design, results)?.under(circumstances))
}

/// Writes `comparison.json`, `comparison.md` and `report.html`; where the page is.
pub(crate) fn leave(
    ledger: &Ledger,
    comparison: &Comparison,
    results: &[ArmResult],
    samples: &[Sample],
) -> Result<PathBuf> {
    let write = |name: &str, text: String| {
        let path = ledger.root().join(name);
        whole_file::write(&path, text.as_bytes()).map(|()| path)
    };
    write("comparison.json", report::comparison_json(comparison))?;
    write("comparison.md", report::comparison_markdown(comparison))?;
    ledger.look(comparison)?;
    write("report.html", report::comparison_html(comparison, results, Some(samples)))
}
