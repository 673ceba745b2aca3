//! The configuration's model becomes a learner.

use iterit_core::config::{self, AddedTokens, Config, Device, Dtype};
use iterit_core::corpus::Corpus;
use iterit_core::learner::Learner;
use iterit_core::models::Models;
use iterit_core::observer::Observer;
use iterit_core::{Result, model_folder};
use iterit_torch::{Activations, AdamWOptions, DeviceChoice, LearnerOptions, MicroBatch};
use iterit_torch::{Precision, TorchLearner};
use std::num::NonZeroUsize;
use std::path::Path;

/// The model to train, and the proxy with the corpus in its own tokens where one is named.
pub(crate) fn models(
    config: &Config,
    corpus: &Corpus,
    threads: usize,
    observer: &dyn Observer,
) -> Result<Models> {
    let mut options = options(config, threads);
    if config.model.added_tokens == AddedTokens::Grow {
        let tokenizer = corpus.encoder().map(|encoder| encoder.tokenizer());
        options.vocabulary = tokenizer.and_then(|it| NonZeroUsize::new(it.vocab_size()));
    }
    let models = Models::new(learner("", config.model_path()?, options, observer)?);
    match &config.model.proxy {
        None => Ok(models),
        Some(folder) => {
            options.vocabulary = None;
            let proxy = learner("the proxy: ", folder, options, observer)?;
            let corpus = super::texts::proxy_corpus(config, corpus, folder, observer)?;
            Ok(models.with_proxy(proxy, corpus))
        }
    }
}

/// A model folder; what is unusual about it is told.
fn learner(
    whose: &str,
    folder: &Path,
    options: LearnerOptions,
    observer: &dyn Observer,
) -> Result<Box<dyn Learner>> {
    model_folder::check(folder)?;
    let learner = TorchLearner::load(folder, options)?;
    super::warn_once(whose, learner.remarks(), observer);
    Ok(Box::new(learner))
}

/// As `[model]` and `[train]` say.
fn options(config: &Config, threads: usize) -> LearnerOptions {
    LearnerOptions {
        device: match config.model.device {
            Device::Auto => DeviceChoice::Auto,
            Device::Cpu => DeviceChoice::Cpu,
            Device::Cuda(index) => DeviceChoice::Cuda(index),
        },
        precision: match config.model.dtype {
            Dtype::Float32 => Precision::Float32,
            Dtype::Bfloat16 => Precision::Bfloat16,
            Dtype::Bfloat16Pure => Precision::PureBfloat16,
        },
        threads: NonZeroUsize::new(threads),
        micro_batch: match config.train.micro_batch {
            config::MicroBatch::Auto => MicroBatch::Auto,
            config::MicroBatch::Samples(count) => {
                MicroBatch::Samples(NonZeroUsize::new(count).expect("the configuration is checked"))
            }
        },
        scoring_tokens: None,
        activations: match config.train.activation_checkpointing {
            true => Activations::Recompute,
            false => Activations::Keep,
        },
        adamw: AdamWOptions { weight_decay: config.train.weight_decay, ..AdamWOptions::default() },
        vocabulary: None,
    }
}
