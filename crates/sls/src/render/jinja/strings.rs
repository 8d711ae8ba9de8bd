//! The methods of Python's strings.

use std::rc::Rc;

use super::arguments::{Args, flag, integer, optional_text, required, text};
use super::fault::{Fault, Result};
use super::format::format;
use super::fuel;
use super::operators::check_length;
use super::value::{Value, position};

pub(super) const METHODS: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "encode",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "translate",
    "upper",
    "zfill",
];

pub(super) fn call(own: &Rc<str>, name: &str, args: Args) -> Result<Value> {
    let own = &**own;
    fuel::spend_text(own)?;
    match name {
        "format" => return format(own, &args).map(Value::str),
        "format_map" => {
            let Value::Dict(map) = args.one(name, "map")? else {
                return Err(Fault::value("format_map() argument must be a mapping"));
            };
            let named = map
                .0
                .borrow()
                .iter()
                .filter_map(|(key, value)| Some((key.value().as_str()?.clone(), value.clone())))
                .collect();
            return format(
                own,
                &Args {
                    positional: Vec::new(),
                    named,
                },
            )
            .map(Value::str);
        }
        "join" => return join(own, &args.one(name, "iterable")?),
        "split" | "rsplit" => return split(own, args, name),
        "splitlines" => {
            let [keep] = args.bind(name, ["keepends"])?;
            return Ok(strs(lines(own, flag(keep, false)?)));
        }
        "startswith" | "endswith" => return affix(own, args, name),
        "find" | "rfind" | "index" | "rindex" | "count" => return search(own, args, name),
        "strip" | "lstrip" | "rstrip" => return strip(own, args, name),
        "replace" => {
            let [old, new, count] = args.bind(name, ["old", "new", "count"])?;
            let old = text(&required(old, name, "old")?, name)?;
            let new = text(&required(new, name, "new")?, name)?;
            let count = count.map_or(Ok(-1), |count| integer(&count, name))?;
            return replace(own, &old, &new, usize::try_from(count).ok()).map(Value::str);
        }
        "partition" | "rpartition" => {
            let separator = text(&args.one(name, "sep")?, name)?;
            if separator.is_empty() {
                return Err(Fault::value("empty separator"));
            }
            let is_right = name == "rpartition";
            let found = if is_right {
                own.rsplit_once(&*separator)
            } else {
                own.split_once(&*separator)
            };
            let parts = match found {
                Some((before, after)) => [before, &separator, after],
                None if is_right => ["", "", own],
                None => [own, "", ""],
            };
            return Ok(Value::tuple(parts.map(Value::str).to_vec()));
        }
        "removeprefix" | "removesuffix" => {
            let affix = text(&args.one(name, "affix")?, name)?;
            let rest = if name == "removeprefix" {
                own.strip_prefix(&*affix)
            } else {
                own.strip_suffix(&*affix)
            };
            return Ok(Value::str(rest.unwrap_or(own)));
        }
        "ljust" | "rjust" | "center" => {
            let [width, fill] = args.bind(name, ["width", "fillchar"])?;
            let width = integer(&required(width, name, "width")?, name)?;
            let fill = optional_text(fill, name)?.unwrap_or_else(|| " ".into());
            return justified(own, width, &fill, name).map(Value::str);
        }
        "zfill" => {
            let width = integer(&args.one(name, "width")?, name)?;
            let (sign, digits) = own.split_at(usize::from(own.starts_with(['+', '-'])));
            let width = width.saturating_sub(sign.len() as i128);
            return Ok(Value::str(
                sign.to_owned() + &justified(digits, width, "0", "rjust")?,
            ));
        }
        "expandtabs" => {
            let [size] = args.bind(name, ["tabsize"])?;
            let size = size.map_or(Ok(8), |size| integer(&size, name))?;
            return expandtabs(own, usize::try_from(size).unwrap_or(0)).map(Value::str);
        }
        // Templates only ever see text, so bytes stay what they are.
        "encode" => return Ok(Value::str(own)),
        "translate" => {
            return Err(Fault::value(
                "str.translate() is not available in templates: use replace()",
            ));
        }
        _ => args.none(name)?,
    }
    Ok(match name {
        "lower" | "casefold" => Value::str(own.to_lowercase()),
        "upper" => Value::str(own.to_uppercase()),
        "capitalize" => Value::str(capitalize(own)),
        "title" => Value::str(title(own)),
        "swapcase" => Value::str(
            own.chars()
                .flat_map(|c| {
                    if c.is_uppercase() {
                        c.to_lowercase().collect::<Vec<_>>()
                    } else {
                        c.to_uppercase().collect()
                    }
                })
                .collect::<String>(),
        ),
        _ => Value::Bool(is_all(own, name)),
    })
}

pub(super) fn strs<'a>(items: impl IntoIterator<Item = &'a str>) -> Value {
    Value::list(items.into_iter().map(Value::str).collect())
}

fn is_all(own: &str, name: &str) -> bool {
    let has_case = own.chars().any(|c| c.is_lowercase() || c.is_uppercase());
    let all = |test: fn(char) -> bool| !own.is_empty() && own.chars().all(test);
    match name {
        "isdigit" | "isdecimal" => all(|c| c.is_ascii_digit()),
        "isnumeric" => all(char::is_numeric),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(char::is_whitespace),
        "isascii" => own.is_ascii(),
        "isprintable" => own.chars().all(|c| !c.is_control()),
        "islower" => has_case && !own.chars().any(char::is_uppercase),
        "isupper" => has_case && !own.chars().any(char::is_lowercase),
        "istitle" => has_case && title(own) == own,
        _ => all(|c| c == '_' || c.is_alphanumeric()) && !own.starts_with(|c: char| c.is_numeric()),
    }
}

pub(super) fn capitalize(own: &str) -> String {
    let mut chars = own.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase(),
        None => String::new(),
    }
}

/// `str.title`: each letter after something that is no letter is large.
fn title(own: &str) -> String {
    let mut out = String::new();
    let mut is_inside = false;
    for c in own.chars() {
        if is_inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        is_inside = c.is_alphabetic();
    }
    out
}

fn join(own: &str, items: &Value) -> Result<Value> {
    let mut out = String::new();
    for (index, item) in items.iterate()?.iter().enumerate() {
        let Value::Str(item) = item else {
            item.check_defined()?;
            return Err(Fault::value(format!(
                "sequence item {index}: expected str instance, {} found",
                item.type_name()
            )));
        };
        if index > 0 {
            out.push_str(own);
        }
        out.push_str(item);
        check_length(out.len())?;
    }
    Ok(Value::str(out))
}

fn split(own: &str, args: Args, name: &str) -> Result<Value> {
    let [separator, count] = args.bind(name, ["sep", "maxsplit"])?;
    let separator = optional_text(separator, name)?;
    let count = count.map_or(Ok(-1), |count| integer(&count, name))?;
    let parts = usize::try_from(count).map_or(usize::MAX, |count| count.saturating_add(1));
    let is_right = name == "rsplit";
    let mut found: Vec<&str> = match separator {
        Some(separator) if separator.is_empty() => return Err(Fault::value("empty separator")),
        Some(separator) if is_right => own.rsplitn(parts, &*separator).collect(),
        Some(separator) => own.splitn(parts, &*separator).collect(),
        None => {
            let mut found = Vec::new();
            let mut rest = if is_right {
                own.trim_end()
            } else {
                own.trim_start()
            };
            while !rest.is_empty() {
                let at = if is_right {
                    rest.rfind(char::is_whitespace)
                } else {
                    rest.find(char::is_whitespace)
                };
                let Some(at) = at.filter(|_| found.len() + 1 < parts) else {
                    found.push(if found.len() + 1 < parts {
                        rest.trim()
                    } else {
                        rest
                    });
                    break;
                };
                if is_right {
                    found.push(rest[at..].trim_start());
                    rest = rest[..at].trim_end();
                } else {
                    found.push(&rest[..at]);
                    rest = rest[at..].trim_start();
                }
            }
            found
        }
    };
    if is_right {
        found.reverse();
    }
    Ok(strs(found))
}

/// The lines of a text, by all the ends of lines that Python knows.
pub(super) fn lines(own: &str, keep: bool) -> Vec<&str> {
    let is_end = |c| {
        matches!(
            c,
            '\n' | '\r'
                | '\u{b}'
                | '\u{c}'
                | '\u{1c}'
                | '\u{1d}'
                | '\u{1e}'
                | '\u{85}'
                | '\u{2028}'
                | '\u{2029}'
        )
    };
    let mut found = Vec::new();
    let mut rest = own;
    while !rest.is_empty() {
        let (at, length) = match rest.find(is_end) {
            Some(at) if rest[at..].starts_with("\r\n") => (at, 2),
            Some(at) => (at, rest[at..].chars().next().map_or(0, char::len_utf8)),
            None => (rest.len(), 0),
        };
        found.push(if keep {
            &rest[..at + length]
        } else {
            &rest[..at]
        });
        rest = &rest[at + length..];
    }
    found
}

/// The part of a text that `start` and `end` leave, and where it begins in characters. None if they cross.
fn part<'a>(
    own: &'a str,
    start: Option<Value>,
    end: Option<Value>,
    name: &str,
) -> Result<Option<(&'a str, usize)>> {
    let length = own.chars().count();
    let bound = |value: Option<Value>, default: usize| -> Result<usize> {
        match value {
            None | Some(Value::None) => Ok(default),
            Some(value) => {
                let at = integer(&value, name)?;
                let at = if at < 0 {
                    at.saturating_add(length as i128)
                } else {
                    at
                };
                Ok(usize::try_from(at).unwrap_or(0))
            }
        }
    };
    let start = bound(start, 0)?;
    let end = bound(end, length)?.min(length);
    if start > end {
        return Ok(None);
    }
    let byte = |at: usize| {
        own.char_indices()
            .nth(at)
            .map_or(own.len(), |(byte, _)| byte)
    };
    Ok(Some((&own[byte(start)..byte(end)], start)))
}

fn affix(own: &str, args: Args, name: &str) -> Result<Value> {
    let [affix, start, end] = args.bind(name, ["prefix", "start", "end"])?;
    let affixes = match required(affix, name, "prefix")? {
        Value::Tuple(list) => list.0.borrow().clone(),
        one => vec![one],
    };
    let Some((own, _)) = part(own, start, end, name)? else {
        return Ok(Value::Bool(false));
    };
    for affix in affixes {
        let affix = text(&affix, name)?;
        if if name == "startswith" {
            own.starts_with(&*affix)
        } else {
            own.ends_with(&*affix)
        } {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn search(own: &str, args: Args, name: &str) -> Result<Value> {
    let [sub, start, end] = args.bind(name, ["sub", "start", "end"])?;
    let sub = text(&required(sub, name, "sub")?, name)?;
    let part = part(own, start, end, name)?;
    if name == "count" {
        let count = part.map_or(0, |(part, _)| part.matches(&*sub).count());
        return Ok(Value::Int(count as i128));
    }
    let found = part.and_then(|(part, start)| {
        let at = if name.starts_with('r') {
            part.rfind(&*sub)
        } else {
            part.find(&*sub)
        }?;
        Some(start + part[..at].chars().count())
    });
    match found {
        Some(at) => Ok(Value::Int(at as i128)),
        None if name.ends_with("index") => Err(Fault::value("substring not found")),
        None => Ok(Value::Int(-1)),
    }
}

fn strip(own: &str, args: Args, name: &str) -> Result<Value> {
    let [chars] = args.bind(name, ["chars"])?;
    let chars = optional_text(chars, name)?;
    let is_cut = |c: char| {
        chars
            .as_ref()
            .map_or_else(|| c.is_whitespace(), |chars| chars.contains(c))
    };
    Ok(Value::str(match name {
        "lstrip" => own.trim_start_matches(is_cut),
        "rstrip" => own.trim_end_matches(is_cut),
        _ => own.trim_matches(is_cut),
    }))
}

/// `str.replace`, with a look at the length before.
pub(super) fn replace(own: &str, old: &str, new: &str, count: Option<usize>) -> Result<String> {
    let found = own.matches(old).count().min(count.unwrap_or(usize::MAX));
    check_length(own.len().saturating_add(found.saturating_mul(new.len())))?;
    Ok(own.replacen(old, new, found))
}

pub(super) fn justified(own: &str, width: i128, fill: &str, name: &str) -> Result<String> {
    if fill.chars().count() != 1 {
        return Err(Fault::value(
            "The fill character must be exactly one character long",
        ));
    }
    let length = own.chars().count();
    let width = usize::try_from(width).unwrap_or(0);
    let missing = width.saturating_sub(length);
    check_length(missing.saturating_mul(fill.len()))?;
    let before = match name {
        "ljust" => 0,
        "rjust" => missing,
        // CPython puts the odd one before if the width is odd.
        _ => missing / 2 + (missing & width & 1),
    };
    Ok(fill.repeat(before) + own + &fill.repeat(missing - before))
}

fn expandtabs(own: &str, size: usize) -> Result<String> {
    check_length(own.matches('\t').count().saturating_mul(size))?;
    let mut out = String::new();
    let mut column = 0;
    for c in own.chars() {
        match c {
            '\t' if size > 0 => {
                let missing = size - column % size;
                out.push_str(&" ".repeat(missing));
                column += missing;
            }
            '\t' => {}
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            _ => {
                out.push(c);
                column += 1;
            }
        }
    }
    Ok(out)
}

/// The character at a Python index, for filters.
pub(super) fn char_at(own: &str, index: i128) -> Option<Value> {
    let chars: Vec<char> = own.chars().collect();
    position(index, chars.len()).map(|at| Value::str(chars[at].to_string()))
}
