//! A configuration file as a list of settings, each with the line it stands in.

use super::names::{Place, place};
use super::setting::Setting;
use crate::{Error, Result};
use serde::Deserialize;
use std::path::Path;
use toml::Spanned;
use toml::Value;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// Reads a file; where it is not TOML, `faults` says so and there are no settings.
pub(super) fn read(path: &Path, faults: &mut Vec<String>) -> Result<Vec<Setting>> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    Ok(settings(&text, &path.display().to_string(), faults))
}

/// Reads a text; `file` is what messages call it.
pub(super) fn settings(text: &str, file: &str, faults: &mut Vec<String>) -> Vec<Setting> {
    let line = |offset: usize| 1 + text[..offset].matches('\n').count();
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut settings = Vec::new();
    if !errors.is_empty() {
        let place = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        let mut errors: Vec<_> = errors.iter().map(|error| (place(error), error)).collect();
        errors.sort_by_key(|(place, _)| *place);
        let fault = |(place, error): &(usize, &toml::de::Error)| {
            format!("{file}:{}: not TOML: {}", line(*place), error.message())
        };
        faults.extend(errors.iter().map(fault));
        return settings;
    }
    walk(table.into_inner(), "", &mut |key, offset, value| {
        let origin = format!("{file}:{}", line(offset));
        settings.push(Setting { origin, key, value, bare: None });
    });
    settings
}

/// Visits what stands in sections; a table that is no section is visited whole.
fn walk(table: DeTable<'_>, prefix: &str, visit: &mut dyn FnMut(String, usize, Value)) {
    for (key, value) in table {
        let name = match prefix {
            "" => key.get_ref().to_string(),
            _ => format!("{prefix}.{}", key.get_ref()),
        };
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(table) if matches!(place(&name), Place::Section) => {
                walk(table, &name, visit);
            }
            value => {
                let value = ValueDeserializer::from(Spanned::new(span, value));
                if let Ok(value) = Value::deserialize(value) {
                    visit(name, key.span().start, value);
                }
            }
        }
    }
}
