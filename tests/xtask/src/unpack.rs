//! From wheels to the folder that torch-sys expects: `include/`, `lib/` and `build-version`.
//!
//! Only what a build and a run on the CPU touch is taken out, 0.5 GB of some 1.5.

use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The libraries that have to be there in the end.
pub(crate) const LIBRARIES: [&str; 5] =
    ["libtorch_cpu.so", "libc10.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"];

/// What tells that the CUDA half is there; more lies around it.
pub(crate) const CUDA_LIBRARIES: [&str; 4] = [
    "torch/lib/libtorch_cuda.so",
    "torch/lib/libc10_cuda.so",
    "torch/lib/libtorch_cuda_linalg.so",
    "torch/lib/libtorch_nvshmem.so",
];

/// Takes what we need out of one wheel into `tree`.
pub(crate) fn unpack(wheel: &Path, tree: &Path) -> Result<()> {
    each_file(wheel, |name, entry| {
        if name == Path::new("torch/version.py") {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(Error::io("read", wheel))?;
            write_version(&text, tree)
        } else if let Some(place) = place_of(name) {
            write_whole(entry, &tree.join(place))
        } else {
            Ok(())
        }
    })
}

/// Takes what a run on a GPU needs out of one wheel into `tree`, where it would lie in a Python environment.
pub(crate) fn unpack_cuda(wheel: &Path, tree: &Path) -> Result<()> {
    each_file(wheel, |name, entry| match is_of_cuda(name) {
        true => write_whole(entry, &tree.join(name)),
        false => Ok(()),
    })
}

/// Shows every file of an archive.
fn each_file(
    wheel: &Path,
    mut visit: impl FnMut(&Path, &mut dyn Read) -> Result<()>,
) -> Result<()> {
    let file = File::open(wheel).map_err(Error::io("open", wheel))?;
    let mut archive = ZipArchive::new(io::BufReader::new(file)).map_err(broken(wheel))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(broken(wheel))?;
        if let Some(name) = entry.enclosed_name().filter(|_| entry.is_file()) {
            visit(&name, &mut entry)?;
        }
    }
    Ok(())
}

/// NVIDIA's libraries, and those of torch that no run on a CPU has.
fn is_of_cuda(name: &Path) -> bool {
    let file = name.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    let is_library = file.contains(".so") && name.parent().is_some_and(|it| it.ends_with("lib"));
    let needs_cuda = file.contains("cuda") || file.contains("nv");
    let is_ours = name.starts_with("nvidia") || (name.starts_with("torch") && needs_cuda);
    name == Path::new("torch/version.py") || (is_library && is_ours)
}

/// What the linker asks for when it reads `-ltorch`. The wheel's own libtorch.so wants CUDA; by
/// this name the linker finds libtorch_cpu.so, and writes down that one's real name.
pub(crate) fn link_libtorch(tree: &Path) -> Result<()> {
    let link = tree.join("lib/libtorch.so");
    symlink("libtorch_cpu.so", &link).map_err(Error::io("link", &link))
}

/// Where a wheel's file goes, if anywhere.
fn place_of(name: &Path) -> Option<PathBuf> {
    if name.starts_with("torch/include") {
        return name.strip_prefix("torch").ok().map(Path::to_owned);
    }
    let file = name.file_name()?.to_str()?;
    let is_library = name.parent()?.ends_with("lib") && LIBRARIES.contains(&file);
    is_library.then(|| Path::new("lib").join(file))
}

fn write_whole(entry: &mut dyn Read, path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut file = File::create(path).map_err(Error::io("create", path))?;
    io::copy(entry, &mut file).map_err(Error::io("write", path))?;
    Ok(())
}

/// torch-sys reads the version from a file that archives of libtorch have and wheels have not.
fn write_version(version_py: &str, tree: &Path) -> Result<()> {
    let version = version_py
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = '")?.strip_suffix('\''))
        .ok_or_else(|| "the torch wheel's version.py has no __version__".to_owned())?;
    let path = tree.join("build-version");
    fs::create_dir_all(tree).map_err(Error::io("create", tree))?;
    fs::write(&path, version).map_err(Error::io("write", &path))
}

fn broken(wheel: &Path) -> impl Fn(zip::result::ZipError) -> Error + use<> {
    let wheel = wheel.to_owned();
    move |error| Error::Told(format!("`{}` is not a whole wheel: {error}", wheel.display()))
}

#[cfg(unix)]
fn symlink(target: &str, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn symlink(_target: &str, _link: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use zip::write::SimpleFileOptions;

    fn wheel_with(files: &[(&str, &str)], path: &Path) {
        let mut archive = zip::ZipWriter::new(File::create(path).unwrap());
        for (name, text) in files {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
    }

    #[test]
    fn only_what_the_build_needs_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (wheel, tree) = (folder.path().join("t.whl"), folder.path().join("tree"));
        let files = [
            ("torch/version.py", "from typing import Optional\n__version__ = '2.11.0+cu130'\n"),
            ("torch/include/ATen/ATen.h", "h"),
            ("torch/lib/libtorch_cpu.so", "cpu"),
            ("torch/lib/libtorch_cuda.so", "cuda"),
            ("torch/lib/libtorch.so", "wants cuda"),
            ("nvidia/cu13/lib/libcudart.so.13", "rt"),
            ("torch/nn/modules.py", "python"),
            ("../lib/libc10.so", "escapes"),
        ];
        wheel_with(&files, &wheel);
        unpack(&wheel, &tree).unwrap();
        link_libtorch(&tree).unwrap();

        let read = |name: &str| fs::read_to_string(tree.join(name)).ok();
        assert_eq!(read("build-version").as_deref(), Some("2.11.0+cu130"));
        assert_eq!(read("include/ATen/ATen.h").as_deref(), Some("h"));
        assert_eq!(read("lib/libtorch.so").as_deref(), Some("cpu"));
        assert_eq!(read("lib/libcudart.so.13").as_deref(), Some("rt"));
        for absent in ["lib/libtorch_cuda.so", "lib/libc10.so", "nn/modules.py"] {
            assert_eq!(read(absent), None, "{absent}");
        }

        let tree = folder.path().join("cuda");
        unpack_cuda(&wheel, &tree).unwrap();
        let there = |name: &str| tree.join(name).exists();
        for name in
            ["torch/version.py", "torch/lib/libtorch_cuda.so", "nvidia/cu13/lib/libcudart.so.13"]
        {
            assert!(there(name), "{name}");
        }
        for name in
            ["torch/lib/libtorch_cpu.so", "torch/include/ATen/ATen.h", "torch/nn/modules.py"]
        {
            assert!(!there(name), "{name}");
        }
    }

    #[test]
    fn half_a_wheel_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("t.whl");
        wheel_with(&[("torch/include/a.h", "a")], &wheel);
        let bytes = fs::read(&wheel).unwrap();
        fs::write(&wheel, &bytes[..bytes.len() / 2]).unwrap();
        let message = unpack(&wheel, folder.path()).unwrap_err().to_string();
        assert!(message.contains("t.whl` is not a whole wheel"), "{message}");
    }
}
