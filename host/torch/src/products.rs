//! Products of matrices. Where the processor has a matrix unit, those of float32 on a CPU are made of the thirds of its
//! numbers (`csrc/thirds.h`), which is as near the true ones and faster; elsewhere, and where little is multiplied, libtorch's
//! library makes them. Knows not what the matrices are.

use crate::shim::thirds::{self, Layer};
use std::sync::LazyLock;
use tch::{Device, Kind, Tensor};

/// `library` leaves all products to libtorch's library: to compare with, or should the unit's be wrong somewhere.
pub(crate) const PRODUCTS_VARIABLE: &str = "ITERIT_PRODUCTS";

/// Whether the matrix unit serves.
pub(crate) fn have_a_unit() -> bool {
    static HAVE: LazyLock<bool> = LazyLock::new(|| {
        let is_left = std::env::var(PRODUCTS_VARIABLE).is_ok_and(|it| it == "library");
        !is_left && thirds::serve()
    });
    *HAVE
}

/// x Wᵀ + b. // [.., In], [Out, In], [Out] -> [.., Out]
pub(crate) fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Tensor {
    let [y] = linears(x, [(weight, bias)]);
    y
}

/// x Wᵀ + b with every W. // [.., In], [Out, In] each, [Out] each -> [.., Out] each
pub(crate) fn linears<const COUNT: usize>(
    x: &Tensor,
    layers: [Layer<'_>; COUNT],
) -> [Tensor; COUNT] {
    let shape = x.size();
    let Some((&in_features, outer)) = shape.split_last() else { return by_the_library(x, layers) };
    let rows = outer.iter().product();
    let all_suit = layers.iter().all(|&(weight, bias)| {
        let [out_features, depth] = weight.size()[..] else { return false };
        let tensors = [Some(x), Some(weight), bias].into_iter().flatten();
        depth == in_features && suits(tensors, [rows, depth, out_features])
    });
    if !all_suit {
        return by_the_library(x, layers);
    }
    let x = x.reshape([rows, in_features]);
    thirds::differentiable_linears(&x, layers).map(|y| {
        let features = y.size()[1];
        y.view([outer, &[features]].concat().as_slice())
    })
}

fn by_the_library<const COUNT: usize>(x: &Tensor, layers: [Layer<'_>; COUNT]) -> [Tensor; COUNT] {
    layers.map(|(weight, bias)| x.linear(weight, bias))
}

/// A B, without a way back. // [M, K], [K, N] -> [M, N]
pub(crate) fn multiply(a: &Tensor, b: &Tensor) -> Tensor {
    match suits([a, b], sizes(a, b)) {
        true => thirds::multiply(a, b),
        false => a.matmul(b),
    }
}

/// C += A B, in place, without a way back. // [M, N], [M, K], [K, N]
pub(crate) fn add(c: &mut Tensor, a: &Tensor, b: &Tensor) {
    if suits([&*c, a, b], sizes(a, b)) && c.is_contiguous() {
        thirds::add(c, a, b).expect("sizes that fit");
    } else {
        let _ = c.addmm_(a, b);
    }
}

/// Bytes that a thread lays out in passing for layers of these sizes, [Out, In] each: what one reads or its matrix, and the
/// matrix of another that reads the same.
pub(crate) fn in_passing(sizes: &[[i64; 2]], tokens: i64) -> u64 {
    let serve = |&&[out_features, in_features]: &&[i64; 2]| {
        have_a_unit() && thirds::pay(tokens, in_features, out_features)
    };
    let largest = |bytes: fn([i64; 2], i64) -> u64| {
        sizes.iter().filter(serve).map(|&size| bytes(size, tokens)).max().unwrap_or(0)
    };
    let matrix = largest(|size, _| thirds::bytes(size));
    let read = largest(|[_, in_features], tokens| thirds::bytes([in_features, tokens]));
    matrix.max(read) + matrix // bytes
}

/// M, K and N.
fn sizes(a: &Tensor, b: &Tensor) -> [i64; 3] {
    let ([rows, depth], [_, columns]) = (size_of(a), size_of(b));
    [rows, depth, columns]
}

fn size_of(matrix: &Tensor) -> [i64; 2] {
    matrix.size().try_into().expect("a matrix")
}

/// Whether the unit may read all of these and is worth while.
fn suits<'a>(
    tensors: impl IntoIterator<Item = &'a Tensor>,
    [rows, depth, columns]: [i64; 3],
) -> bool {
    let suits = |x: &Tensor| x.device() == Device::Cpu && x.kind() == Kind::Float;
    have_a_unit() && thirds::pay(rows, depth, columns) && tensors.into_iter().all(suits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::side_by_side::spread_over;
    use crate::testing::numbers;

    const FLOAT: Kind = Kind::Float;

    /// What is far, relative to Σ |a| |b|: as much as float32 itself would err.
    const FAR: f64 = 3e-7;

    fn far(got: &Tensor, expected: &Tensor, sizes: &Tensor) -> f64 {
        ((got.to_kind(Kind::Double) - expected).abs() / sizes).max().double_value(&[])
    }

    fn skipped() -> bool {
        let skips = !have_a_unit();
        if skips {
            eprintln!("skipped: this processor has no matrix unit");
        }
        skips
    }

    #[test]
    fn products_are_the_true_ones_however_the_factors_lie() {
        if skipped() {
            return;
        }
        // Rows, depth and columns that fill panels and steps or do not, and depth that is summed in parts.
        for (rows, depth, columns) in [
            (192, 48, 48),
            (192, 64, 64),
            (193, 49, 70),
            (250, 100, 33 + 32),
            (400, 1700, 96),
            (700, 768, 50),
        ] {
            let (a, b) = (numbers(&[rows, depth], 0.1), numbers(&[depth, columns], 0.2));
            // As if the smallest were all that matters somewhere.
            let a = a * numbers(&[rows, 1], 0.3).abs() * 1e4;
            let (a, b) = (a.to_kind(FLOAT), b.to_kind(FLOAT));
            let (exact_a, exact_b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
            let (expected, sizes) =
                (exact_a.matmul(&exact_b), exact_a.abs().matmul(&exact_b.abs()));
            let lying = |x: &Tensor| x.tr().contiguous().tr();
            let every_other = |x: &Tensor| Tensor::stack(&[x, &(x * 0.0)], 2).select(2, 0);
            let mut seen: Vec<Tensor> = Vec::new();
            for a in [a.shallow_clone(), lying(&a), every_other(&a)] {
                for b in [b.shallow_clone(), lying(&b), every_other(&b)] {
                    for threads in [1, 3] {
                        let got = spread_over(threads, || multiply(&a, &b));
                        assert!(far(&got, &expected, &sizes) < FAR, "{rows} {depth} {columns}");
                        seen.push(got);
                    }
                }
            }
            assert!(seen.iter().all(|it| *it == seen[0]), "the same bits, however they lie");
            let start = numbers(&[rows, columns], 0.5).to_kind(FLOAT);
            let mut sum = start.copy();
            add(&mut sum, &a, &b);
            let off = far(&sum, &(start.to_kind(Kind::Double) + expected), &(sizes + start.abs()));
            assert!(off < FAR, "{off}");
        }
    }

    #[test]
    fn a_linear_layer_and_its_way_back_are_libtorchs() {
        if skipped() {
            return;
        }
        for (in_features, out_features, biased) in [(64, 96, true), (50, 200, false)] {
            let shape = [3, 70, in_features];
            let [x, weight, bias, dy] = [
                numbers(&shape, 0.1),
                numbers(&[out_features, in_features], 0.2),
                numbers(&[out_features], 0.3),
                numbers(&[3, 70, out_features], 0.4),
            ];
            let way_back = |kind, linear: &dyn Fn(&Tensor, &Tensor, Option<&Tensor>) -> Tensor| {
                let leaf = |x: &Tensor| x.to_kind(kind).detach().set_requires_grad(true);
                let [x, weight, bias] = [&x, &weight, &bias].map(leaf);
                let y = linear(&x, &weight, biased.then_some(&bias));
                (&y * dy.to_kind(kind)).sum(kind).backward();
                let mut all = vec![y.detach(), x.grad(), weight.grad()];
                all.extend(biased.then(|| bias.grad()));
                all
            };
            let expected = way_back(Kind::Double, &|x, weight, bias| x.linear(weight, bias));
            let got = way_back(FLOAT, &linear);
            for (got, expected) in got.iter().zip(&expected) {
                assert_eq!(got.size(), expected.size());
                assert!(far(got, expected, &Tensor::from(10.0)) < 1e-6);
            }
            // Of a frozen matrix none is made.
            let x = x.to_kind(FLOAT).set_requires_grad(true);
            linear(&x, &weight.to_kind(FLOAT), None).sum(FLOAT).backward();
            assert!(x.grad().defined());
        }
    }

    #[test]
    fn what_is_no_finite_number_spoils_its_row_and_no_other() {
        if skipped() {
            return;
        }
        let (a, b) =
            (numbers(&[200, 70], 0.1).to_kind(FLOAT), numbers(&[70, 64], 0.2).to_kind(FLOAT));
        let before = multiply(&a, &b);
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let spoilt = a.copy();
            let _ = spoilt.get(37).narrow(0, 69, 1).fill_(bad);
            let got = multiply(&spoilt, &b);
            assert!(!bool::try_from(got.get(37).isfinite().any()).unwrap(), "{bad}");
            for (first, count) in [(0, 37), (38, 162)] {
                assert_eq!(got.narrow(0, first, count), before.narrow(0, first, count), "{bad}");
            }
        }
    }

    /// A row's numbers must not depend on its neighbours, or a score would on its batch.
    #[test]
    fn a_row_is_the_same_whatever_the_others_are() {
        if skipped() {
            return;
        }
        let (a, b) =
            (numbers(&[600, 300], 0.1).to_kind(FLOAT), numbers(&[300, 64], 0.2).to_kind(FLOAT));
        let all = multiply(&a, &b);
        for (first, count) in [(0, 192), (37, 333), (250, 350)] {
            let some = multiply(&a.narrow(0, first, count), &b);
            assert_eq!(some, all.narrow(0, first, count));
        }
    }
}
