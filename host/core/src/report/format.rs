//! Numbers as people read them. Nothing here rounds a figure that is used again.

/// What stands where there is no figure.
pub const NOTHING: &str = "–";

/// 12345 → `12,345`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A figure with so many decimals; a true minus sign; [`NOTHING`] where it is not finite.
pub fn decimals(value: f64, places: usize) -> String {
    if !value.is_finite() {
        return NOTHING.into();
    }
    let text = format!("{:.places$}", value.abs());
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if value < 0.0 && !is_zero { format!("−{text}") } else { text }
}

/// A figure with a sign, for differences.
pub fn signed(value: f64, places: usize) -> String {
    let text = decimals(value, places);
    let is_zero = text.chars().all(|c| matches!(c, '0' | '.'));
    if value > 0.0 && value.is_finite() && !is_zero { format!("+{text}") } else { text }
}

/// So many significant digits, with an exponent only where plain digits would be unreadable.
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NOTHING.into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-5..9).contains(&magnitude) {
        return format!("{value:.*e}", digits - 1).replace('-', "−");
    }
    decimals(value, (digits as i32 - 1 - magnitude).max(0) as usize)
}

/// 0.0534 → `5.3 %`.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return NOTHING.into();
    }
    let places = if share != 0.0 && share.abs() < 0.0995 { 1 } else { 0 };
    format!("{} %", decimals(100.0 * share, places))
}

/// 0.0034 → `+0.34 %`, for differences.
pub fn signed_percent(share: f64) -> String {
    if !share.is_finite() {
        return NOTHING.into();
    }
    let places = if share.abs() < 0.0995 { 2 } else { 0 };
    format!("{} %", signed(100.0 * share, places))
}

/// 83.2 → `1 min 23 s`.
pub fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return NOTHING.into();
    }
    let whole = value.round() as u64;
    match value {
        0.0 => "0 s".into(),
        value if value < 0.0995 => format!("{} ms", decimals(1000.0 * value, 0)),
        value if value < 9.95 => format!("{} s", decimals(value, 1)),
        value if value < 59.5 => format!("{whole} s"),
        value if value < 3599.5 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A p-value: three decimals, and below a thousandth only that it is.
pub fn p_value(value: f64) -> String {
    if value < 0.001 { "< 0.001".into() } else { decimals(value, 3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(decimals(-0.00004, 3), "0.000");
        assert_eq!(decimals(-1.25, 1), "−1.2");
        assert_eq!(decimals(f64::NAN, 1), "–");
        assert_eq!(signed(0.02, 2), "+0.02");
        assert_eq!(signed(-0.02, 2), "−0.02");
        assert_eq!(signed(0.0, 2), "0.00");
        assert_eq!(significant(0.000_021_34, 2), "0.000021");
        assert_eq!(significant(1.5e-9, 2), "1.5e−9");
        assert_eq!(significant(1234.5, 3), "1234");
        assert_eq!(percent(0.05), "5.0 %");
        assert_eq!(percent(0.5), "50 %");
        assert_eq!(signed_percent(-0.0034), "−0.34 %");
        assert_eq!(signed_percent(0.25), "+25 %");
        assert_eq!(seconds(0.0), "0 s");
        assert_eq!(seconds(0.012), "12 ms");
        assert_eq!(seconds(83.2), "1 min 23 s");
        assert_eq!(seconds(3600.0), "1 h 00 min");
        assert_eq!(p_value(0.0004), "< 0.001");
        assert_eq!(p_value(0.0471), "0.047");
    }
}
