//! Which part this process has where several work on one model: alone, the first of them, or another. Started by
//! `--ranks`, by `torchrun --no-python` or by `srun`, whose variables say who is who. Knows processes and where they
//! meet, not what they do.

mod place;

mod spawned;

pub(crate) use spawned::Spawned;

use iterit_core::config::DeviceChoice;
use iterit_core::{Error, Result};
use iterit_torch::{Place, Rendezvous};
use place::Launched;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How long a rank may show no sign of life, in seconds; [`PATIENCE`] unless it is set.
const PATIENCE_VARIABLE: &str = "ITERIT_RANK_PATIENCE";

/// Enough for a machine that swaps, and not for a person to give up.
const PATIENCE: Duration = Duration::from_secs(120);

/// What this process is of them.
pub(crate) enum Part {
    /// There are no others.
    Alone,
    /// Rank 0: has the texts, the plugins and the records, and asks.
    First(First),
    /// Answers.
    Other(Other),
}

/// Rank 0.
pub(crate) struct First {
    /// Where it meets the others.
    pub(crate) at: Rendezvous,
    /// The others, where this process has started them.
    pub(crate) spawned: Option<Spawned>,
    on_this_machine: usize,
}

/// A rank above 0.
pub(crate) struct Other {
    /// Where it meets rank 0.
    pub(crate) at: Rendezvous,
    local_rank: usize,
    on_this_machine: usize,
}

impl Part {
    /// As the environment says, else as many as were asked for are started on this machine.
    ///
    /// # Errors
    /// Variables that contradict one another or `--ranks`; nobody hosts a store where they say.
    pub(crate) fn take(ranks: Option<NonZeroUsize>) -> Result<Self> {
        let patience = patience()?;
        if let Some(launched) = Launched::of_environment(&|name| std::env::var(name).ok())? {
            if ranks.is_some() && !spawned::is_spawned() {
                return Err(Error::config(format!(
                    "--ranks starts the other ranks, and {} has done so already\nhint: leave --ranks out",
                    launched.by
                )));
            }
            return Self::launched(launched, patience);
        }
        match ranks.map_or(1, NonZeroUsize::get) {
            1 => Ok(Self::Alone),
            size => {
                let at = Rendezvous::open(Place::on_this_machine(size), patience)?;
                let spawned = Some(Spawned::start(&at)?);
                Ok(Self::First(First { at, spawned, on_this_machine: size }))
            }
        }
    }

    fn launched(launched: Launched, patience: Duration) -> Result<Self> {
        let Launched { place, local_rank, on_this_machine, .. } = launched;
        if place.rank > 0 {
            spawned::leave_ctrl_c_to_rank_0();
            spawned::end_with_rank_0();
        }
        let rank = place.rank;
        let at = Rendezvous::open(place, patience)?;
        Ok(match rank {
            0 => Self::First(First { at, spawned: None, on_this_machine }),
            _ => Self::Other(Other { at, local_rank, on_this_machine }),
        })
    }

    /// How many ranks there are.
    pub(crate) fn ranks(&self) -> usize {
        match self {
            Self::Alone => 1,
            Self::First(first) => first.at.place().size,
            Self::Other(other) => other.at.place().size,
        }
    }

    /// How many of them share the cores of this machine.
    pub(crate) fn on_this_machine(&self) -> NonZeroUsize {
        let count = match self {
            Self::Alone => 1,
            Self::First(first) => first.on_this_machine,
            Self::Other(other) => other.on_this_machine,
        };
        NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN)
    }

    /// The device of this rank, where that one was chosen.
    pub(crate) fn device(&self, chosen: DeviceChoice) -> DeviceChoice {
        match self {
            Self::Alone => chosen,
            Self::First(_) => iterit_torch::device_of_rank(chosen, 0),
            Self::Other(other) => iterit_torch::device_of_rank(chosen, other.local_rank),
        }
    }
}

/// Whether rank 0 has started this process, and so tells what goes wrong in it.
pub(crate) fn is_spawned() -> bool {
    spawned::is_spawned()
}

/// Refuses to work beside other ranks, for a command that has nothing for them to do.
pub(crate) fn refuse(command: &str) -> Result<()> {
    match Launched::of_environment(&|name| std::env::var(name).ok())? {
        None => Ok(()),
        Some(Launched { by, place, .. }) => Err(Error::config(format!(
            "`{command}` is the work of one process, and {by} has started {}\n\
             hint: start it by itself; training and `score` are what ranks share",
            place.size
        ))),
    }
}

fn patience() -> Result<Duration> {
    let Ok(text) = std::env::var(PATIENCE_VARIABLE) else { return Ok(PATIENCE) };
    let seconds = text.parse().ok().filter(|seconds: &f64| *seconds >= 0.1 && *seconds <= 1e6);
    let expected = || {
        Error::config(format!(
            "{PATIENCE_VARIABLE} is `{text}`: expected seconds, such as 120, from 0.1 on"
        ))
    };
    seconds.map(Duration::from_secs_f64).ok_or_else(expected)
}
