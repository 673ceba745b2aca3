//! The host as a plugin sees it: one method for each of the SDK's `Services`, in their order.
//! What they mean, and in which units they answer, is said there.

use crate::data::{
    AbiLogitStatistics, AbiMatrix, AbiNll, AbiRagged, AbiResponseNll, AbiResult, AbiScoreRow,
    AbiTokenCounts,
};
use abi_stable::{
    sabi_trait,
    sabi_types::RRef,
    std_types::{ROption, RSlice, RStr, RString, RVec},
};

/// What the host does for a plugin. Every list in an answer has the order of `ids`.
#[sabi_trait]
pub trait HostAbi: Send + Sync {
    /// Samples that may be trained on.
    fn num_samples(&self) -> u64;
    /// Further samples that are only read and scored; their ids follow.
    fn num_target_samples(&self) -> u64;
    /// One sample, as the JSON of the SDK's `Sample`.
    fn sample(&self, id: u64) -> AbiResult<RString>;
    /// Response + eos text.
    fn training_targets(&self, ids: RSlice<'_, u64>) -> AbiResult<RVec<RString>>;
    /// Token counts after truncation.
    fn token_counts(&self, ids: RSlice<'_, u64>) -> AbiResult<RVec<AbiTokenCounts>>;

    /// The loss of each response given its prompt and alone; `model` is a `code::model`.
    fn response_nll(&self, model: u32, ids: RSlice<'_, u64>) -> AbiResult<RVec<AbiResponseNll>>;
    /// The loss of every response token; `given` is a `code::conditioning`.
    fn token_nll(&self, model: u32, ids: RSlice<'_, u64>, given: u32) -> AbiResult<AbiRagged>;
    /// The loss of each response under a prompt of the caller's: `prompts` is the JSON of one list
    /// of turns an id.
    fn prompted_nll(
        &self,
        model: u32,
        ids: RSlice<'_, u64>,
        prompts: RStr<'_>,
    ) -> AbiResult<RVec<AbiNll>>;
    /// One vector a sample; `pooling` is a `code::pooling`.
    fn embeddings(
        &self,
        model: u32,
        ids: RSlice<'_, u64>,
        pooling: u32,
        layer: i32,
    ) -> AbiResult<AbiMatrix>;
    /// Entropy and margin over each response.
    fn logit_statistics(
        &self,
        model: u32,
        ids: RSlice<'_, u64>,
    ) -> AbiResult<RVec<AbiLogitStatistics>>;

    /// The latest score of every sample scored so far.
    fn scores(&self) -> AbiResult<RVec<AbiScoreRow>>;
    /// The scores made at one epoch.
    fn scores_at(&self, epoch: u32) -> AbiResult<RVec<AbiScoreRow>>;
    /// What one past epoch trained on.
    fn selection_at(&self, epoch: u32) -> AbiResult<ROption<RVec<u64>>>;

    /// The run's seed.
    fn seed(&self) -> u64;
    /// How many threads a plugin may use.
    fn threads(&self) -> u64;
    /// How far a call has come.
    fn progress(&self, done: u64, total: u64);
    /// Whether the user wants the run to stop.
    fn is_cancelled(&self) -> bool;
    /// Says something; `level` is a `code::log_level`.
    #[sabi(last_prefix_field)]
    fn log(&self, level: u32, message: RStr<'_>);
}

/// The host, lent for one call.
pub type HostRef<'a> = HostAbi_TO<'a, RRef<'a, ()>>;
