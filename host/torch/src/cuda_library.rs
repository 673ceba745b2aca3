//! Where libtorch's CUDA half may lie, whose it is and of which version. Reads files and asks Python where it keeps
//! its packages; loads nothing, and knows nothing of devices.

use crate::shim;
use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder with a `libtorch_cuda.so` of the same libtorch version: `torch/lib` of an installed PyTorch, say. Where it
/// is set, no other place is looked at.
pub const CUDA_LIBRARIES_VARIABLE: &str = "ITERIT_LIBTORCH_CUDA";

const LIBRARY: &str = "libtorch_cuda.so";

/// Whose word it is that a library lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The variable's.
    Named,
    /// It lies beside libtorch_cpu.so.
    Beside,
    /// `cargo xtask setup --cuda` put it into a folder beside libtorch's.
    Provisioned,
    /// This Python's, which has PyTorch installed.
    Python(PathBuf),
}

/// A folder in which the library lies, or should lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) folder: PathBuf,
    pub(crate) origin: Origin,
    pub(crate) versions: Versions,
}

/// What the files around a library say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Versions {
    /// Of torch, such as `2.11.0+cu130`.
    pub(crate) torch: Option<String>,
    /// Of CUDA, such as `13.0`.
    pub(crate) cuda: Option<String>,
}

/// Every place that counts, the first that will do first.
pub(crate) fn candidates() -> Vec<Candidate> {
    if let Some(folder) = env::var_os(CUDA_LIBRARIES_VARIABLE) {
        return vec![Candidate::new(folder.into(), Origin::Named)];
    }
    together(candidates_at_hand(), of_python())
}

/// A program that was installed into a Python environment finds that Python's torch beside itself already.
fn together(mut found: Vec<Candidate>, of_python: Option<Candidate>) -> Vec<Candidate> {
    let place = |it: &Candidate| it.folder.canonicalize().unwrap_or_else(|_| it.folder.clone());
    let is_new = |it: &Candidate| found.iter().all(|other| place(other) != place(it));
    let of_python = of_python.filter(is_new);
    found.extend(of_python);
    found
}

/// Those that are found without asking Python.
pub(crate) fn candidates_at_hand() -> Vec<Candidate> {
    if let Some(folder) = env::var_os(CUDA_LIBRARIES_VARIABLE) {
        return vec![Candidate::new(folder.into(), Origin::Named)];
    }
    let Some(beside) = shim::libtorch_folder() else { return Vec::new() };
    let provisioned = provisioned_beside(&beside);
    let provisioned = provisioned.map(|folder| Candidate::new(folder, Origin::Provisioned));
    [Candidate::new(beside, Origin::Beside)].into_iter().chain(provisioned).collect()
}

/// `.libtorch-cuda/torch/lib` for a libtorch in `.libtorch/lib`.
fn provisioned_beside(libraries: &Path) -> Option<PathBuf> {
    let root = if libraries.ends_with("lib") { libraries.parent()? } else { libraries };
    let mut name = root.file_name()?.to_owned();
    name.push("-cuda");
    Some(root.with_file_name(name).join("torch/lib"))
}

/// The library to load.
///
/// # Errors
/// Names every place that was looked at, and what is wrong with it.
pub(crate) fn choose(candidates: &[Candidate]) -> Result<Candidate, String> {
    let suits = |it: &&Candidate| it.has_library() && it.is_of_our_version();
    if let Some(candidate) = candidates.iter().find(suits) {
        return Ok(candidate.clone());
    }
    let named = candidates.iter().any(|candidate| candidate.origin == Origin::Named);
    let others = candidates.iter().filter(|it| !it.is_of_our_version() || it.is_of_python());
    let mut faults: Vec<String> = others.map(Candidate::to_string).collect();
    let empty: Vec<String> = candidates
        .iter()
        .filter(|it| !it.has_library() && !it.is_of_python())
        .map(|it| format!("`{}`", it.folder.display()))
        .collect();
    if !empty.is_empty() {
        faults.insert(0, format!("found no {LIBRARY} in {}", empty.join(", ")));
    }
    let hint =
        if named { "set" } else { "install torch 2.11 into the active Python environment, set" };
    Err(format!(
        "{}\nhint: {hint} {CUDA_LIBRARIES_VARIABLE} to the `torch/lib` folder of an installed PyTorch {}, or \
         use --device cpu",
        faults.join("; "),
        crate::LIBTORCH_VERSION,
    ))
}

impl Candidate {
    fn new(folder: PathBuf, origin: Origin) -> Self {
        Self { versions: Versions::beside(&folder), folder, origin }
    }

    pub(crate) fn library(&self) -> PathBuf {
        self.folder.join(LIBRARY)
    }

    pub(crate) fn has_library(&self) -> bool {
        self.library().exists()
    }

    /// A version that nobody says is ours until the library fails to load.
    pub(crate) fn is_of_our_version(&self) -> bool {
        self.versions.torch.as_ref().is_none_or(|version| is_ours(version))
    }

    /// A folder without a library is worth a word where somebody meant it.
    pub(crate) fn is_worth_telling(&self) -> bool {
        self.has_library() || self.is_of_python() || self.origin == Origin::Named
    }

    fn is_of_python(&self) -> bool {
        matches!(self.origin, Origin::Python(_))
    }
}

/// Whose it is, which version, and whether it can be used.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.versions.torch {
            Some(version) => write!(f, "torch {version}")?,
            None => f.write_str("torch of no known version")?,
        }
        write!(f, " in `{}`", self.folder.display())?;
        match &self.origin {
            Origin::Named => write!(f, ", named by {CUDA_LIBRARIES_VARIABLE}")?,
            Origin::Beside => f.write_str(", beside libtorch")?,
            Origin::Provisioned => f.write_str(", set up beside libtorch")?,
            Origin::Python(python) => write!(f, ", of `{}`", python.display())?,
        }
        if !self.has_library() {
            f.write_str(" has no CUDA half")
        } else if !self.is_of_our_version() {
            write!(f, " is not torch {}", crate::LIBTORCH_VERSION)
        } else {
            Ok(())
        }
    }
}

impl Versions {
    /// From the file that PyTorch's package has, or from the one that an archive of libtorch has.
    pub(crate) fn beside(folder: &Path) -> Self {
        let Some(root) = folder.parent() else { return Self::default() };
        let script = fs::read_to_string(root.join("version.py")).unwrap_or_default();
        let archive = fs::read_to_string(root.join("build-version")).ok();
        Self {
            torch: assigned(&script, "__version__")
                .or_else(|| archive.map(|text| text.trim().to_owned())),
            cuda: assigned(&script, "cuda"),
        }
    }
}

fn is_ours(version: &str) -> bool {
    let rest = version.strip_prefix(crate::LIBTORCH_VERSION);
    rest.is_some_and(|rest| !rest.starts_with(|it: char| it.is_ascii_digit()))
}

/// The text that a line of Python gives a name: `name = 'text'` or `name: type = 'text'`.
fn assigned(script: &str, name: &str) -> Option<String> {
    script.lines().find_map(|line| {
        let (target, value) = line.split_once('=')?;
        let target = target.split(':').next()?.trim();
        let text = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        (target == name).then(|| text.to_owned())
    })
}

/// The torch of the active Python environment.
fn of_python() -> Option<Candidate> {
    let python = active_python()?;
    // Finds the package without running it, which would take seconds; the working folder is not looked at.
    let script = "import sys, importlib.util; sys.path = [it for it in sys.path if it]; \
                  found = importlib.util.find_spec('torch'); \
                  print(list(found.submodule_search_locations)[0] if found else '')";
    let mut command = Command::new(&python);
    let output = command.args(["-c", script]).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let package = text.trim();
    (!package.is_empty())
        .then(|| Candidate::new(Path::new(package).join("lib"), Origin::Python(python)))
}

/// Of the environment that is switched on, or the first on the PATH.
fn active_python() -> Option<PathBuf> {
    let switched_on = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os);
    let switched_on = switched_on.map(|folder| PathBuf::from(folder).join("bin"));
    let on_path = env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = env::split_paths(&on_path).collect();
    switched_on.chain(on_path).map(|folder| folder.join("python3")).find(|it| it.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torch(name: &str, version: &str) -> (tempfile::TempDir, Candidate) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(name).join("lib");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(LIBRARY), "").unwrap();
        let script = format!(
            "from typing import Optional\n__all__ = ['__version__']\n__version__ = '{version}'\n\
             debug = False\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n"
        );
        fs::write(folder.parent().unwrap().join("version.py"), script).unwrap();
        let candidate = Candidate::new(folder, Origin::Python("/env/bin/python3".into()));
        (home, candidate)
    }

    #[test]
    fn versions_are_read_from_the_files_around_a_library() {
        let (_home, candidate) = torch("torch", "2.11.0+cu130");
        let said = |text: &str| Some(text.to_owned());
        let expected = Versions { torch: said("2.11.0+cu130"), cuda: said("13.0") };
        assert_eq!(candidate.versions, expected);
        assert!(candidate.to_string().ends_with("lib`, of `/env/bin/python3`"), "{candidate}");
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("build-version"), "2.10.0\n").unwrap();
        let archive = Candidate::new(root.path().join("lib"), Origin::Named);
        assert_eq!(archive.versions, Versions { torch: said("2.10.0"), cuda: None });
        for (version, ours) in
            [("2.11", true), ("2.11.1", true), ("2.110.0", false), ("2.1", false)]
        {
            assert_eq!(is_ours(version), ours, "{version}");
        }
    }

    #[test]
    fn one_folder_is_one_place() {
        let ((_a, ours), (_b, other)) = (torch("torch", "2.11.0"), torch("torch", "2.10.0"));
        let beside = Candidate { origin: Origin::Beside, ..ours.clone() };
        let by_another_name = ours.folder.join("../../torch/lib");
        let named_so = Candidate { folder: by_another_name, ..ours.clone() };
        let alone = std::slice::from_ref(&beside);
        assert_eq!(together(alone.to_vec(), Some(named_so)), alone);
        assert_eq!(together(alone.to_vec(), None), alone);
        assert_eq!(together(vec![beside.clone()], Some(other.clone())), [beside, other]);
    }

    #[test]
    fn the_first_that_suits_is_chosen_and_the_others_are_named() {
        let ((_a, old), (_b, ours)) = (torch("old", "2.10.0"), torch("ours", "2.11.0+cu130"));
        let empty = Candidate::new("/nowhere".into(), Origin::Beside);
        let all = [empty.clone(), old.clone(), ours.clone()];
        assert_eq!(choose(&all), Ok(ours.clone()));
        let message = choose(&all[..2]).unwrap_err();
        assert!(
            message.starts_with("found no libtorch_cuda.so in `/nowhere`; torch 2.10.0 in "),
            "{message}"
        );
        assert!(
            message.contains("of `/env/bin/python3` is not torch 2.11\nhint: install torch 2.11"),
            "{message}"
        );
        fs::remove_file(ours.library()).unwrap();
        let message = choose(&[ours]).unwrap_err();
        assert!(
            message.contains("2.11.0+cu130 in ") && message.contains("has no CUDA half"),
            "{message}"
        );
        let named = Candidate { origin: Origin::Named, ..empty };
        let message = choose(&[named]).unwrap_err();
        assert!(message.contains("in `/nowhere`\nhint: set ITERIT_LIBTORCH_CUDA to"), "{message}");
    }
}
