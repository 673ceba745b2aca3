//! The model: Hugging Face checkpoints of causal language models, scored and trained with libtorch.
//!
//! Implements core's [`Learner`](iterit_core::learner::Learner) and knows nothing of samples,
//! templates, selection or plugins. The only crate that uses tch. Nothing in a model names a device.
//! A module uses only the modules above it in this list.

mod guard;
mod shim;
mod room;
mod kernels;
mod gather;
mod products;
mod side_by_side;

mod cuda_library;
mod driver;
mod device;
mod leaving;
mod nccl_library;
mod precision;
mod processor;
mod parcel;
mod counted;
mod tensor_file;
mod stored;

mod layers;

mod config;

mod models;

mod parameters;
mod keeping;
mod share;
mod trainable;
mod weights;

mod lora;

mod batches;
mod cross_entropy;
mod collated;
mod prefix;
mod plan;

mod nll;

mod sampling;
mod generation;

mod rounding;
mod dynamic_code;
mod moments;
mod optim;
mod gradient;
mod update;
mod options;
mod memory;

mod checkpoint;

mod learner;
mod fleet;

mod doctor;

#[cfg(test)]
mod testing;

pub use config::Config;
pub use cuda_library::CUDA_LIBRARIES_VARIABLE;
pub use device::{device_of_rank, devices_from, unused_gpu};
pub use doctor::{diagnose, libtorch_build};
pub use fleet::{Announcer, Card, Fleet, Place, Rendezvous, Way, serve};
pub use gradient::Activations;
pub use learner::{TorchLearner, limits, memory_of};
pub use leaving::leave;
pub use lora::{LoraInit, LoraOptions, Targets};
pub use moments::Moments;
pub use optim::AdamWOptions;
pub use options::{Base, LearnerOptions};
pub use precision::Precision;
pub use share::Sharding;

/// The libtorch this crate is made for.
pub const LIBTORCH_VERSION: &str = "2.11";
