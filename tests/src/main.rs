//! Tests across crates, in one binary: a module a feature.

mod golden;
mod support;
mod foreign;

mod ifd_scores;
mod bad_input;
mod loop_goldens;
mod scoring;
mod selecting;
mod training;
mod picks;
mod strategies;
mod tfidf;
mod config;
mod dataset;
mod spans;
mod templates;

mod plugins;
mod evolution;

mod tidy;
