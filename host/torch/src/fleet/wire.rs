//! How the ranks of a run work together: rank 0 asks, all agree on how they fared, and numbers go round. Knows
//! requests and tensors, not models.

use super::collectives::{Collectives, ended};
use super::rendezvous::Rendezvous;
use super::request::Request;
use super::roll_call::{Beating, RollCall, Word};
use crate::shim::ProcessGroup;
use iterit_core::learner::Watch;
use iterit_core::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tch::{Device, Kind, Tensor};

/// What all ranks must have in common, by what it is called.
pub type Card = BTreeMap<String, String>;

/// One rank's end of it.
pub(super) struct Wire {
    group: ProcessGroup,
    collectives: Collectives,
    roll_call: RollCall,
    /// Questions so far.
    question: u64,
    /// Why the others cannot be asked any more, if they cannot.
    lost: Option<String>,
    // Goes last, so that the others see this rank live until the end.
    _beating: Beating,
}

impl Wire {
    /// Waits for all ranks, sees that they are of one kind, and finds a way for the tensors of this device.
    ///
    /// # Errors
    /// One that does not come, and every difference between its card and that of rank 0; a way that was asked for
    /// and that there is not.
    pub(super) fn join(mut at: Rendezvous, card: &Card, device: Device) -> Result<Self> {
        let text = serde_json::to_string(card).expect("texts serialize to JSON");
        let doing = "load the model and meet the others";
        let words = at.roll_call.say(&Word::Ready(text), doing)?;
        let cards: Vec<Card> = words.into_iter().map(card_of).collect();
        if let Err(refused) = refuse_others(&cards) {
            return Err(at.roll_call.refuse(refused, doing));
        }
        let collectives = Collectives::agree(&mut at.roll_call, device)?;
        let group = at.join()?;
        let (roll_call, beating) = at.into_parts();
        Ok(Self { group, collectives, roll_call, question: 0, lost: None, _beating: beating })
    }

    pub(super) fn rank(&self) -> usize {
        self.roll_call.rank()
    }

    pub(super) fn size(&self) -> usize {
        self.roll_call.size()
    }

    /// Rank 0's next question, to one of the models.
    ///
    /// # Errors
    /// Ranks were lost before.
    pub(super) fn ask(&mut self, model: usize, request: &Request) -> Result<()> {
        if let Some(why) = &self.lost {
            return Err(Error::Model(why.clone()));
        }
        self.question += 1;
        let words = request.to_words(model);
        let key = question_key(self.question);
        let announced = self.roll_call.store().set(&key, &words.len().to_le_bytes());
        self.kept(announced)?;
        let sent = self.group.broadcast(&mut Tensor::from_slice(&words), 0);
        self.together(sent, &request.doing())
    }

    /// What rank 0 asks next, and of which model.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn next_request(&mut self) -> Result<(usize, Request)> {
        self.question += 1;
        let key = question_key(self.question);
        let length = self.roll_call.hear(&key, 0, "ask the next question");
        let length = self.kept(length)?;
        let length = length.try_into().map(usize::from_le_bytes).expect("a length");
        let mut words = Tensor::zeros([length as i64], (Kind::Int64, Device::Cpu));
        let received = self.group.broadcast(&mut words, 0);
        self.together(received, "hear the next question")?;
        Ok(Request::of_words(Vec::try_from(words).expect("a flat tensor of i64")))
    }

    /// Rank 0 takes its question back once all have answered it.
    pub(super) fn answered(&mut self) -> Result<()> {
        if self.rank() > 0 {
            return Ok(());
        }
        let forgotten = self.roll_call.store().forget(&question_key(self.question));
        self.kept(forgotten)
    }

    /// What this rank has, if all others have theirs too.
    ///
    /// # Errors
    /// Its own, or another's: a fault before a wish to stop, and that before too little memory. A rank that was lost.
    pub(super) fn agree<T>(&mut self, doing: &str, own: Result<T>) -> Result<T> {
        let said = self.roll_call.say(&word_of(&own), doing);
        let words = self.kept(said)?;
        let size = self.size();
        let of = |rank: usize, why: &str| format!("rank {rank} of {size}: {why}");
        let failed = words.iter().enumerate().find_map(|(rank, word)| match word {
            Word::Failed(why) => Some(Error::Model(of(rank, why))),
            _ => None,
        });
        let full = words.iter().enumerate().find_map(|(rank, word)| match word {
            Word::OutOfMemory(why) => Some(Error::OutOfMemory(of(rank, why))),
            _ => None,
        });
        let is_cancelled = words.contains(&Word::Cancelled);
        match (own, failed) {
            (Err(Error::Cancelled | Error::OutOfMemory(_)), Some(failed)) => Err(failed),
            (Err(Error::OutOfMemory(_)) | Ok(_), None) if is_cancelled => Err(Error::Cancelled),
            // What is wrong here is told as it is.
            (Err(error), _) => Err(error),
            (Ok(_), Some(failed)) => Err(failed),
            (Ok(own), None) => full.map_or(Ok(own), Err),
        }
    }

    /// Every number as the sum of what all ranks have.
    pub(super) fn sum(&mut self, numbers: &[f64]) -> Result<Vec<f64>> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut sums = Tensor::from_slice(numbers);
        let summed = self.group.sum(&mut sums);
        self.together(summed, "add up numbers")?;
        Ok(Vec::try_from(sums).expect("a flat tensor of f64"))
    }

    /// How tensors go from rank to rank.
    pub(super) fn collectives(&self) -> &Collectives {
        &self.collectives
    }

    /// The sum of what all ranks have, at one of them; what the others have is spent. A tensor lies where the
    /// collectives have their place.
    pub(super) fn sum_at(&mut self, tensor: &mut Tensor, root: usize) -> Result<()> {
        let begun = match &mut self.collectives {
            Collectives::Gloo(_) => self.group.sum_at(tensor, root),
            Collectives::Nccl(communicator, _) => communicator.sum_at(tensor, root),
        };
        self.done(begun, "add up gradients")
    }

    /// What one rank has, at all; likewise.
    pub(super) fn broadcast(&mut self, tensor: &mut Tensor, root: usize) -> Result<()> {
        let begun = match &mut self.collectives {
            Collectives::Gloo(_) => self.group.broadcast(tensor, root),
            Collectives::Nccl(communicator, _) => communicator.broadcast(tensor, root),
        };
        self.done(begun, "pass on what was updated")
    }

    /// Waits for the end of what has begun, where it does not end at once.
    fn done(&mut self, begun: Result<()>, doing: &str) -> Result<()> {
        let done = match &mut self.collectives {
            Collectives::Nccl(communicator, _) if begun.is_ok() => {
                self.roll_call.wait(doing, || ended(communicator))
            }
            _ => Ok(begun),
        };
        let done = self.kept(done).and_then(|ended| self.together(ended, doing));
        if done.is_err() {
            // GPUs would wait for the one that is lost, and whoever waits for this GPU with it.
            self.collectives = Collectives::Gloo(None);
        }
        done
    }

    /// Ends after the last question. GPUs may read from one another until all are done.
    pub(super) fn end(&mut self) {
        if let Collectives::Nccl(..) = self.collectives {
            // There is nothing more to ask, so nobody misses one that is gone.
            let _ = self.agree("end", Ok(()));
        }
    }

    /// Whether the others can still be asked.
    pub(super) fn is_in_step(&self) -> bool {
        self.lost.is_none()
    }

    /// Tells the others that this rank is gone, and why.
    pub(super) fn give_up(&self, why: &Error) {
        let why = why.to_string();
        // Where nobody hears it any more nobody waits either.
        let _ = super::roll_call::announce_gone(self.roll_call.store(), self.rank(), &why);
    }

    /// A watch over an answer to the question that is open: rank 0's own, and on all others what rank 0 wishes.
    pub(super) fn watch<'a>(&self, watch: &'a dyn Watch) -> Stoppable<'a> {
        let is_asking = self.rank() == 0;
        Stoppable { watch, is_asking, question: self.question, stop: self.roll_call.stop() }
    }

    /// What all do at once goes wrong for all when one is lost, and says nothing of which.
    fn together<T>(&mut self, outcome: Result<T>, doing: &str) -> Result<T> {
        let named = outcome.map_err(|error| self.roll_call.fault(&error, doing));
        self.kept(named)
    }

    /// The outcome of what all do at once; after a fault of it nobody can know what the others wait for.
    pub(super) fn kept<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.inspect_err(|error| {
            self.lost.get_or_insert_with(|| format!("a rank was lost: {error}"));
        })
    }
}

/// Stops an answer on every rank when the user wishes it.
pub(super) struct Stoppable<'a> {
    watch: &'a dyn Watch,
    is_asking: bool,
    question: u64,
    stop: Arc<AtomicU64>,
}

impl Watch for Stoppable<'_> {
    fn progress(&self, done: u64, total: u64) {
        self.watch.progress(done, total);
    }

    fn is_cancelled(&self) -> bool {
        if !self.is_asking {
            return self.stop.load(Ordering::SeqCst) == self.question;
        }
        let is_cancelled = self.watch.is_cancelled();
        if is_cancelled {
            self.stop.store(self.question, Ordering::SeqCst);
        }
        is_cancelled
    }
}

fn question_key(question: u64) -> String {
    format!("question/{question}")
}

fn word_of<T>(outcome: &Result<T>) -> Word {
    match outcome {
        Ok(_) => Word::Ready(String::new()),
        Err(Error::Cancelled) => Word::Cancelled,
        Err(Error::OutOfMemory(why)) => Word::OutOfMemory(why.clone()),
        Err(error) => Word::Failed(error.to_string()),
    }
}

fn card_of(word: Word) -> Card {
    match word {
        Word::Ready(text) => serde_json::from_str(&text).expect("a card"),
        other => panic!("{other:?} before the ranks have met"),
    }
}

/// Every difference between the cards of some ranks and that of rank 0.
fn refuse_others(cards: &[Card]) -> Result<()> {
    let mut faults = Vec::new();
    for (rank, card) in cards.iter().enumerate() {
        let keys: std::collections::BTreeSet<&String> =
            cards[0].keys().chain(card.keys()).collect();
        for key in keys {
            let shown = |card: &Card| card.get(key).map_or("unset", String::as_str).to_owned();
            let (first, this) = (shown(&cards[0]), shown(card));
            if first != this {
                faults.push(format!("rank {rank} has {key} {this}, rank 0 {first}"));
            }
        }
    }
    match faults.last_mut() {
        None => Ok(()),
        Some(last) => {
            last.push_str("\nhint: all ranks run the same command with the same files");
            Err(Error::Config(faults))
        }
    }
}
