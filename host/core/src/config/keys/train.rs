//! Keys of `[train]`: the optimizer, its schedule, how a step is cut up, adapters.

use super::{Key, is_positive, is_share_below_one, key, put};

pub(super) const KEYS: &[Key] = &[
    key("train.epochs", "a whole number, 1 or more", |c, v| {
        put(&mut c.train.epochs, v, |&n| n >= 1)
    }),
    key("train.max_steps", "a number of steps, 1 or more", |c, v| {
        put(&mut c.train.max_steps, v, |&n| n >= Some(1))
    }),
    key("train.learning_rate", "a finite number above 0", |c, v| {
        put(&mut c.train.learning_rate, v, |&r| r > 0.0 && r.is_finite())
    }),
    key(
        "train.schedule",
        "\"cosine\", \"linear\", \"constant\", \"cosine_with_min_lr\" or \
                   \"warmup_stable_decay\"",
        |c, v| put(&mut c.train.schedule, v, |_| true),
    ),
    key("train.warmup_ratio", "a share of the steps, 0 to 1", |c, v| {
        put(&mut c.train.warmup_ratio, v, |r| (0.0..=1.0).contains(r))
    }),
    key("train.warmup_steps", "a number of steps, 0 or more", |c, v| {
        put(&mut c.train.warmup_steps, v, |_| true)
    }),
    key("train.min_lr", "a rate, 0 or more", |c, v| {
        put(&mut c.train.min_lr, v, |&r| r.is_some_and(|r| r >= 0.0 && r.is_finite()))
    }),
    key("train.min_lr_rate", "a share of the rate, 0 to 1", |c, v| {
        put(&mut c.train.min_lr_rate, v, |&r| r.is_some_and(|r| (0.0..=1.0).contains(&r)))
    }),
    key("train.decay_ratio", "a share of the steps, 0 to 1", |c, v| {
        put(&mut c.train.decay_ratio, v, |r| (0.0..=1.0).contains(r))
    }),
    key("train.decay_steps", "a number of steps, 0 or more", |c, v| {
        put(&mut c.train.decay_steps, v, |_| true)
    }),
    key("train.decay_type", "\"cosine\", \"linear\" or \"1-sqrt\"", |c, v| {
        put(&mut c.train.decay_type, v, |_| true)
    }),
    key("train.adam_beta1", "a number of 0 or more and below 1", |c, v| {
        put(&mut c.train.adam_beta1, v, |b| (0.0..1.0).contains(b))
    }),
    key("train.adam_beta2", "a number of 0 or more and below 1", |c, v| {
        put(&mut c.train.adam_beta2, v, |b| (0.0..1.0).contains(b))
    }),
    key("train.adam_epsilon", "a finite number above 0", |c, v| {
        put(&mut c.train.adam_epsilon, v, |&e| e > 0.0 && e.is_finite())
    }),
    key("train.adam_moments", "\"bfloat16\" or \"8-bit\"", |c, v| {
        put(&mut c.train.adam_moments, v, |_| true)
    }),
    key("train.weight_decay", "a finite number, 0 or more", |c, v| {
        put(&mut c.train.weight_decay, v, |&w| w >= 0.0 && w.is_finite())
    }),
    key("train.max_grad_norm", "a number above 0, or inf for no clipping", |c, v| {
        put(&mut c.train.max_grad_norm, v, |&n| n > 0.0)
    }),
    key("train.batch", "a number of samples, 1 or more", |c, v| {
        put(&mut c.train.batch, v, |&n| n >= 1)
    }),
    key("train.micro_batch", "\"auto\" or a number of samples, 1 or more", |c, v| {
        put(&mut c.train.micro_batch, v, |_| true)
    }),
    key("train.loss_normalization", "\"sample\" or \"token\"", |c, v| {
        put(&mut c.train.loss_normalization, v, |_| true)
    }),
    key("train.shuffle", "\"per-epoch\" or \"same\"", |c, v| {
        put(&mut c.train.shuffle, v, |_| true)
    }),
    key("train.target_end", "\"eos\" or \"end-of-turn\"", |c, v| {
        put(&mut c.train.target_end, v, |_| true)
    }),
    key("train.activation_checkpointing", "true or false", |c, v| {
        put(&mut c.train.activation_checkpointing, v, |_| true)
    }),
    key("train.shard", "\"moments\" or \"gradients\"", |c, v| put(&mut c.train.shard, v, |_| true)),
    key("train.eval_every", "a number of steps, or 0", |c, v| {
        put(&mut c.train.eval_every, v, |_| true)
    }),
    key("train.patience", "a number of evaluations, 1 or more", |c, v| {
        put(&mut c.train.patience, v, |&n| n >= Some(1))
    }),
    key("train.lora.rank", "a whole number, 1 or more", |c, v| {
        put(&mut c.train.lora.rank, v, |&n| n >= Some(1))
    }),
    key("train.lora.alpha", "a finite number above 0", |c, v| {
        put(&mut c.train.lora.alpha, v, |a| a.is_some_and(is_positive))
    }),
    key("train.lora.dropout", "a share of the features, 0 or more and below 1", |c, v| {
        put(&mut c.train.lora.dropout, v, |d| d.is_some_and(is_share_below_one))
    }),
    key(
        "train.lora.targets",
        "\"all-linear\" or a list of names such as [\"q_proj\", \"v_proj\"]",
        |c, v| put(&mut c.train.lora.targets, v, |_| true),
    ),
    key("train.lora.rslora", "true or false", |c, v| put(&mut c.train.lora.rslora, v, |_| true)),
    key("train.lora.init", "\"kaiming\" or \"gaussian\"", |c, v| {
        put(&mut c.train.lora.init, v, |_| true)
    }),
];
