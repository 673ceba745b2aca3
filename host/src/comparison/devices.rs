//! Which device each of the runs side by side works on: where there are several, one of its own as long as one is
//! free. Knows devices and the weights that lie on them, not what runs there.

use crate::wiring::SharedBase;
use iterit_core::config::DeviceChoice;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// As many as runs side by side can use.
pub(super) struct Devices {
    all: Vec<Device>,
    /// How many runs there are on each.
    runs: Mutex<Vec<usize>>,
}

/// One of them, with the frozen weights that runs on it share.
struct Device {
    choice: DeviceChoice,
    base: SharedBase,
}

impl Devices {
    /// From the one that was chosen on, at most one for each of the jobs.
    pub(super) fn new(chosen: DeviceChoice, jobs: NonZeroUsize) -> Self {
        Self::of(iterit_torch::devices_from(chosen, jobs))
    }

    fn of(choices: Vec<DeviceChoice>) -> Self {
        let runs = Mutex::new(vec![0; choices.len()]);
        let device = |choice| Device { choice, base: SharedBase::default() };
        Self { all: choices.into_iter().map(device).collect(), runs }
    }

    /// The first of those with the fewest runs, until what is given is dropped.
    pub(super) fn take(&self) -> Taken<'_> {
        let mut runs = self.runs();
        let least = (0..runs.len()).min_by_key(|&place| runs[place]);
        let place = least.expect("there is a device");
        runs[place] += 1;
        Taken { devices: self, place }
    }

    fn runs(&self) -> MutexGuard<'_, Vec<usize>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them in words, where there are several.
    pub(super) fn shown(&self) -> Option<String> {
        let [first, .., last] = &self.all[..] else { return None };
        Some(format!("{} to {}", first.choice, last.choice))
    }
}

/// A device that a run has taken.
pub(super) struct Taken<'a> {
    devices: &'a Devices,
    place: usize,
}

impl Taken<'_> {
    /// Which one it is.
    pub(super) fn choice(&self) -> DeviceChoice {
        self.devices.all[self.place].choice
    }

    /// The frozen weights on it.
    pub(super) fn base(&self) -> &SharedBase {
        &self.devices.all[self.place].base
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.devices.runs()[self.place] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_gets_a_device_of_its_own_while_there_is_one() {
        let devices = Devices::of(vec![DeviceChoice::Cuda(1), DeviceChoice::Cuda(2)]);
        assert_eq!(devices.shown().as_deref(), Some("cuda:1 to cuda:2"));
        let [first, second, third] = [devices.take(), devices.take(), devices.take()];
        let numbers = [&first, &second, &third].map(|it| it.choice());
        assert_eq!(numbers, [1, 2, 1].map(DeviceChoice::Cuda));
        drop(second);
        assert_eq!(devices.take().choice(), DeviceChoice::Cuda(2));
        assert_eq!(Devices::of(vec![DeviceChoice::Cpu]).shown(), None);
    }
}
