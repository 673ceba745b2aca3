//! The frozen types that cross between the host and a plugin.
//!
//! Nobody but the SDK's adapters and the host's loader knows this crate or abi_stable.
