//! In the host: an ABI object as the plain trait, which is all the core sees of a plugin.

use super::convert::{received, scores, update};
use super::lent::Lent;
use crate::{
    ComplexityScorer, DiversityScorer, Epoch, Error, ErrorKind, Host, Result, RunShape, SampleId,
    Score, Update, UpdateStrategy, check,
};
use iterit_abi::abi_stable::std_types::{RSlice, RSliceMut};
use iterit_abi::{AbiResult, ComplexityBox, DiversityBox, HostRef, StrategyBox};

/// A complexity scorer on the other side of the boundary.
pub struct ComplexityHandle(ComplexityBox);

/// A diversity scorer on the other side of the boundary.
pub struct DiversityHandle(DiversityBox);

/// An update strategy on the other side of the boundary.
pub struct StrategyHandle(StrategyBox);

/// Takes a plugin's answer; of a panic, says what to do about it.
pub fn answered<T>(answer: AbiResult<T>) -> Result<T> {
    received(answer).map_err(|error| match error.kind() {
        ErrorKind::Panic => {
            let message = format!(
                "{}\nhint: this is a fault in the plugin: tell its author, or run without it",
                error.message()
            );
            Error::new(ErrorKind::Panic, message).with_detail(error.detail())
        }
        _ => error,
    })
}

/// Takes what a constructor of a plugin made.
pub fn constructed<T, H: From<T>>(made: AbiResult<T>) -> Result<H> {
    answered(made).map(H::from)
}

impl From<ComplexityBox> for ComplexityHandle {
    fn from(object: ComplexityBox) -> Self {
        Self(object)
    }
}

impl From<DiversityBox> for DiversityHandle {
    fn from(object: DiversityBox) -> Self {
        Self(object)
    }
}

impl From<StrategyBox> for StrategyHandle {
    fn from(object: StrategyBox) -> Self {
        Self(object)
    }
}

#[deny(clippy::missing_trait_methods)]
impl ComplexityScorer for ComplexityHandle {
    fn score(&self, host: &Host<'_>, ids: &[SampleId]) -> Result<Vec<Score>> {
        let columns = lend(host, |host| self.0.score(host, ids.into()))?;
        let scores = scores(columns)?;
        check::scores(ids, &scores)?;
        Ok(scores)
    }

    fn save(&self) -> Result<Vec<u8>> {
        answered(self.0.save()).map(Vec::from)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        answered(self.0.restore(state.into()))
    }
}

#[deny(clippy::missing_trait_methods)]
impl DiversityScorer for DiversityHandle {
    fn begin(&mut self, host: &Host<'_>, candidates: &[SampleId]) -> Result<()> {
        lend(host, |host| self.0.begin(host, candidates.into()))
    }

    fn gain(&self, candidate: usize) -> Result<f64> {
        answered(self.0.gain(index(candidate)?))
    }

    fn gains(&self, candidates: &[u32], gains: &mut [f64]) -> Result<()> {
        answered(self.0.gains(RSlice::from(candidates), RSliceMut::from(gains)))
    }

    fn pick(&mut self, candidate: usize) -> Result<()> {
        answered(self.0.pick(index(candidate)?))
    }

    fn gains_never_rise(&self) -> bool {
        // One that panics here promises nothing; being unusable from then on, it says so at the
        // next call.
        answered(self.0.gains_never_rise()).unwrap_or(false)
    }

    fn save(&self) -> Result<Vec<u8>> {
        answered(self.0.save()).map(Vec::from)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        answered(self.0.restore(state.into()))
    }
}

#[deny(clippy::missing_trait_methods)]
impl UpdateStrategy for StrategyHandle {
    fn budgets(&self, run: &RunShape) -> Result<Vec<u64>> {
        let json = serde_json::to_string(run)?;
        let budgets = answered(self.0.budgets(json.as_str().into())).map(Vec::from)?;
        check::budgets(run, &budgets)?;
        Ok(budgets)
    }

    fn plan(&mut self, host: &Host<'_>, epoch: &Epoch) -> Result<Update> {
        let json = serde_json::to_string(epoch)?;
        let wanted = update(lend(host, |host| self.0.plan(host, json.as_str().into()))?)?;
        check::update(epoch.run.num_samples, &wanted)?;
        Ok(wanted)
    }

    fn save(&self) -> Result<Vec<u8>> {
        answered(self.0.save()).map(Vec::from)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        answered(self.0.restore(state.into()))
    }
}

/// A candidate as it crosses; beyond what a list can hold there is none to name.
#[inline]
fn index(candidate: usize) -> Result<u32> {
    u32::try_from(candidate).map_err(|_| {
        Error::new(ErrorKind::Host, format!("candidate {candidate} was named, beyond any list"))
    })
}

/// Lends the host for one call.
fn lend<T>(host: &Host<'_>, call: impl FnOnce(HostRef<'_>) -> AbiResult<T>) -> Result<T> {
    let lent = Lent::new(host.services());
    let answer = answered(call(lent.as_abi()));
    lent.settle(answer)
}
