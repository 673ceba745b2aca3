//! `score`: what complexity scorers say of samples, one JSON line each.

use crate::cli::Score;
use crate::progress::Screen;
use crate::stdout;
use crate::training::needs;
use crate::wiring::{self, Choosers, Company};
use iterit_core::config::Setting;
use iterit_core::models::Extent;
use iterit_core::record::ScoreLine;
use iterit_core::run::{History, Lender, score};
use iterit_core::score_table::ScoreTable;
use iterit_core::sdk::PluginKind;
use iterit_core::{Error, Result, SampleId, whole_file};
use std::num::NonZeroUsize;

pub(crate) fn run(args: &Score, settings: &[Setting]) -> Result<()> {
    let mut config = wiring::config(&args.common, settings)?;
    let gathered = Company::gather(args.ranks.ranks, &mut config)?;
    let Some(mut company) = gathered else { return Ok(()) };
    let screen = Screen::new();
    let choosers = Choosers::of_kind(&config, PluginKind::Complexity, &screen)?;
    if choosers.is_empty() {
        return Err(Error::config(format!(
            "--plugins {} names no complexity scorer, so there is nothing to score by\n\
             hint: --plugins ifd",
            config.selection.plugins.join(",")
        )));
    }
    let limit = args.limit.map(NonZeroUsize::get);
    let corpus = wiring::corpus(&config, limit, &screen)?;
    let models = company.models(&config, &corpus, &screen)?;
    choosers.require(&models.offered(&corpus))?;
    needs::fit(&models, &corpus, 0, Extent::All, &screen);
    let scorers = choosers.open_complexity(&config)?;
    let ids: Vec<SampleId> = (0..corpus.num_samples()).collect();
    let lender = Lender {
        corpus: &corpus,
        models: &models,
        seed: config.seed,
        threads: company.threads(),
        observer: &screen,
    };
    let mut table = ScoreTable::default();
    let history = History { table: &table, selections: &[] };
    let scored = score(lender, history, &scorers, &ids, None)?;
    table.update(0, &ids, &scored);
    let mut lines = table.at(0).to_vec();
    if let Some(first) = lines.first_mut() {
        first.texts = lender.text_record().map(Box::new);
    }
    match &config.output.path {
        Some(path) => whole_file::write_json_lines(path, lines),
        None => {
            print(&lines);
            Ok(())
        }
    }
}

fn print(lines: &[ScoreLine]) {
    for line in lines {
        stdout::line(serde_json::to_string(line).expect("a score line serializes"));
    }
}
