//! The plot: for each epoch ask the strategy, score, pick, train, record.
//!
//! Knows the model only as a [`Learner`](crate::learner::Learner) and the plugins only as traits,
//! so it runs in milliseconds against fakes. All that a resume needs is in [`RunState`].

mod lender;
mod pick;
mod score;
mod state;

mod pace;

mod outlook;
mod checkpoint;
mod choose;
mod evaluate;
mod epoch;

#[cfg(test)]
mod tests;

pub use evaluate::evaluate;
pub use lender::{History, Lender};
pub use pick::pick;
pub use score::score;
pub use state::{EpochInProgress, RunState};

use outlook::Outlook;
use pace::Pace;

use crate::config::{FinalModel, Shuffle, TrainConfig};
use crate::corpus::Corpus;
use crate::greedy::Ties;
use crate::learner::StepOptions;
use crate::permutation::order_seed;
use crate::plugin_set::PluginSet;
use crate::record::EpochRecord;
use crate::run_directory::RunDirectory;
use crate::schedule::{Schedule, total_steps};
use crate::{Error, Result};
use iterit_sdk::{Epoch, LogLevel, RunShape};

/// One run: what it works on, and how far it has come.
pub struct Run<'a> {
    /// What it works on, and where results go.
    pub inputs: Inputs<'a>,
    /// What decides what is trained on.
    pub plugins: PluginSet,
    /// How to train.
    pub options: RunOptions,
    /// How far it has come.
    pub state: RunState,
}

/// What a run works on. Only the models change.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// What plugins are served with: data, models, seed.
    pub lender: Lender<'a>,
    /// Data the model never trains on, to measure it by.
    pub held_out: Option<&'a Corpus>,
    /// Where results go.
    pub directory: &'a RunDirectory,
}

/// The numbers that shape a run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Samples an epoch that the ratio asks for.
    pub budget: u64,
    /// Tokens an epoch instead, where those are what is limited.
    pub tokens: Option<u64>,
    /// What decides between picks that add nothing.
    pub ties: Ties,
    /// `[train]`.
    pub train: TrainConfig,
    /// A checkpoint every so many steps besides the one after every epoch; 0 for none.
    pub save_every: u64,
    /// Checkpoints kept.
    pub keep: usize,
    /// Which weights are to be left in the end; the best ones are kept besides.
    pub model: FinalModel,
}

impl Run<'_> {
    /// Trains from where the state stands to the end. Stopped by the observer it leaves a
    /// checkpoint and returns [`Error::Cancelled`].
    pub fn train(&mut self) -> Result<()> {
        let pace = self.pace()?;
        let mut outlook = Outlook::default();
        while self.state.epoch < self.options.train.epochs {
            if self.state.in_progress.is_none() {
                if self.is_over() {
                    break;
                }
                self.choose()?;
            }
            self.train_epoch(&pace, &mut outlook)?;
            self.close_epoch()?;
        }
        self.tell_of_early_end(&pace);
        Ok(())
    }

    /// The learning rates of all steps, fixed by the strategy's budgets before the first one and laid over
    /// the steps that there are at most.
    pub fn schedule(&self) -> Result<Schedule> {
        self.pace().map(|pace| pace.schedule)
    }

    /// The same, and how a run goes along it.
    fn pace(&self) -> Result<Pace> {
        let train = &self.options.train;
        let budgets = self.budgets()?;
        let samples = self.samples_planned(&budgets);
        let total = total_steps(&samples, train.batch as u64);
        if total == 0 {
            return Err(Error::Run(format!(
                "{} plans no training: the budgets of all {} epochs are 0",
                self.plugins.strategy.label(),
                train.epochs
            )));
        }
        let steps = train.max_steps.map_or(total, |most| total.min(most));
        let tokens = self.options.tokens.map(|most| self.tokens_planned(&budgets, most));
        let share = steps as f64 / total as f64;
        Ok(Pace {
            schedule: train.rates(steps),
            tokens: tokens.map(|tokens| (tokens as f64 * share).round() as u64),
        })
    }

    /// How many samples each epoch trains on, by the strategy.
    pub fn budgets(&self) -> Result<Vec<u64>> {
        let strategy = &self.plugins.strategy;
        let shape = self.shape();
        let budgets = strategy.plugin.budgets(&shape).map_err(strategy.failed("budgets"))?;
        iterit_sdk::check::budgets(&shape, &budgets).map_err(strategy.failed("budgets"))?;
        Ok(budgets)
    }

    /// How many samples each epoch is expected to train on: what the strategy says, or where tokens
    /// are limited as many samples of mean length.
    fn samples_planned(&self, budgets: &[u64]) -> Vec<u64> {
        let all = self.inputs.lender.corpus.num_samples();
        let is_limited = |budget: u64| self.options.tokens.is_some() && budget < all;
        let planned = |&budget: &u64| match is_limited(budget) {
            true => budget.min(self.options.budget),
            false => budget,
        };
        budgets.iter().map(planned).collect()
    }

    /// How many tokens the run trains on: `most` an epoch, or all where an epoch takes every sample.
    fn tokens_planned(&self, budgets: &[u64], most: u64) -> u64 {
        let corpus = self.inputs.lender.corpus;
        let length = |id| corpus.encoded(id).training_tokens() as u64;
        let all: u64 = (0..corpus.num_samples()).map(length).sum();
        let of_epoch = |&budget: &u64| if budget < corpus.num_samples() { most } else { all };
        budgets.iter().map(of_epoch).sum()
    }

    fn shape(&self) -> RunShape {
        let num_samples = self.inputs.lender.corpus.num_samples();
        let budget = match self.options.tokens {
            None => self.options.budget,
            // Room for samples that are shorter than the mean.
            Some(_) => (self.options.budget + self.options.budget / 4).min(num_samples),
        };
        RunShape { num_samples, epochs: self.options.train.epochs, budget }
    }

    fn this_epoch(&self) -> Epoch {
        Epoch { epoch: self.state.epoch, run: self.shape() }
    }

    fn step_options(&self, pace: &Pace) -> StepOptions {
        let train = &self.options.train;
        StepOptions {
            learning_rate: pace.learning_rate(&self.state),
            max_grad_norm: train.max_grad_norm,
            loss_normalization: train.loss_normalization,
        }
    }

    /// The seed of the order within the epoch about to be trained.
    fn order_seed(&self) -> u64 {
        match self.options.train.shuffle {
            Shuffle::Same => self.inputs.lender.seed,
            Shuffle::PerEpoch => order_seed(self.inputs.lender.seed, self.state.epoch),
        }
    }

    fn close_epoch(&mut self) -> Result<()> {
        let eval_loss = self.held_out_loss()?;
        let done = self.state.in_progress.take().expect("an epoch was trained");
        let selection = self.state.selections.last().expect("an epoch was chosen");
        let record = EpochRecord {
            epoch: self.state.epoch,
            picked: selection.selected.len() as u64,
            rescored: done.rescored,
            eligible: done.eligible,
            mean_score: done.mean_score,
            loss: done.loss_sum / done.steps.max(1) as f64,
            steps: self.state.step,
            tokens: done.tokens,
            forward_tokens: done.forward_tokens,
            eval_loss,
            seconds: done.seconds,
        };
        // The summary first: a checkpoint that says an epoch is over must find it on the disk.
        self.inputs.directory.write_epoch(&record, &done.losses)?;
        self.state.epoch += 1;
        self.save_checkpoint()?;
        self.inputs.lender.observer.epoch(&record);
        Ok(())
    }

    fn keeps_best(&self) -> bool {
        self.options.model == FinalModel::Best
    }

    fn say(&self, level: LogLevel, message: &str) {
        self.inputs.lender.observer.say(level, "", message);
    }
}
