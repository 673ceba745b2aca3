//! The three kinds of plugin as the host sees them: one method for each of the SDK's traits.

use crate::{
    data::{AbiResult, AbiScores, AbiUpdate},
    host::HostRef,
};
use abi_stable::{
    sabi_trait,
    std_types::{RBox, RSlice, RSliceMut, RStr, RVec},
};

/// A complexity scorer.
#[sabi_trait]
pub trait ComplexityAbi: Send + Sync {
    /// One score an id.
    fn score(&self, host: HostRef<'_>, ids: RSlice<'_, u64>) -> AbiResult<AbiScores>;
    /// The scorer's own state.
    fn save(&self) -> AbiResult<RVec<u8>>;
    /// Takes back what `save` gave.
    #[sabi(last_prefix_field)]
    fn restore(&mut self, state: RSlice<'_, u8>) -> AbiResult<()>;
}

/// A complexity scorer, owned by the host and freed by the plugin.
pub type ComplexityBox = ComplexityAbi_TO<'static, RBox<()>>;

/// A diversity scorer. A candidate is an index into the list given to `begin`.
#[sabi_trait]
pub trait DiversityAbi: Send + Sync {
    /// Starts a new pick.
    fn begin(&mut self, host: HostRef<'_>, candidates: RSlice<'_, u64>) -> AbiResult<()>;
    /// The gain of one candidate.
    fn gain(&self, candidate: u32) -> AbiResult<f64>;
    /// The gains of many: as many slots as candidates.
    fn gains(&self, candidates: RSlice<'_, u32>, gains: RSliceMut<'_, f64>) -> AbiResult<()>;
    /// The candidate was picked.
    fn pick(&mut self, candidate: u32) -> AbiResult<()>;
    /// Whether no pick ever raises a gain.
    fn gains_never_rise(&self) -> AbiResult<bool>;
    /// The scorer's own state.
    fn save(&self) -> AbiResult<RVec<u8>>;
    /// Takes back what `save` gave.
    #[sabi(last_prefix_field)]
    fn restore(&mut self, state: RSlice<'_, u8>) -> AbiResult<()>;
}

/// A diversity scorer, owned by the host and freed by the plugin.
pub type DiversityBox = DiversityAbi_TO<'static, RBox<()>>;

/// An update strategy.
#[sabi_trait]
pub trait StrategyAbi: Send + Sync {
    /// How many samples each epoch trains on; `run` is the JSON of the SDK's `RunShape`.
    fn budgets(&self, run: RStr<'_>) -> AbiResult<RVec<u64>>;
    /// What to do before an epoch; `epoch` is the JSON of the SDK's `Epoch`.
    fn plan(&mut self, host: HostRef<'_>, epoch: RStr<'_>) -> AbiResult<AbiUpdate>;
    /// The strategy's own state.
    fn save(&self) -> AbiResult<RVec<u8>>;
    /// Takes back what `save` gave.
    #[sabi(last_prefix_field)]
    fn restore(&mut self, state: RSlice<'_, u8>) -> AbiResult<()>;
}

/// An update strategy, owned by the host and freed by the plugin.
pub type StrategyBox = StrategyAbi_TO<'static, RBox<()>>;
