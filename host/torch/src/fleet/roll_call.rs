//! Who is there and how each fares, before all go on together: every rank says a word and hears those of all.
//!
//! A rank that works long is waited for as long as it shows that it lives, which a thread of its own does once in a
//! while; one that shows nothing for the limit, or is known to be gone, is named. So what ranks tell one another by
//! Gloo is only begun when all are ready for it.

use crate::shim::Store;
use iterit_core::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What a rank has to say at the end of some work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// It is ready, with what it was asked to bring.
    Ready(String),
    Cancelled,
    OutOfMemory(String),
    Failed(String),
}

impl Word {
    fn to_text(&self) -> String {
        match self {
            Self::Ready(brought) => format!("r{brought}"),
            Self::Cancelled => "c".into(),
            Self::OutOfMemory(why) => format!("m{why}"),
            Self::Failed(why) => format!("f{why}"),
        }
    }

    /// # Panics
    /// Where it is not a word: all ranks run one program.
    fn of_text(text: &str) -> Self {
        let (kind, rest) = text.split_at(1);
        match kind {
            "r" => Self::Ready(rest.into()),
            "c" => Self::Cancelled,
            "m" => Self::OutOfMemory(rest.into()),
            "f" => Self::Failed(rest.into()),
            _ => panic!("`{text}` is a word of another program"),
        }
    }
}

/// What all ranks say, as one of them hears it.
pub(super) struct RollCall {
    store: Store,
    rank: usize,
    size: usize,
    limit: Duration,
    round: u64,
    /// The last question that is not to be answered to the end.
    stop: Arc<AtomicU64>,
}

/// Somebody who waits looks after such pauses, each twice the last: most answers come soon.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How often somebody who waits looks whether the awaited one lives.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How long after a fault a rank may be silent, if the limit is not shorter, before the fault is taken for its own.
const AFTERMATH: Duration = Duration::from_secs(10);

/// The last beat of a rank that was seen, and since when.
struct SignsOfLife {
    beat: Option<Vec<u8>>,
    since: Instant,
}

impl SignsOfLife {
    fn unseen() -> Self {
        Self { beat: None, since: Instant::now() }
    }
}

impl RollCall {
    pub(super) fn new(
        store: Store,
        [rank, size]: [usize; 2],
        limit: Duration,
        stop: Arc<AtomicU64>,
    ) -> Self {
        Self { store, rank, size, limit, round: 0, stop }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn rank(&self) -> usize {
        self.rank
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn stop(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.stop)
    }

    /// Says a word and hears those of all, in the order of the ranks. `doing` is what they were about, for the
    /// message if one is missing.
    ///
    /// # Errors
    /// A rank that is gone, or shows no sign of life.
    pub(super) fn say(&mut self, word: &Word, doing: &str) -> Result<Vec<Word>> {
        self.round += 1;
        let key = |round: u64, rank: usize| format!("said/{round}/{rank}");
        let of_own = |error| self.lost(0, "is gone", &one_line(&error), doing);
        self.store.set(&key(self.round, self.rank), word.to_text().as_bytes()).map_err(of_own)?;
        let heard = |rank| {
            let text = self.hear(&key(self.round, rank), rank, doing)?;
            Ok(Word::of_text(&String::from_utf8_lossy(&text)))
        };
        let words = (0..self.size).map(heard).collect::<Result<Vec<_>>>()?;
        // Whoever has spoken in this round has heard everything of the last.
        self.store.forget(&key(self.round - 1, self.rank)).map_err(of_own)?;
        Ok(words)
    }

    /// An error that all ranks find by themselves, once all have: whoever hosts the store stays until then.
    pub(super) fn refuse(&mut self, refused: Error, doing: &str) -> Error {
        // A rank that is gone needs not hear it.
        let _ = self.say(&Word::Cancelled, doing);
        refused
    }

    /// What `ended` finds, however long that takes, as long as all ranks live.
    ///
    /// # Errors
    /// A rank that is gone, or shows no sign of life.
    pub(super) fn wait<T>(&self, doing: &str, ended: impl FnMut() -> Option<T>) -> Result<T> {
        self.wait_beside(self.limit, doing, ended)
    }

    /// The same, where none may be silent for longer than `silence`.
    fn wait_beside<T>(
        &self,
        silence: Duration,
        doing: &str,
        mut ended: impl FnMut() -> Option<T>,
    ) -> Result<T> {
        let (start, mut looked) = (Instant::now(), Instant::now());
        let mut lives: Vec<_> = (0..self.size).map(|_| SignsOfLife::unseen()).collect();
        loop {
            if let Some(end) = ended() {
                return Ok(end);
            }
            if looked.elapsed() > self.look_every() {
                for (rank, life) in lives.iter_mut().enumerate() {
                    self.see_that_it_lives(rank, life, silence, doing)?;
                }
                looked = Instant::now();
            }
            // What GPUs do together is over soon, so to sleep would often take longer.
            match start.elapsed() / 16 {
                short if short < SHORTEST_PAUSE / 2 => thread::yield_now(),
                pause => thread::sleep(pause.min(SHORTEST_PAUSE * 10)),
            }
        }
    }

    /// What a rank puts under a key, however long it takes, as long as the rank lives.
    ///
    /// # Errors
    /// A rank that is gone, or shows no sign of life.
    pub(super) fn hear(&self, key: &str, rank: usize, doing: &str) -> Result<Vec<u8>> {
        let (mut pause, mut looked) = (SHORTEST_PAUSE, Instant::now());
        let mut life = SignsOfLife::unseen();
        loop {
            if let Some(value) = self.look(key, doing)? {
                return Ok(value);
            }
            if looked.elapsed() > self.look_every() {
                self.see_that_it_lives(rank, &mut life, self.limit, doing)?;
                looked = Instant::now();
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn look(&self, key: &str, doing: &str) -> Result<Option<Vec<u8>>> {
        self.store.get(key).map_err(|error| self.lost(0, "is gone", &one_line(&error), doing))
    }

    fn look_every(&self) -> Duration {
        LOOK_EVERY.min(self.limit / 4)
    }

    fn see_that_it_lives(
        &self,
        rank: usize,
        life: &mut SignsOfLife,
        silence: Duration,
        doing: &str,
    ) -> Result<()> {
        if let Some(why) = self.look(&gone_key(rank), doing)? {
            let why = String::from_utf8_lossy(&why).into_owned();
            return Err(self.lost(rank, "is gone", &why, doing));
        }
        let beat = self.look(&beat_key(rank), doing)?;
        if beat != life.beat {
            *life = SignsOfLife { beat, since: Instant::now() };
        }
        if life.since.elapsed() <= silence {
            return Ok(());
        }
        let fate = match &life.beat {
            Some(_) => "shows no sign of life",
            None => "has not come",
        };
        let waited = format!("waited {} s", silence.as_secs_f64());
        Err(self.lost(rank, fate, &waited, doing))
    }

    /// Why something went wrong that ranks did together: the one that is gone is soon known, one that stands still
    /// shows no sign of life.
    pub(super) fn fault(&self, error: &Error, doing: &str) -> Error {
        let (start, silence) = (Instant::now(), AFTERMATH.min(self.limit));
        // The first look finds the last beat, the last one that it has not changed.
        let enough = silence + 3 * self.look_every();
        let over = || (start.elapsed() > enough).then_some(());
        if let Err(lost) = self.wait_beside(silence, doing, over) {
            return lost;
        }
        let (rank, size, error) = (self.rank, self.size, one_line(error));
        Error::Model(format!(
            "rank {rank} of {size} lost another, which one is not known: {error}; it was to {doing}"
        ))
    }

    /// Nobody can go on without that rank.
    fn lost(&self, rank: usize, fate: &str, why: &str, doing: &str) -> Error {
        let who = match self.store.get(&who_key(rank)) {
            Ok(Some(who)) => format!(" ({})", String::from_utf8_lossy(&who)),
            _ => String::new(),
        };
        let size = self.size;
        let (why, hint) = why.split_once("\nhint: ").unwrap_or((why, ""));
        let hint = if hint.is_empty() {
            "a run goes on from its last checkpoint with --resume"
        } else {
            hint
        };
        Error::Model(format!(
            "rank {rank} of {size}{who} {fate}: {why}; it was to {doing}\nhint: {hint}"
        ))
    }
}

/// Shows the others that this rank lives, from a thread of its own; and carries to them, or from rank 0 to this one,
/// which question is not to be answered to the end.
pub(super) struct Beating {
    stop: Arc<AtomicU64>,
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Beating {
    pub(super) fn start(store: Store, rank: usize, limit: Duration) -> Self {
        let stop = Arc::new(AtomicU64::new(0));
        let (end, ended) = mpsc::channel();
        let every = Duration::from_millis(500).min(limit / 8);
        let asked = Arc::clone(&stop);
        let beat = move || {
            let who = format!("process {} on {}", std::process::id(), machine());
            let mut said = store.set(&who_key(rank), who.as_bytes());
            let mut told = 0;
            for beat in 1u64.. {
                let Ok(()) = said else { return };
                said = store.set(&beat_key(rank), &beat.to_le_bytes());
                if rank > 0 {
                    hear_stop(&store, &asked);
                } else if asked.load(Ordering::SeqCst) != told {
                    told = asked.load(Ordering::SeqCst);
                    said = store.set(STOP, &told.to_le_bytes());
                }
                if ended.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        Self { stop, end: Some(end), thread: Some(thread::spawn(beat)) }
    }

    pub(super) fn stop(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.stop)
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It beat to the end, whatever became of it.
            let _ = thread.join();
        }
    }
}

/// Whoever waits for this rank waits no longer. What was said first stands.
pub(super) fn announce_gone(store: &Store, rank: usize, why: &str) -> Result<()> {
    if store.get(&gone_key(rank))?.is_some() {
        return Ok(());
    }
    store.set(&gone_key(rank), why.as_bytes())
}

const STOP: &str = "stop";

fn hear_stop(store: &Store, stop: &AtomicU64) {
    if let Ok(Some(question)) = store.get(STOP)
        && let Ok(question) = question.try_into()
    {
        stop.store(u64::from_le_bytes(question), Ordering::SeqCst);
    }
}

fn who_key(rank: usize) -> String {
    format!("who/{rank}")
}

fn beat_key(rank: usize) -> String {
    format!("beat/{rank}")
}

fn gone_key(rank: usize) -> String {
    format!("gone/{rank}")
}

fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "this machine".into() } else { name.trim().into() }
}

/// What libtorch said of the store, without what it says of itself.
fn one_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_wire() {
        for word in [
            Word::Ready(String::new()),
            Word::Ready("{}".into()),
            Word::Cancelled,
            Word::OutOfMemory("a\nhint: b".into()),
            Word::Failed("über".into()),
        ] {
            assert_eq!(Word::of_text(&word.to_text()), word);
        }
    }
}
