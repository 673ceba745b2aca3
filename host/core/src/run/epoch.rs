//! One epoch's optimizer steps, in torch's shuffled order of the selection.

use super::Run;
use super::outlook::Outlook;
use super::pace::Pace;
use crate::learner::Sequence;
use crate::observer::Phase;
use crate::permutation::randperm;
use crate::record::{LossLine, StepRecord};
use crate::report::format::significant;
use crate::span::EncodedSample;
use crate::spikes::{Spike, Spikes};
use crate::{Error, Result, SampleId};
use iterit_sdk::LogLevel;
use std::time::Instant;

impl Run<'_> {
    /// Trains on the current selection from the step the state stands at.
    pub(super) fn train_epoch(&mut self, pace: &Pace, outlook: &mut Outlook) -> Result<()> {
        let order = self.order()?;
        let steps: Vec<&[SampleId]> = order.chunks(self.options.train.batch).collect();
        self.inputs.lender.observer.begin(Phase::Training, Some(self.state.epoch));
        let trained = self.take_steps(pace, &steps, outlook);
        self.inputs.lender.observer.end(Phase::Training);
        trained
    }

    fn take_steps(
        &mut self,
        pace: &Pace,
        steps: &[&[SampleId]],
        outlook: &mut Outlook,
    ) -> Result<()> {
        let done = self.state.in_progress.as_ref().map_or(0, |epoch| epoch.steps) as usize;
        let count = |steps: &[&[SampleId]]| steps.iter().map(|step| step.len() as u64).sum();
        let (mut trained, num_samples): (u64, u64) = (count(&steps[..done]), count(steps));
        let mut spikes = self.spikes_before(done)?;
        for (index, step) in steps.iter().enumerate().skip(done) {
            self.inputs.lender.observer.progress(trained, num_samples);
            if self.inputs.lender.observer.is_cancelled() {
                self.save_checkpoint()?;
                return Err(Error::Cancelled);
            }
            if self.is_over() {
                break;
            }
            self.evaluate_if_due()?;
            // The evaluation may have been the last that was waited for.
            if self.is_over() {
                break;
            }
            let record = self.take_step(pace, step)?;
            for spike in spikes.see(&record) {
                self.tell_of_spike(&record, &spike, step);
            }
            if outlook.see(record.tokens, record.tokens as f64 / record.tokens_per_second) {
                self.tell_outlook(outlook, pace.schedule.total_steps);
            }
            trained += step.len() as u64;
            let last = index + 1 == steps.len();
            let due = self.options.save_every > 0
                && self.state.step.is_multiple_of(self.options.save_every);
            if due && !last {
                self.save_checkpoint()?;
            }
        }
        Ok(())
    }

    /// What is usual in this epoch, of which so many steps were taken before this process began.
    fn spikes_before(&self, done: usize) -> Result<Spikes> {
        if done == 0 {
            return Ok(Spikes::default());
        }
        let steps = self.inputs.directory.read_steps()?;
        Ok(Spikes::after(steps.iter().filter(|step| step.epoch == self.state.epoch)))
    }

    fn tell_of_spike(&self, record: &StepRecord, spike: &Spike, ids: &[SampleId]) {
        const SHOWN: usize = 8;
        let more = if ids.len() > SHOWN {
            format!(" and {} more", ids.len() - SHOWN)
        } else {
            String::new()
        };
        let shown: Vec<String> = ids.iter().take(SHOWN).map(SampleId::to_string).collect();
        let message = format!(
            "step {} of epoch {}: the {} is {}, {} times the usual {}; it trained on samples {}{more}",
            record.step,
            record.epoch,
            spike.what,
            significant(spike.value, 3),
            significant(spike.value / spike.median, 2),
            significant(spike.median, 3),
            shown.join(", ")
        );
        self.say(LogLevel::Warn, &message);
    }

    fn take_step(&mut self, pace: &Pace, ids: &[SampleId]) -> Result<StepRecord> {
        let clock = Instant::now();
        let corpus = self.inputs.lender.corpus;
        let encoded: Vec<&EncodedSample> = ids.iter().map(|&id| corpus.encoded(id)).collect();
        let samples: Vec<&[Sequence]> = encoded.iter().map(|it| it.training.as_slice()).collect();
        let options = self.step_options(pace);
        let outcome =
            self.inputs.lender.models.change(|learner| learner.step(&samples, &options))?;
        self.inputs.lender.models.tell_news(self.inputs.lender.observer);
        if !outcome.loss.is_finite() || !outcome.grad_norm.is_finite() {
            return Err(Error::Run(format!(
                "step {} of epoch {}: the loss is {} and the gradient norm {}, expected numbers; \
                 it trained on samples {ids:?}\nhint: a lower train.learning_rate, or \
                 train.max_grad_norm; the last checkpoint is from before this step",
                self.state.step, self.state.epoch, outcome.loss, outcome.grad_norm
            )));
        }
        let tokens: u64 = encoded.iter().map(|it| it.training_tokens() as u64).sum();
        let seconds = clock.elapsed().as_secs_f64();
        let record = StepRecord {
            step: self.state.step,
            epoch: self.state.epoch,
            loss: outcome.loss,
            lr: options.learning_rate,
            grad_norm: outcome.grad_norm,
            tokens,
            tokens_per_second: tokens as f64 / seconds.max(1e-9),
        };
        self.inputs.directory.append_step(&record)?;
        self.inputs.lender.observer.step(&record);
        let step = self.state.step;
        let losses = ids.iter().zip(&encoded).zip(&outcome.losses).map(|((&id, sample), &loss)| {
            LossLine { step, id, loss, tokens: sample.trained_tokens() as u64 }
        });
        let epoch = self.state.in_progress.as_mut().expect("an epoch is in progress");
        epoch.losses.extend(losses);
        epoch.steps += 1;
        epoch.loss_sum += outcome.loss;
        epoch.tokens += tokens;
        epoch.seconds.training += seconds;
        self.state.step += 1;
        self.state.tokens += tokens;
        Ok(record)
    }

    /// The selection in the order it is trained on, without samples that carry no loss.
    fn order(&self) -> Result<Vec<SampleId>> {
        let selection = self.state.selections.last().expect("an epoch was chosen");
        let selected = &selection.selected;
        let mut order: Vec<SampleId> = randperm(selected.len(), self.order_seed())
            .into_iter()
            .map(|position| selected[position])
            .collect();
        order.retain(|&id| self.inputs.lender.corpus.encoded(id).trained_tokens() > 0);
        let without_loss = selected.len() - order.len();
        if order.is_empty() {
            return Err(Error::Run(format!(
                "epoch {}: every one of the {without_loss} samples is cut off before its response, \
                 so training would change nothing\nhint: raise model.max_length",
                self.state.epoch
            )));
        }
        if without_loss > 0 {
            self.say(
                LogLevel::Warn,
                &format!(
                    "epoch {}: {without_loss} of {} samples are cut off before their response and \
                     are left out",
                    self.state.epoch,
                    selected.len()
                ),
            );
        }
        Ok(order)
    }
}
