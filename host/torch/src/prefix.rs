//! Finds sequences that begin alike, so that the beginning need be run only once. Tokens in, groups
//! out: pure.
//!
//! A chat template puts the same system message before every prompt, and another beginning before
//! a response that stands alone; one call may hold both. Sorted, sequences that begin alike stand
//! side by side; the ranges that share a beginning form a tree, which is walked from the root. A
//! range becomes a group of its own where that saves more tokens than running its beginning costs.

/// What a group costs beside the tokens of its beginning, in tokens: one more run, and batches that
/// are cut apart.
const GROUP_COST: usize = 256;

/// Beginnings shorter than this are not worth a mask in every attention.
const SHORTEST: usize = 16;

/// Sequences that share their first tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    /// How many tokens are run once; 0 where nothing is shared.
    pub(crate) prefix: usize,
    /// Which sequences.
    pub(crate) members: Vec<usize>,
}

/// Puts every sequence into one group. `shareable[i]` are the first tokens of sequence i that may be
/// run apart from the rest.
pub(crate) fn groups(shareable: &[&[u32]]) -> Vec<Group> {
    if shareable.is_empty() {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..shareable.len()).collect();
    order.sort_by_key(|&index| shareable[index]);
    // common[i]: how many tokens the sequences at i and i + 1 of the order share.
    let common: Vec<usize> = order
        .windows(2)
        .map(|pair| common_length(shareable[pair[0]], shareable[pair[1]]))
        .collect();

    let mut groups = vec![Group { prefix: 0, members: Vec::new() }];
    // Ranges of the order, and the group they are in unless they form their own.
    let mut ranges = vec![(0..order.len(), 0)];
    while let Some((range, inherited)) = ranges.pop() {
        if range.len() == 1 {
            groups[inherited].members.push(order[range.start]);
            continue;
        }
        let inner = &common[range.start..range.end - 1];
        let shared = *inner.iter().min().expect("a range of two has a pair");
        let group = if pays(range.len(), shared, groups[inherited].prefix) {
            groups.push(Group { prefix: shared, members: Vec::new() });
            groups.len() - 1
        } else {
            inherited
        };
        let cuts = (range.start..range.end - 1).filter(|&at| common[at] == shared);
        let mut start = range.start;
        for at in cuts {
            ranges.push((start..at + 1, group));
            start = at + 1;
        }
        ranges.push((start..range.end, group));
    }
    groups.retain(|group| !group.members.is_empty());
    for group in &mut groups {
        group.members.sort_unstable();
        if group.members.len() == 1 {
            group.prefix = 0;
        }
    }
    groups
}

/// Whether `count` sequences that share `shared` tokens should leave a group that shares `inherited`.
fn pays(count: usize, shared: usize, inherited: usize) -> bool {
    shared >= inherited + SHORTEST && count * (shared - inherited) > shared + GROUP_COST
}

/// How many tokens all of these begin with, where those are worth running apart; 0 of one alone.
pub(crate) fn common(beginnings: &[&[u32]]) -> usize {
    let [first, others @ ..] = beginnings else { return 0 };
    let shared = others.iter().map(|other| common_length(first, other)).min().unwrap_or(0);
    if shared < SHORTEST { 0 } else { shared }
}

fn common_length(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` sequences that begin with `head` and go on each in its own way.
    fn family(head: &[u32], count: u32) -> Vec<Vec<u32>> {
        (0..count).map(|i| [head, &[1000 + i, 1000 + 7 * i, i]].concat()).collect()
    }

    fn grouped(sequences: &[Vec<u32>]) -> Vec<(usize, usize)> {
        let slices: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        let groups = groups(&slices);
        let mut members: Vec<usize> = groups.iter().flat_map(|g| g.members.clone()).collect();
        members.sort_unstable();
        assert_eq!(members, (0..sequences.len()).collect::<Vec<_>>(), "each in one group");
        for group in &groups {
            let first = &slices[group.members[0]][..group.prefix];
            assert!(group.members.iter().all(|&i| slices[i].starts_with(first)));
        }
        let mut sizes: Vec<_> = groups.iter().map(|g| (g.prefix, g.members.len())).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn two_beginnings_in_one_call_are_two_groups() {
        let system: Vec<u32> = (0..40).collect();
        let user = [&system[..], &(100..130).collect::<Vec<u32>>()].concat();
        let alone = [&system[..], &(200..220).collect::<Vec<u32>>()].concat();
        let both = [family(&user, 100), family(&alone, 100)].concat();
        assert_eq!(grouped(&both), [(60, 100), (70, 100)]);
        // A few that go another way keep what they share with all.
        let few = [family(&user, 100), family(&alone, 3)].concat();
        assert_eq!(grouped(&few), [(40, 3), (70, 100)]);
    }

    #[test]
    fn what_does_not_pay_is_left_alone() {
        assert_eq!(groups(&[]), []);
        assert_eq!(grouped(&[vec![1, 2, 3]]), [(0, 1)]);
        assert_eq!(grouped(&family(&[1], 1000)), [(0, 1000)], "a bos token is not worth it");
        let head: Vec<u32> = (0..50).collect();
        assert_eq!(grouped(&family(&head, 3)), [(0, 3)], "too few");
        let unlike: Vec<Vec<u32>> = (0..100).map(|i| vec![i; 60]).collect();
        assert_eq!(grouped(&unlike), [(0, 100)]);
        let same = vec![head.clone(); 100];
        assert_eq!(grouped(&same), [(50, 100)]);
        let nested: Vec<Vec<u32>> = (1..=50).map(|end| head[..end].to_vec()).collect();
        assert_eq!(grouped(&nested).iter().map(|(_, members)| members).sum::<usize>(), 50);
    }
}
