//! Rotary position embedding, <https://arxiv.org/abs/2104.09864>: two features of a head turn together
//! by the angle position · θ^(−2i/R), or by less where the context was stretched. R features turn, the
//! others of the head stay as they are.

mod scaling;

pub(crate) use scaling::{LongRope, RopeScaling, Yarn};

use crate::kernels;
use tch::{Device, Kind, Tensor};

/// Which features of a head turn, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rope {
    /// R: the first features of a head that turn; all of them, or fewer.
    pub(crate) rotary_dim: usize,
    pub(crate) theta: f64,
    pub(crate) scaling: RopeScaling,
    pub(crate) layout: RopeLayout,
    pub(crate) query_growth: Option<QueryGrowth>,
}

/// Which two features turn together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RopeLayout {
    /// Feature i and feature i + R/2, as Llama has them.
    Halves,
    /// Feature 2i and feature 2i + 1.
    Pairs,
}

/// Queries grow with their position, so that attention stays sharp over long contexts: they are
/// multiplied by 1 + β ln(1 + ⌊position / context⌋), as in Llama 4.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct QueryGrowth {
    pub(crate) beta: f64,
    /// Positions the model was first trained on.
    pub(crate) context: f64,
}

impl Rope {
    /// All features of a head, in halves, not stretched.
    pub(crate) fn plain(head_dim: usize, theta: f64) -> Self {
        Self {
            rotary_dim: head_dim,
            theta,
            scaling: RopeScaling::Default,
            layout: RopeLayout::Halves,
            query_growth: None,
        }
    }

    /// The angle each pair of features turns by from one position to the next, radians.
    pub(crate) fn frequencies(&self, reach: Reach) -> Vec<f64> {
        self.scaling.frequencies(self.rotary_dim, self.theta, reach)
    }

    /// The length above which sequences are turned in another way, where there is one.
    pub(crate) fn switch(&self) -> Option<usize> {
        match &self.scaling {
            RopeScaling::LongRope(long) => Some(long.original_max_position_embeddings as usize),
            _ => None,
        }
    }

    /// The rotations of positions 0 to `length`.
    pub(crate) fn rotations(
        &self,
        length: usize,
        reach: Reach,
        kind: Kind,
        device: Device,
    ) -> Rotations {
        let (dim, half) = (self.rotary_dim, self.rotary_dim / 2);
        // Rounded where transformers rounds: the frequency, then the angle.
        let frequencies: Vec<f32> = self.frequencies(reach).iter().map(|&f| f as f32).collect();
        let factor = self.scaling.attention_factor();
        // Which pair a feature belongs to, and whether it is the pair's first.
        let place = |i: usize| match self.layout {
            RopeLayout::Halves => (i % half, i < half),
            RopeLayout::Pairs => (i / 2, i.is_multiple_of(2)),
        };
        let mut cos = Vec::with_capacity(length * dim);
        let mut sin = Vec::with_capacity(length * dim);
        for position in 0..length {
            let angle = |pair: usize| f64::from(position as f32 * frequencies[pair]);
            cos.extend((0..dim).map(|i| (factor * angle(place(i).0).cos()) as f32));
            sin.extend((0..dim).map(|i| {
                let (pair, is_first) = place(i);
                let sign = if is_first { -1.0 } else { 1.0 };
                (sign * factor * angle(pair).sin()) as f32
            }));
        }
        let table = |values: &[f32], width: usize| {
            let shape = [length as i64, 1, width as i64];
            Tensor::from_slice(values).view(shape).to_device(device).to_kind(kind)
        };
        let growth = self.query_growth.map(|growth| {
            let factors: Vec<f32> = (0..length).map(|position| growth.at(position)).collect();
            table(&factors, 1)
        });
        Rotations { cos: table(&cos, dim), sin: table(&sin, dim), growth, layout: self.layout }
    }
}

impl QueryGrowth {
    fn at(&self, position: usize) -> f32 {
        (1.0 + self.beta * (1.0 + (position as f64 / self.context).floor()).ln()) as f32
    }
}

/// Sequences may be turned in one way up to some length and in another beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reach {
    /// Within the context the model was first trained on; also where that makes no difference.
    #[default]
    Short,
    /// Beyond it.
    Long,
}

/// cos and signed sin of consecutive positions, ready to multiply.
pub(crate) struct Rotations {
    cos: Tensor,            // [T, 1, R]
    sin: Tensor,            // [T, 1, R], negative for the first feature of a pair
    growth: Option<Tensor>, // [T, 1, 1]
    layout: RopeLayout,
}

impl Rotations {
    /// How many positions there are.
    pub(crate) fn len(&self) -> usize {
        self.cos.size()[0] as usize
    }

    /// Those of `length` positions from `start` on.
    pub(crate) fn narrow(&self, start: usize, length: usize) -> Self {
        let narrow = |table: &Tensor| table.narrow(0, start as i64, length as i64);
        Self {
            cos: narrow(&self.cos),
            sin: narrow(&self.sin),
            growth: self.growth.as_ref().map(narrow),
            layout: self.layout,
        }
    }

    /// Those of these positions, one by one. // [N]
    pub(crate) fn at(&self, positions: &Tensor) -> Self {
        let at = |table: &Tensor| table.index_select(0, positions);
        Self {
            cos: at(&self.cos),
            sin: at(&self.sin),
            growth: self.growth.as_ref().map(at),
            layout: self.layout,
        }
    }

    /// Turns queries. // [B, T, H, Dh] -> [B, T, H, Dh]
    pub(crate) fn queries(&self, x: &Tensor) -> Tensor {
        let turned = self.keys(x);
        match &self.growth {
            Some(growth) => turned * growth,
            None => turned,
        }
    }

    /// Turns keys. // [B, T, Hk, Dh] -> [B, T, Hk, Dh]
    pub(crate) fn keys(&self, x: &Tensor) -> Tensor {
        let (head_dim, rotary_dim) = (x.size()[3], self.cos.size()[2]);
        if rotary_dim == head_dim {
            return self.turn(x);
        }
        let still = x.narrow(3, rotary_dim, head_dim - rotary_dim);
        Tensor::cat(&[self.turn(&x.narrow(3, 0, rotary_dim)), still], 3)
    }

    fn turn(&self, x: &Tensor) -> Tensor {
        let is_halves = self.layout == RopeLayout::Halves;
        let at_once = is_halves.then(|| kernels::turn_halves(x, &self.cos, &self.sin)).flatten();
        at_once.unwrap_or_else(|| self.turn_in_steps(x))
    }

    fn turn_in_steps(&self, x: &Tensor) -> Tensor {
        let partner = match self.layout {
            RopeLayout::Halves => x.roll([x.size()[3] / 2], [-1]),
            RopeLayout::Pairs => x.unflatten(3, [-1, 2]).flip([-1]).flatten(3, 4),
        };
        (x * &self.cos).addcmul(&partner, &self.sin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope(layout: RopeLayout, rotary_dim: usize) -> Rope {
        Rope { rotary_dim, layout, ..Rope::plain(8, 10_000.0) }
    }

    #[test]
    fn turns_pairs_of_features() {
        let (start, length, heads, dim) = (3usize, 5i64, 2i64, 8i64);
        let values: Vec<f32> = (0..length * heads * dim).map(|i| (i as f32 * 0.37).sin()).collect();
        let x = Tensor::from_slice(&values).view([1, length, heads, dim]);
        for (layout, rotary_dim) in [
            (RopeLayout::Halves, 8),
            (RopeLayout::Halves, 4),
            (RopeLayout::Pairs, 8),
            (RopeLayout::Pairs, 4),
        ] {
            let rope = rope(layout, rotary_dim);
            let rotations = rope.rotations(10, Reach::Short, Kind::Float, Device::Cpu);
            let y = rotations.narrow(start, 5).keys(&x);
            let half = rotary_dim as i64 / 2;
            for (t, h) in (0..length).flat_map(|t| (0..heads).map(move |h| (t, h))) {
                let at = |tensor: &Tensor, i: i64| tensor.double_value(&[0, t, h, i]);
                for i in 0..half {
                    let turn = 10_000f64.powf(-2.0 * i as f64 / rotary_dim as f64);
                    let angle = (start as f64 + t as f64) * turn;
                    let (first, second) = match layout {
                        RopeLayout::Halves => (i, i + half),
                        RopeLayout::Pairs => (2 * i, 2 * i + 1),
                    };
                    let (a, b) = (at(&x, first), at(&x, second));
                    let turned =
                        [a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()];
                    assert!((at(&y, first) - turned[0]).abs() < 1e-6);
                    assert!((at(&y, second) - turned[1]).abs() < 1e-6);
                }
                assert!((rotary_dim as i64..dim).all(|i| at(&x, i) == at(&y, i)));
            }
        }
    }

    #[test]
    fn queries_grow_by_steps_of_the_context() {
        let growth = QueryGrowth { beta: 0.1, context: 4.0 };
        let rope = Rope { query_growth: Some(growth), ..Rope::plain(8, 100.0) };
        let rotations = rope.rotations(9, Reach::Short, Kind::Double, Device::Cpu);
        let x = Tensor::ones([1, 9, 1, 8], (Kind::Double, Device::Cpu));
        let ratio = rotations.queries(&x) / rotations.keys(&x);
        for (position, expected) in
            [(0, 1.0), (3, 1.0), (4, 1.0 + 0.1 * 2f64.ln()), (8, 1.0 + 0.1 * 3f64.ln())]
        {
            assert!((ratio.double_value(&[0, position, 0, 5]) - expected).abs() < 1e-7);
        }
    }
}
