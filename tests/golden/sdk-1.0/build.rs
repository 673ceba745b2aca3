//! Tells the crate which compiler and target it is built with, for the manifests of plugins.

use std::{env, process::Command};

fn main() {
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC for build scripts");
    let output = Command::new(rustc).arg("--version").output().expect("the compiler runs");
    let version = String::from_utf8(output.stdout).expect("the compiler's version is UTF-8");
    println!("cargo:rustc-env=ITERIT_RUSTC={}", version.trim());
    println!("cargo:rustc-env=ITERIT_TARGET={}", env::var("TARGET").expect("cargo sets TARGET"));
    println!("cargo:rerun-if-changed=build.rs");
}
