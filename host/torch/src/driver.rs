//! What the system says of NVIDIA's driver and its GPUs, before any library of CUDA is loaded.

use std::fs;
use std::path::Path;

const HOME: &str = "/proc/driver/nvidia";

/// Whether there is a driver, or a device that only it makes.
pub(crate) fn is_there() -> bool {
    ["/dev/nvidiactl", "/dev/dxg", HOME].iter().any(|it| Path::new(it).exists())
}

/// The driver's version, such as `580.159.04`; nothing where it does not say.
pub(crate) fn version() -> Option<String> {
    version_in(&fs::read_to_string(Path::new(HOME).join("version")).ok()?)
}

/// The names of the GPUs that the driver knows.
pub(crate) fn gpus() -> Vec<String> {
    let folders = fs::read_dir(Path::new(HOME).join("gpus")).into_iter().flatten().flatten();
    let mut paths: Vec<_> = folders.map(|folder| folder.path().join("information")).collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    texts.filter_map(|text| model_in(&text)).collect()
}

/// Why a driver of this version cannot serve a libtorch that was built for this version of CUDA; nothing where it can,
/// or where one of the two is not known. Within a major version of CUDA any driver of its time will do.
pub(crate) fn too_old(driver: Option<&str>, cuda: Option<&str>) -> Option<String> {
    let (driver, cuda) = (driver?, cuda?);
    let major = |version: &str| version.split('.').next()?.parse::<u32>().ok();
    let needed = match major(cuda)? {
        11 => 450,
        12 => 525,
        13 => 580,
        _ => return None,
    };
    (major(driver)? < needed).then(|| {
        format!(
            "the NVIDIA driver {driver} is too old for CUDA {cuda}, which needs {needed} or newer"
        )
    })
}

fn version_in(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("NVRM version:"))?;
    let is_version =
        |word: &&str| word.contains('.') && word.chars().all(|it| it.is_ascii_digit() || it == '.');
    line.split_whitespace().find(is_version).map(str::to_owned)
}

fn model_in(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_names_are_read_as_the_driver_writes_them() {
        let version = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build\n\
                       GCC version:  gcc version 12.2.0\n";
        assert_eq!(version_in(version).as_deref(), Some("580.159.04"));
        assert_eq!(version_in("GCC version: 12.2.0\n"), None);
        let information = "Model: \t\t NVIDIA H200\nIRQ:   \t\t 99\n";
        assert_eq!(model_in(information).as_deref(), Some("NVIDIA H200"));
    }

    #[test]
    fn a_driver_has_to_be_of_its_cudas_time() {
        let old = too_old(Some("535.104"), Some("13.0")).unwrap();
        assert!(old.contains("535.104 is too old for CUDA 13.0, which needs 580"), "{old}");
        for (driver, cuda) in [
            (Some("580.65.06"), Some("13.0")),
            (Some("535.104"), Some("12.8")),
            (None, Some("13.0")),
            (Some("535.104"), None),
        ] {
            assert_eq!(too_old(driver, cuda), None, "{driver:?} {cuda:?}");
        }
    }
}
