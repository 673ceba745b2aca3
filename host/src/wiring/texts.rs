//! Data files, tokenizer and template become corpora.

use super::PROXY;
use iterit_core::config::Config;
use iterit_core::corpus::Corpus;
use iterit_core::dataset::{self, Drawn, Row};
use iterit_core::learner::ModelLimits;
use iterit_core::observer::{Observer, Phase};
use iterit_core::span::{Encoder, EncoderOptions};
use iterit_core::template::ChatTemplate;
use iterit_core::tokenizer::Tokenizer;
use iterit_core::{Error, Result, Sample};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is trained on, and what the model is measured by where there is such data. Of the first the
/// seed draws its share.
pub(crate) fn corpora(
    config: &Config,
    observer: &dyn Observer,
) -> Result<(Corpus, Option<Corpus>)> {
    encoded(config, config.data.pool.filter(|share| *share < 1.0), observer)
}

/// The same before any draw.
pub(crate) fn whole_corpora(
    config: &Config,
    observer: &dyn Observer,
) -> Result<(Corpus, Option<Corpus>)> {
    encoded(config, None, observer)
}

fn encoded(
    config: &Config,
    share: Option<f64>,
    observer: &dyn Observer,
) -> Result<(Corpus, Option<Corpus>)> {
    let data = Error::both(rows(config, observer), target_rows(config, observer));
    let (((rows, held_out), targets), encoder) =
        Error::both(data, model_encoder(config, observer))?;
    let drawn = share.map(|share| Drawn::new(rows.len(), share, config.seed));
    let rows = match &drawn {
        Some(drawn) => drawn.take(&rows),
        None => rows,
    };
    let training = encode(rows, targets, &encoder, observer)?.known_as(drawn);
    let held_out = match held_out {
        Some(rows) => Some(encode(rows, Vec::new(), &encoder, observer)?),
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
    let rows = load(config, &config.data.path, observer);
    let data = Error::both(rows, target_rows(config, observer));
    let ((mut rows, targets), encoder) = Error::both(data, model_encoder(config, observer))?;
    rows.truncate(limit.unwrap_or(usize::MAX));
    encode(rows, targets, &encoder, observer)
}

/// The samples of a corpus in the tokens of the proxy model, which may be of another family; its
/// template is its own where it has one.
pub(super) fn proxy_corpus(
    config: &Config,
    corpus: &Corpus,
    folder: &Path,
    observer: &dyn Observer,
) -> Result<Corpus> {
    let encoder = proxy_encoder(config, folder, observer);
    let encoder = encoder.map_err(|error| super::of(PROXY, error))?;
    let (rows, targets) = corpus.rows().split_at(corpus.num_samples() as usize);
    encode(rows.to_vec(), targets.to_vec(), &Arc::new(encoder), observer)
}

/// Tokenizer and template of the proxy, under the configuration's choices as far as they fit it: a text
/// is cut where it is for the model, and earlier where the proxy has fewer positions.
fn proxy_encoder(config: &Config, folder: &Path, observer: &dyn Observer) -> Result<Encoder> {
    let template = match ChatTemplate::of_model(folder)? {
        Some(template) => template,
        None => ChatTemplate::choose(config.data.template.as_deref(), config.model_path()?)?,
    };
    let tokenizer = Tokenizer::open(folder)?;
    super::warn_once(PROXY, tokenizer.warnings(), observer);
    let limits = iterit_torch::limits(folder)?;
    let max_length = config.model.max_length.map(|length| length.min(limits.positions));
    Encoder::new(
        tokenizer,
        template,
        EncoderOptions { max_length, ..options(config, Some(limits)) },
    )
}

/// The data without tokens, for work that needs no model. What ends a response is `data.eos_text`,
/// or the model's where one is named.
pub(crate) fn bare_corpus(config: &Config, observer: &dyn Observer) -> Result<Corpus> {
    let rows = load(config, &config.data.path, observer)?;
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
    Ok(Corpus::bare(rows, target_rows(config, observer)?, end, config.data.turns))
}

/// The samples to choose from, before any draw. Pages show them, long after their files were
/// spoken of.
pub(crate) fn pool(config: &Config) -> Result<Vec<Sample>> {
    let mut dataset = dataset::load(&config.data.path, config.data.format)?;
    if config.data.eval_path.is_empty() && config.data.eval_fraction > 0.0 {
        (dataset.rows, _) = dataset::hold_out(dataset.rows, config.data.eval_fraction)?;
    }
    Ok(dataset.samples())
}

fn rows(config: &Config, observer: &dyn Observer) -> Result<(Vec<Row>, Option<Vec<Row>>)> {
    let rows = load(config, &config.data.path, observer)?;
    if !config.data.eval_path.is_empty() {
        let held_out = load(config, &config.data.eval_path, observer)?;
        return Ok((rows, Some(held_out)));
    }
    if config.data.eval_fraction > 0.0 {
        let (rows, held_out) = dataset::hold_out(rows, config.data.eval_fraction)?;
        return Ok((rows, Some(held_out)));
    }
    Ok((rows, None))
}

fn target_rows(config: &Config, observer: &dyn Observer) -> Result<Vec<Row>> {
    match config.data.target_path.is_empty() {
        true => Ok(Vec::new()),
        false => load(config, &config.data.target_path, observer),
    }
}

/// The rows of some files; what is to be said of these is said.
fn load(config: &Config, paths: &[PathBuf], observer: &dyn Observer) -> Result<Vec<Row>> {
    let mut dataset = dataset::load(paths, config.data.format)?;
    if let Some(system) = &config.data.system {
        for row in &mut dataset.rows {
            row.conversation.put_own_system(system);
        }
    }
    for note in &dataset.notes {
        observer.say(note.level, "", &note.message);
    }
    Ok(dataset.rows)
}

/// Tokenizer and template of the model to be trained.
fn model_encoder(config: &Config, observer: &dyn Observer) -> Result<Arc<Encoder>> {
    let model = config.model_path()?;
    let encoder = encoder(config, model, Some(iterit_torch::limits(model)?))?;
    super::warn_once("", encoder.tokenizer().warnings(), observer);
    Ok(Arc::new(encoder))
}

/// Tokenizer and template of a model folder, under the configuration's choices.
fn encoder(config: &Config, model: &Path, limits: Option<ModelLimits>) -> Result<Encoder> {
    let tokenizer = Tokenizer::open(model)?;
    let template = ChatTemplate::choose(config.data.template.as_deref(), model)?;
    Encoder::new(tokenizer, template, options(config, limits))
}

fn options(config: &Config, limits: Option<ModelLimits>) -> EncoderOptions {
    EncoderOptions {
        rules: config.data.texts,
        turns: config.data.turns,
        prompt: config.data.prompt,
        eos_text: config.data.eos_text.clone(),
        target_end: config.train.target_end,
        max_length: config.model.max_length,
        limits,
    }
}

fn encode(
    rows: Vec<Row>,
    targets: Vec<Row>,
    encoder: &Arc<Encoder>,
    observer: &dyn Observer,
) -> Result<Corpus> {
    observer.begin(Phase::Tokenizing, None);
    let corpus = Corpus::encode(rows, targets, Arc::clone(encoder), super::threads(), observer);
    observer.end(Phase::Tokenizing);
    corpus
}
