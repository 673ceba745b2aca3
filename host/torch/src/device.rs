//! Which device the model runs on, and how CUDA gets into a binary that was linked without it.
//!
//! libtorch asks once, on first use, whether its CUDA half is there; so that half is loaded before
//! anything else asks, and only where CUDA may be wanted: it costs time and memory. Knows nothing
//! of models; nothing in a model knows of this.

use crate::cuda_library::{self, Candidate, Origin};
use crate::{driver, shim};
use iterit_core::config::DeviceChoice;
use iterit_core::{Error, Result};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::OnceLock;
use tch::{Cuda, Device};

/// The device itself; loads libtorch's CUDA half unless the CPU was asked for.
pub(crate) fn open(choice: DeviceChoice) -> Result<Device> {
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto if !gpu_is_meant() => Ok(Device::Cpu),
        DeviceChoice::Auto => match open_cuda(0) {
            Ok(device) => Ok(device),
            Err(_) => Ok(Device::Cpu),
        },
        DeviceChoice::Cuda(index) => {
            open_cuda(index).map_err(|reason| Error::Model(format!("device `{choice}`: {reason}")))
        }
    }
}

/// The device of one of some ranks on this machine, by its number among them: on GPUs each has one of its own, counted
/// from the one that was chosen.
pub fn device_of_rank(choice: DeviceChoice, local_rank: usize) -> DeviceChoice {
    match choice {
        DeviceChoice::Cpu => DeviceChoice::Cpu,
        DeviceChoice::Cuda(first) => DeviceChoice::Cuda(first + local_rank),
        DeviceChoice::Auto if gpu_is_meant() && count_cuda().is_ok() => {
            DeviceChoice::Cuda(local_rank)
        }
        DeviceChoice::Auto => DeviceChoice::Cpu,
    }
}

/// The devices that so many runs side by side may have: GPUs from the one that was chosen on, as many as there are;
/// else the one that was chosen.
pub fn devices_from(choice: DeviceChoice, most: NonZeroUsize) -> Vec<DeviceChoice> {
    let first = match choice {
        DeviceChoice::Cuda(first) => Some(first),
        DeviceChoice::Auto if gpu_is_meant() => Some(0),
        DeviceChoice::Auto | DeviceChoice::Cpu => None,
    };
    // Where there is none, whoever opens the device says why.
    let count = first.and_then(|first| count_cuda().ok()?.checked_sub(first)).unwrap_or(0);
    match (first, count.min(most.get())) {
        (Some(first), several @ 2..) => (first..first + several).map(DeviceChoice::Cuda).collect(),
        _ => vec![choice],
    }
}

/// Why `auto` means the CPU though there is a GPU or a CUDA library; nothing where it means a GPU, or
/// where there is no sign of one.
pub fn unused_gpu() -> Option<String> {
    if gpu_is_meant() { open_cuda(0).err() } else { None }
}

/// Whether there is a driver, or a CUDA library where only somebody who wants it puts one. An installed PyTorch
/// alone says nothing.
fn gpu_is_meant() -> bool {
    let is_meant = |it: &Candidate| it.origin == Origin::Named || it.has_library();
    driver::is_there() || cuda_library::candidates_at_hand().iter().any(is_meant)
}

/// As it stands in configurations and records.
pub(crate) fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".into(),
    }
}

/// How many CUDA devices there are.
pub(crate) fn count_cuda() -> Result<usize, String> {
    let candidate = load_cuda()?;
    if !Cuda::is_available() {
        return Err(no_device(&candidate));
    }
    Ok(Cuda::device_count() as usize)
}

/// Where libtorch's CUDA half was found, if it was loaded.
pub(crate) fn cuda_folder() -> Option<PathBuf> {
    LOADED.get()?.as_ref().ok().map(|candidate| candidate.folder.clone())
}

fn open_cuda(index: usize) -> Result<Device, String> {
    let count = count_cuda()?;
    if index >= count {
        let last = count - 1;
        return Err(match count {
            1 => "there is one CUDA device, cuda:0".into(),
            _ => format!("there are {count} CUDA devices, cuda:0 to cuda:{last}"),
        });
    }
    shim::prefer_deterministic().map_err(|error| error.to_string())?;
    Ok(Device::Cuda(index))
}

fn no_device(candidate: &Candidate) -> String {
    let version = driver::version();
    let reason = driver::too_old(version.as_deref(), candidate.versions.cuda.as_deref());
    let reason = reason.unwrap_or_else(|| match version {
        Some(version) => format!("the NVIDIA driver {version} shows no GPU that CUDA can use"),
        None => "no NVIDIA driver or no GPU that it can use".into(),
    });
    format!("{reason}\nhint: `nvidia-smi` should list a GPU; --device cpu runs without one")
}

/// What came of it.
static LOADED: OnceLock<Result<Candidate, String>> = OnceLock::new();

/// Loads libtorch_cuda.so once; later calls return the first answer.
fn load_cuda() -> Result<Candidate, String> {
    LOADED
        .get_or_init(|| {
            let candidate = cuda_library::choose(&cuda_library::candidates())?;
            match shim::load_library(&candidate.library()) {
                Ok(()) => Ok(candidate),
                Err(error) => Err(error.to_string()),
            }
        })
        .clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuda_is_there_or_says_why_not() {
        match open(DeviceChoice::Cuda(0)) {
            Ok(device) => {
                assert_eq!(device, Device::Cuda(0));
                assert_eq!(open(DeviceChoice::Auto).unwrap(), device);
                let message = open(DeviceChoice::Cuda(255)).unwrap_err().to_string();
                assert!(message.contains("CUDA devices"), "{message}");
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.starts_with("device `cuda:0`: "), "{message}");
                assert!(message.contains("hint: "), "{message}");
                assert_eq!(open(DeviceChoice::Auto).unwrap(), Device::Cpu);
            }
        }
    }
}
