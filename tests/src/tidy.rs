//! The house rules that a compiler does not check: who may depend on whom, modules in reading
//! order, a header on every file, files of a readable length, nothing left half-done.
//!
//! Each rule is a function from text to its breaches, tried on a made-up text first, so that a rule
//! which finds nothing is known to be able to.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines a file may have.
const LONGEST_FILE: usize = 600;

#[test]
fn crates_depend_on_whom_they_may() {
    let metadata = cargo_says(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo's JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    assert!(packages.len() > 8, "the workspace has its crates: {}", packages.len());
    let breaches: Vec<String> = packages.iter().flat_map(dependency_breaches).collect();
    assert_none(&breaches);
}

/// A feature that only a test's dependency switches on builds all that stands on that crate twice: for
/// `cargo xtask demo`, and once more for `cargo xtask test`. So do features of the tooling's dependencies.
#[test]
fn program_and_tests_are_built_with_one_set_of_features() {
    let packages = |selection: &[&str]| -> BTreeSet<String> {
        let tree = ["tree", "--locked", "--prefix", "none", "--format", "{p} with {f}"];
        let lines = cargo_says(&[&tree[..], selection].concat());
        lines.lines().map(|it| it.trim_end_matches(" (*)").to_owned()).collect()
    };
    let tested = packages(&["--workspace", "--edges", "normal,build,dev"]);
    let program = packages(&["--edges", "normal,build"]);
    assert!(program.len() > 100, "the program has its crates: {}", program.len());
    let other: Vec<_> = program.difference(&tested).collect();
    assert!(other.is_empty(), "the tests build these with other features: {other:#?}");
}

#[test]
fn modules_use_only_modules_listed_above_them() {
    let mut folders = BTreeMap::<PathBuf, Folder>::new();
    // Tests may look at everything.
    for file in sources().iter().filter(|it| !is_test_only(it)) {
        for module in Module::of(file) {
            let used = module.used(&read(file));
            let folder = folders.entry(module.folder).or_default();
            folder.listed = module.listed;
            folder.is_root = module.paths == ["crate::"];
            folder.used.entry(module.name).or_default().extend(used);
        }
    }
    assert!(folders.len() > 10, "{} folders", folders.len());
    let breaches = folders.iter().flat_map(|(path, folder)| {
        let name = path.strip_prefix(root()).unwrap_or(path).display().to_string();
        folder.order_breaches().into_iter().map(move |it| format!("{name}: {it}"))
    });
    assert_none(&breaches.collect::<Vec<_>>());
}

#[test]
fn a_module_used_before_its_turn_is_found() {
    let used = |paths: &[&str], text: &str| -> Vec<String> {
        let paths = paths.iter().map(|it| it.to_string()).collect();
        let module = Module { paths, ..Module::default() };
        module.used(text).into_iter().collect()
    };
    let root = ["crate::"];
    assert_eq!(used(&root, "use crate::error::Error;\nuse crate::text;"), ["error", "text"]);
    let group = "use crate::{Error, error, run::{Run, Epoch}, text::Text};";
    assert_eq!(used(&root, group), ["Error", "error", "run", "text"]);
    assert_eq!(used(&root, "fn f(x: &crate::text::Text, y: crate::run::R) {}"), ["run", "text"]);
    assert!(used(&root, "/// See [`crate::run`].\n// crate::run\n//! crate::run").is_empty());
    assert!(used(&root, "#[cfg(test)]\nmod tests {\n    use crate::run::Run;\n}").is_empty());
    let below = ["crate::a::", "super::"];
    assert_eq!(used(&below, "use super::{Kept, run::{self, Run}};"), ["Kept", "run"]);
    assert_eq!(used(&below, "use crate::a::run::Run;\nuse super::error::E;"), ["error", "run"]);
    assert!(used(&below, "use crate::run::Run;\nuse crate::b::super_::x;").is_empty());

    let check = |is_root, used: &[(&str, &[&str])]| {
        let name = |it: &&str| it.to_string();
        let used = used.iter().map(|(by, used)| (name(by), used.iter().map(name).collect()));
        let listed = ["error", "text", "run"].map(str::to_owned).into();
        Folder { is_root, listed, used: used.collect() }.order_breaches().len()
    };
    assert_eq!(check(true, &[("run", &["error", "text"]), ("text", &["error", "Text"])]), 0);
    assert_eq!(check(true, &[("error", &["text", "run"])]), 2);
    let circle: [(&str, &[&str]); 3] =
        [("text", &["run"]), ("run", &["text"]), ("error", &["run"])];
    assert_eq!((check(true, &circle), check(false, &circle)), (2, 1));
}

#[test]
fn ci_builds_with_the_oldest_rust_that_is_promised() {
    let manifest = read(&root().join("Cargo.toml"));
    let (_, version) = manifest.split_once("rust-version = \"").expect("a promise");
    let (version, _) = version.split_once('"').expect("its end");
    let workflow = read(&root().join(".github/workflows/ci.yml"));
    for used in ["toolchain install ", "cargo +"].map(|it| format!("{it}{version} ")) {
        assert!(workflow.contains(&used), "CI's job `msrv` does not say `{used}`");
    }
}

/// `plugins new` gives the SDK's source along; a file that was added and left out ended its build.
#[test]
fn a_new_plugin_gets_every_file_of_the_sdk() {
    let given = read(&root().join("host/src/plugins/new.rs"));
    let sdk = root().join("sdk");
    let ours = sources().into_iter().filter(|it| it.starts_with(&sdk) && !is_test_only(it));
    let names = ours.map(|it| it.strip_prefix(&sdk).expect("it lies there").display().to_string());
    let missing: Vec<String> = names.filter(|it| !given.contains(&format!("\"{it}\""))).collect();
    assert!(missing.is_empty(), "`plugins new` leaves out {missing:?}");
}

#[test]
fn every_file_says_first_what_it_is() {
    check_sources(|file| {
        let first = read(file).lines().next().unwrap_or_default().to_owned();
        if first.starts_with("//! ") { Vec::new() } else { vec![format!("starts with `{first}`")] }
    });
}

#[test]
fn files_can_be_read_in_one_go() {
    check_sources(|file| {
        let lines = read(file).lines().count();
        if lines <= LONGEST_FILE { Vec::new() } else { vec![format!("has {lines} lines")] }
    });
}

#[test]
fn nothing_is_left_half_done() {
    assert_eq!(half_done(&format!("fn f() {{ {}!() }}", "todo")).len(), 1);
    assert_eq!(half_done("fn f() { done() }").len(), 0);
    check_sources(|file| half_done(&read(file)));
}

/// What of a package's manifest breaks the dependency rule of `host/README.md`.
fn dependency_breaches(package: &Value) -> Vec<String> {
    let name = package["name"].as_str().expect("a package has a name");
    let is_plugin = Path::new(package["manifest_path"].as_str().unwrap_or_default())
        .ancestors()
        .nth(2)
        .is_some_and(|it| it.ends_with("plugins") || it.ends_with("bad-plugins"));
    let may_use: &[&str] = match name {
        "iterit-abi" | "iterit-jinja" | "xtask" => &[],
        "iterit-sdk" => &["iterit-abi"],
        "iterit-core" => &["iterit-jinja", "iterit-sdk"],
        "iterit-manifest" => &["iterit-abi", "iterit-sdk"],
        "iterit-torch" => &["iterit-core"],
        "iterit-host" => {
            &["iterit-abi", "iterit-core", "iterit-manifest", "iterit-sdk", "iterit-torch"]
        }
        _ if is_plugin => &["iterit-sdk"],
        // The tests call what needs no libtorch; the rest they reach through the binary.
        "iterit-tests" => &["iterit-core", "iterit-sdk", "iterit-plugin-*"],
        _ => return vec![format!("{name}: no rule says what it may depend on")],
    };
    let guarded = [
        ("tch", &["iterit-torch"][..]),
        ("torch-sys", &["iterit-torch"]),
        ("abi_stable", &["iterit-abi", "iterit-host"]),
        ("libloading", &["iterit-host"]),
    ];
    let mut breaches = Vec::new();
    for dependency in package["dependencies"].as_array().expect("a list of dependencies") {
        let used = dependency["name"].as_str().expect("a dependency has a name");
        let used_as = if used.starts_with("iterit-plugin-") { "iterit-plugin-*" } else { used };
        // The host's benchmark links in what the host loads.
        let is_benchmarked = name == "iterit-host" && dependency["kind"] == "dev";
        let is_allowed = may_use.contains(&used_as) || is_benchmarked;
        if used.starts_with("iterit-") && !is_allowed {
            breaches.push(format!("{name} must not depend on {used}"));
        }
        if guarded.iter().any(|(it, users)| *it == used && !users.contains(&name)) {
            breaches.push(format!("{name} must not depend on {used}"));
        }
        let is_core_on_sdk =
            name == "iterit-core" && used == "iterit-sdk" && dependency["kind"].is_null();
        if is_core_on_sdk && dependency["uses_default_features"] == true {
            breaches.push("iterit-core must take iterit-sdk without the ABI".into());
        }
    }
    breaches
}

/// The modules that one parent lists, and which each of them uses.
#[derive(Default)]
struct Folder {
    /// Of a crate; else of a module.
    is_root: bool,
    listed: Vec<String>,
    used: BTreeMap<String, BTreeSet<String>>,
}

impl Folder {
    /// Uses of modules that are listed below their user. Below the root modules that use each other,
    /// as those of an interpreter do, may stand in any order among themselves.
    fn order_breaches(&self) -> Vec<String> {
        let place = |name: &String| self.listed.iter().position(|it| it == name);
        let uses = self.used.iter().flat_map(|(by, used)| used.iter().map(move |used| (by, used)));
        let is_free = |by, used| !self.is_root && self.reaches(used, by);
        let below = uses.filter(|(by, used)| place(used) > place(by) && !is_free(*by, *used));
        below.map(|(by, used)| format!("`{by}` uses `{used}`, which is listed below it")).collect()
    }

    /// Whether one module uses another, itself or by way of others.
    fn reaches(&self, from: &String, to: &String) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(next) = open.pop() {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                open.extend(self.used.get(next).into_iter().flatten());
            }
        }
        false
    }
}

/// A module, and those beside it in the order in which their parent lists them.
#[derive(Default)]
struct Module {
    name: String,
    /// Where those beside it lie.
    folder: PathBuf,
    listed: Vec<String>,
    /// What stands before the name of one beside it: `crate::`, or `crate::run::` and `super::`.
    paths: Vec<String>,
}

impl Module {
    /// The modules that a file belongs to, from the crate's root down; nothing for crate roots, build
    /// scripts and examples.
    fn of(file: &Path) -> Vec<Self> {
        let Some(src) = file.ancestors().find(|it| it.ends_with("src")) else { return Vec::new() };
        let path = file.strip_prefix(src).expect("it lies there").with_extension("");
        let path: Vec<&str> = path.iter().filter_map(|it| it.to_str()).collect();
        let path = path.strip_suffix(&["mod"]).unwrap_or(&path);
        (0..path.len()).filter_map(|depth| Self::at(src, path, depth)).collect()
    }

    fn at(src: &Path, path: &[&str], depth: usize) -> Option<Self> {
        let parents = path[..depth].join("::");
        let folder = src.join(path[..depth].join("/"));
        let declaring = match depth {
            0 => ["lib.rs", "main.rs"].map(|it| src.join(it)),
            _ => [folder.with_extension("rs"), folder.join("mod.rs")],
        };
        let listed = modules_of(&read(declaring.iter().find(|it| it.exists())?));
        let name = path[depth].to_owned();
        let paths = match depth {
            0 => vec!["crate::".to_owned()],
            _ => vec![format!("crate::{parents}::"), "super::".repeat(path.len() - depth)],
        };
        listed.contains(&name).then_some(Self { name, folder, listed, paths })
    }

    /// What `text`, a file of this module, uses of what its parent has.
    fn used(&self, text: &str) -> BTreeSet<String> {
        let (text, _tests) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
        let code: Vec<&str> =
            text.lines().filter(|it| !it.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        self.paths.iter().flat_map(|path| modules_used(&code, path)).collect()
    }
}

fn modules_of(crate_root: &str) -> Vec<String> {
    let declared = crate_root.lines().filter_map(|line| {
        let line = line.strip_suffix(';')?;
        let line = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
        line.strip_prefix("mod ")
    });
    declared.map(str::to_owned).collect()
}

/// Whether the module that declares this file's does so under `#[cfg(test)]`.
fn is_test_only(file: &Path) -> bool {
    let (Some(folder), Some(stem)) = (file.parent(), file.file_stem()) else { return false };
    let parents = ["lib.rs", "main.rs", "mod.rs"].map(|it| folder.join(it));
    let declared = format!("mod {};", stem.display());
    parents.into_iter().chain([folder.with_extension("rs")]).filter(|it| it.exists()).any(|it| {
        let text = read(&it);
        text.match_indices("#[cfg(test)]\n").any(|(at, found)| {
            let next = text[at + found.len()..].lines().next().unwrap_or_default();
            next == declared || next.ends_with(&format!(" {declared}"))
        })
    })
}

/// The first names after every `path`, such as `crate::`, also in `crate::{a, b::{c, d}}`.
fn modules_used(code: &str, path: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, found) in code.match_indices(path) {
        // `$crate::` of a macro, or the end of a longer path.
        let goes_on = |it: char| it.is_alphanumeric() || matches!(it, '$' | '_' | ':');
        if code[..at].ends_with(goes_on) {
            continue;
        }
        let rest = &code[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(first_names_of_group(group)),
            None => used.extend([first_name(rest)]),
        }
    }
    used
}

fn first_names_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(first_name(group[start..at].trim_start()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> String {
    path.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect()
}

/// Signs of work not finished. They are put together here so that this file does not have them.
fn half_done(text: &str) -> Vec<String> {
    let signs = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("#[ig", "nore"),
        concat!("db", "g!("),
    ];
    signs.iter().filter(|it| text.contains(**it)).map(|it| format!("has `{it}`")).collect()
}

/// Applies a rule to every source file of the workspace.
fn check_sources(breaches_of: impl Fn(&Path) -> Vec<String>) {
    let (root, files) = (root(), sources());
    let breaches: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
            breaches_of(file).into_iter().map(move |it| format!("{name} {it}"))
        })
        .collect();
    assert_none(&breaches);
}

/// Every source file of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    gather_sources(&root(), &mut files);
    assert!(files.len() > 40, "the sources were found: {}", files.len());
    files
}

fn gather_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        // What is frozen in `tests/golden` keeps the rules of its day.
        let is_ours = !name.starts_with('.') && name != "golden";
        // Cargo marks the folders it builds in, whatever they are called.
        if path.is_dir() && is_ours && !path.join("CACHEDIR.TAG").exists() {
            gather_sources(&path, files);
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|it| panic!("`{}`: {it}", file.display()))
}

#[test]
fn forwarders_are_held_to_every_method() {
    let told = "#[deny(clippy::missing_trait_methods)]\nimpl Services for It {";
    assert_eq!(forgetful(told).len(), 0);
    assert_eq!(forgetful("impl<T> Services for It<T> {").len(), 1);
    assert_eq!(forgetful("impl<P: ComplexityScorer> ComplexityScorer for It<P> {").len(), 1);
    assert_eq!(forgetful("impl From<ComplexityScorer> for It {").len(), 0);
    check_sources(|file| {
        // Whoever stands between a plugin and the host; a plugin itself may leave out what has a default.
        let stands_between =
            ["sdk/src/adapter", "sdk/src/tapped.rs", "sdk/src/testkit/fake_host.rs", "host/"];
        let name = file.strip_prefix(root()).unwrap_or(file).display().to_string();
        let is_between = stands_between.iter().any(|it| name.starts_with(it));
        if is_between && !is_test_only(file) { forgetful(&read(file)) } else { Vec::new() }
    });
}

/// Implementations of traits that a later ABI appends to which may leave a method to its default body.
fn forgetful(text: &str) -> Vec<String> {
    const GROWING: [&str; 8] = [
        "Services",
        "HostAbi",
        "ComplexityScorer",
        "DiversityScorer",
        "UpdateStrategy",
        "ComplexityAbi",
        "DiversityAbi",
        "StrategyAbi",
    ];
    let lines: Vec<&str> = text.lines().collect();
    let implements = |line: &str| {
        line.starts_with("impl") && GROWING.iter().any(|it| line.contains(&format!(" {it} for ")))
    };
    let is_told = |at: usize| at > 0 && lines[at - 1].contains("clippy::missing_trait_methods");
    let forgetful = (0..lines.len()).filter(|&at| implements(lines[at]) && !is_told(at));
    forgetful.map(|at| format!("line {}: may forget a method: {}", at + 1, lines[at])).collect()
}

fn cargo_says(arguments: &[&str]) -> String {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let said = cargo.args(arguments).current_dir(root()).output().expect("cargo starts");
    assert!(said.status.success(), "{cargo:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).expect("cargo says text")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}
