//! How values are written: `str`, `repr`, JSON, `%` and `format`.

mod number;
mod repr;
mod json;
mod percent;
mod fields;

pub(crate) use fields::{Step, format};
pub(crate) use json::{Json, dumps};
pub(crate) use number::{float_repr, round_to};
pub(crate) use percent::percent;
pub(crate) use repr::{push_str, repr, str_of};

/// Digits that a number may be asked for; more than any number has.
const PRECISION: i128 = 1_000;

/// Where a value stands in a field wider than it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
    Center,
    /// Zeros between sign and digits.
    BehindSign,
}

/// A text in a field of `width` characters.
pub(crate) fn pad(text: &str, width: usize, fill: char, align: Align) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let fill = |n: usize| fill.to_string().repeat(n);
    match align {
        Align::Left => text.to_owned() + &fill(missing),
        Align::Right => fill(missing) + text,
        Align::Center => {
            let left = missing / 2;
            fill(left) + text + &fill(missing - left)
        }
        Align::BehindSign => {
            let sign = text.len() - text.trim_start_matches(['+', '-', ' ']).len();
            let (sign, digits) = text.split_at(sign);
            format!("{sign}{}{digits}", fill(missing))
        }
    }
}
