//! Numbers of YAML 1.1: which texts are one, and which one.

use std::num::IntErrorKind;

use serde_json::{Number, Value};

/// Whether a plain scalar is an integer: `12`, `0644`, `0x1f`, `0b101`, `1_000`, `12:30:45`.
pub(crate) fn is_int(text: &str) -> bool {
    let digits = unsigned(text);
    if let Some(binary) = digits.strip_prefix("0b") {
        return all(binary, |c| matches!(c, '0' | '1' | '_'));
    }
    if let Some(hexadecimal) = digits.strip_prefix("0x") {
        return all(hexadecimal, |c| c.is_ascii_hexdigit() || c == '_');
    }
    if let Some(octal) = digits.strip_prefix('0') {
        return octal.chars().all(|c| matches!(c, '0'..='7' | '_'));
    }
    is_sexagesimal(digits)
}

/// Whether a plain scalar is a float. A dot is needed, so `1e3` is none, and the exponent needs its sign.
pub(crate) fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN")
        || matches!(unsigned(text), ".inf" | ".Inf" | ".INF")
    {
        return true;
    }
    let Some((whole, fraction)) = text.split_once('.') else {
        return false;
    };
    if whole.is_empty() {
        return fraction.starts_with(|c: char| c.is_ascii_digit()) && is_fraction(fraction);
    }
    let whole = unsigned(whole);
    if whole.contains(':') {
        return is_sexagesimal(whole) && fraction.chars().all(is_digit_or_gap);
    }
    is_sexagesimal(whole) && is_fraction(fraction)
}

/// The value of an integer's text; none when it is not one (`0x_` looks like one but has no digits).
///
/// Beyond 64 bits the value is the text itself.
pub(crate) fn int(text: &str) -> Option<Value> {
    let mut digits: String = unsigned(text).chars().filter(|c| *c != '_').collect();
    let signed = unsigned(text).len() != text.len();
    // Salt drops the zeros of an unsigned number, so that a file mode keeps its digits.
    if !signed && !digits.starts_with("0b") && !digits.starts_with("0x") {
        let bare = digits.trim_start_matches('0');
        digits = if bare.is_empty() && !digits.is_empty() {
            "0".to_owned()
        } else {
            bare.to_owned()
        };
    }
    let magnitude = if let Some(binary) = digits.strip_prefix("0b") {
        magnitude(binary, 2)?
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        magnitude(hexadecimal, 16)?
    } else if digits.len() > 1 && digits.starts_with('0') {
        magnitude(&digits, 8)?
    } else if digits.contains(':') {
        let mut sum = Magnitude::Exact(0);
        for part in digits.split(':') {
            sum = match (sum, magnitude(part, 10)?) {
                (Magnitude::Exact(sum), Magnitude::Exact(part)) => sum
                    .checked_mul(60)
                    .and_then(|sum| sum.checked_add(part))
                    .map_or(Magnitude::TooLarge, Magnitude::Exact),
                _ => Magnitude::TooLarge,
            };
        }
        sum
    } else {
        magnitude(&digits, 10)?
    };
    let number = match magnitude {
        Magnitude::TooLarge => None,
        Magnitude::Exact(value) => {
            Number::from_i128(if text.starts_with('-') { -value } else { value })
        }
    };
    Some(number.map_or_else(|| Value::String(text.to_owned()), Value::Number))
}

/// The value of a float's text; none when it is not one. What is not finite becomes `inf`, `-inf` or `nan`.
pub(crate) fn float(text: &str) -> Option<Value> {
    let lower: String = text
        .to_ascii_lowercase()
        .chars()
        .filter(|c| *c != '_')
        .collect();
    let digits = unsigned(&lower);
    let magnitude = match digits {
        ".inf" => f64::INFINITY,
        ".nan" => f64::NAN,
        _ if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => return None,
        _ => {
            let mut sum = 0.0;
            for part in digits.split(':') {
                sum = sum * 60.0 + part.parse::<f64>().ok()?;
            }
            sum
        }
    };
    let value = if lower.starts_with('-') {
        -magnitude
    } else {
        magnitude
    };
    Some(Number::from_f64(value).map_or_else(|| Value::String(python_float(value)), Value::Number))
}

/// A float as Python's `repr()` prints it: the shortest digits that read back, with an exponent below 1e-4 and from 1e16.
pub fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(small @ -4..=15) => {
            let fixed = value.to_string();
            if small < 0 || fixed.contains('.') {
                fixed
            } else {
                fixed + ".0"
            }
        }
        Ok(power) => format!(
            "{digits}e{}{:02}",
            if power < 0 { '-' } else { '+' },
            power.unsigned_abs()
        ),
        Err(_) => scientific,
    }
}

enum Magnitude {
    Exact(i128),
    TooLarge,
}

fn magnitude(digits: &str, radix: u32) -> Option<Magnitude> {
    if !all(digits, |c| c.is_digit(radix)) {
        return None;
    }
    match i128::from_str_radix(digits, radix) {
        Ok(value) => Some(Magnitude::Exact(value)),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Some(Magnitude::TooLarge),
        Err(_) => None,
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

/// Digits with gaps, then any number of `:` and a value below 60.
fn is_sexagesimal(text: &str) -> bool {
    let mut parts = text.split(':');
    let first = parts.next().unwrap_or_default();
    first.starts_with(|c: char| c.is_ascii_digit())
        && first.chars().all(is_digit_or_gap)
        && parts.all(|part| match part.as_bytes() {
            [ones] => ones.is_ascii_digit(),
            [tens, ones] => matches!(tens, b'0'..=b'5') && ones.is_ascii_digit(),
            _ => false,
        })
}

/// Digits with gaps, then perhaps an exponent with its sign.
fn is_fraction(text: &str) -> bool {
    let (digits, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, None), |(digits, exponent)| (digits, Some(exponent)));
    digits.chars().all(is_digit_or_gap)
        && exponent.is_none_or(|exponent| {
            exponent
                .strip_prefix(['-', '+'])
                .is_some_and(|power| all(power, |c| c.is_ascii_digit()))
        })
}

fn is_digit_or_gap(c: char) -> bool {
    c.is_ascii_digit() || c == '_'
}

/// Whether a text is not empty and each character fits.
fn all(text: &str, fits: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(fits)
}
