//! Names runs of two or three terms by a number, without ever making their text.
//!
//! A bigram is a pair of term numbers, a trigram the pair of its leading bigram and its last term, so that
//! each is one `u64`. An n-gram is first named by the place where it first occurs, which no order of work
//! can change; places are then made codes.
//!
//! Most n-grams of a large set occur in one text alone. No other text's pick fades them and all weigh the
//! same, so they get no column: only a code that tells them apart within their text.

use crate::parallel::map_pieces;
use crate::texts::NumberedTexts;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Stands where no n-gram starts because the run ends too soon.
pub(crate) const NONE: u32 = u32::MAX;

/// At most about so many distinct n-grams are looked up in one table: some 200 MB a thread.
const NGRAMS_AT_ONCE: usize = 1 << 23;

/// A column that texts share, or what only one text holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ngram {
    /// The number of its column.
    Shared(u32),
    /// In no other text; the term of its text at which it first starts.
    Alone(u32),
}

/// The codes of n-grams: columns from the bottom up, those of single texts from the top down.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Codes {
    /// The first number that is no column.
    pub(crate) num_columns: u32,
}

impl Codes {
    /// Codes in ascending order as columns, and as those of n-grams that one text has alone. By looking at each: rows are
    /// short.
    pub(crate) fn split(self, codes: &[u32]) -> [&[u32]; 2] {
        let is_column = |&code: &u32| code < self.num_columns;
        let columns = codes.iter().position(|code| !is_column(code)).unwrap_or(codes.len());
        let (shared, rest) = codes.split_at(columns);
        let nothing = rest.iter().rev().take_while(|&&code| code == NONE).count();
        [shared, &rest[..rest.len() - nothing]]
    }

    /// What a code stands for; nothing for [`NONE`].
    pub(crate) fn read(self, code: u32) -> Option<Ngram> {
        match code {
            NONE => None,
            column if column < self.num_columns => Some(Ngram::Shared(column)),
            alone => Some(Ngram::Alone(NONE - 1 - alone)),
        }
    }
}

/// For each place, where the n-gram that starts there first occurs; [`NONE`] where none starts.
///
/// `shorter` holds anything that tells the (n − 1)-grams apart which start at each place.
pub(crate) fn first_places(
    texts: &NumberedTexts,
    shorter: &[u32],
    n: usize,
    threads: usize,
) -> Vec<u32> {
    let terms = texts.terms();
    assert!(terms.len() < NONE as usize, "fewer than 2^32 terms in the candidates");
    let places: Vec<AtomicU32> = terms.iter().map(|_| AtomicU32::new(NONE)).collect();
    // Each shard is looked for in all texts, in order, by a table that fits.
    let num_shards = threads.max(1).max(terms.len().div_ceil(NGRAMS_AT_ONCE));
    let shards: Vec<usize> = (0..num_shards).collect();
    map_pieces(&shards, threads, |shards| {
        let mut first = HashMap::<u64, u32, BuildHasherDefault<PairHasher>>::default();
        for &shard in shards {
            first.clear();
            for run in texts.runs() {
                for place in run.start..(run.end + 1).saturating_sub(n) {
                    let pair = pack(shorter[place], terms[place + n - 1]);
                    if shard_of(pair, num_shards) == shard {
                        let first = *first.entry(pair).or_insert(place as u32);
                        places[place].store(first, Relaxed);
                    }
                }
            }
        }
    });
    places.into_iter().map(AtomicU32::into_inner).collect()
}

/// Puts a code in place of each first place: columns from `base` on, by first occurrence. Returns the first
/// number not given.
pub(crate) fn code_places(places: &mut [u32], texts: &NumberedTexts, base: u32) -> u32 {
    let is_shared = shared_places(places, texts);
    let mut next = base;
    for text in texts.texts() {
        for place in text.clone() {
            let first = places[place];
            if first as usize == place {
                let alone = NONE - 1 - (place - text.start) as u32;
                let is_shared = is_shared.contains(place);
                places[place] = if is_shared { next } else { alone };
                next += u32::from(is_shared);
            } else if first != NONE {
                places[place] = places[first as usize]; // an earlier place, so coded already
            }
        }
        let lowest_alone = NONE as usize - 1 - text.len();
        assert!((next as usize) < lowest_alone, "fewer than 2^32 n-grams that texts share");
    }
    next
}

/// Where the n-grams first occur that occur in another text, too.
fn shared_places(places: &[u32], texts: &NumberedTexts) -> Bits {
    let mut shared = Bits::new(places.len());
    for text in texts.texts() {
        for &first in &places[text.clone()] {
            if (first as usize) < text.start {
                shared.insert(first as usize);
            }
        }
    }
    shared
}

/// A set of places, a bit each.
struct Bits(Vec<u64>);

impl Bits {
    fn new(places: usize) -> Self {
        Self(vec![0; places.div_ceil(64)])
    }

    fn insert(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn contains(&self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }
}

fn pack(leading: u32, last: u32) -> u64 {
    u64::from(leading) << 32 | u64::from(last)
}

/// The upper half of the scrambled pair, as a share of all: no division.
fn shard_of(pair: u64, shards: usize) -> usize {
    (((scramble(pair) >> 32) * shards as u64) >> 32) as usize
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
        // All pairs of a shard share what leads the scrambled number, and tables look there.
        self.0 = scramble(pair).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_ngrams_are_numbered_by_first_occurrence_whatever_the_threads() {
        let texts = ["aa bb aa bb", "cc", "", "bb aa bb", "aa bb cc", "dd dd dd dd"];
        let texts = texts.map(String::from);
        let alone = |at: u32| NONE - 1 - at;
        for threads in [1, 2, 7] {
            let mut all = NumberedTexts::default();
            all.push(&texts, threads);
            let mut bigrams = first_places(&all, all.terms(), 2, threads);
            let firsts = [0, 1, 0, NONE, NONE, 1, 0, NONE, 0, 9, NONE, 11, 11, 11, NONE];
            assert_eq!(bigrams, firsts, "{threads} threads");
            let mut trigrams = first_places(&all, &bigrams, 3, threads);

            let next = code_places(&mut bigrams, &all, 10);
            let (dd, bb_cc) = (alone(0), alone(1));
            let codes = [10, 11, 10, NONE, NONE, 11, 10, NONE, 10, bb_cc, NONE, dd, dd, dd, NONE];
            assert_eq!(bigrams, codes, "{threads} threads");
            assert_eq!(next, 12);
            let next = code_places(&mut trigrams, &all, next);
            assert_eq!(trigrams[..8], [alone(0), 12, NONE, NONE, NONE, 12, NONE, NONE]);
            assert_eq!(trigrams[8..], [alone(0), NONE, NONE, alone(0), alone(0), NONE, NONE]);
            assert_eq!(next, 13);
        }
    }

    #[test]
    fn a_code_says_whose_it_is() {
        let codes = Codes { num_columns: 5 };
        assert_eq!(codes.read(4), Some(Ngram::Shared(4)));
        assert_eq!(codes.read(NONE - 1), Some(Ngram::Alone(0)));
        assert_eq!(codes.read(NONE - 8), Some(Ngram::Alone(7)));
        assert_eq!(codes.read(NONE), None);
    }
}
