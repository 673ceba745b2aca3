//! libtorch, provisioned: whole or not at all; and its CUDA half in the same way.
//!
//! Everything is made in a folder beside the place it belongs, and put there by one rename.
//! Downloaded wheels stay in that folder until the end, so an interrupted set-up goes on where it
//! was; at the end the folder is gone.

use crate::error::{Error, Result};
use crate::unpack::{self, CUDA_LIBRARIES, LIBRARIES};
use crate::wheel::{self, CUDA_WHEELS, WHEELS, Wheel};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The file that says of a folder what it was made from. It is written last.
const RECEIPT: &str = "provisioned.json";

/// Something that is taken out of wheels into a folder.
pub(crate) struct Part {
    name: &'static str,
    wheels: &'static [Wheel],
    /// What has to be there in the end and is too large to be hashed each time: its size is kept.
    libraries: &'static [&'static str],
    /// What has to be there as well.
    files: &'static [&'static str],
    unpack: fn(&Path, &Path) -> Result<()>,
    finish: fn(&Path) -> Result<()>,
}

/// What a build and a run on the CPU need.
pub(crate) const LIBTORCH: Part = Part {
    name: "libtorch",
    wheels: &WHEELS,
    libraries: &LIBRARIES,
    files: &["lib/libtorch.so", "include/torch", "build-version"],
    unpack: unpack::unpack,
    finish: unpack::link_libtorch,
};

/// What a run on a GPU needs, laid out as in a Python environment: the libraries look for each other so.
pub(crate) const CUDA_HALF: Part = Part {
    name: "libtorch's CUDA half",
    wheels: &CUDA_WHEELS,
    libraries: &CUDA_LIBRARIES,
    files: &["torch/version.py"],
    unpack: unpack::unpack_cuda,
    finish: |_| Ok(()),
};

impl Part {
    /// Puts it into `folder`, unless it is there.
    pub(crate) fn provision(&self, folder: &Path) -> Result<()> {
        let (name, version) = (self.name, WHEELS[0].version);
        if self.is_complete(folder) {
            eprintln!("{name} {version} is in `{}`", folder.display());
            return Ok(());
        }
        let _alone = wait_for_others(folder)?;
        if self.is_complete(folder) {
            return Ok(());
        }
        wheel::check_pip()?;
        let workshop = workshop_of(folder);
        let tree = workshop.join("tree");
        eprintln!("setting up {name} {version} in `{}`", folder.display());
        self.make_tree(&workshop, &tree)?;
        self.put_in_place(&tree, folder, &workshop.join("replaced"))?;
        fs::remove_dir_all(&workshop).map_err(Error::io("remove", &workshop))?;
        eprintln!("{name} {version} is ready");
        Ok(())
    }

    /// Whether `folder` holds what these wheels give, as far as its receipt and sizes tell.
    fn is_complete(&self, folder: &Path) -> bool {
        let receipt = fs::read(folder.join(RECEIPT)).ok();
        receipt.and_then(|bytes| serde_json::from_slice(&bytes).ok()).is_some_and(|said: Value| {
            self.receipt_of(folder).is_ok_and(|found| said == found)
                && self.files.iter().all(|file| folder.join(file).exists())
        })
    }

    /// What the receipt of a folder has to say: the wheels, and the size of each library.
    fn receipt_of(&self, folder: &Path) -> Result<Value> {
        let mut sizes = serde_json::Map::new();
        for path in self.paths(folder) {
            let size = fs::metadata(&path).map_err(Error::io("find", &path))?.len();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            sizes.insert(name.into(), size.into());
        }
        let wheels: Value =
            self.wheels.iter().map(|it| (it.file.to_owned(), Value::from(it.sha256))).collect();
        Ok(json!({ "wheels": wheels, "libraries": sizes }))
    }

    /// Where the libraries lie: by their paths, or, where they are bare names, in `lib`.
    fn paths(&self, folder: &Path) -> Vec<PathBuf> {
        let place = |name: &&str| match name.contains('/') {
            true => folder.join(name),
            false => folder.join("lib").join(name),
        };
        self.libraries.iter().map(place).collect()
    }

    fn make_tree(&self, workshop: &Path, tree: &Path) -> Result<()> {
        let downloads = workshop.join("wheels");
        fs::create_dir_all(&downloads).map_err(Error::io("create", &downloads))?;
        if tree.exists() {
            fs::remove_dir_all(tree).map_err(Error::io("remove", tree))?;
        }
        // All are fetched before any is unpacked, so that an interruption costs seconds.
        let fetched = self.wheels.iter().map(|it| wheel::fetch(it, &downloads));
        let wheels = fetched.collect::<Result<Vec<_>>>()?;
        for (wheel, path) in self.wheels.iter().zip(&wheels) {
            eprintln!("  {} {}: unpacking", wheel.name, wheel.version);
            (self.unpack)(path, tree)?;
        }
        (self.finish)(tree)?;
        let receipt = tree.join(RECEIPT);
        let text = format!("{:#}\n", self.receipt_of(tree)?);
        fs::write(&receipt, text).map_err(Error::io("write", &receipt))
    }

    /// Renames `tree` to `folder`. What was there is moved aside first, for a rename replaces no
    /// folder that holds something.
    fn put_in_place(&self, tree: &Path, folder: &Path, aside: &Path) -> Result<()> {
        for path in self.paths(tree) {
            File::open(&path).and_then(|it| it.sync_all()).map_err(Error::io("write", &path))?;
        }
        if folder.exists() {
            if aside.exists() {
                fs::remove_dir_all(aside).map_err(Error::io("remove", aside))?;
            }
            fs::rename(folder, aside).map_err(Error::io("move", folder))?;
        }
        fs::rename(tree, folder).map_err(Error::io("create", folder))
    }
}

/// Checks a libtorch that the user brought along.
pub(crate) fn check_own(folder: &Path) -> Result<()> {
    let refuse = |what: String| {
        Err(Error::Told(format!(
            "LIBTORCH is `{}`: {what}\nhint: unset LIBTORCH to have libtorch {} set up for you",
            folder.display(),
            WHEELS[0].version
        )))
    };
    if !folder.is_absolute() {
        return refuse("a relative path means another folder to every crate".into());
    }
    for needed in ["lib/libtorch_cpu.so", "lib/libc10.so", "include/torch/csrc/api/include/torch"] {
        if !folder.join(needed).exists() {
            return refuse(format!("`{needed}` is missing"));
        }
    }
    match version_of(folder) {
        Some(version) if version.starts_with("2.11.") => {
            eprintln!("using your libtorch {version} in `{}`", folder.display());
            Ok(())
        }
        Some(version) => refuse(format!("its version is {version}, expected 2.11")),
        None => refuse("neither `build-version` nor its headers say a version".into()),
    }
}

/// Holds others off the workspace's libtorch until it is dropped: two set-ups at the same time
/// would write into the same workshop.
fn wait_for_others(folder: &Path) -> Result<File> {
    let home = folder.parent().unwrap_or(folder);
    let lock = File::open(home).map_err(Error::io("open", home))?;
    if lock.try_lock().is_err() {
        eprintln!("waiting for another set-up to finish");
        lock.lock().map_err(Error::io("lock", home))?;
    }
    Ok(lock)
}

fn workshop_of(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    folder.with_file_name(name)
}

/// The version a libtorch says it has: archives carry a file, Python's folder only the headers.
fn version_of(folder: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return Some(text.trim().to_owned());
    }
    let header = fs::read_to_string(folder.join("include/torch/headeronly/version.h")).ok()?;
    let number = |part: &str| {
        let line = format!("#define TORCH_VERSION_{part} ");
        header.lines().find_map(|it| it.strip_prefix(&line)).map(str::trim)
    };
    Some(format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like libtorch, without its half gigabyte.
    fn fake(folder: &Path) {
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::create_dir_all(folder.join("include/torch/csrc/api/include/torch")).unwrap();
        for name in LIBRARIES {
            fs::write(folder.join("lib").join(name), name).unwrap();
        }
        fs::write(folder.join("build-version"), "2.11.0+cu130").unwrap();
        unpack::link_libtorch(folder).unwrap();
    }

    fn write_receipt(folder: &Path) {
        fs::write(folder.join(RECEIPT), LIBTORCH.receipt_of(folder).unwrap().to_string()).unwrap();
    }

    #[test]
    fn a_folder_is_complete_with_its_receipt_and_only_then() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("libtorch");
        assert!(!LIBTORCH.is_complete(&folder));
        fake(&folder);
        assert!(!LIBTORCH.is_complete(&folder), "no receipt");
        write_receipt(&folder);
        assert!(LIBTORCH.is_complete(&folder));
        fs::write(folder.join("lib/libc10.so"), "cut").unwrap();
        assert!(!LIBTORCH.is_complete(&folder), "a library was cut off");
    }

    #[test]
    fn a_complete_folder_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("libtorch");
        fake(&folder);
        write_receipt(&folder);
        LIBTORCH.provision(&folder).unwrap();
        assert!(!workshop_of(&folder).exists());
    }

    #[test]
    fn the_new_tree_replaces_what_was_there() {
        let home = tempfile::tempdir().unwrap();
        let [tree, folder, aside] = ["tree", "libtorch", "aside"].map(|it| home.path().join(it));
        fake(&tree);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("old"), "old").unwrap();
        LIBTORCH.put_in_place(&tree, &folder, &aside).unwrap();
        assert!(folder.join("lib/libtorch_cpu.so").exists() && !folder.join("old").exists());
        assert!(!tree.exists() && aside.join("old").exists());
    }

    #[test]
    fn a_users_own_libtorch_is_checked() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("mine");
        let message = || check_own(&folder).unwrap_err().to_string();
        assert!(message().contains("`lib/libtorch_cpu.so` is missing"), "{}", message());
        fake(&folder);
        check_own(&folder).unwrap();
        fs::write(folder.join("build-version"), "2.12.1\n").unwrap();
        assert!(message().contains("version is 2.12.1, expected 2.11"), "{}", message());
        fs::remove_file(folder.join("build-version")).unwrap();
        assert!(message().contains("say a version"), "{}", message());
        let header = "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 11\n\
                      #define TORCH_VERSION_PATCH 0\n";
        fs::create_dir_all(folder.join("include/torch/headeronly")).unwrap();
        fs::write(folder.join("include/torch/headeronly/version.h"), header).unwrap();
        check_own(&folder).unwrap();
        assert!(check_own(Path::new("mine")).unwrap_err().to_string().contains("relative"));
    }
}
