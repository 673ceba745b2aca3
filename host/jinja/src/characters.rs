//! Classes of characters and changes of case as Python's `str` has them. Where Rust's tables say
//! the same they are asked; the rest stands here.

use unicode_general_category::{GeneralCategory, get_general_category};

/// `str.isspace` of one character.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Where `str.splitlines` ends a line.
pub(crate) fn is_line_end(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// `str.isprintable` of one character: what `repr` leaves as it is.
pub(crate) fn is_printable(c: char) -> bool {
    use GeneralCategory as G;
    c == ' '
        || !matches!(
            get_general_category(c),
            G::Control
                | G::Format
                | G::Surrogate
                | G::PrivateUse
                | G::Unassigned
                | G::LineSeparator
                | G::ParagraphSeparator
                | G::SpaceSeparator
        )
}

/// `str.isalpha` of one character.
pub(crate) fn is_alpha(c: char) -> bool {
    use GeneralCategory as G;
    matches!(
        get_general_category(c),
        G::UppercaseLetter
            | G::LowercaseLetter
            | G::TitlecaseLetter
            | G::ModifierLetter
            | G::OtherLetter
    )
}

/// `str.isdecimal` of one character.
pub(crate) fn is_decimal(c: char) -> bool {
    get_general_category(c) == GeneralCategory::DecimalNumber
}

/// `str.isdigit` of one character: decimals, and digits that stand in a circle or above the line.
pub(crate) fn is_digit(c: char) -> bool {
    is_decimal(c)
        || matches!(c,
            '²' | '³' | '¹' | '\u{1369}'..='\u{1371}' | '\u{19da}' | '\u{2070}'
            | '\u{2074}'..='\u{2079}' | '\u{2080}'..='\u{2089}' | '\u{2460}'..='\u{2468}'
            | '\u{2474}'..='\u{247c}' | '\u{2488}'..='\u{2490}' | '\u{24ea}'
            | '\u{24f5}'..='\u{24fd}' | '\u{24ff}' | '\u{2776}'..='\u{277e}'
            | '\u{2780}'..='\u{2788}' | '\u{278a}'..='\u{2792}' | '\u{10a40}'..='\u{10a43}'
            | '\u{10e60}'..='\u{10e68}' | '\u{11052}'..='\u{1105a}' | '\u{1f100}'..='\u{1f10a}')
}

/// `str.isnumeric` of one character, Chinese numerals apart, which are letters to most programs.
pub(crate) fn is_numeric(c: char) -> bool {
    use GeneralCategory as G;
    matches!(get_general_category(c), G::DecimalNumber | G::LetterNumber | G::OtherNumber)
        || matches!(
            c,
            '〇' | '一'
                | '二'
                | '三'
                | '四'
                | '五'
                | '六'
                | '七'
                | '八'
                | '九'
                | '十'
                | '百'
                | '千'
                | '万'
                | '億'
                | '兆'
                | '零'
                | '两'
        )
}

/// What `\w` matches.
pub(crate) fn is_word(c: char) -> bool {
    c == '_' || is_alpha(c) || is_numeric(c)
}

/// A letter of the third case, as in `ǅ`.
pub(crate) fn is_titlecase(c: char) -> bool {
    get_general_category(c) == GeneralCategory::TitlecaseLetter
}

/// Whether a character has a case at all.
pub(crate) fn is_cased(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase() || is_titlecase(c)
}

/// The first letter of a word.
pub(crate) fn titlecase(c: char) -> String {
    match c {
        'Ǆ'..='ǆ' => "ǅ".into(),
        'Ǉ'..='ǉ' => "ǈ".into(),
        'Ǌ'..='ǌ' => "ǋ".into(),
        'Ǳ'..='ǳ' => "ǲ".into(),
        // Georgian has capitals but begins no word with one.
        '\u{10d0}'..='\u{10ff}' => c.into(),
        // Greek with iota below keeps it there.
        '\u{1f80}'..='\u{1faf}' => char::from_u32(c as u32 | 8).map_or(c, |it| it).into(),
        'ᾳ' | 'ᾼ' => "ᾼ".into(),
        'ῃ' | 'ῌ' => "ῌ".into(),
        'ῳ' | 'ῼ' => "ῼ".into(),
        _ => {
            let mut upper = c.to_uppercase();
            let first = upper.next().into_iter();
            // `ß` begins a word as `Ss`; what is added of marks has no case.
            first.chain(upper.flat_map(char::to_lowercase)).collect()
        }
    }
}

/// `str.casefold` of one character.
pub(crate) fn casefold(c: char) -> String {
    match c {
        'ı' => c.into(),
        'ẞ' => "ss".into(),
        '\u{13a0}'..='\u{13f5}' => c.into(),
        '\u{13f8}'..='\u{13fd}' => char::from_u32(c as u32 - 8).map_or(c, |it| it).into(),
        '\u{ab70}'..='\u{abbf}' => {
            char::from_u32(c as u32 - 0xab70 + 0x13a0).map_or(c, |it| it).into()
        }
        _ => c.to_uppercase().flat_map(char::to_lowercase).collect(),
    }
}
