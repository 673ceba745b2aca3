//! Keys of `[output]`: where results go, and who hears of them.

use super::{Key, key, put, put_commands, put_path};

pub(super) const KEYS: &[Key] = &[
    key("output.path", "the path of a folder", |c, v| put_path(&mut c.output.path, v)),
    key("output.save_every", "a number of steps, or 0", |c, v| {
        put(&mut c.output.save_every, v, |_| true)
    }),
    key("output.keep", "a number of checkpoints, 1 or more", |c, v| {
        put(&mut c.output.keep, v, |&n| n >= 1)
    }),
    key("output.model", "\"last\" or \"best\"", |c, v| put(&mut c.output.model, v, |_| true)),
    key("output.tensorboard", "true or false", |c, v| put(&mut c.output.tensorboard, v, |_| true)),
    key("output.keep_texts", "true or false", |c, v| put(&mut c.output.keep_texts, v, |_| true)),
    key(
        "output.observers",
        "a command such as \"python my_logger.py\", or a list of them",
        |c, v| put_commands(&mut c.output.observers, v),
    ),
];
