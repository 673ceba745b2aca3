//! A matrix in the form that its products want it in, beside the one that it is kept in. Whoever multiplies many
//! times with a matrix that stays as it is lays it out once; libtorch would do it for every product.
//! For float32 on a CPU, by the processor's matrix unit or by `csrc/product.cpp`; knows not what the matrix is for.
#![allow(unsafe_code)]

use crate::products;
use crate::shim::thirds;
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

/// Matrices of more numbers than this together stay as they are: they would need as much memory again.
const MOST_NUMBERS: u64 = 1 << 28;

/// Bytes beside matrices of these sizes, [Out, In] each; 0 where they are not laid out.
pub(crate) fn bytes(sizes: &[[i64; 2]], kind: Kind, device: Device) -> u64 {
    let is_wanted = device == Device::Cpu && kind == Kind::Float;
    match Form::here() {
        Some(form) if is_wanted && sizes.iter().map(numbers_of).sum::<u64>() <= MOST_NUMBERS => {
            sizes.iter().map(|&size| form.bytes(size)).sum()
        }
        _ => 0,
    }
}

fn numbers_of(size: &[i64; 2]) -> u64 {
    size.iter().product::<i64>().unsigned_abs()
}

/// Who multiplies with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The processor's matrix unit.
    Unit,
    /// libtorch's library.
    Library,
}

impl Form {
    /// That of this machine, if any.
    fn here() -> Option<Self> {
        let form = if products::have_a_unit() { Self::Unit } else { Self::Library };
        (form.room_for([1, 1]) > 0).then_some(form)
    }

    /// Bytes of a matrix.
    fn bytes(self, size: [i64; 2]) -> u64 {
        match self {
            Self::Unit => thirds::bytes(size),
            // MKL wishes for some megabytes more than the matrix takes, and never touches them.
            Self::Library => 4 * numbers_of(&size),
        }
    }

    /// Bytes to ask for.
    fn room_for(self, [out_features, in_features]: [i64; 2]) -> u64 {
        match self {
            Self::Unit => thirds::bytes([out_features, in_features]),
            // SAFETY: looks at nothing but the two sizes.
            Self::Library => unsafe { iterit_laid_out_size(out_features, in_features) as u64 },
        }
    }
}

/// Wᵀ, laid out for products x Wᵀ.
pub(crate) struct LaidOut {
    numbers: Tensor,
    size: [i64; 2], // [Out, In]
    form: Form,
}

impl LaidOut {
    /// Of W; nothing where there is no other form for it. // [Out, In]
    pub(crate) fn new(weight: &Tensor) -> Option<Self> {
        Form::here().map(|form| Self::of(weight, form))
    }

    fn of(weight: &Tensor, form: Form) -> Self {
        let size = <[i64; 2]>::try_from(weight.size()).expect("a matrix");
        let on_cpu = (Kind::Float, Device::Cpu);
        assert_eq!((weight.kind(), weight.device()), on_cpu, "whose bytes were counted");
        let numbers = match form {
            Form::Unit => thirds::laid_out(weight),
            Form::Library => {
                let weight = weight.contiguous();
                let numbers = Tensor::empty([form.room_for(size).div_ceil(4) as i64], on_cpu);
                let [from, to] = [&weight, &numbers].map(|tensor| tensor.data_ptr().cast::<f32>());
                // SAFETY: the weight holds Out · In floats in one piece, and the new tensor what was asked for.
                unsafe { iterit_lay_out(from, size[0], size[1], to) };
                numbers
            }
        };
        Self { numbers, size, form }
    }

    /// x Wᵀ + b. // [.., In] -> [.., Out]
    pub(crate) fn linear(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let [y] = Self::linears(x, [(self, bias)]);
        y
    }

    /// Of several that read the same. // [.., In] -> [.., Out] each
    pub(crate) fn linears<const COUNT: usize>(
        x: &Tensor,
        layers: [(&Self, Option<&Tensor>); COUNT],
    ) -> [Tensor; COUNT] {
        let shape = x.size();
        let (&in_features, outer) = shape.split_last().expect("features");
        let is_read = |(layer, _): &(&Self, _)| layer.size[1] == in_features;
        assert!(x.kind() == Kind::Float && layers.iter().all(is_read), "{shape:?}");
        let rows: i64 = outer.iter().product();
        let x = x.reshape([rows, in_features]);
        let out_features = layers.map(|(layer, _)| layer.size[0]);
        let all = match layers.iter().all(|(layer, _)| layer.form == Form::Unit) {
            true => {
                let factors = layers.map(|(layer, bias)| (&layer.numbers, bias));
                thirds::linears(&x, factors, out_features)
            }
            false => {
                let x = x.contiguous();
                layers.map(|(layer, bias)| layer.by_the_library(&x, bias))
            }
        };
        all.map(|y| {
            let features = y.size()[1];
            y.view([outer, &[features]].concat().as_slice())
        })
    }

    // [N, In] -> [N, Out]
    fn by_the_library(&self, x: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let [out_features, in_features] = self.size;
        let rows = x.size()[0];
        let (y, beta) = match bias {
            Some(bias) => (bias.expand([rows, out_features], false).contiguous(), 1.0),
            None => (Tensor::empty([rows, out_features], (Kind::Float, Device::Cpu)), 0.0),
        };
        let [x, numbers, y_start] =
            [x, &self.numbers, &y].map(|tensor| tensor.data_ptr().cast::<f32>());
        // SAFETY: x holds rows · In floats, y rows · Out, both in one piece, and y is nobody else's.
        unsafe { iterit_product(x, numbers, rows, out_features, in_features, beta, y_start) };
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;

    /// All that this machine and its libtorch have.
    fn forms() -> Vec<Form> {
        let mut forms = Vec::from_iter(products::have_a_unit().then_some(Form::Unit));
        forms.extend(Some(Form::Library).filter(|form| form.room_for([1, 1]) > 0));
        if forms.len() < 2 {
            eprintln!("skipped: of two forms of a matrix this machine has {forms:?}");
        }
        forms
    }

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
                let expected = x.linear(&weight, bias);
                for form in forms() {
                    let laid_out = LaidOut::of(&float(&stored), form);
                    let got = laid_out.linear(&float(&x), bias.map(float).as_ref());
                    assert_eq!(got.size(), expected.size());
                    let far = (got.to_kind(Kind::Double) - &expected).abs().max().double_value(&[]);
                    assert!(far < 3e-7 * (in_features as f64).max(4.0), "{far} {rows} {form:?}");
                }
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
