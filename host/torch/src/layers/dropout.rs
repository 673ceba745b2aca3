//! Dropout, <https://arxiv.org/abs/1207.0580>, that is counted out and not drawn: whether a feature of a
//! token is dropped is a hash of the seed, the step, the sample, the token's position, the layer and the
//! feature. There is no generator whose state would have to be saved; a step that is run again, cut into
//! other micro-batches, padded otherwise or computed a second time in the backward pass drops the same.
//!
//! B rows, T tokens a row, N tokens that are asked about, D features.

use crate::counted::{self, hash, mixed};
use crate::parcel;
use tch::Tensor;

/// What a step drops out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StepSeed {
    /// The share of features that is dropped.
    pub(crate) rate: f64,
    /// Of the run.
    pub(crate) seed: u64,
    /// Steps done before.
    pub(crate) step: u64,
}

/// A key for every token of a batch, from which its masks follow.
pub(crate) struct TokenKeys {
    rate: f64,
    all: Tensor,      // [B, T], i32
    at_asked: Tensor, // [N], i32
}

/// What one layer drops of these tokens.
pub(crate) struct Dropout {
    rate: f64,
    all: Tensor,      // [B, T, 1], i32
    at_asked: Tensor, // [N, 1], i32
}

impl TokenKeys {
    /// Keys of a batch of this size, [B, T], which holds sequences of a step one after the other, each from its first
    /// token on and with so many places; and of the places `asked` among them, counted row by row.
    pub(crate) fn new(
        seed: StepSeed,
        runs: &[(usize, usize)],
        size: &[i64],
        asked: &Tensor,
    ) -> Self {
        let step = hash(hash(seed.seed) ^ seed.step);
        let keys: Vec<i32> = runs
            .iter()
            .map(|&(member, places)| (hash(step ^ member as u64), places as u64))
            .flat_map(|(row, places)| (0..places).map(move |position| hash(row ^ position) as i32))
            .collect();
        let all = parcel::on_device(&keys, asked.device()).view(size);
        let at_asked = all.flatten(0, 1).index_select(0, asked);
        Self { rate: seed.rate, all, at_asked }
    }

    /// The dropout of the layer with this name.
    pub(crate) fn of_layer(&self, name: &str) -> Dropout {
        let layer = name.bytes().fold(0, |key, byte| hash(key ^ u64::from(byte))) as i32;
        let of_layer = |keys: &Tensor| mixed(keys.unsqueeze(-1).bitwise_xor(i64::from(layer)));
        Dropout { rate: self.rate, all: of_layer(&self.all), at_asked: of_layer(&self.at_asked) }
    }
}

impl Dropout {
    /// Drops features of all tokens, or of those that are asked about, in whatever rows they lie, and makes
    /// up for it in the others. // [.., D]
    pub(crate) fn forward(&self, x: &Tensor) -> Tensor {
        let features = *x.size().last().expect("features");
        let mask = {
            let _no_grad = tch::no_grad_guard();
            // Where as many are asked about as there are, the two are one.
            let is_all = x.numel() == self.all.numel() * features as usize;
            let keys = if is_all { &self.all } else { &self.at_asked };
            kept(keys, features, self.rate).to_kind(x.kind()) / (1.0 - self.rate)
        };
        x * mask.view_as(x)
    }
}

/// Which features stay. // [.., 1] -> [.., D]
fn kept(keys: &Tensor, features: i64, rate: f64) -> Tensor {
    let bits = counted::bits(keys, features).bitwise_and_(i64::from(i32::MAX));
    bits.ge((rate * 2f64.powi(31)) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    const SEED: StepSeed = StepSeed { rate: 0.3, seed: 5, step: 2 };

    fn mask(seed: StepSeed, members: &[usize], length: usize, layer: &str) -> Tensor {
        let asked = Tensor::from_slice(&[0i64]);
        let runs: Vec<_> = members.iter().map(|&member| (member, length)).collect();
        let [rows, length] = [members.len(), length].map(|it| it as i64);
        let dropout = TokenKeys::new(seed, &runs, &[rows, length], &asked).of_layer(layer);
        dropout.forward(&Tensor::ones([rows, length, 64], (Kind::Double, Device::Cpu)))
    }

    #[test]
    fn the_share_is_dropped_and_the_rest_makes_up_for_it() {
        for rate in [0.05, 0.3, 0.5] {
            let mask = mask(StepSeed { rate, ..SEED }, &[0, 1, 2, 3], 100, "a");
            let zeros =
                1.0 - mask.ne(0.0).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            // Five standard deviations of so many draws.
            let tolerance = 5.0 * (rate * (1.0 - rate) / mask.numel() as f64).sqrt();
            assert!((zeros - rate).abs() < tolerance, "{zeros} {rate}");
            let largest = mask.max().double_value(&[]);
            assert!((largest - 1.0 / (1.0 - rate)).abs() < 1e-12);
        }
    }

    #[test]
    fn tokens_features_layers_and_steps_are_dropped_apart() {
        let flat = |mask: Tensor| (mask.ne(0.0).to_kind(Kind::Double) - 0.7).flatten(0, -1);
        let reference = flat(mask(SEED, &[0, 1], 50, "a"));
        let count = reference.numel() as f64;
        let product = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double).double_value(&[]);
        let correlation = |other: &Tensor| product(&reference, other) / (count * 0.21);
        for other in [
            mask(SEED, &[0, 1], 50, "b"),
            mask(SEED, &[2, 3], 50, "a"),
            mask(StepSeed { step: 3, ..SEED }, &[0, 1], 50, "a"),
            mask(StepSeed { seed: 6, ..SEED }, &[0, 1], 50, "a"),
            mask(SEED, &[0, 1], 50, "a").roll([1], [1]),
            mask(SEED, &[0, 1], 50, "a").roll([1], [2]),
        ] {
            let correlation = correlation(&flat(other));
            assert!(correlation.abs() < 5.0 / count.sqrt(), "{correlation}");
        }
        assert!((correlation(&reference) - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_token_drops_the_same_wherever_it_is_run() {
        let whole = mask(SEED, &[4, 7, 9], 20, "a");
        let alone = mask(SEED, &[7], 12, "a");
        assert_eq!(whole.get(1).narrow(0, 0, 12), alone.get(0));
        let asked = Tensor::from_slice(&[23i64, 3, 41]);
        let runs = [(4, 20), (7, 20), (9, 20)];
        let dropout = TokenKeys::new(SEED, &runs, &[3, 20], &asked).of_layer("a");
        let at_asked = dropout.forward(&Tensor::ones([3, 64], (Kind::Double, Device::Cpu)));
        let flat = whole.flatten(0, 1);
        assert_eq!(at_asked, flat.index_select(0, &asked));
        // One behind the other, of several lengths.
        let asked = Tensor::from_slice(&[0i64]);
        let dropout = TokenKeys::new(SEED, &[(4, 3), (7, 12)], &[1, 15], &asked).of_layer("a");
        let row = dropout.forward(&Tensor::ones([1, 15, 64], (Kind::Double, Device::Cpu)));
        assert_eq!(row.get(0).narrow(0, 3, 12), alone.get(0));
        let dropout = TokenKeys::new(SEED, &runs, &[3, 20], &asked).of_layer("a");
        // Experts have all tokens in one row.
        assert_eq!(dropout.forward(&Tensor::ones_like(&flat)), flat);
    }
}
