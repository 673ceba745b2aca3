//! In the host: plain [`Services`] as the ABI object a plugin is lent for one call. A panic in a
//! service becomes the plugin's error, or, where a service cannot fail, the call's.

use super::convert::{answer, conditioning, each, log_level, model, pooling};
use super::guard::{guard, report_panics_as_errors};
use crate::{Embedding, Error, ErrorKind, Result, Services, Turn};
use iterit_abi::abi_stable::{
    erased_types::TD_Opaque,
    sabi_types::RRef,
    std_types::{ROption, RSlice, RStr, RString, RVec},
};
use iterit_abi::{
    AbiLogitStatistics, AbiMatrix, AbiNll, AbiRagged, AbiResponseNll, AbiResult, AbiScoreRow,
    AbiTokenCounts, HostAbi, HostRef, host::HostAbi_TO,
};
use std::sync::OnceLock;

pub(super) struct Lent<'a> {
    services: &'a dyn Services,
    /// The first panic in a service that has no way to answer an error.
    panicked: OnceLock<Error>,
}

impl<'a> Lent<'a> {
    pub(super) fn new(services: &'a dyn Services) -> Self {
        report_panics_as_errors();
        Self { services, panicked: OnceLock::new() }
    }

    pub(super) fn as_abi(&self) -> HostRef<'_> {
        HostAbi_TO::from_ptr(RRef::new(self), TD_Opaque)
    }

    /// The plugin's answer, unless a service panicked on the way and could not say so.
    pub(super) fn settle<T>(self, answer: Result<T>) -> Result<T> {
        match self.panicked.into_inner() {
            Some(panic) => Err(panic),
            None => answer,
        }
    }

    fn serve<T>(&self, name: &str, work: impl FnOnce(&dyn Services) -> Result<T>) -> Result<T> {
        guard(|| work(self.services)).map_err(|error| blame_host(name, error))
    }

    fn tell<T>(&self, name: &str, otherwise: T, work: impl FnOnce(&dyn Services) -> T) -> T {
        self.serve(name, |services| Ok(work(services))).unwrap_or_else(|panic| {
            let _ = self.panicked.set(panic);
            otherwise
        })
    }
}

/// A panic in here is no fault of the plugin, and must not be reported as one.
fn blame_host(name: &str, error: Error) -> Error {
    if error.kind() != ErrorKind::Panic {
        return error;
    }
    let message = format!("the host's service `{name}` {}", error.message());
    Error::new(ErrorKind::Host, message).with_detail(error.detail())
}

#[deny(clippy::missing_trait_methods)]
impl HostAbi for Lent<'_> {
    fn num_samples(&self) -> u64 {
        self.tell("num_samples", 0, |services| services.num_samples())
    }

    fn num_target_samples(&self) -> u64 {
        self.tell("num_target_samples", 0, |services| services.num_target_samples())
    }

    fn sample(&self, id: u64) -> AbiResult<RString> {
        let json =
            self.serve("sample", |services| Ok(serde_json::to_string(&services.sample(id)?)?));
        answer(json, RString::from)
    }

    fn training_targets(&self, ids: RSlice<'_, u64>) -> AbiResult<RVec<RString>> {
        let targets = self.serve("training_targets", |services| services.training_targets(&ids));
        answer(targets, |targets| each(targets, RString::from).into())
    }

    fn token_counts(&self, ids: RSlice<'_, u64>) -> AbiResult<RVec<AbiTokenCounts>> {
        let counts = self.serve("token_counts", |services| services.token_counts(&ids));
        answer(counts, |counts| each(counts, AbiTokenCounts::from).into())
    }

    fn response_nll(&self, code: u32, ids: RSlice<'_, u64>) -> AbiResult<RVec<AbiResponseNll>> {
        let losses =
            self.serve("response_nll", |services| services.response_nll(model(code)?, &ids));
        answer(losses, |losses| each(losses, AbiResponseNll::from).into())
    }

    fn token_nll(&self, code: u32, ids: RSlice<'_, u64>, given: u32) -> AbiResult<AbiRagged> {
        let losses = self.serve("token_nll", |services| {
            services.token_nll(model(code)?, &ids, conditioning(given)?)
        });
        answer(losses, AbiRagged::from)
    }

    fn prompted_nll(
        &self,
        code: u32,
        ids: RSlice<'_, u64>,
        prompts: RStr<'_>,
    ) -> AbiResult<RVec<AbiNll>> {
        let losses = self.serve("prompted_nll", |services| {
            let prompts: Vec<Vec<Turn>> = serde_json::from_str(&prompts)?;
            services.prompted_nll(model(code)?, &ids, &prompts)
        });
        answer(losses, |losses| each(losses, AbiNll::from).into())
    }

    fn embeddings(
        &self,
        code: u32,
        ids: RSlice<'_, u64>,
        pooling_code: u32,
        layer: i32,
    ) -> AbiResult<AbiMatrix> {
        let vectors = self.serve("embeddings", |services| {
            let wanted = Embedding { pooling: pooling(pooling_code)?, layer };
            services.embeddings(model(code)?, &ids, wanted)
        });
        answer(vectors, AbiMatrix::from)
    }

    fn logit_statistics(
        &self,
        code: u32,
        ids: RSlice<'_, u64>,
    ) -> AbiResult<RVec<AbiLogitStatistics>> {
        let statistics = self
            .serve("logit_statistics", |services| services.logit_statistics(model(code)?, &ids));
        answer(statistics, |rows| each(rows, AbiLogitStatistics::from).into())
    }

    fn scores(&self) -> AbiResult<RVec<AbiScoreRow>> {
        let rows = self.serve("scores", |services| services.scores());
        answer(rows, |rows| each(rows, AbiScoreRow::from).into())
    }

    fn scores_at(&self, epoch: u32) -> AbiResult<RVec<AbiScoreRow>> {
        let rows = self.serve("scores_at", |services| services.scores_at(epoch));
        answer(rows, |rows| each(rows, AbiScoreRow::from).into())
    }

    fn selection_at(&self, epoch: u32) -> AbiResult<ROption<RVec<u64>>> {
        let ids = self.serve("selection_at", |services| services.selection_at(epoch));
        answer(ids, |ids| ids.map(RVec::from).into())
    }

    fn seed(&self) -> u64 {
        self.tell("seed", 0, |services| services.seed())
    }

    fn threads(&self) -> u64 {
        self.tell("threads", 1, |services| services.threads() as u64)
    }

    fn progress(&self, done: u64, total: u64) {
        self.tell("progress", (), |services| services.progress(done, total));
    }

    fn is_cancelled(&self) -> bool {
        // After a panic the call is lost anyway, so the plugin is asked to stop.
        self.tell("is_cancelled", true, |services| services.is_cancelled())
    }

    fn log(&self, level: u32, message: RStr<'_>) {
        self.tell("log", (), |services| services.log(log_level(level), &message));
    }
}
