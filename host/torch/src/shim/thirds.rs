//! Products of float32 by the processor's matrix unit: `csrc/linear.cpp`, which tells what they are. [`crate::products`] looks
//! before it calls. Panics as an operator of tch would.

use super::{Handle, check, given, given_all};
use iterit_core::Result;
use std::ffi::c_char;
use std::ptr;
use tch::Tensor;

// SAFETY: the signatures are those of `csrc/thirds.cpp` and `csrc/linear.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn iterit_thirds_serve() -> bool;
    fn iterit_thirds_size(lines: i64, depth: i64) -> i64;
    fn iterit_thirds_pay(rows: i64, depth: i64, columns: i64) -> bool;
    fn iterit_thirds_laid_out(weight: Handle, to: *mut *mut torch_sys::C_tensor) -> *mut c_char;
    fn iterit_thirds_linears(
        x: Handle,
        laid_out: *const Handle,
        out_features: *const i64,
        biases: *const Handle,
        count: usize,
        y: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
    fn iterit_thirds_multiply(
        a: Handle,
        b: Handle,
        c: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
    fn iterit_thirds_add(c: Handle, a: Handle, b: Handle) -> *mut c_char;
    fn iterit_differentiable_linears(
        x: Handle,
        weights: *const Handle,
        biases: *const Handle,
        count: usize,
        y: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
}

/// Whether the processor has the unit and the system lets this process use it.
pub(crate) fn serve() -> bool {
    // SAFETY: asks the processor, and the system for registers.
    unsafe { iterit_thirds_serve() }
}

/// Bytes that a matrix takes laid out. // [Out, In]
pub(crate) fn bytes([out_features, in_features]: [i64; 2]) -> u64 {
    // SAFETY: looks at nothing but the two sizes.
    2 * unsafe { iterit_thirds_size(out_features, in_features) }.unsigned_abs()
}

/// Whether the product of [M, K] and [K, N] is faster here than in libtorch's library.
pub(crate) fn pay(rows: i64, depth: i64, columns: i64) -> bool {
    // SAFETY: looks at nothing but the sizes.
    unsafe { iterit_thirds_pay(rows, depth, columns) }
}

/// W, laid out for products x Wᵀ. // [Out, In]
pub(crate) fn laid_out(weight: &Tensor) -> Tensor {
    // SAFETY: the handle is alive; the shim writes one new tensor.
    given(|to| unsafe { iterit_thirds_laid_out(weight.as_ptr(), to) })
}

/// A matrix, laid out or not, and perhaps a bias. // [Out, In], [Out]
pub(crate) type Layer<'a> = (&'a Tensor, Option<&'a Tensor>);

/// x Wᵀ + b with every W, which are laid out and have so many features. // [N, In] -> [N, Out] each
pub(crate) fn linears<const COUNT: usize>(
    x: &Tensor,
    layers: [Layer<'_>; COUNT],
    out_features: [i64; COUNT],
) -> [Tensor; COUNT] {
    let (laid_out, biases) = handles(layers);
    // SAFETY: all handles are alive, a bias may be null, and every array holds as many; the shim writes a new tensor a layer.
    given_all(|y| unsafe {
        let (laid_out, out_features) = (laid_out.as_ptr(), out_features.as_ptr());
        iterit_thirds_linears(x.as_ptr(), laid_out, out_features, biases.as_ptr(), COUNT, y)
    })
}

/// A B. // [M, K], [K, N] -> [M, N]
pub(crate) fn multiply(a: &Tensor, b: &Tensor) -> Tensor {
    // SAFETY: as above.
    given(|c| unsafe { iterit_thirds_multiply(a.as_ptr(), b.as_ptr(), c) })
}

/// C += A B, in place. // [M, K], [K, N], [M, N]
pub(crate) fn add(c: &mut Tensor, a: &Tensor, b: &Tensor) -> Result<()> {
    // SAFETY: all handles are alive, and C is nobody else's.
    check(unsafe { iterit_thirds_add(c.as_ptr(), a.as_ptr(), b.as_ptr()) })
}

/// x Wᵀ + b with every W; a step of a graph where one is kept. // [N, In], [Out, In] each, [Out] each -> [N, Out] each
pub(crate) fn differentiable_linears<const COUNT: usize>(
    x: &Tensor,
    layers: [Layer<'_>; COUNT],
) -> [Tensor; COUNT] {
    let (weights, biases) = handles(layers);
    // SAFETY: as above.
    given_all(|y| unsafe {
        iterit_differentiable_linears(x.as_ptr(), weights.as_ptr(), biases.as_ptr(), COUNT, y)
    })
}

fn handles<const COUNT: usize>(layers: [Layer<'_>; COUNT]) -> ([Handle; COUNT], [Handle; COUNT]) {
    let bias = |(_, bias): Layer<'_>| bias.map_or(ptr::null(), |bias| bias.as_ptr());
    (layers.map(|(matrix, _)| matrix.as_ptr()), layers.map(bias))
}
