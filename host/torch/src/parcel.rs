//! What a batch needs on its device, sent there in one copy that the host does not wait for.
//!
//! A copy costs a GPU the same whether it brings ten numbers or ten thousand, and one that is waited for
//! ends only when the GPU has done everything it was asked before.

use tch::kind::Element;
use tch::{Device, Kind, Tensor};

/// Lists of whole numbers, and one of floats, on a device. // N of [n_i], [m]
pub(crate) fn send<const N: usize>(
    lists: [&[i64]; N],
    floats: &[f32],
    device: Device,
) -> ([Tensor; N], Tensor) {
    // Two floats lie in one number, the first below the second, as in memory.
    let bits = |pair: &[f32]| {
        let [low, high] = [0, 1].map(|i| u64::from(pair.get(i).map_or(0, |it| it.to_bits())));
        (high << 32 | low).cast_signed()
    };
    let mut numbers = lists.concat();
    numbers.extend(floats.chunks(2).map(bits));
    let all = on_device(&numbers, device);
    let mut start = 0;
    let mut next = |length: usize| {
        let part = all.narrow(0, start, length as i64);
        start += length as i64;
        part
    };
    let lists = lists.map(|list| next(list.len()));
    let pairs = next(floats.len().div_ceil(2));
    (lists, pairs.view_dtype(Kind::Float).narrow(0, 0, floats.len() as i64))
}

/// Numbers on a device. // [n]
pub(crate) fn on_device<T: Element>(numbers: &[T], device: Device) -> Tensor {
    // Ordinary memory is staged before the call returns, so that it may be freed.
    let non_blocking = device.is_cuda();
    Tensor::from_slice(numbers).to_device_(device, T::KIND, non_blocking, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_arrives_as_it_was() {
        let (a, b) = ([1i64, -2, i64::MAX], [7i64]);
        for floats in [&[][..], &[1.5f32], &[0.1, -0.0, f32::NAN, f32::MIN_POSITIVE, 3e38]] {
            let ([x, nothing, y], z) = send([&a, &[], &b], floats, Device::Cpu);
            assert_eq!(Vec::<i64>::try_from(x).unwrap(), a);
            assert_eq!(nothing.size(), [0]);
            assert_eq!(Vec::<i64>::try_from(y).unwrap(), b);
            let z = Vec::<f32>::try_from(z.contiguous()).unwrap();
            let bits = |floats: &[f32]| floats.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&z), bits(floats));
        }
    }
}
