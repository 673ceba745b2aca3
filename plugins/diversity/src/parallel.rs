//! Work on the pieces of a slice in threads, with the answers in order, so that no result depends
//! on how many threads there were.

use crossbeam::thread;

/// Cuts `items` into at most `threads` pieces of equal length and applies `work` to each.
pub(crate) fn map_pieces<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let length = items.len().div_ceil(threads.max(1)).max(1);
    let work = &work;
    in_threads(items.chunks(length).map(|piece| move || work(piece)))
}

/// As [`map_pieces`], for work that changes the items in place.
pub(crate) fn for_pieces_mut<T: Send>(
    items: &mut [T],
    threads: usize,
    work: impl Fn(&mut [T]) + Sync,
) {
    let length = items.len().div_ceil(threads.max(1)).max(1);
    let work = &work;
    in_threads(items.chunks_mut(length).map(|piece| move || work(piece)));
}

/// Runs every job, each but a lone one in a thread of its own; a panic in one goes on in the caller.
pub(crate) fn in_threads<R: Send>(
    jobs: impl ExactSizeIterator<Item = impl FnOnce() -> R + Send>,
) -> Vec<R> {
    if jobs.len() < 2 {
        return jobs.map(|job| job()).collect();
    }
    let outcome = thread::scope(|scope| {
        let running: Vec<_> = jobs.map(|job| scope.spawn(move |_| job())).collect();
        running.into_iter().map(|thread| thread.join()).collect::<Result<Vec<R>, _>>()
    });
    match outcome {
        Ok(Ok(answers)) => answers,
        Ok(Err(panic)) | Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_in_order() {
        let items: Vec<u32> = (0..10).collect();
        for threads in [0, 1, 2, 3, 10, 64] {
            assert_eq!(map_pieces(&items, threads, <[u32]>::to_vec).concat(), items, "{threads}");
            let mut doubled = items.clone();
            for_pieces_mut(&mut doubled, threads, |piece| piece.iter_mut().for_each(|x| *x *= 2));
            assert_eq!(doubled, items.iter().map(|x| x * 2).collect::<Vec<_>>(), "{threads}");
        }
        assert!(map_pieces(&[] as &[u32], 4, <[u32]>::to_vec).is_empty());
    }

    #[test]
    #[should_panic(expected = "the fault of one piece")]
    fn a_panic_goes_on_in_the_caller() {
        map_pieces(&[1, 2], 2, |piece| assert!(piece != [2], "the fault of one piece"));
    }
}
