//! The order of samples within an epoch: torch's `randperm` on the CPU, in pure Rust.
//!
//! MT19937 (Matsumoto and Nishimura, 1998) seeded with a 32-bit number, then a Fisher–Yates shuffle
//! from the front whose draws are reduced by a modulus, as torch does for fewer than 2³²/20 items.

use crate::statistics::random::SplitMix64;

/// 0..n in the order `torch.randperm(n, generator=g.manual_seed(seed))` gives.
///
/// ```
/// use iterit_core::permutation::randperm;
/// assert_eq!(randperm(10, 42), [2, 6, 1, 8, 4, 5, 0, 9, 3, 7]);
/// ```
pub fn randperm(n: usize, seed: u64) -> Vec<usize> {
    // Above this torch draws 64 bits at a time; no selection is that large.
    assert!(n < u32::MAX as usize / 20, "randperm of {n} items");
    let mut twister = MersenneTwister::new(seed as u32);
    let mut order: Vec<usize> = (0..n).collect();
    for i in 0..n.saturating_sub(1) {
        let offset = twister.next_u32() as usize % (n - i);
        order.swap(i, i + offset);
    }
    order
}

/// The seed of the order of one epoch: a hash of the run's seed and the epoch. With seed + epoch,
/// as is common, the second epoch of one seed has the order of the first epoch of the next, and
/// runs that are to be independent are not.
///
/// ```
/// use iterit_core::permutation::order_seed;
/// assert_ne!(order_seed(1, 1), order_seed(2, 0));
/// ```
pub fn order_seed(seed: u64, epoch: u32) -> u64 {
    let of_run = SplitMix64::new(seed).next_u64();
    SplitMix64::new(of_run.wrapping_add(u64::from(epoch))).next_u64()
}

const N: usize = 624;
const M: usize = 397;

/// MT19937.
struct MersenneTwister {
    state: [u32; N],
    index: usize,
}

impl MersenneTwister {
    fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let previous = state[i - 1];
            state[i] =
                1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
        Self { state, index: N }
    }

    fn next_u32(&mut self) -> u32 {
        if self.index == N {
            self.twist();
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.index = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twister_is_mt19937() {
        // The 10,000th output for the default seed 5489, as the C++ standard states it.
        let mut twister = MersenneTwister::new(5489);
        let last = (0..10_000).map(|_| twister.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn no_two_epochs_of_any_seeds_share_their_order() {
        let seeds = (0..200).flat_map(|seed| (0..20).map(move |epoch| order_seed(seed, epoch)));
        // The twister takes the lower half.
        let distinct: std::collections::BTreeSet<u32> = seeds.map(|seed| seed as u32).collect();
        assert_eq!(distinct.len(), 4000);
    }

    #[test]
    fn permutations_are_whole_and_follow_the_seed() {
        for n in [0, 1, 2, 1000] {
            let mut order = randperm(n, 7);
            order.sort_unstable();
            assert_eq!(order, (0..n).collect::<Vec<_>>());
        }
        assert_ne!(randperm(20, 42), randperm(20, 43));
    }
}
