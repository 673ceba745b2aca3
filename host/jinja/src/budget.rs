//! What a rendering may cost. A template is a stranger's program: without a bound one of two lines
//! keeps a processor busy for hours or fills the memory.

use crate::error::{Error, Result};
use std::cell::Cell;

/// Steps of evaluation, of which a real template needs some thousands a message.
const STEPS: u64 = 10_000_000;
/// Bytes of text and values made on the way, in all. A template that builds its text by adding to
/// it again and again makes the square of what it writes.
const BYTES: u64 = 512 << 20;
/// How deep statements and expressions may nest, through all macros and loops that call themselves:
/// as deep as the stack of a thread holds with ease.
pub(crate) const DEPTH: usize = 500;
/// How deep lists and dicts may nest.
pub(crate) const NESTING: u16 = 100;

/// What is left of both.
pub(crate) struct Budget {
    steps: Cell<u64>,
    bytes: Cell<u64>,
}

impl Budget {
    /// All of it.
    pub(crate) fn full() -> Self {
        Self { steps: Cell::new(STEPS), bytes: Cell::new(BYTES) }
    }

    /// Pays for work.
    pub(crate) fn steps(&self, steps: usize) -> Result<()> {
        pay(&self.steps, steps as u64)
            .ok_or_else(|| Error::limit(format!("the template takes more than {STEPS} steps")))
    }

    /// Pays for memory, before it is taken.
    pub(crate) fn bytes(&self, bytes: usize) -> Result<()> {
        pay(&self.bytes, bytes as u64).ok_or_else(|| {
            Error::limit(format!("the template makes more than {} MiB of text", BYTES >> 20))
        })
    }

    /// Pays for a text that is repeated or padded; a product beyond all numbers is too much too.
    pub(crate) fn repeated(&self, bytes: usize, times: usize) -> Result<()> {
        self.bytes(bytes.saturating_mul(times))
    }
}

fn pay(purse: &Cell<u64>, price: u64) -> Option<()> {
    purse.set(purse.get().checked_sub(price)?);
    Some(())
}
