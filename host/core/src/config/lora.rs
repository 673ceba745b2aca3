//! `[train.lora]`: adapters beside frozen weights.

use serde::{Deserialize, Serialize};

/// The section `[train.lora]`. Adapters are trained where `rank` is set, or an adapter to begin with
/// (`model.adapter`).
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LoraConfig {
    /// The rank of the two matrices of an adapter.
    pub rank: Option<usize>,
    /// Their product is scaled by it over the rank; unset: as large as the rank.
    pub alpha: Option<f64>,
    /// The share of features that training drops before them; unset: none, or that of the adapter to
    /// begin with.
    pub dropout: Option<f64>,
    /// Which linear layers have an adapter.
    pub targets: LoraTargets,
    /// Scaled by alpha over the root of the rank.
    pub rslora: bool,
    /// What the first of the two matrices is drawn from.
    pub init: LoraInit,
}

/// Which linear layers have an adapter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "RawTargets", try_from = "RawTargets")]
pub enum LoraTargets {
    /// All but the head.
    #[default]
    AllLinear,
    /// Those of these names.
    Named(Vec<String>),
}

const ALL_LINEAR: &str = "all-linear";

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RawTargets {
    One(String),
    Several(Vec<String>),
}

impl From<LoraTargets> for RawTargets {
    fn from(targets: LoraTargets) -> Self {
        match targets {
            LoraTargets::AllLinear => Self::One(ALL_LINEAR.into()),
            LoraTargets::Named(names) => Self::Several(names),
        }
    }
}

impl TryFrom<RawTargets> for LoraTargets {
    type Error = &'static str;

    fn try_from(raw: RawTargets) -> Result<Self, &'static str> {
        let names = match raw {
            RawTargets::One(name) if name == ALL_LINEAR => return Ok(Self::AllLinear),
            RawTargets::One(name) => vec![name],
            RawTargets::Several(names) => names,
        };
        let is_name = |name: &String| !name.is_empty() && name != ALL_LINEAR;
        if names.is_empty() || !names.iter().all(is_name) {
            return Err("expected \"all-linear\" or names");
        }
        Ok(Self::Named(names))
    }
}

/// What the first of an adapter's two matrices is drawn from; the second is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoraInit {
    /// Evenly, from −1/√In to 1/√In, as PEFT does by default.
    #[default]
    Kaiming,
    /// Normally, with a deviation of one over the rank.
    Gaussian,
}
