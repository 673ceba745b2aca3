//! Ends the run when a plugin hangs. A call cannot be taken back from the thread it runs on, so a
//! second thread watches for signs of life; when there have been none for too long it says which
//! plugin it was and ends the process. The run's files are whole at any moment, so nothing is lost
//! but the epoch.
//!
//! A sign of life is a call that begins or ends, and every use of a service. While a service works,
//! the time is the host's and does not count.

use iterit_sdk::{Call, Tap};
use std::{
    process,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

/// Watches the calls of any number of plugins.
pub(crate) struct Watchdog {
    /// `None` never fires.
    limit: Option<Duration>,
    pulses: Mutex<Vec<Weak<Pulse>>>,
    thread: OnceLock<()>,
    on_hang: fn(&str),
}

/// One plugin's signs of life.
pub(super) struct Pulse {
    label: String,
    /// Keeps it watching for as long as there is something to watch.
    _watchdog: Arc<Watchdog>,
    /// The [`Method`] called last.
    method: AtomicU8,
    /// Calls now running in the low half, beats in the high half, so that one addition does both.
    state: AtomicU64,
    /// Services now running.
    services: AtomicU64,
}

/// What the host calls of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Method {
    New,
    Options,
    Score,
    Begin,
    Gain,
    Gains,
    Pick,
    Budgets,
    Plan,
    Save,
    Restore,
    Drop,
}

impl Method {
    /// In declaration order, as in messages.
    const NAMES: [&str; 12] = [
        "new", "options", "score", "begin", "gain", "gains", "pick", "budgets", "plan", "save",
        "restore", "drop",
    ];
}

const RUNNING: u64 = 1;
const BEAT: u64 = 1 << 32;

impl Watchdog {
    /// Ends the process once a plugin shows no sign of life for this long.
    pub(crate) fn new(limit: Duration) -> Arc<Self> {
        Self::with(Some(limit), end_the_process)
    }

    /// Waits for ever.
    pub(crate) fn off() -> Arc<Self> {
        Self::with(None, end_the_process)
    }

    fn with(limit: Option<Duration>, on_hang: fn(&str)) -> Arc<Self> {
        let (pulses, thread) = (Mutex::default(), OnceLock::new());
        Arc::new(Self { limit, pulses, thread, on_hang })
    }

    /// Watches one call that has no object yet.
    pub(super) fn call<T>(
        self: &Arc<Self>,
        label: &str,
        method: Method,
        work: impl FnOnce() -> T,
    ) -> T {
        self.pulse(label).during(method, work)
    }

    /// The pulse of one plugin's object, watched from now on.
    pub(super) fn pulse(self: &Arc<Self>, label: &str) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse {
            label: label.to_owned(),
            _watchdog: self.clone(),
            method: AtomicU8::new(Method::New as u8),
            state: AtomicU64::new(0),
            services: AtomicU64::new(0),
        });
        if let Some(limit) = self.limit {
            self.pulses.lock().expect("no panic holds the list").push(Arc::downgrade(&pulse));
            self.thread.get_or_init(|| {
                let watchdog = Arc::downgrade(self);
                thread::spawn(move || watch(&watchdog, limit));
            });
        }
        pulse
    }
}

/// Looks again and again until the watchdog itself is gone.
fn watch(watchdog: &Weak<Watchdog>, limit: Duration) {
    let pause = (limit / 10).clamp(Duration::from_millis(5), Duration::from_secs(1));
    let mut seen: Vec<(Weak<Pulse>, u64, Instant)> = Vec::new();
    while let Some(watchdog) = watchdog.upgrade() {
        let now = Instant::now();
        for pulse in watchdog.pulses.lock().expect("no panic holds the list").drain(..) {
            seen.push((pulse, 0, now));
        }
        seen.retain_mut(|(pulse, last, since)| {
            let Some(pulse) = pulse.upgrade() else { return false };
            let state = pulse.state.load(Relaxed);
            let idle = state % BEAT == 0 || pulse.services.load(Relaxed) > 0;
            if idle || state != *last {
                (*last, *since) = (state, now);
            } else if now.duration_since(*since) >= limit {
                let method = Method::NAMES[usize::from(pulse.method.load(Relaxed))];
                (watchdog.on_hang)(&farewell(&pulse.label, method, limit));
                *since = now;
            }
            true
        });
        drop(watchdog);
        thread::sleep(pause);
    }
}

fn farewell(label: &str, method: &str, limit: Duration) -> String {
    format!(
        "{label}: {method}: no sign of life for {limit:?}, the run is ended\n\
         hint: a plugin that works long calls `host.progress`; the limit is `selection.plugin_timeout`"
    )
}

/// Other threads may hold locks that an orderly exit waits for, so it gets only a moment.
fn end_the_process(message: &str) {
    eprintln!("error: {message}");
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(5));
        process::abort();
    });
    process::exit(1);
}

impl Pulse {
    /// A call into the plugin.
    pub(super) fn during<T>(&self, method: Method, work: impl FnOnce() -> T) -> T {
        self.begin(method);
        let _running = Running(self);
        work()
    }

    fn begin(&self, method: Method) {
        self.method.store(method as u8, Relaxed);
        self.state.fetch_add(BEAT + RUNNING, Relaxed);
    }

    fn end(&self) {
        self.state.fetch_add(BEAT - RUNNING, Relaxed);
    }

    /// A service the plugin uses meanwhile.
    fn serve<T>(&self, work: impl FnOnce() -> T) -> T {
        self.services.fetch_add(1, Relaxed);
        let _serving = Serving(self);
        work()
    }
}

impl Tap for Pulse {
    fn pass<T>(&self, _: Call, work: impl FnOnce() -> T) -> T {
        self.serve(work)
    }
}

/// Ends a call even when a panic does.
struct Running<'a>(&'a Pulse);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Begins the call `drop` when dropped: stands in front of what is watched.
pub(super) struct Leaving(pub(super) Arc<Pulse>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.begin(Method::Drop);
    }
}

/// Ends the call `drop` when dropped: stands behind what is watched.
pub(super) struct Left(pub(super) Arc<Pulse>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Ends a service even when a panic does.
struct Serving<'a>(&'a Pulse);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.state.fetch_add(BEAT, Relaxed);
        self.0.services.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn remember(message: &str) {
        SAID.lock().unwrap().push(message.lines().next().unwrap().to_owned());
    }

    #[test]
    fn only_a_call_without_a_sign_of_life_is_a_hang() {
        let limit = Duration::from_millis(200);
        let watchdog = Watchdog::with(Some(limit), remember);
        let pulse = watchdog.pulse("plugin `slow` 1.0.0");
        drop(watchdog); // whoever made the plugins need not keep it
        thread::sleep(2 * limit); // nothing runs
        pulse.during(Method::Score, || {
            for _ in 0..8 {
                pulse.serve(|| ());
                thread::sleep(limit / 4); // long, with signs of life
            }
            pulse.serve(|| thread::sleep(2 * limit)); // the host's own time
        });
        assert_eq!(*SAID.lock().unwrap(), Vec::<String>::new());
        pulse.during(Method::Gain, || thread::sleep(2 * limit));
        let _left = Left(pulse.clone());
        drop(Leaving(pulse));
        thread::sleep(2 * limit);
        let mut said = SAID.lock().unwrap().clone();
        said.dedup(); // it may have been said more than once
        let expected = |method| {
            format!("plugin `slow` 1.0.0: {method}: no sign of life for 200ms, the run is ended")
        };
        assert_eq!(said, ["gain", "drop"].map(expected));
    }

    #[test]
    fn a_panic_ends_a_call_too() {
        let watchdog = Watchdog::off();
        let pulse = watchdog.pulse("plugin");
        let call = || pulse.during(Method::Plan, || pulse.serve(|| panic!("on purpose")));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
        assert_eq!(pulse.state.load(Relaxed) % BEAT, 0);
        assert_eq!(pulse.services.load(Relaxed), 0);
    }
}
