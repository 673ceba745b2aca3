//! A frozen matrix in few bits, for adapters to stand beside. What it stands for is computed where it is
//! multiplied, forward and backward, and kept nowhere.
//!
//! `int8`, <https://arxiv.org/abs/2208.07339>: q = round(127 w / m) with m the largest size in a row, which
//! stands for q · m / 127. `nf4`, <https://arxiv.org/abs/2305.14314>: blocks of 64 numbers along the rows,
//! each number the nearest of 16 quantiles of the normal distribution to w / m, which stands for it times
//! m. Both as bitsandbytes has them, without its second rounding of the scales.

use crate::shim;
use tch::{Kind, Tensor};

/// In how many bits, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Int8,
    Nf4,
}

/// The codes of a matrix, and what they are multiplied by.
pub(crate) struct Packed {
    codes: Tensor,  // [Out, In] i8, or [Out·In / 2] u8, the first of two in the upper half
    scales: Tensor, // [Out, 1], or [blocks, 1]
    /// What each pair of codes stands for, before it is scaled; none where codes are numbers.
    pairs: Option<Tensor>, // [256, 2]
    size: [i64; 2],
}

/// Numbers that share a scale.
const BLOCK: i64 = 64;

/// Quantiles of the normal distribution, from −1 to 1, with 0 among them.
const NF4: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

impl Packed {
    /// Packs a matrix. // [Out, In]
    pub(crate) fn new(weight: &Tensor, packing: Packing) -> Self {
        let _no_grad = tch::no_grad_guard();
        let weight = weight.to_kind(Kind::Float);
        match packing {
            Packing::Int8 => int8(&weight),
            Packing::Nf4 => nf4(&weight),
        }
    }

    /// The matrix it stands for. // [Out, In]
    pub(crate) fn unpacked(&self, kind: Kind) -> Tensor {
        shim::unpacked(&self.codes, &self.scales, self.pairs.as_ref(), self.size, kind)
    }

    /// x Wᵀ + b. // [.., In] -> [.., Out]
    pub(crate) fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let y = shim::packed_linear(x, &self.codes, &self.scales, self.pairs.as_ref(), self.size);
        match bias {
            Some(bias) => y + bias,
            None => y,
        }
    }

    /// The same codes in a second place.
    pub(crate) fn share(&self) -> Self {
        Self {
            codes: self.codes.shallow_clone(),
            scales: self.scales.shallow_clone(),
            pairs: self.pairs.as_ref().map(Tensor::shallow_clone),
            size: self.size,
        }
    }

    /// How many numbers it stands for.
    pub(crate) fn num_elements(&self) -> u64 {
        (self.size[0] * self.size[1]) as u64
    }

    /// How many bytes it takes.
    pub(crate) fn num_bytes(&self) -> u64 {
        (self.codes.numel() + 4 * self.scales.numel()) as u64
    }
}

fn int8(weight: &Tensor) -> Packed {
    let largest = largest_size(weight);
    let codes = (weight * (largest.reciprocal() * 127.0)).round().to_kind(Kind::Int8);
    let [rows, columns] = size_of(weight);
    Packed { codes, scales: largest * (1.0 / 127.0), pairs: None, size: [rows, columns] }
}

fn nf4(weight: &Tensor) -> Packed {
    let size = size_of(weight);
    let lacking = (-size[0] * size[1]).rem_euclid(BLOCK);
    let blocks = weight.flatten(0, 1).constant_pad_nd([0, lacking]).view([-1, BLOCK]);
    let largest = largest_size(&blocks);
    let middles: Vec<f32> = NF4.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0).collect();
    let middles = Tensor::from_slice(&middles).to_device(weight.device());
    let codes = (blocks * largest.reciprocal()).bucketize(&middles, true, false).view([-1, 2]);
    let codes = codes.select(1, 0) * 16 + codes.select(1, 1);
    let pairs: Vec<f32> =
        NF4.iter().flat_map(|one| NF4.iter().flat_map(|two| [*one, *two])).collect();
    let pairs = Tensor::from_slice(&pairs).view([256, 2]).to_device(weight.device());
    Packed { codes: codes.to_kind(Kind::Uint8), scales: largest, pairs: Some(pairs), size }
}

/// Of each row; 1 of a row of zeros, which has no other scale. // [Rows, 1]
fn largest_size(rows: &Tensor) -> Tensor {
    let largest = rows.abs().amax([1], true);
    largest.where_self(&largest.ne(0.0), &largest.ones_like())
}

fn size_of(weight: &Tensor) -> [i64; 2] {
    let (rows, columns) = weight.size2().expect("a matrix");
    [rows, columns]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn matrix(rows: i64, columns: i64, seed: f64) -> Tensor {
        let places = Tensor::arange(rows * columns, (Kind::Float, Device::Cpu));
        ((places * 0.7 + seed).sin() * (seed + 1.0)).view([rows, columns])
    }

    /// Number by number, from the definitions.
    fn by_definition(weight: &[f32], columns: usize, packing: Packing) -> Vec<f32> {
        let largest = |numbers: &[f32]| numbers.iter().fold(0f32, |most, x| most.max(x.abs()));
        let chunk = if packing == Packing::Int8 { columns } else { 64 };
        let stands_for = |chunk: &[f32]| -> Vec<f32> {
            let most = largest(chunk);
            let one = |&x: &f32| match packing {
                _ if most == 0.0 => 0.0,
                Packing::Int8 => (x * (127.0 / most)).round_ties_even() * (most / 127.0),
                Packing::Nf4 => {
                    let distance = |value: &f32| (x / most - value).abs();
                    let nearest = NF4.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
                    nearest.unwrap() * most
                }
            };
            chunk.iter().map(one).collect()
        };
        weight.chunks(chunk).flat_map(stands_for).collect()
    }

    #[test]
    fn codes_stand_for_the_nearest_numbers() {
        // Neither rows nor all of them fill whole blocks; a row of zeros, and a block.
        for (rows, columns) in [(5, 30), (64, 64), (3, 129)] {
            let weight = matrix(rows, columns, 0.3);
            let _ = weight.narrow(0, rows - 2, 2).zero_();
            let numbers = Vec::<f32>::try_from(weight.flatten(0, 1)).unwrap();
            for packing in [Packing::Int8, Packing::Nf4] {
                let packed = Packed::new(&weight, packing);
                let found = packed.unpacked(Kind::Float);
                assert_eq!(found.size(), [rows, columns]);
                let found = Vec::<f32>::try_from(found.flatten(0, 1)).unwrap();
                let expected = by_definition(&numbers, columns as usize, packing);
                let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * b.abs().max(1e-3);
                assert!(found.iter().zip(&expected).all(close), "{packing:?} {rows} × {columns}");
            }
            let bytes = |packing| Packed::new(&weight, packing).num_bytes();
            let count = (rows * columns) as u64;
            assert_eq!(bytes(Packing::Int8), count + 4 * rows as u64);
            assert_eq!(bytes(Packing::Nf4), count.div_ceil(64) * (32 + 4));
        }
    }

    #[test]
    fn products_and_their_gradients_are_those_of_the_unpacked_matrix() {
        for packing in [Packing::Int8, Packing::Nf4] {
            for kind in [Kind::Float, Kind::BFloat16] {
                let packed = Packed::new(&matrix(6, 10, 0.9), packing);
                let bias = matrix(1, 6, 0.1).view([6]).to_kind(kind);
                let leaf =
                    || matrix(8, 10, 0.2).view([2, 4, 10]).to_kind(kind).set_requires_grad(true);
                let (x, reference) = (leaf(), leaf());
                let y = packed.linear(&x, Some(&bias));
                let expected = reference.linear(&packed.unpacked(kind), None::<&Tensor>) + &bias;
                assert_eq!((y.kind(), &y), (kind, &expected));
                let gradient = matrix(8, 6, 0.5).view([2, 4, 6]).to_kind(kind);
                shim::backward(&[&y], &[&gradient]).unwrap();
                shim::backward(&[&expected], &[&gradient]).unwrap();
                let far = (x.grad() - reference.grad()).abs().max().double_value(&[]);
                assert!(far <= 1e-6, "{packing:?} {kind:?} {far}");
            }
        }
    }
}
