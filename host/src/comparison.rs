//! A comparison as a program: what its runs share is prepared once, everything that can be wrong is
//! looked at before anything runs, and each run goes the way that a run of its own would go.
//!
//! Runs side by side are threads of this process: they share texts and cached scores in memory, and
//! a kill ends them all at once, so that none goes on writing where the next is about to begin.

mod arms;
mod inputs;
mod questions;
mod leave;
mod planner;
mod price;
mod shared_scores;
mod devices;

mod experiment;

pub(crate) use experiment::Experiment;
pub(crate) use leave::{conclude, leave};
pub(crate) use planner::table as planned;
