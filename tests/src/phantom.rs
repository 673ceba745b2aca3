//! The pretended GPU of `tests/phantom-cuda`: built once for its sources and libtorch, lent to commands, and asked what
//! it was asked to do. It is tried itself here; what runs on it stands in the modules `on_cuda*`.

use crate::support::{Outcome, Project, built};
use serde_json::Value;
use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

/// The program that tries the library, and the library beside it; all other sources make the library.
const STRICT: &str = "strict.cpp";
const NCCL: &str = "nccl.cpp";

/// Has a command find the pretended GPU where it looks for libtorch's CUDA half.
pub(crate) fn lend(command: &mut Command) -> &mut Command {
    command.env("ITERIT_LIBTORCH_CUDA", folder())
}

/// The same, with a report into a file of the project.
pub(crate) fn lend_counted<'a>(command: &'a mut Command, report: &Path) -> &'a mut Command {
    lend(command).env("PHANTOM_REPORT", report)
}

/// The folder of `libtorch_cuda.so`.
pub(crate) fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build)
}

/// What the devices of a process were asked to do.
pub(crate) struct Report(Value);

impl Report {
    pub(crate) fn read(project: &Project, name: &str) -> Self {
        Self(serde_json::from_str(&project.read(name)).expect("a report"))
    }

    /// The same of one of several ranks.
    pub(crate) fn of_rank(project: &Project, name: &str, rank: usize) -> Self {
        match rank {
            0 => Self::read(project, name),
            _ => Self::read(project, &format!("{name}.{rank}")),
        }
    }

    /// A number by its place, such as `/copies_in/count`; 0 where the report does not have it.
    pub(crate) fn number(&self, place: &str) -> u64 {
        self.0.pointer(place).map_or(0, |number| number.as_u64().expect("a count"))
    }

    /// How often a collective of NCCL was asked for, and with how many bytes.
    pub(crate) fn collective(&self, name: &str) -> [u64; 2] {
        ["count", "bytes"].map(|what| self.number(&format!("/collectives/{name}/{what}")))
    }

    /// How often the kernels of an operator of ATen ran.
    pub(crate) fn launches_of(&self, operator: &str) -> u64 {
        self.number(&format!("/launches_by_operator/aten::{operator}"))
    }

    /// The devices whose memory was used.
    pub(crate) fn devices(&self) -> Vec<&str> {
        let peaks = self.0["peak_bytes"].as_object().expect("peaks");
        peaks.keys().map(String::as_str).collect()
    }
}

/// Builds beside the other things that cargo built, under a name that stands for everything it is made from.
fn build() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("phantom-cuda");
    let libtorch =
        PathBuf::from(std::env::var_os("LIBTORCH").expect("cargo says where libtorch is"));
    let target = built().host.ancestors().nth(2).expect("cargo's folder").join("phantom-cuda");
    let home = target.join(format!("{:016x}", fingerprint(&sources, &libtorch)));
    if home.join("strict").exists() {
        return home;
    }
    fs::create_dir_all(&target).expect("a folder");
    let workshop = tempfile::tempdir_in(&target).expect("a folder");
    compile(&sources, &libtorch, workshop.path());
    link(&libtorch, workshop.path());
    // Another process may have been faster; what it made is the same.
    let made = workshop.keep();
    if fs::rename(&made, &home).is_err() {
        assert!(home.join("strict").exists(), "`{}` cannot be put in place", home.display());
        fs::remove_dir_all(&made).expect("an own folder");
    }
    home
}

fn fingerprint(sources: &Path, libtorch: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut paths: Vec<PathBuf> = fs::read_dir(sources)
        .expect("sources")
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    paths.push(libtorch.join("build-version"));
    for path in paths {
        (path.file_name(), fs::read(&path).expect("a file")).hash(&mut hasher);
    }
    hasher.finish()
}

/// Every source to an object, as many at a time as there are processors.
fn compile(sources: &Path, libtorch: &Path, workshop: &Path) {
    let is_source = |path: &PathBuf| path.extension().is_some_and(|it| it == "cpp");
    let paths = fs::read_dir(sources).expect("sources").map(|entry| entry.expect("a file").path());
    let mut paths: Vec<PathBuf> = paths.filter(is_source).collect();
    paths.sort();
    let at_once = thread::available_parallelism().map_or(1, Into::into);
    let include = libtorch.join("include");
    for some in paths.chunks(at_once) {
        thread::scope(|scope| {
            for path in some {
                let mut gpp = compiler();
                gpp.args(["-std=c++17", "-O0", "-fPIC", "-c", "-isystem"])
                    .arg(&include)
                    .arg("-isystem")
                    .arg(include.join("torch/csrc/api/include"))
                    .arg(path)
                    .arg("-o")
                    .arg(workshop.join(path.file_name().expect("a name")).with_extension("o"));
                scope.spawn(move || Outcome::of(&mut gpp).succeeded());
            }
        });
    }
}

fn link(libtorch: &Path, workshop: &Path) {
    let object = |source: &str| workshop.join(source).with_extension("o");
    let apart = [STRICT, NCCL].map(object);
    let paths = fs::read_dir(workshop).expect("objects").map(|it| it.expect("a file").path());
    let objects = paths.filter(|it| it.extension().is_some_and(|it| it == "o"));
    let objects: Vec<PathBuf> = objects.filter(|it| !apart.contains(it)).collect();
    let library = libtorch.join("lib");
    let linked = |mut gpp: Command| {
        gpp.arg("-L").arg(&library).args(["-ltorch_cpu", "-lc10", "-ldl"]);
        Outcome::of(&mut gpp).succeeded();
    };
    let mut gpp = compiler();
    gpp.arg("-shared").args(objects).arg("-o").arg(workshop.join("libtorch_cuda.so"));
    linked(gpp);
    // It speaks to the devices of the library that the process has.
    let mut gpp = compiler();
    gpp.args(["-shared", "-Wl,-soname,libnccl.so.2", "-pthread"]).arg(object(NCCL));
    gpp.arg("-o").arg(workshop.join("libnccl.so.2"));
    linked(gpp);
    let mut gpp = compiler();
    gpp.arg(object(STRICT)).arg("-o").arg(workshop.join("strict"));
    gpp.arg(format!("-Wl,-rpath,{}", library.display()));
    linked(gpp);
}

fn compiler() -> Command {
    Command::new(std::env::var_os("CXX").unwrap_or_else(|| "g++".into()))
}

/// What a real GPU would not forgive is not forgiven here, and what it computes is what the CPU computes.
#[test]
fn the_pretended_gpu_is_strict() {
    let cases = [
        "mixing",
        "unwritten",
        "memory",
        "pinned-in",
        "pinned-out",
        "norm",
        "attention",
        "varlen",
        "lists",
        "collectives",
        "host-read",
    ];
    for case in cases {
        let memory = if case == "memory" { 8 << 20 } else { 1 << 30 };
        let mut strict = Command::new(folder().join("strict"));
        strict.arg(folder().join("libtorch_cuda.so")).arg(case);
        strict.env("PHANTOM_DEVICES", "2").env("PHANTOM_MEMORY", memory.to_string());
        let outcome = Outcome::of(strict.env("OMP_NUM_THREADS", "1"));
        // Ended by a signal, for it read what only a device may read.
        let expected = if case == "host-read" { None } else { Some(0) };
        assert_eq!(outcome.code, expected, "{case}: {outcome}");
    }
}
