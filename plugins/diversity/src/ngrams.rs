//! Names every distinct run of two or three terms by a number, without ever making its text.
//!
//! A bigram is a pair of term numbers, a trigram the pair of its leading bigram's number and its
//! last term's, so that each is one `u64`. In threads, an n-gram is first named by the place where
//! it first occurs, which no order of work can change; places are then numbered in order.

use crate::parallel::in_threads;
use crate::texts::NumberedTexts;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Stands where no n-gram starts because the run ends too soon.
pub(crate) const NONE: u32 = u32::MAX;

/// The number of the n-gram that starts at each place of the texts, [`NONE`] where none does, and
/// the first number not given. Numbers start at `base` and follow the first occurrences.
///
/// `shorter` holds the number of the (n − 1)-gram that starts at each place.
pub(crate) fn number_ngrams(
    texts: &NumberedTexts,
    shorter: &[u32],
    n: usize,
    base: u32,
    threads: usize,
) -> (Vec<u32>, u32) {
    let mut places = first_places(texts, shorter, n, threads);
    let mut next = base;
    for place in 0..places.len() {
        let first = places[place];
        if first as usize == place {
            places[place] = next;
            next = next.checked_add(1).expect("fewer than 2^32 distinct n-grams");
        } else if first != NONE {
            places[place] = places[first as usize]; // an earlier place, so numbered already
        }
    }
    (places, next)
}

/// For each place, where the n-gram that starts there first occurs.
fn first_places(texts: &NumberedTexts, shorter: &[u32], n: usize, threads: usize) -> Vec<u32> {
    let terms = texts.terms();
    assert!(terms.len() < NONE as usize, "fewer than 2^32 terms in the candidates");
    let places: Vec<AtomicU32> = terms.iter().map(|_| AtomicU32::new(NONE)).collect();
    // Every thread walks all places in order and keeps to the n-grams of its own shard.
    let shards = threads.max(1);
    in_threads((0..shards).map(|shard| {
        let places = &places;
        move || {
            let mut first = HashMap::<u64, u32, BuildHasherDefault<PairHasher>>::default();
            for run in texts.runs() {
                for place in run.start..(run.end + 1).saturating_sub(n) {
                    let pair = pack(shorter[place], terms[place + n - 1]);
                    if (scramble(pair) >> 32) as usize % shards == shard {
                        let first = *first.entry(pair).or_insert(place as u32);
                        places[place].store(first, Relaxed);
                    }
                }
            }
        }
    }));
    places.into_iter().map(AtomicU32::into_inner).collect()
}

fn pack(leading: u32, last: u32) -> u64 {
    u64::from(leading) << 32 | u64::from(last)
}

/// Spreads dense pairs over all 64 bits: the finaliser of SplitMix64.
fn scramble(pair: u64) -> u64 {
    let pair = (pair ^ (pair >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let pair = (pair ^ (pair >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    pair ^ (pair >> 31)
}

/// A hasher for packed pairs, several times faster than the standard one.
#[derive(Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("pairs are hashed as one u64");
    }

    fn write_u64(&mut self, pair: u64) {
        self.0 = scramble(pair);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ngrams_are_numbered_by_first_occurrence_whatever_the_threads() {
        let texts = ["aa bb aa bb", "cc", "", "bb aa bb", "aa bb cc"].map(String::from);
        for threads in [1, 2, 7] {
            let mut all = NumberedTexts::default();
            all.push(&texts, threads);
            let (bigrams, next) = number_ngrams(&all, all.terms(), 2, 10, threads);
            assert_eq!(bigrams, [10, 11, 10, NONE, NONE, 11, 10, NONE, 10, 12, NONE]);
            assert_eq!(next, 13);
            let (trigrams, next) = number_ngrams(&all, &bigrams, 3, next, threads);
            assert_eq!(
                trigrams,
                [13, 14, NONE, NONE, NONE, 14, NONE, NONE, 15, NONE, NONE],
                "{threads} threads"
            );
            assert_eq!(next, 16);
        }
    }
}
