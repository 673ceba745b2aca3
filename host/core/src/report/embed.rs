//! What the sample browser in the page knows: the texts once, and for every run what became of
//! them. It is kept within a budget of bytes, so that a page of 50,000 samples still opens at once:
//! long texts are cut, those that no run picked first, and the page says so.

use crate::record::{RunRecord, ScoreLine, Selection};
use crate::{Role, Sample, SampleId};
use serde::Serialize;
use std::collections::HashSet;

/// Bytes of JSON that the texts may take.
const TEXT_BUDGET: usize = 7_000_000;
/// Characters to which a picked sample's prompt and response are kept: the first that leaves room.
const PICKED_CHARACTERS: [usize; 3] = [4_000, 1_000, 300];
/// Characters by which a sample can still be told from others.
const RECOGNISABLE_CHARACTERS: usize = 40;
/// Scores embedded over all runs; later runs come without.
const SCORE_BUDGET: usize = 200_000;

/// The browser's data.
#[derive(Debug, Serialize)]
pub(crate) struct SampleData {
    prompt: Vec<String>,
    response: Vec<String>,
    /// Characters of each whole response.
    length: Vec<usize>,
    runs: Vec<EmbeddedRun>,
    #[serde(skip)]
    pub(crate) system: Option<String>,
    #[serde(skip)]
    pub(crate) cut: Option<Cut>,
}

/// How texts were cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Cut {
    /// Characters kept of what a run picked.
    pub(crate) picked: usize,
    /// Characters kept of the rest.
    pub(crate) others: usize,
}

#[derive(Debug, Serialize)]
struct EmbeddedRun {
    name: String,
    epochs: Vec<EmbeddedEpoch>,
}

#[derive(Debug, Serialize)]
struct EmbeddedEpoch {
    epoch: u32,
    picked: Vec<SampleId>,
    values: Vec<Option<f64>>,
    gains: Vec<Option<f64>>,
    /// Null where all samples were scored in the order of the data.
    scored: Option<Vec<SampleId>>,
    scores: Vec<Option<f64>>,
    ineligible: Vec<SampleId>,
}

/// Gathers texts and fates.
pub(crate) fn sample_data(samples: &[Sample], runs: &[(&str, &RunRecord)]) -> SampleData {
    let system = shared_system(samples).map(str::to_owned);
    let prompts: Vec<String> =
        samples.iter().map(|sample| prompt_text(sample, system.is_some())).collect();
    let picked: HashSet<SampleId> = runs
        .iter()
        .flat_map(|(_, record)| &record.selections)
        .flat_map(|selection| selection.selected.iter().copied())
        .collect();
    let is_picked: Vec<bool> =
        (0..samples.len()).map(|at| picked.contains(&(at as SampleId))).collect();
    let cut = fitting_cut(samples, &prompts, &is_picked);
    let limit = |at: usize| match cut {
        None => usize::MAX,
        Some(cut) if is_picked[at] => cut.picked,
        Some(cut) => cut.others,
    };
    let mut room = SCORE_BUDGET;
    SampleData {
        prompt: prompts.iter().enumerate().map(|(at, text)| shortened(text, limit(at))).collect(),
        response: samples
            .iter()
            .enumerate()
            .map(|(at, sample)| shortened(&sample.response, limit(at)))
            .collect(),
        length: samples.iter().map(|sample| sample.response.chars().count()).collect(),
        runs: runs.iter().map(|(name, record)| embedded_run(name, record, &mut room)).collect(),
        system,
        cut,
    }
}

fn embedded_run(name: &str, record: &RunRecord, room: &mut usize) -> EmbeddedRun {
    let epochs = record
        .selections
        .iter()
        .enumerate()
        .map(|(epoch, selection)| {
            let fresh = || fresh_lines(record, epoch);
            let count = fresh().count();
            let fits = count <= *room;
            *room -= if fits { count } else { 0 };
            embedded_epoch(selection, fresh().filter(|_| fits), record.manifest.num_samples)
        })
        .collect();
    EmbeddedRun { name: name.into(), epochs }
}

fn fresh_lines(record: &RunRecord, epoch: usize) -> impl Iterator<Item = &ScoreLine> {
    let lines = record.scores.get(epoch).map_or(&[][..], Vec::as_slice);
    lines.iter().filter(move |line| line.scored_at as usize == epoch)
}

fn embedded_epoch<'a>(
    selection: &Selection,
    fresh: impl Iterator<Item = &'a ScoreLine>,
    num_samples: u64,
) -> EmbeddedEpoch {
    let mut scored = Vec::new();
    let mut scores = Vec::new();
    let mut ineligible = Vec::new();
    for line in fresh {
        scored.push(line.id);
        scores.push(line.score.and_then(rounded));
        if !line.eligible {
            ineligible.push(line.id);
        }
    }
    let in_order = scored.len() as u64 == num_samples
        && scored.iter().enumerate().all(|(at, &id)| at as SampleId == id);
    EmbeddedEpoch {
        epoch: selection.epoch,
        picked: selection.selected.clone(),
        values: selection.values.iter().map(|&value| rounded(value)).collect(),
        gains: selection.gains.iter().map(|&gain| rounded(gain)).collect(),
        scored: (!in_order).then_some(scored),
        scores,
        ineligible,
    }
}

/// Six significant digits: more than a person reads, a third of the bytes.
fn rounded(value: f64) -> Option<f64> {
    value.is_finite().then(|| format!("{value:.5e}").parse().unwrap_or(value))
}

/// The system message that all samples share; it is shown once instead of everywhere.
fn shared_system(samples: &[Sample]) -> Option<&str> {
    let first = system_text(samples.first()?)?;
    samples.iter().all(|sample| system_text(sample) == Some(first)).then_some(first)
}

fn system_text(sample: &Sample) -> Option<&str> {
    sample.prompt.first().filter(|turn| turn.role == Role::System).map(|turn| turn.content.as_str())
}

/// The turns before the response. A lone question stands for itself, else every turn is named.
fn prompt_text(sample: &Sample, without_system: bool) -> String {
    let turns = &sample.prompt[usize::from(without_system)..];
    match turns {
        [only] if only.role == Role::User => only.content.clone(),
        turns => turns
            .iter()
            .map(|turn| format!("{}: {}", turn.role.name(), turn.content))
            .collect::<Vec<_>>()
            .join("\n\n"),
    }
}

/// The mildest cut that fits the budget, or none where everything fits.
fn fitting_cut(samples: &[Sample], prompts: &[String], is_picked: &[bool]) -> Option<Cut> {
    let lengths: Vec<[TextLength; 2]> = samples
        .iter()
        .zip(prompts)
        .map(|(sample, prompt)| [TextLength::of(prompt), TextLength::of(&sample.response)])
        .collect();
    let bytes = |cut: Cut| -> usize {
        let limit = |picked: bool| if picked { cut.picked } else { cut.others };
        lengths
            .iter()
            .zip(is_picked)
            .map(|(texts, &picked)| texts.iter().map(|t| t.bytes_at(limit(picked))).sum::<usize>())
            .sum()
    };
    if bytes(Cut { picked: usize::MAX, others: usize::MAX }) <= TEXT_BUDGET {
        return None;
    }
    // What was picked is kept as long as the rest can still be recognised.
    let longest = PICKED_CHARACTERS
        .into_iter()
        .find(|&picked| bytes(Cut { picked, others: RECOGNISABLE_CHARACTERS }) <= TEXT_BUDGET);
    let cut_to = |others: usize| Cut { picked: longest.unwrap_or(0).max(others), others };
    let mut fits = 0;
    let mut too_long = 2 * PICKED_CHARACTERS[0];
    while too_long - fits > 1 {
        let middle = fits.midpoint(too_long);
        if bytes(cut_to(middle)) <= TEXT_BUDGET {
            fits = middle;
        } else {
            too_long = middle;
        }
    }
    Some(cut_to(fits))
}

/// A text's length in characters and in bytes of JSON.
struct TextLength {
    characters: usize,
    bytes: usize,
}

impl TextLength {
    fn of(text: &str) -> Self {
        let escaped = |byte: u8| match byte {
            b'<' | 0..0x20 => 6,
            b'"' | b'\\' => 2,
            _ => 1,
        };
        let bytes = text.bytes().map(escaped).sum();
        Self { characters: text.chars().count(), bytes }
    }

    /// About the bytes of the text cut to so many characters.
    fn bytes_at(&self, limit: usize) -> usize {
        if limit >= self.characters {
            self.bytes
        } else {
            (self.bytes as f64 * limit as f64 / self.characters as f64) as usize + 3
        }
    }
}

fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Turn;

    fn samples(count: usize, characters: usize) -> Vec<Sample> {
        (0..count)
            .map(|id| Sample {
                id: id as SampleId,
                prompt: vec![
                    Turn::new(Role::System, "Be kind."),
                    Turn::new(Role::User, "é".repeat(characters / 2)),
                ],
                response: "<\"".repeat(characters / 4),
                metadata: serde_json::Map::new(),
            })
            .collect()
    }

    #[test]
    fn short_data_is_whole_and_its_system_message_stands_apart() {
        let data = sample_data(&samples(3, 40), &[]);
        assert_eq!(data.cut, None);
        assert_eq!(data.system.as_deref(), Some("Be kind."));
        assert_eq!(data.prompt[2], "é".repeat(20));
    }

    #[test]
    fn long_data_is_cut_to_the_budget() {
        let data = sample_data(&samples(4000, 3000), &[]);
        let cut = data.cut.unwrap();
        assert_eq!(cut.others, cut.picked.min(cut.others));
        let bytes = crate::report::escape::json_in_script(&data).len();
        assert!((TEXT_BUDGET * 9 / 10..TEXT_BUDGET * 21 / 20).contains(&bytes), "{bytes}");
        assert!(data.prompt[0].ends_with('…'));
    }

    #[test]
    fn turns_are_named_where_there_are_several() {
        let mut sample = samples(1, 4).remove(0);
        sample.prompt.push(Turn::new(Role::Assistant, "Yes?"));
        sample.prompt.push(Turn::new(Role::User, "Go on"));
        assert_eq!(prompt_text(&sample, true), "user: éé\n\nassistant: Yes?\n\nuser: Go on");
    }
}
