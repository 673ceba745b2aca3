//! xIELU, <https://arxiv.org/abs/2411.13010>, an activation that learns how steep it is:
//! α₊ x² + β x for x > 0, and α₋ (exp(min(x, ε)) − 1 − x) + β x elsewhere, with α₊ = softplus(a₊) and
//! α₋ = β + softplus(a₋).

use super::{Role, Source};
use tch::Tensor;

/// β and ε. No file says otherwise, though files have them too.
const BETA: f64 = 0.5;
const EPS: f64 = -1e-6;

/// How names end of tensors that hold the constants, and what they hold.
pub(crate) const CONSTANTS: [(&str, f64); 2] = [(".act_fn.beta", BETA), (".act_fn.eps", EPS)];

/// a₊ and a₋.
pub(crate) struct Xielu {
    alpha_p: Tensor, // [1]
    alpha_n: Tensor, // [1]
}

impl Xielu {
    pub(crate) fn new(source: &mut Source<'_>, name: &str) -> Self {
        let [alpha_p, alpha_n] = ["alpha_p", "alpha_n"]
            .map(|part| source.tensor(&format!("{name}.{part}"), &[1], Role::Weight));
        Self { alpha_p, alpha_n }
    }

    pub(crate) fn apply(&self, x: &Tensor) -> Tensor {
        let alpha_p = self.alpha_p.softplus();
        let alpha_n = self.alpha_n.softplus() + BETA;
        let above = x.square() * alpha_p;
        let below = (x.clamp_max(EPS).expm1() - x) * alpha_n;
        above.where_self(&x.gt(0.0), &below) + x * BETA
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_formula() {
        let mut source = |name: &str, _: &[i64]| {
            Tensor::from_slice(&[if name.ends_with("alpha_p") { 0.3 } else { -0.7 }])
        };
        let softplus = |x: f64| x.exp().ln_1p();
        let (alpha_p, alpha_n) = (softplus(0.3), 0.5 + softplus(-0.7));
        let points = [-3.0, -0.5, -1e-7, 0.0, 0.25, 2.0];
        let got = Xielu::new(&mut source, "act_fn").apply(&Tensor::from_slice(&points));
        for (x, got) in points.into_iter().zip(Vec::<f64>::try_from(got).unwrap()) {
            let expected = match x > 0.0 {
                true => alpha_p * x * x + 0.5 * x,
                false => alpha_n * (f64::min(x, -1e-6).exp_m1() - x) + 0.5 * x,
            };
            assert!((got - expected).abs() < 1e-12, "{x}: {got}, expected {expected}");
        }
    }
}
