//! A comparison as a paragraph for a paper's appendix: what was done, with what, and what came of it,
//! so that a reader can judge it and another can do it again.

use super::format::{count, p_value, percent, seconds, signed, signed_percent, significant};
use crate::compare::{Arm, Circumstances, Comparison, Design, Evidence, Measure, Pair, Pairs};

/// The paragraph; none where it is not known what the comparison was made under.
pub fn appendix(comparison: &Comparison) -> Option<String> {
    let made = comparison.circumstances.as_ref()?;
    let parts = [
        setup(made),
        arms(made),
        judged(comparison, made),
        method(comparison),
        comparison
            .pairs
            .iter()
            .map(|pair| result(pair, comparison.design.measure))
            .collect::<Vec<_>>()
            .join(" "),
        cost(comparison),
        looks(made),
    ];
    Some(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
}

fn setup(made: &Circumstances) -> String {
    let ratio = match made.ratio {
        ratio if ratio <= 1.0 => format!("{} of the pool", percent(ratio)),
        ratio => format!("{} samples of the pool", count(ratio as u64)),
    };
    format!(
        "All arms fine-tuned {} ({}, {} parameters) on {} for {} epochs with a budget of {ratio} an \
         epoch, equal in {}, at a learning rate of {} ({} schedule), with the chat template {}.",
        made.model,
        made.architecture,
        count(made.parameters),
        made.data.join(", "),
        made.epochs,
        made.budget,
        significant(made.learning_rate, 2),
        made.schedule,
        made.template,
    )
}

fn arms(made: &Circumstances) -> String {
    let described: Vec<String> = made.arms.iter().map(described).collect();
    let pool = match made.pool < 1.0 {
        true => format!(
            "Each seed drew its own {} of the pool, the same for all arms, and determined the order \
             of training and all other draws.",
            percent(made.pool)
        ),
        false => "All seeds chose from the same pool; a seed determined the order of training and \
                  all other draws."
            .to_owned(),
    };
    format!("The arms were {}. {pool}", described.join("; "))
}

fn described(arm: &Arm) -> String {
    let plugins = arm.plugins.join(",");
    let named = if plugins == arm.name { String::new() } else { format!(" ({plugins})") };
    let set = match arm.set.is_empty() {
        true => String::new(),
        false => format!(" with {}", arm.set.join(", ")),
    };
    let price = arm.costs_as.as_ref().map_or_else(String::new, |dear| {
        format!(", trained on as many samples of mean length as make up what “{dear}” cost with the same \
                 seed, scoring included, a token forward counting a third of one trained on")
    });
    let seeds: Vec<String> = arm.seeds.iter().map(u64::to_string).collect();
    format!("“{}”{named}{set}{price}, seeds {}", arm.name, seeds.join(" "))
}

fn judged(comparison: &Comparison, made: &Circumstances) -> String {
    let measure = match comparison.design.measure {
        Measure::Sample => "every sample counting the same",
        Measure::Token => "every token counting the same",
        Measure::Accuracy | Measure::ExactMatch => "every question counting the same",
    };
    let noun = comparison.design.measure.noun();
    let before = made.before.map_or_else(String::new, |loss| {
        format!(" Before training this {noun} was {}.", significant(loss, 4))
    });
    let wrong = match comparison.design.measure {
        Measure::Sample | Measure::Token => None,
        Measure::Accuracy => Some("whose likeliest choice was wrong".to_owned()),
        Measure::ExactMatch => Some(wrong_in_words(&comparison.design)),
    };
    if let Some(wrong) = wrong {
        return format!(
            "They were judged by the share of {} {} {wrong}, {measure}, as was fixed beforehand.{before}",
            count(comparison.held_out.samples),
            made.held_out,
        );
    }
    format!(
        "They were judged by the loss of the responses of {} held-out samples ({} tokens; {}), in \
         nats a token, {measure}, as was fixed beforehand.{before}",
        count(comparison.held_out.samples),
        count(comparison.held_out.tokens),
        made.held_out,
    )
}

/// What a wrong answer in words is.
fn wrong_in_words(design: &Design) -> String {
    let how = design.answering.clone().unwrap_or_default();
    let ignored = match (how.ignore_case, how.ignore_punctuation) {
        (false, false) => "white space around it",
        (true, false) => "case and white space around it",
        (false, true) => "punctuation and white space around it",
        (true, true) => "case, punctuation and white space around it",
    };
    format!(
        "whose answer, decoded greedily to at most {} tokens, was none of the right ones, {ignored} aside",
        how.max_new_tokens
    )
}

fn method(comparison: &Comparison) -> String {
    let design = &comparison.design;
    let asked = match design.pairs {
        Pairs::Baseline => format!("against “{}”", design.baseline),
        Pairs::All => "of all pairs of arms".to_owned(),
    };
    format!(
        "For each of the {} differences {asked}, p is the larger of two: that of the two-sided \
         sign-flip permutation test over {} ({} draws, seeds averaged), and that of \
         Student’s t over samples and seeds as crossed random effects (variance over samples plus \
         that of each arm’s mean over its seeds, less their shared residual; degrees of freedom by \
         Welch and Satterthwaite). It was corrected by Holm’s method; a difference is called found \
         at p ≤ {}. Intervals are {} intervals of that t, each by itself.",
        comparison.pairs.len(),
        design.measure.judges(),
        count(design.resamples.into()),
        significant(design.alpha(), 2),
        percent(design.confidence),
    )
}

fn result(pair: &Pair, measure: Measure) -> String {
    let primary = &pair.primary;
    let said = match primary.evidence {
        Evidence::Better => "found better",
        Evidence::Worse => "found worse",
        Evidence::OneSeed => "not settled, as one seed cannot",
        Evidence::SeedsDiffer | Evidence::None => "no evidence of a difference",
    };
    let interval = match primary.across_seeds {
        Some(across) => format!(
            "interval {} to {}, {} degrees of freedom, p {} over seeds and {} over samples",
            signed(across.interval.low, 4),
            signed(across.interval.high, 4),
            significant(across.degrees_of_freedom, 2),
            p_value(across.p),
            p_value(primary.p)
        ),
        None => format!("p {} over samples", p_value(primary.p)),
    };
    format!(
        "“{}” less “{}”: {} {} ({} of the {}; {interval}; after correction p {}): {said}.",
        pair.arm,
        pair.baseline,
        signed(primary.difference, 4),
        measure.unit_of_difference(),
        signed_percent(primary.relative.unwrap_or(f64::NAN)),
        measure.noun(),
        p_value(primary.p_holm),
    )
}

fn cost(comparison: &Comparison) -> String {
    let spent: Vec<String> = comparison
        .arms
        .iter()
        .map(|arm| {
            let cost = &arm.cost;
            format!(
                "“{}” {} forward for scoring, {} forward and backward ({} of wall-clock time)",
                arm.name,
                count(cost.tokens_scored.round() as u64),
                count(cost.tokens_trained.round() as u64),
                seconds(cost.scoring_seconds + cost.picking_seconds + cost.training_seconds),
            )
        })
        .collect();
    format!("Tokens a run: {}.", spent.join("; "))
}

fn looks(made: &Circumstances) -> String {
    let unfinished = match made.finished < made.planned {
        true => format!("Only {} of {} planned runs are in.", made.finished, made.planned),
        false => String::new(),
    };
    let looks = match made.looks.len() {
        0 => "The result was not looked at before it was complete.".to_owned(),
        looks => format!(
            "The result was looked at {looks} times before, with fewer runs: {}.",
            made.looks.iter().map(crate::compare::Look::sentence).collect::<Vec<_>>().join("; ")
        ),
    };
    format!("{unfinished} {looks} Made with iterit {}.", super::page::VERSION).trim().to_owned()
}
