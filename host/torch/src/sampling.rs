//! One token out of the logits of all: pᵢ ∝ exp(zᵢ / t), cut to the fewest tokens that together reach
//! `top_p` (Holtzman et al. 2020, <https://arxiv.org/abs/1904.09751>), in the order in which transformers
//! does it: temperature first. Numbers in, a number out: pure.

/// The token at which the cumulative distribution, likeliest first, passes `u`, which lies in [0, 1). Of
/// equally likely tokens the first comes first.
pub(crate) fn nucleus(logits: &[f32], temperature: f64, top_p: f64, u: f64) -> u32 {
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let logit = |token: u32| f64::from(logits[token as usize]);
    order.sort_by(|&a, &b| logit(b).total_cmp(&logit(a)).then(a.cmp(&b)));
    let largest = logit(order[0]);
    let weight = |token: u32| ((logit(token) - largest) / temperature).exp();
    let total: f64 = order.iter().map(|&token| weight(token)).sum();
    let mut kept = 0.0;
    let mut num_kept = 0;
    for &token in &order {
        if num_kept > 0 && kept >= top_p * total {
            break;
        }
        kept += weight(token);
        num_kept += 1;
    }
    let mut passed = 0.0;
    let drawn = order[..num_kept].iter().find(|&&token| {
        passed += weight(token);
        passed > u * kept
    });
    *drawn.unwrap_or(&order[num_kept - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each of four tokens is drawn at a thousand evenly spread places.
    fn drawn(logits: &[f32; 4], temperature: f64, top_p: f64) -> [usize; 4] {
        let mut counts = [0; 4];
        for i in 0..1000 {
            counts[nucleus(logits, temperature, top_p, (f64::from(i) + 0.5) / 1000.0) as usize] +=
                1;
        }
        counts
    }

    #[test]
    fn tokens_come_as_often_as_they_are_likely() {
        // exp: 1, 4, 2, 1 of 8.
        let logits = [1f32, 4.0, 2.0, 1.0].map(f32::ln);
        assert_eq!(drawn(&logits, 1.0, 1.0), [125, 500, 250, 125]);
        // exp(z / ½) is the square: 1, 16, 4, 1 of 22.
        assert_eq!(drawn(&logits, 0.5, 1.0), [46, 727, 182, 45]);
        // 4 of 8 are not 0.6, 6 of 8 are.
        assert_eq!(drawn(&logits, 1.0, 0.6), [0, 667, 333, 0]);
        assert_eq!(drawn(&logits, 1.0, 0.0), [0, 1000, 0, 0]);
        assert_eq!(drawn(&logits, 1e-9, 1.0), [0, 1000, 0, 0]);
    }
}
