//! Ranks that rank 0 has started on its own machine: the same program with the same arguments. They end with it
//! whatever ends it, because the other end of their stdin is its; and it knows at once when one of them ends.

use iterit_core::{Error, Result};
use iterit_torch::{Place, Rendezvous};
use std::io::{self, Read};
use std::process::{self, Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Says that rank 0 has started this process.
const SPAWNED_VARIABLE: &str = "ITERIT_SPAWNED_RANK";

/// The others, as long as they are wanted.
pub(crate) struct Spawned {
    /// Whose end is the end of the rank.
    stdins: Vec<ChildStdin>,
    waiting: Vec<JoinHandle<()>>,
    is_over: Arc<AtomicBool>,
}

impl Spawned {
    /// Starts all ranks but this one.
    pub(super) fn start(at: &Rendezvous) -> Result<Self> {
        let Place { size, .. } = *at.place();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut all = Self { stdins: Vec::new(), waiting: Vec::new(), is_over };
        for rank in 1..size {
            all.start_one(rank, at)?;
        }
        Ok(all)
    }

    fn start_one(&mut self, rank: usize, at: &Rendezvous) -> Result<()> {
        let Place { size, address, port, .. } = at.place();
        let own = std::env::current_exe().map_err(Error::io("find", "this program"))?;
        let mut command = Command::new(&own);
        command
            .args(std::env::args_os().skip(1))
            .env(SPAWNED_VARIABLE, "1")
            .env("RANK", rank.to_string())
            .env("LOCAL_RANK", rank.to_string())
            .env("WORLD_SIZE", size.to_string())
            .env("LOCAL_WORLD_SIZE", size.to_string())
            .env("MASTER_ADDR", address)
            .env("MASTER_PORT", port.to_string())
            .env_remove("TORCHELASTIC_USE_AGENT_STORE")
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let mut child = command.spawn().map_err(Error::io("start", &own))?;
        self.stdins.extend(child.stdin.take());
        let (announcer, is_over) = (at.announcer()?, Arc::clone(&self.is_over));
        self.waiting.push(thread::spawn(move || {
            let ended = wait(&mut child, &is_over);
            if !is_over.load(Ordering::SeqCst) && !ended.as_ref().is_ok_and(ExitStatus::success) {
                let how = ended.map_or_else(|error| error.to_string(), |it| it.to_string());
                announcer.gone(rank, &how);
            }
        }));
        Ok(())
    }
}

/// Waits for the end of a rank, which is ended by force if it stays when it is wanted no more.
fn wait(child: &mut Child, is_over: &AtomicBool) -> io::Result<ExitStatus> {
    let mut unwanted = Duration::ZERO;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if unwanted > GRACE {
            child.kill()?;
            return child.wait();
        }
        thread::sleep(LOOK_EVERY);
        if is_over.load(Ordering::SeqCst) {
            unwanted += LOOK_EVERY;
        }
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a rank may take to end by itself; one that is stopped never does.
const GRACE: Duration = Duration::from_secs(5);

impl Drop for Spawned {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.stdins.clear();
        for waiting in self.waiting.drain(..) {
            // It has waited, whatever became of it.
            let _ = waiting.join();
        }
    }
}

/// Whether rank 0 has started this process.
pub(super) fn is_spawned() -> bool {
    std::env::var_os(SPAWNED_VARIABLE).is_some()
}

/// A terminal sends Ctrl-C to all; what becomes of the run is for rank 0 to decide.
pub(super) fn leave_ctrl_c_to_rank_0() {
    // Where it cannot be heard this rank ends, and rank 0 says so.
    let _ = ctrlc::set_handler(|| {});
}

/// Ends this process when the rank that has started it is no more.
pub(super) fn end_with_rank_0() {
    if !is_spawned() {
        return;
    }
    thread::spawn(|| {
        let mut nothing = Vec::new();
        // Nobody writes: it returns when the other end is gone.
        let _ = std::io::stdin().read_to_end(&mut nothing);
        // Other threads may hold locks that an orderly exit waits for, so it gets only a moment.
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(2));
            process::abort();
        });
        process::exit(1);
    });
}
