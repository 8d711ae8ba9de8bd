//! Python's `%` formatting and `str.format`.

use super::arguments::Args;
use super::fault::{Fault, Result};
use super::operators::check_length;
use super::print::{repr, string};
use super::value::{Key, Value, position};

/// How a value is laid out: the mini language of `format`, and what of it `%` has.
#[derive(Clone, Debug, Default)]
struct Layout {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    is_alternate: bool,
    width: usize,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

/// `template % value`.
pub(crate) fn percent(template: &str, value: &Value) -> Result<String> {
    let mut out = String::new();
    let tuple = match value {
        Value::Tuple(items) => items.0.borrow().clone(),
        other => vec![other.clone()],
    };
    let mut used = 0;
    let mut is_by_name = false;
    let next = |used: &mut usize| {
        let value = tuple.get(*used).cloned();
        *used += 1;
        value.ok_or_else(|| Fault::value("not enough arguments for format string"))
    };
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut layout = Layout::default();
        let mut argument = None;
        if chars.next_if_eq(&'(').is_some() {
            let key: String = chars.by_ref().take_while(|c| *c != ')').collect();
            let Value::Dict(dict) = value else {
                return Err(Fault::value("format requires a mapping"));
            };
            is_by_name = true;
            let found = dict.0.borrow().get(&Key::text(key.as_str())).cloned();
            argument = Some(found.ok_or_else(|| Fault::value(format!("'{key}'")))?);
        }
        while let Some(flag) = chars.next_if(|c| matches!(c, '-' | '+' | ' ' | '0' | '#')) {
            match flag {
                '-' => layout.align = Some('<'),
                '0' => layout.fill = layout.fill.or(Some('0')),
                '#' => layout.is_alternate = true,
                sign => layout.sign = Some(sign),
            }
        }
        if chars.next_if_eq(&'*').is_some() {
            let width = next(&mut used)?
                .as_index()
                .ok_or_else(|| Fault::value("* wants int"))?;
            if width < 0 {
                layout.align = Some('<');
            }
            layout.width = usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX);
        } else {
            layout.width = digits(&mut chars)?.unwrap_or(0);
        }
        if chars.next_if_eq(&'.').is_some() {
            layout.precision = Some(digits(&mut chars)?.unwrap_or(0));
        }
        while chars.next_if(|c| matches!(c, 'h' | 'l' | 'L')).is_some() {}
        let kind = chars
            .next()
            .ok_or_else(|| Fault::value("incomplete format"))?;
        if kind == '%' {
            out.push('%');
            continue;
        }
        let argument = match argument {
            Some(argument) => argument,
            None => next(&mut used)?,
        };
        if layout.align == Some('<') {
            layout.fill = None;
        }
        percent_one(&argument, kind, layout, &mut out)?;
        check_length(out.len())?;
    }
    let is_mapping = matches!(value, Value::Dict(_) | Value::List(_));
    if used < tuple.len() && !is_by_name && !(is_mapping && used == 0) {
        return Err(Fault::value(
            "not all arguments converted during string formatting",
        ));
    }
    Ok(out)
}

fn percent_one(value: &Value, kind: char, mut layout: Layout, out: &mut String) -> Result<()> {
    value.check_defined()?;
    if matches!(kind, 's' | 'r' | 'a') {
        let text = if kind == 's' {
            string(value)?
        } else {
            repr(value)?
        };
        layout.fill = None;
        layout.align = layout.align.or(Some('>'));
        return text_field(&text, &layout, out);
    }
    if kind == 'c' {
        let text = match value {
            Value::Str(text) if text.chars().count() == 1 => text.to_string(),
            _ => value
                .as_index()
                .and_then(|code| u32::try_from(code).ok())
                .and_then(char::from_u32)
                .map(String::from)
                .ok_or_else(|| Fault::value("%c requires int or char"))?,
        };
        layout.align = layout.align.or(Some('>'));
        return text_field(&text, &layout, out);
    }
    let Some(number) = value.as_number() else {
        let wanted = if matches!(kind, 'd' | 'i' | 'u') {
            "a real number is required"
        } else {
            "must be real number"
        };
        return Err(Fault::value(format!(
            "%{kind} format: {wanted}, not {}",
            value.type_name()
        )));
    };
    match kind {
        'd' | 'i' | 'u' => {
            let whole = value.as_index().unwrap_or(number.trunc() as i128);
            layout.kind = Some('d');
            if let Some(precision) = layout.precision.take() {
                check_length(precision)?;
                let digits = format!("{:0precision$}", whole.unsigned_abs());
                return number_field(whole < 0, "", &digits, &layout, out);
            }
            number_field(
                whole < 0,
                "",
                &whole.unsigned_abs().to_string(),
                &layout,
                out,
            )
        }
        'x' | 'X' | 'o' => {
            let whole = value.as_index().ok_or_else(|| {
                Fault::value(format!(
                    "%{kind} format: an integer is required, not {}",
                    value.type_name()
                ))
            })?;
            layout.kind = Some(kind);
            integer_field(whole, &layout, out)
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            layout.kind = Some(kind);
            float_field(number, &layout, out)
        }
        _ => Err(Fault::value(format!(
            "unsupported format character '{kind}'"
        ))),
    }
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Option<usize>> {
    let mut number = None;
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        let next = number
            .unwrap_or(0_usize)
            .saturating_mul(10)
            .saturating_add(digit as usize - '0' as usize);
        number = Some(next);
        check_length(next)?;
    }
    Ok(number)
}

/// `template.format(…)`.
pub(crate) fn format(template: &str, args: &Args) -> Result<String> {
    let mut automatic = 0;
    fields(template, args, &mut automatic, 0)
}

fn fields(template: &str, args: &Args, automatic: &mut usize, depth: usize) -> Result<String> {
    if depth > 1 && template.contains(['{', '}']) {
        return Err(Fault::value("Max string recursion exceeded"));
    }
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push_str(brace);
            rest = after;
            continue;
        }
        if brace == "}" {
            return Err(Fault::value("Single '}' encountered in format string"));
        }
        let mut open = 1;
        let end = rest
            .find(|c| {
                open += match c {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                open == 0
            })
            .ok_or_else(|| {
                Fault::value(if rest.is_empty() {
                    "Single '{' encountered in format string"
                } else {
                    "expected '}' before end of string"
                })
            })?;
        let field = &rest[..end];
        rest = &rest[end + 1..];
        let (path, spec) = field.split_once(':').unwrap_or((field, ""));
        let (path, conversion) = path.split_once('!').unwrap_or((path, ""));
        let value = lookup(path, args, automatic)?;
        let value = match conversion {
            "" => value,
            "s" => Value::str(string(&value)?),
            "r" | "a" => Value::str(repr(&value)?),
            other => {
                return Err(Fault::value(format!(
                    "Unknown conversion specifier '{other}'"
                )));
            }
        };
        let spec = fields(spec, args, automatic, depth + 1)?;
        field_value(&value, &spec, &mut out)?;
        check_length(out.len())?;
    }
    out.push_str(rest);
    Ok(out)
}

fn lookup(path: &str, args: &Args, automatic: &mut usize) -> Result<Value> {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, mut rest) = path.split_at(end);
    let index = if name.is_empty() {
        *automatic += 1;
        Some(*automatic - 1)
    } else {
        name.parse().ok()
    };
    let mut value = match index {
        Some(index) => args.positional.get(index).cloned().ok_or_else(|| {
            Fault::value(format!(
                "Replacement index {index} out of range for positional args tuple"
            ))
        })?,
        None => {
            let found = args.named.iter().find(|(known, _)| **known == *name);
            found
                .map(|(_, value)| value.clone())
                .ok_or_else(|| Fault::value(format!("'{name}'")))?
        }
    };
    while !rest.is_empty() {
        let (key, after) = if let Some(inner) = rest.strip_prefix('[') {
            let (key, after) = inner
                .split_once(']')
                .ok_or_else(|| Fault::value("Missing ']' in format string"))?;
            (key, after)
        } else {
            let inner = &rest[1..];
            inner.split_at(inner.find(['.', '[']).unwrap_or(inner.len()))
        };
        value = entry(&value, key)?;
        rest = after;
    }
    value.check_defined()?;
    Ok(value)
}

fn entry(value: &Value, key: &str) -> Result<Value> {
    let found = match (value, key.parse::<i128>()) {
        (Value::List(list) | Value::Tuple(list), Ok(index)) => {
            let list = list.0.borrow();
            position(index, list.len()).map(|at| list[at].clone())
        }
        (Value::Dict(dict), Ok(index)) => {
            dict.0.borrow().get(&Key::new(&Value::Int(index))?).cloned()
        }
        (Value::Dict(dict), Err(_)) => dict.0.borrow().get(&Key::text(key)).cloned(),
        _ => None,
    };
    found.ok_or_else(|| Fault::value(format!("'{key}'")))
}

fn field_value(value: &Value, spec: &str, out: &mut String) -> Result<()> {
    if spec.is_empty() {
        out.push_str(&string(value)?);
        return Ok(());
    }
    let mut layout = parse_layout(spec)?;
    let is_text_kind = matches!(layout.kind, None | Some('s'));
    match value {
        Value::Str(text) if is_text_kind => text_field(text, &layout, out),
        Value::Int(_) | Value::Bool(_) => {
            let number = value.as_index().unwrap_or(0);
            if matches!(layout.kind, Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) {
                return float_field(number as f64, &layout, out);
            }
            integer_field(number, &layout, out)
        }
        Value::Float(number) => {
            if layout.kind.is_none() && layout.precision.is_some() {
                layout.kind = Some('g');
            }
            float_field(*number, &layout, out)
        }
        _ => Err(Fault::value(match layout.kind {
            Some(kind) if value.as_str().is_some() => {
                format!("Unknown format code '{kind}' for object of type 'str'")
            }
            _ => format!(
                "unsupported format string passed to {}.__format__",
                value.type_name()
            ),
        })),
    }
}

fn parse_layout(spec: &str) -> Result<Layout> {
    let chars: Vec<char> = spec.chars().collect();
    let mut layout = Layout::default();
    let mut at = 0;
    let is_align = |c: Option<&char>| matches!(c, Some('<' | '>' | '^' | '='));
    if is_align(chars.get(1)) {
        layout.fill = Some(chars[0]);
        layout.align = Some(chars[1]);
        at = 2;
    } else if is_align(chars.first()) {
        layout.align = Some(chars[0]);
        at = 1;
    }
    if let Some(sign @ ('+' | '-' | ' ')) = chars.get(at) {
        layout.sign = Some(*sign).filter(|sign| *sign != '-');
        at += 1;
    }
    if chars.get(at) == Some(&'#') {
        layout.is_alternate = true;
        at += 1;
    }
    if chars.get(at) == Some(&'0') {
        layout.fill = layout.fill.or(Some('0'));
        layout.align = layout.align.or(Some('='));
        at += 1;
    }
    let rest: String = chars[at..].iter().collect();
    let mut rest = rest.chars().peekable();
    layout.width = digits(&mut rest)?.unwrap_or(0);
    layout.grouping = rest.next_if(|c| matches!(c, ',' | '_'));
    if rest.next_if_eq(&'.').is_some() {
        layout.precision = digits(&mut rest)?;
    }
    layout.kind = rest.next();
    if rest.next().is_some() {
        return Err(Fault::value("Invalid format specifier"));
    }
    Ok(layout)
}

fn pad(text: &str, layout: &Layout, default_align: char, out: &mut String) -> Result<()> {
    let missing = layout.width.saturating_sub(text.chars().count());
    check_length(missing)?;
    let fill = |count: usize| layout.fill.unwrap_or(' ').to_string().repeat(count);
    let (before, after) = match layout.align.unwrap_or(default_align) {
        '<' => (0, missing),
        '^' => (missing / 2, missing - missing / 2),
        _ => (missing, 0),
    };
    out.push_str(&fill(before));
    out.push_str(text);
    out.push_str(&fill(after));
    Ok(())
}

fn text_field(text: &str, layout: &Layout, out: &mut String) -> Result<()> {
    match layout.precision {
        Some(precision) => pad(
            &text.chars().take(precision).collect::<String>(),
            layout,
            '<',
            out,
        ),
        None => pad(text, layout, '<', out),
    }
}

fn number_field(
    is_negative: bool,
    prefix: &str,
    digits: &str,
    layout: &Layout,
    out: &mut String,
) -> Result<()> {
    let sign = match layout.sign {
        _ if is_negative => "-",
        Some('+') => "+",
        Some(' ') => " ",
        _ => "",
    };
    let grouped = layout.grouping.map(|mark| group(digits, mark));
    let digits = grouped.as_deref().unwrap_or(digits);
    let fills_zero = layout.fill == Some('0') && !matches!(layout.align, Some('<' | '>' | '^'));
    if fills_zero || layout.align == Some('=') {
        let head = sign.len() + prefix.len();
        let missing = layout.width.saturating_sub(head + digits.chars().count());
        check_length(missing)?;
        out.push_str(sign);
        out.push_str(prefix);
        out.push_str(&layout.fill.unwrap_or(' ').to_string().repeat(missing));
        out.push_str(digits);
        return Ok(());
    }
    pad(&format!("{sign}{prefix}{digits}"), layout, '>', out)
}

fn group(digits: &str, mark: char) -> String {
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let mut out = String::new();
    for (index, digit) in digits[..end].chars().enumerate() {
        if index > 0 && (end - index).is_multiple_of(3) {
            out.push(mark);
        }
        out.push(digit);
    }
    out + &digits[end..]
}

fn integer_field(number: i128, layout: &Layout, out: &mut String) -> Result<()> {
    let size = number.unsigned_abs();
    let (prefix, digits) = match layout.kind {
        None | Some('d' | 'n') => ("", size.to_string()),
        Some('x') => ("0x", format!("{size:x}")),
        Some('X') => ("0X", format!("{size:X}")),
        Some('o') => ("0o", format!("{size:o}")),
        Some('b') => ("0b", format!("{size:b}")),
        Some('c') => {
            let c = u32::try_from(size).ok().and_then(char::from_u32);
            let c = c.ok_or_else(|| Fault::value("%c arg not in range(0x110000)"))?;
            return pad(&c.to_string(), layout, '<', out);
        }
        Some(kind) => {
            return Err(Fault::value(format!(
                "Unknown format code '{kind}' for object of type 'int'"
            )));
        }
    };
    let prefix = if layout.is_alternate { prefix } else { "" };
    number_field(number < 0, prefix, &digits, layout, out)
}

fn float_field(number: f64, layout: &Layout, out: &mut String) -> Result<()> {
    let size = number.abs();
    let precision = layout.precision.unwrap_or(6).min(500);
    let digits = if !size.is_finite() {
        if size.is_nan() {
            "nan".to_owned()
        } else {
            "inf".to_owned()
        }
    } else {
        match layout.kind {
            None => super::print::float(size),
            Some('f' | 'F') => format!("{size:.precision$}"),
            Some('%') => format!("{:.precision$}%", size * 100.0),
            Some('e' | 'E') => exponent(size, precision),
            Some('g' | 'G' | 'n') => general(size, precision.max(1), layout.is_alternate),
            Some(kind) => {
                return Err(Fault::value(format!(
                    "Unknown format code '{kind}' for object of type 'float'"
                )));
            }
        }
    };
    let digits = if matches!(layout.kind, Some('E' | 'F' | 'G')) {
        digits.to_uppercase()
    } else {
        digits
    };
    number_field(
        number.is_sign_negative() && !number.is_nan(),
        "",
        &digits,
        layout,
        out,
    )
}

/// At least two digits of exponent, with a sign.
fn exponent(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    format!(
        "{digits}e{}{:02}",
        if power < 0 { '-' } else { '+' },
        power.unsigned_abs()
    )
}

fn general(number: f64, precision: usize, keeps_zeros: bool) -> String {
    let scientific = exponent(number, precision - 1);
    let power: i32 = scientific
        .split_once('e')
        .and_then(|(_, power)| power.parse().ok())
        .unwrap_or(0);
    let trim = |text: &str| {
        if keeps_zeros || !text.contains('.') {
            text.to_owned()
        } else {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    if number != 0.0 && (power < -4 || power >= precision as i32) {
        let (digits, power) = scientific.split_once('e').unwrap_or((&scientific, "+00"));
        return format!("{}e{power}", trim(digits));
    }
    let decimals = usize::try_from(precision as i32 - 1 - power).unwrap_or(0);
    trim(&format!("{number:.decimals$}"))
}
