//! Texts that nearly repeat others, without comparing all pairs: each text is known by the few
//! smallest hashes of its shingles (Broder 1997, *On the resemblance and containment of documents*),
//! and only texts that share one of those are compared exactly.
//!
//! A shingle is a run of [`SHINGLE`] letters and digits in lower case, whatever stands between them, so that it
//! means the same in every script.
//!
//! ```text
//! J(A, B) = |A ∩ B| / |A ∪ B|
//! P(overlooked) ≈ (1 − J)^SKETCH, less than 3 in a million at J = 0.8
//! ```

use std::collections::HashMap;

/// Characters of a shingle.
const SHINGLE: usize = 12;

/// Hashes that a text is known by.
const SKETCH: usize = 8;

/// The similarity from which on a text repeats another.
const ALIKE: f64 = 0.8;

/// Shorter texts say the same by chance: "Yes, of course."
const FEWEST_LETTERS: usize = 24;

/// A hash that more texts have is a phrase everybody uses.
const COMMON: usize = 64;

/// A text that nearly repeats one of those it is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeat {
    /// Its position.
    pub text: usize,
    /// The position of what it repeats.
    pub of: usize,
    /// How alike they are, up to 1.
    pub similarity: f64,
}

/// The texts that nearly repeat one of `known`, each with the first such one, in order.
///
/// ```
/// use iterit_core::dataset::repeats;
/// let known = ["The capital of France is Paris, which lies on the river Seine."];
/// let texts = ["Paris.", "the capital of France is PARIS, which lies on the river Seine!"];
/// let found = repeats(&known, texts);
/// assert_eq!((found.len(), found[0].text, found[0].similarity), (1, 1, 1.0));
/// ```
pub fn repeats(known: &[&str], texts: impl IntoIterator<Item: AsRef<str>>) -> Vec<Repeat> {
    let mut by_hash = HashMap::<u64, Vec<usize>>::new();
    for (number, text) in known.iter().enumerate() {
        for hash in sketch(text) {
            by_hash.entry(hash).or_default().push(number);
        }
    }
    by_hash.retain(|_, texts| texts.len() <= COMMON);
    let repeat = |text: usize, content: &str| {
        let mut candidates: Vec<usize> = sketch(content)
            .iter()
            .filter_map(|hash| by_hash.get(hash))
            .flatten()
            .copied()
            .collect();
        if candidates.is_empty() {
            return None;
        }
        candidates.sort_unstable();
        candidates.dedup();
        let shingles = all_shingles(content);
        candidates.into_iter().find_map(|of| {
            let similarity = jaccard(&shingles, &all_shingles(known[of]));
            (similarity >= ALIKE).then_some(Repeat { text, of, similarity })
        })
    };
    let texts = texts.into_iter().enumerate();
    texts.filter_map(|(text, content)| repeat(text, content.as_ref())).collect()
}

/// The smallest hashes of a text's shingles, none of a short one.
fn sketch(text: &str) -> Vec<u64> {
    let mut smallest = Vec::with_capacity(SKETCH + 1);
    for_each_shingle(text, |hash| {
        if smallest.len() == SKETCH && hash >= smallest[SKETCH - 1] {
            return;
        }
        if let Err(place) = smallest.binary_search(&hash) {
            smallest.insert(place, hash);
            smallest.truncate(SKETCH);
        }
    });
    smallest
}

/// The hashes of all shingles, sorted, each once.
fn all_shingles(text: &str) -> Vec<u64> {
    let mut hashes = Vec::new();
    for_each_shingle(text, |hash| hashes.push(hash));
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

/// Hashes of runs of letters, by a polynomial that rolls on from letter to letter.
fn for_each_shingle(text: &str, mut each: impl FnMut(u64)) {
    const BASE: u64 = 0x9E37_79B9_7F4A_7C15;
    let leaving = (0..SHINGLE).fold(1_u64, |power, _| power.wrapping_mul(BASE));
    let letters: Vec<u64> = text
        .chars()
        .filter(|character| character.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .map(|letter| mix(u64::from(letter)))
        .collect();
    if letters.len() < FEWEST_LETTERS {
        return;
    }
    let mut hash = 0_u64;
    for (place, &letter) in letters.iter().enumerate() {
        hash = hash.wrapping_mul(BASE).wrapping_add(letter);
        if place >= SHINGLE {
            hash = hash.wrapping_sub(letters[place - SHINGLE].wrapping_mul(leaving));
        }
        if place + 1 >= SHINGLE {
            each(mix(hash));
        }
    }
}

/// A bijection of 64-bit numbers that looks random: SplitMix64's finaliser.
fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

fn jaccard(mut a: &[u64], mut b: &[u64]) -> f64 {
    let total = a.len() + b.len();
    let mut shared = 0;
    while let ([first_a, ..], [first_b, ..]) = (a, b) {
        shared += usize::from(first_a == first_b);
        let (skip_a, skip_b) = (first_a <= first_b, first_b <= first_a);
        a = &a[usize::from(skip_a)..];
        b = &b[usize::from(skip_b)..];
    }
    shared as f64 / (total - shared).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Sets of substrings, compared as they are.
    fn plainly(a: &str, b: &str) -> f64 {
        let set = |text: &str| -> BTreeSet<String> {
            let letters: Vec<char> =
                text.to_lowercase().chars().filter(|it| it.is_alphanumeric()).collect();
            letters.windows(SHINGLE).map(|run| run.iter().collect()).collect()
        };
        let (a, b) = (set(a), set(b));
        a.intersection(&b).count() as f64 / a.union(&b).count() as f64
    }

    #[test]
    fn what_is_found_is_what_comparing_all_pairs_finds() {
        let words = ["river", "stone", "moon", "木曜日", "green", "seven", "running", "été"];
        let text = |seed: usize, changed: usize| -> String {
            let word = |k: usize| words[mix((seed * 40 + k) as u64) as usize % words.len()];
            (0..40)
                .map(|k| if k < changed { "other" } else { word(k) })
                .collect::<Vec<_>>()
                .join(" ")
        };
        let known: Vec<String> = (0..30).map(|seed| text(seed, 0)).collect();
        let texts: Vec<String> = (0..60).map(|i| text(i, i % 7)).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let found = repeats(&known, &texts);
        let mut expected = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            let alike = |of: &usize| plainly(text, known[*of]) >= ALIKE;
            if let Some(of) = (0..known.len()).find(alike) {
                let similarity = plainly(text, known[of]);
                expected.push(Repeat { text: number, of, similarity });
            }
        }
        assert_eq!(found, expected);
        assert!((10..30).contains(&found.len()), "{}", found.len());
        assert_eq!(repeats(&["Yes, of course."], ["Yes, of course."]), []);
    }
}
