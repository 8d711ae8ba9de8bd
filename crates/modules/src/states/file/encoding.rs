//! Text as bytes in the encodings that `encoding` may name, with Python's handling of what an encoding lacks.

use crate::failure::Failure;

#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Utf8 { has_mark: bool },
    Latin1,
    Ascii,
    Utf16 { is_big: bool, has_mark: bool },
}

fn named(name: &str) -> Option<Encoding> {
    let plain: String = name
        .to_ascii_lowercase()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    Some(match plain.as_str() {
        "utf8" | "u8" | "utf" | "cp65001" => Encoding::Utf8 { has_mark: false },
        "utf8sig" => Encoding::Utf8 { has_mark: true },
        "latin1" | "latin" | "iso88591" | "88591" | "l1" | "cp819" => Encoding::Latin1,
        "ascii" | "usascii" | "646" => Encoding::Ascii,
        "utf16" | "u16" => Encoding::Utf16 {
            is_big: cfg!(target_endian = "big"),
            has_mark: true,
        },
        "utf16le" => Encoding::Utf16 {
            is_big: false,
            has_mark: false,
        },
        "utf16be" => Encoding::Utf16 {
            is_big: true,
            has_mark: false,
        },
        _ => return None,
    })
}

/// Text in an encoding; without one in UTF-8. `errors` says what becomes of characters that it lacks: `strict`, `ignore`, `replace`,
/// `xmlcharrefreplace` or `backslashreplace`.
pub(super) fn encode(text: &str, encoding: Option<&str>, errors: &str) -> Result<Vec<u8>, Failure> {
    let Some(name) = encoding else {
        return Ok(text.as_bytes().to_vec());
    };
    let encoding = named(name).ok_or_else(|| {
        Failure::invocation(format!(
            "unknown encoding: {name}; utf-8, utf-8-sig, utf-16, utf-16-le, utf-16-be, latin-1 and ascii are served"
        ))
    })?;
    let limit = match encoding {
        Encoding::Utf8 { has_mark } => {
            let mark: &[u8] = if has_mark { b"\xef\xbb\xbf" } else { b"" };
            return Ok([mark, text.as_bytes()].concat());
        }
        Encoding::Utf16 { is_big, has_mark } => {
            let units = has_mark
                .then_some(0xfeff)
                .into_iter()
                .chain(text.encode_utf16());
            let bytes = units.flat_map(|unit| {
                if is_big {
                    unit.to_be_bytes()
                } else {
                    unit.to_le_bytes()
                }
            });
            return Ok(bytes.collect());
        }
        Encoding::Latin1 => 256,
        Encoding::Ascii => 128,
    };
    let mut out = Vec::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        let code = u32::from(c);
        match u8::try_from(code).ok().filter(|_| code < limit) {
            Some(byte) => out.push(byte),
            None => out.extend(substitute(c, at, name, limit, errors)?),
        }
    }
    Ok(out)
}

fn substitute(
    c: char,
    at: usize,
    name: &str,
    limit: u32,
    errors: &str,
) -> Result<Vec<u8>, Failure> {
    let code = u32::from(c);
    let escaped = match code {
        0..=0xff => format!("\\x{code:02x}"),
        0x100..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    };
    Ok(match errors {
        "ignore" => Vec::new(),
        "replace" => b"?".to_vec(),
        "xmlcharrefreplace" => format!("&#{code};").into_bytes(),
        "backslashreplace" => escaped.into_bytes(),
        "strict" => {
            return Err(Failure::command(format!(
                "'{name}' codec can't encode character '{escaped}' in position {at}: ordinal not in range({limit})"
            )));
        }
        other => {
            return Err(Failure::command(format!(
                "unknown error handler name '{other}'"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded() {
        let check = |encoding: &str, errors: &str, expected: Option<&[u8]>| {
            let found = encode("aé€", Some(encoding), errors).ok();
            assert_eq!(found.as_deref(), expected, "{encoding} {errors}");
        };
        check("UTF-8", "strict", Some("aé€".as_bytes()));
        check(
            "utf-8-sig",
            "strict",
            Some(b"\xef\xbb\xbfa\xc3\xa9\xe2\x82\xac"),
        );
        check("latin-1", "strict", None);
        check("iso-8859-1", "ignore", Some(b"a\xe9"));
        check("ascii", "replace", Some(b"a??"));
        check("ascii", "xmlcharrefreplace", Some(b"a&#233;&#8364;"));
        check("ascii", "backslashreplace", Some(b"a\\xe9\\u20ac"));
        check("utf-16-be", "strict", Some(b"\0a\0\xe9\x20\xac"));
        check("ebcdic", "strict", None);
        assert_eq!(encode("é", None, "strict").unwrap(), "é".as_bytes());
    }
}
