//! What an epoch trains on: plan, score, pick, write down why.

use super::{EpochInProgress, Run};
use crate::greedy::{Budget, Candidate, Picks};
use crate::record::{ScoreLine, Seconds, Selection};
use crate::score_table::ScoreTable;
use crate::services::pickable;
use crate::{Error, Result, SampleId};
use iterit_sdk::{Action, Error as PluginError, Host, LogLevel, Update, check};
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Run<'_> {
    /// Chooses what the epoch about to begin trains on, and writes it to the run directory.
    pub(super) fn choose(&mut self) -> Result<()> {
        let mut seconds = Seconds::default();
        let forward_tokens = self.inputs.lender.models.forward_tokens();
        let before = forward_tokens.load(Ordering::Relaxed);
        let update = self.plan()?;

        let clock = Instant::now();
        self.score(&update.rescore)?;
        seconds.scoring = clock.elapsed().as_secs_f64();

        let clock = Instant::now();
        let (selection, eligible) = self.select(&update)?;
        seconds.picking = clock.elapsed().as_secs_f64();

        let mut scores = self.state.table.lines_for(self.state.epoch);
        let first = scores.first().map(|line| ScoreLine {
            texts: self.inputs.lender.text_record().map(Box::new),
            ..(*line).clone()
        });
        if let Some(first) = &first {
            scores[0] = first;
        }
        self.inputs.directory.write_selection(&selection, &scores)?;
        self.state.in_progress = Some(EpochInProgress {
            rescored: update.rescore.len() as u64,
            eligible,
            mean_score: mean_score(&self.state.table, self.state.epoch),
            seconds,
            forward_tokens: forward_tokens.load(Ordering::Relaxed) - before,
            ..EpochInProgress::default()
        });
        self.state.selections.push(selection);
        Ok(())
    }

    fn plan(&mut self) -> Result<Update> {
        let epoch = self.this_epoch();
        let strategy = &mut self.plugins.strategy;
        let failed = strategy.failed("plan");
        let plan = |host: &Host<'_>| strategy.plugin.plan(host, &epoch);
        let history = self.state.history();
        let update = self.inputs.lender.lend(history, &strategy.name, 0, plan).map_err(failed)?;
        let strategy = &self.plugins.strategy;
        check::update(epoch.run.num_samples, &update).map_err(strategy.failed("plan"))?;
        Ok(update)
    }

    fn score(&mut self, ids: &[SampleId]) -> Result<()> {
        let scorers = &self.plugins.complexity;
        if ids.is_empty() || scorers.is_empty() {
            return Ok(());
        }
        let epoch = self.state.epoch;
        let history = self.state.history();
        let scored = super::score(self.inputs.lender, history, scorers, ids, Some(epoch))?;
        self.state.table.update(epoch, ids, &scored);
        Ok(())
    }

    /// The selection, and how many candidates could have been picked.
    fn select(&mut self, update: &Update) -> Result<(Selection, u64)> {
        let epoch = self.state.epoch;
        match update.action {
            Action::TrainAll => {
                let all: Vec<SampleId> = (0..self.inputs.lender.corpus.num_samples()).collect();
                let eligible = all.len() as u64;
                Ok((chosen_whole(epoch, all), eligible))
            }
            Action::Keep => {
                let Some(last) = self.state.selections.last() else {
                    return Err(self.plugins.strategy.failed("plan")(PluginError::msg(
                        "wants to keep the selection before the first one was made",
                    )));
                };
                let eligible = last.selected.len() as u64;
                Ok((Selection { epoch, ..last.clone() }, eligible))
            }
            Action::Pick { budget } => self.pick(&update.candidates, budget),
        }
    }

    fn pick(&mut self, candidates: &[SampleId], budget: u64) -> Result<(Selection, u64)> {
        let eligible = self.eligible(candidates)?;
        let tokens = self.tokens_of(&eligible);
        let enough = match self.options.tokens {
            None => Budget::Samples(budget as usize),
            Some(most) => Budget::Tokens { most, of: &tokens },
        };
        self.warn_if_short(candidates.len() as u64, enough, &tokens)?;
        let picks = super::pick(
            self.inputs.lender,
            self.state.history(),
            self.plugins.diversity.as_mut(),
            &eligible,
            enough,
            self.options.ties,
            Some(self.state.epoch),
        )?;
        let selected = picks.candidates.iter().map(|&place| eligible[place].id).collect();
        let Picks { values, gains, .. } = picks;
        let selection = Selection { epoch: self.state.epoch, budget, selected, values, gains };
        Ok((selection, eligible.len() as u64))
    }

    /// The candidates that may be picked. Without a complexity scorer all may, with a score of 1.
    fn eligible(&self, candidates: &[SampleId]) -> Result<Vec<Candidate>> {
        if self.plugins.complexity.is_empty() {
            return Ok(candidates.iter().map(|&id| Candidate { id, complexity: 1.0 }).collect());
        }
        let mut eligible = Vec::with_capacity(candidates.len());
        for &id in candidates {
            let Some(line) = self.state.table.latest(id) else {
                return Err(Error::Run(format!(
                    "{} offers sample {id}, which was never scored\nhint: leave the complexity \
                     scorers out of --plugins, or use a strategy that has samples rescored",
                    self.plugins.strategy.label()
                )));
            };
            if pickable(line) {
                eligible.push(Candidate { id, complexity: line.value() });
            }
        }
        Ok(eligible)
    }

    /// By candidate, the tokens that training on it puts through the model.
    fn tokens_of(&self, candidates: &[Candidate]) -> Vec<u64> {
        let corpus = self.inputs.lender.corpus;
        candidates.iter().map(|it| corpus.encoded(it.id).training_tokens() as u64).collect()
    }

    /// `tokens` are those of the eligible among the candidates.
    fn warn_if_short(&self, candidates: u64, budget: Budget<'_>, tokens: &[u64]) -> Result<()> {
        let (epoch, eligible) = (self.state.epoch, tokens.len());
        if eligible == 0 {
            return Err(Error::Run(format!(
                "epoch {epoch}: none of {candidates} candidates is eligible, so there is nothing \
                 to train on\nhint: look at epochs/{epoch}/scores.jsonl of an earlier epoch, or at \
                 `iterit-host score`; samples whose response is cut off or whose score is 1 or \
                 more cannot be picked"
            )));
        }
        let (there, asked, what) = match budget {
            Budget::Samples(most) => (eligible as u64, most as u64, "samples"),
            Budget::Tokens { most, .. } => (tokens.iter().sum(), most, "tokens"),
        };
        if there < asked {
            self.say(
                LogLevel::Warn,
                &format!(
                    "epoch {epoch}: the budget is {asked} {what}, but only {eligible} of \
                     {candidates} candidates are eligible{}; all of them are picked",
                    if what == "tokens" { format!(", with {there}") } else { String::new() }
                ),
            );
        }
        Ok(())
    }
}

fn chosen_whole(epoch: u32, selected: Vec<SampleId>) -> Selection {
    let num = selected.len();
    Selection { epoch, budget: num as u64, selected, values: vec![1.0; num], gains: vec![1.0; num] }
}

fn mean_score(table: &ScoreTable, epoch: u32) -> Option<f64> {
    let finite: Vec<f64> = table.at(epoch).iter().filter_map(|line| line.score).collect();
    (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / finite.len() as f64)
}
