//! What was chosen, read off a run's record: overlaps, drift, histograms, the mix of the picks, and
//! why any one sample was picked or not. Pure; it asks no model and no plugin.

pub mod history;

pub mod drift;
pub mod histogram;
pub mod mix;
pub mod overlap;
pub mod why;

pub use history::History;
