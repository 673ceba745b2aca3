//! Numbers as Python writes them.

/// `repr(float)`: the shortest digits that read back as the same number, with an exponent below
/// 1e-4 and from 1e16 on.
pub(crate) fn float_repr(value: f64) -> String {
    if !value.is_finite() {
        return not_finite(value).into();
    }
    let (digits, exponent) = shortest(value);
    if (-4..16).contains(&exponent) {
        let plain = format!("{value}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    format!("{digits}e{}", signed_exponent(exponent))
}

/// `inf`, `-inf` or `nan`.
pub(super) fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "nan"
    } else if value > 0.0 {
        "inf"
    } else {
        "-inf"
    }
}

/// Shortest digits, as `1.5`, and the power of ten that they stand before.
fn shortest(value: f64) -> (String, i32) {
    split_exponent(&format!("{value:e}"))
}

fn split_exponent(text: &str) -> (String, i32) {
    let (digits, exponent) = text.split_once('e').expect("Rust writes an exponent");
    (digits.to_owned(), exponent.parse().expect("Rust writes a number"))
}

fn signed_exponent(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{:02}", exponent.abs())
}

/// `round(value, precision)`: the nearest such decimal number, by the exact binary value, ties to
/// the even digit.
pub(crate) fn round_to(value: f64, precision: i32) -> f64 {
    if !value.is_finite() || precision > 340 {
        return value;
    }
    match usize::try_from(precision) {
        Ok(precision) => format!("{value:.precision$}").parse().expect("a number"),
        Err(_) => {
            let unit = 10f64.powi(-precision);
            (value / unit).round_ties_even() * unit
        }
    }
}

/// `%e`: one digit, `precision` more, an exponent.
pub(super) fn exponential(value: f64, precision: usize) -> String {
    let (digits, exponent) = split_exponent(&format!("{value:.precision$e}"));
    format!("{digits}e{}", signed_exponent(exponent))
}

/// `%g`: `precision` digits in all, an exponent where the number is small or large; zeros at the
/// end are left away unless `keep_zeros`.
pub(super) fn general(value: f64, precision: usize, keep_zeros: bool) -> String {
    let precision = precision.max(1);
    let (_, exponent) = split_exponent(&format!("{value:.*e}", precision - 1));
    let without_zeros = |text: &str| match (keep_zeros, text.contains('.')) {
        (false, true) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => text.to_owned(),
    };
    if exponent < -4 || exponent >= precision as i32 {
        let (digits, exponent) = split_exponent(&format!("{value:.*e}", precision - 1));
        return format!("{}e{}", without_zeros(&digits), signed_exponent(exponent));
    }
    let decimals = (precision as i32 - 1 - exponent).max(0) as usize;
    without_zeros(&format!("{value:.decimals$}"))
}

/// A separator between groups of digits in front of the point.
pub(super) fn grouped(text: &str, separator: char, size: usize) -> String {
    let start = text.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(text.len());
    let (sign, rest) = text.split_at(start);
    let end = rest.find(['.', 'e']).filter(|_| size == 3).unwrap_or(rest.len());
    let (whole, tail) = rest.split_at(end);
    let mut result = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % size == 0 {
            result.push(separator);
        }
        result.push(digit);
    }
    result + tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_python_writes_them() {
        for (value, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e16, "1e+16"),
            (123456789012345680.0, "1.2345678901234568e+17"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (-0.0, "-0.0"),
            (f64::NAN, "nan"),
        ] {
            assert_eq!(float_repr(value), text);
        }
        assert_eq!(round_to(2.5, 0), 2.0);
        assert_eq!(round_to(2.675, 2), 2.67);
        assert_eq!(round_to(1250.0, -2), 1200.0);
        assert_eq!(general(1234567.0, 6, false), "1.23457e+06");
        assert_eq!(general(0.0001, 6, false), "0.0001");
        assert_eq!(grouped("-1234567.25", ',', 3), "-1,234,567.25");
    }
}
