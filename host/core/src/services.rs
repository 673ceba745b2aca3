//! What plugins are served with: the core's side of the SDK's [`Services`]. May be asked from any
//! thread; what a model has said already it is not asked again.

use crate::corpus::Corpus;
use crate::grouped;
use crate::learner::{Learner, Sequence, Watch};
use crate::models::{Answers, Models};
use crate::observer::Observer;
use crate::record::{ScoreLine, Selection};
use crate::score_table::{self, ScoreTable};
use iterit_sdk::{
    Conditioning, Embedding, Error, ErrorKind, LogLevel, LogitStatistics, Matrix, Model, Nll,
    Ragged, ResponseNll, Result, Sample, SampleId, ScoreRow, Services, TokenCounts, Turn,
};
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};

/// The services lent to one plugin for one call.
#[derive(Clone, Copy)]
pub struct RunServices<'a> {
    /// Texts and tokens.
    pub corpus: &'a Corpus,
    /// The models.
    pub models: &'a Models,
    /// Scores so far.
    pub table: &'a ScoreTable,
    /// Selections so far, by epoch.
    pub selections: &'a [Selection],
    /// The run's seed.
    pub seed: u64,
    /// Threads a plugin may use.
    pub threads: usize,
    /// Who hears progress and messages.
    pub observer: &'a dyn Observer,
    /// The plugin's name, for its messages.
    pub plugin: &'a str,
    /// How much model work the call has had.
    pub tally: &'a Tally,
}

/// Counts the samples a model has answered for during one call of a plugin, so that one bar runs
/// from nothing to the end however the plugin cuts its questions.
#[derive(Debug, Default)]
pub struct Tally {
    expected: u64,
    answered: AtomicU64,
}

impl Tally {
    /// For a call about this many samples.
    pub fn new(expected: u64) -> Self {
        Self { expected, answered: AtomicU64::new(0) }
    }
}

impl<'a> RunServices<'a> {
    /// A model that is this question's alone, and the run's samples in its tokens; `ids` are there.
    fn asked(
        &self,
        model: Model,
        ids: &[SampleId],
    ) -> Result<(MutexGuard<'a, Answers>, &'a Corpus)> {
        self.check(ids)?;
        self.models.get(model, self.corpus)
    }

    fn check(&self, ids: &[SampleId]) -> Result<()> {
        let known = self.corpus.num_samples() + self.corpus.num_target_samples();
        match ids.iter().find(|&&id| id >= known) {
            None => Ok(()),
            Some(id) => Err(Error::new(
                ErrorKind::Host,
                format!("asked for sample {id}, but there are {known}"),
            )),
        }
    }

    /// Runs model work about some samples under the eyes of whoever waits for it.
    fn watched<T>(
        &self,
        num_samples: usize,
        samples: &[&[Sequence]],
        work: impl FnOnce(&dyn Watch) -> crate::Result<T>,
    ) -> Result<T> {
        let num_samples = num_samples as u64;
        let question = Question { observer: self.observer, tally: self.tally, num_samples };
        let answer = work(&question).map_err(host_error)?;
        self.models.count_forward(samples);
        self.tally.answered.fetch_add(num_samples, Ordering::Relaxed);
        Ok(answer)
    }

    /// The loss of every scored token of some texts, of `num_samples` samples or their twofold.
    fn losses(
        &self,
        learner: &mut dyn Learner,
        num_samples: usize,
        samples: &[&[Sequence]],
    ) -> Result<Vec<Vec<f32>>> {
        self.watched(num_samples, samples, |watch| grouped::token_nll(learner, samples, watch))
    }
}

fn conditional<'a>(corpus: &'a Corpus, ids: &[SampleId]) -> Vec<&'a [Sequence]> {
    ids.iter().map(|&id| corpus.encoded(id).conditional.as_slice()).collect()
}

fn unconditional<'a>(corpus: &'a Corpus, ids: &[SampleId]) -> Result<Vec<&'a [Sequence]>> {
    ids.iter().map(|&id| corpus.unconditional(id).map_err(host_error)).collect()
}

#[deny(clippy::missing_trait_methods)]
impl Services for RunServices<'_> {
    fn num_samples(&self) -> u64 {
        self.corpus.num_samples()
    }

    fn num_target_samples(&self) -> u64 {
        self.corpus.num_target_samples()
    }

    fn sample(&self, id: SampleId) -> Result<Sample> {
        self.check(&[id])?;
        Ok(self.corpus.sample(id))
    }

    fn training_targets(&self, ids: &[SampleId]) -> Result<Vec<String>> {
        self.check(ids)?;
        Ok(ids.iter().map(|&id| self.corpus.training_target(id)).collect())
    }

    fn token_counts(&self, ids: &[SampleId]) -> Result<Vec<TokenCounts>> {
        self.check(ids)?;
        ids.iter().map(|&id| self.corpus.token_counts(id).map_err(host_error)).collect()
    }

    /// Asks about both texts of every sample in one piece of model work, so that one set of
    /// length-sorted batches serves both.
    fn response_nll(&self, model: Model, ids: &[SampleId]) -> Result<Vec<ResponseNll>> {
        let (mut answers, corpus) = self.asked(model, ids)?;
        let Answers { learner, known } = &mut *answers;
        known.response_nll.get_or_ask((), ids, |unknown| {
            let mut sequences = conditional(corpus, unknown);
            sequences.extend(unconditional(corpus, unknown)?);
            let losses = self.losses(learner.as_mut(), unknown.len(), &sequences)?;
            let (conditional, unconditional) = losses.split_at(unknown.len());
            let both = conditional.iter().zip(unconditional);
            let nll = |(conditional, unconditional): (&Vec<f32>, &Vec<f32>)| ResponseNll {
                conditional: Nll::of_tokens(conditional),
                unconditional: Nll::of_tokens(unconditional),
            };
            Ok(both.map(nll).collect())
        })
    }

    fn token_nll(&self, model: Model, ids: &[SampleId], given: Conditioning) -> Result<Ragged> {
        let (mut answers, corpus) = self.asked(model, ids)?;
        let Answers { learner, known } = &mut *answers;
        let rows = known.token_nll.get_or_ask(given, ids, |unknown| {
            let sequences = match given {
                Conditioning::Prompt => conditional(corpus, unknown),
                Conditioning::Nothing => unconditional(corpus, unknown)?,
            };
            let losses = self.losses(learner.as_mut(), unknown.len(), &sequences)?;
            Ok(losses.into_iter().map(Arc::from).collect())
        })?;
        Ok(Ragged::from_rows(rows.iter().map(|row| &**row)))
    }

    fn prompted_nll(
        &self,
        model: Model,
        ids: &[SampleId],
        prompts: &[Vec<Turn>],
    ) -> Result<Vec<Nll>> {
        let (mut answers, corpus) = self.asked(model, ids)?;
        if ids.len() != prompts.len() {
            return Err(Error::new(
                ErrorKind::Host,
                format!("{} samples but {} prompts, expected one each", ids.len(), prompts.len()),
            ));
        }
        let sequences = ids
            .iter()
            .zip(prompts)
            .map(|(&id, prompt)| corpus.prompted(id, prompt).map_err(host_error))
            .collect::<Result<Vec<_>>>()?;
        let sequences: Vec<&[Sequence]> = sequences.iter().map(slice::from_ref).collect();
        let rows = self.losses(answers.learner.as_mut(), ids.len(), &sequences)?;
        Ok(rows.iter().map(|row| Nll::of_tokens(row)).collect())
    }

    fn embeddings(&self, model: Model, ids: &[SampleId], embedding: Embedding) -> Result<Matrix> {
        let (mut answers, corpus) = self.asked(model, ids)?;
        let Answers { learner, known } = &mut *answers;
        let mut columns = 0;
        let rows = known.embeddings.get_or_ask(embedding, ids, |unknown| {
            let last = |sample: &[Sequence]| sample[sample.len() - 1].clone();
            let sequences: Vec<Sequence> =
                conditional(corpus, unknown).into_iter().map(last).collect();
            let samples: Vec<&[Sequence]> = sequences.iter().map(slice::from_ref).collect();
            // Asked even about no sample, since the model alone knows how long a row is.
            let found = self.watched(unknown.len(), &samples, |watch| {
                learner.embeddings(&sequences, embedding, watch)
            })?;
            columns = found.columns();
            Ok((0..found.rows()).map(|row| found.row(row).into()).collect())
        })?;
        Matrix::new(rows.concat(), columns)
    }

    fn logit_statistics(&self, model: Model, ids: &[SampleId]) -> Result<Vec<LogitStatistics>> {
        let (mut answers, corpus) = self.asked(model, ids)?;
        let Answers { learner, known } = &mut *answers;
        known.logit_statistics.get_or_ask((), ids, |unknown| {
            let samples = conditional(corpus, unknown);
            self.watched(unknown.len(), &samples, |watch| {
                grouped::logit_statistics(learner.as_mut(), &samples, watch)
            })
        })
    }

    fn scores(&self) -> Result<Vec<ScoreRow>> {
        Ok(self.table.iter().map(score_table::row).collect())
    }

    fn scores_at(&self, epoch: u32) -> Result<Vec<ScoreRow>> {
        Ok(self.table.at(epoch).iter().map(score_table::row).collect())
    }

    fn selection_at(&self, epoch: u32) -> Result<Option<Vec<SampleId>>> {
        let made = self.selections.iter().find(|selection| selection.epoch == epoch);
        Ok(made.map(|selection| selection.selected.clone()))
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn progress(&self, done: u64, total: u64) {
        // Where a model works for the plugin, its answers are the better measure.
        if self.tally.answered.load(Ordering::Relaxed) == 0 {
            self.observer.progress(done, total);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.observer.is_cancelled()
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.observer.say(level, self.plugin, message);
    }
}

/// One question to a model, as part of all that a call will ask.
struct Question<'a> {
    observer: &'a dyn Observer,
    tally: &'a Tally,
    num_samples: u64,
}

impl Watch for Question<'_> {
    fn progress(&self, done: u64, total: u64) {
        let share = self.num_samples * done / total.max(1);
        let answered = self.tally.answered.load(Ordering::Relaxed) + share;
        self.observer.progress(answered.min(self.tally.expected), self.tally.expected);
    }
    fn is_cancelled(&self) -> bool {
        self.observer.is_cancelled()
    }
}

/// What the core could not do for a plugin, as the plugin sees it.
pub fn host_error(error: crate::Error) -> Error {
    match error {
        crate::Error::Cancelled => Error::cancelled(),
        other => Error::new(ErrorKind::Host, other.to_string()),
    }
}

/// Whether a line may be picked: eligible, with a number for a score.
pub fn pickable(line: &ScoreLine) -> bool {
    line.eligible && line.score.is_some()
}
