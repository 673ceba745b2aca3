//! A host without a model: every text and every number is a hash, so tests can know them.

use crate::{
    Conditioning, Embedding, Error, ErrorKind, LogLevel, LogitStatistics, Matrix, Model, Nll,
    Ragged, ResponseNll, Result, Role, Sample, SampleId, ScoreRow, Service, Services, TokenCounts,
    Turn,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

/// A deterministic host. Its samples are short texts, among them an empty response and repeated ones;
/// its model's losses depend on the sample, the token, what it is given, and on which model it is.
///
/// What a scorer should return is computed by asking the fake host the same:
///
/// ```
/// use iterit_sdk::{Model, Services, testkit::FakeHost};
///
/// let host = FakeHost::new(1);
/// let losses = host.response_nll(Model::Current, &[3])?;
/// assert_eq!(losses, host.response_nll(Model::Current, &[3])?);
/// let other_model = FakeHost::new(2);
/// assert_ne!(losses, other_model.response_nll(Model::Current, &[3])?);
/// # Ok::<(), iterit_sdk::Error>(())
/// ```
pub struct FakeHost {
    model: u64,
    samples: u64,
    targets: u64,
    seed: u64,
    offers: Vec<Service>,
    failing_after: u64,
    cancelled_after: u64,
    panicking_in: &'static str,
    calls: AtomicU64,
    asked: Mutex<BTreeSet<SampleId>>,
    progress: Mutex<Vec<(u64, u64)>>,
    messages: Mutex<Vec<(LogLevel, String)>>,
    history: Mutex<History>,
}

#[derive(Default)]
struct History {
    latest: BTreeMap<SampleId, ScoreRow>,
    scored: BTreeMap<u32, Vec<ScoreRow>>,
    selections: Vec<Vec<SampleId>>,
}

impl FakeHost {
    /// How long its embeddings are.
    pub const DIMENSIONS: usize = 8;

    /// A host with 64 samples, 8 target samples and every service. `model` stands for the weights:
    /// another number is another model.
    pub fn new(model: u64) -> Self {
        Self {
            model,
            samples: 64,
            targets: 8,
            seed: 42,
            offers: Service::ALL.to_vec(),
            failing_after: u64::MAX,
            cancelled_after: u64::MAX,
            panicking_in: "",
            calls: AtomicU64::default(),
            asked: Mutex::default(),
            progress: Mutex::default(),
            messages: Mutex::default(),
            history: Mutex::default(),
        }
    }

    /// With this many samples.
    #[must_use]
    pub fn with_samples(mut self, samples: u64) -> Self {
        self.samples = samples;
        self
    }

    /// With this many target samples.
    #[must_use]
    pub fn with_targets(mut self, targets: u64) -> Self {
        self.targets = targets;
        self
    }

    /// With this seed of the run.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Refuses the services that are not among these.
    #[must_use]
    pub fn offering(mut self, services: &[Service]) -> Self {
        self.offers = services.to_vec();
        self
    }

    /// After this many calls every further one fails.
    #[must_use]
    pub fn failing_after(mut self, calls: u64) -> Self {
        self.failing_after = calls;
        self
    }

    /// After this many calls the user wants the run to stop.
    #[must_use]
    pub fn cancelled_after(mut self, calls: u64) -> Self {
        self.cancelled_after = calls;
        self
    }

    /// Panics in `token_counts` or `progress`, to see that the boundary holds.
    #[cfg(test)]
    pub(super) fn panicking_in(mut self, service: &'static str) -> Self {
        self.panicking_in = service;
        self
    }

    fn panic_if_told_to(&self, service: &str) {
        assert!(self.panicking_in != service, "the fake host was told to panic");
    }

    /// Adds scores made at one epoch.
    pub fn record_scores(&self, epoch: u32, rows: &[ScoreRow]) {
        let mut history = lock(&self.history);
        history.latest.extend(rows.iter().map(|row| (row.id, *row)));
        history.scored.entry(epoch).or_default().extend(rows);
    }

    /// Adds what the next epoch was trained on.
    pub fn record_selection(&self, ids: Vec<SampleId>) {
        lock(&self.history).selections.push(ids);
    }

    /// Every sample any service was asked about.
    pub fn asked(&self) -> BTreeSet<SampleId> {
        lock(&self.asked).clone()
    }

    /// How many calls could have failed.
    pub fn calls(&self) -> u64 {
        self.calls.load(SeqCst)
    }

    /// Every report of progress: done, total.
    pub fn progress_reports(&self) -> Vec<(u64, u64)> {
        lock(&self.progress).clone()
    }

    /// Everything that was logged.
    pub fn messages(&self) -> Vec<(LogLevel, String)> {
        lock(&self.messages).clone()
    }

    /// Counts a call and says whether it may go on.
    fn enter(&self, ids: &[SampleId]) -> Result<()> {
        let earlier = self.calls.fetch_add(1, SeqCst);
        if earlier >= self.cancelled_after {
            return Err(Error::cancelled());
        }
        if earlier >= self.failing_after {
            return Err(Error::new(ErrorKind::Host, "the fake host was told to fail"));
        }
        let count = self.samples + self.targets;
        if let Some(id) = ids.iter().find(|&&id| id >= count) {
            let message = format!("sample {id} was asked for, there are {count}");
            return Err(Error::new(ErrorKind::Host, message));
        }
        lock(&self.asked).extend(ids);
        Ok(())
    }

    fn enter_model(&self, service: Service, model: Model, ids: &[SampleId]) -> Result<u64> {
        self.require(service)?;
        let weights = match model {
            Model::Current => self.model,
            Model::Proxy => {
                self.require(Service::Proxy)?;
                PROXY
            }
        };
        self.enter(ids)?;
        Ok(weights)
    }

    fn require(&self, service: Service) -> Result<()> {
        if self.offers.contains(&service) {
            return Ok(());
        }
        let message =
            format!("`{}` is not offered\nhint: name it in `Plugin::SERVICES`", service.name());
        Err(Error::new(ErrorKind::Unsupported, message))
    }
}

#[deny(clippy::missing_trait_methods)]
impl Services for FakeHost {
    fn num_samples(&self) -> u64 {
        self.samples
    }

    fn num_target_samples(&self) -> u64 {
        if self.offers.contains(&Service::TargetSamples) { self.targets } else { 0 }
    }

    fn sample(&self, id: SampleId) -> Result<Sample> {
        self.enter(&[id])?;
        Ok(sample(id))
    }

    fn training_targets(&self, ids: &[SampleId]) -> Result<Vec<String>> {
        self.enter(ids)?;
        Ok(ids.iter().map(|&id| response(id) + "</s>").collect())
    }

    fn token_counts(&self, ids: &[SampleId]) -> Result<Vec<TokenCounts>> {
        self.panic_if_told_to("token_counts");
        self.enter(ids)?;
        let counts = ids.iter().map(|&id| TokenCounts {
            prompt: words(&prompt(id)),
            response: words(&response(id)) + 1, // the end of the text
        });
        Ok(counts.collect())
    }

    fn response_nll(&self, model: Model, ids: &[SampleId]) -> Result<Vec<ResponseNll>> {
        let weights = self.enter_model(Service::ResponseNll, model, ids)?;
        let losses = ids.iter().map(|&id| ResponseNll {
            conditional: Nll::of_tokens(&losses(weights, id, GIVEN_PROMPT)),
            unconditional: Nll::of_tokens(&losses(weights, id, GIVEN_NOTHING)),
        });
        Ok(losses.collect())
    }

    fn token_nll(&self, model: Model, ids: &[SampleId], given: Conditioning) -> Result<Ragged> {
        let weights = self.enter_model(Service::TokenNll, model, ids)?;
        let context = match given {
            Conditioning::Prompt => GIVEN_PROMPT,
            Conditioning::Nothing => GIVEN_NOTHING,
        };
        let rows: Vec<_> = ids.iter().map(|&id| losses(weights, id, context)).collect();
        Ok(Ragged::from_rows(rows.iter().map(Vec::as_slice)))
    }

    fn prompted_nll(
        &self,
        model: Model,
        ids: &[SampleId],
        prompts: &[Vec<Turn>],
    ) -> Result<Vec<Nll>> {
        let weights = self.enter_model(Service::PromptedNll, model, ids)?;
        if prompts.len() != ids.len() {
            let message = format!("{} prompts for {} samples", prompts.len(), ids.len());
            return Err(Error::new(ErrorKind::Host, message));
        }
        let losses = ids.iter().zip(prompts).map(|(&id, prompt)| {
            let text = prompt.iter().flat_map(|turn| turn.content.bytes());
            let context = text.fold(GIVEN_NOTHING, |context, byte| mix(&[context, byte.into()]));
            Nll::of_tokens(&losses(weights, id, context))
        });
        Ok(losses.collect())
    }

    fn embeddings(&self, model: Model, ids: &[SampleId], wanted: Embedding) -> Result<Matrix> {
        let weights = self.enter_model(Service::Embeddings, model, ids)?;
        let layer = wanted.layer as u32 as u64;
        let component = |id, k| {
            let hash = mix(&[weights, text_of(id), wanted.pooling as u64, layer, k]);
            (2.0 * unit(hash) - 1.0) as f32
        };
        let row = |&id| (0..Self::DIMENSIONS as u64).map(move |k| component(id, k));
        Matrix::new(ids.iter().flat_map(row).collect(), Self::DIMENSIONS)
    }

    fn logit_statistics(&self, model: Model, ids: &[SampleId]) -> Result<Vec<LogitStatistics>> {
        let weights = self.enter_model(Service::LogitStatistics, model, ids)?;
        let statistics = ids.iter().map(|&id| {
            let tokens = words(&response(id));
            if tokens == 0 {
                return LogitStatistics { entropy: f64::NAN, margin: f64::NAN, tokens };
            }
            let entropy = 5.0 * unit(mix(&[weights, text_of(id), 0x0E]));
            let margin = unit(mix(&[weights, text_of(id), 0x0A]));
            LogitStatistics { entropy, margin, tokens }
        });
        Ok(statistics.collect())
    }

    fn scores(&self) -> Result<Vec<ScoreRow>> {
        self.enter(&[])?;
        Ok(lock(&self.history).latest.values().copied().collect())
    }

    fn scores_at(&self, epoch: u32) -> Result<Vec<ScoreRow>> {
        self.enter(&[])?;
        Ok(lock(&self.history).scored.get(&epoch).cloned().unwrap_or_default())
    }

    fn selection_at(&self, epoch: u32) -> Result<Option<Vec<SampleId>>> {
        self.enter(&[])?;
        Ok(lock(&self.history).selections.get(epoch as usize).cloned())
    }

    fn seed(&self) -> u64 {
        self.seed
    }

    fn threads(&self) -> usize {
        2
    }

    fn progress(&self, done: u64, total: u64) {
        self.panic_if_told_to("progress");
        lock(&self.progress).push((done, total));
    }

    fn is_cancelled(&self) -> bool {
        self.calls.load(SeqCst) >= self.cancelled_after
    }

    fn log(&self, level: LogLevel, message: &str) {
        lock(&self.messages).push((level, message.to_owned()));
    }
}

/// The proxy stays what it is while the model is trained.
const PROXY: u64 = 0x5EED;
const GIVEN_PROMPT: u64 = 1;
const GIVEN_NOTHING: u64 = 2;

const WORDS: [&str; 24] = [
    "a", "and", "apple", "bridge", "clear", "count", "day", "every", "first", "garden", "how",
    "is", "light", "make", "number", "of", "paper", "river", "simple", "the", "three", "to",
    "water", "write",
];

fn sample(id: SampleId) -> Sample {
    let mut metadata = serde_json::Map::new();
    metadata.insert("source".into(), "fake".into());
    metadata.insert("rating".into(), (mix(&[id, 0x4A]) % 5).into());
    let prompt = vec![Turn::new(Role::User, prompt(id))];
    Sample { id, prompt, response: response(id), metadata }
}

fn prompt(id: SampleId) -> String {
    sentence(mix(&[id, 0x90]), 3, 9)
}

/// Sample 13 of every 32 has none; sample 15 of every 16 repeats the one before.
fn response(id: SampleId) -> String {
    match id {
        _ if id % 32 == 13 => String::new(),
        _ => sentence(mix(&[text_of(id), 0x9E]), 1, 20),
    }
}

/// Samples with the same response have the same text to the model.
fn text_of(id: SampleId) -> u64 {
    if id % 16 == 15 { id - 1 } else { id }
}

fn sentence(hash: u64, least: u64, most: u64) -> String {
    let length = least + hash % (most - least + 1);
    let word = |k| WORDS[(mix(&[hash, k]) % WORDS.len() as u64) as usize];
    (0..length).map(word).collect::<Vec<_>>().join(" ")
}

fn words(text: &str) -> u32 {
    text.split_whitespace().count() as u32
}

/// One loss a word, nats.
fn losses(weights: u64, id: SampleId, context: u64) -> Vec<f32> {
    let loss = |token| (6.0 * unit(mix(&[weights, text_of(id), context, token]))) as f32;
    (0..words(&response(id)).into()).map(loss).collect()
}

/// In [0, 1).
fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

/// SplitMix64's output function (Steele, Lea & Flood 2014), folded over the parts.
fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |hash, &part| {
        let mut z = (hash ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
