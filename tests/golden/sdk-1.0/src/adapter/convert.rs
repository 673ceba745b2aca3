//! Plain values to ABI values and back. A code or a shape this side does not know is refused.

use crate::{
    Action, Conditioning, Error, ErrorKind, LogLevel, LogitStatistics, Matrix, Model, Nll, Pooling,
    Ragged, ResponseNll, Result, Score, ScoreRow, TokenCounts, Update,
};
use iterit_abi::abi_stable::std_types::{
    RResult::{RErr, ROk},
    RString, RVec,
};
use iterit_abi::{
    AbiError, AbiLogitStatistics, AbiMatrix, AbiNll, AbiRagged, AbiResponseNll, AbiResult,
    AbiScoreRow, AbiScores, AbiTokenCounts, AbiUpdate, code,
};
use std::{borrow::Cow, collections::HashSet, sync::Mutex};

/// Sends an answer over.
pub(super) fn answer<T, A>(result: Result<T>, convert: impl FnOnce(T) -> A) -> AbiResult<A> {
    match result {
        Ok(value) => ROk(convert(value)),
        Err(error) => RErr(error.into()),
    }
}

/// Takes an answer from over there.
pub(super) fn received<T>(answer: AbiResult<T>) -> Result<T> {
    answer.into_result().map_err(error)
}

impl From<Error> for AbiError {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Plugin => code::error::PLUGIN,
            ErrorKind::Panic => code::error::PANIC,
            ErrorKind::Cancelled => code::error::CANCELLED,
            ErrorKind::Options => code::error::OPTIONS,
            ErrorKind::Host => code::error::HOST,
            ErrorKind::Unsupported => code::error::UNSUPPORTED,
            ErrorKind::BadOutput => code::error::BAD_OUTPUT,
        };
        Self { code, message: error.message().into(), detail: error.detail().into() }
    }
}

/// Not a `From`, since `Error` already takes any standard error.
fn error(error: AbiError) -> Error {
    let kind = match error.code {
        code::error::PANIC => ErrorKind::Panic,
        code::error::CANCELLED => ErrorKind::Cancelled,
        code::error::OPTIONS => ErrorKind::Options,
        code::error::HOST => ErrorKind::Host,
        code::error::UNSUPPORTED => ErrorKind::Unsupported,
        code::error::BAD_OUTPUT => ErrorKind::BadOutput,
        _ => ErrorKind::Plugin,
    };
    Error::new(kind, error.message).with_detail(error.detail)
}

pub(super) fn model_code(model: Model) -> u32 {
    match model {
        Model::Current => code::model::CURRENT,
        Model::Proxy => code::model::PROXY,
    }
}

pub(super) fn model(code: u32) -> Result<Model> {
    match code {
        code::model::CURRENT => Ok(Model::Current),
        code::model::PROXY => Ok(Model::Proxy),
        _ => unknown("model", code),
    }
}

pub(super) fn conditioning_code(given: Conditioning) -> u32 {
    match given {
        Conditioning::Prompt => code::conditioning::PROMPT,
        Conditioning::Nothing => code::conditioning::NOTHING,
    }
}

pub(super) fn conditioning(code: u32) -> Result<Conditioning> {
    match code {
        code::conditioning::PROMPT => Ok(Conditioning::Prompt),
        code::conditioning::NOTHING => Ok(Conditioning::Nothing),
        _ => unknown("conditioning", code),
    }
}

pub(super) fn pooling_code(pooling: Pooling) -> u32 {
    match pooling {
        Pooling::Mean => code::pooling::MEAN,
        Pooling::Last => code::pooling::LAST,
    }
}

pub(super) fn pooling(code: u32) -> Result<Pooling> {
    match code {
        code::pooling::MEAN => Ok(Pooling::Mean),
        code::pooling::LAST => Ok(Pooling::Last),
        _ => unknown("pooling", code),
    }
}

pub(super) fn log_level_code(level: LogLevel) -> u32 {
    match level {
        LogLevel::Debug => code::log_level::DEBUG,
        LogLevel::Info => code::log_level::INFO,
        LogLevel::Warn => code::log_level::WARN,
    }
}

/// A level of a later version is at least worth showing.
pub(super) fn log_level(code: u32) -> LogLevel {
    match code {
        code::log_level::DEBUG => LogLevel::Debug,
        code::log_level::INFO => LogLevel::Info,
        _ => LogLevel::Warn,
    }
}

fn unknown<T>(what: &str, code: u32) -> Result<T> {
    Err(Error::new(
        ErrorKind::Unsupported,
        format!("{what} number {code} is unknown here\nhint: use a newer iterit"),
    ))
}

pub(super) fn each<A, B>(values: impl IntoIterator<Item = A>, convert: impl Fn(A) -> B) -> Vec<B> {
    values.into_iter().map(convert).collect()
}

impl From<Nll> for AbiNll {
    fn from(nll: Nll) -> Self {
        Self { sum: nll.sum, tokens: nll.tokens }
    }
}

impl From<AbiNll> for Nll {
    fn from(nll: AbiNll) -> Self {
        Self { sum: nll.sum, tokens: nll.tokens }
    }
}

impl From<ResponseNll> for AbiResponseNll {
    fn from(nll: ResponseNll) -> Self {
        Self { conditional: nll.conditional.into(), unconditional: nll.unconditional.into() }
    }
}

impl From<AbiResponseNll> for ResponseNll {
    fn from(nll: AbiResponseNll) -> Self {
        Self { conditional: nll.conditional.into(), unconditional: nll.unconditional.into() }
    }
}

impl From<LogitStatistics> for AbiLogitStatistics {
    fn from(LogitStatistics { entropy, margin, tokens }: LogitStatistics) -> Self {
        Self { entropy, margin, tokens }
    }
}

impl From<AbiLogitStatistics> for LogitStatistics {
    fn from(AbiLogitStatistics { entropy, margin, tokens }: AbiLogitStatistics) -> Self {
        Self { entropy, margin, tokens }
    }
}

impl From<TokenCounts> for AbiTokenCounts {
    fn from(TokenCounts { prompt, response }: TokenCounts) -> Self {
        Self { prompt, response }
    }
}

impl From<AbiTokenCounts> for TokenCounts {
    fn from(AbiTokenCounts { prompt, response }: AbiTokenCounts) -> Self {
        Self { prompt, response }
    }
}

impl From<ScoreRow> for AbiScoreRow {
    fn from(ScoreRow { id, value, eligible, scored_at }: ScoreRow) -> Self {
        Self { id, value, scored_at, eligible: eligible.into() }
    }
}

impl From<AbiScoreRow> for ScoreRow {
    fn from(AbiScoreRow { id, value, scored_at, eligible }: AbiScoreRow) -> Self {
        Self { id, value, eligible: eligible != 0, scored_at }
    }
}

impl From<Ragged> for AbiRagged {
    fn from(ragged: Ragged) -> Self {
        let (values, offsets) = ragged.into_parts();
        Self { values: values.into(), offsets: offsets.into() }
    }
}

pub(super) fn ragged(ragged: AbiRagged) -> Result<Ragged> {
    Ragged::new(ragged.values.into(), ragged.offsets.into())
}

impl From<Matrix> for AbiMatrix {
    fn from(matrix: Matrix) -> Self {
        let columns = matrix.columns() as u64;
        Self { values: matrix.into_values().into(), columns }
    }
}

pub(super) fn matrix(matrix: AbiMatrix) -> Result<Matrix> {
    Matrix::new(matrix.values.into(), matrix.columns as usize)
}

/// Scores as columns. A scorer names the same few parts in every row, so looking a name up where it
/// stood in the row before nearly always finds it.
pub(super) fn score_columns(scores: Vec<Score>) -> AbiScores {
    let mut names: Vec<Cow<'static, str>> = Vec::new();
    let mut columns = AbiScores {
        values: RVec::with_capacity(scores.len()),
        eligible: RVec::with_capacity(scores.len()),
        names: RVec::new(),
        part_offsets: RVec::with_capacity(scores.len() + 1),
        part_names: RVec::new(),
        part_values: RVec::new(),
    };
    columns.part_offsets.push(0);
    for score in scores {
        columns.values.push(score.value);
        columns.eligible.push(score.eligible.into());
        for (place, (name, value)) in score.parts.into_iter().enumerate() {
            let known = if names.get(place) == Some(&name) {
                Some(place)
            } else {
                names.iter().position(|other| *other == name)
            };
            let known = known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            columns.part_names.push(u32::try_from(known).expect("fewer than 2^32 names"));
            columns.part_values.push(value);
        }
        columns.part_offsets.push(columns.part_values.len() as u64);
    }
    columns.names = names.iter().map(|name| RString::from(name.as_ref())).collect();
    columns
}

/// The reverse; columns that do not fit each other are refused.
pub(super) fn scores(columns: AbiScores) -> Result<Vec<Score>> {
    let AbiScores { values, eligible, names, part_offsets, part_names, part_values } = columns;
    let (rows, parts) = (values.len(), part_values.len());
    let fits = eligible.len() == rows
        && part_names.len() == parts
        && part_names.iter().all(|&name| (name as usize) < names.len())
        && part_offsets.len() == rows + 1
        && part_offsets.first() == Some(&0)
        && part_offsets.last() == Some(&(parts as u64))
        && part_offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    if !fits {
        return Err(Error::new(ErrorKind::BadOutput, "returned columns of unequal length"));
    }
    let names = each(names, |name| interned(&name));
    let row = |row: usize| {
        let entries = part_offsets[row] as usize..part_offsets[row + 1] as usize;
        Score {
            value: values[row],
            eligible: eligible[row] != 0,
            parts: each(entries, |k| (names[part_names[k] as usize].clone(), part_values[k])),
        }
    };
    Ok((0..rows).map(row).collect())
}

/// The names of parts are literals in libraries that are never unloaded: few, and needed for the
/// whole run. Keeping the first of them for good saves a million small copies; a plugin that
/// invents names without end gets copies.
fn interned(name: &str) -> Cow<'static, str> {
    const MOST: usize = 256;
    static NAMES: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut names = NAMES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let names = names.get_or_insert_default();
    if let Some(known) = names.get(name) {
        return Cow::Borrowed(known);
    }
    if names.len() == MOST {
        return Cow::Owned(name.to_owned());
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Cow::Borrowed(kept)
}

impl From<Update> for AbiUpdate {
    fn from(Update { rescore, candidates, action }: Update) -> Self {
        let (action, budget) = match action {
            Action::Keep => (code::action::KEEP, 0),
            Action::TrainAll => (code::action::TRAIN_ALL, 0),
            Action::Pick { budget } => (code::action::PICK, budget),
        };
        Self { rescore: rescore.into(), candidates: candidates.into(), action, budget }
    }
}

pub(super) fn update(update: AbiUpdate) -> Result<Update> {
    let action = match update.action {
        code::action::KEEP => Action::Keep,
        code::action::TRAIN_ALL => Action::TrainAll,
        code::action::PICK => Action::Pick { budget: update.budget },
        other => return unknown("action", other),
    };
    Ok(Update { rescore: update.rescore.into(), candidates: update.candidates.into(), action })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_survive_the_columns_whatever_their_parts() {
        let rows = vec![
            Score::eligible(1.5).with_part("a", 1.0).with_part("b", 2.0),
            Score::eligible(0.5).with_part("b", 3.0).with_part(String::from("c"), 4.0),
            Score::eligible(0.0),
            Score::ineligible(2.0).with_part("a", 5.0).with_part("b", 6.0),
        ];
        assert_eq!(scores(score_columns(rows.clone())).unwrap(), rows);
        assert_eq!(scores(score_columns(Vec::new())).unwrap(), Vec::new());
    }

    #[test]
    fn columns_that_do_not_fit_are_refused() {
        let columns = || score_columns(vec![Score::eligible(1.0).with_part("a", 1.0)]);
        let cases: [fn(&mut AbiScores); 4] = [
            |columns| columns.eligible.push(1),
            |columns| columns.part_names[0] = 1,
            |columns| columns.part_offsets[1] = 2,
            |columns| columns.part_offsets.clear(),
        ];
        for damage in cases {
            let mut columns = columns();
            damage(&mut columns);
            assert_eq!(scores(columns).unwrap_err().kind(), ErrorKind::BadOutput);
        }
    }

    #[test]
    fn an_unknown_code_is_refused() {
        let error = model(7).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().starts_with("model number 7 is unknown here"));
        let strange =
            AbiUpdate { rescore: RVec::new(), candidates: RVec::new(), action: 9, budget: 0 };
        assert!(update(strange).is_err());
    }

    #[test]
    fn every_kind_of_error_survives() {
        for kind in [
            ErrorKind::Plugin,
            ErrorKind::Panic,
            ErrorKind::Cancelled,
            ErrorKind::Options,
            ErrorKind::Host,
            ErrorKind::Unsupported,
            ErrorKind::BadOutput,
        ] {
            let sent = Error::new(kind, "what").with_detail("where");
            assert_eq!(error(sent.clone().into()), sent);
        }
    }
}
