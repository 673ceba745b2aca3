//! In the plugin: the author's value as an ABI object. Here its answers are checked, so that a
//! fault is reported where it arose.

use super::convert::{answer, score_columns};
use super::guard::{Guarded, guard};
use super::remote::Remote;
use crate::{
    ComplexityScorer, DiversityScorer, Epoch, Error, ErrorKind, Host, Plugin, Result, RunShape,
    SampleId, UpdateStrategy, check, parse_options,
};
use iterit_abi::abi_stable::{
    erased_types::TD_Opaque,
    std_types::{RSlice, RSliceMut, RStr, RVec},
};
use iterit_abi::{
    AbiResult, AbiScores, AbiUpdate, ComplexityAbi, ComplexityBox, DiversityAbi, DiversityBox,
    HostRef, StrategyAbi, StrategyBox,
    scorer::{ComplexityAbi_TO, DiversityAbi_TO, StrategyAbi_TO},
};

/// Makes a complexity scorer from its options.
pub fn new_complexity<T>(options: &str) -> Result<ComplexityBox>
where
    T: Plugin + ComplexityScorer + 'static,
{
    let scorer = Complexity(construct::<T>(options)?);
    Ok(ComplexityAbi_TO::from_value(scorer, TD_Opaque))
}

/// Makes a diversity scorer from its options.
pub fn new_diversity<T>(options: &str) -> Result<DiversityBox>
where
    T: Plugin + DiversityScorer + 'static,
{
    let scorer = Diversity { scorer: construct::<T>(options)?, candidates: Vec::new() };
    Ok(DiversityAbi_TO::from_value(scorer, TD_Opaque))
}

/// Makes an update strategy from its options.
pub fn new_strategy<T>(options: &str) -> Result<StrategyBox>
where
    T: Plugin + UpdateStrategy + 'static,
{
    let strategy = Strategy(construct::<T>(options)?);
    Ok(StrategyAbi_TO::from_value(strategy, TD_Opaque))
}

/// The options in force when none are given.
pub fn default_options<T: Plugin>() -> Result<String> {
    guard(|| Ok(serde_json::to_string(&T::Options::default())?))
}

fn construct<T: Plugin>(options: &str) -> Result<Guarded<T>> {
    guard(|| T::new(parse_options(options)?)).map(Guarded::new)
}

struct Complexity<T>(Guarded<T>);

#[deny(clippy::missing_trait_methods)]
impl<T: ComplexityScorer> ComplexityAbi for Complexity<T> {
    fn score(&self, host: HostRef<'_>, ids: RSlice<'_, u64>) -> AbiResult<AbiScores> {
        let scores = self.0.with(|scorer| {
            let scores = scorer.score(&Host::new(&Remote::new(host)), &ids)?;
            check::scores(&ids, &scores)?;
            Ok(scores)
        });
        answer(scores, score_columns)
    }

    fn save(&self) -> AbiResult<RVec<u8>> {
        answer(self.0.with(T::save), RVec::from)
    }

    fn restore(&mut self, state: RSlice<'_, u8>) -> AbiResult<()> {
        answer(self.0.with_mut(|scorer| scorer.restore(&state)), |()| ())
    }
}

struct Diversity<T> {
    scorer: Guarded<T>,
    /// Who the indices stand for, to name them in errors.
    candidates: Vec<SampleId>,
}

#[deny(clippy::missing_trait_methods)]
impl<T: DiversityScorer> DiversityAbi for Diversity<T> {
    fn begin(&mut self, host: HostRef<'_>, candidates: RSlice<'_, u64>) -> AbiResult<()> {
        self.candidates = candidates.to_vec();
        let begun = self
            .scorer
            .with_mut(|scorer| scorer.begin(&Host::new(&Remote::new(host)), &candidates));
        answer(begun, |()| ())
    }

    fn gain(&self, candidate: u32) -> AbiResult<f64> {
        let gain = self.scorer.with(|scorer| {
            let Some(&id) = self.candidates.get(candidate as usize) else {
                return Err(no_such_candidate(&self.candidates, candidate));
            };
            let gain = scorer.gain(candidate as usize)?;
            check::gain(id, gain)?;
            Ok(gain)
        });
        answer(gain, |gain| gain)
    }

    fn gains(&self, candidates: RSlice<'_, u32>, mut gains: RSliceMut<'_, f64>) -> AbiResult<()> {
        let done = self.scorer.with(|scorer| {
            if candidates.len() != gains.len() {
                return Err(Error::new(ErrorKind::Host, "`gains` was lent too few or many slots"));
            }
            if let Some(&last) = candidates.iter().max()
                && last as usize >= self.candidates.len()
            {
                return Err(no_such_candidate(&self.candidates, last));
            }
            scorer.gains(&candidates, &mut gains)?;
            check::gains(&self.candidates, &candidates, &gains)
        });
        answer(done, |()| ())
    }

    fn pick(&mut self, candidate: u32) -> AbiResult<()> {
        let picked = match self.candidates.get(candidate as usize) {
            Some(_) => self.scorer.with_mut(|scorer| scorer.pick(candidate as usize)),
            None => Err(no_such_candidate(&self.candidates, candidate)),
        };
        answer(picked, |()| ())
    }

    fn gains_never_rise(&self) -> AbiResult<bool> {
        answer(self.scorer.with(|scorer| Ok(scorer.gains_never_rise())), |never| never)
    }

    fn save(&self) -> AbiResult<RVec<u8>> {
        answer(self.scorer.with(T::save), RVec::from)
    }

    fn restore(&mut self, state: RSlice<'_, u8>) -> AbiResult<()> {
        answer(self.scorer.with_mut(|scorer| scorer.restore(&state)), |()| ())
    }
}

#[cold]
fn no_such_candidate(candidates: &[SampleId], candidate: u32) -> Error {
    let count = candidates.len();
    Error::new(ErrorKind::Host, format!("candidate {candidate} was named, there are {count}"))
}

struct Strategy<T>(Guarded<T>);

#[deny(clippy::missing_trait_methods)]
impl<T: UpdateStrategy> StrategyAbi for Strategy<T> {
    fn budgets(&self, run: RStr<'_>) -> AbiResult<RVec<u64>> {
        let budgets = self.0.with(|strategy| {
            let run: RunShape = serde_json::from_str(&run)?;
            let budgets = strategy.budgets(&run)?;
            check::budgets(&run, &budgets)?;
            Ok(budgets)
        });
        answer(budgets, RVec::from)
    }

    fn plan(&mut self, host: HostRef<'_>, epoch: RStr<'_>) -> AbiResult<AbiUpdate> {
        let update = self.0.with_mut(|strategy| {
            let epoch: Epoch = serde_json::from_str(&epoch)?;
            let update = strategy.plan(&Host::new(&Remote::new(host)), &epoch)?;
            check::update(epoch.run.num_samples, &update)?;
            Ok(update)
        });
        answer(update, AbiUpdate::from)
    }

    fn save(&self) -> AbiResult<RVec<u8>> {
        answer(self.0.with(T::save), RVec::from)
    }

    fn restore(&mut self, state: RSlice<'_, u8>) -> AbiResult<()> {
        answer(self.0.with_mut(|strategy| strategy.restore(&state)), |()| ())
    }
}
