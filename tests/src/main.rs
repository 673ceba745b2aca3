//! Tests across crates, in one binary: a module a feature.

// In a single binary `pub` can only mean: for the other modules.
#![allow(unreachable_pub)]

mod golden;
mod support;
mod foreign;
mod small_tokenizers;
mod phantom;

mod ifd_scores;
mod bad_input;
mod refused;
mod kept_texts;
mod loop_goldens;
mod scoring;
mod scorers;
mod evaluating;
mod observers;
mod manual;
mod superfilter;
mod exec;
mod picks;
mod selecting;
mod parity;
mod permissions;
mod demo;
mod training;
mod resuming;
mod ranks;
mod exporting;
mod strategies;
mod tfidf;
mod config;
mod conversations;
mod dataset;
mod data_files;
mod on_cuda;
mod on_cuda_budget;
mod on_cuda_flattened;
mod ranks_on_cuda;
mod from_a_wheel;
mod memory;
mod out_of_memory;
mod spans;
mod one_text;
mod adapters;
mod all_turns;
mod covered;
mod templates;
mod jinja;
mod checking;
mod tokenizer_folders;

mod plugins;
mod failures;
mod evolution;

mod statistics;
mod families;
mod real_families;
mod report;
mod compare;
mod devices;
mod planted;
mod shared_scores;
mod site;

mod tidy;
