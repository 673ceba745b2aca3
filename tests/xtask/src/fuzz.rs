//! `cargo xtask fuzz`: everything that reads strangers' bytes, fed by libFuzzer for a while.
//!
//! What the targets do stands in `tests/fuzz`; here is how they are run. Nothing is installed: cargo-fuzz and
//! nightly have more to them than this project should bring along. Where nightly is not there, the stable compiler
//! is told to take nightly's flags.

use crate::error::{Error, Result};
use crate::{process, setup, workspace};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The compiler that puts libFuzzer's instruments in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compiler {
    Nightly,
    /// The one this project is built with, told to take the same flags.
    Stable,
}

/// Seconds after which an input counts as one that hangs.
const SECONDS_AN_INPUT: u32 = 20;

/// Bytes of an input: what is wrong with small files is wrong with large ones, and found sooner.
const LONGEST_INPUT: u32 = 1 << 16;

/// What reads one kind of bytes.
struct Target {
    name: &'static str,
    /// Where it starts from, below `tests`.
    seeds: &'static [&'static str],
    /// Words of its language, below `tests/fuzz`.
    words: Option<&'static str>,
    runs: Runs,
    /// What one input may take: templates have bounds of their own, of some hundreds.
    mebibytes: u32,
}

/// What a target is linked with. libtorch is not built for the address sanitizer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    Alone,
    WithLibtorch,
}

const TARGETS: [Target; 8] = [
    target("json_rows", &["fuzz/seeds/json_rows", "golden/tables"], Some("json_rows.dict")),
    target("csv_rows", &["golden/tables"], None),
    target("tables", &["golden/tables"], None),
    Target {
        mebibytes: 3072,
        ..target("template", &["fuzz/seeds/template"], Some("template.dict"))
    },
    target("tokenizer", &["fuzz/seeds/tokenizer"], Some("tokenizer.dict")),
    target("manifest", &["fuzz/seeds/manifest"], None),
    Target {
        runs: Runs::WithLibtorch,
        ..target("model_config", &["fuzz/seeds/model_config"], Some("model_config.dict"))
    },
    Target {
        runs: Runs::WithLibtorch,
        ..target("safetensors", &["fuzz/seeds/safetensors"], Some("safetensors.dict"))
    },
];

const fn target(
    name: &'static str,
    seeds: &'static [&'static str],
    words: Option<&'static str>,
) -> Target {
    Target { name, seeds, words, runs: Runs::Alone, mebibytes: 2048 }
}

/// Runs targets, all where none is named, one after the other for so many minutes each. What one finds does
/// not keep the others from running.
pub(crate) fn run(names: &[String], minutes: u32) -> Result<()> {
    let targets = chosen(names)?;
    let compiler = Compiler::found();
    look_for_cargo_fuzz(compiler)?;
    if targets.iter().any(|it| it.runs == Runs::WithLibtorch) {
        setup::run()?;
    }
    let mut faults = Vec::new();
    for target in targets {
        eprintln!("{}: {minutes} minutes", target.name);
        if let Err(error) = target.run(compiler, minutes) {
            faults.push(format!("{}: {error}", target.name));
        }
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(Error::Told(format!(
            "{}\nhint: what made it so lies in tests/fuzz/artifacts; tests/fuzz/README.md says what \
             to do with it",
            faults.join("\n")
        ))),
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(TARGETS.iter().collect());
    }
    names.iter().map(|name| named(name)).collect()
}

fn named(name: &str) -> Result<&'static Target> {
    TARGETS.iter().find(|it| it.name == name).ok_or_else(|| {
        let known: Vec<&str> = TARGETS.iter().map(|it| it.name).collect();
        Error::Told(format!("no target `{name}`\nhint: there are {}", known.join(", ")))
    })
}

fn look_for_cargo_fuzz(compiler: Compiler) -> Result<()> {
    process::output(&mut compiler.cargo(["fuzz", "--version"])).map(drop).map_err(|_| {
        let hint = "hint: cargo install --locked cargo-fuzz";
        Error::Told(format!("cargo-fuzz is not there\n{hint}"))
    })
}

impl Compiler {
    /// Nightly where it is installed; asking installs nothing.
    fn found() -> Self {
        let mut asked = Self::Nightly.cargo(["--version"]);
        match asked.env("RUSTUP_AUTO_INSTALL", "0").output() {
            Ok(answer) if answer.status.success() => Self::Nightly,
            _ => {
                eprintln!("no nightly: the stable compiler is told to take nightly's flags");
                Self::Stable
            }
        }
    }

    /// A cargo command of this compiler: by the proxy, since the cargo that runs us is another's.
    fn cargo<S: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("cargo");
        command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
        match self {
            Self::Nightly => command.arg("+nightly"),
            Self::Stable => command.env("RUSTC_BOOTSTRAP", "1"),
        };
        command.args(arguments).current_dir(workspace::root());
        command
    }
}

impl Target {
    fn run(&self, compiler: Compiler, minutes: u32) -> Result<()> {
        let tests = workspace::root().join("tests");
        let own = tests.join("fuzz/corpus").join(self.name);
        fs::create_dir_all(&own).map_err(Error::io("create", &own))?;
        let mut command = compiler.cargo(["fuzz", "run", "--fuzz-dir", "tests/fuzz"]);
        if self.runs == Runs::WithLibtorch {
            command.args(["--sanitizer", "none", "--features", "torch"]);
            command.env("LD_LIBRARY_PATH", libraries());
        }
        // Into the first folder goes what is found on the way.
        command.arg(self.name).arg(own).args(self.seeds.iter().map(|it| tests.join(it)));
        command.arg("--").args([
            format!("-max_total_time={}", minutes * 60),
            format!("-timeout={SECONDS_AN_INPUT}"),
            format!("-max_len={LONGEST_INPUT}"),
            format!("-rss_limit_mb={}", self.mebibytes),
            format!("-malloc_limit_mb={}", self.mebibytes),
            "-print_final_stats=1".to_owned(),
        ]);
        let words = self.words.map(|it| tests.join("fuzz").join(it));
        command.args(words.map(|it| format!("-dict={}", it.display())));
        process::run(&mut command)
    }
}

/// Where libtorch's libraries lie, before what is there already.
fn libraries() -> std::ffi::OsString {
    let libtorch = workspace::own_libtorch().unwrap_or_else(workspace::libtorch).join("lib");
    let others = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let others: Vec<_> = std::env::split_paths(&others).collect();
    let all = std::iter::once(libtorch.as_path()).chain(others.iter().map(Path::new));
    std::env::join_paths(all).unwrap_or_else(|_| libtorch.clone().into())
}
