//! `plugins list`, `plugins check`, `plugins new`.

use crate::cli::{Kind, Plugins};
use crate::plugins::{self, SearchPath};
use crate::stdout;
use iterit_core::sdk::PluginKind;
use iterit_core::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) fn run(args: &Plugins) -> Result<()> {
    match args {
        Plugins::List { plugin_path } => list(plugin_path),
        Plugins::Check { path, child: true, .. } => plugins::check_child(path).map_err(faults),
        Plugins::Check { path, options, timeout, .. } => check(path, options, *timeout),
        Plugins::New { name, kind } => new(name, *kind),
    }
}

fn list(plugin_path: &[PathBuf]) -> Result<()> {
    let search_path = SearchPath::new(plugin_path).map_err(faults)?;
    stdout::write(plugins::list(&search_path));
    Ok(())
}

fn check(path: &Path, options: &str, seconds: u64) -> Result<()> {
    let report = plugins::check(path, options, Duration::from_secs(seconds)).map_err(faults)?;
    stdout::write(&report);
    match report.passed() {
        true => Ok(()),
        false => Err(Error::Run(format!("`{}` failed its check", path.display()))),
    }
}

fn new(name: &str, kind: Kind) -> Result<()> {
    let kind = match kind {
        Kind::Complexity => PluginKind::Complexity,
        Kind::Diversity => PluginKind::Diversity,
        Kind::Strategy => PluginKind::Strategy,
    };
    let folder = plugins::new(Path::new("."), name, kind).map_err(faults)?;
    stdout::write(plugins::next_steps(&folder, name));
    Ok(())
}

fn faults(error: plugins::Error) -> Error {
    Error::Config(error.faults)
}
