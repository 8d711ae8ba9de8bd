//! What iptables-save writes, as data: tables, chains with policy and counters, rules by option.

use serde_json::{Map, Value, json};

use super::options::told_as;
use crate::failure::Failure;

/// Reads the output of iptables-save. Each rule maps its options to lists of values; that of a flag is empty.
pub(super) fn parse(text: &str) -> Result<Map<String, Value>, Failure> {
    let mut tables = Map::new();
    let mut table = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name.replace('*', "");
            tables.insert(table.clone(), json!({}));
        } else if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let name = words.next().unwrap_or_default();
            let policy = words.next().unwrap_or_default();
            let counters = words.next().unwrap_or_default().trim_matches(['[', ']']);
            let (packets, bytes) = counters.split_once(':').unwrap_or_default();
            tables[table.as_str()][name] = json!({
                "policy": policy, "packet count": packets, "byte count": bytes, "rules": [], "rules_comment": {},
            });
        } else if line.starts_with("-A") {
            let words = shlex::split(line)
                .ok_or_else(|| Failure::exception("ValueError", "No closing quotation"))?;
            add(&mut tables, &table, options(&paired(words)), line)?;
        }
    }
    Ok(tables)
}

fn add(
    tables: &mut Map<String, Value>,
    table: &str,
    mut rule: Map<String, Value>,
    line: &str,
) -> Result<(), Failure> {
    let chain = rule.shift_remove("append").unwrap_or_default();
    let chain = chain[0].as_str().unwrap_or_default();
    let Some(chain) = tables.get_mut(table).and_then(|table| table.get_mut(chain)) else {
        let text = format!("iptables-save tells of a rule of an unknown chain: {line}");
        return Err(Failure::command(text));
    };
    if let Some(comment) = rule.get("comment").and_then(|comment| comment[0].as_str()) {
        let comment = comment.trim_matches('"');
        chain["rules_comment"][comment] = json!(rule);
    }
    if let Some(rules) = chain["rules"].as_array_mut() {
        rules.push(json!(rule));
    }
    Ok(())
}

/// Puts one value behind each option: its words joined, with `!` in front when the option is negated, or nothing for a flag.
fn paired(mut words: Vec<String>) -> Vec<String> {
    let mut at = 0;
    while at + 1 < words.len() {
        let is_negated = words[at] == "!" && words[at + 1].starts_with('-');
        if is_negated {
            words.swap(at, at + 1);
        }
        if words[at].starts_with('-') {
            at += 1;
            if words[at].starts_with('-') || (words[at] == "!" && !is_negated) {
                words.insert(at, String::new());
            } else {
                while words
                    .get(at + 1)
                    .is_some_and(|next| next != "!" && !next.starts_with('-'))
                {
                    let next = words.remove(at + 1);
                    words[at].push(' ');
                    words[at].push_str(&next);
                }
            }
        }
        at += 1;
    }
    if words.last().is_some_and(|last| last.starts_with('-')) {
        words.push(String::new());
    }
    words
}

fn options(words: &[String]) -> Map<String, Value> {
    let mut found = Map::new();
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        let Some(name) = told_as(word) else {
            continue;
        };
        let Some(value) = rest.next_if(|next| !next.starts_with('-')) else {
            continue;
        };
        let values = found.entry(name).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(json!(value));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_as_salt_does() {
        let told = parse(include_str!("saved.txt")).unwrap();
        let expected: Value = serde_json::from_str(include_str!("saved.json")).unwrap();
        assert_eq!(Value::Object(told), expected);
    }

    #[test]
    fn broken_input_is_refused() {
        assert!(parse("*filter\n:INPUT ACCEPT [0:0]\n-A OTHER -j DROP\n").is_err());
        assert!(parse("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT --comment \"x\n").is_err());
    }
}
