//! Core's [`Learner`], by libtorch: puts configuration, weights, scoring, training and files together.

mod adapting;
mod asking;
mod fitting;
mod layouts;
mod needs;
mod next_logits;
mod replica;

pub(crate) use layouts::LAYOUT_VARIABLE;
pub use needs::memory_of;
pub(crate) use replica::refuse_divergence;

use crate::batches::Layout;
use crate::config::Config;
use crate::counted::hash;
use crate::device;
use crate::gradient::{Losses, Unread};
use crate::guard::guarded;
use crate::keeping::{PackedMatrices, Taking};
use crate::lora::{Adapters, Model};
use crate::models::place::Positions;
use crate::models::shape::{DecoderShape, Embeddings};
use crate::optim::AdamW;
use crate::options::{Base, LearnerOptions};
use crate::parameters::Weights;
use crate::share::Share;
use crate::stored::{Extra, Stored, Wanted};
use crate::trainable::Trainable;
use crate::{checkpoint, models, parameters, processor, room, shim, side_by_side, weights};
use asking::Uses;
use fitting::Fitting;
use iterit_core::learner::{
    Generation, Learner, ModelFacts, ModelLimits, Scored, Sequence, StepOptions, StepOutcome, Watch,
};
use iterit_core::memory::{Fit, MemoryNeed};
use iterit_core::sdk::{Embedding, LogitStatistics, Matrix};
use iterit_core::{Error, Result, model_folder, whole_file};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// A causal language model of the Llama family.
///
/// ```no_run
/// use iterit_core::learner::{Learner, Sequence, Unwatched};
/// use iterit_torch::{LearnerOptions, TorchLearner};
///
/// let mut learner = TorchLearner::load("models/tiny".as_ref(), LearnerOptions::default())?;
/// let sequence = Sequence { tokens: vec![1, 5, 9, 2], scored: (2..4).into() };
/// let losses = learner.token_nll(&[sequence], &Unwatched)?;
/// assert_eq!(losses[0].len(), 2);
/// # Ok::<(), iterit_core::Error>(())
/// ```
pub struct TorchLearner {
    config: Config,
    shape: DecoderShape,
    options: LearnerOptions,
    device: Device,
    /// Of batches, in training and where tokens are asked about.
    layout: Layout,
    /// Batches at the same time.
    lanes: usize,
    /// Its part of every question, where several ranks answer together.
    share: Share,
    weights: Weights,
    packed: PackedMatrices,
    adapters: Option<Adapters>,
    trainable: Trainable,
    /// Of that, what is updated here: all, where this is the only rank.
    owned: Trainable,
    /// What all draws of training come from.
    seed: u64,
    /// Where it came from; nowhere, if it is random.
    folder: Option<PathBuf>,
    /// What the names of its layers begin with in transformers.
    body: String,
    /// The weights in the type they compute in, to ask; forgotten when the weights change.
    cast: Option<Weights>,
    /// Made by the first step.
    optimizer: Option<AdamW>,
    /// Of as many positions as were needed so far.
    positions: Positions,
    /// How much is run at a time.
    fitting: Fitting,
    /// Bytes of main memory that the process had before its weights came.
    before: u64,
    /// Those that the weights took when they came; what stays in its file is not among them.
    taken: u64,
    /// What its folder has beyond it, for the export.
    extra: Extra,
    remarks: Vec<String>,
}

/// What the sequences of a model folder must keep within; looks at its `config.json` alone.
///
/// # Errors
/// A file that is not there or not right, or an architecture that is not supported.
pub fn limits(folder: &Path) -> Result<ModelLimits> {
    model_folder::check(folder)?;
    let path = folder.join("config.json");
    let shape = models::shape(&Config::read(&path)?);
    Ok(shape.map_err(|fault| Error::file(&path, fault))?.limits())
}

impl TorchLearner {
    /// Loads a folder in Hugging Face's layout: `config.json` and safetensors.
    ///
    /// # Errors
    /// Names what is wrong with the files, all missing, unexpected and misshapen tensors at once; an
    /// architecture that is not supported; a device that is not there.
    pub fn load(folder: &Path, options: LearnerOptions) -> Result<Self> {
        let before = room::resident();
        let path = folder.join("config.json");
        let mut config = Config::read(&path)?;
        let mut shape = models::shape(&config).map_err(|fault| Error::file(&path, fault))?;
        let device = open(&options)?;
        let stored = Stored::open(folder)?;
        let body = shape.names.body.clone();
        shape = shape.found(|name| stored.shape(name));
        let mut remarks = config.remarks();
        let [embedding, head] = &shape.embedding_names();
        if shape.embeddings == Embeddings::Tied && stored.differ(embedding, head)? {
            shape.embeddings = Embeddings::Untied;
            config.set("tie_word_embeddings", json!(false));
            remarks.push(untied(embedding, head));
        }
        stored.check_constants(&shape.constants)?;
        let twins = (shape.embeddings == Embeddings::Tied).then_some((&**embedding, &**head));
        let wanted = Wanted { tensors: &shape.parameters(), twins };
        let keeping = options.keeping(device);
        let mapped = keeping.mapped();
        let mut taking = Taking::new(&shape, keeping);
        let take = &mut |name: &str, tensor: Tensor| taking.take(name, &tensor);
        let extra = guarded(|| weights::load(stored, &wanted, mapped, take))?;
        let (mut weights, packed) = taking.done();
        let constants: Vec<&str> = shape.constants.iter().map(|(end, _)| *end).collect();
        remarks.extend(beyond(&extra, &constants));
        remarks.extend(processor::remark(options.precision, device));
        remarks.extend(no_dropout(&shape.dropout));
        guarded(|| {
            grow(&mut weights, &mut shape, &mut config, options.vocabulary);
            Ok(())
        })?;
        let learner = Self::new(config, shape, options, device, (weights, packed));
        let folder = std::fs::canonicalize(folder).map_err(Error::io("find", folder))?;
        let taken = room::resident().anonymous.saturating_sub(before.anonymous);
        let (before, folder) = (before.all, Some(folder));
        Ok(Self { extra, remarks, body, before, taken, folder, ..learner })
    }

    /// A model of this configuration before any training; the same for the same seed.
    ///
    /// # Errors
    /// Those of [`load`](Self::load) that do not concern files.
    pub fn random(config: Config, seed: u64, options: LearnerOptions) -> Result<Self> {
        let shape = models::shape(&config).map_err(Error::Model)?;
        let device = open(&options)?;
        let mut taking = Taking::new(&shape, options.keeping(device));
        let take = &mut |name: &str, tensor: Tensor| taking.take(name, &tensor);
        guarded(|| {
            parameters::random(&shape, seed.cast_signed(), take);
            Ok(())
        })?;
        Ok(Self::new(config, shape, options, device, taking.done()))
    }

    fn new(
        config: Config,
        shape: DecoderShape,
        options: LearnerOptions,
        device: Device,
        (weights, packed): (Weights, PackedMatrices),
    ) -> Self {
        let trainable = match options.base {
            Base::Trained => Trainable::whole(&weights, &shape),
            Base::Frozen | Base::Int8 | Base::Nf4 => Trainable::new([]),
        };
        let positions = Positions::new(&shape, options.precision.compute(), device);
        let fitting = Fitting::new(&options, device);
        Self {
            config,
            options,
            device,
            layout: layouts::layout(&shape, options.precision.compute(), device),
            lanes: side_by_side::lanes(device),
            share: Share::WHOLE,
            weights,
            packed,
            adapters: None,
            owned: trainable.part(Share::WHOLE),
            trainable,
            seed: 0,
            folder: None,
            body: shape.names.body.clone(),
            shape,
            cast: None,
            optimizer: None,
            positions,
            fitting,
            before: 0,
            taken: 0,
            extra: Extra::default(),
            remarks: Vec::new(),
        }
    }

    /// How the sequences of its batches lie.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Where it works.
    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// The same model, which answers a part of every question and updates a part of what is trained; what is not
    /// of its answer is −0, or no tokens.
    pub(crate) fn with_share(self, share: Share) -> Self {
        Self { share, owned: self.trainable.part(share), ..self }
    }

    /// A number that two models have in common only if their weights are the same, but for great chance.
    pub(crate) fn fingerprint(&self) -> Result<u64> {
        let trained = self.trainable.iter().map(|it| &it.tensor);
        let all = self.weights.iter().map(|(_, tensor)| tensor).chain(trained);
        guarded(|| Ok(all.fold(0, |mark, tensor| hash(mark ^ sum_of_bits(tensor)))))
    }

    /// The gradient, with less at a time where that is too much.
    fn gradient_that_fits(
        &mut self,
        samples: &[&[Sequence]],
        options: &StepOptions,
    ) -> Result<Unread> {
        loop {
            let losses = self.gradient(samples, options);
            if !matches!(losses, Err(Error::OutOfMemory(_))) || !self.train_on_less(samples) {
                return losses;
            }
        }
    }

    /// In the type they compute in; what an adapter adds is added in float32 and rounded once.
    fn export_weights(&self, folder: &Path) -> Result<()> {
        let (precision, shape) = (self.options.precision, &self.shape);
        let (weights, packed, adapters) = (&self.weights, &self.packed, self.adapters.as_ref());
        let model = Model { shape, weights, packed, adapters };
        guarded(|| {
            let (kind, limit) = (precision.compute(), weights::SHARD_BYTES);
            let give = |name: &str| model.merged(name);
            let kind_of = |name: &str| if weights.is_fixed(name) { Kind::Float } else { kind };
            weights::save(folder, &shape.parameters(), &give, &self.extra, &kind_of, limit)
        })?;
        let config = self.config.to_json(precision.exported());
        whole_file::write_json(&folder.join("config.json"), &config)
    }

    /// Makes sure there are positions for the longest sequence.
    fn reach(&mut self, sequences: &[Sequence]) {
        let longest = sequences.iter().map(|sequence| sequence.tokens.len()).max().unwrap_or(0);
        self.positions.reach(longest);
    }

    /// Refuses sequences that the model has no answer for.
    fn check(&self, sequences: &[Sequence]) -> Result<()> {
        let ModelLimits { positions: limit, vocabulary, .. } = self.shape.limits();
        for (index, sequence) in sequences.iter().enumerate() {
            let Sequence { tokens, scored } = sequence;
            assert!(
                scored.start() != Some(0) && scored.end().is_none_or(|end| end <= tokens.len()),
                "scored tokens {scored:?} of sequence {index} with {} tokens",
                tokens.len()
            );
            // A token that is scored last is not run.
            let run = if scored.is_empty() { tokens.len() } else { sequence.input().len() };
            if run > limit {
                return Err(Error::Model(format!(
                    "sequence {index} has {} tokens, the model's limit is {limit}\n\
                     hint: lower model.max_length",
                    tokens.len()
                )));
            }
            if let Some(token) = tokens.iter().find(|&&token| token as usize >= vocabulary) {
                return Err(Error::Model(format!(
                    "token id {token} in sequence {index}, but the model knows ids below {vocabulary}\n\
                     hint: the tokenizer belongs to another model, or tokens were added to it; rows for \
                     those are added with model.added_tokens = \"grow\""
                )));
            }
        }
        Ok(())
    }
}

impl Learner for TorchLearner {
    fn facts(&self) -> ModelFacts {
        let (parameters, resident_bytes) = self.size();
        let precision = self.options.precision;
        ModelFacts {
            architecture: self.config.model_type().to_owned(),
            parameters,
            trained: self.trainable.num_elements(),
            dtype: match self.options.base {
                Base::Trained | Base::Frozen => precision.to_string(),
                Base::Int8 => format!("{precision} over int8"),
                Base::Nf4 => format!("{precision} over nf4"),
            },
            device: device::name(self.device),
            vocab_size: self.shape.vocab_size as usize,
            max_position_embeddings: self.shape.max_position_embeddings,
            resident_bytes,
        }
    }

    fn token_nll(&mut self, sequences: &[Sequence], watch: &dyn Watch) -> Result<Vec<Vec<f32>>> {
        self.ask(sequences, Uses::Many, |scorer| scorer.token_nll(sequences, watch))
    }

    fn embeddings(
        &mut self,
        sequences: &[Sequence],
        embedding: Embedding,
        watch: &dyn Watch,
    ) -> Result<Matrix> {
        self.ask(sequences, Uses::Many, |scorer| scorer.embeddings(sequences, embedding, watch))
    }

    fn logit_statistics(
        &mut self,
        sequences: &[Sequence],
        watch: &dyn Watch,
    ) -> Result<Vec<LogitStatistics>> {
        self.ask(sequences, Uses::Many, |scorer| scorer.logit_statistics(sequences, watch))
    }

    fn generate(
        &mut self,
        beginnings: &[Vec<u32>],
        how: &Generation,
        is_over: &mut dyn FnMut(&[u32]) -> Result<bool>,
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<u32>>> {
        if let Some(empty) = beginnings.iter().position(Vec::is_empty) {
            return Err(Error::Model(format!("beginning {empty} has no tokens, expected some")));
        }
        // As long as they may become, since that is what must fit the model.
        let grown = |tokens: &Vec<u32>| {
            let tokens = [tokens.as_slice(), &vec![0; how.max_new_tokens]].concat();
            Sequence { tokens, scored: Scored::default() }
        };
        let grown: Vec<Sequence> = beginnings.iter().map(grown).collect();
        self.ask(&grown, Uses::Few, |scorer| {
            let generate = || scorer.generate(beginnings, how, is_over, watch);
            side_by_side::spread_over(scorer.lanes, generate)
        })
    }

    /// A sample without scored tokens adds nothing, and its loss is NaN.
    fn step(&mut self, samples: &[&[Sequence]], options: &StepOptions) -> Result<StepOutcome> {
        self.begin_step(samples)?;
        let outcome = self.gradient_that_fits(samples, options).and_then(|losses| {
            let (Losses { means, loss }, grad_norm) = self.read(losses)?;
            refuse_divergence(loss, grad_norm)?;
            self.update(grad_norm, options)?;
            Ok(StepOutcome { losses: means, loss, grad_norm })
        });
        self.end_step()?;
        outcome
    }

    fn memory(&self, step: &[&[Sequence]], asked: usize) -> Option<MemoryNeed> {
        Some(self.needs(step, asked))
    }

    fn fit(&mut self, step: &[&[Sequence]], asked: usize, kept: u64) -> Option<Fit> {
        let free = room::free(self.device)?.saturating_sub(kept);
        Some(self.fit_into(free, step, asked))
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }

    fn news(&mut self) -> Vec<String> {
        self.fitting.news()
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let precision = self.options.precision;
        let optimizer = self.optimizer.as_ref().map(|adamw| (&self.owned, adamw));
        guarded(|| checkpoint::save(folder, &self.trainable, optimizer, precision, self.share))
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        let (trainable, owned, adamw) = (&self.trainable, &self.owned, self.options.adamw);
        let fresh = || AdamW::new(owned, adamw);
        let precision = self.options.precision;
        self.cast = None;
        self.optimizer =
            guarded(|| checkpoint::restore(folder, trainable, owned, precision, fresh))?;
        Ok(())
    }

    /// The adapter where there is one, in PEFT's layout; else `config.json` with its own fields and the
    /// weights' type, and the weights in that type; a tied head is not written twice.
    fn export(&self, folder: &Path) -> Result<()> {
        let Some(adapters) = &self.adapters else { return self.export_weights(folder) };
        let names = self.layer_names();
        let base = self.folder.as_ref().map_or_else(String::new, |it| it.display().to_string());
        guarded(|| adapters.write(folder, &names, &base))
    }

    fn export_merged(&self, folder: &Path) -> Result<()> {
        if self.adapters.is_none() {
            return Err(Error::Model(
                "there is no adapter to merge: the model's own weights were trained\n\
                 hint: without --merge they are exported"
                    .into(),
            ));
        }
        self.export_weights(folder)
    }
}

/// Adds the rows that embedding and head lack for the tokens they are asked to know.
fn grow(
    weights: &mut Weights,
    shape: &mut DecoderShape,
    config: &mut Config,
    vocabulary: Option<NonZeroUsize>,
) {
    let rows = vocabulary.map_or(0, NonZeroUsize::get) as i64;
    if rows > shape.vocab_size {
        let names = shape.token_tables();
        weights.grow(&names.iter().map(String::as_str).collect::<Vec<_>>(), rows);
        shape.vocab_size = rows;
        config.set_of_text("vocab_size", json!(rows));
    }
}

/// The bits of all its numbers, added up. // any kind -> u64
fn sum_of_bits(tensor: &Tensor) -> u64 {
    let _no_grad = tch::no_grad_guard();
    let whole = match tensor.kind().elt_size_in_bytes() {
        1 => Kind::Uint8,
        2 => Kind::Int16,
        _ => Kind::Int,
    };
    let bits = tensor.detach().contiguous().view([-1]).view_dtype(whole);
    bits.sum(Kind::Int64).int64_value(&[]).cast_unsigned()
}

fn untied(embedding: &str, head: &str) -> String {
    format!(
        "config.json ties the head to the embedding, but `{head}` differs from `{embedding}`: the head \
         is used and trained as it is, as transformers 5 does, and an export says so in its config.json"
    )
}

/// Tells of dropout that is not applied.
fn no_dropout(asked: &[(String, f64)]) -> Option<String> {
    let asked: Vec<String> =
        asked.iter().map(|(field, share)| format!("`{field}` {share}")).collect();
    (!asked.is_empty()).then(|| {
        format!(
            "config.json has dropout for training, as this architecture has by default: {}; none is \
             applied",
            asked.join(", ")
        )
    })
}

/// Tells of tensors that the model does not compute with.
fn beyond(extra: &Extra, constants: &[&str]) -> Option<String> {
    const SHOWN: usize = 6;
    let is_known = |name: &str| constants.iter().any(|end| name.ends_with(end));
    let names: Vec<&str> = extra.names().filter(|name| !is_known(name)).collect();
    let count = names.len();
    let names: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = count.saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (count > 0).then(|| {
        format!(
            "the model's folder holds tensors that its architecture does not have; they are ignored, \
             and carried to the export: {}{more}",
            names.join(", ")
        )
    })
}

fn open(options: &LearnerOptions) -> Result<Device> {
    shim::keep_freed_memory();
    match options.threads {
        Some(threads) => tch::set_num_threads(threads.get() as i32),
        None => side_by_side::keep_within_quota(),
    }
    device::open(options.device)
}

#[cfg(test)]
mod adapted;
#[cfg(test)]
mod generating;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod folders;
#[cfg(test)]
mod tests;
