//! The name somebody probably meant.

/// The candidate nearest to what was typed, where one is near enough to be worth naming: a third
/// of its letters may differ, and always two.
///
/// ```
/// use iterit_core::nearest::nearest;
/// assert_eq!(nearest("iterativ", ["iterative", "static"]), Some("iterative"));
/// assert_eq!(nearest("tensorboard", ["iterative", "static"]), None);
/// ```
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let allowed = (typed.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&typed, &candidate.to_lowercase()), candidate)
        })
        .filter(|&(distance, candidate)| distance <= allowed && distance < candidate.len())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}
