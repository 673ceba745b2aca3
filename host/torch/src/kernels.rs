//! What is done to float32 rows between two matrix products, in one pass each: `csrc/kernels.cpp` has the
//! loops and the equations. They save the passes over memory that libtorch's operators make one by one.
//!
//! Each function answers nothing where it does not serve, and plain operators are asked: on a GPU, in
//! another type, and for what does not lie in one piece. Where a graph is kept, what stands between two
//! products is a step of it ([`differentiable`]); losses, whose gradient comes with them, serve only without.
#![allow(unsafe_code)]

use crate::shim::{self, differentiable};
use tch::{Device, Kind, Tensor};

// SAFETY: the signatures are those of `csrc/kernels.cpp`, which this crate's build script compiles.
unsafe extern "C" {
    fn iterit_rms_norm(
        x: *const f32,
        gain: *const f32,
        y: *mut f32,
        rows: i64,
        size: i64,
        eps: f64,
    );
    fn iterit_silu_times(gate: *const f32, up: *const f32, y: *mut f32, count: i64);
    fn iterit_turn_halves(
        x: *const f32,
        cos: *const f32,
        sin: *const f32,
        y: *mut f32,
        batch: i64,
        length: i64,
        heads: i64,
        dim: i64,
    );
    fn iterit_token_nll(
        logits: *const f32,
        targets: *const i64,
        losses: *mut f32,
        rows: i64,
        vocabulary: i64,
    ) -> bool;
    fn iterit_token_nll_gradient(
        logits: *const f32,
        targets: *const i64,
        weights: *const f32,
        losses: *mut f32,
        gradient: *mut f32,
        rows: i64,
        vocabulary: i64,
    ) -> bool;
}

/// w · x / √(mean(x²) + ε). // [.., D], [D] -> [.., D]
pub(crate) fn rms_norm(x: &Tensor, gain: &Tensor, eps: f64) -> Option<Tensor> {
    let size = gain.size()[0];
    let fits = gain.dim() == 1 && x.size().last() == Some(&size) && size > 0;
    if !fits || !are_plain(&[x, gain]) {
        return None;
    }
    if is_kept(&[x, gain]) {
        return Some(differentiable::rms_norm(x, gain, eps));
    }
    let (y, rows) = (x.empty_like(), x.numel() as i64 / size);
    // SAFETY: x and y hold rows · size floats, the gain size of them, each in one piece; y is new.
    unsafe { iterit_rms_norm(read(x), read(gain), write(&y), rows, size, eps) };
    Some(y)
}

/// g · σ(g) ⊙ u. // [.., I], [.., I] -> [.., I]
pub(crate) fn silu_times(gate: &Tensor, up: &Tensor) -> Option<Tensor> {
    if gate.size() != up.size() || !are_plain(&[gate, up]) {
        return None;
    }
    if is_kept(&[gate, up]) {
        return Some(differentiable::silu_times(gate, up));
    }
    let y = gate.empty_like();
    // SAFETY: all three hold as many floats, each in one piece; y is new.
    unsafe { iterit_silu_times(read(gate), read(up), write(&y), gate.numel() as i64) };
    Some(y)
}

/// x ⊙ cos + partner(x) ⊙ sin, where feature i and feature i + R/2 are partners and the sine is negative
/// for the first. // [B, T, H, R], [T, 1, R] twice -> [B, T, H, R]
pub(crate) fn turn_halves(x: &Tensor, cos: &Tensor, sin: &Tensor) -> Option<Tensor> {
    let [batch, length, heads, dim] = x.size()[..] else { return None };
    let table = [length, 1, dim];
    let fits = cos.size() == table && sin.size() == table && dim % 2 == 0;
    if !fits || !are_plain(&[x, cos, sin]) {
        return None;
    }
    if is_kept(&[x]) {
        return Some(differentiable::turn_halves(x, cos, sin));
    }
    let y = x.empty_like();
    // SAFETY: x and y hold B · T · H · R floats, the tables T · R, each in one piece; y is new.
    unsafe {
        iterit_turn_halves(read(x), read(cos), read(sin), write(&y), batch, length, heads, dim);
    }
    Some(y)
}

/// log Σ exp z − z[target]. // [N, V], [N] -> [N]
pub(crate) fn token_nll(logits: &Tensor, targets: &Tensor) -> Option<Tensor> {
    let [rows, vocabulary] = of_rows(logits, targets)?;
    let losses = Tensor::empty([rows], (Kind::Float, Device::Cpu));
    // SAFETY: N · V logits, N targets and N losses, each in one piece; the losses are new.
    let all_are_tokens = unsafe {
        iterit_token_nll(read(logits), positions(targets), write(&losses), rows, vocabulary)
    };
    all_are_tokens.then_some(losses)
}

/// The same losses, and the gradient of Σ weight · loss. // [N, V], [N], [N] -> [N], [N, V]
pub(crate) fn token_nll_gradient(
    logits: &Tensor,
    targets: &Tensor,
    weights: &Tensor,
) -> Option<(Tensor, Tensor)> {
    let [rows, vocabulary] = of_rows(logits, targets)?;
    if weights.size() != [rows] || !are_plain(&[weights]) {
        return None;
    }
    let (losses, gradient) = (weights.empty_like(), logits.empty_like());
    // SAFETY: N · V logits and gradients, N of everything else, each in one piece; losses and gradient are
    // new.
    let all_are_tokens = unsafe {
        iterit_token_nll_gradient(
            read(logits),
            positions(targets),
            read(weights),
            write(&losses),
            write(&gradient),
            rows,
            vocabulary,
        )
    };
    all_are_tokens.then_some((losses, gradient))
}

/// Whether the loops may read these.
fn are_plain(tensors: &[&Tensor]) -> bool {
    let is_plain =
        |x: &&Tensor| x.device() == Device::Cpu && x.kind() == Kind::Float && x.is_contiguous();
    tensors.iter().all(is_plain)
}

/// Whether what is made of these has a way back.
fn is_kept(tensors: &[&Tensor]) -> bool {
    shim::keeps_graph() && tensors.iter().any(|x| x.requires_grad())
}

/// N and V, where there is a target for each row.
fn of_rows(logits: &Tensor, targets: &Tensor) -> Option<[i64; 2]> {
    let [rows, vocabulary] = logits.size()[..] else { return None };
    let fits = targets.size() == [rows] && targets.kind() == Kind::Int64;
    let fits = fits && targets.device() == Device::Cpu && targets.is_contiguous();
    let serves = fits && are_plain(&[logits]) && !shim::keeps_graph();
    serves.then_some([rows, vocabulary])
}

fn read(x: &Tensor) -> *const f32 {
    x.data_ptr().cast()
}

fn write(x: &Tensor) -> *mut f32 {
    x.data_ptr().cast()
}

fn positions(x: &Tensor) -> *const i64 {
    x.data_ptr().cast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const FLOAT: (Kind, Device) = (Kind::Float, Device::Cpu);
    /// No multiple of any vector's length, and more than the loops add in one block.
    const WIDTHS: [i64; 4] = [2, 14, 258, 2310];

    /// Numbers up to 20 in size.
    fn numbers(shape: &[i64], seed: f64) -> Tensor {
        (testing::numbers(shape, seed) * 20.0).to_kind(Kind::Float)
    }

    fn targets(rows: i64, vocabulary: i64) -> Tensor {
        (Tensor::arange(rows, (Kind::Int64, Device::Cpu)) * 7 + 1).remainder(vocabulary)
    }

    /// Of values that are larger than one, relative to them.
    #[track_caller]
    fn check(got: Option<Tensor>, expected: &Tensor) {
        let got = got.expect("a kernel that serves").to_kind(Kind::Double);
        assert_eq!(got.size(), expected.size());
        let off = (got - expected).abs() / expected.abs().clamp_min(1.0);
        let off = off.max().double_value(&[]);
        assert!(off < 1e-6, "{off}");
    }

    #[test]
    fn agree_with_the_formulas_in_float64() {
        let _no_grad = tch::no_grad_guard();
        for width in WIDTHS {
            let [x, z, gain] = [
                numbers(&[3, 5, width], 0.1),
                numbers(&[3, 5, width], 0.2),
                numbers(&[width], 0.3),
            ];
            let [wide_x, wide_z, wide_gain] = [&x, &z, &gain].map(|x| x.to_kind(Kind::Double));
            let mean = wide_x.square().mean_dim([-1i64].as_slice(), true, Kind::Double);
            check(rms_norm(&x, &gain, 1e-5), &(&wide_x * (mean + 1e-5).rsqrt() * wide_gain));
            check(
                silu_times(&(&x * 6.0), &z),
                &(&wide_x * 6.0 * (&wide_x * 6.0).sigmoid() * &wide_z),
            );

            let [heads, cos, sin] = [
                numbers(&[2, 3, 4, width], 0.4),
                numbers(&[3, 1, width], 0.5),
                numbers(&[3, 1, width], 0.6),
            ];
            let [wide, wide_cos, wide_sin] = [&heads, &cos, &sin].map(|x| x.to_kind(Kind::Double));
            let partner = wide.roll([width / 2], [-1]);
            // Products of two numbers up to 20, added: relative to their own size.
            check(
                turn_halves(&heads, &cos, &sin).map(|y| y / 800.0),
                &((wide * wide_cos + partner * wide_sin) / 800.0),
            );
        }
    }

    /// Gradients of Σ y ⊙ dy by each input, through the graph.
    fn gradients<const N: usize>(
        inputs: [&Tensor; N],
        dy: &Tensor,
        of: impl Fn([&Tensor; N]) -> Tensor,
    ) -> [Tensor; N] {
        let leaves = inputs.map(|x| x.detach().copy().set_requires_grad(true));
        let y = of(leaves.each_ref());
        assert!(y.requires_grad());
        shim::backward(&[&y], &[dy]).unwrap();
        leaves.map(|leaf| leaf.grad())
    }

    /// Gradients as the kernels have them, and as libtorch has those of the formula in float64.
    #[track_caller]
    fn check_gradients<const N: usize>(
        inputs: [&Tensor; N],
        dy: &Tensor,
        kernel: impl Fn([&Tensor; N]) -> Option<Tensor>,
        formula: impl Fn([&Tensor; N]) -> Tensor,
    ) {
        let wide = inputs.map(|x| x.to_kind(Kind::Double));
        let expected = gradients(wide.each_ref(), &dy.to_kind(Kind::Double), formula);
        let got = gradients(inputs, dy, |inputs| kernel(inputs).expect("a kernel that serves"));
        for (got, expected) in got.iter().zip(&expected) {
            let largest = expected.abs().max();
            check(Some(got / &largest), &(expected / largest));
        }
    }

    #[test]
    fn gradients_agree_with_the_formulas_in_float64() {
        for width in WIDTHS {
            // More rows than are summed in one block, in no whole number of blocks.
            let shape = [3, 101, width];
            let [x, z] = [numbers(&shape, 0.1), numbers(&shape, 0.2)];
            let gain = numbers(&[width], 0.3);
            // As attention gives them back: not in one piece.
            let dy = numbers(&[101, 3, width], 0.4).transpose(0, 1);
            check_gradients(
                [&x, &gain],
                &dy,
                |[x, gain]| rms_norm(x, gain, 1e-5),
                |[x, gain]| {
                    let mean = x.square().mean_dim([-1i64].as_slice(), true, Kind::Double);
                    x * (mean + 1e-5).rsqrt() * gain
                },
            );
            check_gradients(
                [&x, &z],
                &dy,
                |[gate, up]| silu_times(gate, up),
                |[gate, up]| gate * gate.sigmoid() * up,
            );

            let heads = numbers(&[3, 101, 2, width], 0.5);
            let [cos, sin] = [numbers(&[101, 1, width], 0.6), numbers(&[101, 1, width], 0.7)];
            let [wide_cos, wide_sin] = [&cos, &sin].map(|x| x.to_kind(Kind::Double));
            check_gradients(
                [&heads],
                &numbers(&[3, 2, 101, width], 0.8).transpose(1, 2),
                |[x]| turn_halves(x, &cos, &sin),
                |[x]| x * &wide_cos + x.roll([width / 2], [-1]) * &wide_sin,
            );
        }
    }

    #[test]
    fn with_a_graph_and_without_answers_are_the_same_and_what_is_frozen_has_no_gradient() {
        let (x, gain) = (numbers(&[300, 14], 0.1), numbers(&[14], 0.2));
        let expected = tch::no_grad(|| rms_norm(&x, &gain, 1e-5)).unwrap();
        let nothing_trained = rms_norm(&x, &gain, 1e-5).unwrap();
        assert!(!nothing_trained.requires_grad());
        let leaf = x.copy().set_requires_grad(true);
        let got = rms_norm(&leaf, &gain, 1e-5).unwrap();
        assert_eq!(nothing_trained, expected);
        assert_eq!(got.detach(), expected);
        shim::backward(&[&got], &[&x]).unwrap();
        assert!(leaf.grad().defined() && !gain.grad().defined());
    }

    #[test]
    fn gradients_do_not_depend_on_how_many_threads_there_are() {
        let (x, gain, dy) =
            (numbers(&[1000, 258], 0.1), numbers(&[258], 0.2), numbers(&[1000, 258], 0.3));
        let by = |threads| {
            shim::spread_over(threads);
            let got = gradients([&x, &gain], &dy, |[x, gain]| rms_norm(x, gain, 1e-5).unwrap());
            shim::spread_over(1);
            got
        };
        assert_eq!(by(1), by(3));
    }

    #[test]
    fn losses_and_gradients_agree_with_float64_and_rows_stand_alone() {
        let _no_grad = tch::no_grad_guard();
        for width in WIDTHS {
            let (logits, weights, targets) =
                (numbers(&[9, width], 0.7), numbers(&[9], 0.8), targets(9, width));
            let log_p = logits.log_softmax(1, Kind::Double);
            let expected = -log_p.gather(1, &targets.unsqueeze(1), false).squeeze_dim(1);
            let losses = token_nll(&logits, &targets).unwrap();
            check(Some(losses.shallow_clone()), &expected);
            let alone = token_nll(&logits.narrow(0, 4, 1), &targets.narrow(0, 4, 1)).unwrap();
            assert_eq!(alone, losses.narrow(0, 4, 1));

            let onehot = targets.one_hot(width).to_kind(Kind::Double);
            let gradient = (log_p.exp() - onehot) * weights.to_kind(Kind::Double).unsqueeze(1);
            let (same, got) = token_nll_gradient(&logits, &targets, &weights).unwrap();
            assert_eq!(same, losses);
            check(Some(got), &gradient);
        }
    }

    #[test]
    fn broken_and_extreme_numbers_are_told() {
        let _no_grad = tch::no_grad_guard();
        let loss = |logits: &[f32]| {
            let logits = Tensor::from_slice(logits).unsqueeze(0);
            token_nll(&logits, &Tensor::from_slice(&[0i64])).unwrap().double_value(&[0])
        };
        assert!(loss(&[1.0, f32::NAN, 2.0]).is_nan());
        assert!(!loss(&[1.0, f32::INFINITY, 2.0]).is_finite());
        assert!((loss(&[-1e30, 1e30]) / 2e30 - 1.0).abs() < 1e-6);
        assert_eq!(loss(&[0.0, f32::NEG_INFINITY]), 0.0);
        let [gate, up] =
            [[-1e4f32, -100.0, 0.0, 100.0, 1e4], [1.0; 5]].map(|x| Tensor::from_slice(&x));
        let bent = Vec::<f32>::try_from(silu_times(&gate, &up).unwrap()).unwrap();
        assert!(bent[..3].iter().all(|x| x.abs() < 1e-30) && bent[3..] == [100.0, 1e4], "{bent:?}");
    }

    #[test]
    fn leave_to_plain_operators_what_they_do_not_serve() {
        let (x, gain) = (numbers(&[4, 6], 0.1), numbers(&[6], 0.2));
        assert!(token_nll(&x, &targets(4, 6)).is_none(), "a graph is kept");
        let _no_grad = tch::no_grad_guard();
        assert!(rms_norm(&x, &gain, 1e-5).is_some());
        assert!(rms_norm(&x.to_kind(Kind::Double), &gain, 1e-5).is_none());
        assert!(rms_norm(&x, &gain.narrow(0, 0, 5), 1e-5).is_none());
        assert!(silu_times(&x.tr(), &x.tr()).is_none());
        assert!(silu_times(&x, &gain).is_none());
        let table = Tensor::ones([1, 1, 6], FLOAT);
        assert!(turn_halves(&x.view([1, 2, 2, 6]), &table, &table).is_none());
        for target in [-1i64, 6] {
            let targets = Tensor::from_slice(&[0, target, 1, 2]);
            assert!(token_nll(&x, &targets).is_none());
            assert!(token_nll_gradient(&x, &targets, &Tensor::ones([4], FLOAT)).is_none());
        }
    }
}
