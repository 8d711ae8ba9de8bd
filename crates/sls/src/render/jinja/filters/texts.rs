//! Filters on texts and numbers.

use std::rc::Rc;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::super::arguments::{Args, flag, integer, optional_text, required, text};
use super::super::fault::{Fault, Result};
use super::super::format::percent;
use super::super::operators::check_length;
use super::super::patterns::{pattern, substitute};
use super::super::print::string;
use super::super::strings;
use super::super::value::Value;

pub(super) const NAMES: &[&str] = &[
    "abs",
    "base64_decode",
    "base64_encode",
    "capitalize",
    "center",
    "contains_whitespace",
    "e",
    "escape",
    "float",
    "forceescape",
    "format",
    "indent",
    "int",
    "is_hex",
    "lower",
    "md5",
    "path_join",
    "quote",
    "regex_escape",
    "regex_match",
    "regex_replace",
    "regex_search",
    "replace",
    "round",
    "sha1",
    "sha256",
    "sha512",
    "str_to_num",
    "string",
    "title",
    "to_bool",
    "to_num",
    "trim",
    "truncate",
    "upper",
    "urlencode",
    "wordcount",
    "wordwrap",
    "xmlattr",
];

/// Filters that turn a text into bytes, and nothing else.
const TAKE_BYTES: &[&str] = &["base64_encode", "md5", "sha1", "sha256", "sha512"];

/// What a shell takes as it is, as Python's `shlex` has it.
const SHELL_SAFE: &str = "@%+=:,./-_";
/// What `re.escape` puts a backslash before.
const REGEX_SPECIAL: &str = "()[]{}?*+-|^$\\.&~# \t\n\r\u{b}\u{c}";

pub(super) fn apply(name: &str, value: &Value, args: Args) -> Result<Value> {
    match name {
        "indent" => return indent(value, args),
        "int" => return int(value, args),
        "float" => {
            let [default] = args.bind(name, ["default"])?;
            let number = match value {
                Value::Str(text) => python_float(text),
                other => other.as_number(),
            };
            return Ok(number.map_or_else(|| default.unwrap_or(Value::Float(0.0)), Value::Float));
        }
        "round" => return round(value, args),
        "format" => {
            let template = string(value)?;
            if !args.positional.is_empty() && !args.named.is_empty() {
                return Err(Fault::value(
                    "can't handle positional and keyword arguments at the same time",
                ));
            }
            let operand = if args.named.is_empty() {
                Value::tuple(args.positional)
            } else {
                let named = args
                    .named
                    .into_iter()
                    .map(|(name, value)| (super::super::value::Key::text(name), value));
                Value::dict(named.collect())
            };
            return percent(&template, &operand).map(Value::str);
        }
        "replace" => {
            let [old, new, count] = args.bind(name, ["old", "new", "count"])?;
            let old = string(&required(old, name, "old")?)?;
            let new = string(&required(new, name, "new")?)?;
            let count = match count {
                None | Some(Value::None) => None,
                Some(count) => usize::try_from(integer(&count, name)?).ok(),
            };
            return strings::replace(&string(value)?, &old, &new, count).map(Value::str);
        }
        "trim" => {
            let [chars] = args.bind(name, ["chars"])?;
            let chars = optional_text(chars, name)?;
            let text = string(value)?;
            return Ok(Value::str(match chars {
                Some(chars) => text.trim_matches(|c| chars.contains(c)),
                None => text.trim(),
            }));
        }
        "center" => {
            let [width] = args.bind(name, ["width"])?;
            let width = width.map_or(Ok(80), |width| integer(&width, name))?;
            return strings::justified(&string(value)?, width, " ", name).map(Value::str);
        }
        "truncate" => return truncate(value, args),
        "wordwrap" => return wordwrap(value, args),
        "regex_replace" => {
            let [regex, by, ignorecase, multiline] =
                args.bind(name, ["rgx", "val", "ignorecase", "multiline"])?;
            let regex = text(&required(regex, name, "rgx")?, name)?;
            let by = text(&required(by, name, "val")?, name)?;
            let regex = pattern(&regex, flag(ignorecase, false)?, flag(multiline, false)?)?;
            return substitute(&regex, &by, &text(value, name)?).map(Value::str);
        }
        "regex_match" | "regex_search" => return regex_find(name, value, args),
        "xmlattr" => return attributes(value, args),
        "path_join" => {
            let mut parts = vec![string(value)?];
            for part in &args.positional {
                parts.push(string(part)?);
            }
            return Ok(Value::str(path_join(&parts)));
        }
        _ => args.none(name)?,
    }
    let own = string(value)?;
    if TAKE_BYTES.contains(&name) {
        bytes(value)?;
    }
    Ok(match name {
        "string" => Value::str(own),
        "lower" => Value::str(own.to_lowercase()),
        "upper" => Value::str(own.to_uppercase()),
        "capitalize" => Value::str(strings::capitalize(&own)),
        "title" => Value::str(title(&own)),
        "wordcount" => {
            let words = own
                .split(|c: char| c != '_' && !c.is_alphanumeric())
                .filter(|word| !word.is_empty());
            Value::Int(words.count() as i128)
        }
        "abs" => match value {
            Value::Float(number) => Value::Float(number.abs()),
            _ => Value::Int(integer(value, name)?.saturating_abs()),
        },
        "e" | "escape" | "forceescape" => Value::str(html(&own)),
        "quote" => Value::str(quote(&own)),
        "regex_escape" => {
            let escaped = own.chars().flat_map(|c| {
                REGEX_SPECIAL
                    .contains(c)
                    .then_some('\\')
                    .into_iter()
                    .chain([c])
            });
            Value::str(escaped.collect::<String>())
        }
        "contains_whitespace" => {
            let is_space = |item: &Value| -> Result<bool> {
                let item = text(item, name)?;
                Ok(!item.is_empty() && item.chars().all(char::is_whitespace))
            };
            let found: Result<Vec<bool>> = value.iterate()?.iter().map(is_space).collect();
            Value::Bool(found?.contains(&true))
        }
        "is_hex" => {
            let digits = value.as_str().map_or("", |own| own.trim());
            let digits = digits.trim_start_matches("0x").replace('_', "");
            Value::Bool(i128::from_str_radix(&digits, 16).is_ok())
        }
        "to_num" | "str_to_num" => to_number(value)?,
        "to_bool" => Value::Bool(match value {
            Value::Bool(value) => *value,
            Value::Str(text) => matches!(text.to_lowercase().as_str(), "yes" | "1" | "true"),
            Value::Int(number) => *number > 0,
            Value::List(_) | Value::Dict(_) => value.truth()?,
            _ => false,
        }),
        "urlencode" => Value::str(match value {
            Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Sequence(_) => query(value)?,
            _ => url_quoted(&own, "/"),
        }),
        "base64_encode" => Value::str(data_encoding::BASE64.encode(own.as_bytes())),
        "base64_decode" => {
            let bytes = data_encoding::BASE64
                .decode(own.as_bytes())
                .map_err(|error| Fault::value(format!("base64_decode: {error}")))?;
            Value::str(String::from_utf8_lossy(&bytes).into_owned())
        }
        "md5" => Value::str(hex(&Md5::digest(&own))),
        "sha1" => Value::str(hex(&Sha1::digest(&own))),
        "sha256" => Value::str(hex(&Sha256::digest(&own))),
        _ => Value::str(hex(&Sha512::digest(&own))),
    })
}

/// A text, as what Salt makes bytes of before it looks at them: nothing else will do.
pub(super) fn bytes(value: &Value) -> Result<Rc<str>> {
    value.as_str().cloned().ok_or_else(|| {
        Fault::value(format!(
            "expected str, bytes, or bytearray not <class '{}'>",
            value.type_name()
        ))
    })
}

/// The number that a text is; anything else stays as it is.
pub(super) fn to_number(value: &Value) -> Result<Value> {
    if matches!(value, Value::None) {
        return Err(Fault::value(
            "int() argument must be a string, a bytes-like object or a real number, not 'NoneType'",
        ));
    }
    if let Some(number) = value.as_number() {
        return Ok(truncated(number).map_or_else(|| value.clone(), Value::Int));
    }
    let own = string(value)?;
    Ok(match own.trim().replace('_', "").parse::<i128>() {
        Ok(number) => Value::Int(number),
        Err(_) => python_float(&own).map_or_else(|| value.clone(), Value::Float),
    })
}

/// The entries of a map as attributes of XML.
fn attributes(value: &Value, args: Args) -> Result<Value> {
    let [space] = args.bind("xmlattr", ["autospace"])?;
    let Value::Dict(dict) = value else {
        return Err(Fault::value(format!(
            "'{}' object has no attribute 'items'",
            value.type_name()
        )));
    };
    let mut out = String::new();
    for (key, value) in dict.0.borrow().iter() {
        if value.is_undefined() || matches!(value, Value::None) {
            continue;
        }
        let key = string(key.value())?;
        if key.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')) {
            return Err(Fault::value(format!(
                "Invalid character in attribute name: {}",
                data::python::string_repr(&key)
            )));
        }
        let value = html(&string(value)?);
        out.push_str(&format!(" {}=\"{value}\"", html(&key)));
        check_length(out.len())?;
    }
    Ok(Value::str(if flag(space, true)? {
        &out
    } else {
        out.trim_start()
    }))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn python_float(text: &str) -> Option<f64> {
    text.trim().replace('_', "").parse().ok()
}

fn indent(value: &Value, args: Args) -> Result<Value> {
    let [width, first, blank, old_first] =
        args.bind("indent", ["width", "first", "blank", "indentfirst"])?;
    let own = text(value, "indent")?;
    let margin = match width {
        None => " ".repeat(4),
        Some(Value::Str(margin)) => margin.to_string(),
        Some(width) => {
            let width = usize::try_from(integer(&width, "indent")?).unwrap_or(0);
            check_length(width)?;
            " ".repeat(width)
        }
    };
    let first = flag(first.or(old_first), false)?;
    let blank = flag(blank, false)?;
    let whole = format!("{own}\n");
    let lines = strings::lines(&whole, false);
    check_length(
        own.len()
            .saturating_add(margin.len().saturating_mul(lines.len())),
    )?;
    let mut out = String::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if if index == 0 {
            first
        } else {
            blank || !line.is_empty()
        } {
            out.push_str(&margin);
        }
        out.push_str(line);
    }
    Ok(Value::str(out))
}

fn int(value: &Value, args: Args) -> Result<Value> {
    let [default, base] = args.bind("int", ["default", "base"])?;
    let base = base.map_or(Ok(10), |base| integer(&base, "int"))?;
    let number = match value {
        Value::Str(text) => {
            let text = text.trim().replace('_', "");
            let digits = match base {
                16 => text.trim_start_matches("0x").trim_start_matches("0X"),
                8 => text.trim_start_matches("0o").trim_start_matches("0O"),
                2 => text.trim_start_matches("0b").trim_start_matches("0B"),
                _ => &text,
            };
            let base = u32::try_from(base)
                .ok()
                .filter(|base| (2..=36).contains(base));
            let base =
                base.ok_or_else(|| Fault::value("int() base must be >= 2 and <= 36, or 0"))?;
            i128::from_str_radix(digits, base)
                .ok()
                .or_else(|| python_float(&text).and_then(truncated))
        }
        Value::Float(number) => truncated(*number),
        other => other.as_index(),
    };
    Ok(number.map_or_else(|| default.unwrap_or(Value::Int(0)), Value::Int))
}

fn truncated(number: f64) -> Option<i128> {
    number.is_finite().then_some(number as i128)
}

fn round(value: &Value, args: Args) -> Result<Value> {
    let [precision, method] = args.bind("round", ["precision", "method"])?;
    let precision = precision.map_or(Ok(0), |precision| integer(&precision, "round"))?;
    let method = optional_text(method, "round")?.unwrap_or_else(|| "common".into());
    let number = value.as_number().ok_or_else(|| {
        Fault::value(format!(
            "type {} doesn't define __round__ method",
            value.type_name()
        ))
    })?;
    let scale = 10_f64.powi(i32::try_from(precision).unwrap_or(0));
    match &*method {
        "common" => {}
        "ceil" => return Ok(Value::Float((number * scale).ceil() / scale)),
        "floor" => return Ok(Value::Float((number * scale).floor() / scale)),
        _ => return Err(Fault::value("method must be common, ceil or floor")),
    }
    if let (Some(number), 0..) = (value.as_index(), precision) {
        return Ok(Value::Int(number));
    }
    if precision < 0 {
        let rounded = (number * scale).round_ties_even() / scale;
        return Ok(if value.as_index().is_some() {
            Value::Int(rounded as i128)
        } else {
            Value::Float(rounded)
        });
    }
    // The exact digits are rounded, as Python does.
    let decimals = usize::try_from(precision).unwrap_or(0).min(300);
    Ok(Value::Float(
        format!("{number:.decimals$}").parse().unwrap_or(number),
    ))
}

/// Jinja's `title`: words begin after blanks, hyphens and opening brackets.
fn title(own: &str) -> String {
    let mut out = String::new();
    let mut is_start = true;
    for c in own.chars() {
        if is_start {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        is_start = c.is_whitespace() || matches!(c, '-' | '(' | '{' | '[' | '<');
    }
    out
}

fn truncate(value: &Value, args: Args) -> Result<Value> {
    let [length, kill_words, end, leeway] =
        args.bind("truncate", ["length", "killwords", "end", "leeway"])?;
    let length = length.map_or(Ok(255), |length| integer(&length, "truncate"))?;
    let end = optional_text(end, "truncate")?.unwrap_or_else(|| "...".into());
    let shortest = end.chars().count();
    if length < shortest as i128 {
        return Err(Fault::value(format!(
            "expected length >= {shortest}, got {length}"
        )));
    }
    let leeway = leeway.map_or(Ok(5), |leeway| integer(&leeway, "truncate"))?;
    let own = string(value)?;
    let chars: Vec<char> = own.chars().collect();
    if chars.len() as i128 <= length.saturating_add(leeway) {
        return Ok(Value::str(own));
    }
    let kept = usize::try_from(length).unwrap_or(usize::MAX) - shortest;
    let mut cut: String = chars[..kept.min(chars.len())].iter().collect();
    if !flag(kill_words, false)?
        && let Some(at) = cut.rfind(' ')
    {
        cut.truncate(at);
    }
    Ok(Value::str(cut + &end))
}

fn wordwrap(value: &Value, args: Args) -> Result<Value> {
    let [width, break_long, wrap] =
        args.bind("wordwrap", ["width", "break_long_words", "wrapstring"])?;
    let width = width.map_or(Ok(79), |width| integer(&width, "wordwrap"))?;
    let width = usize::try_from(width).ok().filter(|width| *width > 0);
    let width = width.ok_or_else(|| Fault::value("invalid width (must be > 0)"))?;
    let break_long = flag(break_long, true)?;
    let wrap = optional_text(wrap, "wordwrap")?.unwrap_or_else(|| "\n".into());
    let own = string(value)?;
    let mut lines = Vec::new();
    for line in strings::lines(&own, false) {
        let mut current = String::new();
        for word in line.split(' ') {
            let mut word = word;
            let taken = current.chars().count();
            let space = usize::from(!current.is_empty());
            if taken + space + word.chars().count() <= width {
                if space == 1 {
                    current.push(' ');
                }
                current.push_str(word);
                continue;
            }
            if !current.is_empty() {
                lines.push(std::mem::take(&mut current));
            }
            while break_long && word.chars().count() > width {
                let at = word
                    .char_indices()
                    .nth(width)
                    .map_or(word.len(), |(at, _)| at);
                lines.push(word[..at].to_owned());
                word = &word[at..];
            }
            current.push_str(word);
        }
        lines.push(current);
    }
    check_length(
        own.len()
            .saturating_add(lines.len().saturating_mul(wrap.len())),
    )?;
    Ok(Value::str(lines.join(&wrap)))
}

fn regex_find(name: &str, value: &Value, args: Args) -> Result<Value> {
    let [regex, ignorecase, multiline] = args.bind(name, ["rgx", "ignorecase", "multiline"])?;
    let mut regex = text(&required(regex, name, "rgx")?, name)?.to_string();
    if name == "regex_match" {
        regex = format!("\\A(?:{regex})");
    }
    let regex = pattern(&regex, flag(ignorecase, false)?, flag(multiline, false)?)?;
    let own = text(value, name)?;
    let found = regex
        .captures(&own)
        .map_err(|error| Fault::value(error.to_string()))?;
    let Some(found) = found else {
        return Ok(Value::None);
    };
    let from = usize::from(found.len() > 1);
    let groups = (from..found.len()).map(|index| {
        found
            .get(index)
            .map_or(Value::None, |group| Value::str(group.as_str()))
    });
    Ok(Value::tuple(groups.collect()))
}

fn html(own: &str) -> String {
    let mut out = String::new();
    for c in own.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            _ => out.push(c),
        }
    }
    out
}

fn quote(own: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || SHELL_SAFE.contains(c);
    if !own.is_empty() && own.chars().all(is_safe) {
        return own.to_owned();
    }
    format!("'{}'", own.replace('\'', "'\"'\"'"))
}

fn url_quoted(own: &str, safe: &str) -> String {
    let mut out = String::new();
    for byte in own.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "_.-~".contains(c) || safe.contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn query(value: &Value) -> Result<String> {
    let pairs = match value {
        Value::Dict(dict) => dict
            .0
            .borrow()
            .iter()
            .map(|(key, value)| Value::tuple(vec![key.value().clone(), value.clone()]))
            .collect(),
        other => other.iterate()?,
    };
    let mut parts = Vec::new();
    for pair in pairs {
        let pair = pair.iterate()?;
        let [key, value] = pair.as_slice() else {
            return Err(Fault::value("not enough values to unpack (expected 2)"));
        };
        let quoted =
            |value: &Value| string(value).map(|text| url_quoted(&text, "").replace("%20", "+"));
        parts.push(format!("{}={}", quoted(key)?, quoted(value)?));
    }
    Ok(parts.join("&"))
}

/// Parts of a path as one, as POSIX normalises it; later parts never begin at the root.
fn path_join(parts: &[String]) -> String {
    let whole = parts
        .iter()
        .enumerate()
        .map(|(index, part)| {
            if index == 0 {
                part.as_str()
            } else {
                part.trim_start_matches('/')
            }
        })
        .collect::<Vec<_>>()
        .join("/");
    let is_absolute = whole.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            ".." if is_absolute => {}
            part => kept.push(part),
        }
    }
    let path = kept.join("/");
    match (is_absolute, path.is_empty()) {
        (true, _) => format!("/{path}"),
        (false, true) => ".".to_owned(),
        (false, false) => path,
    }
}
