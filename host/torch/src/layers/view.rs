//! What the tokens of a batch see: of the tokens that stand before every row and of their own row, those
//! up to themselves and within a window. It alone decides which mask, if any, attention needs.
//!
//! T tokens a row, P tokens of a prefix before every row.

use super::flattened::Flattened;
use std::cell::OnceCell;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// Causal ∩ window ∩ prefix.
pub(crate) struct View {
    /// How many tokens one sees, itself included.
    window: Option<i64>,
    tokens: Tokens,
}

/// How the tokens lie.
enum Tokens {
    Rows(Rows),
    Flattened(Rc<Flattened>),
}

/// Beside one another.
struct Rows {
    prefix: i64,
    length: i64,
    options: (Kind, Device),
    mask: OnceCell<Tensor>,
}

impl View {
    /// Of rows of `length` tokens behind `prefix` others.
    pub(crate) fn new(
        prefix: usize,
        length: usize,
        window: Option<usize>,
        options: (Kind, Device),
    ) -> Self {
        let (prefix, length) = (prefix as i64, length as i64);
        let rows = Rows { prefix, length, options, mask: OnceCell::new() };
        Self { window: within(window, prefix + length), tokens: Tokens::Rows(rows) }
    }

    /// Of sequences one behind the other in a single row.
    pub(crate) fn flattened(flattened: Rc<Flattened>, window: Option<usize>) -> Self {
        let window = within(window, flattened.longest_seen());
        Self { window, tokens: Tokens::Flattened(flattened) }
    }

    /// The sequences in a single row and how many tokens one of theirs sees, where they lie so.
    pub(crate) fn as_flattened(&self) -> Option<(&Flattened, Option<i64>)> {
        match &self.tokens {
            Tokens::Rows(_) => None,
            Tokens::Flattened(flattened) => Some((flattened, self.window)),
        }
    }

    /// How many tokens one sees, itself included, where that is bounded.
    pub(crate) fn window(&self) -> Option<i64> {
        self.window
    }

    /// Whether every token sees all of its row up to itself and nothing else, which kernels know how to
    /// do without a mask.
    pub(crate) fn is_causal(&self) -> bool {
        self.rows().prefix == 0 && self.window.is_none()
    }

    /// Added to the scores of query t for key s, which counts from the first token of the prefix: 0
    /// where P + t − window < s ≤ P + t, −∞ elsewhere. // [1, 1, T, P + T]
    pub(crate) fn mask(&self) -> &Tensor {
        let rows = self.rows();
        rows.mask.get_or_init(|| {
            let (kind, device) = rows.options;
            let size = [rows.length, rows.prefix + rows.length];
            let ones = Tensor::ones(size, (Kind::Bool, device));
            let mut hidden = ones.triu(rows.prefix + 1);
            if let Some(window) = self.window {
                hidden = hidden.logical_or(&ones.tril(rows.prefix - window));
            }
            let hidden = hidden.view([1, 1, size[0], size[1]]);
            Tensor::zeros([1], (kind, device)).masked_fill(&hidden, f64::NEG_INFINITY)
        })
    }

    fn rows(&self) -> &Rows {
        match &self.tokens {
            Tokens::Rows(rows) => rows,
            Tokens::Flattened(_) => unreachable!("a single row is cut up by its kernel"),
        }
    }
}

/// A window as long as all there is hides nothing.
fn within(window: Option<usize>, all: i64) -> Option<i64> {
    window.map(|window| window as i64).filter(|&window| window < all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_causal_within_the_window_and_the_prefix() {
        for (prefix, length, window) in [
            (0, 5, None),
            (3, 5, None),
            (0, 5, Some(2)),
            (3, 5, Some(4)),
            (3, 2, Some(1)),
            (3, 2, Some(5)),
        ] {
            let view = View::new(prefix, length, window, (Kind::Float, Device::Cpu));
            for (t, s) in (0..length).flat_map(|t| (0..prefix + length).map(move |s| (t, s))) {
                let at = prefix + t;
                let is_seen = s <= at && window.is_none_or(|window| s + window > at);
                let expected = if is_seen { 0.0 } else { f64::NEG_INFINITY };
                let got = view.mask().double_value(&[0, 0, t as i64, s as i64]);
                assert_eq!(got, expected, "{prefix} {length} {window:?} {t} {s}");
            }
        }
    }

    #[test]
    fn a_mask_is_needed_only_where_something_is_hidden_or_added() {
        let is_causal = |prefix, length, window| {
            View::new(prefix, length, window, (Kind::Float, Device::Cpu)).is_causal()
        };
        assert!(is_causal(0, 5, None) && is_causal(0, 5, Some(5)) && is_causal(0, 5, Some(9)));
        assert!(!is_causal(0, 5, Some(4)) && !is_causal(1, 5, None) && !is_causal(1, 5, Some(9)));
    }
}
