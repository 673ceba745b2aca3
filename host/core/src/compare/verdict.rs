//! What the figures of a pair say, in plain words. A difference is arm minus baseline in nats a
//! token, so below zero the arm is the better one.

use super::design::Design;
use super::pair::{Evidence, Pair, Verdict};

/// Judges a pair whose figures are complete.
pub(super) fn verdict(pair: &Pair, design: &Design) -> Verdict {
    let evidence = evidence(pair, design);
    let (arm, baseline) = (format!("“{}”", pair.arm), format!("“{}”", pair.baseline));
    let direction = if pair.difference < 0.0 { "lower" } else { "higher" };
    let headline = match evidence {
        Evidence::Better => format!("{arm} is better than {baseline}"),
        Evidence::Worse => format!("{arm} is worse than {baseline}"),
        Evidence::OneSeed => format!("One seed cannot settle {arm} against {baseline}"),
        Evidence::SeedsDiffer | Evidence::None => {
            format!("No evidence of a difference between {arm} and {baseline}")
        }
    };
    let measured = format!(
        "The held-out loss of {arm} is {:.4} nats a token {direction} than that of {baseline} \
         ({:.0}\u{a0}% interval of the difference over held-out samples {} to {}, p {} after Holm’s \
         correction).",
        pair.difference.abs(),
        100.0 * design.confidence,
        signed(pair.interval.low),
        signed(pair.interval.high),
        p_value(pair.p_holm),
    );
    let across = pair.across_seeds.map_or_else(String::new, |across| {
        format!(
            " Counting the spread between seeds too, the interval is {} to {}.",
            signed(across.interval.low),
            signed(across.interval.high)
        )
    });
    let consequence = match evidence {
        Evidence::Better | Evidence::Worse => String::new(),
        Evidence::SeedsDiffer => {
            " These models differ, but seeds of one arm differ as much among themselves: this is \
             no evidence about the strategies."
                .into()
        }
        Evidence::OneSeed => {
            " These models differ, but an arm with one seed cannot tell a strategy from its luck: \
             this is no evidence about the strategies."
                .into()
        }
        Evidence::None => format!(
            " A true difference of {:.4} would have been found with a probability of 80\u{a0}%; a \
             smaller one may exist.",
            pair.minimum_detectable
        ),
    };
    Verdict { evidence, headline, text: measured + &across + &consequence }
}

fn evidence(pair: &Pair, design: &Design) -> Evidence {
    if pair.p_holm > design.alpha() + 1e-12 {
        return Evidence::None;
    }
    match pair.across_seeds {
        None => Evidence::OneSeed,
        Some(across) if !across.interval.excludes_zero() => Evidence::SeedsDiffer,
        Some(_) if pair.difference < 0.0 => Evidence::Better,
        Some(_) => Evidence::Worse,
    }
}

fn signed(value: f64) -> String {
    format!("{value:+.4}").replace('-', "−")
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "below 0.001".into() } else { format!("{p:.3}") }
}
