//! Where the ranks of a run meet: a store that one process hosts and all reach, by which they find each other.
//! Knows ranks, not what they do together.

use super::roll_call::{self, Beating, RollCall};
use crate::shim::{ProcessGroup, Store};
use iterit_core::{Error, Result};
use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

/// Which rank this process is, and where it meets the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From 0; that one asks.
    pub rank: usize,
    /// How many ranks there are.
    pub size: usize,
    /// The name or address of the machine with the store.
    pub address: String,
    /// The store's port; 0 for one that is free, where this process hosts it.
    pub port: u16,
    /// Whether this process hosts the store.
    pub hosts: bool,
}

impl Place {
    /// For rank 0 of some on one machine.
    pub fn on_this_machine(size: usize) -> Self {
        Self { rank: 0, size, address: "127.0.0.1".into(), port: 0, hosts: true }
    }
}

/// A rank that has come, shows that it lives, and knows how the others are.
pub struct Rendezvous {
    pub(super) roll_call: RollCall,
    place: Place,
    limit: Duration,
    // Goes last: as long as it beats the others wait.
    beating: Beating,
}

impl Rendezvous {
    /// Comes to the place. From then on the others see that it lives, and none that shows no sign of life is waited
    /// for longer than the limit.
    ///
    /// # Errors
    /// The port is taken, or nobody hosts a store there within the limit.
    pub fn open(place: Place, limit: Duration) -> Result<Self> {
        let Place { rank, size, ref address, port, hosts } = place;
        assert!(rank < size, "rank {rank} of {size}");
        let store = match hosts {
            true => Store::host(address, port, limit),
            false => Store::find(address, port, limit),
        };
        let store = store.map_err(|error| nobody_there(&place, error))?;
        let place = Place { port: store.port(), ..place };
        let beating = Beating::start(Self::another(&place, limit)?, rank, limit);
        let roll_call = RollCall::new(store, [rank, size], limit, beating.stop());
        Ok(Self { roll_call, place, limit, beating })
    }

    /// Where the store is, once it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Something that tells all ranks of one that is gone.
    ///
    /// # Errors
    /// The store cannot be reached.
    pub fn announcer(&self) -> Result<Announcer> {
        Ok(Announcer { store: Self::another(&self.place, self.limit)? })
    }

    /// Tells the others that this rank is gone, and why.
    pub fn give_up(&self, why: &Error) {
        // Where nobody hears it any more nobody waits either.
        let _ = roll_call::announce_gone(self.roll_call.store(), self.place.rank, &why.to_string());
    }

    /// A connection of its own, for a thread of its own.
    fn another(place: &Place, limit: Duration) -> Result<Store> {
        Store::find(&place.address, place.port, limit)
    }

    /// Once all are there.
    pub(super) fn join(&self) -> Result<ProcessGroup> {
        let Place { rank, size, .. } = self.place;
        let own = own_address(&self.place);
        ProcessGroup::join(self.roll_call.store(), &own, [rank, size], self.limit).map_err(
            |error| {
                Error::Model(format!(
                    "rank {rank} of {size} could not connect to the others: {error}"
                ))
            },
        )
    }

    pub(super) fn into_parts(self) -> (RollCall, Beating) {
        (self.roll_call, self.beating)
    }
}

/// Tells all ranks of one that is gone.
pub struct Announcer {
    store: Store,
}

impl Announcer {
    /// Whoever waits for this rank waits no longer.
    pub fn gone(&self, rank: usize, why: &str) {
        let _ = roll_call::announce_gone(&self.store, rank, why);
    }
}

fn nobody_there(place: &Place, error: Error) -> Error {
    let Place { rank, size, address, port, hosts } = place;
    Error::Model(match hosts {
        true => format!("rank {rank} of {size} cannot host a store at {address}:{port}: {error}"),
        false => format!("rank {rank} of {size} found no store at {address}:{port}: {error}"),
    })
}

/// The address by which the others reach this machine: the one it would reach the store's by.
fn own_address(place: &Place) -> String {
    let reached = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind(("0.0.0.0", 0))?;
        // Sends nothing: it only chooses the way.
        socket.connect((place.address.as_str(), place.port))?;
        Ok(socket.local_addr()?.ip())
    };
    reached().map_or_else(|_| place.address.clone(), |address| address.to_string())
}
