//! The pick: argmax of value(i) = complexity(i) × gain(i), over and over, until the budget is met.
//!
//! Where gains never rise, a gain computed earlier is an upper bound of the gain now. Minoux's lazy
//! greedy (1978) keeps such bounds in a heap and recomputes only the one on top, so it finds the
//! exact answer of the naive greedy, ties included, with a fraction of the gains.

use crate::{Error, Result, SampleId};
use iterit_sdk::{DiversityScorer, check};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// A sample that may be picked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Which sample.
    pub id: SampleId,
    /// Its complexity score: finite, 0 or more.
    pub complexity: f64,
}

/// How much is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget<'a> {
    /// Up to so many samples.
    Samples(usize),
    /// As long as all that is picked has no more than so many tokens; the first that would not fit
    /// ends the pick.
    Tokens {
        /// How many.
        most: u64,
        /// By candidate, how many it has.
        of: &'a [u64],
    },
}

/// What decides between candidates that add nothing, all of which have the value 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ties {
    /// The complexity score, then the order of the input.
    #[default]
    Complexity,
    /// The order of the input, as the published program has it.
    Input,
}

/// What was picked, in pick order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Picks {
    /// Indices into the candidates.
    pub candidates: Vec<usize>,
    /// complexity × gain at the pick.
    pub values: Vec<f64>,
    /// The gain at the pick.
    pub gains: Vec<f64>,
}

/// Picks of `candidates` what the budget allows; of equal values the earliest candidate wins, but of
/// values of 0 the one that `ties` prefers.
///
/// `diversity` must have been told the candidates, in this order, by `begin`. `proceed` is asked
/// before every pick and ends the work by an error.
pub fn pick(
    budget: Budget<'_>,
    ties: Ties,
    candidates: &[Candidate],
    diversity: &mut dyn DiversityScorer,
    proceed: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Picks, PickError> {
    if diversity.gains_never_rise() {
        pick_lazily(budget, ties, candidates, diversity, proceed)
    } else {
        pick_naively(budget, ties, candidates, diversity, proceed)
    }
}

/// Without a diversity scorer every gain is 1: the largest complexity scores win.
pub fn pick_by_complexity(mut budget: Budget<'_>, candidates: &[Candidate]) -> Picks {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|&a, &b| candidates[b].complexity.total_cmp(&candidates[a].complexity));
    let allowed = order.iter().take_while(|&&candidate| budget.take(candidate)).count();
    order.truncate(allowed);
    let values = order.iter().map(|&candidate| candidates[candidate].complexity).collect();
    Picks { gains: vec![1.0; order.len()], values, candidates: order }
}

/// Who made the pick fail.
#[derive(Debug)]
pub enum PickError {
    /// The diversity scorer, at this call.
    Diversity(&'static str, iterit_sdk::Error),
    /// The host: cancelled, say.
    Host(Error),
}

impl From<Error> for PickError {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

fn at(call: &'static str) -> impl FnOnce(iterit_sdk::Error) -> PickError {
    move |error| PickError::Diversity(call, error)
}

impl Budget<'_> {
    /// Whether the candidate still fits; if so, it is paid for.
    fn take(&mut self, candidate: usize) -> bool {
        let paid = match self {
            Self::Samples(left) => left.checked_sub(1).map(|rest| *left = rest),
            Self::Tokens { most, of } => most.checked_sub(of[candidate]).map(|rest| *most = rest),
        };
        paid.is_some()
    }
}

fn pick_lazily(
    mut budget: Budget<'_>,
    ties: Ties,
    candidates: &[Candidate],
    diversity: &mut dyn DiversityScorer,
    proceed: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Picks, PickError> {
    let gains = all_gains(diversity, candidates)?;
    let bound = |candidate: u32, gain: f64, picks: usize| Bound {
        rank: ties.rank(candidates[candidate as usize], gain),
        gain,
        candidate,
        picks: picks as u32,
    };
    let mut heap: BinaryHeap<Bound> =
        (0..).zip(&gains).map(|(candidate, &gain)| bound(candidate, gain, 0)).collect();
    drop(gains);
    let mut picks = Picks::default();
    while let Some(mut top) = heap.peek_mut() {
        let (candidate, num_picks) = (top.candidate as usize, picks.candidates.len());
        if top.picks as usize == num_picks {
            if !budget.take(candidate) {
                break;
            }
            let gain = PeekMut::pop(top).gain;
            proceed(num_picks)?;
            diversity.pick(candidate).map_err(at("pick"))?;
            picks.push(candidate, candidates[candidate].complexity * gain, gain);
        } else {
            let gain = checked_gain(diversity, candidates, candidate)?;
            // It sinks to its new place once the borrow ends.
            *top = bound(top.candidate, gain, num_picks);
        }
    }
    Ok(picks)
}

fn pick_naively(
    mut budget: Budget<'_>,
    ties: Ties,
    candidates: &[Candidate],
    diversity: &mut dyn DiversityScorer,
    proceed: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Picks, PickError> {
    let mut open: Vec<u32> = (0..candidates.len() as u32).collect();
    let mut gains = vec![0.0; open.len()];
    let mut picks = Picks::default();
    while !open.is_empty() && budget != Budget::Samples(0) {
        proceed(picks.candidates.len())?;
        gains.truncate(open.len());
        diversity.gains(&open, &mut gains).map_err(at("gains"))?;
        let mut best = 0;
        for (place, &candidate) in open.iter().enumerate() {
            check::gain(candidates[candidate as usize].id, gains[place]).map_err(at("gains"))?;
            let rank = |place: usize| ties.rank(candidates[open[place] as usize], gains[place]);
            if rank(place) > rank(best) {
                best = place;
            }
        }
        if !budget.take(open[best] as usize) {
            break;
        }
        // `remove` keeps the order, on which ties depend.
        let candidate = open.remove(best) as usize;
        diversity.pick(candidate).map_err(at("pick"))?;
        picks.push(candidate, candidates[candidate].complexity * gains[best], gains[best]);
    }
    Ok(picks)
}

impl Picks {
    fn push(&mut self, candidate: usize, value: f64, gain: f64) {
        self.candidates.push(candidate);
        self.values.push(value);
        self.gains.push(gain);
    }
}

impl Ties {
    /// What candidates are compared by: products, which are not negative, by their bits; below them all, where a product
    /// is 0, what decides then.
    fn rank(self, candidate: Candidate, gain: f64) -> i64 {
        let product = candidate.complexity * gain;
        if product > 0.0 {
            return product.to_bits().cast_signed();
        }
        match self {
            // The same bits for -0.
            Self::Complexity => i64::MIN + (candidate.complexity + 0.0).to_bits().cast_signed(),
            Self::Input => i64::MIN,
        }
    }
}

/// The rank of a candidate as it stood after `picks` picks: exact if that is now, else a bound.
struct Bound {
    rank: i64,
    gain: f64,
    candidate: u32,
    picks: u32,
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.cmp(&other.rank).then(other.candidate.cmp(&self.candidate))
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Bound {}

fn all_gains(
    diversity: &dyn DiversityScorer,
    candidates: &[Candidate],
) -> Result<Vec<f64>, PickError> {
    let places: Vec<u32> = (0..candidates.len() as u32).collect();
    let mut gains = vec![0.0; candidates.len()];
    diversity.gains(&places, &mut gains).map_err(at("gains"))?;
    for (candidate, &gain) in candidates.iter().zip(&gains) {
        check::gain(candidate.id, gain).map_err(at("gains"))?;
    }
    Ok(gains)
}

fn checked_gain(
    diversity: &dyn DiversityScorer,
    candidates: &[Candidate],
    place: usize,
) -> Result<f64, PickError> {
    let gain = diversity.gain(place).map_err(at("gain"))?;
    check::gain(candidates[place].id, gain).map_err(at("gain"))?;
    Ok(gain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iterit_sdk::{Host, SampleId};

    /// Candidates hold words; a gain counts the weights of their words, halved by every earlier
    /// pick that had the word.
    struct Words {
        candidates: Vec<Vec<usize>>,
        weights: Vec<f64>,
        lazy: Lazy,
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Lazy {
        Declared,
        NotDeclared,
    }

    impl DiversityScorer for Words {
        fn begin(&mut self, _: &Host<'_>, _: &[SampleId]) -> iterit_sdk::Result<()> {
            Ok(())
        }
        fn gain(&self, candidate: usize) -> iterit_sdk::Result<f64> {
            Ok(self.candidates[candidate].iter().map(|&word| self.weights[word]).sum())
        }
        fn pick(&mut self, candidate: usize) -> iterit_sdk::Result<()> {
            for &word in &self.candidates[candidate] {
                self.weights[word] *= 0.5;
            }
            Ok(())
        }
        fn gains_never_rise(&self) -> bool {
            self.lazy == Lazy::Declared
        }
    }

    fn words(lazy: Lazy) -> Words {
        let candidates = (0..200usize)
            .map(|i| (0..1 + i % 5).map(|k| (i * 7 + k * 13) % 31).collect())
            .collect();
        Words { candidates, weights: vec![1.0; 31], lazy }
    }

    fn candidates(complexity: impl IntoIterator<Item = f64>) -> Vec<Candidate> {
        (0..).zip(complexity).map(|(id, complexity)| Candidate { id, complexity }).collect()
    }

    #[test]
    fn lazy_and_naive_agree_ties_included() {
        let all = candidates((0..200).map(|i| f64::from(i % 4) * 0.25));
        for budget in [0, 1, 17, 200, 500] {
            let budget_of = Budget::Samples(budget);
            for ties in [Ties::Complexity, Ties::Input] {
                let by = |lazy| pick(budget_of, ties, &all, &mut words(lazy), &mut |_| Ok(()));
                let (lazy, naive) = (by(Lazy::Declared).unwrap(), by(Lazy::NotDeclared).unwrap());
                assert_eq!(lazy, naive);
                assert_eq!(lazy.candidates.len(), budget.min(200));
            }
        }
    }

    #[test]
    fn a_budget_of_tokens_ends_with_what_does_not_fit() {
        let all = candidates([0.5, 0.9, 0.7, 0.8]);
        let of = [5, 10, 1, 20];
        let picked = |most| pick_by_complexity(Budget::Tokens { most, of: &of }, &all).candidates;
        assert_eq!((picked(9), picked(29), picked(30)), (vec![], vec![1], vec![1, 3]));
        assert_eq!(picked(36), [1, 3, 2, 0]);
        let all = candidates((0..200).map(|i| f64::from(i % 4) * 0.25));
        let of: Vec<u64> = (0..200).map(|i| 1 + i % 7).collect();
        let by = |lazy| {
            let budget = Budget::Tokens { most: 100, of: &of };
            pick(budget, Ties::default(), &all, &mut words(lazy), &mut |_| Ok(())).unwrap()
        };
        let (lazy, naive) = (by(Lazy::Declared), by(Lazy::NotDeclared));
        let spent: u64 = lazy.candidates.iter().map(|&candidate| of[candidate]).sum();
        assert!(lazy == naive && (94..=100).contains(&spent), "{spent}");
    }

    #[test]
    fn without_diversity_the_largest_score_wins_and_ties_go_to_the_earliest() {
        let picks = pick_by_complexity(Budget::Samples(3), &candidates([0.5, 0.9, 0.5, 0.9]));
        assert_eq!(picks.candidates, [1, 3, 0]);
        assert_eq!(picks.values, [0.9, 0.9, 0.5]);
    }

    #[test]
    fn of_candidates_that_add_nothing_the_most_complex_is_next() {
        let all = candidates([0.2, 0.9, 0.0, 0.9, 0.5]);
        for lazy in [Lazy::Declared, Lazy::NotDeclared] {
            let mut nothing = Words { candidates: vec![vec![]; 5], weights: vec![], lazy };
            let mut by =
                |ties| pick(Budget::Samples(5), ties, &all, &mut nothing, &mut |_| Ok(())).unwrap();
            assert_eq!(by(Ties::Complexity).candidates, [1, 3, 4, 0, 2]);
            assert_eq!(by(Ties::Input).candidates, [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn a_gain_that_is_no_number_is_refused() {
        let mut bad = words(Lazy::Declared);
        bad.weights[0] = f64::NAN;
        let all = candidates([1.0; 200]);
        let error =
            pick(Budget::Samples(1), Ties::default(), &all, &mut bad, &mut |_| Ok(())).unwrap_err();
        assert!(
            matches!(error, PickError::Diversity(_, error) if error.message().contains("is NaN"))
        );
    }
}
