//! Every key of the configuration: its name, what its value must be, and where it goes. Keys with
//! free names, `plugins.NAME.KEY`, `selection.weights.NAME`, `data.fields.NAME` and
//! `data.sources.NAME`, are not in the list.

use super::{Config, words};
use crate::nearest::nearest;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use toml::Value;

/// One key.
pub(super) struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// What its value must be, for messages.
    pub expected: &'static str,
    /// Puts a value in its place and says whether it was accepted.
    pub put: fn(&mut Config, Value) -> bool,
}

/// Every key, in the order of the documentation.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "seed",
        expected: "a whole number, 0 or more",
        put: |c, v| put(&mut c.seed, v, |_| true),
    },
    Key {
        name: "model.path",
        expected: "the path of a model folder",
        put: |c, v| put_path(&mut c.model.path, v),
    },
    Key {
        name: "model.dtype",
        expected: "\"float32\", \"bfloat16\" or \"bfloat16-pure\"",
        put: |c, v| put(&mut c.model.dtype, v, |_| true),
    },
    Key {
        name: "model.device",
        expected: "\"auto\", \"cpu\", \"cuda\" or \"cuda:INDEX\"",
        put: |c, v| put(&mut c.model.device, v, |_| true),
    },
    Key {
        name: "model.max_length",
        expected: "a number of tokens, 2 or more",
        put: |c, v| put(&mut c.model.max_length, v, |&n| n >= Some(2)),
    },
    Key {
        name: "model.added_tokens",
        expected: "\"refuse\" or \"grow\"",
        put: |c, v| put(&mut c.model.added_tokens, v, |_| true),
    },
    Key {
        name: "model.base",
        expected: "\"int8\" or \"nf4\"",
        put: |c, v| put(&mut c.model.base, v, |_| true),
    },
    Key {
        name: "model.adapter",
        expected: "the path of an adapter's folder",
        put: |c, v| put_path(&mut c.model.adapter, v),
    },
    Key {
        name: "model.proxy",
        expected: "the path of a model folder",
        put: |c, v| put_path(&mut c.model.proxy, v),
    },
    Key {
        name: "model.proxy_texts",
        expected: "\"template\", \"published\" or \"raw\"",
        put: |c, v| put(&mut c.model.proxy_texts, v, |_| true),
    },
    Key {
        name: "data.path",
        expected: "the path of a file, or a list of them",
        put: |c, v| put_paths(&mut c.data.path, v),
    },
    Key {
        name: "data.format",
        expected: "\"auto\", \"alpaca\", \"messages\", \"sharegpt\", \"prompt-completion\" or \
                   \"preference\"",
        put: |c, v| put(&mut c.data.format, v, |_| true),
    },
    Key {
        name: "data.skip_bad",
        expected: "a number of rows, 0 or more",
        put: |c, v| put(&mut c.data.skip_bad, v, |_| true),
    },
    Key {
        name: "data.too_long",
        expected: "\"cut\" or \"drop\"",
        put: |c, v| put(&mut c.data.too_long, v, |_| true),
    },
    Key {
        name: "data.template",
        expected: "a template's name or the path of a file",
        put: |c, v| put(&mut c.data.template, v, |t| t.as_deref() != Some("")),
    },
    Key {
        name: "data.texts",
        expected: "\"template\", \"published\" or \"raw\"",
        put: |c, v| put(&mut c.data.texts, v, |_| true),
    },
    Key {
        name: "data.turns",
        expected: "\"last\" or \"all\"",
        put: |c, v| put(&mut c.data.turns, v, |_| true),
    },
    Key {
        name: "data.prompt",
        expected: "\"conversation\" or \"generation\"",
        put: |c, v| put(&mut c.data.prompt, v, |_| true),
    },
    Key {
        name: "data.system",
        expected: "a text, or \"\" for no system turn of the program's own",
        put: |c, v| put(&mut c.data.system, v, |_| true),
    },
    Key {
        name: "data.eos_text",
        expected: "a text",
        put: |c, v| put(&mut c.data.eos_text, v, |_| true),
    },
    Key {
        name: "data.target_path",
        expected: "the path of a file, or a list of them",
        put: |c, v| put_paths(&mut c.data.target_path, v),
    },
    Key {
        name: "data.eval_path",
        expected: "the path of a file, or a list of them",
        put: |c, v| put_paths(&mut c.data.eval_path, v),
    },
    Key {
        name: "data.eval_fraction",
        expected: "a share of the samples, 0 or more and below 1",
        put: |c, v| put(&mut c.data.eval_fraction, v, |f| (0.0..1.0).contains(f)),
    },
    Key {
        name: "data.eval_split",
        expected: "\"last\" or \"hash\"",
        put: |c, v| put(&mut c.data.eval_split, v, |_| true),
    },
    Key {
        name: "data.pool",
        expected: "a share of the samples, above 0 and up to 1",
        put: |c, v| put(&mut c.data.pool, v, |p| p.is_some_and(|p| p > 0.0 && p <= 1.0)),
    },
    Key {
        name: "selection.plugins",
        expected: "a list of names or paths such as [\"ifd\", \"diversity\"]",
        put: |c, v| put(&mut c.selection.plugins, v, |_| true),
    },
    Key {
        name: "selection.ratio",
        expected: "a share of the samples above 0 and up to 1, or a count above 1",
        put: |c, v| put(&mut c.selection.ratio, v, |&r| r > 0.0 && r.is_finite()),
    },
    Key {
        name: "selection.budget",
        expected: "\"samples\" or \"tokens\"",
        put: |c, v| put(&mut c.selection.budget, v, |_| true),
    },
    Key {
        name: "selection.ties",
        expected: "\"complexity\" or \"input\"",
        put: |c, v| put(&mut c.selection.ties, v, |_| true),
    },
    Key {
        name: "selection.plugin_path",
        expected: "the path of a folder, or a list of them",
        put: |c, v| put_paths(&mut c.selection.plugin_path, v),
    },
    Key {
        name: "selection.plugin_timeout",
        expected: "a number of seconds, or 0",
        put: |c, v| put(&mut c.selection.plugin_timeout, v, |_| true),
    },
    Key {
        name: "train.epochs",
        expected: "a whole number, 1 or more",
        put: |c, v| put(&mut c.train.epochs, v, |&n| n >= 1),
    },
    Key {
        name: "train.max_steps",
        expected: "a number of steps, 1 or more",
        put: |c, v| put(&mut c.train.max_steps, v, |&n| n >= Some(1)),
    },
    Key {
        name: "train.learning_rate",
        expected: "a finite number above 0",
        put: |c, v| put(&mut c.train.learning_rate, v, |&r| r > 0.0 && r.is_finite()),
    },
    Key {
        name: "train.schedule",
        expected: "\"cosine\", \"linear\", \"constant\", \"cosine_with_min_lr\" or \
                   \"warmup_stable_decay\"",
        put: |c, v| put(&mut c.train.schedule, v, |_| true),
    },
    Key {
        name: "train.warmup_ratio",
        expected: "a share of the steps, 0 to 1",
        put: |c, v| put(&mut c.train.warmup_ratio, v, |r| (0.0..=1.0).contains(r)),
    },
    Key {
        name: "train.warmup_steps",
        expected: "a number of steps, 0 or more",
        put: |c, v| put(&mut c.train.warmup_steps, v, |_| true),
    },
    Key {
        name: "train.min_lr",
        expected: "a rate, 0 or more",
        put: |c, v| put(&mut c.train.min_lr, v, |&r| r.is_some_and(|r| r >= 0.0 && r.is_finite())),
    },
    Key {
        name: "train.min_lr_rate",
        expected: "a share of the rate, 0 to 1",
        put: |c, v| {
            put(&mut c.train.min_lr_rate, v, |&r| r.is_some_and(|r| (0.0..=1.0).contains(&r)))
        },
    },
    Key {
        name: "train.decay_ratio",
        expected: "a share of the steps, 0 to 1",
        put: |c, v| put(&mut c.train.decay_ratio, v, |r| (0.0..=1.0).contains(r)),
    },
    Key {
        name: "train.decay_steps",
        expected: "a number of steps, 0 or more",
        put: |c, v| put(&mut c.train.decay_steps, v, |_| true),
    },
    Key {
        name: "train.decay_type",
        expected: "\"cosine\", \"linear\" or \"1-sqrt\"",
        put: |c, v| put(&mut c.train.decay_type, v, |_| true),
    },
    Key {
        name: "train.adam_beta1",
        expected: "a number of 0 or more and below 1",
        put: |c, v| put(&mut c.train.adam_beta1, v, |b| (0.0..1.0).contains(b)),
    },
    Key {
        name: "train.adam_beta2",
        expected: "a number of 0 or more and below 1",
        put: |c, v| put(&mut c.train.adam_beta2, v, |b| (0.0..1.0).contains(b)),
    },
    Key {
        name: "train.adam_epsilon",
        expected: "a finite number above 0",
        put: |c, v| put(&mut c.train.adam_epsilon, v, |&e| e > 0.0 && e.is_finite()),
    },
    Key {
        name: "train.weight_decay",
        expected: "a finite number, 0 or more",
        put: |c, v| put(&mut c.train.weight_decay, v, |&w| w >= 0.0 && w.is_finite()),
    },
    Key {
        name: "train.max_grad_norm",
        expected: "a number above 0, or inf for no clipping",
        put: |c, v| put(&mut c.train.max_grad_norm, v, |&n| n > 0.0),
    },
    Key {
        name: "train.batch",
        expected: "a number of samples, 1 or more",
        put: |c, v| put(&mut c.train.batch, v, |&n| n >= 1),
    },
    Key {
        name: "train.micro_batch",
        expected: "\"auto\" or a number of samples, 1 or more",
        put: |c, v| put(&mut c.train.micro_batch, v, |_| true),
    },
    Key {
        name: "train.loss_normalization",
        expected: "\"sample\" or \"token\"",
        put: |c, v| put(&mut c.train.loss_normalization, v, |_| true),
    },
    Key {
        name: "train.shuffle",
        expected: "\"per-epoch\" or \"same\"",
        put: |c, v| put(&mut c.train.shuffle, v, |_| true),
    },
    Key {
        name: "train.target_end",
        expected: "\"eos\" or \"end-of-turn\"",
        put: |c, v| put(&mut c.train.target_end, v, |_| true),
    },
    Key {
        name: "train.activation_checkpointing",
        expected: "true or false",
        put: |c, v| put(&mut c.train.activation_checkpointing, v, |_| true),
    },
    Key {
        name: "train.eval_every",
        expected: "a number of steps, or 0",
        put: |c, v| put(&mut c.train.eval_every, v, |_| true),
    },
    Key {
        name: "train.patience",
        expected: "a number of evaluations, 1 or more",
        put: |c, v| put(&mut c.train.patience, v, |&n| n >= Some(1)),
    },
    Key {
        name: "train.lora.rank",
        expected: "a whole number, 1 or more",
        put: |c, v| put(&mut c.train.lora.rank, v, |&n| n >= Some(1)),
    },
    Key {
        name: "train.lora.alpha",
        expected: "a finite number above 0",
        put: |c, v| put(&mut c.train.lora.alpha, v, |a| a.is_some_and(is_positive)),
    },
    Key {
        name: "train.lora.dropout",
        expected: "a share of the features, 0 or more and below 1",
        put: |c, v| put(&mut c.train.lora.dropout, v, |d| d.is_some_and(is_share_below_one)),
    },
    Key {
        name: "train.lora.targets",
        expected: "\"all-linear\" or a list of names such as [\"q_proj\", \"v_proj\"]",
        put: |c, v| put(&mut c.train.lora.targets, v, |_| true),
    },
    Key {
        name: "train.lora.rslora",
        expected: "true or false",
        put: |c, v| put(&mut c.train.lora.rslora, v, |_| true),
    },
    Key {
        name: "train.lora.init",
        expected: "\"kaiming\" or \"gaussian\"",
        put: |c, v| put(&mut c.train.lora.init, v, |_| true),
    },
    Key {
        name: "output.path",
        expected: "the path of a folder",
        put: |c, v| put_path(&mut c.output.path, v),
    },
    Key {
        name: "output.save_every",
        expected: "a number of steps, or 0",
        put: |c, v| put(&mut c.output.save_every, v, |_| true),
    },
    Key {
        name: "output.keep",
        expected: "a number of checkpoints, 1 or more",
        put: |c, v| put(&mut c.output.keep, v, |&n| n >= 1),
    },
    Key {
        name: "output.model",
        expected: "\"last\" or \"best\"",
        put: |c, v| put(&mut c.output.model, v, |_| true),
    },
    Key {
        name: "output.tensorboard",
        expected: "true or false",
        put: |c, v| put(&mut c.output.tensorboard, v, |_| true),
    },
    Key {
        name: "output.observers",
        expected: "a command such as \"python my_logger.py\", or a list of them",
        put: |c, v| put_commands(&mut c.output.observers, v),
    },
];

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
    /// One of [`KEYS`].
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
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
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
        _ if KEYS.iter().any(|key| is_below(key.name, name)) => Place::Section,
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
        .or_else(|| nearest(name, KEYS.iter().map(|key| key.name)))
        .or_else(|| {
            let nearest = nearest(last, KEYS.iter().map(|key| leaf(key.name)))?;
            KEYS.iter().map(|key| key.name).find(|key| leaf(key) == nearest)
        })
}

/// What a person should know who meant a key by what it is called elsewhere.
pub(super) fn advice(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    let is_batch = ELSEWHERE.iter().any(|(other, ours)| *other == last && *ours == "train.batch");
    is_batch.then_some(
        "train.batch counts the samples of an optimizer step over all devices: \
         per_device_train_batch_size × gradient_accumulation_steps × devices, so 4 × 8 on one device \
         is train.batch = 32; how many go through the model at a time is train.micro_batch",
    )
}

fn is_positive(number: f64) -> bool {
    number > 0.0 && number.is_finite()
}

fn is_share_below_one(number: f64) -> bool {
    (0.0..1.0).contains(&number)
}

fn put<T: DeserializeOwned>(
    place: &mut T,
    value: Value,
    is_allowed: impl FnOnce(&T) -> bool,
) -> bool {
    match value.try_into() {
        Ok(value) if is_allowed(&value) => *place = value,
        _ => return false,
    }
    true
}

fn put_path(place: &mut Option<PathBuf>, value: Value) -> bool {
    put(place, value, |path| path.as_ref().is_some_and(|path| !path.as_os_str().is_empty()))
}

fn put_commands(place: &mut Vec<String>, value: Value) -> bool {
    let value = if value.is_str() { Value::Array(vec![value]) } else { value };
    put(place, value, |commands| commands.iter().all(|command| words(command).is_some()))
}

fn put_paths(place: &mut Vec<PathBuf>, value: Value) -> bool {
    let value = if value.is_str() { Value::Array(vec![value]) } else { value };
    put(place, value, |paths| paths.iter().all(|path| !path.as_os_str().is_empty()))
}
