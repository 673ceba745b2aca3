//! Scores that several arms share: before any training every arm has the same model, so what a
//! scorer says then is said once. A key holds everything that a score depends on, and a file holds
//! its whole key, so a hit is never stale.

use super::ledger::hexadecimal;
use crate::{Error, Result, SampleId, whole_file};
use iterit_sdk::Score;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Everything that one scorer's scores depend on before any training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreCacheKey {
    /// sha256 of the files of the model, and of the proxy where there is one.
    pub model: BTreeMap<String, String>,
    /// sha256 of the data's files, those held out and those only read included, in order.
    pub data: Vec<String>,
    /// The chat template's text.
    pub template: String,
    /// The scorer's name, its version and the sha256 of its file.
    pub scorer: String,
    /// Its options, with the sha256 of every file they name.
    pub options: Value,
    /// What else of the configuration reaches a score: dtype, device, maximum length, the end of a
    /// response, what is held out.
    pub config: Value,
    /// The version of iterit and the sha256 of its binary.
    pub iterit: String,
    /// sha256 of the ids asked for, in order.
    pub ids: String,
}

impl ScoreCacheKey {
    /// The same for these samples.
    pub(super) fn with_ids(&self, ids: &[SampleId]) -> Self {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        Self { ids: hexadecimal(&Sha256::digest(bytes)), ..self.clone() }
    }

    /// sha256 of the key.
    pub fn hash(&self) -> String {
        let json = serde_json::to_vec(self).expect("a key serializes to JSON");
        hexadecimal(&Sha256::digest(json))
    }
}

/// What a scorer said, and how long it took to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// One score an id, in the order asked.
    pub scores: Vec<Score>,
    /// Seconds.
    pub seconds: f64,
    /// Tokens that went through the model for it.
    pub tokens: u64,
}

/// What scoring takes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scoring {
    /// Seconds.
    pub seconds: f64,
    /// Tokens forward.
    pub tokens: u64,
}

/// A folder of scores by key.
#[derive(Debug)]
pub struct ScoreCache {
    folder: PathBuf,
    /// By key, who asks now: of two runs that want the same the second waits for the first.
    asking: Mutex<HashMap<String, Arc<Mutex<()>>>>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    key: ScoreCacheKey,
    seconds: f64,
    #[serde(default)]
    tokens: u64,
    scores: Vec<Row>,
}

/// A score: value, eligible, parts.
#[derive(Serialize, Deserialize)]
struct Row(Number, bool, Vec<(String, Number)>);

/// A float64 to the last bit; what JSON has no number for is its name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Named(String),
}

impl ScoreCache {
    /// A cache in a folder, which need not be there.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), asking: Mutex::default() }
    }

    /// What was said under exactly this key, else what `ask` says now; where that may be kept, it
    /// is.
    ///
    /// # Errors
    /// What `ask` says, or a file that cannot be read or does not hold its key.
    pub(super) fn get_or_ask<E>(
        &self,
        key: &ScoreCacheKey,
        ask: impl FnOnce() -> Result<(Said, Kept), E>,
    ) -> Result<Said, E>
    where
        E: From<Error>,
    {
        let turn = {
            let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            asking.entry(key.hash()).or_default().clone()
        };
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = self.get(key)? {
            return Ok(said);
        }
        let (said, kept) = ask()?;
        if kept == Kept::ForAll {
            self.put(key, &said)?;
        }
        Ok(said)
    }

    /// What a run was spared which spent `spent` on scoring all samples by the scorers of these keys:
    /// what they took when they were asked, less that.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub fn spared(
        &self,
        keys: &[ScoreCacheKey],
        num_samples: u64,
        spent: Scoring,
    ) -> Result<Scoring> {
        let all: Vec<SampleId> = (0..num_samples).collect();
        let mut taken = Scoring::default();
        for said in keys.iter().map(|key| self.get(&key.with_ids(&all))) {
            if let Some(said) = said? {
                taken.seconds += said.seconds;
                taken.tokens += said.tokens;
            }
        }
        Ok(Scoring {
            seconds: (taken.seconds - spent.seconds).max(0.0),
            tokens: taken.tokens.saturating_sub(spent.tokens),
        })
    }

    /// What was said under exactly this key.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold its key.
    pub fn get(&self, key: &ScoreCacheKey) -> Result<Option<Said>> {
        let path = self.path(key);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        let damaged = |what: String| {
            Error::file(&path, format!("{what}\nhint: remove the file to score again"))
        };
        let entry: Entry =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        if entry.key != *key {
            return Err(damaged("the scores in it were made from something else".into()));
        }
        let scores = entry.scores.into_iter().map(Row::score).collect::<Option<_>>();
        let scores = scores.ok_or_else(|| damaged("a score in it is no number".into()))?;
        Ok(Some(Said { scores, seconds: entry.seconds, tokens: entry.tokens }))
    }

    /// Keeps what was said under its key.
    pub fn put(&self, key: &ScoreCacheKey, said: &Said) -> Result<()> {
        let scores = said.scores.iter().map(Row::of).collect();
        let entry = Entry { key: key.clone(), seconds: said.seconds, tokens: said.tokens, scores };
        let json = serde_json::to_vec(&entry).expect("scores serialize to JSON");
        whole_file::write(&self.path(key), &json)
    }

    fn path(&self, key: &ScoreCacheKey) -> PathBuf {
        self.folder.join(format!("{}.json", key.hash()))
    }
}

/// Whom an answer serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Every run that asks the same.
    ForAll,
    /// Only the run that asked.
    ForNobody,
}

impl Row {
    fn of(score: &Score) -> Self {
        let parts = score.parts.iter().map(|(name, value)| (name.to_string(), Number::of(*value)));
        Self(Number::of(score.value), score.eligible, parts.collect())
    }

    fn score(self) -> Option<Score> {
        let Self(value, eligible, parts) = self;
        let parts = parts.into_iter().map(|(name, value)| Some((name.into(), value.value()?)));
        Some(Score { value: value.value()?, eligible, parts: parts.collect::<Option<_>>()? })
    }
}

impl Number {
    fn of(value: f64) -> Self {
        if value.is_finite() { Self::Finite(value) } else { Self::Named(value.to_string()) }
    }

    fn value(self) -> Option<f64> {
        match self {
            Self::Finite(value) => Some(value),
            Self::Named(name) => name.parse().ok().filter(|value: &f64| !value.is_finite()),
        }
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
            scorer: "ifd 0.1.0 cc".into(),
            options: serde_json::json!({}),
            config: serde_json::json!({ "max_length": 512 }),
            iterit: "0.1.0".into(),
            ids: String::new(),
        }
    }

    #[test]
    fn a_hit_needs_the_whole_key_and_gives_every_bit_back() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ScoreCache::new(folder.path());
        let scores = vec![
            Score::eligible(0.1 + 0.2).with_part("tokens", 7.0),
            Score::ineligible(f64::INFINITY).with_part("tokens", f64::NEG_INFINITY),
        ];
        let said = Said { scores, seconds: 1.5, tokens: 70 };
        assert_eq!(cache.get(&key()).unwrap(), None);
        cache.put(&key(), &said).unwrap();
        assert_eq!(cache.get(&key()).unwrap(), Some(said));
        let changed = [
            ScoreCacheKey { model: BTreeMap::new(), ..key() },
            ScoreCacheKey { data: vec!["b".into(), "b".into()], ..key() },
            ScoreCacheKey { template: "t ".into(), ..key() },
            ScoreCacheKey { scorer: "ifd 0.1.0 dd".into(), ..key() },
            ScoreCacheKey { options: serde_json::json!({ "definition": "loss_ratio" }), ..key() },
            ScoreCacheKey { config: serde_json::json!({ "max_length": 511 }), ..key() },
            ScoreCacheKey { iterit: "0.1.1".into(), ..key() },
            key().with_ids(&[1, 0]),
        ];
        for changed in changed {
            assert_eq!(cache.get(&changed).unwrap(), None, "{changed:?}");
        }
        assert_ne!(key().with_ids(&[0, 1]), key().with_ids(&[1, 0]));
    }

    #[test]
    fn no_score_stays_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ScoreCache::new(folder.path());
        let said = Said { scores: vec![Score::ineligible(f64::NAN)], seconds: 0.0, tokens: 0 };
        cache.put(&key(), &said).unwrap();
        assert!(cache.get(&key()).unwrap().unwrap().scores[0].value.is_nan());
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_hit() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ScoreCache::new(folder.path());
        let said = Said { scores: Vec::new(), seconds: 0.0, tokens: 0 };
        cache.put(&ScoreCacheKey { template: "other".into(), ..key() }, &said).unwrap();
        let written = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        std::fs::copy(&written, cache.path(&key())).unwrap();
        assert!(cache.get(&key()).unwrap_err().to_string().contains("something else"));
        std::fs::write(cache.path(&key()), "{").unwrap();
        assert!(cache.get(&key()).is_err());
    }
}
