//! How long a number of runs will still take: what was predicted of each, corrected by how well the
//! predictions have held so far. Pure; it is told the time.

use std::time::{Duration, Instant};

/// Some runs, a number of them at a time.
#[derive(Debug, Clone)]
pub(super) struct Forecast {
    runs: Vec<(f64, State)>,
    jobs: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Waiting,
    Running(Instant),
    Done(Duration),
}

impl Forecast {
    /// `predicted` are seconds, a run each.
    pub(super) fn new(predicted: &[f64], jobs: usize) -> Self {
        let runs = predicted.iter().map(|&seconds| (seconds.max(1e-3), State::Waiting)).collect();
        Self { runs, jobs }
    }

    pub(super) fn begin(&mut self, run: usize, now: Instant) {
        self.runs[run].1 = State::Running(now);
    }

    /// What the run took.
    pub(super) fn end(&mut self, run: usize, now: Instant) -> Duration {
        let took = match self.runs[run].1 {
            State::Running(begun) => now.duration_since(begun),
            State::Done(took) => took,
            State::Waiting => Duration::ZERO,
        };
        self.runs[run].1 = State::Done(took);
        took
    }

    /// Seconds until all are done.
    pub(super) fn seconds_left(&self, now: Instant) -> f64 {
        let (mut predicted, mut taken) = (0.0, 0.0);
        for (seconds, state) in &self.runs {
            if let State::Done(took) = state {
                predicted += seconds;
                taken += took.as_secs_f64();
            }
        }
        let slowness = if predicted > 0.0 { taken / predicted } else { 1.0 };
        let left = self.runs.iter().map(|(seconds, state)| match state {
            State::Waiting => seconds * slowness,
            State::Running(begun) => {
                (seconds * slowness - now.duration_since(*begun).as_secs_f64()).max(0.0)
            }
            State::Done(_) => 0.0,
        });
        left.sum::<f64>() / self.jobs as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_what_was_seen() {
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut forecast = Forecast::new(&[10.0, 10.0, 40.0], 1);
        assert_eq!(forecast.seconds_left(begun), 60.0);
        forecast.begin(0, begun);
        assert_eq!(forecast.seconds_left(after(4)), 56.0);
        // Twice as slow as predicted.
        assert_eq!(forecast.end(0, after(20)), Duration::from_secs(20));
        assert_eq!(forecast.seconds_left(after(20)), 100.0);
        forecast.begin(1, after(20));
        assert_eq!(forecast.seconds_left(after(50)), 80.0);
        let two = Forecast { jobs: 2, ..forecast };
        assert_eq!(two.seconds_left(after(50)), 40.0);
    }
}
