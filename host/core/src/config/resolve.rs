//! Puts settings, in order, into a configuration, and gathers every fault on the way.

use super::keys::Key;
use super::names::{self, Place};
use super::{Config, Setting};
use crate::{Error, Result};
use toml::{Table, Value};

/// The defaults with these settings applied in order.
pub(super) fn resolve(settings: Vec<Setting>, mut faults: Vec<String>) -> Result<Config> {
    let mut config = Config::default();
    for setting in settings {
        apply(&mut config, setting, &mut faults);
    }
    if faults.is_empty() {
        // What a key cannot be beside another shows once each of them is right by itself.
        faults = config.train.faults();
    }
    if faults.is_empty() { Ok(config) } else { Err(Error::Config(faults)) }
}

fn apply(config: &mut Config, setting: Setting, faults: &mut Vec<String>) {
    let Setting { origin, key: name, value, bare } = setting;
    let outcome = match (names::place(&name), value) {
        (Place::Key(key), value) => put(config, key, value, bare),
        (Place::Weight(scorer), value) => put_weight(config, scorer, value),
        (Place::Field(field), value) => put_field(config, field, value),
        (Place::Source(source), value) => put_source(config, source, value),
        (Place::Plugin(plugin, path), value) => {
            insert(config.plugins.entry(plugin.to_owned()).or_default(), &path, value);
            Ok(())
        }
        (Place::Section, Value::Table(table)) => {
            for (key, value) in table {
                let key = format!("{name}.{key}");
                apply(config, Setting { origin: origin.clone(), key, value, bare: None }, faults);
            }
            Ok(())
        }
        (Place::Section, value) => Err(format!("`{name}` is {value}, expected a section [{name}]")),
        (Place::Unknown, Value::Table(_)) if name == "compare" => {
            Err("[compare] belongs to a comparison, not to one run\n\
                 hint: iterit-host compare FILE"
                .to_owned())
        }
        (Place::Unknown, Value::Table(_)) => Err(match names::meant_section(&name) {
            Some(meant) => format!("unknown section [{name}], the nearest is [{meant}]"),
            None => format!("unknown section [{name}], configs/README.md lists them all"),
        }),
        (Place::Unknown, _) => Err(match names::meant(&name) {
            Some(meant) => {
                let hint = names::advice(&name).map(|advice| format!("\nhint: {advice}"));
                let hint = hint.unwrap_or_default();
                format!("unknown key `{name}`, the nearest is `{meant}`{hint}")
            }
            None => format!("unknown key `{name}`, configs/README.md lists them all"),
        }),
    };
    faults.extend(outcome.err().map(|fault| format!("{origin}: {fault}")));
}

/// `--set data.eos_text=1` means the text, though 1 alone is a number to TOML: a single value from
/// the command line that the key does not take is tried as a bare string.
fn put(config: &mut Config, key: &Key, value: Value, bare: Option<String>) -> Result<(), String> {
    let found = value.to_string();
    let bare = bare.filter(|_| !value.is_array() && !value.is_table());
    if (key.put)(config, value) || bare.is_some_and(|bare| (key.put)(config, Value::String(bare))) {
        return Ok(());
    }
    Err(format!("`{}` is {found}, expected {}", key.name, key.expected))
}

fn put_weight(config: &mut Config, scorer: &str, value: Value) -> Result<(), String> {
    match value.clone().try_into::<f64>() {
        Ok(weight) if weight >= 0.0 && weight.is_finite() => {
            config.selection.weights.insert(scorer.to_owned(), weight);
            Ok(())
        }
        _ => Err(format!(
            "`selection.weights.{scorer}` is {value}, expected a finite number, 0 or more"
        )),
    }
}

fn put_field(config: &mut Config, field: &str, value: Value) -> Result<(), String> {
    match value {
        Value::String(name) if !name.is_empty() => {
            config.data.fields.insert(field.to_owned(), name);
            Ok(())
        }
        value => Err(format!("`data.fields.{field}` is {value}, expected the name of a field")),
    }
}

fn put_source(config: &mut Config, source: &str, value: Value) -> Result<(), String> {
    match value.clone().try_into::<f64>() {
        Ok(share) if share > 0.0 && share.is_finite() => {
            config.data.sources.insert(source.to_owned(), share);
            Ok(())
        }
        _ => Err(format!(
            "`data.sources.{source}` is {value}, expected a share above 0 and up to 1, or a count \
             above 1"
        )),
    }
}

/// Puts a plugin's option in its place; what stood there before is replaced.
fn insert(table: &mut Table, path: &[&str], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert((*key).to_owned(), value);
        }
        [key, rest @ ..] => {
            let inner = table.entry(*key).or_insert_with(|| Value::Table(Table::new()));
            if !inner.is_table() {
                *inner = Value::Table(Table::new());
            }
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}
