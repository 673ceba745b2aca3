//! Facility location: picks that every candidate has a similar one among (Lin and Bilmes, ACL 2011).
//!
//! With V the candidates, S what is picked, sim the cosine where it is positive and else 0:
//!
//! ```text
//! f(S)    = Σ_{j in V} max_{s in S} sim(j, s)
//! gain(i) = f(S + i) − f(S) = Σ_{j in V} max(0, sim(j, i) − max_{s in S} sim(j, s))
//! ```

use crate::vectors::{UnitVectors, cosine};
use crossbeam::thread;
use iterit_sdk::{Host, Result};

/// Candidates that one thread weighs before the host is asked whether to go on.
const CANDIDATES_AT_ONCE: usize = 64;

/// How well each candidate is represented so far.
#[derive(Debug, Default)]
pub struct FacilityLocation {
    vectors: UnitVectors,
    /// max_{s in S} sim(j, s) for each j; 0 while S is empty.
    represented: Vec<f64>,
    /// The gains while S is empty, which are asked for all at once.
    first_gains: Vec<f64>,
    picks: usize,
}

impl FacilityLocation {
    /// Nothing picked yet. Compares all pairs of vectors, in threads of the host's number.
    pub fn new(host: &Host<'_>, vectors: UnitVectors) -> Result<Self> {
        let represented = vec![0.0; vectors.len()];
        let mut empty = Self { vectors, represented, first_gains: Vec::new(), picks: 0 };
        empty.first_gains = empty.weigh_all(host)?;
        Ok(empty)
    }

    /// How much better the candidates are represented with this one.
    pub fn gain(&self, candidate: usize) -> f64 {
        if self.picks == 0 { self.first_gains[candidate] } else { self.weigh(candidate) }
    }

    /// Lets a candidate represent those it is most similar to.
    pub fn pick(&mut self, candidate: usize) {
        self.picks += 1;
        let picked = self.vectors.get(candidate);
        for (represented, vector) in self.represented.iter_mut().zip(self.vectors.iter()) {
            *represented = represented.max(cosine(vector, picked));
        }
    }

    fn weigh(&self, candidate: usize) -> f64 {
        let new = self.vectors.get(candidate);
        let pairs = self.vectors.iter().zip(&self.represented);
        pairs.map(|(vector, represented)| (cosine(vector, new) - represented).max(0.0)).sum()
    }

    fn weigh_all(&self, host: &Host<'_>) -> Result<Vec<f64>> {
        let candidates: Vec<usize> = (0..self.vectors.len()).collect();
        let weigh_piece = |piece: &[usize]| -> Vec<f64> {
            piece.iter().map(|&candidate| self.weigh(candidate)).collect()
        };
        let mut gains = Vec::with_capacity(candidates.len());
        for round in candidates.chunks(CANDIDATES_AT_ONCE * host.threads().max(1)) {
            host.check_cancelled()?;
            let weighed = thread::scope(|scope| {
                let pieces = round.chunks(CANDIDATES_AT_ONCE);
                let running: Vec<_> =
                    pieces.map(|piece| scope.spawn(move |_| weigh_piece(piece))).collect();
                running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
            });
            gains.extend::<Vec<f64>>(
                weighed.map(|pieces: Vec<_>| pieces.concat()).expect("no panic"),
            );
            host.progress(gains.len() as u64, candidates.len() as u64);
        }
        Ok(gains)
    }
}
