//! A matrix in the form that its products want it in, beside the one that it is kept in. Whoever multiplies many
//! times with a matrix that stays as it is lays it out once; libtorch would do it for every product.
//! For float32 on a CPU, by `csrc/product.cpp`; knows not what the matrix is for.
#![allow(unsafe_code)]

use tch::{Device, Kind, Tensor};

// SAFETY: the signatures are those of `csrc/product.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn iterit_laid_out_size(out_features: i64, in_features: i64) -> usize;
    fn iterit_lay_out(weight: *const f32, out_features: i64, in_features: i64, laid_out: *mut f32);
    fn iterit_product(
        x: *const f32,
        laid_out: *const f32,
        rows: i64,
        out_features: i64,
        in_features: i64,
        beta: f32,
        y: *mut f32,
    );
}

/// Matrices that take more than this together stay as they are: they would need as much memory again.
const MOST_BYTES: u64 = 1 << 30;

/// Bytes beside matrices of these sizes, [Out, In] each; 0 where they are not laid out.
pub(crate) fn bytes(sizes: &[[i64; 2]], kind: Kind, device: Device) -> u64 {
    let is_wanted = device == Device::Cpu && kind == Kind::Float;
    let has_form = |&size: &[i64; 2]| room_for(size) > 0;
    let all = sizes.iter().map(|size| 4 * size.iter().product::<i64>().unsigned_abs()).sum();
    if is_wanted && all <= MOST_BYTES && sizes.iter().all(has_form) { all } else { 0 }
}

/// Bytes to ask for. MKL wishes for some megabytes more than the matrix takes, and never touches them.
fn room_for([out_features, in_features]: [i64; 2]) -> u64 {
    // SAFETY: looks at nothing but the two sizes.
    unsafe { iterit_laid_out_size(out_features, in_features) as u64 }
}

/// Wᵀ, laid out for products x Wᵀ.
pub(crate) struct LaidOut {
    numbers: Tensor,
    size: [i64; 2], // [Out, In]
}

impl LaidOut {
    /// Of W; nothing where libtorch's library has no other form for it. // [Out, In]
    pub(crate) fn new(weight: &Tensor) -> Option<Self> {
        let weight = weight.contiguous();
        let size = <[i64; 2]>::try_from(weight.size()).expect("a matrix");
        let on_cpu = (Kind::Float, Device::Cpu);
        assert_eq!((weight.kind(), weight.device()), on_cpu, "whose bytes were counted");
        let bytes = room_for(size);
        if bytes == 0 {
            return None;
        }
        let numbers = Tensor::empty([bytes.div_ceil(4) as i64], on_cpu);
        // SAFETY: the weight holds Out · In floats in one piece, and the new tensor what was asked for.
        unsafe {
            iterit_lay_out(weight.data_ptr().cast(), size[0], size[1], numbers.data_ptr().cast());
        }
        Some(Self { numbers, size })
    }

    /// x Wᵀ + b. // [.., In] -> [.., Out]
    pub(crate) fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let [out_features, in_features] = self.size;
        let x = x.contiguous();
        let mut shape = x.size();
        assert_eq!((x.kind(), shape.pop()), (Kind::Float, Some(in_features)));
        let rows: i64 = shape.iter().product();
        shape.push(out_features);
        let (y, beta) = match bias {
            Some(bias) => (bias.expand(&shape, false).contiguous(), 1.0),
            None => (Tensor::empty(&shape, (Kind::Float, Device::Cpu)), 0.0),
        };
        let [x, numbers, y_start] =
            [&x, &self.numbers, &y].map(|tensor| tensor.data_ptr().cast::<f32>());
        // SAFETY: x holds rows · In floats, y rows · Out, both in one piece, and y is nobody else's.
        unsafe { iterit_product(x, numbers, rows, out_features, in_features, beta, y_start) };
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;

    #[test]
    fn products_are_those_of_the_matrix() {
        let float = |x: &Tensor| x.to_kind(Kind::Float);
        for (out_features, in_features, rows) in
            [(1, 1, 1), (5, 7, 3), (48, 256, 130), (640, 256, 1), (33, 1000, 600)]
        {
            let weight = numbers(&[out_features, in_features], 0.1);
            let (x, bias) = (numbers(&[2, rows, in_features], 0.2), numbers(&[out_features], 0.3));
            for (stored, bias) in [
                (weight.shallow_clone(), None),
                (weight.shallow_clone(), Some(&bias)),
                (weight.tr().contiguous().tr(), None),
            ] {
                let Some(laid_out) = LaidOut::new(&float(&stored)) else {
                    return eprintln!("skipped: this libtorch has no packed products");
                };
                let got = laid_out.linear(&float(&x), bias.map(float).as_ref());
                let expected = x.linear(&weight, bias);
                assert_eq!(got.size(), expected.size());
                let far = (got.to_kind(Kind::Double) - expected).abs().max().double_value(&[]);
                assert!(far < 3e-7 * (in_features as f64).max(4.0), "{far} {rows}");
            }
        }
    }

    #[test]
    fn what_is_too_much_stays_as_it_is() {
        let size = [4096, 4096];
        let of = |count: usize| bytes(&vec![size; count], Kind::Float, Device::Cpu);
        assert!(of(8) == 8 * of(1) && of(17) == 0);
        assert_eq!(bytes(&[size], Kind::BFloat16, Device::Cpu), 0);
        assert_eq!(bytes(&[size], Kind::Float, Device::Cuda(0)), 0);
    }
}
