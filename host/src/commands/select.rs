//! `select`: the greedy pick by scores made before, without a model.

use crate::cli::Select;
use crate::progress::Screen;
use crate::ranks;
use crate::stdout;
use crate::wiring::{self, Choosers};
use iterit_core::config::{Config, Setting};
use iterit_core::greedy::{Budget, Candidate};
use iterit_core::json_file::each_json_line;
use iterit_core::learner::NoModel;
use iterit_core::models::Models;
use iterit_core::observer::Observer;
use iterit_core::record::{ScoreLine, Selection, TextRecord};
use iterit_core::run::{History, Lender, pick};
use iterit_core::score_table::ScoreTable;
use iterit_core::sdk::{LogLevel, PluginKind};
use iterit_core::services::pickable;
use iterit_core::{Error, Result, whole_file};
use serde::Deserialize;
use std::path::Path;

/// What is read of a row; everything else in it is passed over.
#[derive(Deserialize)]
struct Row {
    id: u64,
    score: Option<f64>,
    eligible: bool,
    #[serde(default)]
    texts: Option<Box<TextRecord>>,
}

pub(crate) fn run(args: &Select, settings: &[Setting]) -> Result<()> {
    ranks::refuse("select")?;
    let config = wiring::config(&args.common, settings)?;
    let screen = Screen::new();
    let choosers = Choosers::of_kind(&config, PluginKind::Diversity, &screen)?;
    let corpus = wiring::bare_corpus(&config, &screen)?;
    let scores = read_scores(&args.scores, corpus.num_samples())?;
    check_rules(&args.scores, &scores, &config)?;
    if args.budget == 0 || args.budget > corpus.num_samples() {
        return Err(Error::config(format!(
            "--budget is {}, expected 1 to {}, the number of samples",
            args.budget,
            corpus.num_samples()
        )));
    }
    // There are texts and nothing else: a scorer that asks a model must be named with one.
    choosers.require(&[])?;
    let mut diversity = choosers.open_diversity(&config)?;
    let models = Models::new(Box::new(NoModel));
    let lender = Lender {
        corpus: &corpus,
        models: &models,
        seed: config.seed,
        threads: wiring::threads(),
        observer: &screen,
    };
    let candidates: Vec<Candidate> = scores
        .iter()
        .filter(|line| pickable(line))
        .map(|line| Candidate { id: line.id, complexity: line.value() })
        .collect();
    warn_if_short(&candidates, args.budget, &screen)?;
    let mut table = ScoreTable::default();
    table.insert(0, scores);
    let history = History { table: &table, selections: &[] };
    let budget = Budget::Samples(args.budget as usize);
    let ties = config.selection.ties;
    let picks = pick(lender, history, diversity.as_mut(), &candidates, budget, ties, None)?;
    let selection = Selection {
        epoch: 0,
        budget: args.budget,
        selected: picks.candidates.iter().map(|&place| candidates[place].id).collect(),
        values: picks.values,
        gains: picks.gains,
    };
    match &config.output.path {
        Some(path) => whole_file::write_json(path, &selection),
        None => {
            let json = serde_json::to_string_pretty(&selection).expect("a selection serializes");
            stdout::line(&json);
            Ok(())
        }
    }
}

fn warn_if_short(candidates: &[Candidate], budget: u64, screen: &Screen) -> Result<()> {
    if candidates.is_empty() {
        return Err(Error::Run("no sample is eligible, so there is nothing to pick from".into()));
    }
    if (candidates.len() as u64) < budget {
        let num = candidates.len();
        let message = format!("only {num} samples are eligible, so all of them are picked");
        screen.say(LogLevel::Warn, "", &message);
    }
    Ok(())
}

/// Scores of texts made by other rules are not those of these samples.
fn check_rules(path: &Path, scores: &[ScoreLine], config: &Config) -> Result<()> {
    let Some(made) = scores.iter().find_map(|line| line.texts.as_ref()) else { return Ok(()) };
    let data = &config.data;
    let now = TextRecord::new(&data.texts, &data.turns, data.prompt.as_ref())
        .with_proxy(config.model.proxy_texts.as_ref());
    if made.agrees_with(&now) {
        return Ok(());
    }
    let named = |record: &TextRecord| {
        let prompt = record.prompt.as_deref().unwrap_or("unset");
        let proxy = record.proxy_texts.as_ref().map(|it| format!(", model.proxy_texts={it}"));
        let (texts, turns) = (&record.texts, &record.turns);
        let proxy = proxy.unwrap_or_default();
        format!("data.texts={texts}, data.turns={turns}, data.prompt={prompt}{proxy}")
    };
    Err(Error::file(
        path,
        format!(
            "made under {}, but this selection has {}\nhint: set what they were made under, or score \
             again",
            named(made),
            named(&now)
        ),
    ))
}

/// A score for every sample of the data, each once.
fn read_scores(path: &Path, num_samples: u64) -> Result<Vec<ScoreLine>> {
    if !path.is_file() {
        return Err(Error::config(format!("--scores `{}` is no file", path.display())));
    }
    let mut lines: Vec<Option<ScoreLine>> = vec![None; num_samples as usize];
    each_json_line(path, |number, row: Row| {
        let fault = |message: String| Error::file(path, format!("line {number}: {message}"));
        let Some(place) = lines.get_mut(row.id as usize) else {
            return Err(fault(format!(
                "`id` is {}, but the data has {num_samples} samples",
                row.id
            )));
        };
        if place.is_some() {
            return Err(fault(format!("`id` {} occurs twice", row.id)));
        }
        if let Some(score) = row.score.filter(|&score| score < 0.0) {
            return Err(fault(format!("`score` is {score:?}, expected 0 or more")));
        }
        *place = Some(ScoreLine {
            id: row.id,
            score: row.score,
            eligible: row.eligible,
            scored_at: 0,
            texts: row.texts,
            parts: Default::default(),
        });
        Ok(())
    })?;
    let missing: Vec<usize> = (0..lines.len()).filter(|&id| lines[id].is_none()).take(6).collect();
    if let Some(first) = missing.first() {
        return Err(Error::file(
            path,
            format!(
                "has no score of sample {first}{}, expected one for each of {num_samples}",
                if missing.len() > 1 { " and others" } else { "" }
            ),
        ));
    }
    Ok(lines.into_iter().flatten().collect())
}
