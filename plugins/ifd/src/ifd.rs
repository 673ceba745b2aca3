//! Instruction-following difficulty (Li et al., arXiv 2308.12032): how little the prompt helps the
//! model with the response. Pure arithmetic on mean losses; it knows neither options nor host.
//!
//! With A the response, Q its prompt and both means over the same response tokens:
//!
//! ```text
//! ppl_ratio  = PPL(A | Q) / PPL(A) = exp(mean NLL(A | Q) − mean NLL(A))
//! loss_ratio = mean NLL(A | Q) / mean NLL(A)
//! ```

use iterit_sdk::{ResponseNll, Score};
use serde::{Deserialize, Serialize};

/// What IFD is the ratio of; papers and programs differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// Of perplexities: IterIT, Superfiltering.
    #[default]
    PplRatio,
    /// Of mean losses: the formula as the IFD paper prints it.
    LossRatio,
}

/// The precision a score is kept in, before it is compared with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreDtype {
    /// 24 significant bits.
    #[default]
    Float32,
    /// 8 significant bits, as IterIT's published program keeps it: many scores tie, and those from
    /// 0.998 on become 1.
    Bfloat16,
}

/// A sample may be picked while its prompt helps: where IFD is a number below 1.
///
/// ```
/// use iterit_plugin_ifd::ifd::{Definition, ScoreDtype, score};
/// use iterit_sdk::{Nll, ResponseNll};
///
/// let nll = ResponseNll {
///     conditional: Nll { sum: 6.0, tokens: 4 },
///     unconditional: Nll { sum: 8.0, tokens: 4 },
/// };
/// let ifd = score(&nll, Definition::LossRatio, ScoreDtype::Float32);
/// assert_eq!((ifd.value, ifd.eligible), (0.75, true));
/// ```
pub fn score(nll: &ResponseNll, definition: Definition, dtype: ScoreDtype) -> Score {
    let (conditional, unconditional) = (nll.conditional.mean(), nll.unconditional.mean());
    let value = rounded(ratio(conditional, unconditional, definition), dtype);
    let score = if value.is_finite() && value < 1.0 {
        Score::eligible(value)
    } else {
        Score::ineligible(value)
    };
    score
        .with_part("conditional_nll", conditional)
        .with_part("unconditional_nll", unconditional)
        .with_part("tokens", nll.conditional.tokens.into())
}

fn ratio(conditional: f64, unconditional: f64, definition: Definition) -> f64 {
    match definition {
        Definition::PplRatio => (conditional - unconditional).exp(),
        Definition::LossRatio => conditional / unconditional,
    }
}

fn rounded(value: f64, dtype: ScoreDtype) -> f64 {
    let value = value as f32;
    f64::from(match dtype {
        ScoreDtype::Float32 => value,
        ScoreDtype::Bfloat16 => round_to_bfloat16(value),
    })
}

/// The nearest float32 whose lower 16 bits are 0; of two equally near, the one whose last bit is 0.
fn round_to_bfloat16(value: f32) -> f32 {
    if value.is_nan() {
        return value; // the carry below could turn a NaN into an infinity
    }
    let bits = value.to_bits();
    let to_even = bits >> 16 & 1;
    f32::from_bits((bits + 0x7FFF + to_even) & 0xFFFF_0000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::Nll;

    fn nll(conditional: f64, unconditional: f64, tokens: u32) -> ResponseNll {
        let of = |mean: f64| Nll { sum: mean * f64::from(tokens), tokens };
        ResponseNll { conditional: of(conditional), unconditional: of(unconditional) }
    }

    fn check(given: ResponseNll, definition: Definition, dtype: ScoreDtype, expected: (f64, bool)) {
        let found = score(&given, definition, dtype);
        let same = found.value == expected.0 || found.value.is_nan() && expected.0.is_nan();
        assert!(same && found.eligible == expected.1, "{found:?}, expected {expected:?}");
    }

    #[test]
    fn scores_follow_the_definition_and_the_precision() {
        use Definition::{LossRatio, PplRatio};
        use ScoreDtype::{Bfloat16, Float32};
        let below = f64::from((-0.5_f64).exp() as f32);
        check(nll(2.0, 2.5, 4), PplRatio, Float32, (below, true));
        check(nll(2.0, 2.5, 4), PplRatio, Bfloat16, (0.60546875, true));
        check(nll(2.0, 2.5, 4), LossRatio, Float32, (f64::from(0.8_f32), true));
        check(nll(2.0, 2.0, 4), PplRatio, Float32, (1.0, false));
        check(nll(2.5, 2.0, 4), LossRatio, Float32, (1.25, false));
        // 0.999 is below 1, but the nearest bfloat16 is 1.
        check(nll(1.998, 2.0, 1), LossRatio, Float32, (f64::from(0.999_f32), true));
        check(nll(1.998, 2.0, 1), LossRatio, Bfloat16, (1.0, false));
        check(nll(1.0, 0.0, 4), LossRatio, Float32, (f64::INFINITY, false));
        check(nll(0.0, 0.0, 0), PplRatio, Float32, (f64::NAN, false));
        check(nll(0.0, 0.0, 0), LossRatio, Bfloat16, (f64::NAN, false));
    }

    #[test]
    fn bfloat16_rounds_half_to_even() {
        let step = 2f32.powi(-8); // between neighbours just below 1, whose last bits alternate
        for (value, expected) in [
            (1.0 - 0.5 * step, 1.0),
            (1.0 - 1.5 * step, 1.0 - 2.0 * step),
            (1.0 - 1.4 * step, 1.0 - step),
            (1.0 - 2.5 * step, 1.0 - 2.0 * step),
            (-1.5, -1.5),
            (f32::INFINITY, f32::INFINITY),
            (f32::MAX, f32::INFINITY),
        ] {
            assert_eq!(round_to_bfloat16(value), expected, "{value}");
        }
        assert!(round_to_bfloat16(f32::from_bits(0x7FFF_FFFF)).is_nan());
    }
}
