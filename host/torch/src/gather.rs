//! What tokens gather from those they see, by our own loops in `csrc/gather.cpp`, and the way back through it: for
//! float32 on a CPU with AVX2 or AVX512, where one thread does it all. Elsewhere it answers nothing, and libtorch is asked.

use crate::shim::differentiable;
use tch::{Device, Kind, Tensor};

/// softmax(s Q Kᵀ) V, where the last of S keys is the last of T queries' own, and a query sees its own key and those
/// before it, at most a window's length.
/// // [B, T, H, Dh], [B, S, Hk, Dh] twice -> [B, T, H, Dh]
pub(crate) fn gather(
    queries: &Tensor,
    [keys, values]: [&Tensor; 2],
    scale: f64,
    window: Option<i64>,
) -> Option<Tensor> {
    let ([batch, length, heads, dim], [_, seen, key_heads, _]) = (size_of(queries), size_of(keys));
    let fits = keys.size() == [batch, seen, key_heads, dim] && keys.size() == values.size();
    // More threads would find nothing to share.
    let serves = fits && tch::get_num_threads() == 1 && differentiable::gather_serves();
    if !serves || ![queries, keys, values].into_iter().all(is_plain) {
        return None;
    }
    assert!(seen >= length && heads % key_heads == 0, "{seen} {length} {heads} {key_heads}");
    let window = window.unwrap_or(seen).min(seen);
    Some(differentiable::gather(queries, [keys, values], scale, window))
}

/// Whether the loops may read it: heads and features in one piece. // [.., .., H, Dh]
fn is_plain(x: &Tensor) -> bool {
    let [_, _, heads, dim] = size_of(x);
    let stride = x.stride();
    let is_whole = (heads == 1 || stride[2] == dim) && (dim == 1 || stride[3] == 1);
    is_whole && x.device() == Device::Cpu && x.kind() == Kind::Float
}

fn size_of(x: &Tensor) -> [i64; 4] {
    x.size().try_into().expect("queries, keys and values have four dimensions")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;
    use crate::{shim, side_by_side};

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

    /// As they come out of one matrix, keys and values side by side.
    fn leaves(qkv: &[Tensor; 3]) -> [Tensor; 2] {
        let [q, k, v] = qkv.each_ref().map(|x| x.to_kind(Kind::Float));
        [q, Tensor::cat(&[k, v], 2)].map(|x| x.detach().set_requires_grad(true))
    }

    fn far(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn agrees_with_the_definition_both_ways_whatever_the_sizes() {
        if !differentiable::gather_serves() {
            return eprintln!("skipped: this processor has neither AVX2 nor AVX512");
        }
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
            ]
            .map(|x| x.set_requires_grad(true));
            let [q, beside] = leaves(&qkv);
            let [k, v] = [0, key_heads].map(|start| beside.narrow(2, start, key_heads));
            let got = gather(&q, [&k, &v], scale, window).expect("loops that serve");
            let expected = by_definition(&qkv, scale, window);
            let case = format!("{length} {prefix} {dim} {window:?}");
            assert!(far(&got, &expected) < 3e-6, "{case}");

            let gradient = numbers(&[batch, length, heads, dim], 0.4);
            shim::backward(&[&got], &[&gradient.to_kind(Kind::Float)]).unwrap();
            shim::backward(&[&expected], &[&gradient]).unwrap();
            let [of_q, of_k, of_v] = qkv.each_ref().map(Tensor::grad);
            let off =
                far(&q.grad(), &of_q).max(far(&beside.grad(), &Tensor::cat(&[of_k, of_v], 2)));
            assert!(off < 1e-5, "{off} {case}");
            let without = tch::no_grad(|| gather(&q, [&k, &v], scale, window));
            assert_eq!(without.expect("loops that serve"), got);
        }
    }

    #[test]
    fn answers_nothing_where_it_does_not_serve() {
        side_by_side::keep_to_this_thread();
        let x = numbers(&[1, 4, 2, 8], 0.1);
        let float = x.to_kind(Kind::Float);
        let of = |x: &Tensor| gather(x, [x, x], 1.0, None).is_some();
        assert_eq!(of(&float), differentiable::gather_serves());
        assert!(!of(&x) && !of(&float.transpose(1, 2)));
        assert!(!side_by_side::spread_over(2, || of(&float)));
    }
}
