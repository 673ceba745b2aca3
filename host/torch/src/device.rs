//! Which device the model runs on, and how CUDA gets into a binary that was linked without it.
//!
//! libtorch asks once, on first use, whether its CUDA half is there; so that half is loaded before
//! anything else asks, and only where CUDA may be wanted: it costs time and memory. Knows nothing
//! of models; nothing in a model knows of this.

use crate::shim;
use iterit_core::{Error, Result};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;
use tch::{Cuda, Device};

/// A folder with a `libtorch_cuda.so` of the same libtorch version, for when none lies beside
/// `libtorch_cpu.so`: `torch/lib` of an installed PyTorch, say.
pub const CUDA_LIBRARIES_VARIABLE: &str = "ITERIT_LIBTORCH_CUDA";

const CUDA_LIBRARY: &str = "libtorch_cuda.so";

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
    let has_driver = ["/dev/nvidiactl", "/proc/driver/nvidia"].map(|it| Path::new(it).exists());
    let is_named = std::env::var_os(CUDA_LIBRARIES_VARIABLE).is_some();
    let has_library = || cuda_folders().iter().any(|it| it.join(CUDA_LIBRARY).exists());
    let is_meant = has_driver.contains(&true) || is_named || has_library();
    if is_meant { open_cuda(0).err() } else { None }
}

/// As it stands in configurations and records.
pub(crate) fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".into(),
    }
}

fn open_cuda(index: usize) -> Result<Device, String> {
    load_cuda()?;
    if !Cuda::is_available() {
        return Err("no NVIDIA driver or no GPU that it can use\n\
                    hint: `nvidia-smi` should list a GPU; --device cpu runs without one"
            .into());
    }
    let count = Cuda::device_count();
    if index as i64 >= count {
        return Err(format!("there are {count} CUDA devices, counted from 0"));
    }
    shim::prefer_deterministic().map_err(|error| error.to_string())?;
    Ok(Device::Cuda(index))
}

/// Loads libtorch_cuda.so once; later calls return the first answer.
fn load_cuda() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED
        .get_or_init(|| {
            let folders = cuda_folders();
            let found =
                folders.iter().map(|folder| folder.join(CUDA_LIBRARY)).find(|so| so.exists());
            match found {
                Some(library) => shim::load_library(&library).map_err(|error| error.to_string()),
                None => Err(missing_library(&folders)),
            }
        })
        .clone()
}

fn cuda_folders() -> Vec<PathBuf> {
    let named = std::env::var_os(CUDA_LIBRARIES_VARIABLE).map(PathBuf::from);
    named.into_iter().chain(shim::libtorch_folder()).collect()
}

fn missing_library(folders: &[PathBuf]) -> String {
    let folders: Vec<String> =
        folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
    format!(
        "found no {CUDA_LIBRARY} in {}\n\
         hint: set {CUDA_LIBRARIES_VARIABLE} to the `torch/lib` folder of an installed PyTorch {}, \
         or use --device cpu",
        folders.join(", "),
        crate::LIBTORCH_VERSION,
    )
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
