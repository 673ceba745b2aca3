//! Stochastic rounding to bfloat16, <https://arxiv.org/abs/2010.06192>: a number goes to one of its two neighbours,
//! the more likely the nearer it is, so that what is rounded is right in the mean. Updates smaller than half the
//! distance of two numbers, which rounding to the nearest loses for ever, are kept as chances.

use crate::counted;
use tch::{Kind, Tensor};

/// What bfloat16 has fewer than float32.
const LOST_BITS: i64 = 16;

/// What random bits are multiplied by so that the upper half of each product is a draw of its own, for weights, means and
/// squares: odd and large, of MurmurHash3 and the golden ratio.
const FACTORS: [u32; 3] = [0x9e37_79b1, 0xc2b2_ae35, 0x85eb_ca6b];

/// Random bits to round up to three numbers of each place by. // [n], i32
pub(crate) struct Chances(Tensor);

impl Chances {
    /// Of the places of rows with these keys, one row behind the other. // [R, 1], [W] -> [R · W]
    pub(crate) fn new(keys: &Tensor, places: &Tensor) -> Self {
        Self(counted::mixed_once(keys, places).view([-1]))
    }

    /// Those of the first `count` places.
    pub(crate) fn narrow(self, count: i64) -> Self {
        Self(self.0.narrow(0, 0, count))
    }

    /// 16 bits a place for one of the three numbers. // [n], i32
    fn of(&self, number: Number) -> Tensor {
        let factor = FACTORS[number as usize] as i32;
        let mut bits = &self.0 * i64::from(factor);
        let mut bits = bits.bitwise_right_shift_tensor_scalar_(LOST_BITS);
        bits.bitwise_and_((1 << LOST_BITS) - 1)
    }
}

/// What is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Weight,
    Mean,
    Square,
}

/// Rounds float32 to bfloat16 by chance. // [n] -> [n]
pub(crate) fn stochastic(x: &Tensor, chances: &Chances, number: Number) -> Tensor {
    let mut carried = chances.of(number);
    let carried = carried.g_add_(&x.view_dtype(Kind::Int));
    // The upper half of each, as it lies in memory.
    carried.view_dtype(Kind::Int16).view([-1, 2]).select(1, 1).view_dtype(Kind::BFloat16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counted;
    use tch::Device;

    const PLACES: i64 = 1 << 16;

    fn chances(key: u64) -> Chances {
        let keys = Tensor::from_slice(&[counted::hash(key) as i32]).unsqueeze(1);
        Chances::new(&keys, &counted::places(PLACES, Device::Cpu))
    }

    const NUMBERS: [Number; 3] = [Number::Weight, Number::Mean, Number::Square];

    #[test]
    fn numbers_go_to_their_neighbours_and_are_right_in_the_mean() {
        for x in [1.001f32, -1.003, 0.1, -3.3, 1e-30, 6.55e4] {
            let many = Tensor::full([PLACES], f64::from(x), (Kind::Float, Device::Cpu));
            for number in NUMBERS {
                let rounded = stochastic(&many, &chances(3), number).to_kind(Kind::Float);
                let down = f32::from_bits(x.to_bits() & 0xffff_0000);
                let up = f32::from_bits((x.to_bits() & 0xffff_0000) + 0x1_0000);
                let found = Vec::<f32>::try_from(&rounded).unwrap();
                assert!(found.iter().all(|it| [down, up].contains(it)), "{x}");
                let gap = f64::from(up - down).abs();
                let mean = rounded.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
                // Five standard deviations of so many draws, at their largest.
                let tolerance = 5.0 * 0.5 * gap / (PLACES as f64).sqrt();
                assert!((mean - f64::from(x)).abs() < tolerance, "{x}: {mean}");
            }
        }
    }

    #[test]
    fn what_bfloat16_has_stays() {
        let exact = Tensor::from_slice(&[0.0f32, -0.0, 1.0, -2.5, 1e30, f32::INFINITY]);
        let exact = exact.to_kind(Kind::BFloat16).to_kind(Kind::Float);
        for key in 0..20 {
            let chances = chances(key).narrow(exact.numel() as i64);
            for number in NUMBERS {
                assert_eq!(stochastic(&exact, &chances, number).to_kind(Kind::Float), exact);
            }
        }
    }

    /// Neighbours, steps, rows and the three numbers of a place are drawn apart; correlations by pairs of whole draws, of
    /// one bit at both ends and in the middle.
    #[test]
    fn draws_do_not_go_together() {
        let draw = |key, number, bit: i64| {
            let one = chances(key).of(number).bitwise_right_shift_tensor_scalar(bit);
            one.bitwise_and(1).to_kind(Kind::Double) * 2.0 - 1.0
        };
        let together = |a: &Tensor, b: &Tensor| (a * b).mean(Kind::Double).double_value(&[]);
        // Five standard deviations of so many.
        let bound = 5.0 / (PLACES as f64).sqrt();
        for bit in [0, 7, 15] {
            for number in NUMBERS {
                let one = draw(3, number, bit);
                let others = NUMBERS.into_iter().filter(|it| *it != number);
                let others = others.map(|other| draw(3, other, bit));
                let shifted = [1i64, 2, 64, 1024].map(|by| one.roll([by], [0]));
                for other in others.chain(shifted).chain([draw(4, number, bit)]) {
                    let found = together(&one, &other);
                    assert!(found.abs() < bound, "{number:?}, bit {bit}: {found}");
                }
                assert!(one.mean(Kind::Double).double_value(&[]).abs() < bound);
            }
        }
    }
}
