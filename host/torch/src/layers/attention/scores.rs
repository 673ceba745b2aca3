//! From queries, keys and values to what is gathered: by libtorch's fused kernels, or, where scores are
//! bounded or a sink takes part, in plain steps.

use crate::gather;
use crate::layers::view::View;
use tch::{Kind, Tensor};

/// What becomes of the products of queries and keys.
pub(super) struct Scores {
    pub(super) scale: f64,
    pub(super) softcap: Option<f64>,
    pub(super) sinks: Option<Tensor>, // [H]
    pub(super) head_dim: i64,
}

/// What libtorch answers when it would compute attention from plain operators, all scores in memory.
const NO_FUSED_KERNEL: i64 = 0;

/// Scores in memory at once: of eight heads over eight thousand tokens, a thousand queries.
const SCORES_AT_ONCE: i64 = 1 << 26;

impl Scores {
    /// [B, T, H, Dh], [B, P+T, Hk, Dh] -> [B, T, H, Dh]
    pub(super) fn attend(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        view: &View,
    ) -> Tensor {
        if let Some((flattened, window)) = view.as_flattened() {
            return flattened.attend(queries, [keys, values], self.scale, window);
        }
        let is_plain = self.softcap.is_none() && self.sinks.is_none();
        let at_once = || gather::gather(queries, [keys, values], self.scale, view.window());
        if let Some(gathered) = is_plain.then(at_once).flatten() {
            return gathered;
        }
        let [queries, keys, values] = [queries, keys, values].map(|x| x.transpose(1, 2));
        let gathered = if is_plain {
            self.fused(&queries, keys, values, view)
        } else {
            self.in_steps(&queries, &keys, &values, view)
        };
        gathered.transpose(1, 2)
    }

    /// softmax(s Q Kᵀ + mask) V, without a mask where there is only causality.
    /// // [B, H, T, Dh], [B, Hk, P+T, Dh] -> [B, H, T, Dh]
    fn fused(&self, queries: &Tensor, mut keys: Tensor, mut values: Tensor, view: &View) -> Tensor {
        let group = queries.size()[1] / keys.size()[1];
        let causal = view.is_causal();
        let mask = (!causal).then(|| view.mask());
        // 1/√Dh is the kernels' own.
        let own = 1.0 / (self.head_dim as f64).sqrt();
        let scale = (self.scale != own).then_some(self.scale);
        let mut grouped = group > 1;
        let kernel = Tensor::internal_fused_sdp_choice(
            queries, &keys, &values, mask, 0.0, causal, scale, grouped,
        );
        // A kernel that takes one key head for each query head is better than none.
        if grouped && kernel == NO_FUSED_KERNEL {
            [keys, values] = [keys, values].map(|x| for_each_head(&x, group));
            grouped = false;
        }
        Tensor::scaled_dot_product_attention(
            queries, &keys, &values, mask, 0.0, causal, scale, grouped,
        )
    }

    /// The same with bounded scores and sinks, some queries at a time so that scores stay small in memory.
    /// // [B, H, T, Dh], [B, Hk, P+T, Dh] -> [B, H, T, Dh]
    fn in_steps(&self, queries: &Tensor, keys: &Tensor, values: &Tensor, view: &View) -> Tensor {
        let [rows, heads, length, _] = queries.size()[..] else {
            unreachable!("queries have four dimensions")
        };
        let group = heads / keys.size()[1];
        let [keys, values] = [keys, values].map(|x| for_each_head(x, group));
        let at_once = (SCORES_AT_ONCE / (rows * heads * keys.size()[2])).clamp(1, length);
        let gathered: Vec<Tensor> = (0..length)
            .step_by(at_once as usize)
            .map(|start| {
                let chunk = |x: &Tensor| x.narrow(2, start, at_once.min(length - start));
                self.shares(&chunk(queries), &keys, &chunk(view.mask())).matmul(&values)
            })
            .collect();
        if gathered.len() == 1 { gathered[0].shallow_clone() } else { Tensor::cat(&gathered, 2) }
    }

    /// softmax over c · tanh(s Q Kᵀ / c) + mask and the sink, in f32, without the sink's share.
    /// // [B, H, T, Dh], [B, H, P+T, Dh] -> [B, H, T, P+T]
    fn shares(&self, queries: &Tensor, keys: &Tensor, mask: &Tensor) -> Tensor {
        let mut scores = queries.matmul(&keys.transpose(2, 3)) * self.scale;
        if let Some(cap) = self.softcap {
            scores = (scores / cap).tanh() * cap;
        }
        scores += mask;
        let wide = if scores.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let shares = match &self.sinks {
            None => scores.softmax(3, wide),
            Some(sinks) => {
                let [rows, heads, length, seen] = scores.size()[..] else {
                    unreachable!("scores have four dimensions")
                };
                let sinks = sinks.view([1, heads, 1, 1]).expand([rows, heads, length, 1], false);
                Tensor::cat(&[&scores, &sinks], 3).softmax(3, wide).narrow(3, 0, seen)
            }
        };
        shares.to_kind(queries.kind())
    }
}

/// Every key or value head once for each query head of its group. // [B, Hk, S, Dh] -> [B, H, S, Dh]
fn for_each_head(x: &Tensor, group: i64) -> Tensor {
    if group == 1 { x.shallow_clone() } else { x.repeat_interleave_self_int(group, 1, None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;
    use tch::Device;

    const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

    /// The formula query by query, in f64.
    fn explicit(scores: &Scores, qkv: &[Tensor; 3], prefix: i64, window: Option<i64>) -> Tensor {
        let [queries, keys, values] = qkv;
        let [batch, length, heads, dim] = queries.size()[..] else { panic!("four dimensions") };
        let group = heads / keys.size()[2];
        let out = Tensor::zeros([batch, length, heads, dim], DOUBLE);
        for (b, t, h) in (0..batch)
            .flat_map(|b| (0..length).flat_map(move |t| (0..heads).map(move |h| (b, t, h))))
        {
            let end = prefix + t + 1;
            let start = window.map_or(0, |window| (end - window).max(0));
            let query = queries.get(b).get(t).get(h);
            let seen = |x: &Tensor| x.get(b).narrow(0, start, end - start).select(1, h / group);
            let products = Vec::<f64>::try_from(seen(keys).mv(&query) * scores.scale).unwrap();
            let bound = |x: f64| scores.softcap.map_or(x, |cap| cap * (x / cap).tanh());
            let weights: Vec<f64> = products.into_iter().map(|x| bound(x).exp()).collect();
            let sink = scores.sinks.as_ref().map_or(0.0, |it| it.double_value(&[h]).exp());
            let total = weights.iter().sum::<f64>() + sink;
            let shares = Tensor::from_slice(&weights) / total;
            out.get(b).get(t).get(h).copy_(&seen(values).tr().mv(&shares));
        }
        out
    }

    #[test]
    fn agree_with_the_formula_in_every_variant() {
        let plain = || Scores { scale: 1.0 / 8f64.sqrt(), softcap: None, sinks: None, head_dim: 8 };
        for scores in [
            plain(),
            Scores { scale: 0.7, ..plain() },
            Scores { softcap: Some(0.3), ..plain() },
            Scores { sinks: Some(numbers(&[4], 0.9).to_kind(Kind::Float)), ..plain() },
        ] {
            for (key_heads, window) in [(4, None), (2, Some(3)), (1, None), (2, Some(100))] {
                let qkv = [
                    numbers(&[2, 7, 4, 8], 0.1),
                    numbers(&[2, 12, key_heads, 8], 0.2),
                    numbers(&[2, 12, key_heads, 8], 0.3),
                ];
                let own = |x: &Tensor| x.narrow(1, 0, 7);
                let without = [own(&qkv[0]), own(&qkv[1]), own(&qkv[2])];
                for (prefix, qkv) in [(0, &without), (5, &qkv)] {
                    let view = View::new(prefix, 7, window, (Kind::Float, Device::Cpu));
                    let [q, k, v] = qkv.each_ref().map(|x| x.to_kind(Kind::Float));
                    let got = scores.attend(&q, &k, &v, &view).to_kind(Kind::Double);
                    let window = window.map(|window| window as i64);
                    let expected = explicit(&scores, qkv, prefix as i64, window);
                    let distance = (got - expected).abs().max().double_value(&[]);
                    assert!(distance < 2e-6, "{distance} {key_heads} {window:?} {prefix}");
                }
            }
        }
    }
}
