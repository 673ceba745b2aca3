//! What iterit does, without libtorch and without the plugin ABI: samples, templates, tokens,
//! scores, the greedy pick, the run loop and its records.
//!
//! Data flows one way: file → samples → rendered text → tokens and mask → losses → score table →
//! selection → batches → steps → checkpoint → records. A module uses only the modules above it in
//! this list, so the crate reads top to bottom; [`run`] is the plot.

#![warn(missing_docs)]

pub mod error;
pub mod nearest;
mod guard;
pub mod whole_file;
pub mod json_file;
pub mod not_a_number;

pub mod statistics;

pub mod conversation;
pub mod dataset;
pub mod sequence;
pub mod memory;
pub mod learner;
pub mod grouped;
pub mod identity;
pub mod record;
pub mod metrics;
pub mod held_out;
pub mod spikes;
pub mod run_directory;

pub mod observe;

pub mod model_folder;
pub mod tokenizer;
pub mod template;
pub mod span;

pub mod schedule;
pub mod permutation;
pub mod score_table;
pub mod greedy;

pub mod config;
pub mod corpus;
pub mod probe;
pub mod evaluation;

pub mod compare;
pub mod report;

pub mod plugin_set;
pub mod observer;
pub mod estimate;
pub mod models;
pub mod services;
pub mod tensorboard;
pub mod export;
pub mod run;

pub use error::{Error, Result};
pub use iterit_sdk as sdk;
pub use iterit_sdk::{Nll, ResponseNll, Role, Sample, SampleId, Score, Turn};
