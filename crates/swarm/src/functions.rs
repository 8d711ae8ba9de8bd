//! What a simulated minion can do: as little as shows each kind of return.

use serde_json::{Map, Value, json};
use wire::{JobOrder, Json, NodeId, Return, UnixMillis};

/// The grains of a minion that got none from a file: those that targets name most.
pub fn few_grains() -> Map<String, Value> {
    let grains = [
        ("kernel", json!("Linux")),
        ("os", json!("Debian")),
        ("os_family", json!("Debian")),
        ("osmajorrelease", json!(13)),
        ("cpuarch", json!("x86_64")),
        ("num_cpus", json!(2)),
        ("mem_total", json!(3_921)),
        ("roles", json!(["web", "bench"])),
    ];
    grains
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Longest text of `test.rand_str`.
const TEXT_MAX: u64 = 1 << 20;

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A text that follows from the seed, and that no compression makes much shorter.
fn noise(seed: &str, length: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = hash(seed);
    let letters = (0..length.min(TEXT_MAX)).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[(state >> 58) as usize])
    });
    letters.collect()
}

/// Runs a function here and now: `test.ping` gives true, `test.echo` its argument, `grains.get id` a value that no two
/// minions share, `test.rand_str LENGTH` a long one, `test.rand_str LENGTH KINDS` one of so many. Any other is not available,
/// in Salt's words.
pub fn run(order: &JobOrder, id: &NodeId, now: UnixMillis) -> Return {
    let argument = |at: usize| -> Option<Value> {
        let arguments: Vec<Value> = serde_json::from_slice(&order.args).ok()?;
        arguments.into_iter().nth(at)
    };
    let first = || argument(0);
    let value: Option<Json> = match order.fun.as_str() {
        "test.ping" => Some((*b"true").into()),
        "test.echo" => first().map(|value| value.to_string().into_bytes().into()),
        "grains.get" if first().is_some_and(|name| name == "id") => {
            Some(json!(id.as_str()).to_string().into_bytes().into())
        }
        "test.rand_str" => {
            let number = |at| argument(at).and_then(|number| number.as_u64());
            let seed = match number(1) {
                Some(kinds) => format!("{} {}", order.jid, hash(id.as_str()) % kinds.max(1)),
                None => format!("{} {id}", order.jid),
            };
            let text = number(0).map(|length| json!(noise(&seed, length)));
            text.map(|text| text.to_string().into_bytes().into())
        }
        _ => None,
    };
    let success = value.is_some();
    let missing = || {
        let text = format!("'{}' is not available.", order.fun);
        json!(text).to_string().into_bytes().into()
    };
    Return {
        jid: order.jid,
        retcode: if success { 0 } else { 254 },
        success,
        value: value.unwrap_or_else(missing),
        started: now,
        duration_ms: 0,
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use wire::{JobOptions, RunTarget, SitePath, TreeId, Uid};

    fn order(fun: &str, args: &str) -> JobOrder {
        JobOrder {
            tree: TreeId([0; 32]),
            jid: "20260101000000000000".parse().unwrap(),
            origin: Uid([0; 16]),
            origin_id: "top".parse().unwrap(),
            scope: SitePath::top(),
            user: "root".to_owned(),
            target: RunTarget {
                compound: "*".to_owned(),
                typed: "*".to_owned(),
            },
            fun: fun.to_owned(),
            args: args.as_bytes().into(),
            kwargs: (*b"{}").into(),
            issued: 0,
            start_by: 0,
            options: JobOptions::default(),
        }
    }

    fn check(fun: &str, args: &str, expected: (&str, i32)) {
        let order = order(fun, args);
        let ret = run(&order, &"m1".parse().unwrap(), 7);
        let value = std::str::from_utf8(&ret.value).unwrap();
        assert_eq!((value, ret.retcode), expected, "{fun} {args}");
        assert_eq!((ret.success, ret.started), (expected.1 == 0, 7));
    }

    #[test]
    fn few_functions_and_no_others() {
        check("test.ping", "[]", ("true", 0));
        check("test.echo", r#"[{"a":[1]}]"#, (r#"{"a":[1]}"#, 0));
        check("grains.get", r#"["id"]"#, (r#""m1""#, 0));
        check(
            "grains.get",
            r#"["os"]"#,
            (r#""'grains.get' is not available.""#, 254),
        );
        check(
            "test.echo",
            "[]",
            (r#""'test.echo' is not available.""#, 254),
        );
        check(
            "cmd.run",
            r#"["id"]"#,
            (r#""'cmd.run' is not available.""#, 254),
        );
    }

    #[test]
    fn noise_differs_between_minions() {
        let value = |id: &str| {
            let ret = run(&order("test.rand_str", "[1024]"), &id.parse().unwrap(), 7);
            ret.value.to_vec()
        };
        // And the quotes.
        assert_eq!(value("m1").len(), 1_026);
        assert_eq!(value("m1"), value("m1"));
        assert_ne!(value("m1"), value("m2"));
    }

    #[test]
    fn so_many_kinds_of_noise() {
        let value = |number: u32, kinds: u64| {
            let order = order("test.rand_str", &format!("[16, {kinds}]"));
            let ret = run(&order, &format!("m{number}").parse().unwrap(), 7);
            ret.value.to_vec()
        };
        for kinds in [1, 5] {
            let all: std::collections::HashSet<_> = (0..100).map(|n| value(n, kinds)).collect();
            assert_eq!(all.len() as u64, kinds);
        }
    }
}
