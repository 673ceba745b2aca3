//! What libtorch this process has and what it can use, for a person who looks for a fault.

use crate::cuda_library::{self, Candidate, Versions};
use crate::shim::Nccl;
use crate::{device, driver, nccl_library, processor, products, shim};

/// The version and build of the libtorch that this process runs on, such as `2.11.0+cpu`; where its
/// folder does not say, the version it was built against.
pub fn libtorch_build() -> String {
    let folder = shim::libtorch_folder();
    let build = folder.and_then(|folder| Versions::beside(&folder).torch);
    build.unwrap_or_else(|| crate::LIBTORCH_VERSION.to_owned())
}

/// Names and findings, in the order they are best read.
pub fn diagnose() -> Vec<(&'static str, String)> {
    let folder = shim::libtorch_folder();
    let folder = folder.map_or("unknown".to_owned(), |folder| folder.display().to_string());
    let mut findings =
        vec![("libtorch", format!("{} in {folder}", libtorch_build())), ("driver", driver())];
    findings.extend(driver::gpus().into_iter().map(|name| ("gpu", name)));
    let candidates = cuda_library::candidates();
    findings.extend(candidates.iter().filter(|it| it.is_worth_telling()).map(library));
    findings.extend(devices());
    findings.push(("cpu threads", tch::get_num_threads().to_string()));
    findings.push(("bfloat16", bfloat16().to_owned()));
    findings.push(("products", products().to_owned()));
    findings
}

fn driver() -> String {
    driver::version().unwrap_or_else(|| match driver::is_there() {
        true => "there, of no known version".into(),
        false => "none found".into(),
    })
}

fn products() -> &'static str {
    match products::have_a_unit() {
        true => "of float32 on the CPU by its matrix unit, in thirds of bfloat16",
        false => "of float32 on the CPU by libtorch's library",
    }
}

fn bfloat16() -> &'static str {
    match processor::has_bfloat16() {
        true => "the processor has it in hardware",
        false => "not in the processor's hardware, where float32 is many times faster",
    }
}

fn library(candidate: &Candidate) -> (&'static str, String) {
    let fits = driver::too_old(driver::version().as_deref(), candidate.versions.cuda.as_deref());
    let fits = fits.map_or_else(String::new, |reason| format!("; {reason}"));
    let cuda = candidate.versions.cuda.as_ref();
    let cuda = cuda.map_or_else(String::new, |version| format!("; for CUDA {version}"));
    ("cuda half", format!("{candidate}{cuda}{fits}"))
}

/// Every CUDA device with its memory, or why there is none.
fn devices() -> Vec<(&'static str, String)> {
    match device::count_cuda() {
        Err(reason) => vec![("cuda", reason.replace('\n', "; "))],
        Ok(count) => (0..count).map(|index| ("cuda", with_memory(index))).chain([nccl()]).collect(),
    }
}

/// By which several GPUs would speak to one another.
fn nccl() -> (&'static str, String) {
    let version = |it: Nccl| it.version().map_err(|error| error.to_string());
    ("nccl", nccl_library::load().and_then(version).unwrap_or_else(|why| format!("none: {why}")))
}

fn with_memory(index: usize) -> String {
    let gibibytes = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
    match shim::cuda_memory(index) {
        Ok([free, total]) => {
            format!("cuda:{index}, {:.1} of {:.1} GiB free", gibibytes(free), gibibytes(total))
        }
        Err(error) => format!("cuda:{index}, {error}"),
    }
}
