//! The project's own tooling: one verb a file, each of them a few commands that a person could type.
//!
//! Knows where things lie in the repository and nothing about training. It must not depend on any
//! torch crate, because it runs before libtorch is there.

mod error;
mod workspace;

mod process;
mod unpack;
mod wheel;

mod libtorch;

mod artifacts;
mod compare;
mod picks;
mod setup;
mod steered;
mod venv;

mod bench;
mod boundary;
mod browser;
mod demo;
mod deny;
mod fuzz;
mod gpu_check;
mod install;
mod oracle;
mod pip;
mod python;
mod site;
mod test;
mod third_party;

mod ci;

use clap::{Parser, Subcommand};
use error::Result;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Sets up, tests and shows iterit.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Put libtorch where the build looks for it; after this, plain cargo works
    Setup {
        /// And its CUDA half where the program looks for it: 2.7 GB, for a GPU without an installed PyTorch
        #[arg(long)]
        cuda: bool,
    },
    /// Set up, build, and run every test; arguments go to `cargo test`
    Test {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Set up, build, and run the main job on the small model and data of this repository
    Demo,
    /// Set up, build in release, and put the program where you want it
    Install {
        /// Gets bin/ and lib/iterit/
        #[arg(long)]
        prefix: PathBuf,
    },
    /// Set up, build, and write a wheel for pip: the program, its plugins and the Python package
    Wheel {
        /// `release`, or `dev` for a look without another build
        #[arg(long, default_value = "release")]
        profile: String,
        /// Gets the wheel
        #[arg(long, default_value = "target/wheels")]
        out: PathBuf,
    },
    /// Test the Python package with pandas, the dashboards and the program
    Python,
    /// Build the site of `.github/site`
    Site,
    /// Time scoring and picking side by side with transformers and scikit-learn
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Time calls into plugins over the ABI and linked in
    Boundary {
        /// `release`, or `dev` for a look without another build of libtorch's bindings
        #[arg(long, default_value = "release")]
        profile: String,
    },
    /// Begin plugins outside the workspace, build them with nightly, and let them steer runs
    ThirdParty {
        /// The host's profile: `release`, or `dev`
        #[arg(long, default_value = "release")]
        profile: String,
    },
    /// Compare the committed goldens with what transformers and scikit-learn say
    Oracle {
        #[command(subcommand)]
        action: Option<oracle::Action>,
    },
    /// Open the pages of small comparisons in Chromium, wide and narrow, light and dark
    Browser {
        /// Pages to open instead
        pages: Vec<PathBuf>,
    },
    /// Make one archive that tries the program on a machine with a GPU and torch 2.11
    GpuCheck {
        /// `release`, or `dev` for a rehearsal without another build of libtorch's bindings
        #[arg(long, default_value = "release")]
        profile: String,
    },
    /// Look up licences, advisories and origins of every dependency, by cargo-deny
    Deny,
    /// Feed everything that reads strangers' files with what libFuzzer makes up, by cargo-fuzz
    Fuzz {
        /// Which; all in turn where none is named
        targets: Vec<String>,
        /// For how long each
        #[arg(long, default_value_t = 20)]
        minutes: u32,
    },
    /// What CI runs: set-up, format, clippy, docs and the tests
    Ci,
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Setup { cuda: false } => setup::run(),
        Verb::Setup { cuda: true } => setup::run_with_cuda(),
        Verb::Test { arguments } => test::run(&arguments),
        Verb::Demo => demo::run().map(|results| print(&results)),
        Verb::Install { prefix } => install::run(&prefix).map(|program| print(&program)),
        Verb::Wheel { profile, out } => pip::run(&profile, &out).map(|wheel| print(&wheel)),
        Verb::Python => python::run(),
        Verb::Site => site::run(),
        Verb::Bench { arguments } => bench::run(&arguments),
        Verb::Boundary { profile } => boundary::run(&profile),
        Verb::ThirdParty { profile } => third_party::run(&profile),
        Verb::Oracle { action: None } => oracle::compare(),
        Verb::Oracle { action: Some(action) } => oracle::regenerate(&action),
        Verb::Browser { pages } => browser::run(&pages).map(|pictures| print(&pictures)),
        Verb::GpuCheck { profile } => gpu_check::run(&profile).map(|archive| print(&archive)),
        Verb::Deny => deny::run(),
        Verb::Fuzz { targets, minutes } => fuzz::run(&targets, minutes),
        Verb::Ci => ci::run(),
    }
}

/// The one thing a verb makes, alone on stdout, for a script to pick up.
#[expect(clippy::print_stdout, reason = "a path that was made is data, all else is talk")]
fn print(made: &Path) {
    println!("{}", made.display());
}
