//! What the tokens of a batch see: of the tokens that stand before every row and of their own row, those
//! up to themselves and within a window. It alone decides which mask, if any, attention needs.
//!
//! T tokens a row, P tokens of a prefix before every row.

use std::cell::OnceCell;
use tch::{Device, Kind, Tensor};

/// Causal ∩ window ∩ prefix.
pub(crate) struct View {
    prefix: i64,
    length: i64,
    /// How many tokens one sees, itself included.
    window: Option<i64>,
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
        // A window as long as all there is hides nothing.
        let window = window.filter(|&window| window < prefix + length).map(|window| window as i64);
        Self {
            prefix: prefix as i64,
            length: length as i64,
            window,
            options,
            mask: OnceCell::new(),
        }
    }

    /// Whether every token sees all of its row up to itself and nothing else, which kernels know how to
    /// do without a mask.
    pub(crate) fn is_causal(&self) -> bool {
        self.prefix == 0 && self.window.is_none()
    }

    /// Added to the scores of query t for key s, which counts from the first token of the prefix: 0
    /// where P + t − window < s ≤ P + t, −∞ elsewhere. // [1, 1, T, P + T]
    pub(crate) fn mask(&self) -> &Tensor {
        self.mask.get_or_init(|| {
            let (kind, device) = self.options;
            let size = [self.length, self.prefix + self.length];
            let ones = Tensor::ones(size, (Kind::Bool, device));
            let mut hidden = ones.triu(self.prefix + 1);
            if let Some(window) = self.window {
                hidden = hidden.logical_or(&ones.tril(self.prefix - window));
            }
            let hidden = hidden.view([1, 1, size[0], size[1]]);
            Tensor::zeros([1], (kind, device)).masked_fill(&hidden, f64::NEG_INFINITY)
        })
    }
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
