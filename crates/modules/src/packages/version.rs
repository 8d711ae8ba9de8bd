//! How package managers order versions, and what is said of versions in states.

use std::cmp::Ordering;

use crate::pattern;

/// The order of Debian: epoch, then version and revision, by turns of text and digits; `~` stands before everything.
pub(crate) fn debian(a: &str, b: &str) -> Ordering {
    let parts = |version: &str| -> (u64, String, String) {
        let (epoch, rest) = match version.split_once(':') {
            Some((epoch, rest)) => (epoch.trim().parse().unwrap_or(0), rest),
            None => (0, version),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (
            epoch,
            upstream.trim().to_owned(),
            revision.trim().to_owned(),
        )
    };
    let (a, b) = (parts(a), parts(b));
    a.0.cmp(&b.0)
        .then_with(|| by_turns(&a.1, &b.1))
        .then_with(|| by_turns(&a.2, &b.2))
}

fn by_turns(a: &str, b: &str) -> Ordering {
    let weight = |c: Option<&u8>| match c {
        Some(b'~') => -1,
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
        None => 0,
    };
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        while a.first().is_some_and(|c| !c.is_ascii_digit())
            || b.first().is_some_and(|c| !c.is_ascii_digit())
        {
            match weight(a.first()).cmp(&weight(b.first())) {
                Ordering::Equal => {
                    (a, b) = (
                        a.get(1..).unwrap_or_default(),
                        b.get(1..).unwrap_or_default(),
                    )
                }
                order => return order,
            }
        }
        match number(&mut a).cmp(&number(&mut b)) {
            Ordering::Equal => {}
            order => return order,
        }
    }
    Ordering::Equal
}

/// Takes the digits at the front as a number: its length without leading zeros, then its digits.
fn number<'a>(text: &mut &'a [u8]) -> (usize, &'a [u8]) {
    let end = text
        .iter()
        .position(|c| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    let zeros = digits.iter().take_while(|c| **c == b'0').count();
    (end - zeros, &digits[zeros..])
}

/// The order of RPM: epoch, version and release, by segments of letters or digits; `~` stands before the end, `^` after it. A side without
/// a release equals any.
pub(crate) fn rpm(a: &str, b: &str) -> Ordering {
    let parts = |version: &str| -> (u64, String, String) {
        let (epoch, rest) = match version.split_once(':') {
            Some((epoch, rest)) => (epoch.trim().parse().unwrap_or(0), rest),
            None => (0, version),
        };
        let (version, release) = rest.split_once('-').unwrap_or((rest, ""));
        (epoch, version.trim().to_owned(), release.trim().to_owned())
    };
    let (a, b) = (parts(a), parts(b));
    a.0.cmp(&b.0)
        .then_with(|| by_segments(&a.1, &b.1))
        .then_with(|| match (a.2.is_empty(), b.2.is_empty()) {
            (false, false) => by_segments(&a.2, &b.2),
            _ => Ordering::Equal,
        })
}

fn by_segments(a: &str, b: &str) -> Ordering {
    let is_separator = |c: &u8| !c.is_ascii_alphanumeric() && !matches!(c, b'~' | b'^');
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        a = &a[a.iter().position(|c| !is_separator(c)).unwrap_or(a.len())..];
        b = &b[b.iter().position(|c| !is_separator(c)).unwrap_or(b.len())..];
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (a, b) = (&a[1..], &b[1..]);
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), _) => return Ordering::Less,
            (_, Some(b'^')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(first), Some(other)) => {
                let order = if first.is_ascii_digit() {
                    if !other.is_ascii_digit() {
                        return Ordering::Greater;
                    }
                    number(&mut a).cmp(&number(&mut b))
                } else {
                    if other.is_ascii_digit() {
                        return Ordering::Less;
                    }
                    letters(&mut a).cmp(letters(&mut b))
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

fn letters<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|c| !c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (letters, rest) = text.split_at(end);
    *text = rest;
    letters
}

/// Splits `>=1.0` into operator and version; an operator may be absent.
pub(crate) fn split_operator(condition: &str) -> (&str, &str) {
    for operator in ["<=>", "!=", ">=", "<=", ">>", "<<", "<>", ">", "<", "="] {
        if let Some(version) = condition.strip_prefix(operator) {
            let version = version.strip_prefix(char::is_whitespace).unwrap_or(version);
            if !version.is_empty() && !version.contains(['<', '>', '=']) {
                return (operator, version);
            }
            return ("", condition);
        }
    }
    ("", condition)
}

/// Whether two versions stand in a relation, by the order of the package manager. Relations that nobody knows hold for none.
pub(crate) fn holds(
    a: &str,
    operator: &str,
    b: &str,
    ignore_epoch: bool,
    compare: &dyn Fn(&str, &str) -> Ordering,
) -> bool {
    let bare = |version: &str| match version.split_once(':') {
        Some((_, rest)) if ignore_epoch => rest.to_owned(),
        _ => version.to_owned(),
    };
    let order = compare(&bare(a), &bare(b));
    match operator {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        "==" => order.is_eq(),
        ">=" => order.is_ge(),
        ">" => order.is_gt(),
        "!=" => order.is_ne(),
        _ => false,
    }
}

/// What a state says of a version: conditions with commas between.
#[derive(Debug)]
pub(crate) struct Conditions<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Conditions<'a> {
    pub(crate) fn parse(text: &'a str) -> Conditions<'a> {
        let text = text.trim();
        let conditions = text
            .split(',')
            .filter(|_| !text.is_empty())
            .map(|condition| match split_operator(condition.trim()) {
                ("" | "=", version) => ("==", version),
                other => other,
            });
        Conditions(conditions.collect())
    }

    /// Whether one of the versions meets all conditions. `ignore_epoch` without a value: where the condition is one of equality and names no
    /// epoch. `allow_updates`: a newer version than the one asked for is as good.
    pub(crate) fn are_met(
        &self,
        versions: &[String],
        ignore_epoch: Option<bool>,
        allow_updates: bool,
        compare: &dyn Fn(&str, &str) -> Ordering,
    ) -> bool {
        versions.iter().any(|version| {
            self.0.iter().all(|(operator, wanted)| {
                let operator = if allow_updates && self.0.len() == 1 && *operator == "==" {
                    ">="
                } else {
                    operator
                };
                let ignores = ignore_epoch
                    .unwrap_or_else(|| !operator.contains(['<', '>']) && !wanted.contains(':'));
                let is_glob = operator == "=="
                    && pattern::glob(wanted, false).is_some_and(|glob| glob.is_match(version));
                is_glob || holds(version, operator, wanted, ignores, compare)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_orders_as_dpkg_does() {
        let check = |a: &str, b: &str, expected: Ordering| {
            assert_eq!(debian(a, b), expected, "{a} {b}");
            assert_eq!(debian(b, a), expected.reverse(), "{b} {a}");
        };
        check("1.0", "1.0", Ordering::Equal);
        check("1.0-1", "1.0-2", Ordering::Less);
        check("1.10", "1.9", Ordering::Greater);
        check("1.0~rc1", "1.0", Ordering::Less);
        check("1.0~rc1-1", "1.0~rc1-1+b1", Ordering::Less);
        check("1:1.0", "2.0", Ordering::Greater);
        check("0:1.0", "1.0", Ordering::Equal);
        check("1.0+dfsg-1", "1.0-1", Ordering::Greater);
        check("1.0a", "1.0", Ordering::Greater);
        check("1.0a", "1.0+", Ordering::Less);
        check("1.001", "1.1", Ordering::Equal);
        check("1.0-1-2", "1.0-1-10", Ordering::Less);
        check("20240101", "99999999999999999999", Ordering::Less);
        check("1.0-0", "1.0", Ordering::Equal);
    }

    #[test]
    fn rpm_orders_as_rpm_does() {
        let check = |a: &str, b: &str, expected: Ordering| {
            assert_eq!(rpm(a, b), expected, "{a} {b}");
            assert_eq!(rpm(b, a), expected.reverse(), "{b} {a}");
        };
        check("1.0-1.el9", "1.0-2.el9", Ordering::Less);
        check("1.0", "1.0-2.el9", Ordering::Equal);
        check("1:1.0-1", "2.0-1", Ordering::Greater);
        check("1.0~rc1", "1.0", Ordering::Less);
        check("1.0^git1", "1.0", Ordering::Greater);
        check("1.0^git1", "1.0.1", Ordering::Less);
        check("1.0a", "1.0", Ordering::Greater);
        check("2.0", "2.0a", Ordering::Less);
        check("1.a", "1.1", Ordering::Less);
        check("5.010", "5.10", Ordering::Equal);
    }

    #[test]
    fn conditions_are_met() {
        let check = |installed: &str, condition: &str, expected: bool| {
            let met =
                Conditions::parse(condition).are_met(&[installed.to_owned()], None, false, &debian);
            assert_eq!(met, expected, "{installed} {condition}");
        };
        check("1.2-1", "1.2-1", true);
        check("1.2-1", "=1.2-1", true);
        check("1.2-1", "1.2*", true);
        check("1.2-1", "1.3*", false);
        check("1.2-1", ">= 1.0", true);
        check("1.2-1", ">1.0,<1.2", false);
        check("1.2-1", "!=1.0", true);
        check("1:1.2-1", "1.2-1", true);
        check("1:1.2-1", ">2.0", true);
        check("1.2-1", ">>1.0", false);
        let newer = Conditions::parse("1.0").are_met(&["1.2".to_owned()], None, true, &debian);
        assert!(newer);
    }
}
