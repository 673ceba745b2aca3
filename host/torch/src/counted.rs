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

/// 32 bits for each place of rows with these keys, of which the upper half is random, in as few operators as there can
/// be. // [R, 1], [W] -> [R, W], i32
pub(crate) fn paired(keys: &Tensor, places: &Tensor) -> Tensor {
    keys.bitwise_xor_tensor(places).g_mul_scalar_(i64::from(PAIRING as i32))
}

/// A multiplier with a good lattice modulo 2³² (L'Ecuyer 1999, <https://doi.org/10.1090/S0025-5718-99-00996-5>).
const PAIRING: u32 = 2_891_336_453;

/// The keys of the rows from `first` on, made on the device. // [R, 1], i32
pub(crate) fn row_keys(key: u64, first: i64, rows: i64, device: Device) -> Tensor {
    let rows = Tensor::arange_start(first, first + rows, (Kind::Int, device)).unsqueeze(1);
    mixed(rows.bitwise_xor(i64::from(hash(key) as i32)))
}

/// A bijection of 32 bits under which near numbers become far apart: xor with itself shifted, times an odd
/// number, twice (<https://github.com/skeeto/hash-prospector>).
pub(crate) fn mixed(mut x: Tensor) -> Tensor {
    for (shift, factor) in [(16, 0x21f0_aaad_u32), (15, 0xd35a_2d97)] {
        x = xor_shifted(x, shift).g_mul_scalar_(i64::from(factor as i32));
    }
    xor_shifted(x, 15)
}

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
    fn rows_have_the_same_bits_in_whatever_pieces() {
        let of = |first, rows| bits(&row_keys(7, first, rows, Device::Cpu), 50);
        assert_eq!(of(0, 9).narrow(0, 3, 4), of(3, 4));
        assert_ne!(of(0, 1), of(1, 1));
    }
}
