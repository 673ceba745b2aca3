//! What the picks are made of, beside the pool they were taken from: lengths, sources, duplicates.

use crate::dataset::SOURCE_FIELDS;
use crate::statistics::summary::{mean, quantile, sorted_finite};
use crate::{Sample, SampleId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Beyond this many sources the smallest are counted together.
const MOST_SOURCES: usize = 12;

/// A set of samples in a few figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// Its size.
    pub samples: u64,
    /// Response lengths in characters.
    pub length: Option<Lengths>,
    /// Samples whose prompt and response, case and white space aside, an earlier one of the set has.
    pub duplicates: u64,
    /// Samples by source, in the order of [`Mixes::sources`].
    pub by_source: Vec<u64>,
}

/// Quantiles of lengths.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    /// 10 % are shorter.
    pub p10: f64,
    /// 25 % are shorter.
    pub p25: f64,
    /// Half are shorter.
    pub median: f64,
    /// 75 % are shorter.
    pub p75: f64,
    /// 90 % are shorter.
    pub p90: f64,
    /// The mean.
    pub mean: f64,
}

/// The pool and the picks taken from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixes {
    /// The metadata field the sources are read from, where the data has one.
    pub source_field: Option<String>,
    /// The sources, the most frequent in the pool first; the last may be "(others)".
    pub sources: Vec<String>,
    /// All samples.
    pub pool: Mix,
    /// Each pick.
    pub picks: Vec<Mix>,
}

/// Describes the pool and each pick in the same terms.
pub fn mixes(samples: &[Sample], picks: &[&[SampleId]]) -> Mixes {
    let source_field = source_field(samples);
    let sources = source_field.map_or_else(Vec::new, |field| sources(samples, field));
    let texts = text_numbers(samples);
    let source_numbers: Vec<Option<usize>> = samples
        .iter()
        .map(|sample| source_field.and_then(|field| source_number(sample, field, &sources)))
        .collect();
    let describe = |ids: &[usize]| describe(samples, ids, &texts, &source_numbers, sources.len());
    let all: Vec<usize> = (0..samples.len()).collect();
    let known = |pick: &&[SampleId]| -> Vec<usize> {
        pick.iter().map(|&id| id as usize).filter(|&id| id < samples.len()).collect()
    };
    Mixes {
        source_field: source_field.map(str::to_owned),
        pool: describe(&all),
        picks: picks.iter().map(|pick| describe(&known(pick))).collect(),
        sources,
    }
}

fn describe(
    samples: &[Sample],
    ids: &[usize],
    texts: &[u32],
    source_numbers: &[Option<usize>],
    num_sources: usize,
) -> Mix {
    let mut seen = vec![false; texts.len()];
    let repeated = |&&id: &&usize| std::mem::replace(&mut seen[texts[id] as usize], true);
    let duplicates = ids.iter().filter(repeated).count() as u64;
    let mut by_source = vec![0; num_sources];
    for number in ids.iter().filter_map(|&id| source_numbers[id]) {
        by_source[number] += 1;
    }
    let lengths = ids.iter().map(|&id| samples[id].response.chars().count() as f64);
    Mix { samples: ids.len() as u64, length: self::lengths(lengths), duplicates, by_source }
}

fn lengths(values: impl Iterator<Item = f64>) -> Option<Lengths> {
    let sorted = sorted_finite(values);
    (!sorted.is_empty()).then(|| Lengths {
        p10: quantile(&sorted, 0.10),
        p25: quantile(&sorted, 0.25),
        median: quantile(&sorted, 0.50),
        p75: quantile(&sorted, 0.75),
        p90: quantile(&sorted, 0.90),
        mean: mean(&sorted),
    })
}

/// A number for each sample, equal for samples that say the same.
fn text_numbers(samples: &[Sample]) -> Vec<u32> {
    let mut numbers = HashMap::new();
    samples
        .iter()
        .map(|sample| {
            let next = numbers.len() as u32;
            *numbers.entry(plain_text(sample)).or_insert(next)
        })
        .collect()
}

/// Prompt and response in lower case with single spaces.
fn plain_text(sample: &Sample) -> String {
    let mut text = String::new();
    let turns = sample.prompt.iter().map(|turn| turn.content.as_str());
    for part in turns.chain([sample.response.as_str()]) {
        text.extend(part.split_whitespace().flat_map(|word| [word, " "]));
        text.push('\n');
    }
    text.to_lowercase()
}

fn source_field(samples: &[Sample]) -> Option<&'static str> {
    let has = |field: &&str| {
        samples.iter().any(|s| s.metadata.get(*field).is_some_and(|v| v.is_string()))
    };
    SOURCE_FIELDS.into_iter().find(|field| has(field))
}

fn source_of<'a>(sample: &'a Sample, field: &str) -> &'a str {
    sample.metadata.get(field).and_then(|value| value.as_str()).unwrap_or("(none)")
}

/// The sources by falling count, then name; the rest of a long tail as one.
fn sources(samples: &[Sample], field: &str) -> Vec<String> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    samples.iter().for_each(|sample| *counts.entry(source_of(sample, field)).or_default() += 1);
    let mut sources: Vec<(&str, u64)> = counts.into_iter().collect();
    sources.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let others = sources.len() > MOST_SOURCES;
    sources.truncate(if others { MOST_SOURCES - 1 } else { MOST_SOURCES });
    let mut names: Vec<String> = sources.into_iter().map(|(name, _)| name.to_owned()).collect();
    names.extend(others.then(|| "(others)".to_owned()));
    names
}

fn source_number(sample: &Sample, field: &str, sources: &[String]) -> Option<usize> {
    let source = source_of(sample, field);
    let last = sources.len().checked_sub(1)?;
    Some(sources.iter().position(|name| name == source).unwrap_or(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, Turn};

    fn sample(id: SampleId, response: &str, source: Option<&str>) -> Sample {
        let mut metadata = serde_json::Map::new();
        metadata.extend(source.map(|source| ("source".to_owned(), source.into())));
        let prompt = vec![Turn::new(Role::User, "Say it")];
        Sample { id, prompt, response: response.into(), metadata }
    }

    #[test]
    fn picks_are_described_beside_their_pool() {
        let samples = [
            sample(0, "a b", Some("web")),
            sample(1, "A  b ", Some("web")),
            sample(2, "other", None),
            sample(3, "été", Some("books")),
        ];
        let found = mixes(&samples, &[&[1, 3], &[]]);
        assert_eq!(found.source_field.as_deref(), Some("source"));
        assert_eq!(found.sources, ["web", "(none)", "books"]);
        assert_eq!((found.pool.duplicates, &found.pool.by_source[..]), (1, &[2, 1, 1][..]));
        assert_eq!((found.picks[0].duplicates, &found.picks[0].by_source[..]), (0, &[1, 0, 1][..]));
        assert_eq!(found.picks[0].length.unwrap().median, 4.0);
        assert_eq!(found.picks[1].length, None);
    }

    #[test]
    fn a_long_tail_of_sources_is_counted_together() {
        let samples: Vec<Sample> =
            (0..20).map(|id| sample(id, "x", Some(&format!("s{id:02}")))).collect();
        let found = mixes(&samples, &[]);
        assert_eq!(found.sources.len(), MOST_SOURCES);
        assert_eq!(found.pool.by_source.last(), Some(&9));
        assert_eq!(found.pool.by_source.iter().sum::<u64>(), 20);
    }
}
