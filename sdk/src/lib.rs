//! Write scorers and update strategies for the iterit trainer, in plain safe Rust.
//!
//! # What a plugin decides
//!
//! iterit fine-tunes a language model on instruction data and chooses, before every epoch, which samples
//! are worth training on. The choice is greedy: the next sample is the one with the largest
//! *complexity × gain*, until the budget is full. Three questions are left open, and each is a trait:
//!
//! * How hard is a sample for the model as it is now? [`ComplexityScorer`]. Several multiply.
//! * What does a candidate add to what is already picked? [`DiversityScorer`].
//! * What is scored again, and what may be picked, before which epoch? [`UpdateStrategy`].
//!
//! IterIT ([arXiv 2412.17365](https://arxiv.org/abs/2412.17365)) is one answer to each: IFD, a decaying
//! TF-IDF, and three times the budget scored again. A library offers any number of others, each made
//! from its section of the configuration by [`Plugin`], all exported in one `export_plugin!` line.
//!
//! ```
//! use iterit_sdk::{ComplexityScorer, Host, NoOptions, Plugin, Result, SampleId, Score};
//!
//! /// The more tokens in the response, the better.
//! struct Length;
//!
//! impl Plugin for Length {
//!     type Options = NoOptions;
//!
//!     fn new(_: NoOptions) -> Result<Self> {
//!         Ok(Self)
//!     }
//! }
//!
//! impl ComplexityScorer for Length {
//!     fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
//!         let counts = host.token_counts(ids)?;
//!         Ok(counts.iter().map(|count| Score::eligible(count.response.into())).collect())
//!     }
//! }
//! ```
//!
//! # What it sees
//!
//! Samples are ids from 0, and an id never moves: whatever a plugin keeps about a sample it may keep by
//! id. Everything else is asked of the [`Host`], which is lent for one call and is of no use after it:
//! texts, token counts, losses of the model being trained or of a fixed proxy, embeddings, earlier scores
//! and selections. Ask for many samples at once. The host sorts them by length, batches them, shows how
//! far it has come, and runs a forward pass that two scorers ask for only once.
//!
//! What costs a forward pass, or is not always there, is a [`Service`] to be declared in
//! [`Plugin::SERVICES`]. A run that cannot give it refuses the plugin at the start, not after an hour.
//!
//! # What each side may rely on
//!
//! The host may be asked from any thread; it runs one piece of model work at a time. Methods that take
//! `&self` may be called from several threads at once. Every answer is held to the rules in [`check`]: as
//! many scores as ids, finite and not negative where eligible, ids that exist. The same model must be given the same scores: keep no cache from call to call, the host has one.
//!
//! An error says only what went wrong, as the host adds which plugin and which call. Errors of the host are
//! passed on with `?`, and so is cancellation, which is no fault. A panic is caught at the boundary and
//! becomes an error; the object it happened in is not called again, not even to be dropped.
//!
//! State that must survive an interrupted run is bytes: [`ComplexityScorer::save`] gives them at every
//! checkpoint and `restore` takes them back. Whatever can be computed again need not be saved.
//!
//! # How it gets there
//!
//! A plugin is a shared library, and nothing of Rust's own layout crosses between it and the host. The
//! traits here are plain; `iterit-abi` has a frozen twin of each that crosses, and `adapter`
//! translates on both sides:
//!
//! ```text
//! the trainer → handle ═══ ABI ═══ plugin → your scorer
//! its services ← lent  ═══ ABI ═══ remote ← your calls of `Host`
//! ```
//!
//! So a plugin built today, with another compiler, keeps loading in every later minor version of the
//! trainer, and what a later version adds has a default that an older side falls to. The core of
//! the trainer takes this crate without its ABI and cannot tell a scorer of its own process from a loaded one;
//! nor can yours tell the trainer from the deterministic fake of `testkit`, against which its
//! conformance suite runs without a model.
//!
//! # Reading on
//!
//! [`Services`] lists what may be asked; [`ComplexityScorer`], [`DiversityScorer`] and [`UpdateStrategy`] each
//! show a whole plugin. The README has the commands, what the boundary costs, and every message that a plugin
//! can provoke. The crate knows nobody: neither the trainer nor libtorch. Its files read top to bottom.

#![warn(missing_docs)]

mod error;
mod sample;
mod score;
mod services;
mod tapped;
mod traits;

pub mod check;

mod manifest;
mod options;

// The only code that knows the ABI.
#[cfg(feature = "export")]
#[allow(unsafe_code)]
#[doc(hidden)]
pub mod adapter;
#[cfg(feature = "export")]
#[allow(unsafe_code)]
#[doc(hidden)]
pub mod export;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use error::{Error, ErrorKind, Result};
pub use manifest::{Manifest, PluginKind, ScorerManifest};
pub use options::{NoOptions, parse_options};
pub use sample::{Role, Sample, SampleId, Turn};
pub use score::{Nll, ResponseNll, Score};
pub use services::{
    Conditioning, Embedding, Host, LogLevel, LogitStatistics, Matrix, Model, Pooling, Ragged,
    ScoreRow, Service, Services, TokenCounts,
};
pub use tapped::{Call, Tap, Tapped};
pub use traits::{
    Action, ComplexityScorer, DiversityScorer, Epoch, Plugin, RunShape, Update, UpdateStrategy,
};

/// Re-exported so that a plugin needs no line of its own for it: `#[serde(crate = "iterit_sdk::serde")]`.
pub use serde;

/// The README's examples are tests.
#[cfg(all(doctest, feature = "export"))]
#[doc = include_str!("../README.md")]
struct Readme;
