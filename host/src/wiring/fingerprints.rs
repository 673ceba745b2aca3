//! The sha256 of everything that a run reads, by path.

use super::sha256;
use iterit_core::config::Config;
use iterit_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Of data, models, template and plugins.
pub(crate) fn fingerprints<'a>(
    config: &Config,
    plugins: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<BTreeMap<String, String>> {
    let mut files = data_files(config);
    files.extend(model_files(config)?);
    files.extend(config.data.template.iter().map(PathBuf::from).filter(|path| path.is_file()));
    files.extend(plugins.into_iter().cloned());
    hashes(&files)
}

/// The files of samples, in order.
pub(crate) fn data_files(config: &Config) -> Vec<PathBuf> {
    let data = &config.data;
    [&data.path, &data.eval_path, &data.target_path].into_iter().flatten().cloned().collect()
}

/// Weights, configuration, tokenizer and template of the model, and of the proxy.
pub(crate) fn model_files(config: &Config) -> Result<Vec<PathBuf>> {
    let mut files = model_parts(config.model_path()?)?;
    if let Some(proxy) = &config.model.proxy {
        files.extend(model_parts(proxy)?);
    }
    Ok(files)
}

fn model_parts(folder: &Path) -> Result<Vec<PathBuf>> {
    const PARTS: [&str; 3] = ["safetensors", "json", "jinja"];
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        if path.extension().is_some_and(|extension| PARTS.iter().any(|part| extension == *part)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The sha256 of files, by path.
pub(crate) fn hashes(files: &[PathBuf]) -> Result<BTreeMap<String, String>> {
    files.iter().map(|path| Ok((path.display().to_string(), sha256(path)?))).collect()
}
