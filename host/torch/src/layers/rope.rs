//! Rotary position embedding, <https://arxiv.org/abs/2104.09864>, with its features split in halves
//! as Hugging Face lays them out: feature i turns together with feature i + D/2 by the angle
//! position · θ^(−2i/D), or by less where the context was stretched.

use std::f64::consts::PI;
use tch::{Device, Kind, Tensor};

/// How fast the features of a head turn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rope {
    pub(crate) head_dim: usize,
    pub(crate) theta: f64,
    pub(crate) scaling: RopeScaling,
}

/// How a model was stretched beyond the context it was first trained on.
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
}

impl Rope {
    /// The angle each pair of features turns by from one position to the next, radians.
    pub(crate) fn frequencies(&self) -> Vec<f64> {
        let half = self.head_dim / 2;
        let plain = |i: usize| self.theta.powf(-((2 * i) as f64) / self.head_dim as f64);
        (0..half).map(|i| self.scaling.stretch(plain(i))).collect()
    }

    /// The rotations of positions 0 to `length`.
    pub(crate) fn rotations(&self, length: usize, kind: Kind, device: Device) -> Rotations {
        let half = self.head_dim / 2;
        // Rounded where transformers rounds: the frequency, then the angle.
        let frequencies: Vec<f32> = self.frequencies().iter().map(|&f| f as f32).collect();
        let mut cos = Vec::with_capacity(length * self.head_dim);
        let mut sin = Vec::with_capacity(length * self.head_dim);
        for position in 0..length {
            let angle = |i: usize| f64::from(position as f32 * frequencies[i % half]);
            cos.extend((0..self.head_dim).map(|i| angle(i).cos() as f32));
            let sign = |i: usize| if i < half { -1.0 } else { 1.0 };
            sin.extend((0..self.head_dim).map(|i| (sign(i) * angle(i).sin()) as f32));
        }
        let table = |values: &[f32]| {
            let shape = [length as i64, 1, self.head_dim as i64];
            Tensor::from_slice(values).view(shape).to_device(device).to_kind(kind)
        };
        Rotations { cos: table(&cos), sin: table(&sin) }
    }
}

impl RopeScaling {
    fn stretch(&self, frequency: f64) -> f64 {
        match *self {
            Self::Default => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                let turns = original_max_position_embeddings * frequency / (2.0 * PI);
                let kept = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
                let kept = kept.clamp(0.0, 1.0);
                (1.0 - kept) * frequency / factor + kept * frequency
            }
        }
    }
}

/// cos and signed sin of consecutive positions, ready to multiply.
pub(crate) struct Rotations {
    cos: Tensor, // [T, 1, Dh]
    sin: Tensor, // [T, 1, Dh], negative in the first half
}

impl Rotations {
    /// How many positions there are.
    pub(crate) fn len(&self) -> usize {
        self.cos.size()[0] as usize
    }

    /// A tensor with their type and device.
    pub(crate) fn table(&self) -> &Tensor {
        &self.cos
    }

    /// Those of `length` positions from `start` on.
    pub(crate) fn narrow(&self, start: usize, length: usize) -> Self {
        let narrow = |table: &Tensor| table.narrow(0, start as i64, length as i64);
        Self { cos: narrow(&self.cos), sin: narrow(&self.sin) }
    }

    /// Turns queries or keys. // [B, T, H, Dh] -> [B, T, H, Dh]
    pub(crate) fn apply(&self, x: &Tensor) -> Tensor {
        let half = x.size()[3] / 2;
        (x * &self.cos).addcmul(&x.roll([half], [-1]), &self.sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope(scaling: RopeScaling) -> Rope {
        Rope { head_dim: 8, theta: 10_000.0, scaling }
    }

    #[test]
    fn turns_pairs_of_features() {
        let (start, length, heads, dim) = (3usize, 5i64, 2i64, 8i64);
        let rope = rope(RopeScaling::Default);
        let rotations = rope.rotations(10, Kind::Float, Device::Cpu).narrow(start, 5);
        let values: Vec<f32> = (0..length * heads * dim).map(|i| (i as f32 * 0.37).sin()).collect();
        let x = Tensor::from_slice(&values).view([1, length, heads, dim]);
        let y = rotations.apply(&x);
        for (t, h, i) in (0..length)
            .flat_map(|t| (0..heads).flat_map(move |h| (0..dim / 2).map(move |i| (t, h, i))))
        {
            let angle = (start as f64 + t as f64) * 10_000f64.powf(-2.0 * i as f64 / 8.0);
            let at = |tensor: &Tensor, i: i64| tensor.double_value(&[0, t, h, i]);
            let (a, b) = (at(&x, i), at(&x, i + dim / 2));
            assert!((at(&y, i) - (a * angle.cos() - b * angle.sin())).abs() < 1e-6);
            assert!((at(&y, i + dim / 2) - (b * angle.cos() + a * angle.sin())).abs() < 1e-6);
        }
    }

    #[test]
    fn stretching_slows_features() {
        let plain = rope(RopeScaling::Default).frequencies();
        let linear = rope(RopeScaling::Linear { factor: 4.0 }).frequencies();
        assert!(plain.iter().zip(&linear).all(|(plain, linear)| *linear == plain / 4.0));

        // By hand, for a context of 64 stretched 8 times: wavelengths 6.28, 62.8, 628 and 6283
        // against bounds of 64/4 = 16 and 64/1 = 64.
        let llama3 = rope(RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 64.0,
        })
        .frequencies();
        let smooth = (64.0 / (2.0 * PI * 10.0) - 1.0) / 3.0;
        let blended = (1.0 - smooth) * 0.1 / 8.0 + smooth * 0.1;
        for (got, expected) in llama3.iter().zip([1.0, blended, 0.01 / 8.0, 0.001 / 8.0]) {
            assert!((got - expected).abs() < 1e-15, "{got} {expected}");
        }
    }
}
