//! Pieces of model work that do not depend on one another, each whole on a thread of its own.
//!
//! Left alone, libtorch cuts every operator over all threads and waits for the last of them, some hundred
//! times a batch; where a neighbour takes a core away, all wait for it at every operator. A batch that one thread
//! runs from beginning to end waits for nobody, and its answer is to the byte that of one thread alone.
//! Knows threads, not what the work is.

use crate::guard::guarded;
use crate::shim;
use iterit_core::Result;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use tch::Device;

/// How many pieces run at the same time on a device: on a GPU one, which has all of it.
pub(crate) fn lanes(device: Device) -> usize {
    match device {
        Device::Cpu => usize::try_from(tch::get_num_threads()).unwrap_or(1),
        _ => 1,
    }
}

/// libtorch counts cores and knows nothing of a container's share of their time: threads beyond it would
/// wait for one another. A number that the user has set stays.
pub(crate) fn keep_within_quota() {
    let allowed = thread::available_parallelism().map_or(i32::MAX, |it| it.get() as i32);
    if std::env::var_os("OMP_NUM_THREADS").is_none() && allowed < tch::get_num_threads() {
        tch::set_num_threads(allowed);
    }
}

/// Keeps the operators of the calling thread from spreading over others, which only pays where they wait
/// for nobody else; what does gain from it asks for it by [`spread_over`].
pub(crate) fn keep_to_this_thread() {
    shim::spread_over(1);
}

/// Work of one piece: its operators spread over so many threads.
pub(crate) fn spread_over<T>(lanes: usize, work: impl FnOnce() -> T) -> T {
    shim::spread_over(lanes);
    let outcome = work();
    shim::spread_over(1);
    outcome
}

/// Runs `work` on 0 to `count`, on so many threads where there are pieces for all of
/// them, and tells `done` of each piece as it ends. The first fault ends it.
pub(crate) fn run<T: Send>(
    count: usize,
    lanes: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
    mut done: impl FnMut(usize, T) -> Result<()>,
) -> Result<()> {
    if lanes < 2 || count < lanes {
        let all = || (0..count).try_for_each(|piece| done(piece, work(piece)?));
        return spread_over(lanes, all);
    }
    let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..lanes {
            let (sender, next, is_over, work) = (sender.clone(), &next, &is_over, &work);
            scope.spawn(move || {
                keep_to_this_thread();
                while !is_over.load(Ordering::Relaxed) {
                    let piece = next.fetch_add(1, Ordering::Relaxed);
                    if piece >= count {
                        break;
                    }
                    // Nobody listens any more after a fault.
                    let _ = sender.send((piece, guarded(|| work(piece))));
                }
            });
        }
        drop(sender);
        let outcome = results.iter().try_for_each(|(piece, result)| done(piece, result?));
        is_over.store(true, Ordering::Relaxed);
        outcome
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels;
    use iterit_core::Error;
    use tch::{Kind, Tensor};

    #[test]
    fn every_piece_is_run_once_whatever_the_lanes() {
        for (count, lanes) in [(0, 3), (2, 3), (3, 3), (50, 1), (50, 4)] {
            let mut ran = vec![0; count];
            let square = |piece| Ok(piece * piece);
            let count_it = |piece: usize, square| {
                ran[piece] += usize::from(square == piece * piece);
                Ok(())
            };
            run(count, lanes, square, count_it).unwrap();
            assert_eq!(ran, vec![1; count], "{count} {lanes}");
        }
    }

    #[test]
    fn operators_inside_keep_to_their_thread() {
        keep_to_this_thread();
        let look = |_| Ok(tch::get_num_threads());
        let mut seen = Vec::new();
        let keep = |_, it| {
            seen.push(it);
            Ok(())
        };
        run(8, 2, look, keep).unwrap();
        assert_eq!(seen, [1; 8]);
        assert_eq!(spread_over(3, tch::get_num_threads), 3);
        assert_eq!(tch::get_num_threads(), 1);
    }

    /// They are compiled apart from libtorch, with a count of their own that begins in every thread.
    #[test]
    fn our_own_steps_of_a_graph_leave_the_count_as_it_is() {
        let look = || {
            let ones = || Tensor::ones([64], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let y = kernels::rms_norm(&ones(), &ones(), 1e-6);
            assert!(y.is_some_and(|y| y.requires_grad()));
            tch::get_num_threads()
        };
        // What the program sets once is what such a count begins with.
        tch::set_num_threads(tch::get_num_threads());
        let count = thread::spawn(move || spread_over(3, look)).join();
        assert_eq!(count.expect("a count"), 3);
    }

    #[test]
    fn a_fault_ends_all_and_is_told() {
        let fails = |piece| match piece {
            7 => Err(Error::Model("seven".into())),
            _ => Ok(piece),
        };
        let error = run(1000, 3, fails, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "seven");
        // What libtorch throws on another thread is an error here.
        let too_much = |_| Ok(Tensor::zeros([1 << 50], (Kind::Float, Device::Cpu)).size());
        let error = run(4, 2, too_much, |_, _| Ok(())).unwrap_err().to_string();
        assert!(error.starts_with("libtorch: "), "{error}");
        // So does one who has seen enough.
        let error = run(1000, 2, Ok, |_, _| Err(Error::Cancelled)).unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    }
}
