//! Farthest-first traversal, the greedy 2-approximation of k-center (Gonzalez 1985), as core-set
//! selection uses it (Sener and Savarese, arXiv 1708.00489).
//!
//! With S what is picked and d the Euclidean distance of unit vectors:
//!
//! ```text
//! gain(i) = min_{s in S} d(i, s)          2, the largest distance there is, while S is empty
//! ```

use crate::vectors::{UnitVectors, distance};
use std::sync::Mutex;

/// The distance of every vector to the nearest pick, brought up to date only when asked for.
#[derive(Debug, Default)]
pub struct KCenter {
    vectors: UnitVectors,
    picks: Vec<usize>,
    nearest: Vec<Mutex<Nearest>>,
}

#[derive(Debug)]
struct Nearest {
    distance: f64,
    /// How many of the picks the distance takes into account.
    picks: usize,
}

impl KCenter {
    /// Nothing picked yet.
    pub fn new(vectors: UnitVectors) -> Self {
        let far = || Mutex::new(Nearest { distance: 2.0, picks: 0 });
        let nearest = (0..vectors.len()).map(|_| far()).collect();
        Self { vectors, picks: Vec::new(), nearest }
    }

    /// The distance to the nearest pick.
    pub fn gain(&self, candidate: usize) -> f64 {
        let mut nearest = self.nearest[candidate].lock().expect("no thread panics while it looks");
        for &pick in &self.picks[nearest.picks..] {
            let to_pick = distance(self.vectors.get(candidate), self.vectors.get(pick));
            nearest.distance = nearest.distance.min(to_pick);
        }
        nearest.picks = self.picks.len();
        nearest.distance
    }

    /// Makes a candidate a center.
    pub fn pick(&mut self, candidate: usize) {
        self.picks.push(candidate);
    }
}
