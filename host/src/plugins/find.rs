//! From an item of `--plugins` to a file and the scorer in it. An item with a `/` or ending in `.so`
//! is a path; any other is a name that some manifest in the search path offers.

use super::error::{Error, Result, all_or_faults};
use super::stale;
use iterit_sdk::{Manifest, PluginKind, ScorerManifest};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Where names are looked up, in this order; the first folder that offers a name wins.
#[derive(Debug, Clone, Default)]
pub(crate) struct SearchPath {
    folders: Vec<PathBuf>,
}

/// A scorer or strategy whose file was read and not yet opened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// The library.
    pub path: PathBuf,
    /// What the library says of itself.
    pub manifest: Manifest,
    /// Which of the library's scorers is meant.
    pub scorer: ScorerManifest,
    /// Something to tell the user before it is used.
    pub warning: Option<String>,
}

impl SearchPath {
    /// The folders of `selection.plugin_path`, then of `ITERIT_PLUGIN_PATH`, then this program's own
    /// folder and `../lib/iterit/plugins` beside it.
    ///
    /// # Errors
    ///
    /// A folder of the configuration or the environment that is not there.
    pub(crate) fn new(configured: &[PathBuf]) -> Result<Self> {
        let from_environment = env::var_os("ITERIT_PLUGIN_PATH").unwrap_or_default();
        let from_environment: Vec<_> = env::split_paths(&from_environment)
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        let asked_for = configured
            .iter()
            .map(|folder| existing("selection.plugin_path", folder))
            .chain(from_environment.iter().map(|folder| existing("ITERIT_PLUGIN_PATH", folder)));
        let mut folders = all_or_faults(asked_for)?;
        if let Some(own) = env::current_exe().ok().as_deref().and_then(Path::parent) {
            folders.extend([own.to_owned(), own.join("../lib/iterit/plugins")]);
        }
        Ok(Self::of(folders))
    }

    /// Only these folders; those that are not there are passed over.
    pub(crate) fn of(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut kept = Vec::new();
        for folder in folders.into_iter().filter_map(|folder| folder.canonicalize().ok()) {
            if folder.is_dir() && !kept.contains(&folder) {
                kept.push(folder);
            }
        }
        Self { folders: kept }
    }

    /// Every scorer of every plugin in it, by folder, then by name. A name hidden by an earlier
    /// folder is listed too.
    pub(crate) fn offers(&self) -> Vec<Found> {
        self.folders.iter().flat_map(|folder| offers_in(folder)).collect()
    }

    /// The folders, for a message.
    pub(super) fn shown(&self) -> String {
        let folders: Vec<_> = self.folders.iter().map(|f| format!("`{}`", f.display())).collect();
        folders.join(", ")
    }
}

fn existing(setting: &str, folder: &Path) -> Result<PathBuf> {
    match folder.is_dir() {
        true => Ok(folder.to_owned()),
        false => Err(Error::new(format!("{setting}: no folder `{}`", folder.display()))),
    }
}

impl Found {
    /// How messages call it.
    pub(crate) fn label(&self) -> String {
        format!("plugin `{}` {}", self.scorer.name, self.manifest.version)
    }

    /// What it is.
    pub(crate) fn kind(&self) -> PluginKind {
        self.scorer.kind
    }

    fn new(path: &Path, manifest: &Manifest, scorer: &ScorerManifest) -> Self {
        let warning = stale::newer_source(path).map(|source| {
            format!(
                "plugin `{}` is older than its source `{}`\nhint: cargo build --package {}",
                scorer.name,
                source.display(),
                manifest.name
            )
        });
        Self { path: path.into(), manifest: manifest.clone(), scorer: scorer.clone(), warning }
    }
}

/// Finds what every item of `--plugins` means, in their order.
///
/// # Errors
///
/// Every item that means nothing, more than one thing, or the same as another.
pub(crate) fn find(items: &[String], search_path: &SearchPath) -> Result<Vec<Found>> {
    let found = all_or_faults(items.iter().map(|item| match is_path(item) {
        true => find_path(item),
        false => find_name(item, search_path),
    }))?;
    let twice = (1..found.len()).filter_map(|later| {
        let name = &found[later].scorer.name;
        let before = found[..later].iter().find(|earlier| &earlier.scorer.name == name)?;
        Some(same_name(name, before, &found[later]))
    });
    all_or_faults(twice.map(|fault| Err::<(), _>(Error::new(fault))))?;
    Ok(found)
}

fn same_name(name: &str, one: &Found, other: &Found) -> String {
    match one.path == other.path {
        true => format!("plugin `{name}` is listed twice"),
        false => format!(
            "two plugins are named `{name}`: `{}` and `{}`\n\
             hint: options go by name, so use one of them or rename one",
            one.path.display(),
            other.path.display()
        ),
    }
}

fn is_path(item: &str) -> bool {
    item.contains('/') || item.ends_with(".so")
}

fn find_path(item: &str) -> Result<Found> {
    let mut found = in_library(Path::new(item))?;
    if found.len() == 1 {
        return Ok(found.remove(0));
    }
    let names: Vec<_> = found.iter().map(|f| format!("`{}`", f.scorer.name)).collect();
    Err(Error::new(format!(
        "plugin `{item}`: offers {}, and a path can mean only one\n\
         hint: put its folder into ITERIT_PLUGIN_PATH and name the one you want",
        names.join(", ")
    )))
}

/// Every scorer of one library: at least one.
///
/// # Errors
///
/// What the file is instead of a plugin.
pub(super) fn in_library(path: &Path) -> Result<Vec<Found>> {
    let fault = |said: String| Error::new(format!("plugin `{}`: {said}", path.display()));
    let path = path.canonicalize().map_err(|error| fault(format!("cannot be read: {error}")))?;
    let manifest = iterit_manifest::read(&path).map_err(fault)?;
    let found: Vec<_> =
        manifest.scorers.iter().map(|scorer| Found::new(&path, &manifest, scorer)).collect();
    match found.is_empty() {
        true => Err(fault("its manifest names no scorer".into())),
        false => Ok(found),
    }
}

fn find_name(name: &str, search_path: &SearchPath) -> Result<Found> {
    for folder in &search_path.folders {
        let mut offers = offers_in(folder);
        offers.retain(|found| found.scorer.name == name);
        match offers.len() {
            0 => continue,
            1 => return Ok(offers.remove(0)),
            _ => return Err(Error::new(offered_twice(name, folder, &offers))),
        }
    }
    Err(Error::new(unknown(name, search_path)))
}

fn offered_twice(name: &str, folder: &Path, offers: &[Found]) -> String {
    let files: Vec<_> = offers.iter().map(|f| format!("`{}`", file_name(&f.path))).collect();
    format!(
        "plugin `{name}` is offered twice in `{}`: by {}\n\
         hint: remove one, or give the path of the one you mean",
        folder.display(),
        files.join(" and ")
    )
}

fn unknown(name: &str, search_path: &SearchPath) -> String {
    let mut offered: Vec<_> =
        search_path.offers().into_iter().map(|found| found.scorer.name).collect();
    offered.sort();
    offered.dedup();
    let searched = search_path.shown();
    if let Some(passed_over) = passed_over(name, search_path) {
        return format!("unknown plugin `{name}`; {passed_over}");
    }
    if offered.is_empty() {
        return format!(
            "unknown plugin `{name}`; there is no plugin in {searched}\n\
             hint: build the plugins, or set ITERIT_PLUGIN_PATH to their folder"
        );
    }
    let list: Vec<_> = offered.iter().map(|name| format!("`{name}`")).collect();
    let message = format!("unknown plugin `{name}`; there are {} in {searched}", list.join(", "));
    match nearest(name, &offered) {
        Some(near) => format!("{message}\nhint: did you mean `{near}`?"),
        None => format!("{message}\nhint: a plugin elsewhere is named by its path"),
    }
}

/// A library that by its file's name should have offered it, and why it does not.
fn passed_over(name: &str, search_path: &SearchPath) -> Option<String> {
    let wanted = format!("{}.so", name.replace('-', "_"));
    let mut libraries = search_path.folders.iter().flat_map(|folder| libraries_in(folder));
    libraries.find_map(|path| {
        let file = file_name(&path);
        let meant =
            file.strip_suffix(&wanted).is_some_and(|rest| rest == "lib" || rest.ends_with('_'));
        let reason = iterit_manifest::read(&path).err().filter(|_| meant)?;
        Some(format!("`{}` was passed over: {reason}", path.display()))
    })
}

/// Letters swapped, missing or mistyped: at most two. The loader knows the SDK alone, since `evolution.rs` builds it
/// against later ones, so it has its own.
fn nearest<'a>(name: &str, offered: &'a [String]) -> Option<&'a str> {
    offered
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), known.as_str()))
        .filter(|&(distance, known)| distance <= 2 && distance < known.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, known)| known)
}

/// What the libraries directly in a folder offer; those that are no plugins are passed over.
fn offers_in(folder: &Path) -> Vec<Found> {
    let mut offers = Vec::new();
    for path in libraries_in(folder) {
        if let Ok(manifest) = iterit_manifest::read(&path) {
            let scorers = manifest.scorers.iter();
            offers.extend(scorers.map(|scorer| Found::new(&path, &manifest, scorer)));
        }
    }
    offers.sort_by(|a, b| (&a.scorer.name, &a.path).cmp(&(&b.scorer.name, &b.path)));
    offers
}

fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "so"))
        .collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
