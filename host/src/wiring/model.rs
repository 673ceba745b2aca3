//! The configuration's model becomes a learner.

use super::{PROXY, adapters};
use iterit_core::config::{AdamMoments, AddedTokens, Config, DeviceChoice, Dtype, Shard};
use iterit_core::corpus::Corpus;
use iterit_core::learner::Learner;
use iterit_core::models::Models;
use iterit_core::observer::Observer;
use iterit_core::sdk::LogLevel;
use iterit_core::tokenizer::Tokenizer;
use iterit_core::{Result, model_folder};
use iterit_torch::{Activations, AdamWOptions, Base, LearnerOptions};
use iterit_torch::{Moments, Precision, Sharding, TorchLearner};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};

/// The frozen weights that several runs of one model stand beside, in memory once.
#[derive(Default)]
pub(crate) struct SharedBase(Mutex<Option<TorchLearner>>);

impl SharedBase {
    /// A learner over them; the first is loaded, and so is every one whose weights are trained.
    fn learner(
        &self,
        options: LearnerOptions,
        load: impl FnOnce() -> Result<TorchLearner>,
    ) -> Result<TorchLearner> {
        if options.base == Base::Trained {
            return load();
        }
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *first {
            Some(first) => Ok(first.sharing(options)),
            first => Ok(first.insert(load()?).sharing(options)),
        }
    }
}

/// The model to train, and the proxy with the corpus in its own tokens where one is named.
pub(crate) fn models(
    config: &Config,
    corpus: &Corpus,
    threads: usize,
    observer: &dyn Observer,
) -> Result<Models> {
    models_over(&SharedBase::default(), config, corpus, threads, observer)
}

/// The same over weights that may be there already.
pub(crate) fn models_over(
    base: &SharedBase,
    config: &Config,
    corpus: &Corpus,
    threads: usize,
    observer: &dyn Observer,
) -> Result<Models> {
    let (learner, proxy) = checked(base, config, corpus, threads, observer)?;
    let models = Models::new(Box::new(learner));
    Ok(match proxy {
        None => models,
        Some((proxy, corpus)) => models.with_proxy(Box::new(proxy), corpus),
    })
}

/// Both, of which the texts are such as they know.
pub(super) fn checked(
    base: &SharedBase,
    config: &Config,
    corpus: &Corpus,
    threads: usize,
    observer: &dyn Observer,
) -> Result<(TorchLearner, Option<(TorchLearner, Corpus)>)> {
    let tokenizer = corpus.encoder().map(|encoder| encoder.tokenizer());
    let learner = model_over(base, config, tokenizer, threads, observer)?;
    corpus.check_vocabulary(learner.facts().vocab_size)?;
    let Some(proxy) = proxy(config, threads, observer) else { return Ok((learner, None)) };
    let proxy = proxy?;
    let folder = config.model.proxy.as_deref().expect("there is a proxy");
    let corpus = super::texts::proxy_corpus(config, corpus, folder, observer)?;
    corpus.check_vocabulary(proxy.facts().vocab_size)?;
    Ok((learner, Some((proxy, corpus))))
}

/// The fixed second model, where one is named.
pub(super) fn proxy(
    config: &Config,
    threads: usize,
    observer: &dyn Observer,
) -> Option<Result<TorchLearner>> {
    let folder = config.model.proxy.as_ref()?;
    let options = LearnerOptions { base: Base::Frozen, ..options(config, threads) };
    Some(learner(PROXY, folder, options, observer))
}

/// The model itself, with its adapter where it has one, for texts of this tokenizer.
pub(crate) fn model(
    config: &Config,
    tokenizer: Option<&Tokenizer>,
    threads: usize,
    observer: &dyn Observer,
) -> Result<TorchLearner> {
    model_over(&SharedBase::default(), config, tokenizer, threads, observer)
}

fn model_over(
    base: &SharedBase,
    config: &Config,
    tokenizer: Option<&Tokenizer>,
    threads: usize,
    observer: &dyn Observer,
) -> Result<TorchLearner> {
    tell_of_unused_gpu(config, observer);
    let mut options = LearnerOptions { base: adapters::base(config)?, ..options(config, threads) };
    if config.model.added_tokens == AddedTokens::Grow {
        options.vocabulary = tokenizer.and_then(|it| NonZeroUsize::new(it.vocab_size()));
    }
    let path = config.model_path()?;
    let learner = base.learner(options, || learner("", path, options, observer))?;
    let learner = adapters::adapted(learner, config)?;
    super::warn_once("", learner.remarks(), observer);
    Ok(learner)
}

/// Says, once, why there is a GPU or what a GPU needs and the CPU is used all the same.
fn tell_of_unused_gpu(config: &Config, observer: &dyn Observer) {
    static TOLD: Once = Once::new();
    if config.model.device != DeviceChoice::Auto {
        return;
    }
    TOLD.call_once(|| {
        if let Some(reason) = iterit_torch::unused_gpu() {
            let message = format!("--device auto takes the CPU: {reason}");
            observer.say(LogLevel::Warn, "", &message);
        }
    });
}

/// A model folder; what is unusual about it is told.
fn learner(
    whose: &str,
    folder: &Path,
    options: LearnerOptions,
    observer: &dyn Observer,
) -> Result<TorchLearner> {
    let loaded = model_folder::check(folder).and_then(|()| TorchLearner::load(folder, options));
    let learner = loaded.map_err(|error| super::of(whose, error))?;
    super::warn_once(whose, learner.remarks(), observer);
    Ok(learner)
}

/// As `[model]` and `[train]` say.
fn options(config: &Config, threads: usize) -> LearnerOptions {
    LearnerOptions {
        device: config.model.device,
        precision: match config.model.dtype {
            Dtype::Float32 => Precision::Float32,
            Dtype::Bfloat16 => Precision::Bfloat16,
            Dtype::Bfloat16Pure => Precision::PureBfloat16,
        },
        threads: NonZeroUsize::new(threads),
        micro_batch: config.train.micro_batch,
        scoring_tokens: None,
        activations: match config.train.activation_checkpointing {
            true => Activations::Recompute,
            false => Activations::Keep,
        },
        sharding: match config.train.shard {
            Shard::Moments => Sharding::Moments,
            Shard::Gradients => Sharding::Gradients,
        },
        adamw: AdamWOptions {
            betas: [config.train.adam_beta1, config.train.adam_beta2],
            eps: config.train.adam_epsilon,
            weight_decay: config.train.weight_decay,
            moments: match config.train.adam_moments {
                None => Moments::AsTrained,
                Some(AdamMoments::Bfloat16) => Moments::Bfloat16,
                Some(AdamMoments::EightBits) => Moments::EightBits,
            },
            seed: config.seed,
        },
        base: Base::Trained,
        vocabulary: None,
    }
}
