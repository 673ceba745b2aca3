//! What a configuration says of adapters: whether any are trained, and what they begin with.

use iterit_core::config::{Config, FewBits, LoraConfig, LoraInit, LoraTargets};
use iterit_core::{Error, Result};
use iterit_torch::{Base, LoraOptions, Targets, TorchLearner};

/// How the model's own weights are kept.
///
/// # Errors
/// Keys that say something of adapters where none are trained, or against those that are begun with.
pub(super) fn base(config: &Config) -> Result<Base> {
    let LoraConfig { rank, dropout, .. } = &config.train.lora;
    let set = set_with_rank(&config.train.lora);
    let faults: Vec<String> = match (&config.model.adapter, rank) {
        (Some(_), Some(_)) => std::iter::once("train.lora.rank")
            .chain(set)
            .map(|key| {
                format!(
                    "`{key}` is set, but `model.adapter` says it\nhint: leave one of the two out; \
                     train.lora.dropout may be set beside an adapter"
                )
            })
            .collect(),
        (Some(_), None) => set
            .into_iter()
            .map(|key| format!("`{key}` is set, but `model.adapter` says it\nhint: leave it out"))
            .collect(),
        (None, None) => set
            .into_iter()
            .chain(dropout.map(|_| "train.lora.dropout"))
            .map(|key| {
                format!(
                    "`{key}` is set, but no adapter is trained\n\
                     hint: set train.lora.rank too, or name an adapter with model.adapter"
                )
            })
            .collect(),
        (None, Some(_)) => Vec::new(),
    };
    let adapts = rank.is_some() || config.model.adapter.is_some();
    match (adapts, config.model.base) {
        _ if !faults.is_empty() => Err(Error::Config(faults)),
        (true, None) => Ok(Base::Frozen),
        (true, Some(FewBits::Int8)) => Ok(Base::Int8),
        (true, Some(FewBits::Nf4)) => Ok(Base::Nf4),
        (false, None) => Ok(Base::Trained),
        (false, Some(_)) => Err(Error::config(
            "`model.base` is set, but weights in few bits cannot be trained themselves\n\
             hint: set train.lora.rank too, or name an adapter with model.adapter",
        )),
    }
}

/// The model with what is trained beside it, where that is the way.
pub(super) fn adapted(learner: TorchLearner, config: &Config) -> Result<TorchLearner> {
    let LoraConfig { rank, alpha, dropout, targets, rslora, init } = &config.train.lora;
    if let Some(folder) = &config.model.adapter {
        return learner.adapt_by(folder, *dropout, config.seed);
    }
    let Some(rank) = *rank else { return Ok(learner) };
    let options = LoraOptions {
        rank,
        alpha: alpha.unwrap_or(rank as f64),
        targets: match targets {
            LoraTargets::AllLinear => Targets::AllLinear,
            LoraTargets::Named(names) => Targets::Named(names.clone()),
        },
        rank_stabilized: *rslora,
        init: match init {
            LoraInit::Kaiming => iterit_torch::LoraInit::Kaiming,
            LoraInit::Gaussian => iterit_torch::LoraInit::Gaussian,
        },
    };
    learner.adapt(&options, dropout.unwrap_or(0.0), config.seed)
}

/// Keys that mean nothing without a rank, and are not what they are by default.
fn set_with_rank(lora: &LoraConfig) -> Vec<&'static str> {
    let default = LoraConfig::default();
    [
        ("train.lora.alpha", lora.alpha != default.alpha),
        ("train.lora.targets", lora.targets != default.targets),
        ("train.lora.rslora", lora.rslora != default.rslora),
        ("train.lora.init", lora.init != default.init),
    ]
    .into_iter()
    .filter_map(|(key, is_set)| is_set.then_some(key))
    .collect()
}
