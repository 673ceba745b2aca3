//! The configuration's model becomes a learner.

use iterit_core::config::{self, Config, Device, Dtype};
use iterit_core::corpus::Corpus;
use iterit_core::learner::Learner;
use iterit_core::models::Models;
use iterit_core::observer::Observer;
use iterit_core::{Error, Result};
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
    let models = Models::new(learner(config, config.model_path()?, threads)?);
    match &config.model.proxy {
        None => Ok(models),
        Some(folder) => {
            let proxy = learner(config, folder, threads)?;
            let corpus = super::texts::proxy_corpus(config, corpus, folder, observer)?;
            Ok(models.with_proxy(proxy, corpus))
        }
    }
}

/// A model folder, held as `[model]` and `[train]` say.
fn learner(config: &Config, folder: &Path, threads: usize) -> Result<Box<dyn Learner>> {
    if !folder.is_dir() {
        return Err(Error::config(format!(
            "`model.path` is `{}`, which is no folder\nhint: name a Hugging Face model folder, with \
             config.json, tokenizer.json and safetensors in it",
            folder.display()
        )));
    }
    Ok(Box::new(TorchLearner::load(folder, options(config, threads))?))
}

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
    }
}
