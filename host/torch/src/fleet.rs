//! Several ranks on one machine that answer as one model would: rank 0 asks, every rank runs its share.
//!
//! Batches are formed as on one device and dealt out whole, so an answer is to the byte that of one rank
//! where each rank has one thread. Every rank answers with −0 where it was not asked, so the sum of all
//! answers is each number as its owner found it: −0 + x is x for every x. Training is not dealt out yet,
//! and no command starts ranks yet.

mod request;

use crate::learner::TorchLearner;
use crate::share::Share;
use crate::shim::{ProcessGroup, Store};
use iterit_core::learner::{Sequence, Unwatched, Watch};
use iterit_core::sdk::{Embedding, LogitStatistics, Matrix};
use iterit_core::{Error, Result};
use request::Request;
use std::time::Duration;
use tch::Tensor;

/// Where the ranks of one machine meet.
pub struct Rendezvous {
    store: Store,
    limit: Duration,
}

/// The address that the ranks of one machine reach each other by.
const LOOPBACK: &str = "127.0.0.1";

impl Rendezvous {
    /// For rank 0. Nobody waits for another longer than the limit, also not for the next question.
    ///
    /// # Errors
    /// No port is free.
    pub fn host(limit: Duration) -> Result<Self> {
        Ok(Self { store: Store::host(LOOPBACK, limit)?, limit })
    }

    /// For the others.
    ///
    /// # Errors
    /// Nobody hosts one at this port within the limit.
    pub fn find(port: u16, limit: Duration) -> Result<Self> {
        Ok(Self { store: Store::find(LOOPBACK, port, limit)?, limit })
    }

    /// Where the others find it.
    pub fn port(&self) -> u16 {
        self.store.port()
    }

    fn join(&self, rank: usize, size: usize) -> Result<ProcessGroup> {
        ProcessGroup::join(&self.store, LOOPBACK, [rank, size], self.limit).map_err(|error| {
            Error::Model(format!("rank {rank} of {size} waited for the others: {error}"))
        })
    }
}

/// All ranks, as rank 0 sees them. When it goes the others are told to end.
pub struct Fleet {
    own: TorchLearner,
    group: ProcessGroup,
    /// Whether all wait for the same thing; after a fault of the wire nobody can know.
    is_in_step: bool,
}

impl Fleet {
    /// Waits for all ranks, each of which has to [`serve`] the same model.
    ///
    /// # Errors
    /// One that does not come within the limit.
    pub fn join(own: TorchLearner, at: &Rendezvous, size: usize) -> Result<Self> {
        let group = at.join(0, size)?;
        Ok(Self { own: own.with_share(Share { rank: 0, size }), group, is_in_step: true })
    }

    /// As [`Learner::token_nll`](iterit_core::learner::Learner::token_nll).
    ///
    /// # Errors
    /// Those of one model, on whichever rank; a rank that is gone, or does not answer within the limit.
    pub fn token_nll(
        &mut self,
        sequences: &[Sequence],
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<f32>>> {
        let numbers = self.ask(&Request::TokenNll(sequences.to_vec()), watch)?;
        let mut numbers = numbers.into_iter().map(|it| it as f32);
        let row = |it: &Sequence| numbers.by_ref().take(it.scored.len()).collect();
        Ok(sequences.iter().map(row).collect())
    }

    /// As [`Learner::logit_statistics`](iterit_core::learner::Learner::logit_statistics).
    ///
    /// # Errors
    /// As [`token_nll`](Self::token_nll).
    pub fn logit_statistics(
        &mut self,
        sequences: &[Sequence],
        watch: &dyn Watch,
    ) -> Result<Vec<LogitStatistics>> {
        let numbers = self.ask(&Request::LogitStatistics(sequences.to_vec()), watch)?;
        let mean = |value: f64, tokens: f64| if tokens == 0.0 { f64::NAN } else { value };
        let one = |it: &[f64]| LogitStatistics {
            entropy: mean(it[0], it[2]),
            margin: mean(it[1], it[2]),
            tokens: it[2] as u32,
        };
        Ok(numbers.chunks(3).map(one).collect())
    }

    /// As [`Learner::embeddings`](iterit_core::learner::Learner::embeddings).
    ///
    /// # Errors
    /// As [`token_nll`](Self::token_nll).
    pub fn embeddings(
        &mut self,
        sequences: &[Sequence],
        embedding: Embedding,
        watch: &dyn Watch,
    ) -> Result<Matrix> {
        let numbers = self.ask(&Request::Embeddings(sequences.to_vec(), embedding), watch)?;
        let numbers: Vec<f32> = numbers.into_iter().map(|it| it as f32).collect();
        let columns = numbers.len().checked_div(sequences.len()).unwrap_or(0);
        Matrix::new(numbers, columns).map_err(|error| Error::Model(error.to_string()))
    }

    fn ask(&mut self, request: &Request, watch: &dyn Watch) -> Result<Vec<f64>> {
        if !self.is_in_step {
            return Err(Error::Model("a rank was lost, so the others cannot be asked".into()));
        }
        let mut asked = || {
            request.send(&self.group)?;
            let own = answer(&mut self.own, request, watch);
            together(&self.group, own)
        };
        let outcome = asked();
        // The hands end on a fault too.
        self.is_in_step = outcome.is_ok();
        outcome
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.is_in_step {
            // A rank that is gone needs not be told.
            let _ = Request::End.send(&self.group);
        }
    }
}

/// A rank other than 0: answers its share until rank 0 is done.
///
/// # Errors
/// Its own; another rank's; that rank 0 is gone or asks nothing within the limit.
pub fn serve(own: TorchLearner, at: &Rendezvous, rank: usize, size: usize) -> Result<()> {
    let group = at.join(rank, size)?;
    let mut own = own.with_share(Share { rank, size });
    loop {
        let request = Request::receive(&group).map_err(|error| lost(rank, "a question", error))?;
        if request == Request::End {
            return Ok(());
        }
        let answer = answer(&mut own, &request, &Unwatched);
        together(&group, answer)?;
    }
}

/// A rank's share of the answer, −0 everywhere else.
fn answer(own: &mut TorchLearner, request: &Request, watch: &dyn Watch) -> Result<Vec<f64>> {
    use iterit_core::learner::Learner;
    Ok(match request {
        Request::End => Vec::new(),
        Request::TokenNll(sequences) => {
            own.token_nll(sequences, watch)?.concat().into_iter().map(f64::from).collect()
        }
        Request::LogitStatistics(sequences) => {
            let row = |it: LogitStatistics| match it.tokens {
                0 => [-0.0; 3],
                tokens => [it.entropy, it.margin, f64::from(tokens)],
            };
            own.logit_statistics(sequences, watch)?.into_iter().flat_map(row).collect()
        }
        Request::Embeddings(sequences, embedding) => {
            let rows = own.embeddings(sequences, *embedding, watch)?;
            rows.into_values().into_iter().map(f64::from).collect()
        }
    })
}

/// What all found together, once all have said whether they found anything.
fn together(group: &ProcessGroup, own: Result<Vec<f64>>) -> Result<Vec<f64>> {
    let (rank, size) = (group.rank, group.size);
    let mut failed = vec![0i64; size];
    failed[rank] = i64::from(own.is_err());
    let mut failed = Tensor::from_slice(&failed);
    group.sum(&mut failed).map_err(|error| lost(rank, "answers", error))?;
    let numbers = own?;
    let failed: Vec<i64> = Vec::try_from(failed).expect("a flat tensor of i64");
    if let Some(other) = failed.iter().position(|&it| it > 0) {
        return Err(Error::Model(format!(
            "rank {other} of {size} could not answer\nhint: it says why itself"
        )));
    }
    if numbers.is_empty() {
        return Ok(numbers);
    }
    let mut numbers = Tensor::from_slice(&numbers);
    group.sum(&mut numbers).map_err(|error| lost(rank, "answers", error))?;
    Ok(Vec::try_from(numbers).expect("a flat tensor of f64"))
}

fn lost(rank: usize, awaited: &str, error: Error) -> Error {
    Error::Model(format!("rank {rank} waited for {awaited} of another rank: {error}"))
}

#[cfg(test)]
mod tests;
