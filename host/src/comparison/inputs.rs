//! Everything a comparison reads, by the sha256 of its content.

use super::arms::CheckedArm;
use crate::wiring;
use iterit_core::Result;
use iterit_core::config::Config;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use toml::Value;

/// Data, models, template, plugins, and the files that the plugins' options name.
pub(super) fn inputs(config: &Config, arms: &[CheckedArm<'_>]) -> Result<BTreeMap<String, String>> {
    let mut files: BTreeSet<PathBuf> = BTreeSet::new();
    for arm in arms {
        files.extend(arm.choosers.files().cloned());
        files.extend(arm.config.plugins.values().flat_map(|table| {
            let mut named = Vec::new();
            files_named(&Value::Table(table.clone()), &mut named);
            named
        }));
    }
    wiring::fingerprints(config, &files)
}

/// Every text in a plugin's options that is the path of a file.
pub(super) fn files_named(options: &Value, found: &mut Vec<PathBuf>) {
    match options {
        Value::String(text) => {
            let path = PathBuf::from(text);
            if path.is_file() {
                found.push(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| files_named(item, found)),
        Value::Table(table) => table.values().for_each(|value| files_named(value, found)),
        _ => {}
    }
}
