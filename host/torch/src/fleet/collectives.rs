//! How the tensors of a step go from rank to rank: between GPUs by NCCL, else through main memory by Gloo. All ranks
//! choose the same way by what each has. Knows ranks and their devices, not what they work on.

use super::means::{Choice, Means, Wish, choose, unavailable};
use super::roll_call::{RollCall, Word};
use crate::shim::{Communicator, Nccl, UniqueId};
use iterit_core::{Error, Result};
use tch::Device;

const DOING: &str = "agree on how tensors travel";

/// How tensors go between GPUs, for a person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// From one to the other, by NCCL of this version.
    Nccl(String),
    /// Through main memory by Gloo, for this reason.
    MainMemory(String),
}

/// The way that was chosen.
pub(super) enum Collectives {
    /// Through main memory; and why, where GPUs could do without it.
    Gloo(Option<String>),
    /// Between the GPUs of all ranks, by a library of this version.
    Nccl(Communicator, String),
}

impl Collectives {
    /// Hears what the ranks have, and meets the others by NCCL if that is the way.
    ///
    /// # Errors
    /// NCCL was asked for and cannot be had; ranks that were asked for different ways; a rank that is lost.
    pub(super) fn agree(roll_call: &mut RollCall, device: Device) -> Result<Self> {
        let (own, nccl) = Means::of_this_rank(device);
        let text = serde_json::to_string(&own).expect("texts serialize to JSON");
        let words = roll_call.say(&Word::Ready(text), DOING)?;
        let all: Vec<Means> = words.into_iter().map(means_of).collect();
        let why = match (choose(&all), device, nccl) {
            (Err(refused), ..) => return Err(roll_call.refuse(refused, DOING)),
            (Ok(Choice::Nccl), Device::Cuda(device), Some(nccl)) => {
                match meet(roll_call, nccl, device)? {
                    Ok(communicator) => {
                        let version = own.nccl.unwrap_or_default();
                        return Ok(Self::Nccl(communicator, version));
                    }
                    Err(why) if own.wish == Wish::Nccl => {
                        return Err(roll_call.refuse(unavailable(&why), DOING));
                    }
                    Err(why) => Some(why),
                }
            }
            (Ok(Choice::Nccl), ..) => unreachable!("a rank without it is an obstacle"),
            (Ok(Choice::Gloo(why)), ..) => why,
        };
        Ok(Self::Gloo(why))
    }

    /// What there is to tell of it: nothing on CPUs, which have no other.
    pub(super) fn way(&self) -> Option<Way> {
        match self {
            Self::Gloo(why) => why.clone().map(Way::MainMemory),
            Self::Nccl(_, version) => Some(Way::Nccl(version.clone())),
        }
    }

    /// Where a tensor has to lie to go this way.
    pub(super) fn place(&self) -> Device {
        match self {
            Self::Gloo(_) => Device::Cpu,
            Self::Nccl(communicator, _) => communicator.device(),
        }
    }
}

/// How what was begun has ended, once it has.
pub(super) fn ended(communicator: &mut Communicator) -> Option<Result<()>> {
    match communicator.is_done() {
        Ok(false) => None,
        Ok(true) => Some(Ok(())),
        Err(error) => Some(Err(error)),
    }
}

/// Under which a rank that cannot meet the others says so, for they would wait for it.
const FAILED: &str = "nccl-failed";

/// A communicator of all ranks, or why there is none, which then holds for all.
///
/// # Errors
/// A rank that is lost.
fn meet(
    roll_call: &mut RollCall,
    nccl: Nccl,
    device: usize,
) -> Result<std::result::Result<Communicator, String>> {
    let own_id = match roll_call.rank() {
        0 => nccl.unique_id().map(|id| text_of(&id)),
        _ => Ok(String::new()),
    };
    let word = own_id.map_or_else(|error| Word::Failed(error.to_string()), Word::Ready);
    let id = match roll_call.say(&word, DOING)?.swap_remove(0) {
        Word::Ready(text) => id_of(&text),
        Word::Failed(why) => return Ok(Err(format!("rank 0 could not begin: {why}"))),
        other => panic!("{other:?} instead of an id"),
    };
    let met = joined(roll_call, nccl, &id, device)?;
    let word = match &met {
        Ok(_) => Word::Ready(String::new()),
        Err(error) => Word::Failed(error.to_string()),
    };
    let words = roll_call.say(&word, DOING)?;
    let failed = words.into_iter().enumerate().find_map(|(rank, word)| match word {
        Word::Failed(why) => Some(format!("rank {rank} could not meet the others by NCCL: {why}")),
        _ => None,
    });
    Ok(match failed {
        Some(why) => Err(why),
        None => Ok(met.expect("no rank has failed")),
    })
}

/// This rank's end of a communicator; what keeps it or another from it.
///
/// # Errors
/// A rank that is lost.
fn joined(
    roll_call: &RollCall,
    nccl: Nccl,
    id: &UniqueId,
    device: usize,
) -> Result<Result<Communicator>> {
    let store = roll_call.store();
    let ranks = [roll_call.rank(), roll_call.size()];
    let joined = Communicator::join(nccl, id, ranks, device);
    let met = match joined {
        Err(error) => Err(error),
        Ok(mut communicator) => {
            let ended = || match store.get(FAILED) {
                Ok(None) => ended(&mut communicator),
                Ok(Some(why)) => {
                    Some(Err(Error::Model(String::from_utf8_lossy(&why).into_owned())))
                }
                // Without the store ranks are lost, and whoever waits sees it.
                Err(_) => None,
            };
            let ended = roll_call.wait(DOING, ended)?;
            ended.map(|()| communicator)
        }
    };
    if let Err(error) = &met {
        // What all say next tells of a store that is gone.
        let _ = store.set(FAILED, error.to_string().as_bytes());
    }
    Ok(met)
}

/// As it goes by the store.
fn text_of(id: &UniqueId) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// # Panics
/// Where it is not an id: all ranks run one program.
fn id_of(text: &str) -> UniqueId {
    let byte = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("a byte");
    std::array::from_fn(byte)
}

fn means_of(word: Word) -> Means {
    match word {
        Word::Ready(text) => serde_json::from_str(&text).expect("what a rank has"),
        other => panic!("{other:?} before the ranks have met"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_wire() {
        let id = std::array::from_fn(|at| (at * 37 % 256) as u8);
        assert_eq!(id_of(&text_of(&id)), id);
    }
}
