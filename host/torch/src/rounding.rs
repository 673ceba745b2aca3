//! Stochastic rounding to bfloat16, <https://arxiv.org/abs/2010.06192>: a number goes to one of its two neighbours,
//! the more likely the nearer it is, so that what is rounded is right in the mean. Updates smaller than half the
//! distance of two numbers, which rounding to the nearest loses for ever, are kept as chances.

use tch::{Kind, Tensor};

/// What bfloat16 has fewer than float32.
const LOST_BITS: i64 = 16;

/// Rounds float32 by as many random bits, of which the lower half is read. In float32, so that it is copied
/// exactly. // [..], [..] i32 -> [..]
pub(crate) fn stochastic(x: &Tensor, bits: &Tensor) -> Tensor {
    let carried = x.view_dtype(Kind::Int) + bits.bitwise_and((1 << LOST_BITS) - 1);
    carried.bitwise_and(-(1i64 << LOST_BITS)).view_dtype(Kind::Float)
}

/// The upper half of random bits, to be read as the lower. // [..], i32
pub(crate) fn upper_half(bits: &Tensor) -> Tensor {
    bits.bitwise_right_shift_tensor_scalar(LOST_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counted;
    use tch::Device;

    const PLACES: i64 = 1 << 16;

    fn bits(key: u64) -> Tensor {
        counted::bits(&counted::row_keys(key, 0, 1, Device::Cpu), PLACES).view([-1])
    }

    #[test]
    fn numbers_go_to_their_neighbours_and_are_right_in_the_mean() {
        for x in [1.001f32, -1.003, 0.1, -3.3, 1e-30, 6.55e4] {
            let many = Tensor::full([PLACES], f64::from(x), (Kind::Float, Device::Cpu));
            for bits in [bits(3), upper_half(&bits(3))] {
                let rounded = stochastic(&many, &bits);
                assert_eq!(rounded.to_kind(Kind::BFloat16).to_kind(Kind::Float), rounded);
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
            assert_eq!(stochastic(&exact, &bits(key).narrow(0, 0, exact.numel() as i64)), exact);
        }
    }
}
