//! Scores that several arms share: before any training every arm has the same model, so what a
//! scorer says then is said once. A key holds everything that a score depends on, and a file holds
//! its whole key, so a hit is never stale.

use super::ledger::hexadecimal;
use crate::record::ScoreLine;
use crate::{Error, Result, whole_file};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that scores depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreCacheKey {
    /// sha256 of the model's files.
    pub model: BTreeMap<String, String>,
    /// sha256 of the data's files, in order.
    pub data: Vec<String>,
    /// The chat template's text.
    pub template: String,
    /// The scorers with their versions and the sha256 of their files, in order.
    pub scorers: Vec<String>,
    /// Their options, weights and whatever else of the configuration reaches a score: dtype,
    /// device, maximum length, the end of the response.
    pub options: serde_json::Value,
    /// The version of iterit.
    pub iterit: String,
}

impl ScoreCacheKey {
    /// sha256 of the key.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).expect("a key serializes to JSON");
        hexadecimal(&Sha256::digest(json))
    }
}

/// A folder of scores by key.
#[derive(Debug, Clone)]
pub struct ScoreCache {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Entry<K, L> {
    key: K,
    scores: L,
}

impl ScoreCache {
    /// A cache in a folder, which need not be there.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The scores made under exactly this key.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold its key.
    pub fn get(&self, key: &ScoreCacheKey) -> Result<Option<Vec<ScoreLine>>> {
        let path = self.path(key);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let damaged = |what: String| {
            Error::file(&path, format!("{what}\nhint: remove the file to score again"))
        };
        let entry: Entry<ScoreCacheKey, Vec<ScoreLine>> =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if entry.key != *key {
            return Err(damaged("the scores in it were made from something else".into()));
        }
        Ok(Some(entry.scores))
    }

    /// Keeps scores under their key.
    pub fn put(&self, key: &ScoreCacheKey, scores: &[ScoreLine]) -> Result<()> {
        let json = serde_json::to_vec(&Entry { key, scores }).expect("scores serialize to JSON");
        whole_file::write(&self.path(key), &json)
    }

    fn path(&self, key: &ScoreCacheKey) -> PathBuf {
        self.folder.join(format!("{}.json", key.hash()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ScoreCacheKey {
        ScoreCacheKey {
            model: BTreeMap::from([("model.safetensors".into(), "aa".into())]),
            data: vec!["bb".into()],
            template: "t".into(),
            scorers: vec!["ifd 0.1.0 cc".into()],
            options: serde_json::json!({ "max_length": 512 }),
            iterit: "0.1.0".into(),
        }
    }

    #[test]
    fn a_hit_needs_the_whole_key() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ScoreCache::new(folder.path());
        let line = ScoreLine {
            id: 3,
            score: Some(0.1 + 0.2),
            eligible: true,
            scored_at: 0,
            parts: BTreeMap::new(),
        };
        assert_eq!(cache.get(&key()).unwrap(), None);
        cache.put(&key(), std::slice::from_ref(&line)).unwrap();
        assert_eq!(cache.get(&key()).unwrap(), Some(vec![line]));
        for changed in [
            ScoreCacheKey { data: vec!["b".into(), "b".into()], ..key() },
            ScoreCacheKey { template: "t ".into(), ..key() },
            ScoreCacheKey { options: serde_json::json!({ "max_length": 511 }), ..key() },
        ] {
            assert_eq!(cache.get(&changed).unwrap(), None);
        }
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_hit() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ScoreCache::new(folder.path());
        cache.put(&ScoreCacheKey { template: "other".into(), ..key() }, &[]).unwrap();
        let written = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        std::fs::copy(&written, cache.path(&key())).unwrap();
        assert!(cache.get(&key()).unwrap_err().to_string().contains("something else"));
        std::fs::write(cache.path(&key()), "{").unwrap();
        assert!(cache.get(&key()).is_err());
    }
}
