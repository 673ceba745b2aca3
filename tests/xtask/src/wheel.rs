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

/// What libtorch's CUDA half needs beside those: the same torch wheel once more, and NVIDIA's libraries.
pub(crate) const CUDA_WHEELS: [Wheel; 16] = [
    WHEELS[0],
    WHEELS[1],
    WHEELS[2],
    Wheel {
        name: "nvidia-cublas",
        version: "13.1.0.3",
        file: "nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl",
        sha256: "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
        megabytes: 423,
    },
    Wheel {
        name: "nvidia-cuda-nvrtc",
        version: "13.0.88",
        file: "nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
        sha256: "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
        megabytes: 90,
    },
    Wheel {
        name: "nvidia-cudnn-cu13",
        version: "9.19.0.56",
        file: "nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_x86_64.whl",
        sha256: "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
        megabytes: 366,
    },
    Wheel {
        name: "nvidia-cufft",
        version: "12.0.0.61",
        file: "nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
        megabytes: 214,
    },
    Wheel {
        name: "nvidia-cufile",
        version: "1.15.1.6",
        file: "nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
        megabytes: 1,
    },
    Wheel {
        name: "nvidia-curand",
        version: "10.4.0.35",
        file: "nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl",
        sha256: "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
        megabytes: 60,
    },
    Wheel {
        name: "nvidia-cusolver",
        version: "12.0.4.66",
        file: "nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl",
        sha256: "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
        megabytes: 201,
    },
    Wheel {
        name: "nvidia-cusparse",
        version: "12.6.3.3",
        file: "nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
        megabytes: 146,
    },
    Wheel {
        name: "nvidia-cusparselt-cu13",
        version: "0.8.0",
        file: "nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_x86_64.whl",
        sha256: "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
        megabytes: 170,
    },
    Wheel {
        name: "nvidia-nccl-cu13",
        version: "2.28.9",
        file: "nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl",
        sha256: "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
        megabytes: 196,
    },
    Wheel {
        name: "nvidia-nvjitlink",
        version: "13.0.88",
        file: "nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
        sha256: "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
        megabytes: 41,
    },
    Wheel {
        name: "nvidia-nvshmem-cu13",
        version: "3.4.5",
        file: "nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        sha256: "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
        megabytes: 60,
    },
    Wheel {
        name: "nvidia-nvtx",
        version: "13.0.85",
        file: "nvidia_nvtx-13.0.85-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl",
        sha256: "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4",
        megabytes: 1,
    },
];

/// The platform tags that the wheels above carry. pip does not look below the tag it is given.
const PLATFORMS: [&str; 8] = [
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_25_x86_64",
    "manylinux_2_18_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux2014_x86_64",
    "manylinux_2_12_x86_64",
    "manylinux_2_5_x86_64",
];

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
