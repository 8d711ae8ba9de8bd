//! JSON: safe on a terminal, with instants as ISO 8601.

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value, json};
use wire::{Reason, UnixMillis};

use crate::escape::is_visible;
use crate::report::Report;
use crate::time::iso;

/// Fields of control words that hold an instant in milliseconds.
const INSTANTS: [&str; 8] = [
    "as_of",
    "checked",
    "cut_since",
    "expires",
    "finished",
    "issued",
    "since",
    "until",
];

/// A value as indented JSON with a line break at its end. Characters that would act on a terminal are escaped as JSON allows.
pub fn json(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer =
        Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    // A Value has string keys and the writer is memory, so nothing can fail.
    let _ = value.serialize(&mut serializer);
    visible(&String::from_utf8_lossy(&bytes))
}

/// The text of a document of JSON with a line break at its end, and what would act on a terminal escaped.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        // The only invisible character outside of strings is the line break of the layout.
        if c == '\n' || is_visible(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out.push('\n');
    out
}

/// Words of the control protocol as JSON text, their instants as ISO 8601, and as null where nothing happened yet.
pub fn document<T: Serialize>(words: &T) -> Value {
    // Control words are plain data: they always serialize.
    with_instants(serde_json::to_value(words).unwrap_or_default())
}

fn with_instants(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(with_instants).collect()),
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, item)| match item.as_u64() {
                    Some(millis) if INSTANTS.contains(&key.as_str()) => {
                        (key, instant(Some(millis)))
                    }
                    _ => (key, with_instants(item)),
                })
                .collect(),
        ),
        other => other,
    }
}

fn instant(millis: Option<UnixMillis>) -> Value {
    match millis {
        None | Some(0) => Value::Null,
        Some(millis) => Value::String(iso(millis)),
    }
}

/// The account of a job as one document: `--out ledger`. Every minion has every field; what does not apply is null.
pub fn ledger(report: &Report<'_>) -> Value {
    let ledger = report.ledger();
    let parsed = |json: &[u8]| serde_json::from_slice::<Value>(json).unwrap_or_default();
    let minions: Map<String, Value> = ledger
        .minions
        .iter()
        .map(|entry| {
            let mut minion = Map::new();
            let mut put = |key: &str, value: Value| minion.insert(key.to_owned(), value);
            put("outcome", entry.kind.as_str().into());
            put("retcode", entry.retcode.into());
            put("return", report.value(entry).cloned().unwrap_or_default());
            put("started", instant(entry.started));
            put("duration_ms", entry.duration_ms.into());
            put("path", entry.path.as_str().into());
            minion.extend(because(entry.reason.as_ref()));
            (entry.id.clone(), Value::Object(minion))
        })
        .collect();
    let undecided: Map<String, Value> = ledger
        .undecided
        .iter()
        .map(|(id, reason)| (id.clone(), Value::Object(because(Some(reason)))))
        .collect();
    json!({
        "jid": ledger.progress.jid,
        "fun": ledger.fun,
        "args": parsed(&ledger.args),
        "kwargs": parsed(&ledger.kwargs),
        "target": ledger.target,
        "user": ledger.user,
        "origin": ledger.origin,
        "owner": ledger.owner.as_ref().unwrap_or(&ledger.origin),
        "roots": ledger.roots,
        "issued": instant(Some(ledger.issued)),
        "finished": instant(ledger.finished),
        "complete": ledger.progress.complete,
        "counts": ledger.progress.counts,
        "rollout": document(&ledger.progress.rollout),
        "sites": document(&ledger.progress.sites),
        "minions": minions,
        "unknown": ledger.unknown,
        "undecided": undecided,
    })
}

fn because(reason: Option<&Reason>) -> Map<String, Value> {
    Map::from_iter([
        (
            "since".to_owned(),
            instant(reason.map(|reason| reason.since)),
        ),
        (
            "reason".to_owned(),
            reason.map(|reason| reason.text.as_str()).into(),
        ),
        (
            "reason_code".to_owned(),
            reason
                .map(|reason| document(&reason.code))
                .unwrap_or_default(),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use wire::{OutcomeKind, ReasonCode};

    #[test]
    fn json_is_safe_and_reads_back() {
        let value = json!({"k\u{9b}": "a\u{7f}\u{202e}\u{e0041}\n\u{1b}ü"});
        let text = json(&value);
        assert_eq!(
            text,
            "{\n    \"k\\u009b\": \"a\\u007f\\u202e\\udb40\\udc41\\n\\u001bü\"\n}\n"
        );
        assert_eq!(
            serde_json::from_str::<Value>(&text).expect("it is JSON"),
            value
        );
    }

    #[test]
    fn the_ledger_holds_the_whole_account() {
        let mut ledger_words = sample::account(
            vec![
                sample::returned("web1", OutcomeKind::Ok, 0),
                sample::silent(
                    "web2",
                    OutcomeKind::Unreachable,
                    Some((ReasonCode::SiteCutOff, "ams1 is cut off")),
                ),
            ],
            &["[1]"],
        );
        ledger_words.progress.sites[0].cut_since = Some(sample::NOW);
        ledger_words.unknown.push("web9".to_owned());
        ledger_words
            .undecided
            .push(("web8".to_owned(), sample::reason()));
        let at = "2026-11-22T23:15:56.000Z";
        let counts = json!({"expected": 2, "ok": 1, "failed": 0, "running": 0, "queued": 0, "unreachable": 1, "lost": 0, "refused": 0, "expired": 0});
        assert_eq!(
            ledger(&Report::new(&ledger_words)),
            json!({
                "jid": "20261122231556000001",
                "fun": "test.ping", "args": [], "kwargs": {},
                "target": "*", "user": "sudo_alice", "origin": "top1", "owner": "top1", "roots": null,
                "issued": at, "finished": "2026-11-22T23:15:56.040Z", "complete": true,
                "counts": counts,
                "rollout": null,
                "sites": [{"path": "eu/ams", "counts": counts, "as_of": at, "cut_since": at}],
                "minions": {
                    "web1": {"outcome": "ok", "retcode": 0, "return": [1], "started": at, "duration_ms": 12, "path": "eu/ams",
                        "since": null, "reason": null, "reason_code": null},
                    "web2": {"outcome": "unreachable", "retcode": null, "return": null, "started": null, "duration_ms": null, "path": "eu/ams",
                        "since": at, "reason": "ams1 is cut off", "reason_code": "site-cut-off"},
                },
                "unknown": ["web9"],
                "undecided": {"web8": {"since": at, "reason": "the hub lacks its grains", "reason_code": "minion-down"}},
            })
        );
    }
}
