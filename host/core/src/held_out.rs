//! What the course of the held-out loss decides: which weights are the best, and when waiting for
//! better ones has been long enough. Pure.

use crate::record::Evaluation;

/// The evaluation of the lowest loss, the earliest of equals.
///
/// ```
/// use iterit_core::held_out::best;
/// use iterit_core::record::Evaluation;
/// let at = |step, loss| Evaluation { step, epoch: 0, loss };
/// let course = [at(10, 2.0), at(20, 1.5), at(30, 1.5)];
/// assert_eq!(best(&course).map(|it| it.step), Some(20));
/// ```
pub fn best(evaluations: &[Evaluation]) -> Option<&Evaluation> {
    // `min_by` gives the first of equals.
    evaluations.iter().min_by(|a, b| a.loss.total_cmp(&b.loss))
}

/// How many evaluations in a row, up to the last, have not been lower than the best before them.
pub fn without_improvement(evaluations: &[Evaluation]) -> u64 {
    let is_later = |best: &Evaluation| evaluations.iter().filter(|it| it.step > best.step).count();
    best(evaluations).map_or(0, is_later) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_only_as_low_is_no_improvement() {
        let count = |losses: &[f64]| {
            let numbered = (1..).zip(losses);
            let course: Vec<Evaluation> =
                numbered.map(|(step, &loss)| Evaluation { step, epoch: 0, loss }).collect();
            without_improvement(&course)
        };
        assert_eq!(count(&[]), 0);
        assert_eq!(count(&[3.0, 2.0, 1.0]), 0);
        assert_eq!(count(&[3.0, 2.0, 2.0, 2.5]), 2);
    }
}
