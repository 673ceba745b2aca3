//! The wheels that libtorch is taken from: which, how they are fetched, how they are known.
//!
//! pip alone talks to the network, so a person's own index, proxy and certificates are honoured.
//! A wheel is what its SHA-256 says it is, wherever it came from.

use crate::error::{Error, Result};
use crate::process;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A wheel, pinned to the byte.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wheel {
    /// The project's name on the index.
    pub(crate) name: &'static str,
    /// Its version.
    pub(crate) version: &'static str,
    /// The file that pip downloads.
    pub(crate) file: &'static str,
    /// The SHA-256 of that file, in hexadecimal.
    pub(crate) sha256: &'static str,
    /// Its size in MB, for the talk.
    pub(crate) megabytes: u32,
}

/// What libtorch needs on a CPU. libtorch_cpu.so asks for the CUDA runtime and its profiler even
/// there; the gigabytes of other CUDA wheels are for CUDA alone and stay where they are.
pub(crate) const WHEELS: [Wheel; 3] = [
    Wheel {
        name: "torch",
        version: "2.11.0",
        file: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        megabytes: 531,
    },
    Wheel {
        name: "nvidia-cuda-runtime",
        version: "13.0.96",
        file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        megabytes: 2,
    },
    Wheel {
        name: "nvidia-cuda-cupti",
        version: "13.0.85",
        file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
        sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        megabytes: 11,
    },
];

/// The platform tags that the wheels above carry. pip does not look below the tag it is given.
const PLATFORMS: [&str; 3] =
    ["manylinux_2_28_x86_64", "manylinux_2_25_x86_64", "manylinux_2_17_x86_64"];

/// The wheel in `folder`, downloaded unless it lies there from an earlier, interrupted time.
pub(crate) fn fetch(wheel: &Wheel, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(wheel.file);
    if path.exists() {
        if sha256_of(&path)? == wheel.sha256 {
            eprintln!("  {} {}: already downloaded", wheel.name, wheel.version);
            return Ok(path);
        }
        std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    }
    eprintln!("  {} {}: downloading {} MB", wheel.name, wheel.version, wheel.megabytes);
    download(wheel, folder)?;
    check(wheel, &path)?;
    Ok(path)
}

fn download(wheel: &Wheel, folder: &Path) -> Result<()> {
    // pip leaves what it had when it was killed in its temporary folder: it gets one that is
    // emptied, and that lies on the same disk.
    let scratch = folder.join("unfinished");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(Error::io("empty", &scratch))?;
    }
    std::fs::create_dir_all(&scratch).map_err(Error::io("create", &scratch))?;
    let mut pip = pip();
    pip.args(["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"])
        .args(["--disable-pip-version-check", "--implementation=cp", "--python-version=3.11"])
        .args(PLATFORMS.map(|tag| format!("--platform={tag}")))
        .arg("--dest")
        .arg(folder)
        .arg(format!("{}=={}", wheel.name, wheel.version))
        .env("TMPDIR", &scratch)
        // stdout is for data, and progress is talk.
        .stdout(Stdio::from(io::stderr()));
    process::run(&mut pip)?;
    std::fs::remove_dir_all(&scratch).map_err(Error::io("remove", &scratch))
}

/// Says, before anything is downloaded, what is missing.
pub(crate) fn check_pip() -> Result<()> {
    let answer = pip().arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let (found, hint) = match answer {
        Ok(status) if status.success() => return Ok(()),
        Ok(_) => {
            ("python3 has no pip", "install it, on Debian and Ubuntu: apt install python3-pip")
        }
        Err(_) => (
            "python3 was not found",
            "install Python with pip, on Debian and Ubuntu: apt install python3 python3-pip",
        ),
    };
    Err(Error::Told(format!(
        "{found}, and pip downloads libtorch\nhint: {hint}; or name a libtorch 2.11 of your own: \
         LIBTORCH=FOLDER"
    )))
}

fn pip() -> Command {
    let mut python = Command::new("python3");
    python.args(["-m", "pip"]);
    python
}

fn check(wheel: &Wheel, path: &Path) -> Result<()> {
    if !path.exists() {
        return Err(Error::Told(format!(
            "pip downloaded {} {}, but not the file `{}`\nhint: does your index offer the wheels \
             of the public one?",
            wheel.name, wheel.version, wheel.file
        )));
    }
    let found = sha256_of(path)?;
    if found == wheel.sha256 {
        return Ok(());
    }
    std::fs::remove_file(path).map_err(Error::io("remove", path))?;
    Err(Error::Told(format!(
        "`{}` has the SHA-256 {found}, expected {}; it was removed\nhint: run this again; should \
         it stay so, your index offers another file than the public one",
        wheel.file, wheel.sha256
    )))
}

fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: Wheel = Wheel {
        name: "abc",
        version: "1",
        file: "abc-1.whl",
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        megabytes: 0,
    };

    #[test]
    fn a_whole_wheel_from_an_earlier_time_is_not_downloaded_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ABC.file);
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(fetch(&ABC, folder.path()).unwrap(), path);
    }

    #[test]
    fn a_wheel_with_other_bytes_is_refused_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(ABC.file);
        std::fs::write(&path, "abd").unwrap();
        let message = check(&ABC, &path).unwrap_err().to_string();
        assert!(message.contains("expected ba7816bf"), "{message}");
        assert!(!path.exists());
    }

    #[test]
    fn a_wheel_that_did_not_come_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = check(&ABC, &folder.path().join(ABC.file)).unwrap_err().to_string();
        assert!(message.contains("not the file `abc-1.whl`"), "{message}");
    }
}
