//! `completions` and `man`: what the command line says of itself, for shells and for man(1).

use crate::cli::{Cli, Completions, Man};
use crate::stdout;
use clap::CommandFactory;
use iterit_core::{Error, Result};

pub(crate) fn completions(args: &Completions) -> Result<()> {
    let mut script = Vec::new();
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    stdout::write(String::from_utf8_lossy(&script));
    Ok(())
}

pub(crate) fn page(args: &Man) -> Result<()> {
    let mut command = Cli::command();
    command.build();
    let command = match &args.command {
        None => command,
        Some(name) => command.find_subcommand(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            Error::config(format!(
                "there is no command `{name}`, expected one of {}",
                names.join(", ")
            ))
        })?,
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(Error::io("write", "the page"))?;
    stdout::write(String::from_utf8_lossy(&page));
    Ok(())
}
