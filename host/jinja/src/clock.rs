//! The day that templates are told. A text that changed with the calendar would make two runs on
//! the same data differ, so it is always 26 July 2024, the day Llama 3.1's template falls back to.

use crate::error::{Error, Result};

/// `strftime`'s codes and what they say on that day at midnight.
const CODES: [(char, &str); 42] = [
    ('a', "Fri"),
    ('A', "Friday"),
    ('b', "Jul"),
    ('B', "July"),
    ('c', "Fri Jul 26 00:00:00 2024"),
    ('C', "20"),
    ('d', "26"),
    ('D', "07/26/24"),
    ('e', "26"),
    ('f', "000000"),
    ('F', "2024-07-26"),
    ('G', "2024"),
    ('g', "24"),
    ('h', "Jul"),
    ('H', "00"),
    ('I', "12"),
    ('j', "208"),
    ('m', "07"),
    ('M', "00"),
    ('n', "\n"),
    ('p', "AM"),
    ('r', "12:00:00 AM"),
    ('R', "00:00"),
    ('S', "00"),
    ('t', "\t"),
    ('T', "00:00:00"),
    ('u', "5"),
    ('U', "29"),
    ('V', "30"),
    ('w', "5"),
    ('W', "30"),
    ('y', "24"),
    ('k', " 0"),
    ('l', "12"),
    ('P', "am"),
    ('s', "1721952000"),
    ('x', "07/26/24"),
    ('X', "00:00:00"),
    ('Y', "2024"),
    ('z', ""),
    ('Z', ""),
    ('%', "%"),
];

/// `datetime.strftime` on that day.
///
/// # Errors
/// A code that is not known.
pub(crate) fn strftime(format: &str) -> Result<String> {
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        // `%-d` is `%d` without what fills it up.
        let code = characters.next();
        let is_bare = code == Some('-');
        let code = if is_bare { characters.next() } else { code };
        let known = CODES.iter().find(|(known, _)| Some(*known) == code);
        let Some((_, part)) = known else {
            return Err(Error::unsupported(format!(
                "strftime_now(\"{format}\") has a code that is not known"
            )));
        };
        let bare = part.trim_start_matches(['0', ' ']);
        text.push_str(match (is_bare, bare) {
            (false, _) => part,
            (true, "") if part.contains('0') => "0",
            (true, _) => bare,
        });
    }
    Ok(text)
}
