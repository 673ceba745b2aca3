//! Attention over sequences of several lengths that lie one behind the other, by a kernel that only CUDA has. Panics as
//! an operator of tch would.

use super::{Handle, given};
use std::ffi::c_char;
use tch::Tensor;

// SAFETY: the signature is that of `csrc/attention.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn iterit_flash_attention(
        queries: Handle,
        keys: Handle,
        values: Handle,
        query_starts: Handle,
        key_starts: Handle,
        most_queries: i64,
        most_keys: i64,
        scale: f64,
        before: i64,
        gathered: *mut *mut torch_sys::C_tensor,
    ) -> *mut c_char;
}

/// Where sequences begin, and where the last of them ends.
pub(crate) struct Starts<'a> {
    /// Counted in tokens. // [S + 1], i32
    pub(crate) at: &'a Tensor,
    /// How many the longest has.
    pub(crate) longest: i64,
}

/// softmax(s Q Kᵀ) V, each sequence's queries over its own keys up to themselves, the last query standing at the last
/// key, and over at most `window` keys where there is one. // [N, H, Dh], [M, Hk, Dh] twice -> [N, H, Dh]
pub(crate) fn flash_attention(
    queries: &Tensor,
    [keys, values]: [&Tensor; 2],
    of_queries: &Starts<'_>,
    of_keys: &Starts<'_>,
    scale: f64,
    window: Option<i64>,
) -> Tensor {
    let before = window.map_or(-1, |window| window - 1);
    let [queries, keys, values] = [queries, keys, values].map(Tensor::as_ptr);
    let [query_starts, key_starts] = [of_queries, of_keys].map(|it| it.at.as_ptr());
    let (most_queries, most_keys) = (of_queries.longest, of_keys.longest);
    // SAFETY: all handles are alive; the shim writes one new tensor.
    given(|gathered| unsafe {
        iterit_flash_attention(
            queries,
            keys,
            values,
            query_starts,
            key_starts,
            most_queries,
            most_keys,
            scale,
            before,
            gathered,
        )
    })
}
