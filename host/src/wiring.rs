//! From a configuration to the things a command works on: texts, models, plugins. Nothing here
//! decides anything; the configuration says it all.

mod choosers;
mod environment;
mod fingerprints;
mod kept;
mod reading;
mod texts;

mod adapters;
mod model;
mod company;

pub(crate) use choosers::{Choosers, options};
pub(crate) use company::Company;
pub(crate) use environment::environment;
pub(crate) use fingerprints::{Part, contents, data_parts, files_named, hashes, identity};
pub(crate) use fingerprints::{model_parts, of_plugins, parts, plugin_parts};
pub(crate) use model::{SharedBase, model, models, models_over};
pub(crate) use texts::{Texts, bare_corpus, corpus, pool, prompter, texts, whole_texts};

use iterit_core::config::{Config, Setting};
use iterit_core::observer::Observer;
use iterit_core::sdk::LogLevel;
use iterit_core::{Error, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The configuration of a command: defaults, file, flags and `--set` in order.
pub(crate) fn config(common: &crate::cli::Common, settings: &[Setting]) -> Result<Config> {
    Config::load(common.config.as_deref(), settings)
}

/// Tells what is unusual about files, once however often they are opened; `whose` they are comes first.
fn warn_once(whose: &str, warnings: &[String], observer: &dyn Observer) {
    static TOLD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    for warning in warnings {
        let warning = format!("{whose}{warning}");
        if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(warning.clone()) {
            observer.say(LogLevel::Warn, "", &warning);
        }
    }
}

/// How messages begin that are about the proxy and not about the model to be trained.
const PROXY: &str = "the proxy: ";

/// Says whose fault it is; the run's own model's where that is empty.
fn of(whose: &str, error: Error) -> Error {
    match error {
        Error::Cancelled => error,
        error if whose.is_empty() => error,
        error => Error::Text(format!("{whose}{error}")),
    }
}

/// Threads this process may use: `OMP_NUM_THREADS` where set, as for libtorch, else all cores.
pub(crate) fn threads() -> usize {
    std::env::var("OMP_NUM_THREADS")
        .ok()
        .and_then(|threads| threads.parse::<NonZeroUsize>().ok())
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get)
}

/// Threads that each of some runs side by side may use: as many as it is told, else its share.
pub(crate) fn threads_of(jobs: NonZeroUsize) -> usize {
    match std::env::var_os("OMP_NUM_THREADS") {
        Some(_) => threads(),
        None => (threads() / jobs).max(1),
    }
}

/// The sha256 of a file, in hexadecimal.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if read == 0 {
            return Ok(hexadecimal(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}

/// Bytes as two digits each.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
