//! The loss of next-token predictions, −log softmax(h Wᵀ)[target], what else the distribution says,
//! and the gradient in closed form.
//!
//! Logits of one chunk of rows exist at a time and never a whole batch's: with a vocabulary of 128
//! thousand they would be larger than everything else. Log-sum-exp is taken in f32.
//!
//! N rows, D features, V tokens in the vocabulary.

use crate::kernels;
use crate::layers::head::Head;
use crate::products;
use tch::{Kind, Tensor};

/// −log p(target), nats. // [N, V], [N] -> [N]
pub(crate) fn token_nll(logits: &Tensor, targets: &Tensor) -> Tensor {
    if let Some(losses) = kernels::token_nll(logits, targets) {
        return losses;
    }
    // One kernel on a GPU, where a log-sum-exp would be four.
    let log_p = logits.log_softmax(1, logits.kind());
    -log_p.gather(1, &targets.unsqueeze(1), false).squeeze_dim(1)
}

/// −Σ p log p, nats. // [N, V] -> [N]
pub(crate) fn entropy(logits: &Tensor) -> Tensor {
    let log_p = logits.log_softmax(1, Kind::Float);
    -(log_p.exp() * log_p).sum_dim_intlist([1i64].as_slice(), false, Kind::Float)
}

/// The largest probability less the second largest. // [N, V] -> [N]
pub(crate) fn margin(logits: &Tensor) -> Tensor {
    if logits.size()[1] < 2 {
        return Tensor::ones([logits.size()[0]], (Kind::Float, logits.device()));
    }
    let log_total = logits.logsumexp([1], true);
    let (top, _) = logits.topk(2, 1, true, true);
    let p = (top - log_total).exp();
    p.select(1, 0) - p.select(1, 1)
}

/// Losses, and the gradient of their weighted sum.
pub(crate) struct Gradients {
    pub(crate) losses: Tensor, // [N], f32
    pub(crate) hidden: Tensor, // [N, D]
    /// Where the head is trained.
    pub(crate) head: Option<Tensor>, // [V, D]
    /// Where it has a bias that is trained.
    pub(crate) bias: Option<Tensor>, // [V]
}

/// Losses of `hidden` under `head` and the gradient of Σ weight · loss, chunk by chunk:
/// ∂/∂logits = weight · (softmax − onehot(target)). Keeps no graph. A head that is frozen gets none, which
/// would be as large as itself.
pub(crate) fn gradients(
    hidden: &Tensor, // [N, D]
    head: &Head,
    targets: &Tensor, // [N]
    weights: &Tensor, // [N], f32
    rows_at_once: i64,
) -> Gradients {
    let _no_grad = tch::no_grad_guard();
    let num_rows = hidden.size()[0];
    let mut losses = Vec::new();
    let mut hidden_gradients = Vec::new();
    let trained = |tensor: &&Tensor| tensor.requires_grad();
    let mut head_gradient = Some(&head.weight).filter(trained).map(Tensor::zeros_like);
    let mut bias_gradient = head.bias.as_ref().filter(trained).map(Tensor::zeros_like);
    let head = head.detach();
    for start in (0..num_rows).step_by(rows_at_once as usize) {
        let length = rows_at_once.min(num_rows - start);
        let chunk = |x: &Tensor| x.narrow(0, start, length);
        let hidden = chunk(hidden);
        let logits = head.logits(&hidden); // [n, V]
        let (targets, weights) = (chunk(targets), chunk(weights));
        // In bfloat16 a training has the same bits on every device, so losses have one form there.
        let at_once = (hidden.kind() == Kind::Float)
            .then(|| kernels::token_nll_gradient(&logits, &targets, &weights))
            .flatten();
        let (loss, gradient) =
            at_once.unwrap_or_else(|| loss_and_gradient(&logits, &targets, &weights));
        losses.push(loss);
        let gradient = head.back(gradient, &logits).to_kind(hidden.kind()); // [n, V]
        hidden_gradients.push(products::multiply(&gradient, &head.weight)); // [n, D]
        if let Some(head_gradient) = &mut head_gradient {
            products::add(head_gradient, &gradient.tr(), &hidden); // [V, D]
        }
        if let Some(bias_gradient) = &mut bias_gradient {
            *bias_gradient += gradient.sum_dim_intlist([0i64].as_slice(), false, gradient.kind());
        }
    }
    Gradients {
        losses: Tensor::cat(&losses, 0),
        hidden: Tensor::cat(&hidden_gradients, 0),
        head: head_gradient,
        bias: bias_gradient,
    }
}

/// Losses, and the gradient of Σ weight · loss by the logits. // [n, V], [n], [n] -> [n], [n, V]
fn loss_and_gradient(logits: &Tensor, targets: &Tensor, weights: &Tensor) -> (Tensor, Tensor) {
    let targets = targets.unsqueeze(1);
    let mut log_p = logits.log_softmax(1, Kind::Float);
    let losses = -log_p.gather(1, &targets, false).squeeze_dim(1);

    let mut gradient = log_p.exp_();
    let minus_one = Tensor::full([targets.size()[0], 1], -1.0, (Kind::Float, logits.device()));
    let _ = gradient.scatter_add_(1, &targets, &minus_one);
    gradient *= weights.unsqueeze(1);
    (losses, gradient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::head::LogitShape;
    use tch::Device;

    const ROWS: i64 = 23;
    const VOCABULARY: i64 = 37;

    fn example() -> (Tensor, Head, Tensor, Tensor) {
        let wave = |rows: i64, columns: i64, step: f64| {
            let numbers = Tensor::arange(rows * columns, (Kind::Double, Device::Cpu)) * step;
            (numbers.sin() * 2.0).to_kind(Kind::Float).view([rows, columns])
        };
        let targets: Vec<i64> = (0..ROWS).map(|row| (row * 11) % VOCABULARY).collect();
        let weights: Vec<f32> = (0..ROWS).map(|row| 0.01 + row as f32 * 0.003).collect();
        let (targets, weights) = (Tensor::from_slice(&targets), Tensor::from_slice(&weights));
        let weight = wave(VOCABULARY, 8, 1.3);
        let head = Head::new(weight, None, LogitShape::default());
        (wave(ROWS, 8, 0.7), head, targets, weights)
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        (a.to_kind(Kind::Double) - b.to_kind(Kind::Double)).abs().max().double_value(&[])
    }

    /// Probabilities in f64, row by row.
    fn probabilities(hidden: &Tensor, head: &Head) -> Vec<Vec<f64>> {
        let weight = head.weight.to_kind(Kind::Double);
        let logits = hidden.to_kind(Kind::Double).matmul(&weight.tr());
        let rows = Vec::<Vec<f64>>::try_from(logits).unwrap();
        rows.iter()
            .map(|row| {
                let total: f64 = row.iter().map(|x| x.exp()).sum();
                row.iter().map(|x| x.exp() / total).collect()
            })
            .collect()
    }

    #[test]
    fn losses_and_statistics_agree_with_their_formulas() {
        let (hidden, head, targets, _) = example();
        let logits = head.logits(&hidden);
        let nll = Vec::<f64>::try_from(token_nll(&logits, &targets).to_kind(Kind::Double)).unwrap();
        let entropies = Vec::<f64>::try_from(entropy(&logits).to_kind(Kind::Double)).unwrap();
        let margins = Vec::<f64>::try_from(margin(&logits).to_kind(Kind::Double)).unwrap();
        for (row, p) in probabilities(&hidden, &head).iter().enumerate() {
            let target = targets.int64_value(&[row as i64]) as usize;
            let mut sorted = p.clone();
            sorted.sort_by(f64::total_cmp);
            let [second, first] = sorted[sorted.len() - 2..] else { unreachable!() };
            assert!((nll[row] + p[target].ln()).abs() < 2e-6 * nll[row].abs().max(1.0));
            assert!((entropies[row] + p.iter().map(|p| p * p.ln()).sum::<f64>()).abs() < 2e-6);
            assert!((margins[row] - (first - second)).abs() < 1e-6);
        }
    }

    #[test]
    fn gradients_in_chunks_are_those_of_the_whole() {
        let bias = Tensor::arange(VOCABULARY, (Kind::Float, Device::Cpu)).cos();
        for (shape, bias) in [
            (LogitShape::default(), None),
            (LogitShape { scale: Some(0.4), softcap: None }, None),
            (LogitShape { scale: Some(1.5), softcap: Some(3.0) }, Some(bias)),
        ] {
            let (hidden, head, targets, weights) = example();
            let head = Head::new(head.weight, bias, shape);
            let leaf = |x: &Tensor| x.to_kind(Kind::Double).set_requires_grad(true);
            let (hidden_leaf, head_leaf) = (leaf(&hidden), leaf(&head.weight));
            let bias_leaf = head.bias.as_ref().map(leaf);
            let z = hidden_leaf.linear(&head_leaf, bias_leaf.as_ref()) * shape.scale.unwrap_or(1.0);
            let logits = shape.softcap.map_or(z.shallow_clone(), |cap| (z / cap).tanh() * cap);
            let log_p = logits.log_softmax(1, Kind::Double);
            let losses = -log_p.gather(1, &targets.unsqueeze(1), false).squeeze_dim(1);
            (&losses * &weights).sum(Kind::Double).backward();
            for rows_at_once in [1, 5, 23, 100] {
                let frozen = gradients(&hidden, &head.detach(), &targets, &weights, rows_at_once);
                let trained = |tensor: &Tensor| tensor.set_requires_grad(true);
                let bias = head.bias.as_ref().map(trained);
                let head = Head::new(trained(&head.weight), bias, shape);
                let got = gradients(&hidden, &head, &targets, &weights, rows_at_once);
                assert!(frozen.head.is_none() && frozen.bias.is_none());
                assert_eq!(frozen.hidden, got.hidden);
                assert!(distance(&got.losses, &losses.detach()) < 1e-5, "{shape:?}");
                assert!(distance(&got.hidden, &hidden_leaf.grad()) < 1e-6, "{shape:?}");
                assert!(distance(&got.head.unwrap(), &head_leaf.grad()) < 1e-6, "{shape:?}");
                assert_eq!(got.bias.is_some(), bias_leaf.is_some());
                if let (Some(got), Some(leaf)) = (&got.bias, &bias_leaf) {
                    assert!(distance(got, &leaf.grad()) < 1e-6, "{shape:?}");
                }
            }
        }
    }
}
