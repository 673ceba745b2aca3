//! The loops of `csrc/kernels.cpp` and `csrc/gather.cpp` as steps of libtorch's graph, with a way back in closed form. For float32 on a
//! CPU, each tensor in one piece; [`crate::kernels`] and [`crate::gather`] look before they call. Panics as an operator of tch would.

use super::{Handle, given};
use std::ffi::c_char;
use tch::Tensor;

// SAFETY: the signatures are those of `csrc/differentiable.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn iterit_differentiable_rms_norm(
        x: Handle,
        gain: Handle,
        eps: f64,
        y: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
    fn iterit_differentiable_silu_times(
        gate: Handle,
        up: Handle,
        y: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
    fn iterit_differentiable_turn_halves(
        x: Handle,
        cos: Handle,
        sin: Handle,
        y: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
    fn iterit_gather_serves() -> bool;
    fn iterit_differentiable_gather(
        queries: Handle,
        keys: Handle,
        values: Handle,
        scale: f64,
        window: i64,
        out: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
}

/// w · x / √(mean(x²) + ε). // [.., D], [D] -> [.., D]
pub(crate) fn rms_norm(x: &Tensor, gain: &Tensor, eps: f64) -> Tensor {
    // SAFETY: both handles are alive; the shim writes one new tensor.
    given(|y| unsafe { iterit_differentiable_rms_norm(x.as_ptr(), gain.as_ptr(), eps, y) })
}

/// g · σ(g) ⊙ u. // [.., I], [.., I] -> [.., I]
pub(crate) fn silu_times(gate: &Tensor, up: &Tensor) -> Tensor {
    // SAFETY: as above.
    given(|y| unsafe { iterit_differentiable_silu_times(gate.as_ptr(), up.as_ptr(), y) })
}

/// x ⊙ cos + partner(x) ⊙ sin. // [B, T, H, R], [T, 1, R] twice -> [B, T, H, R]
pub(crate) fn turn_halves(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Tensor {
    let (x, cos, sin) = (x.as_ptr(), cos.as_ptr(), sin.as_ptr());
    // SAFETY: as above.
    given(|y| unsafe { iterit_differentiable_turn_halves(x, cos, sin, y) })
}

/// Whether [`gather`] has a form for this processor.
pub(crate) fn gather_serves() -> bool {
    // SAFETY: asks the processor.
    unsafe { iterit_gather_serves() }
}

/// softmax(s Q Kᵀ) V; a step of a graph where one is kept.
/// // [B, T, H, Dh], [B, S, Hk, Dh] twice -> [B, T, H, Dh]
pub(crate) fn gather(
    queries: &Tensor,
    [keys, values]: [&Tensor; 2],
    scale: f64,
    window: i64,
) -> Tensor {
    let (queries, keys, values) = (queries.as_ptr(), keys.as_ptr(), values.as_ptr());
    // SAFETY: as above.
    given(|out| unsafe { iterit_differentiable_gather(queries, keys, values, scale, window, out) })
}
