//! Where NCCL's library may lie, and which card a device of this process is: what ranks have to know of one another
//! before their GPUs speak directly. Knows nothing of ranks.

use crate::device;
use crate::shim::{self, Nccl};
use std::fs;
use std::path::PathBuf;

const LIBRARY: &str = "libnccl.so.2";

/// The library that libtorch's CUDA half uses, else the first that is found beside that half, where pip puts it, or
/// by the system's loader.
///
/// # Errors
/// Names every place, and what is wrong with it.
pub(crate) fn load() -> Result<Nccl, String> {
    if let Ok(nccl) = Nccl::loaded() {
        return Ok(nccl);
    }
    let mut faults = Vec::new();
    for path in candidates() {
        match Nccl::load(&path) {
            Ok(nccl) => return Ok(nccl),
            Err(error) => faults.push(error.to_string()),
        }
    }
    Err(faults.join("; "))
}

/// Files that are there, and the plain name last.
fn candidates() -> Vec<PathBuf> {
    let beside = device::cuda_folder().map(|folder| {
        // Of `site-packages/torch/lib`.
        let packages = folder.ancestors().nth(2).map(|it| it.join("nvidia/nccl/lib"));
        [Some(folder), packages].into_iter().flatten().map(|it| it.join(LIBRARY))
    });
    let there = beside.into_iter().flatten().filter(|path| path.exists());
    there.chain([PathBuf::from(LIBRARY)]).collect()
}

/// The card that a CUDA device is, the same text in every process that has it and in no process that has another.
pub(crate) fn card(device: usize) -> String {
    let machine = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let place = shim::cuda_card(device).unwrap_or_else(|| {
        // Two processes may be shown other cards under the same number.
        let visible = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
        format!("cuda:{device} of `{visible}`")
    });
    format!("{} {place}", machine.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_nowhere_is_named() {
        // No CUDA half is loaded here, so the loader alone is asked; where it knows one, nothing is missing.
        if let Err(why) = load() {
            assert!(why.contains(LIBRARY), "{why}");
        }
    }

    #[test]
    fn a_card_has_one_name() {
        assert_eq!(card(1), card(1));
        assert_ne!(card(0), card(1));
    }
}
