//! Tells the binary where libtorch lies: beside an installed binary first, else where it was built.
//! The benchmark is never installed.

fn main() {
    let libtorch = std::env::var("DEP_ITERIT_TORCH_LIB").expect("iterit-torch says where");
    println!("cargo::rustc-link-arg-bins=-Wl,-rpath,$ORIGIN/../lib/iterit/libtorch");
    for target in ["bins", "benches"] {
        println!("cargo::rustc-link-arg-{target}=-Wl,-rpath,{libtorch}");
    }
}
