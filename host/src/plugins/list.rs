//! What plugins there are: everything the search path offers, with the options in force.

use super::find::{Found, SearchPath};
use super::load::open;
use super::watchdog::Watchdog;
use std::{fmt, sync::Arc, time::Duration};

/// Showing options takes no time; a plugin that hangs at it is named and ends the command.
const LIMIT: Duration = Duration::from_secs(10);

/// A line or four for each plugin; `Display` writes them.
pub(crate) struct Listing {
    entries: Vec<Entry>,
    searched: String,
}

struct Entry {
    found: Found,
    /// The defaults as JSON, or why they cannot be shown.
    options: Result<String, String>,
    /// The library that takes its name first.
    hidden_by: Option<String>,
}

/// Reads every plugin in the search path and opens it for its default options.
pub(crate) fn list(search_path: &SearchPath) -> Listing {
    let watchdog = Watchdog::new(LIMIT);
    let offers = search_path.offers();
    let entries = offers.iter().enumerate().map(|(place, found)| {
        let first = offers[..place].iter().find(|other| other.scorer.name == found.scorer.name);
        Entry {
            found: found.clone(),
            options: default_options(found, &watchdog),
            hidden_by: first.map(|first| first.path.display().to_string()),
        }
    });
    Listing { entries: entries.collect(), searched: search_path.shown() }
}

fn default_options(found: &Found, watchdog: &Arc<Watchdog>) -> Result<String, String> {
    let loaded = open(vec![found.clone()], watchdog).map_err(|error| error.to_string())?;
    loaded[0].default_options().map_err(|error| error.to_string())
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.entries.is_empty() {
            return writeln!(f, "no plugin in {}", self.searched);
        }
        self.entries.iter().try_for_each(|entry| entry.fmt(f))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { path, manifest, scorer, .. } = &self.found;
        let kind = scorer.kind.name();
        writeln!(f, "{} {}  {kind}  iterit-sdk {}", scorer.name, manifest.version, manifest.sdk)?;
        if !scorer.services.is_empty() {
            writeln!(f, "  services  {}", scorer.services.join(", "))?;
        }
        match &self.options {
            Ok(options) => writeln!(f, "  options   {options}")?,
            Err(fault) => writeln!(f, "  unusable  {}", fault.replace('\n', "\n            "))?,
        }
        writeln!(f, "  path      {}", path.display())?;
        match &self.hidden_by {
            Some(first) => writeln!(f, "  hidden by {first}, which is found first"),
            None => Ok(()),
        }
    }
}
