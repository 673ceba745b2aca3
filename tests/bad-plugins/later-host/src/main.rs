//! The loader of the host and nothing else: `later-host plugins check PATH`.

// All that the loader takes of the core is copied beside it.
extern crate self as iterit_core;
mod nearest;

#[allow(dead_code, unused_imports)]
mod plugins;

use std::{env, path::Path, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let passed = match arguments[..] {
        ["plugins", "check", path, "--child"] => {
            plugins::check_child(Path::new(path)).map(|()| true)
        }
        ["plugins", "check", path] => {
            plugins::check(Path::new(path), "{}", Duration::from_secs(60)).map(|report| {
                print!("{report}");
                report.passed()
            })
        }
        _ => panic!("expected `plugins check PATH`, got {arguments:?}"),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
