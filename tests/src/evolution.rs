//! Old plugins in later hosts, new plugins in today's, and a broken ABI.
//!
//! The later minor version is made here, by appending to a copy of today's SDK what a minor version
//! may append: a service, a method of scorers, a function of the library.

use crate::foreign::{build, check_library, faulty, repository, said};
use crate::support::{Outcome, Project};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository, a piece of it, and what comes in its place.
type Change = (&'static str, &'static str, &'static str);

/// ABI 1.1: everything a minor version may do.
const LATER: &[Change] = &[
    ("sdk/abi/Cargo.toml", "version = \"1.0.0\"", "version = \"1.1.0\""),
    (
        "sdk/abi/src/host.rs",
        "    fn log(&self, level: u32, message: RStr<'_>);",
        "    fn log(&self, level: u32, message: RStr<'_>);\n\
         fn luck(&self) -> u64 {\n7\n}",
    ),
    (
        "sdk/abi/src/scorer.rs",
        "    #[sabi(last_prefix_field)]\n    \
             fn restore(&mut self, state: RSlice<'_, u8>) -> AbiResult<()>;\n}\n\n\
         /// A complexity scorer, owned",
        "    #[sabi(last_prefix_field)]\n    \
             fn restore(&mut self, state: RSlice<'_, u8>) -> AbiResult<()>;\n    \
             fn luck(&self, _host: HostRef<'_>) -> u64 {\n0\n}\n}\n\n\
         /// A complexity scorer, owned",
    ),
    (
        "sdk/abi/src/root.rs",
        "    pub default_options: extern \"C\" fn(name: RStr<'_>) -> AbiResult<RString>,",
        "    pub default_options: extern \"C\" fn(name: RStr<'_>) -> AbiResult<RString>,\n    \
             pub describe: extern \"C\" fn(name: RStr<'_>) -> AbiResult<RString>,",
    ),
    (
        "sdk/src/export.rs",
        "        default_options: default_options::<L>,",
        "        default_options: default_options::<L>,\n        describe: default_options::<L>,",
    ),
    (
        "sdk/src/adapter/plugin.rs",
        "impl<T: ComplexityScorer> ComplexityAbi for Complexity<T> {",
        "impl<T: ComplexityScorer> ComplexityAbi for Complexity<T> {\n    \
             fn luck(&self, host: HostRef<'_>) -> u64 { 10 + host.luck() }",
    ),
    (
        "sdk/src/adapter/lent.rs",
        "impl HostAbi for Lent<'_> {",
        "impl HostAbi for Lent<'_> {\n    fn luck(&self) -> u64 { 3 }",
    ),
    (
        "sdk/src/adapter/handle.rs",
        "        let columns = lend(",
        "        eprintln!(\"luck is {}\", self.0.luck(Lent::new(host.services()).as_abi()));\n        \
                 let columns = lend(",
    ),
];

/// What no version may do: a field of another type.
const BROKEN: &[Change] = &[
    ("sdk/abi/src/data.rs", "    pub prompt: u32,", "    pub prompt: u64,"),
    (
        "sdk/src/adapter/convert.rs",
        "    fn from(TokenCounts { prompt, response }: TokenCounts) -> Self {\n        \
                 Self { prompt, response }",
        "    fn from(TokenCounts { prompt, response }: TokenCounts) -> Self {\n        \
                 Self { prompt: prompt.into(), response }",
    ),
    (
        "sdk/src/adapter/convert.rs",
        "    fn from(AbiTokenCounts { prompt, response }: AbiTokenCounts) -> Self {\n        \
                 Self { prompt, response }",
        "    fn from(AbiTokenCounts { prompt, response }: AbiTokenCounts) -> Self {\n        \
                 Self { prompt: prompt as u32, response }",
    ),
];

/// A copy of what the loader and a plugin are built from, with changes.
fn changed(changes: &[Change]) -> Project {
    let project = Project::new();
    for (from, to) in [
        ("sdk", "sdk"),
        ("plugins/template", "plugins/template"),
        ("LICENSE-MIT", "LICENSE-MIT"),
        ("LICENSE-APACHE", "LICENSE-APACHE"),
        ("host/src/plugins", "host/src/plugins"),
        ("tests/bad-plugins/later-host", "host"),
        ("tests/bad-plugins/Cargo.toml", "tests/bad-plugins/Cargo.toml"),
        ("tests/bad-plugins/faulty", "tests/bad-plugins/faulty"),
    ] {
        copy(&repository(from), &project.path(to));
    }
    // The versions that are on this machine, so that the test needs no network.
    copy(&repository("Cargo.lock"), &project.path("host/Cargo.lock"));
    copy(
        &repository("tests/bad-plugins/Cargo.lock"),
        &project.path("tests/bad-plugins/Cargo.lock"),
    );
    for (file, from, to) in changes {
        let text = project.read(file);
        assert_eq!(text.matches(from).count(), 1, "`{file}` holds this once:\n{from}");
        project.write(file, text.replace(from, to));
    }
    project
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().expect("a folder")).expect("create folders");
        fs::copy(from, to).expect("copy a file");
        return;
    }
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn plugin_of(project: &Project) -> PathBuf {
    build(&project.path("tests/bad-plugins/Cargo.toml"), "dev", &project.path("libplugin.so"))
}

#[test]
fn minor_versions_load_each_other() {
    let later = changed(LATER);
    let later_plugin = plugin_of(&later);
    let later_host = build(&later.path("host/Cargo.toml"), "dev", &later.path("later-host"));

    let check = |plugin: &Path| {
        let mut host = Command::new(&later_host);
        Outcome::of(host.args(["plugins", "check"]).arg(plugin)).succeeded()
    };
    let outcome = check(faulty());
    assert!(outcome.stderr.contains("luck is 0"), "an old plugin falls to the default\n{outcome}");
    let outcome = check(&later_plugin);
    assert!(outcome.stderr.contains("luck is 13"), "plugin and host both know it\n{outcome}");
    let outcome = check_library(&later_plugin, "").succeeded();
    assert!(outcome.stdout.ends_with("checks passed\n"), "a new plugin in today's host\n{outcome}");
}

#[test]
fn a_broken_layout_is_refused_with_the_way_to_it() {
    let broken = changed(BROKEN);
    let outcome = check_library(&plugin_of(&broken), "").failed(1, &[]);
    said(&outcome.stdout, "its types are laid out differently: …");
    // The size of the struct or the type of its field, whichever the checker meets first.
    let line = "in `new_complexity` → `score` → `param_1` → `token_counts`";
    assert!(outcome.stdout.contains(line), "{outcome}");
}
