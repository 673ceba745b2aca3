//! A/B comparison of selection strategies: the plan (arms × seeds), the ledger that lets it go on
//! after a kill, and the pure comparison of what the runs left behind.
//!
//! Every arm starts from the same weights and is judged on the same held-out samples. The unit of
//! inference is the held-out sample: its loss is averaged over an arm's seeds first and then paired
//! between arms. That says whether *these models* differ. Whether the *strategies* do needs the
//! spread between seeds too, so a verdict asks for both (see [`crate::statistics::seeds`]).
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
mod pair;
mod verdict;
mod paired;
mod comparison;

pub use arm::{Arm, Run};
pub use arm_summary::{ArmSummary, Cost, SeedSummary};
pub use begun::{Begun, OF_ARM};
pub use cache::{ScoreCache, ScoreCacheKey};
pub use cached_scorer::CachedScorer;
pub use comparison::{Comparison, HeldOut, compare};
pub use curves::{Band, Curves};
pub use design::{Design, Pairs};
pub use drive::drive;
pub use ledger::Ledger;
pub use pair::{Evidence, Pair, Verdict};
pub use plan::{Keep, Plan, runs};
pub use result::{ArmResult, Judged};
