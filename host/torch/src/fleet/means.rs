//! What each rank has to send tensors with, and the way that follows for all. Pure but for asking what this rank has.

use crate::nccl_library;
use crate::shim::Nccl;
use iterit_core::{Error, Result};
use serde::{Deserialize, Serialize};
use tch::Device;

/// The way that is asked for: `gloo` or `nccl`; unset, NCCL where it can be had.
const VARIABLE: &str = "ITERIT_COLLECTIVES";

/// What the user wishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wish {
    /// Nothing.
    Best,
    Gloo,
    Nccl,
    /// Something that there is not.
    Other(String),
}

/// What a rank has, as it tells the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Means {
    pub(super) wish: Wish,
    /// The card that it works on; nothing on the CPU.
    card: Option<String>,
    /// The version of its library, or why it has none.
    pub(super) nccl: std::result::Result<String, String>,
}

/// What follows from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// And why, where GPUs could do without it.
    Gloo(Option<String>),
    Nccl,
}

impl Means {
    pub(super) fn of_this_rank(device: Device) -> (Self, Option<Nccl>) {
        let wish = Wish::of(std::env::var(VARIABLE).ok().as_deref());
        let Device::Cuda(index) = device else {
            return (Self { wish, card: None, nccl: Err("it works on the CPU".into()) }, None);
        };
        let library = match wish {
            Wish::Gloo => Err("it was not looked for".into()),
            _ => nccl_library::load(),
        };
        let nccl = library.clone().and_then(|it| it.version().map_err(|error| error.to_string()));
        (Self { wish, card: Some(nccl_library::card(index)), nccl }, library.ok())
    }
}

impl Wish {
    fn of(text: Option<&str>) -> Self {
        match text {
            None | Some("") => Self::Best,
            Some("gloo") => Self::Gloo,
            Some("nccl") => Self::Nccl,
            Some(other) => Self::Other(other.to_owned()),
        }
    }

    fn shown(&self) -> &str {
        match self {
            Self::Best => "unset",
            Self::Gloo => "gloo",
            Self::Nccl => "nccl",
            Self::Other(text) => text,
        }
    }
}

/// The same on every rank.
pub(super) fn choose(all: &[Means]) -> Result<Choice> {
    let first = &all[0].wish;
    for (rank, Means { wish, .. }) in all.iter().enumerate() {
        let shown = wish.shown();
        if let Wish::Other(_) = wish {
            return Err(Error::config(format!(
                "the variable {VARIABLE} is `{shown}` on rank {rank}: expected gloo or nccl"
            )));
        }
        if wish != first {
            return Err(Error::config(format!(
                "rank {rank} has {VARIABLE} {shown}, rank 0 {}\n\
                 hint: set it for all ranks or for none",
                first.shown()
            )));
        }
    }
    let has_gpus = all.iter().any(|it| it.card.is_some());
    match (first, obstacle(all)) {
        (Wish::Gloo, _) => Ok(Choice::Gloo(has_gpus.then(|| format!("{VARIABLE} is gloo")))),
        (_, None) => Ok(Choice::Nccl),
        (Wish::Nccl, Some(why)) => Err(unavailable(&why)),
        (_, Some(why)) => Ok(Choice::Gloo(has_gpus.then_some(why))),
    }
}

/// Why these ranks cannot speak by NCCL.
fn obstacle(all: &[Means]) -> Option<String> {
    for (rank, Means { card, nccl, .. }) in all.iter().enumerate() {
        if card.is_none() {
            return Some(format!("rank {rank} works on the CPU"));
        }
        if let Some(other) = all[..rank].iter().position(|it| it.card == *card) {
            return Some(format!("ranks {other} and {rank} share a card"));
        }
        match (nccl, &all[0].nccl) {
            (Err(why), _) => return Some(format!("rank {rank} found no NCCL: {why}")),
            (Ok(own), Ok(first)) if own != first => {
                return Some(format!("rank {rank} has NCCL {own}, rank 0 {first}"));
            }
            _ => {}
        }
    }
    None
}

pub(super) fn unavailable(why: &str) -> Error {
    Error::config(format!(
        "{VARIABLE} is nccl, and {why}\nhint: NCCL takes a card of its own for every rank and a libnccl.so.2, which pip's \
         torch brings along; without {VARIABLE} tensors go through main memory"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(wish: &str, card: &str, nccl: std::result::Result<&str, &str>) -> Means {
        let nccl = nccl.map(str::to_owned).map_err(str::to_owned);
        Means { wish: Wish::of(Some(wish)), card: Some(card.to_owned()), nccl }
    }

    fn on_the_cpu(wish: &str) -> Means {
        Means { card: None, ..means(wish, "", Err("it works on the CPU")) }
    }

    #[test]
    fn what_all_ranks_have_decides() {
        let by_gloo = |why: &str| Ok(Choice::Gloo(Some(why.to_owned())));
        let good = |wish| [means(wish, "a", Ok("2.28.9")), means(wish, "b", Ok("2.28.9"))];
        let lacks = |wish| [means(wish, "a", Ok("2.28.9")), means(wish, "b", Err("no such file"))];
        let shares = [means("", "a", Ok("2.28.9")), means("", "a", Ok("2.28.9"))];
        let older = [means("", "a", Ok("2.28.9")), means("", "b", Ok("2.27.3"))];
        let mixed = [means("", "a", Ok("2.28.9")), on_the_cpu("")];
        for (all, expected) in [
            (good(""), Ok(Choice::Nccl)),
            (good("nccl"), Ok(Choice::Nccl)),
            (good("gloo"), by_gloo("ITERIT_COLLECTIVES is gloo")),
            (lacks(""), by_gloo("rank 1 found no NCCL: no such file")),
            (lacks("nccl"), Err("ITERIT_COLLECTIVES is nccl, and rank 1 found no NCCL: no such")),
            (shares, by_gloo("ranks 0 and 1 share a card")),
            (older, by_gloo("rank 1 has NCCL 2.27.3, rank 0 2.28.9")),
            (mixed, by_gloo("rank 1 works on the CPU")),
            ([on_the_cpu(""), on_the_cpu("")], Ok(Choice::Gloo(None))),
            ([on_the_cpu("gloo"), on_the_cpu("gloo")], Ok(Choice::Gloo(None))),
            ([on_the_cpu("nccl"), on_the_cpu("nccl")], Err("and rank 0 works on the CPU\nhint: ")),
            ([on_the_cpu("mpi"), on_the_cpu("")], Err("is `mpi` on rank 0: expected gloo or nccl")),
            ([on_the_cpu(""), on_the_cpu("gloo")], Err("rank 1 has ITERIT_COLLECTIVES gloo, rank")),
        ] {
            let told: Vec<Means> = all.iter().map(told).collect();
            match (choose(&told), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{all:?}"),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{error}"),
                (found, expected) => panic!("{all:?}: {found:?}, not {expected:?}"),
            }
        }
    }

    /// As another rank hears it.
    fn told(means: &Means) -> Means {
        serde_json::from_str(&serde_json::to_string(means).unwrap()).unwrap()
    }
}
