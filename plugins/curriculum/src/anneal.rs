//! How a budget changes over a run: pure arithmetic.
//!
//! With b the budget that `selection.ratio` asks for and x the part of the run that is over, from 0
//! before the first epoch to 1 before the last:
//!
//! ```text
//! budget(x) = b · (start + (end − start) · s(x))      linear: s(x) = x
//!                                                     cosine: s(x) = (1 − cos πx) / 2
//! ```

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The course from the first budget to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// The same step every epoch.
    #[default]
    Linear,
    /// Slow at both ends.
    Cosine,
}

/// The budget of every epoch: `start` and `end` times `budget` in the first and the last, rounded,
/// at least 1 and at most `num_samples`. A single epoch has that of `start`.
///
/// ```
/// use iterit_plugin_curriculum::anneal::{Shape, budgets};
/// assert_eq!(budgets(Shape::Linear, 2.0, 0.5, 100, 4, 1000), [200, 150, 100, 50]);
/// ```
pub fn budgets(
    shape: Shape,
    start: f64,
    end: f64,
    budget: u64,
    epochs: u32,
    num_samples: u64,
) -> Vec<u64> {
    let last = f64::from(epochs.saturating_sub(1).max(1));
    let budget_of = |epoch: u32| {
        let factor = start + (end - start) * progress(shape, f64::from(epoch) / last);
        ((budget as f64 * factor).round() as u64).clamp(1, num_samples.max(1))
    };
    (0..epochs).map(budget_of).collect()
}

fn progress(shape: Shape, over: f64) -> f64 {
    match shape {
        Shape::Linear => over,
        Shape::Cosine => 0.5 * (1.0 - (PI * over).cos()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shape: Shape, ends: (f64, f64), epochs: u32, expected: &[u64]) {
        let found = budgets(shape, ends.0, ends.1, 100, epochs, 250);
        assert_eq!(found, expected, "{shape:?} {ends:?} over {epochs}");
    }

    #[test]
    fn budgets_run_from_start_to_end() {
        check(Shape::Linear, (1.0, 1.0), 3, &[100, 100, 100]);
        check(Shape::Linear, (0.5, 2.0), 4, &[50, 100, 150, 200]);
        // (1 − cos(π/4)) / 2 = 0.146447, (1 − cos(3π/4)) / 2 = 0.853553
        check(Shape::Cosine, (2.0, 1.0), 5, &[200, 185, 150, 115, 100]);
        check(Shape::Cosine, (2.0, 1.0), 1, &[200]);
        check(Shape::Linear, (2.0, 1.0), 0, &[]);
        check(Shape::Linear, (4.0, 0.001), 2, &[250, 1]);
    }
}
