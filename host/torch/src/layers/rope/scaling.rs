//! How a rotary embedding was stretched beyond the context it was first trained on: what becomes of the
//! frequencies θ^(−2i/R), and of the length of what is turned.

use super::Reach;
use std::f64::consts::PI;

/// The ways to stretch, with `rope_type`'s names and fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RopeScaling {
    /// Not at all.
    Default,
    /// Every angle divided by the same factor.
    Linear { factor: f64 },
    /// Slow features divided by the factor, fast ones kept, those between blended.
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
        original_max_position_embeddings: f64,
    },
    /// The same with bounds counted in features.
    Yarn(Yarn),
    /// A factor for each frequency.
    LongRope(LongRope),
}

/// YaRN, <https://arxiv.org/abs/2309.00071>.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Yarn {
    pub(crate) factor: f64,
    /// Turns within the first context from which on a feature is kept.
    pub(crate) beta_fast: f64,
    /// Turns up to which a feature is divided.
    pub(crate) beta_slow: f64,
    pub(crate) original_max_position_embeddings: f64,
    /// Whether the bounds are rounded to whole features.
    pub(crate) truncate: bool,
    pub(crate) attention_factor: f64,
}

/// LongRoPE, <https://arxiv.org/abs/2402.13753>.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LongRope {
    /// For sequences within the first context.
    pub(crate) short_factor: Vec<f64>,
    /// For those beyond.
    pub(crate) long_factor: Vec<f64>,
    pub(crate) original_max_position_embeddings: f64,
    pub(crate) attention_factor: f64,
}

impl RopeScaling {
    /// The angle from one position to the next for each of R/2 pairs.
    pub(super) fn frequencies(&self, rotary_dim: usize, theta: f64, reach: Reach) -> Vec<f64> {
        let plain = |i: usize| theta.powf(-((2 * i) as f64) / rotary_dim as f64);
        let pairs = 0..rotary_dim / 2;
        match self {
            Self::Default => pairs.map(plain).collect(),
            Self::Linear { factor } => pairs.map(|i| plain(i) / factor).collect(),
            Self::Llama3 { .. } => pairs.map(|i| self.llama3(plain(i))).collect(),
            Self::Yarn(yarn) => {
                let kept = yarn.kept(rotary_dim, theta);
                pairs.map(|i| blend(plain(i), yarn.factor, kept(i))).collect()
            }
            Self::LongRope(long) => {
                let factors = match reach {
                    Reach::Short => &long.short_factor,
                    Reach::Long => &long.long_factor,
                };
                pairs.map(|i| plain(i) / factors[i]).collect()
            }
        }
    }

    /// What queries and keys are multiplied by as they are turned.
    pub(super) fn attention_factor(&self) -> f64 {
        match self {
            Self::Default | Self::Linear { .. } | Self::Llama3 { .. } => 1.0,
            Self::Yarn(yarn) => yarn.attention_factor,
            Self::LongRope(long) => long.attention_factor,
        }
    }

    fn llama3(&self, frequency: f64) -> f64 {
        let &Self::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        } = self
        else {
            unreachable!("asked of Llama 3 alone")
        };
        let turns = original_max_position_embeddings * frequency / (2.0 * PI);
        let kept = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
        blend(frequency, factor, kept.clamp(0.0, 1.0))
    }
}

/// A frequency of which the part `kept` stays and the rest is divided.
fn blend(frequency: f64, factor: f64, kept: f64) -> f64 {
    (1.0 - kept) * frequency / factor + kept * frequency
}

impl Yarn {
    /// What queries and keys are multiplied by where the configuration leaves it open:
    /// m(1, mscale) / m(1, mscale_all_dim), with m(a, b) = 0.1 b ln(factor) + 1.
    pub(crate) fn attention_factor(factor: f64, mscale: Option<[f64; 2]>) -> f64 {
        let m = |mscale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * mscale * factor.ln() + 1.0 };
        match mscale {
            Some([mscale, all_dim]) => m(mscale) / m(all_dim),
            None => m(1.0),
        }
    }

    /// The part of each frequency that stays: 1 below the first bound, 0 above the second.
    fn kept(&self, rotary_dim: usize, theta: f64) -> impl Fn(usize) -> f64 + use<> {
        let dim = rotary_dim as f64;
        // The feature that turns so often within the first context.
        let feature = |turns: f64| {
            let context = self.original_max_position_embeddings;
            dim * (context / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln())
        };
        let (mut low, mut high) = (feature(self.beta_fast), feature(self.beta_slow));
        if self.truncate {
            (low, high) = (low.floor(), high.ceil());
        }
        (low, high) = (low.max(0.0), high.min(dim - 1.0));
        if low == high {
            high += 0.001;
        }
        move |i| 1.0 - ((i as f64 - low) / (high - low)).clamp(0.0, 1.0)
    }
}

impl LongRope {
    /// What queries and keys are multiplied by where the configuration leaves it open:
    /// √(1 + ln(factor) / ln(context)).
    pub(crate) fn attention_factor(factor: f64, context: f64) -> f64 {
        if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / context.ln()).sqrt() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THETA: f64 = 10_000.0;

    fn close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12 * expected, "{got} {expected}");
        }
    }

    #[test]
    fn stretching_slows_features() {
        let plain = RopeScaling::Default.frequencies(8, THETA, Reach::Short);
        close(&plain, &[1.0, 0.1, 0.01, 0.001]);
        let linear = RopeScaling::Linear { factor: 4.0 }.frequencies(8, THETA, Reach::Short);
        close(&linear, &[0.25, 0.025, 0.0025, 0.00025]);

        // By hand, for a context of 64 stretched 8 times: wavelengths 6.28, 62.8, 628 and 6283
        // against bounds of 64/4 = 16 and 64/1 = 64.
        let llama3 = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 64.0,
        };
        let smooth = (64.0 / (2.0 * PI * 10.0) - 1.0) / 3.0;
        let blended = (1.0 - smooth) * 0.1 / 8.0 + smooth * 0.1;
        close(
            &llama3.frequencies(8, THETA, Reach::Short),
            &[1.0, blended, 0.01 / 8.0, 0.001 / 8.0],
        );
    }

    #[test]
    fn yarn_keeps_fast_features_and_divides_slow_ones() {
        // By hand, for a context of 1000: feature(32) = 8 ln(1000 / 64π) / (2 ln 10⁴) = 0.696…, down to
        // 0; feature(1) = 8 ln(1000 / 2π) / (2 ln 10⁴) = 2.202…, up to 3.
        let yarn = |truncate| {
            RopeScaling::Yarn(Yarn {
                factor: 4.0,
                beta_fast: 32.0,
                beta_slow: 1.0,
                original_max_position_embeddings: 1000.0,
                truncate,
                attention_factor: 1.0,
            })
            .frequencies(8, THETA, Reach::Short)
        };
        let blended = |kept: f64, plain: f64| (1.0 - kept) * plain / 4.0 + kept * plain;
        let thirds = [1.0, blended(2.0 / 3.0, 0.1), blended(1.0 / 3.0, 0.01), 0.001 / 4.0];
        close(&yarn(true), &thirds);
        let feature = |turns: f64| 8.0 * (1000.0 / (turns * 2.0 * PI)).ln() / (2.0 * THETA.ln());
        let (low, high) = (feature(32.0), feature(1.0));
        let kept = |i: f64| 1.0 - (i - low) / (high - low);
        close(&yarn(false), &[1.0, blended(kept(1.0), 0.1), blended(kept(2.0), 0.01), 0.001 / 4.0]);
    }

    #[test]
    fn longrope_has_a_factor_for_each_frequency() {
        let long = RopeScaling::LongRope(LongRope {
            short_factor: vec![1.0, 2.0],
            long_factor: vec![4.0, 8.0],
            original_max_position_embeddings: 16.0,
            attention_factor: 1.5,
        });
        close(&long.frequencies(4, THETA, Reach::Short), &[1.0, 0.01 / 2.0]);
        close(&long.frequencies(4, THETA, Reach::Long), &[0.25, 0.01 / 8.0]);
        assert_eq!(long.attention_factor(), 1.5);
    }

    #[test]
    fn attention_is_sharpened_as_the_papers_say() {
        assert_eq!(Yarn::attention_factor(1.0, None), 1.0);
        assert!((Yarn::attention_factor(16.0, None) - (0.1 * 16f64.ln() + 1.0)).abs() < 1e-15);
        assert_eq!(Yarn::attention_factor(16.0, Some([1.0, 1.0])), 1.0);
        assert!((LongRope::attention_factor(16.0, 4.0) - 3f64.sqrt()).abs() < 1e-15);
    }
}
