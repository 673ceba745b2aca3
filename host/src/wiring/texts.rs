//! Data files, tokenizer and template become corpora.

use iterit_core::config::Config;
use iterit_core::corpus::Corpus;
use iterit_core::learner::ModelLimits;
use iterit_core::observer::{Observer, Phase};
use iterit_core::span::{Encoder, EncoderOptions};
use iterit_core::template::ChatTemplate;
use iterit_core::tokenizer::Tokenizer;
use iterit_core::{Error, Result, Sample, dataset};
use std::path::Path;
use std::sync::Arc;

/// What is trained on, and what the model is measured by where there is such data.
pub(crate) fn corpora(
    config: &Config,
    observer: &dyn Observer,
) -> Result<(Corpus, Option<Corpus>)> {
    let data = Error::both(samples(config), target_samples(config));
    let (((samples, held_out), targets), encoder) = Error::both(data, model_encoder(config))?;
    let training = encode(samples, targets, &encoder, observer)?;
    let held_out = match held_out {
        Some(samples) => Some(encode(samples, Vec::new(), &encoder, observer)?),
        None => None,
    };
    Ok((training, held_out))
}

/// The data alone, as one corpus.
pub(crate) fn corpus(
    config: &Config,
    limit: Option<usize>,
    observer: &dyn Observer,
) -> Result<Corpus> {
    let samples = dataset::load(&config.data.path, config.data.format);
    let data = Error::both(samples, target_samples(config));
    let ((mut samples, targets), encoder) = Error::both(data, model_encoder(config))?;
    samples.truncate(limit.unwrap_or(usize::MAX));
    encode(samples, targets, &encoder, observer)
}

/// The samples of a corpus in the tokens of the proxy model, which may be of another family; its
/// template is its own where it has one.
pub(super) fn proxy_corpus(
    config: &Config,
    corpus: &Corpus,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<Corpus> {
    let own = ChatTemplate::of_model(folder)?;
    let template = match own {
        Some(template) => template,
        None => ChatTemplate::choose(config.data.template.as_deref(), config.model_path()?)?,
    };
    let options =
        EncoderOptions { limits: Some(iterit_torch::limits(folder)?), ..EncoderOptions::default() };
    let encoder = Encoder::new(Tokenizer::open(folder)?, template, options)?;
    let (samples, targets) = (corpus.samples().to_vec(), corpus.target_samples().to_vec());
    encode(samples, targets, &Arc::new(encoder), observer)
}

/// The data without tokens, for work that needs no model. What ends a response is `data.eos_text`,
/// or the model's where one is named.
pub(crate) fn bare_corpus(config: &Config) -> Result<Corpus> {
    let samples = dataset::load(&config.data.path, config.data.format)?;
    let end = match (&config.data.eos_text, &config.model.path) {
        (Some(text), _) => text.clone(),
        (None, Some(model)) => encoder(config, model, None)?.target_end().to_owned(),
        (None, None) => {
            return Err(Error::config(
                "`data.eos_text` is not set, so it is unknown what ends a response in training\n\
                 hint: give it with --set data.eos_text=TEXT, or name the model with --model FOLDER",
            ));
        }
    };
    Ok(Corpus::bare(samples, target_samples(config)?, end))
}

fn samples(config: &Config) -> Result<(Vec<Sample>, Option<Vec<Sample>>)> {
    let samples = dataset::load(&config.data.path, config.data.format)?;
    if !config.data.eval_path.is_empty() {
        let held_out = dataset::load(&config.data.eval_path, config.data.format)?;
        return Ok((samples, Some(held_out)));
    }
    if config.data.eval_fraction > 0.0 {
        let (samples, held_out) = dataset::hold_out(samples, config.data.eval_fraction)?;
        return Ok((samples, Some(held_out)));
    }
    Ok((samples, None))
}

fn target_samples(config: &Config) -> Result<Vec<Sample>> {
    match config.data.target_path.is_empty() {
        true => Ok(Vec::new()),
        false => dataset::load(&config.data.target_path, config.data.format),
    }
}

/// Tokenizer and template of the model to be trained.
fn model_encoder(config: &Config) -> Result<Arc<Encoder>> {
    let model = config.model_path()?;
    Ok(Arc::new(encoder(config, model, Some(iterit_torch::limits(model)?))?))
}

/// Tokenizer and template of a model folder, under the configuration's choices.
fn encoder(config: &Config, model: &Path, limits: Option<ModelLimits>) -> Result<Encoder> {
    let options = EncoderOptions {
        eos_text: config.data.eos_text.clone(),
        target_end: config.train.target_end,
        max_length: config.model.max_length,
        limits,
    };
    let tokenizer = Tokenizer::open(model)?;
    let template = ChatTemplate::choose(config.data.template.as_deref(), model)?;
    Encoder::new(tokenizer, template, options)
}

fn encode(
    samples: Vec<Sample>,
    targets: Vec<Sample>,
    encoder: &Arc<Encoder>,
    observer: &dyn Observer,
) -> Result<Corpus> {
    observer.begin(Phase::Tokenizing, None);
    let corpus = Corpus::encode(samples, targets, Arc::clone(encoder), super::threads(), observer);
    observer.end(Phase::Tokenizing);
    corpus
}
