//! What a plugin file says of itself. The host reads it from the file before any of the plugin's
//! code runs, so that every refusal can name the plugin.

use serde::{Deserialize, Serialize};

/// The manifest of one dylib, stored in it as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout of this manifest: 1.
    pub iterit_manifest: u32,
    /// The crate's name.
    pub name: String,
    /// The crate's version.
    pub version: String,
    /// The version of the ABI it speaks.
    pub abi: String,
    /// The version of the SDK it was built with.
    pub sdk: String,
    /// The compiler that built it.
    pub rustc: String,
    /// The target triple it was built for.
    pub target: String,
    /// `unwind` or `abort`.
    pub panic: String,
    /// `debug` or `release`.
    pub profile: String,
    /// What it offers.
    pub scorers: Vec<ScorerManifest>,
}

impl Manifest {
    /// The target triple that this SDK, and whatever it is linked into, is built for.
    pub const TARGET: &'static str = env!("ITERIT_TARGET");
}

/// One scorer or strategy a dylib offers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScorerManifest {
    /// The name used in `--plugins` and in `[plugins.NAME]`.
    pub name: String,
    /// What it is.
    pub kind: PluginKind,
    /// The services it cannot do without, by [`Service::name`](crate::Service::name).
    pub services: Vec<String>,
}

/// The three kinds of plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginKind {
    /// A [`ComplexityScorer`](crate::ComplexityScorer).
    Complexity,
    /// A [`DiversityScorer`](crate::DiversityScorer).
    Diversity,
    /// An [`UpdateStrategy`](crate::UpdateStrategy).
    Strategy,
}

impl PluginKind {
    /// The name in manifests and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complexity => "complexity",
            Self::Diversity => "diversity",
            Self::Strategy => "strategy",
        }
    }
}
