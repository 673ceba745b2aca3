//! Random bits that are counted out and not drawn: hashes of where they are used, of a seed, a step, a place.
//! There is no generator whose state would have to be saved, and the same place has the same bits in whatever
//! order, on however many threads and in whatever pieces it is computed.
//!
//! R rows, W places a row.

use tch::{Device, Kind, Tensor};

/// 32 random bits for each place of rows with these keys. // [.., 1], i32 -> [.., W], i32
pub(crate) fn bits(keys: &Tensor, width: i64) -> Tensor {
    mixed(keys.bitwise_xor_tensor(&places(width, keys.device())))
}

/// The places of a row, far apart. // [W], i32
pub(crate) fn places(width: i64, device: Device) -> Tensor {
    mixed(Tensor::arange_start(1, width + 1, (Kind::Int, device)))
}

/// 32 bits for each place of rows with these keys, mixed once: they serve as factors of products whose upper bits are
/// random. // [R, 1], [W] -> [R, W], i32
pub(crate) fn mixed_once(keys: &Tensor, places: &Tensor) -> Tensor {
    let (_, factor) = ROUNDS[0];
    let x = keys.bitwise_xor_tensor(places).g_mul_scalar_(i64::from(factor as i32));
    xor_shifted(x, LAST_SHIFT)
}

/// A bijection of 32 bits under which near numbers become far apart: xor with itself shifted, times an odd
/// number, twice (<https://github.com/skeeto/hash-prospector>).
pub(crate) fn mixed(mut x: Tensor) -> Tensor {
    for (shift, factor) in ROUNDS {
        x = xor_shifted(x, shift).g_mul_scalar_(i64::from(factor as i32));
    }
    xor_shifted(x, LAST_SHIFT)
}

const ROUNDS: [(i64, u32); 2] = [(16, 0x21f0_aaad), (15, 0xd35a_2d97)];
const LAST_SHIFT: i64 = 15;

/// x ⊕ (x ≫ shift), zeros coming in from the left.
fn xor_shifted(mut x: Tensor, shift: i64) -> Tensor {
    let mut shifted = x.bitwise_right_shift_tensor_scalar(shift);
    let shifted = shifted.bitwise_and_((1 << (32 - shift)) - 1);
    x.bitwise_xor_tensor_(&shifted)
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) fn hash(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixing_is_that_of_unsigned_numbers() {
        let formula = |mut x: u32| {
            x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad);
            x = (x ^ (x >> 15)).wrapping_mul(0xd35a_2d97);
            (x ^ (x >> 15)) as i32
        };
        let numbers: Vec<i32> = (0..1000i32).map(|i| i.wrapping_mul(0x1234_5679)).collect();
        let expected: Vec<i32> = numbers.iter().map(|&x| formula(x as u32)).collect();
        assert_eq!(Vec::<i32>::try_from(mixed(Tensor::from_slice(&numbers))).unwrap(), expected);
    }

    #[test]
    fn a_place_has_the_same_bits_however_long_its_row_is() {
        let key = Tensor::from_slice(&[7i32]);
        assert_eq!(bits(&key, 50).narrow(0, 0, 20), bits(&key, 20));
        assert_ne!(bits(&key, 1), bits(&Tensor::from_slice(&[8i32]), 1));
    }
}
