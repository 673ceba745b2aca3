//! What libtorch this process has and what it can use, for a person who looks for a fault.

use crate::device::DeviceChoice;
use crate::shim;
use tch::Cuda;

/// The version and build of the libtorch that this process runs on, such as `2.11.0+cpu`; where its
/// folder does not say, the version it was built against.
pub fn libtorch_build() -> String {
    let root = shim::libtorch_folder().and_then(|folder| Some(folder.parent()?.to_owned()));
    let build = root.and_then(|root| std::fs::read_to_string(root.join("build-version")).ok());
    build.map_or_else(|| crate::LIBTORCH_VERSION.to_owned(), |build| build.trim().to_owned())
}

/// Names and findings, in the order they are best read.
pub fn diagnose() -> Vec<(&'static str, String)> {
    let folder = shim::libtorch_folder();
    let folder = folder.map_or("unknown".to_owned(), |folder| folder.display().to_string());
    let cuda = match DeviceChoice::Cuda(0).open() {
        Ok(_) => format!("{} devices", Cuda::device_count()),
        Err(error) => error.to_string().replace('\n', "; "),
    };
    vec![
        ("libtorch", format!("{} in {folder}", crate::LIBTORCH_VERSION)),
        ("cuda", cuda),
        ("cpu threads", tch::get_num_threads().to_string()),
    ]
}
