//! Expressions over nested data, grains or a pillar: `key:sub:pattern`, with Salt's rules.

use std::borrow::Cow;

use serde_json::Value;

use crate::glob::Glob;
use crate::pattern::Pattern;
use crate::{GRAIN_PARTS_MAX, Verdict};

/// A compiled grain expression.
///
/// The delimiter may also stand inside of the value, so every split into keys and a pattern is tried, the most keys first.
#[derive(Clone, Debug)]
pub(crate) struct Grain {
    text: String,
    delimiter: char,
    is_regex: bool,
    parts: Vec<String>,
    /// For each part, what the text from there on matches; none where it is no regex, for a split inside of one is not meant.
    tails: Vec<Option<Tail>>,
}

#[derive(Clone, Debug)]
enum Tail {
    /// Over the lowered value.
    Glob(Glob),
    Regex(Pattern),
}

impl Grain {
    /// Compiles `text`; the error says what is wrong.
    pub(crate) fn new(text: &str, delimiter: char, is_regex: bool) -> Result<Grain, String> {
        if delimiter.is_whitespace() || delimiter == '\\' {
            return Err("the delimiter cannot be a blank or a backslash".to_owned());
        }
        let parts: Vec<String> = text.split(delimiter).map(str::to_owned).collect();
        if parts.len() < 2 || parts[0].is_empty() {
            return Err(format!("the target is not `key{delimiter}value`"));
        }
        if parts.len() > GRAIN_PARTS_MAX {
            return Err(format!(
                "a target over grains or pillar has at most {GRAIN_PARTS_MAX} parts"
            ));
        }
        let mut first_error = None;
        let mut tails = vec![None];
        let mut rest = text;
        for _ in 1..parts.len() {
            rest = rest.split_once(delimiter).map_or("", |(_, rest)| rest);
            tails.push(if is_regex {
                Pattern::new(rest, true)
                    .map(Tail::Regex)
                    .map_err(|error| first_error.get_or_insert(error).clone())
                    .ok()
            } else {
                Some(Tail::Glob(Glob::new(&rest.to_lowercase())))
            });
        }
        match first_error {
            Some(error) if tails.iter().all(Option::is_none) => Err(error),
            _ => Ok(Grain {
                text: text.to_owned(),
                delimiter,
                is_regex,
                parts,
                tails,
            }),
        }
    }

    pub(crate) fn is_regex(&self) -> bool {
        self.is_regex
    }

    pub(crate) fn delimiter(&self) -> char {
        self.delimiter
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether a value has to be the text itself: no regex, and nothing that a glob or a key could stand in for.
    pub(crate) fn is_exact(&self) -> bool {
        !self.is_regex && !self.text.contains(['*', '?', '['])
    }

    pub(crate) fn matches(&self, grains: &Value) -> Verdict {
        self.below(grains, 0)
    }

    /// Matches the parts from `start` on below `data`.
    fn below(&self, data: &Value, start: usize) -> Verdict {
        any((start + 1..self.parts.len()).rev(), |tail| {
            let keys = &self.parts[start..tail];
            if keys == ["*"] {
                return if data.is_object() {
                    self.in_map(data, start)
                } else {
                    Verdict::No
                };
            }
            match walk(data, keys) {
                None => Verdict::No,
                Some(map @ Value::Object(_)) => self.in_map(map, tail),
                Some(Value::Array(items)) => any(items, |item| {
                    let inside = if item.is_object() {
                        self.in_map(item, tail)
                    } else {
                        Verdict::No
                    };
                    inside.or(self.tail_matches(tail, item))
                }),
                Some(value) => self.tail_matches(tail, value),
            }
        })
    }

    /// Matches the parts from `tail` on in a map that the keys before led to: `*`, one of its keys, or an expression of its own.
    fn in_map(&self, map: &Value, tail: usize) -> Verdict {
        let Some(entries) = map.as_object().filter(|entries| !entries.is_empty()) else {
            return Verdict::No;
        };
        let is_wildcard = self.parts[tail] == "*" && tail + 1 < self.parts.len();
        let tail = tail + usize::from(is_wildcard);
        let pattern = self.tail_text(tail);
        if pattern == "*" || entries.contains_key(pattern) {
            return Verdict::Yes;
        }
        let below = self.below(map, tail);
        if below == Verdict::Yes || !is_wildcard {
            return below;
        }
        below.or(any(entries.values(), |value| match value {
            Value::Object(_) => self.in_map(value, tail),
            Value::Array(items) => any(items, |item| self.tail_matches(tail, item)),
            value => self.tail_matches(tail, value),
        }))
    }

    fn tail_text(&self, tail: usize) -> &str {
        let skipped: usize = self.parts[..tail]
            .iter()
            .map(|part| part.len() + self.delimiter.len_utf8())
            .sum();
        self.text.get(skipped..).unwrap_or_default()
    }

    fn tail_matches(&self, tail: usize, value: &Value) -> Verdict {
        let text = python_text(value).to_lowercase();
        match &self.tails[tail] {
            None => Verdict::No,
            Some(Tail::Glob(glob)) => glob.matches(&text).into(),
            Some(Tail::Regex(pattern)) => pattern.matches(&text),
        }
    }
}

/// The first `Yes`, else `Unknown` when there is one.
fn any<T>(items: impl IntoIterator<Item = T>, mut verdict: impl FnMut(T) -> Verdict) -> Verdict {
    let mut sum = Verdict::No;
    for item in items {
        sum = sum.or(verdict(item));
        if sum == Verdict::Yes {
            break;
        }
    }
    sum
}

/// Follows keys through maps and lists. In a list a key is looked up in the first map that has it, and a number is an index
/// (from the end when negative).
fn walk<'v>(data: &'v Value, keys: &[String]) -> Option<&'v Value> {
    keys.iter().try_fold(data, |value, key| match value {
        Value::Object(map) => map.get(key),
        Value::Array(items) => match key.parse::<i64>() {
            Ok(index) => {
                let from_start = if index < 0 {
                    index.checked_add_unsigned(items.len() as u64)?
                } else {
                    index
                };
                items.get(usize::try_from(from_start).ok()?)
            }
            Err(_) => items.iter().find_map(|item| item.get(key)),
        },
        _ => None,
    })
}

/// A grain's value as Python's `str()` prints it, which is what patterns are compared with. Lists and maps inside of lists
/// have no useful text; theirs is JSON.
fn python_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed("None"),
        Value::Bool(true) => Cow::Borrowed("True"),
        Value::Bool(false) => Cow::Borrowed("False"),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => Cow::Owned(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Grain, Verdict};

    #[test]
    fn matches_as_salt_does() {
        #[track_caller]
        fn check(text: &str, expected: bool) {
            let grains = json!({
                "os": "Debian", "osmajorrelease": 12, "virtual": true, "load": 1.5, "none": null, "empty": {}, "roles": ["web", "DB", 7],
                "ip_interfaces": {"eth0": ["10.0.0.1", "fe80::1"], "lo": []},
                "a:b": "c", "path": "/a:/b", "disks": [{"name": "sda", "size": 10}, {"name": "sdb", "raid": {"level": 5}}],
                "net": {"dns": {"servers": ["1.1.1.1"]}},
            });
            let verdict = Grain::new(text, ':', false).map(|grain| grain.matches(&grains));
            assert_eq!(verdict, Ok(expected.into()), "{text}");
        }
        check("os:Debian", true);
        check("os:debian", true);
        check("os:Deb*", true);
        check("os:[D]ebian", true);
        check("os:Ubuntu", false);
        check("OS:Debian", false);
        check("os:", false);
        check("missing:*", false);
        check("os:*", true);
        check("osmajorrelease:12", true);
        check("osmajorrelease:1?", true);
        check("virtual:True", true);
        check("virtual:true", true);
        check("virtual:1", false);
        check("load:1.5", true);
        check("none:None", true);
        check("empty:*", false);
        check("roles:web", true);
        check("roles:db", true);
        check("roles:7", true);
        check("roles:mail", false);
        check("roles:0:web", true);
        check("roles:-1:7", true);
        check("roles:9:web", false);
        check("ip_interfaces:*", true);
        check("ip_interfaces:eth0", true);
        check("ip_interfaces:eth*", false);
        check("ip_interfaces:eth0:10.*", true);
        check("ip_interfaces:eth0:fe80::1", true);
        check("ip_interfaces:lo:*", false);
        check("ip_interfaces:*:10.*", true);
        check("ip_interfaces:*:11.*", false);
        check("*:eth0:10.0.0.1", true);
        check("*:Debian", true);
        check("path:/a:/b", true);
        check("path:/a:/c", false);
        check("a:b:c", false);
        check("disks:name:sda", true);
        check("disks:name:sdb", true);
        check("disks:raid:level:5", true);
        check("disks:size:10", true);
        check("net:dns:servers:1.1.*", true);
        check("net:*:servers:1.1.*", true);
        check("net:dns:*", true);
    }

    #[test]
    fn regex_begins_at_the_start_and_ignores_case() {
        #[track_caller]
        fn check(text: &str, delimiter: char, expected: Verdict) {
            let grains = json!({"os": "Debian", "id": "a:b", "n": 12, "long": "a".repeat(64)});
            assert_eq!(
                Grain::new(text, delimiter, true).map(|grain| grain.matches(&grains)),
                Ok(expected),
                "{text}"
            );
        }
        check("os:deb", ':', Verdict::Yes);
        check("os:DEB.*n$", ':', Verdict::Yes);
        check("os:ebian", ':', Verdict::No);
        check(r"os:\S+$", ':', Verdict::Yes);
        check("os:(?:Debian|Ubuntu)", ':', Verdict::Yes);
        check("os|(Debian)", '|', Verdict::Yes);
        check(r"n:\d\d$", ':', Verdict::Yes);
        check("id:a:b$", ':', Verdict::Yes);
        check(r"long:(a+)+\1$(?!b)(?=c)", ':', Verdict::Unknown);
    }

    #[test]
    fn says_what_is_wrong() {
        #[track_caller]
        fn check(text: &str, delimiter: char, is_regex: bool, expected: &str) {
            let error = Grain::new(text, delimiter, is_regex)
                .err()
                .unwrap_or_default();
            assert!(error.contains(expected), "{text}: {error}");
        }
        check("os", ':', false, "`key:value`");
        check(":x", ':', false, "`key:value`");
        check("os:x", '|', false, "`key|value`");
        check("a b", ' ', false, "delimiter");
        check(&"a:".repeat(20), ':', false, "at most 16 parts");
        check("os:(", ':', true, "arenthes");
    }
}
