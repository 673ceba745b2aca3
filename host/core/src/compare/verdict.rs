//! What the figures of a pair say, in plain words. A difference is arm minus baseline in nats a token,
//! or in questions answered wrongly, so below zero the arm is the better one.

use super::design::{Design, Measure};
use super::estimate::{AcrossSeeds, Evidence};
use super::pair::{Pair, Verdict};
use crate::statistics::Interval;

/// Words a pair whose figures are complete, one of a family of so many.
pub(super) fn verdict(pair: &Pair, design: &Design, family: usize) -> Verdict {
    let evidence = pair.primary.evidence;
    let (arm, baseline) = (format!("“{}”", pair.arm), format!("“{}”", pair.baseline));
    let headline = match evidence {
        Evidence::Better => format!("{arm} is better than {baseline}"),
        Evidence::Worse => format!("{arm} is worse than {baseline}"),
        Evidence::OneSeed => format!("One seed cannot settle {arm} against {baseline}"),
        Evidence::SeedsDiffer | Evidence::None => {
            format!("No evidence of a difference between {arm} and {baseline}")
        }
    };
    let text = measured(pair, design) + &tested(pair, design, family) + &consequence(pair, design);
    Verdict { evidence, headline, text }
}

fn measured(pair: &Pair, design: &Design) -> String {
    let what = match design.measure {
        Measure::Sample | Measure::Accuracy | Measure::ExactMatch => design.measure.figure(),
        Measure::Token => "held-out loss, every token counting the same,",
    };
    let direction = if pair.primary.difference < 0.0 { "lower" } else { "higher" };
    format!(
        "The {what} of “{}” is {:.4} {}{} {direction} than that of “{}”.",
        pair.arm,
        pair.primary.difference.abs(),
        design.measure.unit(),
        share(pair.primary.difference.abs(), pair),
        pair.baseline
    )
}

fn tested(pair: &Pair, design: &Design, family: usize) -> String {
    let primary = &pair.primary;
    let confidence = format!("{}\u{a0}%", 100.0 * design.confidence);
    let corrected = |p: f64| match family {
        1 => String::new(),
        _ => format!(", after Holm’s correction over {family} differences {}", p_value(p)),
    };
    let Some(across) = primary.across_seeds else {
        return format!(
            " Over {} alone the {confidence} interval is {}, p {}{}.",
            design.measure.judges(),
            interval(primary.interval),
            p_value(primary.p),
            corrected(primary.p_samples_holm),
        );
    };
    format!(
        " Over samples and seeds the {confidence} interval is {} ({} degrees of freedom); p {} over \
         samples and seeds, {} over samples alone, the larger of them{} decides.",
        interval(across.interval),
        freedom(across.degrees_of_freedom),
        p_value(across.p),
        p_value(primary.p),
        corrected(primary.p_holm),
    )
}

fn consequence(pair: &Pair, design: &Design) -> String {
    let across = pair.primary.across_seeds;
    let excluded = || across.map_or_else(String::new, |it| excluded(it, pair, design));
    match pair.primary.evidence {
        Evidence::Better | Evidence::Worse => String::new(),
        Evidence::SeedsDiffer => {
            " These models differ, but seeds of one arm differ about as much among themselves: this \
             is no evidence about the strategies."
                .to_owned()
                + &excluded()
        }
        Evidence::OneSeed => {
            " These models differ, but an arm with one seed cannot tell a strategy from its luck: \
             this is no evidence about the strategies."
                .into()
        }
        Evidence::None => excluded(),
    }
}

/// What is excluded, for whoever would know how much a strategy could still be worth.
fn excluded(across: AcrossSeeds, pair: &Pair, design: &Design) -> String {
    let unit = design.measure.unit_of_difference();
    let bound = |value: f64| format!("{:.4} {unit}{}", value.abs(), share(value.abs(), pair));
    let Interval { low, high } = across.interval;
    if low > 0.0 || high < 0.0 {
        return String::new();
    }
    format!(
        " That interval excludes that it is better by more than {} or worse by more than {}; a \
         smaller difference may exist.",
        bound(low),
        bound(high)
    )
}

/// A difference in percent of the baseline's loss, in brackets.
fn share(value: f64, pair: &Pair) -> String {
    let loss = pair.primary.relative.filter(|share| *share != 0.0);
    loss.map_or_else(String::new, |share| {
        let of_loss = value * (share / pair.primary.difference).abs();
        format!(" ({:.1}\u{a0}%)", 100.0 * of_loss)
    })
}

fn interval(interval: Interval) -> String {
    format!("{} to {}", signed(interval.low), signed(interval.high))
}

fn signed(value: f64) -> String {
    format!("{value:+.4}").replace('-', "−")
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "below 0.001".into() } else { format!("{p:.3}") }
}

/// Degrees of freedom, as many digits as they are worth.
fn freedom(value: f64) -> String {
    if value > 1e6 { "unlimited".into() } else { format!("{value:.1}") }
}
