//! The program: parse, dispatch, exit code. Data goes to stdout, talk to stderr.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted and resumable, 141 nobody reads stdout any more.

mod cli;
mod stdout;
mod progress;

#[allow(unsafe_code)]
mod plugins;

mod observers;
mod ranks;
mod wiring;
mod training;
mod comparison;
mod commands;

use cli::Command;
use iterit_core::Error;

fn main() -> ! {
    let (cli, settings) = cli::parse();
    let done = settings.and_then(|settings| match &cli.command {
        None => commands::train::run(&cli.train, &settings),
        Some(Command::Compare(args)) => commands::compare::run(args, &settings),
        Some(Command::Check(args)) => commands::check::run(args, &settings),
        Some(Command::Score(args)) => commands::score::run(args, &settings),
        Some(Command::Select(args)) => commands::select::run(args, &settings),
        Some(Command::Eval(args)) => commands::eval::run(args, &settings),
        Some(Command::Export(args)) => commands::export::run(args),
        Some(Command::Report(args)) => commands::report::run(args),
        Some(Command::Doctor(_)) => commands::doctor::run(),
        Some(Command::Plugins(args)) => commands::plugins::run(args),
        Some(Command::Completions(args)) => commands::manual::completions(args),
        Some(Command::Man(args)) => commands::manual::page(args),
    });
    iterit_torch::leave(match done {
        Ok(()) => 0,
        Err(Error::Cancelled) => 130,
        // Rank 0 tells of it.
        Err(_) if ranks::is_spawned() => 1,
        Err(error) => {
            anstream::eprintln!("{}", in_red(&error.to_string()));
            1
        }
    })
}

/// Every fault a line that begins with `error:`; its hint follows it.
fn in_red(message: &str) -> String {
    let red = anstyle::AnsiColor::Red.on_default().bold();
    message
        .lines()
        .map(|line| match line.starts_with("hint:") || line.starts_with(' ') {
            true => line.to_owned(),
            false => format!("{red}error:{red:#} {line}"),
        })
        .collect::<Vec<_>>()
        .join("\n")
}
