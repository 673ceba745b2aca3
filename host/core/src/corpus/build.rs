//! Encodes samples on several threads, ahead of the model.

use crate::dataset::Row;
use crate::learner::Watch;
use crate::span::{EncodedSample, Encoder};
use crate::{Error, Result};
use crossbeam::{channel, thread};
use iterit_sdk::SampleId;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Samples a thread takes at a time.
const CHUNK: usize = 64;

/// Faults shown before the rest is only counted.
const SHOWN_FAULTS: usize = 5;

/// The tokens of every row, in order.
pub(super) fn encode(
    rows: &[Row],
    encoder: &Encoder,
    threads: usize,
    watch: &dyn Watch,
) -> Result<Vec<EncodedSample>> {
    let chunks: Vec<&[Row]> = rows.chunks(CHUNK).collect();
    let next = AtomicUsize::new(0);
    let mut done = vec![Vec::new(); chunks.len()];
    let mut faults = Vec::new();
    thread::scope(|scope| {
        let (sender, results) = channel::bounded(2 * threads.max(1));
        for _ in 0..threads.max(1) {
            let (sender, next, chunks) = (sender.clone(), &next, &chunks);
            scope.spawn(move |_| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(chunk) = chunks.get(index) else { return };
                    let encode = |row: &Row| encoder.encode(&row.conversation);
                    let encoded: Vec<_> = chunk.iter().map(encode).collect();
                    // Nobody listens any more once the user has had enough.
                    if sender.send((index, encoded)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut num_done = 0;
        for (index, encoded) in results {
            if watch.is_cancelled() {
                return Err(Error::Cancelled);
            }
            num_done += encoded.len();
            watch.progress(num_done as u64, rows.len() as u64);
            for (id, encoded) in (index * CHUNK..).zip(encoded) {
                match encoded {
                    Ok(encoded) => done[index].push(encoded),
                    Err(error) => faults.push((id as SampleId, error)),
                }
            }
        }
        Ok(())
    })
    .expect("encoding does not panic")?;
    if faults.is_empty() { Ok(done.into_iter().flatten().collect()) } else { Err(report(faults)) }
}

fn report(mut faults: Vec<(SampleId, Error)>) -> Error {
    faults.sort_by_key(|(id, _)| *id);
    let shown: Vec<String> = faults
        .iter()
        .take(SHOWN_FAULTS)
        .map(|(id, error)| format!("sample {id}: {error}"))
        .collect();
    let more = faults.len().saturating_sub(SHOWN_FAULTS);
    let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
    Error::Text(shown.join("\n") + &more)
}
