//! Data in bulk: plain columns and rows, frozen.

use abi_stable::{
    StableAbi,
    std_types::{RResult, RString, RVec},
};

/// What every call that can fail returns.
pub type AbiResult<T> = RResult<T, AbiError>;

/// Why a call failed.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiError {
    /// One of [`code::error`](crate::code::error).
    pub code: u32,
    /// For the user.
    pub message: RString,
    /// For a developer: a backtrace, say. Often empty.
    pub detail: RString,
}

/// Scores of `values.len()` samples, as columns. The named numbers that row `r` was made from are
/// entries `part_offsets[r]..part_offsets[r + 1]` of `part_names` and `part_values`.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiScores {
    /// The scores.
    pub values: RVec<f64>,
    /// 1 where the sample may be picked, else 0.
    pub eligible: RVec<u8>,
    /// Every name that occurs, once.
    pub names: RVec<RString>,
    /// One more than there are rows; starts at 0, never falls, ends at the number of parts.
    pub part_offsets: RVec<u64>,
    /// Index into `names`.
    pub part_names: RVec<u32>,
    /// The parts.
    pub part_values: RVec<f64>,
}

/// Rows of different lengths: row `r` is `values[offsets[r]..offsets[r + 1]]`.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiRagged {
    /// All rows, one after the other.
    pub values: RVec<f32>,
    /// One more than there are rows; starts at 0, never falls, ends at the number of values.
    pub offsets: RVec<u64>,
}

/// A row-major matrix.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiMatrix {
    /// All rows, one after the other.
    pub values: RVec<f32>,
    /// How long a row is; above 0.
    pub columns: u64,
}

/// A summed loss.
#[repr(C)]
#[derive(StableAbi, Debug, Clone, Copy)]
pub struct AbiNll {
    /// Nats.
    pub sum: f64,
    /// How many tokens were summed.
    pub tokens: u32,
}

/// The loss of a response under both conditionings.
#[repr(C)]
#[derive(StableAbi, Debug, Clone, Copy)]
pub struct AbiResponseNll {
    /// The response given its prompt.
    pub conditional: AbiNll,
    /// The response alone.
    pub unconditional: AbiNll,
}

/// What the next-token distributions over a response look like.
#[repr(C)]
#[derive(StableAbi, Debug, Clone, Copy)]
pub struct AbiLogitStatistics {
    /// Mean entropy, nats.
    pub entropy: f64,
    /// Mean difference between the two largest probabilities.
    pub margin: f64,
    /// How many tokens were averaged.
    pub tokens: u32,
}

/// The tokens of a sample after truncation.
#[repr(C)]
#[derive(StableAbi, Debug, Clone, Copy)]
pub struct AbiTokenCounts {
    /// Before the response.
    pub prompt: u32,
    /// Of the response.
    pub response: u32,
}

/// One row of the score table.
#[repr(C)]
#[derive(StableAbi, Debug, Clone, Copy)]
pub struct AbiScoreRow {
    /// Which sample.
    pub id: u64,
    /// Its score.
    pub value: f64,
    /// The epoch it was scored at.
    pub scored_at: u32,
    /// 1 where the sample may be picked, else 0.
    pub eligible: u8,
}

/// What a strategy wants done before an epoch.
#[repr(C)]
#[derive(StableAbi, Debug, Clone)]
pub struct AbiUpdate {
    /// Samples to score again, in this order.
    pub rescore: RVec<u64>,
    /// Samples that may be picked.
    pub candidates: RVec<u64>,
    /// One of [`code::action`](crate::code::action).
    pub action: u32,
    /// For `PICK`: how many; else 0.
    pub budget: u64,
}
