//! A/B comparison of selection strategies: the plan (arms × seeds), the ledger that lets it go on
//! after a kill, and the pure comparison of what the runs left behind.
//!
//! Every arm starts from the same weights and is judged on the same held-out samples. A sample's
//! loss is averaged over an arm's seeds and then paired between arms. That says whether *these
//! models* differ. Whether the *strategies* do needs the spread between seeds too, so a verdict goes
//! by the larger p of both questions, corrected over all pairs (see [`crate::statistics::seeds`]).
//!
//! Nothing here trains: [`drive`] is given a function that runs one arm with one seed.

mod design;

mod arm;
mod plan;
mod plan_file;

mod begun;
mod result;
mod ledger;
mod drive;

mod cache;
mod witness;
mod cached_scorer;

mod group;
mod curves;
mod arm_summary;
mod estimate;
mod pair;
mod verdict;
mod paired;
mod comparison;
mod look;
mod circumstances;

pub use arm::{Arm, Run};
pub use arm_summary::{ArmSummary, Cost, SeedSummary};
pub use begun::{Begun, OF_ARM};
pub use cache::{ScoreCache, ScoreCacheKey, Scoring};
pub use cached_scorer::CachedScorer;
pub use circumstances::Circumstances;
pub use comparison::{Comparison, HeldOut, compare};
pub use curves::{Band, Curves};
pub use design::{Answering, Design, Measure, Pairs};
pub use drive::drive;
pub use estimate::{AcrossSeeds, Estimate, Evidence};
pub use ledger::Ledger;
pub use look::{Finished, Look, Seen};
pub use pair::{LengthControlled, Pair, Verdict};
pub use plan::{Keep, Plan, runs};
pub use result::{ArmResult, Judged};
