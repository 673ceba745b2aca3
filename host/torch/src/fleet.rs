//! Several ranks that work as one model: rank 0 asks, every rank does its share, and plugins, texts and records are
//! rank 0's alone, so that they cannot drift apart.
//!
//! Batches of a question are formed as on one device and dealt out whole, so an answer is to the byte that of one
//! rank with one thread. Micro-batches of a step are dealt out likewise; each leaf of what is trained has one rank
//! that keeps its moments, and if that is wished its gradient, and updates it. The same ranks on the same machine find the same bytes again; another
//! number of them adds in another order.

mod request;
mod roll_call;

mod rendezvous;

mod means;

mod collectives;

mod wire;

mod exchange;
mod rounds;
mod part;

pub use collectives::Way;
pub use rendezvous::{Announcer, Place, Rendezvous};
pub use wire::Card;

use crate::learner::{LAYOUT_VARIABLE, TorchLearner};
use crate::share::Share;
use iterit_core::learner::{
    Generation, Learner, ModelFacts, Sequence, StepOptions, StepOutcome, Unwatched, Watch,
};
use iterit_core::memory::MemoryNeed;
use iterit_core::sdk::{Embedding, LogitStatistics, Matrix};
use iterit_core::{Error, Result};
use part::{Answer, perform};
use request::Request;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tch::Device;
use wire::Wire;

/// One of the models that all ranks have, as rank 0 sees it. When the last goes, the others are told to end.
pub struct Fleet {
    own: TorchLearner,
    /// Its place among the models.
    model: usize,
    wire: Arc<Mutex<Asking>>,
}

/// Rank 0's end of the wire.
struct Asking(Wire);

impl Fleet {
    /// Waits for all ranks, each of which has to [`serve`] the same models.
    ///
    /// # Errors
    /// A rank that does not come, or has other models, another program or another card.
    pub fn join(models: Vec<TorchLearner>, card: Card, at: Rendezvous) -> Result<Vec<Self>> {
        let (models, wire) = joined(models, card, at)?;
        let wire = Arc::new(Mutex::new(Asking(wire)));
        let fleet = |(model, own)| Self { own, model, wire: Arc::clone(&wire) };
        Ok(models.into_iter().enumerate().map(fleet).collect())
    }

    /// How the tensors of a step go from rank to rank, where GPUs may have several ways.
    pub fn way(&self) -> Option<Way> {
        lock(&self.wire).0.collectives().way()
    }

    fn ask(&mut self, request: &Request, watch: &dyn Watch) -> Result<Answer> {
        let mut wire = lock(&self.wire);
        wire.0.ask(self.model, request)?;
        perform(&mut wire.0, &mut self.own, request, watch)
    }

    fn numbers(&mut self, request: &Request, watch: &dyn Watch) -> Result<Vec<f64>> {
        match self.ask(request, watch)? {
            Answer::Numbers(numbers) => Ok(numbers),
            Answer::Step(_) | Answer::Done => unreachable!("a question is answered by numbers"),
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.0.is_in_step() {
            // A rank that is gone needs not be told.
            if self.0.ask(0, &Request::End).is_ok() {
                self.0.end();
            }
        }
    }
}

/// A rank other than 0: does its share until rank 0 is done.
///
/// # Errors
/// Its own fault that no other rank could tell of; another rank's that is lost.
pub fn serve(models: Vec<TorchLearner>, card: Card, at: Rendezvous) -> Result<()> {
    let (mut models, mut wire) = joined(models, card, at)?;
    let served = answer_all(&mut models, &mut wire);
    if let Err(why) = &served {
        wire.give_up(why);
    }
    served
}

fn answer_all(models: &mut [TorchLearner], wire: &mut Wire) -> Result<()> {
    loop {
        let (model, request) = wire.next_request()?;
        if request == Request::End {
            wire.end();
            return Ok(());
        }
        let answer = perform(wire, &mut models[model], &request, &Unwatched);
        // Rank 0 has heard of every other fault, and may go on.
        if !wire.is_in_step() {
            answer?;
        }
    }
}

fn joined(
    models: Vec<TorchLearner>,
    mut card: Card,
    at: Rendezvous,
) -> Result<(Vec<TorchLearner>, Wire)> {
    let Place { rank, size, .. } = *at.place();
    for (index, model) in models.iter().enumerate() {
        let ModelFacts { architecture, parameters, dtype, .. } = model.facts();
        let what = if index == 0 { "the model" } else { "the proxy" };
        let mark = model.fingerprint()?;
        let shown =
            format!("{architecture}, {parameters} parameters, {dtype}, weights {mark:016x}");
        card.insert(what.to_owned(), shown);
        // Ranks that cut the same question into other batches would answer some texts twice and others never; their
        // GPUs may have other kernels.
        let batches = format!("for {what} batches (as {LAYOUT_VARIABLE} may set them)");
        card.insert(batches, model.layout().to_string());
    }
    let device = models.first().map_or(Device::Cpu, TorchLearner::device);
    let wire = Wire::join(at, &card, device)?;
    let shared = |it: TorchLearner| it.with_share(Share { rank, size });
    Ok((models.into_iter().map(shared).collect(), wire))
}

fn lock(wire: &Mutex<Asking>) -> MutexGuard<'_, Asking> {
    wire.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Learner for Fleet {
    fn facts(&self) -> ModelFacts {
        self.own.facts()
    }

    fn memory(&self, step: &[&[Sequence]], asked: usize) -> Option<MemoryNeed> {
        self.own.memory(step, asked)
    }

    fn remarks(&self) -> &[String] {
        self.own.remarks()
    }

    fn news(&mut self) -> Vec<String> {
        self.own.news()
    }

    fn token_nll(&mut self, sequences: &[Sequence], watch: &dyn Watch) -> Result<Vec<Vec<f32>>> {
        let numbers = self.numbers(&Request::TokenNll(sequences.to_vec()), watch)?;
        let mut numbers = numbers.into_iter().map(|it| it as f32);
        let row = |it: &Sequence| numbers.by_ref().take(it.scored.len()).collect();
        Ok(sequences.iter().map(row).collect())
    }

    fn logit_statistics(
        &mut self,
        sequences: &[Sequence],
        watch: &dyn Watch,
    ) -> Result<Vec<LogitStatistics>> {
        let numbers = self.numbers(&Request::LogitStatistics(sequences.to_vec()), watch)?;
        let mean = |value: f64, tokens: f64| if tokens == 0.0 { f64::NAN } else { value };
        let one = |it: &[f64]| LogitStatistics {
            entropy: mean(it[0], it[2]),
            margin: mean(it[1], it[2]),
            tokens: it[2] as u32,
        };
        Ok(numbers.chunks(3).map(one).collect())
    }

    fn embeddings(
        &mut self,
        sequences: &[Sequence],
        embedding: Embedding,
        watch: &dyn Watch,
    ) -> Result<Matrix> {
        let numbers = self.numbers(&Request::Embeddings(sequences.to_vec(), embedding), watch)?;
        let numbers: Vec<f32> = numbers.into_iter().map(|it| it as f32).collect();
        let columns = numbers.len().checked_div(sequences.len()).unwrap_or(0);
        Matrix::new(numbers, columns).map_err(|error| Error::Model(error.to_string()))
    }

    /// By rank 0 alone: what comes next is known only when what came before is.
    fn generate(
        &mut self,
        beginnings: &[Vec<u32>],
        how: &Generation,
        is_over: &mut dyn FnMut(&[u32]) -> Result<bool>,
        watch: &dyn Watch,
    ) -> Result<Vec<Vec<u32>>> {
        self.own.generate(beginnings, how, is_over, watch)
    }

    fn step(&mut self, samples: &[&[Sequence]], options: &StepOptions) -> Result<StepOutcome> {
        let samples = samples.iter().map(|it| it.to_vec()).collect();
        match self.ask(&Request::Step(samples, *options), &Unwatched)? {
            Answer::Step(outcome) => Ok(outcome),
            Answer::Numbers(_) | Answer::Done => unreachable!("a step has an outcome"),
        }
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let mut wire = lock(&self.wire);
        let request = Request::Save(folder.to_owned());
        wire.0.ask(self.model, &request)?;
        part::save(&mut wire.0, &self.own, folder, &request.doing())
    }

    fn restore(&mut self, folder: &Path) -> Result<()> {
        self.ask(&Request::Restore(folder.to_owned()), &Unwatched).map(|_| ())
    }

    fn export(&self, folder: &Path) -> Result<()> {
        self.own.export(folder)
    }

    fn export_merged(&self, folder: &Path) -> Result<()> {
        self.own.export_merged(folder)
    }
}

#[cfg(test)]
mod tests;
