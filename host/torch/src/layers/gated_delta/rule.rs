//! The gated delta rule, token by token S_t = e^{g_t} (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ and
//! o_t = S_tᵀ q_t, in chunks of tokens, <https://arxiv.org/abs/2412.06464>, section 3.3.
//!
//! Within a chunk, let c_t be the sum of g up to token t and D_ij = e^{c_i − c_j} for j ≤ i. What each token
//! of the chunk really writes solves (I + tril(β K Kᵀ ⊙ D, −1)) U = β (V − e^c ⊙ K S): a triangle of ones,
//! solved for V and for K at once before S is known. Then O = e^c ⊙ Q S + (Q Kᵀ ⊙ D) U, and the
//! chunk leaves e^{c_L} S + (e^{c_L − c} ⊙ K)ᵀ U.
//!
//! Tokens behind a row's end change nothing before them; where a row is filled up to whole chunks, β is 0
//! and g is 0, which leave the state as it is.
//!
//! B rows, H heads, T tokens, N chunks of L tokens, Dk features of queries and keys, Dv of values.

use tch::{Kind, Tensor};

/// Tokens of a chunk, as in transformers.
const CHUNK: i64 = 64;

/// What tokens write, and what they read with.
pub(super) struct Written {
    pub(super) queries: Tensor,    // [B, H, T, Dk]
    pub(super) keys: Tensor,       // [B, H, T, Dk]
    pub(super) values: Tensor,     // [B, H, T, Dv]
    pub(super) betas: Tensor,      // [B, H, T]
    pub(super) log_decays: Tensor, // [B, H, T], ≤ 0
}

/// What each token reads, and the state after the last. // [1, H, Dk, Dv] -> [B, H, T, Dv], [B, H, Dk, Dv]
pub(super) fn chunked(written: &Written, past: Option<&Tensor>) -> (Tensor, Tensor) {
    let [rows, heads, length, key_dim] = written.keys.size()[..] else {
        unreachable!("keys have four dimensions")
    };
    let value_dim = written.values.size()[3];
    let chunk = CHUNK.min(length);
    let in_chunks = |x: &Tensor| {
        let lacking = (chunk - length % chunk) % chunk;
        let filled = match (lacking, x.dim()) {
            (0, _) => x.shallow_clone(),
            (_, 3) => x.constant_pad_nd([0, lacking]),
            _ => x.constant_pad_nd([0, 0, 0, lacking]),
        };
        filled.unflatten(2, [-1, chunk]) // [B, H, N, L, ..]
    };
    let [queries, keys, values] = [&written.queries, &written.keys, &written.values].map(in_chunks);
    let betas = in_chunks(&written.betas).unsqueeze(-1); // [B, H, N, L, 1]
    let decays = in_chunks(&written.log_decays).cumsum(3, None); // c, [B, H, N, L]

    let between = decays_between(&decays); // D, [B, H, N, L, L]
    let fading = decays.exp().unsqueeze(-1); // e^c, [B, H, N, L, 1]
    let weighed = &keys * &betas;
    let system = weighed.matmul(&keys.transpose(3, 4)) * &between;
    let sides = Tensor::cat(&[&values * &betas, &weighed * &fading], 4);
    let solved = system.linalg_solve_triangular(&sides, false, true, true);
    let solved = solved.split_with_sizes([value_dim, key_dim], 4);
    let within = queries.matmul(&keys.transpose(3, 4)) * &between;

    let reading = queries * &fading;
    let last = decays.narrow(3, chunk - 1, 1); // c_L, [B, H, N, 1]
    let leaving = (keys * (&last - &decays).exp().unsqueeze(-1)).transpose(3, 4);
    let kept = last.exp().unsqueeze(-1); // [B, H, N, 1, 1]

    let mut state = match past {
        Some(past) => past.expand([rows, heads, key_dim, value_dim], false),
        None => Tensor::zeros([rows, heads, key_dim, value_dim], (values.kind(), values.device())),
    };
    let mut reads = Vec::new();
    for n in 0..decays.size()[2] {
        let at = |x: &Tensor| x.select(2, n);
        let changes = at(&solved[0]) - at(&solved[1]).matmul(&state); // U, [B, H, L, Dv]
        reads.push(at(&reading).matmul(&state) + at(&within).matmul(&changes));
        state = state * at(&kept) + at(&leaving).matmul(&changes);
    }
    (Tensor::cat(&reads, 2).narrow(2, 0, length), state)
}

/// e^{c_i − c_j}, and 0 where j comes after i. // [.., L] -> [.., L, L]
fn decays_between(sums: &Tensor) -> Tensor {
    let length = sums.size()[3];
    let differences = sums.unsqueeze(-1) - sums.unsqueeze(-2);
    let later = Tensor::ones([length, length], (Kind::Bool, sums.device())).triu(1);
    // Before the exponential: what is hidden would grow beyond all bounds.
    differences.masked_fill(&later, f64::NEG_INFINITY).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;
    use tch::Device;

    const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

    fn written(length: i64) -> Written {
        let unit =
            |x: Tensor| &x / x.square().sum_dim_intlist([-1i64].as_slice(), true, None).sqrt();
        Written {
            queries: unit(numbers(&[2, 3, length, 4], 0.1)),
            keys: unit(numbers(&[2, 3, length, 4], 0.2)),
            values: numbers(&[2, 3, length, 5], 0.3),
            betas: numbers(&[2, 3, length], 0.4).sigmoid(),
            log_decays: -numbers(&[2, 3, length], 0.5).abs() * 0.2,
        }
    }

    /// The rule as it is written, token by token.
    fn token_by_token(written: &Written, past: Option<&Tensor>) -> (Tensor, Tensor) {
        let Written { queries, keys, values, betas, log_decays } = written;
        let mut state = match past {
            Some(past) => past.expand([2, 3, 4, 5], true),
            None => Tensor::zeros([2, 3, 4, 5], DOUBLE),
        };
        let mut reads = Vec::new();
        for t in 0..keys.size()[2] {
            let column = |x: &Tensor| x.select(2, t).unsqueeze(-1); // [B, H, D, 1]
            let (beta, decay) =
                (column(betas).unsqueeze(-1), column(log_decays).unsqueeze(-1).exp());
            let (k, v) = (column(keys), column(values));
            let faded = state * decay;
            let found = k.transpose(2, 3).matmul(&faded); // [B, H, 1, Dv]
            state = &faded + k.matmul(&((v.transpose(2, 3) - found) * beta));
            reads.push(column(queries).transpose(2, 3).matmul(&state));
        }
        (Tensor::cat(&reads, 2), state)
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a - b).abs().max().double_value(&[])
    }

    #[test]
    fn chunks_agree_with_the_rule_token_by_token() {
        let past = numbers(&[1, 3, 4, 5], 0.6);
        for length in [1, 5, 63, 64, 65, 150] {
            for past in [None, Some(&past)] {
                let (got, expected) =
                    (chunked(&written(length), past), token_by_token(&written(length), past));
                let distances = [distance(&got.0, &expected.0), distance(&got.1, &expected.1)];
                assert!(distances.iter().all(|it| *it < 1e-12), "{length}: {distances:?}");
            }
        }
    }

    /// Reads, and the state behind the last token.
    type Rule = dyn Fn(&Written, Option<&Tensor>) -> (Tensor, Tensor);

    #[test]
    fn so_do_their_gradients() {
        let gradients = |rule: &Rule| {
            let written = written(70);
            let past = numbers(&[1, 3, 4, 5], 0.6);
            let Written { queries, keys, values, betas, log_decays } = &written;
            let leaves = [queries, keys, values, betas, log_decays, &past];
            for leaf in leaves {
                let _ = leaf.set_requires_grad(true);
            }
            let (reads, state) = rule(&written, Some(&past));
            let total = (&reads * numbers(&reads.size(), 0.7)).sum(None) + state.sum(None);
            total.backward();
            leaves.map(Tensor::grad)
        };
        let both = gradients(&chunked).into_iter().zip(gradients(&token_by_token));
        for (leaf, (got, expected)) in both.enumerate() {
            assert!(distance(&got, &expected) < 1e-11, "{leaf}: {}", distance(&got, &expected));
        }
    }

    #[test]
    fn what_follows_changes_nothing_before_it() {
        let written = written(150);
        let cut = |x: &Tensor| x.narrow(2, 0, 131);
        let Written { queries, keys, values, betas, log_decays } = &written;
        let shorter = Written {
            queries: cut(queries),
            keys: cut(keys),
            values: cut(values),
            betas: cut(betas),
            log_decays: cut(log_decays),
        };
        let (long, _) = chunked(&written, None);
        let (short, _) = chunked(&shorter, None);
        assert!(distance(&cut(&long), &short) < 1e-13);
    }
}
