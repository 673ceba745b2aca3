//! What Python's `str` can do, on characters: `é` is one, wherever bytes would say two.

use crate::characters::{casefold, is_cased, is_line_end, is_space, is_titlecase, titlecase};

/// The place in bytes of the character at `index`; the end for a place beyond it.
pub(crate) fn byte_of(text: &str, index: usize) -> usize {
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

/// The characters from `start` to `end`, where negative places count from the end, as in a slice
/// of step one; `None` where the start lies beyond the text.
pub(crate) fn between(text: &str, start: Option<i128>, end: Option<i128>) -> Option<(usize, &str)> {
    let length = text.chars().count() as i128;
    let place = |it: i128| if it < 0 { (it + length).max(0) } else { it };
    let start = place(start.unwrap_or(0));
    let end = place(end.unwrap_or(length)).min(length);
    if start > length || start > end {
        return None;
    }
    let (from, to) = (byte_of(text, start as usize), byte_of(text, end as usize));
    Some((start as usize, &text[from..to]))
}

/// `find` and `rfind`: the place of a part, in characters.
pub(crate) fn find(text: &str, part: &str, is_last: bool) -> Option<usize> {
    let at = if is_last { text.rfind(part) } else { text.find(part) }?;
    Some(text[..at].chars().count())
}

/// `split()` and `split(None, limit)`.
pub(crate) fn split_white(text: &str, limit: usize) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_start_matches(is_space);
    let mut left = limit;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = if left == 0 { None } else { rest.find(is_space) };
        left = left.saturating_sub(1);
        let (part, behind) = rest.split_at(end.unwrap_or(rest.len()));
        rest = behind.trim_start_matches(is_space);
        Some(part)
    })
}

/// `rsplit()` and `rsplit(None, limit)`, from the last part to the first.
pub(crate) fn split_white_from_end(text: &str, limit: usize) -> impl Iterator<Item = &str> {
    let mut rest = text.trim_end_matches(is_space);
    let mut left = limit;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let space = if left == 0 { None } else { rest.char_indices().rfind(|(_, c)| is_space(*c)) };
        left = left.saturating_sub(1);
        let (before, part) = rest.split_at(space.map_or(0, |(at, c)| at + c.len_utf8()));
        rest = before.trim_end_matches(is_space);
        Some(part)
    })
}

/// `splitlines`.
pub(crate) fn lines(text: &str, keep_ends: bool) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.find(is_line_end);
        let at = first.or((!rest.is_empty()).then_some(rest.len()))?;
        let (line, behind) = rest.split_at(at);
        let end = match behind.starts_with("\r\n") {
            true => 2,
            false => behind.chars().next().map_or(0, char::len_utf8),
        };
        let with_end = &rest[..at + end];
        rest = &rest[at + end..];
        Some(if keep_ends { with_end } else { line })
    })
}

/// `title`: letters behind letters are small, other letters large.
pub(crate) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut is_behind_letter = false;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match is_behind_letter {
            // The sigma that ends a word.
            true if c == 'Σ' && !characters.peek().is_some_and(|c| is_cased(*c)) => out.push('ς'),
            true => out.extend(c.to_lowercase()),
            false => out.push_str(&titlecase(c)),
        }
        is_behind_letter = is_cased(c);
    }
    out
}

/// `capitalize`.
pub(crate) fn capitalize(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(titlecase).unwrap_or_default();
    first + &characters.as_str().to_lowercase()
}

/// `swapcase`.
pub(crate) fn swapcase(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            _ if c.is_uppercase() => c.to_lowercase().collect::<String>(),
            _ if c.is_lowercase() => c.to_uppercase().collect(),
            _ => c.into(),
        })
        .collect()
}

/// `casefold`.
pub(crate) fn folded(text: &str) -> String {
    text.chars().map(casefold).collect()
}

/// `isupper`: some letter has a case, and all that have are large.
pub(crate) fn is_upper(text: &str) -> bool {
    text.chars().any(char::is_uppercase)
        && !text.chars().any(|c| c.is_lowercase() || is_titlecase(c))
}

/// `islower`.
pub(crate) fn is_lower(text: &str) -> bool {
    text.chars().any(char::is_lowercase)
        && !text.chars().any(|c| c.is_uppercase() || is_titlecase(c))
}

/// `istitle`.
pub(crate) fn is_title(text: &str) -> bool {
    let mut is_behind_letter = false;
    let mut has_word = false;
    for c in text.chars() {
        if c.is_uppercase() || is_titlecase(c) {
            if is_behind_letter {
                return false;
            }
            (is_behind_letter, has_word) = (true, true);
        } else if c.is_lowercase() {
            if !is_behind_letter {
                return false;
            }
            has_word = true;
        } else {
            is_behind_letter = false;
        }
    }
    has_word
}

/// `expandtabs`.
pub(crate) fn expand_tabs(text: &str, size: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' if size > 0 => {
                let width = size - column % size;
                out.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            '\t' => {}
            _ => {
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
                out.push(c);
            }
        }
    }
    out
}

/// `zfill`.
pub(crate) fn zero_fill(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let sign = if text.starts_with(['+', '-']) { 1 } else { 0 };
    format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
}

/// `center`, whose odd space goes to the left where the width is odd.
pub(crate) fn center(text: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = missing / 2 + (missing & width & 1);
    let fill = |n: usize| fill.to_string().repeat(n);
    fill(left) + text + &fill(missing - left)
}

/// `isidentifier`.
pub(crate) fn is_identifier(text: &str) -> bool {
    use crate::characters::{is_alpha, is_word};
    text.starts_with(|c| c == '_' || is_alpha(c)) && text.chars().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_pythons_str() {
        assert!(split_white(" a  b c ", 1).eq(["a", "b c "]));
        assert!(split_white(" a  b c ", usize::MAX).eq(["a", "b", "c"]));
        assert!(split_white_from_end(" a  b c ", 1).eq(["c", " a  b"]));
        assert!(split_white_from_end(" a  b c ", 9).eq(["c", "b", "a"]));
        assert!(lines("a\r\nb\u{2028}c\n", false).eq(["a", "b", "c"]));
        assert!(lines("a\n\nb", true).eq(["a\n", "\n", "b"]));
        assert_eq!(title("ὈΔΥΣΣΕΎΣ ΣΑΣ"), "Ὀδυσσεύς Σας");
        assert_eq!(title("it's ǆ straße"), "It'S ǅ Straße");
        assert_eq!(center("ab", 5, '.'), "..ab.");
        assert_eq!(center("abc", 6, '.'), ".abc..");
        assert_eq!(find("日本語x", "x", false), Some(3));
        assert_eq!(between("héllo", Some(-4), None), Some((1, "éllo")));
        assert!(is_title("A1 Bc") && !is_title("AB"));
    }
}
