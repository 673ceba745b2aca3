//! Write scorers and update strategies for the iterit trainer, in plain safe Rust.
//!
//! A plugin implements [`ComplexityScorer`], [`DiversityScorer`] or [`UpdateStrategy`], says with
//! [`Plugin`] how it is made from its options, and exports itself with one `export_plugin!` line.
//! The host lends it a [`Host`]: texts, token counts, losses under the current model, history.
//!
//! The crate knows nobody: neither the trainer nor libtorch. It reads top to bottom.

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
