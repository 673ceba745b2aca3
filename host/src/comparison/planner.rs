//! `compare --plan`: how many seeds and held-out samples would show a difference of a given size. From
//! the seeds of a comparison that is there, or from a spread that is stated; nothing is run.

use iterit_core::compare::{ArmSummary, Comparison, Design, Ledger, Plan, runs};
use iterit_core::statistics::power::{Luck, upper_deviation};
use iterit_core::statistics::summary::mean;
use iterit_core::{Error, Result};
use std::fmt::Write;
use std::path::Path;

/// The differences that are planned for, as shares of the loss.
const EFFECTS: [f64; 3] = [0.01, 0.02, 0.05];
/// The held-out set as it is, and larger ones.
const TIMES: [f64; 3] = [1.0, 2.0, 4.0];
const POWER: f64 = 0.8;
/// Nobody runs more.
const MOST_SEEDS: u32 = 200;
/// How sure it is that the spread is not larger than what is planned with.
const SAFE: f64 = 0.8;

/// What is known of the luck, in the unit of the loss.
struct Known {
    luck: Luck,
    /// The same with the spread between seeds as large as it may well be.
    safe: Luck,
    /// The loss that effects are shares of.
    loss: f64,
    /// Held-out samples, where they are known.
    samples: Option<u64>,
    /// Where it is from, in words.
    origin: String,
}

/// The table, for as many questions as a plan has, or three.
pub(crate) fn table(
    spread: Option<&str>,
    root: Option<&Path>,
    plan: Option<&Plan>,
) -> Result<String> {
    let known = match (spread, root) {
        (Some(spread), _) => stated(spread)?,
        (None, Some(root)) => measured(root)?,
        (None, None) => return Err(nothing_known()),
    };
    let design = plan.map_or_else(Design::default, |plan| plan.design.clone());
    let questions = plan.map_or(3, |plan| plan.arms.len().saturating_sub(1).max(1));
    Ok(known.table(&design, questions))
}

fn nothing_known() -> Error {
    Error::config(
        "--plan has nothing to plan from\nhint: name a comparison of two seeds or more with --out, \
         or state the spread with --spread SEEDS,SAMPLES: the standard deviation of a run's loss \
         between seeds, and the standard error that the held-out samples leave, both in percent of \
         the loss",
    )
}

/// `0.3` or `0.3,0.1`, percent of the loss.
fn stated(spread: &str) -> Result<Known> {
    let number = |text: &str| text.trim().trim_end_matches('%').trim().parse::<f64>().ok();
    let parts: Option<Vec<f64>> = spread.split(',').map(number).collect();
    let luck = match parts.as_deref() {
        Some(&[seeds]) => Luck { seed_deviation: seeds / 100.0, sample_error: 0.0 },
        Some(&[seeds, samples]) => {
            Luck { seed_deviation: seeds / 100.0, sample_error: samples / 100.0 }
        }
        _ => {
            return Err(Error::config(format!(
                "--spread {spread}: expected one or two numbers in percent of the loss, such as \
                 0.3,0.1"
            )));
        }
    };
    let is_good = |value: f64| value.is_finite() && value >= 0.0;
    if !is_good(luck.seed_deviation) || !is_good(luck.sample_error) {
        return Err(Error::config(format!("--spread {spread}: expected numbers, 0 or more")));
    }
    let origin = "the spread that was stated".to_owned();
    Ok(Known { luck, safe: luck, loss: 1.0, samples: None, origin })
}

/// The spread between the seeds of all arms that have several, and the error that samples leave.
fn measured(root: &Path) -> Result<Known> {
    let ledger = Ledger::open(root)?;
    let begun = ledger.begun()?;
    let results = ledger.results(&runs(&begun.arms))?;
    let comparison = iterit_core::compare::compare(&begun.design, &results)?;
    let several: Vec<&ArmSummary> =
        comparison.arms.iter().filter(|arm| arm.seeds.len() > 1).collect();
    let freedom: usize = several.iter().map(|arm| arm.seeds.len() - 1).sum();
    if freedom == 0 {
        return Err(Error::Run(format!(
            "`{}` has no arm with two finished seeds, so the spread between seeds is unknown\n\
             hint: run two seeds with --seeds 1,2, or state the spread with --spread",
            root.display()
        )));
    }
    // s² pooled over arms: Σ (S − 1) s² / Σ (S − 1).
    let squares = several.iter().map(|arm| {
        (arm.seeds.len() - 1) as f64 * arm.seed_deviation.expect("it has several").powi(2)
    });
    let deviation = (squares.sum::<f64>() / freedom as f64).sqrt();
    let losses: Vec<f64> = several.iter().map(|arm| arm.held_out_loss).collect();
    let luck = Luck { seed_deviation: deviation, sample_error: sample_error(&comparison) };
    Ok(Known {
        luck,
        safe: Luck { seed_deviation: upper_deviation(deviation, freedom as f64, SAFE), ..luck },
        loss: mean(&losses),
        samples: Some(comparison.held_out.samples),
        origin: format!("{} arms with {freedom} degrees of freedom between seeds", several.len()),
    })
}

/// What is left of the variance of differences without the seeds' part, the median of all pairs.
fn sample_error(comparison: &Comparison) -> f64 {
    let of_seeds = |name: &str| {
        let arm = comparison.arms.iter().find(|arm| arm.name == name)?;
        Some(arm.seed_deviation?.powi(2) / arm.seeds.len() as f64)
    };
    let mut variances: Vec<f64> = comparison
        .pairs
        .iter()
        .filter_map(|pair| {
            let all = pair.primary.across_seeds?.standard_error.powi(2);
            Some((all - of_seeds(&pair.arm)? - of_seeds(&pair.baseline)?).max(0.0))
        })
        .collect();
    variances.sort_by(f64::total_cmp);
    variances.get(variances.len() / 2).map_or(0.0, |variance| variance.sqrt())
}

impl Known {
    fn table(&self, design: &Design, questions: usize) -> String {
        let percent = |value: f64| format!("{:.2} %", 100.0 * value / self.loss);
        let mut out = String::new();
        let _ = writeln!(
            out,
            "From {}: a run’s loss varies by {} between seeds ({} to be safe); held-out samples \
             leave {}.",
            self.origin,
            percent(self.luck.seed_deviation),
            percent(self.safe.seed_deviation),
            percent(self.luck.sample_error)
        );
        let _ = writeln!(
            out,
            "Seeds an arm that find a true difference with {:.0} %, {questions} of them corrected \
             for at once at {:.0} %: as measured, and to be safe.\n",
            100.0 * POWER,
            100.0 * design.confidence
        );
        let samples = TIMES.map(|times| match self.samples {
            Some(samples) => format!("{:.0} held out", samples as f64 * times),
            None => format!("{times} × held out"),
        });
        let _ = writeln!(
            out,
            "{:>10}  {:>16}  {:>16}  {:>16}",
            "difference", samples[0], samples[1], samples[2]
        );
        let alpha = design.alpha() / questions as f64;
        for effect in EFFECTS {
            let cells = TIMES.map(|times| {
                let seeds = |luck: &Luck| {
                    let found = luck.seeds_for(effect * self.loss, times, alpha, POWER, MOST_SEEDS);
                    found.map_or_else(|| format!("> {MOST_SEEDS}"), |seeds| seeds.to_string())
                };
                let (likely, safe) = (seeds(&self.luck), seeds(&self.safe));
                if likely == safe { likely } else { format!("{likely} – {safe}") }
            });
            let effect = format!("{:.0} %", 100.0 * effect);
            let _ =
                writeln!(out, "{effect:>10}  {:>16}  {:>16}  {:>16}", cells[0], cells[1], cells[2]);
        }
        out
    }
}
