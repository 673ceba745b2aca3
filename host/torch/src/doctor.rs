//! What libtorch this process has and what it can use, for a person who looks for a fault.

use crate::device::DeviceChoice;
use crate::shim;
use tch::Cuda;

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
