//! Tells the binary where libtorch lies: beside an installed binary first, else where it was built.

fn main() {
    let libtorch = std::env::var("DEP_ITERIT_TORCH_LIB").expect("iterit-torch says where");
    for folder in ["$ORIGIN/../lib/iterit/libtorch", &libtorch] {
        println!("cargo::rustc-link-arg-bins=-Wl,-rpath,{folder}");
    }
}
