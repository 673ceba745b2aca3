//! Opens a plugin's library and checks that its types are laid out as ours, so that a mismatch is a
//! message and never a crash. With the SDK's adapters, the host's only `unsafe`.
#![allow(unsafe_code)]

use super::error::{Error, Result, all_or_faults};
use super::find::Found;
use super::watchdog::{Method, Watchdog};
use abi_stable::{
    StableAbi,
    abi_stability::abi_checking::{CheckingGlobals, check_layout_compatibility_with_globals},
    library::{AbiHeaderRef, LibHeader, LibraryError},
};
use iterit_abi::PluginRootRef;
use iterit_sdk::{
    ComplexityScorer, DiversityScorer, Manifest, PluginKind, UpdateStrategy,
    adapter::handle::{ComplexityHandle, DiversityHandle, StrategyHandle, answered, constructed},
};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A plugin whose library is open: makes scorers, as many as wanted.
pub(crate) struct Loaded {
    /// Its name in `--plugins` and `[plugins.NAME]`.
    pub name: String,
    /// What it is.
    pub kind: PluginKind,
    /// What the library says of itself.
    pub manifest: Manifest,
    root: PluginRootRef,
    watchdog: Arc<Watchdog>,
}

/// Opens every plugin. A library stays open until the process ends: its code, its types and its
/// thread-locals may be needed as long.
///
/// # Errors
///
/// Every library that was built for another ABI, or that the dynamic linker refuses.
pub(crate) fn open(plugins: Vec<Found>, watchdog: &Arc<Watchdog>) -> Result<Vec<Loaded>> {
    let mut roots: Vec<(PathBuf, Option<PluginRootRef>)> = Vec::new();
    let opened = plugins.into_iter().filter_map(|found| {
        let known = roots.iter().find(|(path, _)| *path == found.path).map(|(_, root)| *root);
        let root = match known {
            Some(None) => return None, // its fault was told with its first scorer
            Some(Some(root)) => Ok(root),
            None => root_of(&found).map_err(|error| named(&found, error)),
        };
        if known.is_none() {
            roots.push((found.path.clone(), root.as_ref().ok().copied()));
        }
        let Found { manifest, scorer, .. } = found;
        let (name, kind, watchdog) = (scorer.name, scorer.kind, watchdog.clone());
        Some(root.map(|root| Loaded { name, kind, manifest, root, watchdog }))
    });
    all_or_faults(opened)
}

fn named(found: &Found, error: Error) -> Error {
    let at = format!("{} (`{}`)", found.label(), found.path.display());
    let faults = error.faults.iter().map(|fault| format!("{at}: {fault}")).collect();
    Error { faults, detail: error.detail }
}

impl Loaded {
    /// How messages call it.
    pub(crate) fn label(&self) -> String {
        format!("plugin `{}` {}", self.name, self.manifest.version)
    }

    /// The options in force when none are given, as JSON.
    ///
    /// # Errors
    ///
    /// What the plugin says, or that it panicked.
    pub(crate) fn default_options(&self) -> iterit_sdk::Result<String> {
        let default_options = self.root.default_options();
        self.watchdog.call(&self.label(), Method::Options, || {
            answered(default_options(self.name.as_str().into())).map(String::from)
        })
    }

    /// Makes a complexity scorer from its section of the configuration, as JSON.
    ///
    /// # Errors
    ///
    /// What the plugin says of the options, that it panicked, or that it is of another kind.
    pub(crate) fn new_complexity(
        &self,
        options: &str,
    ) -> iterit_sdk::Result<Box<dyn ComplexityScorer>> {
        let new = self.root.new_complexity();
        let scorer: ComplexityHandle = self.watchdog.call(&self.label(), Method::New, || {
            constructed(new(self.name.as_str().into(), options.into()))
        })?;
        Ok(self.watchdog.watch_complexity(&self.label(), scorer))
    }

    /// Makes a diversity scorer.
    ///
    /// # Errors
    ///
    /// As [`new_complexity`](Self::new_complexity).
    pub(crate) fn new_diversity(
        &self,
        options: &str,
    ) -> iterit_sdk::Result<Box<dyn DiversityScorer>> {
        let new = self.root.new_diversity();
        let scorer: DiversityHandle = self.watchdog.call(&self.label(), Method::New, || {
            constructed(new(self.name.as_str().into(), options.into()))
        })?;
        Ok(self.watchdog.watch_diversity(&self.label(), scorer))
    }

    /// Makes an update strategy.
    ///
    /// # Errors
    ///
    /// As [`new_complexity`](Self::new_complexity).
    pub(crate) fn new_strategy(
        &self,
        options: &str,
    ) -> iterit_sdk::Result<Box<dyn UpdateStrategy>> {
        let new = self.root.new_strategy();
        let strategy: StrategyHandle = self.watchdog.call(&self.label(), Method::New, || {
            constructed(new(self.name.as_str().into(), options.into()))
        })?;
        Ok(self.watchdog.watch_strategy(&self.label(), strategy))
    }
}

/// The library's constructors, after every check.
fn root_of(found: &Found) -> Result<PluginRootRef> {
    let age = Age::of(&found.manifest)?;
    if found.manifest.target != Manifest::TARGET {
        let (theirs, ours) = (&found.manifest.target, Manifest::TARGET);
        return Err(Error::new(format!(
            "built for {theirs}, this host for {ours}\nhint: build it with `--target {ours}`"
        )));
    }
    if found.manifest.panic != "unwind" {
        return Err(Error::new(
            "built with panic = \"abort\", so a panic in it would end the whole run\n\
             hint: build it without `panic = \"abort\"` in its profile",
        ));
    }
    let header = header(&found.path, &found.manifest.name)?;
    check_layout(header, age)?;
    // SAFETY: the layout was checked just above; the version is checked once more inside.
    let root = unsafe { header.init_root_module_with_unchecked_layout::<PluginRootRef>() }
        .map_err(library_error)?;
    let loaded: Option<Manifest> = serde_json::from_str(&root.manifest_json()).ok();
    match loaded.as_ref() == Some(&found.manifest) {
        true => Ok(root),
        false => Err(Error::new("changed while it was being opened\nhint: try again")),
    }
}

/// How the plugin's ABI relates to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// It has all that this host knows, and perhaps more.
    SameOrNewer,
    /// It lacks what later minor versions appended.
    Older,
}

impl Age {
    fn of(manifest: &Manifest) -> Result<Self> {
        let (ours, theirs) = (version(iterit_abi::VERSION), version(&manifest.abi));
        match (ours, theirs) {
            (Some((ours, minor)), Some((theirs, their_minor))) if ours == theirs => {
                Ok(if their_minor < minor { Self::Older } else { Self::SameOrNewer })
            }
            _ => Err(Error::new(format!(
                "built for plugin ABI {} (iterit-sdk {}), this host speaks ABI {}\n\
                 hint: build it with the iterit-sdk of this iterit",
                manifest.abi,
                manifest.sdk,
                iterit_abi::VERSION
            ))),
        }
    }
}

/// Major and minor.
fn version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

fn header(path: &Path, package: &str) -> Result<&'static LibHeader> {
    // With `RTLD_NOW` a missing symbol is an error here and not a crash in the middle of a run;
    // with `RTLD_LOCAL` libraries cannot see each other's symbols.
    // SAFETY: opening runs the library's initialisers, which the user asked for by naming it.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| Error::new(format!("the dynamic linker refused it: {error}")))?;
    let library: &'static Library = Box::leak(Box::new(library));
    let symbol = format!("{}{package}", iterit_abi::HEADER_SYMBOL);
    // SAFETY: `export_plugin!` writes a `LibHeader` under this name, and the header begins with a
    // magic string that `upgrade` checks before anything else is read.
    let header = unsafe { library.get::<AbiHeaderRef>(symbol.as_str()) }
        .map_err(|_| Error::new(format!("has a manifest and no `{symbol}`")))?;
    header.upgrade().map_err(library_error)
}

/// abi_stable takes a library that has at least what its user expects. Plugins age the other way:
/// an older one lacks what was appended since, and a call to it then falls to the default body. So
/// for an older plugin the roles are swapped: all that it has must equal ours.
///
/// The globals are fresh because abi_stable's own remember the types of libraries opened before,
/// and would refuse two plugins of different minor versions in one process.
fn check_layout(header: &LibHeader, age: Age) -> Result<()> {
    let theirs = header.layout().ok_or_else(|| Error::new("hides the layout of its types"))?;
    let ours = <PluginRootRef as StableAbi>::LAYOUT;
    let (interface, implementation) = match age {
        Age::SameOrNewer => (ours, theirs),
        Age::Older => (theirs, ours),
    };
    let checked =
        check_layout_compatibility_with_globals(interface, implementation, &CheckingGlobals::new());
    checked.map_err(|report| {
        let report = report.to_string();
        let first = first_mismatch(&report, age);
        Error::new(format!(
            "its types are laid out differently: {first}\n\
             hint: build it with the iterit-sdk of this iterit"
        ))
        .with_detail(report)
    })
}

fn library_error(error: LibraryError) -> Error {
    let reason = match &error {
        LibraryError::InvalidAbiHeader(header) => format!(
            "uses abi_stable {}.{}, which this host does not speak",
            header.abi_major, header.abi_minor
        ),
        LibraryError::IncompatibleVersionNumber { expected_version, actual_version, .. } => {
            format!("speaks ABI {actual_version}, this host {expected_version}")
        }
        LibraryError::RootModule { err, .. } => {
            format!("failed to start: {}", err.to_string().trim())
        }
        _ => "cannot be opened".to_owned(),
    };
    Error::new(reason).with_detail(error.to_string())
}

/// abi_stable's report runs to a hundred kilobytes; a person needs the first mismatch and the way
/// to it.
fn first_mismatch(report: &str, age: Age) -> String {
    let lines: Vec<&str> = report.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let Some(error) = lines.iter().position(|line| line.starts_with("Error:")) else {
        return lines.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    };
    let mut message = lines[error].trim_start_matches("Error:").trim().to_owned();
    if let Some(["Expected:", expected, "Found:", found]) = lines.get(error + 1..error + 5) {
        let (ours, theirs) = match age {
            Age::SameOrNewer => (expected, found),
            Age::Older => (found, expected),
        };
        message.push_str(&format!(" (host: {ours}, plugin: {theirs})"));
    }
    match way_to(&lines[..error]) {
        way if way.is_empty() => message,
        way => format!("{message} in {}", way.join(" → ")),
    }
}

/// The fields that lead to the last block of errors, from the outside in. Names that abi_stable
/// gives to its own wrapping are left out.
fn way_to(lines: &[&str]) -> Vec<String> {
    const WRAPPING: [&str; 5] = ["0", "field_0", "obj", "vtable", "buffer"];
    let block = lines.iter().rposition(|line| line.contains("error(s)inside:")).unwrap_or(0);
    let end = lines[block..]
        .iter()
        .position(|line| line.starts_with("Layout of expected type"))
        .map_or(lines.len(), |length| block + length);
    let fields = lines[block..end].iter().filter_map(|line| line.strip_prefix("field_name:"));
    fields
        .filter(|field| !WRAPPING.contains(field) && !field.starts_with("__"))
        .map(|field| format!("`{field}`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_major_and_minor() {
        assert_eq!(version("1.12.3"), Some((1, 12)));
        assert_eq!(version("one"), None);
    }
}
