//! Tells the binary where libtorch lies: beside an installed binary first, or, in a wheel, in the torch
//! package beside its own, else where it was built. The benchmark is never installed.

fn main() {
    let libtorch = std::env::var("DEP_ITERIT_TORCH_LIB").expect("iterit-torch says where");
    for installed in ["../lib/iterit/libtorch", "../../../torch/lib"] {
        println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/{installed}");
    }
    for target in ["bins", "benches"] {
        println!("cargo::rustc-link-arg-{target}=-Wl,-rpath,{libtorch}");
    }
}
