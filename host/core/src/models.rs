//! The models of a run: one piece of work at a time, and what they have said is remembered until
//! they change, so that plugins that ask for the same share their forward passes.
//!
//! What is asked, and by whom, is `services`' business.

use crate::corpus::Corpus;
use crate::learner::{Learner, Sequence};
use iterit_sdk::{
    Conditioning, Embedding, Error, ErrorKind, LogitStatistics, Model, ResponseNll, Result,
    SampleId, Service,
};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The models of a run, and what they have said since they last changed.
pub struct Models {
    current: Mutex<Answers>,
    proxy: Option<Proxy>,
    forward_tokens: Arc<AtomicU64>,
}

/// A fixed second model reads the same samples in tokens of its own.
struct Proxy {
    answers: Mutex<Answers>,
    corpus: Corpus,
}

/// A model and what it was asked.
pub(crate) struct Answers {
    pub(crate) learner: Box<dyn Learner>,
    pub(crate) known: Known,
}

/// What a model has said of samples. Prompts of a plugin's own are not kept: no other asks for them.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) response_nll: Memory<(), ResponseNll>,
    pub(crate) token_nll: Memory<Conditioning, Box<[f32]>>,
    pub(crate) embeddings: Memory<Embedding, Box<[f32]>>,
    pub(crate) logit_statistics: Memory<(), LogitStatistics>,
}

/// The answers of one service by sample; `Q` is what else they depend on.
pub(crate) struct Memory<Q, A>(HashMap<(Q, SampleId), A>);

impl<Q, A> Default for Memory<Q, A> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<Q: Copy + Eq + Hash, A> Memory<Q, A> {
    /// The samples that are still to be asked about.
    pub(crate) fn unknown(&self, question: Q, ids: &[SampleId]) -> Vec<SampleId> {
        ids.iter().copied().filter(|&id| !self.0.contains_key(&(question, id))).collect()
    }

    /// Remembers answers, one a sample.
    pub(crate) fn learn(
        &mut self,
        question: Q,
        ids: &[SampleId],
        answers: impl IntoIterator<Item = A>,
    ) {
        self.0.extend(ids.iter().map(|&id| (question, id)).zip(answers));
    }

    /// One answer a sample; all of them must be known.
    pub(crate) fn recall(&self, question: Q, ids: &[SampleId]) -> impl Iterator<Item = &A> {
        ids.iter().map(move |&id| &self.0[&(question, id)])
    }
}

impl Answers {
    fn of(learner: Box<dyn Learner>) -> Mutex<Self> {
        Mutex::new(Self { learner, known: Known::default() })
    }
}

impl Models {
    /// The model to train.
    pub fn new(current: Box<dyn Learner>) -> Self {
        Self { current: Answers::of(current), proxy: None, forward_tokens: Arc::default() }
    }

    /// Counts the tokens that plugins' questions put through these models, forward, the proxy's
    /// included.
    pub fn forward_tokens(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.forward_tokens)
    }

    /// Adds the tokens of a question.
    pub(crate) fn count_forward(&self, sequences: &[Sequence]) {
        let tokens: usize = sequences.iter().map(|sequence| sequence.tokens.len()).sum();
        self.forward_tokens.fetch_add(tokens as u64, Ordering::Relaxed);
    }

    /// Adds a fixed second model, with the run's samples in its tokens.
    #[must_use]
    pub fn with_proxy(self, proxy: Box<dyn Learner>, corpus: Corpus) -> Self {
        Self { proxy: Some(Proxy { answers: Answers::of(proxy), corpus }), ..self }
    }

    /// Works on the model being trained. What it said before is forgotten.
    pub fn change<T>(&self, work: impl FnOnce(&mut dyn Learner) -> T) -> T {
        let mut answers = lock(&self.current);
        answers.known = Known::default();
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

    /// A model that nobody else asks meanwhile, and the samples in its tokens.
    pub(crate) fn get<'a>(
        &'a self,
        model: Model,
        corpus: &'a Corpus,
    ) -> Result<(MutexGuard<'a, Answers>, &'a Corpus)> {
        match (model, &self.proxy) {
            (Model::Current, _) => Ok((lock(&self.current), corpus)),
            (Model::Proxy, Some(Proxy { answers, corpus })) => Ok((lock(answers), corpus)),
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
