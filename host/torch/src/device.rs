//! Which device the model runs on, and how CUDA gets into a binary that was linked without it.
//!
//! libtorch asks once, on first use, whether its CUDA half is there; so that half is loaded before
//! anything else asks, and only where CUDA may be wanted: it costs time and memory. Knows nothing
//! of models; nothing in a model knows of this.

use crate::cuda_library::{self, Candidate, Origin};
use crate::{driver, shim};
use iterit_core::{Error, Result};
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use tch::{Cuda, Device};

/// What the user asks for.
///
/// ```
/// use iterit_torch::DeviceChoice;
/// assert_eq!("cuda:1".parse(), Ok(DeviceChoice::Cuda(1)));
/// assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
/// assert!("gpu".parse::<DeviceChoice>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// The first CUDA device if there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// This CUDA device, or an error.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", index)) if index.parse::<u8>().is_ok() => {
                Ok(Self::Cuda(index.parse().expect("parsed before")))
            }
            _ => {
                Err(format!("unknown device `{text}`: expected `auto`, `cpu`, `cuda` or `cuda:N`"))
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// The device itself; loads libtorch's CUDA half unless the CPU was asked for.
    pub(crate) fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto if !gpu_is_meant() => Ok(Device::Cpu),
            Self::Auto => match open_cuda(0) {
                Ok(device) => Ok(device),
                Err(_) => Ok(Device::Cpu),
            },
            Self::Cuda(index) => open_cuda(index)
                .map_err(|reason| Error::Model(format!("device `{self}`: {reason}"))),
        }
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

/// Loads libtorch_cuda.so once; later calls return the first answer.
fn load_cuda() -> Result<Candidate, String> {
    static LOADED: OnceLock<Result<Candidate, String>> = OnceLock::new();
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
    fn choices_read_and_write() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "CUDA"] {
            assert!(
                text.parse::<DeviceChoice>().unwrap_err().contains("expected `auto`"),
                "{text}"
            );
        }
    }

    #[test]
    fn cuda_is_there_or_says_why_not() {
        match DeviceChoice::Cuda(0).open() {
            Ok(device) => {
                assert_eq!(device, Device::Cuda(0));
                assert_eq!(DeviceChoice::Auto.open().unwrap(), device);
                let message = DeviceChoice::Cuda(255).open().unwrap_err().to_string();
                assert!(message.contains("CUDA devices"), "{message}");
            }
            Err(error) => {
                let message = error.to_string();
                assert!(message.starts_with("device `cuda:0`: "), "{message}");
                assert!(message.contains("hint: "), "{message}");
                assert_eq!(DeviceChoice::Auto.open().unwrap(), Device::Cpu);
            }
        }
    }
}
