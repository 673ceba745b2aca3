//! Looks at a comparison: each time its page was written, with the seeds and arms that were finished
//! then and the verdicts as they were. Whoever adds seeds until something shows finds something more
//! often than the level says, so what was seen before stands in `plan.json` and on the page.

use super::comparison::Comparison;
use super::estimate::Evidence;
use serde::{Deserialize, Serialize};

/// One look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// What was finished.
    pub arms: Vec<Finished>,
    /// What it said.
    pub verdicts: Vec<Seen>,
}

/// An arm as far as it had come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Its name.
    pub name: String,
    /// The seeds that were finished.
    pub seeds: Vec<u64>,
}

/// A verdict as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The arm.
    pub arm: String,
    /// What it is held against.
    pub baseline: String,
    /// The difference, nats a token.
    pub difference: f64,
    /// Its p after Holm's correction.
    pub p_holm: f64,
    /// What was found.
    pub evidence: Evidence,
}

impl Look {
    /// What a comparison says now.
    pub fn at(comparison: &Comparison) -> Self {
        let finished = comparison.arms.iter().map(|arm| Finished {
            name: arm.name.clone(),
            seeds: arm.seeds.iter().map(|seed| seed.seed).collect(),
        });
        let seen = comparison.pairs.iter().map(|pair| Seen {
            arm: pair.arm.clone(),
            baseline: pair.baseline.clone(),
            difference: pair.primary.difference,
            p_holm: pair.primary.p_holm,
            evidence: pair.primary.evidence,
        });
        Self { arms: finished.collect(), verdicts: seen.collect() }
    }

    /// Adds a look to those before. One at the same runs is the same look, and stands once.
    pub(super) fn add_to(self, looks: &mut Vec<Self>) {
        looks.retain(|look| look.arms != self.arms);
        looks.push(self);
    }

    /// How many runs were finished.
    pub fn runs(&self) -> usize {
        self.arms.iter().map(|arm| arm.seeds.len()).sum()
    }

    /// The same in a sentence.
    pub fn sentence(&self) -> String {
        let arms: Vec<String> =
            self.arms.iter().map(|arm| format!("{} {}", arm.name, arm.seeds.len())).collect();
        let verdicts: Vec<String> = self
            .verdicts
            .iter()
            .map(|seen| {
                let said = match seen.evidence {
                    Evidence::Better => "better than",
                    Evidence::Worse => "worse than",
                    Evidence::OneSeed => "one seed, not settled against",
                    Evidence::SeedsDiffer | Evidence::None => "no evidence against",
                };
                format!("{} {said} {} (p {:.3})", seen.arm, seen.baseline, seen.p_holm)
            })
            .collect();
        format!("after {} runs (seeds: {}): {}", self.runs(), arms.join(", "), verdicts.join("; "))
    }
}
