//! Finds the texts that are near-duplicates of a given one without comparing all pairs: MinHash
//! (Broder 1997) with banding (Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*, ch. 3).
//!
//! With h_1 … h_128 random permutations of all shingles, two texts of similarity J agree in
//! `min h_k` with probability J for each k. The minima are cut into b bands of r; texts that agree in
//! a whole band are compared exactly. A pair of similarity J is overlooked with probability
//!
//! ```text
//! miss(J) = (1 − J^r)^b,   r as large as miss(threshold) ≤ 1/10,000 allows
//! ```

use crate::shingles::{Shingles, mix};
use std::collections::HashMap;

const MINIMA: usize = 128;

/// Texts, ready to be asked for the near-duplicates of any of them.
#[derive(Debug, Default)]
pub struct NearDuplicates {
    threshold: f64,
    rows: usize,
    texts: Vec<Shingles>,
    /// For each band, the texts by their minima in it.
    bands: Vec<HashMap<u64, Vec<u32>>>,
}

impl NearDuplicates {
    /// No text yet. Texts are near-duplicates from this similarity on; above 0, at most 1.
    pub fn new(threshold: f64) -> Self {
        let rows = rows_of_a_band(threshold);
        let bands = vec![HashMap::new(); MINIMA / rows];
        Self { threshold, rows, texts: Vec::new(), bands }
    }

    /// Adds a text; texts are known by the order in which they came.
    pub fn push(&mut self, text: Shingles) {
        let number = u32::try_from(self.texts.len()).expect("fewer than 2^32 candidates");
        for (texts, key) in self.bands.iter_mut().zip(band_keys(&text, self.rows)) {
            texts.entry(key).or_default().push(number);
        }
        self.texts.push(text);
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The wanted texts whose similarity to one reaches the threshold, itself included, in any order
    /// and some of them more than once.
    pub fn of(&self, text: usize, wanted: impl Fn(usize) -> bool) -> impl Iterator<Item = usize> {
        let shingles = &self.texts[text];
        let keys = band_keys(shingles, self.rows);
        let alike = self.bands.iter().zip(keys).filter_map(|(texts, key)| texts.get(&key));
        alike
            .flatten()
            .map(|&other| other as usize)
            .filter(move |&other| wanted(other))
            .filter(|&other| shingles.jaccard(&self.texts[other]) >= self.threshold)
    }
}

/// The largest r whose bands overlook hardly any pair at the threshold.
fn rows_of_a_band(threshold: f64) -> usize {
    let miss = |rows: usize| {
        let bands = MINIMA / rows;
        (1.0 - threshold.powi(rows as i32)).powi(bands as i32)
    };
    (1..=MINIMA).rev().find(|&rows| miss(rows) <= 1e-4).unwrap_or(1)
}

/// One number for the minima of each band.
fn band_keys(text: &Shingles, rows: usize) -> impl Iterator<Item = u64> + use<> {
    let minima = minima(text);
    let of_band = |band: &[u64]| band.iter().fold(0, |key, minimum| mix(key ^ minimum));
    let keys: Vec<u64> = minima.chunks_exact(rows).map(of_band).collect();
    keys.into_iter()
}

/// min h_k over the shingles, for each k; of no shingle the largest number there is.
fn minima(text: &Shingles) -> [u64; MINIMA] {
    let mut minima = [u64::MAX; MINIMA];
    for &shingle in text.hashes() {
        for (k, minimum) in minima.iter_mut().enumerate() {
            *minimum = (*minimum).min(mix(shingle ^ PERMUTATIONS[k]));
        }
    }
    minima
}

/// What tells the permutations apart.
const PERMUTATIONS: [u64; MINIMA] = {
    let mut numbers = [0; MINIMA];
    let mut k = 0;
    while k < MINIMA {
        numbers[k] = (k as u64 + 1).wrapping_mul(0xD134_2543_DE82_EF95);
        k += 1;
    }
    numbers
};

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Texts of 40 words, each derived from an earlier one by replacing some of them.
    fn texts() -> Vec<String> {
        let mut state = 7_u64;
        let mut below = |bound: u64| {
            state = mix(state);
            state % bound
        };
        let mut texts: Vec<Vec<String>> = Vec::new();
        for number in 0..300 {
            let mut words: Vec<String> = match number % 6 {
                0 => (0..40).map(|_| format!("w{}", below(500))).collect(),
                _ => texts[number - 1].clone(),
            };
            for _ in 0..below(4) {
                words[below(40) as usize] = format!("w{}", below(500));
            }
            texts.push(words);
        }
        texts.iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn finds_what_comparing_all_pairs_finds() {
        let shingles: Vec<Shingles> = texts().iter().map(|text| Shingles::of(text, 3)).collect();
        for threshold in [0.5, 0.8, 1.0] {
            let mut index = NearDuplicates::new(threshold);
            shingles.iter().for_each(|text| index.push(text.clone()));
            let mut pairs = 0;
            for (text, one) in shingles.iter().enumerate() {
                let near = |other: &usize| one.jaccard(&shingles[*other]) >= threshold;
                let expected: BTreeSet<usize> = (0..shingles.len()).filter(near).collect();
                pairs += expected.len();
                assert_eq!(
                    index.of(text, |_| true).collect::<BTreeSet<_>>(),
                    expected,
                    "{threshold}"
                );
            }
            assert!((310..30_000).contains(&pairs), "{threshold}: {pairs} pairs");
        }
    }

    #[test]
    fn bands_are_as_long_as_the_threshold_allows() {
        // miss(0.8) is (1 − 0.8^5)^25 = 4.9e-5, but (1 − 0.8^6)^21 = 1.7e-3.
        assert_eq!([0.5, 0.8, 1.0].map(rows_of_a_band), [2, 5, MINIMA]);
    }
}
