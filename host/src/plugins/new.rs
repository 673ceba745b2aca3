//! Begins a plugin: a crate with a whole scorer, its tests, and the SDK's own source, so that it
//! builds anywhere with plain cargo.

use super::error::{Error, Result};
use iterit_sdk::PluginKind;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A file of the new crate: where, and what.
type Source = (&'static str, &'static str);

macro_rules! embedded {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../", $folder, "/", $path)))),+]
    };
}

/// The SDK with the ABI in it, as in `sdk/`.
const SDK: &[Source] = embedded!("sdk":
    "Cargo.toml", "README.md", "CHANGELOG.md", "build.rs",
    "abi/Cargo.toml", "abi/src/lib.rs", "abi/src/code.rs", "abi/src/data.rs", "abi/src/host.rs",
    "abi/src/root.rs", "abi/src/scorer.rs",
    "src/lib.rs", "src/error.rs", "src/sample.rs", "src/score.rs", "src/services.rs",
    "src/tapped.rs", "src/traits.rs", "src/check.rs", "src/manifest.rs", "src/options.rs", "src/export.rs",
    "src/adapter/mod.rs", "src/adapter/guard.rs", "src/adapter/convert.rs", "src/adapter/lent.rs",
    "src/adapter/remote.rs", "src/adapter/plugin.rs", "src/adapter/handle.rs",
    "src/testkit/mod.rs", "src/testkit/fake_host.rs", "src/testkit/through_abi.rs",
    "src/testkit/verdict.rs", "src/testkit/subject.rs", "src/testkit/complexity.rs",
    "src/testkit/diversity.rs", "src/testkit/strategy.rs", "src/testkit/tests.rs",
);

/// The licences under which the SDK is passed on.
const LICENCES: &[Source] = embedded!(".": "LICENSE-MIT", "LICENSE-APACHE");

const COMPLEXITY: &str = include_str!("../../../plugins/template/src/complexity.rs");
const DIVERSITY: &str = include_str!("../../../plugins/template/src/diversity.rs");
const STRATEGY: &str = include_str!("../../../plugins/template/src/strategy.rs");

/// Writes the crate `name` into a new folder of that name inside `parent`, whole or not at all;
/// returns the folder.
///
/// # Errors
///
/// A name that a crate or a scorer cannot have, a folder that is there already, a full disk.
pub(crate) fn new(parent: &Path, name: &str, kind: PluginKind) -> Result<PathBuf> {
    check_name(name)?;
    let folder = parent.join(name);
    if folder.exists() {
        return Err(Error::new(format!(
            "`{}` is there already\nhint: choose another name, or remove it",
            folder.display()
        )));
    }
    write_whole(parent, &folder, &files(name, kind))
        .map_err(|error| Error::new(format!("cannot write `{}`: {error}", folder.display())))?;
    Ok(folder)
}

/// What to type next in the new folder.
pub(crate) fn next_steps(folder: &Path, name: &str) -> String {
    format!(
        "wrote {}\nnext:\n  cd {}\n  cargo test\n  cargo build --release\n  \
         iterit-host plugins check target/release/lib{}.so\n",
        folder.display(),
        folder.display(),
        name.replace('-', "_")
    )
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if begins_well && name.len() <= 64 && name.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::new(format!(
        "`{name}` cannot name a plugin: expected 1 to 64 of a-z, 0-9, `-` and `_`, a letter first"
    )))
}

fn files(name: &str, kind: PluginKind) -> Vec<(PathBuf, String)> {
    let mut files: Vec<(PathBuf, String)> = vec![
        ("Cargo.toml".into(), cargo_toml(name)),
        ("README.md".into(), readme(name)),
        (".gitignore".into(), "/target\n".into()),
        ("src/lib.rs".into(), lib_rs(name, kind)),
    ];
    for (path, text) in SDK.iter().chain(LICENCES) {
        files.push((Path::new("vendor/iterit-sdk").join(path), (*text).into()));
    }
    files
}

fn cargo_toml(name: &str) -> String {
    format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib", "rlib"]

[dependencies]
# The SDK's source stands in vendor/, so this builds anywhere. From a registry it would be
# iterit-sdk = "{sdk}"
iterit-sdk = {{ path = "vendor/iterit-sdk" }}
serde = {{ version = "1", features = ["derive"] }}

[dev-dependencies]
# iterit-sdk = {{ version = "{sdk}", features = ["testkit"] }}
iterit-sdk = {{ path = "vendor/iterit-sdk", features = ["testkit"] }}

# A workspace of its own, wherever this folder lies.
[workspace]
"#,
        sdk = sdk_version()
    )
}

/// The SDK's version, from the manifest that is written.
fn sdk_version() -> &'static str {
    let (_, manifest) = SDK[0];
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = \""));
    version.and_then(|rest| rest.strip_suffix('"')).expect("the SDK's manifest has a version")
}

fn readme(name: &str) -> String {
    let library = name.replace('-', "_");
    format!(
        "# {name}\n\n\
         A plugin for [iterit](https://github.com/iterit/iterit).\n\n\
         \x20   cargo test\n\
         \x20   cargo build --release\n\
         \x20   iterit-host plugins check target/release/lib{library}.so\n\
         \x20   iterit-host --plugins ./target/release/lib{library}.so,… --model … --data … --out …\n\n\
         Its options stand in `[plugins.{name}]` of a configuration; `src/lib.rs` says what they mean.\n\
         How to write a plugin: `vendor/iterit-sdk/README.md`.\n"
    )
}

/// The template of the kind, with its export in front of its tests.
fn lib_rs(name: &str, kind: PluginKind) -> String {
    let (template, scorer) = match kind {
        PluginKind::Complexity => (COMPLEXITY, "Scorer"),
        PluginKind::Diversity => (DIVERSITY, "Scorer"),
        PluginKind::Strategy => (STRATEGY, "Strategy"),
    };
    let (code, tests) = template.split_once("#[cfg(test)]").expect("a template has tests");
    let kind = kind.name();
    format!(
        "{code}iterit_sdk::export_plugin! {{\n    {kind}: {{ \"{name}\" => {scorer} }},\n}}\n\n\
         #[cfg(test)]{tests}"
    )
}

fn write_whole(parent: &Path, folder: &Path, files: &[(PathBuf, String)]) -> io::Result<()> {
    // Without these a temporary folder would be private; the umask takes its part from them.
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    let unfinished = tempfile::Builder::new()
        .prefix(".iterit-new-")
        .permissions(permissions)
        .tempdir_in(parent)?;
    for (path, text) in files {
        let path = unfinished.path().join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder"))?;
        fs::write(path, text)?;
    }
    fs::rename(unfinished.keep(), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file below a folder, relative to it.
    fn below(folder: &Path) -> Vec<String> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            let name = entry.file_name().into_string().unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => files.extend(below(&entry.path()).iter().map(|f| format!("{name}/{f}"))),
                false => files.push(name),
            }
        }
        files.sort();
        files
    }

    #[test]
    fn the_whole_sdk_is_embedded() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk");
        let mut embedded: Vec<_> = SDK.iter().map(|(path, _)| (*path).to_owned()).collect();
        embedded.sort();
        assert_eq!(embedded, below(&sdk));
    }

    #[test]
    fn writes_a_crate_whole_or_not_at_all() {
        let parent = tempfile::tempdir().unwrap();
        let folder = new(parent.path(), "my-scorer", PluginKind::Strategy).unwrap();
        let lib = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        assert!(lib.contains("    strategy: { \"my-scorer\" => Strategy },\n}\n\n#[cfg(test)]\n"));
        assert!(folder.join("vendor/iterit-sdk/LICENSE-MIT").is_file());
        let again = new(parent.path(), "my-scorer", PluginKind::Strategy).unwrap_err();
        assert!(again.to_string().contains("is there already"), "{again}");
        let bad = new(parent.path(), "My Scorer", PluginKind::Strategy).unwrap_err();
        assert!(bad.to_string().starts_with("`My Scorer` cannot name a plugin"), "{bad}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1, "nothing half-written is left");
    }
}
