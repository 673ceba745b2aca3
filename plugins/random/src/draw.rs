//! A uniform draw without replacement, the same on every machine and for ever.
//!
//! Random bits are SplitMix64's (Steele, Lea and Flood, OOPSLA 2014), started at
//! `scramble(seed) + epoch`; each place of a Fisher-Yates shuffle takes an unbiased number from them
//! by rejection. Both are spelt out here so that no dependency can change what a seed means.

use iterit_sdk::SampleId;

/// `count` of the ids `0..num_samples`, each set and each order of it equally likely.
///
/// ```
/// use iterit_plugin_random::draw::draw;
/// assert_eq!(draw(42, 0, 1000, 5), [281, 139, 609, 431, 595]);
/// ```
pub fn draw(seed: u64, epoch: u32, num_samples: u64, count: u64) -> Vec<SampleId> {
    let mut bits = SplitMix64 { state: scramble(seed).wrapping_add(epoch.into()) };
    let mut ids: Vec<SampleId> = (0..num_samples).collect();
    let count = count.min(num_samples);
    for place in 0..count {
        let other = place + bits.below(num_samples - place);
        ids.swap(place as usize, other as usize);
    }
    ids.truncate(count as usize);
    ids
}

struct SplitMix64 {
    state: u64,
}

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        scramble(self.state)
    }

    /// A number below `bound`, each equally likely: bits beyond the last whole multiple of the
    /// bound are thrown away.
    fn below(&mut self, bound: u64) -> u64 {
        let beyond = u64::MAX - u64::MAX % bound;
        loop {
            let bits = self.next();
            if bits < beyond {
                return bits % bound;
            }
        }
    }
}

/// SplitMix64's finaliser: every bit of the answer depends on every bit of the number.
fn scramble(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_splitmix64s() {
        // The first outputs for state 1234567, as published with the reference implementation.
        let mut bits = SplitMix64 { state: 1_234_567 };
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([bits.next(), bits.next()], expected);
    }

    #[test]
    fn a_draw_has_no_repeats_and_depends_on_seed_and_epoch() {
        let mut all = draw(7, 3, 50, 90);
        assert_ne!(all, draw(7, 4, 50, 90));
        assert_ne!(all, draw(8, 3, 50, 90));
        assert_eq!(all[..20], draw(7, 3, 50, 20));
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert!(draw(7, 3, 0, 5).is_empty());
    }

    #[test]
    fn every_order_is_equally_likely() {
        let mut counts = std::collections::HashMap::<Vec<SampleId>, f64>::new();
        let rounds = 12_000;
        for epoch in 0..rounds {
            *counts.entry(draw(1, epoch, 4, 2)).or_default() += 1.0;
        }
        let expected = f64::from(rounds) / 12.0;
        let chi_squared: f64 =
            counts.values().map(|count| (count - expected).powi(2) / expected).sum();
        assert_eq!(counts.len(), 12);
        assert!(chi_squared < 31.26, "chi² of {chi_squared} with 11 degrees: below 0.1 % likely");
    }
}
