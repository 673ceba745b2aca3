//! The sources of a data set by name: what `data.path` lists, each a file or a folder.

use super::{Dataset, ReadOptions, hold_out};
use crate::nearest::nearest;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The metadata fields that say where a row came from, in order of preference.
pub const SOURCE_FIELDS: [&str; 5] = ["source", "dataset", "category", "task", "type"];

/// Where rows came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The last part of its path, without what tells the format.
    pub name: String,
    /// How many rows are of it.
    pub num_rows: usize,
}

/// The names of paths; one that comes again gets a number.
pub(super) fn names(paths: &[PathBuf]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for path in paths {
        let plain = plain_name(path);
        let again = names.iter().filter(|name| **name == plain).count();
        names.push(if again == 0 { plain } else { format!("{plain}-{}", again + 1) });
    }
    names
}

fn plain_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    if path.is_dir() {
        return name.into_owned();
    }
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

/// A source that is limited must be there.
pub(super) fn check_known(names: &[String], options: &ReadOptions) -> Result<()> {
    let faults: Vec<String> = options
        .sources
        .keys()
        .filter(|name| !names.contains(name))
        .map(|name| {
            let hint = nearest(name, names.iter().map(String::as_str))
                .map_or(String::new(), |near| format!("\nhint: did you mean `{near}`?"));
            format!(
                "`data.sources.{name}`: no source has this name, expected one of `{}`{hint}",
                names.join("`, `")
            )
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Config(faults)) }
}

/// Keeps as many of the rows from `start` on as the source may have, and names it in rows that do not
/// say where they came from, where there are several.
pub(super) fn end(
    name: &str,
    start: usize,
    num_sources: usize,
    options: &ReadOptions,
    dataset: &mut Dataset,
) {
    if let Some(&share) = options.sources.get(name) {
        let all = dataset.rows.len() - start;
        let most = if share <= 1.0 { all as f64 * share } else { share.min(all as f64) } as usize;
        keep(most, start, dataset);
    }
    if num_sources > 1 {
        for row in &mut dataset.rows[start..] {
            if !SOURCE_FIELDS.iter().any(|field| row.metadata.contains_key(*field)) {
                row.metadata.insert(SOURCE_FIELDS[0].to_owned(), name.into());
            }
        }
    }
    let num_rows = dataset.rows.len() - start;
    dataset.sources.push(Source { name: name.to_owned(), num_rows });
}

/// Those with the smallest hashes stay, in their order: a draw that needs no seed and does not change
/// where rows come or go.
fn keep(most: usize, start: usize, dataset: &mut Dataset) {
    let mut hashes: Vec<(f64, usize)> =
        dataset.rows[start..].iter().map(hold_out::hash).zip(start..).collect();
    hashes.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    let mut is_kept = vec![true; dataset.rows.len()];
    for &(_, place) in hashes.iter().skip(most) {
        is_kept[place] = false;
    }
    let mut is_kept = is_kept.into_iter();
    dataset.rows.retain(|_| is_kept.next().unwrap_or(true));
}
