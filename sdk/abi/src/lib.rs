//! The frozen types that cross between the host and a plugin: ABI 1.0.
//!
//! Nobody but the SDK's adapters and the host's loader knows this crate, and through it abi_stable;
//! a plugin's author sees only the plain traits of `iterit-sdk`.
//!
//! # The rules that keep an old plugin loading
//!
//! * Data in bulk crosses in `repr(C)` structs, which never change once released.
//! * What may grow (options, samples, the shape of a run) crosses as JSON.
//! * Every choice that may grow is a `u32` from [`code`], never an enum.
//! * Methods and fields are only appended, after the one marked `last_prefix_field`, and a method
//!   comes with a default body: what an older side falls back to.
//! * This crate's version is the ABI's. A new minor version appends; a new major may break.

#![warn(missing_docs)]
// What abi_stable's derive emits; nothing of ours.
#![allow(non_local_definitions, unsafe_code, clippy::undocumented_unsafe_blocks)]
#![allow(unsafe_op_in_unsafe_fn)]

pub mod code;
pub mod data;

pub mod host;
pub mod scorer;

pub mod root;

pub use data::{
    AbiError, AbiLogitStatistics, AbiMatrix, AbiNll, AbiRagged, AbiResponseNll, AbiResult,
    AbiScoreRow, AbiScores, AbiTokenCounts, AbiUpdate,
};
pub use host::{HostAbi, HostRef};
pub use root::{PluginRoot, PluginRootRef};
pub use scorer::{
    ComplexityAbi, ComplexityBox, DiversityAbi, DiversityBox, StrategyAbi, StrategyBox,
};

/// For the adapters and the loader, so that all of them use the one pinned version.
pub use abi_stable;

/// The version of the ABI.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Exported data: the plugin's manifest as JSON. The package's name follows, so that two plugins
/// can be linked into one program.
pub const MANIFEST_SYMBOL: &str = "iterit_plugin_manifest_";

/// Exported data: abi_stable's header of the library. The package's name follows.
pub const HEADER_SYMBOL: &str = "iterit_plugin_header_";
