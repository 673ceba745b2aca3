//! What a dotted name stands for, and what somebody meant by one that stands for nothing: former names,
//! names of other trainers, names nearly right. Knows which keys there are, not what they hold.

use super::keys::{Key, keys};
use crate::nearest::nearest;

/// Former names of keys, which mean the same as ever.
const FORMER: &[(&str, &str)] = &[("train.gradient_accumulation", "train.batch")];

/// What the same thing is called elsewhere: in IterIT and in transformers.
const ELSEWHERE: &[(&str, &str)] = &[
    ("update_ratio", "plugins.iterative.update_ratio"),
    ("update_strategy", "selection.plugins"),
    ("score_type", "selection.plugins"),
    ("diversity_weight_decay", "plugins.diversity.decay"),
    ("decay", "plugins.diversity.decay"),
    ("model_name_or_path", "model.path"),
    ("data_path", "data.path"),
    ("output_dir", "output.path"),
    ("model_max_length", "model.max_length"),
    ("prompt_template", "data.template"),
    ("model.template", "data.template"),
    ("num_train_epochs", "train.epochs"),
    ("lr", "train.learning_rate"),
    ("lr_scheduler_type", "train.schedule"),
    ("gradient_accumulation_steps", "train.batch"),
    ("per_device_train_batch_size", "train.batch"),
    ("train_batch_size", "train.batch"),
    ("batch_size", "train.batch"),
    ("gradient_checkpointing", "train.activation_checkpointing"),
    ("num_warmup_steps", "train.warmup_steps"),
    ("min_lr_ratio", "train.min_lr_rate"),
    ("num_decay_steps", "train.decay_steps"),
    ("betas", "train.adam_beta1"),
    ("beta1", "train.adam_beta1"),
    ("beta2", "train.adam_beta2"),
    ("eps", "train.adam_epsilon"),
    ("adam_eps", "train.adam_epsilon"),
    ("optim", "train.adam_moments"),
    ("optim_bits", "train.adam_moments"),
    ("max_train_steps", "train.max_steps"),
    ("eval_steps", "train.eval_every"),
    ("early_stopping_patience", "train.patience"),
    ("load_best_model_at_end", "output.model"),
    ("save_steps", "output.save_every"),
    ("save_total_limit", "output.keep"),
    ("lora", "train.lora.rank"),
    ("lora_r", "train.lora.rank"),
    ("lora_alpha", "train.lora.alpha"),
    ("lora_dropout", "train.lora.dropout"),
    ("lora_target_modules", "train.lora.targets"),
    ("target_modules", "train.lora.targets"),
    ("use_rslora", "train.lora.rslora"),
    ("adapter_name_or_path", "model.adapter"),
    ("report_to", "output.observers"),
];

/// What a dotted name stands for.
pub(super) enum Place<'a> {
    /// One of [`keys`](super::keys::keys).
    Key(&'static Key),
    /// A section, whose keys have places of their own.
    Section,
    /// `selection.weights.NAME`
    Weight(&'a str),
    /// `data.fields.NAME`
    Field(&'a str),
    /// `data.sources.NAME`
    Source(&'a str),
    /// `plugins.NAME.PATH`, the path not empty.
    Plugin(&'a str, Vec<&'a str>),
    /// Nothing.
    Unknown,
}

/// The name that a key has today.
pub(super) fn of_today(name: &str) -> &str {
    FORMER.iter().find(|(former, _)| *former == name).map_or(name, |(_, today)| today)
}

/// What a dotted name stands for.
pub(super) fn place(name: &str) -> Place<'_> {
    let name = of_today(name);
    let is_below = |name: &str, section: &str| {
        name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
    };
    if let Some(key) = keys().find(|key| key.name == name) {
        return Place::Key(key);
    }
    match name.split('.').collect::<Vec<_>>()[..] {
        ["plugins"] | ["plugins", _] | ["selection", "weights"] => Place::Section,
        ["plugins", plugin, ref path @ ..] => Place::Plugin(plugin, path.to_vec()),
        ["selection", "weights", scorer] => Place::Weight(scorer),
        ["data", "fields" | "sources"] => Place::Section,
        ["data", "fields", field] => Place::Field(field),
        // A file's name may have dots.
        ["data", "sources", ..] => Place::Source(&name["data.sources.".len()..]),
        _ if keys().any(|key| is_below(key.name, name)) => Place::Section,
        _ => Place::Unknown,
    }
}

/// The section somebody probably meant.
pub(super) fn meant_section(name: &str) -> Option<&'static str> {
    nearest(
        name,
        [
            "model",
            "data",
            "selection",
            "selection.weights",
            "plugins",
            "train",
            "train.lora",
            "output",
        ],
    )
}

/// The key somebody probably meant: one of nearly this name, else of nearly this last part.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let leaf = |name: &'static str| name.rsplit('.').next().unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    let elsewhere =
        |name: &str| ELSEWHERE.iter().find(|(other, _)| *other == name).map(|(_, ours)| *ours);
    elsewhere(name)
        .or_else(|| elsewhere(last))
        .or_else(|| nearest(name, keys().map(|key| key.name)))
        .or_else(|| {
            let nearest = nearest(last, keys().map(|key| leaf(key.name)))?;
            keys().map(|key| key.name).find(|key| leaf(key) == nearest)
        })
}

/// Keys that mean something else than what goes by their names elsewhere.
const ADVICE: &[(&str, &str)] = &[
    (
        "train.batch",
        "train.batch counts the samples of an optimizer step over all devices: \
         per_device_train_batch_size × gradient_accumulation_steps × devices, so 4 × 8 on one device \
         is train.batch = 32; how many go through the model at a time is train.micro_batch",
    ),
    (
        "train.adam_moments",
        "AdamW is the only optimizer; train.adam_moments = \"8-bit\" keeps its moments in fewer bits",
    ),
];

/// What a person should know who meant a key by what it is called elsewhere.
pub(super) fn advice(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let (_, ours) = ELSEWHERE.iter().find(|(other, _)| *other == last)?;
    ADVICE.iter().find(|(key, _)| key == ours).map(|(_, advice)| *advice)
}
