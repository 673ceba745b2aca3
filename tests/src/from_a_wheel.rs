//! The wheel of `cargo xtask wheel`, put by pip into an environment that has a torch: the program runs from
//! there, on that torch and on the CUDA half that lies with it. The torch is this build's libtorch, laid out as
//! pip lays out the package, with the pretended GPU in it.

use crate::phantom;
use crate::support::{Outcome, Project, built, data};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

#[test]
fn doctor_names_the_torch_beside_the_program_once() {
    let said = Outcome::of(installed().program().arg("doctor")).succeeded().stdout;
    let folder = installed().torch().display().to_string();
    let of = |name: &str| -> Vec<&str> { said.lines().filter(|it| it.starts_with(name)).collect() };
    assert_eq!(of("libtorch"), [format!("libtorch    2.11.0+pretended in {folder}")], "{said}");
    let cuda_half = of("cuda half");
    assert_eq!(cuda_half.len(), 1, "{said}");
    assert!(
        cuda_half[0].contains(&format!("`{folder}`, beside libtorch; for CUDA 13.0")),
        "{said}"
    );
    assert!(of("cuda ").iter().any(|it| it.contains("cuda:0")), "{said}");
    assert!(said.contains("site-packages/iterit/_native/lib/iterit/plugins/"), "{said}");
}

/// To the byte what the program does as it was built.
#[test]
fn a_run_on_cuda_is_that_of_the_program_as_it_was_built() {
    let project = Project::new();
    let text = fs::read(data("demo/instructions.json")).expect("the demo's data");
    let rows: Vec<Value> = serde_json::from_slice(&text).expect("JSON");
    project.write("data.json", Value::from(rows[..24].to_vec()).to_string());
    let train = |program: &mut Command, out: &str| {
        program
            .current_dir(project.path("."))
            .args(["--plugins", "ifd,diversity", "--ratio", "8", "--device", "cuda", "--out", out])
            .args(["--data", "data.json", "--set", "train.epochs=1", "--set", "train.batch=4"])
            .arg("--model")
            .arg(data("demo/model"));
        Outcome::of(program).succeeded();
    };
    train(installed().program().env("PHANTOM_REPORT", project.path("report.json")), "installed");
    train(phantom::lend(&mut project.host()), "built");
    let report = phantom::Report::read(&project, "report.json");
    assert!(report.number("/launches") > 100, "the device was asked to do something");
    for file in ["model/model.safetensors", "epochs/0/losses.jsonl", "epochs/0/selection.json"] {
        let [installed, built] = ["installed", "built"]
            .map(|run| fs::read(project.path(run).join(file)).expect("a run leaves it"));
        assert!(installed == built, "{file} differs");
    }
}

/// A Python environment with a torch and with the wheel.
struct Installed {
    project: Project,
}

/// One for all tests: to make it takes seconds.
fn installed() -> &'static Installed {
    static INSTALLED: OnceLock<Installed> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let installed = Installed { project: Project::new() };
        let mut venv = python();
        Outcome::of(venv.args(["-m", "venv", "--without-pip"]).arg(installed.venv())).succeeded();
        installed.lay_out_torch();
        let wheel = installed.wheel();
        let mut pip = python();
        pip.args(["-m", "pip", "--python"]).arg(installed.venv().join("bin/python"));
        pip.args(["install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]);
        Outcome::of(pip.arg(wheel)).succeeded();
        installed
    })
}

impl Installed {
    /// What pip made, about to run without any of the variables that lead to this build.
    fn program(&self) -> Command {
        let mut program = Command::new(self.venv().join("bin/iterit-host"));
        let leading = ["LD_LIBRARY_PATH", "LIBTORCH", "ITERIT_PLUGIN_PATH", "ITERIT_LIBTORCH_CUDA"];
        for name in leading {
            program.env_remove(name);
        }
        program.env("VIRTUAL_ENV", self.venv()).env("OMP_NUM_THREADS", "1");
        program
    }

    fn torch(&self) -> PathBuf {
        self.site_packages().join("torch/lib")
    }

    fn venv(&self) -> PathBuf {
        self.project.path("venv").canonicalize().unwrap_or_else(|_| self.project.path("venv"))
    }

    /// `lib/pythonX.Y/site-packages`.
    fn site_packages(&self) -> PathBuf {
        let versions = fs::read_dir(self.venv().join("lib")).expect("a venv has its packages");
        let version = versions.map(|it| it.expect("a folder").path()).next();
        version.expect("a folder of this Python").join("site-packages")
    }

    fn lay_out_torch(&self) {
        fs::create_dir_all(self.torch()).expect("a folder");
        let libtorch = PathBuf::from(std::env::var_os("LIBTORCH").expect("cargo says where it is"));
        let libraries = fs::read_dir(libtorch.join("lib")).expect("libtorch's libraries");
        let libraries = libraries.map(|it| it.expect("a file").path());
        for library in libraries.chain([phantom::folder().join("libtorch_cuda.so")]) {
            let place = self.torch().join(library.file_name().expect("a name"));
            // No symbolic link: the program would take what lies where it leads to for the neighbours.
            let linked = fs::hard_link(&library, &place);
            linked.or_else(|_| fs::copy(&library, &place).map(drop)).expect("half a gigabyte");
        }
        let write = |name: &str, text: &str| {
            let path = self.site_packages().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        };
        write("torch/__init__.py", "raise ImportError('nobody needs to import it')\n");
        write("torch/version.py", "__version__ = '2.11.0+pretended'\ncuda: str = '13.0'\n");
        let about = "Metadata-Version: 2.1\nName: torch\nVersion: 2.11.0+pretended\n";
        write("torch-2.11.0+pretended.dist-info/METADATA", about);
    }

    /// The wheel of this build.
    fn wheel(&self) -> PathBuf {
        // Built first, so that the profile's programs are there and stay as they are.
        let target = built().host.parent().expect("cargo's folder");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        let mut xtask = Command::new(target.join("xtask"));
        xtask.args(["wheel", "--profile", profile, "--out"]).arg(self.project.path("wheels"));
        // As cargo would start it.
        xtask.env("CARGO_MANIFEST_DIR", root.join("tests/xtask")).current_dir(root);
        let said = Outcome::of(&mut xtask).succeeded();
        let path = said.stdout.lines().last().expect("the wheel's path").to_owned();
        assert!(path.contains("iterit_host-") && path.ends_with(".whl"), "{said}");
        root.join(path)
    }
}

fn python() -> Command {
    Command::new("python3")
}
