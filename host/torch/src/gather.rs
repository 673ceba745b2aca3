//! What tokens gather from those they see, by our own loops in `csrc/gather.cpp`: for float32 on a CPU, where no graph
//! is kept and one thread does it all. Elsewhere it answers nothing, and libtorch is asked.
#![allow(unsafe_code)]

use crate::shim;
use tch::{Device, Kind, Tensor};

// SAFETY: the signatures are those of `csrc/gather.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn iterit_gather_scratch(seen: i64, features: i64) -> i64;
    fn iterit_gather(
        queries: *const f32,
        query_strides: *const i64,
        keys: *const f32,
        key_strides: *const i64,
        values: *const f32,
        value_strides: *const i64,
        gathered: *mut f32,
        sizes: *const i64,
        scale: f32,
        scratch: *mut f32,
    );
}

/// softmax(s Q Kᵀ) V, where the last of S keys is the last of T queries' own, and a query sees its own key and those
/// before it, at most a window's length.
/// // [B, T, H, Dh], [B, S, Hk, Dh] twice -> [B, T, H, Dh]
pub(crate) fn gather(
    queries: &Tensor,
    [keys, values]: [&Tensor; 2],
    scale: f64,
    window: Option<i64>,
) -> Option<Tensor> {
    let strides = [queries, keys, values].map(strides);
    let [Some(query_strides), Some(key_strides), Some(value_strides)] = strides else {
        return None;
    };
    let ([batch, length, heads, dim], [_, seen, key_heads, _]) = (size_of(queries), size_of(keys));
    let is_plain = keys.size() == [batch, seen, key_heads, dim] && keys.size() == values.size();
    // More threads would find nothing to share.
    if !is_plain || shim::keeps_graph() || tch::get_num_threads() != 1 {
        return None;
    }
    assert!(seen >= length && heads % key_heads == 0, "{seen} {length} {heads} {key_heads}");
    let sizes = [batch, length, seen, heads, key_heads, dim, window.unwrap_or(seen).min(seen)];
    let on_cpu = (Kind::Float, Device::Cpu);
    let gathered = Tensor::empty([batch, length, heads, dim], on_cpu);
    // SAFETY: looks at nothing but the two numbers.
    let scratch = Tensor::empty([unsafe { iterit_gather_scratch(seen, dim) }], on_cpu);
    let [q, k, v] = [queries, keys, values].map(|x| x.data_ptr().cast::<f32>().cast_const());
    // SAFETY: the tensors hold floats of these sizes and strides, heads and features in one piece; what is written to
    // is new, and as large as was asked for.
    unsafe {
        iterit_gather(
            q,
            query_strides.as_ptr(),
            k,
            key_strides.as_ptr(),
            v,
            value_strides.as_ptr(),
            gathered.data_ptr().cast(),
            sizes.as_ptr(),
            scale as f32,
            scratch.data_ptr().cast(),
        );
    }
    Some(gathered)
}

/// From one sequence to the next, and from one token to the next, where the loops may read it. // [.., .., H, Dh]
fn strides(x: &Tensor) -> Option<[i64; 2]> {
    let [_, _, heads, dim] = size_of(x);
    let stride = x.stride();
    let is_whole = (heads == 1 || stride[2] == dim) && (dim == 1 || stride[3] == 1);
    let serves = is_whole && x.device() == Device::Cpu && x.kind() == Kind::Float;
    serves.then_some([stride[0], stride[1]])
}

fn size_of(x: &Tensor) -> [i64; 4] {
    x.size().try_into().expect("queries, keys and values have four dimensions")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side_by_side;

    /// Numbers that look random and are the same everywhere.
    fn numbers(shape: &[i64], seed: f64) -> Tensor {
        let count: i64 = shape.iter().product();
        let wave = (Tensor::arange(count, (Kind::Double, Device::Cpu)) * 12.9898 + seed).sin();
        (wave * 43758.5453).frac().view(shape)
    }

    /// softmax(s Q Kᵀ + mask) V, in f64, all scores at once.
    fn by_definition(qkv: &[Tensor; 3], scale: f64, window: Option<i64>) -> Tensor {
        let [q, k, v] = qkv.each_ref().map(|x| x.transpose(1, 2));
        let group = q.size()[1] / k.size()[1];
        let [k, v] = [k, v].map(|x| x.repeat_interleave_self_int(group, 1, None));
        let (length, seen) = (q.size()[2], k.size()[2]);
        let ones = Tensor::ones([length, seen], (Kind::Bool, Device::Cpu));
        let mut hidden = ones.triu(seen - length + 1);
        if let Some(window) = window {
            hidden = hidden.logical_or(&ones.tril(seen - length - window));
        }
        let scores = q.matmul(&k.transpose(2, 3)) * scale;
        let shares = scores.masked_fill(&hidden, f64::NEG_INFINITY).softmax(3, Kind::Double);
        shares.matmul(&v).transpose(1, 2)
    }

    #[test]
    fn agrees_with_the_definition_whatever_the_sizes() {
        let _no_grad = tch::no_grad_guard();
        side_by_side::keep_to_this_thread();
        for (batch, length, prefix, [heads, key_heads], dim, window) in [
            (1, 1, 0, [1, 1], 1, None),
            (2, 33, 0, [4, 2], 32, None),
            (3, 14, 5, [2, 1], 64, None),
            (1, 100, 31, [8, 4], 40, Some(7)),
            (2, 45, 0, [3, 3], 80, Some(40)),
            (1, 5, 200, [2, 2], 24, Some(66)),
            (1, 70, 3, [2, 2], 128, Some(1)),
            (1, 300, 0, [2, 1], 16, Some(1000)),
        ] {
            let (seen, scale) = (prefix + length, 1.3 / (dim as f64).sqrt());
            let qkv = [
                numbers(&[batch, length, heads, dim], 0.1) * 2.0,
                numbers(&[batch, seen, key_heads, dim], 0.2) * 2.0,
                numbers(&[batch, seen, key_heads, dim], 0.3),
            ];
            // As they come out of one matrix, side by side; the values of every sequence the same.
            let [q, k, v] = qkv.each_ref().map(|x| x.to_kind(Kind::Float));
            let beside = Tensor::cat(&[&k, &v], 2);
            let k = beside.narrow(2, 0, key_heads);
            let v = beside.narrow(2, key_heads, key_heads);
            let got = gather(&q, [&k, &v], scale, window).expect("loops that serve");
            let far = (got - by_definition(&qkv, scale, window)).abs().max().double_value(&[]);
            assert!(far < 3e-6, "{far} {length} {prefix} {dim} {window:?}");
        }
    }

    #[test]
    fn answers_nothing_where_it_does_not_serve() {
        let _no_grad = tch::no_grad_guard();
        side_by_side::keep_to_this_thread();
        let x = numbers(&[1, 4, 2, 8], 0.1);
        let float = x.to_kind(Kind::Float);
        let of = |x: &Tensor| gather(x, [x, x], 1.0, None).is_some();
        assert!(of(&float) && !of(&x) && !of(&float.transpose(1, 2)));
        assert!(!tch::with_grad(|| of(&float)));
        assert!(!side_by_side::spread_over(2, || of(&float)));
    }
}
