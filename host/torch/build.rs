//! Compiles the C++ shim and the kernels, links them with libtorch, and tells dependents where libtorch lies.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=csrc");
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");

    // torch-sys has already found libtorch; this is where it looked.
    let libraries = PathBuf::from(env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys says where"));
    let headers = headers(&libraries);
    shim(&headers)
        .define("USE_DISTRIBUTED", None)
        .define("USE_C10D_GLOO", None)
        .file("csrc/shim.cpp")
        .file("csrc/heap.cpp")
        .file("csrc/process_group.cpp")
        .file("csrc/attention.cpp")
        .file("csrc/nccl.cpp")
        .file("csrc/product.cpp")
        .compile("iterit_shim");
    // Its loops spread over the threads of the OpenMP that libtorch brings, so none is linked for it.
    shim(&headers)
        .flag_if_supported("-fopenmp")
        .file("csrc/differentiable.cpp")
        .file("csrc/linear.cpp")
        .compile("iterit_differentiable");
    // Loops that are useless unless they become vector instructions, in a debug build too. Without
    // floating-point traps and errno, which nobody looks at, a choice between two values is one instruction.
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(3)
        .flag_if_supported("-fopenmp-simd")
        .flag_if_supported("-fno-trapping-math")
        .flag_if_supported("-fno-math-errno")
        // GCC 12 says it of its own intrinsics.
        .flag_if_supported("-Wno-maybe-uninitialized")
        .file("csrc/kernels.cpp")
        .file("csrc/gather.cpp")
        .file("csrc/gather_back.cpp")
        .file("csrc/thirds.cpp")
        .compile("iterit_kernels");

    println!("cargo::rustc-link-search=native={}", libraries.display());
    println!("cargo::rustc-link-lib=torch_cpu");
    println!("cargo::rustc-link-lib=c10");
    // For this package's own tests; dependents set theirs from the metadata.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libraries.display());
    println!("cargo::metadata=lib={}", libraries.display());
}

/// What is compiled against libtorch's headers.
fn shim(headers: &Path) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .include(headers)
        .include(headers.join("torch/csrc/api/include"))
        .include("csrc")
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        // Lines for backtraces, as the Rust code has; with all types of libtorch's headers it takes twice as long.
        .debug(false)
        .flag_if_supported("-g1");
    build
}

/// torch-sys passes on the library folder only; the headers lie beside it unless the user says otherwise.
fn headers(libraries: &Path) -> PathBuf {
    match env::var_os("LIBTORCH_INCLUDE") {
        Some(folder) => PathBuf::from(folder).join("include"),
        None => libraries.parent().expect("a library folder has a parent").join("include"),
    }
}
