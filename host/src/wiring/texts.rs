//! Data files, tokenizer and template become corpora.

use iterit_core::config::{Config, TooLong};
use iterit_core::corpus::Corpus;
use iterit_core::dataset::{self, Drawn, Purpose, Row, repeats};
use iterit_core::learner::Unwatched;
use iterit_core::observer::{Observer, Phase};
use iterit_core::sdk::LogLevel;
use iterit_core::span::{Encoder, EncoderOptions};
use iterit_core::template::ChatTemplate;
use iterit_core::tokenizer::Tokenizer;
use iterit_core::{Error, Result, Sample};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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
        let num_samples = texts.corpus.samples().len();
        texts.corpus = texts.corpus.draw(Drawn::new(num_samples, share, config.seed));
    }
    Ok(texts)
}

/// The same before any draw.
pub(crate) fn whole_texts(config: &Config, observer: &dyn Observer) -> Result<Texts> {
    let mut reading = Reading::new(config, Some(observer));
    let data = reading.all();
    let ((rows, held_out, targets), encoder) = Error::both(data, model_encoder(config))?;
    let corpus = encode(config, rows, targets, &encoder, observer)?;
    let held_out = match held_out {
        Some(rows) => Some(encode(config, rows, Vec::new(), &encoder, observer)?),
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
    let rows = reading.load(&config.data.path, Purpose::Training);
    let data = Error::both(rows, reading.targets());
    let ((mut rows, targets), encoder) = Error::both(data, model_encoder(config))?;
    rows.truncate(limit.unwrap_or(usize::MAX));
    encode(config, rows, targets, &encoder, observer)
}

/// The samples to choose from, before any draw. Pages show them, long after their files were
/// spoken of.
pub(crate) fn pool(config: &Config) -> Result<Vec<Sample>> {
    let (rows, _) = Reading::new(config, None).parted()?;
    if config.data.too_long == TooLong::Cut {
        return Ok((0..).zip(&rows).map(|(id, row)| row.sample(id)).collect());
    }
    let (encoder, threads) = (model_encoder(config)?, super::threads());
    let corpus = Corpus::encode(rows, Vec::new(), encoder, threads, &Unwatched)?;
    Ok(corpus.without_cut()?.0.samples().to_vec())
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
    let encoder = Encoder::new(Tokenizer::open(folder)?, template, EncoderOptions::default())?;
    let (rows, targets) = corpus.rows().split_at(corpus.num_samples() as usize);
    let threads = super::threads();
    Corpus::encode(rows.to_vec(), targets.to_vec(), Arc::new(encoder), threads, observer)
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
    let rows = reading.load(&config.data.path, Purpose::Training)?;
    let end = match (&config.data.eos_text, &config.model.path) {
        (Some(text), _) => text.clone(),
        (None, Some(model)) => encoder(config, model)?.target_end().to_owned(),
        (None, None) => {
            return Err(Error::config(
                "`data.eos_text` is not set, so it is unknown what ends a response in training\n\
                 hint: give it with --set data.eos_text=TEXT, or name the model with --model FOLDER",
            ));
        }
    };
    Ok(Corpus::bare(rows, reading.targets()?, end))
}

/// Files on their way to rows; what is to be said of them is said.
struct Reading<'a> {
    config: &'a Config,
    /// Who hears of what is to be said.
    observer: Option<&'a dyn Observer>,
    sha256: BTreeMap<String, String>,
}

type AllRows = (Vec<Row>, Option<Vec<Row>>, Vec<Row>);

impl<'a> Reading<'a> {
    fn new(config: &'a Config, observer: Option<&'a dyn Observer>) -> Self {
        Self { config, observer, sha256: BTreeMap::new() }
    }

    /// What is trained on, what it is measured by, and the target samples.
    fn all(&mut self) -> Result<AllRows> {
        let parted = self.parted();
        let ((rows, held_out), targets) = Error::both(parted, self.targets())?;
        if let Some(held_out) = &held_out {
            self.tell_repeats(&rows, held_out);
        }
        Ok((rows, held_out, targets))
    }

    fn parted(&mut self) -> Result<(Vec<Row>, Option<Vec<Row>>)> {
        let data = &self.config.data;
        let rows = self.load(&data.path, Purpose::Training);
        if !data.eval_path.is_empty() {
            let held_out = self.load(&data.eval_path, Purpose::Measuring);
            return Error::both(rows, held_out).map(|(rows, held_out)| (rows, Some(held_out)));
        }
        let rows = rows?;
        if data.eval_fraction > 0.0 {
            let (rows, held_out) = dataset::hold_out(rows, data.eval_fraction, data.eval_split)?;
            return Ok((rows, Some(held_out)));
        }
        Ok((rows, None))
    }

    fn targets(&mut self) -> Result<Vec<Row>> {
        match self.config.data.target_path.is_empty() {
            true => Ok(Vec::new()),
            false => self.load(&self.config.data.target_path, Purpose::Measuring),
        }
    }

    fn load(&mut self, paths: &[PathBuf], purpose: Purpose) -> Result<Vec<Row>> {
        let dataset = dataset::load(paths, self.config.data.read_options(purpose))?;
        for note in &dataset.notes {
            self.say(note.level, &note.message);
        }
        self.sha256.extend(dataset.sha256);
        Ok(dataset.rows)
    }

    fn say(&self, level: LogLevel, message: &str) {
        if let Some(observer) = self.observer {
            observer.say(level, "", message);
        }
    }

    /// A response that training nearly repeats measures what was learnt by heart.
    fn tell_repeats(&self, rows: &[Row], held_out: &[Row]) {
        let response = |row: &Row| row.conversation.response().text();
        let held: Vec<String> = held_out.iter().map(response).collect();
        let known: Vec<&str> = held.iter().map(String::as_str).collect();
        let found = repeats(&known, rows.iter().map(response));
        let mut repeated: Vec<usize> = found.iter().map(|repeat| repeat.of).collect();
        repeated.sort_unstable();
        repeated.dedup();
        let Some(first) = found.first() else { return };
        self.say(
            LogLevel::Warn,
            &format!(
                "{} of {} held-out responses are nearly repeated by {} of those trained on, such as \
                 held-out sample {} by sample {}; the held-out loss flatters there",
                repeated.len(),
                held_out.len(),
                found.len(),
                first.of,
                first.text
            ),
        );
    }
}

/// Tokenizer and template of the model to be trained.
fn model_encoder(config: &Config) -> Result<Arc<Encoder>> {
    Ok(Arc::new(encoder(config, config.model_path()?)?))
}

/// Tokenizer and template of a model folder, under the configuration's choices.
fn encoder(config: &Config, model: &Path) -> Result<Encoder> {
    let options = EncoderOptions {
        eos_text: config.data.eos_text.clone(),
        target_end: config.train.target_end,
        max_length: config.model.max_length,
    };
    let tokenizer = Tokenizer::open(model)?;
    let template = ChatTemplate::choose(config.data.template.as_deref(), model)?;
    Encoder::new(tokenizer, template, options)
}

fn encode(
    config: &Config,
    rows: Vec<Row>,
    targets: Vec<Row>,
    encoder: &Arc<Encoder>,
    observer: &dyn Observer,
) -> Result<Corpus> {
    observer.begin(Phase::Tokenizing, None);
    let corpus = Corpus::encode(rows, targets, Arc::clone(encoder), super::threads(), observer);
    observer.end(Phase::Tokenizing);
    if config.data.too_long == TooLong::Cut {
        return corpus;
    }
    let (corpus, num_dropped) = corpus?.without_cut()?;
    if num_dropped > 0 {
        let length = encoder.max_length();
        let told = format!(
            "{num_dropped} samples are left out, since their texts are longer than {length} tokens"
        );
        observer.say(LogLevel::Warn, "", &told);
    }
    Ok(corpus)
}
