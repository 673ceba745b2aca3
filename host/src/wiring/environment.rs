//! What a run is carried out by: this program, its libtorch, the processor, threads, the device.

use iterit_core::identity::Environment;
use iterit_core::{Error, Result};

/// Of a run by so many ranks, each on so many threads, and this device.
pub(crate) fn environment(ranks: usize, threads: usize, device: &str) -> Result<Environment> {
    let own = std::env::current_exe().map_err(Error::io("find", "this program"))?;
    Ok(Environment {
        iterit: env!("CARGO_PKG_VERSION").to_owned(),
        program: super::sha256(&own)?,
        libtorch: iterit_torch::libtorch_build(),
        processor: processor(),
        threads,
        ranks,
        device: device.to_owned(),
    })
}

/// What the processor calls itself, else its architecture.
fn processor() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or(std::env::consts::ARCH, |(_, name)| name).to_owned()
}
