//! In the plugin: the host's ABI object as plain [`Services`]. Answers are checked for the number of
//! rows, so a plugin may index them without a second thought.

use super::convert::{
    conditioning_code, each, log_level_code, matrix, model_code, pooling_code, ragged, received,
};
use crate::{
    Conditioning, Embedding, Error, ErrorKind, LogLevel, LogitStatistics, Matrix, Model, Nll,
    Ragged, ResponseNll, Result, Sample, SampleId, ScoreRow, Services, TokenCounts, Turn,
};
use iterit_abi::HostRef;

pub(super) struct Remote<'a> {
    host: HostRef<'a>,
}

impl<'a> Remote<'a> {
    pub(super) fn new(host: HostRef<'a>) -> Self {
        Self { host }
    }
}

fn rows(service: &str, found: usize, ids: &[SampleId]) -> Result<()> {
    if found == ids.len() {
        return Ok(());
    }
    let message = format!("`{service}` answered {found} rows for {} samples", ids.len());
    Err(Error::new(ErrorKind::Host, message))
}

#[deny(clippy::missing_trait_methods)]
impl Services for Remote<'_> {
    fn num_samples(&self) -> u64 {
        self.host.num_samples()
    }

    fn num_target_samples(&self) -> u64 {
        self.host.num_target_samples()
    }

    fn sample(&self, id: SampleId) -> Result<Sample> {
        let json = received(self.host.sample(id))?;
        serde_json::from_str(&json).map_err(|error| {
            Error::new(ErrorKind::Host, format!("`sample` answered what is no sample: {error}"))
        })
    }

    fn training_targets(&self, ids: &[SampleId]) -> Result<Vec<String>> {
        let targets = received(self.host.training_targets(ids.into()))?;
        rows("training_targets", targets.len(), ids)?;
        Ok(each(targets, String::from))
    }

    fn token_counts(&self, ids: &[SampleId]) -> Result<Vec<TokenCounts>> {
        let counts = received(self.host.token_counts(ids.into()))?;
        rows("token_counts", counts.len(), ids)?;
        Ok(each(counts, TokenCounts::from))
    }

    fn response_nll(&self, model: Model, ids: &[SampleId]) -> Result<Vec<ResponseNll>> {
        let losses = received(self.host.response_nll(model_code(model), ids.into()))?;
        rows("response_nll", losses.len(), ids)?;
        Ok(each(losses, ResponseNll::from))
    }

    fn token_nll(&self, model: Model, ids: &[SampleId], given: Conditioning) -> Result<Ragged> {
        let given = conditioning_code(given);
        let losses = received(self.host.token_nll(model_code(model), ids.into(), given))?;
        let losses = ragged(losses)?;
        rows("token_nll", losses.len(), ids)?;
        Ok(losses)
    }

    fn prompted_nll(
        &self,
        model: Model,
        ids: &[SampleId],
        prompts: &[Vec<Turn>],
    ) -> Result<Vec<Nll>> {
        let prompts = serde_json::to_string(prompts)?;
        let prompts = prompts.as_str().into();
        let losses = received(self.host.prompted_nll(model_code(model), ids.into(), prompts))?;
        rows("prompted_nll", losses.len(), ids)?;
        Ok(each(losses, Nll::from))
    }

    fn embeddings(&self, model: Model, ids: &[SampleId], wanted: Embedding) -> Result<Matrix> {
        let Embedding { pooling, layer } = wanted;
        let pooling = pooling_code(pooling);
        let vectors = self.host.embeddings(model_code(model), ids.into(), pooling, layer);
        let vectors = matrix(received(vectors)?)?;
        rows("embeddings", vectors.rows(), ids)?;
        Ok(vectors)
    }

    fn logit_statistics(&self, model: Model, ids: &[SampleId]) -> Result<Vec<LogitStatistics>> {
        let statistics = received(self.host.logit_statistics(model_code(model), ids.into()))?;
        rows("logit_statistics", statistics.len(), ids)?;
        Ok(each(statistics, LogitStatistics::from))
    }

    fn scores(&self) -> Result<Vec<ScoreRow>> {
        Ok(each(received(self.host.scores())?, ScoreRow::from))
    }

    fn scores_at(&self, epoch: u32) -> Result<Vec<ScoreRow>> {
        Ok(each(received(self.host.scores_at(epoch))?, ScoreRow::from))
    }

    fn selection_at(&self, epoch: u32) -> Result<Option<Vec<SampleId>>> {
        Ok(received(self.host.selection_at(epoch))?.into_option().map(Vec::from))
    }

    fn seed(&self) -> u64 {
        self.host.seed()
    }

    fn threads(&self) -> usize {
        usize::try_from(self.host.threads()).unwrap_or(usize::MAX)
    }

    fn progress(&self, done: u64, total: u64) {
        self.host.progress(done, total);
    }

    fn is_cancelled(&self) -> bool {
        self.host.is_cancelled()
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.host.log(log_level_code(level), message.into());
    }
}
