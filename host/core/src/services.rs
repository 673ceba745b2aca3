//! What plugins are served with: the core's side of the SDK's [`Services`].
//!
//! Model work is serialized by a lock, may be asked for from any thread, and is remembered until
//! the model changes, so that scorers that ask for the same share their forward passes.

use crate::corpus::Corpus;
use crate::learner::{Learner, Sequence, Watch};
use crate::observer::Observer;
use crate::record::{ScoreLine, Selection};
use crate::score_table::{self, ScoreTable};
use iterit_sdk::{
    Conditioning, Embedding, Error, ErrorKind, LogLevel, LogitStatistics, Matrix, Model, Nll,
    Ragged, ResponseNll, Result, Sample, SampleId, ScoreRow, Service, Services, TokenCounts, Turn,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The models of a run, and what they have said since they last changed.
pub struct Models {
    current: Mutex<Answers>,
    proxy: Option<Mutex<Answers>>,
}

/// A model and the response losses it was asked for.
struct Answers {
    learner: Box<dyn Learner>,
    response_nll: HashMap<SampleId, ResponseNll>,
}

impl Models {
    /// The model to train, and the fixed proxy model where there is one.
    pub fn new(current: Box<dyn Learner>, proxy: Option<Box<dyn Learner>>) -> Self {
        let answers = |learner| Mutex::new(Answers { learner, response_nll: HashMap::new() });
        Self { current: answers(current), proxy: proxy.map(answers) }
    }

    /// Works on the model being trained. What it said before is forgotten.
    pub fn change<T>(&self, work: impl FnOnce(&mut dyn Learner) -> T) -> T {
        let mut answers = lock(&self.current);
        answers.response_nll.clear();
        work(answers.learner.as_mut())
    }

    /// Asks the model being trained something that leaves it as it is.
    pub fn ask<T>(&self, work: impl FnOnce(&mut dyn Learner) -> T) -> T {
        work(lock(&self.current).learner.as_mut())
    }

    /// The services these models can give on this corpus.
    pub fn offered(&self, corpus: &Corpus) -> Vec<Service> {
        let mut offered = Service::ALL.to_vec();
        offered.retain(|service| match service {
            Service::Proxy => self.proxy.is_some(),
            Service::TargetSamples => corpus.num_target_samples() > 0,
            _ => true,
        });
        offered
    }

    fn answers(&self, model: Model) -> Result<MutexGuard<'_, Answers>> {
        match (model, &self.proxy) {
            (Model::Current, _) => Ok(lock(&self.current)),
            (Model::Proxy, Some(proxy)) => Ok(lock(proxy)),
            (Model::Proxy, None) => Err(Error::new(
                ErrorKind::Unsupported,
                "there is no proxy model\nhint: name one with --set model.proxy=FOLDER",
            )),
        }
    }
}

/// A panic while a model worked leaves no half-made answer behind, so the lock is taken anyway.
fn lock(answers: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

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

impl RunServices<'_> {
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

    fn conditional(&self, id: SampleId) -> Sequence {
        self.corpus.encoded(id).conditional.clone()
    }

    fn unconditional(&self, id: SampleId) -> Result<Sequence> {
        self.corpus.unconditional(id).cloned().map_err(host_error)
    }

    /// Runs model work about some samples under the eyes of whoever waits for it.
    fn watched<T>(
        &self,
        num_samples: usize,
        work: impl FnOnce(&dyn Watch) -> crate::Result<T>,
    ) -> Result<T> {
        let num_samples = num_samples as u64;
        let question = Question { observer: self.observer, tally: self.tally, num_samples };
        let answer = work(&question).map_err(host_error)?;
        self.tally.answered.fetch_add(num_samples, Ordering::Relaxed);
        Ok(answer)
    }

    /// Asks about both texts of every sample in one piece of model work, so that one set of
    /// length-sorted batches serves both.
    fn ask_response_nll(
        &self,
        learner: &mut dyn Learner,
        ids: &[SampleId],
    ) -> Result<Vec<ResponseNll>> {
        let mut sequences = Vec::with_capacity(2 * ids.len());
        for &id in ids {
            sequences.push(self.conditional(id));
            sequences.push(self.unconditional(id)?);
        }
        let losses = self.watched(ids.len(), |watch| learner.token_nll(&sequences, watch))?;
        Ok(losses
            .chunks_exact(2)
            .map(|pair| ResponseNll {
                conditional: Nll::of_tokens(&pair[0]),
                unconditional: Nll::of_tokens(&pair[1]),
            })
            .collect())
    }
}

impl Services for RunServices<'_> {
    fn num_samples(&self) -> u64 {
        self.corpus.num_samples()
    }

    fn num_target_samples(&self) -> u64 {
        self.corpus.num_target_samples()
    }

    fn sample(&self, id: SampleId) -> Result<Sample> {
        self.check(&[id])?;
        Ok(self.corpus.sample(id).clone())
    }

    fn training_targets(&self, ids: &[SampleId]) -> Result<Vec<String>> {
        self.check(ids)?;
        Ok(ids.iter().map(|&id| self.corpus.training_target(id)).collect())
    }

    fn token_counts(&self, ids: &[SampleId]) -> Result<Vec<TokenCounts>> {
        self.check(ids)?;
        ids.iter().map(|&id| self.corpus.token_counts(id).map_err(host_error)).collect()
    }

    fn response_nll(&self, model: Model, ids: &[SampleId]) -> Result<Vec<ResponseNll>> {
        self.check(ids)?;
        let mut answers = self.models.answers(model)?;
        let unknown: Vec<SampleId> =
            ids.iter().copied().filter(|id| !answers.response_nll.contains_key(id)).collect();
        let found = self.ask_response_nll(answers.learner.as_mut(), &unknown)?;
        answers.response_nll.extend(unknown.into_iter().zip(found));
        Ok(ids.iter().map(|id| answers.response_nll[id]).collect())
    }

    fn token_nll(&self, model: Model, ids: &[SampleId], given: Conditioning) -> Result<Ragged> {
        self.check(ids)?;
        let sequences = ids
            .iter()
            .map(|&id| match given {
                Conditioning::Prompt => Ok(self.conditional(id)),
                Conditioning::Nothing => self.unconditional(id),
            })
            .collect::<Result<Vec<_>>>()?;
        let mut answers = self.models.answers(model)?;
        let learner = &mut answers.learner;
        let rows = self.watched(ids.len(), |watch| learner.token_nll(&sequences, watch))?;
        Ok(Ragged::from_rows(rows.iter().map(Vec::as_slice)))
    }

    fn prompted_nll(
        &self,
        model: Model,
        ids: &[SampleId],
        prompts: &[Vec<Turn>],
    ) -> Result<Vec<Nll>> {
        self.check(ids)?;
        if ids.len() != prompts.len() {
            return Err(Error::new(
                ErrorKind::Host,
                format!("{} samples but {} prompts, expected one each", ids.len(), prompts.len()),
            ));
        }
        let sequences = ids
            .iter()
            .zip(prompts)
            .map(|(&id, prompt)| self.corpus.prompted(id, prompt).map_err(host_error))
            .collect::<Result<Vec<_>>>()?;
        let mut answers = self.models.answers(model)?;
        let learner = &mut answers.learner;
        let rows = self.watched(ids.len(), |watch| learner.token_nll(&sequences, watch))?;
        Ok(rows.iter().map(|row| Nll::of_tokens(row)).collect())
    }

    fn embeddings(&self, model: Model, ids: &[SampleId], embedding: Embedding) -> Result<Matrix> {
        self.check(ids)?;
        let sequences: Vec<Sequence> = ids.iter().map(|&id| self.conditional(id)).collect();
        let mut answers = self.models.answers(model)?;
        let learner = &mut answers.learner;
        self.watched(ids.len(), |watch| learner.embeddings(&sequences, embedding, watch))
    }

    fn logit_statistics(&self, model: Model, ids: &[SampleId]) -> Result<Vec<LogitStatistics>> {
        self.check(ids)?;
        let sequences: Vec<Sequence> = ids.iter().map(|&id| self.conditional(id)).collect();
        let mut answers = self.models.answers(model)?;
        let learner = &mut answers.learner;
        self.watched(ids.len(), |watch| learner.logit_statistics(&sequences, watch))
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
