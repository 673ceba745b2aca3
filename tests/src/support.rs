//! What tests of the whole program share: the host and its plugins, built; a folder to run in; a
//! run's outcome.

use serde_json::Value;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Where cargo put what it built.
#[derive(Debug)]
pub(crate) struct Built {
    /// The binary `iterit-host`.
    pub(crate) host: PathBuf,
    /// The folder with the plugins' dylibs.
    pub(crate) plugins: PathBuf,
}

/// The host and all plugins, in the profile of these tests. Cargo is asked once a run of the tests;
/// after `cargo xtask test` it has nothing left to build.
pub(crate) fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(build)
}

/// An empty folder to run the host in. It is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// A new folder.
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The path of something in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders it lies in.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("create folders");
        std::fs::write(&path, content).expect("write a file");
        path
    }

    /// What a file holds.
    pub(crate) fn read(&self, name: &str) -> String {
        let path = self.path(name);
        std::fs::read_to_string(&path).unwrap_or_else(|it| panic!("`{}`: {it}", path.display()))
    }

    /// Every file below the folder, relative to it and sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        gather(self.folder.path(), self.folder.path(), &mut files);
        files.retain(|file| !file.ends_with('/'));
        files.sort();
        files
    }

    /// Every file and, with a slash behind it, every folder below the folder, sorted.
    pub(crate) fn entries(&self) -> Vec<String> {
        let mut entries = Vec::new();
        gather(self.folder.path(), self.folder.path(), &mut entries);
        entries.sort();
        entries
    }

    /// The host, about to run in this folder, with our plugins and one thread of libtorch's.
    pub(crate) fn host(&self) -> Command {
        let mut host = Command::new(&built().host);
        host.current_dir(self.folder.path())
            .env("ITERIT_PLUGIN_PATH", &built().plugins)
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::null());
        host
    }

    /// Runs the host to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Outcome {
        Outcome::of(self.host().args(arguments))
    }
}

/// How a program ended, and what it said.
pub(crate) struct Outcome {
    /// Its exit code; nothing where a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to stdout.
    pub(crate) stdout: String,
    /// What it wrote to stderr.
    pub(crate) stderr: String,
}

impl Outcome {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap_or_else(|it| panic!("cannot start {command:?}: {it}"));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Itself, if all went well.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// Itself, if it failed with this code and said each of these.
    pub(crate) fn failed(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        for words in said {
            assert!(self.stderr.contains(words), "does not say `{words}`\n{self}");
        }
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit code {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A file of `tests/data`, such as `demo/model`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

/// A model of `tests/golden/models`.
pub(crate) fn checkpoint(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/models").join(name)
}

/// The lines of a `scores.jsonl`.
pub(crate) fn scores_of(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// What a build says it made, of cargo's messages in JSON. They are read by hand: a crate that knows them
/// switches on a feature of `serde_json`, and all that stands on it would be built once more for the tests.
pub(crate) fn artifacts(messages: &[u8]) -> Vec<Value> {
    let lines = messages.split(|it| *it == b'\n').filter(|line| !line.is_empty());
    let messages =
        lines.map(|it| serde_json::from_slice::<Value>(it).expect("a message of cargo's"));
    messages.filter(|it| it["reason"] == "compiler-artifact").collect()
}

/// The dylib that an artifact is.
pub(crate) fn dylib_of(artifact: &Value) -> Option<PathBuf> {
    let mut kinds = artifact["target"]["kind"].as_array()?.iter();
    let mut files = artifact["filenames"].as_array()?.iter().filter_map(Value::as_str);
    let is_dylib = kinds.any(|it| it == "cdylib");
    is_dylib.then(|| files.find(|it| it.ends_with(".so")).map(PathBuf::from))?
}

fn build() -> Built {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--message-format=json-render-diagnostics", "--profile", profile])
        // With a test among what is built, features are those of `cargo test`. Else both would
        // write the same libraries with different features, each over the other's.
        .args(["--workspace", "--lib", "--bins", "--test", "iterit"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stderr(Stdio::inherit());
    let output = cargo.output().unwrap_or_else(|it| panic!("cannot start {cargo:?}: {it}"));
    assert!(output.status.success(), "the host and the plugins do not build");

    let (mut host, mut plugins) = (None, None);
    for artifact in artifacts(&output.stdout).iter().filter(|it| it["profile"]["test"] == false) {
        if artifact["target"]["name"] == "iterit-host" {
            host = artifact["executable"].as_str().map(PathBuf::from).or(host);
        } else if let Some(dylib) = dylib_of(artifact) {
            plugins = dylib.parent().map(Path::to_owned).or(plugins);
        }
    }
    Built { host: host.expect("a host"), plugins: plugins.expect("plugins") }
}

fn gather(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if path.is_dir() {
            gather(root, &path, files);
            files.push(name + "/");
        } else {
            files.push(name);
        }
    }
}
