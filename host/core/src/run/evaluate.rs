//! Asks the held-out samples, and draws the consequences: which weights are worth keeping, and
//! whether training is over.

use super::Run;
use super::pace::Pace;
use crate::corpus::Corpus;
use crate::grouped;
use crate::held_out::{best, without_improvement};
use crate::learner::Sequence;
use crate::models::Models;
use crate::observer::{Observer, Phase};
use crate::record::{Evaluation, HeldOutLine};
use crate::{Error, Result};
use iterit_sdk::{LogLevel, Nll};

impl Run<'_> {
    /// Asks the held-out samples in the midst of an epoch, where it is time to.
    pub(super) fn evaluate_if_due(&mut self) -> Result<()> {
        let every = self.options.train.eval_every;
        let is_begun = self.state.in_progress.as_ref().is_some_and(|epoch| epoch.steps > 0);
        if every == 0 || !is_begun || !self.state.step.is_multiple_of(every) || self.is_evaluated()
        {
            return Ok(());
        }
        let observer = self.inputs.lender.observer;
        observer.end(Phase::Training);
        let loss = self.held_out_loss();
        observer.begin(Phase::Training, Some(self.state.epoch));
        let Some(loss) = loss? else { return Ok(()) };
        // Where it ends the epoch, the epoch says the same.
        if let (false, Some(evaluation)) = (self.is_over(), self.state.evaluations.last()) {
            observer.evaluated(evaluation);
        }
        let is_best = self.best_step() == Some(self.state.step);
        let remark = if is_best { ", the lowest so far" } else { "" };
        let step = self.state.step;
        self.say(LogLevel::Info, &format!("step {step}: held-out loss {loss:.4}{remark}"));
        // An epoch's end has a checkpoint in any case.
        if is_best && self.keeps_best() { self.save_checkpoint() } else { Ok(()) }
    }

    /// The mean held-out loss a response token as the model is now; absent without held-out data. Writes
    /// down what each sample says. Interrupted, it leaves a checkpoint.
    pub(super) fn held_out_loss(&mut self) -> Result<Option<f64>> {
        let Some(held_out) = self.inputs.held_out else { return Ok(None) };
        if self.is_evaluated() {
            return Ok(self.state.evaluations.last().map(|it| it.loss));
        }
        let (observer, epoch) = (self.inputs.lender.observer, self.state.epoch);
        observer.begin(Phase::Evaluating, Some(epoch));
        let losses = evaluate(held_out, self.inputs.lender.models, observer);
        observer.end(Phase::Evaluating);
        if matches!(losses, Err(Error::Cancelled)) {
            self.save_checkpoint()?;
        }
        let losses = losses?;
        let lines = losses.iter().zip(0..);
        let lines: Vec<HeldOutLine> =
            lines.map(|(nll, id)| HeldOutLine { id, nll: nll.sum, tokens: nll.tokens }).collect();
        self.inputs.directory.write_held_out(epoch, &lines)?;
        let (sum, tokens) = losses.iter().fold((0.0, 0u64), |(sum, tokens), nll| {
            (sum + nll.sum, tokens + u64::from(nll.tokens))
        });
        if tokens == 0 {
            return Ok(None);
        }
        let loss = sum / tokens as f64;
        self.state.evaluations.push(Evaluation { step: self.state.step, epoch, loss });
        self.inputs.directory.write_evaluations(&self.state.evaluations)?;
        Ok(Some(loss))
    }

    /// Whether no step is to be taken any more: as many as there may be were, or the held-out loss has
    /// long been no lower.
    pub(super) fn is_over(&self) -> bool {
        let train = &self.options.train;
        let waited = without_improvement(&self.state.evaluations);
        train.max_steps.is_some_and(|most| self.state.step >= most)
            || train.patience.is_some_and(|patience| waited >= patience)
    }

    /// Says why there are no more steps, where nobody could have known.
    pub(super) fn tell_of_early_end(&self, pace: &Pace) {
        let waited = without_improvement(&self.state.evaluations);
        if self.state.step >= pace.schedule.total_steps {
            return;
        }
        if let Some(best) = best(&self.state.evaluations) {
            let message = format!(
                "training ends after {} steps: the held-out loss has not fallen for {waited} \
                 evaluations; the lowest was {:.4} after {} steps",
                self.state.step, best.loss, best.step
            );
            self.say(LogLevel::Info, &message);
        }
    }

    /// After how many steps the held-out loss was lowest.
    pub fn best_step(&self) -> Option<u64> {
        best(&self.state.evaluations).map(|it| it.step)
    }

    fn is_evaluated(&self) -> bool {
        self.state.evaluations.last().is_some_and(|last| last.step == self.state.step)
    }
}

/// The loss of every training target of a corpus, given its prompt.
pub fn evaluate(corpus: &Corpus, models: &Models, observer: &dyn Observer) -> Result<Vec<Nll>> {
    let samples: Vec<&[Sequence]> =
        (0..corpus.num_samples()).map(|id| corpus.encoded(id).training.as_slice()).collect();
    let losses = models.ask(|learner| grouped::token_nll(learner, &samples, observer));
    models.tell_news(observer);
    let losses = losses?;
    Ok(losses.iter().map(|row| Nll::of_tokens(row)).collect())
}
