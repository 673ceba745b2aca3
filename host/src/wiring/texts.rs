//! Data files, tokenizer and template become corpora.

use super::PROXY;
use super::kept::kept;
use super::reading::{AllRows, Reading};
use iterit_core::config::{Config, TooLong};
use iterit_core::corpus::{Corpus, KeptTexts};
use iterit_core::dataset::{Drawn, Row};
use iterit_core::evaluation::{Asking, Prompter};
use iterit_core::learner::{ModelLimits, Unwatched};
use iterit_core::observer::{Observer, Phase};
use iterit_core::sdk::LogLevel;
use iterit_core::span::{Encoder, EncoderOptions, TargetEnd, TextRules, Turns};
use iterit_core::template::ChatTemplate;
use iterit_core::tokenizer::Tokenizer;
use iterit_core::{Error, Result, Sample};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What a run works on.
pub(crate) struct Texts {
    /// What is trained on.
    pub(crate) corpus: Corpus,
    /// What the model is measured by, where there is such data.
    pub(crate) held_out: Option<Corpus>,
    /// The sha256 of the data as it was read, by path.
    pub(crate) sha256: BTreeMap<String, String>,
}

/// What is trained on, and what the model is measured by where there is such data. Of the first the
/// seed draws its share.
pub(crate) fn texts(config: &Config, observer: &dyn Observer) -> Result<Texts> {
    let mut texts = whole_texts(config, observer)?;
    if let Some(share) = config.data.pool.filter(|share| *share < 1.0) {
        let num_samples = texts.corpus.num_samples() as usize;
        texts.corpus = texts.corpus.draw(Drawn::new(num_samples, share, config.seed));
    }
    Ok(texts)
}

/// The same before any draw.
pub(crate) fn whole_texts(config: &Config, observer: &dyn Observer) -> Result<Texts> {
    let mut reading = Reading::new(config, Some(observer));
    let (rows, encoder) = Error::both(reading.all(), model_encoder(config, observer))?;
    let AllRows { training, held_out, targets } = rows;
    let corpus = encode_what_fits(config, training, targets, &encoder, observer)?;
    let held_out = match held_out {
        Some(rows) => Some(encode_what_fits(config, rows, Vec::new(), &encoder, observer)?),
        None => None,
    };
    Ok(Texts { corpus, held_out, sha256: reading.sha256 })
}

/// The data alone, as one corpus.
pub(crate) fn corpus(
    config: &Config,
    limit: Option<usize>,
    observer: &dyn Observer,
) -> Result<Corpus> {
    let mut reading = Reading::new(config, Some(observer));
    let data = Error::both(reading.training(), reading.targets());
    let ((mut rows, targets), encoder) = Error::both(data, model_encoder(config, observer))?;
    rows.truncate(limit.unwrap_or(usize::MAX));
    encode_what_fits(config, rows, targets, &encoder, observer)
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
    let rules = config.model.proxy_texts.unwrap_or(config.data.texts);
    let template = match (rules, ChatTemplate::of_model(folder)?) {
        (TextRules::Raw, _) => ChatTemplate::none(),
        (_, Some(template)) => template,
        (_, None) => ChatTemplate::choose(config.data.template.as_deref(), config.model_path()?)?,
    };
    let tokenizer = Tokenizer::open(folder)?;
    super::warn_once(PROXY, tokenizer.warnings(), observer);
    let limits = iterit_torch::limits(folder)?;
    let max_length = config.model.max_length.map(|length| length.min(limits.positions));
    let options = EncoderOptions { rules, max_length, ..options(config, Some(limits)) };
    let options = match rules {
        // Texts without a template have no choices, and the proxy is not trained.
        TextRules::Raw => EncoderOptions {
            turns: Turns::Last,
            prompt: None,
            eos_text: Some(String::new()),
            target_end: TargetEnd::Eos,
            ..options
        },
        TextRules::Template | TextRules::Published => options,
    };
    Encoder::new(tokenizer, template, options)
}

/// The data without tokens, for work that needs no model. What ends a response is `data.eos_text`,
/// or the model's where one is named.
pub(crate) fn bare_corpus(config: &Config, observer: &dyn Observer) -> Result<Corpus> {
    if config.data.too_long == TooLong::Drop {
        return Err(Error::config(
            "`data.too_long` is \"drop\", and without a tokenizer no text is known to be too long\n\
             hint: --set data.too_long=cut, or drop those rows from the data",
        ));
    }
    let mut reading = Reading::new(config, Some(observer));
    let rows = reading.training()?;
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
    Ok(Corpus::bare(rows, reading.targets()?, end, config.data.turns))
}

/// The samples to choose from, before any draw. Pages show them, long after their files were
/// spoken of.
pub(crate) fn pool(config: &Config) -> Result<Vec<Sample>> {
    let (rows, _) = Reading::new(config, None).parted()?;
    if config.data.too_long == TooLong::Cut {
        return Ok((0..).zip(&rows).map(|(id, row)| row.sample(id)).collect());
    }
    let model = config.model_path()?;
    let encoder = Arc::new(encoder(config, model, Some(iterit_torch::limits(model)?))?);
    let corpus = Corpus::encode(rows, Vec::new(), encoder, super::threads(), &Unwatched)?;
    Ok(corpus.without_cut()?.0.samples())
}

/// What makes tokens of questions: the model's tokenizer, and its template where it has one or another
/// is chosen.
pub(crate) fn prompter(
    config: &Config,
    asking: Asking,
    observer: &dyn Observer,
) -> Result<Prompter> {
    let model = config.model_path()?;
    let tokenizer = Tokenizer::open(model)?;
    super::warn_once("", tokenizer.warnings(), observer);
    let template = match &config.data.template {
        Some(choice) => Some(ChatTemplate::choose(Some(choice), model)?),
        None => ChatTemplate::of_model(model)?,
    };
    let positions = iterit_torch::limits(model)?.positions;
    let limits = [config.model.max_length, tokenizer.model_max_length(), Some(positions)];
    let window = limits.into_iter().flatten().min().expect("one of them is there");
    Ok(Prompter { tokenizer, template, asking, window })
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
    let template = match (config.data.texts, config.data.template.as_deref()) {
        (TextRules::Raw, None) => ChatTemplate::none(),
        (TextRules::Raw, Some(_)) => {
            return Err(Error::config(
                "`data.template` is set, but data.texts = \"raw\" does without one",
            ));
        }
        (_, choice) => ChatTemplate::choose(choice, model)?,
    };
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

/// As `data.too_long` has it.
fn encode_what_fits(
    config: &Config,
    rows: Vec<Row>,
    targets: Vec<Row>,
    encoder: &Arc<Encoder>,
    observer: &dyn Observer,
) -> Result<Corpus> {
    let kept = kept(config, encoder, [&rows, &targets])?;
    let corpus = match kept.as_ref().and_then(|kept| kept.read(rows.len() + targets.len())) {
        Some(encoded) => Corpus::of_encoded(rows, targets, Arc::clone(encoder), encoded),
        None => {
            let corpus = encode(rows, targets, encoder, observer)?;
            keep(kept.as_ref(), &corpus, observer);
            corpus
        }
    };
    if config.data.too_long == TooLong::Cut {
        return Ok(corpus);
    }
    let (corpus, num_dropped) = corpus.without_cut()?;
    if num_dropped > 0 {
        let length = encoder.max_length();
        let told = format!(
            "{num_dropped} samples are left out, since their texts are longer than {length} tokens"
        );
        observer.say(LogLevel::Warn, "", &told);
    }
    Ok(corpus)
}

/// A run does not fail for want of room to keep what it can make again.
fn keep(kept: Option<&KeptTexts>, corpus: &Corpus, observer: &dyn Observer) {
    if let Some((kept, encoded)) = kept.zip(corpus.all_encoded())
        && let Err(error) = kept.write(encoded)
    {
        let told = format!("the texts' tokens are not kept for another run: {error}");
        observer.say(LogLevel::Warn, "", &told);
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
