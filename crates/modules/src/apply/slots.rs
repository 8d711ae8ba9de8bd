//! Slots: arguments that a function answers when the state is called, `__slot__:salt:module.function(arguments).part ~ text`.

use std::iter::Peekable;
use std::str::Chars;

use serde_json::{Map, Value};
use sls::compile::is_for_engine;

use crate::call::Call;
use crate::failure::Failure;
use crate::registry::Env;

const SLOT: &str = "__slot__:";

/// The arguments of a state with its slots filled; none when it has none. Those that are for the engine are left alone.
pub(super) fn filled(
    env: &Env,
    low: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>, Failure> {
    let is_own = |key: &String| key == "name" || !is_for_engine(key);
    if !low
        .iter()
        .any(|(key, value)| is_own(key) && holds_slot(value, 0))
    {
        return Ok(None);
    }
    let mut filled = low.clone();
    for (key, value) in &mut filled {
        if is_own(key) {
            fill(env, value, 0)?;
        }
    }
    Ok(Some(filled))
}

/// Fills the slots of a call's arguments.
pub(super) fn fill_call(env: &Env, call: &mut Call) -> Result<(), Failure> {
    for value in call.args.iter_mut().chain(call.kwargs.values_mut()) {
        fill(env, value, 0)?;
    }
    Ok(())
}

/// As deep as Salt looks: an argument, the items of a list, the values of a map, and those of the maps in a list.
fn parts(value: &Value, depth: usize) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) if depth == 0 => Box::new(items.iter()),
        Value::Object(map) if depth <= 1 => Box::new(map.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn holds_slot(value: &Value, depth: usize) -> bool {
    // What is in a map is looked into no further.
    let below = if value.is_object() { 2 } else { depth + 1 };
    let is_slot = |text: &str| text.starts_with(SLOT);
    value.as_str().is_some_and(is_slot) || parts(value, depth).any(|part| holds_slot(part, below))
}

fn fill(env: &Env, value: &mut Value, depth: usize) -> Result<(), Failure> {
    match value {
        Value::String(text) if text.starts_with(SLOT) => {
            if let Some(answer) = answered(env, text)? {
                *value = answer;
            }
            Ok(())
        }
        Value::Array(items) if depth == 0 => {
            items.iter_mut().try_for_each(|item| fill(env, item, 1))
        }
        Value::Object(map) if depth <= 1 => {
            map.values_mut().try_for_each(|value| fill(env, value, 2))
        }
        _ => Ok(()),
    }
}

/// What stands in the place of a slot; none for one that is malformed, which stays as it is.
fn answered(env: &Env, text: &str) -> Result<Option<Value>, Failure> {
    let malformed = |why: &str| {
        tracing::warn!("Malformed slot: {text}: {why}");
        Ok(None)
    };
    let Some(inner) = text[SLOT.len()..].strip_prefix("salt:") else {
        return malformed("it has to start with __slot__:salt:");
    };
    let Some(slot) = Slot::read(inner) else {
        return malformed("it has to be a call, such as test.arg('arg', kw='kwarg')");
    };
    if !env.has(&slot.call.fun) {
        return malformed("there is no such function");
    }
    let mut value = env.call(&slot.call)?.value;
    if let Some(path) = slot.part {
        let found = data::traverse(&value, path, ".");
        value = found.cloned().unwrap_or(Value::Null);
    }
    if let Some(end) = slot.end {
        match &mut value {
            Value::String(text) => text.push_str(end),
            _ => tracing::error!("Ignoring slot append, slot result is not a string: {text}"),
        }
    }
    Ok(Some(value))
}

/// A slot behind `__slot__:salt:`.
#[derive(Debug, PartialEq)]
struct Slot<'a> {
    /// All arguments are texts.
    call: Call,
    /// Where in the answer to look, in steps that are parted by dots.
    part: Option<&'a str>,
    /// What is added to a text.
    end: Option<&'a str>,
}

impl Slot<'_> {
    fn read(text: &str) -> Option<Slot<'_>> {
        let call = read_call(text)?;
        let (slot, end) = match text.split_once('~') {
            Some((slot, end)) => (slot, Some(unquoted(end.trim()))),
            None => (text, None),
        };
        let behind = slot.rfind(')').map(|at| &slot[at + 1..]);
        let part = behind.and_then(|behind| behind.split_once('.'));
        Some(Slot {
            call,
            part: part.map(|(_, path)| path.trim()),
            end,
        })
    }
}

fn unquoted(text: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(text)
}

/// A piece of a call: text, which may have been in quotes, or a mark.
#[derive(Debug, PartialEq)]
enum Token {
    Text(String),
    Mark(char),
}

/// Reads `module.function(argument, name=argument)`. Blanks that are not in quotes count for nothing.
fn read_call(text: &str) -> Option<Call> {
    let mut chars = text.chars().peekable();
    let mut fun = String::new();
    loop {
        match token(&mut chars)? {
            Token::Mark('(') => break,
            Token::Mark(mark) => fun.push(mark),
            Token::Text(text) => fun.push_str(&text),
        }
    }
    if fun.is_empty() {
        return None;
    }
    let mut call = Call::new(fun);
    let mut brackets = Vec::new();
    let (mut key, mut word): (Option<String>, Option<String>) = (None, None);
    loop {
        let token = token(&mut chars)?;
        match token {
            Token::Mark(mark @ (',' | ')')) if brackets.is_empty() => {
                match (key.take(), word.take()) {
                    (Some(key), word) => {
                        call = call.kwarg(&key, word.unwrap_or_default());
                    }
                    (None, Some(word)) => call = call.arg(word),
                    (None, None) => {}
                }
                if mark == ')' {
                    return Some(call);
                }
            }
            Token::Mark('=') if brackets.is_empty() => key = Some(word.take().unwrap_or_default()),
            Token::Mark(mark) => {
                match mark {
                    '(' => brackets.push(')'),
                    '[' => brackets.push(']'),
                    '{' => brackets.push('}'),
                    ')' | ']' | '}' if brackets.pop() != Some(mark) => return None,
                    _ => {}
                }
                word.get_or_insert_default().push(mark);
            }
            Token::Text(text) => word.get_or_insert_default().push_str(&text),
        }
    }
}

/// The next token as a shell would read it; none at the end, and for quotes that do not end.
fn token(chars: &mut Peekable<Chars<'_>>) -> Option<Token> {
    while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
    let mut text: Option<String> = None;
    while let Some(&c) = chars.peek() {
        match c {
            '\'' | '"' => {
                chars.next();
                let text = text.get_or_insert_default();
                loop {
                    match chars.next()? {
                        end if end == c => break,
                        '\\' => {
                            let escaped = chars.next()?;
                            if escaped != c && escaped != '\\' {
                                text.push('\\');
                            }
                            text.push(escaped);
                        }
                        other => text.push(other),
                    }
                }
            }
            '\\' => {
                chars.next();
                text.get_or_insert_default().push(chars.next()?);
            }
            c if c.is_alphanumeric() || c == '_' => {
                chars.next();
                text.get_or_insert_default().push(c);
            }
            mark if text.is_none() => {
                chars.next();
                return Some(Token::Mark(mark));
            }
            _ => break,
        }
    }
    text.map(Token::Text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;
    use serde_json::json;

    #[test]
    fn calls_are_read() {
        let check = |text: &str, expected: Option<(&str, Value, Value)>| {
            let read = read_call(text).map(|call| (call.fun, json!(call.args), json!(call.kwargs)));
            let expected = expected.map(|(fun, args, kwargs)| (fun.to_owned(), args, kwargs));
            assert_eq!(read, expected, "{text}");
        };
        check("test.ping()", Some(("test.ping", json!([]), json!({}))));
        check(
            "test.arg(1, two, 'thr ee', k=v, l=\"it's\")",
            Some((
                "test.arg",
                json!(["1", "two", "thr ee"]),
                json!({"k": "v", "l": "it's"}),
            )),
        );
        check(
            "cmd.run(/bin/echo a b)",
            Some(("cmd.run", json!(["/bin/echoab"]), json!({}))),
        );
        check(
            "f.g([1, 2], {a: b}, x=(1, 2))",
            Some(("f.g", json!(["[1,2]", "{a:b}"]), json!({"x": "(1,2)"}))),
        );
        check("f.g(a='')", Some(("f.g", json!([]), json!({"a": ""}))));
        check("f.g", None);
        check("f.g(a", None);
        check("f.g('a)", None);
        check("f.g([a)", None);
        check("()", None);
        check("", None);
    }

    #[test]
    fn slots_are_filled() {
        let host = Host::new();
        let low = |value: Value| value.as_object().cloned().unwrap_or_default();
        let check = |given: Value, expected: Value| {
            let found = host.with_env(|env| filled(env, &low(given.clone())));
            let found = found.map(|found| found.map_or(given.clone(), Value::Object));
            assert_eq!(
                found.map_err(|failure| failure.to_string()),
                Ok(expected),
                "{given}"
            );
        };
        check(
            json!({"name": "__slot__:salt:test.echo(hello)", "text": "plain"}),
            json!({"name": "hello", "text": "plain"}),
        );
        check(
            json!({"a": "__slot__:salt:test.arg(1, k=v).kwargs.k ~ '/end'"}),
            json!({"a": "v/end"}),
        );
        check(
            json!({"a": ["x", "__slot__:salt:test.echo(y)", {"k": "__slot__:salt:test.echo(z)"}], "b": {"c": "__slot__:salt:test.echo(w)"}}),
            json!({"a": ["x", "y", {"k": "z"}], "b": {"c": "w"}}),
        );
        // Deeper, for the engine, or malformed: as it is.
        for kept in [
            json!({"a": [["__slot__:salt:test.echo(y)"]]}),
            json!({"a": {"b": ["__slot__:salt:test.echo(y)"]}}),
            json!({"require": ["__slot__:salt:test.echo(y)"]}),
            json!({"a": "__slot__:test.echo(y)"}),
            json!({"a": "__slot__:salt:test.echo(y"}),
            json!({"a": "__slot__:salt:no.such(y)"}),
        ] {
            check(kept.clone(), kept);
        }
        check(
            json!({"a": "__slot__:salt:test.arg(1).kwargs.nothing"}),
            json!({"a": null}),
        );
    }
}
