//! A text as the set of its word shingles, and the similarity of two such sets (Broder 1997).
//!
//! ```text
//! J(A, B) = |A ∩ B| / |A ∪ B|          1 for two empty sets
//! ```

/// The hashes of a text's shingles, sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shingles(Vec<u64>);

impl Shingles {
    /// The runs of `length` words of a text; a shorter text is one shingle. Words are runs of letters
    /// and digits, in lower case.
    pub fn of(text: &str, length: usize) -> Self {
        let lower = text.to_lowercase();
        let words: Vec<u64> = lower
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(|word| word.bytes().fold(0, |hash, byte| mix(hash ^ u64::from(byte))))
            .collect();
        let of_words = |words: &[u64]| words.iter().fold(0, |hash, word| mix(hash ^ word));
        let mut hashes: Vec<u64> = match words.len() {
            0 => Vec::new(),
            _ => words.windows(length.min(words.len())).map(of_words).collect(),
        };
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }

    /// The hashes, ascending.
    pub fn hashes(&self) -> &[u64] {
        &self.0
    }

    /// The Jaccard similarity, from 0 to 1.
    pub fn jaccard(&self, other: &Self) -> f64 {
        let (mut a, mut b) = (self.0.as_slice(), other.0.as_slice());
        let mut shared = 0;
        while let ([first_a, ..], [first_b, ..]) = (a, b) {
            shared += usize::from(first_a == first_b);
            let (skip_a, skip_b) = (first_a <= first_b, first_b <= first_a);
            a = &a[usize::from(skip_a)..];
            b = &b[usize::from(skip_b)..];
        }
        match self.0.len() + other.0.len() - shared {
            0 => 1.0,
            union => shared as f64 / union as f64,
        }
    }
}

/// A bijection of 64-bit numbers that looks random: SplitMix64's finaliser, offset so that 0 moves.
pub fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &str, b: &str, length: usize, expected: f64) {
        let (a, b) = (Shingles::of(a, length), Shingles::of(b, length));
        assert_eq!((a.jaccard(&b), b.jaccard(&a)), (expected, expected));
    }

    #[test]
    fn similarity_counts_shared_shingles() {
        check("The cat sat on the mat.", "the CAT sat, on the mat", 3, 1.0);
        check("a b c d", "a b c e", 1, 3.0 / 5.0);
        check("a b c d", "a b c e", 3, 1.0 / 3.0);
        check("a b", "a b", 3, 1.0);
        check("a b", "b a", 3, 0.0);
        check("a a a a a", "a a a", 3, 1.0);
        check("", "...", 3, 1.0);
        check("", "a", 3, 0.0);
    }
}
