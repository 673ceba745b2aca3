//! Results by arm, checked to be comparable.

use super::design::{Design, Pairs};
use super::result::ArmResult;
use crate::statistics::reading::Reading;
use crate::{Error, Result};

/// One arm and its runs, of which there is at least one.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    /// The arm.
    pub(super) name: &'a str,
    /// Its runs, no seed twice.
    pub(super) runs: Vec<&'a ArmResult>,
}

/// The arms in the order of their first results.
///
/// # Errors
/// Results that cannot be compared.
pub(super) fn grouped<'a>(design: &Design, results: &'a [ArmResult]) -> Result<Vec<Group<'a>>> {
    let mut arms: Vec<Group<'a>> = Vec::new();
    for result in results {
        result.check()?;
        if result.judged.response_tokens != results[0].judged.response_tokens {
            return Err(Error::Run(format!(
                "arm `{}`, seed {} was judged on other held-out samples than arm `{}`, seed {}",
                result.arm, result.seed, results[0].arm, results[0].seed
            )));
        }
        match arms.iter_mut().find(|arm| arm.name == result.arm) {
            None => arms.push(Group { name: &result.arm, runs: vec![result] }),
            Some(arm) if arm.runs.iter().any(|run| run.seed == result.seed) => {
                let (name, seed) = (arm.name, result.seed);
                return Err(Error::Run(format!("arm `{name}` has two results of seed {seed}")));
            }
            Some(arm) => arm.runs.push(result),
        }
    }
    if arms.len() < 2 {
        return Err(Error::Run(format!(
            "{} arms have finished, a comparison needs two",
            arms.len()
        )));
    }
    if design.pairs == Pairs::Baseline && !arms.iter().any(|arm| arm.name == design.baseline) {
        return Err(Error::Run(format!("the baseline `{}` has no result", design.baseline)));
    }
    Ok(arms)
}

impl Group<'_> {
    /// Whether it was run with this plugin.
    pub(super) fn uses(&self, plugin: &str) -> bool {
        self.runs[0].record.manifest.plugins.iter().any(|it| it.name == plugin)
    }

    /// Whether it may cost as much as this arm.
    pub(super) fn costs_as(&self, arm: &Self) -> bool {
        self.runs[0].costs_as.as_deref() == Some(arm.name)
    }

    /// By seed, its losses by held-out sample.
    pub(super) fn losses(&self) -> Vec<&[f64]> {
        self.runs.iter().map(|run| run.judged.held_out.as_slice()).collect()
    }

    /// By seed, what is read off its losses.
    pub(super) fn seed_means(&self, reading: &Reading) -> Vec<f64> {
        self.runs.iter().map(|run| reading.of(&run.judged.held_out)).collect()
    }
}
