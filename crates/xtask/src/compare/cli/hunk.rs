//! Where two texts part: runs of lines that only one of them has.

use serde_json::Value;

use super::super::difference::Leaf;

/// The places where two texts part, each with all its lines; none when they are equal.
///
/// Takes time and memory for the product of their lengths: commands print little.
pub fn hunks(salt: &[String], ours: &[String]) -> Vec<Leaf> {
    let common = common(salt, ours);
    let mut found = Vec::new();
    let (mut at, mut to) = (0, 0);
    let mut part = |at: usize, to: usize, at_end: usize, to_end: usize| {
        if at < at_end || to < to_end {
            found.push(Leaf {
                path: format!("line {}", at + 1),
                salt: text(&salt[at..at_end]),
                ours: text(&ours[to..to_end]),
            });
        }
    };
    for (at_end, to_end) in pairs(salt, ours, &common) {
        part(at, to, at_end, to_end);
        (at, to) = (at_end + 1, to_end + 1);
    }
    part(at, to, salt.len(), ours.len());
    found
}

fn text(lines: &[String]) -> Option<Value> {
    (!lines.is_empty()).then(|| lines.join("\n").into())
}

/// How many lines the texts have in common from each pair of places on.
fn common(salt: &[String], ours: &[String]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; ours.len() + 1]; salt.len() + 1];
    for at in (0..salt.len()).rev() {
        for to in (0..ours.len()).rev() {
            common[at][to] = if salt[at] == ours[to] {
                common[at + 1][to + 1] + 1
            } else {
                common[at + 1][to].max(common[at][to + 1])
            };
        }
    }
    common
}

/// The places of the lines that both have, in order.
fn pairs(salt: &[String], ours: &[String], common: &[Vec<usize>]) -> Vec<(usize, usize)> {
    let (mut at, mut to) = (0, 0);
    let mut pairs = Vec::new();
    while at < salt.len() && to < ours.len() {
        if salt[at] == ours[to] {
            pairs.push((at, to));
            (at, to) = (at + 1, to + 1);
        } else if common[at + 1][to] >= common[at][to + 1] {
            at += 1;
        } else {
            to += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(salt: &str, ours: &str) -> Vec<String> {
        let lines = |text: &str| -> Vec<String> { text.chars().map(String::from).collect() };
        let shown = |value: &Option<Value>| {
            let text = value.as_ref().and_then(Value::as_str);
            text.unwrap_or("-").replace('\n', "")
        };
        let hunks = hunks(&lines(salt), &lines(ours));
        hunks
            .iter()
            .map(|leaf| format!("{} {} {}", leaf.path, shown(&leaf.salt), shown(&leaf.ours)))
            .collect()
    }

    #[test]
    fn one_line_more_is_one_difference() {
        assert!(told("abc", "abc").is_empty());
        assert_eq!(told("abc", "xabc"), ["line 1 - x"]);
        assert_eq!(told("abcd", "acd"), ["line 2 b -"]);
        assert_eq!(told("abcd", "axyd"), ["line 2 bc xy"]);
        assert_eq!(told("", "x"), ["line 1 - x"]);
        assert_eq!(told("aXbYc", "abc"), ["line 2 X -", "line 4 Y -"]);
    }
}
