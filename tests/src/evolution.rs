//! The promise to plugins: one built with the frozen SDK 1.0 loads in today's host and in later ones.
//!
//! The frozen SDK is `tests/golden/sdk-1.0`. A later minor version is made here, by appending to a
//! copy of today's SDK what a minor version may append: services, a method of scorers, a function of
//! the library. A service goes all the way: from the plain trait over a tap and the boundary.

use crate::foreign::{build, check_library, repository, said};
use crate::support::{Outcome, Project};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A file of the repository, a piece of it, and what comes in its place.
type Change = (&'static str, &'static str, &'static str);

/// ABI 1.1: everything a minor version may do.
const LATER: &[Change] = &[
    ("sdk/abi/Cargo.toml", "version = \"1.0.0\"", "version = \"1.1.0\""),
    (
        "sdk/abi/src/host.rs",
        "    fn log(&self, level: u32, message: RStr<'_>);",
        "    fn log(&self, level: u32, message: RStr<'_>);\n\
         fn luck(&self) -> u64 {\n7\n}\n\
         fn more_luck(&self) -> AbiResult<u64> {\n\
         abi_stable::std_types::RResult::RErr(crate::AbiError {\n\
         code: crate::code::error::UNSUPPORTED,\n\
         message: \"this host does not offer `luck`\\nhint: use a newer iterit\".into(),\n\
         detail: RString::new(),\n})\n}",
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
        "sdk/src/services.rs",
        "    fn log(&self, level: LogLevel, message: &str);",
        "    fn log(&self, level: LogLevel, message: &str);\n\
         fn luck(&self) -> u64 {\n7\n}",
    ),
    ("sdk/src/tapped.rs", "    Log,\n}", "    Log,\n/// Luck\nLuck,\n}"),
    ("sdk/src/tapped.rs", "[Self; 18]", "[Self; 19]"),
    ("sdk/src/tapped.rs", "        Self::Log,\n    ];", "        Self::Log,\nSelf::Luck,\n    ];"),
    (
        "sdk/src/tapped.rs",
        "            Self::Log => \"log\",",
        "            Self::Log => \"log\",\nSelf::Luck => \"luck\",",
    ),
    (
        "sdk/src/tapped.rs",
        "            Self::Threads => _ = host.threads(),",
        "            Self::Threads => _ = host.threads(),\nSelf::Luck => _ = host.luck(),",
    ),
    (
        "sdk/src/tapped.rs",
        "impl<T: Tap> Services for Tapped<'_, T> {",
        "impl<T: Tap> Services for Tapped<'_, T> {\n    \
             fn luck(&self) -> u64 { self.pass(Call::Luck, |host| host.luck()) }",
    ),
    (
        "sdk/src/testkit/fake_host.rs",
        "impl Services for FakeHost {",
        "impl Services for FakeHost {\n    fn luck(&self) -> u64 { 3 }",
    ),
    (
        "sdk/src/adapter/remote.rs",
        "impl Services for Remote<'_> {",
        "impl Services for Remote<'_> {\n    fn luck(&self) -> u64 { self.host.luck() }",
    ),
    (
        "sdk/src/adapter/plugin.rs",
        "impl<T: ComplexityScorer> ComplexityAbi for Complexity<T> {",
        "impl<T: ComplexityScorer> ComplexityAbi for Complexity<T> {\n    \
             fn luck(&self, host: HostRef<'_>) -> u64 {\n\
         10 + crate::Services::luck(&Remote::new(host))\n}",
    ),
    (
        "sdk/src/adapter/plugin.rs",
        "            let scores = scorer.score(&Host::new(",
        "            if std::env::var(\"FAULT\").is_ok_and(|fault| fault == \"needs luck\") {\n\
         super::convert::received(host.more_luck())?;\n}\n\
         let scores = scorer.score(&Host::new(",
    ),
    (
        "sdk/src/adapter/lent.rs",
        "impl HostAbi for Lent<'_> {",
        "impl HostAbi for Lent<'_> {\n    \
             fn luck(&self) -> u64 { self.tell(\"luck\", 0, |services| services.luck()) }\n    \
             fn more_luck(&self) -> AbiResult<u64> {\n\
         iterit_abi::abi_stable::std_types::RResult::ROk(3)\n}",
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

/// A plugin of each kind, built with the frozen SDK.
fn plugin_of_1_0() -> &'static Path {
    static PLUGIN: OnceLock<(Project, PathBuf)> = OnceLock::new();
    let (_folder, plugin) = PLUGIN.get_or_init(|| {
        let project = Project::new();
        copy(&repository("tests/golden/sdk-1.0"), &project.path("sdk"));
        copy_plugin(&project);
        let plugin = plugin_of(&project);
        (project, plugin)
    });
    plugin
}

/// A copy of what the loader and a plugin are built from, with changes.
fn changed(changes: &[Change]) -> Project {
    let project = Project::new();
    for (from, to) in [
        ("sdk", "sdk"),
        ("plugins/template", "plugins/template"),
        ("LICENSE-MIT", "LICENSE-MIT"),
        ("LICENSE-APACHE", "LICENSE-APACHE"),
        ("host/src/plugins", "host/src/plugins"),
        ("host/manifest", "host/manifest"),
        ("tests/bad-plugins/later-host", "host"),
        // The versions that are on this machine, so that the test needs no network.
        ("Cargo.lock", "host/Cargo.lock"),
    ] {
        copy(&repository(from), &project.path(to));
    }
    copy_plugin(&project);
    for (file, from, to) in changes {
        let text = project.read(file);
        assert_eq!(text.matches(from).count(), 1, "`{file}` holds this once:\n{from}");
        project.write(file, text.replace(from, to));
    }
    project
}

/// The plugin finds the SDK where it lies in the repository.
fn copy_plugin(project: &Project) {
    for part in ["Cargo.toml", "Cargo.lock", "faulty"] {
        let part = format!("tests/bad-plugins/{part}");
        copy(&repository(&part), &project.path(&part));
    }
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
fn a_plugin_of_1_0_loads_today() {
    let outcome = check_library(plugin_of_1_0(), "").succeeded();
    assert!(outcome.stdout.ends_with("checks passed\n"), "{outcome}");
}

#[test]
fn minor_versions_load_each_other() {
    let later = changed(LATER);
    let later_plugin = plugin_of(&later);
    let later_host = build(&later.path("host/Cargo.toml"), "dev", &later.path("later-host"));

    let check = |plugin: &Path| {
        let mut host = Command::new(&later_host);
        let host = host.args(["plugins", "check"]).arg(plugin).env("FAULT", "needs luck");
        Outcome::of(host).succeeded()
    };
    let outcome = check(plugin_of_1_0());
    assert!(outcome.stderr.contains("luck is 0"), "an old plugin falls to the default\n{outcome}");
    let outcome = check(&later_plugin);
    assert!(outcome.stderr.contains("luck is 13"), "plugin and host both know it\n{outcome}");

    let outcome = check_library(&later_plugin, "").succeeded();
    assert!(outcome.stdout.ends_with("checks passed\n"), "a new plugin in today's host\n{outcome}");
    let outcome = check_library(&later_plugin, "needs luck").failed(1, &[]);
    said(&outcome.stdout, "this host does not offer `luck`");
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

#[test]
fn todays_abi_only_adds_to_that_of_1_0() {
    for file in ["code", "data", "host", "scorer", "root"].map(|it| format!("abi/src/{it}.rs")) {
        let [frozen, today] = ["tests/golden/sdk-1.0", "sdk"].map(|sdk| {
            fs::read_to_string(repository(&format!("{sdk}/{file}"))).expect("a file of the ABI")
        });
        assert_eq!(
            withdrawn(&frozen, &today),
            None,
            "`sdk/{file}` no longer says this in its place"
        );
    }
}

#[test]
fn a_declaration_that_was_changed_or_moved_is_found() {
    let frozen = "use a::{b,\n c};\n/// One.\npub one: u32,\n// Why.\npub two: u32,\n";
    for (today, expected) in [
        ("/// Other words.\npub one: u32,\npub two: u32,\npub three: u8,", None),
        ("pub one: u64,\npub two: u32,", Some("pub one: u32,")),
        ("pub two: u32,\npub one: u32,", Some("pub two: u32,")),
        ("pub one: u32,", Some("pub two: u32,")),
    ] {
        assert_eq!(withdrawn(frozen, today), expected.map(str::to_owned), "{today}");
    }
}

/// The first declaration of a frozen file that does not stand in today's, after the one before it.
fn withdrawn(frozen: &str, today: &str) -> Option<String> {
    let mut today = declarations(today).into_iter();
    declarations(frozen).into_iter().find(|declared| !today.any(|line| line == *declared))
}

/// Lines of code, without imports.
fn declarations(text: &str) -> Vec<String> {
    let mut importing = false;
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with("//")) {
        importing |= line.starts_with("use ");
        if !importing {
            lines.push(line.to_owned());
        }
        importing &= !line.ends_with(';');
    }
    lines
}
