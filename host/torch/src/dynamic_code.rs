//! Moments in 8 bits, <https://arxiv.org/abs/2110.02861>: blocks of 256 numbers share a scale, the largest size
//! among them, and each is the nearest of 256 numbers times that. These are dense near zero, where most moments lie: a
//! decade for each of seven exponents, each cut twice as finely as the one below it.

use tch::{Device, Kind, Tensor};

/// Numbers that share a scale.
pub(crate) const BLOCK: i64 = 256;

/// How many decades there are.
const DECADES: u32 = 7;

/// Which numbers a code has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// From −1 to 1.
    Both,
    /// From 0 to 1, each decade twice as finely.
    Positive,
}

/// The numbers that codes stand for, on a device.
pub(crate) struct DynamicCode {
    values: Tensor,  // [256]
    middles: Tensor, // [255]
}

impl DynamicCode {
    /// Of numbers with these signs.
    pub(crate) fn new(sign: Sign, device: Device) -> Self {
        let values = values(sign);
        let middles: Vec<f32> = values.windows(2).map(|two| (two[0] + two[1]) / 2.0).collect();
        let on_device = |numbers: &[f32]| Tensor::from_slice(numbers).to_device(device);
        Self { values: on_device(&values), middles: on_device(&middles) }
    }

    /// Codes and scales of whole blocks, the last of which may be shorter. // [N] -> [N] u8, [blocks, 1]
    pub(crate) fn pack(&self, numbers: &Tensor) -> (Tensor, Tensor) {
        let count = numbers.numel() as i64;
        let lacking = (-count).rem_euclid(BLOCK);
        let blocks = match lacking {
            0 => numbers.view([-1, BLOCK]),
            _ => numbers.constant_pad_nd([0, lacking]).view([-1, BLOCK]),
        };
        let scales = blocks.abs().amax(&[1i64][..], true);
        // A block of zeros has no other scale.
        let divisors = scales.masked_fill(&scales.eq(0.0), 1.0);
        let codes = (blocks / divisors).bucketize(&self.middles, true, false);
        (codes.to_kind(Kind::Uint8).view([-1]).narrow(0, 0, count), scales)
    }

    /// What codes stand for. // [N] u8, [blocks, 1] -> [N]
    pub(crate) fn unpack(&self, codes: &Tensor, scales: &Tensor) -> Tensor {
        let numbers = self.values.index_select(0, &codes.to_kind(Kind::Int));
        let count = numbers.numel() as i64;
        let lacking = (-count).rem_euclid(BLOCK);
        match lacking {
            0 => numbers.view([-1, BLOCK]).g_mul_(scales).view([-1]),
            _ => {
                let blocks = numbers.constant_pad_nd([0, lacking]).view([-1, BLOCK]);
                (blocks * scales).view([-1]).narrow(0, 0, count)
            }
        }
    }

    /// The code of zero.
    pub(crate) fn zero(&self) -> i64 {
        let below = self.middles.lt(0.0).to_kind(Kind::Int64).sum(Kind::Int64);
        below.int64_value(&[])
    }
}

/// The 256 numbers, rising: 0, 1, and the middles of equal parts of each decade's upper nine tenths.
fn values(sign: Sign) -> Vec<f32> {
    let mut values = vec![0.0, 1.0];
    for decade in 0..DECADES {
        let scale = 10f64.powi(decade as i32 + 1 - DECADES as i32);
        let parts = match sign {
            Sign::Both => 1 << decade,
            Sign::Positive => 2 << decade,
        };
        for part in 0..parts {
            let middle = scale * (0.1 + 0.9 * (f64::from(part) + 0.5) / f64::from(parts));
            values.push(middle as f32);
            if sign == Sign::Both {
                values.push(-middle as f32);
            }
        }
    }
    values.sort_by(f32::total_cmp);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_256_numbers_of_seven_decades() {
        for (sign, least, zero) in [(Sign::Both, -0.992_968_74, 127), (Sign::Positive, 0.0, 0)] {
            let values = values(sign);
            assert_eq!((values.len(), values[255], values[0]), (256, 1.0, least), "{sign:?}");
            assert!(values.is_sorted_by(|a, b| a < b));
            let code = DynamicCode::new(sign, Device::Cpu);
            assert_eq!((code.zero(), values[zero]), (zero as i64, 0.0), "{sign:?}");
        }
    }

    #[test]
    fn every_number_goes_to_its_nearest() {
        let numbers =
            (Tensor::arange(700, (Kind::Float, Device::Cpu)) * 0.37).sin().pow_tensor_scalar(5);
        for sign in [Sign::Both, Sign::Positive] {
            let numbers =
                if sign == Sign::Positive { numbers.square() } else { numbers.shallow_clone() };
            let code = DynamicCode::new(sign, Device::Cpu);
            let (codes, scales) = code.pack(&numbers);
            assert_eq!((codes.size(), scales.size()), (vec![700], vec![3, 1]));
            let back = Vec::<f32>::try_from(code.unpack(&codes, &scales)).unwrap();
            let scales = Vec::<f32>::try_from(scales.view([-1])).unwrap();
            let values = values(sign);
            for (index, x) in Vec::<f32>::try_from(&numbers).unwrap().into_iter().enumerate() {
                let scale = scales[index / BLOCK as usize];
                let off = |value: &f32| (value * scale - x).abs();
                let nearest = values.iter().map(off).min_by(f32::total_cmp).unwrap();
                assert!(off(&(back[index] / scale)) <= nearest + 1e-6 * scale, "{index}");
            }
        }
        let code = DynamicCode::new(Sign::Both, Device::Cpu);
        let (codes, scales) = code.pack(&Tensor::zeros([300], (Kind::Float, Device::Cpu)));
        assert_eq!(code.unpack(&codes, &scales).abs().max().double_value(&[]), 0.0);
    }
}
