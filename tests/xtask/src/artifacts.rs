//! What a build made, and where cargo put it.

use crate::error::{Error, Result};
use crate::process;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The host and its plugins, as built.
#[derive(Debug)]
pub(crate) struct Artifacts {
    /// The binary `iterit-host`.
    pub(crate) host: PathBuf,
    /// The plugins' dylibs.
    pub(crate) plugins: Vec<PathBuf>,
}

/// Builds the host and the plugins in one profile: `dev`, or `release`.
pub(crate) fn build(profile: &str) -> Result<Artifacts> {
    let arguments = ["build", "--message-format=json-render-diagnostics", "--profile", profile];
    let messages = process::output(process::cargo(arguments).stdout(Stdio::piped()))?;
    read(&messages)
}

/// Reads cargo's messages, a line each.
fn read(messages: &str) -> Result<Artifacts> {
    let (mut host, mut plugins) = (None, Vec::new());
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        if message["target"]["name"] == "iterit-host" && message["executable"].is_string() {
            host = message["executable"].as_str().map(PathBuf::from);
        }
        let files = message["filenames"].as_array().into_iter().flatten();
        let files = files.filter_map(Value::as_str).map(Path::new);
        if is_plugin(&message) {
            plugins.extend(
                files.filter(|it| it.extension() == Some("so".as_ref())).map(Path::to_owned),
            );
        }
    }
    let host =
        host.ok_or_else(|| Error::Told("the build made no binary `iterit-host`".to_owned()))?;
    Ok(Artifacts { host, plugins })
}

fn is_plugin(message: &Value) -> bool {
    let kinds = message["target"]["kind"].as_array().into_iter().flatten();
    let manifest = message["manifest_path"].as_str().unwrap_or_default();
    kinds.into_iter().any(|it| it == "cdylib")
        && Path::new(manifest).ancestors().nth(2).is_some_and(|it| it.ends_with("plugins"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_plugins_are_found_among_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","manifest_path":"/w/plugins/ifd/Cargo.toml","target":{"kind":["cdylib","rlib"],"name":"iterit_plugin_ifd"},"filenames":["/t/libifd.so","/t/libifd.rlib"],"executable":null}
{"reason":"compiler-artifact","manifest_path":"/r/other/Cargo.toml","target":{"kind":["cdylib"],"name":"other"},"filenames":["/t/libother.so"],"executable":null}
{"reason":"compiler-artifact","manifest_path":"/w/host/Cargo.toml","target":{"kind":["bin"],"name":"iterit-host"},"filenames":["/t/iterit-host"],"executable":"/t/iterit-host"}
{"reason":"build-finished","success":true}"#;
        let artifacts = read(messages).unwrap();
        assert_eq!(artifacts.host, Path::new("/t/iterit-host"));
        assert_eq!(artifacts.plugins, [Path::new("/t/libifd.so")]);
        assert!(read("").is_err());
    }
}
