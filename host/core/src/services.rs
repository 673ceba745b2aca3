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
    proxy: Option<Proxy>,
}

/// A fixed second model reads the same samples in tokens of its own.
struct Proxy {
    answers: Mutex<Answers>,
    corpus: Corpus,
}

/// A model and the response losses it was asked for.
struct Answers {
    learner: Box<dyn Learner>,
    response_nll: HashMap<SampleId, ResponseNll>,
}

impl Answers {
    fn of(learner: Box<dyn Learner>) -> Mutex<Self> {
        Mutex::new(Self { learner, response_nll: HashMap::new() })
    }
}

impl Models {
    /// The model to train.
    pub fn new(current: Box<dyn Learner>) -> Self {
        Self { current: Answers::of(current), proxy: None }
    }

    /// Adds a fixed second model, with the run's samples in its tokens.
    #[must_use]
    pub fn with_proxy(self, proxy: Box<dyn Learner>, corpus: Corpus) -> Self {
        Self { proxy: Some(Proxy { answers: Answers::of(proxy), corpus }), ..self }
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

    /// A model, and the samples in its tokens.
    fn get<'a>(&'a self, model: Model, corpus: &'a Corpus) -> Result<Asked<'a>> {
        match (model, &self.proxy) {
            (Model::Current, _) => Ok(Asked { answers: lock(&self.current), corpus }),
            (Model::Proxy, Some(Proxy { answers, corpus })) => {
                Ok(Asked { answers: lock(answers), corpus })
            }
            (Model::Proxy, None) => Err(Error::new(
                ErrorKind::Unsupported,
                "there is no proxy model\nhint: name one with --set model.proxy=FOLDER",
            )),
        }
    }
}

/// A model that nobody else asks meanwhile.
struct Asked<'a> {
    answers: MutexGuard<'a, Answers>,
    corpus: &'a Corpus,
}

impl Asked<'_> {
    fn learner(&mut self) -> &mut dyn Learner {
        self.answers.learner.as_mut()
    }

    fn conditional(&self, ids: &[SampleId]) -> Vec<Sequence> {
        ids.iter().map(|&id| self.corpus.encoded(id).conditional.clone()).collect()
    }

    fn unconditional(&self, ids: &[SampleId]) -> Result<Vec<Sequence>> {
        ids.iter().map(|&id| self.corpus.unconditional(id).cloned().map_err(host_error)).collect()
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
        asked: &mut Asked<'_>,
        ids: &[SampleId],
    ) -> Result<Vec<ResponseNll>> {
        let mut sequences = asked.conditional(ids);
        sequences.extend(asked.unconditional(ids)?);
        let learner = asked.learner();
        let losses = self.watched(ids.len(), |watch| learner.token_nll(&sequences, watch))?;
        let (conditional, unconditional) = losses.split_at(ids.len());
        Ok(conditional
            .iter()
            .zip(unconditional)
            .map(|(conditional, unconditional)| ResponseNll {
                conditional: Nll::of_tokens(conditional),
                unconditional: Nll::of_tokens(unconditional),
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
        let mut asked = self.models.get(model, self.corpus)?;
        let known = &asked.answers.response_nll;
        let unknown: Vec<SampleId> =
            ids.iter().copied().filter(|id| !known.contains_key(id)).collect();
        let found = self.ask_response_nll(&mut asked, &unknown)?;
        let known = &mut asked.answers.response_nll;
        known.extend(unknown.into_iter().zip(found));
        Ok(ids.iter().map(|id| known[id]).collect())
    }

    fn token_nll(&self, model: Model, ids: &[SampleId], given: Conditioning) -> Result<Ragged> {
        self.check(ids)?;
        let mut asked = self.models.get(model, self.corpus)?;
        let sequences = match given {
            Conditioning::Prompt => asked.conditional(ids),
            Conditioning::Nothing => asked.unconditional(ids)?,
        };
        let learner = asked.learner();
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
        let mut asked = self.models.get(model, self.corpus)?;
        let sequences = ids
            .iter()
            .zip(prompts)
            .map(|(&id, prompt)| asked.corpus.prompted(id, prompt).map_err(host_error))
            .collect::<Result<Vec<_>>>()?;
        let learner = asked.learner();
        let rows = self.watched(ids.len(), |watch| learner.token_nll(&sequences, watch))?;
        Ok(rows.iter().map(|row| Nll::of_tokens(row)).collect())
    }

    fn embeddings(&self, model: Model, ids: &[SampleId], embedding: Embedding) -> Result<Matrix> {
        self.check(ids)?;
        let mut asked = self.models.get(model, self.corpus)?;
        let sequences = asked.conditional(ids);
        let learner = asked.learner();
        self.watched(ids.len(), |watch| learner.embeddings(&sequences, embedding, watch))
    }

    fn logit_statistics(&self, model: Model, ids: &[SampleId]) -> Result<Vec<LogitStatistics>> {
        self.check(ids)?;
        let mut asked = self.models.get(model, self.corpus)?;
        let sequences = asked.conditional(ids);
        let learner = asked.learner();
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
