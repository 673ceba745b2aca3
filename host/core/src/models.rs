//! The models of a run: one piece of work at a time, and what they have said is remembered until
//! they change, so that plugins that ask for the same share their forward passes.
//!
//! What is asked, and by whom, is `services`' business.

use crate::corpus::Corpus;
use crate::learner::{Learner, Sequence};
use crate::memory::{Fit, MemoryNeed};
use crate::observer::Observer;
use crate::probe::probe;
use crate::record::TextRecord;
use iterit_sdk::{
    Conditioning, Embedding, Error, ErrorKind, LogLevel, LogitStatistics, Model, ResponseNll,
    Result, SampleId, Service,
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

/// What a run asks the trained model about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Every sample, for a scorer or whoever judges.
    All,
    /// A few, to find how fast it is, and nothing else.
    Probe,
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
    pub(crate) token_nll: Memory<Conditioning, Arc<[f32]>>,
    pub(crate) embeddings: Memory<Embedding, Arc<[f32]>>,
    pub(crate) logit_statistics: Memory<(), LogitStatistics>,
}

/// Bytes that one model's answers to one service may take. An embedding is as long as the model is
/// wide, and without a bound 50,000 of a large model's would take a gigabyte a layer.
const MOST_BYTES: usize = 256 << 20;

/// The answers of one service by sample; `Q` is what else they depend on. Once it is full nothing is
/// added: a scorer goes through its samples in order, and the oldest answers would each be gone right
/// before they are asked for again.
pub(crate) struct Memory<Q, A> {
    answers: HashMap<(Q, SampleId), A>,
    bytes: usize,
    most_bytes: usize,
}

impl<Q, A> Default for Memory<Q, A> {
    fn default() -> Self {
        Self { answers: HashMap::new(), bytes: 0, most_bytes: MOST_BYTES }
    }
}

impl<Q: Copy + Eq + Hash, A: Answer> Memory<Q, A> {
    /// One answer an id: what is remembered, else what `ask` says, which is asked even about none.
    pub(crate) fn get_or_ask(
        &mut self,
        question: Q,
        ids: &[SampleId],
        ask: impl FnOnce(&[SampleId]) -> Result<Vec<A>>,
    ) -> Result<Vec<A>> {
        let is_unknown = |id: &SampleId| !self.answers.contains_key(&(question, *id));
        let unknown: Vec<SampleId> = ids.iter().copied().filter(is_unknown).collect();
        let said = ask(&unknown)?;
        assert_eq!(said.len(), unknown.len(), "a model answers once a sample");
        let said: HashMap<SampleId, A> = unknown.iter().copied().zip(said).collect();
        let answer = |id| said.get(id).or_else(|| self.answers.get(&(question, *id)));
        let answers = ids.iter().map(|id| answer(id).expect("known or said").clone()).collect();
        // In the order asked, so that what is remembered is the same in every run.
        unknown.iter().for_each(|id| self.remember((question, *id), &said[id]));
        Ok(answers)
    }

    fn remember(&mut self, key: (Q, SampleId), answer: &A) {
        let bytes = size_of::<((Q, SampleId), A)>() + answer.bytes_elsewhere();
        if self.bytes + bytes <= self.most_bytes && !self.answers.contains_key(&key) {
            self.bytes += bytes;
            self.answers.insert(key, answer.clone());
        }
    }
}

/// What a model says of one sample.
pub(crate) trait Answer: Clone {
    /// Bytes it takes besides its own.
    fn bytes_elsewhere(&self) -> usize {
        0
    }
}

impl Answer for ResponseNll {}

impl Answer for LogitStatistics {}

impl Answer for Arc<[f32]> {
    fn bytes_elsewhere(&self) -> usize {
        size_of_val::<[f32]>(self)
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
    pub(crate) fn count_forward(&self, samples: &[&[Sequence]]) {
        let sequences = samples.iter().copied().flatten();
        let tokens: usize = sequences.map(|sequence| sequence.tokens.len()).sum();
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

    /// The memory that a step of so many samples needs, the longest there are, and questions; nothing where the
    /// trained model cannot say.
    pub fn memory(&self, corpus: &Corpus, batch: usize, extent: Extent) -> Option<MemoryNeed> {
        let asked = self.asked(corpus, extent);
        let own = self.ask(|learner| learner.memory(&corpus.longest_trained(batch), asked))?;
        let of_proxy = self.proxy.as_ref().and_then(|Proxy { answers, corpus }| {
            let learner = &lock(answers).learner;
            learner.memory(&corpus.longest_trained(1), corpus.training_tokens())
        });
        Some(match of_proxy {
            Some(of_proxy) => own.beside(&of_proxy),
            None => own,
        })
    }

    /// Has each model choose how much it runs at a time, for steps of so many samples and questions; what was
    /// chosen, the trained model's first.
    pub fn fit(&self, corpus: &Corpus, batch: usize, extent: Extent) -> Vec<Fit> {
        let longest = corpus.longest_trained(batch);
        let asked = self.asked(corpus, extent);
        let (fit, kept) = self.ask(|learner| {
            let kept = learner.memory(&longest, asked).map_or(0, |need| need.optimizer);
            (learner.fit(&longest, asked, 0), kept)
        });
        let of_proxy = self.proxy.as_ref().and_then(|Proxy { answers, corpus }| {
            lock(answers).learner.fit(&[], corpus.training_tokens(), kept)
        });
        [fit, of_proxy].into_iter().flatten().collect()
    }

    /// How many tokens the trained model is asked about together.
    fn asked(&self, corpus: &Corpus, extent: Extent) -> usize {
        match extent {
            Extent::All => corpus.training_tokens(),
            Extent::Probe => {
                let probe = probe(&self.ask(|learner| learner.facts()), corpus);
                probe.iter().map(|it| it.tokens.len()).sum()
            }
        }
    }

    /// Tells what the models have to say of how they work.
    pub fn tell_news(&self, observer: &dyn Observer) {
        let proxy = self.proxy.as_ref().map(|proxy| &proxy.answers);
        for answers in [Some(&self.current), proxy].into_iter().flatten() {
            let news = lock(answers).learner.news();
            news.iter().for_each(|line| observer.say(LogLevel::Warn, "", line));
        }
    }

    /// The rules by which samples became texts, the proxy's included.
    pub fn text_record(&self, corpus: &Corpus) -> Option<TextRecord> {
        let of_proxy = self.proxy.as_ref().and_then(|proxy| proxy.corpus.text_record());
        let record = corpus.text_record()?;
        Some(TextRecord { proxy_texts: of_proxy.map(|proxy| proxy.texts), ..record })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Embeddings of every layer of every sample were kept until the model changed.
    #[test]
    fn a_memory_that_is_full_answers_as_before_and_grows_no_more() {
        let mut memory = Memory { most_bytes: 2000, ..Memory::default() };
        let row = |id: &SampleId| -> Arc<[f32]> { vec![*id as f32; 16].into() };
        let mut asked = Vec::new();
        let mut get = |ids: &[SampleId]| {
            let ask = |unknown: &[SampleId]| {
                asked.extend_from_slice(unknown);
                Ok(unknown.iter().map(row).collect())
            };
            let answers = memory.get_or_ask((), ids, ask).unwrap();
            assert_eq!(answers, ids.iter().map(row).collect::<Vec<_>>());
            assert!(memory.bytes <= 2000);
        };
        let ids: Vec<SampleId> = (0..10).collect();
        get(&ids);
        get(&[7, 3, 3, 9]);
        let many: Vec<SampleId> = (0..100).collect();
        get(&many);
        get(&[99, 99, 0]);
        let kept = 2000 / (size_of::<(((), SampleId), Arc<[f32]>)>() + 64);
        assert_eq!(memory.answers.len(), kept);
        assert_eq!(asked.len(), 10 + 90 + 2, "the first ten are known; the hundredth never is");
    }
}
